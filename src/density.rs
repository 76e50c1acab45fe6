//! One customer's likelihood at a time, asked and answered in JSON: how programs and tests in other languages talk to the kernels.
//!
//! A question is `{"model", "params", "data", "horizon"?, "n"?, "discount_rate"?}` with one number per parameter and per datum; an
//! answer is an [`Answer`]. Impossible parameters are an answer too, which says what makes them so. On a device the reference θ₀ lies a
//! tenth away from the parameters: at the reference itself a device would only repeat the host's number. Probabilities and expectations
//! are the host's either way. Nothing here knows of files or priors.

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
    /// A number of purchases (renewals, of a contract) within the horizon whose probability is wanted.
    pub n: Option<f64>,
    /// Interest at which later purchases count less: a purchase after y counts e^(−rate·y); at the j-th opportunity or renewal from
    /// now, 1/(1+rate)ʲ.
    pub discount_rate: Option<f64>,
}

/// The answer, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Log-likelihood; null where the parameters are impossible.
    pub log_lik: f64,
    /// Its slope in each parameter; zeros where they are impossible.
    pub grad: BTreeMap<&'static str, f64>,
    /// Which parameters are impossible, what they are, and what is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impossible: Option<String>,
    /// What else is known; nothing where the parameters are impossible.
    #[serde(flatten)]
    pub beside: Beside,
}

/// What a model knows beside its likelihood. Expectations without bound are written as null.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Beside {
    /// P(alive at T).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_alive: Option<f64>,
    /// Expected purchases in the horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_purchases: Option<f64>,
    /// Expected number of the horizon's renewals that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_periods: Option<f64>,
    /// P(exactly n purchases or renewals in the horizon).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// P(none of them in the horizon).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_of_none: Option<f64>,
    /// Expected purchases after T without end, discounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounted_expected_purchases: Option<f64>,
    /// Expected renewals after T without end, discounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounted_expected_periods: Option<f64>,
    /// Expected spend per purchase, in the currency of m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<f64>,
}

/// What is asked beside the likelihood.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    horizon: Option<f64>,
    n: Option<u32>,
    discount_rate: Option<f64>,
}

impl Ahead {
    /// The probabilities of n and of none, from that of a count within a horizon.
    fn probabilities(&self, of: impl Fn(f64, u32) -> f64) -> (Option<f64>, Option<f64>) {
        let within = |n: u32| self.horizon.map(|h| of(h, n));
        (self.n.and_then(within), within(0))
    }
}

/// A parameter, what is allowed for it in words, and a value that every model can take.
struct Parameter {
    name: &'static str,
    allowed: &'static str,
    usual: f64,
}

const fn positive(name: &'static str) -> Parameter {
    Parameter { name, allowed: "above 0 and finite", usual: 1.0 }
}

type Made = std::result::Result<Box<dyn Likelihood>, KernelError>;

/// One model: what it calls things, its likelihood of one customer, and what it knows beside it.
struct Model {
    key: &'static str,
    params: &'static [Parameter],
    data: &'static [&'static str],
    /// How many of the data, from the first on, are counts.
    counts: usize,
    /// What a horizon is counted in.
    horizon: Horizon,
    likelihood: fn(&[f64], Option<&Device>) -> Made,
    /// Whether parameters are such that anything beside the likelihood can be said.
    is_possible: fn(&[f64]) -> bool,
    beside: fn(&[f64], &[f64], &Ahead) -> Beside,
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

/// Most opportunities or periods ahead, and most purchases within a horizon.
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
            beside: |params, data, ahead| {
                let (params, x): ([f64; $stem::K], _) = (std::array::from_fn(|k| params[k]), data[0] as u32);
                let (t_x, t) = (data[1], data[2]);
                let (probability, probability_of_none) =
                    ahead.probabilities(|h, n| $stem::probability_of(params, x, t_x, t, h, n));
                let discounted = |rate| $stem::discounted_expected_purchases(params, x, t_x, t, rate);
                Beside {
                    p_alive: Some($stem::p_alive(params, x, t_x, t)),
                    expected_purchases: ahead.horizon.map(|h| $stem::expected_purchases(params, x, t_x, t, h)),
                    probability,
                    probability_of_none,
                    discounted_expected_purchases: ahead.discount_rate.map(discounted),
                    ..Beside::default()
                }
            },
        }
    };
}

