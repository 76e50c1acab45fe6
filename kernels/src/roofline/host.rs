//! Keeps all threads of the processor busy with one kind of work in f64, with the widest instructions that it has and with the
//! logarithm and exponential of the fast path.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Probe, Resource};
use crate::KernelError;
use crate::simd::V;
use crate::simd::exp::exp;
use crate::simd::ln::ln;

/// What is read: more than most caches hold.
const READ_BYTES: usize = 256 << 20;

/// Numbers read by one task: a whole number of eights.
const BLOCK: usize = 1 << 16;

/// Tasks of a pass of operations, and steps in one of them.
const TASKS: usize = 256;
const STEPS: usize = 256;

/// Registers turned side by side, so that no step waits for another.
const REGISTERS: usize = 8;

/// Reading and operating on this machine's processor.
#[derive(Debug)]
pub struct HostProbe {
    arch: Arch,
    /// Made when reading is first asked for.
    data: Vec<[f64; 8]>,
}

impl HostProbe {
    /// Asks the processor what it can do.
    #[expect(clippy::new_without_default, reason = "it looks at the machine, which a default should not")]
    pub fn new() -> Self {
        Self { arch: Arch::new(), data: Vec::new() }
    }

    fn read(&mut self) -> f64 {
        if self.data.is_empty() {
            let eight = |i: usize| [i as f64; 8];
            self.data = (0..READ_BYTES / size_of::<[f64; 8]>()).into_par_iter().map(eight).collect();
        }
        let arch = self.arch;
        self.data.par_chunks(BLOCK / 8).map(|block| arch.dispatch(Read { block })).sum()
    }

    /// (Numbers turned, their sum in the end.)
    fn turn(&self, kind: Resource, steps: usize) -> (usize, f64) {
        let arch = self.arch;
        let task = |task: usize| arch.dispatch(Turn { kind, steps, start: 1.0 + 1e-3 * task as f64 });
        (0..TASKS).into_par_iter().map(task).reduce(|| (0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
    }
}

/// Adds up a block.
struct Read<'a> {
    block: &'a [[f64; 8]],
}

impl WithSimd for Read<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [V::splat(simd, 0.0); 8];
        let parts = 8 / S::F64_LANES;
        for eight in self.block {
            for (part, sum) in sums.iter_mut().enumerate().take(parts) {
                *sum = *sum + V::load(simd, eight, part);
            }
        }
        sums.into_iter().map(first_lane).sum()
    }
}

/// Turns registers, one step after the other.
struct Turn {
    kind: Resource,
    steps: usize,
    start: f64,
}

impl WithSimd for Turn {
    type Output = (usize, f64);

    /// Fixed points of ordinary size, as in the shader: no step can be left out, none overflows.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (usize, f64) {
        let [small, large, half, two] = [0.001, 0.999, 0.5, 2.0].map(|number| V::splat(simd, number));
        match self.kind {
            Resource::Bytes | Resource::Fmas => self.by(
                simd,
                #[inline(always)]
                |x| x.times_plus(large, small),
            ),
            Resource::Logs => self.by(
                simd,
                #[inline(always)]
                |x| ln(x) + two,
            ),
            Resource::Exps => self.by(
                simd,
                #[inline(always)]
                |x| exp(-x),
            ),
            Resource::Divisions => self.by(
                simd,
                #[inline(always)]
                |x| (half + large) / (x + half),
            ),
        }
    }
}

impl Turn {
    #[inline(always)]
    fn by<S: Simd>(&self, simd: S, step: impl Fn(V<S>) -> V<S>) -> (usize, f64) {
        let mut registers: [V<S>; REGISTERS] = std::array::from_fn(|i| V::splat(simd, self.start + i as f64));
        for _ in 0..self.steps {
            for register in &mut registers {
                *register = step(*register);
            }
        }
        (REGISTERS * S::F64_LANES * self.steps, registers.into_iter().map(first_lane).sum())
    }
}

#[inline(always)]
fn first_lane<S: Simd>(register: V<S>) -> f64 {
    let mut eight = [0.0; 8];
    register.store(&mut eight, 0);
    eight[0]
}

impl Probe for HostProbe {
    fn run(&mut self, resource: Resource, passes: u32) -> Result<f64, KernelError> {
        if resource == Resource::Bytes {
            let kept: f64 = (0..passes).map(|_| self.read()).sum();
            std::hint::black_box(kept);
            return Ok(f64::from(passes) * READ_BYTES as f64);
        }
        let (done, kept) = self.turn(resource, STEPS * passes as usize);
        std::hint::black_box(kept);
        Ok(done as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the passes are twice the work, and every number ends at the fixed point of its step.
    #[test]
    fn work_is_counted_and_tends_to_its_fixed_point() {
        let mut probe = HostProbe::new();
        // x = ln x + 2, x = e^-x, x = 1.499 / (x + ½); the steps shrink a distance by 0.32, 0.57 and 0.67 each, 200 times.
        let fixed = [
            (Resource::Logs, 3.146_193_220_620_583),
            (Resource::Exps, 0.567_143_290_409_783_8),
            (Resource::Divisions, 0.999_599_935_979_512),
        ];
        for (resource, expected) in fixed {
            let once = probe.run(resource, 1).expect("no device");
            assert_eq!(probe.run(resource, 2).expect("no device"), 2.0 * once);
            let seen = probe.turn(resource, 200).1 / (TASKS * REGISTERS) as f64;
            assert!((seen - expected).abs() < 1e-12, "{resource:?}: {seen}");
        }
        // Numbers 1 to 8.255 in steps of 1 and 0.001 tend to 1 by 0.999^100 = 0.904792.
        let mean = probe.turn(Resource::Fmas, 100).1 / (TASKS * REGISTERS) as f64;
        assert!((mean - (1.0 + 0.904_792 * (3.5 + 0.1275))).abs() < 1e-5, "{mean}");
    }
}
