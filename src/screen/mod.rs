//! What was measured and what was done to the cells.
//!
//! A [`Screen`] is a table of observations (one row for each cell, site or well) with one payload each, a row of
//! the [`FeatureMatrix`]. Everything past `load` speaks these types; no data frame and no foreign column name gets here.

mod design;
mod image;
mod intervention;
mod matrix;
mod query;
mod spread;
mod stored;
mod well;

use std::collections::BTreeMap;

pub use design::{Design, Reference, Schedule, Track};
pub use image::{ImageScreen, ImageSite, Mask, MaskValues, Object, Plane, Projection, Selector, Time};
pub use intervention::{Application, DoseError, DoseUnit, Intervention, Kind, Micromolar, Perturbation};
pub use matrix::FeatureMatrix;
pub use query::{Query, QueryError};
use serde::{Deserialize, Serialize};
pub use spread::ChannelSpread;
pub use stored::{ChannelScale, MappedFile, StoredRow, StoredRows, StoredType};
pub use well::{Well, WellError};

/// What an observation's well was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The well received an intervention under study (`trt` in files).
    Treatment,
    /// Vehicle, non-targeting guide or empty vector (`negcon`): its intervention is the empty set.
    NegativeControl,
    /// A known active intervention used to judge the assay (`poscon`).
    PositiveControl,
    /// Nothing that is to be learned from (`empty`).
    Empty,
}

impl Role {
    /// Whether an intervention under study or a known active one was applied.
    pub fn is_treated(self) -> bool {
        matches!(self, Self::Treatment | Self::PositiveControl)
    }
}

/// One measured row: where it was measured and what had been done there.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Plate barcode; the unit in which treated wells are paired with controls.
    pub plate: String,
    /// Well on the plate, when the file names one.
    pub well: Option<Well>,
    /// What the well was for.
    pub role: Role,
    /// All that was present; the empty set for negative controls.
    pub intervention: Intervention,
    /// What stays fixed over a transition beside the plate: cell line, time, donor. Empty when the screen has one context.
    pub context: String,
    /// Wells processed together (`Week3`, `2020_11_04_CPJUMP1`).
    pub lab_batch: Option<String>,
    /// Replicate label as the file gives it.
    pub replicate: Option<String>,
    /// Cells (or nuclei) counted in the well.
    pub cell_count: Option<f64>,
}

/// A metadata column that is kept beside the observations: mechanism of action, donor, SMILES and the like.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Column name: the card's word where it names one (`moa`), else the file's.
    pub name: String,
    /// One value for each observation; `None` where the cell was empty.
    pub values: Vec<Option<String>>,
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
    /// One for each row of `features`.
    pub observations: Vec<Observation>,
    /// Measured values, `[observation, feature]`.
    pub features: FeatureMatrix,
    /// Metadata kept beside the observations.
    pub labels: Vec<Label>,
    /// What loading left out.
    pub dropped: Vec<Dropped>,
}

/// An intervention in a context: the unit of consensus profiles, of prediction and of retrieval.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Treatment {
    /// What was done.
    pub intervention: Intervention,
    /// Where it was done; empty when the screen has one context.
    pub context: String,
}

impl std::fmt::Display for Treatment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.intervention)?;
        if !self.context.is_empty() {
            write!(f, " [{}]", self.context)?;
        }
        Ok(())
    }
}

impl Screen {
    /// What effects are measured against.
    pub fn reference(&self) -> Reference {
        self.design.reference()
    }

    /// Number of observations.
    pub fn n_observations(&self) -> usize {
        self.observations.len()
    }

    /// Treated rows (treatments and positive controls) by treatment, in the order of [`Treatment`].
    pub fn treatments(&self) -> BTreeMap<Treatment, Vec<usize>> {
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        for (row, observation) in self.observations.iter().enumerate() {
            if observation.role.is_treated() {
                rows.entry(observation.treatment()).or_default().push(row);
            }
        }
        rows
    }

    /// Negative-control rows by plate, in the order of the plate names.
    pub fn controls_by_plate(&self) -> BTreeMap<&str, Vec<usize>> {
        self.rows_by_plate(|observation| observation.role == Role::NegativeControl)
    }

    /// Rows that satisfy `keep`, by plate; plates without such a row are absent.
    pub fn rows_by_plate(&self, keep: impl Fn(&Observation) -> bool) -> BTreeMap<&str, Vec<usize>> {
        let mut rows = BTreeMap::<&str, Vec<usize>>::new();
        for (row, observation) in self.observations.iter().enumerate() {
            if keep(observation) {
                rows.entry(observation.plate.as_str()).or_default().push(row);
            }
        }
        rows
    }

    /// Rows of each well, in the order of the wells' first rows: one well where plate, well and what was done agree.
    ///
    /// Rows that name no well are told apart by their label `site`, and without one each is a well of its own.
    pub fn wells(&self) -> Vec<Vec<usize>> {
        wells(&self.observations, &self.labels)
    }

    /// The label called `name`, if the screen has it.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
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
            observations: rows.iter().map(|&row| self.observations[row].clone()).collect(),
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
        }
    }
}

/// [`Screen::wells`] of observations with their labels.
pub(crate) fn wells(observations: &[Observation], labels: &[Label]) -> Vec<Vec<usize>> {
    let sites = labels.iter().find(|label| label.name == SITE_LABEL);
    let key = |row: usize| {
        let Observation { plate, well, role, intervention, context, .. } = &observations[row];
        let site = sites.and_then(|sites| sites.values[row].as_deref()).filter(|_| well.is_none());
        let row = (well.is_none() && site.is_none()).then_some(row);
        (plate, *well, site, row, role, intervention, context)
    };
    grouped(observations.len(), key)
}

/// Rows that share a key, in the order of their first rows.
pub(crate) fn grouped<K: Ord>(n_rows: usize, key: impl Fn(usize) -> K) -> Vec<Vec<usize>> {
    let mut position_of = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..n_rows {
        let position = *position_of.entry(key(row)).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// The label that names the field of view of a crop of an image.
pub(crate) const SITE_LABEL: &str = "site";

impl Observation {
    /// The treatment this observation is a replicate of.
    pub fn treatment(&self) -> Treatment {
        Treatment { intervention: self.intervention.clone(), context: self.context.clone() }
    }
}
