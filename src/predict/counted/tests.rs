//! Draws against closed forms, opportunity by opportunity; means against the kernels'; engine, window and checks against both.

use ndarray::Array3;

use super::super::tests_support::{CDNOW_SPEND, settings, summary};
use super::super::{CustomerPosterior, Expectations, Labelling, Settings, Totals, TrackingSettings, predict_customers};
use super::*;
use crate::data::Holdout;
use crate::kernels::rng::{Ahead, Purpose};
use crate::kernels::{bg_bb, gamma_gamma, s_bg};

/// Near the published donations and the regular cohort.
const DONORS: [f64; 4] = [1.2, 0.75, 0.66, 2.8];
const REGULAR: [f64; 2] = [0.7, 1.2];

fn donors(draws: usize, spend: Option<[f64; 3]>) -> CountedPopulation {
    CountedPopulation {
        counted: Counted::Opportunities,
        purchase: Array3::from_shape_fn((draws, 1, 4), |(_, _, k)| DONORS[k]),
        spend: spend.map(|spend| Array3::from_shape_fn((draws, 1, 3), |(_, _, k)| spend[k])),
    }
}

fn contracts(draws: usize) -> CountedPopulation {
    CountedPopulation {
        counted: Counted::Contracts,
        purchase: Array3::from_shape_fn((draws, 1, 2), |(_, _, k)| REGULAR[k]),
        spend: None,
    }
}

/// Twelve months, each an opportunity.
fn months() -> Settings {
    Settings { month_time_units: 1.0, ..settings() }
}

fn history(x: u32, t_x: u32, n: u32) -> History {
    History { x, t_x, n }
}

/// Within five standard errors of a share among `n` draws.
fn near(seen: u32, n: u32, share: f64) -> bool {
    let n = f64::from(n);
    (f64::from(seen) - n * share).abs() <= 5.0 * (n * share * (1.0 - share)).sqrt().max(1.0)
}

#[test]
fn draws_follow_the_closed_forms_opportunity_by_opportunity() {
    const DRAWS: u32 = 100_000;
    const H: u32 = 7;
    let (buyers, renewers) = (donors(1, None), contracts(1));
    let cases = [
        (&buyers, history(0, 0, 6)),
        (&buyers, history(3, 4, 6)),
        (&buyers, history(6, 6, 6)),
        (&buyers, history(0, 0, 0)),
        (&renewers, history(4, 4, 4)),
        (&renewers, history(0, 0, 0)),
        (&renewers, history(2, 2, 3)),
    ];
    for (population, seen) in cases {
        let (outlook, alive) = (population.outlook(0, 0, &seen), population.p_alive_at(0, 0, &seen));
        let (mut at, mut made_often) = ([0; H as usize], [0; H as usize + 1]);
        for draw in 0..DRAWS {
            let mut rng = Ahead::new(8, Purpose::Test, u64::from(seen.x) << 8 | u64::from(seen.n), draw);
            let mut made = 0;
            outlook.live(alive, H, &mut rng, |j| {
                at[j as usize - 1] += 1;
                made += 1;
            });
            made_often[made] += 1;
        }
        for (j, (count, stay)) in at.iter().zip(outlook.stays()).enumerate() {
            assert!(near(*count, DRAWS, alive * outlook.share() * stay), "{seen:?} {j}: {count}");
        }
        for (k, count) in made_often.iter().enumerate() {
            let History { x, t_x, n } = seen;
            let share = match population.counted {
                Counted::Opportunities => bg_bb::probability_of(DONORS, x, t_x, n, H, k as u32),
                Counted::Contracts if x == n => s_bg::probability_of(REGULAR, n, H, k as u32),
                Counted::Contracts => f64::from(u8::from(k == 0)),
            };
            assert!(near(*count, DRAWS, share), "{seen:?} {k} purchases: {count} for {share}");
        }
    }
}

