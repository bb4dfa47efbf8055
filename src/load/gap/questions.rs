//! What is asked where a line of a card mends an error: one question for each kind of gap.

use super::candidates::{candidates, is_measured, is_place, nearest, repeats, says_what_was_done};
use super::{ALL, Candidate, Gap, RELATIVE, SHOWN, UNKNOWN, line};
use crate::load::annotated::Scale;
use crate::load::card::Card;
use crate::load::declared::ColumnOrValue;
use crate::load::dose;
use crate::load::error::FileReading;
use crate::load::features::is_dose;
use crate::load::mapping::{ColumnRole, Mapping, plain};
use crate::load::table::ColumnSketch;
use crate::load::vehicle::{self, Standing};
use crate::screen::{DoseUnit, Well};
use crate::table::first_few;

pub(super) fn plate(card: &mut Card, columns: &[ColumnSketch]) -> Gap {
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
            repeats(sketch) && !is_measured(sketch) && !is_place(sketch) && !says_what_was_done(sketch)
        }),
        assumed: "all rows are of one plate".to_owned(),
        ..Gap::default()
    }
}

pub(super) fn perturbation(card: &mut Card, columns: &[ColumnSketch]) -> Gap {
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
    let of_agents = |columns: &[&str]| {
        let pairs: Vec<String> = columns.iter().map(|column| format!("{} = {column:?}", key(&agent(column)))).collect();
        format!("doses = {{ {} }}", pairs.join(", "))
    };
    let of_perturbations: Vec<&str> = (found.iter().map(|candidate| candidate.name.as_str()))
        .filter(|name| words[..6].iter().any(|word| plain(name).contains(word)))
        .collect();
    if of_perturbations.len() > 1 {
        lines.push(line(
            format!("perturbation = {of_perturbations:?}"),
            "each names a member of what was applied together",
        ));
    }
    if doses.len() > 1 {
        lines.push(line(of_agents(&doses), "each column holds the doses of one agent"));
    }
    let flags: Vec<&str> = columns.iter().filter(|sketch| is_flag(sketch)).map(|sketch| sketch.name.as_str()).collect();
    if flags.len() > 1 && doses.len() < 2 {
        let of_flags = line(of_agents(&flags), "each column says by 0 and 1 whether one agent was applied");
        // Where no column could name it, these are what does.
        let at = if found.is_empty() { 0 } else { lines.len() };
        lines.insert(at, of_flags);
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

/// Whether a column says of each row whether something was applied, by 0 and 1 or by `true` and `false`.
fn is_flag(sketch: &ColumnSketch) -> bool {
    let is_number = |value: &String| value.parse::<f64>().is_ok_and(|number| number == 0.0 || number == 1.0);
    let is_of_numbers = sketch.values.len() == 2 && sketch.values.iter().all(is_number);
    is_of_numbers || sketch.is_boolean() && sketch.values.len() == 2
}

/// `forskolin_um` -> `forskolin`, `KLF1_ko` -> `KLF1`.
fn agent(column: &str) -> String {
    const BEFORE: [&str; 4] = ["metadata", "dose", "has", "is"];
    const BEHIND: [&str; 12] = ["um", "µm", "nm", "mm", "ng", "ml", "dose", "conc", "ko", "kd", "oe", "applied"];
    let is_one_of = |words: &[&str], word: &str| words.contains(&word.to_lowercase().replace('μ', "µ").as_str());
    // The words with their places, so that what is left stands as it was written.
    let words: Vec<(usize, &str)> = column
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - column.as_ptr() as usize, word))
        .collect();
    let first = words.iter().position(|(_, word)| !is_one_of(&BEFORE, word));
    let last = words.iter().rposition(|(_, word)| !is_one_of(&BEHIND, word));
    match first.zip(last).filter(|(first, last)| first <= last) {
        Some((first, last)) => column[words[first].0..words[last].0 + words[last].1.len()].to_owned(),
        None => column.to_owned(),
    }
}

/// A key of TOML, quoted where it has to be.
pub(super) fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { format!("{name:?}") }
}

