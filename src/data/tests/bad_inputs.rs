//! What each kind of bad input says. The messages are part of the product: whoever changes one reads it here.

use super::*;

/// The message of a refused ingest, with the temporary folder taken out.
fn refusal(desk: &Desk, source: &Source, rules: &Rules) -> String {
    let error = desk.ingest(source, rules).expect_err("the input must be refused");
    error.to_string().replace(&format!("{}/", desk.folder.path().display()), "")
}

fn refused(desk: &Desk) -> String {
    refusal(desk, &desk.source(), &Rules::default())
}

#[test]
fn missing_files_and_columns() {
    let desk = Desk::csv("a,2020-01-01,1\n");
    let mut source = desk.source();
    source.paths = vec![desk.folder.path().join("orders.cvs").display().to_string()];
    assert_eq!(
        refusal(&desk, &source, &Rules::default()),
        "orders.cvs: the input file does not exist; did you mean orders.csv?"
    );
    source.paths = vec![desk.folder.path().join("*.parquet").display().to_string()];
    assert!(refusal(&desk, &source, &Rules::default()).starts_with("*.parquet: no file matches the glob pattern"));
    source.paths.clear();
    assert!(refusal(&desk, &source, &Rules::default()).contains("no input files are named"));

    let mut source = desk.source();
    source.columns.customer = Some("client".into());
    assert_eq!(
        refusal(&desk, &source, &Rules::default()),
        "orders.csv: there is no column \"client\" (wanted: customer) (found 3 columns: \"customer_id\", \"date\", \"amount\"); \
         set data.columns.customer to one of these, or header = false if this line is data"
    );
    source.columns.customer = Some(Column::Index(4));
    assert!(refusal(&desk, &source, &Rules::default()).contains("there is no column 4 (wanted: customer)"));
    source.columns.customer = Some(Column::Index(0));
    assert!(refusal(&desk, &source, &Rules::default()).contains("counted from 1"));
    source.columns.customer = Some(Column::Index(1));
    source.columns.extra = vec![ExtraColumn { name: "amount".into(), column: Column::Index(3) }];
    assert!(refusal(&desk, &source, &Rules::default()).contains("rename the column in the file"));
}

#[test]
fn empty_files_and_wrong_layouts() {
    assert_eq!(
        refused(&Desk::with("orders.csv", "")),
        "orders.csv: the input is empty (0 bytes); check how the file was exported"
    );
    assert!(refused(&Desk::csv("")).contains("the input has no rows"));
    assert!(refused(&Desk::csv("\n\r\n\n")).contains("the input has no rows"));
    assert!(refused(&Desk::with("orders.csv", "\n\n")).contains("the input has no rows"));
    let semicolons = Desk::with("orders.csv", "customer_id;date;amount\na;2020-01-01;1\n");
    assert!(refused(&semicolons).contains("looks separated by \";\"; set data.delimiter"), "{}", refused(&semicolons));
    let workbook = Desk::with("orders.xlsx", b"PK\x03\x04rest");
    assert!(refused(&workbook).contains("Excel workbook"));
    let utf16 = Desk::with("orders.csv", b"\xff\xfec\0u\0");
    assert!(refused(&utf16).contains("UTF-16"));
    let cut = Desk::with("orders.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b");
    assert!(refused(&cut).contains("could not read the input file"));
    let cut = Desk::with("orders.parquet", b"PAR1nothing");
    assert!(refused(&cut).contains("could not read the Parquet file"));
    let text = Desk::csv("a,2020-01-01,1\n");
    let source = Source { format: Format::Parquet, ..text.source() };
    assert!(refusal(&text, &source, &Rules::default()).contains("the file is not Parquet"));
}

#[test]
fn every_rejected_line_is_named_with_its_reason() {
    let rules = Rules { max_reject_share: 1.0, latest_date: Some(day(2021, 1, 1)), ..Rules::default() };
    let text = "a,2020-01-01,1\n\
         \n\
         ,2020-01-01,1\n\
         b,01/02/2020,1\n\
         b,2020-02-30,1\n\
         b,2021-01-02,1\n\
         b,2020-01-01,NaN\n\
         b,2020-01-01,inf\n\
         \"b\n\nb\",2020-01-01,\"1,000\"\n\
         b,2020-01-01,-5\n\
         b,2020-01-01,\n\
         b,2020-01-01\n\
         b,2020-01-01,x";
    let expected = [
        ["4", "customer_id", "", "is missing"],
        ["5", "date", "01/02/2020", "is not an ISO date (1997"],
        ["6", "date", "2020-02-30", "is not an ISO date (1997"],
        ["7", "date", "2021-01-02", "lies in the future (afte"],
        ["8", "amount", "NaN", "is not a finite number"],
        ["9", "amount", "inf", "is not a finite number"],
        ["10", "amount", "1,000", "has a comma, which could"],
        ["13", "amount", "-5", "is negative (data.negati"],
        ["14", "amount", "", "is missing"],
        ["15", "amount", "", "the row has 2 fields, th"],
        ["16", "amount", "x", "is not a number"],
    ];
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let desk = Desk::csv(&text);
        let report = desk.ingest(&desk.source(), &rules).unwrap();
        assert_eq!((report.rows, report.rejected, report.purchases), (12, 11, 1));
        let rejects = desk.rejects();
        let found: Vec<[String; 4]> = csv::Reader::from_reader(rejects.as_bytes())
            .records()
            .map(|r| r.unwrap())
            .map(|r| [1, 2, 3, 4].map(|i| r[i].chars().take(24).collect()))
            .collect();
        assert_eq!(found, expected.map(|row| row.map(str::to_owned)));
    }
}

