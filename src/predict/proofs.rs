//! The law taken apart ([`super::future`]) is the law as it is written ([`super::plain`]): counts and values of both, by frequency and
//! by rank, for customers and populations of every kind. And how much faster it is, for whoever asks.

use std::time::Instant;

use super::future::{self, History, Outlook};
use super::laws::{Law, Laws, MAX_BOXES};
use super::tests_support::{CDNOW, CDNOW_SPEND, dropouts, population, settings, summary};
use super::{
    Cpu, CustomerPosterior, Engine, Gpu, Grid, Labelling, Population, Settings, expectations, plain, predict_customers,
};
use crate::data::Summary;
use crate::kernels::rng::{Ahead, Purpose, Stream};
use crate::model::Dropout;

const DRAWS: u64 = 40_000;

fn law(purchase: [f64; 4], spend: [f64; 3]) -> Law {
    Law { spend, ..Law::new(Dropout::AfterRepeat, purchase) }
}

/// Every way to leave for customers of every kind.
fn cases() -> Vec<(Law, History, Grid)> {
    let of = |dropout| cases_of_repeat_dropout().into_iter().map(move |(l, h, g)| (Law { dropout, ..l }, h, g));
    dropouts().flat_map(of).collect()
}

/// Idle, regular, half gone, just arrived, and so frequent that purchases are drawn from their rate; short and endless horizons.
fn cases_of_repeat_dropout() -> Vec<(Law, History, Grid)> {
    let year = settings().grid();
    let of = |x, recency, age, monetary| History { x, recency, age, monetary };
    let cdnow = law(CDNOW, CDNOW_SPEND);
    vec![
        (cdnow, of(0, 0.0, 38.9, 0.0), year.clone()),
        (cdnow, of(0, 0.0, 0.0, 0.0), year.clone()),
        (cdnow, of(2, 30.4, 38.9, 22.3), year.clone()),
        (cdnow, of(6, 12.0, 30.0, 8.0), year.clone()),
        (cdnow, of(14, 37.0, 38.0, 61.0), year.clone()),
        (cdnow, of(60, 37.5, 38.0, 33.0), year.clone()),
        // Quick to leave: most plans are cut short.
        (law([1.5, 3.0, 4.0, 2.0], [0.6, 2.5, 9.0]), of(3, 9.0, 9.5, 14.0), year.clone()),
        // A heavy tail of counts near the change of method.
        (law([0.3, 2.0, 0.05, 3.0], CDNOW_SPEND), of(1, 1.0, 1.1, 30.0), Grid::single(50.0)),
        (law([0.3, 2.0, 0.05, 3.0], CDNOW_SPEND), of(0, 0.0, 0.1, 0.0), Grid { width: 12.0, discount: vec![0.9; 12] }),
    ]
}

/// Purchases and their value from both, sample for sample unrelated.
fn samples((law, history, grid): &(Law, History, Grid)) -> [Vec<(u32, f64)>; 2] {
    let mut by_period = vec![0; grid.periods()];
    let plain = (0..DRAWS).map(|i| {
        let rng = &mut Stream::new(1, Purpose::Test, i, 0);
        let Law { r, alpha, leaving: [a, b], corr: _, dropout, spend } = *law;
        let count = plain::purchases(rng, dropout, [r, alpha, a, b], history, grid, &mut by_period);
        (count, if count > 0 { plain::spend(rng, spend, history, grid, &by_period) } else { 0.0 })
    });
    let plain = plain.collect();
    let mut scratch = vec![9; grid.periods()];
    let outlook = Outlook::new(law, history, grid.length());
    let apart = (0..DRAWS).map(|i| {
        let rng = &mut Ahead::new(2, Purpose::Test, i, 0);
        let u = rng.uniform();
        outlook.purchases(u, rng).map_or((0, 0.0), |purchases| {
            (purchases.made, future::value(rng, law, history, grid, purchases, &mut scratch))
        })
    });
    [plain, apart.collect()]
}

