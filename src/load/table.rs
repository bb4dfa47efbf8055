//! Tables as they lie in files: named columns of text or of numbers, each row with its place.
//!
//! Every format of `load` becomes a [`RawTable`] first. Metadata stay text, so that a plate `00123` keeps its zeros and a
//! dose keeps its digits; only features are read as numbers. A missing number is `NaN`, a missing text is `None`. Written
//! as missing are the empty cell and what pandas reads as such (`NA`, `#N/A`, `NaN`, `null` and the like); among numbers
//! also `-`, `.`, `?`, `None`, `missing` and the errors of a spreadsheet, `#DIV/0!`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::{LoadError, Place};
use super::notation::Notation;

/// Most columns of a table; the widest profiles known have some tens of thousands.
const MAX_COLUMNS: usize = 200_000;

/// Ways to write "no value".
pub(super) const MISSING: [&str; 18] = [
    "", "NA", "N/A", "<NA>", "NaN", "nan", "NULL", "null", "n/a", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "1.#IND",
    "-1.#IND", "1.#QNAN", "-1.#QNAN",
];

/// Ways to write "no value" in a column of numbers, in small letters; elsewhere they may be names.
const MISSING_NUMBERS: [&str; 15] = [
    "-", "--", ".", "?", "none", "missing", "n.a.", "1.#inf", "-1.#inf", "#div/0!", "#value!", "#ref!", "#num!",
    "#name?", "#null!",
];

/// A table with the place of each row.
#[derive(Debug, Clone)]
pub(super) struct RawTable {
    pub columns: Vec<RawColumn>,
    pub rows: Vec<RowPlace>,
    pub paths: Vec<PathBuf>,
}

/// A column of a [`RawTable`].
#[derive(Debug, Clone)]
pub(super) struct RawColumn {
    pub name: String,
    pub values: Values,
}

/// The values of a column.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Text(Vec<Option<String>>),
    /// `NaN` where the cell was missing.
    Number(Vec<f32>),
}

/// Index into [`RawTable::paths`] and line, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    pub path: u32,
    pub line: u32,
}

/// Cells with a value that the first look wants to see in each column.
pub(super) const SKETCH_CELLS: usize = 200;

/// Distinct values that the first look keeps of each column, to show.
pub(super) const SHOWN_VALUES: usize = 12;

/// What a first look at a file tells of a column: how many of the cells looked at are numbers, how many are not.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnSketch {
    pub name: String,
    pub n_numbers: usize,
    /// `true` and `false`.
    pub n_booleans: usize,
    pub n_texts: usize,
    /// The first text.
    pub example: Option<String>,
    /// The first distinct values, as they are written.
    pub values: Vec<String>,
    /// Whether its cells are lists or records, which are not read.
    pub is_nested: bool,
    /// Whether it is a column of a matrix whose rows have a table of their own, and so a measurement whatever its name.
    pub is_measured: bool,
    /// Whether it names each row of a matrix by itself: it may be joined on and says nothing of samples.
    pub is_key: bool,
}

impl ColumnSketch {
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes in one cell as written.
    pub fn add(&mut self, cell: &str, notation: Notation) {
        let Some(text) = present_number(cell) else { return };
        if self.values.len() < SHOWN_VALUES && self.n_cells() < SKETCH_CELLS {
            self.show(text);
        }
        match () {
            () if notation.number(text).is_some() => self.n_numbers += 1,
            () if boolean(text).is_some() => self.n_booleans += 1,
            () => {
                self.n_texts += 1;
                self.example.get_or_insert_with(|| text.to_owned());
            }
        }
    }

    /// Keeps a value to show, if it is new.
    pub fn show(&mut self, value: &str) {
        if self.values.len() < SHOWN_VALUES && !self.values.iter().any(|known| known == value) {
            self.values.push(value.to_owned());
        }
    }

    /// Takes in what another file tells of the same column.
    pub fn merge(&mut self, other: Self) {
        other.values.iter().for_each(|value| self.show(value));
        self.n_numbers += other.n_numbers;
        self.n_booleans += other.n_booleans;
        self.n_texts += other.n_texts;
        self.example = self.example.take().or(other.example);
        self.is_nested |= other.is_nested;
        self.is_measured |= other.is_measured;
        self.is_key |= other.is_key;
    }

