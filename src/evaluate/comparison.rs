//! Objectives of training against each other on one screen: how often each collapses, what it errs, and what to use.
//!
//! A [`Trial`] is one training: an objective with one value of its knob, on a share of the data, from one seed. It is judged
//! by what it predicts of held-out units in the space of the measurements, never in its own latents, which every objective
//! scales as it likes. Which value of a knob an objective is judged with, the validation units say, for each share anew;
//! test units are scored once. The trials of a seed learn from the same rows.

mod advice;
mod show;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Bootstrap, Estimate, EvaluateError, PairedDifference};
use crate::linear::median;

/// The metric by which settings are chosen and objectives are compared: smaller is better.
pub const ERROR: &str = "error";

/// Whether the right treatment is among the nearest, a share.
pub const RECALL: &str = "recall";

/// Which training it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Share of the training data in percent.
    pub percent: usize,
    /// The objective, or the simple method where nothing was trained.
    pub objective: String,
    /// Its knob with the value, such as `lambda=0.05`; empty where there is none.
    pub setting: String,
    /// Seed of the share, of the weights and of the batches.
    pub seed: u64,
}

/// One score of one held-out unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What was held out: a treatment, a well or a track.
    pub item: String,
    /// The independent unit that it belongs to.
    pub unit: String,
    /// [`ERROR`], or another score of predictions.
    pub metric: String,
    /// The score.
    #[serde(with = "crate::linear::numbers::number")]
    pub value: f64,
}

/// How the latents of held-out rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOutLatents {
    /// Whether their mean spread is below 0.2 or their effective rank below a twentieth of the width.
    pub collapsed: bool,
    /// Effective rank, as a share of the width.
    #[serde(with = "crate::linear::numbers::number")]
    pub rank_share: f64,
    /// Mean standard deviation of a dimension.
    #[serde(with = "crate::linear::numbers::number")]
    pub spread: f64,
    /// SIGReg above that of normal latents.
    #[serde(with = "crate::linear::numbers::number")]
    pub excess_sigreg: f64,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With a model, whose latents of held-out rows lie so.
    Trained(HeldOutLatents),
    /// A loss was no number any more.
    Diverged,
    /// Nothing was trained: a simple method.
    Fitted,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgment {
    /// Which training it was.
    pub trial: Trial,
    /// How it ended.
    pub ending: Ending,
    /// Scores of validation units.
    pub validation: Vec<Judged>,
    /// Scores of test units.
    pub test: Vec<Judged>,
}

impl Judgment {
    /// Whether training failed: its latents collapsed, or a loss is not a number.
    fn failed(&self) -> bool {
        match self.ending {
            Ending::Trained(latents) => latents.collapsed,
            Ending::Diverged => true,
            Ending::Fitted => false,
        }
    }

    fn latents(&self) -> Option<&HeldOutLatents> {
        match &self.ending {
            Ending::Trained(latents) => Some(latents),
            Ending::Diverged | Ending::Fitted => None,
        }
    }
}

/// An objective on a share of the data, with the value of its knob that validation chose.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Share of the training data in percent.
    pub percent: usize,
    /// The objective, or a simple method.
    pub objective: String,
    /// The chosen value of its knob.
    pub setting: String,
    /// Seeds with that value.
    pub n_seeds: usize,
    /// Trainings of any value that failed, and all of them; `None` of a simple method.
    pub failed: Option<(usize, usize)>,
    /// Effective rank of held-out latents as a share of their width, median over seeds.
    pub rank_share: Option<f64>,
    /// SIGReg of held-out latents above that of normal ones, median over seeds.
    pub excess_sigreg: Option<f64>,
    /// Mean score of test units for each metric, each unit's mean over seeds.
    pub scores: BTreeMap<String, Estimate>,
    /// Standard deviation of the mean error over seeds; `None` of a single one.
    pub spread_over_seeds: Option<f64>,
    /// How much larger the validation error is with the worst value of the knob than with the best, as a share.
    pub sensitivity: Option<f64>,
}

