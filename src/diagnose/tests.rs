//! Verdicts: what passes, what is refused, in which words, and the layout of `diagnostics.json`.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis, s};
use serde_json::{Value, json};

use super::reference::ar;
use super::*;

const CHAINS: usize = 4;
const DRAWS: usize = 500;

/// Independent draws of `size` elements: each a stretch of one long sequence.
fn draws(size: usize) -> Array3<f64> {
    let long = ar(1, CHAINS * DRAWS * size, 0.0, 0.0);
    let shaped = long.into_shape_with_order((size, CHAINS, DRAWS)).unwrap();
    shaped.permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
}

fn healthy_stats() -> BTreeMap<String, Array2<f64>> {
    BTreeMap::from([
        ("diverging".to_owned(), Array2::zeros((CHAINS, DRAWS))),
        ("reached_max_treedepth".to_owned(), Array2::zeros((CHAINS, DRAWS))),
        ("energy".to_owned(), ar(CHAINS, DRAWS, 0.2, 0.0)),
    ])
}

/// Judges `values` as elements of `alpha[cohort=…]`, which is per group where `per_group`, after a scalar `mu`.
fn judge(values: &Array3<f64>, stats: &BTreeMap<String, Array2<f64>>, per_group: bool) -> FitDiagnostics {
    let labels: Vec<String> = (0..values.len_of(Axis(2))).map(|ix| format!("w{ix:02}")).collect();
    let named = |(ix, label): (usize, &'_ String)| -> (&str, Vec<(&str, String)>) {
        if ix == 0 { ("mu", vec![]) } else { ("alpha", vec![("cohort", label.clone())]) }
    };
    let owned: Vec<_> = labels.iter().enumerate().map(named).collect();
    let elements: Vec<(&str, Vec<(&str, &str)>)> =
        owned.iter().map(|(name, coords)| (*name, coords.iter().map(|(d, l)| (*d, l.as_str())).collect())).collect();
    let input = FitInput {
        fit: "purchase",
        elements: &elements,
        values: values.view(),
        stats,
        per_group: &|name| per_group && name == "alpha",
        chains_per_superchain: None,
    };
    // Offsets that the tests put in cost effective draws too; here R-hat is to be what decides.
    diagnose_fit(&input, &Thresholds { ess: if per_group { 100.0 } else { 400.0 }, ..Thresholds::default() }).unwrap()
}

fn texts(found: &FitDiagnostics) -> Vec<&str> {
    found.facts.reasons.iter().map(|r| r.text.as_str()).collect()
}

#[test]
fn good_draws_pass_and_the_file_has_its_stable_keys() {
    let found = verdict(vec![judge(&draws(2), &healthy_stats(), false)]);
    assert_eq!((found.verdict, found.reasons.len()), (Verdict::Pass, 0), "{:?}", found.reasons);

    let file: Value = serde_json::to_value(&found).unwrap();
    let keys: Vec<&str> = file.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["schema_version", "verdict", "reasons", "method", "caution", "divergences", "parameters", "fits"]
    );
    assert_eq!(
        (&file["schema_version"], &file["verdict"], &file["divergences"]),
        (&json!(1), &json!("pass"), &json!(0))
    );
    let line = file["parameters"][1].as_object().unwrap();
    let keys: Vec<&str> = line.keys().map(String::as_str).collect();
    let expected = [
        "fit",
        "name",
        "coords",
        "mean",
        "sd",
        "q05",
        "q50",
        "q95",
        "r_hat",
        "ess_bulk",
        "ess_tail",
        "mcse_mean",
        "mcse_sd",
        "mcse_q05",
        "mcse_q95",
        "ess_mean",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (&line["fit"], &line["name"], &line["coords"]),
        (&json!("purchase"), &json!("alpha"), &json!({"cohort": "w01"}))
    );
    // u − ½ on (0, 1): mean 0, sd 1/√12, quantiles −0.45, 0 and 0.45, within four standard errors of 2000 draws.
    for (key, expected, tolerance) in
        [("mean", 0.0, 0.026), ("sd", 0.288_675, 0.012), ("q05", -0.45, 0.02), ("q95", 0.45, 0.02)]
    {
        let seen = line[key].as_f64().unwrap();
        assert!((seen - expected).abs() < tolerance, "{key} {seen}");
    }
    assert_eq!(file["fits"][0]["e_bfmi"].as_array().unwrap().len(), CHAINS);
    assert_eq!(serde_json::from_value::<Diagnostics>(file).unwrap(), found);
}

#[test]
fn a_parameter_s_line_is_made_of_the_single_figures() {
    let values = draws(3);
    let found = judge(&values, &healthy_stats(), false);
    for (ix, p) in found.parameters.iter().enumerate() {
        let column = values.slice(s![.., .., ix]);
        let figures = [p.r_hat, p.ess_bulk, p.ess_tail, p.mcse_mean];
        assert_eq!(figures, [r_hat(column), ess_bulk(column), ess_tail(column), mcse_mean(column)]);
    }
}

