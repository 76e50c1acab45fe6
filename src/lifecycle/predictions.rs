//! A snapshot's predictions file, read back, and joined with what happened since. A customer who bought nothing has an actual value of
//! 0; one whom the log no longer knows has none, and is left out and counted.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::data::{Holdout, Ids, Summary};
use crate::error::{Error, Result};
use crate::predict::Labelling;
use crate::segment::TIERS;

/// The levels of the purchase quantiles in a predictions file.
pub const QUANTILES: [&str; 5] = ["purchases_q05", "purchases_q25", "purchases_q50", "purchases_q75", "purchases_q95"];
/// Column of the expected value in the window.
pub const VALUE: &str = "value_mean";
/// Column of the behaviour cluster.
pub const CLUSTER: &str = "behaviour_cluster";
/// Column of the value tier.
pub const TIER: &str = "value_tier";

/// What was promised of each customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// Ascending.
    pub customer_id: Ids,
    /// Repeat purchases then.
    pub frequency: Vec<u32>,
    /// Expected purchases in the window.
    pub purchases: Vec<f64>,
    /// Expected value in the window, undiscounted.
    pub value: Vec<f64>,
    /// Predictive quantiles of purchases, by [`QUANTILES`].
    pub quantiles: [Vec<u32>; 5],
    /// The value tier.
    pub tier: Option<Labelling>,
    /// The behaviour cluster; none for files without one.
    pub cluster: Option<Labelling>,
}

/// Labels as they are read, each kept once.
struct Labels {
    name: &'static str,
    labels: Vec<String>,
    place: HashMap<String, u32>,
    of_customer: Vec<u32>,
}

impl Labels {
    /// `known` come first, in their order.
    fn begin<'a>(name: &'static str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let labels: Vec<String> = known.into_iter().map(str::to_owned).collect();
        let place = labels.iter().cloned().zip(0..).collect();
        Self { name, labels, place, of_customer: Vec::new() }
    }

    fn push(&mut self, label: &str) {
        let place = match self.place.get(label) {
            Some(&place) => place,
            None => {
                let place = self.labels.len() as u32;
                self.labels.push(label.to_owned());
                self.place.insert(label.to_owned(), place);
                place
            }
        };
        self.of_customer.push(place);
    }

    /// Labels that were not known come in the order of their length and letters: cluster 2 before cluster 10.
    fn finish(self, known: usize) -> Option<Labelling> {
        if self.of_customer.is_empty() {
            return None;
        }
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order[known..].sort_by_key(|&i| (self.labels[i].len(), self.labels[i].clone()));
        let mut new = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(&old, place)| new[old] = place);
        let labels = order.iter().map(|&old| self.labels[old].clone()).collect();
        let of_customer = self.of_customer.iter().map(|&old| new[old as usize]).collect();
        Some(Labelling { name: self.name.to_owned(), labels, of_customer })
    }
}

fn tiers() -> Labels {
    Labels::begin(TIER, TIERS.iter().map(|tier| tier.name))
}

fn broken(path: &Path, e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("the predictions cannot be read")
        .at(path.display())
        .advice("restore the file; where it was removed on purpose, remove the snapshot's whole folder")
        .because(e)
}

/// Reads some columns, batch by batch.
fn read(path: &Path, wanted: &[&str], mut each: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|e| broken(path, e))?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|e| broken(path, e))?;
    let mask = ProjectionMask::columns(metadata.parquet_schema(), wanted.iter().copied());
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_projection(mask);
    for batch in builder.with_batch_size(1 << 15).build().map_err(|e| broken(path, e))? {
        each(&batch.map_err(|e| broken(path, e))?)?;
    }
    Ok(())
}

struct Batch<'a>(&'a RecordBatch, &'a Path);

impl Batch<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef> {
        self.0.column_by_name(name).ok_or_else(|| broken(self.1, format!("it has no column `{name}`")))
    }

    fn texts(&self, name: &str) -> Result<impl Iterator<Item = &str>> {
        let column =
            self.column(name)?.as_string_opt::<i32>().ok_or_else(|| broken(self.1, format!("`{name}` is no text")))?;
        Ok(column.iter().map(Option::unwrap_or_default))
    }

    fn numbers(&self, name: &str) -> Result<&[f64]> {
        let column = self.column(name)?.as_primitive_opt::<Float64Type>();
        Ok(column.ok_or_else(|| broken(self.1, format!("`{name}` is no number")))?.values())
    }

    fn counts(&self, name: &str) -> Result<&[u32]> {
        let column = self.column(name)?.as_primitive_opt::<UInt32Type>();
        Ok(column.ok_or_else(|| broken(self.1, format!("`{name}` is no count")))?.values())
    }
}

