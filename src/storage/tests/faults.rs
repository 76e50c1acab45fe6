//! Bad mornings, one by one: what is told, what is left in the bucket and on disk, and what the next call does.

use std::path::Path;
use std::time::Duration;

use super::emulator::{google, google_at, hasty, place};
use super::proxy::{Fault, Proxy};
use crate::storage::{Listed, Place, Storage, StorageSettings, When, Written};

/// More than any test waits for.
const EVER: usize = 10_000;

/// A storage behind a proxy, the same store without it, and a place of the test's own.
fn morning(name: &str) -> Option<(Storage, Proxy, Storage, Place)> {
    let store = google()?;
    let proxy = Proxy::before(store);
    Some((google_at(proxy.port), proxy, google_at(store), place("gs", name)))
}

fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// An object of so many bytes, as a listing shows it.
fn object(direct: &Storage, at: &Place, bytes: u32) -> Listed {
    assert!(matches!(direct.write(at, &content(bytes), When::Always).unwrap(), Written::Done(_)));
    direct.look(at).unwrap().expect("it was written")
}

#[track_caller]
fn tells<T: std::fmt::Debug>(result: crate::error::Result<T>, at: &Place, words: &[&str]) -> String {
    let said = result.expect_err("a bad morning").to_string();
    println!("{said}");
    assert!(said.starts_with(&format!("{at}: ")), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
    said
}

fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().unwrap().len())).collect()
}

const UNAVAILABLE: Fault =
    Fault::Status(503, "<Error><Code>ServiceUnavailable</Code><Message>Slow down.</Message></Error>");

#[test]
fn a_store_that_comes_back_is_not_noticed() {
    let Some((storage, proxy, direct, root)) = morning("comes-back") else { return };
    let at = root.join("a");
    object(&direct, &at, 100);
    for (fault, times) in [(UNAVAILABLE, 2), (Fault::CutAfter(0), 2), (Fault::Silence, 1)] {
        proxy.calm();
        proxy.fault("GET", "comes-back", times, fault);
        assert_eq!(storage.read(&at).unwrap().unwrap().0, content(100));
        assert_eq!(proxy.asked("GET", "comes-back").len(), times + 1);
    }
    proxy.fault("GET", "list-type", 2, UNAVAILABLE);
    assert_eq!(storage.list(&root).unwrap().len(), 1);
}

#[test]
fn a_store_that_stays_away_is_given_up_and_nothing_changes() {
    let Some((storage, proxy, direct, root)) = morning("stays-away") else { return };
    let at = root.join("a");
    let before = object(&direct, &at, 100);
    proxy.fault("PUT", "stays-away", EVER, UNAVAILABLE);
    proxy.fault("GET", "stays-away", EVER, Fault::Silence);
    let said =
        tells(storage.write(&at, b"new", When::Always), &at, &["does not answer", "tries", "status 503", "Slow down."]);
    assert!(said.contains("the same command goes on"), "{said}");
    tells(storage.read(&at), &at, &["nothing arrived for"]);
    assert_eq!(direct.look(&at).unwrap().unwrap(), before, "nothing changed there");
    proxy.calm();
    assert!(matches!(storage.write(&at, b"new", When::Always).unwrap(), Written::Done(_)));
    assert_eq!(direct.read(&at).unwrap().unwrap().0, b"new");
    // Nobody listens at all.
    let nowhere = Storage::new(StorageSettings { google_endpoint: Some("http://127.0.0.1:9".into()), ..hasty() });
    tells(nowhere.read(&at), &at, &["does not answer", "no answer from 127.0.0.1", "refused"]);
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let Some((storage, proxy, direct, root)) = morning("cut-download") else { return };
    let (at, dir) = (root.join("a"), tempfile::tempdir().unwrap());
    let (listed, to) = (object(&direct, &at, 300_000), dir.path().join("a"));
    for fault in [Fault::CutAfter(100_000), Fault::StallAfter(100_000)] {
        proxy.calm();
        proxy.fault("GET", "cut-download", 1, fault);
        storage.fetch(&listed, &to, &|_| {}).unwrap();
        assert!(std::fs::read(&to).unwrap() == content(300_000));
        let ranges: Vec<_> = proxy.asked("GET", "cut-download").into_iter().map(|asked| asked.range).collect();
        assert_eq!(ranges, [None, Some("bytes=100000-".to_owned())], "only what was missing is asked for again");
        std::fs::remove_file(&to).unwrap();
    }
}

