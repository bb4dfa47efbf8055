//! Weights with which methods are combined, from what each said of units that it was not fitted on.
//!
//! A [`Trial`] is one such unit: where it lay for what was fitted without it, who answered, and how far each was off. Of
//! the trials at a place the weights are those, not negative and of sum 1, that leave the least squared error, moved toward
//! the customary method: with b that method, w the weights and κ from 0 to 1, b + κ (w − b). κ is what would have been best
//! where w is fitted without a group of units (the doses of a perturbation) and tried on it, over all groups. They are taken
//! where weights that the other groups leave err less than the customary method on a group that was left out, by more than
//! chance would do, or where there are many groups; few trials, or trials that contradict each other, therefore leave the customary method alone.
//!
//! A method takes part where it answered at least half of the trials, and weights are fitted to trials that all who take
//! part answered, so that no method has a weight where the others could not be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::pair::{Place, Strata};
use crate::predict::{Method, Predictions};
use crate::screen::Treatment;

/// Groups of trials from which weights are fitted, at least: as few as a claim is made on.
const LEAST_GROUPS: usize = 10;

/// Groups at one place that may overrule the customary method where too few doses of a series can be asked; fewer choose
/// nobody.
const LEAST_AGREEING: usize = 5;

/// Groups up to which weights are tested; with fewer, organoids were helped by the test, and with twice as many simulated
/// doses were not.
const MOST_TESTED: usize = 30;

/// What is used where there are too few trials to choose by: the closest look-up that answers.
const CUSTOMARY: [Method; 7] = [
    Method::NeighborDosesShifted,
    Method::DenoisedInterpolation,
    Method::Interpolation,
    Method::Additive,
    Method::OtherContext,
    Method::MeanShift,
    Method::NoChange,
];

/// One unit that was held out, and the products of the errors of those who answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredTrial")]
pub struct Trial {
    place: Place,
    group: String,
    methods: Vec<Method>,
    /// Mean over the unit's values of the product of two methods' errors, for each method those with itself and the methods
    /// before it.
    products: Vec<f32>,
}

/// A trial as a file has it.
#[derive(Deserialize)]
struct StoredTrial {
    place: Place,
    group: String,
    methods: Vec<Method>,
    products: Vec<f32>,
}

impl TryFrom<StoredTrial> for Trial {
    type Error = String;

    fn try_from(StoredTrial { place, group, methods, products }: StoredTrial) -> Result<Self, String> {
        let (n, found) = (methods.len(), products.len());
        match n * (n + 1) / 2 {
            expected if expected == found => Ok(Self { place, group, methods, products }),
            expected => Err(format!("expected {expected} products of the errors of {n} methods, found {found}")),
        }
    }
}

impl Trial {
    /// What methods said of a unit at `place`, one value after the other as in `truth`; units of one `group` are no
    /// independent witnesses.
    ///
    /// # Panics
    /// If a method says more or fewer values than were measured.
    pub fn new<V: Copy + Into<f64>>(place: Place, group: String, said: &[(Method, Vec<V>)], truth: &[V]) -> Self {
        let errors = |values: &Vec<V>| -> Vec<f64> {
            assert_eq!(values.len(), truth.len(), "methods say as many values as are measured");
            values.iter().zip(truth).map(|(&said, &measured)| said.into() - measured.into()).collect()
        };
        let errors: Vec<Vec<f64>> = said.iter().map(|(_, values)| errors(values)).collect();
        let product = |one: &[f64], other: &[f64]| -> f32 {
            let mean = one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>() / truth.len().max(1) as f64;
            mean.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
        };
        let pairs =
            errors.iter().enumerate().flat_map(|(last, one)| errors[..=last].iter().map(move |other| (one, other)));
        let products = pairs.map(|(one, other)| product(one, other)).collect();
        Self { place, group, methods: said.iter().map(|(method, _)| method.clone()).collect(), products }
    }

