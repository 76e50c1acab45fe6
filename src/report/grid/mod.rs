//! The page of a grid search: which windows predict best, as maps with their uncertainty and a recommendation in words. Views are filled by
//! whoever searched; nothing here compares or chooses.

use serde::Serialize;

use super::html::lay_out;
use super::plots::{self, Size, grid_map, responsive};
use super::words::upper_first;
use super::{ink, numbers};
use crate::error::{Error, Result};
use crate::evaluate::Better;

mod found;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::example;

/// What a grid search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GridView {
    /// Whose windows.
    pub title: String,
    /// The pair of windows to take; none where nothing could be compared.
    pub recommended: Option<Recommended>,
    /// One map per measure and model.
    pub maps: Vec<HeatMap>,
    /// Why cells are empty, and whatever else must be known to read the maps.
    pub notes: Vec<String>,
}

/// A pair of windows, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recommended {
    /// The calibration window, as rows call it.
    pub calibration: String,
    /// The prediction window, as columns call it.
    pub prediction: String,
    /// Why, and from which pairs it cannot be told.
    pub words: String,
}

/// One measure over all pairs of windows.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What is measured on: a model, a segmentation.
    pub title: String,
    /// The measure's name.
    pub metric: String,
    /// Which side of it is better.
    pub better: Better,
    /// Calibration windows.
    pub rows: Vec<String>,
    /// Prediction windows.
    pub columns: Vec<String>,
    /// By row and column; none where nothing could be measured.
    pub cells: Vec<Vec<Option<Cell>>>,
}

/// The measure of one pair of windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The figure.
    pub value: f64,
    /// Its 90 % interval; NaN where that is not known.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Cutoffs that it rests on.
    pub n_cutoffs: usize,
    /// Whether no other is better.
    pub best: bool,
    /// Whether chance may be all that lies between it and the best.
    pub indistinguishable: bool,
}

/// A map as an SVG file of its own.
///
/// # Errors
/// Cells that do not fit rows and columns.
pub fn heat_map_svg(map: &HeatMap) -> Result<String> {
    check(map)?;
    Ok(ink::alone(&grid_map(map, None, Size::Wide)))
}

/// The whole page, self-contained as every page is.
///
/// # Errors
/// Cells that do not fit rows and columns.
pub fn grid_page(view: &GridView) -> Result<String> {
    view.maps.iter().try_for_each(check)?;
    lay_out("grid.html", &Page::of(view))
}

fn check(map: &HeatMap) -> Result<()> {
    let wrong = |what: &str, seen: usize, wanted: usize| {
        Err(Error::new(format!("a heat map must have {wanted} {what}"))
            .at(&map.title)
            .seen(seen)
            .advice("this is a mistake in the code that fills the view, not in the data"))
    };
    if map.cells.len() != map.rows.len() {
        return wrong("rows of cells", map.cells.len(), map.rows.len());
    }
    match map.cells.iter().find(|row| row.len() != map.columns.len()) {
        Some(row) => wrong("cells in every row", row.len(), map.columns.len()),
        None => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct Page {
    title: String,
    subtitle: &'static str,
    chapters: Vec<[&'static str; 2]>,
    recommended: Option<[String; 3]>,
    maps: Vec<MapPart>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MapPart {
    title: String,
    metric: String,
    better: String,
    found: String,
    empty: Option<String>,
    drawing: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Page {
    fn of(view: &GridView) -> Self {
        let chosen = view.recommended.as_ref().map(|r| (r.calibration.as_str(), r.prediction.as_str()));
        Self {
            title: view.title.clone(),
            subtitle: "How much past to learn from, and how far to look ahead.",
            chapters: Vec::new(),
            recommended: view
                .recommended
                .as_ref()
                .map(|r| [r.calibration.clone(), r.prediction.clone(), r.words.clone()]),
            maps: view.maps.iter().map(|map| part(map, chosen)).collect(),
            notes: view.notes.clone(),
        }
    }
}

fn part(map: &HeatMap, chosen: Option<(&str, &str)>) -> MapPart {
    let decimals = plots::grid_decimals(map);
    let row = |cells: &Vec<Option<Cell>>| {
        cells.iter().map(|c| c.as_ref().map_or(numbers::NONE.to_owned(), |c| plots::grid_words(c, decimals))).collect()
    };
    let cells = || map.cells.iter().flatten();
    let empty = cells().filter(|cell| cell.is_none_or(|c| !c.value.is_finite())).count();
    let alike = cells().flatten().filter(|c| c.indistinguishable && !c.best).count();
    let found = match (cells().flatten().any(|c| c.best), alike) {
        (false, _) => "No pair of windows is marked as the best.".to_owned(),
        (true, 0) => "Every other pair of windows is worse than the best by more than chance.".to_owned(),
        (true, 1) => "One other pair of windows cannot be told from the best.".to_owned(),
        (true, n) => format!("{n} other pairs of windows cannot be told from the best."),
    };
    MapPart {
        title: map.title.clone(),
        metric: upper_first(&map.metric),
        better: side(map.better),
        found,
        empty: (empty > 0).then(|| match empty {
            1 => "One cell is empty: nothing could be measured there.".to_owned(),
            n => format!("{n} cells are empty: nothing could be measured there."),
        }),
        drawing: responsive(|size| grid_map(map, chosen, size)),
        columns: map.columns.clone(),
        rows: map.rows.iter().cloned().zip(map.cells.iter().map(row)).collect(),
    }
}

/// Which side of a measure is better, in words.
fn side(better: Better) -> String {
    match better {
        Better::Higher => "Higher is better.".to_owned(),
        Better::Lower => "Lower is better.".to_owned(),
        Better::Towards(target) => format!("The nearer to {}, the better.", numbers::short(target)),
        Better::AtLeast(bound) => format!("Below {} is worse; above it nothing is gained.", numbers::short(bound)),
        Better::AtMost(bound) => format!("Above {} is worse; below it nothing is gained.", numbers::short(bound)),
        Better::Neither => "Neither side is better.".to_owned(),
    }
}
