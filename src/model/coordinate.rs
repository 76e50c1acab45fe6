//! One unconstrained coordinate: a prior, restricted to its parameter's domain, and the transform onto what is left of it.
//! What the value means to a model is not known here.

use crate::dist::{Prior, Transform};
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;

/// Draws tried before a prior counts as having no mass on its domain.
const MOST_TRIES: usize = 10_000;

/// A named number with a prior, sampled without bounds.
#[derive(Debug, Clone)]
pub(super) struct Coordinate {
    pub name: String,
    pub prior: Prior,
    pub transform: Transform,
    low: f64,
    high: f64,
}

impl Coordinate {
    /// A coordinate for a parameter on `(low, high)`; `key` is where the prior stands in the configuration.
    ///
    /// The prior is truncated to the domain and not normalised again: a constant that no sampler notices.
    pub fn new(name: &str, (low, high): (f64, f64), prior: Prior, key: &str) -> Result<Self> {
        prior.check(key)?;
        let support = prior.support();
        let (from, to) = (low.max(support.0), high.min(support.1));
        let transform = Transform::onto(from, to).ok_or_else(|| {
            Error::new(format!("{key} leaves nothing of the range of `{name}`"))
                .seen(format!(
                    "a {} prior on ({}, {}) for values in ({low}, {high})",
                    prior.name(),
                    support.0,
                    support.1
                ))
                .advice("choose a prior whose support overlaps the parameter's range")
        })?;
        Ok(Self { name: name.to_owned(), prior, transform, low: from, high: to })
    }

    /// The value at `u`.
    pub fn value(&self, u: f64) -> f64 {
        self.transform.value(u)
    }

    /// Log prior at `u` (with the log-Jacobian if asked), and what turns dL/dvalue into the gradient: `(lp, dlp/du, dvalue/du)`.
    pub fn log_prior(&self, u: f64, jacobian: bool) -> (f64, f64, f64) {
        let t = self.transform.at(u);
        let (lp, slope) = self.prior.ln_density(t.value);
        if jacobian {
            (lp + t.ln_jacobian, slope * t.slope + t.ln_jacobian_slope, t.slope)
        } else {
            (lp, slope * t.slope, t.slope)
        }
    }

    /// The u of `value`, or of some inner point of the support if `value` is not one.
    pub fn inverse(&self, value: f64) -> f64 {
        let inner = if value > self.low && value < self.high {
            value
        } else if self.high.is_finite() && self.low.is_finite() {
            0.5 * (self.low + self.high)
        } else {
            self.low + self.low.abs().max(1.0)
        };
        self.transform.inverse(inner)
    }

    /// A value drawn from the prior on its domain.
    pub fn sample(&self, stream: &mut Stream) -> Result<f64> {
        for _ in 0..MOST_TRIES {
            match self.prior.sample(stream) {
                Some(x) if x > self.low && x < self.high => return Ok(x),
                Some(_) => {}
                None => {
                    return Err(Error::new(format!("nothing can be drawn from the prior of `{}`", self.name))
                        .seen(self.prior.name())
                        .advice("a flat prior is not a distribution; choose a proper one"));
                }
            }
        }
        Err(Error::new(format!("the prior of `{}` has next to no mass in its range", self.name))
            .seen(format!("{:?} for values in ({}, {})", self.prior, self.low, self.high))
            .advice("choose a prior that lies inside the range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Purpose;

    const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);

    #[test]
    fn domain_and_support_meet() {
        let new = |prior| Coordinate::new("x", POSITIVE, prior, "priors.x");
        assert_eq!(new(Prior::Normal { mean: 0.0, sd: 1.0 }).unwrap().transform, Transform::Log);
        assert_eq!(new(Prior::Flat).unwrap().transform, Transform::Log);
        let pareto = new(Prior::Pareto { shape: 1.0, scale: 1.0 }).unwrap();
        assert_eq!(pareto.transform, Transform::Lower { low: 1.0 });
        let uniform = new(Prior::Uniform { low: -1.0, high: 4.0 }).unwrap();
        assert_eq!(uniform.transform, Transform::Logit { low: 0.0, high: 4.0 });
        let told = new(Prior::Uniform { low: -2.0, high: -1.0 }).unwrap_err().to_string();
        assert!(told.starts_with("priors.x leaves nothing of the range of `x`"), "{told}");
    }

    #[test]
    fn starts_outside_the_support_move_inside() {
        let at = |prior, value| {
            let c = Coordinate::new("x", POSITIVE, prior, "priors.x").unwrap();
            c.value(c.inverse(value))
        };
        assert!((at(Prior::Uniform { low: 1.0, high: 3.0 }, 9.0) - 2.0).abs() < 1e-15);
        assert!((at(Prior::Pareto { shape: 1.0, scale: 5.0 }, 2.0) - 10.0).abs() < 1e-14);
        assert!((at(Prior::Flat, 0.3) - 0.3).abs() < 1e-15);
    }

    #[test]
    fn draws_stay_in_the_domain() {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let c = Coordinate::new("q", (1.0, f64::INFINITY), Prior::Exponential { rate: 1.0 }, "priors.q").unwrap();
        assert!((0..100).all(|_| c.sample(&mut stream).unwrap() > 1.0));
        let far = Coordinate::new("x", POSITIVE, Prior::Normal { mean: -50.0, sd: 1.0 }, "priors.x").unwrap();
        assert!(far.sample(&mut stream).unwrap_err().to_string().contains("next to no mass"));
        let flat = Coordinate::new("x", POSITIVE, Prior::Flat, "priors.x").unwrap();
        assert!(flat.sample(&mut stream).unwrap_err().to_string().contains("choose a proper one"));
    }
}
