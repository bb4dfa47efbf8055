//! Who is asked for profiles: the model, a simple method, both together, or the wells themselves.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::error::StudyError;
use crate::answer::{CombinedSimple, Prepared, SimpleMethods, TrainedRun};
use crate::baseline::{self, Rows};
use crate::config::Config;
use crate::pair::{Evidence, Measured};
use crate::predict::{Abstains, Method, Model, PredictError, Predictions, Predictor, Starts};
use crate::screen::{FeatureMatrix, Perturbation, Screen, Treatment};

/// A finished run, and the screen that it is asked about.
#[derive(Clone, Copy)]
pub(super) struct Answerer<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    pub(super) trained_run: &'a TrainedRun,
    /// The run's own screen, or another one: where cells start from, and what was measured.
    pub(super) screen: &'a Screen,
    pub(super) device: &'a Device,
}

/// On what simple methods are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// On the training part, as when they were judged: held-out treatments are predicted without their own wells.
    Judged,
    /// On everything that was measured, for use after they were judged.
    InUse,
}

impl Answerer<'_> {
    /// Lends whom `by` names to `ask`; `asked` are treatments that it will be asked of in any case.
    ///
    /// # Errors
    /// When the screen does not have the method, or what fitting or `ask` says.
    pub(super) fn with<T>(
        self,
        by: &Method,
        fit: Fit,
        asked: &Rows,
        ask: impl FnOnce(&dyn Predictor) -> Result<T, StudyError>,
    ) -> Result<T, StudyError> {
        let Self { config, prepared, trained_run, screen, device } = self;
        let trained = &trained_run.trained;
        let judged = SimpleMethods::of(config, prepared);
        let refitted;
        let methods = match fit {
            Fit::Judged => &judged,
            Fit::InUse => {
                refitted = judged.refitted();
                &refitted
            }
        };
        let starts = Starts::of(trained, screen, device);
        match by {
            Method::Measured => ask(&Wells(screen)),
            Method::Model => ask(&trained_run.model(&starts, device)),
            Method::Combined => {
                let own_starts = Starts::of(trained, &prepared.screen, device);
                let places = methods.places(asked.keys());
                let combination = judged.combination(&trained_run.model(&own_starts, device), &places)?;
                ask(&Together {
                    model: trained_run.model(&starts, device),
                    share: combination.share(&Method::Model),
                    simple: CombinedSimple::of(methods, &combination, asked)?,
                    training: methods.training(),
                })
            }
            by => match &methods.fit(by, asked)? {
                Some(fitted) => ask(fitted),
                None => Err(methods.unknown_ranker().into()),
            },
        }
    }
}

/// What was measured, as a prediction of itself.
struct Wells<'a>(&'a Screen);

impl Predictor for Wells<'_> {
    fn method(&self) -> Method {
        Method::Measured
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        let mut rows = self.0.treatments();
        let is_measured = |treatment: &&Treatment| rows.contains_key(treatment);
        let abstained = treatments.iter().filter(|treatment| !is_measured(treatment));
        let abstained = abstained.map(|treatment| (treatment.clone(), Abstains::NotMeasured)).collect();
        rows.retain(|treatment, _| treatments.contains(treatment));
        Ok(Predictions { abstained, ..baseline::measured(&self.0.features, &rows) })
    }
}

/// The combined simple methods, and the model with its weight.
struct Together<'a> {
    model: Model<'a>,
    /// The model's weight, where a treatment's own wells are not among those that simple methods are fitted on.
    share: f64,
    simple: CombinedSimple<'a>,
    training: &'a Rows,
}

impl Predictor for Together<'_> {
    fn method(&self) -> Method {
        Method::Combined
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        let (own, simple) = (self.model.predict(treatments)?, self.simple.predict(treatments)?);
        let is_described = |perturbation: &Perturbation| self.model.trained.vocabulary.can_place(perturbation);
        let measured = Measured::of(self.training.keys(), &is_described);
        let rows =
            |of: &Predictions| -> BTreeMap<Treatment, usize> { of.treatments.iter().cloned().zip(0..).collect() };
        let (own_rows, simple_rows) = (rows(&own), rows(&simple));
        let (mut known, mut values, mut abstained) = (Vec::new(), Vec::new(), Vec::new());
        for treatment in treatments {
            let by_model = own_rows.get(treatment).map(|&row| own.profiles.row(row));
            let by_simple = simple_rows.get(treatment).map(|&row| simple.profiles.row(row));
            let is_supported = measured.evidence(treatment) != Evidence::Nothing;
            // Of wells that are measured, the model has nothing to add.
            let share = if self.training.contains_key(treatment) { 0.0 } else { self.share as f32 };
            match (by_model, by_simple) {
                (Some(model), Some(simple)) if is_supported => {
                    values.extend(model.iter().zip(simple).map(|(m, s)| share * m + (1.0 - share) * s));
                }
                (Some(only), None) | (None, Some(only)) if is_supported => values.extend_from_slice(only),
                _ => {
                    let reasons = own.abstained.iter().chain(&simple.abstained);
                    let reason = reasons.clone().find(|(other, _)| other == treatment);
                    abstained.push((treatment.clone(), reason.map_or(Abstains::NoMethod, |(_, why)| why.clone())));
                    continue;
                }
            }
            known.push(treatment.clone());
        }
        let profiles = FeatureMatrix::new(simple.profiles.names().to_vec(), values);
        Ok(Predictions { method: Method::Combined, treatments: known, profiles, abstained })
    }
}
