//! Where results go: stdout, and tables in files.

use std::io::Write;
use std::path::{Path, PathBuf};

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

/// Says that a table of `n_rows` `things` was written, in words or as one JSON object.
pub(super) fn written(json: bool, things: &str, n_rows: usize, path: &Path) -> anyhow::Result<()> {
    let one = if things.starts_with("rows") {
        things.replacen("rows", "row", 1)
    } else {
        things.trim_end_matches('s').to_owned()
    };
    let things = if n_rows == 1 { one.as_str() } else { things };
    print(&match json {
        true => serde_json::json!({ "type": "written", "what": things, "rows": n_rows, "file": path }).to_string(),
        false => format!("{n_rows} {things}: {}", path.display()),
    })
}

/// Reads a number of things.
pub(super) fn whole_number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

/// Reads a number above zero.
pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// Reads the path of a table to write; its ending says how.
pub(super) fn table_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    check_ending(&path).map_err(|error| error.to_string())?;
    Ok(path)
}
