//! The prior under its posterior: what the data have moved, and by how much.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::{Density, Parameter};
use super::highest;

const WIDTH: f64 = 196.0;
const HEIGHT: f64 = 124.0;

/// Draws both curves; nothing without both. `name` is what the parameter is called.
pub(in crate::report) fn prior(p: &Parameter, name: &str) -> Option<String> {
    let (prior, posterior) = (p.prior.as_ref()?, p.density.as_ref()?);
    let xs = || prior.x.iter().chain(&posterior.x).copied().filter(|v| v.is_finite());
    let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    // Long tails would make needles of both: what is shown reaches one and a half interval beyond the interval.
    let reach = 1.5 * (p.q95 - p.q05);
    let (low, high) = if reach > 0.0 { (low.max(p.q05 - reach), high.min(p.q95 + reach)) } else { (low, high) };
    let seen = |d: &Density| {
        let within = d.x.iter().zip(&d.y).filter(|(at, _)| (low..=high).contains(*at));
        highest(within.map(|(_, v)| *v), 0.0)
    };
    let top = seen(prior).max(seen(posterior));
    if !(high > low && top > 0.0) {
        return None;
    }
    let mut svg = Svg::new(WIDTH, HEIGHT, &format!("Prior and posterior of {name}"), &describe(p, prior, posterior));
    let (left, right, ceiling, floor) = (4.0, WIDTH - 4.0, 26.0, HEIGHT - 22.0);
    let x = Scale::linear(low, high, (left, right));
    let y = Scale::linear(0.0, top, (floor, ceiling));
    let points = |d: &Density| -> Vec<(f64, f64)> {
        d.x.iter().zip(&d.y).filter(|(at, _)| (low..=high).contains(*at)).map(|(&at, &v)| (x.at(at), y.at(v))).collect()
    };
    let under = |line: &[(f64, f64)]| -> Vec<(f64, f64, f64)> { line.iter().map(|&(x, y)| (x, floor, y)).collect() };
    let (before, after) = (points(prior), points(posterior));
    svg.area("prior-band", &under(&before));
    svg.area("band", &under(&after));
    svg.polyline("prior-line", before);
    svg.polyline("model-line", after);
    svg.line("axis", (left, floor), (right, floor));
    let (ticks, decimals) = x.ticks(2);
    for tick in ticks {
        let label = numbers::fixed(tick, decimals);
        let half = super::text_width(&label) / 2.0;
        let at = x.at(tick).clamp(left + half, right - half);
        svg.text("tick", (at, floor + 17.0), Anchor::Middle, &label);
    }
    svg.text("symbol-label", (left, 13.0), Anchor::Start, &super::shortened(name, 15));
    svg.text("small", (right, 13.0), Anchor::End, &super::shortened(&p.fit, 9));
    Some(svg.finish())
}

/// How the prior's height compares with the posterior's where that is highest.
fn describe(p: &Parameter, prior: &Density, posterior: &Density) -> String {
    let peak = posterior.x.iter().zip(&posterior.y).filter(|(_, v)| v.is_finite()).max_by(|a, b| a.1.total_cmp(b.1));
    let (mode, after) = peak.map_or((f64::NAN, f64::NAN), |(x, y)| (*x, *y));
    let nearest = prior.x.iter().zip(&prior.y).min_by(|a, b| (a.0 - mode).abs().total_cmp(&(b.0 - mode).abs()));
    let outside = prior.x.last().is_none_or(|last| *last < mode) || prior.x.first().is_none_or(|first| *first > mode);
    let before = if outside { 0.0 } else { nearest.map_or(0.0, |(_, y)| *y) };
    let posterior =
        format!("The posterior lies between {} and {}", numbers::significant(p.q05, 3), numbers::significant(p.q95, 3));
    if after > 3.0 * before {
        format!("{posterior}, and stands far above the prior there: the data decide.")
    } else {
        format!("{posterior}; the prior is about as high there: it speaks about as loudly as the data.")
    }
}
