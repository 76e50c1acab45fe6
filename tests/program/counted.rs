//! Customers whose time is counted, as users bring them: a log with opportunities, a summary with weights, contracts, a table of
//! cohorts. Fits find the truth, predictions happen, published fits come out, and what cannot be meant is refused.

use std::path::Path;

use serde_json::Value;

use crate::support::{longrun, stderr, stdout};

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("JSON")
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("writable");
}

/// Runs and expects success; what was printed.
#[track_caller]
fn done(folder: &Path, args: &[&str]) -> String {
    let output = longrun(folder, args);
    assert!(output.status.success(), "{args:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// Runs and expects a refusal; what was said.
#[track_caller]
fn refused(folder: &Path, args: &[&str]) -> String {
    let output = longrun(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stdout(&output));
    stderr(&output)
}

#[track_caller]
fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {value}"))
}

/// What default priors mean, in each model's own words.
#[test]
fn priors_are_told_at_opportunities_and_in_contracts_kept() {
    let rows: [(&str, &str, &[&str]); 2] = [
        (
            "bg_bb",
            "summary",
            &["repeat purchases at the next 12 opportunities, mean customer", "does not buy again at the next 12"],
        ),
        ("s_bg", "contracts", &["kept after 1 period ", "kept after 2 periods", "kept after 5 periods"]),
    ];
    for (key, kind, words) in rows {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = ["--customers", "500", "--groups", "2", "--seed", "11", "--kind", kind];
        done(folder.path(), &[&["simulate", "--output", "shop", "--model", key], &size[..]].concat());
        let config = format!(
            "[data]\nkind = \"{kind}\"\npath = \"shop/{kind}.csv\"\ntime_unit = \"month\"\n[groups]\nby = \"column\"\ncolumn = \"group\"\n\
             [purchase]\nmodel = \"{key}\"\n[spend]\nmodel = \"none\"\n"
        );
        write(folder.path(), "shop.toml", &config);
        let told = done(folder.path(), &["prior", "shop.toml", "-q", "--draws", "100"]);
        for said in words.iter().chain(&["over the middle"]) {
            assert!(told.contains(said), "{key}: {said}:\n{told}");
        }
        let said = refused(folder.path(), &["simulate", "--output", "other", "--model", key, "--groups", "4x3"]);
        assert!(said.contains("one level (found 4x3)") && said.contains("pareto_abe"), "{said}");
    }
}

const QUICK: &str = "[sampler]\ndraws = 300\n[predict]\ndraws = 200\n[diagnose]\nmin_ess = 200\nmax_r_hat = 1.02\n";

/// Every group's parameters within four posterior sds of the truth: one of eighteen would be outside by chance once in 800 tries, and
/// the seed is fixed.
#[test]
fn the_fit_finds_the_truth_of_every_group() {
    for (key, kind, names) in
        [("bg_bb", "summary", &["alpha", "beta", "gamma", "delta"][..]), ("s_bg", "contracts", &["alpha", "beta"])]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = ["--customers", "30000", "--groups", "3", "--seed", "11", "--format", "parquet", "--kind", kind];
        done(folder.path(), &[&["simulate", "--output", "shop", "--model", key], &size[..]].concat());
        let config = format!(
            "[data]\nkind = \"{kind}\"\npath = \"shop/{kind}.parquet\"\ntime_unit = \"month\"\n[groups]\nby = \"column\"\ncolumn = \"group\"\n\
             [purchase]\nmodel = \"{key}\"\n[spend]\nmodel = \"none\"\n[output]\ndir = \"run\"\n{QUICK}"
        );
        write(folder.path(), "shop.toml", &config);
        done(folder.path(), &["diagnose", "shop.toml", "-q"]);
        let truth = json(&folder.path().join("shop/truth.json"));
        let diagnostics = json(&folder.path().join("run/diagnostics.json"));
        let parameters = diagnostics["parameters"].as_array().expect("parameters");
        for group in truth["groups"].as_array().expect("groups") {
            for name in names {
                let is_it = |p: &&Value| p["name"] == *name && p["coords"]["group"] == group["label"];
                let p = parameters.iter().find(is_it).unwrap_or_else(|| panic!("{name} of {group}"));
                let (mean, sd, truth) = (number(p, "/mean"), number(p, "/sd"), number(group, &format!("/{name}")));
                assert!((mean - truth).abs() < 4.0 * sd, "{key}: {name} of {group}: found {mean} ± {sd}");
            }
        }
    }
}

