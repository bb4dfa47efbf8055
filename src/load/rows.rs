//! Rows of a table -> observations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::card::Card;
use super::dose::{is_zero, rounded, written};
use super::error::LoadError;
use super::kind;
use super::mapping::{ColumnRole, Mapping, unit_of};
use super::table::{RawTable, boolean};
use crate::screen::{Application, DoseUnit, Intervention, Kind, Micromolar, Perturbation, Reference, Role, Unit, Well};

/// Longest duration that is believed: a century.
const MAX_HOURS: f64 = 876_000.0;

/// The observation of each row.
///
/// # Errors
/// The first wrong cell in the order of the rows.
pub(super) fn observations(
    table: &RawTable,
    mapping: &Mapping,
    card: &Card,
    roles: &[Role],
) -> Result<Vec<Unit>, LoadError> {
    let reader = RowReader::of(table, mapping, card)?;
    // Collected before the first error is looked for, so that the error named is the first and not the fastest.
    let results: Vec<_> = roles.par_iter().enumerate().map(|(row, &role)| reader.observation(row, role)).collect();
    results.into_iter().collect()
}

/// Whether a cell of 0 and 1, or of truth values, says that something was applied; `None` for anything else.
fn flag(text: &str) -> Option<bool> {
    match text.parse::<f64>() {
        Ok(0.0) => Some(false),
        Ok(1.0) => Some(true),
        Ok(_) => None,
        Err(_) => boolean(text),
    }
}

struct RowReader<'a> {
    table: &'a RawTable,
    card: &'a Card,
    mapping: &'a Mapping,
    plate: Option<Cells<'a>>,
    well: Option<Cells<'a>>,
    lab_batch: Option<Cells<'a>>,
    replicate: Option<Cells<'a>>,
    /// `None` where each perturbation has a dose column of its own.
    perturbation: Option<Cells<'a>>,
    doses: Vec<(&'a str, Cells<'a>)>,
    /// Those of these columns that say whether the perturbation was applied, and not how much of it.
    flags: BTreeSet<&'a str>,
    dose: Option<Cells<'a>>,
    dose_unit: Option<Cells<'a>>,
    hours: Option<Cells<'a>>,
    kind: Option<Cells<'a>>,
    cell_count: Option<Cells<'a>>,
    context: Vec<Cells<'a>>,
    /// Filled by [`RowReader::undosed_rows`].
    undosed: OnceLock<BTreeMap<&'a str, (usize, usize)>>,
}

#[derive(Clone, Copy)]
struct Cells<'a> {
    column: &'a str,
    values: &'a [Option<String>],
}

