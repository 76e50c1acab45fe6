//! Purchases become one row per customer, for any calibration and holdout window. Dates become time units here and nowhere else.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | x | periods with a purchase in the calibration window, less the first |
//! | t_x | from the start of the first such period to the start of the last, in time units |
//! | T | from the start of the first period to the start of the period that holds the calibration end, in time units |
//! | m | amounts of all such periods but the first, over x |
//!
//! With day resolution periods are days and T is plainly calibration end − first purchase. With weeks or months everything is
//! counted between period starts, so that 0 ≤ t_x ≤ T always. A window that ends inside a period cuts the period: what was bought
//! before counts before, what was bought after counts in the holdout. Where rules ask for whole periods, t_x and T are numbers of
//! periods.
//!
//! Where the window has a first day, a purchase restarts the clock of a customer whose clock began before that day. So who bought in
//! the window is counted from the first purchase there, as if there had been none before; who did not is counted from the last
//! purchase before it, with x = 0. What a customer does after a purchase depends on their own rates alone, not on how long they have
//! been one; but how customers differ is then learned from these purchases, which are not everyone's first (docs/guide/data.md).

use chrono::NaiveDate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::amount::UNITS;
use super::field::date_of;
use super::grouping::{Grouping, MISSING_LABEL, cohort_label, cohort_period, group_label};
use super::holdout::Holdout;
use super::resolution::Resolution;
use super::rules::Rules;
use super::summary::Summary;
use super::transactions::{HashPart, TransactionTable};
use super::weekly::{WeeklyRepeats, weeks_between};
use crate::error::{Error, Result};

/// The fitting window and the later one that judges the fit. First and last days belong to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// First day of the fitting window; without it nothing is forgotten. Of what a customer bought before it the last purchase
    /// counts, and that only if none follows in the window.
    #[serde(default)]
    pub calibration_start: Option<NaiveDate>,
    /// Last day of the fitting window; the last day of the data when not given.
    pub calibration_end: Option<NaiveDate>,
    /// Last day of the holdout window; the last day of the data when not given.
    pub holdout_end: Option<NaiveDate>,
}

/// What a summary was made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SummaryFacts {
    /// Date of the earliest purchase in the data; none when the source was a summary.
    pub first_date: Option<NaiveDate>,
    /// Date of the latest purchase in the data; none when the source was a summary.
    pub last_date: Option<NaiveDate>,
    /// First day of the calibration window, if what was bought before it is forgotten.
    pub calibration_start: Option<NaiveDate>,
    /// Last day of the calibration window; none when the source was a summary.
    pub calibration_end: Option<NaiveDate>,
    /// Last day of the holdout window, if there is one.
    pub holdout_end: Option<NaiveDate>,
    /// Whether the calibration end cuts a week or a month in two.
    pub calibration_end_cuts_period: bool,
    /// Customers of the summary.
    pub customers: u64,
    /// Customers with x = 0.
    pub one_time_customers: u64,
    /// Those of them who did not buy from `calibration_start` on.
    pub lapsed_customers: u64,
    /// Σx.
    pub repeat_purchases: u64,
    /// Customers with x > 0 and m > 0: the rows of a spend model.
    pub spend_customers: u64,
    /// Distinct (group, x, t_x, T).
    pub cells: u64,
    /// Purchases in the holdout window by customers of the summary.
    pub holdout_purchases: u64,
    /// Customers first seen in the holdout window.
    pub new_customers: u64,
    /// Customers whose grouping column changes; the first value in time counts.
    pub group_conflicts: u64,
    /// Customers without any value in the grouping column.
    pub group_missing: u64,
}

/// Everything that the transactions say about a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Summarized {
    /// One row per customer.
    pub summary: Summary,
    /// What they did afterwards; none when the data end with the calibration window.
    pub holdout: Option<Holdout>,
    /// Repeat purchases week by week.
    pub weekly: WeeklyRepeats,
    /// What it was made of.
    pub facts: SummaryFacts,
}

/// The windows, checked against the data.
pub(super) struct Windows<'a> {
    pub(super) rules: &'a Rules,
    /// The first day on which a clock is not restarted; the earliest of all days where nothing is forgotten.
    pub(super) calibration_start: NaiveDate,
    pub(super) calibration_end: NaiveDate,
    pub(super) holdout_end: Option<NaiveDate>,
    pub(super) weekly: WeeklyRepeats,
}

