//! What the files do not tell and a card has to: each gap with the line to write and what it could be.
//!
//! A loader stops at the first error. Where it is one that a line of the card mends, [`fill`] takes note of the gap,
//! assumes an answer and loads again, so that all gaps are known at once and the rest of the screen is seen under the
//! assumptions. These never leave this module's caller, which is [`describe`](super::describe): a run refuses the screen.

use serde::Serialize;

use super::card::Card;
use super::declared::ColumnOrValue;
use super::dose;
use super::error::LoadError;
use super::features::is_dose;
use super::mapping::{ColumnRole, Mapping, plain, unit_of};
use super::table::ColumnSketch;
use super::vehicle::{self, Standing};
use crate::screen::{DoseUnit, Well};
use crate::table::first_few;

/// Columns or names that are shown as candidates.
const SHOWN: usize = 5;

/// Something that a card has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The section of the card in which the line stands; empty for its top.
    pub section: &'static str,
    /// What is missing, in a sentence.
    pub what: String,
    /// Lines of which one is to be written, the likeliest first.
    pub lines: Vec<Line>,
    /// What else would mend it, in words; may be empty.
    pub otherwise: String,
    /// Columns or names that it could be.
    pub candidates: Vec<Candidate>,
    /// What the description assumes until then, in words; may be empty.
    pub assumed: String,
    /// Whether the screen can be loaded without an answer, though nothing can be learned from it.
    #[serde(skip)]
    pub can_wait: bool,
}

/// A line of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// As it is written; `…` stands for what is to be filled in.
    pub text: String,
    /// When it is the right one, in words; may be empty.
    pub when: String,
}

/// What a gap could be filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// A column or a name.
    pub name: String,
    /// Its first values, or what is known of it.
    pub examples: Vec<String>,
}

/// What is assumed while gaps are looked for, as far as a card has no word for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Assumed {
    /// Perturbations that are negative controls.
    pub controls: Vec<String>,
    /// Whether a screen may have no feature.
    pub is_without_features: bool,
}

/// What loading came to, with every gap on the way, and the card with the assumptions.
pub(super) struct Filled<T> {
    pub outcome: Result<T, LoadError>,
    pub gaps: Vec<Gap>,
    pub card: Card,
}

/// Loads by `load` until it succeeds or stops at something that no line of the card mends.
pub(super) fn fill<T>(card: &Card, columns: &[ColumnSketch], load: impl Fn(Card) -> Result<T, LoadError>) -> Filled<T> {
    /// More than there are kinds of gaps.
    const MAX_LOADS: usize = 24;
    let mut card = card.clone();
    let mut gaps = Vec::<Gap>::new();
    loop {
        let outcome = load(card.clone());
        if let Err(error) = &outcome
            && follows(error, &mut card, &mut gaps, columns)
        {
            continue;
        }
        let found = match &outcome {
            Err(error) if gaps.len() < MAX_LOADS => gap(error, &mut card, columns),
            _ => None,
        };
        match found {
            Some(gap) if !gaps.contains(&gap) => gaps.push(gap),
            _ => return Filled { outcome, gaps, card },
        }
    }
}

fn line(text: impl Into<String>, when: &str) -> Line {
    Line { text: text.into(), when: when.to_owned() }
}

impl Gap {
    /// That nothing says which well the images of a folder show; `usual` is a pattern that all of them match.
    pub(super) fn of_file_names(usual: Option<(&str, usize)>) -> Self {
        let (pattern, otherwise) = match usual {
            Some((pattern, n)) => (pattern, format!("the names of all {n} images match it")),
            None => (
                r"(?<well>[A-P]\d\d)_(?<channel>\w+)\.\w+$",
                "a regular expression for the path below the folder, with groups called plate, well, site, channel, time, z"
                    .to_owned(),
            ),
        };
        Self {
            section: "images",
            what: "nothing says which well and channel each image shows".to_owned(),
            lines: vec![line(format!("pattern = '{pattern}'"), "")],
            otherwise,
            assumed: "each image is a site of its own".to_owned(),
            ..Gap::default()
        }
    }

