//! The target phenotype as a query over the metadata: `moa == "Microtubule stabilizers" and dose_um >= 1`;
//! or as a list of wells, `wells:FILE`, a table with the columns `plate` and `well`.

use std::path::Path;

use crate::load::{ListedWell, LoadError, Place, read_wells};
use crate::screen::{Query, QueryError, Reference, Role, Screen, Well};

/// A target or start that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A query that cannot be used.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A list of wells that cannot be read.
    #[error(transparent)]
    List(#[from] LoadError),
    /// A listed well that the screen does not have.
    #[error("{place}: the screen has no well {well} on plate `{plate}`")]
    NoWell {
        /// The row of the list.
        place: Place,
        /// The plate.
        plate: String,
        /// The well.
        well: Well,
    },
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
    let mut rows = Vec::new();
    for ListedWell { place, plate, well } in read_wells(path)? {
        let is_listed = |row: &usize| {
            let unit = screen.unit(*row);
            // The first frames of a time lapse are the state before.
            let is_before = screen.reference() == Reference::FirstFrame && unit.role == Role::NegativeControl;
            unit.plate == plate && unit.well == Some(well) && !is_before
        };
        let before = rows.len();
        rows.extend((0..screen.n_observations()).filter(is_listed));
        if rows.len() == before {
            return Err(TargetError::NoWell { place, plate, well });
        }
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
            units: crate::screen::Units::default(),
            features: crate::screen::FeatureMatrix::numbered("f", 1, Vec::new()).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wells.csv");
        let query = format!("wells:{}", path.display());
        assert!(matches!(rows_of_target(&screen, &query), Err(TargetError::List(_))));
        std::fs::write(&path, "plate,well\nP1,A01\n").unwrap();
        let error = rows_of_target(&screen, &query).unwrap_err().to_string();
        assert!(error.contains("wells.csv:2: the screen has no well A01 on plate `P1`"), "{error}");
    }
}
