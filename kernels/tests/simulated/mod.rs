//! Simulated customers, and parameter batches for the kernels' tests.

use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, ParamBatch, gamma_gamma};
use ndarray::{Array2, Array3};

/// Cells of `groups` groups, mixed and unsorted, that look like two years of retail customers by the day; weights are small
/// whole numbers, and a share `heavy` of the cells weighs a hundred thousand.
pub fn cells(groups: u32, n: u64, heavy: f64) -> Cells {
    let mut cells = Cells { n_groups: groups as usize, ..Default::default() };
    for i in 0..n {
        let mut stream = Stream::new(11, Purpose::Test, i, 0);
        let mut uniform = || stream.uniform();
        let age = (uniform() * 730.0).ceil() / 7.0;
        // Half of the customers never return; the others' counts fall off like a power.
        let x = if uniform() < 0.5 { 0 } else { (1.0 / uniform().max(0.005)).floor() as u32 };
        let t_x = if x == 0 { 0.0 } else { ((age * uniform().sqrt() * 7.0).ceil() / 7.0).min(age) };
        cells.group.push((uniform() * f64::from(groups)) as u32);
        cells.frequency.push(x);
        cells.recency.push(t_x);
        cells.age.push(age);
        cells.weight.push(if uniform() < heavy { 1e5 } else { (uniform() * 4.0).ceil() });
    }
    cells
}

/// Spenders of `groups` groups with continuous mean spend; weights as in [`cells`].
pub fn spenders(groups: u32, n: u64, heavy: f64) -> gamma_gamma::Rows {
    let mut rows = gamma_gamma::Rows { n_groups: groups as usize, ..Default::default() };
    for i in 0..n {
        let mut stream = Stream::new(12, Purpose::Test, i, 0);
        rows.group.push((stream.uniform() * f64::from(groups)) as u32);
        rows.frequency.push((1.0 / stream.uniform().max(0.01)).floor() as u32);
        rows.monetary.push(35.0 * (0.6 * stream.normal()).exp());
        rows.weight.push(if stream.uniform() < heavy { 1e5 } else { 1.0 });
    }
    rows
}

/// `[chain, group, K]` points scattered around `centre`: each parameter times a factor within e^±spread.
pub fn batch<const K: usize>(chains: usize, groups: usize, centre: [f64; K], spread: f64) -> Array3<f64> {
    Array3::from_shape_fn((chains, groups, K), |(chain, group, k)| {
        let mut stream = Stream::new(13, Purpose::Test, chain as u64, (group * K + k) as u32);
        centre[k] * (spread * (2.0 * stream.uniform() - 1.0)).exp()
    })
}

/// Value and gradient at `params`.
pub fn evaluate(likelihood: &mut dyn Likelihood, params: &Array3<f64>) -> LikelihoodBatch {
    let (chains, groups, k) = params.dim();
    let mut out = LikelihoodBatch::new(chains, groups, k, 0);
    let shared = Array2::zeros((chains, 0));
    let batch = ParamBatch { per_group: params.view(), shared: shared.view() };
    likelihood.evaluate(batch, &mut out).expect("the machine works");
    out
}