/// Extreme chances do not run away.
#[test]
fn chances_of_zero_and_one_are_lived_too() {
    let mut rng = Ahead::new(8, Purpose::Test, 0, 0);
    for leaving in [[1e-9, 1e9], [1e9, 1e-9]] {
        for buying in [None, Some([1e9, 1e-9]), Some([1e-9, 1e9])] {
            let mut made = Vec::new();
            Outlook { leaving, buying }.live(1.0, 5, &mut rng, |at| made.push(at));
            let all = leaving[0] < 1.0 && buying.is_none_or(|[a, _]| a > 1.0);
            assert_eq!(made, if all { vec![1, 2, 3, 4, 5] } else { vec![] });
        }
    }
}

#[test]
fn means_are_the_kernels() {
    let rows = [(0, 0.0, 6.0, 0.0), (3, 4.0, 6.0, 20.0), (6, 6.0, 6.0, 9.0), (2, 2.0, 40.0, 5.0), (0, 0.0, 0.0, 0.0)];
    let (summary, settings) = (summary(&rows), months());
    let means = expectations_counted(&summary, &donors(3, Some(CDNOW_SPEND)), &settings).unwrap();
    let (end, residual) = (means.p_alive_end.unwrap(), means.residual_purchases.unwrap());
    // Both sides are sums of a dozen rounded terms, the residual a quadrature good to 1e-12.
    let same =
        |seen: f64, expected: f64| assert!((seen - expected).abs() < 1e-11 * expected.max(1.0), "{seen} {expected}");
    for (i, &(x, t_x, n, m)) in rows.iter().enumerate() {
        let (t_x, n) = (t_x as u32, n as u32);
        let within = |h: u32| bg_bb::expected_purchases(DONORS, x, t_x, n, h);
        same(means.p_alive[i], bg_bb::p_alive(DONORS, x, t_x, n));
        same(means.purchases[i], within(12));
        let discounted: f64 = (1..=12).map(|j| (within(j) - within(j - 1)) * 1.01f64.powi(-(j as i32))).sum();
        same(means.discounted_purchases[i], discounted);
        let [.., gamma, delta] = DONORS;
        same(end[i], means.p_alive[i] * s_bg::survival([gamma, delta + f64::from(n)], 12));
        same(residual[i], bg_bb::discounted_expected_purchases(DONORS, x, t_x, n, 0.01));
        let spend = gamma_gamma::expected_spend(CDNOW_SPEND, x, m);
        same(means.spend.as_ref().unwrap()[i], spend);
        same(means.clv.as_ref().unwrap()[i], spend * discounted);
    }
}

#[test]
fn contracts_are_valued_as_the_paper_does_and_the_lost_are_worth_nothing() {
    let summary = summary(&[(7, 7.0, 7.0, 0.0), (2, 2.0, 3.0, 0.0)]);
    let means = expectations_counted(&summary, &contracts(2), &months()).unwrap();
    assert_eq!(means.p_alive, [1.0, 0.0]);
    assert_eq!((means.purchases[1], means.discounted_purchases[1]), (0.0, 0.0));
    assert!((means.purchases[0] - s_bg::expected_periods(REGULAR, 7, 12)).abs() < 1e-11);
    // Fader & Hardie (2010) count the first renewal, which is about to be decided, as 1.
    let residual = means.residual_purchases.unwrap();
    assert!((residual[0] * 1.01 - s_bg::discounted_residual_lifetime(REGULAR, 7, 0.01)).abs() < 1e-9);
    assert_eq!((residual[1], means.p_alive_end.unwrap()[1]), (0.0, 0.0));
    let undiscounted = Settings { monthly_discount: 0.0, ..months() };
    assert_eq!(expectations_counted(&summary, &contracts(2), &undiscounted).unwrap().residual_purchases, None);
}

