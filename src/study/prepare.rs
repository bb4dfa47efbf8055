//! From a configuration to a split, normalized, paired screen.

use std::collections::BTreeMap;

use super::error::StudyError;
use super::event::Event;
use super::images::load_image_screen;
use crate::config::Config;
use crate::descriptor::Descriptors;
use crate::load::{Loaded, Source, load, load_tracks};
use crate::model::{ModelConfig, ModelSizes};
use crate::normalize::Normalizer;
use crate::pair::{PairSet, Part, Split, SplitConfig, Vocabulary};
use crate::plan::{PlanError, rows_of_target};
use crate::screen::{ChannelSpread, FeatureMatrix, RowKind, Screen, Treatment};
use crate::train::Stop;
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
}

impl Prepared {
    /// Treated rows of a part by treatment.
    pub fn treatments(&self, part: Part) -> BTreeMap<Treatment, Vec<usize>> {
        self.split.treatments(&self.screen, part)
    }

    /// What members learn from.
    pub fn training_data(&self) -> TrainingData<'_> {
        TrainingData { screen: &self.screen, pairs: &self.pairs, vocabulary: &self.vocabulary }
    }

    /// Sizes of a model with these settings that this screen asks for.
    pub fn sizes(&self, model: &ModelConfig) -> ModelSizes {
        let training = self.split.rows(Part::Train);
        let channels = model.encoder.crop().filter(|_| model.center);
        let spread = |(n_channels, _)| ChannelSpread::of_crops(&self.screen.features, &training, n_channels);
        ModelSizes {
            features: self.screen.features.n_features(),
            interventions: self.vocabulary.sizes(),
            dose_centers: self.vocabulary.dose_centers().clone(),
            channels: channels.map(spread).unwrap_or_default(),
        }
    }
}

impl Prepared {
    /// The same with the rows of another normalized screen behind its own, none of which trains.
    pub(super) fn joined_with(&self, other: &Screen) -> Self {
        let mut screen = self.screen.clone();
        let n_own = screen.n_observations();
        screen.units = screen.units.followed_by(&other.units);
        let mut values = screen.features.in_memory().values().to_vec();
        values.extend_from_slice(other.features.in_memory().values());
        screen.features = FeatureMatrix::new(screen.features.names().to_vec(), values).into();
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
        }
    }
}

/// Reads the screen of a configuration.
///
/// # Errors
/// What loading says.
pub fn load_screen(config: &Config) -> Result<Loaded, StudyError> {
    load_screen_until(config, &Stop::default(), &|_| {})
}

/// Reads the screen of a configuration, and tells how far images are decoded; asked to stop, it keeps what is decoded.
///
/// # Errors
/// What loading says, or that it was stopped.
pub fn load_screen_until(config: &Config, stop: &Stop, tell: &(dyn Fn(Event) + Sync)) -> Result<Loaded, StudyError> {
    let source = Source { card: config.data.card.clone(), files: config.data.files.clone(), ..Source::default() };
    load_source(&source, config, &config.split, stop, tell)
}

/// Reads another screen as a configuration reads its own.
///
/// Its images are scaled by their own controls, as other plates of the run would be.
///
/// # Errors
/// What loading says.
pub fn load_other(config: &Config, source: &Source) -> Result<Loaded, StudyError> {
    load_source(source, config, &SplitConfig::default(), &Stop::default(), &|_| {})
}

/// The door: what kind of screen it is, is decided here.
fn load_source(
    source: &Source,
    config: &Config,
    split: &SplitConfig,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Loaded, StudyError> {
    if let Some(images) = &config.images {
        return load_image_screen(source, images, split, stop, tell);
    }
    if let Some(tracks) = &config.tracks {
        return Ok(load_tracks(source, tracks.window)?);
    }
    let loaded = load(source)?;
    if loaded.screen.row_kind() == RowKind::TrackWindow { Err(StudyError::NoTrackConfig) } else { Ok(loaded) }
}

/// Splits first, then fits what is fitted on the training part, then pairs.
///
/// # Errors
/// What splitting, normalizing or pairing says.
pub fn prepare(config: &Config, loaded: &Loaded) -> Result<Prepared, StudyError> {
    let split = match config.split.test.as_str() {
        "" => Split::new(&loaded.screen, &config.split)?,
        query => {
            let rows = rows_of_target(&loaded.screen, query).map_err(PlanError::from)?;
            Split::holding_out(&loaded.screen, &rows, &config.split)?
        }
    };
    let normalizer = Normalizer::fit(&loaded.screen, &split.rows(Part::Train), &config.normalize)?;
    // Pixels are scaled when they are loaded: their normalizer has no step, and leaves them in their files.
    let screen = normalizer.apply(&loaded.screen)?;
    let pairs = PairSet::new(&screen, &split, &config.pair)?;
    let descriptors = match &loaded.card {
        Some(card) => Descriptors::of_card(card)?.map(|descriptors| descriptors.by_name().clone()).unwrap_or_default(),
        None => BTreeMap::new(),
    };
    let vocabulary = Vocabulary::of(&screen, &pairs, descriptors.clone());
    Ok(Prepared { screen, normalizer, split, pairs, vocabulary, descriptors })
}
