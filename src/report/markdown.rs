//! The report for a pull request: the verdict, the headline, and the tables that matter, as Markdown. No drawings; who wants those opens
//! the page.

use std::fmt::Write as _;

use super::audience;
use super::numbers::{self, count, decimals_for, fixed, money, money_range, percent, whole};
use super::page::{in_unit, label, lean_sentence, lean_words, worst_lean};
use super::view::{Class, Parameter, View};
use super::words;
use crate::diagnose::{Lean, Method};

/// Rows of a table at most.
const ROWS: usize = 20;

/// The view as Markdown (GitHub's, tables included); equal text for equal views.
pub fn markdown(view: &View) -> String {
    let mut out = format!("# {}\n\n", safe(&view.title));
    if !view.subtitle.is_empty() {
        let _ = writeln!(out, "{}\n", safe(&view.subtitle));
    }
    verdict(&mut out, view);
    headline(&mut out, view);
    classes(&mut out, "Tier", &view.tiers, view);
    classes(&mut out, "Segment", &view.segments, view);
    holdout(&mut out, view);
    quantities(&mut out, view);
    parameters(&mut out, view);
    sensitivity(&mut out, view);
    made(&mut out, view);
    out
}

/// Text that is nothing but text in a table, a list or a paragraph.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            '\u{a0}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A table; `numeric` says which columns are numbers. Nothing without rows.
fn table(out: &mut String, head: &[&str], numeric: &[bool], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    *out += &line(head.iter().map(|h| safe(h)).collect());
    *out += &line(numeric.iter().map(|n| String::from(if *n { "---:" } else { "---" })).collect());
    for row in rows {
        *out += &line(row.iter().map(|cell| safe(cell)).collect());
    }
    out.push('\n');
}

fn verdict(out: &mut String, view: &View) {
    let v = &view.verdict;
    let said = match (v.passed, v.method) {
        (false, _) => "❌ Do not use these numbers.",
        (true, Method::Sampling) => "✅ You can use these numbers.",
        (true, _) => "⚠️ Not samples: use these numbers for a first look.",
    };
    let _ = writeln!(out, "**{said}** {}\n", safe(&words::meaning(v)));
    for reason in &v.reasons {
        let _ = writeln!(out, "- {}", safe(reason));
    }
    if !v.reasons.is_empty() {
        out.push('\n');
    }
    let advice = words::advice(v);
    if !advice.is_empty() {
        out.push_str("What to try:\n\n");
        advice.iter().for_each(|line| *out += &format!("- {}\n", safe(line)));
        out.push('\n');
    }
}

fn headline(out: &mut String, view: &View) {
    let tiles = audience::tiles(view);
    if tiles.is_empty() {
        return;
    }
    let refused = if view.verdict.passed { "" } else { " (not for use)" };
    let _ = writeln!(out, "## Over the next {}{refused}\n", safe(&view.horizon));
    table(out, &["", "Expected", "Range"], &[false, true, true], &tiles.map_rows());
    for said in &audience::readers(view)[0].said {
        let _ = writeln!(out, "{}\n", safe(said));
    }
}

/// Rows of fixed width as rows of any.
trait MapRows {
    fn map_rows(&self) -> Vec<Vec<String>>;
}

impl<const N: usize> MapRows for Vec<[String; N]> {
    fn map_rows(&self) -> Vec<Vec<String>> {
        self.iter().map(|row| row.to_vec()).collect()
    }
}

fn classes(out: &mut String, what: &str, classes: &[Class], view: &View) {
    let row = |c: &Class| {
        let range = money_range(&c.value, &view.currency);
        vec![c.name.clone(), whole(c.customers), money(c.value.mean, &view.currency), range, percent(c.share)]
    };
    let rows: Vec<Vec<String>> = classes.iter().map(row).collect();
    if !rows.is_empty() {
        let _ = writeln!(out, "## {what}s\n");
    }
    table(out, &[what, "Customers", "Value", "Range", "Share"], &[false, true, true, true, true], &rows);
}

fn holdout(out: &mut String, view: &View) {
    let Some(h) = &view.holdout else { return };
    let _ = writeln!(out, "## On the window it had not seen\n\n{}\n", safe(&words::holdout(h)));
    let optional = |v: Option<f64>| v.map_or_else(|| numbers::NONE.to_owned(), |v| fixed(v, 3));
    let rows: Vec<Vec<String>> = h
        .scores
        .iter()
        .map(|s| vec![s.name.clone(), count(s.total), fixed(s.mae, 3), fixed(s.rmse, 3), optional(s.spearman)])
        .collect();
    let head = ["Prediction", "Total", "Mean error", "RMSE", "Rank correlation"];
    table(out, &head, &[false, true, true, true, true], &rows);
}

