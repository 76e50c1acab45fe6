//! Step 1: the log becomes the transactions table and the summary; the plan learns the data's scale.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::facts::DataFacts;
use super::{Log, Observer, RunDir, Step, Unobserved, away, fit, log, models, words};
use crate::config::{DataPlan, GroupsPlan, Plan};
use crate::data::{
    self, CovariateTable, DesignColumn, IngestProgress, IngestReport, Kind, Observations, PendingSummary, Rules,
    Source, Summary, Window,
};
use crate::error::{Error, Result};
use crate::model::family;

/// Reads the data and writes the summary; results that other data led to are forgotten once the new summary is certain. Of a log, only
/// what the table `since` does not know is read, where there is one to go on from.
pub(super) fn summarize(dir: &mut RunDir, since: Option<&Path>, observer: &dyn Observer) -> Result<()> {
    let plan = &dir.plan;
    if since.is_some() && plan.data.kind != Kind::Transactions {
        return Err(Error::new("only a log of transactions can be read since another run")
            .at("--since")
            .advice("leave it out: summaries are read as a whole"));
    }
    let (mut source, rules) = (source(&plan.data, &plan.groups)?, rules(&plan.data));
    if plan.data.kind != Kind::Transactions {
        source.paths = away::here(&source.paths, observer)?;
    }
    let reading = |p: IngestProgress| observer.reading(p.bytes_done, p.bytes_total);
    let grouping = plan.groups.grouping();
    let (report, made) = match plan.data.kind {
        Kind::Transactions => {
            let mut anew = since.is_none();
            if let Some(since) = since
                && let Err(why) = data::take_over_table(&table_in(since)?, &dir.path("transactions"))
            {
                observer.note(&format!("all of the log is read: there is nothing to go on from: {why}"));
                anew = true;
            }
            let folded = log::fold_log(plan, dir.root(), anew, observer)?;
            let made = folded.table.summarize_into(&window(plan), &rules, &grouping, dir.root(), &reading)?;
            (folded.report, made)
        }
        Kind::Cohorts => {
            let contracts = data::expand_cohorts(&source, dir.root(), &reading)?;
            let (made, report) = data::ingest_summary_into(&contracts, &rules, &grouping, dir.root(), &reading)?;
            (report, made)
        }
        Kind::Summary | Kind::Contracts => {
            let (made, report) = data::ingest_summary_into(&source, &rules, &grouping, dir.root(), &reading)?;
            (report, made)
        }
    };
    conclude(dir, &report, made, observer)
}

/// The same of a log that has been read already.
pub(super) fn summarize_log(dir: &mut RunDir, log: &Log, observer: &dyn Observer) -> Result<()> {
    let (plan, rules) = (&dir.plan, rules(&dir.plan.data));
    let reading = |p: IngestProgress| observer.reading(p.bytes_done, p.bytes_total);
    let made = log.table.summarize_into(&window(plan), &rules, &plan.groups.grouping(), dir.root(), &reading)?;
    conclude(dir, &log.report, made, observer)
}

/// The table of purchases of a run, or of the folder that a project keeps its log's table in.
fn table_in(since: &Path) -> Result<PathBuf> {
    let folder = since.join("transactions");
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Error::new("there is no table of purchases to go on from")
        .at(since.display())
        .advice("name a run that was summarised, or a project's runs/log"))
}

fn window(plan: &Plan) -> Window {
    Window {
        calibration_start: plan.data.calibration_start.map(|d| d.0),
        calibration_end: plan.data.calibration_end.map(|d| d.0),
        holdout_end: plan.data.holdout_end.map(|d| d.0),
    }
}

