//! Objectives against each other on one screen: each trained alike on shares of the data, and judged alike.
//!
//! For each share and seed a part of the training data is drawn, the same for all objectives, and everything that a run
//! fits is fitted on it anew. Each training leaves one file, which says of what configuration and data it is; a comparison
//! that was stopped goes on with those that are missing, and parts of it may be made by several processes in one folder.

pub(super) mod judge;
mod knob;
mod share;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::judge::held_out_latents;
use self::knob::{Knob, knobs};
use super::error::StudyError;
use super::event::Event;
use super::kind::{self, JudgeSimple, Run};
use super::refuse::{Wanted, refuse};
use crate::answer::{Combination, Prepared, TrainedRun};
use crate::config::Config;
use crate::evaluate::{Comparison, Ending, Judgment, Trial};
use crate::load::{InputFile, Loaded, hexadecimal};
use crate::pair::{Part, StartFrom};
use crate::predict::Decoder;
use crate::run::RunError;
use crate::table::{counted, read_json, write_json};
use crate::train::{ObjectiveKind, Recipe, Stop, TrainError, train_ensemble};

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareSettings {
    /// The objectives; the first is compared with each of the others.
    pub objectives: Vec<ObjectiveKind>,
    /// Shares of the training data in percent.
    pub percents: Vec<usize>,
    /// Trainings of each objective, share and value of its knob; seeds are counted from that of the configuration.
    pub seeds: usize,
    /// Which part of the work is done, counted from 1, and into how many it is parted.
    pub shard: (usize, usize),
}

/// What has been compared so far.
#[derive(Debug)]
pub struct Compared {
    /// The folder of the comparison.
    pub folder: PathBuf,
    /// The table that was written; `None` while trainings are missing.
    pub comparison: Option<Comparison>,
    /// Trainings that are missing, those of other parts of the work.
    pub n_missing: usize,
}

/// One file of a comparison.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Of the configuration and the data; trials of one comparison share it.
    identity: String,
    judgments: Vec<Judgment>,
    /// Seconds for a step of training, measured while others trained; `None` where nothing was trained.
    seconds_per_step: Option<f64>,
}

/// A share of the data and a seed: what is prepared once for all objectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Draw {
    percent: usize,
    seed: u64,
}

