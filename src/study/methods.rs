//! What every method predicts for held-out treatments: the model, the baselines and their blend.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Prepared, StudyError};
use crate::baseline;
use crate::config::Config;
use crate::pair::{Part, SplitBy};
use crate::plan::PlanError;
use crate::predict::{Decoder, Method, MethodKind, ModelPredictions, Predictions, Ridge, Starts, predict};
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
    pub blended_with: Method,
}

/// A trained model as one method among others: where its cells start, and how its predictions are said.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The ensemble.
    pub trained: &'a TrainedModel,
    /// Latents to profiles.
    pub decoder: &'a Decoder,
    /// Where cells start.
    pub starts: &'a Starts,
    /// Where to compute.
    pub device: &'a Device,
}

impl Model<'_> {
    fn predict(&self, treatments: &[Treatment]) -> Result<ModelPredictions, StudyError> {
        Ok(predict(self.trained, self.decoder, self.starts, treatments, self.device)?)
    }
}

/// Rows by treatment.
type Rows = BTreeMap<Treatment, Vec<usize>>;

/// Predictions for `targets` by every method; weights and settings come from training and validation treatments only.
///
/// # Errors
/// What predicting or a baseline says.
pub fn methods(config: &Config, prepared: &Prepared, model: Model, targets: &Rows) -> Result<Methods, StudyError> {
    let training = prepared.treatments(Part::Train);
    let (partner, weight) = blend_rule(config, prepared, model)?;
    let model = model.predict(&names(targets))?;
    let baselines = baselines(config, prepared, &training, targets, &|_| true)?;
    let simple = baselines.iter().find(|predictions| predictions.method == partner);
    let blend = match simple {
        Some(simple) => baseline::blend(&model.profiles, simple, weight)?,
        None => Predictions { method: Method::Blend, ..model.profiles.clone() },
    };
    Ok(Methods { model, baselines, blend, blend_weight: weight, blended_with: partner })
}

fn names(rows: &Rows) -> Vec<Treatment> {
    rows.keys().cloned().collect()
}

/// The simple method that the model is blended with, and the model's weight; from validation treatments.
///
/// # Errors
/// What predicting or a baseline says.
pub(super) fn blend_rule(config: &Config, prepared: &Prepared, model: Model) -> Result<(Method, f64), StudyError> {
    let validation = prepared.treatments(Part::Validation);
    let checked = model.predict(&names(&validation))?;
    let simple = baselines(config, prepared, &prepared.treatments(Part::Train), &validation, &|_| true)?;
    let truth = baseline::measured(&prepared.screen, &validation);
    choose_blend(&checked.profiles, &simple, &truth, config.split.by)
}

/// Predictions for `targets` by the simple method; `None` where the screen does not have it or it covers none of them.
///
/// # Errors
/// What the baseline says.
pub(super) fn one_baseline(
    config: &Config,
    prepared: &Prepared,
    method: &Method,
    targets: &Rows,
) -> Result<Option<Predictions>, StudyError> {
    let training = prepared.treatments(Part::Train);
    let found = baselines(config, prepared, &training, targets, &|candidate| candidate == method)?;
    Ok(found.into_iter().next())
}

/// Weight of the model in a blend before any validation treatment has spoken; chosen on validation doses of BBBC021.
const PRIOR_WEIGHT: f64 = 0.3;

/// How many validation treatments the prior weight counts for: a handful of them cannot tell 0.1 from 0.4.
const PRIOR_TREATMENTS: f64 = 4.0;

/// The model's weight in a blend, as fitted on `n` validation treatments and pulled toward the prior.
pub(super) fn toward_prior(fitted: f64, n: f64) -> f64 {
    (n * fitted + PRIOR_TREATMENTS * PRIOR_WEIGHT) / (n + PRIOR_TREATMENTS)
}

/// Contexts up to which each is looked up in by itself; of more, only their mean is, so that the table can be read.
const MOST_CONTEXTS: usize = 12;

/// The simple method that blends best with the model on the validation treatments, and the model's weight.
///
/// The blend is judged, not the partner alone: what is already denoised leaves the model less to add than raw interpolation.
pub(super) fn choose_blend(
    model: &Predictions,
    candidates: &[Predictions],
    truth: &Predictions,
    by: SplitBy,
) -> Result<(Method, f64), StudyError> {
    let n = truth.treatments.len() as f64;
    let mut best: Option<(f64, Method, f64)> = None;
    for simple in candidates {
        let is_partial = 2 * simple.treatments.len() <= truth.treatments.len();
        if is_partial || simple.method.kind() != MethodKind::Simple {
            continue;
        }
        let fitted = baseline::fit_blend_weight(model, simple, truth)?;
        let weight = toward_prior(fitted, n);
        let error = squared_error(&baseline::blend(model, simple, weight)?, truth);
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, simple.method.clone(), weight));
        }
    }
    let fallback = if by == SplitBy::Dose { Method::Interpolation } else { Method::MeanShift };
    Ok(best.map_or_else(|| (fallback, PRIOR_WEIGHT), |(_, method, weight)| (method, weight)))
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

