//! What a job tells while it goes.

use crate::train::Progress;

/// What a job tells while it goes.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step of the job begins.
    Step(String),
    /// Something a user would tell a colleague.
    Note(String),
    /// Something that the user may want to change.
    Warning(String),
    /// Images are decoded.
    Decoding {
        /// Sites at their times that are done.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// Training goes on.
    Training(Progress),
}
