//! Does a column still look as it did when the model was made? The population stability index (PSI) over bins, the Kolmogorov–Smirnov
//! distance over the whole distribution, and what chance alone would make of both. Knows no column by name, and no prediction.
//!
//! **PSI** = Σ (s_b − q_b) ln(s_b/q_b), q_b and s_b the shares of the reference and of now in bin b. Without drift it is about
//! (1/n + 1/m) χ² with one degree of freedom less than bins (Yurdakul & Naranjo 2020): its customary bands of 0.10 and 0.25 are noise
//! on a few hundred customers. So a band above stable is given only where chance would go that far once in [`FALSE_ALARM`] looks.
//!
//! **Empty bins.** Every count is taken half a customer higher (Jeffreys' prior), so that a bin that is new or gone counts much but not
//! infinitely. Bins that are empty on both sides are left out. Values that are not finite are missing, and missing is a bin.

mod sketch;

#[cfg(test)]
mod tests;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::error::{Error, Result};
pub use sketch::{Ks, Sketch};

/// Bins of the reference at most.
const BINS: usize = 10;

/// Least share of the reference in a bin: in rarer ones chance is no longer that of χ².
const SMALLEST_BIN: f64 = 0.02;

/// How rarely chance alone may reach a band above stable: with ten columns looked at every fortnight, once in forty years.
pub const FALSE_ALARM: f64 = 1e-4;

/// How a column looked when the model was made: a few hundred numbers, whatever the number of customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnReference {
    /// Its name.
    pub column: String,
    /// Customers, those without a value included.
    pub customers: u64,
    /// Customers without a finite value.
    pub missing: u64,
    /// Mean of the values; null without any.
    pub mean: Option<f64>,
    /// Ascending; bin b holds what is above edge b − 1 and at most edge b, the last bin all above. Deciles of the reference, each once
    /// however many customers are tied at it, or the values themselves when they are few; around a constant, its neighbours, so that
    /// leaving it shows.
    pub edges: Vec<f64>,
    /// Customers in each bin, one bin more than edges.
    pub counts: Vec<u64>,
    /// The whole distribution.
    pub sketch: Sketch,
}

/// How far a column has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shift {
    /// Its name.
    pub column: String,
    /// Customers in the reference.
    pub reference_customers: u64,
    /// Customers now.
    pub customers: u64,
    /// Population stability index.
    pub psi: f64,
    /// What one in twenty looks exceeds without drift.
    pub psi_noise_95: f64,
    /// How often chance alone goes at least this far.
    pub psi_p_value: f64,
    /// Distance of the distributions; null when either side has no values.
    pub ks: Option<Ks>,
    /// What to make of the PSI.
    pub band: Band,
    /// Mean of the reference.
    pub reference_mean: Option<f64>,
    /// Mean now.
    pub mean: Option<f64>,
    /// Share of customers without a value in the reference.
    pub reference_missing: f64,
    /// Share of customers without a value now.
    pub missing: f64,
    /// Where the customers are and were.
    pub bins: Vec<BinShift>,
}

/// One bin, then and now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BinShift {
    /// It holds what is above this; null for all that is small.
    pub above: Option<f64>,
    /// And at most this; null for all that is large.
    pub at_most: Option<f64>,
    /// Share of the reference's customers.
    pub reference_share: f64,
    /// Share of customers now.
    pub share: f64,
}

/// The customary bands of the PSI, given only where it is more than chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Below 0.10, or no more than chance.
    Stable,
    /// 0.10 or more.
    Moderate,
    /// 0.25 or more.
    Major,
}

impl Band {
    /// The band of a PSI that chance reaches with this probability.
    pub fn of(psi: f64, p_value: f64) -> Self {
        match psi {
            _ if p_value >= FALSE_ALARM => Self::Stable,
            psi if psi >= 0.25 => Self::Major,
            psi if psi >= 0.10 => Self::Moderate,
            _ => Self::Stable,
        }
    }
}

