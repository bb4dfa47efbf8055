//! Sheets joined to profile tables: plate maps, plate lists, compound annotations.
//!
//! ```text
//! plate_map_name  well_position  broad_sample            mmoles_per_liter
//! C-7161-01       A01            BRD-K18895904-001-16-1  10
//! C-7161-01       a2             BRD-K50691590-001-02-2  3.3333
//! ```
//!
//! A sheet is a table in any format of `load`, read as text. Its key is one or more columns; wells are compared as wells
//! (`a2` is `A02`), all else as text. Rows of the profile table without a row in the sheet, and the other way round, are
//! counted. Two rows of a sheet with one key must agree in what is taken from them. A column that the table has too must
//! agree with it where both have a value; where the table has none, the sheet's is taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::card::{Card, Join};
use super::error::LoadError;
use super::format;
use super::join_key::JoinKey;
use super::mapping::{ColumnRole, Mapping, column_called};
use super::table::{RawColumn, RawTable, Values};
use crate::screen::Well;

/// A sheet as read, before its rows are matched.
pub(super) struct Sheet {
    pub path: PathBuf,
    pub table: RawTable,
    join: Join,
    /// For each key column: the word for the profile table's side, and the sheet's column.
    keys: Vec<(String, String)>,
    /// The sheet's columns to take, with their names in the joined table.
    taken: Vec<(String, String)>,
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
    if path.exists() {
        return Ok(path);
    }
    let beside = folder.map(|folder| folder.join(file));
    Ok(beside.filter(|beside| beside.exists()).unwrap_or(path))
}

impl Sheet {
    /// Reads the sheet of a card's join, from the card's folder or else from that of the tables or images.
    pub fn read(card: &Card, join: &Join, folder: Option<&Path>) -> Result<Self, LoadError> {
        let path = beside(card, &join.file, folder)?;
        if !path.exists() && std::fs::symlink_metadata(&path).is_err() {
            let message = format!("the join of `{}` needs a file that is not there: {}", join.file, path.display());
            return Err(LoadError::Card { path: card.path.clone(), message });
        }
        let table = format::read(&path, &Default::default())?;
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let missing = |column: &str, mend: &str| LoadError::MissingColumn {
            path: path.clone(),
            column: column.to_owned(),
            mend: mend.to_owned(),
        };
        let mut keys = Vec::new();
        for key in &join.on {
            let (word, own) = match key {
                JoinKey::Same(word) => (word, word),
                JoinKey::Pair { table, sheet } => (table, sheet),
            };
            let own = column_called(&names, own, None).ok_or_else(|| missing(own, "the join's `on` names it"))?;
            keys.push((word.clone(), own.to_owned()));
        }
        let is_key = |name: &str| keys.iter().any(|(_, own)| own == name);
        let wanted: Vec<&String> = match join.columns.as_slice() {
            [] => names.iter().filter(|name| !is_key(name)).collect(),
            columns => columns.iter().collect(),
        };
        if let Some(absent) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(missing(absent, "the join's `columns` names it"));
        }
        let taken = wanted.into_iter().map(|name| (name.clone(), format!("{}{name}", join.prefix))).collect();
        Ok(Self { table, join: join.clone(), keys, taken, path })
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
                mend: format!("the join of `{}` needs it as its key", self.join.file),
            })
        };
        self.keys.iter().map(find).collect()
    }

    /// Adds the sheet's columns to `table`, whose key columns are `table_keys`.
    ///
    /// # Errors
    /// If two rows of the sheet disagree on one key, or the sheet disagrees with the table.
    pub fn join_to(&self, table: &mut RawTable, table_keys: &[String], mapping: &Mapping) -> Result<Joined, LoadError> {
        let is_well: Vec<bool> = (self.keys.iter().zip(table_keys))
            .map(|((word, _), column)| word == "well" || mapping.column(ColumnRole::Well) == Some(column))
            .collect();
        let sheet_keys: Vec<String> = self.keys.iter().map(|(_, own)| own.clone()).collect();
        let sheet_rows = self.rows_by_key(&keys_of(&self.table, &sheet_keys, &is_well))?;
        let row_keys = keys_of(table, table_keys, &is_well);
        let matches: Vec<Option<usize>> =
            row_keys.iter().map(|key| key.as_ref().and_then(|key| sheet_rows.get(key).copied())).collect();
        for (own, name) in &self.taken {
            let values = self.table.text(own).expect("sheets are read as text");
            let joined = matches.iter().map(|row| row.and_then(|row| values[row].clone())).collect();
            self.add_column(table, name, joined, &matches)?;
        }
        let n_unmatched = matches.iter().filter(|row| row.is_none()).count();
        let used: std::collections::BTreeSet<usize> = matches.iter().flatten().copied().collect();
        let n_unused = sheet_rows.values().filter(|row| !used.contains(row)).count();
        let sheet = self.path.display();
        let note = match (n_unmatched, n_unused) {
            (0, 0) => None,
            (rows, 0) => Some(format!("{rows} of {} rows have no row in {sheet}", table.n_rows())),
            (0, keys) => Some(format!("{keys} of {} keys of {sheet} match no row", sheet_rows.len())),
            (rows, keys) => Some(format!(
                "{rows} of {} rows have no row in {sheet}, and {keys} of its {} keys match no row",
                table.n_rows(),
                sheet_rows.len()
            )),
        };
        Ok(Joined { is_matched: matches.iter().map(Option::is_some).collect(), note })
    }

    fn rows_by_key(&self, keys: &[Option<Vec<String>>]) -> Result<BTreeMap<Vec<String>, usize>, LoadError> {
        let mut rows = BTreeMap::<Vec<String>, usize>::new();
        let values: Vec<&[Option<String>]> =
            self.taken.iter().map(|(own, _)| self.table.text(own).expect("sheets are read as text")).collect();
        for (row, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let first = *rows.entry(key.clone()).or_insert(row);
            if values.iter().any(|values| values[first] != values[row]) {
                return Err(LoadError::DuplicateKey {
                    key: format!("{:?}", key.join(", ")),
                    first: Box::new(self.table.place(first)),
                    second: Box::new(self.table.place(row)),
                });
            }
        }
        Ok(rows)
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

/// The key of each row, or `None` where a part of it is missing.
fn keys_of(table: &RawTable, columns: &[String], is_well: &[bool]) -> Vec<Option<Vec<String>>> {
    let columns: Vec<&[Option<String>]> =
        columns.iter().map(|name| table.text(name).expect("key columns are read as text")).collect();
    let key_part = |text: &str, is_well: bool| match (is_well, text.parse::<Well>()) {
        (true, Ok(well)) => well.to_string(),
        _ => text.to_owned(),
    };
    let key = |row: usize| {
        let parts = columns.iter().zip(is_well);
        parts.map(|(values, &is_well)| values[row].as_deref().map(|text| key_part(text, is_well))).collect()
    };
    (0..table.n_rows()).map(key).collect()
}
