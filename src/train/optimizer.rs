//! AdamW with a global gradient norm, whose state can be saved by parameter name.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer as _};
use burn::tensor::{Device, Tensor, TensorData};

use crate::model::{Array, ParameterPath};

/// Learning rate at `step` of `steps`: linear from 0 over the warm-up, then a cosine to 0.
///
/// # Source
/// The schedule of LeWorldModel's released code.
pub fn learning_rate(peak: f64, warmup: f64, step: usize, steps: usize) -> f64 {
    let n_warmup = ((warmup * steps as f64).floor() as usize).max(1);
    if step < n_warmup {
        return peak * step as f64 / n_warmup as f64;
    }
    let progress = (step - n_warmup) as f64 / (steps - n_warmup).max(1) as f64;
    0.5 * peak * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
}

/// AdamW over a module's parameters; each parameter's moments are kept flat under the parameter's path.
pub struct Optimizer {
    adamw: AdamW,
    clip: f64,
    states: BTreeMap<String, AdamWState<1>>,
}

impl Optimizer {
    /// A fresh optimizer with PyTorch's betas and epsilon.
    pub fn new(weight_decay: f64, clip: f64) -> Self {
        let config = AdamWConfig::new().with_weight_decay(weight_decay as f32).with_epsilon(1e-8);
        Self { adamw: config.build(), clip, states: BTreeMap::new() }
    }

    /// The module after one step against `gradients`, scaled down to the largest global norm where they exceed it.
    pub fn step<M: Module>(&mut self, learning_rate: f64, module: M, gradients: GradientsParams) -> M {
        let mut norm = SquaredNorm { gradients: &gradients, sum: None };
        module.visit(&mut norm);
        let Some(sum) = norm.sum else { return module };
        // Stays on the device: reading it here would make every step wait.
        let scale = sum.sqrt().add_scalar(1e-6).recip().mul_scalar(self.clip).clamp_max(1.0);
        module.map(&mut Update { optimizer: self, path: ParameterPath::default(), gradients, scale, learning_rate })
    }

    /// First and second moments by parameter path, prefixed `moment_1.` and `moment_2.`.
    pub fn to_arrays(&self) -> BTreeMap<String, Array> {
        let array = |tensor: &Tensor<1>| {
            let values: Vec<f32> = tensor.to_data().try_to_vec().expect("moments are f32");
            Array { shape: vec![values.len()], values }
        };
        let moments = self.states.iter().flat_map(|(name, state)| {
            let momentum = &state.momentum;
            [
                (format!("moment_1.{name}"), array(&momentum.moment_1)),
                (format!("moment_2.{name}"), array(&momentum.moment_2)),
            ]
        });
        moments.collect()
    }

    /// The state after `time` steps, from [`Optimizer::to_arrays`].
    pub fn with_arrays(mut self, arrays: &BTreeMap<String, Array>, time: usize, device: &Device) -> Self {
        let tensor =
            |array: &Array| Tensor::<1>::from_data(TensorData::new(array.values.clone(), [array.values.len()]), device);
        for (key, moment_1) in arrays {
            let Some(name) = key.strip_prefix("moment_1.") else { continue };
            if let Some(moment_2) = arrays.get(&format!("moment_2.{name}")) {
                let momentum = AdaptiveMomentumState::new(time, tensor(moment_1), tensor(moment_2));
                self.states.insert(name.to_owned(), AdamWState::new(momentum));
            }
        }
        self
    }
}

