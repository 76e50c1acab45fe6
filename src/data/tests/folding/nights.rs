//! Thirty nights of a shop in which everything happens that happens to files.

use std::collections::HashMap;

use super::*;

const DAYS: u64 = 30;

impl Shop {
    /// A line of about `date`; most are ordinary.
    fn line(&mut self, date: NaiveDate) -> Line {
        let dice = &mut self.dice;
        let back = match dice.roll(8) {
            0 => dice.roll(100),
            1 => dice.roll(9),
            _ => 0,
        };
        let customer = match dice.roll(60) {
            0 => String::new(),
            1 => "a, b".to_owned(),
            _ => format!("c{}", dice.roll(25)),
        };
        let customer = if customer.contains(',') { format!("\"{customer}\"") } else { customer };
        let date = match dice.roll(50) {
            0 => "never".to_owned(),
            1 => "2999-01-01".to_owned(),
            // Tomorrow's, which count from tomorrow on.
            2 => (date + chrono::Days::new(1 + dice.roll(5))).to_string(),
            _ => (date - chrono::Days::new(back)).to_string(),
        };
        let amount = match dice.roll(12) {
            0 => "0".to_owned(),
            1 => format!("-{}.25", dice.roll(9)),
            2 => "1.00005".to_owned(),
            _ => format!("{}.5", dice.roll(9)),
        };
        let country = dice.one_of(&["FI", "SE", "", "FI"]).to_owned();
        let channel = dice.one_of(&["web", "shop", ""]).to_owned();
        [customer, date, amount, country, channel]
    }

    fn lines(&mut self, count: u64) -> Vec<Line> {
        (0..count).map(|_| self.line(self.today)).collect()
    }

    /// A file that is there, by chance.
    fn some_file(&mut self) -> String {
        let at = self.dice.roll(self.files.len() as u64) as usize;
        self.files.keys().nth(at).unwrap().clone()
    }

    /// What happens before a night's fold, in words.
    fn live_a_day(&mut self) -> Vec<&'static str> {
        self.today = self.today.succ_opt().unwrap();
        self.rules.latest_date = Some(self.today);
        let ending = self.dice.one_of(&["csv", "csv", "csv.gz", "parquet"]);
        let name = format!("day-{}.{ending}", self.today);
        let lines = match self.dice.roll(12) {
            0 => vec![],
            1 => (0..2).map(|_| [String::new(), "x".into(), "1".into(), "FI".into(), String::new()]).collect(),
            _ => self.lines(40),
        };
        self.write(&name, lines);
        let mut happened = vec![];
        match self.dice.roll(3) {
            0 => {
                // Late lines, of customers who bought on those days, in a file that sorts before all others.
                let lines = self.lines(15);
                let name = format!("a-{}.csv", self.dice.roll(1_000));
                self.write(&name, lines);
                happened.push("a file that sorts first");
            }
            1 => {
                let name = self.some_file();
                let mut lines = self.files[&name].clone();
                let of = lines.len().max(1) as u64;
                match self.dice.roll(3) {
                    0 => lines.push(self.line(self.today)),
                    1 if !lines.is_empty() => drop(lines.remove(self.dice.roll(of) as usize)),
                    _ if !lines.is_empty() => lines[self.dice.roll(of) as usize][2] = "7.77".to_owned(),
                    _ => {}
                }
                self.write(&name, lines);
                happened.push("a correction");
            }
            _ => {}
        }
        if self.dice.roll(4) == 0 && self.files.len() > 3 {
            let name = self.some_file();
            self.remove(&name);
            happened.push("a file that vanished");
        }
        if self.dice.roll(4) == 0 {
            let name = self.some_file();
            self.touch(&name);
            happened.push("a file that was touched");
        }
        match self.dice.roll(5) {
            0 => {
                self.forgotten.push(format!("c{}", self.dice.roll(25)));
                happened.push("a customer to forget");
            }
            1 if self.forgotten.len() > 1 => {
                self.forgotten.remove(0);
                happened.push("a customer forgotten no longer");
            }
            _ => {}
        }
        happened
    }
}

