//! How near predicted profiles are to measured ones, treatment by treatment.

use std::collections::BTreeMap;

use super::{EvaluateError, pearson};
use crate::baseline::{self, Profiles};
use crate::predict::Predictions;
use crate::screen::{Screen, Treatment};

/// The profiles that effects are measured from, by context.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Mean negative control, `[feature]`; the zero vector for relative values.
    pub control: BTreeMap<String, Vec<f32>>,
    /// Mean of the training treatments' consensus, `[feature]`.
    pub mean_shift: BTreeMap<String, Vec<f32>>,
}

impl Origins {
    /// The origins of a normalized screen.
    pub fn of(screen: &Screen, training: &BTreeMap<Treatment, Vec<usize>>) -> Self {
        Self { control: baseline::control_states(screen), mean_shift: Profiles::of(screen, training).mean_shifts() }
    }
}

/// How near one predicted profile is to the measured one.
///
/// `None` where a value is undefined: a constant profile has no correlation, a context without that origin no delta.
#[derive(Debug, Clone, PartialEq)]
pub struct TreatmentAccuracy {
    /// What was predicted.
    pub treatment: Treatment,
    /// Mean over features of the squared difference, on the scale of the normalized screen.
    pub mse: f64,
    /// Pearson correlation over features of the profiles as they are.
    pub pearson: Option<f64>,
    /// Pearson correlation of the differences from the control state.
    pub pearson_delta: Option<f64>,
    /// Pearson correlation of the differences from the mean shift, so that what all treatments share cancels (Systema).
    pub pearson_delta_shift: Option<f64>,
    /// Cosine of the angle between predicted and measured difference from the control state: the direction of the effect.
    pub cosine_delta: Option<f64>,
    /// Slope of the predicted difference from the control state on the measured one, through the origin: the amplitude of the
    /// effect; 1 is right, 0 no effect at all.
    pub amplitude: Option<f64>,
    /// 1 − mse / mse of the control state: 0 is no better than "no change", 1 is perfect.
    pub r2_no_change: Option<f64>,
    /// 1 − mse / mse of the mean shift.
    pub r2_mean_shift: Option<f64>,
}

/// The accuracy of each treatment that is both in `truth` and in `predicted`, in the order of `truth`.
///
/// # Errors
/// When the two do not have the same number of features.
///
/// # Source
/// Pearson delta as in cell-eval 0.8; its mean-centered variant is that of Systema (Viñas Torné et al.).
pub fn accuracy(
    truth: &Predictions,
    predicted: &Predictions,
    origins: &Origins,
) -> Result<Vec<TreatmentAccuracy>, EvaluateError> {
    let n_features = truth.profiles.n_features();
    expect_features(predicted, n_features)?;
    let rows: BTreeMap<&Treatment, usize> =
        predicted.treatments.iter().enumerate().map(|(row, treatment)| (treatment, row)).collect();
    let shared = truth.treatments.iter().enumerate().filter_map(|(row, treatment)| Some((row, *rows.get(treatment)?)));
    Ok(shared
        .map(|(truth_row, predicted_row)| {
            let treatment = &truth.treatments[truth_row];
            let measured = truth.profiles.row(truth_row);
            let predicted = predicted.profiles.row(predicted_row);
            let control = origins.control.get(&treatment.context).map(Vec::as_slice);
            let shift = origins.mean_shift.get(&treatment.context).map(Vec::as_slice);
            let delta = |origin: &[f32]| pearson(&difference(predicted, origin), &difference(measured, origin));
            let mse = mean_squared_error(measured, predicted);
            let r2 = |origin: &[f32]| {
                let reference = mean_squared_error(measured, origin);
                (reference > 0.0).then(|| 1.0 - mse / reference)
            };
            let effects = control.map(|origin| (difference(predicted, origin), difference(measured, origin)));
            TreatmentAccuracy {
                treatment: treatment.clone(),
                mse,
                pearson: delta(&vec![0.0; n_features]),
                pearson_delta: control.and_then(delta),
                pearson_delta_shift: shift.and_then(delta),
                cosine_delta: effects.as_ref().and_then(|(predicted, measured)| {
                    let scale = (dot(predicted, predicted) * dot(measured, measured)).sqrt();
                    (scale > 0.0).then(|| dot(predicted, measured) / scale)
                }),
                amplitude: effects.as_ref().and_then(|(predicted, measured)| {
                    let square = dot(measured, measured);
                    (square > 0.0).then(|| dot(predicted, measured) / square)
                }),
                r2_no_change: control.and_then(r2),
                r2_mean_shift: shift.and_then(r2),
            }
        })
        .collect())
}

