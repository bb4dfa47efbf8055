use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::super::average_precision;
use super::*;
use crate::screen::{Design, FeatureMatrix, Unit};

/// A screen of `(plate, compound or "" for control, vector)` wells.
fn screen(wells: &[(String, String, Vec<f32>)]) -> Screen {
    let observations = wells
        .iter()
        .map(|(plate, compound, _)| Unit {
            plate: plate.clone(),
            ..Unit::under((!compound.is_empty()).then_some((compound.as_str(), None)))
        })
        .collect();
    Screen {
        name: "fixture".into(),
        design: Design::AgainstControls,
        units: crate::screen::Units::of_rows(observations, &[]),
        features: FeatureMatrix::numbered(
            "f",
            wells[0].2.len(),
            wells.iter().flat_map(|well| well.2.clone()).collect(),
        )
        .into(),
        labels: vec![],
        dropped: vec![],
        origin: Default::default(),
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

fn similarities(units: &Units, row: usize, others: &[usize]) -> Vec<f64> {
    let mut similarities = vec![0.0; others.len()];
    units.compare(&[row], others, &mut similarities);
    similarities.into_iter().map(f64::from).collect()
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
    let units = Units::of(&screen.features);
    let precisions: Vec<f64> = (0..6)
        .map(|query| {
            let others = (0..24).filter(|&row| row != query && (row < 6 || wells[row].0 == wells[query].0));
            let others: Vec<usize> = others.collect();
            let similarities = similarities(&units, query, &others);
            let is_positive: Vec<bool> = others.iter().map(|&row| row < 6).collect();
            average_precision(&similarities, &is_positive).unwrap()
        })
        .collect();
    assert!((score.map - mean(&precisions)).abs() < 1e-12);
}

#[test]
fn two_perfect_replicates_reach_the_least_p_value_of_153_relabelings() {
    let mut wells: Vec<_> = noise(0, 0, 16, 5)
        .features
        .in_memory()
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
    for hits in [100, usize::MAX] {
        let settings = MapSettings { most_enumerated: 0, draws: 4000, hits, ..Default::default() };
        let drawn = maps(&screen, &settings);
        assert_eq!(drawn, maps(&screen, &settings));
        for (exact, drawn) in exact.scored.iter().zip(&drawn.scored) {
            assert!(exact.is_exact && !drawn.is_exact);
            // A hundred hits tell a p-value to a tenth, so three times that; few hits in 4,000 draws to three standard errors.
            let within = 0.3 * exact.p_value + 3.0 * (exact.p_value / 4000.0).sqrt();
            assert!((exact.p_value - drawn.p_value).abs() < within, "{} {}", exact.p_value, drawn.p_value);
        }
    }
}

/// Every relabeling of wells on two plates, visited one by one.
#[test]
fn the_search_counts_what_brute_force_counts() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (effect, n_levels) in [(0.0, 1000), (1.5, 1000), (3.0, 1000), (1.0, 3)] {
        // Two treated wells on one plate, one on the other; few levels make ties.
        let wells: Vec<_> = (0..17)
            .map(|index| {
                let plate = if index % 2 == 0 { "p" } else { "q" };
                let compound = if index < 3 { "a" } else { "" };
                let shift = if index < 3 { effect } else { 0.0 };
                let vector = (0..4).map(|_| (rng.random_range(0..n_levels) as f32 / n_levels as f32) + shift - 0.4);
                (plate.to_owned(), compound.to_owned(), vector.collect())
            })
            .collect();
        let screen = screen(&wells);
        let score = &maps(&screen, &MapSettings::default()).scored[0];
        assert!(score.is_exact);
        let units = Units::of(&screen.features);
        let on = |plate: &str| (0..17).filter(|&row| wells[row].0 == plate).collect::<Vec<_>>();
        let (mut n_hits, mut n_all) = (0, 0);
        let plate_p = on("p");
        for (index, &first) in plate_p.iter().enumerate() {
            for &second in &plate_p[index + 1..] {
                for third in on("q") {
                    let labels = [first, second, third];
                    let precision = |&query: &usize| {
                        let others: Vec<usize> = (0..17)
                            .filter(|&row| row != query && (labels.contains(&row) || wells[row].0 == wells[query].0))
                            .collect();
                        let found = similarities(&units, query, &others);
                        let is_positive: Vec<bool> = others.iter().map(|row| labels.contains(row)).collect();
                        average_precision(&found, &is_positive).unwrap()
                    };
                    let map = labels.iter().map(precision).sum::<f64>() / 3.0;
                    n_hits += u32::from(map >= score.map - 1e-9);
                    n_all += 1;
                }
            }
        }
        assert_eq!(n_all, 36 * 8);
        assert!((score.p_value - f64::from(n_hits) / f64::from(n_all)).abs() < 1e-12, "{} {n_hits}", score.p_value);
        assert!((score.least_p_value - 1.0 / f64::from(n_all)).abs() < 1e-12);
    }
}

/// Four plates of 24 controls have 390,625 relabelings; a strong effect is counted without visiting them.
#[test]
fn a_strong_effect_has_an_exact_p_value_where_relabelings_are_many() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut wells = Vec::new();
    for plate in ["p", "q", "r", "s"] {
        for index in 0..25 {
            let shift = if index == 0 { 0.6 } else { 0.0 };
            let vector = (0..12).map(|_| rng.random::<f32>() - 0.5 + shift).collect();
            wells.push((plate.to_owned(), if index == 0 { "a".to_owned() } else { String::new() }, vector));
        }
    }
    let screen = screen(&wells);
    let all = maps(&screen, &MapSettings::default());
    let few_steps = maps(&screen, &MapSettings { most_enumerated: 20_000, ..Default::default() });
    assert!(all.scored[0].is_exact && few_steps.scored[0].is_exact);
    assert_eq!(all.scored[0].p_value, few_steps.scored[0].p_value);
    assert!((all.scored[0].least_p_value - 1.0 / 390_625.0).abs() < 1e-15);
    assert!(all.scored[0].p_value < 1e-3, "{}", all.scored[0].p_value);
}