/// The error of the first objective less that of another, on the same units of the same seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// Share of the training data in percent.
    pub percent: usize,
    /// The first objective.
    pub objective: String,
    /// The other one, or a simple method.
    pub other: String,
    /// First minus other.
    pub difference: PairedDifference,
}

/// Objectives against each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// By share, the largest first, then in the order in which objectives were asked for.
    pub lines: Vec<Line>,
    /// The first objective against all others, in the same order.
    pub against: Vec<Against>,
}

impl Comparison {
    /// What `judgments` come to, those of an objective in the order of the values of its knob; `order` is that of objectives and methods, the first of them being compared with the others.
    ///
    /// # Errors
    /// When scores are not finite.
    pub fn of(judgments: &[Judgment], order: &[String], bootstrap: &Bootstrap) -> Result<Self, EvaluateError> {
        let percents: BTreeSet<usize> = judgments.iter().map(|judgment| judgment.trial.percent).collect();
        let (mut lines, mut against) = (Vec::new(), Vec::new());
        for &percent in percents.iter().rev() {
            let chosen: Vec<(&String, Chosen)> = order
                .iter()
                .filter_map(|objective| {
                    let own = |judgment: &&Judgment| {
                        judgment.trial.percent == percent && judgment.trial.objective == *objective
                    };
                    Some((objective, Chosen::of(judgments.iter().filter(own).collect())?))
                })
                .collect();
            for (objective, chosen) in &chosen {
                lines.push(chosen.line(percent, objective, bootstrap)?);
            }
            let Some(((objective, first), others)) = chosen.split_first() else { continue };
            for (other, chosen) in others {
                if let Some(difference) = first.against(chosen, bootstrap)? {
                    let (objective, other) = ((*objective).clone(), (*other).clone());
                    against.push(Against { percent, objective, other, difference });
                }
            }
        }
        Ok(Self { lines, against })
    }
}

impl Line {
    /// The mean error of test units.
    pub fn error(&self) -> Option<f64> {
        self.scores.get(ERROR).map(|estimate| estimate.mean)
    }
}

/// The trials of an objective on a share, and those with the chosen value of its knob.
struct Chosen<'a> {
    setting: String,
    with_setting: Vec<&'a Judgment>,
    failed: Option<(usize, usize)>,
    sensitivity: Option<f64>,
}

