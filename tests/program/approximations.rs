//! Quick answers through the program: written as any run is, marked as what they are, and near what sampling finds.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Shop, stderr, stdout};

const KINDS: [(&str, &str); 3] = [
    ("map", "A point estimate"),
    ("laplace", "A Laplace approximation around the mode"),
    ("pathfinder", "A Pathfinder approximation"),
];

fn json(shop: &Shop, run: &str, file: &str) -> Value {
    let path = shop.file(run).join(file);
    serde_json::from_str(&std::fs::read_to_string(&path).expect("the file is there")).expect("JSON")
}

/// Mean (or mode) and sd (or standard error) by fit and name.
fn parameters(diagnostics: &Value) -> BTreeMap<String, (f64, f64)> {
    let row = |p: &Value| {
        let name = format!("{} {} {}", p["fit"], p["name"], p["coords"]);
        Some((name, (p["mean"].as_f64()?, p["sd"].as_f64()?)))
    };
    diagnostics["parameters"].as_array().expect("parameters").iter().filter_map(row).collect()
}

/// Every file of a run is there and every place says what the figures are not; means lie within a sampled posterior's reach.
#[test]
fn every_place_says_what_they_are() {
    let shop = Shop::new(1500);
    let sampled = shop.longrun(&["run", "shop.toml", "-q", "--set", "output.dir=nuts"]);
    assert!(sampled.status.success(), "{}", stderr(&sampled));
    let of_samples = parameters(&json(&shop, "nuts", "diagnostics.json"));
    for (kind, caution) in KINDS {
        let (set, dir) = (format!("sampler.kind={kind}"), format!("output.dir={kind}"));
        let run = ["run", "shop.toml", "-q", "--set", &set, "--set", &dir, "--set", "diagnose.max_pareto_k=2"];
        let output = shop.longrun(&run);
        assert!(output.status.success(), "{kind}: {}{}", stdout(&output), stderr(&output));
        let text = stdout(&output);
        assert!(text.contains(caution) && text.contains("not samples of"), "{kind}: {text}");
        assert!(!text.contains("R-hat") && !text.contains("divergences"), "{kind}: {text}");
        let diagnostics = json(&shop, kind, "diagnostics.json");
        assert_eq!(diagnostics["method"], kind);
        assert!(diagnostics["caution"].as_str().is_some_and(|c| c.starts_with(caution)), "{kind}");
        assert!(diagnostics["parameters"][0]["r_hat"].is_null());
        let manifest = json(&shop, kind, "draws/manifest.json");
        let report = &manifest["fits"]["purchase"]["report"];
        assert_eq!(report["kind"], kind);
        assert!(report["what"].as_str().is_some_and(|what| what.contains("no sample")), "{kind}");
        let html = std::fs::read_to_string(shop.file(kind).join("report.html")).expect("a report");
        assert!(html.contains(caution) && html.contains("Not samples: use these numbers for a first look."));
        assert!(!html.contains("You can use these numbers") && !html.contains("caterpillar"), "{kind}");
        // Customers' own luck is simulated whatever the parameters: intervals are there, as many futures as asked for.
        let predictions = json(&shop, kind, "predictions.json");
        assert_eq!(predictions["draws"], 50);
        let purchases = &predictions["purchases"];
        assert!(purchases["q05"].as_f64() < purchases["q95"].as_f64());
        assert!(shop.file(kind).join("holdout.json").exists() && shop.file(kind).join("customers.parquet").exists());
        let found = parameters(&diagnostics);
        assert_eq!(found.len(), of_samples.len());
        for (name, (mean, sd)) in &found {
            let (sampled_mean, sampled_sd) = of_samples[name];
            // The mode of a skewed posterior lies up to an sd from its mean; a quarter of the sds are Monte Carlo noise of 200 draws.
            assert!((mean - sampled_mean).abs() < 1.2 * sampled_sd, "{kind}, {name}: {mean} for {sampled_mean}");
            assert!(*sd > 0.3 * sampled_sd && *sd < 2.5 * sampled_sd, "{kind}, {name}: {sd} for {sampled_sd}");
        }
        // Asking again changes nothing, and a step of its own finds the run complete.
        let again = shop.longrun(&["predict", kind, "-q"]);
        assert!(again.status.success(), "{}", stderr(&again));
        assert_eq!(json(&shop, kind, "predictions.json"), predictions);
    }
    let refused = shop.longrun(&["compare", "nuts", "laplace"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("needs samples of the posterior"), "{}", stderr(&refused));
}

/// A limit that no approximation meets: the verdict refuses, says why, and the program ends with 1.
#[test]
fn a_high_k_is_refused() {
    let shop = Shop::new(300);
    for kind in ["laplace", "pathfinder"] {
        let (set, dir) = (format!("sampler.kind={kind}"), format!("output.dir={kind}"));
        let run =
            ["diagnose", "shop.toml", "-q", "--set", &set, "--set", &dir, "--set", "diagnose.max_pareto_k=0.0001"];
        let output = shop.longrun(&run);
        assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
        let diagnostics = json(&shop, kind, "diagnostics.json");
        assert_eq!(diagnostics["verdict"], "fail");
        let reason = diagnostics["reasons"][0].as_str().expect("a reason").to_owned();
        assert!(reason.contains("Pareto k") && reason.contains("sampler.kind = \"nuts\""), "{reason}");
    }
}

/// Keys that mean nothing to a kind are refused with the kinds that they are for.
#[test]
fn meaningless_keys_are_refused() {
    let shop = Shop::new(50);
    for (kind, key, value, only) in [
        ("laplace", "max_treedepth", "12", "nuts only"),
        ("chees", "max_treedepth", "12", "nuts only"),
        ("nuts", "max_leapfrogs", "50", "chees only"),
        ("map", "target_accept", "0.9", "nuts and chees only"),
        ("map", "resample", "true", "laplace and pathfinder only"),
        ("nuts", "resample", "false", "laplace and pathfinder only"),
    ] {
        let (kind, key) = (format!("sampler.kind={kind}"), format!("sampler.{key}={value}"));
        let output = shop.longrun(&["config", "check", "shop.toml", "--set", &kind, "--set", &key]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{kind} {key}");
        assert!(said.contains("must be left out") && said.contains(only) && said.contains(value), "{said}");
    }
}
