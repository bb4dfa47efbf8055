//! Lists that are written beside a screen: of interventions, and of wells.
//!
//! ```text
//! perturbation,dose_um,hours          plate,well
//! taxol,0.3,24                        P1,B02
//! colchicine,0.05,24                  P1,C02
//! ```
//!
//! One intervention a row; a dose may have another unit than µM behind it (`300 nM`). `hours` and `kind` (`compound`, `crispr`, `orf`, `rnai`, `other`) may be absent. An empty dose
//! is none, as of a genetic perturbation. Names of columns may begin with `Metadata_`, in upper or lower case.

use std::collections::BTreeMap;
use std::path::Path;

use super::dose::{rounded, written};
use super::error::{LoadError, Place};
use super::text_table::{TextTable, read_text_table};
use crate::screen::{DoseUnit, Intervention, Kind, Micromolar, Well};

/// A well of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWell {
    /// The row.
    pub place: Place,
    /// The plate; empty where the row names none.
    pub plate: String,
    /// The well.
    pub well: Well,
}

/// The wells that the table at `path` lists by `plate` and `well`.
///
/// # Errors
/// [`LoadError`] with the file and the row or column that is not as it should be.
pub fn read_wells(path: &Path) -> Result<Vec<ListedWell>, LoadError> {
    let table = read_text_table(path)?;
    let column = |name: &str| needed(path, &table, name, "list wells by `plate` and `well`");
    let (plates, wells) = (column("plate")?, column("well")?);
    let of_row = |((plate, well), place): ((&Option<String>, &Option<String>), &Place)| {
        let well = well.as_deref().unwrap_or_default().parse::<Well>();
        let wrong = |problem| LoadError::Listed { place: place.clone(), problem };
        let well = well.map_err(|error| wrong(format!("column `well`: {error}")))?;
        Ok(ListedWell { place: place.clone(), plate: plate.clone().unwrap_or_default(), well })
    };
    plates.iter().zip(wells).zip(&table.places).map(of_row).collect()
}

/// The interventions that the table at `path` lists, by row; `usual_hours` where it names none. `kinds` are those under which
/// a name is known, which a row need not repeat.
///
/// # Errors
/// [`LoadError`] with the file and the row or column that is not as it should be.
pub fn read_interventions(
    path: &Path,
    usual_hours: Option<f64>,
    kinds: &BTreeMap<&str, Vec<Kind>>,
) -> Result<Vec<Intervention>, LoadError> {
    let table = read_text_table(path)?;
    let column = |name: &str| needed(path, &table, name, "list candidates by `perturbation` and `dose_um`");
    let (perturbations, doses) = (column("perturbation")?, column("dose_um")?);
    let optional = |name: &str| position(&table, name).map(|column| table.columns[column].as_slice());
    let (hours, written_kinds) = (optional("hours"), optional("kind"));
    let mut interventions = Vec::with_capacity(table.places.len());
    for (row, place) in table.places.iter().enumerate() {
        let wrong = |column: &str, found: &str, expected| LoadError::Cell {
            place: place.clone(),
            column: column.to_owned(),
            found: found.to_owned(),
            expected,
        };
        let name = perturbations[row].as_deref().ok_or_else(|| wrong("perturbation", "", "a name"))?;
        let dose = match doses[row].as_deref() {
            None => None,
            Some(text) => {
                let dose = written(text).and_then(|(number, unit)| {
                    Micromolar::new(rounded(number * unit.unwrap_or(DoseUnit::Micromolar).in_micromolar(None)?))
                });
                Some(dose.ok_or_else(|| wrong("dose_um", text, "a positive number of µM"))?)
            }
        };
        let kind = match (written_kinds.and_then(|kinds| kinds[row].as_deref()), kinds.get(name).map(Vec::as_slice)) {
            (Some(text), _) => serde_json::from_value(text.to_lowercase().into())
                .map_err(|_| wrong("kind", text, "one of compound, crispr, orf, rnai, other"))?,
            (None, None | Some([])) => Kind::default(),
            (None, Some([kind])) => *kind,
            (None, Some(kinds)) => {
                let n_kinds = kinds.len();
                let problem =
                    format!("`{name}` is known as {n_kinds} kinds of perturbation; give the kind in a column `kind`");
                return Err(LoadError::Listed { place: place.clone(), problem });
            }
        };
        let hours = match hours.and_then(|hours| hours[row].as_deref()) {
            None => usual_hours,
            Some(text) => {
                let hours = text.parse::<f64>().ok().filter(|hours| (0.0..1e6).contains(hours));
                Some(hours.ok_or_else(|| wrong("hours", text, "a number of hours from 0"))?)
            }
        };
        let intervention = Intervention::single(name, kind, dose);
        interventions.push(match hours {
            Some(hours) => intervention.lasting(hours),
            None => intervention,
        });
    }
    Ok(interventions)
}

fn position(table: &TextTable, name: &str) -> Option<usize> {
    let is_named = |column: &String| column.trim_start_matches("Metadata_").eq_ignore_ascii_case(name);
    table.names.iter().position(is_named)
}

fn needed<'t>(path: &Path, table: &'t TextTable, name: &str, mend: &str) -> Result<&'t [Option<String>], LoadError> {
    let missing =
        || LoadError::MissingColumn { path: path.to_path_buf(), column: name.to_owned(), mend: mend.to_owned() };
    Ok(&table.columns[position(table, name).ok_or_else(missing)?])
}
