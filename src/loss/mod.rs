//! Tensors to a scalar: the prediction loss, and the terms that keep latents from collapsing.

mod sigreg;
mod variance;

use burn::tensor::Tensor;
pub use sigreg::{SigregConfig, directions, sigreg, sigreg_weight};
pub use variance::{VicregConfig, covariance, variance};

/// Mean squared difference between predicted and observed latents, over batch and latent dimensions.
///
/// Both sides may be live; what stops gradients is the caller's objective.
///
/// # Shapes
/// - `predicted_bl`, `target_bl`: `[batch, latent]`
/// - returns: `[1]`
pub fn prediction(predicted_bl: Tensor<2>, target_bl: Tensor<2>) -> Tensor<1> {
    (predicted_bl - target_bl).square().mean()
}
