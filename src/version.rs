//! Which code this program was built from: the version, the commit, and whether the files had been changed since. `build.rs` looks;
//! here it gets its names. Nothing is read while the program runs.

use std::fmt;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The code of a build, as well as the build knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeVersion {
    /// Version of the package.
    pub version: String,
    /// The first twelve digits of the commit; none where it was built from something that is no repository.
    pub commit: Option<String>,
    /// Whether the code differed from that commit; none where nobody could tell.
    pub dirty: Option<bool>,
}

/// The code that this program was built from.
pub fn code_version() -> CodeVersion {
    CodeVersion {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: Some(env!("LONGRUN_COMMIT")).filter(|commit| *commit != "unknown").map(str::to_owned),
        dirty: env!("LONGRUN_DIRTY").parse().ok(),
    }
}

/// The same in words, for the command line.
pub(crate) fn words() -> &'static str {
    static WORDS: LazyLock<String> = LazyLock::new(|| code_version().to_string());
    &WORDS
}

/// `0.1.0 (abcdef123456, dirty)`.
impl fmt::Display for CodeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.commit.as_deref().unwrap_or("commit unknown");
        let state = match self.dirty {
            Some(true) => ", dirty",
            None if self.commit.is_some() => ", dirty or not unknown",
            _ => "",
        };
        write!(f, "{} ({commit}{state})", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_what_is_known_of_it() {
        let of = |commit: Option<&str>, dirty| {
            CodeVersion { version: "0.1.0".into(), commit: commit.map(str::to_owned), dirty }.to_string()
        };
        assert_eq!(of(Some("abcdef123456"), Some(true)), "0.1.0 (abcdef123456, dirty)");
        assert_eq!(of(Some("abcdef123456"), Some(false)), "0.1.0 (abcdef123456)");
        assert_eq!(of(Some("abcdef123456"), None), "0.1.0 (abcdef123456, dirty or not unknown)");
        assert_eq!(of(None, None), "0.1.0 (commit unknown)");
    }

    #[test]
    fn the_build_told_what_it_knew() {
        let code = code_version();
        assert_eq!(code.version, env!("CARGO_PKG_VERSION"));
        let is_commit = |c: &String| c.len() == 12 && c.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(code.commit.as_ref().is_none_or(is_commit), "{code:?}");
        assert!(["true", "false", "unknown"].contains(&env!("LONGRUN_DIRTY")));
        assert!(words().starts_with(&format!("{} (", code.version)));
    }
}
