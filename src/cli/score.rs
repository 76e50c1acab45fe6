//! `longrun score`: everyone's predictions with the champion, through both lenses, at one cutoff.

use chrono::NaiveDate;
use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::lifecycle::{Access, Project, SnapshotName, SnapshotRecord, score as make};
use crate::report::{count, money, percent, whole};
use crate::segment::cluster_label;

/// Predicts every customer from a cutoff on with the champion, and shows them through two lenses: value (tiers by rank) and behaviour
/// (clusters of habits). A snapshot that stands is not made again. `longrun pipeline` does this by the calendar.
#[derive(Debug, Args)]
pub(super) struct ScoreArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// Last day that is known, YYYY-MM-DD [default: the last day of the data].
    #[arg(long, value_name = "DATE")]
    cutoff: Option<NaiveDate>,
}

pub(super) fn score(args: &ScoreArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &ScoreArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    let log = project.log(false, &bars)?;
    let (record, is_new) = make(project, args.cutoff.unwrap_or(log.last_date), &log, &bars)?;
    bars.clear();
    let name = SnapshotName { cutoff: record.cutoff, months: record.prediction_months };
    if terminal.json {
        print_json(&serde_json::json!({
            "snapshot": record,
            "is_new": is_new,
            "folder": project.snapshot_folder(name),
            "predictions": project.predictions_file(name, "parquet"),
        }))?;
        return Ok(Ending::Healthy);
    }
    if !is_new {
        println!("this snapshot stands already; it is not made again");
    }
    print(&record, &project.plan.data.currency);
    println!("\npredictions  {}", project.predictions_file(name, "csv").display());
    Ok(Ending::Healthy)
}

fn print(record: &SnapshotRecord, currency: &str) {
    println!(
        "{} customers on {}, the next {} months, by {}",
        whole(record.customers),
        record.cutoff,
        record.prediction_months,
        record.model_id
    );
    println!(
        "  purchases       {} ({} to {})",
        count(record.purchases.mean),
        count(record.purchases.q05),
        count(record.purchases.q95)
    );
    if let Some(clv) = &record.clv {
        let m = |v| money(v, currency);
        println!("  lifetime value  {} ({} to {})", m(clv.mean), m(clv.q05), m(clv.q95));
    }
    let value = |v: Option<f64>| v.map_or("–".to_owned(), |v| money(v, currency));
    println!(
        "\n{:<10} {:>12} {:>14} {:>14} {:>10} {:>10}",
        "value", "customers", "from", "mean", "of value", "as before"
    );
    for tier in &record.tiers {
        println!(
            "{:<10} {:>12} {:>14} {:>14} {:>10} {:>10}",
            tier.tier,
            whole(tier.customers),
            value(tier.cut_value),
            value(tier.mean_value),
            percent(tier.revenue_share),
            tier.overlap.map_or("–".to_owned(), percent)
        );
    }
    let b = &record.behaviour;
    println!("\n{:<10} {:>12} {:>14} {:>14} {:>10}", "behaviour", "customers", "median", "mean", "index");
    for cluster in &b.clusters {
        println!(
            "{:<10} {:>12} {:>14} {:>14} {:>10}  {}",
            cluster_label(cluster.id),
            whole(cluster.customers),
            money(cluster.median_value, currency),
            money(cluster.mean_value, currency),
            cluster.clv_index.map_or("–".to_owned(), |i| format!("{i:.0}")),
            cluster.profile
        );
    }
}
