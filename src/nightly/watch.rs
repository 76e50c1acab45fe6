//! Watches the work of a night: what it is busy with becomes events of a log and the next sign of life; what is wanted of it is
//! handed back. Events go through `tracing`; whoever runs the program decides what becomes of them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::control::Control;
use super::record::Stage;
use crate::run::{Observer, Step, Wish};
use crate::sampler::{Phase, Progress};

/// Time between two events about the same work.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Where the night stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) stage: Option<Stage>,
    pub(super) doing: String,
    pub(super) share: Option<f64>,
    pub(super) gradients: Option<u64>,
    /// Gradients of earlier attempts at the fits of this night.
    pub(super) gradients_kept: u64,
    /// Gradients of this attempt.
    pub(super) gradients_made: u64,
    /// The fit under way, and its gradients when they were looked at last.
    counted: Option<(String, u64)>,
    told: Option<Instant>,
}

/// The observer of a night.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    control: &'a Control,
    scene: Mutex<Scene>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(control: &'a Control) -> Self {
        Self { control, scene: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the night stands now.
    pub(super) fn scene(&self) -> Scene {
        self.held().clone()
    }

    pub(super) fn enter(&self, stage: Stage) {
        info!(event = "stage", stage = stage.name(), "{}", stage.name());
        let mut scene = self.held();
        (scene.stage, scene.share, scene.gradients, scene.told) = (Some(stage), None, None, None);
        scene.doing = stage.name().to_owned();
    }

    /// How far some work is; an event now and then.
    fn at(&self, doing: &str, done: u64, total: u64) {
        let mut scene = self.held();
        let is_new = scene.doing != doing;
        if is_new {
            doing.clone_into(&mut scene.doing);
            scene.told = None;
        }
        let share = done as f64 / total.max(1) as f64;
        scene.share = Some(share.min(1.0));
        if scene.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            scene.told = Some(Instant::now());
            info!(event = "progress", doing, done, total, "{doing}: {:.0} %", 100.0 * share.min(1.0));
        }
    }
}

impl Observer for Watch<'_> {
    fn step(&self, step: Step) {
        info!(event = "step", step = step.name(), "{}", step.name());
        let mut scene = self.held();
        (scene.share, scene.gradients, scene.told, scene.counted) = (None, None, None, None);
        scene.doing = step.name().to_owned();
    }

    fn reading(&self, done: u64, total: u64) {
        self.at("reading", done, total);
    }

    fn sampling(&self, fit: &str, progress: &Progress) {
        let phase = match progress.phase {
            Phase::ModeSearch => "mode search",
            Phase::Warmup => "warm-up",
            Phase::Sampling => "sampling",
            Phase::Approximating => "weighing draws",
        };
        {
            let mut scene = self.held();
            let now = progress.gradient_evaluations;
            // A fit's count begins at nothing, or at what `resumed` told.
            let (known, before) = scene.counted.take().filter(|(known, _)| known == fit).unwrap_or((fit.to_owned(), 0));
            scene.gradients_made += now.saturating_sub(before);
            scene.counted = Some((known, now));
            scene.gradients = Some(now);
        }
        self.at(&format!("{fit}: {phase}"), progress.done, progress.total);
    }

    fn resumed(&self, fit: &str, gradients: u64) {
        info!(event = "resumed", fit, gradients, "{fit}: {gradients} gradients of an earlier attempt are kept");
        let mut scene = self.held();
        scene.gradients_kept += gradients;
        scene.counted = Some((fit.to_owned(), gradients));
    }

    fn predicting(&self, done: u64, total: u64) {
        self.at("predicting", done, total);
    }

    fn comparing(&self, done: u64, total: u64) {
        self.at("comparing", done, total);
    }

    fn fitting(&self, done: u64, total: u64) {
        self.at("fitting", done, total);
    }

    fn note(&self, text: &str) {
        info!(event = "note", "{text}");
    }

    fn wish(&self) -> Wish {
        self.control.wish()
    }
}
