//! Which interventions bring these cells to that phenotype: the ranked list.

mod rank;
mod ranking;
mod show;
mod target;

pub use rank::{Candidates, Judge, PlanError, Query, RankConfig, Ranker, rank};
pub use ranking::{RankedIntervention, Ranking};
pub use target::{QueryError, rows_of_query};
