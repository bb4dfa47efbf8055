//! Coordinates in which the noise of a well is alike in every direction.

use faer::{Mat, MatRef};

use crate::linear::dense::{centered_rows, principal_directions, product};
use crate::linear::{PcaError, PrincipalComponents};
use crate::normalize::Scatter;
use crate::screen::{FeatureMatrix, Screen};

/// Principal components kept, at most.
const MOST_COMPONENTS: usize = 120;

/// Added to every eigenvalue when whitening, as a multiple of the mean eigenvalue.
const FLOOR: f64 = 0.1;

/// Principal components of training rows, whitened by the scatter of replicates: wells treated alike, and the controls of a
/// context.
///
/// One well has noise of variance 1 in every direction, and the mean of r wells has 1/r.
#[derive(Debug, Clone)]
pub struct NoiseSpace {
    components: PrincipalComponents,
    /// From components to coordinates, `[component, coordinate]`.
    whiten: Mat<f64>,
    /// From coordinates back to components, `[coordinate, component]`.
    color: Mat<f64>,
    noise: f64,
}

impl NoiseSpace {
    /// The space of the wells at `rows` of a normalized screen with one row for each well; `None` where no replicates among
    /// them differ.
    ///
    /// # Errors
    /// When a value is missing.
    pub fn fit(screen: &Screen, rows: &[usize]) -> Result<Option<Self>, PcaError> {
        let values = screen.features.in_memory();
        let components = PrincipalComponents::leading(&values, rows, MOST_COMPONENTS)?;
        let Some(scatter) = Scatter::of(screen, &components.apply(&values)?, rows) else { return Ok(None) };
        Ok(whitening(&scatter).map(|(whiten, color)| Self { components, whiten, color, noise: 1.0 }))
    }

    /// The components of the wells at `rows` as they are, where nothing says how large the noise is.
    ///
    /// # Errors
    /// When a value is missing.
    pub fn without_replicates(screen: &Screen, rows: &[usize]) -> Result<Self, PcaError> {
        let components = PrincipalComponents::leading(&screen.features.in_memory(), rows, MOST_COMPONENTS)?;
        let same = Mat::identity(components.n_components(), components.n_components());
        Ok(Self { components, whiten: same.clone(), color: same, noise: 0.0 })
    }

    /// Variance of the noise of one well in every direction: 1, or 0 where it is not known.
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// Number of coordinates.
    pub fn n_coordinates(&self) -> usize {
        self.color.nrows()
    }

    /// Coordinates of each row, `[row, coordinate]`.
    ///
    /// # Errors
    /// When the features are not the fitted ones, or a value is missing.
    pub fn coordinates(&self, matrix: &FeatureMatrix) -> Result<Mat<f64>, PcaError> {
        let components = self.components.apply(matrix)?;
        // Without components, nothing says how many rows they are of.
        let rows: Vec<usize> = (0..matrix.n_rows()).collect();
        let origin = vec![0.0; components.n_features()];
        Ok(product(centered_rows(&components, &rows, &origin).as_ref(), self.whiten.as_ref()))
    }

    /// The map to coordinates, `[feature, coordinate]`, and what it adds, `[coordinate]`.
    pub(super) fn linear(&self) -> (Mat<f64>, Vec<f64>) {
        let (mean, directions) = self.components.about();
        let weights = product(directions, self.whiten.as_ref());
        let at_mean = product(MatRef::from_row_major_slice(mean, 1, mean.len()), weights.as_ref());
        let offset = at_mean.row(0).iter().map(|value| -value).collect();
        (weights, offset)
    }

    /// The profile at the given coordinates, `[feature]`.
    pub fn rebuild(&self, coordinates: &[f64]) -> Vec<f32> {
        let row = MatRef::from_row_major_slice(coordinates, 1, coordinates.len());
        let components = product(row, self.color.as_ref());
        self.components.rebuild(&components.row(0).iter().copied().collect::<Vec<_>>())
    }
}

/// The map that whitens the scatter and the one that undoes it; `None` where nothing scatters.
fn whitening(scatter: &Scatter) -> Option<(Mat<f64>, Mat<f64>)> {
    let Scatter { residuals, degrees } = scatter;
    let (rows, width) = ((0..residuals.n_rows()).collect::<Vec<_>>(), residuals.n_features());
    let centered = centered_rows(residuals, &rows, &vec![0.0; width]);
    let (variances, directions) = principal_directions(centered.as_ref(), *degrees as f64)?;
    let floor = FLOOR * variances.iter().sum::<f64>() / width as f64;
    if floor <= 0.0 {
        return None;
    }
    // Directions in which no replicates differ have the floor as their variance.
    let map = |of: &dyn Fn(f64) -> f64| {
        let excess = Mat::from_fn(width, variances.len(), |row, column| {
            directions[(row, column)] * (of(variances[column] + floor) - of(floor))
        });
        let seen = product(excess.as_ref(), directions.as_ref().transpose());
        Mat::from_fn(width, width, |row, column| seen[(row, column)] + if row == column { of(floor) } else { 0.0 })
    };
    Some((map(&|variance| 1.0 / variance.sqrt()), map(&|variance| variance.sqrt())))
}
