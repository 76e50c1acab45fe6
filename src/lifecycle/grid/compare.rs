//! Which combination does best, and which cannot be told from it. Works on judged fits alone: no file, no customer.

use std::collections::BTreeMap;

use super::design::{Combination, Design};
use super::record::{GridRecord, GridRow, GridState, Recommendation, Standing, Why};
use super::trial::{FitRecord, Unusable};
use super::{SCORES, words};
use crate::error::{Error, Result};
use crate::evaluate::{Averaged, Metric, RELATIVE_TOLERANCE, Scored, averaged, shortfall};
use crate::version::code_version;

/// A combination with its judgements, cutoff by cutoff.
struct Candidate<'a> {
    combination: Combination,
    at: Vec<&'a Scored>,
    /// Mean loss; none where it cannot be ranked.
    loss: Option<f64>,
    row: GridRow,
}

/// Everything that the search found.
pub(super) fn record(design: &Design<'_>, fits: &[FitRecord], by: Metric) -> Result<GridRecord> {
    let all: Vec<Candidate<'_>> =
        design.combinations().into_iter().map(|combination| candidate(design, fits, combination, by)).collect();
    let (mut ranked, unranked): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| c.loss.is_some());
    // Equal losses stay in the order of the lists.
    ranked.sort_by(|a, b| a.loss.unwrap_or(f64::INFINITY).total_cmp(&b.loss.unwrap_or(f64::INFINITY)));
    let Some(target) = ranked.first().and_then(|c| c.at.first()).map(|scored| scored.target) else {
        return Err(nothing(&unranked));
    };
    let gaps = gaps(&ranked.iter().collect::<Vec<_>>(), by)?;
    for (n, (candidate, (gap, standing))) in ranked.iter_mut().zip(&gaps).enumerate() {
        candidate.row.rank = Some(n as u32 + 1);
        candidate.row.shortfall = Some(*gap);
        candidate.row.standing = Some(*standing);
    }
    let configured = design.configured();
    let recommend = |scope: Option<u32>| -> Result<Option<Recommendation>> {
        let within: Vec<&Candidate<'_>> =
            ranked.iter().filter(|c| scope.is_none_or(|months| c.combination.prediction_months == months)).collect();
        recommend(&within, by, scope, &configured)
    };
    let windows = design.plan.prediction_months.iter();
    let by_prediction: Vec<Option<Recommendation>> =
        windows.map(|&months| recommend(Some(months))).collect::<Result<_>>()?;
    let recommendation = recommend(None)?.ok_or_else(|| nothing(&unranked))?;
    let g = &design.project.section.grid;
    Ok(GridRecord {
        schema_version: 1,
        program: code_version(),
        data_digest: design.data_digest.clone(),
        // How much of it was there already is no result.
        plan: super::GridPlan { fitted: design.plan.fits, ..design.plan.clone() },
        sampler: g.sampler.key().to_owned(),
        draws: g.draws,
        sample_customers: g.sample_customers,
        target: Some(target),
        by,
        configured,
        by_prediction: by_prediction.into_iter().flatten().collect(),
        recommendation,
        rows: ranked.into_iter().chain(unranked).map(|candidate| candidate.row).collect(),
    })
}