impl Predictions {
    /// Reads a predictions file.
    ///
    /// # Errors
    /// A file that is damaged or no predictions file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut wanted = vec!["customer_id", "frequency", "purchases_mean", VALUE, TIER, CLUSTER];
        wanted.extend(QUANTILES);
        let mut all = Self::default();
        let (mut tier, mut cluster) = (tiers(), Labels::begin(CLUSTER, []));
        read(path, &wanted, |batch| {
            let batch = Batch(batch, path);
            batch.texts("customer_id")?.for_each(|id| all.customer_id.push(id));
            all.frequency.extend_from_slice(batch.counts("frequency")?);
            all.purchases.extend_from_slice(batch.numbers("purchases_mean")?);
            all.value.extend_from_slice(batch.numbers(VALUE)?);
            for (into, name) in all.quantiles.iter_mut().zip(QUANTILES) {
                into.extend_from_slice(batch.counts(name)?);
            }
            batch.texts(TIER)?.for_each(|label| tier.push(label));
            if batch.0.column_by_name(CLUSTER).is_some() {
                batch.texts(CLUSTER)?.for_each(|label| cluster.push(label));
            }
            Ok(())
        })?;
        (all.tier, all.cluster) = (tier.finish(TIERS.len()), cluster.finish(0));
        Ok(all)
    }

    /// Number of customers.
    fn customers(&self) -> usize {
        self.value.len()
    }
}

/// The labels of both lenses in a predictions file, and whose they are.
pub(super) struct Lenses {
    pub ids: Ids,
    pub tier: Option<Labelling>,
    pub cluster: Option<Labelling>,
}

/// Reads the lenses alone.
pub(super) fn read_lenses(path: &Path) -> Result<Lenses> {
    let (mut ids, mut tier, mut cluster) = (Ids::default(), tiers(), Labels::begin(CLUSTER, []));
    read(path, &["customer_id", TIER, CLUSTER], |batch| {
        let batch = Batch(batch, path);
        batch.texts("customer_id")?.for_each(|id| ids.push(id));
        batch.texts(TIER)?.for_each(|label| tier.push(label));
        batch.texts(CLUSTER)?.for_each(|label| cluster.push(label));
        Ok(())
    })?;
    Ok(Lenses { ids, tier: tier.finish(TIERS.len()), cluster: cluster.finish(0) })
}

/// Predictions with what happened; parallel columns, ascending by customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcomes {
    /// What was promised.
    pub predictions: Predictions,
    /// Purchases in the window; 0 where there was none.
    pub actual_purchases: Vec<u32>,
    /// Value in the window: spend, or purchases where the model has no spend.
    pub actual_value: Vec<f64>,
    /// The group of partial pooling.
    pub group: Option<Labelling>,
    /// Customers of the predictions that the log no longer knows.
    pub left_out: u64,
}

impl Outcomes {
    /// Joins predictions with the holdout of a summary at their cutoff. `in_spend` says whether value is spend.
    ///
    /// # Errors
    /// No customer that both know.
    pub fn join(predictions: Predictions, summary: &Summary, holdout: &Holdout, in_spend: bool) -> Result<Self> {
        let mut rows = Vec::with_capacity(predictions.customers());
        let mut at = 0;
        for (i, id) in predictions.customer_id.iter().enumerate() {
            while at < summary.len() && &summary.customer_id[at] < id {
                at += 1;
            }
            if at < summary.len() && &summary.customer_id[at] == id {
                rows.push((i, at));
            }
        }
        if rows.is_empty() {
            return Err(Error::new("the log knows none of the customers that were predicted")
                .advice("compare customer ids in the predictions with those in the log"));
        }
        let left_out = (predictions.customers() - rows.len()) as u64;
        let purchases = |&(_, at): &(usize, usize)| holdout.purchases[at];
        let actual_purchases: Vec<u32> = rows.iter().map(purchases).collect();
        let actual_value = if in_spend {
            rows.iter().map(|&(_, at)| holdout.spend[at]).collect()
        } else {
            actual_purchases.iter().map(|&n| f64::from(n)).collect()
        };
        let group = summary.groups.column.is_some().then(|| Labelling {
            of_customer: rows.iter().map(|&(_, at)| summary.group[at]).collect(),
            ..Labelling::groups(summary)
        });
        let predictions = if left_out == 0 { predictions } else { predictions.select(&rows) };
        Ok(Self { predictions, actual_purchases, actual_value, group, left_out })
    }

