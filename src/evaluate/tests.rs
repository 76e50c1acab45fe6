//! A right model covers what it promises, a wrong one is caught; and `holdout.json` has the promised keys.

use super::*;
use crate::data::{Holdout, Summary};
use crate::kernels::rng::{Purpose, Stream};
use crate::predict::tests_support::{population, settings, summary};
use crate::predict::{Window, predict_window};

/// A livelier population than CDNOW's, so that counts spread.
const TRUTH: [f64; 4] = [0.8, 6.0, 0.9, 3.0];
const WINDOW: f64 = 39.0;

/// Customers who follow the model exactly, watched for 20 to 39 weeks and then for 39 more: one event at a time, the plainest
/// transcription of Fader, Hardie & Lee (2005), sections 2 and 3.
fn simulated(customers: usize) -> (Summary, Holdout) {
    use rand_distr::{Beta, Distribution, Gamma};

    let [r, alpha, a, b] = TRUTH;
    let mut rows = Vec::new();
    let mut later = Vec::new();
    for i in 0..customers {
        let rng = &mut Stream::new(17, Purpose::Test, i as u64, 0);
        let age = 20.0 + f64::from((i % 134) as u32) / 7.0;
        let lambda: f64 = Gamma::new(r, 1.0 / alpha).unwrap().sample(rng);
        let p: f64 = Beta::new(a, b).unwrap().sample(rng);
        let (mut time, mut x, mut t_x, mut after) = (0.0, 0, 0.0, 0);
        loop {
            time -= rng.uniform().ln() / lambda;
            if time > age + WINDOW {
                break;
            }
            if time <= age {
                (x, t_x) = (x + 1, time);
            } else {
                after += 1;
            }
            if rng.uniform() < p {
                break;
            }
        }
        rows.push((x, t_x, age, 0.0));
        later.push(after);
    }
    let spend = vec![0.0; customers];
    (summary(&rows), Holdout { length: WINDOW, purchases: later, spend, new_customers: 0 })
}

fn window(summary: &Summary, holdout: &Holdout, truth: [f64; 4]) -> Window {
    predict_window(summary, holdout, &population(400, truth, None), &settings(), &|_| ()).unwrap()
}

#[test]
fn a_right_model_covers_and_a_wrong_one_is_caught() {
    let customers = 4000;
    let (summary, holdout) = simulated(customers);
    let scores = evaluate_holdout(&summary, &holdout, &window(&summary, &holdout, TRUTH), 1).unwrap();
    // Binomial errors: 0.0079 and 0.0047 here; four of them.
    let four_errors = |share: f64| 4.0 * (share * (1.0 - share) / customers as f64).sqrt();
    assert!((scores.coverage.half - 0.5).abs() < four_errors(0.5), "{:?}", scores.coverage);
    assert!((scores.coverage.ninety - 0.9).abs() < four_errors(0.9), "{:?}", scores.coverage);
    assert!(scores.coverage_raw.half > 0.6 && scores.coverage_raw.ninety > 0.92, "{:?}", scores.coverage_raw);
    assert!(scores.total.q05 < scores.total.actual && scores.total.actual < scores.total.q95, "{:?}", scores.total);
    // χ² of 20 bins has 19 degrees of freedom: 43.8 is its 99.9 % point.
    let expected = customers as f64 / 20.0;
    let chi2 = |counts: &[u64]| counts.iter().map(|&k| (k as f64 - expected).powi(2) / expected).sum::<f64>();
    assert!(chi2(&scores.pit_histogram) < 43.8, "{:?}", scores.pit_histogram);
    for class in &scores.calibration {
        // Several hundred customers each, a handful of purchases: within a fifth.
        let (actual, predicted) = (class.actual_mean.unwrap(), class.predicted_mean.unwrap());
        assert!((predicted / actual - 1.0).abs() < 0.2, "{class:?}");
    }
    let naive = scores.baselines;
    assert!(scores.rmse < naive.same_rate.rmse && scores.rmse < naive.everyone_average.rmse);
    assert!(scores.spearman > naive.same_rate.spearman && naive.everyone_average.spearman.is_none());

    // The same customers under a model that believes them three times as lasting and busy.
    let wrong = evaluate_holdout(&summary, &holdout, &window(&summary, &holdout, [0.8, 2.0, 0.3, 3.0]), 1).unwrap();
    assert!(chi2(&wrong.pit_histogram) > 200.0, "{:?}", wrong.pit_histogram);
    assert!(wrong.total.q05 > wrong.total.actual);
    // A distribution is worth something beside its median and beside everyone's distribution; a wrong one less.
    assert!(scores.crps.unwrap() < scores.mae && scores.crps_skill.unwrap() > 0.1, "{:?}", scores.crps_skill);
    assert!(wrong.crps > scores.crps && wrong.crps_skill < scores.crps_skill);
}