    /// The trials of the treatments of `truth`, of whom `said` said what, where fitted on what `strata` are against.
    pub fn of_predictions(
        strata: &Strata,
        said: &[&Predictions],
        truth: &Predictions,
        group: &dyn Fn(&Treatment) -> String,
    ) -> Vec<Self> {
        let rows: Vec<BTreeMap<&Treatment, usize>> = said.iter().map(|said| said.rows()).collect();
        let trial = |(row, treatment): (usize, &Treatment)| {
            let said: Vec<(Method, Vec<f32>)> = said
                .iter()
                .zip(&rows)
                .filter_map(|(said, rows)| {
                    Some((said.method.clone(), said.profiles.row(*rows.get(treatment)?).to_vec()))
                })
                .collect();
            Self::new(strata.place(treatment), group(treatment), &said, truth.profiles.row(row))
        };
        truth.treatments.iter().enumerate().map(trial).collect()
    }

    fn answers(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// The products of the errors of `methods`, all of whom answered.
    fn products_of(&self, methods: &[Method]) -> Vec<f64> {
        let index = |method: &Method| self.methods.iter().position(|own| own == method).expect("all of them answered");
        let indices: Vec<usize> = methods.iter().map(index).collect();
        let product = |&one: &usize, &other: &usize| {
            let (more, less) = (one.max(other), one.min(other));
            f64::from(self.products[more * (more + 1) / 2 + less])
        };
        indices.iter().flat_map(|one| indices.iter().map(move |other| product(one, other))).collect()
    }
}

/// How weights came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// From so many groups of units at the same place.
    SamePlace(usize),
    /// From so many groups of units between, below and above the doses of a series, as too few lie at the same place.
    AnyDose(usize),
    /// From so many groups of units at any place.
    AnyPlace(usize),
    /// So many groups of units do not agree on anything better than the customary method.
    Unclear(usize),
    /// Too few units were held out to choose by.
    Customary,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SamePlace(n) => write!(f, "from {n} held-out groups there"),
            Self::AnyDose(n) => write!(f, "from {n} held-out groups at any dose"),
            Self::AnyPlace(n) => write!(f, "from {n} held-out groups at any place"),
            Self::Unclear(n) => write!(f, "nothing is clearly better on {n} held-out groups"),
            Self::Customary => f.write_str("too few to choose by"),
        }
    }
}

/// Methods with their weights, which sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// The methods that have a weight.
    pub weights: Vec<(Method, f64)>,
    /// How the weights came about.
    pub basis: Basis,
}

impl fmt::Display for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (method, weight)) in self.weights.iter().enumerate() {
            write!(f, "{}{weight:.2} {method}", if number > 0 { ", " } else { "" })?;
        }
        write!(f, " ({})", self.basis)
    }
}

/// Trials of methods, asked for the weights of any of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    trials: Vec<Trial>,
}

impl Stack {
    /// What `trials` tell.
    pub fn of(trials: Vec<Trial>) -> Self {
        Self { trials }
    }

    /// Adds those trials of `more` that lay at `places`.
    pub fn extend_at(&mut self, places: &BTreeSet<Place>, more: Self) {
        self.trials.extend(more.trials.into_iter().filter(|trial| places.contains(&trial.place)));
    }

    /// The weights of the methods that answer at `place`; `None` where nobody does.
    ///
    /// Where too few units lay between, below or above the doses of a series, those of all three places tell. Other places
    /// tell of nothing else: what is right next to a single dose was found to be wrong beyond the end of a series.
    pub fn mixture(&self, place: Place, answers: &BTreeSet<Method>) -> Option<Mixture> {
        const OF_SERIES: [Place; 3] = [Place::Interior, Place::Below, Place::Above];
        let here: Vec<&Trial> = self.trials.iter().filter(|trial| trial.place == place).collect();
        let any_dose: Vec<&Trial> = match OF_SERIES.contains(&place) {
            true => self.trials.iter().filter(|trial| OF_SERIES.contains(&trial.place)).collect(),
            false => Vec::new(),
        };
        let customary = || CUSTOMARY.iter().filter(|method| answers.contains(method));
        let asked = [(&here, LEAST_GROUPS), (&any_dose, LEAST_GROUPS), (&here, LEAST_AGREEING)];
        for (number, (trials, least)) in asked.into_iter().enumerate() {
            let comparable = |first: &Method| Some((first.clone(), compared(trials, answers, Some(first), least)?));
            let Some((first, (methods, groups))) = customary().find_map(comparable) else { continue };
            let n_groups = groups.len();
            let basis = if number == 1 { Basis::AnyDose(n_groups) } else { Basis::SamePlace(n_groups) };
            return Some(match agreed(&methods, &groups, &first) {
                Some(weights) => Mixture { weights, basis },
                None => Mixture { weights: customary_at(place, first, answers), basis: Basis::Unclear(n_groups) },
            });
        }
        let first = customary().next().or_else(|| answers.first())?;
        Some(Mixture { weights: customary_at(place, first.clone(), answers), basis: Basis::Customary })
    }

