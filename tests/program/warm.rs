//! Runs that begin where an earlier one ended: what they record, what they refuse and in which words, and that they come to the same posterior.
//! (That they are resumed to the same bits is told in `resume`.)

use std::collections::BTreeMap;

use crate::support::{Shop, stderr, stdout};

/// A shop with a finished run in `first`, of three groups where `groups` says so.
fn with_run(config: &str) -> Shop {
    let shop = Shop::new(600);
    let text = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
    shop.write("shop.toml", text + config);
    run(&shop, "first", &[]);
    shop
}

/// Fits and judges into `name`; what it printed on standard error.
fn run(shop: &Shop, name: &str, more: &[&str]) -> String {
    let dir = format!("output.dir={name}");
    let made = shop.longrun(&[&["run", "shop.toml", "--quiet", "--set", &dir], more].concat());
    assert!(made.status.success(), "{name}: {}{}", stdout(&made), stderr(&made));
    stderr(&made)
}

/// What a run says that must fail, and must leave its directory such that a cold run can take it.
fn refused(shop: &Shop, more: &[&str]) -> String {
    let all = [&["fit", "shop.toml", "--quiet", "--overwrite", "--set", "output.dir=refused"], more].concat();
    let made = shop.longrun(&all);
    assert_eq!(made.status.code(), Some(2), "{more:?}: {}{}", stdout(&made), stderr(&made));
    stderr(&made)
}

fn json(shop: &Shop, file: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(shop.file(file)).expect("a file")).expect("JSON")
}

/// Warm-up transitions of both fits.
fn warmups(shop: &Shop, run: &str) -> [u64; 2] {
    let manifest = json(shop, &format!("{run}/draws/manifest.json"));
    ["purchase", "spend"].map(|fit| manifest["fits"][fit]["report"]["warmup"].as_u64().expect("a count"))
}

const WARM: [&str; 2] = ["--warm-start", "first"];

#[test]
fn it_says_where_it_began_and_hands_over_in_turn() {
    let shop = Shop::new(600);
    let text = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
    // Enough chains to agree upon something.
    shop.write("shop.toml", text.replace("chains = 2\nwarmup = 150", "chains = 8\nwarmup = 600"));
    run(&shop, "first", &[]);
    run(&shop, "second", &WARM);
    let given = std::fs::read(shop.file("second/warm_start.json")).expect("what it was given");
    assert!(given == std::fs::read(shop.file("first/warm.json")).expect("what was kept"), "a copy");
    let plan = std::fs::read_to_string(shop.file("second/plan.toml")).expect("a plan");
    assert!(plan.contains("[warm_start]\nfrom = \"first\"") && plan.contains("generation = 1"), "{plan}");
    let diagnostics = json(&shop, "second/diagnostics.json");
    for fit in diagnostics["fits"].as_array().expect("fits") {
        let notes = fit["notes"].to_string();
        assert!(notes.contains("began warm from first") && notes.contains("R-hat cannot tell"), "{notes}");
    }
    let report = std::fs::read_to_string(shop.file("second/report.html")).expect("a report");
    assert!(report.contains("began warm from first"));
    assert!(json(&shop, "second/draws/manifest.json")["identity"]["warm_start_sha256"].is_string());
    assert!(json(&shop, "first/draws/manifest.json")["identity"].get("warm_start_sha256").is_none());
    // The data are the same: one window of warm-up recognises that.
    let [cold, warm] = ["first", "second"].map(|run| warmups(&shop, run));
    assert!(warm.iter().zip(cold).all(|(warm, cold)| *warm < cold), "{warm:?} of {cold:?}");

    // In the place of the run that it begins from, and of one that was made before runs kept anything for others.
    std::fs::remove_file(shop.file("second/warm.json")).expect("it kept one");
    run(&shop, "third", &["--warm-start", "second"]);
    run(&shop, "third", &["--warm-start", "third", "--overwrite"]);
    let third = json(&shop, "third/warm.json");
    assert_eq!(third["generation"], 3);
    // What was rebuilt of the older run is what it would have kept.
    run(&shop, "second", &["--warm-start", "first", "--overwrite"]);
    run(&shop, "fourth", &["--warm-start", "second"]);
    let draws = |run: &str| json(&shop, &format!("{run}/draws/manifest.json"))["fits"]["purchase"]["shards"].clone();
    let plan = std::fs::read_to_string(shop.file("fourth/plan.toml")).expect("a plan");
    assert!(plan.contains("generation = 2"), "{plan}");
    assert!(draws("fourth").is_array() && draws("fourth") != draws("third"), "they began elsewhere");
}

