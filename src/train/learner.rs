//! One optimizer step: forward, loss, backward, update, and the teacher after it.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use super::TrainConfig;
use super::chance::{Purpose, stream};
use super::objective::{Losses, Objective};
use super::optimizer::{Optimizer, learning_rate};
use crate::model::{Noise, Teacher, WorldModel};
use crate::pair::Batch;

/// What an optimizer step changes.
pub struct Learner {
    /// The model, on the autodiff device.
    pub model: WorldModel,
    /// Its optimizer.
    pub optimizer: Optimizer,
    /// The slow copy of its encoder, where the objective has one.
    pub teacher: Option<Teacher>,
}

impl Learner {
    /// A learner at step 0 from `model`, which lies on the autodiff device.
    pub fn new(model: WorldModel, config: &TrainConfig) -> Self {
        let teacher = match &config.objective {
            Objective::Ema(_) => Some(Teacher::of(&model)),
            Objective::Lewm(_) | Objective::Vicreg(_) | Objective::Frozen => None,
        };
        Self { model, optimizer: Optimizer::new(config.weight_decay, config.clip), teacher }
    }

    /// The learner after `step`, counted from 0, and the losses before it; running statistics move along.
    ///
    /// Slices, noise, learning rate and momentum are those of `step`; `device` is the plain device of the model.
    pub fn step(
        self,
        batch: &Batch,
        config: &TrainConfig,
        member: usize,
        step: usize,
        device: &Device,
    ) -> (Self, Losses) {
        let Self { model, mut optimizer, teacher } = self;
        let autodiff = &device.clone().autodiff();
        let rate = learning_rate(config.learning_rate, config.warmup, step + 1, config.steps);
        let mut slices = stream(config.seed, member, Purpose::Slices, step);
        let mut noise = Noise { rng: stream(config.seed, member, Purpose::Noise, step) };
        let parts = MicroBatches::of(batch, config.micro_batches);
        let targets_ul = teacher.as_ref().map(|teacher| {
            let latents = (0..parts.n_parts()).map(|part| {
                let (values, rows) = parts.part(batch, part);
                teacher.encode(values, rows, device)
            });
            Tensor::from_inner(Tensor::cat(latents.collect(), 0))
        });
        let objective = &config.objective;
        let (model, losses) = if config.micro_batches <= 1 {
            let (units_ul, statistics) = model.encode_train(&batch.units_uf, batch.n_units, &mut noise, autodiff);
            let units_ul = if objective.trains_encoder() { units_ul } else { units_ul.detach() };
            let output = model.predict_train(units_ul, batch, &mut noise, autodiff);
            let losses = objective.losses(&output, targets_ul.as_ref(), batch, &mut slices, autodiff);
            let gradients = GradientsParams::from_grads(losses.total().backward(), &model);
            (optimizer.step(rate, model, gradients).with_running(statistics, &output), losses)
        } else {
            // The loss sees the encoder only through the latents. So: all latents without a graph; the whole loss and its
            // gradient with respect to them; then each part again, with a graph, against its share of that gradient.
            let noise_of =
                |part: usize| Noise { rng: stream(config.seed, member, Purpose::Noise, step * 4096 + part + 1) };
            let latents = |part: usize| {
                let (values, rows) = parts.part(batch, part);
                model.encode_train(values, rows, &mut noise_of(part), autodiff).0
            };
            let all: Vec<Tensor<2>> = (0..parts.n_parts()).map(|part| latents(part).detach()).collect();
            let leaf = Tensor::cat(all, 0).detach().require_grad();
            let output = model.predict_train(leaf.clone(), batch, &mut noise, autodiff);
            let losses = objective.losses(&output, targets_ul.as_ref(), batch, &mut slices, autodiff);
            let mut gradients = losses.total().backward();
            let latent_gradient =
                Tensor::<2>::from_inner(leaf.grad_remove(&mut gradients).expect("the loss depends on the latents"));
            let mut accumulator = GradientsAccumulator::new();
            accumulator.accumulate(&model, GradientsParams::from_grads(gradients, &model));
            let mut first = 0;
            let n_learning = if objective.trains_encoder() { parts.n_parts() } else { 0 };
            for part in 0..n_learning {
                let latents_ul = latents(part);
                let rows = latents_ul.dims()[0];
                let surrogate = (latents_ul * latent_gradient.clone().narrow(0, first, rows)).sum();
                accumulator.accumulate(&model, GradientsParams::from_grads(surrogate.backward(), &model));
                first += rows;
            }
            (optimizer.step(rate, model, accumulator.grads()).with_running(None, &output), losses)
        };
        let teacher = match (teacher, objective) {
            (Some(teacher), Objective::Ema(ema)) => {
                Some(teacher.follow(&model, ema.momentum_after(step + 1, config.steps)))
            }
            (teacher, _) => teacher,
        };
        (Self { model, optimizer, teacher }, losses)
    }
}

/// Even cuts of a batch's units.
struct MicroBatches {
    rows: usize,
    n_units: usize,
}

impl MicroBatches {
    fn of(batch: &Batch, parts: usize) -> Self {
        Self { rows: batch.n_units.div_ceil(parts.max(1)), n_units: batch.n_units }
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
