//! Draws made sick on purpose, one kind at a time, and what the verdict says of each.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis, s};

use super::reference::ar;
use super::*;

const CHAINS: usize = 4;
const DRAWS: usize = 500;

/// Independent, uniform draws of width 1 around 0 of `a`, `b`, `c`.
fn healthy() -> Array3<f64> {
    independent(CHAINS, DRAWS)
}

fn independent(chains: usize, draws: usize) -> Array3<f64> {
    let long = ar(1, chains * draws * 3, 0.0, 0.0).into_shape_with_order((3, chains, draws)).unwrap();
    long.permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
}

type Stats = BTreeMap<String, Array2<f64>>;

fn judge_with(values: &Array3<f64>, stats: &Stats, chains_per_superchain: Option<usize>) -> FitFacts {
    let elements = [("a", vec![]), ("b", vec![]), ("c", vec![])];
    let input = FitInput {
        fit: "purchase",
        elements: &elements,
        values: values.view(),
        stats,
        per_group: &|_| false,
        chains_per_superchain,
    };
    diagnose_fit(&input, &Thresholds::default()).unwrap().facts
}

fn judge(values: &Array3<f64>) -> FitFacts {
    judge_with(values, &Stats::new(), None)
}

fn reason(facts: &FitFacts, kind: Kind) -> &Reason {
    let found = facts.reasons.iter().find(|r| r.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind:?} among {:#?}", facts.reasons))
}

/// Every word of `words` stands in the text.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn the_healthy_set_is_healthy() {
    let facts = judge(&healthy());
    assert_eq!((facts.verdict, facts.reasons.len()), (Verdict::Pass, 0), "{:#?}", facts.reasons);
    assert!(facts.notes.iter().all(|n| n.contains("recorded no")), "{:?}", facts.notes);
}

#[test]
fn a_chain_that_never_moves_is_named() {
    let mut values = healthy();
    values.slice_mut(s![2, .., ..]).fill(0.3);
    let facts = judge(&values);
    let found = reason(&facts, Kind::Stuck);
    says(&found.text, &["chain 3 of purchase", "never moves", "499 times", "10 %", "3 of 3", "sampler.target_accept"]);
    assert_eq!((found.parameter.as_deref(), found.figure, found.limit), (Some("a"), 0.0, 0.1));
    says(&reason(&facts, Kind::RHat).text, &["chain 3 is stuck"]);
    assert!(facts.reasons.iter().all(|r| r.kind != Kind::Modes), "a stuck chain is no mode");
}

#[test]
fn a_chain_that_almost_never_moves_is_named_and_one_that_barely_wiggles_too() {
    let mut values = healthy();
    for t in 0..DRAWS {
        let held = values.slice(s![1, t - t % 50, ..]).to_owned();
        values.slice_mut(s![1, t, ..]).assign(&held);
    }
    says(&reason(&judge(&values), Kind::Stuck).text, &["chain 2 of purchase", "moves 9 times", "499 times"]);

    let mut values = healthy();
    values.slice_mut(s![0, .., 1]).mapv_inplace(|x| 0.2 + 0.001 * x);
    let facts = judge(&values);
    let found = reason(&facts, Kind::Stuck);
    says(&found.text, &["chain 1 of purchase", "b is 0.", "% as wide as in the median chain", "5 %", "1 of 3"]);
    assert_eq!((found.parameter.as_deref(), found.limit), (Some("b"), 0.05));
    assert!(found.figure < 0.01);
}

/// A parameter that takes few values and rarely changes is left alone.
#[test]
fn rare_moves_of_every_chain_are_nobody_s_fault() {
    let values = healthy().mapv(|x| f64::from(x > 0.48));
    let facts = judge(&values);
    assert!(facts.reasons.iter().all(|r| r.kind != Kind::Stuck), "{:#?}", facts.reasons);
}

