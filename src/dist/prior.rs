//! Univariate prior distributions as users write them: `{ dist = "weibull", shape = 2.0, scale = 10.0 }`.
//!
//! Log densities are normalised (except `flat`, which is improper) and come with their slope. Restricting a prior to a
//! parameter's domain is the business of whoever pairs the two.

use std::f64::consts::{FRAC_2_PI, LN_2, PI, SQRT_2};

use rand_distr::Distribution;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, Gamma, InverseGamma, StudentsT};
use statrs::function::erf::{erf_inv, erfc_inv};

use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::kernels::special::ln_gamma;

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// A prior on one number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "dist", rename_all = "snake_case", deny_unknown_fields)]
pub enum Prior {
    /// Normal on the real line.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, above 0.
        sd: f64,
    },
    /// |N(0, scale²)|.
    HalfNormal {
        /// Standard deviation of the normal that is folded, above 0.
        scale: f64,
    },
    /// Its logarithm is normal around ln(median).
    #[serde(rename = "lognormal")]
    LogNormal {
        /// Median, above 0.
        median: f64,
        /// Standard deviation of the logarithm, above 0.
        log_sd: f64,
    },
    /// Gamma with mean shape / rate.
    Gamma {
        /// Shape, above 0.
        shape: f64,
        /// Rate (1 / scale), above 0.
        rate: f64,
    },
    /// Its inverse is Gamma(shape, rate = scale).
    InverseGamma {
        /// Shape, above 0.
        shape: f64,
        /// Scale, above 0.
        scale: f64,
    },
    /// Weibull on (0, ∞).
    Weibull {
        /// Shape, above 0.
        shape: f64,
        /// Scale, above 0.
        scale: f64,
    },
    /// Uniform on (low, high).
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end, above the lower one.
        high: f64,
    },
    /// Beta on (0, 1).
    Beta {
        /// First shape, above 0.
        alpha: f64,
        /// Second shape, above 0.
        beta: f64,
    },
    /// Pareto: density ∝ x^−(shape+1) above scale.
    Pareto {
        /// Tail exponent, above 0.
        shape: f64,
        /// Smallest value, above 0.
        scale: f64,
    },
    /// Exponential with mean 1 / rate.
    Exponential {
        /// Rate, above 0.
        rate: f64,
    },
    /// Student's t.
    StudentT {
        /// Degrees of freedom, above 0.
        df: f64,
        /// Centre.
        location: f64,
        /// Scale, above 0.
        scale: f64,
    },
    /// |Cauchy(0, scale)|.
    HalfCauchy {
        /// Scale, above 0.
        scale: f64,
    },
    /// Density 1 everywhere: improper. The posterior may be improper too, and nothing can be drawn from the prior.
    Flat,
}

