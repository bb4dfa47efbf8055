//! What each row's well was for.
//!
//! A card's rules come first. Without them, a role column (`Metadata_control_type`, `Metadata_pert_type`, `role`) is read
//! by its usual words, and without such a column the perturbation's name is compared with usual names of controls.

use super::card::{Card, Rule};
use super::error::LoadError;
use super::mapping::{ColumnRole, Mapping};
use super::table::RawTable;
use crate::screen::Role;

/// Usual names of what a negative control received, in small letters.
const USUAL_CONTROLS: [&str; 22] = [
    "dmso",
    "dmso_tf",
    "control",
    "ctrl",
    "negative control",
    "negative_control",
    "negcon",
    "negctrl",
    "non-targeting",
    "non_targeting",
    "nontargeting",
    "nt",
    "ntc",
    "scramble",
    "scrambled",
    "safe-targeting",
    "aavs1",
    "vehicle",
    "untreated",
    "unperturbed",
    "mock",
    "jcp2022_033924",
];

/// The role of each row, how they were told, and what the user may want to know.
pub(super) struct Roles {
    pub roles: Vec<Role>,
    pub why: String,
    pub notes: Vec<String>,
}

type Texts<'a> = Option<&'a [Option<String>]>;

/// Tells the role of every row.
///
/// # Errors
/// If a rule's column is absent, or a role column holds a word that is no role.
pub(super) fn roles(table: &RawTable, mapping: &Mapping, card: &Card) -> Result<Roles, LoadError> {
    let perturbations = mapping.column(ColumnRole::Perturbation).and_then(|column| table.text(column));
    let rules = Declared::of(table, mapping, card)?;
    let has_negative_rule = card.controls.as_ref().is_some_and(|controls| controls.negative.is_some());
    if has_negative_rule {
        let roles = (0..table.n_rows()).map(|row| rules.role(row).unwrap_or(Role::Treatment)).collect();
        return Ok(Roles { roles, why: format!("declared: {}", rules.words), notes: Vec::new() });
    }
    let mut told = match mapping.column(ColumnRole::Role).and_then(|column| Some((column, table.text(column)?))) {
        Some((column, words)) => by_role_column(table, column, words, perturbations)?,
        None => by_name(table, mapping, card, perturbations),
    };
    for (row, role) in told.roles.iter_mut().enumerate() {
        *role = rules.role(row).unwrap_or(*role);
    }
    Ok(told)
}

/// The columns that a card's rules look at.
pub(super) fn rule_columns(card: &Card) -> Vec<&str> {
    let Some(controls) = &card.controls else { return Vec::new() };
    let rules = [&controls.negative, &controls.positive, &controls.empty_wells];
    rules.into_iter().flatten().flat_map(|rules| rules.list()).filter_map(|rule| rule.column.as_deref()).collect()
}

struct Declared<'a> {
    rules: Vec<(Role, &'a [Option<String>], &'a Rule)>,
    words: String,
}

impl<'a> Declared<'a> {
    fn of(table: &'a RawTable, mapping: &'a Mapping, card: &'a Card) -> Result<Self, LoadError> {
        let mut declared = Self { rules: Vec::new(), words: String::new() };
        let Some(controls) = &card.controls else { return Ok(declared) };
        let kinds = [
            (Role::NegativeControl, "negative control", &controls.negative),
            (Role::PositiveControl, "positive control", &controls.positive),
            (Role::Empty, "empty well", &controls.empty_wells),
        ];
        let mut words = Vec::new();
        for (role, word, rules) in kinds {
            for rule in rules.iter().flat_map(|rules| rules.list()) {
                let column = rule.column.as_deref().or(mapping.column(ColumnRole::Perturbation)).unwrap_or("");
                let values = table.text(column).ok_or_else(|| LoadError::MissingColumn {
                    path: table.paths[0].clone(),
                    column: column.to_owned(),
                    mend: format!("the rule for `{word}` uses it"),
                })?;
                let mut alternatives = rule.values.clone();
                alternatives.extend(rule.empty.then(|| "nothing".to_owned()));
                words.push(format!("{word} where `{column}` holds {}", alternatives.join(" or ")));
                declared.rules.push((role, values, rule));
            }
        }
        declared.words = words.join("; ");
        Ok(declared)
    }

    fn role(&self, row: usize) -> Option<Role> {
        let obeys = |value: Option<&str>, rule: &Rule| match value {
            None => rule.empty,
            Some(value) => rule.values.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(start) => value.starts_with(start),
                None => value == wanted,
            }),
        };
        self.rules.iter().find(|(_, values, rule)| obeys(values[row].as_deref(), rule)).map(|(role, _, _)| *role)
    }
}

enum Word {
    Role(Role),
    /// A control of a sort that the word does not tell.
    SomeControl,
}

fn word(text: &str) -> Option<Word> {
    let text = text.to_lowercase();
    let role = match text.as_str() {
        "trt" | "treatment" | "treated" | "test" | "compound" => Role::Treatment,
        "negcon" | "negative_control" | "negative control" | "negative" | "vehicle" | "untreated" => {
            Role::NegativeControl
        }
        "positive_control" | "positive control" | "positive" => Role::PositiveControl,
        "empty" | "blank" => Role::Empty,
        "control" | "ctrl" => return Some(Word::SomeControl),
        text if text.starts_with("trt_") => Role::Treatment,
        text if text.starts_with("ctl_") || text.starts_with("negcon") => Role::NegativeControl,
        text if text.starts_with("poscon") => Role::PositiveControl,
        _ => return None,
    };
    Some(Word::Role(role))
}

