//! The scalar f64 densities against 40-digit arithmetic (`golden/customer_models.json`; its passport is its `source` key).

use longrun_kernels::{bg_bb, bg_nbd, gamma_gamma, mbg_nbd, pareto_nbd, s_bg};
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

/// What is to come has no cancellation in it: what is left is the quadratures' error, and that of exponentials of some hundreds.
fn assert_closer(what: &str, row: &Value, seen: f64, expected: f64) {
    assert!((seen - expected).abs() <= 1e-12 * expected.abs(), "{what}: {seen:e}, golden {expected:e} in {row}");
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
fn mbg_nbd_rows() {
    for row in rows("mbg_nbd") {
        let params = numbers(&row["params"], ["r", "alpha", "a", "b"]);
        let [x, t_x, t] = numbers(&row["data"], ["x", "t_x", "T"]);
        let (value, gradient) = mbg_nbd::log_lik_gradient(params, x as u32, t_x, t);
        let [log_lik, p_alive, horizon, purchases] =
            numbers(&row, ["log_lik", "p_alive", "horizon", "expected_purchases"]);
        assert_close("log_lik", &row, value, log_lik);
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["r", "alpha", "a", "b"])) {
            assert_close("gradient", &row, seen, expected);
        }
        assert_close("p_alive", &row, mbg_nbd::p_alive(params, x as u32, t_x, t), p_alive);
        let seen = mbg_nbd::expected_purchases(params, x as u32, t_x, t, horizon);
        assert_close("expected_purchases", &row, seen, purchases);
    }
}

/// Counts and present values of future purchases (`golden/beta_geometric_futures.json`; its passport is its `source` key).
#[test]
fn beta_geometric_futures() {
    let file: Value = serde_json::from_str(include_str!("golden/beta_geometric_futures.json")).expect("JSON");
    let rows = file["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 16);
    for row in rows {
        let params = numbers(&row["params"], ["r", "alpha", "a", "b"]);
        let [x, t_x, t] = numbers(&row["data"], ["x", "t_x", "T"]);
        let [horizon, rate, discounted] = numbers(row, ["horizon", "rate", "discounted"]);
        let is_bg = row["model"] == "bg_nbd";
        let probability_of = if is_bg { bg_nbd::probability_of } else { mbg_nbd::probability_of };
        for pair in row["probabilities"].as_array().expect("probabilities") {
            let (n, expected) = (pair[0].as_u64().expect("n"), pair[1].as_f64().expect("P"));
            assert_closer("probability", row, probability_of(params, x as u32, t_x, t, horizon, n as u32), expected);
        }
        let worth = if is_bg { bg_nbd::discounted_expected_purchases } else { mbg_nbd::discounted_expected_purchases };
        assert_closer("discounted", row, worth(params, x as u32, t_x, t, rate), discounted);
    }
}

#[test]
fn bg_bb_rows() {
    for row in rows("bg_bb") {
        let params = numbers(&row["params"], ["alpha", "beta", "gamma", "delta"]);
        let [x, t_x, n] = numbers(&row["data"], ["x", "t_x", "n"]).map(|count: f64| count as u32);
        let (value, gradient) = bg_bb::log_lik_gradient(params, x, t_x, n);
        let [log_lik, p_alive] = numbers(&row, ["log_lik", "p_alive"]);
        assert_close("log_lik", &row, value, log_lik);
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["alpha", "beta", "gamma", "delta"])) {
            assert_close("gradient", &row, seen, expected);
        }
        assert_close("p_alive", &row, bg_bb::p_alive(params, x, t_x, n), p_alive);
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

/// 1e-10 for the value: sixteen nodes leave less of the integral. 1e-8 for what is derived from it.
#[test]
fn pareto_nbd_rows() {
    let close = |what: &str, row: &Value, seen: f64, expected: f64, tolerance: f64| {
        assert!((seen / expected - 1.0).abs() <= tolerance, "{what}: {seen:e}, golden {expected:e} in {row}");
    };
    for row in rows("pareto_nbd") {
        let params = numbers(&row["params"], ["r", "alpha", "s", "beta"]);
        let [x, t_x, t] = numbers(&row["data"], ["x", "t_x", "T"]);
        let (value, gradient) = pareto_nbd::log_lik_gradient(params, x as u32, t_x, t);
        let [log_lik, p_alive, horizon, purchases] =
            numbers(&row, ["log_lik", "p_alive", "horizon", "expected_purchases"]);
        close("log_lik", &row, value, log_lik, 1e-10);
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["r", "alpha", "s", "beta"])) {
            close("gradient", &row, seen, expected, 1e-8);
        }
        close("p_alive", &row, pareto_nbd::p_alive(params, x as u32, t_x, t), p_alive, 1e-8);
        let seen = pareto_nbd::expected_purchases(params, x as u32, t_x, t, horizon);
        close("expected_purchases", &row, seen, purchases, 1e-8);
    }
}

#[test]
fn s_bg_rows() {
    for row in rows("s_bg") {
        let params = numbers(&row["params"], ["alpha", "beta"]);
        let [period, lost] = numbers(&row["data"], ["T", "lost"]);
        let (value, gradient) = s_bg::log_lik_gradient(params, period as u32, lost == 1.0);
        assert_close("log_lik", &row, value, row["log_lik"].as_f64().expect("log_lik"));
        for (seen, expected) in gradient.into_iter().zip(numbers(&row["grad"], ["alpha", "beta"])) {
            assert_close("gradient", &row, seen, expected);
        }
    }
}

/// What is to come of customers under contract (`golden/s_bg.json`; its passport is its `source` key).
#[test]
fn s_bg_futures() {
    let file: Value = serde_json::from_str(include_str!("golden/s_bg.json")).expect("JSON");
    let all = file["rows"].as_array().expect("rows");
    let rows: Vec<&Value> = all.iter().filter(|row| row["data"].is_object()).collect();
    assert_eq!(rows.len(), 9);
    for row in rows {
        let params = numbers(&row["params"], ["alpha", "beta"]);
        let [survived, horizon] = [&row["data"]["survived"], &row["horizon"]].map(|n| n.as_u64().expect("n") as u32);
        let [survival, retention, periods, rate, lifetime] =
            numbers(row, ["survival", "retention", "expected_periods", "rate", "residual_lifetime"]);
        assert_closer("survival", row, s_bg::survival(params, survived), survival);
        assert_closer("retention", row, s_bg::retention(params, survived + 1), retention);
        assert_closer("expected_periods", row, s_bg::expected_periods(params, survived, horizon), periods);
        let seen = s_bg::discounted_residual_lifetime(params, survived, rate);
        assert_closer("residual_lifetime", row, seen, lifetime);
        for pair in row["probabilities"].as_array().expect("probabilities") {
            let (n, expected) = (pair[0].as_u64().expect("n"), pair[1].as_f64().expect("P"));
            assert_closer("probability", row, s_bg::probability_of(params, survived, horizon, n as u32), expected);
        }
    }
}
