//! Files that hold nothing, files that are gone, tables that cannot be built upon, and what is told of each.

use super::*;

fn line(id: &str, date: NaiveDate, amount: &str) -> Line {
    [id.to_owned(), date.to_string(), amount.to_owned(), "FI".to_owned(), "web".to_owned()]
}

fn shop() -> Shop {
    let mut shop = Shop::new(3, Rules::default(), 2, 1);
    shop.write("1.csv", vec![line("ann", day(2023, 9, 1), "5"), line("bob", day(2023, 10, 2), "1")]);
    shop.write("2.csv", vec![line("ann", day(2023, 11, 3), "2"), line("bob", day(2023, 11, 3), "x")]);
    shop
}

#[test]
fn only_what_is_new_is_read_and_only_months_that_change_are_written() {
    let mut shop = shop();
    let first = shop.fold_like_a_rebuild("out");
    assert_eq!(
        (first.files_read, first.months.as_slice()),
        (2, ["2023-09", "2023-10", "2023-11"].map(String::from).as_slice())
    );
    let before = shop.bytes("out/transactions");
    let again = shop.fold_like_a_rebuild("out");
    assert_eq!((again.files_read, again.bytes_read, again.files_gone, again.months.len()), (0, 0, 0, 0));
    assert_eq!(again.key, first.key);
    same_files(&shop.bytes("out/transactions"), &before);

    shop.write("3.csv", vec![line("ann", day(2023, 11, 4), "2")]);
    let bytes = std::fs::metadata(shop.log().join("3.csv")).unwrap().len();
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.files_read, folded.bytes_read, folded.months), (1, bytes, vec!["2023-11".to_owned()]));
    assert_ne!(folded.key, first.key);
    let untouched = |(name, _): &&(String, Vec<u8>)| name.starts_with("2023-09/") || name.starts_with("2023-10/");
    let after = shop.bytes("out/transactions");
    assert!(before.iter().filter(untouched).count() >= 2 && before.iter().filter(untouched).all(|f| after.contains(f)));

    // The same content under a new date is read again, and changes nothing but that date.
    shop.touch("1.csv");
    let touched = shop.fold_like_a_rebuild("out");
    assert_eq!((touched.files_read, touched.months.len(), touched.key), (1, 0, folded.key));
}

#[test]
fn empty_days_days_of_rejects_and_vanished_files_fold_too() {
    let mut shop = shop();
    shop.fold("out", false).unwrap();
    shop.write("3-header.csv", vec![]);
    std::fs::write(shop.log().join("4-nothing.csv"), "").unwrap();
    shop.files.insert("4-nothing.csv".into(), vec![]);
    shop.write("5-rejects.csv", vec![line("", day(2023, 11, 3), "1"), line("bob", day(2023, 11, 3), "y")]);
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.files_read, folded.report.rows, folded.report.rejected, folded.months.len()), (3, 6, 3, 0));
    shop.remove("5-rejects.csv");
    shop.remove("1.csv");
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.files_read, folded.files_gone, folded.report.rejected), (0, 2, 1));
    assert_eq!((folded.report.customers, folded.months), (1, vec!["2023-09".into(), "2023-10".into()]));
    assert!(!shop.folder.path().join("out/transactions/2023-09").exists(), "a month without lines has no folder");

    // Nothing is left that a table could be made of: it stays what it was.
    let before = shop.bytes("out/transactions");
    for (name, said) in [("2.csv", "no rows"), ("3-header.csv", "is empty"), ("4-nothing.csv", "has no files")] {
        shop.remove(name);
        let told = shop.fold("out", false).unwrap_err().to_string();
        assert!(told.contains(said), "{told}");
        same_files(&shop.bytes("out/transactions"), &before);
    }
    std::fs::remove_dir(shop.log()).unwrap();
    assert!(shop.fold("out", false).unwrap_err().to_string().contains("does not exist"));
    same_files(&shop.bytes("out/transactions"), &before);
}

