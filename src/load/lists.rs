//! Lists that are written beside a screen: of interventions, and of wells.
//!
//! ```text
//! perturbation,dose_um,hours    intervention           drug_1,dose_1_um,drug_2,dose_2_um    plate,well
//! taxol,0.3,24                  taxol 0.3 µM           HN,6,RO,3.5                          P1,B02
//! colchicine,0.05,24            HN@6 + RO@3.5          HN,6,,                               P1,C02
//! ```
//!
//! One intervention a row, in one of three forms, where other usual names with a unit do too (`Compound`, `Conc [nM]`); a dose may have another unit than µM behind it (`300 nM`). `hours` and
//! `kind` (`compound`, `crispr`, `crispri`, `crispra`, `orf`, `rnai`, `other`) may be absent. An empty dose is none, as of a genetic
//! perturbation. Names of columns may begin with `Metadata_`, in upper or lower case. A row that is well written and means
//! no one intervention, as a compound without its dose, ends no list: it is named with the reason.

use std::path::Path;

use super::dose::{rounded, written};
use super::error::{LoadError, Place};
use super::mapping::{ColumnRole, column_called, is_dose_name, unit_in_name};
use super::numbered::{NumberedColumns, numbered_columns};
use super::text_table::{TextTable, read_text_table};
use crate::screen::{DoseUnit, Intervention, InterventionError, Lexicon, Micromolar, Read, Well};

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

/// The interventions of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedInterventions {
    /// In the order of the rows.
    pub interventions: Vec<Intervention>,
    /// Rows that mean no one intervention, each with its place and the reason.
    pub without_meaning: Vec<String>,
    /// What was taken for granted in reading the others, in sentences.
    pub remarks: Vec<String>,
}

/// The wells that the table at `path` lists by `plate` and `well`.
///
/// # Errors
/// [`LoadError`] with the file and the row or column that is not as it should be.
pub fn read_wells(path: &Path) -> Result<Vec<ListedWell>, LoadError> {
    let table = read_text_table(path)?;
    let column = |name: &str| match column_called(&table.names, name, None) {
        Some(column) => needed(path, &table, column, ""),
        None => needed(path, &table, name, "list wells by `plate` and `well`"),
    };
    let (plates, wells) = (column("plate")?, column("well")?);
    let of_row = |((plate, well), place): ((&Option<String>, &Option<String>), &Place)| {
        let well = well.as_deref().unwrap_or_default().parse::<Well>();
        let wrong = |problem| LoadError::Listed { place: place.clone(), problem };
        let well = well.map_err(|error| wrong(format!("column `well`: {error}")))?;
        Ok(ListedWell { place: place.clone(), plate: plate.clone().unwrap_or_default(), well })
    };
    plates.iter().zip(wells).zip(&table.places).map(of_row).collect()
}

/// The interventions that the table at `path` lists, by row; `usual_hours` where it names none. `lexicon` has the
/// perturbations that need neither their kind nor, where they were never dosed, a dose.
///
/// # Errors
/// [`LoadError`] with the file and the row or column that is not as it should be.
pub fn read_interventions(
    path: &Path,
    usual_hours: Option<f64>,
    lexicon: &Lexicon,
) -> Result<ListedInterventions, LoadError> {
    let table = read_text_table(path)?;
    let members = Members::of(path, &table)?;
    let optional = |name: &str| position(&table, name).map(|column| table.columns[column].as_slice());
    let hours = optional("hours");
    let mut listed = ListedInterventions::default();
    for (row, place) in table.places.iter().enumerate() {
        let hours = match hours.and_then(|hours| hours[row].as_deref()) {
            None => usual_hours,
            Some(text) => {
                let hours = text.parse::<f64>().ok().filter(|hours| (0.0..1e6).contains(hours));
                Some(hours.ok_or_else(|| wrong(place, "hours", text, "a number of hours from 0"))?)
            }
        };
        match members.read(row, place, lexicon)? {
            Ok(Read { intervention, remarks }) => {
                listed.interventions.push(match hours {
                    Some(hours) => intervention.lasting(hours),
                    None => intervention,
                });
                let is_new = |remark: &String| !listed.remarks.contains(remark);
                let remarks: Vec<String> = remarks.into_iter().filter(is_new).collect();
                listed.remarks.extend(remarks);
            }
            // Cells that no list should have.
            Err(problem @ (InterventionError::Text { .. } | InterventionError::Dose { .. })) => {
                return Err(LoadError::Listed { place: place.clone(), problem: problem.to_string() });
            }
            Err(problem) => listed.without_meaning.push(format!("{place}: {problem}")),
        }
    }
    Ok(listed)
}

type Cells<'t> = &'t [Option<String>];

/// Where the members of a row's set are written.
enum Members<'t> {
    /// All in one cell, as they are printed or typed.
    Together { column: &'t str, cells: Cells<'t> },
    /// One in a pair of columns, with its kind; or several, each with its pair.
    Apart { slots: Vec<Slot<'t>>, kinds: Option<Cells<'t>> },
}

/// The columns of one member.
struct Slot<'t> {
    names: (&'t str, Cells<'t>),
    doses: Option<(&'t str, Cells<'t>, DoseUnit)>,
}

