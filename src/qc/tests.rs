//! Screens of simulated plates, clean and with one fault each.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Measure, Quality, Severity, quality};
use crate::screen::{Design, FeatureMatrix, Role, Screen, Unit, Units, Well};

const N_FEATURES: usize = 12;

/// A screen of 96-well plates, 12 of the wells controls at places of chance; two in three compounds do nothing.
struct Simulated {
    units: Vec<Unit>,
    values: Vec<f32>,
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// `n_libraries` sets of 84 compounds, each on `n_replicates` plates; every library has a layout of its own.
fn simulated(n_libraries: usize, n_replicates: usize, seed: u64) -> Simulated {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut screen = Simulated { units: Vec::new(), values: Vec::new() };
    for library in 0..n_libraries {
        let mut wells: Vec<Well> =
            (1..=8).flat_map(|row| (1..=12).map(move |column| Well::at(row, column).unwrap())).collect();
        rand::seq::SliceRandom::shuffle(wells.as_mut_slice(), &mut rng);
        let effects: Vec<Vec<f64>> = (0..84)
            .map(|compound| {
                (0..N_FEATURES).map(|_| if compound % 3 == 0 { 3.0 * normal(&mut rng) } else { 0.0 }).collect()
            })
            .collect();
        for replicate in 0..n_replicates {
            for (place, &well) in wells.iter().enumerate() {
                let name = format!("c{library}-{place}");
                let is_control = place >= 84;
                screen.units.push(Unit {
                    plate: format!("L{library}R{replicate}"),
                    well: Some(well),
                    cell_count: Some((1000.0 + 80.0 * normal(&mut rng)).round()),
                    ..Unit::under((!is_control).then_some((name.as_str(), Some(1.0))))
                });
                let effects = if is_control { &[0.0; N_FEATURES][..] } else { &effects[place][..] };
                for effect in effects {
                    screen.values.push((100.0 + effect + normal(&mut rng)) as f32);
                }
            }
        }
    }
    screen
}

impl Simulated {
    fn change(mut self, plate: &str, change: impl Fn(&mut Unit, &mut [f32])) -> Self {
        for (unit, values) in self.units.iter_mut().zip(self.values.chunks_mut(N_FEATURES)) {
            if unit.plate == plate {
                change(unit, values);
            }
        }
        self
    }

