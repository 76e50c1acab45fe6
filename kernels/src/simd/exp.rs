//! e to the power of a register of numbers: reduction by ln 2, then a polynomial; no table, no branch.

use pulp::Simd;

use super::vector::V;

/// eˣ for x ≤ 709, within 1 ULP; below −708, where subnormal numbers are near, e⁻⁷⁰⁸ = 3.3e-308.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: V<S>) -> V<S> {
    let x = x.at_least(-708.0);
    let n = round(x * x.all(std::f64::consts::LOG2_E));
    // x = n ln 2 + r with |r| ≤ ½ ln 2, rounding apart.
    let r = n.times_from(n.all(LN_2_UPPER), x);
    let r = n.times_from(n.all(LN_2_LOWER), r);
    let tail = r * r * r.polynomial(EXP);
    ((r + tail) + r.all(1.0)) * n.power_of_two()
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
    use crate::simd::proof::{each_lane, lanewise, ulps};

    lanewise!(Exp, exp);

    #[test]
    fn within_two_units_in_the_last_place() {
        let wide = (0..400_000).map(|i| -708.0 + f64::from(i) * 0.003_542);
        let small = (0..4000).flat_map(|i| [1.0, -1.0].map(|sign| sign * 2f64.powf(-f64::from(i) * 0.27)));
        let x: Vec<f64> = wide.chain(small).filter(|x| *x <= 709.0).chain([0.0, -0.0, 709.0]).collect();
        for (x, seen) in x.iter().zip(each_lane(&x, Exp)) {
            assert!(ulps(seen, x.exp()) <= 2, "exp({x}) = {seen:e} not {:e}", x.exp());
        }
    }

    #[test]
    fn nearly_nothing_below() {
        let least = (-708f64).exp();
        for seen in each_lane(&[-708.1, -745.0, -1e30, -1e300, f64::NEG_INFINITY], Exp) {
            assert!(ulps(seen, least) <= 2, "{seen:e} not {least:e}");
        }
    }
}
