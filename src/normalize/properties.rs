//! What must hold for any screen.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::screen::{Design, FeatureMatrix, Intervention, Kind, Role, Screen, Unit, Units};

const N_PLATES: usize = 4;
const N_CONTROLS: usize = 6;
const N_TREATED: usize = 5;
const PER_PLATE: usize = N_CONTROLS + N_TREATED;

/// Four plates in two lab batches, each with its own shift and scale; controls come first on every plate.
fn screen(seed: u64, n_features: usize) -> Screen {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || -> f64 { rng.sample(StandardNormal) };
    let mixing: Vec<f64> = (0..n_features * n_features).map(|_| draw()).collect();
    let mut observations = Vec::new();
    let mut values = Vec::new();
    for plate in 0..N_PLATES {
        let (shift, spread) = (3.0 * draw(), draw().exp());
        for well in 0..PER_PLATE {
            let is_control = well < N_CONTROLS;
            observations.push(Unit {
                plate: format!("plate{plate}"),
                well: None,
                role: if is_control { Role::NegativeControl } else { Role::Treatment },
                intervention: if is_control {
                    Intervention::untreated()
                } else {
                    Intervention::single(format!("compound{well}"), Kind::Compound, None)
                },
                context: String::new(),
                lab_batch: Some(format!("batch{}", plate / 2)),
                replicate: None,
                cell_count: None,
            });
            let hidden: Vec<f64> = (0..n_features).map(|_| draw()).collect();
            values.extend((0..n_features).map(|feature| {
                let mixed: f64 =
                    (0..n_features).map(|other| mixing[feature * n_features + other] * hidden[other]).sum();
                (shift + spread * mixed) as f32
            }));
        }
    }
    Screen {
        name: "made".to_owned(),
        design: Design::AgainstControls,
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::numbered("f", n_features, values).into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

fn all_rows(screen: &Screen) -> Vec<usize> {
    (0..screen.n_observations()).collect()
}

fn controls(screen: &Screen) -> Vec<usize> {
    screen.controls_by_plate().into_values().flatten().collect()
}

fn settings(per_plate: PerPlate, compress: Compress, sphere: Sphere) -> NormalizeSettings {
    NormalizeSettings { per_plate, select: Vec::new(), compress, sphere }
}

/// Every step that is fitted on training rows.
fn elaborate() -> NormalizeSettings {
    NormalizeSettings {
        per_plate: PerPlate::Robust { shrink: 0.5 },
        select: vec![
            Select::VarianceThreshold { freq_cut: 0.05, unique_cut: 0.01, min_variance: 1e-6 },
            Select::CorrelationThreshold { threshold: 0.9 },
        ],
        compress: Compress::RankInt {},
        sphere: Sphere::Zca { epsilon: 0.2, components: Some(2) },
    }
}

/// Mean and covariance (divided by n - 1) of the rows at `rows`.
fn moments(matrix: &FeatureMatrix, rows: &[usize]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = rows.len() as f64;
    let value = |row: usize, feature: usize| f64::from(matrix.row(row)[feature]);
    let features = 0..matrix.n_features();
    let mean: Vec<f64> =
        features.clone().map(|feature| rows.iter().map(|&row| value(row, feature)).sum::<f64>() / n).collect();
    let covariance = features
        .clone()
        .map(|a| {
            let product = |row: usize, b: usize| (value(row, a) - mean[a]) * (value(row, b) - mean[b]);
            features.clone().map(|b| rows.iter().map(|&row| product(row, b)).sum::<f64>() / (n - 1.0)).collect()
        })
        .collect();
    (mean, covariance)
}

/// Mean 0 and covariance `variance * I` at `rows`, to 1e-6.
fn assert_white(matrix: &FeatureMatrix, rows: &[usize], variance: f64) {
    let (mean, covariance) = moments(matrix, rows);
    for (a, of_a) in covariance.iter().enumerate() {
        assert!(mean[a].abs() < 1e-6, "mean {}", mean[a]);
        for (b, &found) in of_a.iter().enumerate() {
            let expected = if a == b { variance } else { 0.0 };
            assert!((found - expected).abs() < 1e-6, "covariance of {a} and {b}: {found}, expected {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn sphered_controls_are_white(seed: u64, n_features in 1usize..6) {
        let screen = screen(seed, n_features);
        for sphere in [Sphere::Zca { epsilon: 0.0, components: None }, Sphere::ZcaCor { epsilon: 0.0, components: None }] {
            let settings = settings(PerPlate::Robust { shrink: 0.5 }, Compress::Asinh {}, sphere);
            let normalizer = Normalizer::fit(&screen, &all_rows(&screen), &settings).unwrap();
            assert_white(&normalizer.apply(&screen).unwrap().features.in_memory(), &controls(&screen), 1.0);
        }
    }

    #[test]
    fn tvn_makes_the_controls_of_each_batch_white(seed: u64, n_features in 1usize..6) {
        let screen = screen(seed, n_features);
        let sphere = Sphere::Tvn { regularization: 0.0, components: None };
        let settings = settings(PerPlate::Standardize { shrink: 1.0 }, Compress::None {}, sphere);
        let normalized = Normalizer::fit(&screen, &all_rows(&screen), &settings).unwrap().apply(&screen).unwrap();
        for batch in ["batch0", "batch1"] {
            let rows: Vec<usize> = controls(&screen)
                .into_iter()
                .filter(|&row| screen.unit(row).lab_batch.as_deref() == Some(batch))
                .collect();
            assert_white(&normalized.features.in_memory(), &rows, 1.0);
        }
    }

    #[test]
    fn tvn_of_one_batch_with_its_usual_regularization_is_near_two_thirds(seed: u64) {
        let screen = screen(seed, 3);
        let controls = controls(&screen);
        let tvn = Tvn::fit(&screen.features.in_memory(), &controls, 0.5).unwrap();
        let batches = vec!["only"; screen.n_observations()];
        let aligned = tvn.apply(&screen.features.in_memory(), &controls, &batches).unwrap();
        let n = controls.len() as f64;
        assert_white(&aligned, &controls, (n / (n - 1.0)) / (n / (n - 1.0) + 0.5));
    }

    #[test]
    fn zca_is_symmetric(seed: u64, n_features in 1usize..40, epsilon in 0.0..1.0) {
        let screen = screen(seed, n_features);
        let matrix = Sphering::fit(&screen.features.in_memory(), &controls(&screen), Whitening::Zca, epsilon).unwrap().matrix();
        let largest = matrix.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        for a in 0..n_features {
            for b in 0..n_features {
                let difference = matrix[a * n_features + b] - matrix[b * n_features + a];
                prop_assert!(difference.abs() <= 1e-12 * largest);
            }
        }
    }

    #[test]
    fn order_of_rows_does_not_matter(seed: u64, turn in 1usize..40) {
        let screen = screen(seed, 5);
        let n = screen.n_observations();
        let order: Vec<usize> = (0..n).map(|row| (row * 7 + turn) % n).collect();
        let training: Vec<usize> = (0..n - PER_PLATE).collect();
        let turned_training: Vec<usize> = (0..n).filter(|&row| order[row] < n - PER_PLATE).collect();
        let turned = screen.select(&order);
        let expected = Normalizer::fit(&screen, &training, &elaborate()).unwrap().apply(&screen).unwrap();
        let found = Normalizer::fit(&turned, &turned_training, &elaborate()).unwrap().apply(&turned).unwrap();
        for (row, &from) in order.iter().enumerate() {
            for (one, other) in found.features.in_memory().row(row).iter().zip(expected.features.in_memory().row(from)) {
                prop_assert!((one - other).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_held_out_plate_moves_no_other_plate(seed: u64, factor in 0.1f32..50.0) {
        let screen = screen(seed, 5);
        let held_out = 2 * PER_PLATE..3 * PER_PLATE;
        let training: Vec<usize> = all_rows(&screen).into_iter().filter(|row| !held_out.contains(row)).collect();
        let mut changed = screen.clone();
        for row in held_out.clone() {
            changed.features.in_memory_mut().row_mut(row).iter_mut().for_each(|value| *value = factor * *value + 11.0);
        }
        let normalizer = Normalizer::fit(&screen, &training, &elaborate()).unwrap();
        prop_assert_eq!(&Normalizer::fit(&changed, &training, &elaborate()).unwrap(), &normalizer);
        let (before, after) = (normalizer.apply(&screen).unwrap(), normalizer.apply(&changed).unwrap());
        for &row in &training {
            prop_assert_eq!(before.features.read_row(row), after.features.read_row(row));
        }
    }

    #[test]
    fn training_rows_alone_decide_what_is_pooled(seed: u64, noise in -1e6f32..1e6) {
        let screen = screen(seed, 5);
        let is_left_out = |row: usize| screen.unit(row).role == Role::Treatment && row.is_multiple_of(2);
        let training: Vec<usize> = all_rows(&screen).into_iter().filter(|&row| !is_left_out(row)).collect();
        let mut changed = screen.clone();
        for row in (0..screen.n_observations()).filter(|&row| is_left_out(row)) {
            changed.features.in_memory_mut().row_mut(row).iter_mut().for_each(|value| *value = noise);
        }
        let normalizer = Normalizer::fit(&screen, &training, &elaborate()).unwrap();
        prop_assert_eq!(Normalizer::fit(&changed, &training, &elaborate()).unwrap(), normalizer);
    }

    #[test]
    fn without_shrinkage_the_scale_is_the_plates_own(seed: u64) {
        let screen = screen(seed, 3);
        let settings = settings(PerPlate::Robust { shrink: 0.0 }, Compress::None {}, Sphere::None {});
        let normalized = Normalizer::fit(&screen, &all_rows(&screen), &settings).unwrap().apply(&screen).unwrap();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
        };
        let plates = screen.controls_by_plate();
        for feature in 0..3 {
            let at = |row: usize| f64::from(screen.features.in_memory().row(row)[feature]);
            let deviation = |rows: &Vec<usize>| {
                let n = rows.len() as f64;
                let mean = rows.iter().map(|&row| at(row)).sum::<f64>() / n;
                (rows.iter().map(|&row| (at(row) - mean).powi(2)).sum::<f64>() / n).sqrt()
            };
            // Few controls may have next to no MAD: no scale is below a hundredth of the plates' mean deviation.
            let floor = 0.01 * plates.values().map(deviation).sum::<f64>() / plates.len() as f64;
            for rows in plates.values() {
                let center = median(rows.iter().map(|&row| at(row)).collect());
                let mad = 1.4826 * median(rows.iter().map(|&row| (at(row) - center).abs()).collect());
                for row in rows[0]..rows[0] + PER_PLATE {
                    let found = f64::from(normalized.features.in_memory().row(row)[feature]);
                    let expected = (at(row) - center) / mad.max(floor);
                    prop_assert!((found - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
                }
            }
        }
    }

    #[test]
    fn survives_json_to_the_bit(seed: u64) {
        let screen = screen(seed, 4);
        let tvn = Sphere::Tvn { regularization: 0.5, components: Some(3) };
        for settings in [elaborate(), settings(PerPlate::Robust { shrink: 0.3 }, Compress::Clip { limit: 9.0 }, tvn)] {
            let normalizer = Normalizer::fit(&screen, &all_rows(&screen), &settings).unwrap();
            let text = serde_json::to_string(&normalizer).unwrap();
            prop_assert_eq!(serde_json::from_str::<Normalizer>(&text).unwrap(), normalizer);
        }
    }
}
