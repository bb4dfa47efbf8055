//! A query over the observations of a screen, and the rows that satisfy it.
//!
//! ```text
//! moa == "Actin disruptors" and dose_um >= 1
//! perturbation in (taxol, "epothilone B") or not (plate == P1)
//! moa contains tubulin
//! cellviab <= -0.5 and Metadata_dose_nM >= 100
//! ```
//!
//! A condition compares a column with a value: `==`, `!=`, `>=`, `<=`, `>`, `<`, `in (…)`, `not in (…)` or `contains`.
//! Conditions are joined by `and` and `or`, of which `and` binds closer, negated by `not`, and grouped by parentheses.
//! A name or a value that holds spaces or other signs stands in quotes; backticks quote a column.
//! Values that are numbers on both sides are compared as numbers, everything else as text.
//!
//! A column is one that every screen has, a label, a column of the files that became one of ours, a perturbation (its dose
//! in µM, 0 where it was not given) or a feature in the units of the files; where several have one name, the first of them.
//! `feature:NAME` is the feature in any case.

mod parse;

use std::collections::BTreeSet;

use super::Screen;
use super::mechanism::mechanisms;
use super::nearest::{nearest, nearest_in_words};
use super::origin::OriginColumn;
use parse::Parser;

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
    #[error("no column `{column}` to query{}; the columns are {known}", nearest_in_words(nearest))]
    Column {
        /// The column.
        column: String,
        /// Columns with a similar name.
        nearest: Vec<String>,
        /// The columns there are.
        known: String,
    },
    /// No treated row satisfies it.
    #[error("no treated well satisfies `{query}`; `{column}` has {values}{}", nearest_in_words(nearest))]
    Empty {
        /// The query.
        query: String,
        /// The column of the first condition that no row satisfies by itself, or of the first condition.
        column: String,
        /// Values of that column, a few of them.
        values: String,
        /// Values of that column that resemble the one asked for.
        nearest: Vec<String>,
    },
}

/// A parsed query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    text: String,
    expression: Expression,
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Condition(Condition),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    column: String,
    comparison: Comparison,
    /// One value, or those in the parentheses behind `in`.
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
    In,
    NotIn,
    Contains,
}

/// Columns that every screen has.
const COLUMNS: [&str; 10] = [
    "perturbation",
    "intervention",
    "dose_um",
    "hours",
    "plate",
    "well",
    "context",
    "lab_batch",
    "replicate",
    "cell_count",
];

/// Begins the name of a feature whose own name something else has.
const FEATURE: &str = "feature:";

/// The label whose values may join several mechanisms by `|`.
const MECHANISM: &str = "moa";

