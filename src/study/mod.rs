//! Whole jobs over many rooms: from a configuration to a finished run folder.

mod answers;
mod by_feature;
mod by_number;
mod compare;
mod drawing;
mod error;
mod event;
mod explain;
mod images;
mod kind;
mod open;
mod outcomes;
mod prepare;
mod propose;
mod published;
mod refuse;
mod reopen;
mod rounds;
mod run;
mod split;
mod who;

pub use by_feature::rank_by_feature;
pub use compare::{CompareSettings, Compared, compare};
pub use error::StudyError;
pub use event::Event;
pub use explain::explain;
pub use open::{fold_name, open};
pub use outcomes::{Outcome, Outcomes};
pub use prepare::{load_other, load_screen, load_screen_until, prepare, prepare_again, prepare_screen};
pub use propose::{Choice, Proposal, nothing_to_learn, propose};
pub use published::{PublishedEmbeddings, embed_published};
pub use refuse::{Wanted, refuse};
pub use reopen::{AskedTreatments, activity, evaluate_finished, predict_table, rank_finished, treatments_of};
pub use rounds::{Extreme, RoundsReport, RoundsTables, rounds};
pub use run::{Finished, run};
