//! CellProfiler's tables of objects -> a table with a row for each image: the median of its objects, compartment by compartment.
//!
//! ```text
//! Image.csv          ImageNumber,Count_Cells,Metadata_Plate,Metadata_Well,Metadata_Site,…
//! Cells.csv          ImageNumber,ObjectNumber,AreaShape_Area,…            -> Cells_AreaShape_Area, …
//! Nuclei.csv         ImageNumber,ObjectNumber,AreaShape_Area,…            -> Nuclei_AreaShape_Area, …
//!
//! plate.sqlite       Image, Cells, Nuclei, …, or MyExpt_Per_Image, MyExpt_Per_Object
//! ```
//!
//! The path is that of the database, or of the table of images with `#objects` behind it, which stands for the tables of two
//! kinds of objects or more beside it too; a single table of objects is one of cells, whose rows stay apart. Objects of an image are of one well, so that their median needs no plate map, and the compartments need
//! no relation between their objects. Rows come in a stream: what is in memory are the objects of one image.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;

use super::error::{LoadError, Place};
use super::features::is_known_by_name;
use super::inputs::{Given, file_name, folder_with};
use super::mapping::{ColumnRole, plain};
use super::notation::Notation;
use super::sqlite::{self, Problem};
use super::table::{ColumnSketch, RawColumn, RawTable, RowPlace, SKETCH_CELLS, Values, present, present_number};
use super::{format, part, text};
use crate::table::first_few;

/// The column that says of which image an object is, and the one that numbers the objects of an image.
const IMAGE: &str = "ImageNumber";
const OBJECT: &str = "ObjectNumber";

/// The column of fields of view, where there is none.
const SITE: &str = "Metadata_Site";

/// The column that numbers runs of CellProfiler in a database of several.
const RUN: &str = "TableNumber";

/// Images and the tables of their objects.
pub(super) struct Export {
    images: Table,
    compartments: Vec<Compartment>,
}

struct Compartment {
    /// What the names of its columns begin with.
    name: String,
    table: Table,
    /// The columns of measurements, as they are called in the table.
    columns: Vec<String>,
}

enum Table {
    File(PathBuf),
    Base { path: PathBuf, table: String, columns: Vec<String> },
}

/// The median of each column, by the key of an image.
type Medians = BTreeMap<Vec<String>, Vec<f32>>;

/// A cell of a table.
enum Cell<'a> {
    Missing,
    Integer(i64),
    Number(f64),
    Text(&'a str),
}

/// The part of a table of images that stands for it with the tables of objects beside it.
pub(super) const OBJECTS: &str = "objects";

/// The images and objects that a path stands for: a database, or a table of images with [`OBJECTS`]; `None` for any other.
pub(super) fn find(path: &Path) -> Result<Option<Export>, LoadError> {
    match part::split(path) {
        (file, Some(OBJECTS)) => in_folder(file).map(Some).ok_or_else(|| LoadError::Decode {
            path: path.to_path_buf(),
            message: "no two tables of objects of CellProfiler, with `ImageNumber` and `ObjectNumber`, lie next to it"
                .to_owned(),
        }),
        (file, None) if format::is_sqlite(file)? => in_base(file),
        _ => Ok(None),
    }
}

/// Tables of which those of images and of their objects are one.
pub(super) fn merged(given: Vec<Given>) -> Vec<Given> {
    let paths: Vec<PathBuf> = given.iter().map(|given| given.path.clone()).collect();
    let of_objects = |path: &Path| {
        let export = is_of_images(path).then(|| in_folder(path)).flatten()?;
        let others: Vec<PathBuf> = export.files().into_iter().skip(1).map(Path::to_path_buf).collect();
        let is_given = |other: &PathBuf| paths.iter().any(|path| file_name(path) == file_name(other));
        others.iter().all(is_given).then_some(others)
    };
    let found: Vec<Option<Vec<PathBuf>>> = paths.iter().map(|path| of_objects(path)).collect();
    let is_part = |path: &Path| {
        let is_it = |other: &PathBuf| other.file_name() == path.file_name() && folder_with(other) == folder_with(path);
        found.iter().flatten().flatten().any(is_it)
    };
    let merge = |(given, others): (Given, &Option<Vec<PathBuf>>)| match others {
        Some(_) => Some(Given { path: with_objects(&given.path), ..given }),
        None => (!is_part(&given.path)).then_some(given),
    };
    given.into_iter().zip(&found).filter_map(merge).collect()
}