    /// That no sheet of images names what was applied; `sheets` are tables beside it that may, with the key to join on.
    pub(super) fn of_image_perturbations(columns: &[ColumnSketch], sheets: &[(String, String)]) -> Self {
        let mut card = Card::default();
        let mut gap = perturbation(&mut card, columns);
        let join = |file: &str, key: &str| format!("join = [{{ file = {file:?}, on = [{key:?}] }}]");
        gap.lines.retain(|line| !line.text.starts_with("perturbation = {"));
        gap.otherwise = match sheets.first() {
            None => "or join a plate map that names it, with `join = [{ file = \"platemap.csv\", on = [\"plate\", \
                     \"well\"] }]` at the top"
                .to_owned(),
            Some((file, key)) => {
                gap.section = "";
                gap.lines = vec![line(join(file, key), "the table that names it")];
                "or `perturbation = \"…\"` under [columns]".to_owned()
            }
        };
        let others =
            sheets.iter().map(|(file, key)| Candidate { name: file.clone(), examples: vec![format!("by {key}")] });
        gap.candidates = others.chain(gap.candidates).collect();
        gap.assumed = "all wells are empty, and their images can be looked at and embedded".to_owned();
        gap.can_wait = true;
        gap
    }

    /// That no control is known, of a screen with these perturbations (with their wells), the most frequent first.
    pub(super) fn of_controls(perturbations: &[(String, usize)]) -> Self {
        let candidates = perturbations
            .iter()
            .take(SHOWN)
            .map(|(name, n_wells)| Candidate { name: name.clone(), examples: vec![format!("{n_wells} wells")] });
        Self {
            section: "controls",
            what: "no negative control was found, and effects are measured against control wells".to_owned(),
            lines: vec![line("negative = { values = [\"…\"] }", "the names of vehicle, untreated or control wells")],
            otherwise: RELATIVE.to_owned(),
            candidates: candidates.collect(),
            ..Gap::default()
        }
    }
}

const RELATIVE: &str = "or `reference = \"relative\"` at the top if the values are already differences from control";

/// The gap that an error shows; an answer to it is put into the card.
fn gap(error: &LoadError, card: &mut Card, columns: &[ColumnSketch]) -> Option<Gap> {
    match error {
        LoadError::MissingColumn { column, .. } if column == "plate" && !is_column(card.columns.plate.as_ref()) => {
            Some(plate(card, columns))
        }
        LoadError::MissingColumn { column, .. }
            if column == "perturbation" && !is_column(card.columns.perturbation.as_ref()) =>
        {
            Some(perturbation(card, columns))
        }
        LoadError::MissingColumn { column, .. } => absent(column, card, columns),
        LoadError::DoseUnit { column, .. } => Some(dose_unit(column, card, columns)),
        LoadError::Undosed { column, names, .. } => Some(undosed(column, names, card)),
        LoadError::DuplicateRow { plate, well, first, second, distinguishing, .. } => {
            let place = format!("plate `{plate}`, well {well} stands in {first} and in {second}");
            duplicates(place, distinguishing, card)
        }
        LoadError::NoFeatures { left_out, .. } if !card.assumed.is_without_features => Some(features(card, left_out)),
        LoadError::MolarMass { unit, perturbation, .. } => {
            card.molar_mass_kda.insert(perturbation.clone(), 1.0);
            Some(Gap {
                section: "molar_mass_kda",
                what: format!("doses in {unit} need the molar mass of `{perturbation}`"),
                lines: vec![line(format!("{} = …", key(perturbation)), "in kDa, as 17.2 of FGF2")],
                otherwise: "or `dose = \"\"` under [columns] if doses do not count".to_owned(),
                assumed: "it is 1 kDa".to_owned(),
                ..Gap::default()
            })
        }
        LoadError::Cell { column, found, .. } => cell(column, found, card, columns),
        _ => None,
    }
}

