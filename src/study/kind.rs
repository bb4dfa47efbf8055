//! What the steps of a job are for each kind of screen, where they differ: past the door, where a screen is read, [`of`] is
//! the one place of this room that asks for the kind.
//!
//! [`Kind`] is asked before anything is trained, [`Trained`] afterwards. Steps that are the same for all kinds stand in the
//! files of the jobs.

mod followed;
mod images;
mod profiles;
mod time_lapse;
mod tracks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;

use self::followed::principal_map;
use self::images::Images;
use self::profiles::Profiles;
use self::time_lapse::TimeLapse;
use self::tracks::Tracks;
use super::answers::Scope;
use super::by_feature::{AskedFeature, FeatureValue};
use super::error::StudyError;
use super::event::Event;
use super::explain::AskedMoves;
use super::refuse::Wanted;
use super::reopen::{Also, rank_by};
use crate::answer::{Asked, Combination, Prepared, TrainedRun};
use crate::config::Config;
use crate::embed::{EmbeddingMap, Embeddings};
use crate::evaluate::{Activity, Held, Judged, Judgment};
use crate::normalize::NormalizeError;
use crate::pair::{Part, Split};
use crate::plan::{FeatureRanking, Moves, Ranking};
use crate::predict::{Decoder, DecoderConfig};
use crate::qc::{Finding, Quality, design_findings, quality};
use crate::run::keep;
use crate::screen::{Screen, ScreenKind};
use crate::train::TrainedModel;

/// The steps for screens of `kind`.
pub(super) fn of(kind: ScreenKind) -> &'static dyn Kind {
    match kind {
        ScreenKind::Profiles | ScreenKind::RelativeProfiles => &Profiles,
        ScreenKind::Images => &Images,
        ScreenKind::TimeLapse => &TimeLapse,
        ScreenKind::Tracks => &Tracks,
    }
}

/// What simple methods say of held-out units, fitted on so many percent of the training data, drawn by a seed.
pub(super) type JudgeSimple = fn(&Config, &Prepared, usize, u64) -> Result<Vec<Judgment>, StudyError>;

/// The steps that come before training, or do without a model.
pub(super) trait Kind: Sync {
    /// Refuses what a run on such a screen does not have.
    ///
    /// # Errors
    /// A sentence that says what there is instead.
    fn refuse(&self, wanted: Wanted<'_>) -> Result<(), StudyError>;

    /// Refuses settings that such a screen cannot serve.
    ///
    /// # Errors
    /// What is missing of the screen.
    fn check(&self, _config: &Config, _screen: &Screen) -> Result<(), StudyError> {
        Ok(())
    }

    /// Whether rows are pixels, which stay where they lie: their latents are kept in their place, and none are decoded.
    fn holds_pixels(&self) -> bool {
        false
    }

    /// Whether the same objects are seen several times, so that the rows of a well are no replicates.
    fn follows_objects(&self) -> bool {
        false
    }

    /// Keeps in the run folder what was loaded, where it is not pixels.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn keep(&self, screen: &Screen, descriptors: &BTreeMap<String, Vec<f32>>, folder: &Path) -> Result<(), StudyError> {
        if self.holds_pixels() {
            return Ok(());
        }
        Ok(keep(screen, descriptors, None, folder)?)
    }

