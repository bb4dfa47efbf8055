//! Principal components of chosen rows.

use faer::MatRef;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::dense::{centered_rows, column_means, numbered, principal_directions, product};
use super::numbers::{Numbers, StoredMatrix};
use crate::screen::FeatureMatrix;

/// Why rows have no principal components, or not as many as are asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PcaError {
    /// A value that is missing or infinite.
    #[error(
        "principal components take no missing values, and feature `{feature}` is missing in {n_rows} rows; \
         leave such features or rows out"
    )]
    MissingValues {
        /// First feature with such a value.
        feature: String,
        /// Rows in which it is missing.
        n_rows: usize,
    },
    /// Too few rows to vary.
    #[error("principal components are fitted on {found} rows, need at least 2")]
    TooFewRows {
        /// Rows there were.
        found: usize,
    },
    /// More components than directions.
    #[error("{asked} principal components are asked for, the rows span {spanned}")]
    TooManyComponents {
        /// Components asked for.
        asked: usize,
        /// Directions in which the rows vary.
        spanned: usize,
    },
    /// The eigenvalue iteration failed.
    #[error("principal components met values that are too large to compute with; look for features of extreme scale")]
    Unstable,
    /// A table of another width.
    #[error("principal components were fitted on {expected} features, the table has {found}")]
    Width {
        /// Features of the table.
        found: usize,
        /// Features when fitted.
        expected: usize,
    },
}

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
    pub fn fit(matrix: &FeatureMatrix, rows: &[usize], n_components: usize) -> Result<Self, PcaError> {
        if rows.len() < 2 {
            refuse_missing(matrix, rows)?;
            return Err(PcaError::TooFewRows { found: rows.len() });
        }
        Self::fit_about(matrix, rows, n_components, column_means(matrix, rows), rows.len() - 1)
    }

    /// The same about a given origin, with variances divided by `degrees`.
    pub(crate) fn fit_about(
        matrix: &FeatureMatrix,
        rows: &[usize],
        n_components: usize,
        mean: Vec<f64>,
        degrees: usize,
    ) -> Result<Self, PcaError> {
        let all = Self::spanned_about(matrix, rows, mean, degrees)?;
        let spanned = all.n_components();
        if spanned < n_components {
            return Err(PcaError::TooManyComponents { asked: n_components, spanned });
        }
        Ok(all.first(n_components))
    }

    /// The same with `most` components, or as many as there are.
    fn first(self, most: usize) -> Self {
        let kept = most.min(self.n_components());
        Self {
            components: StoredMatrix::of(self.components.view().subcols(0, kept)),
            variances: Numbers(self.variances[..kept].to_vec()),
            mean: self.mean,
        }
    }

    /// The first components that the rows at `rows` span about their mean, `most` or as many as there are; none of a single
    /// row, which is its own mean.
    ///
    /// # Errors
    /// If a value is missing.
    pub fn leading(matrix: &FeatureMatrix, rows: &[usize], most: usize) -> Result<Self, PcaError> {
        let degrees = rows.len().saturating_sub(1).max(1);
        Ok(Self::spanned_about(matrix, rows, column_means(matrix, rows), degrees)?.first(most))
    }

    fn spanned_about(matrix: &FeatureMatrix, rows: &[usize], mean: Vec<f64>, degrees: usize) -> Result<Self, PcaError> {
        refuse_missing(matrix, rows)?;
        let centered = centered_rows(matrix, rows, &mean);
        let (variances, directions) =
            principal_directions(centered.as_ref(), degrees as f64).ok_or(PcaError::Unstable)?;
        let (mean, variances) = (Numbers(mean), Numbers(variances));
        Ok(Self { mean, components: StoredMatrix::of(directions.as_ref()), variances })
    }

    /// Number of components.
    pub fn n_components(&self) -> usize {
        self.components.n_columns()
    }

    /// Variance of the fitted rows along each component, descending.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// What is subtracted from a row, and what it is multiplied by then, `[feature, component]`.
    pub(crate) fn about(&self) -> (&[f64], MatRef<'_, f64>) {
        (&self.mean, self.components.view())
    }

    /// Every row's coordinates, `[row, component]`, in columns `pc0`, `pc1`, ….
    ///
    /// # Errors
    /// If the number of features is not the fitted one, or a value is missing.
    pub fn apply(&self, matrix: &FeatureMatrix) -> Result<FeatureMatrix, PcaError> {
        if self.components.n_rows() != matrix.n_features() || self.mean.len() != matrix.n_features() {
            return Err(PcaError::Width { found: matrix.n_features(), expected: self.components.n_rows() });
        }
        let rows: Vec<usize> = (0..matrix.n_rows()).collect();
        refuse_missing(matrix, &rows)?;
        let scores = product(centered_rows(matrix, &rows, &self.mean).as_ref(), self.components.view());
        Ok(numbered("pc", scores.as_ref()))
    }

    /// The profile at the given coordinates, one for each component.
    pub fn rebuild(&self, coordinates: &[f64]) -> Vec<f32> {
        let mut rebuilt = self.mean.0.clone();
        for (coordinate, component) in coordinates.iter().zip(self.components.view().col_iter()) {
            for (value, weight) in rebuilt.iter_mut().zip(component.iter()) {
                *value += coordinate * weight;
            }
        }
        rebuilt.into_iter().map(|value| value as f32).collect()
    }
}

