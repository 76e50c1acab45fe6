//! The advisor behind an OpenAI-compatible endpoint. It makes the request, has it carried by whoever knows sockets, tries again where that
//! can help, and hands the answer to the judge. What was sent and what came back is kept for the log.

use std::sync::Mutex;

use serde::Deserialize;

use super::advice::{Advice, Advisor, Change};
use super::answer::{ANSWER_BYTES, judge, plain};
use super::packet::Packet;
use super::prompt::{prompt, request_body};
use crate::error::{Error, Result};

/// Times that a request is made at most.
const TRIES: u32 = 3;

/// Seconds that are waited at most between two tries, whatever the server asks for.
const LONGEST_WAIT_S: f64 = 20.0;

/// Bytes of a response: an answer in its envelope.
const RESPONSE_BYTES: u64 = 4 * ANSWER_BYTES as u64;

/// A request to carry.
pub struct Post<'a> {
    /// The whole address.
    pub url: &'a str,
    /// The key, sent as `Authorization: Bearer …`.
    pub key: Option<&'a str>,
    /// The body, JSON.
    pub body: &'a str,
    /// Seconds after which it is given up, all in all.
    pub timeout_s: f64,
    /// Bytes of the response that are read at most.
    pub most_bytes: u64,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Seconds of `Retry-After`.
    pub retry_after_s: Option<f64>,
    /// The body.
    pub body: String,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportFailure {
    /// In words.
    pub why: String,
    /// Whether another try may help.
    pub again: bool,
}

/// Someone who carries requests.
pub trait Transport: Sync {
    /// Carries one request.
    ///
    /// # Errors
    /// Nothing came back in time.
    fn post(&self, post: &Post<'_>) -> Result<Reply, TransportFailure>;

    /// Waits.
    fn wait(&self, seconds: f64);
}

/// What was sent and what came back, for the log. The key is in neither.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// The prompt.
    pub prompt: String,
    /// The bodies that came back, or why none did, try by try.
    pub replies: Vec<String>,
}

/// A language model behind an endpoint.
pub struct LanguageModel<T> {
    transport: T,
    url: String,
    model: String,
    key: Option<String>,
    timeout_s: f64,
    log: Mutex<Exchange>,
}

impl<T: Transport> LanguageModel<T> {
    /// A model called `model` at `endpoint`, the address up to `/v1`.
    ///
    /// # Errors
    /// An endpoint that is no address.
    pub fn new(transport: T, endpoint: &str, model: &str, key: Option<String>, timeout_s: f64) -> Result<Self> {
        let base = endpoint.trim_end_matches('/');
        let rest = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        if rest.is_none_or(str::is_empty) {
            return Err(Error::new("the endpoint must be an address")
                .at("--endpoint")
                .seen(format!("{endpoint:?}"))
                .advice("e.g. http://127.0.0.1:8080/v1, where llama.cpp's server listens"));
        }
        let url =
            if base.ends_with("/chat/completions") { base.to_owned() } else { format!("{base}/chat/completions") };
        let log = Mutex::new(Exchange::default());
        Ok(Self { transport, url, model: model.to_owned(), key, timeout_s, log })
    }

    /// What was exchanged for the last advice.
    pub fn exchange(&self) -> Exchange {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    fn note(&self, change: impl FnOnce(&mut Exchange)) {
        if let Ok(mut log) = self.log.lock() {
            change(&mut log);
        }
    }

    /// The model's text, after as many tries as make sense.
    fn ask(&self, prompt: &str) -> Result<String> {
        let body = request_body(&self.model, prompt).to_string();
        let post = Post {
            url: &self.url,
            key: self.key.as_deref(),
            body: &body,
            timeout_s: self.timeout_s,
            most_bytes: RESPONSE_BYTES,
        };
        let mut last = String::new();
        for tried in 1..=TRIES {
            // 1 s, 2 s, unless the server asks for more.
            let mut wait_s = f64::from(tried);
            match self.transport.post(&post) {
                Ok(reply) => {
                    self.note(|log| log.replies.push(format!("HTTP {}\n{}", reply.status, reply.body)));
                    if reply.status == 200 {
                        return content(&reply.body);
                    }
                    last = format!("HTTP {}: {}", reply.status, plain(&reply.body, 200));
                    if reply.status != 429 && reply.status < 500 {
                        break;
                    }
                    wait_s = reply.retry_after_s.filter(|s| *s >= 0.0).unwrap_or(wait_s).min(LONGEST_WAIT_S);
                }
                Err(failure) => {
                    self.note(|log| log.replies.push(failure.why.clone()));
                    last = plain(&failure.why, 200);
                    if !failure.again {
                        break;
                    }
                }
            }
            if tried < TRIES {
                self.transport.wait(wait_s);
            }
        }
        Err(Error::new("the language model did not answer").seen(last).advice(
            "the rules answer in its place; check --endpoint and --model, and LONGRUN_LLM_KEY if it wants a key",
        ))
    }
}

/// The text in an envelope of the chat completions API.
fn content(body: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Envelope {
        choices: Vec<Choice>,
    }
    #[derive(Deserialize)]
    struct Choice {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        content: Option<String>,
    }
    let unusable = |why: String| Error::new("the model's response is not a chat completion").seen(why);
    let envelope: Envelope = serde_json::from_str(body).map_err(|e| unusable(plain(&e.to_string(), 200)))?;
    let first = envelope.choices.into_iter().next().and_then(|choice| choice.message.content);
    first.ok_or_else(|| unusable("no choice with content".to_owned()))
}

impl<T: Transport> Advisor for LanguageModel<T> {
    fn name(&self) -> &'static str {
        "llm"
    }

