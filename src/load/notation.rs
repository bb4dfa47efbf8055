//! How the numbers of a file are written: with a decimal point, with a decimal comma, with marks between thousands.
//!
//! ```text
//! 1234.5    1,234.5    1 234.5    1'234.5        a point
//! 1234,5    1.234,5    1 234,5    1'234,5        a comma
//! ```
//!
//! `1,234` may be either, so the cells of a file decide together. A cell that can be read in one way only is a witness;
//! where witnesses contradict each other, or there is none, nothing but a decimal point is read, and a cell with a comma
//! is no number. In a file whose fields are separated by semicolons a comma is taken for the decimal mark without a
//! witness, since that is what such files are written for. A mark between thousands that the other notation would read
//! as its decimal mark needs a witness as well.

use std::borrow::Cow;

/// How the numbers of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notation {
    decimal: u8,
    /// Whether the other of point and comma stands between thousands.
    is_grouped: bool,
}

/// What a cell tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    Nothing,
    /// Only this notation can read it.
    For(Notation),
    /// Three digits behind a single comma, as thousands or as decimals.
    Undecided,
}

impl Notation {
    /// `1234.5`, as programs write it.
    pub const POINT: Self = Self { decimal: b'.', is_grouped: false };
    const COMMA: Self = Self { decimal: b',', is_grouped: false };

    /// The notation of the file that `cells` are of, or a part of; `is_comma_usual` in files separated by semicolons.
    pub fn of<'a>(cells: impl Iterator<Item = &'a str>, is_comma_usual: bool) -> Self {
        let (mut point, mut comma): (Option<Self>, Option<Self>) = (None, None);
        let mut is_undecided = false;
        for cell in cells {
            match witness(cell.trim()) {
                Witness::Nothing => {}
                Witness::Undecided => is_undecided = true,
                Witness::For(notation) => {
                    let known = if notation.decimal == b'.' { &mut point } else { &mut comma };
                    known.get_or_insert(notation).is_grouped |= notation.is_grouped;
                }
            }
        }
        match (point, comma) {
            (None, Some(comma)) => comma,
            (Some(point), None) => point,
            (None, None) if is_comma_usual && is_undecided => Self::COMMA,
            _ => Self::POINT,
        }
    }

    /// A number as programs write it, or `None` if the text is no number in this notation.
    pub fn plain(self, text: &str) -> Option<Cow<'_, str>> {
        if text.parse::<f64>().is_ok() && (self.decimal == b'.' || !text.contains('.')) {
            return Some(Cow::Borrowed(text));
        }
        let plain = read(text, self.decimal)?;
        let group = if self.decimal == b'.' { ',' } else { '.' };
        (self.is_grouped || !text.contains(group)).then_some(Cow::Owned(plain))
    }

    /// The number that a text says.
    pub fn number(self, text: &str) -> Option<f64> {
        match text.parse() {
            Ok(number) if self.decimal == b'.' => Some(number),
            _ => self.plain(text)?.parse().ok(),
        }
    }
}

fn witness(cell: &str) -> Witness {
    if !cell.contains([',', '.']) {
        return Witness::Nothing;
    }
    match (read(cell, b'.').is_some(), read(cell, b',').is_some()) {
        (true, false) => Witness::For(Notation { decimal: b'.', is_grouped: cell.contains(',') }),
        (false, true) => Witness::For(Notation { decimal: b',', is_grouped: cell.contains('.') }),
        (true, true) if cell.contains(',') => Witness::Undecided,
        _ => Witness::Nothing,
    }
}

/// A number with this decimal mark, its thousands perhaps set apart, as programs write it.
fn read(text: &str, decimal: u8) -> Option<String> {
    let (sign, rest) = match text.strip_prefix(['-', '−']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (body, exponent) = match rest.find(['e', 'E']) {
        Some(position) => rest.split_at(position),
        None => (rest, ""),
    };
    let (whole, decimals) = match body.split_once(decimal as char) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (body, None),
    };
    let digits = ungrouped(whole, if decimal == b'.' { ',' } else { '.' })?;
    let decimals = decimals.unwrap_or_default();
    let is_number = is_digits(decimals) && !(digits.is_empty() && decimals.is_empty());
    let plain = format!("{sign}{digits}.{decimals}{exponent}");
    // A number in thousands has no exponent.
    let is_usual = exponent.is_empty() || (digits.len() == whole.len() && plain.parse::<f64>().is_ok());
    (is_number && is_usual).then_some(plain)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits before the decimal mark without the marks between thousands; `group` or a blank or an apostrophe may be one.
fn ungrouped(whole: &str, group: char) -> Option<String> {
    if is_digits(whole) {
        return Some(whole.to_owned());
    }
    let mark = whole.chars().find(|letter| !letter.is_ascii_digit())?;
    if ![group, '\'', '’', ' ', '\u{a0}', '\u{202f}', '\u{2009}'].contains(&mark) {
        return None;
    }
    let groups: Vec<&str> = whole.split(mark).collect();
    let (first, rest) = groups.split_first()?;
    let is_grouped = is_digits(first)
        && (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && rest.iter().all(|group| group.len() == 3 && is_digits(group));
    is_grouped.then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cells: &[&str], is_comma_usual: bool, expected: &[Option<f64>]) {
        let notation = Notation::of(cells.iter().copied(), is_comma_usual);
        let found: Vec<Option<f64>> = cells.iter().map(|cell| notation.number(cell)).collect();
        assert_eq!(found, expected, "{cells:?} {notation:?}");
    }

    #[test]
    fn cells_decide_together_what_a_comma_is() {
        check(&["0,12", "1,234", "-3", "1,5e-3"], false, &[Some(0.12), Some(1.234), Some(-3.0), Some(0.0015)]);
        check(&["1.234,5", "12.345", "7"], false, &[Some(1234.5), Some(12345.0), Some(7.0)]);
        check(&["1,234.5", "2,345", "0.5"], false, &[Some(1234.5), Some(2345.0), Some(0.5)]);
        check(&["1,234,567", "2,345"], false, &[Some(1_234_567.0), Some(2345.0)]);
        check(&["1 234,5", "1'000,25", "−2,5"], false, &[Some(1234.5), Some(1000.25), Some(-2.5)]);
        check(&["1 234.5", "1\u{a0}000"], false, &[Some(1234.5), Some(1000.0)]);
    }

    #[test]
    fn what_may_be_either_is_no_number_unless_semicolons_decide() {
        check(&["1,234", "12,345"], false, &[None, None]);
        check(&["1,234", "12,345"], true, &[Some(1.234), Some(12.345)]);
        // Witnesses for both: a comma stays what the file's reader took it for, a text.
        check(&["0.5", "0,5", "1,234"], true, &[Some(0.5), None, None]);
        // A point in a file of commas may stand between thousands or be a stray decimal point.
        check(&["0,5", "1.234"], true, &[Some(0.5), None]);
        check(&["0.5", "1,234"], false, &[Some(0.5), None]);
    }

    #[test]
    fn numbers_of_programs_are_read_as_ever_and_texts_are_not() {
        check(
            &["1e-3", ".5", "5.", "+3", "inf"],
            true,
            &[Some(0.001), Some(0.5), Some(5.0), Some(3.0), Some(f64::INFINITY)],
        );
        check(&["12.03.2024", "1,2-dichloro", "10,5 uM", ",", "1,,5", "0,123,456", "e5", ""], false, &[None; 8]);
    }
}
