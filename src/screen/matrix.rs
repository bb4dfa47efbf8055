//! Tables of measured values with named columns: in memory, or where they lie.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use super::stored::StoredRows;

/// Values of a screen, one row for each observation and one named column for each feature.
///
/// How they are stored concerns nobody else: rows are read, gathered, averaged and selected alike. Profiles are in memory,
/// the pixels of images in mapped files; who needs all values at once asks for them [in memory](Self::in_memory). Pixels that are
/// not at hand cannot be read at all.
#[derive(Debug, Clone)]
pub enum Features {
    /// All values in memory, which copies share.
    Memory(Arc<FeatureMatrix>),
    /// Rows in files, read and scaled when they are asked for.
    Stored {
        /// One for each sample of a row.
        names: Vec<String>,
        /// The rows.
        rows: StoredRows,
    },
    /// Rows of pixels that are not at hand, of which a trained model's latents were kept.
    Encoded {
        /// One for each pixel of a row.
        names: Vec<String>,
        /// Latents of every row by all members, side by side.
        latents: Arc<FeatureMatrix>,
    },
}

/// Measured values in memory, one row for each observation and one named column for each feature.
///
/// Values are `f32` in row-major order, because rows are what batches gather.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    names: Vec<String>,
    values: Vec<f32>,
}

/// What went wrong where rows are read that only a model's latents are kept of.
const NO_PIXELS: &str = "pixels are read that are not at hand: only their latents were kept";

impl Features {
    /// Values that lie in files.
    ///
    /// # Panics
    /// If a row does not have one sample for each name.
    pub fn stored(names: Vec<String>, rows: StoredRows) -> Self {
        assert_eq!(rows.width(), names.len(), "samples of a row, and names");
        Self::Stored { names, rows }
    }

    /// Rows of pixels named `names`, of which only `latents` are at hand.
    pub fn encoded(names: Vec<String>, latents: FeatureMatrix) -> Self {
        Self::Encoded { names, latents: Arc::new(latents) }
    }

    /// Whether the rows are the pixels of crops, which lie in mapped files or are not at hand.
    pub fn is_of_pixels(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::Encoded { .. })
    }

    /// The kept latents of rows whose pixels are not at hand.
    pub fn kept_latents(&self) -> Option<&FeatureMatrix> {
        match self {
            Self::Encoded { latents, .. } => Some(latents),
            Self::Memory(_) | Self::Stored { .. } => None,
        }
    }

    /// Feature names, in column order.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Memory(matrix) => &matrix.names,
            Self::Stored { names, .. } | Self::Encoded { names, .. } => names,
        }
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.names().len()
    }

    /// Number of rows; 0 when there are no columns.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Memory(matrix) => matrix.n_rows(),
            Self::Stored { rows, .. } => rows.len(),
            Self::Encoded { latents, .. } => latents.n_rows(),
        }
    }

    /// One row, `[feature]`, without the others in memory.
    pub fn read_row(&self, row: usize) -> Cow<'_, [f32]> {
        match self {
            Self::Memory(matrix) => Cow::Borrowed(matrix.row(row)),
            Self::Stored { rows, .. } => {
                let mut values = vec![0f32; rows.width()];
                rows.read(row, &mut values);
                Cow::Owned(values)
            }
            Self::Encoded { .. } => panic!("{NO_PIXELS}"),
        }
    }

    /// The values of the rows at `rows`, one behind the other.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        match self {
            Self::Memory(matrix) => matrix.gather(rows),
            Self::Stored { rows: stored, .. } => stored.gather(rows),
            Self::Encoded { .. } => panic!("{NO_PIXELS}"),
        }
    }

    /// The rows at `rows`, in that order, in memory.
    pub fn gather_matrix(&self, rows: &[usize]) -> FeatureMatrix {
        FeatureMatrix { names: self.names().to_vec(), values: self.gather(rows) }
    }

    /// Mean of the rows at `rows`, `[feature]`, summed in `f64`.
    ///
    /// # Panics
    /// If `rows` is empty: a mean of nothing is not a profile.
    pub fn mean_of(&self, rows: &[usize]) -> Vec<f32> {
        mean(self.n_features(), rows, |row| self.read_row(row))
    }

    /// The means of groups of rows, one row for each group.
    pub(crate) fn means_of(&self, groups: &[Vec<usize>]) -> FeatureMatrix {
        let values = groups.par_iter().flat_map_iter(|rows| self.mean_of(rows)).collect();
        FeatureMatrix { names: self.names().to_vec(), values }
    }

    /// The columns at `columns`, in that order.
    pub fn select_columns(&self, columns: &[usize]) -> FeatureMatrix {
        select_columns(self.names(), columns, self.n_rows(), |row| self.read_row(row))
    }

    /// The rows at `rows`, in that order; rows in files stay there.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Memory(matrix) => matrix.select_rows(rows).into(),
            Self::Stored { names, rows: stored } => Self::Stored { names: names.clone(), rows: stored.select(rows) },
            Self::Encoded { names, latents } => Self::encoded(names.clone(), latents.select_rows(rows)),
        }
    }

    /// All values in memory: of profiles those that are there, of pixels a copy.
    pub fn in_memory(&self) -> Cow<'_, FeatureMatrix> {
        match self {
            Self::Memory(matrix) => Cow::Borrowed(matrix.as_ref()),
            Self::Stored { rows, .. } => Cow::Owned(self.gather_matrix(&(0..rows.len()).collect::<Vec<_>>())),
            Self::Encoded { .. } => panic!("{NO_PIXELS}"),
        }
    }
}

