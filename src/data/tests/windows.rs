//! How purchases merge into periods and fall into windows.

use super::*;

fn row(s: &Summarized, i: usize) -> (u32, f64, f64, f64) {
    (s.summary.frequency[i], s.summary.recency[i], s.summary.age[i], s.summary.monetary[i])
}

#[test]
fn days_weeks_and_months_merge_what_they_hold() {
    // 2020-01-06 is a Monday.
    let desk = Desk::csv(
        "a,2020-01-06,10\na,2020-01-06,5\na,2020-01-08,3\na,2020-01-12,2\na,2020-01-13,7\na,2020-02-01,20\na,2020-03-01,0.5\n",
    );
    let with = |resolution| Rules { resolution, ..Rules::default() };
    let window = until(day(2020, 2, 29));
    let days = desk.summarize(&with(Resolution::Day), &window);
    assert_eq!(row(&days, 0), (4, 26.0 / 7.0, 54.0 / 7.0, 32.0 / 4.0));
    // Weeks of 01-06 (first), 01-13 and 01-27; the calibration end lies in the week of 02-24.
    let weeks = desk.summarize(&with(Resolution::Week), &window);
    assert_eq!(row(&weeks, 0), (2, 3.0, 7.0, 27.0 / 2.0));
    // January (first) and February; T runs from January 1st to February 1st.
    let months = desk.summarize(&with(Resolution::Month), &window);
    assert_eq!(row(&months, 0), (1, 31.0 / 7.0, 31.0 / 7.0, 20.0));
    assert_eq!(months.summary.first_purchase, [day(2020, 1, 1)]);
    for s in [&days, &months] {
        let holdout = s.holdout.as_ref().unwrap();
        assert_eq!((holdout.purchases[0], holdout.spend[0]), (1, 0.5));
        assert_eq!(s.weekly.repeats.iter().sum::<u64>(), s.facts.repeat_purchases + 1);
    }
    assert_eq!(days.holdout.unwrap().length, 1.0 / 7.0);
    assert!(!days.facts.calibration_end_cuts_period && !months.facts.calibration_end_cuts_period);
    // Saturday, February 29th cuts its week: the purchase on Sunday lies in the same week, so there is no later one to be judged on.
    assert!(weeks.facts.calibration_end_cuts_period);
    assert_eq!(weeks.holdout, None);
}

#[test]
fn the_first_purchase_counts_neither_in_frequency_nor_in_spend() {
    let desk = Desk::csv("a,2020-01-01,100\na,2020-01-01,100\na,2020-01-08,3\na,2020-01-15,4\nb,2020-01-02,50\n");
    let s = desk.summarize(&Rules::default(), &Window::default());
    assert_eq!(row(&s, 0), (2, 2.0, 2.0, 3.5));
    assert_eq!(row(&s, 1), (0, 0.0, 13.0 / 7.0, 0.0));
    assert_eq!(s.holdout, None);
    assert_eq!(s.facts.calibration_end, Some(day(2020, 1, 15)));
    let spend = s.summary.spend_rows();
    assert_eq!((spend.weight, spend.frequency, spend.monetary), (vec![1.0], vec![2], vec![3.5]));
}

#[test]
fn later_customers_belong_to_the_holdout_alone() {
    let desk = Desk::csv("a,2020-01-01,1\nb,2020-02-01,1\nb,2020-02-03,1\na,2020-02-02,9\nc,2020-06-01,1\n");
    let window = Window { holdout_end: Some(day(2020, 3, 1)), ..until(day(2020, 1, 31)) };
    let s = desk.summarize(&Rules::default(), &window);
    assert_eq!(s.summary.customer_id, ["a"]);
    let holdout = s.holdout.unwrap();
    assert_eq!((holdout.purchases, holdout.spend, holdout.new_customers), (vec![1], vec![9.0], 1));
    assert_eq!(holdout.length, 30.0 / 7.0);
    assert_eq!(s.weekly.repeats.iter().sum::<u64>(), 1);
    // A window may end after the data, when the data are known to be complete until then.
    let later = until(day(2020, 7, 1));
    let s = desk.table().summarize(&later, &Rules::default(), &Grouping::None).unwrap();
    assert_eq!((s.summary.len(), s.holdout), (3, None));
    // Far beyond them the date is more likely wrong.
    for window in [until(day(2021, 1, 1)), Window { holdout_end: Some(day(9999, 12, 31)), ..until(day(2020, 3, 1)) }] {
        let told = desk.table().summarize(&window, &Rules::default(), &Grouping::None).unwrap_err().to_string();
        assert!(told.contains("days after the last purchase") && told.contains("2020-06-01"), "{told}");
    }
}

