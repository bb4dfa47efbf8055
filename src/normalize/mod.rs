//! From a screen as measured to a screen on which wells of different plates can be compared.
//!
//! A [`Normalizer`] is fitted on training rows and applied to any screen with the same features. Its steps, in order:
//! center and scale per plate ([`PerPlate`]), feature selection ([`Select`]), compression ([`Compress`]), and sphering
//! ([`Sphere`]), the last optionally after a reduction to principal components.
//!
//! Two kinds of numbers are kept apart. What belongs to one plate or lab batch (its center, its share of the scale) is
//! taken from that plate's own negative controls, whether the plate is held out, new, or in training. What is pooled
//! (shrinkage target, floor, selected features, ranks, rotations) comes from training rows alone and lives in the
//! `Normalizer`. So values of one plate never move another plate's, except through training rows.
//!
//! A [relative](crate::screen::Reference::Relative) screen already is a difference from control, and zero is its
//! untreated state. It is scaled but never centered, in no step, so that zero stays zero.

mod compress;
mod normalizer;
mod plate;
mod raw_units;
mod scatter;
mod select;
mod settings;
mod sphere;
mod tvn;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;

pub use normalizer::Normalizer;
pub use raw_units::RawUnits;
pub use scatter::Scatter;
pub use select::Removed;
pub use settings::{Compress, NormalizeSettings, PerPlate, Select, Sphere};
pub use sphere::{Sphering, Whitening};
pub use tvn::Tvn;

use crate::linear::PcaError;
use crate::screen::Reference;

