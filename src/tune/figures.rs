//! Makes the packet of a run: counts, shares and figures over many customers, taken from what the steps left in its directory.

use serde_json::Value;

use super::names::Names;
use crate::advise::{
    self, CostFigures, DataFigures, Figure, FitFigures, GroupFigure, LeaningFigure, Limits, ModelFigures,
    PACKET_VERSION, Packet, PriorFigure, Stage, Symptom, significant,
};
use crate::config::ClvConfig;
use crate::data::{Kind, Observations, TransactionTable};
use crate::diagnose::{
    Diagnostics, FitFacts, Lean, Named, Parameter, ParameterSensitivity, Reason, Sensitivity, Verdict,
};
use crate::error::Result;
use crate::run::{self, DataFacts, RunDir, Telemetry};

/// Groups that are told of one by one.
const GROUPS: usize = 40;

/// Customers under which a group's counts are not told.
const FEW: f64 = 10.0;

/// Parameters that are told to lean on their priors.
const MOST_LEANING: usize = 8;

/// Pareto k from which the weights behind that are not trusted.
const TRUSTED_K: f64 = 0.7;

/// Draws from the prior.
const PRIOR_DRAWS: u32 = 300;

/// What a customer buys in a year while they stay, as a packet calls it.
const RATE: &str = "rate_per_year";

/// Digits of a figure.
const DIGITS: i32 = 4;

/// Digits of an amount.
const AMOUNT_DIGITS: i32 = 2;

/// The packet of a run that is summarised and, as far as it has draws, diagnosed; `config` is what a change would be made to.
pub fn packet_of(dir: &RunDir, config: &ClvConfig, stage: Stage) -> Result<(Packet, Names)> {
    let facts: DataFacts = dir.read_json("facts.json", "summarize")?;
    let names = Names::of(&facts);
    let observed = Observations::read(dir.root(), true)?;
    let data = data_figures(dir, &facts, &observed)?;
    let mut packet = empty(dir, config, stage);
    packet.model.groups = facts.groups.len();
    packet.model.covariates = facts.covariates.len();
    packet.priors = prior_figures(dir, &data, &observed);
    packet.data = Some(data);
    if dir.has("diagnostics.json") {
        let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
        packet.fits = diagnostics.fits.iter().map(|fit| fit_figures(fit, &diagnostics.parameters, &names)).collect();
    }
    let telemetry = run::read_telemetry(dir);
    if !telemetry.fits.is_empty() {
        packet.cost.fit_s = significant(telemetry.fits.values().map(|f| f.wall_s).sum(), 3);
        packet.cost.gradients = Some(telemetry.fits.values().map(|f| f.gradient_evaluations).sum());
    }
    packet.cost.peak_memory_mib = telemetry.steps.values().filter_map(|s| s.peak_memory_bytes).max().map(|b| b >> 20);
    resources(&telemetry, &mut packet.cost);
    packet.leaning = if dir.has("sensitivity.json") {
        leaning(
            &dir.read_json("sensitivity.json", "diagnose")?,
            &dir.read_json("diagnostics.json", "diagnose")?,
            &names,
        )
    } else {
        vec![]
    };
    Ok((packet, names))
}

/// What the machine gave while it fitted.
fn resources(telemetry: &Telemetry, cost: &mut CostFigures) {
    cost.cpus = Some(telemetry.cpus as u64);
    if let Some(fit) = telemetry.steps.get(run::Step::Fit.name()) {
        cost.busy_cpus = fit.cpu_s.and_then(|cpu_s| significant(cpu_s / fit.wall_s, 2));
        cost.gpu_utilisation = fit.gpu_utilisation.and_then(|share| significant(share, 2));
        cost.gpu_memory_mib = fit.gpu_memory_bytes.map(|bytes| bytes >> 20);
        cost.gpu_joules = fit.gpu_joules.and_then(|joules| significant(joules, 3));
    }
    let shares = telemetry.fits.values().filter_map(|fit| fit.floor).map(|floor| floor.share);
    cost.share_of_floor = shares.reduce(f64::min).and_then(|share| significant(share, 2));
    cost.held_back_by = telemetry.findings.iter().map(|finding| word(serde_json::to_value(finding.by))).collect();
    cost.held_back_by.dedup();
}

