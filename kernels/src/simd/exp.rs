//! e to the power of a register of numbers: reduction by ln 2, then a polynomial; no table, no branch.

use pulp::Simd;

use super::vector::V;

/// eˣ for any x: within 1 ULP (of the smallest subnormal where the result is one), 0 and ∞ beyond the ends, NaN for NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: V<S>) -> V<S> {
    let (n, y) = reduced(x.at_least(-746.0).at_most(710.0));
    // In two steps, for neither 2⁻¹⁰⁷⁵ nor 2¹⁰²⁴ is a normal number.
    let half = round(n * n.all(0.5));
    let y = y * half.power_of_two() * (n - half).power_of_two();
    // Minimum and maximum of a NaN are another number on some processors.
    x.if_number(y)
}

/// eˣ for −708 ≤ x ≤ 709: as [`exp`], at less cost.
#[inline(always)]
pub(crate) fn exp_normal<S: Simd>(x: V<S>) -> V<S> {
    let (n, y) = reduced(x);
    y * n.power_of_two()
}

/// (n, eʳ) with x = n ln 2 + r and |r| ≤ ½ ln 2, rounding apart.
#[inline(always)]
fn reduced<S: Simd>(x: V<S>) -> (V<S>, V<S>) {
    let n = round(x * x.all(std::f64::consts::LOG2_E));
    let r = n.times_from(n.all(LN_2_UPPER), x);
    let r = n.times_from(n.all(LN_2_LOWER), r);
    let tail = r * r * r.polynomial(EXP);
    (n, (r + tail) + r.all(1.0))
}

/// The nearest whole number, for |x| < 2⁵¹.
#[inline(always)]
fn round<S: Simd>(x: V<S>) -> V<S> {
    let magic = x.all(6_755_399_441_055_744.0);
    (x + magic) - magic
}

/// ln 2 in two parts, the first with 21 trailing zero bits, so that whole multiples of it are exact with or without fusing.
pub(super) const LN_2_UPPER: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
pub(super) const LN_2_LOWER: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

/// (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2: Chebyshev fit in 200 bits (mpmath `chebyfit`); with it eʳ is good to 1.6e-17 relative.
const EXP: [f64; 10] = [
    0.500_000_000_000_000_1,
    0.166_666_666_666_666_69,
    0.041_666_666_666_624_13,
    0.008_333_333_333_330_062,
    0.001_388_888_891_721_371_7,
    0.000_198_412_698_630_536_18,
    2.480_152_129_595_437_6e-05,
    2.755_726_845_999_706_4e-06,
    2.762_008_844_540_974_6e-07,
    2.510_038_549_551_032e-08,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::{each_lane, ulps};

    fn both(x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        (each_lane(x, Exp), each_lane(x, ExpNormal))
    }

    crate::simd::proof::lanewise!(Exp, exp);
    crate::simd::proof::lanewise!(ExpNormal, exp_normal);

    #[test]
    fn within_two_units_in_the_last_place() {
        let x: Vec<f64> = (0..400_000).map(|i| -745.2 + f64::from(i) * 0.003_637_1).filter(|x| *x < 709.7).collect();
        let small: Vec<f64> =
            (0..2000).flat_map(|i| [1.0, -1.0].map(|s| s * 2f64.powf(-f64::from(i) * 0.03))).collect();
        for x in [x, small] {
            let (full, normal) = both(&x);
            for ((x, full), normal) in x.iter().zip(full).zip(normal) {
                assert!(ulps(full, x.exp()) <= 2, "exp({x}) = {full:e} not {:e}", x.exp());
                assert!(!(-708.0..=709.0).contains(x) || normal == full, "exp({x}) = {normal:e} or {full:e}");
            }
        }
    }

    #[test]
    fn the_ends() {
        let x =
            [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 709.782, 709.79, -745.13, -745.14, -1e300, 1e300];
        for (x, seen) in x.iter().zip(each_lane(&x, Exp)) {
            assert!(ulps(seen, x.exp()) <= 2, "exp({x}) = {seen:e} not {:e}", x.exp());
        }
    }
}
