//! Numbers in JSON that are read back to the last bit.
//!
//! JSON knows no NaN and no infinity: these stand there as the words `"NaN"`, `"inf"` and `"-inf"`.

use std::ops::Deref;

use faer::{Mat, MatRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Finite(f64),
    Word(String),
}

impl Written {
    fn of(number: f64) -> Self {
        if number.is_finite() { Self::Finite(number) } else { Self::Word(number.to_string()) }
    }

    fn number<E: serde::de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(number) => Ok(number),
            Self::Word(word) => word.parse().map_err(|_| E::custom(format!("`{word}` is not a number"))),
        }
    }
}

/// A field that may be NaN or infinite: `#[serde(with = "crate::linear::numbers::number")]`.
pub(crate) mod number {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};

    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(*number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Written::deserialize(deserializer)?.number()
    }
}

/// A vector of `f64` that may hold NaN and infinities.
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
        serializer.collect_seq(self.0.iter().copied().map(Written::of))
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<Written>::deserialize(deserializer)?;
        written.into_iter().map(Written::number).collect::<Result<_, _>>().map(Self)
    }
}

/// A column-major `f64` matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenMatrix")]
pub(crate) struct StoredMatrix {
    n_rows: usize,
    n_columns: usize,
    values: Numbers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMatrix {
    n_rows: usize,
    n_columns: usize,
    values: Numbers,
}

impl TryFrom<WrittenMatrix> for StoredMatrix {
    type Error = String;

    fn try_from(written: WrittenMatrix) -> Result<Self, String> {
        let WrittenMatrix { n_rows, n_columns, values } = written;
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
        assert!(
            text.starts_with(
                "[0.30000000000000004,-0.3333333333333333,2.2250738585072014e-308,1e+300,-0.0,\"NaN\",\"inf\""
            ),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Numbers>(&text).unwrap(), numbers);
        let error = serde_json::from_str::<Numbers>("[1.0, \"many\"]").unwrap_err().to_string();
        assert!(error.contains("`many` is not a number"), "{error}");
    }

    #[test]
    fn refuses_a_matrix_that_its_numbers_do_not_fill() {
        let text = r#"{"n_rows": 2, "n_columns": 2, "values": [1, 2, 3]}"#;
        let error = serde_json::from_str::<StoredMatrix>(text).unwrap_err().to_string();
        assert!(error.contains("3 numbers do not fill a 2 by 2 matrix"), "{error}");
    }
}
