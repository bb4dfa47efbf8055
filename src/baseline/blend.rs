//! A learned prediction and a simple one, averaged: how much of each, and with whom.

use std::collections::BTreeMap;

use super::BaselineError;
use crate::predict::{Method, MethodKind, Predictions};
use crate::screen::FeatureMatrix;

/// With which simple method the model is blended, and the model's weight.
#[derive(Debug, Clone, PartialEq)]
pub struct BlendRule {
    /// The simple method.
    pub partner: Method,
    /// Weight of the model, 0 to 1.
    pub weight: f64,
}

/// Weight of the model in a blend before any validation treatment has spoken; chosen on validation doses of BBBC021.
const PRIOR_WEIGHT: f64 = 0.3;

/// How many validation treatments the prior weight counts for: a handful of them cannot tell 0.1 from 0.4.
const PRIOR_TREATMENTS: f64 = 4.0;

/// The model's weight in a blend, as fitted on `n` validation treatments and pulled toward the prior.
pub fn toward_prior(fitted: f64, n: f64) -> f64 {
    (n * fitted + PRIOR_TREATMENTS * PRIOR_WEIGHT) / (n + PRIOR_TREATMENTS)
}

impl BlendRule {
    /// The simple method that blends best with the model on the validation treatments, and the model's weight.
    ///
    /// The blend is judged, not the partner alone: what is already denoised leaves the model less to add than raw
    /// interpolation. Methods that look at the target's wells, and those that cover half of `truth` or less, take no part;
    /// where none is left, `fallback` is the partner.
    ///
    /// # Errors
    /// When the predictions do not have the same number of features.
    pub fn choose(
        model: &Predictions,
        candidates: &[Predictions],
        truth: &Predictions,
        fallback: Method,
    ) -> Result<Self, BaselineError> {
        let n = truth.treatments.len() as f64;
        let mut best: Option<(f64, Self)> = None;
        for simple in candidates {
            let is_partial = 2 * simple.treatments.len() <= truth.treatments.len();
            if is_partial || simple.method.kind() != MethodKind::Simple {
                continue;
            }
            let weight = toward_prior(fit_blend_weight(model, simple, truth)?, n);
            let error = squared_error(&blend(model, simple, weight)?, truth);
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, Self { partner: simple.method.clone(), weight }));
            }
        }
        Ok(best.map_or(Self { partner: fallback, weight: PRIOR_WEIGHT }, |(_, rule)| rule))
    }

    /// The blend of one number.
    pub fn mix(&self, model: f64, simple: f64) -> f64 {
        mix(self.weight, model, simple)
    }
}

fn mix(weight: f64, model: f64, simple: f64) -> f64 {
    weight * model + (1.0 - weight) * simple
}

/// Mean squared difference of predicted and measured profiles over the treatments of both.
fn squared_error(predictions: &Predictions, truth: &Predictions) -> f64 {
    let rows = rows_by_treatment(truth);
    let errors = predictions.treatments.iter().enumerate().filter_map(|(row, treatment)| {
        let measured = truth.profiles.row(*rows.get(treatment)?);
        Some(measured.iter().zip(predictions.profiles.row(row)).map(|(m, p)| f64::from(m - p).powi(2)).sum::<f64>())
    });
    errors.sum::<f64>() / predictions.treatments.len() as f64
}

/// `weight * model + (1 - weight) * simple`, for every treatment that the model predicts.
///
/// Where `simple` abstains the model stands alone. The method is called `blend`.
///
/// # Errors
/// When the two do not have the same number of features.
pub fn blend(model: &Predictions, simple: &Predictions, weight: f64) -> Result<Predictions, BaselineError> {
    expect_same_features(simple, model)?;
    let simple_rows = rows_by_treatment(simple);
    let mut values = Vec::with_capacity(model.profiles.values().len());
    for (row, treatment) in model.treatments.iter().enumerate() {
        let own = model.profiles.row(row);
        match simple_rows.get(treatment) {
            Some(&other) => values.extend(
                own.iter()
                    .zip(simple.profiles.row(other))
                    .map(|(&model, &simple)| mix(weight, f64::from(model), f64::from(simple)) as f32),
            ),
            None => values.extend_from_slice(own),
        }
    }
    let profiles = FeatureMatrix::new(model.profiles.names().to_vec(), values);
    let (treatments, abstained) = (model.treatments.clone(), model.abstained.clone());
    Ok(Predictions { method: Method::Blend, treatments, profiles, abstained })
}

/// The weight in [0, 1] with which [`blend`] comes nearest to `truth`, by least squares over shared treatments.
///
/// Fitted on validation treatments, never on those that are scored. With d = model − simple the optimum is
/// ⟨truth − simple, d⟩ / ⟨d, d⟩, then clipped. Returns 0 (the simple prediction alone) when no treatment is shared by
/// all three or the two predictions are equal: nothing then speaks for the model.
///
/// # Errors
/// When the three do not have the same number of features.
fn fit_blend_weight(model: &Predictions, simple: &Predictions, truth: &Predictions) -> Result<f64, BaselineError> {
    expect_same_features(simple, model)?;
    expect_same_features(truth, model)?;
    let (simple_rows, truth_rows) = (rows_by_treatment(simple), rows_by_treatment(truth));
    let shared = model
        .treatments
        .iter()
        .enumerate()
        .filter_map(|(row, treatment)| Some((row, *simple_rows.get(treatment)?, *truth_rows.get(treatment)?)));
    let pairs = shared.flat_map(|(row, simple_row, truth_row)| {
        let rows =
            model.profiles.row(row).iter().zip(simple.profiles.row(simple_row)).zip(truth.profiles.row(truth_row));
        rows.map(|((&model, &simple), &truth)| {
            (f64::from(model) - f64::from(simple), f64::from(truth) - f64::from(simple))
        })
    });
    Ok(share_of(pairs).unwrap_or(0.0))
}

