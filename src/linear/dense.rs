//! Dense `f64` products and eigenvectors that come out the same to the bit with any number of threads.
//!
//! faer splits sums by the number of threads when it is left to itself; here each block of fixed size is computed by
//! one thread, and the blocks run in parallel.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::screen::FeatureMatrix;

/// Columns that one thread computes at a time; a constant, so that results do not depend on the machine's cores.
const BLOCK: usize = 48;

/// The rows at `rows`, less `mean`, as `[row, feature]`.
pub(crate) fn centered_rows(matrix: &FeatureMatrix, rows: &[usize], mean: &[f64]) -> Mat<f64> {
    let n_features = matrix.n_features();
    let values = matrix.gather(rows);
    let mut centered = Mat::zeros(rows.len(), n_features);
    centered.as_mut().par_col_chunks_mut(BLOCK).enumerate().for_each(|(block, mut columns)| {
        for local in 0..columns.ncols() {
            let feature = block * BLOCK + local;
            for (index, row) in values.chunks_exact(n_features.max(1)).enumerate() {
                columns[(index, local)] = f64::from(row[feature]) - mean[feature];
            }
        }
    });
    centered
}

/// Mean of each column over `rows`, `[feature]`.
pub(crate) fn column_means(matrix: &FeatureMatrix, rows: &[usize]) -> Vec<f64> {
    let mut sums = vec![0.0; matrix.n_features()];
    for &row in rows {
        for (sum, &value) in sums.iter_mut().zip(matrix.row(row)) {
            *sum += f64::from(value);
        }
    }
    sums.into_iter().map(|sum| sum / rows.len() as f64).collect()
}

/// The matrix product.
///
/// # Shapes
/// - `left`: `[row, inner]`, `right`: `[inner, column]`
/// - returns: `[row, column]`
pub(crate) fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    out.as_mut().par_col_chunks_mut(BLOCK).enumerate().for_each(|(block, mut columns)| {
        let width = columns.ncols();
        let part = right.subcols(block * BLOCK, width);
        matmul(columns.as_mut(), Accum::Replace, left, part, 1.0, Par::Seq);
    });
    out
}

/// `matrixᵀ matrix`, `[column, column]`, exactly symmetric.
pub(crate) fn gram(matrix: MatRef<'_, f64>) -> Mat<f64> {
    let n = matrix.ncols();
    let mut out = Mat::zeros(n, n);
    out.as_mut().par_col_chunks_mut(BLOCK).enumerate().for_each(|(block, columns)| {
        let (start, width) = (block * BLOCK, columns.ncols());
        let below = matrix.subcols(start, n - start).transpose();
        let mut lower = columns.subrows_mut(start, n - start);
        matmul(lower.as_mut(), Accum::Replace, below, matrix.subcols(start, width), 1.0, Par::Seq);
    });
    for column in 0..n {
        for row in 0..column {
            out[(row, column)] = out[(column, row)];
        }
    }
    out
}

/// The values as a feature matrix with columns `{prefix}0`, `{prefix}1`, ….
pub(crate) fn numbered(prefix: &str, values: MatRef<'_, f64>) -> FeatureMatrix {
    let n_columns = values.ncols();
    let mut out = vec![0.0f32; values.nrows() * n_columns];
    out.par_chunks_mut(n_columns.max(1)).enumerate().for_each(|(row, out)| {
        for (column, out) in out.iter_mut().enumerate() {
            *out = values[(row, column)] as f32;
        }
    });
    FeatureMatrix::numbered(prefix, n_columns, out)
}

/// Eigenvalues in descending order, and the eigenvectors that belong to them as columns, of either sign.
///
/// `None` where the matrix holds a value that is not finite, or the iteration fails.
fn symmetric_eigen(matrix: MatRef<'_, f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let n = matrix.nrows();
    if matrix.col_iter().any(|column| column.iter().any(|value| !value.is_finite())) {
        return None;
    }
    let mut values = faer::Col::<f64>::zeros(n);
    let mut vectors = Mat::<f64>::zeros(n, n);
    let scratch = evd::self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, faer::prelude::default());
    evd::self_adjoint_evd(
        matrix,
        values.as_diagonal_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::prelude::default(),
    )
    .ok()?;
    Some(((0..n).rev().map(|index| values[index]).collect(), vectors.as_ref().reverse_cols().to_owned()))
}

