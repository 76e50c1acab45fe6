//! Which road of `predict` a run takes: continuous or counted time. What the steps ask of either is asked here, once.

use ndarray::{Array2, Array3, ArrayView2, Axis};

use super::RunDir;
use super::fit::open_store;
use super::models::{self, PURCHASE, SPEND};
use crate::config::{Plan, SamplerKind};
use crate::data::{COVARIATES_FILE, Design, Holdout, Summary, WeeklyRepeats};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::model::{Family, Regression, Role, Words, family};
use crate::predict::{
    self, AheadMean, Counted, CountedPopulation, CovariateDraws, Engine, Expectations, Labelling, Population, Replicas,
    Settings, Tracking, TrackingSettings, Window,
};
use crate::target::Schema;

/// The thinned draws of all fits, paired by index.
pub(super) enum Forecast {
    /// Customers buy at any time.
    Continuous(Population),
    /// They buy at opportunities, or renew contracts.
    Counted(CountedPopulation),
}

impl Forecast {
    /// The draws of a fitted run.
    pub fn of(dir: &RunDir) -> Result<Self> {
        Self::with(dir, |family, _, schema, rows| family.parameters_of(schema, rows))
    }

    /// The same for customers in groups of these labels, some of which the run may not have met; and how many these are.
    pub fn for_groups(dir: &RunDir, labels: &[String]) -> Result<(Self, usize)> {
        if dir.plan.purchase.covariates.is_some() {
            return Err(Error::new("a model with covariates cannot predict customers other than its own")
                .at(dir.root().display())
                .advice("train one without covariates for scoring, with these customers' traits as groups"));
        }
        let new = std::cell::Cell::new(0);
        let forecast = Self::with(dir, |family, fit, schema, rows| {
            let (parameters, unmet) = family.parameters_for(schema, rows, labels, models::seed(&dir.plan, fit))?;
            new.set(unmet.max(new.get()));
            Ok(parameters)
        })?;
        Ok((forecast, new.get()))
    }

