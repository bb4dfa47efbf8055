//! What members that train side by side log, such that a resumed run ends with the same lines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use super::{Progress, TrainConfig};
use crate::run::{MetricsLog, RunError};

/// The metrics of a training that goes on: readable while it runs, sorted when it ends.
pub struct TrainingLog<'a> {
    config: &'a TrainConfig,
    state: Mutex<State>,
}

struct State {
    metrics: MetricsLog,
    /// Losses of members whose evaluation of the same step is still to come: both make one line.
    waiting: BTreeMap<usize, Vec<(&'static str, f64)>>,
    /// The first line that could not be written; training itself goes on.
    error: Option<RunError>,
}

impl<'a> TrainingLog<'a> {
    /// Opens the log at `path` and keeps of each member the lines up to the step of its checkpoint.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn open(
        path: &Path,
        checkpoint_steps: &BTreeMap<usize, u64>,
        config: &'a TrainConfig,
    ) -> Result<Self, RunError> {
        let metrics = MetricsLog::open(path, checkpoint_steps)?;
        Ok(Self { config, state: Mutex::new(State { metrics, waiting: BTreeMap::new(), error: None }) })
    }

    /// Writes what a member tells; lines up to a checkpoint are on the disk before the checkpoint is.
    pub fn add(&self, progress: &Progress) {
        let mut state = self.state.lock().expect("no member panics while it logs");
        let (member, step, values) = match progress {
            Progress::Step { .. } => return,
            Progress::Losses { member, step, values } if self.is_evaluated(*step) => {
                state.waiting.insert(*member, values.clone());
                return;
            }
            Progress::Losses { member, step, values } => (*member, *step, values.clone()),
            Progress::Evaluation { member, step, values, .. } => {
                let mut all = state.waiting.remove(member).unwrap_or_default();
                all.extend(values);
                (*member, *step, all)
            }
        };
        let mut written = state.metrics.append(member, step as u64, &values);
        if step.is_multiple_of(self.config.checkpoint_every) {
            written = written.and_then(|()| state.metrics.sync());
        }
        if let Err(error) = written {
            state.error.get_or_insert(error);
        }
    }

    fn is_evaluated(&self, step: usize) -> bool {
        step.is_multiple_of(self.config.evaluate_every) || step == self.config.steps
    }

    /// Brings the lines in order, after the last member.
    ///
    /// # Errors
    /// The first error of any line.
    pub fn finish(self) -> Result<(), RunError> {
        let state = self.state.into_inner().expect("as above");
        match state.error {
            Some(error) => Err(error),
            None => state.metrics.sort(),
        }
    }
}
