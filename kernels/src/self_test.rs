//! A short comparison of a device with the f64 judge on made-up customers: whether an adapter can be trusted with real ones.

use ndarray::{Array2, Array3, ArrayView3};

use crate::device::Device;
use crate::difference::{Difference, Differenced};
use crate::rng::{Purpose, Stream};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, bg_nbd, gamma_gamma};

/// What [`self_test`] saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfTest {
    /// Largest error of a log-likelihood, nats.
    pub log_lik_nats: f64,
    /// Largest error of a slope in the logarithm of a parameter, nats.
    pub slope_nats: f64,
}

impl SelfTest {
    /// What a sampler needs: 0.01 nat in a log-likelihood. Slopes may be ten times worse, since they only steer proposals.
    pub fn passed(&self) -> bool {
        self.log_lik_nats < 0.01 && self.slope_nats < 0.1
    }
}

/// Evaluates both families for nine chains over 4,000 customers in two groups, on the device and in f64.
///
/// # Errors
/// The device fails; a device that computes something else than the judge is a [`SelfTest`] that has not passed.
pub fn self_test(device: &Device) -> Result<SelfTest, KernelError> {
    let mut cells = bg_nbd::Cells { n_groups: 2, ..Default::default() };
    let mut spenders = gamma_gamma::Rows { n_groups: 2, ..Default::default() };
    for customer in 0..4000 {
        let mut stream = Stream::new(0, Purpose::Test, customer, 0);
        let age = 1.0 + 100.0 * stream.uniform();
        let x = (1.0 / stream.uniform()).min(200.0) as u32 - 1;
        cells.group.push((customer % 2) as u32);
        cells.frequency.push(x);
        cells.recency.push(age * stream.uniform().sqrt());
        cells.age.push(age);
        cells.weight.push(1.0 + (3.0 * stream.uniform()).floor());
        if x > 0 {
            spenders.group.push((customer % 2) as u32);
            spenders.frequency.push(x);
            spenders.monetary.push(30.0 * (0.5 * stream.normal()).exp());
            spenders.weight.push(1.0);
        }
    }
    let purchases = compare(bg_nbd::Cpu::new(cells)?, device, [0.4, 7.0, 0.9, 2.2])?;
    let spend = compare(gamma_gamma::Cpu::new(spenders)?, device, [6.0, 4.0, 15.0])?;
    Ok(SelfTest {
        log_lik_nats: larger(purchases.log_lik_nats, spend.log_lik_nats),
        slope_nats: larger(purchases.slope_nats, spend.slope_nats),
    })
}

fn compare<const K: usize, D: Difference<K>>(
    judge: D,
    device: &Device,
    centre: [f64; K],
) -> Result<SelfTest, KernelError> {
    let mut on_device = Differenced::new(judge, device)?;
    let (chains, groups) = (9, on_device.groups());
    let reference = Array3::from_shape_fn((1, groups, K), |(_, _, k)| centre[k]);
    let points = Array3::from_shape_fn((chains, groups, K), |(chain, group, k)| {
        let mut stream = Stream::new(1, Purpose::Test, chain as u64, (group * K + k) as u32);
        centre[k] * (0.2 * (stream.uniform() - 0.5)).exp()
    });
    let none = Array2::zeros((chains, 0));
    let batch = |per_group| ParamBatch { per_group, shared: none.view() };
    on_device.set_reference(batch(reference.view()))?;
    let seen = evaluate(&mut on_device, batch(points.view()), points.view())?;
    let judged = evaluate(on_device.judge_mut(), batch(points.view()), points.view())?;
    let largest =
        |errors: &mut dyn Iterator<Item = f64>| errors.fold(0.0, |worst: f64, error| larger(worst, error.abs()));
    Ok(SelfTest {
        log_lik_nats: largest(&mut (&seen.log_lik - &judged.log_lik).into_iter()),
        slope_nats: largest(&mut ((&seen.per_group - &judged.per_group) * &points).into_iter()),
    })
}

fn evaluate(
    likelihood: &mut dyn Likelihood,
    batch: ParamBatch<'_>,
    points: ArrayView3<'_, f64>,
) -> Result<LikelihoodBatch, KernelError> {
    let (chains, groups, k) = points.dim();
    let mut out = LikelihoodBatch::new(chains, groups, k, 0);
    likelihood.evaluate(batch, &mut out)?;
    Ok(out)
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
        eprintln!("{}: {seen:?}", device.adapter());
        assert!(seen.passed(), "{seen:?}");
    }

    #[test]
    fn nan_never_passes() {
        let seen = SelfTest { log_lik_nats: larger(larger(0.0, f64::NAN), 1e-9), slope_nats: 0.0 };
        assert!(!seen.passed());
    }
}
