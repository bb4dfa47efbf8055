//! Responses in a parquet, CSV or Excel table: a row for each perturbation or well.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::annotated::Annotated;
use super::super::card::Card;
use super::super::error::LoadError;
use super::super::format;
use super::super::mapping::Mapping;
use super::super::table::{RawColumn, RawTable, Values};
use super::ResponseColumns;
use super::columns::{Named, context_column, perturbation_columns};

/// # Errors
/// If the table is damaged, has no features, or no column says what was done.
pub(super) fn open(path: &Path, columns: &ResponseColumns) -> Result<(Annotated, Named), LoadError> {
    let sketches = format::sketch(path, false)?;
    let names: Vec<String> = sketches.iter().map(|sketch| sketch.name.clone()).collect();
    let mut claimed: BTreeSet<String> = perturbation_columns(path, &names, columns)?.into_iter().collect();
    claimed.extend(context_column(path, &names, columns)?);
    // Columns of doses are not asked for their units, which do not matter here.
    let card = Card { dose_unit: Some(crate::screen::DoseUnit::Micromolar), ..Card::default() };
    let mut mapping = Mapping::of_names(path, &names, &card)?;
    let chosen = mapping.find_features(path, &sketches, &claimed, &card)?;
    let features: Vec<String> =
        mapping.features.iter().filter(|name| !chosen.booleans.contains(*name)).cloned().collect();
    if features.is_empty() {
        return Err(LoadError::NoFeatures { path: path.to_path_buf(), left_out: mapping.left_out_in_words() });
    }
    let numbers: BTreeSet<&str> = features.iter().map(String::as_str).collect();
    let table = format::read(path, &numbers)?;
    let named = Named::of(path, &names, columns, |column| Ok(table.text(column).map(<[_]>::to_vec)))?;
    let values = matrix(table, &features);
    Ok((values, named))
}

/// The numbers of a table, row by row.
fn matrix(table: RawTable, features: &[String]) -> Annotated {
    let (n_rows, n_columns) = (table.n_rows(), features.len());
    let mut values = vec![0.0; n_rows * n_columns];
    let place_of: std::collections::BTreeMap<&str, usize> = features.iter().map(String::as_str).zip(0..).collect();
    for RawColumn { name, values: column } in table.columns {
        if let (Some(&place), Values::Number(numbers)) = (place_of.get(name.as_str()), column) {
            numbers.iter().enumerate().for_each(|(row, &number)| values[row * n_columns + place] = number);
        }
    }
    Annotated::held(features.to_vec(), n_rows, values)
}
