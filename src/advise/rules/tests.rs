//! One row per rule: a packet with its symptom goes in, its remedy comes out, and a healthy packet brings nothing.

use serde_json::{Value, json};

use super::*;
use crate::advise::packet::{DateFormat, Figure, GroupFigure, ReadingFigures};
use crate::advise::{OWN, patient};

fn advice(packet: &Packet, history: &[Change]) -> Advice {
    Rules.advise(packet, history).expect("rules always answer")
}

/// The rule sets exactly this.
#[track_caller]
fn sets(packet: &Packet, history: &[Change], rule: &str, expected: &[(&str, Value)]) {
    let advice = advice(packet, history);
    let found: Vec<(&str, Value)> =
        advice.recommendations.iter().filter(|r| r.rule == rule).map(|r| (r.key.as_str(), r.to.clone())).collect();
    assert_eq!(found, expected, "{rule}: {advice:#?}");
    let sources =
        advice.recommendations.iter().all(|r| !r.citation.is_empty() && !r.why.is_empty() && !r.symptom.is_empty());
    assert!(sources, "{advice:#?}");
}

/// The rule only tells, and says these words.
#[track_caller]
fn tells(packet: &Packet, rule: &str, blocking: bool, words: &str) {
    let advice = advice(packet, &[]);
    let told: Vec<&Explanation> = advice.explanations.iter().filter(|e| e.rule == rule).collect();
    assert!(told.len() == 1 && told[0].blocking == blocking && told[0].text.contains(words), "{advice:#?}");
    assert!(advice.recommendations.iter().all(|r| r.rule != rule), "{advice:#?}");
}

fn set(packet: &mut Packet, key: &str, value: Value) {
    packet.settings.insert(key.to_owned(), value);
}

fn with_setting(key: &str, value: Value) -> Packet {
    let mut packet = patient::healthy();
    set(&mut packet, key, value);
    packet
}

fn with_data(change: impl FnOnce(&mut crate::advise::DataFigures)) -> Packet {
    let mut packet = patient::healthy();
    change(packet.data.as_mut().expect("healthy data"));
    packet
}

fn changed(key: &str, to: Value) -> Change {
    let (rule, why) = ("x".to_owned(), String::new());
    Change { cycle: 1, rule, key: key.to_owned(), from: Value::Null, to, why }
}

#[test]
fn health_brings_no_advice() {
    let advice = advice(&patient::healthy(), &[]);
    assert!(advice.recommendations.is_empty() && advice.explanations.is_empty(), "{advice:#?}");
}

#[test]
fn dates_get_the_one_format_that_reads_them() {
    let reading = |formats: &[(&str, f64)]| {
        let formats = formats.iter().map(|(f, share)| DateFormat { format: (*f).to_owned(), share: *share });
        let share_by_role = [("date".to_owned(), 1.0)].into();
        let reading = ReadingFigures { rejected: 900, share_by_role, date_formats: formats.collect() };
        Packet { reading: Some(reading), data: None, fits: vec![], ..patient::healthy() }
    };
    sets(&reading(&[("%d/%m/%Y", 1.0), ("%m/%d/%Y", 0.4)]), &[], "dates", &[("data.date_format", json!("%d/%m/%Y"))]);
    tells(&reading(&[("%d/%m/%Y", 1.0), ("%m/%d/%Y", 1.0)]), "dates", true, "alike");
    tells(&reading(&[]), "dates", true, "no format of the list");
    let mut swapped = reading(&[]);
    swapped.reading.as_mut().expect("set above").share_by_role = [("recency".to_owned(), 1.0)].into();
    tells(&swapped, "unreadable", true, "exchanged");
}

#[test]
fn the_clock_is_set_by_ages_and_by_the_grain_of_a_summary() {
    let years = with_data(|d| (d.time_unit_days, d.median_age) = (365.25, 0.8));
    sets(&years, &[], "time_unit", &[("data.time_unit", json!("week"))]);
    let mut summary =
        with_data(|d| (d.time_unit_days, d.median_age, d.grain) = (365.25, 45.0, Some("week".to_owned())));
    summary.model.data_kind = "summary".to_owned();
    sets(&summary, &[], "time_unit", &[("data.time_unit", json!("week"))]);
    let mut unclear = with_data(|d| (d.time_unit_days, d.median_age) = (365.25, 45.0));
    unclear.model.data_kind = "summary".to_owned();
    tells(&unclear, "time_unit", true, "shorter unit");
    sets(&with_data(|d| d.median_age = 1.0), &[], "time_unit", &[]);
}

