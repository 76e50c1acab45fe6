//! Priors as users write them, checked against a family's names and completed with weakly informative defaults in the data's own
//! scale. The defaults come out as plain numbers, so that a plan can show them. Nothing is evaluated here.

use std::collections::BTreeMap;

use super::{Family, Parameter};
use crate::data::{Groups, Observations};
use crate::dist::{Centring, HierarchySpec, Prior, PriorSpec};
use crate::error::{Error, Result};

/// The few numbers of a data set that default priors and starting points are measured in.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Repeat purchases per customer and time unit, Σx / ΣT.
    pub purchase_rate: f64,
    /// Mean over repeat customers of their mean spend, in currency.
    pub mean_spend: f64,
}

impl Scale {
    /// Measures the customers. Without repeat purchases the rate is that of half a purchase among all of them; without spend it is
    /// one unit of currency.
    pub fn of(observed: &Observations) -> Self {
        let Observations { cells, spend, .. } = observed;
        let total = |values: &mut dyn Iterator<Item = f64>, weight: &[f64]| -> f64 {
            values.zip(weight).map(|(value, weight)| value * weight).sum()
        };
        let age = total(&mut cells.age.iter().copied(), &cells.weight);
        let repeats = total(&mut cells.frequency.iter().map(|&x| f64::from(x)), &cells.weight);
        let rate = repeats.max(0.5) / age;
        let spenders = spend.customers();
        let spend = total(&mut spend.monetary.iter().copied(), &spend.weight);
        Self {
            purchase_rate: if rate.is_finite() { rate } else { 1.0 },
            mean_spend: if spenders > 0.0 { spend / spenders } else { 1.0 },
        }
    }
}

/// What a parameter is thought to be before its data are seen: a centre in the data's scale and the sd of its logarithm.
///
/// A log sd of 1 allows a factor of 7 either way at 95 %, of 1.5 a factor of 19.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    centre: f64,
    unit: Unit,
    log_sd: f64,
}

/// What a guess is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number as it is.
    One,
    /// Repeat purchases per customer and time unit. Σx/ΣT counts the time after customers left: rates while alive lie above it.
    PurchaseRate,
    /// The time between them.
    PerPurchaseRate,
    /// Mean spend, currency.
    Spend,
}

impl Guess {
    /// `centre` of `unit`, give or take the sd of its logarithm.
    pub(super) const fn new(centre: f64, unit: Unit, log_sd: f64) -> Self {
        Self { centre, unit, log_sd }
    }

    /// The centre in the data's own scale.
    fn centre(&self, scale: &Scale) -> f64 {
        three_digits(match self.unit {
            Unit::One => self.centre,
            Unit::PurchaseRate => self.centre * scale.purchase_rate,
            Unit::PerPurchaseRate => self.centre / scale.purchase_rate,
            Unit::Spend => self.centre * scale.mean_spend,
        })
    }
}

/// Rounded to three significant digits, which is more than a weak prior means.
fn three_digits(x: f64) -> f64 {
    format!("{x:.2e}").parse().unwrap_or(x)
}

/// The default prior of a parameter without groups.
fn default_prior(parameter: &Parameter, scale: &Scale) -> Prior {
    if parameter.high.is_finite() {
        return Prior::Uniform { low: parameter.low, high: parameter.high };
    }
    Prior::LogNormal { median: parameter.guess.centre(scale), log_sd: parameter.guess.log_sd }
}

/// The default prior of μ for a parameter.
fn default_mu(parameter: &Parameter, scale: &Scale) -> Prior {
    if parameter.high.is_finite() {
        return Prior::Normal { mean: 0.0, sd: 1.5 }; // on the logit scale nearly uniform between the bounds
    }
    let centre = parameter.guess.centre(scale);
    Prior::Normal { mean: three_digits((centre - parameter.low).ln()), sd: parameter.guess.log_sd }
}

/// The default prior of σ: groups differ by a factor of e^0.5 = 1.6 or less, most likely.
const DEFAULT_SIGMA: Prior = Prior::HalfNormal { scale: 0.5 };

/// Starting values of a chart's parameters.
pub(super) fn start_values(parameters: &[Parameter], scale: &Scale) -> Vec<f64> {
    parameters.iter().map(|p| p.guess.centre(scale)).collect()
}