/// The parameters that lean on their priors most, [`MOST_LEANING`] at most.
fn leaning(sensitivity: &Sensitivity, diagnostics: &Diagnostics, names: &Names) -> Vec<LeaningFigure> {
    let trusted = sensitivity.fits.iter().filter(|fit| fit.pareto_k < TRUSTED_K);
    let all = trusted.flat_map(|fit| fit.parameters.iter().map(move |p| (&fit.fit, p)));
    let mut leaning: Vec<_> = all.filter(|(_, p)| p.diagnosis != Lean::Data).collect();
    leaning.sort_by(|(_, a), (_, b)| b.prior.total_cmp(&a.prior));
    let figure = |(fit, p): (&String, &ParameterSensitivity)| {
        let own: Vec<Parameter> = diagnostics.parameters.iter().filter(|known| known.fit == *fit).cloned().collect();
        Some(LeaningFigure {
            fit: fit.clone(),
            parameter: names.named(&p.parameter, &own)?,
            prior: significant(p.prior, 2),
            likelihood: significant(p.likelihood, 2),
            diagnosis: word(serde_json::to_value(p.diagnosis)),
        })
    };
    leaning.into_iter().filter_map(figure).take(MOST_LEANING).collect()
}

/// A packet of which nothing is known but what the plan says.
pub(super) fn empty(dir: &RunDir, config: &ClvConfig, stage: Stage) -> Packet {
    let plan = &dir.plan;
    let word = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    };
    let pooled = plan.purchase.hierarchy.as_ref();
    Packet {
        schema_version: PACKET_VERSION,
        stage,
        settings: advise::settings(config),
        model: ModelFigures {
            purchase: plan.purchase.model.clone(),
            spend: plan.spend.as_ref().map(|spend| spend.model.clone()),
            data_kind: word(serde_json::to_value(plan.data.kind)),
            levels: plan.groups.grouping().level_names().len(),
            groups: 0,
            // What is on the whitelist: a prior's name is the user's own until the check has read it.
            pooled: pooled.map_or_else(Vec::new, |h| {
                let listed = |name: &&String| advise::allowed(&format!("purchase.hierarchy.sigma.{name}")).is_some();
                h.mu.keys().filter(listed).cloned().collect()
            }),
            covariates: 0,
        },
        limits: Limits {
            r_hat: plan.diagnose.max_r_hat,
            ess: plan.diagnose.min_ess,
            divergence_share: plan.diagnose.max_divergence_share,
            e_bfmi: plan.diagnose.min_e_bfmi,
        },
        cost: CostFigures { backend: word(serde_json::to_value(plan.compute.backend)), ..CostFigures::default() },
        ..Packet::default()
    }
}

fn data_figures(dir: &RunDir, facts: &DataFacts, observed: &Observations) -> Result<DataFigures> {
    let cells = &observed.cells;
    let sum = |of: &dyn Fn(usize) -> f64| (0..cells.len()).map(|i| cells.weight[i] * of(i)).sum::<f64>();
    let (customers, ages) = (observed.customers(), sum(&|i| cells.age[i]));
    let repeats = sum(&|i| f64::from(cells.frequency[i]));
    let unit = dir.plan.data.time_unit_days;
    let median_age = weighted_median(&cells.age, &cells.weight);
    let merged = match dir.plan.data.kind {
        Kind::Transactions if dir.path("transactions").is_dir() => {
            Some(TransactionTable::open(&dir.path("transactions"))?.merged_lines()?)
        }
        _ => None,
    };
    let share = |n: u64, of: u64| significant(n as f64 / of.max(1) as f64, DIGITS);
    let (groups, groups_without_repeats) = group_figures(observed);
    let fitted = dir.plan.data.sample_customers.map_or(facts.customers, |n| n.min(facts.customers));
    Ok(DataFigures {
        customers: facts.customers,
        fitted,
        repeat_purchases: facts.repeat_purchases,
        one_time_share: share(facts.one_time_customers, facts.customers).unwrap_or(0.0),
        repeats_per_year: (ages > 0.0).then(|| repeats / (ages * unit / 365.25)).and_then(|x| significant(x, DIGITS)),
        time_unit_days: unit,
        median_age: significant(median_age, 3).unwrap_or(0.0),
        grain: if dir.plan.data.kind == Kind::Summary { grain(observed, unit, median_age) } else { None },
        rejected_share: share(facts.rejected, facts.lines).unwrap_or(0.0),
        merged_share: merged.and_then(|m| share(m.several, m.rows)),
        paired_share: merged.and_then(|m| share(m.in_pairs, m.rows)),
        mean_spend: mean_spend(observed, customers),
        groups,
        groups_without_repeats,
    })
}

