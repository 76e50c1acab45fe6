//! The page: the view in words, laid out by one template, with style and script inside. No address in it leads anywhere.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::check::check;
use super::ink;
use super::page::Page;
use super::view::View;
use crate::error::{Error, Result};

/// The page, what its parts share, and its chapters under the names that [`Page`] gives them.
const TEMPLATES: [(&str, &str); 9] = [
    ("report.html", include_str!("templates/report.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("summary.html", include_str!("templates/summary.html")),
    ("customers.html", include_str!("templates/customers.html")),
    ("checks.html", include_str!("templates/checks.html")),
    ("diagnostics.html", include_str!("templates/diagnostics.html")),
    ("sensitivity.html", include_str!("templates/sensitivity.html")),
    ("resources.html", include_str!("templates/resources.html")),
    ("facts.html", include_str!("templates/facts.html")),
];
const SCRIPT: &str = include_str!("templates/report.js");

/// Renders a view as one self-contained HTML file: no network, no scripts needed, equal bytes for equal views.
///
/// # Errors
/// When lists of the view that belong together differ in length.
pub fn render(view: &View) -> Result<String> {
    check(view)?;
    lay_out(&Page::new(view), &ink::page())
        .map_err(|cause| Error::new("could not lay out the report").at("templates/report.html").because(cause))
}

fn lay_out(page: &Page, style: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment.get_template("report.html")?.render(context! { page => Serde(page), style, script => SCRIPT })
}
