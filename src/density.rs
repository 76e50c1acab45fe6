//! One customer's likelihood at a time, asked and answered in JSON: how programs and tests in other languages talk to the kernels.
//!
//! A question is `{"model", "params", "data", "horizon"?}` with one number per parameter and per datum; an answer `{"log_lik", "grad",
//! "p_alive"?, "expected_purchases"?, "expected_periods"?, "expected_spend"?}`. On a device the reference θ₀ lies a tenth away from the parameters: at the
//! reference itself a device would only repeat the host's number. Probabilities and expectations are the host's either way. Nothing
//! here knows of files or priors.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::kernels::{
    Cells, KernelError, Likelihood, LikelihoodBatch, Options, ParamBatch, bg_bb, bg_nbd, gamma_gamma, mbg_nbd,
    pareto_abe, pareto_nbd, s_bg,
};

/// How far θ₀ lies from the parameters on a device, towards zero: where every domain goes on.
const DISPLACEMENT: f64 = 1.0 / 1.1;

/// A question, as it is read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Key of the model.
    pub model: String,
    /// Parameters by name, in the time unit and currency of the data.
    pub params: BTreeMap<String, f64>,
    /// The customer by name of each datum: x, n, lost and the discrete models' t_x and T are counts, t_x and T else times in any one
    /// unit, m currency.
    pub data: BTreeMap<String, f64>,
    /// How far ahead expectations are wanted: time units after T, or for the discrete models opportunities or periods.
    pub horizon: Option<f64>,
}

/// The answer, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Log-likelihood; null where the parameters are impossible.
    pub log_lik: f64,
    /// Its slope in each parameter.
    pub grad: BTreeMap<&'static str, f64>,
    /// P(alive at T).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_alive: Option<f64>,
    /// Expected purchases in the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_purchases: Option<f64>,
    /// Expected number of the horizon's renewals that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_periods: Option<f64>,
    /// Expected spend per purchase, in the currency of m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<f64>,
}

/// What a model knows beside its likelihood.
#[derive(Debug, Default)]
struct Beside {
    p_alive: Option<f64>,
    expected_purchases: Option<f64>,
    expected_periods: Option<f64>,
    expected_spend: Option<f64>,
}

type Made = std::result::Result<Box<dyn Likelihood>, KernelError>;

/// One model: what it calls things, its likelihood of one customer, and what it knows beside it.
struct Model {
    key: &'static str,
    params: &'static [&'static str],
    data: &'static [&'static str],
    /// How many of the data, from the first on, are counts.
    counts: usize,
    /// What a horizon is counted in.
    horizon: Horizon,
    likelihood: fn(&[f64], Option<&Device>) -> Made,
    /// Whether parameters are such that anything beside the likelihood can be said.
    is_possible: fn(&[f64]) -> bool,
    beside: fn(&[f64], &[f64], Option<f64>) -> Beside,
}

/// What a model makes of a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Horizon {
    /// Time units of the data.
    Time,
    /// Opportunities or periods to come.
    Count,
    /// Nothing.
    None,
}

/// Most opportunities or periods ahead.
const FARTHEST: f64 = 1e6;

/// The likelihood `$stem` of some rows, boxed.
macro_rules! on {
    ($device:expr, $stem:ident, $rows:expr) => {{
        let judge = $stem::Cpu::new($rows)?;
        Ok(match $device {
            None => Box::new(judge) as Box<dyn Likelihood>,
            Some(device) => Box::new($stem::Gpu::with(judge, device, &Options::default())?) as Box<dyn Likelihood>,
        })
    }};
}

/// A purchase model in continuous time.
macro_rules! purchases {
    ($key:literal, $stem:ident, $params:expr) => {
        Model {
            key: $key,
            params: $params,
            data: &["x", "t_x", "T"],
            counts: 1,
            horizon: Horizon::Time,
            likelihood: |data, device| on!(device, $stem, cells(data)),
            is_possible: |params| $stem::is_possible(&std::array::from_fn(|k| params[k])),
            beside: |params, data, horizon| {
                let (params, x): ([f64; $stem::K], _) = (std::array::from_fn(|k| params[k]), data[0] as u32);
                Beside {
                    p_alive: Some($stem::p_alive(params, x, data[1], data[2])),
                    expected_purchases: horizon.map(|h| $stem::expected_purchases(params, x, data[1], data[2], h)),
                    ..Beside::default()
                }
            },
        }
    };
}

