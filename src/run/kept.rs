//! The screen that a run keeps, so that it answers where the files of the screen are not: `screen.parquet`.
//!
//! ```text
//! plate  well  role    intervention  …  cell_count  label:moa                feature:Cells_AreaShape_Area  …
//! P1     B02   trt     taxol 0.3 µM     412         Microtubule stabilizers  1520.4
//! ```
//!
//! Values are as they were loaded, before they were normalized. Pixels stay where they lie: of images the latents of all
//! members are kept in their place, `latent:0` and so on. Descriptors of perturbations are in `descriptors.json`; which rows are one
//! object at several times, and what was given to it, in `tracks.json`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Artifact;
use crate::screen::{Design, Dropped, FeatureMatrix, Features, Label, Origin, OriginColumn, Reference, Screen, Units};
use crate::table::{Column, FileError, Table, read_json, write_json};

/// Begins the names of columns of labels, and of features.
const LABEL: &str = "label:";
const FEATURE: &str = "feature:";
const LATENT: &str = "latent:";

/// Facts of the file.
const NAME: &str = "name";
const REFERENCE: &str = "reference";
const DROPPED: &str = "dropped";
const ORIGIN: &str = "columns_of_files";
const PIXELS: &str = "pixels";

/// The screen of a run, with what is known of its perturbations.
#[derive(Debug)]
pub struct KeptScreen {
    /// As it was loaded.
    pub screen: Screen,
    /// Descriptors by perturbation name; empty without.
    pub descriptors: BTreeMap<String, Vec<f32>>,
}

/// Keeps a screen in the run folder, where its rows are pixels with `latents` in their place.
///
/// # Errors
/// [`FileError`] where a file cannot be written.
pub fn keep(
    screen: &Screen,
    descriptors: &BTreeMap<String, Vec<f32>>,
    latents: Option<&FeatureMatrix>,
    folder: &Path,
) -> Result<(), FileError> {
    if !descriptors.is_empty() {
        write_json(&Artifact::Descriptors.path_in(folder), descriptors)?;
    }
    if !screen.design.tracks().is_empty() {
        write_json(&Artifact::Tracks.path_in(folder), &screen.design)?;
    }
    table(screen, latents).write(&Artifact::Screen.path_in(folder))
}

impl KeptScreen {
    /// The screen that the run in `folder` keeps; `None` where it keeps none.
    ///
    /// # Errors
    /// [`FileError`] where a file is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, FileError> {
        let path = Artifact::Screen.path_in(folder);
        if !path.exists() {
            return Ok(None);
        }
        let described = Artifact::Descriptors.path_in(folder);
        let descriptors = if described.exists() { read_json(&described)? } else { BTreeMap::new() };
        let tracks = Artifact::Tracks.path_in(folder);
        let design = if tracks.exists() { Some(read_json::<Design>(&tracks)?) } else { None };
        let screen = screen_of(&Table::read_parquet(&path)?, design)?;
        match screen.design.is_of(screen.n_observations()) {
            true => Ok(Some(Self { screen, descriptors })),
            false => Err(FileError::damaged(&tracks, "does not fit the screen next to it".to_owned())),
        }
    }
}

fn table(screen: &Screen, latents: Option<&FeatureMatrix>) -> Table {
    let dropped = serde_json::to_string(&screen.dropped).expect("texts and numbers have a JSON");
    let columns = serde_json::to_string(&screen.origin.columns).expect("texts and numbers have a JSON");
    let mut table = Table::new()
        .with_fact(NAME, &screen.name)
        .with_fact(REFERENCE, screen.reference().word())
        .with_fact(DROPPED, dropped)
        .with_fact(ORIGIN, columns)
        .with_units(&screen.units);
    for Label { name, values } in &screen.labels {
        table = table.with(format!("{LABEL}{name}"), format!("`{name}` of the screen"), Column::Text(values.clone()));
    }
    let column = |values: &FeatureMatrix, index: usize| {
        Column::Float32((0..values.n_rows()).map(|row| values.row(row)[index]).collect())
    };
    if let Some(latents) = latents {
        let pixels = serde_json::to_string(screen.features.names()).expect("texts have a JSON");
        let with = |table: Table, index| {
            table.with(format!("{LATENT}{index}"), "latents of all members, side by side", column(latents, index))
        };
        return (0..latents.n_features()).fold(table.with_fact(PIXELS, pixels), with);
    }
    let features = screen.features.in_memory();
    for (index, name) in features.names().iter().enumerate() {
        table = table.with(format!("{FEATURE}{name}"), "as loaded, before normalization", column(&features, index));
    }
    table
}