#[test]
fn what_no_key_mends_is_told() {
    tells(&with_data(|d| (d.merged_share, d.paired_share) = (Some(1.0), Some(1.0))), "doubled", true, "twice");
    tells(&with_data(|d| (d.merged_share, d.paired_share) = (Some(0.7), Some(0.4))), "doubled", false, "basket");
    tells(&with_data(|d| d.repeat_purchases = 12), "too_little", false, "mostly the prior");
    tells(&with_data(|d| d.one_time_share = 0.9), "model_choice", false, "longrun compare");
    let silent = with_data(|d| {
        d.groups_without_repeats = 1;
        d.groups = vec![GroupFigure { name: "group 3".to_owned(), no_repeat_buyers: true, ..GroupFigure::default() }];
    });
    tells(&silent, "no_repeats", false, "merge it");
}

#[test]
fn absurd_priors_give_way_to_the_default_ones() {
    let mut packet = with_setting("purchase.priors", json!(OWN));
    packet.priors[0].seen = Some(0.001);
    sets(&packet, &[], "absurd_priors", &[("purchase.priors", json!("default"))]);
    packet.priors[0].seen = Some(1000.0);
    sets(&packet, &[], "absurd_priors", &[("purchase.priors", json!("default"))]);
    // Ten times beyond the interval is the border.
    packet.priors[0].seen = Some(199.0);
    sets(&packet, &[], "absurd_priors", &[]);
    packet.priors[0].seen = Some(1000.0);
    set(&mut packet, "purchase.priors", json!("default"));
    tells(&packet, "absurd_priors", false, "unlike any shop");
}

#[test]
fn short_settings_are_made_longer() {
    sets(&with_setting("sampler.chains", json!(1)), &[], "few_chains", &[("sampler.chains", json!(4))]);
    sets(&with_setting("sampler.draws", json!(30)), &[], "few_draws", &[("sampler.draws", json!(1000))]);
    sets(&with_setting("sampler.warmup", json!(30)), &[], "short_warmup", &[("sampler.warmup", json!(1000))]);
    sets(
        &with_setting("sampler.target_accept", json!(0.5)),
        &[],
        "low_target",
        &[("sampler.target_accept", json!(0.8))],
    );
    let mut laplace = with_setting("sampler.kind", json!("laplace"));
    (laplace.fits[0].method, laplace.fits[0].passed) = ("laplace".to_owned(), false);
    sets(&laplace, &[], "approximation", &[("sampler.kind", json!("nuts"))]);
}

#[test]
fn divergences_climb_the_ladder_step_by_step() {
    let mut packet = patient::divergent();
    let mut target = |value: Value, expected: &[(&str, Value)], history: &[Change]| {
        set(&mut packet, "sampler.target_accept", value);
        sets(&packet, history, "divergences", expected);
    };
    target(Value::Null, &[("sampler.target_accept", json!(0.9))], &[]);
    target(json!(0.9), &[("sampler.target_accept", json!(0.95))], &[]);
    target(json!(0.95), &[("sampler.target_accept", json!(0.99))], &[]);
    target(json!(0.99), &[("purchase.hierarchy.centring", json!("non_centred"))], &[]);
    let key = "purchase.hierarchy.centring";
    let mut tried = patient::divergent();
    set(&mut tried, "sampler.target_accept", json!(0.99));
    set(&mut tried, key, json!("non_centred"));
    let history = [changed(key, json!("auto")), changed(key, json!("non_centred"))];
    sets(&tried, &history, "divergences", &[("purchase.hierarchy.sigma.r", json!(0.25))]);
    set(&mut tried, "purchase.hierarchy.sigma.r", json!(0.1));
    assert!(advice(&tried, &history).explanations.iter().any(|e| e.rule == "divergences"));
}

#[test]
fn a_centred_funnel_gets_other_coordinates_at_once_and_a_named_parameter_its_own() {
    let mut packet = patient::divergent();
    set(&mut packet, "purchase.hierarchy.centring", json!("centred"));
    let both = [("sampler.target_accept", json!(0.9)), ("purchase.hierarchy.centring", json!("auto"))];
    sets(&packet, &[], "divergences", &both);
    let mut named = patient::divergent();
    set(&mut named, "sampler.target_accept", json!(0.99));
    named.fits[0].symptoms[0].parameter = Some("sigma[parameter=rate]".to_owned());
    sets(&named, &[], "divergences", &[("purchase.hierarchy.centring.rate", json!("non_centred"))]);
    named.fits[0].symptoms[0].parameter = Some("made up".to_owned());
    sets(&named, &[], "divergences", &[("purchase.hierarchy.centring", json!("non_centred"))]);
}

