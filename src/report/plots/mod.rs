//! The plots of a report, one file each, on the scales and shapes of their parent. Here: paper sizes and what all axes share.
//!
//! Text in a drawing shrinks with it, so plots that carry text are drawn twice, for a wide page and for a phone, and the
//! style sheet shows one of them.

mod calendar;
mod checks;
mod density;
mod energy;
mod forest;
mod grid_map;
mod heat_map;
mod lines;
mod pairs;
mod panel;
mod prior;
mod resources;
mod shrinkage;
mod stack;
mod strips;
mod totals;
mod tracking;
mod watch;

pub(super) use calendar::Span;
pub(super) use checks::{Mark, checks};
pub(super) use density::density;
pub(super) use energy::energy;
pub(super) use forest::forest;
pub(super) use grid_map::{decimals as grid_decimals, grid_map, in_words as grid_words};
pub(super) use heat_map::heat_map;
pub(super) use lines::{Line, Lines, class as line_class, lines};
pub(super) use pairs::pairs;
pub(super) use panel::{CHAINS, panel};
pub(super) use prior::prior;
pub(super) use resources::resources;
pub(super) use shrinkage::shrinkage;
pub(super) use stack::{Part, Stack, stack};
pub(super) use strips::{IntervalAxis, observed_strip, share_bar, threshold_bar};
pub(super) use totals::{Total, Totals, totals};
pub(super) use tracking::{cumulative, weekly};
pub(super) use watch::{Level, Said, Seen, Unit, Watch, watch};

use super::numbers;
use super::scales::Scale;
use super::svg::{Anchor, Svg};

/// The paper a plot is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// The whole text column of a desktop page.
    Wide,
    /// A phone.
    Narrow,
}

impl Size {
    /// Width in pixels.
    fn width(self) -> f64 {
        match self {
            Self::Wide => 840.0,
            Self::Narrow => 350.0,
        }
    }

    /// Whether there is room for long words.
    fn is_wide(self) -> bool {
        self == Self::Wide
    }
}

/// Draws for a wide page and for a phone; the style sheet shows the one that fits.
pub(super) fn responsive(draw: impl Fn(Size) -> String) -> String {
    format!(r#"<div class="for-wide">{}</div><div class="for-narrow">{}</div>"#, draw(Size::Wide), draw(Size::Narrow))
}

/// The room within the axes.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn width(&self) -> f64 {
        self.right - self.left
    }
}

/// Width of a text in the plots' type size, generously, for margins.
fn text_width(text: &str) -> f64 {
    7.0 * text.chars().count() as f64
}

/// A label of at most so many letters.
fn shortened(label: &str, letters: usize) -> String {
    if label.chars().count() <= letters {
        return label.to_owned();
    }
    label.chars().take(letters - 1).chain(['…']).collect()
}

/// The highest finite value, at least `floor`.
fn highest(values: impl IntoIterator<Item = f64>, floor: f64) -> f64 {
    values.into_iter().filter(|v| v.is_finite()).fold(floor, f64::max)
}

/// A scale from zero upwards for the given height, with its ticks' labels: (scale, [(value, label)], widest label).
fn upward(high: f64, top: f64, bottom: f64) -> (Scale, Vec<(f64, String)>, f64) {
    let scale = Scale::linear(0.0, high, (bottom, top)).nice(4);
    let (ticks, decimals) = scale.ticks(4);
    let labels: Vec<_> = ticks.into_iter().map(|t| (t, numbers::fixed(t, decimals))).collect();
    let widest = labels.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max);
    (scale, labels, widest)
}

/// Horizontal grid lines with their labels to the left; the lowest is the axis.
fn grid(svg: &mut Svg, frame: &Frame, scale: &Scale, labels: &[(f64, String)]) {
    for (value, label) in labels {
        let y = scale.at(*value);
        let class = if *value == 0.0 { "axis" } else { "grid" };
        svg.line(class, (frame.left, y), (frame.right, y));
        svg.text("tick", (frame.left - 8.0, y + 4.0), Anchor::End, label);
    }
}

/// Moves labels that would overlap apart, keeping their order: positions in, positions out. Those in each other's way spread evenly about
/// where they would all like to be.
fn spread(positions: &[f64], gap: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    // Runs of labels that touch: (sum of where each would have the first one stand, how many).
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for &i in &order {
        let mut run = (positions[i], 1);
        while let Some(&(sum, n)) = runs.last() {
            let end = sum / n as f64 + n as f64 * gap;
            if end <= run.0 / run.1 as f64 {
                break;
            }
            runs.pop();
            run = (sum + run.0 - run.1 as f64 * n as f64 * gap, n + run.1);
        }
        runs.push(run);
    }
    let placed = runs.iter().flat_map(|&(sum, n)| (0..n).map(move |k| sum / n as f64 + k as f64 * gap));
    let mut out = positions.to_vec();
    order.iter().zip(placed).for_each(|(&i, at)| out[i] = at);
    out
}

/// The same for labels that must stay between `top` and `bottom`, where they fit.
fn spread_within(positions: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut out = spread(positions, gap);
    let highest = out.iter().copied().fold(f64::INFINITY, f64::min);
    let lowest = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest < top || lowest > bottom {
        let held: Vec<f64> = out.iter().map(|at| at.clamp(top, bottom)).collect();
        let mut order: Vec<usize> = (0..out.len()).collect();
        order.sort_by(|&a, &b| out[a].total_cmp(&out[b]));
        out.clone_from(&held);
        for pair in order.windows(2) {
            out[pair[1]] = out[pair[1]].max(out[pair[0]] + gap);
        }
        let mut limit = bottom;
        for &i in order.iter().rev() {
            out[i] = out[i].min(limit);
            limit = out[i] - gap;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart_and_keep_their_order() {
        assert_eq!(spread(&[10.0, 12.0], 14.0), vec![4.0, 18.0]);
        assert_eq!(spread(&[50.0, 10.0], 14.0), vec![50.0, 10.0]);
        // Three that touch stand about their middle, also where moving two of them apart pushes one into the third.
        assert_eq!(spread(&[10.0, 11.0, 12.0], 10.0), vec![1.0, 11.0, 21.0]);
        assert_eq!(spread(&[30.0, 10.0, 12.0, 22.0], 10.0), vec![33.5, 3.5, 13.5, 23.5]);
    }

    #[test]
    fn labels_stay_on_the_paper_where_they_fit() {
        assert_eq!(spread_within(&[1.0, 2.0, 3.0], 10.0, (0.0, 100.0)), vec![0.0, 10.0, 20.0]);
        assert_eq!(spread_within(&[98.0, 99.0], 10.0, (0.0, 100.0)), vec![90.0, 100.0]);
        assert_eq!(spread_within(&[50.0], 10.0, (0.0, 100.0)), vec![50.0]);
    }
}
