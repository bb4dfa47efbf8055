//! What training says of a treatment, which decides how large an error is to be expected: errors of one kind of treatment say
//! nothing of those of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::series::{DosePosition, Edge, between_neighbors, edge_of, series_of};
use crate::screen::{Perturbation, Treatment};

/// How much training says of a treatment, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stratum {
    /// Its own wells are in training.
    Measured,
    /// A dose between two training doses; of a set the dose of one member, where the others have theirs in training.
    Interior,
    /// A dose beyond the last training dose, likewise.
    Edge,
    /// Several perturbations at a time, each of which training holds, alone or in other sets, and not at doses of which one
    /// alone differs.
    Set,
    /// A perturbation that training holds in another context or for another time.
    OtherContext,
    /// A perturbation that training holds together with others, and never alone.
    InSets,
    /// Several perturbations at a time, one or more of which training does not hold.
    SetWithUnseen,
    /// A perturbation that training does not hold.
    Unseen,
}

impl Stratum {
    /// One word, as in the tables of scores.
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Interior => "interior",
            Self::Edge => "edge",
            Self::Set => "set",
            Self::OtherContext => "other context",
            Self::InSets => "in sets",
            Self::SetWithUnseen => "set with unseen",
            Self::Unseen => "unseen",
        }
    }
}

impl fmt::Display for Stratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "treatments in training",
            Self::Interior => "doses between training doses",
            Self::Edge => "doses beyond the last training dose",
            Self::Set => "sets of perturbations",
            Self::OtherContext => "perturbations of other contexts",
            Self::InSets => "perturbations that training holds in sets alone",
            Self::SetWithUnseen => "sets with a perturbation not in training",
            Self::Unseen => "perturbations not in training",
        })
    }
}

/// A stratum, the two ends of a dose series apart: an effect below the lowest dose may be gone, one above the highest may
/// have settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Its own wells are in training.
    Measured,
    /// A dose between two training doses.
    Interior,
    /// A dose below the lowest of several training doses.
    Below,
    /// A dose above the highest of several training doses.
    Above,
    /// Another dose than the only one in training.
    Single,
    /// Several perturbations at a time, each of which training holds, alone or in other sets, and not at doses of which one
    /// alone differs.
    Set,
    /// A perturbation that training holds in another context or for another time.
    OtherContext,
    /// A perturbation that training holds together with others, and never alone.
    InSets,
    /// Several perturbations at a time, one or more of which training does not hold.
    SetWithUnseen,
    /// A perturbation that training does not hold.
    Unseen,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured => Stratum::Measured.fmt(f),
            Self::Interior => Stratum::Interior.fmt(f),
            Self::Below => f.write_str("doses below the lowest training dose"),
            Self::Above => f.write_str("doses above the highest training dose"),
            Self::Single => f.write_str("doses next to a single training dose"),
            Self::Set => Stratum::Set.fmt(f),
            Self::OtherContext => Stratum::OtherContext.fmt(f),
            Self::InSets => Stratum::InSets.fmt(f),
            Self::SetWithUnseen => Stratum::SetWithUnseen.fmt(f),
            Self::Unseen => Stratum::Unseen.fmt(f),
        }
    }
}

/// The training treatments by their perturbations, asked for the stratum of any treatment.
pub struct Strata<'a> {
    training: BTreeMap<Vec<&'a Perturbation>, Vec<&'a Treatment>>,
    /// Perturbations that training holds, alone or in sets.
    known: BTreeSet<&'a Perturbation>,
    /// Perturbations that sets hold.
    in_sets: BTreeSet<&'a Perturbation>,
}

impl<'a> Strata<'a> {
    /// Strata against the treatments of `training`.
    pub fn of(training: impl IntoIterator<Item = &'a Treatment>) -> Self {
        let mut by_perturbations = BTreeMap::<_, Vec<&Treatment>>::new();
        let (mut known, mut in_sets) = (BTreeSet::new(), BTreeSet::new());
        for treatment in training {
            let names = perturbations(treatment);
            known.extend(names.iter().copied());
            if names.len() > 1 {
                in_sets.extend(names.iter().copied());
            }
            by_perturbations.entry(names).or_default().push(treatment);
        }
        Self { training: by_perturbations, known, in_sets }
    }

    /// Whether training holds a perturbation, alone or in sets, whatever its doses and contexts.
    pub(super) fn knows(&self, perturbation: &Perturbation) -> bool {
        self.known.contains(perturbation)
    }