/// A log in monthly opportunities: what was bought afterwards lies inside the 99 % interval of the total, and the 90 % intervals of
/// single customers cover 90 % of them, give or take four standard errors and the ties of counts.
#[test]
fn what_is_predicted_of_a_log_happens() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let size = ["--customers", "6000", "--groups", "2", "--seed", "12"];
    done(folder, &[&["simulate", "--output", "shop", "--model", "bg_bb"], &size[..]].concat());
    let config = format!(
        "[data]\npath = \"shop/transactions.csv\"\nresolution = \"month\"\ncalibration_end = 2024-07-31\nholdout_end = 2024-12-31\n\
         [groups]\nby = \"column\"\ncolumn = \"group\"\n[purchase]\nmodel = \"bg_bb\"\n[output]\ndir = \"run\"\n{QUICK}"
    );
    write(folder, "shop.toml", &config);
    let said = done(folder, &["run", "shop.toml", "-q"]);
    assert!(said.contains("(12 opportunities)") && said.contains("left out: tracking by calendar week"), "{said}");
    let holdout = json(&folder.join("run/holdout.json"));
    let (actual, mean) = (number(&holdout, "/total/actual"), number(&holdout, "/total/mean"));
    let (q05, q95) = (number(&holdout, "/total/q05"), number(&holdout, "/total/q95"));
    // 99 % is 1.57 times as wide as 90 %.
    assert!((actual - mean).abs() < 1.57 * 0.5 * (q95 - q05), "{actual} for {mean} ({q05} to {q95})");
    let covered = number(&holdout, "/coverage/90");
    assert!((covered - 0.9).abs() < 0.02, "90 % intervals cover {covered}");
    let predictions = json(&folder.join("run/predictions.json"));
    assert_eq!(predictions["ahead"].as_array().map(Vec::len), Some(12));
    assert!(number(&predictions, "/clv/mean") > 0.0);
    let report = std::fs::read_to_string(folder.join("run/report.html")).expect("a report").replace("&#x2f;", "/");
    assert!(report.contains("BG/BB purchases") && report.contains("12 months (12 opportunities)"));
    let checks = json(&folder.join("run/checks.json"));
    assert!(checks["tracking"].as_array().is_some_and(Vec::is_empty));
    for row in checks["frequency_histogram"].as_array().expect("rows") {
        // The data follow the model: each class within half a band of its band.
        let (low, high) = (number(row, "/predicted/q05"), number(row, "/predicted/q95"));
        let slack = 0.5 * (high - low) + 1.0;
        assert!((low - slack..=high + slack).contains(&number(row, "/actual")), "{row}");
    }
    // The same customers by opportunities cannot be compared with those in continuous time.
    let sets = ["--set", "purchase.model=bg_nbd", "--set", "output.dir=other"];
    done(folder, &[&["diagnose", "shop.toml", "-q"], &sets[..]].concat());
    assert!(refused(folder, &["compare", "run", "other"]).contains("reads its customers in another way"));
}

/// Fader & Hardie (2007), the regular cohort; digits from 40-digit arithmetic (docs/math/s_bg.md).
#[test]
fn a_table_of_cohorts_gives_the_published_fit_and_a_whole_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let table: String = [1000, 631, 468, 382, 326, 289, 262, 241]
        .iter()
        .enumerate()
        .fold("cohort,period,active\n".to_owned(), |table, (period, active)| {
            table + &format!("regular,{period},{active}\n")
        });
    write(folder, "cohorts.csv", &table);
    let config = format!(
        "[data]\nkind = \"cohorts\"\npath = \"cohorts.csv\"\ntime_unit = \"year\"\n[purchase]\nmodel = \"s_bg\"\n[output]\ndir = \"run\"\n\
         {QUICK}"
    );
    write(folder, "cohorts.toml", &config.replace("[predict]\n", "[predict]\nhorizon_months = 60\n"));
    let fits: Value = serde_json::from_str(&done(folder, &["maximum", "cohorts.toml", "--json"])).expect("JSON");
    // The search stops where its gradient is small: five digits of the parameters.
    for (path, expected, within) in [
        ("/0/log_likelihood", -1680.26519, 1e-5),
        ("/0/parameters/alpha", 0.704077, 1e-5),
        ("/0/parameters/beta", 1.182043, 1e-5),
    ] {
        assert!((number(&fits, path) - expected).abs() < within, "{path}: {fits}");
    }
    let said = done(folder, &["run", "cohorts.toml", "-q"]);
    for words in
        ["2,599 renewals, 369 never renewed", "60 months (5 periods)", "left out: RFM segments", "verdict: pass"]
    {
        assert!(said.contains(words), "{words} in {said}");
    }
    let predictions = json(&folder.join("run/predictions.json"));
    assert_eq!(number(&predictions, "/alive_mean"), 241.0);
    assert!(predictions["rfm"].as_array().is_some_and(Vec::is_empty) && predictions["clv"].is_null());
    let customers = std::fs::read_to_string(folder.join("run/customers.csv")).expect("customers.csv");
    assert!(customers.lines().next().is_some_and(|header| header.contains(",p_alive_end,residual_purchases,")));
    assert_eq!(customers.lines().count(), 1001);
    assert!(customers.contains("regular-lost1-001,0,0,1,,0,0,0,0,0,0,0,0,0,"), "the lost are worth nothing");
    let report = std::fs::read_to_string(folder.join("run/report.html")).expect("a report");
    for words in ["sBG renewals", "Renewals to come", "Customers lost at the end of each period"] {
        assert!(report.contains(words), "{words} in the report");
    }
    assert!(done(folder, &["evaluate", "run"]).contains("no holdout window"));
}

