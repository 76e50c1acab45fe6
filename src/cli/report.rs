//! `longrun report RUN`: writes report.html, or gives the same report as Markdown, or one of its plots as SVG or PNG.

use std::path::{Path, PathBuf};

use clap::Args;

use super::config::print_json;
use super::step::{self, StepArgs};
use super::{Ending, Terminal, progress::Bars};
use crate::error::{Error, Result};
use crate::report;
use crate::run::{RunDir, Step};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    step: StepArgs,

    /// Markdown, for a pull request, instead of report.html.
    #[arg(long, conflicts_with_all = ["svg", "png"])]
    md: bool,

    /// One plot as SVG; `--svg list` prints the names that this run has.
    #[arg(long, value_name = "NAME", conflicts_with = "png")]
    svg: Option<String>,

    /// One plot as PNG; `--png list` prints the names that this run has.
    #[arg(long, value_name = "NAME")]
    png: Option<String>,

    /// Where to write the Markdown or the plot; without it text goes to standard output, and a PNG to NAME.png here.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Width of the PNG in pixels.
    #[arg(long, default_value_t = 1600, value_parser = clap::value_parser!(u32).range(50..=20_000))]
    width: u32,
}

pub(super) fn report(args: &ReportArgs, terminal: Terminal) -> Result<Ending> {
    let name = args.svg.as_ref().or(args.png.as_ref());
    if !args.md && name.is_none() {
        if args.output.is_some() {
            return Err(Error::new("--output goes with --md, --svg or --png")
                .advice("the page is written to report.html in the run directory; copy it from there"));
        }
        return step::step(&args.step, Step::Report, terminal);
    }
    let mut dir = step::open(&args.step)?;
    let bars = Bars::new(terminal);
    for earlier in Step::ALL.into_iter().take_while(|&s| s != Step::Report) {
        step::perform(&mut dir, earlier, &bars)?;
    }
    bars.clear();
    let view = report::collect(&dir)?;
    match name.map(String::as_str) {
        None => text(&report::markdown(&view), "markdown", args.output.as_deref(), terminal)?,
        Some("list") => {
            let names = report::plot_names(&view);
            if terminal.json {
                print_json(&serde_json::json!({ "plots": names }))?;
            } else {
                names.iter().for_each(|name| println!("{name}"));
            }
        }
        Some(name) if args.png.is_some() => png(&report::plot(&view, name)?, name, args, terminal)?,
        Some(name) => text(&(report::plot(&view, name)? + "\n"), "svg", args.output.as_deref(), terminal)?,
    }
    Ok(Ending::Healthy)
}

/// Text to a file, or to standard output.
fn text(text: &str, what: &str, output: Option<&Path>, terminal: Terminal) -> Result<()> {
    match output {
        Some(path) => write(path, text.as_bytes(), terminal),
        None if terminal.json => print_json(&serde_json::json!({ what: text })),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn write(path: &Path, bytes: &[u8], terminal: Terminal) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("write the report", path, e))?;
    if terminal.json {
        print_json(&serde_json::json!({ "file": path }))?;
    } else {
        println!("{}", path.display());
    }
    Ok(())
}

#[cfg(feature = "png")]
fn png(svg: &str, name: &str, args: &ReportArgs, terminal: Terminal) -> Result<()> {
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.png")));
    write(&path, &report::png(svg, args.width)?, terminal)
}

#[cfg(not(feature = "png"))]
fn png(_: &str, name: &str, _: &ReportArgs, _: Terminal) -> Result<()> {
    Err(Error::new("this build of longrun does not draw PNG")
        .at("--png")
        .seen(name)
        .advice(format!("build it with `cargo build --release --features png`, or take the SVG: --svg {name}")))
}

/// Writes report.html, because no step of `run` knows HTML.
pub(super) fn page(dir: &RunDir) -> Result<()> {
    dir.write("report.html", report::render(&report::collect(dir)?)?.as_bytes())
}
