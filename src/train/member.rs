//! One member of the ensemble: the training loop.

use std::collections::BTreeMap;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};

use super::chance::{Purpose, stream};
use super::diagnostics::{Diagnostics, Health};
use super::optimizer::{Optimizer, learning_rate};
use super::trained::Memory;
use super::{Stop, TrainConfig, TrainError};
use crate::loss::{self, SigregMode};
use crate::model::{
    Array, Head, Init, ModelConfig, ModelSizes, Noise, ProjectorNorm, TrainOutput, WorldModel, parameters,
    with_parameters,
};
use crate::pair::{Anchor, Batch, PairConfig, PairSet, Sampler, Vocabulary, anchor_of};
use crate::run::Checkpoint;
use crate::screen::{Screen, Treatment};

/// What a member learns from and is judged by.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The normalized screen.
    pub screen: &'a Screen,
    /// Its training transitions.
    pub pairs: &'a PairSet,
    /// Names of the training treatments.
    pub vocabulary: &'a Vocabulary,
    /// Validation treatments with their rows; may be empty.
    pub validation: &'a BTreeMap<Treatment, Vec<usize>>,
}

/// What a training run tells while it goes.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Losses at a step.
    Losses {
        /// Ensemble member.
        member: usize,
        /// Step just done.
        step: usize,
        /// Names and values.
        values: Vec<(&'static str, f64)>,
    },
    /// Diagnostics at a step.
    Evaluation {
        /// Ensemble member.
        member: usize,
        /// Step just done.
        step: usize,
        /// Names and values.
        values: Vec<(&'static str, f64)>,
        /// The same in words.
        health: Health,
    },
}

/// A trained member.
#[derive(Debug)]
pub struct MemberOutcome {
    /// The model, off the autodiff device.
    pub model: WorldModel,
    /// Step whose weights it has.
    pub step: usize,
    /// Error on the validation treatments relative to no change; `None` without validation treatments.
    pub validation_error: Option<f64>,
    /// Its state at the end, in words.
    pub health: Health,
}

/// Everything that changes from step to step.
struct State {
    model: WorldModel,
    optimizer: Optimizer,
    step: usize,
    best: Option<Best>,
    stale: usize,
}

#[derive(Clone)]
struct Best {
    step: usize,
    error: f64,
    arrays: BTreeMap<String, Array>,
}

/// Trains one member, resuming from `resume` when given, and hands a checkpoint to `save` now and then and at the end.
///
/// `warm` holds the parameters of another run to start from. Asked to stop, it finishes the step, saves and returns
/// [`TrainError::Stopped`]; the last checkpoint is that of the end, so that it does not tell where a run was stopped.
///
/// # Errors
/// When a loss is no number, observations or parameters do not fit the model, or a checkpoint cannot be written.
#[expect(clippy::too_many_arguments, reason = "each is a value of its own kind, and there is one caller")]
pub fn train_member(
    data: TrainingData,
    (model_config, sizes): (&ModelConfig, &ModelSizes),
    pair_config: &PairConfig,
    config: &TrainConfig,
    member: usize,
    warm: Option<&BTreeMap<String, Array>>,
    resume: Option<Checkpoint>,
    device: &Device,
    stop: &Stop,
    save: &dyn Fn(Checkpoint) -> Result<(), TrainError>,
    report: &dyn Fn(Progress),
) -> Result<MemberOutcome, TrainError> {
    if config.micro_batches > 1 && model_config.projector.norm == ProjectorNorm::Batch {
        return Err(TrainError::MicroBatchNorm { parts: config.micro_batches });
    }
    model_config.encoder.check(sizes.features)?;
    let autodiff = device.clone().autodiff();
    let identity_dropout = f64::from(model_config.intervention.identity_dropout);
    let anchored = model_config.predictor.head == Head::Anchored;
    let sampler = Sampler::new(data.screen, data.pairs, data.vocabulary, pair_config, anchored, identity_dropout);
    let mut state = State::new(model_config, sizes, config, member, &autodiff, warm)?;
    if let Some(checkpoint) = resume {
        state = state.restore(&checkpoint, device)?;
    }
    if stop.is_asked() {
        return Err(TrainError::Stopped { member, step: state.step });
    }
    while !state.is_done(config) {
        let step = state.step;
        let batch = sampler.batch(&mut stream(config.seed, member, Purpose::Pairs, step));
        let losses;
        (state.model, losses) = one_step(state.model, &mut state.optimizer, &batch, config, member, step, &autodiff);
        state.step += 1;
        let is_stopped = stop.is_asked();
        let is_logged = state.step.is_multiple_of(config.log_every) || state.step == config.steps;
        let is_evaluated = state.step.is_multiple_of(config.evaluate_every) || state.step == config.steps;
        let is_saved = is_stopped || state.step.is_multiple_of(config.checkpoint_every);
        // Only an evaluation can end training before its last step.
        if is_logged || is_evaluated || is_saved {
            let values = losses.read(&batch, config);
            for (name, value) in &values {
                if !value.is_finite() {
                    let learning_rate = config.learning_rate;
                    return Err(TrainError::Diverged { member, step, loss: name, value: *value, learning_rate });
                }
            }
            if is_logged {
                report(Progress::Losses { member, step: state.step, values });
            }
        }
        if is_evaluated {
            state.evaluate(data, &batch, config, member, device, report);
        }
        if is_saved || state.is_done(config) {
            save(state.checkpoint())?;
        }
        if is_stopped && !state.is_done(config) {
            return Err(TrainError::Stopped { member, step: state.step });
        }
    }
    state.finish(data, &sampler, config, member, device)
}

/// Losses of one step, still on the device.
#[derive(Debug)]
pub struct Losses {
    prediction: Tensor<1>,
    sigreg: Tensor<1>,
}

impl Losses {
    /// Names and values, which waits for the device: the two losses, the weight of SIGReg, and their weighted sum.
    pub fn read(self, batch: &Batch, config: &TrainConfig) -> Vec<(&'static str, f64)> {
        let value = |tensor: Tensor<1>| f64::from(tensor.into_data().try_to_vec::<f32>().expect("losses are f32")[0]);
        let (prediction, sigreg) = (value(self.prediction), value(self.sigreg));
        let weight = loss::sigreg_weight(&config.sigreg, sigreg_units(batch, config));
        vec![
            ("prediction", prediction),
            ("sigreg", sigreg),
            ("lambda_used", weight),
            ("loss", prediction + weight * sigreg),
        ]
    }
}

fn sigreg_units(batch: &Batch, config: &TrainConfig) -> usize {
    match config.sigreg.mode {
        SigregMode::Pooled => batch.n_units,
        SigregMode::PerStep => batch.interventions.len(),
    }
}

/// Forward, loss, backward, update; the model's running statistics move along.
///
/// Slices, noise and the learning rate are those of `step`; `device` is the autodiff device of the model.
pub fn one_step(
    model: WorldModel,
    optimizer: &mut Optimizer,
    batch: &Batch,
    config: &TrainConfig,
    member: usize,
    step: usize,
    device: &Device,
) -> (WorldModel, Losses) {
    let mut slices = stream(config.seed, member, Purpose::Slices, step);
    let mut noise = Noise { rng: stream(config.seed, member, Purpose::Noise, step) };
    let rate = learning_rate(config.learning_rate, config.warmup, step + 1, config.steps);
    let losses_of = |output: &TrainOutput, slices: &mut rand_chacha::ChaCha8Rng| {
        let latent = output.units_ul.dims()[1];
        let directions_lk = loss::directions(slices, latent, config.sigreg.slices, device);
        let test = |latents_bl: Tensor<2>| loss::sigreg(latents_bl, directions_lk.clone(), &config.sigreg);
        Losses {
            prediction: loss::prediction(output.predicted_bl.clone(), output.target_bl.clone()),
            sigreg: match config.sigreg.mode {
                SigregMode::Pooled => test(output.units_ul.clone()),
                SigregMode::PerStep => (test(output.start_bl.clone()) + test(output.target_bl.clone())).div_scalar(2.0),
            },
        }
    };
    let weight = loss::sigreg_weight(&config.sigreg, sigreg_units(batch, config));
    let total = |losses: &Losses| losses.prediction.clone() + losses.sigreg.clone().mul_scalar(weight);
    if config.micro_batches <= 1 {
        let (units_ul, statistics) = model.encode_train(&batch.units_uf, batch.n_units, &mut noise, device);
        let output = model.predict_train(units_ul, batch, &mut noise, device);
        let losses = losses_of(&output, &mut slices);
        let gradients = GradientsParams::from_grads(total(&losses).backward(), &model);
        let model = optimizer.step(rate, model, gradients).with_running(statistics, &output);
        return (model, losses);
    }
    // The loss sees the encoder only through the latents. So: all latents without a graph; the whole loss and its
    // gradient with respect to them; then each part again, with a graph, against its share of that gradient.
    let parts = MicroBatches::of(batch, config.micro_batches);
    let noise_of = |part: usize| Noise { rng: stream(config.seed, member, Purpose::Noise, step * 4096 + part + 1) };
    let latents = |part: usize| {
        let (values, rows) = parts.part(batch, part);
        model.encode_train(values, rows, &mut noise_of(part), device).0
    };
    let all: Vec<Tensor<2>> = (0..parts.n_parts()).map(|part| latents(part).detach()).collect();
    let leaf = Tensor::cat(all, 0).detach().require_grad();
    let output = model.predict_train(leaf.clone(), batch, &mut noise, device);
    let losses = losses_of(&output, &mut slices);
    let mut gradients = total(&losses).backward();
    let latent_gradient =
        Tensor::<2>::from_inner(leaf.grad_remove(&mut gradients).expect("the loss depends on the latents"));
    let mut accumulator = GradientsAccumulator::new();
    accumulator.accumulate(&model, GradientsParams::from_grads(gradients, &model));
    let mut first = 0;
    for part in 0..parts.n_parts() {
        let latents_ul = latents(part);
        let rows = latents_ul.dims()[0];
        let surrogate = (latents_ul * latent_gradient.clone().narrow(0, first, rows)).sum();
        accumulator.accumulate(&model, GradientsParams::from_grads(surrogate.backward(), &model));
        first += rows;
    }
    let model = optimizer.step(rate, model, accumulator.grads()).with_running(None, &output);
    (model, losses)
}

/// Even cuts of a batch's units.
struct MicroBatches {
    rows: usize,
    n_units: usize,
}

impl MicroBatches {
    fn of(batch: &Batch, parts: usize) -> Self {
        Self { rows: batch.n_units.div_ceil(parts), n_units: batch.n_units }
    }

    fn n_parts(&self) -> usize {
        self.n_units.div_ceil(self.rows)
    }

    fn part<'a>(&self, batch: &'a Batch, part: usize) -> (&'a [f32], usize) {
        let width = batch.units_uf.len() / batch.n_units;
        let (first, last) = (part * self.rows, ((part + 1) * self.rows).min(self.n_units));
        (&batch.units_uf[first * width..last * width], last - first)
    }
}

