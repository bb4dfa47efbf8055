//! The whole model: encoder, projector, intervention encoder and predictor, trained as one.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::encoder::{EncoderConfig, ProfileEncoder, Projector, ProjectorConfig};
use super::intervention::{InterventionConfig, InterventionEncoder};
use super::layer::{BatchStatistics, Init, Noise};
use super::predictor::{Head, Predictor, PredictorConfig};
use crate::pair::{Batch, DoseCenters, InterventionRows, InterventionSizes};

/// Settings of the networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Width of the latent.
    pub latent: usize,
    /// The profile encoder.
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
            latent: 96,
            encoder: EncoderConfig::default(),
            projector: ProjectorConfig::default(),
            intervention: InterventionConfig::default(),
            predictor: PredictorConfig::default(),
        }
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
}

/// What one training pass yields.
#[derive(Debug)]
pub struct TrainOutput {
    /// Latents of all units, `[unit, latent]`.
    pub units_ul: Tensor<2>,
    /// Latents of the starts, `[batch, latent]`.
    pub start_bl: Tensor<2>,
    /// Latents of the targets, live: gradients flow into them, `[batch, latent]`.
    pub target_bl: Tensor<2>,
    /// Predicted latents, `[batch, latent]`.
    pub predicted_bl: Tensor<2>,
    /// Batch statistics of the published head's projector.
    head_statistics: Option<BatchStatistics>,
}

/// A LeWorldModel of cell profiles.
#[derive(Module, Debug)]
pub struct WorldModel {
    encoder: ProfileEncoder,
    projector: Projector,
    interventions: InterventionEncoder,
    predictor: Predictor,
    #[module(skip)]
    anchored: bool,
}

impl WorldModel {
    /// Momentum of the running statistics, as in PyTorch.
    const MOMENTUM: f32 = 0.1;

    /// A fresh model; `init` decides device and weights.
    pub fn new(init: &mut Init, config: &ModelConfig, sizes: &ModelSizes) -> Self {
        Self {
            encoder: ProfileEncoder::new(init, sizes.features, &config.encoder),
            projector: Projector::new(init, config.encoder.width, config.latent, &config.projector),
            interventions: InterventionEncoder::new(init, &config.intervention, sizes.interventions, &sizes.dose_centers),
            predictor: Predictor::new(
                init,
                config.latent,
                config.intervention.width,
                config.projector.hidden,
                &config.predictor,
            ),
            anchored: config.predictor.head == Head::Anchored,
        }
    }

    /// Whether predictions start from an anchor between measured doses.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Latents of `n_units` profiles with dropout and the batch's own statistics.
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
        let data = TensorData::new(units_uf.to_vec(), [n_units, units_uf.len() / n_units]);
        self.projector.forward_train(self.encoder.forward(Tensor::from_data(data, device), Some(noise)))
    }

    /// Predictions from the latents of a batch's units, with dropout.
    pub fn predict_train(&self, units_ul: Tensor<2>, batch: &Batch, noise: &mut Noise, device: &Device) -> TrainOutput {
        let shape = [batch.interventions.len(), batch.n_units];
        let mean_of = |weights: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(weights.to_vec(), shape), device).matmul(units_ul.clone())
        };
        let start_bl = mean_of(&batch.start_bu);
        let from_bl = if self.anchored { mean_of(&batch.anchor_bu) } else { start_bl.clone() };
        let encoding_ba = self.interventions.forward(&batch.interventions, device);
        let (predicted_btl, head_statistics) =
            self.predictor.forward(from_bl.unsqueeze_dim(1), encoding_ba.unsqueeze_dim(1), Some(noise));
        TrainOutput {
            target_bl: mean_of(&batch.target_bu),
            predicted_bl: predicted_btl.squeeze_dim(1),
            start_bl,
            units_ul,
            head_statistics,
        }
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

    /// Latents of profiles, without noise.
    ///
    /// # Shapes
    /// - `profiles_uf`: `[unit, feature]`
    /// - returns: `[unit, latent]`
    pub fn encode(&self, profiles_uf: Tensor<2>) -> Tensor<2> {
        self.projector.forward(self.encoder.forward(profiles_uf, None))
    }

    /// Predicted latents, without noise.
    ///
    /// # Shapes
    /// - `from_bl`: `[batch, latent]`: anchors for an anchored model (see [`WorldModel::is_anchored`]), else starts
    /// - returns: `[batch, latent]`
    pub fn predict(&self, from_bl: Tensor<2>, interventions: &InterventionRows) -> Tensor<2> {
        let device = from_bl.device();
        let encoding_ba = self.interventions.forward(interventions, &device);
        let (predicted_btl, _) = self.predictor.forward(from_bl.unsqueeze_dim(1), encoding_ba.unsqueeze_dim(1), None);
        predicted_btl.squeeze_dim(1)
    }
}
