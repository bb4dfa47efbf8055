//! Plate maps that look like plates: row letters down, column numbers across, as plater and robots write them.
//!
//! ```text
//! compound,1,2,3          the name of what the wells hold stands in the corner, or in a line of its own above, or the
//! A,DMSO,taxol,taxol      file is called so
//! B,DMSO,AZ-A,AZ-A
//!
//! dose_um,1,2,3           more blocks may follow, each a column of the table
//! A,0,0.1,0.3
//! B,0,1,3
//! ```
//!
//! A block of names without a name of its own, in a file that is called after a plate or a layout, is a column `treatment`.
//!
//! The table has a row for each well in which some block has a value, and a column `well`. A block has any number of
//! columns from 1 on and any rows from A on, so that plates of 6 to 1536 wells are read. Refused, with the line: a block
//! whose name stands twice, rows out of order, values beside the plate, and lines that belong to no block.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{LoadError, Place};
use super::mapping::plain;
use super::table::{self, RawColumn, RawTable, RowPlace, Values};
use crate::screen::Well;

/// A line of cells with its number, counted from 1.
pub(super) type Line = (u32, Vec<String>);

/// Lines within which the first block begins.
pub(super) const LOOKED_AT: usize = 24;

/// Columns of a plate, at least: a table may well have columns called 1 and 2.
const FEWEST_COLUMNS: usize = 3;

/// Whether lines of cells are a plate map: among the first of them numbers from 1 on stand above a row A.
pub(super) fn is_plate_map(lines: &[Line]) -> bool {
    let filled: Vec<&Line> = lines.iter().filter(|(_, cells)| !is_blank(cells)).take(LOOKED_AT).collect();
    let mut pairs = filled.windows(2);
    pairs.any(|pair| columns_of(&pair[0].1).is_some() && row_of(&pair[1].1) == Some(0))
}

/// The table of a plate map; `name` is what a block without a name is called.
///
/// # Errors
/// If a line belongs to no block, or a block is not a plate.
pub(super) fn read(path: &Path, lines: &[Line], name: &str) -> Result<RawTable, LoadError> {
    let error = |line: u32, problem: String| LoadError::Listed {
        place: Place { path: path.to_path_buf(), line: line as usize },
        problem,
    };
    let mut blocks: Vec<Block> = Vec::new();
    let mut title: Option<&str> = None;
    let mut is_open = false;
    for (line, cells) in lines {
        if is_blank(cells) {
            is_open = false;
            continue;
        }
        if let Some(n_columns) = columns_of(cells) {
            let corner = cells[0].trim();
            let title = title.take();
            let corner_or_title = Some(corner).filter(|corner| !corner.is_empty()).or(title);
            let is_named = corner_or_title.is_some();
            let name = corner_or_title.unwrap_or(name).to_owned();
            if blocks.iter().any(|block| block.name == name) {
                let problem = format!("a second block is called `{name}`; give each block its own name in its corner");
                return Err(error(*line, problem));
            }
            blocks.push(Block { name, is_named, n_columns, n_rows: 0, values: BTreeMap::new() });
            is_open = true;
            continue;
        }
        let filled: Vec<&str> = cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect();
        match blocks.last_mut().filter(|_| is_open) {
            Some(block) => match row_of(cells) {
                Some(row) if row == block.n_rows => {
                    block.take(*line, row, cells).map_err(|problem| error(*line, problem))?
                }
                _ => {
                    let expected = Well::at(block.n_rows as i64 + 1, 1).map(|well| well.to_string());
                    let expected = expected
                        .map_or("a blank line".to_owned(), |well| format!("row {}", well.trim_end_matches("01")));
                    let problem =
                        format!("{:?} begins a line of the plate `{}`, expected {expected}", cells[0], block.name);
                    return Err(error(*line, problem));
                }
            },
            None if filled.len() == 1 => title = Some(filled[0]),
            None => {
                let problem = format!(
                    "{:?} belongs to no plate; expected a line with a name and the numbers 1, 2, 3, …, and below it rows A, B, C, …",
                    filled.join(" ")
                );
                return Err(error(*line, problem));
            }
        }
    }
    table_of(path, blocks).ok_or_else(|| LoadError::NoRows { path: path.to_path_buf() })
}

struct Block {
    name: String,
    /// Whether it is not called after its file.
    is_named: bool,
    n_columns: usize,
    n_rows: usize,
    /// Text and line.
    values: BTreeMap<Well, (String, u32)>,
}

impl Block {
    /// Whether it holds names, and its file is called after a plate or a layout, which says nothing of what they name.
    fn holds_treatments(&self) -> bool {
        const LAYOUTS: [&str; 5] = ["map", "layout", "plate", "platemap", "sheet"];
        let plain = plain(&self.name);
        let is_of_plate =
            plain.split('_').any(|word| LAYOUTS.contains(&word) || word.chars().any(|letter| letter.is_ascii_digit()));
        let n_numbers = self.values.values().filter(|(text, _)| text.parse::<f64>().is_ok()).count();
        !self.is_named && is_of_plate && 2 * n_numbers < self.values.len()
    }

    fn take(&mut self, line: u32, row: usize, cells: &[String]) -> Result<(), String> {
        for (index, cell) in cells.iter().enumerate().skip(1) {
            let Some(text) = table::present(cell) else { continue };
            // Some programs repeat the row's letter behind it.
            if index > self.n_columns && row_of(&[text.to_owned()]) == Some(row) {
                continue;
            }
            let well = Well::at(row as i64 + 1, index as i64).filter(|_| index <= self.n_columns);
            let well =
                well.ok_or_else(|| format!("{text:?} stands outside the plate, which has {} columns", self.n_columns))?;
            self.values.insert(well, (text.to_owned(), line));
        }
        self.n_rows += 1;
        Ok(())
    }
}

