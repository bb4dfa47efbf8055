//! Layers with host-drawn initial weights: linear maps, norms and the projector's batch norm.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::fused;

/// Draws initial weights on the host, so that CPU and GPU start from the same numbers.
#[derive(Debug)]
pub struct Init<'a> {
    /// Stream of the run's purpose `weights`.
    pub rng: &'a mut ChaCha8Rng,
    /// Where the weights go; an autodiff device for training.
    pub device: &'a Device,
}

impl Init<'_> {
    /// A trainable parameter with the given values.
    pub fn parameter<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// A buffer that is saved with the model but never trained.
    pub fn buffer<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        self.parameter(values, shape).set_require_grad(false)
    }

    /// All zero.
    pub fn zeros<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        self.parameter(vec![0.0; shape.iter().product()], shape)
    }

    /// All one.
    pub fn ones<const D: usize>(&self, shape: [usize; D]) -> Param<Tensor<D>> {
        self.parameter(vec![1.0; shape.iter().product()], shape)
    }

    /// Independent normals of the given standard deviation.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], deviation: f32) -> Param<Tensor<D>> {
        let n_values = shape.iter().product();
        let values = (0..n_values).map(|_| deviation * self.rng.sample::<f32, _>(StandardNormal)).collect();
        self.parameter(values, shape)
    }

    /// A linear map with PyTorch's default start: weight and bias uniform within `1/sqrt(inputs)`.
    pub fn linear(&mut self, inputs: usize, outputs: usize, with_bias: bool) -> Linear {
        let bound = 1.0 / (inputs as f32).sqrt();
        Linear {
            weight: self.uniform([inputs, outputs], bound),
            bias: with_bias.then(|| self.uniform([outputs], bound)),
        }
    }

    /// Independent and uniform within `bound` on both sides of zero.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f32) -> Param<Tensor<D>> {
        let n_values = shape.iter().product();
        let values = (0..n_values).map(|_| self.rng.random_range(-bound..bound)).collect();
        self.parameter(values, shape)
    }

    /// A linear map with independent normal weights and a bias of zero.
    pub fn linear_normal(&mut self, inputs: usize, outputs: usize, deviation: f32) -> Linear {
        Linear { weight: self.normal([inputs, outputs], deviation), bias: Some(self.zeros([outputs])) }
    }

    /// A linear map whose weight and bias start at zero.
    pub fn linear_zero(&self, inputs: usize, outputs: usize) -> Linear {
        Linear { weight: self.zeros([inputs, outputs]), bias: Some(self.zeros([outputs])) }
    }
}

/// Random masks of one training step, drawn on the host from the stream keyed (seed, `noise`, step).
#[derive(Debug)]
pub struct Noise {
    /// The stream of this step.
    pub rng: ChaCha8Rng,
}

impl Noise {
    /// Zeros a value with probability `rate` and scales the rest by `1 / (1 - rate)`.
    pub fn dropout<const D: usize>(&mut self, input: Tensor<D>, rate: f32) -> Tensor<D> {
        if rate == 0.0 {
            return input;
        }
        let shape = input.dims();
        let mask = dropout_mask(&mut self.rng, shape.iter().product(), rate);
        let mask = Tensor::from_data(TensorData::new(mask, shape), &input.device());
        input * mask
    }
}

/// Zeros with probability `rate`, `1 / (1 - rate)` otherwise.
fn dropout_mask(rng: &mut ChaCha8Rng, n_values: usize, rate: f32) -> Vec<f32> {
    // A sixteenth of a per mille is fine enough for a rate, and four bytes of the stream serve two values.
    let threshold = (rate * 65536.0).round() as u32;
    let keep = 1.0 / (1.0 - rate);
    let mut mask = Vec::with_capacity(n_values + 1);
    while mask.len() < n_values {
        let bits = rng.next_u32();
        mask.push(if bits & 0xffff < threshold { 0.0 } else { keep });
        mask.push(if bits >> 16 < threshold { 0.0 } else { keep });
    }
    mask.truncate(n_values);
    mask
}

/// Layer norm with scale and shift over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f32,
}

impl LayerNorm {
    const EPSILON: f32 = 1e-5;

    /// Scale 1 and shift 0.
    pub fn new(init: &Init, width: usize) -> Self {
        Self::with_epsilon(init, width, Self::EPSILON)
    }

    /// Scale 1 and shift 0, with another number added to the variance.
    pub fn with_epsilon(init: &Init, width: usize, epsilon: f32) -> Self {
        Self { scale: init.ones([width]), shift: init.zeros([width]), epsilon }
    }

    /// # Shapes
    /// - `input`, output: `[…, width]`
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        fused::layer_norm(input, self.epsilon) * self.scale.val().unsqueeze() + self.shift.val().unsqueeze()
    }
}

/// Mean and unbiased variance of a training batch, `[1, feature]` each; the trainer folds them into the running ones.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    mean: Tensor<2>,
    variance: Tensor<2>,
}

/// Batch norm over the rows of `[batch, feature]`, with running statistics for inference.
///
/// The projector needs it: without batch norm a run on real data collapsed at once (a pilot on organoid images).
#[derive(Module, Debug)]
pub struct BatchNorm {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    running_mean: Param<Tensor<2>>,
    running_variance: Param<Tensor<2>>,
}

impl BatchNorm {
    const EPSILON: f32 = 1e-5;

