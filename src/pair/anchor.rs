//! What a simple rule would predict for a dose: the place between its measured neighbors.

use crate::screen::Treatment;

/// Where log-dose interpolation between other doses of the same perturbation arrives.
///
/// Empty when the perturbation has no other dose in the context.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Anchor {
    /// Indices of treatments and their weights; the weights sum to 1.
    pub weights: Vec<(usize, f64)>,
    /// log10-dose distance to the nearest lower dose; 0 when there is none.
    pub below: f64,
    /// log10-dose distance to the nearest higher dose; 0 when there is none.
    pub above: f64,
}

impl Anchor {
    /// No neighbor.
    pub const NONE: Self = Self { weights: Vec::new(), below: 0.0, above: 0.0 };

    /// Whether a neighbor exists.
    pub fn exists(&self) -> bool {
        !self.weights.is_empty()
    }
}

/// Same perturbation (exactly one) in the same context, with its log10 dose.
fn log_dose_on_ladder_of(treatment: &Treatment, other: &Treatment) -> Option<f64> {
    let (member, candidate) = (treatment.intervention.as_single()?, other.intervention.as_single()?);
    let same = member.perturbation == candidate.perturbation && treatment.context == other.context;
    if same { candidate.dose.map(|dose| dose.log10()) } else { None }
}

/// The anchor of `treatment` among `others`; an equal dose is left out, so that nothing is its own anchor.
pub fn anchor_of(treatment: &Treatment, others: &[Treatment]) -> Anchor {
    let Some(dose) = treatment.intervention.as_single().and_then(|member| member.dose) else {
        return Anchor::default();
    };
    let dose = dose.log10();
    let ladder = || {
        others.iter().enumerate().filter_map(|(index, other)| Some((index, log_dose_on_ladder_of(treatment, other)?)))
    };
    let lower = ladder().filter(|(_, other)| *other < dose).max_by(|a, b| a.1.total_cmp(&b.1));
    let higher = ladder().filter(|(_, other)| *other > dose).min_by(|a, b| a.1.total_cmp(&b.1));
    match (lower, higher) {
        (Some((low, low_dose)), Some((high, high_dose))) => {
            let share = (dose - low_dose) / (high_dose - low_dose);
            Anchor { weights: vec![(low, 1.0 - share), (high, share)], below: dose - low_dose, above: high_dose - dose }
        }
        (Some((low, low_dose)), None) => Anchor { weights: vec![(low, 1.0)], below: dose - low_dose, above: 0.0 },
        (None, Some((high, high_dose))) => Anchor { weights: vec![(high, 1.0)], below: 0.0, above: high_dose - dose },
        (None, None) => Anchor::default(),
    }
}

/// Indices of the treatments in `others` that are a lower dose of `treatment`.
pub(super) fn lower_doses(treatment: &Treatment, others: &[Treatment]) -> Vec<usize> {
    let Some(dose) = treatment.intervention.as_single().and_then(|member| member.dose) else {
        return Vec::new();
    };
    let is_lower =
        |other: &Treatment| log_dose_on_ladder_of(treatment, other).is_some_and(|other| other < dose.log10());
    (0..others.len()).filter(|&index| is_lower(&others[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Kind, Micromolar};

    fn dose(micromolar: f64) -> Treatment {
        let dose = Micromolar::new(micromolar);
        Treatment { intervention: Intervention::single("taxol", Kind::Compound, dose), context: String::new() }
    }

    #[test]
    fn interpolates_in_log_dose_and_takes_the_nearest_at_the_edges() {
        let doses = [dose(0.1), dose(1.0), dose(10.0)];
        let middle = anchor_of(&dose(10f64.powf(0.25)), &doses);
        assert_eq!(middle.weights.iter().map(|w| w.0).collect::<Vec<_>>(), [1, 2]);
        assert!((middle.weights[1].1 - 0.25).abs() < 1e-12);
        let edge = anchor_of(&dose(100.0), &doses);
        assert_eq!((edge.weights, edge.above), (vec![(2, 1.0)], 0.0));
        let own = anchor_of(&dose(1.0), &doses);
        assert_eq!(own.weights.iter().map(|w| w.0).collect::<Vec<_>>(), [0, 2]);
        assert!(!anchor_of(&dose(1.0), &doses[1..2]).exists());
    }
}
