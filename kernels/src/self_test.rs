//! A short comparison of a device with the f64 judge on made-up customers: whether an adapter can be trusted with real ones.

use std::fmt;

use ndarray::{Array2, Array3};

use crate::device::Device;
use crate::difference::elementary::{floats, map_on, worst_ulps};
use crate::difference::{Arrangement, Difference, Differenced, Options};
use crate::rng::{Purpose, Stream};
use crate::{Cells, KernelError, Likelihood, LikelihoodBatch, ParamBatch, bg_nbd, gamma_gamma};

/// What [`self_test`] saw.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTest {
    /// Largest error of a log-likelihood, nats.
    pub log_lik_nats: f64,
    /// Largest error of a slope in the logarithm of a parameter, nats.
    pub slope_nats: f64,
    /// Every comparison, in the order they were made.
    pub checks: Vec<Check>,
}

/// One comparison of the device with f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// The largest error seen; NaN where the device gave one.
    pub error: f64,
    /// The largest error allowed.
    pub limit: f64,
    /// What error and limit are counted in.
    pub unit: &'static str,
}

impl Check {
    /// Whether the error is allowed; NaN never is.
    pub fn passed(&self) -> bool {
        self.error <= self.limit
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: off by {:.1e} {} (limit {})", self.name, self.error, self.unit, self.limit)
    }
}

impl SelfTest {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The checks that did not.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passed())
    }
}

/// What a sampler needs of a log-likelihood, nats.
const LOG_LIK_NATS: f64 = 0.01;

/// Slopes may be ten times worse, since they only steer proposals.
const SLOPE_NATS: f64 = 0.1;

/// Holds the elementary functions and both families, in both arrangements and streamed, against f64: nine chains over 4,000
/// rows in two groups, weights up to a million.
///
/// # Errors
/// The device fails; a device that computes something else than the judge is a [`SelfTest`] that has not passed.
pub fn self_test(device: &Device) -> Result<SelfTest, KernelError> {
    let mut test = SelfTest { log_lik_nats: 0.0, slope_nats: 0.0, checks: Vec::new() };
    test.elementary(device, "log1p", (8e37, -1.0f32.next_down()), f64::ln_1p)?;
    test.elementary(device, "expm1", (87.5, -87.0), f64::exp_m1)?;
    let (cells, spenders) = customers();
    test.family(bg_nbd::Cpu::new(cells)?, device, [0.4, 7.0, 0.9, 2.2])?;
    test.family(gamma_gamma::Cpu::new(spenders)?, device, [6.0, 4.0, 15.0])?;
    Ok(test)
}

/// Rows that look like retail customers, some of them a million customers each.
fn customers() -> (Cells, gamma_gamma::Rows) {
    let mut cells = Cells { n_groups: 2, ..Default::default() };
    let mut spenders = gamma_gamma::Rows { n_groups: 2, ..Default::default() };
    for customer in 0..4000 {
        let mut stream = Stream::new(0, Purpose::Test, customer, 0);
        let age = 1.0 + 100.0 * stream.uniform();
        let x = (1.0 / stream.uniform()).min(200.0) as u32 - 1;
        let weight = if customer % 500 == 0 { 1e6 } else { 1.0 + (3.0 * stream.uniform()).floor() };
        cells.group.push((customer % 2) as u32);
        cells.frequency.push(x);
        cells.recency.push(age * stream.uniform().sqrt());
        cells.age.push(age);
        cells.weight.push(weight);
        if x > 0 {
            spenders.group.push((customer % 2) as u32);
            spenders.frequency.push(x);
            spenders.monetary.push(30.0 * (0.5 * stream.normal()).exp());
            spenders.weight.push(weight);
        }
    }
    (cells, spenders)
}

