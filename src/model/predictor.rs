//! The latent after an intervention, from the latent before it: AdaLN-zero blocks, causal over the history.
//!
//! Every block modulates its normalized input by a shift, a scale and a gate that a zero-initialized linear map
//! makes from the intervention's encoding; at the start all gates are shut and every block is the identity.
//!
//! # Source
//! LeWorldModel (arXiv:2603.19312), the causal transformer with AdaLN-zero of its released code.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::encoder::{Projector, ProjectorConfig, ProjectorNorm};
use super::fused;
use super::layer::{BatchStatistics, Init, LayerNorm, Noise};

/// How a prediction is read off the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// The start latent plus what the blocks add to it. The default for screens: at the start it predicts no change.
    #[default]
    Residual,
    /// Residual over an anchor: the latent that interpolation between measured doses arrives at, the start where there is none.
    Anchored,
    /// The published head: layer norm and a projector of its own, nothing added.
    Published,
}

/// Settings of the predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictorConfig {
    /// How a prediction is read off.
    pub head: Head,
    /// AdaLN-zero blocks.
    pub depth: usize,
    /// Width of each block's MLP.
    pub mlp_width: usize,
    /// Latents that the predictor may look back on; with 1 there is nothing to attend to and no attention is built.
    pub history: usize,
    /// Attention heads (history above 1).
    pub heads: usize,
    /// Width of a head (history above 1).
    pub head_width: usize,
    /// Dropout on attention probabilities, attention output and both MLP layers.
    pub dropout: f32,
}

impl Default for PredictorConfig {
    fn default() -> Self {
        Self { head: Head::Residual, depth: 2, mlp_width: 256, history: 1, heads: 4, head_width: 32, dropout: 0.1 }
    }
}

/// Causal self-attention over the history.
#[derive(Module, Debug)]
struct Attention {
    norm: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    dropout: f32,
}

impl Attention {
    fn new(init: &mut Init, width: usize, config: &PredictorConfig) -> Self {
        let inner = config.heads * config.head_width;
        Self {
            norm: LayerNorm::new(init, width),
            query: init.linear(width, inner, false),
            key: init.linear(width, inner, false),
            value: init.linear(width, inner, false),
            output: init.linear(inner, width, true),
            heads: config.heads,
            dropout: config.dropout,
        }
    }

    fn forward(&self, input_btl: Tensor<3>, mut noise: Option<&mut Noise>) -> Tensor<3> {
        let [batch, time, _width] = input_btl.dims();
        let input_btl = self.norm.forward(input_btl);
        let split = |linear: &Linear| -> Tensor<4> {
            let projected = linear.forward(input_btl.clone());
            let head_width = projected.dims()[2] / self.heads;
            projected.reshape([batch, time, self.heads, head_width]).swap_dims(1, 2)
        };
        let (query, key, value) = (split(&self.query), split(&self.key), split(&self.value));
        let head_width = query.dims()[3];
        let scores = query.matmul(key.swap_dims(2, 3)).mul_scalar(1.0 / (head_width as f32).sqrt());
        let scores = scores.mask_fill(causal_mask(time, &input_btl.device()).unsqueeze(), -1e9);
        let mut weights = fused::softmax(scores);
        if let Some(noise) = noise.as_deref_mut() {
            weights = noise.dropout(weights, self.dropout);
        }
        let mixed = weights.matmul(value).swap_dims(1, 2).reshape([batch, time, self.heads * head_width]);
        drop_out(self.output.forward(mixed), self.dropout, noise)
    }
}

/// `true` where a key lies after its query, `[time, time]`.
fn causal_mask(time: usize, device: &Device) -> Tensor<2, Bool> {
    let later: Vec<bool> = (0..time * time).map(|index| index % time > index / time).collect();
    Tensor::from_data(TensorData::new(later, [time, time]), device)
}

fn drop_out<const D: usize>(input: Tensor<D>, rate: f32, noise: Option<&mut Noise>) -> Tensor<D> {
    match noise {
        Some(noise) => noise.dropout(input, rate),
        None => input,
    }
}

/// One AdaLN-zero block.
#[derive(Module, Debug)]
struct Block {
    modulation: Linear,
    attention: Option<Attention>,
    norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    #[module(skip)]
    dropout: f32,
}

impl Block {
    /// Epsilon of the norm without scale and shift, as published.
    const EPSILON: f32 = 1e-6;