/// Mean spend per repeat purchase of the spenders; none of fewer than ten, of whom a mean would tell too much.
fn mean_spend(observed: &Observations, customers: f64) -> Option<f64> {
    let spend = &observed.spend;
    let known: f64 = spend.weight.iter().sum();
    let total: f64 = spend.monetary.iter().zip(&spend.weight).map(|(m, w)| m * w).sum();
    (known >= FEW && customers >= FEW).then(|| total / known).and_then(|x| significant(x, AMOUNT_DIGITS))
}

fn group_figures(observed: &Observations) -> (Vec<GroupFigure>, usize) {
    let count = observed.groups.labels.len();
    if count < 2 {
        return (vec![], 0);
    }
    let (mut customers, mut buyers) = (vec![0.0; count], vec![0.0; count]);
    for (i, &g) in observed.cells.group.iter().enumerate() {
        customers[g as usize] += observed.cells.weight[i];
        buyers[g as usize] += if observed.cells.frequency[i] > 0 { observed.cells.weight[i] } else { 0.0 };
    }
    let silent = |g: usize| customers[g] > 0.0 && buyers[g] == 0.0;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| silent(b).cmp(&silent(a)).then(customers[b].total_cmp(&customers[a])));
    let figures = order.iter().take(GROUPS).map(|&g| {
        let told = |n: f64| (customers[g] >= FEW).then_some(n as u64);
        GroupFigure {
            name: Names::group(g),
            customers: told(customers[g]),
            repeat_buyers: told(buyers[g]),
            no_repeat_buyers: silent(g),
        }
    });
    (figures.collect(), (0..count).filter(|&g| silent(g)).count())
}

/// The unit that a summary's times are whole numbers of days in, if it is not the one that is set.
fn grain(observed: &Observations, unit_days: f64, median_age: f64) -> Option<String> {
    const OLDEST_DAYS: f64 = 25.0 * 365.25;
    const ENOUGH: usize = 20;
    // Of a day: times are often written with two decimals.
    const NEARLY: f64 = 0.05;
    let times: Vec<f64> =
        observed.cells.recency.iter().chain(&observed.cells.age).copied().filter(|t| *t > 0.0).collect();
    if times.len() < ENOUGH {
        return None;
    }
    let whole_days = |unit: f64| {
        let near = |t: &&f64| (**t * unit - (**t * unit).round()).abs() < NEARLY;
        times.iter().filter(near).count() as f64 > 0.98 * times.len() as f64
    };
    if times.iter().all(|t| t.fract() == 0.0) {
        // Whole numbers fit many units; days are meant only where nothing longer can be.
        return (median_age * unit_days > OLDEST_DAYS).then(|| "day".to_owned());
    }
    if whole_days(unit_days) {
        return None;
    }
    let units = [("week", 7.0), ("month", 30.4375), ("quarter", 91.3125), ("year", 365.25)];
    units.into_iter().find(|(_, days)| whole_days(*days)).map(|(name, _)| name.to_owned())
}

fn weighted_median(values: &[f64], weights: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let half = weights.iter().sum::<f64>() / 2.0;
    let mut seen = 0.0;
    for i in order {
        seen += weights[i];
        if seen >= half {
            return values[i];
        }
    }
    f64::NAN
}

/// What the priors say; nothing where they cannot be drawn from.
fn prior_figures(dir: &RunDir, data: &DataFigures, observed: &Observations) -> Vec<PriorFigure> {
    let Ok(check) = run::prior(dir, PRIOR_DRAWS) else { return vec![] };
    let counted = matches!(dir.plan.purchase.model.as_str(), "bg_bb" | "s_bg");
    let spend = weighted_median(&observed.spend.monetary, &observed.spend.weight);
    let seen = |key: &str| match key {
        "mean_repeat_purchases" if !counted => data.repeats_per_year,
        "median_spend" if data.mean_spend.is_some() => significant(spend, AMOUNT_DIGITS),
        _ => None,
    };
    let told = |x: f64| significant(x, 3);
    let figure = |m: &run::Meaning| PriorFigure {
        seen: seen(&m.key),
        key: m.key.clone(),
        q05: told(m.q05),
        q50: told(m.q50),
        q95: told(m.q95),
    };
    let mut out: Vec<PriorFigure> = check.meaning.iter().map(figure).collect();
    // Of customers who may have left long ago, a year's purchases hide how fast the prior thinks they buy while they stay.
    let row = |name: &str| check.parameters.iter().find(|row| row.fit == run::PURCHASE && row.name == name);
    if let (Some(r), Some(alpha), false) = (row("r"), row("alpha"), counted) {
        // r / alpha, as wide as the two can make it.
        let units = 365.25 / data.time_unit_days;
        out.push(PriorFigure {
            key: RATE.to_owned(),
            q05: told(units * r.q05 / alpha.q95),
            q50: told(units * r.q50 / alpha.q50),
            q95: told(units * r.q95 / alpha.q05),
            seen: data.repeats_per_year,
        });
    }
    out
}