impl Prior {
    /// The name under `dist`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Normal { .. } => "normal",
            Self::HalfNormal { .. } => "half_normal",
            Self::LogNormal { .. } => "lognormal",
            Self::Gamma { .. } => "gamma",
            Self::InverseGamma { .. } => "inverse_gamma",
            Self::Weibull { .. } => "weibull",
            Self::Uniform { .. } => "uniform",
            Self::Beta { .. } => "beta",
            Self::Pareto { .. } => "pareto",
            Self::Exponential { .. } => "exponential",
            Self::StudentT { .. } => "student_t",
            Self::HalfCauchy { .. } => "half_cauchy",
            Self::Flat => "flat",
        }
    }

    /// Each setting with its value, whether it must be above 0, and a value that is seldom wrong.
    fn settings(&self) -> Vec<(&'static str, f64, bool, f64)> {
        match *self {
            Self::Normal { mean, sd } => vec![("mean", mean, false, 0.0), ("sd", sd, true, 1.0)],
            Self::HalfNormal { scale } | Self::HalfCauchy { scale } => vec![("scale", scale, true, 0.5)],
            Self::LogNormal { median, log_sd } => vec![("median", median, true, 1.0), ("log_sd", log_sd, true, 1.0)],
            Self::Gamma { shape, rate } => vec![("shape", shape, true, 2.0), ("rate", rate, true, 1.0)],
            Self::InverseGamma { shape, scale } => vec![("shape", shape, true, 3.0), ("scale", scale, true, 1.0)],
            Self::Weibull { shape, scale } => vec![("shape", shape, true, 2.0), ("scale", scale, true, 1.0)],
            Self::Uniform { low, high } => vec![("low", low, false, 0.0), ("high", high, false, 1.0)],
            Self::Beta { alpha, beta } => vec![("alpha", alpha, true, 1.0), ("beta", beta, true, 1.0)],
            Self::Pareto { shape, scale } => vec![("shape", shape, true, 1.0), ("scale", scale, true, 1.0)],
            Self::Exponential { rate } => vec![("rate", rate, true, 1.0)],
            Self::StudentT { df, location, scale } => {
                vec![("df", df, true, 4.0), ("location", location, false, 0.0), ("scale", scale, true, 1.0)]
            }
            Self::Flat => vec![],
        }
    }

    /// Whether the settings make a distribution. `key` is where the prior stands in the configuration (`priors.r`).
    pub fn check(&self, key: &str) -> Result<()> {
        for (setting, value, positive, usual) in self.settings() {
            let broken = if !value.is_finite() {
                "a finite number"
            } else if positive && value <= 0.0 {
                "above 0"
            } else {
                continue;
            };
            return Err(Error::new(format!("{key}.{setting} must be {broken}"))
                .seen(format!("{value:?}"))
                .advice(format!("{usual:?} is a common choice for a {} prior", self.name())));
        }
        if let Self::Uniform { low, high } = *self
            && low >= high
        {
            return Err(Error::new(format!("{key}.high must be above {key}.low"))
                .seen(format!("low {low:?}, high {high:?}"))
                .advice("swap or widen the two ends"));
        }
        Ok(())
    }

    /// The interval outside which the density is zero.
    pub fn support(&self) -> (f64, f64) {
        match *self {
            Self::Normal { .. } | Self::StudentT { .. } | Self::Flat => (f64::NEG_INFINITY, f64::INFINITY),
            Self::Uniform { low, high } => (low, high),
            Self::Beta { .. } => (0.0, 1.0),
            Self::Pareto { scale, .. } => (scale, f64::INFINITY),
            Self::HalfNormal { .. }
            | Self::LogNormal { .. }
            | Self::Gamma { .. }
            | Self::InverseGamma { .. }
            | Self::Weibull { .. }
            | Self::Exponential { .. }
            | Self::HalfCauchy { .. } => (0.0, f64::INFINITY),
        }
    }

    /// Whether the density integrates to one.
    pub fn is_proper(&self) -> bool {
        !matches!(self, Self::Flat)
    }

    /// ln density and its slope at `x`; (−∞, 0) outside the support.
    pub fn ln_density(&self, x: f64) -> (f64, f64) {
        let (low, high) = self.support();
        if !(low..=high).contains(&x) {
            return (f64::NEG_INFINITY, 0.0);
        }
        match *self {
            Self::Normal { mean, sd } => {
                let z = (x - mean) / sd;
                (-0.5 * z * z - sd.ln() - LN_SQRT_TAU, -z / sd)
            }
            Self::HalfNormal { scale } => {
                let z = x / scale;
                (LN_2 - 0.5 * z * z - scale.ln() - LN_SQRT_TAU, -z / scale)
            }
            Self::LogNormal { median, log_sd } => {
                let z = (x / median).ln() / log_sd;
                (-0.5 * z * z - log_sd.ln() - x.ln() - LN_SQRT_TAU, -(z / log_sd + 1.0) / x)
            }
            Self::Gamma { shape, rate } => {
                (shape * rate.ln() - ln_gamma(shape) + (shape - 1.0) * x.ln() - rate * x, (shape - 1.0) / x - rate)
            }
            Self::InverseGamma { shape, scale } => (
                shape * scale.ln() - ln_gamma(shape) - (shape + 1.0) * x.ln() - scale / x,
                (scale / x - (shape + 1.0)) / x,
            ),
            Self::Weibull { shape, scale } => {
                let hazard = (x / scale).powf(shape);
                ((shape / scale).ln() + (shape - 1.0) * (x / scale).ln() - hazard, (shape - 1.0 - shape * hazard) / x)
            }
            Self::Uniform { low, high } => (-(high - low).ln(), 0.0),
            Self::Beta { alpha, beta } => (
                ln_gamma(alpha + beta) - ln_gamma(alpha) - ln_gamma(beta)
                    + (alpha - 1.0) * x.ln()
                    + (beta - 1.0) * (-x).ln_1p(),
                (alpha - 1.0) / x - (beta - 1.0) / (1.0 - x),
            ),
            Self::Pareto { shape, scale } => {
                (shape.ln() + shape * scale.ln() - (shape + 1.0) * x.ln(), -(shape + 1.0) / x)
            }
            Self::Exponential { rate } => (rate.ln() - rate * x, -rate),
            Self::StudentT { df, location, scale } => {
                let z = (x - location) / scale;
                let half = 0.5 * (df + 1.0);
                (
                    ln_gamma(half)
                        - ln_gamma(0.5 * df)
                        - 0.5 * (df * PI).ln()
                        - scale.ln()
                        - half * (z * z / df).ln_1p(),
                    -(df + 1.0) * z / (scale * (df + z * z)),
                )
            }
            Self::HalfCauchy { scale } => {
                let z = x / scale;
                (FRAC_2_PI.ln() - scale.ln() - (z * z).ln_1p(), -2.0 * z / (scale * (1.0 + z * z)))
            }
            Self::Flat => (0.0, 0.0),
        }
    }

    /// The value below which a share `p` ∈ (0, 1) of the prior lies; `None` for `flat`.
    ///
    /// # Panics
    /// With settings that [`Prior::check`] refuses.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let valid = "`check` has seen that the settings are positive and finite";
        Some(match *self {
            Self::Normal { mean, sd } => mean + sd * normal_quantile(p),
            Self::HalfNormal { scale } => scale * SQRT_2 * erf_inv(p),
            Self::LogNormal { median, log_sd } => median * (log_sd * normal_quantile(p)).exp(),
            Self::Gamma { shape, rate } => Gamma::new(shape, rate).expect(valid).inverse_cdf(p),
            Self::InverseGamma { shape, scale } => InverseGamma::new(shape, scale).expect(valid).inverse_cdf(p),
            Self::Weibull { shape, scale } => scale * (-(-p).ln_1p()).powf(1.0 / shape),
            Self::Uniform { low, high } => low + p * (high - low),
            Self::Beta { alpha, beta } => Beta::new(alpha, beta).expect(valid).inverse_cdf(p),
            Self::Pareto { shape, scale } => scale * (-(-p).ln_1p() / shape).exp(),
            Self::Exponential { rate } => -(-p).ln_1p() / rate,
            Self::StudentT { df, location, scale } => StudentsT::new(location, scale, df).expect(valid).inverse_cdf(p),
            Self::HalfCauchy { scale } => scale * (0.5 * PI * p).tan(),
            Self::Flat => return None,
        })
    }

    /// The mean, where it exists and is finite.
    pub fn mean(&self) -> Option<f64> {
        Some(match *self {
            Self::Normal { mean, .. } => mean,
            Self::HalfNormal { scale } => scale * FRAC_2_PI.sqrt(),
            Self::LogNormal { median, log_sd } => median * (0.5 * log_sd * log_sd).exp(),
            Self::Gamma { shape, rate } => shape / rate,
            Self::InverseGamma { shape, scale } if shape > 1.0 => scale / (shape - 1.0),
            Self::Weibull { shape, scale } => scale * ln_gamma(1.0 + 1.0 / shape).exp(),
            Self::Uniform { low, high } => 0.5 * (low + high),
            Self::Beta { alpha, beta } => alpha / (alpha + beta),
            Self::Pareto { shape, scale } if shape > 1.0 => shape * scale / (shape - 1.0),
            Self::Exponential { rate } => 1.0 / rate,
            Self::StudentT { df, location, .. } if df > 1.0 => location,
            Self::InverseGamma { .. }
            | Self::Pareto { .. }
            | Self::StudentT { .. }
            | Self::HalfCauchy { .. }
            | Self::Flat => return None,
        })
    }

    /// A draw; `None` for `flat`.
    ///
    /// # Panics
    /// With settings that [`Prior::check`] refuses.
    pub fn sample(&self, stream: &mut Stream) -> Option<f64> {
        let valid = "`check` has seen that the settings are positive and finite";
        match *self {
            Self::Normal { mean, sd } => Some(mean + sd * stream.normal()),
            Self::Gamma { shape, rate } => Some(rand_distr::Gamma::new(shape, 1.0 / rate).expect(valid).sample(stream)),
            Self::InverseGamma { shape, scale } => {
                Some(scale / rand_distr::Gamma::new(shape, 1.0).expect(valid).sample(stream))
            }
            Self::Beta { alpha, beta } => Some(rand_distr::Beta::new(alpha, beta).expect(valid).sample(stream)),
            Self::StudentT { df, location, scale } => {
                Some(location + scale * rand_distr::StudentT::new(df).expect(valid).sample(stream))
            }
            _ => self.quantile(stream.uniform()),
        }
    }
}

