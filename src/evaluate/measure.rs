//! A figure with its uncertainty, and the delete-a-block jackknife that gives it: how the figure moves when a hundredth of the
//! customers is left out, block by block.
//!
//! It speaks for which customers happened to be there. What moves all of them together (a price, a season, a lost channel) is in
//! every block alike, and no jackknife sees it; nor does it see the rare customer who dwarfs the rest and is not there yet. Knows no
//! metric.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::data::Ids;
use crate::predict::customer_address;

/// Blocks that customers are put into.
pub const BLOCKS: usize = 100;

/// Differences below this, relative to the figures, are rounding: neither a breach nor an improvement.
pub const RELATIVE_TOLERANCE: f64 = 1e-9;

/// The block, below [`BLOCKS`], of every customer: a hash of the identifier alone, so that the same customer is always in the same
/// block, whoever else is in the data and in whatever order.
pub fn blocks(ids: &Ids) -> Vec<u8> {
    (0..ids.len()).into_par_iter().map(|row| block(&ids[row])).collect()
}

fn block(id: &str) -> u8 {
    // The address's low bits are sums of the identifier's low bits, and its high bits hardly see the last character: mixed by the
    // finaliser of MurmurHash3 (Appleby, public domain), then scaled to the blocks.
    let mut hash = customer_address(id);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    ((u128::from(hash) * BLOCKS as u128) >> 64) as u8
}

/// A figure and its uncertainty; all null where it does not exist (a ratio to nothing). An error that is not known (fewer than two
/// blocks of customers, or a figure that hangs on one block) is null beside a figure that is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// The figure over all customers.
    pub value: Option<f64>,
    /// Its standard error.
    pub se: Option<f64>,
    /// Lower end of its 90 % interval. Symmetric about the figure, it may leave the figure's range.
    pub low: Option<f64>,
    /// Upper end of its 90 % interval.
    pub high: Option<f64>,
}

impl Measure {
    /// What does not exist.
    pub const UNDEFINED: Self = Self { value: None, se: None, low: None, high: None };

    /// A figure that is known without error.
    pub fn exact(value: f64) -> Self {
        Self::around(Some(value), Some(0.0), Some(0.0))
    }

    /// A figure, its standard error and half its interval. Infinities and NaN do not exist.
    pub(super) fn around(value: Option<f64>, se: Option<f64>, half_width: Option<f64>) -> Self {
        let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
        let Some(value) = finite(value) else { return Self::UNDEFINED };
        let (se, half_width) = (finite(se), finite(half_width));
        Self { value: Some(value), se, low: half_width.map(|h| value - h), high: half_width.map(|h| value + h) }
    }

    /// Half the width of the 90 % interval.
    pub fn half_width(&self) -> Option<f64> {
        Some((self.high? - self.low?) / 2.0)
    }
}

/// What the jackknife needs to know of the blocks: those that hold anybody.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Jackknife {
    /// Each block's share of the customers.
    share: Vec<f64>,
    /// Half an interval's width in standard errors.
    t: f64,
}

impl Jackknife {
    /// From the customers in each block; none may be empty.
    pub fn new(sizes: &[usize]) -> Self {
        let n: usize = sizes.iter().sum();
        let freedom = sizes.len().saturating_sub(1).max(1) as f64;
        let law = StudentsT::new(0.0, 1.0, freedom).expect("at least one degree of freedom");
        Self { share: sizes.iter().map(|&m| m as f64 / n as f64).collect(), t: law.inverse_cdf(0.95) }
    }

    /// The figure over all customers with its error from the figures without each block, for blocks of different sizes: Busing,
    /// Meijer & van der Leeden (1999), "Delete-m jackknife for unequal m". The figure itself is not corrected for bias.
    ///
    /// With w_j the share of block j, d_j = θ − θ_−j and D = Σ (1 − w_j) d_j: variance = (1/g) Σ ((1/w_j − 1) d_j − D)² / (1/w_j − 1).
    pub fn measure(&self, value: Option<f64>, without: &[Option<f64>]) -> Measure {
        let se = value.and_then(|value| self.se(value, without));
        Measure::around(value, se, se.map(|se| self.t * se))
    }

