//! Transitions of a time lapse: earlier frame -> later frame of one object.

use std::collections::BTreeMap;

use super::{PairError, PairSet, Part, Split, Start, Transition, anchor, anchor_in};
use crate::screen::{TimeLapse, Treatment};

impl PairSet {
    /// The transitions of a time lapse whose objects `split` gives to training.
    ///
    /// Every earlier and every later frame of an object are a step; its intervention is that of the object for as long as
    /// the two are apart.
    ///
    /// # Errors
    /// When nothing is left to train on.
    pub fn of_time_lapse(lapse: &TimeLapse, split: &Split) -> Result<Self, PairError> {
        let screen = &lapse.screen;
        let hours = |row: usize| screen.observations[row].intervention.hours().unwrap_or(0.0);
        let mut steps = BTreeMap::<Treatment, Vec<(usize, usize)>>::new();
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        let mut controls = BTreeMap::<String, Vec<usize>>::new();
        let mut first_frames = BTreeMap::new();
        for track in &lapse.tracks {
            first_frames.extend(track.later().iter().map(|&later| (later, track.first())));
            if split.part(track.first()) != Part::Train {
                continue;
            }
            controls.entry(screen.observations[track.first()].plate.clone()).or_default().push(track.first());
            for (position, &later) in track.rows.iter().enumerate().skip(1) {
                let own = screen.observations[later].treatment();
                for &earlier in &track.rows[..position] {
                    let apart = own.intervention.clone().lasting(hours(later) - hours(earlier));
                    let step = Treatment { intervention: apart, context: own.context.clone() };
                    steps.entry(step).or_default().push((earlier, later));
                }
                rows.entry(own).or_default().push(later);
            }
        }
        if steps.is_empty() {
            let treatments = screen.treatments().len();
            return Err(PairError::NothingToTrain { held_out: treatments, treatments });
        }
        let (treatments, frame_steps): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        // Of a length that no frame has from the start on, the later rows of its steps.
        let rows = treatments
            .iter()
            .zip(&frame_steps)
            .map(|(treatment, steps)| {
                rows.remove(treatment).unwrap_or_else(|| steps.iter().map(|&(_, later)| later).collect())
            })
            .collect();
        let transitions = frame_steps
            .iter()
            .enumerate()
            .flat_map(|(treatment, steps): (usize, &Vec<(usize, usize)>)| {
                steps.iter().map(move |&(earlier, target)| Transition {
                    start: Start::Frame(earlier),
                    target,
                    treatment,
                })
            })
            .collect();
        let anchors = treatments.iter().map(|treatment| anchor_in(screen.reference, treatment, &treatments)).collect();
        let lower_doses = treatments.iter().map(|treatment| anchor::lower_doses(treatment, &treatments)).collect();
        Ok(Self {
            reference: screen.reference,
            treatments,
            rows,
            transitions,
            controls,
            bags: BTreeMap::new(),
            anchors,
            lower_doses,
            frame_steps,
            first_frames,
            rollouts: None,
        })
    }
}

impl Split {
    /// The split in which every object goes where its last frame goes.
    ///
    /// [`Split::new`] gives all untreated rows to training, and first frames are untreated.
    pub fn of_tracks(mut self, lapse: &TimeLapse) -> Self {
        for track in &lapse.tracks {
            let part = self.part(track.last());
            track.rows.iter().for_each(|&row| self.set(row, part));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::{PairConfig, Sampler, SplitBy, SplitConfig, Vocabulary};
    use super::*;
    use crate::screen::{FeatureMatrix, Intervention, Kind, Micromolar, Observation, Reference, Role, Screen, Track};

    /// Four doses, two objects each, three frames ten minutes apart; the one feature is 100 x dose index + 10 x object + frame.
    fn lapse() -> TimeLapse {
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
                    observations.push(Observation {
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
        let screen = Screen {
            name: "lapse".into(),
            reference: Reference::FirstFrame,
            observations,
            features: FeatureMatrix::new(vec!["x".into()], values),
            labels: vec![],
            dropped: vec![],
        };
        TimeLapse { screen, tracks }
    }

    fn split(lapse: &TimeLapse) -> Split {
        let config =
            SplitConfig { by: SplitBy::Condition, folds: 4, validation: 0.25, calibration: 0.0, ..Default::default() };
        Split::new(&lapse.screen, &config).unwrap().of_tracks(lapse)
    }

    #[test]
    fn a_condition_leaves_with_all_its_frames() {
        let lapse = lapse();
        let split = split(&lapse);
        for part in [Part::Test, Part::Validation] {
            assert_eq!(split.rows(part).len(), 6, "two objects of one dose, three frames each");
        }
        for track in &lapse.tracks {
            assert!(track.rows.iter().all(|&row| split.part(row) == split.part(track.first())));
        }
    }

    #[test]
    fn folds_do_not_all_choose_by_the_same_conditions() {
        let lapse = lapse();
        let validated: BTreeSet<Vec<usize>> = (0..4)
            .map(|fold| {
                let by = SplitBy::Condition;
                let config =
                    SplitConfig { by, folds: 4, fold, validation: 0.25, calibration: 0.0, ..Default::default() };
                Split::new(&lapse.screen, &config).unwrap().rows(Part::Validation)
            })
            .collect();
        assert!(validated.len() >= 3, "{validated:?}");
    }

    #[test]
    fn steps_stay_on_their_object_and_last_as_long_as_frames_are_apart() {
        let lapse = lapse();
        let split = split(&lapse);
        let pairs = PairSet::of_time_lapse(&lapse, &split).unwrap();
        assert_eq!(pairs.treatments.len(), 4, "two doses in training, for ten and for twenty minutes");
        assert_eq!(pairs.transitions.len(), 4 * 3, "four objects, three steps each");
        let vocabulary = Vocabulary::new(&pairs.treatments, BTreeMap::new());
        let config = PairConfig { batch: 8, ..PairConfig::default() };
        let sampler = Sampler::new(&lapse.screen, &pairs, &vocabulary, &config, false, 0.0);
        for seed in 0..20 {
            let batch = sampler.batch(&mut ChaCha8Rng::seed_from_u64(seed));
            for transition in 0..batch.interventions.len() {
                let at = |weights: &[f32]| -> f32 {
                    let row = &weights[transition * batch.n_units..(transition + 1) * batch.n_units];
                    row.iter().zip(&batch.units_uf).map(|(weight, value)| weight * value).sum()
                };
                let (start, target) = (at(&batch.start_bu), at(&batch.target_bu));
                assert_eq!((start / 10.0).floor(), (target / 10.0).floor(), "one object");
                let minutes = 24.0 * 60.0 * 2f32.powf(batch.interventions.duration[transition]);
                assert!((minutes - 10.0 * (target - start)).abs() < 0.01, "{start} -> {target} in {minutes} min");
                assert!(target > start);
            }
        }
    }
}