/// One customer's purchases, folded in the order of dates.
#[derive(Debug, Clone, Default)]
pub(super) struct Customer {
    pub(super) id: String,
    /// Start of the period of the first purchase; none when it lies outside the calibration window.
    pub(super) first: Option<NaiveDate>,
    /// Day of that purchase.
    began: NaiveDate,
    pub(super) last: NaiveDate,
    pub(super) x: u32,
    repeat_units: i128,
    /// First value of each level's column.
    pub(super) groups: Vec<Option<String>>,
    pub(super) group_conflict: bool,
    holdout_last: Option<NaiveDate>,
    pub(super) holdout_purchases: u32,
    holdout_units: i128,
}

/// What one part of the table adds up to, beside its customers.
#[derive(Debug, Clone, Default)]
pub(super) struct Folded {
    /// Repeat purchases by week.
    pub(super) weekly: Vec<u64>,
    /// Customers first seen in the holdout window.
    pub(super) new_customers: u64,
    /// Customers whose clock began before the calibration window.
    pub(super) lapsed_customers: u64,
}

impl TransactionTable {
    /// One row per customer first seen in the calibration window, and what followed.
    ///
    /// # Errors
    /// When the windows do not fit the data, the grouping column is not in the table, or the table cannot be read.
    pub fn summarize(&self, window: &Window, rules: &Rules, grouping: &Grouping) -> Result<Summarized> {
        let windows = self.judge(window, rules, grouping)?;
        let parts: Vec<(Vec<Customer>, Folded)> = self
            .parts
            .par_iter()
            .map(|part| {
                let mut customers = Vec::new();
                let folded = self.fold_part(part, &windows, grouping.columns(), |customer| {
                    customers.push(customer.clone());
                    Ok(())
                })?;
                Ok((customers, folded))
            })
            .collect::<Result<_>>()?;

        let Windows { calibration_end, holdout_end, mut weekly, .. } = windows;
        let mut customers = Vec::new();
        let (mut new_customers, mut lapsed_customers) = (0, 0);
        for (part, folded) in parts {
            customers.extend(part);
            new_customers += folded.new_customers;
            lapsed_customers += folded.lapsed_customers;
            weekly.repeats.iter_mut().zip(&folded.weekly).for_each(|(sum, n)| *sum += n);
        }
        if customers.is_empty() {
            return Err(self.nobody(calibration_end));
        }
        customers.par_sort_unstable_by(|a, b| a.id.cmp(&b.id));

        let group_conflicts = customers.iter().filter(|c| c.group_conflict).count() as u64;
        let group_missing = customers.iter().filter(|c| c.groups.iter().any(Option::is_none)).count() as u64;
        let anchor = self.cohort_anchor(rules);
        let label = |c: &Customer| {
            let first = c.first.unwrap_or_default();
            let cohorts: Vec<String> = grouping
                .cohort_days()
                .iter()
                .map(|&days| cohort_label(anchor, cohort_period(anchor, first, days), days))
                .collect();
            let parts: Vec<Option<&str>> =
                c.groups.iter().map(Option::as_deref).chain(cohorts.iter().map(|c| Some(c.as_str()))).collect();
            group_label(&parts).map_or_else(|| MISSING_LABEL.to_owned(), std::borrow::Cow::into_owned)
        };
        let labels: Vec<String> = customers.iter().map(label).collect();
        let holdout = holdout_end.map(|end| Holdout {
            length: rules.units_between(calibration_end, end),
            purchases: customers.iter().map(|c| c.holdout_purchases).collect(),
            spend: customers.iter().map(Customer::holdout_spend).collect(),
            new_customers,
        });
        let mut summary = rows(customers, calibration_end, rules);
        grouping.apply(&mut summary, &labels);

        let facts = SummaryFacts {
            holdout_purchases: holdout.as_ref().map_or(0, |h| h.purchases.iter().map(|&n| u64::from(n)).sum()),
            new_customers,
            lapsed_customers,
            group_conflicts,
            group_missing,
            ..self.window_facts(window, calibration_end, holdout_end, rules, SummaryFacts::of(&summary))
        };
        Ok(Summarized { summary, holdout, weekly, facts })
    }