#[test]
fn a_download_given_up_is_continued_by_the_next_call() {
    let Some((storage, proxy, direct, root)) = morning("given-up") else { return };
    let (at, dir) = (root.join("a"), tempfile::tempdir().unwrap());
    let (listed, to) = (object(&direct, &at, 300_000), dir.path().join("a"));
    proxy.fault("GET", "given-up", 1, Fault::CutAfter(120_000));
    proxy.fault("GET", "given-up", EVER, UNAVAILABLE);
    tells(storage.fetch(&listed, &to, &|_| {}), &at, &["could not fetch it", "status 503"]);
    let left = files(dir.path());
    assert!(left.len() == 1 && left[0].0.starts_with(".a.") && left[0].1 == 120_000, "{left:?}");
    proxy.calm();
    storage.fetch(&listed, &to, &|_| {}).unwrap();
    assert_eq!(proxy.asked("GET", "given-up")[0].range.as_deref(), Some("bytes=120000-"));
    assert!(std::fs::read(&to).unwrap() == content(300_000));
    assert_eq!(files(dir.path()).len(), 1, "nothing is left beside it");
}

#[test]
fn a_content_that_changed_is_not_mixed_with_the_old_one() {
    let Some((storage, proxy, direct, root)) = morning("changed") else { return };
    let (at, dir) = (root.join("a"), tempfile::tempdir().unwrap());
    let (old, to) = (object(&direct, &at, 300_000), dir.path().join("a"));
    proxy.fault("GET", "changed", 1, Fault::CutAfter(120_000));
    proxy.fault("GET", "changed", EVER, UNAVAILABLE);
    storage.fetch(&old, &to, &|_| {}).expect_err("given up");
    proxy.calm();
    let new = object(&direct, &at, 300_001);
    tells(storage.fetch(&old, &to, &|_| {}), &at, &["changed while it was fetched", "run the command again"]);
    assert!(!to.exists());
    storage.fetch(&new, &to, &|_| {}).unwrap();
    assert_eq!(proxy.asked("GET", "changed").last().unwrap().range, None, "the new one from its beginning");
    assert!(std::fs::read(&to).unwrap() == content(300_001));
    assert_eq!(files(dir.path()).len(), 1, "what was left of the old one is gone");
}

#[test]
fn a_cut_upload_is_sent_again_and_a_large_one_only_by_its_part() {
    let Some((storage, proxy, direct, root)) = morning("cut-upload") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, puts) in [("small", 100_000, 2), ("large", 11_000_000, 4)] {
        let (from, at) = (dir.path().join(name), root.join(name));
        std::fs::write(&from, content(bytes)).unwrap();
        proxy.calm();
        proxy.fault("PUT", if name == "large" { "partNumber=2" } else { name }, 1, Fault::CutUpload);
        storage.send(&from, &at, &|_| {}).unwrap();
        assert!(direct.read(&at).unwrap().unwrap().0 == content(bytes));
        assert_eq!(proxy.asked("PUT", name).len(), puts, "{name}");
    }
}

#[test]
fn an_upload_given_up_leaves_nothing_or_what_was_there() {
    let Some((storage, proxy, direct, root)) = morning("no-upload") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (from, at) = (dir.path().join("large"), root.join("large"));
    std::fs::write(&from, content(11_000_000)).unwrap();
    proxy.fault("PUT", "partNumber=3", EVER, Fault::CutUpload);
    tells(storage.send(&from, &at, &|_| {}), &at, &["could not write it", "does not answer"]);
    assert!(direct.read(&at).unwrap().is_none(), "an object appears whole or not at all");
    assert_eq!(proxy.asked("DELETE", "uploadId").len(), 1, "its parts are given back");
    proxy.calm();
    object(&direct, &at, 10);
    proxy.fault("PUT", "large", EVER, UNAVAILABLE);
    tells(storage.send(&from, &at, &|_| {}), &at, &["status 503"]);
    assert_eq!(direct.read(&at).unwrap().unwrap().0, content(10), "the old one stands");
    proxy.calm();
    storage.send(&from, &at, &|_| {}).unwrap();
    assert!(direct.read(&at).unwrap().unwrap().0 == content(11_000_000));
}

#[test]
fn a_write_whose_answer_is_lost_is_known_to_be_done() {
    let Some((storage, proxy, direct, root)) = morning("lost-answer") else { return };
    let at = root.join("lock");
    proxy.fault("PUT", "lost-answer", 1, Fault::LoseAnswer);
    let Written::Done(tag) = storage.write(&at, b"mine", When::IfAbsent).unwrap() else { panic!("it was written") };
    assert_eq!(proxy.asked("PUT", "lost-answer").len(), 2, "the second was refused for the first's sake");
    assert!(matches!(storage.write(&at, b"mine too", When::IfUnchanged(tag)).unwrap(), Written::Done(_)));
    // Somebody else's content is not taken for one's own.
    direct.write(&at, b"theirs", When::Always).unwrap();
    proxy.fault("PUT", "lost-answer", 1, UNAVAILABLE);
    assert_eq!(storage.write(&at, b"mine", When::IfAbsent).unwrap(), Written::Refused);
}

