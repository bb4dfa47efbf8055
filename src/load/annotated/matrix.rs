//! The values of a matrix in an HDF5 file, in a stream: dense by rows, or sparse by rows or by columns.
//!
//! ```text
//! X                dense: a dataset [row, column]
//! X/indptr         sparse by rows (CSR): the values of row i are at indptr[i] to indptr[i + 1] - 1 of
//! X/indices          the column of each value, and
//! X/data             the value
//! ```
//!
//! Sparse by columns (CSC) is the same with rows and columns exchanged. Since the values are only added up, neither has to be
//! transposed or held: a stretch of the file is in memory at a time.

use super::super::error::LoadError;
use super::super::hdf5::{Dataset, Hdf5};

/// Values read at a time, about.
const AT_ONCE: usize = 1 << 20;

/// Where and how the values are stored.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    place: String,
    storage: Storage,
    n_rows: usize,
    n_columns: usize,
}

#[derive(Debug, Clone)]
enum Storage {
    Dense,
    /// What `indptr` counts: rows, or columns.
    Sparse {
        is_by_row: bool,
        starts: Vec<i64>,
    },
}

impl Matrix {
    /// The matrix at `place`, checked as far as that is possible without reading all of it.
    ///
    /// # Errors
    /// If it is missing or damaged, or has other numbers of rows and columns.
    pub fn of(file: &Hdf5, place: &str, n_rows: usize, n_columns: usize) -> Result<Self, LoadError> {
        let matrix = |storage| Self { place: place.to_owned(), storage, n_rows, n_columns };
        if file.is_dataset(place) {
            let dataset = file.dataset(place)?;
            if dataset.shape != [n_rows, n_columns] {
                let message = format!(
                    "its shape is {:?}, expected [{n_rows}, {n_columns}] as the tables of rows and columns say",
                    dataset.shape
                );
                return Err(file.damaged(place, &message));
            }
            return Ok(matrix(Storage::Dense));
        }
        if !file.is_group(place) {
            return Err(file.damaged(place, "it is missing"));
        }
        let encoding = ["encoding-type", "h5sparse_format"].into_iter().find_map(|name| file.attribute(place, name));
        let is_by_row = match encoding.as_deref() {
            Some("csr_matrix" | "csr") => true,
            Some("csc_matrix" | "csc") => false,
            other => {
                let other = other.unwrap_or("nothing");
                let message = format!("its `encoding-type` is {other}, expected `csr_matrix` or `csc_matrix`");
                return Err(file.damaged(place, &message));
            }
        };
        let (n_outer, of) = if is_by_row { (n_rows, "rows") } else { (n_columns, "columns") };
        let starts = starts(file, place, n_outer, of)?;
        Ok(matrix(Storage::Sparse { is_by_row, starts }))
    }

    /// The matrix whose rows' values are in the group at `place`, without a word on how it is stored.
    ///
    /// # Errors
    /// As [`Matrix::of`].
    pub fn by_row(file: &Hdf5, place: &str, n_rows: usize, n_columns: usize) -> Result<Self, LoadError> {
        let starts = starts(file, place, n_rows, "rows")?;
        Ok(Self { place: place.to_owned(), storage: Storage::Sparse { is_by_row: true, starts }, n_rows, n_columns })
    }

    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Some of the values that are stored and not zero, from several parts of the matrix.
    pub fn sample(&self, file: &Hdf5) -> Result<Vec<f32>, LoadError> {
        const PARTS: usize = 8;
        const OF_PART: usize = 4_096;
        let (dataset, at_once) = match &self.storage {
            Storage::Dense => (file.dataset(&self.place)?, OF_PART.div_ceil(self.n_columns.max(1))),
            Storage::Sparse { .. } => (file.dataset(&format!("{}/data", self.place))?, OF_PART),
        };
        let mut values = Vec::new();
        let n = dataset.len();
        for part in 0..PARTS {
            let start = n * part / PARTS;
            let end = (start + at_once).min(n * (part + 1) / PARTS).max(start);
            values.extend(dataset.numbers(start..end)?.into_iter().filter(|value| *value != 0.0));
        }
        Ok(values)
    }

    /// Values of a row that are not zero, at most.
    pub fn most_values(&self, row: usize) -> usize {
        match &self.storage {
            Storage::Sparse { is_by_row: true, starts } => (starts[row + 1] - starts[row]) as usize,
            Storage::Sparse { is_by_row: false, .. } | Storage::Dense => self.n_columns,
        }
    }

