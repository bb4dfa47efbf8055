//! Interventions to vectors: a sum over the set's members, each passing through learned dose responses.
//!
//! A member contributes `Σ_j r_j(dose) v_j`, where every response `r_j` is a logistic curve of log10 dose with a learned
//! midpoint and slope. Both are a shared value plus a per-perturbation deviation that weight decay pulls to zero, so that
//! an unseen dose interpolates and a perturbation with few doses borrows the shape of the others.
//! At dose zero every response is zero, and the empty set encodes to exactly zero: "untreated".
//!
//! Where training holds sets of several perturbations, every two members of a set add the product of their projected
//! contributions, so that one can open or close the way for the other: a corrector without its agonist does nothing,
//! which no sum of the two can say. The products of all pairs come from sums alone, ((Σ p)² − Σ p²) / 2, and a single
//! perturbation has none.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

use super::layer::Init;
use crate::pair::{DoseCenters, InterventionRows, InterventionSizes};

/// Settings of the intervention encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InterventionConfig {
    /// Width of the encoding.
    pub width: usize,
    /// Dose responses of each perturbation.
    pub curves: usize,
    /// How often training hides a perturbation's identity, where descriptors or an anchor can stand in for it.
    pub identity_dropout: f32,
}

impl Default for InterventionConfig {
    fn default() -> Self {
        Self { width: 64, curves: 2, identity_dropout: 0.2 }
    }
}

/// Encodes interventions; see the module's doc.
#[derive(Module, Debug)]
pub struct InterventionEncoder {
    vectors: Param<Tensor<2>>,
    midpoint_start: Param<Tensor<2>>,
    midpoint_shared: Param<Tensor<2>>,
    midpoint_own: Param<Tensor<2>>,
    log_slope_shared: Param<Tensor<2>>,
    log_slope_own: Param<Tensor<2>>,
    kinds: Param<Tensor<2>>,
    duration: Param<Tensor<2>>,
    contexts: Param<Tensor<2>>,
    anchor: Param<Tensor<2>>,
    descriptors: Option<Linear>,
    interplay: Option<Linear>,
    mix_in: Linear,
    mix_out: Linear,
    #[module(skip)]
    curves: usize,
    #[module(skip)]
    width: usize,
}

impl InterventionEncoder {
    /// Kinds of perturbation that have a vector of their own.
    const KINDS: usize = 5;

    /// A fresh encoder.
    pub fn new(init: &mut Init, config: &InterventionConfig, sizes: InterventionSizes, centers: &DoseCenters) -> Self {
        let (curves, width) = (config.curves, config.width);
        let rows = sizes.perturbations + 1;
        // Midpoints start spread over the typical range around each perturbation's own doses.
        let spread = |curve: usize| centers.half_range * (2.0 * (curve as f32 + 0.5) / curves as f32 - 1.0);
        let start = centers.log_dose.iter().flat_map(|center| (0..curves).map(move |curve| center + spread(curve)));
        let slope = (2.0 / centers.half_range.max(0.25)).ln();
        Self {
            vectors: init.normal([rows, curves * width], 0.3),
            midpoint_start: init.buffer(start.collect(), [rows, curves]),
            midpoint_shared: init.zeros([1, curves]),
            midpoint_own: init.zeros([rows, curves]),
            log_slope_shared: init.parameter(vec![slope; curves], [1, curves]),
            log_slope_own: init.zeros([rows, curves]),
            kinds: init.normal([Self::KINDS, width], 0.1),
            duration: init.zeros([1, width]),
            contexts: init.zeros([sizes.contexts + 1, width]),
            anchor: init.normal([3, width], 0.3),
            descriptors: (sizes.descriptors > 0).then(|| init.linear(sizes.descriptors, curves * width, false)),
            interplay: (sizes.members > 1).then(|| init.linear(width, width, false)),
            mix_in: init.linear(width, 2 * width, false),
            mix_out: init.linear(2 * width, width, false),
            curves,
            width,
        }
    }

