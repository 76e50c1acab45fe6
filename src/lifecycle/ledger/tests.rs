//! A ledger that is appended to, and ledgers that somebody touched.

use super::*;
use crate::version::CodeVersion;
use chrono::{NaiveDate, TimeZone};

fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, minute, 0).unwrap() + chrono::TimeDelta::milliseconds(250)
}

fn entry(model: &str) -> Entry {
    Entry {
        action: Action::Promote,
        model_id: model.to_owned(),
        cutoff: NaiveDate::from_ymd_opt(2025, 12, 31).unwrap(),
        calibration_months: Some(12),
        prediction_months: 6,
        purchase_model: "bg_nbd".to_owned(),
        spend_model: Some("gamma_gamma".to_owned()),
        groups: Some("country > cohort".to_owned()),
        rmse: Some(1.25),
        rmse_low: Some(1.0 / 3.0),
        rmse_high: Some(1e-300),
        r2: Some(-0.5),
        gini_normalized: None,
        verdict: "pass".to_owned(),
        data_digest: "ab12".to_owned(),
        code: CodeVersion { version: "0.1.0".to_owned(), commit: Some("0123456789ab".to_owned()), dirty: Some(false) },
        note: "=HYPERLINK(\"http://x\"),\r\n\"quoted\", ätsch".to_owned(),
        comparison: Some(
            serde_json::json!({"against": "m0", "difference": [-0.25, 0.1, 1e-9], "better": true, "n": 3}),
        ),
    }
}

fn poor(model: &str) -> Entry {
    Entry {
        action: Action::Rollback,
        calibration_months: None,
        spend_model: None,
        groups: None,
        rmse: None,
        rmse_low: None,
        rmse_high: None,
        r2: None,
        code: CodeVersion { version: "0.1.0".to_owned(), commit: None, dirty: None },
        note: String::new(),
        comparison: None,
        ..entry(model)
    }
}

/// A ledger of three rows.
fn three() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let mut ledger = Ledger::open(&path).unwrap();
    for (minute, entry) in
        [entry("m1"), poor("m2"), Entry { note: "-5 % worse".to_owned(), ..entry("m1") }].iter().enumerate()
    {
        ledger.append(entry, at(minute as u32)).unwrap();
    }
    (folder, path)
}

#[test]
fn rows_are_read_back_as_they_were_and_earlier_ones_keep_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LEDGER_FILE);
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!((ledger.champion(), ledger.head(), path.exists()), (None, GENESIS, false));
    let mut before = Vec::new();
    for (minute, entry) in [entry("m1"), poor("m2"), entry("m1")].iter().enumerate() {
        let row = ledger.append(entry, at(minute as u32)).unwrap().clone();
        assert_eq!((row.row, &row.entry), (minute as u64 + 1, entry));
        assert_eq!(row.previous_id.as_deref(), [None, Some("m1"), Some("m2")][minute]);
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(&before) && bytes.len() > before.len());
        before = bytes;
        let read = Ledger::open(&path).unwrap();
        assert_eq!(read, ledger);
        assert_eq!((read.champion(), read.head()), (Some(entry.model_id.as_str()), row.hash.as_str()));
    }
    assert_eq!(ledger.rows().len(), 3);
    assert!(!folder.path().join(format!("{LEDGER_FILE}.partial")).exists());
    let text = String::from_utf8(before).unwrap();
    assert!(text.starts_with("row,time,action,model_id,previous_id,cutoff,"));
    // The note would be a formula, and the number below 0 is none.
    assert!(text.contains("\"'=HYPERLINK(\"\"http") && text.contains(",-0.5,") && !text.contains(",\"="), "{text}");
}

#[test]
fn the_same_promotion_twice_is_one_row() {
    let (_folder, path) = three();
    let mut ledger = Ledger::open(&path).unwrap();
    let (bytes, last) = (std::fs::read(&path).unwrap(), ledger.rows()[2].clone());
    let again = ledger.append(&last.entry, at(50)).unwrap().clone();
    assert_eq!((again, std::fs::read(&path).unwrap()), (last.clone(), bytes));
    let other = Entry { note: "and now for another reason".to_owned(), ..last.entry };
    assert_eq!(ledger.append(&other, at(51)).unwrap().row, 4);
}

/// The ledger after somebody touched its text; what opening it says.
fn touched(touch: impl Fn(&str) -> String) -> Result<Ledger> {
    let (_folder, path) = three();
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = touch(&text);
    assert_ne!(text, changed, "the touch must change something");
    std::fs::write(&path, changed).unwrap();
    Ledger::open(&path)
}

