//! How many cells a candidate leaves, over those of control wells: as measured, or as its doses and members predict.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::screen::{Application, Intervention, Micromolar, Perturbation, Screen, Treatment};

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
    measured: BTreeMap<Intervention, f64>,
    /// Ratio at each dose of a perturbation alone, in the order of the doses.
    by_dose: BTreeMap<Perturbation, Vec<(Option<Micromolar>, f64)>>,
}

impl Cells {
    /// Of the treatments of `context`; `None` where the screen counts no cells.
    pub(crate) fn of(screen: &Screen, context: &str, facts: &Facts<'_>) -> Option<Self> {
        let mut measured = BTreeMap::new();
        for (treatment, rows) in screen.treatments().iter().filter(|(treatment, _)| treatment.context == context) {
            if let Some(ratio) = facts.relative_count(rows) {
                measured.insert(treatment.intervention.clone(), ratio);
            }
        }
        let mut by_dose = BTreeMap::<Perturbation, Vec<(Option<Micromolar>, f64)>>::new();
        for (intervention, &ratio) in &measured {
            if let Some(member) = intervention.as_single() {
                by_dose.entry(member.perturbation.clone()).or_default().push((member.dose, ratio));
            }
        }
        by_dose.values_mut().for_each(|doses| doses.sort_by_key(|(dose, _)| *dose));
        (!measured.is_empty()).then_some(Self { measured, by_dose })
    }

    /// The ratio of a treatment; `None` where neither its own wells nor those of its members were counted.
    ///
    /// Between two measured doses it is a straight line in log dose, beyond them that of the nearest; members of a set kill
    /// independently, so that their ratios are multiplied.
    pub(crate) fn ratio(&self, treatment: &Treatment) -> Option<CellRatio> {
        if let Some(&ratio) = self.measured.get(&treatment.intervention) {
            return Some(CellRatio { ratio, is_measured: true });
        }
        let members = treatment.intervention.members();
        let ratios: Option<Vec<f64>> = members.iter().map(|member| self.of_member(member)).collect();
        let ratios = ratios.filter(|ratios| !ratios.is_empty())?;
        Some(CellRatio { ratio: ratios.iter().product(), is_measured: false })
    }

    fn of_member(&self, member: &Application) -> Option<f64> {
        let doses = self.by_dose.get(&member.perturbation)?;
        let Some(wanted) = member.dose else {
            return doses.iter().find(|(dose, _)| dose.is_none()).map(|(_, ratio)| *ratio);
        };
        let known: Vec<(f64, f64)> =
            doses.iter().filter_map(|(dose, ratio)| Some(((*dose)?.log10(), *ratio))).collect();
        let wanted = wanted.log10();
        let above = known.partition_point(|(dose, _)| *dose < wanted);
        match (above.checked_sub(1).map(|below| known[below]), known.get(above)) {
            (Some((low, at_low)), Some(&(high, at_high))) => {
                Some(at_low + (at_high - at_low) * (wanted - low) / (high - low))
            }
            (Some((_, ratio)), None) => Some(ratio),
            (None, Some(&(_, ratio))) => Some(ratio),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Kind, Unit, Units};

    /// On one plate a control of 200 cells, `a` at 1 and 100 µM with 180 and 60, `b` without a dose with 100.
    fn screen() -> Screen {
        let counted = |given: Option<(&str, Option<f64>)>, cells: f64| Unit {
            plate: "P".into(),
            cell_count: Some(cells),
            ..Unit::under(given)
        };
        let units = vec![
            counted(None, 200.0),
            counted(Some(("a", Some(1.0))), 180.0),
            counted(Some(("a", Some(100.0))), 60.0),
            counted(Some(("b", None)), 100.0),
        ];
        Screen {
            name: "counted".into(),
            design: Design::AgainstControls,
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 4]).into(),
            units: Units::of_each(units),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn ratios_are_measured_between_doses_and_multiplied_in_sets() {
        let screen = screen();
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
