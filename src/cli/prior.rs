//! `longrun prior CONFIG|RUN`: what the priors say before any purchase is seen, in purchases, money and parameters.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::step::ask;
use super::{Ending, Terminal, progress::Bars};
use crate::error::Result;
use crate::report::{figure, money, percent};
use crate::run::{self, PriorRow};

/// The data are summarised first, because default priors are measured in their scale.
#[derive(Debug, Args)]
pub(super) struct PriorArgs {
    /// A configuration, or a run directory.
    target: PathBuf,

    /// Override one key of the configuration: --set data.path=other.csv.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Draws from the prior.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(20..))]
    draws: u32,

    /// Print the parameters of every group; of many, only the first are printed otherwise.
    #[arg(long)]
    all: bool,
}

/// Groups whose parameters are all printed, and how many of more are.
const MOST_GROUPS: usize = 6;
const FIRST_GROUPS: usize = 3;

pub(super) fn prior(args: &PriorArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    let ask_prior = |dir: &run::RunDir| Ok((run::prior(dir, args.draws)?, dir.plan.data.currency.clone()));
    let (check, currency) = ask(&args.target, &args.set, &bars, ask_prior)?;
    bars.clear();
    if terminal.json {
        print_json(&check)?;
        return Ok(Ending::Healthy);
    }
    if !check.meaning.is_empty() {
        println!("A new customer, before any data:");
        println!("{:<72} {:>12} {:>12} {:>12}", "", "5 %", "50 %", "95 %");
        for row in &check.meaning {
            let [q05, q50, q95] = [row.q05, row.q50, row.q95].map(|value| in_unit(value, &row.unit, &currency));
            println!("{:<72} {q05:>12} {q50:>12} {q95:>12}", row.what);
        }
        println!();
    }
    println!("{:<9} {:<28} {:>12} {:>12} {:>12}", "fit", "parameter", "5 %", "50 %", "95 %");
    let rows = if args.all { check.parameters.iter().collect() } else { first_groups(&check.parameters) };
    for row in &rows {
        let labels: Vec<&str> = row.coords.iter().map(|(_, label)| label.as_str()).collect();
        let name = if labels.is_empty() { row.name.clone() } else { format!("{}[{}]", row.name, labels.join(", ")) };
        println!("{:<9} {:<28} {:>12.5} {:>12.5} {:>12.5}", row.fit, name, row.q05, row.q50, row.q95);
    }
    let left_out = check.parameters.len() - rows.len();
    if left_out > 0 {
        println!("\n{left_out} rows of other groups are left out: --all prints them, --json holds them.");
    }
    Ok(Ending::Healthy)
}

/// What all groups share, and of each variable that has many groups the first of them.
fn first_groups(rows: &[PriorRow]) -> Vec<&PriorRow> {
    let is_shared = |row: &PriorRow| row.coords.iter().all(|(dim, _)| run::is_shared_dim(dim));
    let of_variable = |of: &'_ [PriorRow]| match &of[0] {
        first if of.len() > MOST_GROUPS && !is_shared(first) => FIRST_GROUPS,
        _ => of.len(),
    };
    let variables = rows.chunk_by(|a, b| (&a.fit, &a.name) == (&b.fit, &b.name));
    variables.flat_map(|of| &of[..of_variable(of)]).collect()
}

/// A value as a person reads it.
fn in_unit(value: f64, unit: &str, currency: &str) -> String {
    match unit {
        "share" => percent(value),
        "currency" => money(value, currency),
        "factor" => format!("×{value:.2}"),
        _ => figure(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_groups_the_first_are_printed_and_of_few_all() {
        let rows = |name: &str, dim: &str, n: usize| {
            (0..n)
                .map(move |i| PriorRow {
                    fit: "purchase".to_owned(),
                    name: name.to_owned(),
                    coords: vec![(dim.to_owned(), i.to_string())],
                    q05: 0.0,
                    q50: 0.5,
                    q95: 1.0,
                })
                .collect::<Vec<_>>()
        };
        let shown = |rows: &[PriorRow]| {
            first_groups(rows).into_iter().map(|row| (row.name.clone(), row.coords[0].1.clone())).collect::<Vec<_>>()
        };
        let many = [rows("mu", "parameter", 8), rows("r", "cohort", 40), rows("alpha", "cohort", 40)].concat();
        let seen = shown(&many);
        assert_eq!(seen.len(), 8 + 3 + 3, "{seen:?}");
        assert_eq!(seen[8..11], ["0", "1", "2"].map(|label| ("r".to_owned(), label.to_owned())));
        assert_eq!(shown(&rows("r", "cohort", 6)).len(), 6);
        assert!(run::is_shared_dim("parameter") && !run::is_shared_dim("cohort"));
    }
}
