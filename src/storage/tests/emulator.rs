//! Stores on this machine to test against: gcp-storage-emulator with the XML API (scripts/gcs_emulator.py), and moto for S3. Each is
//! started once and ends with the tests. Nothing here decides what a test expects.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::storage::{Place, Storage, StorageSettings};

/// The bucket that is there.
pub const BUCKET: &str = "shop";

const MOTO: &str = "
import sys, logging
logging.disable(logging.CRITICAL)
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print('listening on', server.get_host_and_port()[1], flush=True)
sys.stdin.buffer.read()
server.stop()
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The port of a server, started on first use; none, with the reason printed, where its packages are not installed.
fn started(arguments: &[&str]) -> Option<u16> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let python = target.join("emulators/bin/python");
    let ready = python.exists()
        && Command::new(&python)
            .args(["-c", "import gcp_storage_emulator, flask, moto"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !ready {
        assert!(
            std::env::var("LONGRUN_REQUIRE_EMULATOR").as_deref() != Ok("1"),
            "no emulators: scripts/gcs_emulator.sh --install fetches them"
        );
        println!("skipped: no emulators; scripts/gcs_emulator.sh --install fetches them");
        return None;
    }
    let mut child: Child = Command::new(python)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says its port");
    let port = line.trim().rsplit(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    // Its standard input stays open for as long as this process lives.
    std::mem::forget(child);
    Some(port)
}

/// Google's emulator, with pages of three so that every listing has several.
pub fn google() -> Option<u16> {
    static PORT: OnceLock<Option<u16>> = OnceLock::new();
    *PORT.get_or_init(|| started(&["scripts/gcs_emulator.py", "--bucket", BUCKET, "--page", "3", "--until-eof"]))
}

/// Moto's S3, with the bucket made.
pub fn amazon() -> Option<u16> {
    static PORT: OnceLock<Option<u16>> = OnceLock::new();
    *PORT.get_or_init(|| {
        let port = started(&["-c", MOTO])?;
        let made = ureq::put(format!("http://127.0.0.1:{port}/{BUCKET}")).send_empty().expect("a bucket is made");
        assert_eq!(made.status().as_u16(), 200);
        Some(port)
    })
}

/// Settings that are in a hurry.
pub fn hasty() -> StorageSettings {
    StorageSettings {
        try_for: Duration::from_secs(8),
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        silent_for: Duration::from_millis(1500),
        // The least that the stores take.
        part_bytes: 5 << 20,
        google_endpoint: None,
        amazon_endpoint: None,
        amazon_keys: Some(("key".into(), "secret".into())),
    }
}

/// A storage that asks Google's store at this port.
pub fn google_at(port: u16) -> Storage {
    Storage::new(StorageSettings { google_endpoint: Some(format!("http://127.0.0.1:{port}")), ..hasty() })
}

/// A storage that asks S3 at this port.
pub fn amazon_at(port: u16) -> Storage {
    // Moto answers a first call slowly.
    let settings = StorageSettings { silent_for: Duration::from_secs(5), try_for: Duration::from_secs(20), ..hasty() };
    Storage::new(StorageSettings { amazon_endpoint: Some(format!("http://127.0.0.1:{port}")), ..settings })
}

/// A place of a test's own.
pub fn place(scheme: &str, name: &str) -> Place {
    Place::parse(&format!("{scheme}://{BUCKET}/{name}")).expect("an address")
}
