//! Figures that the documentation states, measured again on request. Not tests: nothing here can fail for being slow.
//!
//! `cargo test --release -p longrun-kernels measured -- --ignored --nocapture --test-threads 1`

use std::time::Instant;

use super::*;
use crate::adapter::device;
use crate::simulated::{batch, cells, evaluate, spenders};
use crate::{bg_nbd, gamma_gamma};

/// Best seconds of repeated evaluations, and the best by the device's own clock.
fn best<const K: usize, D: Difference<K>>(on: &mut Differenced<K, D>, centre: [f64; K], chains: usize) -> [f64; 2] {
    let groups = on.groups();
    let at = batch::<K>(1, groups, centre, 0.0);
    let none = ndarray::Array2::zeros((1, 0));
    on.set_reference(ParamBatch { per_group: at.view(), shared: none.view() }).expect("possible");
    let points = batch::<K>(chains, groups, centre, 0.1);
    let begun = Instant::now();
    let (mut wall, mut own, mut rounds) = (f64::INFINITY, f64::INFINITY, 0);
    while rounds < 3 || begun.elapsed().as_secs_f64() < 0.5 {
        let (before, start) = (on.work().device_ns.unwrap_or(0), Instant::now());
        std::hint::black_box(evaluate(on, &points));
        wall = wall.min(start.elapsed().as_secs_f64());
        own = own.min((on.work().device_ns.unwrap_or(0) - before) as f64 * 1e-9);
        rounds += 1;
    }
    [wall, own]
}

/// One line for each arrangement, alternating, so that a busy machine is equally unfair to both.
fn compare(device: &Device, groups: u32, rows: u64, chains: usize) {
    for arrangement in Arrangement::ALL {
        let options = Options { arrangement, budget_bytes: None };
        let purchases = bg_nbd::Cpu::new(cells(groups, rows, 0.0)).expect("cells");
        let mut on = Differenced::with(purchases, device, &options).expect("the device works");
        let purchases = best(&mut on, [0.4, 7.0, 0.9, 2.2], chains);
        let spend = gamma_gamma::Cpu::new(spenders(groups, rows, 0.0)).expect("rows");
        let mut on = Differenced::with(spend, device, &options).expect("the device works");
        let spend = best(&mut on, [6.0, 4.0, 15.0], chains);
        let figures = |[wall, own]: [f64; 2]| {
            let rate = rows as f64 * chains as f64 / wall;
            format!("{:9.3} ms, device {:9.3} ms, {rate:.1e}/s", wall * 1e3, own * 1e3)
        };
        eprintln!(
            "{rows:8} rows {groups:6} groups {chains:5} chains by {arrangement:6}: bg_nbd {}; gamma_gamma {}",
            figures(purchases),
            figures(spend)
        );
    }
}

#[test]
#[ignore = "a measurement of a minute: run alone, in release"]
fn arrangements_measured() {
    let Some(device) = device() else { return };
    eprintln!("{}", device.adapter());
    for (rows, most_chains) in [(8000, 1024), (300_000, 64)] {
        for chains in [1, 2, 4, 8, 16, 64, 256, 1024].into_iter().filter(|chains| *chains <= most_chains) {
            compare(&device, 1, rows, chains);
        }
    }
}

#[test]
#[ignore = "a measurement of a minute: run alone, in release"]
fn small_groups_measured() {
    let Some(device) = device() else { return };
    for groups in [1, 100, 10_000] {
        compare(&device, groups, 750_000, 16);
    }
}
