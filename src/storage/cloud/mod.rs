//! Buckets, over the crate object_store: everything asynchronous in longrun is in this folder, on one thread that runs while a call
//! waits. Requests are tried again here and nowhere below, so that one place counts and knows when to stop.

mod fault;
mod transfer;
mod wire;

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::{Either, select};
use object_store::aws::AmazonS3Builder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    PutResult, RetryConfig, StaticCredentialProvider, UpdateVersion,
};
use tokio::runtime::Runtime;

use self::fault::{Fault, Kind, Patience};
use self::wire::Listening;
use super::hurry::is_hurried;
use super::{Cloud, Listed, Place, RemotePlace, StorageSettings, Tag, When, Written};
use crate::error::{Error, Result};

/// A bucket, whole objects and parts alike.
trait Bucket: ObjectStore + MultipartStore {}
impl<T: ObjectStore + MultipartStore> Bucket for T {}

/// Every bucket that was asked so far.
#[derive(Debug)]
pub(super) struct Buckets {
    settings: StorageSettings,
    runtime: OnceLock<Runtime>,
    known: Mutex<HashMap<(Cloud, String), Arc<dyn Bucket>>>,
}

/// How long an answer may take once the process has little time left.
const HURRIED: Duration = Duration::from_secs(4);

/// How often waiting looks whether there is a hurry.
const GLANCE: Duration = Duration::from_millis(100);

/// Waits for an answer so long, or much shorter in a hurry; how long that was, when it does not come.
async fn patient<T>(within: Duration, answer: impl Future<Output = T>) -> Result<T, Duration> {
    let enough = async {
        let mut waited = Duration::ZERO;
        while waited < within && !is_hurried() {
            tokio::time::sleep(GLANCE).await;
            waited += GLANCE;
        }
        if waited < within {
            tokio::time::sleep(HURRIED).await;
            waited += HURRIED;
        }
        waited
    };
    match select(pin!(answer), pin!(enough)).await {
        Either::Left((answered, _)) => Ok(answered),
        Either::Right((waited, _)) => Err(waited),
    }
}

/// Pauses between two tries; a hurry ends it.
async fn pause(length: Duration) {
    let mut waited = Duration::ZERO;
    while waited < length && !is_hurried() {
        let step = GLANCE.min(length - waited);
        tokio::time::sleep(step).await;
        waited += step;
    }
}

/// The least that counts as moving: an upload may take as long as its bytes need at this pace, beside the silence allowed.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

impl Buckets {
    pub(super) fn new(settings: StorageSettings) -> Self {
        Self { settings, runtime: OnceLock::new(), known: Mutex::default() }
    }

    pub(super) fn list(&self, prefix: &RemotePlace) -> Result<Vec<Listed>> {
        let key = key_of(prefix)?;
        let found = self.ask("list it", prefix, self.settings.silent_for * 4, async |bucket| {
            let under = (!prefix.key.is_empty()).then_some(&key);
            bucket.list(under).try_collect::<Vec<ObjectMeta>>().await
        })?;
        let mut listed: Vec<Listed> = found.into_iter().filter_map(|object| listed_below(prefix, &object)).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        // Consoles mark a folder by an empty object of its name.
        let folders: HashSet<String> = listed
            .iter()
            .flat_map(|entry| entry.name.match_indices('/').map(|(end, _)| entry.name[..end].to_owned()))
            .collect();
        listed.retain(|entry| entry.bytes > 0 || !folders.contains(&entry.name));
        Ok(listed)
    }

    /// One object, if there is one.
    pub(super) fn look(&self, place: &RemotePlace) -> Result<Option<Listed>> {
        if place.key.is_empty() {
            return Ok(None);
        }
        let key = key_of(place)?;
        let found = self.attempt(place, self.settings.silent_for, async |bucket| bucket.head(&key).await);
        match found {
            Ok(object) => Ok(listed_below(place, &object)),
            // The answer to such a question has no body, so no word of which of the two is missing: a listing tells.
            Err(fault) if matches!(fault.kind, Kind::NoObject) => {
                self.ask("look at it", place, self.settings.silent_for, async |bucket| {
                    bucket.list_with_delimiter(Some(&key)).await.map(|_| None)
                })
            }
            Err(fault) => Err(fault.told("look at it", place)),
        }
    }

