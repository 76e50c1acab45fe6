//! The made-up posterior: parameters, chains, energies, pairs, sensitivity, and what the machine gave. Generated, none of it measured.

use super::super::view::*;
use super::random;
use crate::diagnose::{FitSensitivity, Lean, ParameterSensitivity, Sensitivity};
use crate::run::ResourceSample;

pub(super) fn parameters(groups: usize) -> Vec<Parameter> {
    let families = [
        ("purchase", "r", 0.243, 0.0129),
        ("purchase", "alpha", 4.41, 0.39),
        ("purchase", "a", 0.79, 0.192),
        ("purchase", "b", 2.43, 0.75),
        ("spend", "p", 6.25, 1.19),
        ("spend", "q", 3.74, 0.29),
        ("spend", "v", 15.44, 3.1),
    ];
    let labels = super::groups(groups).rows;
    let mut out = Vec::new();
    for (k, (fit, name, mean, sd)) in families.into_iter().enumerate() {
        out.push(parameter(fit, name, None, mean, sd, k as u64));
    }
    for (k, (fit, name, mean, sd)) in families.into_iter().enumerate() {
        if groups > 1 {
            out.push(parameter(fit, &format!("sigma_{name}"), None, 0.12, 0.05, 40 + k as u64));
        }
        for (g, group) in labels.iter().enumerate().skip(1) {
            let index = 1_000 * (k as u64 + 1) + g as u64;
            let shift = 1.0 + 0.1 * random(index).normal();
            out.push(parameter(fit, name, Some(group.label.clone()), mean * shift, sd * 1.6, index));
        }
    }
    out
}

fn parameter(fit: &str, name: &str, group: Option<String>, mean: f64, sd: f64, index: u64) -> Parameter {
    let mut noise = random(10_000 + index);
    let population = group.is_none();
    // A gamma-shaped density: mean m, variance s².
    let (shape, rate) = ((mean / sd).powi(2), mean / sd.powi(2));
    let x: Vec<f64> = (0..60).map(|i| (mean + sd * (f64::from(i) / 10.0 - 2.6)).max(1e-6)).collect();
    let mode = ((shape - 1.0) / rate).max(1e-6);
    let log = |v: f64| (shape - 1.0) * v.ln() - rate * v;
    let y = x.iter().map(|v| (log(*v) - log(mode)).exp()).collect();
    let mut chain = |_| -> Vec<f64> {
        let mut state = 0.0;
        (0..250)
            .map(|_| {
                state = 0.3 * state + 0.954 * noise.normal();
                (mean + sd * state).max(mean * 0.1)
            })
            .collect()
    };
    let trace = if population { (0..4).map(&mut chain).collect() } else { Vec::new() };
    let ranks = if population {
        (0..4).map(|_| (0..20).map(|_| (50.0 + 8.0 * noise.normal()).max(0.0) as u32).collect()).collect()
    } else {
        Vec::new()
    };
    let autocorrelation = if population {
        (0..4)
            .map(|c| {
                (0..=40)
                    .map(|k| {
                        0.3f64.powi(k) + if k == 0 { 0.0 } else { 0.03 * random(index + c + 17 * k as u64).normal() }
                    })
                    .collect()
            })
            .collect()
    } else {
        Vec::new()
    };
    let growth = if population {
        (1..=10)
            .map(|i| Growth {
                draws: 400 * i,
                bulk: 210.0 * i as f64 * (1.0 + 0.04 * noise.normal()),
                tail: 180.0 * i as f64 * (1.0 + 0.06 * noise.normal()),
            })
            .collect()
    } else {
        Vec::new()
    };
    let prior = population.then(|| {
        let x: Vec<f64> = (0..60).map(|i| (mean + sd * (f64::from(i) / 4.0 - 6.0)).max(1e-6)).collect();
        let y = x.iter().map(|v| 0.25 * (-0.5 * ((v - 1.3 * mean) / (4.0 * sd)).powi(2)).exp()).collect();
        Density { x, y }
    });
    Parameter {
        fit: fit.into(),
        name: name.into(),
        coords: group.map(|g| ("cohort".to_owned(), g)).into_iter().collect(),
        mean,
        sd,
        q05: mean - 1.55 * sd,
        q50: mean - 0.05 * sd,
        q95: mean + 1.75 * sd,
        r_hat: 1.0 + 0.006 * noise.uniform(),
        ess_bulk: 1_200.0 + 2_500.0 * noise.uniform(),
        ess_tail: 1_200.0 + 2_000.0 * noise.uniform(),
        concern: None,
        density: Some(Density { x, y }),
        trace,
        ranks,
        autocorrelation,
        growth,
        prior,
    }
}

/// One parameter whose chains sit in four places, with the shapes of another's.
pub(super) fn stuck(p: &mut Parameter, like: &Parameter) {
    p.trace = like.trace.clone();
    for (chain, values) in p.trace.iter_mut().enumerate() {
        for v in values {
            *v += 0.4 * chain as f64;
        }
    }
    p.ranks =
        (0..4).map(|chain| (0..20).map(|bin| (95 - 5 * bin) * chain + 10 * bin / (chain + 1)).collect()).collect();
    p.autocorrelation = (0..4).map(|c| (0..=40).map(|k| (0.97 - 0.01 * f64::from(c)).powi(k)).collect()).collect();
    p.growth =
        (1..=10).map(|i| Growth { draws: 400 * i, bulk: 8.0 + 0.1 * i as f64, tail: 21.0 + 0.3 * i as f64 }).collect();
    p.r_hat = 1.38;
    p.ess_bulk = 9.0;
    p.ess_tail = 24.0;
    p.concern = Some("R-hat 1.38 above 1.01: the chains disagree".into());
}

