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
    /// A listed well that is a control or empty, among treated ones.
    #[error(
        "{place}: well {well} on plate `{plate}` is {} among treated wells, and draws their mean toward untreated cells; leave it out, or list untreated wells alone",
        if *.role == Role::NegativeControl { "a negative control" } else { "an empty well" }
    )]
    NotTreated {
        /// The row of the list.
        place: Place,
        /// The plate.
        plate: String,
        /// The well.
        well: Well,
        /// What it is.
        role: Role,
    },
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
    let mut untreated = None;
    for ListedWell { place, plate, well } in read_wells(path)? {
        let is_listed = |row: &usize| {
            let unit = screen.unit(*row);
            // The first frames of a time lapse are the state before.
            let is_before = screen.reference() == Reference::FirstFrame && unit.role == Role::NegativeControl;
            unit.plate == plate && unit.well == Some(well) && !is_before
        };
        let listed: Vec<usize> = (0..screen.n_observations()).filter(is_listed).collect();
        let Some(&first) = listed.first() else { return Err(TargetError::NoWell { place, plate, well }) };
        let role = screen.unit(first).role;
        if !role.is_treated() && untreated.is_none() {
            untreated = Some(TargetError::NotTreated { place, plate, well, role });
        }
        rows.extend(listed);
    }
    // Untreated wells by themselves are a target: that of cells which are to recover.
    if let Some(untreated) = untreated.filter(|_| rows.iter().any(|&row| screen.unit(row).role.is_treated())) {
        return Err(untreated);
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Unit, Units};

    #[test]
    fn refuses_a_control_among_treated_wells_but_takes_controls_alone() {
        let unit = |well: &str, role: Role| Unit {
            plate: "P1".into(),
            well: Some(well.parse().unwrap()),
            role,
            intervention: Intervention::untreated(),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let units = [("B02", Role::NegativeControl), ("D02", Role::Treatment), ("D03", Role::Treatment)];
        let screen = Screen {
            name: "s".into(),
            design: crate::screen::Design::AgainstControls,
            units: Units::of_each(units.map(|(well, role)| unit(well, role)).to_vec()),
            features: crate::screen::FeatureMatrix::numbered("f", 1, vec![0.0; 3]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wells.csv");
        let rows_of = |wells: &str| {
            std::fs::write(&path, format!("plate,well\n{wells}")).unwrap();
            rows_of_target(&screen, &format!("wells:{}", path.display())).map_err(|error| error.to_string())
        };
        let error = rows_of("P1,d-02\nP1,b2\n").unwrap_err();
        assert!(
            error.contains("wells.csv:3: well B02 on plate `P1` is a negative control among treated wells"),
            "{error}"
        );
        assert_eq!(rows_of("P1,d2\nP1,03D\n"), Ok(vec![1, 2]));
        assert_eq!(rows_of("P1,r02c02\n"), Ok(vec![0]));
    }

    #[test]
    fn refuses_a_list_of_wells_that_is_not_there() {
        let screen = Screen {
            name: "empty".into(),
            design: crate::screen::Design::AgainstControls,
            units: Units::default(),
            features: crate::screen::FeatureMatrix::numbered("f", 1, Vec::new()).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
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