impl State {
    fn new(
        model_config: &ModelConfig,
        sizes: &ModelSizes,
        config: &TrainConfig,
        member: usize,
        device: &Device,
        warm: Option<&BTreeMap<String, Array>>,
    ) -> Result<Self, TrainError> {
        let mut rng = stream(config.seed, member, Purpose::Weights, 0);
        let mut model = WorldModel::new(&mut Init { rng: &mut rng, device }, model_config, sizes);
        if let Some(arrays) = warm {
            model = with_parameters(model, arrays)?;
        }
        let optimizer = Optimizer::new(config.weight_decay, config.clip);
        Ok(Self { model, optimizer, step: 0, best: None, stale: 0 })
    }

    /// Whether all steps are done, or patience has run out.
    fn is_done(&self, config: &TrainConfig) -> bool {
        self.step >= config.steps || config.patience > 0 && self.stale >= config.patience
    }

    /// Model, moments and counters; no generator state, because every stream is keyed by the step.
    fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        let mut put = |prefix: &str, arrays: BTreeMap<String, Array>| {
            checkpoint.tensors.extend(arrays.into_iter().map(|(name, array)| (format!("{prefix}.{name}"), array)));
        };
        put("model", parameters(&self.model));
        put("optimizer", self.optimizer.to_arrays());
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

