//! lnΓ and ψ of a register of numbers, and their differences over a count. Not the judge: absolute errors of a few units in
//! the last place of the largest term, which sums over customers ask for, not digits near the zeros.
//!
//! Shift to z ≥ 10 by the recurrence, then Stirling's series (Abramowitz & Stegun 6.1.15, 6.1.41, 6.3.5, 6.3.18).

use pulp::Simd;

use super::ln::{ln, ln_1p};
use super::vector::V;

/// lnΓ(z) and ψ(z) for 1e-100 ≤ z ≤ 1e100.
#[inline(always)]
pub(crate) fn ln_gamma_digamma<S: Simd>(z: V<S>) -> (V<S>, V<S>) {
    let one = z.all(1.0);
    // P = z (z+1) … (z+9) and its derivative; below 10 alone, where they stay small.
    let near = z.at_most(STIRLING_FROM);
    let (mut product, mut slope) = (near, one);
    for j in 1..10 {
        let factor = near + z.all(f64::from(j));
        slope = slope.times_plus(factor, product);
        product = product * factor;
    }
    let product = z.if_below(STIRLING_FROM, product, one);
    let slope = z.if_below(STIRLING_FROM, slope, z.all(0.0));
    let far = z.if_below(STIRLING_FROM, z + z.all(10.0), z);
    // 1/far and 1/product by one division.
    let both = one / (far * product);
    let (per_far, per_product) = (product * both, far * both);
    let (ln_far, y) = (ln(far), per_far * per_far);
    let half = z.all(0.5);
    let value = (far - half)
        .times_plus(ln_far, per_far.times_plus(y.polynomial(STIRLING), z.all(HALF_LN_TWO_PI) - far))
        - ln(product);
    let digamma = ln_far - y.times_plus(y.polynomial(DIGAMMA), half * per_far) - slope * per_product;
    (value, digamma)
}

/// lnΓ(c + d) − lnΓ(c) and ψ(c + d) − ψ(c) for 10 ≤ c ≤ 1e100 and 0 ≤ d ≤ 1e100, without loss where c ≫ d.
#[inline(always)]
pub(crate) fn rise<S: Simd>(c: V<S>, d: V<S>) -> (V<S>, V<S>) {
    let (one, half) = (c.all(1.0), c.all(0.5));
    let top = c + d;
    let both = one / (c * top);
    let (per_c, per_top) = (top * both, c * both);
    let (y_c, y_top) = (per_c * per_c, per_top * per_top);
    let ln_ratio = ln_1p(d * per_c);
    let tails = per_top * y_top.polynomial(STIRLING) - per_c * y_c.polynomial(STIRLING);
    let value = d.times_plus(ln(top), (c - half).times_plus(ln_ratio, -d)) + tails;
    let slope_tails = y_top * y_top.polynomial(DIGAMMA) - y_c * y_c.polynomial(DIGAMMA);
    let slope = (half * d).times_plus(both, ln_ratio) - slope_tails;
    (value, slope)
}

/// lnΓ(c + d) − lnΓ(c) and ψ(c + d) − ψ(c) for 1e-60 ≤ c ≤ 1e100 and 0 ≤ d ≤ 1e10: [`rise`] from c + 10 where c is small.
#[inline(always)]
pub(crate) fn rise_from<S: Simd>(c: V<S>, d: V<S>) -> (V<S>, V<S>) {
    let one = c.all(1.0);
    // (c)_d = (c+10)_d · (c)₁₀ / (c+d)₁₀, and the derivatives of both products.
    let low = c.at_most(STIRLING_FROM);
    let high = low + d;
    let (mut below, mut slope_below, mut above, mut slope_above) = (low, one, high, one);
    for j in 1..10 {
        let (of_low, of_high) = (low + c.all(f64::from(j)), high + c.all(f64::from(j)));
        slope_below = slope_below.times_plus(of_low, below);
        slope_above = slope_above.times_plus(of_high, above);
        below = below * of_low;
        above = above * of_high;
    }
    // Both reciprocals by one division.
    let both = one / (below * above);
    let (per_below, per_above) = (above * both, below * both);
    let value = ln(below * per_above);
    let slope = slope_below.times_plus(per_below, -(slope_above * per_above));
    let (far_value, far_slope) = rise(c.if_below(STIRLING_FROM, c + c.all(10.0), c), d);
    let zero = c.all(0.0);
    (far_value + c.if_below(STIRLING_FROM, value, zero), far_slope + c.if_below(STIRLING_FROM, slope, zero))
}

/// Stirling's series is good to the last digit from here on.
const STIRLING_FROM: f64 = 10.0;

/// ½ ln 2π.
const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// B₂ₙ / (2n(2n−1)), the coefficients of lnΓ in 1/z^(2n−1).
const STIRLING: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];

