//! The page of a grid search: what is marked, what is empty, what is said; and a made-up one to look at.

use super::*;
use crate::kernels::rng::{Purpose, Stream};
use crate::report::tests::{assert_heard, assert_sound};

/// A made-up search of four calibration and four prediction windows; long windows do not fit the data. No figure is a measurement.
pub(in crate::report) fn example() -> GridView {
    let months = |n: usize| format!("{n} months");
    let rows = [3, 6, 12, 18].map(months).to_vec();
    let columns = [3, 6, 9, 12].map(months).to_vec();
    let map = |title: &str, metric: &str, better: Better, best: f64, step: f64, seed: u64| {
        let mut noise = Stream::new(seed, Purpose::Test, 0, 0);
        let mut cells: Vec<Vec<Option<Cell>>> = (0..4)
            .map(|j: usize| {
                (0..4)
                    .map(|i: usize| {
                        let off = (2.0_f64 - j as f64).abs() + (1.0 - i as f64).abs();
                        let value = best + step * (off + 0.3 * noise.uniform());
                        let half = 0.9 * step.abs();
                        (j + i < 6).then_some(Cell {
                            value,
                            low: value - half,
                            high: value + half,
                            n_cutoffs: 5 - i,
                            best: false,
                            indistinguishable: off < 1.5,
                        })
                    })
                    .collect()
            })
            .collect();
        if let Some(cell) = &mut cells[2][1] {
            (cell.best, cell.indistinguishable) = (true, false);
        }
        HeatMap {
            title: title.into(),
            metric: metric.into(),
            better,
            rows: rows.clone(),
            columns: columns.clone(),
            cells,
        }
    };
    GridView {
        title: "Corner shop: which windows".into(),
        recommended: Some(Recommended {
            calibration: "12 months".into(),
            prediction: "6 months".into(),
            words: "Its normalised Gini is the highest over 4 cutoffs; 4 other pairs cannot be told from it.".into(),
        }),
        maps: vec![
            map("BG/NBD, everyone", "normalised Gini", Better::Higher, 0.74, -0.025, 1),
            map("BG/NBD, everyone", "RMSE / mean", Better::Lower, 2.31, 0.18, 2),
        ],
        notes: vec!["18 months of calibration and 12 of prediction are longer than the data.".into()],
    }
}

#[test]
fn the_page_says_what_to_take_and_why_cells_are_empty() {
    let view = example();
    let html = grid_page(&view).expect("it is laid out");
    assert_sound(&html);
    assert_heard(&html);
    assert_eq!(html, grid_page(&view).expect("it is laid out"));
    for said in [
        "Learn from 12 months, predict 6 months.",
        "4 other pairs cannot be told from it",
        "Higher is better.",
        "Lower is better.",
        "One cell is empty",
        "longer than the data",
        "4 other pairs of windows cannot be told from the best.",
    ] {
        assert!(html.contains(said), "{said} is missing");
    }
    let none = GridView { recommended: None, maps: Vec::new(), ..view };
    assert!(grid_page(&none).expect("it is laid out").contains("No pair of windows can be recommended."));
}

#[test]
fn the_best_the_alike_and_the_empty_have_their_marks_and_the_best_is_darkest() {
    for map in &example().maps {
        let svg = heat_map_svg(map).expect("it is drawn");
        assert!(svg.starts_with("<svg ") && svg.contains("xmlns=") && !svg.contains("var("));
        let drawn = svg.split_once("</style>").expect("its style").1;
        let count = |class: &str| drawn.matches(&format!("class=\"{class}\"")).count();
        assert_eq!(
            (count("best-cell"), count("like-best"), count("empty-cell"), count("cell")),
            (1, 4, 1, 15),
            "{}",
            map.metric
        );
        let opacity =
            |cell: &str| -> Option<f64> { cell.split("fill-opacity=\"").nth(1)?.split('"').next()?.parse().ok() };
        let cells: Vec<&str> = drawn.split("<rect class=\"cell\"").skip(1).collect();
        let darkest = cells.iter().filter_map(|c| opacity(c)).fold(0.0, f64::max);
        let best = cells.iter().find(|c| c.contains(", the best")).expect("it says so");
        assert_eq!(opacity(best), Some(darkest), "{}", map.metric);
    }
}

#[test]
fn cells_that_do_not_fit_are_refused_and_hostile_or_strange_ones_drawn() {
    let mut map = example().maps.remove(0);
    map.rows[0] = "<script>".into();
    map.title = "<img onerror=x>".into();
    if let Some(cell) = &mut map.cells[0][0] {
        cell.value = f64::NAN;
    }
    if let Some(cell) = &mut map.cells[1][1] {
        (cell.low, cell.high) = (f64::NAN, f64::NAN);
    }
    let html = grid_page(&GridView { maps: vec![map.clone()], ..GridView::default() }).expect("it is laid out");
    assert_sound(&html);
    assert!(!html.contains("<img") && html.matches("<script>").count() == 1 && html.contains("2 cells are empty"));
    let alike = HeatMap { better: Better::Neither, ..map.clone() };
    assert!(!heat_map_svg(&alike).expect("it is drawn").contains("NaN"));
    map.cells[1].pop();
    let message = heat_map_svg(&map).expect_err("a row is short").to_string();
    assert!(message.contains("4 cells in every row") && message.contains("found 3"), "{message}");
}

/// Sixteen by ten windows are still a map.
#[test]
fn many_windows_fit() {
    let rows: Vec<String> = (3..=18).map(|n| format!("{n} months")).collect();
    let columns: Vec<String> = (3..=12).map(|n| format!("{n} months")).collect();
    let cell = Cell { value: 0.5, low: 0.4, high: 0.6, n_cutoffs: 1, best: false, indistinguishable: false };
    let cells = vec![vec![Some(cell); columns.len()]; rows.len()];
    let map = HeatMap { title: "t".into(), metric: "m".into(), better: Better::Higher, rows, columns, cells };
    let svg = heat_map_svg(&map).expect("it is drawn");
    assert_eq!(svg.matches("one cutoff</title>").count(), 160);
}