    /// Hands every value that is stored and not zero to `each`, with its row and its column, of the rows that `is_wanted`
    /// accepts. Stretches of a file by rows that hold no such row are not read.
    ///
    /// # Errors
    /// If the file is damaged, or an index is out of range.
    pub fn visit(
        &self,
        file: &Hdf5,
        is_wanted: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(usize, usize, f32),
    ) -> Result<(), LoadError> {
        match &self.storage {
            Storage::Dense => self.visit_dense(&file.dataset(&self.place)?, is_wanted, each),
            Storage::Sparse { is_by_row: true, starts } => {
                self.visit_sparse(file, starts, self.n_columns, is_wanted, each)
            }
            Storage::Sparse { is_by_row: false, starts } => {
                // A column has values of all rows.
                let wanted: Vec<bool> = (0..self.n_rows).map(is_wanted).collect();
                self.visit_sparse(file, starts, self.n_rows, &|_| true, |column, row, value| {
                    if wanted[row] {
                        each(row, column, value);
                    }
                })
            }
        }
    }

    fn visit_dense(
        &self,
        dataset: &Dataset<'_>,
        is_wanted: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(usize, usize, f32),
    ) -> Result<(), LoadError> {
        let at_once = dataset.rows_at_once(AT_ONCE);
        for start in (0..self.n_rows).step_by(at_once) {
            let end = (start + at_once).min(self.n_rows);
            if !(start..end).any(is_wanted) {
                continue;
            }
            let values = dataset.numbers(start..end)?;
            for (row, values) in (start..end).zip(values.chunks_exact(self.n_columns.max(1))) {
                if !is_wanted(row) {
                    continue;
                }
                for (column, &value) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                    each(row, column, value);
                }
            }
        }
        Ok(())
    }

    fn visit_sparse(
        &self,
        file: &Hdf5,
        starts: &[i64],
        n_inner: usize,
        is_wanted: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(usize, usize, f32),
    ) -> Result<(), LoadError> {
        let (data, indices) =
            (file.dataset(&format!("{}/data", self.place))?, file.dataset(&format!("{}/indices", self.place))?);
        let n_stored = data.len();
        let at_once = data.rows_at_once(AT_ONCE);
        for start in (0..n_stored).step_by(at_once) {
            let end = (start + at_once).min(n_stored);
            // The last of the rows (or columns) that begin at or before this place, which are empty but for the last.
            let first = starts.partition_point(|&begin| begin as usize <= start) - 1;
            let behind = starts.partition_point(|&begin| (begin as usize) < end);
            if !(first..behind).any(is_wanted) {
                continue;
            }
            let (values, inner) = (data.numbers(start..end)?, indices.integers(start..end)?);
            let mut outer = first;
            let mut is_outer_wanted = is_wanted(outer);
            for (place, (value, inner)) in (start..end).zip(values.into_iter().zip(inner)) {
                while starts[outer + 1] as usize <= place {
                    outer += 1;
                    is_outer_wanted = is_wanted(outer);
                }
                let Some(inner) = usize::try_from(inner).ok().filter(|&inner| inner < n_inner) else {
                    let message =
                        format!("it holds {inner} at place {place}, expected 0 to {}", n_inner.saturating_sub(1));
                    return Err(indices.damaged(&message));
                };
                if value != 0.0 && is_outer_wanted {
                    each(outer, inner, value);
                }
            }
        }
        Ok(())
    }
}

/// Where the values of each row (or column) begin, and behind them the number of values.
fn starts(file: &Hdf5, place: &str, n_outer: usize, of: &str) -> Result<Vec<i64>, LoadError> {
    let part = |name: &str| file.dataset(&format!("{place}/{name}"));
    let (indptr, indices, data) = (part("indptr")?, part("indices")?, part("data")?);
    let is_flat = [&indptr, &indices, &data].iter().all(|dataset| dataset.shape.len() == 1);
    if !is_flat || indptr.len() != n_outer + 1 {
        let message = format!("its shape is {:?}, expected [{}] for {n_outer} {of}", indptr.shape, n_outer + 1);
        return Err(indptr.damaged(&message));
    }
    if indices.len() != data.len() {
        let message = format!("it has {} values and `data` {}; expected as many", indices.len(), data.len());
        return Err(indices.damaged(&message));
    }
    let starts = indptr.integers(0..indptr.len())?;
    if let Some(at) = starts.windows(2).position(|pair| pair[1] < pair[0]) {
        let message = format!(
            "it falls from {} to {} at place {}; expected numbers that rise",
            starts[at],
            starts[at + 1],
            at + 1
        );
        return Err(indptr.damaged(&message));
    }
    let (first, last) = (starts[0], starts[n_outer]);
    if first != 0 || last != data.len() as i64 {
        let message = format!("it goes from {first} to {last}, expected 0 to {}, the number of values", data.len());
        return Err(indptr.damaged(&message));
    }
    Ok(starts)
}
