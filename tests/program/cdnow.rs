//! CDNOW against published figures (docs/math lists their sources). The data come from `scripts/fetch_cdnow.sh`; without them
//! the tests print why they skip, and fail under `LONGRUN_REQUIRE_DATA=1`.

use std::path::PathBuf;

use crate::support::{longrun, stderr, stdout};

/// The folder with `CDNOW_sample.txt` and `CDNOW_master.txt`.
fn cdnow() -> Option<PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = std::env::var_os("LONGRUN_CDNOW_DIR").map_or_else(|| root.join("data/cdnow"), PathBuf::from);
    if dir.join("CDNOW_sample.txt").exists() && dir.join("CDNOW_master.txt").exists() {
        return Some(dir);
    }
    assert!(std::env::var("LONGRUN_REQUIRE_DATA").as_deref() != Ok("1"), "no CDNOW in {}", dir.display());
    println!("skipped: no CDNOW in {}; scripts/fetch_cdnow.sh fetches it", dir.display());
    None
}

fn config(name: &str) -> String {
    format!("{}/configs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Known maxima on the sample, with at least five digits: 1e-4 relative is above their rounding and far below their standard errors.
/// BG/NBD: Fader, Hardie & Lee 2005; Gamma-Gamma: Fader & Hardie 2013; MBG/NBD and Pareto/NBD:
/// found from this project's formulas by a second, independent program.
#[test]
fn the_maximum_is_the_known_one() {
    type Known = (f64, &'static [(&'static str, f64)]);
    const SPEND: Known = (-4055.9177, &[("p", 6.24957), ("q", 3.74422), ("v", 15.44352)]);
    const PURCHASE: [(&str, Known); 3] = [
        ("bg_nbd", (-9582.429, &[("r", 0.24259), ("alpha", 4.41360), ("a", 0.79292), ("b", 2.42589)])),
        ("mbg_nbd", (-9582.1357, &[("r", 0.52484), ("alpha", 6.18299), ("a", 0.89136), ("b", 1.61400)])),
        ("pareto_nbd", (-9594.976179, &[("r", 0.553277), ("alpha", 10.57768), ("s", 0.60624), ("beta", 11.66874)])),
    ];
    let Some(data) = cdnow() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = format!("data.path={}", data.join("CDNOW_sample.txt").display());
    for (key, known) in PURCHASE {
        let model = format!("purchase.model={key}");
        let sets = ["--json", "--set", &path, "--set", &model, "--set", "purchase.priors={}"];
        let output = longrun(folder.path(), &[&["maximum", &config("cdnow_sample.toml")], &sets[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let fits: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        for (fit, (log_likelihood, parameters)) in [(0, known), (1, SPEND)] {
            let seen = fits[fit]["log_likelihood"].as_f64().expect("a log-likelihood");
            assert!((seen - log_likelihood).abs() < 1e-3, "{key}: {seen} is not {log_likelihood}");
            for &(name, value) in parameters {
                let seen = fits[fit]["parameters"][name].as_f64().expect(name);
                assert!((seen / value - 1.0).abs() < 1e-4, "{key}, {name}: {seen} is not {value}");
            }
        }
    }
}

/// The published posterior used recency and age rounded to two decimals and reports two or three digits. A tenth of a posterior
/// sd is six Monte Carlo errors at 4,000 effective draws, and covers that rounding.
#[test]
fn the_posterior_is_the_published_one() {
    let Some(data) = cdnow() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = format!("data.path={}", data.join("CDNOW_sample.txt").display());
    let published = [("alpha", 4.52, 0.39), ("r", 0.2459, 0.0129), ("a", 0.783, 0.192), ("b", 2.42, 0.75)];
    let mut variants: Vec<(&str, Vec<String>)> = vec![
        ("nuts", vec!["compute.backend=cpu".into(), "sampler.chains=8".into(), "sampler.draws=1000".into()]),
        ("chees", vec!["compute.backend=cpu".into(), "sampler.chains=16".into(), "sampler.draws=600".into()]),
    ];
    if let Some(adapter) = crate::support::test_adapter() {
        let gpu = ["compute.backend=gpu".to_owned(), format!("compute.adapter={adapter}")];
        for (kind, chains, draws) in [("nuts", 16, 400), ("chees", 32, 300)] {
            let size = [format!("sampler.chains={chains}"), format!("sampler.draws={draws}")];
            variants.push((kind, gpu.iter().cloned().chain(size).collect()));
        }
    }
    for (kind, sets) in variants {
        let mut args =
            vec!["diagnose".to_owned(), config("cdnow_sample.toml"), "--quiet".to_owned(), "--overwrite".to_owned()];
        let fixed = [
            path.clone(),
            "output.dir=run".to_owned(),
            format!("sampler.kind={kind}"),
            "sampler.warmup=600".to_owned(),
            "spend.model=none".to_owned(),
        ];
        for set in fixed.iter().chain(&sets) {
            args.extend(["--set".to_owned(), set.clone()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = longrun(folder.path(), &args);
        assert!(output.status.success(), "{kind} {sets:?}: {}{}", stdout(&output), stderr(&output));
        let text = std::fs::read_to_string(folder.path().join("run/diagnostics.json")).expect("diagnostics");
        let diagnostics: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let parameters = diagnostics["parameters"].as_array().expect("parameters");
        for (name, mean, sd) in published {
            let p = parameters.iter().find(|p| p["name"] == name).expect(name);
            let (seen_mean, seen_sd) = (p["mean"].as_f64().expect("mean"), p["sd"].as_f64().expect("sd"));
            assert!((seen_mean - mean).abs() < 0.1 * sd, "{kind} {sets:?}: mean of {name} {seen_mean} is not {mean}");
            assert!((seen_sd / sd - 1.0).abs() < 0.1, "{kind} {sets:?}: sd of {name} {seen_sd} is not {sd}");
        }
    }
}
