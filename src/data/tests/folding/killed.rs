//! A fold that is cut off, wherever it is, leaves the old table or the new one, and the next fold makes the new one.

use std::io::ErrorKind;

use super::super::super::fold::break_after;
use super::*;

impl Shop {
    fn day(&mut self, name: &str, of: &[(&str, NaiveDate, &str)]) {
        let line = |(id, date, amount): &(&str, NaiveDate, &str)| {
            [(*id).to_owned(), date.to_string(), (*amount).to_owned(), "FI".to_owned(), String::new()]
        };
        self.write(name, of.iter().map(line).collect());
    }
}

/// A shop whose next night rewrites three months of two parts, adds one, and drops a file, a customer and a month.
fn before_the_night() -> Shop {
    let net = Rules { negative_amounts: NegativeAmounts::Net, ..Rules::default() };
    let mut shop = Shop::new(7, net, 2, 1);
    let everyone = ["ann", "bob", "cleo", "dora", "emil", "finn"];
    for month in 7..=10 {
        let bought = |id: &&'static str| (*id, day(2023, month, 5), "4");
        shop.day(&format!("{month}.csv"), &everyone.iter().map(bought).collect::<Vec<_>>());
    }
    shop.day(
        "gone.csv",
        &[("ann", day(2023, 6, 1), "3"), ("bob", day(2023, 9, 5), "2"), ("zoe", day(2023, 9, 6), "x")],
    );
    shop.fold("out", false).unwrap();
    shop
}

fn the_night(shop: &mut Shop) {
    shop.remove("gone.csv");
    shop.forgotten.push("cleo".to_owned());
    shop.day(
        "a.csv",
        &[("ann", day(2023, 8, 5), "-1"), ("bob", day(2023, 10, 5), "1"), ("hugo", day(2023, 11, 2), "9")],
    );
    shop.day("bad.csv", &[("", day(2023, 11, 2), "9"), ("bob", day(2023, 11, 3), "1")]);
}

#[test]
fn a_kill_at_any_write_rename_or_removal_leaves_a_table_that_the_next_fold_completes() {
    let mut whole = before_the_night();
    the_night(&mut whole);
    whole.fold("out", false).unwrap();
    let expected = |shop: &Shop| {
        shop.fold("fresh", true).unwrap();
        shop.bytes("fresh/transactions")
    };
    let (mut steps, mut old_tables, mut new_tables) = (0, 0, 0);
    loop {
        let mut shop = before_the_night();
        let folder = shop.folder.path().join("out/transactions");
        let old = (shop.bytes("out/transactions"), TransactionTable::open(&folder).unwrap());
        the_night(&mut shop);
        let planned = break_after(&folder, steps, ErrorKind::Other);
        let outcome = shop.fold("out", false);
        let broke = planned.broke();
        drop(planned);
        assert_eq!(outcome.is_err(), broke, "step {steps}");
        // Whoever looks now sees one table or the other.
        let seen = TransactionTable::open(&folder).unwrap();
        let names: Vec<String> = shop.bytes("out/transactions").into_iter().map(|(name, _)| name).collect();
        if seen == old.1 {
            old_tables += 1;
            assert!(old.0.iter().all(|(name, _)| names.contains(name)), "step {steps}");
        } else {
            new_tables += 1;
        }
        seen.fingerprint(day(2023, 12, 31)).unwrap();
        // The next night's fold.
        let folded = shop.fold("out", false).unwrap();
        assert_eq!(folded.files_read, if seen == old.1 { 2 } else { 0 });
        same_files(&shop.bytes("out/transactions"), &expected(&shop));
        if !broke {
            break;
        }
        steps += 1;
    }
    // Up to the rename of the manifest it is the old table; after it files and a month's folder are removed.
    assert!(steps > 25 && old_tables > 15 && new_tables > 5, "{steps} steps, {old_tables} old, {new_tables} new");
}

#[test]
fn a_kill_while_the_first_table_is_made_leaves_none_and_a_rebuild_leaves_the_old_one() {
    for steps in [0, 1, 2, 5, 8] {
        let shop = before_the_night();
        let folder = shop.folder.path().join("first/transactions");
        let planned = break_after(&folder, steps, ErrorKind::Other);
        shop.fold("first", false).unwrap_err();
        drop(planned);
        assert!(
            TransactionTable::open(&folder).unwrap_err().to_string().contains("there is no transactions table here")
        );
        shop.fold("first", false).unwrap();
        same_files(&shop.bytes("first/transactions"), &shop.bytes("out/transactions"));

        let folder = shop.folder.path().join("out/transactions");
        let old = shop.bytes("out/transactions");
        let planned = break_after(&folder, steps, ErrorKind::Other);
        shop.fold("out", true).unwrap_err();
        drop(planned);
        let left = shop.bytes("out/transactions");
        assert!(old.iter().all(|file| left.contains(file)));
        shop.fold("out", false).unwrap();
        same_files(&shop.bytes("out/transactions"), &old);
    }
}

#[test]
fn a_full_disk_is_told_and_the_table_stays() {
    let mut shop = before_the_night();
    let old = shop.bytes("out/transactions");
    the_night(&mut shop);
    let folder = shop.folder.path().join("out/transactions");
    let planned = break_after(&folder, 5, ErrorKind::StorageFull);
    let told = shop.fold("out", false).unwrap_err().to_string();
    drop(planned);
    assert!(told.contains("could not") && told.contains("free some space"), "{told}");
    let left = shop.bytes("out/transactions");
    assert!(old.iter().all(|file| left.contains(file)));
    shop.fold_like_a_rebuild("out");
}
