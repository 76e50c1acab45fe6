//! Clusters that are found, that last, that one-order customers and thin data do not break, and that value has no say in.

use super::*;
use crate::data::{Groups, Ids};
use crate::kernels::rng::{Purpose, Stream};
use crate::segment::write_clusters;

/// x, t_x, T, m.
type Row = (u32, f64, f64, f64);

/// Customers with ids in order.
fn summary(rows: &[Row]) -> Summary {
    Summary {
        customer_id: (0..rows.len()).map(|i| format!("{i:07}")).collect(),
        first_purchase: Vec::new(),
        frequency: rows.iter().map(|row| row.0).collect(),
        recency: rows.iter().map(|row| row.1).collect(),
        age: rows.iter().map(|row| row.2).collect(),
        monetary: rows.iter().map(|row| row.3).collect(),
        group: vec![0; rows.len()],
        groups: Groups::all(),
    }
}

/// Four kinds of customer, far apart: came once lately, came once long ago, come often and spend much, came back a little and left.
fn four_kinds() -> Summary {
    let customer = |i: u64| {
        let mut stream = Stream::new(1, Purpose::Test, i, 0);
        let mut near = |v: f64| v * (0.2 * (stream.uniform() - 0.5)).exp();
        match i % 8 {
            0..=2 => (0, 0.0, near(5.0), 0.0),
            3 | 4 => (0, 0.0, near(70.0), 0.0),
            5 => (10 + (i / 8 % 4) as u32, near(50.0), near(50.0) + 6.0, near(90.0)),
            _ => (2, near(6.0), near(70.0), near(12.0)),
        }
    };
    summary(&(0..800).map(customer).collect::<Vec<_>>())
}

/// A fortnight later: everyone is older, and those who come often came again.
fn aged(summary: &Summary, weeks: f64) -> Summary {
    let mut later = summary.clone();
    later.age.iter_mut().for_each(|age| *age += weeks);
    for row in (0..later.len()).filter(|&row| summary.frequency[row] > 5) {
        later.frequency[row] += 1;
        later.recency[row] += weeks;
    }
    later
}

fn settings(clusters: Clusters) -> BehaviourSettings {
    BehaviourSettings { clusters, seed: 20_260_101 }
}

fn value_of(summary: &Summary) -> Vec<f64> {
    (0..summary.len()).map(|i| f64::from(summary.frequency[i]) * summary.monetary[i]).collect()
}

#[track_caller]
fn lens(summary: &Summary, clusters: Clusters, previous: Option<&PreviousClusters>) -> BehaviourLens {
    behaviour_lens(summary, &value_of(summary), &settings(clusters), previous).unwrap()
}

fn id_of(lens: &BehaviourLens) -> Vec<u32> {
    lens.of_customer.iter().map(|&c| lens.clusters[c as usize].id).collect()
}

/// Everything that holds of a lens whatever the data.
#[track_caller]
fn holds_together(lens: &BehaviourLens, summary: &Summary) {
    assert_eq!((lens.of_customer.len(), lens.clusters.len()), (summary.len(), lens.k as usize));
    for (i, cluster) in lens.clusters.iter().enumerate() {
        let count = lens.of_customer.iter().filter(|&&c| c as usize == i).count();
        assert!(count > 0 && cluster.customers == count as u64, "{cluster:?}");
        assert!(cluster.median_value.is_finite() && cluster.clv_index.is_none_or(f64::is_finite));
        assert!(lens.clusters[..i].iter().all(|other| other.id < cluster.id && other.profile != cluster.profile));
    }
    let share: f64 = lens.clusters.iter().map(|cluster| cluster.share).sum();
    assert!(summary.is_empty() || (share - 1.0).abs() < 1e-12);
    let mut ranks: Vec<u32> = lens.clusters.iter().map(|cluster| cluster.rank).collect();
    ranks.sort_unstable();
    assert!(ranks.into_iter().eq(1..=lens.k));
    assert!(lens.silhouettes.iter().all(|s| (-1.0..=1.0).contains(&s.mean)), "{:?}", lens.silhouettes);
    let known: Vec<u32> = lens.for_next.clusters.iter().map(|known| known.id).collect();
    assert!(known.iter().eq(lens.clusters.iter().map(|cluster| &cluster.id)));
    assert!(known.iter().all(|&id| id < lens.for_next.next_id));
    let json = serde_json::to_string(lens).unwrap();
    let back: BehaviourLens = serde_json::from_str(&json).unwrap();
    assert_eq!(BehaviourLens { of_customer: lens.of_customer.clone(), ..back }, *lens);
}

