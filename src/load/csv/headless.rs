//! Tables without a header line, whose columns stand in an SQL file beside them: CellProfiler's ExportToDatabase.
//!
//! ```text
//! Batch_1_384_Image.CSV     1,2458.11,P1,A01,…
//! Batch_1_384_Object.CSV    1,1,0.83,…
//! Batch_SETUP.SQL           CREATE TABLE Per_Image (ImageNumber INTEGER, Image_Count_Cells FLOAT, …);
//!                           LOAD DATA LOCAL INFILE 'Batch_1_384_Image.CSV' REPLACE INTO TABLE Per_Image …;
//! ```
//!
//! A file is taken for one if its name ends as these do, a table of the SQL file is loaded from it or named as its end says,
//! and its first line has as many fields as that table has columns, and not their names.

use std::path::Path;

use crate::load::inputs::folder_with;
use crate::load::text::read_small_text;

/// The header line that a file lacks.
pub(super) fn header_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let parts: Vec<&str> = name.strip_suffix(".csv")?.rsplitn(4, '_').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let [objects, last, first, _] = parts[..] else { return None };
    if !is_number(&last) || !is_number(&first) {
        return None;
    }
    let folder = folder_with(path);
    let mut scripts: Vec<_> =
        std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")));
    scripts.sort();
    let columns = scripts.iter().find_map(|script| columns_in(&read_small_text(script).ok()?, &name, objects))?;
    let (beginning, _) = crate::load::text::read_bytes(path, 1 << 20).ok()?;
    let first_line = std::str::from_utf8(&beginning).ok()?.lines().next()?.to_owned();
    let mut record = ::csv::StringRecord::new();
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(first_line.as_bytes());
    let is_read = reader.read_record(&mut record).unwrap_or(false);
    let is_header = record.iter().any(|field| columns.iter().any(|column| column == field));
    (is_read && record.len() == columns.len() && !is_header).then(|| columns.join(",") + "\n")
}

/// The columns of the table that is loaded from the file called `name`, or else of the one of its `objects`.
fn columns_in(script: &str, name: &str, objects: &str) -> Option<Vec<String>> {
    let statements = || script.split(';').map(str::trim);
    let after = |statement: &str, words: &str| {
        let at = statement.to_lowercase().find(words)? + words.len();
        statement.get(at..).map(|rest| rest.trim_start().to_owned())
    };
    let is_of_file = |statement: &str| {
        statement.to_lowercase().contains(&format!("infile '{name}'"))
            || statement.to_lowercase().contains(&format!("/{name}'"))
    };
    let loaded =
        statements().filter(|statement| is_of_file(statement)).find_map(|statement| after(statement, "into table"));
    let table = loaded.and_then(|rest| Some(unquoted(rest.split_whitespace().next()?)));
    let tables: Vec<(String, Vec<String>)> = statements()
        .filter_map(|statement| after(statement, "create table"))
        .filter_map(|rest| {
            let rest = after(&rest, "if not exists").unwrap_or(rest);
            let (table, columns) = rest.split_once('(')?;
            Some((unquoted(table.trim()), columns_of(columns)))
        })
        .collect();
    let ends = format!("per_{objects}");
    let is_it = |known: &str| match &table {
        Some(table) => known.eq_ignore_ascii_case(table),
        None => known.to_lowercase().ends_with(&ends),
    };
    tables.into_iter().find(|(known, _)| is_it(known)).map(|(_, columns)| columns).filter(|columns| !columns.is_empty())
}

fn unquoted(name: &str) -> String {
    name.trim_matches(|letter| "`\"'".contains(letter)).to_owned()
}

/// The names in a list of columns, types and keys.
fn columns_of(list: &str) -> Vec<String> {
    const KEYS: [&str; 6] = ["primary", "key", "index", "unique", "constraint", "foreign"];
    let mut depth = 0i32;
    let mut parts = vec![String::new()];
    for letter in list.chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        match letter {
            _ if depth < 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            letter => parts.last_mut().expect("one was pushed").push(letter),
        }
    }
    let first_word = |part: &String| part.split_whitespace().next().map(unquoted);
    parts.iter().filter_map(first_word).filter(|name| !KEYS.contains(&name.to_lowercase().as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    const SETUP: &str = "CREATE DATABASE IF NOT EXISTS DefaultDB;\nUSE DefaultDB;\n\
        CREATE TABLE IF NOT EXISTS Per_Image (ImageNumber INTEGER,`Image_Metadata_Plate` VARCHAR(16),\n\
        Image_Count_Cells FLOAT, PRIMARY KEY (ImageNumber) );\n\
        CREATE TABLE Per_Object (ImageNumber INTEGER, ObjectNumber INTEGER, Cells_Area FLOAT,\n\
        PRIMARY KEY (ImageNumber, ObjectNumber) );\n\
        LOAD DATA LOCAL INFILE 'Batch_1_2_Image.CSV' REPLACE INTO TABLE Per_Image FIELDS TERMINATED BY ',';\n";

    #[test]
    fn columns_come_from_the_script_and_lines_stay_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("Batch_SETUP.SQL"), SETUP).unwrap();
        std::fs::write(path("Batch_1_2_Image.CSV"), "1,\"P1\",20\n2,\"P2\",31\n").unwrap();
        std::fs::write(path("Batch_1_2_Object.CSV"), "1,1,0.5\n1,2,0.25\n2,1,x\n").unwrap();
        let read = |name: &str, numbers: &[&str]| super::super::read(&path(name), &numbers.iter().copied().collect());
        let image = read("Batch_1_2_Image.CSV", &["Image_Count_Cells"]).unwrap();
        assert_eq!(image.text("Image_Metadata_Plate").unwrap(), [Some("P1".to_owned()), Some("P2".to_owned())]);
        assert_eq!((image.n_rows(), image.place(0).line), (2, 1));
        let error = read("Batch_1_2_Object.CSV", &["Cells_Area"]).unwrap_err().to_string();
        assert!(error.contains("Batch_1_2_Object.CSV:3: column `Cells_Area` holds \"x\""), "{error}");
        let sketches = super::super::sketch(&path("Batch_1_2_Object.CSV"), true).unwrap();
        assert_eq!(
            sketches.iter().map(|sketch| sketch.name.as_str()).collect::<Vec<_>>(),
            ["ImageNumber", "ObjectNumber", "Cells_Area"]
        );
        // With a header, the script changes nothing.
        std::fs::write(path("Batch_3_4_Image.CSV"), "ImageNumber,Image_Metadata_Plate,Image_Count_Cells\n3,P1,7\n")
            .unwrap();
        assert_eq!(super::super::read(&path("Batch_3_4_Image.CSV"), &BTreeSet::new()).unwrap().n_rows(), 1);
    }
}