/// Why a screen could not be normalized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NormalizeError {
    /// A setting is out of range.
    #[error("`{key}` is {found}, expected {expected}")]
    Setting {
        /// Key below the section of these settings.
        key: String,
        /// The value given.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// No training row that is not an empty well.
    #[error("screen `{screen}`: none of the training rows is a well to learn from (`empty` wells do not count)")]
    NoTrainingRows {
        /// Name of the screen.
        screen: String,
    },
    /// A training row that the screen does not have.
    #[error("training row {row} is not in screen `{screen}`, which has {n_rows} rows")]
    NoSuchRow {
        /// Name of the screen.
        screen: String,
        /// The row, counted from 0.
        row: usize,
        /// Rows of the screen.
        n_rows: usize,
    },
    /// Two columns of one name.
    #[error("screen `{screen}` has two features called `{feature}`; rename or drop one")]
    DuplicateFeature {
        /// Name of the screen.
        screen: String,
        /// The name.
        feature: String,
    },
    /// Features that the normalizer was fitted on are absent.
    #[error("screen `{screen}` lacks {} of the {expected} features that the normalizer was fitted on: {}; \
             give a table from the same pipeline", names.len(), crate::table::first_few(names, 5))]
    MissingFeatures {
        /// Name of the screen.
        screen: String,
        /// Absent features, in fitted order.
        names: Vec<String>,
        /// How many features are needed.
        expected: usize,
    },
    /// A plate without enough negative controls.
    #[error(
        "plate `{plate}` has {found} negative-control wells, its scale needs {needed}; \
             leave the plate out with `exclude = 'plate == {plate:?}'` in the card, or {}",
        if *found > 0 {
            "set `normalize.per_plate.shrink = 1` to use the scale of the other plates (one control is enough then)"
        } else {
            "list its control wells under [controls]"
        }
    )]
    TooFewControls {
        /// Barcode of the plate.
        plate: String,
        /// Its controls.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The training rows hold no plate with controls.
    #[error(
        "screen `{screen}`: no plate has two negative-control wells among the training rows, \
             so no scale can be pooled; put control wells into training, or set `normalize.per_plate.method = \"none\"` if the \
             values are scaled already"
    )]
    NoTrainingControls {
        /// Name of the screen.
        screen: String,
    },
    /// Every feature was left out.
    #[error("no feature of screen `{screen}` is left of {n_features}; the last one was left out because: {reason}")]
    NothingLeft {
        /// Name of the screen.
        screen: String,
        /// Features there were.
        n_features: usize,
        /// Reason given for the last one.
        reason: String,
    },
    /// A step that cannot work around holes.
    #[error(
        "{step} takes no missing values, and feature `{feature}` is missing in {n_rows} rows; \
             add {{ operation = \"drop_na_columns\", cutoff = 0.0 }} to `select`, or drop these rows"
    )]
    MissingValues {
        /// Name of the step.
        step: &'static str,
        /// First feature with a missing value.
        feature: String,
        /// Rows in which it is missing.
        n_rows: usize,
    },
    /// Too few rows to fit on.
    #[error("{step} is fitted on {found} rows, needs at least {needed}; put more control wells into training")]
    TooFewRows {
        /// Name of the step.
        step: &'static str,
        /// Rows there were.
        found: usize,
        /// Rows needed.
        needed: usize,
    },
    /// A feature that must vary does not.
    #[error(
        "feature `{feature}` is constant over the rows that sphering is fitted on; \
             leave it out with a `variance_threshold` or `blocklist` in `select`"
    )]
    Constant {
        /// The feature.
        feature: String,
    },
    /// Nothing varies.
    #[error("{step} is fitted on rows that are all alike")]
    NoVariance {
        /// Name of the step.
        step: &'static str,
    },
    /// The eigenvalue iteration failed.
    #[error("{step} met values that are too large to compute with; add `drop_outliers` to `select`")]
    Unstable {
        /// Name of the step.
        step: &'static str,
    },
    /// More principal components than directions.
    #[error("`sphere.components` asks for {asked} components, the training rows span {spanned}")]
    TooManyComponents {
        /// Components asked for.
        asked: usize,
        /// Directions in which the rows vary.
        spanned: usize,
    },
    /// A table of another width.
    #[error("{step} was fitted on {expected} features, the table has {found}")]
    Width {
        /// Name of the step.
        step: &'static str,
        /// Features of the table.
        found: usize,
        /// Features when fitted.
        expected: usize,
    },
    /// Lab batches are needed and not known.
    #[error(
        "plate `{plate}` has no lab batch, which typical variation normalization needs; \
             map a `lab_batch` column in the dataset card, or sphere by `zca`"
    )]
    NoLabBatch {
        /// Barcode of the plate.
        plate: String,
    },
    /// A lab batch without enough negative controls.
    #[error("lab batch `{batch}` has {found} negative-control wells, typical variation normalization needs {needed}")]
    TooFewBatchControls {
        /// Name of the batch.
        batch: String,
        /// Its controls.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A step that has no meaning without control wells.
    #[error(
        "screen `{screen}` has no negative-control wells, which {step} needs; leave it out or choose another method"
    )]
    NoControls {
        /// Name of the screen.
        screen: String,
        /// Name of the step.
        step: &'static str,
    },
    /// Ranks forget where zero is.
    #[error("screen `{screen}` is relative: zero means untreated, and `rank_int` moves zero; use `asinh`")]
    RanksMoveZero {
        /// Name of the screen.
        screen: String,
    },
    /// A normalizer of one kind of screen meets the other.
    #[error(
        "the normalizer was fitted on a screen with `reference = \"{}\"`, screen `{screen}` has \"{}\"; give a screen of the same reference, or correct the card",
        fitted.word(),
        found.word()
    )]
    Reference {
        /// Name of the screen.
        screen: String,
        /// Reference of the fitted screen.
        fitted: Reference,
        /// Reference of this one.
        found: Reference,
    },
    /// A stored normalizer contradicts itself.
    #[error("the stored normalizer is damaged: its steps differ in their number of features; fit it again")]
    Damaged,
}

impl From<PcaError> for NormalizeError {
    fn from(error: PcaError) -> Self {
        let step = "principal components";
        match error {
            PcaError::MissingValues { feature, n_rows } => Self::MissingValues { step, feature, n_rows },
            PcaError::TooFewRows { found } => Self::TooFewRows { step, found, needed: 2 },
            PcaError::TooManyComponents { asked, spanned } => Self::TooManyComponents { asked, spanned },
            PcaError::Unstable => Self::Unstable { step },
            PcaError::Width { found, expected } => Self::Width { step, found, expected },
        }
    }
}
