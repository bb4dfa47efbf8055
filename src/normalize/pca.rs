//! Principal components of chosen rows.

use serde::{Deserialize, Serialize};

use super::NormalizeError;
use super::sphere::refuse_missing;
use crate::linear::dense::{centered_rows, column_means, principal_directions, product};
use crate::linear::numbers::{Numbers, StoredMatrix};
use crate::screen::FeatureMatrix;

/// Principal components: a rotation onto the directions in which the fitted rows vary most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrincipalComponents {
    mean: Numbers,
    /// `[feature, component]`, unit columns.
    components: StoredMatrix,
    /// Variance along each component, descending.
    variances: Numbers,
}

impl PrincipalComponents {
    /// The first `n_components` principal components of the rows at `rows`, centered on their mean.
    ///
    /// # Errors
    /// If a value is missing, or the rows span fewer than `n_components` directions.
    pub fn fit(matrix: &FeatureMatrix, rows: &[usize], n_components: usize) -> Result<Self, NormalizeError> {
        refuse_missing(matrix, rows, "principal components")?;
        if rows.len() < 2 {
            return Err(NormalizeError::TooFewRows { step: "principal components", found: rows.len(), needed: 2 });
        }
        Self::fit_about(matrix, rows, n_components, column_means(matrix, rows), rows.len() - 1)
    }

    /// The same about a given origin, with variances divided by `degrees`.
    pub(super) fn fit_about(
        matrix: &FeatureMatrix,
        rows: &[usize],
        n_components: usize,
        mean: Vec<f64>,
        degrees: usize,
    ) -> Result<Self, NormalizeError> {
        refuse_missing(matrix, rows, "principal components")?;
        let centered = centered_rows(matrix, rows, &mean);
        let (variances, directions) = principal_directions(centered.as_ref(), degrees as f64)
            .ok_or(NormalizeError::Unstable { step: "principal components" })?;
        if variances.len() < n_components {
            return Err(NormalizeError::TooManyComponents { asked: n_components, spanned: variances.len() });
        }
        Ok(Self {
            mean: Numbers(mean),
            components: StoredMatrix::of(directions.subcols(0, n_components)),
            variances: Numbers(variances[..n_components].to_vec()),
        })
    }

    /// Number of components.
    pub fn n_components(&self) -> usize {
        self.components.n_columns()
    }

    /// Variance of the fitted rows along each component, descending.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Every row's coordinates, `[row, component]`, in columns `pc0`, `pc1`, ….
    ///
    /// # Errors
    /// If the number of features is not the fitted one, or a value is missing.
    pub fn apply(&self, matrix: &FeatureMatrix) -> Result<FeatureMatrix, NormalizeError> {
        if self.components.n_rows() != matrix.n_features() || self.mean.len() != matrix.n_features() {
            let (found, expected) = (matrix.n_features(), self.components.n_rows());
            return Err(NormalizeError::Width { step: "principal components", found, expected });
        }
        let rows: Vec<usize> = (0..matrix.n_rows()).collect();
        refuse_missing(matrix, &rows, "principal components")?;
        let scores = product(centered_rows(matrix, &rows, &self.mean).as_ref(), self.components.view());
        Ok(super::sphere::numbered("pc", scores.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_long_axis_of_a_cloud() {
        let values = [[-2.0, -2.0], [-1.0, -1.0], [0.1, -0.1], [-0.1, 0.1], [1.0, 1.0], [2.0, 2.0]];
        let matrix = FeatureMatrix::numbered("f", 2, values.concat());
        let rows: Vec<usize> = (0..6).collect();
        let components = PrincipalComponents::fit(&matrix, &rows, 1).unwrap();
        assert!((components.variances()[0] - 4.0).abs() < 1e-9);
        let scores = components.apply(&matrix).unwrap();
        assert_eq!(scores.names(), ["pc0"]);
        assert!((scores.row(5)[0] - 8f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn refuses_more_components_than_the_rows_span() {
        let matrix = FeatureMatrix::numbered("f", 3, vec![1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
        let error = PrincipalComponents::fit(&matrix, &[0, 1, 2], 2).unwrap_err();
        assert!(error.to_string().contains("asks for 2 components, the training rows span 1"), "{error}");
    }
}