#[test]
fn what_makes_no_sense_is_refused_before_any_data_are_read() {
    let shop = with_run("[purchase.priors]\nr = { dist = \"lognormal\", median = 1.0, log_sd = 1.0 }\n");
    let warm = |more: &[&str]| refused(&shop, &[&WARM, more].concat());
    let cases: [(&[&str], &str); 8] = [
        (&["purchase.model=mbg_nbd"], "the purchase model is mbg_nbd here, and was bg_nbd there"),
        (
            &["purchase.priors.r.median=1.5"],
            "purchase.priors.r is { dist = \"lognormal\", median = 1.5, log_sd = 1.0 } here, and was { dist = \"lognormal\", median = \
             1.0, log_sd = 1.0 } there; whoever changes a prior",
        ),
        (
            &["purchase.priors.b={dist=\"half_normal\",scale=2.0}"],
            "purchase.priors.b is { dist = \"half_normal\", scale = 2.0 } here, and was left out there",
        ),
        (&["spend.priors.p={dist=\"half_normal\",scale=2.0}"], "spend.priors.p is { dist"),
        (&["data.time_unit=month"], "data.time_unit, in days, is 30.4375 here, and was 7.0 there"),
        (&["data.resolution=week"], "data.resolution is week here, and was day there"),
        (&["sampler.kind=map"], "sampler.kind = \"map\" has no chains to begin anywhere"),
        (&["sampler.kind=laplace"], "no chains"),
    ];
    for (sets, wanted) in cases {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let said = warm(&sets);
        assert!(
            said.contains("this run cannot begin from the earlier one") && said.contains(wanted),
            "{sets:?}: {said}"
        );
        assert!(!shop.file("refused/facts.json").exists(), "no data were read");
    }
    let said = refused(&shop, &["--warm-start", "shop"]);
    assert!(said.contains("there is no run to begin from"), "{said}");
    assert!(
        shop.longrun(&["fit", "shop.toml", "--set", "output.dir=mode", "--set", "sampler.kind=map"]).status.success()
    );
    let said = refused(&shop, &["--warm-start", "mode"]);
    assert!(said.contains("has no chains to go on from") && said.contains("map"), "{said}");
    std::fs::write(shop.file("first/warm.json"), "{\"schema_version\": 1").expect("writable");
    let said = warm(&[]);
    assert!(said.contains("damaged, or of another version"), "{said}");
    // A run that was never finished.
    assert!(shop.longrun(&["summarize", "shop.toml", "--set", "output.dir=begun"]).status.success());
    let said = refused(&shop, &["--warm-start", "begun"]);
    assert!(said.contains("it has no draws"), "{said}");
    // What the run was given is its own: another file is not it.
    std::fs::remove_file(shop.file("first/warm.json")).expect("it is there");
    run(&shop, "second", &WARM);
    let _ = std::fs::remove_dir_all(shop.file("second/draws"));
    let given = std::fs::read_to_string(shop.file("second/warm_start.json")).expect("what it was given");
    shop.write("second/warm_start.json", given.replacen("\"generation\":0", "\"generation\":1", 1));
    let resumed = shop.longrun(&["resume", "second", "--quiet"]);
    assert!(stderr(&resumed).contains("is not what the run was begun from"), "{}", stderr(&resumed));
    // And a run's directory has begun where it has.
    let said = shop.longrun(&["fit", "second", "--warm-start", "first"]);
    assert!(stderr(&said).contains("this run's plan is fixed"), "{}", stderr(&said));
}

#[test]
fn other_groups_and_covariates_are_refused_by_name() {
    let shop = with_run("[groups]\nby = \"column\"\ncolumn = \"group\"\n");
    // A shop that was not there before, and one that is gone.
    let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
    let last = log.lines().last().expect("lines").to_owned();
    let (_, group) = last.rsplit_once(',').expect("columns");
    let known: std::collections::BTreeSet<&str> = log.lines().skip(1).filter_map(|l| l.rsplit(',').next()).collect();
    let count = known.len();
    let more: String = (0..30)
        .map(|i| format!("new{i},2024-02-01,10.00,harbour\nnew{i},2024-03-0{},10.00,harbour\n", i % 9 + 1))
        .collect();
    shop.write("shop/transactions.csv", format!("{log}{more}"));
    let said = refused(&shop, &WARM);
    assert!(
        said.contains(&format!(
            "the earlier run has {count} groups by group, this one {}: `harbour` is new",
            count + 1
        )),
        "{said}"
    );
    let fewer: String =
        log.lines().filter(|line| !line.ends_with(&format!(",{group}"))).map(|l| format!("{l}\n")).collect();
    shop.write("shop/transactions.csv", fewer);
    let said = refused(&shop, &WARM);
    assert!(said.contains(&format!("this one {}: `{group}` is gone", count - 1)), "{said}");
    // The same groups, sampled in other coordinates, under other priors, or none at all.
    shop.write("shop/transactions.csv", log);
    for (set, wanted) in [
        ("purchase.hierarchy.centring=centred", "purchase.hierarchy.centring is centred here, and was auto there"),
        (
            "spend.hierarchy.sigma.p={dist=\"half_normal\",scale=0.3}",
            "spend.hierarchy.sigma.p is { dist = \"half_normal\"",
        ),
        ("purchase.hierarchy.correlation={dist=\"lkj\",eta=2.0}", "purchase.hierarchy.correlation is"),
    ] {
        let said = refused(&shop, &[&WARM[..], &["--set", set]].concat());
        assert!(said.contains(wanted), "{set}: {said}");
    }
    let text = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
    shop.write("shop.toml", text.split("[groups]").next().expect("a part"));
    let said = refused(&shop, &WARM);
    assert!(said.contains("are not grouped here, and were grouped by group there"), "{said}");
    // A column of covariates more.
    let covariates = "[covariates]\npath = \"known.csv\"\ncontinuous = [\"income\"]\n";
    let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
    let customers: std::collections::BTreeSet<&str> = log.lines().skip(1).filter_map(|l| l.split(',').next()).collect();
    let rows: String = customers.iter().enumerate().map(|(i, c)| format!("{c},{},{}\n", i % 17, i % 5)).collect();
    shop.write("known.csv", format!("customer_id,income,visits\n{rows}"));
    let text = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
    shop.write("shop.toml", format!("{text}{covariates}"));
    run(&shop, "one", &[]);
    shop.write("shop.toml", format!("{text}{}", covariates.replace("\"income\"", "\"income\", \"visits\"")));
    let said = refused(&shop, &["--warm-start", "one"]);
    assert!(said.contains("income") && said.contains("visits"), "{said}");
}

