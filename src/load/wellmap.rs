//! Layouts of plates as wellmap writes them: TOML in which groups of wells have parameters.
//!
//! ```toml
//! [meta]
//! paths = "plate_{}.csv"          # where other programs find the data; not read
//!
//! [expt]
//! cell_line = "U2OS"              # every well
//!
//! [block.2x3.A1]                  # 2 columns, 3 rows, from A1 on
//! compound = "taxol"
//!
//! [row.'A,B,...,D']               # A to D
//! dose_um = 0.3
//!
//! [col.'1,3,...,11']              # every other column
//! solvent = "DMSO"
//!
//! [plate.P1.well.A1]              # of one plate
//! compound = "DMSO"
//! ```
//!
//! Wells are those of wells and blocks, and those where rows and columns meet. Where several groups give a parameter to a
//! well, the order is well, block (the smaller first), row, col, irow, icol, expt; a plate's group comes before the same
//! group of all plates. `irow` and `icol` are interleaved with their neighbors: on even columns `irow.A` is row B.
//! The table has a row for each well, and a column `plate` if plates are named. What [meta] says of other files and of
//! drawing is not used; keys outside of groups are notes. Refused: `meta.include` and `meta.concat`, parameters that are
//! lists or tables, and two groups of one kind and size that give a well two values.

mod keys;
mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::{Table, Value};

use self::layout::Layout;
use super::error::LoadError;
use super::table::{self, RawColumn, RawTable, RowPlace, Values};
use super::text::read_small_text;
use crate::screen::Well;

/// Keys that name groups of wells.
const GROUPS: [&str; 7] = ["well", "block", "row", "col", "irow", "icol", "expt"];

/// Rows and columns, counted from 0.
type At = (usize, usize);

/// Whether a file is such a layout, and not a card or a configuration.
pub(super) fn is_wellmap(path: &Path) -> bool {
    if path.extension().is_none_or(|extension| extension != "toml") {
        return false;
    }
    let Some(layout) = read_small_text(path).ok().and_then(|text| text.parse::<Table>().ok()) else { return false };
    let has_groups = |table: &Table| GROUPS[..6].iter().any(|group| table.get(*group).is_some_and(Value::is_table));
    let plates = layout.get("plate").and_then(Value::as_table).into_iter().flat_map(Table::values);
    has_groups(&layout) || plates.filter_map(Value::as_table).any(has_groups)
}

/// The layout as a table of wells.
///
/// # Errors
/// If the file cannot be read, or says what is not understood.
pub(super) fn read(path: &Path) -> Result<RawTable, LoadError> {
    let error = |message: String| LoadError::Decode { path: path.to_path_buf(), message };
    let text = read_small_text(path).map_err(|cause| error(cause.to_string()))?;
    let layout: Table =
        text.parse().map_err(|cause: toml::de::Error| error(cause.to_string().trim_end().to_owned()))?;
    if let Some(meta) = layout.get("meta").and_then(Value::as_table)
        && let Some(key) = ["include", "concat"].into_iter().find(|key| meta.contains_key(*key))
    {
        return Err(error(format!("`meta.{key}` of a wellmap layout is not read; write what it names into this file")));
    }
    let mut rows: Vec<(Option<String>, At, BTreeMap<String, String>)> = Vec::new();
    match layout
        .get("plate")
        .map(|plates| plates.as_table().ok_or_else(|| error("`plate` is not a table of plates".into())))
    {
        None => {
            let of_wells = Layout::of(&[&layout]).and_then(|layout| layout.wells()).map_err(error)?;
            rows.extend(of_wells.into_iter().map(|(at, values)| (None, at, values)));
        }
        Some(plates) => {
            for (name, plate) in plates? {
                let plate = plate.as_table().ok_or_else(|| error(format!("`plate.{name}` is not a table")))?;
                if plate.contains_key("expt") {
                    return Err(error(format!("`plate.{name}.expt` is not read; write its keys into `plate.{name}`")));
                }
                let of_wells = Layout::of(&[plate, &layout]).and_then(|layout| layout.wells());
                let of_wells = of_wells.map_err(|message| error(format!("plate `{name}`: {message}")))?;
                rows.extend(of_wells.into_iter().map(|(at, values)| (Some(name.clone()), at, values)));
            }
        }
    }
    if rows.is_empty() {
        return Err(error(
            "the layout names no wells; give [well.A1], [block.WxH.A1], or [row.A] and [col.1]".to_owned(),
        ));
    }
    table_of(path, &rows).map_err(error)
}

