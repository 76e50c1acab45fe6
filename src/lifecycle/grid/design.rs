//! What a grid search tries: cutoffs, combinations, and the fits behind them, each with a name that its configuration decides. Reads
//! dates and a digest of the log, and fits nothing.

use std::fmt;

use chrono::{Days, NaiveDate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trial::FitRecord;
use crate::config::{GridSection, GroupsPlan, PurchaseModel, SamplerKind, Segmentation};
use crate::error::{Error, Result};
use crate::lifecycle::Project;
use crate::lifecycle::fit::Windows;
use crate::lifecycle::project::read_json;
use crate::lifecycle::recipe::{Recipe, digest};
use crate::lifecycle::today::{cutoff_of_window, window_days, window_start};
use crate::run::Log;
use crate::version::code_version;

/// Least days of data before a cutoff.
pub(super) const LEAST_DAYS: i64 = 30;

/// Chains of the fits; approximations have none, and share their draws out among as many rows.
const CHAINS: usize = 4;

/// Warm-up of short chains.
const WARMUP: usize = 500;

/// One choice of everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Combination {
    /// Months to learn from; 0 is everything.
    pub calibration_months: u32,
    /// Months to predict.
    pub prediction_months: u32,
    /// The purchase model's key.
    pub model: String,
    /// The segmentation's word.
    pub segmentation: String,
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calibration_months {
            0 => write!(f, "everything")?,
            months => write!(f, "{months} months")?,
        }
        write!(f, " → {} months, {}", self.prediction_months, self.model)?;
        if self.segmentation == Segmentation::Configured.key() {
            return Ok(());
        }
        write!(f, ", groups {}", self.segmentation)
    }
}

/// What a grid search would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GridPlan {
    /// First day of the data.
    #[schemars(with = "String")]
    pub first_date: NaiveDate,
    /// Last day of the data.
    #[schemars(with = "String")]
    pub last_date: NaiveDate,
    /// The cutoffs, oldest first.
    #[schemars(with = "Vec<String>")]
    pub cutoffs: Vec<NaiveDate>,
    /// Calibration windows in months, ascending; 0, everything, is the last.
    pub calibration_months: Vec<u32>,
    /// Prediction windows in months, ascending.
    pub prediction_months: Vec<u32>,
    /// Keys of the purchase models.
    pub models: Vec<String>,
    /// Words of the segmentations.
    pub segmentations: Vec<String>,
    /// Combinations of all of these.
    pub combinations: u64,
    /// Fits: one for each cutoff, calibration window, model and segmentation, less those that come to the same.
    pub fits: u64,
    /// Those of them that are there already.
    pub fitted: u64,
    /// What should be known of them.
    pub notes: Vec<String>,
}

/// One fit.
pub(super) struct Trial<'a> {
    pub cutoff: NaiveDate,
    pub windows: Windows,
    pub model: PurchaseModel,
    pub segmentation: Segmentation,
    pub recipe: Recipe<'a>,
    /// `<cutoff>-<digest of the configuration>`.
    pub name: String,
}

/// A grid search laid out.
pub(super) struct Design<'a> {
    pub project: &'a Project,
    pub log: &'a Log,
    pub plan: GridPlan,
    /// Without model and segmentation.
    pub base: Recipe<'a>,
    /// In the order in which they are made: what shares a summary comes together.
    pub trials: Vec<Trial<'a>>,
    /// Which trial stands behind (cutoff, calibration, model, segmentation), in the order of the plan's lists.
    behind: Vec<usize>,
    /// The folder of its work under `runs/`.
    pub folder: String,
    /// Digest of all purchases.
    pub data_digest: String,
}

