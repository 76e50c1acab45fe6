//! What a project keeps: models that can be made again, a ledger that shows when it is touched, alarms, and what may go.

use std::fs;

use super::world::World;

const CONFIG: &str = "[lifecycle]\nprediction_months = 3\n[lifecycle.schedule]\nevery_days = 28\nfor_weeks = 100\n";

fn with_champion(config: &str) -> World {
    let world = World::new(300, config);
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    world.succeed("2023-01-15", &["train", "--cutoff", "2022-12-31"]);
    world.succeed("2023-01-15", &["promote", "challenger", "--note", "=1+1"]);
    world
}

/// One altered transaction: refused, and it says what differs; put back, it is the same to the last bit.
#[test]
fn a_past_champion_is_made_again_or_it_says_why_not() {
    let world = with_champion(CONFIG);
    let found = world.json("2023-07-01", &["reproduce", "champion"]);
    assert_eq!(found["outcome"], "identical");
    assert!(found["figures"].as_array().is_some_and(|f| f.len() > 10 && f.iter().all(|row| row["differs"] == false)));
    // A cent more in the first repeat purchase of the log.
    let (last, left) = (std::cell::RefCell::new(String::new()), std::cell::Cell::new(1));
    world.arrive("2023-06-30", |line| {
        let customer = line.split(',').next()?.to_owned();
        let repeat = last.replace(customer.clone()) == customer;
        let known = line.split(',').nth(1)? <= "2022-12-31";
        let altered = repeat && known && left.replace(0) == 1;
        let (rest, group) = line.rsplit_once(',')?;
        let (rest, amount) = rest.rsplit_once(',')?;
        let amount: f64 = amount.parse().ok()?;
        Some(if altered { format!("{rest},{:.2},{group}", amount + 0.01) } else { line.to_owned() })
    });
    let said = world.ends(1, "2023-07-01", &["reproduce", "champion"]);
    assert!(said.contains("NOT REPRODUCED") && said.contains("data: 20"), "{said}");
    let anyway = world.ends(0, "2023-07-01", &["reproduce", "champion", "--anyway"]);
    assert!(anyway.contains("agrees within Monte Carlo error"), "{anyway}");
    // Later purchases are not the model's data.
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    world.arrive("2023-07-20", |line| Some(line.to_owned()));
    assert_eq!(world.json("2023-07-21", &["reproduce", "champion"])["outcome"], "identical");
}

#[test]
fn a_touched_ledger_stops_everything_that_trusts_it() {
    let world = with_champion(CONFIG);
    let path = world.path("champion_manifest.csv");
    let written = fs::read_to_string(&path).expect("a ledger");
    assert!(written.contains("'=1+1"), "text from people is no formula: {written}");
    fs::write(&path, written.replacen("pass", "PASS", 1)).expect("writable");
    for command in [&["score"][..], &["pipeline"], &["history"], &["promote", "champion"], &["prune"]] {
        let said = world.ends(2, "2023-07-01", command);
        assert!(said.contains("champion_manifest.csv"), "{command:?}: {said}");
    }
    // Cut short it shows too: the project remembers its last row.
    let header = written.lines().next().expect("a header");
    fs::write(&path, format!("{header}\n")).expect("writable");
    let said = world.ends(2, "2023-07-01", &["pipeline"]);
    assert!(said.contains("champion_manifest.csv"), "{said}");
    fs::write(&path, written).expect("writable");
    world.succeed("2023-07-01", &["pipeline"]);
}

/// Half of the customers leave, and prices rise: the alarm has its files and its exit code, is told once, and recommends a search when it comes again.
#[test]
fn a_change_of_behaviour_raises_an_alarm() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let told = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().expect("a message");
        let mut text = vec![0; 4096];
        let n = stream.read(&mut text).expect("readable");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("writable");
        String::from_utf8_lossy(&text[..n]).into_owned()
    });
    let config = format!("{CONFIG}[lifecycle.webhook]\nurl = \"http://{address}/hook\"\n");
    let world = with_champion(&config);
    // From the day of the cutoff on, every other customer stays away, and the rest pay five times as much.
    world.arrive("2023-06-30", |line| {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[1] <= "2022-12-31" {
            return Some(line.to_owned());
        }
        let number: u32 = cells[0].trim_start_matches('C').parse().ok()?;
        let amount: f64 = cells[2].parse().ok()?;
        number.is_multiple_of(2).then(|| format!("{},{},{:.2},{}", cells[0], cells[1], 5.0 * amount, cells[3]))
    });
    // A project that was fetched from a bucket has no empty folders.
    fs::remove_dir(world.path("alerts")).expect("an empty folder");
    let said = world.ends(
        1,
        "2023-07-01",
        &["pipeline", "--fail-on-alert", "--set", "lifecycle.schedule.max_data_lag_days=30"],
    );
    assert!(said.contains("ALARM 2022-12-31_pred3m") && said.contains("told 127.0.0.1"), "{said}");
    assert!(said.contains("time for `longrun grid`"), "{said}");
    let message = told.join().expect("told");
    assert!(message.starts_with("POST /hook") && message.to_lowercase().contains("x-longrun-delivery"), "{message}");
    let markdown = fs::read_to_string(world.path("alerts/2022-12-31_pred3m.md")).expect("an alert");
    for part in [
        "## What moved",
        "**breach**",
        "## Whose value is mispredicted",
        "## Likely causes",
        "## Next steps",
        "longrun reproduce",
    ] {
        assert!(markdown.contains(part), "{part} is missing in {markdown}");
    }
    let alert: serde_json::Value =
        serde_json::from_slice(&fs::read(world.path("alerts/2022-12-31_pred3m.json")).expect("its twin"))
            .expect("JSON");
    assert_eq!(alert["monitor"]["breach"], true);
    // Nothing is due any more, and judging again says the same in the same bytes.
    let before = super::world::state_of(&world.root());
    let loose = ["--set", "lifecycle.schedule.max_data_lag_days=30"];
    world.succeed("2023-07-01", &[&["pipeline"][..], &loose].concat());
    // It stands: who tries the failed run again is told the same.
    let again = world.ends(1, "2023-07-01", &[&["pipeline", "--fail-on-alert"][..], &loose].concat());
    assert!(again.contains("stands"), "{again}");
    world.ends(1, "2023-07-01", &["monitor", "--fail-on-alert"]);
    assert_eq!(before, super::world::state_of(&world.root()));
}

