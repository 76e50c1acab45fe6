//! RFM: recency, frequency and monetary scores from 1 to 5, and one named segment for each pair of recency and frequency.
//!
//! The segments are one table over the full 5 × 5 grid: disjoint and exhaustive by construction. Spend is scored but does not
//! decide the name. Knows the summary only, no model.

use crate::data::Summary;
use crate::data::rfm::quintile_scores;
use crate::predict::Labelling;

/// A named segment and what to do with its customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RfmSegment {
    /// Its name.
    pub name: &'static str,
    /// One sentence of advice.
    pub action: &'static str,
}

/// The segments, best first.
pub const RFM_SEGMENTS: [RfmSegment; 11] = [
    RfmSegment {
        name: "Champions",
        action: "Reward them, show them what is new first, and ask them to recommend you.",
    },
    RfmSegment { name: "Loyal", action: "Thank them with a loyalty benefit and offer the next thing up." },
    RfmSegment {
        name: "Potential loyalists",
        action: "Invite them into a membership and suggest what fits what they bought.",
    },
    RfmSegment { name: "New customers", action: "Welcome them well: the second purchase is the one that matters." },
    RfmSegment { name: "Promising", action: "Remind them of the brand with a small reason to come back soon." },
    RfmSegment { name: "Needs attention", action: "Make a limited, personal offer before they cool down." },
    RfmSegment { name: "About to sleep", action: "Send what sells best now; one touch, at low cost." },
    RfmSegment {
        name: "Cannot lose them",
        action: "Call or write personally: they bought most often and have gone quiet.",
    },
    RfmSegment { name: "At risk", action: "Win them back with a strong offer and ask what went wrong." },
    RfmSegment { name: "Hibernating", action: "Include them in seasonal campaigns; spend little." },
    RfmSegment { name: "Lost", action: "Leave them out of paid campaigns; one last reactivation at most." },
];

/// Index into [`RFM_SEGMENTS`] by frequency score (rows, 1 to 5) and recency score (columns, 1 to 5).
const GRID: [[u8; 5]; 5] = {
    const CHAMPIONS: u8 = 0;
    const LOYAL: u8 = 1;
    const POTENTIAL: u8 = 2;
    const NEW: u8 = 3;
    const PROMISING: u8 = 4;
    const ATTENTION: u8 = 5;
    const SLEEPY: u8 = 6;
    const PRECIOUS: u8 = 7;
    const AT_RISK: u8 = 8;
    const HIBERNATING: u8 = 9;
    const LOST: u8 = 10;
    [
        [LOST, HIBERNATING, SLEEPY, PROMISING, NEW],
        [LOST, HIBERNATING, SLEEPY, PROMISING, POTENTIAL],
        [AT_RISK, AT_RISK, ATTENTION, POTENTIAL, POTENTIAL],
        [AT_RISK, AT_RISK, ATTENTION, LOYAL, LOYAL],
        [PRECIOUS, PRECIOUS, LOYAL, CHAMPIONS, CHAMPIONS],
    ]
};

/// The segment of a recency and a frequency score; scores outside 1 to 5 count as the nearest.
pub fn rfm_segment(recency: u8, frequency: u8) -> &'static RfmSegment {
    &RFM_SEGMENTS[segment_index(recency, frequency) as usize]
}

fn segment_index(recency: u8, frequency: u8) -> u8 {
    GRID[usize::from(frequency.clamp(1, 5)) - 1][usize::from(recency.clamp(1, 5)) - 1]
}

/// Scores from 1 (worst) to 5 (best), parallel to the summary's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RfmScores {
    /// By time since the last purchase, T − t_x; shorter is better.
    pub recency: Vec<u8>,
    /// By number of repeat purchases; customers without any always score 1.
    pub frequency: Vec<u8>,
    /// By mean spend per repeat purchase; customers without any always score 1.
    pub monetary: Vec<u8>,
}

/// Scores every customer. Equal customers score equally, however many they are.
pub fn rfm_scores(summary: &Summary) -> RfmScores {
    let nearness: Vec<f64> = summary.age.iter().zip(&summary.recency).map(|(t, t_x)| t_x - t).collect();
    let frequency: Vec<f64> = summary.frequency.iter().map(|&x| f64::from(x)).collect();
    // Where nobody has come back, everyone ties at the middle score; a single purchase is still no habit.
    let of_repeaters = |scores: Vec<u8>| -> Vec<u8> {
        scores.into_iter().zip(&summary.frequency).map(|(score, &x)| if x == 0 { 1 } else { score }).collect()
    };
    RfmScores {
        recency: quintile_scores(&nearness),
        frequency: of_repeaters(quintile_scores(&frequency)),
        monetary: of_repeaters(quintile_scores(&summary.monetary)),
    }
}

/// Every customer's RFM segment, labels in the order of [`RFM_SEGMENTS`].
pub fn rfm_labelling(scores: &RfmScores) -> Labelling {
    let of_customer =
        scores.recency.iter().zip(&scores.frequency).map(|(&r, &f)| u32::from(segment_index(r, f))).collect();
    Labelling {
        name: "rfm".into(),
        labels: RFM_SEGMENTS.iter().map(|segment| segment.name.into()).collect(),
        of_customer,
    }
}
