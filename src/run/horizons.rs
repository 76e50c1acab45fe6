//! What one fit says of windows of any length after its cutoff: one reading of draws and summary, then a window at a time. Nothing is
//! fitted here, and nothing here knows how good a prediction is.

use ndarray::Axis;

use super::forecast::Forecast;
use super::predict::settings;
use super::summarize::read_summary;
use super::{Observer, RunDir};
use crate::data::{Holdout, Ids, Summary};
use crate::error::Result;
use crate::kernels::rng::{Purpose, Stream};
use crate::predict::{Settings, Window, customer_address};

/// Which of a purpose's draws chooses customers by their identifiers.
const BY_ID: u32 = 2;

/// A fitted run's customers and draws.
pub struct Horizons {
    summary: Summary,
    forecast: Forecast,
    settings: Settings,
    spend: Option<Vec<f64>>,
}

/// What is expected in one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// Purchases of each customer: mean, quantiles, CRPS at what happened.
    pub window: Window,
    /// What each is expected to spend in it, undiscounted; purchases without a spend model.
    pub value: Vec<f64>,
}

impl Horizons {
    /// Reads a fitted run; `rows` keeps some of its customers.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn of(dir: &RunDir, rows: Option<&[usize]>) -> Result<Self> {
        let (mut summary, mut forecast) = (read_summary(dir)?, Forecast::of(dir)?);
        if let Some(rows) = rows {
            let (group, groups) = (rows.iter().map(|&row| summary.group[row]).collect(), summary.groups.clone());
            summary = Summary { group, groups, ..summary.select(rows) };
            if let Forecast::Continuous(population) = &mut forecast
                && let Some(covariates) = &mut population.covariates
            {
                covariates.values = covariates.values.select(Axis(0), rows);
            }
        }
        // Spend per purchase is the same in every window.
        let settings = Settings { horizon_months: 1, ..settings(&dir.plan) };
        let spend = forecast.expectations(&summary, &settings)?.spend;
        Ok(Self { summary, forecast, settings, spend })
    }

    /// Who is predicted.
    pub fn customers(&self) -> &Ids {
        &self.summary.customer_id
    }

    /// Whether value is spend rather than purchases.
    pub fn in_spend(&self) -> bool {
        self.spend.is_some()
    }

    /// Predicts the window that `holdout` observed, of these customers. What happened in it decides only where it lies among the draws.
    ///
    /// # Errors
    /// A window without length or for other customers.
    pub fn window(&self, holdout: &Holdout, observer: &dyn Observer) -> Result<Ahead> {
        let total = self.summary.len() as u64;
        let told = |done| observer.predicting(done, total);
        let window = self.forecast.window(&self.summary, holdout, &self.settings, &told)?;
        let purchases = window.customers.iter().map(|c| c.mean);
        let value = match &self.spend {
            Some(spend) => purchases.zip(spend).map(|(purchases, spend)| purchases * spend).collect(),
            None => purchases.collect(),
        };
        Ok(Ahead { window, value })
    }
}

/// The rows of about `customers` of these, chosen by identifier: the same customer is chosen whoever else is there and in whatever order,
/// up to those near the cut. All of them where there are no more.
pub fn subsample(ids: &Ids, customers: u64, seed: u64) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = ids
        .iter()
        .enumerate()
        .map(|(row, id)| {
            let chance = Stream::new(seed, Purpose::Subsample, customer_address(id), BY_ID).uniform();
            (chance.to_bits(), row)
        })
        .collect();
    order.sort_unstable();
    order.truncate(usize::try_from(customers).unwrap_or(usize::MAX));
    let mut rows: Vec<usize> = order.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_chosen_by_their_identifier() {
        let all: Ids = (0..3000).map(|i| format!("C{i:05}")).collect();
        let few: Ids = (0..3000).filter(|i| i % 2 == 0).map(|i| format!("C{i:05}")).collect();
        let names = |ids: &Ids, rows: Vec<usize>| rows.iter().map(|&row| ids[row].to_owned()).collect::<Vec<_>>();
        let (of_all, of_few) = (names(&all, subsample(&all, 600, 1)), names(&few, subsample(&few, 300, 1)));
        assert_eq!((of_all.len(), of_few.len()), (600, 300));
        // 300 of the 600 are expected among the even; the cut lies elsewhere by a dozen or two.
        let shared = of_few.iter().filter(|name| of_all.contains(name)).count();
        assert!(shared > 250, "{shared}");
        assert_eq!(subsample(&all, 9999, 1).len(), 3000);
        assert_ne!(subsample(&all, 600, 1), subsample(&all, 600, 2));
    }
}
