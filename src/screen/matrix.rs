//! A named, row-major table of measured values.

use std::borrow::Cow;

use super::stored::StoredRows;

/// Measured values, one row for each observation and one named column for each feature.
///
/// Values are `f32` in row-major order, because rows are what batches gather; sums over rows are taken in `f64`. They are
/// in memory, or, for the pixels of images, in mapped files: [`gather`](Self::gather), [`read_row`](Self::read_row) and
/// what is built on them ([`select_rows`](Self::select_rows), [`mean_of`](Self::mean_of)) then read what they are asked
/// for, while [`values`](Self::values) and [`row`](Self::row) bring the whole matrix into memory and keep it there.
#[derive(Debug, Clone)]
pub struct FeatureMatrix {
    names: Vec<String>,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    Memory(Vec<f32>),
    Stored(StoredRows),
}

impl PartialEq for FeatureMatrix {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names && self.values() == other.values()
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
        Self { names, values: Values::Memory(values) }
    }

    /// A matrix whose rows lie in files.
    ///
    /// # Panics
    /// If a row does not have one sample for each name.
    pub fn stored(names: Vec<String>, rows: StoredRows) -> Self {
        assert_eq!(rows.width(), names.len(), "samples of a row, and names");
        Self { names, values: Values::Stored(rows) }
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
        match &self.values {
            Values::Memory(values) => values.len().checked_div(self.names.len()).unwrap_or(0),
            Values::Stored(rows) => rows.len(),
        }
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        match &self.values {
            Values::Memory(values) => values,
            Values::Stored(rows) => rows.in_memory(),
        }
    }

    /// All values, row by row, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        if let Values::Stored(rows) = &self.values {
            self.values = Values::Memory(rows.in_memory().to_vec());
        }
        match &mut self.values {
            Values::Memory(values) => values,
            Values::Stored(_) => unreachable!("they were brought into memory above"),
        }
    }

    /// One row, `[feature]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values()[row * self.names.len()..(row + 1) * self.names.len()]
    }

    /// One row, `[feature]`, to be changed in place.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let width = self.names.len();
        &mut self.values_mut()[row * width..(row + 1) * width]
    }

    /// Whether the rows are the pixels of crops, which lie in mapped files.
    pub fn is_of_pixels(&self) -> bool {
        matches!(self.values, Values::Stored(_))
    }

    /// One row, `[feature]`, without the others in memory.
    pub fn read_row(&self, row: usize) -> Cow<'_, [f32]> {
        match &self.values {
            Values::Memory(_) => Cow::Borrowed(self.row(row)),
            Values::Stored(rows) => {
                let mut values = vec![0f32; rows.width()];
                rows.read(row, &mut values);
                Cow::Owned(values)
            }
        }
    }

    /// The values of the rows at `rows`, one behind the other.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        match &self.values {
            Values::Memory(_) => {
                let mut values = Vec::with_capacity(rows.len() * self.names.len());
                rows.iter().for_each(|&row| values.extend_from_slice(self.row(row)));
                values
            }
            Values::Stored(stored) => stored.gather(rows),
        }
    }

    /// The rows at `rows`, in that order; rows in files stay there.
    pub fn select_rows(&self, rows: &[usize]) -> FeatureMatrix {
        let values = match &self.values {
            Values::Memory(_) => Values::Memory(self.gather(rows)),
            Values::Stored(stored) => Values::Stored(stored.select(rows)),
        };
        FeatureMatrix { names: self.names.clone(), values }
    }

    /// The columns at `columns`, in that order.
    pub fn select_columns(&self, columns: &[usize]) -> FeatureMatrix {
        let names = columns.iter().map(|&column| self.names[column].clone()).collect();
        let mut values = Vec::with_capacity(self.n_rows() * columns.len());
        for row in 0..self.n_rows() {
            let source = self.read_row(row);
            values.extend(columns.iter().map(|&column| source[column]));
        }
        FeatureMatrix { names, values: Values::Memory(values) }
    }

    /// Mean of the rows at `rows`, `[feature]`, summed in `f64`.
    ///
    /// # Panics
    /// If `rows` is empty: a mean of nothing is no profile.
    pub fn mean_of(&self, rows: &[usize]) -> Vec<f32> {
        assert!(!rows.is_empty(), "a consensus needs at least one row");
        let mut sums = vec![0.0f64; self.n_features()];
        for &row in rows {
            for (sum, &value) in sums.iter_mut().zip(self.read_row(row).iter()) {
                *sum += f64::from(value);
            }
        }
        sums.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
    }
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
