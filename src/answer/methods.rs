//! What every method predicts for held-out treatments: the model, the baselines and all of them combined.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use super::combined::{Combination, HeldOut, in_words, places};
use super::error::AnswerError;
use super::expected::starts_at_expected;
use super::prepared::Prepared;
use crate::baseline::{
    self, Fitted, FittedPrior, HoldOut, MOST_UNITS, Profiles, Rows, Whitened, hold_outs, with_series,
};
use crate::config::Config;
use crate::pair::{Part, Place, Split, SplitBy};
use crate::plan::PlanError;
use crate::predict::{Method, MethodKind, Model, PredictError, Predictions, Predictor};
use crate::screen::{FeatureMatrix, Treatment};

/// Predictions of all methods for the same targets.
#[derive(Debug)]
pub struct Methods {
    /// The ensemble's own.
    pub model: Predictions,
    /// The simple methods.
    pub baselines: Vec<Predictions>,
    /// All of them, weighted by what they said of what was held out.
    pub combined: Predictions,
    /// How they are weighted, in sentences.
    pub weights: Vec<String>,
    /// What was measured of the treatments of each part of the split.
    pub measured: Vec<(Part, Predictions)>,
}

impl Methods {
    /// Predictions of every method: the model, the combination, and the simple ones.
    pub fn all(&self) -> impl Iterator<Item = &Predictions> {
        [&self.model, &self.combined].into_iter().chain(&self.baselines)
    }
}

/// Predictions for `targets` by every method; weights and settings come from training and validation treatments only.
///
/// `known` holds weights of the same methods that were found before.
///
/// # Errors
/// What predicting or a baseline says.
pub fn methods(
    config: &Config,
    prepared: &Prepared,
    model: Model,
    known: &Combination,
    targets: &Rows,
) -> Result<Methods, AnswerError> {
    let simple = SimpleMethods::of(config, prepared);
    let asked = names(targets);
    let combination = simple.combination(known, &model, &simple.places(&asked))?;
    let model = simple.starting(&combination, targets, model, |model| Ok::<_, AnswerError>(model.predict(&asked)?))?;
    let mut baselines = simple.predict_all(targets)?;
    let said = combinable(&baselines);
    let combined = combination.combine(&simple.training, &asked, &said, &[&model]);
    let weights = in_words(&simple.training, &asked, &combination.mixtures(&simple.training, &asked, &said, &[&model]));
    if starts_at_expected(config) {
        let expected = combination.combine(&simple.training, &asked, &said, &[]);
        baselines.push(Predictions { method: Method::Expected, ..expected });
    }
    Ok(Methods { model, baselines, combined, weights, measured: measured_by_part(prepared) })
}

fn measured_by_part(prepared: &Prepared) -> Vec<(Part, Predictions)> {
    let parts = [Part::Train, Part::Validation, Part::Calibration, Part::Test];
    let of = |part| (part, baseline::measured(&prepared.screen.features, &prepared.treatments(part)));
    parts.map(of).into_iter().filter(|(_, measured)| !measured.treatments.is_empty()).collect()
}

pub(super) fn names(rows: &Rows) -> Vec<Treatment> {
    rows.keys().cloned().collect()
}

/// The predictions of methods that are combined.
fn combinable(all: &[Predictions]) -> Vec<&Predictions> {
    all.iter().filter(|said| said.method.kind() == MethodKind::Simple).collect()
}

/// Contexts up to which each is looked up in by itself; of more, only their mean is, so that the table can be read.
const MOST_CONTEXTS: usize = 12;

/// How many neighbors speak for a perturbation that was not measured.
const NEIGHBORS: usize = 5;

/// The simple methods of a screen, with what they are fitted on.
pub struct SimpleMethods<'a> {
    pub(super) config: &'a Config,
    pub(super) prepared: &'a Prepared,
    split: Cow<'a, Split>,
    pub(super) training: Rows,
    fits: Held<'a>,
}

/// What several methods share that are fitted on the same treatments, made when the first of them asks for it.
#[derive(Default)]
pub struct Fits {
    profiles: OnceLock<Profiles>,
    whitened: OnceLock<Whitened>,
    /// `None` where training has none.
    prior: OnceLock<Option<FittedPrior>>,
}

