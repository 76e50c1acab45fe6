//! Keeps all threads of the processor busy with one kind of work in f64, with the widest instructions that it has.

use rayon::prelude::*;

use super::{Probe, Resource};
use crate::KernelError;

/// What is read: more than most caches hold.
const READ_BYTES: usize = 256 << 20;

/// Numbers read by one task.
const BLOCK: usize = 1 << 16;

/// Tasks of a pass of operations, and steps in one of them.
const TASKS: usize = 256;
const STEPS: usize = 64;

/// Numbers turned side by side: eight vectors of eight, so that a step waits for no other.
const WIDTH: usize = 64;

/// Reading and operating on this machine's processor.
#[derive(Debug)]
pub struct HostProbe {
    arch: pulp::Arch,
    /// Made when reading is first asked for.
    data: Vec<f64>,
}

impl HostProbe {
    /// Asks the processor what it can do.
    #[expect(clippy::new_without_default, reason = "it looks at the machine, which a default should not")]
    pub fn new() -> Self {
        Self { arch: pulp::Arch::new(), data: Vec::new() }
    }

    fn read(&mut self) -> f64 {
        if self.data.is_empty() {
            self.data = (0..READ_BYTES / size_of::<f64>()).into_par_iter().map(|i| i as f64).collect();
        }
        let arch = self.arch;
        let sums = self.data.par_chunks(BLOCK).map(|block| {
            arch.dispatch(
                #[inline(always)]
                || {
                    let mut sums = [0.0; WIDTH];
                    for numbers in block.as_chunks::<WIDTH>().0 {
                        for (sum, number) in sums.iter_mut().zip(numbers) {
                            *sum += number;
                        }
                    }
                    sums.iter().sum::<f64>()
                },
            )
        });
        sums.sum()
    }

    /// Turns [`WIDTH`] numbers per task, `steps` times each, by `step`.
    fn turn(&self, steps: usize, step: impl Fn(f64) -> f64 + Copy + Sync + Send) -> f64 {
        let arch = self.arch;
        let task = |task: usize| {
            arch.dispatch(
                #[inline(always)]
                || {
                    let mut numbers: [f64; WIDTH] = std::array::from_fn(|i| 1.0 + 1e-3 * (i + task) as f64);
                    for _ in 0..steps {
                        for number in &mut numbers {
                            *number = step(*number);
                        }
                    }
                    numbers.iter().sum::<f64>()
                },
            )
        };
        (0..TASKS).into_par_iter().map(task).sum()
    }
}

impl Probe for HostProbe {
    fn run(&mut self, resource: Resource, passes: u32) -> Result<f64, KernelError> {
        let steps = STEPS * passes as usize;
        // Fixed points of ordinary size, as in the shader: no step can be left out, none overflows.
        let kept = match resource {
            Resource::Bytes => (0..passes).map(|_| std::hint::black_box(self.read())).sum(),
            Resource::Fmas => self.turn(
                steps,
                #[inline(always)]
                |x| x.mul_add(0.999, 0.001),
            ),
            Resource::Logs => self.turn(
                steps,
                #[inline(always)]
                |x| x.ln() + 2.0,
            ),
            Resource::Exps => self.turn(
                steps,
                #[inline(always)]
                |x| (-x).exp(),
            ),
            Resource::Divisions => self.turn(
                steps,
                #[inline(always)]
                |x| 1.5 / (x + 0.5),
            ),
        };
        std::hint::black_box(kept);
        let each = if resource == Resource::Bytes { READ_BYTES } else { TASKS * STEPS * WIDTH };
        Ok(f64::from(passes) * each as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_and_tends_to_its_fixed_point() {
        let mut probe = HostProbe::new();
        for resource in [Resource::Fmas, Resource::Logs, Resource::Exps, Resource::Divisions] {
            assert_eq!(probe.run(resource, 2).expect("no device"), 2.0 * (TASKS * STEPS * WIDTH) as f64);
        }
        let all = (TASKS * WIDTH) as f64;
        // x = ln x + 2 at 3.146193; 64 steps shrink a distance by 0.318⁶⁴.
        let seen = probe.turn(64, |x| x.ln() + 2.0) / all;
        assert!((seen - 3.146_193_220_620_58).abs() < 1e-12, "{seen}");
    }
}
