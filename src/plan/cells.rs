//! How many cells a candidate leaves, over those of control wells: as measured, or as its doses and members predict.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::pair::interpolation_weights;
use crate::screen::{Application, Intervention, Perturbation, Screen, Treatment};

/// Cells over those of the controls of the same plates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellRatio {
    /// The ratio.
    pub ratio: f64,
    /// Whether its own wells were counted; else it is predicted from doses and members.
    pub is_measured: bool,
}

impl CellRatio {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        if self.is_measured { "measured" } else { "predicted" }
    }
}

/// What is known of the cell counts of a context.
pub(crate) struct Cells {
    measured: BTreeMap<Treatment, f64>,
    /// What was measured of each perturbation alone.
    alone: BTreeMap<Perturbation, Vec<Treatment>>,
}

impl Cells {
    /// Of the treatments of `context`; `None` where the screen counts no cells.
    pub(crate) fn of(screen: &Screen, context: &str, facts: &Facts<'_>) -> Option<Self> {
        let mut measured = screen.treatments();
        measured.retain(|treatment, _| treatment.context == context);
        let ratio = |(treatment, rows): (Treatment, Vec<usize>)| Some((treatment, facts.relative_count(&rows)?));
        let measured: BTreeMap<Treatment, f64> = measured.into_iter().filter_map(ratio).collect();
        let mut alone = BTreeMap::<Perturbation, Vec<Treatment>>::new();
        for treatment in measured.keys() {
            if let Some(member) = treatment.intervention.as_single() {
                alone.entry(member.perturbation.clone()).or_default().push(treatment.clone());
            }
        }
        (!measured.is_empty()).then_some(Self { measured, alone })
    }

    /// The ratio of a treatment; `None` where neither its own wells nor those of its members were counted.
    ///
    /// Between two measured doses it is a straight line in log dose, beyond them that of the nearest; members of a set kill
    /// independently, so that their ratios are multiplied.
    pub(crate) fn ratio(&self, treatment: &Treatment) -> Option<CellRatio> {
        if let Some(&ratio) = self.measured.get(treatment) {
            return Some(CellRatio { ratio, is_measured: true });
        }
        let members = treatment.intervention.members();
        let ratios: Option<Vec<f64>> = members.iter().map(|member| self.of_member(member, treatment)).collect();
        let ratios = ratios.filter(|ratios| !ratios.is_empty())?;
        Some(CellRatio { ratio: ratios.iter().product(), is_measured: false })
    }

    /// The ratio of a member of `set` alone, in its context and for as long.
    fn of_member(&self, member: &Application, set: &Treatment) -> Option<f64> {
        let alone = Intervention::of([member.clone()]);
        let alone = set.intervention.hours().map_or(alone.clone(), |hours| alone.lasting(hours));
        let target = Treatment { intervention: alone, context: set.context.clone() };
        let weights = interpolation_weights(&target, self.alone.get(&member.perturbation)?.iter());
        (!weights.is_empty()).then(|| weights.iter().map(|(known, weight)| weight * self.measured[*known]).sum())
    }
}

/// What tests of cell counts are made of.
#[cfg(test)]
pub(super) mod fixture {
    use crate::screen::{Design, FeatureMatrix, Screen, Unit, Units};

    /// On one plate a control of 200 cells, `a` at 1 and 100 µM with 180 and 60, `b` without a dose with 100.
    pub fn counted() -> Screen {
        let unit = |(given, cells): (Option<(&str, Option<f64>)>, f64)| Unit {
            plate: "P".into(),
            cell_count: Some(cells),
            ..Unit::under(given)
        };
        let given = [None, Some(("a", Some(1.0))), Some(("a", Some(100.0))), Some(("b", None))];
        let units = given.into_iter().zip([200.0, 180.0, 60.0, 100.0]).map(unit);
        Screen {
            name: "counted".into(),
            design: Design::AgainstControls,
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 4]).into(),
            units: Units::of_each(units.collect()),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Kind, Micromolar};

    #[test]
    fn ratios_are_measured_between_doses_and_multiplied_in_sets() {
        let screen = fixture::counted();
        let cells = Cells::of(&screen, "", &Facts::of(&screen)).unwrap();
        let member = |name: &str, dose: Option<f64>| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: dose.and_then(Micromolar::new),
        };
        let ratio = |members: &[Application]| {
            let intervention = Intervention::of(members.iter().cloned());
            cells.ratio(&Treatment { intervention, context: String::new() })
        };
        let near = |found: Option<CellRatio>, expected: f64, is_measured: bool| {
            let found = found.unwrap();
            assert!((found.ratio - expected).abs() < 1e-12 && found.is_measured == is_measured, "{found:?}");
        };
        near(ratio(&[member("a", Some(1.0))]), 0.9, true);
        // Half-way in log dose between 0.9 and 0.3.
        near(ratio(&[member("a", Some(10.0))]), 0.6, false);
        near(ratio(&[member("a", Some(1000.0))]), 0.3, false);
        near(ratio(&[member("a", Some(0.1))]), 0.9, false);
        near(ratio(&[member("a", Some(10.0)), member("b", None)]), 0.3, false);
        assert_eq!(ratio(&[member("c", Some(1.0))]), None);
        assert_eq!(ratio(&[member("a", Some(1.0)), member("c", None)]), None);
    }
}
