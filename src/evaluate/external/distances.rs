//! Distances of all predicted from all measured changes, in blocks on all threads.

use rayon::prelude::*;

/// Rows of a block, on both sides.
const ROWS: usize = 16;

/// Features of a block; with 16 rows of each side it stays in the cache of a core.
const FEATURES: usize = 2048;

/// Numbers that are added up at once.
const LANES: usize = 8;

/// What two rows share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pair {
    /// Sum of absolute differences.
    pub l1: f32,
    /// Sum of squared differences.
    pub l2: f32,
    /// Product over the first features alone.
    pub product: f32,
}

/// Every row of `left` with every row of `right`, `[left, right]`; products are over the first `n_plain` features.
pub(super) fn pairs(left: &[&[f32]], right: &[&[f32]], n_plain: usize) -> Vec<Pair> {
    let mut pairs = vec![Pair::default(); left.len() * right.len()];
    if right.is_empty() {
        return pairs;
    }
    pairs.par_chunks_mut(ROWS * right.len()).zip(left.par_chunks(ROWS)).for_each(|(pairs, left)| {
        for (first, right_block) in right.chunks(ROWS).enumerate() {
            let mut sums = [[0.0f64; 3]; ROWS * ROWS];
            let n_features = right_block[0].len();
            let mut start = 0;
            while start < n_features {
                let is_plain = start < n_plain;
                let end = (start + FEATURES).min(if is_plain { n_plain } else { n_features });
                for (row, left) in left.iter().enumerate() {
                    for (column, right) in right_block.iter().enumerate() {
                        let found = sums_of(&left[start..end], &right[start..end]);
                        let sums = &mut sums[row * ROWS + column];
                        sums[0] += found[0];
                        sums[1] += found[1];
                        sums[2] += if is_plain { found[2] } else { 0.0 };
                    }
                }
                start = end;
            }
            for row in 0..left.len() {
                for column in 0..right_block.len() {
                    let [l1, l2, product] = sums[row * ROWS + column].map(|sum| sum as f32);
                    pairs[row * right.len() + first * ROWS + column] = Pair { l1, l2, product };
                }
            }
        }
    });
    pairs
}

/// Absolute differences, squared differences and products of two stretches, added up.
fn sums_of(left: &[f32], right: &[f32]) -> [f64; 3] {
    // Few enough that 32 bits lose nothing that counts.
    const AT_ONCE: usize = 32 * LANES;
    let mut total = [0.0f64; 3];
    for (left, right) in left.chunks(AT_ONCE).zip(right.chunks(AT_ONCE)) {
        let (mut l1, mut l2, mut product) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        let (lefts, rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
        let rest = lefts.remainder().iter().zip(rights.remainder());
        rest.enumerate().for_each(|(lane, (left, right))| {
            l1[lane] = (left - right).abs();
            l2[lane] = (left - right).powi(2);
            product[lane] = left * right;
        });
        for (left, right) in lefts.zip(rights) {
            for lane in 0..LANES {
                let difference = left[lane] - right[lane];
                l1[lane] += difference.abs();
                l2[lane] += difference * difference;
                product[lane] += left[lane] * right[lane];
            }
        }
        for (total, lanes) in total.iter_mut().zip([l1, l2, product]) {
            *total += f64::from(lanes.iter().sum::<f32>());
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_add_up_to_the_plain_sums() {
        let n_features = 2 * FEATURES + 37;
        let value = |row: usize, feature: usize| ((row * 31 + feature * 17) % 101) as f32 / 50.0 - 1.0;
        let row = |row: usize| (0..n_features).map(|feature| value(row, feature)).collect::<Vec<f32>>();
        let rows: Vec<Vec<f32>> = (0..40).map(row).collect();
        let (left, right): (Vec<&[f32]>, Vec<&[f32]>) =
            (rows[..19].iter().map(|row| &row[..]).collect(), rows[3..].iter().map(|row| &row[..]).collect());
        let n_plain = FEATURES + 5;
        let found = pairs(&left, &right, n_plain);
        for (row, left) in left.iter().enumerate() {
            for (column, right) in right.iter().enumerate() {
                let sum = |of: &dyn Fn(f64, f64) -> f64, n: usize| -> f64 {
                    left.iter().zip(*right).take(n).map(|(a, b)| of(f64::from(*a), f64::from(*b))).sum()
                };
                let found = found[row * rows[3..].len() + column];
                let expected = [
                    sum(&|a, b| (a - b).abs(), n_features),
                    sum(&|a, b| (a - b).powi(2), n_features),
                    sum(&|a, b| a * b, n_plain),
                ];
                for (found, expected) in [found.l1, found.l2, found.product].into_iter().zip(expected) {
                    assert!((f64::from(found) - expected).abs() < 2e-3, "{row} {column}: {found} {expected}");
                }
            }
        }
    }
}
