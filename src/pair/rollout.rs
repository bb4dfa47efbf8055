//! Trajectories whose interventions change: stretches of tracks that are predicted step by step, open loop.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{
    Anchor, Batch, PairConfig, PairError, PairSet, Part, Split, Start, Transition, Vocabulary, anchor, anchor_of,
};
use crate::screen::{Course, Screen, TimeLapse, Treatment};

/// Steps of a trajectory start from the latent before them.
const NO_ANCHOR: &Anchor = &Anchor::NONE;

/// The tracks of a time lapse on their grids of times.
#[derive(Debug, Clone, Default)]
pub struct Rollouts {
    /// Steps predicted one after the other in training.
    pub steps: usize,
    /// Training tracks.
    pub training: Vec<Trajectory>,
    /// Validation tracks.
    pub validation: Vec<Trajectory>,
}

/// One track: a row of the screen, or none, at each time, and what was present between.
#[derive(Debug, Clone)]
pub struct Trajectory {
    /// Index in [`PairSet::treatments`] for training tracks.
    condition: usize,
    /// The row of the screen at each time; `None` where there is none.
    pub rows: Vec<Option<usize>>,
    /// What was present between each time and the next; one fewer than times.
    pub present: Vec<Treatment>,
    /// Times from which all rows of a roll-out are there.
    starts: Vec<usize>,
    /// The last time with a row before anything was present; the first with a row where something always was.
    pub origin: usize,
}

impl Trajectory {
    fn of(course: &Course, condition: usize, steps: usize) -> Self {
        let context = &course.treatment.context;
        let present = course.present.iter();
        let present: Vec<Treatment> =
            present.map(|set| Treatment { intervention: set.clone(), context: context.clone() }).collect();
        let n_times = course.rows.len();
        let is_whole = |&start: &usize| course.rows[start..=start + steps].iter().all(Option::is_some);
        let starts: Vec<usize> = (0..n_times.saturating_sub(steps)).filter(is_whole).collect();
        let onset = course.present.iter().position(|set| !set.is_untreated()).unwrap_or(0);
        let with_row = |at: &usize| course.rows[*at].is_some();
        let origin = (0..=onset).rev().find(with_row).or_else(|| (0..n_times).find(with_row)).unwrap_or(0);
        Self { condition, rows: course.rows.clone(), present, starts, origin }
    }
}

