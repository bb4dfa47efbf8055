//! From a configuration to a split, normalized, paired screen.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::StudyError;
use super::event::Event;
use super::images::load_image_screen;
use super::split::split_of;
use crate::answer::{Prepared, SharedFits};
use crate::config::Config;
use crate::descriptor::Descriptors;
use crate::load::{Loaded, Source, load, load_tracks};
use crate::normalize::Normalizer;
use crate::pair::{PairSet, Part, Split, SplitConfig, Vocabulary};
use crate::run::{Artifact, KeptScreen};
use crate::screen::{Screen, ScreenKind};
use crate::table::FileError;
use crate::train::{Stop, TrainedModel};

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
    load_source(&source, config, Some(&config.split), stop, tell)
}

/// Reads another screen as a configuration reads its own.
///
/// Its images are scaled by their own controls, as other plates of the run would be; without controls, by all of them.
///
/// # Errors
/// What loading says.
pub fn load_other(config: &Config, source: &Source) -> Result<Loaded, StudyError> {
    load_source(source, config, None, &Stop::default(), &|_| {})
}

/// The door: what kind of screen it is, is decided here.
fn load_source(
    source: &Source,
    config: &Config,
    split: Option<&SplitConfig>,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<Loaded, StudyError> {
    if let Some(images) = &config.images {
        return load_image_screen(source, images, split, stop, tell);
    }
    if let Some(tracks) = &config.tracks {
        return Ok(load_tracks(source, tracks.window)?);
    }
    let loaded = load(source).map_err(|error| StudyError::of_table(error, source))?;
    if loaded.screen.kind() == ScreenKind::Tracks { Err(StudyError::NoTrackConfig) } else { Ok(loaded) }
}

/// Prepares a screen that was just loaded: splits first, then fits what is fitted on the training part, then pairs.
///
/// # Errors
/// What reading the card's descriptors, splitting, normalizing or pairing says.
pub fn prepare(config: &Config, loaded: &Loaded) -> Result<Prepared, StudyError> {
    prepare_screen(config, &loaded.screen, descriptors_of(loaded)?)
}

/// The descriptors that the card of a screen names, by perturbation.
///
/// # Errors
/// What reading them says.
pub(super) fn descriptors_of(loaded: &Loaded) -> Result<BTreeMap<String, Vec<f32>>, StudyError> {
    Ok(match &loaded.card {
        Some(card) => Descriptors::of_card(card)?.map(|descriptors| descriptors.by_name().clone()).unwrap_or_default(),
        None => BTreeMap::new(),
    })
}

/// Prepares the screen of the run in `folder` once more: the one that it keeps, or else that of its configuration.
///
/// # Errors
/// What loading or preparing says, or that latents were kept of another model than `trained`.
pub fn prepare_again(config: &Config, trained: &TrainedModel, folder: &Path) -> Result<Prepared, StudyError> {
    let Some(KeptScreen { screen, descriptors }) = KeptScreen::read(folder)? else {
        return prepare(config, &load_screen(config)?);
    };
    let pixels = screen.features.kept_latents().map(|latents| (latents, screen.features.names()));
    if pixels.is_some_and(|(latents, names)| !trained.fits(latents) || names != trained.features) {
        let path = Artifact::Screen.path_in(folder);
        return Err(FileError::damaged(&path, "does not fit the model next to it".to_owned()).into());
    }
    prepare_screen(config, &screen, descriptors)
}

/// Prepares any screen, with descriptors by perturbation: splits first, then fits what is fitted on the training part, then
/// pairs.
///
/// # Errors
/// What splitting, normalizing or pairing says.
pub fn prepare_screen(
    config: &Config,
    screen: &Screen,
    descriptors: BTreeMap<String, Vec<f32>>,
) -> Result<Prepared, StudyError> {
    prepare_split(config, screen, split_of(screen, &config.split)?, descriptors)
}

/// Fits what is fitted on the training part, then pairs.
///
/// # Errors
/// What normalizing or pairing says.
pub(super) fn prepare_split(
    config: &Config,
    screen: &Screen,
    split: Split,
    descriptors: BTreeMap<String, Vec<f32>>,
) -> Result<Prepared, StudyError> {
    let normalizer = Normalizer::fit(screen, &split.rows(Part::Train), &config.normalize)?;
    // Pixels are scaled when they are loaded: their normalizer has no step, and leaves them in their files.
    let screen = normalizer.apply(screen)?;
    let pairs = PairSet::new(&screen, &split, &config.pair)?;
    let vocabulary = Vocabulary::of(&pairs, descriptors.clone());
    Ok(Prepared { screen, normalizer, split, pairs, vocabulary, descriptors, fits: SharedFits::default() })
}
