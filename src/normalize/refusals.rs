//! What `normalize` says when it cannot, and what it does at the edges.

use super::*;
use crate::screen::{Design, FeatureMatrix, Intervention, Kind, Role, Screen, Unit, Units};

/// One plate for each entry: values of one feature in its controls; two treated wells are added to each.
fn screen(controls: &[&[f32]]) -> Screen {
    let mut observations = Vec::new();
    let mut values = Vec::new();
    for (plate, controls) in controls.iter().enumerate() {
        let treated = [(Role::Treatment, 5.0), (Role::Treatment, 8.0)];
        let wells = controls.iter().map(|&value| (Role::NegativeControl, value)).chain(treated);
        for (role, value) in wells {
            let is_control = role == Role::NegativeControl;
            observations.push(Unit {
                plate: format!("P{plate}"),
                well: None,
                role,
                intervention: if is_control {
                    Intervention::untreated()
                } else {
                    Intervention::single("compound", Kind::Compound, None)
                },
                context: String::new(),
                lab_batch: None,
                replicate: None,
                cell_count: None,
            });
            values.extend([value, 2.0 * value - 1.0, if is_control { 4.0 } else { value }]);
        }
    }
    let names = ["area", "width", "flag"].map(str::to_owned).to_vec();
    Screen {
        name: "made".to_owned(),
        design: Design::AgainstControls,
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::new(names, values).into(),
        labels: Vec::new(),
        dropped: Vec::new(),
        origin: Default::default(),
    }
}

fn fit(screen: &Screen, settings: &NormalizeSettings) -> Result<Normalizer, NormalizeError> {
    let rows: Vec<usize> = (0..screen.n_observations()).collect();
    Normalizer::fit(screen, &rows, settings)
}

fn robust(shrink: f64) -> NormalizeSettings {
    NormalizeSettings { per_plate: PerPlate::Robust { shrink }, compress: Compress::None {}, ..Default::default() }
}