fn quantities(out: &mut String, view: &View) {
    if view.quantities.is_empty() {
        return;
    }
    out.push_str("## Does the model fit?\n\n");
    let rows: Vec<Vec<String>> = view
        .quantities
        .iter()
        .map(|q| {
            let [low, mean, high] =
                [q.replicated.q05, q.replicated.mean, q.replicated.q95].map(|v| in_unit(v, &q.unit, view));
            let p_value = fixed(q.p_value, 3);
            vec![
                words::upper_first(&q.what),
                in_unit(q.observed, &q.unit, view),
                mean,
                format!("{low} to {high}"),
                p_value,
            ]
        })
        .collect();
    table(out, &["Quantity", "Counted", "Model", "90 %", "p-value"], &[false, true, true, true, true], &rows);
    let concerns: Vec<&String> = view.quantities.iter().filter_map(|q| q.concern.as_ref()).collect();
    concerns.iter().for_each(|concern| *out += &format!("- {}\n", safe(concern)));
    if !concerns.is_empty() {
        out.push('\n');
    }
}

fn parameters(out: &mut String, view: &View) {
    let mut rows: Vec<&Parameter> =
        view.parameters.iter().filter(|p| p.coords.is_empty() || p.concern.is_some()).collect();
    rows.sort_by_key(|p| p.concern.is_none());
    let of = rows.len();
    rows.truncate(ROWS);
    if rows.is_empty() {
        return;
    }
    out.push_str("## Parameters\n\n");
    let cells = |p: &&Parameter| {
        let decimals = decimals_for(p.sd, p.mean);
        let figures = [p.mean, p.sd, p.q05, p.q95].map(|v| fixed(v, decimals));
        let mut row = vec![label(p), p.fit.clone()];
        row.extend(figures);
        if view.verdict.method == Method::Sampling {
            row.extend([fixed(p.r_hat, 3), fixed(p.ess_bulk, 0), fixed(p.ess_tail, 0)]);
        }
        row.push(p.concern.clone().unwrap_or_default());
        row
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let mut head = vec!["Parameter", "Fit", "Mean", "SD", "5 %", "95 %"];
    if view.verdict.method == Method::Sampling {
        head.extend(["R-hat", "ESS bulk", "ESS tail"]);
    }
    head.push("Concern");
    let numeric: Vec<bool> = (0..head.len()).map(|i| i > 1 && i + 1 < head.len()).collect();
    table(out, &head, &numeric, &rows);
    if of > ROWS {
        let _ = writeln!(out, "{} more are in diagnostics.json.\n", whole((of - ROWS) as u64));
    }
}

fn sensitivity(out: &mut String, view: &View) {
    let Some(s) = &view.sensitivity else { return };
    let _ = writeln!(out, "## Sensitivity\n\n{}\n", safe(&lean_sentence(s)));
    let rows: Vec<Vec<String>> = worst_lean(s, ROWS)
        .into_iter()
        .filter(|(_, p)| p.diagnosis != Lean::Data)
        .map(|(fit, p)| {
            let [prior, likelihood] = [p.prior, p.likelihood].map(|v| fixed(v, 3));
            vec![p.parameter.clone(), fit.to_owned(), prior, likelihood, lean_words(p.diagnosis).to_owned()]
        })
        .collect();
    table(out, &["Parameter", "Fit", "Prior", "Likelihood", ""], &[false, false, true, true, false], &rows);
}

fn made(out: &mut String, view: &View) {
    let steps: Vec<Vec<String>> = view
        .facts
        .steps
        .iter()
        .map(|s| {
            vec![s.name.clone(), numbers::duration(s.seconds), s.peak_memory.map_or_else(String::new, numbers::bytes)]
        })
        .collect();
    if steps.is_empty() && view.resources.findings.is_empty() {
        return;
    }
    out.push_str("<details><summary>What it took</summary>\n\n");
    table(out, &["Step", "Wall time", "Memory"], &[false, true, true], &steps);
    view.resources.findings.iter().for_each(|line| *out += &format!("- {}\n", safe(line)));
    out.push_str("\n</details>\n");
}

#[cfg(test)]
mod tests {
    use super::super::example::{failed, view};
    use super::*;

    #[test]
    fn it_says_the_verdict_first_and_every_table_has_even_rows() {
        let text = markdown(&view(12));
        assert_eq!(text, markdown(&view(12)));
        let place = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} in\n{text}"));
        assert!(place("You can use these numbers.") < place("$812,450"));
        assert!(place("## Tiers") < place("## Parameters"));
        for heading in ["## Segments", "## Does the model fit?", "## Sensitivity", "What it took"] {
            place(heading);
        }
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        for block in text.split("\n\n").filter(|b| b.starts_with('|')) {
            let width = cells(block.lines().next().unwrap());
            assert!(block.lines().all(|line| cells(line) == width), "{block}");
        }
        assert!(text.len() < 20_000 && !text.contains("NaN") && !text.contains("<svg"));
    }

    #[test]
    fn a_refusal_is_no_advice_to_act_on_and_names_the_culprit() {
        let v = failed(12);
        let text = markdown(&v);
        assert!(text.contains("Do not use these numbers.") && text.contains("(not for use)"));
        assert!(text.contains("R-hat 1.38 above 1.01: the chains disagree"));
        assert!(!text.contains("Begin with"));
    }

    #[test]
    fn text_from_outside_stays_text() {
        let mut v = view(2);
        v.title = "a | b\n# c <script> @all [x](y)".into();
        v.tiers[0].name = "one | two".into();
        let text = markdown(&v);
        assert!(text.starts_with("# a \\| b \\# c &lt;script&gt; \\@all \\[x\\](y)\n"), "{}", &text[..80]);
        assert!(text.contains("| one \\| two |"));
    }
}
