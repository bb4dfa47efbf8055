//! Training treatments held out in turn, so that each method is asked of what it was not fitted on.
//!
//! What leaves with a treatment decides what is learned of a method: the other doses stay where doses between and beyond
//! doses are asked about, all of a perturbation leaves where perturbations that training does not hold are, and some wells
//! of each treatment leave where treatments in training are.

use std::collections::{BTreeMap, BTreeSet};

use super::Rows;
use crate::pair::{Place, Strata};
use crate::screen::{Perturbation, Treatment};

/// Times that training is parted.
const N_FOLDS: usize = 5;

/// Units held out for one question, at most: more would tell no more of a dozen weights.
pub const MOST_UNITS: usize = 400;

/// What is fitted on and what is asked then.
#[derive(Debug)]
pub struct HoldOut {
    /// What stays in training.
    pub kept: Rows,
    /// What is asked, with the rows that were taken out; all of it lies at places that are asked about.
    pub asked: Rows,
    /// Everything that was taken out.
    pub held: Vec<usize>,
}

/// What leaves together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    /// Some of the wells of each treatment.
    Wells,
    /// A treatment; sets that contain it stay, as they do where a screen is divided by treatments.
    Treatment,
    /// All sets of the same perturbations.
    Sets,
    /// All doses of a perturbation in one context.
    Context,
    /// A perturbation wherever it is alone; sets that contain it stay.
    Alone,
    /// A perturbation with all that contains it.
    Perturbation,
}

impl Question {
    /// The questions that tell of a place.
    fn about(place: Place) -> &'static [Self] {
        match place {
            Place::Measured => &[Self::Wells],
            Place::Interior | Place::Below | Place::Above | Place::Single => &[Self::Treatment],
            Place::Set => &[Self::Treatment, Self::Sets],
            Place::OtherContext => &[Self::Context],
            Place::InSets => &[Self::Alone],
            Place::SetWithUnseen | Place::Unseen => &[Self::Perturbation],
        }
    }
}

/// The `places` with all places of a series where one is among them: where few doses lie at one, those at the others tell.
pub fn with_series(places: &BTreeSet<Place>) -> BTreeSet<Place> {
    let of_series = BTreeSet::from([Place::Interior, Place::Below, Place::Above]);
    if places.is_disjoint(&of_series) { places.clone() } else { places | &of_series }
}

/// Takes treatments out of `training` so that some of them lie at each of `places` then; `replicate` names what a row is
/// a replicate by, such as its plate. At most `most` units are held out for one question.
pub fn hold_outs(
    training: &Rows,
    places: &BTreeSet<Place>,
    replicate: &dyn Fn(usize) -> String,
    most: usize,
) -> Vec<HoldOut> {
    let places = &with_series(places);
    let questions: BTreeSet<Question> = places.iter().flat_map(|place| Question::about(*place)).copied().collect();
    let of_question = |question: &Question| {
        let told: BTreeSet<Place> =
            places.iter().copied().filter(|place| Question::about(*place).contains(question)).collect();
        (0..N_FOLDS)
            .filter_map(move |fold| hold_out(training, *question, [fold, most], &told, replicate))
            .collect::<Vec<_>>()
    };
    questions.iter().flat_map(of_question).collect()
}

fn hold_out(
    training: &Rows,
    question: Question,
    [fold, most]: [usize; 2],
    told: &BTreeSet<Place>,
    replicate: &dyn Fn(usize) -> String,
) -> Option<HoldOut> {
    let held = match question {
        Question::Wells => wells_of(training, [fold, most], replicate),
        _ => treatments_of(training, question, [fold, most]),
    };
    let out: BTreeSet<usize> = held.values().flatten().copied().collect();
    let mut kept = training.clone();
    kept.retain(|_, rows| {
        rows.retain(|row| !out.contains(row));
        !rows.is_empty()
    });
    let mut asked = held;
    {
        let strata = Strata::of(kept.keys());
        asked.retain(|treatment, _| told.contains(&strata.place(treatment)));
    }
    (kept.len() > 1 && !asked.is_empty()).then(|| HoldOut { kept, asked, held: out.into_iter().collect() })
}

/// The replicates of each treatment that leave in a fold, where others stay.
fn wells_of(training: &Rows, [fold, most]: [usize; 2], replicate: &dyn Fn(usize) -> String) -> Rows {
    let step = training.len().div_ceil(most).max(1);
    let mut held = Rows::new();
    for (number, (treatment, rows)) in training.iter().enumerate().filter(|(number, _)| number % step == 0) {
        let mut replicates = BTreeMap::<String, Vec<usize>>::new();
        for &row in rows {
            replicates.entry(replicate(row)).or_default().push(row);
        }
        let leave = replicates.values().enumerate().filter(|(index, _)| (number / step + index) % N_FOLDS == fold);
        let leave: Vec<usize> = leave.flat_map(|(_, rows)| rows.iter().copied()).collect();
        if !leave.is_empty() && leave.len() < rows.len() {
            held.insert(treatment.clone(), leave);
        }
    }
    held
}

