//! The whole model: encoder, projector, intervention encoder and predictor, trained as one.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::encoder::{Encoder, EncoderConfig};
use super::intervention::{InterventionConfig, InterventionEncoder};
use super::layer::{BatchStatistics, Init, Noise};
use super::linear_part::LinearPart;
use super::predictor::{Head, Predictor, PredictorConfig};
use super::projector::{Projector, ProjectorConfig};
use crate::pair::{Batch, DoseCenters, InterventionRows, InterventionSizes, Weights};
use crate::prior::SignalMap;
use crate::screen::ChannelSpread;

/// Settings of the networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Width of the latent.
    pub latent: usize,
    /// Whether pixels are centered and scaled by mean and deviation of their channel over training crops before they are
    /// encoded; without effect on profiles.
    pub center: bool,
    /// Whether the latent of a profile is a linear map to the directions in which treatments differ by more than noise, to
    /// which the network adds what it learns; otherwise the network alone makes the latent. Without effect on images and
    /// tracks.
    pub linear: bool,
    /// The encoder.
    pub encoder: EncoderConfig,
    /// The projector behind it.
    pub projector: ProjectorConfig,
    /// The intervention encoder.
    pub intervention: InterventionConfig,
    /// The predictor.
    pub predictor: PredictorConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            latent: 64,
            center: true,
            linear: true,
            encoder: EncoderConfig::default(),
            projector: ProjectorConfig::default(),
            intervention: InterventionConfig::default(),
            predictor: PredictorConfig::default(),
        }
    }
}

impl ModelConfig {
    /// Whether latents begin as a linear map of the observation.
    pub fn has_linear_part(&self) -> bool {
        self.linear && self.encoder.crop().is_none()
    }

    /// At least how many values a model of these sizes holds: its large matrices; `None` where a width is none.
    ///
    /// For files, whose word on sizes is not to be taken before memory is asked for.
    pub(crate) fn least_values(&self, sizes: &ModelSizes) -> Option<u128> {
        let Self { latent, encoder, projector, intervention, predictor, .. } = self;
        let known = &sizes.interventions;
        let widths = [*latent, encoder.width(), projector.hidden, intervention.width, intervention.curves];
        if widths.contains(&0) || predictor.mlp_width == 0 || sizes.features == 0 {
            return None;
        }
        let area = |rows: usize, columns: usize| rows as u128 * columns as u128;
        let times = |count: usize, area: u128| (count as u128).saturating_mul(area);
        let parts = [
            encoder.least_values(sizes.features)?,
            area(encoder.width(), projector.hidden),
            area(projector.hidden, *latent),
            times(known.perturbations, area(intervention.curves, intervention.width)),
            times(known.descriptors, area(intervention.curves, intervention.width)),
            area(known.contexts, intervention.width),
            area(intervention.width, intervention.width),
            times(usize::from(known.members > 1), area(intervention.width, intervention.width)),
            times(predictor.depth, area(intervention.width, *latent)),
            times(predictor.depth, area(predictor.mlp_width, *latent)),
        ];
        Some(parts.into_iter().fold(0, u128::saturating_add))
    }
}

/// Sizes that the screen decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSizes {
    /// Features of an observation.
    pub features: usize,
    /// Vocabularies of the intervention encoder.
    pub interventions: InterventionSizes,
    /// Where dose responses start out.
    pub dose_centers: DoseCenters,
    /// What the pixels of each channel are centered and scaled by; empty for profiles.
    pub channels: Vec<ChannelSpread>,
    /// The linear part of the latent, where the encoder has one; a checkpoint keeps it with the weights.
    #[serde(skip)]
    pub signal: Option<SignalMap>,
}

impl ModelSizes {
    /// Whether there is a usable spread for each of the encoder's channels, or none at all.
    pub(crate) fn fit_channels(&self, encoder: &EncoderConfig) -> bool {
        let n_channels = encoder.crop().map_or(0, |(channels, _)| channels);
        let is_whole = self.channels.is_empty() || self.channels.len() == n_channels;
        is_whole && self.channels.iter().all(|spread| spread.is_usable())
    }
}

