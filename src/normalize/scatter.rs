//! What differs between replicates: wells that were treated alike in one context, and the negative controls of one context.

use std::collections::BTreeMap;

use super::{NormalizeError, Sphering, Whitening};
use crate::screen::{FeatureMatrix, Role, Screen};

/// Rows less the mean of their replicates: noise, and what plates and places do to it.
#[derive(Debug, Clone)]
pub struct Scatter {
    /// One row for each well that has replicates, `[well, feature]`.
    pub residuals: FeatureMatrix,
    /// Rows less groups: what sums of squares are divided by.
    pub degrees: usize,
}

impl Scatter {
    /// The scatter of the wells at `rows` of `screen`, whose values are those of `matrix`; `None` where too few of them are
    /// replicates.
    pub fn of(screen: &Screen, matrix: &FeatureMatrix, rows: &[usize]) -> Option<Self> {
        let mut groups = BTreeMap::<_, Vec<usize>>::new();
        for &row in rows.iter().filter(|&&row| screen.unit(row).role != Role::Empty) {
            let unit = screen.unit(row);
            groups.entry((unit.role, unit.treatment())).or_default().push(row);
        }
        groups.retain(|_, rows| rows.len() > 1);
        let mut residuals = Vec::new();
        for rows in groups.values() {
            let mean = matrix.mean_of(rows);
            residuals.extend(rows.iter().flat_map(|&row| matrix.row(row).iter().zip(&mean).map(|(v, mean)| v - mean)));
        }
        let residuals = FeatureMatrix::new(matrix.names().to_vec(), residuals);
        let degrees = residuals.n_rows() - groups.len();
        (degrees >= 2).then_some(Self { residuals, degrees })
    }
}

impl Sphering {
    /// The map after which replicates scatter alike in all directions; zero stays zero.
    ///
    /// # Errors
    /// As [`Sphering::fit`].
    pub fn of_scatter(scatter: &Scatter, epsilon: f64) -> Result<Self, NormalizeError> {
        let Scatter { residuals, degrees } = scatter;
        let rows: Vec<usize> = (0..residuals.n_rows()).collect();
        Self::fit_about(residuals, &rows, Whitening::Zca, epsilon, vec![0.0; residuals.n_features()], *degrees)
    }
}