/// Whether an error comes of what was assumed before; it is then made up for by assuming more, and not asked about.
fn follows(error: &LoadError, card: &mut Card, gaps: &mut Vec<Gap>, columns: &[ColumnSketch]) -> bool {
    let is_value = |declared: Option<&ColumnOrValue>, assumed: &str| {
        declared.is_some_and(|declared| matches!(declared, ColumnOrValue::Value(value) if value == assumed))
    };
    let is_open = |declared: Option<&ColumnOrValue>| declared != Some(&ColumnOrValue::from(""));
    match error {
        // Wells of several plates meet on one.
        LoadError::DuplicateRow { .. }
            if is_value(card.columns.get(ColumnRole::Plate), ALL) && is_open(card.columns.get(ColumnRole::Well)) =>
        {
            card.columns.set(ColumnRole::Well, Some("".into()));
            true
        }
        // Controls without a dose are not known as such before they have a name.
        LoadError::Undosed { column, .. } | LoadError::Cell { column, .. }
            if is_value(card.columns.get(ColumnRole::Perturbation), UNKNOWN)
                && role_of(column, card) == Some(ColumnRole::Dose)
                && is_open(card.columns.get(ColumnRole::Dose)) =>
        {
            let is_unit_given = columns.iter().any(|sketch| plain(&sketch.name).contains("unit"));
            if unit_of(card, column).is_none() && !is_unit_given {
                gaps.push(dose_unit(column, card, columns));
            }
            card.columns.set(ColumnRole::Dose, Some("".into()));
            true
        }
        _ => false,
    }
}

fn is_column(declared: Option<&ColumnOrValue>) -> bool {
    declared.and_then(ColumnOrValue::column).is_some_and(|column| !column.is_empty())
}

fn plate(card: &mut Card, columns: &[ColumnSketch]) -> Gap {
    card.columns.plate = Some(ColumnOrValue::Value(ALL.to_owned()));
    let words = ["plate", "platte", "placa", "barcode", "batch", "run", "chip", "slide", "dish", "tray", "experiment"];
    Gap {
        section: "columns",
        what: "no column names the plate, within which treated wells and controls are compared".to_owned(),
        lines: vec![
            line("plate = \"…\"", "the column that names it"),
            line("plate = { value = \"P1\" }", "all rows are of one plate"),
        ],
        otherwise: RELATIVE.to_owned(),
        candidates: candidates(columns, card, &words, |sketch| {
            repeats(sketch) && !is_measured(sketch) && !is_place(sketch)
        }),
        assumed: "all rows are of one plate".to_owned(),
        ..Gap::default()
    }
}

fn perturbation(card: &mut Card, columns: &[ColumnSketch]) -> Gap {
    let words = [
        "drug",
        "compound",
        "cmpd",
        "treat",
        "pert",
        "gene",
        "guide",
        "sirna",
        "target",
        "condition",
        "molecule",
        "agent",
        "stim",
        "ligand",
        "substance",
        "inhibitor",
        "name",
        "wirkstoff",
        "construct",
        "orf",
        "id",
    ];
    let found = candidates(columns, card, &words, |sketch| sketch.n_texts > sketch.n_numbers);
    let doses: Vec<&str> = columns
        .iter()
        .filter(|sketch| sketch.is_numeric() && is_dose(&sketch.name))
        .map(|sketch| sketch.name.as_str())
        .collect();
    let mut lines = vec![line("perturbation = \"…\"", "the column that names what was applied")];
    if let [_, _, ..] = doses[..] {
        let pairs: Vec<String> = doses.iter().map(|column| format!("{} = {column:?}", key(&agent(column)))).collect();
        lines.push(line(format!("doses = {{ {} }}", pairs.join(", ")), "each column holds the doses of one agent"));
    }
    lines.push(line("perturbation = { value = \"…\" }", "one agent was applied in all rows"));
    card.columns.perturbation = Some(ColumnOrValue::Value(UNKNOWN.to_owned()));
    Gap {
        section: "columns",
        what: "no column names the perturbation, that is what was applied to the cells".to_owned(),
        lines,
        otherwise: "if it stands in another table, as in a plate map, give that table too".to_owned(),
        candidates: found,
        assumed: "all rows received one perturbation".to_owned(),
        ..Gap::default()
    }
}

