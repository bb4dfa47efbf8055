//! A request to stop, made from outside the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request that whoever shares it can make once and for all: by a signal, by another thread, by a test.
///
/// Training looks at it after each step and then saves a checkpoint, from which the same run goes on; it is an argument
/// and no global, so that two trainings of one process are stopped apart.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks everybody who shares this to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether anybody asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}
