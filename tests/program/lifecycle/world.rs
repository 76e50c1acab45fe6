//! A project whose log grows day by day, and what its tests ask of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{longrun, program, stderr, stdout};

/// A shop of two years whose purchases arrive as time passes.
pub struct World {
    folder: TempDir,
    /// Every purchase, a line each, with its header first.
    lines: Vec<String>,
}

impl World {
    /// `customers` customers who first buy in the first fifteen months of 2022 and 2023.
    pub fn new(customers: u32, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let customers = customers.to_string();
        let made = longrun(
            folder.path(),
            &[
                "simulate",
                "--output",
                "shop",
                "--customers",
                &customers,
                "--groups",
                "2",
                "--start",
                "2022-01-01",
                "--acquisition-days",
                "450",
                "--observe-days",
                "730",
                "--seed",
                "11",
            ],
        );
        assert!(made.status.success(), "{}", stderr(&made));
        let text = fs::read_to_string(folder.path().join("shop/transactions.csv")).expect("a log");
        let world = Self { lines: text.lines().map(str::to_owned).collect(), folder };
        world.begin(config);
        world
    }

    /// A new project at the same place, with nothing in it.
    pub fn begin(&self, config: &str) {
        let made = longrun(self.folder.path(), &["init", "project", "--data", "data/log.csv"]);
        assert!(made.status.success(), "{}", stderr(&made));
        fs::write(
            self.root().join("longrun.toml"),
            format!(
                "[data]\npath = \"data/log.csv\"\n[sampler]\nchains = 2\nwarmup = 150\ndraws = 100\nshard_draws = 25\n[predict]\n\
                 draws = 50\n[diagnose]\nmax_r_hat = 2.0\nmin_ess = 1\nmax_divergence_share = 1.0\nmin_e_bfmi = 0.0\n{config}"
            ),
        )
        .expect("a writable project");
    }

    /// Puts the project aside under another name.
    pub fn put_aside(&self, name: &str) -> PathBuf {
        let aside = self.folder.path().join(name);
        fs::rename(self.root(), &aside).expect("the project can be moved");
        aside
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The log as it stands in the morning after `date`; `change` may alter a line, or take it away.
    pub fn arrive(&self, date: &str, change: impl Fn(&str) -> Option<String>) {
        let known = self.lines[1..].iter().filter(|line| line.split(',').nth(1).is_some_and(|day| day <= date));
        let lines: Vec<String> = known.filter_map(|line| change(line)).collect();
        fs::write(self.path("data/log.csv"), format!("{}\n{}\n", self.lines[0], lines.join("\n")))
            .expect("a writable project");
    }

    /// Runs a command on the project, as on `today`.
    pub fn run(&self, today: &str, args: &[&str]) -> Output {
        longrun(&self.root(), &[args, &["--today", today, "--quiet"]].concat())
    }

    /// The same where it must succeed; what it printed.
    pub fn succeed(&self, today: &str, args: &[&str]) -> String {
        let out = self.run(today, args);
        assert!(out.status.success(), "{args:?} on {today}: {}{}", stdout(&out), stderr(&out));
        stdout(&out)
    }

    /// The same where it must end so; what it printed on both streams.
    pub fn ends(&self, code: i32, today: &str, args: &[&str]) -> String {
        let out = self.run(today, args);
        let said = stdout(&out) + &stderr(&out);
        assert_eq!(out.status.code(), Some(code), "{args:?} on {today}: {said}");
        said
    }

    /// The same, read as JSON.
    pub fn json(&self, today: &str, args: &[&str]) -> serde_json::Value {
        let said = self.succeed(today, &[args, &["--json"]].concat());
        serde_json::from_str(&said).expect("JSON")
    }

    /// Starts a command and leaves it running.
    pub fn start(&self, today: &str, args: &[&str]) -> Child {
        program()
            .current_dir(self.root())
            .args(args)
            .args(["--today", today, "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts")
    }

    /// Starts a command and kills it as soon as `is_there`; says whether it came to that.
    pub fn killed_when(&self, today: &str, args: &[&str], is_there: impl Fn(&Path) -> bool) -> bool {
        let (mut child, root) = (self.start(today, args), self.root());
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            if is_there(&root) {
                child.kill().expect("the child can be killed");
                child.wait().expect("the child ends");
                return true;
            }
            if let Some(status) = child.try_wait().expect("the child can be asked") {
                assert!(status.success(), "{args:?}: {status}");
                return false;
            }
            assert!(Instant::now() < deadline, "the command does not end");
        }
    }
}

/// Every file of a project but work under way, locks and the cost of fits: name to bytes.
pub fn state_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "runs" {
                    folders.push(path);
                }
            } else if !name.ends_with(".lock") && !name.ends_with("telemetry.json") {
                files.insert(name, fs::read(&path).expect("a readable file"));
            }
        }
    }
    files
}

/// Whether anything below `folder` has a name with all of these in it.
pub fn any(folder: &Path, parts: &[&str]) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            parts.iter().all(|part| name.contains(part))
        })
    })
}

/// The day `days` after `date`.
pub fn after(date: &str, days: u64) -> String {
    let date: chrono::NaiveDate = date.parse().expect("a day");
    (date + chrono::Days::new(days)).to_string()
}
