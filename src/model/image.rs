//! Images to what the projector makes latents of: a vision transformer over the patches of a square crop.
//!
//! A crop is one unit of `channel * size * size` values, laid out `[channel, y, x]`. It is cut into patches, which a linear
//! map takes to the width of the transformer; learned positions say where a patch was.
//!
//! # Source
//! The encoder of LeWorldModel (arXiv:2603.19312): ViT-tiny with a class token, exact GELU, and layer norms before
//! attention, before the MLP and at the end.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::attention::{Layout, attention};
use super::fused::{gelu, is_flex};
use super::layer::{Init, LayerNorm, Noise};

/// What of the tokens becomes the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// A token of its own beside the patches, as published.
    Class,
    /// The mean of the patches' tokens.
    #[default]
    Mean,
}

/// Settings of the vision transformer; its presets are [`ImageEncoderConfig::preset`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageEncoderConfig {
    /// Channels of a crop.
    pub channels: usize,
    /// Side of a crop in pixels, a multiple of the patch's.
    pub size: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width of the tokens and of the output, a multiple of the heads.
    pub width: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of each block's MLP.
    pub mlp_width: usize,
    /// What of the tokens becomes the output.
    pub pool: Pool,
    /// Dropout behind attention and behind both layers of the MLP.
    pub dropout: f32,
}

impl Default for ImageEncoderConfig {
    fn default() -> Self {
        Self::small(3)
    }
}

impl ImageEncoderConfig {
    /// The published encoder: ViT-tiny on 14-pixel patches of 224-pixel crops.
    pub fn lewm(channels: usize) -> Self {
        Self {
            channels,
            size: 224,
            patch: 14,
            width: 192,
            depth: 12,
            heads: 3,
            mlp_width: 768,
            pool: Pool::Class,
            dropout: 0.0,
        }
    }

    /// Half as deep, on 16-pixel patches of 96-pixel crops: trains on two cores.
    pub fn small(channels: usize) -> Self {
        Self { size: 96, patch: 16, depth: 6, pool: Pool::Mean, ..Self::lewm(channels) }
    }

    /// Smaller still, on 8-pixel patches of 48-pixel crops: for single cells and organoids.
    pub fn small_48(channels: usize) -> Self {
        Self { size: 48, patch: 8, width: 128, depth: 4, heads: 4, mlp_width: 256, ..Self::small(channels) }
    }

    /// The preset of that name (`lewm`, `small` or `small_48`), on three channels.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "lewm" => Some(Self::lewm(3)),
            "small" => Some(Self::small(3)),
            "small_48" => Some(Self::small_48(3)),
            _ => None,
        }
    }

    /// Tokens of a crop.
    pub fn tokens(&self) -> usize {
        let side = self.size / self.patch.max(1);
        side * side + usize::from(self.pool == Pool::Class)
    }

    fn patch_values(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    pub(super) fn least_values(&self) -> Option<u128> {
        let Self { channels, size, patch, width, depth, heads, mlp_width, .. } = self;
        if [*channels, *size, *patch, *width, *heads, *mlp_width].contains(&0) {
            return None;
        }
        if !size.is_multiple_of(*patch) || !width.is_multiple_of(*heads) {
            return None;
        }
        let area = |rows: usize, columns: usize| rows as u128 * columns as u128;
        let block = area(4 * width, *width).saturating_add(area(2 * mlp_width, *width));
        let patches = area(*channels, *width).saturating_mul(area(*patch, *patch));
        let side = size / patch;
        let positions = area(side, side).saturating_mul(*width as u128);
        Some((*depth as u128).saturating_mul(block).saturating_add(patches).saturating_add(positions))
    }
}

/// Attention, then an MLP, each behind a layer norm and added to what came in.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    dropout: f32,
}

impl Block {
    fn new(init: &mut Init, config: &ImageEncoderConfig) -> Self {
        let (width, deviation) = (config.width, ImageEncoder::DEVIATION);
        Self {
            attention_norm: LayerNorm::with_epsilon(init, width, ImageEncoder::EPSILON),
            query: init.linear_normal(width, width, deviation),
            key: init.linear_normal(width, width, deviation),
            value: init.linear_normal(width, width, deviation),
            output: init.linear_normal(width, width, deviation),
            norm: LayerNorm::with_epsilon(init, width, ImageEncoder::EPSILON),
            expand: init.linear_normal(width, config.mlp_width, deviation),
            contract: init.linear_normal(config.mlp_width, width, deviation),
            heads: config.heads,
            dropout: config.dropout,
        }
    }

