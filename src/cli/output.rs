//! Where results go: stdout, and tables in files.

use std::io::Write;
use std::path::PathBuf;

use crate::table::check_ending;

/// Writes results to stdout.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

/// Reads the path of a table to write; its ending says how.
pub(super) fn table_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    check_ending(&path).map_err(|error| error.to_string())?;
    Ok(path)
}
