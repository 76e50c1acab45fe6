//! One request over HTTP, answered or not. Plain `http://` always works, as a service on this machine needs; `https://` takes the
//! feature `https`, one of the default ones. Nothing here reads what it carries, tries again, or knows who asks.

use std::io::Read;
use std::time::Duration;

use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};

/// What is sent, and how long an answer may take.
#[derive(Debug)]
pub struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// Names and values of headers beside the content's type, which is JSON.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a str,
    /// For everything from the name's look-up to the answer's last byte; between a tenth of a second and an hour.
    pub timeout: Duration,
    /// How much of the answer is wanted.
    pub wanted: Wanted,
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it; a body of more bytes is a failure.
    Whole(u64),
    /// So many bytes from its beginning, as far as they come: the status is what matters.
    Beginning(u64),
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status, whichever it is: an error is an answer, and so is a redirect, which would carry what is secret elsewhere.
    pub status: u16,
    /// Seconds after which to ask again, if the answer says so.
    pub retry_after_s: Option<f64>,
    /// The body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer {
    /// In words.
    pub why: String,
    /// Whether another try may do better.
    pub again: bool,
}

/// Sends a request and waits for the answer.
///
/// # Errors
/// No answer in time, none at all, or none that is understood.
pub fn post(post: &Post<'_>) -> Result<Answer, NoAnswer> {
    if post.url.starts_with("https://") && !cfg!(feature = "https") {
        let why = "this build of longrun carries no https: build it with --features https, or use an http:// address on this machine";
        return Err(NoAnswer { why: why.to_owned(), again: false });
    }
    let timeout = post.timeout.clamp(Duration::from_millis(100), Duration::from_secs(3600));
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout));
    // What is asked of this machine must not leave it for a proxy's sake.
    if is_here(post.url) {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.post(post.url).header(CONTENT_TYPE, "application/json");
    for (name, value) in post.headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(post.body).map_err(no_answer)?;
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    // A date is possible too, and not worth a clock.
    let retry_after_s = retry_after.and_then(|text| text.trim().parse().ok());
    let status = response.status().as_u16();
    let body = match post.wanted {
        Wanted::Whole(most) => {
            response.body_mut().with_config().limit(most).lossy_utf8(true).read_to_string().map_err(no_answer)?
        }
        Wanted::Beginning(most) => {
            let mut bytes = Vec::new();
            // The status has come; a body that breaks off takes nothing from it.
            let _ = response.body_mut().as_reader().take(most).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    Ok(Answer { status, retry_after_s, body })
}

/// Time-outs and broken connections may pass; an address that is none, or a body without end, will not.
fn no_answer(e: ureq::Error) -> NoAnswer {
    let again = matches!(
        &e,
        ureq::Error::Timeout(_) | ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound
    );
    NoAnswer { why: e.to_string(), again }
}

/// Whether an address is this machine's own.
fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}