/// A line for everyone with the same history, as the donations have it: the histories of `weights` weigh what they say.
#[test]
fn weighted_lines_and_whole_ages() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    write(folder, "donors.csv", "frequency,recency,periods,weights\n0,0,6,300\n1,4,6,50\n3,6,6,120\n6,6,6,90\n");
    let config = "[data]\nkind = \"summary\"\npath = \"donors.csv\"\ntime_unit = \"year\"\ncolumns = { age = \"periods\", weight = \"weights\" }\n\
                  [purchase]\nmodel = \"bg_bb\"\n[spend]\nmodel = \"none\"\n[output]\ndir = \"run\"\n";
    write(folder, "donors.toml", config);
    let said = done(folder, &["summarize", "donors.toml", "-q"]);
    assert!(said.contains("560 customers, 950 repeat purchases, 300 bought once; 4 distinct cells"), "{said}");
    write(folder, "donors.csv", "frequency,recency,periods,weights\n0,0,6,300\n1,4.5,6,50\n");
    let said = refused(folder, &["summarize", "donors.toml", "-q", "--overwrite"]);
    assert!(said.contains("donors.csv:3: recency \"4.5\" is not a whole number"), "{said}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    write(folder, "log.toml", "[data]\npath = \"log.csv\"\n");
    write(folder, "contracts.toml", "[data]\nkind = \"contracts\"\npath = \"c.csv\"\n[purchase]\nmodel = \"s_bg\"\n");
    for (config, sets, what, advice) in [
        ("log.toml", &["purchase.model=s_bg"][..], "data.kind must be \"contracts\" or \"cohorts\"", "age and lost"),
        ("log.toml", &["purchase.model=bg_bb"], "data.resolution must be set", "resolution = \"month\""),
        (
            "log.toml",
            &["purchase.model=bg_bb", "data.resolution=month", "data.calibration_end=2024-06-20"],
            "data.calibration_end must be the last day of a month",
            "2024-05-31 or 2024-06-30",
        ),
        (
            "log.toml",
            &["purchase.model=bg_bb", "data.resolution=month", "data.time_unit=week"],
            "data.time_unit must be left out",
            "opportunities are the clock",
        ),
        (
            "contracts.toml",
            &["data.time_unit=year", "covariates.continuous=[\"income\"]"],
            "covariates must be left out with purchase.model = \"s_bg\"",
            "groups.by = \"column\"",
        ),
        ("contracts.toml", &[], "data.time_unit must be set", "the length of a period of the contract"),
        ("contracts.toml", &["purchase.model=bg_nbd"], "data.kind must be \"transactions\" or \"summary\"", "s_bg"),
        ("contracts.toml", &["data.time_unit=year", "groups.by=rfm"], "groups.by must be", "no recency"),
        ("contracts.toml", &["data.time_unit=year", "spend.model=gamma_gamma"], "spend.model must be", "a price"),
        (
            "contracts.toml",
            &["data.time_unit=year", "predict.horizon_months=6"],
            "predict.horizon_months must reach",
            "at least 12",
        ),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let said = refused(folder, &[&["config", "check", config], &sets[..]].concat());
        // An advice may be part of what must be.
        assert!(said.contains(what) && said.contains(advice), "{config} {sets:?}: {said}");
    }
    assert!(refused(folder, &["simulate", "--model", "s_bg", "--kind", "summary"]).contains("no such rows"));
    assert!(refused(folder, &["simulate", "--period", "month"]).contains("--period"));
    assert!(refused(folder, &["simulate", "--model", "bg_bb", "--period", "week"]).contains("last day of a week"));
}

/// The donations of Fader, Hardie & Shang (2010), where they were fetched: published digits (docs/math/bg_bb.md).
#[test]
fn the_donations_give_the_published_fit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("data/donations/donations.csv").exists() {
        assert!(std::env::var("LONGRUN_REQUIRE_DATA").as_deref() != Ok("1"), "data/donations is required");
        println!("skipped: data/donations is not there; scripts/fetch_cdnow.sh fetches it");
        return;
    }
    let fits: Value =
        serde_json::from_str(&done(root, &["maximum", "configs/donations.toml", "--json"])).expect("JSON");
    for (path, expected, within) in [
        ("/0/log_likelihood", -33225.58127, 1e-4),
        ("/0/parameters/alpha", 1.203523, 2e-5),
        ("/0/parameters/beta", 0.749716, 2e-5),
        ("/0/parameters/gamma", 0.656718, 2e-5),
        ("/0/parameters/delta", 2.783442, 2e-5),
    ] {
        assert!((number(&fits, path) - expected).abs() < within, "{path}: {fits}");
    }
}
