//! A trained model with all that it takes to use it, into its run folder and out of it.

use std::path::Path;

use burn::tensor::Device;

use super::combined::Combination;
use super::error::AnswerError;
use crate::normalize::Normalizer;
use crate::predict::{Decoder, Model, Starts};
use crate::run::{Artifact, Checkpoint, NonFinite, RunError};
use crate::screen::ScreenKind;
use crate::table::{read_json, write_json};
use crate::train::TrainedModel;

/// A trained model with all that it takes to use it.
#[derive(Debug)]
pub struct TrainedRun {
    /// The ensemble.
    pub trained: TrainedModel,
    /// Latents to features.
    pub decoder: Decoder,
    /// How features are scaled.
    pub normalizer: Normalizer,
    /// Weights of all methods where they were tried; those of other places are found when they are asked for.
    pub combination: Combination,
}

impl TrainedRun {
    /// Reads what a run left behind.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read(folder: &Path, n_members: usize, device: &Device) -> Result<Self, AnswerError> {
        if let Some(lacking) =
            Self::files(n_members).map(|artifact| artifact.path_in(folder)).find(|path| !path.exists())
        {
            let problem =
                "is not there; repeat the `cytonaut run` that made the folder, which makes what is missing again";
            return Err(RunError::damaged(&lacking, problem).into());
        }
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
                "does not fit the model next to it; copy the file again, or delete it and run `cytonaut run` again",
            )
        };
        if normalizer.feature_names() != trained.features {
            return Err(damaged(&normalizer_path).into());
        }
        if !decoder.fits(&trained) {
            return Err(damaged(&decoder_path).into());
        }
        let combination = read_json(&Artifact::Combination.path_in(folder))?;
        Ok(Self { trained, decoder, normalizer, combination })
    }

    /// The kind of the screen that it was trained on.
    pub fn kind(&self) -> ScreenKind {
        ScreenKind::of(self.normalizer.reference(), self.trained.config.encoder.crop().is_some())
    }

    /// The model as a method that starts from `starts`.
    pub fn model<'a>(&'a self, starts: &'a Starts<'a>, device: &'a Device) -> Model<'a> {
        Model { trained: &self.trained, decoder: &self.decoder, starts, device }
    }

    /// Whether a file is missing that [`TrainedRun::read`] reads.
    pub fn lacks_a_file(folder: &Path, n_members: usize) -> bool {
        Self::files(n_members).any(|artifact| !artifact.path_in(folder).exists())
    }

    /// What [`TrainedRun::read`] reads.
    fn files(n_members: usize) -> impl Iterator<Item = Artifact> {
        let models = (0..n_members).map(|member| Artifact::Model { member });
        models.chain([Artifact::Normalizer, Artifact::Decoder, Artifact::Combination])
    }

    /// Writes all that [`TrainedRun::read`] reads.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), AnswerError> {
        let models = folder.join("model");
        std::fs::create_dir_all(&models).map_err(RunError::write(&models))?;
        write_json(&Artifact::Normalizer.path_in(folder), &self.normalizer)?;
        write_json(&Artifact::Decoder.path_in(folder), &self.decoder)?;
        write_json(&Artifact::Combination.path_in(folder), &self.combination)?;
        // Members come last and complete the set: while one is missing, training is resumed.
        for (member, checkpoint) in self.trained.to_checkpoints().iter().enumerate() {
            checkpoint.save(&Artifact::Model { member }.path_in(folder))?;
        }
        Ok(())
    }
}