fn table_of(path: &Path, blocks: Vec<Block>) -> Option<RawTable> {
    let mut lines = BTreeMap::<Well, u32>::new();
    for (well, (_, line)) in blocks.iter().flat_map(|block| &block.values) {
        lines.entry(*well).or_insert(*line);
    }
    if lines.is_empty() {
        return None;
    }
    let mut columns = vec![RawColumn {
        name: "well".to_owned(),
        values: Values::Text(lines.keys().map(|well| Some(well.to_string())).collect()),
    }];
    for block in blocks {
        let name = if block.holds_treatments() { "treatment".to_owned() } else { block.name };
        let values = block.values;
        let values = lines.keys().map(|well| values.get(well).map(|(text, _)| text.clone())).collect();
        columns.push(RawColumn { name, values: Values::Text(values) });
    }
    let rows = lines.values().map(|&line| RowPlace { path: 0, line }).collect();
    Some(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

fn is_blank(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.trim().is_empty())
}

/// The number of columns of a plate, where cells are a corner and the numbers from 1 on.
fn columns_of(cells: &[String]) -> Option<usize> {
    let end = cells.iter().rposition(|cell| !cell.trim().is_empty())? + 1;
    let is_number = |(index, cell): (usize, &String)| {
        let cell = cell.trim();
        cell.strip_suffix(".0").unwrap_or(cell).parse::<usize>() == Ok(index + 1)
    };
    let numbers = &cells[1..end.max(1)];
    let is_plate = (FEWEST_COLUMNS..=usize::from(Well::MAX_COLUMNS)).contains(&numbers.len())
        && cells[0].trim().parse::<f64>().is_err();
    (is_plate && numbers.iter().enumerate().all(is_number)).then_some(numbers.len())
}

/// The row, counted from 0, where cells begin with its letters.
fn row_of(cells: &[String]) -> Option<usize> {
    let letters = cells.first()?.trim();
    let is_row = (1..=2).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_row.then(|| format!("{letters}1").parse::<Well>().ok()).flatten().map(|well| well.row().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let cells = |line: &str| line.split(',').map(str::to_owned).collect();
        text.lines().zip(1..).map(|(line, number)| (number, cells(line))).collect()
    }

    fn wells(text: &str) -> Result<Vec<String>, String> {
        let lines = lines(text);
        assert!(is_plate_map(&lines), "{text}");
        let table = read(Path::new("map.csv"), &lines, "map").map_err(|error| error.to_string())?;
        let names = table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(" ");
        let cell = |name: &str, row: usize| table.text(name).unwrap()[row].clone().unwrap_or("-".into());
        let row = |row| table.columns.iter().map(|column| cell(&column.name, row)).collect::<Vec<_>>().join(" ");
        Ok([names].into_iter().chain((0..table.n_rows()).map(row)).collect())
    }

    #[test]
    fn blocks_become_columns_and_wells_rows() {
        let text = "drug,1,2,3\nA,DMSO,taxol,\nB,DMSO,,\n\n,,,\ndose,1,2,3\nA,0,0.3,\nB,0,,5\n";
        assert_eq!(wells(text).unwrap(), ["well drug dose", "A01 DMSO 0", "A02 taxol 0.3", "B01 DMSO 0", "B03 - 5"]);
        // A title in a line of its own, letters repeated behind the rows, numbers as a spreadsheet writes them.
        let text = "Plate layout\n,1.0,2.0,3.0\nA,x,,y,A\nB,,,z,B\n";
        assert_eq!(wells(text).unwrap(), ["well Plate layout", "A01 x", "A03 y", "B03 z"]);
        // Names without a name of their own are what was applied; numbers may be anything.
        assert_eq!(wells(",1,2,3\na,x,,\nb,,,y\n").unwrap(), ["well treatment", "A01 x", "B03 y"]);
        assert_eq!(wells(",1,2,3\na,1,,\nb,,,2\n").unwrap(), ["well map", "A01 1", "B03 2"]);
    }

    #[test]
    fn a_plate_of_1536_wells_has_rows_to_af() {
        let header = (1..=48).map(|column| format!(",{column}")).collect::<String>();
        let row = |row: i64| {
            let well = Well::at(row, 1).unwrap().to_string();
            format!("{}{}\n", well.trim_end_matches("01"), ",x".repeat(48))
        };
        let map = wells(&format!("drug{header}\n{}", (1..=32).map(row).collect::<String>())).unwrap();
        assert_eq!((map.len(), map.last().unwrap().as_str()), (1537, "AF48 x"));
    }

    #[test]
    fn tables_of_profiles_are_not_taken_for_plates() {
        for text in
            ["plate,1,2,3\nP1,0.1,0.2,0.3\n", "name,1,2\nA,x,y\nB,x,y\n", "well,a,b\nA,1,2\n", "0,1,2,3\nA,1,2,3\n"]
        {
            assert!(!is_plate_map(&lines(text)), "{text}");
        }
    }

    #[test]
    fn faults_are_named_with_their_lines() {
        for (text, part) in [
            ("drug,1,2,3\nA,x,,\nC,x,,\n", "map.csv:3: \"C\" begins a line of the plate `drug`, expected row B"),
            ("drug,1,2,3\nA,x,,,y\n", "map.csv:2: \"y\" stands outside the plate, which has 3 columns"),
            ("drug,1,2,3\nA,x,,\n\ndrug,1,2,3\nA,y,,\n", "map.csv:4: a second block is called `drug`"),
            ("by,me,,\n,1,2,3\nA,x,,\n", "map.csv:1: \"by me\" belongs to no plate"),
        ] {
            let error = wells(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
