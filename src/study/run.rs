//! The whole job: a configuration to a finished run folder, resumable at any moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::labels::label_table;
use super::lapse::Lapse;
use super::prepare::load_screen_until;
use super::readout::readout_table;
use super::trajectory::{track_predictions, trajectory_table};
use super::wells::{WellScores, well_scores};
use super::{Evaluation, Item, Prepared, StudyError, methods, pictures, prepare, reopen, score, trajectory_score};
use crate::config::Config;
use crate::embed::{Level, embed};
use crate::load::Loaded;
use crate::model::{Array, parameters};
use crate::normalize::Normalizer;
use crate::pair::Part;
use crate::plan::{PlanError, Ranking, rows_of_target};
use crate::predict::{Decoder, Method, Model, Starts};
use crate::run::{Artifact, Checkpoint, InputHash, NonFinite, Opened, RunDir, RunError};
use crate::screen::Screen;
use crate::table::write_atomically;
use crate::train::{
    Health, Members, Progress, Recipe, Stop, TrainedModel, TrainingLog, checkpoint_steps, train_ensemble,
};

/// What a job tells while it goes.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step of the job begins.
    Step(String),
    /// Something a user would tell a colleague.
    Note(String),
    /// Something that the user may want to change.
    Warning(String),
    /// Images are decoded.
    Decoding {
        /// Sites at their times that are done.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// Training goes on.
    Training(Progress),
}

/// What a finished run holds, for the command line to show.
#[derive(Debug)]
pub struct Finished {
    /// The run folder.
    pub folder: PathBuf,
    /// Whether everything was there already.
    pub was_finished: bool,
    /// Scores on the test part; `None` when nothing is held out.
    pub evaluation: Option<Evaluation>,
    /// The ranking; `None` without a target.
    pub ranking: Option<Ranking>,
    /// Rows of the ranking to show.
    pub top: usize,
}

/// A trained model with all that it takes to use it.
#[derive(Debug)]
pub struct TrainedRun {
    /// The ensemble.
    pub trained: TrainedModel,
    /// Latents to features.
    pub decoder: Decoder,
    /// How features are scaled.
    pub normalizer: Normalizer,
}

impl TrainedRun {
    /// Reads what a run left behind.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read(folder: &Path, n_members: usize, device: &Device) -> Result<Self, StudyError> {
        let mut checkpoints = Vec::new();
        for member in 0..n_members {
            let path = Artifact::Model { member }.path_in(folder);
            let checkpoint = Checkpoint::load(&path, NonFinite::Refuse)?;
            checkpoints.push((path, checkpoint));
        }
        let trained = TrainedModel::from_checkpoints(&checkpoints, device)?;
        let (normalizer_path, decoder_path) = (Artifact::Normalizer.path_in(folder), Artifact::Decoder.path_in(folder));
        let normalizer: Normalizer = read_json(&normalizer_path)?;
        let decoder: Decoder = read_json(&decoder_path)?;
        let damaged = |path: &Path| {
            RunError::damaged(
                path,
                "does not fit the model beside it; copy the file again, or delete it and run `cytonaut run` again",
            )
        };
        if normalizer.feature_names() != trained.features {
            return Err(damaged(&normalizer_path).into());
        }
        if !decoder.fits(&trained) {
            return Err(damaged(&decoder_path).into());
        }
        Ok(Self { trained, decoder, normalizer })
    }

    /// The model as a method that starts from `starts`.
    pub fn model<'a>(&'a self, starts: &'a Starts, device: &'a Device) -> Model<'a> {
        Model { trained: &self.trained, decoder: &self.decoder, starts, device }
    }

    /// Whether a file is missing that [`TrainedRun::read`] reads.
    fn lacks_a_file(folder: &Path, n_members: usize) -> bool {
        let models = (0..n_members).map(|member| Artifact::Model { member });
        models.chain([Artifact::Normalizer, Artifact::Decoder]).any(|artifact| !artifact.path_in(folder).exists())
    }

    fn write(&self, folder: &Path) -> Result<(), StudyError> {
        let models = folder.join("model");
        std::fs::create_dir_all(&models).map_err(RunError::write(&models))?;
        write_json(&Artifact::Normalizer.path_in(folder), &self.normalizer)?;
        write_json(&Artifact::Decoder.path_in(folder), &self.decoder)?;
        // Members come last and complete the set: while one is missing, training is resumed.
        for (member, checkpoint) in self.trained.to_checkpoints().iter().enumerate() {
            checkpoint.save(&Artifact::Model { member }.path_in(folder))?;
        }
        Ok(())
    }
}

