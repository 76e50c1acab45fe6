//! `covariates.parquet`: the design in the order of `summary.parquet`, a column each; what the columns are is a fact of the file.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use ndarray::Array2;

use super::{COVARIATES_FILE, Design, DesignColumn};
use crate::data::table_file::{self, TableReader};
use crate::error::{Error, Result};

const VERSION: &str = "covariates-1";
const COLUMNS_KEY: &str = "longrun.covariates";

impl Design {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.nrows()
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `covariates.parquet` into `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(COVARIATES_FILE);
        let facts = serde_json::to_string(&self.columns)
            .map_err(|e| Error::new("the covariates cannot be described").at(path.display()).because(e))?;
        let array = |column: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(self.values.column(column).iter().copied()))
        };
        let columns = self.columns.iter().enumerate().map(|(i, c)| (c.name.as_str(), array(i))).collect();
        table_file::write(&path, VERSION, columns, &[(COLUMNS_KEY, facts)])
    }

    /// Reads `covariates.parquet` of `folder`; nothing where there is none.
    ///
    /// # Errors
    /// When the file is damaged or not of this version's schema.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(COVARIATES_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let table = TableReader::open(&path, VERSION)?;
        let facts: String = table.parsed(COLUMNS_KEY)?;
        let columns: Vec<DesignColumn> = serde_json::from_str(&facts).map_err(|e| {
            Error::new("the table does not say what its columns are")
                .at(path.display())
                .advice("run `longrun summarize` on the run directory again")
                .because(e)
        })?;
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let parts = table.read_groups(&names, |read| {
            let mut values: Vec<f64> = Vec::new();
            read(&mut |rows| {
                let of = names.iter().map(|name| rows.numbers(name)).collect::<Result<Vec<_>>>()?;
                values.extend((0..rows.len()).flat_map(|row| of.iter().map(move |column| column[row])));
                Ok(())
            })?;
            Ok(values)
        })?;
        let values: Vec<f64> = parts.concat();
        let shape = (values.len() / names.len().max(1), names.len());
        // The shape was made from the length.
        Ok(Some(Self { columns, values: Array2::from_shape_vec(shape, values).unwrap_or_default() }))
    }
}
