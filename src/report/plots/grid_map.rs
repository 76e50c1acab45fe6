//! A measure over calibration and prediction windows: a cell each, its colour the stronger the better, with its figure and interval written
//! in. The best cell has a frame; those that cannot be told from it have a dashed one. Knows nothing of how the figures came to be.

use super::super::grid::{Cell, HeatMap};
use super::super::numbers;
use super::super::svg::{Anchor, Svg};
use super::{Frame, Size, shortened, text_width};

/// Letters of a window's label that are shown.
const LETTERS: usize = 14;

/// Paper between cells.
const GAP: f64 = 6.0;

/// Opacities of the worst and the best cell. The steps between are even in lightness (a test of the page's colours says so), so that equal
/// differences of the measure look equal.
const SHADES: (f64, f64) = (0.06, 0.94);

/// Draws the map; `chosen` are the row and column that the page recommends.
pub(in crate::report) fn grid_map(map: &HeatMap, chosen: Option<(&str, &str)>, size: Size) -> String {
    let (columns, rows) = (map.columns.len().max(1), map.rows.len().max(1));
    let left = map.rows.iter().map(|r| text_width(&shortened(r, LETTERS))).fold(30.0, f64::max) + 12.0;
    let w = ((size.width() - left - 4.0) / columns as f64).min(128.0);
    let h = if size.is_wide() { 44.0 } else { 30.0 };
    let (top, foot) = (42.0, 12.0);
    let height = top + h * rows as f64 + foot;
    let mut svg = Svg::new(size.width(), height, &format!("{}: {}", map.title, map.metric), &describe(map));
    let frame = Frame { left, right: left + w * columns as f64, top, bottom: top + h * rows as f64 };
    svg.text("axis-title", (frame.left, 12.0), Anchor::Start, "prediction window");
    svg.text("axis-title", (0.0, top - 8.0), Anchor::Start, if size.is_wide() { "calibration" } else { "" });
    let label_class = |here: &String, picked: Option<&str>| if picked == Some(here) { "symbol-label" } else { "tick" };
    // Labels that would touch leave some out.
    let widest = map.columns.iter().map(|c| text_width(&shortened(c, LETTERS))).fold(1.0, f64::max);
    let every = (widest / w).ceil().max(1.0) as usize;
    for (i, column) in map.columns.iter().enumerate().step_by(every) {
        let at = (frame.left + (i as f64 + 0.5) * w - 1.0, top - 8.0);
        let class = label_class(column, chosen.map(|c| c.1));
        svg.text(class, at, Anchor::Middle, &shortened(column, LETTERS));
    }
    for (j, row) in map.rows.iter().enumerate() {
        let at = (frame.left - 8.0, top + (j as f64 + 0.5) * h + 3.0);
        svg.text(label_class(row, chosen.map(|c| c.0)), at, Anchor::End, &shortened(row, LETTERS));
    }
    let shades = Shades::of(map);
    let decimals = decimals(map);
    for (j, row) in map.rows.iter().enumerate() {
        for (i, column) in map.columns.iter().enumerate() {
            // Frames stand in the gap between cells, on paper, where every shade leaves them seen.
            let at = (frame.left + i as f64 * w, frame.top + j as f64 * h);
            let (wide, tall) = (w - GAP, h - GAP);
            let cell = map.cells.get(j).and_then(|cells| cells.get(i)).and_then(Option::as_ref);
            let Some(cell) = cell.filter(|cell| cell.value.is_finite()) else {
                svg.rect("empty-cell", at, (wide, tall), Some(&format!("{row} → {column}: nothing")));
                continue;
            };
            let shade = shades.at(cell.value);
            let tip = format!("{row} → {column}: {}", in_words(cell, decimals));
            svg.shaded_rect("cell", at, (wide, tall), Some(shade), Some(&tip));
            if cell.best || cell.indistinguishable {
                let class = if cell.best { "best-cell" } else { "like-best" };
                svg.rect(class, (at.0 - 2.5, at.1 - 2.5), (wide + 5.0, tall + 5.0), None);
            }
            written(&mut svg, cell, decimals, (at, (wide, tall)), if shade > 0.68 { " on" } else { "" });
        }
    }
    svg.finish()
}

