//! The section `[images]` of a configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cache::CropSettings;
use super::intensity::IntensitySettings;

/// How images become what the model sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// Folder of the crops, which are cut once and kept for other runs of the same images and settings.
    pub cache: PathBuf,
    /// How crops are cut.
    pub crop: CropSettings,
    /// How intensities are scaled.
    pub intensity: IntensitySettings,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self {
            cache: PathBuf::from("runs/cache"),
            crop: CropSettings::default(),
            intensity: IntensitySettings::default(),
        }
    }
}
