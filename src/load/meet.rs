//! Which of several tables is the one of profiles, and which are joined to it: told by columns and by values.
//!
//! ```text
//! profiles.csv: plate, well, f1, f2, …          the table: it has the most measurements
//! more.csv: plate, well, f1, f2, …              shares measurements with it: its rows are appended
//! platemap.csv: well_position, compound, dose   shares none, and its wells are those of the table: joined
//! fingerprints.csv: compound, bits              describes perturbations: named, for `[descriptors]`
//! genes.csv: gene_symbol, title                 describes columns of the table: named
//! ```
//!
//! A key is chosen by roles and names first and then by values. Plate and well come first, then what the most values of the
//! table are found by; columns that both sides have are added until the sheet has one row for each key. A sheet may bring
//! the key of the next one, as a list of plates brings the names of plate maps. What is joined is what the table lacks.
//! Values of the table are looked at in samples, so that it is read once; what is said of a join counts all rows.

mod given;
mod key;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::given::{Given, Part, main_of, of_these, part_of};
use self::key::{Choice, choose};
use super::card::{Card, Join};
use super::error::LoadError;
use super::inputs::file_name;
use super::join::{Sheet, name_of};
use super::join_key::{JoinKey, OneOrMore};
use super::mapping::{ColumnRole, Mapping};
use super::table::{ColumnSketch, RawColumn, RawTable, distinct};
use super::{format, well_column};
use crate::table::first_few;

/// Bytes of text that the tables are sampled by, all of them together.
const SAMPLE_BYTES: u64 = 16 << 20;

/// Columns of the table that may be keys, at most.
const MOST_COLUMNS: usize = 200;

/// Numbers by perturbation that are taken for a description of it, from this many on.
const DESCRIPTORS: usize = 8;

/// Names that are shown of many.
const SHOWN: usize = 3;

/// A file with its columns.
pub(super) struct Sketched {
    pub path: PathBuf,
    pub columns: Vec<ColumnSketch>,
    /// Whether it was named, and does not only lie in a folder that was.
    pub is_named: bool,
}

/// What became of the tables.
#[derive(Default)]
pub(super) struct Meeting {
    /// The tables of profiles.
    pub tables: Vec<Sketched>,
    /// What is joined to them, in this order.
    pub sheets: Vec<Sheet>,
    /// The same as a card would say it, but for the folder of the files.
    pub joins: Vec<FoundJoin>,
    /// What there is to say: what is left out, and why.
    pub notes: Vec<String>,
}

/// A join that no card asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundJoin {
    /// The sheets.
    pub files: Vec<PathBuf>,
    /// The key.
    pub on: Vec<JoinKey>,
    /// The columns that are taken.
    pub columns: Vec<String>,
}

impl FoundJoin {
    /// The join as a card says it whose paths `relative` tells.
    pub(super) fn in_card(&self, relative: impl Fn(&Path) -> String) -> Join {
        let files: Vec<String> = self.files.iter().map(|path| relative(path)).collect();
        let file = match files.as_slice() {
            [file] => OneOrMore::One(file.clone()),
            _ => OneOrMore::More(files),
        };
        Join { file, on: self.on.clone(), columns: self.columns.clone(), prefix: String::new() }
    }
}

