//! Ridge regression with many outputs, in closed form.

use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::dense::{centered_rows, column_means, principal_directions, product};
use super::numbers::{Numbers, StoredMatrix};
use crate::screen::FeatureMatrix;

/// Why a ridge regression could not be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RidgeError {
    /// The two tables do not belong together.
    #[error(
        "inputs have {inputs} rows, outputs have {outputs}; both need one row for each observation, and at least one"
    )]
    Rows {
        /// Rows of the inputs.
        inputs: usize,
        /// Rows of the outputs.
        outputs: usize,
    },
    /// Too few rows to leave one out.
    #[error("leave-one-out needs at least 2 rows, found {0}")]
    TooFewRows(usize),
    /// A penalty that is none.
    #[error("`lambda` is {0}, expected a finite number, at least 0")]
    Lambda(f64),
    /// No penalty to choose from.
    #[error("no `lambda` to choose from")]
    NoLambdas,
    /// A value that is not a number.
    #[error(
        "feature `{feature}` is missing or infinite in row {row} (counted from 0); ridge regression takes finite values only"
    )]
    Missing {
        /// Name of the feature.
        feature: String,
        /// First row in which it is.
        row: usize,
    },
    /// The normal equations have no unique solution.
    #[error("the inputs are linearly dependent and `lambda` is {0}; raise it")]
    Singular(f64),
}

/// A fitted ridge regression: `y = intercept + x B`, with `B` minimizing `Σ |y - intercept - x B|² + λ |B|²`.
///
/// The intercept is not penalized, and λ is added to the Gram matrix of the centered inputs as it is, not per row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    outputs: Vec<String>,
    /// `[input, output]`.
    coefficients: StoredMatrix,
    input_means: Numbers,
    output_means: Numbers,
    lambda: Numbers,
}

impl Ridge {
    /// Fits with the λ of `lambdas` whose leave-one-out error is the smallest, the first of equals.
    ///
    /// # Shapes
    /// - `x`: `[row, input]`, `y`: `[row, output]`
    ///
    /// # Errors
    /// If the tables differ in rows or have fewer than 2, a value is not finite, a λ is negative, there is no λ to choose, or
    /// the best leaves the solution undetermined.
    pub fn fit_gcv(x: &FeatureMatrix, y: &FeatureMatrix, lambdas: &[f64]) -> Result<Self, RidgeError> {
        let spectrum = Spectrum::of(x, y)?;
        let mut best: Option<(f64, f64)> = None;
        for (lambda, error) in lambdas.iter().zip(spectrum.leave_one_out_mse(lambdas)?) {
            if best.is_none_or(|(_, smallest)| error < smallest) {
                best = Some((*lambda, error));
            }
        }
        let (lambda, error) = best.ok_or(RidgeError::NoLambdas)?;
        if !error.is_finite() {
            return Err(RidgeError::Singular(lambda));
        }
        Ok(spectrum.ridge(lambda))
    }

    /// Fits with the λ of `lambdas` that errs least on the rows of `checked_x` and `checked_y`, which are not fitted on; the
    /// first of equals.
    ///
    /// # Shapes
    /// - `x`: `[row, input]`, `y`: `[row, output]`; the checked ones likewise
    ///
    /// # Errors
    /// As [`Ridge::fit_gcv`], of either pair of tables.
    pub fn fit_checked(
        x: &FeatureMatrix,
        y: &FeatureMatrix,
        lambdas: &[f64],
        checked_x: &FeatureMatrix,
        checked_y: &FeatureMatrix,
    ) -> Result<Self, RidgeError> {
        check(checked_x, checked_y)?;
        lambdas.iter().try_for_each(|&lambda| check_lambda(lambda))?;
        let spectrum = Spectrum::of(x, y)?;
        let mut best: Option<(Self, f64)> = None;
        for &lambda in lambdas {
            let ridge = spectrum.ridge(lambda);
            let predicted = ridge.predict(checked_x);
            let pairs = predicted.values().iter().zip(checked_y.values());
            let error: f64 = pairs.map(|(&p, &m)| (f64::from(p) - f64::from(m)).powi(2)).sum();
            if best.as_ref().is_none_or(|(_, smallest)| error < *smallest) {
                best = Some((ridge, error));
            }
        }
        let (ridge, error) = best.ok_or(RidgeError::NoLambdas)?;
        if error.is_finite() { Ok(ridge) } else { Err(RidgeError::Singular(ridge.lambda[0])) }
    }

