//! Ridge regression with many outputs, in closed form.

use std::cmp::Ordering;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::{Mat, MatRef, Par};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::normalize::dense::{centered_rows, gram, principal_directions, product};
use crate::normalize::numbers::{Numbers, StoredMatrix};
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
    /// Weights that are none.
    #[error("weights: {0}")]
    Weights(String),
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

/// A fitted ridge regression: `y = intercept + x B`, with `B` minimizing `Σ w |y - intercept - x B|² + λ |B|²`.
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

/// The system that is solved; both give the same coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    /// `[input, input]`.
    Primal,
    /// `[row, row]`.
    Dual,
}

impl Ridge {
    /// Fits on every row, each with its weight (1 if none are given).
    ///
    /// Solved in `f64` by Cholesky factorization of whichever is smaller, `XᵀX + λI` or `XXᵀ + λI`.
    ///
    /// # Shapes
    /// - `x`: `[row, input]`, `y`: `[row, output]`, `weights`: `[row]`
    ///
    /// # Errors
    /// If the tables differ in rows, a value is not finite, λ or a weight is negative, or the system is singular.
    pub fn fit(x: &FeatureMatrix, y: &FeatureMatrix, lambda: f64, weights: Option<&[f64]>) -> Result<Self, RidgeError> {
        let system = if x.n_features() <= x.n_rows() { System::Primal } else { System::Dual };
        Self::fit_through(system, x, y, lambda, weights)
    }

