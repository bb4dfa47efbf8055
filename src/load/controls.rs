//! What each row's well was for.
//!
//! A card's rules come first. Without them, a role column (`Metadata_control_type`, `Metadata_pert_type`, `role`) is read
//! by its usual words, and without such a column the perturbation's name is compared with usual names of controls, and its
//! dose with 0. What is taken for a control and could be something else is said.

use std::collections::{BTreeMap, BTreeSet};

use super::card::{Card, Rule};
use super::dose;
use super::error::LoadError;
use super::kind;
use super::mapping::{ColumnRole, Mapping};
use super::table::{RawTable, boolean};
use super::vehicle::{Standing, Word, speaks_of_control, standing, word};
use crate::screen::{Kind, Role};
use crate::table::counted;

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
    let is_assumed = |row: usize| {
        let name = perturbations.and_then(|perturbations| perturbations[row].as_deref());
        name.is_some_and(|name| card.assumed.controls.iter().any(|control| control == name))
    };
    let assumed = |row: usize| is_assumed(row).then_some(Role::NegativeControl);
    if card.has_negative_rule() {
        let role = |row: usize| rules.role(row).or(assumed(row)).unwrap_or(Role::Treatment);
        let roles: Vec<Role> = (0..table.n_rows()).map(role).collect();
        let notes = treated_controls(perturbations, &roles).into_iter().collect();
        return Ok(Roles { roles, why: format!("declared: {}", rules.words), notes });
    }
    let mut told = match mapping.column(ColumnRole::Role).and_then(|column| Some((column, table.text(column)?))) {
        Some((column, words)) => {
            let told = by_role_column(table, column, words, perturbations)?;
            let doses = mapping.column(ColumnRole::Dose).and_then(|column| table.text(column));
            if !card.assumed.are_controls_as_called {
                refuse_controls_at_doses(table, column, [perturbations, doses, Some(words)], &told.roles)?;
            }
            told
        }
        None => by_name(table, mapping, card, perturbations)?,
    };
    for (row, role) in told.roles.iter_mut().enumerate() {
        *role = rules.role(row).or(assumed(row)).unwrap_or(*role);
    }
    if mapping.column(ColumnRole::Role).is_some() {
        told.notes.extend(treated_controls(perturbations, &told.roles));
    }
    Ok(told)
}

/// A note where wells are treated by what a card or a column says, and by their name are controls or empty.
fn treated_controls(perturbations: Texts<'_>, roles: &[Role]) -> Option<String> {
    let is_usual = |name: &str| matches!(standing(name), Some(Standing::Control | Standing::Nothing));
    let mut names = BTreeMap::<&str, usize>::new();
    let treated = perturbations?.iter().zip(roles).filter(|(_, role)| role.is_treated());
    treated.filter_map(|(name, _)| name.as_deref()).for_each(|name| *names.entry(name).or_default() += 1);
    names.retain(|name, _| is_usual(name));
    let named: Vec<String> = names.iter().map(|(name, n_rows)| format!("`{name}` ({n_rows} rows)")).collect();
    (!named.is_empty()).then(|| {
        format!(
            "{} would be controls or empty wells by their names, but are treatments by what the card or the column of \
             roles says; correct one of them if they are not perturbations",
            named.join(", ")
        )
    })
}

