//! A trained model and the simple methods answer for held-out units of every kind of screen: treatments, wells of images,
//! wells of time lapses, and tracks.
//!
//! What is fitted or chosen here sees training and validation units alone. [`evaluate`](crate::evaluate) scores the answers.

mod asked;
mod combined;
mod error;
mod expected;
mod lapse;
mod methods;
mod moves;
mod prepared;
mod spaces;
mod table;
mod trained_run;
mod trajectory;
mod wells;

pub use asked::Asked;
pub use combined::Combination;
pub use error::AnswerError;
pub use expected::{expected, starts_at_expected};
pub use lapse::Lapse;
pub use methods::{CombinedSimple, Fits, Methods, SimpleMethods, methods};
pub use moves::{courses_of_fields, measured_ratios, moves_of_objects, moves_of_wells};
pub use prepared::{Prepared, SharedFits};
pub use table::prediction_table;
pub use trained_run::TrainedRun;
pub use trajectory::{TrackPredictions, track_predictions};
pub use wells::well_answers;