/// The treatments that leave in a fold, with all their rows.
fn treatments_of(training: &Rows, question: Question, [fold, most]: [usize; 2]) -> Rows {
    let mut units = BTreeMap::<(Vec<&Perturbation>, Option<&str>, Option<&Treatment>), Vec<&Treatment>>::new();
    for treatment in training.keys() {
        let names = perturbations(treatment);
        let unit = match question {
            Question::Wells => continue,
            Question::Treatment => (names, Some(treatment.context.as_str()), Some(treatment)),
            Question::Sets if names.len() < 2 => continue,
            Question::Alone if names.len() > 1 => continue,
            Question::Context => (names, Some(treatment.context.as_str()), None),
            Question::Sets | Question::Alone | Question::Perturbation => (names, None, None),
        };
        units.entry(unit).or_default().push(treatment);
    }
    // Neighbors in the order of doses go to different folds, so that a ladder loses few of its doses at a time.
    let step = units.len().div_ceil(most).max(1);
    let of_fold = units.into_values().step_by(step).enumerate().filter(|(number, _)| number % N_FOLDS == fold);
    let chosen: BTreeSet<&Treatment> = of_fold.flat_map(|(_, unit)| unit).collect();
    let leaves = |treatment: &Treatment| {
        let names = perturbations(treatment);
        let shows = |other: &&Treatment| perturbations(other).iter().all(|own| names.contains(own));
        let is_shown = question == Question::Perturbation && names.len() > 1 && chosen.iter().any(shows);
        chosen.contains(treatment) || is_shown
    };
    training
        .iter()
        .filter(|(treatment, _)| leaves(treatment))
        .map(|(treatment, rows)| (treatment.clone(), rows.clone()))
        .collect()
}

fn perturbations(treatment: &Treatment) -> Vec<&Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation).collect()
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::treatment;
    use super::*;

    fn training() -> Rows {
        let names = ["a", "b", "c"];
        let doses = [1.0, 10.0, 100.0, 1000.0];
        let singles = names.iter().flat_map(|name| doses.map(|dose| treatment(&[(name, dose)], "x")));
        let sets = [treatment(&[("a", 10.0), ("b", 10.0)], "x"), treatment(&[("a", 1.0), ("c", 10.0)], "x")];
        let elsewhere = [treatment(&[("a", 10.0)], "y"), treatment(&[("b", 10.0)], "y")];
        singles.chain(sets).chain(elsewhere).enumerate().map(|(row, one)| (one, vec![2 * row, 2 * row + 1])).collect()
    }

    fn of(place: Place) -> Vec<HoldOut> {
        hold_outs(&training(), &BTreeSet::from([place]), &|row| row.to_string(), MOST_UNITS)
    }

    #[test]
    fn what_is_asked_lies_where_it_is_asked_about_and_is_not_fitted_on() {
        let training = training();
        let (mut seen, mut n_asked) = (BTreeSet::new(), 0);
        for place in [
            Place::Measured,
            Place::Interior,
            Place::Below,
            Place::Above,
            Place::Set,
            Place::OtherContext,
            Place::InSets,
            Place::SetWithUnseen,
            Place::Unseen,
        ] {
            for hold_out in of(place) {
                let strata = Strata::of(hold_out.kept.keys());
                let of_series = [Place::Interior, Place::Below, Place::Above];
                for (treatment, rows) in &hold_out.asked {
                    let found = strata.place(treatment);
                    assert!(found == place || of_series.contains(&found) && of_series.contains(&place), "{treatment}");
                    let kept: Vec<usize> = hold_out.kept.values().flatten().copied().collect();
                    assert!(rows.iter().all(|row| !kept.contains(row) && hold_out.held.contains(row)), "{treatment}");
                    assert!(rows.iter().all(|row| training[treatment].contains(row)), "{treatment}");
                    n_asked += 1;
                }
                seen.insert(place);
            }
        }
        assert_eq!(seen.len(), 9, "{seen:?}");
        assert!(n_asked > 30, "{n_asked}");
    }

    #[test]
    fn every_dose_of_a_ladder_is_asked_once() {
        let asked: Vec<Treatment> =
            of(Place::Interior).into_iter().flat_map(|hold_out| hold_out.asked.into_keys()).collect();
        let expected: BTreeSet<Treatment> =
            training().into_keys().filter(|one| one.context == "x" && one.intervention.members().len() == 1).collect();
        assert_eq!(asked.len(), expected.len());
        assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn no_set_shows_a_perturbation_that_is_asked_about_as_unseen() {
        for hold_out in of(Place::Unseen) {
            let known: BTreeSet<&Perturbation> = hold_out.kept.keys().flat_map(perturbations).collect();
            assert!(hold_out.asked.keys().flat_map(perturbations).all(|asked| !known.contains(asked)));
        }
    }
}
