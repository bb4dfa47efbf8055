//! The metadata beside the observations.

use super::card::Card;
use super::error::LoadError;
use super::features::{Globs, is_compartment};
use super::mapping::{ColumnRole, Mapping};
use super::table::{RawTable, Values};
use crate::screen::Label;

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
