//! A simulated world near CDNOW's for the posterior's tests, the plainest likelihood over it, and short names for what the tests do.

use std::ops::Range;

use ndarray::{Array1, ArrayView2, Axis};
use rand_distr::{Distribution, Gamma};

use super::super::*;
use crate::dist::Prior;
use crate::dist::{Centring, Centrings, HierarchySpec};
use crate::kernels::rng::Purpose;
use crate::kernels::{PointwiseBatch, bg_bb, bg_nbd, gamma_gamma, mbg_nbd, nbd, pareto_abe, pareto_nbd, s_bg};
use crate::model::family;

/// A customer: `(group, x, t_x, T, m)`.
pub(super) type Customer = (usize, u32, f64, f64, f64);

/// The plainest likelihood: a sum over customers; none at all when there are no rows.
pub(super) struct Plain {
    pub(super) key: &'static str,
    pub(super) groups: usize,
    pub(super) rows: Vec<Customer>,
}

impl Plain {
    /// One customer's log-likelihood and slopes; none where the family says nothing of them. The discrete families see whole weeks.
    fn of_customer(&self, at: &[f64], x: u32, t_x: f64, t: f64, m: f64) -> Option<(f64, Vec<f64>)> {
        let four = || [at[0], at[1], at[2], at[3]];
        let (last, n) = whole(x, t_x, t);
        let listed = |(value, slopes): (f64, [f64; 4])| Some((value, slopes.to_vec()));
        match self.key {
            "bg_nbd" => listed(bg_nbd::log_lik_gradient(four(), x, t_x, t)),
            "mbg_nbd" => listed(mbg_nbd::log_lik_gradient(four(), x, t_x, t)),
            "pareto_nbd" => listed(pareto_nbd::log_lik_gradient(four(), x, t_x, t)),
            "pareto_abe" => {
                let (value, slopes) = pareto_abe::log_lik_gradient([at[0], at[1], at[2], at[3], at[4]], x, t_x, t);
                Some((value, slopes.to_vec()))
            }
            "nbd" => {
                let (value, slopes) = nbd::log_lik_gradient([at[0], at[1]], x, t);
                Some((value, slopes.to_vec()))
            }
            "bg_bb" => listed(bg_bb::log_lik_gradient(four(), x.min(last), last, n)),
            "s_bg" => {
                let (value, slopes) = s_bg::log_lik_gradient([at[0], at[1]], n, x == 0);
                Some((value, slopes.to_vec()))
            }
            "gamma_gamma" if x > 0 => {
                let (value, slopes) = gamma_gamma::log_lik_gradient([at[0], at[1], at[2]], x, m);
                Some((value, slopes.to_vec()))
            }
            "gamma_gamma" => None,
            other => panic!("{other} needs its plainest likelihood here"),
        }
    }
}

impl Likelihood for Plain {
    fn groups(&self) -> usize {
        self.groups
    }
    fn rows(&self) -> u64 {
        self.rows.len() as u64
    }
    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        out.log_lik.fill(0.0);
        out.per_group.fill(0.0);
        for (chain, theta) in params.per_group.axis_iter(Axis(0)).enumerate() {
            let family = family(self.key).expect("a model of the table");
            let is_possible = theta.rows().into_iter().all(|group| family.is_possible(group));
            assert!(is_possible, "an impossible point reached the likelihood");
            for &(g, x, t_x, t, m) in &self.rows {
                let Some((value, gradient)) = self.of_customer(&theta.row(g).to_vec(), x, t_x, t, m) else { continue };
                out.log_lik[chain] += value;
                for (k, d) in gradient.into_iter().enumerate() {
                    out.per_group[[chain, g, k]] += d;
                }
            }
        }
        Ok(())
    }
    fn set_reference(&mut self, _at: ParamBatch<'_>) -> Result<(), KernelError> {
        Ok(())
    }
    fn pointwise(&mut self, _: ParamBatch<'_>, _: Range<u64>, _: &mut PointwiseBatch) -> Result<(), KernelError> {
        Err(KernelError::new("not for this test", "ask another likelihood"))
    }
}

/// Last purchase and end in whole weeks.
pub(super) fn whole(x: u32, t_x: f64, t: f64) -> (u32, u32) {
    let n = t.ceil() as u32;
    (if x == 0 { 0 } else { (t_x.ceil() as u32).clamp(1, n) }, n)
}

/// Customers of a BG/NBD × Gamma-Gamma world near CDNOW's: r 0.25, α 4.5, a 0.8, b 2.4; p 6, q 4, v 15; T in 27…39 weeks.
pub(super) fn customers(groups: usize, per_group: usize) -> Vec<Customer> {
    let gamma = |shape, rate: f64, s: &mut Stream| Gamma::new(shape, 1.0 / rate).unwrap().sample(s);
    (0..groups * per_group)
        .map(|i| {
            let mut s = Stream::new(20, Purpose::Test, i as u64, 0);
            let age = 27.0 + 12.0 * s.uniform();
            let rate = gamma(0.25, 4.5, &mut s);
            let leave = rand_distr::Beta::new(0.8, 2.4).unwrap().sample(&mut s);
            let (mut x, mut t_x) = (0, 0.0);
            loop {
                let next = t_x - s.uniform().ln() / rate;
                if next > age {
                    break;
                }
                (x, t_x) = (x + 1, next);
                if s.uniform() < leave {
                    break;
                }
            }
            let nu = gamma(4.0, 15.0, &mut s);
            let m = if x > 0 { gamma(6.0 * f64::from(x), nu * f64::from(x), &mut s) } else { 0.0 };
            (i / per_group, x, t_x, age, m)
        })
        .collect()
}

