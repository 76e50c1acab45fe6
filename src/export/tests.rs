//! The writers against what their formats say: chunks read back by hand, tables by their own readers, places that change whole or not at
//! all. That ArviZ and xarray open them is shown by `tests/program/arviz_export.rs`.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use serde_json::{Value, json};

use super::zarr_array::{ArrayWriter, Layout};
use super::*;

const CHAINS: usize = 2;
const DRAWS: usize = 7;

/// What variable `salt` says of an element of a draw.
fn value(salt: usize, chain: usize, draw: usize, element: usize) -> f64 {
    (salt * 10_000 + chain * 1000 + draw * 10 + element) as f64 + 0.25
}

/// A group of a scalar, an array over labels and a flag, in blocks of these lengths.
fn group(name: &str, salt: usize, lengths: &'static [usize]) -> Group<'static> {
    let variable = |name: &str, dtype, more: &[&str]| Variable {
        name: name.to_owned(),
        dims: [CHAIN, DRAW].iter().chain(more).map(|d| (*d).to_owned()).collect(),
        dtype,
        attributes: Attributes::new(),
    };
    let blocks = lengths.iter().scan(0, move |first, &length| {
        let start = *first;
        *first += length;
        let places = move |elements: usize| {
            (0..CHAINS)
                .flat_map(move |c| (start..start + length).flat_map(move |d| (0..elements).map(move |e| (c, d, e))))
        };
        Some(Ok(Block {
            length,
            values: vec![
                Values::F64(places(1).map(|(c, d, e)| value(salt, c, d, e)).collect()),
                Values::F64(places(2).map(|(c, d, e)| value(salt + 1, c, d, e)).collect()),
                Values::Bool(places(1).map(|(c, d, _)| (c + d) % 3 == 0).collect()),
                Values::I64(places(1).map(|(c, d, _)| (c * 100 + d) as i64 - 3).collect()),
            ],
        }))
    });
    Group {
        name: name.to_owned(),
        attributes: Attributes::from_iter([("note".to_owned(), json!("a group"))]),
        coordinates: vec![
            Coordinate::counted(CHAIN, CHAINS),
            Coordinate::counted(DRAW, DRAWS),
            Coordinate::text("region", vec!["Österreich, süd".to_owned(), String::new()]),
        ],
        variables: vec![
            variable("alpha", Dtype::F64, &[]),
            variable("beta", Dtype::F64, &["region"]),
            variable("diverging", Dtype::Bool, &[]),
            variable("n_steps", Dtype::I64, &[]),
        ],
        along: DRAW.to_owned(),
        blocks: Box::new(blocks),
    }
}

fn tree(lengths: &'static [usize]) -> Tree<'static> {
    Tree {
        attributes: Attributes::from_iter([("fit".to_owned(), json!("purchase"))]),
        groups: vec![group("posterior", 1, lengths), group("sample_stats", 3, lengths)],
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("metadata")).expect("JSON")
}

fn unpacked(path: &Path) -> Vec<u8> {
    zstd::stream::decode_all(std::fs::File::open(path).expect("a chunk")).expect("Zstandard")
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
}

#[test]
fn chunks_are_the_array_however_blocks_came() {
    let scratch = tempfile::tempdir().unwrap();
    for (ix, lengths) in [&[1, 1, 1, 1, 1, 1, 1][..], &[7], &[5, 2], &[2, 5]].into_iter().enumerate() {
        let folder = scratch.path().join(ix.to_string());
        // Room for three draws of two chains and two elements: chunks of 3, 3 and 1 with padding.
        let layout = Layout {
            dims: ["chain", "draw", "region"].map(str::to_owned).to_vec(),
            shape: vec![CHAINS, DRAWS, 2],
            dtype: Dtype::F64,
            attributes: Attributes::new(),
            axis: 1,
            chunk_bytes: 3 * CHAINS * 2 * 8 + 7,
        };
        assert_eq!(layout.metadata()["chunk_grid"]["configuration"]["chunk_shape"], json!([2, 3, 2]));
        let mut writer = ArrayWriter::create(folder.clone(), layout).unwrap();
        let mut first = 0;
        for &length in lengths {
            let values = (0..CHAINS)
                .flat_map(|c| (first..first + length).flat_map(move |d| (0..2).map(move |e| value(1, c, d, e))));
            writer.push(&Values::F64(values.collect()), length).unwrap();
            first += length;
        }
        let bytes = writer.finish().unwrap();
        let mut on_disk = std::fs::metadata(folder.join("zarr.json")).unwrap().len();
        for chunk in 0..3 {
            let path = folder.join(format!("c/0/{chunk}/0"));
            on_disk += std::fs::metadata(&path).unwrap().len();
            let seen = doubles(&unpacked(&path));
            assert_eq!(seen.len(), CHAINS * 3 * 2);
            for (i, seen) in seen.into_iter().enumerate() {
                let (c, d, e) = (i / 6, chunk * 3 + i / 2 % 3, i % 2);
                if d < DRAWS {
                    assert_eq!(seen, value(1, c, d, e), "{lengths:?} at {c}, {d}, {e}");
                } else {
                    assert!(seen.is_nan(), "what lies beyond the end is the fill value");
                }
            }
        }
        assert!(!folder.join("c/0/3").exists());
        assert_eq!(bytes, on_disk);
    }
}

#[test]
fn a_store_tells_all_at_its_root() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("x.zarr");
    let mut told = 0;
    let total = tree(&[4, 3]).values().unwrap();
    write_zarr(tree(&[4, 3]), &folder, &mut |done| told = done).unwrap();
    assert_eq!((told, total), (2 * (CHAINS * DRAWS * 5) as u64, told));
    let root = json_of(&folder.join("zarr.json"));
    assert_eq!(root["attributes"]["fit"], "purchase");
    let nodes = root["consolidated_metadata"]["metadata"].as_object().unwrap();
    for (name, node) in nodes {
        assert_eq!(json_of(&folder.join(name).join("zarr.json")), *node, "{name}");
    }
    assert_eq!(nodes.len(), 2 * (1 + 3 + 4));
    assert_eq!(nodes["posterior/beta"]["dimension_names"], json!(["chain", "draw", "region"]));
    assert_eq!(nodes["posterior/beta"]["shape"], json!([CHAINS, DRAWS, 2]));
    assert_eq!(nodes["sample_stats/diverging"]["data_type"], "bool");
    let labels = unpacked(&folder.join("posterior/region/c/0"));
    let expected = [&2_u32.to_le_bytes()[..], &17_u32.to_le_bytes(), "Österreich, süd".as_bytes(), &[0; 4]].concat();
    assert_eq!(labels, expected);
    let flags = unpacked(&folder.join("posterior/diverging/c/0/0"));
    assert_eq!(flags[..4], [1, 0, 0, 1]);
}

#[test]
fn tables_are_read_back() {
    let scratch = tempfile::tempdir().unwrap();
    let names = [
        "chain",
        "draw",
        "alpha",
        "beta[region=Österreich, süd]",
        "beta[region=]",
        "diverging",
        "n_steps",
        "sample_stats.alpha",
    ];
    let path = scratch.path().join("x.csv");
    let bytes = write_csv(tree(&[4, 3]), &path, &mut |_| {}).unwrap();
    assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
    let mut reader = ::csv::Reader::from_path(&path).unwrap();
    assert_eq!(reader.headers().unwrap().iter().take(8).collect::<Vec<_>>(), names);
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), CHAINS * DRAWS);
    for (i, row) in rows.iter().enumerate() {
        let (d, c) = (i / CHAINS, i % CHAINS);
        assert_eq!((&row[0], &row[1]), (c.to_string().as_str(), d.to_string().as_str()));
        assert_eq!(row[4].parse::<f64>().unwrap(), value(2, c, d, 1));
        assert_eq!(&row[5], ((c + d) % 3 == 0).to_string());
        assert_eq!(row[7].parse::<f64>().unwrap(), value(3, c, d, 0));
    }

    let path = scratch.path().join("x.parquet");
    write_parquet(tree(&[5, 2]), &path, &mut |_| {}).unwrap();
    let builder =
        ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap())
            .unwrap();
    let known = builder.metadata().file_metadata().key_value_metadata().unwrap();
    assert!(known.iter().any(|kv| kv.key == "longrun.fit" && kv.value.as_deref() == Some("purchase")));
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), CHAINS * DRAWS);
    assert_eq!(batch.schema().fields().iter().take(8).map(|f| f.name().as_str()).collect::<Vec<_>>(), names);
    let (chain, draw) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
    let (beta, flag) = (batch.column(3).as_primitive::<Float64Type>(), batch.column(5).as_boolean());
    for i in 0..batch.num_rows() {
        let (c, d) = (chain.value(i) as usize, draw.value(i) as usize);
        assert_eq!((d, c), (i / CHAINS, i % CHAINS));
        assert_eq!((beta.value(i), flag.value(i)), (value(2, c, d, 0), (c + d) % 3 == 0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let refused = |lengths: &'static [usize], change: &dyn Fn(&mut Tree<'static>)| {
        let mut tree = tree(lengths);
        change(&mut tree);
        let folder = tempfile::tempdir_in(scratch.path()).unwrap();
        write_zarr(tree, folder.path(), &mut |_| {}).unwrap_err().to_string()
    };
    assert!(refused(&[4, 2], &|_| {}).contains("was given fewer (found 6)"));
    assert!(refused(&[4, 4], &|_| {}).contains("cannot hold"));
    assert!(refused(&[7], &|t| t.groups[0].variables[0].dtype = Dtype::Text).contains("cannot hold"));
    assert!(refused(&[7], &|t| t.groups[0].variables[0].name = "../x".to_owned()).contains("cannot have this name"));
    assert!(refused(&[7], &|t| t.groups[0].variables[0].dims.push("nowhere".to_owned())).contains("(found nowhere)"));
    let short = write_csv(tree(&[4, 2]), &scratch.path().join("x.csv"), &mut |_| {}).unwrap_err().to_string();
    assert!(short.contains("was given fewer (found 6)"), "{short}");
}

fn put(staged: &Staged, text: &str) {
    std::fs::create_dir_all(staged.path()).unwrap();
    std::fs::write(staged.path().join("zarr.json"), text).unwrap();
}

#[test]
fn a_place_changes_whole_or_not_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().join("deep/x.zarr");
    let read = || std::fs::read_to_string(place.join("zarr.json")).unwrap();
    let beside = || std::fs::read_dir(place.parent().unwrap()).unwrap().count();

    let staged = Staged::begin(&place, false).unwrap();
    put(&staged, "1");
    assert!(!place.exists());
    staged.finish().unwrap();
    assert_eq!((read(), beside()), ("1".to_owned(), 1));

    let error = Staged::begin(&place, false).unwrap_err().to_string();
    assert!(error.contains("--overwrite") && read() == "1", "{error}");

    // Given up half way: the old one stays, and nothing beside it.
    let staged = Staged::begin(&place, true).unwrap();
    put(&staged, "half");
    drop(staged);
    assert_eq!((read(), beside()), ("1".to_owned(), 1));

    // Killed half way: what was left behind goes with the next.
    let staged = Staged::begin(&place, true).unwrap();
    put(&staged, "half");
    std::mem::forget(staged);
    assert_eq!((read(), beside()), ("1".to_owned(), 2));
    let staged = Staged::begin(&place, true).unwrap();
    assert!(!staged.path().exists());
    put(&staged, "2");
    staged.finish().unwrap();
    assert_eq!((read(), beside()), ("2".to_owned(), 1));

    // Killed between the two renames: the old one takes its place again.
    std::fs::rename(&place, scratch.path().join("deep/x.zarr.old")).unwrap();
    assert!(Staged::begin(&place, false).unwrap_err().to_string().contains("--overwrite"));
    assert_eq!(read(), "2");
}

#[test]
fn a_folder_that_was_not_made_here_is_not_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().join("thesis");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("chapter-1.tex"), "x").unwrap();
    let error = Staged::begin(&place, true).unwrap_err().to_string();
    assert!(error.contains("no Zarr store") && place.join("chapter-1.tex").exists(), "{error}");
}
