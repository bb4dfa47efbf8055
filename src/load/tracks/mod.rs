//! Tables of tracks: numbers that were measured on the same objects again and again, with what was present when.
//!
//! ```text
//! experiment,ligand,dose_ng_ml,fov,track,time_min,erk_activity
//! fgf2_pulses,FGF2,250,0,1,0,1219.6
//! fgf2_pulses,FGF2,250,0,1,2,1219.7
//! ```
//!
//! One row is one object at one time; which columns tell the object, its field of view, the time and the measured
//! numbers is said under [tracks] in the card, and a sheet says what was present from when to when ([`schedule`]).
//!
//! A single number is no state: whether it is rising or falling is not in it. An observation is therefore a window, the
//! last few values of a track up to and including its own time. Times lie on an even grid, whose step is the most common
//! one of the table; a time that was missed stays a gap. Nothing is filled in: a window that has a gap is no observation,
//! and is counted, while the track goes on behind it.
//!
//! Refused, with file and row: a time that is no number or off the grid, an object twice at one time, a track that
//! changes its field or its stimuli, and what [`schedule`] refuses.

mod config;
mod grid;
mod reader;
mod recognize;
pub(super) mod settings;
mod sheet;
mod stimuli;

use std::collections::BTreeSet;

pub use config::TrackConfig;
use grid::Built;
use reader::TrackReader;
pub(super) use recognize::{Recognized, recognize};
pub use settings::{ExcludeSettings, StimulusSettings, TrackKey, TrackSettings};
use sheet::{Cells, key_text, keys_of_rows};

use super::card::Card;
use super::declared::ColumnOrValue;
use super::error::LoadError;
use super::loaded::Loaded;
use super::mapping::{ColumnRole, MappedColumn, Mapping, unit_of};
use super::source::Source;
use super::table::RawTable;
use super::{exclude, format, inputs};
use crate::screen::{Design, Dropped, FeatureMatrix, Origin, Reference, Screen, Units};

/// Loads a table of tracks as a time lapse whose observations are windows of the last `window` times.
///
/// A row's intervention is all that its track was to get, without a duration; rows up to the first stimulus are untreated.
///
/// # Errors
/// If the card has no section `[tracks]`, or a file or a cell is wrong.
pub fn load_tracks(source: &Source, window: usize) -> Result<Loaded, LoadError> {
    let card = source.effective_card()?;
    match recognize(source, &card) {
        Some(Recognized { card, table }) => {
            load_tracks_with(&Source { files: vec![table], ..source.clone() }, card, window)
        }
        None => load_tracks_with(source, card, window),
    }
}

