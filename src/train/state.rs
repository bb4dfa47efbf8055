//! What changes from step to step of training: into a checkpoint, out of one, and to its end.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::chance::{Purpose, stream};
use super::diagnostics::{Diagnostics, Shape};
use super::latents::mean;
use super::learner::Learner;
use super::memory::{Memory, encode};
use super::progress::{MemberOutcome, Progress};
use super::recipe::TrainingData;
use super::{TrainConfig, TrainError};
use crate::model::{Array, Init, ModelConfig, ModelSizes, WorldModel, parameters, with_parameters};
use crate::pair::{Anchor, Batch, Sampler, Validation, anchor_in};
use crate::run::Checkpoint;
use crate::screen::{FeatureMatrix, Treatment};

/// Everything that changes from step to step.
pub(super) struct State {
    pub(super) learner: Learner,
    pub(super) step: usize,
    best: Option<Best>,
    stale: usize,
}

#[derive(Clone)]
struct Best {
    step: usize,
    error: f64,
    arrays: BTreeMap<String, Array>,
}

impl State {
    pub(super) fn new(
        model_config: &ModelConfig,
        sizes: &ModelSizes,
        config: &TrainConfig,
        member: usize,
        device: &Device,
        warm: Option<&BTreeMap<String, Array>>,
    ) -> Result<Self, TrainError> {
        let mut rng = stream(config.seed, member, Purpose::Weights, 0);
        let autodiff = &device.clone().autodiff();
        let mut model = WorldModel::new(&mut Init { rng: &mut rng, device: autodiff }, model_config, sizes);
        if let Some(arrays) = warm {
            model = with_parameters(model, arrays)?;
        }
        Ok(Self { learner: Learner::new(model, config), step: 0, best: None, stale: 0 })
    }

    /// Whether all steps are done, or patience has run out.
    pub(super) fn is_done(&self, config: &TrainConfig) -> bool {
        self.step >= config.steps || config.patience > 0 && self.stale >= config.patience
    }

    /// Model, moments, teacher and counters; no generator state, because every stream is keyed by the step.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        let mut put = |prefix: &str, arrays: BTreeMap<String, Array>| {
            checkpoint.tensors.extend(arrays.into_iter().map(|(name, array)| (format!("{prefix}.{name}"), array)));
        };
        put("model", parameters(&self.learner.model));
        put("optimizer", self.learner.optimizer.to_arrays());
        if let Some(teacher) = &self.learner.teacher {
            put("teacher", parameters(teacher));
        }
        if let Some(best) = &self.best {
            put("best", best.arrays.clone());
        }
        let mut note = |key: &str, value: String| checkpoint.text.insert(key.to_owned(), value);
        note("step", self.step.to_string());
        note("stale", self.stale.to_string());
        if let Some(best) = &self.best {
            note("best_step", best.step.to_string());
            // Bits, because a decimal could come back as another number.
            note("best_error", best.error.to_bits().to_string());
        }
        checkpoint
    }

    pub(super) fn restore(mut self, checkpoint: &Checkpoint, device: &Device) -> Result<Self, TrainError> {
        let take = |prefix: &str| -> BTreeMap<String, Array> {
            let under = |(name, array): (&String, &Array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()));
            checkpoint.tensors.iter().filter_map(under).collect()
        };
        let Learner { model, optimizer, teacher } = self.learner;
        let model = with_parameters(model, &take("model."))?;
        let teacher = teacher.map(|teacher| with_parameters(teacher, &take("teacher."))).transpose()?;
        self.step = number(checkpoint, "step")?;
        self.stale = number(checkpoint, "stale")?;
        let moments = take("optimizer.");
        let own = parameters(&model);
        for (name, array) in &moments {
            let parameter = ["moment_1.", "moment_2."].iter().find_map(|prefix| name.strip_prefix(prefix));
            let is_right =
                parameter.and_then(|name| own.get(name)).is_some_and(|own| own.values.len() == array.values.len());
            let twin = name.replacen("moment_1.", "moment_2.", 1);
            if !is_right || !moments.contains_key(&twin) {
                return Err(TrainError::damaged(format!(
                    "its tensor `optimizer.{name}` fits no parameter of the model"
                )));
            }
        }
        self.learner = Learner { model, optimizer: optimizer.with_arrays(&moments, self.step, device), teacher };
        if checkpoint.text.contains_key("best_step") {
            let error = f64::from_bits(number(checkpoint, "best_error")?);
            let arrays = take("best.");
            // Made once for its checks: a best model that does not fit would be found out only when training ends.
            with_parameters(self.learner.model.clone(), &arrays)?;
            self.best = Some(Best { step: number(checkpoint, "best_step")?, error, arrays });
        }
        Ok(self)
    }

    pub(super) fn evaluate(
        &mut self,
        data: TrainingData,
        batch: &Batch,
        config: &TrainConfig,
        member: usize,
        device: &Device,
        report: &dyn Fn(Progress),
    ) {
        let model = inference(&self.learner.model);
        let mut rng = stream(config.seed, member, Purpose::Diagnostics, self.step);
        let diagnostics = Diagnostics::of(&model, batch, &mut rng, device);
        let mut values = diagnostics.values();
        let held_out = HeldOut::of(&model, data, &mut rng, device);
        if let Some(HeldOut { error, shape }) = held_out {
            values.extend([("held_out_rank", shape.effective_rank), ("held_out_spread", shape.mean_spread)]);
            values.push(("validation_error", error));
            if self.best.as_ref().is_none_or(|best| error < best.error) {
                self.best = Some(Best { step: self.step, error, arrays: parameters(&self.learner.model) });
                self.stale = 0;
            } else {
                self.stale += 1;
            }
        }
        let health = diagnostics.health(&config.objective, held_out.map(|held_out| held_out.shape));
        report(Progress::Evaluation { member, step: self.step, values, health });
    }

    pub(super) fn finish(
        self,
        data: TrainingData,
        sampler: &Sampler,
        config: &TrainConfig,
        member: usize,
        device: &Device,
    ) -> Result<MemberOutcome, TrainError> {
        let mut model = inference(&self.learner.model);
        let mut step = self.step;
        if let (true, Some(best)) = (config.patience > 0, &self.best) {
            model = with_parameters(model, &best.arrays)?;
            step = best.step;
        }
        let batch = sampler.batch(&mut stream(config.seed, member, Purpose::Pairs, config.steps));
        let mut rng = stream(config.seed, member, Purpose::Diagnostics, config.steps);
        let diagnostics = Diagnostics::of(&model, &batch, &mut rng, device);
        let held_out = HeldOut::of(&model, data, &mut rng, device);
        let health = diagnostics.health(&config.objective, held_out.map(|held_out| held_out.shape));
        Ok(MemberOutcome { model, step, validation_error: held_out.map(|held_out| held_out.error), health })
    }
}

