//! Single drawings by name, for slides and papers: the same as on the page, as files of their own.

use super::check::check;
use super::ink;
use super::page::{RECENCY, SPEND, forest_rows, in_full, label};
use super::plots::{self, Mark, Size};
use super::view::View;
use crate::error::{Error, Result};

/// A drawing that is made when it is asked for.
type Draw<'a> = Box<dyn Fn() -> String + 'a>;

/// The names of the drawings that a view has, in the order of its page.
pub fn plot_names(view: &View) -> Vec<String> {
    drawings(view).into_iter().map(|(name, _)| name).collect()
}

/// One drawing as a file: SVG that needs nothing else.
///
/// # Errors
/// A name that the view does not have; lists of the view that do not belong together.
pub fn plot(view: &View, name: &str) -> Result<String> {
    check(view)?;
    let found = drawings(view).into_iter().find(|(n, _)| n == name);
    let (_, draw) = found.ok_or_else(|| {
        Error::new("the report has no plot of that name")
            .at("--svg, --png")
            .seen(name)
            .advice("`--svg list` prints the names that this run has")
    })?;
    Ok(ink::alone(&draw()))
}

fn drawings<'a>(view: &'a View) -> Vec<(String, Draw<'a>)> {
    let wide = Size::Wide;
    let mut out = Named(Vec::new());
    let mut add = |name: String, draw: Draw<'a>| out.add(&name, draw);
    if let Some(alive) = &view.alive {
        add("alive".into(), Box::new(move || plots::heat_map(alive, &view.time_unit, wide)));
    }
    if let Some(t) = &view.tracking {
        add("weekly".into(), Box::new(move || plots::weekly(t, wide)));
        add("cumulative".into(), Box::new(move || plots::cumulative(t, wide)));
    }
    let words = &view.words;
    let checks = [
        ("frequency", &view.frequency, [words.check.as_str(), words.check_axis.as_str()]),
        ("recency", &view.recency, RECENCY),
        ("spend", &view.spend, SPEND),
    ];
    for (name, rows, [title, axis]) in checks.into_iter().filter(|(_, rows, _)| !rows.is_empty()) {
        let title = format!("{title}, counted and predicted");
        add(name.into(), Box::new(move || plots::checks(rows, Mark::Bars, &title, axis, wide)));
    }
    if let Some(h) = view.holdout.as_ref().filter(|h| !h.by_frequency.is_empty()) {
        let title = "Mean purchases per customer in the holdout, counted and predicted";
        let draw = move || plots::checks(&h.by_frequency, Mark::Rings, title, "repeat purchases before", wide);
        add("holdout".into(), Box::new(draw));
    }
    for p in in_full(&view.parameters).into_iter().map(|i| &view.parameters[i]) {
        let draw = move || plots::panel(p, &label(p), &view.limits).unwrap_or_default();
        add(format!("chains-{}-{}", p.fit, label(p)), Box::new(draw));
    }
    for fit in &view.chains {
        if let Some(energy) = &fit.energy {
            let draw = move || plots::energy(energy, view.limits.e_bfmi, wide);
            add(format!("energy-{}", fit.fit), Box::new(draw));
        }
        if let Some(pairs) = fit.pairs.as_ref().filter(|p| p.names.len() > 1) {
            add(format!("pairs-{}", fit.fit), Box::new(move || plots::pairs(pairs, fit.divergences, wide)));
        }
    }
    for forest in forest_rows(&view.parameters) {
        let name = format!("forest-{}-{}", forest.fit, forest.name);
        add(name, Box::new(move || plots::forest(&forest.rows, forest.cut, forest.name, wide)));
    }
    for p in view.parameters.iter().filter(|p| plots::prior(p, &label(p)).is_some()) {
        let draw = move || plots::prior(p, &label(p)).unwrap_or_default();
        add(format!("prior-{}-{}", p.fit, label(p)), Box::new(draw));
    }
    if plots::resources(&view.resources, wide).is_some() {
        add("resources".into(), Box::new(move || plots::resources(&view.resources, wide).unwrap_or_default()));
    }
    out.0
}

/// Drawings by name.
struct Named<'a>(Vec<(String, Draw<'a>)>);

impl<'a> Named<'a> {
    /// Names are file names on every system, and each is one drawing's.
    fn add(&mut self, name: &str, draw: Draw<'a>) {
        let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let plain = plain.trim_matches('-').to_lowercase();
        let mut free = plain.clone();
        let mut next = 2;
        while self.0.iter().any(|(taken, _)| *taken == free) {
            free = format!("{plain}-{next}");
            next += 1;
        }
        self.0.push((free, draw));
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::view;
    use super::*;

    #[test]
    fn every_plot_has_a_name_and_stands_alone() {
        let v = view(12);
        let names = plot_names(&v);
        for name in
            ["weekly", "chains-purchase-alpha", "pairs-purchase", "energy-spend", "forest-purchase-r", "resources"]
        {
            assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
        }
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{name} twice");
            let svg = plot(&v, name).unwrap();
            assert!(svg.starts_with("<svg ") && svg.contains("xmlns=") && svg.ends_with("</svg>"), "{name}");
            assert!(!svg.contains("var(") && !svg.contains("NaN") && svg.len() < 200_000, "{name}: {}", svg.len());
        }
        let missing = plot(&v, "pie").unwrap_err().to_string();
        assert!(missing.contains("found pie") && missing.contains("--svg list"), "{missing}");
    }
}
