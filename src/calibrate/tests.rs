//! Twenty replications of every family in a very wide band, a deliberate mistake that must be seen, and a calibration that is cut short.

use super::*;
use crate::model::MODELS;

/// Small data and short fits: enough to see a gross fault in seconds.
fn quick(model: &str, groups: usize) -> Setup {
    Setup { customers: 60, replications: 20, warmup: 150, draws: 150, ..Setup::new(model, groups) }
}

/// Every quantity of every family. Were seeds not fixed, one of the 90-odd quantities would fall below 1e-4 by chance once in 110 tries.
#[test]
fn ranks_are_not_far_from_uniform() {
    let alone = MODELS.iter().map(|family| (family.key, 1, 0));
    for (model, groups, covariates) in alone.chain([("bg_nbd", 3, 0), ("bg_nbd", 1, 1), ("pareto_nbd", 1, 1)]) {
        let setup = Setup { covariates, ..quick(model, groups) };
        let found = calibrate(&setup, None, &|_| ()).expect("a calibration");
        assert!(found.quantities.iter().any(|q| q.name == JOINT));
        for q in &found.quantities {
            assert_eq!(q.ranks.len(), 20);
            assert!(
                q.p_value > 1e-4,
                "{model}, {groups} groups, {covariates} covariates, {}: p = {:.1e}, {:?}",
                q.name,
                q.p_value,
                q.ranks
            );
        }
        // Short fits may be refused now and then; most must not be.
        assert!(found.refused <= 10, "{model}, {groups} groups, {covariates} covariates: {} refused", found.refused);
    }
}

/// Customers who leave half as readily again as the model is told: the ranks must show it.
#[test]
fn a_mistake_is_seen() {
    let setup = Setup { replications: 60, customers: 200, ..quick("s_bg", 1) };
    let world = World::new("s_bg", 1, 0).expect("a world");
    let names = quantities(&world.specimen().expect("a specimen"));
    let wrong: Vec<Replication> = (0..setup.replications)
        .map(|number| {
            let mut stream = Stream::new(setup.seed, Purpose::Calibration, u64::from(number), 0);
            let (_, truth) = world.specimen().expect("a specimen").prior_draw(&mut stream).expect("a truth");
            let natural = ndarray::array![[1.5 * truth[0], truth[1]]];
            let gamma = ndarray::Array1::zeros(0);
            let mistaken = Truth { natural: natural.view(), gamma: gamma.view() };
            let mut posterior =
                world.posterior_of(&mistaken, setup.customers, setup.seed, number).expect("a posterior");
            let mut kept = Kept::default();
            let settings = Settings { chains: 2, warmup: 150, draws: 150, shard_draws: 150, ..Settings::default() };
            let start = Start::at(posterior.start());
            sampler::sample(&mut posterior, &settings, &start, None, &mut kept, &mut |_| Watch::Continue)
                .expect("draws");
            let rows = thinned(&kept.values);
            let mut ties = Stream::new(9, Purpose::Test, 0, 0);
            let mut ranks: Vec<u32> =
                rows.columns().into_iter().zip(&truth).map(|(d, t)| rank(d, *t, &mut ties)).collect();
            ranks.push(50);
            Replication { replication: number, ranks, passed: true, divergences: 0 }
        })
        .collect();
    let found = sum_up(&setup, &world, names, &wrong);
    let churn = found.quantities.iter().find(|q| q.name == "churn").expect("churn");
    assert!(!found.passed && !churn.inside && churn.p_value < 1e-3, "{churn:?}");
}

/// Cut short after any replication, even within a line, and asked again: the same ranks. Another setup is refused.
#[test]
fn it_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sbc/journal.jsonl");
    let setup = Setup { replications: 6, ..quick("s_bg", 1) };
    let whole = calibrate(&setup, None, &|_| ()).expect("a calibration");
    let first = Setup { replications: 3, ..setup.clone() };
    calibrate(&first, Some(&path), &|_| ()).expect("a beginning");
    let text = std::fs::read_to_string(&path).expect("a journal");
    std::fs::write(&path, &text[..text.len() - 7]).expect("writable");
    let least = AtomicU32::new(u32::MAX);
    let found = calibrate(&setup, Some(&path), &|done| {
        least.fetch_min(done, Ordering::Relaxed);
    });
    assert_eq!(found.expect("the rest"), whole);
    assert_eq!(least.into_inner(), 2);
    let other = calibrate(&Setup { seed: 2, ..setup }, Some(&path), &|_| ()).expect_err("another seed").to_string();
    assert!(other.contains("belongs to another calibration"), "{other}");
}

/// Frozen priors name the parameters that a run would put its own on.
#[test]
fn every_family_has_frozen_priors() {
    for family in MODELS {
        let chart = family.chart_parameters(&family.derived_chart());
        let mut wanted: Vec<String> = chart.iter().map(|p| p.name.to_owned()).collect();
        wanted.sort();
        let alone = World::new(family.key, 1, 0).expect("a world");
        assert_eq!(alone.plan.priors.into_keys().collect::<Vec<_>>(), wanted, "{}", family.key);
        let pooled = World::new(family.key, 3, 0).expect("a world").plan.hierarchy.expect("a hierarchy");
        assert_eq!(pooled.mu.into_keys().collect::<Vec<_>>(), wanted, "{}", family.key);
    }
}

#[test]
fn a_model_of_no_table_is_refused() {
    assert!(calibrate(&Setup::new("pareto", 1), None, &|_| ()).is_err());
}
