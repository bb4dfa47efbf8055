//! What pairing, splitting and batching promise of any screen.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::screen::{
    Application, FeatureMatrix, Intervention, Kind, Label, Micromolar, Perturbation, Role, Screen, Treatment, Unit,
    Units, Well,
};

const SPLITS: [SplitBy; 8] = [
    SplitBy::Dose,
    SplitBy::Intervention,
    SplitBy::Condition,
    SplitBy::Context,
    SplitBy::Plate,
    SplitBy::LabBatch,
    SplitBy::PlateRow,
    SplitBy::PlateColumn,
];
const PARTS: [Part; 4] = [Part::Train, Part::Validation, Part::Calibration, Part::Test];

fn application(name: &str, micromolar: f64) -> Application {
    let perturbation = Perturbation { name: name.into(), kind: Kind::Compound };
    Application { perturbation, dose: Micromolar::new(micromolar) }
}

/// A screen of the given wells: plate, context and members of each; a well without members is a control.
///
/// Features: number of the row, number of the plate, 1 for a control.
fn screen(wells: Vec<(usize, String, Vec<Application>)>) -> Screen {
    let mut values = Vec::new();
    let mut observations = Vec::new();
    for (row, (plate, context, members)) in wells.into_iter().enumerate() {
        let is_control = members.is_empty();
        values.extend([row as f32, plate as f32, f32::from(u8::from(is_control))]);
        observations.push(Unit {
            plate: format!("plate {plate}"),
            well: Well::at((row % 5 + 5 * (row / 240)) as i64 + 1, (row / 5 % 48) as i64 + 1),
            role: if is_control { Role::NegativeControl } else { Role::Treatment },
            intervention: Intervention::of(members),
            context,
            lab_batch: Some(format!("week {}", plate / 2)),
            replicate: None,
            cell_count: None,
        });
    }
    Screen {
        name: "made up".into(),
        design: crate::screen::Design::AgainstControls,
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::numbered("f", 3, values).into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

/// Compounds in ladders of doses, pairs of them, in one context or more, each well on a plate of its context.
#[derive(Debug, Clone)]
struct Design {
    seed: u64,
    compounds: usize,
    doses: usize,
    pairs: usize,
    contexts: usize,
    plates_each: usize,
    controls: usize,
}

impl Design {
    fn screen(&self) -> Screen {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let names: Vec<String> = (0..self.compounds).map(|index| format!("compound {index}")).collect();
        let mut sets = Vec::new();
        for name in &names {
            for dose in 0..rng.random_range(1..=self.doses) {
                sets.push(vec![application(name, 0.1 * 3f64.powi(dose as i32))]);
            }
        }
        for _ in 0..self.pairs {
            let pair: Vec<&String> = names.sample(&mut rng, 2).collect();
            let dose = |rng: &mut ChaCha8Rng| 0.1 * 3f64.powi(rng.random_range(0..2));
            sets.push(vec![application(pair[0], dose(&mut rng)), application(pair[1], dose(&mut rng))]);
        }
        let mut wells = Vec::new();
        for plate in 0..self.contexts * self.plates_each {
            wells.extend((0..self.controls).map(|_| (plate, format!("context {}", plate % self.contexts), Vec::new())));
        }
        for set in sets {
            for context in 0..self.contexts {
                for _ in 0..rng.random_range(0..=2) {
                    let plate = rng.random_range(0..self.plates_each) * self.contexts + context;
                    wells.push((plate, format!("context {context}"), set.clone()));
                }
            }
        }
        screen(wells)
    }
}

fn design() -> impl Strategy<Value = Design> {
    (any::<u64>(), 2usize..8, 1usize..6, 0usize..5, 1usize..4, 1usize..4, 1usize..9).prop_map(
        |(seed, compounds, doses, pairs, contexts, plates_each, controls)| Design {
            seed,
            compounds,
            doses,
            pairs,
            contexts,
            plates_each,
            controls,
        },
    )
}

/// Weights as a matrix, `[row, unit]`.
fn means(weights: &Weights) -> &[f32] {
    let Weights::Mean(weights) = weights else { panic!("{weights:?}") };
    weights
}

fn config(by: SplitBy, fold: usize, seed: u64) -> SplitConfig {
    SplitConfig { by, folds: 4, fold, validation: 0.2, calibration: 0.2, seed, test: String::new() }
}

/// The split, unless the screen has nothing to hold out by that unit.
fn split(screen: &Screen, by: SplitBy, fold: usize, seed: u64) -> Option<Split> {
    match Split::new(screen, &config(by, fold, seed)) {
        Ok(split) => Some(split),
        Err(PairError::Split { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The split with its training transitions, unless nothing is left to train on.
fn paired(screen: &Screen, by: SplitBy, fold: usize, seed: u64) -> Option<(Split, PairSet)> {
    let split = split(screen, by, fold, seed)?;
    match PairSet::new(screen, &split, &PairConfig::default()) {
        Ok(pairs) => Some((split, pairs)),
        Err(PairError::NothingToTrain { .. }) => None,
        // All controls of a plate may stand in the row that is held out.
        Err(PairError::NoControls { .. }) if by.is_within_plates() => None,
        Err(error) => panic!("{error}"),
    }
}

fn names(treatment: &Treatment) -> BTreeSet<&Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation).collect()
}

/// Held-out treatments with the unit that they were held out for: what none of the training treatments may contain.
fn is_shown_by(held_out: &Treatment, training: &Treatment, by: SplitBy) -> bool {
    match by {
        SplitBy::Dose => {
            let member = held_out.intervention.as_single();
            let shows = |member: &Application| training.intervention.members().contains(member);
            held_out.context == training.context && member.is_some_and(shows)
        }
        SplitBy::Intervention => names(held_out).is_subset(&names(training)),
        SplitBy::Condition => held_out.intervention.members() == training.intervention.members(),
        SplitBy::Context => held_out == training,
        SplitBy::Plate | SplitBy::LabBatch | SplitBy::PlateRow | SplitBy::PlateColumn => false,
    }
}

#[test]
fn every_fold_validates_on_another_plate() {
    let wells = |plate: usize| {
        let treated = (0..2).map(move |_| vec![application("taxol", 1.0)]);
        treated.chain([Vec::new()]).map(move |members| (plate, "one".to_owned(), members))
    };
    let screen = screen((0..6).flat_map(wells).collect());
    let plates = |fold: usize| -> BTreeSet<String> {
        let settings = SplitConfig { by: SplitBy::Plate, folds: 6, fold, validation: 0.17, ..SplitConfig::default() };
        let split = Split::new(&screen, &settings).unwrap();
        split.rows(Part::Validation).into_iter().map(|row| screen.unit(row).plate.clone()).collect()
    };
    assert!((0..6).all(|fold| plates(fold).len() == 1));
    assert_eq!((0..6).flat_map(plates).collect::<BTreeSet<_>>().len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_observation_is_in_two_parts_and_no_unit_is_torn(design in design(), fold in 0usize..4, seed in 0u64..3) {
        let screen = design.screen();
        for by in SPLITS {
            let Some(split) = split(&screen, by, fold, seed) else { continue };
            let mut rows: Vec<usize> = PARTS.into_iter().flat_map(|part| split.rows(part)).collect();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..screen.n_observations()).collect::<Vec<_>>());
            let mut parts_of = BTreeMap::<String, BTreeSet<Part>>::new();
            for (row, observation) in screen.units.by_row().enumerate() {
                let unit = match by {
                    SplitBy::Plate => observation.plate.clone(),
                    SplitBy::LabBatch => observation.lab_batch.clone().unwrap(),
                    SplitBy::PlateRow => observation.well.unwrap().row().to_string(),
                    SplitBy::PlateColumn => observation.well.unwrap().column().to_string(),
                    _ => observation.treatment().to_string(),
                };
                parts_of.entry(unit).or_default().insert(split.part(row));
            }
            prop_assert!(parts_of.values().all(|parts| parts.len() == 1), "{:?}: {:?}", by, parts_of);
        }
    }

    #[test]
    fn nothing_held_out_is_shown_in_training(design in design(), fold in 0usize..4, seed in 0u64..3) {
        let screen = design.screen();
        for by in SPLITS {
            let Some((split, pairs)) = paired(&screen, by, fold, seed) else { continue };
            let trains = |row: usize| split.part(row) == Part::Train;
            prop_assert!(pairs.rows.iter().flatten().copied().all(trains));
            prop_assert!(pairs.controls.values().flatten().copied().all(trains));
            prop_assert!(pairs.untreated.iter().copied().all(trains));
            let judged = pairs.validation.iter().flat_map(|episode| &episode.steps).flat_map(|(_, rows)| rows);
            prop_assert!(judged.copied().all(|row| split.part(row) == Part::Validation));
            prop_assert!(pairs.episodes().all(|episode| trains(episode.end())));
            for part in [Part::Validation, Part::Calibration, Part::Test] {
                for held_out in split.treatments(&screen, part).keys() {
                    for training in &pairs.treatments {
                        prop_assert!(!is_shown_by(held_out, training, by), "{:?}: {} shows {}", by, training, held_out);
                    }
                }
            }
        }
    }

    #[test]
    fn every_fold_tests_its_own_share(design in design(), seed in 0u64..3) {
        let screen = design.screen();
        for by in SPLITS {
            let splits: Option<Vec<Split>> = (0..4).map(|fold| split(&screen, by, fold, seed)).collect();
            let Some(splits) = splits else { continue };
            for (row, observation) in screen.units.by_row().enumerate() {
                let tested = splits.iter().filter(|split| split.part(row) == Part::Test).count();
                let is_control = observation.role == Role::NegativeControl;
                let is_single = observation.intervention.members().len() == 1;
                match by {
                    SplitBy::Plate | SplitBy::LabBatch | SplitBy::PlateRow | SplitBy::PlateColumn => {
                        prop_assert_eq!(tested, 1);
                    }
                    _ if is_control => prop_assert_eq!(tested, 0),
                    SplitBy::Condition => prop_assert_eq!(tested, 1),
                    SplitBy::Intervention if is_single => prop_assert_eq!(tested, 1),
                    SplitBy::Intervention => prop_assert!(tested >= 1),
                    SplitBy::Dose if is_single => prop_assert!(tested <= 1),
                    SplitBy::Dose => prop_assert!(tested <= 2),
                    SplitBy::Context => prop_assert!(tested <= 1),
                }
            }
        }
    }

    #[test]
    fn ladders_keep_two_doses_and_contexts_keep_one(design in design(), fold in 0usize..4, seed in 0u64..3) {
        let screen = design.screen();
        for (by, keep) in [(SplitBy::Dose, 2), (SplitBy::Context, 1)] {
            let Some(split) = split(&screen, by, fold, seed) else { continue };
            let of_family = |treatment: &Treatment| match by {
                SplitBy::Dose => (names(treatment).into_iter().cloned().collect::<Vec<_>>(), treatment.context.clone(), Vec::new()),
                _ => (Vec::new(), String::new(), treatment.intervention.members().to_vec()),
            };
            let training = split.treatments(&screen, Part::Train);
            for (treatment, rows) in screen.treatments() {
                let is_single = treatment.intervention.members().len() == 1;
                if split.part(rows[0]) == Part::Train || (by == SplitBy::Dose && !is_single) {
                    continue;
                }
                let stay = training.keys().filter(|other| of_family(other) == of_family(&treatment)).count();
                prop_assert!(stay >= keep, "{:?}: {} of the family of {} stay", by, stay, treatment);
            }
        }
    }

    #[test]
    fn anchors_and_ladders_stay_within_a_perturbation_and_its_context(design in design(), seed in 0u64..3) {
        let screen = design.screen();
        let Some((_, pairs)) = paired(&screen, SplitBy::Dose, 0, seed) else { return Ok(()) };
        let log_doses = |index: usize| -> Vec<f64> {
            let members = pairs.treatments[index].intervention.members();
            members.iter().map(|member: &Application| member.dose.unwrap().log10()).collect()
        };
        for (index, anchor) in pairs.anchors.iter().enumerate() {
            let (own, own_doses) = (&pairs.treatments[index], log_doses(index));
            let lower = &pairs.lower_doses[index];
            for other in anchor.weights.iter().map(|(other, _)| *other).chain(lower.iter().copied()) {
                prop_assert_ne!(other, index);
                prop_assert_eq!(names(&pairs.treatments[other]), names(own));
                prop_assert_eq!(&pairs.treatments[other].context, &own.context);
            }
            // Ladders are of single perturbations.
            prop_assert!(lower.is_empty() || own_doses.len() == 1);
            prop_assert!(lower.iter().all(|&other| log_doses(other)[0] < own_doses[0]));
            if !anchor.exists() {
                prop_assert_eq!((anchor.below, anchor.above), (0.0, 0.0));
                continue;
            }
            let total: f64 = anchor.weights.iter().map(|(_, weight)| weight).sum();
            prop_assert!((total - 1.0).abs() < 1e-12 && anchor.weights.iter().all(|(_, weight)| *weight >= 0.0));
            // By the member whose dose differs: neighbors as steps away from the own dose, with their weights.
            let mut axes = BTreeMap::<usize, Vec<(f64, f64)>>::new();
            for &(other, weight) in &anchor.weights {
                let steps: Vec<f64> = log_doses(other).iter().zip(&own_doses).map(|(other, own)| other - own).collect();
                let differing: Vec<usize> = (0..steps.len()).filter(|&member| steps[member].abs() > 1e-9).collect();
                prop_assert_eq!(differing.len(), 1, "one dose is varied at a time");
                axes.entry(differing[0]).or_default().push((steps[differing[0]], weight));
            }
            let sides: BTreeSet<usize> = axes.values().map(Vec::len).collect();
            prop_assert_eq!(sides.len(), 1, "doses with neighbors on both sides go before the others: {:?}", axes);
            for steps in axes.values() {
                let share: f64 = steps.iter().map(|(_, weight)| weight).sum();
                prop_assert!((share - 1.0 / axes.len() as f64).abs() < 1e-12, "members share the weight: {:?}", axes);
                if let &[one, other] = &steps[..] {
                    prop_assert!(one.0 * other.0 < 0.0);
                    // The weighted log doses give back the own one.
                    prop_assert!((one.0 * one.1 + other.0 * other.1).abs() < 1e-9);
                }
            }
            let mean_step = |is_side: fn(f64) -> bool| {
                let steps: Vec<f64> =
                    axes.values().flatten().map(|step| step.0).filter(|&step| is_side(step)).map(f64::abs).collect();
                steps.iter().sum::<f64>() / steps.len().max(1) as f64
            };
            prop_assert!((anchor.below - mean_step(|step| step < 0.0)).abs() < 1e-9);
            prop_assert!((anchor.above - mean_step(|step| step > 0.0)).abs() < 1e-9);
        }
    }

    #[test]
    fn a_batch_obeys_the_pairing_rule(design in design(), batch in 2usize..40, ladder in 0usize..2, seed in 0u64..1000) {
        let screen = design.screen();
        let Some((split, pairs)) = paired(&screen, SplitBy::Dose, 0, seed % 3) else { return Ok(()) };
        let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
        let settings = PairConfig { batch, bag: 3, ladder: [0.0, 0.5][ladder], ..PairConfig::default() };
        let sampler = Sampler::new(&screen, &pairs, &vocabulary, &settings, None, true, 0.0);
        let drawn = sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(&drawn, &sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed)));
        let n_batch = drawn.interventions.len();
        prop_assert_eq!(n_batch, batch.min(pairs.n_episodes()));
        let row_of = |unit: usize| drawn.units_uf[3 * unit] as usize;
        prop_assert!((0..drawn.n_units).all(|unit| split.part(row_of(unit)) == Part::Train));
        let weights = |of: &[f32], index: usize| -> Vec<(usize, f32)> {
            let row = &of[index * drawn.n_units..(index + 1) * drawn.n_units];
            row.iter().enumerate().filter(|(_, weight)| **weight != 0.0).map(|(unit, weight)| (row_of(unit), *weight)).collect()
        };
        for index in 0..n_batch {
            let (start, anchor, target) =
                (weights(means(&drawn.start), index), weights(means(&drawn.anchor), index), weights(means(&drawn.target), index));
            for (what, weights) in [("start", &start), ("anchor", &anchor), ("target", &target)] {
                let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
                prop_assert!((total - 1.0).abs() < 1e-5, "{}: {:?}", what, weights);
            }
            prop_assert_eq!(target.len(), 1);
            let target = screen.unit(target[0].0);
            prop_assert!(target.role == Role::Treatment);
            let same_ladder = |row: usize| {
                let other = screen.unit(row);
                names(&other.treatment()) == names(&target.treatment()) && other.context == target.context
            };
            for (row, _) in start {
                let observation = screen.unit(row);
                if observation.role == Role::NegativeControl {
                    prop_assert_eq!(&observation.plate, &target.plate);
                } else {
                    prop_assert!(ladder == 1 && same_ladder(row));
                    prop_assert!(observation.intervention.members()[0].dose < target.intervention.members()[0].dose);
                }
            }
            let is_anchor = |row: usize| same_ladder(row) && screen.unit(row).intervention != target.intervention;
            let is_start = |row: usize| screen.unit(row).role == Role::NegativeControl || same_ladder(row);
            let exists = drawn.interventions.anchor[3 * index + 2] == 1.0;
            let is_right = |row: usize| if exists { is_anchor(row) } else { is_start(row) };
            prop_assert!(anchor.iter().all(|(row, _)| is_right(*row)));
        }
    }
}

#[test]
fn a_combination_leaves_with_its_members() {
    let set = |members: &[&str]| members.iter().map(|name| application(name, 1.0)).collect::<Vec<_>>();
    let all = ["a", "b", "c", "d", "e", "f"];
    let mut wells = vec![(0, String::new(), Vec::new())];
    wells.extend(all.map(|name| (0, String::new(), set(&[name]))));
    wells.extend([["a", "b"], ["c", "d"], ["e", "f"]].map(|pair| (0, String::new(), set(&pair))));
    let screen = screen(wells);
    let mut alone = 0;
    for seed in 0..20 {
        let settings = SplitConfig { validation: 0.0, calibration: 0.0, ..config(SplitBy::Intervention, 0, seed) };
        let split = Split::new(&screen, &settings).unwrap();
        for (pair, members) in [(7, [1, 2]), (8, [3, 4]), (9, [5, 6])] {
            let held_out = members.iter().any(|&row| split.part(row) == Part::Test);
            assert!(!held_out || split.part(pair) == Part::Test);
            alone += usize::from(!held_out && split.part(pair) == Part::Test);
        }
    }
    assert!(alone > 0, "a combination is also held out while its members stay");
}

#[test]
fn the_strictest_part_wins() {
    // Of ten perturbations and all their pairs, a pair of a test and a validation member is tested.
    let mut wells = vec![(0, String::new(), Vec::new())];
    for first in 0..10 {
        wells.push((0, String::new(), vec![application(&first.to_string(), 1.0)]));
        for second in 0..first {
            let pair = [first, second].map(|index: i32| application(&index.to_string(), 1.0));
            wells.push((0, String::new(), pair.into()));
        }
    }
    let screen = screen(wells);
    let split = Split::new(&screen, &config(SplitBy::Intervention, 1, 5)).unwrap();
    let part: BTreeMap<Intervention, Part> =
        (0..screen.n_observations()).map(|row| (screen.unit(row).intervention.clone(), split.part(row))).collect();
    for (intervention, own) in &part {
        for member in intervention.members() {
            assert!(part[&Intervention::of([member.clone()])] <= *own, "{intervention}");
        }
    }
}

#[test]
fn the_seed_decides_what_is_tested() {
    let mut wells = vec![(0, String::new(), Vec::new())];
    wells.extend((0..30).map(|index| (0, String::new(), vec![application(&index.to_string(), 1.0)])));
    let screen = screen(wells);
    let tested = |seed| Split::new(&screen, &config(SplitBy::Intervention, 0, seed)).unwrap().rows(Part::Test);
    assert_eq!(tested(1), tested(1));
    assert_ne!(tested(1), tested(2));
}

#[test]
fn refuses_what_cannot_be_split_or_paired() {
    let plain = |wells: &[(usize, &str, f64)]| {
        let members = |name: &str, dose| if name.is_empty() { Vec::new() } else { vec![application(name, dose)] };
        screen(wells.iter().map(|&(plate, name, dose)| (plate, String::new(), members(name, dose))).collect())
    };
    let two_doses = plain(&[(0, "", 1.0), (0, "a", 1.0), (0, "a", 2.0)]);
    let message = |screen: &Screen, config: &SplitConfig| Split::new(screen, config).unwrap_err().to_string();
    let check = |by, expected: &str| {
        let found = message(&two_doses, &config(by, 0, 0));
        assert!(found.contains(expected), "{found}");
    };
    check(SplitBy::Dose, "cannot split by dose: no perturbation has three doses or more");
    check(SplitBy::Intervention, "cannot split by intervention: there are fewer than two perturbations");
    check(SplitBy::Context, "cannot split by context: no intervention was measured in two contexts");
    let found = message(&two_doses, &config(SplitBy::Dose, 4, 0));
    assert!(found.contains("fold 4 is not below folds = 4"), "{found}");
    let few = SplitConfig { folds: 2, ..SplitConfig::default() };
    assert!(message(&two_doses, &few).contains("folds = 2 would leave too little to train on; give 0 or at least 3"));
    let mut without_batches = two_doses.clone();
    without_batches.units =
        two_doses.units.changed(&[], |row, unit| unit.lab_batch = unit.lab_batch.take().filter(|_| row != 1));
    assert!(message(&without_batches, &config(SplitBy::LabBatch, 0, 0)).contains("not every row has a lab batch"));
    let mut without_wells = without_batches.clone();
    without_wells.units = without_wells.units.changed(&[], |row, unit| unit.well = unit.well.filter(|_| row != 0));
    assert!(message(&without_wells, &config(SplitBy::PlateRow, 0, 0)).contains("not every row has a well"));
    let lonely = plain(&[(0, "", 1.0), (0, "a", 1.0), (1, "a", 2.0)]);
    let error = PairSet::new(&lonely, &Split::none(&lonely), &PairConfig::default()).unwrap_err().to_string();
    assert!(error.starts_with("plate `plate 1` has treated wells and no negative controls"), "{error}");
    let nothing = plain(&[(0, "", 1.0)]);
    let error = PairSet::new(&nothing, &Split::none(&nothing), &PairConfig::default()).unwrap_err().to_string();
    assert!(error.starts_with("no treated well is left for training"), "{error}");
}

#[test]
fn a_large_screen_is_drawn_by_context_then_treatment() {
    let mut wells: Vec<_> =
        (0..2).flat_map(|plate| (0..4).map(move |_| (plate, format!("context {plate}"), Vec::new()))).collect();
    // One treatment with fifty wells must not crowd out the thirty with one each, nor they the other context's two.
    wells.extend((0..50).map(|_| (0, "context 0".to_owned(), vec![application("many", 1.0)])));
    wells.extend((0..30).map(|index| (0, "context 0".to_owned(), vec![application(&format!("few {index}"), 1.0)])));
    wells.extend(
        (0..6).map(|index| (1, "context 1".to_owned(), vec![application(&format!("other {}", index % 2), 1.0)])),
    );
    let screen = screen(wells);
    let pairs = PairSet::new(&screen, &Split::none(&screen), &PairConfig::default()).unwrap();
    let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
    let settings = PairConfig { batch: 24, ..PairConfig::default() };
    let sampler = Sampler::new(&screen, &pairs, &vocabulary, &settings, None, false, 0.0);
    let drawn = sampler.batch(&mut ChaCha8Rng::seed_from_u64(1));
    let mut counts = BTreeMap::<(i32, i32), usize>::new();
    for (context, perturbation) in drawn.interventions.context.iter().zip(&drawn.interventions.perturbation) {
        *counts.entry((*context, *perturbation)).or_default() += 1;
    }
    let of_context = |context: i32| -> Vec<usize> {
        counts.iter().filter(|(key, _)| key.0 == context).map(|(_, count)| *count).collect()
    };
    assert_eq!(of_context(0), [1; 12]);
    assert_eq!(of_context(1), [6, 6]);
    // Two plates, twelve treated wells each: the bag of six is the most that leaves a third of all units to controls.
    let controls = drawn.units_uf.chunks(3).filter(|unit| unit[2] == 1.0).count();
    assert_eq!(controls, 8, "all four controls of each plate");
}

#[test]
fn relative_values_start_at_zero() {
    let mut screen =
        screen(vec![(0, String::new(), vec![application("a", 1.0)]), (0, String::new(), vec![application("b", 1.0)])]);
    screen.design = crate::screen::Design::Relative;
    screen.features.in_memory_mut().values_mut()[0] = 7.0;
    let pairs = PairSet::new(&screen, &Split::none(&screen), &PairConfig::default()).unwrap();
    let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
    let settings = PairConfig::default();
    let drawn = Sampler::new(&screen, &pairs, &vocabulary, &settings, None, false, 0.0)
        .batch(&mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(drawn.n_units, 3);
    let zero = drawn.units_uf.chunks(3).position(|unit| unit == [0.0; 3]).unwrap();
    for start in means(&drawn.start).chunks(3) {
        assert_eq!(start[zero], 1.0);
        assert_eq!(start.iter().sum::<f32>(), 1.0);
    }
}

#[test]
fn transitions_start_where_treatments_are_expected_to_lead_and_controls_stay_where_they_are() {
    let mut wells: Vec<_> = (0..3).map(|_| (0, String::new(), Vec::new())).collect();
    wells.extend(["a", "b"].map(|name| (0, String::new(), vec![application(name, 1.0)])));
    let screen = screen(wells);
    let pairs = PairSet::new(&screen, &Split::none(&screen), &PairConfig::default()).unwrap();
    let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
    let settings = PairConfig { ladder: 0.0, ..PairConfig::default() };
    let profile = |index: usize| vec![10.0 + index as f32, 20.0, 30.0];
    let expected: BTreeMap<_, _> = pairs.treatments.iter().cloned().zip((0..2).map(profile)).collect();
    let drawn = Sampler::new(&screen, &pairs, &vocabulary, &settings, Some(&expected), false, 0.0)
        .batch(&mut ChaCha8Rng::seed_from_u64(1));
    let units: Vec<&[f32]> = drawn.units_uf.chunks(3).collect();
    let (start, target) = (means(&drawn.start), means(&drawn.target));
    let n_treated = 2;
    for (row, (start, perturbation)) in
        start.chunks(units.len()).zip(&drawn.interventions.perturbation).enumerate().take(n_treated)
    {
        let unit = start.iter().position(|weight| *weight == 1.0).expect("one unit is the start");
        assert_eq!(units[unit], profile(*perturbation as usize), "transition {row}");
    }
    // Each of the bag's two controls is predicted from the other one.
    assert_eq!(target.len() / units.len(), n_treated + 2);
    for row in n_treated..n_treated + 2 {
        let of = |weights: &[f32]| {
            let weights = &weights[row * units.len()..(row + 1) * units.len()];
            let used: Vec<usize> = (0..units.len()).filter(|&unit| weights[unit] > 0.0).collect();
            used
        };
        let (from, to) = (of(start), of(target));
        assert!(from.iter().chain(&to).all(|&unit| units[unit][2] == 1.0), "controls alone");
        assert!(from.iter().all(|unit| !to.contains(unit)));
    }
}

/// Wells of five crops each: two controls and three treated ones on each of two plates; the first feature is the row.
fn screen_of_crops() -> Screen {
    let mut wells = Vec::new();
    for plate in 0..2 {
        for well in 0..5 {
            let members = if well < 2 { Vec::new() } else { vec![application(&format!("drug {well}"), 1.0)] };
            wells.extend(std::iter::repeat_n((plate, String::new(), members), 5));
        }
    }
    let mut screen = screen(wells);
    screen.units = screen.units.changed(&[], |row, unit| unit.well = Well::at(1, (row / 5 % 5) as i64 + 1));
    screen
}

#[test]
fn a_well_is_a_bag_of_its_crops() {
    let screen = screen_of_crops();
    assert_eq!(screen.wells().len(), 10);
    let pairs = PairSet::new(&screen, &Split::none(&screen), &PairConfig::default()).unwrap();
    assert_eq!(pairs.n_episodes(), 6, "one for each treated well");
    assert_eq!(pairs.rows.iter().map(Vec::len).sum::<usize>(), 30, "all crops of training are remembered");
    let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
    // Rows have three values, which are crops of one pixel in three channels; with and without controls as targets.
    for (batch, untreated) in [(6, true), (4, true), (6, false)] {
        let settings =
            PairConfig { batch, bag: 2, crops: 3, untreated, augment: Augment::None {}, ..PairConfig::default() };
        let sampler = Sampler::new(&screen, &pairs, &vocabulary, &settings, None, false, 0.0)
            .of_crops(Some(CropShape { channels: 3, size: 1 }));
        let drawn = sampler.batch(&mut ChaCha8Rng::seed_from_u64(3));
        let rows = |weights: &[f32], index: usize| -> Vec<usize> {
            let of_units = weights[index * drawn.n_units..(index + 1) * drawn.n_units].iter().enumerate();
            let some: Vec<(usize, f32)> = of_units.filter(|(_, w)| **w > 0.0).map(|(u, w)| (u, *w)).collect();
            assert!((some.iter().map(|(_, weight)| weight).sum::<f32>() - 1.0).abs() < 1e-6);
            some.into_iter().map(|(unit, _)| drawn.units_uf[3 * unit] as usize).collect()
        };
        for index in 0..batch {
            let (start, target) = (rows(means(&drawn.start), index), rows(means(&drawn.target), index));
            assert_eq!((start.len(), target.len()), (6, 3), "three crops of two controls, three of the well");
            assert!(target.iter().all(|row| row / 5 == target[0] / 5), "{target:?} are of one well");
            let is_start = |row: &usize| {
                let (own, other) = (screen.unit(*row), screen.unit(target[0]));
                own.role == Role::NegativeControl && own.plate == other.plate
            };
            assert!(start.iter().all(is_start), "{start:?} for {target:?}");
        }
        // Of two controls each is predicted from the other one, nothing being done.
        let n_steps = drawn.interventions.len();
        assert_eq!(n_steps, if untreated { batch + 4 } else { batch });
        assert_eq!(
            [means(&drawn.start).len(), means(&drawn.anchor).len(), means(&drawn.target).len()],
            [n_steps * drawn.n_units; 3]
        );
        let mut predicted = BTreeSet::new();
        for index in batch..n_steps {
            let (start, target) = (rows(means(&drawn.start), index), rows(means(&drawn.target), index));
            assert_eq!((start.len(), target.len()), (3, 3), "three crops of each");
            assert_eq!(rows(means(&drawn.anchor), index), start);
            let well = |rows: &[usize]| {
                assert!(rows.iter().all(|row| row / 5 == rows[0] / 5), "{rows:?} are of one well");
                rows[0] / 5
            };
            let (start, target) = (well(&start), well(&target));
            let [one, other] = [start, target].map(|well| screen.unit(5 * well));
            assert_eq!([one.role, other.role], [Role::NegativeControl; 2]);
            assert!(start != target && one.plate == other.plate);
            let members = drawn.interventions.members;
            assert!(drawn.interventions.present[members * index..members * (index + 1)].iter().all(|&is| is == 0.0));
            predicted.insert(target);
        }
        assert_eq!(predicted.len(), n_steps - batch, "every control once");
        // The bag of a plate is drawn once, however many wells are measured against it.
        assert!(drawn.n_units <= 2 * 6 + 3 * batch, "{}", drawn.n_units);
    }
}

#[test]
fn rows_without_a_well_are_told_apart_by_their_site() {
    let screen = screen_of_crops();
    let units = |labels: &[Label]| screen.units.changed(labels, |_, unit| unit.well = None);
    assert_eq!(units(&[]).all().len(), 50);
    let values = (0..50).map(|row| Some((row / 5).to_string())).collect();
    assert_eq!(units(&[Label { name: "site".into(), values }]).all().len(), 10);
}

#[test]
fn a_unit_is_never_torn_by_a_split() {
    let mut screen = screen_of_crops();
    let batch = |unit: &Unit| Some(format!("batch of {}", unit.plate));
    screen.units = screen.units.changed(&[], |_, unit| unit.lab_batch = batch(unit));
    for by in [SplitBy::Intervention, SplitBy::Condition, SplitBy::Plate, SplitBy::LabBatch, SplitBy::PlateColumn] {
        let split = Split::new(&screen, &SplitConfig { by, folds: 2, ..SplitConfig::default() }).unwrap();
        for rows in screen.units.rows() {
            assert!(rows.iter().all(|&row| split.part(row) == split.part(rows[0])), "{by:?}: {rows:?}");
        }
        assert!(!split.rows(Part::Test).is_empty(), "{by:?} tests nothing");
    }
}
