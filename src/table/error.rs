//! What can go wrong while a file of ours is written or read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of ours could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file or folder could not be written.
    #[error("{}: cannot be written: {}", path.display(), in_words(source))]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder could not be read.
    #[error("{}: cannot be read: {}", path.display(), in_words(source))]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table whose file's ending does not say how to write it.
    #[error("{}: expected a file that ends in .parquet, .csv, .tsv, .xlsx, .json or .h5ad", path.display())]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// A file of ours does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A column of a table holds something else than its reader needs.
    #[error("{}: column `{column}` holds {found}, expected {expected}", path.display())]
    Column {
        /// The table's file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl FileError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }
}

/// What the system said, with what to do about it where that is known.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; free some space and run the same command again".into(),
        io::ErrorKind::QuotaExceeded => {
            "the disk quota is used up; free some space and run the same command again".into()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; choose a folder that you may write to, or change its permissions".into()
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose another folder".into(),
        io::ErrorKind::NotFound => "no such file or folder".into(),
        io::ErrorKind::AlreadyExists => "a file is in the way, expected a folder; choose another path".into(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, expected a folder".into(),
        io::ErrorKind::IsADirectory => "is a folder, expected a file".into(),
        _ => error.to_string(),
    }
}
