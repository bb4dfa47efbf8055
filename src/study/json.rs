//! Values of ours as JSON files that are whole or not there.

use std::path::Path;

use super::error::StudyError;
use crate::run::RunError;
use crate::table::write_atomically;

/// Largest decoder or normalizer that is read.
const MAX_JSON_BYTES: u64 = 4 << 30;

pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let file = std::fs::File::open(path).map_err(RunError::read(path))?;
    let size = file.metadata().map_err(RunError::read(path))?.len();
    if size > MAX_JSON_BYTES {
        return Err(RunError::damaged(path, format!("is {size} bytes long, expected at most {MAX_JSON_BYTES}")).into());
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_JSON_BYTES), &mut text)
        .map_err(RunError::read(path))?;
    let damaged =
        |error| format!("is damaged ({error}); copy the file again, or delete it and run `cytonaut run` again");
    Ok(serde_json::from_slice(&text).map_err(|error| RunError::damaged(path, damaged(error)))?)
}

/// Writes a value of ours whole or not at all.
pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), StudyError> {
    let json = serde_json::to_string(value).expect("our own types serialize");
    Ok(write_atomically(path, |file| std::io::Write::write_all(file, json.as_bytes()))?)
}