/// Lines of the file; a note of the first row goes over two.
fn without(text: &str, from: usize, to: usize) -> String {
    text.split_inclusive('\n').enumerate().filter(|(i, _)| !(from..to).contains(i)).map(|(_, line)| line).collect()
}

#[test]
fn a_touched_ledger_is_refused_and_its_first_wrong_row_named() {
    type Touch = fn(&str) -> String;
    let rows: [(Touch, &str, &str); 9] = [
        (|t| t.replacen("1.25", "1.24", 1), "row 1 of the ledger was changed", "no row can be relied on"),
        (|t| t.replacen("m2", "m3", 1), "row 2 of the ledger was changed", "row 1 can still be relied on"),
        (|t| t.replacen("worse", "better", 1), "row 3 of the ledger was changed", "rows 1 to 2 can still be relied on"),
        (|t| t.replacen("2026-03-01T12:01:00Z", "2026-03-01T12:01:01Z", 1), "row 2 of the ledger was changed", "row 1"),
        (|t| without(t, 1, 3), "row 1 of the ledger does not follow", "no row"),
        (|t| without(t, 3, 4), "row 2 of the ledger does not follow", "row 1"),
        (|t| t.replacen("rollback", "demote", 1), "row 2 of the ledger does not read as one", "row 1"),
        (|t| format!("{t}4,and no more\n"), "row 4 of the ledger is no row", "rows 1 to 3"),
        (|t| t.replacen("r2", "r_squared", 1), "this is not a ledger of champions", "restore it from a backup"),
    ];
    for (touch, what, advice) in rows {
        let said = touched(touch).unwrap_err().to_string();
        assert!(said.contains(what) && said.contains(advice) && said.contains(LEDGER_FILE), "{said}\nfor {what:?}");
    }
    // The place is the line of the file.
    let said = touched(|t| t.replacen("m2", "m3", 1)).unwrap_err().to_string();
    assert!(said.contains("champion_manifest.csv:4: "), "{said}");
}

#[test]
fn what_changes_no_cell_changes_nothing() {
    let (_folder, path) = three();
    let expected = Ledger::open(&path).unwrap();
    // Quoted otherwise; and with the end of the last line gone.
    let requoted = touched(|t| t.replace("bg_nbd", "\"bg_nbd\"")).unwrap();
    assert_eq!(requoted.rows(), expected.rows());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.append(&entry("m9"), at(9)).unwrap();
    let read = Ledger::open(&path).unwrap();
    assert_eq!((read.rows()[..3].to_vec(), read.champion()), (expected.rows().to_vec(), Some("m9")));
}

#[test]
fn a_row_gone_from_the_end_shows_by_the_head() {
    let (_folder, path) = three();
    let ledger = Ledger::open(&path).unwrap();
    let heads: Vec<String> = ledger.rows().iter().map(|row| row.hash.clone()).collect();
    assert_eq!(ledger.head(), heads[2]);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.split_inclusive('\n').count();
    std::fs::write(&path, without(&text, lines - 2, lines)).unwrap();
    let shorter = Ledger::open(&path).unwrap();
    let kept = shorter.rows().len();
    assert!(kept < 3);
    for (i, head) in heads.iter().enumerate() {
        assert_eq!(shorter.must_contain(head).is_ok(), i < kept, "{i}");
        ledger.must_contain(head).unwrap();
    }
    shorter.must_contain(GENESIS).unwrap();
    let said = shorter.must_contain(&heads[2]).unwrap_err().to_string();
    assert!(said.contains("rows are missing at the end") && said.contains("backup"), "{said}");
}

#[test]
fn what_cannot_be_kept_is_refused_and_another_writer_noticed() {
    let (_folder, path) = three();
    let bytes = std::fs::read(&path).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    for (wrong, name) in [
        (Entry { r2: Some(f64::NAN), ..entry("m4") }, "r2"),
        (Entry { rmse_high: Some(f64::INFINITY), ..entry("m4") }, "rmse_high"),
        (Entry { groups: Some(String::new()), ..entry("m4") }, "groups"),
        (entry(""), "model_id"),
    ] {
        let said = ledger.append(&wrong, at(1)).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{name}: ")), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    Ledger::open(&path).unwrap().append(&entry("other"), at(2)).unwrap();
    let said = ledger.append(&entry("m4"), at(3)).unwrap_err().to_string();
    assert!(said.contains("changed while it was open"), "{said}");
    assert_eq!(Ledger::open(&path).unwrap().champion(), Some("other"));
}
