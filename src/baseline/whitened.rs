//! Training treatments in the coordinates that methods of noise work in.

use std::collections::BTreeMap;

use faer::Mat;

use super::{BaselineError, Profiles};
use crate::pair::{Part, Split, WellMeans};
use crate::prior::NoiseSpace;
use crate::screen::{FeatureMatrix, Screen, Treatment};

/// Training treatments in coordinates in which the noise of one well is alike in every direction.
pub struct Whitened {
    pub(super) space: NoiseSpace,
    /// Consensus of each treatment, and the variance of its noise: that of a well by the number of wells.
    pub(super) treatments: BTreeMap<Treatment, (Vec<f64>, f64)>,
}

impl Whitened {
    /// The coordinates of the training treatments of `split`; without replicates, their principal components as they are.
    ///
    /// # Errors
    /// When a training profile is not finite.
    pub fn of(profiles: &Profiles, screen: &Screen, split: &Split) -> Result<Self, BaselineError> {
        if let Some(wells) = WellMeans::of(screen, split) {
            return Self::of(profiles, &wells.screen, &wells.split);
        }
        let training = split.rows(Part::Train);
        let space = match NoiseSpace::fit(screen, &training)? {
            Some(space) => space,
            None => NoiseSpace::without_replicates(screen, &training)?,
        };
        let rows: Vec<&Vec<f32>> = profiles.training.values().collect();
        let coordinates = coordinates_in(&space, profiles, &rows)?;
        let wells = split.treatments(screen, Part::Train);
        let treatments = profiles.training.keys().zip(coordinates.row_iter()).map(|(treatment, row)| {
            let n_wells = wells.get(treatment).map_or(1.0, |rows| rows.len() as f64);
            (treatment.clone(), (row.iter().copied().collect(), space.noise() / n_wells))
        });
        let treatments = treatments.collect();
        Ok(Self { space, treatments })
    }

    /// Whether replicates say how large the noise is.
    pub(super) fn knows_noise(&self) -> bool {
        self.space.noise() > 0.0
    }

    /// The coordinates of profiles, `[row, coordinate]`.
    pub(super) fn coordinates(&self, profiles: &Profiles, rows: &[&Vec<f32>]) -> Result<Mat<f64>, BaselineError> {
        coordinates_in(&self.space, profiles, rows)
    }
}

fn coordinates_in(space: &NoiseSpace, profiles: &Profiles, rows: &[&Vec<f32>]) -> Result<Mat<f64>, BaselineError> {
    let values = rows.iter().flat_map(|row| row.iter().copied()).collect();
    Ok(space.coordinates(&FeatureMatrix::new(profiles.names().to_vec(), values))?)
}
