//! What must hold of every data set, on simulated ones: simulate, ingest, summarize, and look.

use std::path::Path;

use super::simulate::{Counting, GroupTruth, LapseTruth, SimulateSpec};
use super::*;

fn spec(customers: u64, seed: u64) -> SimulateSpec {
    let north = GroupTruth { share: 3.0, alpha: 2.0, ..GroupTruth::cdnow("north") };
    let south = GroupTruth { share: 1.0, ..GroupTruth::cdnow("south, \"far\"") };
    SimulateSpec { groups: vec![north, south], ..SimulateSpec::cdnow(customers, seed) }
}

fn simulate(spec: &SimulateSpec, path: &Path) -> Result<super::simulate::SimulateReport> {
    super::simulate::simulate(spec, Kind::Transactions, path, &|_| {})
}

fn simulated(customers: u64, seed: u64, name: &str) -> (Desk, Source, u64) {
    let desk = Desk::with(name, "");
    let report = simulate(&spec(customers, seed), &desk.input).unwrap();
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("group")];
    (desk, source, report.purchases)
}

#[test]
fn invariants_hold_at_every_resolution_and_cutoff() {
    let (desk, source, transactions) = simulated(2_000, 5, "orders.csv");
    let report = desk.ingest(&source, &Rules::default()).unwrap();
    assert_eq!((report.rows, report.customers, report.rejected), (transactions, 2_000, 0));
    let table = desk.table();
    for resolution in [Resolution::Day, Resolution::Week, Resolution::Month] {
        for end in [day(1997, 1, 1), day(1997, 2, 11), day(1997, 9, 30), day(1998, 6, 30)] {
            let rules = Rules { resolution, ..Rules::default() };
            let s = table.summarize(&until(end), &rules, &Grouping::by_column("group")).unwrap();
            let q = &s.summary;
            assert!(q.customer_id.iter().is_sorted_by(|a, b| a < b));
            for i in 0..q.len() {
                assert!(
                    0.0 <= q.recency[i] && q.recency[i] <= q.age[i],
                    "{resolution:?} {end}: t_x {} T {}",
                    q.recency[i],
                    q.age[i]
                );
                assert_eq!(q.frequency[i] == 0, q.recency[i] == 0.0);
                assert_eq!(q.frequency[i] == 0, q.monetary[i] == 0.0);
            }
            let cells = q.cells();
            assert_eq!(cells.weight.iter().sum::<f64>() as usize, q.len());
            let weighted: f64 = cells.weight.iter().zip(&cells.frequency).map(|(w, &x)| w * f64::from(x)).sum();
            assert_eq!(weighted as u64, s.facts.repeat_purchases);
            assert_eq!(q.len() as u64 + s.facts.new_customers, 2_000);
            let tracked: u64 = s.weekly.repeats.iter().sum();
            assert_eq!(tracked, s.facts.repeat_purchases + s.facts.holdout_purchases);
            assert_eq!(s.facts.group_conflicts, 0);
        }
    }
}

#[test]
fn a_simulation_is_its_seed_on_any_number_of_threads_and_in_both_formats() {
    let (desk, source, _) = simulated(20_000, 7, "orders.csv");
    let again = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let other = Desk::with("orders.csv", "");
        pool.install(|| simulate(&spec(20_000, seed), &other.input)).unwrap();
        std::fs::read(&other.input).unwrap()
    };
    let bytes = std::fs::read(&desk.input).unwrap();
    assert!(again(1, 7) == bytes && again(3, 7) == bytes && again(2, 8) != bytes);
    let truth = std::fs::read_to_string(desk.folder.path().join("truth.json")).unwrap();
    assert_eq!(serde_json::from_str::<SimulateSpec>(&truth).unwrap(), spec(20_000, 7));

    let (parquet, parquet_source, _) = simulated(20_000, 7, "orders.parquet");
    let rules = Rules::default();
    assert_eq!(
        desk.ingest(&source, &rules).unwrap().purchases,
        parquet.ingest(&parquet_source, &rules).unwrap().purchases
    );
    let summary =
        |desk: &Desk| desk.table().summarize(&until(day(1997, 9, 30)), &rules, &Grouping::by_column("group")).unwrap();
    assert_eq!(summary(&desk), summary(&parquet));
}

