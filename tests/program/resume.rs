//! A run killed at any moment and resumed leaves the same bytes as a run that was never interrupted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Shop;

/// Every file of the draw store, by name.
fn draws(run: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(run.join("draws"))
        .expect("a draw store")
        .map(|entry| entry.expect("readable entry"))
        .map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).expect("readable file")))
        .collect()
}

/// Kills a run each time after `commits` more commits, resumes it, and so on to its end.
fn killed_after_every(commits: usize, shop: &Shop, (sets, more): (&[String], &[&str]), run: &str) -> usize {
    let dir = format!("output.dir={run}");
    let mut arguments = [&["run", "shop.toml", "--quiet", "--set", &dir], more].concat();
    for set in sets {
        arguments.extend(["--set", set]);
    }
    let mut kills = 0;
    loop {
        let mut child = crate::support::program()
            .current_dir(shop.path())
            .args(&arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let manifest = shop.file(run).join("draws/manifest.json");
        let mut seen = std::fs::read(&manifest).ok();
        let mut commits_seen = 0;
        let deadline = Instant::now() + Duration::from_secs(300);
        let ended = loop {
            if let Some(status) = child.try_wait().expect("the child can be asked") {
                break Some(status);
            }
            let now = std::fs::read(&manifest).ok();
            if now.is_some() && now != seen {
                commits_seen += 1;
                seen = now;
            }
            if commits_seen >= commits {
                child.kill().expect("the child can be killed");
                child.wait().expect("the child ends");
                break None;
            }
            assert!(Instant::now() < deadline, "the run does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "{status}");
                return kills;
            }
            None => kills += 1,
        }
        assert!(kills < 200, "the run makes no progress between kills");
        arguments = vec!["resume", run, "--quiet"];
    }
}

fn resumes_to_the_same_bits(sets: &[String]) {
    resumes_after(sets, &[1, 2, 3]);
}

fn resumes_after(sets: &[String], every: &[usize]) {
    continues(&Shop::new(300), sets, &[], every);
}

fn continues(shop: &Shop, sets: &[String], more: &[&str], every: &[usize]) {
    let mut arguments = [&["run", "shop.toml", "--quiet", "--set", "output.dir=whole"], more].concat();
    for set in sets {
        arguments.extend(["--set", set]);
    }
    let whole = shop.longrun(&arguments);
    assert!(whole.status.success(), "{}", crate::support::stderr(&whole));
    for &commits in every {
        let run = format!("killed-{commits}");
        let kills = killed_after_every(commits, shop, (sets, more), &run);
        assert!(kills > 0, "the run ended before it could be killed");
        let (expected, seen) = (draws(&shop.file("whole")), draws(&shop.file(&run)));
        assert_eq!(expected.keys().collect::<Vec<_>>(), seen.keys().collect::<Vec<_>>());
        for (name, bytes) in &expected {
            assert!(bytes == &seen[name], "{name} differs after {kills} kills, {commits} commits apart");
        }
        for name in [
            "facts.json",
            "summary.parquet",
            "predictions.json",
            "customers.csv",
            "segments.csv",
            "holdout.json",
            "diagnostics.json",
        ] {
            let read = |run: &str| std::fs::read(shop.file(run).join(name)).expect("the run is complete");
            assert!(read("whole") == read(&run), "{name} differs");
        }
    }
}

fn on_cpu(kind: &str) -> Vec<String> {
    vec![format!("sampler.kind={kind}"), "compute.backend=cpu".to_owned()]
}

fn on_gpu(kind: &str) -> Option<Vec<String>> {
    let adapter = crate::support::test_adapter()?;
    Some(vec![format!("sampler.kind={kind}"), "compute.backend=gpu".to_owned(), format!("compute.adapter={adapter}")])
}

#[test]
fn nuts_on_the_cpu() {
    resumes_to_the_same_bits(&on_cpu("nuts"));
}

#[test]
fn chees_on_the_cpu() {
    resumes_to_the_same_bits(&on_cpu("chees"));
}

/// Draws of warm-up are kept by the same commits, and change no other draw.
#[test]
fn with_warmup_kept() {
    for kind in ["nuts", "chees"] {
        resumes_after(&[on_cpu(kind), vec!["sampler.save_warmup=true".to_owned()]].concat(), &[1]);
    }
    let shop = Shop::new(300);
    for keep in ["false", "true"] {
        let (dir, keep) = (format!("output.dir=keep-{keep}"), format!("sampler.save_warmup={keep}"));
        let run = shop.longrun(&["run", "shop.toml", "--quiet", "--set", &dir, "--set", &keep]);
        assert!(run.status.success(), "{}", crate::support::stderr(&run));
    }
    let (without, with) = (draws(&shop.file("keep-false")), draws(&shop.file("keep-true")));
    let warmup = |files: &BTreeMap<String, Vec<u8>>| files.keys().filter(|name| name.contains("-warmup-")).count();
    assert!(warmup(&with) >= 6, "two fits of three windows and more: {:?}", with.keys());
    assert_eq!(warmup(&without), 0);
    for (name, bytes) in without.iter().filter(|(name, _)| name.ends_with(".safetensors")) {
        assert!(with[name] == *bytes, "{name} depends on whether warm-up is kept");
    }
    let plan = std::fs::read_to_string(shop.file("keep-false/plan.toml")).expect("a plan");
    assert!(!plan.contains("save_warmup"), "draws of older runs belong to plans without it");
}

/// A run that began where another ended continues like any other, whatever has become of that one.
#[test]
fn begun_warm() {
    for (kind, sets) in [("nuts", Some(on_cpu("nuts"))), ("chees", Some(on_cpu("chees"))), ("nuts", on_gpu("nuts"))] {
        let (shop, Some(sets)) = (Shop::new(300), sets) else { continue };
        let kind = format!("sampler.kind={kind}");
        let earlier = ["run", "shop.toml", "--quiet", "--set", "output.dir=earlier", "--set", &kind];
        let earlier = [&earlier[..], &["--set", "data.calibration_end=2024-05-31"]].concat();
        assert!(shop.longrun(&earlier).status.success());
        continues(&shop, &sets, &["--warm-start", "earlier"], &[1, 2]);
        // With its draws and the earlier run gone it still has its own copy of where it began.
        let made = shop.longrun(&[
            "fit",
            "shop.toml",
            "--warm-start",
            "earlier",
            "--set",
            "output.dir=copied",
            "--set",
            &kind,
        ]);
        assert!(made.status.success(), "{}", crate::support::stderr(&made));
        let expected = draws(&shop.file("copied"));
        std::fs::remove_dir_all(shop.file("copied/draws")).expect("draws");
        std::fs::remove_dir_all(shop.file("earlier")).expect("the earlier run");
        assert!(shop.longrun(&["resume", "copied", "--quiet"]).status.success());
        assert!(expected == draws(&shop.file("copied")), "{kind}: other draws from the same copy");
    }
}

/// Approximations begin again rather than continue, to the same bits.
#[test]
fn approximations_on_the_cpu() {
    for kind in ["map", "laplace", "pathfinder"] {
        // All draws are one commit, so that there is hardly a moment between two.
        resumes_after(&[on_cpu(kind), vec!["diagnose.max_pareto_k=9".to_owned()]].concat(), &[1]);
    }
}

#[test]
fn nuts_on_a_gpu() {
    if let Some(sets) = on_gpu("nuts") {
        resumes_to_the_same_bits(&sets);
    }
}

#[test]
fn chees_on_a_gpu() {
    if let Some(sets) = on_gpu("chees") {
        resumes_to_the_same_bits(&sets);
    }
}
