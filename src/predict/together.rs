//! Customers whose two rates are lognormal and go together: one at a time, over all draws of the population's parameters. What they buy
//! is Poisson(λ) until they leave at rate μ.
//!
//! The quadrature is the kernels' ([`Rates`]). Whether a customer buys at all within the horizon is decided by its probability; λ and μ
//! are drawn only of those who do, from what their purchases say and that they will buy again. Given λ, μ and that, the first purchase
//! comes after a time of rate λ + μ that ends within the horizon, and from then on customers live and buy as new ones do.

use rand_distr::{Distribution, StandardNormal};

use super::Grid;
use super::expectation::PurchaseMeans;
use super::future::{History, Purchases, poisson};
use crate::kernels::pareto_abe::{K, Rates, Strata, expected_purchases_given};
use crate::kernels::rng::Ahead;

/// P(alive), purchases and discounted purchases over the periods of `grid`, averaged over draws.
pub(super) fn means(rates: &mut Rates, strata: &Strata, history: (u32, f64, f64), grid: &Grid) -> PurchaseMeans {
    let of_node = |alive: f64, lambda: f64, mu: f64| {
        let until = |horizon: f64| alive * expected_purchases_given([lambda, mu], horizon);
        // What is bought in a period is e^−μw of what is bought in the one before.
        let (first, stay) = (until(grid.width), (-mu * grid.width).exp());
        let discounted = grid.discount.iter().rev().fold(0.0, |later, factor| later * stay + factor);
        [alive, until(grid.length()), first * discounted]
    };
    let (mut sums, mut draws) = ([0.0; 3], 0);
    rates.each(strata, history, of_node, |_, told| {
        sums.iter_mut().zip(told.means).for_each(|(sum, mean)| *sum += mean);
        draws += 1;
    });
    let [p_alive, purchases, discounted] = sums.map(|sum| sum / f64::from(draws));
    PurchaseMeans { p_alive: p_alive.min(1.0), purchases, discounted }
}

/// Calls `made` for every draw in which a customer with that history buys within `horizon`, in order, with the stream of the draw, which
/// `begin` begins.
pub(super) fn each_buying_draw(
    rates: &mut Rates,
    strata: &Strata,
    history: &History,
    horizon: f64,
    begin: impl Fn(usize) -> Ahead,
    mut made: impl FnMut(usize, Purchases, &mut Ahead),
) {
    let buys = |alive: f64, lambda: f64, mu: f64| {
        let both = lambda + mu;
        [alive * lambda / both * -(-both * horizon).exp_m1()]
    };
    // Strata come one after another, draws in their order within each.
    let mut buyers: Vec<(usize, Purchases, Ahead)> = Vec::new();
    rates.each(strata, (history.x, history.recency, history.age), buys, |draw, told| {
        let mut rng = begin(draw);
        let (u, [p_buys]) = (rng.uniform(), told.means);
        if u < p_buys {
            let own = told.draw(u / p_buys, || rng.uniform());
            let purchases = buyer(&mut rng, own, horizon);
            buyers.push((draw, purchases, rng));
        }
    });
    buyers.sort_unstable_by_key(|(draw, ..)| *draw);
    for (draw, purchases, mut rng) in buyers {
        made(draw, purchases, &mut rng);
    }
}

/// What a customer who is alive and buys within `horizon` buys until then.
fn buyer(rng: &mut Ahead, [lambda, mu]: [f64; 2], horizon: f64) -> Purchases {
    let both = lambda + mu;
    let first = (-(rng.uniform() * (-both * horizon).exp_m1()).ln_1p() / both).min(horizon);
    let until = (first - rng.uniform().ln() / mu).min(horizon);
    let made = 1 + poisson(rng, lambda * (until - first));
    Purchases { planned: made, made, until: until / horizon }
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
    use crate::kernels::rng::Purpose;
    use crate::model::Dropout;
    use crate::predict::laws::{Law, strata};

    const HISTORIES: [(u32, f64, f64); 4] = [(0, 0.0, 39.0), (2, 12.0, 39.0), (9, 38.0, 39.0), (30, 35.0, 39.0)];

    fn told(laws: &[Law], history: (u32, f64, f64)) -> PurchaseMeans {
        means(&mut Rates::default(), &strata(laws), history, &year())
    }

    /// Draws around one point, as those of some thousand customers.
    fn laws(draws: usize, spread: f64) -> Vec<Law> {
        let law = |d: usize| {
            let by = |k: u32| (spread * Ahead::new(9, Purpose::Test, d as u64, k).uniform()).exp();
            let corr = (0.3 * by(4)).min(0.9);
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
            let seen = told(&laws, (x, t_x, t));
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
    fn buying_draws_come_in_order() {
        // A factor of eight apart, so that they are in several strata.
        let (laws, history) = (laws(400, 2.0), History { x: 3, recency: 39.0, age: 39.0, monetary: 0.0 });
        let begin = |draw: usize| Ahead::new(7, Purpose::Test, 0, draw as u32);
        let mut bought: Vec<usize> = Vec::new();
        each_buying_draw(&mut Rates::default(), &strata(&laws), &history, 52.0, begin, |draw, _, _| bought.push(draw));
        assert!(bought.len() > 200 && bought.is_sorted(), "{bought:?}");
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
            let begin = |draw: usize| Ahead::new(7, Purpose::Test, i as u64, draw as u32);
            let (mut counts, mut buys) = (vec![0.0; draws], vec![0.0; draws]);
            each_buying_draw(&mut Rates::default(), &strata(&laws), &history, horizon, begin, |draw, purchases, _| {
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
