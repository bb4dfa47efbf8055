//! Groups of wells, and which parameters they give to each well.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::keys::{column_of, pattern, row_of, size_of, wells_of};
use super::{At, GROUPS};

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

/// All groups of a plate.
pub(super) struct Layout {
    groups: Vec<Group>,
}

impl Layout {
    /// The groups of a plate and of all plates, or of these alone.
    pub fn of(tables: &[&Table]) -> Result<Self, String> {
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
    pub fn wells(&self) -> Result<BTreeMap<At, BTreeMap<String, String>>, String> {
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
