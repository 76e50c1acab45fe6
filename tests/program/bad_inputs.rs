//! What a tired analyst may hand over, and what the program says: where, what was seen, what to do. One row per mishap.

use crate::support::{Shop, stderr, stdout};

/// A mishap: the log, lines added to the configuration by `--set`, and words the message must contain.
struct Mishap {
    name: &'static str,
    log: Option<&'static str>,
    sets: &'static [&'static str],
    says: &'static [&'static str],
}

const GOOD: &str =
    "customer_id,date,amount\nann,2024-01-05,10\nann,2024-02-11,12.5\nbob,2024-01-09,7\nbob,2024-03-01,8\n";

const MISHAPS: &[Mishap] = &[
    Mishap { name: "missing file", log: Some(GOOD), sets: &["data.path=nowhere.csv"], says: &["nowhere.csv"] },
    Mishap {
        name: "glob without a match",
        log: Some(GOOD),
        sets: &["data.path=nowhere-*.csv"],
        says: &["nowhere-*.csv"],
    },
    Mishap {
        name: "missing column",
        log: Some(GOOD),
        sets: &["data.columns.date=day"],
        says: &["log.csv", "day", "date"],
    },
    Mishap {
        name: "unparsable date",
        log: Some("customer_id,date,amount\nann,2024-13-05,10\nbob,2024-01-09,7\n"),
        sets: &[],
        says: &["rejects.csv", "2024-13-05"],
    },
    Mishap {
        name: "NaN amount",
        log: Some("customer_id,date,amount\nann,2024-01-05,NaN\nbob,2024-01-09,7\n"),
        sets: &[],
        says: &["rejects.csv", "NaN"],
    },
    Mishap {
        name: "future date",
        log: Some("customer_id,date,amount\nann,2924-01-05,10\nbob,2024-01-09,7\n"),
        sets: &[],
        says: &["rejects.csv", "2924-01-05"],
    },
    Mishap {
        name: "negative amount",
        log: Some("customer_id,date,amount\nann,2024-01-05,-10\nbob,2024-01-09,7\n"),
        sets: &[],
        says: &["rejects.csv", "-10"],
    },
    Mishap { name: "empty file", log: Some(""), sets: &[], says: &["log.csv", "empty"] },
    Mishap { name: "header only", log: Some("customer_id,date,amount\n"), sets: &[], says: &["log.csv"] },
    Mishap {
        name: "calibration before the first purchase",
        log: Some(GOOD),
        sets: &["data.calibration_end=2020-01-01"],
        says: &["calibration_end", "2020-01-01"],
    },
    Mishap {
        name: "unknown key",
        log: Some(GOOD),
        sets: &["sampler.chain=4"],
        says: &["--set sampler.chain=4", "unknown field `chain`", "chains"],
    },
    Mishap {
        name: "negative prior scale",
        log: Some(GOOD),
        sets: &["purchase.priors.r={ dist = \"half_normal\", scale = -1.0 }"],
        says: &["purchase.priors.r.scale must be above 0", "-1.0"],
    },
    Mishap {
        name: "prior of an unknown parameter",
        log: Some(GOOD),
        sets: &["purchase.priors.beta={ dist = \"half_normal\", scale = 1.0 }"],
        says: &["purchase.priors.beta", "alpha"],
    },
    Mishap {
        name: "priors of a fit without groups, with groups",
        log: Some(GOOD),
        sets: &["groups.by=cohort", "purchase.priors.r={ dist = \"half_normal\", scale = 1.0 }"],
        says: &["purchase.priors is for a fit without groups", "purchase.hierarchy.mu"],
    },
    Mishap {
        name: "hierarchy without groups",
        log: Some(GOOD),
        sets: &["purchase.hierarchy.sigma.r={ dist = \"half_normal\", scale = 1.0 }"],
        says: &["purchase.hierarchy needs groups", "groups.by"],
    },
    Mishap {
        name: "holdout before calibration",
        log: Some(GOOD),
        sets: &["data.calibration_end=2024-02-01", "data.holdout_end=2024-01-01"],
        says: &["data.holdout_end", "after data.calibration_end"],
    },
    Mishap {
        name: "calibration that ends before it begins",
        log: Some(GOOD),
        sets: &["data.calibration_start=2024-02-01", "data.calibration_end=2024-02-01"],
        says: &["data.calibration_start", "before data.calibration_end", "2024-02-01"],
    },
    Mishap {
        name: "a first day without purchases",
        log: Some(GOOD),
        sets: &["data.kind=summary", "data.calibration_start=2024-02-01"],
        says: &["data.calibration_start", "left out unless data.kind is \"transactions\""],
    },
    Mishap { name: "output under a file", log: Some(GOOD), sets: &["output.dir=log.csv/run"], says: &["log.csv/run"] },
    Mishap {
        name: "no such adapter",
        log: Some(GOOD),
        sets: &["compute.backend=gpu", "compute.adapter=Voodoo 2"],
        says: &["Voodoo 2", "doctor"],
    },
];