impl SelfTest {
    fn elementary(
        &mut self,
        device: &Device,
        function: &str,
        (most, least): (f32, f32),
        exact: fn(f64) -> f64,
    ) -> Result<(), KernelError> {
        // A prime step: every exponent, and changing last places.
        const STEP: usize = 500_009;
        let tiny = f32::MIN_POSITIVE;
        let inputs: Vec<f32> = floats(tiny, most, STEP).chain(floats(-tiny, least, STEP)).collect();
        let (error, _) = worst_ulps(&inputs, &map_on(device, function, &inputs)?, exact);
        let unit = "units in the last place";
        self.checks.push(Check { name: function.to_owned(), error, limit: 2.0, unit });
        Ok(())
    }

    fn family<const K: usize, D: Difference<K> + Clone>(
        &mut self,
        judge: D,
        device: &Device,
        centre: [f64; K],
    ) -> Result<(), KernelError> {
        let (chains, groups) = (9, judge.groups());
        let reference = Array3::from_shape_fn((1, groups, K), |(_, _, k)| centre[k]);
        let points = Array3::from_shape_fn((chains, groups, K), |(chain, group, k)| {
            let mut stream = Stream::new(1, Purpose::Test, chain as u64, (group * K + k) as u32);
            centre[k] * (0.2 * (stream.uniform() - 0.5)).exp()
        });
        let judged = evaluate(&mut judge.clone(), &points)?;
        let none = Array2::zeros((1, 0));
        // Room for two thirds of the rows: four pieces through a ring of three.
        let budget_bytes = judge.rows() * size_of::<D::Row>() as u64 * 2 / 3;
        for (arrangement, budget_bytes) in
            [(Arrangement::Rows, None), (Arrangement::Chains, None), (Arrangement::Chains, Some(budget_bytes))]
        {
            let options = Options { arrangement, budget_bytes };
            let mut on_device = Differenced::with(judge.clone(), device, &options)?;
            on_device.set_reference(ParamBatch { per_group: reference.view(), shared: none.view() })?;
            let seen = evaluate(&mut on_device, &points)?;
            let log_lik = largest((&seen.log_lik - &judged.log_lik).into_iter());
            let slope = largest(((&seen.per_group - &judged.per_group) * &points).into_iter());
            let streamed = if on_device.chunks().1 { ", streamed" } else { "" };
            let name = |what: &str| format!("{} by {arrangement}{streamed}, {what}", D::STEM);
            let unit = "nat";
            self.checks.push(Check { name: name("log-likelihoods"), error: log_lik, limit: LOG_LIK_NATS, unit });
            self.checks.push(Check { name: name("slopes"), error: slope, limit: SLOPE_NATS, unit });
            self.log_lik_nats = larger(self.log_lik_nats, log_lik);
            self.slope_nats = larger(self.slope_nats, slope);
        }
        Ok(())
    }
}

fn evaluate(likelihood: &mut dyn Likelihood, points: &Array3<f64>) -> Result<LikelihoodBatch, KernelError> {
    let (chains, groups, k) = points.dim();
    let (mut out, none) = (LikelihoodBatch::new(chains, groups, k, 0), Array2::zeros((chains, 0)));
    likelihood.evaluate(ParamBatch { per_group: points.view(), shared: none.view() }, &mut out)?;
    Ok(out)
}

fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |worst, error| larger(worst, error.abs()))
}

/// The larger of two errors, NaN being the largest.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_passes() {
        let Some(device) = crate::adapter::device() else { return };
        let seen = self_test(&device).expect("the device works");
        for check in &seen.checks {
            eprintln!("{check}");
        }
        assert_eq!(seen.checks.len(), 2 + 2 * 3 * 2);
        assert!(seen.checks.iter().any(|check| check.name == "bg_nbd by chains, streamed, slopes"));
        assert!(seen.passed(), "{seen:?}");
    }

    #[test]
    fn nan_never_passes() {
        let error = larger(larger(0.0, f64::NAN), 1e-9);
        let check = Check { name: "log1p".to_owned(), error, limit: 2.0, unit: "units in the last place" };
        let seen = SelfTest { log_lik_nats: 0.0, slope_nats: 0.0, checks: vec![check] };
        let said: Vec<String> = seen.failed().map(Check::to_string).collect();
        assert_eq!(said, ["log1p: off by NaN units in the last place (limit 2)"]);
    }
}
