//! Tables of tracks without a section `[tracks]`, told by the names of their columns.
//!
//! A table with a column of tracks and one of times, next to a sheet with starts and ends, is a time lapse of measured
//! numbers: `tracks.csv` with `track`, `time_min`, and `stimuli.csv` with `ligand`, `start_min`, `end_min`.

use std::path::{Path, PathBuf};

use super::settings::{StimulusSettings, TrackKey, TrackSettings};
use crate::load::card::Card;
use crate::load::features::is_dose;
use crate::load::image::TimeUnit;
use crate::load::mapping::{ColumnRole, Mapping, plain};
use crate::load::source::Source;
use crate::load::table::ColumnSketch;
use crate::load::{format, inputs};
use crate::screen::Reference;

/// A table of tracks, and the card with what its columns say.
pub(in crate::load) struct Recognized {
    pub card: Card,
    pub table: PathBuf,
}

/// The table of tracks among the files of `source`, if there is one and a sheet of stimuli beside it.
pub(in crate::load) fn recognize(source: &Source, card: &Card) -> Option<Recognized> {
    if card.tracks.is_some() || card.images.is_some() {
        return None;
    }
    let paths = inputs::tables(card, &source.files).ok()?;
    let (table, columns, track, (time, time_unit)) = paths.iter().find_map(|path| {
        let columns = format::sketch(path, false).ok()?;
        if columns.iter().any(|sketch| sketch.is_measured) {
            return None;
        }
        let track = called(&columns, &["track", "track_id", "trackid", "track_number", "cell_track", "object_track"])?;
        let time = columns.iter().find_map(|sketch| Some((sketch.name.clone(), time_unit(&sketch.name)?)))?;
        Some((path.clone(), columns, track, time))
    })?;
    let beside = inputs::matching(inputs::folder_with(&table));
    let stimuli = beside.ok()?.iter().find_map(|path| stimuli(path, &columns))?;
    let names: Vec<String> = columns.iter().map(|sketch| sketch.name.clone()).collect();
    let mapping = Mapping::of_names(&table, &names, card).ok()?;
    let of_role = |role: ColumnRole| mapping.column(role).map(str::to_owned);
    let plate = of_role(ColumnRole::Plate).or(of_role(ColumnRole::LabBatch));
    let field: Vec<String> = plate.iter().cloned().chain(of_role(ColumnRole::Site)).collect();
    let field = if field.is_empty() { vec![track.clone()] } else { field };
    let mut track_key = field.clone();
    if !track_key.contains(&track) {
        track_key.push(track);
    }
    let mut card = card.clone();
    let is_value = |sketch: &&ColumnSketch| {
        let name = &sketch.name;
        sketch.is_numeric()
            && *name != time
            && !track_key.contains(name)
            && !is_dose(name)
            && !mapping.columns.iter().any(|mapped| mapped.column == *name)
    };
    let values: Vec<String> = columns.iter().filter(is_value).map(|sketch| sketch.name.clone()).collect();
    if values.is_empty() {
        return None;
    }
    card.reference = Reference::FirstFrame;
    if card.columns.plate.is_none() {
        card.columns.plate = plate.map(Into::into);
    }
    card.tracks = Some(TrackSettings { track: track_key, field, time, time_unit, values, stimuli, exclude: None });
    Some(Recognized { card, table })
}

/// What a sheet beside the table of tracks says of stimuli, if it has starts and ends.
fn stimuli(path: &Path, tracks: &[ColumnSketch]) -> Option<StimulusSettings> {
    let columns = format::sketch(path, false).ok()?;
    let begins = |word: &str| {
        let is = |name: &String| plain(name).split('_').next() == Some(word);
        columns.iter().map(|sketch| sketch.name.clone()).find(is)
    };
    let (start, end) = (begins("start")?, begins("end")?);
    let words =
        ["perturbation", "ligand", "stimulus", "treatment", "compound", "drug", "agent", "growth_factor", "cytokine"];
    let perturbation = called(&columns, &words)?;
    let dose = columns.iter().find(|sketch| is_dose(&sketch.name)).map(|sketch| sketch.name.clone());
    let is_shared = |name: &String| *name != start && *name != end && tracks.iter().any(|sketch| sketch.name == *name);
    let shared = columns.iter().map(|sketch| sketch.name.clone()).filter(is_shared);
    let on: Vec<TrackKey> = shared.map(TrackKey::Same).collect();
    let file = path.file_name()?.to_string_lossy().into_owned();
    (!on.is_empty()).then_some(StimulusSettings { file, on, perturbation, dose, start, end })
}

fn called(columns: &[ColumnSketch], words: &[&str]) -> Option<String> {
    let names = columns.iter().map(|sketch| &sketch.name);
    words.iter().find_map(|word| names.clone().find(|name| plain(name) == **word)).cloned()
}

/// The unit of a column of times, as its name has it.
fn time_unit(column: &str) -> Option<TimeUnit> {
    Some(match plain(column).as_str() {
        "time_min" | "time_minutes" | "t_min" | "minutes" => TimeUnit::Minutes,
        "time_s" | "time_sec" | "time_seconds" | "t_s" | "seconds" => TimeUnit::Seconds,
        "time_h" | "time_hours" | "t_h" => TimeUnit::Hours,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_tracks_is_known_by_its_columns_and_a_sheet_of_stimuli_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("tracks.csv", "experiment,ligand,fov,track,time_min,erk\ne1,EGF,0,1,0,1.5\ne1,EGF,0,1,2,1.7\n");
        let source = Source { files: vec![folder.path().to_path_buf()], ..Source::default() };
        assert!(recognize(&source, &Card::default()).is_none());
        write("stimuli.csv", "experiment,ligand,start_min,end_min\ne1,EGF,1,3\n");
        let Recognized { card, table } = recognize(&source, &Card::default()).unwrap();
        assert!(table.ends_with("tracks.csv"));
        assert_eq!(card.columns.plate, Some("experiment".into()));
        let tracks = card.tracks.unwrap();
        assert_eq!(
            (tracks.track, tracks.field),
            (vec!["experiment".into(), "fov".into(), "track".into()], vec!["experiment".into(), "fov".into()])
        );
        assert_eq!((tracks.time.as_str(), tracks.values), ("time_min", vec!["erk".to_owned()]));
        assert_eq!((tracks.stimuli.file.as_str(), tracks.stimuli.perturbation.as_str()), ("stimuli.csv", "ligand"));
        assert_eq!(tracks.stimuli.on, [TrackKey::Same("experiment".into()), TrackKey::Same("ligand".into())]);
    }
}
