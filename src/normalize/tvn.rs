//! Typical variation normalization: the controls of every lab batch are brought to one common shape.

use std::collections::BTreeMap;

use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::NormalizeError;
use super::sphere::{divide_columns, refuse_missing, standard_deviations};
use crate::linear::dense::{centered_rows, column_means, numbered, principal_directions, product};
use crate::linear::numbers::{Numbers, StoredMatrix};
use crate::screen::FeatureMatrix;

/// A fitted typical variation normalization.
///
/// Controls are standardized, rotated onto all their principal components and standardized again; these three are
/// fitted once, on training controls. Then the rows of each lab batch are centered on that batch's own controls and
/// multiplied by `(C + r I)^(-1/2)`, where `C` is the covariance of those controls and `r` the regularization.
/// The batch step is taken anew from the controls of whatever is normalized, as plate scaling is, so a new batch needs
/// no fit; it needs at least two controls. With r = 0 each batch's controls end with covariance I, with r = 0.5 near I / 1.5.
///
/// # Source
/// Ando, McLean & Berndl 2017; steps and r = 0.5 as in recursionpharma/EFAAR_benchmarking, which leaves the batch means
/// where they are. Directions without variance, which that code scales up from rounding noise, are left out here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tvn {
    mean: Numbers,
    /// `[feature, component]`: standardization, rotation and second standardization in one.
    rotation: StoredMatrix,
    regularization: Numbers,
}

impl Tvn {
    /// Fits the pooled steps on the rows at `control_rows` of `matrix`.
    ///
    /// # Errors
    /// If there are fewer than 2 controls, a value among them is missing, or a feature is constant among them.
    pub fn fit(matrix: &FeatureMatrix, control_rows: &[usize], regularization: f64) -> Result<Self, NormalizeError> {
        if control_rows.len() < 2 {
            let found = control_rows.len();
            return Err(NormalizeError::TooFewRows { step: "typical variation normalization", found, needed: 2 });
        }
        refuse_missing(matrix, control_rows, "typical variation normalization")?;
        let mean = column_means(matrix, control_rows);
        let mut centered = centered_rows(matrix, control_rows, &mean);
        let deviations = standard_deviations(matrix, centered.as_ref(), control_rows.len())?;
        divide_columns(&mut centered, &deviations);
        let (variances, directions) = principal_directions(centered.as_ref(), control_rows.len() as f64)
            .ok_or(NormalizeError::Unstable { step: "typical variation normalization" })?;
        let scaled = Mat::from_fn(directions.nrows(), directions.ncols(), |row, column| {
            directions[(row, column)] / variances[column].sqrt()
        });
        let inverse: Vec<f64> = deviations.iter().map(|deviation| 1.0 / deviation).collect();
        Ok(Self {
            mean: Numbers(mean),
            rotation: StoredMatrix::rows_scaled(&scaled, &inverse),
            regularization: Numbers(vec![regularization]),
        })
    }

    /// Number of columns that come out.
    pub fn n_components(&self) -> usize {
        self.rotation.n_columns()
    }

    /// Every row normalized, `[row, component]`, in columns `tvn0`, `tvn1`, ….
    ///
    /// `batch_of_row` names the lab batch of each row; `control_rows` are the controls among them.
    ///
    /// # Errors
    /// If the number of features is not the fitted one, a value is missing, or a batch has fewer than 2 controls (with
    /// a regularization of 0: fewer than it takes to span all components).
    pub fn apply(
        &self,
        matrix: &FeatureMatrix,
        control_rows: &[usize],
        batch_of_row: &[&str],
    ) -> Result<FeatureMatrix, NormalizeError> {
        let n_features = matrix.n_features();
        if self.rotation.n_rows() != n_features || self.mean.len() != n_features || self.regularization.len() != 1 {
            let (step, expected) = ("typical variation normalization", self.rotation.n_rows());
            return Err(NormalizeError::Width { step, found: n_features, expected });
        }
        let rows: Vec<usize> = (0..matrix.n_rows()).collect();
        refuse_missing(matrix, &rows, "typical variation normalization")?;
        let mut rotated = product(centered_rows(matrix, &rows, &self.mean).as_ref(), self.rotation.view());
        let mut batches = BTreeMap::<&str, (Vec<usize>, Vec<usize>)>::new();
        for (row, &batch) in batch_of_row.iter().enumerate() {
            batches.entry(batch).or_default().0.push(row);
        }
        for &row in control_rows {
            batches.entry(batch_of_row[row]).or_default().1.push(row);
        }
        let aligned: Vec<Mat<f64>> = batches
            .par_iter()
            .map(|(batch, (rows, controls))| align(rotated.as_ref(), rows, controls, self.regularization[0], batch))
            .collect::<Result<_, _>>()?;
        for ((rows, _), aligned) in batches.values().zip(&aligned) {
            for (index, &row) in rows.iter().enumerate() {
                rotated.row_mut(row).copy_from(aligned.row(index));
            }
        }
        Ok(numbered("tvn", rotated.as_ref()))
    }
}

/// The rows of one lab batch, centered on its controls and whitened by their regularized covariance.
fn align(
    rotated: MatRef<'_, f64>,
    rows: &[usize],
    controls: &[usize],
    regularization: f64,
    batch: &str,
) -> Result<Mat<f64>, NormalizeError> {
    let n_components = rotated.ncols();
    let too_few =
        |needed| NormalizeError::TooFewBatchControls { batch: batch.to_owned(), found: controls.len(), needed };
    if controls.len() < 2 {
        return Err(too_few(2));
    }
    let mean: Vec<f64> = (0..n_components)
        .map(|column| controls.iter().map(|&row| rotated[(row, column)]).sum::<f64>() / controls.len() as f64)
        .collect();
    let centered = |rows: &[usize]| {
        Mat::from_fn(rows.len(), n_components, |index, column| rotated[(rows[index], column)] - mean[column])
    };
    let degrees = (controls.len() - 1) as f64;
    let (variances, directions) = principal_directions(centered(controls).as_ref(), degrees)
        .ok_or(NormalizeError::Unstable { step: "typical variation normalization" })?;
    if variances.len() < n_components && regularization <= 0.0 {
        return Err(too_few(n_components + 1));
    }
    // Outside the directions that the controls span, the covariance is 0 and the regularization alone remains.
    let unseen = if variances.len() < n_components { 1.0 / regularization.sqrt() } else { 0.0 };
    let centered = centered(rows);
    let mut along = product(centered.as_ref(), directions.as_ref());
    for (column, variance) in variances.iter().enumerate() {
        let factor = 1.0 / (variance + regularization).sqrt() - unseen;
        along.col_mut(column).iter_mut().for_each(|value| *value *= factor);
    }
    let mut aligned = product(along.as_ref(), directions.transpose());
    for column in 0..n_components {
        for row in 0..rows.len() {
            aligned[(row, column)] += unseen * centered[(row, column)];
        }
    }
    Ok(aligned)
}