const MODELS: &[Model] = &[
    purchases!("bg_nbd", bg_nbd, &["r", "alpha", "a", "b"]),
    purchases!("mbg_nbd", mbg_nbd, &["r", "alpha", "a", "b"]),
    purchases!("pareto_nbd", pareto_nbd, &["r", "alpha", "s", "beta"]),
    purchases!("pareto_abe", pareto_abe, &["rate", "death", "sd_rate", "sd_death", "corr"]),
    Model {
        key: "bg_bb",
        params: &["alpha", "beta", "gamma", "delta"],
        data: &["x", "t_x", "n"],
        counts: 3,
        horizon: Horizon::Count,
        likelihood: |data, device| on!(device, bg_bb, opportunities(data)),
        is_possible: are_positive,
        beside: |params, data, horizon| {
            let params = [params[0], params[1], params[2], params[3]];
            let [x, t_x, n] = [data[0] as u32, data[1] as u32, data[2] as u32];
            Beside {
                p_alive: Some(bg_bb::p_alive(params, x, t_x, n)),
                expected_purchases: horizon.map(|h| bg_bb::expected_purchases(params, x, t_x, n, h as u32)),
                ..Beside::default()
            }
        },
    },
    Model {
        key: "s_bg",
        params: &["alpha", "beta"],
        data: &["T", "lost"],
        counts: 2,
        horizon: Horizon::Count,
        likelihood: |data, device| on!(device, s_bg, contracts(data)),
        is_possible: are_positive,
        beside: |params, data, horizon| {
            let (params, period, is_lost) = ([params[0], params[1]], data[0] as u32, data[1] != 0.0);
            let ahead = |h: f64| if is_lost { 0.0 } else { s_bg::expected_periods(params, period, h as u32) };
            Beside {
                p_alive: Some(if is_lost { 0.0 } else { 1.0 }),
                expected_periods: horizon.map(ahead),
                ..Beside::default()
            }
        },
    },
    Model {
        key: "gamma_gamma",
        params: &["p", "q", "v"],
        data: &["x", "m"],
        counts: 1,
        horizon: Horizon::None,
        likelihood: |data, device| on!(device, gamma_gamma, spenders(data)),
        is_possible: are_positive,
        beside: |params, data, _| {
            let spend = gamma_gamma::expected_spend([params[0], params[1], params[2]], data[0] as u32, data[1]);
            Beside { expected_spend: Some(spend), ..Beside::default() }
        },
    },
];

impl Model {
    /// What the model wants to be told, for advice.
    fn takes(&self) -> String {
        let horizon = match self.horizon {
            Horizon::Time => "; horizon counts in the time unit of T",
            Horizon::Count => "; horizon counts whole opportunities or periods",
            Horizon::None => "; no horizon",
        };
        format!("{} takes params {} and data {}{horizon}", self.key, self.params.join(", "), self.data.join(", "))
    }
}

/// Keys of the models that can be asked.
pub fn keys() -> Vec<&'static str> {
    MODELS.iter().map(|model| model.key).collect()
}

