//! What cannot be predicted.

/// What cannot be predicted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// A context without a control well to start from.
    #[error(
        "context `{context}` has no negative-control well to start from; name the controls in the card, or give a start with `--start`"
    )]
    NoStart {
        /// The context.
        context: String,
    },
}
