//! The rooms' own settings in one struct: TOML in, resolved TOML out.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::baseline::PcaGrid;
use crate::evaluate::Bootstrap;
use crate::model::ModelConfig;
use crate::normalize::NormalizeSettings;
use crate::pair::{PairConfig, Part, SplitConfig};
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
    /// The file is no valid configuration.
    #[error("{}: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        problem: String,
    },
    /// A setting out of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
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

/// How evaluation is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Train and score every fold of the split, not only `split.fold`, and pool the scores.
    pub all_folds: bool,
    /// The part that is scored; `validation` chooses settings without a look at the test part.
    pub part: Part,
    /// How many nearest candidates count as found.
    pub recall_at: usize,
    /// Resampling of independent units.
    pub bootstrap: Bootstrap,
    /// Settings tried, by error on the training treatments alone, for interpolation of denoised profiles.
    pub pca: PcaGrid,
    /// Miscoverage of intervals: 0.2 gives 80 % intervals.
    pub alpha: f64,
    /// Configurations that were tried before this one was scored; a result says so.
    pub configurations_tried: usize,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            all_folds: false,
            part: Part::Test,
            recall_at: 5,
            bootstrap: Bootstrap::default(),
            pca: PcaGrid::default(),
            alpha: 0.2,
            configurations_tried: 1,
        }
    }
}

/// Everything a run is decided by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the screen is.
    pub data: DataConfig,
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
    /// When the file cannot be read, a key is unknown, or a value is out of its range.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| match error {
            ConfigError::Parse { problem, .. } => ConfigError::Parse { path: path.to_owned(), problem },
            other => other,
        })
    }

    /// The configuration that `text` describes.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let parsed = |error: toml::de::Error| ConfigError::Parse { path: PathBuf::new(), problem: error.to_string() };
        let config: Self = toml::from_str(text).map_err(parsed)?;
        config.check()?;
        Ok(config)
    }

    /// The same with every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// Names the first key that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = |key: &'static str, value: usize| check(key, value, value > 0, "at least 1");
        positive("train.members", self.train.members)?;
        positive("train.steps", self.train.steps)?;
        positive("train.log_every", self.train.log_every)?;
        positive("train.evaluate_every", self.train.evaluate_every)?;
        positive("train.checkpoint_every", self.train.checkpoint_every)?;
        positive("train.micro_batches", self.train.micro_batches)?;
        positive("train.sigreg.slices", self.train.sigreg.slices)?;
        positive("model.encoder.width", self.model.encoder.width)?;
        positive("model.projector.hidden", self.model.projector.hidden)?;
        positive("model.intervention.width", self.model.intervention.width)?;
        positive("model.intervention.curves", self.model.intervention.curves)?;
        positive("model.predictor.depth", self.model.predictor.depth)?;
        positive("model.predictor.mlp_width", self.model.predictor.mlp_width)?;
        positive("evaluate.recall_at", self.evaluate.recall_at)?;
        let knots = self.train.sigreg.knots;
        check("train.sigreg.knots", knots, knots >= 3, "at least 3")?;
        check("model.latent", self.model.latent, self.model.latent >= 2, "at least 2")?;
        check(
            "model.predictor.history",
            self.model.predictor.history,
            self.model.predictor.history == 1,
            "1 for screens",
        )?;
        check("pair.batch", self.pair.batch, self.pair.batch >= 2, "at least 2")?;
        let share =
            |key: &'static str, value: f64| check(key, value, (0.0..1.0).contains(&value), "at least 0 and below 1");
        share("split.validation", self.split.validation)?;
        share("split.calibration", self.split.calibration)?;
        share("train.warmup", self.train.warmup)?;
        share("pair.ladder", self.pair.ladder)?;
        share("model.predictor.dropout", f64::from(self.model.predictor.dropout))?;
        share("model.encoder.feature_dropout", f64::from(self.model.encoder.feature_dropout))?;
        share("model.intervention.identity_dropout", f64::from(self.model.intervention.identity_dropout))?;
        let above = |key: &'static str, value: f64| check(key, value, value > 0.0 && value.is_finite(), "above 0");
        above("train.learning_rate", self.train.learning_rate)?;
        above("train.clip", self.train.clip)?;
        above("train.sigreg.range", f64::from(self.train.sigreg.range))?;
        let alpha = self.evaluate.alpha;
        check("evaluate.alpha", alpha, alpha > 0.0 && alpha < 1.0, "between 0 and 1")
    }
}

fn check(key: &'static str, found: impl ToString, is_right: bool, expected: &'static str) -> Result<(), ConfigError> {
    if is_right { Ok(()) } else { Err(ConfigError::Value { key, found: found.to_string(), expected }) }
}