impl fmt::Debug for Fits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = (self.profiles.get().is_some(), self.whitened.get().is_some(), self.prior.get().is_some());
        f.debug_tuple("Fits").field(&made).finish()
    }
}

/// Fits of a screen that is asked again and again, or of something held out once.
enum Held<'a> {
    OfScreen(&'a Fits),
    Own(Box<Fits>),
}

impl Deref for Held<'_> {
    type Target = Fits;

    fn deref(&self) -> &Fits {
        match self {
            Self::OfScreen(fits) => fits,
            Self::Own(fits) => fits,
        }
    }
}

impl<'a> SimpleMethods<'a> {
    /// The simple methods of `prepared`, fitted on its training part; what was fitted once is not fitted again, whoever asks.
    pub fn of(config: &'a Config, prepared: &'a Prepared) -> Self {
        let (split, training) = (Cow::Borrowed(&prepared.split), prepared.treatments(Part::Train));
        Self { config, prepared, split, training, fits: Held::OfScreen(&prepared.fits.judged) }
    }

    /// The same, fitted without what is held out.
    pub(super) fn without(&self, hold_out: &HoldOut) -> Self {
        let split = Cow::Owned(self.split.with_rows_in(Part::Test, hold_out.held.iter().copied()));
        let Self { config, prepared, .. } = *self;
        Self { config, prepared, split, training: hold_out.kept.clone(), fits: Held::Own(Box::default()) }
    }

    /// The same fitted on everything that was measured, held out or not: for use, after they were judged.
    pub fn refitted(&self) -> Self {
        let Self { config, prepared, .. } = *self;
        let screen = &prepared.screen;
        let split = Cow::Owned(prepared.split.with_rows_in(Part::Train, 0..screen.n_observations()));
        let fits = Held::OfScreen(&prepared.fits.in_use);
        Self { config, prepared, split, training: screen.treatments(), fits }
    }

    fn profiles(&self) -> &Profiles {
        self.fits.profiles.get_or_init(|| Profiles::of(&self.prepared.screen, &self.training))
    }

    /// Training treatments in the coordinates that several methods share.
    fn whitened(&self) -> Result<&Whitened, AnswerError> {
        if let Some(whitened) = self.fits.whitened.get() {
            return Ok(whitened);
        }
        let fitted = Whitened::of(self.profiles(), &self.prepared.screen, &self.split)?;
        Ok(self.fits.whitened.get_or_init(|| fitted))
    }

    /// The hierarchical model of effects, which costs most of all to fit.
    fn prior(&self) -> Result<Option<&FittedPrior>, AnswerError> {
        if let Some(prior) = self.fits.prior.get() {
            return Ok(prior.as_ref());
        }
        let fitted = FittedPrior::of(self.profiles(), &self.prepared.screen, self.whitened()?)?;
        Ok(self.fits.prior.get_or_init(|| fitted).as_ref())
    }

    /// What they are fitted on.
    pub fn training(&self) -> &Rows {
        &self.training
    }

    /// The methods that apply to the screen.
    fn applicable(&self) -> Vec<Method> {
        let contexts = self.prepared.vocabulary.contexts();
        let lists_contexts = (2..=MOST_CONTEXTS).contains(&contexts.len());
        let each_context = contexts.iter().filter(|_| lists_contexts).cloned().map(Method::FromContext);
        let mut all = vec![
            Method::NoChange,
            Method::MeanShift,
            Method::NearestDose,
            Method::Interpolation,
            Method::DenoisedInterpolation,
            Method::Prior,
            Method::Additive,
            Method::Ridge,
            Method::OtherContext,
        ];
        all.extend(each_context);
        all.extend([Method::WellPosition, Method::BatchOnly, Method::CellCountOnly]);
        if !self.prepared.descriptors.is_empty() {
            all.push(Method::NearestNeighbors);
        }
        all
    }

