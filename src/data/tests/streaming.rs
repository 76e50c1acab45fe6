//! The files written for more customers than memory holds say exactly what the plain summary in memory says, at any budget and on any
//! number of threads.

use super::super::ingest::{Sizes, ingest_sized};
use super::super::summary_files::Budget;
use super::super::summary_into::ingest_summary_within;
use super::*;

/// Budgets from nothing to plenty; the smallest spills every run and every count.
const BUDGETS: [Budget; 3] = [
    Budget { runs_bytes: 0, cells_bytes: 100, rows: 64 },
    Budget { runs_bytes: 20_000, cells_bytes: 20_000, rows: 1000 },
    Budget { runs_bytes: 1 << 30, cells_bytes: 1 << 30, rows: 1 << 18 },
];

/// Everything that the files of a folder say.
fn published(dir: &Path) -> (Summary, Option<Holdout>, WeeklyRepeats) {
    let summary = Summary::read_parquet(&dir.join("summary.parquet")).unwrap();
    let holdout = dir.join("holdout.parquet");
    let holdout = holdout.exists().then(|| Holdout::read_parquet(&summary, &holdout).unwrap());
    (summary, holdout, WeeklyRepeats::read_parquet(&dir.join("weekly.parquet")).unwrap())
}

/// Whether `dir` holds the observations of `summary`, merged and not.
fn check_observations(dir: &Path, summary: &Summary) {
    let merged = Observations::read(dir, true).unwrap();
    assert_eq!(merged, Observations::of(summary));
    let rows = Observations::read(dir, false).unwrap();
    assert_eq!((&rows.groups, &rows.cells.group), (&summary.groups, &summary.group));
    assert_eq!((&rows.cells.frequency, &rows.cells.recency), (&summary.frequency, &summary.recency));
    assert_eq!(rows.cells.age, summary.age);
    assert!(rows.cells.weight.iter().chain(&rows.spend.weight).all(|&w| w == 1.0));
    assert_eq!((rows.customers(), rows.spend.customers()), (merged.customers(), merged.spend.customers()));
    assert_eq!(merged.compression(), summary.len() as f64 / merged.cells.len() as f64);
}

/// Some 900 customers with 5,000 purchases over two years, with ties, group changes and missing groups.
pub(super) fn orders() -> String {
    let line = |i: u64| {
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let customer = (mixed >> 44) % 900;
        let date = day(2019, 1, 1) + chrono::Days::new((mixed >> 33) % 700 * (1 + customer % 3) / 3);
        let amount = (mixed >> 13) % 7;
        let country = ["FI", "SE", "", "Åland, \"far\""][(mixed >> 17) as usize % 4];
        let country = if customer.is_multiple_of(5) { "" } else { country };
        let channel = ["web", "shop", "", "web > app"][(mixed >> 23) as usize % 4];
        format!("c{customer},{date},{amount}.5,\"{}\",{channel}\n", country.replace('"', "\"\""))
    };
    format!("customer_id,date,amount,country,channel\n{}", (0..5_000).map(line).collect::<String>())
}

