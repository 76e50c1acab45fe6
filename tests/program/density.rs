//! `longrun density`: the golden rows asked over standard input, as a program in another language would.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::test_adapter;

const GOLDEN: &str = include_str!("../../kernels/tests/golden/customer_models.json");

fn golden() -> Vec<Value> {
    let file: Value = serde_json::from_str(GOLDEN).unwrap();
    file["rows"].as_array().unwrap().clone()
}

/// Answers of the program, a line each, and its exit code.
fn ask(arguments: &[&str], questions: &str) -> (Vec<Value>, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longrun"))
        .arg("density")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let questions = questions.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.code())
}

fn question(row: &Value) -> String {
    let mut asked = serde_json::json!({ "model": row["model"], "params": row["params"], "data": row["data"] });
    if !row["horizon"].is_null() {
        asked["horizon"] = row["horizon"].clone();
    }
    asked.to_string() + "\n"
}

/// The tolerances are those of `kernels/tests/golden.rs` (f64) and of the device: 2e-5 of a log-likelihood and of a slope, a slope
/// below 5 counting as 5 – a single customer in f32, θ₀ a tenth away.
fn assert_golden(arguments: &[&str], tolerance: f64, least: f64) {
    let rows = golden();
    let (answers, code) = ask(arguments, &rows.iter().map(question).collect::<String>());
    assert_eq!((answers.len(), code), (rows.len(), Some(0)));
    assert_eq!(rows.len(), 144);
    for (row, answer) in rows.iter().zip(&answers) {
        let close = |what: &str, seen: &Value, expected: &Value, tolerance: f64, least: f64| {
            let (seen, expected) = (seen.as_f64().unwrap(), expected.as_f64().unwrap());
            let limit = tolerance * expected.abs().max(least);
            assert!((seen - expected).abs() <= limit, "{what}: {seen:e}, golden {expected:e} in {row}");
        };
        close("log_lik", &answer["log_lik"], &row["log_lik"], tolerance, least);
        for (name, slope) in row["grad"].as_object().unwrap() {
            close(name, &answer["grad"][name], slope, tolerance.max(1e-8), least);
        }
        for name in ["p_alive", "expected_purchases", "expected_spend"].iter().filter(|name| row[**name].is_number()) {
            close(name, &answer[name], &row[name], 1e-8, 0.0);
        }
    }
}

#[test]
fn the_processor_answers_the_golden_rows() {
    assert_golden(&[], 1e-10, 1e-6);
}

#[test]
fn a_device_answers_the_golden_rows() {
    if let Some(adapter) = test_adapter() {
        assert_golden(&["--backend", "gpu", "--adapter", &adapter], 2e-5, 5.0);
    }
}

/// A contract of the paper's "regular" kind: retained 1 − α/(α+β+T) of the time, and a lost customer comes back never.
#[test]
fn horizons_are_in_each_model_s_own_unit() {
    let s_bg = |data: &str, horizon: &str| {
        format!(r#"{{"model": "s_bg", "params": {{"alpha": 0.7, "beta": 1.2}}, "data": {data}, "horizon": {horizon}}}"#)
    };
    let bg_bb = |horizon: &str| {
        let params = r#"{"alpha": 1, "beta": 2, "gamma": 1, "delta": 3}"#;
        format!(
            r#"{{"model": "bg_bb", "params": {params}, "data": {{"x": 1, "t_x": 2, "n": 4}}, "horizon": {horizon}}}"#
        )
    };
    let lines = [
        s_bg(r#"{"T": 3, "lost": 0}"#, "1"),
        s_bg(r#"{"T": 3, "lost": 1}"#, "1"),
        s_bg(r#"{"T": 3, "lost": 7}"#, "1"),
        bg_bb("2.7"),
        bg_bb("1e300"),
        r#"{"model": "gamma_gamma", "params": {"p": 6, "q": 4, "v": 15}, "data": {"x": 1, "m": 20}, "horizon": 1}"#
            .to_owned(),
    ];
    let (answers, code) = ask(&[], &lines.join("\n"));
    assert_eq!(code, Some(2));
    let kept = answers[0]["expected_periods"].as_f64().unwrap();
    assert!((kept - (1.0 - 0.7 / 4.9)).abs() < 1e-12, "{kept}");
    assert_eq!((&answers[1]["expected_periods"], &answers[1]["p_alive"]), (&Value::from(0.0), &Value::from(0.0)));
    for (answer, words) in answers[2..].iter().zip(["lost must be 0 or 1", "whole number", "whole number", "left out"])
    {
        assert!(answer["error"].as_str().is_some_and(|said| said.contains(words)), "{answer}: {words}");
    }
}

#[test]
fn what_cannot_be_answered_is_said_in_its_place() {
    let params = r#""params": {"r": 0.2, "alpha": 4, "a": 1, "b": 2}"#;
    let lines = [
        format!(r#"{{"model": "bg_nbd", {params}, "data": {{"x": 1, "t_x": 2, "T": 3}}}}"#),
        format!(r#"{{"model": "bgnbd", {params}, "data": {{"x": 1, "t_x": 2, "T": 3}}}}"#),
        format!(r#"{{"model": "bg_nbd", {params}, "data": {{"x": 1, "t_x": 2}}}}"#),
        format!(r#"{{"model": "bg_nbd", {params}, "data": {{"x": 1.5, "t_x": 2, "T": 3}}}}"#),
        format!(r#"{{"model": "bg_nbd", {params}, "data": {{"x": 1, "t_x": 4, "T": 3}}}}"#),
        "not json".to_owned(),
        r#"{"model": "bg_nbd", "params": {"r": -1, "alpha": 4, "a": 1, "b": 2}, "data": {"x": 1, "t_x": 2, "T": 3}}"#
            .to_owned(),
    ];
    let (answers, code) = ask(&[], &lines.join("\n"));
    assert_eq!(code, Some(2));
    let said: Vec<&str> = answers.iter().map(|a| a["error"].as_str().unwrap_or("")).collect();
    let expected = [
        "",
        "line 2: unknown model (found `bgnbd`)",
        "line 3: data.T is missing",
        "line 4: data.x must be a whole number",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
    }
    assert!(said[4].contains("0 <= t_x <= T"), "{}", said[4]);
    assert!(said[5].starts_with("line 6: not a question; "), "{}", said[5]);
    // Impossible parameters are an answer: no likelihood at all.
    assert!(answers[6]["log_lik"].is_null() && answers[6]["grad"]["r"] == 0.0, "{}", answers[6]);
    assert!(answers[6]["p_alive"].is_null(), "{}", answers[6]);
}
