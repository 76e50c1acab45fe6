//! One customer's likelihood at a time, asked and answered in JSON: how programs and tests in other languages talk to the kernels.
//!
//! A question is `{"model", "params", "data", "horizon"?, "n"?, "discount_rate"?}` with one number per parameter and per datum; an
//! answer is an [`Answer`]. Impossible parameters are an answer too, which says what makes them so. On a device the reference θ₀ lies a
//! tenth away from the parameters: at the reference itself a device would only repeat the host's number. Probabilities and expectations
//! are the host's either way. Nothing here knows of files or priors.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};

use crate::data::{Cells, Groups, Observations, SpendRows};
use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::kernels::{LikelihoodBatch, Options, ParamBatch};
use crate::model::{Ahead, Family, Forecast, Parameter, Place, Role, family};

/// How far θ₀ lies from the parameters on a device: towards zero, or away from it where the domain ends before.
const DISPLACEMENTS: [f64; 2] = [1.0 / 1.1, 1.1];

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
    pub beside: Forecast,
}

/// What is asked of one customer, by the role of the model.
struct Asked {
    data: &'static [&'static str],
    /// How many of the data, from the first on, are counts.
    counts: usize,
    /// What a horizon is counted in.
    horizon: Horizon,
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

impl Asked {
    fn of(role: Role) -> Self {
        let (data, counts, horizon): (&[&str], _, _) = match role {
            Role::Purchase(_) => (&["x", "t_x", "T"], 1, Horizon::Time),
            Role::Opportunity => (&["x", "t_x", "n"], 3, Horizon::Count),
            Role::Contract => (&["T", "lost"], 2, Horizon::Count),
            Role::Spend => (&["x", "m"], 1, Horizon::None),
        };
        Self { data, counts, horizon }
    }

    /// What the model wants to be told, for advice.
    fn takes(&self, family: &Family) -> String {
        let horizon = match self.horizon {
            Horizon::Time => "; horizon counts in the time unit of T",
            Horizon::Count => "; horizon counts whole opportunities or periods",
            Horizon::None => "; no horizon, n or discount_rate",
        };
        format!("{} takes params {} and data {}{horizon}", family.key, names(family).join(", "), self.data.join(", "))
    }

