//! How well hierarchies sample in their default coordinates, on densities that say of every group exactly what its pilot says.

use ndarray::Axis;

use super::*;
use crate::diagnose::{ess_bulk, r_hat};
use crate::kernels::PointwiseBatch;
use crate::sampler::{self, Settings, Start, Watch};
use crate::target::{Checkpoint, DrawBlock, DrawSink, SinkError};

/// ln L = −½ Σ τ (z − ẑ)² over groups and parameters of the shifted beta-geometric: z = (logit φ, ln κ).
struct Rough {
    pilot: Pilot,
}

impl Likelihood for Rough {
    fn groups(&self) -> usize {
        self.pilot.centre.nrows()
    }
    fn rows(&self) -> u64 {
        1
    }
    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        for (chain, theta) in params.per_group.axis_iter(Axis(0)).enumerate() {
            out.log_lik[chain] = 0.0;
            for g in 0..self.groups() {
                let (a, b) = (theta[[g, 0]], theta[[g, 1]]);
                let slope = |k: usize, z: f64| -self.pilot.precision[[g, k]] * (z - self.pilot.centre[[g, k]]);
                let (d_phi, d_kappa) = (slope(0, (a / b).ln()), slope(1, (a + b).ln()));
                for (k, d) in [d_phi, d_kappa].into_iter().enumerate() {
                    let tau = self.pilot.precision[[g, k]];
                    out.log_lik[chain] -= if tau > 0.0 { 0.5 * d * d / tau } else { 0.0 };
                }
                out.per_group[[chain, g, 0]] = d_phi / a + d_kappa / (a + b);
                out.per_group[[chain, g, 1]] = -d_phi / b + d_kappa / (a + b);
            }
        }
        Ok(())
    }
    fn set_reference(&mut self, _: ParamBatch<'_>) -> Result<(), KernelError> {
        Ok(())
    }
    fn pointwise(
        &mut self,
        _: ParamBatch<'_>,
        _: std::ops::Range<u64>,
        _: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        Err(KernelError::new("not for this test", "ask another likelihood"))
    }
}

/// Constrained draws by chain.
#[derive(Default)]
struct Kept(Vec<Array3<f64>>);

impl DrawSink for Kept {
    fn commit(&mut self, block: &DrawBlock<'_>, _: &Checkpoint) -> Result<(), SinkError> {
        self.0.push(block.constrained.to_owned());
        Ok(())
    }
}

/// Effects around a truth that was drawn with a spread of 0.4 per level, known as precisely as `tau` says.
fn rough(counts: &[usize], tau: impl Fn(usize, usize) -> f64) -> (Groups, Pilot) {
    let groups = tree(counts);
    let mut z = vec![[-1.0, 1.0]];
    for (level, &count) in counts.iter().enumerate() {
        let child = |(p, parent): (usize, &[f64; 2])| {
            let parent = *parent;
            (0..count).map(move |i| {
                let mut stream = Stream::new(17, Purpose::Test, (p * count + i) as u64, level as u32);
                parent.map(|z| z + 0.4 * stream.normal())
            })
        };
        z = z.iter().enumerate().flat_map(child).collect();
    }
    let noise = |g: usize, k: usize| Stream::new(18, Purpose::Test, g as u64, k as u32).normal();
    let shape = (groups.labels.len(), 2);
    let precision = Array2::from_shape_fn(shape, |(g, k)| tau(g, k));
    let seen = |g: usize, k: usize| if tau(g, k) > 0.0 { z[g][k] + noise(g, k) / tau(g, k).sqrt() } else { 0.0 };
    (groups, Pilot { centre: Array2::from_shape_fn(shape, |(g, k)| seen(g, k)), precision })
}

/// Smallest effective sample size over all values, per draw, and largest R-hat.
fn sampled(groups: &Groups, pilot: Pilot, spec: &PriorSpec) -> (f64, f64) {
    let (_, scale, _) = world(2, 10);
    let family = family("s_bg").unwrap();
    let likelihood = Box::new(Rough { pilot: pilot.clone() });
    let mut p = Posterior::new(family, likelihood, groups, spec, &scale).unwrap().informed(pilot, &scale);
    let settings = Settings { warmup: 400, draws: 400, seed: 3, ..Settings::default() };
    let (start, mut kept) = (Start::at(p.start()), Kept::default());
    sampler::sample(&mut p, &settings, &start, None, &mut kept, &mut |_| Watch::Continue).unwrap();
    let views: Vec<_> = kept.0.iter().map(|block| block.view()).collect();
    let draws = ndarray::concatenate(Axis(1), &views).unwrap();
    let values = |of: &dyn Fn(ArrayView2<'_, f64>) -> f64| -> Vec<f64> { draws.axis_iter(Axis(2)).map(of).collect() };
    let least = values(&|v| ess_bulk(v)).into_iter().fold(f64::INFINITY, f64::min);
    (least / (4.0 * 400.0), values(&|v| r_hat(v)).into_iter().fold(1.0, f64::max))
}

#[test]
fn nested_groups_sample_well_rich_or_poor() {
    let lkj = "hierarchy.correlation = { dist = \"lkj\", eta = 2.0 }";
    // Precisions: rich groups are known to a hundredth of their spread, poor ones to three times it, some not at all.
    let mixed = |g: usize, _: usize| [60_000.0, 700.0, 6.0, 0.7][g % 4];
    let one_knows = |g: usize, k: usize| if k == 0 { 5_000.0 } else { [0.0, 0.5][g % 2] };
    type Tau = fn(usize, usize) -> f64;
    let rows: [(&str, &[usize], Tau, &str); 7] = [
        ("few rich", &[3, 4], |_, _| 60_000.0, ""),
        ("many poor", &[6, 10], |_, _| 0.7, ""),
        ("both", &[4, 8], mixed, ""),
        ("three levels", &[3, 3, 4], mixed, ""),
        ("correlated, rich", &[12], |_, _| 60_000.0, lkj),
        ("correlated, both", &[4, 8], mixed, lkj),
        ("correlated, one parameter known", &[12], one_knows, lkj),
    ];
    for (name, counts, tau, spec_text) in rows {
        let (groups, pilot) = rough(counts, tau);
        let (least, r_hat) = sampled(&groups, pilot, &spec(spec_text));
        println!("{name}: least ESS per draw {least:.2}, largest R-hat {r_hat:.3}");
        // 400 of 1,600 draws would pass the program's own limit of 400 after its default of 4,000 with more than twice to spare.
        assert!(least > 0.25 && r_hat < 1.03, "{name}: {least} effective per draw, R-hat {r_hat}");
    }
}
