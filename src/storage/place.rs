//! Where something lies: a path on this machine, or `gs://bucket/key` and `s3://bucket/key`. Reads and writes addresses; nothing here
//! asks whether anything is there.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where something lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A file or folder of this machine.
    Local(PathBuf),
    /// An object, or everything below a prefix, in a bucket.
    Remote(RemotePlace),
}

/// A bucket, and a key in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemotePlace {
    /// Whose bucket it is.
    pub cloud: Cloud,
    /// The bucket.
    pub bucket: String,
    /// The key, without slashes at its ends; empty for the bucket itself.
    pub key: String,
}

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cloud {
    /// Google Cloud Storage, `gs://`.
    Google,
    /// Amazon S3, or a store that speaks its language, `s3://`.
    Amazon,
}

impl Cloud {
    /// How its addresses begin.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Google => "gs",
            Self::Amazon => "s3",
        }
    }
}

impl Place {
    /// Reads an address as people write it: whatever does not begin with a scheme is a path.
    ///
    /// # Errors
    /// A scheme that is neither `gs` nor `s3`, no bucket, or a key with an empty part, `.` or `..`.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = split_scheme(text) else { return Ok(Self::Local(PathBuf::from(text))) };
        let cloud = match scheme.to_ascii_lowercase().as_str() {
            "gs" => Cloud::Google,
            "s3" => Cloud::Amazon,
            "file" => {
                return Err(Error::new("a file of this machine is named by its path alone")
                    .at(text)
                    .advice(format!("write {rest}")));
            }
            _ => {
                return Err(Error::new("an address must begin with gs:// or s3://, or be a path of this machine")
                    .at(text)
                    .seen(format!("{scheme}://"))
                    .advice("copy the file to one of these first"));
            }
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let shape =
            |what: &str| Error::new(what).at(text).advice(format!("e.g. {}://shop-data/orders", cloud.scheme()));
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if bucket.is_empty() || !bucket.chars().all(fits) {
            return Err(shape("the address names no bucket").seen(format!("{bucket:?}")));
        }
        let key = key.trim_end_matches('/');
        if !key.is_empty() && key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(shape("the address has an empty part, a `.` or a `..`").seen(format!("{key:?}")));
        }
        Ok(Self::Remote(RemotePlace { cloud, bucket: bucket.to_owned(), key: key.to_owned() }))
    }

    /// Whether it lies in a bucket.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// A place below this one; `name` may have several parts, `a/b`.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::Remote(place) => {
                let key = if place.key.is_empty() { name.to_owned() } else { format!("{}/{name}", place.key) };
                Self::Remote(RemotePlace { key, ..place.clone() })
            }
        }
    }

    /// The last part of the address; the bucket's name where there is no key.
    pub fn name(&self) -> String {
        match self {
            Self::Local(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            Self::Remote(place) => {
                let last = place.key.rsplit('/').next().filter(|part| !part.is_empty());
                last.unwrap_or(&place.bucket).to_owned()
            }
        }
    }
}

/// Whether a text is the address of something in a bucket, or means to be: it begins with a scheme.
pub fn is_address(text: &str) -> bool {
    split_scheme(text).is_some()
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (!scheme.is_empty() && scheme.chars().all(fits)).then_some((scheme, rest))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for RemotePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.cloud.scheme(), self.bucket)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, "/{}", self.key) }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for (text, shown, name) in [
            ("gs://shop/orders/2024", "gs://shop/orders/2024", "2024"),
            ("s3://shop/orders/", "s3://shop/orders", "orders"),
            ("GS://shop", "gs://shop", "shop"),
            ("gs://shop/*.csv", "gs://shop/*.csv", "*.csv"),
        ] {
            let place = Place::parse(text).unwrap();
            assert!(place.is_remote(), "{text}");
            assert_eq!((place.to_string().as_str(), place.name().as_str()), (shown, name));
            assert_eq!(Place::parse(&place.to_string()).unwrap(), place);
        }
        let joined = Place::parse("gs://shop").unwrap().join("a/b").join("c");
        assert_eq!(joined.to_string(), "gs://shop/a/b/c");
        for path in ["orders.csv", "/data/orders", "C:\\orders", "odd:name", "../a://b"] {
            assert_eq!(Place::parse(path).unwrap(), Place::Local(PathBuf::from(path)));
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, what) in [
            ("gs://", "names no bucket"),
            ("gs:///orders", "names no bucket"),
            ("s3://my bucket/x", "names no bucket"),
            ("gs://shop//orders", "an empty part"),
            ("gs://shop/../orders", "`..`"),
            ("https://shop/orders", "must begin with gs:// or s3://"),
            ("az://shop/orders", "must begin with gs:// or s3://"),
            ("file:///orders.csv", "write /orders.csv"),
        ] {
            let said = Place::parse(text).unwrap_err().to_string();
            assert!(said.contains(what) && said.starts_with(text), "{said}");
        }
    }
}
