//! The f64 sums over many customers against the scalar densities, one customer at a time.

mod simulated;

use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, bg_nbd, gamma_gamma};
use ndarray::{Array2, Array3};
use simulated::{batch, cells, evaluate, spenders};

/// Sums of thousands of rounded terms, in two different orders.
const TOLERANCE: f64 = 1e-11;

fn assert_close(what: &str, seen: f64, expected: f64, scale: f64) {
    assert!((seen - expected).abs() <= TOLERANCE * scale, "{what}: {seen:e}, one by one {expected:e}");
}

#[test]
fn bg_nbd_is_the_sum_of_its_customers() {
    let cells = cells(3, 3000, 0.0);
    let params = batch::<4>(5, 3, [0.3, 6.0, 0.8, 2.5], 0.7);
    let (seen, _) = (evaluate(&mut bg_nbd::Cpu::new(cells.clone()).expect("cells"), &params), ());
    for chain in 0..5 {
        let (mut value, mut gradient, mut scale) = (0.0, Array2::<f64>::zeros((3, 4)), Array2::<f64>::zeros((3, 4)));
        for i in 0..cells.group.len() {
            let g = cells.group[i] as usize;
            let theta = std::array::from_fn(|k| params[[chain, g, k]]);
            let (v, slopes) = bg_nbd::log_lik_gradient(theta, cells.frequency[i], cells.recency[i], cells.age[i]);
            value += cells.weight[i] * v;
            for (k, slope) in slopes.into_iter().enumerate() {
                gradient[[g, k]] += cells.weight[i] * slope;
                scale[[g, k]] += cells.weight[i] * slope.abs();
            }
        }
        assert_close("log_lik", seen.log_lik[chain], value, value.abs());
        for ((g, k), expected) in gradient.indexed_iter() {
            assert_close("gradient", seen.per_group[[chain, g, k]], *expected, scale[[g, k]]);
        }
    }
}

#[test]
fn gamma_gamma_is_the_sum_of_its_customers() {
    let rows = spenders(3, 3000, 0.0);
    let params = batch::<3>(5, 3, [6.0, 4.0, 15.0], 0.7);
    let seen = evaluate(&mut gamma_gamma::Cpu::new(rows.clone()).expect("rows"), &params);
    for chain in 0..5 {
        let (mut value, mut gradient, mut scale) = (0.0, Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 3)));
        for i in 0..rows.group.len() {
            let g = rows.group[i] as usize;
            let theta = std::array::from_fn(|k| params[[chain, g, k]]);
            let (v, slopes) = gamma_gamma::log_lik_gradient(theta, rows.frequency[i], rows.monetary[i]);
            value += rows.weight[i] * v;
            for (k, slope) in slopes.into_iter().enumerate() {
                gradient[[g, k]] += rows.weight[i] * slope;
                scale[[g, k]] += rows.weight[i] * slope.abs();
            }
        }
        // Γ terms and row terms cancel to about a tenth of their size.
        assert_close("log_lik", seen.log_lik[chain], value, 10.0 * value.abs());
        for ((g, k), expected) in gradient.indexed_iter() {
            assert_close("gradient", seen.per_group[[chain, g, k]], *expected, 10.0 * scale[[g, k]]);
        }
    }
}

/// Central differences with a relative step h: truncation h² and rounding ε/h meet near h = 1e-5, at about 1e-9 of Σ|ℓ|.
#[test]
fn gradients_are_slopes() {
    let check = |likelihood: &mut dyn Likelihood, params: Array3<f64>| {
        let at = evaluate(likelihood, &params);
        for ((chain, g, k), theta) in params.indexed_iter() {
            let [high, low] = [1e-5, -1e-5].map(|step| {
                let mut moved = params.clone();
                moved[[chain, g, k]] = theta * (1.0 + step);
                evaluate(likelihood, &moved).log_lik[chain]
            });
            let (slope, seen) = ((high - low) / (2e-5 * theta), at.per_group[[chain, g, k]]);
            let tolerance = 1e-9 * at.log_lik[chain].abs() / theta;
            assert!((seen - slope).abs() < tolerance, "chain {chain} group {g} parameter {k}: {seen} {slope}");
        }
    };
    let cells = bg_nbd::Cpu::new(cells(2, 500, 0.0)).expect("cells");
    check(&mut { cells }, batch(2, 2, [0.3, 6.0, 0.8, 2.5], 0.3));
    let rows = gamma_gamma::Cpu::new(spenders(2, 500, 0.0)).expect("rows");
    check(&mut { rows }, batch(2, 2, [6.0, 4.0, 15.0], 0.3));
}

