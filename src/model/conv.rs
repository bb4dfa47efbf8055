//! Images to what the projector makes latents of: a few strided convolutions.
//!
//! For small crops with little to train on; the output keeps where things are in the crop, unless `pool` takes the
//! mean of each channel.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use serde::{Deserialize, Serialize};

use super::fused;
use super::layer::{Init, LayerNorm};

/// Settings of the convolutional encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvEncoderConfig {
    /// Channels of a crop.
    pub channels: usize,
    /// Side of a crop in pixels.
    pub size: usize,
    /// Channels after each convolution; each halves the side.
    pub widths: Vec<usize>,
    /// Width of the output.
    pub width: usize,
    /// What of the picture behind the last convolution goes on.
    pub pool: ConvPool,
}

/// What of the picture behind the last convolution goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ConvPool {
    /// All of it: where things lie in the crop counts.
    #[default]
    None,
    /// The mean of each channel: what is in the crop counts, wherever it lies.
    Mean,
}

impl Default for ConvEncoderConfig {
    fn default() -> Self {
        Self { channels: 3, size: 48, widths: vec![32, 64, 128], width: 128, pool: ConvPool::None }
    }
}

impl ConvEncoderConfig {
    /// Side of a convolution's kernel.
    const KERNEL: usize = 3;

    /// Side of the picture behind the last convolution, in pixels.
    pub fn last_size(&self) -> usize {
        self.widths.iter().fold(self.size, |size, _| size.div_ceil(2))
    }

    /// Values of each channel that go on to the linear map.
    fn n_pooled(&self) -> usize {
        match self.pool {
            ConvPool::None => self.last_size() * self.last_size(),
            ConvPool::Mean => 1,
        }
    }

    pub(super) fn least_values(&self) -> Option<u128> {
        let Self { channels, size, widths, width, .. } = self;
        if [*channels, *size, *width].contains(&0) || widths.is_empty() || widths.contains(&0) {
            return None;
        }
        let inputs = std::iter::once(channels).chain(widths);
        let kernels = inputs.zip(widths).map(|(&from, &to)| (from as u128 * to as u128).saturating_mul(9));
        let flat = (*widths.last()? as u128).saturating_mul(self.n_pooled() as u128);
        Some(kernels.fold(flat.saturating_mul(*width as u128), u128::saturating_add))
    }
}

/// A convolution of stride 2 that keeps the border.
#[derive(Module, Debug)]
struct Stage {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Stage {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        let side = ConvEncoderConfig::KERNEL;
        // PyTorch's default start.
        let bound = 1.0 / ((inputs * side * side) as f32).sqrt();
        Self { weight: init.uniform([outputs, inputs, side, side], bound), bias: init.uniform([outputs], bound) }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        conv2d(input, self.weight.val(), Some(self.bias.val()), options)
    }
}

/// Strided convolutions, each followed by a GELU, then a linear map and a layer norm.
#[derive(Module, Debug)]
pub struct ConvEncoder {
    stages: Vec<Stage>,
    output: Linear,
    norm: LayerNorm,
    #[module(skip)]
    channels: usize,
    #[module(skip)]
    size: usize,
    #[module(skip)]
    pool: ConvPool,
}

impl ConvEncoder {
    /// A fresh encoder.
    pub fn new(init: &mut Init, config: &ConvEncoderConfig) -> Self {
        let inputs = std::iter::once(config.channels).chain(config.widths.iter().copied());
        let stages = inputs.clone().zip(&config.widths).map(|(from, &to)| Stage::new(init, from, to)).collect();
        let last = inputs.last().unwrap_or(config.channels) * config.n_pooled();
        Self {
            stages,
            output: init.linear(last, config.width, true),
            norm: LayerNorm::new(init, config.width),
            channels: config.channels,
            size: config.size,
            pool: config.pool,
        }
    }