    /// Checks what is asked beside the likelihood.
    fn ahead(&self, family: &Family, question: &Question) -> Result<Ahead> {
        let refuse = |what: &str, seen: f64| Err(Error::new(what).seen(seen).advice(self.takes(family)));
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

/// The parameters by their letters.
fn names(family: &Family) -> Vec<&'static str> {
    family.parameters.iter().map(|parameter| parameter.name).collect()
}

/// What makes parameters impossible, none where they are not. No parameter's domain depends on another, so that each can be tried
/// among values that are possible.
fn impossible(family: &Family, params: &[f64]) -> Option<String> {
    let usual = |p: &Parameter| if p.high.is_finite() { 0.5 * (p.low + p.high) } else { p.low + 1.0 };
    let told = |k: usize| {
        let mut tried: Vec<f64> = family.parameters.iter().map(usual).collect();
        tried[k] = params[k];
        if (family.takes)(&tried) {
            return None;
        }
        let Parameter { name, low, high, .. } = family.parameters[k];
        let must = match (low < params[k] && params[k] < high, high.is_finite()) {
            (true, _) => nearest(family, &tried, k, &usual(&family.parameters[k])),
            (_, true) => format!("between {low} and {high}, and neither of them"),
            (_, false) => format!("above {low} and finite"),
        };
        Some(Error::new(format!("params.{name} must be {must}")).seen(params[k]).to_string())
    };
    let wrong: Vec<String> = (0..params.len()).filter_map(told).collect();
    (!(family.takes)(params)).then(|| wrong.join(", "))
}

/// In words, the end of what a likelihood takes between parameter k and a usual value of it.
fn nearest(family: &Family, params: &[f64], k: usize, usual: &f64) -> String {
    let (mut taken, mut refused, mut tried) = (*usual, params[k], params.to_vec());
    for _ in 0..200 {
        // By factors where both are above zero: ends lie many magnitudes apart.
        tried[k] = if taken.min(refused) > 0.0 { (taken * refused).sqrt() } else { 0.5 * (taken + refused) };
        if (family.takes)(&tried) { taken = tried[k] } else { refused = tried[k] }
    }
    let which = if params[k] < *usual { "at least" } else { "at most" };
    // The ends are round numbers.
    let end: f64 = format!("{taken:.9e}").parse().unwrap_or(taken);
    format!("{which} {end}")
}

/// Answers a question, in f64 on the host or in f32 differences on a device.
///
/// # Errors
/// An unknown model, parameters or data that are missing, too many or not what the model takes; a device that fails.
pub fn answer(question: &Question, device: Option<&Device>) -> Result<Answer> {
    let family = family(&question.model)?;
    let (names, asked) = (names(family), Asked::of(family.role));
    let params = values(&question.params, &names, "params")?;
    let data = values(&question.data, asked.data, "data")?;
    for (i, (name, value)) in asked.data.iter().zip(&data).enumerate() {
        let is_count = i < asked.counts;
        let most = if *name == "lost" { 1.0 } else { f64::from(u32::MAX) };
        let fits = value.is_finite() && (0.0..=if is_count { most } else { f64::MAX }).contains(value);
        if !fits || (is_count && value.fract() != 0.0) {
            let must = match (*name, is_count) {
                ("lost", _) => "0 or 1",
                (_, true) => "a whole number up to 4294967295",
                _ => "0 or more",
            };
            return Err(Error::new(format!("data.{name} must be {must}")).seen(value).advice(asked.takes(family)));
        }
    }
    if family.role == Role::Contract && data[0] < data[1] {
        let what = "data.T must be 1 or more of a customer who was lost";
        return Err(Error::new(what).seen(data[0]).advice("periods of a loss count from 1"));
    }
    let ahead = asked.ahead(family, question)?;
    let k = params.len();
    let shared = Array2::zeros((1, 0));
    let at = |factor: f64| Array3::from_shape_fn((1, 1, k), |(_, _, j)| params[j] * factor);
    let is_inside = |factor: &&f64| (family.takes)(&params.iter().map(|param| param * **factor).collect::<Vec<_>>());
    let displacement = DISPLACEMENTS.iter().find(is_inside).unwrap_or(&1.0);
    let (point, reference) = (at(1.0), at(*displacement));
    let place = Place { device: device.map(|device| (device.clone(), Options::default())), is_judge: true };
    let mut out = LikelihoodBatch::new(1, 1, k, 0);
    let impossible = impossible(family, &params);
    let evaluated = (family.likelihood)(&customer(family.role, &data), &place).and_then(|mut likelihood| {
        // Impossible parameters make no reference; the likelihood itself says what they are.
        if device.is_some() && impossible.is_none() {
            likelihood.set_reference(ParamBatch { per_group: reference.view(), shared: shared.view() })?;
        }
        likelihood.evaluate(ParamBatch { per_group: point.view(), shared: shared.view() }, &mut out)
    });
    evaluated.map_err(|e| Error::new(e.what).advice(e.advice))?;
    let beside = match impossible {
        None => (family.forecast)(&params, &data, &ahead),
        Some(_) => Forecast::default(),
    };
    let grad = names.into_iter().zip(out.per_group.iter().copied()).collect();
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

/// The data of one customer as a run observes them.
fn customer(role: Role, data: &[f64]) -> Observations {
    let mut observed = Observations { groups: Groups::all(), ..Observations::default() };
    let mut history = |x: f64, t_x: f64, age: f64| {
        observed.cells =
            Cells { group: vec![0], frequency: vec![x as u32], recency: vec![t_x], age: vec![age], weight: vec![1.0] };
    };
    match role {
        Role::Purchase(_) | Role::Opportunity => history(data[0], data[1], data[2]),
        // Who was lost has renewed once less than decided.
        Role::Contract => history(data[0] - data[1], 0.0, data[0]),
        Role::Spend => {
            observed.spend = SpendRows {
                group: vec![0],
                frequency: vec![data[0] as u32],
                monetary: vec![data[1]],
                weight: vec![1.0],
            };
        }
    }
    observed
}
