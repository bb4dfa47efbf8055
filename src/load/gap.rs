//! What the files do not tell and a card has to: each gap with the line to write and what it could be.
//!
//! A loader stops at the first error. Where it is one that a line of the card mends, [`fill`] takes note of the gap,
//! assumes an answer and loads again, so that all gaps are known at once and the rest of the screen is seen under the
//! assumptions. These never leave this module's caller, which is [`describe`](super::describe): a run refuses the screen.

mod candidates;
mod questions;

use std::path::PathBuf;

use serde::Serialize;

use self::questions::{
    absent, cell, control_at_doses, copied, dose_unit, duplicates, features, file_names, key, perturbation, plate,
    pooled_doses, role_of, scale, undosed,
};
use super::card::{Card, Join};
use super::declared::ColumnOrValue;
use super::error::LoadError;
use super::mapping::{ColumnRole, plain, unit_of};
use super::table::ColumnSketch;
use crate::screen::{Dropped, Reference};
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
    /// Whether the screen can be looked at and embedded without an answer, as images of no plate are.
    #[serde(skip)]
    pub can_wait: bool,
    /// The sheets that lines speak of.
    #[serde(skip)]
    pub(super) offered: Vec<Offered>,
}

/// A sheet that may be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub path: PathBuf,
    /// As lines write it.
    pub shown: String,
    /// The columns to join on, as a card has them.
    pub on: String,
    /// Columns that may name what was applied.
    pub names: Vec<String>,
}

impl Offered {
    /// The join that a line asks for.
    pub fn join(&self) -> Option<Join> {
        toml::from_str(&format!("file = {:?}\non = {}", self.shown, self.on)).ok()
    }

    fn when(&self) -> String {
        match self.names.as_slice() {
            [] => "the table that names it".to_owned(),
            names => format!("it may be named by {}", first_few(names, SHOWN)),
        }
    }
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
    /// Whether what a column of roles calls a negative control is one, whatever its doses.
    pub are_controls_as_called: bool,
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
    /// That nothing says which well the images of a folder show.
    pub(super) fn of_file_names() -> Self {
        Self {
            section: "images",
            what: "nothing says which well and channel each image shows".to_owned(),
            lines: vec![line(r"pattern = '(?<well>[A-P]\d\d)_(?<channel>\w+)\.\w+$'", "")],
            otherwise:
                "a regular expression for the path below the folder, with groups called plate, well, site, channel, time, z"
                    .to_owned(),
            assumed: "each image is a site of its own".to_owned(),
            ..Gap::default()
        }
    }

    /// That no sheet of images names what was applied; `sheets` are tables near them that may, with the columns to join on.
    pub(super) fn of_image_perturbations(columns: &[ColumnSketch], sheets: Vec<Offered>, has_wells: bool) -> Self {
        let mut card = Card::default();
        let mut gap = perturbation(&mut card, columns);
        gap.lines.retain(|line| !line.text.starts_with("perturbation = {"));
        gap.otherwise = match sheets.first() {
            None => "or join a plate map that names it: give it with the images, or write `join = [{ file = \
                     \"platemap.csv\", on = [\"plate\", \"well\"] }]` at the top"
                .to_owned(),
            Some(_) => {
                gap.section = "";
                let join = |sheet: &Offered| format!("join = [{{ file = {:?}, on = {} }}]", sheet.shown, sheet.on);
                let lines = sheets.iter().take(SHOWN).map(|sheet| line(join(sheet), &sheet.when()));
                gap.lines = lines.collect();
                "and `perturbation = \"…\"` under [columns], if its column has another name than usual".to_owned()
            }
        };
        gap.offered = sheets;
        gap.can_wait = !has_wells;
        gap.assumed = "all wells are empty, and their images can be looked at and embedded".to_owned();
        gap
    }

