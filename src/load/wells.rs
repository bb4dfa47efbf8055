//! Wells that stand in two columns, one of rows and one of columns of the plate.
//!
//! ```text
//! row  column  compound        WellRow  WellCol
//! A    1       DMSO            2        11
//! ```

use super::mapping::{ColumnRole, plain};
use super::table::{ColumnSketch, RawColumn, RawTable, Values};
use crate::screen::Well;

/// Names of columns of rows, and of columns, in small letters and without signs.
const ROWS: [&str; 3] = ["row", "wellrow", "platerow"];
const COLUMNS: [&str; 6] = ["column", "col", "wellcolumn", "wellcol", "platecolumn", "platecol"];

/// The column that is made of the two.
const WELL: &str = "well";

/// The columns of rows and of columns, where no column is called by a usual name of wells.
fn parts<'a>(names: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let squeezed = |name: &str| plain(name).replace('_', "");
    let is_well = |name: &&str| ColumnRole::Well.usual_names().iter().any(|word| squeezed(name) == squeezed(word));
    if names.iter().any(is_well) {
        return None;
    }
    let named = |words: &[&str]| names.iter().copied().find(|name| words.contains(&squeezed(name).as_str()));
    named(&ROWS).zip(named(&COLUMNS))
}

/// `A` and `1`, or `1` and `1` -> `A01`.
fn well_at(row: &str, column: &str) -> Option<Well> {
    let whole =
        |text: &str| text.parse::<f64>().ok().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    let numbers = whole(row).zip(whole(column));
    let well = numbers.and_then(|(row, column)| Well::at(row, column));
    // `01` behind a letter, or `1.0` as of a column with gaps.
    let is_of_letters = !row.is_empty() && row.chars().all(char::is_alphabetic);
    well.or_else(|| if is_of_letters { format!("{row}{}", whole(column)?).parse().ok() } else { None })
}

/// The wells of a table that names them by row and column, if all rows do.
pub(super) fn of_rows_and_columns(table: &RawTable) -> Option<Vec<Option<String>>> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let (rows, columns) = parts(&names)?;
    let cells = table.text(rows)?.iter().zip(table.text(columns)?);
    let wells: Vec<Option<String>> =
        cells.map(|(row, column)| Some(well_at(row.as_deref()?, column.as_deref()?)?.to_string())).collect();
    wells.iter().all(Option::is_some).then_some(wells)
}

/// The table with a column of wells, where it names them by row and column.
pub(super) fn with_wells(mut table: RawTable) -> RawTable {
    if let Some(wells) = of_rows_and_columns(&table) {
        table.columns.push(RawColumn { name: WELL.to_owned(), values: Values::Text(wells) });
    }
    table
}

/// The columns of a file with that of wells, where its first rows name them by row and column.
pub(super) fn with_sketch_of_wells(mut sketches: Vec<ColumnSketch>) -> Vec<ColumnSketch> {
    let names: Vec<&str> = sketches.iter().map(|sketch| sketch.name.as_str()).collect();
    let Some((rows, columns)) = parts(&names) else { return sketches };
    let of = |name: &str| sketches.iter().find(|sketch| sketch.name == name);
    let (Some(rows), Some(columns)) = (of(rows), of(columns)) else { return sketches };
    let are_places = rows.values.iter().all(|row| well_at(row, "1").is_some())
        && columns.values.iter().all(|column| well_at("1", column).is_some())
        && rows.n_cells() > 0
        && rows.n_cells() == columns.n_cells();
    if are_places {
        let n_texts = rows.n_cells();
        let first = rows.values.first().zip(columns.values.first());
        let values = first.and_then(|(row, column)| well_at(row, column)).map(|well| well.to_string());
        let sketch = ColumnSketch { n_texts, values: values.into_iter().collect(), ..ColumnSketch::of(WELL) };
        sketches.push(sketch);
    }
    sketches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_and_a_column_make_a_well() {
        for (row, column, well) in
            [("A", "1", "A01"), ("a", "01", "A01"), ("1", "1", "A01"), ("2.0", "11.0", "B11"), ("AF", "48", "AF48")]
        {
            assert_eq!(well_at(row, column).map(|well| well.to_string()).as_deref(), Some(well));
        }
        for (row, column) in [("A", "0"), ("33", "1"), ("0.5", "1"), ("AG", "1"), ("x1", "1")] {
            assert_eq!(well_at(row, column), None, "{row} {column}");
        }
        assert_eq!(parts(&["WellRow", "Well Col", "f1"]), Some(("WellRow", "Well Col")));
        assert_eq!(parts(&["row", "col", "Well"]), None);
    }
}
