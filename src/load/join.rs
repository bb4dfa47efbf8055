//! Sheets joined to profile tables: plate maps, plate lists, compound annotations.
//!
//! ```text
//! plate_map_name  well_position  broad_sample            mmoles_per_liter
//! C-7161-01       A01            BRD-K18895904-001-16-1  10
//! C-7161-01       a2             BRD-K50691590-001-02-2  3.3333
//! ```
//!
//! A sheet is a table in any format of `load`, read as text, or several of the same columns. Its key is one or more
//! columns, whose values are compared as [`Compare`] says. Rows of the profile table without a row in the sheet, and the
//! other way round, are counted. Two rows of a sheet with one key must agree in what is taken from them. A column that the
//! table has too must agree with it where both have a value; where the table has none, the sheet's is taken.
//! A plate map that has no column of plates, joined on plate and well, is that of the plate that its file is named after.

mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::keys::{Part, SameKeys};
use super::card::{Card, Join};
use super::compare::Compare;
use super::error::LoadError;
use super::join_key::JoinKey;
use super::mapping::{ColumnRole, Mapping, column_called};
use super::table::{RawColumn, RawTable, Values, distinct};
use super::{format, inputs};

/// The column of a plate map without plates that holds the names of the files.
const PLATE_OF_FILE: &str = "plate";

/// A sheet as read, before its rows are matched.
pub(super) struct Sheet {
    pub paths: Vec<PathBuf>,
    pub table: RawTable,
    /// The sheet's columns to take, with their names in the joined table.
    taken: Vec<(String, String)>,
    /// For each key column: the word for the profile table's side, and the sheet's column.
    keys: Vec<(String, String)>,
    /// Whether it was joined unasked, so that everything is said of it.
    is_found: bool,
}

/// What a join found out.
pub(super) struct Joined {
    /// Whether each row of the table has a row in the sheet.
    pub is_matched: Vec<bool>,
    /// Counts in words, if there is something to tell.
    pub note: Option<String>,
}

/// Where a sheet lies that the card names: in the card's folder, or else in that of the tables or images.
pub(super) fn beside(card: &Card, file: &str, folder: Option<&Path>) -> Result<PathBuf, LoadError> {
    let path = card.resolve(file)?;
    if inputs::is_there(&path) {
        return Ok(path);
    }
    let beside = folder.map(|folder| folder.join(file));
    Ok(beside.filter(|beside| inputs::is_there(beside)).unwrap_or(path))
}