#[test]
fn four_kinds_are_found_and_said_in_words() {
    let customers = four_kinds();
    let lens = lens(&customers, Clusters::Auto, None);
    holds_together(&lens, &customers);
    assert_eq!(lens.k, 4, "{:?}", lens.silhouettes);
    let kind = |i: usize| [0, 0, 0, 1, 1, 2, 3, 3][i % 8];
    let first = [0, 3, 5, 6];
    assert!((0..800).all(|i| lens.of_customer[i] == lens.of_customer[first[kind(i)]]));
    let said = first.map(|i| lens.clusters[lens.of_customer[i] as usize].profile.as_str());
    assert_eq!(
        said,
        [
            "bought once, recently",
            "bought once, long ago",
            "frequent and recent, high spend",
            "occasional, long ago, usual spend",
        ]
    );
    // The first run's ids go by size: 300, then 200 twice, then 100.
    assert_eq!(lens.clusters.iter().map(|c| (c.id, c.customers)).collect::<Vec<_>>()[0], (1, 300));
    assert_eq!((lens.clusters[3].customers, lens.clusters[3].id, lens.for_next.next_id), (100, 4, 5));
    assert!(lens.left_out.is_empty() && lens.sampled == 800);
}

/// Thin data, in every way that clusters have been seen to break on.
#[test]
fn thin_data_give_fewer_clusters_and_no_failure() {
    let once = |i: u32| (0, 0.0, f64::from(i % 17 + 1), 0.0);
    let often = |i: u32| (1 + i % 5, f64::from(i % 20 + 1), 30.0 + f64::from(i % 7), 0.0);
    let rows = |n: u32, row: &dyn Fn(u32) -> Row| (0..n).map(row).collect::<Vec<_>>();
    let mut one_stranger = rows(200, &|_| (3, 20.0, 30.0, 10.0));
    one_stranger.push((0, 0.0, 2.0, 0.0));
    let cases: Vec<(&str, Vec<Row>)> = vec![
        ("nobody", vec![]),
        ("one customer", rows(1, &often)),
        ("one customer, one order", rows(1, &once)),
        ("two", rows(2, &often)),
        ("three, of whom two are alike", vec![often(1), often(1), once(4)]),
        ("nine", rows(9, &often)),
        ("all with one order", rows(300, &once)),
        ("all alike, one order", rows(50, &|_| (0, 0.0, 10.0, 0.0))),
        ("all alike, many orders", rows(50, &|_| (4, 9.0, 10.0, 5.0))),
        ("no spend", rows(300, &often)),
        ("constant age", rows(300, &|i| (i % 4, f64::from(i % 4) * 2.0, 52.0, f64::from(i % 4 * 10)))),
        ("one stranger", one_stranger),
        ("returned more than they bought", rows(60, &|i| (1 + i % 2, 3.0, 9.0, -5.0 * f64::from(i % 3)))),
    ];
    for (name, rows) in cases {
        let customers = summary(&rows);
        for clusters in [Clusters::Auto, Clusters::Fixed(1), Clusters::Fixed(4), Clusters::Fixed(10)] {
            let lens = lens(&customers, clusters, None);
            holds_together(&lens, &customers);
            let mut distinct: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            distinct.sort();
            distinct.dedup();
            let most = match clusters {
                Clusters::Fixed(k) => k as usize,
                Clusters::Auto => 10,
            };
            assert!(lens.k as usize <= most.min(distinct.len()), "{name}: {} of {}", lens.k, distinct.len());
            assert!(rows.is_empty() || lens.k >= 1);
            // The same again, from what the run before left.
            let again =
                behaviour_lens(&customers, &value_of(&customers), &settings(clusters), Some(&lens.for_next)).unwrap();
            assert_eq!(id_of(&again), id_of(&lens), "{name}");
            assert!(again.clusters.iter().all(|cluster| !cluster.is_new));
        }
    }
    let left_out = |rows: &[_]| lens(&summary(rows), Clusters::Auto, None).left_out;
    use Feature::{Age, BoughtOnce, Frequency, PurchaseGap, Spend};
    assert_eq!(left_out(&rows(300, &once)), [Frequency, PurchaseGap, Spend, BoughtOnce]);
    assert_eq!(left_out(&rows(300, &often)), [Spend, BoughtOnce]);
    assert_eq!(left_out(&rows(300, &|i| (1 + i % 4, f64::from(i % 9), 52.0, f64::from(i)))), [Age, BoughtOnce]);
}