/// The plate of all rows where none is known.
const ALL: &str = "all wells";

/// The perturbation of all rows where none is known.
pub(super) const UNKNOWN: &str = "to be named";

/// `forskolin_um` -> `forskolin`.
fn agent(column: &str) -> String {
    let name = plain(column);
    let ends = ["_um", "_nm", "_mm", "_ng_ml", "_dose", "_conc"];
    let name = name.strip_prefix("dose_").unwrap_or(&name);
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
}

/// A key of TOML, quoted where it has to be.
fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// A column that the card names and no table has.
fn absent(column: &str, card: &mut Card, columns: &[ColumnSketch]) -> Option<Gap> {
    let role = ColumnRole::ALL.into_iter().find(|role| {
        let declared = card.columns.get(*role).and_then(ColumnOrValue::column);
        declared == Some(column)
    })?;
    let near = nearest(column, columns);
    let assumed = match role {
        ColumnRole::Plate => Some(ColumnOrValue::Value(ALL.to_owned())),
        ColumnRole::Perturbation => Some(ColumnOrValue::Value(UNKNOWN.to_owned())),
        _ => None,
    };
    card.columns.set(role, assumed);
    Some(Gap {
        section: "columns",
        what: format!("the card takes `{column}` as `{role}`, and no table has a column of this name"),
        lines: vec![line(format!("{role} = \"{}\"", near.first().map_or("…", |near| near.name.as_str())), "")],
        otherwise: format!("or leave the line out, and `{role}` is taken from a usual name if there is one"),
        candidates: near,
        assumed: format!("the card does not speak of `{role}`"),
        ..Gap::default()
    })
}

