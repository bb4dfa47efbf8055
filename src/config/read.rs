//! A configuration out of TOML.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Written, renamed};
use crate::normalize::{Compress, PerPlate};
use crate::predict::Method;

impl Config {
    /// Reads and checks a configuration; keys that are absent keep their defaults.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown or has no effect on what the sections are for, or a value is out of
    /// its range.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            crate::load::read_small_text(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| {
            let problem = match error {
                ConfigError::Parse { problem, .. } => problem,
                other => other.to_string(),
            };
            ConfigError::Parse { path: path.to_owned(), problem }
        })
    }

    /// The configuration that `text` describes.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let parsed = |error: toml::de::Error| ConfigError::Parse { path: PathBuf::new(), problem: error.to_string() };
        renamed::refuse(text)?;
        let mut config: Self = toml::from_str(text).map_err(parsed)?;
        let written = Written::of(text);
        // Images are scaled as they are loaded: the defaults of profiles are not theirs.
        if config.images.is_some() {
            if !written.has("normalize.per_plate") {
                config.normalize.per_plate = PerPlate::None {};
            }
            if !written.has("normalize.compress") {
                config.normalize.compress = Compress::None {};
            }
            // Simple methods predict features, and pixels are not features.
            if !written.has("rank.by") {
                config.rank.by = Method::Model;
            }
        }
        config.without_effect_of_others();
        config.check()?;
        written.check_possible(&config)?;
        Ok(config)
    }
}
