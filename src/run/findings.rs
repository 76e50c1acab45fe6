//! What held a run back, told from its telemetry, with what to try: transfers, the host, too few chains, memory. Words only; nothing
//! is decided by them.

use serde::{Deserialize, Serialize};

use super::Step;
use super::telemetry::{FitCost, Telemetry};

/// What held a run back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBackBy {
    /// Bytes between host and device.
    Transfers,
    /// The device waited for the host.
    Host,
    /// Too few chains to keep every processor busy.
    Chains,
    /// Work that is no likelihood.
    Overhead,
    /// The machine's memory.
    Memory,
}

/// One thing that held a run back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub by: HeldBackBy,
    /// The sentence for a person: the figures, and what to try.
    pub text: String,
}

/// Steps shorter than this are not worth a word.
const LEAST_S: f64 = 5.0;

/// A device that computes less than this share of a fit's time waits for the host.
const IDLE_DEVICE: f64 = 0.5;

/// Bytes per second between host and device from which transfers are likely what is waited for: half of what PCIe 3.0 × 16 gives.
const MUCH_TRANSFER: f64 = 6e9;

/// A process that keeps less than this share of the processors busy has too little to do at once.
const IDLE_HOST: f64 = 0.5;

/// A share of the machine's memory that leaves little for anyone else.
const MUCH_MEMORY: f64 = 0.8;

/// Below this share of the floor something other than arithmetic takes the time.
const FAR_FROM_FLOOR: f64 = 0.1;

/// What can be said of a run so far, in the order of its steps.
pub(super) fn of(telemetry: &Telemetry) -> Vec<Finding> {
    let mut out = Vec::new();
    for (name, fit) in telemetry.fits.iter().filter(|(_, fit)| fit.wall_s >= LEAST_S) {
        match fit.device_s {
            Some(device_s) => on_a_device(name, fit, device_s, &mut out),
            None => on_the_processor(name, fit, telemetry, &mut out),
        }
        if let Some(floor) = fit.floor.filter(|floor| floor.share < FAR_FROM_FLOOR) {
            out.push(found(HeldBackBy::Overhead, format!(
                "the {name} fit made {:.2e} evaluations a second, {:.1} % of what this machine could ({:.2e}): most of its time went into \
                 something other than the likelihood (priors and hierarchy, moving the chains, writing draws); more chains share those",
                fit.evaluations_per_s,
                100.0 * floor.share,
                floor.evaluations_per_s
            )));
        }
    }
    let memory = total_memory();
    for step in Step::ALL {
        let Some(peak) = telemetry.steps.get(step.name()).and_then(|cost| cost.peak_memory_bytes) else { continue };
        if let Some(total) = memory.filter(|total| peak as f64 > MUCH_MEMORY * *total as f64) {
            out.push(found(HeldBackBy::Memory, format!(
                "the step {} held {:.1} of the machine's {:.1} GiB: a little more data will not fit; docs/guide/millions.md says what \
                 memory depends on",
                step.name(),
                gibibytes(peak),
                gibibytes(total)
            )));
        }
    }
    out
}

fn on_a_device(name: &str, fit: &FitCost, device_s: f64, out: &mut Vec<Finding>) {
    let share = device_s / fit.wall_s;
    let moved = (fit.bytes_up + fit.bytes_down) as f64 / fit.wall_s;
    if moved > MUCH_TRANSFER {
        out.push(found(HeldBackBy::Transfers, format!(
            "the {name} fit moved {:.1} GB a second between host and device and is limited by transfers: its rows do not stay on the \
             device; one with more memory would hold them, or fewer rows (data.resolution = \"week\" merges more customers into cells)",
            moved / 1e9
        )));
    } else if share < IDLE_DEVICE {
        out.push(found(HeldBackBy::Host, format!(
            "the device computed in {:.0} % of the {name} fit's time and waited for the host in the rest: give it more at once \
             (sampler.chains), or use the processor for so few rows (compute.backend = \"cpu\")",
            100.0 * share
        )));
    }
}

fn on_the_processor(name: &str, fit: &FitCost, telemetry: &Telemetry, out: &mut Vec<Finding>) {
    let cost = telemetry.steps.get(Step::Fit.name());
    let Some(busy) = cost.and_then(|cost| cost.cpu_s.map(|cpu| cpu / cost.wall_s)) else { return };
    if telemetry.cpus > 1 && busy < IDLE_HOST * telemetry.cpus as f64 && fit.wall_s >= LEAST_S {
        out.push(found(HeldBackBy::Chains, format!(
            "the {name} fit kept {busy:.1} of {} processors busy: there is too little to do at once; more chains (sampler.chains) with \
             fewer draws each would use them",
            telemetry.cpus
        )));
    }
}

fn found(by: HeldBackBy, text: String) -> Finding {
    Finding { by, text }
}

/// Bytes of memory of this machine; none where the system does not tell.
fn total_memory() -> Option<u64> {
    super::watch::kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::super::telemetry::{FloorCost, StepCost};
    use super::*;

    fn told(fit: FitCost, step: StepCost) -> Vec<Finding> {
        let mut telemetry = Telemetry { cpus: 8, ..Telemetry::default() };
        telemetry.fits.insert("purchase".into(), fit);
        telemetry.steps.insert("fit".into(), step);
        of(&telemetry)
    }

    #[test]
    fn each_limit_has_its_words() {
        let fit = FitCost { wall_s: 100.0, evaluations: 1_000, evaluations_per_s: 10.0, ..FitCost::default() };
        let busy = StepCost { wall_s: 100.0, cpu_s: Some(780.0), ..StepCost::default() };
        assert_eq!(told(fit, busy), Vec::<Finding>::new());
        let rows: [(FitCost, StepCost, HeldBackBy, &str); 5] = [
            (fit, StepCost { cpu_s: Some(110.0), ..busy }, HeldBackBy::Chains, "kept 1.1 of 8 processors busy"),
            (FitCost { device_s: Some(20.0), ..fit }, busy, HeldBackBy::Host, "in 20 % of the purchase fit's time"),
            (
                FitCost { device_s: Some(20.0), bytes_up: 900_000_000_000, ..fit },
                busy,
                HeldBackBy::Transfers,
                "9.0 GB a second between host and device and is limited by transfers",
            ),
            (
                FitCost {
                    floor: Some(FloorCost { share: 0.02, evaluations_per_s: 500.0, ..FloorCost::default() }),
                    ..fit
                },
                busy,
                HeldBackBy::Overhead,
                "2.0 % of what this machine could",
            ),
            (fit, StepCost { peak_memory_bytes: Some(1 << 60), ..busy }, HeldBackBy::Memory, "of the machine's"),
        ];
        for (fit, step, by, words) in rows {
            let told = told(fit, step);
            assert!(told.len() == 1 && told[0].by == by && told[0].text.contains(words), "{words}: {told:?}");
        }
    }

    #[test]
    fn a_short_fit_is_not_worth_a_word() {
        let fit = FitCost { wall_s: 1.0, device_s: Some(0.1), ..FitCost::default() };
        assert!(told(fit, StepCost { wall_s: 1.0, cpu_s: Some(0.1), ..StepCost::default() }).is_empty());
    }
}
