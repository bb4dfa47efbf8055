//! The section `[rank]` of a configuration.

use serde::{Deserialize, Deserializer, Serialize};

use super::candidates::Candidates;
use super::error::PlanError;
use crate::predict::Method;

/// What is ranked, toward what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankConfig {
    /// The target phenotype as a query over treated wells; empty ranks nothing.
    pub target: String,
    /// Where the cells start, as a query over treated wells; empty starts from the negative controls.
    pub start: String,
    /// The context in which to rank; empty takes the one with most wells of the target, or without a target with most treatments.
    pub context: String,
    /// Which interventions are candidates.
    pub candidates: Candidates,
    /// What ranks: `lewm` (the model alone), `combined` (all methods), or a baseline.
    #[serde(deserialize_with = "read_ranker")]
    pub by: Method,
    /// Rows shown on stdout.
    pub top: usize,
}

impl Default for RankConfig {
    fn default() -> Self {
        Self {
            target: String::new(),
            start: String::new(),
            context: String::new(),
            candidates: Candidates::Measured,
            by: Method::Combined,
            top: 15,
        }
    }
}

/// The method of that word, which ranks.
///
/// # Errors
/// [`PlanError::By`] where no screen can be ranked by it.
pub fn ranker(word: &str) -> Result<Method, PlanError> {
    let method = word.parse::<Method>().ok().filter(Method::can_rank);
    method.ok_or_else(|| PlanError::By { by: word.to_owned(), known: Method::rankers() })
}

fn read_ranker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    ranker(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
