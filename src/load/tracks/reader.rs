//! The table of tracks, read column by column.

use std::collections::BTreeMap;

use super::settings::TrackSettings;
use super::sheet::{Cells, joined, minutes_of};
use super::stimuli::Stimulus;
use crate::load::error::LoadError;
use crate::load::table::{RawTable, Values};

/// The columns of the table by what they are.
pub(super) struct TrackReader<'a> {
    pub table: &'a RawTable,
    pub settings: &'a TrackSettings,
    pub track: Vec<Cells<'a>>,
    pub field: Vec<Cells<'a>>,
    pub plate: Option<Cells<'a>>,
    pub time: Cells<'a>,
    pub values: Vec<&'a [f32]>,
    pub stimuli: &'a BTreeMap<Vec<String>, Vec<Stimulus>>,
    pub keys: &'a [Vec<String>],
}

impl<'a> TrackReader<'a> {
    pub fn of(
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
    pub fn tracks(&self, is_kept: &[bool]) -> Result<Vec<Vec<(f64, usize)>>, LoadError> {
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

    pub fn is_whole(&self, row: usize) -> bool {
        self.values.iter().all(|values| values[row].is_finite())
    }
}
