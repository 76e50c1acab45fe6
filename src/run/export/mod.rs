//! A run's draws as files that other programs read: which fits, which groups, and where they go. How arrays become bytes is the room
//! `export`'s; what the groups hold is `sampled`'s and `customers`'s.

mod customers;
mod sampled;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::fit::open_store;
use super::models::{self, model_name};
use super::{Observer, RunDir, telemetry};
use crate::draws::{DrawStore, FitEntry};
use crate::error::{Error, Result};
use crate::export::{Attributes, CHAIN, DRAW, Group, Staged, Tree, write_csv, write_parquet, write_zarr};
use crate::target::Schema;
use customers::CUSTOMER;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A Zarr v3 store per fit, in the schema of ArviZ.
    Zarr,
    /// Asked for, and answered with the way from Zarr.
    Netcdf,
    /// A table per fit, a row per chain and draw.
    Parquet,
    /// The same as text.
    Csv,
}

impl ExportFormat {
    /// Ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Zarr => "zarr",
            Self::Netcdf => "nc",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// What to export, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportSettings {
    /// What to write.
    pub format: ExportFormat,
    /// One fit alone; all of them otherwise.
    pub fit: Option<String>,
    /// The folder for one `<fit>.<ending>` each, or with one fit a path of that ending; `export` in the run directory otherwise.
    pub output: Option<PathBuf>,
    /// Whether exports that are there already are replaced.
    pub overwrite: bool,
    /// Whether to add the log-likelihood of every customer under every draw. Zarr only.
    pub log_likelihood: bool,
    /// Draws of the log-likelihood, evenly thinned; all of them otherwise.
    pub draws: Option<usize>,
    /// Draws from the prior; 0 for none.
    pub prior_draws: usize,
}

/// One file or store that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    /// Which fit.
    pub fit: String,
    /// Where it is.
    pub path: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// What it holds.
    pub groups: Vec<ExportedGroup>,
}

/// One group of arrays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportedGroup {
    /// Its name.
    pub name: String,
    /// Its dimensions with their lengths.
    pub dims: BTreeMap<String, usize>,
    /// Names of its variables.
    pub variables: Vec<String>,
}

/// Where draws come from: a run, or a folder with nothing but `draws/` in it.
enum Origin {
    Run(Box<RunDir>),
    DrawsAlone,
}

impl Origin {
    fn run(&self) -> Option<&RunDir> {
        match self {
            Self::Run(dir) => Some(dir),
            Self::DrawsAlone => None,
        }
    }
}

/// Exports the draws of the run at `root`, or of a folder that holds only `draws/`.
///
/// # Errors
/// No complete fit, a format or a group that cannot be had, an export in the way, or a disk that refuses.
pub fn export(root: &Path, settings: &ExportSettings, observer: &dyn Observer) -> Result<Vec<Exported>> {
    if settings.format == ExportFormat::Netcdf {
        return Err(no_netcdf(root, settings));
    }
    if settings.log_likelihood && settings.format != ExportFormat::Zarr {
        return Err(Error::new("a table has a row per draw, and no place for a log-likelihood per customer")
            .advice("write it with --to zarr"));
    }
    let alone = !root.join("plan.toml").exists() && root.join("draws/manifest.json").exists();
    let origin = if alone { Origin::DrawsAlone } else { Origin::Run(Box::new(RunDir::open(root)?)) };
    let store = match &origin {
        Origin::Run(dir) => open_store(dir)?,
        Origin::DrawsAlone => DrawStore::open(&root.join("draws"))?,
    };
    let fits = fits(&origin, &store, settings.fit.as_deref())?;
    let staged = places(root, settings, &fits)?
        .into_iter()
        .map(|place| Ok((Staged::begin(&place, settings.overwrite)?, place)))
        .collect::<Result<Vec<_>>>()?;
    let mut exported = Vec::new();
    for (fit, (staged, place)) in fits.iter().zip(staged) {
        let tree = tree(&origin, &store, fit, settings, observer)?;
        let groups = tree.groups.iter().map(told).collect();
        let total = tree.values()?;
        let mut progress = |done: u64| observer.exporting(fit, done, total);
        let bytes = match settings.format {
            ExportFormat::Parquet => write_parquet(tree, staged.path(), &mut progress)?,
            ExportFormat::Csv => write_csv(tree, staged.path(), &mut progress)?,
            ExportFormat::Zarr | ExportFormat::Netcdf => write_zarr(tree, staged.path(), &mut progress)?,
        };
        staged.finish()?;
        exported.push(Exported { fit: fit.clone(), path: place.display().to_string(), bytes, groups });
    }
    Ok(exported)
}

/// netCDF-4 is HDF5, whose only complete writer is a C library: it is one line from Zarr.
fn no_netcdf(root: &Path, settings: &ExportSettings) -> Error {
    let fit = settings.fit.as_deref().unwrap_or(models::PURCHASE);
    let store = root.join("export").join(format!("{fit}.zarr"));
    Error::new("longrun writes no netCDF: it would need the HDF5 library, and Zarr holds the same groups").seen("--to netcdf").advice(
        format!(
            "export with --to zarr, then convert: python -c \"import xarray; xarray.open_datatree('{}', engine='zarr').to_netcdf('{fit}.nc')\"",
            store.display()
        ),
    )
}

