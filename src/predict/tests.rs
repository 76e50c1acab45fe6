//! The room's public promises: published numbers, means against draws, and the independence of threads, chunks and company.

use chrono::{Days, NaiveDate};
use ndarray::Array3;

use super::tests_support::{CDNOW, CDNOW_SPEND, leaving, population, settings, summary};
use super::*;
use crate::data::{Groups, Holdout, Ids, WeeklyRepeats};
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::{bg_nbd, mbg_nbd, nbd, pareto_nbd};

/// Customers 0001 to 0003 of the CDNOW sample (`CDNOW_sample.txt` in the wheel of lifetimes 0.11.3): purchases merged by day,
/// weeks = days/7, calibration to 1997-09-30. First purchases on 1997-01-01, so T = 272 days.
fn first_three() -> Summary {
    let age = 272.0 / 7.0;
    summary(&[(2, 213.0 / 7.0, age, (29.73 + 14.96) / 2.0), (1, 12.0 / 7.0, age, 11.77), (0, 0.0, age, 0.0)])
}

fn quiet(_: u64) {}

fn predict(
    summary: &Summary,
    population: &Population,
    settings: &Settings,
    labellings: &[Labelling],
) -> (Vec<CustomerPosterior>, Vec<Totals>) {
    let means = expectations(summary, population, settings).unwrap();
    let mut rows = Vec::new();
    let mut sink = |chunk: &[CustomerPosterior]| {
        rows.extend_from_slice(chunk);
        Ok(())
    };
    let mut engine = Cpu::new(summary, population, settings, labellings).unwrap();
    let totals = predict_customers(&mut engine, summary, &means, labellings, &mut sink, &quiet).unwrap();
    (rows, totals)
}

/// Customers of every kind: idle, frequent, just arrived, half gone.
fn mixed() -> Summary {
    summary(&[
        (0, 0.0, 38.9, 0.0),
        (0, 0.0, 0.0, 0.0),
        (1, 1.7, 38.9, 11.8),
        (2, 30.4, 38.9, 22.3),
        (12, 35.0, 36.0, 60.0),
        (40, 36.0, 38.0, 33.0),
        (90, 38.0, 38.0, 12.0),
    ])
}

/// A population whose draws differ, around the CDNOW estimates.
fn varied(draws: usize, groups: usize) -> Population {
    let jitter = |draw: usize, group: usize, k: usize| {
        (0.1 * Stream::new(3, Purpose::Test, (draw * groups + group) as u64, k as u32).normal()).exp()
    };
    Population {
        dropout: Dropout::AfterRepeat,
        purchase: Array3::from_shape_fn((draws, groups, 4), |(d, g, k)| CDNOW[k] * jitter(d, g, k)),
        spend: Some(Array3::from_shape_fn((draws, groups, 3), |(d, g, k)| CDNOW_SPEND[k] * jitter(d, g, 4 + k))),
        covariates: None,
    }
}

/// The identifiers with one of them replaced.
fn renamed(ids: &Ids, row: usize, name: &str) -> Ids {
    ids.iter().enumerate().map(|(i, id)| if i == row { name } else { id }).collect()
}

#[test]
fn published_lifetime_values() {
    let means = expectations(&first_three(), &population(1, CDNOW, Some(CDNOW_SPEND)), &settings()).unwrap();
    // design value to five decimals; half of the last one
    for (clv, published) in means.value().iter().zip([36.30775, 4.64392, 8.37495]) {
        assert!((clv - published).abs() < 5e-6, "{clv} against {published}");
    }
    // Fader, Hardie & Lee's spreadsheet note: 1.22602817 purchases in 39 weeks.
    let holdout = Holdout { length: 39.0, purchases: vec![0], spend: vec![0.0], new_customers: 0 };
    let published = summary(&[(2, 30.43, 38.86, 22.35)]);
    let window = predict_window(&published, &holdout, &population(1, CDNOW, None), &settings(), &quiet).unwrap();
    assert!((window.total.mean - 1.226_028_17).abs() < 5e-9);
}

