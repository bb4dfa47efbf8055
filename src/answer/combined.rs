//! All methods as one prediction, weighted by what each said of units that it was not fitted on.
//!
//! Closed forms cost seconds, so they are fitted anew without each fifth of the training treatments and asked of it
//! ([`hold_outs`]): that is what their weights come from, place by place. A model costs as much as the run to train once
//! more; it was asked of the validation treatments, which nothing was fitted on, and is added to the combined closed forms
//! as far as it helped there. Of treatments that are in training only closed forms speak, since the model has seen all of
//! their wells.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::baseline::{HoldOut, Mixture, Rows, Stack, Trial};
use crate::pair::{Place, Strata};
use crate::predict::{Abstains, Method, Predictions};
use crate::screen::{FeatureMatrix, Treatment};

/// Names of perturbations from which on those are the groups that are left out; of fewer, treatments are.
const LEAST_NAMES: usize = 10;

/// What closed forms said of training treatments that they were not fitted on, and what was measured.
pub(super) struct HeldOut {
    pub(super) hold_out: HoldOut,
    pub(super) said: Vec<Predictions>,
    pub(super) truth: Predictions,
}

/// The weights of all methods wherever they are asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// The places at which closed forms were tried.
    tried: BTreeSet<Place>,
    simple: Stack,
    /// `None` where nothing learned was tried.
    learned: Option<Stack>,
}

impl Combination {
    /// The weights of closed forms by what they said of what was `tried`.
    pub(super) fn of(training: &Rows, tried: &[HeldOut]) -> Self {
        let group = grouping(training);
        let trials = tried.iter().flat_map(|HeldOut { hold_out, said, truth }| {
            let said: Vec<&Predictions> = said.iter().collect();
            Trial::of_predictions(&Strata::of(hold_out.kept.keys()), &said, truth, &*group)
        });
        Self::of_trials(trials.collect())
    }

    /// The weights of closed forms that `trials` tell.
    pub(super) fn of_trials(trials: Vec<Trial>) -> Self {
        Self { tried: BTreeSet::new(), simple: Stack::of(trials), learned: None }
    }

    /// Those of `places` at which closed forms were not tried yet.
    pub(super) fn lacks(&self, places: &BTreeSet<Place>) -> BTreeSet<Place> {
        places - &self.tried
    }

    /// The same with what `more` says of the `places` that were `lacking`.
    pub(super) fn with_places(mut self, lacking: &BTreeSet<Place>, more: Self) -> Self {
        self.simple.extend_at(lacking, more.simple);
        self.tried.extend(lacking);
        self
    }

    /// Whether it holds how much of what is learned helps.
    pub(super) fn has_learned(&self) -> bool {
        self.learned.is_some()
    }

    /// The same with what is learned added as far as it helped on the treatments of `truth`, which neither it nor the
    /// closed forms were fitted on.
    pub(super) fn with_learned(
        self,
        training: &Rows,
        simple: &[&Predictions],
        learned: &[&Predictions],
        truth: &Predictions,
    ) -> Self {
        let combined = self.combine(training, &truth.treatments, simple, &[]);
        let said: Vec<&Predictions> = [&combined].into_iter().chain(learned.iter().copied()).collect();
        let strata = Strata::of(training.keys());
        self.with_learned_trials(Trial::of_predictions(&strata, &said, truth, &*grouping(training)))
    }

    /// The same with what is learned added as far as `trials` say, in which the combined closed forms take part.
    pub(super) fn with_learned_trials(self, trials: Vec<Trial>) -> Self {
        Self { learned: Some(Stack::of(trials)), ..self }
    }

    /// The weights of those that answer at a place; `None` where nobody does.
    pub(super) fn mixture(
        &self,
        place: Place,
        simple: &BTreeSet<Method>,
        learned: &BTreeSet<Method>,
    ) -> Option<Mixture> {
        let Some(mut mixture) = self.simple.mixture(place, simple) else {
            return Stack::default().mixture(place, learned);
        };
        let added = match place {
            Place::Measured => None,
            _ => self.learned.as_ref().and_then(|stack| stack.added_to(&Method::Combined, learned)),
        };
        if let Some(added) = added {
            let of_simple =
                added.weights.iter().find(|(method, _)| *method == Method::Combined).map_or(0.0, |(_, w)| *w);
            mixture.weights.iter_mut().for_each(|(_, weight)| *weight *= of_simple);
            mixture.weights.extend(added.weights.into_iter().filter(|(method, _)| *method != Method::Combined));
            mixture.weights.retain(|(_, weight)| *weight > 0.0);
        }
        Some(mixture)
    }