/// Answers a question, in f64 on the host or in f32 differences on a device.
///
/// # Errors
/// An unknown model, parameters or data that are missing, too many or not what the model takes; a device that fails.
pub fn answer(question: &Question, device: Option<&Device>) -> Result<Answer> {
    let model = MODELS.iter().find(|model| model.key == question.model).ok_or_else(|| {
        Error::new("unknown model")
            .seen(format!("`{}`", question.model))
            .advice(format!("models are {}", keys().join(", ")))
    })?;
    let params = values(&question.params, model.params, "params")?;
    let data = values(&question.data, model.data, "data")?;
    for (i, (name, value)) in model.data.iter().zip(&data).enumerate() {
        let is_count = i < model.counts;
        let most = if *name == "lost" { 1.0 } else { f64::from(u32::MAX) };
        let fits = value.is_finite() && (0.0..=if is_count { most } else { f64::MAX }).contains(value);
        if !fits || (is_count && value.fract() != 0.0) {
            let must = match (*name, is_count) {
                ("lost", _) => "0 or 1",
                (_, true) => "a whole number",
                _ => "0 or more",
            };
            return Err(Error::new(format!("data.{name} must be {must}")).seen(value).advice(model.takes()));
        }
    }
    if let Some(h) = question.horizon {
        let (fits, must) = match model.horizon {
            Horizon::Time => (h.is_finite() && h >= 0.0, "0 or more"),
            Horizon::Count => (h.fract() == 0.0 && (0.0..=FARTHEST).contains(&h), "a whole number up to 1000000"),
            Horizon::None => (false, "left out"),
        };
        if !fits {
            return Err(Error::new(format!("horizon must be {must}")).seen(h).advice(model.takes()));
        }
    }
    let k = params.len();
    let shared = Array2::zeros((1, 0));
    let at = |factor: f64| Array3::from_shape_fn((1, 1, k), |(_, _, j)| params[j] * factor);
    let (point, reference) = (at(1.0), at(DISPLACEMENT));
    let mut out = LikelihoodBatch::new(1, 1, k, 0);
    let is_possible = (model.is_possible)(&params);
    let evaluated = (model.likelihood)(&data, device).and_then(|mut likelihood| {
        // Impossible parameters make no reference; the likelihood itself says what they are.
        if device.is_some() && is_possible {
            likelihood.set_reference(ParamBatch { per_group: reference.view(), shared: shared.view() })?;
        }
        likelihood.evaluate(ParamBatch { per_group: point.view(), shared: shared.view() }, &mut out)
    });
    evaluated.map_err(|e| Error::new(e.what).advice(e.advice))?;
    let beside = if is_possible { (model.beside)(&params, &data, question.horizon) } else { Beside::default() };
    let Beside { p_alive, expected_purchases, expected_periods, expected_spend } = beside;
    let grad = model.params.iter().copied().zip(out.per_group.iter().copied()).collect();
    Ok(Answer { log_lik: out.log_lik[0], grad, p_alive, expected_purchases, expected_periods, expected_spend })
}

/// The numbers called `names`, in their order, and no others.
fn values(given: &BTreeMap<String, f64>, names: &[&str], place: &str) -> Result<Vec<f64>> {
    if let Some(other) = given.keys().find(|name| !names.contains(&name.as_str())) {
        return Err(
            Error::new(format!("{place}.{other} is not known")).advice(format!("{place} takes {}", names.join(", ")))
        );
    }
    let value = |name: &&str| {
        given.get(*name).copied().ok_or_else(|| {
            Error::new(format!("{place}.{name} is missing")).advice(format!("{place} takes {}", names.join(", ")))
        })
    };
    names.iter().map(value).collect()
}

/// Whether every parameter is positive and finite.
fn are_positive(params: &[f64]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}

fn cells(data: &[f64]) -> Cells {
    Cells {
        n_groups: 1,
        group: vec![0],
        frequency: vec![data[0] as u32],
        recency: vec![data[1]],
        age: vec![data[2]],
        weight: vec![1.0],
    }
}

fn opportunities(data: &[f64]) -> bg_bb::Rows {
    bg_bb::Rows {
        n_groups: 1,
        group: vec![0],
        frequency: vec![data[0] as u32],
        recency: vec![data[1] as u32],
        opportunities: vec![data[2] as u32],
        weight: vec![1.0],
    }
}

fn contracts(data: &[f64]) -> s_bg::Rows {
    s_bg::Rows {
        n_groups: 1,
        group: vec![0],
        period: vec![data[0] as u32],
        lost: vec![data[1] != 0.0],
        weight: vec![1.0],
    }
}

fn spenders(data: &[f64]) -> gamma_gamma::Rows {
    gamma_gamma::Rows {
        n_groups: 1,
        group: vec![0],
        frequency: vec![data[0] as u32],
        monetary: vec![data[1]],
        weight: vec![1.0],
    }
}
