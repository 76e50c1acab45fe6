//! Packets of runs with known troubles, for the tests of this room.

use serde_json::json;

use super::packet::{DataFigures, Figure, FitFigures, ModelFigures, PACKET_VERSION, Packet, PriorFigure, Symptom};

/// A run in good health.
pub(super) fn healthy() -> Packet {
    let settings = [
        ("sampler.kind", json!("nuts")),
        ("sampler.chains", json!(4)),
        ("sampler.warmup", json!(1000)),
        ("sampler.draws", json!(1000)),
        ("sampler.target_accept", json!(null)),
        ("sampler.max_treedepth", json!(10)),
        ("data.time_unit", json!(null)),
    ];
    let figure = |value: f64| Some(Figure { parameter: "alpha".to_owned(), value: Some(value) });
    Packet {
        schema_version: PACKET_VERSION,
        settings: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        model: ModelFigures {
            purchase: "bg_nbd".to_owned(),
            data_kind: "transactions".to_owned(),
            groups: 1,
            ..ModelFigures::default()
        },
        data: Some(DataFigures {
            customers: 6000,
            fitted: 3000,
            repeat_purchases: 9000,
            one_time_share: 0.5,
            repeats_per_year: Some(2.0),
            time_unit_days: 7.0,
            median_age: 40.0,
            ..DataFigures::default()
        }),
        priors: vec![PriorFigure {
            key: "mean_repeat_purchases".to_owned(),
            q05: Some(0.2),
            q50: Some(2.0),
            q95: Some(20.0),
            seen: Some(2.0),
        }],
        fits: vec![FitFigures {
            fit: "purchase".to_owned(),
            method: "sampling".to_owned(),
            passed: true,
            chains: 4,
            draws: 250,
            e_bfmi: Some(0.9),
            r_hat: figure(1.004),
            ess_bulk: figure(500.0),
            ess_tail: figure(480.0),
            ..FitFigures::default()
        }],
        ..Packet::default()
    }
}

/// The same with one symptom.
pub(super) fn with(kind: &str, figure: f64, limit: f64) -> Packet {
    let mut packet = healthy();
    packet.fits[0].passed = false;
    packet.fits[0].symptoms =
        vec![Symptom { kind: kind.to_owned(), parameter: None, figure: Some(figure), limit: Some(limit) }];
    packet
}

/// The same with divergences, groups and centred coordinates.
pub(super) fn divergent() -> Packet {
    let mut packet = with("divergences", 0.05, 0.001);
    packet.fits[0].divergence_share = 0.05;
    packet.model.levels = 1;
    packet.model.groups = 12;
    packet.model.pooled = vec!["r".to_owned(), "rate".to_owned()];
    packet
}