#[test]
fn too_many_rejects_stop_a_fold_and_the_table_stays() {
    let mut shop = shop();
    shop.rules.max_reject_share = 0.3;
    shop.fold("out", false).unwrap();
    let before = shop.bytes("out/transactions");
    shop.write("3.csv", vec![line("", day(2023, 11, 3), "1"), line("bob", day(2023, 11, 3), "y")]);
    let told = shop.fold("out", false).unwrap_err().to_string();
    assert!(told.contains("3 of 6 rows were rejected") && told.contains("3.csv:2"), "{told}");
    same_files(&shop.bytes("out/transactions"), &before);
    shop.remove("3.csv");
    shop.fold_like_a_rebuild("out");
}

#[test]
fn rows_read_otherwise_and_damaged_tables_are_made_anew_and_it_is_said_why() {
    let mut shop = shop();
    shop.fold("out", false).unwrap();
    shop.extra = 2;
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!(folded.anew.as_deref(), Some("groups.column changed since it was made"));
    shop.rules.zero_amounts = ZeroAmounts::Drop;
    assert_eq!(shop.fold_like_a_rebuild("out").anew.as_deref(), Some("data.zero_amounts changed since it was made"));
    assert_eq!(shop.fold_like_a_rebuild("out").anew, None);
    // What decides summaries alone asks for nothing.
    shop.rules.resolution = Resolution::Month;
    shop.rules.max_reject_share = 0.9;
    assert_eq!(shop.fold_like_a_rebuild("out").files_read, 0);

    let folder = shop.folder.path().join("out/transactions");
    let part = bytes_of(&folder).into_iter().find(|(name, _)| name.contains("part-")).unwrap();
    std::fs::write(folder.join(&part.0), &part.1[1..]).unwrap();
    assert!(TransactionTable::open(&folder).unwrap_err().to_string().contains("bytes instead of"));
    assert!(shop.fold_like_a_rebuild("out").anew.unwrap().contains("bytes instead of"));
    std::fs::remove_file(folder.join(&part.0)).unwrap();
    assert!(TransactionTable::open(&folder).unwrap_err().to_string().contains("lacks"));
    assert!(shop.fold_like_a_rebuild("out").anew.unwrap().contains("lacks"));
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    assert!(shop.fold_like_a_rebuild("out").anew.unwrap().contains("manifest is damaged"));
    // One bit that was altered behind its back is seen, in whichever file.
    for (name, bytes) in bytes_of(&folder).into_iter().filter(|(name, _)| name != "manifest.json") {
        let mut altered = bytes.clone();
        altered[bytes.len() / 3] ^= 1;
        std::fs::write(folder.join(&name), altered).unwrap();
        let why = shop.fold_like_a_rebuild("out").anew.unwrap();
        assert!(why.contains(&name) && why.contains("is damaged"), "{why}");
    }
}

#[test]
fn the_day_that_is_the_latest_moves_rows_in_and_out() {
    let mut shop = shop();
    let line = |id: &str, date| line(id, date, "1");
    shop.write(
        "3.csv",
        vec![line("ann", day(2023, 11, 22)), line("ann", day(2999, 1, 1)), line("bob", day(2023, 11, 20))],
    );
    assert_eq!(shop.fold_like_a_rebuild("out").report.rejected, 3);
    for (latest, read, rejected) in [(21, 0, 3), (22, 1, 2), (23, 0, 2), (20, 1, 3), (19, 1, 4), (22, 1, 2)] {
        shop.rules.latest_date = Some(day(2023, 11, latest));
        let folded = shop.fold_like_a_rebuild("out");
        assert_eq!((folded.files_read, folded.report.rejected), (read, rejected), "until {latest}");
        let rejects = std::fs::read_to_string(shop.folder.path().join("out/rejects.csv")).unwrap();
        assert!(rejects.contains(&format!("2999-01-01,lies in the future (after 2023-11-{latest})")), "{rejects}");
    }
}