    fn with(
        dir: &RunDir,
        of_draws: impl Fn(&Family, &str, &Schema, ArrayView2<'_, f64>) -> Result<Array3<f64>>,
    ) -> Result<Self> {
        let store = open_store(dir)?;
        let parameters = |fit: &str, model: &str| {
            of_draws(family(model)?, fit, &store.entry(fit)?.schema, rows(dir, &store, fit)?.view())
        };
        let purchase = parameters(PURCHASE, &dir.plan.purchase.model)?;
        let spend = dir.plan.spend.as_ref().map(|model| parameters(SPEND, &model.model)).transpose()?;
        let counted = |counted, purchase, spend| Self::Counted(CountedPopulation { counted, purchase, spend });
        Ok(match role(&dir.plan)? {
            Role::Purchase(dropout) => {
                let covariates = covariates(dir, &store)?;
                Self::Continuous(Population { dropout, purchase, spend, covariates })
            }
            Role::Opportunity => counted(Counted::Opportunities, purchase, spend),
            Role::Contract => counted(Counted::Contracts, purchase, None),
            Role::Spend => {
                return Err(Error::new("the purchase model says nothing of purchases")
                    .seen(&dir.plan.purchase.model)
                    .advice("set purchase.model to a model of purchases"));
            }
        })
    }

    pub fn draws(&self) -> usize {
        match self {
            Self::Continuous(population) => population.draws(),
            Self::Counted(population) => population.draws(),
        }
    }

    pub fn groups(&self) -> usize {
        match self {
            Self::Continuous(population) => population.groups(),
            Self::Counted(population) => population.groups(),
        }
    }

    pub fn expectations(&self, summary: &Summary, settings: &Settings) -> Result<Expectations> {
        match self {
            Self::Continuous(population) => predict::expectations(summary, population, settings),
            Self::Counted(population) => predict::expectations_counted(summary, population, settings),
        }
    }

    /// The engine on the processor.
    pub fn cpu<'a>(
        &'a self,
        summary: &'a Summary,
        settings: &Settings,
        labellings: &'a [Labelling],
    ) -> Result<Box<dyn Engine + 'a>> {
        Ok(match self {
            Self::Continuous(population) => Box::new(predict::Cpu::new(summary, population, settings, labellings)?),
            Self::Counted(population) => Box::new(predict::CountedCpu::new(summary, population, settings, labellings)?),
        })
    }

    /// The engine on a device.
    ///
    /// # Errors
    /// What the device refuses; the processor then does it.
    pub fn device<'a>(
        &'a self,
        device: &Device,
        summary: &'a Summary,
        settings: &Settings,
        labellings: &'a [Labelling],
    ) -> Result<Box<dyn Engine + 'a>> {
        match self {
            Self::Continuous(population) => {
                Ok(Box::new(predict::Gpu::new(device, summary, population, settings, labellings)?))
            }
            Self::Counted(_) => Err(Error::new("devices simulate the futures of BG/NBD alone")),
        }
    }

    pub fn window(
        &self,
        summary: &Summary,
        holdout: &Holdout,
        settings: &Settings,
        progress: &dyn Fn(u64),
    ) -> Result<Window> {
        match self {
            Self::Continuous(population) => predict::predict_window(summary, holdout, population, settings, progress),
            Self::Counted(population) => {
                predict::predict_window_counted(summary, holdout, population, settings, progress)
            }
        }
    }

    pub fn track(&self, summary: &Summary, weekly: &WeeklyRepeats, settings: &TrackingSettings) -> Result<Tracking> {
        match self {
            Self::Continuous(population) => predict::track(summary, weekly, population, settings, &|_| ()),
            Self::Counted(population) => predict::track_counted(summary, population, settings),
        }
    }

    pub fn replicate(&self, summary: &Summary, settings: &TrackingSettings) -> Result<Replicas> {
        match self {
            Self::Continuous(population) => predict::replicate(summary, population, settings),
            Self::Counted(population) => predict::replicate_counted(summary, population, settings),
        }
    }

    /// What is expected of everyone at each opportunity ahead; nothing in continuous time.
    pub fn ahead(&self, summary: &Summary, settings: &Settings) -> Result<Vec<AheadMean>> {
        match self {
            Self::Continuous(_) => Ok(Vec::new()),
            Self::Counted(population) => predict::ahead(summary, population, settings),
        }
    }

    pub fn p_alive(&self, draw: usize, group: usize, history: (u32, f64, f64)) -> f64 {
        match self {
            Self::Continuous(population) => population.p_alive(draw, group, history),
            Self::Counted(population) => population.p_alive(draw, group, history),
        }
    }
}

/// Whether the run holds a mode rather than draws.
pub(super) fn is_mode(plan: &Plan) -> bool {
    plan.sampler.kind == SamplerKind::Map
}

/// The thinned draws of one fit. A mode stands for every one of them: what is then simulated many times is the customers' luck alone.
fn rows(dir: &RunDir, store: &DrawStore, fit: &str) -> Result<Array2<f64>> {
    let wanted = dir.plan.predict.draws;
    let rows = store.thinned(fit, wanted)?;
    Ok(if is_mode(&dir.plan) { rows.select(Axis(0), &vec![0; wanted]) } else { rows })
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
    let gamma = regression.of_draws(&store.entry(PURCHASE)?.schema, rows(dir, store, PURCHASE)?.view())?;
    Ok(Some(CovariateDraws { gamma, terms: regression.terms(), values }))
}

fn role(plan: &Plan) -> Result<Role> {
    Ok(family(&plan.purchase.model)?.role)
}

/// What the results of a plan's purchase model are called.
pub fn words(plan: &Plan) -> Result<&'static Words> {
    Ok(role(plan)?.words())
}

/// Whether customers have a recency and frequency to be segmented by.
pub(super) fn has_rfm(plan: &Plan) -> Result<bool> {
    Ok(role(plan)? != Role::Contract)
}