/// Publishes a summary, and says what it came to.
fn conclude(dir: &mut RunDir, report: &IngestReport, made: PendingSummary, observer: &dyn Observer) -> Result<()> {
    let reading = |p: IngestProgress| observer.reading(p.bytes_done, p.bytes_total);
    let (facts, groups, group_customers) = (made.facts.clone(), made.groups.clone(), made.group_customers.clone());
    let (spend_range, holdout_length) = (made.spend_range, made.holdout_length);
    super::forget(dir, Step::Summarize)?;
    made.publish()?;

    let mut notes = Vec::new();
    let all_spend_the_same =
        facts.spend_customers > 1 && spend_range.is_some_and(|(least, most)| most - least <= 1e-9 * least);
    if facts.spend_customers == 0 || all_spend_the_same {
        dir.plan.spend_left_out = dir.plan.spend.take().or(dir.plan.spend_left_out.take());
    } else if let Some(spend) = dir.plan.spend_left_out.take() {
        dir.plan.spend = Some(spend);
    }
    match &dir.plan.spend_left_out {
        Some(_) if all_spend_the_same => notes.push(
            "every customer spends the same: there is nothing for a spend model to learn, and it is left out"
                .to_owned(),
        ),
        Some(_) => {
            notes.push("no customer has a repeat purchase with an amount: the spend model is left out".to_owned());
        }
        None => {}
    }
    let ends = [("data.calibration_end", facts.calibration_end), ("data.holdout_end", facts.holdout_end)];
    for (key, end) in ends {
        if let Some(days) = end.zip(facts.last_date).map(|(end, last)| (end - last).num_days()).filter(|&days| days > 7)
        {
            notes.push(format!(
                "{key} lies {days} days after the last purchase: they count as days on which nobody bought"
            ));
        }
    }
    notes.extend(forgotten(&facts));
    let (count, k) = (groups.labels.len(), family(&dir.plan.purchase.model)?.k());
    if count > 1 && facts.customers < 20 * count as u64 {
        notes.push(format!(
            "{count} groups share {} customers: groups this small say little of their own, and the fit has over {} dimensions",
            facts.customers,
            k * count
        ));
    }
    if report.kept_zero > 0 {
        notes.push(format!("{} purchases with an amount of zero were kept (data.zero_amounts)", report.kept_zero));
    }
    if report.netted_returns > 0 {
        notes.push(format!(
            "{} returns were taken off the same day's purchases, which left nothing of {} days (data.negative_amounts)",
            report.netted_returns, report.netted_away_days
        ));
    }
    if report.unmatched_returns > 0 {
        notes.push(format!("{} returns on days without a purchase were left out", report.unmatched_returns));
    }
    if report.forgotten > 0 {
        notes.push(format!("{} lines of forgotten customers were left out (data.forget)", report.forgotten));
    }
    if report.rounded_amounts > 0 {
        notes.push(format!("{} amounts with more than four decimals were rounded to four", report.rounded_amounts));
    }
    if facts.calibration_end_cuts_period {
        notes.push(
            "data.calibration_end cuts a period of data.resolution in two: purchases on both sides count, so the holdout may \
             hold more of them than its length explains"
                .to_owned(),
        );
    }
    if facts.group_conflicts > 0 {
        notes.push(format!("{} customers change groups; the first value in time counts", facts.group_conflicts));
    }
    if facts.group_missing > 0 {
        notes.push(format!("{} customers have no value in the group column", facts.group_missing));
    }
    let covariates = covariates(dir, &mut notes, &reading)?;
    let observed = Observations::read(dir.root(), true)?;
    // Said before a fit is begun.
    models::regression(family(&dir.plan.purchase.model)?, &observed, dir.plan.purchase.covariates.as_ref())?;
    notes.extend(too_little(&dir.plan, &observed)?);
    models::resolve_priors(&mut dir.plan, &observed)?;
    dir.write_plan()?;
    let summary_sha256 = sha256(&dir.path("summary.parquet"))?;
    let covariates_sha256 = covariates.as_ref().map(|_| sha256(&dir.path(data::COVARIATES_FILE))).transpose()?;
    if fit::drop_foreign_draws(dir, &summary_sha256, covariates_sha256.as_deref())? {
        notes.push("the data or the plan changed since the draws were made: the draws were removed".to_owned());
    }
    notes.iter().for_each(|note| observer.note(note));
    dir.write_json(
        "facts.json",
        &DataFacts {
            schema_version: 1,
            lines: report.rows,
            rejected: report.rejected,
            dropped: report.dropped_negative
                + report.dropped_zero
                + report.netted_returns
                + report.unmatched_returns
                + report.forgotten,
            customers: facts.customers,
            repeat_purchases: facts.repeat_purchases,
            one_time_customers: facts.one_time_customers,
            cells: observed.cells.len() as u64,
            spenders: facts.spend_customers,
            spend_rows: observed.spend.len() as u64,
            group_column: groups.column,
            groups: groups.labels.into_iter().zip(group_customers).collect(),
            first_date: facts.first_date,
            last_date: facts.last_date,
            calibration_start: facts.calibration_start,
            calibration_end: facts.calibration_end,
            holdout_end: facts.holdout_end,
            holdout_length,
            holdout_only_customers: facts.new_customers,
            summary_sha256,
            covariates_sha256,
            covariates: covariates.unwrap_or_default(),
            notes,
        },
    )
}

