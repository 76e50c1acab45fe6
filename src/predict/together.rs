//! Customers whose two rates are lognormal and go together: one at a time, over all draws of the population's parameters. What they buy
//! is Poisson(λ) until they leave at rate μ; λ, μ and whether they are still there are drawn from what their purchases say.
//!
//! The quadrature is the kernels' ([`Rates`]): a customer's nodes are placed once, amid the draws, and weighed anew at each.

use rand_distr::{Distribution, StandardNormal};

use super::Grid;
use super::expectation::{PurchaseMeans, discounted};
use super::future::{History, Purchases, poisson};
use super::laws::Law;
use super::sift::Subject;
use crate::kernels::pareto_abe::{K, Rates, expected_purchases_given};
use crate::kernels::rng::{Ahead, Purpose};

/// What a history says of λ and μ, with nodes amid the draws.
fn rates(by_draw: &[Law], (x, recency, age): (u32, f64, f64)) -> Rates {
    let mut amid = [0.0; K];
    for law in by_draw {
        amid.iter_mut().zip(law.together()).for_each(|(sum, value)| *sum += value / by_draw.len() as f64);
    }
    Rates::new(&amid, x, recency, age)
}

/// P(alive), purchases and discounted purchases over the periods of `grid`, averaged over draws.
pub(super) fn means(by_draw: &[Law], history: (u32, f64, f64), grid: &Grid) -> PurchaseMeans {
    let of_node = |alive: f64, lambda: f64, mu: f64| {
        let until = |k: usize| expected_purchases_given([lambda, mu], (k + 1) as f64 * grid.width);
        let cumulative: Vec<f64> = (0..grid.periods()).map(until).collect();
        [alive, alive * cumulative[grid.periods() - 1], alive * discounted(&cumulative, &grid.discount)]
    };
    let mut rates = rates(by_draw, history);
    let values = rates.values(of_node);
    let mut sums = [0.0; 3];
    for law in by_draw {
        let means = if rates.at(&law.together()) { rates.mean(&values) } else { rates.mean(&rates.values(of_node)) };
        sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean);
    }
    let [p_alive, purchases, discounted] = sums.map(|sum| sum / by_draw.len() as f64);
    PurchaseMeans { p_alive, purchases, discounted }
}

/// Calls `made` for every draw in which the subject buys within `horizon`, in order, with the stream its spend continues from.
pub(super) fn each_buying_draw(
    by_draw: &[Law],
    subject: &Subject,
    seed: u64,
    horizon: f64,
    mut made: impl FnMut(usize, Purchases, &mut Ahead),
) {
    let History { x, recency, age, .. } = subject.history;
    let mut rates = rates(by_draw, (x, recency, age));
    for (draw, law) in by_draw.iter().enumerate() {
        let mut rng = Ahead::new(seed, Purpose::Prediction, subject.address, draw as u32);
        rates.at(&law.together());
        let own = rates.draw(|| rng.uniform());
        if rng.uniform() >= rates.alive_given(own) {
            continue;
        }
        if let Some(purchases) = life(&mut rng, own, horizon) {
            made(draw, purchases, &mut rng);
        }
    }
}

/// What a new customer buys within `horizon`, if anything.
pub(super) fn newcomer(
    rng: &mut Ahead,
    [rate, death, sd_rate, sd_death, corr]: [f64; K],
    horizon: f64,
) -> Option<Purchases> {
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let (own, other) = (normal(), normal());
    let both = corr * own + (1.0 - corr * corr).sqrt() * other;
    life(rng, [rate * (sd_rate * own).exp(), death * (sd_death * both).exp()], horizon)
}

