//! Tables in workbooks: Excel (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`) and OpenDocument (`.ods`).
//!
//! ```text
//! plate.xlsx            the first sheet that holds a table
//! plate.xlsx#Layout     the sheet called Layout
//! ```
//!
//! Sheets of the same columns that are of plates of their own are one table in parts, and all of them are read.
//!
//! A sheet is a table with a header line, or a plate map as [`plate_map`] reads them. Cells are read as they are shown:
//! `1` and not `1.0`, fifteen digits, dates as `2024-01-31`, `TRUE` and `FALSE`; a cell that holds an error has no value.
//! Cells that were merged down a column all hold what the first of them does.
//! Empty lines are skipped, and so are titles above the header, and sheets of text before that of the table. Refused: values under a header cell that
//! is empty, as cells merged in a line leave them, with the column; a workbook that unpacks to more than files of its size do;
//! sheets of more cells than a table has; encrypted or damaged workbooks. A row's place is its number in the sheet.

mod biff;
mod package;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use calamine::{Data, DataRef, Dimensions, ExcelDateTime, Ods, Reader, SheetType, SheetVisible, Xls, Xlsb, Xlsx};

use super::card::Card;
use super::error::LoadError;
use super::mapping::{ColumnRole, Mapping, is_usual_name};
use super::part::{file_of, split};
use super::plate_map::{self, Line};
use super::table::{self, RawColumn, RawTable, RowPlace, Values};
use super::text::titles_are_left_out;
use super::titles;
use crate::table::{first_few, quietly};

/// How files begin that may be workbooks: zip archives and compound files.
pub(super) const ZIP: &[u8] = b"PK\x03\x04";
pub(super) const COMPOUND: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];

/// Cells of a sheet, at most; 9,216 rows of 1,500 columns have 14 million.
const MOST_CELLS: u64 = 16 << 20;

/// Bytes of a workbook, at most; it is held in memory.
const MOST_BYTES: u64 = 256 << 20;

/// The table of a sheet, as text.
///
/// # Errors
/// If the workbook cannot be read, has no such sheet, or the sheet is not a table.
pub(super) fn read(path: &Path) -> Result<RawTable, LoadError> {
    let (sheet, lines) = Workbook::open(path)?.lines(split(path).1)?;
    if plate_map::is_plate_map(&lines) {
        let name = if split(path).1.is_some() || sheet != "Sheet1" { sheet } else { stem(path) };
        return plate_map::read(path, &lines, &name);
    }
    table_of(path, lines)
}