/// Most values of a column that an error lists.
const MOST_LISTED: usize = 12;

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut parser = Parser { query: text, rest: text.trim() };
        let expression = parser.any_of()?;
        match parser.rest {
            "" => Ok(Self { text: text.to_owned(), expression }),
            _ => Err(parser.error("`and`, `or` or the end")),
        }
    }

    /// Whether each observation of `screen` satisfies the query.
    ///
    /// Columns are `perturbation`, `intervention`, `dose_um`, `hours`, `plate`, `well`, `context`, `lab_batch`, `replicate`,
    /// `cell_count`, every label of the screen, columns of its files, perturbations and features; see the module.
    /// A value that is missing satisfies `!=` and `not in` alone.
    /// A label `moa` that joins several mechanisms by `|` equals each of them.
    ///
    /// # Errors
    /// [`QueryError::Column`].
    pub fn mask(&self, screen: &Screen) -> Result<Vec<bool>, QueryError> {
        let known = self.expression.resolve(screen, &perturbations_of(screen))?;
        Ok((0..screen.n_observations()).map(|row| known.holds(screen, row)).collect())
    }

    /// Treated rows (treatments and positive controls) that satisfy the query, ascending; at least one.
    ///
    /// # Errors
    /// [`QueryError::Column`], or [`QueryError::Empty`] where there are none.
    pub fn treated_rows(&self, screen: &Screen) -> Result<Vec<usize>, QueryError> {
        let mask = self.mask(screen)?;
        let is_treated = |row: &usize| screen.unit(*row).role.is_treated();
        let treated: Vec<usize> = (0..screen.n_observations()).filter(is_treated).collect();
        let rows: Vec<usize> = treated.iter().copied().filter(|&row| mask[row]).collect();
        if rows.is_empty() { Err(self.empty(screen, &treated)?) } else { Ok(rows) }
    }

    fn empty(&self, screen: &Screen, treated: &[usize]) -> Result<QueryError, QueryError> {
        let perturbations = perturbations_of(screen);
        let known = self.expression.resolve(screen, &perturbations)?;
        let conditions = known.conditions();
        let is_never_met = |(condition, source): &&(&Condition, Source)| {
            !treated.iter().any(|&row| condition.holds(*source, screen, row))
        };
        let (condition, source) = conditions.iter().find(is_never_met).unwrap_or(&conditions[0]);
        let values: BTreeSet<String> = treated.iter().filter_map(|&row| source.value(screen, row)).collect();
        // Of a bound no value comes near.
        let is_equality = matches!(condition.comparison, Comparison::Equal | Comparison::In);
        let wanted = if is_equality { condition.values.as_slice() } else { &[] };
        let (values, nearest) = values_in_words(values, wanted);
        Ok(QueryError::Empty { query: self.text.clone(), column: condition.column.clone(), values, nearest })
    }
}

fn perturbations_of(screen: &Screen) -> BTreeSet<&str> {
    let members = screen.units.by_row().flat_map(|unit| unit.intervention.members());
    members.map(|member| member.perturbation.name.as_str()).collect()
}

/// A few values of a column, numbers in their order, and those that come near one that was asked for.
fn values_in_words(values: BTreeSet<String>, wanted: &[String]) -> (String, Vec<String>) {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
    if let Some(mut numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
        numbers.sort_by(f64::total_cmp);
        let words = match numbers.len() <= MOST_LISTED {
            true => numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", "),
            false => format!("{} values from {} to {}", numbers.len(), numbers[0], numbers[numbers.len() - 1]),
        };
        let nearest = match wanted {
            [wanted] => wanted.parse().map_or(Vec::new(), |wanted| around(&numbers, wanted)),
            _ => Vec::new(),
        };
        return (words, nearest);
    }
    let listed: Vec<String> = values.iter().take(MOST_LISTED).cloned().collect();
    let nearest = match wanted {
        [wanted] => nearest(wanted, values.iter().map(String::as_str)),
        _ => Vec::new(),
    };
    let more = values.len() - listed.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let words = if listed.is_empty() { "no value".to_owned() } else { listed.join(", ") + &more };
    (words, nearest)
}

/// The numbers, which are sorted, next to `wanted` on both sides.
fn around(sorted: &[f64], wanted: f64) -> Vec<String> {
    let above = sorted.partition_point(|&number| number < wanted);
    let neighbors = [above.checked_sub(1), Some(above)].into_iter().flatten();
    neighbors.filter_map(|at| sorted.get(at)).map(f64::to_string).collect()
}

