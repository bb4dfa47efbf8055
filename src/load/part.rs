//! Paths that name a part of a file behind `#`.
//!
//! ```text
//! plate.xlsx#Layout     the sheet called Layout
//! cells.h5ad#counts     the layer called counts
//! cells.h5ad#raw        the values in `raw`
//! cells.h5#hg19         the genome hg19
//! Image.csv#objects     the table of images with the tables of objects beside it
//! ```

use std::path::Path;

/// Endings of files that have parts.
const ENDINGS: [&str; 11] = ["xlsx", "xlsm", "xlsb", "xls", "ods", "h5ad", "h5", "csv", "gz", "tsv", "txt"];

/// The file of a path that may name a part of it.
pub(super) fn file_of(path: &Path) -> &Path {
    split(path).0
}

/// The file of a path, and the part that it names.
pub(super) fn split(path: &Path) -> (&Path, Option<&str>) {
    let parts = path.to_str().and_then(|text| text.rsplit_once('#')).map(|(file, part)| (Path::new(file), part));
    let has_parts = |file: &Path| {
        let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| ENDINGS.contains(&extension.as_str())) && file.is_file()
    };
    match parts {
        Some((file, part)) if has_parts(file) && !path.exists() => (file, Some(part)),
        _ => (path, None),
    }
}
