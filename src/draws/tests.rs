//! What the store promises, tried: bits survive, a kill at any step leaves a commit, a full disk costs nothing, damage is
//! named, equal runs are equal bytes.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array3, s};
use serde_json::json;

use super::{DrawStore, FitDraws, thinned_rows};
use crate::target::{Checkpoint, DrawBlock, DrawSink, Schema, SinkError, Variable};

const CHAINS: usize = 3;
const DIM: usize = 4;
const PER_BLOCK: usize = 5;

fn schema() -> Schema {
    let variable = |name: &str, dims: &[&str]| Variable {
        name: name.into(),
        dims: dims.iter().map(|d| (*d).to_owned()).collect(),
    };
    Schema {
        variables: vec![variable("mu", &[]), variable("alpha", &["cohort", "k"]), variable("zeta", &["cohort"])],
        coords: BTreeMap::from([
            ("cohort".into(), vec!["1997-01-01".into(), "1997-01-08".into()]),
            ("k".into(), vec!["r".into(), "a".into(), "b".into()]),
        ]),
        unconstrained: (0..DIM).map(|i| format!("u{i}")).collect(),
    }
}

/// Values that a careless format would change: NaN with a payload, infinities, subnormals, negative zero.
fn awkward(ix: usize) -> f64 {
    match ix % 7 {
        0 => f64::from_bits(0x7ff8_0000_0000_0abc),
        1 => f64::NEG_INFINITY,
        2 => f64::from_bits(1),
        3 => -0.0,
        4 => f64::MAX,
        _ => (ix as f64).sqrt() - 3.0,
    }
}

