//! An alert for people: the same as its JSON, in Markdown, what matters most first. What other people wrote (groups, columns) is text here,
//! never markup.

use super::alert::Alert;
use super::card::Evaluated;
use super::label::Slice;
use super::monitor::{MonitorRecord, is_breach};
use crate::evaluate::{Band, Judgement, Metric, Shift, State, Target};

impl Alert {
    /// The alert for people.
    pub fn markdown(&self, currency: &str) -> String {
        let m = &self.monitor;
        // Value without a spend model is purchases: no currency.
        let currency = if m.latest.target == Target::Value { currency } else { "" };
        let mut out = vec![format!("# {}\n", self.title)];
        out.extend(m.judgements.iter().filter(|j| is_breach(j)).map(|j| in_short(j, currency)));
        if m.consecutive > 1 {
            out.push(format!("\nThis is breach {} in a row.", m.consecutive));
        }
        out.push(format!(
            "\nModel `{}` predicted the {} after {} for {} customers. The window ended on {}, and what they did is known.",
            m.model_id,
            months(m.prediction_months),
            m.cutoff,
            whole(m.latest.customers as f64),
            m.window_end
        ));
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                out.push(format!("\n## {title}\n"));
                out.extend(lines);
            }
        };
        section("What moved", what_moved(m, currency));
        section("Likely causes", m.likely_causes.iter().map(|cause| format!("- {}", sentence(cause))).collect());
        section("Whose value is mispredicted", whose(&m.worst_slices, currency));
        section("Were the customers still like those the model learned from?", inputs(&m.inputs));
        section("Next steps", (1..).zip(&self.next_steps).map(|(n, step)| format!("{n}. {step}")).collect());
        let commands = ["```sh"].into_iter().chain(self.reproduce.iter().map(String::as_str)).chain(["```"]);
        section("To see it again, in the project's folder", commands.map(str::to_owned).collect());
        out.join("\n") + "\n"
    }
}

/// `3 months`.
fn months(n: u32) -> String {
    if n == 1 { "month".to_owned() } else { format!("{n} months") }
}

/// A breach in one line.
fn in_short(j: &Judgement, currency: &str) -> String {
    let number = |value| measured(j.metric, value, currency);
    format!(
        "**{}: {}**, beyond the limit of {}; the baseline was {}.  ",
        j.metric.label(),
        number(j.latest.value),
        number(j.threshold_value),
        number(j.baseline.value)
    )
}

fn what_moved(m: &MonitorRecord, currency: &str) -> Vec<String> {
    if m.judgements.is_empty() {
        return m.not_judged.iter().map(|why| format!("Accuracy was not judged: {why}.")).collect();
    }
    let mut lines = vec![
        "| measure | baseline | latest | 90 % interval | limit | verdict |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | --- |".to_owned(),
    ];
    let mut sorted: Vec<&Judgement> = m.judgements.iter().collect();
    sorted.sort_by_key(|j| match j.state {
        State::Breach => 0,
        State::BeyondButUncertain => 1,
        State::Within => 2,
        State::NotJudged { .. } => 3,
    });
    lines.extend(sorted.into_iter().map(|j| {
        let number = |value| measured(j.metric, value, currency);
        let bold = |text: &str| if is_breach(j) { format!("**{text}**") } else { text.to_owned() };
        format!(
            "| {} | {} | {} | {} to {} | {} | {} |",
            bold(j.metric.label()),
            number(j.baseline.value),
            bold(&number(j.latest.value)),
            number(j.latest.low),
            number(j.latest.high),
            number(j.threshold_value),
            verdict(j),
        )
    }));
    if let Some(baseline) = &m.baseline {
        let whose = match baseline.of {
            Evaluated::ThisModel => "by this model",
            Evaluated::OneWindowEarlier => "by the same configuration, fitted one window earlier",
        };
        lines.push(format!(
            "\nThe baseline was measured out of time {whose}, on the {} after {}. A breach is beyond its limit, and the change is more than chance: the \
             intervals of both windows are taken into account.",
            months(m.prediction_months),
            baseline.cutoff
        ));
    }
    lines
}

fn verdict(j: &Judgement) -> String {
    match &j.state {
        State::Within => "within".to_owned(),
        State::BeyondButUncertain => "beyond, but may be chance".to_owned(),
        State::Breach => "**breach**".to_owned(),
        State::NotJudged { .. } if j.metric == Metric::TotalRatio => "for information".to_owned(),
        State::NotJudged { reason } => format!("not judged: {reason}"),
    }
}

fn whose(slices: &[Slice], currency: &str) -> Vec<String> {
    if slices.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        "Parts that make more of the squared error than of the customers, the worst first. They overlap: everyone is in a tier, a cluster \
         and a group.\n"
            .to_owned(),
        "| part | customers | predicted | actual | actual / predicted | of the squared error |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    lines.extend(slices.iter().map(|s| {
        let ratio = (s.predicted_value > 0.0).then(|| s.actual_value / s.predicted_value);
        format!(
            "| {} | {} | {} | {} | {} | {:.0} % |",
            escape(&s.in_words()),
            whole(s.customers as f64),
            amount(s.predicted_value, currency),
            amount(s.actual_value, currency),
            ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
            100.0 * s.error_share
        )
    }));
    lines
}