/// The files that a card's join names, each once.
pub(super) fn files(card: &Card, join: &Join, folder: Option<&Path>) -> Result<Vec<PathBuf>, LoadError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for file in join.file.list() {
        let path = beside(card, file, folder)?;
        if !inputs::is_there(&path) && std::fs::symlink_metadata(&path).is_err() {
            let message = format!("the join of `{file}` needs a file that is not there: {}", path.display());
            return Err(LoadError::Card { path: card.path.clone(), message });
        }
        for path in inputs::matching(&path)? {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

impl Sheet {
    /// Reads the sheet of a card's join, from the card's folder or else from that of the tables or images.
    pub fn read(card: &Card, join: &Join, folder: Option<&Path>) -> Result<Self, LoadError> {
        let paths = files(card, join, folder)?;
        let tables = paths.iter().map(|path| format::read(path, &BTreeSet::new())).collect::<Result<Vec<_>, _>>()?;
        Self::of(RawTable::concatenated(tables, |_| false)?, join, false)
    }

    /// A sheet that was read already, joined as `join` says.
    pub fn of(mut table: RawTable, join: &Join, is_found: bool) -> Result<Self, LoadError> {
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let path = table.paths[0].clone();
        let missing = |column: &str, mend: &str| LoadError::MissingColumn {
            path: path.clone(),
            column: column.to_owned(),
            mend: mend.to_owned(),
        };
        let mut keys = Vec::new();
        for key in &join.on {
            let (word, column) = match key {
                JoinKey::Same(word) => (word, word),
                JoinKey::Pair { table, sheet } => (table, sheet),
            };
            let column = match column_called(&names, column, None) {
                Some(column) => column.to_owned(),
                None if column == PLATE_OF_FILE && column_called(&names, "well", None).is_some() => {
                    let of_file = |row: usize| Some(name_of(&table.place(row).path));
                    let values = Values::Text((0..table.n_rows()).map(of_file).collect());
                    table.columns.push(RawColumn { name: PLATE_OF_FILE.to_owned(), values });
                    PLATE_OF_FILE.to_owned()
                }
                None => return Err(missing(column, "the join's `on` names it")),
            };
            keys.push((word.clone(), column));
        }
        let is_key = |name: &str| keys.iter().any(|(_, column)| column == name);
        let wanted: Vec<&String> = match join.columns.as_slice() {
            [] => names.iter().filter(|name| !is_key(name)).collect(),
            columns => columns.iter().collect(),
        };
        if let Some(absent) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(missing(absent, "the join's `columns` names it"));
        }
        let taken = wanted.into_iter().map(|name| (name.clone(), format!("{}{name}", join.prefix))).collect();
        Ok(Self { paths: table.paths.clone(), table, taken, keys, is_found })
    }

    /// The sheet's file, or its first file and how many more there are.
    pub fn name(&self) -> String {
        let first = inputs::file_name(&self.paths[0]);
        match self.paths.len() {
            1 => first,
            n => format!("{first} and {} more", n - 1),
        }
    }

    /// The names that the sheet's columns have in the joined table.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.taken.iter().map(|(_, name)| name.as_str())
    }

    /// The profile table's key columns.
    ///
    /// # Errors
    /// If the profile table lacks one.
    pub fn key_columns(&self, path: &Path, names: &[String], mapping: &Mapping) -> Result<Vec<String>, LoadError> {
        let find = |(word, _): &(String, String)| {
            column_called(names, word, Some(mapping)).map(str::to_owned).ok_or_else(|| LoadError::MissingColumn {
                path: path.to_path_buf(),
                column: word.clone(),
                mend: format!("the join of `{}` needs it as its key", self.name()),
            })
        };
        self.keys.iter().map(find).collect()
    }

    /// Adds the sheet's columns to `table`, whose key columns are `table_keys`.
    ///
    /// # Errors
    /// If two rows of the sheet disagree on one key, or the sheet disagrees with the table.
    pub fn join_to(&self, table: &mut RawTable, table_keys: &[String], mapping: &Mapping) -> Result<Joined, LoadError> {
        let mut ways = Vec::new();
        let (mut table_parts, mut sheet_parts) = (Vec::new(), Vec::new());
        for ((word, column), table_column) in self.keys.iter().zip(table_keys) {
            let values = table.text(table_column).expect("key columns are read as text");
            let of_sheet = self.table.text(column).expect("sheets are read as text");
            let is_well = word == "well" || mapping.column(ColumnRole::Well) == Some(table_column);
            let distinct = distinct(values);
            let of_sheet = match of_sheet.iter().flatten().all(|name| self.is_name_of_file(name)) {
                true if column == PLATE_OF_FILE => plates_of_files(of_sheet, &distinct),
                _ => of_sheet.to_vec(),
            };
            let way = Compare::of(&distinct, &self::distinct(&of_sheet), is_well);
            table_parts.push(part(values, way));
            sheet_parts.push(part(&of_sheet, way));
            ways.push(way.in_words().filter(|_| !is_well));
        }
        let SameKeys { first, matches } = SameKeys::of(&sheet_parts, &table_parts);
        self.refuse_contradictions(&first, &sheet_parts)?;
        for (own, name) in &self.taken {
            let values = self.table.text(own).expect("sheets are read as text");
            let joined = matches.iter().map(|row| row.and_then(|row| values[row].clone())).collect();
            self.add_column(table, name, joined, &matches)?;
        }
        let n_matched = matches.iter().filter(|row| row.is_some()).count();
        let used: BTreeSet<usize> = matches.iter().flatten().copied().collect();
        let n_keys = (0..first.len()).filter(|&row| first[row] == Some(row)).count();
        let n_unused = n_keys - used.len();
        let mut note = match self.is_found {
            true => self.found_note(n_matched, table.n_rows(), n_unused, n_keys, table_keys),
            false => self.note(n_matched, table.n_rows(), n_unused, n_keys),
        };
        for (column, way) in table_keys.iter().zip(&ways) {
            let Some(way) = way else { continue };
            let told = note.get_or_insert_with(|| format!("{} is joined", self.name()));
            *told += &format!("; `{column}` is compared {way}");
        }
        Ok(Joined { is_matched: matches.iter().map(Option::is_some).collect(), note })
    }

    /// What there is to say of a join that a card asks for: what it misses.
    fn note(&self, n_matched: usize, n_rows: usize, n_unused: usize, n_keys: usize) -> Option<String> {
        let sheet = self.name();
        match (n_rows - n_matched, n_unused) {
            (0, 0) => None,
            (rows, 0) => Some(format!("{rows} of {n_rows} rows have no row in {sheet}")),
            (0, keys) => Some(format!("{keys} of {n_keys} keys of {sheet} match no row")),
            (rows, keys) => Some(format!(
                "{rows} of {n_rows} rows have no row in {sheet}, and {keys} of its {n_keys} keys match no row"
            )),
        }
    }

    /// The same of one that was found.
    fn found_note(
        &self,
        n_matched: usize,
        n_rows: usize,
        n_unused: usize,
        n_keys: usize,
        table_keys: &[String],
    ) -> Option<String> {
        let key = |(column, (_, own)): (&String, &(String, String))| match column == own {
            true => format!("`{column}`"),
            false => format!("`{column}` = `{own}`"),
        };
        let keys: Vec<String> = table_keys.iter().zip(&self.keys).map(key).collect();
        let unused =
            if n_unused > 0 { format!("; {n_unused} of its {n_keys} keys match no row") } else { String::new() };
        Some(format!("{} is joined on {}: {n_matched} of {n_rows} rows found{unused}", self.name(), keys.join(", ")))
    }

    fn is_name_of_file(&self, name: &str) -> bool {
        self.paths.iter().any(|path| name_of(path) == name)
    }

    /// Refuses a row that says other things than the first with its key.
    fn refuse_contradictions(&self, first: &[Option<usize>], parts: &[Part]) -> Result<(), LoadError> {
        let values: Vec<&[Option<String>]> =
            self.taken.iter().map(|(own, _)| self.table.text(own).expect("sheets are read as text")).collect();
        for (row, first) in first.iter().enumerate() {
            let Some(first) = *first else { continue };
            if values.iter().any(|values| values[first] != values[row]) {
                let key: Vec<&str> = parts.iter().filter_map(|part| part[row].as_deref()).collect();
                return Err(LoadError::DuplicateKey {
                    key: format!("{:?}", key.join(", ")),
                    first: Box::new(self.table.place(first)),
                    second: Box::new(self.table.place(row)),
                });
            }
        }
        Ok(())
    }

    fn add_column(
        &self,
        table: &mut RawTable,
        name: &str,
        joined: Vec<Option<String>>,
        matches: &[Option<usize>],
    ) -> Result<(), LoadError> {
        let Some(index) = table.columns.iter().position(|column| column.name == name) else {
            table.columns.push(RawColumn { name: name.to_owned(), values: Values::Text(joined) });
            return Ok(());
        };
        let conflict = |row: usize, sheet_value: &str, table_value: &str| LoadError::JoinConflict {
            sheet: Box::new(self.table.place(matches[row].unwrap_or(0))),
            table: Box::new(table.place(row)),
            column: name.to_owned(),
            sheet_value: sheet_value.to_owned(),
            table_value: table_value.to_owned(),
        };
        let Values::Text(present) = &table.columns[index].values else {
            return Err(conflict(0, "a column of text", "a feature"));
        };
        let mut merged = Vec::with_capacity(joined.len());
        for (row, (joined, present)) in joined.into_iter().zip(present).enumerate() {
            match (&joined, present) {
                (Some(joined), Some(present)) if !is_same(joined, present) => {
                    return Err(conflict(row, joined, present));
                }
                (_, Some(present)) => merged.push(Some(present.clone())),
                (_, None) => merged.push(joined),
            }
        }
        table.columns[index].values = Values::Text(merged);
        Ok(())
    }
}