fn table_of(path: &Path, rows: &[(Option<String>, At, BTreeMap<String, String>)]) -> Result<RawTable, String> {
    let names: BTreeSet<&String> = rows.iter().flat_map(|(_, _, values)| values.keys()).collect();
    let has_plates = rows.iter().any(|(plate, _, _)| plate.is_some());
    if let Some(name) = names.iter().find(|name| *name.as_str() == *"well" || has_plates && *name.as_str() == *"plate")
    {
        return Err(format!("a parameter is called `{name}`, which the layout itself gives; rename it"));
    }
    let well = |(row, column): At| Well::at(row as i64 + 1, column as i64 + 1);
    let wells: Vec<Option<String>> = rows.iter().map(|(_, at, _)| well(*at).map(|well| well.to_string())).collect();
    if wells.contains(&None) {
        return Err("a well lies beyond row AF or column 48".to_owned());
    }
    let text = |name: &str, values| RawColumn { name: name.to_owned(), values: Values::Text(values) };
    let mut columns = vec![text("well", wells)];
    if has_plates {
        columns.insert(0, text("plate", rows.iter().map(|(plate, _, _)| plate.clone()).collect()));
    }
    for name in names {
        let values = rows
            .iter()
            .map(|(_, _, values)| values.get(name).and_then(|value| table::present(value)).map(str::to_owned));
        columns.push(text(name, values.collect()));
    }
    let places = rows.iter().map(|_| RowPlace { path: 0, line: 1 }).collect();
    Ok(RawTable { columns, rows: places, paths: vec![path.to_path_buf()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layout.toml");
        std::fs::write(&path, text).unwrap();
        assert!(is_wellmap(&path), "{text}");
        let table =
            read(&path).map_err(|error| error.to_string().replace(&format!("{}", path.display()), "layout.toml"))?;
        let cell =
            |column: &RawColumn, row: usize| table.text(&column.name).unwrap()[row].clone().unwrap_or("-".into());
        Ok((0..table.n_rows())
            .map(|row| table.columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(" "))
            .collect())
    }

    #[test]
    fn blocks_rows_and_columns_make_wells() {
        assert_eq!(
            cells("[block.2x1.A1]\nx = 1\n[block.2x1.B1]\nx = 2.50\n[col.2]\nsolvent = 'DMSO'\n").unwrap(),
            ["A01 - 1", "A02 DMSO 1", "B01 - 2.5", "B02 DMSO 2.5"]
        );
        assert_eq!(
            cells("[row.'A,C,...,E']\n[col]\n1.dose = 0\n3.dose = 1\n").unwrap(),
            [
                "A01 0", "A02 -", "A03 1", "B01 0", "B03 1", "C01 0", "C02 -", "C03 1", "D01 0", "D03 1", "E01 0",
                "E02 -", "E03 1"
            ]
        );
        assert_eq!(
            cells("[well.'A1,C3,...,C3']\nx = true\n").unwrap(),
            ["A01 true", "A03 true", "C01 true", "C03 true"]
        );
    }

    #[test]
    fn interleaved_rows_and_columns_change_places_on_even_lines() {
        assert_eq!(
            cells("[irow]\nA.x = 'a'\nB.x = 'b'\n[col.'1,2,...,4']\n").unwrap(),
            ["A01 a", "A02 b", "A03 a", "A04 b", "B01 b", "B02 a", "B03 b", "B04 a"]
        );
        assert_eq!(cells("[icol]\n1.x = 'a'\n2.x = 'b'\n[row.'A,B']\n").unwrap(), ["A01 a", "A02 b", "B01 b", "B02 a"]);
    }

    /// The order of precedence, as the documentation of wellmap lists it.
    #[test]
    fn the_more_special_group_counts() {
        let all = "[expt]\np = 'expt'\n[col.1]\np = 'col'\n[row.A]\np = 'row'\n[block.3x3.A1]\np = 'large'\n\
                   [block.2x2.A1]\np = 'small'\n[well.A1]\np = 'well'\n[block.5x5.A1]\n";
        let wells = cells(all).unwrap();
        for expected in ["A01 well", "B02 small", "C03 large", "A05 row", "D01 col", "E05 expt"] {
            assert!(wells.contains(&expected.to_owned()), "{expected}: {wells:?}");
        }
        assert_eq!(
            cells("[plate.X]\n[plate.Y]\np = 'plate'\n[plate.Z.row.A]\np = 'plate.row'\n[row.A]\np = 'row'\n[expt]\np = 'expt'\n[block.1x2.A1]\n")
                .unwrap(),
            ["X A01 row", "X B01 expt", "Y A01 row", "Y B01 plate", "Z A01 plate.row", "Z B01 expt"]
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (text, part) in [
            ("[meta]\ninclude = 'x.toml'\n[well.A1]\nx = 1\n", "`meta.include`"),
            ("[meta.concat]\nX = 'x.toml'\n[well.A1]\nx = 1\n", "`meta.concat`"),
            ("[block.2.A1]\nx = 1\n", "`block.2`"),
            ("[block.2x2.Q99]\nx = 1\n", "Q99"),
            ("[row.A]\nx = 1\n", "names no wells"),
            ("[well.A1]\nx = [1, 2]\n", "a list or a table"),
            ("[well.A1]\nwell = 'x'\n", "called `well`"),
            ("[row.'A,C,...,F']\nx = 1\n[col.1]\n", "cannot be reached"),
            ("[block.2x1.A1]\nx = 1\n[block.2x1.A2]\nx = 2\n", "two values"),
            ("[block.9x9.AF40]\nx = 1\n", "beyond row AF or column 48"),
        ] {
            let error = cells(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