    fn advise(&self, packet: &Packet, history: &[Change]) -> Result<Advice> {
        let prompt = prompt(packet, history);
        self.note(|log| *log = Exchange { prompt: prompt.clone(), replies: vec![] });
        judge(&self.ask(&prompt)?, packet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::patient;
    use super::*;

    /// Answers from a list, and remembers how long it was told to wait.
    struct Script {
        replies: Mutex<Vec<Result<Reply, TransportFailure>>>,
        waits: Mutex<Vec<f64>>,
    }

    impl Transport for &Script {
        fn post(&self, post: &Post<'_>) -> Result<Reply, TransportFailure> {
            assert!(post.url.ends_with("/v1/chat/completions") && post.body.contains("json_schema"));
            assert_eq!(post.key, Some("k"));
            self.replies.lock().unwrap().remove(0)
        }

        fn wait(&self, seconds: f64) {
            self.waits.lock().unwrap().push(seconds);
        }
    }

    fn reply(status: u16, retry_after_s: Option<f64>, body: &str) -> Result<Reply, TransportFailure> {
        Ok(Reply { status, retry_after_s, body: body.to_owned() })
    }

    fn good() -> Result<Reply, TransportFailure> {
        let content =
            "{\"recommendations\":[{\"key\":\"sampler.draws\",\"value\":2000,\"why\":\"w\"}],\"explanations\":[]}";
        reply(200, None, &serde_json::json!({ "choices": [{ "message": { "content": content } }] }).to_string())
    }

    /// The advice for these replies, the waits, and how many replies are left.
    fn asked(replies: Vec<Result<Reply, TransportFailure>>) -> (Result<Advice>, Vec<f64>, usize) {
        let script = Script { replies: Mutex::new(replies), waits: Mutex::default() };
        let model = LanguageModel::new(&script, "http://x/v1/", "m", Some("k".to_owned()), 5.0).unwrap();
        let advice = model.advise(&patient::healthy(), &[]);
        let exchange = model.exchange();
        assert!(exchange.prompt.contains("Diagnostics:") && !exchange.replies.is_empty());
        (advice, script.waits.into_inner().unwrap(), script.replies.into_inner().unwrap().len())
    }

    #[test]
    fn busy_and_broken_servers_are_asked_again_and_others_are_not() {
        let timeout = || Err(TransportFailure { why: "timed out".to_owned(), again: true });
        let (advice, waits, _) = asked(vec![reply(429, Some(7.0), "slow down"), reply(500, None, "oops"), good()]);
        assert_eq!((advice.unwrap().recommendations.len(), waits), (1, vec![7.0, 2.0]));
        let (advice, waits, _) = asked(vec![reply(429, Some(1e9), ""), good()]);
        assert_eq!((advice.is_ok(), waits), (true, vec![LONGEST_WAIT_S]));
        let (advice, waits, left) = asked(vec![timeout(), timeout(), timeout(), good()]);
        assert!(advice.unwrap_err().to_string().contains("timed out"));
        assert_eq!((waits.len(), left), (2, 1));
        let (advice, waits, left) = asked(vec![reply(401, None, "no key"), good()]);
        assert!(advice.unwrap_err().to_string().contains("HTTP 401: no key"));
        assert_eq!((waits.len(), left), (0, 1));
        let refused = Err(TransportFailure { why: "refused".to_owned(), again: false });
        assert_eq!(asked(vec![refused, good()]).2, 1);
    }

    #[test]
    fn an_envelope_that_is_none_is_an_error() {
        for body in ["", "<html>", "{}", "{\"choices\":[]}", "{\"choices\":[{\"message\":{\"content\":null}}]}"] {
            assert!(asked(vec![reply(200, None, body)]).0.is_err(), "{body}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address() {
        let script = Script { replies: Mutex::default(), waits: Mutex::default() };
        for bad in ["", "localhost:80", "ftp://x", "http://"] {
            assert!(LanguageModel::new(&script, bad, "m", None, 1.0).is_err(), "{bad}");
        }
    }
}