fn inputs(shifts: &[Shift]) -> Vec<String> {
    if shifts.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        "The population stability index (PSI): 0.10 is customarily a moderate shift and 0.25 a major one, if chance does not reach as far.\n"
            .to_owned(),
        "| column | PSI | by chance, in 95 % of looks below | mean then | mean now | verdict |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | --- |".to_owned(),
    ];
    lines.extend(shifts.iter().map(|s| {
        let band = match s.band {
            Band::Stable => "stable",
            Band::Moderate => "moderate",
            Band::Major => "**major**",
        };
        let number = |value: Option<f64>| value.map_or("–".to_owned(), figure);
        format!(
            "| {} | {} | {} | {} | {} | {band} |",
            escape(&s.column),
            figure(s.psi),
            figure(s.psi_noise_95),
            number(s.reference_mean),
            number(s.mean)
        )
    }));
    lines
}

/// A cell must not end its row, and what stands in it is no markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.push(' ');
            continue;
        }
        if "\\`*_[]<>|#~&".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect::<String>() + ".")
}

/// A measure's value: RMSE is an amount, the rest are bare figures.
fn measured(metric: Metric, value: Option<f64>, currency: &str) -> String {
    match (value, metric) {
        (None, _) => "–".to_owned(),
        (Some(value), Metric::Rmse | Metric::Mae) => with_currency(&figure(value), currency),
        (Some(value), _) => figure(value),
    }
}

fn amount(value: f64, currency: &str) -> String {
    with_currency(&figure(value), currency)
}

/// `$1,200`, `1,200 CHF`.
fn with_currency(number: &str, currency: &str) -> String {
    match currency.trim() {
        "" => number.to_owned(),
        code if code.chars().all(char::is_alphabetic) => format!("{number} {}", escape(code)),
        sign => format!("{}{number}", escape(sign)),
    }
}

/// Four figures, or whole numbers with their thousands apart.
fn figure(x: f64) -> String {
    match x.abs() {
        a if !a.is_finite() => "–".to_owned(),
        a if a >= 1000.0 => whole(x),
        a if a >= 100.0 => format!("{x:.1}"),
        a if a >= 10.0 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}

fn whole(x: f64) -> String {
    let digits = format!("{:.0}", x.abs());
    let mut out = if x < 0.0 { "-".to_owned() } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Accuracy, Measure, Thresholds, judge};
    use crate::lifecycle::Baseline;

    fn accuracy(rmse: f64, r2: f64) -> Accuracy {
        let about = |value: f64| Measure {
            value: Some(value),
            se: Some(0.03 * value),
            low: Some(0.95 * value),
            high: Some(1.05 * value),
        };
        Accuracy {
            schema_version: 1,
            target: Target::Value,
            horizon_months: 3,
            customers: 3_000,
            measures: [(Metric::R2, about(r2)), (Metric::Rmse, about(rmse))].into_iter().collect(),
            deciles: Vec::new(),
        }
    }

    /// RMSE 130 against a baseline of 100, R² as it was; a part of customers with a name that would be markup.
    fn alert() -> Alert {
        let (then, latest) = (accuracy(100.0, 0.4), accuracy(130.0, 0.4));
        let judgements = judge(&then, &latest, &Thresholds::default()).expect("comparable");
        let slice = |by: &str, label: &str| Slice {
            by: by.into(),
            label: label.into(),
            customers: 1_507,
            predicted_value: 42_235.0,
            actual_value: 95_781.0,
            predicted_purchases: 1.0,
            actual_purchases: 2,
            error_share: 0.92,
        };
        Alert::of(MonitorRecord {
            schema_version: 1,
            cutoff: "2023-09-09".parse().expect("a day"),
            window_end: "2023-12-09".parse().expect("a day"),
            prediction_months: 3,
            model_id: "2023-06-30-9a3d08b1".into(),
            baseline: Some(Baseline {
                cutoff: "2023-06-30".parse().expect("a day"),
                of: Evaluated::ThisModel,
                accuracy: then,
            }),
            latest,
            judgements,
            not_judged: None,
            inputs: Vec::new(),
            breach: true,
            consecutive: 4,
            recommend_grid: true,
            worst_slices: vec![slice("country", "<b>a|b</b>\n[x](y)"), slice("behaviour_cluster", "Cluster 4")],
            likely_causes: vec!["customers bought 28 % less often than predicted".into()],
        })
    }

    #[test]
    fn what_matters_comes_first_and_every_table_is_whole() {
        let text = alert().markdown("$");
        let place = |wanted: &str| text.find(wanted).unwrap_or_else(|| panic!("{wanted} is missing in\n{text}"));
        assert!(
            place("**RMSE: $130.0**, beyond the limit of $120.0; the baseline was $100.0.") < place("## What moved")
        );
        assert!(place("| **RMSE** | $100.0 | **$130.0** |") < place("| R² | 0.400 | 0.400 |"));
        assert!(place("- Customers bought 28 % less often than predicted.") < place("## Whose value"));
        place("| Cluster 4 | 1,507 | $42,235 | $95,781 | 2.27 | 92 % |");
        place("This is breach 4 in a row.");
        place("for 3,000 customers");
        // As many cells in every row as its table has heads.
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let bars = |line: &str| line.replace("\\|", "").matches('|').count();
            let wanted = bars(table.lines().next().expect("a head"));
            assert!(table.lines().all(|line| bars(line) == wanted), "{table}");
        }
    }

    #[test]
    fn names_are_text_and_amounts_carry_their_currency() {
        let text = alert().markdown("CHF");
        assert!(
            text.contains("country \\<b\\>a\\|b\\</b\\> \\[x\\](y) |") && text.contains("| 42,235 CHF |"),
            "{text}"
        );
        let mut purchases = alert();
        purchases.monitor.latest.target = Target::Purchases;
        assert!(!purchases.markdown("$").contains('$'));
    }
}
