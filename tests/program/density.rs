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
    assert!(rows.len() >= 144 && rows.len().is_multiple_of(24), "{} rows, 24 of each model", rows.len());
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
    assert_eq!(answers[6]["impossible"], "params.r must be above 0 and finite (found -1)");
}

/// A question about a new customer of each purchase model, and expected purchases ever at a discount of nothing, in closed form:
/// of a contract with (α, β) kept for T periods (β+T)/(α−1) renewals, of lognormal rates E[λ/μ], of the others E[rate] E[life].
const NEWCOMERS: [(&str, &str, &str, f64); 6] = [
    ("bg_nbd", r#"{"r": 0.8, "alpha": 6, "a": 3, "b": 2.5}"#, r#"{"x": 0, "t_x": 0, "T": 0}"#, 4.5 / 2.0),
    ("mbg_nbd", r#"{"r": 0.8, "alpha": 6, "a": 3, "b": 2.5}"#, r#"{"x": 0, "t_x": 0, "T": 0}"#, 2.5 / 2.0),
    (
        "pareto_nbd",
        r#"{"r": 0.8, "alpha": 6, "s": 3, "beta": 9}"#,
        r#"{"x": 0, "t_x": 0, "T": 0}"#,
        0.8 / 6.0 * 9.0 / 2.0,
    ),
    // exp(½ (0.9² + 1.1² − 2 · 0.5 · 0.9 · 1.1)) · 0.1/0.02
    (
        "pareto_abe",
        r#"{"rate": 0.1, "death": 0.02, "sd_rate": 0.9, "sd_death": 1.1, "corr": 0.5}"#,
        r#"{"x": 0, "t_x": 0, "T": 0}"#,
        8.368_192_508_987_6,
    ),
    (
        "bg_bb",
        r#"{"alpha": 1.2, "beta": 0.8, "gamma": 3, "delta": 4}"#,
        r#"{"x": 0, "t_x": 0, "n": 0}"#,
        0.6 * 4.0 / 2.0,
    ),
    ("s_bg", r#"{"alpha": 3, "beta": 1.5}"#, r#"{"T": 2, "lost": 0}"#, 3.5 / 2.0),
];

/// Of customers who never leave: counts whose probabilities add up to one and whose mean is the expectation, and a perpetuity.
#[test]
fn who_never_leaves_has_a_law_too() {
    let question = |n: u32| {
        format!(
            r#"{{"model": "nbd", "params": {{"r": 0.8, "alpha": 6}}, "data": {{"x": 2, "t_x": 5, "T": 9}}, "horizon": 12, "n": {n}, "discount_rate": 0.02}}"#
        )
    };
    let (answers, code) = ask(&[], &(0..200).map(question).collect::<Vec<_>>().join("\n"));
    assert_eq!(code, Some(0));
    let chance = |answer: &Value| answer["probability"].as_f64().expect("a probability");
    let total: f64 = answers.iter().map(chance).sum();
    let mean: f64 = answers.iter().zip(0..).map(|(answer, n)| f64::from(n) * chance(answer)).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
    // (r + x)/(α + T) purchases a time unit, for twelve of them; and for ever, discounted at 0.02.
    assert!((mean - 2.8 / 15.0 * 12.0).abs() < 1e-10, "{mean}");
    assert_eq!(answers[0]["probability_of_none"], answers[0]["probability"]);
    let ever = answers[0]["discounted_expected_purchases"].as_f64().expect("a perpetuity");
    assert!((ever - 2.8 / 15.0 / 0.02).abs() < 1e-12, "{ever}");
}

/// The probabilities of all counts add up to one, and their mean to the expectation, in every purchase model.
#[test]
fn counts_within_a_horizon_and_present_values_are_answered() {
    const COUNTS: usize = 200;
    let asked = |(model, params, data, _): (&str, &str, &str, f64), rest: &str| {
        format!("{{\"model\": \"{model}\", \"params\": {params}, \"data\": {data}, {rest}}}\n")
    };
    let of_counts =
        |row| (0..COUNTS).map(move |n| asked(row, &format!("\"horizon\": 12, \"n\": {n}"))).collect::<String>();
    let (answers, code) = ask(&[], &NEWCOMERS.map(of_counts).concat());
    assert_eq!((answers.len(), code), (COUNTS * NEWCOMERS.len(), Some(0)));
    for (row, answers) in NEWCOMERS.iter().zip(answers.chunks(COUNTS)) {
        let probability = |n: usize| answers[n]["probability"].as_f64().unwrap();
        let total: f64 = (0..COUNTS).map(probability).sum();
        let mean: f64 = (0..COUNTS).map(|n| n as f64 * probability(n)).sum();
        let expected = ["expected_purchases", "expected_periods"].map(|key| answers[0][key].as_f64());
        let expected = expected[0].or(expected[1]).unwrap();
        // Beyond 200 purchases in 12 weeks lies less than that of any of them.
        assert!((total - 1.0).abs() < 1e-9, "{row:?}: {total}");
        assert!((mean / expected - 1.0).abs() < 1e-7, "{row:?}: {mean} {expected}");
        assert!(answers.iter().all(|a| a["probability_of_none"] == answers[0]["probability"]), "{row:?}");
    }

    let at_rate = |rate: &str| {
        let (answers, code) =
            ask(&[], &NEWCOMERS.map(|row| asked(row, &format!("\"discount_rate\": {rate}"))).concat());
        assert_eq!(code, Some(0));
        let value =
            |a: &Value| a["discounted_expected_purchases"].as_f64().or(a["discounted_expected_periods"].as_f64());
        answers.iter().map(|a| value(a).unwrap()).collect::<Vec<f64>>()
    };
    let (ever, nearly, soon) = (at_rate("0"), at_rate("1e-9"), at_rate("1e9"));
    for (k, (model, .., expected)) in NEWCOMERS.iter().enumerate() {
        // Quadrature in f64; the figures of the last have fourteen digits.
        assert!((ever[k] / expected - 1.0).abs() < 1e-8, "{model}: {} {expected}", ever[k]);
        // A rate ρ takes about ρ E[life²]/2, some hundreds of units² here.
        assert!((nearly[k] / ever[k] - 1.0).abs() < 1e-5, "{model}: {} {}", nearly[k], ever[k]);
        assert!((0.0..1e-8).contains(&soon[k]), "{model}: {}", soon[k]);
    }
}

#[test]
fn impossible_parameters_and_questions_are_told_apart() {
    let abe = |rate: &str, corr: &str| {
        let rest = r#""death": 0.02, "sd_rate": 0.9, "sd_death": 1.1"#;
        let data = r#"{"x": 1, "t_x": 2, "T": 3}"#;
        format!(
            r#"{{"model": "pareto_abe", "params": {{"rate": {rate}, {rest}, "corr": {corr}}}, "data": {data}, "horizon": 1}}"#
        )
    };
    let (answers, code) = ask(&[], &[abe("0", "1"), abe("0.1", "-1"), abe("0.1", "0.9")].join("\n"));
    assert_eq!(code, Some(0), "an impossible point is an answer");
    let said: Vec<Option<&str>> = answers.iter().map(|a| a["impossible"].as_str()).collect();
    let corr = "params.corr must be between -1 and 1, and neither of them";
    let both = format!("params.rate must be above 0 and finite (found 0), {corr} (found 1)");
    assert_eq!(said, [Some(both.as_str()), Some(format!("{corr} (found -1)").as_str()), None]);
    assert!(answers[0]["log_lik"].is_null() && answers[0].get("expected_purchases").is_none(), "{}", answers[0]);

    let wide = abe("0.1", "0.9").replace("\"sd_rate\": 0.9", "\"sd_rate\": 31");
    let narrow = abe("0.1", "0.9").replace("\"sd_death\": 1.1", "\"sd_death\": 5e-5");
    let (answers, _) = ask(&[], &[wide, narrow].join("\n"));
    assert_eq!(answers[0]["impossible"], "params.sd_rate must be at most 30 (found 31)");
    assert_eq!(answers[1]["impossible"], "params.sd_death must be at least 0.0001 (found 0.00005)");

    let asked = |rest: &str| {
        let params = r#"{"r": 0.2, "alpha": 4, "a": 1, "b": 2}"#;
        format!(r#"{{"model": "bg_nbd", "params": {params}, "data": {{"x": 1, "t_x": 2, "T": 3}}, {rest}}}"#)
    };
    let lines = [
        asked(r#""n": 2"#),
        asked(r#""n": 2.5, "horizon": 3"#),
        asked(r#""n": -1, "horizon": 3"#),
        asked(r#""discount_rate": -0.1"#),
        r#"{"model": "gamma_gamma", "params": {"p": 6, "q": 4, "v": 15}, "data": {"x": 1, "m": 20}, "n": 1}"#
            .to_owned(),
    ];
    let (answers, code) = ask(&[], &lines.join("\n"));
    assert_eq!(code, Some(2));
    let words =
        ["n needs a horizon", "n must be a whole", "n must be a whole", "must be 0 or more", "n must be left out"];
    for (answer, words) in answers.iter().zip(words) {
        assert!(answer["error"].as_str().is_some_and(|said| said.contains(words)), "{answer}: {words}");
    }
}