/// Purchases until the horizon or the end of an exponential lifetime.
fn life(rng: &mut Ahead, [lambda, mu]: [f64; 2], horizon: f64) -> Option<Purchases> {
    let until = (-rng.uniform().ln() / (mu * horizon)).min(1.0);
    let made = poisson(rng, lambda * until * horizon);
    (made > 0).then_some(Purchases { planned: made, made, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::pareto_abe;
    use crate::model::Dropout;

    const HISTORIES: [(u32, f64, f64); 4] = [(0, 0.0, 39.0), (2, 12.0, 39.0), (9, 38.0, 39.0), (30, 35.0, 39.0)];

    /// Draws around one point, as those of some thousand customers.
    fn laws(draws: usize, spread: f64) -> Vec<Law> {
        let law = |d: usize| {
            let by = |k: u32| (spread * Ahead::new(9, Purpose::Test, d as u64, k).uniform()).exp();
            let corr = 0.3 * by(4);
            Law { corr, ..Law::new(Dropout::AnyTimeTogether, [0.2 * by(0), 0.03 * by(1), 0.8 * by(2), 1.2 * by(3)]) }
        };
        (0..draws).map(law).collect()
    }

    fn year() -> Grid {
        Grid { width: 13.0, discount: vec![0.97, 0.94, 0.91, 0.88] }
    }

    #[test]
    fn means_are_those_of_the_kernels() {
        let laws = laws(9, 0.2);
        for (x, t_x, t) in HISTORIES {
            let seen = means(&laws, (x, t_x, t), &year());
            let mean = |of: &dyn Fn([f64; K]) -> f64| laws.iter().map(|law| of(law.together())).sum::<f64>() / 9.0;
            let until =
                |theta, quarter: u32| pareto_abe::expected_purchases(theta, x, t_x, t, 13.0 * f64::from(quarter));
            let alive = mean(&|theta| pareto_abe::p_alive(theta, x, t_x, t));
            let purchases = mean(&|theta| until(theta, 4));
            let quarter = |theta, k: u32| until(theta, k + 1) - if k == 0 { 0.0 } else { until(theta, k) };
            let discounted = mean(&|theta| (0..4).map(|k| year().discount[k as usize] * quarter(theta, k)).sum());
            // The reference's nodes at draws that are a tenth away.
            for (seen, judged) in [(seen.p_alive, alive), (seen.purchases, purchases), (seen.discounted, discounted)] {
                assert!((seen - judged).abs() < 2e-5 * judged + 1e-9, "{seen} {judged} at {x} {t_x} {t}");
            }
        }
    }

    #[test]
    fn futures_have_the_expected_number_of_purchases() {
        let (draws, horizon) = (20_000, 52.0);
        let laws = laws(draws, 0.0);
        let theta = laws[0].together();
        let close = |what: &str, counts: &[f64], expected: f64| {
            let n = counts.len() as f64;
            let mean = counts.iter().sum::<f64>() / n;
            let error = (counts.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / n / n).sqrt();
            // Four and a half standard errors of each of nine means; one set in 16,000 has a mean outside.
            assert!((mean - expected).abs() < 4.5 * error, "{what}: {mean} ± {error}, {expected} expected");
        };
        for (i, (x, recency, age)) in HISTORIES.into_iter().enumerate() {
            let history = History { x, recency, age, monetary: 0.0 };
            let subject = Subject { row: 0, group: 0, history, address: i as u64 };
            let (mut counts, mut buys) = (vec![0.0; draws], vec![0.0; draws]);
            each_buying_draw(&laws, &subject, 7, horizon, |draw, purchases, _| {
                (counts[draw], buys[draw]) = (f64::from(purchases.made), 1.0);
            });
            close("purchases", &counts, pareto_abe::expected_purchases(theta, x, recency, age, horizon));
            close("buyers", &buys, 1.0 - pareto_abe::probability_of(theta, x, recency, age, horizon, 0));
        }
        let counts: Vec<f64> = (0..draws)
            .map(|i| {
                let mut rng = Ahead::new(8, Purpose::Test, i as u64, 0);
                newcomer(&mut rng, theta, horizon).map_or(0.0, |purchases| f64::from(purchases.made))
            })
            .collect();
        close("newcomers", &counts, pareto_abe::expected_purchases_new(theta, horizon));
    }
}
