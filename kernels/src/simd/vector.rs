//! One register of f64 numbers, as wide as the processor at hand, with the operators that formulas are written in.
//!
//! Every operation works lane by lane, so a row's result does not depend on its neighbours or on the width. Fused
//! multiply-adds are written out ([`V::times_plus`]); the compiler makes none of its own.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::Simd;

/// A register of `S::F64_LANES` numbers.
#[derive(Debug, Clone, Copy)]
pub struct V<S: Simd> {
    simd: S,
    lanes: S::f64s,
}

impl<S: Simd> V<S> {
    #[inline(always)]
    pub fn splat(simd: S, value: f64) -> Self {
        Self { simd, lanes: simd.splat_f64s(value) }
    }

    /// The same number in every lane.
    #[inline(always)]
    pub fn all(self, value: f64) -> Self {
        Self::splat(self.simd, value)
    }

    /// Register `part` of eight numbers.
    #[inline(always)]
    pub fn load(simd: S, eight: &[f64; 8], part: usize) -> Self {
        Self { simd, lanes: S::as_simd_f64s(eight).0[part] }
    }

    #[inline(always)]
    pub fn store(self, eight: &mut [f64; 8], part: usize) {
        S::as_mut_simd_f64s(eight).0[part] = self.lanes;
    }

    /// `self · factor + term`, rounded once where the processor can.
    #[inline(always)]
    pub fn times_plus(self, factor: Self, term: Self) -> Self {
        Self { lanes: self.simd.mul_add_e_f64s(self.lanes, factor.lanes, term.lanes), ..self }
    }

    /// `term − self · factor`, rounded once where the processor can.
    #[inline(always)]
    pub fn times_from(self, factor: Self, term: Self) -> Self {
        Self { lanes: self.simd.negate_mul_add_e_f64s(self.lanes, factor.lanes, term.lanes), ..self }
    }

    /// c₀ + c₁ x + c₂ x² + …
    #[inline(always)]
    pub fn polynomial<const N: usize>(self, c: [f64; N]) -> Self {
        let mut sum = self.all(c[N - 1]);
        for c in c.iter().rev().skip(1) {
            sum = sum.times_plus(self, self.all(*c));
        }
        sum
    }

    /// The larger of the two, for numbers.
    #[inline(always)]
    pub fn at_least(self, floor: f64) -> Self {
        Self { lanes: self.simd.max_f64s(self.lanes, self.simd.splat_f64s(floor)), ..self }
    }

    /// The smaller of the two, for numbers.
    #[inline(always)]
    pub fn at_most(self, ceiling: f64) -> Self {
        Self { lanes: self.simd.min_f64s(self.lanes, self.simd.splat_f64s(ceiling)), ..self }
    }

    /// `yes` in the lanes below `bound`, `no` in the others; a lane that is not a number is not below.
    #[inline(always)]
    pub fn if_below(self, bound: f64, yes: Self, no: Self) -> Self {
        let mask = self.simd.less_than_f64s(self.lanes, self.simd.splat_f64s(bound));
        Self { lanes: self.simd.select_f64s(mask, yes.lanes, no.lanes), ..self }
    }

    /// The largest of its numbers.
    #[inline(always)]
    pub fn largest(self) -> f64 {
        self.simd.reduce_max_f64s(self.lanes)
    }

    /// 2ⁿ for whole numbers −1022 ≤ n ≤ 1023.
    #[inline(always)]
    pub fn power_of_two(self) -> Self {
        // In 2⁵² + (n + 1023) 2³² the upper half of the bits ends in n + 1023, which shifted up by 20 is the exponent of 2ⁿ.
        let biased = self.times_plus(self.all(TWO_32), self.all(TWO_52 + 1023.0 * TWO_32));
        let bits = upper_up_20(self.simd, self.simd.transmute_u64s_f64s(biased.lanes));
        Self { lanes: self.simd.transmute_f64s_u64s(bits), ..self }
    }

    /// (z, k) with self = z 2ᵏ and √½ ≤ z < √2, for positive normal numbers.
    #[inline(always)]
    pub fn mantissa_and_exponent(self) -> (Self, Self) {
        let simd = self.simd;
        // Adding 1 − √½ as integers carries into the exponent where the mantissa is at least √2, and makes the fraction count
        // from √½.
        let from_root = simd.transmute_u64s_f64s(self.lanes);
        let from_root = simd.add_u64s(from_root, simd.splat_u64s(1f64.to_bits() - ROOT_HALF_BITS));
        let fraction = simd.and_u64s(from_root, simd.splat_u64s((1 << 52) - 1));
        let z = simd.transmute_f64s_u64s(simd.add_u64s(fraction, simd.splat_u64s(ROOT_HALF_BITS)));
        // The exponent's bits moved down to the low end of the upper half, under the exponent of 2⁵²: 2⁵² + (k + 1023) 2³².
        let upper = simd.and_u64s(upper_down_20(simd, from_root), simd.splat_u64s(0x7ff << 32));
        let biased = simd.transmute_f64s_u64s(simd.or_u64s(upper, simd.splat_u64s(TWO_52.to_bits())));
        let biased = Self { simd, lanes: biased };
        let k = (biased - self.all(TWO_52 + 1023.0 * TWO_32)) * self.all(1.0 / TWO_32);
        (Self { simd, lanes: z }, k)
    }
}

/// Moves the upper 32 bits up by 20; the lower 32 bits must be 0.
#[inline(always)]
fn upper_up_20<S: Simd>(simd: S, bits: S::u64s) -> S::u64s {
    // The trait shifts halves of 32 bits alone; its one-lane scalar has no pair of them.
    if const { size_of::<S::u32s>() == size_of::<S::u64s>() } {
        let halves = bytemuck::cast::<S::u64s, S::u32s>(bits);
        bytemuck::cast::<S::u32s, S::u64s>(simd.wrapping_dyn_shl_u32s(halves, simd.splat_u32s(20)))
    } else {
        bytemuck::cast::<u64, S::u64s>(bytemuck::cast::<S::u64s, u64>(bits) << 20)
    }
}

/// Moves the upper 32 bits down by 20 within themselves; the lower 32 bits are anything afterwards.
#[inline(always)]
fn upper_down_20<S: Simd>(simd: S, bits: S::u64s) -> S::u64s {
    if const { size_of::<S::u32s>() == size_of::<S::u64s>() } {
        let halves = bytemuck::cast::<S::u64s, S::u32s>(bits);
        bytemuck::cast::<S::u32s, S::u64s>(simd.wrapping_dyn_shr_u32s(halves, simd.splat_u32s(20)))
    } else {
        bytemuck::cast::<u64, S::u64s>(bytemuck::cast::<S::u64s, u64>(bits) >> 20)
    }
}

const TWO_32: f64 = 4_294_967_296.0;
const TWO_52: f64 = TWO_32 * 1_048_576.0;

/// The bits of √½, rounded down.
const ROOT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcc;

macro_rules! operator {
    ($operator:ident, $name:ident, $lanewise:ident) => {
        impl<S: Simd> $operator for V<S> {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self { lanes: self.simd.$lanewise(self.lanes, other.lanes), ..self }
            }
        }
    };
}

operator!(Add, add, add_f64s);
operator!(Sub, sub, sub_f64s);
operator!(Mul, mul, mul_f64s);
operator!(Div, div, div_f64s);

impl<S: Simd> Neg for V<S> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self { lanes: self.simd.neg_f64s(self.lanes), ..self }
    }
}
