//! Which files are meant, and what they were.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::card::Card;
use super::error::LoadError;
use super::{annotated, compartments, part, walk, wellmap, workbook};

/// What an input file was, without the place it lay in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputHash {
    /// File name without folders, so that a run can be compared between machines.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
}

impl InputHash {
    /// Reads a file once and hashes it, in constant memory.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(part::file_of(path))?;
        let mut hasher = Sha256::new();
        let mut bytes = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n_read = file.read(&mut buffer)?;
            if n_read == 0 {
                break;
            }
            hasher.update(&buffer[..n_read]);
            bytes += n_read as u64;
        }
        let name = file_name(path);
        Ok(Self { name, bytes, sha256: hexadecimal(&hasher.finalize()) })
    }
}

/// A file that was read, for the manifest of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl InputFile {
    /// What the file was, without its place.
    pub fn hash(&self) -> InputHash {
        InputHash { name: self.name.clone(), bytes: self.bytes, sha256: self.sha256.clone() }
    }
}

/// A table that is to be read.
pub(super) struct Given {
    pub path: PathBuf,
    /// Whether it was named, and does not only match a glob or lie in a folder.
    pub is_named: bool,
}

/// The profile tables: the given files, or else those of the card; sorted within each glob, each once.
///
/// # Errors
/// [`LoadError::NoFiles`] if a path or glob matches nothing or none is given.
pub(super) fn tables(card: &Card, given: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    Ok(self::given(card, given)?.into_iter().map(|given| given.path).collect())
}

