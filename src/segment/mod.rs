//! Marketing classes of customers, made after the fit: RFM segments from what they did, value tiers from what they are expected to
//! be worth, and the table that tells what each class is worth and what to do with it.
//!
//! Knows nothing of draws: totals with their intervals come from `predict`.

mod rfm;
mod table;
mod tiers;

pub use rfm::{RFM_SEGMENTS, RfmScores, RfmSegment, rfm_labelling, rfm_scores, rfm_segment};
pub use table::{SegmentRow, placement, segment_rows, write_segments};
pub use tiers::{TIERS, Tier, ValueTiers, value_tiers};

#[cfg(test)]
mod tests;
