//! Draws that other programs made: judged from their files, kept in a store, and refused with file and line.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{longrun, stderr, stdout};

/// A chain of `draws` numbers that look random, moved by `at`, in CmdStan's layout with a vector of two.
fn chain(path: &Path, seed: u64, draws: usize, at: f64) {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut text = "# stan_version_major = 2\n# method = sample (Default)\n#   save_warmup = 0 (Default)\n#   max_depth = 10 (Default)\n\
                    lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,mu,theta.1,theta.2\n\
                    # Adaptation terminated\n"
        .to_owned();
    for _ in 0..draws {
        let (e, a, b, c) = (uniform(), uniform(), uniform(), uniform());
        writeln!(text, "{},0.9,0.5,3,7,0,{},{},{b},{c}", -e, e, a + at).expect("a String takes it");
    }
    std::fs::write(path, text + "# \n#  Elapsed Time: 0.1 seconds (Total)\n").expect("a file");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn files_and_their_import_get_the_same_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    for c in 0..4 {
        chain(&dir.join(format!("c{c}.csv")), c + 1, 400, 0.0);
    }
    let files = ["c0.csv", "c1.csv", "c2.csv", "c3.csv"];
    let direct = longrun(dir, &[&["diagnose", "--json", "--draws"], &files[..]].concat());
    assert_eq!(direct.status.code(), Some(0), "{}{}", stdout(&direct), stderr(&direct));
    let direct = json(&stdout(&direct));
    assert_eq!((&direct["verdict"], direct["parameters"].as_array().map(Vec::len)), (&"pass".into(), Some(3)));
    assert_eq!(direct["parameters"][2]["coords"]["theta_dim_0"], "2");

    let made = longrun(dir, &[&["import", "--output", "kept"], &files[..]].concat());
    assert!(
        made.status.success() && stdout(&made).contains("4 chains of 400 draws, 3 parameters"),
        "{}",
        stderr(&made)
    );
    let again = longrun(dir, &["diagnose", "kept", "--json"]);
    assert_eq!(json(&stdout(&again)), direct);
    let file = std::fs::read_to_string(dir.join("kept/diagnostics.json")).expect("the verdict beside the draws");
    assert_eq!(json(&file), direct);
    let twice = longrun(dir, &[&["import", "--output", "kept"], &files[..]].concat());
    assert!(twice.status.code() == Some(2) && stderr(&twice).contains("not empty"), "{}", stderr(&twice));
    // Steps of a run find no plan there.
    let predict = longrun(dir, &["predict", "kept"]);
    assert!(predict.status.code() == Some(2) && stderr(&predict).contains("plan.toml"), "{}", stderr(&predict));
}

#[test]
fn sick_files_are_refused_in_words_and_by_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    for c in 0..4 {
        chain(&dir.join(format!("c{c}.csv")), c + 1, 400, if c == 2 { 9.0 } else { 0.0 });
    }
    let files = ["c0.csv", "c1.csv", "c2.csv", "c3.csv"];
    let found = longrun(dir, &[&["diagnose", "--draws"], &files[..]].concat());
    let said = stdout(&found);
    assert_eq!(found.status.code(), Some(1), "{said}");
    for words in ["verdict: FAIL", "2 places, clearest in mu", "chain 3 near 9.", "num_warmup", "R-hat of mu"] {
        assert!(said.contains(words), "{words} is not in:\n{said}");
    }
    let lax =
        longrun(dir, &[&["diagnose", "--json", "--max-r-hat", "9", "--min-ess", "1", "--draws"], &files[..]].concat());
    let lax = json(&stdout(&lax));
    assert_eq!(lax["fits"][0]["thresholds"]["r_hat"], 9.0);
    let kinds: Vec<&str> =
        lax["fits"][0]["reasons"].as_array().expect("reasons").iter().filter_map(|r| r["kind"].as_str()).collect();
    assert_eq!(kinds, Vec::<&str>::new(), "limits that lax look for no cause");
    let bad = longrun(dir, &["diagnose", "--max-r-hat", "0.9", "--draws", "c0.csv"]);
    assert!(bad.status.code() == Some(2) && stderr(&bad).contains("--max-r-hat: must be above 1"), "{}", stderr(&bad));
}

#[test]
fn files_that_do_not_belong_together_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    chain(&dir.join("a.csv"), 1, 50, 0.0);
    chain(&dir.join("b.csv"), 2, 40, 0.0);
    let short = longrun(dir, &["diagnose", "--draws", "a.csv", "b.csv"]);
    assert_eq!(short.status.code(), Some(2));
    assert!(stderr(&short).contains("b.csv:46") && stderr(&short).contains("50 draws"), "{}", stderr(&short));
    let missing = longrun(dir, &["diagnose", "--draws", "none.csv"]);
    assert!(missing.status.code() == Some(2) && stderr(&missing).contains("none.csv"), "{}", stderr(&missing));
    // The same chain by another name would make one chain look like two that agree.
    std::fs::copy(dir.join("a.csv"), dir.join("copy.csv")).expect("a copy");
    let twice = longrun(dir, &["diagnose", "--draws", "a.csv", "copy.csv"]);
    assert_eq!(twice.status.code(), Some(2));
    let told = stderr(&twice);
    assert!(told.contains("copy.csv") && told.contains("equal to a.csv") && told.contains("once"), "{told}");
}
