//! Evaluations of value and gradient per second, of every family, backend and layout, beside the floor that the machine sets.

use serde::Serialize;

use super::candidate::{Judge, evaluate, refer_to, room, scattered};
use super::rates::MachineRates;
use super::stopwatch::{best_of_rounds, seconds};
use super::{Backend, Bench, Data, Facts, Family, Layout, Shop};
use crate::error::Result;
use crate::kernels::{Likelihood, LikelihoodBatch};

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeedOptions {
    /// Customers to simulate.
    pub customers: u64,
    /// Groups that they fall into.
    pub groups: u32,
    /// Numbers of chains evaluated together.
    pub chains: Vec<usize>,
    /// Whether rows are merged; each is measured.
    pub merged: Vec<bool>,
    /// Seconds per candidate and number of chains.
    pub seconds: f64,
}

/// One measurement. The first ten keys are a contract with whoever compares benchmarks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Likelihood.
    pub family: Family,
    /// Layout.
    pub layout: Layout,
    /// Where it ran.
    pub backend: Backend,
    /// The device; none for the processor.
    pub adapter: Option<String>,
    /// Rows evaluated per chain: distinct cells when merged, customers otherwise.
    pub cells: u64,
    /// Whether equal customers were merged into weighted cells.
    pub merged: bool,
    /// Chains evaluated together.
    pub chains: usize,
    /// Rows × chains per second, value and gradient.
    pub evals_per_s: f64,
    /// The most that the machine allows.
    pub floor_evals_per_s: f64,
    /// The first over the second.
    pub share_of_floor: f64,
    /// What the floor is made of: bytes, fmas or specials.
    pub floor_is: &'static str,
    /// Seconds of one evaluation of all rows and chains.
    pub seconds: f64,
    /// Customers simulated.
    pub customers: u64,
    /// Groups.
    pub groups: u32,
    /// Threads of the processor.
    pub threads: usize,
}

/// What is told while measuring.
#[derive(Debug, Clone, PartialEq)]
pub enum SpeedEvent {
    /// A measurement.
    Measured(Speed),
    /// A candidate was left out, because one evaluation would have taken this many seconds.
    TooSlow {
        /// Likelihood.
        family: Family,
        /// Layout.
        layout: Layout,
        /// Chains.
        chains: usize,
        /// Seconds expected of one evaluation.
        seconds: f64,
    },
}

/// A candidate whose one evaluation is expected to take longer than this many budgets is left out.
const PATIENCE: f64 = 4.0;

/// Points lie within this share of the reference, as a posterior's would.
const SPREAD: f64 = 0.02;

/// Measures every candidate of `bench`, telling `tell` as it goes.
///
/// # Errors
/// The device fails.
pub fn speed(
    bench: &Bench,
    options: &SpeedOptions,
    rates: &[MachineRates],
    tell: &mut dyn FnMut(SpeedEvent),
) -> Result<()> {
    let shop = Shop::two_years(options.customers, options.groups);
    let customers = shop.open()?;
    for &family in &bench.families {
        for &merged in &options.merged {
            let judge = Judge::new(Data::of(family, &shop, &customers, merged))?;
            one_data_set(bench, options, rates, &judge, merged, tell)?;
        }
    }
    Ok(())
}

/// One layout, ready to evaluate.
struct Candidate {
    layout: Layout,
    likelihood: Box<dyn Likelihood>,
    /// Seconds per chain, as last seen.
    per_chain: f64,
}

