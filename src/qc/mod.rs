//! [`Screen`](crate::screen::Screen) -> [`Finding`]s, a [`Summary`] and the [`Quality`] of plates: what is wrong with the assay or the design, and what there is.
//!
//! Nothing here changes a screen; a finding says in plain words what limits the conclusions and what to do about it.
//!
//! Plates are judged by one number a well, a [`Measure`]. Positions on a plate are compared after what is expected of each
//! well is taken off, by exchanging wells; draws come from streams keyed by seed, plate and purpose.

mod design;
mod statistics;
mod measure;
mod position;
mod replicates;
mod plates;
mod alarms;
mod table;
mod summary;

pub use design::{design_findings, findings};
pub use measure::Measure;
pub use plates::{PlateQuality, Quality, WellQuality, quality};
use serde::{Deserialize, Serialize};
pub use summary::{Scale, Spread, Summary, summary};
pub use table::screen_and_findings;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// It limits what can be concluded.
    Warning,
    /// The screen cannot be used like this.
    Error,
}

/// Something that a user may want to know or change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do about it, in one sentence.
    pub advice: String,
}

#[cfg(test)]
mod tests;
