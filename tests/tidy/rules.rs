//! The house rules, one function each: a house in, complaints out.

use std::collections::BTreeSet;

use crate::house::{Complaint, House, ImportTable};
use crate::source::Token;

/// Files longer than this cannot be read in one sitting.
const LINES_AT_MOST: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

/// Every room imports only what ARCHITECTURE.md lets it, and page and folders name the same rooms.
pub fn imports(house: &House) -> Vec<Complaint> {
    let page = "ARCHITECTURE.md";
    let Some(markdown) = house.files.get(page) else {
        return vec![Complaint::new(page, 0, "is missing; it holds the import table")];
    };
    let table = match ImportTable::read(markdown) {
        Ok(table) => table,
        Err(what) => return vec![Complaint::new(page, 0, what)],
    };
    let mut found = Vec::new();
    if let Some(way) = table.cycle() {
        found.push(Complaint::new(page, 0, format!("the import table runs in a circle: {way}")));
    }
    let mut rooms: BTreeSet<String> = BTreeSet::from(["kernels".to_owned()]);
    for file in house.library().iter().filter(|f| f.path.starts_with("src/")) {
        let module = file.module();
        let Some(&room) = module.first() else { continue };
        if rooms.insert(room.to_owned()) && !table.rows.contains_key(room) {
            found.push(Complaint::new(page, 0, format!("says nothing about the room `{room}` (src/{room})")));
        }
        for (line, path) in file.imports() {
            let owner = path.split("::").next().unwrap_or_default();
            if !table.rows.contains_key(owner) {
                let what =
                    format!("`crate::{path}` names no room of ARCHITECTURE.md; import from the room that owns it");
                found.push(Complaint::new(file.path, line, what));
            } else if table.rows.contains_key(room) && !table.allows(room, &path) {
                let allowed: Vec<&str> = table.rows[room].iter().map(String::as_str).collect();
                let what = format!(
                    "`{room}` may not import `{path}`: ARCHITECTURE.md lets it import {}",
                    if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
                );
                found.push(Complaint::new(file.path, line, what));
            }
        }
    }
    let missing = table.rows.keys().filter(|r| !rooms.contains(*r));
    found.extend(missing.map(|r| Complaint::new(page, 0, format!("lists the room `{r}`, but there is no src/{r}"))));
    found
}

/// A file opens by saying what it is and what it is not.
pub fn headers(house: &House) -> Vec<Complaint> {
    let rust = ["src/", "kernels/", "tests/", "benches/", "examples/"].into_iter().flat_map(|u| house.under(u, "rs"));
    let rust = rust.filter(|(_, text)| !text.starts_with("//! ")).map(|(p, _)| (p, "//!"));
    let shaders = house.under("", "wgsl").filter(|(_, text)| !text.starts_with("// ")).map(|(p, _)| (p, "//"));
    rust.chain(shaders)
        .map(|(p, mark)| Complaint::new(p, 1, format!("opens without a `{mark}` line that says what it is and is not")))
        .collect()
}

/// Files short enough to read in one sitting, under names that say what is inside.
pub fn sizes_and_names(house: &House) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in house.under("", "rs").chain(house.under("", "wgsl")) {
        let lines = text.lines().count();
        if lines > LINES_AT_MOST {
            let what = format!("has {lines} lines, more than {LINES_AT_MOST}; which noun is missing?");
            found.push(Complaint::new(path, 0, what));
        }
        let parts = path.trim_end_matches(".rs").trim_end_matches(".wgsl").split('/');
        for name in parts.filter(|p| EMPTY_NAMES.contains(p)) {
            let what = format!("`{name}` says nothing about what is inside; name the thing it holds");
            found.push(Complaint::new(path, 0, what));
        }
    }
    found
}

