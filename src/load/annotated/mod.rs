//! Matrices whose rows and columns have tables of their own: AnnData, Cell Ranger, GCT and GCTX.
//!
//! ```text
//! cells.h5ad
//!   X          [cell, gene], dense or sparse; also raw/X and layers/NAME
//!   obs        a table with a row for each cell: what was done to it, its line, donor, batch
//!   var        a table with a row for each gene
//! ```
//!
//! The columns of `obs` are the metadata of a [`RawTable`], and the genes its features, under the names in the index of
//! `var`. A row of `obs` is a cell, and a profile is made of many: [`pool`] adds up the cells of each sample in a stream, so
//! that cells times genes are never in memory. The path may name other values than `X`, as `cells.h5ad#counts` does.
//! A row's place counts like a text table's: the first row is line 2.

mod frame;
mod gct;
mod lines;
mod market;
mod matrix;
mod pool;
mod samples;
mod scale;
mod tenx;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::frame::{Frame, told_apart};
use self::lines::Lines;
use self::market::Market;
use self::matrix::Matrix;
pub(super) use self::pool::pool;
pub use self::scale::Scale;
use super::error::LoadError;
use super::hdf5::Hdf5;
use super::inputs::file_name;
use super::mapping::{ColumnRole, plain};
use super::part;
use super::table::{self, ColumnSketch, RawColumn, RawTable, RowPlace, SHOWN_VALUES, SKETCH_CELLS, Values};
use crate::table::first_few;

/// How matrices with tables of their rows are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpressionSettings {
    /// What the values are; `None` leaves it to them.
    pub scale: Option<Scale>,
    /// What a row of the matrix is; `None` leaves it to how many rows there are of each sample.
    pub rows: Option<MatrixRows>,
}

/// What a row of a matrix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatrixRows {
    /// One cell; the cells of a sample are pooled.
    Cells,
    /// A sample by itself, as a well or a sequenced culture.
    Samples,
}

/// Values of a file that a path can name.
const X: &str = "X";
const RAW: &str = "raw";

/// The table of the rows.
const OBS: &str = "obs";

/// An open file, with the values that are read.
pub(super) struct Annotated {
    rows: Rows,
    values: Stored,
    /// Where the values are, within the file.
    pub place: String,
    /// Names of the columns of the matrix.
    pub features: Vec<String>,
    /// Which of them each column of the file is, where some are left out.
    column_of: Option<Vec<Option<u32>>>,
    /// Of these, how many stood twice.
    n_told_apart: usize,
    /// Names of other values that a path could name.
    others: Vec<String>,
    /// Whether the file says that its values are logarithms.
    pub is_marked_as_log: bool,
    /// Whether a row is a sample in every file of this format.
    is_of_samples: bool,
}

/// The table of the rows.
enum Rows {
    /// In the file of the values.
    InFile,
    /// Columns of text.
    Held(Vec<RawColumn>),
}

/// The values, wherever they are.
enum Stored {
    /// In an HDF5 file.
    InFile { file: Hdf5, matrix: Matrix },
    /// In a list, as text.
    Listed(Market),
    /// In memory, row by row.
    Held { n_rows: usize, n_columns: usize, values: Vec<f32> },
}

