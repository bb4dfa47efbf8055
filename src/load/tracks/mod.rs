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

mod grid;
mod stimuli;
mod settings;
mod sheet;

use std::collections::{BTreeMap, BTreeSet};

use grid::Built;
pub use settings::{ExcludeSettings, OneOrMore, StimulusSettings, TrackKey, TrackSettings};
use sheet::{Cells, key_text, keys_of_rows};
use stimuli::Stimulus;

use super::error::LoadError;
use super::image::TimeUnit;
use super::inputs;
use super::mapping::{ColumnRole, MappedColumn, Mapping, unit_of};
use super::table::{self, RawTable, Values};
use super::{Loaded, Source, screen_name};
use crate::screen::{Design, Dropped, FeatureMatrix, Reference, Screen, Units};

/// Most steps between the first and the last time of a track.
const MAX_STEPS: f64 = 100_000.0;

/// The label with the time of a row.
const MINUTES: &str = "minutes";

/// Loads a table of tracks as a time lapse whose observations are windows of the last `window` times.
///
/// A row's intervention is all that its track was to get, without a duration; rows up to the first stimulus are untreated.
///
/// # Errors
/// If the card has no section `[tracks]`, or a file or a cell is wrong.
pub fn load_tracks(source: &Source, window: usize) -> Result<Loaded, LoadError> {
    let card = source.effective_card()?;
    let request = |message: &str| LoadError::Card { path: card.path.clone(), message: message.to_owned() };
    let Some(settings) = card.tracks.clone() else {
        return Err(request("the section [tracks], which explains the columns of a table of tracks, is missing"));
    };
    if card.reference != Reference::FirstFrame {
        return Err(request("tracks are measured against their first times; set `reference = \"first_frame\"`"));
    }
    let paths = inputs::tables(&card, &source.files)?;
    let numbers: BTreeSet<&str> = settings.values.iter().map(String::as_str).collect();
    let tables = paths.iter().map(|path| table::read(path, &numbers)).collect::<Result<Vec<_>, _>>()?;
    let mut inputs = Vec::new();
    for (path, table) in paths.iter().zip(&tables) {
        inputs.push(inputs::examined(path, table.n_rows(), &card)?);
    }
    let table = RawTable::concatenated(tables, |_| true)?;

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

    let reader = TrackReader::of(&table, &settings, card.columns.plate.as_deref(), &stimuli, &keys)?;
    let tracks = reader.tracks(&is_kept)?;
    let mut built = Built::of(&reader, &tracks, window, card.columns.context.as_deref().unwrap_or_default())?;
    dropped.append(&mut built.dropped);
    if built.tracks.is_empty() {
        let reasons = dropped.iter().map(|dropped| format!("{} rows: {}", dropped.rows, dropped.reason));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        return Err(LoadError::NothingLeft { path: paths[0].clone(), reasons });
    }
    notes.push(format!(
        "{} tracks, every {} min; an observation is a window of {window} times up to its own",
        built.tracks.len(),
        built.step
    ));
    let mut mapping = Mapping { features: settings.values.clone(), ..Mapping::default() };
    mapping.features_why = format!("`values` under [tracks], each at {window} times");
    mapping.controls_why = "rows up to the first stimulus of their track".to_owned();
    if let Some(plate) = &card.columns.plate {
        let why = "named in the card".to_owned();
        mapping.columns.push(MappedColumn { role: ColumnRole::Plate, column: plate.clone(), why, is_made: false });
    }
    if let Some(dose) = &settings.stimuli.dose {
        mapping.dose_unit = unit_of(&card, dose);
        mapping.dose_unit_why = "of the sheet of stimuli".to_owned();
    }
    mapping.labels = built.labels.iter().map(|label| label.name.clone()).collect();
    let screen = Screen {
        name: screen_name(&card, &paths[0]),
        design: Design::Scheduled { tracks: built.tracks, schedules: built.schedules },
        units: Units::of_rows(built.units, &built.labels),
        features: FeatureMatrix::new(built.names, built.values),
        labels: built.labels,
        dropped,
    };
    Ok(Loaded { screen, mapping, inputs, card: Some(card), notes })
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

/// A time of a table or sheet in minutes.
fn minutes_of(cells: Cells<'_>, row: usize, unit: TimeUnit, expected: &'static str) -> Result<f64, LoadError> {
    let number = cells.required(row, expected)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| cells.wrong(row, expected))?;
    Ok(match unit {
        TimeUnit::Seconds => number / 60.0,
        TimeUnit::Minutes => number,
        TimeUnit::Hours => number * 60.0,
    })
}

