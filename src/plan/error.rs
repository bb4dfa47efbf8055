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
    /// An intervention to explain that has no meaning, or several.
    #[error("--explain {text}: {problem}")]
    Explain {
        /// As asked for.
        text: String,
        /// What is wrong with it, in words.
        problem: String,
    },
    /// An intervention to explain that is not ranked.
    #[error("not ranked, so that there is nothing to explain: {reason}")]
    Unranked {
        /// The intervention and why it is not ranked.
        reason: String,
    },
    /// A constraint that names neither an agent nor a query.
    #[error(
        "`{text}` is neither an agent of the screen nor a query{}; give a name, or a query as in `dose_um <= 1`",
        crate::screen::nearest_in_words(nearest)
    )]
    Agent {
        /// As asked for.
        text: String,
        /// Agents with a similar name.
        nearest: Vec<String>,
    },
    /// A floor of cell counts where none were counted.
    #[error(
        "a floor of cell counts (`rank.min_cells`, --min-cells) needs counts of treated and control wells on the same plates, and the context that is ranked has none; map the column of counts in the card (`cell_count` under [columns])"
    )]
    NoCells,
    /// Constraints that no candidate satisfies.
    #[error("none of {n} candidates is left: {why}; loosen a constraint")]
    NothingLeft {
        /// How many there were.
        n: usize,
        /// How many each constraint left out, in words.
        why: String,
    },
    /// A next experiment that cannot be planned.
    #[error("{problem}")]
    Plate {
        /// Why, and what to do, in words.
        problem: String,
    },
    /// A feature that is not there.
    #[error("no feature `{feature}` to rank by{}; {known}", crate::screen::nearest_in_words(nearest))]
    Feature {
        /// What was asked for.
        feature: String,
        /// Features with a similar name.
        nearest: Vec<String>,
        /// What there is, in words.
        known: String,
    },
    /// An unknown ranker.
    #[error("`{by}` cannot rank{}; choose one of {known}", crate::screen::nearest_in_words(&crate::screen::nearest(by, known.split(", "))))]
    By {
        /// What was asked for.
        by: String,
        /// What there is.
        known: String,
    },
}

impl PlanError {
    /// None of `names` is called `feature`.
    pub fn feature(feature: &str, names: &[String]) -> Self {
        let nearest = crate::screen::nearest(feature, names.iter().map(String::as_str));
        let known = match names {
            [] => "pixels and tracks have no features".to_owned(),
            names => format!("the features are {}", crate::table::first_few(names, 5)),
        };
        Self::Feature { feature: feature.to_owned(), nearest, known }
    }
}