    /// Predicted outputs, `[row, output]`.
    ///
    /// # Panics
    /// If `x` has another number of features than was fitted.
    pub fn predict(&self, x: &FeatureMatrix) -> FeatureMatrix {
        if x.n_rows() == 0 {
            return FeatureMatrix::new(self.outputs.clone(), Vec::new());
        }
        let (n_inputs, n_outputs) = (self.coefficients.n_rows(), self.outputs.len());
        assert_eq!(x.n_features(), n_inputs, "the ridge was fitted on {n_inputs} inputs");
        let rows: Vec<usize> = (0..x.n_rows()).collect();
        let raised = product(centered_rows(x, &rows, &self.input_means).as_ref(), self.coefficients.view());
        let mut values = vec![0.0f32; rows.len() * n_outputs];
        values.par_chunks_mut(n_outputs.max(1)).enumerate().for_each(|(row, out)| {
            for (output, out) in out.iter_mut().enumerate() {
                *out = (self.output_means[output] + raised[(row, output)]) as f32;
            }
        });
        FeatureMatrix::new(self.outputs.clone(), values)
    }

    /// Whether this, as read from a file, takes `n_inputs` inputs and its parts are of one size.
    pub(crate) fn fits(&self, n_inputs: usize, outputs: &[String]) -> bool {
        self.coefficients.n_rows() == n_inputs
            && self.input_means.len() == n_inputs
            && self.outputs == outputs
            && self.coefficients.n_columns() == outputs.len()
            && self.output_means.len() == outputs.len()
            && self.lambda.len() == 1
    }

    fn of(
        y: &FeatureMatrix,
        coefficients: MatRef<'_, f64>,
        input_means: Vec<f64>,
        output_means: Vec<f64>,
        lambda: f64,
    ) -> Self {
        Self {
            outputs: y.names().to_vec(),
            coefficients: StoredMatrix::of(coefficients),
            input_means: Numbers(input_means),
            output_means: Numbers(output_means),
            lambda: Numbers(vec![lambda]),
        }
    }
}

/// Most centered outputs that are in memory at once: those of images are more than there is room for.
const BLOCK_VALUES: usize = 1 << 23;

/// The centered inputs taken apart once, so that any λ is cheap.
struct Spectrum<'a> {
    /// Squared singular values of the centered inputs.
    squares: Vec<f64>,
    /// Right singular vectors, `[input, direction]`.
    directions: Mat<f64>,
    /// Centered inputs along the directions, `[row, direction]`.
    scores: Mat<f64>,
    /// `scoresᵀ targets`, `[direction, output]`.
    projected: Mat<f64>,
    outputs: &'a FeatureMatrix,
    input_means: Vec<f64>,
    output_means: Vec<f64>,
}

impl<'a> Spectrum<'a> {
    fn of(x: &FeatureMatrix, y: &'a FeatureMatrix) -> Result<Self, RidgeError> {
        check(x, y)?;
        if x.n_rows() < 2 {
            return Err(RidgeError::TooFewRows(x.n_rows()));
        }
        let rows: Vec<usize> = (0..x.n_rows()).collect();
        let (input_means, output_means) = (column_means(x, &rows), column_means(y, &rows));
        let inputs = centered_rows(x, &rows, &input_means);
        let (squares, directions) =
            principal_directions(inputs.as_ref(), 1.0).expect("finite f32 inputs have a finite Gram matrix in f64");
        let scores = product(inputs.as_ref(), directions.as_ref());
        let mut projected = Mat::zeros(scores.ncols(), y.n_features());
        for (first, targets) in blocks(y, &output_means) {
            projected += product(scores.subrows(first, targets.nrows()).transpose(), targets.as_ref());
        }
        Ok(Self { squares, directions, scores, projected, outputs: y, input_means, output_means })
    }

    fn shrunk(&self, lambda: f64) -> Mat<f64> {
        Mat::from_fn(self.projected.nrows(), self.projected.ncols(), |direction, output| {
            self.projected[(direction, output)] / (self.squares[direction] + lambda)
        })
    }

    fn ridge(&self, lambda: f64) -> Ridge {
        let coefficients = product(self.directions.as_ref(), self.shrunk(lambda).as_ref());
        Ridge::of(self.outputs, coefficients.as_ref(), self.input_means.clone(), self.output_means.clone(), lambda)
    }