/// Which of several sheets is read, if the path does not say it, what else the workbook holds, and what stands above the
/// header.
///
/// # Errors
/// As [`read`].
pub(super) fn notes(path: &Path) -> Result<Vec<String>, LoadError> {
    if split(path).1.is_some() {
        return Ok(Vec::new());
    }
    let mut workbook = Workbook::open(path)?;
    let mut filled = Vec::new();
    for name in workbook.names() {
        if !workbook.lines(Some(&name)).is_ok_and(|(_, lines)| lines.is_empty()) {
            filled.push(name);
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (read, lines) = workbook.lines(None)?;
    let titles: Vec<String> =
        lines[..n_titles(&lines)].iter().map(|(_, cells)| cells.join(" ").trim().to_owned()).collect();
    let of_titles =
        (!titles.is_empty() && !plate_map::is_plate_map(&lines)).then(|| titles_are_left_out(&name, &titles));
    filled.retain(|sheet| *sheet != read);
    let of_sheets = (!filled.is_empty()).then(|| {
        format!(
            "{name} has {} sheets, of which `{read}` is read and {} not; `{name}#{}` names another",
            filled.len() + 1,
            first_few(&filled, 3),
            filled[0]
        )
    });
    Ok(of_titles.into_iter().chain(of_sheets).collect())
}

/// The sheets of a workbook that are one table in parts, as paths: of the columns of the first, and each of plates of its
/// own; the workbook itself where there is one only, or where its path names a sheet.
pub(super) fn parts(path: &Path) -> Vec<PathBuf> {
    /// Of larger ones one sheet is read.
    const MOST_SHEETS: usize = 64;
    let whole = || vec![path.to_path_buf()];
    let names = match split(path).1 {
        None => Workbook::open(path).map(|workbook| workbook.names()).unwrap_or_default(),
        Some(_) => Vec::new(),
    };
    if !(2..=MOST_SHEETS).contains(&names.len()) {
        return whole();
    }
    let path_of = |name: &String| PathBuf::from(format!("{}#{name}", path.display()));
    let read = names.iter().map(path_of).filter_map(|path| Some((read(&path).ok()?, path)));
    let sheets: Vec<(RawTable, PathBuf)> = read.filter(|(table, _)| table.n_rows() > 0).collect();
    let columns = |table: &RawTable| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let Some((first, _)) = sheets.first() else { return whole() };
    let alike: Vec<&(RawTable, PathBuf)> =
        sheets.iter().filter(|(table, _)| columns(table) == columns(first)).collect();
    let mapping = Mapping::of_names(path, &columns(first), &Card::default()).unwrap_or_default();
    let plate = mapping.column(ColumnRole::Plate);
    let mut known = BTreeSet::new();
    let has_own_plates = |(table, _): &&(RawTable, PathBuf)| {
        let plates = plate.and_then(|plate| table.text(plate)).map(table::distinct).unwrap_or_default();
        plates.into_iter().all(|plate| known.insert(plate.to_owned()))
    };
    let are_parts = alike.len() > 1 && mapping.column(ColumnRole::Well).is_some() && alike.iter().all(has_own_plates);
    if are_parts { alike.into_iter().map(|(_, path)| path.clone()).collect() } else { whole() }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

type Bytes = Cursor<Vec<u8>>;

/// An opened workbook.
struct Workbook<'a> {
    path: &'a Path,
    sheets: Sheets,
}

enum Sheets {
    Xlsx(Box<Xlsx<Bytes>>),
    Xlsb(Box<Xlsb<Bytes>>),
    Xls(Box<Xls<Bytes>>),
    Ods(Box<Ods<Bytes>>),
}

impl<'a> Workbook<'a> {
    fn open(path: &'a Path) -> Result<Self, LoadError> {
        let io = |cause| LoadError::io(path, cause);
        let file = File::open(file_of(path)).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size > MOST_BYTES {
            return Err(damaged(path, format!("a workbook of {size} bytes; save the sheet as CSV")));
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(io)?;
        let is_compound = bytes.starts_with(COMPOUND);
        let kind = match is_compound {
            true => biff::check(&bytes, MOST_CELLS).map(|()| package::Kind::Xls),
            false => package::check(path, &bytes, MOST_CELLS)?,
        };
        let kind = kind.map_err(|message| damaged(path, message))?;
        let bytes = Cursor::new(bytes);
        let sheets = decoded(path, || {
            Ok::<_, String>(match kind {
                package::Kind::Xlsx => Sheets::Xlsx(Box::new(Xlsx::new(bytes).map_err(|error| error.to_string())?)),
                package::Kind::Xlsb => Sheets::Xlsb(Box::new(Xlsb::new(bytes).map_err(|error| error.to_string())?)),
                package::Kind::Xls => Sheets::Xls(Box::new(Xls::new(bytes).map_err(|error| error.to_string())?)),
                package::Kind::Ods => Sheets::Ods(Box::new(Ods::new(bytes).map_err(|error| error.to_string())?)),
            })
        })?;
        Ok(Self { path, sheets })
    }

    /// The sheets of cells, hidden ones last.
    fn names(&self) -> Vec<String> {
        let sheets = match &self.sheets {
            Sheets::Xlsx(book) => book.sheets_metadata(),
            Sheets::Xlsb(book) => book.sheets_metadata(),
            Sheets::Xls(book) => book.sheets_metadata(),
            Sheets::Ods(book) => book.sheets_metadata(),
        };
        let of_cells = sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let (shown, hidden): (Vec<_>, Vec<_>) = of_cells.partition(|sheet| sheet.visible == SheetVisible::Visible);
        shown.into_iter().chain(hidden).map(|sheet| sheet.name.clone()).collect()
    }

    /// The lines of a sheet that hold anything, and its name; if none is asked for, of the first that does, or of the first
    /// table behind sheets for people.
    fn lines(&mut self, wanted: Option<&str>) -> Result<(String, Vec<Line>), LoadError> {
        let names = self.names();
        let wanted = match wanted {
            Some(wanted) => {
                let is_it = |name: &&String| name.as_str() == wanted || name.eq_ignore_ascii_case(wanted);
                let found = names.iter().find(|name| name.as_str() == wanted).or(names.iter().find(is_it));
                let absent =
                    || damaged(self.path, format!("no sheet `{wanted}`; the sheets are {}", first_few(&names, 12)));
                vec![found.ok_or_else(absent)?.clone()]
            }
            None => names,
        };
        let mut found: Option<(String, Vec<Line>)> = None;
        for name in wanted {
            match (self.lines_of(&name), &found) {
                (Ok(lines), _) if lines.is_empty() => {}
                (Ok(lines), None) if is_prose(&lines) => found = Some((name, lines)),
                (Ok(lines), None) => return Ok((name, lines)),
                (Ok(lines), Some(_)) if has_usual_names(&lines) => return Ok((name, lines)),
                (Err(error), None) => return Err(error),
                (Ok(_) | Err(_), Some(_)) => {}
            }
        }
        Ok(found.unwrap_or_default())
    }

    fn lines_of(&mut self, name: &str) -> Result<Vec<Line>, LoadError> {
        let Self { path, sheets } = self;
        let mut cells = Cells::default();
        decoded(path, || {
            match sheets {
                Sheets::Xlsx(book) => {
                    let merged = book.merge_cells_by_sheet_name(name).map_err(|error| error.to_string())?;
                    let mut reader = book.worksheet_cells_reader(name).map_err(|error| error.to_string())?;
                    while let Some(cell) = reader.next_cell().map_err(|error| error.to_string())? {
                        cells.add(cell.get_position(), text_of_ref(cell.get_value()))?;
                    }
                    cells.repeat(&merged)?;
                }
                Sheets::Xlsb(book) => {
                    let mut reader = book.worksheet_cells_reader(name).map_err(|error| error.to_string())?;
                    while let Some(cell) = reader.next_cell().map_err(|error| error.to_string())? {
                        cells.add(cell.get_position(), text_of_ref(cell.get_value()))?;
                    }
                }
                Sheets::Xls(book) => {
                    cells.add_all(&book.worksheet_range(name).map_err(|error| error.to_string())?)?;
                    cells.repeat(&book.merge_cells_by_sheet_name(name).map_err(|error| error.to_string())?)?;
                }
                Sheets::Ods(book) => cells.add_all(&book.worksheet_range(name).map_err(|error| error.to_string())?)?,
            }
            Ok::<_, String>(())
        })?;
        cells.lines().map_err(|message| damaged(path, message))
    }
}

/// Cells as they come, with their places counted from 0.
#[derive(Default)]
struct Cells {
    cells: Vec<(u32, u32, String)>,
}

impl Cells {
    fn add(&mut self, (row, column): (u32, u32), text: Option<String>) -> Result<(), String> {
        if let Some(text) = text {
            self.cells.push((row, column, text));
        }
        if self.cells.len() as u64 > MOST_CELLS { Err(too_many()) } else { Ok(()) }
    }

    fn add_all(&mut self, range: &calamine::Range<Data>) -> Result<(), String> {
        let (first_row, first_column) = range.start().unwrap_or_default();
        for (row, column, value) in range.used_cells() {
            self.add((first_row + row as u32, first_column + column as u32), text_of(value))?;
        }
        Ok(())
    }

    /// Writes what the first cell of each of the `merged` regions holds into those below it, where a region is of one column:
    /// wider ones are titles and headers.
    fn repeat(&mut self, merged: &[Dimensions]) -> Result<(), String> {
        let of_column = merged.iter().filter(|region| region.start.1 == region.end.1);
        let ends: BTreeMap<(u32, u32), u32> = of_column.map(|region| (region.start, region.end.0)).collect();
        let last = self.cells.iter().map(|(row, ..)| *row).max().unwrap_or(0);
        let is_first = |(row, column, text): &(u32, u32, String)| {
            ends.get(&(*row, *column)).map(|end| (*row..(*end).min(last), *column, text.clone()))
        };
        let repeated: Vec<_> = self.cells.iter().filter_map(is_first).collect();
        for (above, column, text) in repeated {
            for row in above {
                self.add((row + 1, column), Some(text.clone()))?;
            }
        }
        Ok(())
    }

    fn lines(mut self) -> Result<Vec<Line>, String> {
        self.cells.sort_by_key(|(row, column, _)| (*row, *column));
        let mut lines: Vec<Line> = Vec::new();
        let mut n_cells = 0u64;
        for (row, column, text) in self.cells {
            if lines.last().is_none_or(|(line, _)| *line != row + 1) {
                lines.push((row + 1, Vec::new()));
            }
            let (_, cells) = lines.last_mut().expect("one was pushed");
            n_cells += u64::from(column + 1).saturating_sub(cells.len() as u64);
            if n_cells > MOST_CELLS {
                return Err(too_many());
            }
            cells.resize(column as usize, String::new());
            cells.push(text);
        }
        Ok(lines)
    }
}

fn too_many() -> String {
    format!("more than {MOST_CELLS} cells, expected a table; save it as CSV if it is one")
}

fn text_of_ref(value: &DataRef<'_>) -> Option<String> {
    let text = match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => shown(*number),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(is) => truth(*is),
        DataRef::DateTime(date) => date_of(date),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(_) | DataRef::Empty => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

fn text_of(value: &Data) -> Option<String> {
    let text = match value {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => shown(*number),
        Data::String(text) => text.clone(),
        Data::Bool(is) => truth(*is),
        Data::DateTime(date) => date_of(date),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Error(_) | Data::Empty => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// A number with the fifteen digits that a spreadsheet shows: `0.3`, which is stored as `0.30000000000000004`.
fn shown(number: f64) -> String {
    format!("{number:.14e}").parse::<f64>().unwrap_or(number).to_string()
}

fn truth(is: bool) -> String {
    if is { "TRUE" } else { "FALSE" }.to_owned()
}

/// A date, with a time if it has one; a duration as a number of days.
fn date_of(date: &ExcelDateTime) -> String {
    if date.is_duration() {
        return shown(date.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    let day = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) { day } else { format!("{day} {hour:02}:{minute:02}:{second:02}") }
}

/// How many of the first lines are titles: a single cell above what has several, or whatever stands above a header.
fn n_titles(lines: &[Line]) -> usize {
    let n_filled = |(_, cells): &Line| cells.iter().filter(|cell| !cell.is_empty()).count();
    let n_single = lines.windows(2).take_while(|pair| n_filled(&pair[0]) == 1 && n_filled(&pair[1]) > 1).count();
    let cells = lines.iter().map(|(_, cells)| cells.iter().map(String::as_str).collect());
    n_single.max(titles::n_above_header(cells))
}

/// Whether the header of a sheet has names that are usual in tables of a screen.
fn has_usual_names(lines: &[Line]) -> bool {
    let header = lines.get(n_titles(lines)).map(|(_, cells)| cells.as_slice()).unwrap_or_default();
    plate_map::is_plate_map(lines) || header.iter().filter(|name| is_usual_name(name)).count() > 1
}

/// Whether a sheet is for people: it holds hardly a number, and its header no usual name of a column.
fn is_prose(lines: &[Line]) -> bool {
    let cells = || lines.iter().flat_map(|(_, cells)| cells).filter(|cell| !cell.is_empty());
    let n_numbers = cells().filter(|cell| cell.parse::<f64>().is_ok()).count();
    10 * n_numbers < cells().count() && !has_usual_names(lines)
}

/// The table below the header of a sheet.
fn table_of(path: &Path, mut lines: Vec<Line>) -> Result<RawTable, LoadError> {
    lines.drain(..n_titles(&lines));
    let width = lines.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    if lines.is_empty() {
        return Err(LoadError::Empty { path: path.to_path_buf() });
    }
    let (line, header) = lines.remove(0);
    let mut names: Vec<String> =
        header.iter().map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    names.resize(width, String::new());
    // A table may stand anywhere in a sheet.
    let is_used = |column: usize| lines.iter().any(|(_, cells)| cells.get(column).is_some_and(|cell| !cell.is_empty()));
    let used: Vec<usize> = (0..width).filter(|&column| !names[column].is_empty() || is_used(column)).collect();
    if let Some(column) = used.iter().find(|&&column| names[column].is_empty() && column != used[0]) {
        return Err(damaged(
            path,
            format!(
                "row {line} is the header, and its cell in column {} is empty though values stand below; name every \
                 column in one line, without merged cells",
                letters(*column)
            ),
        ));
    }
    let mut names: Vec<String> = used.iter().map(|&column| names[column].clone()).collect();
    table::check_header(path, &mut names)?;
    if lines.is_empty() {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let rows = lines.iter().map(|(line, _)| RowPlace { path: 0, line: *line }).collect();
    let column = |(name, &column): (String, &usize)| {
        let cell = |(_, cells): &Line| cells.get(column).and_then(|cell| table::present(cell)).map(str::to_owned);
        RawColumn { name, values: Values::Text(lines.iter().map(cell).collect()) }
    };
    let columns = names.into_iter().zip(&used).map(column).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// A column as spreadsheets call it: `A`, `B`, …, `Z`, `AA`.
fn letters(column: usize) -> String {
    let last = char::from(b'A' + (column % 26) as u8);
    if column < 26 { last.to_string() } else { format!("{}{last}", letters(column / 26 - 1)) }
}

/// What `read` reads; where it fails or panics, the workbook is damaged.
fn decoded<T>(path: &Path, read: impl FnOnce() -> Result<T, String>) -> Result<T, LoadError> {
    match quietly(read) {
        Some(read) => read.map_err(|message| damaged(path, message)),
        None => Err(damaged(path, "its parts contradict each other".to_owned())),
    }
}

fn damaged(path: &Path, message: String) -> LoadError {
    LoadError::Decode { path: path.to_path_buf(), message }
}

#[cfg(test)]
mod tests;