#[test]
fn every_night_of_thirty_is_like_a_full_rebuild() {
    let net = || Rules { negative_amounts: NegativeAmounts::Net, ..Rules::default() };
    let drop =
        || Rules { negative_amounts: NegativeAmounts::Drop, zero_amounts: ZeroAmounts::Drop, ..Rules::default() };
    let mut met: HashMap<&str, usize> = HashMap::new();
    for (seed, rules, parts, extra) in
        [(1, net(), 1, 2), (2, net(), 4, 1), (3, drop(), 2, 0), (4, Rules::default(), 8, 2)]
    {
        let mut shop = Shop::new(seed, rules, parts, extra);
        let lines = shop.lines(60);
        shop.write("day-0.csv", lines);
        shop.fold_like_a_rebuild("out");
        let (mut read, mut all) = (0, 0);
        for _ in 0..DAYS {
            for happened in shop.live_a_day() {
                *met.entry(happened).or_default() += 1;
            }
            let folded = shop.fold_like_a_rebuild("out");
            read += folded.files_read;
            all += folded.report.files.len();
            assert_eq!(folded.anew, None);
            let ids: Vec<&str> = shop.forgotten.iter().map(String::as_str).collect();
            assert_nobody_is_named(&shop, &ids);
        }
        // Each night a new file, on most others of which some changed, what the calendar lets in, and what a shorter list calls back.
        assert!(read < all / 2, "{read} of {all} files were read");
        let report = shop.fold("out", false).unwrap().report;
        assert!(report.rejected > 20 && report.forgotten > 10 && report.customers > 10, "{report:?}");
        summaries_are_the_same(&shop);
    }
    assert!(met.len() == 6 && met.values().all(|&times| times >= 3), "{met:?}");
}

/// No file names a forgotten customer; the files are compressed, so their decoded text is looked at.
fn assert_nobody_is_named(shop: &Shop, ids: &[&str]) {
    let rejects = std::fs::read_to_string(shop.folder.path().join("out/rejects.csv")).unwrap();
    let table = TransactionTable::open(&shop.folder.path().join("out/transactions")).unwrap();
    for part in &table.parts {
        table.read_part(part, &[], |id, _, _, _| assert!(!ids.contains(&id))).unwrap();
    }
    for (name, bytes) in shop.bytes("out/transactions") {
        let Some(column) = (name.ends_with(".parquet")).then_some("customer_id") else { continue };
        let path = shop.folder.path().join("again.parquet");
        std::fs::write(&path, bytes).unwrap();
        let version = match () {
            () if name.contains("part-") => "transactions-2",
            () if name.contains("lines-") => "transaction-lines-1",
            () => "transaction-rejects-1",
        };
        let table = table_file::TableReader::open(&path, version).unwrap();
        let named = |rows: &table_file::Rows<'_>| {
            assert!(rows.texts(column)?.iter().flatten().all(|id| !ids.contains(&id)), "{name}");
            Ok(())
        };
        table.read(named).unwrap();
    }
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    assert!(rejects.lines().flat_map(fields).all(|field| !ids.contains(&field.as_str())));
}

fn summaries_are_the_same(shop: &Shop) {
    let window = until(day(2023, 12, 10));
    let made = ["out", "fresh"].map(|folder| {
        let table = TransactionTable::open(&shop.folder.path().join(folder).join("transactions")).unwrap();
        let grouping = if shop.extra > 0 { Grouping::by_column("country") } else { Grouping::None };
        let out = tempfile::tempdir().unwrap();
        table.summarize_into(&window, &shop.rules, &grouping, out.path(), &|_| {}).unwrap().publish().unwrap();
        (bytes_of(out.path()), table.fingerprint(shop.today).unwrap(), table.merged_lines().unwrap())
    });
    assert!(made[0].2.several > 0 && made[0].2.rows > 100, "{:?}", made[0].2);
    assert!(made[0] == made[1]);
}
