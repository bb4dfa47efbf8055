//! Layer by layer against PyTorch: numbers of `tests/oracles/torch_lewm.py`.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

use super::image::ImageEncoderConfig;
use super::layer::{BatchStatistics, Noise};
use super::lewm::{ActionConfig, Lewm, LewmConfig, published, renamed};
use super::parameters::{Array, ParameterPath, parameters};
use super::predictor::{HistoryConfig, PredictorConfig};
use super::{Pool, epps_pulley};

const TOLERANCE: f32 = 1e-4;

const BATCH: usize = 5;
const TIME: usize = 4;
const HISTORY: usize = 3;
const LATENT: usize = 12;

/// Everything that the script wrote; integers as numbers.
struct Oracle(BTreeMap<String, Array>);

impl Oracle {
    fn read() -> Self {
        let bytes = include_bytes!("../../tests/oracles/torch_lewm.safetensors");
        let file = SafeTensors::deserialize(bytes).unwrap();
        let array = |tensor: &safetensors::tensor::TensorView| {
            let data = tensor.data();
            let values = match tensor.dtype() {
                Dtype::F32 => data.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
                Dtype::I64 => data.as_chunks().0.iter().map(|&eight| i64::from_le_bytes(eight) as f32).collect(),
                other => panic!("{other:?}"),
            };
            Array { shape: tensor.shape().to_vec(), values }
        };
        Self(file.iter().map(|(name, tensor)| (name.to_owned(), array(&tensor))).collect())
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let Array { shape, values } = self.0[name].clone();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn under(&self, prefix: &str) -> BTreeMap<String, Array> {
        let under = |(name, array): (&String, &Array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()));
        self.0.iter().filter_map(under).collect()
    }

    fn check<const D: usize>(&self, name: &str, found: Tensor<D>) {
        let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
        assert_close(name, &found, &self.0[name].values);
    }
}

fn assert_close(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= TOLERANCE * expected.abs().max(1.0), "{name}[{index}]: {found} is not {expected}");
    }
}

fn config() -> LewmConfig {
    let published = LewmConfig::default();
    LewmConfig {
        encoder: ImageEncoderConfig {
            size: 12,
            patch: 4,
            width: LATENT,
            depth: 2,
            mlp_width: 20,
            pool: Pool::Class,
            ..ImageEncoderConfig::lewm(2)
        },
        projector_hidden: 18,
        actions: ActionConfig { inputs: 5, smoothed: 4, hidden: 16 },
        predictor: PredictorConfig { depth: 2, mlp_width: 14, dropout: 0.0, ..published.predictor },
        history: HistoryConfig { heads: 2, head_width: 5, ..published.history },
    }
}

fn model(oracle: &Oracle, device: &Device) -> Lewm {
    Lewm::from_published(&oracle.under("weights."), &config(), device).unwrap()
}

fn noise() -> Noise {
    Noise { rng: ChaCha8Rng::seed_from_u64(0) }
}

#[test]
fn the_encoder_agrees_layer_by_layer() {
    let (oracle, device) = (Oracle::read(), Device::flex());
    let model = model(&oracle, &device);
    for (index, layer) in model.parts().0.layers(oracle.tensor("pictures", &device)).into_iter().enumerate() {
        oracle.check(&format!("encoder.{index}"), layer);
    }
}

#[test]
fn the_projector_agrees_in_training_and_in_use() {
    let (oracle, device) = (Oracle::read(), Device::flex());
    let model = model(&oracle, &device);
    let (latents, statistics) = model.encode_train(oracle.tensor("pictures", &device), &mut noise());
    oracle.check("latents", latents);
    let (encoder, projector, _, _) = model.parts();
    let statistics: BatchStatistics = statistics.unwrap();
    let projector = projector.clone().with_running(&statistics, 0.1);
    let own = parameters(&projector);
    for (ours, theirs) in [("running_mean", "running_mean"), ("running_variance", "running_var")] {
        let name = format!("after.projector.{theirs}");
        assert_close(&name, &own[&format!("batch_norm.{ours}")].values, &oracle.0[&name].values);
    }
    let encoded = encoder.forward(oracle.tensor("pictures", &device), None);
    oracle.check("latents_in_use", projector.forward(encoded));
}