impl<'t> Members<'t> {
    fn of(path: &Path, table: &'t TextTable) -> Result<Self, LoadError> {
        let named = |name: &str| {
            let column = position(table, name)?;
            Some((table.names[column].as_str(), table.columns[column].as_slice()))
        };
        let kinds = named("kind").map(|(_, cells)| cells);
        if let Some((column, cells)) = named("intervention") {
            return Ok(Self::Together { column, cells });
        }
        if named("perturbation").is_some() {
            let mend = "list candidates by `intervention`, or by `perturbation` and `dose_um`";
            needed(path, table, "dose_um", mend)?;
            let doses = named("dose_um").map(|(column, cells)| (column, cells, DoseUnit::Micromolar));
            let slots = named("perturbation").map(|names| Slot { names, doses });
            return Ok(Self::Apart { slots: slots.into_iter().collect(), kinds });
        }
        let numbered = numbered_columns(&table.names);
        // By other usual names, if that of the doses says in which unit they are.
        let usual = |role: ColumnRole| {
            let column = column_called(&table.names, role.word(), None)?;
            named(column)
        };
        if let (None, Some(names)) = (&numbered, usual(ColumnRole::Perturbation)) {
            let doses = usual(ColumnRole::Dose).or_else(|| named(table.names.iter().find(|name| is_dose_name(name))?));
            let doses = doses.and_then(|(column, cells)| Some((column, cells, unit_in_name(column)?)));
            if doses.is_some() {
                return Ok(Self::Apart { slots: vec![Slot { names, doses }], kinds });
            }
        }
        let Some(NumberedColumns { perturbations, doses, .. }) = numbered else {
            return Err(LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: "intervention".to_owned(),
                mend:
                    "list candidates by `intervention` (`HN 6 µM + RO 3.5 µM`), by `perturbation` and `dose_um`, or by \
                       numbered columns (`drug_1`, `dose_1_um`, `drug_2`, `dose_2_um`)"
                        .to_owned(),
            });
        };
        let cells =
            |name: &'t str| table.columns[position(table, name).expect("it is a column of the table")].as_slice();
        let slot = |(index, name): (usize, &&'t str)| Slot {
            names: (*name, cells(name)),
            doses: doses
                .get(index)
                .map(|dose| (*dose, cells(dose), unit_in_name(dose).unwrap_or(DoseUnit::Micromolar))),
        };
        Ok(Self::Apart { slots: perturbations.iter().enumerate().map(slot).collect(), kinds })
    }

    /// What a row means, or why it means no one intervention.
    fn read(&self, row: usize, place: &Place, lexicon: &Lexicon) -> Result<Result<Read, InterventionError>, LoadError> {
        match self {
            Self::Together { column, cells } => {
                let text = cells[row].as_deref().ok_or_else(|| wrong(place, column, "", "an intervention"))?;
                Ok(lexicon.read_or_new(text))
            }
            Self::Apart { slots, kinds } => {
                let kind = match kinds.and_then(|kinds| kinds[row].as_deref()) {
                    None => None,
                    Some(text) => Some(serde_json::from_value(text.to_lowercase().into()).map_err(|_| {
                        wrong(place, "kind", text, "one of compound, crispr, crispri, crispra, orf, rnai, other")
                    })?),
                };
                let members = slots.iter().enumerate().map(|(index, slot)| slot.member(index, row, place));
                let members: Vec<(&str, Option<Micromolar>)> =
                    members.filter_map(Result::transpose).collect::<Result<_, _>>()?;
                Ok(lexicon.set_of(members.into_iter().map(|(name, dose)| (name, kind, dose))))
            }
        }
    }
}

impl<'t> Slot<'t> {
    /// The name and the dose of a row's member, if it has one here.
    fn member(
        &self,
        index: usize,
        row: usize,
        place: &Place,
    ) -> Result<Option<(&'t str, Option<Micromolar>)>, LoadError> {
        let (column, names) = self.names;
        let dose = self.doses.and_then(|(column, doses, unit)| Some((column, doses[row].as_deref()?, unit)));
        let dose = match dose {
            None => None,
            Some((column, text, unit)) => {
                let dose = written(text).and_then(|(number, behind)| {
                    let unit = behind.unwrap_or(unit).in_micromolar(None)?;
                    Micromolar::new(rounded(number * unit))
                });
                Some(dose.ok_or_else(|| wrong(place, column, text, "a positive number of µM"))?)
            }
        };
        match names[row].as_deref() {
            Some(name) => Ok(Some((name, dose))),
            None if index == 0 => Err(wrong(place, column, "", "a name")),
            None => Ok(None),
        }
    }
}

fn wrong(place: &Place, column: &str, found: &str, expected: &'static str) -> LoadError {
    LoadError::Cell { place: place.clone(), column: column.to_owned(), found: found.to_owned(), expected }
}

fn position(table: &TextTable, name: &str) -> Option<usize> {
    let is_named = |column: &String| column.trim_start_matches("Metadata_").eq_ignore_ascii_case(name);
    table.names.iter().position(|column| column == name).or_else(|| table.names.iter().position(is_named))
}

fn needed<'t>(path: &Path, table: &'t TextTable, name: &str, mend: &str) -> Result<&'t [Option<String>], LoadError> {
    let missing =
        || LoadError::MissingColumn { path: path.to_path_buf(), column: name.to_owned(), mend: mend.to_owned() };
    Ok(&table.columns[position(table, name).ok_or_else(missing)?])
}