impl<'a> Design<'a> {
    pub fn of(project: &'a Project, log: &'a Log) -> Result<Self> {
        let g = &project.section.grid;
        let prediction = ascending(&g.prediction_months);
        let calibration = ascending(&g.calibration_months);
        let (cutoffs, mut notes) = cutoffs(g, &prediction, log)?;
        let written = project.source(&[])?.config;
        let configured = written.purchase.model;
        let models = if g.models.is_empty() { vec![configured] } else { distinct(g.models.iter().copied()) };
        let wanted = g.segmentations.iter().map(|&s| canonical(s, &project.plan.groups));
        let segmentations = if g.segmentations.is_empty() { vec![Segmentation::Configured] } else { distinct(wanted) };
        notes.extend(reaching_back(&calibration, &cutoffs, log)?);

        let quick = quick(project);
        let base = Recipe::of(project)?.with(quick.iter().cloned());
        let data_digest = log.table.fingerprint(log.last_date)?.digest;
        let program = serde_json::to_string(&code_version())
            .map_err(|e| Error::new("could not write the program's version").because(e))?;
        let folder = format!("grid-{}", digest(&project.source(&quick)?, &data_digest, &program)?);

        let spend = serde_json::to_value(written.spend.model).unwrap_or_default();
        let (mut trials, mut behind): (Vec<Trial<'a>>, Vec<usize>) = (Vec::new(), Vec::new());
        for &cutoff in &cutoffs {
            for &months in &calibration {
                for &model in &models {
                    for &segmentation in &segmentations {
                        let recipe = base.with(way(model, configured, segmentation, &spend));
                        let calibration_months = effective(cutoff, months, log)?;
                        // One month ahead, for nobody looks there: windows are judged later.
                        let windows = Windows { cutoff, calibration_months, prediction_months: 1 };
                        let own = digest(&recipe.source(&windows, &folder, log.last_date)?, "", "")?;
                        let name = format!("{cutoff}-{own}");
                        let place = trials.iter().position(|trial| trial.name == name).unwrap_or_else(|| {
                            trials.push(Trial { cutoff, windows, model, segmentation, recipe, name });
                            trials.len() - 1
                        });
                        behind.push(place);
                    }
                }
            }
        }
        let mut design = Self {
            project,
            log,
            plan: GridPlan {
                first_date: log.first_date,
                last_date: log.last_date,
                combinations: (calibration.len() * prediction.len() * models.len() * segmentations.len()) as u64,
                cutoffs,
                calibration_months: calibration,
                prediction_months: prediction,
                models: models.iter().map(|model| model.key().to_owned()).collect(),
                segmentations: segmentations.iter().map(|s| s.key().to_owned()).collect(),
                fits: trials.len() as u64,
                fitted: 0,
                notes,
            },
            base,
            trials,
            behind,
            folder,
            data_digest,
        };
        let kept = |trial: &Trial<'_>| design.kept(trial).map(|kept| u64::from(kept.is_some()));
        design.plan.fitted = design.trials.iter().map(kept).sum::<Result<u64>>()?;
        design.order();
        Ok(design)
    }

    /// Brings fits of one summary together.
    fn order(&mut self) {
        let key = |t: &Trial<'_>| (t.cutoff, t.windows.calibration_months.unwrap_or(u32::MAX), t.segmentation.key());
        let mut order: Vec<usize> = (0..self.trials.len()).collect();
        order.sort_by_key(|&i| key(&self.trials[i]));
        let mut new = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &old)| new[old] = place);
        self.trials.sort_by_key(key);
        self.behind.iter_mut().for_each(|place| *place = new[*place]);
    }

    /// The newest cutoff.
    pub fn last_cutoff(&self) -> NaiveDate {
        self.plan.cutoffs.last().copied().unwrap_or(self.log.last_date)
    }

    /// Every combination, in the order of the lists.
    pub fn combinations(&self) -> Vec<Combination> {
        let mut all = Vec::new();
        for model in &self.plan.models {
            for segmentation in &self.plan.segmentations {
                for &calibration_months in &self.plan.calibration_months {
                    for &prediction_months in &self.plan.prediction_months {
                        let (model, segmentation) = (model.clone(), segmentation.clone());
                        all.push(Combination { calibration_months, prediction_months, model, segmentation });
                    }
                }
            }
        }
        all
    }

    /// Which trial stands behind a combination at a cutoff.
    pub fn trial_of(&self, cutoff: usize, combination: &Combination) -> usize {
        let place = |list: &[String], word: &str| list.iter().position(|w| w == word).unwrap_or(0);
        let plan = &self.plan;
        let calibration = plan.calibration_months.iter().position(|&m| m == combination.calibration_months);
        let mut at = cutoff * plan.calibration_months.len() + calibration.unwrap_or(0);
        at = at * plan.models.len() + place(&plan.models, &combination.model);
        at = at * plan.segmentations.len() + place(&plan.segmentations, &combination.segmentation);
        self.behind[at]
    }

    /// What the project is configured to do now.
    pub fn configured(&self) -> Combination {
        Combination {
            calibration_months: self.project.section.calibration_months.unwrap_or(0),
            prediction_months: self.project.section.prediction_months,
            model: self.project.plan.purchase.model.clone(),
            segmentation: Segmentation::Configured.key().to_owned(),
        }
    }

    /// The name of a fit's work under `runs/`.
    pub fn work_of(&self, trial: &Trial<'_>) -> String {
        format!("{}/{}", self.folder, trial.name)
    }

    /// Where a fit's record lies.
    pub fn record_path(&self, trial: &Trial<'_>) -> std::path::PathBuf {
        self.project.path(&format!("runs/{}.json", self.work_of(trial)))
    }

    /// A fit's record, if it is there and has every window that is asked for.
    pub fn kept(&self, trial: &Trial<'_>) -> Result<Option<FitRecord>> {
        let record: Option<FitRecord> = read_json(&self.record_path(trial))?;
        Ok(record.filter(|record| self.plan.prediction_months.iter().all(|&months| record.says(months))))
    }
}

