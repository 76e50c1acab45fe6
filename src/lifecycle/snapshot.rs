//! One snapshot: everyone's predictions at a cutoff under the champion, seen through both lenses, in a folder that appears whole. What a
//! snapshot says is never changed; what happened since is put beside it.

use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::card::Card;
use super::fit::{Windows, summarized};
use super::predictions::{CLUSTER, Lenses, VALUE, read_lenses};
use super::project::{make_folder, read_json, write_json};
use super::recipe::Recipe;
use super::today::window_end;
use super::train::watched;
use crate::error::{Error, Result};
use crate::evaluate::{Band, Shift};
use crate::predict::{Extra, Labelling};
use crate::run::{Interval, Log, Observer, Scoring};
use crate::segment::{
    self, BehaviourLens, BehaviourSettings, Clusters, Movement, PreviousClusters, TierRow, behaviour_lens, movement,
    value_lens, write_clusters, write_movement, write_tiers,
};

/// `snapshot.json`: proof that a snapshot is whole, and what it says of everyone together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotRecord {
    /// Version of this layout.
    pub schema_version: u32,
    /// Last day that was known.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Months predicted.
    pub prediction_months: u32,
    /// Last day of the window that was predicted: from then on it can be labelled.
    #[schemars(with = "String")]
    pub window_end: NaiveDate,
    /// The model that predicted.
    pub model_id: String,
    /// Whether value is spend; purchases otherwise.
    pub in_spend: bool,
    /// Customers.
    pub customers: u64,
    /// Groups of them that the model had not met: predicted as a new group is.
    pub new_groups: usize,
    /// Digest of every purchase up to the cutoff.
    pub data_digest: String,
    /// Purchases of everyone in the window.
    pub purchases: IntervalRecord,
    /// Discounted value of everyone in the window; absent without a spend model.
    pub clv: Option<IntervalRecord>,
    /// The snapshot that the lenses compare with.
    #[schemars(with = "Option<String>")]
    pub previous: Option<NaiveDate>,
    /// The value lens: a row per tier.
    pub tiers: Vec<TierRow>,
    /// Who moved between tiers since the previous snapshot.
    pub tier_movement: Option<Movement>,
    /// The behaviour lens: its clusters, and what the next snapshot needs to keep their names.
    pub behaviour: BehaviourLens,
    /// Who moved between clusters.
    pub cluster_movement: Option<Movement>,
    /// How the customers differ from those that the model learned from.
    pub inputs: Vec<Shift>,
}

/// A mean with a central 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalRecord {
    /// Mean.
    pub mean: f64,
    /// 5 % quantile.
    pub q05: f64,
    /// 95 % quantile.
    pub q95: f64,
}

impl From<Interval> for IntervalRecord {
    fn from(i: Interval) -> Self {
        Self { mean: i.mean, q05: i.q05, q95: i.q95 }
    }
}

impl SnapshotRecord {
    /// Whether an input moved far, by more than chance.
    pub fn major_shifts(&self) -> impl Iterator<Item = &Shift> {
        self.inputs.iter().filter(|input| input.band == Band::Major)
    }
}

/// Which snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// Its cutoff.
    pub cutoff: NaiveDate,
    /// Its horizon.
    pub months: u32,
}

impl std::fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_pred{}m", self.cutoff, self.months)
    }
}

impl std::str::FromStr for SnapshotName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once("_pred").and_then(|(cutoff, rest)| {
            Some(Self { cutoff: cutoff.parse().ok()?, months: rest.strip_suffix('m')?.parse().ok()? })
        });
        parsed.ok_or_else(|| Error::new("this is no snapshot's name").seen(text).advice("e.g. 2024-06-30_pred12m"))
    }
}

impl Project {
    /// A snapshot's folder.
    pub fn snapshot_folder(&self, name: SnapshotName) -> PathBuf {
        self.path("outputs").join(name.to_string())
    }

    /// A snapshot's record; none where there is no whole snapshot.
    ///
    /// # Errors
    /// A damaged file.
    pub fn snapshot(&self, name: SnapshotName) -> Result<Option<SnapshotRecord>> {
        read_json(&self.snapshot_folder(name).join("snapshot.json"))
    }

