//! Which sites share what is fitted to images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::screen::ImageScreen;

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

    /// The sites at `rows` by what is fitted to them together.
    pub(super) fn groups(self, screen: &ImageScreen, rows: &[usize]) -> BTreeMap<String, Vec<usize>> {
        let mut groups = BTreeMap::<String, Vec<usize>>::new();
        for &row in rows {
            groups.entry(self.group(&screen.table.unit(row).plate).to_owned()).or_default().push(row);
        }
        groups
    }
}
