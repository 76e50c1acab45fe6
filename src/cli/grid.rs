//! `longrun grid`: which windows, model and segmentation predict this shop best.

use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::{Error, Result};
use crate::evaluate::Metric;
use crate::lifecycle::{
    Access, GridPlan, GridRecord, GridRow, GridState, GridView, Project, grid as search, plan_grid,
};
use crate::report;

/// Fits every combination of calibration window, purchase model and segmentation at several past cutoffs, judges each over every
/// prediction window by what happened then, and recommends one, together with all that cannot be told from it. What is fitted already is
/// not fitted again. Changes nothing: the recommendation comes as lines to paste.
#[derive(Debug, Args)]
pub(super) struct GridArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// Number of cutoffs [default: lifecycle.grid.cutoffs].
    #[arg(long, value_name = "NUMBER")]
    cutoffs: Option<u32>,

    /// Months to learn from; 0 is everything [default: lifecycle.grid.calibration_months].
    #[arg(long, value_name = "MONTHS", value_delimiter = ',')]
    calibration: Vec<u32>,

    /// Months to predict [default: lifecycle.grid.prediction_months].
    #[arg(long, value_name = "MONTHS", value_delimiter = ',')]
    prediction: Vec<u32>,

    /// Purchase models, such as bg_nbd,mbg_nbd,pareto_nbd [default: the configuration's].
    #[arg(long, value_name = "MODELS", value_delimiter = ',')]
    models: Vec<String>,

    /// Segmentations: configured, none, rfm [default: as configured].
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    segmentations: Vec<String>,

    /// The metric that decides: crps_skill, gini_normalized, or another without a scale.
    #[arg(long, value_name = "METRIC", default_value = "crps_skill")]
    by: String,

    /// Say what would be fitted, and fit nothing.
    #[arg(long)]
    dry_run: bool,

    /// With --json: the tables of calibration by prediction windows, metric by metric, instead of the record.
    #[arg(long, requires = "json")]
    maps: bool,
}

/// Combinations that are printed.
const PRINTED: usize = 10;