    /// Running mean 0 and variance 1.
    pub fn new(init: &Init, width: usize) -> Self {
        Self {
            scale: init.ones([width]),
            shift: init.zeros([width]),
            running_mean: init.buffer(vec![0.0; width], [1, width]),
            running_variance: init.buffer(vec![1.0; width], [1, width]),
        }
    }

    /// Normalizes by the statistics of this batch, which it also returns.
    ///
    /// # Shapes
    /// - `input_bf`, output: `[batch, feature]`, at least two rows
    pub fn forward_train(&self, input_bf: Tensor<2>) -> (Tensor<2>, BatchStatistics) {
        let batch = input_bf.dims()[0];
        let mean = input_bf.clone().mean_dim(0);
        let centered_bf = input_bf - mean.clone();
        let variance = centered_bf.clone().square().mean_dim(0);
        let unbiased = variance.clone().mul_scalar(batch as f32 / (batch as f32 - 1.0));
        let statistics = BatchStatistics { mean: mean.detach(), variance: unbiased.detach() };
        (self.affine(centered_bf / (variance + Self::EPSILON).sqrt()), statistics)
    }

    /// Normalizes by the running statistics.
    pub fn forward(&self, input_bf: Tensor<2>) -> Tensor<2> {
        let deviation = (self.running_variance.val() + Self::EPSILON).sqrt();
        self.affine((input_bf - self.running_mean.val()) / deviation)
    }

    fn affine(&self, normalized_bf: Tensor<2>) -> Tensor<2> {
        normalized_bf * self.scale.val().unsqueeze() + self.shift.val().unsqueeze()
    }

    /// The running statistics moved toward those of a batch by `momentum`.
    pub fn with_running(mut self, statistics: &BatchStatistics, momentum: f32) -> Self {
        let blend = |old: Param<Tensor<2>>, new: &Tensor<2>| {
            old.map(|old| {
                let device = old.device();
                let moved = old.inner().mul_scalar(1.0 - momentum) + new.clone().inner().mul_scalar(momentum);
                Tensor::from_data(moved.into_data(), &device)
            })
            .set_require_grad(false)
        };
        self.running_mean = blend(self.running_mean, &statistics.mean);
        self.running_variance = blend(self.running_variance, &statistics.variance);
        self
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::{count_parameters, parameters, with_parameters};
    use super::*;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn batch_norm_agrees_with_a_calculation_by_hand() {
        let device = Device::flex().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let fresh = BatchNorm::new(&Init { rng: &mut rng, device: &device }, 2);
        assert_eq!(count_parameters(&fresh), 4, "running statistics are not trained");
        let mut arrays = parameters(&fresh);
        arrays.get_mut("scale").unwrap().values = vec![2.0, 1.0];
        arrays.get_mut("shift").unwrap().values = vec![0.0, -1.0];
        let norm = with_parameters(fresh, &arrays).unwrap();
        // Means 3 and 5, mean squares about them 8/3 and 26/3, unbiased 4 and 13.
        let input = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]], &device);
        let (output, statistics) = norm.forward_train(input.clone());
        let (first, second) = ((8.0f32 / 3.0 + 1e-5).sqrt(), (26.0f32 / 3.0 + 1e-5).sqrt());
        let by_batch = [-4.0 / first, -3.0 / second - 1.0, 0.0, -1.0 / second - 1.0, 4.0 / first, 4.0 / second - 1.0];
        assert_close(&values(output), &by_batch);
        let norm = norm.with_running(&statistics, 0.1);
        assert_close(&parameters(&norm)["running_mean"].values, &[0.3, 0.5]);
        assert_close(&parameters(&norm)["running_variance"].values, &[0.9 + 0.4, 0.9 + 1.3]);
        let (first, second) = (1.30001f32.sqrt(), 2.20001f32.sqrt());
        let running = norm.forward(input.narrow(0, 0, 1));
        assert_close(&values(running), &[2.0 * 0.7 / first, 1.5 / second - 1.0]);
        assert_eq!(count_parameters(&norm), 4, "folding statistics in does not make them trainable");
    }

    #[test]
    fn dropout_keeps_the_mean_and_follows_its_stream() {
        let mask = |seed| dropout_mask(&mut ChaCha8Rng::seed_from_u64(seed), 100_001, 0.3);
        let drawn = mask(1);
        let dropped = drawn.iter().filter(|&&value| value == 0.0).count() as f64 / 100_001.0;
        assert!((dropped - 0.3).abs() < 0.006, "{dropped}");
        assert!(drawn.iter().all(|&value| value == 0.0 || (value - 1.0 / 0.7).abs() < 1e-6));
        assert_eq!(drawn, mask(1));
        assert_ne!(drawn, mask(2));
        let device = Device::flex();
        let mut noise = Noise { rng: ChaCha8Rng::seed_from_u64(1) };
        let input = Tensor::<2>::from_floats([[1.0, -2.0]], &device);
        assert_eq!(values(noise.dropout(input, 0.0)), [1.0, -2.0]);
        assert_eq!(noise.rng, ChaCha8Rng::seed_from_u64(1), "a rate of zero draws nothing");
    }

    #[test]
    fn linear_maps_start_within_the_bound() {
        let device = Device::flex();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let linear = Init { rng: &mut rng, device: &device }.linear(25, 400, true);
        for array in parameters(&linear).values() {
            assert!(array.values.iter().all(|value| value.abs() <= 0.2));
            assert!(array.values.iter().any(|value| value.abs() > 0.19));
        }
    }
}
