//! One approximation of a posterior held against the thresholds. It has no chains, so R-hat and effective sample sizes of chains do not
//! exist; what speaks for it is how its draws compare with the density itself.

use ndarray::{ArrayView3, s};
use serde::{Deserialize, Serialize};

use super::fit::{FitDiagnostics, FitFacts};
use super::method::Method;
use super::order::Ordered;
use super::parameter::Parameter;
use super::reason::Reason;
use super::thresholds::Thresholds;
use super::verdict::Verdict;
use crate::error::{Error, Result};

/// How near an approximation comes to the posterior.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nearness {
    /// Shape of the tail of the importance ratios posterior / approximation; none where it is infinite.
    pub pareto_k: Option<f64>,
    /// Independent draws of the posterior that the weighted draws are worth.
    pub effective_draws: f64,
    /// Draws that were weighted.
    pub weighted_draws: u64,
    /// Evidence lower bound, nats; none where some draw was impossible.
    pub elbo: Option<f64>,
    /// Whether the draws were chosen by their importance weights.
    pub resampled: bool,
}

/// The draws of one approximation, and what its maker says of it.
#[derive(Clone, Copy)]
pub struct ApproximationInput<'a> {
    /// Name of the fit.
    pub fit: &'a str,
    /// How the draws were made; not [`Method::Sampling`].
    pub method: Method,
    /// Name and coordinates of every element, in the order of `values`.
    pub elements: &'a [(&'a str, Vec<(&'a str, &'a str)>)],
    /// `[chain, draw, element]`; of a mode, one draw.
    pub values: ArrayView3<'a, f64>,
    /// Whether a mode was found, where one was searched.
    pub converged: bool,
    /// Whether the curvature there is that of a maximum.
    pub maximum: bool,
    /// Of a mode: a standard error per element, if there are any.
    pub standard_errors: Option<&'a [f64]>,
    /// Of draws: how near they come.
    pub nearness: Option<Nearness>,
}

/// Judges one approximation. Of a mode, `mean` holds the mode and `sd` its standard error; quantiles do not exist.
///
/// # Errors
/// Arrays whose shapes do not belong together.
pub fn diagnose_approximation(input: &ApproximationInput<'_>, thresholds: &Thresholds) -> Result<FitDiagnostics> {
    let (chains, draws, size) = input.values.dim();
    let named = input.standard_errors.is_none_or(|errors| errors.len() == size);
    if input.elements.len() != size || !named {
        return Err(Error::new(format!("fit `{}` has {size} values a draw but other names or errors", input.fit)));
    }
    let parameters: Vec<Parameter> = (0..size).map(|ix| parameter(input, ix)).collect();
    let reasons = reasons(input, thresholds, &parameters);
    let facts = FitFacts {
        fit: input.fit.to_owned(),
        method: input.method,
        verdict: if reasons.is_empty() { Verdict::Pass } else { Verdict::Fail },
        reasons,
        notes: input.method.caution().map(|caution| format!("{}: {caution}", input.fit)).into_iter().collect(),
        chains,
        draws,
        divergences: 0,
        depth_hits: 0,
        e_bfmi: vec![],
        worst_r_hat: None,
        worst_ess_bulk: None,
        worst_ess_tail: None,
        nearness: input.nearness,
        thresholds: *thresholds,
        leapfrog_cap_hits: 0,
        chains_per_superchain: None,
        divergence_places: vec![],
    };
    Ok(FitDiagnostics { facts, parameters })
}

