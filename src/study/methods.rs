//! What every method predicts for held-out treatments: the model, the baselines and their blend.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Prepared, StudyError};
use crate::baseline;
use crate::config::Config;
use crate::pair::{Part, SplitBy};
use crate::plan::PlanError;
use crate::predict::{Decoder, ModelPredictions, Predictions, Ridge, Starts, predict};
use crate::screen::{Screen, Treatment};
use crate::train::TrainedModel;

/// Predictions of all methods for the same targets.
#[derive(Debug)]
pub struct Methods {
    /// The ensemble's own.
    pub model: ModelPredictions,
    /// The simple methods.
    pub baselines: Vec<Predictions>,
    /// The model blended with the simple method that did best on validation.
    pub blend: Predictions,
    /// The model's weight in the blend.
    pub blend_weight: f64,
    /// The simple method in the blend.
    pub blended_with: String,
}

/// Rows by treatment.
type Rows = BTreeMap<Treatment, Vec<usize>>;

/// Predictions for `targets` by every method; weights and settings come from training and validation treatments only.
///
/// # Errors
/// What predicting or a baseline says.
pub fn methods(
    config: &Config,
    prepared: &Prepared,
    trained: &TrainedModel,
    decoder: &Decoder,
    targets: &Rows,
    device: &Device,
) -> Result<Methods, StudyError> {
    let training = prepared.treatments(Part::Train);
    let validation = prepared.treatments(Part::Validation);
    let starts = Starts::of(trained, &prepared.screen, device);
    let names = |rows: &Rows| rows.keys().cloned().collect::<Vec<_>>();
    let model = predict(trained, decoder, &starts, &names(targets), device)?;
    let baselines = baselines(config, prepared, &training, targets)?;
    let checked = predict(trained, decoder, &starts, &names(&validation), device)?;
    let simple_checked = self::baselines(config, prepared, &training, &validation)?;
    let truth = baseline::measured(&prepared.screen, &validation);
    let (partner, weight) = choose_blend(&checked.profiles, &simple_checked, &truth, config.split.by)?;
    let simple = baselines.iter().find(|predictions| predictions.method == partner);
    let mut blend = match simple {
        Some(simple) => baseline::blend(&model.profiles, simple, weight)?,
        None => model.profiles.clone(),
    };
    blend.method = "blend".into();
    Ok(Methods { model, baselines, blend, blend_weight: weight, blended_with: partner })
}

/// Weight of the model in a blend before any validation treatment has spoken; chosen on validation doses of BBBC021.
const PRIOR_WEIGHT: f64 = 0.3;

/// How many validation treatments the prior weight counts for: a handful of them cannot tell 0.1 from 0.4.
const PRIOR_TREATMENTS: f64 = 4.0;

/// Methods that look at the target's own wells or layout; they are shown, but the tool never predicts with them.
const LOOKS_AT_TARGET: [&str; 3] = ["cell_count_only", "batch_only", "well_position"];

/// The simple method that blends best with the model on the validation treatments, and the model's weight.
///
/// The blend is judged, not the partner alone: what is already denoised leaves the model less to add than raw interpolation.
fn choose_blend(
    model: &Predictions,
    candidates: &[Predictions],
    truth: &Predictions,
    by: SplitBy,
) -> Result<(String, f64), StudyError> {
    let n = truth.treatments.len() as f64;
    let mut best: Option<(f64, String, f64)> = None;
    for simple in candidates {
        let is_partial = 2 * simple.treatments.len() <= truth.treatments.len();
        if is_partial || LOOKS_AT_TARGET.contains(&simple.method.as_str()) {
            continue;
        }
        let fitted = baseline::fit_blend_weight(model, simple, truth)?;
        let weight = (n * fitted + PRIOR_TREATMENTS * PRIOR_WEIGHT) / (n + PRIOR_TREATMENTS);
        let error = squared_error(&baseline::blend(model, simple, weight)?, truth);
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, simple.method.clone(), weight));
        }
    }
    let fallback = if by == SplitBy::Dose { "interpolation" } else { "mean_shift" };
    Ok(best.map_or_else(|| (fallback.to_owned(), PRIOR_WEIGHT), |(_, method, weight)| (method, weight)))
}

