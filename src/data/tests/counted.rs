//! Time that is counted: whole opportunities from a log or a summary, contracts, tables of cohorts, lines that stand for several
//! customers.

use super::simulate::{CountedModel, CountedSpec, simulate_counted};
use super::*;

fn months() -> Rules {
    Rules { resolution: Resolution::Month, whole_periods: true, ..Rules::default() }
}

fn contracts_of(source: &Source, desk: &Desk, grouping: &Grouping) -> Result<Summary> {
    let rules = Rules { whole_periods: true, ..Rules::default() };
    let (made, _) = ingest_summary_into(source, &rules, grouping, &desk.out(), &|_| {})?;
    made.publish()?;
    let plain = ingest_summary(source, &rules, grouping, &desk.out(), &|_| {})?.0;
    let summary = Summary::read_parquet(&desk.out().join("summary.parquet"))?;
    assert_eq!(summary, plain);
    Ok(summary)
}

#[test]
fn a_log_is_counted_in_opportunities() {
    let desk = Desk::csv(
        "a,2024-01-31,1\na,2024-02-01,2\na,2024-02-29,3\na,2024-05-15,4\nb,2024-03-30,1\nb,2024-06-30,5\nb,2024-08-01,1\n",
    );
    let s = desk.summarize(&months(), &until(day(2024, 6, 30)));
    // a: opportunities February to June, used in February and May; b: April to June, used in June.
    assert_eq!(s.summary.frequency, [2, 1]);
    assert_eq!((s.summary.recency, s.summary.age), (vec![4.0, 3.0], vec![5.0, 3.0]));
    let holdout = s.holdout.unwrap();
    assert_eq!((holdout.length, holdout.purchases), (2.0, vec![0, 1]));
}

/// What the simulator sums up is what is made of its transactions.
#[test]
fn a_simulated_summary_is_what_its_log_comes_to() {
    for period in [Resolution::Month, Resolution::Quarter] {
        let spec = CountedSpec { period, ..CountedSpec::new(CountedModel::BgBb, 500, 3, 4) };
        let desk = Desk::with("orders.csv", "");
        simulate_counted(&spec, Kind::Transactions, &desk.input, &|_| {}).unwrap();
        let mut source = desk.source();
        source.columns.extra = vec![ExtraColumn::named("group")];
        let rules = Rules { resolution: period, ..months() };
        desk.ingest(&source, &rules).unwrap();
        let grouping = Grouping::by_column("group");
        let of_log = desk.table().summarize(&until(day(2024, 12, 31)), &rules, &grouping).unwrap().summary;
        let path = desk.folder.path().join("summary.csv");
        simulate_counted(&spec, Kind::Summary, &path, &|_| {}).unwrap();
        let source = Source { columns: source.columns, ..Source::summary(&path) };
        let made = ingest_summary(&source, &rules, &grouping, &desk.out(), &|_| {}).unwrap().0;
        assert_eq!(Summary { first_purchase: of_log.first_purchase.clone(), ..made }, of_log);
    }
}

#[test]
fn times_that_are_no_opportunities_are_refused_with_the_line() {
    let desk = Desk::with(
        "customers.csv",
        "customer_id,frequency,recency,age\nok,2,3,6\nhalf,1,2.5,6\nolder,1,2,6.5\nbusy,3,2,6\nnever,0,0,6\n",
    );
    let mut source = Source::summary(&desk.input);
    source.columns.monetary = None;
    let read = |share| {
        let rules = Rules { max_reject_share: share, ..months() };
        ingest_summary(&source, &rules, &Grouping::None, &desk.out(), &|_| {})
    };
    let said = read(0.001).unwrap_err().to_string();
    assert!(said.contains("customers.csv:3: recency \"2.5\" is not a whole number"), "{said}");
    assert!(said.contains("customers.csv:4: age \"6.5\"") && said.contains("opportunities"), "{said}");
    assert!(said.contains("customers.csv:5: frequency \"3\" exceeds the recency 2"), "{said}");
    assert_eq!(read(1.0).unwrap().0.customer_id, ["never", "ok"]);
}

