//! How interventions are written, when they are printed and when they are typed.
//!
//! ```text
//! taxol 0.1 µM                   a member with its dose; typed also as taxol@0.1 (µM) or taxol 100nM
//! TP53 (CRISPR)                  one without, its kind beside it where that is printed
//! HN 6 µM + RO 3.5 µM            several members
//! "A + B" 3 µM                   one member whose name holds what would be read as more than a name
//! ```

use std::borrow::Cow;

use super::{DoseUnit, Kind, Micromolar};

/// Between members, as it is printed.
pub(super) const BETWEEN: &str = " + ";

/// What stands for the empty set.
pub(super) const UNTREATED: &str = "untreated";

/// A member as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub name: String,
    /// The kind in parentheses.
    pub kind: Option<Kind>,
    pub dose: Option<WrittenDose>,
}

/// A dose as it is written; `None` where it cannot be one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WrittenDose {
    pub text: String,
    pub dose: Option<Micromolar>,
    /// A mass, which is a dose where it is known what is weighed.
    pub mass: Option<(f64, DoseUnit)>,
}

impl WrittenDose {
    /// A number in µM, or with a unit behind it.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let amount = amount(text).map(|(number, unit)| (number, unit.unwrap_or(DoseUnit::Micromolar)));
        let micromolar = amount.and_then(|(number, unit)| Some(number * unit.in_micromolar(None)?));
        // To 12 digits, so that 300 nM are 0.3 µM.
        let rounded = |value: f64| format!("{value:.11e}").parse().ok();
        let mass = amount.filter(|(_, unit)| unit.in_micromolar(None).is_none());
        Self { text: text.to_owned(), dose: micromolar.and_then(rounded).and_then(Micromolar::new), mass }
    }
}

/// A number, with the unit behind it if there is one.
pub(crate) fn amount(text: &str) -> Option<(f64, Option<DoseUnit>)> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return Some((number, None));
    }
    // `1e-3 uM`: the first letter need not begin the unit.
    text.char_indices().filter(|(_, letter)| letter.is_alphabetic() || *letter == 'µ').find_map(|(at, _)| {
        let number = text[..at].trim().parse::<f64>().ok()?;
        Some((number, Some(DoseUnit::parse(&text[at..])?)))
    })
}

/// A name, and the amount with its unit behind a blank, perhaps in parentheses: `HN 6 uM`, `a b 3nM`, `HN (6 uM)`, `HN, 6 uM`.
pub(crate) fn name_and_amount(text: &str) -> Option<(&str, &str)> {
    let blanks = text.char_indices().filter(|(_, letter)| letter.is_whitespace());
    let bare = |text: &'_ str| {
        let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        inside.or_else(|| text.strip_prefix('[')?.strip_suffix(']')).unwrap_or(text).len()
    };
    let parts = |at: usize| {
        let (name, behind) = (text[..at].trim_end().trim_end_matches(','), text[at..].trim());
        // Both signs around it, or none.
        let n_around = (behind.len() - bare(behind)) / 2;
        (name, behind[n_around..behind.len() - n_around].trim())
    };
    blanks
        .map(|(at, _)| parts(at))
        .find(|(name, behind)| !name.is_empty() && matches!(amount(behind), Some((_, Some(_)))))
}

/// The name of a member as it is printed, in quotes where it would be read as more than a name.
pub(super) fn as_member(name: &str) -> Cow<'_, str> {
    let is_plain = name.trim() == name
        && !name.is_empty()
        && name != UNTREATED
        && !name.starts_with('"')
        && !name.ends_with('@')
        && !name.ends_with(" +")
        && !name.contains(BETWEEN)
        && member(name) == Written { name: name.to_owned(), kind: None, dose: None };
    match is_plain {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))),
    }
}

/// The members of a set as it is printed.
pub(super) fn members(text: &str) -> Vec<Written> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let mut quotes = Quotes::default();
    for (at, letter) in text.char_indices() {
        if at < start {
            continue;
        }
        let begins_member = text[start..at].trim().is_empty();
        if !quotes.pass(letter, begins_member) && text[at..].starts_with(BETWEEN) {
            parts.push(&text[start..at]);
            start = at + BETWEEN.len();
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(member).collect()
}

/// Whether a letter stands within quotes, which begin a member.
#[derive(Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    fn pass(&mut self, letter: char, begins_member: bool) -> bool {
        let was_open = self.is_open;
        match letter {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' if self.is_open => self.is_escaped = true,
            '"' if self.is_open => self.is_open = false,
            '"' if begins_member => self.is_open = true,
            _ => {}
        }
        was_open || self.is_open
    }
}

