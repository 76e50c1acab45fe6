//! What a large shop relies on: neither threads nor the device's memory nor the merging of customers change a result, and the
//! measurements that other programs read keep their keys.

use std::path::Path;

use crate::support::{Shop, stderr, stdout, test_adapter};

/// Fits the shop into `out` with more settings, and returns the bytes of its first shard of purchase draws.
fn draws(shop: &Shop, out: &str, settings: &[&str]) -> Vec<u8> {
    let dir = format!("output.dir={out}");
    let mut args = vec!["diagnose", "shop.toml", "-q", "--set", "spend.model=none", "--set", &dir];
    settings.iter().for_each(|setting| args.extend(["--set", setting]));
    let output = shop.longrun(&args);
    assert!(output.status.success(), "{settings:?}: {}", stderr(&output));
    std::fs::read(shop.file(out).join("draws/purchase-00001.safetensors")).expect("a shard of draws")
}

/// Mean of a parameter of the purchase fit, and its sd.
fn posterior(run: &Path, name: &str) -> (f64, f64) {
    let text = std::fs::read_to_string(run.join("diagnostics.json")).expect("diagnostics.json");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let parameters = json["parameters"].as_array().expect("parameters");
    let found = parameters.iter().find(|p| p["name"] == name).expect("the parameter");
    (found["mean"].as_f64().expect("a mean"), found["sd"].as_f64().expect("an sd"))
}

#[test]
fn threads_and_summaries_change_no_draw() {
    let shop = Shop::new(3000);
    let one = draws(&shop, "one", &["compute.threads=1"]);
    assert!(one == draws(&shop, "three", &["compute.threads=3"]), "the draws depend on the number of threads");

    // The customers of the summary of a run are the customers of the run.
    shop.write("again.toml", "[data]\npath = \"one/summary.parquet\"\nkind = \"summary\"\n");
    let output = shop.longrun(&["summarize", "again.toml", "-q", "--set", "output.dir=again"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let cells = |run: &str| std::fs::read(shop.file(run).join("cells.parquet")).expect("cells.parquet");
    assert!(cells("one") == cells("again"), "a summary of a summary has other histories");
}

#[test]
fn merging_customers_leaves_the_posterior() {
    let shop = Shop::new(2000);
    draws(&shop, "merged", &["sampler.draws=400"]);
    draws(&shop, "apart", &["sampler.draws=400", "compute.merge_cells=false"]);
    for name in ["r", "alpha", "a", "b"] {
        let ((merged, sd), (apart, _)) = (posterior(&shop.file("merged"), name), posterior(&shop.file("apart"), name));
        // Two independent samples of some hundred effective draws each: their means differ by about 0.1 sd; five times that is allowed.
        assert!((merged - apart).abs() < 0.5 * sd, "{name}: {merged} against {apart} (sd {sd})");
    }
}

#[test]
fn the_device_s_memory_changes_no_draw() {
    let Some(adapter) = test_adapter() else { return };
    let shop = Shop::new(40_000);
    let adapter = format!("compute.adapter={adapter}");
    let quick = ["compute.backend=gpu", &adapter, "compute.merge_cells=false", "sampler.draws=25", "sampler.warmup=60"];
    for layout in ["rows", "chains"] {
        let layout_set = format!("compute.layout={layout}");
        let with = |budget: &[&'static str], out: &str| {
            let settings: Vec<&str> =
                quick.iter().copied().chain([layout_set.as_str()]).chain(budget.iter().copied()).collect();
            draws(&shop, &format!("{layout}-{out}"), &settings)
        };
        // Rows take 32 bytes or more each: with a budget of 1 MiB they are streamed.
        assert!(
            with(&[], "all") == with(&["compute.device_budget_mib=1"], "one"),
            "{layout}: the budget changes draws"
        );
    }
    let telemetry = std::fs::read_to_string(shop.file("rows-all/telemetry.json")).expect("telemetry.json");
    let telemetry: serde_json::Value = serde_json::from_str(&telemetry).expect("JSON");
    let fit = &telemetry["fits"]["purchase"];
    for key in ["evaluations", "bytes_up", "bytes_down", "device_bytes", "warmup"] {
        assert!(fit[key].as_u64().is_some_and(|n| n > 0), "fits.purchase.{key}: {fit}");
    }
}

#[test]
fn measurements_keep_their_keys() {
    let shop = Shop::new(10);
    let speed = [
        "bench",
        "--backend",
        "cpu",
        "--family",
        "bg_nbd",
        "--rows",
        "2000",
        "--chains",
        "2",
        "--seconds",
        "0.01",
        "--json",
    ];
    let output = shop.longrun(&speed);
    assert!(output.status.success(), "{}", stderr(&output));
    let keys =
        ["family", "layout", "backend", "adapter", "cells", "merged", "chains", "evals_per_s", "floor_evals_per_s"];
    let mut layouts = Vec::new();
    for line in stdout(&output).lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        assert!(keys.iter().all(|key| json.get(key).is_some()) && json["share_of_floor"].is_number(), "{line}");
        assert!(json["evals_per_s"].as_f64().is_some_and(|speed| speed > 0.0), "{line}");
        layouts.push(json["layout"].as_str().unwrap_or_default().to_owned());
    }
    assert!(layouts.iter().any(|l| l == "simd") && layouts.iter().any(|l| l == "scalar"), "{layouts:?}");

    let Some(adapter) = test_adapter() else { return };
    let precision = [
        "bench",
        "precision",
        "--adapter",
        &adapter,
        "--family",
        "gamma_gamma",
        "--customers",
        "3000",
        "--chunks",
        "1,3",
        "--json",
    ];
    let output = shop.longrun(&precision);
    assert!(output.status.success(), "{}", stderr(&output));
    for line in stdout(&output).lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect("one object a line");
        let keys = ["family", "customers", "merged", "chunks"];
        assert!(keys.iter().all(|key| json.get(key).is_some()), "{line}");
        assert!(json["max_abs_delta_error_nats"].as_f64().is_some_and(|nats| nats < 0.01), "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let shop = Shop::new(10);
    let refused = shop.longrun(&["simulate", "--output", "x", "--count", "every-purchase"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("add --kind summary"), "{}", stderr(&refused));
    assert!(!shop.file("x").exists(), "a refused simulation leaves nothing");

    let rows: Vec<String> = (0..40).map(|i| format!("c{i},2024-01-0{},10\nc{i},2024-03-05,10\n", 1 + i % 9)).collect();
    shop.write("same.csv", format!("customer_id,date,amount\n{}", rows.concat()));
    shop.write("same.toml", "[data]\npath = \"same.csv\"\n");
    let summarized = shop.longrun(&["summarize", "same.toml", "--set", "output.dir=same"]);
    assert!(summarized.status.success(), "{}", stderr(&summarized));
    assert!(stderr(&summarized).contains("every customer spends the same"), "{}", stderr(&summarized));
    let plan = std::fs::read_to_string(shop.file("same/plan.toml")).expect("plan.toml");
    assert!(plan.contains("[spend_left_out") && !plan.contains("\n[spend]"), "{plan}");
}
