//! Two terms that hold latents apart without a distribution to match: spread in each dimension, and no redundancy.
//!
//! # Source
//! VICReg, Bardes, Ponce & LeCun 2022, arXiv:2105.04906.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Weights of the two terms; that of the prediction loss is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VicregConfig {
    /// Weight of the [`variance`] term.
    pub variance: f64,
    /// Weight of the [`covariance`] term.
    pub covariance: f64,
}

impl Default for VicregConfig {
    /// The published weights, 25, 25 and 1, as multiples of that of the prediction loss.
    fn default() -> Self {
        Self { variance: 1.0, covariance: 0.04 }
    }
}

/// Added to each variance, so that the gradient of the standard deviation stays finite at collapse.
const LEAST_VARIANCE: f64 = 1e-4;

/// How far the standard deviation of a latent dimension is below 1, on average: `max(0, 1 − √(variance + 10⁻⁴))`.
///
/// 0 where every dimension has a deviation of 1 or more, 0.99 of constant latents. Variances have `batch − 1` in the
/// denominator.
///
/// # Shapes
/// - `latents_bl`: `[batch, latent]`, two rows or more
/// - returns: `[1]`
pub fn variance(latents_bl: Tensor<2>) -> Tensor<1> {
    let [batch, _latent] = latents_bl.dims();
    let variance_1l = centered(latents_bl).square().sum_dim(0).div_scalar((batch - 1) as f64);
    (variance_1l + LEAST_VARIANCE).sqrt().neg().add_scalar(1.0).clamp_min(0.0).mean()
}

/// Sum of the squared covariances of different latent dimensions, divided by the number of dimensions.
///
/// # Shapes
/// - `latents_bl`: `[batch, latent]`, two rows or more
/// - returns: `[1]`
pub fn covariance(latents_bl: Tensor<2>) -> Tensor<1> {
    let [batch, latent] = latents_bl.dims();
    let centered_bl = centered(latents_bl);
    let covariance_ll = centered_bl.clone().transpose().matmul(centered_bl.clone()).div_scalar((batch - 1) as f64);
    let variance_1l = centered_bl.square().sum_dim(0).div_scalar((batch - 1) as f64);
    // All pairs less each dimension with itself.
    (covariance_ll.square().sum() - variance_1l.square().sum()).div_scalar(latent as f64)
}

fn centered(latents_bl: Tensor<2>) -> Tensor<2> {
    let mean_1l = latents_bl.clone().mean_dim(0);
    latents_bl - mean_1l
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor<const B: usize, const L: usize>(rows: [[f32; L]; B]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(rows), &Device::flex())
    }

    fn value(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_data().try_to_vec::<f32>().unwrap()[0])
    }

    #[test]
    fn uncorrelated_latents_of_unit_spread_cost_nothing() {
        let size = (3.0f32 / 4.0).sqrt();
        let latents = || tensor([[size, size], [size, -size], [-size, size], [-size, -size]]);
        assert!(value(variance(latents())).abs() < 1e-6);
        assert!(value(covariance(latents())).abs() < 1e-6);
    }

    #[test]
    fn constant_latents_cost_the_most_variance_and_no_covariance() {
        let latents = || tensor([[3.0, -1.0], [3.0, -1.0], [3.0, -1.0]]);
        assert!((value(variance(latents())) - 0.99).abs() < 1e-6);
        assert_eq!(value(covariance(latents())), 0.0);
    }

    /// numpy: `np.cov(z.T)`, and its deviations.
    #[test]
    fn terms_are_those_of_the_sample_covariance() {
        let latents = || tensor([[0.1, 0.4, -0.2], [0.3, -0.1, 0.5], [-0.4, 0.2, 0.0], [0.2, 0.6, 0.9]]);
        assert!((value(variance(latents())) - 0.631_131_7).abs() < 1e-5, "{}", value(variance(latents())));
        assert!((value(covariance(latents())) - 0.005_105_6).abs() < 1e-5, "{}", value(covariance(latents())));
    }
}