fn dose_unit(column: &str, card: &mut Card, columns: &[ColumnSketch]) -> Gap {
    card.dose_unit = Some(DoseUnit::Micromolar);
    let values = columns.iter().find(|sketch| sketch.name == column).map(|sketch| sketch.values.clone());
    let such = match values.unwrap_or_default() {
        values if values.is_empty() => String::new(),
        values => format!(" ({}, …)", values.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ")),
    };
    Gap {
        section: "",
        what: format!("`{column}` holds doses{such} without a unit"),
        lines: vec![line("dose_unit = \"uM\"", "or \"nM\", \"mM\", \"M\", \"ng/mL\"")],
        otherwise: "or `dose = \"\"` under [columns] if it does not hold concentrations".to_owned(),
        assumed: "doses are in µM".to_owned(),
        ..Gap::default()
    }
}

fn undosed(column: &str, names: &[String], card: &mut Card) -> Gap {
    let names: Vec<String> =
        names.iter().filter(|name| vehicle::standing(name) != Some(Standing::Nothing)).cloned().collect();
    card.assumed.controls.extend(names.iter().cloned());
    let unknown: Vec<&String> = names.iter().filter(|name| vehicle::standing(name).is_none()).collect();
    let listed: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    Gap {
        section: "controls",
        what: format!(
            "{} no dose above 0 in `{column}`, while other perturbations do: vehicle or another control?",
            match unknown.as_slice() {
                [one] => format!("`{one}` has"),
                several => format!("{} have", first_few(several, SHOWN)),
            }
        ),
        lines: vec![line(
            format!("negative = {{ values = [{}] }}", listed.join(", ")),
            "all names of negative controls",
        )],
        otherwise:
            "or `dose = \"\"` under [columns] if doses do not count; a treatment of unknown dose has to be left \
                    out, as with `exclude = 'perturbation == \"…\"'` at the top"
                .to_owned(),
        assumed: "they are negative controls".to_owned(),
        ..Gap::default()
    }
}

fn duplicates(place: String, distinguishing: &[String], card: &mut Card) -> Option<Gap> {
    let has_plate = card.columns.plate.as_ref().is_none_or(|plate| plate.column().is_some_and(|name| !name.is_empty()));
    if has_plate && distinguishing.is_empty() {
        return None;
    }
    card.columns.well = Some("".into());
    let candidates: Vec<Candidate> =
        distinguishing.iter().take(SHOWN).map(|name| Candidate { name: name.clone(), examples: Vec::new() }).collect();
    let column = distinguishing.first().map_or("…", String::as_str);
    Some(Gap {
        section: "columns",
        what: format!("{place}, and nothing says what distinguishes the two"),
        lines: vec![
            line(format!("site = {column:?}"), "the rows of a well are fields of view"),
            line(format!("plate_within = [{column:?}]"), "they are of several plates with one name"),
            line(format!("plate = {column:?}"), "it names the plate"),
        ],
        otherwise: "or `well = \"\"` if the column does not hold positions".to_owned(),
        candidates,
        assumed: "each row is a well".to_owned(),
        ..Gap::default()
    })
}

fn features(card: &mut Card, left_out: &[String]) -> Gap {
    card.assumed.is_without_features = true;
    let left_out = left_out.iter().map(|columns| Candidate { name: columns.clone(), examples: Vec::new() });
    Gap {
        section: "",
        what: "no column holds measurements".to_owned(),
        lines: vec![line("features = [\"…\"]", "their names, or globs such as \"Cells_*\"")],
        otherwise: "if they stand in another table, give that table too".to_owned(),
        candidates: left_out.collect(),
        assumed: "the screen has no features".to_owned(),
        ..Gap::default()
    }
}

/// A cell that its column's role cannot have, where most of the column is like it, or its words have to be explained.
fn cell(column: &str, found: &str, card: &mut Card, columns: &[ColumnSketch]) -> Option<Gap> {
    let role = role_of(column, card)?;
    let sketch = columns.iter().find(|sketch| sketch.name == column)?;
    let is_strange = |is_right: &dyn Fn(&str) -> bool| {
        let n_wrong = sketch.values.iter().filter(|value| !is_right(value)).count();
        n_wrong > 1 && 2 * n_wrong > sketch.values.len()
    };
    let number = |text: &str| text.parse::<f64>().is_ok();
    let is_other = match role {
        ColumnRole::Well => is_strange(&|text| text.parse::<Well>().is_ok()),
        ColumnRole::Dose => is_strange(&|text| dose::written(text).is_some()),
        ColumnRole::Hours | ColumnRole::CellCount => is_strange(&number),
        ColumnRole::DoseUnit | ColumnRole::Role | ColumnRole::Kind => true,
        _ => false,
    };
    if !is_other {
        return None;
    }
    card.columns.set(role, Some("".into()));
    let word = role.word();
    let values = Candidate { name: column.to_owned(), examples: sketch.values.clone() };
    let (section, lines) = match role {
        ColumnRole::Role => (
            "controls",
            vec![line(
                format!("negative = {{ column = {column:?}, values = [\"…\"] }}"),
                "its words for negative controls",
            )],
        ),
        ColumnRole::Kind => (
            "kinds",
            vec![line(format!("{} = \"compound\"", key(found)), "or \"crispr\", \"orf\", \"rnai\", \"other\"")],
        ),
        _ => ("columns", vec![line(format!("{role} = \"…\""), "the column that holds it")]),
    };
    let role = if role == ColumnRole::Role { "role of wells".to_owned() } else { role.to_string() };
    Some(Gap {
        section,
        what: format!("`{column}` is taken as {role}, and holds {found:?}, which says nothing of it"),
        lines,
        otherwise: format!("or `{word} = \"\"` under [columns] if the column says something else"),
        candidates: vec![values],
        assumed: format!("no column gives the {role}"),
        ..Gap::default()
    })
}

/// The role of a column, declared or by its name.
fn role_of(column: &str, card: &Card) -> Option<ColumnRole> {
    let declared = ColumnRole::ALL
        .into_iter()
        .find(|role| card.columns.get(*role).and_then(ColumnOrValue::column) == Some(column));
    if declared.is_some() {
        return declared;
    }
    // A unit is told by the dose beside it.
    if plain(column).contains("unit") {
        return Some(ColumnRole::DoseUnit);
    }
    let names = [column.to_owned()];
    let mapping = Mapping::of_names(std::path::Path::new(""), &names, &Card::default()).ok()?;
    mapping.columns.first().map(|mapped| mapped.role)
}

/// Columns that could be meant: those called so first.
fn candidates(
    columns: &[ColumnSketch],
    card: &Card,
    words: &[&str],
    is_possible: impl Fn(&ColumnSketch) -> bool,
) -> Vec<Candidate> {
    let names: Vec<String> = columns.iter().map(|sketch| sketch.name.clone()).collect();
    let undeclared = Card { columns: card.columns.clone(), ..Card::default() };
    let mapped = Mapping::of_names(std::path::Path::new(""), &names, &undeclared).unwrap_or_default();
    let has_role = |name: &str| mapped.columns.iter().any(|mapped| mapped.column == name && !mapped.is_made);
    let is_called = |sketch: &&ColumnSketch| {
        let name = plain(&sketch.name);
        words
            .iter()
            .any(|word| if word.len() > 3 { name.contains(word) } else { name.split('_').any(|part| part == *word) })
    };
    let free =
        || columns.iter().filter(|sketch| !has_role(&sketch.name) && sketch.n_cells() > 0 && is_possible(sketch));
    let called = free().filter(is_called);
    let rest = free().filter(|sketch| !is_called(sketch) && sketch.n_texts > sketch.n_numbers);
    called.chain(rest).take(SHOWN).map(candidate).collect()
}

fn candidate(sketch: &ColumnSketch) -> Candidate {
    Candidate { name: sketch.name.clone(), examples: sketch.values.iter().take(3).cloned().collect() }
}

/// Columns whose names are most like `wanted`.
fn nearest(wanted: &str, columns: &[ColumnSketch]) -> Vec<Candidate> {
    let parts = |name: &str| -> Vec<String> { plain(name).split('_').map(str::to_owned).collect() };
    let wanted = parts(wanted);
    let likeness = |sketch: &&ColumnSketch| {
        let name = parts(&sketch.name);
        let is_like = |a: &String, b: &String| a == b || (a.len() > 3 && a.chars().take(4).eq(b.chars().take(4)));
        name.iter().filter(|part| wanted.iter().any(|other| is_like(part, other))).count()
    };
    let mut like: Vec<&ColumnSketch> = columns.iter().filter(|sketch| likeness(sketch) > 0).collect();
    like.sort_by_key(|sketch| std::cmp::Reverse(likeness(sketch)));
    like.into_iter().take(SHOWN).map(candidate).collect()
}

/// Whether a few values stand in many of the rows that were looked at.
fn repeats(sketch: &ColumnSketch) -> bool {
    sketch.values.len() < super::table::SHOWN_VALUES && 2 * sketch.values.len() <= sketch.n_cells()
}

/// Whether a column says where on a plate a well is.
fn is_place(sketch: &ColumnSketch) -> bool {
    ["row", "column", "col", "well", "site", "field"].contains(&plain(&sketch.name).as_str())
}

/// Whether the numbers of a column have fractions.
fn is_measured(sketch: &ColumnSketch) -> bool {
    let is_fraction = |value: &String| value.parse::<f64>().is_ok_and(|number| number.fract() != 0.0);
    sketch.is_numeric() && (sketch.values.is_empty() || sketch.values.iter().any(is_fraction))
}