/// Where every customer who came once is forgotten, and time has doubled the data, the posterior is elsewhere by many of its own standard
/// deviations: warm and cold find it alike. Differences of means are held against five of their Monte Carlo standard errors: of two dozen
/// comparisons four would fail one seed in six hundred, and errors are estimates themselves.
#[test]
fn a_posterior_that_has_moved_far_is_found_all_the_same() {
    for (kind, groups) in [("nuts", ""), ("chees", ""), ("nuts", "[groups]\nby = \"column\"\ncolumn = \"group\"\n")] {
        // A group's own posterior is wider: it takes more customers for as many standard deviations.
        let shop = Shop::new(if groups.is_empty() { 6000 } else { 9000 });
        let text = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
        // Judged as strictly as anyone's.
        let strict: String = text.split("[diagnose]").next().expect("a part").replace("draws = 100", "draws = 1000");
        let (chains, draws) = if kind == "nuts" { (4, 1000) } else { (16, 500) };
        let strict = strict
            .replace("chains = 2", &format!("chains = {chains}\nkind = \"{kind}\""))
            .replace("draws = 1000", &format!("draws = {draws}"));
        shop.write(
            "shop.toml",
            strict.replace("warmup = 150", "warmup = 600").replace("2024-06-30", "2024-04-15") + groups,
        );
        run(&shop, "first", &[]);
        let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
        let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in log.lines().skip(1) {
            lines.entry(line.split(',').next().expect("a customer")).or_default().push(line);
        }
        let came_back = lines.values().filter(|of| of.len() > 1).flatten().map(|line| format!("{line}\n"));
        let header = log.lines().next().expect("a header");
        shop.write("shop/transactions.csv", format!("{header}\n{}", came_back.collect::<String>()));
        let later = ["--set", "data.calibration_end=2024-09-30"];
        run(&shop, "cold", &later);
        run(&shop, "warm", &[&WARM[..], &later].concat());
        let figures = |run: &str| json(&shop, &format!("{run}/diagnostics.json"));
        let (first, cold, warm) = (figures("first"), figures("cold"), figures("warm"));
        assert_eq!(
            (&cold["verdict"], &warm["verdict"]),
            (&"pass".into(), &"pass".into()),
            "{kind}: {}",
            warm["reasons"]
        );
        let rows = |of: &serde_json::Value| of["parameters"].as_array().expect("parameters").clone();
        let number = |row: &serde_json::Value, key: &str| row[key].as_f64().expect("a number");
        let mut farthest: f64 = 0.0;
        for ((before, cold), warm) in rows(&first).iter().zip(rows(&cold)).zip(rows(&warm)) {
            assert_eq!((&before["name"], &cold["name"]), (&warm["name"], &warm["name"]));
            let moved = (number(&cold, "mean") - number(before, "mean")).abs() / number(&cold, "sd");
            farthest = farthest.max(moved);
            let allowed = 5.0 * number(&cold, "mcse_mean").hypot(number(&warm, "mcse_mean"));
            let apart = (number(&cold, "mean") - number(&warm, "mean")).abs();
            assert!(apart < allowed, "{kind}: {} {} and {}", warm["name"], cold["mean"], warm["mean"]);
            // And it is as wide: standard deviations are known to about 1/√(2 · 400).
            let wide = number(&warm, "sd") / number(&cold, "sd");
            assert!((0.8..1.25).contains(&wide), "{kind}: {} is {wide} times as wide", warm["name"]);
        }
        assert!(farthest > 10.0, "{kind}{groups}: it moved by {farthest} only");
    }
}
