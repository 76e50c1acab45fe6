//! Progress on standard error: what the run is doing, how long it will take, how the sampler fares. A bar on a terminal, a line now and
//! then in a log.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Terminal, signals};
use crate::run::{Observer, Step, Wish};
use crate::sampler::{Phase, Progress};

/// Seconds between two lines of a log.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// One bar at a time on a terminal, a line every half minute elsewhere, nothing when quiet was asked for.
pub(super) struct Bars {
    bar: ProgressBar,
    scene: Mutex<String>,
    /// When a log was last written to; none on a terminal.
    last_line: Option<Mutex<Instant>>,
    /// Whether a wish to stop was answered.
    heard: AtomicBool,
}

impl Bars {
    pub(super) fn new(terminal: Terminal) -> Self {
        let target = if terminal.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            scene: Mutex::new(String::new()),
            last_line: (!terminal.quiet && !std::io::stderr().is_terminal()).then(|| Mutex::new(Instant::now())),
            heard: AtomicBool::new(false),
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows how many customers of a simulation are written.
    pub(super) fn simulating(&self, done: u64, total: u64) {
        self.scene("simulating", Some(total), COUNTED);
        self.bar.set_message(format!("{} customers", HumanCount(done)));
        self.at(done);
    }

    /// Shows how many replications of a calibration are done.
    pub(super) fn calibrating(&self, done: u64, total: u64) {
        self.scene("calibrating", Some(total), COUNTED);
        self.bar.set_message(format!("{} replications", HumanCount(done)));
        self.at(done);
    }

    /// Moves the bar, or now and then writes where it would stand to a log.
    fn at(&self, done: u64) {
        self.bar.set_position(done);
        let Some(mut last) = self.last_line.as_ref().and_then(|l| l.lock().ok()) else { return };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let percent = 100.0 * done as f64 / self.bar.length().unwrap_or(done).max(1) as f64;
            eprintln!("{}: {percent:.0} % {}", self.bar.prefix(), self.bar.message());
        }
    }

    /// Starts a new scene of the bar when `name` changes; positions within a scene keep its clock and ETA.
    fn scene(&self, name: &str, total: Option<u64>, template: &str) {
        let Ok(mut scene) = self.scene.lock() else { return };
        if *scene != name {
            name.clone_into(&mut scene);
            self.bar.reset();
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style.progress_chars("━╸ "));
            }
            self.bar.set_prefix(name.to_owned());
            self.bar.set_message("");
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
    }
}

const COUNTED: &str = "{prefix:>22} {bar:30.cyan} {percent:>3}%  {msg}  [{elapsed}, about {eta} left]";
const SPINNING: &str = "{prefix:>22} {spinner} {msg} [{elapsed}]";

impl Observer for Bars {
    fn step(&self, step: Step) {
        signals::work_listens(step == Step::Fit);
        self.scene(step.name(), None, SPINNING);
    }

    fn reading(&self, done: u64, total: u64) {
        self.scene("reading", Some(total), COUNTED);
        self.at(done);
    }

    fn sampling(&self, fit: &str, progress: &Progress) {
        let phase = match progress.phase {
            Phase::ModeSearch => "mode search",
            Phase::Warmup => "warm-up",
            Phase::Sampling => "sampling",
            Phase::Approximating => "weighing draws",
        };
        self.scene(&format!("{fit}: {phase}"), Some(progress.total), COUNTED);
        let mut message = match progress.phase {
            Phase::ModeSearch | Phase::Approximating => {
                format!("{} gradients", HumanCount(progress.gradient_evaluations))
            }
            Phase::Warmup | Phase::Sampling => format!("{} divergences", HumanCount(progress.divergences)),
        };
        if let (Some(ess), Some(r_hat)) = (progress.ess, progress.r_hat) {
            message = format!("ESS {ess:.0}, R-hat {r_hat:.3}, {message}");
        }
        self.bar.set_message(message);
        self.at(progress.done);
    }

    fn predicting(&self, done: u64, total: u64) {
        self.scene("predicting", Some(total), COUNTED);
        self.bar.set_message(format!("{} customers", HumanCount(done)));
        self.at(done);
    }

    fn comparing(&self, done: u64, total: u64) {
        self.scene("comparing", Some(total), COUNTED);
        self.bar.set_message("runs".to_owned());
        self.at(done);
    }

    fn fitting(&self, done: u64, total: u64) {
        self.scene("fitting", Some(total), COUNTED);
        self.bar.set_message(format!("{done} of {total} fits"));
        self.at(done);
    }

    fn exporting(&self, fit: &str, done: u64, total: u64) {
        self.scene(&format!("exporting {fit}"), Some(total), COUNTED);
        self.bar.set_message(format!("{} values", HumanCount(done)));
        self.at(done);
    }

    fn wish(&self) -> Wish {
        if !signals::asked() {
            return Wish::GoOn;
        }
        if !self.heard.swap(true, Ordering::Relaxed) {
            self.note("asked to stop: the fit goes on until its draws are saved; a second signal ends it at once");
        }
        Wish::StopWhenSaved
    }

    /// Quiet means no bars: what is worth a note is worth it in a log too.
    fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("note: {text}"));
    }
}
