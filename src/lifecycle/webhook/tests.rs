//! A webhook against services that accept, fail, hang, redirect and are not there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;

/// Patience for tests: nothing here takes long on a machine that is not stopped altogether.
const SHORT: Patience =
    Patience { timeout: Duration::from_millis(400), pauses: [Duration::from_millis(10), Duration::from_millis(20)] };

/// A service that has ample time to answer.
const AMPLE: Patience = Patience { timeout: Duration::from_secs(20), ..SHORT };

/// A request as a service sees it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

fn receive(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let mut seen = Seen { line: next(), ..Seen::default() };
    loop {
        let line = next();
        match line.split_once(": ") {
            Some((name, value)) => seen.headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let mut body = vec![0; seen.header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    seen.body = String::from_utf8(body).unwrap();
    seen
}

/// The next connection; none where nobody comes any more, so that a test fails rather than waits.
fn accept(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return Some(stream);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    None
}

/// A service that gives these answers, one for each request, and then tells what it saw.
fn service(answers: &[&str]) -> (Webhook, JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?key=hidden", listener.local_addr().unwrap());
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let served = std::thread::spawn(move || {
        let answer = |answer: String| {
            let mut stream = accept(&listener)?;
            let seen = receive(&stream);
            // One who has heard enough may be gone.
            let _ = stream.write_all(answer.as_bytes());
            Some(seen)
        };
        answers.into_iter().map_while(answer).collect()
    });
    (Webhook { url, secret_env: None }, served)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno\n  luck";

/// The cases of RFC 4231 whose digest is not cut short, which are independent of this program.
#[test]
fn signatures_are_those_of_the_standard() {
    let long = [0xaa; 131];
    let rows: [(&[u8], &[u8], &str); 6] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            &std::array::from_fn::<u8, 25, _>(|i| i as u8 + 1),
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
        (
            &long,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed \
              before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ];
    for (secret, body, expected) in rows {
        assert_eq!(signature(secret, body), format!("sha256={expected}"));
    }
}

#[test]
fn a_message_arrives_whole_and_signed() {
    let (webhook, served) = service(&[OK]);
    let body = "{\"event\":\"alert\",\"Größe\":1}";
    let delivery = webhook.deliver_with(body, Some("Jefe"), &AMPLE);
    let seen = &served.join().unwrap()[0];
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("POST /hook?key=hidden HTTP/1.1", body));
    assert_eq!(seen.header("content-type"), "application/json");
    // Python: hmac.new(b"Jefe", body, "sha256").
    let expected = "sha256=e983f441a91de6bb980e8094fed2c8206efbec229212c3213ef1a469ad881c48";
    assert_eq!(seen.header("x-longrun-signature"), expected);
    assert_eq!(seen.header("x-longrun-delivery"), delivery.id);
    let age = chrono::Utc::now().timestamp() - seen.header("x-longrun-timestamp").parse::<i64>().unwrap();
    assert!((0..60).contains(&age), "{age}");
    assert!(delivery.accepted && delivery.tries == 1 && delivery.status == Some(200), "{delivery:?}");
    assert_eq!(delivery.outcome, "accepted with status 200");
    assert!(delivery.host.starts_with("127.0.0.1:") && !format!("{delivery:?}").contains("hidden"), "{delivery:?}");

    let (webhook, served) = service(&[OK]);
    assert!(webhook.deliver(body).accepted);
    assert_eq!(served.join().unwrap()[0].header("x-longrun-signature"), "", "no secret, no signature");
}

#[test]
fn a_service_that_fails_is_asked_again_with_the_same_delivery() {
    let (webhook, served) = service(&[BROKEN, BROKEN, OK]);
    let delivery = webhook.deliver_with("{}", None, &AMPLE);
    let seen = served.join().unwrap();
    assert_eq!((delivery.accepted, delivery.tries, delivery.status), (true, 3, Some(200)));
    assert_eq!(delivery.outcome, "accepted with status 200 after 3 tries");
    assert!(seen.iter().all(|seen| seen.header("x-longrun-delivery") == delivery.id && seen.body == "{}"));

    let (webhook, served) = service(&[BROKEN; 3]);
    let delivery = webhook.deliver_with("{}", None, &AMPLE);
    assert_eq!((delivery.accepted, delivery.tries, delivery.status), (false, 3, Some(500)));
    assert_eq!(delivery.outcome, "not accepted after 3 tries: it answers 500 and \"no luck\"");
    assert_eq!(served.join().unwrap().len(), 3);
}

#[test]
fn what_another_try_cannot_mend_is_not_tried_again() {
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n{}", "x".repeat(3000));
    let rows: [(&str, Option<u16>, &str); 4] = [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Some(403), "it answers 403"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n",
            Some(302),
            "redirects are not followed",
        ),
        (
            "HTTP/1.1 429 Too Many\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
            Some(429),
            "it asks to wait for 3600 s, which is not waited for",
        ),
        (&endless, Some(200), "accepted"),
    ];
    for (answer, status, said) in rows {
        let (webhook, served) = service(&[answer]);
        let delivery = webhook.deliver_with("{}", None, &AMPLE);
        assert_eq!((delivery.tries, delivery.status), (1, status), "{delivery:?}");
        assert!(delivery.outcome.contains(said), "{delivery:?}");
        assert_eq!(delivery.accepted, status == Some(200));
        assert_eq!(served.join().unwrap().len(), 1);
    }
}

#[test]
fn who_never_answers_or_is_not_there_delays_by_no_more_than_is_said() {
    // Connections are taken by the system, and nobody reads.
    let tarpit = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, tries) in [
        (format!("http://{}/secret", tarpit.local_addr().unwrap()), 3),
        (format!("http://{closed}/secret"), 3),
        ("http://[secret".to_owned(), 1),
        ("secret".to_owned(), 1),
    ] {
        let began = Instant::now();
        let delivery = Webhook { url: url.clone(), secret_env: None }.deliver_with("{}", None, &SHORT);
        assert_eq!((delivery.accepted, delivery.tries, delivery.status), (false, tries, None), "{delivery:?}");
        assert!(delivery.outcome.starts_with("not accepted"), "{delivery:?}");
        assert!(!delivery.outcome.contains("/secret"), "{delivery:?}");
        // Twice, for a machine that is busy.
        assert!(began.elapsed() < 2 * SHORT.total() + Duration::from_secs(1), "{url}: {:?}", began.elapsed());
    }
    assert_eq!(PATIENCE.total().as_secs_f64(), Webhook::MOST_SECONDS);
}

#[test]
fn a_secret_that_is_missing_sends_nothing() {
    let webhook = Webhook { url: "http://127.0.0.1:9/".into(), secret_env: Some("LONGRUN_NO_SUCH_SECRET".into()) };
    let delivery = webhook.deliver("{}");
    assert_eq!((delivery.accepted, delivery.tries), (false, 0));
    assert!(delivery.outcome.contains("LONGRUN_NO_SUCH_SECRET"), "{delivery:?}");
    assert_eq!(delivery.id, webhook.deliver("{}").id);
    assert_ne!(delivery.id, webhook.deliver("[]").id);
}
