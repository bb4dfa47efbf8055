//! CellProfiler's SQLite databases, as `ExportToDatabase` and cytominer-database write them: objects with their images.
//!
//! ```text
//! Image, Nuclei, Cells, …                                            cytominer-database
//! MyExpt_Per_Image, MyExpt_Per_Object                                ExportToDatabase, with a prefix that the user chose
//! MyExpt_Per_Image, MyExpt_Per_Nuclei, MyExpt_Per_Cells, …           the same, with a table for each kind of object
//! ```
//!
//! A row of a table of objects becomes a row here, beside the metadata of its image; both are joined by `ImageNumber`,
//! and by `TableNumber` where both have it. Numbers of tables may exceed 64 bits and are compared as text. Of the
//! measurements only places are read, and what a card names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;

use crate::load::error::LoadError;
use crate::load::sqlite::{self, Problem, open, table_of_images, tables, text};
use crate::load::table::{RawColumn, RawTable, RowPlace, Values};

/// Compartments in the order in which their objects are looked for; others follow by name.
const COMPARTMENTS: [&str; 2] = ["Nuclei", "Cells"];

/// What joins objects and images.
const KEYS: [&str; 2] = ["TableNumber", "ImageNumber"];

/// The objects of the first compartment that has places, with the metadata of their images; `named` are columns to read as
/// well.
///
/// # Errors
/// If the data base is damaged, or lacks images or objects with places.
pub(super) fn read_objects(path: &Path, named: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    read(path, named).map_err(|problem| problem.of(path))
}

fn read(path: &Path, named: &BTreeSet<&str>) -> Result<RawTable, Problem> {
    let base = open(path)?;
    let tables = tables(&base)?;
    let found = || tables.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let (image, before) = table_of_images(&tables).map_err(Problem::Said)?;
    let of_image = &tables[image];
    let has_places = |name: &&str| -> bool {
        let columns = tables.get(*name);
        let has = |wanted: &str| columns.is_some_and(|columns| columns.iter().any(|column| column.ends_with(wanted)));
        (has("ObjectNumber") || has("Object_Number"))
            && (has("Center_X") && has("Center_Y") || columns_named(columns, named) >= 2)
    };
    // What follows the prefix, of tables that have it.
    let kind = |name: &str| {
        let (start, kind) = name.split_at_checked(before.len())?;
        start.eq_ignore_ascii_case(&before).then(|| kind.to_ascii_lowercase())
    };
    let rank = |name: &&str| {
        kind(name).map(|kind| {
            COMPARTMENTS.iter().position(|known| known.eq_ignore_ascii_case(&kind)).unwrap_or(COMPARTMENTS.len())
        })
    };
    let mut compartments: Vec<&str> =
        tables.keys().map(String::as_str).filter(|name| *name != image && rank(name).is_some()).collect();
    compartments.sort_by_key(rank);
    let Some(compartment) = compartments.into_iter().find(has_places) else {
        let message = format!(
            "has no table of objects with `ObjectNumber` and `…_Location_Center_X` and `…_Y`, only {}",
            found()
        );
        return Err(Problem::Said(message));
    };
    let of_objects = &tables[compartment];
    let keys: Vec<&str> = KEYS
        .into_iter()
        .filter(|key| [of_objects, of_image].iter().all(|columns| columns.iter().any(|column| column == key)))
        .collect();
    if !keys.contains(&"ImageNumber") {
        return Err(Problem::Said(format!("`{image}` and `{compartment}` do not share a column `ImageNumber`")));
    }
    let is_read = |column: &str| {
        let endings = ["Number", "Number_Object_Number", "Location_Center_X", "Location_Center_Y"];
        named.contains(column)
            || column.contains("Metadata_")
            || column.contains("AreaShape_Center_")
            || endings.iter().any(|ending| column.ends_with(ending))
    };
    let chosen = |columns: &[String]| columns.iter().filter(|column| is_read(column)).cloned().collect::<Vec<_>>();
    let object_columns = chosen(of_objects);
    let image_columns: Vec<String> =
        chosen(of_image).into_iter().filter(|column| !object_columns.contains(column)).collect();

    let mut images = BTreeMap::<Vec<Option<String>>, Vec<Option<String>>>::new();
    each_row(&base, image, &keys, &image_columns, |key, values| {
        images.insert(key, values);
    })?;
    let mut columns = vec![Vec::new(); object_columns.len() + image_columns.len()];
    let without = vec![None; image_columns.len()];
    let mut n_rows = 0;
    each_row(&base, compartment, &keys, &object_columns, |key, values| {
        let of_its_image = images.get(&key).unwrap_or(&without);
        for (column, value) in columns.iter_mut().zip(values.into_iter().chain(of_its_image.iter().cloned())) {
            column.push(value);
        }
        n_rows += 1;
    })?;
    let names = object_columns.into_iter().chain(image_columns);
    Ok(RawTable {
        columns: names.zip(columns).map(|(name, values)| RawColumn { name, values: Values::Text(values) }).collect(),
        rows: (1..=n_rows).map(|line| RowPlace { path: 0, line }).collect(),
        paths: vec![path.to_path_buf()],
    })
}