    /// # Shapes
    /// - `units_uf`: `[unit, channel * y * x]`
    /// - returns: `[unit, width]`
    pub fn forward(&self, units_uf: Tensor<2>) -> Tensor<2> {
        let n_units = units_uf.dims()[0];
        let picture = units_uf.reshape([n_units, self.channels, self.size, self.size]);
        let picture = self.stages.iter().fold(picture, |picture, stage| fused::gelu(stage.forward(picture)));
        let [_, channels, height, width] = picture.dims();
        let features = match self.pool {
            ConvPool::None => picture.reshape([n_units, channels * height * width]),
            ConvPool::Mean => {
                picture.reshape([n_units * channels, height * width]).mean_dim(1).reshape([n_units, channels])
            }
        };
        self.norm.forward(self.output.forward(features))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::{count_parameters, parameters, with_parameters};
    use super::*;

    #[test]
    fn has_the_size_that_its_settings_say() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex().autodiff());
        let config = ConvEncoderConfig { channels: 2, size: 13, widths: vec![4, 6], width: 5, pool: ConvPool::None };
        assert_eq!(config.last_size(), 4);
        let encoder = ConvEncoder::new(&mut Init { rng: &mut rng, device: &device }, &config);
        let expected = (2 * 9 * 4 + 4) + (4 * 9 * 6 + 6) + (6 * 16 * 5 + 5) + 2 * 5;
        assert_eq!(count_parameters(&encoder), expected);
        let output = encoder.forward(Tensor::ones([3, 2 * 13 * 13], &device));
        assert_eq!(output.dims(), [3, 5]);
    }

    #[test]
    fn pooled_by_the_mean_a_crop_is_what_is_in_it_wherever_it_lies() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex().autodiff());
        // A bright pixel at one of two places that strides of 2 see alike, far from the border.
        let crop = |at: usize| -> Tensor<2> {
            let pixels: Vec<f32> = (0..256).map(|pixel| f32::from(u8::from(pixel == at))).collect();
            Tensor::from_data(TensorData::new(pixels, [1, 256]), &device)
        };
        for (pool, is_same) in [(ConvPool::Mean, true), (ConvPool::None, false)] {
            let config = ConvEncoderConfig { channels: 1, size: 16, widths: vec![4, 6], width: 5, pool };
            let encoder = ConvEncoder::new(&mut Init { rng: &mut rng, device: &device }, &config);
            let n_values = (9 * 4 + 4) + (4 * 9 * 6 + 6) + (6 * config.n_pooled() * 5 + 5) + 2 * 5;
            assert_eq!(count_parameters(&encoder), n_values, "{pool:?}");
            let [one, other] = [4 * 16 + 4, 8 * 16 + 8]
                .map(|at| -> Vec<f32> { encoder.forward(crop(at)).into_data().try_to_vec().unwrap() });
            let differ = one.iter().zip(&other).any(|(one, other)| (one - other).abs() > 1e-4);
            assert_eq!(differ, !is_same, "{pool:?}: {one:?} {other:?}");
        }
    }

    #[test]
    fn a_kernel_sees_its_window_of_the_crop() {
        // One stage of one channel whose kernel picks the pixel to the right of the center.
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex());
        let config = ConvEncoderConfig { channels: 1, size: 4, widths: vec![1], width: 4, pool: ConvPool::None };
        let encoder = ConvEncoder::new(&mut Init { rng: &mut rng, device: &device }, &config);
        let mut arrays = parameters(&encoder);
        let kernel: Vec<f32> = (0..9).map(|index| f32::from(u8::from(index == 5))).collect();
        arrays.get_mut("stages.0.weight").unwrap().values = kernel;
        arrays.get_mut("stages.0.bias").unwrap().values = vec![0.0];
        let encoder = with_parameters(encoder, &arrays).unwrap();
        let pixels: Vec<f32> = (0..16).map(|value| value as f32).collect();
        let picture = Tensor::<4>::from_data(TensorData::new(pixels, [1, 1, 4, 4]), &device);
        let found: Vec<f32> = encoder.stages[0].forward(picture).into_data().try_to_vec().unwrap();
        assert_eq!(found, [1.0, 3.0, 9.0, 11.0]);
    }
}