/// Tells tables of profiles from what is joined to them.
///
/// # Errors
/// If a sheet that brings what was applied has several rows for one key, or cannot be read.
pub(super) fn meet(sketched: Vec<Sketched>, card: &Card) -> Result<Meeting, LoadError> {
    let all = |tables| Meeting { tables, ..Meeting::default() };
    if sketched.len() < 2 {
        return Ok(all(sketched));
    }
    let given = sketched.into_iter().map(|sketched| Given::of(sketched, card)).collect::<Result<Vec<_>, _>>()?;
    let Some(main) = main_of(&given) else {
        return Ok(all(given.into_iter().map(|given| given.sketched).collect()));
    };
    let mut parts = given.iter().map(|other| part_of(other, &given[main])).collect::<Vec<_>>();
    parts[main] = Part::Table;
    let tables: Vec<&Given> =
        given.iter().zip(&parts).filter(|(_, part)| **part == Part::Table).map(|(g, _)| g).collect();
    if tables.len() == given.len() {
        return Ok(all(given.into_iter().map(|given| given.sketched).collect()));
    }
    let mut table = Known { table: sample(&tables)?, card };
    let measured: BTreeSet<&str> = given[main].measured.iter().map(String::as_str).collect();
    let mut meeting = Meeting::default();
    let mut open: Vec<Candidate> = Vec::new();
    let main_name = file_name(&given[main].sketched.path);
    for (other, part) in given.iter().zip(&mut parts) {
        let path = &other.sketched.path;
        match part {
            Part::Table | Part::Descriptors => {}
            // Plates of their own are data that would be lost; concatenation says which features they lack.
            Part::Rival if table.has_other_plates(other)? => *part = Part::Table,
            Part::Rival => meeting.notes.push(format!(
                "{} is left out: it holds measurements of its own ({}) and shares none with {main_name}; give it alone \
                 to look at it",
                file_name(path),
                first_few(&other.measured, SHOWN)
            )),
            Part::Sheet => match format::read(path, &BTreeSet::new()) {
                Ok(sheet) => open.push(Candidate { sheet, measured: other.measured.clone() }),
                Err(error) if other.sketched.is_prose() => {
                    meeting.notes.push(format!("{} is left out: it is not a table ({error})", file_name(path)));
                }
                Err(error) => return Err(error),
            },
        }
    }
    let mut open = grouped(open)?;
    assign_plates(&mut open, card);
    open.retain(|candidate| match describes_columns(&candidate.sheet, &measured, card) {
        None => true,
        Some(column) => {
            let name = candidate.name();
            meeting.notes.push(format!(
                "{name} is left out: its `{column}` names columns of {main_name}, so it describes what was measured"
            ));
            false
        }
    });
    meeting.join_all(&mut table, open)?;
    for (other, _) in given.iter().zip(&parts).filter(|(_, part)| **part == Part::Descriptors) {
        meeting.notes.push(table.described_by(other)?);
    }
    let kept = given.into_iter().zip(parts).filter(|(_, part)| *part == Part::Table);
    meeting.tables = kept.map(|(given, _)| given.sketched).collect();
    Ok(meeting)
}

/// Joins sheets to a table that is known whole, as to one of profiles; with `are_of_its_plate`, what sheets of a single
/// plate call it does not count.
///
/// # Errors
/// As [`meet`].
pub(super) fn join_sheets(
    table: RawTable,
    paths: &[PathBuf],
    card: &Card,
    are_of_its_plate: bool,
) -> Result<Meeting, LoadError> {
    let mut meeting = Meeting::default();
    let mut open = Vec::new();
    for path in paths {
        let mut sheet = format::read(path, &BTreeSet::new())?;
        let plate = mapping_of(&sheet, card).column(ColumnRole::Plate).map(str::to_owned);
        let plates = |column: &String| distinct(sheet.text(column).unwrap_or_default());
        if let Some(column) = plate.filter(|column| are_of_its_plate && plates(column).len() == 1) {
            let called = plates(&column).into_iter().next().unwrap_or_default();
            meeting
                .notes
                .push(format!("{} is of one plate, `{called}`, and holds for that of the images", file_name(path)));
            sheet.columns.retain(|other| other.name != column);
        }
        open.push(Candidate { sheet, measured: Vec::new() });
    }
    let open = grouped(open)?;
    meeting.join_all(&mut Known { table, card }, open)?;
    Ok(meeting)
}

/// Values of the columns of the tables that may be keys.
fn sample(tables: &[&Given]) -> Result<RawTable, LoadError> {
    let most_bytes = (SAMPLE_BYTES / tables.len() as u64).max(1 << 16);
    let read = |given: &&Given| {
        let measured: BTreeSet<&str> = given.measured.iter().map(String::as_str).collect();
        let names = given.sketched.columns.iter().filter(|column| !column.is_nested).map(|column| column.name.as_str());
        let wanted: BTreeSet<&str> = names.filter(|name| !measured.contains(name)).take(MOST_COLUMNS).collect();
        format::sample(&given.sketched.path, most_bytes, &|name| wanted.contains(name))
    };
    RawTable::concatenated(tables.iter().map(read).collect::<Result<_, _>>()?, |_| false)
}

