//! The numbers of pycytominer 1.7.1 and scipy on a public LINCS plate; `tests/oracles/pycytominer_normalize.py` made them.

use std::io::Read;

use super::*;
use crate::screen::{Design, FeatureMatrix, Intervention, Kind, Role, Screen, Unit, Units, Well};

fn oracle() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/oracles/pycytominer_normalize.json")).unwrap()
}

/// The cut plate, rows A-H and I-P as two plates.
fn lincs() -> Screen {
    let packed: &[u8] = include_bytes!("../../tests/oracles/lincs_cut.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = table.headers().unwrap().iter().skip(2).map(str::to_owned).collect();
    let mut observations = Vec::new();
    let mut values = Vec::new();
    for row in table.records() {
        let row = row.unwrap();
        let well: Well = row[0].parse().unwrap();
        let is_control = &row[1] == "DMSO";
        observations.push(Unit {
            plate: if well.row() < 8 { "upper" } else { "lower" }.to_owned(),
            well: Some(well),
            role: if is_control { Role::NegativeControl } else { Role::Treatment },
            intervention: if is_control {
                Intervention::untreated()
            } else {
                Intervention::single(&row[1], Kind::Compound, None)
            },
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        });
        values.extend(
            row.iter().skip(2).map(|cell| if cell.is_empty() { f32::NAN } else { cell.parse::<f64>().unwrap() as f32 }),
        );
    }
    Screen {
        name: "lincs_cut".to_owned(),
        design: Design::AgainstControls,
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::new(names, values).into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

/// Without the four made columns.
fn measured(screen: &Screen) -> Screen {
    let measured: Vec<usize> = (0..screen.features.n_features())
        .filter(|&feature| !screen.features.names()[feature].contains("_Made_"))
        .collect();
    Screen { features: screen.features.select_columns(&measured).into(), ..screen.clone() }
}

fn nothing() -> NormalizeSettings {
    NormalizeSettings {
        per_plate: PerPlate::None {},
        select: Vec::new(),
        compress: Compress::None {},
        sphere: Sphere::None {},
    }
}

fn normalized(screen: &Screen, settings: &NormalizeSettings) -> Screen {
    let rows: Vec<usize> = (0..screen.n_observations()).collect();
    Normalizer::fit(screen, &rows, settings).unwrap().apply(screen).unwrap()
}

/// Compares the wells and features that the oracle shows, relative to `tolerance * (1 + |expected|)`.
fn check(found: &Screen, expected: &serde_json::Value, tolerance: f64) {
    let oracle = oracle();
    for (row, well) in oracle["wells"].as_array().unwrap().iter().enumerate() {
        let well: Well = well.as_str().unwrap().parse().unwrap();
        let at = found.units.by_row().position(|unit| unit.well == Some(well)).unwrap();
        for (column, feature) in oracle["features"].as_array().unwrap().iter().enumerate() {
            let feature = found.features.names().iter().position(|name| name == feature.as_str().unwrap()).unwrap();
            let value = f64::from(found.features.in_memory().row(at)[feature]);
            let expected = expected[row][column].as_f64().unwrap();
            let difference = (value - expected).abs();
            assert!(difference <= tolerance * (1.0 + expected.abs()), "{well} {feature}: {value} {expected}");
        }
    }
}

#[test]
fn standardizes_each_plate_on_dmso_as_pycytominer_does() {
    let settings = NormalizeSettings { per_plate: PerPlate::Standardize { shrink: 0.0 }, ..nothing() };
    check(&normalized(&measured(&lincs()), &settings), &oracle()["standardize"], 1e-6);
}

/// pycytominer adds 1e-18 to the MAD, which is far below what these numbers show.
#[test]
fn scales_each_plate_by_its_mad_as_pycytominer_does() {
    let settings = NormalizeSettings { per_plate: PerPlate::Robust { shrink: 0.0 }, ..nothing() };
    check(&normalized(&measured(&lincs()), &settings), &oracle()["mad_robustize"], 1e-6);
}

#[test]
fn gives_every_well_its_blom_score() {
    let settings = NormalizeSettings { compress: Compress::RankInt {}, ..nothing() };
    check(&normalized(&measured(&lincs()), &settings), &oracle()["rank_int"], 1e-6);
}

/// Our `variance_threshold` is pycytominer's `variance_threshold` followed by its `frequency_threshold`.
#[test]
fn keeps_the_features_that_pycytominer_keeps() {
    let variance = || Select::VarianceThreshold { freq_cut: 0.05, unique_cut: 0.01, min_variance: 1e-6 };
    let missing = || Select::DropNaColumns { cutoff: 0.05 };
    let outliers = || Select::DropOutliers { cutoff: 500.0 };
    let correlation = |threshold| Select::CorrelationThreshold { threshold };
    let screen = lincs();
    for (name, select) in [
        ("variance_threshold", vec![variance()]),
        ("drop_na_columns", vec![missing()]),
        ("drop_outliers", vec![outliers()]),
        ("correlation_threshold", vec![correlation(0.9)]),
        ("correlation_threshold_0.6", vec![correlation(0.6)]),
        ("every", vec![missing(), variance(), outliers(), correlation(0.9)]),
    ] {
        let found = normalized(&screen, &NormalizeSettings { select, ..nothing() });
        let expected: Vec<String> = serde_json::from_value(oracle()["kept"][name].clone()).unwrap();
        assert_eq!(found.features.names(), expected, "{name}");
    }
}

/// Epsilon is 0 on both sides: pycytominer adds its own to the singular values, ours is a share of the mean eigenvalue.
///
/// With 24 controls and 60 features both treat the directions that no control shows as the last one that it does.
#[test]
fn spheres_as_pycytominer_does() {
    let screen = measured(&lincs());
    let every_row: Vec<usize> = (0..screen.n_observations()).collect();
    let controls: Vec<usize> = screen.controls_by_plate().into_values().flatten().collect();
    for (name, whitening, rows) in [
        ("zca_all_wells", Whitening::Zca, &every_row),
        ("zca_cor_all_wells", Whitening::ZcaCor, &every_row),
        ("zca_controls", Whitening::Zca, &controls),
        ("zca_cor_controls", Whitening::ZcaCor, &controls),
    ] {
        let mut found = screen.clone();
        let sphering = Sphering::fit(&screen.features.in_memory(), rows, whitening, 0.0).unwrap();
        sphering.apply(found.features.in_memory_mut()).unwrap();
        check(&found, &oracle()["spherize"][name], 1e-5);
    }
}
