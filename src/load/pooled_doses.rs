//! Doses in a column that no role was found for: pooled, they would be one treatment.

use std::collections::{BTreeMap, BTreeSet};

use super::card::Card;
use super::error::LoadError;
use super::gap;
use super::mapping::{ColumnRole, Mapping};
use super::table::RawTable;
use crate::screen::Unit;

/// Refuses to take all doses of a perturbation for one treatment where one of `columns`, which may hold doses and have no
/// role, has several values for it.
///
/// # Errors
/// [`LoadError::PooledDoses`].
pub(super) fn refuse(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
    card: &Card,
    columns: &[&str],
) -> Result<(), LoadError> {
    let is_known = mapping.column(ColumnRole::Dose).is_some() || card.columns.dose.is_some();
    if is_known || !card.columns.doses.is_empty() || mapping.values.iter().any(|(_, value)| value == gap::UNKNOWN) {
        return Ok(());
    }
    let mut pooled: Vec<(&str, String, Vec<String>)> = Vec::new();
    for column in columns {
        let Some(cells) = table.text(column) else { continue };
        let mut doses = BTreeMap::<String, BTreeSet<&str>>::new();
        let treated = observations.iter().zip(cells).filter(|(unit, _)| unit.role.is_treated());
        for (unit, cell) in treated {
            doses.entry(unit.intervention.to_string()).or_default().extend(cell.as_deref());
        }
        let several = doses.into_iter().find(|(_, doses)| doses.len() > 1);
        pooled.extend(
            several.map(|(name, doses)| (*column, name, doses.into_iter().take(3).map(str::to_owned).collect())),
        );
    }
    let is_pooled = |column: &str| pooled.iter().any(|(pooled, _, _)| *pooled == column);
    let varies = |column: &&&str| {
        let cells = table.text(column).unwrap_or_default();
        !is_pooled(column) && cells.iter().flatten().collect::<BTreeSet<_>>().len() > 1
    };
    let others = columns.iter().filter(varies).map(|column| (*column).to_owned()).collect();
    let columns = pooled.iter().map(|(column, _, _)| (*column).to_owned()).collect();
    match pooled.into_iter().next() {
        None => Ok(()),
        Some((_, name, doses)) => {
            let path = table.paths[0].clone();
            Err(LoadError::PooledDoses { path, columns, others, name, doses: doses.join(", ") })
        }
    }
}
