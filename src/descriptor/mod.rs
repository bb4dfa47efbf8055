//! Perturbations -> feature vectors, so that an unseen perturbation has a place.
//!
//! ```text
//! compound,bits                    gene,pc1,pc2,pc3
//! taxol,0010000100                 TP53,0.12,-1.4,0.7
//! ```
//!
//! Either a column of fingerprints written as `0` and `1`, or numeric columns. One row for each perturbation; a name that
//! stands twice with other values, a missing value, and fingerprints of different lengths are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::load::{self, Card, DescriptorFile, LoadError, Place, TextTable};

/// Feature vectors of perturbations, all of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptors {
    /// Name of each entry of a vector: the numeric columns, or `bit_0`, `bit_1`, ….
    pub names: Vec<String>,
    /// Vector by perturbation name, `[descriptor]`.
    pub vectors: BTreeMap<String, Vec<f32>>,
}

/// Why descriptors could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// The table could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The table lacks a column.
    #[error("{}: no column `{column}`, which [descriptors] names", path.display())]
    MissingColumn {
        /// The table.
        path: PathBuf,
        /// The column or glob.
        column: String,
    },
    /// The request names both kinds of columns, or none.
    #[error("[descriptors] of `{file}` needs either `bits` or `columns`")]
    Kind {
        /// The table.
        file: String,
    },
    /// A wrong cell.
    #[error("{place}: column `{column}` holds {found:?}, expected {expected}")]
    Cell {
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The value as written.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// One perturbation with two vectors.
    #[error("{second}: `{perturbation}` was already described at {first} with other values")]
    Duplicate {
        /// The perturbation.
        perturbation: String,
        /// The first row.
        first: Box<Place>,
        /// The second row.
        second: Box<Place>,
    },
}

impl Descriptors {
    /// The vectors by perturbation, `[descriptor]` each.
    pub fn by_name(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.vectors
    }

    /// The vector of a perturbation, `[descriptor]`, if it is described.
    pub fn get(&self, perturbation: &str) -> Option<&[f32]> {
        self.vectors.get(perturbation).map(Vec::as_slice)
    }

    /// The descriptors that a card names, if it names any.
    ///
    /// # Errors
    /// If the table is missing or malformed.
    pub fn of_card(card: &Card) -> Result<Option<Self>, DescriptorError> {
        match &card.descriptors {
            Some(file) => Self::read(&card.resolve(&file.file)?, file).map(Some),
            None => Ok(None),
        }
    }

    /// The descriptors in the table at `path`, whose columns `file` names.
    ///
    /// # Errors
    /// If the table is missing or malformed.
    pub fn read(path: &Path, file: &DescriptorFile) -> Result<Self, DescriptorError> {
        let table = load::read_text_table(path)?;
        let missing = |column: &str| DescriptorError::MissingColumn { path: path.into(), column: column.to_owned() };
        let position = |name: &str| table.names.iter().position(|own| own == name).ok_or_else(|| missing(name));
        let perturbation = position(&file.perturbation)?;
        let (names, rows) = match (&file.bits, file.columns.as_slice()) {
            (Some(bits), []) => fingerprints(&table, position(bits)?)?,
            (None, [_, ..]) => {
                let chosen = matching(&table, &file.columns, perturbation).map_err(|glob| missing(&glob))?;
                numbers(&table, &chosen)?
            }
            _ => return Err(DescriptorError::Kind { file: file.file.clone() }),
        };
        let mut first_rows = BTreeMap::<&str, usize>::new();
        for (row, vector) in rows.iter().enumerate() {
            let name = required(&table, perturbation, row, "the name of a perturbation")?;
            let first = *first_rows.entry(name).or_insert(row);
            if rows[first] != *vector {
                return Err(DescriptorError::Duplicate {
                    perturbation: name.to_owned(),
                    first: Box::new(table.places[first].clone()),
                    second: Box::new(table.places[row].clone()),
                });
            }
        }
        let vectors = first_rows.into_iter().map(|(name, row)| (name.to_owned(), rows[row].clone())).collect();
        Ok(Self { names, vectors })
    }
}

type NamedRows = (Vec<String>, Vec<Vec<f32>>);

fn fingerprints(table: &TextTable, column: usize) -> Result<NamedRows, DescriptorError> {
    let mut rows = Vec::with_capacity(table.places.len());
    let mut n_bits = None;
    for row in 0..table.places.len() {
        let text = required(table, column, row, "a fingerprint of 0 and 1")?;
        let expected = *n_bits.get_or_insert(text.len());
        let bits = text.bytes().map(|byte| match byte {
            b'0' => Some(0.0),
            b'1' => Some(1.0),
            _ => None,
        });
        let bits: Option<Vec<f32>> = bits.collect();
        let bits = bits.filter(|bits| bits.len() == expected);
        rows.push(bits.ok_or_else(|| wrong(table, column, row, text, &format!("{expected} digits 0 or 1")))?);
    }
    Ok(((0..n_bits.unwrap_or(0)).map(|bit| format!("bit_{bit}")).collect(), rows))
}