/// The sampled table as it grows by what is joined to it.
struct Known<'a> {
    table: RawTable,
    card: &'a Card,
}

impl Known<'_> {
    fn names(&self) -> Vec<String> {
        self.table.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn mapping(&self) -> Mapping {
        mapping_of(&self.table, self.card)
    }

    /// Whether a table has plates, and none of them is one of these.
    fn has_other_plates(&self, other: &Given) -> Result<bool, LoadError> {
        let mapping = self.mapping();
        let (Some(column), Some(plate)) = (other.mapping.column(ColumnRole::Plate), mapping.column(ColumnRole::Plate))
        else {
            return Ok(false);
        };
        let sample = format::sample(&other.sketched.path, 1 << 20, &|name| name == column)?;
        let (Some(theirs), Some(ours)) = (sample.text(column), self.table.text(plate)) else { return Ok(false) };
        Ok(distinct(theirs).is_disjoint(&distinct(ours)))
    }

    /// What to do with a table that describes perturbations.
    fn described_by(&self, other: &Given) -> Result<String, LoadError> {
        let name = file_name(&other.sketched.path);
        let column = other.mapping.column(ColumnRole::Perturbation).unwrap_or_default();
        let sample = format::sample(&other.sketched.path, SAMPLE_BYTES, &|name| name == column)?;
        let mapping = self.mapping();
        let ours = mapping.column(ColumnRole::Perturbation).and_then(|column| self.table.text(column));
        let (described, ours) = (distinct(sample.text(column).unwrap_or_default()), distinct(ours.unwrap_or_default()));
        let n_described = ours.intersection(&described).count();
        let values = match other.has_bits {
            true => format!("bits = {:?}", other.measured.first().map_or("", String::as_str)),
            false => "columns = [\"*\"]".to_owned(),
        };
        Ok(format!(
            "{name} describes perturbations ({n_described} of {} in the table) and is not learned from; to place unknown \
             perturbations by it, write in a card: [descriptors] file = {name:?}, perturbation = {column:?}, {values}",
            ours.len()
        ))
    }
}

fn mapping_of(table: &RawTable, card: &Card) -> Mapping {
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let card = of_these(card, &names);
    let mut mapping = Mapping::of_names(&table.paths[0], &names, &card).unwrap_or_default();
    mapping.infer_well(well_column::of_table(table), &card);
    mapping
}

/// A sheet that may be joined, with the names of its numbers.
struct Candidate {
    sheet: RawTable,
    measured: Vec<String>,
}

impl Candidate {
    fn name(&self) -> String {
        let first = file_name(&self.sheet.paths[0]);
        match self.sheet.paths.len() {
            1 => first,
            n => format!("{first} and {} more", n - 1),
        }
    }
}

/// Sheets of the same columns are one.
fn grouped(candidates: Vec<Candidate>) -> Result<Vec<Candidate>, LoadError> {
    let mut groups: Vec<(Vec<String>, Vec<Candidate>)> = Vec::new();
    for candidate in candidates {
        let mut names: Vec<String> = candidate.sheet.columns.iter().map(|column| column.name.clone()).collect();
        names.sort();
        match groups.iter_mut().find(|(known, _)| *known == names) {
            Some((_, group)) => group.push(candidate),
            None => groups.push((names, vec![candidate])),
        }
    }
    let whole = |(_, group): (Vec<String>, Vec<Candidate>)| {
        let measured = group[0].measured.clone();
        let sheets = group.into_iter().map(|candidate| candidate.sheet).collect();
        Ok(Candidate { sheet: RawTable::concatenated(sheets, |_| false)?, measured })
    };
    groups.into_iter().map(whole).collect()
}

