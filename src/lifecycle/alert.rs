//! An alert: a breach told to programs (JSON) and to people (its Markdown twin, put together next door). Equal breaches make equal files,
//! and one snapshot never makes two of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::monitor::{MonitorRecord, is_breach};
use super::project::{write, write_json};
use super::snapshot::SnapshotName;
use super::webhook::{Delivery, Webhook};
use crate::error::{Error, Result};
use crate::evaluate::Metric;

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
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder of alerts", &folder, e))?;
        write(&folder.join(format!("{}.md", self.id)), self.markdown(&project.plan.data.currency).as_bytes())?;
        write_json(&folder.join(format!("{}.json", self.id)), self)
    }

    /// Tells whom the configuration names, if anyone. A failure to tell is told in turn, and stops nothing.
    pub fn tell(&self, project: &Project) -> Option<Delivery> {
        let hook = project.section.webhook.as_ref()?;
        let body = serde_json::to_string(self).unwrap_or_default();
        Some(Webhook { url: hook.url.clone(), secret_env: hook.secret_env.clone() }.deliver(&body))
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
