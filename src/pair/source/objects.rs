//! Objects that were followed under one intervention each.

use std::collections::BTreeMap;

use super::Source;
use crate::pair::pair_set::{anchors, nothing_to_train};
use crate::pair::transitions::Transition;
use crate::pair::{Anchoring, PairError, PairSet, Part, Path, Split, State, Validation};
use crate::screen::{Screen, Track, Treatment};

/// The objects.
pub(super) struct Objects<'a> {
    pub(super) tracks: &'a [Track],
}

impl Source for Objects<'_> {
    /// From every earlier to every later frame of every training object; the step's intervention is that of the object for as
    /// long as the two are apart.
    fn pairs(&self, screen: &Screen, split: &Split, _rollout: usize) -> Result<PairSet, PairError> {
        let tracks = self.tracks;
        let hours = |row: usize| screen.unit(row).intervention.hours().unwrap_or(0.0);
        let mut steps = BTreeMap::<Treatment, Vec<(usize, usize)>>::new();
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        let mut first_rows = BTreeMap::<&str, Vec<usize>>::new();
        let is_training = |track: &&Track| split.part(track.first()) == Part::Train;
        for track in tracks.iter().filter(is_training) {
            first_rows.entry(&screen.unit(track.first()).plate).or_default().push(track.first());
            for (position, &later) in track.rows.iter().enumerate().skip(1) {
                let treatment = screen.unit(later).treatment();
                for &earlier in &track.rows[..position] {
                    let apart = treatment.intervention.clone().lasting(hours(later) - hours(earlier));
                    let step = Treatment { intervention: apart, context: treatment.context.clone() };
                    steps.entry(step).or_default().push((earlier, later));
                }
                rows.entry(treatment).or_default().push(later);
            }
        }
        if steps.is_empty() {
            return Err(nothing_to_train(screen));
        }
        let (treatments, steps): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        // Of a length that no frame has from the start on, the later rows of its steps.
        let later_rows = |steps: &Vec<(usize, usize)>| steps.iter().map(|&(_, later)| later).collect();
        let of_treatment = treatments.iter().zip(&steps);
        let rows = of_treatment.map(|(treatment, steps)| rows.remove(treatment).unwrap_or_else(|| later_rows(steps)));
        let rows = rows.collect();
        let paths = steps.iter().enumerate().map(|(treatment, steps)| {
            let path = |&(earlier, later): &(usize, usize)| Path::of_step(treatment, State::Unit(earlier), later);
            steps.iter().map(path).collect()
        });
        let paths = paths.collect();
        let first_of: BTreeMap<usize, usize> =
            tracks.iter().flat_map(|track| track.later().iter().map(|&later| (later, track.first()))).collect();
        let validation = split.treatments(screen, Part::Validation).into_iter().map(|(treatment, rows)| {
            let first = rows.iter().filter_map(|row| first_of.get(row).copied()).collect();
            Validation { start: vec![first], steps: vec![(treatment, rows)] }
        });
        let validation = validation.collect();
        let anchoring = Anchoring::Added;
        Ok(PairSet {
            anchors: anchors(anchoring, &treatments),
            present: treatments.clone(),
            n_steps: 1,
            grid_hours: None,
            lower_doses: vec![Vec::new(); treatments.len()],
            treatments,
            rows,
            paths,
            controls: BTreeMap::new(),
            untreated: first_rows.into_values().flatten().collect(),
            units: BTreeMap::new(),
            anchoring,
            validation,
        })
    }

    /// From every earlier to every later frame of an object.
    fn transitions(&self, screen: &Screen, split: &Split) -> Vec<Transition> {
        let hours = |row: usize| screen.unit(row).intervention.hours().unwrap_or(0.0);
        let mut all = Vec::new();
        for track in self.tracks {
            for (position, &later) in track.rows.iter().enumerate().skip(1) {
                let applied = &screen.unit(later).intervention;
                all.extend(track.rows[..position].iter().map(|&earlier| Transition {
                    part: split.part(later),
                    start: "earlier frame",
                    start_intervention: screen.unit(earlier).intervention.clone(),
                    start_rows: vec![earlier],
                    applied: applied.clone().lasting(hours(later) - hours(earlier)),
                    target_rows: vec![later],
                }));
            }
        }
        all
    }
}