struct SquaredNorm<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Update<'a> {
    optimizer: &'a mut Optimizer,
    path: ParameterPath,
    gradients: GradientsParams,
    scale: Tensor<1>,
    learning_rate: f64,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let name = self.path.name();
        let trained = param.val();
        let (shape, device) = (trained.dims(), trained.device());
        let n_values = shape.iter().product::<usize>();
        let gradient = gradient.reshape([n_values]) * self.scale.clone();
        let state = self.optimizer.states.remove(&name);
        let flat = trained.inner().reshape([n_values]);
        let (stepped, state) = self.optimizer.adamw.step(self.learning_rate, flat, gradient, state);
        if let Some(state) = state {
            self.optimizer.states.insert(name, state);
        }
        let stepped = stepped.reshape(shape);
        param.map(|_| {
            let stepped = if device.is_autodiff() { Tensor::from_inner(stepped) } else { stepped };
            stepped.require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Init, parameters, with_parameters};
    use crate::run::Checkpoint;

    /// The first moments after one step on a map of two values whose gradient is (3, 4), and what the map became.
    fn first_step(clip: f64, weight_decay: f64) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let device = Device::flex().autodiff();
        let mut rng = rand::SeedableRng::seed_from_u64(1);
        let linear = Init { rng: &mut rng, device: &device }.linear(2, 1, false);
        let before = parameters(&linear)["weight"].values.clone();
        let loss = linear.forward(Tensor::<2>::from_floats([[3.0, 4.0]], &device)).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &linear);
        let mut optimizer = Optimizer::new(weight_decay, clip);
        let linear = optimizer.step(0.01, linear, gradients);
        let moments = optimizer.to_arrays()["moment_1.weight"].values.clone();
        (moments, before, parameters(&linear)["weight"].values.clone())
    }

    #[test]
    fn a_gradient_is_scaled_to_the_largest_global_norm() {
        // Moments are a tenth of the gradient after one step.
        for (clip, expected) in [(1.0, [0.06, 0.08]), (2.5, [0.15, 0.2]), (5.1, [0.3, 0.4]), (100.0, [0.3, 0.4])] {
            for (found, expected) in first_step(clip, 0.0).0.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "clip {clip}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn weight_decay_is_decoupled() {
        for weight_decay in [0.0, 0.1] {
            let (_, before, after) = first_step(1.0, weight_decay);
            for (before, after) in before.iter().zip(after) {
                let expected = before * (1.0 - 0.01 * weight_decay as f32) - 0.01;
                assert!((after - expected).abs() < 1e-6, "{after} is not {expected}");
            }
        }
    }

    #[test]
    fn the_schedule_is_the_published_one() {
        for (step, expected) in [(5, 2.5e-5), (10, 5e-5), (505, 2.5e-5), (1000, 0.0)] {
            assert!((learning_rate(5e-5, 0.01, step, 1000) - expected).abs() < 1e-12, "step {step}");
        }
    }

    /// Five clipped steps of `tests/oracles/torch_lewm.py`.
    #[test]
    fn steps_are_those_of_pytorch() {
        let device = Device::flex().autodiff();
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/torch_lewm.safetensors");
        let oracle = Checkpoint::load_published(&file).unwrap().tensors;
        let read = |name: &str, step: usize| oracle[&format!("adamw.{name}.{step}")].clone();
        let arrays = |step| ["weight", "bias"].map(|name| (name.to_owned(), read(name, step))).into();
        let mut rng = rand::SeedableRng::seed_from_u64(1);
        let fresh = Init { rng: &mut rng, device: &device }.linear(4, 3, true);
        let mut linear = with_parameters(fresh, &arrays(0)).unwrap();
        let mut optimizer = Optimizer::new(0.1, 1.0);
        for step in 1..=5 {
            let Array { shape, values } = read("input", step);
            let input = Tensor::<2>::from_data(TensorData::new(values, shape), &device);
            let gradients = linear.forward(input).square().mean().backward();
            let gradients = GradientsParams::from_grads(gradients, &linear);
            linear = optimizer.step(0.05, linear, gradients);
            for (name, expected) in &arrays(step) as &BTreeMap<String, Array> {
                for (found, expected) in parameters(&linear)[name].values.iter().zip(&expected.values) {
                    assert!((found - expected).abs() < 1e-5, "step {step}, {name}: {found} is not {expected}");
                }
            }
        }
    }
}
