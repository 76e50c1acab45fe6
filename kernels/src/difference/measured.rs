//! Figures that the documentation states, measured again on request; not tests of anything.

use std::time::Instant;

use super::*;
use crate::adapter::device;
use crate::simulated::{batch, cells, evaluate, spenders};
use crate::{bg_nbd, gamma_gamma};

/// Best seconds of repeated evaluations, for at least `seconds`, and the device's own for each.
fn best<const K: usize, D: Difference<K>>(on: &mut Differenced<K, D>, centre: [f64; K], chains: usize) -> (f64, f64) {
    let groups = on.groups();
    let at = batch::<K>(1, groups, centre, 0.0);
    let none = ndarray::Array2::zeros((1, 0));
    on.set_reference(ParamBatch { per_group: at.view(), shared: none.view() }).expect("possible");
    let points = batch::<K>(chains, groups, centre, 0.1);
    let begun = Instant::now();
    let (mut best, mut device_ns, mut rounds) = (f64::INFINITY, u64::MAX, 0);
    while rounds < 3 || begun.elapsed().as_secs_f64() < 0.3 {
        let (before, start) = (on.work().device_ns, Instant::now());
        std::hint::black_box(evaluate(on, &points));
        best = best.min(start.elapsed().as_secs_f64());
        if let (Some(before), Some(after)) = (before, on.work().device_ns) {
            device_ns = device_ns.min(after - before);
        }
        rounds += 1;
    }
    (best, device_ns as f64 * 1e-9)
}

#[test]
#[ignore = "a measurement of half a minute: run alone, in release"]
fn arrangements_measured() {
    let Some(device) = device() else { return };
    eprintln!("{}", device.adapter());
    let sizes = std::env::var("LONGRUN_ROWS").unwrap_or("8000,300000".into());
    for rows in sizes.split(',').map(|n| n.parse::<u64>().expect("a number of rows")) {
        let groups = std::env::var("LONGRUN_GROUPS").map_or(1, |n| n.parse().expect("a number of groups"));
        let purchases = bg_nbd::Cpu::new(cells(groups, rows, 0.0)).expect("cells");
        let spend = gamma_gamma::Cpu::new(spenders(groups, rows, 0.0)).expect("rows");
        for chains in [1, 4, 16, 64, 256, 1024] {
            if rows * chains as u64 > 30_000_000 {
                continue;
            }
            for arrangement in Arrangement::ALL {
                let options = Options { arrangement, budget_bytes: None };
                let mut on = Differenced::with(purchases.clone(), &device, &options).expect("device");
                let (wall, own) = best(&mut on, [0.4, 7.0, 0.9, 2.2], chains);
                let mut on = Differenced::with(spend.clone(), &device, &options).expect("device");
                let (wall_2, own_2) = best(&mut on, [6.0, 4.0, 15.0], chains);
                let rate = |seconds: f64| rows as f64 * chains as f64 / seconds;
                eprintln!(
                    "{rows:8} rows {chains:5} chains {arrangement:7}: bg_nbd {:8.3} ms (device {:8.3}) {:.2e}/s; gamma_gamma {:8.3} ms (device {:8.3}) {:.2e}/s",
                    wall * 1e3,
                    own * 1e3,
                    rate(wall),
                    wall_2 * 1e3,
                    own_2 * 1e3,
                    rate(wall_2)
                );
            }
        }
    }
}