/// Names of the fits to export.
fn fits(origin: &Origin, store: &DrawStore, wanted: Option<&str>) -> Result<Vec<String>> {
    let all: Vec<String> = match origin.run() {
        Some(dir) => models::fits(&dir.plan).into_iter().map(|(name, _)| name.to_owned()).collect(),
        None => store.fits().into_iter().map(str::to_owned).collect(),
    };
    let fits: Vec<String> = all.iter().filter(|fit| wanted.is_none_or(|w| w == *fit)).cloned().collect();
    if fits.is_empty() {
        return Err(Error::new("there is no such fit")
            .at(store.dir().display())
            .seen(format!("{}, where there is {}", wanted.unwrap_or("none"), all.join(", ")))
            .advice("leave --fit out to export them all"));
    }
    for fit in &fits {
        if !store.entry(fit)?.complete {
            return Err(Error::new(format!("the {fit} fit is not complete"))
                .at(store.dir().display())
                .advice("finish it with `longrun resume` on the run directory"));
        }
    }
    Ok(fits)
}

/// Where each fit goes.
fn places(root: &Path, settings: &ExportSettings, fits: &[String]) -> Result<Vec<PathBuf>> {
    let ending = settings.format.ending();
    let folder = match &settings.output {
        None => root.join("export"),
        Some(path) if path.extension().is_some_and(|e| e == ending) => {
            return match fits {
                [_] => Ok(vec![path.clone()]),
                _ => Err(Error::new(format!("one .{ending} holds one fit"))
                    .at(path.display())
                    .seen(fits.join(", "))
                    .advice("choose one with --fit, or give --output a folder")),
            };
        }
        Some(path) => path.clone(),
    };
    Ok(fits.iter().map(|fit| folder.join(format!("{fit}.{ending}"))).collect())
}

fn told(group: &Group<'_>) -> ExportedGroup {
    ExportedGroup {
        name: group.name.clone(),
        dims: group.coordinates.iter().map(|c| (c.dim.clone(), c.labels.len())).collect(),
        variables: group.variables.iter().map(|v| v.name.clone()).collect(),
    }
}

/// All groups of one fit.
fn tree<'a>(
    origin: &'a Origin,
    store: &'a DrawStore,
    fit: &'a str,
    settings: &ExportSettings,
    observer: &dyn Observer,
) -> Result<Tree<'a>> {
    let entry = store.entry(fit)?;
    let dims = dim_names(&entry.schema);
    let sampling = sampling(origin, store, entry, fit);
    let mut groups = sampled::posterior(store, fit, &dims, &sampling)?;
    if settings.format != ExportFormat::Zarr {
        // A table holds posterior and sample statistics.
        groups.truncate(2);
    }
    let mut attributes = of_program(store);
    attributes.insert("fit".to_owned(), json!(fit));
    if let Some(dir) = origin.run() {
        let plan = &dir.plan;
        attributes.insert("model".to_owned(), json!(model_name(plan, fit)));
        attributes.insert("title".to_owned(), json!(plan.output.title));
        attributes.insert("time_unit_days".to_owned(), json!(plan.data.time_unit_days));
        attributes.insert("currency".to_owned(), json!(plan.data.currency));
        if let Ok(diagnostics) = dir.read_json::<Value>("diagnostics.json", "diagnose") {
            attributes.insert("verdict".to_owned(), diagnostics["verdict"].clone());
        }
        if settings.format == ExportFormat::Zarr {
            groups.extend(sampled::prior(dir, fit, &dims, settings.prior_draws, observer)?);
            groups.extend(customers::groups(dir, store, fit, &dims, settings)?);
        }
    } else if settings.log_likelihood {
        return Err(Error::new("a log-likelihood needs the run's data and model")
            .at(store.dir().display())
            .advice("leave --log-likelihood out: there are only draws here"));
    }
    Ok(Tree { attributes, groups })
}

/// What ArviZ calls the maker of draws.
fn of_program(store: &DrawStore) -> Attributes {
    let made_by = store.identity().get("longrun").and_then(Value::as_str).unwrap_or(env!("CARGO_PKG_VERSION"));
    Attributes::from_iter([
        ("inference_library".to_owned(), json!("longrun")),
        ("inference_library_version".to_owned(), json!(made_by)),
    ])
}

/// What is known of how a fit was sampled, by ArviZ's names where it has them.
fn sampling(origin: &Origin, store: &DrawStore, entry: &FitEntry, fit: &str) -> Attributes {
    let mut attributes = of_program(store);
    let report = entry.report.as_ref().unwrap_or(&Value::Null);
    if let Some(kind) = report.get("kind") {
        attributes.insert("sampler".to_owned(), kind.clone());
    }
    if let Some(warmup) = report.get("warmup") {
        attributes.insert("tuning_steps".to_owned(), warmup.clone());
    }
    // What a resumed fit took is not known.
    let cost = origin.run().and_then(|dir| telemetry::read(dir).fits.get(fit).copied());
    if let Some(cost) = cost.filter(|cost| !cost.resumed) {
        attributes.insert("sampling_time".to_owned(), json!(cost.wall_s));
    }
    attributes
}

/// What the dimensions of a posterior are called in an export. A dimension must not be called like a variable, for xarray takes a
/// variable of a dimension's name for its coordinate, nor like one that an export has of its own.
fn dim_names(schema: &Schema) -> BTreeMap<String, String> {
    let mut taken: Vec<String> =
        [CHAIN, DRAW, CUSTOMER].into_iter().chain(customers::VARIABLES).map(str::to_owned).collect();
    taken.extend(schema.variables.iter().map(|v| v.name.clone()));
    let mut names = BTreeMap::new();
    for dim in schema.coords.keys() {
        // A name is a folder's.
        let mut name: String = dim.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '_' } else { c }).collect();
        while taken.contains(&name) || name.starts_with("__") || name.chars().all(|c| c == '.') {
            name = format!("{}_dim", name.trim_start_matches('_'));
        }
        taken.push(name.clone());
        names.insert(dim.clone(), name);
    }
    names
}
