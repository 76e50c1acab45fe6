//! CDNOW, the data set of the BG/NBD paper, must give the published counts: they are known, so any change in how purchases merge,
//! windows end or zero amounts count shows here first.
//!
//! Reads `CDNOW_master.txt` and `CDNOW_sample.txt` from `$LONGRUN_CDNOW_DIR` or `data/cdnow/` (scripts/fetch_cdnow.sh puts them
//! there). Without them the tests say so and pass, unless `LONGRUN_REQUIRE_DATA=1`.

use std::path::PathBuf;

use chrono::NaiveDate;
use longrun::data::{
    Column, Columns, Delimiter, Grouping, Rules, Source, Summarized, TransactionTable, Window, ZeroAmounts, ingest,
};

/// The file, or nothing and a word about why.
fn cdnow(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LONGRUN_CDNOW_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var("LONGRUN_REQUIRE_DATA").is_ok_and(|v| v == "1");
    assert!(!required, "{} is required (LONGRUN_REQUIRE_DATA=1) and not there", path.display());
    eprintln!("skipped: {} is not there; scripts/fetch_cdnow.sh fetches it", path.display());
    None
}

/// Columns counted from 1; the sample repeats the customer under a number of its own.
fn source(path: PathBuf, header: bool, date: usize, amount: usize) -> Source {
    Source {
        delimiter: Delimiter::Whitespace,
        header,
        columns: Columns {
            customer: Some(Column::Index(1)),
            date: Column::Index(date),
            amount: Some(Column::Index(amount)),
            ..Columns::default()
        },
        date_format: Some("%Y%m%d".to_owned()),
        ..Source::transactions(path)
    }
}

fn summarize(source: &Source, rules: &Rules) -> Summarized {
    let out = tempfile::tempdir().unwrap();
    let report = ingest(source, rules, out.path(), &|_| {}).unwrap();
    assert_eq!(report.rejected, 0);
    let window = Window { calibration_end: NaiveDate::from_ymd_opt(1997, 9, 30), ..Window::default() };
    let table = TransactionTable::open(&out.path().join("transactions")).unwrap();
    table.summarize(&window, rules, &Grouping::None).unwrap()
}

/// Customers, Σx, x = 0, spend rows, distinct (x, t_x, T), holdout purchases.
fn counts(s: &Summarized) -> [u64; 6] {
    let f = &s.facts;
    [f.customers, f.repeat_purchases, f.one_time_customers, f.spend_customers, f.cells, f.holdout_purchases]
}

#[test]
fn the_sample_gives_the_published_counts() {
    let Some(path) = cdnow("CDNOW_sample.txt") else { return };
    let sample = source(path, false, 3, 5);
    let s = summarize(&sample, &Rules::default());
    // 2,357 customers is the sample of Fader, Hardie & Lee (2005); all six were recounted from the raw file by an independent
    // script.
    assert_eq!(counts(&s), [2357, 2457, 1411, 946, 1016, 1882]);
    let holdout = s.holdout.as_ref().unwrap();
    assert_eq!((holdout.length, holdout.new_customers), (39.0, 0));
    // Customer 00004 of the file: x 2, t_x 30.43, T 38.86, and repeat purchases of 29.73 and 14.96.
    assert_eq!(&s.summary.customer_id[0], "00004");
    assert_eq!((s.summary.frequency[0], s.summary.recency[0], s.summary.age[0]), (2, 213.0 / 7.0, 272.0 / 7.0));
    assert_eq!(s.summary.monetary[0], 446_900.0 / 20_000.0);

    // Weekly tracking: every repeat purchase of either window is in exactly one week.
    assert_eq!((s.weekly.week_start.len(), s.weekly.calibration_weeks), (78, 39));
    assert_eq!(s.weekly.repeats[..39].iter().sum::<u64>(), 2457);
    assert_eq!(s.weekly.repeats[39..].iter().sum::<u64>(), 1882);
}

#[test]
fn the_master_gives_the_published_counts() {
    let Some(path) = cdnow("CDNOW_master.txt") else { return };
    let master = source(path, true, 2, 4);
    let s = summarize(&master, &Rules::default());
    assert_eq!(counts(&s), [23_570, 24_337, 14_119, 9_450, 8_685, 19_684]);
    assert_eq!(s.weekly.repeats[..39].iter().sum::<u64>(), 24_337);
}

#[test]
fn zero_amounts_must_be_kept_for_these_counts() {
    let Some(path) = cdnow("CDNOW_master.txt") else { return };
    let master = source(path, true, 2, 4);
    // 80 lines of the file cost 0.00. Without them 68 customers vanish, who bought
    // nothing else, and 2 more are first seen in the holdout.
    let rules = Rules { zero_amounts: ZeroAmounts::Drop, ..Rules::default() };
    let s = summarize(&master, &rules);
    assert_eq!(counts(&s), [23_500, 24_334, 14_051, 9_449, 8_683, 19_674]);
    assert_eq!(s.facts.new_customers, 2);
}
