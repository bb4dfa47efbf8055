//! Learning, on screens that are made up here because their truth must be known.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::loss::SigregConfig;
use crate::model::{
    Array, EncoderConfig, Head, ModelConfig, ModelSizes, ProfileEncoderConfig, ProjectorNorm, parameters,
};
use crate::pair::{PairConfig, PairSet, Split, Validation, Vocabulary};
use crate::run::{Checkpoint, NonFinite};
use crate::screen::{Design, FeatureMatrix, Intervention, Kind, Micromolar, Role, Screen, Unit, Units};

fn observation(plate: usize, compound: Option<usize>) -> Unit {
    let treated = |compound| Intervention::single(format!("compound {compound}"), Kind::Compound, Micromolar::new(1.0));
    Unit {
        plate: format!("plate {plate}"),
        well: None,
        role: if compound.is_some() { Role::Treatment } else { Role::NegativeControl },
        intervention: compound.map_or_else(Intervention::untreated, treated),
        context: String::new(),
        lab_batch: None,
        replicate: None,
        cell_count: None,
    }
}

fn screen(observations: Vec<Unit>, values: Vec<f32>) -> Screen {
    Screen {
        name: "made up".into(),
        design: Design::AgainstControls,
        features: FeatureMatrix::numbered("f", values.len() / observations.len(), values).into(),
        units: Units::of_rows(observations, &[]),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    rng.sample(StandardNormal)
}

/// Eight compounds, each in `replicates` wells, beside eight controls, on one plate; each compound moves ten features.
fn eight_compounds(replicates: usize) -> Screen {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut observations: Vec<Unit> = (0..8).map(|_| observation(0, None)).collect();
    let mut values: Vec<f32> = (0..80).map(|_| 0.1 * normal(&mut rng)).collect();
    for compound in 0..8 {
        let effect: Vec<f32> = (0..10).map(|_| normal(&mut rng)).collect();
        for _ in 0..replicates {
            observations.push(observation(0, Some(compound)));
            values.extend(effect.iter().map(|effect| effect + 0.1 * normal(&mut rng)));
        }
    }
    screen(observations, values)
}

/// Everything that training is given, with small settings to change.
struct Setup {
    screen: Screen,
    pairs: PairSet,
    vocabulary: Vocabulary,
    model: ModelConfig,
    pair: PairConfig,
    train: TrainConfig,
    stop: Stop,
}

/// A trained member, the checkpoints it left and what it told.
struct Trained {
    outcome: MemberOutcome,
    checkpoints: Vec<Checkpoint>,
    losses: Vec<Vec<(&'static str, f64)>>,
    evaluations: Vec<BTreeMap<&'static str, f64>>,
}

/// The default objective with few slices.
fn lewm(lambda: f64) -> Objective {
    Objective::Lewm(SigregConfig { lambda, slices: 64, ..SigregConfig::default() })
}

fn profile_encoder(width: usize) -> EncoderConfig {
    EncoderConfig::Profile(ProfileEncoderConfig { width, depth: 1, feature_dropout: 0.0 })
}

impl Setup {
    fn of(screen: Screen) -> Self {
        let pairs = PairSet::new(&screen, &Split::none(&screen), &PairConfig::default()).unwrap();
        let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
        let mut model = ModelConfig { latent: 4, linear: false, ..ModelConfig::default() };
        model.encoder = profile_encoder(32);
        model.projector.hidden = 32;
        model.intervention.width = 16;
        model.intervention.identity_dropout = 0.0;
        model.predictor.depth = 1;
        model.predictor.mlp_width = 32;
        let mut train = TrainConfig { steps: 20, log_every: 1, evaluate_every: 5, ..TrainConfig::default() };
        train.objective = lewm(0.05);
        Self { screen, pairs, vocabulary, model, pair: PairConfig::default(), train, stop: Stop::default() }
    }

    fn sizes(&self) -> ModelSizes {
        ModelSizes {
            features: self.screen.features.n_features(),
            interventions: self.vocabulary.sizes(),
            dose_centers: self.vocabulary.dose_centers().clone(),
            channels: Vec::new(),
            signal: None,
        }
    }

    fn run(&self, member: usize, resume: Option<Checkpoint>) -> Result<Trained, TrainError> {
        let (checkpoints, losses, evaluations) = (RefCell::default(), RefCell::default(), RefCell::default());
        let data =
            TrainingData { screen: &self.screen, pairs: &self.pairs, vocabulary: &self.vocabulary, expected: None };
        let sizes = self.sizes();
        let save = |checkpoint: Checkpoint| {
            RefCell::<Vec<_>>::borrow_mut(&checkpoints).push(checkpoint);
            Ok(())
        };
        let report = |progress: Progress| match progress {
            Progress::Step { .. } => {}
            Progress::Losses { values, .. } => RefCell::<Vec<_>>::borrow_mut(&losses).push(values),
            Progress::Evaluation { values, .. } => {
                RefCell::<Vec<_>>::borrow_mut(&evaluations).push(values.into_iter().collect());
            }
        };
        let recipe = Recipe { model: &self.model, sizes: &sizes, pair: &self.pair, train: &self.train };
        let around = Surroundings { device: &Device::flex(), stop: &self.stop, save: &save, report: &report };
        let outcome = train_member(data, recipe, member, Beginning { warm: None, resume }, around)?;
        Ok(Trained {
            outcome,
            checkpoints: checkpoints.into_inner(),
            losses: losses.into_inner(),
            evaluations: evaluations.into_inner(),
        })
    }

    fn parameters(&self, member: usize, resume: Option<Checkpoint>) -> BTreeMap<String, Array> {
        parameters(&self.run(member, resume).unwrap().outcome.model)
    }
}

#[test]
fn eight_pairs_are_overfitted() {
    let mut setup = Setup::of(eight_compounds(1));
    setup.model.predictor.dropout = 0.0;
    setup.train = TrainConfig { steps: 200, learning_rate: 5e-3, log_every: 50, evaluate_every: 200, ..setup.train };
    let trained = setup.run(0, None).unwrap();
    let last = &trained.evaluations[0];
    assert!(last["r2_against_mean_shift"] > 0.95, "{last:?}");
    assert!(last["r2_against_persistence"] > 0.95, "{last:?}");
    assert!(last["action_gap"] > 1.0, "{last:?}");
    assert_eq!(trained.outcome.health, Health::Fine);
}

#[test]
fn every_head_learns_under_every_objective() {
    for head in [Head::Residual, Head::Anchored, Head::Published] {
        let others = [Objective::Ema(EmaConfig::default()), Objective::Vicreg(Default::default()), Objective::Frozen];
        for objective in others.into_iter().chain([lewm(0.05)]) {
            let mut setup = Setup::of(eight_compounds(3));
            setup.model.predictor.head = head;
            setup.train.steps = 60;
            setup.train.learning_rate = 5e-3;
            setup.train.objective = objective.clone();
            let losses = setup.run(0, None).unwrap().losses;
            let (first, last) = (losses[0].last().unwrap(), losses[59].last().unwrap());
            assert_eq!(first.0, "loss");
            assert!(last.1 < 0.9 * first.1, "{head:?}, {objective:?}: {first:?} to {last:?}");
        }
    }
}

#[test]
fn a_frozen_encoder_keeps_its_weights_while_the_predictor_learns() {
    let mut setup = Setup::of(eight_compounds(3));
    setup.model.projector.norm = ProjectorNorm::Layer;
    for micro_batches in [1, 2] {
        setup.train = TrainConfig { objective: Objective::Frozen, micro_batches, ..setup.train };
        let mut after = |steps: usize| {
            setup.train.steps = steps;
            setup.parameters(0, None)
        };
        let (one, many) = (after(1), after(20));
        let changed: Vec<&String> = one.keys().filter(|name| one[*name] != many[*name]).collect();
        assert!(changed.iter().any(|name| name.starts_with("predictor.")), "{changed:?}");
        assert!(
            !changed.iter().any(|name| name.starts_with("encoder.") || name.starts_with("projector.")),
            "{changed:?}"
        );
    }
}

#[test]
fn one_seed_gives_one_model_and_another_seed_or_member_another() {
    let mut setup = Setup::of(eight_compounds(2));
    let first = setup.parameters(0, None);
    assert_eq!(first, setup.parameters(0, None));
    assert_ne!(first, setup.parameters(1, None));
    setup.train.seed += 1;
    assert_ne!(first, setup.parameters(0, None));
}

#[test]
fn resuming_equals_not_having_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("member-0.safetensors");
    let ema = Objective::Ema(EmaConfig { momentum: 0.9 });
    let objectives = [lewm(0.05), ema, Objective::Vicreg(Default::default()), Objective::Frozen];
    for (patience, objective) in objectives.into_iter().flat_map(|it| [(0, it.clone()), (100, it)]) {
        let mut setup = Setup::of(eight_compounds(3));
        let held_out = setup.pairs.treatments[3].clone();
        let controls = setup.pairs.untreated.clone();
        let steps = vec![(held_out, setup.pairs.rows[3].clone())];
        setup.pairs.validation = vec![Validation { start: vec![controls], steps }];
        setup.train = TrainConfig { checkpoint_every: 7, patience, objective, ..setup.train };
        let whole = setup.run(2, None).unwrap();
        let expected = parameters(&whole.outcome.model);
        assert_eq!(whole.checkpoints.len(), 3, "after steps 7, 14 and 20");
        for checkpoint in &whole.checkpoints {
            checkpoint.save(&path).unwrap();
            let read = Checkpoint::load(&path, NonFinite::Refuse).unwrap();
            assert_eq!(&read, checkpoint);
            let resumed = setup.run(2, Some(read)).unwrap();
            assert_eq!(parameters(&resumed.outcome.model), expected);
            assert_eq!(resumed.outcome.step, whole.outcome.step);
            assert_eq!(resumed.outcome.validation_error, whole.outcome.validation_error);
            let n_left = resumed.losses.len();
            assert_eq!(resumed.losses, whole.losses[whole.losses.len() - n_left..]);
        }
    }
}

#[test]
fn asked_to_stop_it_saves_the_step_and_goes_on_from_there() {
    let mut setup = Setup::of(eight_compounds(3));
    setup.train = TrainConfig { checkpoint_every: 7, ..setup.train };
    let whole = setup.run(1, None).unwrap();
    let (sizes, checkpoints) = (setup.sizes(), RefCell::new(Vec::new()));
    let data =
        TrainingData { screen: &setup.screen, pairs: &setup.pairs, vocabulary: &setup.vocabulary, expected: None };
    let save = |checkpoint: Checkpoint| {
        checkpoints.borrow_mut().push(checkpoint);
        Ok(())
    };
    let stop = Stop::default();
    let report = |progress: Progress| {
        if matches!(progress, Progress::Losses { step: 10, .. }) {
            stop.ask();
        }
    };
    let recipe = Recipe { model: &setup.model, sizes: &sizes, pair: &setup.pair, train: &setup.train };
    let around = Surroundings { device: &Device::flex(), stop: &stop, save: &save, report: &report };
    let error = train_member(data, recipe, 1, Beginning::default(), around).err();
    // Asked during step 10, it is seen after the next.
    assert!(matches!(error, Some(TrainError::Stopped { member: 1, step: 11 })), "{error:?}");
    let last = checkpoints.into_inner().pop().unwrap();
    assert_eq!(last.text["step"], "11");
    let resumed = setup.run(1, Some(last)).unwrap();
    assert_eq!(parameters(&resumed.outcome.model), parameters(&whole.outcome.model));
    assert_eq!(resumed.checkpoints.last(), whole.checkpoints.last());
}

#[test]
fn refuses_a_checkpoint_of_another_model() {
    let mut setup = Setup::of(eight_compounds(1));
    setup.train.checkpoint_every = 7;
    let checkpoint = setup.run(0, None).unwrap().checkpoints.remove(0);
    let message = |checkpoint: Checkpoint, setup: &Setup| setup.run(0, Some(checkpoint)).err().unwrap().to_string();
    let mut without_step = checkpoint.clone();
    without_step.text.remove("step");
    assert_eq!(
        message(without_step, &setup),
        "the checkpoint is damaged: it has no entry `step`; copy the file again, or delete it and run `cytonaut run` again"
    );
    let mut short = checkpoint.clone();
    let name = short.tensors.keys().find(|name| name.starts_with("optimizer.moment_1.")).unwrap().clone();
    short.tensors.get_mut(&name).unwrap().values.pop();
    let expected = format!("its tensor `{name}` fits no parameter of the model");
    assert!(message(short, &setup).contains(&expected));
    let mut lone = checkpoint.clone();
    lone.tensors.remove(&name.replace("moment_1", "moment_2"));
    assert!(message(lone, &setup).contains(&expected));
    setup.model.latent = 5;
    let found = message(checkpoint, &setup);
    assert!(found.contains("the model expects"), "{found}");
}

#[test]
fn micro_batches_take_the_step_of_the_whole_batch() {
    for objective in [lewm(0.05), Objective::Ema(EmaConfig { momentum: 0.9 })] {
        let mut setup = Setup::of(eight_compounds(3));
        setup.train.objective = objective;
        setup.model.projector.norm = ProjectorNorm::Layer;
        setup.train = TrainConfig { steps: 8, learning_rate: 1e-3, ..setup.train };
        let (whole, expected) = (setup.run(0, None).unwrap(), setup.parameters(0, None));
        setup.train.micro_batches = 3;
        let (parts, found) = (setup.run(0, None).unwrap(), setup.parameters(0, None));
        for (found, expected) in parts.losses.iter().flatten().zip(whole.losses.iter().flatten()) {
            assert!((found.1 - expected.1).abs() < 1e-5 * (1.0 + expected.1.abs()), "{found:?} is not {expected:?}");
        }
        for (name, array) in &found {
            for (found, expected) in array.values.iter().zip(&expected[name].values) {
                assert!((found - expected).abs() < 1e-5, "{name}: {found} is not {expected}");
            }
        }
    }
}

#[test]
fn micro_batches_with_a_batch_norm_are_refused() {
    let mut setup = Setup::of(eight_compounds(1));
    setup.train.micro_batches = 3;
    let error = setup.run(0, None).err().unwrap().to_string();
    assert!(error.starts_with("train.micro_batches = 3 needs model.projector.norm = \"layer\""), "{error}");
}

#[test]
fn a_value_that_is_no_number_stops_training_before_it_is_saved() {
    let mut screen = eight_compounds(1);
    screen.features.in_memory_mut().row_mut(12)[3] = f32::NAN;
    let mut setup = Setup::of(screen);
    for log_every in [1, 100] {
        setup.train = TrainConfig { steps: 100, log_every, checkpoint_every: 10, ..setup.train };
        let error = setup.run(0, None).err().unwrap();
        let TrainError::Diverged { step, .. } = &error else { panic!("{error}") };
        assert_eq!(*step, if log_every == 1 { 0 } else { 4 });
        assert!(error.to_string().contains("lower train.learning_rate"), "{error}");
    }
}

#[test]
fn without_sigreg_latents_collapse_and_training_says_so() {
    let mut setup = Setup::of(eight_compounds(2));
    setup.train = TrainConfig { steps: 300, learning_rate: 1e-2, evaluate_every: 300, ..setup.train };
    setup.train.objective = lewm(0.0);
    let outcome = setup.run(0, None).unwrap().outcome;
    let Health::Collapsing(words) = &outcome.health else { panic!("{:?}", outcome.health) };
    assert!(words.starts_with("latents are collapsing: mean spread 0."), "{words}");
    setup.train.objective = lewm(0.05);
    assert_eq!(setup.run(0, None).unwrap().outcome.health, Health::Fine);
}

/// The arrays of a checkpoint whose names begin with `prefix` and continue with a part that a teacher has.
fn of_encoder(checkpoint: &Checkpoint, prefix: &str) -> BTreeMap<String, Array> {
    let under = |(name, array): (&String, &Array)| Some((name.strip_prefix(prefix)?.to_owned(), array.clone()));
    let mut arrays: BTreeMap<String, Array> = checkpoint.tensors.iter().filter_map(under).collect();
    arrays.retain(|name, _| name.starts_with("encoder.") || name.starts_with("projector."));
    arrays
}

#[test]
fn the_teacher_is_the_moving_average_of_the_students_by_its_closed_form() {
    let mut setup = Setup::of(eight_compounds(2));
    let ema = EmaConfig { momentum: 0.6 };
    setup.train = TrainConfig { checkpoint_every: 1, objective: Objective::Ema(ema.clone()), ..setup.train };
    let checkpoints = setup.run(0, None).unwrap().checkpoints;
    assert_eq!(checkpoints.len(), 20);
    // The weight of the student of each step in the last teacher, from the definition: (1 - m_k) times all later momenta.
    // The first student, that of step 0, is what the first checkpoint's teacher tells once its own share is taken off.
    let momentum = |step: usize| 0.6 + 0.4 * (step as f64 - 1.0) / 20.0;
    let later = |step: usize| -> f64 { (step + 1..=20).map(momentum).product() };
    let students: Vec<_> = checkpoints.iter().map(|checkpoint| of_encoder(checkpoint, "model.")).collect();
    let (first, last) = (of_encoder(&checkpoints[0], "teacher."), of_encoder(&checkpoints[19], "teacher."));
    assert!(last.keys().any(|name| name.contains("running_mean")), "buffers are averaged too: {:?}", last.keys());
    let mut moved = 0.0f64;
    for (name, array) in &last {
        for (index, &found) in array.values.iter().enumerate() {
            let student = |step: usize| f64::from(students[step - 1][name].values[index]);
            let initial = (f64::from(first[name].values[index]) - (1.0 - momentum(1)) * student(1)) / momentum(1);
            let expected = later(0) * initial
                + (1..=20).map(|step| (1.0 - momentum(step)) * later(step) * student(step)).sum::<f64>();
            assert!((f64::from(found) - expected).abs() < 1e-5, "{name}: {found} is not {expected}");
            moved = moved.max((f64::from(found) - student(20)).abs());
        }
    }
    assert!(moved > 1e-3, "the teacher lags behind the student");
}

#[test]
fn a_teacher_of_full_momentum_stays_and_one_without_is_the_student() {
    let mut setup = Setup::of(eight_compounds(2));
    let config = TrainConfig { checkpoint_every: 1, ..setup.train };
    for (momentum, of_student) in [(1.0, 0), (0.0, 1)] {
        // One step: at the last of several a schedule that rises to 1 would be nearly there.
        setup.train = TrainConfig { steps: 1, objective: Objective::Ema(EmaConfig { momentum }), ..config.clone() };
        let stepped = setup.run(0, None).unwrap().checkpoints.remove(0);
        let mut rng = stream(setup.train.seed, 0, Purpose::Weights, 0);
        let mut init = crate::model::Init { rng: &mut rng, device: &Device::flex() };
        let initial = parameters(&crate::model::WorldModel::new(&mut init, &setup.model, &setup.sizes()));
        let teacher = of_encoder(&stepped, "teacher.");
        let student = of_encoder(&stepped, "model.");
        for (name, array) in &teacher {
            let expected = if of_student == 0 { &initial[name] } else { &student[name] };
            assert_eq!(array, expected, "{name} at momentum {momentum}");
        }
        assert_ne!(teacher, if of_student == 0 { student } else { initial }, "the step changed something");
    }
}

#[test]
fn no_gradient_flows_into_what_a_teacher_sees() {
    let setup = Setup::of(eight_compounds(2));
    let device = Device::flex();
    let sampler =
        crate::pair::Sampler::new(&setup.screen, &setup.pairs, &setup.vocabulary, &setup.pair, None, false, 0.0);
    let batch = sampler.batch(&mut stream(1, 0, Purpose::Pairs, 0));
    let gradient_of_targets = |objective: &Objective| {
        let autodiff = device.clone().autodiff();
        let mut rng = stream(1, 0, Purpose::Weights, 0);
        let mut init = crate::model::Init { rng: &mut rng, device: &autodiff };
        let model = crate::model::WorldModel::new(&mut init, &setup.model, &setup.sizes());
        let config = TrainConfig { objective: objective.clone(), ..setup.train.clone() };
        let learner = Learner::new(model, &config);
        let mut noise = crate::model::Noise { rng: stream(1, 0, Purpose::Noise, 0) };
        let (units_ul, _) = learner.model.encode_train(&batch.units_uf, batch.n_units, &mut noise, &autodiff);
        let leaf = units_ul.detach().require_grad();
        let output = learner.model.predict_train(leaf.clone(), &batch, &mut noise, &autodiff);
        let seen = learner
            .teacher
            .as_ref()
            .map(|teacher| burn::tensor::Tensor::from_inner(teacher.encode(&batch.units_uf, batch.n_units, &device)));
        let mut slices = stream(1, 0, Purpose::Slices, 0);
        let losses = objective.losses(&output, seen.as_ref(), &batch, &mut slices, &autodiff);
        let mut gradients = losses.total().backward();
        let gradient: Vec<f32> = leaf.grad_remove(&mut gradients).unwrap().into_data().try_to_vec().unwrap();
        // Units that are targets and never starts.
        let width = gradient.len() / batch.n_units;
        let is_start = |unit: usize| match &batch.start {
            crate::pair::Weights::Mean(weights) => weights.iter().skip(unit).step_by(batch.n_units).any(|&w| w != 0.0),
            crate::pair::Weights::Units { first } => (*first..*first + batch.n_episodes()).contains(&unit),
        };
        let of_targets = (0..batch.n_units).filter(|&unit| !is_start(unit));
        of_targets.flat_map(|unit| &gradient[unit * width..(unit + 1) * width]).map(|g| g.abs()).sum::<f32>()
    };
    assert!(gradient_of_targets(&lewm(0.0)) > 1e-3);
    assert_eq!(gradient_of_targets(&Objective::Ema(EmaConfig::default())), 0.0);
}

/// A state of three numbers turns, shrinks, is pushed by one of eight interventions and shaken:
/// `x' = 0.8 R x + b + 0.4 noise`, stationary and near normal. Twelve features show a nonlinear image of it.
fn linear_gaussian_world(plates: usize) -> (Screen, Vec<[f64; 3]>) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mix: Vec<[f32; 3]> = (0..12).map(|_| [0; 3].map(|_| normal(&mut rng))).collect();
    // The corners of a cube: three independent pushes of variance 0.2.
    let push =
        |compound: usize| [0, 1, 2].map(|axis| 0.2f32.sqrt() * if compound >> axis & 1 == 1 { 1.0 } else { -1.0 });
    let (sin, cos) = 0.9f32.sin_cos();
    let (mut observations, mut values, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for plate in 0..plates {
        let x = [0; 3].map(|_| normal(&mut rng));
        let compound = plate % 8;
        let turned = [cos * x[0] - sin * x[1], sin * x[0] + cos * x[1], x[2]];
        let after = [0, 1, 2].map(|axis| 0.8 * turned[axis] + push(compound)[axis] + 0.4 * normal(&mut rng));
        for (state, compound) in [(x, None), (x, None), (after, Some(compound))] {
            // Invertible: each coordinate is shifted by what the ones before it say.
            let bent = [state[0], state[1] + state[0] * state[0] - 1.0, state[2] + state[0] * state[1]];
            observations.push(observation(plate, compound));
            values.extend(mix.iter().map(|row| (0..3).map(|axis| row[axis] * bent[axis]).sum::<f32>()));
            states.push(state.map(f64::from));
        }
    }
    (screen(observations, values), states)
}

/// Share of the variance of `truth` that the best linear map of `[row, column]` explains, on the rows it was fitted on.
fn linear_r2(rows: &[Vec<f64>], truth: &[f64]) -> f64 {
    let n = rows[0].len() + 1;
    let with_one = |row: &Vec<f64>| -> Vec<f64> { row.iter().copied().chain([1.0]).collect() };
    let mut system = vec![vec![0.0; n + 1]; n];
    for (row, &truth) in rows.iter().zip(truth) {
        let row = with_one(row);
        for i in 0..n {
            for j in 0..n {
                system[i][j] += row[i] * row[j];
            }
            system[i][n] += row[i] * truth;
        }
    }
    for pivot in 0..n {
        system[pivot][pivot] += 1e-9;
        for other in 0..n {
            if other != pivot {
                let factor = system[other][pivot] / system[pivot][pivot];
                let pivot_row = system[pivot].clone();
                for (value, subtracted) in system[other].iter_mut().zip(pivot_row).skip(pivot) {
                    *value -= factor * subtracted;
                }
            }
        }
    }
    let weights: Vec<f64> = (0..n).map(|i| system[i][n] / system[i][i]).collect();
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let missed = |(row, truth): (&Vec<f64>, &f64)| {
        let found: f64 = with_one(row).iter().zip(&weights).map(|(value, weight)| value * weight).sum();
        (truth - found).powi(2)
    };
    let residual: f64 = rows.iter().zip(truth).map(missed).sum();
    1.0 - residual / truth.iter().map(|truth| (truth - mean).powi(2)).sum::<f64>()
}

#[test]
fn latents_recover_the_state_of_a_linear_gaussian_world() {
    // Klindt, LeCun & Balestriero, arXiv:2605.26379: alignment and normality recover the state up to a rotation.
    let (screen, states) = linear_gaussian_world(1600);
    let r2_of = |rows: &[Vec<f64>]| -> f64 {
        (0..3).map(|axis| linear_r2(rows, &states.iter().map(|state| state[axis]).collect::<Vec<_>>())).sum::<f64>()
            / 3.0
    };
    let n = screen.n_observations();
    let features: Vec<Vec<f64>> = (0..n)
        .map(|row| screen.features.in_memory().row(row).iter().map(|&value| f64::from(value)).collect())
        .collect();
    let of_features = r2_of(&features);
    let mut setup = Setup::of(screen);
    setup.model.latent = 3;
    setup.model.encoder = profile_encoder(64);
    setup.model.projector.hidden = 64;
    setup.model.predictor.dropout = 0.0;
    setup.train = TrainConfig { steps: 300, learning_rate: 5e-3, log_every: 100, evaluate_every: 300, ..setup.train };
    setup.train.objective = lewm(0.2);
    setup.pair = PairConfig { batch: 128, bag: 2, ladder: 0.0, ..PairConfig::default() };
    let trained = setup.run(0, None).unwrap();
    let rows: Vec<usize> = (0..n).collect();
    let input = burn::tensor::Tensor::<2>::from_data(
        burn::tensor::TensorData::new(setup.screen.features.gather(&rows), [n, 12]),
        &Device::flex(),
    );
    let latents: Vec<f32> = trained.outcome.model.encode(input).into_data().try_to_vec().unwrap();
    let latents: Vec<Vec<f64>> =
        latents.chunks(3).map(|row| row.iter().map(|&value| f64::from(value)).collect()).collect();
    let of_latents = r2_of(&latents);
    assert!(of_features < 0.75, "the features must not show the state as it is: {of_features}");
    assert!(of_latents > 0.9, "R² {of_latents} of latents, {of_features} of features, {:?}", trained.evaluations);
}
