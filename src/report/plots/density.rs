//! The density of one parameter for a table's cell: it stretches to the room it gets and carries no text; the row has the figures.

use super::super::svg::Svg;
use super::super::view::{Density, Parameter};
use super::highest;

/// The parameter's density, with its 5 % to 95 % part shaded; nothing when there is no curve.
pub(in crate::report) fn density(p: &Parameter, title: &str) -> Option<String> {
    let Density { x, y } = p.density.as_ref()?;
    let (low, high) = (*x.first()?, *x.last()?);
    let top = highest(y.iter().copied(), 0.0);
    if !(high > low && top > 0.0) {
        return None;
    }
    let at = |i: usize| (100.0 * (x[i] - low) / (high - low), 96.0 - 92.0 * y[i] / top);
    let mut svg = Svg::stretched("density", title);
    let inside: Vec<_> =
        (0..x.len()).filter(|&i| (p.q05..=p.q95).contains(&x[i])).map(|i| (at(i).0, 96.0, at(i).1)).collect();
    svg.area("band", &inside);
    svg.polyline("model-line", (0..x.len()).map(at));
    let middle = 100.0 * (p.q50 - low) / (high - low);
    svg.line("median", (middle, 4.0), (middle, 96.0));
    Some(svg.finish())
}