    /// Writes `<stem>.parquet` and `<stem>.csv`: each customer's prediction and what happened. Called for what it holds: it has columns
    /// that no predictions file has, and is found by its snapshot alone, never by a pattern of names.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<()> {
        let p = &self.predictions;
        let text = |l: &Labelling| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(l.of_customer.iter().map(|&label| &l.labels[label as usize])))
        };
        let number = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", Arc::new(StringArray::from_iter_values(p.customer_id.iter()))),
            ("purchases_mean", number(&p.purchases)),
            (VALUE, number(&p.value)),
            ("actual_purchases", Arc::new(UInt32Array::from(self.actual_purchases.clone()))),
            ("actual_value", number(&self.actual_value)),
        ];
        columns.extend(p.tier.as_ref().map(|tier| (TIER, text(tier))));
        columns.extend(p.cluster.as_ref().map(|cluster| (CLUSTER, text(cluster))));
        let (parquet, csv) = (folder.join(format!("{stem}.parquet")), folder.join(format!("{stem}.csv")));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |e: Box<dyn std::error::Error + Send + Sync>| {
                Error::new("could not write the labelled customers").at(path.display()).because(e)
            }
        };
        let batch = RecordBatch::try_from_iter(columns).map_err(|e| failed(&parquet)(e.into()))?;
        let write_parquet = |path: &Path| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let properties =
                WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
            let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties))?;
            writer.write(&batch)?;
            writer.into_inner()?.sync_all()?;
            Ok(())
        };
        let write_csv = |path: &Path| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            let mut writer = csv::Writer::from_path(path)?;
            writer.write_record(batch.schema().fields().iter().map(|f| f.name().as_str()))?;
            for row in 0..batch.num_rows() {
                writer.write_record(batch.columns().iter().map(|column| cell(column, row)))?;
            }
            writer.into_inner().map_err(|e| e.into_error())?.sync_all()?;
            Ok(())
        };
        for (path, write) in [
            (&csv, &write_csv as &dyn Fn(&Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>>),
            (&parquet, &write_parquet),
        ] {
            let partial = path.with_extension("partial");
            write(&partial).map_err(failed(path))?;
            std::fs::rename(&partial, path).map_err(|e| Error::io("name the labelled customers", path, e))?;
        }
        Ok(())
    }
}

impl Predictions {
    fn select(&self, rows: &[(usize, usize)]) -> Self {
        fn pick<T: Clone>(column: &[T], rows: &[(usize, usize)]) -> Vec<T> {
            rows.iter().filter_map(|&(row, _)| column.get(row).cloned()).collect()
        }
        Self {
            customer_id: rows.iter().map(|&(row, _)| &self.customer_id[row]).collect(),
            frequency: pick(&self.frequency, rows),
            purchases: pick(&self.purchases, rows),
            value: pick(&self.value, rows),
            quantiles: std::array::from_fn(|q| pick(&self.quantiles[q], rows)),
            tier: self.tier.as_ref().map(|l| Labelling { of_customer: pick(&l.of_customer, rows), ..l.clone() }),
            cluster: self.cluster.as_ref().map(|l| Labelling { of_customer: pick(&l.of_customer, rows), ..l.clone() }),
        }
    }
}

