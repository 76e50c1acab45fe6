//! The same purchases in every layout give the same table, on any number of threads.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::builder::Decimal128Builder;
use arrow_array::{
    ArrayRef, Date32Array, Float32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};

use super::super::ingest::{Sizes, ingest_sized};
use super::*;

/// 3,000 purchases of 200 customers, in an order that is neither theirs nor time's.
fn purchases() -> Vec<(i64, NaiveDate, String)> {
    (0..3_000_u64)
        .map(|i| {
            let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let date = day(2020, 1, 1) + chrono::Days::new((mixed >> 20) % 300);
            ((mixed >> 40) as i64 % 200, date, format!("{}.{:02}", 1 + (mixed >> 8) % 90, (mixed >> 16) % 100))
        })
        .collect()
}

fn lines(purchases: &[(i64, NaiveDate, String)], separator: &str) -> String {
    purchases.iter().map(|(c, d, a)| format!("{c}{separator}{d}{separator}{a}\n")).collect()
}

fn as_csv() -> String {
    format!("customer_id,date,amount\n{}", lines(&purchases(), ","))
}

/// The table's rows after reading `source`.
fn table_of(desk: &Desk, source: &Source) -> Vec<Vec<Row>> {
    desk.ingest(source, &Rules::default()).unwrap();
    rows_of(desk)
}

fn expected() -> Vec<Vec<Row>> {
    let desk = Desk::with("orders.csv", as_csv());
    table_of(&desk, &desk.source())
}

#[test]
fn compression_line_ends_quotes_and_order_of_lines_change_nothing() {
    let expected = expected();
    assert_eq!(expected.len(), 1);

    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(as_csv().as_bytes()).unwrap();
    let reversed: String = {
        let text = as_csv();
        let (header, rest) = text.split_once('\n').unwrap();
        let mut lines: Vec<&str> = rest.lines().collect();
        lines.reverse();
        format!("{header}\n{}", lines.join("\n"))
    };
    let quoted: String = as_csv().lines().map(|l| format!("\"{}\"\n", l.replace(',', "\",\""))).collect();
    let rows: [(&str, Vec<u8>); 5] = [
        ("orders.csv.gz", gz.finish().unwrap()),
        ("crlf.csv", as_csv().replace('\n', "\r\n").into_bytes()),
        ("bom.csv", [b"\xef\xbb\xbf", as_csv().as_bytes()].concat()),
        ("reversed.csv", reversed.into_bytes()),
        ("quoted.csv", quoted.into_bytes()),
    ];
    for (name, bytes) in rows {
        let desk = Desk::with(name, bytes);
        assert!(table_of(&desk, &desk.source()) == expected, "{name}");
    }
}

#[test]
fn delimiters_and_headerless_files_change_nothing() {
    let expected = expected();
    for (separator, delimiter) in
        [(";", Delimiter::Byte(b';')), ("\t", Delimiter::Byte(b'\t')), ("   ", Delimiter::Whitespace)]
    {
        let text: String = lines(&purchases(), separator).lines().map(|l| format!(" {l}\r\n")).collect();
        let desk = Desk::with("orders.txt", text);
        let mut source = Source { delimiter, header: false, ..desk.source() };
        source.columns.customer = Some(Column::Index(1));
        source.columns.date = Column::Index(2);
        source.columns.amount = Some(Column::Index(3));
        assert!(table_of(&desk, &source) == expected, "{delimiter:?}");
    }
}

#[test]
fn several_files_by_glob_or_folder_are_one_source() {
    let expected = expected();
    let all = purchases();
    let desk = Desk::with("part-0.csv", format!("customer_id,date,amount\n{}", lines(&all[..1000], ",")));
    // Each file has a header of its own, in an order of its own.
    let swapped: String = all[1000..].iter().map(|(c, d, a)| format!("{a},{d},{c}\n")).collect();
    let folder = desk.folder.path().join("more");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("part-1.csv"), format!("amount,date,customer_id\n{swapped}")).unwrap();
    std::fs::write(folder.join("_SUCCESS"), "").unwrap();
    std::fs::write(folder.join("empty.csv"), "").unwrap();
    let mut source = desk.source();
    source.paths.push(folder.display().to_string());
    assert!(table_of(&desk, &source) == expected);
    source.paths = vec![desk.folder.path().join("**/part-*.csv").display().to_string()];
    assert!(table_of(&desk, &source) == expected);
}

