//! Segments that are disjoint and exhaustive, sensible under ties, and tiers that anyone can recount.

use super::*;
use crate::data::Summary;
use crate::predict::tests_support::{CDNOW, CDNOW_SPEND, population, settings, summary};
use crate::predict::{Cpu, Expectations, Labelling, expectations, predict_customers};

/// A summary with CDNOW's ties: 60 % never came back, first purchases over twelve weeks, the rest spread over the window.
fn tied() -> Summary {
    let rows: Vec<_> = (0..1000u32)
        .map(|i| {
            let age = 27.0 + f64::from(i % 84) / 7.0;
            let x = if i % 10 < 6 { 0 } else { 1 + (i / 10 % 23) / 8 * (1 + i % 3) };
            let t_x = if x == 0 { 0.0 } else { age * f64::from(1 + i % 97) / 97.0 };
            (x, t_x, age, if x == 0 { 0.0 } else { 10.0 + f64::from(i % 50) })
        })
        .collect();
    summary(&rows)
}

#[test]
fn the_grid_is_exhaustive_and_every_segment_has_a_place() {
    let mut seen = [0; 11];
    for frequency in 1..=5 {
        for recency in 1..=5 {
            let segment = rfm_segment(recency, frequency);
            seen[RFM_SEGMENTS.iter().position(|s| s == segment).unwrap()] += 1;
            assert!(segment.action.ends_with('.'));
        }
    }
    assert_eq!(seen.iter().sum::<i32>(), 25);
    assert!(seen.iter().all(|&cells| cells > 0), "{seen:?}");
    let mut names: Vec<_> = RFM_SEGMENTS.iter().map(|s| s.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 11);
    assert_eq!(rfm_segment(5, 5).name, "Champions");
    assert_eq!(rfm_segment(1, 1).name, "Lost");
    assert_eq!(rfm_segment(1, 5).name, "Cannot lose them");
    assert_eq!(rfm_segment(5, 1).name, "New customers");
}

#[test]
fn heavy_ties_leave_the_best_segments_inhabited_by_repeat_buyers() {
    let summary = tied();
    assert_eq!(summary.frequency.iter().filter(|&&x| x == 0).count(), 600);
    let labelling = rfm_labelling(&rfm_scores(&summary));
    let members = |name: &str| -> Vec<usize> {
        (0..summary.len()).filter(|&i| labelling.labels[labelling.of_customer[i] as usize] == name).collect()
    };
    for best in ["Champions", "Loyal", "Potential loyalists", "Needs attention", "At risk"] {
        let members = members(best);
        assert!(!members.is_empty(), "{best} is empty");
        assert!(members.iter().all(|&i| summary.frequency[i] > 0), "{best} holds one-time buyers");
    }
    let counted: usize = RFM_SEGMENTS.iter().map(|segment| members(segment.name).len()).sum();
    assert_eq!(counted, summary.len());
    // Champions bought more lately than those at risk.
    let silence = |members: &[usize]| {
        members.iter().map(|&i| summary.age[i] - summary.recency[i]).sum::<f64>() / members.len() as f64
    };
    assert!(silence(&members("Champions")) < silence(&members("At risk")));
}

/// CDNOW's repeat counts: 60 % none, then 47, 22, 12 and 20 % of the repeat buyers with 1, 2, 3 and more.
#[test]
fn frequency_scores_tell_repeat_buyers_apart() {
    let counts = [(0, 1412), (1, 444), (2, 206), (3, 108), (5, 186)];
    let rows: Vec<_> = counts.iter().flat_map(|&(x, n)| std::iter::repeat_n((x, 0.0, 30.0, f64::from(x)), n)).collect();
    let summary = summary(&rows);
    let scores = rfm_scores(&summary);
    let expected: Vec<u8> = counts.iter().zip(1..).flat_map(|(&(_, n), score)| std::iter::repeat_n(score, n)).collect();
    assert_eq!(scores.frequency, expected);
    assert_eq!(scores.monetary, expected);
}

#[test]
fn one_time_buyers_are_never_more_than_promising() {
    let nobody_returned = summary(&[(0, 0.0, 5.0, 0.0), (0, 0.0, 20.0, 0.0), (0, 0.0, 39.0, 0.0)]);
    let scores = rfm_scores(&nobody_returned);
    assert_eq!((scores.frequency, scores.monetary), (vec![1; 3], vec![1; 3]));
    assert_eq!(scores.recency, [5, 3, 1]);
}

