//! What a screen holds to learn from: its training treatments, with what their units went through.

use std::collections::BTreeMap;

use super::{
    Anchor, Anchoring, Episode, PairConfig, PairError, Part, Path, Split, State, Validation, anchor, anchor_in,
};
use crate::screen::{Design, Role, Schedule, Screen, Track, Treatment};

/// What a screen holds to learn from, as indices into it.
#[derive(Debug, Clone)]
pub struct PairSet {
    /// Training treatments, in order.
    pub treatments: Vec<Treatment>,
    /// Training rows of each treatment.
    pub rows: Vec<Vec<usize>>,
    /// What may be present during a step, in order: the treatments, or the sets between the times of schedules.
    pub present: Vec<Treatment>,
    /// Steps of every episode.
    pub n_steps: usize,
    /// Hours between the times of schedules; `None` where interventions do not change in time.
    pub grid_hours: Option<f64>,
    /// Training controls of each plate, where episodes start from them.
    pub controls: BTreeMap<String, Vec<usize>>,
    /// Training rows of untreated cells; none where the zero vector stands for them.
    pub untreated: Vec<usize>,
    /// What anchors are made of.
    pub anchoring: Anchoring,
    /// Anchor of each treatment among the other treatments.
    pub anchors: Vec<Anchor>,
    /// For each treatment, the treatments that are a lower dose of it, from which an episode may start.
    pub lower_doses: Vec<Vec<usize>>,
    /// Episodes that training is judged by.
    pub validation: Vec<Validation>,
    /// What the units of each training treatment went through.
    paths: Vec<Vec<Path>>,
    /// Rows of every training well by its first one.
    units: BTreeMap<usize, Vec<usize>>,
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

impl PairSet {
    /// What the training part of `screen` holds to learn from, and its validation part to judge by.
    ///
    /// # Errors
    /// When a treated plate lacks controls, nothing is left to train on, or no training track is long enough for an episode.
    pub fn new(screen: &Screen, split: &Split, config: &PairConfig) -> Result<Self, PairError> {
        match &screen.design {
            Design::AgainstControls => Self::of_wells(screen, split, State::Controls),
            Design::Relative => Self::of_wells(screen, split, State::Zero),
            Design::Followed { tracks } => Self::of_objects(screen, tracks, split),
            Design::Scheduled { tracks, schedules } => {
                Self::of_schedules(screen, tracks, schedules, split, config.rollout)
            }
        }
    }

    /// From `start` to every treated well of training.
    fn of_wells(screen: &Screen, split: &Split, start: State) -> Result<Self, PairError> {
        let by_treatment = split.treatments(screen, Part::Train);
        if by_treatment.is_empty() {
            return Err(nothing_to_train(screen));
        }
        let units: BTreeMap<usize, Vec<usize>> = screen
            .wells()
            .into_iter()
            .filter(|rows| split.part(rows[0]) == Part::Train)
            .map(|rows| (rows[0], rows))
            .collect();
        let controls: BTreeMap<String, Vec<usize>> = match start {
            State::Controls => training_controls(screen, split),
            _ => BTreeMap::new(),
        };
        let (treatments, rows): (Vec<_>, Vec<_>) = by_treatment.into_iter().unzip();
        let has_start = |row: &&usize| start != State::Controls || controls.contains_key(&screen.unit(**row).plate);
        if let Some(&row) = rows.iter().flatten().find(|row| !has_start(row)) {
            return Err(PairError::NoControls { plate: screen.unit(row).plate.clone() });
        }
        let paths = rows.iter().enumerate().map(|(treatment, rows)| {
            let of_units = rows.iter().filter(|row| units.contains_key(row));
            of_units.map(|&target| Path::of_step(treatment, start, target)).collect()
        });
        let paths = paths.collect();
        let validation = split.treatments(screen, Part::Validation).into_iter().map(|(treatment, rows)| {
            let bag = |row: &usize| controls.get(&screen.unit(*row).plate).cloned();
            Validation { start: rows.iter().filter_map(bag).collect(), steps: vec![(treatment, rows)] }
        });
        let validation = validation.collect();
        let untreated = controls.values().flatten().copied().collect();
        let anchoring = Anchoring::Between;
        let lower_doses = treatments.iter().map(|treatment| anchor::lower_doses(treatment, &treatments)).collect();
        Ok(Self {
            anchors: anchors(anchoring, &treatments),
            present: treatments.clone(),
            n_steps: 1,
            grid_hours: None,
            treatments,
            rows,
            paths,
            controls,
            untreated,
            units,
            anchoring,
            lower_doses,
            validation,
        })
    }

    /// From every earlier to every later frame of every training object; the step's intervention is that of the object for as
    /// long as the two are apart.
    fn of_objects(screen: &Screen, tracks: &[Track], split: &Split) -> Result<Self, PairError> {
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
        Ok(Self {
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

    /// Stretches of `n_steps` of every training track, from time to time of its grid.
    fn of_schedules(
        screen: &Screen,
        tracks: &[Track],
        schedules: &[Schedule],
        split: &Split,
        n_steps: usize,
    ) -> Result<Self, PairError> {
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
        Ok(Self {
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

    /// Training paths of each treatment; none of a treatment whose tracks have no stretch without a gap.
    pub(crate) fn paths(&self) -> &[Vec<Path>] {
        &self.paths
    }

    /// How many episodes there are to draw from.
    pub fn n_episodes(&self) -> usize {
        self.paths.iter().flatten().map(Path::n_episodes).sum()
    }

    /// Every episode, by treatment, then unit.
    pub fn episodes(&self) -> impl Iterator<Item = Episode> {
        let of_path = |path: &Path| (0..path.n_episodes()).map(|number| path.episode(number, self.n_steps)).collect();
        self.paths.iter().flatten().flat_map(move |path| -> Vec<Episode> { of_path(path) })
    }

    /// Rows of the training unit that `row` stands for, where it has several.
    pub(super) fn rows_of_unit(&self, row: usize) -> Option<&[usize]> {
        self.units.get(&row).map(Vec::as_slice).filter(|rows| rows.len() > 1)
    }

    /// Those of `rows` that stand for a training unit.
    pub(super) fn units_of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().copied().filter(|row| self.units.contains_key(row)).collect()
    }
}

/// Hours between the first two times of the first of `schedules`, which share their grid.
fn grid_hours(schedules: &[Schedule]) -> Option<f64> {
    match schedules.first()?.minutes.as_slice() {
        [first, second, ..] => Some((second - first) / 60.0),
        _ => None,
    }
}

fn nothing_to_train(screen: &Screen) -> PairError {
    let treatments = screen.treatments().len();
    PairError::NothingToTrain { held_out: treatments, treatments }
}

/// Training rows of the negative controls of each plate that has any.
fn training_controls(screen: &Screen, split: &Split) -> BTreeMap<String, Vec<usize>> {
    let is_training = |row: &usize| split.part(*row) == Part::Train;
    screen
        .rows_by_plate(|observation| observation.role == Role::NegativeControl)
        .into_iter()
        .map(|(plate, rows)| (plate.to_owned(), rows.into_iter().filter(is_training).collect()))
        .filter(|(_, rows): &(String, Vec<usize>)| !rows.is_empty())
        .collect()
}

/// The anchor of each treatment among the other ones.
fn anchors(anchoring: Anchoring, treatments: &[Treatment]) -> Vec<Anchor> {
    treatments.iter().map(|treatment| anchor_in(anchoring, treatment, treatments)).collect()
}

#[cfg(test)]
mod tests;