struct Block {
    first_draw: u64,
    unconstrained: Array3<f64>,
    constrained: Array3<f64>,
    stats: Vec<(&'static str, Array2<f64>)>,
}

/// The `n`-th block of a sampler that never varies; block 0 is a warm-up checkpoint without draws.
fn block(n: usize) -> (Block, Checkpoint) {
    let draws = if n == 0 { 0 } else { PER_BLOCK };
    let first_draw = (n.saturating_sub(1) * PER_BLOCK) as u64;
    let filled = |width: usize, salt: usize| {
        Array3::from_shape_fn((CHAINS, draws, width), |(c, d, k)| awkward(c * 101 + d * 13 + k + salt + n))
    };
    let stats = vec![
        ("lp", filled(1, 3).index_axis_move(ndarray::Axis(2), 0)),
        ("diverging", Array2::from_elem((CHAINS, draws), 0.0)),
    ];
    let size = schema().size();
    (
        Block { first_draw, unconstrained: filled(DIM, 0), constrained: filled(size, 1), stats },
        Checkpoint { draws_done: first_draw + draws as u64, state: vec![n as u8; 40 + n] },
    )
}

fn commit(sink: &mut impl DrawSink, n: usize) -> Result<(), SinkError> {
    let (b, checkpoint) = block(n);
    let view = DrawBlock {
        first_draw: b.first_draw,
        unconstrained: b.unconstrained.view(),
        constrained: b.constrained.view(),
        stats: &b.stats,
    };
    sink.commit(&view, &checkpoint)
}

/// Runs or continues the fit up to block `last`, as a sampler would: from the checkpoint's own state.
fn run(store: &mut DrawStore, last: usize) -> Result<(), SinkError> {
    let from = store.checkpoint("purchase").map_err(SinkError)?.map_or(0, |c| usize::from(c.state[0]) + 1);
    let mut writer = store.writer("purchase", &schema(), CHAINS, DIM).map_err(SinkError)?;
    (from..=last).try_for_each(|n| commit(&mut writer, n))
}

fn identity() -> serde_json::Value {
    json!({ "plan": "abc", "seed": 7 })
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn bits<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<u64> {
    values.into_iter().map(|x| x.to_bits()).collect()
}

/// That `draws` are the first `blocks` blocks, bit for bit.
fn assert_holds(draws: &FitDraws, blocks: usize) {
    assert_eq!(draws.draws, blocks * PER_BLOCK);
    for n in 1..=blocks {
        let (b, _) = block(n);
        let held = (n - 1) * PER_BLOCK..n * PER_BLOCK;
        assert_eq!(bits(draws.constrained.slice(s![.., held.clone(), ..])), bits(&b.constrained));
        assert_eq!(bits(draws.unconstrained.slice(s![.., held.clone(), ..])), bits(&b.unconstrained));
        for (name, values) in &b.stats {
            assert_eq!(bits(draws.stats[*name].slice(s![.., held.clone()])), bits(values), "{name}");
        }
    }
}

/// Strips of elements, however narrow, are the columns of the whole, bit for bit, across variables and shards.
#[test]
fn columns_are_those_of_the_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let mut store = DrawStore::create(&scratch.path().join("draws"), identity()).unwrap();
    run(&mut store, 3).unwrap();
    let whole = store.read("purchase").unwrap();
    let columns = store.columns("purchase").unwrap();
    let size = whole.schema.size();
    assert_eq!((columns.chains(), columns.draws(), columns.elements_within(1)), (CHAINS, 3 * PER_BLOCK, 1));
    for width in [1, 2, 4, size] {
        for start in (0..size).step_by(width) {
            let held = start..(start + width).min(size);
            let strip = columns.read(held.clone()).unwrap();
            let expected = whole.constrained.slice(s![.., .., held.clone()]).permuted_axes([2, 0, 1]);
            assert_eq!(bits(&strip), bits(expected), "{held:?}");
        }
    }
    let stats = columns.stats().unwrap();
    assert_eq!(stats.keys().collect::<Vec<_>>(), whole.stats.keys().collect::<Vec<_>>());
    assert!(stats.iter().all(|(name, values)| bits(values) == bits(&whole.stats[name])));
    let files: u64 = store.entry("purchase").unwrap().shards.iter().map(|s| s.bytes).sum();
    assert!(columns.bytes_read() > files, "the files were read once for their checksums");
}

/// Wide rows are skipped through rather than read.
#[test]
fn a_narrow_strip_of_wide_rows_reads_little() {
    let scratch = tempfile::tempdir().unwrap();
    let mut store = DrawStore::create(&scratch.path().join("draws"), identity()).unwrap();
    let width = 2000;
    let schema = Schema {
        variables: vec![Variable { name: "x".into(), dims: vec!["i".into()] }],
        coords: BTreeMap::from([("i".into(), (0..width).map(|i| i.to_string()).collect())]),
        unconstrained: vec![],
    };
    let values = Array3::from_shape_fn((2, 7, width), |(c, t, i)| (c * 1_000_000 + t * 10_000 + i) as f64);
    let unconstrained = Array3::zeros((2, 7, 0));
    let block = DrawBlock {
        first_draw: 0,
        unconstrained: unconstrained.view(),
        constrained: values.view(),
        stats: &[("lp", Array2::zeros((2, 7)))],
    };
    let checkpoint = Checkpoint { draws_done: 7, state: vec![] };
    store.writer("purchase", &schema, 2, 0).unwrap().commit(&block, &checkpoint).unwrap();
    let columns = store.columns("purchase").unwrap();
    let before = columns.bytes_read();
    let strip = columns.read(1500..1503).unwrap();
    assert_eq!(strip[[1, 1, 3]], 1_031_501.0);
    assert_eq!(columns.bytes_read() - before, 2 * 7 * 3 * 8);
}

#[test]
fn columns_of_a_damaged_file_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("draws");
    let mut store = DrawStore::create(&dir, identity()).unwrap();
    run(&mut store, 2).unwrap();
    let path = dir.join("purchase-00002.safetensors");
    let mut content = std::fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&path, content).unwrap();
    let error = store.columns("purchase").unwrap_err().to_string();
    assert!(error.contains("purchase-00002") && error.contains("SHA-256"), "{error}");
}

