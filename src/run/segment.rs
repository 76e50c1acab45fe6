//! Step 5: what each RFM segment and value tier is worth and what to do with it.

use ndarray::Array2;

use super::RunDir;
use super::facts::{GroupTotal, PredictionFacts, SegmentFacts};
use super::predict::Basis;
use crate::error::Result;
use crate::predict::{Interval, Labelling, Total, Totals};
use crate::segment::{segment_rows, write_segments};

/// Writes `segments.csv` and, for the report, `segments.json`.
pub(super) fn segment(dir: &RunDir) -> Result<()> {
    let predicted: PredictionFacts = dir.read_json("predictions.json", "predict")?;
    let basis = Basis::of(dir)?;
    let rfm_totals = basis.rfm.as_ref().map(|rfm| totals(rfm, &predicted.rfm));
    let tier_totals = totals(&basis.tiers.labelling, &predicted.tiers);
    let rfm = basis.rfm.as_ref().zip(rfm_totals.as_ref());
    let rows = segment_rows(&basis.expectations, rfm, &basis.tiers, &tier_totals);
    write_segments(&dir.path("segments.csv"), &rows)?;
    let records: Vec<SegmentFacts> = rows
        .iter()
        .map(|row| SegmentFacts {
            kind: row.kind.to_owned(),
            total: GroupTotal {
                label: row.name.clone(),
                customers: row.customers,
                p_alive_mean: row.p_alive_mean,
                purchases: (&row.purchases).into(),
                clv: row.clv.as_ref().map(Into::into),
            },
            share: row.share,
            revenue_share: row.revenue_share,
            cut_value: row.cut_value,
            action: row.action.to_owned(),
        })
        .collect();
    dir.write_json("segments.json", &records)
}

/// The totals that prediction recorded, without their draws.
fn totals(labelling: &Labelling, recorded: &[GroupTotal]) -> Totals {
    let whole = |i: &super::facts::Interval| Interval { mean: i.mean, q05: i.q05, q95: i.q95 };
    Totals {
        name: labelling.name.clone(),
        totals: recorded
            .iter()
            .map(|t| Total {
                label: t.label.clone(),
                customers: t.customers,
                p_alive: t.p_alive_mean,
                purchases: whole(&t.purchases),
                clv: t.clv.as_ref().map(whole),
            })
            .collect(),
        purchases: Array2::zeros((0, 0)),
        clv: None,
    }
}