/// Φ⁻¹(p).
fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Purpose;

    /// Prior, a point, ln density and CDF there; scipy 1.17 `stats.<dist>.logpdf` and `.cdf`.
    fn rows() -> Vec<(Prior, f64, f64, f64)> {
        vec![
            (Prior::Normal { mean: 0.5, sd: 2.0 }, 1.3, -1.6920857137646181, 0.6554217416103242),
            (Prior::HalfNormal { scale: 0.5 }, 0.7, -0.512644172084782, 0.8384866815324578),
            (Prior::LogNormal { median: 15.7, log_sd: 1.5 }, 4.4, -3.165591938520001, 0.198208557968246),
            (Prior::Gamma { shape: 2.5, rate: 0.4 }, 3.1, -2.118306532921656, 0.22049594734482802),
            (Prior::InverseGamma { shape: 3.0, scale: 2.0 }, 1.2, -1.0096585327225944, 0.7659955003967786),
            (Prior::Weibull { shape: 2.0, scale: 10.0 }, 4.4, -2.624018464503931, 0.17601256666829687),
            (Prior::Uniform { low: -1.0, high: 3.0 }, 0.2, -1.3862943611198906, 0.3),
            (Prior::Beta { alpha: 2.0, beta: 5.0 }, 0.25, 0.8641747307351415, 0.466064453125),
            (Prior::Pareto { shape: 1.5, scale: 1.2 }, 3.2, -2.2289295812151058, 0.7703603366140771),
            (Prior::Exponential { rate: 0.7 }, 2.0, -1.7566749439387324, 0.7534030360583935),
            (Prior::StudentT { df: 4.0, location: 1.0, scale: 2.0 }, -1.5, -2.4983596495028415, 0.13971982168323155),
            (Prior::HalfCauchy { scale: 2.5 }, 1.7, -1.7479523588813584, 0.38017446813819333),
        ]
    }

    #[test]
    fn log_densities_agree_with_scipy() {
        for (prior, x, expected, _) in rows() {
            let (found, _) = prior.ln_density(x);
            // Both sides are double precision; 1e-12 leaves room for lnΓ, the least exact term.
            assert!((found - expected).abs() < 1e-12, "{prior:?}: {found} against {expected}");
        }
    }

    #[test]
    fn slopes_are_the_derivatives() {
        for (prior, x, _, _) in rows() {
            let h = 1e-5;
            let numeric = (prior.ln_density(x + h).0 - prior.ln_density(x - h).0) / (2.0 * h);
            // Central differences: rounding 1e-15/h = 1e-10, truncation h² times a third derivative of order ten.
            assert!((numeric - prior.ln_density(x).1).abs() < 1e-8, "{prior:?}");
        }
    }

    #[test]
    fn quantiles_invert_the_cdf() {
        for (prior, x, _, cdf) in rows() {
            let found = prior.quantile(cdf).unwrap();
            // statrs inverts the gamma, beta and t CDFs to about 1e-8 relative.
            assert!((found - x).abs() < 1e-7 * (1.0 + x.abs()), "{prior:?}: {found} against {x}");
        }
    }

    #[test]
    fn draws_follow_the_quantiles() {
        let n = 4000;
        for (row, (prior, _, _, _)) in rows().into_iter().enumerate() {
            let draws: Vec<f64> =
                (0..n).map(|i| prior.sample(&mut Stream::new(11, Purpose::Test, i, row as u32)).unwrap()).collect();
            for p in [0.05, 0.25, 0.5, 0.75, 0.95] {
                let cut = prior.quantile(p).unwrap();
                let share = draws.iter().filter(|&&d| d < cut).count() as f64 / n as f64;
                // Four standard errors of a share; the stream is fixed, so the test cannot flicker.
                let tolerance = 4.0 * (p * (1.0 - p) / n as f64).sqrt();
                assert!((share - p).abs() < tolerance, "{prior:?}: {share} below the {p} quantile");
            }
        }
    }

    #[test]
    fn means_agree_with_draws() {
        let n = 20_000;
        for (row, (prior, _, _, _)) in rows().into_iter().enumerate() {
            let Some(mean) = prior.mean() else { continue };
            if matches!(prior, Prior::Pareto { .. } | Prior::LogNormal { .. }) {
                continue; // without (or with a huge) variance the sample mean proves nothing
            }
            let draws: Vec<f64> =
                (0..n).map(|i| prior.sample(&mut Stream::new(12, Purpose::Test, i, row as u32)).unwrap()).collect();
            let found = draws.iter().sum::<f64>() / n as f64;
            let sd = (draws.iter().map(|d| (d - found).powi(2)).sum::<f64>() / n as f64).sqrt();
            assert!((found - mean).abs() < 4.0 * sd / (n as f64).sqrt(), "{prior:?}: {found} against {mean}");
        }
        assert!((Prior::LogNormal { median: 2.0, log_sd: 1.0 }.mean().unwrap() - 3.297_442_541_400_256).abs() < 1e-14);
        assert_eq!(Prior::Pareto { shape: 3.0, scale: 2.0 }.mean(), Some(3.0));
        assert_eq!(Prior::Pareto { shape: 1.0, scale: 1.0 }.mean(), None);
    }

    #[test]
    fn outside_the_support_nothing_is_possible() {
        let rows = [
            (Prior::HalfNormal { scale: 1.0 }, -0.1),
            (Prior::Uniform { low: 0.0, high: 1.0 }, 1.1),
            (Prior::Pareto { shape: 1.0, scale: 1.0 }, 0.99),
            (Prior::Weibull { shape: 2.0, scale: 1.0 }, -1.0),
            (Prior::Normal { mean: 0.0, sd: 1.0 }, f64::NAN),
        ];
        for (prior, x) in rows {
            assert_eq!(prior.ln_density(x), (f64::NEG_INFINITY, 0.0), "{prior:?}");
        }
    }

    #[test]
    fn broken_settings_are_told_with_their_place() {
        let told = |prior: Prior| prior.check("priors.r").unwrap_err().to_string();
        assert_eq!(
            told(Prior::Weibull { shape: 2.0, scale: -1.0 }),
            "priors.r.scale must be above 0 (found -1.0); 1.0 is a common choice for a weibull prior"
        );
        assert_eq!(
            told(Prior::Normal { mean: f64::NAN, sd: 1.0 }),
            "priors.r.mean must be a finite number (found NaN); 0.0 is a common choice for a normal prior"
        );
        assert!(told(Prior::Uniform { low: 2.0, high: 1.0 }).contains("priors.r.high must be above priors.r.low"));
        for (prior, ..) in rows() {
            prior.check("priors.r").unwrap();
        }
    }

    #[test]
    fn toml_reads_as_documented() {
        let read = |text: &str| toml::from_str::<std::collections::BTreeMap<String, Prior>>(text);
        let map = read("r = { dist = \"weibull\", shape = 2, scale = 10.0 }\na = { dist = \"flat\" }").unwrap();
        assert_eq!(map["r"], Prior::Weibull { shape: 2.0, scale: 10.0 });
        assert_eq!(map["a"], Prior::Flat);
        let back = toml::to_string(&map).unwrap();
        assert_eq!(read(&back).unwrap(), map);
        let unknown = read("r = { dist = \"weibull\", shape = 2.0, sale = 10.0 }").unwrap_err().to_string();
        assert!(unknown.contains("sale"), "{unknown}");
        for (prior, ..) in rows() {
            let text = toml::to_string(&prior).unwrap();
            assert!(text.contains(&format!("dist = \"{}\"", prior.name())), "{text}");
        }
    }
}