    /// Mean squared error over all rows and outputs when each row is predicted by a fit without it, one for each λ.
    ///
    /// Exact: a residual divided by one less its leverage, that of the intercept included. Infinite where a row is fitted
    /// exactly whatever its value.
    fn leave_one_out_mse(&self, lambdas: &[f64]) -> Result<Vec<f64>, RidgeError> {
        lambdas.iter().try_for_each(|&lambda| check_lambda(lambda))?;
        let (n_rows, n_outputs) = (self.outputs.n_rows(), self.outputs.n_features());
        let shrunk: Vec<Mat<f64>> = lambdas.iter().map(|&lambda| self.shrunk(lambda)).collect();
        let mut of_rows = vec![Vec::with_capacity(n_rows); lambdas.len()];
        for (first, targets) in blocks(self.outputs, &self.output_means) {
            for ((&lambda, shrunk), of_rows) in lambdas.iter().zip(&shrunk).zip(&mut of_rows) {
                of_rows.extend(self.left_out_squares(first, targets.as_ref(), lambda, shrunk.as_ref()));
            }
        }
        Ok(of_rows.iter().map(|of_rows| of_rows.iter().sum::<f64>() / (n_rows * n_outputs) as f64).collect())
    }

    /// The squared residuals, summed over outputs, of rows from `first` on, each predicted without it.
    fn left_out_squares(
        &self,
        first: usize,
        targets: MatRef<'_, f64>,
        lambda: f64,
        shrunk: MatRef<'_, f64>,
    ) -> Vec<f64> {
        let n_rows = self.scores.nrows();
        let fitted = product(self.scores.subrows(first, targets.nrows()), shrunk);
        let of_row = |local: usize| {
            let row = first + local;
            let leverage = self.squares.iter().enumerate().fold(1.0 / n_rows as f64, |sum, (direction, square)| {
                sum + self.scores[(row, direction)].powi(2) / (square + lambda)
            });
            let freedom = 1.0 - leverage;
            if freedom < 1e-10 {
                return f64::INFINITY;
            }
            let residuals = (0..targets.ncols()).map(|output| targets[(local, output)] - fitted[(local, output)]);
            residuals.map(|residual| (residual / freedom).powi(2)).sum::<f64>()
        };
        (0..targets.nrows()).into_par_iter().map(of_row).collect()
    }
}

/// The rows of `table` less `means`, some after the other, `[row, output]`; each block with its first row.
fn blocks(table: &FeatureMatrix, means: &[f64]) -> impl Iterator<Item = (usize, Mat<f64>)> {
    let n_rows = table.n_rows();
    let n_at_once = (BLOCK_VALUES / table.n_features().max(1)).max(1);
    (0..n_rows).step_by(n_at_once).map(move |first| {
        let rows: Vec<usize> = (first..(first + n_at_once).min(n_rows)).collect();
        (first, centered_rows(table, &rows, means))
    })
}

fn check(x: &FeatureMatrix, y: &FeatureMatrix) -> Result<(), RidgeError> {
    if x.n_rows() != y.n_rows() || x.n_rows() == 0 {
        return Err(RidgeError::Rows { inputs: x.n_rows(), outputs: y.n_rows() });
    }
    for table in [x, y] {
        let not_finite = |row: usize| table.row(row).iter().position(|value| !value.is_finite());
        if let Some((row, column)) = (0..table.n_rows()).find_map(|row| Some((row, not_finite(row)?))) {
            return Err(RidgeError::Missing { feature: table.names()[column].clone(), row });
        }
    }
    Ok(())
}

