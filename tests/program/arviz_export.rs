//! Exports as other people's programs find them: ArviZ and xarray open them without help and come to our figures; what stood at a place
//! before stays until the new one is whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Shop, arviz, program, stderr, stdout};

/// A run of a shop with groups, many enough draws for R-hat and ESS to mean something.
fn fitted(shop: &Shop, dir: &str, sets: &[&str]) {
    let output = format!("output.dir={dir}");
    let mut arguments = vec!["run", "shop.toml", "--quiet", "--set", &output, "--set", "compute.backend=cpu"];
    for set in ["groups.by=column", "groups.column=group", "sampler.chains=4"].iter().chain(sets) {
        arguments.extend(["--set", set]);
    }
    let run = shop.longrun(&arguments);
    assert!(run.status.success(), "{}", stderr(&run));
}

fn done(shop: &Shop, arguments: &[&str]) -> Value {
    let output = shop.longrun(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("one JSON object")
}

fn refused(shop: &Shop, arguments: &[&str]) -> String {
    let output = shop.longrun(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} should be refused: {}", stdout(&output));
    stderr(&output)
}

/// What `tests/arviz/open_export.py` says of the exports of a run.
fn opened(python: &Path, shop: &Shop, run: &str, comparison: Option<&str>) -> Value {
    let pictures = shop.file("pictures");
    std::fs::create_dir_all(&pictures).expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arviz/open_export.py");
    let output = Command::new(python)
        .arg(script)
        .args([shop.file(run), pictures])
        .args(comparison.map(|name| shop.file(name)))
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {said}"))
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("inside").display().to_string();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

#[test]
fn arviz_opens_exports_and_comes_to_our_figures() {
    let Some(python) = arviz() else { return };
    let shop = Shop::new(400);
    fitted(&shop, "out", &["sampler.draws=200", "sampler.save_warmup=true"]);
    fitted(&shop, "other", &["sampler.draws=200", "purchase.model=mbg_nbd"]);
    let told = done(&shop, &["export", "out", "--log-likelihood"]);
    assert_eq!(told["exports"].as_array().map(Vec::len), Some(2));
    let comparison = done(&shop, &["compare", "out", "other"]);
    shop.write("comparison.json", comparison.to_string());

    let said = opened(&python, &shop, "out", Some("comparison.json"));
    for (fit, least) in [("purchase", 20), ("spend", 15)] {
        let fit = &said[fit];
        // Four figures of every parameter.
        assert!(fit["compared"].as_u64().is_some_and(|n| n >= 4 * least), "{fit}");
        for (name, worst) in fit["worst"].as_object().expect("differences") {
            // The same sums in another order.
            assert!(worst.as_f64().is_some_and(|w| w <= 1e-8), "{name} differs by {worst}");
        }
        for (kind, bytes) in fit["pictures"].as_object().expect("pictures") {
            assert!(bytes.as_u64().is_some_and(|b| b > 4000), "{kind} is empty: {bytes} bytes");
        }
        assert_eq!(fit["pictures"].as_object().map(serde_json::Map::len), Some(6));
        let groups = &fit["groups"];
        assert_eq!(groups["sample_stats"]["dtypes"]["diverging"], "bool");
        assert_eq!(groups["sample_stats"]["dtypes"]["tree_depth"], "int64");
        assert_eq!(groups["posterior"]["dims"]["draw"], 200);
        assert_eq!(groups["prior"]["dims"]["draw"], 1000);
        assert!(groups["warmup_posterior"]["dims"]["draw"].as_u64().is_some_and(|n| n > 50 && n <= 150));
        assert_eq!(groups["warmup_posterior"]["variables"], groups["posterior"]["variables"]);
        // Chains adapt one by one: many step sizes.
        assert!(fit["warmup_steps"].as_u64().is_some_and(|n| n > 100), "{}", fit["warmup_steps"]);
        assert!(fit["sampling_time"].as_f64().is_some_and(|s| s > 0.0));
    }
    let purchase = &said["purchase"];
    assert_eq!(purchase["groups"]["observed_data"]["variables"], serde_json::json!(["age", "frequency", "recency"]));
    assert_eq!(purchase["groups"]["constant_data"]["variables"], serde_json::json!(["group_index"]));
    assert_eq!(purchase["groups"]["log_likelihood"]["dims"]["customer"], comparison["customers"]);
    for (name, difference) in purchase["loo_differences"].as_object().expect("leave-one-out") {
        assert!(difference.as_f64().is_some_and(|d| d <= 1e-8), "{name} differs by {difference}");
    }

    // Thinned alike on both sides.
    done(&shop, &["export", "out", "--log-likelihood", "--draws", "402", "--fit", "purchase", "--overwrite"]);
    shop.write("comparison.json", done(&shop, &["compare", "out", "other", "--draws", "400"]).to_string());
    let said = opened(&python, &shop, "out", Some("comparison.json"));
    assert_eq!(said["purchase"]["groups"]["log_likelihood"]["dims"]["draw"], 100);
    for (name, difference) in said["purchase"]["loo_differences"].as_object().expect("leave-one-out") {
        assert!(difference.as_f64().is_some_and(|d| d <= 1e-8), "{name} differs by {difference}");
    }
}

/// A group's column may be called like a variable of the model, or like a dimension that every export has.
#[test]
fn names_that_are_taken_are_given_way_to() {
    let shop = Shop::new(200);
    let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("the shop's log");
    for column in ["a", "draw"] {
        let (header, rows) = log.split_once('\n').expect("a header");
        shop.write("shop/transactions.csv", format!("{}\n{rows}", header.replace("group", column)));
        let by_column = format!("groups.column={column}");
        fitted(&shop, column, &[&by_column]);
        done(&shop, &["export", column]);
        let metadata: Value = serde_json::from_slice(
            &std::fs::read(shop.file(column).join("export/purchase.zarr/posterior/alpha/zarr.json")).expect("alpha"),
        )
        .expect("JSON");
        assert_eq!(metadata["dimension_names"], serde_json::json!(["chain", "draw", format!("{column}_dim")]));
        if let Some(python) = arviz() {
            let said = opened(&python, &shop, column, None);
            assert!(said["purchase"]["worst"]["r_hat"].as_f64().is_some_and(|w| w <= 1e-8), "{said}");
        }
    }
}

#[test]
fn exports_are_whole_equal_and_not_in_each_others_way() {
    let shop = Shop::new(300);
    fitted(&shop, "out", &["sampler.draws=300"]);
    done(&shop, &["export", "out"]);
    done(&shop, &["export", "out", "--output", "again"]);
    let before = files(&shop.file("out/export"));
    assert!(before == files(&shop.file("again")), "two exports of one run differ");

    let said = refused(&shop, &["export", "out"]);
    assert!(said.contains("--overwrite") && said.contains("purchase.zarr"), "{said}");

    // Files that may not grow: the first chunk beyond a kilobyte fails, as on a full disk, or kills the program where it lets it.
    let limited = |trap: &str| {
        Command::new("sh")
            .current_dir(shop.path())
            .arg("-c")
            .arg(format!("{trap} ulimit -f 2; exec \"$0\" export out --overwrite --quiet"))
            .arg(program().get_program())
            .output()
            .expect("a shell")
    };
    let full = limited("trap '' XFSZ;");
    assert_eq!(full.status.code(), Some(2), "{}", stderr(&full));
    assert!(stderr(&full).contains("nothing was replaced"), "{}", stderr(&full));
    assert!(before == files(&shop.file("out/export")), "a full disk changed what stood there");
    let killed = limited("");
    assert_eq!(killed.status.code(), None, "the program should have been killed: {}", stderr(&killed));
    let after = files(&shop.file("out/export"));
    assert!(after.len() > before.len(), "the killed program left nothing half done: it was not in the middle");
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "a kill changed what stood there");

    done(&shop, &["export", "out", "--overwrite"]);
    assert!(before == files(&shop.file("out/export")), "what a killed export left is swept away by the next");

    // Draws without a run.
    std::fs::create_dir_all(shop.file("alone/draws")).expect("a folder");
    for (name, bytes) in files(&shop.file("out/draws")) {
        shop.write(&format!("alone/draws/{name}"), bytes);
    }
    let told = done(&shop, &["export", "alone"]);
    let names: Vec<&str> = told["exports"][0]["groups"]
        .as_array()
        .map(|groups| groups.iter().filter_map(|g| g["name"].as_str()).collect())
        .unwrap_or_default();
    assert_eq!(names, ["posterior", "sample_stats"]);
    let chunk = "purchase.zarr/posterior/alpha/c/0/0/0";
    assert!(files(&shop.file("alone/export"))[chunk] == before[chunk]);
    let said = refused(&shop, &["export", "alone", "--log-likelihood", "--overwrite"]);
    assert!(said.contains("only draws"), "{said}");
}

#[test]
fn tables_hold_every_draw_under_documented_names() {
    let shop = Shop::new(300);
    fitted(&shop, "out", &["sampler.draws=300"]);
    done(&shop, &["export", "out", "--to", "csv"]);
    done(&shop, &["export", "out", "--to", "parquet", "--fit", "spend", "--output", "spend.parquet"]);
    assert!(shop.file("spend.parquet").exists() && !shop.file("out/export/purchase.parquet").exists());
    let csv = std::fs::read_to_string(shop.file("out/export/purchase.csv")).expect("a table");
    let header: Vec<&str> = csv.lines().next().expect("a header").split(',').collect();
    assert_eq!(header[..2], ["chain", "draw"]);
    assert!(header.iter().any(|name| name.starts_with("alpha[group=")), "{header:?}");
    assert!(header.contains(&"sample_stats.diverging") && header.contains(&"mu[parameter=r]"), "{header:?}");
    assert_eq!(csv.lines().count(), 1 + 4 * 300);
    // The mean over the table is the mean that diagnostics report.
    let diagnostics: Value =
        serde_json::from_slice(&std::fs::read(shop.file("out/diagnostics.json")).expect("diagnostics")).expect("JSON");
    let first = &diagnostics["parameters"][0];
    let label = first["coords"]["group"].as_str().expect("a group");
    let name = format!("{}[group={label}]", first["name"].as_str().expect("a name"));
    let column = header.iter().position(|h| *h == name).unwrap_or_else(|| panic!("no {name} in {header:?}"));
    let values =
        csv.lines().skip(1).map(|l| l.split(',').nth(column).expect("a value").parse::<f64>().expect("a number"));
    let mean = values.sum::<f64>() / 1200.0;
    let expected = first["mean"].as_f64().expect("a mean");
    // Rounding of 1,200 additions.
    assert!((mean - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{mean} for {expected}");

    for (arguments, advice) in [
        (&["export", "out", "--to", "netcdf"][..], "to_netcdf('purchase.nc')"),
        (&["export", "out", "--to", "csv", "--log-likelihood", "--overwrite"], "--to zarr"),
        (&["export", "out", "--fit", "spent"], "purchase, spend"),
        (&["export", "out", "--output", "both.zarr"], "--fit"),
        (&["export", "shop"], "not a run directory"),
    ] {
        let said = refused(&shop, arguments);
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
}
