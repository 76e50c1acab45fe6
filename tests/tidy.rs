//! The house keeps its own rules: imports as ARCHITECTURE.md states them, and the habits CONTRIBUTING.md asks for.
//!
//! Every rule is tried on a house that breaks it before it is trusted with this one. Nothing here builds or runs longrun.

#[path = "tidy/house.rs"]
mod house;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use house::{Complaint, House, ImportTable};

#[track_caller]
fn holds(rule: fn(&House) -> Vec<Complaint>) {
    let found = rule(&House::read());
    let list: String = found.iter().map(|c| format!("\n  {c}")).collect();
    assert!(found.is_empty(), "{} to put right:{list}", found.len());
}

#[test]
fn rooms_import_only_what_the_architecture_page_lets_them() {
    holds(rules::imports);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    holds(rules::headers);
}

#[test]
fn files_are_short_and_named_for_what_they_hold() {
    holds(rules::sizes_and_names);
}

#[test]
fn printing_clocks_devices_and_randomness_stay_in_their_rooms() {
    holds(rules::reserved_words);
}

#[test]
fn every_shader_has_its_counterpart() {
    holds(rules::shader_pairs);
}

#[test]
fn every_model_has_its_five_files() {
    holds(rules::five_files);
}

#[test]
fn configs_exist_and_no_machine_is_named() {
    holds(rules::configs_and_paths);
}

#[test]
fn links_between_pages_lead_somewhere() {
    holds(rules::links);
}

/// The rules themselves, each on a house that breaks it.
mod on_bad_houses {
    use super::*;

    const PAGE: &str = "\
| room | may import | refuses to know |
| --- | --- | --- |
| error | nothing | all |
| kernels | nothing | files |
| data | error, kernels::rng | models |
| sampler | error | customers |
| cli | everything | - |
";

    fn house(files: &[(&str, &str)]) -> House {
        let empty = ["src/error.rs", "src/data/mod.rs", "src/sampler/mod.rs", "src/cli/mod.rs"].map(|p| (p, "//! x"));
        let mut house = House::of(&empty);
        house.files.extend(House::of(&[("ARCHITECTURE.md", PAGE)]).files);
        house.files.extend(House::of(files).files);
        house
    }

    fn said(rule: fn(&House) -> Vec<Complaint>, files: &[(&str, &str)]) -> Vec<String> {
        rule(&house(files)).iter().map(ToString::to_string).collect()
    }

    /// One complaint, and it starts and goes on as expected.
    #[track_caller]
    fn complains(rule: fn(&House) -> Vec<Complaint>, files: &[(&str, &str)], place: &str, what: &str) {
        let said = said(rule, files);
        assert!(said.len() == 1 && said[0].starts_with(place) && said[0].contains(what), "{said:#?}");
    }

    #[test]
    fn a_house_in_order_is_quiet() {
        let files = [
            (
                "src/data/mod.rs",
                "//! x\nuse crate::{error::Error, kernels::rng::{self, Stream}};\nuse self::rfm::Score;",
            ),
            ("src/data/rfm.rs", "//! x\nuse super::Summary;\nuse super::super::error;"),
            ("src/cli/mod.rs", "//! x\nuse crate::sampler; fn f() { println!(\"x\"); std::process::exit(1) }"),
            (
                "src/sampler/mod.rs",
                "//! x\n// crate::data here\n/* crate::data /* and */ here */ fn f() { g(\"crate::data\", '\"', r#\"crate::data\"#) }",
            ),
        ];
        assert_eq!(said(rules::imports, &files), Vec::<String>::new());
        assert_eq!(said(rules::reserved_words, &files), Vec::<String>::new());
    }

    #[test]
    fn forbidden_imports_are_found_however_they_are_written() {
        for (code, path) in [
            ("use crate::data::Summary;", "data::Summary"),
            ("use crate::{error::Error, data};", "data"),
            ("use crate::{error::{self, Error}, data::{rfm::*}};", "data::rfm"),
            ("use super::data::Summary as S;", "data::Summary"),
            ("fn f<'a>(x: &'a crate::data::Summary) {}", "data::Summary"),
            ("mod inner { use super::super::data::rfm; }", "data::rfm"),
            ("use longrun_kernels::rng::Stream;", "kernels::rng::Stream"),
            ("use crate::kernels::{self};", "kernels"),
            ("fn f() { let c = '\\''; crate::data::load::<u8>(c) }", "data::load"),
            ("#[cfg(not(test))]\nuse crate::data::Summary;", "data::Summary"),
        ] {
            let file = [("src/sampler/mod.rs", code)];
            complains(rules::imports, &file, "src/sampler/mod.rs:", &format!("`sampler` may not import `{path}`:"));
        }
        let deep = [("src/sampler/nuts.rs", "\n\nuse super::super::data;")];
        complains(rules::imports, &deep, "src/sampler/nuts.rs:3: ", "may not import `data`");
        let part = [("src/data/mod.rs", "use crate::kernels::special::ln_beta;")];
        complains(rules::imports, &part, "src/data/mod.rs:1: ", "lets it import error, kernels::rng");
    }