    fn restore(mut self, checkpoint: &Checkpoint, device: &Device) -> Result<Self, TrainError> {
        let take = |prefix: &str| -> BTreeMap<String, Array> {
            let under = |(name, array): (&String, &Array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()));
            checkpoint.tensors.iter().filter_map(under).collect()
        };
        self.model = with_parameters(self.model, &take("model."))?;
        self.step = number(checkpoint, "step")?;
        self.stale = number(checkpoint, "stale")?;
        let moments = take("optimizer.");
        let own = parameters(&self.model);
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
        self.optimizer = self.optimizer.with_arrays(&moments, self.step, device);
        if checkpoint.text.contains_key("best_step") {
            let error = f64::from_bits(number(checkpoint, "best_error")?);
            let arrays = take("best.");
            // Made once for its checks: a best model that does not fit would be found out only when training ends.
            with_parameters(self.model.clone(), &arrays)?;
            self.best = Some(Best { step: number(checkpoint, "best_step")?, error, arrays });
        }
        Ok(self)
    }

    fn evaluate(
        &mut self,
        data: TrainingData,
        batch: &Batch,
        config: &TrainConfig,
        member: usize,
        device: &Device,
        report: &dyn Fn(Progress),
    ) {
        let model = inference(&self.model);
        let mut rng = stream(config.seed, member, Purpose::Diagnostics, self.step);
        let diagnostics = Diagnostics::of(&model, batch, &config.sigreg, &mut rng, device);
        let mut values = diagnostics.values();
        if let Some(error) = validation_error(&model, data, device) {
            values.push(("validation_error", error));
            if self.best.as_ref().is_none_or(|best| error < best.error) {
                self.best = Some(Best { step: self.step, error, arrays: parameters(&self.model) });
                self.stale = 0;
            } else {
                self.stale += 1;
            }
        }
        let latent = batch_latent(&model, batch, device);
        report(Progress::Evaluation { member, step: self.step, values, health: diagnostics.health(latent) });
    }

    fn finish(
        self,
        data: TrainingData,
        sampler: &Sampler,
        config: &TrainConfig,
        member: usize,
        device: &Device,
    ) -> Result<MemberOutcome, TrainError> {
        let mut model = inference(&self.model);
        let mut step = self.step;
        let mut error = validation_error(&model, data, device);
        if let (true, Some(best)) = (config.patience > 0, &self.best) {
            model = with_parameters(model, &best.arrays)?;
            (step, error) = (best.step, Some(best.error));
        }
        let batch = sampler.batch(&mut stream(config.seed, member, Purpose::Pairs, config.steps));
        let mut rng = stream(config.seed, member, Purpose::Diagnostics, config.steps);
        let health = Diagnostics::of(&model, &batch, &config.sigreg, &mut rng, device)
            .health(batch_latent(&model, &batch, device));
        Ok(MemberOutcome { model, step, validation_error: error, health })
    }
}

