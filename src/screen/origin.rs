//! What a screen keeps of the files that it came from, so that it can be asked for in their words and units.

use serde::{Deserialize, Serialize};

use super::Features;

/// What a screen keeps of the files that it came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Columns of the files that have a name of ours in the screen.
    pub columns: Vec<OriginColumn>,
    /// Values as they were measured, where the screen's own are normalized: of the same rows, maybe of more features.
    pub measured: Option<Features>,
}

/// A column of the files, and what it is called in the screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginColumn {
    /// Its name in the files, such as `Metadata_dose_nM`.
    pub name: String,
    /// Our name for it, such as `dose_um`.
    pub ours: String,
    /// How many of our units one of its units is, where it holds numbers: 0.001 for nM.
    pub factor: f64,
}

impl Origin {
    /// The same of the rows at `rows`.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let measured = self.measured.as_ref().map(|measured| measured.select_rows(rows));
        Self { columns: self.columns.clone(), measured }
    }

    /// The same of the means of groups of rows.
    pub(crate) fn by_groups(&self, groups: &[Vec<usize>]) -> Self {
        let measured = self.measured.as_ref().map(|measured| measured.means_of(groups).into());
        Self { columns: self.columns.clone(), measured }
    }
}
