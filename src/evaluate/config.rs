//! Settings of evaluation.

use serde::{Deserialize, Serialize};

use super::Bootstrap;
use crate::pair::Part;

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
    /// For images: the label of wells that their nearest training wells are to tell; empty: the treatment.
    pub label: String,
    /// For images: how many nearest training wells vote.
    pub neighbors: usize,
    /// Resampling of independent units.
    pub bootstrap: Bootstrap,
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
            label: String::new(),
            neighbors: 5,
            bootstrap: Bootstrap::default(),
            alpha: 0.2,
            configurations_tried: 1,
        }
    }
}