/// The tables of images below a folder, with the tables of objects beside them, as of a run on a cluster that writes a folder
/// for each site.
pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    const MOST: usize = 100_000;
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).take(MOST);
    let of_folder = |folder: PathBuf| {
        let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        files.filter(|path| is_of_images(path)).find(|path| in_folder(path).is_some()).map(|path| with_objects(&path))
    };
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).filter_map(of_folder).collect();
    found.sort();
    found
}

/// Whether tables of images and of their objects lie in a folder.
pub(super) fn are_in(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| is_of_images(path)).any(|path| in_folder(&path).is_some())
}

/// Whether a file is a database of images and objects.
pub(super) fn is_base(path: &Path) -> bool {
    find(path).is_ok_and(|export| export.is_some())
}

fn with_objects(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}#{OBJECTS}", path.display()))
}

fn is_of_images(path: &Path) -> bool {
    Named::of(path).is_some_and(|named| named.table == "image")
}

/// The table of images at `path`, with those of objects beside it; two at least.
fn in_folder(path: &Path) -> Option<Export> {
    let named = Named::of(path)?;
    let compartments: Vec<Compartment> = siblings(path, &named).iter().filter_map(|path| of_file(path)).collect();
    let is_export = compartments.len() > 1 && header_of(path).iter().any(|column| column == IMAGE);
    is_export.then(|| Export { images: Table::File(path.to_path_buf()), compartments })
}

/// A file's name, as far as CellProfiler gave it: `MyExpt_Image.csv.gz`.
struct Named {
    /// `MyExpt_`, in small letters.
    before: String,
    /// `image`, in small letters.
    table: String,
    /// `.csv.gz`.
    ending: &'static str,
}

impl Named {
    fn of(path: &Path) -> Option<Self> {
        let name = file_name(path).to_lowercase();
        let ending = [".csv", ".csv.gz", ".txt", ".tsv"].into_iter().find(|ending| name.ends_with(ending))?;
        let stem = name.strip_suffix(ending)?;
        let (before, table) = stem.rfind('_').map_or(("", stem), |at| stem.split_at(at + 1));
        Some(Self { before: before.to_owned(), table: table.to_owned(), ending })
    }
}

/// The other files of the same experiment in the folder, sorted.
fn siblings(path: &Path, named: &Named) -> Vec<PathBuf> {
    let folder = folder_with(path);
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_sibling = |other: &Named| other.before == named.before && other.ending == named.ending;
    let mut found: Vec<PathBuf> = (entries.map(|entry| folder.join(entry.file_name())))
        .filter(|other| other.file_name() != path.file_name() && other.is_file())
        .filter(|other| Named::of(other).as_ref().is_some_and(is_sibling))
        .collect();
    found.sort();
    found
}

/// The names in the first line of a file; none where it is no table.
fn header_of(path: &Path) -> Vec<String> {
    let Ok(mut lines) = lines_of(path) else { return Vec::new() };
    lines.headers().map(|header| header.iter().map(str::to_owned).collect()).unwrap_or_default()
}

fn of_file(path: &Path) -> Option<Compartment> {
    let header = header_of(path);
    let file = file_name(path);
    let name = file.split('.').next().unwrap_or_default();
    let name = name.rsplit('_').next().unwrap_or(name).to_owned();
    let has = |wanted: &str| header.iter().any(|column| column == wanted);
    let columns = measured(&name, &header);
    (has(IMAGE) && has(OBJECT) && !columns.is_empty()).then(|| Compartment {
        name,
        table: Table::File(path.to_path_buf()),
        columns,
    })
}

fn in_base(path: &Path) -> Result<Option<Export>, LoadError> {
    let tables = sqlite::tables_of(path)?;
    let Ok((image, before)) = sqlite::table_of_images(&tables) else { return Ok(None) };
    let table =
        |name: &str| Table::Base { path: path.to_path_buf(), table: name.to_owned(), columns: tables[name].clone() };
    let has = |name: &str, wanted: &str| tables[name].iter().any(|column| column == wanted);
    let compartment = |name: &String| {
        let (start, rest) = name.split_at_checked(before.len())?;
        // CellProfiler itself writes the second; cytominer-database adds the first.
        let numbers_objects = |column: &String| column == OBJECT || column.ends_with("Number_Object_Number");
        let has_objects = tables[name].iter().any(numbers_objects);
        let is_of_objects = start.eq_ignore_ascii_case(&before) && has(name, IMAGE) && has_objects && name != image;
        // `Per_Object` holds the columns of all compartments, each by its whole name.
        let prefix = if rest.eq_ignore_ascii_case("object") { "" } else { rest };
        let columns = measured(prefix, &tables[name]);
        (is_of_objects && !columns.is_empty()).then(|| Compartment {
            name: prefix.to_owned(),
            table: table(name),
            columns,
        })
    };
    let compartments: Vec<Compartment> = tables.keys().filter_map(compartment).collect();
    let is_one = !compartments.is_empty() && has(image, IMAGE);
    Ok(is_one.then(|| Export { images: table(image), compartments }))
}

