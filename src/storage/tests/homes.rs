//! A folder kept in a bucket, cut off at every moment: another folder that pulls sees the whole old state or the whole new one.

use std::collections::BTreeMap;
use std::path::Path;

use super::emulator::{amazon, amazon_at, google, google_at, place};
use super::proxy::{Fault, Proxy};
use crate::storage::home::Cut;
use crate::storage::{Home, Moved, Place, Standing, Storage, StorageSettings, When};

type State = BTreeMap<String, String>;

fn state(files: &[(&str, &str)]) -> State {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn lay(folder: &Path, files: &State) {
    let old = laid(folder);
    old.keys()
        .filter(|name| !files.contains_key(*name))
        .for_each(|name| std::fs::remove_file(folder.join(name)).unwrap());
    for (name, text) in files.iter().filter(|(name, text)| old.get(*name) != Some(text)) {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn laid(folder: &Path) -> State {
    let mut found = State::new();
    for entry in crate::storage::local::list(folder).unwrap() {
        if !entry.name.starts_with(".longrun/") {
            found.insert(entry.name.clone(), std::fs::read_to_string(folder.join(&entry.name)).unwrap());
        }
    }
    found
}

/// What people see who browse the bucket by plain names.
fn browsed(storage: &Storage, place: &Place) -> State {
    let all = storage.list(place).unwrap();
    let plain = all.into_iter().filter(|entry| !entry.name.starts_with(".longrun/"));
    plain
        .map(|entry| (entry.name, String::from_utf8(storage.read(&entry.place).unwrap().unwrap().0).unwrap()))
        .collect()
}

fn push(home: &Home<'_>) -> crate::error::Result<Moved> {
    home.push(&|_| true, &|_| {})
}

fn pull(home: &Home<'_>) -> crate::error::Result<Moved> {
    home.pull(&|_| true, &|_| {})
}

fn pulled(storage: &Storage, place: &Place) -> State {
    let dir = tempfile::tempdir().unwrap();
    pulled_by(&Home::new(storage, place.clone(), dir.path().join("folder")))
}

fn everywhere(test: impl Fn(&Storage, &Place), name: &str) {
    let dir = tempfile::tempdir().unwrap();
    test(&Storage::new(StorageSettings::default()), &Place::from(dir.path()).join(name));
    if let Some(port) = google() {
        test(&google_at(port), &place("gs", name));
    }
    if let Some(port) = amazon() {
        test(&amazon_at(port), &place("s3", name));
    }
}

#[test]
fn folder_and_bucket_become_equal_and_only_differences_travel() {
    everywhere(
        |storage, place| {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::new(storage, place.clone(), dir.path().to_owned());
            assert_eq!((pull(&home).unwrap(), home.standing().unwrap()), (Moved::default(), Standing::Nothing));
            let first = state(&[("plan.toml", "plan"), ("draws/a.bin", "draws"), ("facts.json", "facts")]);
            lay(dir.path(), &first);
            let moved = push(&home).unwrap();
            assert_eq!((moved.files, moved.bytes, moved.skipped, moved.pushes), (3, 14, 0, 1));
            assert_eq!((browsed(storage, place), pulled(storage, place)), (first.clone(), first));
            // Nothing changed, nothing travels.
            let moved = push(&home).unwrap();
            assert_eq!((moved.files, moved.skipped, moved.pushes), (0, 3, 1));
            let second = state(&[("plan.toml", "PLAN"), ("draws/a.bin", "draws"), ("new/b", "new"), ("same", "new")]);
            lay(dir.path(), &second);
            let moved = push(&home).unwrap();
            assert_eq!((moved.files, moved.skipped, moved.removed, moved.pushes), (3, 1, 1, 2));
            assert_eq!((browsed(storage, place), pulled(storage, place)), (second.clone(), second.clone()));
            let own: Vec<_> = storage.list(&place.join(".longrun")).unwrap();
            assert_eq!(own.len(), 1, "only the list is left: {own:?}");
            // A folder that has most of it fetches the rest, and loses what is gone.
            std::fs::write(dir.path().join("plan.toml"), "mine").unwrap();
            std::fs::write(dir.path().join("stray"), "stray").unwrap();
            assert_eq!(home.standing().unwrap(), Standing::Stems);
            let moved = pull(&home).unwrap();
            assert_eq!((moved.files, moved.skipped, moved.removed, moved.pushes), (1, 3, 1, 2));
            assert_eq!(laid(dir.path()), second);
            // Names that are not wanted are left alone, on both sides.
            std::fs::write(dir.path().join("stray"), "stray").unwrap();
            home.pull(&|name| name != "stray", &|_| {}).unwrap();
            assert!(dir.path().join("stray").exists());
            home.push(&|name| name != "stray" && name != "same", &|_| {}).unwrap();
            assert_eq!(browsed(storage, place), second);
        },
        "equal",
    );
}

#[test]
fn a_push_that_is_cut_off_leaves_the_old_state_or_the_new_one() {
    let old = state(&[("a", "old a"), ("b", "old b"), ("gone", "gone"), ("same", "same")]);
    let new = state(&[("a", "new a"), ("b", "new b"), ("c", "new c"), ("d", "new d"), ("same", "same")]);
    everywhere(
        |storage, root| {
            for (ix, (cut, arrived, sees)) in [
                (Cut::OneNew, 1, &old),
                (Cut::New, 2, &old),
                (Cut::Pending, 4, &old),
                (Cut::Committed, 4, &new),
                (Cut::OneApplied, 4, &new),
                (Cut::Applied, 4, &new),
                (Cut::Removed, 4, &new),
            ]
            .into_iter()
            .enumerate()
            {
                let place = root.join(&ix.to_string());
                let dir = tempfile::tempdir().unwrap();
                let home = Home::new(storage, place.clone(), dir.path().to_owned());
                lay(dir.path(), &old);
                push(&home).unwrap();
                lay(dir.path(), &new);
                home.cut_after.set(Some(cut));
                push(&home).unwrap_err();
                assert_eq!(&pulled(storage, &place), sees, "after {cut:?}, {place}");
                // The process is gone; the next one knows what is on disk and in the bucket, and sends only the rest.
                let next = Home::new(storage, place.clone(), dir.path().to_owned());
                let moved = push(&next).unwrap();
                assert_eq!(moved.files, 4 - arrived, "after {cut:?}, {place}");
                assert_eq!(browsed(storage, &place), new, "after {cut:?}, {place}");
                assert_eq!(pulled(storage, &place), new);
                assert_eq!(storage.list(&place.join(".longrun")).unwrap().len(), 1, "nothing stays pending");
            }
        },
        "cuts",
    );
}

#[test]
fn a_second_writer_is_told_and_changes_nothing() {
    everywhere(
        |storage, place| {
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (first, second) = (
                Home::new(storage, place.clone(), one.path().to_owned()),
                Home::new(storage, place.clone(), two.path().to_owned()),
            );
            lay(one.path(), &state(&[("a", "1")]));
            push(&first).unwrap();
            lay(two.path(), &state(&[("a", "other")]));
            let error = push(&second).unwrap_err();
            assert!(error.is_busy() && error.to_string().contains("another process wrote there"), "{error}");
            assert_eq!(browsed(storage, place), state(&[("a", "1")]));
            assert_eq!(second.standing().unwrap(), Standing::Elsewhere);
            // Who means it says so.
            second.take_over().unwrap();
            push(&second).unwrap();
            assert_eq!(browsed(storage, place), state(&[("a", "other")]));
            lay(one.path(), &state(&[("a", "2")]));
            assert!(push(&first).unwrap_err().is_busy());
            pull(&first).unwrap();
            lay(one.path(), &state(&[("a", "2")]));
            push(&first).unwrap();
            assert_eq!(pulled(storage, place), state(&[("a", "2")]));
        },
        "writers",
    );
}

#[test]
fn a_pull_never_takes_what_the_list_does_not_say() {
    everywhere(
        |storage, place| {
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let home = Home::new(storage, place.clone(), one.path().to_owned());
            lay(one.path(), &state(&[("a", "12345"), ("b", "b")]));
            push(&home).unwrap();
            let other = Home::new(storage, place.clone(), two.path().to_owned());
            lay(two.path(), &state(&[("b", "mine")]));
            for (bytes, what) in [(&b"54321"[..], "SHA-256"), (b"1", "1 bytes, not 5")] {
                storage.write(&place.join("a"), bytes, When::Always).unwrap();
                let said = pull(&other).unwrap_err().to_string();
                assert!(said.contains("a is not what the list of files says") && said.contains(what), "{said}");
                assert_eq!(laid(two.path()), state(&[("b", "mine")]), "nothing was touched");
            }
            storage.remove(&place.join("a")).unwrap();
            assert!(pull(&other).unwrap_err().to_string().contains("no such object"));
            // Whoever made it pushes again, and what is missing is sent.
            assert_eq!(push(&home).unwrap().files, 1);
            pull(&other).unwrap();
            assert_eq!(laid(two.path()), laid(one.path()));
            let evil = br#"{"schema_version":1,"pushes":9,"files":{"../../x":{"bytes":1,"sha256":"00"}},"removed":[]}"#;
            storage.write(&place.join(".longrun/manifest.json"), evil, When::Always).unwrap();
            assert!(pull(&other).unwrap_err().to_string().contains("names no file of a folder"));
        },
        "lies",
    );
}

/// A folder that is left over from earlier must not become the truth because the list was removed.
#[test]
fn a_list_that_is_gone_is_an_error_for_whoever_knew_it() {
    everywhere(
        |storage, place| {
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let home = Home::new(storage, place.clone(), one.path().to_owned());
            lay(one.path(), &state(&[("a", "1")]));
            push(&home).unwrap();
            storage.remove(&place.join(".longrun/manifest.json")).unwrap();
            for said in [home.standing().unwrap_err(), push(&home).unwrap_err()] {
                assert!(said.to_string().contains("the list of what is kept here is gone"), "{said}");
            }
            std::fs::remove_file(one.path().join(".longrun/facts.json")).unwrap();
            push(&home).unwrap();
            // Who never saw it has nothing to compare with.
            assert_eq!(pulled_by(&Home::new(storage, place.clone(), two.path().to_owned())), state(&[("a", "1")]));
        },
        "list",
    );
}

/// A bucket's rules, and people who erase, remove objects themselves.
#[test]
fn what_may_go_is_gone_everywhere_once_it_is_gone_there() {
    everywhere(
        |storage, place| {
            let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let home = |folder: &Path| {
                Home::new(storage, place.clone(), folder.to_owned()).letting_go(|name| name.starts_with("rows/"))
            };
            lay(one.path(), &state(&[("rows/a", "a"), ("rows/b", "b"), ("plan", "p")]));
            push(&home(one.path())).unwrap();
            pull(&home(two.path())).unwrap();
            storage.remove(&place.join("rows/a")).unwrap();
            let left = state(&[("rows/b", "b"), ("plan", "p")]);
            assert_eq!(pull(&home(two.path())).unwrap().removed, 1);
            assert_eq!(laid(two.path()), left);
            assert_eq!(pulled_by(&home(&two.path().join("third"))), left, "a folder that never had it");
            // The folder that made it does not send it again: it goes before work is done on it, or with the next push.
            storage.remove(&place.join("rows/b")).unwrap();
            assert_eq!(home(one.path()).let_go(&|_| true).unwrap(), 2);
            assert!(!one.path().join("rows").exists(), "nor an empty folder");
            let left = state(&[("plan", "p")]);
            lay(one.path(), &state(&[("rows/b", "b"), ("plan", "p")]));
            assert_eq!(push(&home(one.path())).unwrap().removed, 2);
            assert_eq!((laid(one.path()), browsed(storage, place)), (left.clone(), left.clone()));
            assert_eq!(pulled(storage, place), left, "it is no longer on the list");
        },
        "letting_go",
    );
}

fn pulled_by(home: &Home<'_>) -> State {
    pull(home).unwrap();
    laid(home.folder())
}

/// A store that goes away in the middle of a push, at every request in turn: the next push sends what is missing, and a pull in between
/// sees one whole state.
#[test]
fn a_store_that_goes_away_during_a_push_costs_only_what_was_missing() {
    let Some(port) = google() else { return };
    let (old, new) = (state(&[("a", "old"), ("gone", "x")]), state(&[("a", "new"), ("b", "b")]));
    let mut seen = [0, 0];
    for failing in 0.. {
        let proxy = Proxy::before(port);
        let (storage, direct) = (google_at(proxy.port), google_at(port));
        let place = place("gs", &format!("away/{failing}"));
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(&storage, place.clone(), dir.path().to_owned());
        lay(dir.path(), &old);
        push(&home).unwrap();
        lay(dir.path(), &new);
        proxy.calm();
        for method in ["GET", "PUT", "HEAD", "DELETE", "POST"] {
            proxy.fault_after(failing, method, "away", 10_000, Fault::Status(403, "<Error><Code>No</Code></Error>"));
        }
        let done = push(&home).is_ok();
        let between = pulled(&direct, &place);
        assert!(between == old || between == new, "request {failing}: {between:?}");
        seen[usize::from(between == new)] += 1;
        proxy.calm();
        push(&home).unwrap();
        assert_eq!(
            (browsed(&direct, &place), pulled(&direct, &place)),
            (new.clone(), new.clone()),
            "request {failing}"
        );
        if done {
            break;
        }
    }
    println!(
        "{} requests of a push failed in turn: {} times the old state was seen, {} times the new",
        seen[0] + seen[1],
        seen[0],
        seen[1]
    );
    assert!(seen[0] > 3 && seen[1] > 3, "{seen:?}");
}
