//! Configuration, log and run in a bucket: the same results as on a disk, on whichever machine the run goes on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use longrun::storage::{Place, Storage, StorageSettings, When, Written};

use crate::support::{Shop, program, stderr};

const RESULTS: [&str; 5] = ["customers.csv", "segments.csv", "holdout.json", "diagnostics.json", "predictions.json"];

/// An emulator of Google's store with the bucket `shop`, which ends with this process; none, with the reason printed, where its
/// packages are missing, and a failure then if `LONGRUN_REQUIRE_EMULATOR=1`.
fn emulator() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = target.join("emulators/bin/python");
    if !python.exists() {
        assert!(std::env::var("LONGRUN_REQUIRE_EMULATOR").as_deref() != Ok("1"), "no emulator at {}", python.display());
        println!("skipped: no emulator at {}; scripts/gcs_emulator.sh --install fetches it", python.display());
        return None;
    }
    let mut child = Command::new(python)
        .args(["scripts/gcs_emulator.py", "--bucket", "shop", "--until-eof"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says its port");
    // Its standard input stays open for as long as this process lives.
    std::mem::forget(child);
    Some(format!("127.0.0.1:{}", line.trim().rsplit(' ').next().expect("a port")))
}

/// A shop whose configuration and log are in a bucket too, the log in two files.
struct Bucket {
    shop: Shop,
    host: String,
    storage: Storage,
}

impl Bucket {
    fn new() -> Option<Self> {
        let host = emulator()?;
        let shop = Shop::new(200);
        let log = std::fs::read_to_string(shop.file("shop/transactions.csv")).expect("a log");
        let lines: Vec<&str> = log.lines().collect();
        let (first, second) = lines[1..].split_at(lines.len() / 2);
        let google_endpoint = Some(format!("http://{host}"));
        let storage = Storage::new(StorageSettings { google_endpoint, ..StorageSettings::default() });
        std::fs::create_dir(shop.file("logs")).expect("a folder");
        for (name, part) in [("logs/a.csv", first), ("logs/b.csv", second)] {
            let text = format!("{}\n{}\n", lines[0], part.join("\n"));
            shop.write(name, &text);
            put(&storage, &format!("gs://shop/{name}"), &text);
        }
        let config = std::fs::read_to_string(shop.file("shop.toml")).expect("a configuration");
        shop.write("shop.toml", config.replace("shop/transactions.csv", "logs/*.csv"));
        put(&storage, "gs://shop/shop.toml", &config.replace("shop/transactions.csv", "gs://shop/logs/*.csv"));
        Some(Self { shop, host, storage })
    }

    fn command(&self, machine: &str, args: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.shop.path()).args(args).arg("--quiet");
        command.env("STORAGE_EMULATOR_HOST", &self.host).env("LONGRUN_CACHE", self.shop.file(machine));
        command
    }

    /// Runs the program on a machine, which is a cache of its own.
    fn on(&self, machine: &str, args: &[&str]) -> Output {
        self.command(machine, args).output().expect("the program starts")
    }

    fn read(&self, address: &str) -> Vec<u8> {
        let place = Place::parse(address).expect("an address");
        self.storage.read(&place).expect("the store answers").unwrap_or_else(|| panic!("{address} is not there")).0
    }

    /// Waits until a run on machine `a` has saved draws.
    fn wait_for_draws(&self, run: &str) {
        let saved = format!("{run}/draws/purchase-00001.safetensors");
        for _ in 0..1200 {
            if longrun_files(&self.shop.file("a/runs")).iter().any(|path| path.ends_with(&saved)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{run} has not sampled");
    }

    fn equals(&self, local: &str, address: &str) {
        for name in RESULTS {
            let here = std::fs::read(self.shop.file(local).join(name)).expect("a local result");
            assert!(here == self.read(&format!("{address}/{name}")), "{name} of {address}");
        }
    }
}

fn put(storage: &Storage, address: &str, text: &str) {
    let written = storage.write(&Place::parse(address).expect("an address"), text.as_bytes(), When::Always);
    assert!(matches!(written, Ok(Written::Done(_))), "{written:?}");
}

#[track_caller]
fn well(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[test]
fn a_run_in_a_bucket_is_the_run_on_a_disk() {
    let Some(bucket) = Bucket::new() else { return };
    well(&bucket.shop.longrun(&["run", "shop.toml", "--quiet", "--set", "output.dir=local"]));
    let there = ["run", "gs://shop/shop.toml", "--set", "output.dir=gs://shop/runs/one"];
    well(&bucket.on("a", &there));
    bucket.equals("local", "gs://shop/runs/one");
    assert!(bucket.read("gs://shop/runs/one/report.html").len() > 1000);
    let plan = String::from_utf8(bucket.read("gs://shop/runs/one/plan.toml")).expect("text");
    for named in ["gs://shop/runs/one", "gs://shop/logs/*.csv"] {
        assert!(plan.contains(named), "{named} is not in {plan}");
    }
    assert!(!plan.contains(&*bucket.shop.path().to_string_lossy()), "a path of one machine is in {plan}");
    // Another machine takes it up: nothing is left to do. It does a step again, and the bucket has that.
    well(&bucket.on("b", &["resume", "gs://shop/runs/one"]));
    well(&bucket.on("b", &["predict", "gs://shop/runs/one"]));
    well(&bucket.on("a", &["resume", "gs://shop/runs/one"]));
    bucket.equals("local", "gs://shop/runs/one");
    // A third does not write over what it has never seen, unless it is told to.
    let taken = bucket.on("c", &there);
    let said = stderr(&taken);
    assert_eq!(taken.status.code(), Some(2));
    assert!(said.contains("gs://shop/runs/one: the run directory holds a run already"), "{said}");
    assert!(said.contains("longrun resume gs://shop/runs/one"), "{said}");
    well(&bucket.on("c", &[&there[..], &["--overwrite", "--set", "sampler.seed=9"]].concat()));
    let other = bucket.read("gs://shop/runs/one/customers.csv");
    assert!(other != std::fs::read(bucket.shop.file("local/customers.csv")).expect("a result"), "another seed");
}

#[test]
fn a_log_is_fetched_let_go_and_fetched_again_where_it_has_changed() {
    let Some(bucket) = Bucket::new() else { return };
    let summarize = ["summarize", "gs://shop/shop.toml", "--overwrite", "--set", "output.dir=run"];
    let copies = || {
        let folders = std::fs::read_dir(bucket.shop.file("a/inputs")).expect("a cache").flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).expect("a folder").flatten());
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "csv")).count()
    };
    well(&bucket.on("a", &summarize));
    assert_eq!(copies(), 0, "what is in the table is let go");
    let text = String::from_utf8(bucket.read("gs://shop/logs/b.csv")).expect("text");
    put(&bucket.storage, "gs://shop/logs/b.csv", &format!("{text}new_customer,2024-03-01,5.00\n"));
    let next = ["summarize", "gs://shop/shop.toml", "--set", "output.dir=next", "--since", "run"];
    let folded = bucket.on("a", &next);
    well(&folded);
    assert!(stderr(&folded).contains("1 of the log's 2 files were read"), "{}", stderr(&folded));
    let missing = bucket.on("a", &["run", "gs://shop/none.toml"]);
    assert!(stderr(&missing).contains("gs://shop/none.toml: there is no such configuration"), "{}", stderr(&missing));
    let misspelt = bucket.on("a", &[&summarize[..], &["--set", "data.path=gs://shop/lags/*.csv"]].concat());
    assert!(stderr(&misspelt).contains("gs://shop/lags/*.csv: no file matches"), "{}", stderr(&misspelt));
}