fn fit_figures(fit: &FitFacts, parameters: &[Parameter], names: &Names) -> FitFigures {
    let own: Vec<Parameter> = parameters.iter().filter(|p| p.fit == fit.fit).cloned().collect();
    let transitions = (fit.chains * fit.draws).max(1) as f64;
    let finite = |x: f64| significant(x, DIGITS);
    let figure = |named: &Named| Figure {
        parameter: names.named(&named.parameter, &own).unwrap_or_else(|| "parameter".to_owned()),
        // R-hat near 1 needs its digits.
        value: significant(named.value, 5),
    };
    let least = fit.e_bfmi.iter().copied().filter(|x| x.is_finite()).reduce(f64::min);
    FitFigures {
        fit: fit.fit.clone(),
        method: word(serde_json::to_value(fit.method)),
        passed: fit.verdict == Verdict::Pass,
        chains: fit.chains,
        draws: fit.draws,
        divergence_share: finite(fit.divergences as f64 / transitions).unwrap_or(0.0),
        depth_hit_share: finite(fit.depth_hits as f64 / transitions).unwrap_or(0.0),
        e_bfmi: least.and_then(finite),
        r_hat: fit.worst_r_hat.as_ref().map(figure),
        ess_bulk: fit.worst_ess_bulk.as_ref().map(figure),
        ess_tail: fit.worst_ess_tail.as_ref().map(figure),
        symptoms: fit.reasons.iter().map(|reason| symptom(reason, &own, names)).collect(),
    }
}

/// A reason without its sentence, which names parameters as the data do.
fn symptom(reason: &Reason, own: &[Parameter], names: &Names) -> Symptom {
    Symptom {
        kind: word(serde_json::to_value(reason.kind)),
        parameter: reason.parameter.as_deref().and_then(|text| names.named(text, own)),
        figure: significant(reason.figure, DIGITS),
        limit: significant(reason.limit, DIGITS),
    }
}

fn word(value: Result<Value, serde_json::Error>) -> String {
    value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Cells;

    fn summary(times: impl Iterator<Item = f64>) -> Observations {
        let age: Vec<f64> = times.collect();
        let n = age.len();
        let cells =
            Cells { group: vec![0; n], frequency: vec![0; n], recency: vec![0.0; n], age, weight: vec![1.0; n] };
        Observations { cells, ..Observations::default() }
    }

    #[test]
    fn the_grain_of_times_tells_their_unit_where_one_explains_them() {
        let weeks = summary((100..200).map(|day| f64::from(day) / 7.0));
        assert_eq!(grain(&weeks, 365.25, 20.0).as_deref(), Some("week"));
        assert_eq!(grain(&weeks, 7.0, 20.0), None);
        let months = summary((100..200).map(|day| f64::from(day) / 30.4375));
        assert_eq!(grain(&months, 7.0, 5.0).as_deref(), Some("month"));
        let days = summary((100..200).map(f64::from));
        assert_eq!(grain(&days, 365.25, 150.0).as_deref(), Some("day"));
        assert_eq!(grain(&days, 7.0, 150.0), None);
        let exact = summary((100..200).map(|i| f64::from(i).sqrt()));
        assert_eq!(grain(&exact, 7.0, 12.0), None);
    }

    #[test]
    fn groups_that_are_silent_come_first_and_small_ones_keep_their_counts() {
        let mut shop = summary((0..4).map(f64::from));
        shop.groups.labels = ["a", "b", "c"].map(str::to_owned).to_vec();
        shop.cells.group = vec![0, 0, 1, 2];
        shop.cells.frequency = vec![0, 2, 0, 1];
        shop.cells.weight = vec![20.0, 5.0, 12.0, 9.0];
        let (figures, silent) = group_figures(&shop);
        assert_eq!(silent, 1);
        assert_eq!((figures[0].name.as_str(), figures[0].no_repeat_buyers), ("group 2", true));
        assert_eq!((figures[1].customers, figures[1].repeat_buyers), (Some(25), Some(5)));
        assert_eq!((figures[2].customers, figures[2].repeat_buyers), (None, None));
    }
}
