//! Who is asked: the model, a simple method, all of them together, or the wells themselves; for profiles or for a ranking.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use burn::tensor::Device;

use super::error::StudyError;
use super::kind::Run;
use crate::answer::{Combination, CombinedSimple, SimpleMethods, TrainedRun, starts_at_expected};
use crate::baseline::{self, Rows};
use crate::pair::{Evidence, Measured};
use crate::plan::{ByCombined, ByMeasured, ByModel, ByProfiles, Ranker};
use crate::predict::{Abstains, Method, Model, PredictError, Predictions, Predictor, Starts};
use crate::screen::{FeatureMatrix, Perturbation, Screen, Treatment};

/// On what simple methods are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// On the training part, as when they were judged: held-out treatments are predicted without their own wells.
    Judged,
    /// On everything that was measured, for use after they were judged.
    InUse,
}

/// The method of `rank.by` of a finished run, asked about the run's own screen or another one.
pub(super) struct Answerer<'a> {
    by: &'a Method,
    trained_run: &'a TrainedRun,
    /// Where cells start from, and what was measured.
    screen: &'a Screen,
    starts: Starts<'static>,
    judged: SimpleMethods<'a>,
    /// Fitted when it is asked for.
    in_use: OnceCell<SimpleMethods<'a>>,
    combination: Combination,
    device: &'a Device,
}

impl<'a> Answerer<'a> {
    /// The method of `rank.by`; weights are fitted once, at the places of what will be asked as judged, and of what will be
    /// asked in use.
    ///
    /// # Errors
    /// What predicting or a fit says.
    pub(super) fn new(
        run: Run<'a>,
        other: Option<&'a Screen>,
        [asked_of_judged, asked_in_use]: [&[&Treatment]; 2],
    ) -> Result<Self, StudyError> {
        let Run { config, prepared, trained_run, device } = run;
        let TrainedRun { trained, combination: known, .. } = trained_run;
        let by = &config.rank.by;
        let screen = other.unwrap_or(&prepared.screen);
        let judged = SimpleMethods::of(config, prepared);
        let in_use = OnceCell::new();
        let places = || {
            let mut places = judged.places(asked_of_judged.iter().copied());
            if !asked_in_use.is_empty() {
                let used = in_use.get_or_init(|| judged.refitted());
                places.extend(used.places(asked_in_use.iter().copied()));
            }
            places
        };
        let combination = match by {
            Method::Combined => {
                // The model's weight is that which it earned on the run's own screen.
                let own_starts = Starts::of(trained, &prepared.screen, device);
                judged.combination(known, &trained_run.model(&own_starts, device), &places())?
            }
            Method::Model if starts_at_expected(config) => judged.closed_forms(known, &places())?,
            _ => Combination::default(),
        };
        let starts = Starts::of(trained, screen, device);
        Ok(Self { by, trained_run, screen, starts, judged, in_use, combination, device })
    }

    /// The simple methods as they are fitted.
    pub(super) fn simple(&self, fit: Fit) -> &SimpleMethods<'a> {
        match fit {
            Fit::Judged => &self.judged,
            Fit::InUse => self.in_use.get_or_init(|| self.judged.refitted()),
        }
    }

    /// Lends the method to `ask`, to predict profiles; `rows` are treatments that it will be asked of in any case.
    ///
    /// # Errors
    /// When the screen does not have the method, or what fitting or `ask` says.
    pub(super) fn predictor<T>(
        &self,
        fit: Fit,
        rows: &Rows,
        ask: impl FnOnce(&dyn Predictor) -> Result<T, StudyError>,
    ) -> Result<T, StudyError> {
        let model = self.trained_run.model(&self.starts, self.device);
        match self.by {
            Method::Measured => ask(&Wells(self.screen)),
            Method::Model => self.simple(fit).starting(&self.combination, rows, model, |model| ask(&model)),
            Method::Combined => {
                let methods = self.simple(fit);
                let simple = CombinedSimple::of(methods, &self.combination, rows)?;
                let model = Model { starts: &methods.starts_by(&self.starts, &simple), ..model };
                self.with_share(fit, |share| ask(&Together { model, share, simple: &simple }))
            }
            by => match &self.simple(fit).fit(by, rows)? {
                Some(fitted) => ask(fitted),
                None => Err(self.judged.unknown_ranker().into()),
            },
        }
    }

    /// Lends the method to `ask`, to say where treatments lead; `rows` are treatments that it will be asked of in any case.
    ///
    /// # Errors
    /// As [`Answerer::predictor`].
    pub(super) fn ranker<T>(
        &self,
        fit: Fit,
        rows: &Rows,
        ask: impl FnOnce(&dyn Ranker) -> Result<T, StudyError>,
    ) -> Result<T, StudyError> {
        let Self { screen, device, .. } = self;
        let trained = &self.trained_run.trained;
        match self.by {
            Method::Measured => ask(&ByMeasured { trained, screen, device }),
            Method::Model => {
                let model = self.trained_run.model(&self.starts, device);
                self.simple(fit).starting(&self.combination, rows, model, |model| {
                    ask(&ByModel { trained, starts: model.starts, device })
                })
            }
            Method::Combined => {
                let methods = self.simple(fit);
                let predictor = CombinedSimple::of(methods, &self.combination, rows)?;
                let model = ByModel { trained, starts: &methods.starts_by(&self.starts, &predictor), device };
                let simple = ByProfiles { trained, predictor: &predictor, device };
                self.with_share(fit, |share| ask(&ByCombined { model, simple, share }))
            }
            _ => self.predictor(fit, rows, |predictor| ask(&ByProfiles { trained, predictor, device })),
        }
    }

    /// Lends the model's weight by treatment; `None` of one that nothing which was measured speaks for.
    fn with_share<T>(&self, fit: Fit, ask: impl FnOnce(&dyn Fn(&Treatment) -> Option<f64>) -> T) -> T {
        let vocabulary = &self.trained_run.trained.vocabulary;
        let is_described = |perturbation: &Perturbation| vocabulary.can_place(perturbation);
        let measured = Measured::of(self.simple(fit).training().keys(), &is_described);
        let weight = self.combination.share(&Method::Model);
        ask(&|treatment| match measured.evidence(treatment) {
            Evidence::Nothing => None,
            // Of wells that are measured, the model has nothing to add.
            Evidence::MeasuredHere => Some(0.0),
            _ => Some(weight),
        })
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
    /// The model's weight; `None` of treatments that are abstained from.
    share: &'a dyn Fn(&Treatment) -> Option<f64>,
    simple: &'a CombinedSimple<'a>,
}

impl Predictor for Together<'_> {
    fn method(&self) -> Method {
        Method::Combined
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        let (own, simple) = (self.model.predict(treatments)?, self.simple.predict(treatments)?);
        let rows =
            |of: &Predictions| -> BTreeMap<Treatment, usize> { of.treatments.iter().cloned().zip(0..).collect() };
        let (own_rows, simple_rows) = (rows(&own), rows(&simple));
        let (mut known, mut values, mut abstained) = (Vec::new(), Vec::new(), Vec::new());
        for treatment in treatments {
            let by_model = own_rows.get(treatment).map(|&row| own.profiles.row(row));
            let by_simple = simple_rows.get(treatment).map(|&row| simple.profiles.row(row));
            match (by_model, by_simple, (self.share)(treatment)) {
                (Some(model), Some(simple), Some(share)) => {
                    let share = share as f32;
                    values.extend(model.iter().zip(simple).map(|(m, s)| share * m + (1.0 - share) * s));
                }
                (Some(only), None, Some(_)) | (None, Some(only), Some(_)) => values.extend_from_slice(only),
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