/// Largest decoder or normalizer that is read.
const MAX_JSON_BYTES: u64 = 4 << 30;

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let file = std::fs::File::open(path).map_err(RunError::read(path))?;
    let size = file.metadata().map_err(RunError::read(path))?.len();
    if size > MAX_JSON_BYTES {
        return Err(RunError::damaged(path, format!("is {size} bytes long, expected at most {MAX_JSON_BYTES}")).into());
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_JSON_BYTES), &mut text)
        .map_err(RunError::read(path))?;
    let damaged =
        |error| format!("is damaged ({error}); copy the file again, or delete it and run `cytonaut run` again");
    Ok(serde_json::from_slice(&text).map_err(|error| RunError::damaged(path, damaged(error)))?)
}

/// Writes a value of ours whole or not at all.
pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), StudyError> {
    let json = serde_json::to_string(value).expect("our own types serialize");
    Ok(write_atomically(path, |file| std::io::Write::write_all(file, json.as_bytes()))?)
}

/// Runs the job that `config` describes in `folder`, or goes on with it.
///
/// Asked to stop, it finishes the step of training or of the job that it is at, and saves what it has.
///
/// # Errors
/// The error of the room in which the job stops; the same call goes on from there.
pub fn run(
    config: &Config,
    loaded: &Loaded,
    folder: &Path,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Finished, StudyError> {
    if !loaded.screen.design.schedules().is_empty() && !config.rank.target.is_empty() {
        return Err(StudyError::Tracks { what: "`rank.target`" });
    }
    if config.images.is_some() && loaded.screen.design.tracks().is_empty() {
        refuse_images(config, &loaded.screen)?;
    }
    if config.evaluate.all_folds {
        return all_folds(config, loaded, folder, device, stop, tell);
    }
    // What cannot be ranked is better refused now than after training.
    if !loaded.screen.design.tracks().is_empty() && !config.rank.target.is_empty() {
        reopen::refuse_ranker_of_lapse(&config.rank.by)?;
    }
    for query in [&config.rank.target, &config.rank.start].into_iter().filter(|query| !query.is_empty()) {
        rows_of_target(&loaded.screen, query).map_err(PlanError::from)?;
    }
    let warm = config.train.from.as_deref().map(|from| warm_start(from, device)).transpose()?;
    let (mut dir, was_finished) = open(config, loaded, folder)?;
    if let Some(difference) = dir.manifest().version_difference() {
        tell(Event::Warning(format!("{}: {difference}", folder.display())));
    }
    let prepared = prepare(config, loaded)?;
    dir.record(|manifest| {
        manifest.seed = Some(config.train.seed);
        manifest.device = Some(format!("{:?}", device));
        manifest.dropped = loaded.screen.dropped.clone();
        manifest.notes = loaded.notes.clone();
        manifest.notes.push(prepared.normalizer.statistics().to_owned());
    })?;
    let trained_run = match TrainedRun::read(folder, config.train.members, device) {
        Ok(trained_run) => trained_run,
        // Training has not come this far, or somebody deleted a damaged file: what is missing is made from the last checkpoints.
        // A file that is there and cannot be read is never overwritten.
        Err(_) if TrainedRun::lacks_a_file(folder, config.train.members) => {
            dir.start_step("train")?;
            train(config, &prepared, &mut dir, warm.as_deref(), device, stop, tell)?
        }
        Err(error) => return Err(error),
    };
    let finished = results(config, &prepared, &trained_run, &mut dir, device, stop, tell)?;
    dir.finish()?;
    Ok(Finished { was_finished, ..finished })
}

/// Refuses what cannot be done with crops of images, so that it does not surface after training.
fn refuse_images(config: &Config, screen: &Screen) -> Result<(), StudyError> {
    if !config.rank.target.is_empty() && config.rank.by != Method::Model {
        return Err(StudyError::RankImages { by: config.rank.by.clone() });
    }
    let label = &config.evaluate.label;
    if !label.is_empty() && screen.label(label).is_none() {
        let (screen, label) = (screen.name.clone(), label.clone());
        return Err(crate::evaluate::EvaluateError::MissingLabel { screen, label }.into());
    }
    Ok(())
}

/// The parameters of the members of the finished run in `folder`.
fn warm_start(folder: &Path, device: &Device) -> Result<Vec<BTreeMap<String, Array>>, StudyError> {
    let (_, trained_run) = super::open::open(folder, device)?;
    Ok(trained_run.trained.members.iter().map(|(model, _)| parameters(model)).collect())
}

fn open(config: &Config, loaded: &Loaded, folder: &Path) -> Result<(RunDir, bool), StudyError> {
    let mut inputs: Vec<InputHash> = loaded
        .inputs
        .iter()
        .map(|input| InputHash { name: input.name.clone(), bytes: input.bytes, sha256: input.sha256.clone() })
        .collect();
    // Weights to start from are data too: they may be others by the time the run is resumed.
    if let Some(from) = &config.train.from {
        let n_members = super::open::settings_of(from)?.train.members;
        for member in 0..n_members {
            let hash = InputHash::of(&Artifact::Model { member }.path_in(from))?;
            inputs.push(InputHash { name: format!("train.from/{}", hash.name), ..hash });
        }
    }
    Ok(match RunDir::open(folder, &config.to_toml(), &inputs)? {
        Opened::New(dir) | Opened::Resume(dir) => (dir, false),
        Opened::Finished(dir) => (dir, true),
    })
}

/// Asked to stop between two steps of the job, it stops there.
fn go_on(stop: &Stop, next: &'static str) -> Result<(), StudyError> {
    if stop.is_asked() { Err(StudyError::Stopped { next }) } else { Ok(()) }
}

fn train(
    config: &Config,
    prepared: &Prepared,
    dir: &mut RunDir,
    warm: Option<&[BTreeMap<String, Array>]>,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<TrainedRun, StudyError> {
    let counts =
        [Part::Train, Part::Validation, Part::Calibration, Part::Test].map(|part| prepared.treatments(part).len());
    tell(Event::Step(format!(
        "training {} members for {} steps on {} transitions of {} treatments ({} validation, {} calibration, {} test)",
        config.train.members,
        config.train.steps,
        prepared.pairs.n_episodes(),
        counts[0],
        counts[1],
        counts[2],
        counts[3]
    )));
    let folder = dir.path().to_owned();
    let checkpoints = folder.join("checkpoints");
    let steps = checkpoint_steps(&checkpoints, config.train.members)?;
    let log = TrainingLog::open(&Artifact::Metrics.path_in(&folder), &steps, &config.train)?;
    let report = |progress: Progress| {
        log.add(&progress);
        tell(Event::Training(progress));
    };
    let sizes = prepared.sizes(&config.model);
    let recipe = Recipe { model: &config.model, sizes: &sizes, pair: &config.pair, train: &config.train };
    let Members { trained, outcomes } =
        train_ensemble(prepared.training_data(), recipe, Some(&checkpoints), warm, device, stop, &report)?;
    for (member, (step, error, health)) in outcomes.iter().enumerate() {
        if let Some(error) = error {
            tell(Event::Note(format!("member {member}: step {step}, validation error {error:.3} of no change")));
        }
        if let Health::Collapsing(words) | Health::ActionBlind(words) = health {
            tell(Event::Warning(format!("member {member}: {words}")));
        }
    }
    log.finish()?;
    let fit_rows: Vec<usize> = prepared.split.rows(Part::Train);
    let decoder = match config.images {
        Some(_) => Decoder::of_latents(),
        None => Decoder::fit(&trained, &prepared.screen, &fit_rows, &config.decoder, device)?,
    };
    let trained_run = TrainedRun { trained, decoder, normalizer: prepared.normalizer.clone() };
    trained_run.write(&folder)?;
    Ok(trained_run)
}

/// Embeddings, predictions, scores and ranking of a trained model.
fn results(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    dir: &mut RunDir,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Finished, StudyError> {
    let folder = dir.path().to_owned();
    go_on(stop, "embeddings")?;
    dir.start_step("embed")?;
    tell(Event::Step("writing embeddings".into()));
    // A row of an image screen is a crop, one of a table of tracks a cell at a time.
    let is_of_objects = config.images.is_some() || !prepared.screen.design.schedules().is_empty();
    let level = if is_of_objects { Level::Cell } else { Level::Well };
    let rows = embed(&trained_run.trained, &prepared.screen, level, device);
    rows.write(&Artifact::Embeddings.path_in(&folder))?;
    if prepared.is_of_crops() {
        let wells = rows.by_well();
        wells.write(&Artifact::WellEmbeddings.path_in(&folder))?;
        wells.by_intervention().write(&Artifact::InterventionEmbeddings.path_in(&folder))?;
    } else {
        rows.by_intervention().write(&Artifact::InterventionEmbeddings.path_in(&folder))?;
    }
    let test = prepared.treatments(config.evaluate.part);
    let mut evaluation = None;
    let mut lapse = None;
    if !prepared.screen.design.schedules().is_empty() {
        go_on(stop, "scores")?;
        dir.start_step("evaluate")?;
        tell(Event::Step("predicting held-out tracks".into()));
        let found = track_predictions(config, prepared, trained_run, device)?;
        tell(Event::Note(format!(
            "blend: the response of the neighboring doses and {:.2} of what the model says of their difference",
            found.blend_weight
        )));
        found.notes.into_iter().for_each(|note| tell(Event::Note(note)));
        trajectory_table(&found.tracks).write_parquet(&Artifact::Trajectories.path_in(&folder))?;
        let scored = trajectory_score::scored(config, found.tracks)?;
        scored.scores.write_parquet(&Artifact::Scores.path_in(&folder))?;
        evaluation = Some(scored);
    } else if !prepared.screen.design.tracks().is_empty() {
        go_on(stop, "scores")?;
        dir.start_step("evaluate")?;
        tell(Event::Step("reading wells out of predictions".into()));
        let lapse = lapse.insert(Lapse::new(prepared, trained_run, device)?);
        let readouts = lapse.readouts(config)?;
        readout_table(&readouts).write_parquet(&Artifact::Readouts.path_in(&folder))?;
        pictures::draw(config, lapse, &folder)?;
        let scored = score::pooled(config, Vec::new(), readouts)?;
        scored.scores.write_parquet(&Artifact::Scores.path_in(&folder))?;
        evaluation = Some(scored);
    } else if prepared.is_of_crops() {
        go_on(stop, "scores")?;
        dir.start_step("evaluate")?;
        tell(Event::Step("scoring held-out wells".into()));
        if let Some(WellScores { evaluation: scored, methods }) =
            well_scores(config, prepared, trained_run, &rows, device)?
        {
            label_table(&scored.labels).write_parquet(&Artifact::Labels.path_in(&folder))?;
            scored.scores.write_parquet(&Artifact::Scores.path_in(&folder))?;
            if let Some(methods) = &methods {
                super::table::predictions(methods).write_parquet(&Artifact::Predictions.path_in(&folder))?;
            }
            evaluation = Some(scored);
        }
    } else if !test.is_empty() {
        go_on(stop, "scores")?;
        dir.start_step("evaluate")?;
        tell(Event::Step(format!("scoring {} held-out treatments", test.len())));
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        let found = methods(config, prepared, trained_run.model(&starts, device), &test)?;
        tell(Event::Note(format!(
            "blend: {:.2} of the model, {:.2} of {}, fitted on the validation treatments",
            found.rule.weight,
            1.0 - found.rule.weight,
            found.rule.partner
        )));
        let mut scored = score::pooled(config, score::evaluate(config, prepared, &found, &test)?, Vec::new())?;
        scored.scores.rows.extend(super::embedding::embedding_scores(config, prepared, trained_run, device)?);
        scored.scores.write_parquet(&Artifact::Scores.path_in(&folder))?;
        super::table::predictions(&found).write_parquet(&Artifact::Predictions.path_in(&folder))?;
        evaluation = Some(scored);
    }
    let mut ranking = None;
    if !config.rank.target.is_empty() {
        go_on(stop, "the ranking")?;
        dir.start_step("rank")?;
        tell(Event::Step(format!("ranking toward {}", config.rank.target)));
        let verdict = reopen::heading(config, evaluation.as_ref());
        let found = match &lapse {
            Some(lapse) => reopen::rank_lapse(config, lapse, verdict, device)?,
            None => reopen::rank_by(config, prepared, None, trained_run, verdict, device)?,
        };
        found.write_parquet(&Artifact::Ranking.path_in(&folder))?;
        found.write_csv(&Artifact::RankingCsv.path_in(&folder))?;
        ranking = Some(found);
    }
    Ok(Finished { folder, was_finished: false, evaluation, ranking, top: config.rank.top })
}

/// What the folder of a fold is called within the run's own.
pub fn fold_name(fold: usize) -> String {
    format!("fold-{fold}")
}

/// Every fold of the split in a folder of its own, and the scores of all of them pooled.
fn all_folds(
    config: &Config,
    loaded: &Loaded,
    folder: &Path,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Finished, StudyError> {
    let (mut dir, was_finished) = open(config, loaded, folder)?;
    let mut items = Vec::<Item>::new();
    let mut readouts = Vec::new();
    let mut trajectories = Vec::new();
    let mut labels = Vec::new();
    for fold in 0..config.split.folds {
        go_on(stop, "the next fold")?;
        dir.start_step(&fold_name(fold))?;
        tell(Event::Step(format!("fold {} of {}", fold + 1, config.split.folds)));
        let mut of_fold = config.clone();
        of_fold.evaluate.all_folds = false;
        of_fold.split.fold = fold;
        of_fold.rank.target = String::new();
        // Where parts of plates are held out, the intensities of images are scaled by what is left.
        let own = match config.images.is_some() && config.split.by.is_within_plates() {
            true => Some(load_screen_until(&of_fold, stop, tell)?),
            false => None,
        };
        let loaded = own.as_ref().unwrap_or(loaded);
        let finished = run(&of_fold, loaded, &folder.join(fold_name(fold)), device, stop, tell)?;
        if let Some(evaluation) = finished.evaluation {
            items.extend(evaluation.items);
            readouts.extend(evaluation.readouts);
            trajectories.extend(evaluation.trajectories);
            labels.extend(evaluation.labels);
        }
    }
    if !readouts.is_empty() {
        readout_table(&readouts).write_parquet(&Artifact::Readouts.path_in(folder))?;
    }
    if !labels.is_empty() {
        label_table(&labels).write_parquet(&Artifact::Labels.path_in(folder))?;
    }
    let evaluation = if !trajectories.is_empty() {
        trajectory_table(&trajectories).write_parquet(&Artifact::Trajectories.path_in(folder))?;
        trajectory_score::scored(config, trajectories)?
    } else if config.images.is_some() && readouts.is_empty() {
        score::pooled(config, items, readouts)?.with_labels(config, labels)?
    } else {
        score::pooled(config, items, readouts)?
    };
    evaluation.scores.write_parquet(&Artifact::Scores.path_in(folder))?;
    dir.finish()?;
    Ok(Finished {
        folder: folder.to_owned(),
        was_finished,
        evaluation: Some(evaluation),
        ranking: None,
        top: config.rank.top,
    })
}
