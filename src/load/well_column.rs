//! A column of wells by a general name, told by its values.
//!
//! ```text
//! Position  compound      Vertiefung  Wirkstoff
//! A01       DMSO          A1          DMSO
//! ```
//!
//! `Position` may be a coordinate as well, so that all of its values have to be wells. Wells of the plate that compounds
//! came from are not those that were measured.

use std::collections::BTreeSet;

use super::card::Card;
use super::mapping::{ColumnRole, MappedColumn, Mapping, plain};
use super::table::{ColumnSketch, RawTable, distinct};
use crate::screen::Well;

/// Words of names that a column of wells may have.
const WORDS: [&str; 20] = [
    "well",
    "wells",
    "position",
    "positions",
    "pos",
    "location",
    "loc",
    "coordinate",
    "coord",
    "address",
    "vertiefung",
    "kavität",
    "kavitaet",
    "kavitat",
    "napf",
    "näpfchen",
    "puits",
    "pozo",
    "pocillo",
    "pozzetto",
];

/// Words of names of columns that say where something came from.
const SOURCES: [&str; 9] = ["source", "src", "library", "stock", "master", "mother", "origin", "from", "compound"];

/// Values that are looked at.
const LOOKED_AT: usize = 200;

impl Mapping {
    /// Maps a column of wells that its name alone does not tell, where there is no other.
    pub(super) fn infer_well<'a>(&mut self, columns: impl Iterator<Item = (&'a str, Vec<&'a str>)>, card: &Card) {
        if card.columns.well.is_some() {
            return;
        }
        let columns: Vec<(&str, Vec<&str>)> = columns.collect();
        // A usual name under which something else stands, as `P1:A05`, gives way to a column of wells.
        let holds_none = |name: &str| {
            let values = columns.iter().find(|(other, _)| *other == name).map(|(_, values)| values);
            values.is_some_and(|values| !values.is_empty() && values.iter().all(|value| value.parse::<Well>().is_err()))
        };
        if self.column(ColumnRole::Well).is_some_and(|name| !holds_none(name)) {
            return;
        }
        let has_role = |name: &str| self.columns.iter().any(|mapped| mapped.column == name);
        let is_found =
            |(name, values): &&(&str, Vec<&str>)| !has_role(name) && may_be_called(name) && are_wells(values);
        let Some((column, _)) = columns.iter().find(is_found) else { return };
        self.columns.retain(|mapped| mapped.role != ColumnRole::Well);
        let (column, why) = ((*column).to_owned(), "its values are wells".to_owned());
        self.columns.push(MappedColumn { role: ColumnRole::Well, column, why, is_made: false });
        self.columns.sort_by_key(|mapped| mapped.role);
    }
}

/// The columns of a first look, with their values.
pub(super) fn sketched(sketches: &[ColumnSketch]) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let texts = sketches.iter().filter(|sketch| sketch.n_texts > sketch.n_numbers && !sketch.is_measured);
    texts.map(|sketch| (sketch.name.as_str(), sketch.values.iter().map(String::as_str).collect()))
}

/// The columns of texts of a table, with their values.
pub(super) fn of_table(table: &RawTable) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let named = table.columns.iter().filter(|column| may_be_called(&column.name));
    named.filter_map(|column| {
        let values = distinct(table.text(&column.name)?);
        Some((column.name.as_str(), values.into_iter().take(LOOKED_AT).collect()))
    })
}

fn may_be_called(name: &str) -> bool {
    let name = plain(name);
    let words: Vec<&str> = name.split('_').collect();
    words.iter().any(|word| WORDS.contains(word)) && !words.iter().any(|word| SOURCES.contains(word))
}

fn are_wells(values: &[&str]) -> bool {
    const ENOUGH: usize = 3;
    let is_well = |value: &&str| value.parse::<Well>().is_ok();
    let distinct: BTreeSet<&str> = values.iter().copied().collect();
    distinct.len() >= ENOUGH && distinct.iter().all(is_well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_general_name_is_one_of_wells_by_its_values() {
        let check = |name: &str, values: &[&str], expected: bool| {
            let mut mapping = Mapping::default();
            mapping.infer_well(std::iter::once((name, values.to_vec())), &Card::default());
            assert_eq!(mapping.column(ColumnRole::Well).is_some(), expected, "{name}");
        };
        let wells = ["A01", "A02", "B01"];
        for name in ["Position", "Pos", "Vertiefung", "Kavität", "Puits", "Metadata_Location", "Well no."] {
            check(name, &wells, true);
        }
        for name in ["Source position", "library_well", "Name"] {
            check(name, &wells, false);
        }
        let mut mapping = Mapping::default();
        let columns = [("well_id", vec!["P1:A01", "P1:A02"]), ("well", wells.to_vec())];
        let (role, why) = (ColumnRole::Well, "a usual name".to_owned());
        mapping.columns.push(MappedColumn { role, column: "well_id".to_owned(), why, is_made: false });
        mapping.infer_well(columns.iter().map(|(name, values)| (*name, values.clone())), &Card::default());
        assert_eq!(mapping.column(ColumnRole::Well), Some("well"));
        check("Position", &["1", "2", "3"], false);
        check("Position", &["A01", "A02", "left"], false);
    }
}
