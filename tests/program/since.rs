//! Nights that go on from the night before: `longrun summarize --since`, and customers who are forgotten on the way.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Shop, stderr, stdout};

/// A shop whose log is a folder of files, the last of which have not come yet.
fn shop(files: &[&str]) -> Shop {
    let shop = Shop::new(300);
    let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
    let (header, lines) = log.split_once('\n').expect("a header");
    std::fs::create_dir(shop.file("log")).expect("a folder");
    std::fs::create_dir(shop.file("later")).expect("a folder");
    for name in ["history.csv", "2024-12-30.csv", "2024-12-31.csv"] {
        let of = |line: &&str| match line.split(',').nth(1) {
            Some("2024-12-30") => name == "2024-12-30.csv",
            Some("2024-12-31") => name == "2024-12-31.csv",
            _ => name == "history.csv",
        };
        let lines: Vec<&str> = lines.lines().filter(of).collect();
        assert!(!lines.is_empty(), "{name}");
        let folder = if files.contains(&name) { "log" } else { "later" };
        shop.write(&format!("{folder}/{name}"), format!("{header}\n{}\n", lines.join("\n")));
    }
    shop.write("shop.toml", "[data]\npath = \"log\"\ncalibration_end = 2024-06-30\n[purchase]\nmodel = \"bg_nbd\"\n");
    shop
}

fn arrive(shop: &Shop, name: &str) {
    std::fs::rename(shop.file(&format!("later/{name}")), shop.file(&format!("log/{name}"))).expect("the file arrives");
}

/// Summarises the configuration into `run`, and says what was noted.
fn summarize(shop: &Shop, run: &str, more: &[&str]) -> String {
    let output = format!("output.dir={run}");
    let output = shop.longrun(&[&["summarize", "shop.toml", "--set", &output], more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output) + &stdout(&output)
}

/// The files of a run that its data decide.
fn made_of_data(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["telemetry.json", "plan.toml", "config.toml", ".lock"].contains(&name.as_str()) {
                files.insert(name, std::fs::read(&path).expect("a readable file"));
            }
        }
    }
    assert!(files.keys().any(|name| name.starts_with("transactions/2024-")) && files.contains_key("summary.parquet"));
    files
}

fn same(shop: &Shop, one: &str, other: &str) {
    let (one, other) = (made_of_data(&shop.file(one)), made_of_data(&shop.file(other)));
    let names: Vec<&String> =
        one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn a_night_goes_on_from_the_one_before_and_ends_like_a_full_reading() {
    let shop = shop(&["history.csv"]);
    summarize(&shop, "monday", &[]);
    let before = made_of_data(&shop.file("monday"));
    arrive(&shop, "2024-12-30.csv");
    let told = summarize(&shop, "tuesday", &["--since", "monday"]);
    let bytes = std::fs::metadata(shop.file("log/2024-12-30.csv")).expect("a file").len();
    assert!(told.contains(&format!("1 of the log's 2 files were read, {bytes} of ")), "{told}");
    assert!(told.contains("months of the log that changed: 2024-12"), "{told}");
    summarize(&shop, "full", &[]);
    same(&shop, "tuesday", "full");
    assert!(made_of_data(&shop.file("monday")) == before, "the run that was gone on from is what it was");

    // The same run brought up to date, after a night was missed.
    arrive(&shop, "2024-12-31.csv");
    let output = shop.longrun(&["summarize", "monday", "--since", "monday"]);
    assert!(output.status.success() && stderr(&output).contains("2 of the log's 3 files"), "{}", stderr(&output));
    summarize(&shop, "full", &["--overwrite"]);
    same(&shop, "monday", "full");
    let told = summarize(&shop, "again", &["--since", "monday"]);
    assert!(!told.contains("were read"), "nothing was new: {told}");
    same(&shop, "again", "full");
}

#[test]
fn forgotten_customers_are_in_no_file_of_a_later_run() {
    let shop = shop(&["history.csv", "2024-12-30.csv", "2024-12-31.csv"]);
    summarize(&shop, "monday", &[]);
    let log = std::fs::read_to_string(shop.file("log/2024-12-31.csv")).expect("a file");
    let id = log.lines().nth(1).and_then(|line| line.split(',').next()).expect("a customer");
    shop.write("forget.txt", format!("{id}\nnobody\n"));
    let set = ["--set", "data.forget=forget.txt"];
    let told = summarize(&shop, "tuesday", &[&set[..], &["--since", "monday"]].concat());
    assert!(told.contains("lines of forgotten customers were left out"), "{told}");
    assert!(!told.contains("were read"), "{told}");
    summarize(&shop, "full", &set);
    same(&shop, "tuesday", "full");
    let summary = longrun::data::Summary::read_parquet(&shop.file("tuesday/summary.parquet")).expect("a summary");
    assert!(summary.len() > 200 && summary.customer_id.iter().all(|known| known != id));
    let before = longrun::data::Summary::read_parquet(&shop.file("monday/summary.parquet")).expect("a summary");
    assert!(before.customer_id.iter().any(|known| known == id) && before.len() == summary.len() + 1);
    // A list that is not there forgets nobody silently.
    let output = shop.longrun(&["summarize", "shop.toml", "--set", "data.forget=forgot.txt", "--set", "output.dir=x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("forgot.txt: could not read the customers to forget"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_gone_on_from_is_told() {
    let shop = shop(&["history.csv"]);
    summarize(&shop, "monday", &[]);
    let refused = |args: &[&str]| {
        let output = shop.longrun(&[&["summarize"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        stderr(&output)
    };
    let told = refused(&["shop.toml", "--since", "nowhere"]);
    assert!(told.contains("there is no run to go on from"), "{told}");
    let told = refused(&["shop.toml", "--since", "shop", "--set", "output.dir=x"]);
    assert!(told.contains("there is no table of purchases to go on from"), "{told}");
    let told = refused(&["shop.toml", "--since", "monday", "--set", "output.dir=monday", "--overwrite"]);
    assert!(told.contains("gone on from and replaced at once") && told.contains("--since monday`"), "{told}");
    assert!(shop.file("monday/summary.parquet").exists());
    let told = refused(&["shop.toml", "--since", "monday", "--set", "data.kind=summary", "--set", "output.dir=y"]);
    assert!(told.contains("data.calibration_end") || told.contains("only a log of transactions"), "{told}");
    // Rows that are read otherwise are read anew, and it is said why.
    let told = summarize(&shop, "tuesday", &["--since", "monday", "--set", "data.zero_amounts=drop"]);
    assert!(told.contains("could not be built upon: data.zero_amounts changed"), "{told}");
    // So is everything after a table that is damaged, a bit of a file or the list of all.
    let whole = made_of_data(&shop.file("monday"));
    let (name, part) = whole.iter().find(|(name, _)| name.contains("/part-")).expect("a part of the table");
    let mut part = part.clone();
    let middle = part.len() / 2;
    part[middle] ^= 1;
    shop.write(&format!("monday/{name}"), part);
    let told = summarize(&shop, "wednesday", &["--since", "monday"]);
    assert!(told.contains("could not be built upon") && told.contains("is damaged"), "{told}");
    assert!(made_of_data(&shop.file("wednesday")) == whole, "the same as a full reading");
    shop.write("monday/transactions/manifest.json", "{}");
    let told = summarize(&shop, "thursday", &["--since", "monday"]);
    assert!(told.contains("all of the log is read") && told.contains("manifest is damaged"), "{told}");
    assert!(made_of_data(&shop.file("thursday")) == whole, "the same as a full reading");
}