/// Drawing that stops early must not call more noise than promised.
#[test]
fn early_stopping_keeps_the_level() {
    let screen = noise(400, 3, 20, 21);
    let settings = MapSettings { most_enumerated: 0, draws: 2000, hits: 20, ..Default::default() };
    let found = maps(&screen, &settings);
    for level in [0.05, 0.2, 0.5] {
        let share = found.scored.iter().filter(|score| score.p_value <= level).count() as f64 / 400.0;
        // All share their controls, which adds to the binomial spread.
        assert!(share < level + 0.08, "{share} at {level}");
    }
    assert!(found.share_found(0.05) <= 0.01);
}

#[test]
fn says_who_cannot_be_scored() {
    let mut wells =
        vec![("p".to_owned(), String::new(), vec![1.0, 0.0]), ("p".into(), "single".into(), vec![1.0, 0.5])];
    wells.extend((0..2).map(|_| ("q".to_owned(), "alone".to_owned(), vec![1.0, 0.5])));
    let found = maps(&screen(&wells), &MapSettings::default());
    let reasons: Vec<_> = found.unscored.iter().map(|unscored| unscored.reason).collect();
    assert_eq!(reasons, ["no negative wells on its plates", "fewer than two replicates"]);
    assert!(found.scored.is_empty());
}

#[test]
fn other_treatments_serve_as_negatives() {
    let screen = noise(30, 2, 0, 4);
    let settings = MapSettings { negatives: Negatives::PlateTreatments, draws: 500, ..Default::default() };
    let found = maps(&screen, &settings);
    assert_eq!(found.scored.len(), 30);
    assert!(found.scored.iter().all(|score| score.is_exact && (score.least_p_value - 1.0 / 1770.0).abs() < 1e-12));
}

/// Wells without any effect: as many plates as replicates, each with `n_controls` controls.
fn noise_on_plates(n_compounds: usize, n_plates: usize, n_controls: usize, seed: u64) -> Screen {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut wells = Vec::new();
    for plate in 0..n_plates {
        let compounds = (0..n_compounds).map(|compound| format!("c{compound:03}"));
        for compound in std::iter::repeat_n(String::new(), n_controls).chain(compounds) {
            let vector = (0..8).map(|_| (0..4).map(|_| rng.random::<f32>() - 0.5).sum()).collect();
            wells.push((format!("p{plate}"), compound, vector));
        }
    }
    screen(&wells)
}