/// Two-sample χ² over counts, classes of at least 20; the limit is its 1 − 1e-5 point (Wilson & Hilferty 1931).
#[test]
fn counts_follow_the_plain_law() {
    for (k, case) in cases().iter().enumerate() {
        let [plain, apart] = samples(case).map(|sample| {
            let mut counts: Vec<u32> = sample.into_iter().map(|(count, _)| count).collect();
            counts.sort_unstable();
            counts
        });
        let (mut chi2, mut classes, mut at) = (0.0, 0u32, 0);
        let upto = |counts: &[u32], limit: u32| counts.partition_point(|&c| c <= limit);
        let (mut seen, mut limit) = ([0, 0], 0);
        while at < plain.len() {
            let here = [upto(&plain, limit) - seen[0], upto(&apart, limit) - seen[1]];
            let rest = [plain.len() - seen[0] - here[0], apart.len() - seen[1] - here[1]];
            if here[0] + here[1] >= 40 && rest[0] + rest[1] >= 40 || rest == [0, 0] {
                let (o, e) = (here[0] as f64, here[1] as f64);
                chi2 += (o - e) * (o - e) / (o + e).max(1.0);
                classes += 1;
                seen = [seen[0] + here[0], seen[1] + here[1]];
            }
            at = if rest == [0, 0] { plain.len() } else { at };
            limit += 1;
        }
        let df = f64::from(classes - 1);
        let shift = 2.0 / (9.0 * df.max(1.0));
        let limit = df.max(1.0) * (1.0 - shift + 4.265 * shift.sqrt()).powi(3);
        assert!(classes > 1 && chi2 < limit, "case {k}: χ² {chi2:.1} with {df} degrees of freedom, limit {limit:.1}");
    }
}

/// Two-sample Kolmogorov-Smirnov distance of values; √(2/n) times 2.47 is its 1 − 1e-5 point.
#[test]
fn values_follow_the_plain_law() {
    for (k, case) in cases().iter().enumerate() {
        let [plain, apart] = samples(case).map(|sample| {
            let mut values: Vec<f64> = sample.into_iter().map(|(_, value)| value).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        });
        let distance = plain.iter().chain(&apart).fold(0.0f64, |worst, &at| {
            let share = |values: &[f64]| values.partition_point(|&v| v <= at) as f64 / DRAWS as f64;
            worst.max((share(&plain) - share(&apart)).abs())
        });
        let limit = 2.47 * (2.0 / DRAWS as f64).sqrt();
        assert!(distance < limit, "case {k}: distance {distance:.4}, limit {limit:.4}");
    }
}

/// A bound may let a draw through that does nothing; it never stops one that does something.
#[test]
fn bounds_hold_for_every_draw() {
    let base = population(300, CDNOW, Some(CDNOW_SPEND));
    let purchase = ndarray::Array3::from_shape_fn((300, 2, 4), |(d, g, k)| {
        let z = Stream::new(5, Purpose::Test, (2 * d + g) as u64, k as u32).normal();
        base.purchase[[d, 0, k]] * ((0.05 + 0.9 * g as f64) * z).exp()
    });
    for dropout in dropouts() {
        assert_bounds_hold(&Population { dropout, purchase: purchase.clone(), spend: None, covariates: None });
    }
}

fn assert_bounds_hold(population: &Population) {
    let laws = Laws::new(population);
    let rng = &mut Stream::new(6, Purpose::Test, 0, 0);
    let mut stopped = [0u32; 2];
    for i in 0..400u32 {
        let group = i % 2;
        let x = [0, 0, 1, 2, 5, 30, 400][(rng.uniform() * 7.0) as usize];
        let age = 60.0 * rng.uniform();
        let recency = if x > 0 { age * rng.uniform().sqrt() } else { 0.0 };
        let horizon = 80.0 * rng.uniform();
        let history = History { x, recency, age, monetary: 0.0 };
        let mut bounds = [0; MAX_BOXES];
        laws.bounds(group, x, recency, age, horizon, &mut bounds);
        for (law, &number) in laws.of(group).iter().zip(laws.boxes_of(group)) {
            let limit = Outlook::new(law, &history, horizon).buys_below();
            let bound = f64::from(bounds[usize::from(number)]) + 1.0;
            assert!(limit * 4_294_967_296.0 <= bound, "{law:?} {history:?}: {limit} above {}", bound / 4_294_967_296.0);
            stopped[group as usize] += u32::from(bound < 0.5 * 4_294_967_296.0);
        }
    }
    // Draws that hardly differ are told apart from the idle; a wide posterior is of less use.
    assert!(stopped[0] > 20_000 && stopped[1] > 1000, "{stopped:?}");
}