/// A member: its name, in quotes or not, with a kind or a dose behind it.
fn member(text: &str) -> Written {
    let text = text.trim();
    if let Some((name, behind)) = unquoted(text) {
        // A letter stands for the name, without which nothing could stand behind it.
        let with_name = format!("x{behind}");
        if let ("x", kind, dose) = behind_name(&with_name) {
            return Written { name, kind, dose };
        }
    }
    let (name, kind, dose) = behind_name(text);
    match name.is_empty() {
        true => Written { name: text.to_owned(), kind: None, dose: None },
        false => Written { name: name.to_owned(), kind, dose },
    }
}

/// A name in quotes, and what stands behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let (mut name, mut is_escaped) = (String::new(), false);
    for (at, letter) in inside.char_indices() {
        match letter {
            _ if is_escaped => {
                name.push(letter);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Some((name, &inside[at + 1..])),
            _ => name.push(letter),
        }
    }
    None
}

/// What is written before a kind or a dose, and these.
pub(super) fn behind_name(text: &str) -> (&str, Option<Kind>, Option<WrittenDose>) {
    for (word, kind) in Kind::ALL.into_iter().filter_map(|kind| Some((format!("({})", kind.in_names()?), kind))) {
        let at = text.len().saturating_sub(word.len());
        if text.is_char_boundary(at) && text[at..].eq_ignore_ascii_case(&word) {
            return (text[..at].trim_end(), Some(kind), None);
        }
    }
    if let Some((name, dose)) = text.rsplit_once('@') {
        // A word behind `@` belongs to the name, a number with an unknown unit is a dose that cannot be read.
        let is_number = dose.trim_start().starts_with(|letter: char| letter.is_ascii_digit() || "+-.".contains(letter));
        if is_number && !name.trim().is_empty() {
            return (name.trim_end(), None, Some(WrittenDose::of(dose)));
        }
    }
    match name_and_amount(text) {
        Some((name, dose)) => (name, None, Some(WrittenDose::of(dose))),
        None => (text, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_with_their_doses_and_kinds() {
        let micromolar = |value| Micromolar::new(value);
        type Member<'a> = (&'a str, Option<Kind>, Option<Option<Micromolar>>);
        let check = |text: &str, expected: &[Member<'_>]| {
            let members = members(text);
            let found: Vec<_> = members
                .iter()
                .map(|member| (member.name.as_str(), member.kind, member.dose.as_ref().map(|dose| dose.dose)))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        for text in ["taxol 0.1 µM", "taxol@0.1", "taxol 100nM", "taxol @ 0.1 uM", "taxol 1e-4 mM", "\"taxol\"@0.1"] {
            check(text, &[("taxol", None, Some(micromolar(0.1)))]);
        }
        check("TP53 (CRISPR) + x@y", &[("TP53", Some(Kind::Crispr), None), ("x@y", None, None)]);
        check("KLF1 (crispra)", &[("KLF1", Some(Kind::Crispra), None)]);
        check("a b 3 nM + c", &[("a b", None, Some(micromolar(0.003))), ("c", None, None)]);
        check("\"A + B\" 3 µM + C", &[("A + B", None, Some(micromolar(3.0))), ("C", None, None)]);
        check("a b (3 nM) + c, 2 µM", &[("a b", None, Some(micromolar(0.003))), ("c", None, Some(micromolar(2.0)))]);
        check("VX (R) + (3 nM)", &[("VX (R)", None, None), ("(3 nM)", None, None)]);
        check("taxol@0", &[("taxol", None, Some(None))]);
        check("taxol@1 parsec", &[("taxol", None, Some(None))]);
        check("compound 7", &[("compound 7", None, None)]);
        check("IL-2/IL-15", &[("IL-2/IL-15", None, None)]);
        check("3 µM", &[("3 µM", None, None)]);
        check("taxol 3 ng/mL", &[("taxol", None, Some(None))]);
    }

    #[test]
    fn a_name_that_says_more_than_a_name_is_quoted() {
        for name in ["taxol", "VX-770+x", "a b", "x@y", "IL-2/IL-15", "7", "3 µM", "a\"b"] {
            assert_eq!(as_member(name), name);
        }
        for (name, quoted) in [
            ("A + B", "\"A + B\""),
            ("TNF 10 nM", "\"TNF 10 nM\""),
            ("pc@2", "\"pc@2\""),
            ("untreated", "\"untreated\""),
            ("\"a\" + b", "\"\\\"a\\\" + b\""),
            ("MYC (ORF)", "\"MYC (ORF)\""),
        ] {
            assert_eq!(as_member(name), quoted);
        }
    }
}
