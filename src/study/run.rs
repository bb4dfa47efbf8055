//! The whole job: a configuration to a finished run folder, resumable at any moment.

mod results;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use self::results::{results, write_evaluation};
use super::answers;
use super::error::StudyError;
use super::event::Event;
use super::kind::{self, Run};
use super::open::fold_name;
use super::prepare::{load_screen_until, prepare};
use super::refuse::Wanted;
use super::split::advice_on_sets;
use crate::answer::{Prepared, TrainedRun, expected};
use crate::baseline::measured;
use crate::config::Config;
use crate::evaluate::{Answers, EmbeddingScore, Evaluation};
use crate::load::{InputFile, InputHash, Loaded};
use crate::model::{Array, parameters};
use crate::pair::Part;
use crate::plan::{PlanError, Ranking, rows_of_target};
use crate::predict::gain;
use crate::report::Report;
use crate::run::{Artifact, Opened, RunDir, RunError};
use crate::screen::Screen;
use crate::table::{counted, write_atomically};
use crate::train::{Health, Members, Progress, Recipe, Stop, TrainingLog, checkpoint_steps, train_ensemble};

/// What a finished run holds, for the command line to show.
#[derive(Debug)]
pub struct Finished {
    /// The run folder.
    pub folder: PathBuf,
    /// Whether everything was there already.
    pub was_finished: bool,
    /// Scores on the test part; without any where nothing is held out.
    pub evaluation: Evaluation,
    /// The ranking; `None` without a target.
    pub ranking: Option<Ranking>,
    /// Rows of the ranking to show.
    pub top: usize,
}

/// From where a job starts, where it computes, what may stop it, and whom it tells how it goes.
#[derive(Clone, Copy)]
struct Job<'a> {
    /// The parameters that members start from; random weights where there are none.
    warm: Option<&'a [BTreeMap<String, Array>]>,
    device: &'a Device,
    stop: &'a Stop,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl Job<'_> {
    /// Asked to stop between two steps of the job, it stops there.
    fn go_on(&self, next: &'static str) -> Result<(), StudyError> {
        if self.stop.is_asked() { Err(StudyError::Stopped { next }) } else { Ok(()) }
    }

    fn tell(&self, event: Event) {
        (self.tell)(event);
    }
}

/// Runs the job that `config` describes in `folder`, or goes on with it; a finished run is shown as it was written down.
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
    refuse_early(config, &loaded.screen)?;
    // Before the folder is made: a run to start from that is not there leaves nothing behind.
    let warm = config.train.from.as_deref().map(|from| warm_start(from, device)).transpose()?;
    let job = Job { warm: warm.as_deref(), device, stop, tell };
    let (mut dir, was_finished) = open(config, loaded, folder, job)?;
    if was_finished && let Some(finished) = shown_again(config, &dir)? {
        return Ok(finished);
    }
    advice_on_sets(&loaded.screen, &config.split).into_iter().for_each(|advice| job.tell(Event::Note(advice)));
    judge_plates(&loaded.screen, config.train.seed, folder)?;
    let evaluation = match config.evaluate.all_folds {
        true => {
            let answers = all_folds(config, loaded, &mut dir, job)?;
            let evaluation = Evaluation::of(&config.evaluate, config.split.by, &answers)?;
            answers::write(&answers, None, config.evaluate.part, folder)?;
            write_evaluation(&evaluation, folder)?;
            evaluation
        }
        false => one_fold(config, loaded, &mut dir, job)?.1,
    };
    Report::of(folder)?.write(&Artifact::Report.path_in(folder))?;
    dir.finish()?;
    let ranking = ranking_of(config, folder)?;
    Ok(Finished { folder: folder.to_owned(), was_finished, evaluation, ranking, top: config.rank.top })
}

/// Writes the quality of plates and wells, with the findings of the screen, unless it is there.
fn judge_plates(screen: &Screen, seed: u64, folder: &Path) -> Result<(), StudyError> {
    let (plates, wells) = (Artifact::Plates.path_in(folder), Artifact::WellQuality.path_in(folder));
    if plates.exists() && wells.exists() {
        return Ok(());
    }
    let (quality, mut findings) = kind::of(screen.kind()).quality(screen, seed);
    findings.extend(quality.findings());
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    quality.well_table(screen).write(&wells)?;
    Ok(quality.plate_table(screen, &findings).write(&plates)?)
}

/// Refuses what cannot be done with the screen, so that it does not surface after training.
fn refuse_early(config: &Config, screen: &Screen) -> Result<(), StudyError> {
    let kind = kind::of(screen.kind());
    if !config.rank.target.is_empty() {
        kind.refuse(Wanted::Ranking(&config.rank.by, "`rank.target`"))?;
    }
    kind.check(config, screen)?;
    for query in [&config.rank.target, &config.rank.start].into_iter().filter(|query| !query.is_empty()) {
        rows_of_target(screen, query).map_err(PlanError::from)?;
    }
    Ok(())
}

