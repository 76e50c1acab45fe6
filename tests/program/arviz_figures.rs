//! Every figure against ArviZ on twenty sets of draws, healthy and sick, by the road that users go: CmdStan's CSV and
//! `longrun diagnose --draws`; figures that the program does not print come from the library.
//!
//! `tests/arviz/figures.py` makes the sets and says what ArviZ makes of them. Nothing here makes figures.

use std::path::{Path, PathBuf};
use std::process::Command;

use longrun::diagnose::{ess_quantile, ess_sd, mcse_quantile};
use longrun::draws::read_cmdstan;
use longrun::importance::{log_sum_exp, smooth};
use ndarray::Axis;
use serde_json::Value;

use crate::support::{arviz, longrun, stdout};

/// Largest relative difference allowed: rounding in sums over thousands of draws, with room.
const CLOSE: f64 = 1e-8;

/// What longrun says where ArviZ says something else.
enum Ours {
    /// NaN, null in JSON.
    Nothing,
    /// ArviZ's figure of the same draws in a form that it can judge.
    Instead,
}

/// Where the two differ on purpose: set, figures, what longrun says, why.
const APART: &[(&str, &[&str], Ours, &str)] = &[
    ("one chain", &["r_hat"], Ours::Instead, "ArviZ wants two chains; the halves of one can be compared"),
    (
        "constant",
        &[
            "ess_bulk",
            "ess_tail",
            "ess_mean",
            "ess_sd",
            "ess_quantile 0.1",
            "ess_quantile 0.5",
            "mcse_mean",
            "mcse_q05",
            "mcse_q95",
            "mcse_quantile 0.5",
        ],
        Ours::Nothing,
        "ArviZ counts every draw of a constant as effective; a chain that never moved says nothing",
    ),
    (
        "infinity",
        &[
            "r_hat",
            "ess_bulk",
            "ess_tail",
            "ess_quantile 0.1",
            "ess_quantile 0.5",
            "mcse_q05",
            "mcse_q95",
            "mcse_quantile 0.5",
        ],
        Ours::Nothing,
        "ArviZ ranks an infinite draw like any other; a sampler that got there is broken",
    ),
    ("infinity", &["mean"], Ours::Nothing, "JSON has no infinity"),
    (
        "offset 1e12",
        &["ess_mean", "ess_sd", "mcse_mean", "mcse_sd"],
        Ours::Instead,
        "at 1e12 a mean is rounded to 1e-4, and ArviZ takes variances around it; seen from near, the digits are there",
    ),
    (
        "scale 1e-300",
        &["ess_mean", "ess_sd", "sd", "mcse_mean", "mcse_sd"],
        Ours::Instead,
        "ArviZ calls a range below 1e-15 constant, and squares underflow; figures do not depend on the unit",
    ),
];

/// Sets whose draws are no log ratios that importance sampling could take.
const NO_RATIOS: &[&str] = &["constant", "NaN", "infinity", "scale 1e-300", "offset 1e12"];

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().expect("Python's float"),
        other => other.as_f64().unwrap_or(f64::NAN),
    }
}

fn difference(ours: f64, theirs: f64) -> f64 {
    if ours.is_nan() && theirs.is_nan() || ours == theirs {
        return 0.0;
    }
    let apart = (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE);
    if apart.is_nan() { f64::INFINITY } else { apart }
}