/// Trains and judges what is missing of a comparison in `folder`, and sums it up when nothing is missing any more.
///
/// # Errors
/// When the screen has nothing to compare by, a file is of another comparison, or what training and judging say.
pub fn compare(
    config: &Config,
    loaded: &Loaded,
    settings: &CompareSettings,
    folder: &Path,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Compared, StudyError> {
    refuse(loaded.screen.kind(), Wanted::Comparison)?;
    let config = &plain(config);
    let work = Work { config, loaded, settings, folder, identity: identity_of(config, loaded), device, stop, tell };
    std::fs::create_dir_all(folder.join(TRIALS)).map_err(RunError::write(folder))?;
    let draws: Vec<Draw> = settings
        .percents
        .iter()
        .flat_map(|&percent| {
            (0..settings.seeds as u64).map(move |seed| Draw { percent, seed: config.train.seed + seed })
        })
        .collect();
    let (shard, n_shards) = settings.shard;
    let files: Vec<(usize, TrialFile)> =
        draws.iter().enumerate().flat_map(|(index, draw)| work.files(*draw).map(move |file| (index, file))).collect();
    let mut kept = files.iter().map(|(_, file)| work.read(file)).collect::<Result<Vec<_>, _>>()?;
    let mut missing = BTreeMap::<usize, Vec<&TrialFile>>::new();
    for ((index, file), _) in files.iter().zip(&kept).filter(|(_, kept)| kept.is_none()) {
        if index % n_shards == shard - 1 {
            missing.entry(*index).or_default().push(file);
        }
    }
    work.side_by_side(missing.into_iter().map(|(index, files)| (draws[index], files)).collect())?;
    // Other parts of the work may have made files meanwhile.
    for ((_, file), kept) in files.iter().zip(&mut kept).filter(|(_, kept)| kept.is_none()) {
        *kept = work.read(file)?;
    }
    let folder = folder.to_owned();
    let n_missing = kept.iter().filter(|kept| kept.is_none()).count();
    if n_missing > 0 {
        return Ok(Compared { folder, comparison: None, n_missing });
    }
    let judgments: Vec<Judgment> = kept.into_iter().flatten().flat_map(|kept| kept.judgments).collect();
    let named: Vec<String> = settings.objectives.iter().map(ToString::to_string).collect();
    let simple: BTreeSet<String> = judgments
        .iter()
        .filter(|judgment| judgment.ending == Ending::Fitted)
        .map(|judgment| judgment.trial.objective.clone())
        .collect();
    let order: Vec<String> = named.into_iter().chain(simple).collect();
    let comparison = Comparison::of(&judgments, &order, &config.evaluate.bootstrap)?;
    comparison.write(&folder.join("comparison.parquet"))?;
    Ok(Compared { folder, comparison: Some(comparison), n_missing })
}

/// The folder of the files of trials.
const TRIALS: &str = "trials";

/// The same with networks alone: neither is a part of the latent fixed, which no objective could let collapse, nor does a
/// closed form say where transitions start.
fn plain(config: &Config) -> Config {
    let mut plain = config.clone();
    plain.pair.start = StartFrom::Controls;
    plain.model.linear = false;
    plain
}

/// Of the configuration and the data, but of no objective and no seed, which each file names.
fn identity_of(config: &Config, loaded: &Loaded) -> String {
    let mut hasher = Sha256::new();
    hasher.update(config.to_toml(loaded.screen.kind()));
    for input in loaded.inputs.iter().map(InputFile::hash) {
        hasher.update(format!("{} {}\n", input.name, input.sha256));
    }
    hexadecimal(&hasher.finalize())
}

/// A trial's file, and what it takes to make it.
struct TrialFile {
    path: PathBuf,
    makes: Makes,
}

/// What is judged in a trial.
enum Makes {
    /// A model, trained with this knob of its objective.
    Trained(Knob),
    /// The simple methods.
    Simple(JudgeSimple),
}

struct Work<'a> {
    config: &'a Config,
    loaded: &'a Loaded,
    settings: &'a CompareSettings,
    folder: &'a Path,
    identity: String,
    device: &'a Device,
    stop: &'a Stop,
    tell: &'a (dyn Fn(Event) + Sync),
}

