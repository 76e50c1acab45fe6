//! Step 4: every customer's future, the totals of every set of customers, and the checks of the model against its own data.

use std::time::Instant;

use super::backend;
use super::checks::checks;
use super::facts::{AheadFacts, GroupTotal, PredictionFacts};
use super::fit::open_store;
use super::forecast::{Forecast, has_rfm, is_mode, words};
use super::models::PURCHASE;
use super::summarize::read_summary;
use super::telemetry::{self, PredictionCost};
use super::{Observer, RunDir};
use crate::config::{ComputePlan, Plan};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::predict::{self, CustomerWriter, Engine, Expectations, Labelling, Settings, Sink, Total, Totals};
use crate::segment::{self, ValueTiers};

/// Customers simulated at a time: with 500 draws some 20 MB of scratch.
const CHUNK_CUSTOMERS: usize = 4096;

/// Everything that later steps derive from the same draws and summary.
pub(super) struct Basis {
    pub summary: Summary,
    pub forecast: Forecast,
    pub settings: Settings,
    pub expectations: Expectations,
    pub rfm: Option<Labelling>,
    pub tiers: ValueTiers,
}

impl Basis {
    pub fn of(dir: &RunDir) -> Result<Self> {
        let summary = read_summary(dir)?;
        let forecast = Forecast::of(dir)?;
        let settings = settings(&dir.plan);
        let expectations = forecast.expectations(&summary, &settings)?;
        let rfm = has_rfm(&dir.plan)?.then(|| segment::rfm_labelling(&segment::rfm_scores(&summary)));
        let tiers = segment::value_tiers(&summary, &expectations);
        Ok(Self { summary, forecast, settings, expectations, rfm, tiers })
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
    let mut labellings =
        vec![Labelling::everyone(&basis.summary), Labelling::groups(&basis.summary), basis.tiers.labelling.clone()];
    labellings.extend(basis.rfm.clone());
    let placement = segment::placement(basis.rfm.as_ref(), &basis.tiers);
    let has_ahead = basis.expectations.p_alive_end.is_some();
    let mut writer = CustomerWriter::create(dir.root(), &basis.summary, placement, has_ahead)?;
    let (totals, cost) =
        simulate(&dir.plan.compute, &basis, &labellings, &mut |customers| writer.write(customers), observer)?;
    writer.finish()?;
    telemetry::record_prediction(dir, cost)?;
    dir.write_json("checks.json", &checks(dir, &basis, observer)?)?;
    let [everyone, groups, tiers, rfm @ ..] = &*totals else {
        return Err(Error::new("prediction returned another number of totals").seen(totals.len()));
    };
    let everyone = everyone.totals.first().ok_or_else(|| Error::new("prediction returned no total"))?;
    let expectations = &basis.expectations;
    let ahead = basis.forecast.ahead(&basis.summary, &basis.settings)?;
    dir.write_json(
        "predictions.json",
        &PredictionFacts {
            schema_version: 1,
            horizon_months: basis.settings.horizon_months,
            monthly_discount: basis.settings.monthly_discount,
            draws: basis.forecast.draws(),
            alive_mean: expectations.p_alive.iter().sum(),
            purchases: (&everyone.purchases).into(),
            clv: everyone.clv.as_ref().map(Into::into),
            groups: groups.totals.iter().map(record).collect(),
            rfm: rfm.iter().flat_map(|rfm| &rfm.totals).map(record).collect(),
            tiers: tiers.totals.iter().map(record).collect(),
            ahead: ahead.iter().map(|a| AheadFacts { alive: a.alive, purchases: a.purchases }).collect(),
            left_out: words(&dir.plan)?.left_out.iter().map(|part| (*part).to_owned()).collect(),
        },
    )
}

/// Draws every customer's future, on the planned place: hands them to `sink` in the summary's order, and adds them up by label.
pub(super) fn simulate(
    compute: &ComputePlan,
    basis: &Basis,
    labellings: &[Labelling],
    sink: &mut Sink<'_>,
    observer: &dyn Observer,
) -> Result<(Vec<Totals>, PredictionCost)> {
    let Basis { summary, forecast, settings, expectations, .. } = basis;
    let total = summary.len() as u64;
    let mut engine: Box<dyn Engine + '_> = match backend::open(compute)?.device {
        None => forecast.cpu(summary, settings, labellings)?,
        Some((device, _)) => match forecast.device(&device, summary, settings, labellings) {
            Ok(gpu) => gpu,
            // What a device refuses depends on sizes and parameters alone, so equal runs fall back alike.
            Err(refused) => {
                observer.note(&format!("predicted on the CPU: {refused}"));
                forecast.cpu(summary, settings, labellings)?
            }
        },
    };
    let started = Instant::now();
    let told = |done| observer.predicting(done, total);
    let totals = predict::predict_customers(&mut *engine, summary, expectations, labellings, sink, &told)?;
    let work = engine.work();
    let (futures, wall_s) = (total * forecast.draws() as u64, started.elapsed().as_secs_f64());
    let cost = PredictionCost {
        wall_s,
        on_device: work.evaluations > 0,
        futures,
        futures_per_s: futures as f64 / wall_s,
        bytes_up: work.bytes_up,
        bytes_down: work.bytes_down,
        device_s: work.device_ns.map(|ns| ns as f64 * 1e-9),
        device_bytes: work.device_bytes,
    };
    Ok((totals, cost))
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

fn record(total: &Total) -> GroupTotal {
    GroupTotal {
        label: total.label.clone(),
        customers: total.customers,
        p_alive_mean: total.p_alive,
        purchases: (&total.purchases).into(),
        clv: total.clv.as_ref().map(Into::into),
    }
}