/// What a finished run wrote down; `None` where one of its files is missing, so that it is made again.
fn shown_again(config: &Config, dir: &RunDir) -> Result<Option<Finished>, StudyError> {
    let folder = dir.path();
    let written = Artifact::Evaluation.path_in(folder);
    let lacks_answers = !config.evaluate.all_folds && TrainedRun::lacks_a_file(folder, config.train.members);
    if !dir.is_whole() || !written.exists() || lacks_answers {
        return Ok(None);
    }
    let (evaluation, ranking) = (Evaluation::read(&written)?, ranking_of(config, folder)?);
    Ok(Some(Finished { folder: folder.to_owned(), was_finished: true, evaluation, ranking, top: config.rank.top }))
}

/// The ranking that the run left; `None` without a target.
fn ranking_of(config: &Config, folder: &Path) -> Result<Option<Ranking>, StudyError> {
    match config.rank.target.is_empty() || config.evaluate.all_folds {
        true => Ok(None),
        false => Ok(Some(Ranking::read(&Artifact::Ranking.path_in(folder))?)),
    }
}

/// One split: trains, or takes up what was trained, and answers.
fn one_fold(
    config: &Config,
    loaded: &Loaded,
    dir: &mut RunDir,
    job: Job<'_>,
) -> Result<(Answers, Evaluation), StudyError> {
    let prepared = prepare(config, loaded)?;
    dir.record(|manifest| {
        manifest.seed = Some(config.train.seed);
        manifest.device = Some(format!("{:?}", job.device));
        manifest.dropped = loaded.screen.dropped.clone();
        manifest.notes = loaded.notes.clone();
        let left_out = loaded.mapping.left_out_in_words().into_iter();
        manifest.notes.extend(left_out.map(|columns| format!("not learned from: {columns}")));
        manifest.notes.push(prepared.normalizer.statistics().to_owned());
    })?;
    let folder = dir.path().to_owned();
    kind::of(loaded.screen.kind()).keep(&loaded.screen, &prepared.descriptors, &folder)?;
    keep_card(loaded, &folder)?;
    let trained_run = match TrainedRun::read(&folder, config.train.members, job.device) {
        Ok(trained_run) => trained_run,
        // Training has not come this far, or somebody deleted a damaged file: what is missing is made from the last checkpoints.
        // A file that is there and cannot be read is never overwritten.
        Err(_) if TrainedRun::lacks_a_file(&folder, config.train.members) => {
            dir.start_step("train")?;
            train(config, &prepared, dir, job)?
        }
        Err(error) => return Err(error.into()),
    };
    results(config, &prepared, &trained_run, dir, job)
}

/// Keeps the card that the screen was read by, for other tables that are to be read so.
fn keep_card(loaded: &Loaded, folder: &Path) -> Result<(), StudyError> {
    let path = Artifact::Card.path_in(folder);
    match &loaded.card {
        Some(card) if !path.exists() => {
            Ok(write_atomically(&path, |file| file.write_all(card.for_other_tables().as_bytes()))?)
        }
        _ => Ok(()),
    }
}

/// The parameters of the members of the finished run in `folder`.
fn warm_start(folder: &Path, device: &Device) -> Result<Vec<BTreeMap<String, Array>>, StudyError> {
    let (_, trained_run) = super::open::open(folder, device)?;
    Ok(trained_run.trained.members.iter().map(|(model, _)| parameters(model)).collect())
}

fn open(config: &Config, loaded: &Loaded, folder: &Path, job: Job<'_>) -> Result<(RunDir, bool), StudyError> {
    let mut inputs: Vec<InputHash> = loaded.inputs.iter().map(InputFile::hash).collect();
    // Weights to start from are data too: they may be others by the time the run is resumed.
    if let Some(from) = &config.train.from {
        let n_members = super::open::settings_of(from)?.train.members;
        for member in 0..n_members {
            let path = Artifact::Model { member }.path_in(from);
            let hash = InputHash::of(&path).map_err(RunError::read(&path))?;
            inputs.push(InputHash { name: format!("train.from/{}", hash.name), ..hash });
        }
    }
    let resolved = config.to_toml(loaded.screen.kind());
    let (dir, was_finished) = match RunDir::open(folder, &resolved, &inputs)? {
        Opened::New(dir) | Opened::Resume(dir) => (dir, false),
        Opened::Finished(dir) => (dir, true),
    };
    if let Some(difference) = dir.manifest().version_difference() {
        job.tell(Event::Warning(format!("{}: {difference}", dir.path().display())));
    }
    Ok((dir, was_finished))
}