fn screen_of(table: &Table, design: Option<Design>) -> Result<Screen, FileError> {
    let fact = |name: &str| {
        let lacking = || FileError::damaged(table.path(), format!("is not the screen of a run (it lacks its {name})"));
        table.facts().get(name).ok_or_else(lacking)
    };
    let references = [Reference::ControlWells, Reference::Relative, Reference::FirstFrame];
    let word = fact(REFERENCE)?;
    let reference = references.into_iter().find(|reference| reference.word() == word);
    let reference = reference
        .ok_or_else(|| FileError::damaged(table.path(), format!("`{word}` is not a reference of a screen")))?;
    let design = design.unwrap_or_else(|| Design::of_reference(reference));
    if design.reference() != reference {
        return Err(FileError::damaged(table.path(), "is of another design than the tracks next to it".to_owned()));
    }
    let damaged = |name: &str, error: serde_json::Error| FileError::damaged(table.path(), format!("`{name}`: {error}"));
    let dropped: Vec<Dropped> = serde_json::from_str(fact(DROPPED)?).map_err(|error| damaged(DROPPED, error))?;
    let columns: Vec<OriginColumn> = serde_json::from_str(fact(ORIGIN)?).map_err(|error| damaged(ORIGIN, error))?;
    let (mut labels, mut names, mut values_of) = (Vec::new(), Vec::new(), Vec::new());
    for column in table.columns() {
        if let Some(name) = column.name.strip_prefix(LABEL) {
            labels.push(Label { name: name.to_owned(), values: table.text(&column.name)?.to_vec() });
        } else if let Some(name) = column.name.strip_prefix(FEATURE).or(column.name.strip_prefix(LATENT)) {
            names.push(name.to_owned());
            values_of.push(table.float32(&column.name)?);
        }
    }
    let values = (0..table.n_rows()).flat_map(|row| values_of.iter().map(move |column| column[row])).collect();
    let values = FeatureMatrix::new(names, values);
    let features = match table.facts().get(PIXELS) {
        Some(pixels) => {
            Features::encoded(serde_json::from_str(pixels).map_err(|error| damaged(PIXELS, error))?, values)
        }
        None => values.into(),
    };
    Ok(Screen {
        name: fact(NAME)?.clone(),
        design,
        units: Units::of_rows(table.units()?, &labels),
        features,
        labels,
        dropped,
        origin: Origin { columns, measured: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Kind, Micromolar, Role, Track, Unit};

    #[test]
    fn the_kept_screen_is_the_loaded_one() {
        let unit = |well: &str, name: Option<&str>| Unit {
            plate: "P1".into(),
            well: well.parse().ok(),
            role: if name.is_some() { Role::Treatment } else { Role::NegativeControl },
            intervention: name.map_or(Intervention::untreated(), |name| {
                Intervention::single(name, Kind::Compound, Micromolar::new(1.0 / 3.0)).lasting(24.0)
            }),
            context: "A549, 24 h".into(),
            lab_batch: Some("week 1".into()),
            replicate: None,
            cell_count: Some(412.0),
        };
        let labels = vec![
            Label { name: "moa".into(), values: vec![Some("a|b".into()), None] },
            Label { name: "plate".into(), values: vec![None, Some("an odd label".into())] },
        ];
        let screen = Screen {
            name: "made up".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(vec![unit("B02", Some("taxol + DMSO")), unit("B03", None)], &labels),
            features: FeatureMatrix::new(vec!["f".into(), "label:moa".into()], vec![0.1, -1e-30, 3.0, 1e30]).into(),
            labels,
            dropped: vec![Dropped { reason: "no values".into(), rows: 2 }],
            origin: Origin {
                columns: vec![OriginColumn { name: "dose [nM]".into(), ours: "dose_um".into(), factor: 1e-3 }],
                measured: None,
            },
        };
        let descriptors = BTreeMap::from([("taxol".to_owned(), vec![0.1f32, 1e-30, 16_777_216.0])]);
        let folder = tempfile::tempdir().unwrap();
        assert!(KeptScreen::read(folder.path()).unwrap().is_none());
        keep(&screen, &descriptors, None, folder.path()).unwrap();
        let kept = KeptScreen::read(folder.path()).unwrap().unwrap();
        assert_eq!(kept.descriptors, descriptors);
        assert_eq!((&kept.screen.name, &kept.screen.design), (&screen.name, &screen.design));
        assert_eq!(kept.screen.units, screen.units);
        assert_eq!(kept.screen.features.in_memory(), screen.features.in_memory());
        assert_eq!(kept.screen.origin.columns, screen.origin.columns);
        assert_eq!((kept.screen.labels, kept.screen.dropped), (screen.labels, screen.dropped));
    }

    #[test]
    fn pixels_are_kept_as_latents_and_objects_as_tracks() {
        let unit = |hours: f64| Unit {
            plate: "P1".into(),
            well: "B02".parse().ok(),
            role: if hours > 0.0 { Role::Treatment } else { Role::NegativeControl },
            intervention: match hours > 0.0 {
                true => Intervention::single("a", Kind::Compound, Micromolar::new(1.0)).lasting(hours),
                false => Intervention::untreated(),
            },
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let design = Design::Followed { tracks: vec![Track { rows: vec![2, 0] }] };
        let screen = Screen {
            name: "lapse".into(),
            design: design.clone(),
            units: Units::of_rows(vec![unit(1.0), unit(0.5), unit(0.0)], &[]),
            features: FeatureMatrix::numbered("pixel_", 4, vec![0.5; 12]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Origin::default(),
        };
        let latents = FeatureMatrix::numbered("latent_", 2, vec![0.1, 1e-30, -3.0, 0.0, 7.0, 8.0]);
        let folder = tempfile::tempdir().unwrap();
        keep(&screen, &BTreeMap::new(), Some(&latents), folder.path()).unwrap();
        let kept = KeptScreen::read(folder.path()).unwrap().unwrap().screen;
        assert_eq!(
            (kept.kind(), kept.features.names()),
            (crate::screen::ScreenKind::TimeLapse, screen.features.names())
        );
        assert_eq!(kept.features.kept_latents().unwrap().values(), latents.values());
        assert_eq!((kept.units, kept.design), (screen.units, design));
        // A file of another screen is not taken for this one's.
        let other = Design::Followed { tracks: vec![Track { rows: vec![0, 3] }] };
        write_json(&Artifact::Tracks.path_in(folder.path()), &other).unwrap();
        let error = KeptScreen::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tracks.json") && error.contains("does not fit"), "{error}");
    }

    #[test]
    fn a_table_that_is_not_a_kept_screen_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = Artifact::Screen.path_in(folder.path());
        Table::new().with("plate", "", Column::Text(vec![None])).write(&path).unwrap();
        let error = KeptScreen::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not the screen of a run (it lacks its reference)"), "{error}");
    }
}