/// What to say of customers who are counted from before the calibration window.
fn forgotten(facts: &data::SummaryFacts) -> Option<String> {
    let (start, first) = facts.calibration_start.zip(facts.first_date)?;
    Some(match facts.lapsed_customers {
        _ if start <= first => {
            format!("data.calibration_start lies before the first purchase ({first}): nothing is forgotten")
        }
        lapsed => format!(
            "{lapsed} of {} customers have not bought since data.calibration_start: each is counted from the last purchase before it",
            facts.customers
        ),
    })
}

/// Correlation beyond which two covariates say nearly the same.
const ALIKE: f64 = 0.95;

/// Pairs of such covariates that are named.
const PAIRS: usize = 5;

/// What to say of covariates whose coefficients the data can hardly tell apart, or the prior decides on.
fn doubts(plan: &Plan, design: &data::Design) -> Vec<String> {
    let alike = design.alike(ALIKE);
    let name = |column: usize| &design.columns[column].name;
    let told = |&(a, b, correlation): &(usize, usize, f64)| {
        format!(
            "`{}` and `{}` say nearly the same of customers (correlation {correlation:.3}): what they do together is learned, but not \
             what each does alone; leave one of them out",
            name(a),
            name(b)
        )
    };
    let mut notes: Vec<String> = alike.iter().take(PAIRS).map(told).collect();
    if alike.len() > PAIRS {
        notes.push(format!("so do {} more pairs of covariates", alike.len() - PAIRS));
    }
    let prior = plan.purchase.covariates.as_ref().map(|spec| spec.prior);
    if let Some((prior, (low, high))) = prior.map(|prior| (prior, prior.support())) {
        let never = match (low >= 0.0, high <= 0.0) {
            (true, _) => "below 0: no covariate can make customers buy less often, or leave later",
            (_, true) => "above 0: no covariate can make customers buy more often, or leave sooner",
            _ => return notes,
        };
        notes.push(format!(
            "covariates.prior ({}) has no coefficients {never}, whatever the data say; take a normal prior unless that is certain",
            prior.name()
        ));
    }
    notes
}

/// A covariate this many standard deviations from its mean says that the mean says little.
const FAR: f64 = 20.0;

/// Writes `covariates.parquet` where the plan has covariates, and says what its columns are.
fn covariates(
    dir: &RunDir,
    notes: &mut Vec<String>,
    reading: &(dyn Fn(IngestProgress) + Sync),
) -> Result<Option<Vec<DesignColumn>>> {
    let Some(plan) = &dir.plan.covariates else { return Ok(None) };
    let table = CovariateTable {
        source: Source {
            paths: away::here(&plan.paths, &Unobserved)?,
            format: plan.format,
            delimiter: delimiter(&plan.delimiter),
            ..Source::default()
        },
        customer: plan.customer.clone(),
        continuous: plan.continuous.clone(),
        categorical: plan.categorical.clone(),
        missing: plan.missing,
        max_reject_share: dir.plan.data.max_reject_share,
    };
    let summary = read_summary(dir)?;
    let (design, facts) = data::read_covariates(&table, &summary.customer_id, dir.root(), reading)?;
    design.write(dir.root())?;
    if facts.conflicts > 0 {
        notes.push(format!("{} customers have rows with different covariates; the first row counts", facts.conflicts));
    }
    if facts.rejected > 0 {
        notes.push(format!(
            "{} rows of the covariates could not be used, with all of their columns: covariate_rejects.csv says why; a field that is left \
             empty keeps the others of its row",
            facts.rejected
        ));
    }
    notes.extend(facts.missing.iter().map(|(name, count)| format!("{count} customers have no value of `{name}`")));
    notes.extend(design.columns.iter().filter(|c| c.farthest > FAR).map(|c| {
        format!(
            "a customer lies {:.0} standard deviations from the mean of `{}`: its logarithm may explain more",
            c.farthest, c.name
        )
    }));
    notes.extend(doubts(&dir.plan, &design));
    Ok(Some(design.columns))
}