    /// The stratum of a treatment.
    pub fn stratum(&self, treatment: &Treatment) -> Stratum {
        let same = self.training.get(&perturbations(treatment)).map(Vec::as_slice).unwrap_or_default();
        if same.contains(&treatment) {
            return Stratum::Measured;
        }
        let is_set = treatment.intervention.members().len() > 1;
        let series = series_of(treatment, same.iter().copied());
        match between_neighbors(treatment, &series) {
            Some((DosePosition::Interior, _)) => Stratum::Interior,
            Some(_) => Stratum::Edge,
            None if is_set => match perturbations(treatment).iter().all(|own| self.knows(own)) {
                true => Stratum::Set,
                false => Stratum::SetWithUnseen,
            },
            None if same.is_empty() => {
                let is_in_sets = perturbations(treatment).iter().all(|own| self.in_sets.contains(own));
                if is_in_sets { Stratum::InSets } else { Stratum::Unseen }
            }
            None => Stratum::OtherContext,
        }
    }

    /// Where a treatment lies among the training doses of its perturbations in its context.
    ///
    /// A set counts as interior when the dose of one member lies between training doses and the others' doses are the
    /// target's own.
    pub fn dose_position(&self, treatment: &Treatment) -> DosePosition {
        let same = self.training.get(&perturbations(treatment)).map(Vec::as_slice).unwrap_or_default();
        let series = series_of(treatment, same.iter().copied());
        match between_neighbors(treatment, &series) {
            Some((position, _)) => position,
            None if series.is_empty() => DosePosition::Unseen,
            None => DosePosition::Edge,
        }
    }

    /// Whether training holds other doses of the same perturbations, in the same context and for as long.
    pub(super) fn has_series(&self, treatment: &Treatment) -> bool {
        let same = self.training.get(&perturbations(treatment)).map(Vec::as_slice).unwrap_or_default();
        !series_of(treatment, same.iter().copied()).is_empty()
    }

    /// The place of a treatment.
    pub fn place(&self, treatment: &Treatment) -> Place {
        match self.stratum(treatment) {
            Stratum::Measured => Place::Measured,
            Stratum::Interior => Place::Interior,
            Stratum::Edge => {
                let same = self.training.get(&perturbations(treatment)).map(Vec::as_slice).unwrap_or_default();
                match edge_of(treatment, same.iter().copied()) {
                    _ if series_of(treatment, same.iter().copied()).len() < 2 => Place::Single,
                    Some(Edge::Upper) => Place::Above,
                    _ => Place::Below,
                }
            }
            Stratum::Set => Place::Set,
            Stratum::OtherContext => Place::OtherContext,
            Stratum::InSets => Place::InSets,
            Stratum::SetWithUnseen => Place::SetWithUnseen,
            Stratum::Unseen => Place::Unseen,
        }
    }
}

fn perturbations(treatment: &Treatment) -> Vec<&Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Application, Intervention, Kind, Micromolar};

    fn treatment(members: &[(&str, f64)], context: &str) -> Treatment {
        let members = members.iter().map(|&(name, dose)| Application {
            perturbation: Perturbation { name: name.to_owned(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        });
        Treatment { intervention: Intervention::of(members), context: context.to_owned() }
    }

    #[test]
    fn every_treatment_has_the_stratum_of_what_training_says_of_it() {
        let training = [
            treatment(&[("a", 1.0)], "x"),
            treatment(&[("a", 100.0)], "x"),
            treatment(&[("b", 1.0)], "y"),
            treatment(&[("a", 1.0), ("b", 1.0)], "x"),
            treatment(&[("a", 1.0), ("d", 1.0)], "x"),
        ];
        let strata = Strata::of(&training);
        let check = |members: &[(&str, f64)], context: &str, stratum: Stratum| {
            assert_eq!(strata.stratum(&treatment(members, context)), stratum, "{members:?} {context}");
        };
        check(&[("a", 1.0)], "x", Stratum::Measured);
        check(&[("a", 10.0)], "x", Stratum::Interior);
        check(&[("a", 0.1)], "x", Stratum::Edge);
        check(&[("a", 1000.0)], "x", Stratum::Edge);
        check(&[("a", 1.0)], "y", Stratum::OtherContext);
        check(&[("b", 1.0)], "x", Stratum::OtherContext);
        check(&[("c", 1.0)], "x", Stratum::Unseen);
        check(&[("d", 1.0)], "x", Stratum::InSets);
        check(&[("a", 1.0), ("b", 1.0)], "x", Stratum::Measured);
        check(&[("a", 10.0), ("b", 1.0)], "x", Stratum::Edge);
        check(&[("a", 10.0), ("b", 10.0)], "x", Stratum::Set);
        check(&[("b", 1.0), ("d", 1.0)], "x", Stratum::Set);
        check(&[("a", 1.0), ("c", 1.0)], "x", Stratum::SetWithUnseen);
        assert_eq!(strata.place(&treatment(&[("a", 0.1)], "x")), Place::Below);
        assert_eq!(strata.place(&treatment(&[("a", 1000.0)], "x")), Place::Above);
        assert_eq!(strata.place(&treatment(&[("b", 10.0)], "y")), Place::Single);
        assert_eq!(strata.place(&treatment(&[("a", 10.0), ("b", 1.0)], "x")), Place::Single);
    }
}
