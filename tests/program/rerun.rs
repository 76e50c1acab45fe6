//! Steps performed again: on the same data, on other data, without their data, and after a kill between any two removals.

use crate::support::{Shop, stderr};

const RESULTS: [&str; 5] = ["customers.csv", "segments.csv", "holdout.json", "diagnostics.json", "predictions.json"];

fn read(shop: &Shop, run: &str, name: &str) -> Vec<u8> {
    std::fs::read(shop.file(run).join(name)).unwrap_or_else(|e| panic!("{run}/{name}: {e}"))
}

fn run(shop: &Shop, dir: &str) {
    let output = shop.longrun(&["run", "shop.toml", "--quiet", "--set", &format!("output.dir={dir}")]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The order in which results are forgotten: whatever a kill leaves of it, `resume` restores the whole.
#[test]
fn a_kill_between_removals_never_leaves_a_result_that_looks_whole() {
    let shop = Shop::new(150);
    run(&shop, "whole");
    run(&shop, "torn");
    // Without groups and covariates their files are not there.
    let mut forgotten = longrun::run::forgotten(longrun::run::Step::Summarize);
    forgotten.retain(|name| shop.file("whole").join(name).exists());
    assert!(forgotten.len() > 10, "every result is forgotten: {forgotten:?}");
    for n in 1..=forgotten.len() {
        for name in &forgotten[..n] {
            let path = shop.file("torn").join(name);
            std::fs::remove_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        let output = shop.longrun(&["resume", "torn", "--quiet"]);
        assert!(output.status.success(), "after {}: {}", forgotten[n - 1], stderr(&output));
        for name in RESULTS {
            assert!(read(&shop, "whole", name) == read(&shop, "torn", name), "{name} after {}", forgotten[n - 1]);
        }
    }
}

#[test]
fn results_outlive_a_log_that_has_gone() {
    let shop = Shop::new(100);
    run(&shop, "run");
    std::fs::rename(shop.file("shop/transactions.csv"), shop.file("moved.csv")).expect("the log moves");
    let again = shop.longrun(&["summarize", "run", "--quiet"]);
    assert_eq!(again.status.code(), Some(2));
    let over = shop.longrun(&["run", "shop.toml", "--quiet", "--overwrite", "--set", "output.dir=run"]);
    assert_eq!(over.status.code(), Some(2), "a misspelt path replaces nothing");
    for name in RESULTS {
        assert!(!read(&shop, "run", name).is_empty());
    }
    assert!(shop.longrun(&["report", "run", "--quiet"]).status.success(), "the rest of the run needs no log");
}

#[test]
fn draws_are_never_used_with_other_data() {
    let shop = Shop::new(150);
    run(&shop, "run");
    let before = read(&shop, "run", "draws/purchase-00001.safetensors");
    let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
    let half: Vec<&str> = log.lines().take(1 + log.lines().count() / 2).collect();
    shop.write("shop/transactions.csv", half.join("\n"));
    let again = shop.longrun(&["summarize", "run"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(!shop.file("run/draws/manifest.json").exists() && !shop.file("run/customers.csv").exists());
    assert!(shop.longrun(&["resume", "run", "--quiet"]).status.success());
    assert!(before != read(&shop, "run", "draws/purchase-00001.safetensors"), "the new data were fitted");
}

#[test]
fn a_plan_that_was_changed_under_its_draws_is_refused() {
    let shop = Shop::new(100);
    run(&shop, "run");
    let plan = std::fs::read_to_string(shop.file("run/plan.toml")).expect("a plan");
    shop.write("run/plan.toml", plan.replace("draws = 100\n", "draws = 200\n"));
    let output = shop.longrun(&["resume", "run", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another plan"), "{}", stderr(&output));
    // What draws do not depend on may change: the predictions follow the plan.
    shop.write("run/plan.toml", plan.replace("horizon_months = 12", "horizon_months = 3"));
    let output = shop.longrun(&["resume", "run", "--quiet"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let predicted: serde_json::Value = serde_json::from_slice(&read(&shop, "run", "predictions.json")).expect("JSON");
    assert_eq!(predicted["horizon_months"], 3);
}

#[test]
fn questions_leave_the_output_directory_alone() {
    let shop = Shop::new(100);
    run(&shop, "runs/shop");
    let report = read(&shop, "runs/shop", "report.html");
    for question in ["maximum", "prior"] {
        let output = shop.longrun(&[question, "shop.toml", "--quiet", "--json"]);
        assert!(output.status.success(), "{question}: {}", stderr(&output));
        let told = serde_json::from_slice::<serde_json::Value>(&output.stdout);
        assert!(told.is_ok_and(|v| v.is_array() || v.is_object()), "{question}");
    }
    assert!(report == read(&shop, "runs/shop", "report.html"));
}

/// Predictions are made of draws, not of the verdict on them: judging again costs no more than the report.
#[test]
fn judging_again_keeps_what_was_made_of_the_draws() {
    let shop = Shop::new(150);
    run(&shop, "run");
    let before = RESULTS.map(|name| read(&shop, "run", name));
    let again = shop.longrun(&["diagnose", "run", "--quiet"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(RESULTS.map(|name| read(&shop, "run", name)), before);
    assert!(!shop.file("run/report.html").exists() && stderr(&again).contains("report.html"), "{}", stderr(&again));
    assert!(stderr(&again).contains("longrun resume run"), "{}", stderr(&again));
}
