//! How well predictions did on a window after their cutoff: the one road by which baselines, snapshots and rivals are judged, so that
//! their figures may stand side by side.

use super::predictions::{Outcomes, Predictions};
use crate::data::{Holdout, Summary};
use crate::error::{Error, Result};
use crate::evaluate::{self, Accuracy, PurchaseOutcomes, Target, blocks};
use crate::predict::Extra;
use crate::run::{Observer, RunDir, Scoring};

/// What a model predicted for the customers of a summarised directory, joined with the holdout window of that directory.
pub(super) fn outcomes_of(dir: &RunDir, model: &RunDir, observer: &dyn Observer) -> Result<Outcomes> {
    let scoring = Scoring::of(dir, model)?;
    let in_spend = scoring.expectations().spend.is_some();
    let extra = vec![Extra::Number(super::predictions::VALUE, scoring.value())];
    scoring.write(dir, dir.root(), "evaluation", extra, observer)?;
    drop(scoring);
    join(dir, Predictions::read(&dir.path("evaluation.parquet"))?, in_spend)
}

/// Predictions joined with the holdout window of a summarised directory.
pub(super) fn join(dir: &RunDir, predictions: Predictions, in_spend: bool) -> Result<Outcomes> {
    let summary = Summary::read_parquet(&dir.path("summary.parquet"))?;
    if !dir.has("holdout.parquet") {
        return Err(Error::new("the data do not reach to the end of the window that is to be judged")
            .at(dir.root().display())
            .advice("wait until they do"));
    }
    let holdout = Holdout::read_parquet(&summary, &dir.path("holdout.parquet"))?;
    Outcomes::join(predictions, &summary, &holdout, in_spend)
}

impl Outcomes {
    /// How well the predictions did.
    pub(super) fn accuracy(&self, horizon_months: u32, in_spend: bool) -> Result<Accuracy> {
        let block = blocks(&self.predictions.customer_id);
        evaluate::accuracy(&self.judged(&block, horizon_months, in_spend))
    }

    /// As the scores take them.
    pub(super) fn judged<'a>(&'a self, block: &'a [u8], horizon_months: u32, in_spend: bool) -> evaluate::Outcomes<'a> {
        let [q05, q25, q50, q75, q95] = &self.predictions.quantiles;
        evaluate::Outcomes {
            target: if in_spend { Target::Value } else { Target::Purchases },
            horizon_months,
            block,
            predicted: &self.predictions.value,
            actual: &self.actual_value,
            purchases: Some(PurchaseOutcomes { actual: &self.actual_purchases, q05, q25, q50, q75, q95, crps: None }),
        }
    }
}
