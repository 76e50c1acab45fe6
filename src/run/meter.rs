//! What the machine gave while a step ran: wall and processor time, the most memory this process held, and how busy an NVIDIA GPU was.
//! For `telemetry.json` alone; nothing is ever decided by it.

use std::time::Instant;

use super::telemetry::{ResourceSample, StepCost};
use super::watch::{self, Watch};

/// Measures from its making to [`Meter::finish`].
pub(super) struct Meter {
    started: Instant,
    cpu_s: Option<f64>,
    watch: Watch,
}

impl Meter {
    /// Begins. `adapter` is the GPU to watch, if the plan names one.
    pub fn start(adapter: Option<&str>) -> Self {
        forget_peak_memory();
        Self { started: Instant::now(), cpu_s: watch::cpu_seconds(), watch: Watch::start(adapter) }
    }

    /// What was seen since: the whole, and moment by moment.
    pub fn finish(self) -> (StepCost, Vec<ResourceSample>) {
        let wall_s = self.started.elapsed().as_secs_f64();
        let seen = self.watch.finish();
        let busy: Vec<f64> = seen.samples.iter().filter_map(|s| s.gpu_utilisation).collect();
        let cost = StepCost {
            wall_s,
            cpu_s: self.cpu_s.zip(watch::cpu_seconds()).map(|(before, now)| now - before),
            peak_memory_bytes: peak_memory(),
            gpu_utilisation: (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64),
            gpu_memory_bytes: seen.samples.iter().filter_map(|s| s.gpu_memory_bytes).max(),
            gpu_celsius: seen.samples.iter().filter_map(|s| s.gpu_celsius).reduce(f64::max),
            gpu_joules: seen.gpu_joules,
        };
        (cost, seen.samples)
    }
}

/// Begins the counting of [`peak_memory`] anew, where the system lets a process do so; elsewhere it counts from the start.
fn forget_peak_memory() {
    #[cfg(target_os = "linux")]
    // 5 resets the peak of the resident set (proc(5)); a refusal only makes the figure larger than the step's own.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Bytes of the largest resident set of this process; none where the system does not tell.
fn peak_memory() -> Option<u64> {
    watch::kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_the_step_s_own() {
        let meter = Meter::start(None);
        let held = vec![1_u8; 96 << 20];
        assert_eq!(held.iter().map(|b| u64::from(*b)).sum::<u64>(), 96 << 20);
        drop(held);
        let (cost, samples) = meter.finish();
        assert!(cost.peak_memory_bytes.is_some_and(|bytes| bytes > 96 << 20), "{cost:?}");
        assert!(!samples.is_empty());
        assert_eq!((cost.gpu_utilisation, cost.gpu_joules), (None, None));
    }
}
