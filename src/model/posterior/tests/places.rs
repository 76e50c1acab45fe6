//! The likelihood of every family of the table, on every place there is, against the plainest sum over customers.

use super::*;
use crate::adapter::device;
use crate::data::{Cells, Observations, SpendRows};
use crate::kernels::device::Device;
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::{Covariates, Options, Term};
use crate::model::Parameter;
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

/// A point of a family's domain, up to a factor of three and a half from where it starts.
fn interior(parameters: &[Parameter], scale: &Scale, i: u64) -> Vec<f64> {
    let mut stream = Stream::new(41, Purpose::Test, i, 0);
    let mut within = || 2.0 * stream.uniform() - 1.0;
    let start = start_values(parameters, scale).into_iter().zip(parameters);
    start.map(|(x, p)| if p.low < 0.0 { 0.8 * within() } else { x * (1.25 * within()).exp() }).collect()
}

/// Slopes in logarithms (of a correlation ρ, times 1 − ρ²) of every family, by the judge, the quicker form and the device, which
/// differences from a point a tenth away: against central differences of the judge's value.
#[test]
fn gradients_are_slopes_at_a_thousand_points() {
    const POINTS: usize = 1000;
    let (groups, scale, rows) = world(1, 12);
    let adapter = device();
    for family in MODELS {
        let (k, observed) = (family.k(), observed(family.role, &groups, &rows));
        let thetas: Vec<Vec<f64>> = (0..POINTS).map(|i| interior(family.parameters, &scale, i as u64)).collect();
        let size = |x: f64, j: usize| if family.parameters[j].low < 0.0 { 1.0 - x * x } else { x };
        let made = |device: Option<Device>, is_judge| {
            let place = Place { device: device.map(|device| (device, Options::default())), is_judge };
            (family.likelihood)(&observed, &place).unwrap()
        };
        let none = Array2::zeros((POINTS, 0));
        let asked = |likelihood: &mut dyn Likelihood, moved: &dyn Fn(usize, usize) -> f64| {
            let per_group = Array3::from_shape_fn((POINTS, 1, k), |(i, _, j)| moved(i, j));
            let mut out = LikelihoodBatch::new(POINTS, 1, k, 0);
            likelihood.evaluate(ParamBatch { per_group: per_group.view(), shared: none.view() }, &mut out).unwrap();
            out
        };
        let mut judge = made(None, true);
        let mut slopes = Array2::<f64>::zeros((POINTS, k));
        for by in 0..k {
            let [high, low] = [1e-5, -1e-5].map(|step| {
                asked(&mut *judge, &|i, j| thetas[i][j] + if j == by { step * size(thetas[i][j], j) } else { 0.0 })
            });
            (0..POINTS).for_each(|i| slopes[[i, by]] = (high.log_lik[i] - low.log_lik[i]) / 2e-5);
        }
        let held = |place: &str, seen: &dyn Fn(usize, usize) -> f64, tolerance: f64| {
            let miss = |((i, j), slope): ((usize, usize), &f64)| {
                let seen = seen(i, j) * size(thetas[i][j], j);
                ((seen - slope).abs() / (12.0 + slope.abs()), i, j, seen, *slope)
            };
            let (by, i, j, seen, slope) = slopes.indexed_iter().map(miss).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            eprintln!("{} on {place}: {by:.1e}", family.key);
            assert!(by < tolerance, "{} on {place}: {seen} for {slope} in {j} at {:?}", family.key, thetas[i]);
        };
        // Differences: rounding of some hundred nats over 1e-5, and third derivatives times 1e-10. Points are far from the quicker form's
        // first reference, whose nodes lose digits in their tails; float32 keeps six digits of each difference.
        let quick = if family.key == "pareto_abe" { 1e-4 } else { 1e-8 };
        let out = asked(&mut *judge, &|i, j| thetas[i][j]);
        held("the judge", &|i, j| out.per_group[[i, 0, j]], 1e-8);
        let out = asked(&mut *made(None, false), &|i, j| thetas[i][j]);
        held("the CPU", &|i, j| out.per_group[[i, 0, j]], quick);
        let Some(device) = adapter.clone() else { continue };
        let (mut on_device, mut seen) = (made(Some(device), false), Array2::<f64>::zeros((POINTS, k)));
        for (theta, mut seen) in thetas.iter().zip(seen.rows_mut()) {
            let at = |factor: f64| Array3::from_shape_fn((1, 1, k), |(_, _, j)| theta[j] * factor);
            let (point, reference, none) = (at(1.0), at(1.0 / 1.1), Array2::zeros((1, 0)));
            on_device.set_reference(ParamBatch { per_group: reference.view(), shared: none.view() }).unwrap();
            let mut out = LikelihoodBatch::new(1, 1, k, 0);
            on_device.evaluate(ParamBatch { per_group: point.view(), shared: none.view() }, &mut out).unwrap();
            seen.assign(&out.per_group.index_axis(Axis(0), 0).index_axis(Axis(0), 0));
        }
        held("the device", &|i, j| seen[[i, j]], quick.max(2e-6));
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