/// Principal directions of centered rows: variances in descending order, and unit directions `[feature, direction]`.
///
/// Works through the smaller of the two Gram matrices, and keeps only directions that the rows span; with fewer rows
/// than features there are at most `n_rows` of them. Variances are divided by `degrees`. The largest component of each
/// direction is positive, so that its sign means the same in every run.
/// `None` where the rows hold a value that is not finite.
pub(crate) fn principal_directions(centered: MatRef<'_, f64>, degrees: f64) -> Option<(Vec<f64>, Mat<f64>)> {
    let (n_rows, n_features) = (centered.nrows(), centered.ncols());
    let is_wide = n_rows < n_features;
    let square = if is_wide { gram(centered.transpose()) } else { gram(centered) };
    let (values, vectors) = symmetric_eigen(square.as_ref())?;
    let tolerance = values.first().map_or(0.0, |first| first * n_rows.max(n_features) as f64 * f64::EPSILON);
    let rank = values.iter().take_while(|&&value| value > tolerance).count();
    let vectors = vectors.subcols(0, rank);
    let mut directions = if is_wide {
        let projected = product(centered.transpose(), vectors);
        Mat::from_fn(n_features, rank, |row, column| projected[(row, column)] / values[column].sqrt())
    } else {
        vectors.to_owned()
    };
    for direction in directions.col_iter_mut() {
        let larger = |best: f64, value: &f64| if value.abs() > best.abs() { *value } else { best };
        if direction.as_ref().iter().fold(0.0, larger) < 0.0 {
            direction.iter_mut().for_each(|value| *value = -*value);
        }
    }
    Some((values[..rank].iter().map(|value| value / degrees).collect(), directions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n_rows: usize, n_columns: usize) -> Mat<f64> {
        Mat::from_fn(n_rows, n_columns, |row, column| {
            ((row * row * 7 + column * 13 + row * column * 5) % 31) as f64 - 15.0
        })
    }

    #[test]
    fn products_agree_with_their_definition() {
        let (left, right) = (sample(20, 61), sample(61, 110));
        let out = product(left.as_ref(), right.as_ref());
        let gram = gram(right.as_ref());
        for row in 0..20 {
            for column in 0..110 {
                let direct: f64 = (0..61).map(|inner| left[(row, inner)] * right[(inner, column)]).sum();
                assert!((out[(row, column)] - direct).abs() < 1e-9);
            }
        }
        for row in 0..110 {
            for column in 0..110 {
                let direct: f64 = (0..61).map(|inner| right[(inner, row)] * right[(inner, column)]).sum();
                assert!((gram[(row, column)] - direct).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn wide_and_tall_give_the_same_directions() {
        let tall = Mat::from_fn(9, 4, |row, column| ((row * row * (column + 2) + 3 * column) % 11) as f64 - 5.0);
        let padded = Mat::from_fn(9, 12, |row, column| if column < 4 { tall[(row, column)] } else { 0.0 });
        let (values, directions) = principal_directions(tall.as_ref(), 8.0).unwrap();
        let (wide_values, wide_directions) = principal_directions(padded.as_ref(), 8.0).unwrap();
        assert_eq!((values.len(), wide_values.len()), (4, 4));
        for index in 0..4 {
            assert!((values[index] - wide_values[index]).abs() < 1e-9);
            for feature in 0..4 {
                assert!((directions[(feature, index)] - wide_directions[(feature, index)]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let matrix = sample(70, 200);
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| principal_directions(matrix.as_ref(), 1.0).unwrap())
        });
        assert_eq!(one.0, three.0);
        assert!(one.1 == three.1);
    }
}