#[test]
fn forgotten_customers_leave_the_table_without_a_file_being_read() {
    let mut shop = shop();
    shop.write("3.csv", vec![line("bob", day(2023, 11, 4), "3"), line("cleo", day(2023, 11, 4), "4")]);
    shop.fold_like_a_rebuild("out");
    shop.forgotten.push("bob".to_owned());
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.files_read, folded.months), (0, vec!["2023-10".into(), "2023-11".into()]));
    let report = &folded.report;
    // The row of bob's that was rejected is counted, and no longer listed.
    assert_eq!((report.rows, report.rejected, report.forgotten, report.customers), (6, 1, 2, 2));
    let rejects = std::fs::read_to_string(shop.folder.path().join("out/rejects.csv")).unwrap();
    assert_eq!(rejects.lines().count(), 1, "{rejects}");
    let text = std::fs::read_to_string(shop.folder.path().join("out/transactions/manifest.json")).unwrap();
    assert!(!text.contains("bob"));

    // Lines that come later are not let in; whoever is taken off the list comes back with the files that had their lines.
    shop.write("4.csv", vec![line("bob", day(2023, 11, 5), "3")]);
    assert_eq!(shop.fold_like_a_rebuild("out").report.forgotten, 3);
    shop.forgotten = vec!["ann".to_owned()];
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.files_read, folded.report.forgotten, folded.report.customers), (4, 2, 2));
    // Nobody is left.
    shop.forgotten.extend(["bob", "cleo"].map(str::to_owned));
    let before = shop.bytes("out/transactions");
    let told = shop.fold("out", false).unwrap_err().to_string();
    assert!(told.contains("no purchase is left") && told.contains("6 of forgotten customers"), "{told}");
    same_files(&shop.bytes("out/transactions"), &before);
}

#[test]
fn a_source_that_outgrows_its_parts_is_cut_anew_from_the_table() {
    let mut shop = Shop::new(5, Rules { negative_amounts: NegativeAmounts::Net, ..Rules::default() }, 1, 2);
    for n in 0..4_u64 {
        let lines =
            (0..300).map(|i| line(&format!("c{}", (i * 7 + n) % 90), day(2023, 8, 1) + chrono::Days::new(i / 4), "3"));
        shop.write(&format!("{n}.csv"), lines.collect());
    }
    assert_eq!(shop.fold_like_a_rebuild("out").table.parts.len(), 1);
    // Not for a few times as many.
    shop.parts = 4;
    assert_eq!(shop.fold("out", false).unwrap().table.parts.len(), 1);
    shop.parts = 8;
    shop.forgotten.push("c7".to_owned());
    shop.write("9.csv", vec![line("c1", day(2023, 8, 3), "-2")]);
    let folded = shop.fold_like_a_rebuild("out");
    assert_eq!((folded.table.parts.len(), folded.files_read), (8, 1));
}

#[test]
fn another_order_of_the_same_files_merges_days_in_that_order() {
    let mut shop = Shop::new(6, Rules::default(), 1, 1);
    let in_country = |country: &str| {
        let mut line = line("ann", day(2023, 8, 1), "1");
        line[3] = country.to_owned();
        line
    };
    shop.write("1.csv", vec![in_country("FI")]);
    shop.write("2.csv", vec![in_country("SE")]);
    let fold = |out: &str, order: [&str; 2]| {
        let mut source = shop.source();
        source.paths = order.iter().map(|name| shop.log().join(name).to_string_lossy().into_owned()).collect();
        let (files, forgotten) = (LocalFiles::of(&source), Forgotten::nobody());
        let log = LogToRead { source: &source, rules: &shop.rules, files: &files, forgotten: &forgotten };
        fold(log, &shop.folder.path().join(out), false, &|_| {}).unwrap()
    };
    fold("out", ["1.csv", "2.csv"]);
    let first = shop.bytes("out");
    assert_eq!(fold("out", ["2.csv", "1.csv"]).files_read, 0);
    assert_ne!(shop.bytes("out"), first);
    fold("fresh", ["2.csv", "1.csv"]);
    same_files(&shop.bytes("out"), &shop.bytes("fresh"));
}