impl Annotated {
    /// # Errors
    /// If the file is damaged, or not of one of these formats.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let (path_of_file, wanted) = part::split(path);
        match kind_of(path_of_file)? {
            Some(Kind::Market) => return market::open(path),
            Some(Kind::Gct) => return gct::open(path),
            _ => {}
        }
        let file = Hdf5::open(path, path_of_file)?;
        match () {
            () if file.is_group(OBS) || file.is_dataset(OBS) => Self::of_anndata(file, wanted),
            () if tenx::is_tenx(&file) => tenx::open(file, wanted),
            () if gct::is_gctx(&file) => gct::open_gctx(file),
            () => Err(file.damaged("", &not_known(&file))),
        }
    }

    /// Values in memory, row by row, whose rows are described elsewhere.
    pub fn held(features: Vec<String>, n_rows: usize, values: Vec<f32>) -> Self {
        Self {
            rows: Rows::Held(Vec::new()),
            values: Stored::Held { n_rows, n_columns: features.len(), values },
            place: "the table".to_owned(),
            features,
            column_of: None,
            n_told_apart: 0,
            others: Vec::new(),
            is_marked_as_log: false,
            is_of_samples: false,
        }
    }

    fn of_anndata(file: Hdf5, wanted: Option<&str>) -> Result<Self, LoadError> {
        let path = file.path.clone();
        let available = available(&file);
        let named = match wanted {
            Some(wanted) => wanted.to_owned(),
            None if available.iter().any(|name| name == X) => X.to_owned(),
            None => match available.as_slice() {
                [one] => one.clone(),
                [] => {
                    let message = "it is missing, and there are neither `raw` nor layers; the file has no values";
                    return Err(file.damaged(X, message));
                }
                several => {
                    let message =
                        format!("it is missing; name other values, as in `{}#{}`", file_name(&path), several[0]);
                    return Err(file.damaged(X, &message));
                }
            },
        };
        if !available.contains(&named) {
            let message = format!("no values `{named}`; there are {}", first_few(&available, 12));
            return Err(file.damaged("", &message));
        }
        let (place, var) = match named.as_str() {
            X => (X.to_owned(), "var".to_owned()),
            RAW if file.is_group(RAW) => ("raw/X".to_owned(), "raw/var".to_owned()),
            // Before 0.7.
            RAW => ("raw.X".to_owned(), "raw.var".to_owned()),
            layer => (format!("layers/{layer}"), "var".to_owned()),
        };
        let n_rows = Frame::of(&file, OBS)?.index()?.len();
        let (features, n_told_apart) = told_apart(Frame::of(&file, &var)?.index()?);
        let matrix = Matrix::of(&file, &place, n_rows, features.len())?;
        let is_marked_as_log = named == X && file.is_group("uns/log1p");
        let others = available.into_iter().filter(|name| *name != named).collect();
        Ok(Self {
            rows: Rows::InFile,
            values: Stored::InFile { file, matrix },
            place,
            features,
            column_of: None,
            n_told_apart,
            others,
            is_marked_as_log,
            is_of_samples: false,
        })
    }

    /// Names of the columns of the table of the rows.
    pub fn columns(&self) -> Result<Vec<String>, LoadError> {
        let genes: BTreeSet<&String> = self.features.iter().collect();
        let columns = match (&self.rows, &self.values) {
            (Rows::Held(columns), _) => columns.iter().map(|column| column.name.clone()).collect(),
            (Rows::InFile, Stored::InFile { file, .. }) => Frame::of(file, OBS)?.columns()?,
            (Rows::InFile, _) => Vec::new(),
        };
        // A column of metadata that is called like a gene cannot be told from it.
        Ok(columns.into_iter().filter(|column| !genes.contains(column)).collect())
    }

    /// A column of the table of the rows as text; `None` where it holds lists.
    pub fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>, LoadError> {
        let file = match (&self.rows, &self.values) {
            (Rows::InFile, Stored::InFile { file, .. }) => file,
            (Rows::InFile, _) => return Ok(None),
            (Rows::Held(columns), _) => {
                let column = columns.iter().find(|column| column.name == name);
                return Ok(column.and_then(|column| match &column.values {
                    Values::Text(cells) => Some(cells.clone()),
                    Values::Number(_) => None,
                }));
            }
        };
        match Frame::of(file, OBS)?.column(name)? {
            Some(values) if values.len() != self.n_rows() => {
                let message = format!("it has {} values for {} rows", values.len(), self.n_rows());
                Err(file.damaged(&format!("{OBS}/{name}"), &message))
            }
            column => Ok(column),
        }
    }

    pub fn n_rows(&self) -> usize {
        match &self.values {
            Stored::InFile { matrix, .. } => matrix.n_rows(),
            Stored::Listed(market) => market.n_rows,
            Stored::Held { n_rows, .. } => *n_rows,
        }
    }

    /// Values of a row that are not zero, at most.
    pub fn most_values(&self, row: usize) -> usize {
        match &self.values {
            Stored::InFile { matrix, .. } => matrix.most_values(row),
            Stored::Listed(_) | Stored::Held { .. } => self.features.len(),
        }
    }

    /// Some of the values that are not zero.
    pub fn sample(&self) -> Result<Vec<f32>, LoadError> {
        match &self.values {
            Stored::InFile { file, matrix } => matrix.sample(file),
            Stored::Listed(market) => market.sample(),
            Stored::Held { values, .. } => {
                let at_once = values.len().div_ceil(1 << 15).max(1);
                Ok(values.iter().copied().step_by(at_once).filter(|value| *value != 0.0).collect())
            }
        }
    }

    /// Hands every value that is not zero to `each`, with its row and the place of its feature.
    fn visit(&self, each: impl FnMut(usize, usize, f32)) -> Result<(), LoadError> {
        self.visit_rows(&|_| true, each)
    }

    /// The same for the rows that `is_wanted` accepts; what holds no such row is not read from the file.
    pub fn visit_rows(
        &self,
        is_wanted: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(usize, usize, f32),
    ) -> Result<(), LoadError> {
        let kept = |row: usize, column: usize, value: f32| match &self.column_of {
            None => each(row, column, value),
            Some(column_of) => {
                if let Some(column) = column_of[column] {
                    each(row, column as usize, value);
                }
            }
        };
        match &self.values {
            Stored::InFile { file, matrix } => matrix.visit(file, is_wanted, kept),
            Stored::Listed(market) => {
                let mut kept = kept;
                market.visit(|row, column, value| {
                    if is_wanted(row) {
                        kept(row, column, value);
                    }
                })
            }
            Stored::Held { n_columns, values, .. } => {
                let mut kept = kept;
                let rows = values.chunks_exact((*n_columns).max(1)).enumerate().filter(|(row, _)| is_wanted(*row));
                for (row, values) in rows {
                    for (column, &value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                        kept(row, column, value);
                    }
                }
                Ok(())
            }
        }
    }
}