    /// Every snapshot, earliest cutoff first.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn snapshots(&self) -> Result<Vec<SnapshotName>> {
        let folder = self.path("outputs");
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| Error::io("list the snapshots", &folder, e))?,
        };
        let mut names: Vec<SnapshotName> = entries
            .flatten()
            .filter(|entry| entry.path().join("snapshot.json").exists())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The predictions file of a snapshot. The one file of that name: labelled customers are called otherwise.
    pub fn predictions_file(&self, name: SnapshotName, ending: &str) -> PathBuf {
        self.snapshot_folder(name).join(format!("clv_predictions_{name}.{ending}"))
    }
}

/// Scores everyone at `cutoff` with the champion, unless that snapshot stands. Says whether it is new.
///
/// # Errors
/// No champion; a cutoff that the data do not reach.
pub fn score(
    project: &Project,
    cutoff: NaiveDate,
    log: &Log,
    observer: &dyn Observer,
) -> Result<(SnapshotRecord, bool)> {
    let name = SnapshotName { cutoff, months: project.section.prediction_months };
    if let Some(record) = project.snapshot(name)? {
        return Ok((record, false));
    }
    let lag = i64::from(project.section.schedule.max_data_lag_days);
    if (cutoff - log.last_date).num_days() > lag {
        return Err(Error::new("the data do not reach the cutoff: scoring now would take silence for lost customers")
            .at("--cutoff")
            .seen(format!("{cutoff}, the last purchase is of {}", log.last_date))
            .advice(format!(
                "wait for the data; lifecycle.schedule.max_data_lag_days = {lag} is how late they may be"
            )));
    }
    let champion = project.champion_at(cutoff)?;
    let model = project.model_run(&champion.id)?;
    let work = format!("score-{name}-{}", log.key);
    let windows = Windows {
        cutoff,
        calibration_months: champion.calibration_months,
        prediction_months: project.section.prediction_months,
    };
    // The horizon's holdout is of no use yet; it is what labelling asks for later.
    let source = Recipe::of(project)?.source(&windows, &work, NaiveDate::MIN)?;
    let dir = summarized(project, &work, &source, log, observer)?;
    let scoring = Scoring::of(&dir, &model)?;
    if scoring.new_groups() > 0 {
        observer.note(&format!(
            "{} groups are new to the model: their customers are predicted as those of a new group are",
            scoring.new_groups()
        ));
    }
    let earlier: Vec<SnapshotName> =
        project.snapshots()?.into_iter().filter(|n| n.cutoff < cutoff && n.months == name.months).collect();
    let previous = match earlier.last() {
        Some(&earlier) => previous(project, earlier)?,
        None => None,
    };
    if let Some(previous) = &previous {
        previous.compare(project, &scoring, log, observer)?;
    }
    if champion.prediction_months != name.months {
        observer.note(&format!(
            "{} was evaluated over {} months: snapshots of {} cannot be judged; train and promote a model for them",
            champion.id, champion.prediction_months, name.months
        ));
    }
    make_folder(&project.snapshot_folder(name), |folder| {
        let looked = look(project, &scoring, previous.as_ref())?;
        let extra = vec![
            Extra::Number(VALUE, scoring.value()),
            Extra::Number("clv_percentile", &looked.percentile),
            Extra::Text(&looked.cluster),
        ];
        let totals = scoring.write(&dir, folder, &format!("clv_predictions_{name}"), extra, observer)?;
        let everyone = totals.totals.first().ok_or_else(|| Error::new("prediction returned no total"))?;
        let record = SnapshotRecord {
            schema_version: 1,
            cutoff,
            prediction_months: name.months,
            window_end: window_end(cutoff, name.months)?,
            model_id: champion.id.clone(),
            in_spend: scoring.expectations().spend.is_some(),
            customers: scoring.summary().len() as u64,
            new_groups: scoring.new_groups(),
            data_digest: log.table.fingerprint(cutoff)?.digest,
            purchases: Interval::from(&everyone.purchases).into(),
            clv: everyone.clv.as_ref().map(|clv| Interval::from(clv).into()),
            previous: previous.as_ref().map(|p| p.name.cutoff),
            tiers: looked.tiers,
            tier_movement: looked.tier_movement,
            behaviour: looked.behaviour,
            cluster_movement: looked.cluster_movement,
            inputs: inputs(&champion, &scoring)?,
        };
        write_tiers(&folder.join("value_tiers.csv"), &record.tiers)?;
        write_clusters(&folder.join("behaviour_clusters.csv"), &record.behaviour)?;
        for (file, moved) in
            [("tier_movement.csv", &record.tier_movement), ("cluster_movement.csv", &record.cluster_movement)]
        {
            if let Some(moved) = moved {
                write_movement(&folder.join(file), moved)?;
            }
        }
        write_json(&folder.join("snapshot.json"), &record)
    })?;
    drop(dir);
    project.forget_work(&work)?;
    let record = project.snapshot(name)?.ok_or_else(|| Error::new("the snapshot is gone").at(name))?;
    Ok((record, true))
}