    /// The standard error alone.
    pub fn se(&self, value: f64, without: &[Option<f64>]) -> Option<f64> {
        let g = self.share.len();
        if g < 2 {
            return None;
        }
        let d: Vec<f64> = without.iter().map(|other| other.map(|other| value - other)).collect::<Option<_>>()?;
        let mean: f64 = d.iter().zip(&self.share).map(|(d, w)| (1.0 - w) * d).sum();
        let term = |(d, w): (&f64, &f64)| {
            let h = 1.0 / w - 1.0;
            (h * d - mean).powi(2) / h
        };
        Some((d.iter().zip(&self.share).map(term).sum::<f64>() / g as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    #[test]
    fn a_customer_keeps_their_block_and_blocks_are_even() {
        let names: Vec<String> = (0..50_000).map(|i| format!("C{i:06}")).collect();
        let ids: Ids = names.iter().collect();
        let of_all = blocks(&ids);
        let some: Ids = names.iter().rev().step_by(7).collect();
        let again: Vec<u8> = (0..names.len()).rev().step_by(7).map(|i| of_all[i]).collect();
        assert_eq!(blocks(&some), again);
        // χ² with 99 degrees of freedom: 148.2 is its 99.9 % point. Running numbers and those with one last digit alike.
        for rows in [(0..50_000).collect::<Vec<usize>>(), (0..50_000).step_by(10).collect()] {
            let mut counts = [0.0; BLOCKS];
            rows.iter().for_each(|&row| counts[of_all[row] as usize] += 1.0);
            let expected = rows.len() as f64 / BLOCKS as f64;
            let chi2: f64 = counts.iter().map(|k: &f64| (k - expected).powi(2) / expected).sum();
            assert!(chi2 < 148.2, "{chi2}");
        }
    }

    /// With one customer per block the jackknife of a mean is s/√n, exactly; its interval is Student's.
    #[test]
    fn the_error_of_a_mean_is_the_known_one() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0];
        let mean = |skip: usize| {
            let kept: Vec<f64> = (0..5).filter(|i| *i != skip).map(|i| values[i]).collect();
            Some(kept.iter().sum::<f64>() / kept.len() as f64)
        };
        let without: Vec<Option<f64>> = (0..5).map(mean).collect();
        let found = Jackknife::new(&[1; 5]).measure(mean(5), &without);
        // Squares about 2.8: 0.04 + 3.24 + 1.44 + 3.24 + 4.84 = 12.8; s² = 3.2; s/√5 = 0.8. t of 4 degrees at 95 %: 2.131847.
        assert!((found.se.unwrap() - 0.8).abs() < 1e-14);
        assert!((found.half_width().unwrap() - 0.8 * 2.131_847).abs() < 1e-5);
        assert!((found.low.unwrap() + found.high.unwrap() - 2.0 * 2.8).abs() < 1e-12);
    }

    /// A mean over blocks of very different sizes: over 2000 samples the mean square of the error is that of s/√n. Without the weights
    /// it would be several times that.
    #[test]
    fn unequal_blocks_weigh_by_their_size() {
        let sizes = [40, 5, 5, 5, 5, 10, 10, 20];
        let jackknife = Jackknife::new(&sizes);
        let n: usize = sizes.iter().sum();
        let mut squares = 0.0;
        for sample in 0..2000 {
            let rng = &mut Stream::new(5, Purpose::Test, sample, 0);
            let sums: Vec<f64> = sizes.iter().map(|&m| (0..m).map(|_| rng.normal()).sum()).collect();
            let all: f64 = sums.iter().sum();
            let without: Vec<Option<f64>> =
                sums.iter().zip(sizes).map(|(s, m)| Some((all - s) / (n - m) as f64)).collect();
            squares += jackknife.measure(Some(all / n as f64), &without).se.unwrap().powi(2) / 2000.0;
        }
        // A variance from about seven degrees of freedom: relative error √(2/7/2000) = 1.2 % here, and 1/n is 0.01.
        assert!((squares * n as f64 - 1.0).abs() < 0.05, "{squares}");
    }

    #[test]
    fn what_does_not_exist_is_null_everywhere() {
        let jackknife = Jackknife::new(&[2, 2]);
        assert_eq!(jackknife.measure(None, &[Some(1.0), None]), Measure::UNDEFINED);
        let fragile = jackknife.measure(Some(1.0), &[Some(1.0), None]);
        assert_eq!((fragile.value, fragile.se, fragile.high), (Some(1.0), None, None));
        assert_eq!(Jackknife::new(&[4]).measure(Some(1.0), &[None]).se, None);
        assert_eq!(jackknife.measure(Some(f64::NAN), &[Some(1.0); 2]), Measure::UNDEFINED);
        assert_eq!(
            serde_json::to_string(&Measure::UNDEFINED).unwrap(),
            r#"{"value":null,"se":null,"low":null,"high":null}"#
        );
    }
}