/// A median rate of Abe's model.
const MEDIAN: Parameter = Parameter { name: "", allowed: "from 1e-30 to 1e30", usual: 1.0 };

/// A spread of the logarithms of Abe's model's rates.
const SPREAD: Parameter = Parameter { name: "", allowed: "from 0.0001 to 30", usual: 1.0 };

const MODELS: &[Model] = &[
    purchases!("bg_nbd", bg_nbd, &[positive("r"), positive("alpha"), positive("a"), positive("b")]),
    purchases!("mbg_nbd", mbg_nbd, &[positive("r"), positive("alpha"), positive("a"), positive("b")]),
    purchases!("pareto_nbd", pareto_nbd, &[positive("r"), positive("alpha"), positive("s"), positive("beta")]),
    purchases!(
        "pareto_abe",
        pareto_abe,
        &[
            Parameter { name: "rate", ..MEDIAN },
            Parameter { name: "death", ..MEDIAN },
            Parameter { name: "sd_rate", ..SPREAD },
            Parameter { name: "sd_death", ..SPREAD },
            Parameter { name: "corr", allowed: "between -1 and 1, and neither of them", usual: 0.0 },
        ]
    ),
    Model {
        key: "bg_bb",
        params: &[positive("alpha"), positive("beta"), positive("gamma"), positive("delta")],
        data: &["x", "t_x", "n"],
        counts: 3,
        horizon: Horizon::Count,
        likelihood: |data, device| on!(device, bg_bb, opportunities(data)),
        is_possible: are_positive,
        beside: |params, data, ahead| {
            let params = [params[0], params[1], params[2], params[3]];
            let [x, t_x, n] = [data[0] as u32, data[1] as u32, data[2] as u32];
            let (probability, probability_of_none) =
                ahead.probabilities(|h, count| bg_bb::probability_of(params, x, t_x, n, h as u32, count));
            let discounted = |rate| bg_bb::discounted_expected_purchases(params, x, t_x, n, rate);
            Beside {
                p_alive: Some(bg_bb::p_alive(params, x, t_x, n)),
                expected_purchases: ahead.horizon.map(|h| bg_bb::expected_purchases(params, x, t_x, n, h as u32)),
                probability,
                probability_of_none,
                discounted_expected_purchases: ahead.discount_rate.map(discounted),
                ..Beside::default()
            }
        },
    },
    Model {
        key: "s_bg",
        params: &[positive("alpha"), positive("beta")],
        data: &["T", "lost"],
        counts: 2,
        horizon: Horizon::Count,
        likelihood: |data, device| on!(device, s_bg, contracts(data)),
        is_possible: are_positive,
        beside: |params, data, ahead| {
            let (params, period, is_lost) = ([params[0], params[1]], data[0] as u32, data[1] != 0.0);
            let of_living = |value: f64| if is_lost { 0.0 } else { value };
            let (probability, probability_of_none) = ahead.probabilities(|h, n| match is_lost {
                true => f64::from(u8::from(n == 0)),
                false => s_bg::probability_of(params, period, h as u32, n),
            });
            let kept = |h: f64| of_living(s_bg::expected_periods(params, period, h as u32));
            // The kernel counts the next renewal in full; here as with opportunities, the j-th from now is a j-th power away.
            let discounted =
                |rate: f64| of_living(s_bg::discounted_residual_lifetime(params, period, rate) / (1.0 + rate));
            Beside {
                p_alive: Some(of_living(1.0)),
                expected_periods: ahead.horizon.map(kept),
                probability,
                probability_of_none,
                discounted_expected_periods: ahead.discount_rate.map(discounted),
                ..Beside::default()
            }
        },
    },
    Model {
        key: "gamma_gamma",
        params: &[positive("p"), positive("q"), positive("v")],
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
            Horizon::None => "; no horizon, n or discount_rate",
        };
        format!("{} takes params {} and data {}{horizon}", self.key, self.names().join(", "), self.data.join(", "))
    }

    fn names(&self) -> Vec<&'static str> {
        self.params.iter().map(|param| param.name).collect()
    }

    /// What makes parameters impossible, none where they are not. No parameter's domain depends on another, so that each can be
    /// tried among values that are possible.
    fn impossible(&self, params: &[f64]) -> Option<String> {
        let usual: Vec<f64> = self.params.iter().map(|param| param.usual).collect();
        let is_alone_to_blame = |k: usize| {
            let mut tried = usual.clone();
            tried[k] = params[k];
            !(self.is_possible)(&tried)
        };
        let told = |k: usize| {
            let Parameter { name, allowed, .. } = &self.params[k];
            Error::new(format!("params.{name} must be {allowed}")).seen(params[k]).to_string()
        };
        let wrong: Vec<String> = (0..params.len()).filter(|&k| is_alone_to_blame(k)).map(told).collect();
        (!(self.is_possible)(params)).then(|| wrong.join(", "))
    }

    /// Checks what is asked beside the likelihood.
    fn ahead(&self, question: &Question) -> Result<Ahead> {
        let refuse = |what: &str, seen: f64| Err(Error::new(what).seen(seen).advice(self.takes()));
        if let Some(h) = question.horizon {
            let (fits, must) = match self.horizon {
                Horizon::Time => (h.is_finite() && h >= 0.0, "0 or more"),
                Horizon::Count => (h.fract() == 0.0 && (0.0..=FARTHEST).contains(&h), "a whole number up to 1000000"),
                Horizon::None => (false, "left out"),
            };
            if !fits {
                return refuse(&format!("horizon must be {must}"), h);
            }
        }
        for (key, given) in [("n", question.n), ("discount_rate", question.discount_rate)] {
            if let (Horizon::None, Some(value)) = (self.horizon, given) {
                return refuse(&format!("{key} must be left out"), value);
            }
        }
        if let Some(n) = question.n {
            if n.fract() != 0.0 || !(0.0..=FARTHEST).contains(&n) {
                return refuse("n must be a whole number up to 1000000", n);
            }
            if question.horizon.is_none() {
                return refuse("n needs a horizon, within which purchases are counted", n);
            }
        }
        if let Some(rate) = question.discount_rate.filter(|rate| !rate.is_finite() || *rate < 0.0) {
            return refuse("discount_rate must be 0 or more", rate);
        }
        let n = question.n.map(|n| n as u32);
        Ok(Ahead { horizon: question.horizon, n, discount_rate: question.discount_rate })
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
    let params = values(&question.params, &model.names(), "params")?;
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
    let ahead = model.ahead(question)?;
    let k = params.len();
    let shared = Array2::zeros((1, 0));
    let at = |factor: f64| Array3::from_shape_fn((1, 1, k), |(_, _, j)| params[j] * factor);
    let (point, reference) = (at(1.0), at(DISPLACEMENT));
    let mut out = LikelihoodBatch::new(1, 1, k, 0);
    let impossible = model.impossible(&params);
    let evaluated = (model.likelihood)(&data, device).and_then(|mut likelihood| {
        // Impossible parameters make no reference; the likelihood itself says what they are.
        if device.is_some() && impossible.is_none() {
            likelihood.set_reference(ParamBatch { per_group: reference.view(), shared: shared.view() })?;
        }
        likelihood.evaluate(ParamBatch { per_group: point.view(), shared: shared.view() }, &mut out)
    });
    evaluated.map_err(|e| Error::new(e.what).advice(e.advice))?;
    let beside = match impossible {
        None => (model.beside)(&params, &data, &ahead),
        Some(_) => Beside::default(),
    };
    let grad = model.names().into_iter().zip(out.per_group.iter().copied()).collect();
    Ok(Answer { log_lik: out.log_lik[0], grad, impossible, beside })
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
