//! How tests ask the vector functions: one slice through every instruction set that this processor has, with equal bits.

use pulp::{Arch, Simd, WithSimd};

use super::vector::V;

/// A function of one register.
pub(crate) trait Lanewise {
    fn at<S: Simd>(x: V<S>) -> V<S>;
}

/// Gives a function of one register a type.
macro_rules! lanewise {
    ($name:ident, $function:path) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl $crate::simd::proof::Lanewise for $name {
            #[inline(always)]
            fn at<S: pulp::Simd>(x: V<S>) -> V<S> {
                $function(x)
            }
        }
    };
}
pub(crate) use lanewise;

struct Each<'a, L>(&'a [f64], L);

impl<L: Lanewise> WithSimd for Each<'_, L> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.0.len() + 8);
        for eight in self.0.chunks(8) {
            let mut padded = [1.0; 8];
            padded[..eight.len()].copy_from_slice(eight);
            let mut result = [0.0; 8];
            for part in 0..8 / S::F64_LANES {
                L::at(V::load(simd, &padded, part)).store(&mut result, part);
            }
            out.extend_from_slice(&result[..eight.len()]);
        }
        out
    }
}

/// The instruction sets of this processor, the widest first.
pub(crate) fn machines() -> Vec<Arch> {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = pulp::x86::V4::try_new().map(Arch::V4);
        let middle = pulp::x86::V3::try_new().map(Arch::V3);
        let fused: Vec<Arch> = wide.into_iter().chain(middle).collect();
        if !fused.is_empty() {
            return fused;
        }
    }
    vec![Arch::new()]
}

/// The function at every element, the same in every instruction set.
pub(crate) fn each_lane<L: Lanewise + Copy>(x: &[f64], function: L) -> Vec<f64> {
    let all: Vec<Vec<f64>> = machines().into_iter().map(|arch| arch.dispatch(Each(x, function))).collect();
    for other in &all[1..] {
        for (i, (one, other)) in all[0].iter().zip(other).enumerate() {
            let same = one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan());
            assert!(same, "at {:e}: {one:e} and {other:e}", x[i]);
        }
    }
    all.into_iter().next().unwrap_or_default()
}

/// How many numbers lie between two; none between NaN and NaN.
pub(crate) fn ulps(a: f64, b: f64) -> u64 {
    let place = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    place(a).abs_diff(place(b))
}
