//! How a command ends: its error in words, and its exit code.

use crate::config::ConfigError;
use crate::evaluate::EvaluateError;
use crate::normalize::NormalizeError;
use crate::pair::PairError;
use crate::plan::PlanError;
use crate::study::StudyError;

/// A request that cannot be granted as asked: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct AskedWrongly(pub(super) String);

/// The model lost against the baseline that it was required to beat: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Lost(pub(super) String);

/// The error and its causes, each said once: many a message ends with its cause already.
///
/// The system's message is left out after one of ours, which says the same in plain words.
pub(super) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let told = error.chain().enumerate().filter(|(place, cause)| *place == 0 || !cause.is::<std::io::Error>());
    for cause in told.map(|(_, cause)| cause.to_string()).filter(|cause| !cause.is_empty()) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

/// Exit code of a run that was asked to stop, as shells have it of a process that Ctrl-C ended.
pub(super) const STOPPED: u8 = 130;

/// 2 where the request was wrong, 3 where the model lost, 130 where it was asked to stop, else 1.
pub(super) fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Lost>() {
            return 3;
        }
        if cause.is::<AskedWrongly>() || cause.is::<ConfigError>() {
            return 2;
        }
        if let Some(error) = cause.downcast_ref::<StudyError>() {
            return match error {
                error if error.is_stop() => STOPPED,
                StudyError::Config(_)
                | StudyError::Gaps { .. }
                | StudyError::NoTrackConfig
                | StudyError::NothingTreated { .. }
                | StudyError::NoFeatures { .. }
                | StudyError::Latents(_)
                | StudyError::NothingToLearn { .. }
                | StudyError::TimeLapse { .. }
                | StudyError::Tracks { .. }
                | StudyError::Folds { .. }
                | StudyError::Images { .. }
                | StudyError::OtherComparison { .. }
                | StudyError::RankImages { .. }
                | StudyError::Published { .. } => 2,
                StudyError::Evaluate(EvaluateError::MissingLabel { .. }) => 2,
                StudyError::Load(error) if error.is_request() => 2,
                StudyError::Plan(
                    PlanError::Query(_)
                    | PlanError::Context { .. }
                    | PlanError::By { .. }
                    | PlanError::Explain { .. }
                    | PlanError::Plate { .. }
                    | PlanError::Agent { .. }
                    | PlanError::NoCells
                    | PlanError::NothingLeft { .. }
                    | PlanError::Unranked { .. }
                    | PlanError::Feature { .. }
                    | PlanError::Pairs { .. },
                ) => 2,
                StudyError::Pair(PairError::Split { .. } | PairError::NoControls { .. }) => 2,
                StudyError::Normalize(
                    NormalizeError::TooFewControls { .. }
                    | NormalizeError::NoTrainingControls { .. }
                    | NormalizeError::NoControls { .. },
                ) => 2,
                StudyError::Run(error) if error.is_request() => 2,
                _ => 1,
            };
        }
    }
    1
}

/// Whether whoever read our output has stopped reading, which is not an error.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
