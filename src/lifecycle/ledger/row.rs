//! What a row of the ledger says. Nothing here knows how it is written.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::version::CodeVersion;

/// Why the champion changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A model took over.
    Promote,
    /// A model that had been champion took over again.
    Rollback,
}

/// A promotion as its caller knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Why the champion changed.
    pub action: Action,
    /// The model that is champion from here on.
    pub model_id: String,
    /// Last day it learned from.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Months it learned from; none where it learned from all of the log.
    pub calibration_months: Option<u32>,
    /// Months ahead that it was judged on.
    pub prediction_months: u32,
    /// Key of the purchase model.
    pub purchase_model: String,
    /// Key of the spend model, if there is one.
    pub spend_model: Option<String>,
    /// Name of the grouping, if there is one.
    pub groups: Option<String>,
    /// Root mean square error out of time, with the ends of its interval.
    pub rmse: Option<f64>,
    /// Lower end.
    pub rmse_low: Option<f64>,
    /// Upper end.
    pub rmse_high: Option<f64>,
    /// Share of the variance explained out of time.
    pub r2: Option<f64>,
    /// Gini of the ranking over that of a perfect one, out of time.
    pub gini_normalized: Option<f64>,
    /// What the diagnostics said of its fit.
    pub verdict: String,
    /// Digest of the data it learned from ([`crate::version`] says of the code, this of the purchases).
    pub data_digest: String,
    /// The code that fitted it.
    pub code: CodeVersion,
    /// What the person who promoted it had to say.
    pub note: String,
    /// How it compared with the champion before, if it was compared.
    pub comparison: Option<serde_json::Value>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its number, from 1.
    pub row: u64,
    /// When it was written.
    #[schemars(with = "String")]
    pub time: DateTime<Utc>,
    /// The champion before; none in the first row.
    pub previous_id: Option<String>,
    /// What was promoted.
    #[serde(flatten)]
    pub entry: Entry,
    /// Digest of the row before; zeros in the first row.
    pub previous_hash: String,
    /// SHA-256 over the rest of the row.
    pub hash: String,
}

impl Entry {
    /// Refuses what could not be read back as it was.
    pub(super) fn check(&self) -> Result<()> {
        let numbers = [
            ("rmse", self.rmse),
            ("rmse_low", self.rmse_low),
            ("rmse_high", self.rmse_high),
            ("r2", self.r2),
            ("gini_normalized", self.gini_normalized),
        ];
        if let Some((name, Some(value))) = numbers.into_iter().find(|(_, value)| value.is_some_and(|v| !v.is_finite()))
        {
            return Err(Error::new("a figure of the ledger must be a number")
                .at(name)
                .seen(value)
                .advice("leave out what could not be computed"));
        }
        let named = [("model_id", Some(&self.model_id)), ("spend_model", self.spend_model.as_ref())];
        let named =
            named.into_iter().chain([("groups", self.groups.as_ref()), ("code_commit", self.code.commit.as_ref())]);
        match named.into_iter().find(|(_, text)| text.is_some_and(|text| text.is_empty())) {
            Some((name, _)) => Err(Error::new("a name in the ledger must not be empty").at(name)),
            None => Ok(()),
        }
    }
}
