//! What is known of simulated customers, coefficients, and the families with the parameters that terms move.

use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Covariates, Likelihood, LikelihoodBatch, ParamBatch, Term};
use ndarray::{Array2, Array3};

/// A family, parameters that fit retail customers, and those that terms move.
pub struct Case {
    pub name: &'static str,
    pub centre: [f64; 4],
    pub parameters: &'static [usize],
}

/// Every way in which sums are put together.
pub const FAMILIES: &[Case] = &[
    Case { name: "BG/NBD", centre: [0.4, 7.0, 0.9, 2.2], parameters: &[1] },
    Case { name: "BG/NBD", centre: [0.4, 7.0, 0.9, 2.2], parameters: &[3, 1, 2] },
    Case { name: "BG/NBD", centre: [0.4, 7.0, 0.9, 2.2], parameters: &[2] },
    Case { name: "MBG/NBD", centre: [0.5, 6.0, 0.9, 1.6], parameters: &[1] },
    Case { name: "MBG/NBD", centre: [0.5, 6.0, 0.9, 1.6], parameters: &[1, 2, 3] },
    Case { name: "Pareto/NBD", centre: [0.6, 10.0, 0.6, 12.0], parameters: &[1] },
    Case { name: "Pareto/NBD", centre: [0.6, 10.0, 0.6, 12.0], parameters: &[3, 1] },
];

/// Standard normal columns, each moving all of `parameters`.
pub fn known(rows: u64, columns: usize, parameters: &[usize]) -> Covariates {
    let values = Array2::from_shape_fn((rows as usize, columns), |(row, column)| {
        Stream::new(51, Purpose::Test, row as u64, column as u32).normal()
    });
    let terms = parameters.iter().flat_map(|k| (0..columns).map(|column| Term { parameter: *k, column })).collect();
    Covariates { values, terms }
}

/// `[chain, term]` coefficients, normal with standard deviation `spread`.
pub fn gammas(chains: usize, terms: usize, spread: f64) -> Array2<f64> {
    Array2::from_shape_fn((chains, terms), |(chain, term)| {
        spread * Stream::new(52, Purpose::Test, chain as u64, term as u32).normal()
    })
}

/// Value and gradient.
pub fn evaluate(likelihood: &mut dyn Likelihood, params: &Array3<f64>, gamma: &Array2<f64>) -> LikelihoodBatch {
    let (chains, groups, k) = params.dim();
    let mut out = LikelihoodBatch::new(chains, groups, k, gamma.ncols());
    let batch = ParamBatch { per_group: params.view(), shared: gamma.view() };
    likelihood.evaluate(batch, &mut out).expect("the machine works");
    out
}