    /// Fits with the λ of `lambdas` whose leave-one-out error is the smallest, the first of equals.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and if there is no λ to choose or there are fewer than 2 rows.
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
        Ok(spectrum.ridge(y, lambda))
    }

    /// Mean squared error over all rows and outputs when each row is predicted by a fit without it, one for each λ.
    ///
    /// Exact, from one decomposition: a residual divided by one less its leverage, that of the intercept included.
    /// Infinite where a row is fitted exactly whatever its value.
    ///
    /// # Errors
    /// As [`fit_gcv`](Self::fit_gcv).
    pub fn leave_one_out_mse(x: &FeatureMatrix, y: &FeatureMatrix, lambdas: &[f64]) -> Result<Vec<f64>, RidgeError> {
        Spectrum::of(x, y)?.leave_one_out_mse(lambdas)
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
    pub(super) fn fits(&self, n_inputs: usize, outputs: &[String]) -> bool {
        self.coefficients.n_rows() == n_inputs
            && self.input_means.len() == n_inputs
            && self.outputs == outputs
            && self.coefficients.n_columns() == outputs.len()
            && self.output_means.len() == outputs.len()
            && self.lambda.len() == 1
    }

    /// The penalty that was used.
    pub fn lambda(&self) -> f64 {
        self.lambda[0]
    }

    /// Coefficient of `input` (column of x) for `output` (column of y).
    pub fn coefficient(&self, input: usize, output: usize) -> f64 {
        self.coefficients.view()[(input, output)]
    }

    /// What is predicted where all inputs are zero, `[output]`.
    pub fn intercept(&self) -> Vec<f64> {
        let coefficients = self.coefficients.view();
        self.output_means
            .iter()
            .enumerate()
            .map(|(output, mean)| {
                let of_means =
                    (0..coefficients.nrows()).map(|input| self.input_means[input] * coefficients[(input, output)]);
                mean - of_means.sum::<f64>()
            })
            .collect()
    }

    fn fit_through(
        system: System,
        x: &FeatureMatrix,
        y: &FeatureMatrix,
        lambda: f64,
        weights: Option<&[f64]>,
    ) -> Result<Self, RidgeError> {
        check(x, y, &[lambda])?;
        check_weights(weights, x.n_rows())?;
        let (input_means, output_means) = (means(x, weights), means(y, weights));
        let mut inputs = all_rows_less(x, &input_means);
        let mut targets = all_rows_less(y, &output_means);
        if let Some(weights) = weights {
            weigh_rows(&mut inputs, weights);
            weigh_rows(&mut targets, weights);
        }
        let coefficients = match system {
            System::Primal => {
                let right = product(inputs.transpose(), targets.as_ref());
                solve(gram(inputs.as_ref()), right, lambda)?
            }
            System::Dual => {
                let dual = solve(gram(inputs.transpose()), targets, lambda)?;
                product(inputs.transpose(), dual.as_ref())
            }
        };
        Ok(Self::of(y, coefficients.as_ref(), input_means, output_means, lambda))
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
        check(x, y, &[])?;
        if x.n_rows() < 2 {
            return Err(RidgeError::TooFewRows(x.n_rows()));
        }
        let (input_means, output_means) = (means(x, None), means(y, None));
        let inputs = all_rows_less(x, &input_means);
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

    fn ridge(&self, y: &FeatureMatrix, lambda: f64) -> Ridge {
        let coefficients = product(self.directions.as_ref(), self.shrunk(lambda).as_ref());
        Ridge::of(y, coefficients.as_ref(), self.input_means.clone(), self.output_means.clone(), lambda)
    }

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

/// Solves `(square + λI) solution = right` for a positive semidefinite matrix.
fn solve(mut square: Mat<f64>, mut right: Mat<f64>, lambda: f64) -> Result<Mat<f64>, RidgeError> {
    let n = square.nrows();
    for index in 0..n {
        square[(index, index)] += lambda;
    }
    let largest = (0..n).map(|index| square[(index, index)]).fold(0.0, f64::max);
    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, faer::prelude::default());
    llt::factor::cholesky_in_place(
        square.as_mut(),
        faer::prelude::default(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        faer::prelude::default(),
    )
    .map_err(|_| RidgeError::Singular(lambda))?;
    let tolerance = largest * n as f64 * f64::EPSILON;
    let is_lost = |index: usize| square[(index, index)].powi(2).partial_cmp(&tolerance) != Some(Ordering::Greater);
    if (0..n).any(is_lost) {
        return Err(RidgeError::Singular(lambda));
    }
    right.as_mut().par_col_chunks_mut(16).for_each(|mut columns| {
        llt::solve::solve_in_place(square.as_ref(), columns.as_mut(), Par::Seq, MemStack::new(&mut []));
    });
    Ok(right)
}

fn check(x: &FeatureMatrix, y: &FeatureMatrix, lambdas: &[f64]) -> Result<(), RidgeError> {
    lambdas.iter().try_for_each(|&lambda| check_lambda(lambda))?;
    if x.n_rows() != y.n_rows() || x.n_rows() == 0 {
        return Err(RidgeError::Rows { inputs: x.n_rows(), outputs: y.n_rows() });
    }
    for table in [x, y] {
        let not_finite = |row: usize| table.read_row(row).iter().position(|value| !value.is_finite());
        if let Some((row, column)) = (0..table.n_rows()).find_map(|row| Some((row, not_finite(row)?))) {
            return Err(RidgeError::Missing { feature: table.names()[column].clone(), row });
        }
    }
    Ok(())
}

fn check_lambda(lambda: f64) -> Result<(), RidgeError> {
    if lambda.is_finite() && lambda >= 0.0 { Ok(()) } else { Err(RidgeError::Lambda(lambda)) }
}

fn check_weights(weights: Option<&[f64]>, n_rows: usize) -> Result<(), RidgeError> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() != n_rows {
        return Err(RidgeError::Weights(format!("{} weights for {n_rows} rows", weights.len())));
    }
    if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return Err(RidgeError::Weights(format!("row {row} has weight {}, expected at least 0", weights[row])));
    }
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(RidgeError::Weights("all are 0".to_owned()));
    }
    Ok(())
}

fn means(table: &FeatureMatrix, weights: Option<&[f64]>) -> Vec<f64> {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let mut sums = vec![0.0; table.n_features()];
    for row in 0..table.n_rows() {
        for (sum, &value) in sums.iter_mut().zip(table.read_row(row).iter()) {
            *sum += weight(row) * f64::from(value);
        }
    }
    let total: f64 = (0..table.n_rows()).map(weight).sum();
    sums.into_iter().map(|sum| sum / total).collect()
}

fn all_rows_less(table: &FeatureMatrix, means: &[f64]) -> Mat<f64> {
    let rows: Vec<usize> = (0..table.n_rows()).collect();
    centered_rows(table, &rows, means)
}