/// The snapshot that lenses compare with.
struct Previous {
    name: SnapshotName,
    lenses: Option<Lenses>,
    clusters: PreviousClusters,
    data_digest: String,
}

impl Previous {
    /// Whether the log still knows whom it knew: a log that was cut would make lost customers, and good figures, out of nothing.
    fn compare(&self, project: &Project, scoring: &Scoring, log: &Log, observer: &dyn Observer) -> Result<()> {
        if let Some(lenses) = &self.lenses {
            let known: std::collections::HashSet<&str> = scoring.summary().customer_id.iter().collect();
            let gone = lenses.ids.iter().filter(|id| !known.contains(id)).count();
            check_gone(project, self.name, gone, lenses.ids.len())?;
        }
        if log.table.fingerprint(self.name.cutoff)?.digest != self.data_digest {
            observer.note(&format!(
                "purchases up to {} are not those that the snapshot of that day saw: lines came late, or were altered",
                self.name.cutoff
            ));
        }
        Ok(())
    }
}

/// Refuses a log from which more customers are missing than the configuration allows.
pub(super) fn check_gone(project: &Project, name: SnapshotName, gone: usize, of: usize) -> Result<()> {
    let most = project.section.schedule.max_gone_share;
    if gone as f64 <= most * of as f64 {
        return Ok(());
    }
    Err(Error::new(format!("{gone} of the {of} customers of {name} are no longer in the log: it has most likely been cut"))
        .at(project.plan.data.paths.join(", "))
        .advice(format!(
            "bring the missing files back; if they are gone on purpose, raise lifecycle.schedule.max_gone_share ({most}) for this run \
             with --set"
        )))
}

fn previous(project: &Project, name: SnapshotName) -> Result<Option<Previous>> {
    let Some(record) = project.snapshot(name)? else { return Ok(None) };
    let path = project.predictions_file(name, "parquet");
    // Pruned predictions take the movements with them, not the names of the clusters.
    let lenses = if path.exists() { Some(read_lenses(&path)?) } else { None };
    Ok(Some(Previous { name, lenses, clusters: record.behaviour.for_next, data_digest: record.data_digest }))
}

/// What both lenses show.
struct Looked {
    percentile: Vec<f64>,
    tiers: Vec<TierRow>,
    tier_movement: Option<Movement>,
    cluster: Labelling,
    behaviour: BehaviourLens,
    cluster_movement: Option<Movement>,
}

fn look(project: &Project, scoring: &Scoring, previous: Option<&Previous>) -> Result<Looked> {
    let (summary, value) = (scoring.summary(), scoring.expectations().value());
    let ids = &summary.customer_id;
    let before = previous.and_then(|p| p.lenses.as_ref());
    let tiers_then = before.and_then(|b| b.tier.as_ref().map(|tier| segment::Snapshot::of(&b.ids, tier)));
    let valued = value_lens(ids, value, tiers_then)?;
    let clusters = project.section.behaviour.clusters.map_or(Clusters::Auto, |k| Clusters::Fixed(k as u32));
    let settings = BehaviourSettings { clusters, seed: project.plan.sampler.seed };
    let behaviour = behaviour_lens(summary, value, &settings, previous.map(|p| &p.clusters))?;
    let cluster = Labelling { name: CLUSTER.to_owned(), ..behaviour.labelling() };
    let clusters_then = before.and_then(|b| b.cluster.as_ref().map(|cluster| segment::Snapshot::of(&b.ids, cluster)));
    let cluster_movement =
        clusters_then.map(|then| movement(then, segment::Snapshot::of(ids, &cluster))).transpose()?;
    Ok(Looked {
        percentile: valued.percentile,
        tiers: valued.rows,
        tier_movement: valued.movement,
        cluster,
        behaviour,
        cluster_movement,
    })
}

fn inputs(champion: &Card, scoring: &Scoring) -> Result<Vec<Shift>> {
    let mut shifts = Vec::new();
    for (column, values) in watched(scoring.summary()) {
        let Some(reference) = champion.reference.get(column).filter(|_| !values.is_empty()) else { continue };
        shifts.push(reference.shift(&values)?);
    }
    Ok(shifts)
}
