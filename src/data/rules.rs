//! How purchases become customer histories: the period in which they merge, the model's clock, which amounts count.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolution::Resolution;
use super::time_zone::TimeZone;
use crate::error::{Error, Result};

/// What to do with purchases whose amount is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZeroAmounts {
    /// They are purchases that happened to cost nothing (CDNOW's published counts need this).
    #[default]
    Keep,
    /// They are left out and counted.
    Drop,
    /// They are rejected.
    Error,
}

/// What to do with negative amounts (refunds, corrections).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativeAmounts {
    /// They are rejected.
    #[default]
    Error,
    /// They are left out and counted.
    Drop,
    /// They are returns: taken off what the same customer bought on the same day. A day on which nothing is left is no purchase; a
    /// return on a day without a purchase is left out. All three are counted.
    Net,
}

/// The rules by which rows are read, rejected and merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Period in which a customer's purchases merge.
    pub resolution: Resolution,
    /// Length of the model's time unit, in days; 7 is a week.
    pub time_unit_days: f64,
    /// Whether times count whole periods of `resolution`, one unit each, instead of days: for models that know opportunities, not
    /// moments. A source of summaries must then have whole times.
    #[serde(default)]
    pub whole_periods: bool,
    /// Zero amounts.
    pub zero_amounts: ZeroAmounts,
    /// Negative amounts.
    pub negative_amounts: NegativeAmounts,
    /// Share of rejected rows above which reading stops, 0 to 1.
    pub max_reject_share: f64,
    /// The zone whose calendar days count: a time written with an offset or `Z`, and a Parquet timestamp in UTC, belongs to the day
    /// that it is there. A time without an offset is taken for local. Without a zone a purchase belongs to the day that is written,
    /// whatever the offset beside it, and a Parquet timestamp in UTC to the day in UTC.
    #[serde(default)]
    pub time_zone: Option<TimeZone>,
    /// Purchases dated later are rejected; the caller gives today.
    pub latest_date: Option<NaiveDate>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            resolution: Resolution::default(),
            time_unit_days: 7.0,
            whole_periods: false,
            zero_amounts: ZeroAmounts::default(),
            negative_amounts: NegativeAmounts::default(),
            max_reject_share: 0.001,
            time_zone: None,
            latest_date: None,
        }
    }
}

impl Rules {
    /// Refuses numbers that mean nothing.
    pub(super) fn check(&self) -> Result<()> {
        if !(self.time_unit_days.is_finite() && self.time_unit_days > 0.0) {
            return Err(Error::new("data.time_unit must be above 0 days")
                .seen(self.time_unit_days)
                .advice("7 measures time in weeks"));
        }
        if !(0.0..=1.0).contains(&self.max_reject_share) {
            return Err(Error::new("data.max_reject_share must lie between 0 and 1")
                .seen(self.max_reject_share)
                .advice("0.001 allows one row in a thousand"));
        }
        Ok(())
    }

    /// Time from `from` to `to` in time units, both taken at the start of their period, so that no purchase can come after the
    /// end of its own window at any resolution.
    pub(super) fn units_between(&self, from: NaiveDate, to: NaiveDate) -> f64 {
        if self.whole_periods {
            return self.resolution.periods_between(from, to) as f64;
        }
        let (from, to) = (self.resolution.period_start(from), self.resolution.period_start(to));
        (to - from).num_days() as f64 / self.time_unit_days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_in_days_or_in_whole_periods() {
        let day = |m, d| NaiveDate::from_ymd_opt(2024, m, d).unwrap();
        let days = Rules { resolution: Resolution::Month, ..Rules::default() };
        assert_eq!(days.units_between(day(1, 31), day(3, 2)), 60.0 / 7.0);
        let months = Rules { whole_periods: true, ..days };
        assert_eq!(months.units_between(day(1, 31), day(3, 2)), 2.0);
        assert_eq!(months.units_between(day(1, 1), day(1, 31)), 0.0);
    }

    #[test]
    fn nonsense_is_refused() {
        let bad_unit = Rules { time_unit_days: 0.0, ..Rules::default() };
        assert!(bad_unit.check().unwrap_err().to_string().contains("time_unit"));
        let bad_share = Rules { max_reject_share: 1.5, ..Rules::default() };
        assert!(bad_share.check().unwrap_err().to_string().contains("max_reject_share"));
        assert!(Rules::default().check().is_ok());
    }
}