/// Means of cells through interpolation are the kernels' own, customer by customer, to the accuracy the interpolation asks for.
#[test]
fn shared_expectations_equal_single_ones() {
    let rows: Vec<_> = (0..600)
        .map(|i| {
            let x = i % 3;
            let age = f64::from(i) / 7.0;
            (x, if x == 0 { 0.0 } else { age * 0.6 }, age, 20.0)
        })
        .collect();
    let (summary, settings) = (summary(&rows), settings());
    let horizon = 12.0 * settings.month_time_units;
    type Kernel = (fn([f64; 4], u32, f64, f64, f64) -> f64, fn([f64; 4], u32, f64, f64) -> f64);
    let kernels: [(Dropout, Kernel); 4] = [
        (Dropout::Never, (|[r, alpha, ..], x, _, t, h| nbd::expected_purchases([r, alpha], x, t, h), |_, _, _, _| 1.0)),
        (Dropout::AfterRepeat, (bg_nbd::expected_purchases, bg_nbd::p_alive)),
        (Dropout::AfterAny, (mbg_nbd::expected_purchases, mbg_nbd::p_alive)),
        (Dropout::AnyTime, (pareto_nbd::expected_purchases, pareto_nbd::p_alive)),
    ];
    for (dropout, (expected_purchases, p_alive)) in kernels {
        let population = leaving(dropout, varied(7, 1));
        let means = expectations(&summary, &population, &settings).unwrap();
        for i in 0..summary.len() {
            let (x, t_x, t) = (summary.frequency[i], summary.recency[i], summary.age[i]);
            let mean =
                |of: &dyn Fn([f64; 4]) -> f64| (0..7).map(|d| of(population.purchase_at(d, 0))).sum::<f64>() / 7.0;
            let purchases = mean(&|params| expected_purchases(params, x, t_x, t, horizon));
            let p_alive = mean(&|params| p_alive(params, x, t_x, t));
            let seen = means.purchases[i];
            assert!((seen / purchases - 1.0).abs() < 1e-10, "{dropout:?}, row {i}: {seen} {purchases}");
            assert!((means.p_alive[i] / p_alive - 1.0).abs() < 1e-14);
        }
    }
}

/// Every customer under a label of their own: the draws' means and the share of zeros against their expectations.
#[test]
fn draws_follow_their_expectations() {
    let (summary, settings) = (mixed(), settings());
    let draws = 20_000;
    // q of 6.25 keeps the fourth moment of spend finite, so that standard errors mean what they say.
    let population = population(draws, CDNOW, Some([6.25, 6.25, 15.44]));
    let each = Labelling {
        name: "customer".into(),
        labels: summary.customer_id.iter().map(str::to_owned).collect(),
        of_customer: (0..summary.len() as u32).collect(),
    };
    let (rows, totals) = predict(&summary, &population, &settings, &[each]);
    let n = draws as f64;
    for (i, row) in rows.iter().enumerate() {
        let spend = row.spend.unwrap();
        let pairs = [
            (row.purchases_mean, totals[0].purchases.row(i)),
            (spend.clv_mean, totals[0].clv.as_ref().unwrap().row(i)),
        ];
        for (expected, sample) in pairs {
            let (mean, error) = (sample.mean().unwrap(), sample.std(1.0) / n.sqrt());
            assert!((mean - expected).abs() < 5.0 * error, "customer {i}: {mean} against {expected} ± {error}");
        }
        // P(X = 0) = 1 − P(alive) (1 − ((α+T)/(α+T+h))^(r+x))
        let [r, alpha, _, _] = CDNOW;
        let a_t = alpha + summary.age[i];
        let none = (a_t / (a_t + 12.0 * settings.month_time_units)).powf(r + f64::from(summary.frequency[i]));
        let expected = 1.0 - row.p_alive * (1.0 - none);
        let zeros = totals[0].purchases.row(i).iter().filter(|&&k| k == 0.0).count() as f64 / n;
        assert!((zeros - expected).abs() < 5.0 * (expected * (1.0 - expected) / n).sqrt() + 1e-12, "customer {i}");
    }
}