/// A text format of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Market,
    Gct,
}

/// The text format that the first line of a file shows.
fn kind_of(path: &Path) -> Result<Option<Kind>, LoadError> {
    let name = file_name(path).to_lowercase();
    let may_be = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let first = match may_be(&[".mtx", ".gct", ".mtx.gz", ".gct.gz"]) {
        true => Lines::open(path)?.next()?.unwrap_or_default().to_lowercase(),
        false => return Ok(None),
    };
    Ok(match () {
        () if first.starts_with("%%matrixmarket") => Some(Kind::Market),
        () if first.starts_with("#1.2") || first.starts_with("#1.3") => Some(Kind::Gct),
        () => None,
    })
}

/// Whether a text file is a matrix with tables of its rows and columns.
pub(super) fn is_text_of_matrix(path: &Path) -> Result<bool, LoadError> {
    Ok(kind_of(path)?.is_some())
}

/// The matrix in a folder of Cell Ranger, if it is one.
pub(super) fn matrix_in(folder: &Path) -> Option<PathBuf> {
    let matrix =
        ["matrix.mtx.gz", "matrix.mtx"].map(|name| folder.join(name)).into_iter().find(|path| path.is_file())?;
    market::companions(&matrix).is_ok().then_some(matrix)
}

/// The values that a path can name: `X`, `raw` and the layers.
fn available(file: &Hdf5) -> Vec<String> {
    let has = |place: &str| file.is_dataset(place) || file.is_group(place);
    let mut available = Vec::new();
    available.extend(has(X).then(|| X.to_owned()));
    available.extend((has("raw/X") || has("raw.X")).then(|| RAW.to_owned()));
    available.extend(file.children("layers"));
    available
}

fn not_known(file: &Hdf5) -> String {
    let holds = file.children("");
    let holds = if holds.is_empty() { "nothing".to_owned() } else { first_few(&holds, 6) };
    format!("an HDF5 file that is neither AnnData (`obs` and `X`) nor of Cell Ranger nor GCTX; it holds {holds}")
}

/// The columns of a file: those of its rows as metadata, and its genes as measurements.
pub(super) fn sketch(path: &Path) -> Result<Vec<ColumnSketch>, LoadError> {
    let open = Annotated::open(path)?;
    let mut sketches = Vec::new();
    for name in open.columns()? {
        let mut sketch = ColumnSketch::of(&name);
        match open.column(&name)? {
            None => sketch.is_nested = true,
            Some(cells) => {
                sketch.is_key = is_of_place(&name) && names_each(&cells);
                sketch_cells(&mut sketch, &cells);
            }
        }
        sketches.push(sketch);
    }
    let gene = |name: &String| ColumnSketch { n_numbers: SKETCH_CELLS, is_measured: true, ..ColumnSketch::of(name) };
    sketches.extend(open.features.iter().map(gene));
    let mut names: Vec<String> = sketches.iter().map(|sketch| sketch.name.clone()).collect();
    table::check_header(path, &mut names)?;
    Ok(sketches)
}

