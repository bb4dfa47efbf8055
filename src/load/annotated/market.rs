//! Matrices of Cell Ranger in three text files of one folder, each plain or gzipped.
//!
//! ```text
//! matrix.mtx      %%MatrixMarket matrix coordinate integer general
//!                 %metadata_json: {…}                                lines with % are remarks
//!                 507 1107 23866                                     features, barcodes, values
//!                 458 1 3                                            feature 458 of barcode 1 has 3, counted from 1
//! barcodes.tsv    AAACATACAACCAC-1
//! features.tsv    ENSG00000279493  CH507-9B2.2  Gene Expression      before Cell Ranger 3: genes.tsv, two columns
//! ```
//!
//! All three may have something before their names, as `GSM123_matrix.mtx.gz` and `GSM123_barcodes.tsv.gz`.

use std::path::{Path, PathBuf};

use super::super::error::{LoadError, Place};
use super::super::inputs::file_name;
use super::lines::Lines;
use super::tenx::{EXPRESSION, of_cells};
use super::{Annotated, Stored};

/// Values that are looked at to tell what they are.
const SAMPLE: usize = 1 << 15;

/// The list of values.
pub(super) struct Market {
    path: PathBuf,
    pub n_rows: usize,
    n_features: usize,
    n_values: usize,
}

/// The files next to a matrix that name its rows and columns.
///
/// # Errors
/// If one is missing.
pub(super) fn companions(path: &Path) -> Result<[PathBuf; 2], LoadError> {
    let name = file_name(path);
    let named = |word: &str| {
        let plain = name.trim_end_matches(".gz").replacen("matrix.mtx", word, 1);
        [format!("{plain}.gz"), plain].into_iter().map(|name| path.with_file_name(name)).find(|path| path.is_file())
    };
    let missing = |what: &str| LoadError::Decode {
        path: path.to_path_buf(),
        message: format!(
            "next to it there is no {what}, which has to be called as it is, with another word for `matrix.mtx`"
        ),
    };
    let barcodes = named("barcodes.tsv").ok_or_else(|| missing("`barcodes.tsv`"))?;
    let features = named("features.tsv").or_else(|| named("genes.tsv"));
    Ok([barcodes, features.ok_or_else(|| missing("`features.tsv` or `genes.tsv`"))?])
}

/// # Errors
/// If a file is missing or damaged.
pub(super) fn open(path: &Path) -> Result<Annotated, LoadError> {
    let [barcodes, features] = companions(path)?;
    let first_column = |path: &Path, column: usize| -> Result<Vec<String>, LoadError> {
        let mut names = Vec::new();
        let mut lines = Lines::open(path)?;
        while let Some(line) = lines.next()? {
            let fields: Vec<&str> = line.split('\t').collect();
            names.push(fields.get(column).or(fields.first()).map_or(String::new(), |field| field.trim().to_owned()));
        }
        Ok(names)
    };
    let barcodes_found = first_column(&barcodes, 0)?;
    let (names, kinds) = (first_column(&features, 1)?, first_column(&features, 2)?);
    let ids = first_column(&features, 0)?;
    // Without a third column the first is repeated.
    let is_expression = kinds.iter().zip(&ids).map(|(kind, id)| kind == EXPRESSION || kind == id).collect();
    let market = Market::open(path, barcodes_found.len(), names.len())?;
    Ok(of_cells(barcodes_found, names, is_expression, "matrix.mtx".to_owned(), Stored::Listed(market)))
}

impl Market {
    fn open(path: &Path, n_rows: usize, n_features: usize) -> Result<Self, LoadError> {
        let (lines, [found_features, found_rows, n_values]) = header(path)?;
        if (found_features, found_rows) != (n_features, n_rows) {
            let found = format!("{found_features} features and {found_rows} barcodes");
            let expected = format!("{n_features} and {n_rows} as the files next to it have");
            return Err(lines.wrong(&found, &expected));
        }
        Ok(Self { path: path.to_path_buf(), n_rows, n_features, n_values })
    }

    /// The first of the values.
    pub fn sample(&self) -> Result<Vec<f32>, LoadError> {
        let mut values = Vec::new();
        self.walk(|_, _, value| {
            values.push(value);
            values.len() < SAMPLE
        })?;
        Ok(values)
    }

    /// Hands every value to `each`, with its row and its column.
    pub fn visit(&self, mut each: impl FnMut(usize, usize, f32)) -> Result<(), LoadError> {
        self.walk(|row, column, value| {
            each(row, column, value);
            true
        })
    }

    fn walk(&self, mut each: impl FnMut(usize, usize, f32) -> bool) -> Result<(), LoadError> {
        let (mut lines, _) = header(&self.path)?;
        let mut n_values = 0;
        while let Some(line) = lines.next()? {
            let mut fields = line.split_ascii_whitespace();
            let mut index = |most: usize| {
                let number = fields.next()?.parse::<usize>().ok()?;
                (1..=most).contains(&number).then(|| number - 1)
            };
            let entry = (|| Some((index(self.n_features)?, index(self.n_rows)?)))();
            let value = fields.next().and_then(|text| text.parse::<f32>().ok());
            let Some(((feature, row), value)) = entry.zip(value) else {
                let expected =
                    format!("a feature from 1 to {}, a barcode from 1 to {}, a value", self.n_features, self.n_rows);
                let found = line.to_owned();
                return Err(lines.wrong(&found, &expected));
            };
            n_values += 1;
            if value != 0.0 && !each(row, feature, value) {
                return Ok(());
            }
        }
        match n_values == self.n_values {
            true => Ok(()),
            false => Err(lines.wrong(&format!("{n_values} values"), &format!("{} as the header says", self.n_values))),
        }
    }
}

/// The lines behind the header, with the numbers of features, barcodes and values.
fn header(path: &Path) -> Result<(Lines, [usize; 3]), LoadError> {
    let mut lines = Lines::open(path)?;
    let first = lines.next()?.unwrap_or_default().to_lowercase();
    let words: Vec<&str> = first.split_ascii_whitespace().collect();
    if !matches!(words.as_slice(), ["%%matrixmarket", "matrix", "coordinate", "integer" | "real", "general"]) {
        return Err(lines.wrong(&first, "`%%MatrixMarket matrix coordinate integer general`, or `real`"));
    }
    loop {
        let Some(line) = lines.next()? else {
            return Err(lines.wrong("the end of the file", "the numbers of features, barcodes and values"));
        };
        if line.starts_with('%') || line.trim().is_empty() {
            continue;
        }
        let numbers: Vec<usize> = line.split_ascii_whitespace().filter_map(|text| text.parse().ok()).collect();
        return match numbers.as_slice() {
            &[features, barcodes, values] => Ok((lines, [features, barcodes, values])),
            _ => {
                let found = line.to_owned();
                Err(lines.wrong(&found, "the numbers of features, barcodes and values"))
            }
        };
    }
}

impl Lines {
    /// That a line holds something else than it should.
    pub fn wrong(&self, found: &str, expected: &str) -> LoadError {
        let place = Place { path: self.path.clone(), line: self.line };
        LoadError::Listed { place, problem: format!("found {found:?}, expected {expected}") }
    }
}