#[test]
fn what_lies_ahead_adds_up_to_the_means() {
    let summary = summary(&[(0, 0.0, 6.0, 0.0), (3, 4.0, 6.0, 1.0), (3, 4.0, 6.0, 1.0), (6, 6.0, 6.0, 1.0)]);
    let means = expectations_counted(&summary, &donors(4, None), &months()).unwrap();
    let ahead = ahead(&summary, &donors(4, None), &months()).unwrap();
    assert_eq!(ahead.len(), 12);
    let all: f64 = ahead.iter().map(|a| a.purchases).sum();
    assert!((all - means.purchases.iter().sum::<f64>()).abs() < 1e-11);
    assert!((ahead[11].alive - means.p_alive_end.unwrap().iter().sum::<f64>()).abs() < 1e-11);
    assert!(ahead.windows(2).all(|pair| pair[0].alive > pair[1].alive));
}

/// Fifty histories, several customers each.
fn crowd() -> crate::data::Summary {
    let rows: Vec<_> = (0..400u32)
        .map(|i| {
            let (n, t_x) = (4 + i % 5, i % 4);
            let x = if t_x == 0 { 0 } else { 1 + i % t_x };
            (x, f64::from(t_x), f64::from(n), if x == 0 { 0.0 } else { 10.0 })
        })
        .collect();
    summary(&rows)
}

fn predicted(settings: &Settings, draws: usize) -> (Vec<CustomerPosterior>, Vec<Totals>, Expectations) {
    let (summary, population) = (crowd(), donors(draws, Some(CDNOW_SPEND)));
    let labellings = [Labelling::everyone(&summary)];
    let means = expectations_counted(&summary, &population, settings).unwrap();
    let mut engine = CountedCpu::new(&summary, &population, settings, &labellings).unwrap();
    let mut customers = Vec::new();
    let totals = predict_customers(
        &mut engine,
        &summary,
        &means,
        &labellings,
        &mut |chunk| {
            customers.extend_from_slice(chunk);
            Ok(())
        },
        &|_| (),
    )
    .unwrap();
    (customers, totals, means)
}

#[test]
fn the_engine_draws_what_the_means_expect_whatever_the_chunks() {
    let (customers, totals, means) = predicted(&months(), 400);
    let again = predicted(&Settings { chunk_customers: 7, ..months() }, 400);
    assert_eq!((&customers, &totals), (&again.0, &again.1));
    let mean_of = |draws: ndarray::ArrayView1<'_, f64>| draws.sum() / draws.len() as f64;
    let (purchases, clv) = (totals[0].purchases.row(0), totals[0].clv.as_ref().unwrap().row(0));
    // Equal population draws leave each customer's own luck: five standard errors of the mean over draws.
    let error = |draws: ndarray::ArrayView1<'_, f64>| {
        let mean = mean_of(draws);
        (draws.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt()
            / (draws.len() as f64).sqrt()
    };
    let expected: f64 = means.purchases.iter().sum();
    assert!((mean_of(purchases) - expected).abs() < 5.0 * error(purchases), "{} {expected}", mean_of(purchases));
    let worth: f64 = means.clv.as_ref().unwrap().iter().sum();
    assert!((mean_of(clv) - worth).abs() < 5.0 * error(clv), "{} {worth}", mean_of(clv));
    assert!(customers.iter().all(|c| c.purchases.q95 <= 12 && c.ahead.is_some_and(|a| a.p_alive_end <= c.p_alive)));
}

#[test]
fn a_window_is_judged_in_whole_opportunities() {
    let (summary, population) = (crowd(), donors(300, None));
    let holdout = |length| Holdout { length, purchases: vec![1; 400], ..Holdout::default() };
    let window = predict_window_counted(&summary, &holdout(3.0), &population, &months(), &|_| ()).unwrap();
    let (mut drawn, mut known) = (0.0, 0.0);
    for (i, customer) in window.customers.iter().enumerate() {
        let History { x, t_x, n } = History::of(&summary, i);
        assert!((customer.mean - bg_bb::expected_purchases(DONORS, x, t_x, n, 3)).abs() < 1e-12);
        let none = bg_bb::probability_of(DONORS, x, t_x, n, 3, 0);
        let one = bg_bb::probability_of(DONORS, x, t_x, n, 3, 1);
        assert!(near(customer.below, 300, none) && near(customer.equal, 300, one), "{i}");
        // The CRPS by its definition over the known distribution function, when 1 is observed, and what 300 draws add to it.
        let mut at_most = 0.0;
        for k in 0..3 {
            at_most += bg_bb::probability_of(DONORS, x, t_x, n, 3, k);
            let happened = f64::from(u8::from(k >= 1));
            known += (at_most - happened).powi(2) + at_most * (1.0 - at_most) / 300.0;
        }
        drawn += customer.crps;
    }
    // A share of 300 draws has an error of 0.03 at most, its square about a purchase off no more than twice that, over 400 customers.
    assert!(known > 80.0 && (drawn - known).abs() < 5.0 * 0.06 * 20.0, "{drawn} {known}");
    let half = predict_window_counted(&summary, &holdout(2.5), &population, &months(), &|_| ()).unwrap_err();
    assert!(half.to_string().contains("whole number of opportunities"), "{half}");
}