/// Among places in order, few rare buyers come before many frequent ones; among ids they come after.
#[test]
fn the_first_ids_go_by_size() {
    let customer =
        |i: u32| if i.is_multiple_of(4) { (1, 3.0, 40.0 + f64::from(i % 3), 5.0) } else { (9, 30.0, 31.0, 50.0) };
    let lens = lens(&summary(&(0..400).map(customer).collect::<Vec<_>>()), Clusters::Fixed(2), None);
    assert_eq!(lens.clusters.iter().map(|c| (c.id, c.customers)).collect::<Vec<_>>(), [(1, 300), (2, 100)]);
}

#[test]
fn threads_and_the_order_of_rows_change_nothing() {
    let customers = four_kinds();
    let expected = lens(&customers, Clusters::Auto, None);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| lens(&customers, Clusters::Auto, None)), expected);
    }
    let order: Vec<usize> = (0..800).map(|i| i * 37 % 800).collect();
    let mut turned = customers.select(&order);
    turned.first_purchase.clear();
    let seen = lens(&turned, Clusters::Auto, None);
    assert_eq!(order.iter().map(|&row| expected.of_customer[row]).collect::<Vec<_>>(), seen.of_customer);
    assert_eq!(BehaviourLens { of_customer: expected.of_customer.clone(), ..seen }, expected);
}

#[test]
fn value_is_reported_and_decides_nothing() {
    let customers = four_kinds();
    let of_value = |value: &[f64]| behaviour_lens(&customers, value, &settings(Clusters::Auto), None).unwrap();
    let expected = of_value(&value_of(&customers));
    let upside_down: Vec<f64> = (0..800).map(|i| f64::from(i * i % 101)).collect();
    let seen = of_value(&upside_down);
    assert_eq!((&seen.of_customer, &seen.for_next), (&expected.of_customer, &expected.for_next));
    assert_ne!(seen.clusters[0].mean_value, expected.clusters[0].mean_value);
}

#[test]
fn the_index_compares_medians_or_says_that_it_cannot() {
    let customers = four_kinds();
    let of_value = |value: &dyn Fn(usize) -> f64| {
        let value: Vec<f64> = (0..800).map(value).collect();
        behaviour_lens(&customers, &value, &settings(Clusters::Fixed(4)), None).unwrap()
    };
    // By kind: 300, 200, 100, 200 customers.
    let kind = |i: usize| [0, 0, 0, 1, 1, 2, 3, 3][i % 8];
    let of_kind = |lens: &BehaviourLens, first: usize| lens.clusters[lens.of_customer[first] as usize].clone();
    let medians = of_value(&|i| [2.0, 4.0, 40.0, 8.0][kind(i)]);
    assert_eq!(medians.index_of, IndexOf::Median);
    let seen = [0, 3, 5, 6].map(|first| (of_kind(&medians, first).clv_index, of_kind(&medians, first).rank));
    assert_eq!(seen, [(Some(50.0), 4), (Some(100.0), 3), (Some(1000.0), 1), (Some(200.0), 2)]);
    // Five eighths are worth nothing: the median is 0, the mean 40 / 8 + 2 · 8 / 8 = 7.
    let means = of_value(&|i| [0.0, 0.0, 40.0, 8.0][kind(i)]);
    assert_eq!(means.index_of, IndexOf::Mean);
    let seen = [0, 3, 5, 6].map(|first| of_kind(&means, first).clv_index.unwrap());
    assert_eq!((seen[0], seen[1]), (0.0, 0.0));
    assert!((seen[2] - 4000.0 / 7.0).abs() < 1e-9 && (seen[3] - 800.0 / 7.0).abs() < 1e-9, "{seen:?}");
    let nothing = of_value(&|_| 0.0);
    assert!(nothing.index_of == IndexOf::Mean && nothing.clusters.iter().all(|cluster| cluster.clv_index.is_none()));
}

#[test]
fn ids_stay_with_their_customers() {
    let customers = four_kinds();
    let first = lens(&customers, Clusters::Auto, None);
    assert!(first.clusters.iter().all(|cluster| cluster.is_new));
    // The search begins elsewhere, and comes upon the sets in another order.
    for seed in 1..6 {
        let settings = BehaviourSettings { clusters: Clusters::Auto, seed };
        let seen = behaviour_lens(&customers, &value_of(&customers), &settings, Some(&first.for_next)).unwrap();
        assert_eq!(id_of(&seen), id_of(&first), "seed {seed}");
        let fresh = behaviour_lens(&customers, &value_of(&customers), &settings, None).unwrap();
        assert_eq!(id_of(&fresh), id_of(&first), "seed {seed}");
    }
    // Time passes: twenty-six fortnights, each matched to the one before.
    let (mut now, mut last) = (customers, first.clone());
    for fortnight in 0..26 {
        now = aged(&now, 2.0);
        last = lens(&now, Clusters::Fixed(4), Some(&last.for_next));
        assert_eq!(id_of(&last), id_of(&first), "fortnight {fortnight}");
        assert_eq!(last.for_next.next_id, 5);
    }
}

