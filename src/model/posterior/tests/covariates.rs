//! Posteriors of customers with parameters of their own.

use super::*;
use crate::data::{Cells, DesignColumn, Observations};
use crate::dist::CovariateSpec;
use crate::kernels::Covariates;
use crate::model::{Place, Regression, keys};

fn column(name: &str, scale: f64) -> DesignColumn {
    DesignColumn { name: name.to_owned(), covariate: name.to_owned(), centre: 5.0, scale, farthest: 3.0 }
}

fn columns() -> [DesignColumn; 2] {
    [column("income", 100.0), column("channel=web", 1.0)]
}

fn named(purchase: &[&str], dropout: &[&str]) -> CovariateSpec {
    let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    CovariateSpec {
        purchase: list(purchase),
        dropout: list(dropout),
        prior: Prior::StudentT { df: 4.0, location: 0.1, scale: 0.7 },
    }
}

fn effects(key: &str) -> Regression {
    Regression::new(family(key).unwrap(), &named(&["income", "channel=web"], &["channel=web"]), &columns()).unwrap()
}

/// The world's customers, each with covariates of its own, under the kernels' judge.
fn posterior_of(key: &str, groups: usize, per_group: usize, effects: Regression) -> Posterior {
    let (names, scale, rows) = world(groups, per_group);
    let cells = Cells {
        group: rows.iter().map(|r| r.0 as u32).collect(),
        frequency: rows.iter().map(|r| r.1).collect(),
        recency: rows.iter().map(|r| r.2).collect(),
        age: rows.iter().map(|r| r.3).collect(),
        weight: vec![1.0; rows.len()],
    };
    let number = |row: usize, c: usize| Stream::new(4, Purpose::Test, row as u64, c as u32).normal();
    let values = Array2::from_shape_fn((rows.len(), 2), |(row, c)| number(row, c));
    let known = Covariates { values, terms: effects.terms() };
    let observed = Observations { groups: names.clone(), cells, ..Observations::default() };
    let movable = family(key).unwrap().movable.as_ref().unwrap();
    let likelihood = (movable.likelihood)(&observed, known, &Place { is_judge: true, ..Place::CPU }).unwrap();
    let p = Posterior::new(family(key).unwrap(), likelihood, &names, &PriorSpec::default(), &scale).unwrap();
    p.with_regression(effects)
}

#[test]
fn gradients_are_the_derivatives() {
    for (key, groups) in keys(|f| f.movable.is_some()).into_iter().flat_map(|key| [(key, 1), (key, 3)]) {
        let mut p = posterior_of(key, groups, 40, effects(key));
        if groups > 1 {
            let scale = world(groups, 40).1;
            p = p.informed(pilot(groups, family(key).unwrap().k()), &scale);
        }
        let point = near_start(&p, 7, 0.3);
        let (value, gradient) = at(&mut p, &point);
        assert!(value.is_finite(), "{key}");
        for i in 0..p.dim() {
            let h = 1e-4;
            let mut f = |steps: f64| {
                let mut moved = point.clone();
                moved[i] += steps * h;
                at(&mut p, &moved).0
            };
            let numeric = (8.0 * (f(1.0) - f(-1.0)) - (f(2.0) - f(-2.0))) / (12.0 * h);
            // Five-point differences: truncation h⁴ ≈ 1e-16 times a fifth derivative, rounding 1e-13·|value|/h ≈ 1e-7 at worst.
            let name = &p.schema().unconstrained[i];
            let error = (numeric - gradient[i]).abs();
            assert!(error < 1e-6 * (1.0 + gradient[i].abs()), "{key} {name}: {} against {numeric}", gradient[i]);
        }
    }
}

#[test]
fn coefficients_are_reported_per_unit_and_found_again() {
    let own = effects("bg_nbd");
    let p = posterior_of("bg_nbd", 1, 20, own.clone());
    // r, rate, phi, kappa; then purchase on two columns, a and b on one.
    assert_eq!(p.dim(), 8);
    let names: Vec<&str> = p.schema().variables.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names[names.len() - 3..], ["purchase_coefficient", "dropout_coefficient_a", "dropout_coefficient_b"]);
    assert_eq!(p.schema().coords["covariate"], ["income", "channel=web"]);
    assert_eq!(p.schema().coords["dropout_covariate"], ["channel=web"]);
    assert_eq!(p.schema().unconstrained[4], "purchase_coefficient[income]");

    let mut point = p.start();
    assert!(point.iter().skip(4).all(|&u| u == 0.0), "covariates move nothing at the start");
    point.iter_mut().skip(4).zip([0.5, -0.25, 0.125, 1.0]).for_each(|(u, gamma)| *u = gamma);
    let mut row = vec![0.0; p.schema().size()];
    p.constrain(point.view(), &mut row);
    assert_eq!(row[row.len() - 4..], [0.005, -0.25, 0.125, 1.0]);
    let rows = ArrayView2::from_shape((1, row.len()), &row).unwrap();
    assert_eq!(own.of_draws(p.schema(), rows).unwrap(), ndarray::array![[0.5, -0.25, 0.125, 1.0]]);
    let terms: Vec<_> = own.terms().iter().map(|t| (t.parameter, t.column)).collect();
    assert_eq!(terms, [(1, 0), (1, 1), (2, 1), (3, 1)]);
    // Draws of another fit are told.
    let other = Regression::new(family("bg_nbd").unwrap(), &named(&["income"], &[]), &columns()).unwrap();
    assert!(other.of_draws(p.schema(), rows).unwrap_err().to_string().contains("other covariates"));
}

#[test]
fn covariates_that_make_no_sense_are_refused() {
    let told = |key: &str, spec: CovariateSpec| {
        Regression::new(family(key).unwrap(), &spec, &columns()).unwrap_err().to_string()
    };
    assert!(told("gamma_gamma", named(&["income"], &[])).contains("Gamma-Gamma takes no covariates"));
    assert!(told("bg_nbd", named(&["height"], &[])).contains("height"));
    assert!(told("bg_nbd", named(&[], &[])).contains("no covariate acts on anything"));
    let bad = CovariateSpec { prior: Prior::Normal { mean: 0.0, sd: -1.0 }, ..named(&["income"], &[]) };
    assert!(told("bg_nbd", bad).contains("covariates.prior.sd must be above 0"));
}

/// Equal draws of the prior have equal laws: coefficients have the prior's spread, in units of their columns.
#[test]
fn coefficients_are_drawn_from_their_prior() {
    let own = Regression::new(
        family("bg_nbd").unwrap(),
        &CovariateSpec { prior: Prior::Normal { mean: 0.0, sd: 0.5 }, ..named(&["income"], &[]) },
        &columns(),
    );
    let p = posterior_of("bg_nbd", 1, 5, own.unwrap());
    let n = 4000;
    let squares: f64 = (0..n)
        .map(|i| {
            let (_, row) = p.prior_draw(&mut Stream::new(5, Purpose::Prior, i, 0)).unwrap();
            (100.0 * row[row.len() - 1]).powi(2)
        })
        .sum();
    // The variance of 4,000 squares of a normal: five standard errors are 5 √(2/4000) = 11 %.
    assert!((squares / n as f64 / 0.25 - 1.0).abs() < 0.11, "{squares}");
}
