//! Symmetric positive definite systems, which come out the same to the bit with any number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::{Mat, Par};

/// The lower Cholesky factor of a matrix.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    /// `[row, column]`; what lies above the diagonal means nothing.
    lower: Mat<f64>,
}

impl Cholesky {
    /// The factor of a symmetric matrix, of which the lower half is read; `None` where it is not positive definite.
    pub(crate) fn of(mut matrix: Mat<f64>) -> Option<Self> {
        let n = matrix.nrows();
        let scratch = factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, faer::prelude::default());
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        factor::cholesky_in_place(matrix.as_mut(), faer::prelude::default(), Par::Seq, stack, faer::prelude::default())
            .ok()?;
        Some(Self { lower: matrix })
    }

    /// `matrix⁻¹ right`, `[row, column]`.
    pub(crate) fn solve(&self, mut right: Mat<f64>) -> Mat<f64> {
        let scratch = solve::solve_in_place_scratch::<f64>(self.lower.nrows(), right.ncols(), Par::Seq);
        let mut memory = MemBuffer::new(scratch);
        solve::solve_in_place(self.lower.as_ref(), right.as_mut(), Par::Seq, MemStack::new(&mut memory));
        right
    }

    /// Natural logarithm of the determinant of the matrix.
    pub(crate) fn log_determinant(&self) -> f64 {
        (0..self.lower.nrows()).map(|index| 2.0 * self.lower[(index, index)].ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_has_the_determinant_of_a_matrix_by_hand() {
        // [4 2; 2 3]: determinant 8, inverse [3 -2; -2 4] / 8.
        let matrix = Mat::from_fn(2, 2, |row, column| [[4.0, 2.0], [2.0, 3.0]][row][column]);
        let factor = Cholesky::of(matrix).unwrap();
        assert!((factor.log_determinant() - 8.0f64.ln()).abs() < 1e-12);
        let solved = factor.solve(Mat::from_fn(2, 1, |row, _| [8.0, 16.0][row]));
        assert!((solved[(0, 0)] - -1.0).abs() < 1e-12 && (solved[(1, 0)] - 6.0).abs() < 1e-12, "{solved:?}");
        assert!(Cholesky::of(Mat::from_fn(2, 2, |row, column| if row == column { 1.0 } else { 2.0 })).is_none());
    }
}
