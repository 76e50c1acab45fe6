//! What the customers of a summary did afterwards, and its table `holdout.parquet`.
//!
//! Columns: `customer_id` (text), `purchases` (uint32), `spend` (double). The window's length and the number of new customers are
//! facts of the file (`longrun.length`, `longrun.new_customers`).

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Float64Array, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::summary::Summary;
use super::table_file::{self, TableReader, texts};
use crate::error::{Error, Result};

/// The version of the table's columns.
pub(super) const VERSION: &str = "holdout-1";
/// The fact that tells the window's length, in time units.
pub(super) const LENGTH_KEY: &str = "longrun.length";
/// The fact that tells the number of new customers.
pub(super) const NEW_KEY: &str = "longrun.new_customers";

/// What each customer of a [`Summary`] did in the holdout window; parallel to the summary's rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holdout {
    /// Length of the window, in time units.
    pub length: f64,
    /// Purchases (periods with a purchase) in the window.
    pub purchases: Vec<u32>,
    /// Total spend in the window, in currency.
    pub spend: Vec<f64>,
    /// Customers first seen inside the window: counted, never scored.
    pub new_customers: u64,
}

/// The table's columns.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("customer_id", DataType::Utf8, false),
        Field::new("purchases", DataType::UInt32, false),
        Field::new("spend", DataType::Float64, false),
    ]))
}

impl Holdout {
    /// Writes `holdout.parquet`; `summary` names the customers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_parquet(&self, summary: &Summary, path: &Path) -> Result<()> {
        let columns: Vec<(&str, arrow_array::ArrayRef)> = vec![
            ("customer_id", texts(summary.customer_id.iter())),
            ("purchases", Arc::new(UInt32Array::from(self.purchases.clone()))),
            ("spend", Arc::new(Float64Array::from(self.spend.clone()))),
        ];
        let facts = [(LENGTH_KEY, self.length.to_string()), (NEW_KEY, self.new_customers.to_string())];
        table_file::write(path, VERSION, columns, &facts)
    }

    /// Reads `holdout.parquet` back and checks that it belongs to `summary`.
    ///
    /// # Errors
    /// When the file cannot be read, is not such a table, or has other customers than `summary`.
    pub fn read_parquet(summary: &Summary, path: &Path) -> Result<Self> {
        let table = TableReader::open(path, VERSION)?;
        let mut holdout =
            Self { length: table.parsed(LENGTH_KEY)?, new_customers: table.parsed(NEW_KEY)?, ..Self::default() };
        let mut same_customers = true;
        table.read(|rows| {
            let known = summary.customer_id.iter().skip(holdout.purchases.len());
            same_customers &= rows.texts("customer_id")?.iter().eq(known.take(rows.len()).map(Some));
            holdout.purchases.extend_from_slice(rows.counts("purchases")?);
            holdout.spend.extend_from_slice(rows.numbers("spend")?);
            Ok(())
        })?;
        if same_customers && holdout.purchases.len() == summary.len() {
            return Ok(holdout);
        }
        Err(Error::new("the holdout has other customers than the summary")
            .at(path.display())
            .advice("run `longrun summarize` on the run directory again"))
    }
}
