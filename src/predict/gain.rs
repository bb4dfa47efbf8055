//! How much of what a model learned is used, where it starts at what closed forms expect.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Decoder, Predictions};
use crate::screen::{FeatureMatrix, Features, Treatment};
use crate::train::TrainedModel;

/// Treatments from which a gain is fitted, at least.
const LEAST_TREATMENTS: usize = 5;

/// The factor on moves that leaves the least squared error, less its standard error, within 0 and 1.
///
/// `products` are, for each independent unit, the product of the predicted with the measured move and that with itself.
fn gain_of(products: &[[f64; 2]]) -> f32 {
    let square: f64 = products.iter().map(|[_, own]| own).sum();
    if products.len() < LEAST_TREATMENTS || square <= 0.0 {
        return 0.0;
    }
    let best = products.iter().map(|[along, _]| along).sum::<f64>() / square;
    let scatter: f64 = products.iter().map(|[along, own]| (along - best * own).powi(2)).sum();
    let n = products.len() as f64;
    let error = (scatter * n / (n - 1.0)).sqrt() / square;
    (best - error).clamp(0.0, 1.0) as f32
}

/// The gain of `trained` on what was `measured` of treatments that it was not trained on, in features, where predictions
/// are used: in latents a network can look good that leads away from what is measured.
///
/// `expected` says where treatments start; those that it does not hold are left out.
pub fn gain(
    trained: &TrainedModel,
    decoder: &Decoder,
    expected: &BTreeMap<Treatment, Vec<f32>>,
    measured: &Predictions,
    device: &Device,
) -> f32 {
    let known = measured.treatments.iter().enumerate();
    let known = known.filter_map(|(row, treatment)| Some((treatment, expected.get(treatment)?, row)));
    let known: Vec<(&Treatment, &Vec<f32>, usize)> = known.collect();
    let treatments: Vec<&Treatment> = known.iter().map(|(treatment, ..)| *treatment).collect();
    let starts = known.iter().flat_map(|(_, start, _)| start.iter().copied()).collect();
    let starts = FeatureMatrix::new(trained.features.clone(), starts);
    let rows: Vec<usize> = (0..treatments.len()).collect();
    let from = trained.encode(&Features::from(starts.clone()), &rows, device);
    let reached = decoder.moved(&starts, &from, &trained.predict(&treatments, &from, device));
    let products = |(row, (_, start, truth)): (usize, &(&Treatment, &Vec<f32>, usize))| {
        let mut products = [0.0; 2];
        for ((truth, start), reached) in measured.profiles.row(*truth).iter().zip(*start).zip(reached.row(row)) {
            products[0] += f64::from(truth - start) * f64::from(reached - start);
            products[1] += f64::from(reached - start).powi(2);
        }
        products
    };
    gain_of(&known.iter().enumerate().map(products).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::gain_of;

    #[test]
    fn a_gain_is_the_least_squares_factor_less_its_standard_error() {
        // Every unit moved half as far as was predicted.
        assert_eq!(gain_of(&[[0.5, 1.0]; 6]), 0.5);
        // Factors of 0.2 and 0.8 in turn: mean 0.5, standard error sqrt(6 * 0.09 * 6 / 5) / 6.
        let products: Vec<[f64; 2]> = (0..6).map(|unit| [if unit % 2 == 0 { 0.2 } else { 0.8 }, 1.0]).collect();
        let expected = 0.5 - (6.0 * 0.09 * 6.0 / 5.0f64).sqrt() / 6.0;
        assert!((f64::from(gain_of(&products)) - expected).abs() < 1e-6);
    }

    #[test]
    fn what_leads_the_wrong_way_or_is_seen_too_rarely_gains_nothing() {
        assert_eq!(gain_of(&[[-0.5, 1.0]; 6]), 0.0);
        assert_eq!(gain_of(&[[0.9, 1.0]; 4]), 0.0);
        assert_eq!(gain_of(&[]), 0.0);
        assert_eq!(gain_of(&[[0.0, 0.0]; 9]), 0.0);
        assert_eq!(gain_of(&[[3.0, 1.0]; 9]), 1.0);
    }
}
