//! What can go wrong while a run is written or read.

use std::io;
use std::path::{Path, PathBuf};

use crate::table::FileError;

/// Why something could not be written to or read from a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file that cannot be written or read, or does not hold what it should.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder holds files, and none of them is a run's manifest.
    #[error("{}: holds `{found}` and other files but no run; choose a new or empty folder", path.display())]
    NoRunFolder {
        /// The folder.
        path: PathBuf,
        /// The first of the files that are in the way, by name.
        found: String,
    },
    /// There is no run at this place.
    #[error("{}: holds no run (expected a folder with a `manifest.json`)", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes this folder now.
    #[error("{}: another process is writing this run; wait for it, or choose another folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a run of other settings.
    #[error(
        "{}: was made with {} = {old}, but {new} is requested{}; choose another folder, or the settings in its `config.toml`{}",
        path.display(), place(key), others(*n_others), flag(key)
    )]
    OtherSettings {
        /// The folder.
        path: PathBuf,
        /// The first key that differs, with dots: `train.seed`.
        key: String,
        /// Its value in the folder's `config.toml`, as TOML, or `nothing`.
        old: String,
        /// Its value now, as TOML, or `nothing`.
        new: String,
        /// How many more keys differ.
        n_others: usize,
    },
    /// The folder holds a run of other data.
    #[error("{}: was made from other data: {difference}; choose another folder", path.display())]
    OtherInputs {
        /// The folder.
        path: PathBuf,
        /// The first input that differs, and how.
        difference: String,
    },
    /// The resolved configuration is no TOML.
    #[error("{}: is not TOML: {}", path.display(), source.message())]
    Toml {
        /// The configuration file.
        path: PathBuf,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
}

impl RunError {
    /// Whether the request was wrong, rather than a file or the disk.
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::OtherSettings { .. } | Self::OtherInputs { .. } | Self::NoRunFolder { .. } | Self::NoRun { .. }
        )
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = FileError::write(path);
        |source| Self::File(error(source))
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = FileError::read(path);
        |source| Self::File(error(source))
    }

    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::File(FileError::damaged(path, problem))
    }
}

/// `[train] seed` of `train.seed`; a key outside any section stands alone.
fn place(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((section, name)) => format!("`[{section}] {name}`"),
        None => format!("`{key}`"),
    }
}

/// The flag that sets a key which is easily left out when a command is typed again.
fn flag(key: &str) -> &'static str {
    match key {
        "train.from" => " (`--from` sets it)",
        _ => "",
    }
}

fn others(n_others: usize) -> String {
    match n_others {
        0 => String::new(),
        1 => " (and 1 other setting differs)".into(),
        n => format!(" (and {n} other settings differ)"),
    }
}
