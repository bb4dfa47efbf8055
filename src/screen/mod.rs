//! What was measured and what was done to the cells.
//!
//! A [`Screen`] is a table of observations (one row for each cell, site or well) with one payload each, a row of
//! the [`FeatureMatrix`]. Everything past `load` speaks these types; no data frame and no foreign column name gets here.

mod design;
mod image;
mod intervention;
mod kind;
mod label;
mod lexicon;
mod matrix;
mod mechanism;
mod nearest;
mod origin;
mod query;
mod spread;
mod stored;
mod treatment;
mod units;
mod well;
mod written;

use std::collections::BTreeMap;

pub use design::{Design, Reference, Schedule, Track};
pub use image::{ImageScreen, ImageSite, Mask, MaskValues, Object, Plane, Projection, Selector, Time};
pub use intervention::{Application, DoseUnit, Intervention, Kind, Micromolar, Perturbation};
pub use kind::ScreenKind;
pub use label::Label;
pub use lexicon::{InterventionError, Lexicon, Read};
pub use matrix::{FeatureMatrix, Features};
pub(crate) use mechanism::mechanisms;
pub use mechanism::share_mechanism;
pub(crate) use nearest::{nearest, nearest_in_words};
pub use origin::{Origin, OriginColumn};
pub use query::{Query, QueryError};
use serde::{Deserialize, Serialize};
pub use spread::ChannelSpread;
pub use stored::{ChannelScale, MappedFile, StoredRow, StoredRows, StoredType};
pub use treatment::Treatment;
pub use units::{Role, Unit, Units};
pub(crate) use units::{SITE_LABEL, grouped};
pub use well::{Well, WellError};
pub(crate) use written::{amount, name_and_amount};

impl Label {
    /// The label of groups of rows: the value that all rows of a group share, none where they differ.
    pub(crate) fn of_groups(&self, groups: &[Vec<usize>]) -> Self {
        let shared = |rows: &Vec<usize>| {
            let first = self.values[*rows.first()?].as_ref()?;
            rows.iter().all(|&row| self.values[row].as_ref() == Some(first)).then(|| first.clone())
        };
        Self { name: self.name.clone(), values: groups.iter().map(shared).collect() }
    }
}

/// Rows that were left out while loading, with the reason in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Why these rows were left out.
    pub reason: String,
    /// How many rows.
    pub rows: usize,
}

/// A table of observations with metadata and one feature row each.
#[derive(Debug, Clone)]
pub struct Screen {
    /// Short name of the data set.
    pub name: String,
    /// How it was done.
    pub design: Design,
    /// The unit of each row: where it was measured, and what had been done there.
    pub units: Units,
    /// Measured values, `[observation, feature]`.
    pub features: Features,
    /// Metadata kept beside the observations.
    pub labels: Vec<Label>,
    /// What loading left out.
    pub dropped: Vec<Dropped>,
    /// What it keeps of the files it came from.
    pub origin: Origin,
}

impl Screen {
    /// What effects are measured against.
    pub fn reference(&self) -> Reference {
        self.design.reference()
    }

    /// What kind of data it is.
    pub fn kind(&self) -> ScreenKind {
        ScreenKind::of(self.reference(), self.features.is_of_pixels())
    }

    /// Rows of cells to which nothing was done: negative controls, and first frames. `None` where values are differences from
    /// control already, so that zero stands for them.
    pub fn untreated_rows(&self) -> Option<Vec<usize>> {
        let is_untreated = |row: &usize| self.unit(*row).role == Role::NegativeControl;
        match self.design {
            Design::Relative => None,
            _ => Some((0..self.n_observations()).filter(is_untreated).collect()),
        }
    }

    /// Values in the units of the files, whether `features` are normalized or not.
    pub fn measured(&self) -> &Features {
        self.origin.measured.as_ref().unwrap_or(&self.features)
    }

    /// Number of observations.
    pub fn n_observations(&self) -> usize {
        self.units.n_rows()
    }

    /// Treated rows (treatments and positive controls) by treatment, in the order of [`Treatment`].
    pub fn treatments(&self) -> BTreeMap<Treatment, Vec<usize>> {
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        for (row, unit) in self.units.by_row().enumerate() {
            if unit.role.is_treated() {
                rows.entry(unit.treatment()).or_default().push(row);
            }
        }
        rows
    }

    /// Negative-control rows by plate, in the order of the plate names.
    pub fn controls_by_plate(&self) -> BTreeMap<&str, Vec<usize>> {
        self.rows_by_plate(|unit| unit.role == Role::NegativeControl)
    }

    /// Rows that satisfy `keep`, by plate; plates without such a row are absent.
    pub fn rows_by_plate(&self, keep: impl Fn(&Unit) -> bool) -> BTreeMap<&str, Vec<usize>> {
        let mut rows = BTreeMap::<&str, Vec<usize>>::new();
        for (row, unit) in self.units.by_row().enumerate() {
            if keep(unit) {
                rows.entry(unit.plate.as_str()).or_default().push(row);
            }
        }
        rows
    }

    /// Rows of each well, in the order of the wells' first rows, as [`Units`] tell them.
    pub fn wells(&self) -> Vec<Vec<usize>> {
        self.units.rows()
    }

    /// The label called `name`, if the screen has it.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }

    /// The unit that a row belongs to.
    pub fn unit(&self, row: usize) -> &Unit {
        self.units.of(row)
    }

    /// The observations at `rows`, in that order, with their features and labels.
    ///
    /// Objects that were followed stay so as far as their rows are selected.
    pub fn select(&self, rows: &[usize]) -> Screen {
        let positions: BTreeMap<usize, usize> =
            rows.iter().enumerate().map(|(position, &row)| (row, position)).collect();
        Screen {
            name: self.name.clone(),
            design: self.design.at(|row| positions.get(&row).copied()),
            units: self.units.select(rows),
            features: self.features.select_rows(rows),
            labels: self
                .labels
                .iter()
                .map(|label| Label {
                    name: label.name.clone(),
                    values: rows.iter().map(|&row| label.values[row].clone()).collect(),
                })
                .collect(),
            dropped: self.dropped.clone(),
            origin: self.origin.select(rows),
        }
    }
}
