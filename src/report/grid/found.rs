//! The page's view of what a grid search found: labels for windows, and which cells the search could not tell from the best.

use super::{Cell, GridView, HeatMap, Recommended};
use crate::lifecycle::{self, GridRecord, GridRow, Standing};

impl GridView {
    /// Of a record.
    pub fn of(title: &str, record: &GridRecord) -> Self {
        let found = lifecycle::GridView::of(record);
        let take = &record.recommendation.take;
        Self {
            title: title.to_owned(),
            recommended: Some(Recommended {
                calibration: window(take.calibration_months),
                prediction: window(take.prediction_months),
                words: found.words.clone(),
            }),
            maps: found.maps.iter().map(|map| heat_map(record, map)).collect(),
            notes: record.rows.iter().filter_map(note).collect(),
        }
    }
}

fn window(months: u32) -> String {
    if months == 0 { "everything".to_owned() } else { format!("{months} months") }
}

fn note(row: &GridRow) -> Option<String> {
    row.reason.as_ref().map(|reason| format!("{}: {reason}", row.combination))
}

fn heat_map(record: &GridRecord, map: &lifecycle::HeatMap) -> HeatMap {
    let cell = |r: usize, c: usize| {
        let averaged = map.cells[r][c]?;
        let row = record.rows.iter().find(|row| {
            let it = &row.combination;
            (it.calibration_months, it.prediction_months) == (map.calibration_months[r], map.prediction_months[c])
                && (&it.model, &it.segmentation) == (&map.model, &map.segmentation)
        })?;
        // Standings are of the metric that decides, and of no other.
        let stands = |standing| map.metric == record.by && row.standing == Some(standing);
        Some(Cell {
            value: averaged.measure.value?,
            low: averaged.measure.low.unwrap_or(f64::NAN),
            high: averaged.measure.high.unwrap_or(f64::NAN),
            n_cutoffs: averaged.cutoffs as usize,
            best: stands(Standing::Best),
            indistinguishable: stands(Standing::Indistinguishable),
        })
    };
    HeatMap {
        title: format!("{}, groups {}", map.model, map.segmentation),
        metric: map.label.to_owned(),
        better: map.metric.better(),
        rows: map.calibration_months.iter().map(|&months| window(months)).collect(),
        columns: map.prediction_months.iter().map(|&months| window(months)).collect(),
        cells: (0..map.calibration_months.len())
            .map(|r| (0..map.prediction_months.len()).map(|c| cell(r, c)).collect())
            .collect(),
    }
}