/// Whether a column has a name that plates and contexts have too: `barcode`, `cell_id`.
fn is_of_place(name: &str) -> bool {
    let name = plain(name);
    [ColumnRole::Plate, ColumnRole::Context].into_iter().any(|role| role.usual_names().contains(&name.as_str()))
}

/// Whether a column names every row by itself, as a barcode does, and so says nothing of what was done to it.
fn names_each(cells: &[Option<String>]) -> bool {
    let is_number = |cell: &str| cell.parse::<f64>().is_ok_and(|number| number.fract() != 0.0);
    let mut seen = BTreeSet::new();
    cells.len() > 1
        && cells.iter().flatten().all(|cell| !is_number(cell) && seen.insert(cell))
        && seen.len() == cells.len()
}

fn sketch_cells(sketch: &mut ColumnSketch, cells: &[Option<String>]) {
    let notation = super::notation::Notation::POINT;
    cells.iter().flatten().take(SKETCH_CELLS).for_each(|cell| sketch.add(cell, notation));
    let mut seen = BTreeSet::new();
    for cell in cells.iter().flatten() {
        if seen.len() < SHOWN_VALUES && seen.insert(cell) {
            sketch.show(cell);
        }
    }
}

/// The columns of a file's rows that `is_wanted` accepts, as text.
pub(super) fn rows(path: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<RawTable, LoadError> {
    let open = Annotated::open(path)?;
    let mut columns = Vec::new();
    for name in open.columns()?.into_iter().filter(|name| is_wanted(name)) {
        if let Some(values) = open.column(&name)? {
            columns.push(RawColumn { name, values: Values::Text(values) });
        }
    }
    if open.n_rows() == 0 {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let rows = (0..open.n_rows()).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// Whether a row is a sample in every file of this format.
fn is_of_samples(path: &Path) -> Result<bool, LoadError> {
    Ok(Annotated::open(path)?.is_of_samples)
}

/// What there is to say of a file's values: where they are, what else there is, and names that stand twice.
pub(super) fn notes(path: &Path) -> Result<Vec<String>, LoadError> {
    let open = Annotated::open(path)?;
    let name = file_name(part::file_of(path));
    let mut notes = Vec::new();
    if let Some(other) = open.others.first() {
        notes.push(format!(
            "{name}: the values in `{}` are read; it has others in {}, which `{name}#{other}` reads",
            open.place,
            first_few(&open.others, 4)
        ));
    }
    let n_left_out = open.column_of.iter().flatten().filter(|column| column.is_none()).count();
    if n_left_out > 0 {
        notes.push(format!("{name}: {n_left_out} features that are not genes (guides, antibodies) are left out"));
    }
    if open.n_told_apart > 0 {
        notes.push(format!(
            "{name}: {} genes have the name of another; they are numbered, as in `MATR3-1`",
            open.n_told_apart
        ));
    }
    Ok(notes)
}

/// Roles of the columns that say of which sample a cell is.
const OF_SAMPLES: [ColumnRole; 12] = [
    ColumnRole::Plate,
    ColumnRole::Well,
    ColumnRole::Site,
    ColumnRole::LabBatch,
    ColumnRole::Replicate,
    ColumnRole::Perturbation,
    ColumnRole::Dose,
    ColumnRole::DoseUnit,
    ColumnRole::Hours,
    ColumnRole::Kind,
    ColumnRole::Role,
    ColumnRole::Context,
];

/// All values of a file, row by row, with the names of its columns.
#[cfg(test)]
pub(super) fn dense(path: &Path) -> Result<(Vec<String>, Vec<f32>), LoadError> {
    let open = Annotated::open(path)?;
    let n_columns = open.features.len();
    let mut values = vec![0.0; open.n_rows() * n_columns];
    open.visit(|row, column, value| values[row * n_columns + column] += value)?;
    Ok((open.features, values))
}
