//! What the tracks of training say of a track: their mean responses, and those of the doses around one that was not measured.
//!
//! The *beginning* of a track is the mean of what is seen of it; a response may be told as it is, or above the beginning.

use std::collections::{BTreeMap, BTreeSet};

use crate::pair::{Anchor, anchor_of};
use crate::screen::{Schedule, Treatment};

/// Whether a mean is of the values as they are, or of what they are above each track's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mean {
    /// Of the values.
    Plain,
    /// Of what they are above the beginning.
    Shifted,
}

/// Mean over tracks at each time.
#[derive(Debug, Clone, Default)]
pub struct MeanResponse {
    /// Sum of values, sum of values above the beginning, and number, by time in thousandths of a minute.
    times: BTreeMap<i64, (f64, f64, f64)>,
}

impl MeanResponse {
    /// The mean of tracks of which the first `seen` minutes are seen; a track without a value in them takes no part.
    pub fn of(schedules: &[&Schedule], seen: f64) -> Self {
        let mut times = BTreeMap::<i64, (f64, f64, f64)>::new();
        for schedule in schedules {
            let Some(own) = schedule.mean_until(seen) else { continue };
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

    /// The mean at a time; `None` where no track has a value.
    pub fn at(&self, minutes: f64, mean: Mean) -> Option<f64> {
        let (plain, shifted, n) = self.times.get(&key(minutes))?;
        Some(if mean == Mean::Plain { plain / n } else { shifted / n })
    }
}

fn key(minutes: f64) -> i64 {
    (minutes * 1e3).round() as i64
}

/// Mean responses of the training tracks.
#[derive(Debug, Clone)]
pub struct Responses {
    /// Over all of them.
    pub overall: MeanResponse,
    /// What they got, sorted.
    pub treatments: Vec<Treatment>,
    by_treatment: Vec<MeanResponse>,
}

impl Responses {
    /// The mean responses of `training`, of which the first `seen` minutes are seen.
    pub fn of(training: &[&Schedule], seen: f64) -> Self {
        let mut groups = BTreeMap::<Treatment, Vec<&Schedule>>::new();
        for schedule in training {
            groups.entry(schedule.treatment.clone()).or_default().push(schedule);
        }
        let by_treatment = groups.values().map(|schedules| MeanResponse::of(schedules, seen)).collect();
        Self { overall: MeanResponse::of(training, seen), treatments: groups.into_keys().collect(), by_treatment }
    }

    /// The training doses around a treatment.
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

/// The fields of each treatment in two halves, by their order: what the mean of the one says of the other is what repeating
/// the experiment would say.
pub fn halves(schedules: &[&Schedule]) -> [BTreeSet<String>; 2] {
    let mut fields = BTreeMap::<&Treatment, BTreeSet<&String>>::new();
    for schedule in schedules {
        fields.entry(&schedule.treatment).or_default().insert(&schedule.field);
    }
    let mut halves = [BTreeSet::new(), BTreeSet::new()];
    for fields in fields.values() {
        for (number, field) in fields.iter().enumerate() {
            halves[number % 2].insert((*field).clone());
        }
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::treatment;
    use super::*;

    /// A track of a dose with values at 0, 5, 10 … minutes.
    fn track(field: &str, dose: f64, measured: &[Option<f64>]) -> Schedule {
        Schedule {
            field: field.into(),
            track: "1".into(),
            minutes: (0..measured.len()).map(|step| 5.0 * step as f64).collect(),
            measured: measured.to_vec(),
            rows: vec![None; measured.len()],
            present: Vec::new(),
            treatment: treatment(&[("a", dose)], ""),
        }
    }

    #[test]
    fn a_mean_is_over_the_tracks_that_have_a_value_then() {
        let one = track("f", 1.0, &[Some(1.0), Some(3.0), Some(8.0)]);
        let other = track("g", 1.0, &[Some(4.0), None, Some(2.0)]);
        let unseen = track("h", 1.0, &[None, None, Some(99.0)]);
        // Up to 5 minutes are seen: the beginnings are 2 and 4.
        let mean = MeanResponse::of(&[&one, &other, &unseen], 5.0);
        assert_eq!(mean.at(10.0, Mean::Plain), Some(5.0));
        assert_eq!(mean.at(10.0, Mean::Shifted), Some(2.0));
        assert_eq!(mean.at(5.0, Mean::Shifted), Some(1.0));
        assert_eq!(mean.at(15.0, Mean::Plain), None);
        assert_eq!(one.after(5.0), 2..3);
        assert_eq!((other.mean_until(5.0), unseen.mean_until(5.0)), (Some(4.0), None));
    }

    #[test]
    fn between_two_doses_the_response_is_linear_in_log_dose() {
        let low = track("f", 1.0, &[Some(0.0), Some(2.0)]);
        let high = track("g", 100.0, &[Some(10.0), Some(16.0)]);
        let responses = Responses::of(&[&low, &high], 0.0);
        let check = |dose: f64, plain: Option<f64>, shifted: Option<f64>| {
            let anchor = responses.anchor(&treatment(&[("a", dose)], ""));
            assert_eq!(responses.neighbors(&anchor, 5.0, Mean::Plain), plain, "{dose}");
            assert_eq!(responses.neighbors(&anchor, 5.0, Mean::Shifted), shifted, "{dose}");
        };
        check(10.0, Some(9.0), Some(4.0));
        check(1000.0, Some(16.0), Some(6.0));
        let elsewhere = responses.anchor(&treatment(&[("b", 10.0)], ""));
        assert_eq!(responses.neighbors(&elsewhere, 5.0, Mean::Plain), None);
    }

    #[test]
    fn fields_of_a_treatment_are_split_in_turn() {
        let tracks: Vec<Schedule> = ["c", "a", "b", "a"].iter().map(|field| track(field, 1.0, &[])).collect();
        let other = track("d", 2.0, &[]);
        let all: Vec<&Schedule> = tracks.iter().chain([&other]).collect();
        let [first, second] = halves(&all);
        assert_eq!(first.into_iter().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert_eq!(second.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