#[test]
fn every_mishap_is_told_with_its_place_and_exit_code_2() {
    let shop = Shop::new(20);
    for m in MISHAPS {
        if let Some(log) = m.log {
            shop.write("log.csv", log);
        }
        shop.write("bad.toml", "[data]\npath = \"log.csv\"\n");
        let mut args = vec!["run", "bad.toml", "--quiet", "--overwrite", "--set", "output.dir=bad"];
        let mut sets: Vec<&str> = m.sets.to_vec();
        if sets.iter().any(|s| s.starts_with("output.dir=")) {
            args.truncate(4);
        }
        for set in sets.drain(..) {
            args.extend(["--set", set]);
        }
        let output = shop.longrun(&args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{}: {said}{}", m.name, stdout(&output));
        for words in m.says {
            assert!(said.contains(words), "{}: {said:?} does not say {words:?}", m.name);
        }
        assert!(!said.contains("panicked"), "{}: {said}", m.name);
    }
}

#[test]
fn rejected_lines_are_kept_with_their_line_and_reason() {
    let shop = Shop::new(20);
    shop.write("log.csv", "customer_id,date,amount\nann,2024-01-05,10\nann,yesterday,10\nbob,2024-01-09,NaN\n");
    shop.write("bad.toml", "[data]\npath = \"log.csv\"\n[output]\ndir = \"bad\"\n");
    assert_eq!(shop.longrun(&["summarize", "bad.toml", "--quiet"]).status.code(), Some(2));
    let rejects = std::fs::read_to_string(shop.file("bad/rejects.csv")).expect("rejects are kept when a run stops");
    assert!(rejects.contains("log.csv,3,date,yesterday"), "{rejects}");
    assert!(rejects.contains("log.csv,4,amount,NaN"), "{rejects}");
}

/// Odd but honest logs: the run finishes, whatever the verdict.
#[test]
fn odd_logs_still_finish() {
    // 100,000 lines, four a day, merge into 25,000 purchases.
    let mut whale = String::from("customer_id,date,amount\n");
    let first = chrono::NaiveDate::from_ymd_opt(1950, 1, 1).expect("a date");
    for line in 0..100_000 {
        let day = first + chrono::Days::new(line / 4);
        whale.push_str(&format!("whale,{day},3.50\n"));
    }
    whale.push_str("ann,1980-01-05,10\nbob,1980-02-01,5\nbob,1981-02-01,6\n");
    let rows: [(&str, &str); 4] = [
        ("one customer", "customer_id,date,amount\nann,2024-01-05,10\nann,2024-02-11,12.5\nann,2024-03-11,9\n"),
        ("nobody came back", "customer_id,date,amount\nann,2024-01-05,10\nbob,2024-02-11,12.5\ncy,2024-03-01,4\n"),
        (
            "bought on the last day",
            "customer_id,date,amount\nann,2024-01-05,10\nann,2024-03-01,12.5\nbob,2024-01-09,7\nbob,2024-03-01,8\n",
        ),
        ("100,000 lines of one customer", &whale),
    ];
    let shop = Shop::new(20);
    for (name, log) in rows {
        shop.write("log.csv", log);
        shop.write(
            "odd.toml",
            "[data]\npath = \"log.csv\"\n[sampler]\nchains = 2\nwarmup = 100\ndraws = 50\n[predict]\ndraws = 20\n[output]\ndir = \"odd\"\n",
        );
        let output = shop.longrun(&["run", "odd.toml", "--quiet", "--overwrite"]);
        let code = output.status.code();
        assert!(code == Some(0) || code == Some(1), "{name}: {code:?} {}", stderr(&output));
        let customers = std::fs::read_to_string(shop.file("odd/customers.csv")).expect("customers are predicted");
        assert!(customers.lines().count() > 1, "{name}");
        assert!(!customers.contains("NaN") && !customers.contains("inf"), "{name}: {customers}");
    }
}

/// A summary made elsewhere, with a customer of 100,000 purchases and one whose last purchase was on the last day.
#[test]
fn an_extreme_summary_still_finishes() {
    let shop = Shop::new(20);
    let mut log =
        String::from("customer_id,frequency,recency,age,monetary\nwhale,100000,99.5,100,3.5\nlast,3,52,52,10\n");
    for customer in 0..200 {
        let x = customer % 4;
        let t_x = if x == 0 { 0.0 } else { 10.0 + f64::from(customer) / 10.0 };
        log.push_str(&format!("c{customer},{x},{t_x},52,{}\n", if x == 0 { 0 } else { 5 + customer % 7 }));
    }
    shop.write("summary.csv", log);
    shop.write(
        "summary.toml",
        "[data]\nkind = \"summary\"\npath = \"summary.csv\"\n[sampler]\nchains = 2\nwarmup = 100\ndraws = 50\n\
         [predict]\ndraws = 20\n[output]\ndir = \"odd\"\n",
    );
    let output = shop.longrun(&["run", "summary.toml", "--quiet"]);
    let code = output.status.code();
    assert!(code == Some(0) || code == Some(1), "{code:?} {}", stderr(&output));
    let customers = std::fs::read_to_string(shop.file("odd/customers.csv")).expect("customers are predicted");
    assert_eq!(customers.lines().count(), 1 + 202);
    assert!(!customers.contains("NaN") && !customers.contains("inf"), "{customers}");
}
