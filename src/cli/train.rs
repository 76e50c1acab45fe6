//! `longrun train`: a new model of a project, evaluated out of time.

use chrono::NaiveDate;
use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::evaluate::Metric;
use crate::lifecycle::{Access, Card, Evaluated, Project, TrainOptions, Trained, WarmStart, train as make};

/// Fits the project's configuration to everything up to a cutoff and evaluates it on a window that it has not seen: the one after the
/// cutoff, or, where the data do not go on for so long, by fitting the same configuration one window earlier. Training the same again
/// finds the model that is there. A fit that the diagnostics refuse becomes no model (exit code 1).
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// Last day to learn from, YYYY-MM-DD [default: the last day of the data].
    #[arg(long, value_name = "DATE")]
    cutoff: Option<NaiveDate>,

    /// Begin the chains where those of an earlier model ended: an id, `champion` or `challenger`.
    #[arg(long, value_name = "MODEL")]
    warm_start: Option<String>,

    /// Where that makes no sense (other groups, other priors, no such model), begin cold instead of giving up; the card says why.
    #[arg(long, requires = "warm_start")]
    or_cold: bool,
}

impl TrainArgs {
    fn options(&self) -> TrainOptions {
        let warm_start = match &self.warm_start {
            None => WarmStart::No,
            Some(model) if self.or_cold => WarmStart::IfPossible(model.clone()),
            Some(model) => WarmStart::From(model.clone()),
        };
        TrainOptions { warm_start }
    }
}

pub(super) fn train(args: &TrainArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &TrainArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    let trained = make(project, args.cutoff, &args.options(), &bars)?;
    bars.clear();
    let (card, is_new) = match &trained {
        Trained::Made(card) => (card, true),
        Trained::Existed(card) => (card, false),
        Trained::Refused { run, reasons } => {
            if terminal.json {
                print_json(&serde_json::json!({ "verdict": "fail", "reasons": reasons, "run_dir": run }))?;
            } else {
                println!("the diagnostics refuse this fit; there is no new model:");
                reasons.iter().for_each(|reason| println!("  {reason}"));
                println!("\nwhat to change: longrun advise {}", run.display());
            }
            return Ok(Ending::Refused);
        }
    };
    let path = project.model_folder(&card.id).join("card.md");
    if terminal.json {
        print_json(
            &serde_json::json!({ "id": card.id, "is_new": is_new, "card": path, "evaluation": card.evaluation }),
        )?;
    } else {
        if !is_new {
            println!("this model is there already: same configuration, data and program");
        }
        print(card);
        println!("\ncard     {}", path.display());
        println!("champion with `longrun promote {}`", card.id);
    }
    Ok(Ending::Healthy)
}

fn print(card: &Card) {
    println!("model {}", card.id);
    println!(
        "  knows {} customers up to {}, predicts {} months",
        card.data.customers, card.cutoff, card.prediction_months
    );
    match &card.evaluation {
        None => println!("  no evaluation out of time: {}", card.evaluation_missing.as_deref().unwrap_or("–")),
        Some(evaluation) => {
            let by = match evaluation.of {
                Evaluated::ThisModel => "this model",
                Evaluated::OneWindowEarlier => "the same configuration one window earlier",
            };
            println!(
                "  evaluated out of time: {by}, {} customers from {} to {}",
                evaluation.accuracy.customers, evaluation.cutoff, evaluation.window_end
            );
            for metric in
                [Metric::Rmse, Metric::R2, Metric::GiniNormalized, Metric::CalibrationSlope, Metric::TotalRatio]
            {
                let m = evaluation.accuracy.get(metric);
                if let (Some(value), Some(low), Some(high)) = (m.value, m.low, m.high) {
                    println!("    {:<22}{value:>10.3}  ({low:.3} to {high:.3})", metric.label());
                }
            }
        }
    }
}
