//! What Pareto/NBD tells [`crate::covariates`]: which parameters may be a customer's own, and what rows add there.

use super::simd::{add_age, add_death};
use super::{K, ParetoNbd};
use crate::covariates::{Case, Parts, Personal, Scale};
use crate::simd::{Sums, V};

impl Personal for ParetoNbd {
    const NAME: &'static str = "Pareto/NBD";
    const PARAMETERS: [&'static str; K] = ["r", "alpha", "s", "beta"];
    const SIGNS: [f64; K] = [0.0, -1.0, 0.0, -1.0];

    fn log_lik(theta: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
        super::log_lik(theta, x, t_x, t)
    }

    fn log_lik_gradient(theta: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
        super::log_lik_gradient(theta, x, t_x, t)
    }
}

impl Parts for ParetoNbd {
    const SCALES: &'static [Scale] = &[Scale { shape: 0, scale: 1 }, Scale { shape: 2, scale: 3 }];
    const CHANCES: Option<u32> = None;

    /// Whoever bought at T is alive.
    fn is_brief(_x: u32, t_x: f64, t: f64) -> bool {
        t_x == t
    }

    /// w [ −n ln(α+T) − s ln(β+T) + G + ln(e^−G + q S) ].
    #[inline(always)]
    fn add<S: pulp::Simd>(case: Case, theta: [V<S>; K], row: [V<S>; 4], sums: &mut Sums<S, K>) {
        let [x, t_x, gap, w] = row;
        add_age(theta, [t_x + gap, w, w * x], sums);
        if !case.is_brief {
            add_death(theta, row, sums);
        }
    }
}