/// Three roads to one summary: the transactions, summarized; the summary as Parquet; the summary as CSV.
#[test]
fn a_simulated_summary_is_what_summarize_makes_of_the_same_transactions() {
    // So lively that purchases of one day merge, and so many groups that some have nobody.
    let shop = SimulateSpec { acquisition_days: 200, observe_days: 200, ..SimulateSpec::shop(3_000, 1_500, 4) };
    let busy = SimulateSpec { groups: vec![GroupTruth { alpha: 0.1, ..GroupTruth::cdnow("x") }], ..shop.clone() };
    for spec in [shop, busy, spec(5_000, 9)] {
        let desk = Desk::with("orders.parquet", "");
        let report = simulate(&spec, &desk.input).unwrap();
        let grouping = Grouping::by_column("group");
        let last_day = spec.start + chrono::Days::new(u64::from(spec.observe_days - 1));
        let source = |of: Source| Source {
            columns: Columns { extra: vec![ExtraColumn::named("group")], ..of.columns.clone() },
            ..of
        };
        desk.ingest(&source(desk.source()), &Rules::default()).unwrap();
        let s = desk.table().summarize(&until(last_day), &Rules::default(), &grouping).unwrap();
        assert!(report.purchases > s.facts.repeat_purchases + spec.customers, "nothing merged, so nothing was tried");
        for name in ["summary.parquet", "summary.csv"] {
            let path = desk.folder.path().join(name);
            let written = super::simulate::simulate(&spec, Kind::Summary, &path, &|_| {}).unwrap();
            assert_eq!((written.customers, written.purchases), (spec.customers, report.purchases));
            let read =
                ingest_summary(&source(Source::summary(&path)), &Rules::default(), &grouping, &desk.out(), &|_| {});
            let (summary, _, report) = read.unwrap();
            assert_eq!(report.rejected, 0);
            assert!(summary.customer_id.iter().is_sorted_by(|a, b| a < b));
            // Equal floats and never a NaN: equal bits, as zeros are never negative.
            assert!(Summary { first_purchase: s.summary.first_purchase.clone(), ..summary } == s.summary, "{name}");
        }
    }
}

#[test]
fn a_summary_of_every_purchase_loses_none() {
    let spec = SimulateSpec { counting: Counting::EveryPurchase, ..spec(20_000, 3) };
    let desk = Desk::with("orders.csv", "");
    let path = desk.folder.path().join("summary.parquet");
    let written = super::simulate::simulate(&spec, Kind::Summary, &path, &|_| {}).unwrap();
    let (summary, facts, report) =
        ingest_summary(&Source::summary(&path), &Rules::default(), &Grouping::None, &desk.out(), &|_| {}).unwrap();
    assert_eq!((report.rejected, facts.repeat_purchases), (0, written.purchases - 20_000));
    // P(x = 0) = Σ share (α/(α+T))^r, averaged over T from 66 to 78 weeks; within four standard errors and no allowance for days.
    let none = |alpha: f64| {
        (0..1200).map(|i| (alpha / (alpha + 66.0 + f64::from(i) / 100.0)).powf(0.243)).sum::<f64>() / 1200.0
    };
    let expected = 0.75 * none(2.0) + 0.25 * none(4.414);
    let seen = facts.one_time_customers as f64 / 20_000.0;
    assert!(
        (seen - expected).abs() < 4.0 * (expected * (1.0 - expected) / 20_000.0).sqrt(),
        "{seen} against {expected}"
    );
    let mut days = summary.age.iter().chain(&summary.recency).map(|t| t * 7.0);
    assert!(days.all(|days| (days - days.round()).abs() < 1e-9), "times are whole days");
}

