//! Tells a service of the user's that something happened, by one signed POST. A service that is slow, down or wrong delays the caller by a
//! stated time and fails nothing. Nothing here knows what happened: the body is the caller's.
//!
//! ```text
//! POST URL
//! Content-Type: application/json
//! X-Longrun-Delivery: 32 hexadecimal digits, the same for every try and for equal bodies: what was received before can be dropped
//! X-Longrun-Timestamp: seconds since 1970 when this try was made
//! X-Longrun-Signature: sha256=HMAC-SHA256 of the body in hexadecimal, where a secret is set
//! ```

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::http::{self, NoAnswer, Wanted};

/// Bytes of an answer that are read: enough to show what a service complains of.
const MOST_ANSWER_BYTES: u64 = 2048;

/// Characters of it that are repeated in words.
const MOST_SHOWN: usize = 200;

/// How long to wait for whom.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For one try.
    timeout: Duration,
    /// Before the second try and those after it; so there is one try more than these.
    pauses: [Duration; 2],
}

/// Three tries of five seconds, and the pauses between them.
const PATIENCE: Patience =
    Patience { timeout: Duration::from_secs(5), pauses: [Duration::from_millis(500), Duration::from_millis(1500)] };

/// Where to send, and which secret signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The address, `https://…`, or `http://…` on this machine.
    pub url: String,
    /// The environment variable that holds the secret; without it nothing is signed. The secret itself stands in no file.
    #[serde(default)]
    pub secret_env: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its `X-Longrun-Delivery`.
    pub id: String,
    /// The host it was meant for; the rest of an address may be a secret.
    pub host: String,
    /// Whether it was accepted (with a status from 200 to 299).
    pub accepted: bool,
    /// How often it was sent.
    pub tries: u32,
    /// The last status that came back.
    pub status: Option<u16>,
    /// What happened, in words.
    pub outcome: String,
}

/// Why a message was not accepted.
struct Refusal {
    why: String,
    status: Option<u16>,
    /// The least time to wait before another try, if one may do better.
    again: Option<Duration>,
}

impl Webhook {
    /// The longest that [`Webhook::deliver`] takes.
    pub const MOST_SECONDS: f64 = 17.0;

    /// Sends `body`, JSON, up to three times, and says what became of it. Takes at most [`Webhook::MOST_SECONDS`], and never fails.
    pub fn deliver(&self, body: &str) -> Delivery {
        let secret =
            self.secret_env.as_ref().map(|name| (name, std::env::var(name).ok().filter(|key| !key.is_empty())));
        match secret {
            Some((name, None)) => self.unsent(
                body,
                format!("not sent: the environment variable {name} holds no secret to sign with; set it, or leave out secret_env"),
            ),
            Some((_, Some(secret))) => self.deliver_with(body, Some(&secret), &PATIENCE),
            None => self.deliver_with(body, None, &PATIENCE),
        }
    }

    fn unsent(&self, body: &str, outcome: String) -> Delivery {
        Delivery { id: delivery_id(body), host: self.host(), accepted: false, tries: 0, status: None, outcome }
    }

    fn deliver_with(&self, body: &str, secret: Option<&str>, patience: &Patience) -> Delivery {
        let began = Instant::now();
        let signature = secret.map(|secret| signature(secret.as_bytes(), body.as_bytes()));
        let mut delivery = self.unsent(body, String::new());
        let mut pauses = patience.pauses.iter();
        loop {
            delivery.tries += 1;
            let refusal = match self.send(body, &delivery.id, signature.as_deref(), patience.timeout) {
                Ok(status) => {
                    delivery.accepted = true;
                    delivery.status = Some(status);
                    delivery.outcome = format!("accepted with status {status}{}", after(delivery.tries));
                    return delivery;
                }
                Err(refusal) => refusal,
            };
            delivery.status = refusal.status.or(delivery.status);
            delivery.outcome = format!("not accepted{}: {}", after(delivery.tries), refusal.why);
            let (Some(least), Some(pause)) = (refusal.again, pauses.next()) else { return delivery };
            // A service may ask for a longer pause where time was saved, so that all of it stays within what was promised.
            let later = pauses.as_slice();
            let rest = patience.timeout * (later.len() as u32 + 1) + later.iter().sum::<Duration>();
            if least > *pause && began.elapsed() + least + rest > patience.total() {
                delivery.outcome += &format!("; it asks to wait for {} s, which is not waited for", least.as_secs());
                return delivery;
            }
            std::thread::sleep(least.max(*pause));
        }
    }

    /// One try: the status with which it was accepted.
    fn send(&self, body: &str, id: &str, signature: Option<&str>, timeout: Duration) -> Result<u16, Refusal> {
        let timestamp = chrono::Utc::now().timestamp().to_string();
        let mut headers = vec![("X-Longrun-Delivery", id), ("X-Longrun-Timestamp", &timestamp)];
        headers.extend(signature.map(|signature| ("X-Longrun-Signature", signature)));
        let wanted = Wanted::Beginning(MOST_ANSWER_BYTES);
        let post = http::Post { url: &self.url, headers: &headers, body, timeout, wanted };
        let answer = http::post(&post).map_err(|NoAnswer { why, again }| Refusal {
            // The address may be a secret.
            why: why.replace(&self.url, &self.host()),
            status: None,
            again: again.then_some(Duration::ZERO),
        })?;
        let status = answer.status;
        let said = shown(&answer.body);
        let said = if said.is_empty() { String::new() } else { format!(" and {said:?}") };
        let why = match status {
            200..=299 => return Ok(status),
            300..=399 => format!(
                "it answers {status}, another address; redirects are not followed: give the address they lead to"
            ),
            _ => format!("it answers {status}{said}"),
        };
        let passing = matches!(status, 408 | 425 | 429 | 500..=599);
        let asked = answer.retry_after_s.filter(|s| s.is_finite()).unwrap_or(0.0).clamp(0.0, 1e6);
        Err(Refusal { why, status: Some(status), again: passing.then(|| Duration::from_secs_f64(asked)) })
    }

    /// The host of the address, without a user's name, path or query.
    fn host(&self) -> String {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default().to_owned()
    }
}

impl Patience {
    /// All tries and the pauses between them.
    fn total(&self) -> Duration {
        self.timeout * (self.pauses.len() as u32 + 1) + self.pauses.iter().sum::<Duration>()
    }
}

/// `sha256=` and the HMAC-SHA256 of a body in hexadecimal.
fn signature(secret: &[u8], body: &[u8]) -> String {
    // The scheme takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return "sha256=".to_owned() };
    mac.update(body);
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

/// What equal bodies have in common: half of their digest.
fn delivery_id(body: &str) -> String {
    hex(&Sha256::digest(body)[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn after(tries: u32) -> String {
    if tries == 1 { String::new() } else { format!(" after {tries} tries") }
}

/// The beginning of an answer, on one line.
fn shown(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
