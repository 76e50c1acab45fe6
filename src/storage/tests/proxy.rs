//! A proxy that does to requests what networks and stores do on bad mornings: answers with errors, falls silent, cuts connections,
//! changes bytes. It remembers what was asked. Without a fault it hands everything on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer comes instead of the store's: status and body.
    Status(u16, &'static str),
    /// No answer ever comes.
    Silence,
    /// The store's answer stops after so many bytes of its body, and the connection stays open.
    StallAfter(usize),
    /// The store's answer is cut off after so many bytes of its body.
    CutAfter(usize),
    /// Half of the request's body is taken, then the connection is cut; the store hears nothing.
    CutUpload,
    /// The store does what it is asked, and its answer is lost.
    LoseAnswer,
    /// A byte of the store's answer is changed.
    ChangeAnswer,
    /// A byte of what is sent to the store is changed.
    ChangeRequest,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// The target, its `%2D` read.
    pub target: String,
    /// The header Range.
    pub range: Option<String>,
}

struct Rule {
    /// How many requests pass before, whatever they are.
    after: usize,
    method: &'static str,
    part: &'static str,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
}

/// A running proxy.
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// In front of the store at a port.
    pub fn before(store: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own = Arc::clone(&own);
                std::thread::spawn(move || serve(client, store, &own));
            }
        });
        Self { port, state }
    }

    /// From now on, so many requests of this method whose targets hold this part meet a fault.
    pub fn fault(&self, method: &'static str, part: &'static str, times: usize, fault: Fault) {
        self.fault_after(0, method, part, times, fault);
    }

    /// The same, once so many requests of any kind were asked.
    pub fn fault_after(&self, after: usize, method: &'static str, part: &'static str, times: usize, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule { after, method, part, times, fault });
    }

    /// No faults any more, and nothing asked yet.
    pub fn calm(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// What was asked with this method of targets that hold this part.
    pub fn asked(&self, method: &str, part: &str) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.method == method && asked.target.contains(part)).cloned().collect()
    }
}

fn serve(mut client: TcpStream, store: u16, state: &Mutex<State>) {
    let Some((head, mut rest)) = read_head(&mut client) else { return };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, written) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let target = plain(&written);
    let header = |name: &str| {
        let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let fault = {
        let mut state = state.lock().unwrap();
        state.asked.push(Asked { method: method.clone(), target: target.clone(), range: header("range") });
        let so_far = state.asked.len();
        let meets = |r: &&mut Rule| r.times > 0 && so_far > r.after && r.method == method && target.contains(r.part);
        let rule = state.rules.iter_mut().find(meets);
        rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        })
    };
    let wanted = if matches!(fault, Some(Fault::CutUpload)) { length / 2 } else { length };
    let mut block = [0; 1 << 16];
    while rest.len() < wanted {
        match client.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(read) => rest.extend_from_slice(&block[..read]),
        }
    }
    match &fault {
        Some(Fault::Status(status, body)) => {
            let body = if method == "HEAD" { "" } else { body };
            let length = body.len();
            let _ =
                write!(client, "HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            return finish(&client);
        }
        Some(Fault::Silence) => return std::thread::sleep(Duration::from_secs(5)),
        Some(Fault::CutUpload) => return,
        Some(Fault::ChangeRequest) => {
            if let Some(byte) = rest.last_mut() {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", store)).unwrap();
    let kept = head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let kept: String = kept.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
    write!(upstream, "{method} {written} HTTP/1.1\r\n{kept}Connection: close\r\n\r\n").unwrap();
    upstream.write_all(&rest).unwrap();
    let Some((head, mut body)) = read_head(&mut upstream) else { return };
    if method != "HEAD" {
        let _ = upstream.read_to_end(&mut body);
    }
    let head = format!("{}\r\nConnection: close\r\n\r\n", head.trim_end());
    match fault {
        Some(Fault::LoseAnswer) => {}
        Some(Fault::CutAfter(bytes)) => {
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body[..bytes.min(body.len())]));
            finish(&client);
        }
        Some(Fault::StallAfter(bytes)) => {
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body[..bytes.min(body.len())]));
            std::thread::sleep(Duration::from_secs(5));
        }
        fault => {
            if matches!(fault, Some(Fault::ChangeAnswer))
                && let Some(byte) = body.last_mut()
            {
                *byte ^= 1;
            }
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&body));
            finish(&client);
        }
    }
}

/// Says that nothing more comes, and waits until the other side has read it.
fn finish(client: &TcpStream) {
    let _ = client.shutdown(Shutdown::Write);
    let mut client = client;
    let _ = client.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = client.read(&mut [0; 64]);
}

/// A target with its `%2D` read, so that tests can name what they mean.
fn plain(target: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => (rest, _) = (&after[2..], bytes.push(byte)),
            None => (rest, _) = (after, bytes.push(first)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of a message, and what came of its body along with it.
fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut block) = (Vec::new(), [0; 1 << 14]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&block[..read]),
        }
    }
}
