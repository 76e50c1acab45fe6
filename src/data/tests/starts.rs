//! Windows with a first day: what is forgotten, and that forgetting is the same as never having known.

use std::collections::BTreeMap;

use super::*;

fn between(start: NaiveDate, end: NaiveDate) -> Window {
    Window { calibration_start: Some(start), ..until(end) }
}

#[test]
fn a_clock_that_began_before_the_window_begins_anew_with_the_first_purchase_there() {
    let desk = Desk::csv(
        "returns,2020-01-05,10\nreturns,2020-02-10,20\nreturns,2020-03-10,30\nreturns,2020-04-07,40\n\
         lapsed,2020-01-05,10\nlapsed,2020-02-20,20\nlapsed,2020-02-20,5\nlapsed,2020-06-03,7\n\
         on the day,2020-03-01,10\n\
         the day before,2020-02-29,10\nthe day before,2020-03-01,20\nthe day before,2020-03-08,30\n\
         later,2020-06-02,10\n",
    );
    let s = desk.summarize(&Rules::default(), &between(day(2020, 3, 1), day(2020, 5, 31)));
    let rows: BTreeMap<&str, _> = (0..s.summary.len())
        .map(|i| {
            let clock = (s.summary.first_purchase[i], s.summary.frequency[i]);
            let days = (s.summary.recency[i] * 7.0, s.summary.age[i] * 7.0);
            (&s.summary.customer_id[i], (clock, days, s.summary.monetary[i]))
        })
        .collect();
    let expected = [
        ("lapsed", ((day(2020, 2, 20), 0), (0.0, 101.0), 0.0)),
        ("on the day", ((day(2020, 3, 1), 0), (0.0, 91.0), 0.0)),
        ("returns", ((day(2020, 3, 10), 1), (28.0, 82.0), 40.0)),
        ("the day before", ((day(2020, 3, 1), 1), (7.0, 91.0), 30.0)),
    ];
    assert_eq!(rows, BTreeMap::from(expected));
    assert_eq!((s.facts.lapsed_customers, s.facts.one_time_customers, s.facts.repeat_purchases), (1, 2, 2));
    assert_eq!((s.facts.calibration_start, s.facts.new_customers), (Some(day(2020, 3, 1)), 1));
    // Repeats by the new clocks, in weeks from the window's first day: those of March 8th and April 7th, then the one who came back.
    assert_eq!(s.weekly.week_start[0], day(2020, 3, 1));
    let weeks: Vec<usize> = (0..s.weekly.repeats.len()).filter(|&week| s.weekly.repeats[week] > 0).collect();
    assert_eq!((weeks, s.weekly.repeats.iter().sum::<u64>()), (vec![1, 5, 13], 3));
    assert_eq!(s.holdout.unwrap().purchases, [1, 0, 0, 0]);
}

#[test]
fn a_window_that_begins_before_the_data_forgets_nothing() {
    let desk = Desk::with("orders.csv", streaming::orders());
    desk.ingest(&desk.source(), &Rules::default()).unwrap();
    let summarize = |window| desk.table().summarize(&window, &Rules::default(), &Grouping::by_cohort(30)).unwrap();
    let (all, end) = (summarize(until(day(2019, 12, 11))), day(2019, 12, 11));
    for start in [day(1900, 1, 1), day(2019, 1, 1)] {
        let mut seen = summarize(between(start, end));
        assert_eq!(seen.facts.calibration_start.take(), Some(start));
        assert_eq!(seen, all);
    }
    for start in [end, day(2021, 1, 1)] {
        let refused = desk.table().summarize(&between(start, end), &Rules::default(), &Grouping::None).unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("data.calibration_start") && told.contains("before it ends"), "{told}");
    }
}

/// The log as it would be if everything had been deleted that the window forgets.
fn without_the_forgotten(log: &str, start: NaiveDate, end: NaiveDate) -> String {
    let (header, lines) = log.split_once('\n').unwrap();
    let mut customers: BTreeMap<&str, Vec<(NaiveDate, &str)>> = BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.split(',');
        let (id, date) = (fields.next().unwrap(), fields.next().unwrap().parse().unwrap());
        customers.entry(id).or_default().push((date, line));
    }
    let mut kept = format!("{header}\n");
    for purchases in customers.values() {
        let days = || purchases.iter().map(|(date, _)| *date).filter(|date| *date <= end);
        let bought_within = days().any(|date| date >= start);
        let last = days().max();
        for (date, line) in purchases {
            if *date >= start || (!bought_within && Some(*date) == last) {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

#[test]
fn forgetting_is_the_same_as_never_having_known() {
    // One customer who never came back keeps the first day in the log, from which cohorts and weeks are counted.
    let (first, end) = (day(2019, 1, 1), day(2019, 12, 11));
    let log = format!("{}bystander,{first},3,FI,web\n", streaming::orders());
    // A whole number of weeks, in the middle of a week and of a month.
    let weeks = 22;
    let start = first + chrono::Days::new(7 * weeks as u64);
    let table = |log: &str| {
        let desk = Desk::with("orders.csv", log);
        let mut source = desk.source();
        source.columns.extra = ["country", "channel"].map(ExtraColumn::named).to_vec();
        desk.ingest(&source, &Rules::default()).unwrap();
        desk
    };
    let (whole, cut) = (table(&log), table(&without_the_forgotten(&log, start, end)));
    let groupings = [
        Grouping::None,
        Grouping::by_column("country"),
        Grouping::RfmClass,
        Grouping::Levels { columns: vec!["country".into(), "channel".into()], cohort_days: vec![180, 60] },
    ];
    for resolution in [Resolution::Day, Resolution::Week, Resolution::Month] {
        for grouping in &groupings {
            let rules = Rules { resolution, ..Rules::default() };
            let mut seen = whole.table().summarize(&between(start, end), &rules, grouping).unwrap();
            let expected = cut.table().summarize(&until(end), &rules, grouping).unwrap();
            assert_eq!(
                (&seen.summary, &seen.holdout),
                (&expected.summary, &expected.holdout),
                "{resolution} {grouping:?}"
            );
            let (before, from) = expected.weekly.repeats.split_at(weeks);
            assert_eq!((before.iter().sum::<u64>(), from), (0, &seen.weekly.repeats[..]), "{resolution}");
            assert_eq!(seen.weekly.week_start, expected.weekly.week_start[weeks..]);
            assert!(seen.facts.lapsed_customers > 50 && seen.facts.lapsed_customers < seen.facts.one_time_customers);
            seen.facts.calibration_start = None;
            seen.facts.lapsed_customers = 0;
            assert_eq!(seen.facts, expected.facts);
        }
    }
    // The deleted lines matter: without them the summary is another one.
    let all = whole.table().summarize(&until(end), &Rules::default(), &Grouping::None).unwrap();
    let some = cut.table().summarize(&until(end), &Rules::default(), &Grouping::None).unwrap();
    assert_ne!(all.summary, some.summary);
}