#[test]
fn chains_in_distinct_places_are_sorted_by_place() {
    let mut values = healthy();
    values.slice_mut(s![1, .., 2]).mapv_inplace(|x| x + 7.0);
    values.slice_mut(s![3, .., 2]).mapv_inplace(|x| x + 7.0);
    let facts = judge(&values);
    let found = reason(&facts, Kind::Modes);
    says(
        &found.text,
        &["2 places", "clearest in c", "chains 1 and 3 near", "chains 2 and 4 near 7.0", "must be below 3"],
    );
    // 7 over half the distance of the 16 % and 84 % points of a uniform number, 0.34: about 20.
    assert!((18.0..23.0).contains(&found.figure) && found.limit == 3.0, "{}", found.figure);
    assert_eq!(found.parameter.as_deref(), Some("c"));
    says(&reason(&facts, Kind::RHat).text, &["R-hat of c is", "distinct places"]);
}

/// Chains that wander lie apart, and are no modes: not even each agrees with itself.
#[test]
fn wandering_chains_are_no_modes() {
    let mut values = healthy();
    for ix in 0..3 {
        values.index_axis_mut(Axis(2), ix).assign(&ar(CHAINS, DRAWS, 1.0, 0.0));
    }
    let facts = judge(&values);
    assert!(facts.reasons.iter().all(|r| r.kind != Kind::Modes), "{:#?}", facts.reasons);
    assert!(reason(&facts, Kind::RHat).figure > 1.2);
}

#[test]
fn two_humps_within_chains_are_a_note() {
    let mut values = healthy();
    // Each draw left or right by its last digits: chains mix freely between the humps.
    values.slice_mut(s![.., .., 0]).mapv_inplace(|x| x + if (x * 1e4).floor() % 2.0 == 0.0 { 3.0 } else { 0.0 });
    let facts = judge(&values);
    assert_eq!(facts.verdict, Verdict::Pass, "{:#?}", facts.reasons);
    let note = facts.notes.iter().find(|n| n.contains("humps")).expect("a note");
    says(note, &["a has two humps", "near 3.", "valley", "mean"]);
}

#[test]
fn heavy_tails_are_a_note() {
    let mut values = healthy();
    values.slice_mut(s![.., .., 1]).mapv_inplace(|x| (std::f64::consts::PI * x).tan());
    let facts = judge(&values);
    assert_eq!(facts.verdict, Verdict::Pass, "{:#?}", facts.reasons);
    // Cauchy: k = 1 in both tails.
    let note = facts.notes.iter().find(|n| n.contains("Pareto k")).expect("a note");
    says(note, &["tails of b", "may not exist", "0.7", "median and quantiles"]);
    assert_eq!(facts.notes.iter().filter(|n| n.contains("Pareto k")).count(), 1);
}

#[test]
fn trends_have_words_of_their_own() {
    let mut values = healthy();
    for t in 0..DRAWS {
        values.slice_mut(s![.., t, 0]).mapv_inplace(|x| x + t as f64 / DRAWS as f64);
    }
    says(&reason(&judge(&values), Kind::RHat).text, &["R-hat of a", "trending", "above their first", "sampler.warmup"]);

    // From four places towards one, there from the middle on.
    let mut values = healthy();
    for (c, start) in [-0.9, -0.3, 0.3, 0.9].into_iter().enumerate() {
        for t in 0..DRAWS {
            let left = (1.0 - 2.0 * t as f64 / DRAWS as f64).max(0.0);
            values[[c, t, 1]] += start * left;
        }
    }
    says(
        &reason(&judge(&values), Kind::RHat).text,
        &["R-hat of b", "still on their way", "R-hat of their first halves alone is 1.5"],
    );
}

