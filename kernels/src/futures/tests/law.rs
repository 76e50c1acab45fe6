//! Simulated futures against what the law says in closed form: chances, means, spreads, by period and by path.
//!
//! Seeded, hence deterministic. Means within five standard errors of the sample (two-sided 6e-7 each).

use super::draws::chi_square;
use super::*;

const DRAWS: usize = 4096;

/// Population parameters and a customer; each row is a group of one population, so that one device simulates all rows.
type Row = ([f64; 4], [f64; 3], Customer);

/// Per row, the pooled futures of `customers` who differ in their address alone, and the first one's summary.
fn pooled(
    device: &Device,
    rows: &[Row],
    with_spend: bool,
    horizon: &Horizon,
    customers: u64,
) -> Vec<(Vec<u32>, Vec<f32>, Future)> {
    let purchase = Array3::from_shape_fn((DRAWS, rows.len(), 4), |(_, row, k)| rows[row].0[k]);
    let spend = Array3::from_shape_fn((DRAWS, rows.len(), 3), |(_, row, k)| rows[row].1[k]);
    let mut gpu = gpu(device, &purchase, with_spend.then_some(&spend), horizon);
    let of_row = |row: usize| {
        (0..customers).map(move |i| Customer { address: i << 8 | row as u64, group: row as u32, ..rows[row].2 })
    };
    let all: Vec<_> = (0..rows.len()).flat_map(of_row).collect();
    gpu.submit(&all, &[]).expect("submitted");
    let futures = gpu.collect().expect("collected");
    let of_row = |first: usize| {
        let (mut counts, mut values) = (Vec::new(), Vec::new());
        for i in first..first + customers as usize {
            let (count, value) = gpu.futures_of(i);
            counts.extend(count);
            values.extend(value);
        }
        (counts, values, futures[first])
    };
    (0..all.len()).step_by(customers as usize).map(of_row).collect()
}

#[track_caller]
fn near(what: &str, sample: impl Iterator<Item = f64> + Clone, expected: f64) {
    let (mean, error) = mean_and_error(sample);
    assert!((mean - expected).abs() <= 5.0 * error, "{what}: {mean} ± {error}, expected {expected}");
}

/// P(k purchases) of a customer alive with p_alive: N ~ NegBin(r+x, 1/(1+h̃)) would come, of which dropout leaves the first K.
fn probability(theta: [f64; 4], who: &Customer, length: f64) -> impl Fn(u32) -> f64 {
    let [r, alpha, a, b] = theta;
    let n = r + f64::from(who.frequency);
    let b = b + f64::from(who.frequency);
    let h = length / (alpha + who.age);
    let alive = bg_nbd::p_alive(theta, who.frequency, who.recency, who.age);
    // P(N = k) and P(K > k) = E[(1−p)^k], up to a thousand.
    let (mut planned, mut stays) = (vec![(-n * h.ln_1p()).exp()], vec![1.0]);
    for k in 0..1000 {
        let j = f64::from(k);
        planned.push(planned[k as usize] * (n + j) / (j + 1.0) * h / (1.0 + h));
        stays.push(stays[k as usize] * (b + j) / (a + b + j));
    }
    let mut more = vec![0.0; 1001];
    for k in (0..1000).rev() {
        more[k] = more[k + 1] + planned[k + 1];
    }
    move |k| match k as usize {
        0 => 1.0 - alive + alive * planned[0],
        k if k > 1000 => 0.0,
        k => alive * (planned[k] * stays[k - 1] + more[k] * (stays[k - 1] - stays[k])),
    }
}

