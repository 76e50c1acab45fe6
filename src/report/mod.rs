//! Plain views become SVG plots and one self-contained HTML file that a person can show to their boss.
//!
//! The road: a finished run fills a [`View`] with numbers it already has; [`render`] turns that into a page. Everything the
//! page says is either in the view or a rewording of it. Nothing here computes a statistic, reads a file, looks at a clock,
//! or knows how the numbers came to be: equal views give equal bytes.
//!
//! ```
//! use longrun::report::{Verdict, View, render};
//! let view = View {
//!     title: "CDNOW".into(),
//!     verdict: Verdict { passed: true, ..Verdict::default() },
//!     ..View::default()
//! };
//! let html = render(&view)?;
//! assert!(html.starts_with("<!doctype html>"));
//! # Ok::<(), longrun::error::Error>(())
//! ```

mod audience;
mod check;
mod collect;
mod covariates;
mod facts;
mod grid;
mod history;
mod html;
mod ink;
mod markdown;
mod numbers;
mod page;
mod plots;
#[cfg(feature = "png")]
mod raster;
mod scales;
mod shrinkage;
mod single;
mod svg;
mod view;
mod words;

#[cfg(test)]
mod browser;
#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

pub use collect::collect;
pub use grid::{Cell, GridView, HeatMap, Recommended, grid_page, heat_map_svg};
pub use history::history_page;
pub use html::render;
pub use markdown::markdown;
pub use numbers::{count, figure, money, percent, short, whole};
#[cfg(feature = "png")]
pub use raster::png;
pub use single::{plot, plot_names};
pub use view::{
    AliveMap, Check, Class, CovariateEffect, CovariateStep, Coverage, DataFacts, Density, Energy, Facts, FitChains,
    FitFacts, Group, Groups, Growth, Headline, Holdout, Interval, Limits, Moves, Pairs, Parameter, Quantity, Resources,
    Score, Shrinkage, Shrunk, ShrunkParameter, Step, Tracking, Verdict, View, Words,
};