fn check_lambda(lambda: f64) -> Result<(), RidgeError> {
    if lambda.is_finite() && lambda >= 0.0 { Ok(()) } else { Err(RidgeError::Lambda(lambda)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integer sequence of `tests/oracles/sklearn_ridge.py`.
    fn table(n_rows: usize, n_columns: usize, multiplier: usize) -> Vec<f32> {
        (0..n_rows * n_columns)
            .map(|index| ((index * index * multiplier + 37 * index) % 128) as f32 / 64.0 - 1.0)
            .collect()
    }

    fn case(n_rows: usize, n_columns: usize) -> (FeatureMatrix, FeatureMatrix) {
        let x = FeatureMatrix::numbered("x", n_columns, table(n_rows, n_columns, 13));
        let mut y = FeatureMatrix::numbered("y", 3, table(n_rows, 3, 29));
        for row in 0..n_rows {
            let first = x.row(row)[0];
            y.row_mut(row).iter_mut().for_each(|value| *value += 0.5 + 2.0 * first);
        }
        (x, y)
    }

    fn agrees(found: f64, expected: &serde_json::Value) {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
    }

    /// What is predicted where all inputs are zero.
    fn intercept(ridge: &Ridge, output: usize) -> f64 {
        let coefficients = ridge.coefficients.view();
        let of_means = (0..coefficients.nrows()).map(|input| ridge.input_means[input] * coefficients[(input, output)]);
        ridge.output_means[output] - of_means.sum::<f64>()
    }

    /// scikit-learn 1.9.1, by `tests/oracles/sklearn_ridge.py`.
    #[test]
    fn agrees_with_scikit_learn() {
        let oracle: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/oracles/sklearn_ridge.json")).unwrap();
        for name in ["tall", "wide"] {
            let numbers = &oracle[name];
            let (n_rows, n_columns) = (numbers["n_rows"].as_u64().unwrap(), numbers["n_columns"].as_u64().unwrap());
            let (x, y) = case(n_rows as usize, n_columns as usize);
            let lambdas: Vec<f64> =
                numbers["lambdas"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            let ridge = Ridge::fit_gcv(&x, &y, &lambdas[1..2]).unwrap();
            let coefficients = ridge.coefficients.view();
            for output in 0..3 {
                agrees(intercept(&ridge, output), &numbers["intercept"][output]);
                for input in 0..x.n_features() {
                    agrees(coefficients[(input, output)], &numbers["coefficients"][input][output]);
                }
            }
            let errors = Spectrum::of(&x, &y).unwrap().leave_one_out_mse(&lambdas).unwrap();
            for (index, error) in errors.into_iter().enumerate() {
                agrees(error, &numbers["loo_mse"][index]);
            }
            agrees(Ridge::fit_gcv(&x, &y, &lambdas).unwrap().lambda[0], &numbers["chosen"]);
        }
    }

    #[test]
    fn leaving_one_out_in_closed_form_is_leaving_one_out() {
        let (x, y) = case(11, 4);
        let mut sum = 0.0;
        for left in 0..11 {
            let rest: Vec<usize> = (0..11).filter(|&row| row != left).collect();
            let ridge = Ridge::fit_gcv(&x.select_rows(&rest), &y.select_rows(&rest), &[0.4]).unwrap();
            let predicted = ridge.predict(&x.select_rows(&[left]));
            sum += predicted.values().iter().zip(y.row(left)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
        let closed = Spectrum::of(&x, &y).unwrap().leave_one_out_mse(&[0.4]).unwrap()[0];
        assert!((closed - sum / 33.0).abs() < 1e-5 * closed, "{closed} {}", sum / 33.0);
    }

    #[test]
    fn the_checked_rows_choose_the_penalty() {
        let (x, y) = case(20, 6);
        let strong = Ridge::fit_gcv(&x, &y, &[50.0]).unwrap();
        // What a strong penalty predicts is met best by that penalty.
        let (checked, _) = case(9, 6);
        let chosen = Ridge::fit_checked(&x, &y, &[0.1, 50.0, 5.0], &checked, &strong.predict(&checked)).unwrap();
        assert_eq!(chosen, strong);
        let weak = Ridge::fit_checked(&x, &y, &[0.1, 50.0], &x, &y).unwrap();
        assert_eq!(weak.lambda[0], 0.1);
        assert!(Ridge::fit_checked(&x, &y, &[], &x, &y).is_err());
    }

    #[test]
    fn survives_json_to_the_bit() {
        let (x, y) = case(12, 5);
        let ridge = Ridge::fit_gcv(&x, &y, &[0.3]).unwrap();
        assert_eq!(serde_json::from_str::<Ridge>(&serde_json::to_string(&ridge).unwrap()).unwrap(), ridge);
    }

    #[test]
    fn refuses_what_cannot_be_fitted() {
        let (x, y) = case(12, 20);
        let check = |result: Result<Ridge, RidgeError>, expected: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(Ridge::fit_gcv(&x, &y, &[0.0]), "linearly dependent and `lambda` is 0");
        check(Ridge::fit_gcv(&x, &y, &[-1.0]), "`lambda` is -1");
        check(Ridge::fit_gcv(&x, &y.select_rows(&[0, 1]), &[1.0]), "inputs have 12 rows, outputs have 2");
        check(Ridge::fit_gcv(&x, &y, &[]), "no `lambda`");
        let mut holed = x.clone();
        holed.row_mut(3)[7] = f32::NAN;
        check(Ridge::fit_gcv(&holed, &y, &[1.0]), "feature `x7` is missing or infinite in row 3");
    }
}