impl PartialEq for Features {
    fn eq(&self, other: &Self) -> bool {
        self.in_memory() == other.in_memory()
    }
}

#[cfg(test)]
impl Features {
    /// Values in memory, to be changed in place.
    pub(crate) fn in_memory_mut(&mut self) -> &mut FeatureMatrix {
        *self = self.in_memory().into_owned().into();
        match self {
            Self::Memory(matrix) => Arc::make_mut(matrix),
            Self::Stored { .. } | Self::Encoded { .. } => unreachable!("they were brought into memory above"),
        }
    }
}

impl From<FeatureMatrix> for Features {
    fn from(matrix: FeatureMatrix) -> Self {
        Self::Memory(Arc::new(matrix))
    }
}

impl FeatureMatrix {
    /// A matrix from its row-major values.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows of `names.len()` columns.
    pub fn new(names: Vec<String>, values: Vec<f32>) -> Self {
        let whole = if names.is_empty() { values.is_empty() } else { values.len().is_multiple_of(names.len()) };
        assert!(whole, "{} values do not fill rows of {} features", values.len(), names.len());
        Self { names, values }
    }

    /// A matrix with numbered columns `{prefix}0`, `{prefix}1`, ….
    pub fn numbered(prefix: &str, n_columns: usize, values: Vec<f32>) -> Self {
        Self::new((0..n_columns).map(|column| format!("{prefix}{column}")).collect(), values)
    }

    /// Feature names, in column order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.names.len()
    }

    /// Number of rows; 0 when there are no columns.
    pub fn n_rows(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, row by row, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// One row, `[feature]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.names.len()..(row + 1) * self.names.len()]
    }

    /// One row, `[feature]`, to be changed in place.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let width = self.names.len();
        &mut self.values[row * width..(row + 1) * width]
    }

    /// The values of the rows at `rows`, one behind the other.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.names.len());
        rows.iter().for_each(|&row| values.extend_from_slice(self.row(row)));
        values
    }

    /// The rows at `rows`, in that order.
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        Self { names: self.names.clone(), values: self.gather(rows) }
    }

    /// The means of groups of rows, one row for each group.
    pub(crate) fn means_of(&self, groups: &[Vec<usize>]) -> Self {
        let values = groups.par_iter().flat_map_iter(|rows| self.mean_of(rows)).collect();
        Self { names: self.names.clone(), values }
    }

    /// The columns at `columns`, in that order.
    pub fn select_columns(&self, columns: &[usize]) -> Self {
        select_columns(&self.names, columns, self.n_rows(), |row| Cow::Borrowed(self.row(row)))
    }

    /// Mean of the rows at `rows`, `[feature]`, summed in `f64`.
    ///
    /// # Panics
    /// If `rows` is empty: a mean of nothing is not a profile.
    pub fn mean_of(&self, rows: &[usize]) -> Vec<f32> {
        mean(self.n_features(), rows, |row| Cow::Borrowed(self.row(row)))
    }
}

fn mean<'a>(n_features: usize, rows: &[usize], read: impl Fn(usize) -> Cow<'a, [f32]>) -> Vec<f32> {
    assert!(!rows.is_empty(), "a consensus needs at least one row");
    let mut sums = vec![0.0f64; n_features];
    for &row in rows {
        for (sum, &value) in sums.iter_mut().zip(read(row).iter()) {
            *sum += f64::from(value);
        }
    }
    sums.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}

fn select_columns<'a>(
    names: &[String],
    columns: &[usize],
    n_rows: usize,
    read: impl Fn(usize) -> Cow<'a, [f32]>,
) -> FeatureMatrix {
    let names = columns.iter().map(|&column| names[column].clone()).collect();
    let mut values = Vec::with_capacity(n_rows * columns.len());
    for row in 0..n_rows {
        let source = read(row);
        values.extend(columns.iter().map(|&column| source[column]));
    }
    FeatureMatrix { names, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_rows_and_columns_and_averages_rows() {
        let matrix = FeatureMatrix::numbered("f", 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(matrix.n_rows(), 3);
        assert_eq!(matrix.select_rows(&[2, 0]).values(), [5.0, 6.0, 1.0, 2.0]);
        assert_eq!(matrix.select_columns(&[1]).values(), [2.0, 4.0, 6.0]);
        assert_eq!(matrix.mean_of(&[0, 2]), [3.0, 4.0]);
    }
}
