//! Where a run came from: `manifest.json`.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Artifact, RunError};
use crate::load::InputHash;
use crate::screen::Dropped;
use crate::table::{FileError, write_atomically};

/// The layout of the manifest that this version writes.
const FORMAT: u32 = 1;

/// Largest manifest that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Begun; the same command continues it.
    Unfinished,
    /// Everything that was asked for is there.
    Finished,
}

/// What a run was made from and with; no time of day and no machine path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of this file.
    pub format: u32,
    /// Version of Cytonaut that began the run.
    pub cytonaut: String,
    /// How far the run has come.
    pub state: State,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// Input files, sorted by name.
    pub inputs: Vec<InputHash>,
    /// Seed of every random draw.
    pub seed: Option<u64>,
    /// What computed it: `cpu`, `cuda:0`.
    pub device: Option<String>,
    /// Rows left out of the screen, and why.
    pub dropped: Vec<Dropped>,
    /// What a reader of the results should know, one sentence each.
    pub notes: Vec<String>,
    /// Steps of the job that have begun, in their order: `train`, `embed`, `evaluate`, `rank`; or `fold-0`, `fold-1`, ….
    pub started_steps: Vec<String>,
    /// Files that the finished run left, those of its folds too, by their paths within its folder; empty until then.
    pub files: Vec<String>,
}

/// What manifests of all formats say.
#[derive(Deserialize)]
struct Layout {
    format: u32,
    cytonaut: String,
}

impl Manifest {
    /// One sentence where another version of Cytonaut began this run.
    pub fn version_difference(&self) -> Option<String> {
        let (begun, now) = (&self.cytonaut, env!("CARGO_PKG_VERSION"));
        (begun != now).then(|| {
            format!("started by cytonaut {begun}, and this is cytonaut {now}; numbers may differ from those of {begun}")
        })
    }

    pub(super) fn new(config_toml: &str, inputs: &[InputHash]) -> Self {
        let mut inputs = inputs.to_vec();
        inputs.sort();
        Self {
            format: FORMAT,
            cytonaut: env!("CARGO_PKG_VERSION").to_owned(),
            state: State::Unfinished,
            config_sha256: sha256(config_toml),
            inputs,
            seed: None,
            device: None,
            dropped: Vec::new(),
            notes: Vec::new(),
            started_steps: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The manifest of the run in `folder`.
    ///
    /// # Errors
    /// [`RunError::NoRun`] without a manifest, [`FileError::Damaged`] where it is not one of ours.
    pub fn read(folder: &Path) -> Result<Self, RunError> {
        let path = Artifact::Manifest.path_in(folder);
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Err(RunError::NoRun { path: folder.to_owned() });
            }
            Err(error) => return Err(RunError::read(&path)(error)),
        };
        if size > MAX_BYTES {
            return Err(RunError::damaged(&path, format!("is {size} bytes long, expected at most {MAX_BYTES}")));
        }
        let text = fs::read(&path).map_err(RunError::read(&path))?;
        let damaged = |error| {
            RunError::damaged(
                &path,
                format!("is not a manifest of a run ({error}); delete it or choose another folder"),
            )
        };
        // Looked at by itself, since the fields of another format may be others.
        let Layout { format, cytonaut } = serde_json::from_slice(&text).map_err(damaged)?;
        if format != FORMAT {
            let problem =
                format!("has format {format} of cytonaut {cytonaut}, expected {FORMAT}; use that version of cytonaut");
            return Err(RunError::damaged(&path, problem));
        }
        serde_json::from_slice(&text).map_err(damaged)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), FileError> {
        write_atomically(&Artifact::Manifest.path_in(folder), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            std::io::Write::write_all(file, b"\n")
        })
    }

    /// The first input that differs from `inputs`, in words; `None` where they are the same files.
    pub(super) fn difference_from(&self, inputs: &[InputHash]) -> Option<String> {
        let mut inputs = inputs.to_vec();
        inputs.sort();
        let old = self.inputs.iter().find(|old| !inputs.contains(old));
        let new = inputs.iter().find(|new| !self.inputs.contains(new));
        match (old, new) {
            (Some(old), Some(new)) if old.name == new.name => Some(format!(
                "`{}` has changed ({} bytes, sha256 {}…; it had {} bytes, sha256 {}…)",
                new.name,
                new.bytes,
                beginning(&new.sha256),
                old.bytes,
                beginning(&old.sha256)
            )),
            (Some(old), _) => Some(format!("`{}` is no longer among the inputs", old.name)),
            (None, Some(new)) => Some(format!("`{}` was not among its inputs", new.name)),
            (None, None) if inputs.len() != self.inputs.len() => {
                Some(format!("it had {} input files, now there are {}", self.inputs.len(), inputs.len()))
            }
            (None, None) => None,
        }
    }
}

/// SHA-256 of a text, in lower-case hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    crate::load::hexadecimal(&Sha256::digest(text))
}

/// Enough of a hash to tell two apart by eye.
fn beginning(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_empty_text_is_the_published_one() {
        // FIPS 180-4.
        assert_eq!(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest =
            Manifest::new("seed = 1\n", &[InputHash { name: "a.csv".into(), bytes: 3, sha256: "00".into() }]);
        manifest.seed = Some(1);
        manifest.device = Some("cpu".into());
        manifest.dropped.push(Dropped { reason: "empty wells".into(), rows: 4 });
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
    }

    #[test]
    fn says_what_is_wrong_with_a_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let check = |content: &str, expected: &str| {
            fs::write(folder.path().join("manifest.json"), content).unwrap();
            let error = Manifest::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "is not a manifest of a run (EOF");
        check("{\"format\": 1", "is not a manifest of a run (EOF");
        check("[]", "is not a manifest of a run");
        let other = serde_json::to_string(&Manifest { format: 7, ..Manifest::new("", &[]) }).unwrap();
        check(&other, "has format 7 of cytonaut");
        check("{\"format\": 2, \"cytonaut\": \"9.0.0\"}", "has format 2 of cytonaut 9.0.0, expected 1");
        assert!(matches!(Manifest::read(&folder.path().join("absent")), Err(RunError::NoRun { .. })));
    }
}
