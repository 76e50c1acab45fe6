//! How long one evaluation of value and gradient takes, per backend and number of chains.
//!
//! `cargo bench -p longrun-kernels` prints a table; rows and an adapter's name may follow after `--`. The reference is the
//! centre of the points, as in a run after warm-up; each figure is the median of repeated evaluations.

#[path = "../tests/simulated/mod.rs"]
mod simulated;

use std::hint::black_box;
use std::time::Instant;

use longrun_kernels::device::{Choice, Device};
use longrun_kernels::{Likelihood, ParamBatch, bg_nbd, gamma_gamma};
use ndarray::Array2;
use simulated::{batch, cells, evaluate, spenders};

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let rows: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(8685);
    let device = Device::open(&words.next().map_or(Choice::Any, Choice::Named));
    println!("{rows} rows, {} threads; ms for value and gradient of all chains", rayon::current_num_threads());
    let data = cells(1, rows, 0.0);
    let mut bg_nbd: Vec<(String, Box<dyn Likelihood>)> =
        vec![("bg_nbd f64".into(), Box::new(bg_nbd::Cpu::new(data.clone()).expect("cells")))];
    let spend = spenders(1, rows, 0.0);
    let mut gamma_gamma: Vec<(String, Box<dyn Likelihood>)> =
        vec![("gamma_gamma f64".into(), Box::new(gamma_gamma::Cpu::new(spend.clone()).expect("rows")))];
    match &device {
        Ok(device) => {
            println!("device: {}", device.adapter());
            bg_nbd.push((
                "bg_nbd device".into(),
                Box::new(bg_nbd::Gpu::new(bg_nbd::Cpu::new(data).expect("rows"), device).expect("device")),
            ));
            gamma_gamma.push((
                "gamma_gamma device".into(),
                Box::new(gamma_gamma::Gpu::new(gamma_gamma::Cpu::new(spend).expect("rows"), device).expect("device")),
            ));
        }
        Err(error) => println!("no device: {error}"),
    }
    for (name, likelihood) in &mut bg_nbd {
        time(name, likelihood.as_mut(), [0.4, 7.0, 0.9, 2.2]);
    }
    for (name, likelihood) in &mut gamma_gamma {
        time(name, likelihood.as_mut(), [6.0, 4.0, 15.0]);
    }
    expectations();
}

fn time<const K: usize>(name: &str, likelihood: &mut dyn Likelihood, centre: [f64; K]) {
    let (at, shared) = (batch::<K>(1, 1, centre, 0.0), Array2::zeros((1, 0)));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("possible");
    for chains in [1, 4, 64] {
        let points = batch::<K>(chains, 1, centre, 0.1);
        let mut times: Vec<f64> = (0..21)
            .map(|_| {
                let start = Instant::now();
                black_box(evaluate(likelihood, &points));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:20} {chains:3} chains {:9.3} ms", times[10]);
    }
}

/// Twelve month ends of one customer: what prediction pays per customer and draw.
fn expectations() {
    let months: Vec<f64> = (1..=12).map(|month| f64::from(month) * 30.4375 / 7.0).collect();
    let mut out = [0.0; 12];
    let mut times: Vec<f64> = (0..201)
        .map(|_| {
            let start = Instant::now();
            for i in 0..400 {
                let at = bg_nbd::Expectation::new([0.24, 4.4, 0.79, 2.4], i % 8, 20.0 + f64::from(i % 20));
                at.of_alive(black_box(&months), &mut out);
                black_box(&out);
            }
            start.elapsed().as_secs_f64() / 400.0 * 1e9
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("expected purchases at 12 month ends: {:.0} ns", times[100]);
}