fn one_data_set(
    bench: &Bench,
    options: &SpeedOptions,
    rates: &[MachineRates],
    judge: &Judge,
    merged: bool,
    tell: &mut dyn FnMut(SpeedEvent),
) -> Result<()> {
    let Facts { family, groups, rows, returning, .. } = judge.facts;
    let centre = scattered(family.centre(), 1, groups, 0.0);
    let mut candidates = Vec::new();
    for layout in bench.layouts() {
        let (_, mut likelihood) = layout.likelihood(judge, bench.device.as_ref(), 1)?;
        refer_to(likelihood.as_mut(), &centre)?;
        candidates.push(Candidate { layout, likelihood, per_chain: 0.0 });
    }
    for &chains in &options.chains {
        let points = scattered(family.centre(), chains, groups, SPREAD);
        let mut out: Vec<LikelihoodBatch> = candidates.iter().map(|_| room(&points)).collect();
        let (mut taking_part, mut warm) = (Vec::new(), Vec::new());
        for (candidate, out) in candidates.iter_mut().zip(&mut out) {
            let expected = candidate.per_chain * chains as f64;
            if expected > PATIENCE * options.seconds {
                tell(SpeedEvent::TooSlow { family, layout: candidate.layout, chains, seconds: expected });
                continue;
            }
            // Twice: the first evaluation with more chains than ever makes room for them.
            evaluate(candidate.likelihood.as_mut(), &points, out)?;
            let time = seconds(&mut || evaluate(candidate.likelihood.as_mut(), &points, out))?;
            candidate.per_chain = time / chains as f64;
            warm.push(time);
            taking_part.push((candidate, out));
        }
        let layouts: Vec<Layout> = taking_part.iter().map(|(candidate, _)| candidate.layout).collect();
        let mut pieces: Vec<_> = taking_part
            .iter_mut()
            .map(|(candidate, out)| || evaluate(candidate.likelihood.as_mut(), &points, out))
            .collect();
        let mut pieces: Vec<&mut dyn FnMut() -> Result<()>> = pieces.iter_mut().map(|piece| piece as _).collect();
        let best = best_of_rounds(&mut pieces, &warm, options.seconds)?;
        for (layout, seconds) in layouts.into_iter().zip(best) {
            let backend = layout.backend();
            let evals_per_s = rows as f64 * chains as f64 / seconds;
            let floor = rates
                .iter()
                .find(|of| of.backend == backend)
                .and_then(|of| Some(family.cost(backend)?.floor(&of.rates(), chains, returning)));
            let floor_evals_per_s = floor.map_or(f64::NAN, |floor| 1.0 / floor.seconds);
            tell(SpeedEvent::Measured(Speed {
                family,
                layout,
                backend,
                adapter: bench.adapter(backend),
                cells: rows as u64,
                merged,
                chains,
                evals_per_s,
                floor_evals_per_s,
                share_of_floor: evals_per_s / floor_evals_per_s,
                floor_is: floor.map_or("unknown", |floor| floor.bound.name()),
                seconds,
                customers: options.customers,
                groups: options.groups,
                threads: rayon::current_num_threads(),
            }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The processor alone, on few customers: one line per family, kind of rows and number of chains, keys in their order.
    #[test]
    fn lines_have_the_promised_keys() {
        let bench = Bench { families: Family::ALL.to_vec(), cpu: true, device: None };
        let options =
            SpeedOptions { customers: 300, groups: 2, chains: vec![1, 3], merged: vec![true, false], seconds: 1e-3 };
        let rates = [MachineRates {
            backend: Backend::Cpu,
            adapter: None,
            bytes_per_s: 1e10,
            fmas_per_s: 1e10,
            logs_per_s: 1e9,
            exps_per_s: 1e9,
            divisions_per_s: 1e9,
        }];
        let mut lines = Vec::new();
        speed(&bench, &options, &rates, &mut |event| match event {
            SpeedEvent::Measured(line) => lines.push(line),
            SpeedEvent::TooSlow { .. } => {}
        })
        .expect("the processor works");
        assert!(lines.len() >= 8, "{}", lines.len());
        let json = serde_json::to_string(&lines[0]).expect("plain data");
        let keys = [
            "family",
            "layout",
            "backend",
            "adapter",
            "cells",
            "merged",
            "chains",
            "evals_per_s",
            "floor_evals_per_s",
            "share_of_floor",
        ];
        let places: Vec<usize> = keys.iter().map(|key| json.find(&format!("\"{key}\":")).expect("present")).collect();
        assert!(places.is_sorted() && places[0] == 1, "{json}");
        let expected = r#"{"family":"bg_nbd","layout":"scalar","backend":"cpu","adapter":null,"cells":"#;
        assert!(json.starts_with(expected), "{json}");
        for line in &lines {
            assert!((line.share_of_floor - line.evals_per_s / line.floor_evals_per_s).abs() < 1e-12);
            assert!(line.evals_per_s > 0.0 && line.seconds > 0.0);
        }
    }
}
