//! Predictions of the customers of one directory with the draws of another: what a model that was fitted once says of everyone
//! later. Nothing is fitted here, and nothing here knows which model is the champion.

use std::path::Path;

use super::forecast::{Forecast, has_rfm};
use super::predict::{Basis, settings, simulate};
use super::summarize::{self, read_summary};
use super::{Log, Observer, RunDir, Step, timed};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::predict::{CustomerWriter, Expectations, Extra, Totals};
use crate::segment::{self, ValueTiers};

/// Performs the first step of a run on a log that has been read already.
pub fn summarize_log(dir: &mut RunDir, log: &Log, observer: &dyn Observer) -> Result<()> {
    timed(dir, Step::Summarize, observer, |dir, observer| summarize::summarize_log(dir, log, observer))
}

/// The customers of a summarised directory under the draws of a model, before anything is simulated.
pub struct Scoring {
    basis: Basis,
    value: Vec<f64>,
    new_groups: usize,
}

impl Scoring {
    /// `snapshot` has been summarised; `model` has been fitted, on any customers of the same kind. The horizon is the snapshot's.
    ///
    /// # Errors
    /// A model of other groups, or with covariates; files that cannot be read.
    pub fn of(snapshot: &RunDir, model: &RunDir) -> Result<Self> {
        if snapshot.plan.groups != model.plan.groups {
            return Err(Error::new("the model was fitted with other groups than the configuration names now")
                .at("groups")
                .seen(format!("{:?}, the model has {:?}", snapshot.plan.groups, model.plan.groups))
                .advice("undo the change, or train and promote a model with the new groups"));
        }
        let of_time = |dir: &RunDir| (dir.plan.data.time_unit_days, dir.plan.data.resolution);
        if of_time(snapshot) != of_time(model) {
            return Err(Error::new("the model counts time otherwise than the configuration does now")
                .at("data.time_unit, data.resolution")
                .advice("undo the change, or train and promote a model anew"));
        }
        let summary = read_summary(snapshot)?;
        let (forecast, new_groups) = Forecast::for_groups(model, &summary.groups.labels)?;
        let settings = settings(&snapshot.plan);
        let expectations = forecast.expectations(&summary, &settings)?;
        let rfm = has_rfm(&model.plan)?.then(|| segment::rfm_labelling(&segment::rfm_scores(&summary)));
        let tiers = segment::value_tiers(&summary, &expectations);
        let value = match &expectations.spend {
            Some(spend) => {
                expectations.purchases.iter().zip(spend).map(|(purchases, spend)| purchases * spend).collect()
            }
            None => expectations.purchases.clone(),
        };
        Ok(Self { basis: Basis { summary, forecast, settings, expectations, rfm, tiers }, value, new_groups })
    }

    /// The customers.
    pub fn summary(&self) -> &Summary {
        &self.basis.summary
    }

    /// Their posterior means.
    pub fn expectations(&self) -> &Expectations {
        &self.basis.expectations
    }

    /// Their tiers.
    pub fn tiers(&self) -> &ValueTiers {
        &self.basis.tiers
    }

    /// What each is expected to spend over the horizon, undiscounted; purchases without a spend model. What happens is compared with
    /// this.
    pub fn value(&self) -> &[f64] {
        &self.value
    }

    /// Groups of these customers that the model had not met.
    pub fn new_groups(&self) -> usize {
        self.new_groups
    }

    /// Simulates everyone's future and writes `<stem>.parquet` and `<stem>.csv` into `folder`, the columns of `extra` behind those of
    /// every customers file. Returns the totals of everyone, joint over draws.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(
        &self,
        snapshot: &RunDir,
        folder: &Path,
        stem: &str,
        extra: Vec<Extra<'_>>,
        observer: &dyn Observer,
    ) -> Result<Totals> {
        let Basis { summary, rfm, tiers, expectations, .. } = &self.basis;
        let placement = segment::placement(rfm.as_ref(), tiers);
        let has_ahead = expectations.p_alive_end.is_some();
        let mut writer = CustomerWriter::create_as(folder, stem, summary, placement, has_ahead, extra)?;
        let everyone = [crate::predict::Labelling::everyone(summary)];
        let (totals, _) = simulate(
            &snapshot.plan.compute,
            &self.basis,
            &everyone,
            &mut |customers| writer.write(customers),
            observer,
        )?;
        writer.finish()?;
        totals.into_iter().next().ok_or_else(|| Error::new("prediction returned no total"))
    }
}
