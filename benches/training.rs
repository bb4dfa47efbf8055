//! One optimizer step of a profile model, its SIGReg alone, and what the host prepares for it.

use burn::tensor::{Device, Tensor, TensorData};
use cytonaut::loss::{SigregConfig, directions, sigreg};
use cytonaut::model::{EncoderConfig, Init, ModelConfig, ModelSizes, ProfileEncoderConfig, WorldModel};
use cytonaut::pair::{PairConfig, PairSet, Sampler, Split, SplitConfig, Vocabulary};
use cytonaut::screen::Screen;
use cytonaut::train::{Learner, Objective, Purpose, TrainConfig, stream};
use divan::Bencher;

use super::screens::generated;

const N_FEATURES: usize = 1024;

/// The published head's sizes on profiles: 1024 features -> 1024 -> 512 -> 192, six AdaLN blocks 192 wide
/// with an MLP of 768, SIGReg on 1024 slices and 17 knots. A batch is 372 treated wells and five controls of each of 28 plates: 512 latents.
fn settings() -> (ModelConfig, PairConfig, TrainConfig) {
    let mut model = ModelConfig { latent: 192, linear: false, ..ModelConfig::default() };
    model.encoder = EncoderConfig::Profile(ProfileEncoderConfig { width: 512, depth: 1, feature_dropout: 0.1 });
    model.projector.hidden = 512;
    model.intervention.width = 192;
    (model.predictor.depth, model.predictor.mlp_width) = (6, 768);
    let pair = PairConfig { batch: 372, bag: 5, ladder: 0.0, ..PairConfig::default() };
    let mut train = TrainConfig { steps: 1_000_000, ..TrainConfig::default() };
    train.objective = Objective::Lewm(SigregConfig { slices: 1024, ..SigregConfig::default() });
    (model, pair, train)
}

struct Prepared {
    screen: Screen,
    pairs: PairSet,
    vocabulary: Vocabulary,
}

fn prepared() -> Prepared {
    let screen = generated(N_FEATURES);
    let split = SplitConfig { folds: 0, validation: 0.0, calibration: 0.0, ..SplitConfig::default() };
    let split = Split::new(&screen, &split).expect("nothing is held out");
    let pairs = PairSet::new(&screen, &split, &PairConfig::default()).expect("controls on every plate");
    let vocabulary = Vocabulary::new(&pairs.treatments, Default::default());
    Prepared { screen, pairs, vocabulary }
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn training_step(bencher: Bencher) {
    let Prepared { screen, pairs, vocabulary } = prepared();
    let (model_config, pair, train) = settings();
    let sizes = ModelSizes {
        features: N_FEATURES,
        interventions: vocabulary.sizes(),
        dose_centers: vocabulary.dose_centers().clone(),
        channels: Vec::new(),
        signal: None,
    };
    let device = Device::flex();
    let mut rng = stream(train.seed, 0, Purpose::Weights, 0);
    let model = WorldModel::new(&mut Init { rng: &mut rng, device: &device.clone().autodiff() }, &model_config, &sizes);
    let mut learner = Some(Learner::new(model, &train));
    let sampler = Sampler::new(&screen, &pairs, &vocabulary, &pair, None, false, 0.0);
    let mut step = 0;
    let mut next = || {
        let batch = sampler.batch(&mut stream(train.seed, 0, Purpose::Pairs, step));
        let (stepped, losses) = learner.take().expect("put back below").step(&batch, &train, 0, step, &device);
        learner = Some(stepped);
        step += 1;
        losses.read()
    };
    for _ in 0..3 {
        next();
    }
    bencher.bench_local(next);
}

/// Forward and backward for 512 latents of width 192 on 1024 slices, projection included.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn sigreg_forward_and_backward(bencher: Bencher) {
    let device = Device::flex().autodiff();
    let config = SigregConfig { slices: 1024, ..SigregConfig::default() };
    let mut rng = stream(0, 0, Purpose::Slices, 0);
    let directions = directions(&mut rng, 192, config.slices, &device);
    let values: Vec<f32> = (0..512 * 192).map(|index| (index as f32 * 0.7).sin() * 1.4).collect();
    let latents = Tensor::<2>::from_data(TensorData::new(values, [512, 192]), &device).require_grad();
    bencher.bench_local(|| {
        let gradients = sigreg(latents.clone(), directions.clone(), &config).backward();
        latents.grad(&gradients).expect("the latents are tracked")
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn pairs_a_screen(bencher: Bencher) {
    let Prepared { screen, .. } = prepared();
    let split = Split::new(&screen, &SplitConfig::default()).expect("a screen with doses");
    bencher.bench_local(|| PairSet::new(&screen, &split, &PairConfig::default()).expect("controls on every plate"));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn gathers_a_batch(bencher: Bencher) {
    let Prepared { screen, pairs, vocabulary } = prepared();
    let (_, pair, train) = settings();
    let sampler = Sampler::new(&screen, &pairs, &vocabulary, &pair, None, false, 0.0);
    bencher.bench_local(|| sampler.batch(&mut stream(train.seed, 0, Purpose::Pairs, 0)));
}