#[test]
fn threads_and_chunks_change_nothing() {
    let (summary, population) = (mixed(), varied(50, 1));
    let on = |threads: usize, chunk_customers: usize| {
        let settings = Settings { chunk_customers, ..settings() };
        let labellings = [Labelling::everyone(&summary), Labelling::groups(&summary)];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| predict(&summary, &population, &settings, &labellings))
    };
    let one = on(1, 100);
    assert_eq!(one, on(3, 100));
    assert_eq!(one, on(2, 1));
    assert_eq!(one, on(2, 3));
}

#[test]
fn a_customer_is_the_same_in_any_company() {
    let (mut company, population, settings) = (mixed(), varied(50, 1), settings());
    let (all, _) = predict(&company, &population, &settings, &[]);
    let mut alone = summary(&[(2, 30.4, 38.9, 22.3)]);
    alone.customer_id = renamed(&alone.customer_id, 0, "0004");
    assert_eq!(predict(&alone, &population, &settings, &[]).0[0].spend.unwrap().clv, all[3].spend.unwrap().clv);
    // … and another name has other draws.
    company.customer_id = renamed(&company.customer_id, 3, "0005x");
    assert_ne!(predict(&company, &population, &settings, &[]).0[3].spend.unwrap().clv, all[3].spend.unwrap().clv);
}

#[test]
fn totals_are_the_sums_of_their_parts() {
    let (summary, population) = (mixed(), varied(200, 1));
    let halves = Labelling {
        name: "half".into(),
        labels: ["even", "odd", "nobody"].map(String::from).to_vec(),
        of_customer: (0..summary.len() as u32).map(|i| i % 2).collect(),
    };
    let (rows, totals) = predict(&summary, &population, &settings(), &[Labelling::everyone(&summary), halves]);
    let (all, halves) = (&totals[0], &totals[1]);
    let purchases: f64 = rows.iter().map(|row| row.purchases_mean).sum();
    assert!((all.totals[0].purchases.mean - purchases).abs() < 1e-12 * purchases);
    for draw in 0..200 {
        assert_eq!(all.purchases[[0, draw]], halves.purchases.column(draw).sum());
    }
    assert_eq!(halves.totals[0].customers + halves.totals[1].customers, 7);
    let Total { customers, p_alive, purchases, .. } = &halves.totals[2];
    assert_eq!((*customers, *p_alive, purchases.q95), (0, None, 0.0));
    let interval = all.totals[0].clv.unwrap();
    assert!(interval.q05 < interval.mean && interval.mean < interval.q95);
}

/// Nobody at all, and a customer with a hundred thousand purchases, whose simulation must not cost one step per purchase.
#[test]
fn the_extremes_are_customers_too() {
    let population = varied(200, 1);
    let (rows, totals) = predict(&summary(&[]), &population, &settings(), &[]);
    assert!(rows.is_empty() && totals.is_empty());

    let whale = summary(&[(100_000, 100.0, 100.0, 5.0)]);
    let (rows, _) = predict(&whale, &population, &settings(), &[Labelling::everyone(&whale)]);
    let row = rows[0];
    assert!(row.p_alive > 0.99);
    // About 958 a week for 52 weeks, less what dropout takes.
    let (low, high) = (f64::from(row.purchases.q05), f64::from(row.purchases.q95));
    assert!(low <= row.purchases_mean && row.purchases_mean <= high && high < 958.0 * 52.2 * 1.01, "{row:?}");
    let spend = row.spend.unwrap();
    assert!((spend.spend_mean - 5.0).abs() < 0.01 && spend.clv.q95 > spend.clv_mean && spend.clv_sd.is_finite());
}

