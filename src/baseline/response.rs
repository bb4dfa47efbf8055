//! What the tracks of training say of a track: their mean responses, and those of the doses around one that was not measured.
//!
//! The *beginning* of a track is the mean of what is seen of it; a response may be told as it is, or above the beginning.

use std::collections::{BTreeMap, BTreeSet};

use crate::pair::{Anchor, anchor_of};
use crate::predict::Method;
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

/// The measured number of a track at every time after what is seen of it; `None` where a method abstains.
pub type TrackValues = Vec<Option<f64>>;

impl Responses {
    /// What simple methods say of a track after its first `seen` minutes.
    pub fn simple_tracks(&self, schedule: &Schedule, seen: f64) -> Vec<(Method, TrackValues)> {
        let told = Told { schedule, seen };
        let anchor = self.anchor(&schedule.treatment);
        let overall = |mean| told.of(mean, &|minutes| self.overall.at(minutes, mean));
        let neighbors = |mean| told.of(mean, &|minutes| self.neighbors(&anchor, minutes, mean));
        let constant = |value: Option<f64>| vec![value; schedule.after(seen).len()];
        let last = schedule.measured[..schedule.after(seen).start].iter().rev().find_map(|value| *value);
        vec![
            (Method::NoChange, constant(last)),
            (Method::StartMean, constant(schedule.mean_until(seen))),
            (Method::MeanResponse, overall(Mean::Plain)),
            (Method::MeanResponseShifted, overall(Mean::Shifted)),
            (Method::NeighborDoses, neighbors(Mean::Plain)),
            (Method::NeighborDosesShifted, neighbors(Mean::Shifted)),
        ]
    }
}

/// What repeating the experiment says of a track: the mean over the tracks of its treatment in the other half of the fields.
pub fn replicate_tracks(
    schedule: &Schedule,
    all: &[&Schedule],
    halves: &[BTreeSet<String>; 2],
    seen: f64,
) -> [(Method, TrackValues); 2] {
    let other_halves = halves.iter().filter(|half| !half.contains(&schedule.field));
    let of_half = |half| {
        let is_replicate = move |other: &&&Schedule| {
            let half: &BTreeSet<String> = half;
            other.treatment == schedule.treatment && half.contains(&other.field)
        };
        all.iter().filter(is_replicate).copied()
    };
    let other: Vec<&Schedule> = other_halves.flat_map(of_half).collect();
    let replicate = MeanResponse::of(&other, seen);
    let told = Told { schedule, seen };
    [(Method::Replicate, Mean::Plain), (Method::ReplicateShifted, Mean::Shifted)]
        .map(|(method, mean)| (method, told.of(mean, &|minutes| replicate.at(minutes, mean))))
}

/// A track of which a response is told.
struct Told<'a> {
    schedule: &'a Schedule,
    seen: f64,
}

impl Told<'_> {
    /// The response at the times after what is seen; what is told above the beginning is put on the track's own.
    fn of(&self, mean: Mean, response: &dyn Fn(f64) -> Option<f64>) -> TrackValues {
        let own = self.schedule.mean_until(self.seen);
        let at = |at: usize| match mean {
            Mean::Plain => response(self.schedule.minutes[at]),
            Mean::Shifted => Some(own? + response(self.schedule.minutes[at])?),
        };
        self.schedule.after(self.seen).map(at).collect()
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
    fn a_track_goes_on_from_its_own_beginning() {
        let low = track("f", 1.0, &[Some(0.0), Some(2.0)]);
        let high = track("g", 100.0, &[Some(10.0), Some(16.0)]);
        let responses = Responses::of(&[&low, &high], 0.0);
        let own = track("h", 10.0, &[Some(7.0), Some(99.0)]);
        let expected = [
            (Method::NoChange, 7.0),
            (Method::StartMean, 7.0),
            (Method::MeanResponse, 9.0),
            (Method::MeanResponseShifted, 11.0),
            (Method::NeighborDoses, 9.0),
            (Method::NeighborDosesShifted, 11.0),
        ];
        assert_eq!(responses.simple_tracks(&own, 0.0), expected.map(|(method, value)| (method, vec![Some(value)])));
    }

    #[test]
    fn a_replicate_is_of_the_same_treatment_in_the_other_half() {
        let own = track("a", 1.0, &[Some(5.0), Some(0.0)]);
        let beside = track("a", 1.0, &[Some(50.0), Some(50.0)]);
        let twin = track("b", 1.0, &[Some(1.0), Some(4.0)]);
        let stranger = track("b", 2.0, &[Some(70.0), Some(70.0)]);
        let all = [&own, &beside, &twin, &stranger];
        let found = replicate_tracks(&own, &all, &halves(&all), 0.0);
        assert_eq!(found, [(Method::Replicate, vec![Some(4.0)]), (Method::ReplicateShifted, vec![Some(8.0)])]);
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
