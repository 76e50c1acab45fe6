//! The page: the view in words, laid out by one template, with style and script inside. No address in it leads anywhere.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use serde::Serialize;

use super::check::check;
use super::ink;
use super::page::Page;
use super::view::View;
use crate::error::{Error, Result};

/// What every page is set in, the pages, what their parts share, and their chapters under the names that pages give them.
const TEMPLATES: [(&str, &str); 19] = [
    ("frame.html", include_str!("templates/frame.html")),
    ("report.html", include_str!("templates/report.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("summary.html", include_str!("templates/summary.html")),
    ("customers.html", include_str!("templates/customers.html")),
    ("checks.html", include_str!("templates/checks.html")),
    ("diagnostics.html", include_str!("templates/diagnostics.html")),
    ("sensitivity.html", include_str!("templates/sensitivity.html")),
    ("resources.html", include_str!("templates/resources.html")),
    ("facts.html", include_str!("templates/facts.html")),
    ("grid.html", include_str!("templates/grid.html")),
    ("history.html", include_str!("templates/history.html")),
    ("history/macros.html", include_str!("templates/history/macros.html")),
    ("history/summary.html", include_str!("templates/history/summary.html")),
    ("history/accuracy.html", include_str!("templates/history/accuracy.html")),
    ("history/value.html", include_str!("templates/history/value.html")),
    ("history/behaviour.html", include_str!("templates/history/behaviour.html")),
    ("history/inputs.html", include_str!("templates/history/inputs.html")),
    ("history/alarms.html", include_str!("templates/history/alarms.html")),
];
const SCRIPT: &str = include_str!("templates/report.js");

/// Renders a view as one self-contained HTML file: no network, no scripts needed, equal bytes for equal views.
///
/// # Errors
/// When lists of the view that belong together differ in length.
pub fn render(view: &View) -> Result<String> {
    check(view)?;
    lay_out("report.html", &Page::new(view))
}

/// A page laid out by the template of that name, with style and script inside. Strings that are SVG are safe; all others are escaped.
pub(super) fn lay_out(name: &str, page: &impl Serialize) -> Result<String> {
    filled(name, page)
        .map_err(|cause| Error::new("could not lay out the page").at(format!("templates/{name}")).because(cause))
}

fn filled(name: &str, page: &impl Serialize) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let style = ink::page();
    environment.get_template(name)?.render(context! { page => Serde(page), style, script => SCRIPT })
}