fn train(config: &Config, prepared: &Prepared, dir: &mut RunDir, job: Job<'_>) -> Result<TrainedRun, StudyError> {
    let counts =
        [Part::Train, Part::Validation, Part::Calibration, Part::Test].map(|part| prepared.treatments(part).len());
    let n_episodes = match prepared.pairs.n_steps {
        1 => counted(prepared.pairs.n_episodes(), "transition"),
        n_steps => format!("{} of {n_steps} steps", counted(prepared.pairs.n_episodes(), "episode")),
    };
    job.tell(Event::Step(format!(
        "training {} for {} on {n_episodes} of {} ({} validation, {} calibration, {} test)",
        counted(config.train.members, "model"),
        counted(config.train.steps, "step"),
        counted(counts[0], "treatment"),
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
        job.tell(Event::Training(progress));
    };
    if config.model.has_linear_part() && !config.train.objective.keeps_apart() {
        let words = "the latent has no linear part: nothing in this objective keeps the network from taking it away";
        job.tell(Event::Note(words.to_owned()));
    }
    let (model, sizes) = prepared.sized(&config.train.objective.networks(&config.model))?;
    let (expected, combination) = expected(config, prepared)?.unzip();
    let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
    let Members { mut trained, outcomes } = train_ensemble(
        prepared.training_data(expected.as_ref()),
        recipe,
        Some(&checkpoints),
        job.warm,
        job.device,
        job.stop,
        &report,
    )?;
    for (member, (step, error, health)) in outcomes.iter().enumerate() {
        if let Some(error) = error {
            job.tell(Event::Note(format!(
                "model {}: at step {step} its error on validation treatments is {error:.3} of that of its start, in latents",
                member + 1
            )));
        }
        if let Health::Collapsing(words) | Health::ActionBlind(words) = health {
            job.tell(Event::Warning(format!("model {}: {words}", member + 1)));
        }
    }
    log.finish()?;
    let fit_rows: Vec<usize> = prepared.split.rows(Part::Train);
    let unseen = prepared.split.rows(Part::Validation);
    let kind = kind::of(prepared.screen.kind());
    let decoder = kind.decoder(&trained, &prepared.screen, [&fit_rows, &unseen], &config.decoder, job.device)?;
    if let Some(expected) = &expected {
        let validation = measured(&prepared.screen.features, &prepared.treatments(Part::Validation));
        let gain = gain(&trained, &decoder, expected, &validation, job.device);
        trained = trained.with_gain(gain);
        job.tell(Event::Note(match gain {
            0.0 => {
                "of what the models learned nothing is used: validation treatments do not say that it helps".to_owned()
            }
            gain => format!(
                "{:.0} % of what the models learned is used: as much as validation treatments say that it helps",
                100.0 * gain
            ),
        }));
    }
    let combination = combination.unwrap_or_default();
    let mut trained_run = TrainedRun { trained, decoder, normalizer: prepared.normalizer.clone(), combination };
    let run = Run { config, prepared, trained_run: &trained_run, device: job.device };
    let combination = run.trained().weights()?;
    trained_run.combination = combination;
    trained_run.write(&folder)?;
    Ok(trained_run)
}

/// Every fold of the split in a folder of its own: the answers of all of them.
fn all_folds(config: &Config, loaded: &Loaded, dir: &mut RunDir, job: Job<'_>) -> Result<Answers, StudyError> {
    let folder = dir.path().to_owned();
    let mut answers = Answers::default();
    if !config.rank.target.is_empty() {
        job.tell(Event::Note(format!(
            "each fold ranks by a model of its own; rank again by one of them: cytonaut rank {} --target '{}'",
            folder.join(fold_name(0)).display(),
            config.rank.target
        )));
    }
    for fold in 0..config.split.folds {
        job.go_on("the next fold")?;
        dir.start_step(&fold_name(fold))?;
        job.tell(Event::Step(format!("fold {} of {}", fold + 1, config.split.folds)));
        let mut of_fold = config.clone();
        of_fold.evaluate.all_folds = false;
        of_fold.split.fold = fold;
        let own = match loaded.follows_split {
            true => Some(load_screen_until(&of_fold, job.stop, job.tell)?),
            false => None,
        };
        let loaded = own.as_ref().unwrap_or(loaded);
        let (mut dir, _) = open(&of_fold, loaded, &folder.join(fold_name(fold)), job)?;
        let (mut of_fold, _) = one_fold(&of_fold, loaded, &mut dir, job)?;
        // Each fold has a space of its own, and what is asked of all wells is asked in each of them.
        of_fold.embeddings.retain(EmbeddingScore::is_unseen);
        answers.extend(of_fold);
        dir.finish()?;
    }
    Ok(answers)
}
