//! [`Screen`](crate::screen::Screen) -> [`Finding`]s and a [`Summary`]: what is wrong with the assay or the design, and what there is.
//!
//! Nothing here changes a screen; a finding says in plain words what limits the conclusions and what to do about it.

mod design;
mod summary;

pub use design::findings;
use serde::Serialize;
pub use summary::{Scale, Spread, Summary, summary};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, in one sentence.
    pub message: String,
    /// What to do about it, in one sentence.
    pub advice: String,
}
