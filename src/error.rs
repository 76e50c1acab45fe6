//! What failed, where, what was seen, and what to try next.
//!
//! One error type serves every room, because every failure ends in front of a person who needs the same four answers.
//! Nothing here knows what a customer, a file format or a device is.

use std::fmt;

/// A failure told so that its reader can act: what failed, where, what was seen there, and what to try.
///
/// ```
/// use longrun::error::Error;
/// let e = Error::new("prior.r.shape must be above 0")
///     .at("configs/retail.toml:14")
///     .seen("-1.0")
///     .advice("2.0 is the weakly informative default");
/// assert_eq!(
///     e.to_string(),
///     "configs/retail.toml:14: prior.r.shape must be above 0 (found -1.0); 2.0 is the weakly informative default"
/// );
/// ```
#[derive(Debug, Default)]
pub struct Error {
    what: String,
    place: Option<String>,
    seen: Option<String>,
    advice: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    standing: Standing,
}

/// Whether something is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Failed,
    Busy,
    Stopped,
}

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Starts an error with a sentence about what failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// Where it failed: a file with its line, a configuration key, a parameter.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// What stood there instead of something valid.
    #[must_use]
    pub fn seen(mut self, seen: impl fmt::Display) -> Self {
        self.seen = Some(seen.to_string());
        self
    }

    /// The next step for the person who reads it.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The error underneath, printed after this one.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Marks that nothing is wrong but the moment: another process is at work.
    #[must_use]
    pub fn busy(mut self) -> Self {
        self.standing = Standing::Busy;
        self
    }

    /// Whether the same command may do later, because another process is at work.
    pub fn is_busy(&self) -> bool {
        self.stands(Standing::Busy)
    }

    /// Marks that nothing is wrong: the work was asked to stop, and can be taken up again.
    #[must_use]
    pub fn stopped(mut self) -> Self {
        self.standing = Standing::Stopped;
        self
    }

    /// Whether the work was asked to stop, and the same command takes it up again.
    pub fn is_stopped(&self) -> bool {
        self.stands(Standing::Stopped)
    }

    /// Whether this error or one underneath it is marked so.
    fn stands(&self, wanted: Standing) -> bool {
        let beneath = || self.cause.as_deref()?.downcast_ref::<Self>();
        self.standing == wanted || beneath().is_some_and(|error| error.stands(wanted))
    }

    /// This error and those underneath it, in one line.
    pub fn in_full(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            words = format!("{words}; because: {inner}");
            cause = inner.source();
        }
        words
    }

    /// An input or output failure on `path`.
    pub fn io(doing: &str, path: &std::path::Path, cause: std::io::Error) -> Self {
        let advice = match cause.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            std::io::ErrorKind::ReadOnlyFilesystem => "choose an output folder on a writable file system",
            std::io::ErrorKind::StorageFull => "free some space, then run `longrun resume` on the run directory",
            _ => "see the cause below",
        };
        Self::new(format!("could not {doing}")).at(path.display()).advice(advice).because(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(seen) = &self.seen {
            write!(f, " (found {seen})")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as &(dyn std::error::Error + 'static))
    }
}
