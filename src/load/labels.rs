//! The metadata beside the observations.

use std::collections::{BTreeMap, BTreeSet};

use super::card::Card;
use super::error::LoadError;
use super::features::{Globs, is_compartment};
use super::mapping::{ColumnRole, Mapping};
use super::table::{RawTable, Values};
use crate::screen::Label;

/// Writes labels that join mechanisms by another sign with `|`, and says so; a sign joins where the labels say it does.
///
/// ```text
/// HDAC; BET      BET      HDAC      PI3K/mTOR, CDK
/// ```
///
/// `;` always does, and `,` and `/` where at least half of the labels that hold it consist of labels of other wells.
pub(super) fn divide_mechanisms(labels: &mut [Label], column: Option<&str>) -> Option<String> {
    let label = labels.iter_mut().find(|label| label.name == ColumnRole::Moa.word())?;
    let distinct: BTreeSet<&str> = label.values.iter().flatten().map(String::as_str).collect();
    let (sign, joined) =
        [';', ',', '/', '+'].into_iter().find_map(|sign| Some((sign, divided_by(sign, &distinct)?)))?;
    let note = format!(
        "{} labels of `{}` name several mechanisms with `{sign}` between them, as {:?}; a well has each of them",
        joined.len(),
        column.unwrap_or("moa"),
        joined.keys().next().map_or("", String::as_str)
    );
    for value in label.values.iter_mut().flatten() {
        if let Some(divided) = joined.get(value) {
            value.clone_from(divided);
        }
    }
    Some(note)
}

/// The labels that hold `sign`, each with its parts joined by `|`; `None` where it joins no mechanisms.
fn divided_by(sign: char, distinct: &BTreeSet<&str>) -> Option<BTreeMap<String, String>> {
    let parts = |text: &'_ str| text.split([';', '|', sign]).map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    let divided: Vec<(&str, Vec<String>)> =
        distinct.iter().filter(|text| text.contains(sign)).map(|text| (*text, parts(text))).collect();
    let is_known = |(_, parts): &&(&str, Vec<String>)| parts.iter().all(|part| distinct.contains(part.as_str()));
    let n_known = divided.iter().filter(is_known).count();
    let joins = sign == ';' || n_known > 0 && 2 * n_known >= divided.len();
    let whole = || divided.iter().map(|(text, parts)| ((*text).to_owned(), parts.join("|"))).collect();
    (joins && !divided.is_empty()).then(whole)
}

/// The metadata beside the observations: `moa` and `site` under these names, all else under the file's.
pub(super) fn of_rows(
    table: &RawTable,
    mapping: &Mapping,
    card: &Card,
    rows: &[usize],
) -> Result<Vec<Label>, LoadError> {
    let role = |name: &str| mapping.columns.iter().find(|mapped| mapped.column == name).map(|mapped| mapped.role);
    let excluded = Globs::of(card, &card.exclude_features)?;
    let mut labels = Vec::new();
    for column in &table.columns {
        let Values::Text(values) = &column.values else { continue };
        let name = column.name.as_str();
        let is_wanted = match (role(name), &card.columns.labels) {
            (Some(ColumnRole::Moa | ColumnRole::Site), _) => true,
            (_, Some(wanted)) => wanted.iter().any(|wanted| wanted == name),
            (Some(ColumnRole::Context), None) => true,
            (Some(_), None) => false,
            // Measurements that were left out as features are not metadata either.
            (None, None) => !is_compartment(name) && !excluded.matches(name),
        };
        if !is_wanted {
            continue;
        }
        let name = match role(name) {
            Some(role @ (ColumnRole::Moa | ColumnRole::Site)) => role.word(),
            _ => name,
        };
        let values: Vec<Option<String>> = rows.iter().map(|&row| values[row].clone()).collect();
        if values.iter().any(Option::is_some) {
            labels.push(Label { name: name.to_owned(), values });
        }
    }
    for wanted in card.columns.labels.iter().flatten() {
        if !table.columns.iter().any(|column| column.name == *wanted) {
            return Err(LoadError::MissingColumn {
                path: table.paths[0].clone(),
                column: wanted.clone(),
                mend: "it is listed in `labels`".to_owned(),
            });
        }
    }
    Ok(labels)
}
