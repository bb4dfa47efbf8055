//! Well names as they are written on plates: `A01`, `a1`, `C-03`, `01A`, `r03c03`, `AF48`.

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

    /// Reads `A01`, `a1`, `A-01`, `A 1`, `01A`, `r01c01`, `(A,1)` and `Well A01`; signs between the parts mean nothing.
    fn from_str(text: &str) -> Result<Self, WellError> {
        let error = || WellError(text.to_owned());
        let inside = |text: &str| text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).map(str::to_owned);
        let without_word = |text: &str| {
            let word = text.get(..4).filter(|start| start.eq_ignore_ascii_case("well"))?;
            Some(text[word.len()..].trim_start_matches([' ', '_', '-', ':']).to_owned())
        };
        let plain = text.trim();
        let text = inside(plain).or_else(|| without_word(plain)).unwrap_or_else(|| plain.to_owned());
        let is_sign = |character: char| character.is_whitespace() || "-_.:/,".contains(character);
        let kept: Vec<char> = text.trim().chars().filter(|&character| !is_sign(character)).collect();
        if !kept.iter().all(char::is_ascii_alphanumeric) || !text.trim().ends_with(|last| !is_sign(last)) {
            return Err(error());
        }
        let parts: Vec<String> = kept
            .chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit())
            .map(|part| part.iter().collect::<String>().to_ascii_uppercase())
            .collect();
        let number = |digits: &str| (digits.len() <= 3).then(|| digits.parse::<i64>().ok()).flatten();
        let letters = |letters: &str| {
            let value = |row, letter| row * 26 + i64::from(letter - b'A') + 1;
            (letters.len() <= 2).then(|| letters.bytes().fold(0, value))
        };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let at = match parts.as_slice() {
            ["R" | "ROW", row, "C" | "COL" | "COLUMN", column] => number(row).zip(number(column)),
            [row, column] if row.starts_with("ROW") && row.len() > 6 => {
                let row = row[3..].trim_end_matches("UMN").strip_suffix("COL").unwrap_or_default();
                letters(row).filter(|&row| row > 0).zip(number(column))
            }
            [first, second] if first.starts_with(|first: char| first.is_ascii_digit()) => {
                letters(second).zip(number(first))
            }
            [first, second] => letters(first).zip(number(second)),
            _ => None,
        };
        at.and_then(|(row, column)| Self::at(row, column)).ok_or_else(error)
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
        let cases = [
            ("A01", "A01"),
            ("a1", "A01"),
            (" p24 ", "P24"),
            ("AF48", "AF48"),
            ("aa001", "AA01"),
            ("C-03", "C03"),
            ("C 3", "C03"),
            ("c_03", "C03"),
            ("C:3", "C03"),
            ("AF-48", "AF48"),
            ("01A", "A01"),
            ("1a", "A01"),
            ("48AF", "AF48"),
            ("r03c03", "C03"),
            ("R3C12", "C12"),
            ("r32-c48", "AF48"),
            ("row 3, column 4", "C04"),
            ("(C, 4)", "C04"),
            ("Well C04", "C04"),
            ("well_c4", "C04"),
            ("RowCCol04", "C04"),
            ("row aa column 4", "AA04"),
            // Row R, not a row called by number.
            ("R03", "R03"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Well>().map(|well| well.to_string()).as_deref(), Ok(shown), "{text}");
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
        for text in [
            "", "A", "7", "A0", "AG99", "AF49", "AAA1", "A1x", "-", "A1-", "A1000", "É1", "3-3", "r0c1", "r33c1",
            "1A1", "Well", "()", "RowCol4",
        ] {
            assert!(text.parse::<Well>().is_err(), "{text}");
        }
    }
}
