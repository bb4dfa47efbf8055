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

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::{Table, Value};

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

/// A group of wells with its parameters.
struct Group {
    /// As written, for messages.
    name: String,
    /// Kind, area and whether it is of all plates: the lower counts for more.
    rank: (usize, usize, usize),
    wells: Wells,
    values: BTreeMap<String, String>,
}

/// Which wells a group means.
enum Wells {
    These(BTreeSet<At>),
    Row(usize),
    Column(usize),
    InterleavedRow(usize),
    InterleavedColumn(usize),
    All,
}

struct Layout {
    groups: Vec<Group>,
}

impl Layout {
    /// The groups of a plate and of all plates, or of these alone.
    fn of(tables: &[&Table]) -> Result<Self, String> {
        let mut groups = Vec::new();
        for (of_all, table) in (2 - tables.len()..).zip(tables) {
            for (kind, name) in GROUPS.iter().enumerate() {
                let Some(content) = table.get(*name) else { continue };
                let content = content.as_table().ok_or_else(|| format!("`{name}` is not a table"))?;
                let group = |name: String, area: usize, wells: Wells, values: &Value| {
                    Ok::<_, String>(Group {
                        rank: (kind, area, of_all),
                        wells,
                        values: parameters(&name, values)?,
                        name,
                    })
                };
                match *name {
                    "expt" => groups.push(group("expt".into(), 0, Wells::All, &Value::Table(content.clone()))?),
                    "block" => {
                        for (size, content) in content {
                            let (width, height) = size_of(size)?;
                            let content = content.as_table().ok_or_else(|| format!("`block.{size}` is not a table"))?;
                            for (at, values) in content {
                                let block = |(row, column): At| {
                                    (row..row + height)
                                        .flat_map(move |row| (column..column + width).map(move |column| (row, column)))
                                };
                                let wells = wells_of(at)?.into_iter().flat_map(block).collect();
                                groups.push(group(
                                    format!("block.{size}.{at}"),
                                    width * height,
                                    Wells::These(wells),
                                    values,
                                )?);
                            }
                        }
                    }
                    "well" => {
                        for (at, values) in content {
                            let wells = wells_of(at)?.into_iter().collect();
                            groups.push(group(format!("well.{at}"), 0, Wells::These(wells), values)?);
                        }
                    }
                    _ => {
                        for (key, values) in content {
                            let lines =
                                if name.ends_with("row") { pattern(key, row_of)? } else { pattern(key, column_of)? };
                            for line in lines {
                                let wells = match *name {
                                    "row" => Wells::Row(line),
                                    "col" => Wells::Column(line),
                                    "irow" => Wells::InterleavedRow(line),
                                    _ => Wells::InterleavedColumn(line),
                                };
                                groups.push(group(format!("{name}.{key}"), 0, wells, values)?);
                            }
                        }
                    }
                }
            }
            // What a plate says outside of its groups is of the whole plate.
            if tables.len() == 2 && of_all == 0 {
                let whole: Table = table
                    .iter()
                    .filter(|(key, _)| !GROUPS.contains(&key.as_str()))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect();
                let values = parameters("plate", &Value::Table(whole))?;
                groups.push(Group { name: "plate".into(), rank: (6, 0, 0), wells: Wells::All, values });
            }
        }
        Ok(Self { groups })
    }

    /// Each well with its parameters.
    fn wells(&self) -> Result<BTreeMap<At, BTreeMap<String, String>>, String> {
        let mut wells = BTreeMap::new();
        for at in self.places() {
            let mut groups: Vec<&Group> = self.groups.iter().filter(|group| group.wells.have(at)).collect();
            groups.sort_by_key(|group| group.rank);
            let mut values = BTreeMap::<String, (String, &Group)>::new();
            for group in groups {
                for (name, value) in &group.values {
                    match values.get(name) {
                        None => {
                            values.insert(name.clone(), (value.clone(), group));
                        }
                        Some((known, first)) if first.rank == group.rank && known != value => {
                            return Err(format!(
                                "[{}] and [{}] give `{name}` two values, {known:?} and {value:?}; let one well have one",
                                first.name, group.name
                            ));
                        }
                        Some(_) => {}
                    }
                }
            }
            wells.insert(at, values.into_iter().map(|(name, (value, _))| (name, value)).collect());
        }
        Ok(wells)
    }

    /// All wells that the groups make.
    fn places(&self) -> BTreeSet<At> {
        let named = |of: fn(&Wells) -> Option<usize>| -> Vec<usize> {
            self.groups.iter().filter_map(|group| of(&group.wells)).collect()
        };
        let rows = named(|wells| if let Wells::Row(row) = wells { Some(*row) } else { None });
        let columns = named(|wells| if let Wells::Column(column) = wells { Some(*column) } else { None });
        let irows = named(|wells| if let Wells::InterleavedRow(row) = wells { Some(*row) } else { None });
        let icolumns = named(|wells| if let Wells::InterleavedColumn(column) = wells { Some(*column) } else { None });
        let these = self
            .groups
            .iter()
            .filter_map(|group| if let Wells::These(wells) = &group.wells { Some(wells) } else { None });
        let mut places: BTreeSet<At> = these.flatten().copied().collect();
        let plain_rows = span(places.iter().map(|at| at.0).chain(rows.iter().copied()));
        let plain_columns = span(places.iter().map(|at| at.1).chain(columns.iter().copied()));
        let from_irows =
            irows.iter().flat_map(|&row| plain_columns.clone().map(move |column| interleaved(row, column)));
        let all_rows = span(plain_rows.clone().chain(from_irows));
        let from_icolumns =
            icolumns.iter().flat_map(|&column| plain_rows.clone().map(move |row| interleaved(column, row)));
        let all_columns = span(plain_columns.clone().chain(from_icolumns));
        for column in all_columns.clone() {
            places.extend(rows.iter().map(|&row| (row, column)));
            places.extend(irows.iter().map(|&row| (interleaved(row, column), column)));
        }
        for row in all_rows {
            places.extend(columns.iter().map(|&column| (row, column)));
            places.extend(icolumns.iter().map(|&column| (row, interleaved(column, row))));
        }
        places
    }
}

