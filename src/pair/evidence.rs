//! What a prediction rests on: what was measured that speaks for it.

use std::fmt;
use std::str::FromStr;

use super::stratum::{Strata, Stratum};
use crate::screen::{Perturbation, Treatment};

/// The measurements that a prediction rests on, from the strongest to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Its own wells.
    MeasuredHere,
    /// Other doses of the same perturbations in the same context.
    NeighborDoses,
    /// The same perturbations in another context, or for another time.
    MeasuredElsewhere,
    /// The members of a set, each in other wells.
    Parts,
    /// Sets that hold the perturbation, which was never measured alone.
    WithinSets,
    /// Perturbations with descriptors near to its own.
    Descriptors,
    /// Nothing that was measured.
    Nothing,
}

impl Evidence {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MeasuredHere,
        Self::NeighborDoses,
        Self::MeasuredElsewhere,
        Self::Parts,
        Self::WithinSets,
        Self::Descriptors,
        Self::Nothing,
    ];

    /// The words in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::MeasuredHere => "measured here",
            Self::NeighborDoses => "neighboring doses",
            Self::MeasuredElsewhere => "measured elsewhere",
            Self::Parts => "parts of the set",
            Self::WithinSets => "sets that hold it",
            Self::Descriptors => "descriptors only",
            Self::Nothing => "nothing",
        }
    }
}

impl FromStr for Evidence {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|evidence| evidence.word() == word).ok_or(())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What was measured, asked for the evidence of any treatment.
pub struct Measured<'a> {
    strata: Strata<'a>,
    is_described: &'a (dyn Fn(&Perturbation) -> bool + Sync),
}

impl<'a> Measured<'a> {
    /// The measured `treatments`; `is_described` says which perturbations have descriptors.
    pub fn of(
        treatments: impl IntoIterator<Item = &'a Treatment>,
        is_described: &'a (dyn Fn(&Perturbation) -> bool + Sync),
    ) -> Self {
        Self { strata: Strata::of(treatments), is_described }
    }

    /// How much was measured that speaks of a treatment.
    pub fn stratum(&self, treatment: &Treatment) -> Stratum {
        self.strata.stratum(treatment)
    }

    /// Whether all of the perturbations were measured, whatever their doses and contexts.
    pub fn knows<'t>(&self, mut perturbations: impl Iterator<Item = &'t Perturbation>) -> bool {
        perturbations.all(|perturbation| self.strata.knows(perturbation))
    }

    /// What a prediction of `treatment` rests on.
    pub fn evidence(&self, treatment: &Treatment) -> Evidence {
        match self.strata.stratum(treatment) {
            Stratum::Measured => Evidence::MeasuredHere,
            Stratum::Interior | Stratum::Edge => Evidence::NeighborDoses,
            Stratum::OtherContext => Evidence::MeasuredElsewhere,
            Stratum::InSets => Evidence::WithinSets,
            Stratum::Set if self.strata.has_series(treatment) => Evidence::NeighborDoses,
            Stratum::Set => Evidence::Parts,
            Stratum::SetWithUnseen | Stratum::Unseen => {
                let members = treatment.intervention.members().iter().map(|member| &member.perturbation);
                let mut unknown = members.filter(|one| !self.strata.knows(one));
                if unknown.all(|one| (self.is_described)(one)) { Evidence::Descriptors } else { Evidence::Nothing }
            }
        }
    }
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
    fn a_prediction_rests_on_the_nearest_that_was_measured() {
        let measured = [
            treatment(&[("a", 1.0)], "x"),
            treatment(&[("b", 1.0)], "x"),
            treatment(&[("c", 1.0)], "y"),
            treatment(&[("a", 1.0), ("c", 1.0)], "x"),
        ];
        let is_described = |one: &Perturbation| one.name == "d";
        let measured = Measured::of(&measured, &is_described);
        let check = |members: &[(&str, f64)], expected: Evidence| {
            assert_eq!(measured.evidence(&treatment(members, "x")), expected, "{members:?}");
        };
        check(&[("a", 1.0)], Evidence::MeasuredHere);
        check(&[("a", 10.0)], Evidence::NeighborDoses);
        check(&[("c", 1.0)], Evidence::MeasuredElsewhere);
        check(&[("a", 1.0), ("b", 1.0)], Evidence::Parts);
        check(&[("a", 10.0), ("c", 1.0)], Evidence::NeighborDoses);
        check(&[("d", 1.0)], Evidence::Descriptors);
        check(&[("a", 1.0), ("d", 1.0)], Evidence::Descriptors);
        check(&[("e", 1.0)], Evidence::Nothing);
        check(&[("d", 1.0), ("e", 1.0)], Evidence::Nothing);
    }
}