#[test]
fn cut_trajectories_get_deeper_trees() {
    let mut packet = with_setting("sampler.max_treedepth", json!(3));
    packet.fits[0].depth_hit_share = 0.5;
    sets(&packet, &[], "depth", &[("sampler.max_treedepth", json!(10))]);
    // A short run's trees are cut at 8: that says nothing of a limit of 10.
    set(&mut packet, "sampler.max_treedepth", json!(10));
    sets(&packet, &[], "depth", &[]);
    packet.stage = crate::advise::Stage::Full;
    sets(&packet, &[], "depth", &[("sampler.max_treedepth", json!(12))]);
    set(&mut packet, "sampler.max_treedepth", json!(14));
    tells(&packet, "depth", false, "left open");
    packet.fits[0].depth_hit_share = 0.005;
    assert!(advice(&packet, &[]).explanations.is_empty());
}

#[test]
fn slow_energies_stuck_chains_and_modes_are_dealt_with() {
    sets(&patient::with("e_bfmi", 0.1, 0.3), &[], "energy", &[("sampler.warmup", json!(2000))]);
    let mut grouped = patient::with("e_bfmi", 0.1, 0.3);
    grouped.model.levels = 1;
    sets(&grouped, &[], "energy", &[("purchase.hierarchy.centring", json!("non_centred"))]);
    for kind in ["constant", "not_finite", "stuck", "modes"] {
        sets(&patient::with(kind, 1.0, 2.0), &[], "stuck", &[("sampler.warmup", json!(2000))]);
        let mut own = patient::with(kind, 1.0, 2.0);
        set(&mut own, "purchase.priors", json!(OWN));
        sets(&own, &[], "stuck", &[("purchase.priors", json!("default"))]);
    }
    // A kind that this build has never heard of changes nothing.
    sets(&patient::with("unheard_of", 1.0, 2.0), &[], "stuck", &[]);
}

#[test]
fn disagreement_beyond_chance_gets_a_longer_warmup() {
    let figure = |value: f64| Some(Figure { parameter: "rate[group 2]".to_owned(), value: Some(value) });
    let mut packet = patient::healthy();
    packet.fits[0].r_hat = figure(1.3);
    packet.fits[0].ess_bulk = figure(450.0);
    sets(&packet, &[], "disagree", &[("sampler.warmup", json!(2000))]);
    set(&mut packet, "sampler.warmup", json!(4000));
    tells(&packet, "disagree", false, "trace plot");
    packet.fits[0].r_hat = figure(1.04);
    sets(&packet, &[], "disagree", &[]);
    packet.stage = crate::advise::Stage::Full;
    sets(&packet, &[], "disagree", &[("sampler.draws", json!(2000))]);
    // 450 effective draws of four chains: chance alone makes 1.02.
    packet.fits[0].r_hat = figure(1.02);
    sets(&packet, &[], "disagree", &[]);
}

#[test]
fn draws_are_set_to_what_the_neediest_fit_wants() {
    let figure = |value: f64| Some(Figure { parameter: "b".to_owned(), value: Some(value) });
    let mut packet = patient::healthy();
    packet.fits[0].ess_bulk = figure(60.0);
    let mut spend = packet.fits[0].clone();
    (spend.fit, spend.ess_bulk) = ("spend".to_owned(), figure(30.0));
    packet.fits.push(spend);
    // 400 × 1.25 effective of 30 in 1,000, over four chains: 4,167.
    sets(&packet, &[], "few_effective", &[("sampler.draws", json!(4200))]);
    packet.fits[1].ess_bulk = figure(4.0);
    sets(&packet, &[], "few_effective", &[("sampler.warmup", json!(2000)), ("sampler.draws", json!(2100))]);
}

/// The guide names every rule and every key; the table is the source of both.
#[test]
fn the_guide_holds_both_tables() {
    let guide = include_str!("../../../docs/guide/tuning.md");
    for rule in RULES {
        let row = format!("| `{}` | {} | {} | {} |", rule.name, rule.symptom, rule.remedy, rule.source);
        assert!(guide.contains(&row), "docs/guide/tuning.md lacks the row\n{row}");
    }
    for row in crate::advise::WHITELIST {
        let row = format!("| `{}` | {} | {} |", row.key, row.what, row.bounds.words());
        assert!(guide.contains(&row), "docs/guide/tuning.md lacks the row\n{row}");
    }
}