/// What one training pass yields.
#[derive(Debug)]
pub struct TrainOutput {
    /// Latents of all units, `[unit, latent]`.
    pub units_ul: Tensor<2>,
    /// The same in units of the linear part's own spread, where there is a linear part: what regularizers of their shape see.
    pub shaped_ul: Tensor<2>,
    /// Predicted latents, `[step * batch, latent]`.
    pub predicted_bl: Tensor<2>,
    /// Batch statistics of the published head's projector.
    head_statistics: Option<BatchStatistics>,
}

/// A LeWorldModel of cells.
#[derive(Module, Debug)]
pub struct WorldModel {
    encoder: Encoder,
    projector: Projector,
    interventions: InterventionEncoder,
    predictor: Predictor,
    linear: Option<LinearPart>,
    #[module(skip)]
    anchored: bool,
    #[module(skip)]
    channels: Vec<ChannelSpread>,
}

impl WorldModel {
    /// Momentum of the running statistics, as in PyTorch.
    const MOMENTUM: f32 = 0.1;

    /// A fresh model; `init` decides device and weights.
    pub fn new(init: &mut Init, config: &ModelConfig, sizes: &ModelSizes) -> Self {
        Self {
            encoder: Encoder::new(init, sizes.features, &config.encoder),
            projector: Projector::new(init, config.encoder.width(), config.latent, &config.projector),
            interventions: InterventionEncoder::new(
                init,
                &config.intervention,
                sizes.interventions,
                &sizes.dose_centers,
            ),
            predictor: Predictor::new(
                init,
                config.latent,
                config.intervention.width,
                config.projector.hidden,
                &config.predictor,
                None,
                config.has_linear_part().then_some(config.intervention.width),
            ),
            linear: config
                .has_linear_part()
                .then(|| LinearPart::new(init, sizes.features, config.latent, sizes.signal.as_ref())),
            anchored: config.predictor.head == Head::Anchored,
            channels: sizes.channels.clone(),
        }
    }

    /// Whether predictions start from an anchor between measured doses.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Latents of `n_units` observations with dropout and the batch's own statistics.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, feature]`, row by row
    /// - returns: `[unit, latent]`
    pub fn encode_train(
        &self,
        units_uf: &[f32],
        n_units: usize,
        noise: &mut Noise,
        device: &Device,
    ) -> (Tensor<2>, Option<BatchStatistics>) {
        let units_uf = centered(uploaded(units_uf, n_units, device), &self.channels);
        let (learned_ul, statistics) =
            self.projector.forward_train(self.encoder.forward(units_uf.clone(), Some(noise)));
        (joined(self.linear.as_ref(), units_uf, learned_ul), statistics)
    }

    /// What makes latents of observations, and what pixels are centered and scaled by.
    pub(super) fn into_encoder(self) -> (Encoder, Projector, Option<LinearPart>, Vec<ChannelSpread>) {
        (self.encoder, self.projector, self.linear, self.channels)
    }

    /// The model with the linear part of another one.
    pub fn with_linear_part_of(self, other: &Self) -> Self {
        Self { linear: other.linear.clone(), ..self }
    }

    /// Predictions from the latents of a batch's units, with dropout: each step from the prediction before it.
    pub fn predict_train(&self, units_ul: Tensor<2>, batch: &Batch, noise: &mut Noise, device: &Device) -> TrainOutput {
        let n_episodes = batch.n_episodes();
        let from = if self.anchored { &batch.anchor } else { &batch.start };
        let from_bl = weighted(from, &units_ul, n_episodes);
        let encoding_ba = self.interventions.forward(&batch.interventions, device);
        let (predicted_bl, head_statistics) = self.steps(from_bl, encoding_ba, batch.n_steps, Some(noise));
        let shaped_ul = match &self.linear {
            Some(linear) => linear.in_own_spread(units_ul.clone()),
            None => units_ul.clone(),
        };
        TrainOutput { units_ul, shaped_ul, predicted_bl, head_statistics }
    }

