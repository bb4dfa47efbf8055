//! Which files are meant and how they are to be read.

use std::path::PathBuf;

use super::card::{Card, Columns, Rule, Rules};
use super::error::LoadError;
use super::walk;
use super::wellmap::is_wellmap;
use crate::screen::{DoseUnit, Reference};

/// Which files to load and how to read them; flags fill it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    /// The card, if there is one.
    pub card: Option<PathBuf>,
    /// Profile tables as paths, folders or globs; the card's `files` if empty.
    pub files: Vec<PathBuf>,
    /// What counts for more than the card.
    pub overrides: ColumnOverrides,
}

/// What a user says by flags of the columns; `None` leaves it to the card.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnOverrides {
    /// Columns by role.
    pub columns: Columns,
    /// Unit of the dose column.
    pub dose_unit: Option<DoseUnit>,
    /// Globs on the names of feature columns.
    pub features: Option<Vec<String>>,
    /// Exactly these features, of those that the tables have: those that a trained model reads.
    pub wanted_features: Option<Vec<String>>,
    /// Globs on the names of columns that are no features.
    pub exclude_features: Option<Vec<String>>,
    /// What effects are measured against.
    pub reference: Option<Reference>,
    /// Perturbations that are negative controls.
    pub negative_controls: Option<Vec<String>>,
}

impl Source {
    /// The source that paths on a command line mean: a `.toml` file is the card, a folder with a `dataset.toml` is that
    /// card, a folder above the one thing that can be loaded is that thing, everything else is a profile table.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut source = Self::default();
        for path in paths {
            let path = match path.is_dir().then(|| walk::loadable(&path)).as_deref() {
                Some([one]) => one.path.clone(),
                _ => path,
            };
            let card = path.join("dataset.toml");
            if path.extension().is_some_and(|extension| extension == "toml") && !is_wellmap(&path) {
                source.card = Some(path);
            } else if card.is_file() {
                source.card = Some(card);
            } else {
                source.files.push(path);
            }
        }
        source
    }

    /// The card with the overrides put in; an empty card if there is none.
    pub(super) fn effective_card(&self) -> Result<Card, LoadError> {
        let mut card = match &self.card {
            Some(path) => Card::read(path)?,
            None => Card::default(),
        };
        let ColumnOverrides {
            columns,
            dose_unit,
            features,
            wanted_features: _,
            exclude_features,
            reference,
            negative_controls,
        } = self.overrides.clone();
        card.columns = columns.or(&card.columns);
        card.dose_unit = dose_unit.or(card.dose_unit);
        card.features = features.unwrap_or(card.features);
        card.exclude_features = exclude_features.unwrap_or(card.exclude_features);
        card.reference = reference.unwrap_or(card.reference);
        if let Some(values) = negative_controls {
            let negative = Rules::One(Rule { column: None, values, empty: false });
            card.controls.get_or_insert_default().negative = Some(negative);
        }
        Ok(card)
    }
}
