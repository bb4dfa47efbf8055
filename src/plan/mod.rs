//! Which interventions bring these cells to that phenotype: the ranked list.

mod candidates;
mod target;
mod facts;
mod reference;
mod goal;
mod rank;
mod by_model;
mod by_profiles;
mod ranking;
mod show;

pub use by_model::ByModel;
pub use by_profiles::{ByBlend, ByProfiles};
pub use candidates::Candidates;
pub use goal::Goal;
pub use rank::{PlanError, RankConfig, Ranker, Reached, Trust, rank, ranker};
pub use ranking::{RankedIntervention, Ranking};
pub use target::{TargetError, rows_of_target};
