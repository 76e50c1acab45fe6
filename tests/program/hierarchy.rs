//! Groups within groups from simulated customers to the report: the fit finds the parameters that made them and says how much each
//! group borrowed; what priors mean is told in purchases and money.

use std::collections::HashMap;

use serde_json::Value;

use crate::support::{longrun, stderr, stdout};

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("JSON")
}

/// Mean and sd of every value of a run's posterior, by `name[labels]`.
fn posterior(run: &std::path::Path) -> HashMap<String, (f64, f64)> {
    let diagnostics = json(&run.join("diagnostics.json"));
    let parameters = diagnostics["parameters"].as_array().expect("parameters");
    let name = |p: &Value| {
        let labels = p["coords"].as_object().expect("coords").values().filter_map(Value::as_str);
        format!("{}[{}]", p["name"].as_str().expect("a name"), labels.collect::<Vec<_>>().join(", "))
    };
    let number = |p: &Value, key: &str| p[key].as_f64().unwrap_or_else(|| panic!("{key} of {p}"));
    parameters.iter().map(|p| (name(p), (number(p, "mean"), number(p, "sd")))).collect()
}

const CONFIG: &str = "[data]\nkind = \"summary\"\npath = \"shop/summary.csv\"\n\
     [groups]\nby = \"column\"\ncolumn = [\"country\", \"channel\"]\n\
     [sampler]\nwarmup = 500\ndraws = 300\n[predict]\ndraws = 100\n\
     [diagnose]\nmin_ess = 150\nmax_r_hat = 1.02\n";

