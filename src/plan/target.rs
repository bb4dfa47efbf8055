//! The target phenotype as a query over the metadata: `moa == "Microtubule stabilizers" and dose_um >= 1`; as the name of a
//! perturbation, an intervention or a mechanism alone: `taxol`, `taxol 0.3 µM`, `Microtubule stabilizers`; or as a list of
//! wells, `wells:FILE`, a table with the columns `plate` and `well`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::load::{ListedWell, LoadError, Place, read_wells};
use crate::screen::{Lexicon, Query, QueryError, Reference, Role, Screen, Well, mechanisms, nearest, nearest_in_words};

/// A target or start that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A query that cannot be used.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Neither a query nor a name of the screen.
    #[error(
        "`{text}` is neither a query, such as {example}, nor a perturbation, an intervention or a mechanism of this screen{}",
        nearest_in_words(nearest)
    )]
    Name {
        /// As written.
        text: String,
        /// Names with a similar spelling.
        nearest: Vec<String>,
        /// A query that the screen can answer.
        example: String,
    },
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

/// Rows of treated observations that satisfy `query` (see [`Query`]) or that bear its name, ascending; or those that
/// `wells:FILE` lists.
///
/// # Errors
/// When the query does not parse and is no name of the screen, names an unknown column, or no row satisfies it; when a listed
/// well is not in the screen.
pub fn rows_of_target(screen: &Screen, query: &str) -> Result<Vec<usize>, TargetError> {
    if let Some(path) = query.trim().strip_prefix(WELLS) {
        return rows_of_wells(screen, Path::new(path.trim()));
    }
    match Query::parse(query) {
        Ok(query) => Ok(query.treated_rows(screen)?),
        Err(error) => rows_of_name(screen, query.trim(), error),
    }
}

/// Signs of a query, which a name hardly holds.
const SIGNS: [char; 4] = ['=', '<', '>', '"'];

/// Rows of treated observations under the perturbation, the mechanism or the intervention that `text` names, whatever its
/// case; `error` says why it is no query.
fn rows_of_name(screen: &Screen, text: &str, error: QueryError) -> Result<Vec<usize>, TargetError> {
    let wanted = text.to_lowercase();
    let rows = || (0..screen.n_observations()).filter(|&row| screen.unit(row).role.is_treated());
    let is_wanted = |name: &str| name.to_lowercase() == wanted;
    let under = |row: &usize| is_wanted(&screen.unit(*row).intervention.perturbation_names());
    let moa = screen.label("moa");
    let moas = |row: usize| moa.and_then(|label| label.values[row].as_deref()).into_iter().flat_map(mechanisms);
    let by = |row: &usize| moas(*row).any(is_wanted);
    for found in [rows().filter(under).collect::<Vec<_>>(), rows().filter(by).collect()] {
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let lexicon = Lexicon::of(rows().map(|row| &screen.unit(row).intervention));
    if let Ok(read) = lexicon.read(text) {
        let members = read.intervention.members();
        let found: Vec<usize> = rows().filter(|&row| screen.unit(row).intervention.members() == members).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if text.contains(SIGNS) {
        return Err(error.into());
    }
    let names: BTreeSet<String> = rows().map(|row| screen.unit(row).intervention.perturbation_names()).collect();
    let of_moa: BTreeSet<&str> = rows().flat_map(moas).collect();
    let example = match (of_moa.first(), names.first()) {
        (Some(moa), _) => format!("moa == \"{moa}\""),
        (None, Some(name)) => format!("perturbation == \"{name}\""),
        (None, None) => return Err(error.into()),
    };
    let known = names.iter().map(String::as_str).chain(of_moa);
    Err(TargetError::Name { text: text.to_owned(), nearest: nearest(text, known), example })
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
    fn a_name_alone_is_a_target() {
        let given = [None, Some(("taxol", Some(0.3))), Some(("taxol", Some(3.0))), Some(("AZ-A", Some(1.0)))];
        let units: Vec<Unit> = given.map(Unit::under).to_vec();
        let moas = [None, Some("tubulin"), Some("tubulin|kinesin"), Some("Aurora kinase")];
        let screen = Screen {
            name: "s".into(),
            design: crate::screen::Design::AgainstControls,
            units: Units::of_each(units),
            features: crate::screen::FeatureMatrix::numbered("f", 1, vec![0.0; 4]).into(),
            labels: vec![crate::screen::Label {
                name: "moa".into(),
                values: moas.map(|moa| moa.map(str::to_owned)).to_vec(),
            }],
            dropped: Vec::new(),
            origin: Default::default(),
        };
        let rows = |text: &str| rows_of_target(&screen, text).map_err(|error| error.to_string());
        assert_eq!(rows("Taxol"), Ok(vec![1, 2]));
        assert_eq!(rows("taxol 300 nM"), Ok(vec![1]));
        assert_eq!(rows("kinesin"), Ok(vec![2]));
        assert_eq!(rows("aurora kinase"), Ok(vec![3]));
        assert_eq!(rows("perturbation == taxol"), Ok(vec![1, 2]));
        assert_eq!(
            rows("tubulni"),
            Err("`tubulni` is neither a query, such as moa == \"Aurora kinase\", nor a perturbation, an intervention or a \
                 mechanism of this screen; did you mean `tubulin`?"
                .to_owned())
        );
        assert!(rows("moa = tubulin").unwrap_err().starts_with("cannot read `moa = tubulin`"));
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