pub(super) fn grid(args: &GridArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on_with(&args.sets(), Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &GridArgs, terminal: Terminal) -> Result<Ending> {
    let by = metric(&args.by)?;
    let bars = Bars::new(terminal);
    if args.dry_run {
        let plan = plan_grid(project, &bars)?;
        bars.clear();
        if terminal.json {
            print_json(&plan)?;
        } else {
            print_plan(&plan);
        }
        return Ok(Ending::Healthy);
    }
    let record = search(project, by, &bars)?;
    let page = report::grid_page(&report::GridView::of(&project.plan.output.title, &record))?;
    let last = record.plan.cutoffs.last().map_or_else(String::new, ToString::to_string);
    let page = project.write_page(&format!("grid/{last}/grid.html"), &page)?;
    bars.clear();
    match (terminal.json, args.maps) {
        (true, true) => print_json(&GridView::of(&record))?,
        (true, false) => print_json(&record)?,
        (false, _) => {
            print(&record, project);
            println!("maps     {}", page.display());
        }
    }
    Ok(Ending::Healthy)
}

impl GridArgs {
    /// The flags as overrides of the configuration.
    fn sets(&self) -> Vec<String> {
        let list = |key: &str, values: &[String]| {
            (!values.is_empty()).then(|| format!("lifecycle.grid.{key}=[{}]", values.join(", ")))
        };
        let numbers = |values: &[u32]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let words = |values: &[String]| values.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>();
        [
            self.cutoffs.map(|n| format!("lifecycle.grid.cutoffs={n}")),
            list("calibration_months", &numbers(&self.calibration)),
            list("prediction_months", &numbers(&self.prediction)),
            list("models", &words(&self.models)),
            list("segmentations", &words(&self.segmentations)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The metric of this name.
fn metric(name: &str) -> Result<Metric> {
    Metric::all().find(|metric| metric.key() == name).ok_or_else(|| {
        let those: Vec<&str> = Metric::all().filter(|metric| metric.scale_free()).map(Metric::key).collect();
        Error::new("there is no such metric").at("--by").seen(name).advice(those.join(", "))
    })
}

fn months(months: u32) -> String {
    if months == 0 { "all".to_owned() } else { months.to_string() }
}

fn print_plan(plan: &GridPlan) {
    let list = |values: &[u32]| values.iter().map(|&m| months(m)).collect::<Vec<_>>().join(", ");
    println!("{} combinations, {} fits, {} of them there already", plan.combinations, plan.fits, plan.fitted);
    println!("  cutoffs           {}", plan.cutoffs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    println!("  months to learn   {}", list(&plan.calibration_months));
    println!("  months to predict {}", list(&plan.prediction_months));
    println!("  models            {}", plan.models.join(", "));
    println!("  segmentations     {}", plan.segmentations.join(", "));
    plan.notes.iter().for_each(|note| println!("note: {note}"));
}

fn print(record: &GridRecord, project: &Project) {
    let plan = &record.plan;
    println!(
        "{} combinations at {} cutoffs from {} to {}, {} fits",
        plan.combinations,
        plan.cutoffs.len(),
        plan.cutoffs.first().map_or_else(String::new, ToString::to_string),
        plan.cutoffs.last().map_or_else(String::new, ToString::to_string),
        plan.fits,
    );
    plan.notes.iter().for_each(|note| println!("note: {note}"));
    println!(
        "\n{:>4} {:>6} {:>8} {:<11} {:<11} {:>22} {:>7} {:>7} {:>7} {:>7} {:>6}  short of the best by",
        "",
        "learn",
        "predict",
        "model",
        "groups",
        record.by.label(),
        "CRPS sk",
        "Gini",
        "RMSE/m",
        "ratio",
        "in 90"
    );
    let ranked = record.rows.iter().filter(|row| row.rank.is_some());
    ranked.take(PRINTED).for_each(|row| print_row(row, record));
    let rest = record.rows.iter().filter(|row| row.rank.is_some()).count().saturating_sub(PRINTED);
    if rest > 0 {
        println!("     and {rest} more in summary.csv");
    }
    for row in record.rows.iter().filter(|row| row.state != GridState::Judged) {
        println!("{}: {}: {}", row.state.key(), row.combination, row.reason.as_deref().unwrap_or_default());
    }
    println!("\n{}", record.recommendation.words);
    if !record.recommendation.indistinguishable.is_empty() {
        println!("Indistinguishable from the best: {}.", record.recommendation.alike());
    }
    if record.by_prediction.len() > 1 {
        println!("\nfor each prediction window");
        for r in &record.by_prediction {
            println!("  {:>3} months: {}", r.prediction_months.unwrap_or_default(), r.words);
        }
    }
    println!("\n{}", record.recommendation.config);
    let folder = project.path(&format!("grid/{}", plan.cutoffs.last().map_or_else(String::new, ToString::to_string)));
    println!("results  {}", folder.display());
}

fn print_row(row: &GridRow, record: &GridRecord) {
    let value = |metric: Metric| row.scores.get(&metric).and_then(|a| a.measure.value);
    let three = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.3}"));
    let interval = |m: Option<crate::evaluate::Measure>| match m.map(|m| (m.value, m.low, m.high)) {
        Some((Some(value), Some(low), Some(high))) => format!("{value:.3} ({low:.3}, {high:.3})"),
        Some((value, ..)) => three(value),
        None => "–".to_owned(),
    };
    let c = &row.combination;
    println!(
        "{:>4} {:>6} {:>8} {:<11} {:<11} {:>22} {:>7} {:>7} {:>7} {:>7} {:>6}  {} {}",
        row.rank.map_or_else(String::new, |rank| rank.to_string()),
        months(c.calibration_months),
        c.prediction_months,
        c.model,
        c.segmentation,
        interval(row.scores.get(&record.by).map(|a| a.measure)),
        three(value(Metric::CrpsSkill)),
        three(value(Metric::GiniNormalized)),
        three(value(Metric::RmseOverMean)),
        three(value(Metric::TotalRatio)),
        three(value(Metric::Coverage90)),
        interval(row.shortfall.map(|gap| gap.measure)),
        row.standing.map_or("", |standing| standing.key()),
    );
}