    fn new(init: &mut Init, width: usize, encoding: usize, config: &PredictorConfig) -> Self {
        let has_attention = config.history > 1;
        Self {
            modulation: init.linear_zero(encoding, if has_attention { 6 } else { 3 } * width),
            attention: has_attention.then(|| Attention::new(init, width, config)),
            norm: LayerNorm::new(init, width),
            expand: init.linear(width, config.mlp_width, true),
            contract: init.linear(config.mlp_width, width, true),
            dropout: config.dropout,
        }
    }

    fn forward(&self, mut x_btl: Tensor<3>, encoding_bta: Tensor<3>, mut noise: Option<&mut Noise>) -> Tensor<3> {
        let mut modulation = self.modulation.forward(encoding_bta).chunk(if self.attention.is_some() { 6 } else { 3 }, 2);
        let mut next = || modulation.remove(0);
        if let Some(attention) = &self.attention {
            let (shift, scale, gate) = (next(), next(), next());
            let modulated = fused::layer_norm(x_btl.clone(), Self::EPSILON) * (scale + 1.0) + shift;
            x_btl = x_btl + gate * attention.forward(modulated, noise.as_deref_mut());
        }
        let (shift, scale, gate) = (next(), next(), next());
        let modulated = fused::layer_norm(x_btl.clone(), Self::EPSILON) * (scale + 1.0) + shift;
        let hidden = fused::gelu(self.expand.forward(self.norm.forward(modulated)));
        let hidden = drop_out(hidden, self.dropout, noise.as_deref_mut());
        x_btl + gate * drop_out(self.contract.forward(hidden), self.dropout, noise)
    }
}

/// Predicts latents from latents and interventions.
#[derive(Module, Debug)]
pub struct Predictor {
    positions: Option<Param<Tensor<2>>>,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    projector: Option<Projector>,
}

impl Predictor {
    /// A fresh predictor of latents of width `latent` from encodings of width `encoding`.
    ///
    /// `projector` is the hidden width of the published head's own projector.
    pub fn new(init: &mut Init, latent: usize, encoding: usize, projector: usize, config: &PredictorConfig) -> Self {
        let published = config.head == Head::Published;
        Self {
            positions: (config.history > 1).then(|| init.normal([config.history, latent], 1.0)),
            blocks: (0..config.depth).map(|_| Block::new(init, latent, encoding, config)).collect(),
            norm: published.then(|| LayerNorm::new(init, latent)),
            projector: published.then(|| {
                let settings = ProjectorConfig { hidden: projector, norm: ProjectorNorm::Batch };
                Projector::new(init, latent, latent, &settings)
            }),
        }
    }

    /// The latent that follows each position of the history.
    ///
    /// With noise the batch's own statistics are used by the published head's batch norm, and returned.
    ///
    /// # Shapes
    /// - `start_btl`: `[batch, time, latent]`, the newest last
    /// - `encoding_bta`: `[batch, time, intervention encoding]`, the intervention that leaves each position
    /// - returns: `[batch, time, latent]`
    pub fn forward(
        &self,
        start_btl: Tensor<3>,
        encoding_bta: Tensor<3>,
        mut noise: Option<&mut Noise>,
    ) -> (Tensor<3>, Option<BatchStatistics>) {
        let [batch, time, latent] = start_btl.dims();
        let first_btl = match &self.positions {
            Some(positions) => start_btl.clone() + positions.val().slice([0..time]).unsqueeze(),
            None => start_btl.clone(),
        };
        // SiLU once for all blocks, as each published modulation begins with it.
        let encoding_bta = burn::tensor::activation::silu(encoding_bta);
        let mut x_btl = first_btl.clone();
        for block in &self.blocks {
            x_btl = block.forward(x_btl, encoding_bta.clone(), noise.as_deref_mut());
        }
        let (Some(norm), Some(projector)) = (&self.norm, &self.projector) else {
            return (start_btl + (x_btl - first_btl), None);
        };
        let flat = norm.forward(x_btl).reshape([batch * time, latent]);
        let (projected, statistics) = match noise {
            Some(_) => projector.forward_train(flat),
            None => (projector.forward(flat), None),
        };
        (projected.reshape([batch, time, latent]), statistics)
    }

    /// The published head's running statistics moved toward those of a batch.
    pub fn with_running(mut self, statistics: &BatchStatistics, momentum: f32) -> Self {
        self.projector = self.projector.map(|projector| projector.with_running(statistics, momentum));
        self
    }
}