    fn attend(&self, x_nf: Tensor<2>, tokens: usize, noise: Option<&mut Noise>) -> Tensor<2> {
        let normed_nf = self.attention_norm.forward(x_nf.clone());
        let [query, key, value] = [&self.query, &self.key, &self.value].map(|linear| linear.forward(normed_nf.clone()));
        let mixed_nf = attention(query, key, value, Layout { tokens, heads: self.heads });
        x_nf + self.drop_out(self.output.forward(mixed_nf), noise)
    }

    fn mlp(&self, x_nf: Tensor<2>, mut noise: Option<&mut Noise>) -> Tensor<2> {
        let hidden_nf = gelu(self.expand.forward(self.norm.forward(x_nf.clone())));
        let hidden_nf = self.drop_out(hidden_nf, noise.as_deref_mut());
        x_nf + self.drop_out(self.contract.forward(hidden_nf), noise)
    }

    fn drop_out(&self, input_nf: Tensor<2>, noise: Option<&mut Noise>) -> Tensor<2> {
        match noise {
            Some(noise) => noise.dropout(input_nf, self.dropout),
            None => input_nf,
        }
    }
}

/// A vision transformer.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    patches: Linear,
    class: Option<Param<Tensor<2>>>,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    #[module(skip)]
    config: ImageEncoderConfig,
}

impl ImageEncoder {
    /// Epsilon of the layer norms, as published.
    const EPSILON: f32 = 1e-12;

    /// Standard deviation of all initial weights, as published.
    const DEVIATION: f32 = 0.02;

    /// A fresh encoder.
    pub fn new(init: &mut Init, config: &ImageEncoderConfig) -> Self {
        let width = config.width;
        Self {
            patches: init.linear_normal(config.patch_values(), width, Self::DEVIATION),
            class: (config.pool == Pool::Class).then(|| init.normal([1, width], Self::DEVIATION)),
            positions: init.normal([config.tokens(), width], Self::DEVIATION),
            blocks: (0..config.depth).map(|_| Block::new(init, config)).collect(),
            norm: LayerNorm::with_epsilon(init, width, Self::EPSILON),
            config: config.clone(),
        }
    }

    /// No gradient flows into the pixels.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, channel * y * x]`
    /// - returns: `[unit, width]`
    pub fn forward(&self, units_uf: Tensor<2>, mut noise: Option<&mut Noise>) -> Tensor<2> {
        let tokens = self.config.tokens();
        let mut x_nf = self.embed(units_uf);
        let Some((last, first)) = self.blocks.split_last() else { return self.pool(x_nf) };
        for block in first {
            x_nf = block.attend(x_nf, tokens, noise.as_deref_mut());
            x_nf = block.mlp(x_nf, noise.as_deref_mut());
        }
        x_nf = last.attend(x_nf, tokens, noise.as_deref_mut());
        match self.config.pool {
            // Nothing looks at the other tokens any more.
            Pool::Class => self.norm.forward(last.mlp(self.class_tokens(x_nf), noise)),
            Pool::Mean => self.pool(last.mlp(x_nf, noise)),
        }
    }

    /// Tokens before the first block, `[unit * token, width]`.
    fn embed(&self, units_uf: Tensor<2>) -> Tensor<2> {
        let (n_units, config) = (units_uf.dims()[0], &self.config);
        let (tokens, width) = (config.tokens(), config.width);
        let projected_nf = patches(units_uf, config).matmul(self.patches.weight.val());
        let bias = self.patches.bias.as_ref().expect("made with a bias").val().unsqueeze::<2>();
        // The class token stands where the gathered patches have a row of zeros.
        let offsets = match &self.class {
            Some(class) => Tensor::cat(vec![class.val(), bias.expand([tokens - 1, width])], 0),
            None => bias,
        } + self.positions.val();
        (projected_nf.reshape([n_units, tokens, width]) + offsets.unsqueeze()).reshape([n_units * tokens, width])
    }

    fn class_tokens(&self, x_nf: Tensor<2>) -> Tensor<2> {
        let ([rows, width], tokens) = (x_nf.dims(), self.config.tokens());
        x_nf.reshape([rows / tokens, tokens, width]).narrow(1, 0, 1).reshape([rows / tokens, width])
    }

