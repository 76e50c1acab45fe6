//! The keys that advice may change, each with its type and bounds. The JSON Schema of a language model's answer, the table in the guide
//! and the check before anything is applied all follow from this one table. What is not in it stays as it was written: paths, columns,
//! seeds, output, and above all the limits of the verdict.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::ClvConfig;

/// Formats of dates that may be set: `day/month/year` and the like. Told apart by the dates that the wrong one rejects.
pub const DATE_FORMATS: &[&str] = &[
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
];

/// Units of the model's clock that may be set.
const TIME_UNITS: &[&str] = &["day", "week", "month", "quarter", "year"];

/// Coordinates of a hierarchy that may be set.
const CENTRINGS: &[&str] = &["auto", "non_centred", "centred"];

/// Parameters of purchase models that groups may differ in.
const PURCHASE: &[&str] = &[
    "r",
    "rate",
    "phi",
    "kappa",
    "s",
    "dropout_rate",
    "death",
    "sd_rate",
    "sd_death",
    "corr",
    "purchase_chance",
    "purchase_kappa",
    "dropout_chance",
    "dropout_kappa",
    "churn",
    "churn_kappa",
];

/// Parameters of the spend model that groups may differ in.
const SPEND: &[&str] = &["p", "q", "mean_spend"];

/// A setting that is the user's own and is not told.
pub const OWN: &str = "own";

/// The value that takes a key's entries away.
const DEFAULT: &str = "default";

/// Type and bounds of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// A whole number, both ends included.
    Count(u64, u64),
    /// A number, both ends included.
    Number(f64, f64),
    /// One of some words.
    Word(&'static [&'static str]),
    /// The word `default`: what was written there is left out.
    Default,
    /// The scale of a half-normal prior, both ends included.
    HalfNormal(f64, f64),
}

/// A key that may be changed, or one key for each of some parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowed {
    /// The key, dotted; with parameters, `*` stands for one of them.
    pub key: &'static str,
    /// The parameters; none for a key that stands alone.
    pub each: &'static [&'static str],
    /// What may stand there.
    pub bounds: Bounds,
    /// What it does, in a few words.
    pub what: &'static str,
}

const fn row(key: &'static str, bounds: Bounds, what: &'static str) -> Allowed {
    Allowed { key, each: &[], bounds, what }
}

/// The table.
pub const WHITELIST: &[Allowed] = &[
    row("sampler.kind", Bounds::Word(&["nuts", "chees"]), "how the posterior is sampled"),
    row("sampler.chains", Bounds::Count(2, 64), "independent chains"),
    row("sampler.warmup", Bounds::Count(100, 10_000), "most warm-up transitions per chain"),
    row("sampler.draws", Bounds::Count(100, 20_000), "draws kept per chain"),
    row("sampler.target_accept", Bounds::Number(0.6, 0.995), "acceptance rate that the step size aims at"),
    row("sampler.max_treedepth", Bounds::Count(8, 14), "deepest NUTS tree"),
    row("sampler.max_leapfrogs", Bounds::Count(100, 10_000), "most leapfrog steps per ChEES trajectory"),
    row("data.time_unit", Bounds::Word(TIME_UNITS), "unit of the model's clock"),
    row("data.date_format", Bounds::Word(DATE_FORMATS), "how dates are written"),
    row("purchase.priors", Bounds::Default, "priors without groups: back to the defaults"),
    row("purchase.hierarchy.mu", Bounds::Default, "priors of the groups' centres: back to the defaults"),
    row("purchase.hierarchy.sigma", Bounds::Default, "priors of the groups' spreads: back to the defaults"),
    row("spend.priors", Bounds::Default, "priors without groups: back to the defaults"),
    row("spend.hierarchy.mu", Bounds::Default, "priors of the groups' centres: back to the defaults"),
    row("spend.hierarchy.sigma", Bounds::Default, "priors of the groups' spreads: back to the defaults"),
    row("purchase.hierarchy.centring", Bounds::Word(CENTRINGS), "coordinates that groups are sampled in"),
    row("spend.hierarchy.centring", Bounds::Word(CENTRINGS), "coordinates that groups are sampled in"),
    Allowed {
        key: "purchase.hierarchy.centring.*",
        each: PURCHASE,
        bounds: Bounds::Word(CENTRINGS),
        what: "the same for one parameter",
    },
    Allowed {
        key: "spend.hierarchy.centring.*",
        each: SPEND,
        bounds: Bounds::Word(CENTRINGS),
        what: "the same for one parameter",
    },
    Allowed {
        key: "purchase.hierarchy.sigma.*",
        each: PURCHASE,
        bounds: Bounds::HalfNormal(0.05, 1.0),
        what: "scale of the half-normal prior of the spread over groups",
    },
    Allowed {
        key: "spend.hierarchy.sigma.*",
        each: SPEND,
        bounds: Bounds::HalfNormal(0.05, 1.0),
        what: "scale of the half-normal prior of the spread over groups",
    },
];