    pub fn n_cells(&self) -> usize {
        self.n_numbers + self.n_booleans + self.n_texts
    }

    /// Whether most of its cells are numbers.
    pub fn is_numeric(&self) -> bool {
        self.n_numbers > self.n_texts + self.n_booleans
    }

    /// Whether it holds nothing but `true` and `false`.
    pub fn is_boolean(&self) -> bool {
        self.n_booleans > 0 && self.n_texts == 0 && self.n_numbers == 0
    }
}

/// A text of a cell without outer blanks, or `None` where it says that there is no value.
pub(super) fn present(text: &str) -> Option<&str> {
    let text = text.trim();
    (!MISSING.contains(&text)).then_some(text)
}

/// A cell of a column of numbers without outer blanks, or `None` where it says that there is no value.
pub(super) fn present_number(text: &str) -> Option<&str> {
    present(text).filter(|text| !MISSING_NUMBERS.iter().any(|missing| text.eq_ignore_ascii_case(missing)))
}

/// What a cell of a column of truth values says.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Refuses a name that stands twice or is absent; the first column may be unnamed, as pandas writes an index.
pub(super) fn check_header(path: &Path, names: &mut [String]) -> Result<(), LoadError> {
    if names.len() > MAX_COLUMNS {
        return Err(LoadError::Columns { path: path.to_path_buf(), found: names.len(), most: MAX_COLUMNS });
    }
    let mut positions = BTreeMap::new();
    if names.first().is_some_and(String::is_empty) {
        // Of a table that was saved with its index twice, pandas names the second one so.
        let is_taken = names.iter().any(|name| name == "Unnamed: 0");
        names[0] = if is_taken { "Unnamed: 0.1" } else { "Unnamed: 0" }.to_owned();
    }
    for (position, name) in names.iter_mut().enumerate() {
        if name.is_empty() {
            return Err(LoadError::UnnamedColumn { path: path.to_path_buf(), position: position + 1 });
        }
        if let Some(first) = positions.insert(name.clone(), position) {
            return Err(LoadError::DuplicateColumn {
                path: path.to_path_buf(),
                column: name.clone(),
                first: first + 1,
                second: position + 1,
            });
        }
    }
    Ok(())
}

/// The sketches of several files as those of one table: columns in the order of the first, their cells counted together.
pub(super) fn merged(each: impl IntoIterator<Item = Vec<ColumnSketch>>) -> Vec<ColumnSketch> {
    let mut merged: Vec<ColumnSketch> = Vec::new();
    let mut positions = BTreeMap::<String, usize>::new();
    for sketch in each.into_iter().flatten() {
        match positions.get(&sketch.name) {
            Some(&position) => merged[position].merge(sketch),
            None => {
                positions.insert(sketch.name.clone(), merged.len());
                merged.push(sketch);
            }
        }
    }
    merged
}

/// The distinct values of a column.
pub(super) fn distinct(values: &[Option<String>]) -> BTreeSet<&str> {
    values.iter().flatten().map(String::as_str).collect()
}

/// How numbers are written in columns of text, by their first cells.
pub(super) fn notation_of<'a>(columns: impl Iterator<Item = &'a RawColumn>) -> Notation {
    let texts = columns.filter_map(|column| match &column.values {
        Values::Text(texts) => Some(texts.iter().take(SKETCH_CELLS).flatten()),
        Values::Number(_) => None,
    });
    Notation::of(texts.flatten().map(String::as_str), false)
}

/// Makes numbers of the columns of text that `numbers` names, and writes numbers in the others plainly; `wrong` names a cell
/// that is not a number by its row, column and text.
pub(super) fn read_numbers(
    columns: &mut [RawColumn],
    numbers: &BTreeSet<&str>,
    notation: Notation,
    wrong: impl Fn(usize, &str, &str) -> LoadError,
) -> Result<(), LoadError> {
    for column in columns {
        let RawColumn { name, values } = column;
        let Values::Text(texts) = values else { continue };
        if !numbers.contains(name.as_str()) {
            if notation != Notation::POINT {
                column.write_plainly(notation);
            }
            continue;
        }
        let number = |(row, text): (usize, &Option<String>)| match text.as_deref().and_then(present_number) {
            None => Ok(f32::NAN),
            Some(text) => notation.number(text).map(|number| number as f32).ok_or_else(|| wrong(row, name, text)),
        };
        *values = Values::Number(texts.iter().enumerate().map(number).collect::<Result<_, _>>()?);
    }
    Ok(())
}

