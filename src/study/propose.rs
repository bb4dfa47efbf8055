//! A run without a configuration: settings that the data suggest, each with the reason for it.

mod pixels;
mod split;
mod tracks;

use super::error::StudyError;
use crate::load::image::{ImageSource, is_image_source, load_images};
use crate::load::{Loaded, Source, describe_images, load};
use crate::screen::{Reference, Role, Screen, ScreenKind};
use crate::table::counted;

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
/// What loading says, [`StudyError::NothingTreated`] or [`StudyError::NothingToLearn`].
pub fn propose(source: &Source) -> Result<Proposal, StudyError> {
    if is_image_source(source)? {
        let of_source = ImageSource { source: source.clone(), ..ImageSource::default() };
        let images = load_images(&of_source).map_err(|error| StudyError::of_images(error, source))?;
        refuse_open_images(&images.screen.table, source)?;
        return Ok(Proposal { choices: pixels::choices(&images)?, loaded: None });
    }
    let loaded = load(source).map_err(|error| StudyError::of_table(error, source))?;
    if loaded.screen.kind() == ScreenKind::Tracks {
        return Ok(Proposal { choices: tracks::choices(&loaded.screen), loaded: None });
    }
    refuse_untreated(&loaded.screen)?;
    let has_descriptors = loaded.card.as_ref().is_some_and(|card| card.descriptors.is_some());
    let mut choices = split::choices(&loaded.screen, has_descriptors);
    refuse_single_rows(&loaded.screen, &choices)?;
    choices.extend(pooled_scale(&loaded.screen));
    choices.extend(narrow(&loaded.screen));
    Ok(Proposal { choices, loaded: Some(loaded) })
}

/// Refuses a screen of which nobody said what was applied, before its images are decoded.
fn refuse_untreated(screen: &Screen) -> Result<(), StudyError> {
    let is_treated = screen.units.by_row().any(|unit| unit.role.is_treated());
    if is_treated { Ok(()) } else { Err(StudyError::NothingTreated { screen: screen.name.clone() }) }
}

/// The same of images, and of those without the controls that effects are measured against, with all that a card would
/// have to say of them.
fn refuse_open_images(screen: &Screen, source: &Source) -> Result<(), StudyError> {
    let refused = refuse_untreated(screen);
    let has_controls = screen.units.by_row().any(|unit| unit.role == Role::NegativeControl);
    if refused.is_ok() && (has_controls || screen.reference() != Reference::ControlWells) {
        return Ok(());
    }
    let described = describe_images(&ImageSource { source: source.clone(), ..ImageSource::default() });
    let gaps = described.map(|description| description.gaps).unwrap_or_default();
    if gaps.is_empty() {
        return refused;
    }
    let first = match refused {
        Err(refused) => refused.to_string(),
        Ok(()) => format!("{}: no negative control was found", screen.name),
    };
    Err(StudyError::Gaps { first, gaps, paths: source.card.iter().chain(&source.files).cloned().collect() })
}

/// Why a run of a screen of profiles would be refused for want of anything to learn, if it would be.
pub fn nothing_to_learn(loaded: &Loaded) -> Option<StudyError> {
    let screen = &loaded.screen;
    let is_treated = screen.units.by_row().any(|unit| unit.role.is_treated());
    if screen.kind() == ScreenKind::Tracks || !is_treated || screen.features.n_features() == 0 {
        return None;
    }
    let has_descriptors = loaded.card.as_ref().is_some_and(|card| card.descriptors.is_some());
    refuse_single_rows(screen, &split::choices(screen, has_descriptors)).err()
}

/// Refuses a table with one row for each perturbation where nothing can be held out either.
fn refuse_single_rows(screen: &Screen, choices: &[Choice]) -> Result<(), StudyError> {
    let treatments = screen.treatments();
    let is_held_out = choices.iter().any(|choice| choice.key == "split.by");
    match treatments.values().all(|rows| rows.len() == 1) && !is_held_out {
        true => Err(StudyError::NothingToLearn { screen: screen.name.clone(), n: treatments.len() }),
        false => Ok(()),
    }
}

/// The scale of the other plates for all, where some plates have a single control well.
fn pooled_scale(screen: &Screen) -> Option<Choice> {
    let controls = screen.controls_by_plate();
    let n_single = controls.values().filter(|rows| rows.len() == 1).count();
    let is_scaled = screen.reference() == Reference::ControlWells && n_single > 0 && n_single < controls.len();
    let why = format!(
        "one control well on {n_single} of {} plates, of which the scale is that of the others",
        controls.len()
    );
    is_scaled.then(|| Choice::new("normalize.per_plate.shrink", "1.0", why))
}

/// A latent for tables of few features: wider than these, it has nothing to hold.
fn narrow(screen: &Screen) -> Option<Choice> {
    const DEFAULT: usize = 64;
    let n_features = screen.features.n_features();
    let latent = n_features.next_multiple_of(8).max(8);
    (latent < DEFAULT).then(|| Choice::new("model.latent", latent, counted(n_features, "feature")))
}

#[cfg(test)]
mod tests;
