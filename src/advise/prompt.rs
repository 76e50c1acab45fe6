//! The text that a language model is given. It holds the packet, the table of keys and what was changed before; nothing else of a run.

use std::fmt::Write;

use serde_json::{Value, json};

use super::advice::Change;
use super::packet::Packet;
use super::whitelist::WHITELIST;

/// What the model is, and what its answer must look like.
const TASK: &str = "\
You tune the settings of a Bayesian fit (NUTS or ChEES sampling of customer-base models such as BG/NBD and Gamma-Gamma).
You are given diagnostics as JSON: aggregates only. `limits` are fixed and cannot be changed.
Recommend as few changes as will mend the symptoms, most pressing first. Use only the keys listed, within their bounds.
Remedies that usually help: divergences - raise sampler.target_accept (0.9, 0.95, 0.99), then other coordinates of the hierarchy, then a
smaller scale of the spread over groups; depth limit reached - raise sampler.max_treedepth; few effective draws - raise sampler.draws;
R-hat high - raise sampler.warmup; fewer than 4 chains - sampler.chains 4; priors far from what is seen - back to the defaults.
If nothing needs changing, recommend nothing. What no key can mend belongs in `explanations`, in plain words.
Answer with one JSON object and nothing else:
{\"recommendations\":[{\"key\":\"sampler.draws\",\"value\":2000,\"why\":\"…\"}],\"explanations\":[\"…\"]}";

/// The whole prompt. Changes made before are told by key and value; why they were made is not, for a model may have written that.
pub fn prompt(packet: &Packet, history: &[Change]) -> String {
    let mut text = format!("{TASK}\n\nKeys that may be changed:\n");
    for row in WHITELIST {
        let each = if row.each.is_empty() { String::new() } else { format!(" (* is one of: {})", row.each.join(", ")) };
        // Writing to a string does not fail.
        let _ = writeln!(text, "- {}: {}; {}{each}", row.key, row.bounds.words().replace('`', "\""), row.what);
    }
    if !history.is_empty() {
        text.push_str("\nChanged before, in this order:\n");
        for change in history {
            let _ = writeln!(text, "- cycle {}: {} from {} to {}", change.cycle, change.key, change.from, change.to);
        }
    }
    let packet = serde_json::to_string_pretty(packet).unwrap_or_default();
    let _ = write!(text, "\nDiagnostics:\n{packet}\n");
    text
}

/// The body of a request to `/v1/chat/completions`.
pub(super) fn request_body(model: &str, prompt: &str) -> Value {
    json!({
        "model": model,
        "messages": [{ "role": "user", "content": prompt }],
        "temperature": 0,
        "max_tokens": 1024,
        "response_format": {
            "type": "json_schema",
            "json_schema": { "name": "advice", "strict": true, "schema": super::answer_schema() }
        }
    })
}
