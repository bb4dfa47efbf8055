//! The screen that a run keeps, so that it answers where the files of the screen are not: `screen.parquet`.
//!
//! ```text
//! plate  well  role    intervention  …  cell_count  label:moa                feature:Cells_AreaShape_Area  …
//! P1     B02   trt     taxol 0.3 µM     412         Microtubule stabilizers  1520.4
//! ```
//!
//! Values are as they were loaded, before they were normalized. Descriptors of perturbations are in `descriptors.json`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Artifact;
use crate::screen::{Design, Dropped, FeatureMatrix, Label, Origin, OriginColumn, Reference, Screen, Units};
use crate::table::{Column, FileError, Table, read_json, write_json};

/// Begins the names of columns of labels, and of features.
const LABEL: &str = "label:";
const FEATURE: &str = "feature:";

/// Facts of the file.
const NAME: &str = "name";
const REFERENCE: &str = "reference";
const DROPPED: &str = "dropped";
const ORIGIN: &str = "columns_of_files";

/// The screen of a run, with what is known of its perturbations.
#[derive(Debug)]
pub struct KeptScreen {
    /// As it was loaded.
    pub screen: Screen,
    /// Descriptors by perturbation name; empty without.
    pub descriptors: BTreeMap<String, Vec<f32>>,
}

/// Keeps a screen of profiles in the run folder, unless it is there.
///
/// # Errors
/// [`FileError`] where a file cannot be written.
pub fn keep(screen: &Screen, descriptors: &BTreeMap<String, Vec<f32>>, folder: &Path) -> Result<(), FileError> {
    let path = Artifact::Screen.path_in(folder);
    if path.exists() {
        return Ok(());
    }
    if !descriptors.is_empty() {
        write_json(&Artifact::Descriptors.path_in(folder), descriptors)?;
    }
    table(screen).write(&path)
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
        Ok(Some(Self { screen: screen_of(&Table::read_parquet(&path)?)?, descriptors }))
    }
}

fn table(screen: &Screen) -> Table {
    let features = screen.features.in_memory();
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
    for (index, name) in features.names().iter().enumerate() {
        let values = (0..features.n_rows()).map(|row| features.row(row)[index]).collect();
        table = table.with(format!("{FEATURE}{name}"), "as loaded, before normalization", Column::Float32(values));
    }
    table
}

fn screen_of(table: &Table) -> Result<Screen, FileError> {
    let fact = |name: &str| {
        let lacking = || FileError::damaged(table.path(), format!("is not the screen of a run (it lacks its {name})"));
        table.facts().get(name).ok_or_else(lacking)
    };
    let references = [Reference::ControlWells, Reference::Relative];
    let word = fact(REFERENCE)?;
    let reference = references.into_iter().find(|reference| reference.word() == word);
    let reference = reference
        .ok_or_else(|| FileError::damaged(table.path(), format!("`{word}` is not a reference of profiles")))?;
    let damaged = |name: &str, error: serde_json::Error| FileError::damaged(table.path(), format!("`{name}`: {error}"));
    let dropped: Vec<Dropped> = serde_json::from_str(fact(DROPPED)?).map_err(|error| damaged(DROPPED, error))?;
    let columns: Vec<OriginColumn> = serde_json::from_str(fact(ORIGIN)?).map_err(|error| damaged(ORIGIN, error))?;
    let (mut labels, mut names, mut values_of) = (Vec::new(), Vec::new(), Vec::new());
    for column in table.columns() {
        if let Some(name) = column.name.strip_prefix(LABEL) {
            labels.push(Label { name: name.to_owned(), values: table.text(&column.name)?.to_vec() });
        } else if let Some(name) = column.name.strip_prefix(FEATURE) {
            names.push(name.to_owned());
            values_of.push(table.float32(&column.name)?);
        }
    }
    let values = (0..table.n_rows()).flat_map(|row| values_of.iter().map(move |column| column[row])).collect();
    Ok(Screen {
        name: fact(NAME)?.clone(),
        design: Design::of_reference(reference),
        units: Units::of_rows(table.units()?, &labels),
        features: FeatureMatrix::new(names, values).into(),
        labels,
        dropped,
        origin: Origin { columns, measured: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Kind, Micromolar, Role, Unit};

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
        keep(&screen, &descriptors, folder.path()).unwrap();
        let kept = KeptScreen::read(folder.path()).unwrap().unwrap();
        assert_eq!(kept.descriptors, descriptors);
        assert_eq!((&kept.screen.name, &kept.screen.design), (&screen.name, &screen.design));
        assert_eq!(kept.screen.units, screen.units);
        assert_eq!(kept.screen.features.in_memory(), screen.features.in_memory());
        assert_eq!(kept.screen.origin.columns, screen.origin.columns);
        assert_eq!((kept.screen.labels, kept.screen.dropped), (screen.labels, screen.dropped));
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
