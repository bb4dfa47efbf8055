//! The model's own predictions of treatments.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rayon::prelude::*;

use super::{Abstains, Decoder, Method, PredictError, Predictions, Predictor};
use crate::screen::{FeatureMatrix, Perturbation, Screen, Treatment};
use crate::train::{Latents, TrainedModel, mean};

/// Predicted latents and decoded profiles.
#[derive(Debug, Clone)]
pub struct ModelPredictions {
    /// Latents of `profiles.treatments`, in their order.
    pub latents: Latents,
    /// Decoded profiles, averaged over members.
    pub profiles: Predictions,
}

/// Where cells start: the mean latents of the negative controls of a screen, by plate and by context, each
/// `[member, latent]`; or where a closed form expects a treatment to lead.
#[derive(Clone)]
pub struct Starts<'a> {
    /// Who expects, of a model that starts from there.
    expected: Option<&'a (dyn Predictor + Sync)>,
    plates: BTreeMap<String, Vec<f32>>,
    contexts: BTreeMap<String, Vec<f32>>,
    /// Of the screen as a whole; for values relative to control the zero vector's latent.
    overall: Option<Vec<f32>>,
    /// Plates on which a treatment was measured.
    measured_on: BTreeMap<Treatment, Vec<String>>,
}

impl<'a> Starts<'a> {
    /// The same where predictions start at what `expected` says, if anybody does.
    pub fn expecting<'e>(&self, expected: Option<&'e (dyn Predictor + Sync)>) -> Starts<'e> {
        Starts {
            expected,
            plates: self.plates.clone(),
            contexts: self.contexts.clone(),
            overall: self.overall.clone(),
            measured_on: self.measured_on.clone(),
        }
    }

    /// The starts that `screen` offers.
    pub fn of(trained: &TrainedModel, screen: &Screen, device: &Device) -> Self {
        Self::by(trained, screen, |rows| trained.encode(&screen.features, rows, device))
    }

    /// The same where `latents_of` knows the latents of untreated rows.
    pub fn by(trained: &TrainedModel, screen: &Screen, latents_of: impl FnOnce(&[usize]) -> Latents) -> Self {
        let mut measured_on = BTreeMap::<Treatment, Vec<String>>::new();
        for (treatment, rows) in screen.treatments() {
            let plates = rows.iter().map(|&row| screen.unit(row).plate.clone()).collect();
            measured_on.insert(treatment, plates);
        }
        let Some(rows) = screen.untreated_rows() else {
            let overall = Some(trained.untreated_latent());
            return Self { expected: None, plates: BTreeMap::new(), contexts: BTreeMap::new(), overall, measured_on };
        };
        let latents = latents_of(&rows);
        let mean_where = |keep: &dyn Fn(usize) -> bool| -> Vec<f32> {
            mean((0..rows.len()).filter(|&control| keep(rows[control])).map(|control| latents.row(control)))
        };
        let mut plates = BTreeMap::new();
        let mut contexts = BTreeMap::new();
        for &row in &rows {
            let unit = screen.unit(row);
            plates.entry(unit.plate.clone()).or_insert_with(|| mean_where(&|row| screen.unit(row).plate == unit.plate));
            contexts
                .entry(unit.context.clone())
                .or_insert_with(|| mean_where(&|row| screen.unit(row).context == unit.context));
        }
        let overall = (!rows.is_empty()).then(|| mean_where(&|_| true));
        Self { expected: None, plates, contexts, overall, measured_on }
    }

    /// Start of a treatment, `[member, latent]`: the controls of the plates it was measured on, else of its context, else all.
    ///
    /// # Errors
    /// When the screen has no negative control at all.
    pub fn start(&self, treatment: &Treatment) -> Result<Vec<f32>, PredictError> {
        let plates = self.measured_on.get(treatment).map(Vec::as_slice).unwrap_or_default();
        let bags: Vec<&Vec<f32>> = plates.iter().filter_map(|plate| self.plates.get(plate)).collect();
        if !bags.is_empty() {
            return Ok(mean(bags.into_iter()));
        }
        let found = self.contexts.get(&treatment.context).or(self.overall.as_ref());
        found.cloned().ok_or_else(|| PredictError::NoStart { context: treatment.context.clone() })
    }
}

/// Predicted latents of those treatments that have a place.
#[derive(Debug, Clone)]
pub struct PredictedLatents {
    /// A row for each of `placed`.
    pub latents: Latents,
    /// Indices of the treatments that were predicted, ascending.
    pub placed: Vec<usize>,
    /// Indices of the others, ascending, with the reasons.
    pub abstained: Vec<(usize, Abstains)>,
}

/// Predicts latents of `treatments` from the negative controls that `starts` offers.
///
/// # Errors
/// When a treatment has nothing to start from.
pub fn predict_latents(
    trained: &TrainedModel,
    starts: &Starts<'_>,
    treatments: &[Treatment],
    device: &Device,
) -> Result<PredictedLatents, PredictError> {
    Ok(predict_from(trained, starts, treatments, device)?.0)
}

