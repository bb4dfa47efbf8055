//! Energy distance between two groups of cells.

use super::cells::Cells;
use super::distances::pairs;
use crate::load::Scale;

/// Cells of a group that are compared, at most.
pub(super) const MOST_CELLS: usize = 100;

/// Counts that a cell has in all before its logarithm is taken.
pub(super) const DEPTH: f64 = 10_000.0;

/// Rows of cells as they are compared: logarithms of normalized counts, or anything else as it is.
pub(super) fn rows(cells: &Cells, n_features: usize, scale: Scale) -> Vec<f32> {
    let cells = cells.first(MOST_CELLS).brought_to(DEPTH, scale);
    cells.dense(n_features, |value| if scale == Scale::Counts { value.ln_1p() } else { value })
}

/// 2 E|X - Y| - E|X - X'| - E|Y - Y'| with Euclidean norms, means over pairs of different cells; `None` where one side has a
/// single cell.
pub(super) fn energy_distance(left: &[f32], right: &[f32], n_features: usize) -> Option<f64> {
    let rows = |values: &[f32]| values.len() / n_features.max(1);
    let (n, m) = (rows(left), rows(right));
    let split =
        |values: &'_ [f32]| -> Vec<Vec<f32>> { values.chunks(n_features.max(1)).map(<[f32]>::to_vec).collect() };
    let (left, right) = (split(left), split(right));
    let sum = |a: &[Vec<f32>], b: &[Vec<f32>]| -> f64 {
        let (a, b): (Vec<&[f32]>, Vec<&[f32]>) =
            (a.iter().map(|row| &row[..]).collect(), b.iter().map(|row| &row[..]).collect());
        pairs(&a, &b, 0).iter().map(|pair| f64::from(pair.l2).sqrt()).sum()
    };
    (n > 1 && m > 1).then(|| {
        let (n, m) = (n as f64, m as f64);
        2.0 * sum(&left, &right) / (n * m) - sum(&left, &left) / (n * (n - 1.0)) - sum(&right, &right) / (m * (m - 1.0))
    })
}
