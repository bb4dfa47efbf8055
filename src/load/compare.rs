//! How the values of two columns are compared where tables are joined.
//!
//! ```text
//! the table   the sheet
//! C-03        C03          wells, always as wells
//! 000157      157.0        numbers, if no two plates of either side are the same number
//! Taxol       taxol        apart from case and outer blanks, if no two names of either side are the same so
//! ```
//!
//! As written is what counts; another way is taken only where it finds more and brings no two values of one side together.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::screen::Well;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// As written.
    Written,
    /// As wells.
    Wells,
    /// As numbers.
    Numbers,
    /// In small letters.
    Letters,
}

impl Compare {
    /// What of a value is compared.
    pub fn key(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Written => Cow::Borrowed(text),
            Self::Wells => text.parse::<Well>().map_or(Cow::Borrowed(text), |well| Cow::Owned(well.to_string())),
            Self::Numbers => number(text).map_or(Cow::Borrowed(text), |number| Cow::Owned(number.to_string())),
            Self::Letters => Cow::Owned(text.trim().to_lowercase()),
        }
    }

    /// What there is to say of two values that are one so.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::Written => None,
            Self::Wells => Some("as wells"),
            Self::Numbers => Some("as numbers"),
            Self::Letters => Some("apart from capital letters"),
        }
    }

    /// The way that finds most of the table's distinct values in the sheet's; with `is_well` they are wells.
    pub fn of(table: &BTreeSet<&str>, sheet: &BTreeSet<&str>, is_well: bool) -> Self {
        if is_well {
            return Self::Wells;
        }
        let mut best = (table.intersection(sheet).count(), Self::Written);
        for way in [Self::Numbers, Self::Letters, Self::Wells] {
            if best.0 == table.len() {
                break;
            }
            let keys = |texts: &BTreeSet<&str>| -> BTreeSet<String> {
                texts.iter().map(|text| way.key(text).into_owned()).collect()
            };
            let (table_keys, sheet_keys) = (keys(table), keys(sheet));
            let is_unambiguous = table_keys.len() == table.len() && sheet_keys.len() == sheet.len();
            let found = table_keys.intersection(&sheet_keys).count();
            if is_unambiguous && found > best.0 {
                best = (found, way);
            }
        }
        best.1
    }
}

/// Whether a text is a well and nothing else that is usual.
pub(super) fn names_well(text: &str) -> bool {
    text.parse::<Well>().is_ok()
}

/// A finite number in digits; `1e5` may be a plate.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.trim().bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
    // `-0` and `0` are one.
    is_plain.then_some(number + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &[&str], sheet: &[&str]) -> Compare {
        Compare::of(&table.iter().copied().collect(), &sheet.iter().copied().collect(), false)
    }

    #[test]
    fn another_way_than_as_written_is_taken_only_where_it_finds_more_and_merges_nothing() {
        assert_eq!(of(&["000157", "158"], &["157.0", "158.0"]), Compare::Numbers);
        assert_eq!(of(&["0.1", "10"], &["0.10", "10"]), Compare::Numbers);
        assert_eq!(of(&["157", "158"], &["157", "158.0", "158"]), Compare::Written);
        // Two plates of one number on one side.
        assert_eq!(of(&["0157", "157", "9"], &["157.0"]), Compare::Written);
        assert_eq!(of(&["157"], &["0157.0", "157.0"]), Compare::Written);
        assert_eq!(of(&["Taxol", "DMSO"], &["taxol", "dmso"]), Compare::Letters);
        assert_eq!(of(&["Taxol", "TAXOL"], &["taxol"]), Compare::Written);
        assert_eq!(of(&["1e5"], &["100000"]), Compare::Written);
        assert_eq!(of(&["C-03", "a1"], &["C03", "A01"]), Compare::Wells);
        assert_eq!(of(&["P1", "P2"], &["P1", "P2"]), Compare::Written);
        assert_eq!(of(&["-0.0"], &["0"]), Compare::Numbers);
    }
}
