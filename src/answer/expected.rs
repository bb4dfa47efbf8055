//! Where a model starts that learns what closed forms leave: at what they expect of a treatment.
//!
//! In training that is what they say without the treatment's own wells ([`hold_outs`](crate::baseline::hold_outs)), as it is
//! for whatever is asked later; otherwise there would be nothing left to learn.

use std::collections::{BTreeMap, BTreeSet};

use super::combined::Combination;
use super::error::AnswerError;
use super::methods::{CombinedSimple, SimpleMethods, names};
use super::prepared::Prepared;
use crate::baseline::Rows;
use crate::config::Config;
use crate::model::Head;
use crate::pair::{Part, Place, StartFrom};
use crate::predict::{Model, Predictor, Starts};
use crate::screen::Treatment;

/// Whether transitions start where closed forms expect treatments to lead; those of an anchored model start at anchors.
pub fn starts_at_expected(config: &Config) -> bool {
    config.model.predictor.head != Head::Anchored && config.pair.start == StartFrom::Expected
}

/// Where closed forms expect treatments to lead, `[feature]` each.
pub type Expected = BTreeMap<Treatment, Vec<f32>>;

/// Where the combined closed forms expect training and validation treatments to lead, fitted without their own wells, and
/// their weights; `None` where transitions start at controls.
///
/// Treatments that lie at no place which the split asks about are expected where their own wells say.
///
/// # Errors
/// What a fit says.
pub fn expected(config: &Config, prepared: &Prepared) -> Result<Option<(Expected, Combination)>, AnswerError> {
    match starts_at_expected(config) {
        true => Ok(Some(SimpleMethods::of(config, prepared).expected()?)),
        false => Ok(None),
    }
}

