use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::super::average_precision;
use super::pool::dot;
use super::*;
use crate::screen::{Intervention, Kind, Observation, Reference};

/// A screen of `(plate, compound or "" for control, vector)` wells.
fn screen(wells: &[(String, String, Vec<f32>)]) -> Screen {
    let observations = wells
        .iter()
        .map(|(plate, compound, _)| Observation {
            plate: plate.clone(),
            well: None,
            role: if compound.is_empty() { Role::NegativeControl } else { Role::Treatment },
            intervention: match compound.as_str() {
                "" => Intervention::untreated(),
                name => Intervention::single(name, Kind::Compound, None),
            },
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        })
        .collect();
    Screen {
        name: "fixture".into(),
        reference: Reference::ControlWells,
        observations,
        features: FeatureMatrix::numbered(
            "f",
            wells[0].2.len(),
            wells.iter().flat_map(|well| well.2.clone()).collect(),
        ),
        labels: vec![],
        dropped: vec![],
    }
}

fn maps(screen: &Screen, settings: &MapSettings) -> ReplicateMaps {
    replicate_map(screen, &screen.features, &screen.treatments(), settings).unwrap()
}

fn noise(n_compounds: usize, n_replicates: usize, n_controls: usize, seed: u64) -> Screen {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut well = |compound: String| {
        // Sums of uniforms: near enough to Gaussian, and every direction is about equally likely.
        let vector = (0..8).map(|_| (0..4).map(|_| rng.random::<f32>() - 0.5).sum()).collect();
        ("p".to_owned(), compound, vector)
    };
    let mut wells: Vec<_> = (0..n_controls).map(|_| well(String::new())).collect();
    for compound in 0..n_compounds {
        wells.extend((0..n_replicates).map(|_| well(format!("c{compound:03}"))));
    }
    screen(&wells)
}

/// Numbers of `tests/oracles/copairs_map.py`.
#[test]
fn agrees_with_copairs() {
    let oracle: Value = serde_json::from_str(include_str!("../../../tests/oracles/copairs_map.json")).unwrap();
    let wells: Vec<(String, String, Vec<f32>)> = serde_json::from_value(oracle["wells"].clone()).unwrap();
    let screen = screen(&wells);
    let found = maps(&screen, &MapSettings::default());
    let expected = oracle["map"].as_object().unwrap();
    assert_eq!(found.scored.len(), expected.len());
    for score in &found.scored {
        let oracle = &expected[&score.treatment.intervention.perturbation_names()];
        assert!((score.map - oracle["map"].as_f64().unwrap()).abs() < 1e-6, "{}", score.treatment);
        assert!((score.normalized - oracle["normalized"].as_f64().unwrap()).abs() < 1e-6, "{}", score.treatment);
    }
}

#[test]
fn the_counting_form_equals_average_precision_with_ties() {
    // Two plates, many equal vectors.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let wells: Vec<_> = (0..24)
        .map(|index| {
            let plate = if index % 2 == 0 { "p" } else { "q" };
            let compound = if index < 6 { "a" } else { "" };
            let vector = (0..2).map(|_| f32::from(rng.random_range(0..3u8)) + 0.5).collect();
            (plate.to_owned(), compound.to_owned(), vector)
        })
        .collect();
    let screen = screen(&wells);
    let score = &maps(&screen, &MapSettings { most_enumerated: 0, draws: 10, ..Default::default() }).scored[0];
    let units = unit_rows(&screen.features);
    let precisions: Vec<f64> = (0..6)
        .map(|query| {
            let others = (0..24).filter(|&row| row != query && (row < 6 || wells[row].0 == wells[query].0));
            let (similarities, is_positive): (Vec<f64>, Vec<bool>) =
                others.map(|row| (f64::from(dot(&units[query], &units[row])), row < 6)).unzip();
            average_precision(&similarities, &is_positive).unwrap()
        })
        .collect();
    assert!((score.map - mean(&precisions)).abs() < 1e-12);
}

#[test]
fn two_perfect_replicates_reach_the_least_p_value_of_153_relabelings() {
    let mut wells: Vec<_> = noise(0, 0, 16, 5)
        .features
        .values()
        .chunks(8)
        .map(|row| ("p".to_owned(), String::new(), row.to_vec()))
        .collect();
    for _ in 0..2 {
        wells.push(("p".to_owned(), "a".to_owned(), vec![9.0, -9.0, 9.0, -9.0, 9.0, 9.0, 9.0, 9.0]));
    }
    let found = maps(&screen(&wells), &MapSettings::default());
    let score = &found.scored[0];
    assert!(score.is_exact);
    assert_eq!((score.map, score.normalized, score.n_queries), (1.0, 1.0, 2));
    assert!((score.least_p_value - 1.0 / 153.0).abs() < 1e-15);
    // Another pair of wells may by luck be each other's nearest too.
    assert!(score.p_value <= 6.0 / 153.0, "{}", score.p_value);
    assert!((score.expected - expected_average_precision(1, 17)).abs() < 1e-12);
}

/// Two replicates and sixteen controls are where copairs calls 4 % of pure noise.
#[test]
fn pure_noise_is_not_called() {
    for (replicates, controls) in [(2, 16), (3, 16), (4, 8)] {
        let found = maps(&noise(300, replicates, controls, 11), &MapSettings::default());
        assert!(found.share_found(0.05) <= 0.01, "{replicates} x {controls}: {}", found.share_found(0.05));
        let false_alarms = found.scored.iter().filter(|score| score.p_value <= 0.05).count();
        // The controls are shared, so the count varies more than a binomial would.
        assert!((1..=33).contains(&false_alarms), "{replicates} x {controls}: {false_alarms} of 300");
    }
}

#[test]
fn drawing_agrees_with_enumerating_and_repeats() {
    let screen = noise(20, 3, 10, 2);
    let exact = maps(&screen, &MapSettings::default());
    let settings = MapSettings { most_enumerated: 0, draws: 4000, ..Default::default() };
    let drawn = maps(&screen, &settings);
    assert_eq!(drawn, maps(&screen, &settings));
    for (exact, drawn) in exact.scored.iter().zip(&drawn.scored) {
        assert!(exact.is_exact && !drawn.is_exact);
        assert!((exact.p_value - drawn.p_value).abs() < 0.04, "{} {}", exact.p_value, drawn.p_value);
    }
}

#[test]
fn says_who_cannot_be_scored() {
    let mut wells =
        vec![("p".to_owned(), String::new(), vec![1.0, 0.0]), ("p".into(), "single".into(), vec![1.0, 0.5])];
    wells.extend((0..2).map(|_| ("q".to_owned(), "alone".to_owned(), vec![1.0, 0.5])));
    let found = maps(&screen(&wells), &MapSettings::default());
    let reasons: Vec<_> = found.unscored.iter().map(|unscored| unscored.reason).collect();
    assert_eq!(reasons, ["no negative wells on its plates", "fewer than two replicates"]);
    assert!(found.scored.is_empty() && !found.can_find(0.05));
}

#[test]
fn other_treatments_serve_as_negatives() {
    let screen = noise(30, 2, 0, 4);
    let settings = MapSettings { negatives: Negatives::PlateTreatments, draws: 500, ..Default::default() };
    let found = maps(&screen, &settings);
    assert_eq!(found.scored.len(), 30);
    assert!(found.scored.iter().all(|score| score.is_exact && (score.least_p_value - 1.0 / 1770.0).abs() < 1e-12));
}