    /// Predicted latents after each of `n_steps` encoded interventions, one step below the other, `[step * batch, latent]`;
    /// and the batch statistics of the first step's head.
    fn steps(
        &self,
        from_bl: Tensor<2>,
        encoding_ba: Tensor<2>,
        n_steps: usize,
        mut noise: Option<&mut Noise>,
    ) -> (Tensor<2>, Option<BatchStatistics>) {
        let mut step = |latest_bl: Tensor<2>, encoding_ba: Tensor<2>| {
            let (predicted_btl, statistics) =
                self.predictor.forward(latest_bl.unsqueeze_dim(1), encoding_ba.unsqueeze_dim(1), noise.as_deref_mut());
            (predicted_btl.squeeze_dim(1), statistics)
        };
        if n_steps == 1 {
            return step(from_bl, encoding_ba);
        }
        let n_episodes = from_bl.dims()[0];
        let (mut latest_bl, mut head_statistics) = (from_bl, None);
        let mut predicted = Vec::with_capacity(n_steps);
        for encoding_ba in encoding_ba.split(n_episodes, 0) {
            let (next_bl, statistics) = step(latest_bl, encoding_ba);
            latest_bl = next_bl;
            predicted.push(latest_bl.clone());
            head_statistics = head_statistics.or(statistics);
        }
        (Tensor::cat(predicted, 0), head_statistics)
    }

    /// The model with the running statistics of a training pass folded in.
    pub fn with_running(mut self, statistics: Option<BatchStatistics>, output: &TrainOutput) -> Self {
        if let Some(statistics) = &statistics {
            self.projector = self.projector.with_running(statistics, Self::MOMENTUM);
        }
        if let Some(statistics) = &output.head_statistics {
            self.predictor = self.predictor.with_running(statistics, Self::MOMENTUM);
        }
        self
    }

    /// Latents of observations, without noise.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, feature]`
    /// - returns: `[unit, latent]`
    pub fn encode(&self, units_uf: Tensor<2>) -> Tensor<2> {
        let units_uf = centered(units_uf, &self.channels);
        let learned_ul = self.projector.forward(self.encoder.forward(units_uf.clone(), None));
        joined(self.linear.as_ref(), units_uf, learned_ul)
    }

    /// Predicted latents, without noise: after one intervention each, or after several, each from the prediction before it.
    ///
    /// # Shapes
    /// - `from_bl`: `[batch, latent]`: anchors for an anchored model (see [`WorldModel::is_anchored`]), otherwise starts
    /// - `interventions`: `[step * batch]`, those of the first step of all, then those of the second
    /// - returns: `[step * batch, latent]`, in the same order
    pub fn predict(&self, from_bl: Tensor<2>, interventions: &InterventionRows) -> Tensor<2> {
        let n_steps = interventions.len() / from_bl.dims()[0];
        let encoding_ba = self.interventions.forward(interventions, &from_bl.device());
        self.steps(from_bl, encoding_ba, n_steps, None).0
    }
}

/// Observations on a device, `[unit, feature]`.
pub(super) fn uploaded(units_uf: &[f32], n_units: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(units_uf.to_vec(), [n_units, units_uf.len() / n_units]), device)
}

/// What a network makes of observations, added to the linear part where there is one.
pub(super) fn joined(linear: Option<&LinearPart>, units_uf: Tensor<2>, learned_ul: Tensor<2>) -> Tensor<2> {
    match linear {
        Some(linear) => linear.join(units_uf, learned_ul),
        None => learned_ul,
    }
}

/// Pixels as encoders train well on: of mean 0 and deviation 1 in each channel of the training crops.
pub(super) fn centered(units_uf: Tensor<2>, channels: &[ChannelSpread]) -> Tensor<2> {
    let n_channels = channels.len();
    if n_channels == 0 {
        return units_uf;
    }
    let [n_units, n_values] = units_uf.dims();
    let device = units_uf.device();
    let by_channel = |value: fn(&ChannelSpread) -> f32| {
        let values: Vec<f32> = channels.iter().map(value).collect();
        Tensor::<3>::from_data(TensorData::new(values, [1, n_channels, 1]), &device)
    };
    let pixels = units_uf.reshape([n_units, n_channels, n_values / n_channels]);
    let centered = (pixels - by_channel(|spread| spread.mean)) * by_channel(|spread| 1.0 / spread.deviation);
    centered.reshape([n_units, n_values])
}

