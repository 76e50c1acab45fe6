//! Unattended nights on this machine: what they do, what they tell, how they end early. Nights in a bucket: scripts/nights.py.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::world::World;
use crate::support::{longrun, program, stderr, stdout};

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a record");
    serde_json::from_str(&text).expect("JSON")
}

fn world(more: &str) -> World {
    let world =
        World::new(300, &format!("[lifecycle]\nprediction_months = 3\n[lifecycle.schedule]\nevery_days = 14\n{more}"));
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    world
}

/// The lines of a night's log.
fn events(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn a_night_leaves_a_challenger_and_the_next_ones_score_and_say_how_they_are() {
    let world = world("");
    let status = |overdue: &str| longrun(&world.root(), &["status", ".", "--overdue-hours", overdue]);
    let never = status("26");
    assert_eq!(never.status.code(), Some(2), "{}", stdout(&never));

    let log = world.succeed("2023-07-01", &["nightly", ".", "--json"]);
    let events = events(&log);
    for event in &events {
        assert!(event["time"].is_string() && event["message"].is_string(), "{event}");
        assert!(["INFO", "WARNING", "ERROR"].iter().any(|s| event["severity"] == *s), "{event}");
    }
    let stages: Vec<&str> = of(&events, "stage").iter().filter_map(|e| e["stage"].as_str()).collect();
    assert_eq!(stages, ["fetch", "summarize", "refit", "compare", "pipeline", "upload"]);
    assert_eq!(of(&events, "end")[0]["exit_code"], 0);
    let night = read(&world.path("nightly/status.json"));
    let challenger = std::fs::read_to_string(world.path("models/challenger")).expect("a challenger");
    assert_eq!(night["model"], challenger.trim());
    assert!(night["gradients_made"].as_u64() > Some(1000) && night["gradients_kept"] == 0, "{night}");
    assert!(!world.has("models/champion"), "nobody is promoted but by a person");
    assert!(!world.has("outputs") || std::fs::read_dir(world.path("outputs")).expect("a folder").next().is_none());
    assert_eq!(status("26").status.code(), Some(0));
    assert_eq!(status("0").status.code(), Some(2), "overdue");

    // The same night again finds everything done.
    world.succeed("2023-07-01", &["nightly", "longrun.toml"]);
    let again = read(&world.path("nightly/status.json"));
    assert_eq!((&again["model"], &again["gradients_made"]), (&night["model"], &Value::from(0)));

    world.succeed("2023-07-01", &["promote", "challenger", "--without-baseline"]);
    world.arrive("2023-07-01", |line| Some(line.to_owned()));
    world.succeed("2023-07-02", &["nightly", "."]);
    let scored = read(&world.path("nightly/status.json"));
    assert_eq!(scored["pipeline"][0], "score 2023-06-30");
    assert!(world.has("outputs/2023-06-30_pred3m/record.json") || world.has("outputs/2023-06-30_pred3m"));
    assert!(world.has("history.html"));
    let told = stdout(&status("26"));
    assert!(told.contains("ended well") && told.contains("score 2023-06-30"), "{told}");
    // Work under way is no part of what stays.
    let left: Vec<String> = std::fs::read_dir(world.path("runs"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.iter().all(|name| name == "log"), "{left:?}");

    // What has been kept long enough goes only where the configuration says so.
    std::fs::create_dir_all(world.path("models/half.partial")).expect("a folder");
    world.succeed("2023-07-02", &["nightly", "."]);
    assert!(world.has("models/half.partial"));
    world.succeed("2023-07-02", &["nightly", ".", "--set", "lifecycle.nightly.prune=true"]);
    assert!(!world.has("models/half.partial"));
    let pruned = read(&world.path("nightly/status.json"))["pipeline"].to_string();
    assert!(pruned.contains("prune: 1 kept long enough"), "{pruned}");
}

/// A night that takes a while, and its log.
fn long_night(root: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = program()
        .current_dir(root)
        .args([
            "nightly",
            ".",
            "--json",
            "--today",
            "2023-07-01",
            "--set",
            "sampler.draws=4000",
            "--set",
            "compute.threads=1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    (child, lines)
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn a_preempted_night_is_taken_up_where_it_stopped_and_two_do_not_meet() {
    let world = world("");
    let (mut child, mut lines) = long_night(&world.root());
    let is_sampling = |line: &String| line.contains("purchase: sampling");
    assert!(lines.by_ref().any(|line| is_sampling(&line)), "the fit begins");

    // It must not be done before it is asked to stop.
    send("-STOP", &child);
    let other = world.ends(3, "2023-07-01", &["nightly", "."]);
    assert!(other.contains("another longrun process"), "{other}");
    let status = longrun(&world.root(), &["status", "."]);
    assert!(status.status.success() && stdout(&status).contains("under way"), "{}", stdout(&status));

    send("-TERM", &child);
    send("-CONT", &child);
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(4), "{rest:?}");
    let night = read(&world.path("nightly/status.json"));
    assert_eq!((&night["outcome"], &night["exit_code"]), (&Value::from("stopped"), &Value::from(4)));
    assert!(stdout(&longrun(&world.root(), &["status", "."])).contains("waits to be taken up"));

    // On another disk, in another folder.
    let elsewhere = world.put_aside("elsewhere");
    let (mut child, lines) = long_night(&elsewhere);
    let log: String = lines.map(|line| line + "\n").collect();
    assert!(child.wait().expect("it ends").success(), "{log}");
    let events = events(&log);
    let kept = of(&events, "resumed")[0]["gradients"].as_u64().expect("a number");
    assert!(kept > 0);
    let night = read(&elsewhere.join("nightly/status.json"));
    assert!(night["gradients_kept"].as_u64() >= Some(kept), "{night}");

    world.begin("[lifecycle]\nprediction_months = 3\n[lifecycle.schedule]\nevery_days = 14\n");
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    let (mut child, lines) = long_night(&world.root());
    let log: String = lines.map(|line| line + "\n").collect();
    assert!(child.wait().expect("it ends").success(), "{log}");
    let models = |root: &Path| -> Vec<(String, Vec<u8>)> {
        super::world::state_of(root).into_iter().filter(|(name, _)| name.ends_with(".safetensors")).collect()
    };
    let (cut, uncut) = (models(&elsewhere), models(&world.root()));
    assert!(!uncut.is_empty() && cut == uncut, "draws differ");
}

#[test]
fn a_deadline_leaves_the_rest_to_the_next_run() {
    let world = world("[lifecycle.nightly]\ngrace_seconds = 0\n");
    let said =
        world.ends(5, "2023-07-01", &["nightly", ".", "--deadline-minutes", "0", "--set", "sampler.draws=100000"]);
    assert!(said.contains("stopped"), "{said}");
    assert_eq!(read(&world.path("nightly/status.json"))["outcome"], "late");
    world.succeed("2023-07-01", &["nightly", "."]);
}

#[test]
fn mistakes_of_a_night_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nothing = longrun(folder.path(), &["nightly", "nowhere"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("there is no project here"), "{}", stderr(&nothing));
    let world = world("[lifecycle.nightly]\nhome = \"/mnt/share\"\n");
    let said = world.ends(2, "2023-07-01", &["nightly", "."]);
    assert!(said.contains("lifecycle.nightly.home must be in a bucket"), "{said}");

    // A fit that the diagnostics refuse is no challenger, and the night says what to do.
    std::fs::remove_dir_all(world.root()).expect("it can go");
    world.begin("[lifecycle]\nprediction_months = 3\n");
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    let said = world.ends(1, "2023-07-01", &["nightly", ".", "--set", "diagnose.max_r_hat=1.0000001"]);
    assert!(said.contains("longrun advise"), "{said}");
    assert!(!world.has("models/challenger"));
    assert_eq!(longrun(&world.root(), &["status", "."]).status.code(), Some(1));
}

/// Nights in a bucket, one preempted and one killed, with a new disk in between, come out as nights that were not: see scripts/nights.py.
#[cfg(feature = "cloud")]
#[test]
fn nights_in_a_bucket_come_out_the_same_however_they_are_cut() {
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let installed =
        Command::new(script("gcs_emulator.sh")).arg("--install").output().is_ok_and(|out| out.status.success());
    if !installed {
        let must = std::env::var_os("LONGRUN_REQUIRE_EMULATOR").is_some_and(|value| value == "1");
        assert!(!must, "the emulator of buckets cannot be had");
        eprintln!("skipped: the emulator of buckets cannot be had (scripts/gcs_emulator.sh --install)");
        return;
    }
    let out = Command::new("python3")
        .arg(script("nights.py"))
        .args([env!("CARGO_BIN_EXE_longrun"), "--nights", "7", "--customers", "200", "--json"])
        .output()
        .expect("python starts");
    let said = stdout(&out) + &stderr(&out);
    assert!(out.status.success(), "{said}");
    let result: Value = serde_json::from_str(&stdout(&out)).expect("JSON");
    assert_eq!(result["files_different"], Value::Array(Vec::new()), "{said}");
    assert_eq!((result["preemptions"].as_u64(), result["kills"].as_u64()), (Some(2), Some(1)), "{said}");
    assert!(result["draws_equal"].as_u64() > Some(50), "{said}");
}
