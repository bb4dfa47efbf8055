//! How well a treatment could be predicted at all, given the noise of its replicates.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;

use super::accuracy::mean_squared_error;
use crate::baseline;
use crate::predict::{Method, Predictions};
use crate::screen::{Features, Screen, Treatment};

/// What replicate noise leaves of one treatment's mean squared error.
///
/// A consensus of r replicates of noise variance σ² (mean over features) misses the true profile by σ²/r. The
/// variance is found by leaving out each replicate in turn: its mean squared difference from the mean of the others is
/// σ²(1 + 1/(r − 1)) in expectation, so the mean of these times (r − 1)/r is σ².
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicateCeiling {
    /// The treatment.
    pub treatment: Treatment,
    /// Replicate rows, at least two.
    pub n_replicates: usize,
    /// Mean over replicates of the error of the others' mean as a prediction of it, uncorrected.
    pub leave_one_out: f64,
    /// σ²/r: expected error of the true profile as a prediction of the consensus; no method can do better on average.
    pub perfect: f64,
    /// 2σ²/r: expected error of the consensus of another experiment of the same size. A method at or below this is as
    /// good as repeating the measurement.
    pub repeat: f64,
}

/// The ceiling of each treatment with at least two rows.
///
/// Only noise that differs between the replicates given is seen: replicates on one plate share its effects, and the
/// ceiling is then too optimistic.
pub fn replicate_ceiling(screen: &Screen, treatments: &BTreeMap<Treatment, Vec<usize>>) -> Vec<ReplicateCeiling> {
    let replicated = treatments.iter().filter(|(_, rows)| rows.len() >= 2);
    replicated
        .map(|(treatment, rows)| {
            let n = rows.len() as f64;
            let errors = rows.iter().map(|&own| {
                let others: Vec<usize> = rows.iter().copied().filter(|&row| row != own).collect();
                mean_squared_error(&screen.features.read_row(own), &screen.features.mean_of(&others))
            });
            let leave_one_out = errors.sum::<f64>() / n;
            let variance = leave_one_out * (n - 1.0) / n;
            ReplicateCeiling {
                treatment: treatment.clone(),
                n_replicates: rows.len(),
                leave_one_out,
                perfect: variance / n,
                repeat: 2.0 * variance / n,
            }
        })
        .collect()
}

/// Consensus profiles of two random halves of each treatment's rows: the one as `truth`, the other as a prediction of it.
///
/// Feeds any score with a replicate ceiling, such as retrieval. Each half holds half of the replicates, so the ceiling is
/// lower than that of full consensus profiles: a method above it may still have room. With an odd number the
/// truth gets the larger half. Treatments with fewer than two rows are absent. The second is of the method `replicate`.
pub fn split_halves(
    features: &Features,
    treatments: &BTreeMap<Treatment, Vec<usize>>,
    rng: &mut impl Rng,
) -> (Predictions, Predictions) {
    let (mut truth, mut other) = (BTreeMap::new(), BTreeMap::new());
    for (treatment, rows) in treatments.iter().filter(|(_, rows)| rows.len() >= 2) {
        let mut rows = rows.clone();
        rows.shuffle(rng);
        let second = rows.split_off(rows.len().div_ceil(2));
        truth.insert(treatment.clone(), rows);
        other.insert(treatment.clone(), second);
    }
    let other = Predictions { method: Method::Replicate, ..baseline::measured(features, &other) };
    (baseline::measured(features, &truth), other)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::accuracy::fixture::compound;
    use super::*;
    use crate::screen::{Design, FeatureMatrix, Role, Unit, Units};

    fn noisy(n_treatments: usize, n_replicates: usize, rng: &mut ChaCha8Rng) -> Screen {
        let mut observations = Vec::new();
        let mut values = Vec::new();
        for index in 0..n_treatments {
            let treatment = compound(&format!("c{index:03}"));
            for _ in 0..n_replicates {
                observations.push(Unit {
                    plate: "p".into(),
                    well: None,
                    role: Role::Treatment,
                    intervention: treatment.intervention.clone(),
                    context: String::new(),
                    lab_batch: None,
                    replicate: None,
                    cell_count: None,
                });
                // Variance 12 / 12 = 1 around a mean that is the treatment's number.
                values.extend((0..20).map(|_| index as f32 + (0..12).map(|_| rng.random::<f32>() - 0.5).sum::<f32>()));
            }
        }
        Screen {
            name: "noise".into(),
            design: Design::Relative,
            units: Units::of_rows(observations, &[]),
            features: FeatureMatrix::numbered("f", 20, values).into(),
            labels: vec![],
            dropped: vec![],
            origin: Default::default(),
        }
    }

    #[test]
    fn finds_the_error_of_the_true_profile_and_of_a_repeat() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for n_replicates in [2, 3, 5] {
            let screen = noisy(200, n_replicates, &mut rng);
            let ceilings = replicate_ceiling(&screen, &screen.treatments());
            let mean = |value: fn(&ReplicateCeiling) -> f64| ceilings.iter().map(value).sum::<f64>() / 200.0;
            let truth = baseline::measured(&screen.features, &screen.treatments());
            let actual =
                (0..200).map(|row| mean_squared_error(truth.profiles.row(row), &[row as f32; 20])).sum::<f64>() / 200.0;
            assert!((mean(|ceiling| ceiling.perfect) / actual - 1.0).abs() < 0.1, "{n_replicates}");
            let repeated = baseline::measured(&noisy(200, n_replicates, &mut rng).features, &screen.treatments());
            let actual = (0..200)
                .map(|row| mean_squared_error(truth.profiles.row(row), repeated.profiles.row(row)))
                .sum::<f64>()
                / 200.0;
            assert!((mean(|ceiling| ceiling.repeat) / actual - 1.0).abs() < 0.1, "{n_replicates}");
        }
    }

    #[test]
    fn halves_share_no_row() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let screen = noisy(1, 3, &mut rng);
        let (truth, other) = split_halves(&screen.features, &screen.treatments(), &mut rng);
        let sum: f32 = screen.features.in_memory().values().iter().step_by(20).sum();
        assert!((truth.profiles.row(0)[0] * 2.0 + other.profiles.row(0)[0] - sum).abs() < 1e-5);
        assert_eq!(other.method, Method::Replicate);
    }
}