    /// The method, fitted on training treatments; `None` where it is not a simple one, where the screen does not have it, or
    /// where training does not let its settings be chosen.
    ///
    /// It may be asked of any treatment. `asked` names those that are asked of in any case, with the wells that a method
    /// of the layout may look at.
    ///
    /// # Errors
    /// What the fit says.
    pub fn fit<'s>(&'s self, method: &Method, asked: &'s Rows) -> Result<Option<Fitted<'s>>, AnswerError> {
        if !self.applicable().contains(method) {
            return Ok(None);
        }
        let Self { prepared, training, .. } = self;
        let profiles = self.profiles();
        let Prepared { screen, descriptors, .. } = prepared;
        Ok(Some(match method {
            Method::NoChange => baseline::no_change(profiles),
            Method::MeanShift => baseline::mean_shift(profiles),
            Method::NearestDose => baseline::nearest_dose(profiles),
            Method::Interpolation => baseline::interpolation(profiles),
            Method::DenoisedInterpolation => match baseline::denoised_interpolation(profiles, self.whitened()?)? {
                Some(fitted) => fitted,
                None => return Ok(None),
            },
            Method::Prior => match self.prior()? {
                Some(fitted) => baseline::prior(profiles, self.whitened()?, fitted),
                None => return Ok(None),
            },
            Method::Additive => baseline::additive(profiles),
            Method::Ridge => baseline::ridge(profiles, asked, Some(descriptors).filter(|all| !all.is_empty()))?,
            Method::OtherContext => baseline::other_context(profiles),
            Method::FromContext(context) => baseline::from_context(profiles, context),
            Method::WellPosition => baseline::well_position(profiles, screen, training, asked),
            Method::BatchOnly => baseline::batch_only(profiles, screen, training, asked),
            Method::CellCountOnly => baseline::cell_count_only(profiles, screen, training, asked),
            Method::NearestNeighbors => {
                let similarity = baseline::Similarity::suited_to(descriptors);
                baseline::knn(profiles, descriptors, similarity, NEIGHBORS)?
            }
            Method::Model
            | Method::Combined
            | Method::Expected
            | Method::Contrast
            | Method::StartMean
            | Method::MeanResponse
            | Method::MeanResponseShifted
            | Method::NeighborDoses
            | Method::NeighborDosesShifted
            | Method::TrueFrame
            | Method::Measured
            | Method::Perfect
            | Method::Replicate
            | Method::ReplicateShifted
            | Method::OfLatents(_) => return Ok(None),
        }))
    }

    /// What every method says of `targets`; methods that abstain from all of them are left out.
    fn predict_all(&self, targets: &Rows) -> Result<Vec<Predictions>, AnswerError> {
        let names = names(targets);
        let mut all = Vec::new();
        for method in self.applicable() {
            all.extend(self.fit(&method, targets)?.map(|fitted| fitted.ask(&names)));
        }
        all.retain(|predictions| !predictions.treatments.is_empty());
        Ok(all)
    }

    /// The methods that are combined, fitted.
    ///
    /// # Errors
    /// What a fit says.
    pub fn fit_combinable<'s>(&'s self, asked: &'s Rows) -> Result<Vec<Fitted<'s>>, AnswerError> {
        let methods = self.applicable().into_iter().filter(|method| method.kind() == MethodKind::Simple);
        let fitted = methods.map(|method| self.fit(&method, asked)).collect::<Result<Vec<_>, _>>()?;
        Ok(fitted.into_iter().flatten().collect())
    }

    fn ask_combinable(&self, asked: &Rows) -> Result<Vec<Predictions>, AnswerError> {
        let names = names(asked);
        Ok(self.fit_combinable(asked)?.iter().map(|fitted| fitted.ask(&names)).collect())
    }

