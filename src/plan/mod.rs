//! Which interventions bring these cells to that phenotype: the ranked list.

mod ranking;
mod show;

pub use ranking::{RankedIntervention, Ranking};