#[test]
fn every_bit_comes_back() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run/draws");
    let mut store = DrawStore::create(&dir, identity()).unwrap();
    run(&mut store, 3).unwrap();
    store.finish("purchase", json!({ "warmup": 10 })).unwrap();

    let store = DrawStore::open(&dir).unwrap();
    store.verify().unwrap();
    assert_eq!((store.fits(), store.is_complete("purchase")), (vec!["purchase"], true));
    assert_eq!(store.identity(), &identity());
    assert_eq!(store.entry("purchase").unwrap().report, Some(json!({ "warmup": 10 })));
    assert_eq!(store.checkpoint("purchase").unwrap(), Some(block(3).1));
    assert_eq!(store.checkpoint("spend").unwrap(), None);

    let all = store.read("purchase").unwrap();
    assert_holds(&all, 3);
    // alpha[1997-01-08, a] is the fifth of alpha's six elements, the sixth value of a row.
    assert_eq!(bits(all.variable("alpha").unwrap().slice(s![.., .., 4])), bits(all.constrained.slice(s![.., .., 5])));
    assert!(all.variable("beta").is_none());

    let shards: Vec<_> = store.shards("purchase").unwrap().map(Result::unwrap).collect();
    assert_eq!(shards.iter().map(|s| (s.first_draw, s.draws)).collect::<Vec<_>>(), [(0, 5), (5, 5), (10, 5)]);
    for n in [1, 7, 44, 45, 1000] {
        assert_eq!(bits(&store.thinned("purchase", n).unwrap()), bits(&all.thinned(n)), "{n}");
    }
}

#[test]
fn a_shard_is_laid_out_as_documented() {
    let scratch = tempfile::tempdir().unwrap();
    let mut store = DrawStore::create(scratch.path(), identity()).unwrap();
    run(&mut store, 1).unwrap();
    let bytes = std::fs::read(scratch.path().join("purchase-00001.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut seen: Vec<_> = tensors.iter().map(|(name, t)| (name.to_owned(), t.shape().to_vec())).collect();
    seen.sort();
    let expected = [
        ("alpha", vec![3, 5, 2, 3]),
        ("mu", vec![3, 5]),
        ("sample_stats.diverging", vec![3, 5]),
        ("sample_stats.lp", vec![3, 5]),
        ("unconstrained", vec![3, 5, 4]),
        ("zeta", vec![3, 5, 2]),
    ];
    assert_eq!(seen, expected.map(|(name, shape)| (name.to_owned(), shape)));
}

#[test]
fn thinning_is_even_over_chains_and_draws() {
    assert_eq!(thinned_rows(2, 6, 4), [(0, 1), (0, 4), (1, 1), (1, 4)]);
    assert_eq!(thinned_rows(2, 2, 9), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    assert_eq!(thinned_rows(4, 1000, 1000).iter().filter(|(chain, _)| *chain == 2).count(), 250);
    assert!(thinned_rows(4, 0, 10).is_empty());
}

#[test]
fn equal_runs_are_equal_bytes_and_interruptions_leave_no_trace() {
    let scratch = tempfile::tempdir().unwrap();
    let straight = scratch.path().join("straight");
    let mut store = DrawStore::create(&straight, identity()).unwrap();
    run(&mut store, 3).unwrap();
    let expected = files(&straight);
    let names: Vec<_> = expected.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "manifest.json",
            "purchase-00001.safetensors",
            "purchase-00002.safetensors",
            "purchase-00003.safetensors",
            "purchase-checkpoint-00004.bin",
            "writer.lock"
        ]
    );

    // Killed after every single step of the whole run, and continued by a process that knows only the directory.
    let mut steps = 0;
    loop {
        let dir = scratch.path().join(format!("killed-{steps}"));
        let mut store = DrawStore::create(&dir, identity()).unwrap();
        store.fuse().kill_after(steps);
        let ended = run(&mut store, 3);
        let whole = ended.is_ok() && store.fuse().left() > 0;
        drop(store);

        let mut store = DrawStore::open(&dir).unwrap();
        store.verify().unwrap();
        let blocks = store.manifest().fits.get("purchase").map_or(0, |f| f.shards.len());
        if let Some(checkpoint) = store.checkpoint("purchase").unwrap() {
            // Draws and state are of the same commit.
            assert_eq!(checkpoint, block(blocks).1, "after {steps} steps");
            assert_holds(&store.read("purchase").unwrap(), blocks);
        }
        run(&mut store, 3).unwrap();
        drop(store);
        assert!(files(&dir) == expected, "after {steps} steps the continued run differs");
        if whole {
            break;
        }
        steps += 1;
    }
    // Three commits of draws have 15 steps each (2 files × 3, sync, manifest 3, sync, remove and more): far fewer would mean
    // that the loop above missed most of them.
    assert!(steps > 40, "only {steps} steps were tried");
}

#[test]
fn a_full_disk_costs_nothing_but_the_block() {
    let scratch = tempfile::tempdir().unwrap();
    for steps in 0..11 {
        let dir = scratch.path().join(steps.to_string());
        let mut store = DrawStore::create(&dir, identity()).unwrap();
        run(&mut store, 2).unwrap();
        let before = files(&dir);
        store.fuse().fill_after(steps);
        if let Err(error) = run(&mut store, 3) {
            let said = error.to_string();
            assert!(said.contains("the disk is full") && said.contains("longrun resume"), "{said}");
            assert!(files(&dir) == before, "the failed commit's files should be gone");
        }
        // Room again: the same process goes on, or another one does.
        store.fuse().fill_after(i64::MAX);
        run(&mut store, 3).unwrap();
        assert_holds(&DrawStore::open(&dir).unwrap().read("purchase").unwrap(), 3);
    }
}

#[test]
fn killed_before_the_first_manifest_begins_anew() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["manifest.json.partial", "writer.lock"] {
        std::fs::write(scratch.path().join(name), "{").unwrap();
    }
    assert!(DrawStore::open(scratch.path()).unwrap_err().to_string().contains("the manifest is missing"));
    let mut store = DrawStore::create(scratch.path(), identity()).unwrap();
    run(&mut store, 1).unwrap();
    assert_holds(&store.read("purchase").unwrap(), 1);
}

