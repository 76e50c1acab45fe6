//! A table that was folded from night to night is the one that a full rebuild makes, to the last byte, whatever happened to the files, and
//! whenever the folding was cut off.

mod edges;
mod killed;
mod nights;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use arrow_array::{ArrayRef, StringArray};

use super::super::fold::fold_sized;
use super::super::ingest::Sizes;
use super::super::table_file;
use super::*;

const COLUMNS: [&str; 5] = ["customer_id", "date", "amount", "country", "channel"];

/// A line of a file: customer, day, amount, country, channel, as they are written.
type Line = [String; 5];

/// Numbers by chance, the same every time.
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % sides
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len() as u64) as usize]
    }
}

/// A log of many files in a folder, lists of customers to forget, and a table that is folded from it.
struct Shop {
    folder: TempDir,
    dice: Dice,
    today: NaiveDate,
    files: BTreeMap<String, Vec<Line>>,
    forgotten: Vec<String>,
    rules: Rules,
    parts: usize,
    extra: usize,
    /// Seconds of the clock that files are dated by.
    clock: u64,
}

impl Shop {
    fn new(seed: u64, rules: Rules, parts: usize, extra: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("log")).unwrap();
        let today = day(2023, 11, 20);
        let rules = Rules { max_reject_share: 1.0, latest_date: Some(today), ..rules };
        let (dice, files, forgotten) = (Dice(seed), BTreeMap::new(), Vec::new());
        Self { folder, dice, today, files, forgotten, rules, parts, extra, clock: 1_700_000_000 }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn source(&self) -> Source {
        let mut source = Source::transactions(self.log());
        source.columns.extra = COLUMNS[3..3 + self.extra].iter().map(|name| ExtraColumn::named(name)).collect();
        source
    }

    /// Writes a file as its name says, dated later than all before.
    fn write(&mut self, name: &str, lines: Vec<Line>) {
        let path = self.log().join(name);
        let text: String = std::iter::once(COLUMNS.join(","))
            .chain(lines.iter().map(|line| line.join(",")))
            .map(|l| l + "\n")
            .collect();
        if name.ends_with(".parquet") {
            let column = |i: usize| {
                let value = |line: &Line| (!line[i].is_empty()).then(|| line[i].clone());
                let array: StringArray = lines.iter().map(value).collect();
                (COLUMNS[i], std::sync::Arc::new(array) as ArrayRef)
            };
            table_file::write(&path, "someone else's", (0..5).map(column).collect(), &[]).unwrap();
        } else if name.ends_with(".gz") {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(text.as_bytes()).unwrap();
            std::fs::write(&path, gz.finish().unwrap()).unwrap();
        } else {
            std::fs::write(&path, text).unwrap();
        }
        self.files.insert(name.to_owned(), lines);
        self.touch(name);
    }

    fn touch(&mut self, name: &str) {
        self.clock += 1;
        let file = std::fs::File::options().append(true).open(self.log().join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock)).unwrap();
    }

    fn remove(&mut self, name: &str) {
        std::fs::remove_file(self.log().join(name)).unwrap();
        self.files.remove(name);
    }

    fn forget(&self) -> Forgotten {
        let path = self.folder.path().join("forget.txt");
        std::fs::write(&path, self.forgotten.iter().map(|id| format!("{id}\n")).collect::<String>()).unwrap();
        Forgotten::read(&[path], &self.source()).unwrap()
    }

    /// Folds, or rebuilds, into a folder of the shop.
    fn fold(&self, out: &str, anew: bool) -> Result<Folded> {
        let source = self.source();
        let log = LogToRead {
            source: &source,
            rules: &self.rules,
            files: &LocalFiles::of(&source),
            forgotten: &self.forget(),
        };
        let sizes = Sizes { block_bytes: 1_000, partitions: Some(self.parts), ..Sizes::default() };
        fold_sized(log, &self.folder.path().join(out), anew, &|_| {}, sizes)
    }

    /// Everything in a folder of the shop.
    fn bytes(&self, out: &str) -> Vec<(String, Vec<u8>)> {
        bytes_of(&self.folder.path().join(out))
    }

    /// Folds into `out`, and asserts that a rebuild elsewhere makes the same of the log.
    #[track_caller]
    fn fold_like_a_rebuild(&self, out: &str) -> Folded {
        let folded = self.fold(out, false).unwrap();
        let fresh = self.folder.path().join("fresh");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).unwrap();
        }
        let rebuilt = self.fold("fresh", false).unwrap();
        assert_eq!((rebuilt.files_read, rebuilt.bytes_read), (self.files.len(), rebuilt.report.bytes));
        assert_eq!(folded.report, rebuilt.report);
        assert_eq!(folded.key, rebuilt.key);
        same_files(&self.bytes(out), &self.bytes("fresh"));
        folded
    }
}

/// Asserts that two folders hold the same, and names the files that differ.
#[track_caller]
fn same_files(one: &[(String, Vec<u8>)], other: &[(String, Vec<u8>)]) {
    let lacks = |a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)]| -> Vec<String> {
        a.iter().filter(|file| !b.contains(file)).map(|(name, _)| name.clone()).collect()
    };
    assert_eq!((lacks(one, other), lacks(other, one)), (vec![], vec![]));
}
