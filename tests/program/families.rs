//! Every purchase model from simulated customers to predictions: the fit finds the parameters that made them, and what is predicted of
//! a later window happens.

use longrun::model::{Family, MODELS, Role};
use serde_json::Value;

use crate::support::{longrun, stderr, stdout};

/// The purchase models of the table, but for some.
fn models(but: &[&str]) -> impl Iterator<Item = &'static Family> {
    MODELS.iter().filter(|family| matches!(family.role, Role::Purchase(_)) && !but.contains(&family.key))
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("JSON")
}

/// Within four posterior sds of the truth: one of seventeen parameters would be outside by chance once in 900 tries, and the seed is fixed.
#[test]
fn the_fit_finds_the_truth() {
    for family in models(&[]) {
        let key = family.key;
        // Fewer where each is integrated out on its own.
        let customers = if key == "pareto_abe" { "5000" } else { "30000" };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let simulate =
            ["simulate", "--output", "shop", "--model", key, "--kind", "summary", "--count", "every-purchase"];
        let size = ["--customers", customers, "--groups", "1", "--seed", "11", "--format", "parquet"];
        let made = longrun(folder.path(), &[&simulate[..], &size].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        let config = format!(
            "[data]\nkind = \"summary\"\npath = \"shop/summary.parquet\"\n[purchase]\nmodel = \"{key}\"\n[spend]\nmodel = \"none\"\n\
             [sampler]\ndraws = 300\n[diagnose]\nmax_r_hat = 1.02\n[output]\ndir = \"run\"\n"
        );
        std::fs::write(folder.path().join("shop.toml"), config).expect("writable");
        let output = longrun(folder.path(), &["diagnose", "shop.toml", "-q"]);
        assert!(output.status.success(), "{key}: {}{}", stdout(&output), stderr(&output));
        let truth = &json(&folder.path().join("shop/truth.json"))["groups"][0];
        let diagnostics = json(&folder.path().join("run/diagnostics.json"));
        let parameters = diagnostics["parameters"].as_array().expect("parameters");
        for name in family.parameters.iter().map(|parameter| parameter.name) {
            let p = parameters.iter().find(|p| p["name"] == name).expect(name);
            let (mean, sd) = (p["mean"].as_f64().expect("mean"), p["sd"].as_f64().expect("sd"));
            let true_value = truth[name].as_f64().expect(name);
            assert!((mean - true_value).abs() < 4.0 * sd, "{key}: {name} is {true_value}, found {mean} ± {sd}");
        }
    }
}

/// The holdout of a shop that follows the model: what was bought lies inside the 99 % interval of the total, and the 90 % intervals of
/// single customers cover 90 % of them, give or take four standard errors and the ties of counts.
#[test]
fn what_is_predicted_happens() {
    for family in models(&[]) {
        // Fewer where each is integrated out on its own.
        let (key, customers) = (family.key, if family.key == "pareto_abe" { "900" } else { "6000" });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = ["--customers", customers, "--groups", "3", "--seed", "12", "--model", key];
        let made = longrun(folder.path(), &[&["simulate", "--output", "shop"], &size[..]].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        let config = format!(
            "[data]\npath = \"shop/transactions.csv\"\ncalibration_end = 2024-06-30\nholdout_end = 2024-12-31\n\
             [groups]\nby = \"column\"\ncolumn = \"group\"\n[purchase]\nmodel = \"{key}\"\n\
             [sampler]\ndraws = 300\n[predict]\ndraws = 300\n[diagnose]\nmin_ess = 200\nmax_r_hat = 1.02\n[output]\ndir = \"run\"\n"
        );
        std::fs::write(folder.path().join("shop.toml"), config).expect("writable");
        let output = longrun(folder.path(), &["run", "shop.toml", "-q"]);
        assert!(output.status.success(), "{key}: {}{}", stdout(&output), stderr(&output));
        let holdout = json(&folder.path().join("run/holdout.json"));
        let number =
            |path: &str| holdout.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {holdout}"));
        let actual = number("/total/actual");
        let (mean, q05, q95) = (number("/total/mean"), number("/total/q05"), number("/total/q95"));
        // 99 % is 1.57 times as wide as 90 %.
        assert!((actual - mean).abs() < 1.57 * 0.5 * (q95 - q05), "{key}: {actual} for {mean} ({q05} to {q95})");
        let covered = number("/coverage/90");
        let error = (0.9 * 0.1 / customers.parse::<f64>().expect("a number")).sqrt();
        assert!((covered - 0.9).abs() < (4.0 * error).max(0.02), "{key}: 90 % intervals cover {covered}");
        let text =
            std::fs::read_to_string(folder.path().join("run/report.html")).expect("a report").replace("&#x2f;", "/");
        let name = family.name;
        assert!(text.contains(&format!("{name} purchases")), "the report does not name {name}");
    }
}

/// Leave-one-out finds the model that made the customers, and refuses to compare what cannot be compared.
#[test]
fn comparison_finds_the_model_that_made_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |args: &[&str]| longrun(folder.path(), args);
    let size =
        ["--customers", "20000", "--groups", "1", "--seed", "13", "--kind", "summary", "--count", "every-purchase"];
    for (shop, model) in [("shop", "mbg_nbd"), ("other", "bg_nbd")] {
        let made = run(&[&["simulate", "--output", shop, "--model", model], &size[..]].concat());
        assert!(made.status.success(), "{}", stderr(&made));
    }
    std::fs::write(
        folder.path().join("shop.toml"),
        "[data]\nkind = \"summary\"\npath = \"shop/summary.csv\"\n[spend]\nmodel = \"none\"\n[sampler]\ndraws = 600\n",
    )
    .expect("writable");
    for (out, sets) in [
        ("bg", ["purchase.model=bg_nbd", "data.path=shop/summary.csv"]),
        ("mbg", ["purchase.model=mbg_nbd", "data.path=shop/summary.csv"]),
        ("others", ["purchase.model=bg_nbd", "data.path=other/summary.csv"]),
    ] {
        let dir = format!("output.dir={out}");
        let fitted = run(&["diagnose", "shop.toml", "-q", "--set", sets[0], "--set", sets[1], "--set", &dir]);
        assert!(fitted.status.success(), "{out}: {}{}", stdout(&fitted), stderr(&fitted));
    }
    let compared = run(&["compare", "bg", "mbg", "--json"]);
    assert!(compared.status.success(), "{}", stderr(&compared));
    let answer: Value = serde_json::from_str(&stdout(&compared)).expect("JSON");
    let number =
        |path: &str| answer.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {answer}"));
    assert_eq!(answer["runs"][0]["model"], "mbg_nbd", "{answer}");
    assert!(number("/runs/1/difference") < -4.0 * number("/runs/1/difference_se"), "{answer}");
    assert!(number("/runs/0/weight") > 0.9 && number("/runs/0/loo/k_above") == 0.0, "{answer}");
    // Four parameters, learnt from many customers.
    assert!((number("/runs/0/loo/p_loo") - 4.0).abs() < 1.5, "{answer}");
    let refused = run(&["compare", "bg", "others"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("saw other customers or other histories"), "{}", stderr(&refused));
    assert!(stderr(&run(&["compare", "bg", "bg"])).contains("named twice"));
}
