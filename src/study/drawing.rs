//! Images of what was predicted, for a person to look at: of some objects of every tested well the first frame, the real
//! frame that lies nearest to the prediction, and the true last frame.

use std::path::Path;

use super::error::StudyError;
use crate::answer::Lapse;
use crate::config::Config;
use crate::run::{Artifact, Picture};
use crate::screen::{Screen, Track};
use crate::table::{Column, FileError, Table};

/// Objects shown of a well, from the smallest to the largest.
const SHOWN: usize = 6;

/// White pixels between frames.
const GAP: usize = 4;

/// Least side of a frame as it is shown, in pixels.
const SIDE: usize = 96;

/// One object of an image.
struct Shown<'a> {
    file: String,
    /// Line of the image, counted from 1.
    line: usize,
    track: &'a Track,
    /// Row of the nearest real frame.
    nearest: usize,
    /// Distance of that frame's latent to the predicted one.
    distance: f64,
}

/// Draws `images/PLATE_WELL.png` for every well of `config.evaluate.part`, and `images.parquet` that says what they show.
///
/// Frames of one object stand in a line, first, nearest to the prediction, last; each channel is a line of its own.
/// The nearest frame is looked for among all later frames of training objects.
///
/// # Errors
/// [`FileError::Write`].
pub(super) fn draw(config: &Config, lapse: &Lapse, folder: &Path) -> Result<(), StudyError> {
    let Some((channels, side)) = config.model.encoder.crop() else { return Ok(()) };
    let screen = &lapse.prepared().screen;
    let images = folder.join("images");
    std::fs::create_dir_all(&images).map_err(FileError::write(&images))?;
    let zoom = SIDE.div_ceil(side);
    let step = side * zoom + GAP;
    let mut shown = Vec::new();
    for (well, tracks) in lapse.wells_of(config.evaluate.part) {
        let by_size = lapse.by_first_number(tracks);
        let n_shown = by_size.len().min(SHOWN);
        // From the smallest to the largest, evenly by rank.
        let chosen: Vec<&Track> =
            (0..n_shown).map(|index| by_size[index * (by_size.len() - 1) / (n_shown - 1).max(1)]).collect();
        let file = format!("{}.png", well.replace(['/', '\\'], "_"));
        let mut picture = Picture::white(3 * step - GAP, n_shown * channels * step - GAP);
        for (line, (track, (nearest, distance))) in chosen.iter().zip(lapse.nearest_frames(&chosen)).enumerate() {
            for (column, row) in [track.first(), nearest, track.last()].into_iter().enumerate() {
                for (channel, values) in screen.features.read_row(row).chunks_exact(side * side).enumerate() {
                    picture.draw(column * step, (line * channels + channel) * step, side, zoom, values);
                }
            }
            shown.push(Shown { file: file.clone(), line: line + 1, track, nearest, distance });
        }
        picture.write_png(&images.join(file))?;
    }
    Ok(table(screen, &shown).write(&Artifact::Images.path_in(folder))?)
}

fn table(screen: &Screen, shown: &[Shown]) -> Table {
    let text = |of: &dyn Fn(&Shown) -> Option<String>| Column::Text(shown.iter().map(of).collect());
    let place = |row: usize| {
        let unit = screen.unit(row);
        let well = unit.well.map(|well| format!(" {well}")).unwrap_or_default();
        format!("{}{well}", unit.plate)
    };
    let label = |name: &str, row: usize| screen.label(name)?.values[row].clone();
    Table::new()
        .with("file", "image file in the folder `images`", text(&|row| Some(row.file.clone())))
        .with(
            "line",
            "line of the image, counted from 1",
            Column::Integer(shown.iter().map(|row| Some(row.line as i64)).collect()),
        )
        .with_interventions(shown.iter().map(|row| &screen.unit(row.track.last()).intervention))
        .with("track", "the object", text(&|row| label("track", row.track.first())))
        .with(
            "nearest_well",
            "plate and well of the real frame nearest to the prediction",
            text(&|row| Some(place(row.nearest))),
        )
        .with(
            "nearest_intervention",
            "what was done there, for as long as until that frame",
            text(&|row| Some(screen.unit(row.nearest).intervention.to_string())),
        )
        .with("nearest_track", "its object", text(&|row| label("track", row.nearest)))
        .with("nearest_frame", "its frame", text(&|row| label("frame", row.nearest)))
        .with(
            "distance",
            "between the predicted latent and that frame's, members side by side",
            Column::Number(shown.iter().map(|row| Some(row.distance)).collect()),
        )
}
