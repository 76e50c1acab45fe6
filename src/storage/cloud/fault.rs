//! What went wrong with a store, whether another try may help, and what to tell the person who reads it.

use std::time::Duration;

use super::wire::{Answer, NoAnswer};
use crate::error::Error;
use crate::storage::hurry::is_hurried;
use crate::storage::{Cloud, RemotePlace, StorageSettings};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody answers, or not now; another try may help.
    Away,
    /// The same, and the store was silent for as long as it may be.
    Silent,
    /// A condition did not hold.
    Refused,
    /// There is no such object.
    NoObject,
    /// There is no such bucket.
    NoBucket,
    /// Who asks is known, and may not.
    Denied,
    /// Who asks is not known, or no longer.
    Unknown,
    /// There is nobody to ask as: no credentials were found.
    NoCredentials,
    /// The bucket lives elsewhere.
    OtherRegion,
    /// Anything else.
    Other,
}

/// One failure.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// In the server's words, or the network's.
    pub(super) said: String,
    /// How often it was tried.
    pub(super) tries: u32,
    /// Whether an earlier try may have done the work although its answer never came.
    pub(super) unsure: bool,
}

/// Machines that hand out credentials rather than objects.
const GIVERS: [&str; 5] =
    ["metadata.google.internal", "metadata", "169.254.169.254", "169.254.170.2", "169.254.170.23"];

impl Fault {
    pub(super) fn silent(for_so_long: Duration) -> Self {
        Self::new(Kind::Silent, format!("nothing arrived for {} s", for_so_long.as_secs_f64()))
    }

    pub(super) fn away(said: impl Into<String>) -> Self {
        Self::new(Kind::Away, said.into())
    }

    fn new(kind: Kind, said: String) -> Self {
        Self { kind, said, tries: 1, unsure: false }
    }

    /// Reads what object_store reports.
    pub(super) fn of(error: &object_store::Error) -> Self {
        let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = link {
            if let Some(answer) = cause.downcast_ref::<Answer>() {
                return Self::new(kind_of(answer), answer.to_string());
            }
            if let Some(silence) = cause.downcast_ref::<NoAnswer>() {
                // A token's giver that is not there is no store that is away: this machine has none.
                let kind = if GIVERS.contains(&silence.host.as_str()) { Kind::NoCredentials } else { Kind::Away };
                return Self::new(kind, silence.to_string());
            }
            link = cause.source();
        }
        // A body that breaks off has no answer to read: its answer was good.
        let said = error.to_string();
        let broken =
            ["HTTP error", "error decoding response body", "connection"].iter().any(|word| said.contains(word));
        Self::new(if broken { Kind::Away } else { Kind::Other }, said)
    }

    fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Away | Kind::Silent)
    }

    /// The error that a person reads. `doing` is a verb with its object: `read it`.
    pub(super) fn told(&self, doing: &str, place: &RemotePlace) -> Error {
        let google = place.cloud == Cloud::Google;
        let bucket = format!("{}://{}", place.cloud.scheme(), place.bucket);
        let (what, advice) = match self.kind {
            Kind::Away | Kind::Silent => (
                format!("could not {doing}: the store does not answer, after {} tries", self.tries),
                "what was done before stays, and the same command goes on from it; check the network, or try later".to_owned(),
            ),
            Kind::Refused => (
                format!("could not {doing}: it changed meanwhile"),
                "somebody else writes there; run the command again".to_owned(),
            ),
            Kind::NoObject => {
                (format!("could not {doing}: there is no such object"), format!("list {bucket} to see what is there"))
            }
            Kind::NoBucket => (
                format!("could not {doing}: there is no bucket {}", place.bucket),
                match google {
                    true => format!("check its name, or make it: gcloud storage buckets create {bucket}"),
                    false => format!("check its name, or make it: aws s3 mb {bucket}"),
                },
            ),
            Kind::Denied => (
                format!("could not {doing}: the store does not allow it"),
                match google {
                    true => format!(
                        "give the account that runs this roles/storage.objectUser (roles/storage.objectViewer is enough to read): \
                         gcloud storage buckets add-iam-policy-binding {bucket} --member=serviceAccount:… --role=roles/storage.objectUser"
                    ),
                    false => format!(
                        "allow s3:ListBucket on {bucket} and s3:GetObject, s3:PutObject and s3:DeleteObject on {bucket}/* to the \
                         identity that runs this"
                    ),
                },
            ),
            Kind::Unknown => (
                format!("could not {doing}: the credentials are not valid, or have expired"),
                match google {
                    true => "run gcloud auth application-default login, or on a machine in the cloud attach a service account to it",
                    false => "renew them (aws sso login, then eval \"$(aws configure export-credentials --format env)\")",
                }
                .to_owned(),
            ),
            Kind::NoCredentials => (
                format!("could not {doing}: no credentials were found"),
                match google {
                    true => {
                        "run gcloud auth application-default login, or let GOOGLE_APPLICATION_CREDENTIALS name a key file; a machine \
                         in Google's cloud needs a service account"
                    }
                    false => {
                        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (eval \"$(aws configure export-credentials --format env)\" \
                         takes them from a profile); a machine in Amazon's cloud needs an instance role"
                    }
                }
                .to_owned(),
            ),
            Kind::OtherRegion => (
                format!("could not {doing}: the bucket is in another region"),
                "let AWS_REGION name the bucket's own region".to_owned(),
            ),
            Kind::Other => (format!("could not {doing}"), "see what the store says".to_owned()),
        };
        Error::new(what).at(place).seen(&self.said).advice(advice)
    }
}