/// Profiles that were expected, and their latents.
type Expected = (FeatureMatrix, Latents);

/// The same with what predictions start from, where that is what a closed form expects.
fn predict_from(
    trained: &TrainedModel,
    starts: &Starts<'_>,
    treatments: &[Treatment],
    device: &Device,
) -> Result<(PredictedLatents, Option<Expected>), PredictError> {
    let (mut placed, mut abstained) = (Vec::new(), Vec::new());
    for (index, treatment) in treatments.iter().enumerate() {
        match unplaced(trained, treatment) {
            None => placed.push(index),
            Some(unknown) => abstained.push((index, Abstains::UnknownPerturbation { name: unknown.name.clone() })),
        }
    }
    let expected = match starts.expected {
        Some(predictor) => {
            let known: Vec<Treatment> = placed.iter().map(|&index| treatments[index].clone()).collect();
            let said = predictor.predict(&known)?;
            let (kept, missing) = said.parted(&known);
            abstained.extend(missing.into_iter().map(|(at, why)| (placed[at], why)));
            abstained.sort_by_key(|(index, _)| *index);
            placed = kept.into_iter().map(|at| placed[at]).collect();
            let features = said.profiles.clone().into();
            let rows: Vec<usize> = (0..placed.len()).collect();
            let parts = rows.par_chunks(AT_ONCE).map(|rows| trained.encode(&features, rows, device));
            Some((said.profiles, together(trained, &parts.collect::<Vec<_>>())))
        }
        None => None,
    };
    // Some at a time, so that starts and intermediate values of a long list are never held all at once.
    let of_some = |(number, placed): (usize, &[usize])| -> Result<Latents, PredictError> {
        let known: Vec<&Treatment> = placed.iter().map(|&index| &treatments[index]).collect();
        let from = match &expected {
            Some((_, latents)) => {
                let first = number * AT_ONCE;
                latents.select(&(first..first + placed.len()).collect::<Vec<_>>())
            }
            None => {
                let starts = known.iter().map(|treatment| starts.start(treatment)).collect::<Result<Vec<_>, _>>()?;
                Latents::new(trained.members.len(), trained.config.latent, starts.concat())
            }
        };
        Ok(trained.predict(&known, &from, device))
    };
    let parts: Vec<Latents> = placed.par_chunks(AT_ONCE).enumerate().map(of_some).collect::<Result<_, _>>()?;
    Ok((PredictedLatents { latents: together(trained, &parts), placed, abstained }, expected))
}

/// Latents of parts of a list, one below the other.
fn together(trained: &TrainedModel, parts: &[Latents]) -> Latents {
    let values: Vec<&[f32]> = parts.iter().map(Latents::values).collect();
    Latents::new(trained.members.len(), trained.config.latent, values.concat())
}

/// Treatments predicted by one task: their activations are to stay in the cache, and to be memory that is used again
/// rather than asked of the system anew.
const AT_ONCE: usize = 256;

/// A trained model as a method among others: where its cells start, and how its predictions are said.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// The ensemble.
    pub trained: &'a TrainedModel,
    /// Latents to profiles.
    pub decoder: &'a Decoder,
    /// Where cells start.
    pub starts: &'a Starts<'a>,
    /// Where to compute.
    pub device: &'a Device,
}

impl Model<'_> {
    /// Predicted latents of `treatments`, and the profiles that they are decoded to.
    ///
    /// # Errors
    /// When a treatment has nothing to start from.
    pub fn predict_with_latents(&self, treatments: &[Treatment]) -> Result<ModelPredictions, PredictError> {
        let (PredictedLatents { latents, placed, abstained }, expected) =
            predict_from(self.trained, self.starts, treatments, self.device)?;
        let known: Vec<Treatment> = placed.iter().map(|&index| treatments[index].clone()).collect();
        let profiles = Predictions {
            method: Method::Model,
            profiles: match &expected {
                Some((profiles, from)) => self.decoder.moved(profiles, from, &latents),
                None => self.decoder.decode_predicted(self.trained, &known, &latents),
            },
            treatments: known,
            abstained: abstained.into_iter().map(|(index, why)| (treatments[index].clone(), why)).collect(),
        };
        Ok(ModelPredictions { latents, profiles })
    }
}

impl Predictor for Model<'_> {
    fn method(&self) -> Method {
        Method::Model
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        Ok(self.predict_with_latents(treatments)?.profiles)
    }
}

/// The first perturbation of a treatment that the model has neither met in training nor a descriptor for.
pub(crate) fn unplaced<'a>(trained: &TrainedModel, treatment: &'a Treatment) -> Option<&'a Perturbation> {
    let mut perturbations = treatment.intervention.members().iter().map(|member| &member.perturbation);
    perturbations.find(|perturbation| !trained.vocabulary.can_place(perturbation))
}
