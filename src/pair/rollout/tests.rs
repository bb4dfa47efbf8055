//! What a batch of stretches promises.

use rand::SeedableRng;

use super::super::{Sampler, SplitBy, SplitConfig};
use super::*;
use crate::screen::{FeatureMatrix, Intervention, Kind, Micromolar, Observation, Reference, Role, Track};

const TIMES: usize = 12;

/// Three doses of two tracks, twelve times 2 min apart, a pulse in the fifth interval; the one feature is 100 x track + time.
/// The first track misses its fourth time.
fn lapse() -> (TimeLapse, Vec<Course>) {
    let (mut observations, mut values, mut tracks, mut courses) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..6 {
        let intervention = Intervention::single("EGF", Kind::Other, Micromolar::new(10f64.powi(number as i32 / 2)));
        let mut rows = vec![None; TIMES];
        for at in (0..TIMES).filter(|&at| number > 0 || at != 3) {
            rows[at] = Some(observations.len());
            let is_before = at < 5;
            observations.push(Observation {
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
        courses.push(Course {
            field: "f".into(),
            track: number.to_string(),
            treatment: Treatment { intervention: intervention.clone(), context: String::new() },
            minutes: (0..TIMES).map(|at| 2.0 * at as f64).collect(),
            measured: rows.iter().map(|row| row.map(|_| 1.0)).collect(),
            rows,
            present: (0..TIMES - 1).map(present).collect(),
        });
    }
    let screen = Screen {
        name: "tracks".into(),
        reference: Reference::FirstFrame,
        observations,
        features: FeatureMatrix::new(vec!["x".into()], values),
        labels: vec![],
        dropped: vec![],
    };
    (TimeLapse { screen, tracks }, courses)
}

fn split(lapse: &TimeLapse) -> Split {
    let config = SplitConfig { by: SplitBy::Dose, folds: 3, validation: 0.0, calibration: 0.0, ..Default::default() };
    Split::new(&lapse.screen, &config).unwrap().of_tracks(lapse)
}

#[test]
fn a_roll_out_stays_on_its_track_without_gaps_and_sees_the_pulse_where_it_was() {
    let (lapse, courses) = lapse();
    let split = split(&lapse);
    let pairs = PairSet::of_courses(&lapse, &courses, &split, 4).unwrap();
    assert_eq!(pairs.treatments.len(), 2, "one dose of three is tested");
    let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
    let config = PairConfig { batch: 16, ..PairConfig::default() };
    let sampler = Sampler::new(&lapse.screen, &pairs, &vocabulary, &config, false, 0.0);
    let tested: Vec<usize> = (0..6).filter(|&track| split.part(lapse.tracks[track].first()) == Part::Test).collect();
    for seed in 0..20 {
        let batch = sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!((batch.n_units, batch.interventions.len(), batch.then.len()), (16 * 5, 16, 16 * 3));
        for number in 0..16 {
            let unit = |step: usize| batch.units_uf[step * 16 + number] as usize;
            assert!(!tested.contains(&(unit(0) / 100)));
            for step in 0..4 {
                assert_eq!(unit(step + 1), unit(step) + 1, "one interval on, on the same track");
                let present = match step {
                    0 => batch.interventions.present[number],
                    _ => batch.then.present[(step - 1) * 16 + number],
                };
                assert_eq!(present == 1.0, unit(step) % 100 == 4);
            }
            let at = |weights: &[f32]| weights[number * 80..(number + 1) * 80].iter().position(|&weight| weight == 1.0);
            assert_eq!((at(&batch.start_bu), at(&batch.target_bu)), (Some(number), Some(16 + number)));
        }
    }
}

#[test]
fn the_origin_is_the_last_time_before_anything_was_present() {
    let (lapse, courses) = lapse();
    let pairs = PairSet::of_courses(&lapse, &courses, &Split::none(&lapse.screen), 4).unwrap();
    let rollouts = pairs.rollouts.unwrap();
    assert!(rollouts.training.iter().all(|track| track.origin == 4));
    assert_eq!(rollouts.training[0].starts, [4, 5, 6, 7], "no stretch goes over the gap at 3");
    assert_eq!(rollouts.training[1].starts, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn refuses_roll_outs_longer_than_every_track() {
    let (lapse, courses) = lapse();
    let error = PairSet::of_courses(&lapse, &courses, &Split::none(&lapse.screen), 12).unwrap_err();
    assert_eq!(error.to_string(), "no training track has 12 steps without a gap; lower pair.rollout");
}