    /// The weights of `first` and of the others that answer, moved toward `first` alone: from units at any place, as the
    /// others were asked of few. `None` where too few were held out, so that `first` stands alone.
    pub fn added_to(&self, first: &Method, answers: &BTreeSet<Method>) -> Option<Mixture> {
        let mut all = answers.clone();
        all.insert(first.clone());
        let trials: Vec<&Trial> = self.trials.iter().filter(|trial| trial.answers(first)).collect();
        let (methods, groups) = compared(&trials, &all, Some(first), LEAST_GROUPS)?;
        let at = methods.iter().position(|method| method == first)?;
        let weights = shrunk(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>(), methods.len(), at);
        Some(Mixture { weights: named(&methods, weights), basis: Basis::AnyPlace(groups.len()) })
    }
}

/// What is used where nothing is chosen: the customary look-up; next to a single dose, of which a look-up says the same however
/// far away the dose is, half of it and half the hierarchical model of effects.
fn customary_at(place: Place, first: Method, answers: &BTreeSet<Method>) -> Vec<(Method, f64)> {
    match place == Place::Single && first != Method::Prior && answers.contains(&Method::Prior) {
        true => vec![(first, 0.5), (Method::Prior, 0.5)],
        false => vec![(first, 1.0)],
    }
}

/// Weights of `methods` by `groups`, moved toward the `customary` one: only where weights that the other groups leave err less
/// on a group that was left out than that method does, by more than chance would do. Of many groups they are taken as they
/// are, since the way from the customary method rests on many too, and small gains are none that a test sees.
fn agreed(methods: &[Method], groups: &[Vec<f64>], customary: &Method) -> Option<Vec<(Method, f64)>> {
    let first = methods.iter().position(|method| method == customary)?;
    let n = methods.len();
    let without = |left_out: Option<usize>| {
        let others = groups.iter().enumerate().filter(|(index, _)| Some(*index) != left_out);
        shrunk(&others.map(|(_, products)| products.as_slice()).collect::<Vec<_>>(), n, first)
    };
    let gain = |left_out: usize| {
        let weights = without(Some(left_out));
        groups[left_out][first * n + first] - bilinear(&groups[left_out], &weights, &weights)
    };
    let is_tested = groups.len() <= MOST_TESTED;
    let is_better = !is_tested || is_above_chance(&(0..groups.len()).into_par_iter().map(gain).collect::<Vec<f64>>());
    is_better.then(|| named(methods, without(None)))
}

/// Whether the mean of `values` is above 0 at a one-sided level of 5 %, by Student's t.
fn is_above_chance(values: &[f64]) -> bool {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let Ok(student) = StudentsT::new(0.0, 1.0, n - 1.0) else { return false };
    mean > student.inverse_cdf(0.95) * (variance / n).sqrt()
}

