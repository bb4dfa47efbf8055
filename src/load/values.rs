//! Feature columns -> feature matrix, and what becomes of missing values.
//!
//! A value is missing if the cell is empty or the number is not finite. First, rows without any value go; then features
//! that are missing in more than 5 % of the rows that are left; then rows that still miss a value. Every row that goes is
//! counted with its reason. Nothing is imputed.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::error::LoadError;
use super::table::{RawTable, Values};
use crate::screen::{Dropped, FeatureMatrix, Reference, Role, Unit};
use crate::table::first_few;

/// A feature missing in more than this fraction of the rows is left out.
const MAX_MISSING: f64 = 0.05;

/// Features that are named of many.
const SHOWN: usize = 4;

/// Which rows and features stay.
pub(super) struct Kept {
    /// Rows of the table, ascending.
    pub rows: Vec<usize>,
    /// Names of the features.
    pub features: Vec<String>,
    pub dropped: Vec<Dropped>,
    pub notes: Vec<String>,
}

/// Chooses among the rows of a table.
///
/// # Errors
/// [`LoadError::NothingLeft`] if no row or no feature stays.
pub(super) fn kept(
    table: &RawTable,
    features: &[String],
    observations: &[Unit],
    reference: Reference,
) -> Result<Kept, LoadError> {
    let columns = columns(table, features);
    let mut kept = Kept { rows: Vec::new(), features: Vec::new(), dropped: Vec::new(), notes: Vec::new() };
    let has_value: Vec<bool> =
        (0..table.n_rows()).into_par_iter().map(|row| columns.iter().any(|values| values[row].is_finite())).collect();
    let with_values: Vec<usize> = (0..table.n_rows()).filter(|&row| has_value[row]).collect();
    let without = |wanted: &dyn Fn(Role) -> bool| {
        observations.iter().zip(&has_value).filter(|(unit, has)| !**has && wanted(unit.role)).count()
    };
    let is_reference = |role| role == Role::NegativeControl && reference == Reference::Relative;
    kept.drop("negative control without values (it is the reference)", without(&is_reference));
    kept.drop("empty well without values", without(&|role| role == Role::Empty));
    let is_control = |role| role == Role::NegativeControl && !is_reference(role);
    kept.drop("negative control without a value in any feature", without(&is_control));
    let is_other = |role| !matches!(role, Role::Empty | Role::NegativeControl);
    kept.drop("no value in any feature", without(&is_other));

    let n_missing: Vec<usize> =
        columns.par_iter().map(|values| with_values.iter().filter(|&&row| !values[row].is_finite()).count()).collect();
    let is_kept: Vec<bool> =
        n_missing.iter().map(|&missing| missing as f64 <= MAX_MISSING * with_values.len() as f64).collect();
    let left_out: Vec<&str> =
        features.iter().zip(&is_kept).filter(|(_, kept)| !**kept).map(|(name, _)| name.as_str()).collect();
    if !left_out.is_empty() {
        kept.notes.push(format!(
            "{} of {} features are missing in more than 5 % of the rows and left out: {}",
            left_out.len(),
            features.len(),
            first_few(&left_out, SHOWN)
        ));
    }
    kept.features = features.iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(name, _)| name.clone()).collect();
    let columns: Vec<&[f32]> = columns.into_iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(c, _)| c).collect();
    let is_whole: Vec<bool> =
        with_values.par_iter().map(|&row| columns.iter().all(|values| values[row].is_finite())).collect();
    kept.rows = with_values.iter().zip(&is_whole).filter(|(_, whole)| **whole).map(|(&row, _)| row).collect();
    let lost = with_values.iter().zip(&is_whole).filter(|(_, whole)| !**whole).map(|(&row, _)| row);
    let (controls, others): (Vec<usize>, Vec<usize>) =
        lost.partition(|&row| observations[row].role == Role::NegativeControl);
    let lacked =
        kept.features.iter().zip(&columns).filter(|(_, values)| controls.iter().any(|&row| !values[row].is_finite()));
    let lacked: Vec<&str> = lacked.map(|(name, _)| name.as_str()).collect();
    kept.drop(&format!("negative control without a value in {}", first_few(&lacked, SHOWN)), controls.len());
    kept.drop("a missing or infinite value in some feature", others.len());
    kept.name_lost_plates(&with_values, &columns, observations);
    if kept.rows.is_empty() || kept.features.is_empty() {
        return Err(LoadError::nothing_left(&table.paths[0], &kept.dropped, kept.notes));
    }
    Ok(kept)
}

/// The values at `rows`, in that order.
pub(super) fn matrix(table: &RawTable, features: &[String], rows: &[usize]) -> FeatureMatrix {
    /// Rows gathered together, so that each column is walked in stretches.
    const BLOCK: usize = 64;
    let columns = columns(table, features);
    let mut values = vec![0f32; rows.len() * features.len()];
    values.par_chunks_mut(BLOCK * features.len().max(1)).zip(rows.par_chunks(BLOCK)).for_each(|(block, rows)| {
        for (feature, column) in columns.iter().enumerate() {
            for (index, &row) in rows.iter().enumerate() {
                block[index * features.len() + feature] = column[row];
            }
        }
    });
    FeatureMatrix::new(features.to_vec(), values)
}

/// The values of `features`, which are columns of numbers.
pub(super) fn columns<'a>(table: &'a RawTable, features: &[String]) -> Vec<&'a [f32]> {
    let by_name: BTreeMap<&str, &[f32]> = table
        .columns
        .iter()
        .filter_map(|column| match &column.values {
            Values::Number(values) => Some((column.name.as_str(), values.as_slice())),
            Values::Text(_) => None,
        })
        .collect();
    features.iter().map(|name| by_name[name.as_str()]).collect()
}

impl Kept {
    /// All rows, of a table without features.
    pub fn all_rows(table: &RawTable) -> Self {
        Self { rows: (0..table.n_rows()).collect(), features: Vec::new(), dropped: Vec::new(), notes: Vec::new() }
    }

    /// A plate of another pipeline may lack a feature in all of its wells; that they all go for it must be said.
    fn name_lost_plates(&mut self, with_values: &[usize], columns: &[&[f32]], observations: &[Unit]) {
        let mut rows_by_plate = BTreeMap::<&str, Vec<usize>>::new();
        for &row in with_values {
            rows_by_plate.entry(&observations[row].plate).or_default().push(row);
        }
        let kept: BTreeSet<&str> = self.rows.iter().map(|&row| observations[row].plate.as_str()).collect();
        for (plate, rows) in rows_by_plate.into_iter().filter(|(plate, _)| !kept.contains(plate)) {
            let is_absent = |values: &&[f32]| rows.iter().all(|&row| !values[row].is_finite());
            let absent: Vec<&str> = (self.features.iter().zip(columns))
                .filter(|(_, values)| is_absent(values))
                .map(|(name, _)| name.as_str())
                .collect();
            if !absent.is_empty() {
                self.notes.push(format!(
                    "plate `{plate}` has no value in {} of {} features and is left out with all its {} rows; to keep it, \
                     list them in `exclude_features`: {}",
                    absent.len(),
                    self.features.len(),
                    rows.len(),
                    first_few(&absent, SHOWN)
                ));
            }
        }
    }

    fn drop(&mut self, reason: &str, rows: usize) {
        if rows > 0 {
            self.dropped.push(Dropped { reason: reason.to_owned(), rows });
        }
    }
}
