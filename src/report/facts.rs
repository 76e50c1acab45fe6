//! How a run was made, as lists of label and text. Not here: what any of it means for the result.

use serde::Serialize;

use super::numbers::{bytes, duration, fixed, percent, short, whole};
use super::plots;
use super::view::Facts;

/// Lists under their headings, and the cost of each step as (name, bar, time and memory).
#[derive(Debug, Serialize)]
pub(super) struct FactPart {
    lists: Vec<(String, Vec<(String, String)>)>,
    steps: Vec<(String, String, String)>,
}

impl FactPart {
    /// Whether there is anything to list.
    pub(super) fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Whether the cost of any step is known.
    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }
}

/// Puts the facts of a run into lists of label and text.
pub(super) fn facts(f: &Facts) -> FactPart {
    let mut lists = Vec::new();
    for fit in &f.fits {
        let mut rows = vec![(String::from("Model"), fit.model.clone()), (String::from("Backend"), fit.backend.clone())];
        if let Some(adapter) = &fit.adapter {
            rows.push((String::from("Adapter"), adapter.clone()));
        }
        rows.push((String::from("Sampler"), fit.sampler.clone()));
        if fit.sampled {
            rows.push((
                String::from("Chains × draws"),
                format!("{} × {}, after {} of warm-up", whole(fit.chains), whole(fit.draws), whole(fit.warmup)),
            ));
            rows.push((String::from("Divergences"), whole(fit.divergences)));
        } else {
            rows.push((String::from("Independent draws"), whole(fit.chains * fit.draws)));
        }
        if let Some(k) = fit.pareto_k {
            rows.push((String::from("Pareto k"), if k.is_finite() { fixed(k, 2) } else { String::from("infinite") }));
        }
        if let Some(draws) = fit.effective_draws {
            rows.push((String::from("Weighted draws are worth"), whole(draws.round() as u64)));
        }
        rows.push((String::from("Gradient evaluations"), whole(fit.gradient_evaluations)));
        rows.push((String::from("Wall time"), duration(fit.seconds)));
        if fit.evaluations_per_second > 0.0 {
            rows.push((String::from("Cell gradients per second"), short(fit.evaluations_per_second)));
        }
        if fit.device_bytes > 0 {
            rows.push((String::from("Memory on the device"), bytes(fit.device_bytes)));
            rows.push((String::from("To the device and back"), bytes(fit.bytes_moved)));
        }
        if let Some(seconds) = fit.device_seconds {
            rows.push((String::from("Device at work"), duration(seconds)));
        }
        if let Some(speed) = fit.ess_per_second {
            rows.push((String::from("Smallest ESS per second"), short(speed)));
        }
        lists.push((format!("Fit: {}", fit.fit), rows));
    }
    if let Some(d) = &f.data {
        let mut rows = vec![
            (String::from("Source"), d.source.clone()),
            (String::from("Lines read"), whole(d.rows)),
            (String::from("Lines rejected"), rejects(d.rejects, d.rows)),
            (String::from("Customers"), whole(d.customers)),
            (String::from("Distinct histories"), merged(d.customers, d.cells)),
        ];
        if d.spenders > 0 {
            rows.push((String::from("Distinct spends"), merged(d.spenders, d.spend_rows)));
        }
        if let Some((first, last)) = d.days {
            rows.push((String::from("Days"), format!("{first} to {last}")));
        }
        if let Some(start) = d.calibration_start {
            rows.push((String::from("Fitted from"), start.to_string()));
        }
        if let Some(end) = d.calibration_end {
            rows.push((String::from("Fitted up to"), end.to_string()));
        }
        lists.push((String::from("Data"), rows));
    }
    let mut rows = Vec::new();
    if let Some(seed) = f.seed {
        // A seed is a name, not a quantity: no separators, so that it can be copied.
        rows.push((String::from("Seed"), seed.to_string()));
    }
    rows.extend(f.versions.iter().chain(&f.other).cloned());
    if !rows.is_empty() {
        lists.push((String::from("To reproduce"), rows));
    }
    let longest = f.steps.iter().map(|s| s.seconds).filter(|s| s.is_finite()).fold(0.0, f64::max);
    let steps = f
        .steps
        .iter()
        .map(|s| {
            let share = if longest > 0.0 { s.seconds / longest } else { 0.0 };
            let time = duration(s.seconds);
            let bar = plots::share_bar(share, &format!("{}: {time}", s.name));
            let memory = s.peak_memory.map(bytes);
            let gpu = s.gpu_utilisation.map(|busy| format!("GPU {}", percent(busy)));
            let said: Vec<String> = [Some(time), memory, gpu].into_iter().flatten().collect();
            (s.name.clone(), bar, said.join(", "))
        })
        .collect();
    FactPart { lists, steps }
}

fn rejects(rejects: u64, rows: u64) -> String {
    if rejects == 0 || rows == 0 {
        return whole(rejects);
    }
    format!("{} ({})", whole(rejects), percent(rejects as f64 / rows as f64))
}

/// How many rows stand for how many customers.
fn merged(customers: u64, rows: u64) -> String {
    if rows == 0 || rows >= customers {
        return whole(rows);
    }
    format!("{} ({} customers to one)", whole(rows), fixed(customers as f64 / rows as f64, 1))
}