#[test]
fn disagreement_is_said_in_words() {
    let mut values = draws(3);
    values.slice_mut(s![0, .., 1]).mapv_inplace(|x| x + 0.2);
    let found = judge(&values, &healthy_stats(), false);
    assert_eq!(found.facts.verdict, Verdict::Fail);
    let text = texts(&found)[0];
    assert!(text.starts_with("R-hat of alpha[cohort=w01] is 1.") && text.contains("(must be below 1.01): "), "{text}");
    assert!(text.contains("the chains disagree") && text.contains("sampler.draws"), "{text}");
    assert_eq!(found.facts.worst_r_hat.as_ref().unwrap().parameter, "alpha[cohort=w01]");
    assert!(found.facts.worst_r_hat.as_ref().unwrap().value > 1.05);
    assert_eq!(found.facts.reasons[0].kind, Kind::RHat);
}

#[test]
fn among_many_groups_one_percent_may_exceed_by_chance() {
    // An offset of 0.08 on one chain of four: R-hat about 1.02, between the strict limit and the lax one.
    let mut values = draws(201);
    let push = |values: &mut Array3<f64>, ix: usize, by: f64| values.slice_mut(s![0, .., ix]).mapv_inplace(|x| x + by);
    push(&mut values, 7, 0.08);
    push(&mut values, 9, 0.08);
    let two = judge(&values, &healthy_stats(), true);
    let over: Vec<f64> = two.parameters.iter().map(|p| p.r_hat).filter(|r| *r >= 1.01).collect();
    assert!(over.len() == 2 && over.iter().all(|r| *r < 1.05), "{over:?}");
    assert_eq!(two.facts.verdict, Verdict::Pass, "{:?}", texts(&two));
    // The same parameters as hyperparameters fail.
    let strict = judge(&values, &healthy_stats(), false);
    assert_eq!(strict.facts.reasons.iter().filter(|r| r.kind == Kind::RHat).count(), 2);

    push(&mut values, 11, 0.08);
    let three = judge(&values, &healthy_stats(), true);
    assert!(texts(&three)[0].contains("for 99 % of the 200 group parameters; 3 are not"), "{:?}", texts(&three));

    let mut values = draws(201);
    push(&mut values, 7, 0.2);
    let far = judge(&values, &healthy_stats(), true);
    assert!(texts(&far)[0].contains("(must be below 1.05 for a group parameter)"), "{:?}", texts(&far));
}

#[test]
fn long_lists_are_cut_worst_first() {
    let mut values = draws(9);
    for ix in 1..9 {
        values.slice_mut(s![0, .., ix]).mapv_inplace(|x| x + 0.1 * ix as f64);
    }
    let found = judge(&values, &healthy_stats(), false);
    let r_hats: Vec<_> = found.facts.reasons.iter().filter(|r| r.kind == Kind::RHat).collect();
    assert_eq!(r_hats.len(), 4);
    assert!(r_hats[0].text.contains("w08") && r_hats[1].text.contains("w07") && r_hats[2].text.contains("w06"));
    assert!(r_hats[3].text.contains("R-hats fail (5 more"), "{}", r_hats[3].text);
}

#[test]
fn divergences_count_by_their_share() {
    let mut stats = healthy_stats();
    // 0.1 % of 2000 is 2: one is below, two are not.
    stats.get_mut("diverging").unwrap()[[1, 3]] = 1.0;
    let one = judge(&draws(1), &stats, false);
    assert_eq!((one.facts.verdict, one.facts.divergences), (Verdict::Pass, 1));
    assert!(one.facts.notes[0].starts_with("1 of 2000 transitions"), "{:?}", one.facts.notes);
    stats.get_mut("diverging").unwrap()[[2, 3]] = 1.0;
    let two = judge(&draws(1), &stats, false);
    let text = texts(&two)[0];
    assert!(text.starts_with("2 of 2000 transitions of purchase diverged (0.1 %, must be below 0.1 %)"), "{text}");
    stats.get_mut("reached_max_treedepth").unwrap().row_mut(0).fill(1.0);
    let deep = judge(&draws(1), &stats, false);
    assert!(deep.facts.notes[0].starts_with("500 of 2000 transitions of purchase (25 %)"), "{:?}", deep.facts.notes);
}

#[test]
fn slow_energies_are_refused_by_chain() {
    let mut stats = healthy_stats();
    stats.get_mut("energy").unwrap().row_mut(2).assign(&ar(1, DRAWS, 0.99, 0.0).row(0));
    let found = judge(&draws(1), &stats, false);
    let text = texts(&found)[0];
    assert!(text.starts_with("E-BFMI of purchase in chain 3 is 0.0") && text.contains("must be above 0.3"), "{text}");
    stats.remove("energy");
    let without = judge(&draws(1), &stats, false);
    assert!(without.facts.verdict == Verdict::Pass && without.facts.notes[0].contains("no energies"));
}

