//! Tensors to a scalar: the prediction loss and SIGReg, which keeps latents from collapsing.

mod sigreg;

use burn::tensor::Tensor;
pub use sigreg::{SigregConfig, SigregMode, directions, sigreg, sigreg_weight};

/// Mean squared difference between predicted and observed latents, over batch and latent dimensions.
///
/// Both sides are live: there is no stop-gradient on the target.
///
/// # Shapes
/// - `predicted_bl`, `target_bl`: `[batch, latent]`
/// - returns: `[1]`
pub fn prediction(predicted_bl: Tensor<2>, target_bl: Tensor<2>) -> Tensor<1> {
    (predicted_bl - target_bl).square().mean()
}
