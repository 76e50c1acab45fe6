//! Reads Rust source just well enough to judge it: comments and literals blanked, test code left out, paths spelled out.
//!
//! Not a parser. It knows brackets, `use` trees, `super` and inline modules, and nothing of types.

use std::collections::BTreeSet;

/// One identifier, number or punctuation mark, and the line it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Source with comments, strings and characters turned into spaces; line breaks stay where they were.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = skip_comment(&chars, i).or_else(|| skip_literal(&chars, i));
        match end {
            Some(end) => {
                out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
                i = end;
            }
            None => {
                out.push(chars[i]);
                i += 1;
                // The rest of an identifier, so that its last letter cannot be taken for the `r` of a raw string.
                while i < chars.len() && is_word(chars[i - 1]) && is_word(chars[i]) {
                    out.push(chars[i]);
                    i += 1;
                }
            }
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The index after the comment that starts at `i`, if one does.
fn skip_comment(chars: &[char], i: usize) -> Option<usize> {
    match (chars[i], chars.get(i + 1)) {
        ('/', Some('/')) => Some(chars[i..].iter().position(|&c| c == '\n').map_or(chars.len(), |n| i + n)),
        ('/', Some('*')) => {
            let (mut depth, mut j) = (1, i + 2);
            while j < chars.len() && depth > 0 {
                match (chars[j], chars.get(j + 1)) {
                    ('/', Some('*')) => (depth, j) = (depth + 1, j + 2),
                    ('*', Some('/')) => (depth, j) = (depth - 1, j + 2),
                    _ => j += 1,
                }
            }
            Some(j)
        }
        _ => None,
    }
}

/// The index after the string or character literal that starts at `i`, if one does. Lifetimes are not literals.
fn skip_literal(chars: &[char], i: usize) -> Option<usize> {
    let mut j = i;
    if matches!(chars[j], 'b' | 'c') && matches!(chars.get(j + 1), Some('"' | 'r' | '\'')) {
        j += 1;
    }
    if chars[j] == 'r' && matches!(chars.get(j + 1), Some('"' | '#')) {
        let hashes = chars[j + 1..].iter().take_while(|&&c| c == '#').count();
        if chars.get(j + 1 + hashes) != Some(&'"') {
            return None; // a raw identifier
        }
        let mut k = j + 2 + hashes;
        while k < chars.len() {
            let closing =
                chars[k] == '"' && chars[k + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
            if closing {
                return Some(k + 1 + hashes);
            }
            k += 1;
        }
        return Some(chars.len());
    }
    let quote = match chars[j] {
        '"' => '"',
        '\'' if chars.get(j + 1) == Some(&'\\') || chars.get(j + 2) == Some(&'\'') => '\'',
        _ => return None,
    };
    let mut k = j + 1;
    while k < chars.len() && chars[k] != quote {
        k += if chars[k] == '\\' { 2 } else { 1 };
    }
    Some((k + 1).min(chars.len()))
}

/// Splits blanked source into tokens; `::` is one token.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    for (line_ix, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            out.push(Token { text: &rest[..len], line: line_ix + 1 });
            rest = rest[len..].trim_start();
        }
    }
    out
}

/// Leaves out every item that is compiled for tests alone; also returns the names of `mod name;` items among them.
pub fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, BTreeSet<&'a str>) {
    let (mut kept, mut test_files) = (Vec::new(), BTreeSet::new());
    let mut i = 0;
    while i < tokens.len() {
        let Some(after) = test_attribute(tokens, i) else {
            kept.push(tokens[i]);
            i += 1;
            continue;
        };
        let mut start = after;
        while is(tokens, start, "#") {
            start = closing(tokens, start + 1) + 1;
        }
        let end = item_end(tokens, start);
        if let Some(at) = (start..end).find(|&k| is(tokens, k, "mod")).filter(|&k| is(tokens, k + 2, ";")) {
            test_files.insert(tokens[at + 1].text);
        }
        i = end;
    }
    (kept, test_files)
}