    pub(super) fn read(&self, place: &RemotePlace) -> Result<Option<(Vec<u8>, Tag)>> {
        let key = key_of(place)?;
        let found = self.attempt(place, self.settings.silent_for * 2, async |bucket| {
            let found = bucket.get_opts(&key, GetOptions::default()).await?;
            let tag = Tag { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            Ok((found.bytes().await?.to_vec(), tag))
        });
        match found {
            Ok(found) => Ok(Some(found)),
            Err(fault) if fault.kind == Kind::NoObject => Ok(None),
            Err(fault) => Err(fault.told("read it", place)),
        }
    }

    pub(super) fn write(&self, place: &RemotePlace, bytes: &[u8], when: &When) -> Result<Written> {
        let key = key_of(place)?;
        let mode = match when {
            When::Always => PutMode::Overwrite,
            When::IfAbsent => PutMode::Create,
            When::IfUnchanged(tag) => {
                PutMode::Update(UpdateVersion { e_tag: tag.e_tag.clone(), version: tag.version.clone() })
            }
        };
        let payload = PutPayload::from(bytes.to_vec());
        let done = self.attempt(place, self.time_for(bytes.len() as u64), async |bucket| {
            bucket.put_opts(&key, payload.clone(), PutOptions::from(mode.clone())).await
        });
        match done {
            Ok(PutResult { e_tag, version, .. }) => Ok(Written::Done(Tag { e_tag, version })),
            Err(fault) if fault.kind == Kind::Refused || (fault.kind == Kind::NoObject && *when != When::Always) => {
                // An earlier try may have written it, and only its answer was lost: then it is this very content that stands there.
                if fault.unsure
                    && let Some((there, tag)) = self.read(place)?
                    && there == bytes
                {
                    return Ok(Written::Done(tag));
                }
                Ok(Written::Refused)
            }
            Err(fault) => Err(fault.told("write it", place)),
        }
    }

    pub(super) fn remove(&self, place: &RemotePlace) -> Result<()> {
        let key = key_of(place)?;
        match self.attempt(place, self.settings.silent_for, async |bucket| bucket.delete(&key).await) {
            Err(fault) if fault.kind != Kind::NoObject => Err(fault.told("remove it", place)),
            _ => Ok(()),
        }
    }

    /// Copies an object within its bucket, without its bytes coming here; false where there is none.
    pub(super) fn copy(&self, from: &RemotePlace, to: &RemotePlace) -> Result<bool> {
        let (source, target) = (key_of(from)?, key_of(to)?);
        match self.attempt(to, self.settings.silent_for * 4, async |bucket| bucket.copy(&source, &target).await) {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind == Kind::NoObject => Ok(false),
            Err(fault) => Err(fault.told(&format!("copy {from} to it"), to)),
        }
    }

    /// How long a request with so many bytes may take.
    fn time_for(&self, bytes: u64) -> Duration {
        self.settings.silent_for + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
    }

    fn ask<T>(
        &self,
        doing: &str,
        place: &RemotePlace,
        within: Duration,
        once: impl AsyncFn(&dyn Bucket) -> object_store::Result<T>,
    ) -> Result<T> {
        self.attempt(place, within, once).map_err(|fault| fault.told(doing, place))
    }

    /// Does `once` until it is done, or no other try may help.
    fn attempt<T>(
        &self,
        place: &RemotePlace,
        within: Duration,
        once: impl AsyncFn(&dyn Bucket) -> object_store::Result<T>,
    ) -> Result<T, Fault> {
        let bucket = self.bucket(place).map_err(|error| Fault::of(&error))?;
        self.wait(async { self.patiently(place, within, async || once(&*bucket).await).await })
    }

    /// The same on the thread that waits already.
    async fn patiently<T>(
        &self,
        place: &RemotePlace,
        within: Duration,
        once: impl AsyncFn() -> object_store::Result<T>,
    ) -> Result<T, Fault> {
        let mut patience = Patience::new(&self.settings, place);
        loop {
            let fault = match patient(within, once()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => Fault::of(&error),
                Err(waited) => Fault::silent(waited),
            };
            pause(patience.after(fault, within)?).await;
        }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.get_or_init(|| {
            // An error only says that there is one already, another's or ureq's.
            let _ = rustls::crypto::ring::default_provider().install_default();
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("one thread's runtime needs nothing but an event queue from the system")
        });
        runtime.block_on(work)
    }

    /// The bucket of a place, made ready on first use: only now are credentials looked for.
    fn bucket(&self, place: &RemotePlace) -> object_store::Result<Arc<dyn Bucket>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.cloud, place.bucket.clone());
        if let Some(bucket) = known.get(&key) {
            return Ok(Arc::clone(bucket));
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made: Arc<dyn Bucket> = match place.cloud {
            Cloud::Google => Arc::new(self.google(&place.bucket)?),
            Cloud::Amazon => Arc::new(self.amazon(&place.bucket)?),
        };
        known.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn google(&self, bucket: &str) -> object_store::Result<object_store::gcp::GoogleCloudStorage> {
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(options().with_allow_http(true))
            .with_retry(no_second_try())
            .with_http_connector(Listening { silent_for: self.settings.silent_for });
        if let Some(endpoint) = &self.settings.google_endpoint {
            let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
            builder = builder.with_base_url(endpoint).with_credentials(Arc::new(nobody));
        }
        builder.build()
    }

    fn amazon(&self, bucket: &str) -> object_store::Result<object_store::aws::AmazonS3> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_disable_bulk_delete(true)
            .with_retry(no_second_try())
            .with_http_connector(Listening { silent_for: self.settings.silent_for });
        let mut options = options();
        if let Some(endpoint) = &self.settings.amazon_endpoint {
            options = options.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
            builder = match &self.settings.amazon_keys {
                Some((key, secret)) => builder.with_access_key_id(key).with_secret_access_key(secret),
                None if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() => builder.with_skip_signature(true),
                None => builder,
            };
        }
        builder.with_client_options(options).build()
    }
}

