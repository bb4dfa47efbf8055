//! The rooms' own settings in one struct: TOML in, resolved TOML out.

mod effect;
mod error;
mod ranges;
mod read;
mod renamed;

use std::path::PathBuf;

pub use effect::Written;
pub use error::ConfigError;
use serde::{Deserialize, Serialize};

use crate::crop::ImageConfig;
use crate::evaluate::EvaluateConfig;
use crate::load::TrackConfig;
use crate::model::ModelConfig;
use crate::normalize::NormalizeSettings;
use crate::pair::{PairConfig, SplitConfig};
use crate::plan::RankConfig;
use crate::predict::DecoderConfig;
use crate::train::TrainConfig;

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
