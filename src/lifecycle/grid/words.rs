//! The recommendation in words, and the lines of configuration that follow it. Decides nothing.

use super::design::Combination;
use super::record::{Recommendation, Why};
use crate::config::Segmentation;
use crate::evaluate::{Averaged, Metric};

/// How many are named.
const NAMED: usize = 5;

/// One or two sentences.
pub(super) fn of(r: &Recommendation, by: Metric) -> String {
    let many = r.indistinguishable.len();
    let mut text = format!("Take {}: {} {}", r.take, by.label(), figure(&r.score));
    if r.take != r.best {
        text.push_str(&format!("; the best is {} with {}", r.best, figure(&r.best_score)));
    }
    text.push_str(". ");
    let others = match many {
        0 => String::new(),
        1 => "1 other".to_owned(),
        many => format!("{many} others"),
    };
    text.push_str(&match r.why {
        Why::Alone if r.compared == 1 => "There is nothing to compare it with.".to_owned(),
        Why::Alone if r.compared == 2 => "The other is worse by more than chance.".to_owned(),
        Why::Alone => format!("All {} others are worse by more than chance.", r.compared - 1),
        Why::Configured => format!(
            "The best of {} is indistinguishable from {others}, and among these is what the project does now: there is no reason to change.",
            r.compared
        ),
        Why::MostData => format!(
            "The best of {} is indistinguishable from {others}; none of these learns from more than this one.",
            r.compared
        ),
    });
    text
}

/// The combinations that cannot be told from the best, in a line.
pub(super) fn alike(r: &Recommendation) -> String {
    let mut names: Vec<String> = r.indistinguishable.iter().take(NAMED).map(ToString::to_string).collect();
    if r.indistinguishable.len() > NAMED {
        names.push(format!("and {} more", r.indistinguishable.len() - NAMED));
    }
    names.join("; ")
}

fn figure(a: &Averaged) -> String {
    let m = &a.measure;
    match (m.value, m.low, m.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} (90 % interval {low:.3} to {high:.3})"),
        (Some(value), ..) => format!("{value:.3}"),
        _ => "–".to_owned(),
    }
}

/// Lines to paste into the project's configuration.
pub(super) fn config(take: &Combination) -> String {
    let calibration = match take.calibration_months {
        0 => "# calibration_months: leave it out, to learn from everything".to_owned(),
        months => format!("calibration_months = {months}"),
    };
    let mut text = format!(
        "[lifecycle]\n{calibration}\nprediction_months = {}\n\n[purchase]\nmodel = \"{}\"\n",
        take.prediction_months, take.model
    );
    if take.segmentation != Segmentation::Configured.key() {
        text.push_str(&format!("\n[groups]\nby = \"{}\"\n", take.segmentation));
    }
    text
}

impl Recommendation {
    /// Who cannot be told from the best, by name.
    pub fn alike(&self) -> String {
        alike(self)
    }
}
