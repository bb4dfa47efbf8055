//! What cannot be paired or split.

/// What cannot be paired or split.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A treated plate without controls.
    #[error(
        "plate `{plate}` has treated wells and no negative controls to pair them with; name its controls under [controls] in the card, or leave the plate out there with `exclude = 'plate == {plate:?}'`"
    )]
    NoControls {
        /// The plate.
        plate: String,
    },
    /// Nothing to train on.
    #[error(
        "no treated well is left for training ({held_out} of {treatments} treatments are held out); lower the shares under [split]"
    )]
    NothingToTrain {
        /// Treatments outside training.
        held_out: usize,
        /// Treatments of the screen.
        treatments: usize,
    },
    /// No track is long enough to be rolled out.
    #[error("no training track has {steps} steps without a gap; lower pair.rollout")]
    NoRollout {
        /// Steps of a roll-out.
        steps: usize,
    },
    /// A split that the screen does not allow.
    #[error("cannot split by {by}: {reason}")]
    Split {
        /// The unit of the split.
        by: &'static str,
        /// What is missing, and what to do.
        reason: String,
    },
}