#[test]
fn checks_count_as_the_data_are_counted() {
    let tracked = |summary: &crate::data::Summary, population: &CountedPopulation| {
        let settings = TrackingSettings { seed: 1, draws: 200, days_per_time_unit: 30.4375, observed_after: 0.0 };
        track_counted(summary, population, &settings).unwrap()
    };
    let crowd = crowd();
    let buyers = tracked(&crowd, &donors(200, None));
    assert!(buyers.weeks.is_empty());
    assert_eq!(buyers.frequencies.iter().map(|f| f.actual).sum::<u64>(), 400);
    for (k, band) in buyers.frequencies.iter().enumerate().take(7) {
        let chance = |i: usize| bg_bb::probability_of(DONORS, 0, 0, 0, History::of(&crowd, i).n, k as u32);
        let expected: f64 = (0..400).map(chance).sum();
        // Five standard errors: a variance of at most the mean, over 200 replicates.
        let error = (expected / 200.0).sqrt();
        assert!((band.predicted.mean - expected).abs() < 5.0 * error.max(0.01), "{k}: {:?} {expected}", band.predicted);
    }

    // Ten at the end of the first period, of whom four are lost; six, then, of whom one is lost, and two are not seen further.
    let rows = [(0, 1.0, 4), (1, 2.0, 1), (2, 2.0, 2), (13, 14.0, 2), (15, 15.0, 1)];
    let rows: Vec<_> = rows.iter().flat_map(|&(x, n, count)| vec![(x, f64::from(x), n, 0.0); count]).collect();
    let lost = tracked(&summary(&rows), &contracts(200));
    let actual: Vec<u64> = lost.frequencies.iter().map(|f| f.actual).collect();
    assert_eq!(actual, [4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(lost.frequencies.last().unwrap().frequency, "12+");
    for (period, at_risk) in [(1, 10.0), (2, 6.0), (3, 3.0)] {
        let expected = at_risk * (1.0 - s_bg::retention(REGULAR, period));
        let seen = lost.frequencies[period as usize - 1].predicted.mean;
        assert!((seen - expected).abs() < 5.0 * (expected / 200.0).sqrt(), "{period}: {seen} {expected}");
    }
}

#[test]
fn the_horizon_is_the_nearest_whole_number_of_opportunities() {
    for (days, months, periods) in [(30.4375, 12, 12), (365.25, 12, 1), (7.0, 12, 52), (365.25, 60, 5), (28.0, 12, 13)]
    {
        let settings = Settings { month_time_units: 30.4375 / days, horizon_months: months, ..settings() };
        assert_eq!(counted_horizon(&settings), periods, "{days}");
        let calendar = Calendar::of(&settings);
        // A whole number of months ahead, a discount by the month and one by the opportunity agree.
        let year = calendar.rate.ln_1p() * 365.25 / days;
        assert!((year - 12.0 * 1.01f64.ln()).abs() < 1e-12);
    }
}

#[test]
fn half_an_opportunity_is_refused_by_name() {
    let refused = expectations_counted(&summary(&[(1, 1.0, 2.5, 0.0)]), &donors(1, None), &months()).unwrap_err();
    assert!(refused.to_string().contains("customer 0001 has times that are no whole numbers"), "{refused}");
}