/// Where the values of a column are.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// What every screen has, by its name.
    Unit(&'a str),
    /// What every screen has, in the unit of the files.
    Scaled(&'a OriginColumn),
    /// The label of that number.
    Label(usize),
    /// The dose of the perturbation of that name.
    Dose(&'a str),
    /// The feature of that number, as measured.
    Feature(usize),
}

impl<'a> Source<'a> {
    fn of(screen: &'a Screen, perturbations: &BTreeSet<&'a str>, column: &str) -> Option<Self> {
        let feature = |name: &str| match screen.measured().is_of_pixels() {
            true => None,
            false => screen.measured().names().iter().position(|feature| feature == name).map(Self::Feature),
        };
        if let Some(name) = column.strip_prefix(FEATURE) {
            return feature(name);
        }
        let unit = || COLUMNS.into_iter().find(|name| *name == column).map(Self::Unit);
        let label = || screen.labels.iter().position(|label| label.name == column).map(Self::Label);
        let of_files = || screen.origin.columns.iter().find(|known| known.name == column);
        let renamed = |known: &'a OriginColumn| match screen.labels.iter().position(|label| label.name == known.ours) {
            Some(label) => Self::Label(label),
            None => Self::Scaled(known),
        };
        let perturbation = || perturbations.get(column).map(|name| Self::Dose(name));
        let known = unit().or_else(label).or_else(|| of_files().map(renamed)).or_else(perturbation);
        // Tables of many pipelines begin metadata so, and people type it of those that do not.
        let plain = || column.strip_prefix("Metadata_").and_then(|plain| Self::of(screen, perturbations, plain));
        known.or_else(|| feature(column)).or_else(plain)
    }

    /// Names that a query can ask for.
    fn names(screen: &'a Screen, perturbations: &BTreeSet<&'a str>) -> Vec<&'a str> {
        let labels = screen.labels.iter().map(|label| label.name.as_str());
        let of_files = screen.origin.columns.iter().map(|known| known.name.as_str());
        let features = screen.measured().names().iter().map(String::as_str);
        let features = features.filter(|_| !screen.measured().is_of_pixels());
        COLUMNS.into_iter().chain(labels).chain(of_files).chain(perturbations.iter().copied()).chain(features).collect()
    }

    /// What it holds for an observation, as text; `None` where it holds nothing.
    fn value(self, screen: &Screen, row: usize) -> Option<String> {
        let unit = screen.unit(row);
        match self {
            Self::Unit("perturbation") => Some(unit.intervention.perturbation_names()),
            Self::Unit("intervention") => Some(unit.intervention.to_string()),
            Self::Unit("dose_um") => Some(unit.intervention.as_single()?.dose?.get().to_string()),
            Self::Unit("hours") => unit.intervention.hours().map(|hours| hours.to_string()),
            Self::Unit("plate") => Some(unit.plate.clone()),
            Self::Unit("well") => unit.well.map(|well| well.to_string()),
            Self::Unit("context") => Some(unit.context.clone()),
            Self::Unit("lab_batch") => unit.lab_batch.clone(),
            Self::Unit("replicate") => unit.replicate.clone(),
            Self::Unit("cell_count") => unit.cell_count.map(|count| count.to_string()),
            Self::Unit(_) => None,
            Self::Scaled(OriginColumn { ours, factor, .. }) => {
                let value = Self::Unit(ours).value(screen, row)?;
                match value.parse::<f64>() {
                    Ok(number) if *factor != 1.0 => Some((number / factor).to_string()),
                    _ => Some(value),
                }
            }
            Self::Label(label) => screen.labels[label].values[row].clone(),
            Self::Dose(name) => {
                let mut members = unit.intervention.members().iter();
                let member = members.find(|member| member.perturbation.name == name);
                member.map_or(Some("0".to_owned()), |member| Some(member.dose?.get().to_string()))
            }
            // The shortest digits that mean this number, so that 0.1 in a file equals 0.1 in a query.
            Self::Feature(feature) => {
                let value = screen.measured().read_row(row)[feature];
                value.is_finite().then(|| value.to_string())
            }
        }
    }
}