impl RawColumn {
    /// Writes the numbers of a text column, doses say, as programs write them; a column of mostly other texts stays.
    pub fn write_plainly(&mut self, notation: Notation) {
        let Values::Text(values) = &mut self.values else { return };
        let n_numbers = values.iter().flatten().filter(|text| notation.number(text).is_some()).count();
        if 2 * n_numbers <= values.iter().flatten().count() {
            return;
        }
        for text in values.iter_mut().flatten() {
            if let Some(plain) = notation.plain(text) {
                *text = plain.into_owned();
            }
        }
    }
}

impl RawColumn {
    /// Makes no numbers of those with a point in a column of a text whose numbers have decimal commas: it may stand between
    /// thousands.
    pub fn refuse_points(&mut self, notation: Notation) {
        let Values::Text(values) = &mut self.values else { return };
        let is_number = |text: &str| notation.number(text).is_some() || text.parse::<f64>().is_ok();
        let n_numbers = values.iter().flatten().filter(|text| is_number(text)).count();
        if 2 * n_numbers > values.iter().flatten().count() {
            let has_point = |text: &&mut String| notation.plain(text).is_none() && text.parse::<f64>().is_ok();
            values.iter_mut().flatten().filter(has_point).for_each(|text| *text += " (thousands or decimals?)");
        }
    }
}

impl RawTable {
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub fn place(&self, row: usize) -> Place {
        let RowPlace { path, line } = self.rows[row];
        Place { path: self.paths[path as usize].clone(), line: line as usize }
    }

    /// The values of a text column.
    pub fn text(&self, name: &str) -> Option<&[Option<String>]> {
        self.columns.iter().find(|column| column.name == name).and_then(|column| match &column.values {
            Values::Text(values) => Some(values.as_slice()),
            Values::Number(_) => None,
        })
    }

    /// Adds a column that holds `value` in all rows, called `word` or, where that is a column already, a longer name.
    pub fn add_value(&mut self, word: &str, value: &str) -> String {
        let mut name = word.to_owned();
        while self.columns.iter().any(|column| column.name == name) {
            name += "_of_card";
        }
        let values = Values::Text(vec![Some(value.to_owned()); self.n_rows()]);
        self.columns.push(RawColumn { name: name.clone(), values });
        name
    }

    /// Makes 1 and 0 of the columns of `true` and `false` that `names` has.
    ///
    /// # Errors
    /// If a cell is neither.
    pub fn read_booleans(&mut self, names: &BTreeSet<String>) -> Result<(), LoadError> {
        for index in 0..self.columns.len() {
            let RawColumn { name, values } = &self.columns[index];
            let Values::Text(texts) = values else { continue };
            if !names.contains(name) {
                continue;
            }
            let number = |(row, text): (usize, &Option<String>)| match text.as_deref().and_then(present_number) {
                None => Ok(f32::NAN),
                Some(text) => boolean(text).map(|is| f32::from(u8::from(is))).ok_or_else(|| LoadError::Cell {
                    place: self.place(row),
                    column: name.clone(),
                    found: text.to_owned(),
                    expected: "true or false, as in the column's other cells",
                }),
            };
            let numbers = texts.iter().enumerate().map(number).collect::<Result<_, _>>()?;
            self.columns[index].values = Values::Number(numbers);
        }
        Ok(())
    }

    /// The rows for which `is_kept` holds.
    pub fn filtered(self, is_kept: &[bool]) -> RawTable {
        fn chosen<T>(values: Vec<T>, is_kept: &[bool]) -> Vec<T> {
            values.into_iter().zip(is_kept).filter(|(_, kept)| **kept).map(|(value, _)| value).collect()
        }
        // Column by column, so that the numbers are not held twice.
        let columns = self.columns.into_iter().map(|RawColumn { name, values }| RawColumn {
            name,
            values: match values {
                Values::Text(values) => Values::Text(chosen(values, is_kept)),
                Values::Number(values) => Values::Number(chosen(values, is_kept)),
            },
        });
        RawTable { columns: columns.collect(), rows: chosen(self.rows, is_kept), paths: self.paths }
    }

