//! Tracks along which interventions change in time.

use std::collections::BTreeMap;

use super::Source;
use crate::pair::pair_set::nothing_to_train;
use crate::pair::transitions::Transition;
use crate::pair::{Anchor, Anchoring, PairError, PairSet, Part, Path, Split, Validation};
use crate::screen::{Intervention, Role, Schedule, Screen, Track, Treatment};

/// The tracks, and what was present along each.
#[derive(Clone, Copy)]
pub(super) struct Schedules<'a> {
    pub(super) tracks: &'a [Track],
    pub(super) schedules: &'a [Schedule],
}

impl Source for Schedules<'_> {
    /// Stretches of `n_steps` of every training track, from time to time of its grid.
    fn pairs(&self, screen: &Screen, split: &Split, rollout: usize) -> Result<PairSet, PairError> {
        let (Self { tracks, schedules }, n_steps) = (*self, rollout);
        let of_part = |part: Part| {
            let pairs = tracks.iter().zip(schedules);
            pairs.filter(move |(track, _)| split.part(track.first()) == part)
        };
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        let mut untreated = BTreeMap::<&str, Vec<usize>>::new();
        let mut present = BTreeMap::<Treatment, usize>::new();
        for (track, schedule) in of_part(Part::Train) {
            for &row in &track.rows {
                let observation = screen.unit(row);
                if observation.intervention.is_untreated() {
                    untreated.entry(&observation.plate).or_default().push(row);
                }
            }
            rows.entry(schedule.treatment.clone()).or_default().extend(&track.rows);
            present.extend(present_along(schedule).map(|set| (set, 0)));
        }
        if rows.is_empty() {
            return Err(nothing_to_train(screen));
        }
        present.values_mut().zip(0..).for_each(|(index, position)| *index = position);
        let (treatments, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let mut paths = vec![Vec::new(); treatments.len()];
        for (_, schedule) in of_part(Part::Train) {
            let treatment =
                treatments.binary_search(&schedule.treatment).expect("every training track gave its treatment");
            let present = present_along(schedule).map(|set| present[&set]).collect();
            let path = Path::along(&schedule.rows, origin(schedule), treatment, present, n_steps);
            paths[treatment].extend((path.n_episodes() > 0).then_some(path));
        }
        if paths.iter().all(Vec::is_empty) {
            return Err(PairError::NoRollout { steps: n_steps });
        }
        let validation = of_part(Part::Validation).map(|(_, schedule)| {
            let origin = origin(schedule);
            let rows_at = |at: usize| schedule.rows[at].into_iter().collect::<Vec<_>>();
            let steps = present_along(schedule).enumerate().skip(origin);
            Validation {
                start: vec![rows_at(origin)],
                steps: steps.map(|(at, present)| (present, rows_at(at + 1))).collect(),
            }
        });
        let validation = validation.collect();
        Ok(PairSet {
            anchors: vec![Anchor::NONE; treatments.len()],
            lower_doses: vec![Vec::new(); treatments.len()],
            treatments,
            rows,
            present: present.into_keys().collect(),
            n_steps,
            grid_hours: grid_hours(schedules),
            paths,
            controls: BTreeMap::new(),
            untreated: untreated.into_values().flatten().collect(),
            units: BTreeMap::new(),
            anchoring: Anchoring::Between,
            validation,
        })
    }

    /// From every time of a track to the next.
    fn transitions(&self, screen: &Screen, split: &Split) -> Vec<Transition> {
        let mut all = Vec::new();
        for schedule in self.schedules {
            for (at, present) in schedule.present.iter().enumerate() {
                let (Some(earlier), Some(later)) = (schedule.rows[at], schedule.rows[at + 1]) else { continue };
                all.push(Transition {
                    part: split.part(later),
                    start: "earlier time",
                    start_intervention: match screen.unit(earlier).role {
                        Role::NegativeControl => Intervention::untreated(),
                        _ => screen.unit(earlier).intervention.clone(),
                    },
                    start_rows: vec![earlier],
                    applied: present.clone(),
                    target_rows: vec![later],
                });
            }
        }
        all
    }
}

/// The last time with a row before anything was present; the first with a row where something always was.
fn origin(schedule: &Schedule) -> usize {
    let onset = schedule.present.iter().position(|set| !set.is_untreated()).unwrap_or(0);
    let with_row = |at: &usize| schedule.rows[*at].is_some();
    let first = || (0..schedule.rows.len()).find(with_row);
    (0..=onset).rev().find(with_row).or_else(first).unwrap_or(0)
}

/// What was present after each time of a schedule, in its context.
fn present_along(schedule: &Schedule) -> impl Iterator<Item = Treatment> {
    let context = &schedule.treatment.context;
    schedule.present.iter().map(|set| Treatment { intervention: set.clone(), context: context.clone() })
}

/// Hours between the first two times of the first of `schedules`, which share their grid.
fn grid_hours(schedules: &[Schedule]) -> Option<f64> {
    match schedules.first()?.minutes.as_slice() {
        [first, second, ..] => Some((second - first) / 60.0),
        _ => None,
    }
}
