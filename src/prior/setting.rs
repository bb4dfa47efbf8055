//! Where and for how long something was done.

use crate::screen::Treatment;

/// A context with a duration in minutes, within which responses are compared without more ado.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting {
    context: String,
    minutes: Option<u32>,
}

impl Setting {
    pub(super) fn of(treatment: &Treatment) -> Self {
        let minutes = treatment.intervention.hours().map(|hours| (hours * 60.0).round() as u32);
        Self { context: treatment.context.clone(), minutes }
    }
}
