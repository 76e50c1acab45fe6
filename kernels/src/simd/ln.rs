//! Natural logarithms of a register of numbers: exponent apart, then the series of FreeBSD's `log`; no table, no branch.

use pulp::Simd;

use super::exp::{LN_2_LOWER, LN_2_UPPER};
use super::vector::V;

/// ln x for any x: within 1 ULP; −∞ at 0, ∞ at ∞, NaN below 0 and for NaN.
#[inline(always)]
pub(crate) fn ln<S: Simd>(x: V<S>) -> V<S> {
    let subnormal = |yes: f64, no: f64| x.if_below(f64::MIN_POSITIVE, x.all(yes), x.all(no));
    let (z, k) = (x * subnormal(TWO_54, 1.0)).mantissa_and_exponent();
    let y = of_parts(z - z.all(1.0), k - subnormal(54.0, 0.0));
    outside(x, 0.0, y)
}

/// ln x for positive, normal, finite x: as [`ln`], at less cost.
#[inline(always)]
pub(crate) fn ln_normal<S: Simd>(x: V<S>) -> V<S> {
    let (z, k) = x.mantissa_and_exponent();
    of_parts(z - z.all(1.0), k)
}

/// ln(1 + x) for any x: within 2 ULP; −∞ at −1, ∞ at ∞, NaN below −1 and for NaN.
#[inline(always)]
pub(crate) fn ln_1p<S: Simd>(x: V<S>) -> V<S> {
    // Beyond 2¹⁰⁰ the 1 is nothing, and 2⁻ᵏ would run out of exponents.
    let (z, k) = (x + x.all(1.0)).mantissa_and_exponent();
    let (_, k_small) = (x.at_most(TWO_100) + x.all(1.0)).mantissa_and_exponent();
    let y = of_parts(x.if_above(TWO_100, z - z.all(1.0), scaled_1p(x, k_small)), k);
    outside(x, -1.0, y)
}

/// ln(1 + x) for 0 ≤ x ≤ 1e300: as [`ln_1p`], at less cost.
#[inline(always)]
pub(crate) fn ln_1p_positive<S: Simd>(x: V<S>) -> V<S> {
    let (_, k) = (x + x.all(1.0)).mantissa_and_exponent();
    of_parts(scaled_1p(x, k), k)
}

/// (1 + x) 2⁻ᵏ − 1 = 2⁻ᵏ x + (2⁻ᵏ − 1), rounded once: the sum 1 + x, which loses digits of x, is never taken.
#[inline(always)]
fn scaled_1p<S: Simd>(x: V<S>, k: V<S>) -> V<S> {
    let scale = (-k).power_of_two();
    scale.times_plus(x, scale - x.all(1.0))
}

/// `y` where x > `pole` is finite, and otherwise what a logarithm with its pole there is.
#[inline(always)]
fn outside<S: Simd>(x: V<S>, pole: f64, y: V<S>) -> V<S> {
    let y = x.if_below(f64::INFINITY, y, x);
    x.if_above(pole, y, x.if_equal(pole, x.all(f64::NEG_INFINITY), x.all(f64::NAN)))
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

const TWO_54: f64 = 18_014_398_509_481_984.0;
const TWO_100: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::{each_lane, ulps};

    crate::simd::proof::lanewise!(Ln, ln);
    crate::simd::proof::lanewise!(LnNormal, ln_normal);
    crate::simd::proof::lanewise!(Ln1p, ln_1p);
    crate::simd::proof::lanewise!(Ln1pPositive, ln_1p_positive);

    const ODD: [f64; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        -2.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1e-310,
        -5e-324,
        std::f64::consts::SQRT_2,
        std::f64::consts::FRAC_1_SQRT_2,
        -0.999_999_999_999_999_9,
    ];

    /// Every binade, and dense around 1.
    fn positive() -> Vec<f64> {
        let binades = (0..200_000).map(|i| 2f64.powf(-1022.0 + f64::from(i) * 0.010_229));
        let near_one = (0..100_000).map(|i| 0.5 + f64::from(i) * 1.7e-5);
        let nearer = (0..2000).flat_map(|i| [1.0, -1.0].map(|s| 1.0 + s * 2f64.powf(-f64::from(i) * 0.026)));
        binades.chain(near_one).chain(nearer).collect()
    }

    #[test]
    fn ln_within_two_units_in_the_last_place() {
        let x = positive();
        for ((x, full), normal) in x.iter().zip(each_lane(&x, Ln)).zip(each_lane(&x, LnNormal)) {
            assert!(ulps(full, x.ln()) <= 2, "ln({x:e}) = {full:e} not {:e}", x.ln());
            assert!(*x < f64::MIN_POSITIVE || full.to_bits() == normal.to_bits(), "ln({x:e})");
        }
        for (x, seen) in ODD.iter().zip(each_lane(&ODD, Ln)) {
            assert!(ulps(seen, x.ln()) <= 2, "ln({x:e}) = {seen:e} not {:e}", x.ln());
        }
    }

    #[test]
    fn ln_1p_within_two_units_in_the_last_place() {
        let mut x = positive();
        x.extend((0..2000).map(|i| 2f64.powf(-f64::from(i) * 0.5)));
        for ((x, full), positive) in x.iter().zip(each_lane(&x, Ln1p)).zip(each_lane(&x, Ln1pPositive)) {
            assert!(ulps(full, x.ln_1p()) <= 2, "ln_1p({x:e}) = {full:e} not {:e}", x.ln_1p());
            assert!(*x > 1e300 || positive == full, "ln_1p({x:e}) = {positive:e} or {full:e}");
        }
        let negative: Vec<f64> = (1..100_000).map(|i| -f64::from(i) * 1e-5).collect();
        let tiny: Vec<f64> = (0..1990).map(|i| -(2f64.powf(-1.0 - f64::from(i) * 0.5))).collect();
        let near_pole: Vec<f64> = (0..50).map(|i| 2f64.powi(-i) - 1.0).collect();
        for x in [&negative, &tiny, &near_pole, &ODD.to_vec()] {
            for (x, seen) in x.iter().zip(each_lane(x, Ln1p)) {
                assert!(ulps(seen, x.ln_1p()) <= 2, "ln_1p({x:e}) = {seen:e} not {:e}", x.ln_1p());
            }
        }
    }
}
