//! What the machine gave while a step ran: wall time, the most memory this process held, and how busy an NVIDIA GPU was. For
//! `telemetry.json` alone; nothing is ever decided by it.

use std::time::Instant;

use super::telemetry::StepCost;

/// Measures from its making to [`Meter::finish`].
pub(super) struct Meter {
    started: Instant,
    gpu: gpu::Watch,
}

impl Meter {
    /// Begins. `adapter` is the GPU to watch, if the plan names one.
    pub fn start(adapter: Option<&str>) -> Self {
        forget_peak_memory();
        Self { started: Instant::now(), gpu: gpu::Watch::start(adapter) }
    }

    /// What was seen since.
    pub fn finish(self) -> StepCost {
        let gpu = self.gpu.finish();
        StepCost {
            wall_s: self.started.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory(),
            gpu_utilisation: gpu.map(|seen| seen.utilisation),
            gpu_memory_bytes: gpu.map(|seen| seen.memory_bytes),
        }
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
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Seen of a GPU: the mean share of the time in which it worked, and the most memory in use on it, by anyone.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GpuSeen {
    utilisation: f64,
    memory_bytes: u64,
}

#[cfg(feature = "nvml")]
mod gpu {
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
    use std::thread::JoinHandle;
    use std::time::Duration;

    use nvml_wrapper::{Device, Nvml};

    use super::GpuSeen;

    /// How often the driver is asked.
    const EVERY: Duration = Duration::from_millis(200);

    /// A thread that asks the driver now and then; none without a planned GPU.
    pub struct Watch(Option<(Sender<()>, JoinHandle<Option<GpuSeen>>)>);

    impl Watch {
        pub fn start(adapter: Option<&str>) -> Self {
            Self(adapter.map(|adapter| {
                let (stop, stopped) = channel();
                let adapter = adapter.to_owned();
                let thread = std::thread::spawn(move || {
                    let nvml = Nvml::init().ok()?;
                    let device = device(&nvml, &adapter)?;
                    let (mut busy, mut asked, mut memory_bytes) = (0.0, 0.0, 0);
                    loop {
                        if let (Ok(rates), Ok(memory)) = (device.utilization_rates(), device.memory_info()) {
                            busy += f64::from(rates.gpu) / 100.0;
                            asked += 1.0;
                            memory_bytes = memory_bytes.max(memory.used);
                        }
                        if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                            return (asked > 0.0).then(|| GpuSeen { utilisation: busy / asked, memory_bytes });
                        }
                    }
                });
                (stop, thread)
            }))
        }

        pub fn finish(self) -> Option<GpuSeen> {
            let (stop, thread) = self.0?;
            drop(stop);
            thread.join().ok().flatten()
        }
    }

    /// The GPU of that name, as Vulkan and NVML both call it.
    fn device<'a>(nvml: &'a Nvml, adapter: &str) -> Option<Device<'a>> {
        let count = nvml.device_count().ok()?;
        (0..count).filter_map(|i| nvml.device_by_index(i).ok()).find(|device| {
            let name = device.name().unwrap_or_default();
            !name.is_empty() && (adapter.contains(&name) || name.contains(adapter))
        })
    }
}

#[cfg(not(feature = "nvml"))]
mod gpu {
    use super::GpuSeen;

    /// Nothing is watched without the feature `nvml`.
    pub struct Watch;

    impl Watch {
        pub fn start(_adapter: Option<&str>) -> Self {
            Self
        }

        pub fn finish(self) -> Option<GpuSeen> {
            None
        }
    }
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
        let cost = meter.finish();
        assert!(cost.peak_memory_bytes.is_some_and(|bytes| bytes > 96 << 20), "{cost:?}");
        assert_eq!(cost.gpu_utilisation, None);
    }

    #[test]
    fn a_gpu_that_nobody_has_is_not_seen() {
        assert_eq!(gpu::Watch::start(Some("no such adapter")).finish(), None);
    }
}
