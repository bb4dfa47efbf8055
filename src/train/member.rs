//! One member of the ensemble: the training loop.

use super::TrainError;
use super::chance::{Purpose, stream};
use super::progress::{MemberOutcome, Progress};
use super::recipe::{Beginning, Recipe, Surroundings, TrainingData};
use super::state::State;
use crate::model::{Head, ProjectorNorm};
use crate::pair::{CropShape, Sampler};

/// Trains one member, and hands over a checkpoint now and then and at the end.
///
/// Asked to stop, it finishes the step, saves and returns [`TrainError::Stopped`]; the last checkpoint is that of the end,
/// so that it does not tell where a run was stopped.
///
/// # Errors
/// When a loss is not a number, observations or parameters do not fit the model, or a checkpoint cannot be written.
pub fn train_member(
    data: TrainingData,
    recipe: Recipe,
    member: usize,
    beginning: Beginning,
    around: Surroundings,
) -> Result<MemberOutcome, TrainError> {
    let Recipe { model: model_config, sizes, pair, train: config } = recipe;
    let Surroundings { device, stop, save, report } = around;
    if config.micro_batches > 1 && model_config.projector.norm == ProjectorNorm::Batch {
        return Err(TrainError::MicroBatchNorm { parts: config.micro_batches });
    }
    model_config.encoder.check(sizes.features)?;
    let identity_dropout = f64::from(model_config.intervention.identity_dropout);
    let anchored = model_config.predictor.head == Head::Anchored;
    let sampler =
        Sampler::new(data.screen, data.pairs, data.vocabulary, pair, data.expected, anchored, identity_dropout)
            .of_crops(model_config.encoder.crop().map(|(channels, size)| CropShape { channels, size }));
    let mut state = State::new(model_config, sizes, config, member, device, beginning.warm)?;
    if let Some(checkpoint) = beginning.resume {
        state = state.restore(&checkpoint, device)?;
    }
    if stop.is_asked() {
        return Err(TrainError::Stopped { member, step: state.step });
    }
    while !state.is_done(config) {
        let step = state.step;
        let batch = sampler.batch(&mut stream(config.seed, member, Purpose::Pairs, step));
        let losses;
        (state.learner, losses) = state.learner.step(&batch, config, member, step, device);
        state.step += 1;
        report(Progress::Step { member, step: state.step });
        let is_stopped = stop.is_asked();
        let is_logged = state.step.is_multiple_of(config.log_every) || state.step == config.steps;
        let is_evaluated = state.step.is_multiple_of(config.evaluate_every) || state.step == config.steps;
        let is_saved = is_stopped || state.step.is_multiple_of(config.checkpoint_every);
        // Only an evaluation can end training before its last step.
        if is_logged || is_evaluated || is_saved {
            let values = losses.read();
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