/// What is said to somebody who asks for a ranking by a method that the screen at hand does not have.
pub(super) fn unknown_ranker(config: &Config, prepared: &Prepared) -> PlanError {
    let nothing = Rows::new();
    let simple = simple_methods(config, prepared, &nothing, &nothing, &[]).into_iter().map(|(method, _)| method);
    let known: Vec<String> = [Method::Model, Method::Blend].into_iter().chain(simple).map(|m| m.to_string()).collect();
    PlanError::By { by: config.rank.by.to_string(), known: known.join(", ") }
}

/// The simple methods that apply to the screen and are `wanted`; those that cover no target are left out.
fn baselines(
    config: &Config,
    prepared: &Prepared,
    training: &Rows,
    targets: &Rows,
    wanted: &dyn Fn(&Method) -> bool,
) -> Result<Vec<Predictions>, StudyError> {
    let names = names(targets);
    let methods = simple_methods(config, prepared, training, targets, &names).into_iter();
    let found = methods.filter(|(method, _)| wanted(method)).map(|(_, predictions)| predictions());
    let mut all: Vec<Predictions> = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    all.retain(|predictions| !predictions.treatments.is_empty());
    Ok(all)
}

/// A simple method, not yet computed; `None` where training does not let its settings be chosen.
type SimpleMethod<'a> = (Method, Box<dyn Fn() -> Result<Option<Predictions>, StudyError> + 'a>);

fn simple_methods<'a>(
    config: &'a Config,
    prepared: &'a Prepared,
    training: &'a Rows,
    targets: &'a Rows,
    names: &'a [Treatment],
) -> Vec<SimpleMethod<'a>> {
    fn plain<'a>(method: Method, predictions: impl Fn() -> Predictions + 'a) -> SimpleMethod<'a> {
        (method, Box::new(move || Ok(Some(predictions()))))
    }
    let screen = &prepared.screen;
    let mut all = vec![
        plain(Method::NoChange, move || baseline::no_change(screen, names)),
        plain(Method::MeanShift, move || baseline::mean_shift(screen, training, names)),
        plain(Method::NearestDose, move || baseline::nearest_dose(screen, training, names)),
        plain(Method::Interpolation, move || baseline::interpolation(screen, training, names)),
    ];
    let pca_interpolation = move || {
        let settings = baseline::choose_pca_interpolation(screen, training, &config.evaluate.pca)?;
        Ok(settings.map(|settings| baseline::pca_interpolation(screen, training, names, settings)).transpose()?)
    };
    all.push((Method::PcaInterpolation, Box::new(pca_interpolation)));
    all.push(plain(Method::Additive, move || baseline::additive(screen, training, names)));
    all.push((Method::Ridge, Box::new(move || ridge(screen, training, names, &prepared.descriptors).map(Some))));
    all.push(plain(Method::OtherContext, move || baseline::other_context(screen, training, names)));
    let contexts = prepared.vocabulary.contexts();
    if (2..=MOST_CONTEXTS).contains(&contexts.len()) {
        all.extend(contexts.iter().map(|context| {
            plain(Method::FromContext(context.clone()), move || {
                baseline::from_context(screen, training, names, context)
            })
        }));
    }
    all.push(plain(Method::WellPosition, move || baseline::well_position(screen, training, names, targets)));
    all.push(plain(Method::BatchOnly, move || baseline::batch_only(screen, training, names, targets)));
    all.push(plain(Method::CellCountOnly, move || baseline::cell_count_only(screen, training, names, targets)));
    if !prepared.descriptors.is_empty() {
        let knn = move || {
            let similarity = baseline::Similarity::suited_to(&prepared.descriptors);
            Ok(Some(baseline::knn(screen, training, names, &prepared.descriptors, similarity, 5)?))
        };
        all.push((Method::NearestNeighbors, Box::new(knn)));
    }
    all
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
    Ok(Predictions { method: Method::Ridge, treatments: targets.to_vec(), profiles: ridge.predict(&queries) })
}