/// The figure, and below it the interval where there is room.
fn written(svg: &mut Svg, cell: &Cell, decimals: usize, (at, (w, h)): ((f64, f64), (f64, f64)), on: &str) {
    let value = numbers::fixed(cell.value, decimals);
    let range = numbers::plain_range(cell.low, cell.high, decimals);
    let middle = at.0 + w / 2.0;
    let both = h > 34.0 && cell.low.is_finite() && cell.high.is_finite() && text_width(&range) * 0.86 < w - 6.0;
    if text_width(&value) > w + 4.0 {
        return;
    }
    let down = if both { -2.0 } else { 4.0 };
    svg.text(&format!("cell-text{on}"), (middle, at.1 + h / 2.0 + down), Anchor::Middle, &value);
    if both {
        svg.text(&format!("cell-aside{on}"), (middle, at.1 + h / 2.0 + 13.0), Anchor::Middle, &range);
    }
}

/// A cell in words: figure, interval, what it rests on, how it stands to the best.
pub(in crate::report) fn in_words(cell: &Cell, decimals: usize) -> String {
    let mut out = numbers::fixed(cell.value, decimals);
    if cell.low.is_finite() && cell.high.is_finite() {
        out += &format!(", {} (90\u{a0}%)", numbers::plain_range(cell.low, cell.high, decimals));
    }
    out += &match cell.n_cutoffs {
        1 => ", one cutoff".to_owned(),
        n => format!(", {n} cutoffs"),
    };
    match (cell.best, cell.indistinguishable) {
        (true, _) => out + ", the best",
        (false, true) => out + ", not to be told from the best",
        (false, false) => out,
    }
}

/// Decimals that show the differences within a map.
pub(in crate::report) fn decimals(map: &HeatMap) -> usize {
    let (low, high) = ends(map, |cell| Some(cell.value));
    let spread = if high > low { high - low } else { high.abs() };
    if spread.is_finite() && spread > 0.0 { (1.0 - spread.log10().floor()).clamp(0.0, 3.0) as usize } else { 2 }
}

fn ends(map: &HeatMap, of: impl Fn(&Cell) -> Option<f64>) -> (f64, f64) {
    let values = map.cells.iter().flatten().flatten().filter_map(of).filter(|v| v.is_finite());
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
}

/// From how bad a value is to how dark its cell.
struct Shades<'a> {
    map: &'a HeatMap,
    best: f64,
    worst: f64,
}

impl<'a> Shades<'a> {
    fn of(map: &'a HeatMap) -> Self {
        let (best, worst) = ends(map, |cell| map.better.loss(cell.value));
        Self { map, best, worst }
    }

    fn at(&self, value: f64) -> f64 {
        let (least, most) = SHADES;
        match self.map.better.loss(value) {
            Some(loss) if self.worst > self.best => {
                least + (most - least) * (self.worst - loss) / (self.worst - self.best)
            }
            // All alike, or of no better side: one pale shade.
            _ => 0.2,
        }
    }
}

/// What the map says, for those who do not see it.
fn describe(map: &HeatMap) -> String {
    let decimals = decimals(map);
    let cells = || {
        map.rows
            .iter()
            .zip(&map.cells)
            .flat_map(|(row, cells)| map.columns.iter().zip(cells).map(move |(c, cell)| (row, c, cell)))
    };
    let alike = cells().filter(|(.., cell)| cell.as_ref().is_some_and(|c| c.indistinguishable && !c.best)).count();
    match cells().find_map(|(row, column, cell)| Some((row, column, cell.as_ref().filter(|c| c.best)?))) {
        Some((row, column, cell)) => format!(
            "The best is {} from {row} of calibration over {column}; {alike} others cannot be told from it. A table below has every figure.",
            numbers::fixed(cell.value, decimals)
        ),
        None => "No cell is the best. A table below has every figure.".to_owned(),
    }
}
