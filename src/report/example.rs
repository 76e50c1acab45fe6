//! A made-up view with numbers of a realistic size, for tests and for looking at pages. Every figure here is generated, shaped
//! after BG/NBD and Gamma-Gamma on a CDNOW-like shop; none is a measurement.

mod draws;

use chrono::{Days, NaiveDate};

use super::view::*;
use crate::kernels::rng::{Purpose, Stream};
use draws::parameters;

fn random(index: u64) -> Stream {
    Stream::new(7, Purpose::Test, index, 0)
}

fn interval(mean: f64, relative_sd: f64) -> Interval {
    let half = 1.645 * relative_sd * mean;
    Interval { mean, q05: (mean - half).max(0.0), q95: mean + half }
}

/// A finished, healthy run with everything in it.
pub(super) fn view(groups: usize) -> View {
    View {
        title: "CDNOW, by first-purchase cohort".into(),
        subtitle:
            "BG/NBD purchases × Gamma-Gamma spend, 23,570 customers who first bought between January and March 1997"
                .into(),
        currency: "$".into(),
        time_unit: "weeks".into(),
        words: Words::default(),
        horizon: "52 weeks".into(),
        verdict: Verdict {
            passed: true,
            reasons: vec![
                "Largest R-hat 1.006 (purchase: a, cohort 1997-02-12), below 1.01.".into(),
                "Smallest effective sample size 1,214, above 400.".into(),
                "No divergences in 4,000 draws.".into(),
            ],
            ..Verdict::default()
        },
        headline: Some(Headline {
            customers: 23_570,
            purchases: interval(22_840.0, 0.016),
            value: Some(interval(812_450.0, 0.019)),
            alive: Some(0.57),
        }),
        tiers: tiers(),
        segments: segments(),
        tracking: Some(tracking()),
        frequency: frequency(),
        recency: recency(),
        spend: spend(),
        quantities: quantities(),
        holdout: Some(holdout()),
        alive: Some(alive()),
        groups: Some(self::groups(groups)),
        shrinkage: vec![shrinkage(groups)],
        covariates: covariates(),
        parameters: parameters(groups),
        chains: draws::chains(0),
        limits: Limits::default(),
        sensitivity: Some(draws::sensitivity()),
        resources: draws::resources(),
        facts: facts(),
    }
}

/// The same run, refused.
pub(super) fn failed(groups: usize) -> View {
    let mut view = view(groups);
    view.verdict = Verdict {
        passed: false,
        reasons: vec![
            "R-hat of a (purchase, cohort 1997-03-12) is 1.38, above 1.01: its chains disagree.".into(),
            "214 of 4,000 draws diverged: parts of the posterior were not reached.".into(),
        ],
        ..Verdict::default()
    };
    view.chains = draws::chains(214);
    view.facts.fits[0].divergences = 214;
    let shown = view.parameters.iter().find(|p| p.name == "a").cloned().unwrap_or_default();
    if let Some(p) = view.parameters.iter_mut().rfind(|p| p.name == "a") {
        draws::stuck(p, &shown);
    }
    view
}

fn class(name: &str, rule: &str, customers: u64, value: f64, sd: f64, share: f64, action: &str) -> Class {
    Class {
        name: name.into(),
        rule: Some(rule.into()),
        customers,
        value: interval(value, sd),
        share,
        action: Some(action.into()),
    }
}

fn tiers() -> Vec<Class> {
    vec![
        class(
            "Top 1 %",
            "worth at least $402",
            235,
            142_600.0,
            0.05,
            0.176,
            "Know them by name: early access, a person to call, no discounts.",
        ),
        class(
            "Top 5 %",
            "worth at least $168",
            943,
            228_100.0,
            0.035,
            0.281,
            "Keep them: reward loyalty, ask for feedback, tell them what is new first.",
        ),
        class(
            "Top 10 %",
            "worth at least $94",
            1_179,
            146_300.0,
            0.03,
            0.18,
            "Grow them: recommend what customers of the tier above buy.",
        ),
        class(
            "Top 20 %",
            "worth at least $41",
            2_357,
            147_200.0,
            0.028,
            0.181,
            "Remind them at their own pace; test offers here first.",
        ),
        class(
            "Everyone else",
            "worth less than $41",
            18_856,
            148_250.0,
            0.03,
            0.182,
            "Spend little on each: automatic messages, no costly incentives.",
        ),
    ]
}

