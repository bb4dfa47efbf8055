//! What to hold out: the unseen thing that the screen can be asked about, if it has one.

use std::collections::{BTreeMap, BTreeSet};

use super::Choice;
use crate::pair::{Split, SplitBy, SplitConfig};
use crate::screen::{Screen, Treatment};

/// Least share of the perturbations, or of the interventions, that must be able to spare one.
const LEAST_SHARE: f64 = 0.3;

/// Fewest units of which one part can be tested and another trained on.
const FEWEST: usize = 6;

/// The choice of what is held out.
pub(super) fn choices(screen: &Screen, has_descriptors: bool) -> Vec<Choice> {
    let treatments: Vec<Treatment> = screen.treatments().into_keys().collect();
    let candidates = [
        by_context(&treatments),
        by_dose(&treatments),
        by_condition(&treatments),
        has_descriptors.then(|| (SplitBy::Intervention, "the card has descriptors of perturbations".to_owned())),
        by_plate(screen),
    ];
    let is_possible = |by| Split::new(screen, &SplitConfig { by, ..SplitConfig::default() }).is_ok();
    match candidates.into_iter().flatten().find(|&(by, _)| is_possible(by)) {
        Some((by, why)) => vec![held_out(by, why)],
        None => nothing(
            "no perturbation has several doses or contexts, or descriptors by which an unseen one could be predicted: \
             all wells train, and nothing is scored",
        ),
    }
}

/// The split by a unit.
pub(super) fn held_out(by: SplitBy, why: impl Into<String>) -> Choice {
    Choice::new("split.by", format!("{:?}", by.name()), why)
}

/// No test, and nothing kept from training.
pub(super) fn nothing(why: &str) -> Vec<Choice> {
    vec![
        Choice::new("split.folds", 0, why),
        Choice::new("split.validation", "0.0", "as nothing is held out"),
        Choice::new("split.calibration", "0.0", "as nothing is held out"),
    ]
}

fn share(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}

/// An intervention in a context in which it was not measured.
fn by_context(treatments: &[Treatment]) -> Option<(SplitBy, String)> {
    let mut contexts = BTreeMap::<_, BTreeSet<&str>>::new();
    for treatment in treatments {
        contexts.entry(treatment.intervention.members()).or_default().insert(&treatment.context);
    }
    let n_several = contexts.values().filter(|contexts| contexts.len() > 1).count();
    let is_usual = n_several >= FEWEST && share(n_several, contexts.len()) >= LEAST_SHARE;
    let why = || format!("{n_several} of {} interventions were measured in several contexts", contexts.len());
    is_usual.then(|| (SplitBy::Context, why()))
}

/// A dose between or beyond the measured ones.
fn by_dose(treatments: &[Treatment]) -> Option<(SplitBy, String)> {
    let mut doses = BTreeMap::<_, usize>::new();
    for treatment in treatments {
        if let Some(single) = treatment.intervention.as_single() {
            *doses.entry((&single.perturbation, &treatment.context)).or_default() += usize::from(single.dose.is_some());
        }
    }
    let n_several = doses.values().filter(|&&n_doses| n_doses >= 3).count();
    let why = || format!("{n_several} of {} perturbations have three doses or more", doses.len());
    (n_several > 0 && share(n_several, doses.len()) >= LEAST_SHARE).then(|| (SplitBy::Dose, why()))
}

/// A combination of which parts were measured.
fn by_condition(treatments: &[Treatment]) -> Option<(SplitBy, String)> {
    let n_sets = treatments.iter().filter(|treatment| treatment.intervention.members().len() > 1).count();
    let is_usual = n_sets >= FEWEST && share(n_sets, treatments.len()) >= LEAST_SHARE;
    let why = || format!("{n_sets} of {} treatments are combinations", treatments.len());
    is_usual.then(|| (SplitBy::Condition, why()))
}