/// The share in [0, 1] of the first of each pair that comes nearest to the second, by least squares; `None` where all of the
/// first are zero.
pub fn share_of(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (mut along, mut square) = (0.0f64, 0.0f64);
    for (part, whole) in pairs {
        along += whole * part;
        square += part * part;
    }
    (square > 0.0).then(|| (along / square).clamp(0.0, 1.0))
}

fn rows_by_treatment(predictions: &Predictions) -> BTreeMap<&crate::screen::Treatment, usize> {
    predictions.treatments.iter().enumerate().map(|(row, treatment)| (treatment, row)).collect()
}

fn expect_same_features(found: &Predictions, expected: &Predictions) -> Result<(), BaselineError> {
    let (n_found, n_expected) = (found.profiles.n_features(), expected.profiles.n_features());
    if n_found == n_expected {
        return Ok(());
    }
    Err(BaselineError::FeatureCount { method: found.method.clone(), found: n_found, expected: n_expected })
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    fn predictions(rows: &[(&str, [f32; 2])]) -> Predictions {
        Predictions {
            method: Method::Model,
            treatments: rows.iter().map(|(name, _)| treatment(&[(name, 1.0)], "")).collect(),
            profiles: FeatureMatrix::numbered("f", 2, rows.iter().flat_map(|row| row.1).collect()),
            abstained: Vec::new(),
        }
    }

    #[test]
    fn fits_the_weight_that_made_the_truth_and_clips_it() {
        let model = predictions(&[("a", [1.0, 0.0]), ("b", [2.0, 2.0])]);
        let simple = predictions(&[("a", [0.0, 4.0])]);
        let truth = blend(&model, &simple, 0.25).unwrap();
        assert_eq!(truth.profiles.values(), [0.25, 3.0, 2.0, 2.0]);
        assert!((fit_blend_weight(&model, &simple, &truth).unwrap() - 0.25).abs() < 1e-7);
        let beyond = predictions(&[("a", [2.0, -4.0])]);
        assert_eq!(fit_blend_weight(&model, &simple, &beyond).unwrap(), 1.0);
        assert_eq!(fit_blend_weight(&model, &model, &beyond).unwrap(), 0.0);
    }

    #[test]
    fn a_share_is_the_clipped_slope_through_the_origin() {
        assert_eq!(share_of([(2.0, 1.0), (4.0, 2.0)].into_iter()), Some(0.5));
        assert_eq!(share_of([(1.0, 0.0), (1.0, 0.5)].into_iter()), Some(0.25));
        assert_eq!(share_of([(1.0, 3.0)].into_iter()), Some(1.0));
        assert_eq!(share_of([(1.0, -3.0)].into_iter()), Some(0.0));
        assert_eq!(share_of([(0.0, 3.0)].into_iter()), None);
    }

    #[test]
    fn the_partner_is_the_one_whose_blend_is_nearest() {
        let of = |method: Method, rows: &[(&str, [f32; 2])]| Predictions { method, ..predictions(rows) };
        let truth = predictions(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0])]);
        let model = predictions(&[("a", [2.0, 0.0]), ("b", [0.0, 2.0])]);
        // Alone the first is nearer to the truth; but the second misses where the model does not.
        let near = of(Method::MeanShift, &[("a", [1.4, 0.0]), ("b", [0.0, 1.4])]);
        let opposite = of(Method::Interpolation, &[("a", [0.5, 0.0]), ("b", [0.0, 0.5])]);
        let cheats = of(Method::CellCountOnly, &[("a", [1.0, 0.0]), ("b", [0.0, 1.0])]);
        let partial = of(Method::Additive, &[("a", [1.0, 0.0])]);
        let candidates = [near, opposite, cheats, partial];
        let chosen = BlendRule::choose(&model, &candidates, &truth, Method::NoChange).unwrap();
        // Fitted 1/3, which two treatments pull the prior of four treatments to: (2/3 + 1.2) / 6.
        assert_eq!(chosen.partner, Method::Interpolation);
        assert!((chosen.weight - (2.0 / 3.0 + 1.2) / 6.0).abs() < 1e-9, "{chosen:?}");
        let nobody = BlendRule::choose(&model, &candidates[2..], &truth, Method::NoChange).unwrap();
        assert_eq!(nobody, BlendRule { partner: Method::NoChange, weight: 0.3 });
    }

    #[test]
    fn refuses_predictions_of_other_features() {
        let model = predictions(&[("a", [1.0, 0.0])]);
        let mut other = predictions(&[("a", [1.0, 0.0])]);
        other.profiles = FeatureMatrix::numbered("f", 1, vec![1.0]);
        let message = blend(&model, &other, 0.5).unwrap_err().to_string();
        assert_eq!(message, "predictions of `lewm` have 1 features, expected 2; predict both from one screen");
    }
}
