//! What a fit's unconstrained coordinates mean, and in which words two fits differ. Numbers of chains, seeds, backends and samplers are not
//! compared, nor data: other data are what a warm start is for.
//!
//! | compared | why |
//! | --- | --- |
//! | model family | another family has other parameters |
//! | priors, hierarchy and covariates as written | whoever changes a prior wants to see what that does: no chain should begin where the old one led |
//! | kinds of priors that were left to their defaults | another version may have other defaults; their numbers follow the data's scale, and may move with it |
//! | groups and their order, level by level | a coordinate belongs to a group |
//! | columns of covariates | a coefficient belongs to a column |
//! | names of coordinates | the same values may be sampled in another chart |
//! | time unit and resolution | parameters count in them: 0.3 a week is not 0.3 a month |

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{PURCHASE, models};
use crate::config::{Plan, Source};
use crate::error::{Error, Result};
use crate::model::is_shared_dim;
use crate::target::Schema;

/// What a fit's coordinates mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layout {
    model: String,
    written: Written,
    /// The priors as resolved, without their numbers.
    forms: Value,
    schema: Schema,
}

/// Priors, hierarchy and covariates of a fit as a person wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Written(Value);

impl Written {
    pub fn of(source: &Source, plan: &Plan, fit: &str) -> Self {
        let config = &source.config;
        let (priors, hierarchy) = match fit {
            PURCHASE => (&config.purchase.priors, &config.purchase.hierarchy),
            _ => (&config.spend.priors, &config.spend.hierarchy),
        };
        let covariates =
            models::fits(plan).into_iter().find(|(name, _)| *name == fit).and_then(|(_, m)| m.covariates.clone());
        // An empty table says nothing.
        let hierarchy = hierarchy.clone().unwrap_or_default();
        Self(serde_json::json!({ "priors": priors, "hierarchy": hierarchy, "covariates": covariates }))
    }
}

/// What times and purchases are counted in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Clock(Value);

impl Clock {
    pub fn of(plan: &Plan) -> Self {
        let data = &plan.data;
        Self(serde_json::json!({
            "data.resolution": data.resolution,
            "data.time_unit, in days,": data.time_unit_days,
            "whether times are whole periods": data.whole_periods,
        }))
    }

    pub fn refusal(&self, now: &Self) -> Option<String> {
        difference("", &self.0, &now.0).map(|d| d.words())
    }
}

impl Layout {
    /// Of a fit of a summarised run.
    pub fn of(plan: &Plan, fit: &str, source: &Source, schema: &Schema) -> Result<Self> {
        let fits = models::fits(plan);
        let (_, model) = fits
            .iter()
            .find(|(name, _)| *name == fit)
            .ok_or_else(|| Error::new(format!("the plan has no {fit} fit")))?;
        let resolved = serde_json::to_value(model.spec())
            .map_err(|e| Error::new("could not write the priors as JSON").because(e))?;
        Ok(Self {
            model: model.model.clone(),
            written: Written::of(source, plan, fit),
            forms: forms(&resolved),
            schema: schema.clone(),
        })
    }

    /// Why a fit that is written so cannot begin from one of this layout, whatever its data are.
    pub fn refusal_as_written(&self, fit: &str, model: &str, written: &Written) -> Option<String> {
        if self.model != model {
            return Some(format!("the {fit} model is {model} here, and was {} there", self.model));
        }
        difference(fit, &self.written.0, &written.0).map(|d| {
            format!("{}; whoever changes a prior should see what it does, from chains that begin anew", d.words())
        })
    }

    /// Why a fit of layout `now` cannot begin from one of this layout.
    pub fn refusal(&self, fit: &str, now: &Self) -> Option<String> {
        self.refusal_as_written(fit, &now.model, &now.written)
            .or_else(|| groups_differ(fit, &self.schema, &now.schema))
            .or_else(|| difference(&format!("the kind of {fit}"), &self.forms, &now.forms).map(|d| d.words()))
            .or_else(|| coordinates_differ(fit, &self.schema.unconstrained, &now.schema.unconstrained))
            .or_else(|| {
                (self.schema != now.schema).then(|| format!("the values of a {fit} draw are laid out otherwise"))
            })
    }
}

/// Groups, columns of covariates and other labels, as what they are the labels of.
fn groups_differ(fit: &str, earlier: &Schema, now: &Schema) -> Option<String> {
    let own =
        |schema: &Schema| -> Vec<String> { schema.coords.keys().filter(|dim| !is_shared_dim(dim)).cloned().collect() };
    let (there, here) = (own(earlier), own(now));
    if there != here {
        let by = |names: &[String]| {
            if names.is_empty() { "not grouped".to_owned() } else { format!("grouped by {}", names.join(", ")) }
        };
        return Some(format!("customers of the {fit} fit are {} here, and were {} there", by(&here), by(&there)));
    }
    for (dim, labels) in &now.coords {
        let Some(known) = earlier.coords.get(dim) else {
            return Some(format!("the {fit} fit has {dim} here ({}), and had none there", listed(labels)));
        };
        if known == labels {
            continue;
        }
        let what = if is_shared_dim(dim) { format!("{dim}s") } else { "groups".to_owned() };
        let of = if is_shared_dim(dim) { String::new() } else { format!(" by {dim}") };
        // Ten thousand labels are looked up, not searched through.
        let missing = |from: &[String], among: &[String]| -> Vec<String> {
            let among: std::collections::HashSet<&String> = among.iter().collect();
            from.iter().filter(|label| !among.contains(label)).cloned().collect()
        };
        let (new, gone) = (missing(labels, known), missing(known, labels));
        let mut said = Vec::new();
        if !new.is_empty() {
            said.push(format!("{} {} new", listed(&new), if new.len() == 1 { "is" } else { "are" }));
        }
        if !gone.is_empty() {
            said.push(format!("{} {} gone", listed(&gone), if gone.len() == 1 { "is" } else { "are" }));
        }
        if said.is_empty() {
            said.push("in another order".to_owned());
        }
        return Some(format!(
            "the earlier run has {} {what}{of}, this one {}: {}",
            known.len(),
            labels.len(),
            said.join(", ")
        ));
    }
    let lost = earlier.coords.keys().find(|dim| !now.coords.contains_key(*dim));
    lost.map(|dim| format!("the {fit} fit had {dim} there, and has none here"))
}