#[test]
fn divergences_are_located() {
    let mut values = healthy();
    values.slice_mut(s![.., .., 1]).mapv_inplace(|x| x + 0.5);
    let mut stats = Stats::from([("diverging".to_owned(), Array2::zeros((CHAINS, DRAWS)))]);
    let low: Vec<(usize, usize)> =
        values.slice(s![.., .., 1]).indexed_iter().filter(|(_, x)| **x < 0.05).map(|(at, _)| at).collect();
    for at in &low {
        stats.get_mut("diverging").unwrap()[*at] = 1.0;
    }
    let facts = judge_with(&values, &stats, None);
    let [place] = &facts.divergence_places[..] else { panic!("{:?}", facts.divergence_places) };
    // Uniform below 0.05: mean rank 0.025, (0.025 − 0.5) √12 = −1.65.
    assert_eq!(place.parameter, "b");
    assert!((place.shift + 1.65).abs() < 0.03 && (place.quantile - 0.025).abs() < 0.01, "{place:?}");
    let found = reason(&facts, Kind::Divergences);
    says(
        &found.text,
        &["they gather where b is low (median 0.02", "% quantile of all draws)", "sampler.target_accept"],
    );
    assert_eq!(found.parameter.as_deref(), Some("b"));

    // Anywhere: nothing is said of where.
    let spread = Array2::from_shape_fn((CHAINS, DRAWS), |(_, t)| f64::from(u8::from(t % 10 == 3)));
    let facts = judge_with(&healthy(), &Stats::from([("diverging".to_owned(), spread)]), None);
    assert!(facts.divergence_places.is_empty());
    assert!(!reason(&facts, Kind::Divergences).text.contains("gather"));
}

#[test]
fn caps_that_bind_are_why_effective_draws_are_few() {
    let mut values = healthy();
    values.index_axis_mut(Axis(2), 0).assign(&ar(CHAINS, DRAWS, 0.9, 0.0));
    let ones = Array2::ones((CHAINS, DRAWS));
    for (stat, key) in
        [("reached_max_treedepth", "sampler.max_treedepth"), ("reached_max_leapfrogs", "sampler.max_leapfrogs")]
    {
        let facts = judge_with(&values, &Stats::from([(stat.to_owned(), ones.clone())]), None);
        says(&reason(&facts, Kind::Ess).text, &["effective sample size of a", "100 % of the trajectories", key]);
        assert!(facts.notes.iter().any(|n| n.contains("2000 of 2000") && n.contains(key)), "{:?}", facts.notes);
        assert_eq!(facts.depth_hits + facts.leapfrog_cap_hits, 2000);
        // Chains that disagree because they creep are told the same cause, and few draws in all are no excuse.
        values.slice_mut(s![0, .., 0]).mapv_inplace(|x| x + 1.0);
        let apart = judge_with(&values, &Stats::from([(stat.to_owned(), ones.clone())]), None);
        says(&reason(&apart, Kind::RHat).text, &["cut short by", key, "before anything else"]);
        values.slice_mut(s![0, .., 0]).mapv_inplace(|x| x - 1.0);
    }
}

#[test]
fn many_short_chains_are_told_of_superchains() {
    let mut values = independent(128, 20);
    values.index_axis_mut(Axis(2), 0).assign(&ar(128, 20, 0.5, 0.0));
    let facts = judge(&values);
    let found = reason(&facts, Kind::RHat);
    says(
        &found.text,
        &[
            "each of 128 chains has 20 draws",
            "cannot pass and says nothing",
            "sampler.superchains = 8",
            "sampler.draws",
        ],
    );
    // With 8 superchains of 16 the same draws pass.
    let nested = judge_with(&values, &Stats::new(), Some(16));
    assert_eq!((nested.verdict, nested.chains_per_superchain), (Verdict::Pass, Some(16)), "{:#?}", nested.reasons);
    // And superchains that remember where they began do not.
    let mut apart = values.clone();
    apart.slice_mut(s![..16, .., 0]).mapv_inplace(|x| x + 0.5);
    let found = judge_with(&apart, &Stats::new(), Some(16));
    assert!(reason(&found, Kind::RHat).text.starts_with("R-hat of a is 1."), "{:#?}", found.reasons);
}

