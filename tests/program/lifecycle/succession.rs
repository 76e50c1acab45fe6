//! Models that begin where earlier ones ended: named after what they are made of, made again when those are gone, and cold where they must.

use std::fs;

use super::world::World;

const CONFIG: &str = "[lifecycle]\nprediction_months = 3\n";

/// A project that knows half a year of 2023, with a model of 2022 that began cold.
fn with_model(config: &str) -> (World, String) {
    let world = World::new(300, config);
    world.arrive("2023-06-30", |line| Some(line.to_owned()));
    let made = world.json("2023-07-01", &["train", "--cutoff", "2022-12-31"]);
    (world, made["id"].as_str().expect("an id").to_owned())
}

fn card(world: &World, id: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(world.path(&format!("models/{id}/card.json"))).expect("a card")).expect("JSON")
}

fn train(world: &World, more: &[&str]) -> (String, bool) {
    let made = world.json("2023-07-01", &[&["train", "--cutoff", "2023-01-31"], more].concat());
    (made["id"].as_str().expect("an id").to_owned(), made["is_new"] == true)
}

const WARM: [&str; 2] = ["--warm-start", "challenger"];

#[test]
fn a_model_begun_warm_says_so_and_is_made_again_without_the_earlier_one() {
    let (world, first) = with_model(CONFIG);
    let (second, is_new) = train(&world, &WARM);
    let card_of = card(&world, &second);
    assert!(is_new && card_of["warm_start"]["from"] == first.as_str(), "{}", card_of["warm_start"]);
    assert!(card_of.get("cold_because").is_none() && card(&world, &first).get("warm_start").is_none());
    let page = fs::read_to_string(world.path(&format!("models/{second}/card.md"))).expect("a page");
    assert!(page.contains(&format!("began warm from {first} (which began cold;")), "{page}");
    assert!(
        !world
            .path("runs")
            .read_dir()
            .expect("a folder")
            .flatten()
            .any(|e| e.file_name().to_string_lossy().starts_with("train-"))
    );

    // Done again it is the same; the challenger is that model itself now.
    assert_eq!(train(&world, &WARM), (second.clone(), false));
    // Begun cold it is another.
    let (cold, is_new) = train(&world, &[]);
    assert!(is_new && cold != second);
    // And begun from the cold one of the same day: it is that.
    assert_eq!(train(&world, &["--warm-start", &cold]), (cold.clone(), false));

    // Made again, with the earlier model and all draws gone.
    fs::remove_dir_all(world.path(&format!("models/{first}"))).expect("a model");
    fs::remove_dir_all(world.path(&format!("models/{second}/run"))).expect("its draws");
    let again = world.json("2023-07-02", &["reproduce", &second]);
    assert_eq!(again["outcome"], "identical", "{again}");
    // Not without what it was given.
    fs::remove_file(world.path(&format!("models/{second}/warm_start.json"))).expect("what it was given");
    let said = world.ends(2, "2023-07-02", &["reproduce", &second]);
    assert!(said.contains("what the run was begun from is gone"), "{said}");
}

#[test]
fn where_it_makes_no_sense_it_is_refused_or_cold_and_the_card_says_why() {
    let (world, first) = with_model(CONFIG);
    let said = world.ends(2, "2023-07-01", &["train", "--warm-start", "champion"]);
    assert!(said.contains("there is no champion yet"), "{said}");
    let (id, _) = train(&world, &["--warm-start", "champion", "--or-cold"]);
    assert!(card(&world, &id)["cold_because"].as_str().is_some_and(|why| why.contains("no champion yet")));
    // The same as if nobody had wished for anything.
    assert_eq!(train(&world, &[]), (id.clone(), false));
    fs::remove_dir_all(world.path(&format!("models/{id}"))).expect("a model");

    // A prior was changed over night.
    let config = world.path("longrun.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, format!("{text}[purchase.priors]\nr = {{ dist = \"half_normal\", scale = 3.0 }}\n"))
        .expect("writable");
    let said = world.ends(2, "2023-07-01", &["train", "--cutoff", "2023-01-31", "--warm-start", &first]);
    assert!(said.contains("purchase.priors.r is { dist = \"half_normal\", scale = 3.0 } here"), "{said}");
    let (id, is_new) = train(&world, &["--warm-start", &first, "--or-cold"]);
    let why = card(&world, &id)["cold_because"].to_string();
    assert!(is_new && why.contains("purchase.priors.r"), "{why}");
    assert_eq!(world.json("2023-07-02", &["reproduce", &id])["outcome"], "identical");

    // A group is new: only the data say so.
    let grouped = "[groups]\nby = \"column\"\ncolumn = \"group\"\n";
    fs::write(&config, format!("{text}{grouped}")).expect("writable");
    let earlier = world.json("2023-07-01", &["train", "--cutoff", "2022-12-31"]);
    let earlier = earlier["id"].as_str().expect("an id");
    world.arrive("2023-06-30", |line| {
        // A late correction: some customers belong to a third shop.
        let (rest, group) = line.rsplit_once(',')?;
        let moved = rest.split(',').next()?.ends_with('7');
        Some(if moved { format!("{rest},harbour") } else { format!("{rest},{group}") })
    });
    let said = world.ends(2, "2023-07-01", &["train", "--cutoff", "2023-01-31", "--warm-start", earlier]);
    assert!(said.contains("`harbour` is new"), "{said}");
    let (id, _) = train(&world, &["--warm-start", earlier, "--or-cold"]);
    assert!(card(&world, &id)["cold_because"].as_str().is_some_and(|why| why.contains("`harbour` is new")));
    let left: Vec<String> = world
        .path("runs")
        .read_dir()
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(id.as_str()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Killed while it reads, while it draws, and while it judges: the same model, from the same place.
#[test]
fn a_training_begun_warm_goes_on_where_it_was_killed() {
    let (world, _) = with_model(CONFIG);
    let (expected, _) = train(&world, &WARM);
    let draws = |id: &str| {
        let card = card(&world, id);
        card["fits"].as_array().expect("fits").iter().map(|fit| fit["draws_sha256"].clone()).collect::<Vec<_>>()
    };
    let digests = draws(&expected);
    fs::remove_dir_all(world.path(&format!("models/{expected}"))).expect("a model");
    let first =
        world.path("models").read_dir().expect("models").flatten().find(|e| e.path().is_dir()).expect("the first");
    let first = first.file_name().to_string_lossy().into_owned();
    fs::write(world.path("models/challenger"), format!("{first}\n")).expect("writable");
    let args = ["train", "--cutoff", "2023-01-31", WARM[0], WARM[1], "--or-cold"];
    let work = format!("runs/train-{expected}");
    let mut kills = 0;
    for file in ["plan.toml", "facts.json", "draws/manifest.json", "warm.json", "diagnostics.json"] {
        let there = format!("{work}/{file}");
        kills += usize::from(world.killed_when("2023-07-01", &args, |root| root.join(&there).exists()));
    }
    assert!(kills >= 3, "it was killed {kills} times only");
    assert_eq!(train(&world, &[WARM[0], WARM[1], "--or-cold"]).0, expected);
    assert_eq!(draws(&expected), digests);
}