/// The columns of a table of objects that may be measurements.
fn measured(compartment: &str, header: &[String]) -> Vec<String> {
    let is_measured = |name: &&String| {
        let own = name.strip_prefix(compartment).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
        let says_which = ["Number_", "Parent_", "Location_", "Metadata_"].iter().any(|start| own.starts_with(start));
        ![IMAGE, OBJECT, RUN].contains(&name.as_str()) && !says_which && !is_known_by_name(&called(compartment, name))
    };
    header.iter().filter(is_measured).cloned().collect()
}

/// `AreaShape_Area` of `Cells` -> `Cells_AreaShape_Area`.
fn called(compartment: &str, column: &str) -> String {
    let is_whole = compartment.is_empty() || column.strip_prefix(compartment).is_some_and(|rest| rest.starts_with('_'));
    if is_whole { column.to_owned() } else { format!("{compartment}_{column}") }
}

impl Export {
    /// The files that are read, that of the images first; a database is one.
    pub fn files(&self) -> Vec<&Path> {
        let mut files = vec![self.images.path()];
        files.extend(self.compartments.iter().map(|compartment| compartment.table.path()));
        files.dedup();
        files
    }

    /// The columns of the images, and of the medians of their objects.
    pub fn sketch(&self) -> Result<Vec<ColumnSketch>, LoadError> {
        let mut sketches = format::sketch_of(&self.images(&|_| true)?);
        for compartment in &self.compartments {
            let mut of_columns: Vec<ColumnSketch> =
                compartment.columns.iter().map(|name| ColumnSketch::of(&called(&compartment.name, name))).collect();
            let mut n_rows = 0;
            compartment.table.each_row(&compartment.columns, false, &mut |_, cells| {
                for (sketch, cell) in of_columns.iter_mut().zip(cells) {
                    if let Some(text) = cell.text() {
                        sketch.add(&text, Notation::POINT);
                    }
                }
                n_rows += 1;
                Ok(n_rows < SKETCH_CELLS)
            })?;
            sketches.extend(of_columns);
        }
        Ok(sketches)
    }

