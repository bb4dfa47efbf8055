//! Numbers that survive JSON to the last bit.
//!
//! A JSON reader may round the seventeenth digit, and JSON has no word for a missing value. So vectors are written as
//! one string of shortest decimals with blanks between (`"1.5e0 -3e-2 NaN"`), which Rust reads back exactly.

use std::ops::Deref;

use faer::{Mat, MatRef};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A vector of `f64` whose text form is exact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(pub(crate) Vec<f64>);

impl PartialEq for Numbers {
    /// Equal bit by bit, so that a missing value equals itself.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Deref for Numbers {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = self.0.iter().map(|value| format!("{value:e}")).collect();
        serializer.serialize_str(&words.join(" "))
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split_ascii_whitespace()
            .map(|word| word.parse().map_err(|_| D::Error::custom(format!("`{word}` is not a number"))))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A column-major `f64` matrix whose text form is exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MatrixText")]
pub(crate) struct StoredMatrix {
    n_rows: usize,
    n_columns: usize,
    values: Numbers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatrixText {
    n_rows: usize,
    n_columns: usize,
    values: Numbers,
}

impl TryFrom<MatrixText> for StoredMatrix {
    type Error = String;

    fn try_from(text: MatrixText) -> Result<Self, String> {
        let MatrixText { n_rows, n_columns, values } = text;
        if n_rows.checked_mul(n_columns) != Some(values.len()) {
            return Err(format!("{} numbers do not fill a {n_rows} by {n_columns} matrix", values.len()));
        }
        Ok(Self { n_rows, n_columns, values })
    }
}

impl StoredMatrix {
    pub(crate) fn of(matrix: MatRef<'_, f64>) -> Self {
        let values = matrix.col_iter().flat_map(|column| column.iter().copied()).collect();
        Self { n_rows: matrix.nrows(), n_columns: matrix.ncols(), values: Numbers(values) }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(crate) fn n_columns(&self) -> usize {
        self.n_columns
    }

    pub(crate) fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.n_rows, self.n_columns)
    }

    /// A copy with row `i` multiplied by `factors[i]`.
    pub(crate) fn rows_scaled(matrix: &Mat<f64>, factors: &[f64]) -> Self {
        let scaled = Mat::from_fn(matrix.nrows(), matrix.ncols(), |row, column| matrix[(row, column)] * factors[row]);
        Self::of(scaled.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_bit() {
        let values = vec![0.1 + 0.2, -1.0 / 3.0, f64::MIN_POSITIVE, 1e300, -0.0, f64::NAN, f64::INFINITY, 5e-324];
        let numbers = Numbers(values);
        let text = serde_json::to_string(&numbers).unwrap();
        assert_eq!(serde_json::from_str::<Numbers>(&text).unwrap(), numbers);
    }

    #[test]
    fn refuses_a_matrix_that_its_numbers_do_not_fill() {
        let text = r#"{"n_rows": 2, "n_columns": 2, "values": "1 2 3"}"#;
        let error = serde_json::from_str::<StoredMatrix>(text).unwrap_err().to_string();
        assert!(error.contains("3 numbers do not fill a 2 by 2 matrix"), "{error}");
    }
}
