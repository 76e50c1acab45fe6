//! Fingerprints: the same for the same purchases, however they are stored; different, and saying where, for one that was altered.

use super::super::ingest::{Sizes, ingest_sized};
use super::*;

const HEADER: &str = "customer_id,date,amount,country\n";

fn table_of(lines: &str, partitions: usize) -> Desk {
    let desk = Desk::with("orders.csv", format!("{HEADER}{lines}"));
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("country")];
    let sizes = Sizes { block_bytes: 1_000, partitions: Some(partitions), ..Sizes::default() };
    ingest_sized(&source, &Rules::default(), &desk.out(), &|_| {}, sizes).unwrap();
    desk
}

fn print_of(lines: &str) -> Fingerprint {
    table_of(lines, 3).table().fingerprint(day(2024, 12, 31)).unwrap()
}

/// Digests from Python's hashlib over the bytes that `row_sum::canonical` describes.
#[test]
fn a_small_log_has_the_counts_sums_and_digests_that_its_definition_gives() {
    let seen = print_of("ann,2024-03-01,12,FI\nbob,2024-03-31,0.5,\nann,2024-03-01,0.5,FI\nann,2024-05-02,1,FI\n");
    let month = |month: &str, counts: [u64; 3], amount: &str, digest: &str| MonthPrint {
        month: month.into(),
        rows: counts[0],
        lines: counts[1],
        customers: counts[2],
        amount: Some(amount.into()),
        digest: digest.into(),
    };
    let expected = Fingerprint {
        version: 1,
        digest: "a54e7b889cdff29f260d519b05e6e1653a40c0e164b16d5341fd859db71ccad9".into(),
        through: day(2024, 12, 31),
        first_date: day(2024, 3, 1),
        last_date: day(2024, 5, 2),
        rows: 3,
        lines: 4,
        customers: 2,
        columns: vec!["country".into()],
        months: vec![
            month("2024-03", [2, 3, 2], "13.0000", "aa1184184c4cac2ea86698de916471b762d328da0ee6723693fe8f78edfbcd42"),
            month("2024-05", [1, 1, 1], "1.0000", "3514b61c658801bcafff683393769c81b9f4c3a3369146fd418fd50a613663aa"),
        ],
    };
    assert_eq!(seen, expected);
    let read: Fingerprint = serde_json::from_str(&serde_json::to_string(&seen).unwrap()).unwrap();
    assert_eq!(read, seen);
}

fn many() -> Vec<String> {
    streaming::orders().lines().skip(1).map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect()
}

#[test]
fn neither_order_nor_parts_nor_threads_nor_later_purchases_matter() {
    let lines = many();
    let through = day(2020, 2, 11);
    let expected = table_of(&lines.concat(), 1).table().fingerprint(through).unwrap();
    assert!(expected.months.len() == 14 && expected.last_date <= through && expected.rows > 1000);
    let backwards: String = lines.iter().rev().cloned().collect();
    let earlier = |line: &&String| line.split(',').nth(1).unwrap().parse::<NaiveDate>().unwrap() <= through;
    let without_later: String = lines.iter().filter(earlier).cloned().collect();
    assert!(without_later.len() < backwards.len());
    for (log, partitions, threads) in [(backwards, 7, 3), (without_later, 4, 1)] {
        let desk = table_of(&log, partitions);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let seen = pool.install(|| desk.table().fingerprint(through)).unwrap();
        assert_eq!(seen, expected);
        assert_eq!(expected.differences(&seen), Vec::<String>::new());
    }
    let refused = table_of("a,2024-05-02,1,\n", 1).table().fingerprint(day(2024, 5, 1)).unwrap_err().to_string();
    assert!(refused.contains("none up to 2024-05-01") && refused.contains("2024-05-02"), "{refused}");
}

