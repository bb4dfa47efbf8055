use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::screen::Role;

fn simulated(config: SimulateConfig) -> Simulated {
    Simulated::new(&config).unwrap()
}

fn truth_of(simulated: &Simulated, names: &str) -> Vec<f64> {
    let found = simulated.truth.iter().find(|(treatment, _)| in_words(&treatment.intervention) == names);
    found.unwrap_or_else(|| panic!("{names} is in the screen")).1.clone()
}

#[test]
fn additive_pairs_are_sums_and_interacting_ones_are_not() {
    let of = |law| {
        let simulated = simulated(SimulateConfig { law, perturbations: 4, ..SimulateConfig::default() });
        let [one, other, both] = ["gene0", "gene3", "gene0 + gene3"].map(|names| truth_of(&simulated, names));
        one.iter().zip(&other).zip(&both).map(|((one, other), both)| (both - one - other).abs()).fold(0.0, f64::max)
    };
    assert!(of(Law::Additive) < 1e-12);
    assert!(of(Law::Interacting) > 0.05);
}

#[test]
fn effects_grow_with_dose_toward_a_limit() {
    let simulated = simulated(SimulateConfig { doses: 6, pairs: false, perturbations: 3, ..SimulateConfig::default() });
    let sizes: Vec<f64> = simulated.truth[..6].iter().map(|(_, profile)| profile.iter().map(|x| x * x).sum()).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
    // Directions stay the same: of one compound the profiles are multiples of each other.
    let [low, high] = [&simulated.truth[0].1, &simulated.truth[5].1];
    let ratios: Vec<f64> = low.iter().zip(high).map(|(low, high)| low / high).collect();
    assert!(ratios.iter().all(|ratio| (ratio - ratios[0]).abs() < 1e-9 && (0.0..1.0).contains(ratio)), "{ratios:?}");
}

#[test]
fn wells_scatter_about_the_truth_by_noise_and_plate() {
    let config = SimulateConfig { plate_shift: 0.0, noise: 0.5, perturbations: 30, ..SimulateConfig::default() };
    let simulated = simulated(config);
    let truth: BTreeMap<_, _> = simulated.truth.iter().cloned().collect();
    let (mut squares, mut n) = (0.0, 0.0);
    for (row, unit) in simulated.screen.units.by_row().enumerate() {
        let zero = vec![0.0; 6];
        let expected = truth.get(&unit.treatment()).unwrap_or(&zero);
        for (value, expected) in simulated.screen.measured().in_memory().row(row).iter().zip(expected) {
            squares += (f64::from(*value) - expected).powi(2);
            n += 1.0;
        }
    }
    let deviation = f64::sqrt(squares / n);
    assert!((deviation - 0.5).abs() < 0.02, "{deviation}");
}

#[test]
fn every_plate_has_its_controls_and_every_replicate_its_plates() {
    let config = SimulateConfig { perturbations: 40, replicates: 3, controls: 20, ..SimulateConfig::default() };
    let simulated = simulated(config);
    let (mut controls, mut plates_of) = (BTreeMap::<&str, usize>::new(), BTreeMap::new());
    let mut places = BTreeSet::new();
    for unit in simulated.screen.units.by_row() {
        assert!(places.insert((unit.plate.as_str(), unit.well.unwrap())), "one thing in a well");
        match unit.role {
            Role::NegativeControl => *controls.entry(&unit.plate).or_default() += 1,
            _ => {
                plates_of.entry(unit.treatment()).or_insert_with(BTreeSet::new).insert(unit.plate.as_str());
            }
        }
    }
    // 40 singles and 780 pairs fill three plates of 364 wells, three times.
    assert_eq!(controls.values().copied().collect::<Vec<_>>(), [20; 9]);
    assert_eq!(plates_of.len(), 820);
    assert!(plates_of.values().all(|plates| plates.len() == 3));
}

#[test]
fn the_same_seed_gives_the_same_screen_and_another_one_another() {
    let of = |seed| simulated(SimulateConfig { seed, perturbations: 5, ..SimulateConfig::default() }).screen.features;
    assert!(of(3) == of(3));
    assert!(of(3) != of(4));
}

#[test]
fn settings_without_meaning_are_refused() {
    let refused = |config: SimulateConfig| Simulated::new(&config).unwrap_err().to_string();
    let base = SimulateConfig::default;
    assert_eq!(
        refused(SimulateConfig { perturbations: 1, ..base() }),
        "--perturbations is 1, expected a whole number from 2 to 10000"
    );
    assert_eq!(refused(SimulateConfig { noise: -1.0, ..base() }), "--noise is -1, expected a number from 0 to 1000000");
    assert!(
        refused(SimulateConfig { perturbations: 1000, ..base() }).starts_with("these are 500500 treatments, more than")
    );
}
