//! Time lapses: the same cells at several times.

use super::{Screen, Treatment};

/// A screen whose rows are the same objects at several times.
///
/// A row's intervention lasts from the start of the lapse to the row's time; first frames are untreated, in the role of
/// the negative control: they are the state before.
#[derive(Debug, Clone)]
pub struct TimeLapse {
    /// One row for each object and time.
    pub screen: Screen,
    /// The objects that were followed, in the order of their first rows.
    pub tracks: Vec<Track>,
}

/// One object that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Rows of the screen in the order of time, the first frame first; at least two.
    pub rows: Vec<usize>,
}

impl Track {
    /// The row of the first frame.
    pub fn first(&self) -> usize {
        self.rows[0]
    }

    /// The row of the last frame.
    pub fn last(&self) -> usize {
        *self.rows.last().expect("a track has rows")
    }

    /// The rows after the first frame.
    pub fn later(&self) -> &[usize] {
        &self.rows[1..]
    }
}

impl TimeLapse {
    /// What was done to an object over all of its track: the treatment of its last row.
    pub fn treatment(&self, track: &Track) -> Treatment {
        self.screen.observations[track.last()].treatment()
    }
}