fn refuses<T: std::fmt::Debug>(result: Result<T, NormalizeError>, expected: &str) {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_feature_constant_in_all_controls_is_left_out_with_its_reason() {
    let normalizer = fit(&screen(&[&[1.0, 2.0, 4.0], &[1.0, 3.0, 4.0]]), &robust(0.5)).unwrap();
    assert_eq!(normalizer.feature_names(), ["area", "width"]);
    let reason = "constant in the negative controls of every training plate".to_owned();
    assert_eq!(normalizer.removed(), [Removed { feature: "flag".to_owned(), reason }]);
    assert_eq!(normalizer.statistics(), "Each plate is centered and scaled by its own negative-control wells.");
}

#[test]
fn shrinkage_goes_half_way_to_the_median_plate() {
    let screen = screen(&[&[0.0, 1.0, 2.0], &[0.0, 3.0, 6.0], &[0.0, 1.0, 2.0]]);
    let normalized = fit(&screen, &robust(0.5)).unwrap().apply(&screen).unwrap();
    // Plate P1: median 3, MAD 3, pooled MAD 1, so the scale is 1.4826 * 2; its first treated well holds 5.
    assert!((f64::from(normalized.features.in_memory().row(8)[0]) - 2.0 / (1.4826 * 2.0)).abs() < 1e-6);
}

#[test]
fn where_most_controls_share_a_value_the_standard_deviation_takes_the_place_of_the_mad() {
    let screen = screen(&[&[1.0, 1.0, 1.0, 2.0], &[1.0, 1.0, 1.0, 2.0]]);
    let normalized = fit(&screen, &robust(0.0)).unwrap().apply(&screen).unwrap();
    let deviation = (0.25f64 * 0.75).sqrt();
    assert!((f64::from(normalized.features.in_memory().row(4)[0]) - 4.0 / deviation).abs() < 1e-5);
}

#[test]
fn a_plate_whose_controls_are_constant_has_the_scale_of_the_others() {
    let screen = screen(&[&[3.0, 3.0, 3.0], &[0.0, 1.0, 2.0]]);
    for shrink in [0.0, 0.5, 1.0] {
        let normalized = fit(&screen, &robust(shrink)).unwrap().apply(&screen).unwrap();
        // The first treated well holds 5, two more than the controls; the other plate's MAD is 1.
        let found = f64::from(normalized.features.in_memory().row(3)[0]);
        assert!((found - 2.0 / 1.4826).abs() < 1e-5, "shrink {shrink}: {found}");
    }
}

#[test]
fn one_control_is_enough_where_only_the_pooled_scale_counts() {
    let screen = screen(&[&[1.0, 2.0, 4.0], &[3.0]]);
    refuses(fit(&screen, &robust(0.5)), "plate `P1` has 1 negative-control wells, its scale needs 2");
    let normalized = fit(&screen, &robust(1.0)).unwrap().apply(&screen).unwrap();
    assert!((f64::from(normalized.features.in_memory().row(6)[0]) - 2.0 / 1.4826).abs() < 1e-6);
    refuses(fit(&self::screen(&[&[1.0], &[2.0]]), &robust(1.0)), "no plate has two negative-control wells");
    let training = Normalizer::fit(&screen, &[0, 1, 2, 3, 4], &robust(0.5)).unwrap();
    refuses(training.apply(&screen), "plate `P1` has 1 negative-control wells");
}

#[test]
fn finds_features_by_name_and_names_those_that_are_absent() {
    let screen = screen(&[&[1.0, 2.0, 4.0]]);
    let normalizer = fit(&screen, &robust(0.5)).unwrap();
    let expected = normalizer.apply(&screen).unwrap();
    let mut turned = screen.clone();
    turned.features = screen.features.select_columns(&[2, 1, 0]).into();
    assert_eq!(normalizer.apply(&turned).unwrap().features, expected.features);
    turned.features = screen.features.select_columns(&[1, 2]).into();
    refuses(normalizer.apply(&turned), "lacks 1 of the 2 features that the normalizer was fitted on: `area`;");
    turned.features = screen.features.select_columns(&[0, 1, 0]).into();
    refuses(normalizer.apply(&turned), "two features called `area`");
}

#[test]
fn zero_of_a_relative_screen_stays_zero() {
    let mut screen = screen(&[&[1.0, 2.0, 4.0], &[-3.0, 0.0, 2.0]]);
    screen.design = Design::Relative;
    screen.features.in_memory_mut().row_mut(0).fill(0.0);
    let sphere = Sphere::ZcaCor { epsilon: 0.1, components: Some(2) };
    let settings = NormalizeSettings { sphere, ..Default::default() };
    let normalizer = fit(&screen, &settings).unwrap();
    let normalized = normalizer.apply(&screen).unwrap();
    assert_eq!(normalized.features.in_memory().row(0), [0.0, 0.0]);
    assert!(normalized.features.in_memory().row(1).iter().any(|&value| value != 0.0));
    assert!(normalizer.statistics().contains("about zero"));
    let ranks = NormalizeSettings { compress: Compress::RankInt {}, ..Default::default() };
    refuses(fit(&screen, &ranks), "`rank_int` moves zero");
    screen.design = Design::AgainstControls;
    refuses(
        normalizer.apply(&screen),
        "fitted on a screen with `reference = \"relative\"`, screen `made` has \"control_wells\"",
    );
}

#[test]
fn without_controls_training_wells_give_one_scale_for_all_plates() {
    let mut screen = screen(&[&[1.0, 2.0, 4.0], &[1.0, 3.0, 4.0]]);
    screen.units = screen.units.changed(&[], |_, unit| unit.role = Role::Treatment);
    let normalizer = Normalizer::fit(&screen, &[0, 1, 2, 3, 4], &robust(0.5)).unwrap();
    assert!(normalizer.statistics().contains("no negative-control wells"));
    let normalized = normalizer.apply(&screen).unwrap();
    // Training values 1 2 4 5 8: median 4, MAD 2.
    assert!((f64::from(normalized.features.in_memory().row(5)[0]) - -3.0 / (2.0 * 1.4826)).abs() < 1e-6);
    let tvn = NormalizeSettings { sphere: Sphere::Tvn { regularization: 0.5, components: None }, ..robust(0.5) };
    refuses(fit(&screen, &tvn), "has no negative-control wells, which typical variation normalization needs");
}

#[test]
fn missing_values_pass_through_scaling_and_stop_sphering() {
    let mut screen = screen(&[&[1.0, 2.0, 4.0], &[1.0, 3.0, 4.0]]);
    screen.features.in_memory_mut().row_mut(3)[1] = f32::NAN;
    let normalized = fit(&screen, &robust(0.5)).unwrap().apply(&screen).unwrap();
    assert!(normalized.features.in_memory().row(3)[1].is_nan());
    assert_eq!(normalized.features.in_memory().values().iter().filter(|value| value.is_nan()).count(), 1);
    let sphere = Sphere::Zca { epsilon: 0.2, components: Some(1) };
    let settings = NormalizeSettings { sphere, ..robust(0.5) };
    refuses(fit(&screen, &settings), "feature `width` is missing in 1 rows");
    let drop = vec![Select::DropNaColumns { cutoff: 0.0 }];
    assert!(fit(&screen, &NormalizeSettings { select: drop, ..settings }).is_ok());
}

#[test]
fn refuses_rows_batches_and_features_that_are_not_there() {
    let screen = screen(&[&[1.0, 2.0, 4.0], &[1.0, 3.0, 4.0]]);
    refuses(
        Normalizer::fit(&screen, &[10], &robust(0.5)),
        "training row 10 is not in screen `made`, which has 10 rows",
    );
    refuses(Normalizer::fit(&screen, &[], &robust(0.5)), "none of the training rows is a well to learn from");
    refuses(Normalizer::fit(&screen, &[3, 4], &robust(0.5)), "put control wells into training");
    let block = Select::Blocklist { names: vec!["area".to_owned(), "width".to_owned()] };
    refuses(
        fit(&screen, &NormalizeSettings { select: vec![block], ..robust(0.5) }),
        "no feature of screen `made` is left of 3; the last one was left out because: named in the blocklist",
    );
    let tvn = NormalizeSettings { sphere: Sphere::Tvn { regularization: 0.5, components: Some(1) }, ..robust(0.5) };
    refuses(fit(&screen, &tvn).unwrap().apply(&screen), "plate `P0` has no lab batch");
}

#[test]
fn a_damaged_file_is_refused() {
    let screen = screen(&[&[1.0, 2.0, 4.0]]);
    let normalizer = fit(&screen, &robust(0.5)).unwrap();
    let text =
        serde_json::to_string(&normalizer).unwrap().replacen(r#""inputs":["area","width"]"#, r#""inputs":["area"]"#, 1);
    refuses(serde_json::from_str::<Normalizer>(&text).unwrap().apply(&screen), "the stored normalizer is damaged");
}

#[test]
fn without_a_step_pixels_stay_in_their_files() {
    use crate::screen::{ChannelScale, Features, MappedFile, StoredRow, StoredRows, StoredType};

    let folder = tempfile::tempdir().unwrap();
    let mut screen = screen(&[&[1.0, 2.0, 3.0, 4.0]]);
    let n_rows = screen.n_observations();
    let path = folder.path().join("pixels");
    std::fs::write(&path, (0..n_rows as u8).collect::<Vec<_>>()).unwrap();
    let row = |row: usize| StoredRow { file: 0, scale: 0, offset: row as u64, sample: StoredType::U8 };
    let scales: Vec<Vec<ChannelScale>> = vec![Vec::new()];
    let rows: Vec<StoredRow> = (0..n_rows).map(row).collect();
    let stored = StoredRows::new(vec![MappedFile::open(&path).unwrap()], scales, rows, 1);
    screen.features = Features::stored(vec!["pixel".into()], stored);
    let settings =
        NormalizeSettings { per_plate: PerPlate::None {}, compress: Compress::None {}, ..NormalizeSettings::default() };
    let normalizer = Normalizer::fit(&screen, &(0..n_rows).collect::<Vec<_>>(), &settings).unwrap();
    let normalized = normalizer.apply(&screen).unwrap();
    assert!(normalized.features.is_of_pixels());
    assert_eq!(normalized.features, screen.features);
}
