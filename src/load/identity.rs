//! Several things under one name: a note where another column tells apart what the perturbation's name does not.
//!
//! ```text
//! pert_iname  pert_id          gene  sgRNA_id
//! BRAF        ccsbBroad_001    TP53  sg_1
//! BRAF        ccsbBroad_002    TP53  sg_2
//! ```
//!
//! Guides of one gene are usually meant to be one perturbation; a gene and its mutant are not. The name decides, and the
//! user is told what it brings together.

use std::collections::{BTreeMap, BTreeSet};

use super::mapping::{ColumnRole, Mapping, plain};
use super::table::RawTable;
use crate::screen::{Role, Unit};

/// Parts of the names of columns that identify what was applied.
pub(super) const IDENTITIES: [&str; 24] = [
    "pert_id",
    "pert_iname",
    "pert_name",
    "broad_sample",
    "broad_id",
    "jcp2022",
    "compound_id",
    "compound_name",
    "construct",
    "clone",
    "sgrna",
    "grna",
    "guide",
    "sirna",
    "shrna",
    "orf",
    "sequence",
    "barcode",
    "mutant",
    "mutation",
    "variant",
    "allele",
    "isoform",
    "smiles",
];

/// A note on names of perturbations that differ in capitals, blanks and signs alone, as `cmpd1` and `CMPD 1`.
pub(super) fn spellings(units: &[Unit]) -> Option<String> {
    let mut spellings = BTreeMap::<String, BTreeMap<&str, usize>>::new();
    for unit in units {
        for member in unit.intervention.members() {
            let name = member.perturbation.name.as_str();
            *spellings.entry(without_signs(name)).or_default().entry(name).or_default() += 1;
        }
    }
    let several: Vec<&BTreeMap<&str, usize>> = spellings.values().filter(|names| names.len() > 1).collect();
    let counted = |(name, n_rows): (&&str, &usize)| format!("`{name}` ({n_rows} rows)");
    let example = several.first()?.iter().map(counted).collect::<Vec<_>>().join(" and ");
    Some(format!(
        "{} of perturbations differ in capitals, blanks or signs alone, and each is taken as a perturbation of its own: {example}; \
         give them one name in the table if they are one",
        if several.len() == 1 { "names".to_owned() } else { format!("{} groups of names", several.len()) },
    ))
}

/// A name in small letters without blanks and signs, but for those between digits.
fn without_signs(name: &str) -> String {
    let letters: Vec<char> = name.to_lowercase().chars().collect();
    let is_digit = |index: Option<usize>| index.and_then(|index| letters.get(index)).is_some_and(char::is_ascii_digit);
    let is_kept = |(index, letter): &(usize, &char)| {
        letter.is_alphanumeric()
            || is_digit(index.checked_sub(1)) && is_digit(Some(index + 1))
            || "+".contains(**letter)
    };
    letters.iter().enumerate().filter(is_kept).map(|(_, letter)| *letter).collect()
}

/// A note for each column that tells apart what the perturbation's name brings together.
pub(super) fn notes(table: &RawTable, mapping: &Mapping, roles: &[Role]) -> Vec<String> {
    let Some(name_column) = mapping.column(ColumnRole::Perturbation) else { return Vec::new() };
    let Some(names) = table.text(name_column) else { return Vec::new() };
    let has_role = |column: &str| mapping.columns.iter().any(|mapped| mapped.column == column);
    let identifies = |column: &str| {
        let name = plain(column);
        IDENTITIES.iter().any(|word| name.contains(word)) && !name.contains("plate")
    };
    let columns = table.columns.iter().map(|column| column.name.as_str());
    let candidates = columns.filter(|column| !has_role(column) && identifies(column));
    let of_column = |column: &str| {
        let values = table.text(column)?;
        let mut of_name = BTreeMap::<&str, BTreeSet<&str>>::new();
        let mut names_of = BTreeMap::<&str, BTreeSet<&str>>::new();
        for (row, _) in roles.iter().enumerate().filter(|(_, role)| role.is_treated()) {
            if let (Some(name), Some(value)) = (names[row].as_deref(), values[row].as_deref()) {
                of_name.entry(name).or_default().insert(value);
                names_of.entry(value).or_default().insert(name);
            }
        }
        // What identifies has one name each; a column in which names share values says something else of them.
        let n_shared = names_of.values().filter(|names| names.len() > 1).count();
        let several: Vec<_> = of_name.iter().filter(|(_, values)| values.len() > 1).collect();
        let (name, values) = several.first().filter(|_| 10 * n_shared <= names_of.len())?;
        let examples: Vec<&str> = values.iter().take(3).copied().collect();
        Some(format!(
            "{} of {} names in `{name_column}` stand for several values of `{column}` (`{name}`: {}{}), and each name is \
             taken as one perturbation; set `perturbation = \"{column}\"` under [columns] in a card to distinguish them",
            several.len(),
            of_name.len(),
            examples.join(", "),
            if values.len() > examples.len() { ", …" } else { "" }
        ))
    };
    candidates.filter_map(of_column).collect()
}
