//! How a screen was done: what an effect is measured against, and which rows are the same cells at several times.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Intervention, Treatment};

/// What the effect of an intervention is measured against, as a card says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Negative-control wells of the same plate.
    #[default]
    ControlWells,
    /// The values are already differences from control: the start is the zero vector of the context.
    Relative,
    /// The first frame of the same field, object or track: time lapses.
    FirstFrame,
}

/// How a screen was done. It is decided once, when the screen is loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Measuring destroys the cells: the state before is that of negative controls on the same plate.
    AgainstControls,
    /// Values are differences from control already: the state before is zero.
    Relative,
    /// The same objects at several times, each under one intervention from its first frame on.
    ///
    /// A row's intervention lasts from the start of the lapse to the row's time; first frames are untreated, in the role of
    /// the negative control: they are the state before.
    Followed {
        /// The objects, in the order of their first rows; empty as long as only sites are known and no objects.
        tracks: Vec<Track>,
    },
    /// The same objects on a grid of times, between which interventions change.
    Scheduled {
        /// The objects, in the order of their first rows.
        tracks: Vec<Track>,
        /// What was present along each of `tracks`.
        schedules: Vec<Schedule>,
    },
}

/// One object that was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Rows of the screen in the order of time, the first frame first; at least two.
    pub rows: Vec<usize>,
}

/// An object on an even grid of times, with what was present between them: a trajectory whose interventions change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The field of view in which the object was seen; fields are replicates, objects within one are not.
    pub field: String,
    /// The object's name, unique within the screen.
    pub track: String,
    /// All that was applied at any time, without a duration.
    pub treatment: Treatment,
    /// Minutes of each time.
    pub minutes: Vec<f64>,
    /// The measurement that predictions are scored by, at each time; `None` where it is missing.
    pub measured: Vec<Option<f64>>,
    /// The row of the screen at each time; `None` where there is none.
    pub rows: Vec<Option<usize>>,
    /// What was present between each time and the next, for as long as it was; one fewer than times.
    pub present: Vec<Intervention>,
}

impl Reference {
    /// The word in a card.
    pub fn word(self) -> &'static str {
        match self {
            Self::ControlWells => "control_wells",
            Self::Relative => "relative",
            Self::FirstFrame => "first_frame",
        }
    }

    /// What cells start from, for people.
    pub fn start_in_words(self) -> &'static str {
        match self {
            Self::ControlWells => "negative controls",
            Self::Relative => "no effect (values are relative to control)",
            Self::FirstFrame => "first frames",
        }
    }
}

impl Design {
    /// The design of a card's word, with no object followed yet.
    pub fn of_reference(reference: Reference) -> Self {
        match reference {
            Reference::ControlWells => Self::AgainstControls,
            Reference::Relative => Self::Relative,
            Reference::FirstFrame => Self::Followed { tracks: Vec::new() },
        }
    }

    /// What effects are measured against.
    pub fn reference(&self) -> Reference {
        match self {
            Self::AgainstControls => Reference::ControlWells,
            Self::Relative => Reference::Relative,
            Self::Followed { .. } | Self::Scheduled { .. } => Reference::FirstFrame,
        }
    }

    /// Whether the same cells are measured more than once, so that a well has several states and its rows are no replicates.
    pub fn is_followed(&self) -> bool {
        self.reference() == Reference::FirstFrame
    }

    /// Rows that are one object at several times; none where measuring destroys the cells.
    pub fn tracks(&self) -> &[Track] {
        match self {
            Self::AgainstControls | Self::Relative => &[],
            Self::Followed { tracks } | Self::Scheduled { tracks, .. } => tracks,
        }
    }

    /// What was present along each track; none where interventions do not change in time.
    pub fn schedules(&self) -> &[Schedule] {
        match self {
            Self::Scheduled { schedules, .. } => schedules,
            Self::AgainstControls | Self::Relative | Self::Followed { .. } => &[],
        }
    }

    /// Whether its objects are those of a screen of `n_rows`: each with two rows or more, and with whole schedules.
    pub fn is_of(&self, n_rows: usize) -> bool {
        let are_rows = |track: &Track| track.rows.len() > 1 && track.rows.iter().all(|&row| row < n_rows);
        let is_whole = |schedule: &Schedule| {
            let n_times = schedule.minutes.len();
            let n_along = [schedule.measured.len(), schedule.rows.len(), schedule.present.len() + 1];
            n_along == [n_times; 3] && schedule.rows.iter().flatten().all(|&row| row < n_rows)
        };
        let schedules = self.schedules();
        let are_all = matches!(self, Self::Followed { .. }) || schedules.len() == self.tracks().len();
        self.tracks().iter().all(are_rows) && schedules.iter().all(is_whole) && are_all
    }

    /// The design of the rows that `position` keeps at new positions: objects with fewer than two rows left are left out.
    pub(super) fn at(&self, position: impl Fn(usize) -> Option<usize>) -> Self {
        let moved = |track: &Track| Track { rows: track.rows.iter().filter_map(|&row| position(row)).collect() };
        let is_left = |track: &Track| track.rows.len() > 1;
        match self {
            Self::AgainstControls | Self::Relative => self.clone(),
            Self::Followed { tracks } => Self::Followed { tracks: tracks.iter().map(moved).filter(is_left).collect() },
            Self::Scheduled { tracks, schedules } => {
                let schedule = |schedule: &Schedule| Schedule {
                    rows: schedule.rows.iter().map(|row| row.and_then(&position)).collect(),
                    ..schedule.clone()
                };
                let pairs = tracks.iter().zip(schedules).map(|(track, along)| (moved(track), schedule(along)));
                let (tracks, schedules) = pairs.filter(|(track, _)| is_left(track)).unzip();
                Self::Scheduled { tracks, schedules }
            }
        }
    }
}

impl Schedule {
    /// The last time at or before `minutes` at which there is a row, if any.
    pub fn last_row_until(&self, minutes: f64) -> Option<usize> {
        (0..self.minutes.len()).rev().find(|&at| self.minutes[at] <= minutes && self.rows[at].is_some())
    }

    /// Positions of the times after `minutes`.
    pub fn after(&self, minutes: f64) -> Range<usize> {
        self.minutes.partition_point(|&time| time <= minutes)..self.minutes.len()
    }

    /// The mean of what was measured until `minutes`.
    pub fn mean_until(&self, minutes: f64) -> Option<f64> {
        let values: Vec<f64> = self.measured[..self.after(minutes).start].iter().flatten().copied().collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_rows_keep_their_objects() {
        let track = |rows: &[usize]| Track { rows: rows.to_vec() };
        let design = Design::Followed { tracks: vec![track(&[0, 2, 4]), track(&[1, 3, 5])] };
        // Rows 4, 0 and 3 are selected, in that order.
        let position = |row: usize| [4, 0, 3].iter().position(|&selected| selected == row);
        assert_eq!(design.at(position), Design::Followed { tracks: vec![track(&[1, 0])] });
        assert_eq!(Design::Relative.at(position), Design::Relative);
    }
}