/// B₂ₙ / 2n, the coefficients of −ψ in 1/z^2n.
const DIGAMMA: [f64; 8] =
    [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32_760.0, 1.0 / 12.0, -3617.0 / 8160.0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::{each_lane, lanewise};
    use crate::special::{digamma, digamma_rising, ln_gamma, ln_rising};

    fn value<S: Simd>(z: V<S>) -> V<S> {
        ln_gamma_digamma(z).0
    }

    fn slope<S: Simd>(z: V<S>) -> V<S> {
        ln_gamma_digamma(z).1
    }

    /// d = 7000 of a count that starts at c.
    fn value_of_7000<S: Simd>(c: V<S>) -> V<S> {
        rise(c, c.all(7000.0)).0
    }

    fn slope_of_7000<S: Simd>(c: V<S>) -> V<S> {
        rise(c, c.all(7000.0)).1
    }

    #[derive(Clone, Copy)]
    struct ValueOf<const D: u32>;

    impl<const D: u32> crate::simd::proof::Lanewise for ValueOf<D> {
        #[inline(always)]
        fn at<S: Simd>(c: V<S>) -> V<S> {
            rise_from(c, c.all(f64::from(D))).0
        }
    }

    #[derive(Clone, Copy)]
    struct SlopeOf<const D: u32>;

    impl<const D: u32> crate::simd::proof::Lanewise for SlopeOf<D> {
        #[inline(always)]
        fn at<S: Simd>(c: V<S>) -> V<S> {
            rise_from(c, c.all(f64::from(D))).1
        }
    }

    fn assert_rises_from_anywhere<const D: u32>() {
        let c: Vec<f64> = (0..4000).map(|i| 10f64.powf(-60.0 + f64::from(i) * 0.03)).collect();
        for ((c, value), slope) in c.iter().zip(each_lane(&c, ValueOf::<D>)).zip(each_lane(&c, SlopeOf::<D>)) {
            let (expected, expected_slope) = (ln_rising(*c, D), digamma_rising(*c, D));
            // Below 10 the shift, whose logarithm is at most that of 1/c and 10 ln(c + d), is taken out again.
            let size = expected.abs() + c.ln().abs() + 10.0 * (1.0 + f64::from(D)).ln() + 40.0;
            assert!((value - expected).abs() <= 2e-15 * size, "{D} from {c:e}: {value:e} {expected:e}");
            // Below 10 the first of the ten reciprocals, 1/c, is subtracted from what may be itself.
            let size = expected_slope + if *c < 10.0 { 4.0 + 1.0 / c } else { 0.0 };
            assert!((slope - expected_slope).abs() <= 4e-15 * size, "{D} from {c:e}: {slope:e} {expected_slope:e}");
        }
    }

    #[test]
    fn rises_from_anywhere_as_the_judge_has_them() {
        assert_rises_from_anywhere::<0>();
        assert_rises_from_anywhere::<1>();
        assert_rises_from_anywhere::<7>();
        assert_rises_from_anywhere::<1000>();
        assert_rises_from_anywhere::<4_000_000_000>();
    }

    lanewise!(Value, value);
    lanewise!(Slope, slope);
    lanewise!(RiseValue, value_of_7000);
    lanewise!(RiseSlope, slope_of_7000);

    #[test]
    fn ln_gamma_and_digamma_as_the_judge_has_them() {
        let z: Vec<f64> = (0..30_000).map(|i| 10f64.powf(-30.0 + f64::from(i) * 0.0022)).collect();
        for ((z, value), slope) in z.iter().zip(each_lane(&z, Value)).zip(each_lane(&z, Slope)) {
            // Terms of the size of lnΓ(20) = 39 and ψ(20) = 3 cancel below 10.
            let (ln_gamma, digamma) = (ln_gamma(*z), digamma(*z));
            assert!((value - ln_gamma).abs() <= 1e-15 * (ln_gamma.abs() + 40.0), "lnΓ({z:e}) = {value:e} {ln_gamma:e}");
            assert!((slope - digamma).abs() <= 1e-15 * (digamma.abs() + 4.0), "ψ({z:e}) = {slope:e} {digamma:e}");
        }
    }

    #[test]
    fn rises_as_the_judge_has_them() {
        let c: Vec<f64> = (0..4000).map(|i| 10f64.powf(1.0 + f64::from(i) * 0.007)).collect();
        for ((c, value), slope) in c.iter().zip(each_lane(&c, RiseValue)).zip(each_lane(&c, RiseSlope)) {
            let (expected, expected_slope) = (ln_rising(*c, 7000), digamma_rising(*c, 7000));
            assert!((value - expected).abs() <= 2e-15 * expected, "{c:e}: {value:e} {expected:e}");
            assert!((slope - expected_slope).abs() <= 2e-15 * expected_slope, "{c:e}: {slope:e} {expected_slope:e}");
        }
    }
}