fn by_role_column(
    table: &RawTable,
    column: &str,
    words: &[Option<String>],
    perturbations: Texts<'_>,
) -> Result<Roles, LoadError> {
    // JUMP says `control` in one column and of which sort in another, which is empty for treatments.
    let second = ["Metadata_pert_type", "pert_type"].into_iter().filter(|&name| name != column);
    let second = second.filter_map(|name| Some((name, table.text(name)?))).next();
    let mut n_guessed = 0;
    let mut n_empty = 0;
    let mut roles = Vec::with_capacity(table.n_rows());
    for row in 0..table.n_rows() {
        let own = words[row].as_deref().map(|text| (column, text));
        let said = own.or_else(|| second.and_then(|(name, words)| Some((name, words[row].as_deref()?))));
        let perturbation = perturbations.and_then(|perturbations| perturbations[row].as_deref());
        let told = said.map(|(column, text)| {
            word(text).ok_or_else(|| LoadError::Cell {
                place: table.place(row),
                column: column.to_owned(),
                found: text.to_owned(),
                expected: "trt, negcon, poscon or empty (declare [controls] in a card for other words)",
            })
        });
        roles.push(match told.transpose()? {
            Some(Word::Role(Role::Treatment)) | None if perturbation.is_none() => {
                n_empty += 1;
                Role::Empty
            }
            Some(Word::Role(role)) => role,
            Some(Word::SomeControl) if perturbation.is_none_or(is_usual_control) => Role::NegativeControl,
            Some(Word::SomeControl) => {
                n_guessed += 1;
                Role::PositiveControl
            }
            None => Role::Treatment,
        });
    }
    let mut notes = Vec::new();
    if n_guessed > 0 {
        notes.push(format!(
            "{n_guessed} rows are a `control` of unknown kind with a perturbation and are taken as positive \
             controls; declare [controls] if they are not"
        ));
    }
    notes.extend(empty_note(n_empty));
    Ok(Roles { roles, why: format!("the words of column `{column}`"), notes })
}

fn by_name(table: &RawTable, mapping: &Mapping, card: &Card, perturbations: Texts<'_>) -> Roles {
    if !card.columns.doses.is_empty() {
        return by_doses(table, card);
    }
    let Some(perturbations) = perturbations else {
        return Roles { roles: vec![Role::Treatment; table.n_rows()], why: String::new(), notes: Vec::new() };
    };
    let column = mapping.column(ColumnRole::Perturbation).unwrap_or("perturbation");
    let found: std::collections::BTreeSet<&str> =
        perturbations.iter().flatten().map(String::as_str).filter(|name| is_usual_control(name)).collect();
    let missing_is = if found.is_empty() && is_pycytominer(column) { Role::NegativeControl } else { Role::Empty };
    let mut n_missing = 0;
    let roles = perturbations.iter().map(|name| match name.as_deref() {
        Some(name) if is_usual_control(name) => Role::NegativeControl,
        Some(_) => Role::Treatment,
        None => {
            n_missing += 1;
            missing_is
        }
    });
    let roles: Vec<Role> = roles.collect();
    let why = match (found.is_empty(), missing_is) {
        (false, _) => format!(
            "negative control where `{column}` is {}, a usual name of controls",
            found.into_iter().collect::<Vec<_>>().join(" or ")
        ),
        (true, Role::NegativeControl) if n_missing > 0 => format!("negative control where `{column}` is empty"),
        (true, _) => "no control found".to_owned(),
    };
    let notes = if missing_is == Role::Empty { empty_note(n_missing).into_iter().collect() } else { Vec::new() };
    Roles { roles, why, notes }
}

/// A well that received none of the perturbations that have a dose column is untreated.
fn by_doses(table: &RawTable, card: &Card) -> Roles {
    let columns: Vec<&[Option<String>]> = card.columns.doses.values().filter_map(|column| table.text(column)).collect();
    let is_dose = |text: &Option<String>| {
        // What is no number is named as such when doses are read.
        text.as_deref().is_some_and(|text| text.parse::<f64>() != Ok(0.0))
    };
    let role = |row: usize| match columns.iter().any(|values| is_dose(&values[row])) {
        true => Role::Treatment,
        false => Role::NegativeControl,
    };
    let names: Vec<&str> = card.columns.doses.values().map(String::as_str).collect();
    let why = format!("negative control where {} are 0 or empty", names.join(", "));
    Roles { roles: (0..table.n_rows()).map(role).collect(), why, notes: Vec::new() }
}

fn empty_note(n_rows: usize) -> Option<String> {
    (n_rows > 0).then(|| format!("{n_rows} rows name no perturbation and are taken as empty wells"))
}

/// In Broad's tables the vehicle's sample is left empty.
fn is_pycytominer(column: &str) -> bool {
    column.starts_with("Metadata_")
}

fn is_usual_control(name: &str) -> bool {
    USUAL_CONTROLS.contains(&name.to_lowercase().as_str())
}