fn is(tokens: &[Token<'_>], i: usize, text: &str) -> bool {
    tokens.get(i).is_some_and(|t| t.text == text)
}

/// The index after `#[cfg(test)]`, `#[cfg(all(test, …))]` or `#[test]` at `i`.
fn test_attribute(tokens: &[Token<'_>], i: usize) -> Option<usize> {
    if !(is(tokens, i, "#") && is(tokens, i + 1, "[")) {
        return None;
    }
    let end = closing(tokens, i + 1);
    let body: Vec<&str> = tokens[i + 2..end].iter().map(|t| t.text).collect();
    let for_tests = match body.as_slice() {
        ["test"] => true,
        ["cfg", rest @ ..] => rest.contains(&"test") && !rest.contains(&"not") && !rest.contains(&"any"),
        _ => false,
    };
    for_tests.then_some(end + 1)
}

/// The index of the bracket that closes the one at `open`.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (k, t) in tokens.iter().enumerate().skip(open) {
        match t.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return k;
        }
    }
    tokens.len().saturating_sub(1)
}

/// The index after the item that starts at `i`: its closing brace or its semicolon.
fn item_end(tokens: &[Token<'_>], mut i: usize) -> usize {
    while i < tokens.len() {
        match tokens[i].text {
            "{" => return closing(tokens, i) + 1,
            ";" => return i + 1,
            "(" | "[" => i = closing(tokens, i) + 1,
            _ => i += 1,
        }
    }
    i
}

/// Every path that leads to a room, spelled from the crate root: `use crate::data::{Summary, rfm}` gives `data::Summary` and
/// `data::rfm`, and `longrun_kernels::rng` gives `kernels::rng`. `module` is the file's own place, such as `["data", "rfm"]`.
pub fn room_paths<'a>(tokens: &[Token<'a>], module: &[&'a str]) -> Vec<(usize, Vec<&'a str>)> {
    let mut out = Vec::new();
    let mut here: Vec<&str> = module.to_vec();
    let mut inline: Vec<usize> = Vec::new(); // brace depths at which inline modules opened
    let mut depth = 0;
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].text {
            "mod" if is(tokens, i + 2, "{") => {
                here.push(tokens[i + 1].text);
                inline.push(depth);
                i += 2;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                    here.pop();
                }
            }
            root @ ("crate" | "super" | "self" | "longrun" | "longrun_kernels")
                if is(tokens, i + 1, "::") && !(i > 0 && is(tokens, i - 1, "::") && root != "longrun_kernels") =>
            {
                let start: Vec<&str> = match root {
                    "crate" | "longrun" => Vec::new(),
                    "longrun_kernels" => vec!["kernels"],
                    "super" => here[..here.len().saturating_sub(1)].to_vec(),
                    _ => here.clone(),
                };
                let (from, found_to) = (out.len(), spell(tokens, i + 2, &start, &mut out));
                out[from..].iter_mut().for_each(|(_, path)| path.retain(|s| *s != "self"));
                i = found_to;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    out.retain(|(_, path)| !path.is_empty() && path.first() != module.first());
    out
}

/// Follows one path (or a braced tree of paths) from `i`, and returns the index after it.
fn spell<'a>(tokens: &[Token<'a>], mut i: usize, prefix: &[&'a str], out: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(i).map_or(0, |t| t.line);
    while let Some(token) = tokens.get(i) {
        match token.text {
            "super" => {
                path.pop();
            }
            "{" => {
                let end = closing(tokens, i);
                i += 1;
                while i < end {
                    i = if is(tokens, i, ",") { i + 1 } else { spell(tokens, i, &path, out) };
                }
                return end + 1;
            }
            word if word.starts_with(is_word) => path.push(word),
            _ => {
                i += 1; // `*`, or the `<` of a turbofish
                break;
            }
        }
        i += 1;
        if !is(tokens, i, "::") {
            break;
        }
        i += 1;
    }
    if is(tokens, i, "as") {
        i += 2;
    }
    out.push((line, path));
    i
}