#[test]
fn one_altered_transaction_is_seen_and_its_month_named() {
    let log =
        "ann,2024-03-01,12,FI\nbob,2024-03-31,5,SE\nbob,2024-05-01,5,SE\ncleo,2024-05-02,1,FI\ncleo,2024-05-02,2,FI\n";
    let then = print_of(log);
    let unlike = "the same rows and total, but a customer, a day, an amount or a column differs";
    let rows: [(&str, &str, &[&str]); 12] = [
        ("bob,2024-03-31,5", "bob,2024-03-31,5.0001", &["2024-03: amounts of 17.0000 then, 17.0001 now"]),
        ("bob,2024-03-31", "bob,2024-03-30", &[&format!("2024-03: {unlike}")]),
        ("bob,2024-05-01", "ann,2024-05-01", &[&format!("2024-05: {unlike}")]),
        (
            "ann,2024-03-01,12,FI\nbob,2024-03-31,5,",
            "ann,2024-03-01,5,FI\nbob,2024-03-31,12,",
            &[&format!("2024-03: {unlike}")],
        ),
        ("bob,2024-03-31,5,SE", "bob,2024-03-31,5,", &[&format!("2024-03: {unlike}")]),
        (
            "bob,2024-03-31",
            "bob,2024-04-01",
            &[
                "2024-03: 2 rows then, 1 now; 2 lines then, 1 now; 2 customers then, 1 now; amounts of 17.0000 then, 12.0000 now",
                "2024-04: no rows then, 1 now",
            ],
        ),
        (
            "ann,2024-03-01,12,FI\nbob,2024-03-31,5,SE\n",
            "",
            &["2024-03: 2 rows then, none now", "in all: 3 customers then, 2 now"],
        ),
        (
            "ann,2024-03-01,12,FI\n",
            "ann,2024-03-01,12,FI\nann,2024-03-01,12,FI\n",
            &["2024-03: 2 lines then, 3 now; amounts of 17.0000 then, 29.0000 now"],
        ),
        ("cleo,2024-05-02,1,FI\ncleo,2024-05-02,2,FI", "cleo,2024-05-02,3,FI", &["2024-05: 3 lines then, 2 now"]),
        ("bob,2024-03-31", "ann,2024-03-31", &["2024-03: 2 customers then, 1 now"]),
        ("ann,2024-03-01", "anne,2024-03-01", &[&format!("2024-03: {unlike}")]),
        ("", "", &[]),
    ];
    for (from, to, said) in rows {
        assert!(log.contains(from));
        let now = print_of(&log.replacen(from, to, 1));
        assert_eq!(then.differences(&now), said, "{from:?} becomes {to:?}");
        assert_eq!(then.digest == now.digest, said.is_empty());
    }
}

#[test]
fn what_else_may_differ_is_told() {
    let then = print_of("ann,2024-03-01,12,FI\n");
    let desk = Desk::csv("ann,2024-03-01,12\n");
    desk.ingest(&desk.source(), &Rules::default()).unwrap();
    let now = desk.table().fingerprint(then.through).unwrap();
    assert_eq!(then.differences(&now), ["columns kept: country then, none now"]);
    let sooner = table_of("ann,2024-03-01,12,FI\n", 1).table().fingerprint(day(2024, 6, 30)).unwrap();
    assert_eq!(then.differences(&sooner), ["purchases up to 2024-12-31 counted then, up to 2024-06-30 now"]);
    assert_eq!(then.digest, sooner.digest);
    let mut edited = then.clone();
    edited.months[0].digest.replace_range(..1, "x");
    let said = edited.differences(&then);
    assert!(said[0].contains("the fingerprint of then does not fit its own digest"), "{said:?}");
    let other = Fingerprint { version: 2, ..then.clone() };
    assert!(then.differences(&other)[0].contains("cannot be compared"));
    let large = Fingerprint { months: vec![MonthPrint { rows: 1_234_567, ..then.months[0].clone() }], ..then.clone() };
    assert!(large.differences(&then).iter().any(|said| said == "2024-03: 1,234,567 rows then, 1 now"));
}
