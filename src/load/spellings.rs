//! One thing that is written in several ways in a column.
//!
//! ```text
//! plate   1, 1.0, 01         one plate: a spreadsheet or a data frame has been there
//! dose    0, 0,3, 1          a decimal comma, though the features have points
//! gene    TP53, 1-Mar        a spreadsheet made a date of MARCH1 or MARC1: said, since only the author can tell
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::card::Card;
use super::controls;
use super::mapping::{ColumnRole, Mapping};
use super::notation::Notation;
use super::table::{RawTable, Values};
use crate::table::first_few;

/// Roles of columns whose cells are compared as names.
const NAMES: [ColumnRole; 5] =
    [ColumnRole::Plate, ColumnRole::LabBatch, ColumnRole::Replicate, ColumnRole::Perturbation, ColumnRole::Context];

/// Roles of columns whose cells are numbers, and stay text until they are read.
const NUMBERS: [ColumnRole; 3] = [ColumnRole::Dose, ColumnRole::Hours, ColumnRole::CellCount];

/// Columns that are shown of many.
const SHOWN: usize = 3;

/// Writes one thing in one way, and says what was changed and what only the author of the table can change.
pub(super) fn unify(table: &mut RawTable, mapping: &Mapping, card: &Card) -> Vec<String> {
    let of_rules: Vec<String> = controls::rule_columns(card).into_iter().map(str::to_owned).collect();
    let has_own_names = |column: &str| of_rules.iter().any(|of_rule| of_rule == column);
    let names = |column: &str| table.text(column).is_some_and(|texts| texts.iter().flatten().any(|t| t.contains(',')));
    let mut perturbations = mapping.columns.iter().filter(|mapped| mapped.role == ColumnRole::Perturbation);
    // `6,3.5` beside `A,B` are two doses.
    let may_list_doses = perturbations.any(|mapped| names(&mapped.column));
    let mut notes = Vec::new();
    for mapped in &mapping.columns {
        let column = table.columns.iter_mut().find(|column| column.name == mapped.column);
        let Some(Values::Text(texts)) = column.map(|column| &mut column.values) else { continue };
        let is_name = NAMES.contains(&mapped.role) && !has_own_names(&mapped.column) && card.controls.is_none();
        match mapped.role {
            role if is_name || role == ColumnRole::Plate => notes.extend(one_number(&mapped.column, texts)),
            ColumnRole::Dose if may_list_doses => {}
            role if NUMBERS.contains(&role) => notes.extend(decimal_points(&mapped.column, texts)),
            _ => {}
        }
        if mapped.role == ColumnRole::Perturbation {
            notes.extend(dates(&mapped.column, texts));
        }
    }
    notes
}

/// Gives numbers that are written in several ways their most frequent form, of equals the shortest.
fn one_number(column: &str, texts: &mut [Option<String>]) -> Option<String> {
    let mut forms = BTreeMap::<&str, BTreeMap<&str, usize>>::new();
    for text in texts.iter().flatten() {
        if let Some(digits) = digits_of(text) {
            *forms.entry(digits).or_default().entry(text).or_default() += 1;
        }
    }
    forms.retain(|_, forms| forms.len() > 1);
    let n_numbers = forms.len();
    let mut kept = BTreeMap::<String, String>::new();
    let mut shown = Vec::new();
    for forms in forms.values() {
        let (form, _) = forms.iter().max_by_key(|(form, n)| (**n, Reverse(form.len())))?;
        shown.extend(forms.keys().map(|form| (*form).to_owned()));
        kept.extend(forms.keys().filter(|other| *other != form).map(|o| ((*o).to_owned(), (*form).to_owned())));
    }
    for text in texts.iter_mut().flatten() {
        if let Some(form) = kept.get(text) {
            text.clone_from(form);
        }
    }
    let first = kept.values().next()?;
    Some(format!(
        "`{column}` writes one number in several ways ({}), which are taken as one: {}",
        first_few(&shown, SHOWN),
        if n_numbers == 1 { format!("`{first}`") } else { format!("`{first}` and {} more", n_numbers - 1) }
    ))
}

/// `01`, `1` and `1.0` -> `1`; `None` of what is no whole number.
fn digits_of(text: &str) -> Option<&str> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let is_number = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    let digits = whole.trim_start_matches('0');
    is_number.then_some(if digits.is_empty() { "0" } else { digits })
}

/// Writes numbers with a decimal point where those of the column that can be read in one way only have a comma.
fn decimal_points(column: &str, texts: &mut [Option<String>]) -> Option<String> {
    let number_of = |text: &str| text.find(|letter: char| !(letter.is_ascii_digit() || ".,".contains(letter)));
    let split = |text: &str| -> (String, String) {
        let (number, unit) = text.split_at(number_of(text).unwrap_or(text.len()));
        (number.to_owned(), unit.to_owned())
    };
    let numbers: Vec<String> =
        texts.iter().flatten().map(|text| split(text).0).filter(|number| number.contains([',', '.'])).collect();
    let notation = Notation::of(numbers.iter().map(String::as_str), false);
    if notation == Notation::POINT {
        return None;
    }
    let mut example = None;
    for text in texts.iter_mut().flatten() {
        let (number, unit) = split(text);
        if let Some(plain) = notation.plain(&number).filter(|_| number.contains(',')) {
            let plain = format!("{plain}{unit}");
            example.get_or_insert_with(|| (text.clone(), plain.clone()));
            *text = plain;
        }
    }
    example.map(|(found, read)| format!("`{column}` has decimal commas: `{found}` is read as {read}"))
}