    /// The windows; they and the columns to group by are checked against the table.
    pub(super) fn judge<'a>(&self, window: &Window, rules: &'a Rules, grouping: &Grouping) -> Result<Windows<'a>> {
        rules.check()?;
        grouping.check()?;
        let windows = self.windows(window, rules)?;
        match grouping.columns().iter().find(|name| !self.extra.contains(name)) {
            Some(unknown) => Err(self.no_such_group(unknown)),
            None => Ok(windows),
        }
    }

    /// The day from which cohorts are counted: that of the first purchase in the data, however much of it is forgotten, so that
    /// cohorts have the same days in every window.
    pub(super) fn cohort_anchor(&self, rules: &Rules) -> NaiveDate {
        rules.resolution.period_start(self.first_date)
    }

    pub(super) fn nobody(&self, calibration_end: NaiveDate) -> Error {
        Error::new("no customer bought anything in the calibration window")
            .at("data.calibration_end")
            .seen(calibration_end)
            .advice(format!("the data begin on {}", self.first_date))
    }

    /// `facts` with those of the windows.
    pub(super) fn window_facts(
        &self,
        window: &Window,
        calibration_end: NaiveDate,
        holdout_end: Option<NaiveDate>,
        rules: &Rules,
        facts: SummaryFacts,
    ) -> SummaryFacts {
        SummaryFacts {
            first_date: Some(self.first_date),
            last_date: Some(self.last_date),
            calibration_start: window.calibration_start,
            calibration_end: Some(calibration_end),
            holdout_end,
            calibration_end_cuts_period: rules.resolution.is_cut_by(calibration_end),
            ..facts
        }
    }

    fn windows<'a>(&self, window: &Window, rules: &'a Rules) -> Result<Windows<'a>> {
        let calibration_end = window.calibration_end.unwrap_or(self.last_date);
        if calibration_end < self.first_date {
            return Err(Error::new("the calibration window ends before the first purchase")
                .at("data.calibration_end")
                .seen(calibration_end)
                .advice(format!("the data run from {} to {}", self.first_date, self.last_date)));
        }
        if let Some(start) = window.calibration_start.filter(|start| *start >= calibration_end) {
            return Err(Error::new("the calibration window must begin before it ends")
                .at("data.calibration_start")
                .seen(start)
                .advice(format!(
                    "it ends on {calibration_end}; the data run from {} to {}",
                    self.first_date, self.last_date
                )));
        }
        if let Some(end) = window.holdout_end.filter(|end| *end <= calibration_end) {
            return Err(Error::new("the holdout window must end after the calibration window")
                .at("data.holdout_end")
                .seen(end)
                .advice(format!("the calibration window ends on {calibration_end}")));
        }
        for (key, end) in [("data.calibration_end", Some(calibration_end)), ("data.holdout_end", window.holdout_end)] {
            self.check_not_far_beyond(key, end)?;
        }
        let holdout_end = window.holdout_end.or((self.last_date > calibration_end).then_some(self.last_date));
        let none_left = |end: &NaiveDate| rules.units_between(calibration_end, *end) <= 0.0;
        if let Some(end) = window.holdout_end.filter(none_left) {
            return Err(Error::new("the holdout window lies within the period in which the calibration ends")
                .at("data.holdout_end")
                .seen(format!("{end} after {calibration_end}"))
                .advice("end it a period of data.resolution later, or leave it out"));
        }
        let holdout_end = holdout_end.filter(|end| !none_left(end));
        let calibration_start = window.calibration_start.unwrap_or(NaiveDate::MIN);
        // Weeks count from the first purchase, or from where clocks are no longer restarted: before it nobody has a repeat purchase. At
        // weekly resolution they are the periods themselves.
        let first_day = self.first_date.max(calibration_start);
        let first_week = match rules.resolution {
            Resolution::Week => Resolution::Week.period_start(first_day),
            _ => first_day,
        };
        let weekly = WeeklyRepeats::covering(first_week, calibration_end, holdout_end.unwrap_or(calibration_end));
        Ok(Windows { rules, calibration_start, calibration_end, holdout_end, weekly })
    }

    /// A window may end after the last purchase, since silence is evidence; but not by more than a quarter of all the time the data
    /// cover (and a month), for then the dates are more likely wrong than the shop silent.
    fn check_not_far_beyond(&self, key: &str, end: Option<NaiveDate>) -> Result<()> {
        let span = (self.last_date - self.first_date).num_days();
        let most = (span / 4).max(31);
        match end.map(|end| (end, (end - self.last_date).num_days())) {
            Some((end, beyond)) if beyond > most => Err(Error::new(format!(
                "the window ends {beyond} days after the last purchase, and all of them would count as silence"
            ))
            .at(key)
            .seen(end)
            .advice(format!("the data run from {} to {}", self.first_date, self.last_date))),
            _ => Ok(()),
        }
    }

    fn no_such_group(&self, name: &str) -> Error {
        let error = Error::new(format!("the transactions have no column {name:?} to group by")).at("groups.column");
        if self.extra.is_empty() {
            return error
                .advice("only the column named when the source was read is kept: start a new run with this one");
        }
        let error = error.seen(format!("columns kept: {}", self.extra.join(", ")));
        match super::columns::nearest(name, &self.extra) {
            Some(near) => error.advice(format!("did you mean {near:?}?")),
            None => {
                error.advice("only the column named when the source was read is kept: start a new run with this one")
            }
        }
    }

    /// Folds the purchases of one part: `close` takes every customer first seen in the calibration window, in the order of
    /// identifiers.
    pub(super) fn fold_part(
        &self,
        part: &HashPart,
        windows: &Windows<'_>,
        columns: &[String],
        mut close: impl FnMut(&Customer) -> Result<()>,
    ) -> Result<Folded> {
        let mut folded = Folded { weekly: vec![0; windows.weekly.repeats.len()], ..Folded::default() };
        let mut customer = Customer::default();
        let mut begun = false;
        let mut outcome = Ok(());
        let mut end = |customer: &Customer, folded: &mut Folded| {
            if customer.first.is_some() {
                folded.lapsed_customers += u64::from(customer.began < windows.calibration_start);
                if outcome.is_ok() {
                    outcome = close(customer);
                }
            } else if customer.holdout_last.is_some() {
                folded.new_customers += 1;
            }
        };
        self.read_part(part, columns, |id, day, units, groups| {
            if !begun || customer.id != id {
                if begun {
                    end(&customer, &mut folded);
                }
                begun = true;
                let mut known = std::mem::take(&mut customer.id);
                id.clone_into(&mut known);
                customer = Customer { id: known, ..Customer::default() };
            }
            // The table's dates were dates when it was written.
            let date = date_of(day.into()).unwrap_or_default();
            customer.buy(date, units, groups, windows, &mut folded.weekly);
        })?;
        if begun {
            end(&customer, &mut folded);
        }
        outcome.map(|()| folded)
    }
}