    /// # Shapes
    /// - returns: `[batch, intervention encoding]`
    pub fn forward(&self, rows: &InterventionRows, device: &Device) -> Tensor<2> {
        let (batch, members) = (rows.len(), rows.members);
        let n = batch * members;
        let column = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [n, 1]), device);
        let index = |values: &[i32]| {
            let n_values = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values.to_vec(), [n_values]), device)
        };
        let perturbation = index(&rows.perturbation);
        let response_nj = self.response(&perturbation, column(&rows.log_dose), column(&rows.dosed));
        let mut vectors = self.vectors.val().select(0, perturbation) * column(&rows.known);
        if let Some(descriptors) = &self.descriptors {
            let width = rows.descriptors.len() / n.max(1);
            let values = Tensor::<2>::from_data(TensorData::new(rows.descriptors.clone(), [n, width]), device);
            vectors = vectors + descriptors.forward(values);
        }
        let vectors_nja: Tensor<3> = vectors.reshape([n, self.curves, self.width]);
        let members_na: Tensor<2> =
            (vectors_nja * response_nj.clone().reshape([n, self.curves, 1])).sum_dim(1).reshape([n, self.width]);
        let kinds_na = self.kinds.val().select(0, index(&rows.kind)) * response_nj.mean_dim(1);
        let members_na = (members_na + kinds_na) * column(&rows.present);
        let sum_of_members = |values_na: Tensor<2>| -> Tensor<2> {
            values_na.reshape([batch, members, self.width]).sum_dim(1).reshape([batch, self.width])
        };
        let mut set_ba = sum_of_members(members_na.clone());
        if let Some(interplay) = &self.interplay {
            let projected_na = interplay.forward(members_na);
            let squares_ba = sum_of_members(projected_na.clone().square());
            set_ba = set_ba + (sum_of_members(projected_na).square() - squares_ba).div_scalar(2.0);
        }
        let duration_b1 = Tensor::<2>::from_data(TensorData::new(rows.duration.clone(), [batch, 1]), device);
        let set_ba = set_ba * (duration_b1 * self.duration.val()).tanh().add_scalar(1.0);
        let set_ba = set_ba.clone() + self.mix_out.forward(activation::silu(self.mix_in.forward(set_ba)));
        let anchor_b3 = Tensor::<2>::from_data(TensorData::new(rows.anchor.clone(), [batch, 3]), device);
        set_ba + self.contexts.val().select(0, index(&rows.context)) + anchor_b3.matmul(self.anchor.val())
    }

    /// How strongly each curve of each member responds, 0 to 1; `[member, curve]`.
    fn response(&self, perturbation: &Tensor<1, Int>, log_dose_n1: Tensor<2>, dosed_n1: Tensor<2>) -> Tensor<2> {
        let undosed_n1 = dosed_n1.clone().neg().add_scalar(1.0);
        let rows = |table: &Param<Tensor<2>>| table.val().select(0, perturbation.clone());
        let midpoint_nj = rows(&self.midpoint_start) + rows(&self.midpoint_own) + self.midpoint_shared.val();
        let slope_nj = (rows(&self.log_slope_own) + self.log_slope_shared.val()).clamp(-3.0, 3.0).exp();
        let response_nj = activation::sigmoid(slope_nj * (log_dose_n1 - midpoint_nj));
        response_nj * dosed_n1 + undosed_n1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    use super::super::{parameters, with_parameters};
    use super::*;
    use crate::pair::{Anchor, Vocabulary};
    use crate::screen::{Application, Intervention, Kind, Micromolar, Perturbation, Treatment};

    const NO_ANCHOR: &Anchor = &Anchor::NONE;

    fn member(name: &str, log_dose: f64) -> Application {
        let perturbation = Perturbation { name: name.into(), kind: Kind::Compound };
        Application { perturbation, dose: Micromolar::new(10f64.powf(log_dose)) }
    }

    fn treatment(members: &[(&str, f64)]) -> Treatment {
        let members = members.iter().map(|&(name, log_dose)| member(name, log_dose));
        Treatment { intervention: Intervention::of(members), context: "U2OS".into() }
    }

    fn vocabulary(descriptors: BTreeMap<String, Vec<f32>>) -> Vocabulary {
        let doses = [-1.0, 0.0, 1.0];
        let known = ["colchicine", "taxol"].into_iter().flat_map(|name| doses.map(|dose| treatment(&[(name, dose)])));
        Vocabulary::new(&known.collect::<Vec<_>>(), descriptors)
    }

    fn fresh(vocabulary: &Vocabulary) -> InterventionEncoder {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(1), Device::flex());
        let config = InterventionConfig { width: 6, curves: 3, ..InterventionConfig::default() };
        let mut init = Init { rng: &mut rng, device: &device };
        InterventionEncoder::new(&mut init, &config, vocabulary.sizes(), vocabulary.dose_centers())
    }

    /// The encoder with every parameter moved at random, as training would.
    fn shaken(vocabulary: &Vocabulary) -> InterventionEncoder {
        let encoder = fresh(vocabulary);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut arrays = parameters(&encoder);
        for value in arrays.values_mut().flat_map(|array| &mut array.values) {
            *value += 0.3 * rng.sample::<f32, _>(StandardNormal);
        }
        with_parameters(encoder, &arrays).unwrap()
    }

    fn encode_rows(encoder: &InterventionEncoder, rows: &InterventionRows) -> Vec<Vec<f32>> {
        let encoded = encoder.forward(rows, &Device::flex());
        let width = encoded.dims()[1];
        let values: Vec<f32> = encoded.into_data().try_to_vec().unwrap();
        values.chunks_exact(width).map(<[f32]>::to_vec).collect()
    }

    fn encode(encoder: &InterventionEncoder, vocabulary: &Vocabulary, treatments: &[Treatment]) -> Vec<Vec<f32>> {
        encode_rows(encoder, &vocabulary.rows(treatments.iter().map(|treatment| (treatment, NO_ANCHOR))))
    }

    fn distance(one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn the_empty_set_adds_nothing_to_its_context() {
        let vocabulary = vocabulary(BTreeMap::new());
        let nothing = encode(&fresh(&vocabulary), &vocabulary, &[treatment(&[]), treatment(&[("taxol", 0.0)])]);
        assert_eq!(nothing[0], [0.0; 6]);
        assert_ne!(nothing[1], [0.0; 6]);
        let encoder = shaken(&vocabulary);
        let mut untreated = treatment(&[]);
        for hours in [None, Some(48.0)] {
            untreated.intervention =
                hours.map_or_else(Intervention::untreated, |hours| Intervention::untreated().lasting(hours));
            let found =
                encode(&encoder, &vocabulary, &[untreated.clone(), treatment(&[("taxol", 0.0), ("colchicine", 0.0)])]);
            assert_eq!(found[0], parameters(&encoder)["contexts"].values[..6]);
        }
    }

    #[test]
    fn the_order_of_members_and_the_company_in_a_batch_do_not_matter() {
        let vocabulary = vocabulary(BTreeMap::new());
        let encoder = shaken(&vocabulary);
        let pair = treatment(&[("taxol", 0.5), ("colchicine", -1.0)]);
        let mut rows = vocabulary.rows([(&pair, NO_ANCHOR)]);
        let expected = encode_rows(&encoder, &rows);
        rows.perturbation.swap(0, 1);
        rows.kind.swap(0, 1);
        rows.log_dose.swap(0, 1);
        rows.dosed.swap(0, 1);
        assert!(distance(&encode_rows(&encoder, &rows)[0], &expected[0]) < 1e-6);
        let alone = encode(&encoder, &vocabulary, &[treatment(&[("taxol", 0.5)])]);
        let in_company = encode(&encoder, &vocabulary, &[pair, treatment(&[("taxol", 0.5)])]);
        assert!(distance(&alone[0], &in_company[1]) < 1e-6);
        assert!(distance(&alone[0], &in_company[0]) > 1e-2);
    }

    #[test]
    fn two_members_are_more_than_their_sum_where_training_holds_sets() {
        let known = [treatment(&[("taxol", 0.5)]), treatment(&[("taxol", 0.5), ("colchicine", -1.0)])];
        let vocabulary = Vocabulary::new(&known, BTreeMap::new());
        let mut encoder = shaken(&vocabulary);
        // Without the mixing behind it, what the encoder returns is the set itself.
        encoder.mix_out = Linear { weight: Param::from_tensor(encoder.mix_out.weight.val().zeros_like()), bias: None };
        let parts = [treatment(&[("colchicine", -1.0)]), known[0].clone(), known[1].clone(), treatment(&[])];
        let found = encode(&encoder, &vocabulary, &parts);
        let sum: Vec<f32> = (0..6).map(|index| found[0][index] + found[1][index] - found[3][index]).collect();
        assert!(distance(&found[2], &sum) > 1e-2, "{:?} is the sum", found[2]);
        let projected = |row: usize| -> Vec<f32> {
            let members: Vec<f32> = (0..6).map(|index| found[row][index] - found[3][index]).collect();
            let row = Tensor::<2>::from_data(TensorData::new(members, [1, 6]), &Device::flex());
            encoder.interplay.as_ref().unwrap().forward(row).into_data().try_to_vec().unwrap()
        };
        let products: Vec<f32> = projected(0).iter().zip(projected(1)).map(|(one, other)| one * other).collect();
        let expected: Vec<f32> = sum.iter().zip(products).map(|(sum, product)| sum + product).collect();
        assert!(distance(&found[2], &expected) < 1e-5, "{:?} is not {expected:?}", found[2]);
    }

    #[test]
    fn a_vanishing_dose_is_untreated() {
        let vocabulary = vocabulary(BTreeMap::new());
        let encoder = fresh(&vocabulary);
        let doses: Vec<Treatment> = [0.0, -2.0, -4.0, -9.0].map(|log_dose| treatment(&[("taxol", log_dose)])).into();
        let lengths: Vec<f32> =
            encode(&encoder, &vocabulary, &doses).iter().map(|encoding| distance(encoding, &[0.0; 6])).collect();
        assert!(lengths.windows(2).all(|pair| pair[1] < pair[0]), "{lengths:?}");
        assert!(lengths[3] < 1e-5, "{lengths:?}");
    }

    #[test]
    fn an_unseen_dose_lies_between_its_neighbors() {
        let vocabulary = vocabulary(BTreeMap::new());
        let encoder = fresh(&vocabulary);
        let ladder: Vec<Treatment> = (0..=200).map(|step| treatment(&[("taxol", f64::from(step) / 200.0)])).collect();
        let path = encode(&encoder, &vocabulary, &ladder);
        let whole = distance(&path[0], &path[200]);
        let steps: Vec<f32> = path.windows(2).map(|pair| distance(&pair[0], &pair[1])).collect();
        assert!(whole > 0.05, "the doses differ: {whole}");
        assert!(steps.iter().all(|&step| step < 5.0 * whole / 200.0), "no jump");
        let (below, above) = (distance(&path[100], &path[0]), distance(&path[100], &path[200]));
        assert!(below < whole && above < whole && below + above < 1.3 * whole, "{below} + {above} against {whole}");
        let beyond = encode(&encoder, &vocabulary, &[treatment(&[("taxol", 8.0)]), treatment(&[("taxol", 9.0)])]);
        assert!(distance(&beyond[0], &beyond[1]) < 1e-4, "responses saturate");
    }

    #[test]
    fn descriptors_give_unseen_perturbations_a_place() {
        let unseen = [treatment(&[("vinblastine", 0.0)]), treatment(&[("nocodazole", 0.0)])];
        let plain = vocabulary(BTreeMap::new());
        let found = encode(&shaken(&plain), &plain, &unseen);
        assert_eq!(found[0], found[1], "nothing tells them apart");
        let values = [("vinblastine", vec![1.0, 0.0]), ("nocodazole", vec![0.0, 1.0]), ("taxol", vec![1.0, 1.0])];
        let described = vocabulary(values.into_iter().map(|(name, values)| (name.to_owned(), values)).collect());
        let found = encode(&shaken(&described), &described, &unseen);
        assert!(distance(&found[0], &found[1]) > 1e-2);
    }
}
