//! The whole road, as a user walks it: files and keys that other programs read, exit codes, equal runs.

use crate::support::{Shop, stderr, stdout};

fn json(path: &std::path::Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_run_leaves_every_documented_file_and_key() {
    let shop = Shop::new(400);
    let output = shop.longrun(&[
        "run",
        "shop.toml",
        "--json",
        "--set",
        "output.dir=out",
        "--set",
        "groups.by=column",
        "--set",
        "groups.column=group",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    assert_eq!(printed["verdict"], "pass");
    for name in [
        "plan.toml",
        "summary.parquet",
        "rejects.csv",
        "draws/manifest.json",
        "customers.parquet",
        "report.html",
        "telemetry.json",
    ] {
        assert!(shop.file("out").join(name).exists(), "{name} is missing");
    }
    let diagnostics = json(&shop.file("out/diagnostics.json"));
    let parameters = diagnostics["parameters"].as_array().expect("parameters");
    for name in ["r", "alpha", "a", "b", "p", "q", "v"] {
        let p = parameters.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(p["coords"]["group"].is_string(), "{name} carries its group: {p}");
        for key in ["mean", "sd", "q05", "q50", "q95", "r_hat", "ess_bulk", "ess_tail", "mcse_mean"] {
            assert!(p[key].is_number(), "{name}.{key}: {p}");
        }
    }
    // 50 predictive draws of everybody, on the processor.
    let prediction = &json(&shop.file("out/telemetry.json"))["prediction"];
    assert_eq!(prediction["futures"].as_u64(), printed["customers"].as_u64().map(|customers| 50 * customers));
    assert!(prediction["futures_per_s"].as_f64().is_some_and(|rate| rate > 0.0) && prediction["on_device"] == false);
    let holdout = json(&shop.file("out/holdout.json"));
    for key in ["mae", "rmse", "spearman", "gini_normalized", "crps", "crps_skill"] {
        assert!(holdout[key].is_number(), "holdout.{key}");
    }
    for level in ["50", "90"] {
        let covered = holdout["coverage"][level].as_f64().expect("coverage");
        assert!((0.0..=1.0).contains(&covered));
        assert!(holdout["coverage_raw"][level].is_number());
    }
    let csv = std::fs::read_to_string(shop.file("out/customers.csv")).expect("customers.csv");
    let header = csv.lines().next().expect("a header");
    assert_eq!(
        header,
        "customer_id,group,frequency,recency,age,monetary,p_alive,purchases_mean,purchases_q05,purchases_q25,purchases_q50,purchases_q75,\
         purchases_q95,spend_mean,clv_mean,clv_sd,clv_q05,clv_q25,clv_q50,clv_q75,clv_q95,rfm_segment,value_tier,clv_rank"
    );
    assert_eq!(csv.lines().count() as u64, 1 + printed["customers"].as_u64().expect("a count"));
}

#[test]
fn equal_runs_are_equal_files() {
    let shop = Shop::new(200);
    for (dir, threads) in [("one", "1"), ("two", "2")] {
        let output = shop.longrun(&[
            "run",
            "shop.toml",
            "--quiet",
            "--set",
            &format!("output.dir={dir}"),
            "--set",
            &format!("compute.threads={threads}"),
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let read = |dir: &str, name: &str| std::fs::read(shop.file(dir).join(name)).expect(name);
    for name in [
        "summary.parquet",
        "customers.csv",
        "customers.parquet",
        "segments.csv",
        "holdout.json",
        "diagnostics.json",
        "draws/purchase-00001.safetensors",
    ] {
        assert!(read("one", name) == read("two", name), "{name} depends on the number of threads");
    }
}

#[test]
fn a_refused_result_ends_with_1_and_says_why() {
    let shop = Shop::new(100);
    let output = shop.longrun(&[
        "run",
        "shop.toml",
        "--quiet",
        "--set",
        "diagnose.min_ess=1000000",
        "--set",
        "output.dir=refused",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("FAIL") && said.contains("1000000"), "{said}");
    let report = std::fs::read_to_string(shop.file("refused/report.html")).expect("a report");
    assert!(report.contains("Do not use these numbers"), "the report refuses them too");
}

#[test]
fn an_existing_run_is_not_overwritten_by_accident() {
    let shop = Shop::new(50);
    let args = ["summarize", "shop.toml", "--quiet", "--set", "output.dir=twice"];
    assert!(shop.longrun(&args).status.success());
    let again = shop.longrun(&args);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("longrun resume") && stderr(&again).contains("--overwrite"), "{}", stderr(&again));
}

#[test]
fn steps_one_by_one_come_to_the_same_result() {
    let shop = Shop::new(150);
    assert!(shop.longrun(&["run", "shop.toml", "--quiet", "--set", "output.dir=at-once"]).status.success());
    assert!(shop.longrun(&["summarize", "shop.toml", "--quiet", "--set", "output.dir=by-step"]).status.success());
    for step in ["fit", "diagnose", "predict", "segment", "evaluate", "report"] {
        let output = shop.longrun(&[step, "by-step", "--quiet"]);
        assert!(output.status.success(), "{step}: {}", stderr(&output));
    }
    for name in ["customers.csv", "segments.csv", "holdout.json", "diagnostics.json"] {
        let read = |dir: &str| std::fs::read(shop.file(dir).join(name)).expect(name);
        assert!(read("at-once") == read("by-step"), "{name} differs");
    }
}

#[test]
fn every_shipped_configuration_is_in_order() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for entry in std::fs::read_dir(root.join("configs")).expect("configs") {
        let path = entry.expect("readable").path();
        let output = crate::support::longrun(root, &["config", "check", &path.to_string_lossy()]);
        assert!(output.status.success(), "{}: {}", path.display(), stderr(&output));
        checked += 1;
    }
    assert!(checked >= 3, "the shipped configurations");
}
