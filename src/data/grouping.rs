//! Which customers pool with which: by a column of the source, by when they first bought, by a coarse RFM class, or all together.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::rfm::quintile_scores;
use super::summary::{Groups, Summary};
use crate::error::{Error, Result};

/// Label of customers without a value in the grouping column.
pub(super) const MISSING_LABEL: &str = "(missing)";

/// How customers are divided into groups of partial pooling.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// One group of everyone.
    #[default]
    None,
    /// An extra column of the source: a customer's first value in time, within the calibration window.
    Column(String),
    /// The period of the first purchase, `days` long, counted from the earliest first purchase; labels are first days.
    FirstPurchaseCohort {
        /// Length of a cohort's period in days.
        days: u32,
    },
    /// Four classes by the sum of recency, frequency and monetary quintile scores in the calibration window.
    ///
    /// The class is made of the same purchases that the model explains; it suits description more than inference.
    RfmClass,
}

impl Grouping {
    /// The column's name in tables and reports; none without grouping.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Column(name) => Some(name),
            Self::FirstPurchaseCohort { .. } => Some("cohort"),
            Self::RfmClass => Some("rfm_class"),
        }
    }

    /// Sets the groups of a summary whose other columns are complete. `labels` are the values of the grouping column, by customer,
    /// and used by [`Grouping::Column`] alone.
    pub(super) fn apply(&self, summary: &mut Summary, labels: &[String]) -> Result<()> {
        let labels = match self {
            Self::None => {
                summary.group = vec![0; summary.len()];
                summary.groups = Groups::all();
                return Ok(());
            }
            Self::Column(_) => labels.to_vec(),
            Self::FirstPurchaseCohort { days } => cohort_labels(&summary.first_purchase, *days)?,
            Self::RfmClass => rfm_labels(summary),
        };
        let column = self.column().unwrap_or_default();
        (summary.groups, summary.group) = Groups::of_labels(column, &labels);
        Ok(())
    }
}

/// Refuses cohorts without a day.
pub(super) fn check_cohort(days: u32) -> Result<()> {
    if days > 0 {
        return Ok(());
    }
    Err(Error::new("a cohort must be at least one day long")
        .at("groups.column")
        .seen("0 days")
        .advice("7 makes weekly cohorts"))
}

/// What to say when there are no dates to make cohorts of.
pub(super) fn cohorts_need_dates() -> Error {
    Error::new("first-purchase cohorts need dates, and a customer summary has none")
        .at("groups.column")
        .advice("group by a column, or give transactions")
}

fn cohort_labels(first_purchase: &[NaiveDate], days: u32) -> Result<Vec<String>> {
    check_cohort(days)?;
    let Some(&anchor) = first_purchase.iter().min() else {
        return Err(cohorts_need_dates());
    };
    Ok(first_purchase.iter().map(|date| cohort_label(anchor, cohort_period(anchor, *date, days), days)).collect())
}

/// The number of the cohort of a first purchase.
pub(super) fn cohort_period(anchor: NaiveDate, first_purchase: NaiveDate, days: u32) -> u64 {
    (first_purchase - anchor).num_days().unsigned_abs() / u64::from(days.max(1))
}

/// The label of a cohort: its first day.
pub(super) fn cohort_label(anchor: NaiveDate, period: u64, days: u32) -> String {
    (anchor + Days::new(period * u64::from(days))).to_string()
}

/// Classes by the sum R + F + M of quintile scores, 3 to 15, in four equal steps.
fn rfm_labels(summary: &Summary) -> Vec<String> {
    let since_last: Vec<f64> = summary.recency.iter().zip(&summary.age).map(|(t_x, t)| t_x - t).collect();
    let frequency: Vec<f64> = summary.frequency.iter().map(|&x| f64::from(x)).collect();
    let (r, f, m) = (quintile_scores(&since_last), quintile_scores(&frequency), quintile_scores(&summary.monetary));
    (0..summary.len()).map(|i| RFM_LABELS[rfm_class(r[i], f[i], m[i])].to_owned()).collect()
}

/// The labels of the classes, from the lowest on.
pub(super) const RFM_LABELS: [&str; 4] = ["1-low", "2-middle", "3-high", "4-top"];

/// The class of three quintile scores.
pub(super) fn rfm_class(recency: u8, frequency: u8, monetary: u8) -> usize {
    match recency + frequency + monetary {
        ..=5 => 0,
        6..=8 => 1,
        9..=11 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2020, 1, d).unwrap()
    }

    #[test]
    fn cohorts_are_anchored_at_the_earliest_first_purchase() {
        let labels = cohort_labels(&[day(9), day(3), day(10), day(16), day(17)], 7).unwrap();
        assert_eq!(labels, ["2020-01-03", "2020-01-03", "2020-01-10", "2020-01-10", "2020-01-17"]);
        assert!(cohort_labels(&[day(1)], 0).unwrap_err().to_string().contains("at least one day"));
        assert!(cohort_labels(&[], 7).unwrap_err().to_string().contains("need dates"));
    }

    #[test]
    fn rfm_classes_put_the_best_on_top_and_bystanders_low() {
        let mut summary = Summary {
            customer_id: (0..10).map(|i| i.to_string()).collect(),
            frequency: (0..10).collect(),
            recency: (0..10).map(f64::from).collect(),
            age: vec![10.0; 10],
            monetary: (0..10).map(f64::from).collect(),
            ..Summary::default()
        };
        Grouping::RfmClass.apply(&mut summary, &[]).unwrap();
        assert_eq!(summary.groups.labels, ["1-low", "2-middle", "3-high", "4-top"]);
        assert_eq!((summary.group[0], summary.group[9]), (0, 3));
        assert!(summary.group.is_sorted());
    }
}