#[test]
fn without_spend_value_is_discounted_purchases() {
    let (summary, settings) = (first_three(), settings());
    let (rows, totals) = predict(&summary, &population(20, CDNOW, None), &settings, &[Labelling::everyone(&summary)]);
    assert!(rows.iter().all(|row| row.spend.is_none()));
    assert!(totals[0].clv.is_none() && totals[0].totals[0].clv.is_none());
    let means = expectations(&summary, &population(20, CDNOW, None), &settings).unwrap();
    assert!(means.value().iter().zip(&means.purchases).all(|(value, purchases)| value < purchases && *value > 0.0));
    let undiscounted = Settings { monthly_discount: 0.0, ..settings };
    let means = expectations(&summary, &population(20, CDNOW, None), &undiscounted).unwrap();
    for (value, purchases) in means.value().iter().zip(&means.purchases) {
        assert!((value - purchases).abs() < 1e-14);
    }
}

/// Two thousand customers who arrive over ten weeks: mean weekly repeats against E[X] of new customers, and the histogram's sum.
#[test]
fn tracking_means_follow_the_new_customer_expectation() {
    let start = NaiveDate::from_ymd_opt(1997, 1, 1).unwrap();
    let mut summary = summary(&vec![(0, 0.0, 0.0, 0.0); 2000]);
    for i in 0..2000 {
        let day = (i % 70) as u64;
        summary.first_purchase[i] = start + Days::new(day);
        summary.age[i] = (272 - day) as f64 / 7.0;
        summary.frequency[i] = (i % 9) as u32;
    }
    let weeks = 60;
    let weekly = WeeklyRepeats {
        week_start: (0..weeks).map(|week| start + Days::new(7 * week)).collect(),
        repeats: vec![1; weeks as usize],
        calibration_weeks: 38,
    };
    let tracking_settings =
        TrackingSettings { seed: 4, draws: 100, days_per_time_unit: 7.0, observed_after: 60.0 - 272.0 / 7.0 };
    let tracking = track(&summary, &weekly, &population(300, CDNOW, None), &tracking_settings, &quiet).unwrap();
    assert_eq!(tracking.weeks.len(), 60);
    // Up to the end of week 30, in time units after the first purchase (which itself is dated in the middle of its day).
    let expected: f64 =
        (0..2000).map(|i| bg_nbd::expected_purchases_new(CDNOW, 30.0 - ((i % 70) as f64 + 0.5) / 7.0)).sum();
    let predicted = tracking.weeks[29].predicted_cumulative;
    // The 5 and 95 % quantiles are 3.3 standard deviations apart; the mean of 100 draws is within half a standard deviation
    // (five standard errors).
    let sd = (predicted.q95 - predicted.q05) / 3.29;
    assert!((predicted.mean - expected).abs() < 0.5 * sd, "{predicted:?} against {expected}");
    assert_eq!(tracking.weeks[59].actual_cumulative, 60);
    let classes = &tracking.frequencies;
    assert_eq!(classes.iter().map(|class| class.frequency.as_str()).collect::<Vec<_>>().join(" "), "0 1 2 3 4 5 6 7+");
    assert_eq!(classes.iter().map(|class| class.actual).sum::<u64>(), 2000);
    assert!((classes.iter().map(|class| class.predicted.mean).sum::<f64>() - 2000.0).abs() < 1e-9);
    // P(x = 0) of a new customer is (α/(α+T))^r.
    let expected: f64 = summary.age.iter().map(|t| (CDNOW[1] / (CDNOW[1] + t)).powf(CDNOW[0])).sum();
    let zeros = classes[0].predicted;
    assert!((zeros.mean - expected).abs() < 0.5 * (zeros.q95 - zeros.q05) / 3.29, "{zeros:?} against {expected}");
}