    /// All rows once for each of `values`, which a new column called `name` holds.
    pub fn repeated(&self, name: &str, values: &[String]) -> RawTable {
        fn again<T: Clone>(all: &[T], n_times: usize) -> Vec<T> {
            std::iter::repeat_n(all, n_times).flatten().cloned().collect()
        }
        let columns = self.columns.iter().map(|column| RawColumn {
            name: column.name.clone(),
            values: match &column.values {
                Values::Text(texts) => Values::Text(again(texts, values.len())),
                Values::Number(numbers) => Values::Number(again(numbers, values.len())),
            },
        });
        let of_value = |value: &String| std::iter::repeat_n(Some(value.clone()), self.n_rows());
        let added =
            RawColumn { name: name.to_owned(), values: Values::Text(values.iter().flat_map(of_value).collect()) };
        RawTable {
            columns: columns.chain([added]).collect(),
            rows: again(&self.rows, values.len()),
            paths: self.paths.clone(),
        }
    }

    /// The text columns alone.
    pub fn without_numbers(mut self) -> RawTable {
        self.columns.retain(|column| matches!(column.values, Values::Text(_)));
        self
    }

    /// The rows of all tables, with the columns of all of them; a text column that a table lacks is missing there.
    ///
    /// # Errors
    /// [`LoadError::ColumnsDiffer`] if a column that `is_needed` accepts is not in every table.
    pub fn concatenated(mut tables: Vec<RawTable>, is_needed: impl Fn(&str) -> bool) -> Result<RawTable, LoadError> {
        if tables.len() == 1 {
            return Ok(tables.remove(0));
        }
        let mut names: Vec<String> = Vec::new();
        let mut seen = BTreeMap::<String, PathBuf>::new();
        for table in &tables {
            for column in &table.columns {
                seen.entry(column.name.clone()).or_insert_with(|| {
                    names.push(column.name.clone());
                    table.paths[0].clone()
                });
            }
        }
        for table in &tables {
            let own: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let absent = || names.iter().filter(|name| !own.contains(name.as_str()) && is_needed(name));
            if let Some(has) = absent().next().map(|name| &seen[name]) {
                return Err(LoadError::ColumnsDiffer {
                    columns: absent().filter(|name| seen[*name] == *has).cloned().collect(),
                    has: has.clone(),
                    lacks: table.paths[0].clone(),
                });
            }
        }
        let mut whole = RawTable {
            columns: Vec::with_capacity(names.len()),
            rows: Vec::new(),
            paths: tables.iter().map(|table| table.paths[0].clone()).collect(),
        };
        let mut parts: Vec<BTreeMap<String, Values>> = Vec::with_capacity(tables.len());
        let mut lengths = Vec::with_capacity(tables.len());
        for (index, table) in tables.into_iter().enumerate() {
            lengths.push(table.rows.len());
            whole.rows.extend(table.rows.iter().map(|row| RowPlace { path: index as u32, line: row.line }));
            parts.push(table.columns.into_iter().map(|column| (column.name, column.values)).collect());
        }
        for name in names {
            let is_number = parts.iter().any(|part| matches!(part.get(&name), Some(Values::Number(_))));
            let mut numbers = Vec::new();
            let mut texts = Vec::new();
            for (part, &length) in parts.iter_mut().zip(&lengths) {
                match part.remove(&name) {
                    Some(Values::Number(values)) => numbers.extend(values),
                    Some(Values::Text(values)) => texts.extend(values),
                    None if is_number => numbers.resize(numbers.len() + length, f32::NAN),
                    None => texts.resize(texts.len() + length, None),
                }
            }
            whole.columns.push(RawColumn {
                name,
                values: if is_number { Values::Number(numbers) } else { Values::Text(texts) },
            });
        }
        Ok(whole)
    }
}
