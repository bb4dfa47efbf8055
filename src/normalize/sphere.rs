//! Sphering: a linear map after which chosen rows, usually the controls, are uncorrelated with unit variance.

use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::NormalizeError;
use crate::linear::dense::{centered_rows, column_means, principal_directions, product};
use crate::linear::first_missing;
use crate::linear::numbers::{Numbers, StoredMatrix};
use crate::screen::FeatureMatrix;

/// Which of the whitening maps that keep each feature closest to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitening {
    /// From the covariance: output lies closest to the centered input.
    Zca,
    /// From the correlation: output lies closest to the standardized input.
    ZcaCor,
}

/// A fitted sphering.
///
/// `W = U (Λ + ε λ̄)^(-1/2) Uᵀ`, where `U Λ Uᵀ` is the covariance (ZCA) or the correlation (ZCA-cor) of the fitted rows,
/// λ̄ its mean eigenvalue and ε the relative regularization. Directions that the rows do not span, as there are with
/// fewer rows than features, are treated as if they had the smallest eigenvalue that was seen.
/// With ε = 0 and rows that span all features, the fitted rows come out with covariance I and mean 0.
///
/// # Source
/// Kessy, Lewin & Strimmer 2016, arXiv:1512.00809. pycytominer's `spherize` adds its epsilon to the singular values of
/// the data instead; at ε = 0 the two are one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sphering {
    mean: Numbers,
    /// What centered features are divided by: their standard deviation for ZCA-cor, else 1.
    scale: Numbers,
    /// U, `[feature, direction]`.
    directions: StoredMatrix,
    /// Factor along each direction, less `unseen`.
    excess: Numbers,
    /// Factor along every direction outside `directions`, as the only number.
    unseen: Numbers,
}

impl Sphering {
    /// Fits on the rows at `rows` of `matrix`, which may hold more.
    ///
    /// # Errors
    /// If there are fewer than 2 rows, a value among them is missing, no feature varies, or (ZCA-cor) one does not.
    pub fn fit(
        matrix: &FeatureMatrix,
        rows: &[usize],
        whitening: Whitening,
        epsilon: f64,
    ) -> Result<Self, NormalizeError> {
        if rows.len() < 2 {
            return Err(NormalizeError::TooFewRows { step: "sphering", found: rows.len(), needed: 2 });
        }
        Self::fit_about(matrix, rows, whitening, epsilon, column_means(matrix, rows), rows.len() - 1)
    }

    /// The same about a given origin, with variances divided by `degrees`.
    pub(super) fn fit_about(
        matrix: &FeatureMatrix,
        rows: &[usize],
        whitening: Whitening,
        epsilon: f64,
        mean: Vec<f64>,
        degrees: usize,
    ) -> Result<Self, NormalizeError> {
        refuse_missing(matrix, rows, "sphering")?;
        let n_features = matrix.n_features();
        let mut centered = centered_rows(matrix, rows, &mean);
        let scale = match whitening {
            Whitening::Zca => vec![1.0; n_features],
            Whitening::ZcaCor => standard_deviations(matrix, centered.as_ref(), degrees)?,
        };
        divide_columns(&mut centered, &scale);
        let (variances, directions) = principal_directions(centered.as_ref(), degrees as f64)
            .ok_or(NormalizeError::Unstable { step: "sphering" })?;
        let Some(&smallest) = variances.last() else {
            return Err(NormalizeError::NoVariance { step: "sphering" });
        };
        let added = epsilon * variances.iter().sum::<f64>() / n_features as f64;
        let factor = |variance: f64| 1.0 / (variance + added).sqrt();
        let unseen = if variances.len() < n_features { factor(smallest) } else { 0.0 };
        Ok(Self {
            mean: Numbers(mean),
            scale: Numbers(scale),
            directions: StoredMatrix::of(directions.as_ref()),
            excess: Numbers(variances.iter().map(|&variance| factor(variance) - unseen).collect()),
            unseen: Numbers(vec![unseen]),
        })
    }

    /// Spheres every row in place; feature names stay, since each output feature is the whitened form of its input.
    ///
    /// # Errors
    /// If the number of features is not the fitted one, or a value is missing.
    pub fn apply(&self, matrix: &mut FeatureMatrix) -> Result<(), NormalizeError> {
        let n_features = matrix.n_features();
        let (n_rows, n_directions) = (self.directions.n_rows(), self.directions.n_columns());
        let is_whole = self.mean.len() == n_rows
            && self.scale.len() == n_rows
            && self.excess.len() == n_directions
            && self.unseen.len() == 1;
        if n_rows != n_features || !is_whole {
            return Err(NormalizeError::Width { step: "sphering", found: n_features, expected: n_rows });
        }
        let rows: Vec<usize> = (0..matrix.n_rows()).collect();
        refuse_missing(matrix, &rows, "sphering")?;
        let mut centered = centered_rows(matrix, &rows, &self.mean);
        divide_columns(&mut centered, &self.scale);
        let mut along = product(centered.as_ref(), self.directions.view());
        for (column, &excess) in self.excess.iter().enumerate() {
            along.col_mut(column).iter_mut().for_each(|value| *value *= excess);
        }
        let seen = product(along.as_ref(), self.directions.view().transpose());
        let unseen = self.unseen[0];
        matrix.values_mut().par_chunks_mut(n_features.max(1)).enumerate().for_each(|(row, out)| {
            for (feature, out) in out.iter_mut().enumerate() {
                *out = (seen[(row, feature)] + unseen * centered[(row, feature)]) as f32;
            }
        });
        Ok(())
    }

    /// W as a dense matrix row by row, `[feature, feature]`: acts on centered (and, for ZCA-cor, standardized) features.
    pub fn matrix(&self) -> Vec<f64> {
        let directions = self.directions.view();
        let n = directions.nrows();
        let weighted =
            Mat::from_fn(n, directions.ncols(), |row, column| directions[(row, column)] * self.excess[column]);
        let seen = product(weighted.as_ref(), directions.transpose());
        (0..n * n)
            .map(|index| {
                let (row, column) = (index / n, index % n);
                seen[(row, column)] + if row == column { self.unseen[0] } else { 0.0 }
            })
            .collect()
    }
}

/// Refuses missing and infinite values at `rows`, naming the first feature that has one.
pub(super) fn refuse_missing(matrix: &FeatureMatrix, rows: &[usize], step: &'static str) -> Result<(), NormalizeError> {
    match first_missing(matrix, rows) {
        Some((feature, n_rows)) => Err(NormalizeError::MissingValues { step, feature, n_rows }),
        None => Ok(()),
    }
}

/// Square root of each centered column's mean square; refuses a constant feature by name.
pub(super) fn standard_deviations(
    matrix: &FeatureMatrix,
    centered: MatRef<'_, f64>,
    degrees: usize,
) -> Result<Vec<f64>, NormalizeError> {
    let deviations: Vec<f64> = centered
        .col_iter()
        .map(|column| (column.iter().map(|value| value * value).sum::<f64>() / degrees as f64).sqrt())
        .collect();
    match deviations.iter().position(|&deviation| deviation <= 1e-12) {
        Some(constant) => Err(NormalizeError::Constant { feature: matrix.names()[constant].clone() }),
        None => Ok(deviations),
    }
}

pub(super) fn divide_columns(matrix: &mut Mat<f64>, divisors: &[f64]) {
    for (column, &divisor) in divisors.iter().enumerate() {
        matrix.col_mut(column).iter_mut().for_each(|value| *value /= divisor);
    }
}
