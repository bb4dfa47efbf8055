//! What cannot be configured.

use std::path::PathBuf;

/// What cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("{}: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, key and what was expected.
        problem: String,
    },
    /// A key of an earlier version.
    #[error("`{key}` is a key of an earlier version: {instead}")]
    Renamed {
        /// The key.
        key: &'static str,
        /// What to write instead, or why it is not there any more.
        instead: &'static str,
    },
    /// Keys that change nothing for the screen at hand.
    #[error("delete what has no effect on {kinds}: {keys}")]
    NoEffect {
        /// What kind of screen it is, or may be.
        kinds: String,
        /// The keys, each with the kinds that it is for, and why.
        keys: String,
    },
    /// A setting out of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
    },
}