impl Customer {
    /// m: mean amount of the repeat purchases, in currency; 0 without any.
    pub(super) fn monetary(&self) -> f64 {
        if self.x == 0 { 0.0 } else { self.repeat_units as f64 / (UNITS * f64::from(self.x)) }
    }

    /// Spend in the holdout window, in currency.
    pub(super) fn holdout_spend(&self) -> f64 {
        self.holdout_units as f64 / UNITS
    }

    /// Adds one purchase; dates do not decrease from call to call.
    fn buy(&mut self, date: NaiveDate, units: i64, groups: &[Option<&str>], windows: &Windows<'_>, weekly: &mut [u64]) {
        let period = windows.rules.resolution.period_start(date);
        let week = weeks_between(windows.weekly.week_start[0], date);
        if date <= windows.calibration_end {
            // Purchases of one day stay together, so that a day's rows are forgotten all or none. A clock that is restarted had no
            // repeat purchase yet, so that none has to be taken back.
            if self.first.is_some() && self.began < windows.calibration_start && date > self.began {
                *self = Self { id: std::mem::take(&mut self.id), ..Self::default() };
            }
            match self.first {
                None => {
                    self.first = Some(period);
                    self.began = date;
                    self.last = period;
                }
                Some(_) if period != self.last => {
                    self.last = period;
                    self.x += 1;
                    weekly[week] += 1;
                }
                Some(_) => {}
            }
            if self.x > 0 {
                self.repeat_units += i128::from(units);
            }
            self.groups.resize(groups.len(), None);
            for (known, group) in self.groups.iter_mut().zip(groups) {
                match (&known, group) {
                    (None, Some(value)) => *known = Some((*value).to_owned()),
                    (Some(first), Some(value)) if first != value => self.group_conflict = true,
                    _ => {}
                }
            }
        } else if windows.holdout_end.is_some_and(|end| date <= end) {
            if self.holdout_last != Some(period) {
                self.holdout_last = Some(period);
                self.holdout_purchases += 1;
                if self.first.is_some() {
                    weekly[week] += 1;
                }
            }
            self.holdout_units += i128::from(units);
        }
    }
}

fn rows(customers: Vec<Customer>, calibration_end: NaiveDate, rules: &Rules) -> Summary {
    let mut summary = Summary::default();
    for c in customers {
        let first = c.first.unwrap_or_default();
        summary.first_purchase.push(first);
        summary.frequency.push(c.x);
        summary.recency.push(rules.units_between(first, c.last));
        summary.age.push(rules.units_between(first, calibration_end));
        summary.monetary.push(c.monetary());
        summary.customer_id.push(&c.id);
    }
    summary
}

impl SummaryFacts {
    /// The facts that a summary tells by itself.
    pub(super) fn of(summary: &Summary) -> Self {
        Self {
            customers: summary.len() as u64,
            one_time_customers: summary.frequency.iter().filter(|x| **x == 0).count() as u64,
            repeat_purchases: summary.frequency.iter().map(|&x| u64::from(x)).sum(),
            spend_customers: summary.spend_rows().customers() as u64,
            cells: summary.cells().len() as u64,
            ..Self::default()
        }
    }
}