impl PriorSpec {
    /// What can be checked before any data is seen: names that the family has, one way of naming each, and sound settings. `key` is
    /// the specification's place in the configuration (`purchase`), prefixed to every complaint.
    pub fn check(&self, family: &Family, key: &str) -> Result<()> {
        let within = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        let check_all =
            |priors: &BTreeMap<String, Prior>, place: &str, names: &[&str]| {
                for (name, prior) in priors {
                    if !names.contains(&name.as_str()) {
                        return Err(Error::new(format!("{place}.{name} is no parameter of the model"))
                            .advice(format!("{} has {}", family.key, names.join(", "))));
                    }
                    prior.check(&format!("{place}.{name}"))?;
                }
                Ok(())
            };
        let place = within("priors");
        check_all(&self.priors, &place, &family.names())?;
        family.chart_of(&self.priors).map_err(|e| e.at(&place))?;
        if let Some(hierarchy) = &self.hierarchy {
            let chart = family.chart_parameters(&family.derived_chart());
            let names: Vec<&str> = chart.iter().map(|p| p.name).collect();
            check_all(&hierarchy.mu, &within("hierarchy.mu"), &names)?;
            check_all(&hierarchy.sigma, &within("hierarchy.sigma"), &names)?;
            for (level, priors) in &hierarchy.sigma_at {
                check_all(priors, &within(&format!("hierarchy.sigma_at.{level}")), &names)?;
            }
            if let Some(unknown) = hierarchy.centring.names().find(|name| !names.contains(name)) {
                return Err(Error::new(format!(
                    "{}.{unknown} is no parameter of the model",
                    within("hierarchy.centring")
                ))
                .advice(format!("{} has {}", family.key, names.join(", "))));
            }
            if let Some(correlation) = hierarchy.correlation {
                let key = within("hierarchy.correlation");
                correlation.check(&key)?;
                if let Some(p) = chart.iter().find(|p| hierarchy.centring.of(p.name) == Centring::Centred) {
                    return Err(Error::new(format!("{key} goes with coordinates that are auto or non_centred"))
                        .seen(format!("centring of {} is centred", p.name))
                        .advice("leave hierarchy.centring out"));
                }
            }
        }
        if let Some(covariates) = &self.covariates {
            covariates.prior.check("covariates.prior")?;
        }
        Ok(())
    }

    /// The same specification with every prior written out: `priors` complete without groups, `hierarchy` complete with them.
    /// Resolving twice changes nothing.
    ///
    /// A group column that turns out to hold one group only leaves nothing to pool: the hierarchy is dropped and default priors
    /// sit on the parameters.
    pub fn resolve(&self, family: &Family, groups: &Groups, scale: &Scale) -> Result<Self> {
        self.check(family, "")?;
        let complete = |priors: &BTreeMap<String, Prior>, chart: &[bool], default: &dyn Fn(&Parameter) -> Prior| {
            family
                .chart_parameters(chart)
                .iter()
                .map(|p| (p.name.to_owned(), priors.get(p.name).copied().unwrap_or_else(|| default(p))))
                .collect::<BTreeMap<_, _>>()
        };
        if groups.labels.len() < 2 {
            if self.hierarchy.is_some() && groups.column.is_none() {
                return Err(Error::new("a hierarchy needs groups")
                    .seen("no group column")
                    .advice("name a group column, or put the priors on the parameters under `priors`"));
            }
            let chart = family.chart_of(&self.priors)?;
            let priors = complete(&self.priors, &chart, &|p| default_prior(p, scale));
            return Ok(Self { priors, hierarchy: None, covariates: self.covariates.clone() });
        }
        if let Some(name) = self.priors.keys().next() {
            return Err(Error::new("with groups, priors belong on the hierarchy")
                .seen(format!("priors.{name}"))
                .advice(
                    "move it to hierarchy.mu (centre over groups) and hierarchy.sigma (spread), or fit without groups",
                ));
        }
        let hierarchy = self.hierarchy.clone().unwrap_or_default();
        let chart = family.derived_chart();
        let levels: Vec<String> = groups.levels().into_iter().map(|level| level.name).collect();
        if let Some(unknown) = hierarchy.sigma_at.keys().find(|&name| !levels.contains(name)) {
            return Err(Error::new(format!("hierarchy.sigma_at.{unknown} is no level of the groups"))
                .advice(format!("the levels are {}", levels.join(", "))));
        }
        // What is said of a level goes before what is said of all.
        let of_level = |name: &String| {
            let mut priors = hierarchy.sigma.clone();
            priors.extend(hierarchy.sigma_at.get(name).into_iter().flatten().map(|(p, prior)| (p.clone(), *prior)));
            complete(&priors, &chart, &|_| DEFAULT_SIGMA)
        };
        let (sigma, sigma_at) = match &levels[..] {
            [only] => (of_level(only), BTreeMap::new()),
            many => (BTreeMap::new(), many.iter().map(|name| (name.clone(), of_level(name))).collect()),
        };
        Ok(Self {
            priors: BTreeMap::new(),
            hierarchy: Some(HierarchySpec {
                centring: hierarchy.centring,
                correlation: hierarchy.correlation,
                mu: complete(&hierarchy.mu, &chart, &|p| default_mu(p, scale)),
                sigma,
                sigma_at,
            }),
            covariates: self.covariates.clone(),
        })
    }
}