    /// The places of treatments as seen from what the methods are fitted on.
    pub fn places<'t>(&self, treatments: impl IntoIterator<Item = &'t Treatment>) -> BTreeSet<Place> {
        places(&self.training, treatments)
    }

    /// The weights of all methods at `wanted` places: of closed forms, from training treatments that they are not fitted
    /// on; of `model`, from the validation treatments. What is `known` of them is not tried again.
    ///
    /// # Errors
    /// What predicting or a baseline says.
    pub fn combination(
        &self,
        known: &Combination,
        model: &Model<'_>,
        wanted: &BTreeSet<Place>,
    ) -> Result<Combination, AnswerError> {
        let Self { prepared, training, .. } = self;
        let screen = &prepared.screen;
        let validation = prepared.treatments(Part::Validation);
        let combination = self.closed_forms(known, &(wanted | &self.places(validation.keys())))?;
        if validation.is_empty() || combination.has_learned() {
            return Ok(combination);
        }
        let said = self.ask_combinable(&validation)?;
        let ask = |model: Model<'_>| Ok::<_, AnswerError>(model.predict(&names(&validation))?);
        let own = self.starting(&combination, &validation, *model, ask)?;
        let truth = baseline::measured(&screen.features, &validation);
        Ok(combination.with_learned(training, &said.iter().collect::<Vec<_>>(), &[&own], &truth))
    }

    /// Training treatments held out in turn so that some lie at each of `places`; of each question `most` units are.
    pub(super) fn hold_outs(&self, places: &BTreeSet<Place>, most: usize) -> Vec<HoldOut> {
        hold_outs(&self.training, places, &|row| self.replicate(row), most)
    }

    /// The weights of closed forms at `places`, from training treatments that they are not fitted on. What is `known` of
    /// them is not tried again.
    ///
    /// # Errors
    /// What a fit says.
    pub fn closed_forms(&self, known: &Combination, places: &BTreeSet<Place>) -> Result<Combination, AnswerError> {
        let lacking = known.lacks(&with_series(places));
        if lacking.is_empty() {
            return Ok(known.clone());
        }
        let features = &self.prepared.screen.features;
        let mut tried = Vec::new();
        for hold_out in self.hold_outs(&lacking, MOST_UNITS) {
            let said = self.without(&hold_out).ask_combinable(&hold_out.asked)?;
            tried.push(HeldOut { said, truth: baseline::measured(features, &hold_out.asked), hold_out });
        }
        Ok(known.clone().with_places(&lacking, Combination::of(&self.training, &tried)))
    }

    /// What a row is a replicate by: what a split holds out as a whole, else its well.
    fn replicate(&self, row: usize) -> String {
        let unit = self.prepared.screen.unit(row);
        match (self.config.split.by, unit.well) {
            (SplitBy::LabBatch, _) => unit.lab_batch.clone().unwrap_or_default(),
            (SplitBy::Plate, _) => unit.plate.clone(),
            (_, Some(well)) => format!("{} {well}", unit.plate),
            (_, None) => row.to_string(),
        }
    }

    /// What is said to somebody who asks for a ranking by a method that the screen at hand does not have.
    pub fn unknown_ranker(&self) -> PlanError {
        let all = [Method::Model, Method::Combined].into_iter().chain(self.applicable());
        let known: Vec<String> = all.map(|method| method.to_string()).collect();
        PlanError::By { by: self.config.rank.by.to_string(), known: known.join(", ") }
    }
}

/// The combined closed forms as one method, fitted once and asked of any treatment.
pub struct CombinedSimple<'a> {
    combination: &'a Combination,
    training: &'a Rows,
    fitted: Vec<Fitted<'a>>,
}

impl<'a> CombinedSimple<'a> {
    /// Closed forms with the weights of `combination`; `asked` names what is asked of in any case.
    ///
    /// # Errors
    /// What a fit says.
    pub fn of(
        methods: &'a SimpleMethods<'a>,
        combination: &'a Combination,
        asked: &'a Rows,
    ) -> Result<Self, AnswerError> {
        Ok(Self { combination, training: methods.training(), fitted: methods.fit_combinable(asked)? })
    }
}

/// Treatments asked about at once: each method's profiles of all of them are held until they are combined.
const AT_ONCE: usize = 512;