fn shop(groups: &str, customers: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let simulate = ["simulate", "--output", "shop", "--groups", groups, "--customers", customers, "--seed", "21"];
    let kind = ["--kind", "summary", "--count", "every-purchase"];
    let made = longrun(folder.path(), &[&simulate[..], &kind].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    std::fs::write(folder.path().join("shop.toml"), CONFIG).expect("writable");
    folder
}

/// The mean purchase rate and spend of every group of both levels, and the spreads, within four posterior sds of the truth.
#[test]
fn the_fit_finds_every_level() {
    let folder = shop("4x3", "24000");
    let output = longrun(folder.path(), &["run", "shop.toml", "-q", "--set", "output.dir=run"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let run = folder.path().join("run");
    let (truth, found) = (json(&folder.path().join("shop/truth.json")), posterior(&run));
    let of = |name: &str| *found.get(name).unwrap_or_else(|| panic!("{name} is not reported"));
    for level in truth["nested"]["levels"].as_array().expect("levels") {
        let column = level["column"].as_str().expect("a column");
        for (parameter, fits) in [("rate", "purchase"), ("mean_spend", "spend")] {
            let sigma = level["sigma"][parameter].as_f64().expect("sigma");
            let (mean, sd) = of(&format!("sigma[{column}, {parameter}]"));
            assert!(
                (mean - sigma).abs() < 4.0 * sd,
                "{fits}: sigma of {parameter} over {column}: {mean} ± {sd}, not {sigma}"
            );
        }
    }
    let true_of = |g: &Value, key: &str| g[key].as_f64().expect("a number");
    for g in truth["groups"].as_array().expect("groups") {
        let label = g["label"].as_str().expect("a label");
        for name in ["r", "alpha", "a", "b", "p", "q", "v"] {
            let ((mean, sd), expected) = (of(&format!("{name}[{label}]")), true_of(g, name));
            // Posteriors of shapes lean to one side: five sds of 84 values.
            assert!((mean - expected).abs() < 5.0 * sd, "{name} of {label}: {mean} ± {sd}, not {expected}");
        }
    }
    assert!(found.contains_key("r_country[country1]") && found.contains_key("mu[rate]"), "{:?}", found.keys());

    let shrinkage = json(&run.join("shrinkage.json"));
    let purchase = &shrinkage["fits"][0];
    assert_eq!((purchase["fit"].as_str(), purchase["column"].as_str()), (Some("purchase"), Some("country > channel")));
    let rate = purchase["parameters"].as_array().expect("names").iter().position(|p| p == "rate").expect("rate");
    let mut groups: Vec<(u64, f64)> = purchase["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|g| (g["customers"].as_u64().expect("a count"), g["share"][rate].as_f64().expect("a share")))
        .collect();
    groups.sort_unstable_by_key(|&(customers, _)| customers);
    assert_eq!(groups.iter().map(|g| g.0).sum::<u64>(), 24_000);
    let (small, large) = (groups[0], groups[11]);
    assert!(small.0 * 4 < large.0 && small.1 > 2.0 * large.1, "the small borrow more: {groups:?}");
    assert!(groups.iter().all(|g| (0.0..=1.0).contains(&g.1)), "{groups:?}");

    let head = std::fs::read_to_string(run.join("customers.csv")).expect("customers");
    assert!(head.starts_with("customer_id,country,channel,frequency,"), "{}", &head[..80]);
    let report = std::fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(report.contains("How much groups borrow") && report.contains("country &gt; channel"));
}

/// Correlated effects: every off-diagonal is named, and the chains agree.
#[test]
fn correlations_are_sampled_and_named() {
    let folder = shop("12", "12000");
    let sets = [
        "groups.column=group",
        "spend.model=none",
        "sampler.draws=800",
        "purchase.hierarchy.correlation={ dist = \"lkj\", eta = 2.0 }",
        "purchase.hierarchy.centring={ r = \"non_centred\", rate = \"auto\" }",
        "output.dir=run",
    ];
    let args: Vec<&str> =
        ["diagnose", "shop.toml", "-q"].into_iter().chain(sets.iter().flat_map(|s| ["--set", *s])).collect();
    let output = longrun(folder.path(), &args);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let found = posterior(&folder.path().join("run"));
    let pairs = ["r, rate", "r, phi", "rate, phi", "r, kappa", "rate, kappa", "phi, kappa"];
    for pair in pairs {
        let (mean, sd) = found[&format!("correlation[{pair}]")];
        assert!(mean.abs() < 1.0 && (0.01..1.0).contains(&sd), "{pair}: {mean} ± {sd}");
    }
}

/// What priors mean, with and without groups, as text and as JSON.
#[test]
fn priors_are_told_in_purchases_and_money() {
    let folder = shop("2x2", "400");
    let text = longrun(folder.path(), &["prior", "shop.toml", "-q", "--draws", "200"]);
    assert!(text.status.success(), "{}", stderr(&text));
    for said in [
        "does not buy again within a year",
        "spend per purchase, median customer",
        "over the middle",
        "sigma[country, rate]",
    ] {
        assert!(stdout(&text).contains(said), "{said}:\n{}", stdout(&text));
    }
    // Of many groups the first are printed, all of them when asked.
    let lines = |sets: &[&str]| {
        let output = longrun(folder.path(), &[&["prior", "many.toml", "-q", "--draws", "20"], sets].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let by_customer = "[data]\nkind = \"summary\"\npath = \"shop/summary.csv\"\n[groups]\nby = \"column\"\ncolumn = \"frequency\"\n\
                       [spend]\nmodel = \"none\"\n";
    std::fs::write(folder.path().join("many.toml"), by_customer).expect("writable");
    let (short, long) = (lines(&[]), lines(&["--all"]));
    assert!(short.contains("rows of other groups are left out: --all prints them"), "{short}");
    assert!(short.lines().count() + 20 < long.lines().count() && !long.contains("left out"), "{short}\n{long}");
    let ask = |config: &str, sets: &[&str]| -> HashMap<String, [f64; 3]> {
        let args = ["prior", config, "--json", "--draws", "300"];
        let told = longrun(folder.path(), &[&args[..], sets].concat());
        assert!(told.status.success(), "{}", stderr(&told));
        let told: Value = serde_json::from_str(&stdout(&told)).expect("JSON");
        assert!(told["parameters"].as_array().is_some_and(|p| !p.is_empty()));
        let number = |m: &Value, key: &str| m[key].as_f64().expect("a number");
        let meaning = told["meaning"].as_array().expect("meaning").iter();
        meaning
            .map(|m| (m["key"].as_str().expect("a key").to_owned(), ["q05", "q50", "q95"].map(|q| number(m, q))))
            .collect()
    };
    let default = ask("shop.toml", &[]);
    assert_eq!(default.len(), 7, "{default:?}");
    assert!(default.values().all(|[low, middle, high]| low <= middle && middle <= high), "{default:?}");
    let share = default["share_without_repeat"];
    assert!(share[0] >= 0.0 && share[2] <= 1.0 && share[0] < share[2], "{share:?}");
    // Groups that hardly differ have a factor near 1, and are closer together than under the default.
    let tight = "purchase.hierarchy.sigma.rate={ dist = \"half_normal\", scale = 0.01 }";
    let alike = ask("shop.toml", &["--set", tight])["group_purchase_factor"];
    assert!(alike[2] < 1.1 && alike[2] < default["group_purchase_factor"][1], "{alike:?}");
    let one_group = "[data]\nkind = \"summary\"\npath = \"shop/summary.csv\"\n[spend]\nmodel = \"none\"\n";
    std::fs::write(folder.path().join("one.toml"), one_group).expect("writable");
    let alone = ask("one.toml", &[]);
    assert_eq!(alone.len(), 3, "{alone:?}");
}
