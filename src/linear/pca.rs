//! Principal components, found the same way on any number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

/// Why profiles have no principal components.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PcaError {
    /// A value that is no number reached a fit.
    #[error("training profiles hold a value that is not finite; normalize the screen and drop such features first")]
    NotFinite,
    /// The eigenvalue solver gave up.
    #[error(
        "the principal components of the training profiles could not be computed; look for features of extreme scale"
    )]
    NoConvergence,
}

/// Components whose variance is below this share of the first one's are rounding noise.
const LEAST_VARIANCE_SHARE: f64 = 1e-10;

/// Principal components of some profiles, strongest first.
#[derive(Debug, Clone)]
pub struct Pca {
    mean: Vec<f64>,
    /// Unit vectors, `[component, feature]`, row by row.
    components: Vec<f64>,
    variances: Vec<f64>,
}

impl Pca {
    /// Components of `rows`, centered on their mean; at most `rows.len() - 1` of them.
    ///
    /// Works on the smaller of the two Gram matrices, in `f64` and on one thread, so that the result does not depend on
    /// the number of threads. The sign of a component is that of its largest entry, which is made positive.
    ///
    /// # Errors
    /// When a value is not finite or the eigenvalue solver does not converge.
    pub fn fit<P: AsRef<[f32]>>(rows: &[P]) -> Result<Self, PcaError> {
        let n_rows = rows.len();
        let n_features = rows.first().map_or(0, |row| row.as_ref().len());
        let mut mean = vec![0.0f64; n_features];
        for row in rows {
            for (sum, &value) in mean.iter_mut().zip(row.as_ref()) {
                *sum += f64::from(value) / n_rows as f64;
            }
        }
        if mean.iter().any(|value| !value.is_finite()) {
            return Err(PcaError::NotFinite);
        }
        if n_rows < 2 {
            return Ok(Self { mean, components: vec![], variances: vec![] });
        }
        let centered =
            Mat::from_fn(n_rows, n_features, |row, feature| f64::from(rows[row].as_ref()[feature]) - mean[feature]);
        let is_wide = n_rows < n_features;
        let (left, right) =
            if is_wide { (centered.as_ref(), centered.transpose()) } else { (centered.transpose(), centered.as_ref()) };
        let (sums, vectors) = eigen(&product(left, right))?;

        let least = LEAST_VARIANCE_SHARE * sums.last().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let kept: Vec<usize> = (0..sums.len()).rev().filter(|&index| sums[index] > least).take(n_rows - 1).collect();
        // With the rows' Gram matrix the eigenvectors weigh rows; mapped through the data they become feature vectors.
        let mapped = if is_wide { product(centered.transpose(), vectors.as_ref()) } else { vectors };
        let mut components = Vec::with_capacity(kept.len() * n_features);
        for &index in &kept {
            let column: Vec<f64> = (0..n_features).map(|feature| mapped[(feature, index)]).collect();
            let norm = column.iter().map(|value| value * value).sum::<f64>().sqrt();
            let largest =
                column.iter().copied().fold(0.0f64, |best, value| if value.abs() > best.abs() { value } else { best });
            components.extend(column.iter().map(|value| value / norm * largest.signum()));
        }
        let variances = kept.iter().map(|&index| sums[index] / (n_rows - 1) as f64).collect();
        Ok(Self { mean, components, variances })
    }

    /// Number of components found.
    pub fn n_components(&self) -> usize {
        self.variances.len()
    }

    /// Variance along each component (divisor n − 1), descending.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Coordinates of `profile` on the first `n_components` components (or on all there are).
    pub fn project(&self, profile: &[f32], n_components: usize) -> Vec<f64> {
        let n_features = self.mean.len().max(1);
        self.components
            .chunks_exact(n_features)
            .take(n_components)
            .map(|component| {
                let centered = profile.iter().zip(&self.mean).map(|(&value, mean)| f64::from(value) - mean);
                centered.zip(component).map(|(value, weight)| value * weight).sum()
            })
            .collect()
    }

    /// The profile rebuilt from its first `n_components` coordinates: what the components say of it.
    pub fn denoise(&self, profile: &[f32], n_components: usize) -> Vec<f32> {
        let mut rebuilt = self.mean.clone();
        let coordinates = self.project(profile, n_components);
        for (coordinate, component) in coordinates.iter().zip(self.components.chunks_exact(self.mean.len().max(1))) {
            for (value, weight) in rebuilt.iter_mut().zip(component) {
                *value += coordinate * weight;
            }
        }
        rebuilt.into_iter().map(|value| value as f32).collect()
    }
}

fn product(left: faer::MatRef<'_, f64>, right: faer::MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    matmul(out.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    out
}

/// Eigenvalues, ascending, and eigenvectors in columns.
fn eigen(matrix: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), PcaError> {
    let n = matrix.nrows();
    let mut values = faer::Col::<f64>::zeros(n);
    let mut vectors = Mat::zeros(n, n);
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    self_adjoint_evd(
        matrix.as_ref(),
        values.as_mut().as_diagonal_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| PcaError::NoConvergence)?;
    Ok(((0..n).map(|index| values[index]).collect(), vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points on a line through (1, 2) along (3, 4)/5, in both orientations of the Gram matrix.
    #[test]
    fn finds_the_line_that_points_lie_on() {
        let points: Vec<Vec<f32>> = [-2.0f32, 0.0, 1.0, 1.0].map(|t| vec![1.0 + 3.0 * t, 2.0 + 4.0 * t]).to_vec();
        let padded: Vec<Vec<f32>> = points.iter().map(|p| vec![p[0], p[1], 0.0, 0.0, 0.0, 0.0]).collect();
        for rows in [points, padded] {
            let pca = Pca::fit(&rows).unwrap();
            assert_eq!(pca.n_components(), 1);
            assert!((pca.variances()[0] - 25.0 * 2.0).abs() < 1e-9);
            assert!((pca.project(&rows[0], 5)[0] + 10.0).abs() < 1e-6);
            for (found, expected) in pca.denoise(&rows[0], 1).iter().zip(&rows[0]) {
                assert!((found - expected).abs() < 1e-5);
            }
            assert!((pca.denoise(&rows[0], 0)[0] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn refuses_what_is_not_finite() {
        assert_eq!(Pca::fit(&[[1.0, f32::NAN], [0.0, 1.0]]).unwrap_err(), PcaError::NotFinite);
    }
}
