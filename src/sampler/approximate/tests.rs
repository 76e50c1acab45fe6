//! Approximations of densities whose answers are known, and of some that no normal fits.

use ndarray::Array1;

use super::*;
use crate::sampler::targets::{Full, Memory, Toy};

fn settings(kind: Approximation) -> ApproximateSettings {
    ApproximateSettings { kind, chains: 4, draws: 1000, resample: kind == Approximation::Pathfinder, seed: 8 }
}

fn run(density: &mut Toy, settings: &ApproximateSettings) -> (Memory, Approximated) {
    let mut memory = Memory::default();
    let at = Array1::from_elem(density.dim(), 0.3);
    let out = approximate(density, settings, &at, None, &mut memory, &mut |_| Watch::Continue).expect("an answer");
    (memory, out)
}

fn k(out: &Approximated) -> f64 {
    out.trust.expect("trust").pareto_k.expect("a finite k")
}

/// Covariance S (I + c 11ᵀ) S over three decades: the ratios of a normal over itself are constant, so k̂ is 0, every draw counts, and the
/// bound is the evidence: ½ ln det(2πΣ), as the toy is not normalised.
#[test]
fn a_normal_is_its_own_approximation() {
    let sd = [1e-2, 1.0, 50.0, 3.0];
    let c = 2.0f64;
    let evidence =
        2.0 * std::f64::consts::TAU.ln() + sd.iter().map(|s: &f64| s.ln()).sum::<f64>() + 0.5 * (1.0 + 4.0 * c).ln();
    let (memory, out) = run(&mut Toy::rank_one(sd.to_vec(), c), &settings(Approximation::Laplace));
    let trust = out.trust.expect("trust");
    assert_eq!((trust.weighted_draws, trust.impossible_draws), (4000, 0));
    assert!(k(&out) < 0.1, "{trust:?}");
    // The mode is found to 1e-9 nats, so the mean of ½ r'Σ⁻¹r differs from the exact bound by less than that.
    assert!((trust.elbo.expect("a bound") - evidence).abs() < 1e-6, "{trust:?} for {evidence}");
    assert!((trust.effective_draws - 4000.0).abs() < 0.01);
    let draws = memory.draws();
    assert_eq!(draws.dim(), (4, 1000, 4));
    for (i, sd) in sd.iter().enumerate() {
        let column = draws.slice(ndarray::s![.., .., i]);
        let variance = sd * sd * (1.0 + c);
        let mean = column.mean().expect("draws");
        let square = column.iter().map(|x| x * x).sum::<f64>() / 4000.0;
        // Independent draws: five standard errors of a mean and of a variance.
        assert!(mean.abs() < 5.0 * (variance / 4000.0).sqrt(), "mean {i}: {mean}");
        assert!((square / variance - 1.0).abs() < 5.0 * (2.0f64 / 4000.0).sqrt(), "variance {i}: {square}");
    }
}

/// The toy's constrained values are e^q: at the mode (1, 2, 3) they are e, e², e³, and the delta method says e^m · sd.
#[test]
fn a_mode_comes_with_standard_errors() {
    let sd = [0.1, 0.5, 2.0];
    let (memory, out) = run(&mut Toy::independent(sd.to_vec()), &settings(Approximation::Map));
    assert_eq!(memory.commits.len(), 1);
    assert_eq!(memory.draws().dim(), (1, 1, 3));
    assert_eq!((out.ridge, out.trust), (Some(0.0), None));
    for (i, s) in sd.iter().enumerate() {
        let value = memory.commits[0].constrained[[0, 0, i]];
        let m = (i + 1) as f64;
        // A mode within 1e-9 nats lies within 5e-5 sds; h²/6 of the step 1e-3 is below 1e-6 even for sd 2.
        assert!((value.ln() - m).abs() < 1e-4 * s, "{value}");
        let se = out.standard_errors.as_ref().expect("standard errors")[i];
        assert!((se / (m.exp() * s) - 1.0).abs() < 1e-3, "{se}");
    }
}

/// Correlated normals: 20 round coordinates with one stretched direction, and four coordinates of unlike scales. Moments are those of the
/// density, within five standard errors at the effective number of draws.
#[test]
fn pathfinder_finds_a_normal() {
    for (sd, c) in [(vec![1.0; 20], 0.3), (vec![0.3, 1.0, 3.0, 10.0], 1.0)] {
        let settings = ApproximateSettings { chains: 5, draws: 800, ..settings(Approximation::Pathfinder) };
        let (memory, out) = run(&mut Toy::rank_one(sd.clone(), c), &settings);
        assert_eq!(out.paths.len(), 5);
        assert!(k(&out) < 0.7, "{out:?}");
        let (draws, worth) = (memory.draws(), out.trust.expect("trust").effective_draws);
        assert!(worth > 400.0, "{out:?}");
        for (i, sd) in sd.iter().enumerate() {
            let scale = sd * (1.0 + c).sqrt();
            let z: Vec<f64> = draws.slice(ndarray::s![.., .., i]).iter().map(|x| x / scale).collect();
            let mean = z.iter().sum::<f64>() / 4000.0;
            let square = z.iter().map(|z| z * z).sum::<f64>() / 4000.0;
            assert!(mean.abs() < 5.0 / worth.sqrt(), "mean {i}: {mean} of {worth} draws");
            assert!((square - 1.0).abs() < 5.0 * (2.0 / worth).sqrt(), "variance {i}: {square} of {worth} draws");
        }
    }
}

