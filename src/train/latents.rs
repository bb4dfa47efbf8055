//! Latents of many rows by every member of an ensemble.

use crate::screen::FeatureMatrix;

/// Latents of rows by each member of an ensemble, `[row, member, latent]`.
///
/// The members of a row stand side by side, so that squared distances of rows are sums over the members'.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    n_members: usize,
    width: usize,
    values: Vec<f32>,
}

impl Latents {
    /// Latents of `width` values for each of `n_members` members, row by row.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn new(n_members: usize, width: usize, values: Vec<f32>) -> Self {
        assert!(values.len().is_multiple_of((n_members * width).max(1)), "rows of all members");
        Self { n_members, width, values }
    }

    /// The same from each member's rows, `[member][row][latent]`.
    pub(super) fn from_members(width: usize, members: &[Vec<Vec<f32>>]) -> Self {
        let n_rows = members.first().map_or(0, Vec::len);
        let mut values = Vec::with_capacity(n_rows * members.len() * width);
        for row in 0..n_rows {
            members.iter().for_each(|member| values.extend_from_slice(&member[row]));
        }
        Self::new(members.len(), width, values)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.values.len() / (self.n_members * self.width).max(1)
    }

    /// Number of members.
    pub fn n_members(&self) -> usize {
        self.n_members
    }

    /// Values in the latent of one member.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One row, `[member, latent]`.
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.n_members * self.width;
        &self.values[row * width..(row + 1) * width]
    }

    /// One row, `[member, latent]`, to be changed in place.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let width = self.n_members * self.width;
        &mut self.values[row * width..(row + 1) * width]
    }

    /// The rows at `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Self { values, ..*self }
    }

    /// The mean of all rows, `[member, latent]`, summed in `f64`; empty without rows.
    pub fn mean(&self) -> Vec<f32> {
        mean((0..self.n_rows()).map(|row| self.row(row)))
    }

    /// The rows of one member, `[row][latent]`.
    pub(super) fn of_member(&self, member: usize) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1)).skip(member).step_by(self.n_members.max(1))
    }

    /// The latents of one member as a matrix, `[row, latent]`.
    pub fn member(&self, member: usize) -> FeatureMatrix {
        let rows: Vec<&[f32]> = self.of_member(member).collect();
        FeatureMatrix::numbered(COLUMN, self.width, rows.concat())
    }

    /// The members side by side as a matrix, `[row, member * latent]`.
    pub fn side_by_side(self) -> FeatureMatrix {
        FeatureMatrix::numbered(COLUMN, self.n_members * self.width, self.values)
    }
}

/// What columns of latents are called, before their number.
const COLUMN: &str = "latent_";

/// Mean of latents, summed in `f64`; empty where there are none.
pub fn mean<L: AsRef<[f32]>>(latents: impl Iterator<Item = L>) -> Vec<f32> {
    let mut sum = Vec::<f64>::new();
    let mut n = 0.0;
    for latent in latents {
        let latent = latent.as_ref();
        sum.resize(latent.len(), 0.0);
        for (sum, &value) in sum.iter_mut().zip(latent) {
            *sum += f64::from(value);
        }
        n += 1.0;
    }
    sum.into_iter().map(|sum| (sum / n) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_the_members_side_by_side() {
        let members = [vec![vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]], vec![vec![7.0, 8.0]; 3]];
        let latents = Latents::from_members(2, &members);
        assert_eq!((latents.n_rows(), latents.n_members(), latents.width()), (3, 2, 2));
        assert_eq!(latents.row(1), [3.0, 4.0, 7.0, 8.0]);
        assert_eq!(latents.member(0).values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(latents.member(1).row(2), [7.0, 8.0]);
        assert_eq!(latents.mean(), [3.0, 4.0, 7.0, 8.0]);
        assert_eq!(latents.select(&[2, 0]).side_by_side().row(0), [5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn nothing_has_no_rows() {
        let nothing = Latents::from_members(2, &[Vec::new(), Vec::new()]);
        assert_eq!(nothing.n_rows(), 0);
        assert_eq!(nothing.member(1).n_rows(), 0);
        assert!(nothing.mean().is_empty());
    }
}
