//! Covariates: which parameters of a family they move, and the coefficients they do it by. Every customer has parameters of their own,
//!
//! θ_ik = θ_gk · exp(± Σ_t γ_t z_it) over the terms t that act on parameter k,
//!
//! with z the standardised covariates. The sign is the family's, chosen so that a positive γ means more purchases, or more of what its
//! effect is named after. Coefficients are sampled for standardised covariates, under one prior for all, and reported per unit of the
//! covariate as it was written.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};

use super::coordinate::Coordinate;
use super::{Family, keys};
use crate::data::DesignColumn;
use crate::dist::CovariateSpec;
use crate::error::{Error, Result};
use crate::kernels::Term;
use crate::kernels::rng::Stream;
use crate::target::{Schema, Variable};

/// The dimensions of coefficients: all covariates, those of purchases, those of dropout.
pub(super) const COVARIATE_DIMS: [&str; 3] = ["covariate", "purchase_covariate", "dropout_covariate"];

/// One parameter that covariates may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// What its coefficients are called.
    pub name: &'static str,
    /// Which list of covariates it takes.
    pub on: Moved,
    /// Index of the parameter it moves.
    pub parameter: usize,
}

/// What covariates may say something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// How often customers buy.
    Purchase,
    /// When they stop.
    Dropout,
}

/// One coefficient.
#[derive(Debug, Clone)]
struct Coefficient {
    effect: Effect,
    /// Column of the design, and what a standardised unit of it is in its own.
    column: usize,
    scale: f64,
    coordinate: Coordinate,
}

/// The coefficients of a fit, effect by effect.
#[derive(Debug, Clone)]
pub struct Regression {
    coefficients: Vec<Coefficient>,
    schema: Schema,
}

impl Regression {
    /// The coefficients of `family` for the covariates that `spec` names, of those that `columns` encode.
    ///
    /// # Errors
    /// A family that covariates cannot move; a covariate that is not among the columns; no covariate at all; a prior that makes none.
    pub fn new(family: &Family, spec: &CovariateSpec, columns: &[DesignColumn]) -> Result<Self> {
        let Some(movable) = &family.movable else {
            return Err(Error::new(format!("{} takes no covariates", family.name))
                .at("covariates")
                .advice(format!("models that do: {}", keys(|f| f.movable.is_some()).join(", "))));
        };
        let mut coefficients = Vec::new();
        let mut schema = Schema::default();
        for effect in movable.effects {
            let wanted = match effect.on {
                Moved::Purchase => &spec.purchase,
                Moved::Dropout => &spec.dropout,
            };
            if let Some(name) = wanted.iter().find(|name| !columns.iter().any(|c| c.covariate == **name)) {
                return Err(Error::new("there is no such covariate").at("covariates").seen(name));
            }
            let chosen: Vec<usize> = (0..columns.len()).filter(|&c| wanted.contains(&columns[c].covariate)).collect();
            if chosen.is_empty() {
                continue;
            }
            for &column in &chosen {
                let name = format!("{}[{}]", effect.name, columns[column].name);
                let everywhere = (f64::NEG_INFINITY, f64::INFINITY);
                let coordinate = Coordinate::new(&name, everywhere, spec.prior, "covariates.prior")?;
                schema.unconstrained.push(coordinate.transform.coordinate_name(&name));
                coefficients.push(Coefficient { effect: *effect, column, scale: columns[column].scale, coordinate });
            }
            let names = chosen.iter().map(|&c| columns[c].name.clone()).collect();
            let dim = match (chosen.len() == columns.len(), effect.on) {
                (true, _) => COVARIATE_DIMS[0],
                (false, Moved::Purchase) => COVARIATE_DIMS[1],
                (false, Moved::Dropout) => COVARIATE_DIMS[2],
            };
            schema.coords.insert(dim.to_owned(), names);
            schema.variables.push(Variable { name: effect.name.to_owned(), dims: vec![dim.to_owned()] });
        }
        if coefficients.is_empty() {
            return Err(Error::new("no covariate acts on anything")
                .at("covariates")
                .advice("name covariates under covariates.purchase or covariates.dropout, or leave both out for all"));
        }
        Ok(Self { coefficients, schema })
    }

    /// Number of coefficients.
    pub fn len(&self) -> usize {
        self.coefficients.len()
    }

    /// Whether there is none; there always is one.
    pub fn is_empty(&self) -> bool {
        self.coefficients.is_empty()
    }

    /// What each coefficient moves, as the kernels take it.
    pub fn terms(&self) -> Vec<Term> {
        let term = |c: &Coefficient| Term { parameter: c.effect.parameter, column: c.column };
        self.coefficients.iter().map(term).collect()
    }

    /// The coefficients of standardised covariates of each draw, `[draw, term]`, out of constrained rows `[draw, Schema::size()]`.
    ///
    /// # Errors
    /// Draws of a fit with other covariates.
    pub fn of_draws(&self, schema: &Schema, rows: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let mut columns = Vec::with_capacity(self.len());
        for variable in &self.schema.variables {
            let wanted = self.schema.range(&variable.name).map_or(0, |range| range.len());
            match schema.range(&variable.name) {
                Some(range) if range.len() == wanted => columns.extend(range),
                _ => {
                    return Err(Error::new("the draws have other covariates than the run")
                        .seen(format!("no {wanted} coefficients called `{}`", variable.name))
                        .advice("fit again"));
                }
            }
        }
        Ok(Array2::from_shape_fn((rows.nrows(), columns.len()), |(draw, t)| {
            rows[[draw, columns[t]]] * self.coefficients[t].scale
        }))
    }

    /// Appends its names to a schema.
    pub(super) fn extend_schema(&self, schema: &mut Schema) {
        schema.variables.extend(self.schema.variables.iter().cloned());
        schema.coords.extend(self.schema.coords.iter().map(|(dim, labels)| (dim.clone(), labels.clone())));
        schema.unconstrained.extend(self.schema.unconstrained.iter().cloned());
    }

    /// Writes γ at `point`.
    pub(super) fn values(&self, point: ArrayView1<'_, f64>, gamma: ArrayViewMut1<'_, f64>) {
        for ((c, &u), gamma) in self.coefficients.iter().zip(point).zip(gamma) {
            *gamma = c.coordinate.value(u);
        }
    }

    /// Writes what is reported at `point`: γ per unit of each covariate.
    pub(super) fn report(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        for ((c, &u), out) in self.coefficients.iter().zip(point).zip(out) {
            *out = c.coordinate.value(u) / c.scale;
        }
    }

    /// Log prior at `point`; writes the gradient of log prior + L, given ∂L/∂γ.
    pub(super) fn log_prior(
        &self,
        point: ArrayView1<'_, f64>,
        d_gamma: ArrayView1<'_, f64>,
        jacobian: bool,
        gradient: &mut [f64],
    ) -> f64 {
        let mut total = 0.0;
        for (t, c) in self.coefficients.iter().enumerate() {
            let (lp, d_lp, slope) = c.coordinate.log_prior(point[t], jacobian);
            total += lp;
            gradient[t] = d_lp + d_gamma[t] * slope;
        }
        total
    }

    /// The point at which covariates move nothing.
    pub(super) fn start(&self) -> Vec<f64> {
        self.coefficients.iter().map(|c| c.coordinate.inverse(0.0)).collect()
    }

    /// A point drawn from the prior.
    pub(super) fn prior_draw(&self, stream: &mut Stream) -> Result<Vec<f64>> {
        let draw = |c: &Coefficient| Ok(c.coordinate.transform.inverse(c.coordinate.sample(stream)?));
        self.coefficients.iter().map(draw).collect()
    }
}