/// Rosenbrock's banana and Neal's funnel: no normal fits, and k̂ says so.
#[test]
fn what_is_not_normal_is_refused() {
    let banana = || {
        Toy::new(2, |q, g| {
            let b = q[1] - q[0] * q[0];
            g[0] = -q[0] / 4.0 + 200.0 * b * q[0];
            g[1] = -100.0 * b;
            -q[0] * q[0] / 8.0 - 50.0 * b * b
        })
    };
    for kind in [Approximation::Laplace, Approximation::Pathfinder] {
        for (name, toy) in [("banana", &mut banana()), ("funnel", &mut Toy::funnel(9))] {
            let (_, out) = run(toy, &settings(kind));
            let trust = out.trust.expect("trust");
            assert!(trust.pareto_k.is_none_or(|k| k > 0.7), "{kind}, {name}: {trust:?}");
        }
    }
}

/// Student t with 10 degrees of freedom has heavier tails than the normal at its mode. Chosen by weight, draws have its variance 10/8;
/// plain ones have the normal's, ν/(ν + 1).
#[test]
fn chosen_draws_are_nearer_the_density() {
    let plain = settings(Approximation::Laplace);
    let chosen = ApproximateSettings { resample: true, ..plain.clone() };
    let variance = |settings| {
        let (memory, out) = run(&mut Toy::student(2, 10.0), settings);
        (memory.draws().iter().map(|x| x * x).sum::<f64>() / 8000.0, out)
    };
    let ((plain, _), (chosen, out)) = (variance(&plain), variance(&chosen));
    assert!(out.resampled && out.trust.expect("trust").weighted_draws == 16_000);
    assert!((plain - 10.0 / 11.0).abs() < 0.08, "{plain}");
    // The weights' own variance is infinite here in principle; what must hold is that most of the gap is closed.
    assert!((chosen - 1.25).abs() < 0.5 * (1.25 - plain).abs(), "{chosen} where plain draws have {plain}");
}

/// What was committed is not committed again, and the report is the same; a sink that refuses is an error; the watcher can stop it.
#[test]
fn it_begins_again_and_commits_once() {
    for kind in [Approximation::Map, Approximation::Laplace, Approximation::Pathfinder] {
        let settings = settings(kind);
        let (first, report) = run(&mut Toy::student(3, 8.0), &settings);
        let at = Array1::from_elem(3, 0.3);
        let again = |resume, sink: &mut dyn DrawSink, watch: &mut dyn FnMut(&Progress) -> Watch| {
            approximate(&mut Toy::student(3, 8.0), &settings, &at, resume, sink, watch)
        };
        let mut memory = Memory::default();
        let repeated =
            again(Some(&first.commits[0].checkpoint), &mut memory, &mut |_| Watch::Continue).expect("a report");
        assert!(memory.commits.is_empty());
        assert_eq!(repeated, report);
        again(None, &mut memory, &mut |_| Watch::Continue).expect("a second run");
        assert_eq!(memory.commits, first.commits);
        assert!(matches!(again(None, &mut Full, &mut |_| Watch::Continue), Err(SampleError::Storage(_))));
        assert!(matches!(again(None, &mut memory, &mut |_| Watch::Stop), Err(SampleError::Stopped)));
    }
}

#[test]
fn large_hessians_are_refused_with_advice() {
    let mut toy = Toy::independent(vec![1.0; MAX_WHOLE_HESSIAN_DIM + 1]);
    let at = Array1::zeros(MAX_WHOLE_HESSIAN_DIM + 1);
    let mut run = |kind| {
        let settings = ApproximateSettings { draws: 50, ..settings(kind) };
        approximate(&mut toy, &settings, &at, None, &mut Memory::default(), &mut |_| Watch::Continue)
    };
    let error = run(Approximation::Laplace).expect_err("too large").to_string();
    assert!(error.contains("1024 coordinates") && error.contains("pathfinder"), "{error}");
    assert!(run(Approximation::Pathfinder).is_ok());
}

/// A saddle has no standard errors, and a report that says so.
#[test]
fn a_saddle_has_no_standard_errors() {
    let mut toy = Toy::new(2, |q, g| {
        g[0] = -q[0];
        g[1] = 0.0 * q[1];
        -0.5 * q[0] * q[0]
    });
    let (_, out) = run(&mut toy, &settings(Approximation::Map));
    assert!(out.ridge != Some(0.0) && out.standard_errors.is_none(), "{out:?}");
}