fn segments() -> Vec<Class> {
    vec![
        class(
            "Champions",
            "R 5, F 5",
            1_486,
            318_900.0,
            0.03,
            0.393,
            "Thank them and ask for referrals; do not train them to wait for discounts.",
        ),
        class("Loyal", "R 3–4, F 4–5", 2_204, 171_200.0, 0.035, 0.211, "Offer the next category and a subscription."),
        class(
            "Promising",
            "R 4–5, F 2–3",
            1_912,
            98_400.0,
            0.04,
            0.121,
            "A second reason to come back within a month.",
        ),
        class(
            "Needs attention",
            "R 2–3, F 2–3",
            2_377,
            61_300.0,
            0.05,
            0.075,
            "Ask what went wrong before offering money off.",
        ),
        class(
            "At risk",
            "R 1–2, F 4–5",
            842,
            22_900.0,
            0.09,
            0.028,
            "One personal attempt to win them back, worth what they still promise.",
        ),
        class("Bought once", "F 1", 14_749, 139_750.0, 0.03, 0.172, "The cheapest channel only; most will not return."),
    ]
}

fn tracking() -> Tracking {
    let start = NaiveDate::from_ymd_opt(1997, 1, 1).unwrap();
    let mut noise = random(1);
    let weeks = 78;
    let mut out = Tracking { calibration_weeks: 39, ..Tracking::default() };
    let mut total = Interval::default();
    for week in 0..weeks {
        let t = week as f64;
        let mean = if t < 12.0 { 90.0 * t } else { 380.0 + 700.0 * (-(t - 12.0) / 16.0).exp() };
        let sd = mean.max(1.0).sqrt() * 1.3 + 0.02 * mean;
        let weekly = Interval { mean, q05: (mean - 1.645 * sd).max(0.0), q95: mean + 1.645 * sd };
        total.mean += mean;
        let spread = 0.012 * total.mean + 1.645 * total.mean.sqrt();
        total = Interval { mean: total.mean, q05: (total.mean - spread).max(0.0), q95: total.mean + spread };
        out.week_start.push(start + Days::new(7 * week));
        out.actual.push((mean + 1.4 * sd * noise.normal() + 0.05 * mean * (t / 6.0).sin()).max(0.0).round());
        out.predicted.push(weekly);
        out.cumulative.push(total);
    }
    out
}

fn check(label: &str, actual: f64, mean: f64, sd: f64) -> Check {
    Check { label: label.into(), actual, predicted: Interval { mean, q05: mean - 1.645 * sd, q95: mean + 1.645 * sd } }
}

fn frequency() -> Vec<Check> {
    let counts = [14_110.0, 4_390.0, 2_080.0, 1_060.0, 620.0, 390.0, 270.0, 650.0];
    let labels = ["0", "1", "2", "3", "4", "5", "6", "7+"];
    let shift = [0.997, 1.02, 0.985, 1.01, 0.98, 1.03, 0.99, 1.0];
    labels.iter().zip(counts).zip(shift).map(|((l, c), s)| check(l, c, c * s, c.sqrt() * 1.2)).collect()
}

fn bands(labels: &[&str], counts: &[f64], shift: &[f64]) -> Vec<Check> {
    labels.iter().zip(counts).zip(shift).map(|((l, c), s)| check(l, *c, c * s, c.sqrt() * 1.2)).collect()
}

fn recency() -> Vec<Check> {
    let labels =
        ["0–0.1", "0.1–0.2", "0.2–0.3", "0.3–0.4", "0.4–0.5", "0.5–0.6", "0.6–0.7", "0.7–0.8", "0.8–0.9", "0.9–1"];
    let counts = [1_120.0, 940.0, 820.0, 760.0, 700.0, 720.0, 760.0, 880.0, 1_180.0, 1_580.0];
    bands(&labels, &counts, &[0.98, 1.02, 1.03, 0.99, 1.04, 1.0, 1.01, 0.98, 0.97, 1.05])
}

