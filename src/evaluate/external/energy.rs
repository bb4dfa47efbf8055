//! Energy distance between two groups of cells.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::cells::Cells;
use crate::load::Scale;

/// Cells of a group that are compared, at most.
pub(super) const MOST_CELLS: usize = 100;

/// Counts that a cell has in all before its logarithm is taken.
const DEPTH: f64 = 10_000.0;

/// Cells as they are compared: logarithms of normalized counts, or anything else as it is.
pub(super) struct Rows {
    /// `[cell, feature]`.
    values: Mat<f32>,
    squares: Vec<f64>,
    /// Mean distance of different cells.
    within: Option<f64>,
}

impl Rows {
    pub fn of(cells: &Cells, n_features: usize, scale: Scale) -> Self {
        let cells = cells.first(MOST_CELLS).brought_to(DEPTH, scale);
        Self::new(
            cells.dense(n_features, |value| if scale == Scale::Counts { value.ln_1p() } else { value }),
            n_features,
        )
    }

    pub fn new(values: Vec<f32>, n_features: usize) -> Self {
        let square = |row: &[f32]| row.iter().map(|value| f64::from(*value).powi(2)).sum();
        let squares: Vec<f64> = values.chunks(n_features.max(1)).map(square).collect();
        let n_cells = squares.len();
        let values = MatRef::from_row_major_slice(&values, n_cells, n_features).to_owned();
        let mut rows = Self { values, squares, within: None };
        let n = rows.n() as f64;
        rows.within = (rows.n() > 1).then(|| rows.sum_of_distances(&rows, true) / (n * (n - 1.0)));
        rows
    }

    fn n(&self) -> usize {
        self.squares.len()
    }

    fn sum_of_distances(&self, other: &Self, is_same: bool) -> f64 {
        let mut products = Mat::<f32>::zeros(self.n(), other.n());
        matmul(products.as_mut(), Accum::Replace, self.values.as_ref(), other.values.transpose(), 1.0, Par::Seq);
        let mut sum = 0.0;
        for row in 0..self.n() {
            for column in (0..other.n()).filter(|column| !(is_same && *column == row)) {
                let square = self.squares[row] + other.squares[column] - 2.0 * f64::from(products[(row, column)]);
                sum += square.max(0.0).sqrt();
            }
        }
        sum
    }
}

/// 2 E|X - Y| - E|X - X'| - E|Y - Y'| with Euclidean norms, means over pairs of different cells; `None` where one side has a
/// single cell.
pub(super) fn energy_distance(left: &Rows, right: &Rows) -> Option<f64> {
    let across = left.sum_of_distances(right, false) / (left.n() * right.n()).max(1) as f64;
    Some(2.0 * across - left.within? - right.within?)
}
