//! Training all members, side by side on the CPU, each resumable by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use burn::tensor::Device;

use super::{
    Beginning, Health, MemberOutcome, Memory, Progress, Recipe, Stop, Surroundings, TrainError, TrainedModel,
    TrainingData, train_member,
};
use crate::model::Array;
use crate::run::{Artifact, Checkpoint, NonFinite};

/// A trained ensemble and what there is to say of each member.
#[derive(Debug)]
pub struct Members {
    /// The ensemble.
    pub trained: TrainedModel,
    /// Step, validation error and state of each member.
    pub outcomes: Vec<(usize, Option<f64>, Health)>,
}

/// Where a member keeps its checkpoint.
fn checkpoint_path(folder: &Path, member: usize) -> PathBuf {
    folder.join(format!("member-{member}.safetensors"))
}

/// The step of each member's checkpoint in `folder`; members without one are absent.
///
/// # Errors
/// When a checkpoint cannot be read.
pub fn checkpoint_steps(folder: &Path, n_members: usize) -> Result<BTreeMap<usize, u64>, TrainError> {
    let mut steps = BTreeMap::new();
    for member in 0..n_members {
        let path = checkpoint_path(folder, member);
        if path.exists() {
            let checkpoint = Checkpoint::load(&path, NonFinite::Refuse)?;
            steps.extend(checkpoint.text.get("step").and_then(|step| step.parse().ok()).map(|step| (member, step)));
        }
    }
    Ok(steps)
}

/// Trains every member of the ensemble, from their checkpoints in `folder` where there are some.
///
/// On the CPU as many members train at once as there are cores; each then has its own share of the threads, so that the
/// result does not depend on how many run side by side.
///
/// # Errors
/// The first member's error, in order of the members; [`TrainError::Stopped`] where `stop` was asked.
pub fn train_ensemble(
    data: TrainingData,
    recipe: Recipe,
    folder: Option<&Path>,
    warm: Option<&[BTreeMap<String, Array>]>,
    device: &Device,
    stop: &Stop,
    report: &(dyn Fn(Progress) + Sync),
) -> Result<Members, TrainError> {
    let train = |member: usize| -> Result<MemberOutcome, TrainError> {
        let path = folder.map(|folder| checkpoint_path(folder, member));
        let resume = match &path {
            Some(path) if path.exists() => Some(Checkpoint::load(path, NonFinite::Refuse)?),
            _ => None,
        };
        let save = |checkpoint: Checkpoint| match &path {
            Some(path) => Ok(checkpoint.save(path)?),
            None => Ok(()),
        };
        let warm_member = warm.map_or(0, |members| member % members.len().max(1));
        let warm = warm.and_then(|members| members.get(warm_member));
        let begins_at = match (&resume, &recipe.train.from) {
            (Some(_), _) => path.clone(),
            (None, Some(from)) => Some(Artifact::Model { member: warm_member }.path_in(from)),
            (None, None) => None,
        };
        let around = Surroundings { device, stop, save: &save, report };
        train_member(data, recipe, member, Beginning { warm, resume }, around)
            .map_err(|error| of_file(error, begins_at.as_deref()))
    };
    let outcomes = side_by_side(recipe.train.members, train)?;
    let mut trained = TrainedModel {
        config: recipe.model.clone(),
        sizes: recipe.sizes.clone(),
        anchoring: data.pairs.anchoring,
        vocabulary: data.vocabulary.clone(),
        treatments: data.pairs.treatments.clone(),
        features: data.screen.features.names().to_vec(),
        members: Vec::new(),
    };
    let mut outcomes_of_members = Vec::new();
    for outcome in outcomes {
        let memory = Memory::of(&outcome.model, data.screen, data.pairs, device);
        trained.members.push((outcome.model, memory));
        outcomes_of_members.push((outcome.step, outcome.validation_error, outcome.health));
    }
    Ok(Members { trained, outcomes: outcomes_of_members })
}

/// An error about what a checkpoint holds, with the checkpoint's path.
fn of_file(error: TrainError, path: Option<&Path>) -> TrainError {
    match (error, path) {
        (error @ (TrainError::Damaged { .. } | TrainError::Parameters(_)), Some(path)) => {
            TrainError::OfFile { path: path.to_owned(), source: Box::new(error) }
        }
        (error, _) => error,
    }
}

/// Runs the members on as many threads as there are cores, each in a pool of one thread.
fn side_by_side(
    n_members: usize,
    train: impl Fn(usize) -> Result<MemberOutcome, TrainError> + Sync,
) -> Result<Vec<MemberOutcome>, TrainError> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(n_members);
    let next = Mutex::new(0);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started");
                loop {
                    let member = {
                        let mut next = next.lock().expect("no member panics while it holds the lock");
                        *next += 1;
                        *next - 1
                    };
                    if member >= n_members {
                        return;
                    }
                    let outcome = pool.install(|| train(member));
                    results.lock().expect("as above").insert(member, outcome);
                }
            });
        }
    });
    results.into_inner().expect("as above").into_values().collect()
}
