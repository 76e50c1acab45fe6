//! Moments become days of the zone that the rules name, in text and in Parquet.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};

use super::*;

/// Days of all purchases, in order.
fn days(desk: &Desk, rules: &Rules) -> Vec<NaiveDate> {
    desk.ingest(&desk.source(), rules).unwrap();
    let table = desk.table();
    let mut days = Vec::new();
    let first = super::super::table_file::days_of(day(2020, 1, 1));
    for part in &table.parts {
        table
            .read_part(part, &[], |_, at, _, _| days.push(day(2020, 1, 1) + chrono::Days::new((at - first) as u64)))
            .unwrap();
    }
    days
}

#[test]
fn moments_are_days_of_the_zone_and_without_one_the_days_written() {
    let zone = Rules { time_zone: Some("America/New_York".parse().unwrap()), ..Rules::default() };
    let text =
        "a,2020-07-01T03:59:59Z,1\nb,2020-07-01T04:00:00Z,1\nc,2020-07-01T01:00:00+09:00,1\nd,2020-07-01T01:00:00,1\n";
    let csv = Desk::csv(text);
    // New York is four hours behind Greenwich in summer.
    let june_30 = day(2020, 6, 30);
    let july_1 = day(2020, 7, 1);
    assert_eq!(days(&csv, &zone), [june_30, july_1, june_30, july_1]);
    assert_eq!(days(&csv, &Rules::default()), [july_1; 4]);

    let utc = Desk::with("orders.parquet", "");
    let naive = Desk::with("orders.parquet", "");
    let moments = [1_593_575_999_000_000_i64, 1_593_576_000_000_000];
    for (desk, moments) in [
        (&utc, TimestampMicrosecondArray::from(moments.to_vec()).with_timezone("UTC")),
        (&naive, TimestampMicrosecondArray::from(moments.to_vec())),
    ] {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", Arc::new(StringArray::from_iter_values(["a", "b"]))),
            ("date", Arc::new(moments)),
            ("amount", Arc::new(Float64Array::from(vec![1.0, 1.0]))),
        ];
        super::super::table_file::write(&desk.input, "someone else's", columns, &[]).unwrap();
    }
    assert_eq!(days(&utc, &zone), [june_30, july_1]);
    assert_eq!(days(&utc, &Rules::default()), [july_1; 2]);
    assert_eq!(days(&naive, &zone), [july_1; 2]);
}

#[test]
fn the_future_begins_when_the_day_of_the_zone_does() {
    let text = "a,2020-06-30T23:30:00-04:00,1\nb,2020-07-01T00:30:00-04:00,1\n";
    let rules = |zone: Option<&str>| Rules {
        time_zone: zone.map(|z| z.parse().unwrap()),
        latest_date: Some(day(2020, 6, 30)),
        max_reject_share: 1.0,
        ..Rules::default()
    };
    let desk = Desk::csv(text);
    assert_eq!(days(&desk, &rules(Some("America/New_York"))), [day(2020, 6, 30)]);
    assert_eq!(desk.ingest(&desk.source(), &rules(Some("America/Los_Angeles"))).unwrap().rejected, 0);
    assert!(desk.ingest(&desk.source(), &rules(Some("Europe/Helsinki"))).is_err(), "both are of July there");
}