fn options() -> ClientOptions {
    let agent = concat!("longrun/", env!("CARGO_PKG_VERSION"));
    let agent = agent.parse().ok();
    let options = ClientOptions::new().with_timeout_disabled().with_connect_timeout(Duration::from_secs(10));
    match agent {
        Some(agent) => options.with_user_agent(agent),
        None => options,
    }
}

fn no_second_try() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::from_secs(60) }
}

fn key_of(place: &RemotePlace) -> Result<Key> {
    Key::parse(&place.key).map_err(|e| Error::new("the address cannot be a key of an object").at(place).because(e))
}

/// An object as a listing of `prefix` shows it; none for the prefix's own marker.
fn listed_below(prefix: &RemotePlace, object: &ObjectMeta) -> Option<Listed> {
    let key = object.location.as_ref();
    let below = if prefix.key.is_empty() { Some(key) } else { key.strip_prefix(&prefix.key)?.strip_prefix('/') };
    let name = match below {
        Some(name) => name.to_owned(),
        None if key == prefix.key => prefix.key.rsplit('/').next().unwrap_or_default().to_owned(),
        None => return None,
    };
    let place = Place::Remote(RemotePlace { key: key.to_owned(), ..prefix.clone() });
    Some(Listed { place, name, bytes: object.size, tag: object.e_tag.clone().unwrap_or_default() })
}