    /// The columns of the images that `is_wanted` accepts, as text.
    pub fn images(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<RawTable, LoadError> {
        let columns = self.images.columns();
        let own = |column: &str| column.strip_prefix("Image_").unwrap_or(column).to_owned();
        let is_taken = |column: &&String| {
            let own = own(column);
            let says_where = own.starts_with("Metadata_") || own.starts_with("Count_");
            is_wanted(&own) && (says_where || [IMAGE, RUN].contains(&own.as_str()))
        };
        let columns: Vec<String> = columns.iter().filter(is_taken).cloned().collect();
        let mut values: Vec<Vec<Option<String>>> = vec![Vec::new(); columns.len()];
        let mut rows = Vec::new();
        self.images.each_row(&columns, false, &mut |line, cells| {
            for (values, cell) in values.iter_mut().zip(cells) {
                values.push(cell.text());
            }
            rows.push(RowPlace { path: 0, line: line as u32 });
            Ok(true)
        })?;
        let named = |(name, values): (&String, _)| RawColumn { name: own(name), values: Values::Text(values) };
        let mut columns: Vec<RawColumn> = columns.iter().zip(values).map(named).collect();
        // Where no column tells the fields of view of a well apart, their numbers do.
        let is_site = |name: &String| ColumnRole::Site.usual_names().contains(&plain(name).as_str());
        if !self.images.columns().iter().any(is_site) && is_wanted(SITE) {
            let numbers = columns.iter().find(|column| column.name == IMAGE).map(|column| column.values.clone());
            columns.extend(numbers.map(|values| RawColumn { name: SITE.to_owned(), values }));
        }
        Ok(RawTable { columns, rows, paths: vec![self.images.path().to_path_buf()] })
    }

    /// A row for each image: what is known of it, and the medians of its objects in the columns that `is_wanted` accepts.
    pub fn read(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<RawTable, LoadError> {
        let mut table = self.images(&|_| true)?;
        let key_columns = self.keys();
        let keys: Vec<Vec<String>> = (0..table.n_rows())
            .map(|row| {
                let of_column = |key: &&str| table.text(key).and_then(|texts| texts[row].clone()).unwrap_or_default();
                key_columns.iter().map(of_column).collect()
            })
            .collect();
        for compartment in &self.compartments {
            let name = |column: &String| called(&compartment.name, column);
            let columns: Vec<String> =
                compartment.columns.iter().filter(|column| is_wanted(&name(column))).cloned().collect();
            let medians = match compartment.medians(&key_columns, &columns, false)? {
                Some(medians) => medians,
                // Rows of an image do not stand together.
                None => compartment.medians(&key_columns, &columns, true)?.unwrap_or_default(),
            };
            for (index, column) in columns.iter().enumerate() {
                let of_image = |key: &Vec<String>| medians.get(key).map_or(f32::NAN, |medians| medians[index]);
                let values = Values::Number(keys.iter().map(of_image).collect());
                table.columns.push(RawColumn { name: name(column), values });
            }
        }
        Ok(table)
    }

    /// The columns that say of which image an object is.
    fn keys(&self) -> Vec<&'static str> {
        let has = |table: &Table, key: &str| table.columns().iter().any(|column| column == key);
        let all =
            || std::iter::once(&self.images).chain(self.compartments.iter().map(|compartment| &compartment.table));
        [RUN, IMAGE].into_iter().filter(|key| all().all(|table| has(table, key))).collect()
    }

    /// What was made of the tables, in words.
    pub fn note(&self) -> String {
        let named = |compartment: &Compartment| match (&compartment.table, compartment.name.as_str()) {
            (Table::Base { table, .. }, "") => table.clone(),
            (_, name) => name.to_owned(),
        };
        let names: Vec<String> = self.compartments.iter().map(named).collect();
        format!(
            "{}: a row is an image, with the median over its objects of each measurement of {}",
            file_name(self.images.path()),
            first_few(&names, 5)
        )
    }
}

impl Compartment {
    /// The median of each column over the objects of each image; `None` where the rows of an image do not stand together.
    fn medians(&self, keys: &[&str], columns: &[String], is_sorted: bool) -> Result<Option<Medians>, LoadError> {
        let mut medians = Medians::new();
        let mut of_image: (Vec<String>, Vec<Vec<f32>>) = (Vec::new(), vec![Vec::new(); columns.len()]);
        let mut is_together = true;
        let read: Vec<String> = keys.iter().map(|key| (*key).to_owned()).chain(columns.iter().cloned()).collect();
        self.table.each_row(&read, is_sorted, &mut |line, cells| {
            let (of_keys, values) = cells.split_at(keys.len());
            let key: Vec<String> = of_keys.iter().map(|cell| cell.text().unwrap_or_default()).collect();
            if key != of_image.0 {
                is_together &= !medians.contains_key(&key);
                finish(&mut of_image, &mut medians);
                of_image.0 = key;
            }
            for ((column, cell), values) in columns.iter().zip(values).zip(&mut of_image.1) {
                values.push(cell.number().map_err(|found| self.table.not_a_number(line, column, found))?);
            }
            Ok(is_together)
        })?;
        finish(&mut of_image, &mut medians);
        Ok(is_together.then_some(medians))
    }
}

/// Puts the medians of an image to the others.
fn finish((key, values): &mut (Vec<String>, Vec<Vec<f32>>), medians: &mut Medians) {
    if !key.is_empty() {
        medians.insert(std::mem::take(key), values.iter_mut().map(median).collect());
    }
}

/// The median of the values that are there; empties `values`.
fn median(values: &mut Vec<f32>) -> f32 {
    values.retain(|value| value.is_finite());
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len();
    let median = match n {
        0 => f32::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    };
    values.clear();
    median
}

impl Cell<'_> {
    fn text(&self) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => present(text).map(str::to_owned),
        }
    }

    /// The number, `NaN` where there is none; the text that is no number as an error.
    fn number(&self) -> Result<f32, &str> {
        match self {
            Self::Missing => Ok(f32::NAN),
            Self::Integer(number) => Ok(*number as f32),
            Self::Number(number) => Ok(*number as f32),
            Self::Text(text) => match present_number(text) {
                None => Ok(f32::NAN),
                Some(text) => text.parse().map_err(|_| text),
            },
        }
    }
}