/// Frequencies of every count, on the way purchase by purchase and on the way period by period.
#[test]
fn counts_have_their_frequencies() {
    let Some(device) = device() else { return };
    let rows = [
        (BG_NBD, GAMMA_GAMMA, customer(0, 0, 0.0, 38.86, 0.0)),
        (BG_NBD, GAMMA_GAMMA, customer(0, 2, 30.43, 38.86, 22.0)),
        (BG_NBD, GAMMA_GAMMA, customer(0, 26, 30.0, 31.0, 45.0)),
        ([4.0, 2.0, 0.02, 3.0], GAMMA_GAMMA, customer(0, 40, 30.0, 30.1, 45.0)),
        ([0.5, 3.0, 1e-3, 0.7], GAMMA_GAMMA, customer(0, 1, 1.0, 2.0, 45.0)),
    ];
    for (with_spend, periods) in [(false, 12), (true, 12), (true, 1)] {
        let horizon = months(&vec![1.0; periods]);
        let length = horizon.width * periods as f64;
        for ((theta, _, who), (counts, _, future)) in rows.iter().zip(pooled(&device, &rows, with_spend, &horizon, 32))
        {
            let chi = chi_square(&counts, probability(*theta, who, length));
            assert!(chi.abs() < 4.8, "{who:?} {theta:?} {periods} periods, spend {with_spend}: {chi}");
            let expected = bg_nbd::expected_purchases(*theta, who.frequency, who.recency, who.age, length);
            near("purchases", counts.iter().map(|k| f64::from(*k)), expected);
            let alive = bg_nbd::p_alive(*theta, who.frequency, who.recency, who.age);
            // Seven roundings of f32 and two built-in functions.
            assert!((future.p_alive - alive).abs() < 2e-6, "{} {alive}", future.p_alive);
        }
    }
}

/// The value of each period alone: expected purchases in it times expected spend; before ten expected purchases and after.
#[test]
fn values_have_their_means_period_by_period() {
    let Some(device) = device() else { return };
    let rows = [customer(0, 2, 30.43, 38.86, 22.0), customer(0, 60, 36.0, 36.2, 80.0), customer(0, 0, 0.0, 3.0, 0.0)]
        .map(|who| (BG_NBD, GAMMA_GAMMA, who));
    for period in [0, 1, 3] {
        let mut discount = [0.0; 4];
        discount[period] = 0.9;
        let horizon = Horizon { width: 13.0, discount: discount.to_vec() };
        for ((_, _, who), (_, values, _)) in rows.iter().zip(pooled(&device, &rows, true, &horizon, 16)) {
            let spend = gamma_gamma::expected_spend(GAMMA_GAMMA, who.frequency, who.monetary);
            let purchases = |periods: usize| {
                bg_nbd::expected_purchases(BG_NBD, who.frequency, who.recency, who.age, 13.0 * periods as f64)
            };
            let expected = 0.9 * spend * (purchases(period + 1) - purchases(period));
            near(&format!("{who:?} period {period}"), values.iter().map(|v| f64::from(*v)), expected);
        }
    }
}

/// Without dropout, purchases are negative binomial: Var N = n h̃ (1 + h̃). And with x purchases behind, E[V | N] = N s with s
/// the customer's expected spend, E[V² | N] = E[1/ν²] pN (pN + 1).
#[test]
fn spreads_are_those_of_the_law() {
    let Some(device) = device() else { return };
    let (theta, who) = ([0.8, 5.0, 1e-6, 50.0], customer(0, 4, 29.9, 30.0, 33.0));
    let horizon = months(&[1.0; 6]);
    let (counts, values, future) = pooled(&device, &[(theta, GAMMA_GAMMA, who)], true, &horizon, 32).remove(0);
    let (n, h) = (4.8, 6.0 * horizon.width / 35.0);
    let alive = bg_nbd::p_alive(theta, 4, 29.9, 30.0);
    let second = alive * (n * h * (1.0 + h) + n * n * h * h);
    near("E[N²]", counts.iter().map(|k| f64::from(*k).powi(2)), second);
    let [p, q, v] = GAMMA_GAMMA;
    let (shape, rate) = (4.0 * p + q, v + 4.0 * 33.0);
    let inverse_square = rate * rate / ((shape - 1.0) * (shape - 2.0));
    near("E[V²]", values.iter().map(|v| f64::from(*v).powi(2)), inverse_square * (p * p * second + p * alive * n * h));
    // The device's own moments of the first customer are those of its futures.
    let first: Vec<f64> = values[..DRAWS].iter().map(|v| f64::from(*v)).collect();
    let (mean, error) = mean_and_error(first.iter().copied());
    // f32 sums of 4,096 terms in three levels: at most 80 roundings.
    assert!((future.value_mean - mean).abs() < 5e-6 * mean, "{} {mean}", future.value_mean);
    assert!((future.value_sd - error * (DRAWS as f64).sqrt()).abs() < 1e-5 * future.value_sd);
}