fn bell(sd: f64) -> Density {
    let x: Vec<f64> = (0..80).map(|i| sd * (f64::from(i) / 10.0 - 4.0)).collect();
    let y = x.iter().map(|v| (-0.5 * (v / sd).powi(2)).exp() / sd).collect();
    Density { x, y }
}

/// Both fits, the first with so many divergences.
pub(super) fn chains(divergences: u64) -> Vec<FitChains> {
    let draw = |index: u64, corner: f64| -> Vec<f64> {
        let mut noise = random(50_000 + index);
        let a = 0.79 + 0.19 * (noise.normal() * (1.0 - corner) - 2.0 * corner);
        let b = 2.43 + 3.6 * (a - 0.79) + 0.15 * noise.normal();
        vec![0.243 + 0.0129 * noise.normal(), 4.41 + 0.39 * noise.normal(), a, b]
    };
    let energy = |wide: f64, e_bfmi: Vec<f64>| Some(Energy { marginal: bell(2.0), transition: bell(wide), e_bfmi });
    let sick = divergences > 0;
    vec![
        FitChains {
            fit: "purchase".into(),
            chains: 4,
            draws: 1_000,
            divergences,
            energy: if sick {
                energy(0.9, vec![0.21, 0.34, 0.27, 0.4])
            } else {
                energy(2.05, vec![1.05, 0.98, 1.12, 1.01])
            },
            pairs: Some(Pairs {
                names: ["r", "alpha", "a", "b"].map(String::from).to_vec(),
                points: (0..250).map(|i| draw(i, 0.0)).collect(),
                divergent: (0..divergences.min(60)).map(|i| draw(1_000 + i, 0.85)).collect(),
                strongest: Some((2, 3, 0.97)),
            }),
        },
        FitChains {
            fit: "spend".into(),
            chains: 4,
            draws: 1_000,
            divergences: 0,
            energy: energy(2.0, vec![1.1, 1.0, 0.95, 1.04]),
            pairs: Some(Pairs {
                names: ["p", "v"].map(String::from).to_vec(),
                points: (0..250).map(|i| draw(5_000 + i, 0.0)[2..].to_vec()).collect(),
                divergent: Vec::new(),
                strongest: Some((0, 1, -0.88)),
            }),
        },
    ]
}

/// One parameter that leans on its prior, one that the prior decides.
pub(super) fn sensitivity() -> Sensitivity {
    let one = |parameter: &str, prior, likelihood, diagnosis| ParameterSensitivity {
        parameter: parameter.into(),
        prior,
        likelihood,
        diagnosis,
    };
    Sensitivity {
        schema_version: 1,
        threshold: 0.05,
        fits: vec![
            FitSensitivity {
                fit: "purchase".into(),
                pareto_k: 0.12,
                parameters: vec![
                    one("r", 0.008, 0.11, Lean::Data),
                    one("alpha", 0.012, 0.1, Lean::Data),
                    one("a", 0.071, 0.13, Lean::Conflict),
                    one("sigma_r", 0.19, 0.02, Lean::Prior),
                ],
            },
            FitSensitivity {
                fit: "spend".into(),
                pareto_k: 0.31,
                parameters: vec![one("p", 0.02, 0.09, Lean::Data), one("q", 0.015, 0.1, Lean::Data)],
            },
        ],
    }
}

/// A minute of work on eight processors, and a GPU from the fit on.
pub(super) fn resources() -> Resources {
    let mut samples = Vec::new();
    for (step, seconds, memory, busy, gpu) in [
        ("summarize", 2.0, 120.0, 5.5, 0.0),
        ("fit", 38.0, 410.0, 1.4, 0.92),
        ("diagnose", 3.0, 520.0, 7.4, 0.0),
        ("predict", 14.0, 780.0, 2.2, 0.85),
        ("segment", 0.4, 700.0, 1.0, 0.0),
    ] {
        let count = (seconds * 2.0) as u64 + 2;
        for i in 0..count {
            let mut noise = random(90_000 + samples.len() as u64);
            let share = i as f64 / (count - 1) as f64;
            samples.push(ResourceSample {
                step: String::from(step),
                at_s: share * seconds,
                memory_bytes: Some((memory * (0.8 + 0.2 * share) * 1_048_576.0) as u64),
                busy_cpus: (i > 0).then(|| (busy + 0.3 * noise.normal()).clamp(0.0, 8.0)),
                gpu_utilisation: Some(if gpu > 0.0 { (gpu + 0.05 * noise.normal()).clamp(0.0, 1.0) } else { 0.0 }),
                gpu_memory_bytes: Some(1_300_000_000),
                gpu_celsius: Some(61.0),
                gpu_watts: None,
            });
        }
    }
    Resources {
        samples,
        findings: vec![
            "The fit was limited by the GPU, which worked 92 % of the time: more chains cost little until it works all of it.".into(),
            "While predicting, 6 of 8 processors waited for the device.".into(),
        ],
        processors: 8,
    }
}