#[test]
fn tiers_are_cut_by_position_with_ties_by_id() {
    let summary = summary(&vec![(0, 0.0, 1.0, 0.0); 250]);
    // Ten distinct values, 25 customers each.
    let clv: Vec<f64> = (0..250).map(|i| f64::from(i % 10)).collect();
    let means = Expectations { clv: Some(clv.clone()), ..Default::default() };
    let tiers = value_tiers(&summary, &means);
    let sizes: Vec<usize> =
        (0..5).map(|tier| tiers.labelling.of_customer.iter().filter(|&&t| t == tier).count()).collect();
    // Positions 3, 13, 25, 50 of 250: 2.5 and 12.5 round up.
    assert_eq!(sizes, [3, 10, 12, 25, 200]);
    assert_eq!(tiers.cut_value, [Some(9.0), Some(9.0), Some(9.0), Some(8.0), None]);
    // Rows with value 9 are 9, 19, 29, …; ids ascend with the row.
    assert_eq!([tiers.rank[9], tiers.rank[19], tiers.rank[29], tiers.rank[39]], [1, 2, 3, 4]);
    assert_eq!([9, 19, 29, 39].map(|i| tiers.labelling.of_customer[i]), [0, 0, 0, 1]);
    let mut ranks = tiers.rank.clone();
    ranks.sort_unstable();
    assert!(ranks.iter().zip(1..).all(|(&rank, k)| rank == k));

    // The order of rows does not matter, only the ids.
    let mut turned = summary.clone();
    let mut ids: Vec<&str> = summary.customer_id.iter().collect();
    ids.reverse();
    turned.customer_id = ids.into_iter().collect();
    let means = Expectations { clv: Some(clv.into_iter().rev().collect()), ..Default::default() };
    let mut rank = value_tiers(&turned, &means).rank;
    rank.reverse();
    assert_eq!(rank, tiers.rank);
}

#[test]
fn a_handful_of_customers_still_has_a_top() {
    let summary = summary(&[(0, 0.0, 1.0, 0.0); 3]);
    let means = Expectations { discounted_purchases: vec![0.1, 0.3, 0.2], ..Default::default() };
    let tiers = value_tiers(&summary, &means);
    assert_eq!(tiers.labelling.of_customer, [4, 0, 4]);
    assert_eq!(tiers.rank, [3, 1, 2]);
    assert_eq!(tiers.cut_value, [Some(0.3), None, None, None, None]);
}

#[test]
fn the_table_adds_up_and_is_written() {
    let (summary, settings) = (tied(), settings());
    for spend in [Some(CDNOW_SPEND), None] {
        let population = population(20, CDNOW, spend);
        let means = expectations(&summary, &population, &settings).unwrap();
        let (rfm, tiers) = (rfm_labelling(&rfm_scores(&summary)), value_tiers(&summary, &means));
        let labellings: [Labelling; 2] = [rfm.clone(), tiers.labelling.clone()];
        let mut engine = Cpu::new(&summary, &population, &settings, &labellings).unwrap();
        let totals = predict_customers(&mut engine, &summary, &means, &labellings, &mut |_| Ok(()), &|_| ()).unwrap();
        let rows = segment_rows(&means, Some((&rfm, &totals[0])), &tiers, &totals[1]);
        assert_eq!(rows.len(), 16);
        for kind in ["rfm", "tier"] {
            let of_kind = || rows.iter().filter(|row| row.kind == kind);
            assert_eq!(of_kind().map(|row| row.customers).sum::<u64>(), 1000);
            assert!((of_kind().map(|row| row.share).sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((of_kind().map(|row| row.revenue_share).sum::<f64>() - 1.0).abs() < 1e-12);
            let purchases: f64 = of_kind().map(|row| row.purchases.mean).sum();
            assert!((purchases / means.purchases.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        // Customers of a higher tier are worth more each.
        let each: Vec<f64> = rows[11..].iter().map(|row| row.revenue_share / row.share).collect();
        assert!(each.windows(2).all(|pair| pair[0] > pair[1]), "{each:?}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segments.csv");
        write_segments(&path, &rows).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let read: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(read.len(), 16);
        assert_eq!((&read[0][0], &read[0][1], &read[11][0], &read[11][1]), ("rfm", "Champions", "tier", "Top 1%"));
        assert_eq!(read[11][8].is_empty(), spend.is_none());
        assert_eq!(read[11][12].parse::<f64>().unwrap(), tiers.cut_value[0].unwrap());

        let placed = placement(Some(&rfm), &tiers);
        assert_eq!(placed.clv_rank, tiers.rank);
        assert_eq!(placed.value_tier.of_customer.iter().filter(|&&tier| tier == 0).count(), 10);
    }
}