/// The same with a card in place of the source's.
pub(super) fn load_tracks_with(source: &Source, card: Card, window: usize) -> Result<Loaded, LoadError> {
    let request = |message: &str| LoadError::Card { path: card.path.clone(), message: message.to_owned() };
    let Some(settings) = card.tracks.clone() else {
        return Err(request("the section [tracks], which explains the columns of a table of tracks, is missing"));
    };
    if card.reference != Reference::FirstFrame {
        return Err(request("tracks are measured against their first times; set `reference = \"first_frame\"`"));
    }
    let paths = inputs::tables(&card, &source.files)?;
    let numbers: BTreeSet<&str> = settings.values.iter().map(String::as_str).collect();
    let tables = paths.iter().map(|path| format::read(path, &numbers)).collect::<Result<Vec<_>, _>>()?;
    let mut inputs = Vec::new();
    for (path, table) in paths.iter().zip(&tables) {
        inputs.push(inputs::examined(path, table.n_rows(), &card)?);
    }
    let mut table = RawTable::concatenated(tables, |_| true)?;

    let mut notes = Vec::new();
    let (path, sheet) = sheet::read(&card, &settings.stimuli.file, "stimuli", &paths)?;
    inputs.push(inputs::examined(&path, sheet.n_rows(), &card)?);
    let stimuli = stimuli::of_sheet(&sheet, &settings.stimuli, settings.time_unit, &card)?;
    let keys = keys_of_rows(&table, &settings.stimuli.on, "it is named under [tracks.stimuli] `on`")?;
    let met: BTreeSet<&Vec<String>> = keys.iter().collect();
    let idle: Vec<String> = stimuli.keys().filter(|key| !met.contains(key)).map(|key| key.join(" ")).collect();
    if !idle.is_empty() {
        notes.push(format!("{}: no track has {}", settings.stimuli.file, idle.join(", ")));
    }
    let mut is_kept = vec![true; table.n_rows()];
    let mut dropped = Vec::new();
    if let Some(exclude) = &settings.exclude {
        let (path, sheet) = sheet::read(&card, &exclude.file, "exclude", &paths)?;
        inputs.push(inputs::examined(&path, sheet.n_rows(), &card)?);
        let listed: BTreeSet<Vec<String>> = listed(&sheet, &exclude.on)?;
        let own = keys_of_rows(&table, &exclude.on, "it is named under [tracks.exclude] `on`")?;
        is_kept.iter_mut().zip(&own).for_each(|(kept, key)| *kept = !listed.contains(key));
        let rows = is_kept.iter().filter(|kept| !**kept).count();
        dropped.extend((rows > 0).then(|| Dropped { reason: format!("tracks listed in {}", exclude.file), rows }));
        let own: BTreeSet<&Vec<String>> = own.iter().collect();
        let n_unmet = listed.iter().filter(|key| !own.contains(key)).count();
        if n_unmet > 0 {
            notes.push(format!("{n_unmet} of {} tracks listed in {} are not in the table", listed.len(), exclude.file));
        }
    }

    let mut column = |role: ColumnRole, declared: &ColumnOrValue| match declared {
        ColumnOrValue::Column(name) => name.clone(),
        ColumnOrValue::Columns(_) => unreachable!("a card refuses several columns of one role for tracks"),
        ColumnOrValue::Value(value) => table.add_value(role.word(), value),
    };
    let plate = card.columns.plate.as_ref().map(|declared| column(ColumnRole::Plate, declared));
    let context: Vec<String> =
        card.columns.context.iter().flatten().map(|declared| column(ColumnRole::Context, declared)).collect();
    let reader = TrackReader::of(&table, &settings, plate.as_deref(), &stimuli, &keys)?;
    let tracks = reader.tracks(&is_kept)?;
    let mut built = Built::of(&reader, &tracks, window, &context)?;
    dropped.append(&mut built.dropped);
    if built.tracks.is_empty() {
        return Err(LoadError::nothing_left(&paths[0], &dropped, Vec::new()));
    }
    notes.push(format!(
        "{} tracks, every {} min; an observation is a window of {window} times up to its own",
        built.tracks.len(),
        built.step
    ));
    let mut mapping = Mapping { features: settings.values.clone(), ..Mapping::default() };
    mapping.features_why = format!("`values` under [tracks], each at {window} times");
    mapping.controls_why = "rows up to the first stimulus of their track".to_owned();
    if let Some(column) = plate {
        let why = "named in the card".to_owned();
        mapping.columns.push(MappedColumn { role: ColumnRole::Plate, column, why, is_made: false });
    }
    if let Some(dose) = &settings.stimuli.dose {
        mapping.dose_unit = unit_of(&card, dose);
        mapping.dose_unit_why = "of the sheet of stimuli".to_owned();
    }
    mapping.labels = built.labels.iter().map(|label| label.name.clone()).collect();
    let mut screen = Screen {
        name: card.screen_name(&paths[0]),
        design: Design::Scheduled { tracks: built.tracks, schedules: built.schedules },
        units: Units::of_rows(built.units, &built.labels),
        features: FeatureMatrix::new(built.names, built.values).into(),
        labels: built.labels,
        dropped,
        origin: Origin { columns: mapping.origin_columns(), measured: None },
    };
    if let Some((rows, excluded)) = exclude::kept_rows(&screen, &card, source)? {
        screen = screen.select(&rows);
        screen.dropped.push(excluded);
    }
    Ok(Loaded { screen, mapping, inputs, card: Some(card), joins: Vec::new(), follows_split: false, notes })
}

/// The keys that a sheet lists.
fn listed(sheet: &RawTable, on: &[TrackKey]) -> Result<BTreeSet<Vec<String>>, LoadError> {
    let cells = on
        .iter()
        .map(|key| Cells::of(sheet, key.sheet_column(), "it is named under [tracks.exclude] `on`"))
        .collect::<Result<Vec<_>, _>>()?;
    let key = |row: usize| {
        cells.iter().map(|cells| Ok(key_text(cells.required(row, "a value, since the column is a key")?))).collect()
    };
    (0..sheet.n_rows()).map(key).collect()
}

#[cfg(test)]
mod tests;