#[test]
fn too_little_to_judge_is_said_once() {
    let cut = |chains: usize, n: usize| -> FitDiagnostics {
        let values = draws(5).slice(s![..chains, ..n, ..]).to_owned();
        let stats = healthy_stats().into_iter().map(|(k, v)| (k, v.slice(s![..chains, ..n]).to_owned())).collect();
        judge(&values, &stats, false)
    };
    let three = cut(4, 3);
    assert_eq!(texts(&three).len(), 1, "{:?}", texts(&three));
    assert!(texts(&three)[0].starts_with("purchase has 3 draws per chain (must be at least 4)"));
    assert!(three.parameters[0].r_hat.is_nan() && three.parameters[0].mean.is_finite());

    let one = cut(1, 500);
    assert!(texts(&one)[0].starts_with("purchase was sampled by one chain"), "{:?}", texts(&one));
    assert!(one.parameters[0].r_hat < 1.05, "one chain is still judged by its halves");

    let few = cut(4, 50);
    let ess = few.facts.reasons.iter().find(|r| r.kind == Kind::Ess).unwrap();
    assert!(ess.text.contains("only 200 draws in all; set sampler.draws (now 50)"), "{}", ess.text);

    let none = judge(&Array3::zeros((4, 0, 2)), &BTreeMap::new(), false);
    assert!(none.facts.verdict == Verdict::Fail && texts(&none)[0].starts_with("purchase has no draws"));
    assert_eq!(verdict(vec![]).verdict, Verdict::Fail);
}

#[test]
fn short_chains_are_not_called_liars() {
    // 60 chains of 64 draws from one distribution: R-hat cannot get below 1.01 on so few, and the advice says so.
    let long = ar(1, 64 * 60, 0.5, 0.0);
    let values = long.into_shape_with_order((60, 64, 1)).unwrap();
    let found = judge(&values, &BTreeMap::new(), false);
    let text = texts(&found)[0];
    assert!(text.contains("effective draws, and with fewer than 100") && !text.contains("disagree"), "{text}");
}

#[test]
fn constants_and_nans_never_pass_and_travel_as_null() {
    let mut values = draws(3);
    values.slice_mut(s![.., .., 1]).fill(2.0);
    values[[0, 17, 2]] = f64::NAN;
    let found = verdict(vec![judge(&values, &healthy_stats(), false)]);
    assert_eq!(found.verdict, Verdict::Fail);
    assert!(found.reasons[0].starts_with("draws of alpha[cohort=w02] are not all finite"), "{:?}", found.reasons);
    assert!(found.reasons[1].starts_with("alpha[cohort=w01] never changes"), "{:?}", found.reasons);

    let text = serde_json::to_string(&found).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["parameters"][1]["r_hat"], Value::Null);
    assert_eq!((&file["parameters"][2]["mean"], &file["parameters"][2]["q50"]), (&Value::Null, &Value::Null));
    let back: Diagnostics = serde_json::from_str(&text).unwrap();
    assert!(back.parameters[1].r_hat.is_nan());
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn threads_do_not_change_a_bit() {
    let values = draws(40);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| judge(&values, &healthy_stats(), true).parameters);
        found
            .iter()
            .flat_map(|p| [p.mean, p.sd, p.r_hat, p.ess_bulk, p.ess_tail, p.mcse_mean].map(f64::to_bits))
            .collect::<Vec<_>>()
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn nested_r_hat_takes_over_where_chains_share_their_starts() {
    let long = ar(1, 64 * 3, 0.0, 0.0);
    let values = long.into_shape_with_order((64, 3, 1)).unwrap();
    let stats = BTreeMap::new();
    let input = FitInput {
        fit: "spend",
        elements: &[("p", vec![])],
        values: values.view(),
        stats: &stats,
        per_group: &|_| false,
        chains_per_superchain: Some(16),
    };
    let found = diagnose_fit(&input, &Thresholds::default()).unwrap();
    assert_eq!(found.parameters[0].r_hat, r_hat_nested_ranked(values.slice(s![.., .., 0]), 16));
    assert!(found.facts.reasons.iter().all(|r| r.kind == Kind::Ess), "{:?}", texts(&found));
}

#[test]
fn shapes_that_do_not_belong_together_are_refused() {
    let (values, stats) = (draws(2), BTreeMap::from([("lp".to_owned(), Array2::zeros((CHAINS, 3)))]));
    let mut input = FitInput {
        fit: "spend",
        elements: &[("p", vec![])],
        values: values.view(),
        stats: &stats,
        per_group: &|_| false,
        chains_per_superchain: None,
    };
    let error = diagnose_fit(&input, &Thresholds::default()).unwrap_err().to_string();
    assert!(error.contains("2 values a draw but 1 names"), "{error}");
    let elements = [("p", vec![]), ("q", vec![])];
    input.elements = &elements;
    let error = diagnose_fit(&input, &Thresholds::default()).unwrap_err().to_string();
    assert!(error.contains("`lp`"), "{error}");
}
