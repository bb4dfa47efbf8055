//! A query over the observations of a screen, and the rows that satisfy it.
//!
//! ```text
//! moa == "Actin disruptors" and dose_um >= 1
//! perturbation in (taxol, "epothilone B") or not (plate == P1)
//! moa contains tubulin
//! ```
//!
//! A condition compares a column with a value: `==`, `!=`, `>=`, `<=`, `>`, `<`, `in (…)`, `not in (…)` or `contains`.
//! Conditions are joined by `and` and `or`, of which `and` binds closer, negated by `not`, and grouped by parentheses.
//! A name or a value that holds spaces or other signs stands in quotes; backticks quote a column.
//! Values that are numbers on both sides are compared as numbers, everything else as text.

use std::collections::BTreeSet;

use super::Screen;
use super::mechanism::mechanisms;
use super::nearest::{nearest, nearest_in_words};

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

/// Symbols, longer ones before those that they begin with.
const SYMBOLS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

/// Columns that every screen has.
const COLUMNS: [&str; 9] =
    ["perturbation", "intervention", "dose_um", "hours", "plate", "well", "context", "lab_batch", "replicate"];

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
    /// Columns are `perturbation`, `intervention`, `dose_um`, `hours`, `plate`, `well`, `context`, `lab_batch`, `replicate`
    /// and every label of the screen; the name of a perturbation stands for its dose in µM, 0 where it was not given.
    /// A value that is missing satisfies `!=` and `not in` alone.
    /// A label `moa` that joins several mechanisms by `|` equals each of them.
    ///
    /// # Errors
    /// [`QueryError::Column`].
    pub fn mask(&self, screen: &Screen) -> Result<Vec<bool>, QueryError> {
        let perturbations: BTreeSet<&str> = screen
            .units
            .by_row()
            .flat_map(|unit| unit.intervention.members())
            .map(|member| member.perturbation.name.as_str())
            .collect();
        for condition in self.expression.conditions() {
            let column = condition.column.as_str();
            if !COLUMNS.contains(&column) && screen.label(column).is_none() && !perturbations.contains(column) {
                let columns = COLUMNS.into_iter().chain(screen.labels.iter().map(|label| label.name.as_str()));
                let known: Vec<String> = columns.clone().map(|name| format!("`{name}`")).collect();
                let nearest = nearest(column, columns.chain(perturbations));
                return Err(QueryError::Column { column: column.to_owned(), nearest, known: known.join(", ") });
            }
        }
        Ok((0..screen.n_observations()).map(|row| self.expression.holds(screen, row)).collect())
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
        if rows.is_empty() { Err(self.empty(screen, &treated)) } else { Ok(rows) }
    }

    fn empty(&self, screen: &Screen, treated: &[usize]) -> QueryError {
        let conditions = self.expression.conditions();
        let is_never_met = |condition: &&&Condition| {
            !treated.iter().any(|&row| condition.holds(value(screen, row, &condition.column)))
        };
        let condition = conditions.iter().find(is_never_met).unwrap_or(&conditions[0]);
        let values: BTreeSet<String> =
            treated.iter().filter_map(|&row| value(screen, row, &condition.column)).collect();
        let nearest = match condition.values.as_slice() {
            [wanted] => nearest(wanted, values.iter().map(String::as_str)),
            _ => Vec::new(),
        };
        let more = if values.len() > MOST_LISTED { ", …" } else { "" };
        let listed: Vec<String> = values.iter().take(MOST_LISTED).cloned().collect();
        let values = if listed.is_empty() { "no value".to_owned() } else { listed.join(", ") + more };
        QueryError::Empty { query: self.text.clone(), column: condition.column.clone(), values, nearest }
    }
}

impl Expression {
    fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::Condition(condition) => vec![condition],
            Self::Not(expression) => expression.conditions(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::conditions).collect(),
        }
    }

    fn holds(&self, screen: &Screen, row: usize) -> bool {
        match self {
            Self::Condition(condition) => condition.holds(value(screen, row, &condition.column)),
            Self::Not(expression) => !expression.holds(screen, row),
            Self::And(parts) => parts.iter().all(|part| part.holds(screen, row)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(screen, row)),
        }
    }
}

