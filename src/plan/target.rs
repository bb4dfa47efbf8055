//! The target phenotype as a query over the metadata: `moa == "Microtubule stabilizers" and dose_um >= 1`;
//! or as a list of wells, `wells:FILE`, a table with the columns `plate` and `well`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::load::read_text_table;
use crate::screen::{Reference, Role, Screen, Well};

/// A query that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It does not parse.
    #[error(
        "cannot read `{query}` at `{rest}`: expected {expected}, as in moa == \"Actin disruptors\" and dose_um >= 1"
    )]
    Syntax {
        /// The query.
        query: String,
        /// What is left at the fault.
        rest: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// It names a column that the screen lacks.
    #[error("no column `{column}` to query; there are {known}")]
    Column {
        /// The column.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// A list of wells that cannot be used.
    #[error("{0}")]
    Wells(String),
    /// No row satisfies it.
    #[error("no treated well satisfies `{query}`; `{column}` has {values}")]
    Empty {
        /// The query.
        query: String,
        /// Its first column.
        column: String,
        /// Values of that column, a few of them.
        values: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    ("<", Operator::Below),
];

struct Condition {
    column: String,
    operator: Operator,
    value: String,
}

/// Rows of treated observations that satisfy `query`, in order; or those that `wells:FILE` lists.
///
/// Columns are `perturbation`, `intervention`, `dose_um`, `hours`, `plate`, `well`, `context`, `lab_batch`, `replicate`
/// and every label of the screen; the name of a perturbation stands for its dose in µM, 0 where it was not given. Conditions
/// are joined by `and`.
///
/// # Errors
/// When the query does not parse, names an unknown column, or no row satisfies it.
pub fn rows_of_query(screen: &Screen, query: &str) -> Result<Vec<usize>, QueryError> {
    if let Some(path) = query.trim().strip_prefix(WELLS) {
        return rows_of_wells(screen, Path::new(path.trim()));
    }
    let conditions = parse(query)?;
    let names: BTreeSet<&str> = screen
        .observations
        .iter()
        .flat_map(|row| row.intervention.members())
        .map(|member| member.perturbation.name.as_str())
        .collect();
    for condition in &conditions {
        if !is_column(screen, &condition.column) && !names.contains(condition.column.as_str()) {
            let known =
                COLUMNS.iter().map(ToString::to_string).chain(screen.labels.iter().map(|label| label.name.clone()));
            let known = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(QueryError::Column { column: condition.column.clone(), known });
        }
    }
    let treated = |row: &usize| matches!(screen.observations[*row].role, Role::Treatment | Role::PositiveControl);
    let treated: Vec<usize> = (0..screen.n_observations()).filter(treated).collect();
    let satisfies =
        |row: &&usize| conditions.iter().all(|condition| holds(condition, value(screen, **row, &condition.column)));
    let rows: Vec<usize> = treated.iter().filter(satisfies).copied().collect();
    if rows.is_empty() {
        let column = conditions[0].column.clone();
        let mut values: Vec<String> = treated.iter().filter_map(|&row| value(screen, row, &column)).collect();
        values.sort();
        values.dedup();
        let more = if values.len() > 12 { ", …" } else { "" };
        values.truncate(12);
        return Err(QueryError::Empty { query: query.to_owned(), column, values: values.join(", ") + more });
    }
    Ok(rows)
}

/// Begins a target that is a list of wells.
const WELLS: &str = "wells:";

/// Rows of the treated wells that the table at `path` lists; every one of them must be in the screen.
fn rows_of_wells(screen: &Screen, path: &Path) -> Result<Vec<usize>, QueryError> {
    let table = read_text_table(path).map_err(|error| QueryError::Wells(error.to_string()))?;
    let column = |name: &str| {
        let found = table.names.iter().position(|own| own.trim_start_matches("Metadata_").eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            QueryError::Wells(format!("{}: no column `{name}`; list wells by `plate` and `well`", path.display()))
        })
    };
    let (plates, wells) = (&table.columns[column("plate")?], &table.columns[column("well")?]);
    let mut rows = Vec::new();
    for ((plate, well), place) in plates.iter().zip(wells).zip(&table.places) {
        let (plate, text) = (plate.clone().unwrap_or_default(), well.clone().unwrap_or_default());
        let well: Well = text.parse().map_err(|error| QueryError::Wells(format!("{place}: column `well`: {error}")))?;
        let own = |row: &usize| {
            let observation = &screen.observations[*row];
            // The first frames of a time lapse are the state before.
            let is_before = screen.reference == Reference::FirstFrame && observation.role == Role::NegativeControl;
            observation.plate == plate && observation.well == Some(well) && !is_before
        };
        let before = rows.len();
        rows.extend((0..screen.n_observations()).filter(own));
        if rows.len() == before {
            return Err(QueryError::Wells(format!("{place}: the screen has no well {well} on plate `{plate}`")));
        }
    }
    if rows.is_empty() {
        return Err(QueryError::Wells(format!("{}: lists no well", path.display())));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

const COLUMNS: [&str; 9] =
    ["perturbation", "intervention", "dose_um", "hours", "plate", "well", "context", "lab_batch", "replicate"];

fn is_column(screen: &Screen, column: &str) -> bool {
    COLUMNS.contains(&column) || screen.label(column).is_some()
}

fn value(screen: &Screen, row: usize, column: &str) -> Option<String> {
    let observation = &screen.observations[row];
    match column {
        "perturbation" => Some(observation.intervention.perturbation_names()),
        "intervention" => Some(observation.intervention.to_string()),
        "dose_um" => Some(observation.intervention.as_single()?.dose?.get().to_string()),
        "hours" => observation.intervention.hours().map(|hours| hours.to_string()),
        "plate" => Some(observation.plate.clone()),
        "well" => observation.well.map(|well| well.to_string()),
        "context" => Some(observation.context.clone()),
        "lab_batch" => observation.lab_batch.clone(),
        "replicate" => observation.replicate.clone(),
        name => match screen.label(name) {
            Some(label) => label.values[row].clone(),
            None => {
                let own = observation.intervention.members().iter().find(|member| member.perturbation.name == name);
                own.map_or(Some("0".to_owned()), |member| Some(member.dose?.get().to_string()))
            }
        },
    }
}

fn holds(condition: &Condition, found: Option<String>) -> bool {
    let Some(found) = found else { return condition.operator == Operator::NotEqual };
    let numbers = found.parse::<f64>().ok().zip(condition.value.parse::<f64>().ok());
    match (condition.operator, numbers) {
        (Operator::Equal, Some((found, wanted))) => found == wanted,
        (Operator::Equal, None) => found == condition.value,
        (Operator::NotEqual, Some((found, wanted))) => found != wanted,
        (Operator::NotEqual, None) => found != condition.value,
        (Operator::AtLeast, Some((found, wanted))) => found >= wanted,
        (Operator::AtMost, Some((found, wanted))) => found <= wanted,
        (Operator::Above, Some((found, wanted))) => found > wanted,
        (Operator::Below, Some((found, wanted))) => found < wanted,
        (_, None) => false,
    }
}

fn parse(query: &str) -> Result<Vec<Condition>, QueryError> {
    let error =
        |rest: &str, expected| QueryError::Syntax { query: query.to_owned(), rest: rest.trim().to_owned(), expected };
    let mut rest = query.trim();
    let mut conditions = Vec::new();
    loop {
        let end = rest.find(|c: char| c.is_whitespace() || "=!<>".contains(c)).unwrap_or(rest.len());
        let (column, after) = rest.split_at(end);
        if column.is_empty() {
            return Err(error(rest, "a column name"));
        }
        let after = after.trim_start();
        let Some((symbol, operator)) = OPERATORS.into_iter().find(|(symbol, _)| after.starts_with(symbol)) else {
            return Err(error(after, "==, !=, >=, <=, > or <"));
        };
        let after = after[symbol.len()..].trim_start();
        let (value, after) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let Some(end) = after[1..].find(quote) else { return Err(error(after, "a closing quote")) };
                (&after[1..=end], &after[end + 2..])
            }
            _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        if value.is_empty() {
            return Err(error(after, "a value"));
        }
        conditions.push(Condition { column: column.to_owned(), operator, value: value.to_owned() });
        rest = after.trim_start();
        if rest.is_empty() {
            return Ok(conditions);
        }
        rest = rest.strip_prefix("and ").ok_or_else(|| error(rest, "`and`"))?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Application, Intervention, Kind, Micromolar, Observation, Perturbation};

    #[test]
    fn reads_conditions_joined_by_and() {
        let conditions = parse("moa == \"Actin disruptors\" and dose_um>=1 and plate != 'P 1'").unwrap();
        let parts: Vec<_> = conditions.iter().map(|c| (c.column.as_str(), c.value.as_str())).collect();
        assert_eq!(parts, [("moa", "Actin disruptors"), ("dose_um", "1"), ("plate", "P 1")]);
    }

    #[test]
    fn a_perturbations_name_stands_for_its_dose() {
        let member = |name: &str, dose: f64| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        };
        let row = |members: Vec<Application>| Observation {
            plate: "p".into(),
            well: None,
            role: Role::Treatment,
            intervention: Intervention::of(members),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let observations = vec![
            row(vec![member("agonist", 0.8)]),
            row(vec![member("agonist", 5.0), member("VX-809", 3.2)]),
            row(vec![member("VX-809", 3.2)]),
        ];
        let features = crate::screen::FeatureMatrix::numbered("f", 1, vec![0.0; 3]);
        let reference = Reference::ControlWells;
        let screen = Screen { name: "s".into(), reference, observations, features, labels: vec![], dropped: vec![] };
        let check = |query: &str, rows: &[usize]| assert_eq!(rows_of_query(&screen, query).unwrap(), rows, "{query}");
        check("agonist >= 0.8", &[0, 1]);
        check("agonist > 0 and VX-809 == 0", &[0]);
        check("agonist == 0", &[2]);
        assert!(matches!(rows_of_query(&screen, "VX-770 > 0"), Err(QueryError::Column { .. })));
    }

    #[test]
    fn refuses_a_list_of_wells_that_is_not_there() {
        let screen = Screen {
            name: "empty".into(),
            reference: crate::screen::Reference::ControlWells,
            observations: Vec::new(),
            features: crate::screen::FeatureMatrix::numbered("f", 1, Vec::new()),
            labels: Vec::new(),
            dropped: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wells.csv");
        let query = format!("wells:{}", path.display());
        assert!(matches!(rows_of_query(&screen, &query), Err(QueryError::Wells(_))));
        std::fs::write(&path, "plate,well\nP1,A01\n").unwrap();
        let error = rows_of_query(&screen, &query).unwrap_err().to_string();
        assert!(error.contains("wells.csv:2: the screen has no well A01 on plate `P1`"), "{error}");
    }

    #[test]
    fn says_where_a_query_goes_wrong() {
        for (query, expected) in [
            ("", "a column name"),
            ("moa", "==, !=, >=, <=, > or <"),
            ("moa = x", "==, !=, >=, <=, > or <"),
            ("moa == \"x", "a closing quote"),
            ("moa == x or y", "`and`"),
            ("moa ==", "a value"),
        ] {
            let QueryError::Syntax { expected: found, .. } = parse(query).err().expect(query) else {
                panic!("{query}")
            };
            assert_eq!(found, expected, "{query}");
        }
    }
}
