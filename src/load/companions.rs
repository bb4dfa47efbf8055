//! Columns without a role that differ in wells of one treatment: what they say is pooled, and the user is told.
//!
//! ```text
//! compound  uM  ligand  timepoint  patient  +LPS
//! A         1   EGF     24         P1       yes
//! A         1   TGFb    48         P2       no
//! ```
//!
//! Names, amounts and switches may say what was applied as well, others how long, or to which cells. A column is suspected
//! by the words of its name, or by values that are a yes and a no.

use std::collections::{BTreeMap, BTreeSet};

use super::features::is_dose;
use super::identity::IDENTITIES;
use super::mapping::{ColumnRole, Mapping, plain};
use super::table::RawTable;
use crate::screen::Role;

/// What a column may say of wells that are taken for one treatment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// What was applied together with the perturbation.
    Companion,
    /// How much of it, or of something else.
    Amount,
    /// Whether something was applied as well.
    Switch,
    /// How long.
    Time,
    /// To which cells.
    Cells,
}

/// Parts of the names of columns that may say what was applied together with the perturbation.
const COMPANIONS: [&str; 14] = [
    "compound",
    "cmpd",
    "drug",
    "treatment",
    "stimulus",
    "stimulation",
    "ligand",
    "cytokine",
    "inhibitor",
    "agonist",
    "antagonist",
    "combo",
    "partner",
    "anchor",
];

/// Words of the names of columns that may say how long cells were treated.
const TIMES: [&str; 11] =
    ["time", "timepoint", "day", "days", "hour", "minutes", "hpi", "hpt", "incubation", "exposure", "duration"];

/// Words of the names of columns that may say which cells were treated.
const CELLS: [&str; 15] = [
    "cell",
    "cells",
    "line",
    "patient",
    "subject",
    "strain",
    "genotype",
    "background",
    "species",
    "tissue",
    "zelllinie",
    "medium",
    "media",
    "passage",
    "organoid",
];

/// Values by which a column says whether something was applied.
const SWITCHES: [&str; 10] = ["yes", "no", "y", "n", "true", "false", "+", "-", "with", "without"];

/// Words of the names of columns that say of a well whether it is to be trusted.
const QUALITY: [&str; 10] = ["qc", "pass", "passed", "fail", "failed", "flag", "exclude", "excluded", "valid", "edge"];

/// Different values in which a time or cells may be told, at most: of more, each well has its own.
const MOST_VALUES: usize = 24;

/// A note for each column that differs where perturbation and dose are the same.
pub(super) fn notes(table: &RawTable, mapping: &Mapping, roles: &[Role]) -> Vec<String> {
    let Some(name_column) = mapping.column(ColumnRole::Perturbation) else { return Vec::new() };
    let Some(names) = table.text(name_column) else { return Vec::new() };
    let doses = mapping.column(ColumnRole::Dose).and_then(|column| table.text(column));
    let has_role = |column: &str| {
        mapping.columns.iter().any(|mapped| mapped.column == column) || mapping.features.iter().any(|one| one == column)
    };
    let note = |column: &str| {
        let values = table.text(column)?;
        let says = suspected(column, values)?;
        if says == Says::Amount && doses.is_none() {
            // That is a question, which is asked elsewhere.
            return None;
        }
        let mut together = BTreeMap::<(&str, Option<&str>), BTreeSet<&str>>::new();
        for (row, _) in roles.iter().enumerate().filter(|(_, role)| role.is_treated()) {
            let dose = doses.and_then(|doses| doses[row].as_deref());
            let value = values[row].as_deref().unwrap_or("nothing");
            together.entry((names[row].as_deref()?, dose)).or_default().insert(value);
        }
        let ((name, _), several) = together.iter().find(|(_, values)| values.len() > 1)?;
        let examples: Vec<&str> = several.iter().take(3).copied().collect();
        let otherwise = match says {
            Says::Companion => format!(
                "if it names what was applied as well, declare both as `perturbation = [\"{name_column}\", \"{column}\"]`"
            ),
            Says::Amount => {
                "if each such column holds the doses of one agent, declare them as `doses = { AGENT = \"COLUMN\", … }`"
                    .to_owned()
            }
            Says::Switch => format!(
                "if it says whether something was applied as well, declare `context = [\"{column}\"]`, or the agents as \
                 `doses = {{ AGENT = \"COLUMN\", … }}`"
            ),
            Says::Time => format!(
                "if it is how long cells were treated, declare it as `hours = \"{column}\"` (in hours) or as \
                 `context = [\"{column}\"]`"
            ),
            Says::Cells => format!("if these are different cells, declare it as `context = [\"{column}\"]`"),
        };
        Some(format!(
            "`{column}` differs in wells of one treatment (`{name}`: {}), which are taken as the same; {otherwise} under \
             [columns]",
            examples.join(", ")
        ))
    };
    let columns = table.columns.iter().map(|column| column.name.as_str()).filter(|column| !has_role(column));
    columns.filter_map(note).collect()
}

/// What the column may say; `None` where neither its name nor its values speak of anything.
fn suspected(column: &str, values: &[Option<String>]) -> Option<Says> {
    let name = plain(column);
    let words: Vec<&str> = name.split('_').collect();
    if IDENTITIES.iter().any(|word| name.contains(word)) || words.iter().any(|word| QUALITY.contains(word)) {
        return None;
    }
    let n_numbers = values.iter().flatten().filter(|value| value.parse::<f64>().is_ok()).count();
    let is_of_names = 2 * n_numbers < values.iter().flatten().count();
    let distinct: BTreeSet<&str> = values.iter().flatten().map(String::as_str).collect();
    let is_few = (2..=MOST_VALUES.min(values.len() / 2)).contains(&distinct.len());
    let is_switch = distinct.len() == 2 && distinct.iter().all(|one| SWITCHES.contains(&one.to_lowercase().as_str()));
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    match () {
        () if is_of_names && words.iter().any(|word| COMPANIONS.iter().any(|part| word.contains(part))) => {
            Some(Says::Companion)
        }
        () if is_switch => Some(Says::Switch),
        () if !is_of_names && is_dose(column) => Some(Says::Amount),
        () if is_few && has(&TIMES) => Some(Says::Time),
        () if is_few && is_of_names && has(&CELLS) => Some(Says::Cells),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(column: &str, values: &[&str]) -> Option<Says> {
        suspected(column, &values.iter().map(|value| Some((*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_suspected_by_their_words_and_values() {
        let numbers = ["1", "1", "2", "2"];
        assert_eq!(says("Ligand", &["EGF", "EGF", "TGFb", "TGFb"]), Some(Says::Companion));
        assert_eq!(says("EGF (ng/mL)", &numbers), Some(Says::Amount));
        assert_eq!(says("forskolin_um", &numbers), Some(Says::Amount));
        assert_eq!(says("+LPS", &["yes", "no", "yes", "no"]), Some(Says::Switch));
        assert_eq!(says("time_min", &["1440", "1440", "2880", "2880"]), Some(Says::Time));
        assert_eq!(says("Timepoint", &["d1", "d1", "d2", "d2"]), Some(Says::Time));
        assert_eq!(says("Patient", &["P1", "P1", "P2", "P2"]), Some(Says::Cells));
        // A time of its own for every well, a flag of quality, a size, and what says nothing.
        assert_eq!(says("Time", &["8:01", "8:02", "8:03", "8:04"]), None);
        assert_eq!(says("QC_pass", &["yes", "no", "yes", "yes"]), None);
        assert_eq!(says("length_um", &numbers), None);
        assert_eq!(says("Remark", &["a", "a", "b", "b"]), None);
    }
}