/// The methods that `least` groups compare, with the products of their errors, `[method, method]`, in each group; without
/// those who answered least, but with `first` in any case.
fn compared(
    trials: &[&Trial],
    candidates: &BTreeSet<Method>,
    first: Option<&Method>,
    least: usize,
) -> Option<(Vec<Method>, Vec<Vec<f64>>)> {
    let n_answered = |method: &Method| trials.iter().filter(|trial| trial.answers(method)).count();
    let mut methods: Vec<Method> =
        candidates.iter().filter(|method| 2 * n_answered(method) >= trials.len().max(1)).cloned().collect();
    loop {
        if methods.is_empty() || first.is_some_and(|first| !methods.contains(first)) {
            return None;
        }
        let shared: Vec<&&Trial> =
            trials.iter().filter(|trial| methods.iter().all(|method| trial.answers(method))).collect();
        let mut groups = BTreeMap::<&str, Vec<f64>>::new();
        for trial in &shared {
            let sums = groups.entry(trial.group.as_str()).or_insert_with(|| vec![0.0; methods.len().pow(2)]);
            sums.iter_mut().zip(trial.products_of(&methods)).for_each(|(sum, product)| *sum += product);
        }
        if groups.len() >= least {
            return Some((methods, groups.into_values().collect()));
        }
        // Whoever answered least leaves first.
        let rarest = (0..methods.len())
            .filter(|&index| Some(&methods[index]) != first)
            .min_by_key(|&index| n_answered(&methods[index]))?;
        methods.remove(rarest);
    }
}

/// The methods with a weight, which sum to 1.
fn named(methods: &[Method], weights: Vec<f64>) -> Vec<(Method, f64)> {
    let mut weights: Vec<(Method, f64)> =
        methods.iter().cloned().zip(weights).filter(|(_, weight)| *weight > 1e-3).collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.iter_mut().for_each(|(_, weight)| *weight /= total);
    weights
}

/// Least-squares weights over `groups`, moved toward `first` as far as groups that are left out say.
fn shrunk(groups: &[&[f64]], n: usize, first: usize) -> Vec<f64> {
    let total: Vec<f64> = (0..n * n).map(|at| groups.iter().map(|products| products[at]).sum()).collect();
    let mut base = vec![0.0; n];
    base[first] = 1.0;
    let step = |products: &[f64]| -> Vec<f64> {
        least_squares(products, base.clone()).iter().zip(&base).map(|(weight, base)| weight - base).collect()
    };
    let (mut along, mut square) = (0.0, 0.0);
    for products in groups {
        let others: Vec<f64> = total.iter().zip(*products).map(|(all, own)| all - own).collect();
        let step = step(&others);
        along -= bilinear(products, &base, &step);
        square += bilinear(products, &step, &step);
    }
    let kept = if square > 0.0 { (along / square).clamp(0.0, 1.0) } else { 0.0 };
    base.iter().zip(step(&total)).map(|(base, step)| base + kept * step).collect()
}

fn bilinear(products: &[f64], left: &[f64], right: &[f64]) -> f64 {
    let n = left.len();
    (0..n).map(|row| left[row] * (0..n).map(|column| products[row * n + column] * right[column]).sum::<f64>()).sum()
}

/// Times that weight is moved from one method to another, at most.
const MOST_MOVES: usize = 2000;

/// The weights, not negative and of sum 1, with the least squared error, from `weights` on: weight is moved from the
/// method whose share costs most to the one whose costs least, each time as far as is best, until nothing is gained.
fn least_squares(products: &[f64], mut weights: Vec<f64>) -> Vec<f64> {
    let n = weights.len();
    let scale = (0..n).map(|index| products[index * n + index]).fold(0.0, f64::max);
    for _ in 0..MOST_MOVES {
        let cost: Vec<f64> =
            (0..n).map(|row| (0..n).map(|column| products[row * n + column] * weights[column]).sum()).collect();
        let to = (0..n).min_by(|&a, &b| cost[a].total_cmp(&cost[b])).expect("there are methods");
        let held = (0..n).filter(|&index| weights[index] > 0.0);
        let from = held.max_by(|&a, &b| cost[a].total_cmp(&cost[b])).expect("weights sum to 1");
        let gain = cost[from] - cost[to];
        if gain <= 1e-10 * scale {
            break;
        }
        let curve = products[from * n + from] + products[to * n + to] - 2.0 * products[from * n + to];
        let most = weights[from];
        let moved = if curve > 0.0 { (gain / curve).min(most) } else { most };
        weights[from] -= moved;
        weights[to] += moved;
    }
    weights
}

#[cfg(test)]
mod tests;