/// Gives a plate map without plates, where a list of plates names its file for some of them, a copy of its rows for each of
/// these: it does not hold for plates of which the list says another map.
fn assign_plates(open: &mut [Candidate], card: &Card) {
    let listed = |name: &str, own: usize, open: &[Candidate]| -> Option<Vec<String>> {
        open.iter().enumerate().filter(|(index, _)| *index != own).find_map(|(_, list)| {
            let mapping = mapping_of(&list.sheet, card);
            let plate = mapping.column(ColumnRole::Plate)?.to_owned();
            let plates = list.sheet.text(&plate)?;
            let names_it = |column: &&RawColumn| {
                let texts = list.sheet.text(&column.name).unwrap_or_default();
                column.name != plate && texts.iter().flatten().any(|text| text.eq_ignore_ascii_case(name))
            };
            let column = list.sheet.columns.iter().find(names_it)?;
            let maps = list.sheet.text(&column.name)?;
            let is_of_it = |map: &Option<String>| map.as_deref().is_some_and(|map| map.eq_ignore_ascii_case(name));
            let of_it = plates.iter().zip(maps).filter(|(_, map)| is_of_it(map));
            Some(of_it.filter_map(|(plate, _)| plate.clone()).collect())
        })
    };
    for index in 0..open.len() {
        let mapping = mapping_of(&open[index].sheet, card);
        let is_map = mapping.column(ColumnRole::Well).is_some() && mapping.column(ColumnRole::Plate).is_none();
        let [path] = open[index].sheet.paths.as_slice() else { continue };
        let name = name_of(path);
        let Some(plates) = is_map.then(|| listed(&name, index, open)).flatten() else { continue };
        open[index].sheet = open[index].sheet.repeated("plate", &plates);
    }
}

/// A column of a sheet without wells of which most values are names of measured columns, or that names most of these.
fn describes_columns(sheet: &RawTable, measured: &BTreeSet<&str>, card: &Card) -> Option<String> {
    const ENOUGH: usize = 3;
    let mapping = mapping_of(sheet, card);
    if [ColumnRole::Plate, ColumnRole::Well].into_iter().any(|role| mapping.column(role).is_some()) {
        return None;
    }
    let names = sheet.columns.iter().map(|column| column.name.as_str());
    let describes = |name: &&str| {
        let values = distinct(sheet.text(name).unwrap_or_default());
        let n_named = values.intersection(measured).count();
        n_named >= ENOUGH.min(measured.len()) && (2 * n_named >= measured.len() || 2 * n_named >= values.len())
    };
    names.into_iter().find(describes).map(str::to_owned)
}

impl Meeting {
    /// Joins what can be joined to the table, and says of the rest why it cannot.
    fn join_all(&mut self, table: &mut Known<'_>, mut open: Vec<Candidate>) -> Result<(), LoadError> {
        // First what has one row for each key, since it may bring what makes the key of another finer.
        for may_disagree in [false, true] {
            while let Some((index, choice)) = open.iter().enumerate().find_map(|(index, candidate)| {
                choose(table, candidate, may_disagree).ok().map(|choice| (index, choice))
            }) {
                let candidate = open.remove(index);
                self.join(table, candidate, choice)?;
            }
        }
        for candidate in open {
            if let Err(why) = choose(table, &candidate, true) {
                self.notes.push(format!("{} is left out: {why}", candidate.name()));
            }
        }
        Ok(())
    }

    /// Joins a sheet to what is known of the table, so that the next one may be joined on what it brings.
    fn join(&mut self, known: &mut Known<'_>, candidate: Candidate, choice: Choice) -> Result<(), LoadError> {
        if let Some(error) = choice.contradiction {
            return Err(error);
        }
        let Choice { on, columns, notes, .. } = choice;
        let files = candidate.sheet.paths.clone();
        let found = FoundJoin { files, on, columns };
        let sheet = Sheet::of(candidate.sheet, &found.in_card(|path| path.display().to_string()), true)?;
        let mapping = known.mapping();
        let keys = sheet.key_columns(Path::new(""), &known.names(), &mapping)?;
        sheet.join_to(&mut known.table, &keys, &mapping)?;
        self.sheets.push(sheet);
        self.joins.push(found);
        self.notes.extend(notes);
        Ok(())
    }
}
