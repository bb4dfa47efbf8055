//! Profiles of length 1, and the cosine similarities among them.

use rayon::prelude::*;

use crate::model::for_this_cpu;
use crate::screen::Features;

/// Profiles scaled to length 1; a zero row stays zero and is unlike everything.
pub(super) struct Units {
    /// Values of a row, padded with zeros to whole lanes.
    width: usize,
    values: Vec<f32>,
}

/// Running sums of a dot product.
const LANES: usize = 16;

/// Rows compared with each other row at once, so that it is fetched once for all of them.
const ROWS: usize = 4;

impl Units {
    pub(super) fn of(vectors: &Features) -> Self {
        let width = vectors.n_features().next_multiple_of(LANES).max(LANES);
        let mut values = vec![0.0; vectors.n_rows() * width];
        values.par_chunks_mut(width).enumerate().for_each(|(row, unit)| {
            let values = vectors.read_row(row);
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            for (unit, &value) in unit.iter_mut().zip(values.iter()) {
                *unit = (f64::from(value) * scale) as f32;
            }
        });
        Self { width, values }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Cosine similarity of the profiles at `rows` with each of those at `others`, into `[row, other]`.
    pub(super) fn compare(&self, rows: &[usize], others: &[usize], similarities: &mut [f32]) {
        assert_eq!(similarities.len(), rows.len() * others.len(), "each pair has its place");
        fill_fast(self, rows, others, similarities);
    }
}

#[inline(always)]
fn fill(units: &Units, rows: &[usize], others: &[usize], similarities: &mut [f32]) {
    let n_others = others.len();
    for (rows, similarities) in rows.chunks(ROWS).zip(similarities.chunks_mut((ROWS * n_others).max(1))) {
        if let &[a, b, c, d] = rows {
            let left = [units.row(a), units.row(b), units.row(c), units.row(d)];
            for (place, &other) in others.iter().enumerate() {
                for (row, dot) in dots(left, units.row(other)).into_iter().enumerate() {
                    similarities[row * n_others + place] = dot;
                }
            }
        } else {
            for (&row, similarities) in rows.iter().zip(similarities.chunks_mut(n_others.max(1))) {
                for (similarity, &other) in similarities.iter_mut().zip(others) {
                    [*similarity] = dots([units.row(row)], units.row(other));
                }
            }
        }
    }
}

for_this_cpu!(fill_fast, fill, (units: &Units, rows: &[usize], others: &[usize], similarities: &mut [f32]));

/// Dot products of each of `left` with `right`, summed in an order that depends neither on the instruction set nor on
/// how many rows are compared at once, so that equal profiles tie everywhere.
#[inline(always)]
fn dots<const N: usize>(left: [&[f32]; N], right: &[f32]) -> [f32; N] {
    let mut sums = [[0.0f32; LANES]; N];
    let left = left.map(|left| &left[..right.len()]);
    for block in (0..right.len()).step_by(LANES) {
        let right: &[f32; LANES] = right[block..block + LANES].try_into().expect("rows are padded to whole lanes");
        for (sums, left) in sums.iter_mut().zip(&left) {
            let left: &[f32; LANES] = left[block..block + LANES].try_into().expect("as above");
            for lane in 0..LANES {
                sums[lane] += left[lane] * right[lane];
            }
        }
    }
    sums.map(|sums| {
        let sums: [f32; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
        let sums: [f32; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    })
}