fn weigh_rows(matrix: &mut Mat<f64>, weights: &[f64]) {
    for column in matrix.col_iter_mut() {
        column.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight.sqrt());
    }
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
            let weights: Vec<f64> = (0..n_rows).map(|row| 0.5 + (row % 4) as f64 / 4.0).collect();
            let plain = Ridge::fit(&x, &y, lambdas[1], None).unwrap();
            let weighted = Ridge::fit(&x, &y, lambdas[1], Some(&weights)).unwrap();
            for (ridge, prefix) in [(plain, ""), (weighted, "weighted_")] {
                for output in 0..3 {
                    agrees(ridge.intercept()[output], &numbers[format!("{prefix}intercept")][output]);
                    for input in 0..x.n_features() {
                        let expected = &numbers[format!("{prefix}coefficients")][input][output];
                        agrees(ridge.coefficient(input, output), expected);
                    }
                }
            }
            for (index, error) in Ridge::leave_one_out_mse(&x, &y, &lambdas).unwrap().into_iter().enumerate() {
                agrees(error, &numbers["loo_mse"][index]);
            }
            let chosen = Ridge::fit_gcv(&x, &y, &lambdas).unwrap();
            agrees(chosen.lambda(), &numbers["chosen"]);
            let direct = Ridge::fit(&x, &y, chosen.lambda(), None).unwrap();
            for (one, other) in chosen.predict(&x).values().iter().zip(direct.predict(&x).values()) {
                assert!((one - other).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn dual_and_primal_agree() {
        for (n_rows, n_columns) in [(30, 5), (9, 20)] {
            let (x, y) = case(n_rows, n_columns);
            let weights: Vec<f64> = (0..n_rows).map(|row| 1.0 + row as f64 / 7.0).collect();
            for weights in [None, Some(weights.as_slice())] {
                let primal = Ridge::fit_through(System::Primal, &x, &y, 0.7, weights).unwrap();
                let dual = Ridge::fit_through(System::Dual, &x, &y, 0.7, weights).unwrap();
                for input in 0..n_columns {
                    for output in 0..3 {
                        assert!((primal.coefficient(input, output) - dual.coefficient(input, output)).abs() < 1e-10);
                    }
                }
            }
        }
    }

    #[test]
    fn leaving_one_out_in_closed_form_is_leaving_one_out() {
        let (x, y) = case(11, 4);
        let mut sum = 0.0;
        for left in 0..11 {
            let rest: Vec<usize> = (0..11).filter(|&row| row != left).collect();
            let ridge = Ridge::fit(&x.select_rows(&rest), &y.select_rows(&rest), 0.4, None).unwrap();
            let predicted = ridge.predict(&x.select_rows(&[left]));
            sum += predicted.values().iter().zip(y.row(left)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        }
        let closed = Ridge::leave_one_out_mse(&x, &y, &[0.4]).unwrap()[0];
        assert!((closed - sum / 33.0).abs() < 1e-5 * closed, "{closed} {}", sum / 33.0);
    }

    #[test]
    fn survives_json_to_the_bit() {
        let (x, y) = case(12, 5);
        let ridge = Ridge::fit(&x, &y, 0.3, None).unwrap();
        assert_eq!(serde_json::from_str::<Ridge>(&serde_json::to_string(&ridge).unwrap()).unwrap(), ridge);
    }

    #[test]
    fn refuses_what_cannot_be_fitted() {
        let (x, y) = case(12, 20);
        let check = |result: Result<Ridge, RidgeError>, expected: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(Ridge::fit(&x, &y, 0.0, None), "linearly dependent and `lambda` is 0");
        check(Ridge::fit(&x, &y, -1.0, None), "`lambda` is -1");
        check(Ridge::fit(&x, &y.select_rows(&[0, 1]), 1.0, None), "inputs have 12 rows, outputs have 2");
        check(Ridge::fit(&x, &y, 1.0, Some(&[1.0])), "1 weights for 12 rows");
        check(Ridge::fit(&x, &y, 1.0, Some(&[0.0; 12])), "all are 0");
        check(Ridge::fit_gcv(&x, &y, &[]), "no `lambda`");
        let mut holed = x.clone();
        holed.row_mut(3)[7] = f32::NAN;
        check(Ridge::fit(&holed, &y, 1.0, None), "feature `x7` is missing or infinite in row 3");
    }
}