impl PairSet {
    /// The training tracks of a time lapse in which what is present changes, to be rolled out over `steps` steps.
    ///
    /// Treatments are what tracks were to get over all of their time.
    ///
    /// # Errors
    /// When nothing is left to train on, or no training track has `steps` steps without a gap.
    pub fn of_courses(lapse: &TimeLapse, courses: &[Course], split: &Split, steps: usize) -> Result<Self, PairError> {
        let screen = &lapse.screen;
        let mut rows = BTreeMap::<Treatment, Vec<usize>>::new();
        let mut controls = BTreeMap::<String, Vec<usize>>::new();
        let mut first_frames = BTreeMap::new();
        let is_in = |track: &crate::screen::Track, part: Part| split.part(track.first()) == part;
        for (track, course) in lapse.tracks.iter().zip(courses) {
            first_frames.extend(track.later().iter().map(|&later| (later, track.first())));
            if !is_in(track, Part::Train) {
                continue;
            }
            for &row in &track.rows {
                let observation = &screen.observations[row];
                if observation.intervention.is_untreated() {
                    controls.entry(observation.plate.clone()).or_default().push(row);
                }
            }
            rows.entry(course.treatment.clone()).or_default().extend(&track.rows);
        }
        let (treatments, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let of_part = |part: Part| {
            let tracks = lapse.tracks.iter().zip(courses).filter(|(track, _)| is_in(track, part));
            let condition = |course: &Course| treatments.binary_search(&course.treatment).unwrap_or(usize::MAX);
            tracks.map(|(_, course)| Trajectory::of(course, condition(course), steps)).collect::<Vec<_>>()
        };
        let rollouts = Rollouts { steps, training: of_part(Part::Train), validation: of_part(Part::Validation) };
        if treatments.is_empty() {
            let treatments = screen.treatments().len();
            return Err(PairError::NothingToTrain { held_out: treatments, treatments });
        }
        if rollouts.training.iter().all(|trajectory| trajectory.starts.is_empty()) {
            return Err(PairError::NoRollout { steps });
        }
        let transitions = rollouts.training.iter().flat_map(|trajectory| {
            let pairs = trajectory.rows.windows(2);
            pairs.filter_map(|pair| Some((pair[0]?, pair[1]?))).map(|(earlier, target)| Transition {
                start: Start::Frame(earlier),
                target,
                treatment: trajectory.condition,
            })
        });
        Ok(Self {
            reference: screen.reference,
            transitions: transitions.collect(),
            anchors: treatments.iter().map(|treatment| anchor_of(treatment, &treatments)).collect(),
            lower_doses: treatments.iter().map(|treatment| anchor::lower_doses(treatment, &treatments)).collect(),
            frame_steps: Vec::new(),
            rows,
            treatments,
            controls,
            bags: BTreeMap::new(),
            first_frames,
            rollouts: Some(rollouts),
        })
    }
}

impl Rollouts {
    /// A batch of stretches, conditions in turn, a track and a start of each at random.
    ///
    /// Every other round of conditions starts no later than the origin of its tracks, where there is such a start: what a
    /// stimulus does would else be seen in few stretches of long tracks, and prediction starts there too.
    ///
    /// Units lie step by step: what transition `i` of `n` is after `s` steps is unit `s * n + i`.
    pub(super) fn batch(
        &self,
        screen: &Screen,
        vocabulary: &Vocabulary,
        config: &PairConfig,
        rng: &mut ChaCha8Rng,
    ) -> Batch {
        let mut conditions = BTreeMap::<usize, Vec<&Trajectory>>::new();
        for trajectory in self.training.iter().filter(|trajectory| !trajectory.starts.is_empty()) {
            conditions.entry(trajectory.condition).or_default().push(trajectory);
        }
        let mut conditions: Vec<Vec<&Trajectory>> = conditions.into_values().collect();
        conditions.shuffle(rng);
        let chosen: Vec<(&Trajectory, usize)> = (0..config.batch)
            .map(|number| {
                let tracks = &conditions[number % conditions.len()];
                let track = tracks[rng.random_range(0..tracks.len())];
                let n_early = track.starts.partition_point(|&start| start <= track.origin);
                let is_early = (number / conditions.len()).is_multiple_of(2) && n_early > 0;
                let n_starts = if is_early { n_early } else { track.starts.len() };
                (track, track.starts[rng.random_range(0..n_starts)])
            })
            .collect();
        let n = chosen.len();
        let mut units_uf = Vec::with_capacity(n * (self.steps + 1) * screen.features.n_features());
        for step in 0..=self.steps {
            for (track, start) in &chosen {
                let row = track.rows[start + step].expect("a start has all rows of its roll-out");
                units_uf.extend_from_slice(&screen.features.read_row(row));
            }
        }
        let interventions = |steps: std::ops::Range<usize>| {
            let of_step =
                |step: usize| chosen.iter().map(move |(track, start)| (&track.present[start + step], NO_ANCHOR));
            vocabulary.rows(steps.flat_map(of_step))
        };
        let n_units = n * (self.steps + 1);
        let at = |step: usize| {
            let mut weights = vec![0.0; n * n_units];
            (0..n).for_each(|row| weights[row * n_units + step * n + row] = 1.0);
            weights
        };
        Batch {
            units_uf,
            n_units,
            start_bu: at(0),
            anchor_bu: at(0),
            target_bu: at(1),
            interventions: interventions(0..1),
            then: interventions(1..self.steps),
        }
    }
}

#[cfg(test)]
mod tests;