/// Fails unless the profiles have `expected` features.
pub(super) fn expect_features(predictions: &Predictions, expected: usize) -> Result<(), EvaluateError> {
    let found = predictions.profiles.n_features();
    if found == expected {
        return Ok(());
    }
    Err(EvaluateError::FeatureCount { method: predictions.method.clone(), found, expected })
}

/// Mean over features of the squared difference, summed in `f64`.
pub(super) fn mean_squared_error(one: &[f32], other: &[f32]) -> f64 {
    difference(one, other).iter().map(|difference| difference * difference).sum::<f64>() / one.len() as f64
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn difference(one: &[f32], other: &[f32]) -> Vec<f64> {
    one.iter().zip(other).map(|(&one, &other)| f64::from(one) - f64::from(other)).collect()
}

#[cfg(test)]
pub(super) mod fixture {
    //! Predictions written row by row, shared by the tests of this room.

    use super::*;
    use crate::predict::Method;
    use crate::screen::{FeatureMatrix, Intervention, Kind, Micromolar};

    /// One compound at 1 µM.
    pub fn compound(name: &str) -> Treatment {
        Treatment {
            intervention: Intervention::single(name, Kind::Compound, Micromolar::new(1.0)),
            context: String::new(),
        }
    }

    /// Profiles of compounds.
    pub fn predictions<const N: usize>(rows: &[(&str, [f32; N])]) -> Predictions {
        Predictions {
            method: Method::Model,
            treatments: rows.iter().map(|(name, _)| compound(name)).collect(),
            profiles: FeatureMatrix::numbered("f", N, rows.iter().flat_map(|row| row.1).collect()),
            abstained: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::*;
    use super::*;

    #[test]
    fn scores_one_treatment_by_hand() {
        let truth = predictions(&[("a", [1.0, 2.0, 4.0]), ("b", [1.0, 1.0, 1.0])]);
        let predicted = predictions(&[("a", [1.0, 3.0, 2.0])]);
        let origins = Origins {
            control: BTreeMap::from([(String::new(), vec![1.0, 1.0, 1.0])]),
            mean_shift: BTreeMap::from([(String::new(), vec![1.0, 2.0, 3.0])]),
        };
        let scored = accuracy(&truth, &predicted, &origins).unwrap();
        assert_eq!(scored.len(), 1);
        let found = &scored[0];
        assert!((found.mse - 5.0 / 3.0).abs() < 1e-12);
        // Deviations (-4, -1, 5)/3 and (-1, 1, 0): 3/3 over sqrt(42/9 * 2).
        let expected = 1.0 / (42.0f64 / 9.0 * 2.0).sqrt();
        assert!((found.pearson.unwrap() - expected).abs() < 1e-12);
        assert!((found.pearson_delta.unwrap() - expected).abs() < 1e-12);
        // From the shift: (0, 0, 1) and (0, 1, -1).
        assert!((found.pearson_delta_shift.unwrap() + 1.0 / (2.0f64 / 3.0 * 2.0).sqrt()).abs() < 1e-12);
        // Effects (0, 2, 1) and (0, 1, 3): 5 over sqrt(5 * 10), and over 10.
        assert!((found.cosine_delta.unwrap() - 5.0 / 50f64.sqrt()).abs() < 1e-12);
        assert!((found.amplitude.unwrap() - 0.5).abs() < 1e-12);
        assert!((found.r2_no_change.unwrap() - 0.5).abs() < 1e-12);
        assert!((found.r2_mean_shift.unwrap() + 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_constant_prediction_has_no_correlation() {
        let truth = predictions(&[("a", [1.0, 2.0, 4.0])]);
        let flat = predictions(&[("a", [1.0, 1.0, 1.0])]);
        let scored = accuracy(&truth, &flat, &Origins::default()).unwrap();
        assert_eq!((scored[0].pearson, scored[0].pearson_delta, scored[0].r2_no_change), (None, None, None));
    }

    #[test]
    fn refuses_profiles_of_other_features() {
        let error = accuracy(&predictions(&[("a", [1.0, 2.0])]), &predictions(&[("a", [1.0])]), &Origins::default());
        let message = error.unwrap_err().to_string();
        assert_eq!(message, "profiles of `lewm` have 1 features, expected 2; score profiles of one screen");
    }
}
