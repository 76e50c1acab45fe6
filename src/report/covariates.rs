//! The part of the page on covariates: coefficients as factors, and what each says in words. Which columns there are and how they were
//! encoded is not known here.

use serde::Serialize;

use super::numbers::{NONE, decimals_for, fixed, percent_whole, short};
use super::view::{CovariateEffect, CovariateStep, Moves};

/// What the template knows of covariates.
#[derive(Debug, Serialize)]
pub(super) struct CovariatePart {
    summary: String,
    /// Whether leaving has two parameters, whose odds want an explanation.
    odds: bool,
    tables: Vec<Table>,
}

#[derive(Debug, Serialize)]
struct Table {
    heading: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    step: String,
    factor: String,
    range: String,
    words: String,
    clear: bool,
}

/// Standard deviations from the middle to the ends of a central 90 % interval of a normal distribution, both sides.
const SDS_ACROSS: f64 = 2.0 * 1.645;

/// The part; none without covariates.
pub(super) fn part(effects: &[CovariateEffect]) -> Option<CovariatePart> {
    const HEADINGS: [(Moves, &str); 4] = [
        (Moves::Buying, "How often they buy"),
        (Moves::Leaving, "How fast they leave"),
        (Moves::LeavingA, "Chance to leave: its a"),
        (Moves::LeavingB, "Chance to leave: its b"),
    ];
    let table = |&(moves, heading): &(Moves, &'static str)| Table {
        heading,
        rows: effects.iter().filter(|effect| effect.moves == moves).map(row).collect(),
    };
    let tables: Vec<Table> = HEADINGS.iter().map(table).filter(|table| !table.rows.is_empty()).collect();
    let clear = effects.iter().filter(|effect| is_clear(effect)).count();
    let summary = match (effects.len(), clear) {
        (0, _) => return None,
        (1, 1) => "The one effect is clear: its 90\u{a0}% interval lies wholly on one side of ×1.".to_owned(),
        (1, _) => "The one effect may be none: its 90\u{a0}% interval holds ×1.".to_owned(),
        (all, 0) => format!("No effect of the {all} is clear: the 90\u{a0}% intervals of all hold ×1."),
        (all, clear) => format!(
            "{clear} of {all} effects {} clear: the 90\u{a0}% interval lies wholly on one side of ×1.",
            if clear == 1 { "is" } else { "are" }
        ),
    };
    let odds = effects.iter().any(|effect| matches!(effect.moves, Moves::LeavingA | Moves::LeavingB));
    Some(CovariatePart { summary, odds, tables })
}

/// Whether nothing lies outside the interval.
fn is_clear(effect: &CovariateEffect) -> bool {
    effect.q05 > 0.0 || effect.q95 < 0.0
}

fn row(effect: &CovariateEffect) -> Row {
    let CovariateEffect { covariate, step, .. } = effect;
    let [low, middle, high] = [effect.q05, effect.q50, effect.q95].map(f64::exp);
    // Two digits of the spread are enough for a factor, and two decimals the least.
    let decimals = decimals_for((high - low) / SDS_ACROSS, middle).saturating_sub(1).max(2);
    let [low, factor, high] = [low, middle, high].map(|factor| fixed(factor, decimals));
    let (name, told) = match step {
        CovariateStep::Unit(_) => (covariate.clone(), "per unit".to_owned()),
        CovariateStep::Level(level) => (level.clone(), format!("against the most frequent {covariate}")),
        CovariateStep::Missing => (covariate.clone(), "missing, against an average value".to_owned()),
    };
    let mark = |factor: String| if factor == NONE { factor } else { format!("×{factor}") };
    Row {
        name,
        step: told,
        factor: mark(factor),
        range: format!("{low}–{high}"),
        words: words(effect),
        clear: is_clear(effect),
    }
}

/// `one standard deviation (12,000) more: 22 % more often`
fn words(effect: &CovariateEffect) -> String {
    let (who, steps) = match &effect.step {
        CovariateStep::Unit(sd) => (format!("one standard deviation ({}) more: ", short(*sd)), *sd),
        CovariateStep::Level(_) | CovariateStep::Missing => (String::new(), 1.0),
    };
    if !is_clear(effect) {
        return "not clear: it may be none".to_owned();
    }
    let factor = (effect.q50 * steps).exp();
    let [more, less, times] = match effect.moves {
        Moves::Buying => ["more often", "less often", "as often"],
        Moves::Leaving => ["faster", "slower", "as fast"],
        Moves::LeavingA | Moves::LeavingB => ["larger", "smaller", "as large"],
    };
    if !factor.is_finite() || factor >= 2.0 {
        format!("{who}{} times {times}", short(factor))
    } else if factor >= 1.0 {
        format!("{who}{} {more}", percent_whole(factor - 1.0))
    } else {
        format!("{who}{} {less}", percent_whole(1.0 - factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(moves: Moves, step: CovariateStep, [q05, q50, q95]: [f64; 3]) -> CovariateEffect {
        CovariateEffect { moves, covariate: "channel".to_owned(), step, q05, q50, q95 }
    }

    /// e^0.2 = 1.2214, e^−0.1 = 0.9048, e^0.7 = 2.014; the spread of an income in dollars asks for more decimals.
    #[test]
    fn coefficients_are_told_as_factors_and_in_words() {
        let web = || CovariateStep::Level("web".to_owned());
        let rows = [
            (Moves::Buying, web(), [0.15, 0.2, 0.25], ["web", "×1.221", "1.162–1.284", "22\u{a0}% more often"]),
            (Moves::Buying, web(), [-0.15, 0.2, 0.55], ["web", "×1.22", "0.86–1.73", "not clear: it may be none"]),
            (Moves::Leaving, web(), [-0.5, -0.1, -0.01], ["web", "×0.90", "0.61–0.99", "10\u{a0}% slower"]),
            (Moves::LeavingB, web(), [0.1, 0.7, 1.3], ["web", "×2.01", "1.11–3.67", "2.014 times as large"]),
            (
                Moves::Buying,
                CovariateStep::Unit(20_000.0),
                [8e-6, 1e-5, 1.2e-5],
                [
                    "channel",
                    "×1.0000100",
                    "1.0000080–1.0000120",
                    "one standard deviation (20,000) more: 22\u{a0}% more often",
                ],
            ),
        ];
        for (moves, step, quantiles, expected) in rows {
            let row = row(&effect(moves, step, quantiles));
            assert_eq!([row.name, row.factor, row.range, row.words], expected.map(str::to_owned));
        }
    }

    #[test]
    fn what_is_clear_is_counted() {
        let summary = |quantiles: &[[f64; 3]]| {
            let effects: Vec<_> =
                quantiles.iter().map(|&q| effect(Moves::LeavingA, CovariateStep::Missing, q)).collect();
            part(&effects).map(|part| (part.summary, part.odds, part.tables.len()))
        };
        assert_eq!(summary(&[]), None);
        let (clear, not) = ([0.1, 0.2, 0.3], [-0.1, 0.2, 0.3]);
        for (quantiles, expected) in [
            (vec![clear], "The one effect is clear"),
            (vec![not], "The one effect may be none"),
            (vec![not, not], "No effect of the 2 is clear"),
            (vec![not, clear], "1 of 2 effects is clear"),
            (vec![clear, clear, not], "2 of 3 effects are clear"),
        ] {
            let (said, odds, tables) = summary(&quantiles).unwrap();
            assert!(said.starts_with(expected) && odds && tables == 1, "{said}");
        }
    }
}