/// All treatments of these screens are judged by the same relabelings.
#[test]
fn pure_noise_passes_as_often_as_promised_where_treatments_share_their_draws() {
    let settings = MapSettings { most_enumerated: 1000, draws: 1000, ..Default::default() };
    let (mut p_values, mut n_found) = (Vec::new(), 0);
    for seed in 0..60 {
        let found = maps(&noise_on_plates(20, 3, 30, seed), &settings);
        assert_eq!(found.scored.len(), 20);
        n_found += found.scored.iter().filter(|score| score.q_value <= 0.05).count();
        p_values.extend(found.scored.iter().map(|score| score.p_value));
    }
    for level in [0.01, 0.05, 0.2, 0.5] {
        let n_passed = p_values.iter().filter(|&&p_value| p_value <= level).count() as f64;
        let expected = level * p_values.len() as f64;
        // Treatments of a screen share their controls too, which adds to the binomial spread.
        let within = 4.0 * (expected * (1.0 - level)).sqrt();
        assert!((n_passed - expected).abs() <= within, "{n_passed} of {} at {level}", p_values.len());
    }
    // Where nothing is there, a screen with anything found is a false discovery: at most one in twenty.
    assert!(n_found <= 8, "{n_found} in 60 screens");
}

#[test]
fn neither_threads_nor_other_treatments_change_a_result() {
    let screen = noise_on_plates(12, 3, 30, 5);
    // More draws than are kept.
    let settings = MapSettings { most_enumerated: 1000, draws: 17_000, hits: usize::MAX, ..Default::default() };
    let all = maps(&screen, &settings);
    for n_threads in [1, 3] {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        assert_eq!(threads.install(|| maps(&screen, &settings)), all);
    }
    let mut treatments = screen.treatments();
    let (first, rows) = treatments.pop_first().unwrap();
    let alone = replicate_map(&screen, &screen.features, &BTreeMap::from([(first, rows)]), &settings).unwrap();
    assert_eq!((alone.scored[0].map, alone.scored[0].p_value), (all.scored[0].map, all.scored[0].p_value));
}

/// Few levels, so that wells tie; own wells are among the labels of some draws.
#[test]
fn many_draws_at_once_are_found_as_each_for_itself() {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    for n_plates in 2..=8 {
        let wells: Vec<_> = (0..n_plates * 9)
            .map(|index| {
                let compound = if index < n_plates { "a" } else { "" };
                let vector = (0..3).map(|_| f32::from(rng.random_range(0..3u8)) - 0.9).collect();
                (format!("p{}", index % n_plates), compound.to_owned(), vector)
            })
            .collect();
        let screen = screen(&wells);
        let units = Units::of(&screen.features);
        let names: Vec<String> = (0..n_plates).map(|plate| format!("p{plate}")).collect();
        let negatives = screen.rows_by_plate(|unit| unit.role == Role::NegativeControl);
        let negatives: Vec<&[usize]> = negatives.values().map(Vec::as_slice).collect();
        let shared = Shared::new(&negatives, &units);
        let pools = Pools {
            screen: &screen,
            plates: names.iter().map(String::as_str).collect(),
            shared: &shared,
            units: &units,
        };
        let rows: Vec<usize> = (0..n_plates).collect();
        let (pool, _) = pools.pool(&rows);
        let settings = MapSettings { draws: 256, ..Default::default() };
        let draws = Draws::new(&pools, pools.design(&rows), &settings);
        let mut n_hits = 0;
        for observed in [0.3, 0.5, 0.7] {
            let relabelings = Relabelings::new(&pool, draws.design(), observed);
            draws.with_block(0, |block| {
                let found = relabelings.reached(block);
                let queries = |labels: &[usize]| {
                    labels.iter().map(|&query| pool.average_precision(query, labels, &mut Vec::new())).sum::<f64>()
                };
                let expected: Vec<bool> =
                    block.relabelings().map(|labels| queries(labels) / n_plates as f64 >= observed - 1e-9).collect();
                assert_eq!(found, expected, "{n_plates} labels, {observed}");
                n_hits += found.iter().filter(|&&is_hit| is_hit).count();
            });
        }
        assert!(0 < n_hits && n_hits < 3 * 256, "{n_plates} labels: {n_hits}");
    }
}
