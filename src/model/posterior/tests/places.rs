//! The likelihood of every family of the table, on every place there is, against the plainest sum over customers.

use super::*;
use crate::adapter::device;
use crate::data::{Cells, Observations, SpendRows};
use crate::kernels::{Covariates, Options, Term};
use crate::model::priors::start_values;
use crate::model::{Place, Role};

/// The world's customers as a run observes them; for models that count time, those that the plain sum makes of them.
fn observed(role: Role, groups: &Groups, rows: &[Customer]) -> Observations {
    let mut observed = Observations { groups: groups.clone(), ..Observations::default() };
    let Observations { cells, spend, .. } = &mut observed;
    for &(group, x, t_x, t, m) in rows {
        let (last, n) = whole(x, t_x, t);
        let (x, t_x, t) = match role {
            Role::Purchase(_) | Role::Spend => (x, t_x, t),
            Role::Opportunity => (x.min(last), f64::from(last), f64::from(n)),
            // Lost at the end of the last period, or not.
            Role::Contract => (if x == 0 { n - 1 } else { n }, 0.0, f64::from(n)),
        };
        let Cells { group: of, frequency, recency, age, weight } = &mut *cells;
        of.push(group as u32);
        frequency.push(x);
        recency.push(t_x);
        age.push(t);
        weight.push(1.0);
        if x > 0 {
            let SpendRows { group: of, frequency, monetary, weight } = &mut *spend;
            of.push(group as u32);
            frequency.push(x);
            monetary.push(m);
            weight.push(1.0);
        }
    }
    observed
}

#[test]
fn every_place_sees_customers_as_the_plain_sum_does() {
    let (groups, scale, rows) = world(2, 200);
    // Of the value and of the slopes. Sums of 400 terms near 5 in another order, but where quicker nodes stand for finer ones, 1e-7 of
    // each customer; in float32 some 1e-7 of each term's difference from the reference, which the first point becomes.
    let quick = (1e-6, 1e-4);
    let mut places = vec![("judge", Place { is_judge: true, ..Place::CPU }, (1e-11, 1e-9)), ("CPU", Place::CPU, quick)];
    places.extend(device().map(|d| ("device", Place { device: Some((d, Options::default())), ..Place::CPU }, quick)));
    for family in MODELS {
        let observed = observed(family.role, &groups, &rows);
        for (name, place, (of_value, of_slope)) in &places {
            let likelihood = (family.likelihood)(&observed, place).unwrap();
            let mut fast = Posterior::new(family, likelihood, &groups, &PriorSpec::default(), &scale).unwrap();
            let mut plain = posterior(family.key, 2, 200, &PriorSpec::default());
            for which in 0..3 {
                let point = near_start(&plain, which, 0.3);
                if which == 0 {
                    fast.recentre(point.view()).unwrap();
                }
                let ((a, da), (b, db)) = (at(&mut fast, &point), at(&mut plain, &point));
                assert!((a - b).abs() < of_value * b.abs(), "{} on {name}: {a} against {b}", family.key);
                let close = |(x, y): (&f64, &f64)| (x - y).abs() < of_slope * (1.0 + y.abs());
                assert!(da.iter().zip(&db).all(close), "{} on {name}: {da} against {db}", family.key);
            }
        }
    }
}

/// Covariates without an effect change nothing.
#[test]
fn coefficients_of_zero_move_nobody() {
    let (groups, scale, rows) = world(2, 50);
    for (family, movable) in MODELS.iter().filter_map(|family| Some((family, family.movable.as_ref()?))) {
        let observed = observed(family.role, &groups, &rows);
        let k = family.k();
        let terms: Vec<Term> =
            movable.effects.iter().map(|effect| Term { parameter: effect.parameter, column: 0 }).collect();
        let values = Array2::from_shape_fn((rows.len(), 1), |(row, _)| (row % 7) as f64 - 3.0);
        let theta = start_values(family.parameters, &scale);
        let evaluate = |mut likelihood: Box<dyn Likelihood>, p: usize| {
            let per_group = Array3::from_shape_fn((1, 2, k), |(_, _, j)| theta[j]);
            let shared = Array2::zeros((1, p));
            let mut out = LikelihoodBatch::new(1, 2, k, p);
            likelihood.evaluate(ParamBatch { per_group: per_group.view(), shared: shared.view() }, &mut out).unwrap();
            out.log_lik[0]
        };
        let without = evaluate((family.likelihood)(&observed, &Place::CPU).unwrap(), 0);
        let known = Covariates { values, terms: terms.clone() };
        let with = evaluate((movable.likelihood)(&observed, known, &Place::CPU).unwrap(), terms.len());
        assert!((with - without).abs() < 1e-7 * without.abs(), "{}: {with} against {without}", family.key);
        let gamma = vec![0.0; terms.len()];
        assert_eq!((movable.own)(&theta, &gamma, &terms, &[2.0]), theta, "{}", family.key);
    }
}
