//! What this machine does at most: bytes, multiply-adds and special functions per second of the processor and of a device.

use serde::Serialize;

use super::stopwatch::{ROUNDS, seconds};
use super::{Backend, Bench, broken};
use crate::error::Result;
use crate::kernels::roofline::{DeviceProbe, HostProbe, Probe, Rates, Resource};

/// The rates of one place, per second: in f64 for the processor, in f32 for a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineRates {
    /// Where.
    pub backend: Backend,
    /// The device; none for the processor.
    pub adapter: Option<String>,
    /// Bytes read from memory.
    pub bytes_per_s: f64,
    /// Multiply-adds.
    pub fmas_per_s: f64,
    /// Logarithms.
    pub logs_per_s: f64,
    /// Exponentials.
    pub exps_per_s: f64,
    /// Divisions.
    pub divisions_per_s: f64,
}

impl MachineRates {
    fn new(backend: Backend, adapter: Option<String>, rates: Rates) -> Self {
        let Rates { bytes, fmas, logs, exps, divisions } = rates;
        Self {
            backend,
            adapter,
            bytes_per_s: bytes,
            fmas_per_s: fmas,
            logs_per_s: logs,
            exps_per_s: exps,
            divisions_per_s: divisions,
        }
    }

    /// As the kernels' floor wants them.
    pub fn rates(&self) -> Rates {
        let &Self { bytes_per_s, fmas_per_s, logs_per_s, exps_per_s, divisions_per_s, .. } = self;
        Rates::from_array([bytes_per_s, fmas_per_s, logs_per_s, exps_per_s, divisions_per_s])
    }
}

/// The rates of every backend that takes part.
///
/// # Errors
/// The device fails.
pub fn rates(bench: &Bench) -> Result<Vec<MachineRates>> {
    let mut all = Vec::new();
    if bench.cpu {
        all.push(MachineRates::new(Backend::Cpu, None, measure(&mut HostProbe::new())?));
    }
    if let Some(device) = &bench.device {
        let mut probe = DeviceProbe::new(device).map_err(broken("prepare to measure the device"))?;
        let rates = measure(&mut probe)?;
        all.push(MachineRates::new(Backend::Gpu, bench.adapter(Backend::Gpu), rates));
    }
    Ok(all)
}

/// One timed piece of work is made to take at least this long, so that starting it does not count.
const LEAST_SECONDS: f64 = 0.03;

/// Passes are not raised beyond this.
const MOST_PASSES: u32 = 1 << 20;

fn measure(probe: &mut dyn Probe) -> Result<Rates> {
    let mut run = |resource, passes| -> Result<(f64, f64)> {
        let mut amount = 0.0;
        let time = seconds(&mut || {
            amount = probe.run(resource, passes).map_err(broken("measure what the machine can do"))?;
            Ok(())
        })?;
        Ok((amount, time))
    };
    let mut passes = [1; 5];
    for (passes, resource) in passes.iter_mut().zip(Resource::ALL) {
        run(resource, 1)?;
        while run(resource, *passes)?.1 < LEAST_SECONDS && *passes < MOST_PASSES {
            *passes *= 2;
        }
    }
    let mut best = [0.0_f64; 5];
    for _ in 0..ROUNDS {
        for ((best, passes), resource) in best.iter_mut().zip(passes).zip(Resource::ALL) {
            let (amount, time) = run(resource, passes)?;
            *best = best.max(amount / time);
        }
    }
    Ok(Rates::from_array(best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::KernelError;

    /// A machine that takes a millisecond per pass, whatever is asked: 5 units in a millisecond are under 5,000 a second.
    struct Slow;

    impl Probe for Slow {
        fn run(&mut self, _: Resource, passes: u32) -> Result<f64, KernelError> {
            std::thread::sleep(std::time::Duration::from_millis(u64::from(passes)));
            Ok(5.0 * f64::from(passes))
        }
    }

    #[test]
    fn a_rate_is_amount_over_time() {
        let rates = measure(&mut Slow).expect("sleeping works");
        for rate in [rates.bytes, rates.fmas, rates.logs, rates.exps, rates.divisions] {
            assert!(rate <= 5000.0 && rate > 500.0, "{rates:?}");
        }
    }
}
