//! One optimizer step of a model of images, for each encoder.

use std::collections::BTreeMap;

use burn::tensor::Device;
use cytonaut::loss::SigregConfig;
use cytonaut::model::{
    ConvEncoderConfig, EncoderConfig, ImageEncoderConfig, Init, ModelConfig, ModelSizes, WorldModel,
};
use cytonaut::pair::{Anchor, Batch, Vocabulary, Weights};
use cytonaut::screen::{Intervention, Kind, Micromolar, Treatment};
use cytonaut::train::{Learner, Objective, Purpose, TrainConfig, stream};
use divan::Bencher;

/// Crops that batches are gathered from.
const POOL: usize = 256;

/// Crops of a batch: 48 treated and 16 controls.
const UNITS: usize = 64;
const TREATED: usize = 48;

const NO_ANCHOR: &Anchor = &Anchor::NONE;

/// The published predictor's sizes on one latent, and SIGReg on 1024 slices.
fn settings(encoder: EncoderConfig) -> (ModelConfig, TrainConfig) {
    let mut model = ModelConfig { latent: 192, encoder, ..ModelConfig::default() };
    model.projector.hidden = 2048;
    model.intervention.width = 192;
    (model.predictor.depth, model.predictor.mlp_width) = (6, 768);
    let mut train = TrainConfig { steps: 1_000_000, ..TrainConfig::default() };
    train.objective = Objective::Lewm(SigregConfig { slices: 1024, ..SigregConfig::default() });
    (model, train)
}

/// ViT-tiny on 96-pixel crops of five channels.
fn vit_tiny(patch: usize) -> EncoderConfig {
    EncoderConfig::Image(ImageEncoderConfig { size: 96, patch, ..ImageEncoderConfig::lewm(5) })
}

/// Crops of smooth waves, `[crop, feature]`.
fn pool(features: usize) -> Vec<f32> {
    (0..POOL * features).map(|index| (index as f32 * 0.37).sin() * 1.4).collect()
}

/// A batch of the pool's crops from `step` on.
fn batch(pool: &[f32], vocabulary: &Vocabulary, treatments: &[Treatment], step: usize) -> Batch {
    let features = pool.len() / POOL;
    let crop = |unit: usize| {
        let first = (step * 37 + unit * 5) % POOL * features;
        &pool[first..first + features]
    };
    let mut start = vec![0.0; TREATED * UNITS];
    let mut target = vec![0.0; TREATED * UNITS];
    for row in 0..TREATED {
        target[row * UNITS + row] = 1.0;
        for control in 0..4 {
            start[row * UNITS + TREATED + (row * 4 + control) % (UNITS - TREATED)] = 0.25;
        }
    }
    let drawn = (0..TREATED).map(|row| (&treatments[(step * 11 + row) % treatments.len()], NO_ANCHOR));
    Batch {
        units_uf: (0..UNITS).flat_map(crop).copied().collect(),
        n_units: UNITS,
        n_steps: 1,
        anchor: Weights::Mean(start.clone()),
        start: Weights::Mean(start),
        target: Weights::Mean(target),
        interventions: vocabulary.rows(drawn),
    }
}

fn step(bencher: Bencher, encoder: EncoderConfig) {
    let (channels, size) = encoder.crop().expect("an encoder of images");
    let (model_config, train) = settings(encoder);
    let treatment = |index: usize| Treatment {
        intervention: Intervention::single(
            format!("compound {}", index / 8),
            Kind::Compound,
            Micromolar::new(0.01 * 3f64.powi((index % 8) as i32)),
        ),
        context: String::new(),
    };
    let treatments: Vec<Treatment> = (0..8 * 280).map(treatment).collect();
    let vocabulary = Vocabulary::new(&treatments, BTreeMap::new());
    let features = channels * size * size;
    let sizes = ModelSizes {
        features,
        interventions: vocabulary.sizes(),
        dose_centers: vocabulary.dose_centers().clone(),
        channels: Vec::new(),
        signal: None,
    };
    let pool = pool(features);
    let device = Device::flex();
    let mut rng = stream(train.seed, 0, Purpose::Weights, 0);
    let model = WorldModel::new(&mut Init { rng: &mut rng, device: &device.clone().autodiff() }, &model_config, &sizes);
    let mut learner = Some(Learner::new(model, &train));
    let mut n_steps = 0;
    let mut next = || {
        let batch = batch(&pool, &vocabulary, &treatments, n_steps);
        let (stepped, losses) = learner.take().expect("put back below").step(&batch, &train, 0, n_steps, &device);
        learner = Some(stepped);
        n_steps += 1;
        losses.read()
    };
    for _ in 0..3 {
        next();
    }
    bencher.bench_local(next);
}

/// The preset `small` on 96-pixel crops of five channels: 36 tokens a crop, six blocks.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn image_training_step_small(bencher: Bencher) {
    step(bencher, EncoderConfig::Image(ImageEncoderConfig::small(5)));
}

/// ViT-tiny as published, 37 tokens a crop, twelve blocks.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn image_training_step(bencher: Bencher) {
    step(bencher, vit_tiny(16));
}

/// 145 tokens a crop.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn image_training_step_patch_8(bencher: Bencher) {
    step(bencher, vit_tiny(8));
}

/// The preset `small_48` on two channels.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn crop_training_step_attention(bencher: Bencher) {
    step(bencher, EncoderConfig::Image(ImageEncoderConfig::small_48(2)));
}

/// Strided convolutions on the same crops.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn crop_training_step_conv(bencher: Bencher) {
    step(bencher, EncoderConfig::Conv(ConvEncoderConfig { channels: 2, ..ConvEncoderConfig::default() }));
}
