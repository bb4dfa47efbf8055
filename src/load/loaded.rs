//! A screen, and how it came to be.

use super::card::Card;
use super::inputs::InputFile;
use super::mapping::Mapping;
use super::meet::FoundJoin;
use crate::screen::Screen;

/// A screen, and how it came to be.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The screen, sorted by plate and well.
    pub screen: Screen,
    /// Which column meant what.
    pub mapping: Mapping,
    /// The profile tables and joined sheets that were read.
    pub inputs: Vec<InputFile>,
    /// The card, with the overrides put in.
    pub card: Option<Card>,
    /// Sheets that were joined though no card says so.
    pub joins: Vec<FoundJoin>,
    /// Whether values depend on what is held out, as the intensities of images that are scaled by training alone do.
    pub follows_split: bool,
    /// What a user may want to know or change, in sentences.
    pub notes: Vec<String>,
}