/// What to know of names that are dates.
fn dates(column: &str, texts: &[Option<String>]) -> Option<String> {
    let mut found: Vec<&str> = texts.iter().flatten().map(String::as_str).filter(|text| is_date(text)).collect();
    found.sort_unstable();
    found.dedup();
    (!found.is_empty()).then(|| {
        format!(
            "`{column}` holds dates ({}), of which a spreadsheet makes one for genes as MARCH1 (MARCHF1), MARC1 (MTARC1), \
             SEPT2 (SEPTIN2), DEC1 (DELEC1), OCT4; two genes may be one date: write the names again from the source",
            first_few(&found, SHOWN)
        )
    })
}

/// `1-Mar`, `Mar-01`, `01.Mrz`, `2024-03-01`, `3/1/2024`.
fn is_date(text: &str) -> bool {
    const MONTHS: [&str; 19] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mrz", "mär",
        "mai", "okt", "dez", "march",
    ];
    let day = text.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['-', '/', '.']).filter(|part| !part.is_empty()).collect();
    let is_month = |part: &str| MONTHS.contains(&part.to_lowercase().as_str());
    let number = |part: &str, most: usize| part.parse::<usize>().ok().filter(|_| part.len() <= most);
    let is_day = |part: &str| number(part, 2).is_some_and(|day| (1..=31).contains(&day));
    let is_year = |part: &str| [2, 4].contains(&part.len()) && number(part, 4).is_some();
    match parts.as_slice() {
        [one, other] => is_month(one) && is_year(other) || is_month(other) && is_day(one),
        // A number of the Chemical Abstracts Service, `7732-18-5`, ends in one digit.
        [year, month, day] if year.len() == 4 => {
            let day = day.split('T').next().unwrap_or_default();
            is_year(year) && month.len() == 2 && is_day(month) && day.len() == 2 && is_day(day)
        }
        [day, month, year] => is_day(day) && (is_day(month) || is_month(month)) && is_year(year),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    #[test]
    fn one_number_is_one_name() {
        let mut plates = texts(&["1", "1.0", "01", "1.0", "2", "1.5", "P1"]);
        let note = one_number("plate", &mut plates).unwrap();
        assert_eq!(plates, texts(&["1.0", "1.0", "1.0", "1.0", "2", "1.5", "P1"]));
        assert!(note.contains("(`01`, `1`, `1.0`)") && note.ends_with("taken as one: `1.0`"), "{note}");
        let mut apart = texts(&["001", "002", "10", "1.5"]);
        assert_eq!(one_number("plate", &mut apart), None);
        assert_eq!(apart, texts(&["001", "002", "10", "1.5"]));
    }

    #[test]
    fn a_comma_is_a_decimal_mark_where_nothing_speaks_against_it() {
        let mut doses = texts(&["0", "0,3", "1", "10,5 uM"]);
        let note = decimal_points("dose", &mut doses).unwrap();
        assert_eq!(doses, texts(&["0", "0.3", "1", "10.5 uM"]));
        assert!(note.contains("`0,3` is read as 0.3"), "{note}");
        // Thousands or decimals, and witnesses for both: left as they are, to be refused by their rows.
        for undecided in [&["1,000", "10"][..], &["0,3", "0.3"], &["1", "10"]] {
            let mut doses = texts(undecided);
            assert_eq!(decimal_points("dose", &mut doses), None);
            assert_eq!(doses, texts(undecided));
        }
    }

    #[test]
    fn genes_that_became_dates_are_named() {
        for date in [
            "1-Mar",
            "Mar-01",
            "2-Sep",
            "2024-03-01",
            "2024-03-01 00:00:00",
            "3/1/2024",
            "01.Mrz",
            "1-DEC",
            "2024-03-01T00:00:00",
        ] {
            assert!(is_date(date), "{date}");
        }
        for name in [
            "MARCH1",
            "SEPT2",
            "4EBP1",
            "IL-2",
            "HLA-A",
            "BRD-K12345678-001-01-1",
            "7732-18-5",
            "50-78-2",
            "901",
            "1.5",
            "T-bet",
        ] {
            assert!(!is_date(name), "{name}");
        }
        let note = dates("gene", &texts(&["TP53", "1-Mar", "1-Mar"])).unwrap();
        assert!(note.starts_with("`gene` holds dates (`1-Mar`)"), "{note}");
        assert_eq!(dates("gene", &texts(&["TP53"])), None);
    }
}