#[test]
fn too_many_rejects_stop_with_the_first_reasons() {
    let desk = Desk::csv("a,2020-01-01,1\nb,yesterday,1\n");
    assert_eq!(
        refused(&desk),
        "out/rejects.csv: 1 of 2 rows were rejected (50.000 %), more than max_reject_share allows (0.100 %) (found orders.csv:3: \
         date \"yesterday\" is not an ISO date (1997-01-31, 1997-01-31T09:30:00); set data.date_format); the file lists every \
         rejected row with its reason; mend the data or its description, or raise data.max_reject_share"
    );
    assert!(desk.rejects().contains("yesterday"));
    assert!(!desk.out().join("transactions").exists() && !desk.out().join("transactions.partial").exists());
}

#[test]
fn bytes_that_are_not_utf_8_are_rejected_where_they_stand() {
    let desk = Desk::with("orders.csv", b"customer_id,date,amount\nM\xfcller,2020-01-01,1\nb,2020-01-01,1\n");
    assert!(
        refused(&desk).contains("orders.csv:2: customer_id \"M\u{fffd}ller\" is not UTF-8 text"),
        "{}",
        refused(&desk)
    );
}

#[test]
fn zero_and_negative_amounts_follow_their_rules() {
    let desk = Desk::csv("a,2020-01-01,1\na,2020-01-02,0\na,2020-01-03,-2\n");
    let counts = |zero_amounts, negative_amounts| {
        let rules = Rules { zero_amounts, negative_amounts, max_reject_share: 1.0, ..Rules::default() };
        let r = desk.ingest(&desk.source(), &rules).unwrap();
        [r.rejected, r.dropped_zero, r.dropped_negative, r.kept_zero, r.purchases]
    };
    assert_eq!(counts(ZeroAmounts::Keep, NegativeAmounts::Error), [1, 0, 0, 1, 2]);
    assert_eq!(counts(ZeroAmounts::Keep, NegativeAmounts::Drop), [0, 0, 1, 1, 2]);
    assert_eq!(counts(ZeroAmounts::Drop, NegativeAmounts::Drop), [0, 1, 1, 0, 1]);
    assert_eq!(counts(ZeroAmounts::Error, NegativeAmounts::Error), [2, 0, 0, 0, 1]);
    let nothing = Desk::csv("a,2020-01-02,0\n");
    let rules = Rules { zero_amounts: ZeroAmounts::Drop, ..Rules::default() };
    assert!(refusal(&nothing, &nothing.source(), &rules).contains("no purchase is left"));
}

#[test]
fn windows_and_groupings_that_do_not_fit_the_data() {
    let mut desk = Desk::with("orders.csv", "customer_id,date,amount,country\na,2020-01-05,1,FI\n");
    let mut source = desk.source();
    source.columns.extra = vec![ExtraColumn::named("country")];
    desk.ingest(&source, &Rules::default()).unwrap();
    let table = desk.table();
    let refusal = |window: Window, grouping: &Grouping| {
        table.summarize(&window, &Rules::default(), grouping).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(until(day(2020, 1, 4)), &Grouping::None),
        "data.calibration_end: the calibration window ends before the first purchase (found 2020-01-04); the data run from \
         2020-01-05 to 2020-01-05"
    );
    let backwards = Window { holdout_end: Some(day(2020, 2, 1)), ..until(day(2020, 2, 1)) };
    assert!(refusal(backwards, &Grouping::None).contains("must end after the calibration window"));
    let unknown = refusal(Window::default(), &Grouping::by_column("contry"));
    assert!(unknown.contains("no column \"contry\"") && unknown.contains("did you mean \"country\"?"), "{unknown}");

    desk.input = desk.folder.path().join("nowhere");
    let nothing = TransactionTable::open(&desk.input).unwrap_err().to_string();
    assert!(nothing.contains("there is no transactions table here"), "{nothing}");
}

#[test]
fn an_output_folder_that_cannot_be_made_is_told() {
    let desk = Desk::csv("a,2020-01-01,1\n");
    std::fs::write(desk.out(), "a file where the folder should be").unwrap();
    let told = refused(&desk);
    assert!(told.contains("out/transactions: could not make the folder of the transactions table"), "{told}");
}