fn kind_of(answer: &Answer) -> Kind {
    let code = answer.code.as_str();
    let given = GIVERS.contains(&answer.host.as_str());
    let expired =
        ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "TokenRefreshRequired", "invalid_grant"];
    match answer.status {
        408 | 429 => Kind::Away,
        // Whatever it says of itself, it gave none.
        300..500 if given => Kind::NoCredentials,
        _ if expired.contains(&code) => Kind::Unknown,
        401 => Kind::Unknown,
        403 => Kind::Denied,
        404 if code == "NoSuchBucket" => Kind::NoBucket,
        404 => Kind::NoObject,
        412 => Kind::Refused,
        // S3 says so of two conditional writes at once.
        409 => Kind::Away,
        // What a store cannot do today it cannot do in a minute.
        501 => Kind::Other,
        500.. => Kind::Away,
        300..400 => Kind::OtherRegion,
        400 if code == "AuthorizationHeaderMalformed" => Kind::OtherRegion,
        _ => Kind::Other,
    }
}

/// How much waiting is left. It counts what it waited itself and what silences cost, and asks no clock.
#[derive(Debug)]
pub(super) struct Patience<'a> {
    settings: &'a StorageSettings,
    place: &'a RemotePlace,
    spent: Duration,
    pause: Duration,
    tries: u32,
    unsure: bool,
}

impl<'a> Patience<'a> {
    pub(super) fn new(settings: &'a StorageSettings, place: &'a RemotePlace) -> Self {
        Self { settings, place, spent: Duration::ZERO, pause: settings.first_pause, tries: 0, unsure: false }
    }

    /// Bytes arrived: waiting begins anew.
    pub(super) fn renew(&mut self) {
        *self = Self { unsure: self.unsure, ..Self::new(self.settings, self.place) };
    }

    /// How long to wait before the next try; the fault itself when there is none.
    pub(super) fn after(&mut self, fault: Fault, silence: Duration) -> Result<Duration, Fault> {
        self.tries += 1;
        let fault = Fault { tries: self.tries, unsure: self.unsure, ..fault };
        if fault.kind == Kind::Silent {
            self.spent += silence;
        }
        let pause = self.scattered();
        let given_up = is_hurried() && self.tries > 1;
        if !fault.may_pass() || given_up || self.spent + pause > self.settings.try_for {
            return Err(fault);
        }
        self.unsure = true;
        self.spent += pause;
        self.pause = (self.pause * 2).min(self.settings.longest_pause);
        Ok(pause)
    }

    /// Three quarters to five quarters of the pause, so that two machines that failed together do not come back together.
    fn scattered(&self) -> Duration {
        let seed = format!("{}:{}:{}", self.place, std::process::id(), self.tries);
        let hash =
            seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        self.pause.mul_f64(0.75 + 0.5 * (hash >> 40) as f64 / f64::from(1 << 24))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> RemotePlace {
        RemotePlace { cloud: Cloud::Google, bucket: "shop".into(), key: "a".into() }
    }

    #[test]
    fn pauses_double_and_end_and_bytes_begin_them_anew() {
        let settings = StorageSettings::default();
        let place = place();
        let mut patience = Patience::new(&settings, &place);
        let mut pauses = Vec::new();
        let fault = loop {
            match patience.after(Fault::away("status 503"), Duration::ZERO) {
                Ok(pause) => pauses.push(pause.as_secs_f64()),
                Err(fault) => break fault,
            }
        };
        let total: f64 = pauses.iter().sum();
        // 0.5 s doubling to 20 s, each within a quarter of itself, and 120 s in all.
        assert!((0.375..=0.625).contains(&pauses[0]) && pauses.iter().all(|&p| p <= 25.0), "{pauses:?}");
        assert!((95.0..=120.0).contains(&total) && fault.tries as usize == pauses.len() + 1, "{total} {fault:?}");
        patience.renew();
        assert!(patience.after(Fault::away("status 503"), Duration::ZERO).is_ok());
    }

    #[test]
    fn what_no_second_try_mends_ends_at_once() {
        let settings = StorageSettings::default();
        for (status, code, kind, advice) in [
            (401, "", Kind::Unknown, "gcloud auth application-default login"),
            (403, "AccessDenied", Kind::Denied, "roles/storage.objectUser"),
            (404, "NoSuchBucket", Kind::NoBucket, "buckets create gs://shop"),
            (400, "invalid_grant", Kind::Unknown, "gcloud auth application-default login"),
            (412, "PreconditionFailed", Kind::Refused, "run the command again"),
            (301, "PermanentRedirect", Kind::OtherRegion, "AWS_REGION"),
            (403, "of the metadata server", Kind::NoCredentials, "GOOGLE_APPLICATION_CREDENTIALS"),
            (404, "of the metadata server", Kind::NoCredentials, "GOOGLE_APPLICATION_CREDENTIALS"),
        ] {
            let host = if code == "of the metadata server" { GIVERS[0] } else { "store" };
            let answer = Answer { host: host.into(), status, code: code.into(), message: "no".into() };
            let error = object_store::Error::Generic {
                store: "GCS",
                source: Box::new(object_store::client::HttpError::new(
                    object_store::client::HttpErrorKind::Unknown,
                    answer,
                )),
            };
            let place = place();
            let fault = Patience::new(&settings, &place).after(Fault::of(&error), Duration::ZERO).unwrap_err();
            let said = fault.told("read it", &place).to_string();
            assert_eq!((fault.kind, fault.tries), (kind, 1), "{said}");
            assert!(said.starts_with("gs://shop/a: could not read it") && said.contains(advice), "{said}");
            assert!(said.contains(&format!("status {status}")), "{said}");
        }
    }
}
