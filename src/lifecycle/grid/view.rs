//! A grid as pictures need it: for every metric, model and segmentation a table of calibration by prediction windows. Knows no colour.

use serde::Serialize;

use super::record::{GridRecord, GridRow};
use crate::evaluate::{Averaged, Better, Metric};

/// Everything that a page about a grid shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GridView {
    /// The metric that decides, first among the maps.
    pub by: Metric,
    /// One per metric, model and segmentation.
    pub maps: Vec<HeatMap>,
    /// The recommendation in words.
    pub words: String,
}

/// One metric over both windows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeatMap {
    /// Of what.
    pub metric: Metric,
    /// The same for people.
    pub label: &'static str,
    /// The purchase model's key.
    pub model: String,
    /// The segmentation's word.
    pub segmentation: String,
    /// Months to learn from, of each row; 0 is everything.
    pub calibration_months: Vec<u32>,
    /// Months to predict, of each column.
    pub prediction_months: Vec<u32>,
    /// `[row][column]`: the mean over cutoffs; none where nothing could be judged.
    pub cells: Vec<Vec<Option<Averaged>>>,
    /// `[row][column]`: how bad each is, from 0, the best of this map, to 1, the worst; none where there is no better or worse.
    pub badness: Vec<Vec<Option<f64>>>,
    /// Row and column of the recommended combination, where it is on this map.
    pub recommended: Option<(usize, usize)>,
}

impl GridView {
    /// Of a record.
    pub fn of(record: &GridRecord) -> Self {
        let mut metrics = vec![record.by];
        metrics.extend(super::SCORES.into_iter().filter(|metric| *metric != record.by));
        let mut maps = Vec::new();
        for metric in metrics {
            for model in &record.plan.models {
                for segmentation in &record.plan.segmentations {
                    maps.push(map(record, metric, model, segmentation));
                }
            }
        }
        Self { by: record.by, maps, words: record.recommendation.words.clone() }
    }
}

fn map(record: &GridRecord, metric: Metric, model: &str, segmentation: &str) -> HeatMap {
    let (rows, columns) = (&record.plan.calibration_months, &record.plan.prediction_months);
    let row_of = |calibration: u32, prediction: u32| -> Option<&GridRow> {
        record.rows.iter().find(|row| {
            let c = &row.combination;
            (c.calibration_months, c.prediction_months) == (calibration, prediction)
                && c.model == model
                && c.segmentation == segmentation
        })
    };
    let cell = |calibration: u32, prediction: u32| -> Option<Averaged> {
        let averaged = *row_of(calibration, prediction)?.scores.get(&metric)?;
        averaged.measure.value.map(|_| averaged)
    };
    let cells: Vec<Vec<Option<Averaged>>> =
        rows.iter().map(|&r| columns.iter().map(|&c| cell(r, c)).collect()).collect();
    let loss = |a: &Averaged| match metric.better() {
        Better::Neither => None,
        better => better.loss(a.measure.value?),
    };
    let losses = || cells.iter().flatten().flatten().filter_map(loss);
    let (least, most) = (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
    let bad = |a: &Option<Averaged>| {
        let loss = a.as_ref().and_then(loss)?;
        Some(if most > least { (loss - least) / (most - least) } else { 0.0 })
    };
    let take = &record.recommendation.take;
    let here = take.model == model && take.segmentation == segmentation;
    let place = |list: &[u32], months: u32| list.iter().position(|&m| m == months);
    HeatMap {
        metric,
        label: metric.label(),
        model: model.to_owned(),
        segmentation: segmentation.to_owned(),
        badness: cells.iter().map(|row| row.iter().map(bad).collect()).collect(),
        recommended: here
            .then(|| place(rows, take.calibration_months).zip(place(columns, take.prediction_months)))
            .flatten(),
        calibration_months: rows.clone(),
        prediction_months: columns.clone(),
        cells,
    }
}
