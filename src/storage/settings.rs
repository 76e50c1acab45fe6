//! How patiently a store is asked, and where it is when it is not the cloud's own.

use std::time::Duration;

/// How patiently a store is asked, and where it is when it is not the cloud's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageSettings {
    /// How long a request is tried again before it is given up; every byte that arrives begins it anew.
    pub try_for: Duration,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long nothing at all may arrive before a connection counts as dead.
    pub silent_for: Duration,
    /// Files of more bytes than this are sent in parts of so many.
    pub part_bytes: u64,
    /// An emulator of Google Cloud Storage, `http://127.0.0.1:9023`, which is asked without credentials.
    pub google_endpoint: Option<String>,
    /// A store that speaks S3's language.
    pub amazon_endpoint: Option<String>,
    /// An access key and its secret for it, instead of those that the environment names.
    pub amazon_keys: Option<(String, String)>,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            try_for: Duration::from_secs(120),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            silent_for: Duration::from_secs(30),
            part_bytes: 16 << 20,
            google_endpoint: None,
            amazon_endpoint: None,
            amazon_keys: None,
        }
    }
}

impl StorageSettings {
    /// The defaults, with the stores that `STORAGE_EMULATOR_HOST` and `AWS_ENDPOINT_URL` (before it `AWS_ENDPOINT_URL_S3`) name.
    pub fn from_environment() -> Self {
        let named = |key: &str| std::env::var(key).ok().filter(|value| !value.trim().is_empty());
        let address = |host: String| {
            let host = host.trim().trim_end_matches('/');
            if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
        };
        Self {
            google_endpoint: named("STORAGE_EMULATOR_HOST").map(address),
            amazon_endpoint: named("AWS_ENDPOINT_URL_S3").or_else(|| named("AWS_ENDPOINT_URL")).map(address),
            ..Self::default()
        }
    }
}
