//! The rooms' own settings in one struct: TOML in, resolved TOML out.

mod effect;
mod ranges;
mod renamed;

use std::path::{Path, PathBuf};

pub use effect::{ScreenKind, Written};
use serde::{Deserialize, Serialize};

use crate::crop::ImageConfig;
use crate::evaluate::EvaluateConfig;
use crate::load::TrackConfig;
use crate::model::ModelConfig;
use crate::normalize::{Compress, NormalizeSettings, PerPlate};
use crate::pair::{PairConfig, SplitConfig};
use crate::plan::RankConfig;
use crate::predict::DecoderConfig;
use crate::train::TrainConfig;

/// What cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("{}: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        problem: String,
    },
    /// A key of an earlier version.
    #[error("`{key}` is a key of an earlier version: {instead}")]
    Renamed {
        /// The key.
        key: &'static str,
        /// What to write instead, or why it is not there any more.
        instead: &'static str,
    },
    /// Keys that change nothing for the screen at hand.
    #[error("delete what has no effect on {kinds}: {keys}")]
    NoEffect {
        /// What kind of screen it is, or may be.
        kinds: String,
        /// The keys, each with the kinds that it is for, and why.
        keys: String,
    },
    /// A setting out of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
    },
}

/// Where the screen is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The dataset card; without one the columns are inferred.
    pub card: Option<PathBuf>,
    /// Profile tables as paths or globs; the card's own files if empty.
    pub files: Vec<PathBuf>,
}

/// Everything a run is decided by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the screen is.
    pub data: DataConfig,
    /// How images are cut and scaled; absent for profile tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageConfig>,
    /// How a table of tracks is read; absent for profile tables and images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracks: Option<TrackConfig>,
    /// How features are scaled.
    pub normalize: NormalizeSettings,
    /// Which observations train, validate, calibrate and test.
    pub split: SplitConfig,
    /// How transitions are made and batched.
    pub pair: PairConfig,
    /// The networks.
    pub model: ModelConfig,
    /// The training loop.
    pub train: TrainConfig,
    /// Latents back to features.
    pub decoder: DecoderConfig,
    /// How evaluation is done.
    pub evaluate: EvaluateConfig,
    /// What is ranked, toward what.
    pub rank: RankConfig,
}

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
        }
        config.check()?;
        written.check_possible(&config)?;
        Ok(config)
    }
}
