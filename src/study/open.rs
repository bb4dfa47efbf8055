//! A trained run opened to be put to use.

use std::path::Path;

use burn::tensor::Device;

use super::error::StudyError;
use crate::answer::TrainedRun;
use crate::config::Config;
use crate::run::{Artifact, Manifest, State};

/// Reads the trained run in `folder`, with the configuration it was trained by.
///
/// # Errors
/// Where there is not a run, where it is not trained yet, where each of its folds has a model of its own, or where a file is
/// missing or damaged.
pub fn open(folder: &Path, device: &Device) -> Result<(Config, TrainedRun), StudyError> {
    let config = settings_of(folder)?;
    let trained_run = TrainedRun::read(folder, config.train.members, device)?;
    Ok((config, trained_run))
}

/// The configuration of the trained run in `folder`.
pub(super) fn settings_of(folder: &Path) -> Result<Config, StudyError> {
    let manifest = Manifest::read(folder)?;
    let config = Config::read(&Artifact::Config.path_in(folder))?;
    // What a file lacks that is there is said by itself; a run of which no file is there was stopped before.
    let is_trained = Artifact::Model { member: 0 }.path_in(folder).exists();
    if !is_trained && manifest.state == State::Unfinished {
        return Err(StudyError::NotTrained { folder: folder.to_owned() });
    }
    let first_fold = folder.join(fold_name(0));
    if !is_trained && first_fold.is_dir() {
        return Err(StudyError::Folds { folder: folder.to_owned(), first_fold });
    }
    Ok(config)
}

/// What the folder of a fold is called within the run's own.
pub fn fold_name(fold: usize) -> String {
    format!("fold-{fold}")
}
