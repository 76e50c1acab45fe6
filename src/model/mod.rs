//! The customer models: what their parameters are called, how groups are pooled, which priors hold them, and how all of that
//! becomes one log density over unconstrained coordinates.
//!
//! Likelihoods themselves live in `kernels`; nothing here knows how a posterior will be sampled or where draws are kept.

pub mod bg_bb;
mod bg_nbd;
mod chart;
mod coordinate;
mod direct;
pub mod gamma_gamma;
mod hierarchy;
mod likelihood;
mod mbg_nbd;
mod nbd;
mod newcomers;
mod pareto_abe;
mod pareto_nbd;
mod posterior;
mod priors;
mod regression;
pub mod s_bg;
mod words;

use ndarray::{Array3, ArrayView2};

use crate::data::{self, Observations};
use crate::error::{Error, Result};
use crate::kernels::Cells;
use crate::target::Schema;

pub use hierarchy::{Effects, LEVEL_DIM, PAIR_DIM, PARAMETER_DIM, Pilot};
pub use likelihood::{Ahead, Forecast, Made, Movable, Place};
pub use posterior::{LogPrior, Posterior};
pub use priors::{Guess, Scale, Unit};
pub use regression::{Effect, Moved, Regression};
pub use words::Words;

/// Whether all groups share the values along a dimension of a posterior's variables: those of μ, σ, correlations and coefficients.
/// Along any other there is one per group.
pub fn is_shared_dim(dim: &str) -> bool {
    hierarchy::SHARED_DIMS.contains(&dim) || regression::COVARIATE_DIMS.contains(&dim)
}

/// Every model family, one row each.
pub const MODELS: &[Family] = &[
    bg_nbd::FAMILY,
    mbg_nbd::FAMILY,
    pareto_nbd::FAMILY,
    pareto_abe::FAMILY,
    nbd::FAMILY,
    bg_bb::FAMILY,
    s_bg::FAMILY,
    gamma_gamma::FAMILY,
];

/// The row of [`MODELS`] called `key`.
pub fn family(key: &str) -> Result<&'static Family> {
    MODELS.iter().find(|f| f.key == key).ok_or_else(|| {
        let known = keys(|_| true).join(", ");
        Error::new("unknown model").seen(format!("`{key}`")).advice(format!("models are {known}"))
    })
}

/// Keys of the families of which `which` is true, in the table's order.
pub fn keys(which: impl Fn(&Family) -> bool) -> Vec<&'static str> {
    MODELS.iter().filter(|family| which(family)).map(|family| family.key).collect()
}

/// The cells of a summary as the purchase kernels take them.
pub fn cells(cells: data::Cells, groups: &data::Groups) -> Cells {
    let data::Cells { group, frequency, recency, age, weight } = cells;
    Cells { n_groups: groups.labels.len().max(1), group, frequency, recency, age, weight }
}

/// What a family describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// When customers buy, and when they stop.
    Purchase(Dropout),
    /// At which of a row of opportunities they buy, and when they stop.
    Opportunity,
    /// How long they renew a contract.
    Contract,
    /// How much they spend each time.
    Spend,
}

/// How customers stop buying. While they have not, they buy at a rate of their own: λ ~ Gamma(r, rate α), the first two parameters,
/// unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropout {
    /// After a repeat purchase, with a chance of their own: p ~ Beta(a, b).
    AfterRepeat,
    /// After any purchase, the first one included, with such a chance.
    AfterAny,
    /// At any time, at a rate of their own: μ ~ Gamma(s, rate β).
    AnyTime,
    /// At any time, at a rate of their own that may go with λ: ln λ and ln μ jointly normal.
    AnyTimeTogether,
    /// They never do, and there is no parameter of it.
    Never,
}

