//! A made-up history with figures of a realistic size, for tests and for looking at pages. Every figure is generated; none is a measurement.
//! Limits are judged by the same rule as everywhere.

use chrono::{Days, NaiveDate};

use crate::evaluate::{Accuracy, Band, Judgement, Ks, Measure, Metric, Shift, State, Target, Thresholds, judge};
use crate::kernels::rng::{Purpose, Stream};
use crate::lifecycle::{
    Baseline, Evaluated, History, HistoryRow, IntervalRecord, MonitorRecord, OutcomeRecord, PromotionRow, Slice,
    SnapshotRecord,
};
use crate::segment::{BehaviourLens, Cluster, Movement, PreviousClusters, TIERS, TierRow, Typical, cluster_label};

/// Snapshots at the end whose window still runs.
const RUNNING: usize = 6;
/// The snapshot from which on customers buy differently, as a share of all.
const CHANGE: f64 = 0.55;

fn random(index: usize) -> Stream {
    Stream::new(11, Purpose::Test, index as u64, 0)
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// A project without a champion.
pub(super) fn empty() -> History {
    History {
        schema_version: 1,
        title: "Corner shop".into(),
        currency: "$".into(),
        next_cutoff: None,
        champion: None,
        promotions: Vec::new(),
        snapshots: Vec::new(),
    }
}

/// A project with so many fortnightly snapshots three months ahead, two champions, and a change for the worse towards the end.
pub(in crate::report) fn history(n: usize) -> History {
    history_of(n, 5)
}

/// The same with so many clusters.
pub(super) fn history_of(n: usize, clusters: u32) -> History {
    let first = day("2022-12-31");
    let half = n / 2;
    let mut rows: Vec<HistoryRow> = Vec::new();
    for i in 0..n {
        let cutoff = first + Days::new(14 * i as u64);
        let model = if i < half { "2022-12-31-f13c9b55" } else { "2023-06-30-9a3d08b1" };
        let off = if i as f64 >= CHANGE * n as f64 { 1.0 } else { 0.0 };
        let in_a_row = rows.last().and_then(|row| row.monitor.as_ref()).map_or(0, |m| m.consecutive);
        let snapshot = snapshot(i, cutoff, model, off, clusters);
        let outcome = (i + RUNNING < n || n == 1).then(|| outcome(i, &snapshot, off));
        let monitor = outcome.as_ref().map(|o| monitor(&snapshot, o, in_a_row));
        let alert = monitor.as_ref().is_some_and(|m| m.breach);
        rows.push(HistoryRow { snapshot, outcome, monitor, alert });
    }
    let promoted = |time: &str, action: &str, id: &str, cutoff: &str, note: &str| PromotionRow {
        time: time.into(),
        action: action.into(),
        model_id: id.into(),
        cutoff: day(cutoff),
        note: note.into(),
    };
    History {
        next_cutoff: rows.last().map(|row| row.snapshot.cutoff + Days::new(14)),
        champion: Some("2023-06-30-9a3d08b1".into()),
        promotions: vec![
            promoted("2023-01-05T00:00:00Z", "promote", "2022-12-31-f13c9b55", "2022-12-31", "the first"),
            promoted("2023-07-08T09:30:00Z", "promote", "2023-06-30-9a3d08b1", "2023-06-30", "knows the spring"),
        ],
        snapshots: rows,
        ..empty()
    }
}

fn snapshot(i: usize, cutoff: NaiveDate, model: &str, off: f64, clusters: u32) -> SnapshotRecord {
    let mut noise = random(i);
    let customers = 2_200 + 40 * i as u64;
    let purchases = 0.7 * customers as f64 * (1.0 + 0.02 * noise.normal());
    let around = |mean: f64, share: f64| IntervalRecord { mean, q05: mean * (1.0 - share), q95: mean * (1.0 + share) };
    let clusters = self::clusters(i, customers, clusters);
    let tier_names: Vec<String> = TIERS.iter().map(|tier| tier.name.to_owned()).collect();
    let cluster_names: Vec<String> = clusters.iter().map(|cluster| cluster_label(cluster.id)).collect();
    SnapshotRecord {
        schema_version: 1,
        cutoff,
        prediction_months: 3,
        window_end: cutoff + Days::new(91),
        model_id: model.into(),
        in_spend: true,
        customers,
        new_groups: 0,
        data_digest: "0123456789abcdef".into(),
        purchases: around(purchases, 0.06),
        clv: Some(around(31.0 * purchases, 0.07)),
        previous: (i > 0).then(|| cutoff - Days::new(14)),
        tiers: tiers(i, customers),
        tier_movement: (i > 0).then(|| movement(&tier_names, customers, i)),
        cluster_movement: (i > 0).then(|| movement(&cluster_names, customers, i)),
        behaviour: BehaviourLens {
            k: clusters.len() as u32,
            sampled: customers,
            for_next: PreviousClusters { clusters: Vec::new(), next_id: clusters.len() as u32 + 1 },
            clusters,
            ..BehaviourLens::default()
        },
        inputs: ["frequency", "recency", "age", "monetary"].iter().map(|c| shift(i, c, customers, off)).collect(),
    }
}

fn tiers(i: usize, customers: u64) -> Vec<TierRow> {
    let mut noise = random(1_000 + i);
    let shares = [0.11, 0.23, 0.17, 0.19, 0.30].map(|share: f64| share * (1.0 + 0.03 * noise.normal()));
    let all: f64 = shares.iter().sum();
    let cuts = [Some(402.0), Some(168.0), Some(94.0), Some(41.0), None];
    let sizes = [0.01, 0.04, 0.05, 0.10, 0.80];
    let row = |t: usize| TierRow {
        tier: TIERS[t].name.into(),
        customers: (sizes[t] * customers as f64) as u64,
        share: sizes[t],
        cut_value: cuts[t].map(|cut: f64| cut * (1.0 + 0.004 * i as f64)),
        mean_value: cuts[t],
        median_value: cuts[t],
        total_value: 50_000.0 * shares[t] / all,
        revenue_share: shares[t] / all,
        overlap: Some(0.9),
        from_above: Some(3),
        from_below: Some(4),
        newcomers: Some(2),
    };
    (0..TIERS.len()).map(row).collect()
}

/// Cluster 3 ends half-way through; another one, with an id of its own, comes after it.
fn clusters(i: usize, customers: u64, k: u32) -> Vec<Cluster> {
    let id = |place: u32| if place == 3 && i >= 12 { k + 1 } else { place };
    let mut noise = random(2_000 + i);
    let weights: Vec<f64> = (1..=k).map(|place| (1.0 + 0.05 * noise.normal()) / f64::from(place)).collect();
    let all: f64 = weights.iter().sum();
    let words = ["frequent and recent, high spend", "bought once, long ago", "rare, some time ago, usual spend"];
    let row = |(place, weight): (u32, &f64)| Cluster {
        id: id(place),
        is_new: place == 3 && i == 12,
        profile: format!("{}, variant {place}", words[place as usize % words.len()]),
        customers: (customers as f64 * weight / all) as u64,
        share: weight / all,
        median_value: 20.0 / f64::from(place),
        mean_value: 30.0 / f64::from(place),
        clv_index: (place != 2).then(|| 40.0 * f64::from(place) * (1.0 + 0.01 * i as f64)),
        rank: place,
        centre: Typical {
            frequency: 2.0,
            recency_gap: 8.0,
            age: 40.0,
            purchase_gap: Some(6.0),
            spend: None,
            bought_once: 0.4,
        },
    };
    (1..=k).zip(&weights).map(row).collect()
}

fn movement(labels: &[String], customers: u64, i: usize) -> Movement {
    let n = labels.len();
    let mut noise = random(3_000 + i);
    let each = customers / n.max(1) as u64;
    let mut counts = vec![vec![0_u64; n + 1]; n + 1];
    for (row, cells) in counts.iter_mut().enumerate() {
        for (column, cell) in cells.iter_mut().enumerate() {
            let far = row.abs_diff(column) as i32;
            *cell = (each as f64 * 0.8 * 0.2_f64.powi(far) * noise.uniform()) as u64;
        }
    }
    counts[n][n] = 0;
    let named = |last: &str| labels.iter().cloned().chain([last.to_owned()]).collect();
    Movement {
        then: named(crate::segment::NEW),
        now: named(crate::segment::GONE),
        counts,
        stayed: Some(0.87),
        stayed_of: vec![Some(0.87); n],
    }
}

fn shift(i: usize, column: &str, customers: u64, off: f64) -> Shift {
    let mut noise = random(4_000 + 10 * i + column.len());
    let psi = match column {
        "monetary" => 0.02 * noise.uniform() + 0.4 * off,
        "age" => 0.012 * (i % 20) as f64,
        _ => 0.03 * noise.uniform(),
    };
    Shift {
        column: column.into(),
        reference_customers: 2_199,
        customers,
        psi,
        psi_noise_95: 0.018,
        psi_p_value: if psi > 0.05 { 0.0 } else { 0.4 },
        ks: Some(Ks { distance: psi / 2.0, critical_95: 0.03, p_value: 0.4 }),
        band: Band::of(psi, if psi > 0.05 { 0.0 } else { 0.4 }),
        reference_mean: Some(8.31),
        mean: Some(8.31 * (1.0 + psi)),
        reference_missing: 0.0,
        missing: 0.0,
        bins: Vec::new(),
    }
}

fn accuracy(values: [f64; 6], customers: u64) -> Accuracy {
    let metrics = [
        Metric::Rmse,
        Metric::R2,
        Metric::GiniNormalized,
        Metric::CalibrationSlope,
        Metric::Coverage90,
        Metric::TotalRatio,
    ];
    let relative = [0.09, 0.14, 0.03, 0.10, 0.004, 0.03];
    let measure = |value: f64, relative: f64| Measure {
        value: Some(value),
        se: Some(value * relative / 1.66),
        low: Some(value * (1.0 - relative)),
        high: Some(value * (1.0 + relative)),
    };
    let measures = metrics.into_iter().zip(values.into_iter().zip(relative)).map(|(m, (v, r))| (m, measure(v, r)));
    Accuracy {
        schema_version: 1,
        target: Target::Value,
        horizon_months: 3,
        customers,
        measures: measures.collect(),
        deciles: Vec::new(),
    }
}

fn outcome(i: usize, snapshot: &SnapshotRecord, off: f64) -> OutcomeRecord {
    let mut noise = random(5_000 + i);
    let mut about = |value: f64, sd: f64| value * (1.0 + sd * noise.normal());
    let values = [
        about(63.0 * (1.0 + 0.55 * off), 0.07),
        about(0.40 - 0.12 * off, 0.08),
        about(0.73 - 0.02 * off, 0.015),
        about(1.05 - 0.3 * off, 0.06),
        about(0.97 - 0.02 * off, 0.004),
        about(1.0 + 0.2 * off, 0.04),
    ];
    let purchases = snapshot.purchases.mean;
    let slice = |by: &str, label: &str, share: f64, error_share: f64| Slice {
        by: by.into(),
        label: label.into(),
        customers: (share * snapshot.customers as f64) as u64,
        predicted_value: 31.0 * purchases * share.sqrt(),
        actual_value: 31.0 * purchases * share.sqrt() * (1.0 - 0.3 * off),
        predicted_purchases: purchases * share.sqrt(),
        actual_purchases: (purchases * share.sqrt() * (1.0 - 0.2 * off)) as u64,
        error_share,
    };
    OutcomeRecord {
        schema_version: 1,
        cutoff: snapshot.cutoff,
        window_end: snapshot.window_end,
        accuracy: accuracy(values, snapshot.customers),
        left_out: 0,
        total: slice("all", "all", 1.0, 1.0),
        slices: vec![slice("value_tier", "Top 1%", 0.01, 0.41), slice("frequency", "5+", 0.12, 0.63)],
        worst_ten_share: 0.31,
    }
}

fn monitor(snapshot: &SnapshotRecord, outcome: &OutcomeRecord, in_a_row: u32) -> MonitorRecord {
    let promised = accuracy([62.0, 0.42, 0.735, 1.02, 0.975, 1.0], 2_100);
    let judgements: Vec<Judgement> =
        judge(&promised, &outcome.accuracy, &Thresholds::default()).expect("the same target and horizon");
    let breach = judgements.iter().any(|j| j.state == State::Breach);
    let consecutive = if breach { in_a_row + 1 } else { 0 };
    MonitorRecord {
        schema_version: 1,
        cutoff: snapshot.cutoff,
        window_end: snapshot.window_end,
        prediction_months: snapshot.prediction_months,
        model_id: snapshot.model_id.clone(),
        baseline: Some(Baseline { cutoff: day("2022-09-30"), of: Evaluated::OneWindowEarlier, accuracy: promised }),
        latest: outcome.accuracy.clone(),
        judgements,
        not_judged: None,
        inputs: snapshot.inputs.clone(),
        breach,
        consecutive,
        recommend_grid: consecutive > 1,
        worst_slices: outcome.slices.clone(),
        likely_causes: vec!["customers bought 20 % less often than predicted".into()],
    }
}
