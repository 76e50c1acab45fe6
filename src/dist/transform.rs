//! Monotone maps from an unconstrained coordinate u ∈ ℝ onto an interval, with everything a change of variables needs.
//!
//! | transform | x(u)                        | support      |
//! | --------- | --------------------------- | ------------ |
//! | identity  | u                           | (−∞, ∞)      |
//! | log       | eᵘ                          | (0, ∞)       |
//! | lower     | l + eᵘ                      | (l, ∞)       |
//! | logit     | l + (h − l) / (1 + e⁻ᵘ)     | (l, h)       |
//!
//! Each is the Stan manual's transform of the same name. No prior is applied here.

/// A map from the real line onto an open interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// x = u.
    Identity,
    /// x = eᵘ.
    Log,
    /// x = low + eᵘ.
    Lower {
        /// Lower bound.
        low: f64,
    },
    /// x = low + (high − low)·logistic(u).
    Logit {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
}

/// A transform at one point u.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transformed {
    /// x(u).
    pub value: f64,
    /// dx/du.
    pub slope: f64,
    /// ln |dx/du|.
    pub ln_jacobian: f64,
    /// d ln |dx/du| / du.
    pub ln_jacobian_slope: f64,
}

impl Transform {
    /// The transform onto `(low, high)`; `None` for an interval bounded only from above or not an interval at all.
    pub fn onto(low: f64, high: f64) -> Option<Self> {
        match (low, high) {
            (f64::NEG_INFINITY, f64::INFINITY) => Some(Self::Identity),
            (0.0, f64::INFINITY) => Some(Self::Log),
            (low, f64::INFINITY) if low.is_finite() => Some(Self::Lower { low }),
            (low, high) if low.is_finite() && high.is_finite() && low < high => Some(Self::Logit { low, high }),
            _ => None,
        }
    }

    /// Value, slope and log-Jacobian at `u`.
    ///
    /// Beyond the range of f64 the value becomes infinite or sticks to its bound; whoever uses it decides that such a point is
    /// impossible.
    pub fn at(self, u: f64) -> Transformed {
        match self {
            Self::Identity => Transformed { value: u, slope: 1.0, ln_jacobian: 0.0, ln_jacobian_slope: 0.0 },
            Self::Log => {
                let e = u.exp();
                Transformed { value: e, slope: e, ln_jacobian: u, ln_jacobian_slope: 1.0 }
            }
            Self::Lower { low } => {
                let e = u.exp();
                Transformed { value: low + e, slope: e, ln_jacobian: u, ln_jacobian_slope: 1.0 }
            }
            Self::Logit { low, high } => {
                // e = e^−|u| ≤ 1 never overflows; p and 1 − p come from it without cancellation.
                let e = (-u.abs()).exp();
                let (near_one, near_zero) = (1.0 / (1.0 + e), e / (1.0 + e));
                let (p, not_p) = if u >= 0.0 { (near_one, near_zero) } else { (near_zero, near_one) };
                let width = high - low;
                Transformed {
                    value: if u >= 0.0 { high - width * not_p } else { low + width * p },
                    slope: width * p * not_p,
                    ln_jacobian: width.ln() - u.abs() - 2.0 * e.ln_1p(),
                    ln_jacobian_slope: not_p - p,
                }
            }
        }
    }

    /// x(u) alone.
    pub fn value(self, u: f64) -> f64 {
        self.at(u).value
    }

    /// The u whose value is `x`; infinite on the bounds and NaN outside them.
    pub fn inverse(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Log => x.ln(),
            Self::Lower { low } => (x - low).ln(),
            Self::Logit { low, high } => ((x - low) / (high - x)).ln(),
        }
    }

    /// What the unconstrained coordinate of `name` is called: `log(r)`, `logit(phi)`, `log(kappa - 1)`.
    pub fn coordinate_name(self, name: &str) -> String {
        match self {
            Self::Identity => name.to_owned(),
            Self::Log => format!("log({name})"),
            Self::Lower { low } => format!("log({name} - {low})"),
            Self::Logit { low: 0.0, high: 1.0 } => format!("logit({name})"),
            Self::Logit { low, high } => format!("logit({name}, {low}, {high})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Transform; 5] = [
        Transform::Identity,
        Transform::Log,
        Transform::Lower { low: 1.0 },
        Transform::Logit { low: 0.0, high: 1.0 },
        Transform::Logit { low: -2.0, high: 3.5 },
    ];

    #[test]
    fn slopes_are_the_derivatives() {
        for t in ROWS {
            for u in [-5.0, -1.3, 0.0, 0.4, 2.0, 6.0] {
                let (h, here) = (1e-5, t.at(u));
                let numeric = |f: fn(Transformed) -> f64| (f(t.at(u + h)) - f(t.at(u - h))) / (2.0 * h);
                // Central differences: truncation h²/6 ≈ 2e-11 and rounding 1e-16/h ≈ 1e-11, times values up to 400.
                let close = |a: f64, b: f64| (a - b).abs() < 1e-8 * (1.0 + b.abs());
                assert!(close(numeric(|p| p.value), here.slope), "{t:?} at {u}: slope");
                assert!(close(numeric(|p| p.ln_jacobian), here.ln_jacobian_slope), "{t:?} at {u}: Jacobian slope");
                assert!(close(here.slope.ln(), here.ln_jacobian), "{t:?} at {u}: Jacobian");
            }
        }
    }

    #[test]
    fn inverse_returns() {
        for t in ROWS {
            for u in [-8.0, -1.3, 0.0, 0.4, 2.0, 8.0] {
                // At u = −8 a value next to a bound of size one keeps 1e-16 / e⁻⁸ ≈ 3e-13 of its coordinate, with a factor to spare.
                assert!((t.inverse(t.value(u)) - u).abs() < 1e-11, "{t:?} at {u}");
            }
        }
    }

    #[test]
    fn the_far_ends_stay_finite_or_stick_to_the_bound() {
        let logit = Transform::Logit { low: 0.0, high: 1.0 };
        for u in [-1e3, 1e3] {
            let p = logit.at(u);
            assert!(p.value == f64::from(u > 0.0) && p.slope == 0.0);
            assert_eq!(p.ln_jacobian, -1e3);
        }
        assert_eq!(Transform::Log.value(1e3), f64::INFINITY);
    }

    #[test]
    fn intervals_choose_their_transform() {
        let inf = f64::INFINITY;
        assert_eq!(Transform::onto(-inf, inf), Some(Transform::Identity));
        assert_eq!(Transform::onto(0.0, inf), Some(Transform::Log));
        assert_eq!(Transform::onto(1.0, inf), Some(Transform::Lower { low: 1.0 }));
        assert_eq!(Transform::onto(0.0, 1.0), Some(Transform::Logit { low: 0.0, high: 1.0 }));
        assert_eq!(Transform::onto(1.0, 1.0), None);
        assert_eq!(Transform::onto(-inf, 0.0), None);
    }

    #[test]
    fn coordinates_are_named_after_their_transform() {
        assert_eq!(Transform::Log.coordinate_name("r"), "log(r)");
        assert_eq!(Transform::Lower { low: 1.0 }.coordinate_name("kappa"), "log(kappa - 1)");
        assert_eq!(Transform::Logit { low: 0.0, high: 1.0 }.coordinate_name("phi"), "logit(phi)");
    }
}