impl Predictor for CombinedSimple<'_> {
    fn method(&self) -> Method {
        Method::Combined
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        let some = |treatments: &[Treatment]| {
            let said: Vec<Predictions> = self.fitted.iter().map(|fitted| fitted.ask(treatments)).collect();
            self.combination.combine(self.training, treatments, &said.iter().collect::<Vec<_>>(), &[])
        };
        let mut parts = treatments.chunks(AT_ONCE).map(some);
        let mut all = parts.next().unwrap_or_else(|| some(&[]));
        let mut values = all.profiles.values().to_vec();
        for part in parts {
            all.treatments.extend(part.treatments);
            all.abstained.extend(part.abstained);
            values.extend_from_slice(part.profiles.values());
        }
        all.profiles = FeatureMatrix::new(all.profiles.names().to_vec(), values);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::plan::{ByCombined, ByModel, ByProfiles, Ranker};
    use crate::predict::{Decoder, Starts};
    use crate::screen::{Application, Intervention, Micromolar};
    use crate::study::{load_screen, prepare};
    use crate::train::{Recipe, Stop, train_ensemble};

    /// A dose that nobody measured or listed, between two that were.
    fn proposed(training: &Rows) -> Treatment {
        let of = |treatment: &Treatment| {
            let member = treatment.intervention.as_single()?.clone();
            let dose = Micromolar::new(1.3 * member.dose?.get());
            let intervention = Intervention::of([Application { dose, ..member }]);
            let hours = treatment.intervention.hours();
            let intervention = hours.map_or(intervention.clone(), |hours| intervention.lasting(hours));
            Some(Treatment { intervention, context: treatment.context.clone() })
        };
        training.keys().find_map(of).expect("a single with a dose")
    }

    #[test]
    fn a_candidate_that_was_never_listed_is_combined_too() {
        let mut config = Config::parse("[train]\nmembers = 1\nsteps = 2\n").unwrap();
        config.data.card = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/dataset.toml"));
        let prepared = prepare(&config, &load_screen(&config).unwrap()).unwrap();
        let device = Device::flex();
        let (model, sizes) = prepared.sized(&config.model).unwrap();
        let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
        let data = prepared.training_data(None);
        let members = train_ensemble(data, recipe, None, None, &device, &Stop::default(), &|_| {}).unwrap();
        let trained = members.trained;
        let (methods, nothing) = (SimpleMethods::of(&config, &prepared), Rows::new());
        let proposed = [proposed(&methods.training)];
        assert!(!prepared.screen.treatments().contains_key(&proposed[0]));

        let fitted = methods.fit(&Method::Interpolation, &nothing).unwrap().unwrap();
        let starts = Starts::of(&trained, &prepared.screen, &device);
        let model = ByModel { trained: &trained, starts: &starts, device: &device };
        let by_profiles = || ByProfiles { trained: &trained, predictor: &fitted, device: &device };
        let combined = ByCombined { model, simple: by_profiles(), share: &|_| Some(0.25) };
        let latent = |ranker: &dyn Ranker| ranker.reach(&proposed).unwrap().predicted.latents.row(0).to_vec();
        let (alone, simple, mixed) = (latent(&model), latent(&by_profiles()), latent(&combined));
        assert_ne!(alone, simple);
        for ((alone, simple), mixed) in alone.iter().zip(&simple).zip(&mixed) {
            assert_eq!(*mixed, 0.25 * alone + 0.75 * simple);
        }
        assert!(combined.reach(&proposed).unwrap().caveats.is_empty());

        // Additive effects say nothing of a single: the model stands alone, and says so.
        let abstains = methods.fit(&Method::Additive, &nothing).unwrap().unwrap();
        let simple = ByProfiles { trained: &trained, predictor: &abstains, device: &device };
        let reached = ByCombined { model, simple, share: &|_| Some(0.25) }.reach(&proposed).unwrap();
        assert_eq!(reached.predicted.latents.row(0), alone);
        assert_eq!(reached.caveats[&0], "the model alone, as all other methods abstain");
    }

    fn bbbc021(text: &str) -> Config {
        let mut config = Config::parse(text).unwrap();
        config.data.card = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/dataset.toml"));
        config
    }

    /// From the table to what predicts, nothing may depend on what was measured of the treatments that are scored.
    #[test]
    fn scrambling_the_test_rows_changes_no_weight_no_combination_and_no_decoder() {
        let config = bbbc021("[train]\nmembers = 2\nsteps = 3\n");
        let device = Device::flex();
        let fit = |scrambles: bool| {
            let mut loaded = load_screen(&config).unwrap();
            let tested = crate::pair::Split::new(&loaded.screen, &config.split).unwrap().rows(Part::Test);
            assert!(tested.len() >= 30, "{} rows", tested.len());
            if scrambles {
                let values = loaded.screen.features.in_memory_mut();
                for (index, &row) in tested.iter().enumerate() {
                    let other = values.row(tested[(index + 7) % tested.len()]).to_vec();
                    let noisy = other.iter().enumerate().map(|(at, value)| 3.0 * value + (at % 5) as f32);
                    values.row_mut(row).copy_from_slice(&noisy.collect::<Vec<_>>());
                }
            }
            let prepared = prepare(&config, &loaded).unwrap();
            let (model, sizes) = prepared.sized(&config.model).unwrap();
            let recipe = Recipe { model: &model, sizes: &sizes, pair: &config.pair, train: &config.train };
            let expected = crate::answer::expected(&config, &prepared).unwrap().map(|(expected, _)| expected);
            assert!(expected.is_some(), "transitions start where closed forms expect them");
            let data = prepared.training_data(expected.as_ref());
            let trained = train_ensemble(data, recipe, None, None, &device, &Stop::default(), &|_| {}).unwrap().trained;
            let parts = [Part::Train, Part::Validation].map(|part| prepared.split.rows(part));
            let decoder =
                Decoder::fit(&trained, &prepared.screen, &parts[0], &parts[1], &config.decoder, &device).unwrap();
            let weights: Vec<_> = trained.members.iter().map(|(model, _)| crate::model::parameters(model)).collect();
            let targets = prepared.treatments(Part::Test);
            let simple = {
                let methods = SimpleMethods::of(&config, &prepared);
                let asked: Vec<Treatment> = targets.keys().cloned().collect();
                let said = |method: Method| {
                    methods.fit(&method, &targets).unwrap().unwrap().ask(&asked).profiles.values().to_vec()
                };
                [said(Method::DenoisedInterpolation), said(Method::Ridge), said(Method::MeanShift)]
            };
            let measured = baseline::measured(&prepared.screen.features, &targets).profiles.values().to_vec();
            let combined = {
                let starts = Starts::of(&trained, &prepared.screen, &device);
                let model = Model { trained: &trained, decoder: &decoder, starts: &starts, device: &device };
                let found = super::methods(&config, &prepared, model, &Combination::default(), &targets).unwrap();
                assert!(!found.weights.is_empty());
                (found.weights, found.combined.profiles.values().to_vec())
            };
            (weights, decoder, combined, prepared.normalizer, simple, measured)
        };
        let (plain, scrambled) = (fit(false), fit(true));
        assert_ne!(plain.5, scrambled.5, "the truth was scrambled");
        assert!(plain.0 == scrambled.0, "weights");
        assert!(plain.1 == scrambled.1, "decoder");
        assert_eq!(plain.2.0, scrambled.2.0, "weights of methods");
        assert!(plain.2.1 == scrambled.2.1, "combination");
        assert!(plain.3 == scrambled.3, "normalizer");
        assert!(plain.4 == scrambled.4, "simple methods");
    }

    /// The errors of `docs/benchmarks/bbbc021.md`, over every dose that is held out once.
    #[test]
    fn simple_methods_have_the_errors_that_are_published() {
        let mut config = bbbc021(include_str!("../../configs/bbbc021-leave-one-dose-out.toml"));
        let loaded = load_screen(&config).unwrap();
        let mut errors = std::collections::BTreeMap::<Method, Vec<f64>>::new();
        for fold in 0..config.split.folds {
            config.split.fold = fold;
            let prepared = prepare(&config, &loaded).unwrap();
            let (methods, targets) = (SimpleMethods::of(&config, &prepared), prepared.treatments(Part::Test));
            let truth = baseline::measured(&prepared.screen.features, &targets);
            for method in
                [Method::Interpolation, Method::DenoisedInterpolation, Method::Prior, Method::Ridge, Method::NoChange]
            {
                let found = methods.fit(&method, &targets).unwrap().unwrap().ask(&truth.treatments);
                assert_eq!(found.treatments, truth.treatments, "{method}");
                let of_row = |row: usize| {
                    let pairs = truth.profiles.row(row).iter().zip(found.profiles.row(row));
                    pairs.map(|(&m, &p)| f64::from(m - p).powi(2)).sum::<f64>() / truth.profiles.n_features() as f64
                };
                errors.entry(method).or_default().extend((0..truth.treatments.len()).map(of_row));
            }
        }
        let mean = |method: Method| errors[&method].iter().sum::<f64>() / errors[&method].len() as f64;
        assert_eq!(errors[&Method::Interpolation].len(), 53);
        let check = |method: Method, published: f64| {
            let found = mean(method.clone());
            assert!((found - published).abs() < 0.003, "{method}: {found}, published {published}");
        };
        check(Method::Interpolation, 0.442);
        check(Method::DenoisedInterpolation, 0.387);
        check(Method::Prior, 0.377);
        check(Method::Ridge, 0.472);
        check(Method::NoChange, 4.161);
    }

    /// Over both splits of the bundled screen into doses; the sparser one left two doses of most compounds, and weights from
    /// doses next to a single other one then gave 1.21 of the error.
    #[test]
    fn what_is_combined_is_no_worse_than_the_best_single_method() {
        for text in [
            include_str!("../../configs/bbbc021-leave-one-dose-out.toml"),
            include_str!("../../configs/quickstart.toml"),
        ] {
            let mut config = bbbc021(text);
            let loaded = load_screen(&config).unwrap();
            let (mut combined, mut single, mut weights) = (0.0, 0.0, Vec::new());
            for fold in 0..config.split.folds {
                config.split.fold = fold;
                let prepared = prepare(&config, &loaded).unwrap();
                let (methods, targets) = (SimpleMethods::of(&config, &prepared), prepared.treatments(Part::Test));
                let truth = baseline::measured(&prepared.screen.features, &targets);
                let combination =
                    methods.closed_forms(&Combination::default(), &methods.places(targets.keys())).unwrap();
                let said = methods.ask_combinable(&targets).unwrap();
                let said: Vec<&Predictions> = said.iter().collect();
                let found = combination.combine(&methods.training, &truth.treatments, &said, &[]);
                let mixtures = combination.mixtures(&methods.training, &truth.treatments, &said, &[]);
                weights.extend(in_words(&methods.training, &truth.treatments, &mixtures));
                let denoised = said.iter().find(|said| said.method == Method::DenoisedInterpolation).unwrap();
                let error = |said: &Predictions| -> f64 {
                    assert_eq!(said.treatments, truth.treatments);
                    let pairs = said.profiles.values().iter().zip(truth.profiles.values());
                    pairs.map(|(said, measured)| f64::from(said - measured).powi(2)).sum()
                };
                combined += error(&found);
                single += error(denoised);
            }
            let ratio = combined / single;
            println!("{ratio:.3} of the error of denoised_interpolation, {}", weights.join("; "));
            assert!(ratio <= 1.05, "{ratio:.3} of the error of denoised_interpolation, {}", weights.join("; "));
        }
    }

    #[test]
    fn weights_that_are_known_are_kept_and_others_are_found_where_they_are_asked_for() {
        let config = bbbc021(include_str!("../../configs/bbbc021-leave-one-dose-out.toml"));
        let prepared = prepare(&config, &load_screen(&config).unwrap()).unwrap();
        let methods = SimpleMethods::of(&config, &prepared);
        let of_series = BTreeSet::from([Place::Interior]);
        let both = BTreeSet::from([Place::Interior, Place::Unseen]);
        let nothing = Combination::default();
        let [first, at_once] = [&of_series, &both].map(|places| methods.closed_forms(&nothing, places).unwrap());
        let later = methods.closed_forms(&first, &both).unwrap();
        let answers = BTreeSet::from([Method::MeanShift, Method::DenoisedInterpolation, Method::NoChange]);
        let learned = BTreeSet::new();
        for place in [Place::Interior, Place::Above, Place::Unseen] {
            let of = |combination: &Combination| combination.mixture(place, &answers, &learned).unwrap().to_string();
            assert_eq!(of(&later), of(&at_once), "{place}");
        }
        assert_ne!(first, later, "nothing was tried where no compound is in training");
        assert_eq!(methods.closed_forms(&later, &both).unwrap(), later);
        let written = serde_json::to_string(&later).unwrap();
        assert!(serde_json::from_str::<Combination>(&written).unwrap() == later, "read back as it was written");
    }

    #[test]
    fn every_method_of_a_screen_can_rank_and_be_fitted() {
        let mut config = Config::default();
        config.data.card = Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/bbbc021/dataset.toml"));
        let prepared = prepare(&config, &load_screen(&config).unwrap()).unwrap();
        let (methods, asked) = (SimpleMethods::of(&config, &prepared), prepared.treatments(Part::Test));
        for method in methods.applicable() {
            assert!(method.can_rank(), "{method}");
            assert_eq!(methods.fit(&method, &asked).unwrap().unwrap().method(), method);
        }
    }
}
