//! `longrun density`: questions about single customers on standard input, answers on standard output, a JSON line each.

use std::io::{BufRead, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Ending, Terminal};
use crate::density::{Question, answer};
use crate::error::{Error, Result};
use crate::kernels::device::{Choice, Device};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct DensityArgs {
    /// f64 on the processor, or float32 differences on an adapter, whose reference lies a tenth away from the parameters.
    #[arg(long, value_enum, default_value_t = DensityBackend::Cpu)]
    backend: DensityBackend,

    /// The adapter whose name contains this, software or not; `longrun doctor` lists them.
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

const EXAMPLE: &str = "\
Example:
  echo '{\"model\": \"bg_nbd\", \"params\": {\"r\": 0.243, \"alpha\": 4.414, \"a\": 0.793, \"b\": 2.426},
         \"data\": {\"x\": 2, \"t_x\": 30.43, \"T\": 38.86}, \"horizon\": 39}' | tr -d '\\n' | longrun density

A question may hold, beside model, params and data:
  horizon        answers expected_purchases (of a contract expected_periods) and
                 probability_of_none within it
  n              with a horizon: answers probability, that of exactly n purchases
                 (renewals) in it
  discount_rate  answers discounted_expected_purchases (discounted_expected_periods):
                 all to come, one after y counting e^(-rate y), one at the j-th
                 opportunity or renewal from now 1/(1 + rate)^j; null without bound

Impossible parameters are answered with log_lik null and {\"impossible\": …}, which says why.
A line that cannot be answered is answered with {\"error\": …}; the exit code is then 2, at the end of input.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DensityBackend {
    Cpu,
    Gpu,
}

pub(super) fn density(args: &DensityArgs, _: Terminal) -> Result<Ending> {
    if args.backend == DensityBackend::Cpu && args.adapter.is_some() {
        return Err(
            Error::new("--adapter names a device, and the backend is cpu").advice("add --backend gpu, or leave it out")
        );
    }
    let device = match args.backend {
        DensityBackend::Cpu => None,
        DensityBackend::Gpu => {
            let choice = args.adapter.as_ref().map_or(Choice::Auto, |name| Choice::Named(name.to_owned()));
            Some(Device::open(&choice).map_err(|e| Error::new(e.what).advice(e.advice))?)
        }
    };
    let mut refused = 0_u64;
    let mut out = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.map_err(|e| Error::new("standard input could not be read").because(e))?;
        if line.trim().is_empty() {
            continue;
        }
        let answered = serde_json::from_str::<Question>(&line)
            .map_err(|e| Error::new("not a question")
                    .advice("a line is {\"model\": …, \"params\": {…}, \"data\": {…}, \"horizon\": …, …}; see longrun density --help")
                    .because(e))
            .and_then(|question| answer(&question, device.as_ref()));
        let written = match &answered {
            Ok(answer) => to_line(answer),
            Err(error) => {
                refused += 1;
                let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
                to_line(&serde_json::json!({ "error": format!("line {}: {error}{cause}", number + 1) }))
            }
        };
        // Whoever asks line by line waits for the answer before the next question; one who has gone needs no more answers.
        if written.and_then(|text| writeln!(out, "{text}").and_then(|()| out.flush())).is_err() {
            break;
        }
    }
    if refused > 0 {
        let questions = if refused == 1 { "question" } else { "questions" };
        return Err(Error::new(format!("{refused} {questions} could not be answered"))
            .at("standard input")
            .advice("each is answered with its error, in its place"));
    }
    Ok(Ending::Healthy)
}

fn to_line(answer: &impl Serialize) -> std::io::Result<String> {
    serde_json::to_string(answer).map_err(Into::into)
}
