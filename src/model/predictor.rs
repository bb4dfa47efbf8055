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

use super::fused;
use super::layer::{BatchStatistics, Init, LayerNorm, Noise};
use super::projector::{Projector, ProjectorConfig, ProjectorNorm};

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
    /// Dropout of both MLP layers, and of attention where there is one.
    pub dropout: f32,
}

impl Default for PredictorConfig {
    fn default() -> Self {
        Self { head: Head::Residual, depth: 2, mlp_width: 256, dropout: 0.1 }
    }
}

/// How a predictor of a sequence looks back; a screen's predictor sees one latent and attends to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Latents that the predictor looks back on.
    pub length: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head.
    pub head_width: usize,
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
    fn new(init: &mut Init, width: usize, history: &HistoryConfig, dropout: f32) -> Self {
        let inner = history.heads * history.head_width;
        Self {
            norm: LayerNorm::new(init, width),
            query: init.linear(width, inner, false),
            key: init.linear(width, inner, false),
            value: init.linear(width, inner, false),
            output: init.linear(inner, width, true),
            heads: history.heads,
            dropout,
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

    fn new(
        init: &mut Init,
        width: usize,
        encoding: usize,
        config: &PredictorConfig,
        history: Option<&HistoryConfig>,
    ) -> Self {
        Self {
            modulation: init.linear_zero(encoding, if history.is_some() { 6 } else { 3 } * width),
            attention: history.map(|history| Attention::new(init, width, history, config.dropout)),
            norm: LayerNorm::new(init, width),
            expand: init.linear(width, config.mlp_width, true),
            contract: init.linear(config.mlp_width, width, true),
            dropout: config.dropout,
        }
    }

    fn forward(&self, mut x_btl: Tensor<3>, encoding_bta: Tensor<3>, mut noise: Option<&mut Noise>) -> Tensor<3> {
        let mut modulation =
            self.modulation.forward(encoding_bta).chunk(if self.attention.is_some() { 6 } else { 3 }, 2);
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

/// What makes the residual stream wider than a latent, which may have a single coordinate.
#[derive(Module, Debug)]
struct Stream {
    into: Linear,
    out_of: Linear,
}

/// Predicts latents from latents and interventions.
#[derive(Module, Debug)]
pub struct Predictor {
    /// Into a stream of another width than the latent's, and out of it.
    stream: Option<Stream>,
    positions: Option<Param<Tensor<2>>>,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    projector: Option<Projector>,
}

impl Predictor {
    /// A fresh predictor of latents of width `latent` from encodings of width `encoding`.
    ///
    /// `projector` is the hidden width of the published head's own projector; `stream` the width of the blocks, where it is
    /// not the latent's.
    pub fn new(
        init: &mut Init,
        latent: usize,
        encoding: usize,
        projector: usize,
        config: &PredictorConfig,
        history: Option<&HistoryConfig>,
        stream: Option<usize>,
    ) -> Self {
        let published = config.head == Head::Published;
        let width = stream.unwrap_or(latent);
        Self {
            stream: stream.map(|width| Stream {
                into: init.linear(latent, width, true),
                out_of: init.linear(width, latent, false),
            }),
            positions: history.map(|history| init.normal([history.length, latent], 1.0)),
            blocks: (0..config.depth).map(|_| Block::new(init, width, encoding, config, history)).collect(),
            norm: published.then(|| LayerNorm::new(init, width)),
            projector: published.then(|| {
                let settings = ProjectorConfig { hidden: projector, norm: ProjectorNorm::Batch, output: None };
                Projector::new(init, width, latent, &settings)
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
            Some(positions) => start_btl.clone() + positions.val().narrow(0, 0, time).unsqueeze(),
            None => start_btl.clone(),
        };
        let first_btl = match &self.stream {
            Some(stream) => stream.into.forward(first_btl),
            None => first_btl,
        };
        // SiLU once for all blocks, as each published modulation begins with it.
        let encoding_bta = burn::tensor::activation::silu(encoding_bta);
        let mut x_btl = first_btl.clone();
        for block in &self.blocks {
            x_btl = block.forward(x_btl, encoding_bta.clone(), noise.as_deref_mut());
        }
        let (Some(norm), Some(projector)) = (&self.norm, &self.projector) else {
            let added = x_btl - first_btl;
            let added = match &self.stream {
                Some(stream) => stream.out_of.forward(added),
                None => added,
            };
            return (start_btl + added, None);
        };
        let width = x_btl.dims()[2];
        let flat = norm.forward(x_btl).reshape([batch * time, width]);
        let (projected, statistics) = match noise {
            Some(_) => projector.forward_train(flat),
            None => (projector.forward(flat), None),
        };
        (projected.reshape([batch, time, latent]), statistics)
    }

    /// Positions added, what each block makes of it, and the norm of the published head.
    #[cfg(test)]
    pub(super) fn layers(&self, start_btl: Tensor<3>, encoding_bta: Tensor<3>) -> Vec<Tensor<3>> {
        let positions = self.positions.as_ref().expect("a history").val().unsqueeze();
        let encoding_bta = burn::tensor::activation::silu(encoding_bta);
        let mut layers = vec![start_btl + positions];
        for block in &self.blocks {
            layers.push(block.forward(layers[layers.len() - 1].clone(), encoding_bta.clone(), None));
        }
        layers.push(self.norm.as_ref().expect("the published head").forward(layers[layers.len() - 1].clone()));
        layers
    }

    /// The published head's running statistics moved toward those of a batch.
    pub fn with_running(mut self, statistics: &BatchStatistics, momentum: f32) -> Self {
        self.projector = self.projector.map(|projector| projector.with_running(statistics, momentum));
        self
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    use rand::RngExt;

    use super::super::{count_parameters, parameters, with_parameters};
    use super::*;

    const LATENT: usize = 8;
    const ENCODING: usize = 6;

    fn predictor(head: Head, length: usize, device: &Device) -> Predictor {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let config = PredictorConfig { head, depth: 2, mlp_width: 16, ..PredictorConfig::default() };
        let history = (length > 1).then_some(HistoryConfig { length, heads: 2, head_width: 4 });
        Predictor::new(&mut Init { rng: &mut rng, device }, LATENT, ENCODING, 12, &config, history.as_ref(), None)
    }

    /// The predictor with every gate open: all parameters moved at random.
    fn shaken(predictor: Predictor) -> Predictor {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut arrays = parameters(&predictor);
        for value in
            arrays.iter_mut().filter(|(name, _)| !name.contains("running")).flat_map(|(_, array)| &mut array.values)
        {
            *value += 0.3 * rng.sample::<f32, _>(StandardNormal);
        }
        with_parameters(predictor, &arrays).unwrap()
    }

    fn normal(seed: u64, shape: [usize; 3], device: &Device) -> Tensor<3> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.sample(StandardNormal)).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn at_the_start_the_residual_head_predicts_no_change() {
        let device = Device::flex();
        for (head, history) in [(Head::Residual, 1), (Head::Residual, 3), (Head::Anchored, 1)] {
            let predictor = predictor(head, history, &device);
            let start = normal(3, [5, history, LATENT], &device);
            for seed in [4, 5] {
                let encoding = normal(seed, [5, history, ENCODING], &device);
                let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(9) };
                assert_eq!(values(predictor.forward(start.clone(), encoding.clone(), None).0), values(start.clone()));
                assert_eq!(
                    values(predictor.forward(start.clone(), encoding, Some(&mut noise)).0),
                    values(start.clone())
                );
            }
        }
    }

    #[test]
    fn at_the_start_the_published_head_does_not_see_interventions() {
        let device = Device::flex();
        let predictor = predictor(Head::Published, 3, &device);
        let start = normal(3, [5, 3, LATENT], &device);
        let predicted = |seed| predictor.forward(start.clone(), normal(seed, [5, 3, ENCODING], &device), None).0;
        assert_eq!(values(predicted(4)), values(predicted(5)));
        assert_ne!(values(predicted(4)), values(start.clone()));
        let shaken = shaken(predictor.clone());
        let predicted = |seed| shaken.forward(start.clone(), normal(seed, [5, 3, ENCODING], &device), None).0;
        assert_ne!(values(predicted(4)), values(predicted(5)));
    }

    #[test]
    fn at_the_start_only_the_gates_learn() {
        let device = Device::flex().autodiff();
        for (head, history) in [(Head::Residual, 1), (Head::Residual, 3), (Head::Published, 3)] {
            let predictor = predictor(head, history, &device);
            let start = normal(3, [5, history, LATENT], &device);
            let encoding = normal(4, [5, history, ENCODING], &device).require_grad();
            let target = normal(5, [5, history, LATENT], &device);
            let (predicted, _) = predictor.forward(start, encoding.clone(), None);
            let gradients = (predicted - target).square().mean().backward();
            let largest =
                |gradient: Vec<f32>| gradient.into_iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            assert_eq!(largest(values(encoding.grad(&gradients).expect("the encoding is tracked"))), 0.0);
            for block in &predictor.blocks {
                let gradient = block.modulation.weight.val().grad(&gradients).expect("the modulation is tracked");
                for (index, part) in gradient.chunk(if history > 1 { 6 } else { 3 }, 1).into_iter().enumerate() {
                    let is_gate = index % 3 == 2;
                    assert_eq!(largest(values(part)) > 1e-6, is_gate, "{head:?}, history {history}, part {index}");
                }
            }
        }
    }

    #[test]
    fn what_comes_later_does_not_change_what_came_before() {
        let device = Device::flex();
        for head in [Head::Residual, Head::Published] {
            let predictor = shaken(predictor(head, 3, &device));
            let (start, encoding) = (normal(3, [2, 3, LATENT], &device), normal(4, [2, 3, ENCODING], &device));
            let (expected, _) = predictor.forward(start.clone(), encoding.clone(), None);
            for later in 1..3 {
                let other = |tensor: &Tensor<3>, seed| {
                    let width = tensor.dims()[2];
                    tensor
                        .clone()
                        .slice_assign([0..2, later..later + 1, 0..width], normal(seed, [2, 1, width], &device))
                };
                let (frame, _) = predictor.forward(other(&start, 7), encoding.clone(), None);
                let (intervention, _) = predictor.forward(start.clone(), other(&encoding, 8), None);
                for found in [frame, intervention] {
                    let before = |tensor: &Tensor<3>| values(tensor.clone().slice([0..2, 0..later]));
                    let from = |tensor: &Tensor<3>| values(tensor.clone().slice([0..2, later..3]));
                    assert_eq!(before(&found), before(&expected), "{head:?}, frame {later}");
                    assert_ne!(from(&found), from(&expected), "{head:?}, frame {later}");
                }
            }
        }
    }

    #[test]
    fn the_first_frames_alone_predict_as_they_do_among_more() {
        let device = Device::flex();
        let predictor = shaken(predictor(Head::Residual, 3, &device));
        let (start, encoding) = (normal(3, [2, 3, LATENT], &device), normal(4, [2, 3, ENCODING], &device));
        let all = values(predictor.forward(start.clone(), encoding.clone(), None).0.slice([0..2, 0..1]));
        let alone = values(predictor.forward(start.slice([0..2, 0..1]), encoding.slice([0..2, 0..1]), None).0);
        for (found, expected) in alone.iter().zip(all) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn the_published_predictor_has_10_791_360_parameters_and_a_projector() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(1), Device::flex().autodiff());
        let config = PredictorConfig { head: Head::Published, depth: 6, mlp_width: 2048, dropout: 0.1 };
        let history = HistoryConfig { length: 3, heads: 16, head_width: 64 };
        let mut init = Init { rng: &mut rng, device: &device };
        let predictor = Predictor::new(&mut init, 192, 192, 2048, &config, Some(&history), None);
        assert_eq!(count_parameters(&predictor), 10_791_360 + 792_768);
    }
}