impl Allowed {
    /// The keys of this row.
    pub fn keys(&self) -> Vec<String> {
        match self.each {
            [] => vec![self.key.to_owned()],
            each => each.iter().map(|name| self.key.replace('*', name)).collect(),
        }
    }
}

impl Bounds {
    /// The bounds in words.
    pub fn words(&self) -> String {
        match self {
            Self::Count(low, high) => format!("a whole number from {low} to {high}"),
            Self::Number(low, high) | Self::HalfNormal(low, high) => format!("a number from {low} to {high}"),
            Self::Word(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
            Self::Default => format!("`{DEFAULT}`"),
        }
    }

    /// The bounds as JSON Schema.
    pub fn schema(&self) -> Value {
        match self {
            Self::Count(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
            Self::Number(low, high) | Self::HalfNormal(low, high) => {
                json!({ "type": "number", "minimum": low, "maximum": high })
            }
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Default => json!({ "type": "string", "enum": [DEFAULT] }),
        }
    }
}

/// The row that allows `key`, if any.
pub fn allowed(key: &str) -> Option<&'static Allowed> {
    WHITELIST.iter().find(|row| {
        if row.each.is_empty() {
            return row.key == key;
        }
        let name = row.key.strip_suffix('*').and_then(|stem| key.strip_prefix(stem));
        name.is_some_and(|name| row.each.contains(&name))
    })
}

/// Whether `value` may stand at `key`: the value as it will be applied, or why not.
pub fn check(key: &str, value: &Value) -> Result<Value, String> {
    let row = allowed(key).ok_or("this key must not be changed by advice")?;
    let outside = || format!("must be {}", row.bounds.words());
    match row.bounds {
        Bounds::Count(low, high) => {
            // Models write 2000.0 too.
            let whole = value.as_f64().filter(|x| x.fract() == 0.0 && *x >= low as f64 && *x <= high as f64);
            whole.map(|x| json!(x as u64)).ok_or_else(outside)
        }
        Bounds::Number(low, high) | Bounds::HalfNormal(low, high) => {
            let inside = value.as_f64().filter(|x| (low..=high).contains(x));
            inside.map(|x| json!(x)).ok_or_else(outside)
        }
        Bounds::Word(words) => {
            let known = value.as_str().and_then(|said| words.iter().find(|w| **w == said));
            known.map(|word| json!(word)).ok_or_else(outside)
        }
        Bounds::Default => {
            if value == DEFAULT {
                Ok(json!(DEFAULT))
            } else {
                Err(outside())
            }
        }
    }
}

/// A checked value as TOML.
pub fn toml_text(key: &str, value: &Value) -> String {
    match allowed(key).map(|row| row.bounds) {
        Some(Bounds::Default) => "{}".to_owned(),
        Some(Bounds::HalfNormal(..)) => format!("{{ dist = \"half_normal\", scale = {value} }}"),
        _ => value.to_string(),
    }
}

/// What stands at every key of the table; keys of single parameters only where something was written. What could hold words of the
/// user's is told as [`OWN`].
pub fn settings(config: &ClvConfig) -> BTreeMap<String, Value> {
    let written = serde_json::to_value(config).unwrap_or_default();
    let mut out = BTreeMap::new();
    for row in WHITELIST {
        for key in row.keys() {
            let value = written.pointer(&format!("/{}", key.replace('.', "/"))).unwrap_or(&Value::Null);
            let told = match (row.bounds, value) {
                (_, Value::Null) => Value::Null,
                (Bounds::Default, Value::Object(map)) => json!(if map.is_empty() { DEFAULT } else { OWN }),
                (Bounds::Word(words), Value::String(word)) if words.contains(&word.as_str()) => value.clone(),
                (Bounds::HalfNormal(..), Value::Object(prior)) => half_normal_scale(prior),
                (_, Value::Number(_)) => value.clone(),
                // `sampler.kind` of an approximation.
                (_, Value::String(word)) if key == "sampler.kind" => json!(word),
                _ => json!(OWN),
            };
            if row.each.is_empty() || !told.is_null() {
                out.insert(key, told);
            }
        }
    }
    out
}

/// The scale of a half-normal prior; of another prior, that it is the user's own.
fn half_normal_scale(prior: &serde_json::Map<String, Value>) -> Value {
    let scale = prior.get("scale").filter(|_| prior.get("dist").is_some_and(|dist| dist == "half_normal"));
    scale.cloned().unwrap_or_else(|| json!(OWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_keys_within_their_bounds_pass() {
        let rows: [(&str, Value, bool); 22] = [
            ("sampler.draws", json!(2000), true),
            ("sampler.draws", json!(2000.0), true),
            ("sampler.draws", json!(99), false),
            ("sampler.draws", json!(1e308), false),
            ("sampler.draws", json!(-1), false),
            ("sampler.draws", json!("2000"), false),
            ("sampler.draws", json!("NaN"), false),
            ("sampler.target_accept", json!(0.95), true),
            ("sampler.target_accept", json!(1.0), false),
            ("sampler.target_accept", Value::Null, false),
            ("data.time_unit", json!("week"), true),
            ("data.time_unit", json!("fortnight"), false),
            ("purchase.priors", json!("default"), true),
            ("purchase.priors", json!({ "r": 1 }), false),
            ("purchase.hierarchy.sigma.rate", json!(0.25), true),
            ("purchase.hierarchy.sigma.rm -rf", json!(0.25), false),
            ("purchase.hierarchy.centring.rate", json!("non_centred"), true),
            ("output.dir", json!("x"), false),
            ("data.path", json!("x"), false),
            ("diagnose.max_r_hat", json!(2.0), false),
            ("sampler.seed", json!(7), false),
            ("", json!(1), false),
        ];
        for (key, value, passes) in rows {
            assert_eq!(check(key, &value).is_ok(), passes, "{key} = {value}");
        }
    }

    /// Whatever the table allows, the configuration takes.
    #[test]
    fn every_allowed_value_is_valid_toml_for_its_key() {
        for row in WHITELIST {
            let value = match row.bounds {
                Bounds::Count(low, _) => json!(low),
                Bounds::Number(low, _) | Bounds::HalfNormal(low, _) => json!(low),
                Bounds::Word(words) => json!(words[0]),
                Bounds::Default => json!(DEFAULT),
            };
            for key in row.keys() {
                let value = check(&key, &value).unwrap();
                let set = format!("{key}={}", toml_text(&key, &value));
                let text = "[data]\npath = \"a.csv\"\n".to_owned();
                let source =
                    crate::config::Source::parse(std::path::Path::new("a.toml"), text, std::slice::from_ref(&set));
                let source = source.unwrap_or_else(|e| panic!("{set}: {e}"));
                let told = settings(&source.config)[&key].clone();
                // An empty table of a hierarchy is not written at all.
                assert!(told == value || (row.bounds == Bounds::Default && told.is_null()), "{set}: {told}");
            }
        }
    }

    #[test]
    fn words_of_the_users_own_are_not_told() {
        let text = "[data]\npath = \"a.csv\"\ndate_format = \"%d secret %Y\"\n[purchase.priors]\nr = { dist = \"half_normal\", scale = 77.0 }\n";
        let source = crate::config::Source::parse(std::path::Path::new("a.toml"), text.to_owned(), &[]).unwrap();
        let told = settings(&source.config);
        assert_eq!((&told["data.date_format"], &told["purchase.priors"]), (&json!(OWN), &json!(OWN)));
    }
}
