//! Columns that hold one member of a set each, told by a number or a letter in their names.
//!
//! ```text
//! drug_1  dose_1_um  drug_2  dose_2_um        drug_a  drug_b  conc_a  conc_b        gene_1  gene_2
//! HN      6          RO      3.5              HN      RO      6       3.5           KLF1    MAP2K6
//! HN      6                                   HN              6                     KLF1
//! ```
//!
//! Where they hold numbers, as `1` and `0` or doses, they do not name a member but say how much was applied of the agent that
//! they are called by.
//!
//! The first may go without a number: `drug`, `dose_um`, `drug_2`, `dose_2_um`. Words stand for numbers too: `first_drug`,
//! `drug_row` and `drug_col`, `library_drug` and `anchor_drug`, `combo_drug` behind `drug`.

use super::card::Card;
use super::dose;
use super::mapping::{ColumnRole, is_dose_name, plain};
use super::table::ColumnSketch;
use crate::table::first_few;

/// The columns of the members, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberedColumns<'a> {
    /// What was applied; two or more.
    pub perturbations: Vec<&'a str>,
    /// How much of it; as many, or none.
    pub doses: Vec<&'a str>,
}

/// The columns that hold the members of sets, if there are any.
pub(super) fn numbered_columns(names: &[String]) -> Option<NumberedColumns<'_>> {
    let numbered: Vec<Numbered<'_>> = names.iter().filter_map(|name| Numbered::of(name)).collect();
    let words = ColumnRole::Perturbation.usual_names().iter().chain(&["drug_name", "treatment_name", "cpd", "cmpd"]);
    let (perturbations, numbers) = words.copied().find_map(|word| series(&numbered, names, |stem| stem == word))?;
    let is_dose = |stem: &str| is_dose_name(stem) || is_amount(stem);
    // Doses are only believed where each member has one.
    let doses = series(&numbered, names, is_dose).filter(|(_, of_doses)| *of_doses == numbers);
    Some(NumberedColumns { perturbations, doses: doses.map(|(columns, _)| columns).unwrap_or_default() })
}

/// A card that takes columns of numbers as doses, or flags, of the agents that they are called by, with a word on it.
pub(super) fn with_flags(mut card: Card, names: &[String], sketches: &[ColumnSketch]) -> (Card, Option<String>) {
    let is_open = card.columns.perturbation.is_none() && card.columns.doses.is_empty();
    let Some(numbered) = numbered_columns(names).filter(|_| is_open) else { return (card, None) };
    let are_amounts = numbered.perturbations.iter().all(|column| {
        let sketch = sketches.iter().find(|sketch| sketch.name == *column);
        let amount = |value: &String| dose::written(&value.replace(',', ".")).map(|(number, _)| number);
        // Whole numbers of some size may be the names of compounds.
        let is_amount = |value: &String| amount(value).is_some_and(|number| number < 1000.0 || number.fract() != 0.0);
        sketch.is_some_and(|sketch| !sketch.values.is_empty() && sketch.values.iter().all(is_amount))
    });
    if !are_amounts {
        return (card, None);
    }
    let note = format!(
        "{} hold numbers, and are taken to say how much was applied of the agents that they are called by",
        first_few(&numbered.perturbations, 3)
    );
    card.columns.doses =
        numbered.perturbations.iter().map(|column| ((*column).to_owned(), (*column).to_owned())).collect();
    (card, Some(note))
}

/// A column with a number in its name.
struct Numbered<'a> {
    column: &'a str,
    /// The name without the number.
    stem: String,
    /// From 1.
    number: usize,
}

impl<'a> Numbered<'a> {
    fn of(column: &'a str) -> Option<Self> {
        let name = plain(column);
        let words: Vec<&str> = name.split('_').collect();
        // The number stands by itself or ends a word: `drug_1`, `Drug A`, `drug1`, `dose2_um`.
        for (index, word) in words.iter().enumerate() {
            let rest = |kept: &str| {
                let others = words.iter().enumerate().map(|(other, word)| if other == index { kept } else { word });
                others.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
            };
            // `first_drug`, `drug_row` and `drug_col`, `combo_compound`.
            let in_words = match *word {
                "first" | "primary" | "i" | "library" | "row" => Some(1),
                "second" | "secondary" | "ii" | "anchor" | "col" | "combo" | "combination" | "partner" => Some(2),
                "third" | "iii" => Some(3),
                _ => None,
            };
            if let Some(number) = in_words {
                return Some(Self { column, stem: rest(""), number });
            }
            let head = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let number = match &word[head.len()..] {
                "" => match word.as_bytes() {
                    // Of the letters, as many as sets have members.
                    [letter @ b'a'..=b'f'] => Some((usize::from(letter - b'a') + 1, "")),
                    _ => None,
                },
                digits => digits.parse().ok().filter(|number| (1..=9).contains(number)).map(|number| (number, head)),
            };
            if let Some((number, kept)) = number {
                return Some(Self { column, stem: rest(kept), number });
            }
        }
        None
    }
}