#[test]
fn a_file_is_its_seed_on_any_number_of_threads_and_leaves_nothing_beside_it() {
    // Enough for three row groups.
    let spec = SimulateSpec::shop(150_000, 40, 2);
    let folder = tempfile::tempdir().unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let path = folder.path().join(format!("orders-{threads}.parquet"));
        let told = std::sync::Mutex::new(Vec::new());
        pool.install(|| super::simulate::simulate(&spec, Kind::Transactions, &path, &|n| told.lock().unwrap().push(n)))
            .unwrap();
        let told = told.into_inner().unwrap();
        assert!(told.len() > 2 && told.is_sorted() && told.last() == Some(&150_000), "{told:?}");
        std::fs::read(path).unwrap()
    };
    assert!(on(1) == on(3));
    assert!(!folder.path().join("orders-1.parquet.partial").exists());
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let under_a_file = simulate(&SimulateSpec::cdnow(10, 1), &file.join("x.csv")).unwrap_err().to_string();
    assert!(under_a_file.contains("a file stands where a folder is needed"), "{under_a_file}");
    // A folder where the data belong: everything works until the last step, the renaming.
    let taken = folder.path().join("orders.csv");
    std::fs::create_dir_all(taken.join("inner")).unwrap();
    simulate(&SimulateSpec::cdnow(10, 1), &taken).unwrap_err();
    assert!(!folder.path().join("orders.csv.partial").exists());
    let new = folder.path().join("a/b/orders.csv");
    simulate(&SimulateSpec::cdnow(10, 1), &new).unwrap();
    assert!(new.exists() && new.with_file_name("truth.json").exists());
}

#[test]
fn simulated_customers_follow_their_law() {
    let desk = Desk::with("orders.csv", "");
    let n = 40_000;
    simulate(&SimulateSpec { acquisition_days: 1, ..SimulateSpec::cdnow(n, 11) }, &desk.input).unwrap();
    let s = desk.summarize(&Rules::default(), &Window::default());
    let n = n as f64;
    // P(x = 0) = (α/(α+t))^r over t = 78 weeks less half a day (Fader, Hardie & Lee 2005, eq. 8); counted by day, a repeat on
    // the first day is lost (about 0.4 % of customers). Four standard errors and that are allowed.
    let (r, alpha, t) = (0.243_f64, 4.414_f64, 78.0 - 0.5 / 7.0);
    let none = (alpha / (alpha + t)).powf(r);
    let seen = s.facts.one_time_customers as f64 / n;
    assert!((seen - none).abs() < 4.0 * (none * (1.0 - none) / n).sqrt() + 0.005, "{seen} against {none}");
    // The expected amount is p v/(q−1) = 35.22 dollars whatever x (Fader & Hardie 2013); customers' own means scatter around it
    // with sd 35.22/√(q−2) = 26.7, and a little more for few purchases: 30 is allowed, five standard errors of it.
    let spend = s.summary.spend_rows();
    let spenders = spend.customers();
    let mean = spend.monetary.iter().zip(&spend.weight).map(|(m, w)| m * w).sum::<f64>() / spenders;
    let expected = 6.25 * 15.44 / 2.74;
    assert!((mean - expected).abs() < 5.0 * 30.0 / spenders.sqrt(), "{mean} against {expected}");
}

#[test]
fn nonsense_is_refused() {
    let desk = Desk::with("orders.csv", "");
    let refusal = |change: &dyn Fn(&mut SimulateSpec)| {
        let mut spec = SimulateSpec::cdnow(10, 1);
        change(&mut spec);
        simulate(&spec, &desk.input).unwrap_err().to_string()
    };
    assert!(refusal(&|s| s.customers = 0).contains("at least one customer"));
    assert!(
        refusal(&|s| s.groups[0].lapse = LapseTruth::Chance { a: 1.0, b: -1.0 })
            .contains("b of group \"all\" must be above 0 (found -1)")
    );
    assert!(refusal(&|s| s.groups[0].alpha = 1e-9).contains("too many purchases"));
    assert!(refusal(&|s| s.acquisition_days = 1000).contains("acquisition_days"));
    let other = simulate(&SimulateSpec::cdnow(10, 1), &desk.folder.path().join("x.xlsx")).unwrap_err().to_string();
    assert!(other.contains(".csv or .parquet"));
}