/// Words that only certain places may use: (the tokens, where they may stand, why).
const RESERVED: &[(&[&str], &[&str], &str)] = &[
    (&["println", "!"], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["eprintln", "!"], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["print", "!"], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["eprint", "!"], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["stdout", "("], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["stderr", "("], &["src/cli/", "src/main.rs"], "only cli prints"),
    (&["process", "::", "exit"], &["src/cli/", "src/main.rs"], "only cli and main choose exit codes"),
    (&["clap", "::"], &["src/cli/", "src/main.rs"], "only cli knows the command line"),
    (&["indicatif", "::"], &["src/cli/", "src/main.rs"], "only cli knows the terminal"),
    (&["request_device"], &["kernels/src/device.rs", "kernels/src/device/"], "only kernels::device creates a device"),
    (
        &["Instant", "::", "now"],
        &["src/run/", "src/tune/", "src/cli/", "src/bench/", "src/lifecycle/", "src/nightly/"],
        "only run and the rooms above it read the clock, and bench",
    ),
    (
        &["SystemTime"],
        &["src/run/", "src/cli/", "src/lifecycle/", "src/nightly/"],
        "only run and the rooms above it read the clock",
    ),
    (
        &["Utc", "::", "now"],
        &["src/run/", "src/cli/", "src/lifecycle/", "src/nightly/"],
        "only run and the rooms above it read the clock",
    ),
    (
        &["Local", "::", "now"],
        &["src/run/", "src/cli/", "src/lifecycle/", "src/nightly/"],
        "only run and the rooms above it read the clock",
    ),
    (&["thread_rng"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["rand", "::", "rng"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["rand", "::", "random"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["from_os_rng"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["from_entropy"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["SysRng"], &[], "randomness is an address: kernels::rng::Stream"),
    (&["todo", "!"], &[], "finish it, or leave it out"),
    (&["unimplemented", "!"], &[], "finish it, or leave it out"),
    (&["longrun", "::"], &["src/"], "the kernels crate knows nothing of the crate above it"),
];

/// Printing, clocks, exits, devices and randomness stay in the rooms that own them.
pub fn reserved_words(house: &House) -> Vec<Complaint> {
    let starts =
        |ts: &[Token<'_>], words: &[&str]| words.len() <= ts.len() && words.iter().zip(ts).all(|(w, t)| *w == t.text);
    let mut found = Vec::new();
    for file in house.library() {
        file.scan(|line, rest| {
            for (words, places, why) in RESERVED {
                if starts(rest, words) && !places.iter().any(|p| file.path.starts_with(p)) {
                    found.push(Complaint::new(file.path, line, format!("`{}` here: {why}", words.concat())));
                }
            }
        });
    }
    found
}

/// A shader and its Rust counterpart share one stem; `shaders/lib/` holds functions that shaders share.
pub fn shader_pairs(house: &House) -> Vec<Complaint> {
    let lone = |(path, _): (&str, &str)| {
        let stem = path.trim_start_matches("shaders/").trim_end_matches(".wgsl");
        (!stem.starts_with("lib/") && !has_kernel(house, stem)).then(|| {
            let what = format!("has no counterpart kernels/src/{stem}.rs (or kernels/src/{stem}/mod.rs)");
            Complaint::new(path, 0, what)
        })
    };
    house.under("shaders/", "wgsl").filter_map(lone).collect()
}

fn has_kernel(house: &House, stem: &str) -> bool {
    house.has(&format!("kernels/src/{stem}.rs")) || house.has(&format!("kernels/src/{stem}/mod.rs"))
}

/// Pages of docs/math on what models share: no model misses its files for them.
const SHARED_PAGES: [&str; 3] = ["checks", "covariates", "diagnostics"];

/// Lists that no table can fill, in which every customer model is to be found: the file, what stands there with the stem for `*`, and
/// what is missed without it.
const LISTS: [(&str, &str, &str); 3] = [
    ("kernels/src/difference/tests.rs", "*::Cpu>(", "line in the test that reads its shader's declarations"),
    ("scripts/sbc.sh", "*:1:0", "world in the list of calibrations"),
    ("README.md", "docs/math/*.md", "page in the list of documents"),
];

/// A customer model is five files under one stem: kernel, shader, model, page, golden numbers. It stands in every list of models.
pub fn five_files(house: &House) -> Vec<Complaint> {
    let stems_of = |folder: &'static str, ext: &'static str| {
        let inner = move |p: &str| p[folder.len()..].trim_end_matches(ext).trim_end_matches('.').to_owned();
        house.under(folder, ext).map(move |(p, _)| inner(p)).filter(|s| !s.contains('/'))
    };
    let keys = house.under("src/model/", "rs").flat_map(|(_, text)| text.split("key: \"").skip(1));
    let keys = keys.filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    let stems: BTreeSet<String> =
        stems_of("shaders/", "wgsl").chain(stems_of("docs/math/", "md")).chain(keys).collect();
    let stems = stems.iter().filter(|stem| !SHARED_PAGES.contains(&stem.as_str()));
    let golden: Vec<&str> = house.under("", "json").filter(|(p, _)| p.contains("golden/")).map(|(_, t)| t).collect();
    let mut found = Vec::new();
    for stem in stems {
        let mut want = |there: bool, what: String| {
            if !there {
                found.push(Complaint::new(&format!("model `{stem}`"), 0, format!("misses its {what}")));
            }
        };
        want(has_kernel(house, stem), format!("kernel in f64 and its dispatch: kernels/src/{stem}.rs"));
        want(house.has(&format!("shaders/{stem}.wgsl")), format!("shader: shaders/{stem}.wgsl"));
        let model = house.has(&format!("src/model/{stem}.rs")) || house.has(&format!("src/model/{stem}/mod.rs"));
        want(model, format!("row and priors: src/model/{stem}.rs"));
        want(house.has(&format!("docs/math/{stem}.md")), format!("page: docs/math/{stem}.md"));
        let quoted = format!("\"{stem}\"");
        want(
            golden.iter().any(|t| t.contains(&quoted)),
            format!("golden numbers: rows with \"model\": {quoted} in a golden/ file"),
        );
        for (path, entry, what) in LISTS {
            let listed = |text: &String| text.contains(&entry.replace('*', stem));
            // A house made of snippets has no such list.
            want(house.files.get(path).is_none_or(listed), format!("{what}: {path}"));
        }
    }
    found
}

/// Configs stand where README, guides and scripts say, and nothing that is tracked remembers whose machine it was written on.
pub fn configs_and_paths(house: &House) -> Vec<Complaint> {
    let mut found = Vec::new();
    if house.under("configs/", "toml").next().is_none() {
        found.push(Complaint::new("configs", 0, "holds no .toml; the README's commands start from one"));
    }
    for (path, text) in &house.files {
        for (ix, line) in text.lines().enumerate() {
            for named in line.split("configs/").skip(1) {
                let end = named.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(named.len());
                let name = format!("configs/{}", &named[..end]);
                let whole_path = !line.contains(&format!("/{name}")) || line.contains(&format!("./{name}"));
                if name.ends_with(".toml") && whole_path && documents(path) && !house.has(&name) {
                    found.push(Complaint::new(path, ix + 1, format!("names {name}, which does not exist")));
                }
            }
            for home in [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("C:\\Us", "ers")]
            {
                if line.contains(home) {
                    found.push(Complaint::new(path, ix + 1, format!("names a path of one machine: {home}…")));
                }
            }
        }
    }
    found
}

fn documents(path: &str) -> bool {
    path == "README.md" || path.starts_with("scripts/") || path.starts_with("docs/guide/") || path == "CONTRIBUTING.md"
}

/// Links between the project's own pages lead somewhere.
pub fn links(house: &House) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in house.under("", "md") {
        let folder = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        for (ix, line) in text.lines().enumerate() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
                if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let resolved = resolve(folder, target);
                let there = house.has(&resolved)
                    || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&resolved).exists()
                    || house.files.keys().any(|p| p.starts_with(&format!("{resolved}/")));
                if !there {
                    found.push(Complaint::new(path, ix + 1, format!("links to {target}, which does not exist")));
                }
            }
        }
    }
    found
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