    /// Keeps the latents of `rows` in the run folder where they stand for pixels.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn keep_latents(&self, prepared: &Prepared, rows: &Embeddings, folder: &Path) -> Result<(), StudyError> {
        if !self.holds_pixels() {
            return Ok(());
        }
        Ok(keep(&prepared.screen, &prepared.descriptors, Some(&rows.latents), folder)?)
    }

    /// How good plates and wells are, and what their design does not allow to conclude; nothing where wells are measured more
    /// than once.
    fn quality(&self, screen: &Screen, seed: u64) -> (Quality, Vec<Finding>) {
        if self.follows_objects() {
            return Default::default();
        }
        (quality(screen, seed), design_findings(screen))
    }

    /// From latents back to features: fitted on the first rows, judged on the second.
    ///
    /// # Errors
    /// What the fit says.
    fn decoder(
        &self,
        trained: &TrainedModel,
        screen: &Screen,
        [fit_rows, unseen]: [&[usize]; 2],
        config: &DecoderConfig,
        device: &Device,
    ) -> Result<Decoder, StudyError> {
        if self.holds_pixels() {
            return Ok(Decoder::of_latents());
        }
        Ok(Decoder::fit(trained, screen, fit_rows, unseen, config, device)?)
    }

    /// The way from the latents of rows to the embedding of the run, of at most `most` directions: whitened by wells that were
    /// treated alike, or principal components where these are no replicates.
    ///
    /// # Errors
    /// When a latent is not finite.
    fn embedding_map(
        &self,
        prepared: &Prepared,
        rows: &Embeddings,
        most: usize,
    ) -> Result<EmbeddingMap, NormalizeError> {
        if self.follows_objects() {
            return principal_map(prepared, rows, most);
        }
        let wells = prepared.screen.wells();
        let is_training = |well: &usize| prepared.split.part(wells[*well][0]) == Part::Train;
        let training: Vec<usize> = (0..wells.len()).filter(is_training).collect();
        EmbeddingMap::fit(&rows.by_well(), &training, most, true)
    }

    /// Latents of wells from those of `rows`, where a well is a bag of them.
    fn wells(&self, _rows: &Embeddings) -> Option<Embeddings> {
        None
    }

    /// Rows of treated training data that a share of it takes or leaves together: those of a well.
    fn parts_of_training(&self, screen: &Screen, split: &Split) -> Vec<Vec<usize>> {
        let is_of_training = |rows: &Vec<usize>| {
            rows.iter().all(|&row| split.part(row) == Part::Train)
                && rows.iter().any(|&row| screen.unit(row).role.is_treated())
        };
        screen.wells().into_iter().filter(is_of_training).collect()
    }

    /// How simple methods are judged in a comparison; `None` where there are none.
    fn judge_simple(&self) -> Option<JudgeSimple> {
        None
    }

    /// The same screen with a trained run.
    fn trained<'a>(&self, run: Run<'a>) -> Box<dyn Trained + 'a>;
}

/// A trained run with the screen that it was trained on, and the settings by which it is asked.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    pub(super) trained_run: &'a TrainedRun,
    pub(super) device: &'a Device,
}

impl<'a> Run<'a> {
    /// The steps for its kind of screen.
    pub(super) fn kind(&self) -> &'static dyn Kind {
        of(self.prepared.screen.kind())
    }

    /// What it is asked.
    pub(super) fn trained(self) -> Box<dyn Trained + 'a> {
        self.kind().trained(self)
    }
}

/// What a trained run is asked.
pub(super) trait Trained {
    /// The run that is asked.
    fn run(&self) -> Run<'_>;

    /// Asks of held-out units what there is to ask; `None` where nothing is held out. `rows` are the latents of the rows,
    /// where they are there already.
    ///
    /// # Errors
    /// What predicting or scoring says.
    fn ask(&self, rows: Option<&Embeddings>, scope: Scope, tell: &dyn Fn(Event)) -> Result<Option<Asked>, StudyError>;

    /// The weights of all methods at the places where the run will be asked about them; without any where they are found
    /// with the answers.
    ///
    /// # Errors
    /// What predicting or a fit says.
    fn weights(&self) -> Result<Combination, StudyError> {
        Ok(Combination::default())
    }

    /// Draws what was predicted into the run folder, where it can be seen.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn draw(&self, _folder: &Path) -> Result<(), StudyError> {
        Ok(())
    }

    /// What does anything at all, of `other` or of the run's own screen; `map` is the way to the embedding of the run.
    ///
    /// # Errors
    /// When the retrieval of replicates cannot be scored.
    fn activity(&self, other: Option<&Screen>, map: &EmbeddingMap) -> Result<Activity, StudyError>;

    /// The observations that are ranked: those of `other`, or of the run's own screen.
    fn ranked<'s>(&'s self, other: Option<&'s Screen>) -> Cow<'s, Screen> {
        Cow::Borrowed(other.unwrap_or(&self.run().prepared.screen))
    }

    /// Ranks by what the configuration says, toward its target.
    ///
    /// # Errors
    /// When the target cannot be used or the screen does not have the method of `rank.by`.
    fn rank(
        &self,
        other: Option<&Screen>,
        verdict: String,
        also: Also<'_>,
    ) -> Result<(Ranking, Vec<Held>), StudyError> {
        rank_by(self.run(), other, verdict, also)
    }

    /// A feature of candidates; head and abstentions go into `ranking`.
    ///
    /// # Errors
    /// When the screen does not have the feature or the method.
    fn feature(&self, asked: &AskedFeature<'_>, ranking: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError>;

    /// What the features of a candidate do on the way to the target.
    ///
    /// # Errors
    /// What predicting says.
    fn moves(&self, _asked: &AskedMoves<'_>) -> Result<Moves, StudyError> {
        Ok(Moves { unit: "pixels have none; see the scores of wells".to_owned(), ..Moves::default() })
    }

    /// What it says of validation and of test units, judged in the space of the measurements.
    ///
    /// # Errors
    /// What predicting or scoring says.
    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError>;
}