impl SimpleMethods<'_> {
    fn expected(&self) -> Result<(Expected, Combination), AnswerError> {
        let Self { prepared, training, .. } = self;
        let [validation, calibration, test] =
            [Part::Validation, Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
        let mut places = self.places([&validation, &calibration, &test].into_iter().flat_map(BTreeMap::keys));
        // A dose that is taken out of a short series leaves the others at fewer places than are asked about.
        let of_series = BTreeSet::from([Place::Interior, Place::Below, Place::Above, Place::Single]);
        if !places.is_disjoint(&of_series) {
            places.extend(of_series);
        }
        let combination = self.closed_forms(&Combination::default(), &places)?;
        let mut expected = BTreeMap::new();
        let mut add = |methods: &Self, asked: &Rows| -> Result<(), AnswerError> {
            let said = CombinedSimple::of(methods, &combination, asked)?.predict(&names(asked))?;
            for (row, treatment) in said.treatments.iter().enumerate() {
                expected.entry(treatment.clone()).or_insert_with(|| said.profiles.row(row).to_vec());
            }
            Ok(())
        };
        for hold_out in self.hold_outs(&places, usize::MAX) {
            add(&self.without(&hold_out), &hold_out.asked)?;
        }
        let here: Rows = training.iter().chain(&validation).map(|(name, rows)| (name.clone(), rows.clone())).collect();
        add(self, &here)?;
        Ok((expected, combination))
    }

    /// Lends the model to `ask`, starting where the closed forms with the weights of `combination` expect treatments where
    /// the model was trained to start there. `asked` names what it is asked of in any case.
    ///
    /// # Errors
    /// What a fit or `ask` says.
    pub fn starting<T, E: From<AnswerError>>(
        &self,
        combination: &Combination,
        asked: &Rows,
        model: Model<'_>,
        ask: impl FnOnce(Model<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        if !starts_at_expected(self.config) {
            return ask(model);
        }
        let expected = CombinedSimple::of(self, combination, asked)?;
        ask(Model { starts: &self.starts_by(model.starts, &expected), ..model })
    }

    /// The `starts` of a model, at what the closed forms `expected` say where the model was trained to start there.
    pub fn starts_by<'e>(&self, starts: &Starts<'_>, expected: &'e CombinedSimple<'e>) -> Starts<'e> {
        let is_expected = starts_at_expected(self.config);
        starts.expecting(is_expected.then_some(expected as &(dyn Predictor + Sync)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::answer::methods;
    use crate::baseline::measured;
    use crate::predict::{Decoder, gain};
    use crate::simulate::{Law, SimulateConfig, Simulated};
    use crate::study::{load_screen, prepare_screen};
    use crate::train::{Recipe, Stop, train_ensemble};

    fn settings(text: &str) -> Config {
        let mut config = Config::parse(text).unwrap();
        config.data.card = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/dataset.toml"));
        config
    }

    #[test]
    fn what_is_expected_of_a_dose_does_not_follow_its_own_wells() {
        let config = settings("");
        let mut loaded = load_screen(&config).unwrap();
        let before = prepare_screen(&config, &loaded.screen, BTreeMap::new()).unwrap();
        let (first, _) = expected(&config, &before).unwrap().unwrap();
        // A dose between two others, whose wells are then changed beyond recognition.
        let is_interior = |treatment: &&Treatment| {
            treatment.intervention.to_string().starts_with("taxol 0.3 ") && first.contains_key(*treatment)
        };
        let training = before.treatments(Part::Train);
        let chosen = training.keys().find(is_interior).expect("taxol 0.3 µM trains").clone();
        for &row in &training[&chosen] {
            let values = loaded.screen.features.in_memory_mut();
            values.row_mut(row).iter_mut().for_each(|value| *value *= 40.0);
        }
        let after = prepare_screen(&config, &loaded.screen, BTreeMap::new()).unwrap();
        let (second, _) = expected(&config, &after).unwrap().unwrap();
        let distance = |one: &[f32], other: &[f32]| {
            one.iter().zip(other).map(|(one, other)| f64::from(one - other).powi(2)).sum::<f64>().sqrt()
        };
        let wells = |prepared: &Prepared| prepared.screen.features.mean_of(&training[&chosen]);
        let (moved, followed) =
            (distance(&wells(&before), &wells(&after)), distance(&first[&chosen], &second[&chosen]));
        assert!(moved > 20.0, "the wells moved by {moved}");
        assert!(followed < 0.1 * moved, "they moved by {moved}, and what is expected of them by {followed}");
    }

    /// Mean squared errors of the combined closed forms and of the model that starts there, on pairs held out.
    fn errors(law: Law) -> [f64; 2] {
        let text =
            "[split]\nby = \"condition\"\nfolds = 4\n[normalize.compress]\nmethod = \"none\"\n[train]\nmembers = 2\n";
        let config = Config::parse(text).unwrap();
        let simulated = Simulated::new(&SimulateConfig { law, seed: 5, ..SimulateConfig::default() }).unwrap();
        let prepared = prepare_screen(&config, &simulated.screen, BTreeMap::new()).unwrap();
        let device = Device::flex();
        let (model, sizes) = prepared.sized(&config.model).unwrap();
        let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
        let starts = expected(&config, &prepared).unwrap().map(|(expected, _)| expected);
        let data = prepared.training_data(starts.as_ref());
        let trained = train_ensemble(data, recipe, None, None, &device, &Stop::default(), &|_| {}).unwrap().trained;
        let parts = [Part::Train, Part::Validation].map(|part| prepared.split.rows(part));
        let decoder = Decoder::fit(&trained, &prepared.screen, &parts[0], &parts[1], &config.decoder, &device).unwrap();
        let validation = measured(&prepared.screen.features, &prepared.treatments(Part::Validation));
        let gain = gain(&trained, &decoder, starts.as_ref().unwrap(), &validation, &device);
        let trained = trained.with_gain(gain);
        let mut targets = prepared.treatments(Part::Test);
        targets.retain(|treatment, _| treatment.intervention.members().len() == 2);
        let simple = SimpleMethods::of(&config, &prepared);
        let combination = simple.closed_forms(&Combination::default(), &simple.places(targets.keys())).unwrap();
        let closed = CombinedSimple::of(&simple, &combination, &targets).unwrap().predict(&names(&targets)).unwrap();
        let controls = Starts::of(&trained, &prepared.screen, &device);
        let model = Model { trained: &trained, decoder: &decoder, starts: &controls, device: &device };
        let learned = methods(&config, &prepared, model, &combination, &targets).unwrap().model;
        let truth = measured(&prepared.screen.features, &targets);
        assert!(truth.treatments.len() > 50, "{} pairs", truth.treatments.len());
        assert_eq!(learned.treatments, truth.treatments, "{:?}", learned.abstained);
        [&closed, &learned].map(|said| {
            let pairs = said.profiles.values().iter().zip(truth.profiles.values());
            pairs.map(|(said, truth)| f64::from(said - truth).powi(2)).sum::<f64>()
                / truth.profiles.values().len() as f64
        })
    }

    #[test]
    fn interactions_are_learned_where_there_are_some_and_nothing_is_added_where_there_are_none() {
        let [closed, learned] = errors(Law::Interacting);
        assert!(learned < 0.8 * closed, "{learned} learned, {closed} expected");
        let [closed, learned] = errors(Law::Additive);
        assert!(learned < 1.02 * closed, "{learned} learned, {closed} expected");
    }
}
