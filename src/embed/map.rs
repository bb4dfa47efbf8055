//! From the latents of all members to the embedding that is written, drawn and compared: `embedding.json`.
//!
//! Latents of the members of an ensemble have axes of their own, so that a mean over members mixes what does not belong
//! together, and one member alone lacks what the others know. SIGReg spreads controls over all directions as far as treated
//! wells, so that a plot of plain latents shows controls and a dot. Both are corrected by one linear map, fitted on training
//! wells: latents of all members are whitened by the scatter of replicates (controls among them), and of the whitened space
//! those directions stay in which wells vary at least half again as much as replicates do, the strongest first. The origin is the
//! mean of the control wells, where there are any.
//!
//! On BBBC021 (74 treatments, three members of 64 dimensions) 15 directions stay: controls scatter 1.4 times as much as
//! replicates of treatments (before: 57 times), and the nearest treatment of another compound has the same mechanism nearly
//! as often (0.91) as in all 192 dimensions (0.92), where one member has 0.85. On L1000 over-expression 21 stay, with 1.2.

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::{Embeddings, Space};
use crate::linear::dense::{centered_rows, column_means, numbered, principal_directions, product};
use crate::linear::numbers::{Numbers, StoredMatrix};
use crate::normalize::{NormalizeError, Scatter, Sphering};
use crate::screen::{Design, FeatureMatrix, Role};

/// Added to every eigenvalue when whitening, as a multiple of the mean eigenvalue.
const EPSILON: f64 = 0.02;

/// A direction stays if wells vary along it this many times as much as replicates.
const SIGNAL: f64 = 1.5;

/// A linear map from the latents of all members, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingMap {
    /// What becomes zero, `[latent of all members]`.
    origin: Numbers,
    /// `[latent of all members, direction]`.
    axes: StoredMatrix,
}

impl EmbeddingMap {
    /// Fits on the rows at `training` of `latents`, and keeps at most `most` directions.
    ///
    /// With `whiten`, rows are wells, of which those that were treated alike are replicates; without, as where rows are times
    /// of one object, or where nothing was repeated, the axes are principal components.
    ///
    /// # Errors
    /// When a latent is not finite.
    pub fn fit(latents: &Embeddings, training: &[usize], most: usize, whiten: bool) -> Result<Self, NormalizeError> {
        let wells = latents.as_screen("", Design::AgainstControls);
        let training: Vec<usize> =
            training.iter().copied().filter(|&row| wells.unit(row).role != Role::Empty).collect();
        let controls: Vec<usize> =
            training.iter().copied().filter(|&row| wells.unit(row).role == Role::NegativeControl).collect();
        let width = latents.latents.n_features();
        let origin = if controls.is_empty() { vec![0.0; width] } else { column_means(&latents.latents, &controls) };
        let scatter = if whiten { Scatter::of(&wells, &latents.latents, &training) } else { None };
        let sphering = match &scatter {
            // Replicates of a collapsed model lie in one place.
            Some(scatter) => match Sphering::of_scatter(scatter, EPSILON) {
                Err(NormalizeError::NoVariance { .. }) => None,
                fitted => Some(fitted?),
            },
            None => None,
        };
        let mut whitened = latents.latents.clone();
        let map = match &sphering {
            Some(sphering) => {
                sphering.apply(&mut whitened)?;
                let map = sphering.matrix();
                Mat::from_fn(width, width, |row, column| map[row * width + column])
            }
            None => identity(width),
        };
        let mean = column_means(&whitened, &training);
        let centered = centered_rows(&whitened, &training, &mean);
        let degrees = training.len().saturating_sub(1).max(1) as f64;
        let step = "the embedding";
        let (variances, directions) =
            principal_directions(centered.as_ref(), degrees).ok_or(NormalizeError::Unstable { step })?;
        if variances.is_empty() {
            // The latents of a collapsed model are all alike, and any axes are as good as others.
            let axes = identity(width);
            let kept = axes.as_ref().subcols(0, most.min(width));
            return Ok(Self { origin: Numbers(origin), axes: StoredMatrix::of(kept) });
        }
        let strong = variances.iter().filter(|&&variance| variance >= SIGNAL).count();
        let wanted = if sphering.is_some() { strong.max(2) } else { most };
        let kept = directions.as_ref().subcols(0, wanted.min(most).min(variances.len()));
        Ok(Self { origin: Numbers(origin), axes: StoredMatrix::of(product(map.as_ref(), kept).as_ref()) })
    }