/// The columns of the table by what they are.
struct TrackReader<'a> {
    table: &'a RawTable,
    settings: &'a TrackSettings,
    track: Vec<Cells<'a>>,
    field: Vec<Cells<'a>>,
    plate: Option<Cells<'a>>,
    time: Cells<'a>,
    values: Vec<&'a [f32]>,
    stimuli: &'a BTreeMap<Vec<String>, Vec<Stimulus>>,
    keys: &'a [Vec<String>],
}

impl<'a> TrackReader<'a> {
    fn of(
        table: &'a RawTable,
        settings: &'a TrackSettings,
        plate: Option<&'a str>,
        stimuli: &'a BTreeMap<Vec<String>, Vec<Stimulus>>,
        keys: &'a [Vec<String>],
    ) -> Result<Self, LoadError> {
        let cells = |names: &'a [String], why: &str| -> Result<Vec<Cells<'a>>, LoadError> {
            names.iter().map(|name| Cells::of(table, name, why)).collect()
        };
        let numbers = |name: &String| -> Result<&'a [f32], LoadError> {
            let column = table.columns.iter().find(|column| column.name == *name);
            match column.map(|column| &column.values) {
                Some(Values::Number(values)) => Ok(values),
                _ => Err(LoadError::MissingColumn {
                    path: table.paths[0].clone(),
                    column: name.clone(),
                    mend: "it is named under [tracks] `values`".to_owned(),
                }),
            }
        };
        Ok(Self {
            table,
            settings,
            track: cells(&settings.track, "it is named under [tracks] `track`")?,
            field: cells(&settings.field, "it is named under [tracks] `field`")?,
            plate: plate
                .filter(|plate| !plate.is_empty())
                .map(|plate| Cells::of(table, plate, "it is named under [columns] `plate`"))
                .transpose()?,
            time: Cells::of(table, &settings.time, "it is named under [tracks] `time`")?,
            values: settings.values.iter().map(numbers).collect::<Result<_, _>>()?,
            stimuli,
            keys,
        })
    }

    /// Minutes and row of every measurement of every track, in the order of time.
    fn tracks(&self, is_kept: &[bool]) -> Result<Vec<Vec<(f64, usize)>>, LoadError> {
        let mut tracks = BTreeMap::<Vec<&str>, Vec<(f64, usize)>>::new();
        for row in (0..self.table.n_rows()).filter(|&row| is_kept[row]) {
            let key = joined(&self.track, row, "a value that identifies the object")?;
            let minutes = minutes_of(self.time, row, self.settings.time_unit, "a time")?;
            tracks.entry(key).or_default().push((minutes, row));
        }
        let mut sorted = Vec::with_capacity(tracks.len());
        for (key, mut times) in tracks {
            times.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            if let Some(pair) = times.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(LoadError::DuplicateKey {
                    key: format!("{} at {} min", key.join(" "), pair[0].0),
                    first: Box::new(self.table.place(pair[0].1)),
                    second: Box::new(self.table.place(pair[1].1)),
                });
            }
            self.refuse_changes(&times)?;
            sorted.push(times);
        }
        Ok(sorted)
    }

    /// Refuses a track whose field, plate or stimuli are not the same in all rows.
    fn refuse_changes(&self, times: &[(f64, usize)]) -> Result<(), LoadError> {
        const SAME: &str = "the value of the other rows of its track (does `track` under [tracks] list all columns \
                            that identify an object?)";
        let first = times[0].1;
        for &(_, row) in times {
            let columns = self.field.iter().chain(&self.plate);
            if let Some(cells) = columns.into_iter().find(|cells| cells.get(row) != cells.get(first)) {
                return Err(cells.wrong(row, SAME));
            }
            if let Some(position) = (0..self.keys[row].len()).find(|&at| self.keys[row][at] != self.keys[first][at]) {
                let column = &self.settings.stimuli.on[position].table_columns()[0];
                return Err(Cells::of(self.table, column, "")?.wrong(row, SAME));
            }
        }
        Ok(())
    }

    fn is_whole(&self, row: usize) -> bool {
        self.values.iter().all(|values| values[row].is_finite())
    }
}

fn joined<'a>(cells: &[Cells<'a>], row: usize, expected: &'static str) -> Result<Vec<&'a str>, LoadError> {
    cells.iter().map(|cells| cells.required(row, expected)).collect()
}

#[cfg(test)]
mod tests;