#[test]
fn a_chain_knows_nothing_of_its_neighbours_or_of_threads() {
    let mut likelihood = bg_nbd::Cpu::new(cells(3, 9000, 0.0)).expect("cells");
    let params = batch::<4>(7, 3, [0.3, 6.0, 0.8, 2.5], 0.5);
    let together = evaluate(&mut likelihood, &params);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for chain in 0..7 {
        let only = params.slice(ndarray::s![chain..=chain, .., ..]).to_owned();
        let alone = one_thread.install(|| evaluate(&mut likelihood, &only));
        assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
        assert_eq!(
            alone.per_group.index_axis(ndarray::Axis(0), 0),
            together.per_group.index_axis(ndarray::Axis(0), chain)
        );
    }
}

#[test]
fn impossible_points_are_data() {
    let mut likelihood = bg_nbd::Cpu::new(cells(2, 100, 0.0)).expect("cells");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut params = batch::<4>(3, 2, [0.3, 6.0, 0.8, 2.5], 0.0);
        params[[1, 1, 2]] = bad;
        let out = evaluate(&mut likelihood, &params);
        assert_eq!(out.log_lik[1], f64::NEG_INFINITY);
        assert!(out.per_group.index_axis(ndarray::Axis(0), 1).iter().all(|slope| *slope == 0.0));
        assert!(out.log_lik[0].is_finite() && out.log_lik[2] == out.log_lik[0]);
    }
}

#[test]
fn edge_cells_stay_finite() {
    let cells = Cells {
        n_groups: 1,
        group: vec![0; 6],
        frequency: vec![0, 0, 1, 5, 100_000, 3],
        recency: vec![0.0, 0.0, 10.0, 10.0, 51.9, 0.0],
        age: vec![0.0, 1e-3, 10.0, 10.0, 52.0, 500.0],
        weight: vec![1e6, 1.0, 1e6, 1.0, 1.0, 1.0],
    };
    let mut likelihood = bg_nbd::Cpu::new(cells).expect("cells");
    for theta in [[0.243, 4.414, 0.793, 2.426], [1e-6, 1e-6, 1e-6, 1e-6], [1e6, 1e6, 1e6, 1e6], [1e-3, 1e4, 50.0, 1e-4]]
    {
        let out = evaluate(&mut likelihood, &batch::<4>(1, 1, theta, 0.0));
        assert!(out.log_lik[0].is_finite() && out.per_group.iter().all(|slope| slope.is_finite()), "{theta:?} {out:?}");
    }
}

#[test]
fn rows_can_be_asked_one_by_one() {
    let cells = cells(3, 300, 0.0);
    let params = batch::<4>(2, 3, [0.3, 6.0, 0.8, 2.5], 0.4);
    let mut likelihood = bg_nbd::Cpu::new(cells.clone()).expect("cells");
    let mut out = PointwiseBatch { log_lik: Array2::zeros((2, 50)) };
    let shared = Array2::zeros((2, 0));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    likelihood.pointwise(view, 100..150, &mut out).expect("rows exist");
    for ((chain, i), seen) in out.log_lik.indexed_iter() {
        let row = 100 + i;
        let theta = std::array::from_fn(|k| params[[chain, cells.group[row] as usize, k]]);
        assert_eq!(*seen, bg_nbd::log_lik(theta, cells.frequency[row], cells.recency[row], cells.age[row]));
    }
    assert!(likelihood.pointwise(view, 290..340, &mut out).is_err(), "40 rows that do not exist");
}

#[test]
fn bad_data_is_refused_with_its_row() {
    let good = cells(1, 10, 0.0);
    let refuse = |cells: Cells, words: &str| {
        let error = bg_nbd::Cpu::new(cells).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refuse(Cells { age: vec![1.0; 9], ..good.clone() }, "column age has 9 rows");
    let mut late = good.clone();
    (late.frequency[3], late.recency[3], late.age[3]) = (2, 9.0, 8.0);
    refuse(late, "row 3 has x = 2, t_x = 9, T = 8");
    let mut nobody = good;
    nobody.weight[4] = f64::NAN;
    refuse(nobody, "row 4 has weight NaN");
    let rows =
        gamma_gamma::Rows { n_groups: 1, group: vec![0], frequency: vec![0], monetary: vec![0.0], weight: vec![1.0] };
    let error = gamma_gamma::Cpu::new(rows).expect_err("x = 0").to_string();
    assert!(error.contains("row 0 has x = 0"), "{error}");
}

#[test]
fn wrong_shapes_are_errors() {
    let mut likelihood = bg_nbd::Cpu::new(cells(2, 10, 0.0)).expect("cells");
    let shared = Array2::zeros((1, 0));
    let params = Array3::ones((1, 3, 4));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    let error = likelihood.evaluate(view, &mut LikelihoodBatch::new(1, 3, 4, 0)).expect_err("3 groups of 2");
    assert!(error.to_string().contains("3 groups of 4, but the data has 2 groups of 4"), "{error}");
}