    /// The combined prediction of `targets`, of which `simple` and `learned` said what.
    pub(super) fn combine(
        &self,
        training: &Rows,
        targets: &[Treatment],
        simple: &[&Predictions],
        learned: &[&Predictions],
    ) -> Predictions {
        let said: Vec<(&Predictions, BTreeMap<&Treatment, usize>)> =
            simple.iter().chain(learned).map(|&said| (said, said.rows())).collect();
        let names = said.first().map(|(said, _)| said.profiles.names().to_vec()).unwrap_or_default();
        let (mut known, mut values, mut abstained) = (Vec::new(), Vec::new(), Vec::new());
        for (treatment, mixture) in targets.iter().zip(self.mixtures(training, targets, simple, learned)) {
            let Some(mixture) = mixture else {
                abstained.push((treatment.clone(), Abstains::NoMethod));
                continue;
            };
            let mut sum = vec![0.0f64; names.len()];
            for (method, weight) in &mixture.weights {
                let own = said.iter().find(|(said, _)| said.method == *method);
                let (said, rows) = own.expect("only methods that answer have a weight");
                for (sum, &value) in sum.iter_mut().zip(said.profiles.row(rows[treatment])) {
                    *sum += weight * f64::from(value);
                }
            }
            known.push(treatment.clone());
            values.extend(sum.into_iter().map(|value| value as f32));
        }
        let profiles = FeatureMatrix::new(names, values);
        Predictions { method: Method::Combined, treatments: known, profiles, abstained }
    }

    /// The weight of `learned` where closed forms answer too and the treatment is not in training.
    pub fn share(&self, learned: &Method) -> f64 {
        let stack = self.learned.as_ref();
        let added = stack.and_then(|stack| stack.added_to(&Method::Combined, &BTreeSet::from([learned.clone()])));
        let own = added.and_then(|added| added.weights.into_iter().find(|(method, _)| method == learned));
        own.map_or(0.0, |(_, weight)| weight)
    }

    /// The weights with which each of `targets` is predicted.
    pub(super) fn mixtures(
        &self,
        training: &Rows,
        targets: &[Treatment],
        simple: &[&Predictions],
        learned: &[&Predictions],
    ) -> Vec<Option<Mixture>> {
        let strata = Strata::of(training.keys());
        let of = |said: &[&Predictions]| -> Vec<BTreeSet<Method>> {
            let mut answers = vec![BTreeSet::new(); targets.len()];
            for said in said {
                let rows = said.rows();
                let known = targets.iter().zip(&mut answers).filter(|(treatment, _)| rows.contains_key(treatment));
                known.for_each(|(_, answers)| {
                    answers.insert(said.method.clone());
                });
            }
            answers
        };
        let mut found = BTreeMap::<(Place, BTreeSet<Method>, BTreeSet<Method>), Option<Mixture>>::new();
        let answers = of(simple).into_iter().zip(of(learned));
        targets
            .iter()
            .zip(answers)
            .map(|(treatment, (simple, learned))| {
                let place = strata.place(treatment);
                let mixture = || self.mixture(place, &simple, &learned);
                found.entry((place, simple.clone(), learned.clone())).or_insert_with(mixture).clone()
            })
            .collect()
    }
}

/// A sentence for each way in which targets are predicted.
pub(super) fn in_words(training: &Rows, targets: &[Treatment], mixtures: &[Option<Mixture>]) -> Vec<String> {
    let strata = Strata::of(training.keys());
    let mut counts = BTreeMap::<(Place, String), usize>::new();
    for (treatment, mixture) in targets.iter().zip(mixtures) {
        if let Some(mixture) = mixture {
            *counts.entry((strata.place(treatment), mixture.to_string())).or_default() += 1;
        }
    }
    counts.into_iter().map(|((place, mixture), n)| format!("combined, {place} ({n}): {mixture}")).collect()
}

/// The places of treatments.
pub(super) fn places<'a>(training: &Rows, treatments: impl IntoIterator<Item = &'a Treatment>) -> BTreeSet<Place> {
    let strata = Strata::of(training.keys());
    treatments.into_iter().map(|treatment| strata.place(treatment)).collect()
}

/// What is left out together: the doses of a perturbation, or single treatments where perturbations are few.
pub(super) fn grouping(training: &Rows) -> Box<dyn Fn(&Treatment) -> String> {
    let names: BTreeSet<String> =
        training.keys().map(|treatment| treatment.intervention.perturbation_names()).collect();
    match names.len() < LEAST_NAMES {
        true => Box::new(|treatment| treatment.to_string()),
        false => Box::new(|treatment| treatment.intervention.perturbation_names()),
    }
}
