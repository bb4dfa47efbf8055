//! Which interventions bring these cells to that phenotype: the ranked list.

mod target;
mod error;
mod measured;
mod candidates;
mod config;
mod facts;
mod reference;
mod ranker;
mod goal;
mod rank;
mod by_measured;
mod by_model;
mod by_profiles;
mod ranking;
mod show;
mod feature;

pub use by_measured::ByMeasured;
pub use by_model::ByModel;
pub use by_profiles::{ByCombined, ByProfiles};
pub use candidates::{Candidates, FoundCandidates};
pub use config::{RankConfig, ranker};
pub use error::PlanError;
pub use facts::DEFINES_TARGET;
pub(crate) use facts::{Facts, flags};
pub use feature::{Aim, FeatureRanking, FeatureRow};
pub use goal::{Goal, Residual};
pub(crate) use goal::{context_of, other_contexts};
pub(crate) use rank::why_abstained;
pub use rank::{Trust, rank};
pub use ranker::{Ranker, Reached};
pub use ranking::{RankedIntervention, Ranking};
pub use show::Shown;
pub(crate) use show::{significant, without_controls};
pub use target::{TargetError, rows_of_target};
