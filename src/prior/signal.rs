//! The directions in which treatments differ by more than noise, as one linear map from profiles.

use faer::Mat;

use super::noise_space::NoiseSpace;
use crate::linear::PcaError;
use crate::linear::dense::{principal_directions, product};
use crate::pair::{Part, Split, WellMeans};
use crate::screen::{FeatureMatrix, Role, Screen};

/// Spread of a coordinate at least, as a share of the mean spread: what is divided by a spread stays finite.
const LEAST_SPREAD: f64 = 0.05;

/// A linear map from normalized profiles to coordinates in which one well has noise alike in every direction, the first
/// being those in which treatments differ most; untreated cells lie at zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalMap {
    /// `[feature, coordinate]`, row by row.
    pub weights: Vec<f32>,
    /// What is added, `[coordinate]`.
    pub offset: Vec<f32>,
    /// Standard deviation of training rows along each coordinate; its mean square is 1.
    pub spread: Vec<f32>,
}

impl SignalMap {
    /// The map to `most` coordinates, or to as many as treatments differ in, fitted on the training wells of `split`.
    ///
    /// # Errors
    /// When a value is missing.
    pub fn fit(screen: &Screen, split: &Split, most: usize) -> Result<Self, PcaError> {
        if let Some(wells) = WellMeans::of(screen, split) {
            return Self::fit(&wells.screen, &wells.split, most);
        }
        let rows = split.rows(Part::Train);
        let space = match NoiseSpace::fit(screen, &rows)? {
            Some(space) => space,
            None => NoiseSpace::without_replicates(screen, &rows)?,
        };
        let (weights, offset) = space.linear();
        let values = screen.features.in_memory();
        let coordinates = |rows: &[usize]| -> Result<Mat<f64>, PcaError> {
            let of_rows: Vec<f32> = rows.iter().flat_map(|&row| values.row(row)).copied().collect();
            space.coordinates(&FeatureMatrix::new(values.names().to_vec(), of_rows))
        };
        let treated: Vec<Vec<f32>> =
            split.treatments(screen, Part::Train).values().map(|rows| values.mean_of(rows)).collect();
        let treated = space.coordinates(&FeatureMatrix::new(values.names().to_vec(), treated.concat()))?;
        let is_control = |row: &usize| screen.unit(*row).role == Role::NegativeControl;
        let controls: Vec<usize> = rows.iter().copied().filter(is_control).collect();
        let origin = match controls.is_empty() {
            true => offset.clone(),
            false => means(&coordinates(&controls)?),
        };
        let effects = Mat::from_fn(treated.nrows(), treated.ncols(), |row, at| treated[(row, at)] - origin[at]);
        let directions = match principal_directions(effects.as_ref(), effects.nrows() as f64) {
            Some((_, directions)) => directions,
            None => Mat::zeros(origin.len(), 0),
        };
        let n = directions.ncols().min(most);
        let leading = directions.as_ref().subcols(0, n);
        let along = product(coordinates(&rows)?.as_ref(), leading);
        let spread = deviations(&along);
        let scale = (spread.iter().map(|spread| spread * spread).sum::<f64>() / n.max(1) as f64).sqrt();
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let map = product(weights.as_ref(), leading);
        let start = |at: usize| (0..origin.len()).map(|k| (offset[k] - origin[k]) * leading[(k, at)]).sum::<f64>();
        Ok(Self {
            weights: map.row_iter().flat_map(|row| row.iter().map(|value| (value / scale) as f32)).collect(),
            offset: (0..n).map(|at| (start(at) / scale) as f32).collect(),
            spread: spread.iter().map(|spread| (spread / scale).max(LEAST_SPREAD) as f32).collect(),
        })
    }

    /// Number of coordinates.
    pub fn width(&self) -> usize {
        self.offset.len()
    }
}

fn means(matrix: &Mat<f64>) -> Vec<f64> {
    matrix.col_iter().map(|column| column.iter().sum::<f64>() / matrix.nrows() as f64).collect()
}

fn deviations(matrix: &Mat<f64>) -> Vec<f64> {
    let n = matrix.nrows() as f64;
    let of = |(column, mean): (faer::ColRef<f64>, f64)| {
        (column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    matrix.col_iter().zip(means(matrix)).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Unit, Units, Well};

    /// Twelve controls and four wells of each of two treatments; noise is a hundred times as wide along the second feature
    /// as along the first, in which alone the treatments differ.
    fn screen() -> Screen {
        let mut units = Vec::new();
        let mut values = Vec::new();
        for index in 0..20i64 {
            let treatment = [None, Some("a"), Some("b")][if index < 12 { 0 } else { 1 + (index as usize - 12) / 4 }];
            let noise = [0.01 * (index as f32 * 1.7).sin(), (index as f32 * 2.3).cos()];
            let effect = match treatment {
                None => 0.0,
                Some("a") => 0.5,
                Some(_) => -0.3,
            };
            values.extend([effect + noise[0], noise[1]]);
            units.push(Unit {
                plate: "P1".into(),
                well: Well::at(1 + index / 10, 1 + index % 10),
                ..Unit::under(treatment.map(|name| (name, None)))
            });
        }
        Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_each(units),
            features: FeatureMatrix::numbered("f", 2, values).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn the_first_coordinate_is_what_treatments_differ_in_and_not_what_varies_most() {
        let screen = screen();
        let map = SignalMap::fit(&screen, &Split::none(&screen), 3).unwrap();
        assert_eq!(map.width(), 2, "two features have no third direction");
        let row = |feature: usize| &map.weights[feature * 2..(feature + 1) * 2];
        assert!(row(0)[0].abs() > 20.0 * row(1)[0].abs(), "{:?}", map.weights);
        let values = screen.features.in_memory();
        let at = |rows: &[usize], coordinate: usize| {
            let profile = values.mean_of(rows);
            profile.iter().enumerate().map(|(feature, value)| value * row(feature)[coordinate]).sum::<f32>()
                + map.offset[coordinate]
        };
        let controls: Vec<usize> = (0..12).collect();
        assert!(at(&controls, 0).abs() < 1e-4 && at(&controls, 1).abs() < 1e-4, "untreated cells lie at zero");
        let square: f32 = map.spread.iter().map(|spread| spread * spread).sum();
        assert!((square / 2.0 - 1.0).abs() < 0.01, "{:?}", map.spread);
    }
}