    /// That no control is known, of a screen with these perturbations (with their wells), the most frequent first, or that
    /// those which are known were `lost`, since they lack values; what else effects may be measured against stands first,
    /// where the screen speaks for it.
    pub(super) fn of_controls(
        perturbations: &[(String, usize)],
        lost: Option<&Dropped>,
        likely: Option<Reference>,
        are_images: bool,
        card: &Card,
    ) -> Self {
        let candidates = perturbations
            .iter()
            .take(SHOWN)
            .map(|(name, n_wells)| Candidate { name: name.clone(), examples: vec![format!("{n_wells} wells")] });
        const NAMES: &str = "the names of vehicle, untreated or control wells";
        let what = match lost {
            None => "no negative control was found, and effects are measured against control wells".to_owned(),
            Some(Dropped { reason, rows }) => format!(
                "effects are measured against control wells, and none is left: {rows} {} left out as {}",
                if *rows == 1 { "row was" } else { "rows were" },
                reason.replacen("negative control", "negative controls", 1)
            ),
        };
        let negative = "negative = { values = [\"…\"] }";
        let candidates = candidates.collect();
        let reference = |word: &str, when: &str| line(format!("reference = \"{word}\""), when);
        let likely = match likely {
            Some(Reference::Relative) => Some(reference("relative", "the values are differences from control already")),
            // What is lacking where nothing was done may be a difference from there, as a score of interaction is.
            _ if lost.is_some() => Some(reference("relative", "the values are differences from control already")),
            Some(Reference::FirstFrame) => {
                Some(reference("first_frame", "a time lapse: effects are measured against the first frame"))
            }
            _ => None,
        };
        // Both lines stand at the top; a card that has a section of controls would have it twice.
        match likely.filter(|_| card.controls.is_none()) {
            Some(likely) => {
                let lines = vec![likely, line(format!("controls.{negative}"), NAMES)];
                let otherwise = match lost {
                    Some(_) => "or leave out the features that controls lack, with `exclude_features` at the top",
                    None => "",
                };
                Self { what, lines, otherwise: otherwise.to_owned(), candidates, ..Gap::default() }
            }
            None => Self {
                section: "controls",
                what,
                lines: vec![line(negative, NAMES)],
                otherwise: if are_images { String::new() } else { RELATIVE.to_owned() },
                candidates,
                ..Gap::default()
            },
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
        LoadError::Scale { place, largest, .. } => Some(scale(place, *largest, card)),
        LoadError::Undosed { column, names, .. } => Some(undosed(column, names, card)),
        LoadError::FileNames { readings, .. } => file_names(readings, card),
        LoadError::PooledDoses { columns: found, others, name, doses, .. } => {
            Some(pooled_doses([found, others], name, doses, card))
        }
        LoadError::Copied { first, second, is_scaled, n_shared, n_rows, unshared } => {
            let names = [first, second].map(|path| super::inputs::file_name(path));
            Some(copied(names, *is_scaled, [*n_shared, *n_rows], unshared, card))
        }
        LoadError::ControlAtDoses { column, words, name, n_rows, are_dosed, others, .. } => {
            let what = format!(
                "`{column}` calls `{name}` a negative control in {n_rows} rows{}, as it does {}",
                if *are_dosed { ", at doses above 0" } else { "" },
                first_few(others, SHOWN)
            );
            Some(control_at_doses(what, column, words, others, card))
        }
        // A few rows too many are a fault of the data.
        LoadError::DuplicateRow { distinguishing, is_usual: false, .. } if distinguishing.is_empty() => None,
        LoadError::DuplicateRow { plate, well, rows, distinguishing, .. } => {
            let place = format!("plate `{plate}`, well {well} stands in {} and in {}", rows[0], rows[1]);
            Some(duplicates(place, distinguishing, card))
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

/// The plate of all rows where none is known.
const ALL: &str = "all wells";

/// The perturbation of all rows where none is known.
pub(super) const UNKNOWN: &str = "to be named";