    fn pool(&self, x_nf: Tensor<2>) -> Tensor<2> {
        if self.config.pool == Pool::Class {
            return self.norm.forward(self.class_tokens(x_nf));
        }
        let ([rows, width], tokens) = (x_nf.dims(), self.config.tokens());
        self.norm.forward(x_nf).reshape([rows / tokens, tokens, width]).mean_dim(1).reshape([rows / tokens, width])
    }

    /// Tokens before the first block, behind each block, and behind the last norm, each `[unit * token, width]`.
    #[cfg(test)]
    pub(super) fn layers(&self, units_uf: Tensor<2>) -> Vec<Tensor<2>> {
        let mut layers = vec![self.embed(units_uf)];
        for block in &self.blocks {
            let x_nf = block.attend(layers[layers.len() - 1].clone(), self.config.tokens(), None);
            layers.push(block.mlp(x_nf, None));
        }
        layers.push(self.norm.forward(layers[layers.len() - 1].clone()));
        layers
    }
}

/// The patches of crops, row by row of the crop, each laid out `[channel, y, x]`, behind a row of zeros for the class token.
///
/// # Shapes
/// - `units_uf`: `[unit, channel * y * x]`
/// - returns: `[unit * token, channel * patch * patch]`
fn patches(units_uf: Tensor<2>, config: &ImageEncoderConfig) -> Tensor<2> {
    if !is_flex(&units_uf) {
        return patches_in_graph(units_uf, config);
    }
    // Two strided copies of the backend take several times as long as this one.
    let (n_units, device) = (units_uf.dims()[0], units_uf.device());
    let pixels: Vec<f32> = units_uf.into_data().try_into_vec().expect("observations are f32");
    let (tokens, width) = (config.tokens(), config.patch_values());
    let mut gathered = vec![0.0; n_units * tokens * width];
    gathered
        .par_chunks_mut(tokens * width)
        .zip(pixels.par_chunks(config.channels * config.size * config.size))
        .for_each(|(patches, crop)| gather(crop, config, patches));
    Tensor::from_data(TensorData::new(gathered, [n_units * tokens, width]), &device)
}

fn gather(crop: &[f32], config: &ImageEncoderConfig, patches: &mut [f32]) {
    let ImageEncoderConfig { size, patch, .. } = *config;
    let first = if config.pool == Pool::Class { config.patch_values() } else { 0 };
    for (index, values) in patches[first..].chunks_exact_mut(config.patch_values()).enumerate() {
        let (top, left) = (index / (size / patch) * patch, index % (size / patch) * patch);
        for (row, run) in values.chunks_exact_mut(patch).enumerate() {
            let (channel, y) = (row / patch, top + row % patch);
            let start = (channel * size + y) * size + left;
            run.copy_from_slice(&crop[start..start + patch]);
        }
    }
}