/// The model off the autodiff device.
fn inference(model: &WorldModel) -> WorldModel {
    use burn::module::Module;
    model.valid()
}

/// What the validation episodes say of a model.
#[derive(Debug, Clone, Copy)]
struct HeldOut {
    /// Squared distance of predicted to measured latents, relative to no change.
    error: f64,
    /// How the latents of their rows lie, starts and targets together.
    shape: Shape,
}

impl HeldOut {
    /// `None` without validation episodes. Every row is encoded once.
    fn of(model: &WorldModel, data: TrainingData, rng: &mut ChaCha8Rng, device: &Device) -> Option<Self> {
        let episodes = &data.pairs.validation;
        if episodes.is_empty() {
            return None;
        }
        let memory = Memory::of(model, data.screen, data.pairs, device);
        let targets = episodes.iter().flat_map(|episode| episode.steps.iter().map(|(_, rows)| rows));
        let mut rows: Vec<usize> =
            episodes.iter().flat_map(|episode| &episode.start).chain(targets).flatten().copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let latents = encode(model, &data.screen.features, &rows, device);
        let width = latents.first().map_or(0, Vec::len);
        let latents_ul = TensorData::new(latents.concat(), [latents.len(), width]);
        let shape = Shape::of(Tensor::from_data(latents_ul, device), rng);
        let latent = |row: &usize| &latents[rows.binary_search(row).expect("every row of an episode was encoded")];
        let mean_of = |rows: &Vec<usize>| mean(rows.iter().map(latent));
        let start = |episode: &Validation| -> Vec<f32> {
            let bags: Vec<Vec<f32>> = episode.start.iter().map(mean_of).collect();
            if bags.is_empty() { memory.untreated.clone() } else { mean(bags.iter()) }
        };
        let mut expected = expected_starts(model, data, device).into_iter();
        let from = |episode: &Validation| match is_expected(data, episode) {
            true => expected.next().expect("one for each episode that starts there"),
            false => start(episode),
        };
        let starts: Vec<Vec<f32>> = episodes.iter().map(from).collect();
        let present: Vec<Vec<&Treatment>> =
            episodes.iter().map(|episode| episode.steps.iter().map(|(treatment, _)| treatment).collect()).collect();
        let anchor = |treatment: &Treatment| match model.is_anchored() {
            true => anchor_in(data.pairs.anchoring, treatment, &data.pairs.treatments),
            false => Anchor::NONE,
        };
        let predicted = memory.roll_out(model, data.vocabulary, &anchor, &starts, &present, device);
        let (mut missed, mut moved) = (0.0, 0.0);
        for ((episode, start), predicted) in episodes.iter().zip(&starts).zip(&predicted) {
            for ((_, rows), predicted) in episode.steps.iter().zip(predicted).filter(|((_, rows), _)| !rows.is_empty())
            {
                for ((truth, start), predicted) in mean_of(rows).iter().zip(start).zip(predicted) {
                    missed += f64::from(truth - predicted).powi(2);
                    moved += f64::from(truth - start).powi(2);
                }
            }
        }
        Some(Self { error: missed / moved.max(1e-12), shape })
    }
}

/// Whether a validation episode starts where its treatment is expected to lead.
fn is_expected(data: TrainingData, episode: &Validation) -> bool {
    let expects = |expected: &BTreeMap<Treatment, Vec<f32>>| expected.contains_key(&episode.steps[0].0);
    data.expected.is_some_and(expects)
}

/// Latents of the starts of the validation episodes that start where their treatments are expected to lead.
fn expected_starts(model: &WorldModel, data: TrainingData, device: &Device) -> Vec<Vec<f32>> {
    let Some(expected) = data.expected else { return Vec::new() };
    let episodes = data.pairs.validation.iter().filter(|episode| is_expected(data, episode));
    let values: Vec<f32> = episodes.flat_map(|episode| &expected[&episode.steps[0].0]).copied().collect();
    let profiles = FeatureMatrix::new(data.screen.features.names().to_vec(), values);
    let rows: Vec<usize> = (0..profiles.n_rows()).collect();
    encode(model, &profiles.into(), &rows, device)
}

/// A number among a checkpoint's texts.
fn number<T: std::str::FromStr>(checkpoint: &Checkpoint, key: &str) -> Result<T, TrainError> {
    let text = checkpoint.text.get(key).ok_or_else(|| TrainError::damaged(format!("it has no entry `{key}`")))?;
    text.parse().map_err(|_| TrainError::damaged(format!("its entry `{key}` is {text:?}, expected a number")))
}