#[test]
fn what_no_patience_mends_is_told_at_once() {
    let Some((storage, proxy, direct, root)) = morning("refused") else { return };
    let (at, dir) = (root.join("a"), tempfile::tempdir().unwrap());
    let listed = object(&direct, &at, 1000);
    let from = dir.path().join("from");
    std::fs::write(&from, "x").unwrap();
    let rows: [(u16, &str, &[&str]); 3] = [
        (
            401,
            "<Error><Code>AuthenticationRequired</Code><Message>Invalid Credentials</Message></Error>",
            &["have expired", "status 401", "Invalid Credentials", "gcloud auth application-default login"],
        ),
        (
            403,
            "<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>nightly@shop lacks storage.objects.get</Details></Error>",
            &["does not allow it", "nightly@shop lacks", "roles/storage.objectUser"],
        ),
        (
            404,
            "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>",
            &["there is no bucket shop", "buckets create gs://shop"],
        ),
    ];
    for (status, body, words) in rows {
        proxy.calm();
        for method in ["GET", "PUT", "HEAD", "DELETE"] {
            proxy.fault(method, "", EVER, Fault::Status(status, body));
        }
        tells(storage.read(&at), &at, words);
        tells(storage.write(&at, b"new", When::Always), &at, words);
        tells(storage.send(&from, &at, &|_| {}), &at, words);
        tells(storage.list(&root), &root, words);
        tells(storage.fetch(&listed, &dir.path().join("to"), &|_| {}), &at, words);
        assert_eq!(
            (proxy.asked("GET", "").len(), proxy.asked("PUT", "").len()),
            (3, 2),
            "each was asked once: {status}"
        );
        assert!(!dir.path().join("to").exists());
        assert_eq!(direct.look(&at).unwrap().unwrap(), listed, "nothing changed there");
    }
    proxy.calm();
    assert_eq!(storage.read(&at).unwrap().unwrap().0, content(1000));
}

/// Here the store says so itself, without the proxy's words.
#[test]
fn a_bucket_that_is_not_there_is_named() {
    let Some(port) = google() else { return };
    let storage = google_at(port);
    let at = Place::parse("gs://no-such-shop/a").unwrap();
    let words =
        ["there is no bucket no-such-shop", "does not exist", "gcloud storage buckets create gs://no-such-shop"];
    tells(storage.read(&at), &at, &words);
    tells(storage.list(&at), &at, &words);
    tells(storage.look(&at), &at, &words);
    tells(storage.expand(&at), &at, &words);
    tells(storage.write(&at, b"x", When::IfAbsent), &at, &words);
}

#[test]
fn a_wrong_content_is_never_kept() {
    let Some((storage, proxy, direct, root)) = morning("wrong") else { return };
    let (at, dir) = (root.join("a"), tempfile::tempdir().unwrap());
    let (listed, to) = (object(&direct, &at, 1000), dir.path().join("to"));
    proxy.fault("GET", "wrong", EVER, Fault::ChangeAnswer);
    tells(storage.fetch(&listed, &to, &|_| {}), &at, &["not what the store says", "2 times", "checksum"]);
    assert_eq!(files(dir.path()), [], "nothing of it was kept");
    proxy.calm();
    proxy.fault("GET", "wrong", 1, Fault::ChangeAnswer);
    storage.fetch(&listed, &to, &|_| {}).unwrap();
    assert!(std::fs::read(&to).unwrap() == content(1000), "the second time it was right");
    let up = root.join("up");
    proxy.fault("PUT", "wrong", EVER, Fault::ChangeRequest);
    tells(storage.send(&to, &up, &|_| {}), &up, &["not what was sent", "removed there", "checksum"]);
    assert!(direct.read(&up).unwrap().is_none());
    proxy.calm();
    storage.send(&to, &up, &|_| {}).unwrap();
    assert_eq!(direct.read(&up).unwrap().unwrap().0, content(1000));
}

/// The disk fills up: told as such, and what arrived is continued when there is room.
#[test]
fn a_disk_that_takes_nothing_is_told() {
    let Some((storage, _, direct, root)) = morning("full") else { return };
    let listed = object(&direct, &root.join("a"), 1000);
    let said = storage.fetch(&listed, Path::new("/dev/null/a"), &|_| {}).expect_err("no folder there").to_string();
    assert!(said.contains("/dev/null"), "{said}");
}

/// A store that never answers costs what the settings say, and not much more.
#[test]
fn giving_up_takes_as_long_as_it_should() {
    let Some((_, proxy, _, root)) = morning("limit") else { return };
    let settings = StorageSettings {
        google_endpoint: Some(format!("http://127.0.0.1:{}", proxy.port)),
        try_for: Duration::from_secs(1),
        silent_for: Duration::from_millis(200),
        ..hasty()
    };
    proxy.fault("PUT", "limit", EVER, Fault::Silence);
    let begun = std::time::Instant::now();
    tells(Storage::new(settings).write(&root.join("a"), b"x", When::Always), &root.join("a"), &["nothing arrived"]);
    let took = begun.elapsed().as_secs_f64();
    // A second of silences and pauses, and one silence more at most; three seconds of grace for a busy machine.
    assert!((0.6..4.5).contains(&took), "{took} s");
}
