//! Fortnights replayed, undisturbed and disturbed: killed in the middle of every step, started twice, missed. The end is the same.

use std::path::Path;

use super::world::{World, after, any, state_of};

const CONFIG: &str =
    "[lifecycle]\nprediction_months = 2\n[lifecycle.schedule]\nevery_days = 14\nfor_weeks = 10\nthen_every_days = 28\n";

/// What is played.
struct Play {
    /// The first cutoff.
    first: &'static str,
    /// How many fortnights follow.
    fortnights: u64,
    /// In which of them another model is promoted.
    promotion: u64,
    /// Which one is missed.
    missed: u64,
}

/// Two weeks in, with everything that is due.
fn fortnight(world: &World, play: &Play, n: u64) -> String {
    let today = after(play.first, 1 + 14 * n);
    world.arrive(&after(play.first, 14 * n), |line| Some(line.to_owned()));
    today
}

fn undisturbed(world: &World, play: &Play) {
    for n in 0..=play.fortnights {
        let today = fortnight(world, play, n);
        if n == 0 || n == play.promotion {
            world.succeed(&today, &["train"]);
            world.succeed(&today, &["promote", "challenger"]);
        }
        world.succeed(&today, &["pipeline"]);
    }
}

/// What a kill waits for, and how often it came to that.
type Moment = (&'static str, fn(&Path) -> bool);

const MOMENTS: [Moment; 7] = [
    ("reading the log", folding),
    ("summarising", |root| any(&root.join("runs"), &["score-"])),
    ("writing predictions", |root| any(&root.join("outputs"), &[".partial"])),
    ("moving on to the next cutoff", not_moved_on),
    ("joining what happened", |root| any(&root.join("runs"), &["label-"])),
    ("writing labels", |root| half_done(root, "clv_labelled", "outcome.json")),
    ("judging", |root| half_done(root, "outcome.json", "monitor.json")),
];

/// Whether the log's table is being written: a month of it, or its manifest.
fn folding(root: &Path) -> bool {
    let table = root.join("runs/log/transactions");
    let half_written = |folder: &Path| any(folder, &[".partial"]);
    half_written(&table)
        || std::fs::read_dir(&table).is_ok_and(|months| months.flatten().any(|month| half_written(&month.path())))
}

/// Whether a snapshot has a file whose successor is not there yet.
fn half_done(root: &Path, done: &str, missing: &str) -> bool {
    std::fs::read_dir(root.join("outputs")).is_ok_and(|entries| {
        entries.flatten().any(|entry| any(&entry.path(), &[done]) && !entry.path().join(missing).exists())
    })
}

/// Whether the next cutoff is one that has been scored.
fn not_moved_on(root: &Path) -> bool {
    let state = std::fs::read(root.join("state.json")).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
    let Some(next) = state["next_cutoff"].as_str() else { return false };
    root.join(format!("outputs/{next}_pred2m/snapshot.json")).exists()
}

/// The first run of training is killed while it samples and while it publishes; promotion while it compares.
fn disturbed(world: &World, play: &Play) -> Vec<&'static str> {
    let mut hit = Vec::new();
    let mut note = |name: &'static str, came: bool| {
        if came {
            hit.push(name);
        }
    };
    for n in 0..=play.fortnights {
        // One fortnight is missed, its data with it.
        if n == play.missed {
            continue;
        }
        let today = fortnight(world, play, n);
        if n == 0 || n == play.promotion {
            note("sampling", world.killed_when(&today, &["train"], sampling));
            note("publishing", world.killed_when(&today, &["train"], |root| any(&root.join("models"), &[".partial"])));
            world.succeed(&today, &["train"]);
        }
        if n == 0 {
            world.succeed(&today, &["promote", "challenger"]);
        }
        if n == play.promotion {
            note(
                "comparing",
                world.killed_when(&today, &["promote", "challenger"], |root| any(&root.join("runs"), &["compare-"])),
            );
            note(
                "writing the ledger",
                world.killed_when(&today, &["promote", "challenger"], |root| {
                    std::fs::read_to_string(root.join("champion_manifest.csv"))
                        .is_ok_and(|text| text.lines().count() > 2)
                        || root.join("champion_manifest.csv.partial").exists()
                }),
            );
            // What is killed while it became champion is champion, or can become it.
            let out = world.run(&today, &["promote", "challenger"]);
            assert!(out.status.success() || world.run(&today, &["promote", "champion"]).status.success());
        }
        for (name, moment) in MOMENTS {
            // A state that is there from the start says nothing of this run.
            let before = moment(&world.root());
            note(name, !before && world.killed_when(&today, &["pipeline"], moment));
        }
        // Twice at once: one works, the other waits for it, or says that somebody works and leaves.
        let mut children = [world.start(&today, &["pipeline"]), world.start(&today, &["pipeline"])];
        for child in &mut children {
            let code = child.wait().expect("the child ends").code();
            assert!(matches!(code, Some(0 | 3)), "{code:?}");
        }
        world.succeed(&today, &["pipeline"]);
    }
    hit
}

fn sampling(root: &Path) -> bool {
    std::fs::read_dir(root.join("runs"))
        .is_ok_and(|entries| entries.flatten().any(|entry| any(&entry.path().join("draws"), &[".safetensors"])))
}

#[test]
fn a_replay_disturbed_in_every_way_ends_as_one_that_was_not() {
    ends_alike(&Play { first: "2022-09-30", fortnights: 12, promotion: 6, missed: 4 }, CONFIG);
}

/// The same over nearly two years, every fortnight scored. Takes minutes: `cargo test --test program two_years -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn two_years_disturbed_in_every_way_end_as_two_years_that_were_not() {
    let config = CONFIG.replace("for_weeks = 10", "for_weeks = 100");
    ends_alike(&Play { first: "2022-05-31", fortnights: 41, promotion: 20, missed: 9 }, &config);
}

fn ends_alike(play: &Play, config: &str) {
    let world = World::new(300, config);
    undisturbed(&world, play);
    let aside = world.put_aside("undisturbed");
    world.begin(config);
    let hit = disturbed(&world, play);
    for name in MOMENTS.iter().map(|(name, _)| *name).chain(["sampling", "publishing", "comparing"]) {
        assert!(hit.contains(&name), "no kill while {name}: {hit:?}");
    }
    println!("{} kills, at {} moments", hit.len(), hit.iter().collect::<std::collections::BTreeSet<_>>().len());
    let (wanted, found) = (state_of(&aside), state_of(&world.root()));
    let names = |files: &std::collections::BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&wanted), names(&found));
    for (name, bytes) in &wanted {
        assert!(
            found[name] == *bytes,
            "{name} differs:\n{}\n{}",
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(&found[name])
        );
    }
    // It was no empty play: snapshots, most of them judged, and two champions.
    let count = |ending: &str| wanted.keys().filter(|name| name.ends_with(ending)).count();
    println!("{} snapshots, {} judged, {} files compared", count("snapshot.json"), count("monitor.json"), wanted.len());
    assert!(count("snapshot.json") >= 8 && count("monitor.json") >= 4, "{:?}", names(&wanted));
    assert_eq!(String::from_utf8_lossy(&wanted["champion_manifest.csv"]).lines().count(), 3);
}
