//! Plates of one name that are several plates.
//!
//! ```text
//! experiment  plate  well        source     batch    plate
//! HEPG2-01    1      B02         source_4   Batch1   P01
//! HEPG2-02    1      B02         source_5   Batch1   P01
//! ```
//!
//! In RxRx1 `plate` counts within the experiment, in JUMP within source and batch. Taken for one plate, two would be
//! normalized by the controls of both together. Names of plates are therefore looked at within the columns that say what
//! was processed together: where these tell two wells of one position apart, or divide the wells of a name into parts that
//! each have controls, each part is a plate. Of several files each may count its plates from 1: where a position stands
//! in two of them, `file` is such a column.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::card::Card;
use super::error::LoadError;
use super::join;
use super::mapping::{ColumnRole, Mapping, plain};
use super::table::{RawColumn, RawTable, Values};
use crate::screen::{Role, Well};

/// Names of columns within which names of plates may count, the widest first.
const WITHIN: [&str; 16] = [
    "source",
    "source_id",
    "lab",
    "campaign",
    "screen",
    "lab_batch",
    "batch",
    "batch_name",
    "batch_id",
    "batch_number",
    "experiment",
    "experiment_name",
    "experiment_id",
    "run",
    "run_id",
    "week",
];

type Texts<'a> = &'a [Option<String>];

/// Gives plates of one name names of their own, as in `HEPG2-01/1`, and says so.
///
/// # Errors
/// If a column that the card names is absent.
pub(super) fn tell_apart(
    table: &mut RawTable,
    mapping: &mut Mapping,
    card: &Card,
    roles: &[Role],
) -> Result<Vec<String>, LoadError> {
    let Some(plate) = mapping.column(ColumnRole::Plate).map(str::to_owned) else { return Ok(Vec::new()) };
    let has_files = add_files(table);
    let notes = tell_apart_with_files(table, mapping, card, roles, &plate)?;
    if has_files && !mapping.plate_within.iter().any(|column| column == FILE) {
        table.columns.retain(|column| column.name != FILE);
    }
    Ok(notes)
}

/// The column that says from which of several files a row is.
const FILE: &str = "file";

/// Adds the column of files where there are several and no column is called so; images are a file each.
fn add_files(table: &mut RawTable) -> bool {
    let read: BTreeSet<u32> = table.rows.iter().map(|row| row.path).collect();
    if read.len() == table.n_rows() || table.paths.len() < 2 || table.columns.iter().any(|column| column.name == FILE) {
        return false;
    }
    let Some(names) = names_of_files(&table.paths) else { return false };
    let values = table.rows.iter().map(|row| Some(names[row.path as usize].clone())).collect();
    table.columns.push(RawColumn { name: FILE.to_owned(), values: Values::Text(values) });
    true
}