/// However many parameters are in memory at once, the same bits and the same words.
#[test]
fn blocks_do_not_change_a_bit() {
    let mut values = healthy();
    values.slice_mut(s![1, .., 2]).mapv_inplace(|x| x + 7.0);
    values.slice_mut(s![2, .., 0]).fill(0.1);
    let stats = Stats::from([("diverging".to_owned(), ar(CHAINS, DRAWS, 0.0, 0.0).mapv(|x| f64::from(x > 0.45)))]);
    let elements = [("a", vec![]), ("b", vec![]), ("c", vec![])];
    let layout = FitLayout {
        fit: "purchase",
        elements: &elements,
        chains: CHAINS,
        draws: DRAWS,
        stats: &stats,
        per_group: &|_| false,
        chains_per_superchain: None,
    };
    let with = |block: usize| {
        let mut read = |held: std::ops::Range<usize>| {
            Ok(values.slice(s![.., .., held]).permuted_axes([2, 0, 1]).as_standard_layout().into_owned())
        };
        let found = diagnose_fit_by_blocks(&layout, block, &mut read, &Thresholds::default()).unwrap();
        serde_json::to_string(&verdict(vec![found])).unwrap()
    };
    let whole = with(3);
    assert!(whole.contains("stuck") && whole.contains("gather"));
    assert_eq!(whole, with(1));
    assert_eq!(whole, with(2));
}

/// Files of earlier versions lack the newer keys and still read.
#[test]
fn older_files_still_read() {
    let input = healthy();
    let mut file = serde_json::to_value(verdict(vec![judge_whole(&input)])).unwrap();
    for parameter in file["parameters"].as_array_mut().unwrap() {
        for key in ["mcse_sd", "mcse_q05", "mcse_q95", "ess_mean"] {
            assert!(parameter.as_object_mut().unwrap().remove(key).is_some_and(|x| x.is_number()));
        }
    }
    let facts = file["fits"][0].as_object_mut().unwrap();
    for key in ["leapfrog_cap_hits", "chains_per_superchain", "divergence_places"] {
        assert!(facts.remove(key).is_some());
    }
    let back: Diagnostics = serde_json::from_value(file).unwrap();
    assert!(back.parameters[0].mcse_sd.is_nan() && back.fits[0].divergence_places.is_empty());
}

fn judge_whole(values: &Array3<f64>) -> FitDiagnostics {
    let elements = [("a", vec![]), ("b", vec![]), ("c", vec![])];
    let stats = Stats::new();
    let input = FitInput {
        fit: "purchase",
        elements: &elements,
        values: values.view(),
        stats: &stats,
        per_group: &|_| false,
        chains_per_superchain: None,
    };
    diagnose_fit(&input, &Thresholds::default()).unwrap()
}

/// What the verdict works out together is what each figure's own function says.
#[test]
fn shared_work_gives_the_same_bits() {
    let mut values = healthy();
    values.index_axis_mut(Axis(2), 1).assign(&ar(CHAINS, DRAWS, 0.8, 0.1));
    let found = judge_whole(&values.slice(s![.., ..DRAWS - 1, ..]).to_owned());
    for (ix, p) in found.parameters.iter().enumerate() {
        let column = values.slice(s![.., ..DRAWS - 1, ix]).as_standard_layout().into_owned();
        let x = column.view();
        let seen = [p.mcse_mean, p.mcse_sd, p.mcse_q05, p.mcse_q95, p.ess_mean, p.ess_tail, p.r_hat];
        let alone = [
            mcse_mean(x),
            mcse_sd(x),
            mcse_quantile(x, 0.05),
            mcse_quantile(x, 0.95),
            ess_mean(x),
            ess_tail(x),
            r_hat(x),
        ];
        assert_eq!(seen.map(f64::to_bits), alone.map(f64::to_bits), "parameter {ix}");
    }
}
