//! The answer of a language model: what it must look like, and the judge that lets nothing through but listed keys within their bounds.
//! Whatever the text says beside that is data, never an instruction.

use serde::Deserialize;
use serde_json::{Value, json};

use super::advice::{Advice, Explanation, Recommendation, Refusal};
use super::packet::Packet;
use super::whitelist::{Bounds, WHITELIST, check};
use crate::error::{Error, Result};

/// Bytes of an answer that are read at most.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Recommendations that are looked at, of however many.
const MOST: usize = 12;

/// Characters of free text that are kept.
const TEXT: usize = 400;

/// The JSON Schema of an answer, made of the whitelist.
pub fn answer_schema() -> Value {
    let one = |row: &super::Allowed| {
        json!({
            "type": "object",
            "properties": { "key": { "enum": row.keys() }, "value": row.bounds.schema(), "why": { "type": "string", "maxLength": TEXT } },
            "required": ["key", "value", "why"],
            "additionalProperties": false
        })
    };
    json!({
        "type": "object",
        "properties": {
            "recommendations": { "type": "array", "maxItems": MOST, "items": { "anyOf": WHITELIST.iter().map(one).collect::<Vec<_>>() } },
            "explanations": { "type": "array", "maxItems": 6, "items": { "type": "string", "maxLength": TEXT } }
        },
        "required": ["recommendations", "explanations"],
        "additionalProperties": false
    })
}

#[derive(Deserialize)]
struct Answer {
    recommendations: Vec<Said>,
    #[serde(default)]
    explanations: Vec<String>,
}

#[derive(Deserialize)]
struct Said {
    key: String,
    value: Value,
    #[serde(default)]
    why: String,
}

/// Judges the text of an answer: what may be applied, and what is refused with the reason.
///
/// # Errors
/// Text that is no such answer at all.
pub fn judge(text: &str, packet: &Packet) -> Result<Advice> {
    let unusable = |why: String| Error::new("the model's answer cannot be used").seen(why);
    if text.len() > ANSWER_BYTES {
        return Err(unusable(format!("{} bytes, more than {ANSWER_BYTES}", text.len())));
    }
    let answer: Answer = serde_json::from_str(object_in(text)).map_err(|e| unusable(plain(&e.to_string(), TEXT)))?;
    let mut advice = Advice { advisor: "llm".to_owned(), ..Advice::default() };
    for (ix, said) in answer.recommendations.into_iter().enumerate() {
        let refusal =
            |reason: String| Refusal { key: plain(&said.key, 80), value: plain(&said.value.to_string(), 80), reason };
        if ix >= MOST {
            advice.refused.push(refusal(format!("only the first {MOST} recommendations are looked at")));
            continue;
        }
        let from = packet.setting(&said.key);
        match check(&said.key, &said.value) {
            Err(reason) => advice.refused.push(refusal(reason)),
            Ok(to) if to == *from || is_already_default(&said.key, from) => {
                advice.refused.push(refusal("that is what stands there already".to_owned()));
            }
            Ok(_) if advice.recommendations.iter().any(|r| r.key == said.key) => {
                advice.refused.push(refusal("a second value for the same key".to_owned()));
            }
            Ok(to) => advice.recommendations.push(Recommendation {
                rule: "llm".to_owned(),
                symptom: "named by the model".to_owned(),
                figure: None,
                from: from.clone(),
                key: said.key,
                to,
                why: plain(&said.why, TEXT),
                citation: "a language model's opinion".to_owned(),
            }),
        }
    }
    advice.explanations = answer.explanations.iter().take(6).map(|text| explanation(text)).collect();
    Ok(advice)
}

fn explanation(text: &str) -> Explanation {
    Explanation {
        rule: "llm".to_owned(),
        symptom: "named by the model".to_owned(),
        figure: None,
        text: plain(text, TEXT),
        citation: "a language model's opinion".to_owned(),
        // What a model says forbids nothing: rules alone may.
        blocking: false,
    }
}

fn is_already_default(key: &str, from: &Value) -> bool {
    from.is_null() && super::allowed(key).is_some_and(|row| row.bounds == Bounds::Default)
}

/// Characters that are not seen and change how others are: Unicode's general category Cf, as far as text for people may hold it.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The outermost braces of a text: models like to wrap their answer in a fence or a sentence.
fn object_in(text: &str) -> &str {
    match (text.find('{'), text.rfind('}')) {
        (Some(from), Some(to)) if from < to => &text[from..=to],
        _ => text,
    }
}