#[test]
fn the_predictor_agrees_layer_by_layer() {
    let (oracle, device) = (Oracle::read(), Device::flex());
    let model = model(&oracle, &device);
    let actions = oracle.tensor::<3>("actions", &device).narrow(1, 0, HISTORY);
    let (_, _, action_encoder, predictor) = model.parts();
    let encoding = action_encoder.forward(actions.clone());
    oracle.check("encoding", encoding.clone());
    let latents = oracle.tensor::<2>("latents", &device).reshape([BATCH, TIME, LATENT]).narrow(1, 0, HISTORY);
    for (index, layer) in predictor.layers(latents.clone(), encoding).into_iter().enumerate() {
        oracle.check(&format!("predictor.{index}"), layer);
    }
    oracle.check("predicted", model.predict_train(latents, actions, &mut noise()).0);
}

/// SIGReg of each step of time on the given directions, averaged.
fn sigreg(latents_bl: Tensor<2>, directions_lk: Tensor<2>) -> Tensor<1> {
    let in_time = latents_bl.reshape([BATCH, TIME, LATENT]);
    let steps = (0..TIME).map(|step| {
        let step_bl = in_time.clone().narrow(1, step, 1).reshape([BATCH, LATENT]);
        epps_pulley(step_bl.matmul(directions_lk.clone()), 17, 3.0)
    });
    Tensor::cat(steps.collect(), 0).mean()
}

#[test]
fn sigreg_and_its_gradient_agree() {
    let (oracle, device) = (Oracle::read(), Device::flex().autodiff());
    let latents = oracle.tensor::<2>("latents", &device).require_grad();
    let value = sigreg(latents.clone(), oracle.tensor("directions", &device));
    oracle.check("sigreg", value.clone());
    oracle.check("sigreg_gradient", latents.grad(&value.backward()).unwrap());
}

struct ByName<'a> {
    gradients: &'a Gradients,
    path: ParameterPath,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for ByName<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.insert(self.path.name(), gradient.into_data().try_to_vec().unwrap());
        }
    }
}

#[test]
fn the_gradient_of_the_whole_loss_agrees_for_every_parameter() {
    let (oracle, device) = (Oracle::read(), Device::flex().autodiff());
    let model = model(&oracle, &device);
    let (latents, _) = model.encode_train(oracle.tensor("pictures", &device), &mut noise());
    let in_time = latents.clone().reshape([BATCH, TIME, LATENT]);
    let actions = oracle.tensor::<3>("actions", &device).narrow(1, 0, HISTORY);
    let (predicted, _) = model.predict_train(in_time.clone().narrow(1, 0, HISTORY), actions, &mut noise());
    let prediction = (predicted - in_time.narrow(1, 1, HISTORY)).square().mean();
    oracle.check("prediction", prediction.clone());
    let loss = prediction + sigreg(latents, oracle.tensor("directions", &device)).mul_scalar(0.09);
    let gradients = loss.backward();
    let mut visitor = ByName { gradients: &gradients, path: ParameterPath::default(), found: BTreeMap::new() };
    model.visit(&mut visitor);

    // The gradients of the script under our names; buffers have none, and stand in as zeros.
    let list = published(&config());
    let mut theirs = oracle.under("gradient.");
    assert_eq!(theirs.len() + 6, list.len(), "two batch norms with three buffers each");
    for entry in &list {
        let zeros = || Array { shape: entry.shape.clone(), values: vec![0.0; entry.shape.iter().product()] };
        theirs.entry(entry.name.clone()).or_insert_with(zeros);
    }
    let expected = renamed(&theirs, &list, &parameters(&model)).unwrap();
    assert_eq!(visitor.found.len() + 4, expected.len());
    for (name, found) in &visitor.found {
        assert_close(name, found, &expected[name].values);
    }
}