/// Week by week, whatever makes customers leave: the places of purchases in a life that may end at any time among them.
#[test]
fn tracked_weeks_follow_the_new_customer_expectation() {
    let start = NaiveDate::from_ymd_opt(1997, 1, 1).unwrap();
    let mut summary = summary(&vec![(0, 0.0, 40.0, 0.0); 4000]);
    summary.first_purchase.fill(start);
    // From the first purchase on, and from later on, as where clocks began before the window.
    let weekly_from = |from: u64| WeeklyRepeats {
        week_start: (from..40).map(|week| start + Days::new(7 * week)).collect(),
        repeats: vec![1; 40 - from as usize],
        calibration_weeks: 40 - from as usize,
    };
    let settings = TrackingSettings { seed: 5, draws: 200, days_per_time_unit: 7.0, observed_after: 0.0 };
    type New = fn([f64; 4], f64) -> f64;
    // Lively customers who leave soon: where purchases lie within the horizon matters. And customers like machines.
    let laws = [[1.2, 3.0, 0.9, 3.0], [40.0, 2.0, 0.9, 60.0]];
    let cases: [(Dropout, New); 4] = [
        (Dropout::Never, |[r, alpha, ..], h| nbd::expected_purchases([r, alpha], 0, 0.0, h)),
        (Dropout::AfterRepeat, bg_nbd::expected_purchases_new),
        (Dropout::AfterAny, mbg_nbd::expected_purchases_new),
        (Dropout::AnyTime, pareto_nbd::expected_purchases_new),
    ];
    let cases = cases.into_iter().flat_map(|case| laws.map(|law| (case, law)));
    for (((dropout, expected_new), law), from) in cases.flat_map(|case| [0, 25].map(|from| (case, from))) {
        let weekly = weekly_from(from as u64);
        let tracking = track(&summary, &weekly, &leaving(dropout, population(200, law, None)), &settings, &quiet);
        for (week, tracked) in tracking.unwrap().weeks.iter().enumerate() {
            // First purchases are dated in the middle of the first day.
            let at = |week: usize| ((week + from) as f64 - 0.5 / 7.0).max(0.0);
            let expected = 4000.0 * (expected_new(law, at(week + 1)) - expected_new(law, at(week)));
            let sd = (tracked.predicted.q95 - tracked.predicted.q05) / 3.29;
            // Five standard errors of a mean of 200 draws.
            let difference = tracked.predicted.mean - expected;
            assert!(
                difference.abs() < 0.36 * sd,
                "{dropout:?} {law:?}, week {week} from {from}: {:?} for {expected}",
                tracked.predicted
            );
        }
    }
}

/// A summary read from a file has no dates: the histogram remains.
#[test]
fn tracking_without_dates_keeps_the_histogram() {
    let mut undated = mixed();
    undated.first_purchase.clear();
    let settings = TrackingSettings { seed: 4, draws: 10, days_per_time_unit: 7.0, observed_after: 0.0 };
    let on = |weekly: &WeeklyRepeats| track(&undated, weekly, &varied(10, 1), &settings, &quiet);
    let tracking = on(&WeeklyRepeats::default()).unwrap();
    assert!(tracking.weeks.is_empty());
    assert_eq!(tracking.frequencies.iter().map(|class| class.actual).sum::<u64>(), 7);
    let one_week = WeeklyRepeats { week_start: vec![NaiveDate::default()], repeats: vec![0], calibration_weeks: 1 };
    assert!(on(&one_week).unwrap_err().to_string().contains("0 dates for 7 customers"));
}

