//! The model card for people: the same as its JSON, in Markdown.

use super::card::{Card, Evaluated};
use crate::evaluate::Metric;
use crate::run::warm_words;

/// The card as Markdown.
pub fn card_markdown(card: &Card) -> String {
    let mut out = vec![format!("# Model {}", card.id), String::new()];
    let figure = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.4}"));
    let from = card.calibration_start.map_or("the first purchase".to_owned(), |day| day.to_string());
    out.push(format!(
        "Learned from {from} to {}, predicts {} months. Made {} by longrun {}{}{}.",
        card.cutoff,
        card.prediction_months,
        card.created,
        card.program.version,
        card.program.commit.as_ref().map_or(String::new(), |commit| format!(", commit {commit}")),
        if card.program.dirty == Some(true) { " with uncommitted changes" } else { "" },
    ));
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push(format!("\n## {title}\n"));
            out.extend(lines);
        }
    };
    section("What it is for", vec![card.intended_use.clone()]);
    section("What to know before using it", card.limits.iter().map(|limit| format!("- {limit}")).collect());
    let evaluation = match &card.evaluation {
        None => vec![format!("None: {}.", card.evaluation_missing.as_deref().unwrap_or("it is not said why"))],
        Some(evaluation) => {
            let whose = match evaluation.of {
                Evaluated::ThisModel => "This model predicted",
                Evaluated::OneWindowEarlier => {
                    "There is no whole window after the cutoff yet, so the same configuration, fitted one window earlier, predicted"
                }
            };
            let mut lines = vec![
                format!(
                    "{whose} everyone known on {} until {}; what {} customers did then is compared with it. 90 % intervals by jackknife \
                     over customers.",
                    evaluation.cutoff, evaluation.window_end, evaluation.accuracy.customers
                ),
                String::new(),
                "| measure | value | 90 % interval |".to_owned(),
                "| --- | ---: | ---: |".to_owned(),
            ];
            let measured = Metric::all().filter(|metric| evaluation.accuracy.get(*metric).value.is_some());
            lines.extend(measured.map(|metric| {
                let m = evaluation.accuracy.get(metric);
                format!("| {} | {} | {} to {} |", metric.label(), figure(m.value), figure(m.low), figure(m.high))
            }));
            lines
        }
    };
    section("Evaluation out of time", evaluation);
    let d = &card.diagnostics;
    section(
        "Diagnostics",
        vec![format!(
            "Verdict: **{}**; greatest R-hat {}, least effective sample size {}, {} divergences.{}",
            d.verdict,
            figure(d.worst_r_hat),
            d.least_ess.map_or("–".to_owned(), |ess| format!("{ess:.0}")),
            d.divergences,
            d.caution.as_ref().map_or(String::new(), |caution| format!(" {caution}"))
        )],
    );
    let data = &card.data;
    let mut lines = vec![
        "| | |".to_owned(),
        "| --- | ---: |".to_owned(),
        format!("| purchases up to the cutoff | {} |", data.fingerprint.rows),
        format!("| customers | {} |", data.customers),
        format!("| with one purchase | {} |", data.one_time_customers),
        format!("| repeat purchases | {} |", data.repeat_purchases),
        format!("| lines read, rejected | {}, {} |", data.lines, data.rejected),
        format!(
            "| groups | {}{} |",
            data.groups,
            data.group_column.as_ref().map_or(String::new(), |c| format!(" by {c}"))
        ),
        format!("| digest | `{}` |", data.fingerprint.digest),
    ];
    lines.extend(data.notes.iter().map(|note| format!("\n- {note}")));
    section("Data", lines);
    for fit in &card.fits {
        let mut lines = vec![
            fit.title.clone(),
            String::new(),
            "| parameter | mean | sd | Monte Carlo error |".to_owned(),
            "| --- | ---: | ---: | ---: |".to_owned(),
        ];
        lines.extend(fit.posterior.iter().map(|p| {
            let name = p.name.replace('|', "\\|");
            format!(
                "| {name} | {} | {} | {} |",
                figure(p.mean),
                figure(p.sd),
                p.mcse.map_or("–".to_owned(), |e| format!("{e:.1e}"))
            )
        }));
        section(&format!("Fit of {}", fit.fit), lines);
    }
    let c = &card.compute;
    let begun = match (&card.warm_start, &card.cold_because) {
        (Some(warm), _) => format!(" It {}.", warm_words(warm)),
        (None, Some(why)) => format!(" It was to begin from an earlier model, and began cold: {why}."),
        (None, None) => String::new(),
    };
    section(
        "How it was computed",
        vec![format!(
            "{} with {} chains of {} draws, seed {}, on {} ({}).{begun}",
            c.sampler,
            c.chains,
            c.draws,
            c.seed,
            c.adapter.as_deref().unwrap_or(&c.backend),
            c.machine
        )],
    );
    section("To make it again", vec!["```sh".to_owned(), card.reproduce.clone(), "```".to_owned()]);
    section("Configuration", vec!["```toml".to_owned(), card.config.trim_end().to_owned(), "```".to_owned()]);
    out.push(String::new());
    out.join("\n")
}
