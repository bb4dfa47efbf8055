//! From a configuration to a split, normalized, paired screen.

use std::collections::BTreeMap;

use super::error::StudyError;
use super::event::Event;
use super::images::load_image_screen;
use crate::answer::Prepared;
use crate::config::Config;
use crate::descriptor::Descriptors;
use crate::load::{Loaded, Source, load, load_tracks};
use crate::normalize::Normalizer;
use crate::pair::{PairSet, Part, Split, SplitConfig, Vocabulary};
use crate::plan::{PlanError, rows_of_target};
use crate::screen::RowKind;
use crate::train::Stop;

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
