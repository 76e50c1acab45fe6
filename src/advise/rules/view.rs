//! What a rule looks at: the packet, what was changed before, and the questions that several rules ask of them.

use serde_json::Value;

use crate::advise::advice::Change;
use crate::advise::packet::{FitFigures, Packet, Symptom};

/// A packet with what was changed before it.
pub(super) struct View<'a> {
    pub packet: &'a Packet,
    pub history: &'a [Change],
}

/// What a rule found.
pub(super) enum Finding {
    /// A key to change.
    Set { symptom: String, figure: Option<f64>, key: String, to: Value, why: String },
    /// Something to tell.
    Tell { symptom: String, figure: Option<f64>, text: String, blocking: bool },
}

impl Finding {
    pub(super) fn set(key: impl Into<String>, to: impl Into<Value>, symptom: impl Into<String>, why: &str) -> Self {
        Self::Set { symptom: symptom.into(), figure: None, key: key.into(), to: to.into(), why: why.to_owned() }
    }

    pub(super) fn tell(symptom: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Tell { symptom: symptom.into(), figure: None, text: text.into(), blocking: false }
    }

    /// The same of a figure.
    pub(super) fn of(self, seen: impl Into<Option<f64>>) -> Self {
        match self {
            Self::Set { symptom, key, to, why, .. } => Self::Set { symptom, figure: seen.into(), key, to, why },
            Self::Tell { symptom, text, blocking, .. } => Self::Tell { symptom, figure: seen.into(), text, blocking },
        }
    }

    /// The same, which forbids the use of the result.
    pub(super) fn blocking(self) -> Self {
        match self {
            Self::Tell { symptom, figure, text, .. } => Self::Tell { symptom, figure, text, blocking: true },
            set @ Self::Set { .. } => set,
        }
    }
}

impl View<'_> {
    /// How often a key was changed.
    pub(super) fn changes_of(&self, key: &str) -> usize {
        self.history.iter().filter(|change| change.key == key).count()
    }

    /// Whether the configuration asks for samples of the posterior by this kind.
    pub(super) fn kind_is(&self, kind: &str) -> bool {
        self.packet.setting("sampler.kind") == kind
    }

    /// Whether it asks for samples at all.
    pub(super) fn samples(&self) -> bool {
        self.kind_is("nuts") || self.kind_is("chees")
    }

    /// A whole number of the settings.
    pub(super) fn count(&self, key: &str) -> u64 {
        self.packet.number(key).unwrap_or(0.0) as u64
    }

    /// The acceptance rate aimed at.
    pub(super) fn target_accept(&self) -> f64 {
        let default = if self.kind_is("chees") { 0.651 } else { 0.8 };
        self.packet.number("sampler.target_accept").unwrap_or(default)
    }

    /// The fits that have a symptom of one of these kinds, with the first of them.
    pub(super) fn suffering<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = (&'a FitFigures, &'a Symptom)> {
        let first = move |fit: &'a FitFigures| {
            fit.symptoms.iter().find(|s| kinds.contains(&s.kind.as_str())).map(|symptom| (fit, symptom))
        };
        self.packet.fits.iter().filter_map(first)
    }

    /// Whether groups are pooled in the fit.
    pub(super) fn pooled(&self) -> bool {
        self.packet.model.levels > 0
    }
}

/// A figure with enough digits.
pub(super) fn plainly(x: f64) -> String {
    if x.abs() >= 100.0 || x == x.round() { format!("{x:.0}") } else { format!("{x:.3}") }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
