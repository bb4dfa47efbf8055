//! What similar perturbations did, for perturbations that were never measured.

use std::collections::BTreeMap;

use super::consensus::weighted_mean;
use super::dose::mix;
use super::features::descriptor_width;
use super::{BaselineError, Fitted, Profiles};
use crate::pair::{nearest_weights, series_of};
use crate::predict::{Abstains, Method};
use crate::screen::{Application, Intervention, Perturbation, Treatment};

/// How alike two descriptors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// Shared bits over bits set in either; for fingerprints. Two empty fingerprints share nothing.
    Tanimoto,
    /// Cosine of the angle, 0 when either is the zero vector.
    Cosine,
}

impl Similarity {
    /// Tanimoto when every descriptor value is 0 or 1, else cosine.
    pub fn suited_to(descriptors: &BTreeMap<String, Vec<f32>>) -> Self {
        let is_bits = descriptors.values().flatten().all(|&value| value == 0.0 || value == 1.0);
        if is_bits { Self::Tanimoto } else { Self::Cosine }
    }

    /// The similarity of two descriptors of one length, at most 1.
    pub fn between(self, one: &[f32], other: &[f32]) -> f64 {
        let dot = |left: &[f32], right: &[f32]| -> f64 {
            left.iter().zip(right).map(|(&left, &right)| f64::from(left) * f64::from(right)).sum()
        };
        let shared = dot(one, other);
        let scale = match self {
            Self::Tanimoto => dot(one, one) + dot(other, other) - shared,
            Self::Cosine => (dot(one, one) * dot(other, other)).sqrt(),
        };
        if scale > 0.0 { shared / scale } else { 0.0 }
    }
}

/// Mean of the `k` training perturbations of the most similar descriptors, weighted by similarity.
///
/// Each neighbor speaks through its nearest dose (on the log10 scale) in the target's context and duration. Negative
/// similarities weigh nothing; when all are zero, neighbors weigh equally. `descriptors` are keyed by perturbation name.
/// Abstains from sets, from perturbations without a descriptor, and where no neighbor was measured in the context.
/// A target whose perturbation is in training at another dose finds itself among its neighbors.
///
/// # Errors
/// When descriptors differ in length.
pub fn knn<'a>(
    profiles: &'a Profiles,
    descriptors: &'a BTreeMap<String, Vec<f32>>,
    similarity: Similarity,
    k: usize,
) -> Result<Fitted<'a>, BaselineError> {
    descriptor_width(descriptors)?;
    let neighbors = move |target: &Treatment| {
        let member = target.intervention.as_single()?;
        let own = descriptors.get(&member.perturbation.name)?;
        let mut singles = BTreeMap::<&Perturbation, Vec<&Treatment>>::new();
        for treatment in profiles.training.keys() {
            if let Some(single) = treatment.intervention.as_single() {
                singles.entry(&single.perturbation).or_default().push(treatment);
            }
        }
        let mut neighbors: Vec<(f64, Vec<f32>)> = singles
            .into_iter()
            .filter_map(|(perturbation, treatments)| {
                let alike = similarity.between(own, descriptors.get(&perturbation.name)?);
                let proxy = Application { perturbation: perturbation.clone(), dose: member.dose };
                let mut intervention = Intervention::of([proxy]);
                if let Some(hours) = target.intervention.hours() {
                    intervention = intervention.lasting(hours);
                }
                let proxy = Treatment { intervention, context: target.context.clone() };
                let series = series_of(&proxy, treatments.into_iter());
                Some((alike, mix(&nearest_weights(&proxy, &series), profiles)?))
            })
            .collect();
        neighbors.sort_by(|left, right| right.0.total_cmp(&left.0)); // stable: equal ones stay in the order of names
        neighbors.truncate(k);
        let is_any_alike = neighbors.iter().any(|(alike, _)| *alike > 0.0);
        let weighted: Vec<_> = neighbors
            .iter()
            .map(|(alike, profile)| (profile, if is_any_alike { alike.max(0.0) } else { 1.0 }))
            .collect();
        weighted_mean(&weighted)
    };
    Ok(profiles.fitted(Method::NearestNeighbors, move |target| neighbors(target).ok_or(Abstains::NoNeighbor)))
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn similarity_of_bits_and_of_vectors() {
        let bits =
            BTreeMap::from([("a".to_owned(), vec![1.0, 1.0, 0.0, 1.0]), ("b".to_owned(), vec![1.0, 0.0, 1.0, 1.0])]);
        assert_eq!(Similarity::suited_to(&bits), Similarity::Tanimoto);
        assert_eq!(Similarity::Tanimoto.between(&bits["a"], &bits["b"]), 0.5);
        assert_eq!(Similarity::Tanimoto.between(&[0.0], &[0.0]), 0.0);
        assert_eq!(Similarity::Cosine.between(&[3.0, 4.0], &[4.0, 3.0]), 24.0 / 25.0);
    }

    #[test]
    fn an_unseen_perturbation_follows_its_nearest_neighbors_at_their_nearest_dose() {
        let screen = screen(&[
            ("p", "A01", treatment(&[("a", 1.0)], ""), [9.0, 9.0]),
            ("p", "A02", treatment(&[("a", 10.0)], ""), [1.0, 0.0]),
            ("p", "A03", treatment(&[("b", 10.0)], ""), [0.0, 1.0]),
            ("p", "A04", treatment(&[("c", 10.0)], ""), [5.0, 5.0]),
        ]);
        let fingerprint = |bits: [f32; 4]| bits.to_vec();
        let descriptors = BTreeMap::from([
            ("a".to_owned(), fingerprint([1.0, 1.0, 0.0, 0.0])),
            ("b".to_owned(), fingerprint([1.0, 0.0, 0.0, 0.0])),
            ("c".to_owned(), fingerprint([0.0, 0.0, 0.0, 1.0])),
            ("t".to_owned(), fingerprint([1.0, 1.0, 0.0, 0.0])),
        ]);
        let targets = [treatment(&[("t", 20.0)], ""), treatment(&[("unknown", 20.0)], "")];
        let profiles = Profiles::of(&screen, &screen.treatments());
        let found = knn(&profiles, &descriptors, Similarity::Tanimoto, 2).unwrap().ask(&targets);
        assert_eq!(found.treatments, targets[..1]);
        assert_eq!(found.abstained, [(targets[1].clone(), Abstains::NoNeighbor)]);
        let row = found.profiles.row(0);
        assert!((row[0] - 2.0 / 3.0).abs() < 1e-6 && (row[1] - 1.0 / 3.0).abs() < 1e-6, "{row:?}");
    }
}