impl<'a> Chosen<'a> {
    /// `None` of nothing. A value with which a training diverged is chosen last; where no validation unit was answered, the
    /// middle one of the values stands, in the order in which they were tried.
    fn of(all: Vec<&'a Judgment>) -> Option<Self> {
        let mut settings: Vec<(&str, Vec<&Judgment>)> = Vec::new();
        for &judgment in &all {
            let setting = judgment.trial.setting.as_str();
            match settings.iter_mut().find(|(known, _)| *known == setting) {
                Some((_, trials)) => trials.push(judgment),
                None => settings.push((setting, vec![judgment])),
            }
        }
        let error = |trials: &[&Judgment]| -> Option<f64> {
            if trials.iter().any(|judgment| judgment.ending == Ending::Diverged) {
                return Some(f64::INFINITY);
            }
            let errors: Vec<f64> = trials.iter().filter_map(|judgment| mean_error(&judgment.validation)).collect();
            (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
        };
        let errors: Option<Vec<f64>> = settings.iter().map(|(_, trials)| error(trials)).collect();
        let chosen = match &errors {
            Some(errors) => (0..errors.len()).min_by(|&one, &other| errors[one].total_cmp(&errors[other]))?,
            None => settings.len() / 2,
        };
        let sensitivity = errors.filter(|errors| errors.len() > 1).and_then(|errors| {
            let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
            let most = errors.iter().copied().fold(0.0, f64::max);
            (least > 0.0 && least.is_finite()).then_some(most / least - 1.0)
        });
        let (setting, with_setting) = settings.into_iter().nth(chosen)?;
        let is_trained = all.iter().any(|judgment| judgment.ending != Ending::Fitted);
        Some(Self {
            setting: setting.to_owned(),
            with_setting,
            failed: is_trained.then(|| (all.iter().filter(|judgment| judgment.failed()).count(), all.len())),
            sensitivity,
        })
    }

    fn line(&self, percent: usize, objective: &str, bootstrap: &Bootstrap) -> Result<Line, EvaluateError> {
        let metrics: BTreeSet<&str> =
            self.with_setting.iter().flat_map(|trial| &trial.test).map(|judged| judged.metric.as_str()).collect();
        let mut scores = BTreeMap::new();
        for metric in metrics {
            let means: Vec<((&str, &str), f64)> = self.over_seeds(metric, None).into_iter().collect();
            let values: Vec<f64> = means.iter().map(|(_, value)| *value).collect();
            let units: Vec<&str> = means.iter().map(|((unit, _), _)| *unit).collect();
            let estimate = bootstrap.of_metric(metric, &values, &units)?;
            scores.insert(metric.to_owned(), estimate);
        }
        let errors: Vec<f64> = self.with_setting.iter().filter_map(|trial| mean_error(&trial.test)).collect();
        let of_latents = |value: fn(&HeldOutLatents) -> f64| {
            let mut values: Vec<f64> =
                self.with_setting.iter().filter_map(|trial| trial.latents().map(value)).collect();
            (!values.is_empty()).then(|| median(&mut values))
        };
        Ok(Line {
            percent,
            objective: objective.to_owned(),
            setting: self.setting.clone(),
            n_seeds: self.with_setting.len(),
            failed: self.failed,
            rank_share: of_latents(|latents| latents.rank_share),
            excess_sigreg: of_latents(|latents| latents.excess_sigreg),
            scores,
            spread_over_seeds: deviation(&errors),
            sensitivity: self.sensitivity,
        })
    }

    /// The mean over seeds of each test item's score, by unit and item; over `seeds` alone where they are given.
    fn over_seeds(&self, metric: &str, seeds: Option<&BTreeSet<u64>>) -> BTreeMap<(&'a str, &'a str), f64> {
        let mut sums = BTreeMap::<(&str, &str), (f64, f64)>::new();
        for trial in &self.with_setting {
            if seeds.is_some_and(|seeds| !seeds.contains(&trial.trial.seed)) {
                continue;
            }
            for judged in trial.test.iter().filter(|judged| judged.metric == metric) {
                let sum = sums.entry((judged.unit.as_str(), judged.item.as_str())).or_default();
                *sum = (sum.0 + judged.value, sum.1 + 1.0);
            }
        }
        sums.into_iter().map(|(key, (sum, n))| (key, sum / n)).collect()
    }

    /// The paired difference of errors on what both said something of; `None` of nothing.
    fn against(&self, other: &Chosen, bootstrap: &Bootstrap) -> Result<Option<PairedDifference>, EvaluateError> {
        let seeds =
            |chosen: &Chosen| -> BTreeSet<u64> { chosen.with_setting.iter().map(|trial| trial.trial.seed).collect() };
        let shared = &seeds(self) & &seeds(other);
        let (own, theirs) = (self.over_seeds(ERROR, Some(&shared)), other.over_seeds(ERROR, Some(&shared)));
        let both: Vec<(&str, f64, f64)> = own
            .iter()
            .filter_map(|((unit, item), &value)| Some((*unit, value, *theirs.get(&(*unit, *item))?)))
            .collect();
        if both.is_empty() {
            return Ok(None);
        }
        let units: Vec<&str> = both.iter().map(|(unit, _, _)| *unit).collect();
        let (first, second): (Vec<f64>, Vec<f64>) = both.iter().map(|(_, own, theirs)| (*own, *theirs)).unzip();
        Ok(Some(bootstrap.paired_difference(&first, &second, &units)?))
    }
}

fn mean_error(judged: &[Judged]) -> Option<f64> {
    let errors: Vec<f64> = judged.iter().filter(|judged| judged.metric == ERROR).map(|judged| judged.value).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

fn deviation(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.len() > 1).then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests;
