//! Where a project is: kept in a bucket or on this machine, worked on in a local folder; and what its configuration says of nights.

use std::path::{Path, PathBuf};

use crate::config::{LifecycleSection, NightlySection, Source, WebhookSection};
use crate::error::{Error, Result};
use crate::lifecycle::{CONFIG, check_section};
use crate::storage::{Place, Storage};

/// Where a project is kept and worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// In a bucket; on this machine alone when absent.
    pub home: Option<Place>,
    /// The folder on this machine.
    pub folder: PathBuf,
    /// Whether the configuration is the folder's own, and not what the bucket says.
    pub own_config: bool,
    /// The configuration's text.
    pub config: String,
    /// What the configuration says of nights.
    pub nightly: NightlySection,
    /// Whom to tell.
    pub webhook: Option<WebhookSection>,
}

impl Whereabouts {
    /// Finds the project of `config`: its folder, or the `longrun.toml` in it; a path, or an address in a bucket, which is then worked on
    /// in `work`. A project on this machine may name a home of its own.
    ///
    /// # Errors
    /// No project there; a configuration with mistakes; a place that cannot be reached.
    pub fn find(config: &str, work: &Path, sets: &[String], storage: &Storage) -> Result<Self> {
        let config = config.trim_end_matches('/');
        let nothing = |at: String| {
            Error::new(format!("there is no project here (no {CONFIG})")).at(at).advice(format!(
                "name a project's folder or its {CONFIG}; make one with `longrun init NAME`, and let the first `longrun nightly NAME` \
                 send it to its lifecycle.nightly.home"
            ))
        };
        if Place::parse(config)?.is_remote() {
            let folder = config.strip_suffix(CONFIG).map_or(config, |folder| folder.trim_end_matches('/'));
            let home = Place::parse(folder)?;
            let at = home.join(CONFIG);
            let Some((bytes, _)) = storage.read(&at)? else { return Err(nothing(home.to_string())) };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let LifecycleSection { nightly, webhook, .. } = section_of(Path::new(&at.to_string()), &text, sets)?;
            let folder = work.to_owned();
            return Ok(Self { home: Some(home), folder, own_config: false, config: text, nightly, webhook });
        }
        let path = Path::new(config);
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let at = folder.join(CONFIG);
        if !(path.is_dir() || path.file_name().is_some_and(|name| name == CONFIG)) || !at.is_file() {
            return Err(nothing(config.to_owned()));
        }
        let text = std::fs::read_to_string(&at).map_err(|e| Error::io("read the configuration", &at, e))?;
        let LifecycleSection { nightly, webhook, .. } = section_of(&at, &text, sets)?;
        let home = nightly.home.as_deref().map(Place::parse).transpose()?;
        if let Some(Place::Local(local)) = &home {
            return Err(Error::new("lifecycle.nightly.home must be in a bucket")
                .at(at.display())
                .seen(local.display())
                .advice(
                    "write gs://bucket/name or s3://bucket/name, or leave it out: the project is in this folder anyway",
                ));
        }
        let folder = std::path::absolute(folder).map_err(|e| Error::io("find the project's folder", folder, e))?;
        Ok(Self { home, folder, own_config: true, config: text, nightly, webhook })
    }
}

fn section_of(path: &Path, text: &str, sets: &[String]) -> Result<LifecycleSection> {
    let written = Source::parse(path, text.to_owned(), sets)?;
    let section = written.config.lifecycle.clone().unwrap_or_default();
    check_section(&section, &|key| written.place(&format!("lifecycle.{key}")))?;
    Ok(section)
}