fn nothing(unranked: &[Candidate<'_>]) -> Error {
    let reason = unranked.iter().find_map(|c| c.row.reason.clone()).unwrap_or_default();
    Error::new("no combination could be judged at every cutoff").at("longrun grid").seen(reason).advice(
        "--set lifecycle.grid.sampler=nuts samples what an approximation cannot follow; --cutoffs 1 asks for less data",
    )
}

fn candidate<'a>(design: &Design<'_>, fits: &'a [FitRecord], combination: Combination, by: Metric) -> Candidate<'a> {
    let (mut at, mut state, mut reason) = (Vec::new(), GridState::Judged, None);
    for (c, cutoff) in design.plan.cutoffs.iter().enumerate() {
        let fit = &fits[design.trial_of(c, &combination)];
        at.extend(fit.windows.get(&combination.prediction_months));
        let (worse, why) = match &fit.unusable {
            None => continue,
            Some(Unusable::Refused(why)) => (GridState::Refused, why),
            Some(Unusable::Failed(why)) => (GridState::Failed, why),
        };
        state = worse;
        reason.get_or_insert(format!("at {cutoff}: {why}"));
    }
    let scores: BTreeMap<Metric, Averaged> = SCORES.iter().map(|&metric| (metric, averaged(&at, metric))).collect();
    let losses: Option<Vec<f64>> = at.iter().map(|scored| by.better().loss(scored.figures.get(&by)?.value?)).collect();
    let loss = losses.filter(|losses| state == GridState::Judged && !losses.is_empty());
    let loss = loss.map(|losses| losses.iter().sum::<f64>() / losses.len() as f64);
    if loss.is_none() && state == GridState::Judged {
        state = GridState::Undefined;
        reason = Some(format!("there is no {} over {} months", by.label(), combination.prediction_months));
    }
    let customers = at.iter().map(|scored| scored.customers).sum();
    let row = GridRow {
        combination: combination.clone(),
        rank: None,
        state,
        reason,
        customers,
        scores,
        shortfall: None,
        standing: None,
    };
    Candidate { combination, at, loss, row }
}

/// How far each falls short of the first, which has the least loss.
fn gaps(ranked: &[&Candidate<'_>], by: Metric) -> Result<Vec<(Averaged, Standing)>> {
    let Some(best) = ranked.first() else { return Ok(Vec::new()) };
    let mut gaps = Vec::with_capacity(ranked.len());
    for (n, candidate) in ranked.iter().enumerate() {
        let gap = shortfall(&best.at, &candidate.at, by)?;
        let scale = best.loss.unwrap_or(0.0).abs().max(candidate.loss.unwrap_or(0.0).abs());
        let rounding = gap.measure.value.is_none_or(|value| value <= RELATIVE_TOLERANCE * scale);
        let standing = match gap.measure.low {
            _ if n == 0 => Standing::Best,
            Some(low) if low > 0.0 && !rounding => Standing::Worse,
            _ => Standing::Indistinguishable,
        };
        gaps.push((gap, standing));
    }
    Ok(gaps)
}

/// The recommendation among some, the best first.
fn recommend(
    ranked: &[&Candidate<'_>],
    by: Metric,
    scope: Option<u32>,
    configured: &Combination,
) -> Result<Option<Recommendation>> {
    let Some(&best) = ranked.first() else { return Ok(None) };
    let gaps = gaps(ranked, by)?;
    let near: Vec<&Candidate<'_>> =
        ranked.iter().zip(&gaps).filter(|(_, (_, s))| *s != Standing::Worse).map(|(&c, _)| c).collect();
    let (take, why) = choose(&near, configured).unwrap_or((best, Why::Alone));
    let of = |c: &Candidate<'_>| c.row.scores.get(&by).copied().unwrap_or(Averaged::UNDEFINED);
    let mut made = Recommendation {
        prediction_months: scope,
        best: best.combination.clone(),
        best_score: of(best),
        take: take.combination.clone(),
        score: of(take),
        indistinguishable: near.iter().skip(1).map(|c| c.combination.clone()).collect(),
        compared: ranked.len() as u32,
        why,
        words: String::new(),
        config: words::config(&take.combination),
    };
    made.words = words::of(&made, by);
    Ok(Some(made))
}

/// Of those that cannot be told apart: what is configured, else what learns from most; then what is nearest to the configuration.
fn choose<'c, 'a>(near: &[&'c Candidate<'a>], configured: &Combination) -> Option<(&'c Candidate<'a>, Why)> {
    if let &[only] = near {
        return Some((only, Why::Alone));
    }
    if let Some(same) = near.iter().copied().find(|c| c.combination == *configured) {
        return Some((same, Why::Configured));
    }
    let length = |c: &Combination| if c.calibration_months == 0 { u32::MAX } else { c.calibration_months };
    let likeness = |c: &Combination| {
        (
            length(c),
            c.prediction_months == configured.prediction_months,
            c.model == configured.model,
            c.segmentation == configured.segmentation,
        )
    };
    // The first of equals is the better one.
    let take = near.iter().rev().copied().max_by_key(|c| likeness(&c.combination))?;
    Some((take, Why::MostData))
}