impl Condition {
    fn holds(&self, measured: Option<String>) -> bool {
        let is_negated = matches!(self.comparison, Comparison::NotEqual | Comparison::NotIn);
        let Some(measured) = measured else { return is_negated };
        let numbers = |wanted: &str| measured.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
        let equals = |wanted: &String| match numbers(wanted) {
            Some((measured, wanted)) => is_same(measured, wanted),
            None => {
                let is_one_of_several =
                    self.column == MECHANISM && mechanisms(&measured).any(|mechanism| mechanism == wanted);
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

/// What `column` holds for an observation, as text; `None` where it holds nothing.
fn value(screen: &Screen, row: usize, column: &str) -> Option<String> {
    let unit = screen.unit(row);
    match column {
        "perturbation" => Some(unit.intervention.perturbation_names()),
        "intervention" => Some(unit.intervention.to_string()),
        "dose_um" => Some(unit.intervention.as_single()?.dose?.get().to_string()),
        "hours" => unit.intervention.hours().map(|hours| hours.to_string()),
        "plate" => Some(unit.plate.clone()),
        "well" => unit.well.map(|well| well.to_string()),
        "context" => Some(unit.context.clone()),
        "lab_batch" => unit.lab_batch.clone(),
        "replicate" => unit.replicate.clone(),
        name => match screen.label(name) {
            Some(label) => label.values[row].clone(),
            None => {
                let mut members = unit.intervention.members().iter();
                let member = members.find(|member| member.perturbation.name == name);
                member.map_or(Some("0".to_owned()), |member| Some(member.dose?.get().to_string()))
            }
        },
    }
}

/// A query that is being read from its left.
struct Parser<'a> {
    query: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &'static str) -> QueryError {
        QueryError::Syntax { query: self.query.to_owned(), rest: self.rest.to_owned(), expected }
    }

    /// `PART or PART …`
    fn any_of(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.all_of()?];
        while self.word("or") {
            parts.push(self.all_of()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    /// `PART and PART …`
    fn all_of(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.part()?];
        while self.word("and") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    /// `not PART`, `( … )` or a condition.
    fn part(&mut self) -> Result<Expression, QueryError> {
        if self.word("not") {
            return Ok(Expression::Not(Box::new(self.part()?)));
        }
        if self.sign("(") {
            let expression = self.any_of()?;
            return if self.sign(")") { Ok(expression) } else { Err(self.error("a closing parenthesis")) };
        }
        self.condition().map(Expression::Condition)
    }

    fn condition(&mut self) -> Result<Condition, QueryError> {
        let column = self.text(&['`', '"', '\''])?.ok_or_else(|| self.error("a column name"))?;
        let is_negated = self.word("not");
        if self.word("in") {
            let comparison = if is_negated { Comparison::NotIn } else { Comparison::In };
            return Ok(Condition { column, comparison, values: self.list()? });
        }
        if is_negated {
            return Err(self.error("`in`"));
        }
        let comparison = if self.word("contains") {
            Comparison::Contains
        } else {
            let symbol = SYMBOLS.into_iter().find(|(symbol, _)| self.sign(symbol));
            symbol.ok_or_else(|| self.error("==, !=, >=, <=, >, <, in or contains"))?.1
        };
        let value = self.text(&['"', '\''])?.ok_or_else(|| self.error("a value"))?;
        Ok(Condition { column, comparison, values: vec![value] })
    }

    /// `(VALUE, VALUE, …)`
    fn list(&mut self) -> Result<Vec<String>, QueryError> {
        if !self.sign("(") {
            return Err(self.error("a list of values in parentheses"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.text(&['"', '\''])?.ok_or_else(|| self.error("a value"))?);
            if self.sign(")") {
                return Ok(values);
            }
            if !self.sign(",") {
                return Err(self.error("a comma or a closing parenthesis"));
            }
        }
    }

    /// A quoted text, or one up to a space, a parenthesis, a comma or a comparison; `None` where there is neither.
    fn text(&mut self, quotes: &[char]) -> Result<Option<String>, QueryError> {
        if let Some(quote) = self.rest.chars().next().filter(|first| quotes.contains(first)) {
            let inner = &self.rest[quote.len_utf8()..];
            let end = inner.find(quote).ok_or_else(|| self.error("a closing quote"))?;
            self.advance(end + 2 * quote.len_utf8());
            return Ok(Some(inner[..end].to_owned()));
        }
        let ends = |c: char| c.is_whitespace() || "()=!<>,".contains(c);
        let text = &self.rest[..self.rest.find(ends).unwrap_or(self.rest.len())];
        self.advance(text.len());
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// Takes `sign` if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let is_next = self.rest.starts_with(sign);
        if is_next {
            self.advance(sign.len());
        }
        is_next
    }

    /// Takes `word`, in any case, if it comes next and ends there.
    fn word(&mut self, word: &str) -> bool {
        let is_next = self.rest.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word))
            && self.rest[word.len()..].starts_with(|c: char| c.is_whitespace() || c == '(');
        if is_next {
            self.advance(word.len());
        }
        is_next
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Application, FeatureMatrix, Intervention, Kind, Label, Micromolar, Perturbation, Role, Unit, Units,
    };
    use super::*;

    /// Rows: agonist 0.8; agonist 5 + VX-809 3.2; VX-809 3.2 on plate `P 2`; a control; with mechanisms.
    fn screen() -> Screen {
        let member = |name: &str, dose: f64| Application {
            perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        };
        let row = |plate: &str, role: Role, members: Vec<Application>| Unit {
            plate: plate.into(),
            well: None,
            role,
            intervention: Intervention::of(members),
            context: String::new(),
            lab_batch: None,
            replicate: None,
            cell_count: None,
        };
        let moa = ["Actin disruptors", "Kinase|Actin disruptors", "CFTR corrector"].map(|moa| Some(moa.to_owned()));
        Screen {
            name: "s".into(),
            design: super::super::Design::AgainstControls,
            units: Units::of_each(vec![
                row("P1", Role::Treatment, vec![member("agonist", 0.8)]),
                row("P1", Role::Treatment, vec![member("agonist", 5.0), member("VX-809", 3.2)]),
                row("P 2", Role::PositiveControl, vec![member("VX-809", 3.2)]),
                row("P1", Role::NegativeControl, Vec::new()),
            ]),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 4]).into(),
            labels: vec![Label { name: "moa".into(), values: moa.into_iter().chain([None]).collect() }],
            dropped: vec![],
        }
    }

    fn treated(query: &str) -> Result<Vec<usize>, QueryError> {
        Query::parse(query)?.treated_rows(&screen())
    }

    #[test]
    fn finds_the_rows_that_satisfy_it() {
        let check = |query: &str, rows: &[usize]| assert_eq!(treated(query).unwrap(), rows, "{query}");
        check("agonist >= 0.8", &[0, 1]);
        check("agonist > 0.8", &[1]);
        check("agonist > 0 and VX-809 == 0", &[0]);
        check("agonist == 0", &[2]);
        check("plate == 'P 2' or agonist == 5", &[1, 2]);
        check("plate == 'P 2' or agonist == 5 and VX-809 == 0 or agonist == 0.80", &[0, 2]);
        check("(plate == 'P 2' or agonist == 5) and not VX-809 == 0", &[1, 2]);
        check("not (plate == 'P 2')", &[0, 1]);
        check("NOT plate=='P 2' AND `agonist`<1", &[0]);
        check("agonist in (0.8, 5)", &[0, 1]);
        check("plate not in ('P 2', P3)", &[0, 1]);
        check("moa == 'Actin disruptors'", &[0, 1]);
        check("moa != 'Actin disruptors'", &[2]);
        check("moa contains \"actin\"", &[0, 1]);
        check("perturbation contains vx", &[1, 2]);
        check("dose_um >= 0.8", &[0, 2]);
    }

    #[test]
    fn a_dose_is_found_in_spite_of_the_last_digits() {
        assert_eq!(treated("agonist == 0.7999999999999").unwrap(), [0]);
        assert_eq!(treated("agonist >= 5.0000000000001").unwrap(), [1]);
        assert!(treated("agonist == 0.79999").is_err());
    }

    #[test]
    fn a_mask_covers_controls_too_and_what_is_missing_is_unequal() {
        let mask = |query: &str| Query::parse(query).unwrap().mask(&screen()).unwrap();
        assert_eq!(mask("plate == P1"), [true, true, false, true]);
        assert_eq!(mask("moa != x"), [true; 4]);
        assert_eq!(mask("moa contains x"), [false; 4]);
        assert_eq!(mask("moa not in (x)"), [true; 4]);
    }

    #[test]
    fn says_where_a_query_goes_wrong() {
        let check = |query: &str, rest: &str, expected: &str| {
            let error = Query::parse(query).unwrap_err();
            let QueryError::Syntax { rest: at, expected: said, .. } = &error else { panic!("{query}: {error}") };
            assert_eq!((at.as_str(), *said), (rest, expected), "{query}");
        };
        check("", "", "a column name");
        check("moa", "", "==, !=, >=, <=, >, <, in or contains");
        check("moa = x", "= x", "==, !=, >=, <=, >, <, in or contains");
        check("moa == \"x", "\"x", "a closing quote");
        check("moa == x y", "y", "`and`, `or` or the end");
        check("moa ==", "", "a value");
        check("(moa == x", "", "a closing parenthesis");
        check("moa == x)", ")", "`and`, `or` or the end");
        check("moa in x", "x", "a list of values in parentheses");
        check("moa in (x y)", "y)", "a comma or a closing parenthesis");
        check("moa in ()", ")", "a value");
        check("moa not x", "x", "`in`");
        check("moa == x or", "or", "`and`, `or` or the end");
    }

    #[test]
    fn proposes_the_names_and_values_that_come_near() {
        let message = |query: &str| treated(query).unwrap_err().to_string();
        let check = |query: &str, part: &str| {
            let message = message(query);
            assert!(message.contains(part), "{query}: {message}");
        };
        check("VX-808 > 0", "no column `VX-808` to query; did you mean `VX-809`?");
        check("Plate == P1", "did you mean `plate`?");
        check("moa == 'actin disruptor'", "did you mean `Actin disruptors`");
        check("plate == P1 and moa == Actin", "`moa` has");
        check("moa == xyz", "has Actin disruptors, CFTR corrector, Kinase|Actin disruptors");
    }
}
