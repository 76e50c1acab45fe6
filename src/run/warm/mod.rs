//! What a finished run keeps for a successor, and what a run that begins warm was given: `warm.json` and `warm_start.json`, two names of
//! one kind of file. Whether the one may begin from the other is `layout`'s to say, how chains then move the sampler's.
//!
//! ```text
//! runs/monday/warm.json ──a copy, when the run is made──▶ runs/tuesday/warm_start.json ──fit──▶ runs/tuesday/warm.json
//! ```
//!
//! A run holds a copy, so that it can be resumed and made again when the earlier run is long gone. Its draws belong to that copy: the digest
//! stands in the plan, and in the draws' identity.

mod layout;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{RunDir, models};
use crate::config::{Plan, Source, WarmStartPlan};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::model::{Place, family};
use crate::sampler;
use crate::target::{LogDensity, Schema};
use layout::{Layout, Written};

/// What a finished run keeps for a successor.
pub(super) const KEPT: &str = "warm.json";
/// What a run was given by an earlier one.
pub(super) const GIVEN: &str = "warm_start.json";

/// The layout of these files.
const SCHEMA_VERSION: u32 = 1;

/// What a finished run hands over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct HandOver {
    schema_version: u32,
    /// The program that made it.
    longrun_version: String,
    /// How many runs in a row began warm, this one included: 0 of one that began cold.
    generation: u32,
    /// What is counted in what.
    clock: layout::Clock,
    fits: BTreeMap<String, FitHandOver>,
}

/// One fit of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FitHandOver {
    layout: Layout,
    chains: sampler::WarmStart,
}

/// An earlier run to begin from.
#[derive(Debug, Clone)]
pub struct WarmSource {
    /// What the record says of it.
    pub(super) plan: WarmStartPlan,
    bytes: Vec<u8>,
    content: HandOver,
}

impl WarmSource {
    /// What the run in `path` hands over; `path` may be a model's folder too. The record will call it `called`.
    ///
    /// # Errors
    /// No run, one that is not finished, one that has no chains, damaged files.
    pub fn read(path: &Path, called: &str) -> Result<Self> {
        let inner = path.join("run");
        let root = if path.join("plan.toml").exists() || !inner.exists() { path.to_owned() } else { inner };
        let kept = root.join(KEPT);
        let bytes = if kept.exists() {
            fs::read(&kept).map_err(|e| Error::io("read what the earlier run keeps for others", &kept, e))?
        } else {
            // Of an older version: its last checkpoint knows as much.
            bytes_of(&compose_from(&root)?)?
        };
        Self::of_bytes(&bytes, called, refused(&root)).map_err(|e| e.at(kept.display()))
    }

    /// What another run was given, or, with `None`, nothing: for making that run again.
    ///
    /// # Errors
    /// A file that is missing or is not the one that the plan names.
    pub fn given_to(root: &Path, plan: Option<&WarmStartPlan>) -> Result<Option<Self>> {
        let Some(plan) = plan else { return Ok(None) };
        let path = root.join(GIVEN);
        let bytes = fs::read(&path).map_err(|e| {
            Error::new("what the run was begun from is gone")
                .at(path.display())
                .advice("restore the file from a copy of the run, or start a new run from config.toml")
                .because(e)
        })?;
        let source = Self::of_bytes(&bytes, &plan.from, plan.refused).map_err(|e| e.at(path.display()))?;
        if source.plan.sha256 != plan.sha256 {
            return Err(Error::new("the file is not what the run was begun from")
                .at(path.display())
                .seen(format!("SHA-256 {}, where the plan says {}", source.plan.sha256, plan.sha256))
                .advice("restore the file from a copy of the run, or start a new run from config.toml"));
        }
        Ok(Some(source))
    }

    fn of_bytes(bytes: &[u8], called: &str, refused: bool) -> Result<Self> {
        let content: HandOver = serde_json::from_slice(bytes).map_err(|e| {
            Error::new("what an earlier run keeps for others is damaged, or of another version of longrun")
                .advice("begin without it")
                .because(e)
        })?;
        if content.schema_version != SCHEMA_VERSION {
            return Err(Error::new(format!(
                "what an earlier run keeps for others must have schema_version {SCHEMA_VERSION}"
            ))
            .seen(content.schema_version)
            .advice("begin without it"));
        }
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let plan = WarmStartPlan { from: called.to_owned(), sha256, generation: content.generation + 1, refused };
        Ok(Self { plan, bytes: bytes.to_vec(), content })
    }

