//! Whether treatments lie next to treatments of the same mechanism: not-same-compound (and batch) accuracy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Distance, EvaluateError};
use crate::predict::Predictions;
use crate::screen::{Screen, Treatment, share_mechanism};

/// Which treatments may not be a treatment's neighbor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclude {
    /// Those of the same compound at any dose (NSC).
    SameCompound,
    /// Those of the same compound, and those that share a lab batch with the treatment (NSCB).
    SameCompoundOrBatch,
}

/// One treatment's vector with what the exclusions and the score need.
#[derive(Debug, Clone)]
pub struct MoaVector {
    /// The treatment.
    pub treatment: Treatment,
    /// The perturbations' names.
    pub compound: String,
    /// Mechanism of action; several are joined by `|`.
    pub moa: String,
    /// Lab batches of the treatment's wells.
    pub lab_batches: BTreeSet<String>,
    /// Its consensus profile or embedding.
    pub vector: Vec<f32>,
}

/// How often the nearest eligible neighbor has the same mechanism.
#[derive(Debug, Clone, PartialEq)]
pub struct MoaAccuracy {
    /// 1 or 0 for each treatment; the share of right ones among equally near neighbors; `None` for a dropped treatment.
    pub hits: Vec<Option<f64>>,
    /// Treatments that were asked: the denominator.
    pub n_eligible: usize,
    /// Treatments without an eligible neighbor of the same mechanism, who could not be right.
    pub n_dropped: usize,
}

impl MoaAccuracy {
    /// Share of eligible treatments whose nearest neighbor has the same mechanism; NaN when none is eligible.
    pub fn accuracy(&self) -> f64 {
        self.hits.iter().flatten().sum::<f64>() / self.n_eligible as f64
    }
}

/// The vectors of treatments with a mechanism, read from the screen's label `moa`.
///
/// A treatment's mechanism is the first that its rows name. Treatments without one, or without rows, are left out.
///
/// # Errors
/// When the screen has no label `moa`.
pub fn moa_vectors(
    screen: &Screen,
    rows: &BTreeMap<Treatment, Vec<usize>>,
    vectors: &Predictions,
) -> Result<Vec<MoaVector>, EvaluateError> {
    let label = screen
        .label("moa")
        .ok_or_else(|| EvaluateError::MissingLabel { screen: screen.name.clone(), label: "moa".into() })?;
    let known = vectors.treatments.iter().enumerate().filter_map(|(index, treatment)| {
        let rows = rows.get(treatment)?;
        let moa = rows.iter().find_map(|&row| label.values[row].clone())?;
        let lab_batches = rows.iter().filter_map(|&row| screen.unit(row).lab_batch.clone()).collect();
        let compound = treatment.intervention.perturbation_names();
        let (treatment, vector) = (treatment.clone(), vectors.profiles.row(index).to_vec());
        Some(MoaVector { treatment, compound, moa, lab_batches, vector })
    });
    Ok(known.collect())
}

/// One-nearest-neighbor accuracy by cosine among treatments, never against the same compound.
///
/// Of treatments with several mechanisms, one in common makes a neighbor right.
///
/// # Source
/// Ljosa et al. 2013, J Biomol Screen 18:1321 (not same compound); Ando et al. 2017 (not same compound or batch).
pub fn moa_accuracy(vectors: &[MoaVector], exclude: Exclude) -> MoaAccuracy {
    let hits = nearest_mechanisms(vectors, vectors, exclude);
    let n_eligible = hits.iter().flatten().count();
    MoaAccuracy { n_eligible, n_dropped: hits.len() - n_eligible, hits }
}

/// Whether the nearest eligible neighbor of each query among the candidates has its mechanism, as in [`MoaAccuracy::hits`].
pub fn nearest_mechanisms(queries: &[MoaVector], candidates: &[MoaVector], exclude: Exclude) -> Vec<Option<f64>> {
    queries
        .iter()
        .map(|own| {
            let eligible = candidates.iter().filter(|other| {
                let shares_batch = !own.lab_batches.is_disjoint(&other.lab_batches);
                other.compound != own.compound && !(exclude == Exclude::SameCompoundOrBatch && shares_batch)
            });
            let (mut n_nearest, mut n_right, mut is_possible) = (0usize, 0usize, false);
            let mut least = f64::INFINITY;
            for other in eligible {
                let is_right = share_mechanism(&other.moa, &own.moa);
                is_possible |= is_right;
                let distance = Distance::Cosine.between(&own.vector, &other.vector);
                if distance < least {
                    (least, n_nearest, n_right) = (distance, 0, 0);
                }
                if distance == least {
                    n_nearest += 1;
                    n_right += usize::from(is_right);
                }
            }
            is_possible.then(|| n_right as f64 / n_nearest.max(1) as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(compound: &str, moa: &str, batch: &str, vector: [f32; 2]) -> MoaVector {
        MoaVector {
            treatment: super::super::accuracy::fixture::compound(compound),
            compound: compound.into(),
            moa: moa.into(),
            lab_batches: BTreeSet::from([batch.to_owned()]),
            vector: vector.to_vec(),
        }
    }

    /// a1, a2 (one compound) and b share a mechanism; c has the other, d one of its own. By hand:
    /// not same compound: a1 -> b (right), a2 -> c (wrong), b -> a1 (right), c and d dropped.
    /// not same batch either: b's only allowed neighbors are a2 and d: a2 is nearer.
    #[test]
    fn five_treatments_by_hand() {
        let vectors = [
            vector("a", "one", "1", [1.0, 0.0]),
            vector("a", "one", "2", [1.0, 1.0]),
            vector("b", "one", "1", [1.0, 0.1]),
            vector("c", "two", "1", [1.0, 1.1]),
            vector("d", "three", "2", [-1.0, 1.0]),
        ];
        let nsc = moa_accuracy(&vectors, Exclude::SameCompound);
        assert_eq!(nsc.hits, [Some(1.0), Some(0.0), Some(1.0), None, None]);
        assert_eq!((nsc.n_eligible, nsc.n_dropped), (3, 2));
        assert!((nsc.accuracy() - 2.0 / 3.0).abs() < 1e-15);
        let nscb = moa_accuracy(&vectors, Exclude::SameCompoundOrBatch);
        // a1 may only see d, which is no partner: dropped. a2 sees b and c, c being nearer. b sees a2 and d.
        assert_eq!(nscb.hits, [None, Some(0.0), Some(1.0), None, None]);
    }

    #[test]
    fn one_mechanism_in_common_is_enough() {
        let vectors = [
            vector("a", "one|two", "1", [1.0, 0.0]),
            vector("b", "two", "1", [1.0, 0.1]),
            vector("c", "three|one", "1", [1.0, 0.3]),
        ];
        // a -> b (two), b -> a (two), c -> b, which has none of its mechanisms, while a has.
        assert_eq!(moa_accuracy(&vectors, Exclude::SameCompound).hits, [Some(1.0), Some(1.0), Some(0.0)]);
    }

    #[test]
    fn equally_near_neighbors_share_the_score() {
        let vectors = [
            vector("a", "one", "1", [1.0, 0.0]),
            vector("b", "one", "1", [2.0, 0.0]),
            vector("c", "two", "1", [2.0, 0.0]),
        ];
        assert_eq!(moa_accuracy(&vectors, Exclude::SameCompound).hits, [Some(0.5), Some(0.5), None]);
    }
}
