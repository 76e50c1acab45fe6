//! Summaries as files: written and read back, and read from someone else's.

use super::*;

fn summary_desk(rows: &str) -> (Desk, Source) {
    let desk = Desk::with("customers.csv", format!("customer_id,frequency,recency,age,monetary,tier\n{rows}"));
    let mut source = Source::summary(&desk.input);
    source.columns.extra = vec![ExtraColumn::named("tier")];
    (desk, source)
}

#[test]
fn what_is_written_is_read_back() {
    let desk = Desk::with(
        "orders.csv",
        "customer_id,date,amount,country\nä,2020-01-01,1,FI\nä,2020-01-09,0.1,FI\nb,2020-01-02,1,SE\n",
    );
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("country")];
    desk.ingest(&source, &Rules::default()).unwrap();
    for grouping in [Grouping::None, Grouping::by_column("country")] {
        let s = desk.table().summarize(&until(day(2020, 1, 5)), &Rules::default(), &grouping).unwrap();
        let (path, holdout_path) =
            (desk.folder.path().join("summary.parquet"), desk.folder.path().join("holdout.parquet"));
        s.summary.write_parquet(&path).unwrap();
        assert_eq!(Summary::read_parquet(&path).unwrap(), s.summary);
        let holdout = s.holdout.unwrap();
        holdout.write_parquet(&s.summary, &holdout_path).unwrap();
        assert_eq!(Holdout::read_parquet(&s.summary, &holdout_path).unwrap(), holdout);
        let other = Summary { customer_id: ["x", "y"].into_iter().collect(), ..s.summary };
        assert!(Holdout::read_parquet(&other, &holdout_path).unwrap_err().to_string().contains("other customers"));
        assert!(WeeklyRepeats::read_parquet(&path).unwrap_err().to_string().contains("not of schema"));
    }
}

#[test]
fn a_summary_file_becomes_a_summary() {
    let (desk, source) = summary_desk("b,2,3.5,10,12.5,gold\na,0,0,4,,base\nc,1,-0,-0,1,\nd,0,0,4,7,gold\n");
    let mut rules = Rules::default();
    let grouping = Grouping::by_column("tier");
    // Customer c bought again at time zero, which cannot be.
    assert!(ingest_summary(&source, &rules, &grouping, &desk.out(), &|_| {}).is_err());
    rules.max_reject_share = 0.5;
    let (summary, facts, report) = ingest_summary(&source, &rules, &grouping, &desk.out(), &|_| {}).unwrap();
    assert_eq!(summary.customer_id, ["a", "b", "d"]);
    assert_eq!(summary.frequency, [0, 2, 0]);
    assert_eq!((summary.recency, summary.age), (vec![0.0, 3.5, 0.0], vec![4.0, 10.0, 4.0]));
    assert_eq!(summary.monetary, [0.0, 12.5, 0.0]);
    assert_eq!((summary.groups.labels, summary.group), (vec!["base".to_owned(), "gold".to_owned()], vec![0, 1, 1]));
    assert!(summary.first_purchase.is_empty());
    let dated = Grouping::Levels { columns: vec!["tier".into()], cohort_days: vec![7] };
    let told = ingest_summary(&source, &rules, &dated, &desk.out(), &|_| {}).unwrap_err().to_string();
    assert!(told.contains("need dates"), "{told}");
    assert_eq!((facts.customers, facts.repeat_purchases, facts.one_time_customers, facts.cells), (3, 2, 2, 3));
    assert_eq!((report.rows, report.rejected, report.customers), (4, 1, 3));
}

#[test]
fn rows_that_no_customer_can_have_are_rejected() {
    let (desk, source) = summary_desk(
        "ok,1,2,3,4,x\n\
         half,1.5,2,3,4,x\nnegative,-1,0,3,4,x\nlate,1,4,3,4,x\nearly,1,-1,3,4,x\nnever,0,2,3,4,x\nonce,1,0,3,4,x\n\
         nan,1,NaN,3,4,x\ninf,1,2,inf,4,x\nowed,1,2,3,-4,x\nnothing,1,2,3,,x\nok,1,2,3,4,x\n",
    );
    let rules = Rules { max_reject_share: 1.0, ..Rules::default() };
    let (summary, _, report) = ingest_summary(&source, &rules, &Grouping::None, &desk.out(), &|_| {}).unwrap();
    assert_eq!(summary.customer_id, ["ok"]);
    assert_eq!(report.rejected, 11);
    let columns: Vec<String> = csv::Reader::from_reader(desk.rejects().as_bytes())
        .records()
        .map(|r| r.unwrap())
        .enumerate()
        .map(|(i, r)| {
            assert_eq!(r[1], (i + 3).to_string());
            r[2].to_owned()
        })
        .collect();
    let expected = "frequency frequency recency recency recency recency recency age monetary monetary customer_id";
    assert_eq!(columns.join(" "), expected);
    assert!(desk.rejects().contains("appears before, on line 2"));
}

#[test]
fn a_written_summary_is_a_source_of_summaries() {
    let desk = Desk::csv("a,2020-01-01,1\na,2020-01-09,2\nb,2020-01-02,1\n");
    let s = desk.summarize(&Rules::default(), &Window::default());
    let path = desk.folder.path().join("summary.parquet");
    s.summary.write_parquet(&path).unwrap();
    let (again, _, _) =
        ingest_summary(&Source::summary(&path), &Rules::default(), &Grouping::None, &desk.out(), &|_| {}).unwrap();
    assert_eq!(Summary { first_purchase: s.summary.first_purchase.clone(), ..again }, s.summary);
    let cohort = Grouping::by_cohort(7);
    let refused =
        ingest_summary(&Source::summary(&path), &Rules::default(), &cohort, &desk.out(), &|_| {}).unwrap_err();
    assert!(refused.to_string().contains("need dates"));
}
