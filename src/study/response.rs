//! Mean responses of training tracks, and of the doses around one that was not measured.

use std::collections::BTreeMap;

use crate::pair::{Anchor, anchor_of};
use crate::screen::{Schedule, Treatment};

/// Whether a mean is of the values as they are, or of what they are above each track's beginning.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mean {
    Plain,
    Shifted,
}

/// Mean over tracks at each time.
#[derive(Default)]
pub(super) struct MeanResponse {
    /// Sum of values, sum of values above the beginning, and number, by time in thousandths of a minute.
    times: BTreeMap<i64, (f64, f64, f64)>,
}

impl MeanResponse {
    pub fn of(schedules: &[&Schedule], seen: f64) -> Self {
        let mut times = BTreeMap::<i64, (f64, f64, f64)>::new();
        for schedule in schedules {
            let Some(own) = beginning(schedule, seen) else { continue };
            for (minutes, value) in schedule.minutes.iter().zip(&schedule.measured) {
                if let Some(value) = value {
                    let (plain, shifted, n) = times.entry(key(*minutes)).or_default();
                    *plain += value;
                    *shifted += value - own;
                    *n += 1.0;
                }
            }
        }
        Self { times }
    }

    pub fn at(&self, minutes: f64, mean: Mean) -> Option<f64> {
        let (plain, shifted, n) = self.times.get(&key(minutes))?;
        Some(if mean == Mean::Plain { plain / n } else { shifted / n })
    }
}

fn key(minutes: f64) -> i64 {
    (minutes * 1e3).round() as i64
}

/// Mean responses of the training tracks.
pub(super) struct Responses {
    pub overall: MeanResponse,
    pub treatments: Vec<Treatment>,
    by_treatment: Vec<MeanResponse>,
}

impl Responses {
    pub fn of(training: &[&Schedule], seen: f64) -> Self {
        let mut groups = BTreeMap::<Treatment, Vec<&Schedule>>::new();
        for schedule in training {
            groups.entry(schedule.treatment.clone()).or_default().push(schedule);
        }
        let by_treatment = groups.values().map(|schedules| MeanResponse::of(schedules, seen)).collect();
        Self { overall: MeanResponse::of(training, seen), treatments: groups.into_keys().collect(), by_treatment }
    }

    pub fn anchor(&self, treatment: &Treatment) -> Anchor {
        anchor_of(treatment, &self.treatments)
    }

    /// The interpolation in log dose between the training doses around, or the nearest one at the edge.
    pub fn neighbors(&self, anchor: &Anchor, minutes: f64, mean: Mean) -> Option<f64> {
        if !anchor.exists() {
            return None;
        }
        let parts = anchor.weights.iter();
        parts.map(|&(index, weight)| Some(weight * self.by_treatment[index].at(minutes, mean)?)).sum()
    }
}

/// Positions of the times after those that are seen.
pub(super) fn later(schedule: &Schedule, seen: f64) -> std::ops::Range<usize> {
    schedule.minutes.partition_point(|&minutes| minutes <= seen)..schedule.minutes.len()
}

/// The mean of what was seen of a track.
pub(super) fn beginning(schedule: &Schedule, seen: f64) -> Option<f64> {
    let values: Vec<f64> = schedule.measured[..later(schedule, seen).start].iter().flatten().copied().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
