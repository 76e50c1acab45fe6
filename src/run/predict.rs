//! Step 4: every customer's future, the totals of every set of customers, and the checks of the model against its own data.

use std::time::Instant;

use ndarray::{Array2, Axis};

use super::backend::Place;
use super::facts::{CheckFacts, GroupTotal, HistogramRow, PredictionFacts, TrackingWeek};
use super::fit::open_store;
use super::models::{PURCHASE, SPEND};
use super::summarize::read_summary;
use super::telemetry::{self, PredictionCost};
use super::{Observer, RunDir};
use crate::config::{Plan, SamplerKind};
use crate::data::{COVARIATES_FILE, Design, Holdout, Summary, WeeklyRepeats};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::model::{Dropout, Regression, Role, family};
use crate::predict::{
    self, CovariateDraws, CustomerWriter, Engine, Expectations, Labelling, Population, Settings, Total, Totals,
    TrackingSettings,
};
use crate::segment::{self, ValueTiers};

/// Customers simulated at a time: with 500 draws some 20 MB of scratch.
const CHUNK_CUSTOMERS: usize = 4096;

/// Draws behind the tracking plot's band: its ends are quantiles at 5 and 95 %.
const TRACKING_DRAWS: usize = 200;

/// Everything that later steps derive from the same draws and summary.
pub(super) struct Basis {
    pub summary: Summary,
    pub population: Population,
    pub settings: Settings,
    pub expectations: Expectations,
    pub rfm: Labelling,
    pub tiers: ValueTiers,
}

impl Basis {
    pub fn of(dir: &RunDir) -> Result<Self> {
        let summary = read_summary(dir)?;
        let population = population(dir)?;
        let settings = settings(&dir.plan);
        let expectations = predict::expectations(&summary, &population, &settings)?;
        let rfm = segment::rfm_labelling(&segment::rfm_scores(&summary));
        let tiers = segment::value_tiers(&summary, &expectations);
        Ok(Self { summary, population, settings, expectations, rfm, tiers })
    }
}

/// Whether the predictions that stand are those the plan asks for.
pub(super) fn follows_plan(dir: &RunDir) -> Result<bool> {
    let stands: PredictionFacts = dir.read_json("predictions.json", "predict")?;
    let p = &dir.plan.predict;
    let store = open_store(dir)?;
    let purchase = store.entry(PURCHASE)?;
    let held = purchase.chains * purchase.draws_done() as usize;
    let draws = if is_mode(&dir.plan) { p.draws } else { p.draws.min(held) };
    Ok(stands.horizon_months == p.horizon_months
        && stands.monthly_discount == p.monthly_discount
        && stands.draws == draws)
}

/// Writes `customers.parquet` and `.csv`, `predictions.json` and `checks.json`.
pub(super) fn predict(dir: &RunDir, observer: &dyn Observer) -> Result<()> {
    let basis = Basis::of(dir)?;
    let total = basis.summary.len() as u64;
    let labellings = [
        Labelling::everyone(&basis.summary),
        Labelling::groups(&basis.summary),
        basis.rfm.clone(),
        basis.tiers.labelling.clone(),
    ];
    let placement = segment::placement(&basis.rfm, &basis.tiers);
    let mut writer = CustomerWriter::create(dir.root(), &basis.summary, placement)?;
    let Basis { summary, population, settings, .. } = &basis;
    let mut engine: Box<dyn Engine + '_> = match Place::of(&dir.plan.compute)? {
        Place::Cpu => Box::new(predict::Cpu::new(summary, population, settings, &labellings)?),
        Place::Gpu(device, _) => match predict::Gpu::new(&device, summary, population, settings, &labellings) {
            Ok(gpu) => Box::new(gpu),
            // What a device refuses depends on sizes and parameters alone, so equal runs fall back alike.
            Err(refused) => {
                observer.note(&format!("predicted on the CPU: {refused}"));
                Box::new(predict::Cpu::new(summary, population, settings, &labellings)?)
            }
        },
    };
    let started = Instant::now();
    let totals = predict::predict_customers(
        &mut *engine,
        &basis.summary,
        &basis.expectations,
        &labellings,
        &mut |customers| writer.write(customers),
        &|done| observer.predicting(done, total),
    )?;
    writer.finish()?;
    let work = engine.work();
    let (futures, wall_s) = (total * basis.population.draws() as u64, started.elapsed().as_secs_f64());
    telemetry::record_prediction(
        dir,
        PredictionCost {
            wall_s,
            on_device: work.evaluations > 0,
            futures,
            futures_per_s: futures as f64 / wall_s,
            bytes_up: work.bytes_up,
            bytes_down: work.bytes_down,
            device_s: work.device_ns.map(|ns| ns as f64 * 1e-9),
            device_bytes: work.device_bytes,
        },
    )?;
    dir.write_json("checks.json", &checks(dir, &basis)?)?;
    let [everyone, groups, rfm, tiers] = <[Totals; 4]>::try_from(totals)
        .map_err(|t| Error::new("prediction returned another number of totals").seen(t.len()))?;
    let everyone = everyone.totals.first().ok_or_else(|| Error::new("prediction returned no total"))?;
    let expectations = &basis.expectations;
    dir.write_json(
        "predictions.json",
        &PredictionFacts {
            schema_version: 1,
            horizon_months: basis.settings.horizon_months,
            monthly_discount: basis.settings.monthly_discount,
            draws: basis.population.draws(),
            alive_mean: expectations.p_alive.iter().sum(),
            purchases: (&everyone.purchases).into(),
            clv: everyone.clv.as_ref().map(Into::into),
            groups: groups.totals.iter().map(record).collect(),
            rfm: rfm.totals.iter().map(record).collect(),
            tiers: tiers.totals.iter().map(record).collect(),
        },
    )
}