    #[test]
    fn test_code_may_import_what_it_likes() {
        for code in [
            "#[cfg(test)]\nmod tests { use crate::data; fn f() { println!(); todo!() } }",
            "#[cfg(all(test, unix))]\n#[expect(dead_code, reason = \"x\")]\nmod tests { use crate::data; }",
            "#[test]\nfn f(a: [u8; 2]) -> u8 { crate::data::f(); 1 }",
        ] {
            let files = [("src/sampler/mod.rs", code)];
            assert_eq!(said(rules::imports, &files), Vec::<String>::new());
            assert_eq!(said(rules::reserved_words, &files), Vec::<String>::new());
        }
        let split = [
            ("src/sampler/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("src/sampler/tests.rs", "use crate::data;"),
            ("src/sampler/nuts.rs", "#[cfg(test)]\nmod tests;"),
            ("src/sampler/nuts/tests.rs", "use crate::data;"),
        ];
        assert_eq!(said(rules::imports, &split), Vec::<String>::new());
        // What follows the test module is judged again.
        let after = [("src/sampler/mod.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::data;")];
        complains(rules::imports, &after, "src/sampler/mod.rs:3: ", "may not import `data`");
    }

    #[test]
    fn page_and_folders_name_the_same_rooms() {
        complains(rules::imports, &[("src/mmm/mod.rs", "")], "ARCHITECTURE.md: ", "says nothing about the room `mmm`");
        let listed = PAGE.replace("| cli |", "| serve | error | clap |\n| cli |");
        complains(rules::imports, &[("ARCHITECTURE.md", &listed)], "ARCHITECTURE.md: ", "lists the room `serve`");
        let owner = [("src/data/mod.rs", "use crate::Result;")];
        complains(rules::imports, &owner, "src/data/mod.rs:1: ", "`crate::Result` names no room");
        let round = PAGE.replace("| error | nothing |", "| error | data |");
        assert_eq!(ImportTable::read(&round).expect("a table").cycle().as_deref(), Some("data → error → data"));
        complains(rules::imports, &[("ARCHITECTURE.md", &round)], "ARCHITECTURE.md: ", "runs in a circle");
    }

    #[test]
    fn headers_sizes_and_names() {
        complains(rules::headers, &[("kernels/src/lib.rs", "use std::fmt;")], "kernels/src/lib.rs:1: ", "`//!`");
        complains(rules::headers, &[("shaders/a.wgsl", "fn f() {}")], "shaders/a.wgsl:1: ", "`//`");
        let long = "//! x\n".repeat(601);
        complains(rules::sizes_and_names, &[("src/data/big.rs", &long)], "src/data/big.rs: ", "601 lines");
        complains(rules::sizes_and_names, &[("src/data/utils.rs", "")], "src/data/utils.rs: ", "`utils`");
        complains(rules::sizes_and_names, &[("src/helpers/mod.rs", "")], "src/helpers/mod.rs: ", "`helpers`");
    }

    #[test]
    fn words_stay_in_their_rooms() {
        for (path, code, why) in [
            ("src/run/mod.rs", "fn f() { println!(\"x\") }", "only cli prints"),
            ("src/run/mod.rs", "use std::process; fn f() { process::exit(1) }", "exit codes"),
            ("src/data/mod.rs", "fn f() { std::time::Instant::now(); }", "the clock"),
            ("src/data/mod.rs", "fn f() { chrono::Utc::now(); }", "the clock"),
            ("kernels/src/bg_nbd.rs", "async fn f(a: A) { a.request_device(&d).await }", "creates a device"),
            ("src/run/mod.rs", "use clap::Parser;", "the command line"),
            ("src/data/mod.rs", "fn f() { rand::rng(); }", "an address"),
            ("src/data/mod.rs", "fn f() { todo!() }", "finish it"),
            ("kernels/src/lib.rs", "use longrun::data;", "the crate above it"),
        ] {
            complains(rules::reserved_words, &[(path, code)], &format!("{path}:1: "), why);
        }
    }

    #[test]
    fn a_model_without_one_of_its_files_is_told_which() {
        let whole = [
            ("kernels/src/sbg.rs", ""),
            ("shaders/sbg.wgsl", "// x"),
            ("src/model/sbg.rs", "const FAMILY: Family = Family { key: \"sbg\" };"),
            ("docs/math/sbg.md", ""),
            ("kernels/golden/models.json", "{\"model\": \"sbg\"}"),
        ];
        assert_eq!(said(rules::five_files, &whole), Vec::<String>::new());
        for (missing, what) in [(0, "kernel"), (1, "shader"), (2, "priors"), (3, "page"), (4, "golden")] {
            let rest: Vec<_> = whole.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, f)| *f).collect();
            complains(rules::five_files, &rest, "model `sbg`: ", what);
        }
        let listed = [&whole[..], &[("scripts/sbc.sh", "worlds=(bg:1:0)")]].concat();
        complains(rules::five_files, &listed, "model `sbg`: ", "world in the list of calibrations: scripts/sbc.sh");
        let lone = [("shaders/odd.wgsl", "// x"), ("shaders/lib/math.wgsl", "// x")];
        complains(rules::shader_pairs, &lone, "shaders/odd.wgsl: ", "kernels/src/odd.rs");
    }

    #[test]
    fn configs_machines_and_links() {
        let at = [("README.md", "run configs/none.toml now"), ("configs/a.toml", "")];
        complains(rules::configs_and_paths, &at, "README.md:1: ", "configs/none.toml");
        let home = [("configs/a.toml", concat!("x = \"/ho", "me/ann/x.csv\""))];
        complains(rules::configs_and_paths, &home, "configs/a.toml:1: ", "one machine");
        complains(rules::configs_and_paths, &[], "configs: ", "no .toml");
        let link = [("docs/a.md", "[b](b.md#part) and [c](../docs/c.md), [web](https://x.org)"), ("docs/b.md", "")];
        complains(rules::links, &link, "docs/a.md:1: ", "../docs/c.md");
    }
}
