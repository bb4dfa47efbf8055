//! From the measurements of tracks to rows of a screen and the schedules along them.

use std::collections::BTreeMap;

use super::super::error::LoadError;
use super::reader::TrackReader;
use super::sheet::{Cells, joined};
use super::stimuli;
use crate::screen::{Dropped, Intervention, Label, Role, Schedule, Track, Treatment, Unit};

/// Most steps between the first and the last time of a track.
const MAX_STEPS: f64 = 100_000.0;

/// The label with the time of a row.
const MINUTES: &str = "minutes";

/// The most common step between consecutive times, the shortest of equals.
fn grid_step(tracks: &[Vec<(f64, usize)>]) -> Option<f64> {
    // To a millionth of a minute, so that decimals that are no binary fractions count as one.
    let mut counts = BTreeMap::<i64, usize>::new();
    for pair in tracks.iter().flat_map(|times| times.windows(2)) {
        *counts.entry(((pair[1].0 - pair[0].0) * 1e6).round() as i64).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(step, count)| *count == most && *step > 0).map(|(step, _)| step as f64 / 1e6)
}

/// The rows of the screen and the schedules along them.
pub(super) struct Built {
    pub step: f64,
    pub units: Vec<Unit>,
    pub names: Vec<String>,
    pub values: Vec<f32>,
    pub labels: Vec<Label>,
    pub tracks: Vec<Track>,
    pub schedules: Vec<Schedule>,
    pub dropped: Vec<Dropped>,
}

impl Built {
    pub fn of(
        reader: &TrackReader,
        tracks: &[Vec<(f64, usize)>],
        window: usize,
        context: &[String],
    ) -> Result<Self, LoadError> {
        let step = grid_step(tracks).unwrap_or(1.0);
        let context = context
            .iter()
            .map(|column| Cells::of(reader.table, column, "it is named under [columns] `context`"))
            .collect::<Result<Vec<_>, _>>()?;
        let mut built = Self {
            step,
            units: Vec::new(),
            names: window_names(&reader.settings.values, window, step),
            values: Vec::new(),
            labels: Vec::new(),
            tracks: Vec::new(),
            schedules: Vec::new(),
            dropped: Vec::new(),
        };
        let mut source_rows = Vec::new();
        let (mut n_short, mut n_gaps) = (0, 0);
        for times in tracks {
            let grid = on_grid(reader, times, step)?;
            let is_window = |at: usize| {
                at + 1 >= window && (at + 1 - window..=at).all(|at| grid[at].is_some_and(|row| reader.is_whole(row)))
            };
            let ends: Vec<usize> = (0..grid.len()).filter(|&at| is_window(at)).collect();
            if ends.len() < 2 {
                n_short += times.len();
                continue;
            }
            n_gaps += times.len() - ends.len();
            let mut schedule = schedule(reader, times[0], &grid, step);
            schedule.treatment.context =
                joined(&context, times[0].1, "a value, since the column is part of the context")?.join(", ");
            let first = built.units.len();
            for &at in &ends {
                schedule.rows[at] = Some(built.units.len());
                for values in &reader.values {
                    let rows = (at + 1 - window..=at).map(|at| grid[at].expect("a window has no gap"));
                    built.values.extend(rows.map(|row| values[row]));
                }
                built.units.push(unit(reader, &schedule, times[0].1, schedule.minutes[at])?);
                source_rows.push((grid[at].expect("a window has no gap"), schedule.minutes[at]));
            }
            built.tracks.push(Track { rows: (first..built.units.len()).collect() });
            built.schedules.push(schedule);
        }
        let reasons = [
            (format!("tracks with fewer than two windows of {window} times"), n_short),
            (format!("fewer than {window} times after the start of a track or a gap"), n_gaps),
        ];
        built.dropped =
            reasons.into_iter().filter(|(_, rows)| *rows > 0).map(|(reason, rows)| Dropped { reason, rows }).collect();
        built.labels = labels(reader, &source_rows);
        Ok(built)
    }
}

/// The row of the table at each time of the grid from the first to the last time of a track.
fn on_grid(reader: &TrackReader, times: &[(f64, usize)], step: f64) -> Result<Vec<Option<usize>>, LoadError> {
    const OFF: &str = "a time that lies a whole number of the table's most common step after the first of its track, and at most 100000 of them";
    let (first, _) = times[0];
    let mut grid = Vec::new();
    for &(minutes, row) in times {
        let position = (minutes - first) / step;
        let is_on = position <= MAX_STEPS && (position - position.round()).abs() <= 1e-3;
        if !is_on || (position.round() as usize) < grid.len() {
            return Err(reader.time.wrong(row, OFF));
        }
        grid.resize(position.round() as usize, None);
        grid.push(Some(row));
    }
    Ok(grid)
}

/// The schedule of a track, whose rows are not known yet.
fn schedule(reader: &TrackReader, (start, first): (f64, usize), grid: &[Option<usize>], step: f64) -> Schedule {
    let minutes: Vec<f64> = (0..grid.len()).map(|at| start + step * at as f64).collect();
    let none = Vec::new();
    let stimuli = reader.stimuli.get(&reader.keys[first]).unwrap_or(&none);
    let field: Vec<&str> = reader.field.iter().filter_map(|cells| cells.get(first)).collect();
    let track: Vec<&str> = reader.track.iter().filter_map(|cells| cells.get(first)).collect();
    let number = |row: usize| Some(f64::from(reader.values[0][row])).filter(|value| value.is_finite());
    Schedule {
        field: field.join(" "),
        track: track.join(" "),
        treatment: Treatment { intervention: stimuli::all_of(stimuli), context: String::new() },
        measured: grid.iter().map(|row| row.and_then(number)).collect(),
        rows: vec![None; grid.len()],
        present: minutes.windows(2).map(|pair| stimuli::present(stimuli, pair[0], pair[1])).collect(),
        minutes,
    }
}

fn unit(reader: &TrackReader, schedule: &Schedule, first: usize, minutes: f64) -> Result<Unit, LoadError> {
    let start = reader.stimuli.get(&reader.keys[first]).and_then(|stimuli| stimuli::first_start(stimuli));
    let is_before = start.is_none_or(|start| minutes <= start);
    Ok(Unit {
        plate: match reader.plate {
            Some(plate) => plate.required(first, "a plate")?.to_owned(),
            None => String::new(),
        },
        well: None,
        role: if is_before { Role::NegativeControl } else { Role::Treatment },
        intervention: if is_before { Intervention::untreated() } else { schedule.treatment.intervention.clone() },
        context: schedule.treatment.context.clone(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    })
}

/// The columns that tell field and object, and the time.
fn labels(reader: &TrackReader, rows: &[(usize, f64)]) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for cells in reader.field.iter().chain(&reader.track) {
        if labels.iter().all(|label| label.name != cells.column) {
            let values = rows.iter().map(|&(row, _)| cells.get(row).map(str::to_owned)).collect();
            labels.push(Label { name: cells.column.to_owned(), values });
        }
    }
    let minutes = rows.iter().map(|(_, minutes)| Some(minutes.to_string())).collect();
    labels.push(Label { name: MINUTES.to_owned(), values: minutes });
    labels
}

/// `erk_activity_14_min_before`, …, `erk_activity`, for each measured column.
fn window_names(values: &[String], window: usize, step: f64) -> Vec<String> {
    let name = |value: &String, lag: usize| match lag {
        0 => value.clone(),
        _ => format!("{value}_{}_min_before", step * lag as f64),
    };
    values.iter().flat_map(|value| (0..window).rev().map(move |lag| name(value, lag))).collect()
}
