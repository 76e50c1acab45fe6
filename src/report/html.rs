//! The page: the view in words, laid out by one template, with style and script inside. No address in it leads anywhere.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::check::check;
use super::page::Page;
use super::view::View;
use crate::error::{Error, Result};

const TEMPLATE: &str = include_str!("templates/report.html");
const MACROS: &str = include_str!("templates/macros.html");
const STYLE: &str = include_str!("templates/style.css");
const DARK: &str = include_str!("templates/dark.css");
const SCRIPT: &str = include_str!("templates/report.js");

/// Renders a view as one self-contained HTML file: no network, no scripts needed, equal bytes for equal views.
///
/// # Errors
/// When lists of the view that belong together differ in length.
pub fn render(view: &View) -> Result<String> {
    check(view)?;
    let style = STYLE.replace("/* DARK */", DARK);
    lay_out(&Page::new(view), &style)
        .map_err(|cause| Error::new("could not lay out the report").at("templates/report.html").because(cause))
}

fn lay_out(page: &Page, style: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("macros.html", MACROS)?;
    environment.add_template("report.html", TEMPLATE)?;
    environment.get_template("report.html")?.render(context! { page => Serde(page), style, script => SCRIPT })
}
