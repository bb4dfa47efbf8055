//! Which files are meant, and what they were.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::card::Card;
use super::error::LoadError;

/// A file that was read, for the manifest of a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InputFile {
    /// Name without folders, by which a run tells its inputs apart.
    pub name: String,
    /// As given or as the card's folder and entry.
    pub path: PathBuf,
    /// Of the bytes on disk, in hexadecimal.
    pub sha256: String,
    /// Size on disk.
    pub bytes: u64,
    /// Rows below the header.
    pub rows: usize,
}

/// The profile tables: the given files, or else those of the card; sorted within each glob, each once.
///
/// # Errors
/// [`LoadError::NoFiles`] if a path or glob matches nothing or none is given.
pub(super) fn tables(card: &Card, given: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let from_card;
    let patterns = if given.is_empty() {
        from_card = card.files.iter().map(|entry| card.resolve(entry)).collect::<Result<Vec<_>, _>>()?;
        from_card.as_slice()
    } else {
        given
    };
    let mut seen = BTreeSet::new();
    let mut tables = Vec::new();
    for pattern in patterns {
        for path in matching(pattern)? {
            if seen.insert(path.clone()) {
                tables.push(path);
            }
        }
    }
    if tables.is_empty() && card.path.as_os_str().is_empty() {
        return Err(LoadError::NothingNamed);
    }
    if tables.is_empty() {
        let message = "the card names no profile tables; give `files = [\"plates/*.csv\"]`".to_owned();
        return Err(LoadError::Card { path: card.path.clone(), message });
    }
    Ok(tables)
}

pub(super) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let none = || LoadError::NoFiles { pattern: pattern.display().to_string() };
    if pattern.is_dir() {
        let entries = std::fs::read_dir(pattern).map_err(|cause| LoadError::io(pattern, cause))?;
        let mut tables: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_table(path)).collect();
        tables.sort();
        return if tables.is_empty() { Err(none()) } else { Ok(tables) };
    }
    if pattern.exists() {
        return Ok(vec![pattern.to_path_buf()]);
    }
    // A link that leads nowhere, or to itself, is there and is not.
    if std::fs::symlink_metadata(pattern).is_ok_and(|found| found.is_symlink()) {
        std::fs::metadata(pattern).map_err(|cause| LoadError::io(pattern, cause))?;
    }
    let paths = glob::glob(&pattern.to_string_lossy()).map_err(|_| none())?;
    let mut tables: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    tables.sort();
    if tables.is_empty() { Err(none()) } else { Ok(tables) }
}

fn is_table(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let endings = [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet"];
    path.is_file() && !name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
}

/// The checksum that the card has for the file at `path`: that of the card's own file at this place.
///
/// Where the card's folder has no such file, since the data are kept elsewhere, the end of the path tells which is meant.
fn expected_checksum<'a>(path: &Path, card: &'a Card) -> Option<&'a String> {
    let given = path.canonicalize().ok()?;
    let is_meant = |entry: &String| match card.folder().join(entry).canonicalize() {
        Ok(of_card) => of_card == given,
        Err(_) => given.ends_with(entry.trim_start_matches("./")),
    };
    card.checksums.iter().find_map(|(entry, sha256)| is_meant(entry).then_some(sha256))
}

/// Checksum and size of a file; refuses one of the card's that has changed.
pub(super) fn examined(path: &Path, rows: usize, card: &Card) -> Result<InputFile, LoadError> {
    let io = |cause| LoadError::io(path, cause);
    let mut file = File::open(path).map_err(io)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
    let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match expected_checksum(path, card) {
        Some(expected) if *expected != sha256 => Err(LoadError::Checksum {
            path: path.to_path_buf(),
            found: sha256,
            expected: expected.clone(),
            card: Box::new(card.path.clone()),
        }),
        _ => Ok(InputFile { name, path: path.to_path_buf(), sha256, bytes, rows }),
    }
}