/// Names that tell files apart: their own, or those of their folders, as of `batch1/profiles.csv` and `batch2/profiles.csv`.
fn names_of_files(paths: &[PathBuf]) -> Option<Vec<String>> {
    let of_folder = |path: &PathBuf| {
        let folder = path.parent().and_then(|folder| folder.file_name());
        folder.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let own: Vec<String> = paths.iter().map(|path| join::name_of(path)).collect();
    let folders: Vec<String> = paths.iter().map(of_folder).collect();
    let both = own.iter().zip(&folders).map(|(own, folder)| format!("{folder}/{own}")).collect();
    let is_telling = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    [own, folders, both].into_iter().find(is_telling)
}

fn tell_apart_with_files(
    table: &mut RawTable,
    mapping: &mut Mapping,
    card: &Card,
    roles: &[Role],
    plate: &str,
) -> Result<Vec<String>, LoadError> {
    let plate = plate.to_owned();
    let Some(plates) = table.text(&plate) else { return Ok(Vec::new()) };
    let (within, mut notes) = match &card.columns.plate_within {
        Some(columns) => {
            if let Some(absent) = columns.iter().find(|column| table.text(column).is_none()) {
                return Err(LoadError::MissingColumn {
                    path: table.paths[0].clone(),
                    column: absent.clone(),
                    mend: "`plate_within` under [columns] names it".to_owned(),
                });
            }
            (columns.clone(), Vec::new())
        }
        None => inferred(table, plates, mapping, roles),
    };
    if within.is_empty() {
        return Ok(notes);
    }
    let values: Vec<Texts<'_>> = within.iter().filter_map(|column| table.text(column)).collect();
    let full_name = |row: usize| {
        let name = plates[row].as_deref()?;
        let parts = values.iter().filter_map(|values| values[row].as_deref());
        Some(parts.chain([name]).collect::<Vec<_>>().join("/"))
    };
    let full: Vec<Option<String>> = (0..table.n_rows()).map(full_name).collect();
    let distinct = |names: Texts<'_>| names.iter().flatten().collect::<BTreeSet<_>>().len();
    let columns = within.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    if card.columns.plate_within.is_none() {
        let example = full.iter().flatten().next().map_or("", String::as_str);
        notes.push(format!(
            "plates of one name differ in {columns}: {} names are {} plates, called as in `{example}` (set \
             `plate_within = []` under [columns] if a plate holds wells of several)",
            distinct(plates),
            distinct(&full)
        ));
    }
    let mapped = mapping.columns.iter_mut().find(|mapped| mapped.role == ColumnRole::Plate);
    let mapped = mapped.expect("the column of plates was asked for above");
    mapped.why += &format!(", whose names count within {columns}");
    mapping.plate_within = within;
    let column = table.columns.iter_mut().find(|column| column.name == plate);
    *column.expect("its text was read above") = RawColumn { name: plate, values: Values::Text(full) };
    Ok(notes)
}

/// The columns within which the names count, and what is to be asked of the user.
fn inferred(table: &RawTable, plates: Texts<'_>, mapping: &Mapping, roles: &[Role]) -> (Vec<String>, Vec<String>) {
    let lab_batch = mapping.column(ColumnRole::LabBatch);
    let is_wide = |name: &str| WITHIN.contains(&plain(name).as_str()) || lab_batch == Some(name);
    let mut wide: Vec<(&str, Texts<'_>)> = table
        .columns
        .iter()
        .filter(|column| is_wide(&column.name))
        .filter_map(|column| named(table, &column.name))
        .collect();
    wide.sort_by_key(|(name, _)| WITHIN.iter().position(|word| plain(name) == *word).unwrap_or(WITHIN.len()));
    let hours = mapping.column(ColumnRole::Hours);
    let context = mapping.context().into_iter().filter(|column| Some(*column) != hours);
    // These vary within a plate in many a design; only one well that stands there twice tells.
    let narrow: Vec<(&str, Texts<'_>)> = mapping
        .column(ColumnRole::Replicate)
        .into_iter()
        .chain(context)
        .chain(table.text(FILE).filter(|_| table.paths.len() > 1).map(|_| FILE))
        .filter_map(|name| named(table, name))
        .collect();

    let mut names: Vec<Vec<&str>> = plates.iter().map(|plate| vec![plate.as_deref().unwrap_or_default()]).collect();
    let positions = positions(table, mapping);
    let (mut within, mut notes) = (Vec::new(), Vec::new());
    let is_plate = |column: &str| mapping.column(ColumnRole::Plate) == Some(column);
    for (is_wide, (column, values)) in
        wide.iter().map(|wide| (true, wide)).chain(narrow.iter().map(|narrow| (false, narrow)))
    {
        let Some(divided) = divided(&names, values).filter(|_| !is_plate(column)) else { continue };
        let is_apart = tells_wells_apart(&names, values, &positions);
        if is_apart || is_wide && has_controls_everywhere(&names, values, roles) {
            for (name, value) in names.iter_mut().zip(*values) {
                name.extend(value.as_deref());
            }
            within.push((*column).to_owned());
        } else if *column == FILE {
            let (plate, n_values) = divided;
            notes.push(format!(
                "plate `{plate}` has wells in {n_values} files and is taken as one plate; if its name stands for several \
                 plates, set `plate_within = [\"file\"]` under [columns] in a card"
            ));
        } else if is_wide {
            let (plate, n_values) = divided;
            notes.push(format!(
                "plate `{plate}` has wells of {n_values} values of `{column}`, and is taken as one plate since not all \
                 of them have controls there; if its name stands for several plates, set `plate_within = \
                 [\"{column}\"]` under [columns] in a card"
            ));
        }
    }
    (within, notes)
}

fn named<'a>(table: &'a RawTable, name: &'a str) -> Option<(&'a str, Texts<'a>)> {
    Some((name, table.text(name)?))
}

/// The plate of each row with what tells two rows of it apart.
pub(super) fn positions_on_plates(table: &RawTable, mapping: &Mapping) -> Vec<Option<String>> {
    let plates = mapping.column(ColumnRole::Plate).and_then(|column| table.text(column));
    let on_plate = |(row, position): (usize, Option<String>)| {
        let plate = plates.and_then(|plates| plates[row].as_deref()).unwrap_or_default();
        position.map(|position| format!("{plate}\n{position}"))
    };
    positions(table, mapping).into_iter().enumerate().map(on_plate).collect()
}

/// What tells two rows of a plate apart: well, field of view, time and cell; `None` where no well is named.
fn positions(table: &RawTable, mapping: &Mapping) -> Vec<Option<String>> {
    let text = |role| mapping.column(role).and_then(|column| table.text(column));
    let (wells, sites, hours) = (text(ColumnRole::Well), text(ColumnRole::Site), text(ColumnRole::Hours));
    let cells = mapping.cells.as_deref().and_then(|column| table.text(column));
    let position = |row: usize| {
        let of = |cells: Option<Texts<'_>>| cells.and_then(|cells| cells[row].clone()).unwrap_or_default();
        let well = wells?[row].as_deref()?;
        let well = well.parse::<Well>().map_or_else(|_| well.to_owned(), |well| well.to_string());
        Some(format!("{well}\n{}\n{}\n{}", of(sites), of(hours), of(cells)))
    };
    (0..table.n_rows()).map(position).collect()
}

/// A plate of which the rows hold several values, with their number.
fn divided<'a>(names: &[Vec<&'a str>], values: Texts<'_>) -> Option<(&'a str, usize)> {
    let mut of_plate = BTreeMap::<&[&'a str], BTreeSet<&str>>::new();
    for (name, value) in names.iter().zip(values) {
        of_plate.entry(name).or_default().extend(value.as_deref());
    }
    of_plate.into_iter().find(|(_, values)| values.len() > 1).map(|(name, values)| (name[0], values.len()))
}

/// Whether rows of one plate and position differ in the value.
fn tells_wells_apart(names: &[Vec<&str>], values: Texts<'_>, positions: &[Option<String>]) -> bool {
    let mut seen = BTreeMap::new();
    let rows = names.iter().zip(values).zip(positions);
    rows.filter_map(|((name, value), position)| Some((name, value.as_deref()?, position.as_deref()?)))
        .any(|(name, value, position)| *seen.entry((name, position)).or_insert(value) != value)
}

/// Whether each part of a plate that has treated wells has controls too.
fn has_controls_everywhere(names: &[Vec<&str>], values: Texts<'_>, roles: &[Role]) -> bool {
    let mut parts = BTreeMap::<(&[&str], Option<&str>), (bool, bool)>::new();
    for ((name, value), role) in names.iter().zip(values).zip(roles) {
        let (is_treated, has_control) = parts.entry((name, value.as_deref())).or_default();
        *is_treated |= role.is_treated();
        *has_control |= *role == Role::NegativeControl;
    }
    parts.values().all(|(is_treated, has_control)| !is_treated || *has_control)
}