fn is_same(a: &str, b: &str) -> bool {
    a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// The name by which a file, or a sheet of a workbook, tells what it is of.
pub(super) fn name_of(path: &Path) -> String {
    let name = inputs::file_name(path);
    let name = name.rsplit_once('#').map_or(name.as_str(), |(_, sheet)| sheet);
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The plate that each file name speaks of: a plate called so, or the only one whose name stands in it by itself.
fn plates_of_files(names: &[Option<String>], plates: &BTreeSet<&str>) -> Vec<Option<String>> {
    let mut known = BTreeMap::new();
    let plate = |name: &Option<String>| {
        let name = name.as_ref()?;
        Some(
            known.entry(name.clone()).or_insert_with(|| plate_of_file(name, plates).unwrap_or(name).to_owned()).clone(),
        )
    };
    names.iter().map(plate).collect()
}

/// The only plate whose name stands in that of a file by itself, the longest where one name is a part of another.
pub(super) fn plate_of_file<'a>(name: &str, plates: &BTreeSet<&'a str>) -> Option<&'a str> {
    let stands_in = |plate: &str| {
        name.match_indices(plate).any(|(start, _)| {
            let is_end = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
            is_end(name[..start].chars().next_back()) && is_end(name[start + plate.len()..].chars().next())
        })
    };
    let mut standing: Vec<&str> =
        plates.iter().copied().filter(|plate| !plate.is_empty() && stands_in(plate)).collect();
    standing.sort_by_key(|plate| std::cmp::Reverse(plate.len()));
    match standing[..] {
        [plate] => Some(plate),
        [longest, next, ..] if longest.len() > next.len() => Some(longest),
        _ => None,
    }
}

/// What of a column is compared.
fn part(values: &[Option<String>], way: Compare) -> Part {
    values.iter().map(|text| text.as_deref().map(|text| way.key(text).into_owned())).collect()
}
