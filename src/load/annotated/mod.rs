//! Matrices whose rows and columns have tables of their own: AnnData.
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
mod matrix;
mod pool;
mod samples;
mod scale;

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::frame::{Frame, told_apart};
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
struct Annotated {
    file: Hdf5,
    /// Where the values are, within the file.
    place: String,
    matrix: Matrix,
    /// Names of the columns of the matrix.
    features: Vec<String>,
    /// Of these, how many stood twice.
    n_told_apart: usize,
    /// Names of other values that a path could name.
    others: Vec<String>,
    /// Whether the file says that its values are logarithms.
    is_marked_as_log: bool,
}

impl Annotated {
    fn open(path: &Path) -> Result<Self, LoadError> {
        let (file, wanted) = part::split(path);
        let file = Hdf5::open(path, file)?;
        if !file.is_group(OBS) && !file.is_dataset(OBS) {
            return Err(file.damaged("", &not_anndata(&file)));
        }
        let available = available(&file);
        let named = match wanted {
            Some(wanted) => wanted.to_owned(),
            None if available.iter().any(|name| name == X) => X.to_owned(),
            None => match available.as_slice() {
                [one] => one.clone(),
                [] => {
                    return Err(file
                        .damaged(X, "it is missing, and there are neither `raw` nor layers; the file has no values"));
                }
                several => {
                    let message =
                        format!("it is missing; name other values, as in `{}#{}`", file_name(path), several[0]);
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
        Ok(Self { file, place, matrix, features, n_told_apart, others, is_marked_as_log })
    }

    fn columns(&self) -> Result<Vec<String>, LoadError> {
        let genes: BTreeSet<&String> = self.features.iter().collect();
        let columns = Frame::of(&self.file, OBS)?.columns()?;
        // A column of metadata that is called like a gene cannot be told from it.
        Ok(columns.into_iter().filter(|column| !genes.contains(column)).collect())
    }

    fn column(&self, name: &str) -> Result<Option<Vec<Option<String>>>, LoadError> {
        let column = Frame::of(&self.file, OBS)?.column(name)?;
        match column {
            Some(values) if values.len() != self.n_rows() => {
                let message = format!("it has {} values for {} rows", values.len(), self.n_rows());
                Err(self.file.damaged(&format!("{OBS}/{name}"), &message))
            }
            column => Ok(column),
        }
    }

    fn n_rows(&self) -> usize {
        self.matrix.n_rows()
    }
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

fn not_anndata(file: &Hdf5) -> String {
    let holds = file.children("");
    let holds = if holds.is_empty() { "nothing".to_owned() } else { first_few(&holds, 6) };
    format!("an HDF5 file without `obs`, so not an AnnData file; it holds {holds}")
}

/// The columns of a file: those of its rows as metadata, and its genes as measurements.
pub(super) fn sketch(path: &Path) -> Result<Vec<ColumnSketch>, LoadError> {
    let open = Annotated::open(path)?;
    let mut sketches = Vec::new();
    for name in open.columns()? {
        let mut sketch = ColumnSketch::of(&name);
        match open.column(&name)? {
            None => sketch.is_nested = true,
            Some(cells) if is_of_place(&name) && names_each(&cells) => continue,
            Some(cells) => sketch_cells(&mut sketch, &cells),
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
    open.matrix.visit(&open.file, |row, column, value| values[row * n_columns + column] += value)?;
    Ok((open.features, values))
}