/// Whether a card's rules speak of this name of a perturbation, letter by letter.
pub(super) fn is_declared(card: &Card, name: &str) -> bool {
    let Some(controls) = &card.controls else { return false };
    let rules = [&controls.negative, &controls.positive, &controls.empty_wells];
    rules.into_iter().flatten().flat_map(|rules| rules.list()).any(|rule| rule.values.iter().any(|value| value == name))
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
    let mut n_named_empty = 0;
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
        let is_usual_control =
            |name: &str| matches!(standing(name), Some(Standing::Control | Standing::Short | Standing::Liquid));
        roles.push(match told.transpose()? {
            Some(Word::Role(Role::Treatment)) | None if perturbation.is_none() => {
                n_empty += 1;
                Role::Empty
            }
            // A plate reader calls its samples so.
            Some(Word::Role(Role::Empty))
                if said.is_some_and(|(_, text)| text.trim().eq_ignore_ascii_case("unknown"))
                    && perturbation.is_some_and(|name| standing(name).is_none()) =>
            {
                Role::Treatment
            }
            Some(Word::Role(Role::Empty)) => {
                n_named_empty += usize::from(perturbation.is_some_and(|name| standing(name).is_none()));
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
    if n_named_empty > 0 {
        notes.push(format!(
            "{n_named_empty} rows name a perturbation and are empty wells by the words of `{column}`, so that nothing is learned \
             from them; declare [controls] if they are not"
        ));
    }
    notes.extend(empty_note(n_empty));
    Ok(Roles { roles, why: format!("the words of column `{column}`"), notes })
}

/// Whether a name is that of a gene of no cell, which stands for a control where constructs are applied.
fn is_reporter(name: &str) -> bool {
    const REPORTERS: [&str; 12] =
        ["gfp", "egfp", "rfp", "bfp", "yfp", "cherry", "mcherry", "hcred", "luc", "luciferase", "lacz", "renilla"];
    let name = name.to_lowercase();
    name.split(|letter: char| !letter.is_alphanumeric()).any(|word| REPORTERS.contains(&word.trim_start_matches("sg")))
}

/// Refuses a column of roles that calls a perturbation a negative control, at doses above 0 where there are doses, as it does
/// a vehicle: taken together they would be no control.
fn refuse_controls_at_doses(
    table: &RawTable,
    column: &str,
    [perturbations, doses, words]: [Texts<'_>; 3],
    roles: &[Role],
) -> Result<(), LoadError> {
    let (Some(perturbations), Some(words)) = (perturbations, words) else { return Ok(()) };
    let mut names = BTreeMap::<&str, usize>::new();
    let mut at_doses = BTreeMap::<&str, usize>::new();
    let mut of_controls = BTreeSet::new();
    for (row, _) in roles.iter().enumerate().filter(|(_, role)| **role == Role::NegativeControl) {
        let Some(name) = perturbations[row].as_deref() else { continue };
        *names.entry(name).or_default() += 1;
        of_controls.extend(words[row].as_deref());
        let is_dosed = doses.is_none_or(|doses| doses[row].as_deref().is_some_and(dose::is_positive));
        if standing(name).is_none() && !is_reporter(name) && is_dosed {
            *at_doses.entry(name).or_default() += 1;
        }
    }
    let has_vehicle = names.keys().any(|name| matches!(standing(name), Some(Standing::Control | Standing::Short)))
        || doses.is_some() && names.keys().any(|name| !at_doses.contains_key(name));
    let Some((name, n_rows)) = at_doses.first_key_value().filter(|_| has_vehicle) else { return Ok(()) };
    Err(LoadError::ControlAtDoses {
        path: Box::new(table.paths[0].clone()),
        column: column.to_owned(),
        words: of_controls.into_iter().map(str::to_owned).collect(),
        name: (*name).to_owned(),
        n_rows: *n_rows,
        are_dosed: doses.is_some(),
        others: names.keys().filter(|other| !at_doses.contains_key(*other)).map(|other| (*other).to_owned()).collect(),
    })
}

/// The wells of one name, by what is written of their doses.
#[derive(Default)]
struct Named {
    n_rows: usize,
    n_zero: usize,
    n_positive: usize,
}

fn by_name(table: &RawTable, mapping: &Mapping, card: &Card, perturbations: Texts<'_>) -> Result<Roles, LoadError> {
    if !card.columns.doses.is_empty() {
        return Ok(by_doses(table, card));
    }
    let Some(perturbations) = perturbations else {
        return Ok(Roles { roles: vec![Role::Treatment; table.n_rows()], why: String::new(), notes: Vec::new() });
    };
    let column = mapping.column(ColumnRole::Perturbation).unwrap_or("perturbation");
    let doses = mapping.column(ColumnRole::Dose).and_then(|column| table.text(column));
    let mut names = BTreeMap::<&str, Named>::new();
    let mut n_missing = 0;
    for (row, name) in perturbations.iter().enumerate() {
        let Some(name) = name.as_deref() else {
            n_missing += 1;
            continue;
        };
        let named = names.entry(name).or_default();
        let written = doses.and_then(|doses| doses[row].as_deref());
        named.n_rows += 1;
        named.n_zero += usize::from(written.is_some_and(dose::is_zero));
        named.n_positive += usize::from(written.is_some_and(dose::is_positive));
    }
    let mut told = Told::of(&names, column, card);
    told.take_unnamed(column, n_missing);
    let is_of_compounds =
        card.kind.unwrap_or(kind::of_column(column)) == Kind::Compound && mapping.column(ColumnRole::Kind).is_none();
    if is_of_compounds {
        told.take_zero_doses(&names, column);
    }
    let role = |(row, name): (usize, &Option<String>)| {
        let Some(name) = name.as_deref() else { return told.unnamed };
        let is_zero = || doses.and_then(|doses| doses[row].as_deref()).is_some_and(dose::is_zero);
        match told.roles.get(name) {
            Some(&role) => role,
            None if is_of_compounds && told.zero_is_control.contains(&name) && is_zero() => Role::NegativeControl,
            None => Role::Treatment,
        }
    };
    let roles: Vec<Role> = perturbations.iter().enumerate().map(role).collect();
    let why = match told.controls.as_slice() {
        [] if told.unnamed == Role::NegativeControl && n_missing > 0 => {
            format!("negative control where `{column}` is empty")
        }
        [] => "no control found".to_owned(),
        controls => format!("negative control where {}", controls.join(" or ")),
    };
    Ok(Roles { roles, why, notes: told.notes })
}

/// What names stand for, with what there is to say of it.
struct Told<'a> {
    /// Of names that are no treatments.
    roles: BTreeMap<&'a str, Role>,
    /// Of rows that name nothing.
    unnamed: Role,
    /// Names of perturbations of which wells with a dose of 0 are controls.
    zero_is_control: Vec<&'a str>,
    /// What is a negative control, in words.
    controls: Vec<String>,
    notes: Vec<String>,
}

/// Names from which on a control in a single row is a surprise.
const MANY_NAMES: usize = 20;

impl<'a> Told<'a> {
    fn of(names: &BTreeMap<&'a str, Named>, column: &str, card: &Card) -> Self {
        let standings: Vec<(Standing, &'a str, &Named)> =
            names.iter().filter_map(|(&name, named)| Some((standing(name)?, name, named))).collect();
        let with = |wanted: Standing| -> Vec<(&'a str, &Named)> {
            standings.iter().filter(|found| found.0 == wanted).map(|&(_, name, named)| (name, named)).collect()
        };
        let (clear, unsure) = (with(Standing::Control), [with(Standing::Short), with(Standing::Liquid)].concat());
        let is_of_genes = card.kind.unwrap_or(kind::of_column(column)) != Kind::Compound;
        let mut told = Self {
            roles: clear.iter().map(|(name, _)| (*name, Role::NegativeControl)).collect(),
            unnamed: Role::Empty,
            zero_is_control: Vec::new(),
            controls: Vec::new(),
            notes: Vec::new(),
        };
        let listed = |names: &[(&str, &Named)]| {
            names.iter().map(|(name, named)| format!("`{name}` ({} rows)", named.n_rows)).collect::<Vec<_>>().join(", ")
        };
        for &(name, named) in &unsure {
            let rows = named.n_rows;
            let is_perturbation = match () {
                () if named.n_positive > 0 => Some("it has doses"),
                () if !clear.is_empty() && !is_of_genes => Some("another name stands for the control"),
                () => None,
            };
            told.notes.push(match is_perturbation {
                Some(why) if named.n_positive == 0 && standing(name) == Some(Standing::Liquid) => {
                    told.roles.insert(name, Role::Empty);
                    format!(
                        "`{name}` ({rows} rows) is taken as empty wells, from which nothing is learned, since {why}; if \
                         they hold untreated cells, list all controls under [controls] in a card"
                    )
                }
                Some(why) => format!(
                    "`{name}` ({rows} rows) is taken as a perturbation, since {why}; if it is a control, list all \
                     controls under [controls] in a card: `negative = {{ values = [\"{name}\", …] }}`"
                ),
                None => {
                    told.roles.insert(name, Role::NegativeControl);
                    format!(
                        "`{name}` ({rows} rows) is taken as a negative control; if it is a perturbation, list the \
                         controls under [controls] in a card"
                    )
                }
            });
        }
        let controls: Vec<&str> =
            told.roles.iter().filter(|(_, role)| **role == Role::NegativeControl).map(|(name, _)| *name).collect();
        if !controls.is_empty() {
            told.controls.push(format!("`{column}` is {}, a usual name of controls", controls.join(" or ")));
        }
        if clear.len() > 1 {
            told.notes.push(format!(
                "negative controls go by several names and are taken together: {}; if only some of them are what \
                 effects are measured against, list these under [controls] in a card",
                listed(&clear)
            ));
        }
        let mut rows: Vec<usize> = names.values().map(|named| named.n_rows).collect();
        rows.sort_unstable();
        let usual_rows = rows.get(rows.len() / 2).copied().unwrap_or(0);
        // A gene may be called `CTRL`; controls stand in more wells than what is tested.
        if let ([(name, named)], true) = (clear.as_slice(), names.len() >= MANY_NAMES)
            && (named.n_rows == 1 || is_of_genes && named.n_rows <= usual_rows)
        {
            told.notes.push(format!(
                "`{name}` ({} of {} names) is taken as the negative control, by its name; if it is a perturbation, such as \
                 a gene of this name, say so: `negative = {{ values = [] }}` under [controls] in a card, or list the controls",
                if named.n_rows == 1 { "1 row".to_owned() } else { format!("{} rows", named.n_rows) },
                names.len()
            ));
        }
        let positive = with(Standing::PositiveControl);
        told.roles.extend(positive.iter().map(|(name, _)| (*name, Role::PositiveControl)));
        let mentions: Vec<(&str, &Named)> = (names.iter())
            .filter(|(name, _)| standing(name).is_none() && speaks_of_control(name))
            .map(|(&name, named)| (name, named))
            .collect();
        if !mentions.is_empty() {
            told.notes.push(format!(
                "{} {} taken as perturbations, though the names speak of a control; if they are controls, list all controls \
                 under [controls] in a card, as `negative = {{ values = […] }}` or `positive = {{ values = […] }}`",
                listed(&mentions),
                if mentions.len() == 1 { "is" } else { "are" }
            ));
        }
        let nothing = with(Standing::Nothing);
        told.roles.extend(nothing.iter().map(|(name, _)| (*name, Role::Empty)));
        if !nothing.is_empty() {
            told.notes.push(format!(
                "{} {} taken as empty wells, from which nothing is learned; if they hold untreated cells, list them \
                 under [controls] in a card",
                listed(&nothing),
                if nothing.len() == 1 { "is" } else { "are" }
            ));
        }
        told
    }

    /// Rows without a name: the vehicle in tables of the Broad Institute where no name is a control's, else empty wells.
    fn take_unnamed(&mut self, column: &str, n_missing: usize) {
        if n_missing == 0 {
            return;
        }
        if self.controls.is_empty() && is_of_broad(column) {
            self.unnamed = Role::NegativeControl;
            self.notes.push(format!(
                "{n_missing} rows name no perturbation and are taken as negative controls, as in tables of the Broad \
                 Institute; declare [controls] in a card if they are something else"
            ));
        } else {
            self.notes.extend(empty_note(n_missing));
        }
    }

    /// Wells with a dose of 0 received nothing. Where no control is named and one name has no other dose, it is the vehicle.
    fn take_zero_doses(&mut self, names: &BTreeMap<&'a str, Named>, column: &str) {
        if !names.values().any(|named| named.n_positive > 0) {
            return;
        }
        let free = || names.iter().filter(|(name, named)| named.n_zero > 0 && !self.roles.contains_key(**name));
        let series: Vec<(&str, &Named)> =
            free().filter(|(_, named)| named.n_positive > 0).map(|(&name, named)| (name, named)).collect();
        let vehicles: Vec<(&str, &Named)> =
            free().filter(|(_, named)| named.n_zero == named.n_rows).map(|(&name, named)| (name, named)).collect();
        let has_control = !self.controls.is_empty() || self.unnamed == Role::NegativeControl;
        if let ([(name, named)], false) = (vehicles.as_slice(), has_control) {
            self.roles.insert(name, Role::NegativeControl);
            self.controls.push(format!("`{column}` is {name}, whose dose is 0 in all its wells"));
            self.notes.push(format!(
                "`{name}` has a dose of 0 in all its {} rows and is taken as the vehicle, a negative control; declare \
                 [controls] in a card if it is something else",
                named.n_rows
            ));
        }
        if let Some((first, _)) = series.first() {
            let n_rows: usize = series.iter().map(|(_, named)| named.n_zero).sum();
            self.controls.push("the dose of a perturbation is 0".to_owned());
            self.notes.push(format!(
                "{} of {} (`{first}`{}) with a dose of 0 next to other doses are taken as negative controls, since nothing \
                 was applied",
                counted(n_rows, "row"),
                counted(series.len(), "perturbation"),
                if series.len() > 1 { " and the like" } else { "" }
            ));
            self.zero_is_control = series.into_iter().map(|(name, _)| name).collect();
        }
    }
}

/// A well that received none of the perturbations that have a dose column is untreated.
fn by_doses(table: &RawTable, card: &Card) -> Roles {
    let columns: Vec<&[Option<String>]> = card.columns.doses.values().filter_map(|column| table.text(column)).collect();
    let is_dose = |text: &Option<String>| {
        // What is no number is named as such when doses are read.
        text.as_deref().is_some_and(|text| !dose::is_zero(text) && boolean(text) != Some(false))
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
fn is_of_broad(column: &str) -> bool {
    column.starts_with("Metadata_") || column.eq_ignore_ascii_case("broad_sample")
}
