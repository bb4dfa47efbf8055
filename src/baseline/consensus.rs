//! Consensus profiles, control states and mean shifts: what all baselines start from.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::predict::{Abstains, Method, PredictError, Predictions, Predictor};
use crate::screen::{FeatureMatrix, Features, Screen, Treatment};

/// Rows of a screen by treatment.
pub type Rows = BTreeMap<Treatment, Vec<usize>>;

/// The measured consensus profiles of treatments, whose rows in `features` are given, as predictions of the method
/// `measured`.
///
/// The truth that predictions are scored against, when the rows are those of held-out treatments.
/// Treatments without rows are absent.
pub fn measured(features: &Features, treatments: &Rows) -> Predictions {
    let (treatments, profiles): (Vec<_>, Vec<_>) = consensus(features, treatments).into_iter().unzip();
    let profiles = FeatureMatrix::new(features.names().to_vec(), profiles.concat());
    Predictions { method: Method::Measured, treatments, profiles, abstained: Vec::new() }
}

/// The mean negative-control profile of each context, `[feature]`; the zero vector when values are relative already.
///
/// A context without negative controls is absent, and the baselines that need it abstain there.
pub fn control_states(screen: &Screen) -> BTreeMap<String, Vec<f32>> {
    match Origin::of(screen) {
        Origin::Controls(states) => states,
        Origin::Zero(zero) => screen.units.by_row().map(|unit| (unit.context.clone(), zero.clone())).collect(),
    }
}

/// What simple methods are fitted on: consensus profiles of training treatments, and the state that effects are differences
/// from.
#[derive(Debug, Clone)]
pub struct Profiles {
    /// Names of the features.
    names: Vec<String>,
    /// Consensus by treatment.
    pub(super) training: BTreeMap<Treatment, Vec<f32>>,
    /// Training treatments by the names of their perturbations, so that a target is not compared with all of them.
    by_names: BTreeMap<Vec<String>, Vec<Treatment>>,
    origin: Origin,
}

/// Members of a set whose subsets are listed, at most.
const MOST_LISTED: usize = 8;

fn member_names(treatment: &Treatment) -> Vec<String> {
    treatment.intervention.members().iter().map(|member| member.perturbation.name.clone()).collect()
}

/// The state that effects are differences from.
#[derive(Debug, Clone)]
enum Origin {
    /// The mean negative control of each context.
    Controls(BTreeMap<String, Vec<f32>>),
    /// Values are changes already.
    Zero(Vec<f32>),
}

impl Origin {
    fn of(screen: &Screen) -> Self {
        let Some(untreated) = screen.untreated_rows() else {
            return Self::Zero(vec![0.0; screen.features.n_features()]);
        };
        let mut rows = BTreeMap::<&str, Vec<usize>>::new();
        untreated.into_iter().for_each(|row| rows.entry(&screen.unit(row).context).or_default().push(row));
        let mean = |(context, rows): (&str, Vec<usize>)| (context.to_owned(), screen.features.mean_of(&rows));
        Self::Controls(rows.into_iter().map(mean).collect())
    }
}

impl Profiles {
    /// Profiles of the training rows of a normalized screen.
    pub fn of(screen: &Screen, training: &Rows) -> Self {
        Self::new(&screen.features, training, Origin::of(screen))
    }

    /// Changes of training treatments, whose rows in `changes` are given.
    pub fn of_changes(changes: &Features, training: &Rows) -> Self {
        let origin = Origin::Zero(vec![0.0; changes.n_features()]);
        Self::new(changes, training, origin)
    }

    fn new(features: &Features, training: &Rows, origin: Origin) -> Self {
        let training = consensus(features, training);
        let mut by_names = BTreeMap::<_, Vec<Treatment>>::new();
        for treatment in training.keys() {
            by_names.entry(member_names(treatment)).or_default().push(treatment.clone());
        }
        Self { names: features.names().to_vec(), training, by_names, origin }
    }

    /// The training treatments of the same perturbations, whatever their doses and contexts.
    pub(super) fn alike(&self, target: &Treatment) -> impl Iterator<Item = &Treatment> + Clone {
        self.by_names.get(&member_names(target)).into_iter().flatten()
    }

    /// The training treatments that hold no perturbation which the target does not hold.
    pub(super) fn within(&self, target: &Treatment) -> Vec<&Treatment> {
        let names = member_names(target);
        let mut found: Vec<&Treatment> = match names.len() <= MOST_LISTED {
            true => (1..1usize << names.len())
                .filter_map(|subset| {
                    let has = |(index, name): (usize, &String)| (subset >> index & 1 == 1).then(|| name.clone());
                    self.by_names.get(&names.iter().enumerate().filter_map(has).collect::<Vec<_>>())
                })
                .flatten()
                .collect(),
            false => self.training.keys().collect(),
        };
        found.sort();
        found
    }

