//! The section `[rank]` of a configuration.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::candidates::Candidates;
use super::error::PlanError;
use crate::predict::Method;
use crate::table::counted;

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
    /// Agents that a candidate has to hold, or queries that it has to satisfy: all of them.
    pub require: Vec<String>,
    /// Agents that a candidate must not hold, or queries that it must not satisfy: none of them.
    pub forbid: Vec<String>,
    /// Most agents of a candidate; 0 for any number.
    pub max_agents: usize,
    /// Most µM of a candidate, summed over its agents; 0 for any dose.
    pub max_total_dose_um: f64,
    /// Fewest cells that a candidate leaves, over those of control wells; 0 for any number.
    pub min_cells: f64,
    /// What becomes of candidates far from what was measured.
    pub far: Far,
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
            require: Vec::new(),
            forbid: Vec::new(),
            max_agents: 0,
            max_total_dose_um: 0.0,
            min_cells: 0.0,
            far: Far::Last,
            by: Method::Combined,
            top: 15,
        }
    }
}

/// What becomes of candidates far from what was measured, of which a prediction says least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Far {
    /// They stand below all others, with a flag.
    #[default]
    Last,
    /// They stand where their score puts them, with a flag.
    Mark,
    /// They are left out and counted.
    LeaveOut,
}

impl Far {
    /// What became of so many candidates, in a sentence.
    pub(super) fn in_words(self, n: usize) -> String {
        let becomes = match self {
            Self::Last => "ranked below all others (`--far mark` ranks them where they score)",
            Self::Mark => "ranked where they score all the same",
            Self::LeaveOut => "left out",
        };
        format!("far from what was measured, and so {becomes}: {}", counted(n, "candidate"))
    }
}

impl FromStr for Far {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "last" => Ok(Self::Last),
            "mark" => Ok(Self::Mark),
            "leave_out" => Ok(Self::LeaveOut),
            _ => Err("expected last, mark or leave_out".to_owned()),
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
