//! The scores of every item by every predictor, and where they lie between the anchors.

use std::collections::BTreeMap;

use super::matched::Matched;
use super::{Metric, Predictor};
use crate::evaluate::Bootstrap;

/// Scores of items; `None` where one is undefined.
pub(super) struct Scored {
    /// What scores are of, in the order of the items.
    pub by: BTreeMap<(Metric, Predictor), Vec<Option<f64>>>,
    /// The mean response against the half that the duplicate is scored against.
    pub on_halves: BTreeMap<Metric, Vec<Option<f64>>>,
    /// The independent unit of each item.
    pub units: Vec<String>,
}

/// Where a score lies between the mean response and the duplicate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaled {
    /// 0 as good as the mean response, 1 as good as the duplicate.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

impl Scored {
    pub fn new(matched: &Matched) -> Self {
        let units = matched.items.iter().map(|item| item.response.perturbation.clone()).collect();
        Self { by: BTreeMap::new(), on_halves: BTreeMap::new(), units }
    }

    /// Keeps the scores of a predictor by some metrics, which stand in their order for each item.
    pub fn put<const N: usize>(&mut self, metrics: [Metric; N], predictor: Predictor, values: &[[Option<f64>; N]]) {
        for (place, metric) in metrics.into_iter().enumerate() {
            self.by.insert((metric, predictor), values.iter().map(|values| values[place]).collect());
        }
    }

    /// Keeps the scores of the mean response against halves.
    pub fn put_on_halves<const N: usize>(&mut self, metrics: [Metric; N], values: &[[Option<f64>; N]]) {
        for (place, metric) in metrics.into_iter().enumerate() {
            self.on_halves.insert(metric, values.iter().map(|values| values[place]).collect());
        }
    }

    /// The scores of a predictor that are defined, with their units.
    pub fn defined(&self, metric: Metric, predictor: Predictor) -> (Vec<f64>, Vec<&str>) {
        let values = self.by.get(&(metric, predictor)).into_iter().flatten().zip(&self.units);
        values.filter_map(|(value, unit)| Some(((*value)?, unit.as_str()))).unzip()
    }

    /// Where the mean score of a predictor lies between the anchors; `None` where the duplicate is not better than the mean
    /// response.
    pub fn scaled(&self, metric: Metric, predictor: Predictor, bootstrap: &Bootstrap) -> Option<Scaled> {
        let of = |predictor| self.by.get(&(metric, predictor));
        let (own, zero, one) = (of(predictor)?, of(Predictor::MeanResponse)?, of(Predictor::Duplicate)?);
        let mut scores = Vec::new();
        let mut units = Vec::new();
        for (((own, zero), one), unit) in own.iter().zip(zero).zip(one).zip(&self.units) {
            if let (Some(own), Some(zero), Some(one)) = (own, zero, one) {
                scores.push([*own, *zero, *one]);
                units.push(unit);
            }
        }
        let of_drawn = |drawn: &[usize]| {
            let mean = |place: usize| drawn.iter().map(|&item| scores[item][place]).sum::<f64>() / drawn.len() as f64;
            let (own, zero, one) = (mean(0), mean(1), mean(2));
            let range = if metric.is_error() { zero - one } else { one - zero };
            let gain = if metric.is_error() { zero - own } else { own - zero };
            (range > 1e-12 * zero.abs().max(one.abs())).then(|| gain / range)
        };
        let all: Vec<usize> = (0..scores.len()).collect();
        let value = of_drawn(&all).filter(|value| value.is_finite())?;
        Some(Scaled { value, interval: bootstrap.interval_of(&units, of_drawn) })
    }

    /// Of each item whether the duplicate is better than the mean response at the same half: 1, 0, or 0.5 where they tie.
    pub fn duplicate_wins(&self, metric: Metric) -> (Vec<f64>, Vec<&str>) {
        let (Some(duplicate), Some(mean)) = (self.by.get(&(metric, Predictor::Duplicate)), self.on_halves.get(&metric))
        else {
            return (Vec::new(), Vec::new());
        };
        let wins = |(duplicate, mean): (&Option<f64>, &Option<f64>)| {
            let (duplicate, mean) = ((*duplicate)?, (*mean)?);
            let gain = if metric.is_error() { mean - duplicate } else { duplicate - mean };
            Some(if gain == 0.0 { 0.5 } else { f64::from(u8::from(gain > 0.0)) })
        };
        let pairs = duplicate.iter().zip(mean).zip(&self.units);
        pairs.filter_map(|(pair, unit)| Some((wins(pair)?, unit.as_str()))).unzip()
    }
}