    /// Names of the features.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The state without treatment in `context`.
    pub(super) fn control(&self, context: &str) -> Result<&Vec<f32>, Abstains> {
        match &self.origin {
            Origin::Zero(zero) => Ok(zero),
            Origin::Controls(controls) => {
                controls.get(context).ok_or_else(|| Abstains::NoControl { context: context.to_owned() })
            }
        }
    }

    /// The mean over training treatments of their consensus, by context, `[feature]`: what treatments share.
    pub fn mean_shifts(&self) -> BTreeMap<String, Vec<f32>> {
        let contexts: BTreeSet<&str> = self.training.keys().map(|treatment| treatment.context.as_str()).collect();
        let of_context = |context: &str| {
            let members = self.training.iter().filter(|(treatment, _)| treatment.context == context);
            weighted_mean(&members.map(|(_, row)| (row, 1.0)).collect::<Vec<_>>())
        };
        let mean = |context: &str| of_context(context).expect("a context is listed because it has a profile");
        contexts.into_iter().map(|context| (context.to_owned(), mean(context))).collect()
    }

    /// The method fitted on these profiles that answers treatment by treatment.
    pub(super) fn fitted<'a>(
        &'a self,
        method: Method,
        answer: impl Fn(&Treatment) -> Result<Vec<f32>, Abstains> + Send + Sync + 'a,
    ) -> Fitted<'a> {
        self.fitted_on_all(method, move |treatments| treatments.par_iter().map(&answer).collect())
    }

    /// The method fitted on these profiles that answers all treatments at once, in their order.
    pub(super) fn fitted_on_all<'a>(
        &'a self,
        method: Method,
        answers: impl Fn(&[Treatment]) -> Vec<Result<Vec<f32>, Abstains>> + Send + Sync + 'a,
    ) -> Fitted<'a> {
        Fitted { method, names: &self.names, answers: Box::new(answers) }
    }
}

/// A simple method, fitted once and asked of any treatment.
pub struct Fitted<'a> {
    method: Method,
    names: &'a [String],
    answers: Answers<'a>,
}

/// Profiles of treatments in their order, or why there is none.
type Answers<'a> = Box<dyn Fn(&[Treatment]) -> Vec<Result<Vec<f32>, Abstains>> + Send + Sync + 'a>;

impl Fitted<'_> {
    /// Predictions of those of `treatments` that it says something about, in their order.
    pub fn ask(&self, treatments: &[Treatment]) -> Predictions {
        let (mut known, mut values, mut abstained) = (Vec::new(), Vec::new(), Vec::new());
        for (treatment, answer) in treatments.iter().zip((self.answers)(treatments)) {
            match answer {
                Ok(row) => {
                    known.push(treatment.clone());
                    values.extend(row);
                }
                Err(reason) => abstained.push((treatment.clone(), reason)),
            }
        }
        let profiles = FeatureMatrix::new(self.names.to_vec(), values);
        Predictions { method: self.method.clone(), treatments: known, profiles, abstained }
    }
}

impl Predictor for Fitted<'_> {
    fn method(&self) -> Method {
        self.method.clone()
    }

    fn predict(&self, treatments: &[Treatment]) -> Result<Predictions, PredictError> {
        Ok(self.ask(treatments))
    }
}

/// Consensus profile of each treatment that has rows.
fn consensus(features: &Features, treatments: &Rows) -> BTreeMap<Treatment, Vec<f32>> {
    treatments
        .par_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(treatment, rows)| (treatment.clone(), features.mean_of(rows)))
        .collect()
}

/// Mean of profiles by their weights, summed in `f64`; `None` when nothing has weight.
pub(super) fn weighted_mean<P: AsRef<[f32]>>(members: &[(P, f64)]) -> Option<Vec<f32>> {
    let total: f64 = members.iter().map(|(_, weight)| weight).sum();
    let width = members.first()?.0.as_ref().len();
    if total <= 0.0 {
        return None;
    }
    let mut sums = vec![0.0f64; width];
    for (profile, weight) in members {
        for (sum, &value) in sums.iter_mut().zip(profile.as_ref()) {
            *sum += weight * f64::from(value);
        }
    }
    Some(sums.into_iter().map(|sum| (sum / total) as f32).collect())
}

/// `start + scale * (end - origin)`, feature by feature.
pub(super) fn shifted(start: &[f32], scale: f32, end: &[f32], origin: &[f32]) -> Vec<f32> {
    start.iter().zip(end).zip(origin).map(|((&start, &end), &origin)| start + scale * (end - origin)).collect()
}

#[cfg(test)]
pub(super) mod fixture {
    //! A two-feature screen written row by row, shared by the tests of this room.

    use super::*;
    use crate::screen::{Application, Design, Intervention, Kind, Micromolar, Perturbation, Role, Unit, Units};

