//! SIGReg: how far a batch of latents is from an isotropic standard normal.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::model::epps_pulley;

/// Settings of SIGReg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigregConfig {
    /// Weight at a batch of [`SigregConfig::REFERENCE_UNITS`] units; rescaled so that weight × units stays the same.
    pub lambda: f64,
    /// Random directions, drawn anew each step.
    pub slices: usize,
    /// Knots of the quadrature on `[0, range]`.
    pub knots: usize,
    /// Largest knot.
    pub range: f32,
}

impl SigregConfig {
    /// The batch at which `lambda` is given.
    pub const REFERENCE_UNITS: f64 = 128.0;
    /// What a batch of true standard normals scores in expectation with 17 knots on `[0, 3]`, whatever its size.
    pub const FLOOR: f64 = 1.052_464_154_799_160_7;
}

impl Default for SigregConfig {
    fn default() -> Self {
        Self { lambda: 0.05, slices: 256, knots: 17, range: 3.0 }
    }
}

/// The weight used for a batch of `units`: the pull of SIGReg on a latent grows with the batch, that of the prediction loss shrinks.
pub fn sigreg_weight(config: &SigregConfig, units: usize) -> f64 {
    config.lambda * SigregConfig::REFERENCE_UNITS / units as f64
}

/// Random unit vectors as columns, `[latent, slice]`, drawn on the host.
pub fn directions(rng: &mut ChaCha8Rng, latent: usize, slices: usize, device: &Device) -> Tensor<2> {
    let mut values: Vec<f32> = (0..latent * slices).map(|_| rng.sample(StandardNormal)).collect();
    let mut norms = vec![0.0f32; slices];
    for row in values.chunks_exact(slices) {
        for (norm, value) in norms.iter_mut().zip(row) {
            *norm += value * value;
        }
    }
    for row in values.chunks_exact_mut(slices) {
        for (norm, value) in norms.iter().zip(row) {
            *value /= norm.sqrt().max(f32::MIN_POSITIVE);
        }
    }
    Tensor::from_data(TensorData::new(values, [latent, slices]), device)
}

/// How far a batch of latents is from an isotropic standard normal.
///
/// Averages the Epps–Pulley statistic over projections on random directions; projections are neither centered nor scaled.
/// A perfect fit scores [`SigregConfig::FLOOR`] in expectation; the excess over it grows with `batch`.
///
/// # Shapes
/// - `latents_bl`: `[batch, latent]`
/// - `directions_lk`: `[latent, slice]`, columns of unit length
/// - returns: `[1]`
///
/// # Source
/// SIGReg, Balestriero & LeCun 2025, arXiv:2511.08544, with the quadrature of LeWorldModel's release.
pub fn sigreg(latents_bl: Tensor<2>, directions_lk: Tensor<2>, config: &SigregConfig) -> Tensor<1> {
    epps_pulley(latents_bl.matmul(directions_lk), config.knots, config.range)
}

#[cfg(test)]
mod tests;
