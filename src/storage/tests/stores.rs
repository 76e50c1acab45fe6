//! What holds of every store: listings, conditions, files to and fro, leases. One function per truth; Google's emulator and moto's S3
//! both go through it.

use std::sync::Mutex;

use super::emulator::{amazon, amazon_at, google, google_at, place};
use crate::storage::{Place, Storage, When, Written, lease};

fn everywhere(test: impl Fn(&Storage, &Place), name: &str) {
    if let Some(port) = google() {
        test(&google_at(port), &place("gs", name));
    }
    if let Some(port) = amazon() {
        test(&amazon_at(port), &place("s3", name));
    }
}

fn put(storage: &Storage, place: &Place, text: &str) {
    assert!(matches!(storage.write(place, text.as_bytes(), When::Always).unwrap(), Written::Done(_)), "{place}");
}

#[test]
fn listings_are_whole_and_sorted_and_paths_lead_where_local_ones_do() {
    everywhere(
        |storage, root| {
            assert_eq!(storage.list(root).unwrap(), [], "nothing is there yet");
            for name in ["b.csv", "a.csv", "_SUCCESS", ".hidden.csv", "old/c.csv", "old/deep/d é.csv", "a-b/e.csv"] {
                put(storage, &root.join(name), name);
            }
            // A folder's marker, as consoles make them.
            put(storage, &root.join("old/deep"), "");
            let names = |listed: Vec<crate::storage::Listed>| -> Vec<String> {
                assert!(listed.iter().all(|entry| entry.bytes > 0 && !entry.tag.is_empty()));
                assert!(listed.iter().all(|entry| entry.place.to_string().ends_with(&entry.name)));
                listed.into_iter().map(|entry| entry.name).collect()
            };
            let all = names(storage.list(root).unwrap());
            let expected = [".hidden.csv", "_SUCCESS", "a-b/e.csv", "a.csv", "b.csv", "old/c.csv", "old/deep/d é.csv"];
            assert_eq!(all, expected);
            let expand = |pattern: &str| names(storage.expand(&root.join(pattern)).unwrap());
            assert_eq!(names(storage.expand(root).unwrap()), ["a.csv", "b.csv"]);
            assert_eq!(expand("*.csv"), [".hidden.csv", "a.csv", "b.csv"]);
            assert_eq!(expand("old/**/*.csv"), ["c.csv", "deep/d é.csv"]);
            assert_eq!(expand("old/deep/d é.csv"), ["d é.csv"]);
            for (pattern, what) in [("none.csv", "no such file"), ("*.parquet", "no file matches")] {
                let said = storage.expand(&root.join(pattern)).unwrap_err().to_string();
                assert!(said.contains(what) && said.starts_with(&root.to_string()), "{said}");
            }
        },
        "listings",
    );
}

#[test]
fn conditions_are_kept_by_the_store() {
    everywhere(
        |storage, root| {
            let place = root.join("note");
            assert!(storage.read(&place).unwrap().is_none());
            let Written::Done(first) = storage.write(&place, b"one", When::IfAbsent).unwrap() else { panic!("absent") };
            assert_eq!(storage.write(&place, b"two", When::IfAbsent).unwrap(), Written::Refused);
            let (bytes, tag) = storage.read(&place).unwrap().unwrap();
            assert_eq!((bytes.as_slice(), &tag), (&b"one"[..], &first));
            let Written::Done(_) = storage.write(&place, b"two", When::IfUnchanged(tag.clone())).unwrap() else {
                panic!("unchanged")
            };
            assert_eq!(storage.write(&place, b"three", When::IfUnchanged(tag)).unwrap(), Written::Refused);
            assert_eq!(storage.read(&place).unwrap().unwrap().0, b"two");
            assert!(storage.copy(&place, &root.join("copy")).unwrap());
            assert!(!storage.copy(&root.join("none"), &root.join("copy")).unwrap());
            storage.remove(&place).unwrap();
            storage.remove(&place).unwrap();
            assert!(storage.read(&place).unwrap().is_none());
            assert_eq!(storage.read(&root.join("copy")).unwrap().unwrap().0, b"two");
        },
        "conditions",
    );
}

/// A small file goes in one request, one of 11 MB in three parts of 5 MiB at most.
#[test]
fn files_come_back_as_they_went() {
    everywhere(
        |storage, root| {
            let dir = tempfile::tempdir().unwrap();
            for (name, bytes) in [("empty", 0), ("small", 1000), ("large", 11_000_000)] {
                let (there, back) = (dir.path().join(name), dir.path().join(format!("{name}.back")));
                let content: Vec<u8> = (0..bytes).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                std::fs::write(&there, &content).unwrap();
                let (up, down) = (Mutex::new(0), Mutex::new(0));
                let sent = storage.send(&there, &root.join(name), &|bytes| *up.lock().unwrap() = bytes).unwrap();
                let listed = storage.look(&root.join(name)).unwrap().unwrap();
                assert_eq!((sent.bytes, listed.bytes), (content.len() as u64, content.len() as u64), "{name}");
                assert_eq!((&sent.tag, &sent.sha256), (&listed.tag, &crate::storage::local::sha256(&there).unwrap()));
                storage.fetch(&listed, &back, &|bytes| *down.lock().unwrap() = bytes).unwrap();
                assert!(std::fs::read(&back).unwrap() == content, "{name} came back changed");
                assert_eq!((*up.lock().unwrap(), *down.lock().unwrap()), (sent.bytes, sent.bytes), "{name}");
            }
            let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
            assert_eq!(left.len(), 6, "{left:?}");
        },
        "files",
    );
}

#[test]
fn a_lease_in_a_bucket_is_held_by_one_and_ends_by_itself() {
    everywhere(|storage, root| lease::tests::two_holders(storage, &root.join("lock.json")), "leases");
}