#[test]
fn a_table_is_taken_over_whole_and_lives_on_apart() {
    let mut shop = shop();
    shop.fold("out", false).unwrap();
    let (from, to) = (shop.folder.path().join("out/transactions"), shop.folder.path().join("next/transactions"));
    take_over_table(&from, &to).unwrap();
    let then = shop.bytes("out/transactions");
    same_files(&shop.bytes("next/transactions"), &then);
    shop.write("3.csv", vec![line("ann", day(2023, 11, 4), "2")]);
    assert_eq!(shop.fold_like_a_rebuild("next").files_read, 1);
    same_files(&shop.bytes("out/transactions"), &then);
    // In place of what is there, and onto itself.
    take_over_table(&from, &to).unwrap();
    take_over_table(&from, &from).unwrap();
    same_files(&shop.bytes("next/transactions"), &then);
    same_files(&shop.bytes("out/transactions"), &then);
    assert!(take_over_table(&shop.log(), &to).unwrap_err().to_string().contains("no transactions table"));
}

/// More rejected rows than are kept: those of a later file are needed again when an earlier one goes.
#[test]
fn rejected_rows_that_were_not_kept_are_read_again_when_they_are_needed() {
    use super::super::super::rejects::WRITTEN;
    let mut shop = Shop::new(8, Rules::default(), 1, 0);
    let bad = |count: usize| (0..count).map(|i| line(&format!("c{}", i % 5), day(2023, 8, 1), "x")).collect::<Vec<_>>();
    shop.write("1.csv", bad(WRITTEN / 2));
    shop.write("2.csv", bad(WRITTEN));
    shop.write("3.csv", vec![line("ann", day(2023, 8, 1), "1"), line("ann", day(2023, 8, 1), "x")]);
    shop.fold_like_a_rebuild("out");
    shop.remove("1.csv");
    assert_eq!(shop.fold_like_a_rebuild("out").files_read, 1);
    shop.remove("2.csv");
    assert_eq!(shop.fold_like_a_rebuild("out").files_read, 1);
}

/// Files that lie elsewhere: listed by other names, brought one by one.
struct Elsewhere {
    folder: PathBuf,
    brought: std::sync::Mutex<Vec<String>>,
}

impl LogFiles for Elsewhere {
    fn list(&self) -> Result<Vec<LogFile>> {
        let files = bytes_of(&self.folder).into_iter();
        Ok(files
            .map(|(name, b)| LogFile { name: format!("far://{name}"), bytes: b.len() as u64, tag: String::new() })
            .collect())
    }

    fn bring(&self, file: &LogFile) -> Result<PathBuf> {
        self.brought.lock().unwrap().push(file.name.clone());
        Ok(self.folder.join(file.name.trim_start_matches("far://")))
    }
}

#[test]
fn of_files_that_lie_elsewhere_only_those_that_are_read_are_brought() {
    let mut shop = shop();
    let files = Elsewhere { folder: shop.log(), brought: std::sync::Mutex::default() };
    let night = |shop: &Shop| {
        let (source, forgotten) = (shop.source(), Forgotten::nobody());
        let log = LogToRead { source: &source, rules: &shop.rules, files: &files, forgotten: &forgotten };
        let folded = fold(log, &shop.folder.path().join("out"), false, &|_| {}).unwrap();
        let mut brought = std::mem::take(&mut *files.brought.lock().unwrap());
        brought.sort();
        (folded.report.files, brought)
    };
    let (listed, brought) = night(&shop);
    assert_eq!(brought, ["far://1.csv", "far://2.csv"]);
    assert_eq!(listed, ["far://1.csv", "far://2.csv"].map(PathBuf::from));
    shop.write("3.csv", vec![line("ann", day(2023, 11, 4), "2"), line("ann", day(2023, 11, 4), "y")]);
    assert_eq!(night(&shop).1, ["far://3.csv"]);
    assert_eq!(night(&shop).1, [""; 0]);
    let rejects = std::fs::read_to_string(shop.folder.path().join("out/rejects.csv")).unwrap();
    assert!(rejects.contains("far://2.csv,3,amount") && rejects.contains("far://3.csv,3,amount"), "{rejects}");
}
