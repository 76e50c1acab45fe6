//! Covariates as written: where they stand, and which of them move what.

use super::check::Checker;
use super::one_or_many::OneOrMany;
use super::plan::{CovariatesPlan, DataPlan};
use crate::data::{Column, Format, Kind};
use crate::dist::{CovariateSpec, Prior};
use crate::error::Result;

impl Checker<'_> {
    /// Where covariates stand.
    pub(super) fn covariates(&self, data: &DataPlan) -> Result<Option<CovariatesPlan>> {
        let Some(c) = &self.source.config.covariates else { return Ok(None) };
        let names: Vec<&String> = c.continuous.iter().chain(&c.categorical).collect();
        let advice = "e.g. continuous = [\"income\"], categorical = [\"channel\"]";
        self.require(!names.is_empty(), "covariates", "at least one column", "none", advice)?;
        for (i, name) in names.iter().enumerate() {
            let once = !names[..i].contains(name);
            self.require(once, "covariates", "named once", format!("{name:?} twice"), "keep it in one list")?;
        }
        let paths = c.path.as_ref().map_or_else(|| data.paths.clone(), OneOrMany::to_vec);
        if c.path.is_none() && data.kind == Kind::Transactions {
            // A later line of a log may say what was not known at the first purchase, or not before the calibration ended.
            let advice = "name a table with a row per customer that says what was known at the first purchase";
            return Err(self.fail("covariates.path", "set where the data are transactions", "nothing", advice));
        }
        if c.path.is_none() {
            let advice = "name a table of customers in covariates.path";
            self.require(data.header, "data.header", "true where the data hold the covariates", false, advice)?;
        }
        let delimiter = c.delimiter.as_ref().map_or_else(|| data.delimiter.clone(), |d| d.0.clone());
        let single = delimiter == "whitespace" || (delimiter.len() == 1 && delimiter.is_ascii());
        let seen = format!("{delimiter:?}");
        self.require(single, "covariates.delimiter", "one ASCII character or \"whitespace\"", seen, "e.g. \";\"")?;
        let named = data.columns.get("customer").filter(|column| matches!(column, Column::Name(_)));
        let customer = c.customer.clone().or_else(|| named.cloned()).unwrap_or_else(|| "customer_id".into());
        let counted = customer != Column::Index(0);
        self.require(counted, "covariates.customer", "1 or more", 0, "columns are numbered from 1")?;
        Ok(Some(CovariatesPlan {
            paths,
            format: Format::Auto,
            delimiter,
            customer,
            continuous: c.continuous.clone(),
            categorical: c.categorical.clone(),
            missing: c.missing,
        }))
    }

    /// Which covariates move what.
    pub(super) fn effects(&self) -> Result<Option<CovariateSpec>> {
        let Some(c) = &self.source.config.covariates else { return Ok(None) };
        let all: Vec<String> = c.continuous.iter().chain(&c.categorical).cloned().collect();
        let chosen = |key: &str, list: &Option<Vec<String>>| {
            let list = list.as_ref().unwrap_or(&all);
            match list.iter().find(|name| !all.contains(name)) {
                Some(name) => Err(self.fail(
                    key,
                    "covariates of covariates.continuous or covariates.categorical",
                    format!("{name:?}"),
                    "list its column there too",
                )),
                None => Ok(list.clone()),
            }
        };
        let purchase = chosen("covariates.purchase", &c.purchase)?;
        let dropout = chosen("covariates.dropout", &c.dropout)?;
        let idle = all.iter().find(|name| !purchase.contains(name) && !dropout.contains(name));
        if let Some(name) = idle {
            let advice = "name it in covariates.purchase or covariates.dropout, or leave it out";
            return Err(self.fail("covariates", "used", format!("{name:?} in neither list"), advice));
        }
        let prior = c.prior.unwrap_or(Prior::Normal { mean: 0.0, sd: 1.0 });
        Ok(Some(CovariateSpec { purchase, dropout, prior }))
    }
}
