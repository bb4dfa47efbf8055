//! Profiles to what the projector makes latents of: a residual MLP over their features.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::fused;
use super::layer::{Init, LayerNorm, Noise};

/// Settings of the residual MLP that encodes profiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileEncoderConfig {
    /// Width of the residual stream.
    pub width: usize,
    /// Residual blocks.
    pub depth: usize,
    /// Share of the features hidden from the encoder in each training step.
    pub feature_dropout: f32,
}

impl Default for ProfileEncoderConfig {
    fn default() -> Self {
        Self { width: 128, depth: 1, feature_dropout: 0.1 }
    }
}

impl ProfileEncoderConfig {
    pub(super) fn least_values(&self, features: usize) -> Option<u128> {
        let (features, width) = (features as u128, self.width as u128);
        (features > 0 && width > 0)
            .then(|| (features * width).saturating_add((self.depth as u128).saturating_mul(width * width)))
    }
}

/// A pre-norm residual block: `x + Linear(GELU(Linear(LN(x))))`.
#[derive(Module, Debug)]
struct ResidualBlock {
    norm: LayerNorm,
    expand: Linear,
    contract: Linear,
}

impl ResidualBlock {
    fn new(init: &mut Init, width: usize) -> Self {
        Self {
            norm: LayerNorm::new(init, width),
            expand: init.linear(width, 2 * width, true),
            contract: init.linear(2 * width, width, true),
        }
    }

    fn forward(&self, input_bf: Tensor<2>) -> Tensor<2> {
        let hidden_bf = fused::gelu(self.expand.forward(self.norm.forward(input_bf.clone())));
        input_bf + self.contract.forward(hidden_bf)
    }
}

/// Residual MLP over the features of a profile.
#[derive(Module, Debug)]
pub struct ProfileEncoder {
    input: Linear,
    blocks: Vec<ResidualBlock>,
    norm: LayerNorm,
    #[module(skip)]
    feature_dropout: f32,
}

impl ProfileEncoder {
    /// A fresh encoder of profiles with `n_features` values.
    pub fn new(init: &mut Init, n_features: usize, config: &ProfileEncoderConfig) -> Self {
        Self {
            input: init.linear(n_features, config.width, true),
            blocks: (0..config.depth).map(|_| ResidualBlock::new(init, config.width)).collect(),
            norm: LayerNorm::new(init, config.width),
            feature_dropout: config.feature_dropout,
        }
    }

    /// # Shapes
    /// - `profiles_bf`: `[batch, feature]`
    /// - returns: `[batch, width]`
    pub fn forward(&self, profiles_bf: Tensor<2>, noise: Option<&mut Noise>) -> Tensor<2> {
        let profiles_bf = match noise {
            Some(noise) => noise.dropout(profiles_bf, self.feature_dropout),
            None => profiles_bf,
        };
        let mut hidden_bf = self.input.forward(profiles_bf);
        for block in &self.blocks {
            hidden_bf = block.forward(hidden_bf);
        }
        self.norm.forward(hidden_bf)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn features_are_hidden_from_the_encoder_in_training_only() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex());
        let config = ProfileEncoderConfig { width: 8, depth: 1, feature_dropout: 0.5 };
        let encoder = ProfileEncoder::new(&mut Init { rng: &mut rng, device: &device }, 6, &config);
        let profiles = Tensor::<2>::random([4, 6], Distribution::Normal(0.0, 1.0), &device);
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(1) };
        let plain = values(encoder.forward(profiles.clone(), None));
        assert_eq!(plain, values(encoder.forward(profiles.clone(), None)));
        assert_ne!(plain, values(encoder.forward(profiles, Some(&mut noise))));
    }
}