/// Whether the run holds a mode rather than draws.
fn is_mode(plan: &Plan) -> bool {
    plan.sampler.kind == SamplerKind::Map
}

/// The thinned draws of one fit. A mode stands for every one of them: what is then simulated many times is the customers' luck alone.
fn rows(dir: &RunDir, store: &DrawStore, fit: &str) -> Result<Array2<f64>> {
    let wanted = dir.plan.predict.draws;
    let rows = store.thinned(fit, wanted)?;
    Ok(if is_mode(&dir.plan) { rows.select(Axis(0), &vec![0; wanted]) } else { rows })
}

/// The thinned draws of all fits, paired by index.
pub(super) fn population(dir: &RunDir) -> Result<Population> {
    let store = open_store(dir)?;
    let parameters = |fit: &str, model: &str| {
        family(model)?.parameters_of(&store.entry(fit)?.schema, rows(dir, &store, fit)?.view())
    };
    let purchase = parameters(PURCHASE, &dir.plan.purchase.model)?;
    let spend = dir.plan.spend.as_ref().map(|model| parameters(SPEND, &model.model)).transpose()?;
    Ok(Population { dropout: dropout(&dir.plan)?, purchase, spend, covariates: covariates(dir, &store)? })
}

/// How covariates move customers, where the purchase model has some.
fn covariates(dir: &RunDir, store: &DrawStore) -> Result<Option<CovariateDraws>> {
    let Some(spec) = &dir.plan.purchase.covariates else { return Ok(None) };
    let Design { columns, values } = Design::read(dir.root())?.ok_or_else(|| {
        Error::new("the run has no table of covariates")
            .at(dir.path(COVARIATES_FILE).display())
            .advice("`longrun summarize` writes it again")
    })?;
    let regression = Regression::new(family(&dir.plan.purchase.model)?, spec, &columns)?;
    let rows = rows(dir, store, PURCHASE)?;
    let gamma = regression.of_draws(&store.entry(PURCHASE)?.schema, rows.view())?;
    Ok(Some(CovariateDraws { gamma, terms: regression.terms(), values }))
}

/// How customers stop buying, in the plan's purchase model.
fn dropout(plan: &Plan) -> Result<Dropout> {
    match family(&plan.purchase.model)?.role {
        Role::Purchase(dropout) => Ok(dropout),
        Role::Opportunity | Role::Contract | Role::Spend => {
            Err(Error::new("the purchase model says nothing of purchases")
                .seen(&plan.purchase.model)
                .advice("set purchase.model to bg_nbd, mbg_nbd or pareto_nbd"))
        }
    }
}

/// How the plan wants customers predicted.
pub(super) fn settings(plan: &Plan) -> Settings {
    Settings {
        horizon_months: plan.predict.horizon_months,
        month_time_units: DAYS_PER_MONTH / plan.data.time_unit_days,
        monthly_discount: plan.predict.monthly_discount,
        seed: plan.sampler.seed,
        chunk_customers: CHUNK_CUSTOMERS,
    }
}

/// A twelfth of the Julian year.
const DAYS_PER_MONTH: f64 = 30.4375;

fn checks(dir: &RunDir, basis: &Basis) -> Result<CheckFacts> {
    let weekly = WeeklyRepeats::read_parquet(&dir.path("weekly.parquet"))?;
    let observed_after = if dir.has("holdout.parquet") {
        Holdout::read_parquet(&basis.summary, &dir.path("holdout.parquet"))?.length
    } else {
        0.0
    };
    let settings = TrackingSettings {
        seed: dir.plan.sampler.seed,
        draws: TRACKING_DRAWS,
        days_per_time_unit: dir.plan.data.time_unit_days,
        observed_after,
    };
    let tracking = predict::track(&basis.summary, &weekly, &basis.population, &settings, &|_| ())?;
    Ok(CheckFacts {
        schema_version: 1,
        tracking: tracking
            .weeks
            .iter()
            .map(|w| TrackingWeek {
                week_start: w.week_start,
                actual: w.actual,
                predicted: (&w.predicted).into(),
                cumulative: (&w.predicted_cumulative).into(),
            })
            .collect(),
        calibration_weeks: tracking.calibration_weeks,
        frequency_histogram: tracking
            .frequencies
            .iter()
            .map(|f| HistogramRow {
                repeat_purchases: f.frequency.clone(),
                actual: f.actual,
                predicted: (&f.predicted).into(),
            })
            .collect(),
    })
}

fn record(total: &Total) -> GroupTotal {
    GroupTotal {
        label: total.label.clone(),
        customers: total.customers,
        p_alive_mean: total.p_alive,
        purchases: (&total.purchases).into(),
        clv: total.clv.as_ref().map(Into::into),
    }
}
