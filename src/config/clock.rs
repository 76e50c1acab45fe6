//! The clock of the purchase model: which data it can read, and whether time runs in days or in whole opportunities or periods.

use chrono::{Days, NaiveDate};

use super::check::Checker;
use super::data::TimeUnit;
use super::plan::DataPlan;
use super::sections::{GroupBy, PurchaseModel, SpendModel};
use crate::data::{Kind, Resolution};
use crate::error::{Error, Result};

/// Days in a month of the horizon.
const DAYS_PER_MONTH: f64 = 30.4375;

/// A horizon may miss a whole period by this much: months, weeks and years do not fit into each other.
const NEARLY_ONE: f64 = 0.95;

/// How time is counted.
pub(super) struct Clock {
    /// Period in which purchases merge.
    pub resolution: Resolution,
    /// Days in one unit of the model's clock; of whole periods, their mean length.
    pub time_unit_days: f64,
    /// Whether times are numbers of periods.
    pub whole_periods: bool,
}

/// What a model counts time in; none where time is continuous.
fn counted(model: PurchaseModel) -> Option<&'static str> {
    match model {
        PurchaseModel::BgNbd
        | PurchaseModel::MbgNbd
        | PurchaseModel::ParetoNbd
        | PurchaseModel::ParetoAbe
        | PurchaseModel::Nbd => None,
        PurchaseModel::BgBb => Some("an opportunity"),
        PurchaseModel::SBg => Some("a period of the contract"),
    }
}

impl Checker<'_> {
    fn model(&self) -> PurchaseModel {
        self.source.config.purchase.model
    }

    /// Refuses a model with data that say nothing of what it describes.
    pub(super) fn kind_fits_model(&self) -> Result<()> {
        let config = &self.source.config;
        let kind = config.data.kind;
        if config.covariates.is_some() && counted(self.model()).is_some() {
            let must = format!("left out with purchase.model = \"{}\"", self.model().key());
            let advice =
                "covariates move models of continuous time; groups.by = \"column\" lets classes of customers differ";
            return Err(self.fail("covariates", &must, "a table", advice));
        }
        let has_contracts = matches!(kind, Kind::Contracts | Kind::Cohorts);
        let seen = format!("{:?}", written(kind));
        if self.model() != PurchaseModel::SBg {
            let must = "\"transactions\" or \"summary\" for a model of purchases";
            let advice = "contracts that are renewed or not are the business of purchase.model = \"s_bg\"";
            return self.require(!has_contracts, "data.kind", must, seen, advice);
        }
        let must = "\"contracts\" or \"cohorts\" with purchase.model = \"s_bg\"";
        let advice = "s_bg needs customers who are seen to leave: one line each with age and lost, or a table of cohorts; for purchases \
                      choose bg_nbd, mbg_nbd, pareto_nbd, pareto_abe or bg_bb";
        self.require(has_contracts, "data.kind", must, seen, advice)?;
        let must = "\"none\" (or left out) with purchase.model = \"s_bg\"";
        let advice = "a contract has a price, not a spend to learn; multiply the renewals by it";
        self.require(config.spend.model != SpendModel::GammaGamma, "spend.model", must, "\"gamma_gamma\"", advice)?;
        let must = "\"none\" or \"column\" with purchase.model = \"s_bg\"";
        let advice = "contracts have no recency, frequency and spend";
        self.require(!config.groups.by.to_vec().contains(&GroupBy::Rfm), "groups.by", must, "\"rfm\"", advice)
    }

    /// The clock of the data.
    pub(super) fn clock(&self) -> Result<Clock> {
        let data = &self.source.config.data;
        let resolution = data.resolution.unwrap_or_default();
        let unit = data.time_unit.map(TimeUnit::days);
        if let Some(days) = unit {
            let positive = days.is_finite() && days > 0.0;
            self.require(positive, "data.time_unit", "a positive number of days", days, "\"week\" is the default")?;
        }
        let Some(what) = counted(self.model()) else {
            let week = TimeUnit::default().days();
            return Ok(Clock { resolution, time_unit_days: unit.unwrap_or(week), whole_periods: false });
        };
        let model = self.model().key();
        if data.kind != Kind::Transactions {
            let must = format!("set with purchase.model = \"{model}\": the length of {what}");
            let advice =
                "e.g. time_unit = \"month\" or \"year\"; it turns predict.horizon_months into a number of them";
            self.require(unit.is_some(), "data.time_unit", &must, "nothing", advice)?;
            return Ok(Clock { resolution, time_unit_days: unit.unwrap_or(1.0), whole_periods: true });
        }
        let must = format!("set with purchase.model = \"{model}\": it is {what}");
        let advice = "e.g. resolution = \"month\": at each there is one purchase or none; \"week\", \"quarter\", \"year\" or a number of \
                      days will do as well";
        self.require(data.resolution.is_some(), "data.resolution", &must, "nothing", advice)?;
        if let Some(days) = unit {
            let must = format!("left out with purchase.model = \"{model}\"");
            let advice = "opportunities are the clock, and data.resolution is their length";
            self.require(days == resolution.days(), "data.time_unit", &must, format!("{days} days"), advice)?;
        }
        let ends = [("data.calibration_end", data.calibration_end), ("data.holdout_end", data.holdout_end)];
        for (key, end) in ends {
            let Some(cut) = end.map(|end| end.0).filter(|&end| resolution.is_cut_by(end)) else { continue };
            return Err(self.fail(key, &format!("the last day of a {resolution}"), cut, &whole_ends(resolution, cut)));
        }
        Ok(Clock { resolution, time_unit_days: resolution.days(), whole_periods: true })
    }

    /// Refuses a horizon without a whole opportunity or period in it.
    pub(super) fn whole_horizon(&self, data: &DataPlan) -> Result<()> {
        let months = self.source.config.predict.horizon_months;
        let periods = f64::from(months) * DAYS_PER_MONTH / data.time_unit_days;
        if !data.whole_periods || periods >= NEARLY_ONE {
            return Ok(());
        }
        let least = (NEARLY_ONE * data.time_unit_days / DAYS_PER_MONTH).ceil();
        let what = counted(self.model()).unwrap_or("a period");
        Err(Error::new(format!("predict.horizon_months must reach {what} of {} days", data.time_unit_days))
            .at(self.source.place("predict.horizon_months"))
            .seen(months)
            .advice(format!("at least {least}")))
    }
}

/// The two last days of periods around a day that is none.
fn whole_ends(resolution: Resolution, cut: NaiveDate) -> String {
    let start = resolution.period_start(cut);
    let end = cut.iter_days().find(|&day| !resolution.is_cut_by(day)).unwrap_or(cut);
    format!("{} or {end}: half an opportunity would count as a whole one", start - Days::new(1))
}

/// A kind as a configuration writes it.
fn written(kind: Kind) -> &'static str {
    match kind {
        Kind::Transactions => "transactions",
        Kind::Summary => "summary",
        Kind::Contracts => "contracts",
        Kind::Cohorts => "cohorts",
    }
}