/// Mean squared difference of predicted and measured profiles over the treatments of both.
fn squared_error(predictions: &Predictions, truth: &Predictions) -> f64 {
    let rows: BTreeMap<&Treatment, usize> = truth.treatments.iter().enumerate().map(|(row, t)| (t, row)).collect();
    let errors = predictions.treatments.iter().enumerate().filter_map(|(row, treatment)| {
        let measured = truth.profiles.row(*rows.get(treatment)?);
        Some(measured.iter().zip(predictions.profiles.row(row)).map(|(m, p)| f64::from(m - p).powi(2)).sum::<f64>())
    });
    errors.sum::<f64>() / predictions.treatments.len() as f64
}

/// What `rank.by` may be beside `from:CONTEXT`, whether it applies to the screen at hand or not.
const RANKERS: [&str; 14] = [
    "model",
    "blend",
    "no_change",
    "mean_shift",
    "nearest_dose",
    "interpolation",
    "pca_interpolation",
    "additive",
    "ridge",
    "other_context",
    "well_position",
    "batch_only",
    "cell_count_only",
    "knn",
];

/// Refuses a name that no screen has a method for, so that it does not surface after training.
///
/// # Errors
/// [`PlanError::By`].
pub(super) fn refuse_unknown(by: &str) -> Result<(), StudyError> {
    if RANKERS.contains(&by) || by.starts_with("from:") {
        return Ok(());
    }
    Err(PlanError::By { by: by.to_owned(), known: RANKERS.join(", ") }.into())
}

/// Every simple method that applies to the screen.
fn baselines(
    config: &Config,
    prepared: &Prepared,
    training: &Rows,
    targets: &Rows,
) -> Result<Vec<Predictions>, StudyError> {
    let screen = &prepared.screen;
    let names: Vec<Treatment> = targets.keys().cloned().collect();
    let mut all = vec![
        baseline::no_change(screen, &names),
        baseline::mean_shift(screen, training, &names),
        baseline::nearest_dose(screen, training, &names),
        baseline::interpolation(screen, training, &names),
    ];
    if let Some(settings) = baseline::choose_pca_interpolation(screen, training, &config.evaluate.pca)? {
        all.push(baseline::pca_interpolation(screen, training, &names, settings)?);
    }
    all.push(baseline::additive(screen, training, &names));
    all.push(ridge(screen, training, &names, &prepared.descriptors)?);
    all.push(baseline::other_context(screen, training, &names));
    let contexts: Vec<&str> = prepared.vocabulary.contexts().iter().map(String::as_str).collect();
    if (2..=6).contains(&contexts.len()) {
        all.extend(contexts.into_iter().map(|context| baseline::from_context(screen, training, &names, context)));
    }
    all.push(baseline::well_position(screen, training, &names, targets));
    all.push(baseline::batch_only(screen, training, &names, targets));
    all.push(baseline::cell_count_only(screen, training, &names, targets));
    if !prepared.descriptors.is_empty() {
        let similarity = baseline::Similarity::suited_to(&prepared.descriptors);
        all.push(baseline::knn(screen, training, &names, &prepared.descriptors, similarity, 5)?);
    }
    all.retain(|predictions| !predictions.treatments.is_empty());
    Ok(all)
}

/// Ridge regression of consensus profiles on intervention features, its penalty chosen by leave-one-out on training.
fn ridge(
    screen: &Screen,
    training: &Rows,
    targets: &[Treatment],
    descriptors: &BTreeMap<String, Vec<f32>>,
) -> Result<Predictions, StudyError> {
    let descriptors = (!descriptors.is_empty()).then_some(descriptors);
    let measured = baseline::measured(screen, training);
    let joint: Vec<Treatment> = measured.treatments.iter().chain(targets).cloned().collect();
    let features = baseline::intervention_features(&joint, descriptors)?;
    let n_training = measured.treatments.len();
    let x = features.select_rows(&(0..n_training).collect::<Vec<_>>());
    let ridge = Ridge::fit_gcv(&x, &measured.profiles, &[0.03, 0.1, 0.3, 1.0, 3.0, 10.0])?;
    let queries = features.select_rows(&(n_training..joint.len()).collect::<Vec<_>>());
    Ok(Predictions { method: "ridge".into(), treatments: targets.to_vec(), profiles: ridge.predict(&queries) })
}