fn spend() -> Vec<Check> {
    let labels = ["under 10", "10–20", "20–30", "30–40", "40–50", "50–75", "75–100", "100 and more"];
    let counts = [610.0, 3_320.0, 2_450.0, 1_480.0, 760.0, 540.0, 170.0, 130.0];
    bands(&labels, &counts, &[1.3, 0.97, 0.98, 1.01, 1.0, 1.05, 1.1, 0.95])
}

fn quantities() -> Vec<Quantity> {
    let one = |what: &str, unit: &str, observed, mean: f64, sd: f64, p_value, concern: Option<&str>| Quantity {
        what: what.into(),
        unit: unit.into(),
        observed,
        replicated: Interval { mean, q05: mean - 1.645 * sd, q95: mean + 1.645 * sd },
        p_value,
        concern: concern.map(str::to_owned),
    };
    vec![
        one("share of customers without a repeat purchase", "share", 0.5987, 0.5969, 0.0031, 0.28, None),
        one("repeat purchases of the busiest customer", "purchases", 41.0, 34.2, 4.1, 0.06, None),
        one("variance over mean of repeat purchases", "ratio", 3.42, 3.31, 0.11, 0.16, None),
        one("median time since the last purchase", "time units", 18.3, 18.9, 0.7, 0.8, None),
        one(
            "mean spend of the top 1 % of customers",
            "currency",
            318.4,
            241.0,
            16.0,
            0.002,
            Some(
                "The biggest spenders spend more than the model makes anyone spend: read the top tier as a lower bound.",
            ),
        ),
    ]
}

fn holdout() -> Holdout {
    let score = |name: &str, total, mae, rmse, spearman, gini| Score {
        name: name.into(),
        total,
        mae,
        rmse,
        spearman: Some(spearman),
        gini,
    };
    Holdout {
        length: "39 weeks".into(),
        actual: 19_684.0,
        predicted: interval(19_120.0, 0.02),
        scores: vec![
            score("longrun", 19_120.0, 0.751, 1.604, 0.432, Some(0.701)),
            score("same rate as before", 31_870.0, 1.103, 2.218, 0.401, Some(0.622)),
            score("everyone average", 19_120.0, 1.192, 2.091, 0.0, None),
        ],
        coverage: vec![
            Coverage { level: 0.5, covered: 0.508, raw: 0.812 },
            Coverage { level: 0.9, covered: 0.893, raw: 0.958 },
        ],
        by_frequency: (0..8)
            .map(|x| {
                let label = if x == 7 { "7+".to_owned() } else { x.to_string() };
                let mean = 0.22 + 0.52 * f64::from(x) + 0.02 * f64::from(x * x);
                check(&label, mean * (1.0 + 0.04 * f64::from(x).sin()), mean, 0.02 + 0.025 * f64::from(x))
            })
            .collect(),
    }
}

fn alive() -> AliveMap {
    // P(alive) of BG/NBD (Fader, Hardie & Lee 2005) at rounded published parameters.
    let (r, alpha, a, b, age) = (0.243, 4.41, 0.79, 2.43, 39.0);
    let frequency: Vec<u32> = (0..=12).collect();
    let recency: Vec<f64> = (0..=13).map(|i| 3.0 * f64::from(i)).collect();
    let probability = recency
        .iter()
        .map(|t_x| {
            frequency
                .iter()
                .map(|&x| match (x, *t_x == 0.0) {
                    (0, true) => Some(1.0),
                    (0, false) | (_, true) => None,
                    (x, false) => {
                        let x = f64::from(x);
                        let odds = a / (b + x - 1.0) * ((alpha + age) / (alpha + t_x)).powf(r + x);
                        Some(1.0 / (1.0 + odds))
                    }
                })
                .collect()
        })
        .collect();
    AliveMap { age, frequency, recency, probability }
}

