//! Where a project stands: the calendar of cutoffs, and the proof that its ledger is whole. `state.json` holds what cannot be read off the
//! other files; the snapshots themselves are their folders.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::Project;
use super::project::{read_json, write_json};
use crate::config::ScheduleSection;
use crate::error::{Error, Result};

const FILE: &str = "state.json";

/// What `state.json` holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// First cutoff that was scored, or is to be; none before the first champion.
    pub first_cutoff: Option<NaiveDate>,
    /// The next cutoff to score.
    pub next_cutoff: Option<NaiveDate>,
    /// Hash of the last row of the ledger: a ledger that lacks it has been cut.
    pub ledger_head: Option<String>,
}

impl State {
    /// Reads the project's state; that of a new project is empty.
    ///
    /// # Errors
    /// A damaged file.
    pub fn read(project: &Project) -> Result<Self> {
        Ok(read_json(&project.path(FILE))?.unwrap_or(Self { schema_version: 1, ..Self::default() }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, project: &Project) -> Result<()> {
        write_json(&project.path(FILE), self)
    }
}

/// The cutoff after `cutoff`, in a calendar that began with `first`.
///
/// # Errors
/// A day beyond the calendar.
pub fn next_cutoff(schedule: &ScheduleSection, first: NaiveDate, cutoff: NaiveDate) -> Result<NaiveDate> {
    let young = (cutoff - first).num_days() < 7 * i64::from(schedule.for_weeks);
    let days = if young { schedule.every_days } else { schedule.then_every_days };
    cutoff
        .checked_add_days(Days::new(days.into()))
        .ok_or_else(|| Error::new("the next cutoff is beyond the calendar").seen(cutoff))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fortnight for twelve weeks, then every thirty days: seven cutoffs fourteen days apart make the twelve weeks.
    #[test]
    fn cutoffs_are_close_at_first() {
        let first: NaiveDate = "2024-01-01".parse().expect("a day");
        let mut cutoffs = vec![first];
        for _ in 0..9 {
            let last = cutoffs[cutoffs.len() - 1];
            cutoffs.push(next_cutoff(&ScheduleSection::default(), first, last).expect("in range"));
        }
        let days: Vec<i64> = cutoffs.iter().map(|&cutoff| (cutoff - first).num_days()).collect();
        assert_eq!(days, [0, 14, 28, 42, 56, 70, 84, 114, 144, 174]);
    }
}