fn coordinates_differ(fit: &str, earlier: &[String], now: &[String]) -> Option<String> {
    if earlier == now {
        return None;
    }
    let pair = earlier.iter().zip(now).find(|(a, b)| a != b);
    Some(match pair {
        Some((there, here)) => format!("the {fit} fit is sampled in {here} here, and was in {there} there"),
        None => format!("the {fit} fit has {} coordinates here, and had {} there", now.len(), earlier.len()),
    })
}

/// The first few labels.
fn listed(labels: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut named: Vec<String> = labels.iter().take(SHOWN).map(|label| format!("`{label}`")).collect();
    if labels.len() > SHOWN {
        named.push(format!("{} more", labels.len() - SHOWN));
    }
    named.join(", ")
}

/// The same without the numbers: of a distribution its name remains.
fn forms(value: &Value) -> Value {
    match value {
        Value::Object(map) => match map.get("dist") {
            Some(dist) => dist.clone(),
            None => Value::Object(map.iter().map(|(key, value)| (key.clone(), forms(value))).collect()),
        },
        other => other.clone(),
    }
}

/// Where two values differ first.
struct Difference {
    place: String,
    there: String,
    here: String,
}

impl Difference {
    fn words(&self) -> String {
        format!("{} is {} here, and was {} there", self.place, self.here, self.there)
    }
}

fn difference(place: &str, there: &Value, here: &Value) -> Option<Difference> {
    if there == here {
        return None;
    }
    // What is left out differs from a table in what the table says.
    let none = serde_json::Map::new();
    let table = |value: &Value| value.as_object().filter(|map| !map.contains_key("dist")).cloned();
    let (a, b) = match (table(there), table(here)) {
        (None, Some(b)) if there.is_null() => (Some(none), Some(b)),
        (Some(a), None) if here.is_null() => (Some(a), Some(none)),
        both => both,
    };
    if let (Some(a), Some(b)) = (&a, &b) {
        let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
        keys.sort();
        let within = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
        return keys.into_iter().find_map(|key| {
            difference(&within(key), a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
        });
    }
    Some(Difference { place: place.to_owned(), there: shown(there), here: shown(here) })
}

/// A value as its file would say it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "left out".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Variable;

    fn schema(groups: &[String]) -> Schema {
        Schema {
            variables: vec![Variable { name: "r".into(), dims: vec!["cohort".into()] }],
            coords: [("cohort".to_owned(), groups.to_vec()), ("parameter".to_owned(), vec!["r".to_owned()])].into(),
            unconstrained: groups.iter().map(|g| format!("eta[{g}, r]")).collect(),
        }
    }

    #[test]
    fn groups_that_differ_are_named_and_not_too_many_of_them() {
        let months: Vec<String> = (1..=14).map(|m| format!("2025-{m:02}")).collect();
        let said = |there: &[String], here: &[String]| groups_differ("purchase", &schema(there), &schema(here));
        assert_eq!(said(&months, &months), None);
        let more = [&months[..], &["2026-11".to_owned()]].concat();
        let one = "the earlier run has 14 groups by cohort, this one 15: `2026-11` is new";
        assert_eq!(said(&months, &more).as_deref(), Some(one));
        let gone =
            "the earlier run has 14 groups by cohort, this one 9: `2025-01`, `2025-02`, `2025-03`, 2 more are gone";
        assert_eq!(said(&months, &months[5..]).as_deref(), Some(gone));
        let mut turned = months.clone();
        turned.reverse();
        assert!(said(&months, &turned).is_some_and(|s| s.ends_with("14: in another order")));
        let both = said(&months[..2], &months[1..3]);
        assert!(both.is_some_and(|s| s.ends_with("`2025-03` is new, `2025-01` is gone")));
        let named = coordinates_differ("spend", &months[..2], &months[1..3]).expect("they differ");
        assert_eq!(named, "the spend fit is sampled in 2025-02 here, and was in 2025-01 there");
    }

    /// Numbers of priors that follow the data are no difference; their kinds, and whatever a person wrote, are.
    #[test]
    fn forms_forget_numbers_alone() {
        let spec = |median: f64, dist: &str| serde_json::json!({ "priors": { "r": { "dist": dist, "median": median, "log_sd": 1.0 } }, "hierarchy": null });
        assert_eq!(forms(&spec(1.0, "lognormal")), forms(&spec(2.0, "lognormal")));
        let differ = difference("the kind of purchase", &forms(&spec(1.0, "lognormal")), &forms(&spec(1.0, "gamma")));
        assert_eq!(
            differ.map(|d| d.words()).as_deref(),
            Some("the kind of purchase.priors.r is gamma here, and was lognormal there")
        );
        let written = difference("purchase", &spec(1.0, "lognormal"), &spec(2.0, "lognormal"));
        assert!(written.is_some_and(|d| d.place == "purchase.priors.r" && d.here.contains("median = 2.0")));
    }
}