fn delimiter(written: &str) -> data::Delimiter {
    match written.as_bytes() {
        [byte] => data::Delimiter::Byte(*byte),
        _ => data::Delimiter::Whitespace,
    }
}

/// What to say where the data teach next to nothing.
fn too_little(plan: &Plan, observed: &Observations) -> Result<Option<String>> {
    let cells = &observed.cells;
    let count = |of: &dyn Fn(usize) -> f64| (0..cells.len()).map(|i| cells.weight[i] * of(i)).sum::<f64>();
    let repeats = count(&|i| f64::from(cells.frequency[i]));
    if matches!(plan.data.kind, Kind::Contracts | Kind::Cohorts) {
        let lost = count(&|i| f64::from(u8::from(f64::from(cells.frequency[i]) < cells.age[i])));
        return Ok(match lost.min(repeats) {
            0.0 if lost == 0.0 => {
                Some("nobody was lost: how long customers stay is mostly the prior's word".to_owned())
            }
            few if few < 30.0 => {
                Some(format!("only {lost} losses and {repeats} renewals: what follows is mostly the prior"))
            }
            _ => None,
        });
    }
    Ok(match repeats {
        0.0 => Some("nobody bought again: what follows is the prior, not these customers".to_owned()),
        few if few < 30.0 => Some(format!("only {few} {}: what follows is mostly the prior", words(plan)?.repeats)),
        _ => None,
    })
}

/// The summary that this step left.
pub(super) fn read_summary(dir: &RunDir) -> Result<Summary> {
    Summary::read_parquet(&dir.path("summary.parquet"))
}

/// What the fits read of the summary that this step left: everyone, or the sample of customers that the plan asks for.
pub(super) fn read_observations(dir: &RunDir) -> Result<Observations> {
    let all = Observations::read(dir.root(), dir.plan.compute.merge_cells)?;
    Ok(match dir.plan.data.sample_customers {
        Some(customers) => all.sampled(customers, dir.plan.sampler.seed),
        None => all,
    })
}

/// The digest of a file, in hexadecimal.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let failed = |e| Error::io("read", path, e);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block).map_err(failed)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hasher.update(&block[..read]),
        }
    }
}

pub(super) fn source(plan: &DataPlan, groups: &GroupsPlan) -> Result<Source> {
    let role = |name: &str| plan.columns.get(name).cloned();
    let own = data::Columns::default();
    let or = |name: &str, default: data::Column| role(name).unwrap_or(default);
    let columns = data::Columns {
        customer: role("customer"),
        date: or("date", own.date),
        amount: role("amount"),
        frequency: or("frequency", own.frequency),
        recency: or("recency", own.recency),
        age: or("age", own.age),
        monetary: role("monetary"),
        lost: or("lost", own.lost),
        weight: role("weight"),
        cohort: or("cohort", own.cohort),
        period: or("period", own.period),
        active: or("active", own.active),
        extra: groups.columns().into_iter().map(|(name, column)| data::ExtraColumn { name, column }).collect(),
    };
    Ok(Source {
        kind: plan.kind,
        paths: plan.paths.clone(),
        format: plan.format,
        delimiter: delimiter(&plan.delimiter),
        header: plan.header,
        columns,
        date_format: plan.date_format.clone(),
    })
}

pub(super) fn rules(plan: &DataPlan) -> Rules {
    Rules {
        resolution: plan.resolution,
        time_unit_days: plan.time_unit_days,
        whole_periods: plan.whole_periods,
        zero_amounts: plan.zero_amounts,
        negative_amounts: plan.negative_amounts,
        max_reject_share: plan.max_reject_share,
        time_zone: plan.time_zone,
        latest_date: Some(plan.latest_date),
    }
}
