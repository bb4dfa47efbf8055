//! A run without a configuration: settings that the data suggest, each with the reason for it.

mod pixels;
mod split;
mod tracks;

use super::error::StudyError;
use crate::load::image::{ImageSource, is_image_source, load_images};
use crate::load::{Loaded, Source, load};
use crate::screen::{RowKind, Screen};

/// A key of the configuration that a user did not set, and why it has this value.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The dotted key.
    pub key: &'static str,
    /// The value as TOML.
    pub value: String,
    /// Why, in words.
    pub why: String,
}

/// What a run of a screen needs and nobody said.
#[derive(Debug)]
pub struct Proposal {
    /// The keys that differ from the defaults.
    pub choices: Vec<Choice>,
    /// The screen, where reading it does not depend on the choices.
    pub loaded: Option<Loaded>,
}

impl Choice {
    fn new(key: &'static str, value: impl ToString, why: impl Into<String>) -> Self {
        Self { key, value: value.to_string(), why: why.into() }
    }
}

/// Chooses the settings of a run on the screen that `source` names.
///
/// Tables are read whole, and of images the headers and a few sites, in which the size of the objects is measured.
/// The same files give the same choices.
///
/// # Errors
/// What loading says.
pub fn propose(source: &Source) -> Result<Proposal, StudyError> {
    if is_image_source(source)? {
        let images = load_images(&ImageSource { source: source.clone(), ..ImageSource::default() })?;
        return Ok(Proposal { choices: pixels::choices(&images)?, loaded: None });
    }
    let loaded = load(source)?;
    if loaded.screen.row_kind() == RowKind::TrackWindow {
        return Ok(Proposal { choices: tracks::choices(&loaded.screen), loaded: None });
    }
    let has_descriptors = loaded.card.as_ref().is_some_and(|card| card.descriptors.is_some());
    let mut choices = split::choices(&loaded.screen, has_descriptors);
    choices.extend(narrow(&loaded.screen));
    Ok(Proposal { choices, loaded: Some(loaded) })
}

/// A latent for tables of few features: wider than these, it has nothing to hold.
fn narrow(screen: &Screen) -> Option<Choice> {
    const DEFAULT: usize = 64;
    let n_features = screen.features.n_features();
    let latent = n_features.next_multiple_of(8).max(8);
    (latent < DEFAULT).then(|| Choice::new("model.latent", latent, format!("{n_features} features")))
}

#[cfg(test)]
mod tests;