#[test]
fn contracts_are_renewals_until_a_loss() {
    let rows = "customer_id,age,lost,plan\nc,3,0,basic\na,3,1,basic\nb,1,TRUE,gold\nd,0,false,gold\n";
    let desk = Desk::with("contracts.csv", rows);
    let mut source = Source::contracts(&desk.input);
    source.columns.extra = vec![ExtraColumn::named("plan")];
    let s = contracts_of(&source, &desk, &Grouping::by_column("plan")).unwrap();
    assert_eq!(s.customer_id, ["a", "b", "c", "d"]);
    assert_eq!(s.frequency, [2, 0, 3, 0]);
    assert_eq!((s.recency, s.age), (vec![2.0, 0.0, 3.0, 0.0], vec![3.0, 1.0, 3.0, 0.0]));
    assert_eq!(s.group, [0, 1, 0, 1]);
    for (row, what) in
        [("e,0,1,x", "age \"0\" is 0 for a lost customer"), ("e,2,maybe,x", "none of 0, 1"), ("e,1.5,0,x", "whole")]
    {
        let desk = Desk::with("contracts.csv", format!("{rows}{row}\n"));
        let said = contracts_of(&Source::contracts(&desk.input), &desk, &Grouping::None).unwrap_err().to_string();
        assert!(said.contains("contracts.csv:6") && said.contains(what), "{said}");
    }
}

#[test]
fn lines_that_stand_for_several_customers_become_them() {
    let desk = Desk::with("donors.csv", "frequency,recency,periods,weights\n0,0,6,3\n1,4,6,10\n2,2,6,0\n");
    let mut source = Source::summary(&desk.input);
    source.columns = Columns {
        customer: None,
        age: "periods".into(),
        weight: Some("weights".into()),
        monetary: None,
        ..Columns::default()
    };
    let s = contracts_of(&source, &desk, &Grouping::None).unwrap();
    assert_eq!(s.len(), 13);
    assert_eq!((&s.customer_id[0], &s.customer_id[9], &s.customer_id[12]), ("row2-1", "row3-07", "row3-10"));
    assert_eq!(s.cells().weight, [3.0, 10.0]);
    source.columns.weight = None;
    assert!(contracts_of(&source, &desk, &Grouping::None).unwrap_err().to_string().contains("identifier"));
}

fn table(rows: &str) -> (Desk, Source) {
    let desk = Desk::with("cohorts.csv", format!("cohort,period,active\n{rows}"));
    let mut source = Source { kind: Kind::Cohorts, ..Source::transactions(&desk.input) };
    source.columns.extra = vec![ExtraColumn::named("cohort")];
    (desk, source)
}

#[test]
fn a_table_of_cohorts_becomes_its_customers() {
    // Years for one cohort, numbers from 0 for the other, in any order.
    let (desk, source) = table("old,2021,10\nold,2023,4\nold,2022,7\n\"new, big\",0,5\n\"new, big\",1,5\n");
    let contracts = expand_cohorts(&source, &desk.out(), &|_| {}).unwrap();
    let s = contracts_of(&contracts, &desk, &Grouping::by_column("cohort")).unwrap();
    assert_eq!((s.len(), &*s.groups.labels), (15, &["new, big".to_owned(), "old".to_owned()][..]));
    let cells = s.cells();
    assert_eq!((cells.group, cells.frequency), (vec![0, 1, 1, 1], vec![1, 0, 1, 2]));
    assert_eq!((cells.age, cells.weight), (vec![1.0, 1.0, 2.0, 2.0], vec![5.0, 3.0, 3.0, 4.0]));
    assert!(s.customer_id.iter().any(|id| id == "old-lost1-3"));
}

#[test]
fn a_table_that_cannot_be_is_refused_with_the_line() {
    for (rows, what) in [
        ("a,0,10\na,2,8\n", "cohorts.csv:3: cohort \"a\" has no count for period 1"),
        ("a,0,10\na,1,12\n", "cohorts.csv:3: cohort \"a\" grows from 10 to 12"),
        ("a,0,10\na,0,9\n", "is counted twice in period 0"),
        ("a,0,10\na,1,9.5\n", "cohorts.csv:3: this line"),
        ("a,0,10\n,1,9\n", "the cohort is missing"),
        ("a,0,10\na,1,-1\n", "negative"),
        ("", "no rows"),
    ] {
        let (desk, source) = table(rows);
        let said = expand_cohorts(&source, &desk.out(), &|_| {}).unwrap_err().to_string();
        assert!(said.contains(what), "{rows}: {said}");
    }
}