impl Work<'_> {
    /// The files of a draw: one for each objective and value of its knob, and one for the simple methods of profiles.
    fn files(&self, Draw { percent, seed }: Draw) -> impl Iterator<Item = TrialFile> {
        let path = move |name: String| self.folder.join(TRIALS).join(format!("{name}-{percent}-{seed}.json"));
        let knobs = self.settings.objectives.iter().flat_map(|&objective| knobs(objective, &self.config.train));
        let trained = knobs.map(move |knob| TrialFile {
            path: path(format!("{}-{}", knob.objective, knob.value)),
            makes: Makes::Trained(knob),
        });
        let simple = kind::of(self.loaded.screen.kind()).judge_simple();
        trained.chain(simple.map(|judge| TrialFile { path: path("simple".into()), makes: Makes::Simple(judge) }))
    }

    /// What a file holds; `None` where it is not there.
    fn read(&self, file: &TrialFile) -> Result<Option<Kept>, StudyError> {
        if !file.path.exists() {
            return Ok(None);
        }
        let kept: Kept = read_json(&file.path)?;
        match kept.identity == self.identity {
            true => Ok(Some(kept)),
            false => Err(StudyError::OtherComparison { path: file.path.clone() }),
        }
    }

    /// Makes the missing files of draws, on one core each.
    fn side_by_side(&self, missing: Vec<(Draw, Vec<&TrialFile>)>) -> Result<(), StudyError> {
        let n_files: usize = missing.iter().map(|(_, files)| files.len()).sum();
        if n_files == 0 {
            return Ok(());
        }
        (self.tell)(Event::Step(format!(
            "{} to train and judge, on {} of the data",
            counted(n_files, "trial"),
            counted(missing.len(), "draw")
        )));
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        let queue = Mutex::new(missing.into_iter());
        let (done, error) = (Mutex::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..n_threads {
                scope.spawn(|| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started");
                    loop {
                        let is_over = error.lock().expect("no thread panics while it holds the lock").is_some();
                        let next = queue.lock().expect("as above").next();
                        let Some((draw, files)) = next.filter(|_| !is_over) else { return };
                        let outcome = pool.install(|| self.make(draw, &files, &done, n_files));
                        if let Err(failure) = outcome {
                            error.lock().expect("as above").get_or_insert(failure);
                            return;
                        }
                    }
                });
            }
        });
        error.into_inner().expect("as above").map_or(Ok(()), Err)
    }

    /// Makes the files of one draw.
    fn make(&self, draw: Draw, files: &[&TrialFile], done: &Mutex<usize>, n_files: usize) -> Result<(), StudyError> {
        let prepared = share::prepare(self.config, self.loaded, draw)?;
        for file in files {
            if self.stop.is_asked() {
                return Err(StudyError::Stopped { next: "the next trial" });
            }
            let (judgments, seconds_per_step) = match &file.makes {
                Makes::Trained(knob) => {
                    let (judgment, seconds) = self.trial(knob, draw, &prepared)?;
                    (vec![judgment], Some(seconds))
                }
                Makes::Simple(judge) => (judge(self.config, &prepared, draw.percent, draw.seed)?, None),
            };
            write_json(&file.path, &Kept { identity: self.identity.clone(), judgments, seconds_per_step })?;
            let mut done = done.lock().expect("no thread panics while it holds the lock");
            *done += 1;
            let name = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            (self.tell)(Event::Note(format!("{done} of {n_files}: {name}")));
        }
        Ok(())
    }

    /// Trains one model and judges it, with the seconds of a step.
    fn trial(&self, knob: &Knob, draw: Draw, prepared: &Prepared) -> Result<(Judgment, f64), StudyError> {
        let Self { config, device, stop, .. } = *self;
        let trial = Trial {
            percent: draw.percent,
            objective: knob.objective.to_string(),
            setting: knob.in_words(),
            seed: draw.seed,
        };
        let train = knob.set(&config.train, draw.seed);
        let (model, sizes) = prepared.sized(&train.objective.networks(&config.model))?;
        let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &train };
        let started = Instant::now();
        let trained = train_ensemble(prepared.training_data(None), recipe, None, None, device, stop, &|_| {});
        let seconds = started.elapsed().as_secs_f64() / train.steps.max(1) as f64;
        let trained = match trained {
            Ok(members) => members.trained,
            Err(TrainError::Diverged { .. }) => {
                let (validation, test) = (Vec::new(), Vec::new());
                return Ok((Judgment { trial, ending: Ending::Diverged, validation, test }, seconds));
            }
            Err(error) => return Err(error.into()),
        };
        let (fit_rows, unseen) = (prepared.split.rows(Part::Train), prepared.split.rows(Part::Validation));
        let decoder = Decoder::fit(&trained, &prepared.screen, &fit_rows, &unseen, &config.decoder, device)?;
        let trained_run = TrainedRun {
            trained,
            decoder,
            normalizer: prepared.normalizer.clone(),
            combination: Combination::default(),
        };
        let run = Run { config, prepared, trained_run: &trained_run, device };
        let ending = Ending::Trained(held_out_latents(run, draw.seed));
        let [validation, test] = run.trained().judged()?;
        Ok((Judgment { trial, ending, validation, test }, seconds))
    }
}