impl Family {
    /// The chart whose parameters the priors are on: derived where nothing says otherwise.
    pub(super) fn chart_of(&self, priors: &BTreeMap<String, Prior>) -> Result<Vec<bool>> {
        self.alternatives
            .iter()
            .map(|alternative| {
                let natural = &self.parameters[alternative.first..alternative.first + alternative.parameters.len()];
                let given = |set: &[Parameter]| set.iter().map(|p| p.name).find(|&n| priors.contains_key(n));
                match (given(natural), given(alternative.parameters)) {
                    (Some(one), Some(other)) => Err(Error::new("two ways to say the same")
                        .seen(format!("priors on `{one}` and on `{other}`"))
                        .advice(format!("keep either {} or {}", list(natural), list(alternative.parameters)))),
                    (Some(_), None) => Ok(false),
                    (None, _) => Ok(true),
                }
            })
            .collect()
    }
}

fn list(parameters: &[Parameter]) -> String {
    parameters.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Summary;
    use crate::model::{MODELS, family};

    fn observed(rows: &[(u32, f64, f64, u32)]) -> Observations {
        Observations::of(&Summary {
            customer_id: rows.iter().map(|_| "anyone").collect(),
            recency: vec![0.0; rows.len()],
            frequency: rows.iter().map(|r| r.0).collect(),
            age: rows.iter().map(|r| r.1).collect(),
            monetary: rows.iter().map(|r| r.2).collect(),
            group: rows.iter().map(|r| r.3).collect(),
            groups: Groups { column: Some("shop".into()), labels: vec!["a".into(), "b".into()] },
            ..Summary::default()
        })
    }

    #[test]
    fn the_scale_is_measured_from_the_customers() {
        let scale = Scale::of(&observed(&[(3, 10.0, 20.0, 0), (0, 20.0, 0.0, 0), (1, 10.0, 40.0, 1)]));
        assert_eq!(scale, Scale { purchase_rate: 0.1, mean_spend: 30.0 });
    }

    #[test]
    fn defaults_exist_without_any_repeat_purchase_or_time() {
        for rows in [&[(0, 10.0, 0.0, 0), (0, 30.0, 0.0, 1)][..], &[(0, 0.0, 0.0, 0)], &[]] {
            let observed = observed(rows);
            let scale = Scale::of(&observed);
            for family in MODELS {
                let one = Groups { column: None, labels: vec!["all".into()] };
                for groups in [&one, &observed.groups] {
                    PriorSpec::default().resolve(family, groups, &scale).unwrap().check(family, "").unwrap();
                }
                let start = start_values(family.parameters, &scale);
                assert!(family.is_possible(&start), "{}: {start:?}", family.key);
            }
        }
    }

    /// The same data counted in days instead of weeks and cents instead of units give the same priors, moved.
    #[test]
    fn defaults_move_with_the_units() {
        let weeks = Scale { purchase_rate: 0.032, mean_spend: 35.0 };
        let days = Scale { purchase_rate: 0.032 / 7.0, mean_spend: 3500.0 };
        let groups = Groups { column: None, labels: vec!["all".into()] };
        let centre = |key: &str, scale: &Scale, name: &str| {
            let spec = PriorSpec::default().resolve(family(key).unwrap(), &groups, scale).unwrap();
            spec.priors[name].quantile(0.5).unwrap()
        };
        // Rounding to three digits moves a centre by half a percent at most.
        let ratio = centre("bg_nbd", &weeks, "rate") / centre("bg_nbd", &days, "rate");
        assert!((ratio / 7.0 - 1.0).abs() < 0.01);
        let ratio = centre("gamma_gamma", &days, "mean_spend") / centre("gamma_gamma", &weeks, "mean_spend");
        assert!((ratio / 100.0 - 1.0).abs() < 0.01);
        assert_eq!(centre("bg_nbd", &weeks, "r"), centre("bg_nbd", &days, "r"));
    }

    #[test]
    fn the_json_schema_knows_the_distributions() {
        let schema = serde_json::to_string(&schemars::schema_for!(PriorSpec)).unwrap();
        for word in ["weibull", "half_normal", "lognormal", "non_centred", "hierarchy", "log_sd"] {
            assert!(schema.contains(&format!("\"{word}\"")), "{word}");
        }
    }
}