/// Text without control or format characters (no escape sequence reaches a terminal, nothing turns the reading order), on one line, cut to
/// `most` characters.
pub(super) fn plain(text: &str, most: usize) -> String {
    let clean = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let clean = clean.filter(|c| !c.is_control() && !is_format(*c));
    let mut out: String = clean.take(most + 1).collect();
    if out.chars().count() > most {
        out.pop();
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::patient;
    use super::*;

    #[test]
    fn words_of_a_stranger_are_plain() {
        assert_eq!(plain("a\u{1b}[31m\u{202e}b\nc\u{200b}\u{feff}d\u{2066}", 80), "a[31mb cd");
        assert_eq!(plain("abcdef", 4), "abc…");
    }

    /// An answer with one recommendation: whether it is let through, and the reason if not.
    #[track_caller]
    fn judged(key: &str, value: Value, reason: Option<&str>) {
        let text =
            json!({ "recommendations": [{ "key": key, "value": value, "why": "w" }], "explanations": [] }).to_string();
        let advice = judge(&text, &patient::healthy()).unwrap();
        match reason {
            None => assert_eq!((advice.recommendations.len(), advice.refused.len()), (1, 0), "{key}"),
            Some(reason) => {
                assert!(advice.recommendations.is_empty(), "{key}");
                assert!(advice.refused[0].reason.contains(reason), "{key}: {}", advice.refused[0].reason);
            }
        }
    }

    #[test]
    fn listed_keys_within_bounds_pass_and_nothing_else() {
        judged("sampler.draws", json!(2000), None);
        judged("sampler.draws", json!(1000), Some("already"));
        judged("purchase.priors", json!("default"), Some("already"));
        judged("sampler.draws", json!(1e308), Some("from 100 to 20000"));
        judged("sampler.target_accept", json!("NaN"), Some("from 0.6"));
        judged("sampler.chains", json!(-1), Some("whole number"));
        judged("output.dir", json!("x"), Some("must not be changed"));
        judged("data.path", json!(["x"]), Some("must not be changed"));
        judged("diagnose.max_r_hat", json!(9.0), Some("must not be changed"));
        judged("__proto__", json!({}), Some("must not be changed"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["", "sorry", "{", "[]", "{\"recommendations\":7}", "{\"recommendations\":[{\"value\":1}]}"] {
            assert!(judge(text, &patient::healthy()).is_err(), "{text}");
        }
        let long = format!("{{\"recommendations\":[],\"explanations\":[\"{}\"]}}", "x".repeat(ANSWER_BYTES));
        assert!(judge(&long, &patient::healthy()).unwrap_err().to_string().contains("bytes"));
    }

    #[test]
    fn fences_and_prose_around_the_object_do_no_harm() {
        let text = "Here you go:\n```json\n{\"recommendations\":[{\"key\":\"sampler.draws\",\"value\":3000}]}\n```";
        assert_eq!(judge(text, &patient::healthy()).unwrap().recommendations[0].to, json!(3000));
    }

    #[test]
    fn text_of_a_model_holds_no_escape_sequence_and_no_second_value() {
        let text = json!({
            "recommendations": [
                { "key": "sampler.draws", "value": 2000, "why": "\u{1b}[2J\u{7}red\n\nline" },
                { "key": "sampler.draws", "value": 3000, "why": "" }
            ],
            "explanations": ["x".repeat(1000)]
        });
        let advice = judge(&text.to_string(), &patient::healthy()).unwrap();
        assert_eq!(advice.recommendations[0].why, "[2Jred  line");
        assert!(advice.refused[0].reason.contains("second value"));
        assert_eq!(advice.explanations[0].text.chars().count(), TEXT);
        assert!(!advice.explanations[0].blocking);
    }

    #[test]
    fn many_recommendations_are_not_all_looked_at() {
        let many: Vec<Value> = (0..1000).map(|i| json!({ "key": format!("k{i}"), "value": 1, "why": "" })).collect();
        let advice = judge(&json!({ "recommendations": many }).to_string(), &patient::healthy()).unwrap();
        assert!(advice.recommendations.is_empty() && advice.refused.len() == 1000);
        assert!(advice.refused[MOST].reason.contains("only the first"));
    }

    #[test]
    fn the_schema_names_every_key_once() {
        let schema = answer_schema().to_string();
        for key in WHITELIST.iter().flat_map(super::super::Allowed::keys) {
            assert_eq!(schema.matches(&format!("\"{key}\"")).count(), 1, "{key}");
        }
        assert!(!schema.contains("output.dir") && !schema.contains("diagnose."));
    }
}