impl Dropout {
    /// How many parameters a purchase model with it has.
    pub fn parameters(self) -> usize {
        match self {
            Self::AfterRepeat | Self::AfterAny | Self::AnyTime => 4,
            Self::AnyTimeTogether => 5,
            Self::Never => 2,
        }
    }
}

/// One parameter of a family: a letter, its open domain, and what it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// The letter users read and write.
    pub name: &'static str,
    /// Lower end of its domain.
    pub low: f64,
    /// Upper end of its domain.
    pub high: f64,
    /// What it is thought to be before its data are seen.
    pub guess: Guess,
    /// What it means, for help texts and tables.
    pub meaning: &'static str,
}

impl Parameter {
    /// Whether a likelihood should be asked at `x`: inside the domain, and no further out than any unit of any data puts mass.
    /// Every product a float32 likelihood forms of two such numbers with times and counts stays representable inside the region it is
    /// asked about.
    fn is_possible(&self, x: f64) -> bool {
        x > self.low + 1e-30 && x < self.high.min(1e30)
    }

    const fn chance(name: &'static str, guess: Guess, meaning: &'static str) -> Self {
        Self { name, low: 0.0, high: 1.0, guess, meaning }
    }

    const fn positive(name: &'static str, guess: Guess, meaning: &'static str) -> Self {
        Self { name, low: 0.0, high: f64::INFINITY, guess, meaning }
    }
}

/// A second way to name some parameters of a family: where the family says (a, b), people may speak of (φ, κ).
#[derive(Debug, Clone, Copy)]
pub struct Alternative {
    /// The first parameter it replaces; it replaces as many as it has.
    pub first: usize,
    /// What stands in their place.
    pub parameters: &'static [Parameter],
}

/// `(chart, values, natural, d_natural, d_values)`: given ∂L/∂natural, writes ∂L/∂values.
type PullBack = fn(&[bool], &[f64], &[f64], &[f64], &mut [f64]);

/// One model family: its names, its alternative parametrisations and the maps between them.
///
/// A *chart* is one choice per [`Alternative`]: `true` for the derived names. Values of a chart and natural parameters are
/// both K numbers in the same slots.
#[derive(Debug)]
pub struct Family {
    /// The name in configurations.
    pub key: &'static str,
    /// The name in prose.
    pub name: &'static str,
    /// The same with its paper.
    pub title: &'static str,
    /// What it describes.
    pub role: Role,
    /// The natural parameters, in the order of the kernel's `ParamBatch`.
    pub parameters: &'static [Parameter],
    /// Other ways to name some of them.
    pub alternatives: &'static [Alternative],
    /// Its likelihood of some customers.
    pub likelihood: fn(&Observations, &Place) -> Made,
    /// Whether the likelihood takes such parameters.
    pub takes: fn(&[f64]) -> bool,
    /// `(theta, data, ahead)`: what it says of one customer; the data are those of its role, in their order.
    pub forecast: fn(&[f64], &[f64], &Ahead) -> Forecast,
    /// How covariates move it; none where they do not.
    pub movable: Option<Movable>,
    /// `(chart, values, natural)`: natural parameters of chart values.
    to_natural: fn(&[bool], &[f64], &mut [f64]),
    /// `(natural, values)`: values of the derived chart of natural parameters; the way back.
    to_chart: fn(&[f64], &mut [f64]),
    /// The chain rule from natural parameters to chart values.
    pull_back: PullBack,
}