fn numbers(table: &TextTable, columns: &[usize]) -> Result<NamedRows, DescriptorError> {
    let names = columns.iter().map(|&column| table.names[column].clone()).collect();
    let value = |row: usize, column: usize| {
        let text = required(table, column, row, "a number")?;
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        value.map(|value| value as f32).ok_or_else(|| wrong(table, column, row, text, "a finite number"))
    };
    let row = |row: usize| columns.iter().map(|&column| value(row, column)).collect();
    Ok((names, (0..table.places.len()).map(row).collect::<Result<_, DescriptorError>>()?))
}

/// Columns that match one of `globs`, in the table's order; the error is a glob that matches none.
fn matching(table: &TextTable, globs: &[String], perturbation: usize) -> Result<Vec<usize>, String> {
    let mut chosen = std::collections::BTreeSet::new();
    for text in globs {
        let pattern = glob::Pattern::new(text).map_err(|_| text.clone())?;
        let matches = (0..table.names.len()).filter(|&column| pattern.matches(&table.names[column]));
        let before = chosen.len();
        chosen.extend(matches.filter(|&column| column != perturbation));
        if chosen.len() == before {
            return Err(text.clone());
        }
    }
    Ok(chosen.into_iter().collect())
}

fn required<'a>(table: &'a TextTable, column: usize, row: usize, expected: &str) -> Result<&'a str, DescriptorError> {
    table.columns[column][row].as_deref().ok_or_else(|| wrong(table, column, row, "", expected))
}

fn wrong(table: &TextTable, column: usize, row: usize, found: &str, expected: &str) -> DescriptorError {
    const SHOWN: usize = 40;
    let is_long = found.chars().count() > SHOWN;
    let found = if is_long { found.chars().take(SHOWN).chain(['…']).collect() } else { found.to_owned() };
    DescriptorError::Cell {
        place: table.places[row].clone(),
        column: table.names[column].clone(),
        found,
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, bits: Option<&str>, columns: &[&str]) -> Result<Descriptors, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.csv");
        std::fs::write(&path, text).unwrap();
        let file = DescriptorFile {
            file: "d.csv".into(),
            perturbation: "compound".into(),
            bits: bits.map(str::to_owned),
            columns: columns.iter().map(|glob| glob.to_string()).collect(),
        };
        let folder = folder.path().display().to_string() + "/";
        Descriptors::read(&path, &file).map_err(|error| error.to_string().replace(&folder, ""))
    }

    #[test]
    fn reads_bits_and_numbers() {
        let bits = read("compound,bits\nb,010\na,111\n", Some("bits"), &[]).unwrap();
        assert_eq!((bits.get("b"), bits.get("c")), (Some([0.0, 1.0, 0.0].as_slice()), None));
        let numbers = read("pc2,compound,pc1,note\n2,a,1,x\n4,b,3,y\n", None, &["pc*"]).unwrap();
        assert_eq!(numbers.names, ["pc2", "pc1"]);
        assert_eq!(numbers.get("b"), Some([4.0, 3.0].as_slice()));
    }

    #[test]
    fn names_row_and_column_of_what_is_wrong() {
        let check = |text: &str, bits: Option<&str>, columns: &[&str], expected: &str| {
            assert_eq!(read(text, bits, columns).unwrap_err(), expected);
        };
        let bits = Some("bits");
        check(
            "compound,bits\na,010\nb,01\n",
            bits,
            &[],
            "d.csv:3: column `bits` holds \"01\", expected 3 digits 0 or 1",
        );
        check("compound,bits\na,012\n", bits, &[], "d.csv:2: column `bits` holds \"012\", expected 3 digits 0 or 1");
        check("compound,x\na,1\nb,\n", None, &["x"], "d.csv:3: column `x` holds \"\", expected a number");
        check("compound,x\na,1\n", None, &["y*"], "d.csv: no column `y*`, which [descriptors] names");
        check("compound,x\na,1\n", None, &[], "[descriptors] of `d.csv` needs either `bits` or `columns`");
        let twice = "d.csv:3: `a` was already described at d.csv:2 with other values";
        check("compound,x\na,1\na,2\n", None, &["x"], twice);
        assert!(read("compound,x\na,1\na,1\n", None, &["x"]).is_ok());
    }
}
