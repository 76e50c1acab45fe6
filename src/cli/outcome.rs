//! The table of results that a command ends with, and its JSON twin.

use super::config::print_json;
use super::{Ending, Terminal};
use crate::config::{Plan, SamplerKind};
use crate::data::Kind;
use crate::diagnose::{Diagnostics, Method, Verdict};
use crate::error::Result;
use crate::evaluate::HoldoutScores;
use crate::model::is_shared_dim;
use crate::report::{count, money, percent, whole};
use crate::run::{self, DataFacts, Interval, PredictionFacts, RunDir, Step, Telemetry, Words, read_telemetry};

/// Prints the whole run's result and turns its verdict into an ending.
pub(super) fn print(dir: &RunDir, terminal: Terminal) -> Result<Ending> {
    let result = Outcome::read(dir)?;
    if terminal.json {
        print_json(&result.json(dir))?;
    } else {
        result.print(dir, run::words(&dir.plan)?, terminal);
    }
    Ok(ending(&result.diagnostics))
}

/// Prints what one step came to.
pub(super) fn print_step(dir: &RunDir, step: Step, terminal: Terminal) -> Result<Ending> {
    if step == Step::Report {
        let path = dir.path("report.html");
        if terminal.json {
            print_json(&serde_json::json!({ "step": step.name(), "report": path }))?;
        } else {
            println!("{}", path.display());
        }
        return Ok(Ending::Healthy);
    }
    let diagnostics = (step >= Step::Diagnose).then(|| read_diagnostics(dir)).transpose()?;
    if terminal.json {
        let files: Vec<_> = step.files().iter().map(|f| dir.path(f)).filter(|p| p.exists()).collect();
        let verdict = diagnostics.as_ref().map(|d| d.verdict);
        print_json(
            &serde_json::json!({ "run_dir": dir.root(), "step": step.name(), "files": files, "verdict": verdict }),
        )?;
    } else {
        match step {
            Step::Summarize => print_data(&dir.read_json("facts.json", "summarize")?, run::words(&dir.plan)?, terminal),
            Step::Diagnose => {
                if let Some(d) = &diagnostics {
                    print_verdict(d);
                    print_parameters(d);
                }
            }
            Step::Evaluate if !dir.has("holdout.json") => match dir.plan.data.kind {
                Kind::Transactions => println!("there is no holdout window: set data.calibration_end to have one"),
                _ => println!("there is no holdout window: it takes dates, which data.kind = \"transactions\" has"),
            },
            _ => {
                for file in step.files().iter().filter(|f| dir.has(f)) {
                    println!("wrote {}", dir.path(file).display());
                }
                if step == Step::Fit {
                    println!("draws are in {}", dir.path("draws").display());
                }
            }
        }
    }
    Ok(diagnostics.as_ref().map_or(Ending::Healthy, ending))
}

fn read_diagnostics(dir: &RunDir) -> Result<Diagnostics> {
    dir.read_json("diagnostics.json", "diagnose")
}

pub(super) fn ending(diagnostics: &Diagnostics) -> Ending {
    match diagnostics.verdict {
        Verdict::Pass => Ending::Healthy,
        Verdict::Fail => Ending::Refused,
    }
}

struct Outcome {
    data: DataFacts,
    diagnostics: Diagnostics,
    predictions: PredictionFacts,
    holdout: Option<HoldoutScores>,
    telemetry: Telemetry,
}

impl Outcome {
    fn read(dir: &RunDir) -> Result<Self> {
        Ok(Self {
            data: dir.read_json("facts.json", "summarize")?,
            diagnostics: read_diagnostics(dir)?,
            predictions: dir.read_json("predictions.json", "predict")?,
            holdout: if dir.has("holdout.json") { Some(dir.read_json("holdout.json", "evaluate")?) } else { None },
            telemetry: read_telemetry(dir),
        })
    }

    fn json(&self, dir: &RunDir) -> serde_json::Value {
        serde_json::json!({
            "run_dir": dir.root(),
            "kept_in": dir.shown().to_string(),
            "report": dir.path("report.html"),
            "verdict": self.diagnostics.verdict,
            "reasons": self.diagnostics.reasons,
            "method": self.diagnostics.method,
            "caution": self.diagnostics.caution,
            "divergences": self.diagnostics.divergences,
            "customers": self.data.customers,
            "rejected": self.data.rejected,
            "predictions": self.predictions,
            "holdout": self.holdout,
            "telemetry": self.telemetry,
        })
    }

    fn print(&self, dir: &RunDir, words: &Words, terminal: Terminal) {
        print_data(&self.data, words, terminal);
        println!("{}", how(&dir.plan));
        println!();
        print_parameters(&self.diagnostics);
        println!();
        let currency = &dir.plan.data.currency;
        let p = &self.predictions;
        let months = p.horizon_months;
        let within = words.periods.map_or_else(String::new, |periods| format!(" ({} {periods})", p.ahead.len()));
        println!("next {months} months{within}, all customers together, mean (90 % interval)");
        println!("  alive             {}", count(p.alive_mean));
        if let Some(last) = p.ahead.last() {
            println!("  alive at the end  {}", count(last.alive));
        }
        println!("  {:<18}{}", words.events, interval(&p.purchases, count));
        if let Some(clv) = &p.clv {
            println!("  lifetime value    {}", interval(clv, |v| money(v, currency)));
        }
        if let Some(h) = &self.holdout {
            println!();
            println!("holdout: {} {} happened; predicted {}", count(h.total.actual), words.events, {
                interval(&Interval { mean: h.total.mean, q05: h.total.q05, q95: h.total.q95 }, count)
            });
            let (half, ninety) = (percent(h.coverage.half), percent(h.coverage.ninety));
            println!("  50 % intervals cover {half} of customers, 90 % intervals {ninety}");
        }
        for part in &p.left_out {
            println!("left out: {part}");
        }
        println!();
        print_verdict(&self.diagnostics);
        println!();
        println!("customers  {}", dir.path("customers.csv").display());
        println!("report     {}", dir.path("report.html").display());
        if dir.is_away() {
            println!("kept in    {}", dir.shown());
        }
    }
}

