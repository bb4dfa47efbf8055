//! SQLite databases that CellProfiler and cytominer-database write, opened such that nothing is written or run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::error::LoadError;
use super::table::present;

/// The table of images, and how its name ends behind a prefix; tables of objects begin with the prefix and `Per_`.
const IMAGE: &str = "Image";
const PER_IMAGE: &str = "Per_Image";

/// Why a database is not read.
pub(super) enum Problem {
    Sqlite(rusqlite::Error),
    Said(String),
    /// What a row says is wrong.
    Row(LoadError),
}

impl From<rusqlite::Error> for Problem {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Sqlite(cause)
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        Self::Row(error)
    }
}

impl Problem {
    /// The error of the file at `path`.
    pub fn of(self, path: &Path) -> LoadError {
        let message = match self {
            Self::Sqlite(cause) => format!("cannot be read as an SQLite database: {cause}"),
            Self::Said(message) => message,
            Self::Row(error) => return error,
        };
        LoadError::Image { path: path.to_path_buf(), message }
    }
}

/// The columns of each table of a database.
///
/// # Errors
/// If it is damaged.
pub(super) fn tables_of(path: &Path) -> Result<BTreeMap<String, Vec<String>>, LoadError> {
    open(path).and_then(|base| tables(&base)).map_err(|problem| problem.of(path))
}

/// The table of images, and how the names of tables of objects begin beside it.
pub(super) fn table_of_images(tables: &BTreeMap<String, Vec<String>>) -> Result<(&str, String), String> {
    let listed =
        |names: &mut dyn Iterator<Item = &String>| names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(name) = tables.keys().find(|name| name.eq_ignore_ascii_case(IMAGE)) {
        return Ok((name, String::new()));
    }
    let ending = PER_IMAGE.to_ascii_lowercase();
    let found: Vec<&String> = tables.keys().filter(|name| name.to_ascii_lowercase().ends_with(&ending)).collect();
    match found.as_slice() {
        [] => Err(format!("has no table `{IMAGE}` or `…{PER_IMAGE}`, only {}", listed(&mut tables.keys()))),
        [name] => Ok((name, name[..name.len() - IMAGE.len()].to_owned())),
        several => Err(format!(
            "has tables of {} experiments, {}; expected those of one: copy them into a file of their own",
            several.len(),
            listed(&mut several.iter().copied())
        )),
    }
}

/// Opens the file as it lies, without journals beside it, so that nothing is written there.
pub(super) fn open(path: &Path) -> Result<Connection, Problem> {
    let text = path.to_str().ok_or_else(|| Problem::Said("its path is not UTF-8; rename it".to_owned()))?;
    let mut uri = String::from("file:");
    for byte in text.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => write!(uri, "%{byte:02X}").expect("a string takes what is written"),
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let base = Connection::open_with_flags(uri + "?immutable=1", flags)?;
    base.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(base)
}

/// Columns by table; views and virtual tables, which run code, are none.
pub(super) fn tables(base: &Connection) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let mut statement = base.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE 'sqlite_%'",
    )?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut tables = BTreeMap::new();
    for name in names {
        let statement = base.prepare(&format!("SELECT * FROM {}", quoted(&name)))?;
        tables.insert(name, statement.column_names().map(str::to_owned).collect());
    }
    Ok(tables)
}

pub(super) fn text(row: &Row, index: usize) -> Result<Option<String>, rusqlite::Error> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null | ValueRef::Blob(_) => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) => present(&String::from_utf8_lossy(bytes)).map(str::to_owned),
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What is done with a row, by its number and cells; whether to go on.
pub(super) type UseRow<'a> = &'a mut dyn FnMut(usize, &Row<'_>) -> Result<bool, Problem>;

/// Goes through the rows of a table by these of its columns, in the order of the columns `order`.
///
/// # Errors
/// If the database is damaged, or as `use_row`.
pub(super) fn each_row(
    base: &Connection,
    table: &str,
    columns: &[&str],
    order: &[&str],
    use_row: UseRow<'_>,
) -> Result<(), Problem> {
    let listed = |names: &[&str]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut sql = format!("SELECT {} FROM {}", listed(columns), quoted(table));
    if !order.is_empty() {
        sql += &format!(" ORDER BY {}", listed(order));
    }
    let mut statement = base.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut line = 0;
    while let Some(row) = rows.next()? {
        line += 1;
        if !use_row(line, row)? {
            break;
        }
    }
    Ok(())
}