pub(super) fn world(groups: usize, per_group: usize) -> (Groups, Scale, Vec<Customer>) {
    let rows = customers(groups, per_group);
    let labels = (0..groups).map(|g| format!("w{g:02}")).collect();
    let column = (groups > 1).then(|| "cohort".to_owned());
    let sum = |f: fn(&Customer) -> f64| rows.iter().map(f).sum::<f64>();
    let mut repeaters = vec![0; groups];
    for r in &rows {
        repeaters[r.0] += u64::from(r.1 > 0);
    }
    let scale = Scale {
        purchase_rate: sum(|r| f64::from(r.1)) / sum(|r| r.3),
        mean_spend: sum(|r| r.4) / repeaters.iter().sum::<u64>() as f64,
    };
    (Groups { column, labels }, scale, rows)
}

/// The same customers in groups within groups: `counts[0]` of them, in each `counts[1]`, and so on.
pub(super) fn tree(counts: &[usize]) -> Groups {
    let mut labels = vec![String::new()];
    for (level, &count) in counts.iter().enumerate() {
        let child = |parent: &String, i: usize| match level {
            0 => format!("a{i}"),
            _ => format!("{parent} > {}{i}", ["a", "b", "c"][level]),
        };
        labels = labels.iter().flat_map(|parent| (0..count).map(move |i| child(parent, i))).collect();
    }
    Groups { column: Some(["a", "b", "c"][..counts.len()].join(" > ")), labels }
}

/// A posterior over nested groups with so many customers in each of the last level.
pub(super) fn nested(key: &str, counts: &[usize], per_group: usize, spec: &PriorSpec) -> Posterior {
    let family = family(key).unwrap();
    let groups = tree(counts);
    let (_, scale, rows) = world(groups.labels.len(), if per_group == 0 { 50 } else { per_group });
    let rows = if per_group == 0 { vec![] } else { rows };
    let likelihood = Plain { key: family.key, groups: groups.labels.len(), rows };
    Posterior::new(family, Box::new(likelihood), &groups, spec, &scale).unwrap()
}

pub(super) fn posterior(key: &str, groups: usize, per_group: usize, spec: &PriorSpec) -> Posterior {
    let family = family(key).unwrap();
    let (names, scale, rows) = world(groups, per_group);
    let likelihood = Plain { key: family.key, groups, rows };
    Posterior::new(family, Box::new(likelihood), &names, spec, &scale).unwrap()
}

/// Without any customer the posterior is the prior.
pub(super) fn prior_alone(key: &str, groups: usize, spec: &PriorSpec) -> Posterior {
    let family = family(key).unwrap();
    let (names, scale, _) = world(groups, 50);
    let likelihood = Plain { key: family.key, groups, rows: vec![] };
    Posterior::new(family, Box::new(likelihood), &names, spec, &scale).unwrap()
}

pub(super) fn spec(toml: &str) -> PriorSpec {
    toml::from_str(toml).unwrap()
}

pub(super) fn centring(centring: Centring) -> PriorSpec {
    let centring = Centrings::All(centring);
    PriorSpec { hierarchy: Some(HierarchySpec { centring, ..Default::default() }), ..Default::default() }
}

/// The priors of the published CDNOW posterior.
pub(super) fn published() -> PriorSpec {
    spec(
        "priors.r = { dist = \"weibull\", shape = 2, scale = 1 }
         priors.alpha = { dist = \"weibull\", shape = 2, scale = 10 }
         priors.phi = { dist = \"uniform\", low = 0, high = 1 }
         priors.kappa = { dist = \"pareto\", shape = 1, scale = 1 }",
    )
}

pub(super) fn all_flat(names: &[&str]) -> PriorSpec {
    PriorSpec {
        priors: names.iter().map(|n| ((*n).to_owned(), Prior::Flat)).collect(),
        hierarchy: None,
        covariates: None,
    }
}

pub(super) fn evaluate(p: &mut Posterior, points: ArrayView2<'_, f64>) -> Evaluation {
    let mut out = Evaluation::new(points.nrows(), p.dim());
    p.evaluate(points, &mut out).unwrap();
    out
}

pub(super) fn at(p: &mut Posterior, point: &Array1<f64>) -> (f64, Array1<f64>) {
    let out = evaluate(p, point.view().insert_axis(Axis(0)));
    (out.log_density[0], out.gradient.row(0).to_owned())
}

/// `start` moved by a standard normal of size `size` in every coordinate.
pub(super) fn near_start(p: &Posterior, which: u64, size: f64) -> Array1<f64> {
    let mut stream = Stream::new(21, Purpose::Test, which, 1);
    p.start().mapv(|u| u + size * stream.normal())
}