/// What has been kept long enough goes when it is asked for; champions, ledgers, cards and unlabelled predictions stay.
#[test]
fn pruning_takes_what_is_old_and_nothing_else() {
    let world = with_champion(CONFIG);
    world.succeed("2023-07-01", &["train", "--cutoff", "2022-11-30"]);
    world.succeed("2023-07-01", &["pipeline"]);
    world.succeed("2023-07-01", &["train"]);
    let plan = world.json("2024-06-01", &["prune"]);
    assert_eq!(
        (&plan["removed"], plan["removals"].as_array().map(Vec::len)),
        (&serde_json::json!(false), Some(13)),
        "{plan}"
    );
    assert!(world.has("outputs/2022-12-31_pred3m/clv_predictions_2022-12-31_pred3m.csv"));
    world.succeed("2024-06-01", &["prune", "--yes"]);
    assert!(!world.has("outputs/2022-12-31_pred3m/clv_predictions_2022-12-31_pred3m.csv"));
    assert!(world.has("outputs/2022-12-31_pred3m/outcome.json"));
    let models = |world: &World| -> Vec<(String, bool)> {
        let mut found: Vec<(String, bool)> = fs::read_dir(world.path("models"))
            .expect("models")
            .flatten()
            .filter(|e| e.path().is_dir())
            .map(|e| (e.file_name().to_string_lossy()[..10].to_owned(), e.path().join("run/draws").exists()))
            .collect();
        found.sort();
        found
    };
    let named = |rows: &[(&str, bool)]| rows.iter().map(|(day, kept)| ((*day).to_owned(), *kept)).collect::<Vec<_>>();
    // The champion of 2022-12-31 and the challenger of 2023-06-30 keep their draws.
    assert_eq!(models(&world), named(&[("2022-11-30", false), ("2022-12-31", true), ("2023-06-30", true)]));
    assert_eq!(world.json("2024-06-01", &["prune"])["removals"], serde_json::json!([]));
    // Draws that are gone come back from the card, equal.
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    assert_eq!(world.json("2024-06-01", &["reproduce", "2022-11-30", "--keep"])["outcome"], "identical");
    assert_eq!(models(&world)[0], ("2022-11-30".to_owned(), true));
    // Cards outlive draws by years, but not for ever; a champion's card never goes.
    world.succeed("2031-01-01", &["prune", "--yes"]);
    assert_eq!(models(&world), named(&[("2022-12-31", true), ("2023-06-30", true)]));
}

/// Groups that a champion never met are predicted, week after week.
#[test]
fn new_cohorts_are_predicted_by_a_champion_that_never_met_them() {
    let config = format!("[groups]\nby = \"cohort\"\ncohort_days = 60\n{CONFIG}");
    let world = with_champion(&config);
    let scored = world.json("2023-07-01", &["score", "--cutoff", "2023-06-30"]);
    let new = scored["snapshot"]["new_groups"].as_u64().expect("a number");
    assert!(new >= 2, "{new} new cohorts");
    let text = fs::read_to_string(world.path("outputs/2023-06-30_pred3m/clv_predictions_2023-06-30_pred3m.csv"))
        .expect("predictions");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let value = rows[0].iter().position(|c| *c == "value_mean").expect("a column");
    assert!(rows.len() > 250 && rows[1..].iter().all(|row| row[value].parse::<f64>().is_ok_and(|v| v > 0.0)));
}

/// Mistakes are named, and cost nothing.
#[test]
fn mistakes_are_told_where_they_are() {
    let world = World::new(100, "");
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    let said = |code, args: &[&str]| world.ends(code, "2023-07-01", args);
    for (args, part) in [
        (&["promote", "challenger"][..], "there is no challenger yet"),
        (&["promote", "nobody"], "there is no such model"),
        (&["promote", "../run"], "there is no such model"),
        (&["pipeline"], "there is no champion yet"),
        (&["train", "--cutoff", "2030-01-01"], "the cutoff must lie within the data"),
        (&["train", "--set", "data.calibration_end=2023-01-01"], "data.calibration_end must be left out"),
        (&["train", "--set", "lifecycle.prediction_months=0"], "lifecycle.prediction_months must be between 1 and 120"),
        (&["monitor"], "no snapshot is labelled yet"),
        (&["monitor", "yesterday"], "this is no snapshot's name"),
        (&["reproduce", "champion"], "there is no champion yet"),
    ] {
        let told = said(2, args);
        assert!(told.contains(part), "{args:?}: {told}");
    }
    let elsewhere = crate::support::longrun(&world.root().join("data"), &["train"]);
    assert!(crate::support::stderr(&elsewhere).contains("there is no project here"));
    // Twelve months of 18 are too long to be judged before the cutoff: no baseline, and it takes a word to promote such a model.
    said(0, &["train", "--cutoff", "2022-11-30", "--set", "lifecycle.prediction_months=18"]);
    assert!(said(2, &["promote", "challenger"]).contains("--without-baseline"));
    said(0, &["promote", "challenger", "--without-baseline"]);
}