fn refuse_missing(matrix: &FeatureMatrix, rows: &[usize]) -> Result<(), PcaError> {
    match first_missing(matrix, rows) {
        Some((feature, n_rows)) => Err(PcaError::MissingValues { feature, n_rows }),
        None => Ok(()),
    }
}

/// The first feature that is missing or infinite at `rows`, and in how many of them it is.
pub(crate) fn first_missing(matrix: &FeatureMatrix, rows: &[usize]) -> Option<(String, usize)> {
    let first = rows.par_iter().filter_map(|&row| matrix.row(row).iter().position(|value| !value.is_finite())).min();
    let feature = first?;
    let n_rows = rows.iter().filter(|&&row| !matrix.row(row)[feature].is_finite()).count();
    Some((matrix.names()[feature].clone(), n_rows))
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
        assert_eq!(error, PcaError::TooManyComponents { asked: 2, spanned: 1 });
    }

    /// Points on a line through (1, 2) along (3, 4)/5, in both orientations of the Gram matrix.
    #[test]
    fn points_are_rebuilt_from_their_coordinates() {
        let points: Vec<Vec<f32>> = [-2.0f32, 0.0, 1.0, 1.0].map(|t| vec![1.0 + 3.0 * t, 2.0 + 4.0 * t]).to_vec();
        let padded: Vec<Vec<f32>> = points.iter().map(|p| vec![p[0], p[1], 0.0, 0.0, 0.0, 0.0]).collect();
        for rows in [points, padded] {
            let matrix = FeatureMatrix::numbered("f", rows[0].len(), rows.concat());
            let components = PrincipalComponents::leading(&matrix, &[0, 1, 2, 3], 9).unwrap();
            assert_eq!(components.n_components(), 1);
            assert!((components.variances()[0] - 25.0 * 2.0).abs() < 1e-9);
            let coordinate = components.apply(&matrix).unwrap().row(0)[0];
            assert!((coordinate + 10.0).abs() < 1e-6);
            for (found, expected) in components.rebuild(&[f64::from(coordinate)]).iter().zip(&rows[0]) {
                assert!((found - expected).abs() < 1e-5);
            }
            assert!((components.rebuild(&[])[0] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_single_row_is_its_own_mean_and_has_no_component() {
        let matrix = FeatureMatrix::numbered("f", 2, vec![3.0, 4.0]);
        let components = PrincipalComponents::leading(&matrix, &[0], 5).unwrap();
        assert_eq!((components.n_components(), components.rebuild(&[])), (0, vec![3.0, 4.0]));
    }

    #[test]
    fn refuses_what_is_not_finite() {
        let matrix = FeatureMatrix::numbered("f", 2, vec![1.0, f32::NAN, 0.0, 1.0]);
        let missing = PcaError::MissingValues { feature: "f1".into(), n_rows: 1 };
        assert_eq!(PrincipalComponents::leading(&matrix, &[0, 1], 2).unwrap_err(), missing);
    }
}
