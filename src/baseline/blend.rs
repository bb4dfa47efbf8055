//! A learned prediction and a simple one, averaged.

use std::collections::BTreeMap;

use super::BaselineError;
use crate::predict::{Method, Predictions};
use crate::screen::FeatureMatrix;

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
                    .map(|(&model, &simple)| (weight * f64::from(model) + (1.0 - weight) * f64::from(simple)) as f32),
            ),
            None => values.extend_from_slice(own),
        }
    }
    let profiles = FeatureMatrix::new(model.profiles.names().to_vec(), values);
    Ok(Predictions { method: Method::Blend, treatments: model.treatments.clone(), profiles })
}

/// The weight in [0, 1] with which [`blend`] comes nearest to `truth`, by least squares over shared treatments.
///
/// Fitted on validation treatments, never on those that are scored. With d = model − simple the optimum is
/// ⟨truth − simple, d⟩ / ⟨d, d⟩, then clipped. Returns 0 (the simple prediction alone) when no treatment is shared by
/// all three or the two predictions are equal: nothing then speaks for the model.
///
/// # Errors
/// When the three do not have the same number of features.
pub fn fit_blend_weight(model: &Predictions, simple: &Predictions, truth: &Predictions) -> Result<f64, BaselineError> {
    expect_same_features(simple, model)?;
    expect_same_features(truth, model)?;
    let (simple_rows, truth_rows) = (rows_by_treatment(simple), rows_by_treatment(truth));
    let (mut along, mut square) = (0.0f64, 0.0f64);
    for (row, treatment) in model.treatments.iter().enumerate() {
        let (Some(&simple_row), Some(&truth_row)) = (simple_rows.get(treatment), truth_rows.get(treatment)) else {
            continue;
        };
        let rows =
            model.profiles.row(row).iter().zip(simple.profiles.row(simple_row)).zip(truth.profiles.row(truth_row));
        for ((&model, &simple), &truth) in rows {
            let difference = f64::from(model) - f64::from(simple);
            along += (f64::from(truth) - f64::from(simple)) * difference;
            square += difference * difference;
        }
    }
    Ok(if square > 0.0 { (along / square).clamp(0.0, 1.0) } else { 0.0 })
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
    fn refuses_predictions_of_other_features() {
        let model = predictions(&[("a", [1.0, 0.0])]);
        let mut other = predictions(&[("a", [1.0, 0.0])]);
        other.profiles = FeatureMatrix::numbered("f", 1, vec![1.0]);
        let message = blend(&model, &other, 0.5).unwrap_err().to_string();
        assert_eq!(message, "predictions of `lewm` have 1 features, expected 2; predict both from one screen");
    }
}