impl Wells {
    fn have(&self, at: At) -> bool {
        let (row, column) = at;
        match self {
            Self::These(wells) => wells.contains(&at),
            Self::Row(line) => *line == row,
            Self::Column(line) => *line == column,
            Self::InterleavedRow(line) => *line == interleaved(row, column),
            Self::InterleavedColumn(line) => *line == interleaved(column, row),
            Self::All => true,
        }
    }
}

/// On every second line across, a line and its neighbor change places.
fn interleaved(line: usize, across: usize) -> usize {
    if across.is_multiple_of(2) { line } else { line ^ 1 }
}

/// From the first to the last of some numbers.
fn span(numbers: impl Iterator<Item = usize>) -> std::ops::Range<usize> {
    let (first, end) = numbers.fold((usize::MAX, 0), |(first, end), number| (first.min(number), end.max(number + 1)));
    if end == 0 { 0..0 } else { first..end }
}

fn parameters(group: &str, values: &Value) -> Result<BTreeMap<String, String>, String> {
    let table = values
        .as_table()
        .ok_or_else(|| format!("[{group}] holds a value where wells and their parameters are expected"))?;
    let parameter = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(is) => is.to_string(),
            Value::Datetime(date) => date.to_string(),
            Value::Array(_) | Value::Table(_) => {
                return Err(format!("`{name}` in [{group}] is a list or a table, expected one value"));
            }
        };
        Ok((name.clone(), text))
    };
    table.iter().map(parameter).collect()
}

/// `2x3` as columns and rows.
fn size_of(size: &str) -> Result<(usize, usize), String> {
    let is_size = |n: &usize| (1..=usize::from(Well::MAX_COLUMNS)).contains(n);
    let sides = size.split_once('x').map(|(width, height)| (width.parse().ok(), height.parse().ok()));
    match sides {
        Some((Some(width), Some(height))) if is_size(&width) && is_size(&height) => Ok((width, height)),
        _ => Err(format!("`block.{size}`: expected columns and rows, as in `block.2x3.A1`")),
    }
}

fn row_of(text: &str) -> Option<usize> {
    // A row is that of its first well.
    text.bytes()
        .all(|byte| byte.is_ascii_alphabetic())
        .then(|| format!("{text}1").parse::<Well>().ok())?
        .map(|well| well.row().into())
}

fn column_of(text: &str) -> Option<usize> {
    let column: usize = text.parse().ok()?;
    (1..=usize::from(Well::MAX_COLUMNS)).contains(&column).then(|| column - 1)
}

/// The lines of `A`, `A,C` or `A,C,...,G`.
fn pattern(key: &str, line: impl Fn(&str) -> Option<usize>) -> Result<Vec<usize>, String> {
    let parts: Vec<&str> = key.split(',').map(str::trim).collect();
    let line = |part: &str| line(part).ok_or_else(|| format!("`{part}` in `{key}` is neither a row nor a column"));
    match parts[..] {
        [first, second, "...", last] => steps(key, line(first)?, line(second)?, line(last)?),
        _ => parts.into_iter().map(line).collect(),
    }
}

/// The wells of `A1`, `A1,A3` or `A1,C3,...,G7`.
fn wells_of(key: &str) -> Result<Vec<At>, String> {
    let well = |part: &str| -> Result<At, String> {
        let well: Well = part.parse().map_err(|error| format!("`{key}`: {error}"))?;
        Ok((well.row().into(), usize::from(well.column()) - 1))
    };
    let parts: Vec<&str> = key.split(',').map(str::trim).collect();
    match parts[..] {
        [first, second, "...", last] => {
            let (first, second, last) = (well(first)?, well(second)?, well(last)?);
            let rows = steps(key, first.0, second.0, last.0)?;
            let columns = steps(key, first.1, second.1, last.1)?;
            Ok(rows.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column))).collect())
        }
        _ => parts.into_iter().map(well).collect(),
    }
}

fn steps(key: &str, first: usize, second: usize, last: usize) -> Result<Vec<usize>, String> {
    let step = second.checked_sub(first);
    match step {
        Some(0) if last == first => Ok(vec![first]),
        Some(step) if step > 0 && last >= second && (last - first).is_multiple_of(step) => {
            Ok((first..=last).step_by(step).collect())
        }
        _ => Err(format!("`{key}`: the last cannot be reached in steps from the first to the second")),
    }
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