/// Each once, ascending; 0 stands for everything and comes last.
fn ascending(months: &[u32]) -> Vec<u32> {
    let mut months = months.to_vec();
    months.sort_by_key(|&m| if m == 0 { u32::MAX } else { m });
    months.dedup();
    months
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// What is configured goes by that word, so that nothing is tried twice.
fn canonical(segmentation: Segmentation, groups: &GroupsPlan) -> Segmentation {
    match (segmentation, groups) {
        (Segmentation::None, GroupsPlan::None) | (Segmentation::Rfm, GroupsPlan::Rfm) => Segmentation::Configured,
        _ => segmentation,
    }
}

/// The newest cutoff leaves the longest window before the end of the data; the others go back from it. Those with too little before them
/// are left out, and said so.
fn cutoffs(g: &GridSection, prediction: &[u32], log: &Log) -> Result<(Vec<NaiveDate>, Vec<String>)> {
    let longest = prediction.iter().copied().max().unwrap_or(1);
    let before = |cutoff: NaiveDate| (cutoff - log.first_date).num_days();
    let last = cutoff_of_window(log.last_date, longest)?;
    if before(last) < LEAST_DAYS {
        let room = (log.last_date - log.first_date).num_days() - LEAST_DAYS;
        let most = (1..longest).rev().find(|&months| window_days(months) as i64 <= room);
        return Err(Error::new(format!("the data are too short for a prediction window of {longest} months"))
            .at("lifecycle.grid.prediction_months")
            .seen(format!("purchases from {} to {}", log.first_date, log.last_date))
            .advice(match most {
                Some(months) => format!(
                    "windows of up to {months} months leave {LEAST_DAYS} days to learn from: --prediction {months}"
                ),
                None => "wait until there are more".to_owned(),
            }));
    }
    let back = |n: u32| last.checked_sub_days(Days::new(u64::from(n) * u64::from(g.cutoff_every_days)));
    let mut all: Vec<NaiveDate> =
        (0..g.cutoffs).map_while(back).take_while(|&cutoff| before(cutoff) >= LEAST_DAYS).collect();
    all.reverse();
    let mut notes = Vec::new();
    let missing = g.cutoffs as usize - all.len();
    if missing > 0 {
        notes.push(format!(
            "{missing} of {} cutoffs are left out: before them there are no {LEAST_DAYS} days of data (they begin on {})",
            g.cutoffs, log.first_date
        ));
    }
    Ok((all, notes))
}

/// The window that a fit takes: everything, where the window reaches back to the beginning.
fn effective(cutoff: NaiveDate, months: u32, log: &Log) -> Result<Option<u32>> {
    if months == 0 {
        return Ok(None);
    }
    Ok((window_start(cutoff, months)? > log.first_date).then_some(months))
}

/// Says which windows are no windows.
fn reaching_back(calibration: &[u32], cutoffs: &[NaiveDate], log: &Log) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for &months in calibration.iter().filter(|&&months| months > 0) {
        let mut reach = 0;
        for &cutoff in cutoffs {
            reach += usize::from(effective(cutoff, months, log)?.is_none());
        }
        if reach > 0 {
            let which = if reach == cutoffs.len() { "every cutoff".to_owned() } else { format!("{reach} cutoffs") };
            notes.push(format!("at {which} {months} months reach back to the first purchase: the same as everything"));
        }
    }
    Ok(notes)
}

/// The overrides of a quick fit.
fn quick(project: &Project) -> Vec<String> {
    let (g, seed, d) = (&project.section.grid, project.plan.sampler.seed, &project.plan.diagnose);
    let draws = g.draws.div_ceil(CHAINS).max(4);
    let kind = g.sampler.key();
    let mut sets = vec![format!("predict.draws={}", g.draws)];
    if g.sampler.samples() {
        // Few draws cannot meet what is asked of many.
        sets.push(format!("sampler={{kind=\"{kind}\", chains={CHAINS}, warmup={WARMUP}, draws={draws}, seed={seed}}}"));
        sets.push(format!("diagnose.max_r_hat={:?}", d.max_r_hat.max(1.05)));
        sets.push(format!("diagnose.min_ess={:?}", d.min_ess.min((CHAINS * draws) as f64 / 4.0)));
    } else {
        // As many are weighed as are needed to judge the approximation in any case: choosing among them by their weights is free.
        let resample = if g.sampler == SamplerKind::Laplace { ", resample=true" } else { "" };
        sets.push(format!("sampler={{kind=\"{kind}\", chains={CHAINS}, draws={draws}, seed={seed}{resample}}}"));
    }
    sets.extend(g.sample_customers.map(|customers| format!("data.sample_customers={customers}")));
    sets
}

/// The overrides that choose model and segmentation. Priors belong to a model and its groups: where either is another than the configured
/// one, the defaults take their place.
pub(super) fn way(
    model: PurchaseModel,
    configured: PurchaseModel,
    segmentation: Segmentation,
    spend: &serde_json::Value,
) -> Vec<String> {
    let mut sets = Vec::new();
    if model != configured || segmentation != Segmentation::Configured {
        sets.push(format!("purchase={{model=\"{}\"}}", model.key()));
    }
    if segmentation != Segmentation::Configured {
        sets.push(format!("spend={{model={spend}}}"));
        sets.push(format!("groups={{by=\"{}\"}}", segmentation.key()));
    }
    sets
}