impl ColumnReference {
    /// Remembers a column.
    ///
    /// # Errors
    /// No customers.
    pub fn of(column: &str, values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::new("a column without customers is no reference")
                .at(column)
                .advice("choose a later cutoff"));
        }
        let mut sorted = present(values);
        let mean = mean(&sorted);
        sorted.par_sort_unstable_by(f64::total_cmp);
        let edges = edges(&sorted);
        Ok(Self {
            column: column.to_owned(),
            customers: values.len() as u64,
            missing: (values.len() - sorted.len()) as u64,
            mean,
            counts: counts(&edges, &sorted),
            sketch: Sketch::of(&sorted),
            edges,
        })
    }

    /// How far the column has moved since.
    ///
    /// # Errors
    /// No customers now; a reference whose counts do not fit its edges.
    pub fn shift(&self, values: &[f64]) -> Result<Shift> {
        if values.is_empty() {
            return Err(Error::new("a column without customers cannot be compared")
                .at(&self.column)
                .advice("score first"));
        }
        if self.counts.len() != self.edges.len() + 1 || !self.sketch.is_whole() {
            return Err(Error::new(
                "a reference must have one bin more than edges, and a sketch with columns of one length",
            )
            .at(&self.column)
            .seen(format!("{} bins and {} edges", self.counts.len(), self.edges.len()))
            .advice("train again: the file it was read from is damaged"));
        }
        let now = present(values);
        let (n, m) = (self.customers as f64, values.len() as f64);
        let missing = (values.len() - now.len()) as u64;
        let found = counts(&self.edges, &now);
        let pairs = || self.counts.iter().copied().zip(found.iter().copied());
        let (psi, bins) = psi(&pairs().chain([(self.missing, missing)]).collect::<Vec<_>>(), n, m);
        let noise = Noise::new(bins, n, m);
        let psi_p_value = noise.p_value(psi);
        let edge = |b: usize| self.edges.get(b).copied();
        let bins = pairs().enumerate().map(|(b, (then, now))| BinShift {
            above: b.checked_sub(1).and_then(edge),
            at_most: edge(b),
            reference_share: then as f64 / n,
            share: now as f64 / m,
        });
        Ok(Shift {
            column: self.column.clone(),
            reference_customers: self.customers,
            customers: values.len() as u64,
            psi,
            psi_noise_95: noise.quantile_95(),
            psi_p_value,
            ks: self.sketch.ks(&now),
            band: Band::of(psi, psi_p_value),
            reference_mean: self.mean,
            mean: mean(&now),
            reference_missing: self.missing as f64 / n,
            missing: missing as f64 / m,
            bins: bins.collect(),
        })
    }
}

fn present(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|x| x.is_finite()).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    (n > 0.0).then(|| values.iter().sum::<f64>() / n)
}

/// Edges between bins of an ascending sample.
fn edges(sorted: &[f64]) -> Vec<f64> {
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    if least == most {
        return vec![least.next_down(), least];
    }
    let mut candidates = sorted.to_vec();
    candidates.dedup();
    if candidates.len() > BINS {
        candidates = (1..BINS).map(|d| sorted[(d * sorted.len()).div_ceil(BINS) - 1]).collect();
    }
    let n = sorted.len();
    let enough = |rows: usize| rows as f64 >= SMALLEST_BIN * n as f64;
    let mut before = 0;
    // Also passes over repeated deciles, and over the largest value, above which nothing lies.
    candidates.retain(|&edge| {
        let rows = sorted.partition_point(|&x| x <= edge);
        let is_kept = rows > before && enough(rows - before) && rows < n && enough(n - rows);
        if is_kept {
            before = rows;
        }
        is_kept
    });
    candidates
}

fn counts(edges: &[f64], values: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() + 1];
    values.iter().for_each(|&x| counts[edges.partition_point(|&edge| edge < x)] += 1);
    counts
}

/// The index of pairs of counts, then and now, of n and m customers; and over how many bins.
fn psi(pairs: &[(u64, u64)], n: f64, m: f64) -> (f64, usize) {
    let used: Vec<(f64, f64)> = pairs.iter().filter(|(r, c)| r + c > 0).map(|&(r, c)| (r as f64, c as f64)).collect();
    let half = used.len() as f64 / 2.0;
    let part = |&(r, c): &(f64, f64)| {
        let (q, s) = ((r + 0.5) / (n + half), (c + 0.5) / (m + half));
        (s - q) * (s / q).ln()
    };
    (used.iter().map(part).sum(), used.len())
}

/// What chance makes of a PSI.
struct Noise {
    /// None with a single bin, which nothing can leave.
    law: Option<ChiSquared>,
    scale: f64,
}

impl Noise {
    fn new(bins: usize, n: f64, m: f64) -> Self {
        let freedom = bins.saturating_sub(1);
        let law = (freedom > 0).then(|| ChiSquared::new(freedom as f64).expect("one degree of freedom or more"));
        Self { law, scale: 1.0 / n + 1.0 / m }
    }

    fn p_value(&self, psi: f64) -> f64 {
        self.law.map_or(1.0, |law| law.sf(psi / self.scale))
    }

    fn quantile_95(&self) -> f64 {
        self.law.map_or(0.0, |law| self.scale * law.inverse_cdf(0.95))
    }
}
