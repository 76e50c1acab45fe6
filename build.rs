//! Tells the program which commit it is built from and whether the code differed from it: `LONGRUN_COMMIT` (12 digits or `unknown`) and
//! `LONGRUN_DIRTY` (`true`, `false` or `unknown`). Whatever is missing here, git or a repository, no build fails for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program is made of; a changed page or script leaves the code what it was.
const CODE: [&str; 6] = ["build.rs", "Cargo.toml", "Cargo.lock", "src", "kernels", "shaders"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    // A file that does not exist would make every build the first.
    for path in CODE.iter().map(|name| root.join(name)).filter(|path| path.exists()) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let (commit, dirty) = of_repository(&root).or_else(|| of_package(&root)).unwrap_or((None, None));
    println!("cargo:rustc-env=LONGRUN_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=LONGRUN_DIRTY={}", dirty.map_or("unknown".to_owned(), |dirty| dirty.to_string()));
}

type Known = (Option<String>, Option<bool>);

/// Of a repository whose root this is. One further up is another project's, in which this one is a guest.
fn of_repository(root: &Path) -> Option<Known> {
    let place = root.join(".git");
    let git = match fs::read_to_string(&place) {
        // A second working tree has a file that says where its own folder is.
        Ok(text) => root.join(text.trim().strip_prefix("gitdir:")?.trim()),
        Err(_) if place.is_dir() => place,
        Err(_) => return None,
    };
    let shared = fs::read_to_string(git.join("commondir")).map_or(git.clone(), |text| git.join(text.trim()));
    let head = fs::read_to_string(git.join("HEAD")).unwrap_or_default();
    let branch = head.trim().strip_prefix("ref: ");
    let packed = shared.join("packed-refs");
    // The log of HEAD grows with every commit, also with the first one after refs were packed. The index is left out on purpose: it
    // is written anew whenever someone asks for the status, and what it holds that matters is in the files or in HEAD.
    let watched =
        [Some(git.join("HEAD")), Some(git.join("logs/HEAD")), branch.map(|b| shared.join(b)), Some(packed.clone())];
    for path in watched.into_iter().flatten().filter(|path| path.exists()) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let commit = match branch {
        None => Some(head.trim().to_owned()),
        Some(branch) => fs::read_to_string(shared.join(branch)).map(|text| text.trim().to_owned()).ok().or_else(|| {
            let refs = fs::read_to_string(packed).ok()?;
            refs.lines().find_map(|line| line.strip_suffix(branch)?.strip_suffix(' ').map(str::to_owned))
        }),
    };
    Some((commit.and_then(|digits| twelve(&digits)), differs(root)))
}

/// Whether git finds the code different from the commit, new files included.
fn differs(root: &Path) -> Option<bool> {
    let status = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["--no-optional-locks", "status", "--porcelain", "--untracked-files=normal", "--"])
        .args(CODE)
        // A build that a hook of git starts would look where the hook points.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    status.status.success().then_some(!status.stdout.is_empty())
}

/// Of a package that cargo made: it notes the commit beside the manifest.
fn of_package(root: &Path) -> Option<Known> {
    let path = root.join(".cargo_vcs_info.json");
    let note = fs::read_to_string(&path).ok()?;
    println!("cargo:rerun-if-changed={}", path.display());
    let digits = note.split_once("\"sha1\"")?.1.split('"').nth(1)?;
    Some((twelve(digits), Some(note.contains("\"dirty\": true"))))
}

/// The first twelve digits of a commit's name, if it is one.
fn twelve(name: &str) -> Option<String> {
    let is_name = name.len() >= 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_name.then(|| name[..12].to_owned())
}