/// Both engines draw the same laws with unrelated numbers: customer by customer they differ by sampling error, and their totals by
/// that of a sum.
#[test]
fn the_device_agrees_with_the_processor() {
    let Some(device) = crate::adapter::device() else { return };
    let (customers, draws) = (2000, 400);
    let (shop, population) = (shop(customers, 3), posterior(draws, 3));
    let means = expectations(&shop, &population, &settings()).unwrap();
    let labellings = [Labelling::everyone(&shop), Labelling::groups(&shop)];
    let on = |engine: &mut dyn Engine| {
        let mut rows = Vec::new();
        let mut sink = |chunk: &[CustomerPosterior]| {
            rows.extend_from_slice(chunk);
            Ok(())
        };
        let totals = predict_customers(engine, &shop, &means, &labellings, &mut sink, &|_| ()).unwrap();
        (rows, totals)
    };
    let (cpu, cpu_totals) = on(&mut Cpu::new(&shop, &population, &settings(), &labellings).unwrap());
    let (gpu, gpu_totals) = on(&mut Gpu::new(&device, &shop, &population, &settings(), &labellings).unwrap());

    // A quantile of one engine lies where the other has it, give or take the error of a share: √(q(1−q)/n) of the draws either way,
    // five of them for both engines together, read off the other engine's own quantiles around it.
    let mut outside = 0;
    for (one, other) in cpu.iter().zip(&gpu) {
        assert_eq!((one.p_alive, one.purchases_mean), (other.p_alive, other.purchases_mean));
        let (one, other) = (one.purchases, other.purchases);
        let apart = |low: u32, high: u32, q: u32| q + 1 < low || q > high + 1;
        outside += u32::from(apart(one.q25, one.q75, other.q50)) + u32::from(apart(one.q50, one.q95, other.q75));
    }
    assert_eq!(outside, 0, "medians outside the other engine's middle half");

    // Means over customers: sums of 2000 unrelated differences. One customer's median varies by about 1.25 sd/√n.
    for (one, other) in [(&cpu_totals[0], &gpu_totals[0]), (&cpu_totals[1], &gpu_totals[1])] {
        for (a, b) in one.totals.iter().zip(&other.totals) {
            assert_eq!((a.customers, a.purchases.mean), (b.customers, b.purchases.mean));
        }
        for (a, b) in one.purchases.rows().into_iter().zip(other.purchases.rows()) {
            agree(a, b);
        }
        let (a, b) = (one.clv.as_ref().unwrap(), other.clv.as_ref().unwrap());
        for (a, b) in a.rows().into_iter().zip(b.rows()) {
            agree(a, b);
        }
    }
    // The sd of single customers, averaged: within a twentieth, since values have heavy tails.
    let mean_sd = |rows: &[CustomerPosterior]| rows.iter().map(|c| c.spend.unwrap().clv_sd).sum::<f64>();
    assert!((mean_sd(&gpu) / mean_sd(&cpu) - 1.0).abs() < 0.05, "{} {}", mean_sd(&gpu), mean_sd(&cpu));
    let mean_q95 = |rows: &[CustomerPosterior]| rows.iter().map(|c| c.spend.unwrap().clv.q95).sum::<f64>();
    assert!((mean_q95(&gpu) / mean_q95(&cpu) - 1.0).abs() < 0.02, "{} {}", mean_q95(&gpu), mean_q95(&cpu));
}

/// Joint draws of one total: means within five standard errors of their difference, draw by draw since they share parameters; sds
/// within a quarter (a sample sd of 400 draws has an error of 3.5 %).
fn agree(a: ndarray::ArrayView1<'_, f64>, b: ndarray::ArrayView1<'_, f64>) {
    let difference = &a - &b;
    let error = difference.std(1.0) / (a.len() as f64).sqrt();
    let mean = difference.mean().unwrap();
    assert!(mean.abs() < 5.0 * error, "{mean} ± {error} of {}", a.mean().unwrap());
    assert!((a.std(1.0) / b.std(1.0)).ln().abs() < 0.25, "sd {} against {}", a.std(1.0), b.std(1.0));
}