/// Means of latents over the units of a batch.
///
/// # Shapes
/// - `units_ul`: `[unit, latent]`
/// - returns: `[row, latent]`
pub(crate) fn weighted(weights: &Weights, units_ul: &Tensor<2>, n_rows: usize) -> Tensor<2> {
    match weights {
        Weights::Mean(weights) => {
            let data = TensorData::new(weights.clone(), [n_rows, units_ul.dims()[0]]);
            Tensor::<2>::from_data(data, &units_ul.device()).matmul(units_ul.clone())
        }
        Weights::Units { first } => units_ul.clone().narrow(0, *first, n_rows),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::profile::ProfileEncoderConfig;
    use super::*;
    use crate::pair::{Anchor, Vocabulary};
    use crate::screen::{Intervention, Kind, Micromolar, Treatment};

    const NO_ANCHOR: &Anchor = &Anchor::NONE;

    /// Three transitions over five units: two controls, and one treated well for each of three doses.
    fn batch() -> (Batch, ModelSizes) {
        let dose = |micromolar| Treatment {
            intervention: Intervention::single("taxol", Kind::Compound, Micromolar::new(micromolar)),
            context: String::new(),
        };
        let treatments = [dose(0.1), dose(1.0), dose(10.0)];
        let vocabulary = Vocabulary::new(&treatments, BTreeMap::new());
        let target = |row: usize| (0..5).map(move |unit| f32::from(u8::from(unit == row + 2)));
        let batch = Batch {
            units_uf: (0..20).map(|index| (index as f32 * 1.3).sin()).collect(),
            n_units: 5,
            n_steps: 1,
            start: Weights::Mean([0.5, 0.5, 0.0, 0.0, 0.0].repeat(3)),
            anchor: Weights::Mean([0.0, 0.0, 0.25, 0.0, 0.75].repeat(3)),
            target: Weights::Mean((0..3).flat_map(target).collect()),
            interventions: vocabulary.rows(treatments.iter().map(|treatment| (treatment, NO_ANCHOR))),
        };
        let dose_centers = vocabulary.dose_centers().clone();
        (
            batch,
            ModelSizes {
                features: 4,
                interventions: vocabulary.sizes(),
                dose_centers,
                channels: Vec::new(),
                signal: None,
            },
        )
    }

    fn model(head: Head, sizes: &ModelSizes, device: &Device) -> WorldModel {
        let mut config = ModelConfig { latent: 3, linear: false, ..ModelConfig::default() };
        config.encoder = EncoderConfig::Profile(ProfileEncoderConfig { width: 8, ..Default::default() });
        config.projector.hidden = 8;
        config.predictor.head = head;
        WorldModel::new(&mut Init { rng: &mut ChaCha8Rng::seed_from_u64(1), device }, &config, sizes)
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    fn train(model: &WorldModel, batch: &Batch, device: &Device) -> TrainOutput {
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(2) };
        let (units_ul, _) = model.encode_train(&batch.units_uf, batch.n_units, &mut noise, device);
        model.predict_train(units_ul, batch, &mut noise, device)
    }

    #[test]
    fn starts_and_targets_are_weighted_means_of_latents() {
        let device = Device::flex();
        let (batch, sizes) = batch();
        for (head, weights) in
            [(Head::Residual, [0.5, 0.5, 0.0, 0.0, 0.0]), (Head::Anchored, [0.0, 0.0, 0.25, 0.0, 0.75])]
        {
            let output = train(&model(head, &sizes, &device), &batch, &device);
            let units = values(output.units_ul.clone());
            let mean = |weights: [f32; 5], dimension: usize| -> f32 {
                weights.iter().zip(units.iter().skip(dimension).step_by(3)).map(|(weight, value)| weight * value).sum()
            };
            let (start, target, predicted) = (
                values(weighted(&batch.start, &output.units_ul, 3)),
                values(weighted(&batch.target, &output.units_ul, 3)),
                values(output.predicted_bl),
            );
            for index in 0..9 {
                assert!((start[index] - mean([0.5, 0.5, 0.0, 0.0, 0.0], index % 3)).abs() < 1e-6);
                assert!(
                    (predicted[index] - mean(weights, index % 3)).abs() < 1e-6,
                    "a fresh {head:?} head predicts no change"
                );
                assert_eq!(target[index], units[6 + index]);
            }
        }
    }

    /// Largest gradient by the first part of the parameter's path.
    struct Largest<'a> {
        gradients: &'a GradientsParams,
        path: Vec<String>,
        of_part: BTreeMap<String, f32>,
    }

    impl ModuleVisitor for Largest<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
            let values: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
            let is_gate = self.path.iter().any(|name| name == "modulation");
            let part = if is_gate { "modulation".to_owned() } else { self.path[0].clone() };
            let largest = self.of_part.entry(part).or_default();
            *largest = values.iter().fold(*largest, |largest, value| largest.max(value.abs()));
        }
    }

    #[test]
    fn the_first_step_reaches_the_gates_and_both_sides_but_not_the_interventions() {
        let device = Device::flex().autodiff();
        let (batch, sizes) = batch();
        let model = model(Head::Residual, &sizes, &device);
        let output = train(&model, &batch, &device);
        let target_bl = weighted(&batch.target, &output.units_ul, 3);
        let loss = (output.predicted_bl - target_bl).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let mut largest = Largest { gradients: &gradients, path: Vec::new(), of_part: BTreeMap::new() };
        model.visit(&mut largest);
        assert_eq!(largest.of_part["interventions"], 0.0);
        for part in ["encoder", "projector", "modulation"] {
            assert!(largest.of_part[part] > 1e-6, "{part}: {:?}", largest.of_part);
        }
    }

    #[test]
    fn pixels_are_centered_before_they_are_encoded_in_training_and_after() {
        let device = Device::flex();
        let (batch, sizes) = batch();
        let spread = |mean, deviation| ChannelSpread { mean, deviation };
        let centering = ModelSizes { channels: vec![spread(0.5, 2.0), spread(-1.0, 0.1)], ..sizes.clone() };
        let (plain, centering) = (model(Head::Residual, &sizes, &device), model(Head::Residual, &centering, &device));
        // Two channels of two pixels.
        let by_hand: Vec<f32> = batch
            .units_uf
            .chunks(4)
            .flat_map(|unit| {
                [(unit[0] - 0.5) / 2.0, (unit[1] - 0.5) / 2.0, (unit[2] + 1.0) / 0.1, (unit[3] + 1.0) / 0.1]
            })
            .collect();
        let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [5, 4]), &device);
        let close = |found: Vec<f32>, expected: Vec<f32>| {
            assert!(
                found.iter().zip(&expected).all(|(one, other)| (one - other).abs() < 1e-4),
                "{found:?} {expected:?}"
            );
        };
        close(values(centering.encode(tensor(&batch.units_uf))), values(plain.encode(tensor(&by_hand))));
        let centered_by_hand = Batch { units_uf: by_hand, ..batch.clone() };
        close(
            values(train(&centering, &batch, &device).units_ul),
            values(train(&plain, &centered_by_hand, &device).units_ul),
        );
    }

    #[test]
    fn the_target_is_live() {
        // With the starts' weights on the first unit only, any gradient at the others' latents came through the target.
        let device = Device::flex().autodiff();
        let (batch, sizes) = batch();
        let model = model(Head::Residual, &sizes, &device);
        let units = Tensor::<2>::from_data(TensorData::new((0..15).map(|v| v as f32 * 0.1).collect(), [5, 3]), &device)
            .require_grad();
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(2) };
        let output = model.predict_train(units.clone(), &batch, &mut noise, &device);
        let target_bl = weighted(&batch.target, &output.units_ul, 3);
        let gradients = (output.predicted_bl - target_bl).square().mean().backward();
        let gradient = values(units.grad(&gradients).unwrap());
        assert!(gradient[6..].iter().all(|value| value.abs() > 1e-6), "{gradient:?}");
    }
}