#[test]
fn baselines_and_errors_in_a_closed_case() {
    let summary = summary(&[(2, 5.0, 10.0, 1.0), (0, 0.0, 10.0, 0.0), (0, 0.0, 0.0, 0.0)]);
    let holdout = Holdout { length: 5.0, purchases: vec![3, 0, 0], spend: vec![0.0; 3], new_customers: 0 };
    let scores = evaluate_holdout(&summary, &holdout, &window(&summary, &holdout, TRUTH), 1).unwrap();
    // 2/10 × 5 = 1 for the first, nothing for the others (also for the one just arrived); errors 2, 0, 0.
    let Baselines { same_rate, everyone_average } = scores.baselines;
    assert_eq!((same_rate.total, same_rate.mae), (1.0, 2.0 / 3.0));
    assert!((same_rate.rmse - (4.0f64 / 3.0).sqrt()).abs() < 1e-15);
    assert_eq!(same_rate.spearman, Some(1.0));
    // 2/20 × 5 = 0.5 each; errors 2.5, 0.5, 0.5.
    assert_eq!((everyone_average.total, everyone_average.mae), (1.5, 3.5 / 3.0));
    assert_eq!(scores.total.actual, 3.0);
    assert_eq!(scores.calibration[2].actual_mean, Some(3.0));
    // Of 3, 0, 0: half the mean distance of nine pairs, 12/9/2; of a prediction, the mean of the customers'.
    let window = window(&summary, &holdout, TRUTH);
    let crps = window.customers.iter().map(|c| c.crps).sum::<f64>() / 3.0;
    assert_eq!((scores.crps, scores.crps_skill), (Some(crps), Some(1.0 - crps / (12.0 / 18.0))));
    let idle = Holdout { purchases: vec![0; 3], ..holdout.clone() };
    assert_eq!(evaluate_holdout(&summary, &idle, &window, 1).unwrap().crps_skill, None);
    assert_eq!((scores.calibration[7].customers, scores.calibration[7].predicted_mean), (0, None));
}

#[test]
fn the_file_has_the_promised_keys() {
    let (summary, holdout) = simulated(50);
    let scores = evaluate_holdout(&summary, &holdout, &window(&summary, &holdout, TRUTH), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdout.json");
    write_holdout(&path, &scores).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&json),
        "schema_version total mae rmse spearman gini_normalized top_decile_lift coverage coverage_raw calibration baselines \
         crps crps_skill"
    );
    assert_eq!(keys(&json["total"]), "actual mean q05 q95");
    assert_eq!((keys(&json["coverage"]), keys(&json["coverage_raw"])), ("50 90".into(), "50 90".into()));
    assert_eq!(keys(&json["calibration"][0]), "frequency customers actual_mean predicted_mean");
    assert_eq!(keys(&json["baselines"]), "same_rate everyone_average");
    assert_eq!(keys(&json["baselines"]["same_rate"]), "total mae rmse spearman");
    let read: HoldoutScores = serde_json::from_str(&text).unwrap();
    assert_eq!(HoldoutScores { pit_histogram: scores.pit_histogram.clone(), ..read }, scores);
    // A file from before the CRPS.
    let mut old = json;
    ["crps", "crps_skill"].iter().for_each(|key| assert!(old.as_object_mut().unwrap().remove(*key).is_some()));
    let read: HoldoutScores = serde_json::from_value(old).unwrap();
    assert_eq!((read.crps, read.crps_skill, read.rmse), (None, None, scores.rmse));
}

#[test]
fn nobody_to_evaluate_is_an_error() {
    let (summary, holdout) = simulated(5);
    let mut other = holdout.clone();
    other.purchases.pop();
    let window = window(&summary, &holdout, TRUTH);
    let complaint = evaluate_holdout(&summary, &other, &window, 1).unwrap_err().to_string();
    assert!(complaint.contains("[4, 5] for 5 customers"), "{complaint}");
    let nobody = crate::predict::tests_support::summary(&[]);
    assert!(evaluate_holdout(&nobody, &other, &window, 1).unwrap_err().to_string().contains("no customer"));
}