/// Customers of a shop of `groups` groups, observed for up to two years by day.
fn shop(customers: usize, groups: usize) -> Summary {
    let rows: Vec<_> = (0..customers)
        .map(|i| {
            let rng = &mut Stream::new(17, Purpose::Test, i as u64, 0);
            let age = (rng.uniform() * 728.0).ceil() / 7.0;
            // An exponential rate around the CDNOW mean, a dropout of about a quarter.
            let (rate, p) = (-rng.uniform().ln() * 0.055, 0.1 + 0.3 * rng.uniform());
            let (mut time, mut x, mut t_x) = (0.0, 0, 0.0);
            loop {
                time -= rng.uniform().ln() / rate;
                if time > age {
                    break;
                }
                (x, t_x) = (x + 1, ((time * 7.0).ceil() / 7.0).min(age));
                if rng.uniform() < p {
                    break;
                }
            }
            (x, t_x, age, if x > 0 { 10.0 + 50.0 * rng.uniform() } else { 0.0 })
        })
        .collect();
    let mut shop = summary(&rows);
    shop.group = (0..customers as u32).map(|i| i * 7 % groups as u32).collect();
    shop.groups.labels = (0..groups).map(|g| g.to_string()).collect();
    shop
}

/// Draws that differ as a posterior of many customers does.
fn posterior(draws: usize, groups: usize) -> Population {
    let jitter = |d: usize, g: usize, k: usize| {
        (0.05 * Stream::new(3, Purpose::Test, (d * groups + g) as u64, k as u32).normal()).exp()
    };
    Population {
        dropout: Dropout::AfterRepeat,
        purchase: ndarray::Array3::from_shape_fn((draws, groups, 4), |(d, g, k)| CDNOW[k] * jitter(d, g, k)),
        spend: Some(ndarray::Array3::from_shape_fn((draws, groups, 3), |(d, g, k)| {
            CDNOW_SPEND[k] * jitter(d, g, 4 + k)
        })),
        covariates: None,
    }
}

/// Seconds per million customer-draws, plain against taken apart, in one process: `cargo test --release --lib -- --ignored
/// --nocapture seconds_per`.
#[test]
#[ignore = "a measurement"]
fn seconds_per_million_customer_draws() {
    let (customers, draws) = (100_000, 500);
    let (shop, population) = (shop(customers, 16), posterior(draws, 16));
    let settings = Settings { chunk_customers: 4096, ..settings() };
    let start = Instant::now();
    let means = expectations(&shop, &population, &settings).unwrap();
    eprintln!("expectations {:.2} s", start.elapsed().as_secs_f64());
    let thirds = Labelling {
        name: "third".into(),
        labels: (0..3).map(|k| k.to_string()).collect(),
        of_customer: (0..customers as u32).map(|i| i % 3).collect(),
    };
    let labellings = [Labelling::everyone(&shop), Labelling::groups(&shop), thirds];
    for round in 0..3 {
        let start = Instant::now();
        let (grid, laws) = (settings.grid(), Laws::new(&population));
        let sample = 4000;
        let mut by_period = vec![0; grid.periods()];
        let mut sum = 0.0;
        for i in 0..sample {
            let history = History::of(&shop, i);
            let address = future::customer_address(&shop.customer_id[i]);
            let by_draw = laws.of(shop.group[i]);
            for (draw, law) in by_draw.iter().enumerate().take(draws) {
                let rng = &mut Stream::new(1, Purpose::Prediction, address, draw as u32);
                let group = shop.group[i] as usize;
                let params = population.purchase_at(draw, group);
                let count = plain::purchases(rng, population.dropout, params, &history, &grid, &mut by_period);
                if count > 0 {
                    sum += plain::spend(rng, law.spend, &history, &grid, &by_period);
                }
            }
        }
        let plain = start.elapsed().as_secs_f64() / (sample * draws) as f64 * 1e6;
        let start = Instant::now();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let total = pool.install(|| {
            let mut engine = Cpu::new(&shop, &population, &settings, &labellings).unwrap();
            predict_customers(&mut engine, &shop, &means, &labellings, &mut |_| Ok(()), &|_| ()).unwrap()
        });
        let fast = start.elapsed().as_secs_f64() / (customers * draws) as f64 * 1e6;
        let start = Instant::now();
        let mut engine = Cpu::new(&shop, &population, &settings, &labellings).unwrap();
        predict_customers(&mut engine, &shop, &means, &labellings, &mut |_| Ok(()), &|_| ()).unwrap();
        let all = start.elapsed().as_secs_f64() / (customers * draws) as f64 * 1e6;
        eprintln!(
            "round {round}: plain simulation alone {plain:.4}, everything on one thread {fast:.4}, on all {all:.4} ({:.0} a customer; total {:.0})",
            sum / sample as f64 / draws as f64,
            total[0].totals[0].clv.unwrap().mean,
        );
    }
}
