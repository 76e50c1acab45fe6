//! Marketing classes of customers, made after the fit: RFM segments from what they did, value tiers from what they are expected to
//! be worth, the table that tells what each class is worth and what to do with it; and the two lenses of a snapshot, value and
//! behaviour, with who moved since the last one.
//!
//! Knows nothing of draws: totals with their intervals come from `predict`.

mod behaviour;
mod csv_file;
mod movement;
mod rfm;
mod table;
mod tiers;
mod value_lens;

pub use behaviour::{
    BehaviourLens, BehaviourSettings, Centre, Cluster, Clusters, Feature, IndexOf, KnownCluster, PreviousClusters,
    Silhouette, Typical, behaviour_lens, cluster_label, write_clusters,
};
pub use movement::{GONE, Movement, NEW, Snapshot, movement, movement_of_streams, write_movement};
pub use rfm::{RFM_SEGMENTS, RfmScores, RfmSegment, rfm_labelling, rfm_scores, rfm_segment};
pub use table::{SegmentRow, placement, segment_rows, write_segments};
pub use tiers::{TIERS, Tier, ValueTiers, tiers_of, value_tiers};
pub use value_lens::{TierRow, ValueLens, percentile, value_lens, write_tiers};

#[cfg(test)]
mod million;
#[cfg(test)]
mod tests;