fn columns_named(columns: Option<&Vec<String>>, named: &BTreeSet<&str>) -> usize {
    columns.map_or(0, |columns| columns.iter().filter(|column| named.contains(column.as_str())).count())
}

/// Goes through a table: the values of `keys` and of `columns` of every row.
fn each_row(
    base: &Connection,
    table: &str,
    keys: &[&str],
    columns: &[String],
    mut use_row: impl FnMut(Vec<Option<String>>, Vec<Option<String>>),
) -> Result<(), Problem> {
    let all: Vec<&str> = keys.iter().copied().chain(columns.iter().map(String::as_str)).collect();
    sqlite::each_row(base, table, &all, &[], &mut |_, row| {
        let mut key = (0..all.len()).map(|index| text(row, index)).collect::<Result<Vec<_>, _>>()?;
        let values = key.split_off(keys.len());
        use_row(key, values);
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::format::is_sqlite;

    fn base(folder: &Path, name: &str, sql: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    const IMAGES: &str = "
        CREATE TABLE Image (TableNumber TEXT, ImageNumber INTEGER, Image_Metadata_Well TEXT, Image_Count_Cells REAL);
        INSERT INTO Image VALUES ('99999999999999999999999', 1, 'A01', 2), ('7', 1, 'B02', 1);";

    #[test]
    fn objects_carry_the_metadata_of_their_image() {
        let folder = tempfile::tempdir().unwrap();
        let sql = format!(
            "{IMAGES}
            CREATE TABLE Cells (TableNumber TEXT, ImageNumber INTEGER, ObjectNumber INTEGER, Cells_Location_Center_X REAL,
                Cells_Location_Center_Y REAL);
            CREATE TABLE Nuclei (TableNumber TEXT, ImageNumber INTEGER, ObjectNumber INTEGER,
                Nuclei_Location_Center_X REAL, Nuclei_Location_Center_Y REAL, Nuclei_AreaShape_Area REAL, big REAL);
            INSERT INTO Nuclei VALUES ('99999999999999999999999', 1, 1, 10.5, 20, 300, 1), ('7', 1, 1, 3, 4, 500, 2),
                ('99999999999999999999999', 1, 2, 30, 40.25, NULL, 3), ('8', 1, 1, 1, 1, 1, 1);"
        );
        // A name with what a URI would take for something else.
        let path = base(folder.path(), "a b%20?c#.sqlite", &sql);
        let table = read_objects(&path, &BTreeSet::from(["Nuclei_AreaShape_Area"])).unwrap();
        let column = |name: &str| -> Vec<&str> {
            table.text(name).unwrap().iter().map(|value| value.as_deref().unwrap_or("-")).collect()
        };
        assert_eq!(column("Image_Metadata_Well"), ["A01", "B02", "A01", "-"]);
        assert_eq!(column("ObjectNumber"), ["1", "1", "2", "1"]);
        assert_eq!(column("Nuclei_Location_Center_X"), ["10.5", "3", "30", "1"]);
        assert_eq!(column("Nuclei_Location_Center_Y"), ["20", "4", "40.25", "1"]);
        assert_eq!(column("Nuclei_AreaShape_Area"), ["300", "500", "-", "1"]);
        assert!(table.text("big").is_none() && table.text("Image_Count_Cells").is_none(), "not asked for");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is written beside it");
    }

    #[test]
    fn says_what_a_data_base_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, sql: &str| {
            read_objects(&base(folder.path(), name, sql), &BTreeSet::new()).unwrap_err().to_string()
        };
        let found = said("a", "CREATE TABLE Nuclei (ImageNumber, ObjectNumber, Location_Center_X, Location_Center_Y)");
        assert!(found.ends_with("has no table `Image` or `…Per_Image`, only `Nuclei`"), "{found}");
        let found = said("b", &format!("{IMAGES} CREATE TABLE Cells (ImageNumber, ObjectNumber)"));
        assert!(found.contains("has no table of objects with `ObjectNumber`"), "{found}");
        let nuclei = "CREATE TABLE Nuclei (ObjectNumber, Nuclei_Location_Center_X, Nuclei_Location_Center_Y)";
        let found = said("c", &format!("{IMAGES} {nuclei}"));
        assert!(found.contains("do not share a column `ImageNumber`"), "{found}");
        let several = "CREATE TABLE A_Per_Image (ImageNumber); CREATE TABLE B_Per_Image (ImageNumber)";
        let found = said("f", several);
        assert!(found.contains("has tables of 2 experiments, `A_Per_Image`, `B_Per_Image`"), "{found}");
        // A view is no table, whatever it would compute.
        let view = "CREATE VIEW Nuclei AS SELECT 1 AS ImageNumber, 1 AS ObjectNumber, 1 AS Location_Center_X, 1 AS Location_Center_Y";
        assert!(said("d", &format!("{IMAGES} {view}")).contains("has no table of objects"));

        let whole = std::fs::read(base(folder.path(), "e", IMAGES)).unwrap();
        let cut = folder.path().join("cut.sqlite");
        std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
        assert!(is_sqlite(&cut).unwrap() && is_sqlite(&folder.path().join("absent")).is_err());
        let found = read_objects(&cut, &BTreeSet::new()).unwrap_err().to_string();
        assert!(found.contains("cannot be read as an SQLite database"), "{found}");
    }
}
