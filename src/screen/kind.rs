//! What kind of data a screen is, as far as the steps of a run differ by it.

use std::fmt;

use super::Reference;

/// What kind of data a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenKind {
    /// A table of profiles with control wells: a row is a well or one of its sites.
    Profiles,
    /// A table of profiles whose values are differences from control already.
    RelativeProfiles,
    /// Images of cells that were fixed: a row is a crop, and a well is a bag of them.
    Images,
    /// Images that follow the same objects through time: a row is a crop of an object in one frame.
    TimeLapse,
    /// A table of tracks, along which interventions change in time: a row is the last times of a track.
    Tracks,
}

use ScreenKind::{Images, Profiles, RelativeProfiles, TimeLapse, Tracks};

impl ScreenKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Profiles, RelativeProfiles, Images, TimeLapse, Tracks];

    /// Whether a row is a cell or an object, at a time, and not a well.
    pub fn has_rows_of_cells(self) -> bool {
        matches!(self, Images | TimeLapse | Tracks)
    }

    /// The kind of a screen by what its effects are measured against, and whether its features are pixels.
    pub fn of(reference: Reference, are_pixels: bool) -> Self {
        match (reference, are_pixels) {
            (Reference::FirstFrame, true) => TimeLapse,
            (Reference::FirstFrame, false) => Tracks,
            (Reference::ControlWells | Reference::Relative, true) => Images,
            (Reference::ControlWells, false) => Profiles,
            (Reference::Relative, false) => RelativeProfiles,
        }
    }
}

impl fmt::Display for ScreenKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Profiles => "profiles",
            RelativeProfiles => "relative profiles",
            Images => "images",
            TimeLapse => "time lapses",
            Tracks => "tracks",
        })
    }
}