/// How the posterior was explored, and where.
fn how(plan: &Plan) -> String {
    let s = &plan.sampler;
    let place = plan.compute.adapter.as_deref().unwrap_or("the CPU");
    let reason = &plan.compute.reason;
    let sampled =
        |name| format!("{name}, {} chains of at most {} warm-up and {} kept draws", s.chains, s.warmup, s.draws);
    let drawn = s.chains * s.draws;
    let work = match s.kind {
        SamplerKind::Nuts => sampled("NUTS"),
        SamplerKind::Chees => sampled("ChEES"),
        SamplerKind::Map => "mode and standard errors, not samples of the posterior".to_owned(),
        SamplerKind::Laplace => format!("Laplace approximation, {drawn} draws of it, not samples of the posterior"),
        SamplerKind::Pathfinder => {
            format!("Pathfinder approximation, {} paths, {drawn} draws of it, not samples of the posterior", s.chains)
        }
    };
    let begun = plan.warm_start.as_ref().map_or(String::new(), |warm| format!("; {}", run::warm_words(warm)));
    format!("{work}, on {place} ({reason}){begun}")
}

fn interval(i: &Interval, show: impl Fn(f64) -> String) -> String {
    format!("{} ({} – {})", show(i.mean), show(i.q05), show(i.q95))
}

fn print_data(facts: &DataFacts, words: &Words, terminal: Terminal) {
    println!(
        "{} customers, {} {}, {} {}; {} distinct cells",
        whole(facts.customers),
        whole(facts.repeat_purchases),
        words.repeats,
        whole(facts.one_time_customers),
        words.once,
        whole(facts.cells),
    );
    if facts.rejected > 0 {
        println!("{} lines were rejected: see rejects.csv", whole(facts.rejected));
    }
    // Without quiet they stood there while the run worked.
    for note in facts.notes.iter().filter(|_| terminal.quiet) {
        println!("note: {note}");
    }
}

/// The population parameters; with many groups only what they share.
pub(super) fn print_parameters(diagnostics: &Diagnostics) {
    const MOST: usize = 24;
    let (sampled, mode) = (diagnostics.method == Method::Sampling, diagnostics.method == Method::Map);
    let head = |mean, sd| format!("{:<9} {:<28} {mean:>10} {sd:>9}", "fit", "parameter");
    let tail = format!(" {:>7} {:>8} {:>8}", "R-hat", "ESS bulk", "ESS tail");
    let quantiles = format!(" {:>10} {:>10}", "5 %", "95 %");
    match diagnostics.method {
        Method::Sampling => println!("{}{quantiles}{tail}", head("mean", "sd")),
        Method::Map => println!("{}", head("mode", "std error")),
        Method::Laplace | Method::Pathfinder => println!("{}{quantiles}", head("mean", "sd")),
    }
    let shared: Vec<_> = if diagnostics.parameters.len() > MOST {
        diagnostics.parameters.iter().filter(|p| p.coords.keys().all(|dim| is_shared_dim(dim))).collect()
    } else {
        diagnostics.parameters.iter().collect()
    };
    for p in shared.iter().take(MOST) {
        let labels: Vec<&str> = p.coords.values().map(String::as_str).collect();
        let name = if labels.is_empty() { p.name.clone() } else { format!("{}[{}]", p.name, labels.join(", ")) };
        let quantiles = if mode { String::new() } else { format!(" {:>10.5} {:>10.5}", p.q05, p.q95) };
        let tail =
            if sampled { format!(" {:>7.3} {:>8.0} {:>8.0}", p.r_hat, p.ess_bulk, p.ess_tail) } else { String::new() };
        println!("{:<9} {:<28} {:>10.5} {:>9.4}{quantiles}{tail}", p.fit, name, p.mean, p.sd);
    }
    let hidden = diagnostics.parameters.len() - shared.len().min(MOST);
    if hidden > 0 {
        println!("… and {hidden} more in diagnostics.json");
    }
}

pub(super) fn print_verdict(diagnostics: &Diagnostics) {
    match diagnostics.verdict {
        Verdict::Pass if diagnostics.method != Method::Sampling => {
            println!("verdict: pass, as {}", diagnostics.method.named());
        }
        Verdict::Pass => println!("verdict: pass ({} divergences)", diagnostics.divergences),
        Verdict::Fail => println!("verdict: FAIL: these numbers must not be used"),
    }
    for reason in &diagnostics.reasons {
        println!("  - {reason}");
    }
    for fit in &diagnostics.fits {
        if let Some(near) = fit.nearness {
            let k = near.pareto_k.map_or_else(|| "infinite".to_owned(), |k| format!("{k:.2}"));
            let (worth, of) = (near.effective_draws, near.weighted_draws);
            println!("  {}: Pareto k {k}; {of} weighted draws are worth {worth:.0} of the posterior", fit.fit);
        }
    }
    if let Some(caution) = &diagnostics.caution {
        println!("  {caution}");
    }
}
