//! Well names as they are written on plates: `A01`, `a1`, `AF48`.

use std::fmt;
use std::str::FromStr;

/// A well of a plate of up to 1536 wells (rows `A`–`AF`, columns 1–48).
///
/// Ordered by row, then column. Displays as `A01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Well {
    row: u8,
    column: u8,
}

/// A text that names no well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a well (expected a row A to AF and a column 1 to 48, as in A01)")]
pub struct WellError(pub String);

impl Well {
    /// Rows of the largest plate.
    pub const MAX_ROWS: u8 = 32;
    /// Columns of the largest plate.
    pub const MAX_COLUMNS: u8 = 48;

    /// The well at a row and a column, both counted from 1 as instruments do.
    pub fn at(row: i64, column: i64) -> Option<Self> {
        let is_on_plate =
            (1..=i64::from(Self::MAX_ROWS)).contains(&row) && (1..=i64::from(Self::MAX_COLUMNS)).contains(&column);
        is_on_plate.then(|| Self { row: (row - 1) as u8, column: column as u8 })
    }

    /// Row counted from 0 (`A`).
    pub fn row(self) -> u8 {
        self.row
    }

    /// Column counted from 1.
    pub fn column(self) -> u8 {
        self.column
    }
}

impl FromStr for Well {
    type Err = WellError;

    fn from_str(text: &str) -> Result<Self, WellError> {
        let error = || WellError(text.to_owned());
        let trimmed = text.trim();
        let n_letters = trimmed.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (letters, digits) = trimmed.split_at(n_letters);
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=2).contains(&n_letters) || !(1..=3).contains(&digits.len()) || !all_digits {
            return Err(error());
        }
        let row =
            letters.bytes().fold(0u32, |row, letter| row * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
        let column: u32 = digits.parse().map_err(|_| error())?;
        if row > u32::from(Self::MAX_ROWS) || !(1..=u32::from(Self::MAX_COLUMNS)).contains(&column) {
            return Err(error());
        }
        Ok(Self { row: (row - 1) as u8, column: column as u8 })
    }
}

impl fmt::Display for Well {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.row >= 26 {
            write!(f, "{}", (b'A' + self.row / 26 - 1) as char)?;
        }
        write!(f, "{}{:02}", (b'A' + self.row % 26) as char, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ways_people_write_wells() {
        for (text, shown) in [("A01", "A01"), ("a1", "A01"), (" p24 ", "P24"), ("AF48", "AF48"), ("aa001", "AA01")] {
            assert_eq!(text.parse::<Well>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn counts_rows_and_columns_from_one() {
        assert_eq!(Well::at(4, 8).unwrap().to_string(), "D08");
        assert_eq!(Well::at(32, 48).unwrap().to_string(), "AF48");
        assert!(Well::at(0, 1).is_none() && Well::at(1, 49).is_none() && Well::at(-1, 3).is_none());
    }

    #[test]
    fn refuses_what_is_no_well() {
        for text in ["", "A", "1A", "A0", "AG99", "AF49", "AAA1", "A1x", "A-1", "A1000", "É1"] {
            assert!(text.parse::<Well>().is_err(), "{text}");
        }
    }
}