fn parameter(input: &ApproximationInput<'_>, ix: usize) -> Parameter {
    let (name, coords) = &input.elements[ix];
    let coords = coords.iter().map(|(dim, label)| ((*dim).to_owned(), (*label).to_owned())).collect();
    let draws = input.values.slice(s![.., .., ix]);
    let (mean, sd, [q05, q50, q95]) = Parameter::moments(draws, &Ordered::new(draws).values());
    let none = f64::NAN;
    let (sd, quantiles) = match input.method {
        Method::Map => (input.standard_errors.map_or(none, |errors| errors[ix]), [none; 3]),
        _ => (sd, [q05, q50, q95]),
    };
    let [q05, q50, q95] = quantiles;
    let fit = input.fit.to_owned();
    let name = (*name).to_owned();
    Parameter {
        fit,
        name,
        coords,
        mean,
        sd,
        q05,
        q50,
        q95,
        r_hat: none,
        ess_bulk: none,
        ess_tail: none,
        mcse_mean: none,
        mcse_sd: none,
        mcse_q05: none,
        mcse_q95: none,
        ess_mean: none,
    }
}

fn reasons(input: &ApproximationInput<'_>, thresholds: &Thresholds, parameters: &[Parameter]) -> Vec<Reason> {
    let mut out = vec![];
    if input.values.is_empty() {
        return vec![Reason::no_draws(input.fit)];
    }
    if let Some(ix) =
        (0..parameters.len()).find(|&ix| input.values.slice(s![.., .., ix]).iter().any(|x| !x.is_finite()))
    {
        out.push(Reason::not_finite(&parameters[ix].to_string()));
    }
    if !input.converged {
        out.push(Reason::no_mode(input.fit));
    }
    if !input.maximum {
        out.push(Reason::no_maximum(input.fit));
    }
    if let Some(nearness) = input.nearness {
        let k = nearness.pareto_k.unwrap_or(f64::NAN);
        if k.is_nan() || k >= thresholds.pareto_k {
            out.push(Reason::pareto_k(input.fit, input.method.named(), k, thresholds.pareto_k));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn judge(method: Method, k: Option<f64>, errors: Option<&[f64]>, converged: bool) -> FitDiagnostics {
        let values = match method {
            Method::Map => Array3::from_elem((1, 1, 1), 4.5),
            _ => Array3::from_shape_fn((2, 50, 1), |(c, t, _)| (c * 50 + t) as f64),
        };
        let nearness = (method != Method::Map).then_some(Nearness {
            pareto_k: k,
            effective_draws: 90.0,
            weighted_draws: 100,
            elbo: None,
            resampled: false,
        });
        let input = ApproximationInput {
            fit: "purchase",
            method,
            elements: &[("alpha", vec![])],
            values: values.view(),
            converged,
            maximum: errors.is_some() || method != Method::Map,
            standard_errors: errors,
            nearness,
        };
        diagnose_approximation(&input, &Thresholds::default()).expect("shapes fit")
    }

    #[test]
    fn k_decides_and_no_chain_figure_exists() {
        let near = judge(Method::Laplace, Some(0.4), None, true);
        assert_eq!(near.facts.verdict, Verdict::Pass);
        let p = &near.parameters[0];
        assert!((p.mean - 49.5).abs() < 1e-12 && p.r_hat.is_nan() && p.ess_bulk.is_nan() && p.mcse_mean.is_nan());
        assert!(near.facts.notes[0].contains("not samples of the posterior"), "{:?}", near.facts.notes);
        for k in [Some(0.7), Some(1.3), None] {
            let far = judge(Method::Pathfinder, k, None, true);
            assert_eq!(far.facts.verdict, Verdict::Fail);
            assert!(far.facts.reasons[0].text.contains("too far from a Pathfinder approximation"));
        }
    }

    #[test]
    fn a_mode_has_a_standard_error_and_no_quantiles() {
        let sound = judge(Method::Map, None, Some(&[0.4]), true);
        let p = &sound.parameters[0];
        assert_eq!((sound.facts.verdict, p.mean, p.sd), (Verdict::Pass, 4.5, 0.4));
        assert!(p.q05.is_nan() && p.q50.is_nan() && p.q95.is_nan());
        let none = judge(Method::Map, None, None, false);
        assert_eq!(none.facts.verdict, Verdict::Fail);
        assert_eq!(none.facts.reasons.len(), 2);
        assert!(none.parameters[0].sd.is_nan());
    }
}