/// The same interventions on a plate that was not seen.
fn by_plate(screen: &Screen) -> Option<(SplitBy, String)> {
    let (n_plates, is_repeated) = repeated(screen, SplitBy::Plate);
    let is_usual = n_plates >= FEWEST && is_repeated;
    is_usual.then(|| (SplitBy::Plate, format!("most treatments stand on several of {n_plates} plates")))
}

/// The number of plates, or of their rows or columns, and whether most treatments stand in several of them.
fn repeated(screen: &Screen, by: SplitBy) -> (usize, bool) {
    let place = |row: usize| {
        let unit = screen.unit(row);
        match by {
            SplitBy::PlateRow => unit.well.map(|well| well.row().to_string()),
            SplitBy::PlateColumn => unit.well.map(|well| well.column().to_string()),
            _ => Some(unit.plate.clone()),
        }
    };
    let places: Vec<BTreeSet<String>> =
        screen.treatments().values().map(|rows| rows.iter().filter_map(|&row| place(row)).collect()).collect();
    let n_several = places.iter().filter(|places| places.len() > 1).count();
    let n_places = places.iter().flatten().collect::<BTreeSet<_>>().len();
    (n_places, n_several > 0 && share(n_several, places.len()) >= 0.5)
}

/// What is held out of images of fixed cells: an unseen dose, or wells of treatments that are seen elsewhere.
pub(super) fn of_images(table: &Screen) -> Vec<Choice> {
    let treatments: Vec<Treatment> = table.treatments().into_keys().collect();
    if let Some((by, why)) = by_dose(&treatments) {
        return vec![held_out(by, why)];
    }
    for (by, word, fewest) in
        [(SplitBy::Plate, "plates", 2), (SplitBy::PlateRow, "rows", 3), (SplitBy::PlateColumn, "columns", 3)]
    {
        let (n_places, is_repeated) = repeated(table, by);
        if n_places >= fewest && is_repeated {
            return of_places(by, n_places, format!("most treatments stand in several of {n_places} {word}"));
        }
    }
    nothing("no treatment is repeated in another row, column or plate: all wells train, and nothing is scored")
}

/// One plate, row or column of a few.
fn of_places(by: SplitBy, n_places: usize, why: String) -> Vec<Choice> {
    let mut choices = vec![held_out(by, why)];
    if n_places < SplitConfig::default().folds {
        choices.push(Choice::new("split.folds", n_places, "one for each"));
    }
    if n_places < 4 {
        choices.push(Choice::new("split.validation", "0.0", "so few are all needed to train"));
    }
    choices.push(Choice::new("split.calibration", "0.0", "so few cannot calibrate intervals"));
    choices
}

/// What is held out of a time lapse, whose objects are known from their first frames.
pub(super) fn of_lapse(table: &Screen) -> Vec<Choice> {
    let treatments = table.treatments();
    let conditions: BTreeSet<_> = treatments.keys().map(|treatment| treatment.intervention.members()).collect();
    let n_conditions = conditions.len();
    if n_conditions < FEWEST {
        return nothing("there are too few conditions to hold some out: all objects train, and nothing is scored");
    }
    vec![
        held_out(SplitBy::Condition, format!("{n_conditions} conditions, of which a fifth is predicted from the rest")),
        Choice::new("split.calibration", "0.0", "so few conditions cannot calibrate intervals"),
    ]
}

/// What is held out of tracks: a dose of something that was given at others, else whole conditions.
pub(super) fn of_tracks(treatments: &[Treatment]) -> Vec<Choice> {
    let calibration = Choice::new("split.calibration", "0.0", "so few conditions cannot calibrate intervals");
    if let Some((by, why)) = by_dose(treatments) {
        return vec![held_out(by, why), calibration];
    }
    if treatments.len() < FEWEST {
        return nothing("there are too few conditions to hold some out: all tracks train, and nothing is scored");
    }
    vec![held_out(SplitBy::Condition, format!("{} conditions", treatments.len())), calibration]
}
