//! What happened to each well, as one vector that is 0 where nothing did: for images the way from the plate's controls, for time
//! lapses that from the first to the last frame, both in the embedding of the model, and for tracks the course of what was
//! measured.

use std::collections::BTreeMap;

use super::lapse::log_values;
use crate::crop::READOUT_LABEL;
use crate::embed::Embeddings;
use crate::screen::{Design, FeatureMatrix, Role, Schedule, Screen, Track, Treatment, Unit, Units};

/// Wells as vectors in place of features, negative controls in their role.
///
/// Vectors are the embedding of wells, from the mean of the controls of their plate; without controls, from the origin.
pub fn moves_of_wells(wells: &Embeddings, screen: &Screen) -> Screen {
    let mut moves = wells.as_screen(&screen.name, screen.design.clone());
    let mut values = wells.latents.clone();
    for (plate, controls) in moves.controls_by_plate() {
        let mean = wells.latents.mean_of(&controls);
        for row in (0..values.n_rows()).filter(|&row| moves.unit(row).plate == plate) {
            values.row_mut(row).iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
    }
    moves.features = values.into();
    moves
}

/// Wells of a time lapse, each the mean way of its objects from the first to the last frame; `rows` is the embedding of the
/// frames of `screen`. Wells to which nothing was given are negative controls.
pub fn moves_of_objects(rows: &Embeddings, screen: &Screen) -> Screen {
    let mut wells = BTreeMap::<(&str, _, Treatment), Vec<&Track>>::new();
    for track in screen.design.tracks() {
        let unit = screen.unit(track.last());
        wells.entry((&unit.plate, unit.well, unit.treatment())).or_default().push(track);
    }
    let (mut units, mut values) = (Vec::new(), Vec::new());
    for tracks in wells.into_values() {
        let unit = screen.unit(tracks[0].last()).clone();
        let role = if unit.intervention.members().is_empty() { Role::NegativeControl } else { unit.role };
        units.push(Unit { role, ..unit });
        let [last, first] = [Track::last, Track::first].map(|row: fn(&Track) -> usize| {
            rows.latents.mean_of(&tracks.iter().map(|track| row(track)).collect::<Vec<_>>())
        });
        values.extend(last.iter().zip(&first).map(|(last, first)| last - first));
    }
    of_vectors(screen, units, FeatureMatrix::new(rows.latents.names().to_vec(), values))
}

/// The mean over wells of the measured ratio of their objects' number, last frame to first, by treatment; of none where
/// nothing is read out.
pub fn measured_ratios(screen: &Screen) -> BTreeMap<Treatment, f64> {
    let Ok(logs) = log_values(screen, READOUT_LABEL) else { return BTreeMap::new() };
    let mut wells = BTreeMap::<(Treatment, &str, _), [f64; 2]>::new();
    for track in screen.design.tracks() {
        let Some((first, last)) = logs[track.first()].zip(logs[track.last()]) else { continue };
        let unit = screen.unit(track.last());
        let sums = wells.entry((unit.treatment(), &unit.plate, unit.well)).or_default();
        *sums = [sums[0] + first.exp(), sums[1] + last.exp()];
    }
    let mut ratios = BTreeMap::<Treatment, Vec<f64>>::new();
    for ((treatment, ..), [first, last]) in wells {
        ratios.entry(treatment).or_default().push(last / first);
    }
    ratios.into_iter().map(|(treatment, of)| (treatment, of.iter().sum::<f64>() / of.len() as f64)).collect()
}

/// Fields of a table of tracks, each the mean course of its tracks after the first stimulus, less the mean before it; as long
/// as the shortest of all. Fields to which nothing was given are negative controls.
pub fn courses_of_fields(screen: &Screen) -> Screen {
    let mut fields = BTreeMap::<(&str, &str, &Treatment), Vec<Vec<Option<f64>>>>::new();
    for (track, schedule) in screen.design.tracks().iter().zip(screen.design.schedules()) {
        if let Some(course) = course(schedule) {
            let plate = screen.unit(track.first()).plate.as_str();
            fields.entry((plate, &schedule.field, &schedule.treatment)).or_default().push(course);
        }
    }
    let n_times = fields.values().flatten().map(Vec::len).min().unwrap_or(0);
    let (mut units, mut values) = (Vec::new(), Vec::new());
    for ((plate, field, treatment), tracks) in fields {
        let at = |time: usize| {
            let measured: Vec<f64> = tracks.iter().filter_map(|track| track[time]).collect();
            measured.iter().sum::<f64>() / measured.len().max(1) as f64
        };
        let role = if treatment.intervention.members().is_empty() { Role::NegativeControl } else { Role::Treatment };
        units.push(Unit {
            plate: plate.to_owned(),
            well: None,
            role,
            intervention: treatment.intervention.clone(),
            context: treatment.context.clone(),
            lab_batch: None,
            replicate: Some(field.to_owned()),
            cell_count: None,
        });
        values.extend((0..n_times).map(|time| at(time) as f32));
    }
    of_vectors(screen, units, FeatureMatrix::numbered("time_", n_times, values))
}

/// What a track shows at the times from its first stimulus on, less its mean before; from its second time on where there was
/// no stimulus. `None` without a value before.
fn course(schedule: &Schedule) -> Option<Vec<Option<f64>>> {
    let start = schedule.present.iter().position(|present| !present.members().is_empty()).unwrap_or(0);
    let before: Vec<f64> = schedule.measured[..=start].iter().flatten().copied().collect();
    let mean = before.iter().sum::<f64>() / before.len() as f64;
    let later = || schedule.measured[start + 1..].iter().map(|value| Some((*value)? - mean)).collect();
    (!before.is_empty()).then(later)
}

/// A screen of vectors that are differences already.
fn of_vectors(screen: &Screen, units: Vec<Unit>, vectors: FeatureMatrix) -> Screen {
    Screen {
        name: screen.name.clone(),
        design: Design::Relative,
        units: Units::of_each(units),
        features: vectors.into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Level;
    use crate::screen::{Intervention, Kind, Label, Micromolar, Well};

    fn unit(well: i64, given: Option<&str>, hours: f64) -> Unit {
        Unit { well: Well::at(1, well), ..Unit::under(given.map(|name| (name, Some(hours)))) }
    }

    #[test]
    fn wells_of_images_are_told_from_the_controls_of_their_plate() {
        let units = vec![unit(1, None, 0.0), unit(2, None, 0.0), unit(3, Some("a"), 1.0)];
        let latents = FeatureMatrix::numbered("latent_", 2, vec![1.0, 0.0, 3.0, 2.0, 5.0, 1.0]);
        let wells = Embeddings::new(Level::Well, Units::of_each(units), vec![1; 3], Vec::new(), latents);
        let screen = wells.as_screen("images", Design::AgainstControls);
        let moves = moves_of_wells(&wells, &screen);
        assert_eq!(moves.features.gather(&[0, 1, 2]), [-1.0, -1.0, 1.0, 1.0, 3.0, 0.0]);
    }

    #[test]
    fn wells_of_a_time_lapse_are_the_mean_ways_of_their_objects() {
        // Two objects in a well under `a`, one in a well to which nothing is given; of each two frames.
        let frame = |well, given: Option<&str>| Unit { ..unit(well, given, 1.0) };
        let units = vec![
            frame(1, None),
            frame(1, Some("a")),
            frame(1, None),
            frame(1, Some("a")),
            frame(2, None),
            frame(2, None),
        ];
        let latents = FeatureMatrix::numbered("latent_", 1, vec![0.0, 2.0, 1.0, 5.0, 7.0, 7.5]);
        let readout = ["2", "4", "2", "8", "3", "3"].map(|text| Some(text.to_owned())).to_vec();
        let labels = vec![Label { name: READOUT_LABEL.to_owned(), values: readout }];
        let rows = Embeddings::new(Level::Cell, Units::of_rows(units, &labels), vec![1; 6], labels, latents);
        let track = |rows: [usize; 2]| Track { rows: rows.to_vec() };
        let design = Design::Followed { tracks: vec![track([0, 1]), track([2, 3]), track([4, 5])] };
        let screen = rows.as_screen("lapse", design);
        let moves = moves_of_objects(&rows, &screen);
        assert_eq!((moves.n_observations(), moves.features.gather(&[0, 1])), (2, vec![3.0, 0.5]));
        assert_eq!([0, 1].map(|row| moves.unit(row).role), [Role::Treatment, Role::NegativeControl]);
        let ratios: Vec<f64> = measured_ratios(&screen).into_values().collect();
        assert!((ratios[0] - 1.0).abs() < 1e-12 && (ratios[1] - 3.0).abs() < 1e-12, "{ratios:?}");
    }

    #[test]
    fn fields_of_tracks_are_courses_after_the_first_stimulus() {
        let given = Intervention::single("egf", Kind::default(), Micromolar::new(1.0));
        let schedule = |field: &str, measured: [f64; 4]| Schedule {
            field: field.to_owned(),
            track: String::new(),
            treatment: Treatment { intervention: given.clone(), context: String::new() },
            minutes: vec![0.0, 1.0, 2.0, 3.0],
            measured: measured.map(Some).to_vec(),
            rows: vec![None; 4],
            present: vec![Intervention::untreated(), given.clone(), given.clone()],
        };
        let schedules =
            vec![schedule("1", [1.0, 3.0, 5.0, 7.0]), schedule("1", [0.0, 0.0, 1.0, 1.0]), schedule("2", [4.0; 4])];
        let tracks = (0..3).map(|track| Track { rows: vec![2 * track, 2 * track + 1] }).collect();
        let units = (0..6).map(|row| unit(row + 1, None, 0.0)).collect();
        let nowhere = FeatureMatrix::numbered("f", 1, vec![0.0; 6]);
        let rows = Embeddings::new(Level::Cell, Units::of_each(units), vec![1; 6], Vec::new(), nowhere);
        let screen = rows.as_screen("tracks", Design::Scheduled { tracks, schedules });
        let courses = courses_of_fields(&screen);
        // Before the stimulus are the first two times.
        assert_eq!((courses.n_observations(), courses.features.gather(&[0, 1])), (2, vec![2.0, 3.0, 0.0, 0.0]));
    }
}
