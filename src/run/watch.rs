//! Looks at the machine now and then while a step runs: memory and processors of this process, and an NVIDIA GPU where its driver
//! tells. For `telemetry.json` alone; nothing is ever decided by it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::telemetry::ResourceSample;

/// How often is looked at first; a long step is looked at half as often each time its samples reach [`MOST_SAMPLES`].
const EVERY: Duration = Duration::from_millis(100);

/// Samples kept of a step.
const MOST_SAMPLES: usize = 120;

/// Processor time is counted in hundredths of a second: USER_HZ, part of Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was seen of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    /// In order of time.
    pub samples: Vec<ResourceSample>,
    /// Energy that the GPU drew, joules.
    pub gpu_joules: Option<f64>,
}

/// A thread that looks until it is told to stop.
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    /// Begins. `adapter` is the GPU to watch, if the plan names one.
    pub fn start(adapter: Option<&str>) -> Self {
        let (stop, stopped) = channel();
        let adapter = adapter.map(str::to_owned);
        let thread = std::thread::spawn(move || {
            let gpu = adapter.and_then(|adapter| gpu::Gpu::open(&adapter));
            let joules = || gpu.as_ref().and_then(gpu::Gpu::joules);
            let (began, energy) = (Instant::now(), joules());
            let (mut seen, mut every) = (Seen::default(), EVERY);
            let mut before = (began, cpu_seconds());
            loop {
                let waited = stopped.recv_timeout(every);
                let (now, cpu) = (Instant::now(), cpu_seconds());
                let passed = now.duration_since(before.0).as_secs_f64();
                let busy = before.1.zip(cpu).map(|(before, now)| (now - before) / passed);
                before = (now, cpu);
                let mut sample = ResourceSample {
                    at_s: now.duration_since(began).as_secs_f64(),
                    memory_bytes: resident(),
                    // Over less than a few ticks a share is noise.
                    busy_cpus: busy.filter(|_| passed >= 0.05),
                    ..ResourceSample::default()
                };
                if let Some(gpu) = &gpu {
                    gpu.look(&mut sample);
                }
                seen.samples.push(sample);
                if waited != Err(RecvTimeoutError::Timeout) {
                    seen.gpu_joules = energy.zip(joules()).map(|(before, now)| now - before);
                    return seen;
                }
                if seen.samples.len() >= MOST_SAMPLES {
                    halve(&mut seen.samples);
                    every *= 2;
                }
            }
        });
        Self { stop, thread }
    }

    /// What was seen; nothing where the thread broke.
    pub fn finish(self) -> Seen {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

/// Joins neighbours: the later one, with the mean of what both kept busy and the greater memory.
fn halve(samples: &mut Vec<ResourceSample>) {
    let mean = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| 0.5 * (a + b)).or(a).or(b);
    let joined = samples.chunks(2).map(|pair| match pair {
        [a, b] => ResourceSample {
            memory_bytes: a.memory_bytes.max(b.memory_bytes),
            busy_cpus: mean(a.busy_cpus, b.busy_cpus),
            gpu_utilisation: mean(a.gpu_utilisation, b.gpu_utilisation),
            gpu_memory_bytes: a.gpu_memory_bytes.max(b.gpu_memory_bytes),
            gpu_watts: mean(a.gpu_watts, b.gpu_watts),
            ..b.clone()
        },
        one => one[0].clone(),
    });
    *samples = joined.collect();
}

/// Bytes of this process's resident set; none where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmRSS:")
}

/// The bytes of a line `name  123 kB` of a file of the system.
pub(super) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Seconds of processor time of this process, all threads together; none where the system does not tell (proc(5): fields 14 and 15).
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything; what follows it begins with field 3.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(feature = "nvml")]
mod gpu {
    use nvml_wrapper::Nvml;
    use nvml_wrapper::enum_wrappers::device::TemperatureSensor;

    use super::ResourceSample;

    /// A GPU that NVIDIA's driver knows.
    pub struct Gpu {
        nvml: Nvml,
        index: u32,
    }

    impl Gpu {
        /// The GPU of that name, as Vulkan and NVML both call it.
        pub fn open(adapter: &str) -> Option<Self> {
            let nvml = Nvml::init().ok()?;
            let is_it = |index: &u32| {
                let name = nvml.device_by_index(*index).and_then(|device| device.name()).unwrap_or_default();
                !name.is_empty() && (adapter.contains(&name) || name.contains(adapter))
            };
            let index = (0..nvml.device_count().ok()?).find(is_it)?;
            Some(Self { nvml, index })
        }

        /// Adds what the driver tells to a sample.
        pub fn look(&self, sample: &mut ResourceSample) {
            let Ok(device) = self.nvml.device_by_index(self.index) else { return };
            sample.gpu_utilisation = device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) / 100.0);
            sample.gpu_memory_bytes = device.memory_info().ok().map(|memory| memory.used);
            sample.gpu_celsius = device.temperature(TemperatureSensor::Gpu).ok().map(f64::from);
            sample.gpu_watts = device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0);
        }

        /// Energy drawn since the driver was loaded.
        pub fn joules(&self) -> Option<f64> {
            let device = self.nvml.device_by_index(self.index).ok()?;
            device.total_energy_consumption().ok().map(|millijoules| millijoules as f64 / 1000.0)
        }
    }
}

#[cfg(not(feature = "nvml"))]
mod gpu {
    use super::ResourceSample;

    /// No GPU is watched without the feature `nvml`.
    pub struct Gpu;

    impl Gpu {
        pub fn open(_adapter: &str) -> Option<Self> {
            None
        }

        pub fn look(&self, _sample: &mut ResourceSample) {}

        pub fn joules(&self) -> Option<f64> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn work_and_memory_are_seen() {
        let watch = Watch::start(Some("no such adapter"));
        let held = vec![1_u8; 64 << 20];
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(450) {
            sum = held.iter().fold(sum, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
        }
        let seen = watch.finish();
        assert!(sum > 0 && seen.gpu_joules.is_none());
        assert!((3..=8).contains(&seen.samples.len()), "{seen:?}");
        assert!(seen.samples.windows(2).all(|pair| pair[0].at_s < pair[1].at_s));
        assert!(seen.samples.iter().any(|s| s.memory_bytes.is_some_and(|bytes| bytes > 64 << 20)));
        // One thread worked all the time; others of this test's process may work too, and other programs beside it.
        assert!(seen.samples.iter().any(|s| s.busy_cpus.is_some_and(|busy| busy > 0.1)), "{seen:?}");
    }

    #[test]
    fn halving_keeps_the_peaks_and_the_means() {
        let sample = |at_s: f64, memory: u64, busy: Option<f64>| ResourceSample {
            at_s,
            memory_bytes: Some(memory),
            busy_cpus: busy,
            ..ResourceSample::default()
        };
        let mut samples = vec![sample(1.0, 9, Some(1.0)), sample(2.0, 5, Some(2.0)), sample(3.0, 4, None)];
        halve(&mut samples);
        assert_eq!(samples, [sample(2.0, 9, Some(1.5)), sample(3.0, 4, None)]);
    }

    #[test]
    fn lines_of_the_system_are_read() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(kibibytes("VmRSS: many", "VmRSS:"), None);
    }
}
