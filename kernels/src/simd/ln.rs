//! Natural logarithms of a register of numbers: exponent apart, then the series of FreeBSD's `log`; no table, no branch.

use pulp::Simd;

use super::exp::{LN_2_LOWER, LN_2_UPPER};
use super::vector::V;

/// ln x for positive, normal, finite x: within 1 ULP.
#[inline(always)]
pub(crate) fn ln<S: Simd>(x: V<S>) -> V<S> {
    let (z, k) = x.mantissa_and_exponent();
    of_parts(z - z.all(1.0), k)
}

/// ln(1 + x) for 0 ≤ x ≤ 1e300: within 2 ULP.
#[inline(always)]
pub(crate) fn ln_1p<S: Simd>(x: V<S>) -> V<S> {
    let (_, k) = (x + x.all(1.0)).mantissa_and_exponent();
    of_parts(scaled_1p(x, k), k)
}

/// (1 + x) 2⁻ᵏ − 1 = 2⁻ᵏ x + (2⁻ᵏ − 1), rounded once: the sum 1 + x, which loses digits of x, is never taken.
#[inline(always)]
fn scaled_1p<S: Simd>(x: V<S>, k: V<S>) -> V<S> {
    let scale = (-k).power_of_two();
    scale.times_plus(x, scale - x.all(1.0))
}

/// ln(1 + f) + k ln 2 for √½ ≤ 1 + f < √2 (FreeBSD e_log.c: with s = f/(2 + f), ln(1 + f) = f − ½f² + s(½f² + R(s²))).
#[inline(always)]
fn of_parts<S: Simd>(f: V<S>, k: V<S>) -> V<S> {
    let s = f / (f + f.all(2.0));
    let s2 = s * s;
    let half = f * f * f.all(0.5);
    let r = s2 * s2.polynomial(LN);
    let low = s.times_plus(half + r, k * k.all(LN_2_LOWER));
    k.times_plus(k.all(LN_2_UPPER), f - (half - low))
}

/// 2/3, 2/5, … as fitted in FreeBSD's e_log.c (Lg1 to Lg7), good to 2⁻⁵⁸.
const LN: [f64; 7] = [
    6.666_666_666_666_735_13e-01,
    3.999_999_999_940_941_908e-01,
    2.857_142_874_366_239_149e-01,
    2.222_219_843_214_978_396e-01,
    1.818_357_216_161_805_012e-01,
    1.531_383_769_920_937_332e-01,
    1.479_819_860_511_658_591e-01,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::{each_lane, lanewise, ulps};

    lanewise!(Ln, ln);
    lanewise!(Ln1p, ln_1p);

    /// Every binade, dense around 1, and the edges of the reduction.
    fn positive() -> Vec<f64> {
        let binades = (0..200_000).map(|i| 2f64.powf(-1022.0 + f64::from(i) * 0.010_229));
        let near_one = (0..100_000).map(|i| 0.5 + f64::from(i) * 1.7e-5);
        let nearer = (1..2000).flat_map(|i| [1.0, -1.0].map(|sign| 1.0 + sign * 2f64.powf(-f64::from(i) * 0.026)));
        let [root, half] = [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2];
        let edges = [
            1.0,
            f64::MIN_POSITIVE,
            f64::MAX,
            root,
            half,
            root.next_up(),
            half.next_down(),
            half.next_down().next_down(),
        ];
        binades.chain(near_one).chain(nearer).chain(edges).collect()
    }

    #[test]
    fn ln_within_two_units_in_the_last_place() {
        let x = positive();
        for (x, seen) in x.iter().zip(each_lane(&x, Ln)) {
            assert!(ulps(seen, x.ln()) <= 2, "ln({x:e}) = {seen:e} not {:e}", x.ln());
        }
    }

    #[test]
    fn ln_1p_within_two_units_in_the_last_place() {
        let [root, half] = [std::f64::consts::SQRT_2 - 1.0, std::f64::consts::FRAC_1_SQRT_2];
        let mut x: Vec<f64> = positive().into_iter().filter(|x| *x <= 1e300).collect();
        x.extend([0.0, -0.0, 5e-324, 1e-310, 1e300, root, half, root.next_up(), root.next_down()]);
        for (x, seen) in x.iter().zip(each_lane(&x, Ln1p)) {
            assert!(ulps(seen, x.ln_1p()) <= 2, "ln_1p({x:e}) = {seen:e} not {:e}", x.ln_1p());
        }
    }
}
