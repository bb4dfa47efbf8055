//! The target phenotype as a query over the metadata: `moa == "Microtubule stabilizers" and dose_um >= 1`;
//! or as a list of wells, `wells:FILE`, a table with the columns `plate` and `well`.

use std::path::Path;

use crate::load::read_text_table;
use crate::screen::{Query, QueryError, Reference, Role, Screen, Well};

/// A target or start that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A query that cannot be used.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A list of wells that cannot be used.
    #[error("{0}")]
    Wells(String),
}

/// Rows of treated observations that satisfy `query` (see [`Query`]), ascending; or those that `wells:FILE` lists.
///
/// # Errors
/// When the query does not parse, names an unknown column, or no row satisfies it; when a listed well is not in the screen.
pub fn rows_of_target(screen: &Screen, query: &str) -> Result<Vec<usize>, TargetError> {
    match query.trim().strip_prefix(WELLS) {
        Some(path) => rows_of_wells(screen, Path::new(path.trim())),
        None => Ok(Query::parse(query)?.treated_rows(screen)?),
    }
}

/// Begins a target that is a list of wells.
const WELLS: &str = "wells:";

/// Rows of the treated wells that the table at `path` lists; every one of them must be in the screen.
fn rows_of_wells(screen: &Screen, path: &Path) -> Result<Vec<usize>, TargetError> {
    let table = read_text_table(path).map_err(|error| TargetError::Wells(error.to_string()))?;
    let column = |name: &str| {
        let found = table.names.iter().position(|own| own.trim_start_matches("Metadata_").eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            TargetError::Wells(format!("{}: no column `{name}`; list wells by `plate` and `well`", path.display()))
        })
    };
    let (plates, wells) = (&table.columns[column("plate")?], &table.columns[column("well")?]);
    let mut rows = Vec::new();
    for ((plate, well), place) in plates.iter().zip(wells).zip(&table.places) {
        let (plate, text) = (plate.clone().unwrap_or_default(), well.clone().unwrap_or_default());
        let well: Well =
            text.parse().map_err(|error| TargetError::Wells(format!("{place}: column `well`: {error}")))?;
        let own = |row: &usize| {
            let observation = &screen.observations[*row];
            // The first frames of a time lapse are the state before.
            let is_before = screen.reference() == Reference::FirstFrame && observation.role == Role::NegativeControl;
            observation.plate == plate && observation.well == Some(well) && !is_before
        };
        let before = rows.len();
        rows.extend((0..screen.n_observations()).filter(own));
        if rows.len() == before {
            return Err(TargetError::Wells(format!("{place}: the screen has no well {well} on plate `{plate}`")));
        }
    }
    if rows.is_empty() {
        return Err(TargetError::Wells(format!("{}: lists no well", path.display())));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_list_of_wells_that_is_not_there() {
        let screen = Screen {
            name: "empty".into(),
            design: crate::screen::Design::AgainstControls,
            observations: Vec::new(),
            features: crate::screen::FeatureMatrix::numbered("f", 1, Vec::new()),
            labels: Vec::new(),
            dropped: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wells.csv");
        let query = format!("wells:{}", path.display());
        assert!(matches!(rows_of_target(&screen, &query), Err(TargetError::Wells(_))));
        std::fs::write(&path, "plate,well\nP1,A01\n").unwrap();
        let error = rows_of_target(&screen, &query).unwrap_err().to_string();
        assert!(error.contains("wells.csv:2: the screen has no well A01 on plate `P1`"), "{error}");
    }
}