impl<'a> RowReader<'a> {
    fn of(table: &'a RawTable, mapping: &'a Mapping, card: &'a Card) -> Result<Self, LoadError> {
        let named = |column: &'a str| Some(Cells { column, values: table.text(column)? });
        let cells = |role| mapping.column(role).and_then(named);
        let missing = |role: ColumnRole, mend: &str| LoadError::MissingColumn {
            path: table.paths[0].clone(),
            column: role.to_string(),
            mend: mend.to_owned(),
        };
        let lab_batch = cells(ColumnRole::LabBatch);
        // Where no plate is named, wells processed together are what treatment and control are paired within.
        let plate = cells(ColumnRole::Plate).or(lab_batch);
        if plate.is_none() && card.reference == Reference::ControlWells {
            return Err(missing(
                ColumnRole::Plate,
                "name the plate column with `plate = \"…\"` under [columns], put all rows on one plate with `plate = { value = \"P1\" }`, or set `reference = \"relative\"` if \
                 the values are already relative to control",
            ));
        }
        let perturbation = cells(ColumnRole::Perturbation);
        let doses = card.columns.doses.iter();
        let doses: Vec<_> = doses.filter_map(|(name, column)| Some((name.as_str(), named(column)?))).collect();
        let is_flag = |cells: &Cells<'_>| {
            let is_yes_or_no = |text: &Option<String>| text.as_deref().is_none_or(|text| flag(text).is_some());
            unit_of(card, cells.column).is_none() && cells.values.iter().all(is_yes_or_no)
        };
        let flags = doses.iter().map(|(_, cells)| *cells).filter(is_flag).map(|cells| cells.column).collect();
        if perturbation.is_none() && doses.is_empty() {
            return Err(missing(
                ColumnRole::Perturbation,
                "name its column with `perturbation = \"…\"` under [columns]",
            ));
        }
        Ok(Self {
            table,
            card,
            mapping,
            plate,
            well: cells(ColumnRole::Well),
            lab_batch,
            replicate: cells(ColumnRole::Replicate),
            perturbation,
            doses,
            flags,
            dose: cells(ColumnRole::Dose),
            dose_unit: cells(ColumnRole::DoseUnit),
            hours: cells(ColumnRole::Hours),
            kind: cells(ColumnRole::Kind),
            cell_count: cells(ColumnRole::CellCount),
            context: mapping.context().into_iter().filter_map(named).collect(),
            undosed: OnceLock::new(),
        })
    }

    fn observation(&self, row: usize, role: Role) -> Result<Unit, LoadError> {
        let label = |cells: Option<Cells<'_>>| cells.and_then(|cells| cells.values[row].clone());
        let plate = match self.plate {
            None => String::new(),
            Some(plate) => self.required(plate, row, "a plate")?.to_owned(),
        };
        Ok(Unit {
            plate,
            well: self.well(row)?,
            role,
            intervention: self.intervention(row, role)?,
            context: self.context(row, role)?,
            lab_batch: label(self.lab_batch),
            replicate: label(self.replicate),
            cell_count: self.number(self.cell_count, row, "a count of cells, 0 or more", |count| count >= 0.0)?,
        })
    }

    fn intervention(&self, row: usize, role: Role) -> Result<Intervention, LoadError> {
        if matches!(role, Role::NegativeControl | Role::Empty) {
            return Ok(Intervention::untreated());
        }
        let intervention = match self.perturbation {
            Some(perturbation) if self.doses.is_empty() => {
                const EXPECTED: &str =
                    "the name of a perturbation (declare the meaning of an empty cell under [controls])";
                let name = self.required(perturbation, row, EXPECTED)?;
                let kind = self.kind(row, name)?;
                let dose = match role {
                    // What shows that an assay works often stands without its dose.
                    Role::PositiveControl if !self.has_dose(row) => None,
                    _ => self.dose(row, name, kind)?,
                };
                Intervention::single(name, kind, dose)
            }
            _ => Intervention::of(self.applications(row)?),
        };
        let is_duration = |hours: f64| (0.0..=MAX_HOURS).contains(&hours);
        Ok(match self.number(self.hours, row, "a number of hours, 0 or more", is_duration)? {
            Some(hours) => intervention.lasting(hours),
            None => intervention,
        })
    }

    /// The perturbations whose own dose column is above 0.
    fn applications(&self, row: usize) -> Result<Vec<Application>, LoadError> {
        let kind = self.card.kind.unwrap_or_default();
        let mut applications = Vec::new();
        for &(name, cells) in &self.doses {
            const EXPECTED: &str = "a dose, 0 or more (0 or nothing where the perturbation was not applied)";
            let perturbation = || Perturbation { name: name.to_owned(), kind };
            if self.flags.contains(cells.column) {
                let is_applied = cells.values[row].as_deref().is_some_and(|text| flag(text) == Some(true));
                applications.extend(is_applied.then(|| Application { perturbation: perturbation(), dose: None }));
                continue;
            }
            let unit = unit_of(self.card, cells.column).or(self.mapping.dose_unit);
            let unit = unit.ok_or_else(|| self.without_unit(cells))?;
            let dose = self.number(Some(cells), row, EXPECTED, |dose| dose >= 0.0)?.unwrap_or(0.0);
            let unit_um = self.card.in_micromolar(unit, name)?;
            if let Some(dose) = Micromolar::new(rounded(dose * unit_um)) {
                let dose = Some(dose.shown_in(unit, unit_um));
                applications.push(Application { perturbation: perturbation(), dose });
            }
        }
        Ok(applications)
    }

    fn kind(&self, row: usize, name: &str) -> Result<Kind, LoadError> {
        let column = self.perturbation.map_or("", |perturbation| perturbation.column);
        let usual = || self.card.kind.or(kind::of_code(name)).unwrap_or(kind::of_column(column));
        let Some(kind) = self.kind else { return Ok(usual()) };
        let is_role_too = self.mapping.column(ColumnRole::Role) == Some(kind.column) || kind::is_of_roles(kind.column);
        let of_word = |text: &str| self.card.kinds.get(text).copied().or_else(|| kind::of_word(text));
        if is_role_too {
            return Ok(kind.values[row].as_deref().and_then(of_word).unwrap_or_else(usual));
        }
        let text = self.required(kind, row, "a kind of perturbation")?;
        of_word(text).ok_or_else(|| {
            self.wrong(
                kind,
                row,
                text,
                "compound, crispr, crispri, crispra, orf, rnai or other (map other words under [kinds] in a card)",
            )
        })
    }

    fn has_dose(&self, row: usize) -> bool {
        let text = self.dose.and_then(|dose| dose.values[row].as_deref());
        text.is_some_and(|text| !is_zero(text))
    }

    fn dose(&self, row: usize, perturbation: &str, kind: Kind) -> Result<Option<Micromolar>, LoadError> {
        const EXPECTED: &str = "a positive number, with or without a unit (a well without dose is a control)";
        let Some(dose) = self.dose else { return Ok(None) };
        let text = dose.values[row].as_deref().unwrap_or("");
        let (number, behind) = match written(text) {
            Some(written) if written.0 != 0.0 => written,
            Some(_) | None if kind != Kind::Compound && (text.is_empty() || written(text).is_some()) => {
                return Ok(None);
            }
            _ => {
                return Err(self
                    .undosed(dose, row, perturbation)
                    .unwrap_or_else(|| self.wrong(dose, row, text, self.expected_dose(EXPECTED))));
            }
        };
        let unit = match behind {
            Some(unit) => unit,
            None => self.unit(row)?.or(self.mapping.dose_unit).ok_or_else(|| self.without_unit(dose))?,
        };
        let micromolar = self.card.in_micromolar(unit, perturbation)?;
        let value = Micromolar::new(rounded(number * micromolar));
        let value = value.map(|dose| dose.shown_in(unit, micromolar));
        value.map(Some).ok_or_else(|| self.wrong(dose, row, text, self.expected_dose(EXPECTED)))
    }

    /// What a dose should be, with the unit where one holds for all rows.
    fn expected_dose(&self, otherwise: &'static str) -> &'static str {
        match self.mapping.dose_unit.filter(|_| self.dose_unit.is_none()) {
            Some(DoseUnit::Micromolar) => "a positive number in µM (a well without dose is a control)",
            Some(DoseUnit::Nanomolar) => "a positive number in nM (a well without dose is a control)",
            Some(DoseUnit::Millimolar) => "a positive number in mM (a well without dose is a control)",
            Some(DoseUnit::Molar) => "a positive number in M (a well without dose is a control)",
            _ => otherwise,
        }
    }

    /// The unit that stands beside the row's dose.
    fn unit(&self, row: usize) -> Result<Option<DoseUnit>, LoadError> {
        const EXPECTED: &str = "a unit: M, mM, uM, nM, pM, ug/mL or ng/mL (set `dose = \"\"` under [columns] if the doses are not concentrations)";
        let Some(units) = self.dose_unit else { return Ok(None) };
        let Some(text) = units.values[row].as_deref() else { return Ok(None) };
        DoseUnit::parse(text).map(Some).ok_or_else(|| self.wrong(units, row, text, EXPECTED))
    }

    fn without_unit(&self, dose: Cells<'_>) -> LoadError {
        LoadError::DoseUnit { path: self.table.paths[0].clone(), column: dose.column.to_owned() }
    }

    /// The question whether a name is a control, where no row gives it a dose.
    fn undosed(&self, dose: Cells<'a>, row: usize, name: &str) -> Option<LoadError> {
        let counts = self.undosed_rows(dose)?;
        let (n_rows, n_without) = *counts.get(name)?;
        let undosed = || counts.iter().filter(|(_, (rows, without))| rows == without);
        (n_without == n_rows).then(|| LoadError::Undosed {
            place: self.table.place(row),
            column: dose.column.to_owned(),
            name: name.to_owned(),
            n_rows,
            names: undosed().map(|(name, _)| (*name).to_owned()).collect(),
        })
    }

    /// Rows of each name, and those of them without a dose; counted once, as soon as a dose is missing.
    fn undosed_rows(&self, dose: Cells<'a>) -> Option<&BTreeMap<&'a str, (usize, usize)>> {
        let names = self.perturbation?.values;
        Some(self.undosed.get_or_init(|| {
            let mut counts = BTreeMap::<&str, (usize, usize)>::new();
            for (name, text) in names.iter().zip(dose.values) {
                if let Some(name) = name.as_deref() {
                    let (n_rows, n_without) = counts.entry(name).or_default();
                    *n_rows += 1;
                    *n_without += usize::from(text.as_deref().is_none_or(is_zero));
                }
            }
            counts
        }))
    }

    fn well(&self, row: usize) -> Result<Option<Well>, LoadError> {
        const EXPECTED: &str = "a well such as A01 (set `well = \"\"` under [columns] if the column holds none)";
        let Some(well) = self.well else { return Ok(None) };
        let text = self.required(well, row, EXPECTED)?;
        text.parse().map(Some).map_err(|_| self.wrong(well, row, text, EXPECTED))
    }

    fn context(&self, row: usize, role: Role) -> Result<String, LoadError> {
        let hours = self.hours.map(|hours| hours.column);
        let mut parts = Vec::with_capacity(self.context.len());
        for &cells in &self.context {
            let part = match (cells.values[row].as_deref(), role) {
                (None, Role::Empty) => continue,
                (None, _) => {
                    return Err(self.wrong(cells, row, "", "a value, since the column is part of the context"));
                }
                (Some(text), _) => text,
            };
            parts.push(if hours == Some(cells.column) { format!("{part} h") } else { part.to_owned() });
        }
        Ok(parts.join(", "))
    }

    fn number(
        &self,
        cells: Option<Cells<'_>>,
        row: usize,
        expected: &'static str,
        is_valid: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, LoadError> {
        let Some(cells) = cells else { return Ok(None) };
        let Some(text) = cells.values[row].as_deref() else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|&number| number.is_finite() && is_valid(number));
        number.map(Some).ok_or_else(|| self.wrong(cells, row, text, expected))
    }

    fn required(&self, cells: Cells<'a>, row: usize, expected: &'static str) -> Result<&'a str, LoadError> {
        cells.values[row].as_deref().ok_or_else(|| self.wrong(cells, row, "", expected))
    }

    fn wrong(&self, cells: Cells<'_>, row: usize, found: &str, expected: &'static str) -> LoadError {
        LoadError::Cell {
            place: self.table.place(row),
            column: cells.column.to_owned(),
            found: found.to_owned(),
            expected,
        }
    }
}