#[test]
fn refusals_say_what_is_wrong() {
    let (summary, good, settings) = (first_three(), varied(3, 1), settings());
    let complaint = |population: &Population, settings: &Settings| {
        expectations(&summary, population, settings).unwrap_err().to_string()
    };
    let mut flat_spend = good.clone();
    flat_spend.spend.as_mut().unwrap()[[1, 0, 1]] = 0.9;
    assert!(complaint(&flat_spend, &settings).contains("q = 0.9"));
    let mut impossible = good.clone();
    impossible.purchase[[0, 0, 0]] = f64::NAN;
    assert!(complaint(&impossible, &settings).contains("positive and finite (found NaN)"));
    let unpaired = Population { spend: varied(2, 1).spend, ..good.clone() };
    assert!(complaint(&unpaired, &settings).contains("(2, 1, 3) beside 3 draws of 1 groups"));
    let no_horizon = Settings { horizon_months: 0, ..settings.clone() };
    assert!(complaint(&good, &no_horizon).contains("at least one month"));
    let mut other_groups = first_three();
    other_groups.group[1] = 5;
    assert!(expectations(&other_groups, &good, &settings).unwrap_err().to_string().contains("group 5 with 1 groups"));
}

fn written(grouped: bool, population: &Population) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut summary = first_three();
    summary.customer_id = renamed(&summary.customer_id, 1, "a \"quoted\", id");
    if grouped {
        summary.groups = Groups { column: Some("cohort".into()), labels: vec!["1997-W01".into()] };
    }
    let every = |name: &str, label: &str| Labelling {
        name: name.into(),
        labels: vec![label.into()],
        of_customer: vec![0; summary.len()],
    };
    let (rfm, tier) = (every("rfm", "Loyal"), every("tier", "Top 1%"));
    let placement = Placement { rfm_segment: Some(&rfm), value_tier: &tier, clv_rank: &[1, 3, 2] };
    let (rows, _) = predict(&summary, population, &settings(), &[]);
    let mut writer = CustomerWriter::create(folder.path(), &summary, placement, false).unwrap();
    writer.write(&rows[..2]).unwrap();
    assert!(!folder.path().join("customers.csv").exists(), "a file under its name is a whole file");
    writer.write(&rows[2..]).unwrap();
    let [parquet, csv] = writer.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    (std::fs::read_to_string(csv).unwrap(), std::fs::read(parquet).unwrap())
}

const COLUMNS: &str = "frequency,recency,age,monetary,p_alive,purchases_mean,purchases_q05,purchases_q25,purchases_q50,\
    purchases_q75,purchases_q95,spend_mean,clv_mean,clv_sd,clv_q05,clv_q25,clv_q50,clv_q75,clv_q95,rfm_segment,value_tier,clv_rank";

#[test]
fn customer_files_have_the_promised_columns() {
    use arrow_array::{Array, Float64Array, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let (csv, parquet) = written(true, &population(50, CDNOW, Some(CDNOW_SPEND)));
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    assert_eq!(header.join(","), format!("customer_id,cohort,{COLUMNS}"));
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!((rows.len(), &rows[1][0], &rows[1][1], &rows[1][23]), (3, "a \"quoted\", id", "1997-W01", "3"));

    let mut batches = ParquetRecordBatchReaderBuilder::try_new(file_of(&parquet)).unwrap().build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, header);
    let ids = batch.column_by_name("customer_id").unwrap().as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!(ids.value(1), "a \"quoted\", id");
    let clv = batch.column_by_name("clv_mean").unwrap().as_any().downcast_ref::<Float64Array>().unwrap();
    for (row, clv) in rows.iter().zip(clv.values()) {
        assert_eq!(row[14].parse::<f64>().unwrap(), *clv, "both files hold the same f64");
    }
    let again = written(true, &population(50, CDNOW, Some(CDNOW_SPEND)));
    assert_eq!(again, (csv, parquet), "equal predictions are equal files");

    let (csv, parquet) = written(false, &population(50, CDNOW, None));
    let mut lines = csv.lines();
    assert_eq!(lines.next().unwrap(), format!("customer_id,{COLUMNS}"));
    let first: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!((first[4], first[12], first[13], first[22]), ("", "", "", "1"));
    let batch =
        ParquetRecordBatchReaderBuilder::try_new(file_of(&parquet)).unwrap().build().unwrap().next().unwrap().unwrap();
    assert_eq!(batch.column_by_name("clv_mean").unwrap().null_count(), 3);
}

fn file_of(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file
}
