//! What cannot be ranked.

use super::target::TargetError;
use crate::load::LoadError;
use crate::predict::PredictError;

/// What cannot be ranked.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A target or start that cannot be used.
    #[error(transparent)]
    Query(#[from] TargetError),
    /// No start.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A context that the screen lacks.
    #[error("no context `{context}`; the screen has {known}")]
    Context {
        /// The context asked for.
        context: String,
        /// The contexts there are.
        known: String,
    },
    /// A table of candidates that cannot be used.
    #[error(transparent)]
    Candidates(LoadError),
    /// More pairs than can be ranked at once.
    #[error(
        "{n_members} measured members make {n_pairs} pairs, more than {most}; list those of interest in a table (`--candidates FILE`)"
    )]
    Pairs {
        /// Members, each at each of its doses.
        n_members: usize,
        /// Pairs of different perturbations.
        n_pairs: usize,
        /// The limit.
        most: usize,
    },
    /// A start that is the target.
    #[error("start and target are the same place: there is no distance to cover")]
    NoWay,
    /// An unknown ranker.
    #[error("`{by}` cannot rank; choose one of {known}")]
    By {
        /// What was asked for.
        by: String,
        /// What there is.
        known: String,
    },
}
