//! The grid's tables: `results.csv`, a row per combination and cutoff, and `summary.csv`, a row per combination. Numbers that are not
//! there are empty.

use super::SCORES;
use super::design::Design;
use super::record::GridRecord;
use super::trial::{FitRecord, Unusable};
use crate::error::{Error, Result};
use crate::evaluate::Measure;

/// Numbers as they are, in the fewest digits that say them.
fn number(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| x.to_string())
}

fn written(rows: Vec<Vec<String>>) -> Result<Vec<u8>> {
    let failed = |e: csv::Error| Error::new("could not write the grid's table").because(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.write_record(row)).map_err(failed)?;
    writer.into_inner().map_err(|e| Error::new("could not write the grid's table").because(e.into_error()))
}

/// One row per combination and cutoff.
pub(super) fn results(design: &Design<'_>, fits: &[FitRecord]) -> Result<Vec<u8>> {
    let mut head: Vec<String> = [
        "cutoff",
        "calibration_months",
        "calibration_start",
        "prediction_months",
        "model",
        "segmentation",
        "state",
        "reason",
        "customers",
    ]
    .map(str::to_owned)
    .to_vec();
    for metric in SCORES {
        head.extend(["", "_se", "_low", "_high"].map(|end| format!("{}{end}", metric.key())));
    }
    let mut rows = vec![head];
    for (c, cutoff) in design.plan.cutoffs.iter().enumerate() {
        for combination in design.combinations() {
            let fit = &fits[design.trial_of(c, &combination)];
            let scored = fit.windows.get(&combination.prediction_months);
            let (state, reason) = match &fit.unusable {
                None => ("judged", ""),
                Some(Unusable::Refused(why)) => ("refused", why.as_str()),
                Some(Unusable::Failed(why)) => ("failed", why.as_str()),
            };
            let mut row = vec![
                cutoff.to_string(),
                combination.calibration_months.to_string(),
                fit.calibration_start.map_or_else(String::new, |start| start.to_string()),
                combination.prediction_months.to_string(),
                combination.model,
                combination.segmentation,
                state.to_owned(),
                reason.to_owned(),
                scored.map_or_else(String::new, |scored| scored.customers.to_string()),
            ];
            for metric in SCORES {
                let m = scored.map_or(Measure::UNDEFINED, |scored| scored.measure(metric));
                row.extend([m.value, m.se, m.low, m.high].map(number));
            }
            rows.push(row);
        }
    }
    written(rows)
}

/// One row per combination, the best first.
pub(super) fn summary(record: &GridRecord) -> Result<Vec<u8>> {
    let mut head: Vec<String> = [
        "rank",
        "calibration_months",
        "prediction_months",
        "model",
        "segmentation",
        "state",
        "reason",
        "cutoffs",
        "customers",
    ]
    .map(str::to_owned)
    .to_vec();
    for metric in SCORES {
        head.extend(["", "_low", "_high"].map(|end| format!("{}{end}", metric.key())));
    }
    head.extend(
        ["decided_by", "shortfall", "shortfall_low", "shortfall_high", "standing", "recommended"].map(str::to_owned),
    );
    let mut rows = vec![head];
    for row in &record.rows {
        let c = &row.combination;
        let cutoffs = row.scores.values().map(|averaged| averaged.cutoffs).max().unwrap_or(0);
        let mut cells = vec![
            row.rank.map_or_else(String::new, |rank| rank.to_string()),
            c.calibration_months.to_string(),
            c.prediction_months.to_string(),
            c.model.clone(),
            c.segmentation.clone(),
            row.state.key().to_owned(),
            row.reason.clone().unwrap_or_default(),
            cutoffs.to_string(),
            row.customers.to_string(),
        ];
        for metric in SCORES {
            let m = row.scores.get(&metric).map_or(Measure::UNDEFINED, |averaged| averaged.measure);
            cells.extend([m.value, m.low, m.high].map(number));
        }
        let gap = row.shortfall.map_or(Measure::UNDEFINED, |gap| gap.measure);
        cells.push(record.by.key().to_owned());
        cells.extend([gap.value, gap.low, gap.high].map(number));
        cells.push(row.standing.map_or("", |standing| standing.key()).to_owned());
        let for_window = record.by_prediction.iter().any(|r| r.take == *c);
        cells.push(match (*c == record.recommendation.take, for_window) {
            (true, _) => "overall".to_owned(),
            (false, true) => "for_this_window".to_owned(),
            _ => String::new(),
        });
        rows.push(cells);
    }
    written(rows)
}
