//! What the screen says of candidates beside where they lead: mechanisms, and warnings in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::screen::{Application, Micromolar, Screen, Treatment};

/// Plate-level facts that flags are made of.
pub(crate) struct Facts<'a> {
    screen: &'a Screen,
    /// Mean cell count of each plate's controls.
    control_count: BTreeMap<&'a str, f64>,
    moa_by_name: BTreeMap<String, String>,
    /// What was applied, alone or in a set.
    applied: BTreeSet<Application>,
    /// Whether there are several plates, so that one of them can mislead.
    has_several_plates: bool,
}

/// How far beyond the measured doses a dose may lie without a warning: half a decade, the step of most series.
const NEAR: f64 = 3.2;

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
        let treatments = screen.treatments();
        let members = treatments.keys().flat_map(|treatment| treatment.intervention.members());
        let plates: BTreeSet<&str> = screen.units.all().iter().map(|unit| unit.plate.as_str()).collect();
        let applied = members.cloned().collect();
        Self { screen, control_count, moa_by_name, applied, has_several_plates: plates.len() > 1 }
    }

    /// Whether this perturbation was measured at this dose, alone or in a set.
    fn is_measured(&self, member: &Application) -> bool {
        self.applied.contains(member)
    }

    /// Whether the dose lies far outside those at which the perturbation was measured.
    fn is_far_beyond(&self, member: &Application) -> bool {
        let of_it = self.applied.iter().filter(|applied| applied.perturbation == member.perturbation);
        let doses: Vec<f64> = of_it.filter_map(|applied| Some(applied.dose?.get())).collect();
        let Some(dose) = member.dose.map(Micromolar::get).filter(|_| !doses.is_empty()) else { return false };
        let (low, high) =
            doses.iter().fold((f64::MAX, f64::MIN), |(low, high), dose| (low.min(*dose), high.max(*dose)));
        dose > NEAR * high || dose * NEAR < low
    }

    /// The first mechanism that one of the rows is labeled with.
    pub(crate) fn moa(&self, rows: &[usize]) -> Option<String> {
        let label = self.screen.label("moa")?;
        rows.iter().find_map(|&row| label.values[row].clone())
    }

    /// The mechanism that the screen names for perturbations of this name anywhere.
    pub(crate) fn moa_of_name(&self, name: &str) -> Option<&str> {
        self.moa_by_name.get(name).map(String::as_str)
    }

    /// Wells in which the rows were measured; where they have no names, the units that the rows are of.
    pub(crate) fn n_wells(&self, rows: &[usize]) -> usize {
        let well = |row: usize| Some((self.screen.unit(row).plate.as_str(), self.screen.unit(row).well?));
        let named: BTreeSet<_> = rows.iter().filter_map(|&row| well(row)).collect();
        let nameless: Vec<usize> = rows.iter().copied().filter(|&row| well(row).is_none()).collect();
        named.len() + self.screen.units.count(&nameless)
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

/// The flag of a candidate whose own wells are the target, so that it says little that it ranks first.
pub const DEFINES_TARGET: &str = "defines the target";

/// The flag of a candidate that was not measured and lies farther from what was than any measured treatment from its nearest
/// under other perturbations.
pub const FAR: &str = "far from what was measured";

/// The flag of a candidate that was measured in one well.
pub(super) const ONE_WELL: &str = "one well";

/// The flag of a dose that lies half a decade or more beyond those at which the perturbation was measured.
pub(crate) const FAR_DOSE: &str = "dose far beyond those measured";

/// Whether one of the flags says that a candidate is far from what was measured.
pub(crate) fn is_far(flags: &[String]) -> bool {
    flags.iter().any(|flag| flag == FAR || flag == FAR_DOSE)
}

/// Warnings of a candidate that was measured at `rows`.
pub(crate) fn flags(
    fitted_on: &BTreeSet<Treatment>,
    treatment: &Treatment,
    rows: &[usize],
    facts: &Facts<'_>,
    defines_target: bool,
    is_known: bool,
) -> Vec<String> {
    let mut flags = Vec::new();
    if defines_target {
        flags.push(DEFINES_TARGET.to_owned());
    }
    if !is_known {
        flags.push("perturbation not in training".to_owned());
    }
    if rows.is_empty() {
        let members = treatment.intervention.members();
        let n_known = members.iter().filter(|member| facts.is_measured(member)).count();
        match members {
            [_, _, ..] if n_known == members.len() => flags.push("combination not measured".to_owned()),
            _ => flags.push("dose not measured".to_owned()),
        }
        if members.iter().any(|member| facts.is_far_beyond(member)) {
            flags.push(FAR_DOSE.to_owned());
        }
    } else if !fitted_on.contains(treatment) {
        flags.push("held out of training".to_owned());
    }
    let mut plates: Vec<&str> = rows.iter().map(|&row| facts.screen.unit(row).plate.as_str()).collect();
    plates.sort_unstable();
    plates.dedup();
    match (facts.n_wells(rows), plates.len()) {
        (1, _) => flags.push(ONE_WELL.to_owned()),
        (2.., 1) if facts.has_several_plates => flags.push("one plate: may be a plate effect".to_owned()),
        _ => {}
    }
    if let Some(ratio) = facts.relative_count(rows).filter(|&ratio| ratio < 0.5) {
        flags.push(format!("cell count {:.0} % of control", 100.0 * ratio));
    }
    flags
}