/// [`patches`] in burn's own operations: the GPU's path, and the oracle of the host's.
fn patches_in_graph(units_uf: Tensor<2>, config: &ImageEncoderConfig) -> Tensor<2> {
    let ImageEncoderConfig { channels, size, patch, .. } = *config;
    let (n_units, side, width) = (units_uf.dims()[0], size / patch, config.patch_values());
    // [channel, row of patches, y, column of patches, x]: y changes places with the columns, then channels with patches.
    let columns_first = units_uf.reshape([n_units * channels * side, patch, side, patch]).swap_dims(1, 2);
    let patches_first = columns_first.reshape([n_units, channels, side * side, patch * patch]).swap_dims(1, 2);
    let patches = patches_first.reshape([n_units, side * side, width]);
    let all = match config.pool {
        Pool::Class => Tensor::cat(vec![Tensor::zeros([n_units, 1, width], &patches.device()), patches], 1),
        Pool::Mean => patches,
    };
    all.reshape([n_units * config.tokens(), width])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::count_parameters;
    use super::*;

    fn tiny(pool: Pool) -> ImageEncoderConfig {
        let base = ImageEncoderConfig::small(2);
        ImageEncoderConfig { size: 6, patch: 3, width: 8, depth: 2, heads: 2, mlp_width: 12, pool, ..base }
    }

    fn encoder(config: &ImageEncoderConfig, device: &Device) -> ImageEncoder {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        ImageEncoder::new(&mut Init { rng: &mut rng, device }, config)
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_published_encoder_has_5_501_376_parameters() {
        let encoder = encoder(&ImageEncoderConfig::lewm(3), &Device::flex().autodiff());
        assert_eq!(count_parameters(&encoder), 5_501_376);
    }

    #[test]
    fn patches_are_cut_row_by_row() {
        let config = ImageEncoderConfig { channels: 2, size: 4, patch: 2, ..tiny(Pool::Class) };
        let crop: Vec<f32> = (0..32).map(|value| value as f32).collect();
        let units = Tensor::<2>::from_data(TensorData::new(crop, [1, 32]), &Device::flex());
        let found = values(patches(units, &config));
        let expected = [
            [0.0; 8],
            [0.0, 1.0, 4.0, 5.0, 16.0, 17.0, 20.0, 21.0],
            [2.0, 3.0, 6.0, 7.0, 18.0, 19.0, 22.0, 23.0],
            [8.0, 9.0, 12.0, 13.0, 24.0, 25.0, 28.0, 29.0],
            [10.0, 11.0, 14.0, 15.0, 26.0, 27.0, 30.0, 31.0],
        ];
        assert_eq!(found, expected.concat());
    }

    #[test]
    fn patches_in_the_graph_are_the_same() {
        for pool in [Pool::Class, Pool::Mean] {
            let config = ImageEncoderConfig { channels: 3, size: 12, patch: 4, ..tiny(pool) };
            let units = Tensor::<2>::random([2, 432], Distribution::Normal(0.0, 1.0), &Device::flex());
            assert_eq!(values(patches(units.clone(), &config)), values(patches_in_graph(units, &config)));
        }
    }

    #[test]
    fn the_output_is_that_of_the_last_layer() {
        let device = Device::flex();
        let units = Tensor::<2>::random([3, 72], Distribution::Normal(0.0, 1.0), &device);
        for pool in [Pool::Class, Pool::Mean] {
            let encoder = encoder(&tiny(pool), &device);
            let found = values(encoder.forward(units.clone(), None));
            let last = encoder.layers(units.clone()).pop().unwrap().reshape([3, encoder.config.tokens(), 8]);
            let expected = match pool {
                Pool::Class => last.narrow(1, 0, 1).reshape([3, 8]),
                Pool::Mean => last.mean_dim(1).reshape([3, 8]),
            };
            for (found, expected) in found.iter().zip(values(expected)) {
                assert!((found - expected).abs() < 1e-5, "{pool:?}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn units_do_not_see_each_other_and_places_matter() {
        let device = Device::flex();
        let encoder = encoder(&tiny(Pool::Mean), &device);
        let units = Tensor::<2>::random([3, 72], Distribution::Normal(0.0, 1.0), &device);
        let all = values(encoder.forward(units.clone(), None));
        let alone = values(encoder.forward(units.clone().narrow(0, 1, 1), None));
        for (found, expected) in alone.iter().zip(&all[8..16]) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
        let mirrored = units.narrow(0, 1, 1).reshape([12, 6]).flip([1]).reshape([1, 72]);
        assert_ne!(values(encoder.forward(mirrored, None)), alone);
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        let device = Device::flex().autodiff();
        for pool in [Pool::Class, Pool::Mean] {
            let encoder = encoder(&tiny(pool), &device);
            let units = Tensor::<2>::random([4, 72], Distribution::Normal(0.0, 1.0), &device);
            let weight = Tensor::<2>::random([4, 8], Distribution::Normal(0.0, 1.0), &device);
            let gradients = (encoder.forward(units, None) * weight).sum().backward();
            let mut visitor = Untouched { gradients: &gradients, n_parameters: 0, n_untouched: 0 };
            encoder.visit(&mut visitor);
            assert!(visitor.n_parameters > 30);
            assert_eq!(visitor.n_untouched, 0, "{pool:?}");
        }
    }

    struct Untouched<'a> {
        gradients: &'a burn::tensor::Gradients,
        n_parameters: usize,
        n_untouched: usize,
    }

    impl burn::module::ModuleVisitor for Untouched<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.n_parameters += 1;
            self.n_untouched += usize::from(param.val().grad(self.gradients).is_none());
        }
    }

    #[test]
    fn dropout_acts_in_training_only() {
        let device = Device::flex();
        let encoder = encoder(&ImageEncoderConfig { dropout: 0.5, ..tiny(Pool::Class) }, &device);
        let units = Tensor::<2>::random([3, 72], Distribution::Normal(0.0, 1.0), &device);
        let plain = values(encoder.forward(units.clone(), None));
        assert_eq!(plain, values(encoder.forward(units.clone(), None)));
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(1) };
        assert_ne!(plain, values(encoder.forward(units, Some(&mut noise))));
    }
}
