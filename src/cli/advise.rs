//! `longrun advise RUN`: one step of advice on a finished run; and how an advisor is named on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::config::print_json;
use super::{Ending, Terminal};
use crate::advise::{LanguageModel, Stage, prompt, toml_text};
use crate::config::Source;
use crate::error::{Error, Result};
use crate::run::{RunDir, Step, is_done};
use crate::tune::{self, Counsel, Http};

#[derive(Debug, Args)]
pub(super) struct AdviseArgs {
    /// A run directory whose fits are diagnosed.
    run: PathBuf,

    #[command(flatten)]
    advisor: AdvisorArgs,

    /// Print the text that a language model would be given, to paste into any chat, and ask nobody.
    #[arg(long)]
    print_prompt: bool,
}

/// Who is asked.
#[derive(Debug, Args)]
pub(super) struct AdvisorArgs {
    /// Who is asked: `rules` are offline and always give the same answer; `llm` asks the model at --endpoint, and the rules where it
    /// fails.
    #[arg(long, value_enum, default_value_t = Who::Rules)]
    advisor: Who,

    /// Address of an OpenAI-compatible server, up to /v1. A key is read from LONGRUN_LLM_KEY, or else from OPENAI_API_KEY.
    #[arg(long, default_value = "http://127.0.0.1:8080/v1")]
    endpoint: String,

    /// Name of the model, as the server calls it.
    #[arg(long, default_value = "default")]
    model: String,

    /// Seconds that one answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0)]
    timeout: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Who {
    Rules,
    Llm,
}

impl AdvisorArgs {
    pub(super) fn counsel(&self) -> Result<Counsel<Http>> {
        if self.advisor == Who::Rules {
            return Ok(Counsel::new(None));
        }
        if !(self.timeout.is_finite() && self.timeout > 0.0) {
            return Err(Error::new("must be a number of seconds above 0").at("--timeout").seen(self.timeout));
        }
        let key = ["LONGRUN_LLM_KEY", "OPENAI_API_KEY"].iter().find_map(|name| std::env::var(name).ok());
        let key = key.filter(|key| !key.trim().is_empty());
        Ok(Counsel::new(Some(LanguageModel::new(Http, &self.endpoint, &self.model, key, self.timeout)?)))
    }
}

pub(super) fn advise(args: &AdviseArgs, terminal: Terminal) -> Result<Ending> {
    let dir = RunDir::open(&args.run)?;
    if !is_done(&dir, Step::Diagnose)? {
        return Err(Error::new("the run has no verdict yet")
            .at(args.run.display())
            .advice(format!("`longrun diagnose {}` gives it one", args.run.display())));
    }
    let config = Source::read(&dir.path("config.toml"), &[])?.config;
    let (packet, names) = tune::packet_of(&dir, &config, Stage::Full)?;
    if args.print_prompt {
        let text = prompt(&packet, &[]);
        if terminal.json {
            print_json(&serde_json::json!({ "prompt": text }))?;
        } else {
            println!("{text}");
        }
        return Ok(Ending::Healthy);
    }
    let told = args.advisor.counsel()?.advise(&packet, &[])?;
    let advice = told.advice;
    let ending = if packet.passed() { Ending::Healthy } else { Ending::Refused };
    if terminal.json {
        print_json(&serde_json::json!({ "packet": packet, "advice": advice, "fallback": told.fallback }))?;
        return Ok(ending);
    }
    println!("verdict: {}", if packet.passed() { "pass" } else { "FAIL" });
    if let Some(fallback) = &told.fallback {
        println!("the model's advice is not used: {}", fallback.why);
    }
    for refusal in &advice.refused {
        println!("refused: {} = {}: {}", refusal.key, refusal.value, refusal.reason);
    }
    if advice.recommendations.is_empty() && advice.explanations.is_empty() {
        println!("there is nothing to change");
    }
    for r in &advice.recommendations {
        println!("\n{}", names.at_home(&r.symptom));
        println!("  {}\n  source: {}", r.why, r.citation);
        let (table, key) = r.key.rsplit_once('.').unwrap_or(("", &r.key));
        println!("\n    [{table}]\n    {key} = {}", toml_text(&r.key, &r.to));
    }
    for e in &advice.explanations {
        println!("\n{}\n  {}\n  source: {}", names.at_home(&e.symptom), e.text, e.citation);
    }
    Ok(ending)
}
