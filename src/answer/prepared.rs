//! A screen that is ready to be learned from.

use std::collections::BTreeMap;

use super::error::AnswerError;
use super::methods::Fits;
use crate::model::{ModelConfig, ModelSizes};
use crate::normalize::Normalizer;
use crate::pair::{PairSet, Part, Split, Vocabulary};
use crate::prior::SignalMap;
use crate::screen::{ChannelSpread, FeatureMatrix, Screen, Treatment};
use crate::train::TrainingData;

/// A screen that is ready to be learned from.
#[derive(Debug)]
pub struct Prepared {
    /// The normalized screen.
    pub screen: Screen,
    /// What was fitted to normalize it.
    pub normalizer: Normalizer,
    /// Which observation is for what.
    pub split: Split,
    /// Training transitions.
    pub pairs: PairSet,
    /// Names of the training treatments.
    pub vocabulary: Vocabulary,
    /// Descriptors by perturbation name; empty without.
    pub descriptors: BTreeMap<String, Vec<f32>>,
    /// What simple methods were fitted to it.
    pub fits: SharedFits,
}

/// What simple methods share that are fitted to one screen.
#[derive(Debug, Default)]
pub struct SharedFits {
    /// Fitted on the training part.
    pub judged: Fits,
    /// Fitted on everything that was measured.
    pub in_use: Fits,
}

impl Prepared {
    /// Treated rows of a part by treatment.
    pub fn treatments(&self, part: Part) -> BTreeMap<Treatment, Vec<usize>> {
        self.split.treatments(&self.screen, part)
    }

    /// The first and the last row of every object of a time lapse.
    pub fn ends_of_tracks(&self) -> Vec<usize> {
        self.screen.design.tracks().iter().flat_map(|track| [track.first(), track.last()]).collect()
    }

    /// Treated rows by treatment of a `screen` that holds the rows `taken`, of treatments that are wholly of `part`.
    pub fn treatments_at(&self, screen: &Screen, taken: &[usize], part: Part) -> BTreeMap<Treatment, Vec<usize>> {
        let mut rows = screen.treatments();
        rows.retain(|_, rows| rows.iter().all(|&row| self.split.part(taken[row]) == part));
        rows
    }

    /// What members learn from; `expected` is where transitions start, if they start where closed forms expect treatments.
    pub fn training_data<'a>(&'a self, expected: Option<&'a BTreeMap<Treatment, Vec<f32>>>) -> TrainingData<'a> {
        TrainingData { screen: &self.screen, pairs: &self.pairs, vocabulary: &self.vocabulary, expected }
    }

    /// Settings and sizes of a model of this screen, with the linear part of its latents: a latent that has one is no wider
    /// than the directions in which training treatments differ.
    ///
    /// # Errors
    /// When a training profile is not finite, so that no linear part can be fitted.
    pub fn sized(&self, model: &ModelConfig) -> Result<(ModelConfig, ModelSizes), AnswerError> {
        let training = self.split.rows(Part::Train);
        let channels = model.encoder.crop().filter(|_| model.center);
        let spread = |(n_channels, _)| ChannelSpread::of_crops(&self.screen.features, &training, n_channels);
        let fit_signal = || SignalMap::fit(&self.screen, &self.split, model.latent);
        let signal = model.has_linear_part().then(fit_signal).transpose()?;
        let latent = signal.as_ref().map_or(model.latent, |signal| signal.width().max(1));
        let sizes = ModelSizes {
            features: self.screen.features.n_features(),
            interventions: self.vocabulary.sizes(),
            dose_centers: self.vocabulary.dose_centers().clone(),
            channels: channels.map(spread).unwrap_or_default(),
            signal: signal.filter(|signal| signal.width() > 0),
        };
        Ok((ModelConfig { latent, ..model.clone() }, sizes))
    }
}

impl Prepared {
    /// The same with the rows of another normalized screen behind its own, none of which trains.
    pub fn joined_with(&self, other: &Screen) -> Self {
        let mut screen = self.screen.clone();
        let n_own = screen.n_observations();
        screen.units = screen.units.followed_by(&other.units);
        let mut values = screen.features.in_memory().values().to_vec();
        values.extend_from_slice(other.features.in_memory().values());
        screen.features = FeatureMatrix::new(screen.features.names().to_vec(), values).into();
        // The measured values of the two may be of different features.
        screen.origin.measured = None;
        for label in &mut screen.labels {
            match other.label(&label.name) {
                Some(theirs) => label.values.extend(theirs.values.iter().cloned()),
                None => label.values.resize(n_own + other.n_observations(), None),
            }
        }
        Self {
            screen,
            normalizer: self.normalizer.clone(),
            split: self.split.extended(other.n_observations(), Part::Test),
            pairs: self.pairs.clone(),
            vocabulary: self.vocabulary.clone(),
            descriptors: self.descriptors.clone(),
            fits: SharedFits::default(),
        }
    }
}
