//! What the episodes of objects and tracks promise.

use rand::SeedableRng;

use rand_chacha::ChaCha8Rng;

use super::super::{Batch, Part, Sampler, SplitBy, SplitConfig, Vocabulary, Weights};
use super::*;
use crate::screen::{Design, FeatureMatrix, Intervention, Kind, Micromolar, Role, Schedule, Track, Unit, Units};

const TIMES: usize = 12;

/// Three doses of two tracks, twelve times 2 min apart, a pulse in the fifth interval; the one feature is 100 x track + time.
/// The first track misses its fourth time.
fn scheduled() -> Screen {
    let (mut observations, mut values, mut tracks, mut schedules) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..6 {
        let intervention = Intervention::single("EGF", Kind::Other, Micromolar::new(10f64.powi(number as i32 / 2)));
        let mut rows = vec![None; TIMES];
        for at in (0..TIMES).filter(|&at| number > 0 || at != 3) {
            rows[at] = Some(observations.len());
            let is_before = at < 5;
            observations.push(Unit {
                plate: "p".into(),
                well: None,
                role: if is_before { Role::NegativeControl } else { Role::Treatment },
                intervention: if is_before { Intervention::untreated() } else { intervention.clone() },
                context: String::new(),
                lab_batch: None,
                replicate: None,
                cell_count: None,
            });
            values.push((100 * number + at) as f32);
        }
        tracks.push(Track { rows: rows.iter().flatten().copied().collect() });
        let present =
            |at: usize| if at == 4 { intervention.clone().lasting(1.0 / 60.0) } else { Intervention::untreated() };
        schedules.push(Schedule {
            field: "f".into(),
            track: number.to_string(),
            treatment: Treatment { intervention: intervention.clone(), context: String::new() },
            minutes: (0..TIMES).map(|at| 2.0 * at as f64).collect(),
            measured: rows.iter().map(|row| row.map(|_| 1.0)).collect(),
            rows,
            present: (0..TIMES - 1).map(present).collect(),
        });
    }
    Screen {
        name: "tracks".into(),
        design: Design::Scheduled { tracks, schedules },
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::new(vec!["x".into()], values).into(),
        labels: vec![],
        dropped: vec![],
        origin: Default::default(),
    }
}

fn steps(rollout: usize) -> PairConfig {
    PairConfig { batch: 16, rollout, ..PairConfig::default() }
}

#[test]
fn a_roll_out_stays_on_its_track_without_gaps_and_sees_the_pulse_where_it_was() {
    let screen = scheduled();
    let config = SplitConfig { by: SplitBy::Dose, folds: 3, validation: 0.0, calibration: 0.0, ..Default::default() };
    let split = Split::new(&screen, &config).unwrap();
    let pairs = PairSet::new(&screen, &split, &steps(4)).unwrap();
    assert_eq!(pairs.treatments.len(), 2, "one dose of three is tested");
    assert_eq!(pairs.present.len(), 3, "nothing, or one of two doses");
    let vocabulary = Vocabulary::of(&pairs, BTreeMap::new());
    let config = steps(4);
    let sampler = Sampler::new(&screen, &pairs, &vocabulary, &config, None, false, 0.0);
    let tracks = screen.design.tracks();
    let tested: Vec<usize> = (0..6).filter(|&track| split.part(tracks[track].first()) == Part::Test).collect();
    for seed in 0..20 {
        let batch = sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!((batch.n_units, batch.n_episodes(), batch.interventions.len()), (16 * 5, 16, 16 * 4));
        for number in 0..16 {
            let unit = |step: usize| batch.units_uf[step * 16 + number] as usize;
            assert!(!tested.contains(&(unit(0) / 100)));
            for step in 0..4 {
                assert_eq!(unit(step + 1), unit(step) + 1, "one interval on, on the same track");
                assert_eq!(batch.interventions.present[step * 16 + number] == 1.0, unit(step) % 100 == 4);
            }
        }
        assert_eq!((batch.start, batch.target), (Weights::Units { first: 0 }, Weights::Units { first: 16 }));
    }
}

