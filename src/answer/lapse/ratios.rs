//! What simple methods say of the ratios of wells, and all methods together; for comparison what replicates say.

use std::collections::BTreeMap;

use super::{Lapse, WellTracks, rows_by_treatment};
use crate::answer::combined::{Combination, HeldOut, in_words, places};
use crate::answer::error::AnswerError;
use crate::baseline::{MOST_UNITS, Mixture, Profiles, Rows, hold_outs, measured};
use crate::pair::Part;
use crate::predict::{Method, Predictions};
use crate::screen::{FeatureMatrix, Features, Treatment};

impl Lapse<'_> {
    /// How far the ratios of training wells are from no change.
    pub(super) fn changes_of_ratios(&self, observed: &[f64]) -> Profiles {
        Profiles::of_changes(&changes(observed), &self.rows_of(Part::Train))
    }

    /// What predictions of ratio − 1 say of each well.
    pub(super) fn by_treatment(&self, predictions: &Predictions) -> Vec<Option<f64>> {
        let of = rows_by_treatment(predictions);
        let ratio = |well: &WellTracks| Some(1.0 + f64::from(predictions.profiles.row(*of.get(&well.treatment)?)[0]));
        self.wells.iter().map(ratio).collect()
    }

    /// The model and the simple methods of measured ratios, weighted: `model` says the ratio of each well, `simple` how far
    /// conditions are from no change. Conditions are what is asked and what is held out.
    pub(super) fn combined(
        &self,
        observed: &[f64],
        model: &[Option<f64>],
        simple: &[Predictions],
    ) -> Result<(Vec<Option<f64>>, Vec<String>), AnswerError> {
        let changes = changes(observed);
        let [training, validation] = [Part::Train, Part::Validation].map(|part| self.rows_of(part));
        let treatments = self.treatments();
        let places = places(&training, &treatments);
        let tried = hold_outs(&training, &places, &|well| well.to_string(), MOST_UNITS).into_iter().map(|hold_out| {
            let asked: Vec<Treatment> = hold_out.asked.keys().cloned().collect();
            let said = Profiles::of_changes(&changes, &hold_out.kept).simple_predictions(&asked);
            HeldOut { said, truth: measured(&changes, &hold_out.asked), hold_out }
        });
        let combination = Combination::of(&training, &tried.collect::<Vec<_>>());
        let mut of_condition = BTreeMap::<Treatment, Vec<f64>>::new();
        for (well, ratio) in self.wells.iter().zip(model) {
            of_condition.entry(well.treatment.clone()).or_default().extend(ratio.map(|ratio| ratio - 1.0));
        }
        of_condition.retain(|_, changes| !changes.is_empty());
        let mean = |changes: &Vec<f64>| (changes.iter().sum::<f64>() / changes.len() as f64) as f32;
        let own = Predictions {
            method: Method::Model,
            profiles: FeatureMatrix::new(vec!["change".into()], of_condition.values().map(mean).collect()),
            treatments: of_condition.into_keys().collect(),
            abstained: Vec::new(),
        };
        let simple: Vec<&Predictions> = simple.iter().collect();
        let combination = match validation.is_empty() {
            true => combination,
            false => combination.with_learned(&training, &simple, &[&own], &measured(&changes, &validation)),
        };
        let mixtures = combination.mixtures(&training, &treatments, &simple, &[&own]);
        // What the model says differs from well to well of a condition; what is combined with it does not.
        let of_treatment: BTreeMap<&Treatment, &Mixture> = treatments
            .iter()
            .zip(&mixtures)
            .filter_map(|(treatment, mixture)| Some((treatment, mixture.as_ref()?)))
            .collect();
        let rows: BTreeMap<Method, (&Predictions, BTreeMap<&Treatment, usize>)> =
            simple.iter().map(|&said| (said.method.clone(), (said, said.rows()))).collect();
        let ratio = |(well, own): (&WellTracks, &Option<f64>)| {
            let part = |(method, weight): &(Method, f64)| {
                let said = match method {
                    Method::Model => (*own)?,
                    method => {
                        let (said, rows) = &rows[method];
                        1.0 + f64::from(said.profiles.row(rows[&well.treatment])[0])
                    }
                };
                Some(weight * said)
            };
            of_treatment.get(&well.treatment)?.weights.iter().map(part).sum::<Option<f64>>()
        };
        let combined = self.wells.iter().zip(model).map(ratio).collect();
        let tested: Vec<bool> = {
            let tested = self.rows_of(Part::Test);
            treatments.iter().map(|treatment| tested.contains_key(treatment)).collect()
        };
        let mixtures: Vec<Option<Mixture>> =
            mixtures.into_iter().zip(tested).map(|(mixture, is_tested)| mixture.filter(|_| is_tested)).collect();
        Ok((combined, in_words(&training, &treatments, &mixtures)))
    }

    /// The wells of a part by condition.
    fn rows_of(&self, part: Part) -> Rows {
        let mut rows = Rows::new();
        for (row, well) in self.wells.iter().enumerate().filter(|(_, well)| well.part == part) {
            rows.entry(well.treatment.clone()).or_default().push(row);
        }
        rows
    }

    /// The mean measured ratio of the other wells of each well's condition.
    pub(super) fn replicates(&self, observed: &[f64]) -> Vec<Option<f64>> {
        let replicate = |own: usize| {
            let is_twin = |other: &usize| *other != own && self.wells[*other].treatment == self.wells[own].treatment;
            let ratios: Vec<f64> = (0..self.wells.len()).filter(is_twin).map(|twin| observed[twin]).collect();
            (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
        };
        (0..self.wells.len()).map(replicate).collect()
    }
}

/// How far each well's ratio is from no change.
fn changes(observed: &[f64]) -> Features {
    let changes = observed.iter().map(|ratio| (ratio - 1.0) as f32).collect();
    FeatureMatrix::new(vec!["change".into()], changes).into()
}
