//! The section `[tracks]` of a configuration.

use serde::{Deserialize, Serialize};

/// How a table of tracks becomes observations, and what of it is to be predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackConfig {
    /// Times that an observation spans, its own the last.
    pub window: usize,
    /// Minutes that are seen of a held-out track; the rest is predicted.
    pub seen_minutes: f64,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self { window: 8, seen_minutes: 40.0 }
    }
}