/// Not a test of its own: what the killed process of the next test does.
#[test]
#[ignore = "started and killed by `kill_9_leaves_a_commit`"]
fn commits_until_killed() {
    let Some(dir) = std::env::var_os("LONGRUN_DRAWS_KILL_DIR") else { return };
    let mut store = DrawStore::create(Path::new(&dir), identity()).unwrap();
    run(&mut store, 250).unwrap();
}

#[test]
fn kill_9_leaves_a_commit() {
    let scratch = tempfile::tempdir().unwrap();
    for wait_ms in [5, 30, 90] {
        let dir = scratch.path().join(wait_ms.to_string());
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "draws::tests::commits_until_killed", "--ignored"])
            .env("LONGRUN_DRAWS_KILL_DIR", &dir)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !dir.join("purchase-00001.safetensors").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child ended before its first block");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();

        let mut store = DrawStore::open(&dir).unwrap();
        store.verify().unwrap();
        let blocks = store.entry("purchase").unwrap().shards.len();
        assert_holds(&store.read("purchase").unwrap(), blocks);
        assert_eq!(store.checkpoint("purchase").unwrap(), Some(block(blocks).1));
        run(&mut store, blocks + 1).unwrap();
        assert_holds(&store.read("purchase").unwrap(), blocks + 1);
    }
}

#[test]
fn orphans_go_and_strangers_stay() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let mut store = DrawStore::create(dir, identity()).unwrap();
    run(&mut store, 1).unwrap();
    drop(store);
    let orphans = ["purchase-00002.safetensors", "spend-checkpoint-00009.bin", "manifest.json.partial"];
    for name in orphans.iter().chain(&["notes.txt", "my-draws.safetensors"]) {
        std::fs::write(dir.join(name), "x").unwrap();
    }
    // Looking does not touch anything: another process may be in the middle of a commit.
    let mut store = DrawStore::open(dir).unwrap();
    assert!(orphans.iter().all(|name| dir.join(name).exists()));
    store.writer("purchase", &schema(), CHAINS, DIM).unwrap();
    assert!(orphans.iter().all(|name| !dir.join(name).exists()));
    assert!(dir.join("notes.txt").exists() && dir.join("my-draws.safetensors").exists());
}