/// A column that the card names and no table has.
pub(super) fn absent(column: &str, card: &mut Card, columns: &[ColumnSketch]) -> Option<Gap> {
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

pub(super) fn dose_unit(column: &str, card: &mut Card, columns: &[ColumnSketch]) -> Gap {
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

pub(super) fn scale(place: &str, largest: f32, card: &mut Card) -> Gap {
    card.expression.get_or_insert_default().scale = Some(Scale::AsIs);
    Gap {
        section: "expression",
        what: format!(
            "the values in `{place}` reach {largest}, and are neither whole numbers as counts nor as small as logarithms"
        ),
        lines: vec![
            line("scale = \"counts\"", "counts that were normalized or corrected, without a logarithm"),
            line("scale = \"log1p\"", "logarithms, ln(1 + x)"),
            line("scale = \"as_is\"", "anything else, to which nothing is to be done"),
        ],
        assumed: "nothing is done to them".to_owned(),
        ..Gap::default()
    }
}

pub(super) fn undosed(column: &str, names: &[String], card: &mut Card) -> Gap {
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

/// Doses in columns without a role; others may be the doses of other agents.
pub(super) fn pooled_doses([columns, others]: [&[String]; 2], name: &str, doses: &str, card: &mut Card) -> Gap {
    card.columns.dose = Some("".into());
    let mut lines: Vec<_> =
        columns.iter().map(|column| line(format!("dose = {column:?}"), "it holds the doses")).collect();
    if columns.len() + others.len() > 1 {
        let all = columns.iter().chain(others);
        let pairs: Vec<String> = all.map(|column| format!("{} = {column:?}", key(&agent(column)))).collect();
        lines.push(line(format!("doses = {{ {} }}", pairs.join(", ")), "each column holds the doses of one agent"));
    }
    lines.push(line("dose = \"\"", "it holds something else, or doses do not count"));
    Gap {
        section: "columns",
        what: format!(
            "{} may hold the doses, of which `{name}` has several ({doses}, …), and no column is known to",
            first_few(columns, SHOWN)
        ),
        lines,
        otherwise:
            "doses are read as numbers, with their unit in the name of the column, in `dose_unit` or behind them; \
                    logarithms are not read"
                .to_owned(),
        assumed: "all doses of a perturbation are one treatment".to_owned(),
        ..Gap::default()
    }
}

/// Two tables that share most of their measurements.
pub(super) fn copied(
    [first, second]: [String; 2],
    is_scaled: bool,
    [n_shared, n_rows]: [usize; 2],
    unshared: &[String],
    card: &mut Card,
) -> Gap {
    card.columns.plate_within = Some(vec!["file".to_owned()]);
    card.exclude_features.extend_from_slice(unshared);
    Gap {
        section: "columns",
        what: format!(
            "{n_shared} of the {n_rows} rows of {second} have the measurements of {first}{}",
            match is_scaled {
                true => " on another scale, as before and after normalization: one of them is enough",
                false => ": a copy or another version of it?",
            }
        ),
        lines: vec![line("plate_within = [\"file\"]", "they are wells of their own all the same")],
        otherwise: format!(
            "if they are the same wells, give one of them alone, as with `files = [{first:?}]` at the top"
        ),
        assumed: "they are wells of their own".to_owned(),
        ..Gap::default()
    }
}

/// A perturbation that a column calls a negative control, as it does a vehicle.
pub(super) fn control_at_doses(
    what: String,
    column: &str,
    words: &[String],
    others: &[String],
    card: &mut Card,
) -> Gap {
    card.assumed.are_controls_as_called = true;
    Gap {
        section: "controls",
        what,
        lines: vec![
            line(format!("negative = {{ values = {others:?} }}"), "only these are controls"),
            line(format!("negative = {{ column = {column:?}, values = {words:?} }}"), "all are that it calls so"),
        ],
        assumed: "all are that it calls so".to_owned(),
        ..Gap::default()
    }
}

/// Names of image files that can be read in several ways; the first is assumed.
pub(super) fn file_names(readings: &[FileReading], card: &mut Card) -> Option<Gap> {
    let first = readings.first()?;
    card.images.get_or_insert_default().pattern = Some(first.pattern.clone());
    let lines = readings.iter().map(|reading| line(format!("pattern = '{}'", reading.pattern), &reading.what));
    Some(Gap {
        section: "images",
        what: "the names of the images can be read in several ways".to_owned(),
        lines: lines.collect(),
        otherwise:
            "or another regular expression for the path below the folder, with groups called plate, well, site, \
                    channel, time, z"
                .to_owned(),
        assumed: "the first of them".to_owned(),
        ..Gap::default()
    })
}

pub(super) fn duplicates(place: String, distinguishing: &[String], card: &mut Card) -> Gap {
    card.columns.well = Some("".into());
    let candidates: Vec<Candidate> =
        distinguishing.iter().take(SHOWN).map(|name| Candidate { name: name.clone(), examples: Vec::new() }).collect();
    let column = distinguishing.first().map_or("…", String::as_str);
    Gap {
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
    }
}

pub(super) fn features(card: &mut Card, left_out: &[String]) -> Gap {
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
pub(super) fn cell(column: &str, found: &str, card: &mut Card, columns: &[ColumnSketch]) -> Option<Gap> {
    let role = role_of(column, card)?;
    let sketch = columns.iter().find(|sketch| sketch.name == column)?;
    let is_strange = |is_right: &dyn Fn(&str) -> bool| {
        let n_wrong = sketch.values.iter().filter(|value| !is_right(value)).count();
        n_wrong > 1 && 2 * n_wrong > sketch.values.len()
    };
    let number = |text: &str| text.parse::<f64>().is_ok();
    let is_other = match role {
        ColumnRole::Well => sketch.n_cells() == 0 || is_strange(&|text| text.parse::<Well>().is_ok()),
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
            vec![line(
                format!("{} = \"compound\"", key(found)),
                "or \"crispr\", \"crispri\", \"crispra\", \"orf\", \"rnai\", \"other\"",
            )],
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
pub(super) fn role_of(column: &str, card: &Card) -> Option<ColumnRole> {
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
