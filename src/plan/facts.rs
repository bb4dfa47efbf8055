//! What the screen says of candidates beside where they lead: mechanisms, and warnings in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::screen::{Screen, Treatment};
use crate::train::TrainedModel;

/// Plate-level facts that flags are made of.
pub(crate) struct Facts<'a> {
    screen: &'a Screen,
    /// Mean cell count of each plate's controls.
    control_count: BTreeMap<&'a str, f64>,
    moa_by_name: BTreeMap<String, String>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(screen: &'a Screen) -> Self {
        let mut control_count = BTreeMap::new();
        for (plate, rows) in screen.controls_by_plate() {
            let counts: Vec<f64> = rows.iter().filter_map(|&row| screen.unit(row).cell_count).collect();
            if !counts.is_empty() {
                control_count.insert(plate, counts.iter().sum::<f64>() / counts.len() as f64);
            }
        }
        let mut moa_by_name = BTreeMap::new();
        if let Some(label) = screen.label("moa") {
            for (unit, moa) in screen.units.by_row().zip(&label.values) {
                if let Some(moa) = moa {
                    moa_by_name.entry(unit.intervention.perturbation_names()).or_insert_with(|| moa.clone());
                }
            }
        }
        Self { screen, control_count, moa_by_name }
    }

    /// The first mechanism that one of the rows is labeled with.
    pub(crate) fn moa(&self, rows: &[usize]) -> Option<String> {
        let label = self.screen.label("moa")?;
        rows.iter().find_map(|&row| label.values[row].clone())
    }

    /// The mechanism that the screen names for perturbations of this name anywhere.
    pub(super) fn moa_of_name(&self, name: &str) -> Option<&str> {
        self.moa_by_name.get(name).map(String::as_str)
    }

    /// Wells in which the rows were measured: a row each, unless rows are objects of one well.
    pub(super) fn n_wells(&self, rows: &[usize]) -> usize {
        let observations = rows.iter().map(|&row| self.screen.unit(row));
        let nameless = observations.clone().filter(|unit| unit.well.is_none()).count();
        let named: BTreeSet<_> = observations.filter_map(|unit| Some((unit.plate.as_str(), unit.well?))).collect();
        nameless + named.len()
    }

    /// Mean cell count relative to the controls of the same plates.
    pub(crate) fn relative_count(&self, rows: &[usize]) -> Option<f64> {
        let ratios: Vec<f64> = rows
            .iter()
            .filter_map(|&row| {
                let unit = self.screen.unit(row);
                Some(unit.cell_count? / self.control_count.get(unit.plate.as_str())?)
            })
            .collect();
        (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
    }
}

/// Warnings of a candidate that was measured at `rows`.
pub(super) fn flags(
    trained: &TrainedModel,
    treatment: &Treatment,
    rows: &[usize],
    facts: &Facts<'_>,
    defines_target: bool,
    is_known: bool,
) -> Vec<String> {
    let mut flags = Vec::new();
    if defines_target {
        flags.push("defines the target".to_owned());
    }
    if !is_known {
        flags.push("perturbation not in training".to_owned());
    }
    if rows.is_empty() {
        flags.push("dose not measured".to_owned());
    } else if !trained.treatments.contains(treatment) {
        flags.push("held out of training".to_owned());
    }
    let mut plates: Vec<&str> = rows.iter().map(|&row| facts.screen.unit(row).plate.as_str()).collect();
    plates.sort_unstable();
    plates.dedup();
    match (facts.n_wells(rows), plates.len()) {
        (1, _) => flags.push("one well".to_owned()),
        (2.., 1) => flags.push("one plate: may be a plate effect".to_owned()),
        _ => {}
    }
    if let Some(ratio) = facts.relative_count(rows).filter(|&ratio| ratio < 0.5) {
        flags.push(format!("cell count {:.0} % of control", 100.0 * ratio));
    }
    flags
}