/// One cell as text.
fn cell(column: &ArrayRef, row: usize) -> String {
    if let Some(text) = column.as_string_opt::<i32>() {
        return text.value(row).to_owned();
    }
    if let Some(number) = column.as_primitive_opt::<Float64Type>() {
        return number.value(row).to_string();
    }
    match (column.as_primitive_opt::<UInt32Type>(), column.as_primitive_opt::<UInt64Type>()) {
        (Some(count), _) => count.value(row).to_string(),
        (_, Some(count)) => count.value(row).to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Groups;

    fn summary(ids: &[&str]) -> Summary {
        Summary {
            customer_id: ids.iter().copied().collect(),
            frequency: vec![1; ids.len()],
            recency: vec![1.0; ids.len()],
            age: vec![2.0; ids.len()],
            monetary: vec![3.0; ids.len()],
            group: vec![0; ids.len()],
            groups: Groups::all(),
            ..Summary::default()
        }
    }

    fn predictions(ids: &[&str]) -> Predictions {
        let labels = |name: &str| Labelling {
            name: name.to_owned(),
            labels: vec!["Top 1%".to_owned(), "Others".to_owned()],
            of_customer: (0..ids.len() as u32).map(|i| i % 2).collect(),
        };
        Predictions {
            customer_id: ids.iter().copied().collect(),
            frequency: (0..ids.len() as u32).collect(),
            purchases: vec![0.5; ids.len()],
            value: (1..=ids.len()).map(|v| v as f64).collect(),
            quantiles: std::array::from_fn(|q| vec![q as u32; ids.len()]),
            tier: Some(labels(TIER)),
            cluster: None,
        }
    }

    /// Who bought nothing has 0; whom the log does not know is left out, with all of their columns; who is new to the log was not promised
    /// anything.
    #[test]
    fn predictions_are_joined_with_what_happened() {
        let holdout = Holdout { length: 4.0, purchases: vec![2, 0, 7], spend: vec![30.0, 0.0, 70.0], new_customers: 0 };
        let known = summary(&["a", "c", "e"]);
        let joined = Outcomes::join(predictions(&["a", "b", "c", "d"]), &known, &holdout, true).expect("joined");
        assert_eq!((&joined.actual_purchases, &joined.actual_value), (&vec![2, 0], &vec![30.0, 0.0]));
        assert_eq!(
            (joined.left_out, &joined.predictions.value, &joined.predictions.frequency),
            (2, &vec![1.0, 3.0], &vec![0, 2])
        );
        assert_eq!(joined.predictions.tier.as_ref().map(|t| &t.of_customer), Some(&vec![0, 0]));
        let counted = Outcomes::join(predictions(&["a", "c"]), &known, &holdout, false).expect("joined");
        assert_eq!((counted.actual_value, counted.left_out), (vec![2.0, 0.0], 0));
        let nobody = Outcomes::join(predictions(&["x"]), &known, &holdout, true).expect_err("nobody");
        assert!(nobody.to_string().contains("knows none of the customers"), "{nobody}");
    }

    #[test]
    fn labelled_customers_are_no_predictions() {
        let folder = tempfile::tempdir().expect("a folder");
        let holdout = Holdout { length: 4.0, purchases: vec![2], spend: vec![30.5], new_customers: 0 };
        let joined = Outcomes::join(predictions(&["=a"]), &summary(&["=a"]), &holdout, true).expect("joined");
        joined.write(folder.path(), "clv_labelled_x").expect("written");
        let text = std::fs::read_to_string(folder.path().join("clv_labelled_x.csv")).expect("a file");
        assert_eq!(
            text,
            "customer_id,purchases_mean,value_mean,actual_purchases,actual_value,value_tier\n=a,0.5,1,2,30.5,Top 1%\n"
        );
        // Taken for predictions it is refused by what it lacks.
        let refused = Predictions::read(&folder.path().join("clv_labelled_x.parquet")).expect_err("no predictions");
        assert!(refused.to_string().contains("cannot be read"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing half done is left");
    }

    #[test]
    fn labels_come_in_an_order_that_people_expect() {
        let mut labels = Labels::begin(CLUSTER, []);
        ["Cluster 10", "Cluster 2", "Cluster 10", "Cluster 1"].into_iter().for_each(|label| labels.push(label));
        let labelling = labels.finish(0).expect("labels");
        assert_eq!(labelling.labels, ["Cluster 1", "Cluster 2", "Cluster 10"]);
        assert_eq!(labelling.of_customer, [2, 1, 2, 0]);
        let mut tiers = tiers();
        ["Others", "Top 1%"].into_iter().for_each(|label| tiers.push(label));
        assert_eq!(tiers.finish(TIERS.len()).expect("tiers").of_customer, [4, 0]);
    }
}
