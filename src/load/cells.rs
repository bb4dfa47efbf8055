//! Tables of single cells: a column that numbers the cells of a well or of a field of view.
//!
//! ```text
//! plate  well  cell_id      Metadata_Well  ObjectNumber
//! P1     A01   1            A01            1
//! P1     A01   2            A01            2
//! ```
//!
//! `cell_id` names the cell line in tables of the Broad Institute, where a well has one. Where it numbers the rows of a
//! well it is not a context: each cell would be a treatment of its own.

use std::collections::BTreeSet;

use super::card::Card;
use super::mapping::{ColumnRole, Mapping, plain};
use super::table::RawTable;

/// Names of columns that number cells.
const NUMBERS: [&str; 10] = [
    "cell_id",
    "cell_number",
    "cell_index",
    "cell",
    "objectnumber",
    "object_number",
    "object_id",
    "object",
    "nucleus_id",
    "nuclei_number",
];

/// Maps the column that numbers the cells of wells, where rows repeat a well and its field of view, and says so.
pub(super) fn map(table: &RawTable, mapping: &mut Mapping, card: &Card) -> Option<String> {
    let text = |role| mapping.column(role).and_then(|column| table.text(column));
    let Some(wells) = text(ColumnRole::Well) else { return without_wells(table) };
    let places = [text(ColumnRole::Plate), text(ColumnRole::LabBatch), text(ColumnRole::Site), text(ColumnRole::Hours)];
    let declared = |column: &str| {
        let of_context = card.columns.context.iter().flatten().any(|declared| declared.column() == Some(column));
        of_context || mapping.columns.iter().any(|mapped| mapped.column == column && mapped.role != ColumnRole::Context)
    };
    let is_repeated = |numbers: Texts<'_>| {
        let mut seen = BTreeSet::new();
        let mut is_new =
            |row: usize| seen.insert((at(Some(wells), row), places.map(|place| at(place, row)), at(numbers, row)));
        !(0..table.n_rows()).all(&mut is_new)
    };
    let is_number = |value: &Option<String>| {
        value.as_deref().and_then(|value| value.parse::<f64>().ok()).is_some_and(|number| number.fract() == 0.0)
    };
    let is_of_numbers = |column: &&str| {
        NUMBERS.contains(&plain(column).as_str())
            && !declared(column)
            && table.text(column).is_some_and(|values| values.iter().all(is_number))
    };
    let mut columns = table.columns.iter().map(|column| column.name.as_str()).filter(is_of_numbers).peekable();
    // All rows are walked for this; most tables have no such column.
    columns.peek().filter(|_| is_repeated(None))?;
    let column = columns.find(|column| !is_repeated(table.text(column)))?.to_owned();
    mapping.columns.retain(|mapped| mapped.column != column);
    let note = format!(
        "`{column}` numbers the cells of wells: each row is a cell, and wells are what is counted as controls and \
         replicates"
    );
    mapping.cells = Some(column);
    Some(note)
}

/// What to know where cells are numbered and no column says which wells they are of.
fn without_wells(table: &RawTable) -> Option<String> {
    let repeats = |name: &&str| {
        let values = table.text(name).unwrap_or_default();
        let distinct: BTreeSet<&str> = values.iter().flatten().map(String::as_str).collect();
        NUMBERS.contains(&plain(name).as_str()) && distinct.len() > 1 && 4 * distinct.len() <= values.len()
    };
    let column = table.columns.iter().map(|column| column.name.as_str()).find(repeats)?;
    Some(format!(
        "`{column}` seems to number cells, and no column says which wells they are of: each row counts as a well, and its \
         replicates are none where they are cells of one; name the column with `well = \"…\"` under [columns]"
    ))
}

type Texts<'a> = Option<&'a [Option<String>]>;

fn at(cells: Texts<'_>, row: usize) -> Option<&str> {
    cells.and_then(|cells| cells[row].as_deref())
}
