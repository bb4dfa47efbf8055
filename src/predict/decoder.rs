//! Latents back to features: a ridge head for each member, fitted on training wells.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Ridge, RidgeError};
use crate::screen::{FeatureMatrix, Screen};
use crate::train::TrainedModel;

/// Settings of the decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecoderConfig {
    /// Penalties to choose from by leave-one-out error on the training wells.
    pub lambdas: Vec<f64>,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self { lambdas: vec![0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0] }
    }
}

/// Latents to profiles; the members' profiles are averaged.
///
/// The model itself is never trained to reconstruct: this head is fitted afterwards, to say a prediction in features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decoder {
    members: Vec<Ridge>,
}

impl Decoder {
    /// Fits one ridge for each member on the observations at `rows` of the normalized screen.
    ///
    /// # Errors
    /// When there are fewer than two rows or a value is not finite.
    pub fn fit(
        trained: &TrainedModel,
        screen: &Screen,
        rows: &[usize],
        config: &DecoderConfig,
        device: &Device,
    ) -> Result<Self, RidgeError> {
        let profiles = screen.features.select_rows(rows);
        let of_member = |latents: &Vec<Vec<f32>>| Ridge::fit_gcv(&matrix(latents), &profiles, &config.lambdas);
        let members = trained.encode(&screen.features, rows, device).iter().map(of_member).collect::<Result<_, _>>()?;
        Ok(Self { members })
    }

    /// Profiles of latents `[member][row][latent]`: `[row, feature]`, averaged over members.
    pub fn decode(&self, latents: &[Vec<Vec<f32>>]) -> FeatureMatrix {
        let mut decoded = self.members.iter().zip(latents).map(|(ridge, latents)| ridge.predict(&matrix(latents)));
        let mut sum = decoded.next().expect("an ensemble has a member");
        let mut n_members = 1.0;
        for profiles in decoded {
            for (sum, value) in sum.values_mut().iter_mut().zip(profiles.values()) {
                *sum += value;
            }
            n_members += 1.0;
        }
        for value in sum.values_mut() {
            *value /= n_members;
        }
        sum
    }
}

fn matrix(latents: &[Vec<f32>]) -> FeatureMatrix {
    FeatureMatrix::numbered("latent_", latents.first().map_or(0, Vec::len), latents.concat())
}