    fn judged(self) -> Quality {
        let screen = Screen {
            name: "simulated".into(),
            design: Design::AgainstControls,
            units: Units::of_each(self.units),
            features: FeatureMatrix::numbered("f", N_FEATURES, self.values).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        quality(&screen, 0)
    }
}

fn is_edge(well: Well) -> bool {
    matches!(well.row(), 0 | 7) || matches!(well.column(), 1 | 12)
}

/// Plates with an alarm by a measure.
fn alarmed(quality: &Quality, measure: Measure, is: impl Fn(&super::PlateQuality) -> bool) -> Vec<&str> {
    let plates = quality.plates.iter().filter(|plate| plate.measure == measure && is(plate));
    plates.map(|plate| plate.plate.as_str()).collect()
}

#[test]
fn two_hundred_clean_plates_raise_hardly_an_alarm() {
    let (singles, replicated) = (simulated(100, 1, 1).judged(), simulated(25, 4, 2).judged());
    let mut n_alarms = 0;
    for quality in [&singles, &replicated] {
        assert_eq!(quality.plates.len(), 200, "two measures of a hundred plates");
        n_alarms += quality.plates.iter().filter(|plate| plate.has_edge_effect() || plate.has_line_effect()).count();
        assert!(quality.swapped.is_empty());
    }
    let n_outliers: usize =
        [&singles, &replicated].iter().flat_map(|q| &q.plates).map(|plate| plate.outliers.len()).sum();
    println!("{n_alarms} alarms and {n_outliers} outliers on 200 clean plates of two measures");
    // Two tests of two measures at 0.001 each let 0.8 plates be expected.
    assert!(n_alarms <= 3, "{n_alarms} alarms on 200 clean plates");
    assert!(n_outliers <= 200, "{n_outliers} outliers among 200 clean plates of 96 wells, by two measures");
    let agreements: Vec<f64> = replicated.plates.iter().filter_map(|plate| Some(plate.agreement.as_ref()?.p)).collect();
    assert!(agreements.len() == 100 && agreements.iter().all(|&p| p <= 0.001));
    assert!(singles.plates.iter().all(|plate| plate.agreement.is_none()));
}

#[test]
fn a_planted_edge_effect_is_found_on_its_plate() {
    let edge = |unit: &mut Unit, values: &mut [f32]| {
        if unit.well.is_some_and(is_edge) {
            unit.cell_count = unit.cell_count.map(|count| 0.8 * count);
            // Controls at the edge would take the middle of the plate's controls with them.
            if unit.role.is_treated() {
                values.iter_mut().for_each(|value| *value += 3.0);
            }
        }
    };
    for screen in [simulated(5, 1, 3), simulated(2, 4, 4)] {
        let quality = screen.change("L1R0", edge).judged();
        for measure in Measure::ALL {
            assert_eq!(alarmed(&quality, measure, super::PlateQuality::has_edge_effect), ["L1R0"], "{measure:?}");
        }
        let count = quality.plates.iter().find(|plate| plate.plate == "L1R0" && plate.measure == Measure::CellCount);
        let (ratio, p) = count.unwrap().position.edge.unwrap();
        assert!((ratio - 0.8).abs() < 0.05 && p <= 0.001, "{ratio} {p}");
        let findings = quality.findings();
        let said = findings
            .iter()
            .find(|finding| finding.message.contains("the cell count differs between wells at the edge"));
        assert!(
            said.is_some_and(|finding| finding.message.contains("L1R0 (0.") && finding.severity == Severity::Warning)
        );
    }
}

#[test]
fn a_dead_column_is_found_and_named() {
    let dead = |unit: &mut Unit, values: &mut [f32]| {
        if unit.well.is_some_and(|well| well.column() == 7) {
            unit.cell_count = Some(0.0);
            values.iter_mut().for_each(|value| *value = 0.0);
        }
    };
    for screen in [simulated(5, 1, 5), simulated(2, 4, 6)] {
        let quality = screen.change("L0R0", dead).judged();
        for measure in Measure::ALL {
            assert_eq!(alarmed(&quality, measure, super::PlateQuality::has_line_effect), ["L0R0"], "{measure:?}");
        }
        let findings = quality.findings();
        assert!(findings.iter().any(|finding| finding.message.contains("L0R0 column 7")), "{findings:?}");
    }
}

#[test]
fn two_plates_whose_names_were_exchanged_are_found() {
    let mut screen = simulated(3, 4, 7);
    // The values of two plates of different libraries change places.
    let rows_of = |screen: &Simulated, plate: &str| -> Vec<usize> {
        let mut rows: Vec<usize> = (0..screen.units.len()).filter(|&row| screen.units[row].plate == plate).collect();
        rows.sort_by_key(|&row| screen.units[row].well);
        rows
    };
    for (a, b) in rows_of(&screen, "L0R1").into_iter().zip(rows_of(&screen, "L2R0")) {
        for feature in 0..N_FEATURES {
            screen.values.swap(a * N_FEATURES + feature, b * N_FEATURES + feature);
        }
    }
    let quality = screen.judged();
    assert_eq!(quality.swapped, [("L0R1".to_owned(), "L2R0".to_owned())]);
    assert!(quality.findings()[0].message.starts_with("plates `L0R1` and `L2R0` look swapped"));
}

#[test]
fn a_wild_well_is_an_outlier_and_positive_controls_give_a_window() {
    let mut screen = simulated(2, 4, 8).change("L0R0", |unit, values| {
        if unit.well == Well::at(4, 5) && unit.role == Role::Treatment {
            values.iter_mut().for_each(|value| *value += 40.0);
        }
    });
    // The first compound of each library stands for a positive control.
    for unit in &mut screen.units {
        if ["c0-0", "c0-3", "c0-6"].contains(&unit.intervention.perturbation_names().as_str()) {
            unit.role = Role::PositiveControl;
        }
    }
    let is_treated = screen
        .units
        .iter()
        .any(|unit| unit.plate == "L0R0" && unit.well == Well::at(4, 5) && unit.role == Role::Treatment);
    let quality = screen.judged();
    let of = |plate: &str| {
        quality.plates.iter().find(|own| own.plate == plate && own.measure == Measure::DistanceToControls).unwrap()
    };
    assert_eq!(of("L0R0").outliers.contains(&Well::at(4, 5).unwrap()), is_treated);
    // One well of each is too few for a window; those of the other library have none.
    assert_eq!((of("L0R0").n_positive, of("L0R0").z_prime, of("L1R0").positive_control.as_deref()), (3, None, None));
    assert_eq!(of("L1R0").ssmd_of, Some("treated wells"));
    assert!(of("L1R0").control_cv.unwrap() < 0.5 && of("L1R0").control_median.unwrap() > 0.5);
}

#[test]
fn the_same_seed_gives_the_same_quality() {
    let [one, other] = [0, 1].map(|_| simulated(2, 3, 9).judged());
    assert_eq!((one.plates, one.wells, one.swapped), (other.plates, other.wells, other.swapped));
}
