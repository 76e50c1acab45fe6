//! What the tests of public behaviour share: running the program, and a small simulated shop.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The program under test, with no output directory or adapter of the surroundings leaking in.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longrun"));
    command.env_remove("LONGRUN_ADAPTER");
    command
}

/// Runs the program in `dir` and returns what it printed and how it ended.
pub fn longrun(dir: &Path, args: &[&str]) -> Output {
    program().current_dir(dir).args(args).output().expect("the program starts")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a simulated shop in `shop/transactions.csv` and a quick configuration `shop.toml`.
pub struct Shop {
    folder: TempDir,
}

impl Shop {
    /// Simulates `customers` customers.
    pub fn new(customers: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = longrun(
            folder.path(),
            &["simulate", "--output", "shop", "--customers", &customers.to_string(), "--seed", "5"],
        );
        assert!(made.status.success(), "{}", stderr(&made));
        let shop = Self { folder };
        shop.write(
            "shop.toml",
            "[data]\npath = \"shop/transactions.csv\"\ncalibration_end = 2024-06-30\nholdout_end = 2024-12-31\n\
             [sampler]\nchains = 2\nwarmup = 150\ndraws = 100\nshard_draws = 25\n[predict]\ndraws = 50\n\
             [diagnose]\nmax_r_hat = 2.0\nmin_ess = 1\nmax_divergence_share = 1.0\nmin_e_bfmi = 0.0\n",
        );
        shop
    }

    /// The folder everything lies in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), text).expect("the temporary folder is writable");
    }

    /// Runs the program in it.
    pub fn longrun(&self, args: &[&str]) -> Output {
        longrun(self.path(), args)
    }
}

/// The name of an adapter to test the GPU path on: what `LONGRUN_TEST_ADAPTER` names, else Mesa's software Vulkan driver. `None`,
/// with the reason printed, when this machine has neither; a failure then if `LONGRUN_REQUIRE_GPU=1`.
pub fn test_adapter() -> Option<String> {
    let wanted = std::env::var("LONGRUN_TEST_ADAPTER").unwrap_or_else(|_| "llvmpipe".to_owned());
    let doctor = program().args(["doctor", "--json"]).output().expect("the program starts");
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("doctor prints JSON");
    let adapters = report["adapters"].as_array().cloned().unwrap_or_default();
    let found =
        adapters.iter().any(|a| a["name"].as_str().is_some_and(|n| n.to_lowercase().contains(&wanted.to_lowercase())));
    if found {
        return Some(wanted);
    }
    let seen: Vec<&str> = adapters.iter().filter_map(|a| a["name"].as_str()).collect();
    assert!(
        std::env::var("LONGRUN_REQUIRE_GPU").as_deref() != Ok("1"),
        "no adapter called {wanted}; there are {seen:?}"
    );
    println!("skipped: no adapter called {wanted} (there are {seen:?}); install mesa-vulkan-drivers and libvulkan1");
    None
}

/// The python of an environment with ArviZ: what `LONGRUN_ARVIZ` names, else the one that `scripts/arviz.sh` made. `None`, with the
/// reason printed, where there is none; a failure then if `LONGRUN_REQUIRE_ARVIZ=1`.
pub fn arviz() -> Option<PathBuf> {
    let made = || {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
        target.join("arviz/bin/python")
    };
    let python = std::env::var_os("LONGRUN_ARVIZ").map_or_else(made, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var("LONGRUN_REQUIRE_ARVIZ").as_deref() != Ok("1"), "no ArviZ at {}", python.display());
    eprintln!("skipped: no ArviZ at {}; scripts/arviz.sh installs it", python.display());
    None
}
