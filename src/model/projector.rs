//! What an encoder found, to latents: the projector behind every encoder.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::fused;
use super::layer::{BatchNorm, BatchStatistics, Init, LayerNorm};

/// Added to the variance of a latent that is scaled by it, as in PyTorch's layer norm.
const LEAST_VARIANCE: f64 = 1e-5;

/// What stands between the projector's two linear maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorNorm {
    /// Batch norm, as published: keeps the spread of the latents away from zero.
    #[default]
    Batch,
    /// Layer norm: needed for micro-batches, because it does not couple rows.
    Layer,
}

/// What becomes of the projector's output before it is the latent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorOutput {
    /// Nothing.
    Free,
    /// Each latent is centered and scaled to variance 1 over its values, as I-JEPA's targets are: its length cannot shrink.
    LayerNorm,
}

/// Settings of the projector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectorConfig {
    /// Width between the two linear maps.
    pub hidden: usize,
    /// Norm between them.
    pub norm: ProjectorNorm,
    /// What becomes of the output; what the objective is defined with where it is not said.
    pub output: Option<ProjectorOutput>,
}

impl Default for ProjectorConfig {
    fn default() -> Self {
        Self { hidden: 256, norm: ProjectorNorm::Batch, output: None }
    }
}

/// Linear – norm – GELU – Linear; its output is the latent, everywhere.
#[derive(Module, Debug)]
pub struct Projector {
    input: Linear,
    batch_norm: Option<BatchNorm>,
    layer_norm: Option<LayerNorm>,
    output: Linear,
    #[module(skip)]
    normalizes: bool,
}

impl Projector {
    /// A fresh projector from `inputs` to `outputs` values.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, config: &ProjectorConfig) -> Self {
        Self {
            input: init.linear(inputs, config.hidden, true),
            batch_norm: (config.norm == ProjectorNorm::Batch).then(|| BatchNorm::new(init, config.hidden)),
            layer_norm: (config.norm == ProjectorNorm::Layer).then(|| LayerNorm::new(init, config.hidden)),
            output: init.linear(config.hidden, outputs, true),
            normalizes: config.output == Some(ProjectorOutput::LayerNorm),
        }
    }

    /// Forward pass with the statistics of this batch, which are returned when there is a batch norm.
    ///
    /// # Shapes
    /// - `input_bf`: `[batch, feature]`
    /// - returns: `[batch, latent]`
    pub fn forward_train(&self, input_bf: Tensor<2>) -> (Tensor<2>, Option<BatchStatistics>) {
        let hidden_bf = self.input.forward(input_bf);
        let (hidden_bf, statistics) = match &self.batch_norm {
            Some(norm) => {
                let (hidden_bf, statistics) = norm.forward_train(hidden_bf);
                (hidden_bf, Some(statistics))
            }
            None => (self.without_batch(hidden_bf), None),
        };
        (self.latents(hidden_bf), statistics)
    }

    /// Forward pass with running statistics.
    ///
    /// # Shapes
    /// - `input_bf`: `[batch, feature]`
    /// - returns: `[batch, latent]`
    pub fn forward(&self, input_bf: Tensor<2>) -> Tensor<2> {
        let hidden_bf = self.input.forward(input_bf);
        let hidden_bf = match &self.batch_norm {
            Some(norm) => norm.forward(hidden_bf),
            None => self.without_batch(hidden_bf),
        };
        self.latents(hidden_bf)
    }

    fn latents(&self, hidden_bf: Tensor<2>) -> Tensor<2> {
        let output_bf = self.output.forward(fused::gelu(hidden_bf));
        if !self.normalizes {
            return output_bf;
        }
        let centered_bf = output_bf.clone() - output_bf.mean_dim(1);
        let variance_b1 = centered_bf.clone().powi_scalar(2).mean_dim(1);
        centered_bf / variance_b1.add_scalar(LEAST_VARIANCE).sqrt()
    }

    fn without_batch(&self, hidden_bf: Tensor<2>) -> Tensor<2> {
        match &self.layer_norm {
            Some(norm) => norm.forward(hidden_bf),
            None => hidden_bf,
        }
    }

    /// The running statistics moved toward those of a batch.
    pub fn with_running(mut self, statistics: &BatchStatistics, momentum: f32) -> Self {
        self.batch_norm = self.batch_norm.map(|norm| norm.with_running(statistics, momentum));
        self
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::count_parameters;
    use super::*;

    fn projector(norm: ProjectorNorm, device: &Device) -> Projector {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        Projector::new(
            &mut Init { rng: &mut rng, device },
            192,
            192,
            &ProjectorConfig { hidden: 2048, norm, output: None },
        )
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_published_projector_has_792_768_parameters() {
        assert_eq!(count_parameters(&projector(ProjectorNorm::Batch, &Device::flex().autodiff())), 792_768);
    }

    #[test]
    fn only_the_batch_norm_couples_rows() {
        let input = Tensor::<2>::random([5, 192], Distribution::Normal(0.0, 1.0), &Device::flex());
        for (norm, couples) in [(ProjectorNorm::Batch, true), (ProjectorNorm::Layer, false)] {
            let projector = projector(norm, &Device::flex());
            let (all, statistics) = projector.forward_train(input.clone());
            let (some, _) = projector.forward_train(input.clone().narrow(0, 0, 3));
            let difference = (all.narrow(0, 0, 3) - some).abs().max().into_scalar::<f32>();
            assert_eq!(difference > 1e-5, couples, "{norm:?}: {difference}");
            assert_eq!(statistics.is_some(), couples);
        }
    }

    #[test]
    fn inference_with_running_statistics_approaches_training() {
        let input = Tensor::<2>::random([64, 192], Distribution::Normal(0.3, 1.0), &Device::flex());
        let mut projector = projector(ProjectorNorm::Batch, &Device::flex());
        let (trained, statistics) = projector.forward_train(input.clone());
        let statistics = statistics.unwrap();
        for _ in 0..200 {
            projector = projector.with_running(&statistics, 0.1);
        }
        // The running variance is the unbiased one, 64/63 of what the batch was divided by.
        for (found, expected) in values(projector.forward(input)).iter().zip(values(trained)) {
            assert!((found - expected).abs() < 0.02 * (1.0 + expected.abs()), "{found} is not {expected}");
        }
    }
}