/// The same, with whether each was named.
pub(super) fn given(card: &Card, given: &[PathBuf]) -> Result<Vec<Given>, LoadError> {
    let from_card;
    let patterns = if given.is_empty() {
        from_card = card.files.iter().map(|entry| card.resolve(entry)).collect::<Result<Vec<_>, _>>()?;
        from_card.as_slice()
    } else {
        given
    };
    let named = named_by_card(card, patterns);
    let mut seen = BTreeSet::new();
    let mut tables = Vec::new();
    for pattern in patterns {
        for path in matching(pattern)? {
            let is_named = path == *pattern;
            // What a card joins is not a table of profiles, though a folder or a glob has it too.
            if seen.insert(path.clone()) && (is_named || !named.contains(&path)) {
                let parts = if is_called(&path, &WORKBOOKS) { workbook::parts(&path) } else { vec![path] };
                tables.extend(parts.into_iter().map(|path| Given { path, is_named }));
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

/// The files beside the tables that the card gives another part than that of a table of profiles.
fn named_by_card(card: &Card, patterns: &[PathBuf]) -> BTreeSet<PathBuf> {
    let joined = card.join.iter().flat_map(|join| join.file.list());
    let described = card.descriptors.iter().map(|descriptors| &descriptors.file);
    let folders = patterns.iter().map(|pattern| if pattern.is_dir() { pattern } else { folder_of(pattern) });
    let of_card = card.folder();
    let folders: Vec<&Path> = folders.chain([of_card.as_path()]).collect();
    let in_folders = |file: &String| folders.iter().map(|folder| folder.join(file)).collect::<Vec<_>>();
    joined.chain(described).flat_map(in_folders).filter_map(|path| matching(&path).ok()).flatten().collect()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The folder that a file lies in, `.` of a bare name.
pub(super) fn folder_with(path: &Path) -> &Path {
    let folder = folder_of(path);
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// A file's name without folders.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Whether a path, a sheet of a workbook or a glob leads to something.
pub(super) fn is_there(pattern: &Path) -> bool {
    matching(pattern).is_ok()
}

pub(super) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let none = || LoadError::NoFiles { pattern: pattern.display().to_string() };
    if let Some(matrix) = annotated::matrix_in(pattern) {
        return Ok(vec![matrix]);
    }
    if pattern.is_dir() {
        let mut tables = tables_in(pattern).map_err(|cause| LoadError::io(pattern, cause))?;
        if tables.is_empty() {
            tables = compartments::below(pattern);
        }
        if tables.is_empty() {
            tables = walk::tables_alike(pattern);
        }
        return match tables.is_empty() {
            true => Err(LoadError::Folder { folder: pattern.to_path_buf(), holds: walk::holdings(pattern) }),
            false => Ok(tables),
        };
    }
    if part::file_of(pattern).exists() {
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

/// The tables of a folder, sorted, with those of folders of metadata in it.
fn tables_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let (tables, others): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| is_table(path));
    let of_metadata = if tables.is_empty() { Vec::new() } else { others };
    let below = of_metadata
        .iter()
        .filter(|path| is_of_metadata(Path::new(&file_name(path))))
        .flat_map(|folder| tables_below(folder, 0));
    let mut tables: Vec<PathBuf> = tables.into_iter().chain(below).collect();
    tables.sort();
    Ok(tables)
}

/// Whether a folder, by the first part of its path, holds what is known of plates.
pub(super) fn is_of_metadata(path: &Path) -> bool {
    let first = path.components().next().map(|first| first.as_os_str().to_string_lossy().to_lowercase());
    first.is_some_and(|name| ["metadata", "platemap", "plate_map", "layout"].iter().any(|word| name.starts_with(word)))
}

/// The tables of a folder and of those in it, as in `metadata/platemaps/BATCH/platemap/PLATE.txt`.
fn tables_below(folder: &Path, level: usize) -> Vec<PathBuf> {
    const LEVELS: usize = 4;
    const MOST: usize = 10_000;
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).take(MOST);
    let is_folder = |path: &PathBuf| path.is_dir() && !path.is_symlink() && level < LEVELS;
    let of_entry = |path: PathBuf| match () {
        () if is_table(&path) => vec![path],
        () if is_folder(&path) => tables_below(&path, level + 1),
        () => Vec::new(),
    };
    entries.map(|entry| entry.path()).flat_map(of_entry).collect()
}

/// Whether tables lie in a folder.
pub(super) fn has_tables(folder: &Path) -> bool {
    tables_in(folder).is_ok_and(|tables| !tables.is_empty())
}

/// Tables that lie beside given ones and were not given.
pub(super) fn beside_given(given: &[PathBuf]) -> Vec<String> {
    let Some(folder) = given.first().map(|path| folder_with(path)) else { return Vec::new() };
    let there = tables_in(folder).unwrap_or_default();
    let is_given = |path: &PathBuf| given.iter().any(|given| file_name(given) == file_name(path));
    there.iter().filter(|path| !is_given(path)).map(|path| file_name(path)).collect()
}

/// Whether a folder holds what can only be tables; workbooks and layouts lie beside images too.
pub(super) fn holds_tables(folder: &Path) -> bool {
    tables_in(folder).is_ok_and(|tables| tables.iter().any(|path| is_called(path, &TABLES)))
}

const TABLES: [&str; 11] =
    [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet", ".h5ad", ".gct", ".gct.gz", ".gctx"];
const WORKBOOKS: [&str; 5] = [".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"];

fn is_called(path: &Path, endings: &[&str]) -> bool {
    let name = file_name(path).to_lowercase();
    // `~$` begins the lock of a workbook that is open.
    !name.starts_with('.') && !name.starts_with("~$") && endings.iter().any(|ending| name.ends_with(ending))
}

pub(super) fn is_table(path: &Path) -> bool {
    let is_base = || is_called(path, &[".sqlite", ".sqlite3", ".db"]) && compartments::is_base(path);
    path.is_file()
        && (is_called(path, &TABLES) || is_called(path, &WORKBOOKS) || wellmap::is_wellmap(path) || is_base())
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
    let InputHash { name, bytes, sha256 } = InputHash::of(path).map_err(|cause| LoadError::io(path, cause))?;
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

/// Bytes as people compare them.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_agrees_with_the_published_one() {
        // FIPS 180-4: the example "abc".
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plate.csv");
        std::fs::write(&path, "abc").unwrap();
        let hash = InputHash::of(&path).unwrap();
        assert_eq!(hash.name, "plate.csv");
        assert_eq!(hash.bytes, 3);
        assert_eq!(hash.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