#[test]
fn early_episodes_start_before_anything_was_present_and_none_goes_over_a_gap() {
    let screen = scheduled();
    let pairs = PairSet::new(&screen, &Split::none(&screen), &steps(4)).unwrap();
    let paths: Vec<&Path> = pairs.paths().iter().flatten().collect();
    assert_eq!(paths[0].starts, [4, 5, 6, 7], "no episode goes over the gap at 3");
    assert_eq!(paths[1].starts, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!([paths[0].n_starts(true), paths[1].n_starts(true)], [1, 5], "until the last time before the pulse, 4");
    assert_eq!(pairs.n_episodes(), 4 + 5 * 8);
    assert_eq!(pairs.episodes().count(), pairs.n_episodes());
}

#[test]
fn validation_tracks_are_judged_from_their_last_untreated_time_on() {
    let screen = scheduled();
    let config =
        SplitConfig { by: SplitBy::Condition, folds: 3, validation: 0.3, calibration: 0.0, ..Default::default() };
    let split = Split::new(&screen, &config).unwrap();
    let pairs = PairSet::new(&screen, &split, &steps(4)).unwrap();
    assert_eq!(pairs.validation.len(), 2, "the two tracks of one dose");
    for episode in &pairs.validation {
        let value = |rows: &[usize]| screen.features.read_row(rows[0])[0] as usize % 100;
        assert_eq!(value(&episode.start[0]), 4);
        let times: Vec<usize> = episode.steps.iter().map(|(_, rows)| value(rows)).collect();
        assert_eq!(times, [5, 6, 7, 8, 9, 10, 11]);
        let treated: Vec<bool> = episode.steps.iter().map(|(set, _)| !set.intervention.is_untreated()).collect();
        assert_eq!(treated, [true, false, false, false, false, false, false]);
    }
}

#[test]
fn refuses_roll_outs_longer_than_every_track() {
    let screen = scheduled();
    let error = PairSet::new(&screen, &Split::none(&screen), &steps(12)).unwrap_err();
    assert_eq!(error.to_string(), "no training track has 12 steps without a gap; lower pair.rollout");
}

/// Four doses, two objects each, three frames ten minutes apart; the one feature is 100 x dose index + 10 x object + frame.
fn followed() -> Screen {
    let (mut observations, mut values, mut tracks) = (Vec::new(), Vec::new(), Vec::new());
    for dose in 0..4 {
        for object in 0..2 {
            let mut rows = Vec::new();
            for frame in 0..3 {
                rows.push(observations.len());
                let intervention = match frame {
                    0 => Intervention::untreated(),
                    _ => Intervention::single("forskolin", Kind::Compound, Micromolar::new(10f64.powi(dose)))
                        .lasting(f64::from(frame) / 6.0),
                };
                observations.push(Unit {
                    plate: "p".into(),
                    well: None,
                    role: if frame == 0 { Role::NegativeControl } else { Role::Treatment },
                    intervention,
                    context: String::new(),
                    lab_batch: None,
                    replicate: None,
                    cell_count: None,
                });
                values.push((100 * dose + 10 * object + frame) as f32);
            }
            tracks.push(Track { rows });
        }
    }
    Screen {
        name: "lapse".into(),
        design: Design::Followed { tracks },
        units: Units::of_rows(observations, &[]),
        features: FeatureMatrix::new(vec!["x".into()], values).into(),
        labels: vec![],
        dropped: vec![],
        origin: Default::default(),
    }
}

fn split_of_followed(screen: &Screen, fold: usize) -> Split {
    let by = SplitBy::Condition;
    let config = SplitConfig { by, folds: 4, fold, validation: 0.25, calibration: 0.0, ..Default::default() };
    Split::new(screen, &config).unwrap()
}

#[test]
fn a_condition_leaves_with_all_its_frames() {
    let screen = followed();
    let split = split_of_followed(&screen, 0);
    for part in [Part::Test, Part::Validation] {
        assert_eq!(split.rows(part).len(), 6, "two objects of one dose, three frames each");
    }
    for track in screen.design.tracks() {
        assert!(track.rows.iter().all(|&row| split.part(row) == split.part(track.first())));
    }
}

#[test]
fn folds_do_not_all_choose_by_the_same_conditions() {
    let screen = followed();
    let validated: std::collections::BTreeSet<Vec<usize>> =
        (0..4).map(|fold| split_of_followed(&screen, fold).rows(Part::Validation)).collect();
    assert!(validated.len() >= 3, "{validated:?}");
}

#[test]
fn steps_stay_on_their_object_and_last_as_long_as_frames_are_apart() {
    let screen = followed();
    let pairs = PairSet::new(&screen, &split_of_followed(&screen, 0), &PairConfig::default()).unwrap();
    assert_eq!(pairs.treatments.len(), 4, "two doses in training, for ten and for twenty minutes");
    assert_eq!(pairs.n_episodes(), 4 * 3, "four objects, three steps each");
    let vocabulary = Vocabulary::of(&pairs, BTreeMap::new());
    let config = PairConfig { batch: 8, ..PairConfig::default() };
    let sampler = Sampler::new(&screen, &pairs, &vocabulary, &config, None, false, 0.0);
    for seed in 0..20 {
        let batch: Batch = sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed));
        for episode in 0..batch.n_episodes() {
            let at = |weights: &Weights| -> f32 {
                let Weights::Mean(weights) = weights else { panic!("{weights:?}") };
                let row = &weights[episode * batch.n_units..(episode + 1) * batch.n_units];
                row.iter().zip(&batch.units_uf).map(|(weight, value)| weight * value).sum()
            };
            let (start, target) = (at(&batch.start), at(&batch.target));
            assert_eq!((start / 10.0).floor(), (target / 10.0).floor(), "one object");
            let minutes = 24.0 * 60.0 * 2f32.powf(batch.interventions.duration[episode]);
            assert!((minutes - 10.0 * (target - start)).abs() < 0.01, "{start} -> {target} in {minutes} min");
            assert!(target > start);
        }
    }
}
