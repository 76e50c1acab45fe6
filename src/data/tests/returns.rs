//! Returns of the same day, taken off what was bought on it.

use super::super::ingest::{Sizes, ingest_sized};
use super::*;

fn net() -> Rules {
    Rules { negative_amounts: NegativeAmounts::Net, ..Rules::default() }
}

/// The rows of the table: customer, day of January 2020, ten-thousandths, purchase lines, country.
fn table_of(desk: &Desk) -> Vec<(String, u32, i64, Option<String>)> {
    let table = desk.table();
    let mut rows = Vec::new();
    let country: Vec<String> = table.extra.iter().take(1).cloned().collect();
    for part in &table.parts {
        table
            .read_part(part, &country, |id, day_ix, units, country| {
                let day_of_month = (day_ix - super::super::table_file::days_of(day(2020, 1, 1)) + 1) as u32;
                rows.push((id.to_owned(), day_of_month, units, country.first().copied().flatten().map(str::to_owned)));
            })
            .unwrap();
    }
    rows
}

#[test]
fn a_return_reduces_the_purchases_of_its_day_and_no_other() {
    let desk = Desk::csv(
        "a,2020-01-01,10\na,2020-01-01,-3.3333\n\
         a,2020-01-02,5\na,2020-01-02,-5\n\
         a,2020-01-03,5\na,2020-01-03,1\na,2020-01-03,-2\na,2020-01-03,-8\n\
         a,2020-01-04,-4\n\
         a,2020-01-05,0\na,2020-01-05,-1\n\
         b,2020-01-02,-1\nb,2020-01-02,-1\n\
         c,2020-01-03,2\nc,2020-01-03,-3\n\
         d,2020-01-04,0\n",
    );
    let report = desk.ingest(&desk.source(), &net()).unwrap();
    assert_eq!(table_of(&desk), [("a".into(), 1, 66_667, None), ("d".into(), 4, 0, None)]);
    // a's 2nd, 3rd and 5th and c's 3rd go; b has bought nothing.
    assert_eq!((report.netted_returns, report.netted_away_days, report.unmatched_returns), (6, 4, 3));
    assert_eq!((report.rows, report.rejected, report.dropped_negative), (16, 0, 0));
    assert_eq!((report.purchases, report.customers), (2, 2));
    assert_eq!((report.first_date, report.last_date), (Some(day(2020, 1, 1)), Some(day(2020, 1, 4))));
    let s = desk.table().summarize(&Window::default(), &net(), &Grouping::None).unwrap();
    assert_eq!(s.summary.customer_id, ["a", "d"]);

    // When everything is taken back there is nothing to learn from.
    let none = Desk::csv("a,2020-01-01,1\na,2020-01-01,-1\n");
    assert!(none.ingest(&none.source(), &net()).unwrap_err().to_string().contains("no purchase is left"));
}

#[test]
fn the_extra_columns_of_a_netted_day_stay() {
    let text = "customer_id,date,amount,country\n\
                a,2020-01-01,4,FI\na,2020-01-01,5,SE\na,2020-01-01,-6,\n\
                b,2020-01-01,4,FI\nb,2020-01-01,5,SE\nb,2020-01-01,-9,SE\n";
    let desk = Desk::with("orders.csv", text);
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("country")];
    let report = desk.ingest(&source, &net()).unwrap();
    let row = |units, country: &str| ("a".to_owned(), 1, units, Some(country.to_owned()));
    assert_eq!(table_of(&desk), [row(0, "FI"), row(30_000, "SE")]);
    assert_eq!((report.netted_returns, report.netted_away_days), (2, 1));
}

#[test]
fn any_order_of_lines_threads_and_blocks_nets_the_same() {
    let line = |i: u64| {
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let amount = ((mixed >> 20) % 2_001) as f64 / 100.0 - 6.0;
        format!("c{},2020-01-{:02},{amount:.2}\n", (mixed >> 40) % 150, 1 + (mixed >> 50) % 20)
    };
    let read = |order: &dyn Fn(u64) -> u64, threads: usize, block_bytes: usize| {
        let desk = Desk::csv(&(0..4_000).map(|i| line(order(i))).collect::<String>());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let sizes = Sizes { block_bytes, partitions: Some(4), held_bytes: 1000 * threads };
        let report = pool.install(|| ingest_sized(&desk.source(), &net(), &desk.out(), &|_| {}, sizes)).unwrap();
        let counts = (report.netted_returns, report.netted_away_days, report.unmatched_returns, report.purchases);
        assert!(counts.0 > 500 && counts.1 > 50 && counts.2 > 50, "{counts:?}");
        (counts, rows_of(&desk))
    };
    let expected = read(&|i| i, 1, 1 << 20);
    assert!(read(&|i| 3_999 - i, 2, 700) == expected);
    // 1,303 shares no factor with 4,000, so every line comes once.
    assert!(read(&|i| i * 1_303 % 4_000, 3, 5_000) == expected);
}
