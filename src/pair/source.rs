//! What transitions and episodes are made of, for each design of a screen: the one place of this room that asks for it.

mod objects;
mod schedules;
mod wells;

use self::objects::Objects;
use self::schedules::Schedules;
use self::wells::Wells;
use super::transitions::Transition;
use super::{PairError, PairSet, Split, State};
use crate::screen::{Design, Screen};

/// Makes transitions of the rows of a screen.
pub(super) trait Source {
    /// What training learns from and is judged by, in episodes of `rollout` steps where interventions change in time.
    ///
    /// # Errors
    /// As [`PairSet::new`].
    fn pairs(&self, screen: &Screen, split: &Split, rollout: usize) -> Result<PairSet, PairError>;

    /// All transitions of one step, of every part.
    fn transitions(&self, screen: &Screen, split: &Split) -> Vec<Transition>;
}

/// What makes the transitions of a design.
pub(super) fn of(design: &Design) -> Box<dyn Source + '_> {
    match design {
        Design::AgainstControls => Box::new(Wells { start: State::Controls }),
        Design::Relative => Box::new(Wells { start: State::Zero }),
        Design::Followed { tracks } => Box::new(Objects { tracks }),
        Design::Scheduled { tracks, schedules } => Box::new(Schedules { tracks, schedules }),
    }
}
