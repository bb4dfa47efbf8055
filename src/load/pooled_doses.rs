//! Doses in a column that no role was found for: pooled, they would be one treatment.
//!
//! ```text
//! compound  Amount  Level  f1        compound  log10 dose  f1
//! DMSO      0       0      0.1       DMSO                  0.1
//! taxol     0.1     1      0.2       taxol     -7          0.2
//! taxol     0.3     2      0.4       taxol     -6.5        0.4
//! ```
//!
//! Some columns say by their names that they hold doses. Others look applied by their values: most compounds have several
//! of a few values, each in about as many wells, while all controls have one that no treated well has, or none.

use std::collections::{BTreeMap, BTreeSet};

use super::card::Card;
use super::error::LoadError;
use super::features::is_known_by_name;
use super::gap;
use super::left_out::Reason;
use super::mapping::{ColumnRole, Mapping};
use super::table::{RawTable, Values};
use crate::screen::{Kind, Role, Unit};

/// Most values of a column that looks applied.
const MOST_VALUES: usize = 24;

/// Refuses to take all doses of a perturbation for one treatment where a column that may hold doses and has no role has
/// several values for it: one of those `named` so, or one that looks applied and is not `used` for something else.
///
/// # Errors
/// [`LoadError::PooledDoses`].
pub(super) fn refuse(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
    card: &Card,
    named: &[&str],
    used: &BTreeSet<String>,
) -> Result<(), LoadError> {
    let is_known = mapping.column(ColumnRole::Dose).is_some() || card.columns.dose.is_some();
    if is_known || !card.columns.doses.is_empty() || mapping.values.iter().any(|(_, value)| value == gap::UNKNOWN) {
        return Ok(());
    }
    let columns = may_hold_doses(table, mapping, observations, named, used);
    let mut pooled: Vec<(&str, String, Vec<String>)> = Vec::new();
    for column in &columns {
        let cells = cells(table, column);
        let mut doses = BTreeMap::<String, BTreeSet<String>>::new();
        let treated = observations.iter().zip(cells).filter(|(unit, _)| unit.role.is_treated());
        for (unit, cell) in treated {
            doses.entry(unit.intervention.to_string()).or_default().extend(cell);
        }
        let several = doses.into_iter().find(|(_, doses)| doses.len() > 1);
        pooled.extend(several.map(|(name, doses)| (column.as_str(), name, doses.into_iter().take(3).collect())));
    }
    let is_pooled = |column: &str| pooled.iter().any(|(pooled, _, _)| *pooled == column);
    let varies = |column: &&String| {
        !is_pooled(column) && cells(table, column).iter().flatten().collect::<BTreeSet<_>>().len() > 1
    };
    let others = columns.iter().filter(varies).cloned().collect();
    let columns = pooled.iter().map(|(column, _, _)| (*column).to_owned()).collect();
    match pooled.into_iter().next() {
        None => Ok(()),
        Some((_, name, doses)) => {
            let path = table.paths[0].clone();
            Err(LoadError::PooledDoses { path, columns, others, name, doses: doses.join(", ") })
        }
    }
}

/// The columns of doses by their names, and those that look applied.
fn may_hold_doses(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
    named: &[&str],
    used: &BTreeSet<String>,
) -> Vec<String> {
    let mut members = observations.iter().flat_map(|unit| unit.intervention.members());
    let are_compounds = members.all(|member| member.perturbation.kind == Kind::Compound);
    let is_open = |name: &str| match mapping.left_out.iter().find(|left_out| left_out.column == name) {
        Some(left_out) => matches!(left_out.why, Reason::Few | Reason::PerPosition),
        None => true,
    };
    let is_taken = |name: &str| {
        let has_role = mapping.columns.iter().any(|mapped| mapped.column == name);
        has_role || used.contains(name) || mapping.features.iter().any(|feature| feature == name)
    };
    let may_hold = |name: &str| {
        is_open(name) && !is_taken(name) && !is_known_by_name(name) && looks_applied(&cells(table, name), observations)
    };
    let names = table.columns.iter().map(|column| column.name.as_str());
    let found = names.filter(|name| named.contains(name) || are_compounds && may_hold(name));
    found.map(str::to_owned).collect()
}

/// The cells of a column of texts or of numbers, as text.
fn cells(table: &RawTable, name: &str) -> Vec<Option<String>> {
    let column = table.columns.iter().find(|column| column.name == name);
    match column.map(|column| &column.values) {
        None => vec![None; table.n_rows()],
        Some(Values::Text(texts)) => texts.clone(),
        Some(Values::Number(numbers)) => {
            numbers.iter().map(|number| number.is_finite().then(|| number.to_string())).collect()
        }
    }
}

/// Whether most perturbations have several of a few numbers, each in about as many wells, and all controls another or none.
fn looks_applied(cells: &[Option<String>], observations: &[Unit]) -> bool {
    let mut of_controls = BTreeSet::<Option<&str>>::new();
    let mut counts = BTreeMap::<String, BTreeMap<&str, usize>>::new();
    let (mut values, mut n_treated) = (BTreeSet::new(), 0);
    for (cell, unit) in cells.iter().zip(observations) {
        match unit.role {
            Role::NegativeControl => {
                of_controls.insert(cell.as_deref());
            }
            Role::Treatment => {
                let Some(text) = cell.as_deref().filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite)) else {
                    return false;
                };
                *counts.entry(unit.intervention.to_string()).or_default().entry(text).or_default() += 1;
                values.insert(text);
                n_treated += 1;
            }
            Role::PositiveControl | Role::Empty => {}
        }
        if values.len() > MOST_VALUES || of_controls.len() > 1 {
            return false;
        }
    }
    let is_other = of_controls.len() == 1 && of_controls.iter().flatten().all(|value| !values.contains(value));
    if !is_other || values.len() < 2 || 2 * values.len() > n_treated {
        return false;
    }
    let is_repeated = |counts: &&BTreeMap<&str, usize>| counts.values().sum::<usize>() > 1;
    let is_series = |counts: &&BTreeMap<&str, usize>| {
        let most = counts.values().max().copied().unwrap_or(0);
        counts.len() > 1 && counts.values().all(|n| 2 * n >= most)
    };
    let repeated: Vec<_> = counts.values().filter(is_repeated).collect();
    let n_series = repeated.iter().copied().filter(is_series).count();
    n_series > 0 && 2 * n_series >= repeated.len()
}
