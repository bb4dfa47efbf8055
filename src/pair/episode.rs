//! What is learned from: a start, then one or more steps, each with the state that it leads to.
//!
//! Every kind of screen yields [`Path`]s: what one unit went through, as far as it was measured. A destroyed well has a path
//! of two states, the controls of its plate and itself; an object of a time lapse has one for each pair of an earlier and a
//! later frame; a track under a schedule has a state at every time of its grid. An [`Episode`] is a stretch of a path.

use crate::screen::Treatment;

/// The state of cells before or after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Negative controls of the plate on which the step ends.
    Controls,
    /// The zero vector, where values are relative to control.
    Zero,
    /// Wells of the training treatment of that index, a lower dose of the one that follows.
    Dose(usize),
    /// The unit that this row stands for.
    Unit(usize),
}

/// One step of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Index in [`PairSet::present`](super::PairSet::present) of what was present during the step.
    pub present: usize,
    /// Row that stands for the unit that it leads to.
    pub target: usize,
}

/// A start, then one or more steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Index in [`PairSet::treatments`](super::PairSet::treatments) of all that the unit was to get.
    pub treatment: usize,
    /// Where it starts.
    pub start: State,
    /// [`PairSet::n_steps`](super::PairSet::n_steps) steps, each from where the one before it led.
    pub steps: Vec<Step>,
}

impl Episode {
    /// The row that stands for the unit that the episode ends at.
    pub fn end(&self) -> usize {
        self.steps.last().expect("an episode has a step").target
    }
}

/// What one unit went through, as far as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    treatment: usize,
    /// `None` where nothing was measured.
    states: Vec<Option<State>>,
    /// Index in [`PairSet::present`](super::PairSet::present) of what was present between each state and the next.
    present: Vec<usize>,
    /// States from which an episode can start, ascending.
    pub(super) starts: Vec<usize>,
    /// Those of `starts` that come before anything was present.
    n_early: usize,
}

impl Path {
    /// A path of one step.
    pub(super) fn of_step(treatment: usize, start: State, target: usize) -> Self {
        let states = vec![Some(start), Some(State::Unit(target))];
        Self { treatment, states, present: vec![treatment], starts: vec![0], n_early: 1 }
    }

    /// A path along a grid of times, for episodes of `n_steps`.
    pub(super) fn along(
        rows: &[Option<usize>],
        origin: usize,
        treatment: usize,
        present: Vec<usize>,
        n_steps: usize,
    ) -> Self {
        let is_whole = |&start: &usize| rows[start..=start + n_steps].iter().all(Option::is_some);
        let starts: Vec<usize> = (0..rows.len().saturating_sub(n_steps)).filter(is_whole).collect();
        let n_early = starts.partition_point(|&start| start <= origin);
        let states = rows.iter().map(|row| row.map(State::Unit)).collect();
        Self { treatment, states, present, starts, n_early }
    }

    /// The number of states from which an episode can start; of `early` ones only those before anything was present, if
    /// there are any.
    pub(super) fn n_starts(&self, early: bool) -> usize {
        if early && self.n_early > 0 { self.n_early } else { self.starts.len() }
    }

    /// The episode of `n_steps` from the start of that number.
    pub(super) fn episode(&self, number: usize, n_steps: usize) -> Episode {
        let start = self.starts[number];
        let state = |at: usize| self.states[at].expect("a start has all states of its episode");
        let step = |at: usize| match state(at + 1) {
            State::Unit(target) => Step { present: self.present[at], target },
            state => unreachable!("a step leads to a unit, and not to {state:?}"),
        };
        Episode { treatment: self.treatment, start: state(start), steps: (start..start + n_steps).map(step).collect() }
    }

    /// The number of episodes.
    pub(super) fn n_episodes(&self) -> usize {
        self.starts.len()
    }
}

/// An episode that nothing learns from: how well training goes is judged by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Rows of the state before, in bags: it is the mean of the bags' means. None: the untreated state of training.
    pub start: Vec<Vec<usize>>,
    /// What was present in each step, and the rows whose mean it led to; no rows where nothing was measured.
    pub steps: Vec<(Treatment, Vec<usize>)>,
}