/// Figure by figure, what longrun says of one set.
fn figures(folder: &Path, set: &str) -> Vec<(&'static str, f64)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.join(set)).expect("the set").map(|e| e.expect("a file").path()).collect();
    files.sort();
    let names: Vec<&str> = files.iter().map(|f| f.to_str().expect("a plain path")).collect();
    let done = longrun(folder, &[&["diagnose", "--json", "--draws"], &names[..]].concat());
    let found: Value = serde_json::from_str(&stdout(&done)).unwrap_or_else(|e| panic!("{set}: {e}: {done:?}"));
    let passed = found["verdict"] == "pass";
    assert_eq!(done.status.code(), Some(i32::from(!passed)), "{set}");
    let x = &found["parameters"][0];
    let mut out = Vec::new();
    for name in [
        "r_hat",
        "ess_bulk",
        "ess_tail",
        "ess_mean",
        "mcse_mean",
        "mcse_sd",
        "mcse_q05",
        "mcse_q95",
        "mean",
        "sd",
        "q05",
        "q50",
        "q95",
    ] {
        out.push((name, number(&x[name])));
    }
    let bfmi = found["fits"][0]["e_bfmi"].as_array().expect("one a chain");
    out.push(("e_bfmi, first", number(&bfmi[0])));
    out.push(("e_bfmi, last", number(&bfmi[bfmi.len() - 1])));

    let chains = read_cmdstan(&files).expect("the program read them");
    let draws = chains.values.index_axis(Axis(2), 0).as_standard_layout().into_owned();
    out.push(("ess_sd", ess_sd(draws.view())));
    for (name, prob) in [("ess_quantile 0.1", 0.1), ("ess_quantile 0.5", 0.5)] {
        out.push((name, ess_quantile(draws.view(), prob)));
    }
    out.push(("mcse_quantile 0.5", mcse_quantile(draws.view(), 0.5)));
    if !NO_RATIOS.contains(&set) {
        let (mut weights, k) = smooth(draws.iter().copied().collect(), &mut Vec::new());
        let total = log_sum_exp(weights.iter().copied());
        weights.iter_mut().for_each(|w| *w -= total);
        weights.sort_by(f64::total_cmp);
        out.push(("pareto_k", k));
        out.push(("psis weight, largest", weights[weights.len() - 1]));
        out.push(("psis weight, median", weights[weights.len() / 2]));
    }
    out
}

#[test]
fn twenty_sets_get_arviz_s_figures() {
    let Some(python) = arviz() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arviz/figures.py");
    let made = Command::new(python).arg(script).arg(folder.path()).output().expect("python starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = std::fs::read_to_string(folder.path().join("figures.json")).expect("the figures");
    let reference: Value = serde_json::from_str(&text).expect("JSON");
    let sets = reference.as_object().expect("sets");
    assert_eq!(sets.len(), 20);

    let (mut wrong, mut used, mut largest) = (Vec::new(), 0, 0.0_f64);
    println!("| set | figures | largest difference | of | not as ArviZ |");
    println!("| --- | --- | --- | --- | --- |");
    for (set, theirs) in sets {
        let (mut worst, mut of, mut apart, mut counted) = (0.0, "", Vec::new(), 0);
        for (name, ours) in figures(folder.path(), set) {
            counted += 1;
            let on_purpose = APART.iter().find(|(s, names, ..)| s == set && names.contains(&name));
            let expected = match on_purpose {
                None => number(&theirs["arviz"][name]),
                Some((.., Ours::Nothing, _)) => f64::NAN,
                Some((.., Ours::Instead, _)) => number(&theirs["instead"][name]),
            };
            if on_purpose.is_some() {
                used += 1;
                apart.push(name);
                let same = difference(expected, number(&theirs["arviz"][name])) <= CLOSE;
                assert!(!same, "{set}: {name} is ArviZ's after all, and needs no exception");
            }
            let difference = difference(ours, expected);
            if difference > worst {
                (worst, of) = (difference, name);
            }
            if difference > CLOSE {
                wrong.push(format!("{set}: {name} is {ours:e}, not {expected:e} ({difference:.1e})"));
            }
        }
        largest = largest.max(worst);
        println!("| {set} | {counted} | {worst:.1e} | {of} | {} |", apart.join(", "));
    }
    assert!(wrong.is_empty(), "{} apart by more than {CLOSE}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(used, APART.iter().map(|(_, names, ..)| names.len()).sum::<usize>(), "an exception names no figure");
    println!("largest of all: {largest:.1e}");
    for (set, names, ours, why) in APART {
        let said = if matches!(ours, Ours::Nothing) { "NaN" } else { "the figure itself" };
        println!("{set}: {}: {said}, because {why}", names.join(", "));
    }
}