    /// What stands in the plan of a run that begins from it.
    pub fn plan(&self) -> &WarmStartPlan {
        &self.plan
    }

    /// Why a run that is written as `source` cannot begin from it, as far as that can be said before its data are read; none if it can.
    ///
    /// # Errors
    /// A configuration with mistakes.
    pub fn refusal_as_written(&self, source: &Source) -> Result<Option<String>> {
        Ok(self.refusal(&super::plan_of(source)?, source))
    }

    /// Why a run of `plan`, written as `source`, cannot begin from it, as far as that can be said before its data are read.
    pub(super) fn refusal(&self, plan: &Plan, source: &Source) -> Option<String> {
        if !plan.sampler.kind.samples() {
            return Some(format!("sampler.kind = \"{}\" has no chains to begin anywhere", plan.sampler.kind.key()));
        }
        self.content.clock.refusal(&layout::Clock::of(plan)).or_else(|| {
            models::fits(plan).into_iter().find_map(|(name, model)| match self.content.fits.get(name) {
                // Whether there is a spend model, only the data say.
                None => None,
                Some(earlier) => {
                    earlier.layout.refusal_as_written(name, &model.model, &Written::of(source, plan, name))
                }
            })
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the chains of a fit begin.
    ///
    /// # Errors
    /// The reason why they cannot.
    fn begin(&self, fit: &str, now: &Layout) -> Result<sampler::WarmStart, String> {
        let earlier = self.content.fits.get(fit).ok_or_else(|| format!("the earlier run has no {fit} fit"))?;
        match earlier.layout.refusal(fit, now) {
            Some(reason) => Err(reason),
            None => Ok(earlier.chains.clone()),
        }
    }
}

/// The error of a run that cannot begin where it was told to.
pub(super) fn refuse(from: &str, reason: &str) -> Error {
    Error::new(format!("this run cannot begin from the earlier one: {reason}"))
        .at(from)
        .advice("leave --warm-start out: a cold fit gives the same posterior, and takes little longer")
}

/// The error of work that must begin from `source` and cannot.
pub fn cannot_begin_error(source: &WarmSource, reason: &str) -> Error {
    refuse(&source.plan.from, reason)
}

/// What the fits of a run begin from.
pub(super) struct Beginnings {
    source: WarmSource,
    written: Source,
}

impl Beginnings {
    /// Those of the plan; none where it begins cold.
    pub fn of(dir: &RunDir) -> Result<Option<Self>> {
        let Some(source) = WarmSource::given_to(dir.root(), dir.plan.warm_start.as_ref())? else { return Ok(None) };
        Ok(Some(Self { source, written: config_of(dir.root())? }))
    }

    /// Where the chains of a fit with this schema begin.
    ///
    /// # Errors
    /// The reason why they cannot.
    pub fn of_fit(&self, plan: &Plan, fit: &str, schema: &Schema) -> Result<sampler::WarmStart, String> {
        let layout = Layout::of(plan, fit, &self.written, schema).map_err(|e| e.to_string())?;
        self.source.begin(fit, &layout)
    }

    /// What the record calls it.
    pub fn plan(&self) -> &WarmStartPlan {
        &self.source.plan
    }
}

/// Why a summarised run, whatever its plan says of its beginning, cannot begin from `source`; none if it can.
///
/// # Errors
/// Files that cannot be read.
pub fn cannot_begin(dir: &RunDir, source: &WarmSource) -> Result<Option<String>> {
    let written = config_of(dir.root())?;
    if let Some(reason) = source.refusal(&dir.plan, &written) {
        return Ok(Some(reason));
    }
    let observed = super::summarize::read_observations(dir)?;
    for (name, model) in models::fits(&dir.plan) {
        // Only the names of its coordinates are wanted: they are the same on every backend.
        let posterior = models::posterior_of(family(&model.model)?, &observed, &model.spec(), &Place::CPU)?;
        let layout = Layout::of(&dir.plan, name, &written, posterior.schema())?;
        if let Err(reason) = source.begin(name, &layout) {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// Keeps what a successor needs of a run whose fits are complete.
pub(super) fn keep(dir: &RunDir, store: &DrawStore) -> Result<()> {
    let kept = compose(dir.root(), &dir.plan, store)?;
    dir.write(KEPT, &bytes_of(&kept)?)
}

fn bytes_of(kept: &HandOver) -> Result<Vec<u8>> {
    serde_json::to_vec(kept).map_err(|e| Error::new("could not write what the run keeps for others").because(e))
}

fn compose_from(root: &Path) -> Result<HandOver> {
    let path = root.join("plan.toml");
    let text = fs::read_to_string(&path).map_err(|e| {
        Error::new("there is no run to begin from")
            .at(root.display())
            .advice("name a run directory or a model's folder")
            .because(e)
    })?;
    let plan = Plan::from_toml(&text, &path)?;
    if !plan.sampler.kind.samples() {
        return Err(Error::new("the earlier run has no chains to go on from")
            .at(root.display())
            .seen(format!("sampler.kind = \"{}\"", plan.sampler.kind.key()))
            .advice("begin from a run that nuts or chees made"));
    }
    let draws = root.join("draws");
    if !draws.join("manifest.json").exists() {
        return Err(Error::new("the earlier run has nothing to begin from: it has no draws, and kept no warm.json")
            .at(root.display())
            .advice("finish it with `longrun resume`, or begin without it"));
    }
    compose(root, &plan, &DrawStore::open(&draws)?)
}

fn compose(root: &Path, plan: &Plan, store: &DrawStore) -> Result<HandOver> {
    let written = config_of(root)?;
    let fits = models::fits(plan).into_iter().map(|(name, _)| {
        let unfinished = || {
            Error::new(format!("the {name} fit of the run is not finished"))
                .at(root.display())
                .advice("finish it with `longrun resume`")
        };
        if !store.is_complete(name) {
            return Err(unfinished());
        }
        let checkpoint = store.checkpoint(name)?.ok_or_else(unfinished)?;
        let layout = Layout::of(plan, name, &written, &store.entry(name)?.schema)?;
        Ok((name.to_owned(), FitHandOver { layout, chains: sampler::hand_over(&checkpoint)? }))
    });
    Ok(HandOver {
        schema_version: SCHEMA_VERSION,
        longrun_version: plan.longrun_version.clone(),
        generation: plan.warm_start.as_ref().map_or(0, |warm| warm.generation),
        clock: layout::Clock::of(plan),
        fits: fits.collect::<Result<_>>()?,
    })
}

/// The configuration as it was written: a plan has numbers of the data's scale in the place of default priors.
fn config_of(root: &Path) -> Result<Source> {
    let path: PathBuf = root.join("config.toml");
    let text = fs::read_to_string(&path).map_err(|e| Error::io("read the run's configuration", &path, e))?;
    Source::parse(&path, text, &[])
}

/// Whether the run's own diagnostics refuse it.
fn refused(root: &Path) -> bool {
    #[derive(Deserialize)]
    struct Judged {
        verdict: crate::diagnose::Verdict,
    }
    let text = fs::read(root.join("diagnostics.json")).ok();
    let judged = text.and_then(|text| serde_json::from_slice::<Judged>(&text).ok());
    judged.is_some_and(|judged| judged.verdict == crate::diagnose::Verdict::Fail)
}

/// What the record of a run says of its beginning.
pub fn words(warm: &WarmStartPlan) -> String {
    let nth = match warm.generation {
        1 => "which began cold".to_owned(),
        n => format!("{n} in a row began so"),
    };
    let refused = if warm.refused { ", whose own diagnostics refuse it" } else { "" };
    let digest = warm.sha256.get(..12).unwrap_or(&warm.sha256);
    format!("began warm from {}{refused} ({nth}; warm_start.json, SHA-256 {digest}…)", warm.from)
}