    /// A treatment of `(perturbation, µM)` members; a dose of 0 stands for "no dose".
    pub fn treatment(members: &[(&str, f64)], context: &str) -> Treatment {
        let members = members.iter().map(|&(name, dose)| Application {
            perturbation: Perturbation { name: name.to_owned(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        });
        Treatment { intervention: Intervention::of(members), context: context.to_owned() }
    }

    /// A screen of the given `(plate, well, treatment, features)` rows; an empty set is a negative control.
    pub fn screen(rows: &[(&str, &str, Treatment, [f32; 2])]) -> Screen {
        let observations = rows
            .iter()
            .map(|(plate, well, treatment, _)| Unit {
                plate: (*plate).to_owned(),
                well: well.parse().ok(),
                role: if treatment.intervention.is_untreated() { Role::NegativeControl } else { Role::Treatment },
                intervention: treatment.intervention.clone(),
                context: treatment.context.clone(),
                lab_batch: None,
                replicate: None,
                cell_count: None,
            })
            .collect();
        Screen {
            name: "fixture".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(observations, &[]),
            features: FeatureMatrix::numbered("f", 2, rows.iter().flat_map(|row| row.3).collect()).into(),
            labels: vec![],
            dropped: vec![],
            origin: Default::default(),
        }
    }

    /// The treatments of `screen` without `targets`.
    pub fn training(screen: &Screen, targets: &[Treatment]) -> Rows {
        screen.treatments().into_iter().filter(|(treatment, _)| !targets.contains(treatment)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::*;
    use super::*;
    use crate::screen::Design;

    #[test]
    fn control_state_is_the_mean_control_of_the_context_or_zero_for_relative_values() {
        let mut screen = screen(&[
            ("p", "A01", treatment(&[], "x"), [1.0, 2.0]),
            ("q", "A01", treatment(&[], "x"), [3.0, 4.0]),
            ("p", "A02", treatment(&[("a", 1.0)], "y"), [9.0, 9.0]),
        ]);
        assert_eq!(control_states(&screen), BTreeMap::from([("x".to_owned(), vec![2.0, 3.0])]));
        screen.design = Design::Relative;
        assert_eq!(control_states(&screen)["y"], [0.0, 0.0]);
    }

    #[test]
    fn changes_start_from_nothing_in_any_context() {
        let a = treatment(&[("a", 1.0)], "x");
        let changes = FeatureMatrix::numbered("f", 2, vec![1.0, 2.0, 3.0, 6.0]);
        let profiles = Profiles::of_changes(&changes.into(), &BTreeMap::from([(a.clone(), vec![0, 1])]));
        assert_eq!(profiles.training[&a], [2.0, 4.0]);
        assert_eq!(profiles.control("y"), Ok(&vec![0.0, 0.0]));
    }

    #[test]
    fn simple_methods_of_changes_start_from_nothing() {
        let changes = FeatureMatrix::numbered("f", 1, vec![1.0, 3.0, 8.0]);
        let [low, high, other] = [("a", 1.0), ("a", 100.0), ("b", 1.0)].map(|member| treatment(&[member], ""));
        let training = BTreeMap::from([(low, vec![0]), (high, vec![1]), (other, vec![2])]);
        let target = [treatment(&[("a", 10.0)], ""), treatment(&[("a", 1.0), ("b", 1.0)], "")];
        let found = Profiles::of_changes(&changes.into(), &training).simple_predictions(&target);
        let values: Vec<(Method, &[f32])> =
            found.iter().map(|predictions| (predictions.method.clone(), predictions.profiles.values())).collect();
        let expected: [(Method, &[f32]); 5] = [
            (Method::NoChange, &[0.0, 0.0]),
            (Method::MeanShift, &[4.0, 4.0]),
            (Method::NearestDose, &[2.0]),
            (Method::Interpolation, &[2.0]),
            (Method::Additive, &[9.0]),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn who_is_abstained_from_is_told_with_the_reason() {
        let a = treatment(&[("a", 1.0)], "x");
        let screen = screen(&[("p", "A01", a.clone(), [1.0, 2.0])]);
        let profiles = Profiles::of(&screen, &screen.treatments());
        let elsewhere = treatment(&[("a", 1.0)], "y");
        let found = super::super::mean_shift(&profiles).ask(&[elsewhere.clone(), a.clone()]);
        assert_eq!((found.treatments, found.profiles.values()), (vec![a], &[1.0, 2.0][..]));
        assert_eq!(found.abstained[0].0, elsewhere);
        assert_eq!(found.abstained[0].1.to_string(), "no treatment of context `y` is in training");
    }

    #[test]
    fn consensus_is_the_mean_of_the_replicates() {
        let one = treatment(&[("a", 1.0)], "");
        let screen = screen(&[("p", "A01", one.clone(), [1.0, 2.0]), ("q", "A01", one.clone(), [3.0, 6.0])]);
        let truth = measured(&screen.features, &screen.treatments());
        assert_eq!(truth.treatments, [one]);
        assert_eq!(truth.profiles.values(), [2.0, 4.0]);
    }
}