#[test]
fn parquet_of_any_sensible_type_gives_the_table_of_csv() {
    let expected = expected();
    let all = purchases();
    let days = |d: &NaiveDate| super::super::table_file::days_of(*d);
    let ids: [ArrayRef; 2] = [
        Arc::new(Int64Array::from_iter_values(all.iter().map(|p| p.0))),
        Arc::new(StringArray::from_iter_values(all.iter().map(|p| p.0.to_string()))),
    ];
    let noon = |d: &NaiveDate| i64::from(days(d)) * 86_400_000_000 + 43_200_000_000;
    let dates: [ArrayRef; 3] = [
        Arc::new(Date32Array::from_iter_values(all.iter().map(|p| days(&p.1)))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(all.iter().map(|p| noon(&p.1)))),
        Arc::new(StringArray::from_iter_values(all.iter().map(|p| p.1.to_string()))),
    ];
    let mut decimal = Decimal128Builder::new().with_precision_and_scale(10, 2).unwrap();
    all.iter().for_each(|p| decimal.append_value(p.2.replace('.', "").parse::<i128>().unwrap()));
    let amounts: [ArrayRef; 4] = [
        Arc::new(Float64Array::from_iter_values(all.iter().map(|p| p.2.parse::<f64>().unwrap()))),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|p| p.2.parse::<f32>().unwrap()))),
        Arc::new(decimal.finish()),
        Arc::new(StringArray::from_iter_values(all.iter().map(|p| p.2.as_str()))),
    ];
    for i in 0..4 {
        let desk = Desk::with("orders.parquet", "");
        let columns = vec![
            ("amount", amounts[i].clone()),
            ("customer_id", ids[i % 2].clone()),
            ("unused", ids[0].clone()),
            ("date", dates[i % 3].clone()),
        ];
        super::super::table_file::write(&desk.input, "someone else's", columns, &[]).unwrap();
        assert!(table_of(&desk, &desk.source()) == expected, "combination {i}");
    }
}

#[test]
fn threads_and_block_sizes_change_no_byte() {
    let mut text = as_csv();
    text.push_str("7,never,1\n8,2020-01-01,x\n");
    let desk = Desk::with("orders.csv", &text);
    let rules = Rules { max_reject_share: 0.01, ..Rules::default() };
    let read = |threads: usize, block_bytes: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // A budget of nothing spills every row.
        let held_bytes = if threads.is_multiple_of(2) { 0 } else { 1 << 20 };
        let sizes = Sizes { block_bytes, partitions: Some(8), held_bytes };
        let report = pool.install(|| ingest_sized(&desk.source(), &rules, &desk.out(), &|_| {}, sizes)).unwrap();
        let table = pool.install(|| desk.table().summarize(&until(day(2020, 6, 1)), &rules, &Grouping::None)).unwrap();
        (report, table, desk.rejects(), bytes_of(&desk.out().join("transactions")))
    };
    let expected = read(1, 1 << 20);
    // Ten months of eight parts, the rejected rows and the manifest; nobody bought twice on a day.
    assert_eq!(expected.3.len(), 10 * 8 + 2);
    assert!(expected.2.contains("orders.csv,3002,date,never") && expected.2.contains("orders.csv,3003,amount,x"));
    for (threads, block_bytes) in [(1, 100), (2, 1_000), (4, 777), (8, 5_000)] {
        assert!(read(threads, block_bytes) == expected, "{threads} threads, blocks of {block_bytes}");
    }
    // Another number of parts is another table, but the same summary.
    let sizes = Sizes { block_bytes: 4096, partitions: Some(1), ..Sizes::default() };
    ingest_sized(&desk.source(), &rules, &desk.out(), &|_| {}, sizes).unwrap();
    assert_eq!(desk.table().summarize(&until(day(2020, 6, 1)), &rules, &Grouping::None).unwrap(), expected.1);
}

#[test]
fn progress_grows_to_the_whole() {
    let desk = Desk::with("orders.csv", as_csv());
    let told = std::sync::Mutex::new(Vec::new());
    let sizes = Sizes { block_bytes: 1000, ..Sizes::default() };
    ingest_sized(&desk.source(), &Rules::default(), &desk.out(), &|p| told.lock().unwrap().push(p), sizes).unwrap();
    // Once while reading, once while sorting.
    let told: Vec<u64> = told.into_inner().unwrap().iter().map(|p: &IngestProgress| p.bytes_done).collect();
    let whole = as_csv().len() as u64;
    let (reading, sorting) = told.split_at(1 + told.iter().position(|&done| done == whole).unwrap());
    assert!(reading.is_sorted_by(|a, b| a < b) && sorting.is_sorted_by(|a, b| a < b));
    assert!(reading.len() > 10 && sorting.last() == Some(&whole));
}

#[test]
fn extra_columns_keep_rows_of_one_day_apart_where_they_differ() {
    let text =
        "customer_id,date,amount,country\na,2020-01-01,1,FI\na,2020-01-01,2,FI\na,2020-01-01,4,SE\na,2020-01-02,8,\n";
    let desk = Desk::with("orders.csv", text);
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("country")];
    let report = desk.ingest(&source, &Rules::default()).unwrap();
    assert_eq!((report.rows, report.purchases, report.customers), (4, 3, 1));
    let table = desk.table();
    let mut seen = Vec::new();
    table
        .read_part(&table.parts[0], &["country".to_owned()], |_, _, units, country| {
            seen.push((units, country[0].map(str::to_owned)))
        })
        .unwrap();
    assert_eq!(seen, [(30_000, Some("FI".into())), (40_000, Some("SE".into())), (80_000, None)]);
}