#[test]
fn the_files_say_what_the_plain_summary_says() {
    let desk = Desk::with("orders.csv", orders());
    let mut source = desk.source();
    source.columns.extra = ["country", "channel"].map(ExtraColumn::named).to_vec();
    let sizes = Sizes { block_bytes: 10_000, partitions: Some(7), ..Sizes::default() };
    ingest_sized(&source, &Rules::default(), &desk.out(), &|_| {}, sizes).unwrap();
    let table = desk.table();
    let groupings = [
        Grouping::None,
        Grouping::by_column("country"),
        Grouping::by_cohort(30),
        Grouping::RfmClass,
        Grouping::Levels { columns: vec!["country".into(), "channel".into()], cohort_days: vec![180, 60] },
    ];
    let windows = [Window::default(), until(day(2019, 12, 11))];
    let started = Window { calibration_start: Some(day(2019, 6, 4)), ..windows[1] };
    for (case, grouping) in groupings.iter().enumerate() {
        for (resolution, window) in
            [(Resolution::Day, windows[1]), (Resolution::Month, windows[case % 2]), (Resolution::Week, started)]
        {
            let rules = Rules { resolution, ..Rules::default() };
            let expected = table.summarize(&window, &rules, grouping).unwrap();
            let mut files = Vec::new();
            for (budget, threads) in BUDGETS.iter().zip([3, 1, 2]) {
                let out = tempfile::tempdir().unwrap();
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let told = std::sync::Mutex::new(0);
                let progress = |p: IngestProgress| *told.lock().unwrap() = p.bytes_total - p.bytes_done;
                let write = || table.summarize_within(&window, &rules, grouping, out.path(), &progress, budget);
                let pending = pool.install(write).unwrap();
                assert_eq!(*told.lock().unwrap(), 0, "progress ends with everything done");
                assert_eq!(pending.facts, expected.facts, "{grouping:?} {budget:?}");
                assert_eq!(pending.groups, expected.summary.groups);
                assert_eq!(pending.holdout_length, expected.holdout.as_ref().map(|h| h.length));
                let mut customers = vec![0; pending.groups.labels.len()];
                expected.summary.group.iter().for_each(|&g| customers[g as usize] += 1);
                assert_eq!(pending.group_customers, customers);
                let spends = || expected.summary.spend_rows().monetary.into_iter();
                let range = spends().reduce(f64::min).zip(spends().reduce(f64::max));
                assert_eq!(pending.spend_range, range);
                assert!(!out.path().join("summary.parquet").exists(), "nothing is in place before it is published");
                pending.publish().unwrap();
                assert!(!out.path().join("summary.partial").exists(), "spills and pending files are gone");
                let (summary, holdout, weekly) = published(out.path());
                assert_eq!((&summary, &holdout, &weekly), (&expected.summary, &expected.holdout, &expected.weekly));
                check_observations(out.path(), &expected.summary);
                files.push((budget.rows, bytes_of(out.path())));
            }
            // Equal row groups, equal bytes.
            let again = tempfile::tempdir().unwrap();
            let budget = Budget { rows: 64, ..BUDGETS[2] };
            table
                .summarize_within(&window, &rules, grouping, again.path(), &|_| {}, &budget)
                .unwrap()
                .publish()
                .unwrap();
            assert!(files[0] == (64, bytes_of(again.path())), "{grouping:?}");
        }
    }
}