impl Family {
    /// Whether natural parameters `[k]` of one group are such that a likelihood should be asked.
    fn is_possible<'a>(&self, natural: impl IntoIterator<Item = &'a f64>) -> bool {
        self.parameters.iter().zip(natural).all(|(parameter, x)| parameter.is_possible(*x))
    }

    /// Number of parameters K.
    pub fn k(&self) -> usize {
        self.parameters.len()
    }

    /// The parameters of a chart, slot by slot.
    pub fn chart_parameters(&self, chart: &[bool]) -> Vec<Parameter> {
        let mut out = self.parameters.to_vec();
        for (alternative, _) in self.alternatives.iter().zip(chart).filter(|&(_, &derived)| derived) {
            let first = alternative.first;
            out[first..first + alternative.parameters.len()].copy_from_slice(alternative.parameters);
        }
        out
    }

    /// The chart in which the data inform each value most separately: every alternative taken. The hierarchy lives there.
    pub fn derived_chart(&self) -> Vec<bool> {
        vec![true; self.alternatives.len()]
    }

    /// Every name a prior may be put on.
    pub fn names(&self) -> Vec<&'static str> {
        let derived = self.alternatives.iter().flat_map(|a| a.parameters);
        self.parameters.iter().chain(derived).map(|p| p.name).collect()
    }

    /// The family's parameters of each draw and group, `[draw, group, k]`, out of constrained rows `[draw, Schema::size()]`.
    ///
    /// Without groups the group axis has length one.
    pub fn parameters_of(&self, schema: &Schema, rows: ArrayView2<'_, f64>) -> Result<Array3<f64>> {
        let ranges = self
            .parameters
            .iter()
            .map(|p| {
                schema.range(p.name).ok_or_else(|| {
                    Error::new(format!("the draws have no variable `{}`", p.name))
                        .advice(format!("they are not draws of a {} fit", self.key))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let groups = ranges[0].len();
        if rows.ncols() != schema.size() || ranges.iter().any(|r| r.len() != groups) {
            return Err(Error::new("the rows of draws do not have the schema's shape").seen(format!(
                "{} columns for {} values",
                rows.ncols(),
                schema.size()
            )));
        }
        Ok(Array3::from_shape_fn((rows.nrows(), groups, self.k()), |(draw, group, k)| {
            rows[[draw, ranges[k].start + group]]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PurchaseModel;
    use crate::target::Variable;

    fn charts(family: &Family) -> Vec<Vec<bool>> {
        (0..1 << family.alternatives.len())
            .map(|bits: usize| (0..family.alternatives.len()).map(|i| bits >> i & 1 == 1).collect())
            .collect()
    }

    #[test]
    fn charts_follow_the_chain_rule() {
        for family in MODELS {
            let k = family.k();
            let values = [0.7, 3.4, 0.4, 2.6, 0.3];
            // f = Σ (i+1) √nᵢ ln nᵢ of the natural parameters n: any smooth function will do.
            let f = |n: &[f64]| n.iter().enumerate().map(|(i, x)| (i as f64 + 1.0) * x.sqrt() * x.ln()).sum::<f64>();
            for chart in charts(family) {
                let natural = |values: &[f64]| {
                    let mut out = vec![0.0; k];
                    (family.to_natural)(&chart, values, &mut out);
                    out
                };
                let here = natural(&values[..k]);
                let d: Vec<f64> =
                    here.iter().enumerate().map(|(i, x)| (i as f64 + 1.0) * (1.0 + 0.5 * x.ln()) / x.sqrt()).collect();
                let mut pulled = vec![0.0; k];
                (family.pull_back)(&chart, &values[..k], &here, &d, &mut pulled);
                for i in 0..k {
                    let at = |shift: f64| {
                        let mut moved = values[..k].to_vec();
                        moved[i] += shift;
                        f(&natural(&moved))
                    };
                    let h = 1e-6;
                    let numeric = (at(h) - at(-h)) / (2.0 * h);
                    // Central differences with h = 1e-6: rounding about 1e-9.
                    assert!((numeric - pulled[i]).abs() < 1e-7 * (1.0 + numeric.abs()), "{} {chart:?} {i}", family.key);
                }
            }
        }
    }

    /// What is written in the derived chart and read back is the same.
    #[test]
    fn charts_lead_back() {
        for family in MODELS {
            let natural = &[0.7, 3.4, 0.4, 2.6, 0.3][..family.k()];
            let (mut values, mut back) = (vec![0.0; family.k()], vec![0.0; family.k()]);
            (family.to_chart)(natural, &mut values);
            (family.to_natural)(&family.derived_chart(), &values, &mut back);
            let close = natural.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-14 * (1.0 + a.abs()));
            assert!(close, "{}: {natural:?} became {back:?}", family.key);
        }
    }

    #[test]
    fn charts_mean_what_their_table_says() {
        let natural = |family: &Family, chart: &[bool], values: &[f64]| {
            let mut out = vec![0.0; values.len()];
            (family.to_natural)(chart, values, &mut out);
            out
        };
        // r/α = ρ, a/(a+b) = φ, a+b = κ; p v/(q−1) = M. Powers of two, so the sums are exact.
        assert_eq!(natural(&bg_nbd::FAMILY, &[true, true], &[2.0, 0.5, 0.25, 8.0]), [2.0, 4.0, 2.0, 6.0]);
        assert_eq!(natural(&bg_nbd::FAMILY, &[false, false], &[2.0, 0.5, 0.25, 8.0]), [2.0, 0.5, 0.25, 8.0]);
        // r/α = ρ, s/β = δ.
        assert_eq!(natural(&pareto_nbd::FAMILY, &[true, true], &[2.0, 0.5, 4.0, 8.0]), [2.0, 4.0, 4.0, 0.5]);
        assert_eq!(natural(&gamma_gamma::FAMILY, &[true], &[4.0, 3.0, 16.0]), [4.0, 3.0, 8.0]);
        let names: Vec<_> = bg_nbd::FAMILY.chart_parameters(&[true, false]).iter().map(|p| p.name).collect();
        assert_eq!(names, ["r", "rate", "a", "b"]);
    }

    #[test]
    fn keys_and_names_are_unique() {
        for (i, family) in MODELS.iter().enumerate() {
            assert!(MODELS[..i].iter().all(|f| f.key != family.key));
            let names = family.names();
            assert!(names.iter().enumerate().all(|(j, n)| !names[..j].contains(n)), "{}", family.key);
            assert_eq!(super::family(family.key).unwrap().key, family.key);
            if let Role::Purchase(dropout) = family.role {
                assert_eq!(dropout.parameters(), family.k(), "{}", family.key);
            }
        }
        let refused = super::family("pareto").unwrap_err().to_string();
        assert!(refused.starts_with("unknown model (found `pareto`); models are bg_nbd, mbg_nbd, "), "{refused}");
    }

    /// `purchase.model` takes the families of customers, by their keys, and no others.
    #[test]
    fn configurations_know_the_table() {
        for family in MODELS {
            let read = serde_json::from_value::<PurchaseModel>(family.key.into()).ok().map(PurchaseModel::key);
            let wanted = (family.role != Role::Spend).then_some(family.key);
            assert_eq!(read, wanted, "config::PurchaseModel and {}", family.key);
        }
    }

    #[test]
    fn draws_become_parameters_by_name() {
        let variable = |name: &str, dims: &[&str]| Variable {
            name: name.into(),
            dims: dims.iter().map(|d| (*d).to_owned()).collect(),
        };
        let schema = Schema {
            variables: ["q", "mu", "p", "v"].map(|n| variable(n, if n == "mu" { &[] } else { &["shop"] })).to_vec(),
            coords: [("shop".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into(),
            unconstrained: vec![],
        };
        let rows = ndarray::array![[1.0, 2.0, 99.0, 3.0, 4.0, 5.0, 6.0]];
        let params = gamma_gamma::FAMILY.parameters_of(&schema, rows.view()).unwrap();
        assert_eq!(params, ndarray::array![[[3.0, 1.0, 5.0], [4.0, 2.0, 6.0]]]);
        assert!(bg_nbd::FAMILY.parameters_of(&schema, rows.view()).unwrap_err().to_string().contains("`r`"));
    }
}
