//! Failures that an engine of this kind is known for in public, each tried here.

use super::world::World;

const CONFIG: &str = "[lifecycle]\nprediction_months = 3\n";

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

/// Baseline out of time; customers without purchases labelled 0; a labelled file never taken for predictions; the cutoff that the card's
/// command needs exists and is the card's.
#[test]
fn baselines_labels_and_files_are_what_they_are_called() {
    let world = World::new(300, CONFIG);
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    let trained = world.json("2023-07-01", &["train", "--cutoff", "2022-12-31"]);
    let evaluation = &trained["evaluation"];
    assert_eq!(evaluation["of"], "this_model");
    assert_eq!(
        (evaluation["cutoff"].as_str(), evaluation["window_end"].as_str()),
        (Some("2022-12-31"), Some("2023-04-01"))
    );
    // At the end of the data there is no window to come: the same configuration is judged on the last window that is over.
    let latest = world.json("2023-07-01", &["train"]);
    assert_eq!(latest["evaluation"]["of"], "one_window_earlier");
    assert_eq!(latest["evaluation"]["cutoff"], "2023-03-31");
    assert_eq!(latest["evaluation"]["window_end"], "2023-06-30");
    assert_ne!(latest["evaluation"]["accuracy"], evaluation["accuracy"]);
    // The same again is the same model.
    let again = world.json("2023-07-02", &["train", "--cutoff", "2022-12-31"]);
    assert_eq!((&again["id"], &again["is_new"]), (&trained["id"], &serde_json::json!(false)));

    let id = trained["id"].as_str().expect("an id");
    world.succeed("2023-07-01", &["promote", id]);
    world.succeed("2023-07-01", &["pipeline"]);
    let name = "2022-12-31_pred3m";
    let folder = world.path("outputs").join(name);
    let labelled = std::fs::read_to_string(folder.join(format!("clv_labelled_{name}.csv"))).expect("labels");
    let rows = rows(&labelled);
    let column = |name: &str| rows[0].iter().position(|c| *c == name).expect("a column");
    let (purchases, value) = (column("actual_purchases"), column("actual_value"));
    assert!(rows.iter().all(|row| row.iter().all(|cell| !cell.is_empty() && *cell != "NaN")));
    let silent = rows[1..].iter().filter(|row| row[purchases] == "0").count();
    assert!(
        silent > 50 && rows[1..].iter().filter(|row| row[purchases] == "0").all(|row| row[value] == "0"),
        "{silent}"
    );
    let predictions = std::fs::read_to_string(folder.join(format!("clv_predictions_{name}.csv"))).expect("predictions");
    assert_eq!(predictions.lines().count(), rows.len(), "everyone who was predicted is labelled");

    // Labels beside predictions, and copies of them under any name, are no snapshots: nothing is due.
    std::fs::copy(
        folder.join(format!("clv_labelled_{name}.parquet")),
        folder.join("clv_predictions_2023-01-07_pred3m.parquet"),
    )
    .expect("a copy");
    let plan = world.json("2023-07-01", &["pipeline", "--dry-run"]);
    assert_eq!(plan["actions"], serde_json::json!([]));

    // The command in the card works as it stands.
    let card: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.path("models").join(id).join("card.json")).expect("a card"))
            .expect("JSON");
    let command: Vec<&str> = card["reproduce"].as_str().expect("a command").split(' ').collect();
    assert_eq!(command[..2], ["longrun", "reproduce"]);
    let said = world.succeed("2023-07-03", &command[1..]);
    assert!(said.contains("every draw is equal to the last bit"), "{said}");
}

/// A model is never asked about a time before its own cutoff: its predictions would be memories.
#[test]
fn no_champion_predicts_what_it_has_seen() {
    let world = World::new(200, CONFIG);
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    world.ends(2, "2023-07-01", &["score"]);
    world.succeed("2023-07-01", &["train", "--cutoff", "2023-03-31"]);
    world.succeed("2023-07-01", &["promote", "challenger"]);
    let said = world.ends(2, "2023-07-01", &["score", "--cutoff", "2022-12-31"]);
    assert!(said.contains("every champion has learned from days after this cutoff"), "{said}");
    // With an earlier champion in the ledger, that one predicts.
    world.succeed("2023-07-01", &["train", "--cutoff", "2022-11-30"]);
    world.succeed("2023-07-01", &["promote", "challenger"]);
    world.succeed("2023-07-01", &["promote", "--rollback"]);
    let scored = world.json("2023-07-01", &["score", "--cutoff", "2022-12-31"]);
    assert!(scored["snapshot"]["model_id"].as_str().is_some_and(|id| id.starts_with("2022-11-30")), "{scored}");
    // Comparing with a champion that knows later days fits its configuration anew.
    let compared = world.json("2023-07-01", &["promote", "2022-11-30", "--dry-run"]);
    assert_eq!(compared["of_champion"], "one_window_earlier");
}

/// Silence that is no silence: data that have not arrived are waited for.
#[test]
fn late_data_are_waited_for() {
    let world = World::new(200, CONFIG);
    world.arrive("2022-12-31", |line| Some(line.to_owned()));
    world.succeed("2023-01-01", &["train", "--cutoff", "2022-09-30"]);
    world.succeed("2023-01-01", &["promote", "challenger"]);
    let plan = world.json("2023-02-01", &["pipeline"]);
    let waiting = &plan["done"]["waiting"];
    assert_eq!(waiting["cutoff"], "2023-01-22", "{plan}");
    assert!(world.has("outputs/2022-12-23_pred3m/snapshot.json") && !world.has("outputs/2023-01-22_pred3m"));
    let said = world.ends(2, "2023-02-01", &["score", "--cutoff", "2023-01-22"]);
    assert!(said.contains("would take silence for lost customers"), "{said}");
    // For so long, and then it is a failure.
    let said = world.ends(2, "2023-02-06", &["pipeline"]);
    assert!(said.contains("the data have not arrived for 15 days"), "{said}");
    // A log that was cut is no log of lost customers.
    world.arrive("2023-01-31", |line| (line < "C00150").then(|| line.to_owned()));
    let said = world.ends(2, "2023-02-01", &["pipeline"]);
    assert!(said.contains("are no longer in the log: it has most likely been cut"), "{said}");
    assert!(!world.has("outputs/2023-01-22_pred3m"));
    world.arrive("2023-01-31", |line| Some(line.to_owned()));
    let plan = world.json("2023-02-01", &["pipeline"]);
    assert_eq!(plan["done"]["waiting"], serde_json::Value::Null);
    assert!(world.has("outputs/2023-01-22_pred3m/snapshot.json"));
}
