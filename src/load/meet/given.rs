//! A table by itself, and what it is next to the one with the most measurements.

use std::collections::BTreeSet;

use super::{DESCRIPTORS, Sketched};
use crate::load::card::{Card, Columns};
use crate::load::declared::ColumnOrValue;
use crate::load::error::LoadError;
use crate::load::mapping::{ColumnRole, Mapping};
use crate::load::table::Values;
use crate::load::{format, part, well_column};

/// What a table is beside the one with the most measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// More rows of the same.
    Table,
    /// Other measurements of the same things.
    Rival,
    /// Numbers for each perturbation.
    Descriptors,
    /// What may be joined.
    Sheet,
}

/// A table with what its columns seem to be.
pub(super) struct Given {
    pub sketched: Sketched,
    pub mapping: Mapping,
    /// Columns that would be features if the table stood alone.
    pub measured: Vec<String>,
    pub has_bits: bool,
}

impl Sketched {
    /// A text that lies in a folder and need not be a table.
    pub fn is_prose(&self) -> bool {
        !self.is_named && self.path.extension().is_some_and(|extension| extension == "txt")
    }
}

impl Given {
    pub fn of(sketched: Sketched, card: &Card) -> Result<Self, LoadError> {
        let of_rows = sketched.columns.iter().filter(|column| !(column.is_measured || column.is_key));
        let names: Vec<String> = of_rows.map(|column| column.name.clone()).collect();
        let card = of_these(card, &names);
        let mut mapping = Mapping::of_names(&sketched.path, &names, &card)?;
        mapping.infer_well(well_column::sketched(&sketched.columns), &card);
        let measured = match mapping.find_features(&sketched.path, &sketched.columns, &BTreeSet::new(), &card) {
            Ok(_) => std::mem::take(&mut mapping.features),
            Err(LoadError::NoFeatures { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut given = Self { sketched, mapping, measured, has_bits: false };
        if given.is_by_perturbation() && given.measured.len() < DESCRIPTORS {
            let wanted: BTreeSet<&str> = given.measured.iter().map(String::as_str).collect();
            let sample = format::sample(&given.sketched.path, 1 << 20, &|name| wanted.contains(name))?;
            given.has_bits = sample.columns.iter().any(|column| holds_bits(&column.values));
        }
        Ok(given)
    }

    fn has(&self, role: ColumnRole) -> bool {
        self.mapping.column(role).is_some()
    }

    fn is_by_perturbation(&self) -> bool {
        self.has(ColumnRole::Perturbation) && !self.has(ColumnRole::Plate) && !self.has(ColumnRole::Well)
    }

    /// Whether it has nothing but names of perturbations and numbers for each: many, where it is not of fingerprints.
    fn may_describe_perturbations(&self) -> bool {
        let more = [ColumnRole::Dose, ColumnRole::Moa, ColumnRole::Role, ColumnRole::Hours];
        let is_bare = self.is_by_perturbation() && !more.into_iter().any(|role| self.has(role));
        is_bare && (self.has_bits || self.measured.len() >= DESCRIPTORS)
    }

    /// About how many bytes its measurements take.
    fn weight(&self) -> u64 {
        let bytes = std::fs::metadata(part::file_of(&self.sketched.path)).map_or(1, |metadata| metadata.len());
        bytes.saturating_mul(self.measured.len() as u64) / self.sketched.columns.len().max(1) as u64
    }
}

/// What a card says of the columns that are among `names`.
pub(super) fn of_these(card: &Card, names: &[String]) -> Card {
    let is_there = |name: &String| name.is_empty() || names.contains(name);
    // A value for all rows is not a column that could be a key.
    let is_column = |declared: &ColumnOrValue| match declared {
        ColumnOrValue::Column(column) => is_there(column),
        ColumnOrValue::Columns(columns) => columns.iter().all(is_there),
        ColumnOrValue::Value(_) => false,
    };
    let kept = |declared: &Option<ColumnOrValue>| declared.clone().filter(is_column);
    let all_there =
        |columns: &Option<Vec<ColumnOrValue>>| columns.clone().filter(|columns| columns.iter().all(is_column));
    let declared = &card.columns;
    let columns = Columns {
        plate: kept(&declared.plate),
        plate_within: None,
        well: kept(&declared.well),
        site: kept(&declared.site),
        lab_batch: kept(&declared.lab_batch),
        replicate: kept(&declared.replicate),
        perturbation: kept(&declared.perturbation),
        separator: declared.separator.clone(),
        dose: kept(&declared.dose),
        dose_unit: kept(&declared.dose_unit),
        doses: declared
            .doses
            .iter()
            .filter(|(_, column)| is_there(column))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        hours: kept(&declared.hours),
        kind: kept(&declared.kind),
        role: kept(&declared.role),
        moa: kept(&declared.moa),
        cell_count: kept(&declared.cell_count),
        context: all_there(&declared.context),
        labels: None,
    };
    let matching = |globs: &[String]| -> Vec<String> {
        let matches = |glob: &&String| {
            let pattern = glob::Pattern::new(glob);
            names.iter().any(|name| name == *glob || pattern.as_ref().is_ok_and(|pattern| pattern.matches(name)))
        };
        globs.iter().filter(matches).cloned().collect()
    };
    Card {
        columns,
        features: matching(&card.features),
        include_features: matching(&card.include_features),
        exclude_features: card.exclude_features.clone(),
        path: card.path.clone(),
        ..Card::default()
    }
}

/// The table with the most measurements; one with a row for each perturbation only if there is no other.
pub(super) fn main_of(given: &[Given]) -> Option<usize> {
    let measured = |is_kept: &dyn Fn(&Given) -> bool| -> Vec<usize> {
        let is_measured = |index: &usize| !given[*index].measured.is_empty() && is_kept(&given[*index]);
        (0..given.len()).filter(is_measured).collect()
    };
    // A few numbers by a name that is no role say less than measurements by perturbation; many may be profiles, and so may
    // more than a table of wells holds.
    let has_any_role = |given: &Given| ColumnRole::ALL.into_iter().any(|role| given.has(role));
    let wells = given.iter().filter(|given| given.has(ColumnRole::Well));
    let most_of_wells = wells.map(|given| given.measured.len()).max().unwrap_or(DESCRIPTORS);
    let is_of_rows = |given: &Given| {
        has_any_role(given) || given.measured.len() >= DESCRIPTORS || given.measured.len() > most_of_wells
    };
    let of_rows = measured(&|given| !given.is_by_perturbation() && !given.has_bits && is_of_rows(given));
    let candidates = if of_rows.is_empty() { measured(&|given| !given.has_bits) } else { of_rows };
    // Of equals the first.
    candidates.into_iter().rev().max_by_key(|&index| given[index].weight())
}

pub(super) fn part_of(other: &Given, main: &Given) -> Part {
    let measured: BTreeSet<&String> = main.measured.iter().collect();
    let n_shared = other.measured.iter().filter(|name| measured.contains(name)).count();
    let brings = |role: &ColumnRole| other.has(*role) && !main.has(*role);
    let brings_roles = ColumnRole::ALL.iter().any(brings);
    let is_of_same_things =
        [ColumnRole::Plate, ColumnRole::Well].into_iter().all(|role| main.has(role) == other.has(role));
    match () {
        () if n_shared > 0 && (!brings_roles || 2 * n_shared >= main.measured.len()) => Part::Table,
        () if other.may_describe_perturbations() && (other.has_bits || !main.is_by_perturbation()) => Part::Descriptors,
        () if n_shared == 0 && !other.measured.is_empty() && !brings_roles && is_of_same_things => Part::Rival,
        () => Part::Sheet,
    }
}

/// Whether values are fingerprints, texts of many 0 and 1.
fn holds_bits(values: &Values) -> bool {
    const FEWEST: usize = 32;
    let Values::Text(texts) = values else { return false };
    let is_bits = |text: &String| text.len() >= FEWEST && text.bytes().all(|byte| byte == b'0' || byte == b'1');
    texts.iter().flatten().next().is_some() && texts.iter().flatten().all(is_bits)
}
