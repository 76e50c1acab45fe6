//! An alert: a breach told to people (Markdown) and to programs (its JSON twin). Equal breaches make equal files, and one snapshot never
//! makes two of them.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::monitor::{MonitorRecord, is_breach};
use super::project::{write, write_json};
use super::snapshot::SnapshotName;
use super::webhook::{Delivery, Webhook};
use crate::error::Result;
use crate::evaluate::{Band, Metric, State};

/// `alerts/DATE_pred12m.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Version of this layout.
    pub schema_version: u32,
    /// The snapshot's name: one alert each.
    pub id: String,
    /// One sentence.
    pub title: String,
    /// Everything that was judged.
    pub monitor: MonitorRecord,
    /// What to do next, in order.
    pub next_steps: Vec<String>,
    /// Commands that show the same again.
    pub reproduce: Vec<String>,
}

/// The JSON Schema of [`Alert`].
pub fn alert_schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(Alert)).unwrap_or_default()
}

impl Alert {
    /// What a breach says.
    pub fn of(record: MonitorRecord) -> Self {
        let name = SnapshotName { cutoff: record.cutoff, months: record.prediction_months };
        let broken: Vec<&str> = record.judgements.iter().filter(|j| is_breach(j)).map(|j| j.metric.label()).collect();
        let what = if broken.is_empty() { "inputs".to_owned() } else { broken.join(", ") };
        let next_steps = next_steps(&record);
        Self {
            schema_version: 1,
            id: name.to_string(),
            title: format!("{what} beyond the limit, in the snapshot of {}", record.cutoff),
            next_steps,
            reproduce: vec![
                format!("longrun monitor {name}"),
                format!("longrun reproduce {}", record.model_id),
                "longrun history".to_owned(),
            ],
            monitor: record,
        }
    }

    /// Writes both files, JSON last: it is the proof.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write(&self, project: &Project) -> Result<()> {
        let folder = project.path("alerts");
        write(&folder.join(format!("{}.md", self.id)), self.markdown(&project.plan.data.currency).as_bytes())?;
        write_json(&folder.join(format!("{}.json", self.id)), self)
    }

    /// Tells whom the configuration names, if anyone. A failure to tell is told in turn, and stops nothing.
    pub fn tell(&self, project: &Project) -> Option<Delivery> {
        let hook = project.section.webhook.as_ref()?;
        let body = serde_json::to_string(self).unwrap_or_default();
        Some(Webhook { url: hook.url.clone(), secret_env: hook.secret_env.clone() }.deliver(&body))
    }

    /// The alert for people.
    pub fn markdown(&self, currency: &str) -> String {
        let m = &self.monitor;
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        line(&format!("# {}", self.title));
        line("");
        line(&format!(
            "Model `{}` predicted {} months from {}; the window ended on {}, and {} customers have been compared with what they did.",
            m.model_id, m.prediction_months, m.cutoff, m.window_end, m.latest.customers
        ));
        if m.consecutive > 1 {
            line(&format!("This is breach {} in a row.", m.consecutive));
        }
        line("");
        line("## What moved");
        line("");
        line("| measure | baseline | latest (90 % interval) | limit | |");
        line("| --- | ---: | ---: | ---: | --- |");
        for j in &m.judgements {
            let number = |x: Option<f64>| x.map_or("–".to_owned(), figure);
            line(&format!(
                "| {} | {} | {} ({} to {}) | {} | {} |",
                j.metric.label(),
                number(j.baseline.value),
                number(j.latest.value),
                number(j.latest.low),
                number(j.latest.high),
                number(j.threshold_value),
                state(&j.state),
            ));
        }
        if let Some(baseline) = &m.baseline {
            line("");
            line(&format!(
                "The baseline was measured out of time, on the {} months after {}.",
                m.prediction_months, baseline.cutoff
            ));
        }
        if !m.inputs.is_empty() {
            line("");
            line("## Inputs, against what the model learned from");
            line("");
            line("| column | PSI | of chance, at most (95 %) | KS distance | |");
            line("| --- | ---: | ---: | ---: | --- |");
            for input in &m.inputs {
                let band = match input.band {
                    Band::Stable => "stable",
                    Band::Moderate => "moderate",
                    Band::Major => "**major**",
                };
                line(&format!(
                    "| {} | {} | {} | {} | {band} |",
                    input.column,
                    figure(input.psi),
                    figure(input.psi_noise_95),
                    input.ks.as_ref().map_or("–".to_owned(), |ks| figure(ks.distance))
                ));
            }
        }
        if !m.worst_slices.is_empty() {
            line("");
            line("## Whose value is mispredicted");
            line("");
            line("| customers | number | predicted | actual | share of the squared error |");
            line("| --- | ---: | ---: | ---: | ---: |");
            for s in &m.worst_slices {
                line(&format!(
                    "| {} {} | {} | {currency}{} | {currency}{} | {:.0} % |",
                    s.by.replace('_', " "),
                    escape(&s.label),
                    s.customers,
                    figure(s.predicted_value),
                    figure(s.actual_value),
                    100.0 * s.error_share
                ));
            }
        }
        for (title, list) in [("Likely causes", &m.likely_causes), ("Next steps", &self.next_steps)] {
            if !list.is_empty() {
                line("");
                line(&format!("## {title}"));
                line("");
                for (n, item) in list.iter().enumerate() {
                    line(&format!("{}. {item}", n + 1));
                }
            }
        }
        line("");
        line("## To see it again");
        line("");
        line("```sh");
        self.reproduce.iter().for_each(|command| line(command));
        line("```");
        out
    }
}

/// A cell must not end its row.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Four figures, or whole thousands.
fn figure(x: f64) -> String {
    let mut out = String::new();
    let _ = match x.abs() {
        a if a >= 1000.0 => write!(out, "{x:.0}"),
        a if a >= 100.0 => write!(out, "{x:.1}"),
        a if a >= 10.0 => write!(out, "{x:.2}"),
        _ => write!(out, "{x:.3}"),
    };
    out
}

fn state(state: &State) -> String {
    match state {
        State::Within => "within".to_owned(),
        State::BeyondButUncertain => "beyond, but may be noise".to_owned(),
        State::Breach => "**breach**".to_owned(),
        State::NotJudged { reason } => format!("not judged: {reason}"),
    }
}

fn next_steps(record: &MonitorRecord) -> Vec<String> {
    let mut steps = vec![
        "Check the data first: are the last weeks complete, are amounts in the same currency, did a channel disappear?"
            .to_owned(),
    ];
    let total_off = record.judgements.iter().any(|j| j.metric == Metric::GiniNormalized && is_breach(j));
    if total_off {
        steps.push(
            "The order of customers has suffered, not only the level: pause campaigns that pick by rank.".to_owned(),
        );
    }
    if record.recommend_grid {
        steps.push(format!(
            "{} breaches in a row: `longrun grid` compares windows, models and segmentations on recent cutoffs.",
            record.consecutive
        ));
    }
    steps.push(
        "`longrun train` fits the same configuration on all data up to today and evaluates it out of time.".to_owned(),
    );
    steps.push("`longrun promote challenger` compares it with the champion on the same customers. Nothing is replaced until you do.".to_owned());
    steps
}