#[test]
fn extreme_customers_are_ordinary_rows() {
    let one = Desk::csv("only,2020-01-01,5\n").summarize(&Rules::default(), &Window::default());
    assert_eq!((one.summary.len(), one.facts.cells, row(&one, 0)), (1, 1, (0, 0.0, 0.0, 0.0)));

    let none_return =
        Desk::csv("a,2020-01-01,5\nb,2020-01-01,5\nc,2020-01-03,5\n").summarize(&Rules::default(), &Window::default());
    assert_eq!(
        (none_return.facts.one_time_customers, none_return.facts.cells, none_return.facts.spend_customers),
        (3, 2, 0)
    );
    assert_eq!(none_return.summary.cells().weight, [1.0, 2.0]);

    // 100,000 purchases, ten a day from 1990 on, of 0.10 each.
    let lines: String =
        (0..100_000_u64).map(|i| format!("big,{},0.1\n", day(1990, 1, 1) + chrono::Days::new(i / 10))).collect();
    let huge = Desk::csv(&lines).summarize(&Rules::default(), &Window::default());
    // 9,999 repeat days, each of exactly 1.00 although 0.1 has no exact float.
    assert_eq!(row(&huge, 0), (9_999, 9_999.0 / 7.0, 9_999.0 / 7.0, 1.0));
    assert_eq!(huge.weekly.repeats.iter().sum::<u64>(), 9_999);
}

#[test]
fn a_source_without_amounts_has_purchases_and_no_spend() {
    let desk = Desk::with("orders.csv", "customer_id,date\na,2020-01-01\na,2020-01-08\n");
    let mut source = desk.source();
    source.columns.amount = None;
    assert!(!desk.ingest(&source, &Rules::default()).unwrap().has_amounts);
    let table = desk.table();
    assert!(!table.has_amounts);
    let s = table.summarize(&Window::default(), &Rules::default(), &Grouping::None).unwrap();
    assert_eq!(row(&s, 0), (1, 1.0, 1.0, 0.0));
    assert!(s.summary.spend_rows().is_empty());
}

#[test]
fn groups_take_the_first_value_in_time_of_the_calibration_window() {
    let text = "customer_id,date,amount,country\n\
                a,2020-01-03,1,SE\na,2020-01-01,1,FI\nb,2020-01-01,1,\nb,2020-01-02,1,SE\nc,2020-01-08,1,\nc,2020-02-01,1,NO\n";
    let desk = Desk::with("orders.csv", text);
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn { name: "land".into(), column: Column::Name("country".into()) }];
    desk.ingest(&source, &Rules::default()).unwrap();
    let summarize = |grouping| desk.table().summarize(&until(day(2020, 1, 31)), &Rules::default(), &grouping).unwrap();
    let s = summarize(Grouping::by_column("land"));
    assert_eq!(
        s.summary.groups,
        Groups { column: Some("land".into()), labels: vec!["(missing)".into(), "FI".into(), "SE".into()] }
    );
    assert_eq!(s.summary.group, [1, 2, 0]);
    assert_eq!((s.facts.group_conflicts, s.facts.group_missing), (1, 1));

    let cohorts = summarize(Grouping::by_cohort(7));
    assert_eq!(cohorts.summary.groups.labels, ["2020-01-01", "2020-01-08"]);
    assert_eq!(cohorts.summary.group, [0, 0, 1]);
    assert_eq!(summarize(Grouping::None).summary.groups, Groups::all());
    let nested = summarize(Grouping::Levels { columns: vec!["land".into()], cohort_days: vec![7] });
    assert_eq!(nested.summary.groups.column.as_deref(), Some("land > cohort"));
    assert_eq!(nested.summary.groups.labels, ["(missing) > 2020-01-08", "FI > 2020-01-01", "SE > 2020-01-01"]);
    assert_eq!((nested.summary.group, nested.facts.group_missing), (vec![1, 2, 0], 1));
}
