//! Carries an advisor's request over HTTP. Nothing here reads what it carries.

use std::time::Duration;

use crate::advise::{Post, Reply, Transport, TransportFailure};
use crate::http::{self, Wanted};

/// The carrier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

impl Transport for Http {
    fn post(&self, post: &Post<'_>) -> Result<Reply, TransportFailure> {
        let bearer = post.key.map(|key| format!("Bearer {key}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        let request = http::Post {
            url: post.url,
            headers: &headers,
            body: post.body,
            timeout: Duration::from_secs_f64(post.timeout_s.clamp(0.1, 3600.0)),
            wanted: Wanted::Whole(post.most_bytes),
        };
        match http::post(&request) {
            Ok(answer) => Ok(Reply { status: answer.status, retry_after_s: answer.retry_after_s, body: answer.body }),
            Err(none) => Err(TransportFailure { why: none.why, again: none.again }),
        }
    }

    fn wait(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)));
    }
}