/// P(alive) over posterior draws that differ, at odds from tiny to huge.
#[test]
fn p_alive_is_the_mean_over_draws() {
    let Some(device) = device() else { return };
    let purchase = Array3::from_shape_fn((777, 3, 4), |(draw, group, k)| {
        BG_NBD[k] * (1.0 + 0.3 * ((draw * 31 + group * 7 + k * 3) as f64).sin())
    });
    let mut gpu = gpu(&device, &purchase, None, &months(&[1.0; 12]));
    let mut customers = shop(400, 3);
    customers.push(customer(1, 200, 10.0, 60.0, 1.0));
    customers.push(customer(1, 100_000, 52.0, 52.0, 1.0));
    gpu.submit(&customers, &[]).expect("submitted");
    for (future, who) in gpu.collect().expect("collected").iter().zip(&customers) {
        let at = |draw: usize| std::array::from_fn(|k| purchase[[draw, who.group as usize, k]]);
        let alive =
            (0..777).map(|draw| bg_nbd::p_alive(at(draw), who.frequency, who.recency, who.age)).sum::<f64>() / 777.0;
        // (r + x) ln(…) is of the order of ln P: an f32 of it is off by 1e-7 of ln P.
        let allowed = 3e-6 * alive * (1.0 - alive.max(1e-37).ln());
        assert!((future.p_alive - alive).abs() < allowed.max(1e-37), "{who:?}: {} {alive}", future.p_alive);
        assert_eq!((future.value_mean, future.value_sd, future.value), (0.0, 0.0, [0.0; 5]));
    }
}

/// Nothing overflows, hangs or turns into NaN at the ends of what can be asked.
#[test]
fn extremes_stay_sane() {
    let Some(device) = device() else { return };
    let horizon = months(&[1.0; 12]);
    let year = 12.0 * horizon.width;
    let rows = [
        ([0.243, 4.414, 0.793, 2.426], [6.25, 3.74, 15.44], customer(1, 100_000, 51.99, 52.0, 9.0)),
        ([0.243, 4.414, 0.793, 2.426], [6.25, 1.000_1, 15.44], customer(1, 0, 0.0, 0.0, 0.0)),
        ([0.243, 4.414, 0.793, 2.426], [6.25, 3.74, 15.44], customer(1, 7, 52.0, 52.0, 1e9)),
        ([1e-3, 4.414, 1e-3, 2.426], [1e-3, 1.5, 15.44], customer(1, 0, 0.0, 500.0, 0.0)),
        ([1e-3, 1e-3, 1e-3, 1e-3], [0.5, 1.1, 1e9], customer(1, 1, 1e-4, 1e-4, 1e9)),
        ([0.5, 1e6, 30.0, 1e-3], [6.25, 3.74, 15.44], customer(1, 1, 0.5, 10.0, 20.0)),
        ([1e5, 52.0, 1e-3, 1e3], [6.25, 3.74, 15.44], customer(1, 0, 0.0, 0.0, 0.0)),
        ([1e6, 1e-3, 1e-3, 1e6], [6.25, 3.74, 15.44], customer(1, 0, 0.0, 0.0, 0.0)),
    ];
    for ((theta, pqv, who), (counts, values, future)) in rows.into_iter().zip(pooled(&device, &rows, true, &horizon, 2))
    {
        let numbers = [future.p_alive, future.purchases_mean, future.value_mean, future.value_sd];
        let all = numbers.iter().chain(&future.value).copied().chain(values.iter().map(|v| f64::from(*v)));
        assert!(all.clone().all(|x| x.is_finite() && x >= 0.0), "{theta:?} {pqv:?} {who:?}: {future:?}");
        assert!(future.value.is_sorted() && future.purchases.is_sorted(), "{future:?}");
        assert!(counts.iter().zip(&values).all(|(k, v)| *k <= MAX_PURCHASES && (*k > 0 || *v == 0.0)));
        let expected = bg_nbd::expected_purchases(theta, who.frequency, who.recency, who.age, year);
        if expected * (counts.len() as f64) < 100.0 {
            // Too few purchases for a standard error: at most eight times as many as expected, and ten (Markov).
            assert!(
                counts.iter().sum::<u32>() as f64 <= 8.0 * expected * counts.len() as f64 + 10.0,
                "{theta:?} {who:?}"
            );
        } else if expected < 1e6 {
            near(&format!("{theta:?} {who:?}"), counts.iter().map(|k| f64::from(*k)), expected);
        } else {
            // Expected purchases are cut at e^16.6 = 1.62e7, of which a Poisson number may be a few thousand short.
            assert!(future.purchases.iter().all(|k| (16_000_000..=MAX_PURCHASES).contains(k)), "{future:?}");
        }
    }
}