fn groups(n: usize) -> Groups {
    let start = NaiveDate::from_ymd_opt(1997, 1, 1).unwrap();
    let rows = (0..n)
        .map(|g| {
            let mut noise = random(100 + g as u64);
            let customers = 800 + (2_400.0 * noise.uniform()) as u64;
            let each = 34.0 * (0.16 * noise.normal()).exp();
            Group {
                label: (start + Days::new(7 * g as u64)).to_string(),
                customers,
                alive: Some(0.5 + 0.15 * noise.uniform()),
                purchases: interval(each / 35.0 * customers as f64, 0.04),
                value: interval(each * customers as f64, 1.6 / (customers as f64).sqrt()),
            }
        })
        .collect();
    Groups { column: "cohort".into(), rows }
}

fn shrinkage(n: usize) -> Shrinkage {
    let rows = |parameter: u64| {
        (0..n)
            .map(|g| {
                let mut noise = random(1_000 + 100 * parameter + g as u64);
                let customers = (5.0 * (6.0 * noise.uniform()).exp()) as u64;
                let share = 1.0 / (1.0 + customers as f64 / 150.0);
                let alone = 0.08 * (0.5 * noise.normal() * share.sqrt()).exp();
                Shrunk {
                    label: format!("group {g}"),
                    customers,
                    alone: Some(alone),
                    centre: 0.08,
                    pooled: 0.08 * share + alone * (1.0 - share),
                    share,
                }
            })
            .collect()
    };
    let parameter = |(i, name): (u64, &str)| ShrunkParameter { name: name.into(), groups: rows(i) };
    Shrinkage {
        fit: "purchase".into(),
        column: "cohort".into(),
        parameters: (0..).zip(["rate", "phi"]).map(parameter).collect(),
    }
}

fn covariates() -> Vec<CovariateEffect> {
    let effect = |moves, covariate: &str, step, quantiles: [f64; 3]| {
        let [q05, q50, q95] = quantiles;
        CovariateEffect { moves, covariate: covariate.into(), step, q05, q50, q95 }
    };
    let web = || CovariateStep::Level("web".into());
    vec![
        effect(Moves::Buying, "income", CovariateStep::Unit(21_300.0), [4.1e-6, 5.6e-6, 7.2e-6]),
        effect(Moves::Buying, "channel", web(), [-0.31, -0.22, -0.14]),
        effect(Moves::Buying, "income", CovariateStep::Missing, [-0.2, 0.05, 0.29]),
        effect(Moves::LeavingA, "channel", web(), [0.03, 0.21, 0.4]),
        effect(Moves::LeavingB, "channel", web(), [-0.2, 0.02, 0.22]),
    ]
}

fn facts() -> Facts {
    let fit = |fit: &str, model: &str, gradients, seconds, speed| FitFacts {
        fit: fit.into(),
        model: model.into(),
        backend: "cpu, f64 (auto: 8,685 cells × 4 chains are too few for a GPU)".into(),
        adapter: None,
        sampler: "NUTS".into(),
        sampled: true,
        chains: 4,
        warmup: 500,
        draws: 1_000,
        divergences: 0,
        gradient_evaluations: gradients,
        seconds,
        ess_per_second: Some(speed),
        evaluations_per_second: 18.8e6,
        ..FitFacts::default()
    };
    let step =
        |name: &str, seconds| Step { name: name.into(), seconds, peak_memory: Some(240 << 20), gpu_utilisation: None };
    let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
    Facts {
        fits: vec![fit("purchase", "BG/NBD", 91_340, 42.3, 28.7), fit("spend", "Gamma-Gamma", 70_112, 6.1, 231.0)],
        steps: vec![
            step("summarise", 0.41),
            step("fit", 48.6),
            step("diagnose", 0.22),
            step("predict", 12.9),
            step("segment", 0.05),
            step("evaluate", 3.4),
        ],
        data: Some(DataFacts {
            source: "data/cdnow/CDNOW_master.txt".into(),
            rows: 69_659,
            rejects: 12,
            customers: 23_570,
            cells: 8_685,
            spenders: 11_391,
            spend_rows: 9_207,
            days: Some((day(1997, 1, 1), day(1998, 6, 30))),
            calibration_start: None,
            calibration_end: Some(day(1997, 9, 30)),
        }),
        seed: Some(20_261_122),
        versions: vec![("longrun".into(), "0.1.0".into())],
        other: vec![("Config".into(), "configs/cdnow.toml".into())],
    }
}