/// The model off the autodiff device.
fn inference(model: &WorldModel) -> WorldModel {
    use burn::module::Module;
    model.valid()
}

fn batch_latent(model: &WorldModel, batch: &Batch, device: &Device) -> usize {
    let width = batch.units_uf.len() / batch.n_units;
    let row = Tensor::<2>::from_data(TensorData::new(batch.units_uf[..width].to_vec(), [1, width]), device);
    model.encode(row).dims()[1]
}

/// Squared distance of predicted to measured consensus latents of the validation treatments, relative to no change.
fn validation_error(model: &WorldModel, data: TrainingData, device: &Device) -> Option<f64> {
    if data.validation.is_empty() {
        return None;
    }
    let memory = Memory::of(model, data.screen, data.pairs, device);
    let treatments: Vec<&Treatment> = data.validation.keys().collect();
    let anchor = |treatment: &Treatment| {
        if model.is_anchored() { anchor_of(treatment, &data.pairs.treatments) } else { Anchor::NONE }
    };
    let anchors: Vec<_> = treatments.iter().copied().map(anchor).collect();
    let starts: Vec<Vec<f32>> = data
        .validation
        .values()
        .map(|rows| memory.start_of_rows(model, data.screen, data.pairs, rows, device))
        .collect();
    let predicted = memory.predict(model, data.vocabulary, &treatments, &anchors, &starts, device);
    let (mut missed, mut moved) = (0.0, 0.0);
    for ((rows, start), predicted) in data.validation.values().zip(&starts).zip(&predicted) {
        let truth = super::trained::mean_latent(model, data.screen, rows, device);
        for ((truth, start), predicted) in truth.iter().zip(start).zip(predicted) {
            missed += f64::from(truth - predicted).powi(2);
            moved += f64::from(truth - start).powi(2);
        }
    }
    Some(missed / moved.max(1e-12))
}

/// A number among a checkpoint's texts.
fn number<T: std::str::FromStr>(checkpoint: &Checkpoint, key: &str) -> Result<T, TrainError> {
    let text = checkpoint.text.get(key).ok_or_else(|| TrainError::damaged(format!("it has no entry `{key}`")))?;
    text.parse().map_err(|_| TrainError::damaged(format!("its entry `{key}` is {text:?}, expected a number")))
}
