//! What goes over the wire, told so that the rest of the room need not read sentences: an answer that is an error keeps its status and
//! its server's words, a missing answer says who was silent, and an object's checksums come along with it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// A server's answer that is an error.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Who answered.
    pub(super) host: String,
    /// The status.
    pub(super) status: u16,
    /// The code in the body, `NoSuchBucket`; empty where there is none.
    pub(super) code: String,
    /// What the server says.
    pub(super) message: String,
}

/// No answer.
#[derive(Debug, Clone)]
pub(super) struct NoAnswer {
    /// Who was asked.
    pub(super) host: String,
    /// What happened instead.
    pub(super) why: String,
}

/// What a store says of a content's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checksums {
    /// CRC-32C of the whole object, in base 64.
    pub(super) crc32c: Option<String>,
    /// Whether its entity tag need not be an MD5 even where it looks like one: the store encrypted it with a key of the user's.
    pub(super) tag_is_no_md5: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from {}: {}", self.host, self.why)
    }
}

impl std::error::Error for Answer {}
impl std::error::Error for NoAnswer {}

/// Connects as object_store does, and listens.
#[derive(Debug)]
pub(super) struct Listening {
    /// How long an error's body may take.
    pub(super) silent_for: Duration,
}

impl HttpConnector for Listening {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Ears { client, silent_for: self.silent_for }))
    }
}

#[derive(Debug)]
struct Ears {
    client: HttpClient,
    silent_for: Duration,
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Ears {
    fn call<'s, 'a>(&'s self, request: HttpRequest) -> Pending<'a>
    where
        's: 'a,
        Self: 'a,
    {
        Box::pin(self.answer(request))
    }
}

impl Ears {
    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let mut response = self.client.execute(request).await.map_err(|error| {
            let why = innermost(&error);
            HttpError::new(error.kind(), NoAnswer { host: host.clone(), why })
        })?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        // A redirect that leads somewhere is not this program's to judge; one that leads nowhere is an error.
        let is_error = status >= 400 || ((300..400).contains(&status) && status != 304 && header("location").is_none());
        if is_error {
            let body = response.into_body().bytes();
            let body = tokio::time::timeout(self.silent_for, body).await.ok().and_then(Result::ok).unwrap_or_default();
            let (code, message) = read_error(&String::from_utf8_lossy(&body));
            return Err(HttpError::new(HttpErrorKind::Unknown, Answer { host, status, code, message }));
        }
        let crc32c = response.headers().get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
        let crc32c = crc32c.flat_map(|value| value.split(',')).find_map(|hash| hash.trim().strip_prefix("crc32c="));
        let kept_by_key = header("x-amz-server-side-encryption").is_some_and(|how| how != "AES256")
            || header("x-amz-server-side-encryption-customer-algorithm").is_some();
        let checksums = Checksums { crc32c: crc32c.map(str::to_owned), tag_is_no_md5: kept_by_key };
        response.extensions_mut().insert(checksums);
        Ok(response)
    }
}

/// The last error of a chain, which says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

/// The code and the message of an error's body: XML as the stores write it, or JSON as those do who give out tokens.
fn read_error(body: &str) -> (String, String) {
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim().to_owned())
    };
    if let Some(code) = element("Code") {
        let said = [element("Message"), element("Details")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        return (code, said);
    }
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(body) {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let error = &json["error"];
        return match error.as_str() {
            Some(code) => (code.to_owned(), text(&json["error_description"])),
            None => (text(&error["status"]), text(&error["message"])),
        };
    }
    // A page of a machine in between: its beginning is enough.
    let plain: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    (String::new(), plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_as_the_clouds_write_them() {
        for (body, code, message) in [
            (
                "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>ann lacks storage.objects.get.</Details></Error>",
                "AccessDenied",
                "Access denied. ann lacks storage.objects.get.",
            ),
            (
                r#"{"error": "invalid_grant", "error_description": "Token has expired."}"#,
                "invalid_grant",
                "Token has expired.",
            ),
            (r#"{"error": {"code": 403, "message": "No.", "status": "DENIED"}}"#, "DENIED", "No."),
            ("<html>\n <b>Bad gateway</b></html>", "", "<html> <b>Bad gateway</b></html>"),
            ("", "", ""),
        ] {
            assert_eq!(read_error(body), (code.to_owned(), message.to_owned()), "{body}");
        }
    }
}
