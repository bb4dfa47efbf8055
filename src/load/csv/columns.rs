//! Columns that grow part by part, and the numbers in cells.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::load::notation::Notation;
use crate::load::table::{self, RawColumn, Values};

/// Rows that were parsed together.
#[derive(Default)]
pub(super) struct Part {
    pub n_rows: usize,
    /// `[row, number column]`.
    pub numbers: Vec<f32>,
    /// `[row, text column]`.
    pub texts: Vec<Option<String>>,
}

/// The columns of a table, in the order of its header.
pub(super) struct Columns {
    is_number: Vec<bool>,
    /// Number columns, in order.
    numbers: Vec<Vec<f32>>,
    /// Text columns, in order.
    texts: Vec<Vec<Option<String>>>,
}

impl Columns {
    /// No rows yet of columns called `names`, of which those in `numbers` hold numbers.
    pub fn new(names: &[String], numbers: &BTreeSet<&str>) -> Self {
        let is_number: Vec<bool> = names.iter().map(|name| numbers.contains(name.as_str())).collect();
        let n_numbers = is_number.iter().filter(|is| **is).count();
        let n_texts = is_number.len() - n_numbers;
        Self { is_number, numbers: vec![Vec::new(); n_numbers], texts: vec![Vec::new(); n_texts] }
    }

    /// Whether each column holds numbers.
    pub fn is_number(&self) -> &[bool] {
        &self.is_number
    }

    /// Makes room for so many rows of numbers.
    pub fn reserve(&mut self, n_rows: usize) {
        self.numbers.iter_mut().for_each(|column| column.reserve_exact(n_rows));
    }

    /// Adds the rows of `parts` in their order.
    pub fn append(&mut self, parts: &[Part]) {
        let width = self.numbers.len();
        self.numbers.par_iter_mut().enumerate().for_each(|(column, values)| {
            for part in parts {
                values.extend((0..part.n_rows).map(|row| part.numbers[row * width + column]));
            }
        });
        let width = self.texts.len();
        for (column, values) in self.texts.iter_mut().enumerate() {
            for part in parts {
                values.extend((0..part.n_rows).map(|row| part.texts[row * width + column].clone()));
            }
        }
    }

    /// The columns with their names.
    pub fn named(self, names: Vec<String>) -> Vec<RawColumn> {
        let (mut numbers, mut texts) = (self.numbers.into_iter(), self.texts.into_iter());
        let mut values = |is_number| match is_number {
            true => Values::Number(numbers.next().expect("as many as were counted")),
            false => Values::Text(texts.next().expect("as many as were counted")),
        };
        let columns = names.into_iter().zip(self.is_number);
        columns.map(|(name, is_number)| RawColumn { name, values: values(is_number) }).collect()
    }
}

/// Powers of ten that are exact in `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number in a cell that is written in `notation`, `NaN` where it is missing, or `None` where it is no number.
///
/// A plain decimal of at most 15 digits is a quotient of two exact numbers, and so rounded once (Clinger 1990); all else
/// is left to the standard library.
pub(super) fn value(cell: &str, notation: Notation) -> Option<f32> {
    let bytes = cell.as_bytes();
    let (is_negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    let (mut mantissa, mut n_decimals, mut has_point) = (0u64, 0usize, false);
    let is_plain = !digits.is_empty() && digits.len() <= 16 && digits != b"." && {
        digits.iter().all(|&byte| match byte {
            b'0'..=b'9' => {
                mantissa = 10 * mantissa + u64::from(byte - b'0');
                n_decimals += usize::from(has_point);
                true
            }
            b'.' if !has_point => {
                has_point = true;
                true
            }
            _ => false,
        })
    };
    if is_plain && mantissa < 1 << 53 && (notation == Notation::POINT || !has_point) {
        let magnitude = mantissa as f64 / POWERS[n_decimals];
        return Some(if is_negative { -magnitude } else { magnitude } as f32);
    }
    match table::present_number(cell) {
        None => Some(f32::NAN),
        Some(text) => notation.number(text).map(|number| number as f32),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(value in any::<f64>(), digits in 0usize..18, cents in any::<i64>()) {
            for text in [format!("{value}"), format!("{value:e}"), format!("{:.digits$}", value % 1e6), format!("{cents}"),
                format!("{}.{:03}", cents % 100_000, cents.unsigned_abs() % 1000)] {
                let expected = text.parse::<f64>().unwrap() as f32;
                prop_assert_eq!(super::value(&text, Notation::POINT).map(f32::to_bits), Some(expected.to_bits()), "{}", text);
            }
        }
    }

    #[test]
    fn cells_that_are_no_plain_decimal_are_as_in_the_careful_way() {
        for (cell, expected) in
            [("1e3", Some(1000.0)), (" 2 ", Some(2.0)), ("+3", Some(3.0)), ("-.5", Some(-0.5)), ("5.", Some(5.0))]
        {
            assert_eq!(value(cell, Notation::POINT), expected, "{cell}");
        }
        for cell in ["", "NA", " nan ", "null", "#N/A", "-", ".", "None", "#DIV/0!", "-1.#IND"] {
            assert!(value(cell, Notation::POINT).unwrap().is_nan(), "{cell}");
        }
        for cell in ["n.d.", "+", "1,5", "1.2.3", "10uM", "--1"] {
            assert_eq!(value(cell, Notation::POINT), None, "{cell}");
        }
        assert_eq!(value("-0", Notation::POINT).unwrap().to_bits(), (-0.0f32).to_bits());
    }
}
