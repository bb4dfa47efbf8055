//! The section `[tracks]` of a card: what the columns of a table of tracks mean.

use serde::{Deserialize, Serialize};

use super::super::image::settings::TimeUnit;
use super::super::join_key::OneOrMore;

/// The section `[tracks]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackSettings {
    /// Columns that together tell one object from another.
    pub track: Vec<String>,
    /// Columns that together name the field of view: the unit of replication.
    pub field: Vec<String>,
    /// Column with the time.
    pub time: String,
    /// Its unit.
    pub time_unit: TimeUnit,
    /// The measured columns; predictions are scored by the first.
    pub values: Vec<String>,
    /// What was present when.
    pub stimuli: StimulusSettings,
    /// Tracks to leave out.
    #[serde(default)]
    pub exclude: Option<ExcludeSettings>,
}

/// A sheet with one row for each stretch of time in which something was present: `[tracks.stimuli]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StimulusSettings {
    /// The sheet, relative to the card or else to the table of tracks.
    pub file: String,
    /// The columns that tell for which tracks a row holds.
    pub on: Vec<TrackKey>,
    /// Column with the name of what was present.
    pub perturbation: String,
    /// Column with its dose, in the card's `dose_unit`.
    #[serde(default)]
    pub dose: Option<String>,
    /// Column with the time from which it was present, in the unit of the tracks' times.
    pub start: String,
    /// Column with the time until which it was present.
    pub end: String,
}

/// A sheet that lists tracks to leave out: `[tracks.exclude]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludeSettings {
    /// The sheet, relative to the card or else to the table of tracks.
    pub file: String,
    /// The columns that tell which tracks a row means.
    pub on: Vec<TrackKey>,
}

/// One part of the key by which a sheet speaks of tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TrackKey {
    /// A column that both sides have.
    Same(String),
    /// Columns of the table of tracks, joined with `_` where they are several, and the column of the sheet.
    Pair {
        /// Column of the table of tracks, or several.
        table: OneOrMore,
        /// Column of the sheet.
        sheet: String,
    },
}

impl TrackKey {
    /// The columns of the table of tracks.
    pub(super) fn table_columns(&self) -> &[String] {
        match self {
            Self::Same(column) => std::slice::from_ref(column),
            Self::Pair { table, .. } => table.list(),
        }
    }

    /// The column of the sheet.
    pub(super) fn sheet_column(&self) -> &str {
        match self {
            Self::Same(column) => column,
            Self::Pair { sheet, .. } => sheet,
        }
    }
}

impl TrackSettings {
    /// Why these settings cannot be used, and how to mend them.
    pub(in super::super) fn fault(&self) -> Option<String> {
        let lists = [("track", self.track.len()), ("field", self.field.len()), ("values", self.values.len())];
        if let Some((key, _)) = lists.into_iter().find(|(_, length)| *length == 0) {
            return Some(format!("`{key}` under [tracks] is empty; name at least one column"));
        }
        let keys = [("stimuli", Some(&self.stimuli.on)), ("exclude", self.exclude.as_ref().map(|exclude| &exclude.on))];
        for (section, on) in keys {
            let is_empty = on.is_some_and(|on| on.is_empty() || on.iter().any(|key| key.table_columns().is_empty()));
            if is_empty {
                return Some(format!(
                    "[tracks.{section}] has no key; give `on = [\"column\", …]` with the columns that it shares with the tracks"
                ));
            }
        }
        None
    }
}