#[test]
fn damage_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    run(&mut DrawStore::create(dir, identity()).unwrap(), 2).unwrap();
    let shard = dir.join("purchase-00002.safetensors");
    let good = std::fs::read(&shard).unwrap();

    let mut bad = good.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    std::fs::write(&shard, &bad).unwrap();
    let store = DrawStore::open(dir).unwrap();
    for error in [store.verify().unwrap_err(), store.read("purchase").unwrap_err()] {
        assert!(error.to_string().contains("purchase-00002.safetensors: the file is damaged"), "{error}");
    }
    std::fs::write(&shard, &good[..100]).unwrap();
    let error = DrawStore::open(dir).unwrap_err().to_string();
    assert!(error.contains("purchase-00002.safetensors") && error.contains("found 100"), "{error}");
    std::fs::remove_file(&shard).unwrap();
    let error = DrawStore::open(dir).unwrap_err().to_string();
    assert!(error.contains("purchase-00002.safetensors: a file of the draws is missing"), "{error}");

    std::fs::write(&shard, &good).unwrap();
    let manifest = std::fs::read_to_string(dir.join("manifest.json")).unwrap();
    std::fs::write(dir.join("manifest.json"), manifest.replace("\"schema_version\": 1", "\"schema_version\": 9"))
        .unwrap();
    let error = DrawStore::open(dir).unwrap_err().to_string();
    assert!(error.contains("schema_version 1 (found 9)"), "{error}");
    std::fs::write(dir.join("manifest.json"), &manifest[..50]).unwrap();
    let error = DrawStore::open(dir).unwrap_err().to_string();
    assert!(error.contains("manifest of the draws is damaged"), "{error}");
    let error = DrawStore::open(&dir.join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("the manifest is missing"), "{error}");
}

#[test]
fn a_store_refuses_what_does_not_continue_it() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let mut store = DrawStore::create(dir, identity()).unwrap();
    assert!(DrawStore::create(dir, identity()).unwrap_err().to_string().contains("there are draws here already"));
    run(&mut store, 1).unwrap();

    let mut writer = store.writer("purchase", &schema(), CHAINS, DIM).unwrap();
    let error = commit(&mut writer, 3).unwrap_err().to_string();
    assert!(error.contains("should stand at draw 10 (found 15)"), "{error}");
    let (mut b, checkpoint) = block(2);
    b.stats[0].0 = "energy";
    let view = DrawBlock {
        first_draw: b.first_draw,
        unconstrained: b.unconstrained.view(),
        constrained: b.constrained.view(),
        stats: &b.stats,
    };
    let error = writer.commit(&view, &checkpoint).unwrap_err().to_string();
    assert!(error.contains("sample statistics"), "{error}");

    let error = DrawStore::open(dir).unwrap().writer("purchase", &schema(), CHAINS, DIM).unwrap_err().to_string();
    assert!(error.contains("another process is writing"), "{error}");
    let error = store.writer("purchase", &schema(), CHAINS + 1, DIM).unwrap_err().to_string();
    assert!(error.contains("another layout") && error.contains("4 chains"), "{error}");
    assert!(store.writer("../x", &schema(), CHAINS, DIM).is_err());
    let mut taken = schema();
    taken.variables[1].name = "unconstrained".into();
    assert!(store.writer("spend", &taken, CHAINS, DIM).is_err());

    store.finish("purchase", json!(null)).unwrap();
    assert!(store.writer("purchase", &schema(), CHAINS, DIM).unwrap_err().to_string().contains("is complete"));
    assert!(store.finish("spend", json!(null)).unwrap_err().to_string().contains("found purchase"));
}

