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
///
/// A frequency score of 1 means one purchase ever, so that no first-time buyer is called loyal. The more often someone used to buy, the
/// sooner silence is a warning: the rows turn to `At risk` and `Cannot lose them` earlier.
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
        [HIBERNATING, HIBERNATING, SLEEPY, PROMISING, POTENTIAL],
        [AT_RISK, AT_RISK, ATTENTION, ATTENTION, POTENTIAL],
        [AT_RISK, AT_RISK, AT_RISK, LOYAL, LOYAL],
        [PRECIOUS, PRECIOUS, PRECIOUS, LOYAL, CHAMPIONS],
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
    /// By number of repeat purchases: 1 without any, 2 to 5 by quintile among those with some.
    pub frequency: Vec<u8>,
    /// By mean spend per repeat purchase: 1 without any, 2 to 5 by quintile among those with some.
    pub monetary: Vec<u8>,
}

/// Scores every customer. Equal customers score equally, however many they are.
pub fn rfm_scores(summary: &Summary) -> RfmScores {
    let nearness: Vec<f64> = summary.age.iter().zip(&summary.recency).map(|(t, t_x)| t_x - t).collect();
    let frequency: Vec<f64> = summary.frequency.iter().map(|&x| f64::from(x)).collect();
    RfmScores {
        recency: quintile_scores(&nearness),
        frequency: scores_of_repeaters(summary, &frequency),
        monetary: scores_of_repeaters(summary, &summary.monetary),
    }
}

/// 1 without a repeat purchase; otherwise the quintile among repeat buyers, at least 2.
///
/// Quintiles of everyone would call the second purchase of a customer exceptional wherever most never return.
fn scores_of_repeaters(summary: &Summary, values: &[f64]) -> Vec<u8> {
    let repeaters = || summary.frequency.iter().enumerate().filter(|&(_, &x)| x > 0).map(|(i, _)| i);
    let theirs: Vec<f64> = repeaters().map(|i| values[i]).collect();
    let mut scores = vec![1; summary.len()];
    for (i, score) in repeaters().zip(quintile_scores(&theirs)) {
        scores[i] = score.max(2);
    }
    scores
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
