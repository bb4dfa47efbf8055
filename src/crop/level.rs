//! Which sites share what is fitted to images.

use serde::{Deserialize, Serialize};

/// Which sites share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntensityLevel {
    /// Those of one plate, by its own fitted sites.
    #[default]
    Plate,
    /// All.
    Screen,
}

impl IntensityLevel {
    /// The name under which what is fitted to a plate stands.
    pub(super) fn group(self, plate: &str) -> &str {
        match self {
            Self::Plate => plate,
            Self::Screen => "",
        }
    }
}
