//! From a screen to transitions, splits and batches, all on the host.
//!
//! Where measuring destroys the cells, no cell is seen before and after. A transition is constructed: negative controls
//! from the plate of a treated well stand for the state before, the treated well for the state after.
//! A dose ladder gives more of them: from the wells of one dose to those of a higher one.
//! In a time lapse the same cells are seen several times: any earlier and any later frame of one object are a transition
//! whose intervention lasted as long as they are apart, and under a schedule a track is a chain of them.
//! All of these are [`Episode`]s: a start, then one or more steps.

mod anchor;
mod augment;
mod batch;
mod config;
mod episode;
mod error;
mod evidence;
mod intervention_rows;
mod pair_set;
mod sampler;
mod series;
mod source;
mod split;
mod stratum;
mod transitions;
mod vocabulary;
mod well_means;

pub use anchor::{Anchor, Anchoring, anchor_in, anchor_of};
pub use augment::{Augment, CropShape};
pub use batch::{Batch, Weights};
pub use config::{PairConfig, StartFrom};
pub use episode::{Episode, Path, State, Step, Validation};
pub use error::PairError;
pub use evidence::{Evidence, Measured};
pub use intervention_rows::InterventionRows;
pub use pair_set::PairSet;
pub use sampler::Sampler;
pub use series::DosePosition;
pub(crate) use series::{Edge, additive_weights, edge_of, interpolation_weights, nearest_weights, series_of};
pub use split::{Part, Split, SplitBy, SplitConfig};
pub use stratum::{Place, Strata, Stratum};
pub use transitions::transition_table;
pub use vocabulary::{DoseCenters, InterventionSizes, Vocabulary};
pub(crate) use well_means::WellMeans;
pub use well_means::{by_wells, without_replicates};

#[cfg(test)]
mod tests;
