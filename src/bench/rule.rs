//! Whether the rules in force choose well on this machine: measures every layout over rows × chains and holds the fastest against
//! what [`Rules`] say. For those who write the rules: a run never asks a stopwatch, so that equal runs are equal.

use serde::Serialize;

use super::speed::{Speed, SpeedEvent, SpeedOptions, speed};
use super::{Backend, Bench, Family, Layout};
use crate::error::Result;

/// The rules that runs go by.
pub struct Rules<'a> {
    /// The layout on the device for so many chains.
    pub layout: &'a dyn Fn(usize) -> Layout,
    /// The backend for so many rows and chains.
    pub backend: &'a dyn Fn(u64, usize) -> Backend,
}

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleOptions {
    /// Numbers of customers, unmerged.
    pub customers: Vec<u64>,
    /// Numbers of chains.
    pub chains: Vec<usize>,
    /// Seconds per candidate and number of chains.
    pub seconds: f64,
}

/// One place of the grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ruling {
    /// Likelihood.
    pub family: Family,
    /// The device; none when there is none.
    pub adapter: Option<String>,
    /// Rows.
    pub cells: u64,
    /// Chains.
    pub chains: usize,
    /// Evaluations per second of each layout measured.
    pub evals_per_s: Vec<(Layout, f64)>,
    /// The fastest layout on the device; none without a device.
    pub fastest_layout: Option<Layout>,
    /// What the layout rule says.
    pub layout_rule: Layout,
    /// Whether the rule's layout is as fast as any, to a tenth.
    pub layout_agrees: bool,
    /// The fastest backend.
    pub fastest_backend: Backend,
    /// What the backend rule says, were the adapter one that `auto` may choose.
    pub backend_rule: Backend,
    /// Whether the rule's backend is as fast as any, to a tenth.
    pub backend_agrees: bool,
}

/// A choice that reaches this share of the fastest's speed is as good.
const AS_GOOD: f64 = 0.9;

/// Measures the grid, telling `tell` as it goes.
///
/// # Errors
/// The device fails.
pub fn rule(bench: &Bench, options: &RuleOptions, rules: &Rules<'_>, tell: &mut dyn FnMut(&Ruling)) -> Result<()> {
    for &customers in &options.customers {
        for &family in &bench.families {
            let one = Bench { families: vec![family], ..bench.clone() };
            let grid = SpeedOptions {
                customers,
                groups: 1,
                chains: options.chains.clone(),
                merged: vec![false],
                seconds: options.seconds,
            };
            let mut measured = Vec::new();
            speed(&one, &grid, &[], &mut |event| {
                if let SpeedEvent::Measured(line) = event {
                    measured.push(line);
                }
            })?;
            for same in measured.chunk_by(|a, b| a.chains == b.chains) {
                tell(&ruling(same, rules));
            }
        }
    }
    Ok(())
}

/// `measured` holds the layouts of one place; it is not empty.
fn ruling(measured: &[Speed], rules: &Rules<'_>) -> Ruling {
    let Speed { family, cells, chains, .. } = measured[0];
    let best = |fits: &dyn Fn(&Speed) -> bool| {
        measured.iter().filter(|line| fits(line)).max_by(|a, b| a.evals_per_s.total_cmp(&b.evals_per_s))
    };
    let reached = |fits: &dyn Fn(&Speed) -> bool| best(fits).map(|line| line.evals_per_s);
    let on_device = |line: &Speed| line.backend == Backend::Gpu;
    let (layout_rule, backend_rule) = ((rules.layout)(chains), (rules.backend)(cells, chains));
    // What was not measured (no device, or too slow to be worth it) cannot disagree.
    let agrees = |chosen: Option<f64>, any: Option<f64>| match (chosen, any) {
        (Some(chosen), Some(any)) => chosen >= AS_GOOD * any,
        _ => true,
    };
    Ruling {
        family,
        adapter: best(&on_device).and_then(|line| line.adapter.clone()),
        cells,
        chains,
        evals_per_s: measured.iter().map(|line| (line.layout, line.evals_per_s)).collect(),
        fastest_layout: best(&on_device).map(|line| line.layout),
        layout_rule,
        layout_agrees: agrees(reached(&|line| line.layout == layout_rule), reached(&on_device)),
        fastest_backend: best(&|_| true).map_or(Backend::Cpu, |line| line.backend),
        backend_rule,
        backend_agrees: agrees(reached(&|line| line.backend == backend_rule), reached(&|_| true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(layout: Layout, evals_per_s: f64) -> Speed {
        Speed {
            family: Family::BgNbd,
            layout,
            backend: layout.backend(),
            adapter: (layout.backend() == Backend::Gpu).then(|| "one".to_owned()),
            cells: 1000,
            merged: false,
            chains: 4,
            evals_per_s,
            floor_evals_per_s: f64::NAN,
            share_of_floor: f64::NAN,
            floor_is: "unknown",
            seconds: 1.0,
            customers: 1000,
            groups: 1,
            threads: 1,
        }
    }

    #[test]
    fn a_rule_agrees_when_its_choice_is_as_fast_to_a_tenth() {
        let rules = |backend| Rules {
            layout: &|_| Layout::Rows,
            backend: if backend == Backend::Cpu { &|_, _| Backend::Cpu } else { &|_, _| Backend::Gpu },
        };
        let close = [measured(Layout::Scalar, 95.0), measured(Layout::Rows, 100.0)];
        let seen = ruling(&close, &rules(Backend::Cpu));
        assert!(seen.backend_agrees && seen.layout_agrees && seen.fastest_backend == Backend::Gpu, "{seen:?}");
        let far = [measured(Layout::Scalar, 50.0), measured(Layout::Rows, 100.0)];
        assert!(!ruling(&far, &rules(Backend::Cpu)).backend_agrees);
        assert!(ruling(&far, &rules(Backend::Gpu)).backend_agrees);
        let alone = ruling(&far[..1], &rules(Backend::Gpu));
        assert_eq!((alone.fastest_layout, alone.layout_agrees, alone.fastest_backend), (None, true, Backend::Cpu));
    }
}
