//! Which customers pool with which: by columns of the source, by when they first bought, by a coarse RFM class, or all together.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::group_tree::path;
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
    /// Levels from the top, at least one: groups within groups.
    Levels {
        /// Extra columns of the source: a customer's first value in time of each, within the calibration window.
        columns: Vec<String>,
        /// Below them, periods of the first purchase of so many days each, counted from the earliest purchase in the data; labels are
        /// first days. Each length divides the one before it.
        cohort_days: Vec<u32>,
    },
    /// Four classes by the sum of recency, frequency and monetary quintile scores in the calibration window.
    ///
    /// The class is made of the same purchases that the model explains; it suits description more than inference.
    RfmClass,
}

impl Grouping {
    /// One level: a column of the source.
    pub fn by_column(name: impl Into<String>) -> Self {
        Self::Levels { columns: vec![name.into()], cohort_days: Vec::new() }
    }

    /// One level: periods of the first purchase, so many days long.
    pub fn by_cohort(days: u32) -> Self {
        Self::Levels { columns: Vec::new(), cohort_days: vec![days] }
    }

    /// The names of the levels from the top; none without grouping. A single level of cohorts is called `cohort`, several
    /// `cohort_28d`, `cohort_7d` and so on.
    pub fn level_names(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::RfmClass => vec!["rfm_class".to_owned()],
            Self::Levels { columns, cohort_days } => {
                let cohort = |days: &u32| match &cohort_days[..] {
                    [_] => "cohort".to_owned(),
                    _ => format!("cohort_{days}d"),
                };
                columns.iter().cloned().chain(cohort_days.iter().map(cohort)).collect()
            }
        }
    }

    /// The grouping's name in tables and reports, the path of its levels' names; none without grouping.
    pub fn column(&self) -> Option<String> {
        let names = self.level_names();
        (!names.is_empty()).then(|| path(names.iter().map(String::as_str)))
    }

    /// The extra columns that are levels.
    pub(super) fn columns(&self) -> &[String] {
        match self {
            Self::Levels { columns, .. } => columns,
            Self::None | Self::RfmClass => &[],
        }
    }

    /// The lengths of the periods that are levels.
    pub(super) fn cohort_days(&self) -> &[u32] {
        match self {
            Self::Levels { cohort_days, .. } => cohort_days,
            Self::None | Self::RfmClass => &[],
        }
    }

    /// Refuses cohorts without a day, and those that do not nest.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self) -> Result<()> {
        self.cohort_days().iter().try_for_each(|&days| check_cohort(days))?;
        match self.cohort_days().windows(2).find(|pair| pair[0] % pair[1] != 0 || pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(Error::new("a cohort's length must divide the one of the level above")
                .at("groups.cohort_days")
                .seen(format!("{} within {}", pair[1], pair[0]))
                .advice("e.g. [28, 7]: weeks within four weeks")),
        }
    }

    /// Sets the groups of a summary whose other columns are complete. `labels` are those of the groups, by customer, and used by
    /// [`Grouping::Levels`] alone.
    pub(super) fn apply(&self, summary: &mut Summary, labels: &[String]) {
        let Some(column) = self.column() else {
            summary.group = vec![0; summary.len()];
            summary.groups = Groups::all();
            return;
        };
        (summary.groups, summary.group) = match self {
            Self::RfmClass => Groups::of_labels(&column, &rfm_labels(summary)),
            Self::None | Self::Levels { .. } => Groups::of_labels(&column, labels),
        };
    }
}

/// The label of a group with these parts from the top, which may be missing; none where the only part is.
pub(super) fn group_label<'a>(parts: &[Option<&'a str>]) -> Option<std::borrow::Cow<'a, str>> {
    match parts {
        [only] => only.map(std::borrow::Cow::Borrowed),
        parts => Some(path(parts.iter().map(|part| part.unwrap_or(MISSING_LABEL))).into()),
    }
}

fn check_cohort(days: u32) -> Result<()> {
    if days > 0 {
        return Ok(());
    }
    Err(Error::new("a cohort must be at least one day long")
        .at("groups.cohort_days")
        .seen("0 days")
        .advice("7 makes weekly cohorts"))
}

/// What to say when there are no dates to make cohorts of.
pub(super) fn cohorts_need_dates() -> Error {
    Error::new("first-purchase cohorts need dates, and a customer summary has none")
        .at("groups.column")
        .advice("group by a column, or give transactions")
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
        let labels = [9, 3, 10, 16, 17].map(|d| cohort_label(day(3), cohort_period(day(3), day(d), 7), 7));
        assert_eq!(labels, ["2020-01-03", "2020-01-03", "2020-01-10", "2020-01-10", "2020-01-17"]);
        assert!(Grouping::by_cohort(0).check().unwrap_err().to_string().contains("at least one day"));
    }

    #[test]
    fn cohorts_nest_where_their_lengths_divide() {
        let nested = |days: &[u32]| Grouping::Levels { columns: vec!["country".into()], cohort_days: days.to_vec() };
        assert!(nested(&[28, 7]).check().is_ok());
        for wrong in [&[28, 5][..], &[7, 28], &[7, 7]] {
            assert!(nested(wrong).check().unwrap_err().to_string().contains("must divide"), "{wrong:?}");
        }
        assert_eq!(nested(&[28, 7]).column().unwrap(), "country > cohort_28d > cohort_7d");
        assert_eq!(nested(&[7]).column().unwrap(), "country > cohort");
        assert_eq!(Grouping::by_column("a > b").column().unwrap(), "a \\> b");
        assert_eq!(Grouping::None.column(), None);
    }

    #[test]
    fn labels_are_paths_where_there_are_levels() {
        assert_eq!(group_label(&[Some("Home > Garden")]).unwrap(), "Home > Garden");
        assert_eq!(group_label(&[None]), None);
        assert_eq!(group_label(&[None, Some("web")]).unwrap(), "(missing) > web");
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
        Grouping::RfmClass.apply(&mut summary, &[]);
        assert_eq!(summary.groups.labels, ["1-low", "2-middle", "3-high", "4-top"]);
        assert_eq!((summary.group[0], summary.group[9]), (0, 3));
        assert!(summary.group.is_sorted());
    }
}
