//! What each group says alone, and what it is with the others' help: a ring, a line, a disc, one row per group.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Shrunk;
use super::{Size, shortened, text_width};

/// Height of a row, and the radius of the disc of the largest group, pixels.
const ROW: f64 = 19.0;
const LARGEST: f64 = 7.5;

/// Letters of a label that fit a wide page and a phone.
const LETTERS: [usize; 2] = [34, 14];

/// Draws the groups in the order given: the ring is a group's own estimate, the disc, as large as the group, its pooled one, the
/// dashed tick the centre it is drawn to, the number its pooling share.
pub(in crate::report) fn shrinkage(rows: &[&Shrunk], name: &str, size: Size) -> String {
    let (top, height) = (26.0, 26.0 + ROW * rows.len() as f64 + 26.0);
    let title = format!("{name} of each group, alone and pooled");
    let moved = rows.iter().filter(|r| r.share >= 0.5).count();
    let description =
        format!("{} groups; {moved} of them take half of their estimate or more from the others.", rows.len());
    let mut svg = Svg::new(size.width(), height, &title, &description);
    let letters = LETTERS[usize::from(!size.is_wide())];
    let labels: Vec<String> = rows.iter().map(|r| shortened(&r.label, letters)).collect();
    let left = labels.iter().map(|label| text_width(label)).fold(0.0, f64::max) + 12.0;
    let right = size.width() - 52.0;
    let bottom = top + ROW * rows.len() as f64;
    let x = scale(rows, (left + LARGEST, right - LARGEST));
    let (ticks, decimals) = x.ticks(if size.is_wide() { 6 } else { 3 });
    for tick in ticks {
        let at = x.at(tick);
        svg.line("grid", (at, top), (at, bottom));
        svg.text("tick", (at, bottom + 18.0), Anchor::Middle, &numbers::fixed(tick, decimals));
    }
    svg.text("tick", (size.width() - 2.0, 14.0), Anchor::End, "pooled");
    let most = rows.iter().map(|r| r.customers).max().unwrap_or(1).max(1) as f64;
    for ((i, row), label) in rows.iter().enumerate().zip(&labels) {
        let y = top + ROW * (i as f64 + 0.5);
        svg.text("tick", (left - 8.0, y + 4.0), Anchor::End, label);
        svg.text("tick", (size.width() - 2.0, y + 4.0), Anchor::End, &numbers::percent_whole(row.share));
        let (centre, pooled) = (x.clamped(row.centre), x.clamped(row.pooled));
        svg.line("reference", (centre, y - 0.5 * ROW), (centre, y + 0.5 * ROW));
        if let Some(alone) = row.alone.map(|alone| x.clamped(alone)) {
            svg.line("whisker", (alone, y), (pooled, y));
            svg.circle("ring", (alone, y), 3.0);
        }
        svg.circle("dot", (pooled, y), 2.0 + (LARGEST - 2.0) * (row.customers as f64 / most).sqrt());
        svg.rect("hover", (left, y - 0.5 * ROW), (right - left, ROW), Some(&tip(row)));
    }
    svg.finish()
}

fn tip(row: &Shrunk) -> String {
    let alone = row.alone.map_or_else(|| "says nothing alone".to_owned(), |a| format!("alone {}", numbers::short(a)));
    format!(
        "{}, {} customers: {alone}, pooled {} towards {}, pooling share {}",
        row.label,
        numbers::whole(row.customers),
        numbers::short(row.pooled),
        numbers::short(row.centre),
        numbers::percent(row.share)
    )
}

/// Logarithmic where values are apart by more than a factor of four. Estimates of groups that know next to nothing may lie anywhere:
/// the scale holds pooled ones and centres, and own ones up to as much again on either side.
fn scale(rows: &[&Shrunk], range: (f64, f64)) -> Scale {
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let (low, high) = ends(&mut rows.iter().flat_map(|r| [r.pooled, r.centre]));
    let (own_low, own_high) = ends(&mut rows.iter().filter_map(|r| r.alone));
    let positive = low > 0.0;
    let (reach_low, reach_high) = if positive {
        (low * low / high * 0.8, high * high / low * 1.25)
    } else {
        (2.0 * low - high, 2.0 * high - low)
    };
    let (from, to) = (low.min(own_low.max(reach_low)), high.max(own_high.min(reach_high)));
    if positive && to > 4.0 * from {
        Scale::logarithmic(from, to, range)
    } else {
        Scale::linear(from, to, range).nice(6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, customers: u64, alone: Option<f64>, share: f64) -> Shrunk {
        Shrunk { label: label.into(), customers, alone, centre: 1.0, pooled: 1.2, share }
    }

    #[test]
    fn every_group_has_a_disc_and_those_with_data_a_ring() {
        let rows =
            [row("DE > web", 900, Some(1.3), 0.05), row("DE > shop", 3, Some(400.0), 0.97), row("x", 0, None, 1.0)];
        for size in [Size::Wide, Size::Narrow] {
            let text = shrinkage(&rows.iter().collect::<Vec<_>>(), "rate", size);
            assert_eq!((text.matches("\"dot\"").count(), text.matches("\"ring\"").count()), (3, 2));
            assert!(text.contains("DE &gt; web") && text.contains("says nothing alone"), "{text}");
            assert!(text.contains("97") && !text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }

    #[test]
    fn one_wild_group_does_not_set_the_scale() {
        let rows = [row("a", 900, Some(1.3), 0.05), row("b", 3, Some(1e9), 0.97)];
        let x = scale(&rows.iter().collect::<Vec<_>>(), (0.0, 100.0));
        assert!(x.at(1.2) - x.at(1.0) > 10.0, "the pooled values stay apart");
        assert_eq!(shortened("a long label of a group", 6), "a lon…");
    }
}
