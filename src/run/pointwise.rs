//! The log-likelihood of single customers under posterior draws: the likelihood of a fit in f64 with the parameters of every draw. Who
//! reads the figures, and of which rows they are, is the caller's.

use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView2, Axis};

use super::models::{likelihood, regression};
use crate::config::ModelPlan;
use crate::data::Observations;
use crate::error::{Error, Result};
use crate::kernels::{Likelihood, ParamBatch, PointwiseBatch};
use crate::model::{Place, family};
use crate::target::Schema;

/// A likelihood and the draws it is asked about.
pub(super) struct Pointwise {
    likelihood: Box<dyn Likelihood>,
    /// `[draw, group, k]`
    params: Array3<f64>,
    /// `[draw, coefficient]`
    shared: Array2<f64>,
}

impl Pointwise {
    /// The likelihood of `plan`'s model of `observed`, for draws `[draw, Schema::size()]`.
    ///
    /// # Errors
    /// Draws of another model, or observations that the model cannot have.
    pub(super) fn new(
        plan: &ModelPlan,
        observed: &Observations,
        schema: &Schema,
        draws: ArrayView2<'_, f64>,
    ) -> Result<Self> {
        let model = family(&plan.model)?;
        let params = model.parameters_of(schema, draws)?;
        let regression = regression(model, observed, plan.covariates.as_ref())?;
        let shared = match &regression {
            Some(regression) => regression.of_draws(schema, draws)?,
            None => Array2::zeros((params.dim().0, 0)),
        };
        let mut likelihood = likelihood(model, observed, regression.as_ref(), &Place::CPU)?;
        // Likelihoods that integrate customers out do so about a reference: amid the draws.
        let per_group = params.mean_axis(Axis(0)).unwrap_or_default().insert_axis(Axis(0));
        let coefficients = shared.mean_axis(Axis(0)).unwrap_or_default().insert_axis(Axis(0));
        likelihood
            .set_reference(ParamBatch { per_group: per_group.view(), shared: coefficients.view() })
            .map_err(|e| Error::new(e.what).advice(e.advice))?;
        Ok(Self { likelihood, params, shared })
    }

    /// Number of draws.
    pub(super) fn draws(&self) -> usize {
        self.params.dim().0
    }

    /// Log-likelihoods `[draw, row]` of some of the likelihood's rows, each as of one customer.
    ///
    /// # Errors
    /// A likelihood that breaks.
    pub(super) fn of(&mut self, rows: Range<usize>) -> Result<Array2<f64>> {
        let mut out = PointwiseBatch { log_lik: Array2::zeros((self.draws(), rows.len())) };
        let params = ParamBatch { per_group: self.params.view(), shared: self.shared.view() };
        self.likelihood
            .pointwise(params, rows.start as u64..rows.end as u64, &mut out)
            .map_err(|e| Error::new(e.what).advice(e.advice))?;
        Ok(out.log_lik)
    }
}