/// An expression whose columns are found.
enum Known<'a> {
    Condition(&'a Condition, Source<'a>),
    Not(Box<Known<'a>>),
    And(Vec<Known<'a>>),
    Or(Vec<Known<'a>>),
}

impl Expression {
    /// The same with the source of every column.
    fn resolve<'a>(&'a self, screen: &'a Screen, perturbations: &BTreeSet<&'a str>) -> Result<Known<'a>, QueryError> {
        let all = |parts: &'a [Expression]| -> Result<Vec<Known<'a>>, QueryError> {
            parts.iter().map(|part| part.resolve(screen, perturbations)).collect()
        };
        Ok(match self {
            Self::Condition(condition) => match Source::of(screen, perturbations, &condition.column) {
                Some(source) => Known::Condition(condition, source),
                None => return Err(unknown(screen, perturbations, &condition.column)),
            },
            Self::Not(expression) => Known::Not(Box::new(expression.resolve(screen, perturbations)?)),
            Self::And(parts) => Known::And(all(parts)?),
            Self::Or(parts) => Known::Or(all(parts)?),
        })
    }
}

/// Nothing is called `column`.
fn unknown(screen: &Screen, perturbations: &BTreeSet<&str>, column: &str) -> QueryError {
    let nearest = nearest(column, Source::names(screen, perturbations).into_iter());
    let names = COLUMNS.into_iter().chain(screen.labels.iter().map(|label| label.name.as_str()));
    let known: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let features = screen.measured();
    let features = match features.names().first().filter(|_| !features.is_of_pixels()) {
        Some(first) => format!(", perturbations, and features such as `{first}`"),
        None => " and perturbations".to_owned(),
    };
    QueryError::Column { column: column.to_owned(), nearest, known: known.join(", ") + &features }
}

impl<'a> Known<'a> {
    fn conditions(&self) -> Vec<(&'a Condition, Source<'a>)> {
        match self {
            Self::Condition(condition, source) => vec![(condition, *source)],
            Self::Not(expression) => expression.conditions(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::conditions).collect(),
        }
    }

    fn holds(&self, screen: &Screen, row: usize) -> bool {
        match self {
            Self::Condition(condition, source) => condition.holds(*source, screen, row),
            Self::Not(expression) => !expression.holds(screen, row),
            Self::And(parts) => parts.iter().all(|part| part.holds(screen, row)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(screen, row)),
        }
    }
}

impl Condition {
    fn holds(&self, source: Source, screen: &Screen, row: usize) -> bool {
        let is_negated = matches!(self.comparison, Comparison::NotEqual | Comparison::NotIn);
        let Some(measured) = source.value(screen, row) else { return is_negated };
        let is_mechanism = matches!(source, Source::Label(label) if screen.labels[label].name == MECHANISM);
        let numbers = |wanted: &str| measured.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
        let equals = |wanted: &String| match numbers(wanted) {
            Some((measured, wanted)) => is_same(measured, wanted),
            None => {
                let is_one_of_several = is_mechanism && mechanisms(&measured).any(|mechanism| mechanism == wanted);
                measured == *wanted || is_one_of_several
            }
        };
        let compares = |is_right: fn(f64, f64) -> bool| {
            numbers(&self.values[0]).is_some_and(|(measured, wanted)| is_right(measured, wanted))
        };
        match self.comparison {
            Comparison::Equal | Comparison::In => self.values.iter().any(equals),
            Comparison::NotEqual | Comparison::NotIn => !self.values.iter().any(equals),
            Comparison::AtLeast => compares(|measured, wanted| measured > wanted || is_same(measured, wanted)),
            Comparison::AtMost => compares(|measured, wanted| measured < wanted || is_same(measured, wanted)),
            Comparison::Above => compares(|measured, wanted| measured > wanted && !is_same(measured, wanted)),
            Comparison::Below => compares(|measured, wanted| measured < wanted && !is_same(measured, wanted)),
            Comparison::Contains => measured.to_lowercase().contains(&self.values[0].to_lowercase()),
        }
    }
}

/// Whether two numbers are the same but for the last digits that a conversion of units may move.
fn is_same(measured: f64, wanted: f64) -> bool {
    (measured - wanted).abs() <= 1e-9 * measured.abs().max(wanted.abs())
}

#[cfg(test)]
mod tests;
