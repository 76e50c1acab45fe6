//! What a `[lifecycle]` table may say. Every rule stands here, once.

use crate::config::LifecycleSection;
use crate::error::{Error, Result};

/// The longest window, in months.
const MOST_MONTHS: u32 = 120;

/// Checks a section; `place` tells where a key of it was written.
///
/// # Errors
/// The first rule that does not hold.
pub fn check(section: &LifecycleSection, place: &dyn Fn(&str) -> String) -> Result<()> {
    let require = |holds: bool, key: &str, must: &str, seen: String, advice: &str| {
        if holds {
            return Ok(());
        }
        Err(Error::new(format!("lifecycle.{key} must be {must}")).at(place(key)).seen(seen).advice(advice))
    };
    let months = format!("between 1 and {MOST_MONTHS}");
    let is_window = |m: u32| (1..=MOST_MONTHS).contains(&m);
    let (s, m, r) = (&section.schedule, &section.monitor, &section.retention);
    if let Some(calibration) = section.calibration_months {
        let advice = "leave it out to learn from everything";
        require(is_window(calibration), "calibration_months", &months, calibration.to_string(), advice)?;
    }
    let ahead = section.prediction_months;
    require(is_window(ahead), "prediction_months", &months, ahead.to_string(), "12 is the default")?;
    for (key, days, usual) in [
        ("schedule.every_days", s.every_days, "14 is the default"),
        ("schedule.then_every_days", s.then_every_days, "30 is the default"),
    ] {
        require((1..=3660).contains(&days), key, "between 1 and 3660", days.to_string(), usual)?;
    }
    require(s.for_weeks <= 520, "schedule.for_weeks", "at most 520", s.for_weeks.to_string(), "12 is the default")?;
    let lag = s.max_data_lag_days;
    require(lag <= 366, "schedule.max_data_lag_days", "at most 366", lag.to_string(), "3 is the default")?;
    let gone = (0.0..=1.0).contains(&s.max_gone_share);
    let seen = s.max_gone_share.to_string();
    require(gone, "schedule.max_gone_share", "between 0 and 1", seen, "0.01 is the default")?;
    let wait = s.max_wait_days;
    require(wait <= 3660, "schedule.max_wait_days", "at most 3660", wait.to_string(), "14 is the default")?;
    if let Some(k) = section.behaviour.clusters {
        let advice = "leave it out for the number that stands apart best";
        require((2..=10).contains(&k), "behaviour.clusters", "between 2 and 10", k.to_string(), advice)?;
    }
    for (key, value) in [
        ("monitor.rmse_increase", m.rmse_increase),
        ("monitor.r2_decrease", m.r2_decrease),
        ("monitor.gini_decrease", m.gini_decrease),
        ("monitor.coverage_decrease", m.coverage_decrease),
        ("monitor.total_change", m.total_change),
        ("monitor.slope_low", m.slope_low),
    ] {
        let sound = value.is_finite() && value >= 0.0;
        require(sound, key, "0 or more", value.to_string(), "leave it out for the default")?;
    }
    require(m.slope_low < 1.0, "monitor.slope_low", "below 1", m.slope_low.to_string(), "0.5 is the default")?;
    require(m.slope_high > 1.0, "monitor.slope_high", "above 1", m.slope_high.to_string(), "1.5 is the default")?;
    let kept = r.cards_months >= r.models_months;
    let seen = r.cards_months.to_string();
    require(kept, "retention.cards_months", "at least retention.models_months", seen, "84 is the default")?;
    let g = &section.grid;
    for (key, list) in
        [("grid.calibration_months", &g.calibration_months), ("grid.prediction_months", &g.prediction_months)]
    {
        let least = u32::from(key == "grid.prediction_months");
        let sound = !list.is_empty() && list.iter().all(|&m| (least..=MOST_MONTHS).contains(&m));
        let advice = "e.g. [3, 6, 12]; 0 among the calibration windows is everything";
        require(sound, key, &format!("months between {least} and {MOST_MONTHS}"), format!("{list:?}"), advice)?;
    }
    require(
        (1..=100).contains(&g.cutoffs),
        "grid.cutoffs",
        "between 1 and 100",
        g.cutoffs.to_string(),
        "3 is the default",
    )?;
    let apart = (1..=3660).contains(&g.cutoff_every_days);
    let seen = g.cutoff_every_days.to_string();
    require(apart, "grid.cutoff_every_days", "between 1 and 3660", seen, "91 is the default")?;
    require(
        (20..=65_536).contains(&g.draws),
        "grid.draws",
        "between 20 and 65536",
        g.draws.to_string(),
        "200 is the default",
    )?;
    let n = &section.nightly;
    for (key, value, range, usual) in [
        ("train_every_days", n.train_every_days, 1..=366, "1 is the default"),
        ("lock_minutes", n.lock_minutes, 1..=1440, "5 is the default"),
        ("heartbeat_seconds", n.heartbeat_seconds, 1..=3600, "30 is the default"),
        (
            "grace_seconds",
            n.grace_seconds,
            0..=25,
            "15 is the default; a spot VM is stopped 30 seconds after its notice",
        ),
        ("deadline_minutes", n.deadline_minutes.unwrap_or(1), 1..=100_000, "leave it out for none"),
    ] {
        let must = format!("between {} and {}", range.start(), range.end());
        require(range.contains(&value), &format!("nightly.{key}"), &must, value.to_string(), usual)?;
    }
    let beat = u64::from(n.heartbeat_seconds) * 2 <= u64::from(n.lock_minutes) * 60;
    let seen = format!("{} seconds with nightly.lock_minutes = {}", n.heartbeat_seconds, n.lock_minutes);
    let advice = "or a holder that lives would lose its lock";
    require(beat, "nightly.heartbeat_seconds", "at most half of nightly.lock_minutes", seen, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_mistakes_are_named() {
        let checked = |text: &str| {
            let section: LifecycleSection = toml::from_str(text).expect("a section");
            check(&section, &|key| format!("shop.toml:{key}")).map_err(|e| e.to_string())
        };
        assert_eq!(checked(""), Ok(()));
        for (text, complaint) in [
            ("prediction_months = 0", "lifecycle.prediction_months must be between 1 and 120 (found 0)"),
            ("calibration_months = 0", "lifecycle.calibration_months must be between 1 and 120 (found 0)"),
            ("[schedule]\nevery_days = 0", "lifecycle.schedule.every_days must be between 1 and 3660 (found 0)"),
            ("[behaviour]\nclusters = 1", "lifecycle.behaviour.clusters must be between 2 and 10 (found 1)"),
            ("[monitor]\nrmse_increase = -0.1", "lifecycle.monitor.rmse_increase must be 0 or more (found -0.1)"),
            ("[monitor]\nslope_high = 0.5", "lifecycle.monitor.slope_high must be above 1 (found 0.5)"),
            ("[retention]\ncards_months = 8", "lifecycle.retention.cards_months must be at least"),
            ("[grid]\nprediction_months = []", "lifecycle.grid.prediction_months must be months between 1 and 120"),
            ("[nightly]\nlock_minutes = 0", "lifecycle.nightly.lock_minutes must be between 1 and 1440 (found 0)"),
            ("[nightly]\nheartbeat_seconds = 200", "lifecycle.nightly.heartbeat_seconds must be at most half of"),
            ("[grid]\ncutoffs = 0", "lifecycle.grid.cutoffs must be between 1 and 100"),
        ] {
            let said = checked(text).expect_err(text);
            assert!(said.starts_with("shop.toml:") && said.contains(complaint), "{said}");
        }
    }
}
