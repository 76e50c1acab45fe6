//! Abe's Pareto/NBD on a device against its judge.

mod adapter;
#[expect(dead_code, reason = "shared with tests that need spenders too")]
mod simulated;

use adapter::device;
use longrun_kernels::{Arrangement, Likelihood, Options, ParamBatch, pareto_abe};
use ndarray::{Array2, Axis, s};
use simulated::{batch, cells, evaluate};

const CENTRE: [f64; 5] = [0.1, 0.03, 1.2, 1.4, 0.3];

/// Differences of log-likelihoods and slopes near a reference, in both arrangements; and far from it, where the host takes over.
#[test]
fn the_device_agrees_with_the_judge() {
    let Some(device) = device() else { return };
    let cells = cells(2, 1500, 0.01);
    let customers: f64 = cells.weight.iter().sum();
    let mut judge = pareto_abe::Cpu::new(cells.clone()).expect("cells");
    let at = batch::<5>(1, 2, CENTRE, 0.0);
    let none = Array2::zeros((1, 0));
    for (spread, per_customer) in [(0.02, 1e-8), (0.1, 5e-8), (1.0, 5e-7)] {
        let mut params = batch::<5>(5, 2, CENTRE, spread);
        params.index_axis_mut(Axis(0), 0).assign(&at.index_axis(Axis(0), 0));
        let judged = evaluate(&mut judge, &params);
        for arrangement in Arrangement::ALL {
            let usual = pareto_abe::Cpu::usual(cells.clone()).expect("cells");
            let options = Options { arrangement, budget_bytes: None };
            let mut gpu = pareto_abe::Gpu::with(usual, &device, &options).expect("the device works");
            gpu.set_reference(ParamBatch { per_group: at.view(), shared: none.view() }).expect("possible");
            let seen = evaluate(&mut gpu, &params);
            let since_first = |values: &ndarray::Array1<f64>| values - values[0];
            let errors = since_first(&seen.log_lik) - since_first(&judged.log_lik);
            let nats = errors.iter().fold(0.0, |worst: f64, error| worst.max(error.abs()));
            let slopes = (0..5).fold(0.0, |worst: f64, k| {
                let of = |of: &ndarray::Array3<f64>| of.slice(s![.., .., k]).to_owned();
                let errors = of(&seen.per_group) - of(&judged.per_group);
                errors.iter().fold(worst, |worst, error| worst.max(error.abs() * CENTRE[k]))
            });
            eprintln!("{arrangement}, within {spread}: {nats:.1e} nat, slopes {slopes:.1e}, {customers} customers");
            // What f32 leaves of a row's slopes, and the nodes far from the reference; heavy rows are the host's.
            assert!(nats < per_customer * customers && slopes < 1e-6 * customers);
        }
    }
}
