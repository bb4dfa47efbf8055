//! One member of the ensemble: the training loop.

use std::collections::BTreeMap;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use super::chance::{Purpose, stream};
use super::diagnostics::Health;
use super::optimizer::{Optimizer, learning_rate};
use super::state::State;
use super::{Stop, TrainConfig, TrainError};
use crate::loss::{self, SigregMode};
use crate::model::{Array, Head, ModelConfig, ModelSizes, Noise, ProjectorNorm, TrainOutput, WorldModel};
use crate::pair::{Batch, CropShape, PairConfig, PairSet, Sampler, Vocabulary};
use crate::run::Checkpoint;
use crate::screen::Screen;

/// What a member learns from and is judged by.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The normalized screen.
    pub screen: &'a Screen,
    /// Its episodes.
    pub pairs: &'a PairSet,
    /// Names of the training treatments.
    pub vocabulary: &'a Vocabulary,
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
    let sampler = Sampler::new(data.screen, data.pairs, data.vocabulary, pair_config, anchored, identity_dropout)
        .of_crops(model_config.encoder.crop().map(|(channels, size)| CropShape { channels, size }));
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