/// The columns of one stem, numbered from 1, or from 2 behind one without a number; two at least, each number once.
fn series<'a>(
    numbered: &[Numbered<'a>],
    names: &'a [String],
    is_stem: impl Fn(&str) -> bool,
) -> Option<(Vec<&'a str>, Vec<usize>)> {
    let mut columns: Vec<(usize, &str)> =
        numbered.iter().filter(|column| is_stem(&column.stem)).map(|column| (column.number, column.column)).collect();
    columns.sort_unstable();
    if columns.first().is_some_and(|(number, _)| *number == 2) {
        let first = names.iter().find(|name| is_stem(&plain(name)))?;
        columns.insert(0, (1, first));
    }
    let is_whole = columns.len() > 1 && columns.iter().enumerate().all(|(index, (number, _))| *number == index + 1);
    is_whole.then(|| columns.into_iter().map(|(number, column)| (column, number)).unzip())
}

/// A perturbation's word with a unit, as in `drug_um`.
fn is_amount(stem: &str) -> bool {
    const UNITS: [&str; 3] = ["um", "nm", "mm"];
    stem.rsplit_once('_').is_some_and(|(word, unit)| UNITS.contains(&unit) && is_perturbation(word))
}

fn is_perturbation(word: &str) -> bool {
    ColumnRole::Perturbation.usual_names().contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_numbers_and_letters() {
        let check = |names: &[&str], perturbations: &[&str], doses: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let found = numbered_columns(&names);
            let expected = NumberedColumns { perturbations: perturbations.to_vec(), doses: doses.to_vec() };
            assert_eq!(found, (!perturbations.is_empty()).then_some(expected), "{names:?}");
        };
        let (drugs, doses) = (["drug_1", "drug_2"], ["dose_1_um", "dose_2_um"]);
        check(&["plate", "drug_1", "dose_1_um", "drug_2", "dose_2_um", "f1", "f2"], &drugs, &doses);
        check(&["drug_2", "dose_2_um", "dose_1_um", "drug_1"], &drugs, &doses);
        check(&["drug_a", "drug_b", "conc_a", "conc_b"], &["drug_a", "drug_b"], &["conc_a", "conc_b"]);
        check(
            &["Drug A", "Drug B", "Conc A (nM)", "Conc B (nM)"],
            &["Drug A", "Drug B"],
            &["Conc A (nM)", "Conc B (nM)"],
        );
        check(&["gene_1", "gene_2", "gene_3", "f1"], &["gene_1", "gene_2", "gene_3"], &[]);
        check(&["Metadata_Compound1", "Metadata_Compound2"], &["Metadata_Compound1", "Metadata_Compound2"], &[]);
        check(&["drug", "dose_um", "drug_2", "dose_2_um"], &["drug", "drug_2"], &["dose_um", "dose_2_um"]);
        check(&["drug1", "drug2", "drug1_um", "drug2_um"], &["drug1", "drug2"], &["drug1_um", "drug2_um"]);
        check(&["drug_1", "drug_2", "dose_1"], &drugs, &[]);
        check(
            &["first_drug", "second_drug", "first_dose_um", "second_dose_um"],
            &["first_drug", "second_drug"],
            &["first_dose_um", "second_dose_um"],
        );
        check(
            &["drug_row", "conc_row", "drug_col", "conc_col", "well_row", "well_col"],
            &["drug_row", "drug_col"],
            &["conc_row", "conc_col"],
        );
        check(
            &["compound", "dose_um", "combo_compound", "combo_dose_um"],
            &["compound", "combo_compound"],
            &["dose_um", "combo_dose_um"],
        );
        for names in [&["drug_1", "f1", "f2"][..], &["drug_1", "drug_3"], &["f_1", "f_2"], &["compound", "dose_um"]] {
            check(names, &[], &[]);
        }
    }
}
