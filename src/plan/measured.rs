//! What was measured in the context to rank in.

use std::collections::BTreeMap;

use crate::screen::{Screen, Treatment};

/// Rows of the screen by treatment of the context to rank in.
pub(super) type Measured = BTreeMap<Treatment, Vec<usize>>;

/// Rows of the treatments of a context.
pub(super) fn measured_in(screen: &Screen, context: &str) -> Measured {
    let mut measured = screen.treatments();
    measured.retain(|treatment, _| treatment.context == context);
    measured
}