    /// Where latents of all members, side by side, lie in the embedding.
    ///
    /// # Errors
    /// When the latents are not as wide as those that it was fitted to.
    pub fn apply(&self, latents: &FeatureMatrix) -> Result<FeatureMatrix, NormalizeError> {
        let expected = self.axes.n_rows();
        if latents.n_features() != expected || self.origin.len() != expected {
            let found = latents.n_features();
            return Err(NormalizeError::Width { step: "the embedding", found, expected });
        }
        let rows: Vec<usize> = (0..latents.n_rows()).collect();
        let centered = centered_rows(latents, &rows, &self.origin);
        Ok(numbered("latent_", product(centered.as_ref(), self.axes.view()).as_ref()))
    }

    /// The same rows in the embedding.
    ///
    /// # Errors
    /// As [`EmbeddingMap::apply`].
    pub fn of(&self, latents: &Embeddings) -> Result<Embeddings, NormalizeError> {
        Ok(Embeddings { latents: self.apply(&latents.latents)?, space: Space::Embedding, ..latents.clone() })
    }
}

fn identity(width: usize) -> Mat<f64> {
    Mat::from_fn(width, width, |row, column| f64::from(u8::from(row == column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Level;
    use crate::screen::{Unit, Units};

    /// Ten treatments of four wells and twenty controls in six dimensions, of which two hold what treatments do; controls
    /// scatter ten times as much as treated wells in the four others.
    fn latents() -> Embeddings {
        let noise = |row: usize, dimension: usize| {
            let at = (row * 131 + dimension * 37 + row * row * 7) % 97;
            (((at * at * 53) % 97) as f32 - 48.0) / 28.0
        };
        let (mut units, mut values) = (Vec::new(), Vec::new());
        for row in 0..60 {
            let treatment = (row >= 20).then(|| (row - 20) / 4);
            let name = treatment.map(|number| format!("t{number}"));
            units.push(Unit::under(name.as_deref().map(|name| (name, Some(1.0)))));
            values.extend((0..6).map(|dimension| match (treatment, dimension) {
                (Some(number), 0) => 20.0 * (number as f32).cos() + noise(row, 0),
                (Some(number), 1) => 20.0 * (number as f32).sin() + noise(row, 1),
                (None, 2..) => 10.0 * noise(row, dimension),
                (Some(_), _) | (None, _) => noise(row, dimension),
            }));
        }
        let latents = FeatureMatrix::numbered("latent_", 6, values);
        Embeddings::new(Level::Well, Units::of_each(units), vec![1; 60], Vec::new(), latents)
    }

    /// Mean squared distance of rows from the mean of theirs.
    fn scatter(matrix: &FeatureMatrix, rows: std::ops::Range<usize>) -> f64 {
        let rows: Vec<usize> = rows.collect();
        let mean = matrix.mean_of(&rows);
        let square = |row: &usize| -> f64 {
            matrix.row(*row).iter().zip(&mean).map(|(value, mean)| f64::from(value - mean).powi(2)).sum()
        };
        rows.iter().map(square).sum::<f64>() / (rows.len() - 1) as f64
    }

    #[test]
    fn directions_of_noise_go_and_controls_scatter_as_replicates_do() {
        let latents = latents();
        let training: Vec<usize> = (0..60).collect();
        let map = EmbeddingMap::fit(&latents, &training, 6, true).unwrap();
        let found = map.of(&latents).unwrap();
        assert_eq!((found.latents.n_features(), found.space), (2, Space::Embedding));
        let ratio = |matrix: &FeatureMatrix| scatter(matrix, 0..20) / scatter(matrix, 20..24);
        assert!(ratio(&latents.latents) > 20.0 && ratio(&found.latents) < 3.0, "{}", ratio(&found.latents));
        // The mean of the controls is the origin.
        let mean = found.latents.mean_of(&(0..20).collect::<Vec<_>>());
        assert!(mean.iter().all(|value| value.abs() < 1e-4), "{mean:?}");
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<EmbeddingMap>(&json).unwrap(), map);
    }

    #[test]
    fn without_whitening_principal_components_stay_and_other_widths_are_refused() {
        let latents = latents();
        let map = EmbeddingMap::fit(&latents, &(0..60).collect::<Vec<_>>(), 3, false).unwrap();
        assert_eq!(map.of(&latents).unwrap().latents.n_features(), 3);
        let narrow = FeatureMatrix::numbered("latent_", 2, vec![0.0; 2]);
        assert!(matches!(map.apply(&narrow), Err(NormalizeError::Width { found: 2, expected: 6, .. })));
    }
}