/// Killed without notice while it samples: the same machine goes on from its last shard, another from the last finished step. Both end
/// where an undisturbed run does.
#[test]
fn a_run_that_was_killed_goes_on_here_and_elsewhere() {
    let Some(bucket) = Bucket::new() else { return };
    let more = ["--set", "sampler.draws=400"];
    well(&bucket.shop.longrun(&[&["run", "shop.toml", "--quiet", "--set", "output.dir=local"][..], &more].concat()));
    for (name, next) in [("here", "a"), ("elsewhere", "b")] {
        let address = format!("gs://shop/runs/{name}");
        let dir = format!("output.dir={address}");
        let begin = [&["run", "gs://shop/shop.toml", "--set", &dir][..], &more].concat();
        let mut child = bucket.command("a", &begin).spawn().expect("the program starts");
        bucket.wait_for_draws(name);
        child.kill().expect("it is killed");
        child.wait().expect("it ended");
        well(&bucket.on(next, &["resume", &address]));
        bucket.equals("local", &address);
    }
}

/// Asked to stop while it samples (Ctrl-C, or a machine that is about to go): its draws are sent, and go on elsewhere.
#[cfg(unix)]
#[test]
fn a_run_that_was_asked_to_stop_goes_on_elsewhere() {
    let Some(bucket) = Bucket::new() else { return };
    let more = ["--set", "sampler.draws=3000"];
    well(&bucket.shop.longrun(&[&["run", "shop.toml", "--quiet", "--set", "output.dir=local"][..], &more].concat()));
    let begin = [&["run", "gs://shop/shop.toml", "--set", "output.dir=gs://shop/runs/asked"][..], &more].concat();
    let child = bucket.command("a", &begin).stderr(Stdio::piped()).spawn().expect("the program starts");
    bucket.wait_for_draws("asked");
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(asked.success());
    let ended = child.wait_with_output().expect("it ended");
    let said = stderr(&ended);
    assert_eq!(ended.status.code(), Some(4), "{said}");
    assert!(said.contains("until its draws are saved"), "{said}");
    assert!(!bucket.read("gs://shop/runs/asked/draws/purchase-00001.safetensors").is_empty());
    well(&bucket.on("b", &["resume", "gs://shop/runs/asked"]));
    bucket.equals("local", "gs://shop/runs/asked");
}

/// `longrun promote … | head`: what a command did to a project in a bucket is sent, and the lock given back, though nobody reads its words.
#[test]
fn a_command_whose_words_nobody_reads_sends_what_it_did() {
    let Some(bucket) = Bucket::new() else { return };
    put(
        &bucket.storage,
        "gs://shop/p/longrun.toml",
        "[data]\npath = \"gs://shop/logs/*.csv\"\n[sampler]\nchains = 2\nwarmup = 150\ndraws = 100\n[diagnose]\nmax_r_hat = 2.0\nmin_ess = 1\n\
         max_divergence_share = 1.0\nmin_e_bfmi = 0.0\n[lifecycle]\nprediction_months = 3\n",
    );
    let today = ["--today", "2025-01-01"];
    well(&bucket.on("a", &[&["nightly", "gs://shop/p"][..], &today].concat()));
    let promote = ["promote", "challenger", "--without-baseline", "-C", "gs://shop/p"];
    let mut child = bucket
        .command("a", &[&promote[..], &today].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
    assert!(!bucket.read("gs://shop/p/models/champion").is_empty());
    let lock = String::from_utf8(bucket.read("gs://shop/p/nightly/lock.json")).expect("text");
    assert!(lock.contains("\"released\": true"), "{lock}");
}

fn longrun_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { longrun_files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}