#[test]
fn a_cluster_that_comes_gets_a_new_id_and_one_that_goes_takes_its_own_along() {
    let mut now = four_kinds();
    let four = lens(&now, Clusters::Fixed(4), None);
    now = aged(&now, 2.0);
    let five = lens(&now, Clusters::Fixed(5), Some(&four.for_next));
    let ids = |lens: &BehaviourLens| lens.clusters.iter().map(|cluster| cluster.id).collect::<Vec<_>>();
    assert_eq!((ids(&five), five.for_next.next_id), (vec![1, 2, 3, 4, 5], 6));
    assert!(five.clusters.iter().all(|cluster| cluster.is_new == (cluster.id == 5)));
    // Those who are not in the new cluster are where they were.
    assert!(id_of(&five).iter().zip(id_of(&four)).all(|(&now, then)| now == then || now == 5));

    now = aged(&now, 2.0);
    let back = lens(&now, Clusters::Fixed(4), Some(&five.for_next));
    let kept = ids(&back);
    assert!(kept.len() == 4 && kept.iter().all(|id| (1..=5).contains(id)) && back.for_next.next_id == 6, "{kept:?}");
    assert!(id_of(&back).iter().zip(id_of(&five)).filter(|(now, then)| *now == then).count() > 600);

    // The id that went does not come back, nor is it given to another.
    now = aged(&now, 2.0);
    let again = lens(&now, Clusters::Fixed(5), Some(&back.for_next));
    let mut expected = kept;
    expected.push(6);
    assert_eq!((ids(&again), again.for_next.next_id), (expected, 7));
}

#[test]
fn clusters_far_from_all_before_are_new() {
    let customers = four_kinds();
    let first = lens(&customers, Clusters::Fixed(4), None);
    // The kind that came often has left: in their place are others, who came back once after a very long time.
    let mut changed = customers.clone();
    for row in (0..800).filter(|row| row % 8 == 5) {
        (changed.frequency[row], changed.recency[row], changed.age[row]) = (1, 64.0, 65.0);
        changed.monetary[row] = 1.0;
    }
    let seen = lens(&changed, Clusters::Fixed(4), Some(&first.for_next));
    let (then, now) = (id_of(&first), id_of(&seen));
    assert!((0..800).all(|row| (now[row] == then[row]) == (row % 8 != 5)));
    assert_eq!((now[5], seen.for_next.next_id), (5, 6));
}

#[test]
fn a_sample_decides_and_everyone_has_a_cluster() {
    // Ten times the kinds and more than the sample holds.
    let kinds = four_kinds();
    let rows: Vec<usize> = (0..60_000).map(|i| i % 800).collect();
    let mut many = kinds.select(&rows);
    many.first_purchase.clear();
    many.customer_id = (0..60_000).map(|i| format!("{i:07}")).collect::<Ids>();
    let seen = lens(&many, Clusters::Auto, None);
    assert_eq!((seen.sampled, seen.k), (50_000, 4));
    let few = lens(&kinds, Clusters::Auto, None);
    let sizes = |lens: &BehaviourLens| lens.clusters.iter().map(|cluster| cluster.customers).collect::<Vec<_>>();
    assert_eq!(sizes(&seen), sizes(&few).into_iter().map(|size| size * 75).collect::<Vec<_>>());
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let customers = four_kinds();
    let said =
        |value: &[f64], clusters| behaviour_lens(&customers, value, &settings(clusters), None).unwrap_err().to_string();
    let value = vec![1.0; 800];
    assert!(said(&value, Clusters::Fixed(0)).starts_with("the number of clusters must be from 1 to 50 (found 0)"));
    assert!(said(&value, Clusters::Fixed(51)).contains("found 51"));
    assert!(said(&value[1..], Clusters::Auto).contains("found 800 customers, 799 values"));
    let mut value = value;
    value[3] = f64::INFINITY;
    assert!(said(&value, Clusters::Auto).starts_with("customer 0000003: "));
}

#[test]
fn the_table_is_written_and_read_back() {
    let customers = four_kinds();
    let lens = lens(&customers, Clusters::Fixed(4), None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    write_clusters(&path, &lens).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 4);
    for (row, cluster) in rows.iter().zip(&lens.clusters) {
        assert_eq!((row[0].parse(), &row[2]), (Ok(cluster.id), cluster.profile.as_str()));
        assert_eq!((row[3].parse(), row[10].parse()), (Ok(cluster.customers), Ok(cluster.centre.frequency)));
        assert_eq!(row[14].is_empty(), cluster.centre.spend.is_none());
    }
}
