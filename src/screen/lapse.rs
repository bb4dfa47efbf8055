//! Time lapses: the same cells at several times.

use super::{Intervention, Screen, Treatment};

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

/// An object on an even grid of times, with what was present between them: a trajectory whose interventions change.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The field of view in which the object was seen; fields are replicates, objects within one are not.
    pub field: String,
    /// The object's name, which is its own within the screen.
    pub track: String,
    /// All that was applied at any time, without a duration.
    pub treatment: Treatment,
    /// Minutes of each time.
    pub minutes: Vec<f64>,
    /// The measured number that predictions are scored by, at each time; `None` where it is missing.
    pub measured: Vec<Option<f64>>,
    /// The row of the screen at each time; `None` where there is none.
    pub rows: Vec<Option<usize>>,
    /// What was present between each time and the next, for as long as it was; one fewer than times.
    pub present: Vec<Intervention>,
}

impl Course {
    /// The last time at or before `minutes` at which there is a row, if any.
    pub fn last_row_until(&self, minutes: f64) -> Option<usize> {
        (0..self.minutes.len()).rev().find(|&at| self.minutes[at] <= minutes && self.rows[at].is_some())
    }
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