/// What is done with a row, by its line and cells; whether to go on.
type UseRow<'a> = &'a mut dyn FnMut(usize, &[Cell<'_>]) -> Result<bool, LoadError>;

impl Table {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Base { path, .. } => path,
        }
    }

    fn columns(&self) -> Vec<String> {
        match self {
            Self::File(path) => header_of(path),
            Self::Base { columns, .. } => columns.clone(),
        }
    }

    fn not_a_number(&self, line: usize, column: &str, found: &str) -> LoadError {
        super::csv::not_a_number(self.path(), line, column, found)
    }

    /// Goes through the rows; with `is_sorted`, those of an image together.
    fn each_row(&self, columns: &[String], is_sorted: bool, use_row: UseRow<'_>) -> Result<(), LoadError> {
        match self {
            Self::File(path) if is_sorted => Err(LoadError::Decode {
                path: path.clone(),
                message: format!("the rows of an image do not stand together; sort the table by `{IMAGE}`"),
            }),
            Self::File(path) => of_text(path, columns, use_row),
            Self::Base { path, table, .. } => {
                let order: &[&str] = if is_sorted { &[RUN, IMAGE] } else { &[] };
                let order: Vec<&str> = order.iter().copied().filter(|key| columns.iter().any(|c| c == key)).collect();
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let each = |base| {
                    sqlite::each_row(&base, table, &names, &order, &mut |line, row| {
                        let cell = |index| {
                            Ok(match row.get_ref(index)? {
                                ValueRef::Null | ValueRef::Blob(_) => Cell::Missing,
                                ValueRef::Integer(number) => Cell::Integer(number),
                                ValueRef::Real(number) => Cell::Number(number),
                                ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_or(Cell::Missing, Cell::Text),
                            })
                        };
                        let cells = (0..names.len()).map(cell).collect::<Result<Vec<_>, Problem>>()?;
                        Ok(use_row(line, &cells)?)
                    })
                };
                sqlite::open(path).and_then(each).map_err(|problem| problem.of(path))
            }
        }
    }
}

/// Goes through the rows of delimited text.
fn of_text(path: &Path, columns: &[String], use_row: UseRow<'_>) -> Result<(), LoadError> {
    let decode = |error: ::csv::Error| LoadError::Decode { path: path.to_path_buf(), message: error.to_string() };
    let mut lines = lines_of(path)?;
    let header = lines.headers().map_err(decode)?.clone();
    let position = |column: &String| header.iter().position(|name| name == column);
    let positions: Vec<Option<usize>> = columns.iter().map(position).collect();
    let mut record = ::csv::StringRecord::new();
    while lines.read_record(&mut record).map_err(decode)? {
        let line = record.position().map_or(0, |position| position.line() as usize);
        if record.len() != header.len() {
            let place = Place { path: path.to_path_buf(), line };
            return Err(LoadError::Ragged { place, found: record.len(), expected: header.len() });
        }
        let cell = |position: &Option<usize>| position.map_or(Cell::Missing, |at| Cell::Text(&record[at]));
        let cells: Vec<Cell<'_>> = positions.iter().map(cell).collect();
        if !use_row(line, &cells)? {
            break;
        }
    }
    Ok(())
}

/// A reader of a text by its rows, as they come, whether tabs or commas stand between cells.
fn lines_of(path: &Path) -> Result<::csv::Reader<BufReader<Box<dyn Read>>>, LoadError> {
    let mut source = BufReader::with_capacity(1 << 20, text::unpacked(path)?);
    let beginning = source.fill_buf().map_err(|cause| LoadError::io(path, cause))?;
    let first_line = beginning.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |sign: u8| first_line.iter().filter(|&&byte| byte == sign).count();
    let delimiter = if count(b'\t') > count(b',') { b'\t' } else { b',' };
    Ok(::csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_what_is_there() {
        for (values, expected) in [(&[3.0, 1.0, 2.0][..], 2.0), (&[4.0, 1.0, 2.0, 3.0], 2.5), (&[f32::NAN, 7.0], 7.0)] {
            assert_eq!(median(&mut values.to_vec()), expected);
        }
        assert!(median(&mut Vec::new()).is_nan());
    }
}
