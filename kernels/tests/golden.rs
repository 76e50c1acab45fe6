//! The scalar f64 densities against 40-digit arithmetic (`golden/customer_models.json`; its passport is its `source` key).

use longrun_kernels::{bg_nbd, gamma_gamma};
use serde_json::Value;

const GOLDEN: &str = include_str!("golden/customer_models.json");

fn rows(model: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(GOLDEN).expect("the golden file is JSON");
    let all = file["rows"].as_array().expect("rows").clone();
    let rows: Vec<Value> = all.into_iter().filter(|row| row["model"] == model).collect();
    assert_eq!(rows.len(), 24, "{model} has 24 golden rows");
    rows
}

fn numbers<const K: usize>(object: &Value, names: [&str; K]) -> [f64; K] {
    names.map(|name| object[name].as_f64().unwrap_or_else(|| panic!("{name} in {object}")))
}

/// 1e-10 relative leaves the f64 formulas four digits of cancellation. Gradients that vanish identically (x = 0, or x = 1 with
/// t_x = T) have nothing to be relative to: there, one unit in the last place of the terms of order one that cancel.
fn assert_close(what: &str, row: &Value, seen: f64, expected: f64) {
    let tolerance = 1e-10 * expected.abs() + 2e-16 * f64::from(u8::from(expected.abs() < 1e-25));
    assert!((seen - expected).abs() <= tolerance, "{what}: {seen:e}, golden {expected:e} in {row}");
}

#[test]
fn bg_nbd_rows() {
    for row in rows("bg_nbd") {
        let params = numbers(&row["params"], ["r", "alpha", "a", "b"]);
        let [x, t_x, t] = numbers(&row["data"], ["x", "t_x", "T"]);
        let (value, gradient) = bg_nbd::log_lik_gradient(params, x as u32, t_x, t);
        let [log_lik, p_alive, horizon, purchases] =
            numbers(&row, ["log_lik", "p_alive", "horizon", "expected_purchases"]);
        assert_close("log_lik", &row, value, log_lik);
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["r", "alpha", "a", "b"])) {
            assert_close("gradient", &row, seen, expected);
        }
        assert_close("p_alive", &row, bg_nbd::p_alive(params, x as u32, t_x, t), p_alive);
        let seen = bg_nbd::expected_purchases(params, x as u32, t_x, t, horizon);
        assert_close("expected_purchases", &row, seen, purchases);
    }
}

#[test]
fn gamma_gamma_rows() {
    for row in rows("gamma_gamma") {
        let params = numbers(&row["params"], ["p", "q", "v"]);
        let [x, m] = numbers(&row["data"], ["x", "m"]);
        let (value, gradient) = gamma_gamma::log_lik_gradient(params, x as u32, m);
        assert_close("log_lik", &row, value, row["log_lik"].as_f64().expect("log_lik"));
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["p", "q", "v"])) {
            assert_close("gradient", &row, seen, expected);
        }
        if let Some(spend) = row["expected_spend"].as_f64() {
            assert_close("expected_spend", &row, gamma_gamma::expected_spend(params, x as u32, m), spend);
        }
    }
}