#[test]
fn what_cannot_be_summarized_leaves_nothing_behind() {
    let desk = Desk::csv("a,2020-01-03,1\nb,2020-02-03,1\n");
    desk.ingest(&desk.source(), &Rules::default()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let refusal = |window: Window, grouping: Grouping| {
        let refused = desk.table().summarize_into(&window, &Rules::default(), &grouping, out.path(), &|_| {});
        refused.expect_err("must be refused").to_string()
    };
    assert!(refusal(until(day(2020, 1, 2)), Grouping::None).contains("ends before the first purchase"));
    assert!(refusal(until(day(2020, 1, 9)), Grouping::by_column("x")).contains("no column \"x\""));
    assert!(refusal(until(day(2020, 1, 9)), Grouping::by_cohort(0)).contains("at least one day"));
    assert!(bytes_of(out.path()).is_empty());

    // A killed run's leftovers go with the next start, and an older holdout with a summary that has none.
    std::fs::create_dir_all(out.path().join("summary.partial")).unwrap();
    std::fs::write(out.path().join("summary.partial/spill-runs"), "half").unwrap();
    std::fs::write(out.path().join("holdout.parquet"), "old").unwrap();
    let pending = desk
        .table()
        .summarize_into(&until(day(2020, 2, 3)), &Rules::default(), &Grouping::None, out.path(), &|_| {})
        .unwrap();
    pending.publish().unwrap();
    let names: Vec<String> = bytes_of(out.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cells.parquet", "spend.parquet", "summary.parquet", "weekly.parquet"]);
}

/// 3,000 customers, in order of their identifiers, with ties.
fn customers() -> Vec<String> {
    let mut rows: Vec<String> = (0..3_000_u64)
        .map(|i| {
            let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let x = (mixed >> 60) % 4;
            let (t_x, m) =
                if x == 0 { (0.0, 0.0) } else { (1.0 + (mixed >> 50 & 15) as f64 / 7.0, (mixed >> 40 & 7) as f64) };
            let group = ["north", "south", "", "west"][(mixed >> 33) as usize % 4];
            format!(
                "c{:05}{},{x},{t_x},{},{m},{group}\n",
                i,
                "x".repeat((mixed % 9) as usize),
                9.0 + (mixed >> 20 & 3) as f64
            )
        })
        .collect();
    rows.sort();
    rows
}

fn summary_source(desk: &Desk) -> Source {
    let mut source = Source::summary(&desk.input);
    source.columns.extra = vec![ExtraColumn::named("region")];
    source
}

#[test]
fn summaries_sorted_or_not_with_customers_twice_and_bad_rows_are_read_as_in_memory() {
    const HEADER: &str = "customer_id,frequency,recency,age,monetary,region\n";
    let sorted = customers();
    let mut shuffled = sorted.clone();
    shuffled.sort_by_key(|row| row.bytes().map(u64::from).fold(7, |h, b| (h ^ b).wrapping_mul(0x0100_0000_01b3)));
    let twice: Vec<String> =
        shuffled.iter().chain(shuffled.iter().skip(100).step_by(7)).map(|row| row.replace("south", "west")).collect();
    let bad = ["zz,1.5,2,3,4,x\n", ",1,2,3,4,x\n", "zzz,1,2\n"].map(str::to_owned);
    let sources = [
        sorted.concat(),
        shuffled.concat(),
        twice.concat(),
        sorted.iter().take(900).chain(&bad).chain(&sorted[900..]).cloned().collect::<String>(),
        // Sorted but for the very last.
        sorted[1..].iter().chain(&sorted[..1]).cloned().collect::<String>(),
    ];
    let rules = Rules { max_reject_share: 0.2, ..Rules::default() };
    for (case, rows) in sources.iter().enumerate() {
        let desk = Desk::with("customers.csv", format!("{HEADER}{rows}"));
        let source = summary_source(&desk);
        for grouping in [Grouping::None, Grouping::by_column("region"), Grouping::RfmClass] {
            let (summary, facts, report) = ingest_summary(&source, &rules, &grouping, &desk.out(), &|_| {}).unwrap();
            let rejects = desk.rejects();
            for (budget, block_bytes) in BUDGETS.iter().zip([3_000, 20_000, 1 << 20]) {
                let out = tempfile::tempdir().unwrap();
                let (pending, seen) =
                    ingest_summary_within(&source, &rules, &grouping, out.path(), &|_| {}, block_bytes, budget)
                        .unwrap();
                assert_eq!((&pending.facts, &seen), (&facts, &report), "case {case} {grouping:?}");
                assert_eq!(std::fs::read_to_string(out.path().join("rejects.csv")).unwrap(), rejects);
                pending.publish().unwrap();
                let (read, holdout, weekly) = published(out.path());
                assert_eq!(
                    (&read, holdout, weekly),
                    (&summary, None, WeeklyRepeats::default()),
                    "case {case} {grouping:?}"
                );
                check_observations(out.path(), &summary);
                let left: Vec<String> = bytes_of(out.path()).into_iter().map(|(name, _)| name).collect();
                let files = ["cells.parquet", "rejects.csv", "spend.parquet", "summary.parquet", "weekly.parquet"];
                assert_eq!(left, files);
            }
        }
    }
}

#[test]
fn a_published_summary_is_read_as_a_source_and_gives_itself() {
    let desk = Desk::with(
        "customers.csv",
        format!("customer_id,frequency,recency,age,monetary,region\n{}", customers().concat()),
    );
    let grouping = Grouping::by_column("region");
    let write = |source: &Source, rows: usize| {
        let out = tempfile::tempdir().unwrap();
        let budget = Budget { rows, ..Budget::default() };
        let rules = Rules::default();
        ingest_summary_within(source, &rules, &grouping, out.path(), &|_| {}, 1 << 20, &budget)
            .unwrap()
            .0
            .publish()
            .unwrap();
        out
    };
    let first = write(&summary_source(&desk), 500);
    let mut source = Source::summary(first.path().join("summary.parquet"));
    source.columns.extra = vec![ExtraColumn::named("region")];
    let second = write(&source, 500);
    assert!(bytes_of(first.path()) == bytes_of(second.path()));
}
