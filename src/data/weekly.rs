//! Repeat purchases week by week, for tracking plots, and their table `weekly.parquet`.
//!
//! Columns: `week_start` (date), `repeats` (uint64); the number of weeks of the calibration window is a fact of the file
//! (`longrun.calibration_weeks`).

use std::path::Path;
use std::sync::Arc;

use arrow_array::UInt64Array;
use chrono::{Days, NaiveDate};

use super::summary::extend_dates;
use super::table_file::{self, TableReader, dates};
use crate::error::Result;

const VERSION: &str = "weekly-1";
const CALIBRATION_KEY: &str = "longrun.calibration_weeks";

/// Days of a week.
const WEEK: i64 = 7;

/// Repeat purchases of all customers by week since the first purchase in the data, for tracking plots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeeklyRepeats {
    /// First day of each week.
    pub week_start: Vec<NaiveDate>,
    /// Repeat purchases in that week by customers of the summary (holdout-only customers left out). The last week may be cut
    /// short by the end of the data.
    pub repeats: Vec<u64>,
    /// Number of leading weeks that end inside the calibration window.
    pub calibration_weeks: usize,
}

impl WeeklyRepeats {
    /// Weeks without purchases from `first` on, to cover every day up to `last`.
    pub(super) fn covering(first: NaiveDate, calibration_end: NaiveDate, last: NaiveDate) -> Self {
        let weeks = weeks_between(first, last) + 1;
        let week_start: Vec<NaiveDate> = (0..weeks as u64).map(|w| first + Days::new(w * WEEK as u64)).collect();
        let calibration_weeks =
            week_start.iter().filter(|&&s| s + Days::new(WEEK as u64 - 1) <= calibration_end).count();
        Self { repeats: vec![0; week_start.len()], week_start, calibration_weeks }
    }

    /// Writes `weekly.parquet`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
            ("week_start", dates(self.week_start.iter().copied())),
            ("repeats", Arc::new(UInt64Array::from(self.repeats.clone()))),
        ];
        table_file::write(path, VERSION, columns, &[(CALIBRATION_KEY, self.calibration_weeks.to_string())])
    }

    /// Reads `weekly.parquet` back.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a table.
    pub fn read_parquet(path: &Path) -> Result<Self> {
        let table = TableReader::open(path, VERSION)?;
        let mut weekly = Self { calibration_weeks: table.parsed(CALIBRATION_KEY)?, ..Self::default() };
        table.read(|rows| {
            extend_dates(&mut weekly.week_start, rows.dates("week_start")?, path)?;
            weekly.repeats.extend_from_slice(rows.large_counts("repeats")?);
            Ok(())
        })?;
        Ok(weekly)
    }
}

/// Whole weeks from `first` to `date`; 0 for the seven days from `first` on.
pub(super) fn weeks_between(first: NaiveDate, date: NaiveDate) -> usize {
    usize::try_from((date - first).num_days().div_euclid(WEEK)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cdnow_has_39_weeks_of_each() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let weeks = WeeklyRepeats::covering(day(1997, 1, 1), day(1997, 9, 30), day(1998, 6, 30));
        assert_eq!((weeks.week_start.len(), weeks.calibration_weeks), (78, 39));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weekly.parquet");
        weeks.write_parquet(&path).unwrap();
        assert_eq!(WeeklyRepeats::read_parquet(&path).unwrap(), weeks);
    }
}
