//! Carries an advisor's request over HTTP. Plain `http://` always works, as a model on this machine needs; `https://` takes the feature
//! `https`, one of the default ones. Nothing here reads what it carries.

use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};

use crate::advise::{Post, Reply, Transport, TransportFailure};

/// The carrier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

impl Transport for Http {
    fn post(&self, post: &Post<'_>) -> Result<Reply, TransportFailure> {
        if post.url.starts_with("https://") && !cfg!(feature = "https") {
            let why = "this build of longrun carries no https: build it with --features https, or use an http:// endpoint on this machine";
            return Err(TransportFailure { why: why.to_owned(), again: false });
        }
        let mut config = ureq::Agent::config_builder()
            // A status is an answer, and a redirect would carry the key elsewhere.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs_f64(post.timeout_s.clamp(0.1, 3600.0))));
        // What is asked of this machine must not leave it for a proxy's sake.
        if is_here(post.url) {
            config = config.proxy(None);
        }
        let agent: ureq::Agent = config.build().into();
        let mut request = agent.post(post.url).header(CONTENT_TYPE, "application/json");
        if let Some(key) = post.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut response = request.send(post.body).map_err(failure)?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        Ok(Reply {
            status: response.status().as_u16(),
            // A date is possible too, and not worth a clock.
            retry_after_s: retry_after.and_then(|text| text.trim().parse().ok()),
            body: response
                .body_mut()
                .with_config()
                .limit(post.most_bytes)
                .lossy_utf8(true)
                .read_to_string()
                .map_err(failure)?,
        })
    }

    fn wait(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)));
    }
}

/// Time-outs and broken connections may pass; an address that is none, or a body without end, will not.
fn failure(e: ureq::Error) -> TransportFailure {
    let again = matches!(
        &e,
        ureq::Error::Timeout(_) | ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound
    );
    TransportFailure { why: e.to_string(), again }
}

/// Whether an address is this machine's own.
fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}