/// A sampler that keeps its warm-up: two windows, then blocks.
fn run_keeping_warmup(store: &mut DrawStore, last: usize) -> Result<(), SinkError> {
    let from = store.checkpoint("purchase").map_err(SinkError)?.map_or(0, |c| usize::from(c.state[0]) + 1);
    let mut writer = store.writer("purchase", &schema(), CHAINS, DIM).map_err(SinkError)?;
    for n in from..=last + 1 {
        match n {
            0 | 1 => {
                let (b, _) = block(n + 1);
                let view = DrawBlock {
                    first_draw: b.first_draw,
                    unconstrained: b.unconstrained.view(),
                    constrained: b.constrained.view(),
                    stats: &b.stats,
                };
                writer.commit_warmup(&view, &Checkpoint { draws_done: 0, state: vec![n as u8; 9] })?;
            }
            _ => {
                let (b, checkpoint) = block(n - 1);
                let view = DrawBlock {
                    first_draw: b.first_draw,
                    unconstrained: b.unconstrained.view(),
                    constrained: b.constrained.view(),
                    stats: &b.stats,
                };
                writer.commit(&view, &Checkpoint { state: vec![n as u8; 9], ..checkpoint })?;
            }
        }
    }
    Ok(())
}

#[test]
fn warmup_is_kept_beside_the_draws_and_survives_a_kill_at_any_step() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let mut store = DrawStore::create(&whole, identity()).unwrap();
    run_keeping_warmup(&mut store, 2).unwrap();
    drop(store);
    let expected = files(&whole);
    let store = DrawStore::open(&whole).unwrap();
    store.verify().unwrap();
    assert_holds(&store.read("purchase").unwrap(), 2);
    let warmup: Vec<FitDraws> = store.warmup_shards("purchase").unwrap().map(Result::unwrap).collect();
    assert_eq!((warmup.len(), store.entry("purchase").unwrap().warmup_kept()), (2, 2 * PER_BLOCK as u64));
    for (ix, part) in warmup.iter().enumerate() {
        assert_eq!(part.first_draw, (ix * PER_BLOCK) as u64);
        assert_eq!(bits(&part.constrained), bits(&block(ix + 1).0.constrained));
    }
    assert!(expected.contains_key("purchase-warmup-00002.safetensors"));

    let mut steps = 0;
    loop {
        let dir = scratch.path().join(format!("killed-{steps}"));
        let mut store = DrawStore::create(&dir, identity()).unwrap();
        store.fuse().kill_after(steps);
        let ended = run_keeping_warmup(&mut store, 2);
        let whole = ended.is_ok() && store.fuse().left() > 0;
        drop(store);
        let mut store = DrawStore::open(&dir).unwrap();
        store.verify().unwrap();
        run_keeping_warmup(&mut store, 2).unwrap();
        drop(store);
        assert!(files(&dir) == expected, "after {steps} steps the continued run differs");
        if whole {
            break;
        }
        steps += 1;
    }
    assert!(steps > 40, "only {steps} steps were tried");
}

#[test]
fn warmup_that_does_not_continue_is_refused_and_none_leaves_no_trace() {
    let scratch = tempfile::tempdir().unwrap();
    let mut store = DrawStore::create(scratch.path(), identity()).unwrap();
    run(&mut store, 1).unwrap();
    let manifest = std::fs::read_to_string(scratch.path().join("manifest.json")).unwrap();
    assert!(!manifest.contains("warmup"), "a manifest without warm-up is what it always was");
    let (b, _) = block(2);
    let view = DrawBlock {
        first_draw: b.first_draw,
        unconstrained: b.unconstrained.view(),
        constrained: b.constrained.view(),
        stats: &b.stats,
    };
    let mut writer = store.writer("purchase", &schema(), CHAINS, DIM).unwrap();
    let here = Checkpoint { draws_done: PER_BLOCK as u64, state: vec![1] };
    let error = writer.commit_warmup(&view, &here).unwrap_err().to_string();
    assert!(error.contains("should begin at draw 0 (found 5)"), "{error}");
    std::fs::write(scratch.path().join("purchase-warmup-00001.safetensors"), "left over").unwrap();
    store.writer("purchase", &schema(), CHAINS, DIM).unwrap();
    assert!(!scratch.path().join("purchase-warmup-00001.safetensors").exists());
}
