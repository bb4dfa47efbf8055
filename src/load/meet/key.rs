//! By which columns a sheet is joined.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Candidate, Known, SHOWN, mapping_of};
use crate::load::card::Card;
use crate::load::compare::{Compare, names_well};
use crate::load::error::LoadError;
use crate::load::join::{name_of, plate_of_file};
use crate::load::join_key::JoinKey;
use crate::load::mapping::{ColumnRole, Mapping, plain};
use crate::load::table::{RawColumn, RawTable, Values, distinct};
use crate::table::first_few;

/// Two columns of which the values meet.
#[derive(Debug, Clone)]
struct Pair {
    table: String,
    sheet: String,
    way: Compare,
    /// Distinct values of the table that the sheet has.
    n_found: usize,
    /// Of how many.
    n_values: usize,
    role: Option<ColumnRole>,
    has_one_name: bool,
}

impl Pair {
    fn of(table: (&str, &RawTable), sheet: (&str, &RawTable), role: Option<ColumnRole>) -> Option<Self> {
        let ours = distinct(table.1.text(table.0)?);
        let theirs = distinct(sheet.1.text(sheet.0)?);
        let way = Compare::of(&ours, &theirs, role == Some(ColumnRole::Well));
        let keys =
            |texts: &BTreeSet<&str>| texts.iter().map(|text| way.key(text).into_owned()).collect::<BTreeSet<_>>();
        let (our_keys, their_keys) = (keys(&ours), keys(&theirs));
        Some(Self {
            table: table.0.to_owned(),
            sheet: sheet.0.to_owned(),
            way,
            n_found: our_keys.intersection(&their_keys).count(),
            n_values: our_keys.len(),
            role,
            has_one_name: plain(table.0) == plain(sheet.0),
        })
    }

    fn is_mostly_found(&self) -> bool {
        2 * self.n_found >= self.n_values
    }
}

/// The pairs of columns whose values meet, by roles, by names, and then by values alone.
fn pairs(table: &RawTable, table_mapping: &Mapping, sheet: &RawTable, sheet_mapping: &Mapping) -> Vec<Pair> {
    const ROLES: [ColumnRole; 8] = [
        ColumnRole::Plate,
        ColumnRole::Well,
        ColumnRole::Perturbation,
        ColumnRole::Dose,
        ColumnRole::Hours,
        ColumnRole::Site,
        ColumnRole::LabBatch,
        ColumnRole::Replicate,
    ];
    let mut pairs: Vec<Pair> = Vec::new();
    let add = |pair: Option<Pair>, pairs: &mut Vec<Pair>| {
        let is_new = |pair: &Pair| !pairs.iter().any(|known| known.table == pair.table || known.sheet == pair.sheet);
        pairs.extend(pair.filter(|pair| pair.n_found > 0 && is_new(pair)));
    };
    for role in ROLES {
        if let (Some(ours), Some(theirs)) = (table_mapping.column(role), sheet_mapping.column(role)) {
            // Of two names for one thing the values must say that they are one.
            let pair = Pair::of((ours, table), (theirs, sheet), Some(role));
            add(
                pair.filter(|pair| pair.has_one_name || role == ColumnRole::Well || pair.is_mostly_found()),
                &mut pairs,
            );
        }
    }
    let role_of =
        |column: &str| table_mapping.columns.iter().find(|mapped| mapped.column == column).map(|mapped| mapped.role);
    for ours in &table.columns {
        for theirs in sheet.columns.iter().filter(|theirs| plain(&theirs.name) == plain(&ours.name)) {
            add(Pair::of((&ours.name, table), (&theirs.name, sheet), role_of(&ours.name)), &mut pairs);
        }
    }
    let mut by_values: Vec<Pair> = Vec::new();
    for theirs in sheet.columns.iter().filter(|column| is_telling(sheet, &column.name)) {
        for ours in table.columns.iter().filter(|column| is_telling(table, &column.name)) {
            let pair = Pair::of((&ours.name, table), (&theirs.name, sheet), role_of(&ours.name));
            by_values.extend(pair.filter(Pair::is_mostly_found));
        }
    }
    by_values.sort_by_key(|pair| std::cmp::Reverse((pair.n_found * 1000 / pair.n_values.max(1), pair.n_found)));
    by_values.into_iter().for_each(|pair| add(Some(pair), &mut pairs));
    pairs
}

/// Whether values that meet those of another column do so for a reason: names and long numbers, not counts and words for
/// yes and no.
fn is_telling(table: &RawTable, column: &str) -> bool {
    let values = distinct(table.text(column).unwrap_or_default());
    let is_name = |text: &&&str| text.len() >= 5 || text.len() >= 3 && text.parse::<f64>().is_err() || names_well(text);
    let n_names = values.iter().filter(is_name).count();
    n_names > 0 && 2 * n_names >= values.len()
}

/// How a sheet is joined.
pub(super) struct Choice {
    pub on: Vec<JoinKey>,
    pub columns: Vec<String>,
    pub notes: Vec<String>,
    /// Two rows of one key that say different things of what was applied.
    pub contradiction: Option<LoadError>,
}

/// The key by which a sheet is joined, or in words why it is not.
pub(super) fn choose(known: &Known<'_>, candidate: &Candidate, may_disagree: bool) -> Result<Choice, String> {
    let table = &known.table;
    let table_mapping = known.mapping();
    let mut sheet = candidate.sheet.clone();
    let plate_of_files = add_plates_of_files(&mut sheet, table, &table_mapping, known.card);
    let sheet_mapping = mapping_of(&sheet, known.card);
    let pairs = pairs(table, &table_mapping, &sheet, &sheet_mapping);
    let mut keys = first_keys(&pairs, table, &table_mapping, &sheet, &sheet_mapping)?;
    let mut rows = Rows::by(&sheet, &keys);
    while rows.n_keys < sheet.n_rows() && !rows.disagreeing(&sheet, &keys).is_empty() {
        let is_free = |pair: &&Pair| !keys.iter().any(|key| key.sheet == pair.sheet);
        let finer = |pair: &Pair| {
            let longer = [keys.as_slice(), std::slice::from_ref(pair)].concat();
            let rows = Rows::by(&sheet, &longer);
            (rows.n_keys, longer, rows)
        };
        let finest = pairs.iter().filter(is_free).map(finer).rev().max_by_key(|(n_keys, _, _)| *n_keys);
        match finest.filter(|(n_keys, _, _)| *n_keys > rows.n_keys) {
            Some((_, longer, finer)) => (keys, rows) = (longer, finer),
            None => break,
        }
    }
    let key_names = keys.iter().map(|pair| format!("`{}`", pair.sheet)).collect::<Vec<_>>().join(", ");
    let n_matched = rows.n_matched(table, &keys);
    if n_matched == 0 {
        return Err(format!("no row of the table has its {key_names}"));
    }
    if let Some(missed) = rows.missed(table, &keys) {
        let name = candidate.name();
        return Err(format!(
            "{} of the {} wells of its plates in the table have no row in it, and {} of its {} wells are not in the table, \
             as where plates of 96 and of 384 wells are mixed; if it is the map of these plates all the same, write it in a \
             card: [[join]] file = {name:?}, on = {}",
            missed.n_rows_without,
            missed.n_rows,
            missed.n_keys_without,
            missed.n_keys,
            in_card(&keys)
        ));
    }
    let disagreeing = rows.disagreeing(&sheet, &keys);
    let mut notes = Vec::new();
    let mut contradiction = None;
    if let Some((first, second)) = disagreeing.values().next() {
        if !may_disagree {
            return Err(String::new());
        }
        let names: Vec<&str> = disagreeing.keys().copied().collect();
        let brings = sheet_mapping
            .column(ColumnRole::Perturbation)
            .filter(|_| table_mapping.column(ColumnRole::Perturbation).is_none());
        if brings.is_some_and(|column| disagreeing.contains_key(column)) {
            let key = keys.iter().filter_map(|pair| sheet.text(&pair.sheet)?[*first].clone()).collect::<Vec<_>>();
            contradiction = Some(LoadError::DuplicateKey {
                key: format!("{:?}", key.join(", ")),
                first: Box::new(sheet.place(*first)),
                second: Box::new(sheet.place(*second)),
            });
        }
        notes.push(format!(
            "{} has several rows for one {key_names} (lines {} and {}), and what they disagree in is not taken: {}",
            candidate.name(),
            sheet.place(*first).line,
            sheet.place(*second).line,
            first_few(&names, SHOWN)
        ));
    }
    let known_names: BTreeSet<String> = known.names().iter().map(|name| plain(name)).collect();
    let is_key = |name: &str| keys.iter().any(|pair| pair.sheet == name);
    let columns: Vec<String> = sheet
        .columns
        .iter()
        .map(|column| column.name.clone())
        .filter(|name| !is_key(name) && !disagreeing.contains_key(name.as_str()) && !known_names.contains(&plain(name)))
        .collect();
    if columns.is_empty() && contradiction.is_none() {
        let why =
            if disagreeing.is_empty() { "has no column that the table lacks" } else { "has several rows for one key" };
        return Err(format!("it meets the table in {key_names} and {why}"));
    }
    let has_plates = keys.iter().any(|pair| pair.role == Some(ColumnRole::Plate));
    let is_by_well = keys.iter().any(|pair| pair.role == Some(ColumnRole::Well));
    let is_plain_map = is_by_well && !has_plates && keys.len() == 1;
    if is_plain_map && table_mapping.column(ColumnRole::Plate).is_some() {
        notes.push(format!("{} names no plates and holds for every plate", candidate.name()));
    }
    if plate_of_files {
        notes.push(format!("{} holds for the plate that it is named after", candidate.name()));
    }
    let numbers: Vec<&String> = columns.iter().filter(|name| candidate.measured.contains(name)).collect();
    if !numbers.is_empty() {
        notes.push(format!(
            "of {}, {} are kept as labels and not learned from",
            candidate.name(),
            first_few(&numbers, SHOWN)
        ));
    }
    let on = keys.iter().map(|pair| match pair.table == pair.sheet {
        true => JoinKey::Same(pair.sheet.clone()),
        false => JoinKey::Pair { table: pair.table.clone(), sheet: pair.sheet.clone() },
    });
    Ok(Choice { on: on.collect(), columns, notes, contradiction })
}

/// Gives plate maps without plates, each of a file that is named after one, a column of them; whether it did.
fn add_plates_of_files(sheet: &mut RawTable, table: &RawTable, mapping: &Mapping, card: &Card) -> bool {
    let sheet_mapping = mapping_of(sheet, card);
    let has = |role| sheet_mapping.column(role).is_some();
    let plates = mapping.column(ColumnRole::Plate).and_then(|column| table.text(column));
    let Some(plates) = plates.filter(|_| has(ColumnRole::Well) && !has(ColumnRole::Plate)) else { return false };
    let plates = distinct(plates);
    let of_path = |path: &PathBuf| plate_of_file(&name_of(path), &plates).map(str::to_owned);
    let Some(of_paths) = sheet.paths.iter().map(of_path).collect::<Option<Vec<String>>>() else { return false };
    let values = sheet.rows.iter().map(|row| Some(of_paths[row.path as usize].clone())).collect();
    sheet.columns.push(RawColumn { name: "plate".to_owned(), values: Values::Text(values) });
    true
}

/// What a key begins with: plate and well, or else what the most values are found by.
fn first_keys(
    pairs: &[Pair],
    table: &RawTable,
    table_mapping: &Mapping,
    sheet: &RawTable,
    sheet_mapping: &Mapping,
) -> Result<Vec<Pair>, String> {
    let with = |role| pairs.iter().find(|pair| pair.role == Some(role)).cloned();
    let (plate, well) = (with(ColumnRole::Plate), with(ColumnRole::Well));
    if let (Some(theirs), Some(ours), None) =
        (sheet_mapping.column(ColumnRole::Well), table_mapping.column(ColumnRole::Well), &well)
    {
        let values = |table: &RawTable, column: &str| {
            distinct(table.text(column).unwrap_or_default()).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let (their_values, our_values) = (values(sheet, theirs), values(table, ours));
        let are_numbers = |values: &[String]| values.iter().all(|value| value.parse::<u32>().is_ok());
        if are_numbers(&their_values) != are_numbers(&our_values) {
            let (numbered, name) = match are_numbers(&their_values) {
                true => (&their_values, theirs),
                false => (&our_values, ours),
            };
            return Err(format!(
                "`{name}` holds numbers ({}), and wells such as A01 on the other side: nothing says whether they count along \
                 rows or along columns; write them as wells",
                first_few(numbered, SHOWN)
            ));
        }
    }
    let their_plate = sheet_mapping.column(ColumnRole::Plate);
    let our_plate = table_mapping.column(ColumnRole::Plate);
    if let (Some(theirs), Some(ours)) = (their_plate, our_plate) {
        let meets = pairs.iter().any(|pair| pair.sheet == theirs);
        if well.is_some() && !meets {
            let names = |table: &RawTable, column| {
                let values: Vec<&str> = distinct(table.text(column).unwrap_or_default()).into_iter().collect();
                first_few(&values, SHOWN)
            };
            let (theirs, ours) = (names(sheet, theirs), names(table, ours));
            return Err(format!("none of its plates ({theirs}) is a plate of the table ({ours})"));
        }
    }
    if well.is_some() || plate.is_some() {
        return Ok(plate.into_iter().chain(well).collect());
    }
    let is_perturbation = |pair: &Pair| pair.role == Some(ColumnRole::Perturbation);
    let is_unique = |pair: &Pair| Rows::by(sheet, std::slice::from_ref(pair)).n_keys == sheet.n_rows();
    let worth = |pair: &Pair| (is_unique(pair), is_perturbation(pair), pair.n_found);
    // Equal doses or times are no reason to belong together; they only make the key of a perturbation finer.
    let is_measure = |pair: &Pair| {
        let measures = [ColumnRole::Dose, ColumnRole::Hours, ColumnRole::Site, ColumnRole::Replicate];
        pair.role.is_some_and(|role| measures.contains(&role))
    };
    let is_key =
        |pair: &Pair| !is_measure(pair) && (is_telling(table, &pair.table) || pair.has_one_name && is_unique(pair));
    let anchors = pairs.iter().filter(|pair| is_perturbation(pair) || is_key(pair));
    match anchors.rev().max_by_key(|pair| worth(pair)) {
        Some(pair) => Ok(vec![pair.clone()]),
        None => {
            let meeting = pairs.iter().filter(|pair| pair.has_one_name && pair.is_mostly_found());
            let meeting: Vec<&str> = meeting.map(|pair| pair.sheet.as_str()).collect();
            const SAY: &str = "(if it belongs to it, say by which columns in a [[join]] of a card)";
            Err(match meeting.as_slice() {
                [] => format!("none of its columns has the values of a column of the table {SAY}"),
                names => format!(
                    "it has several rows for each value that the table has of its {}, so nothing of it holds for a row of \
                     the table {SAY}",
                    first_few(names, SHOWN)
                ),
            })
        }
    }
}

/// The key as a card writes it.
fn in_card(keys: &[Pair]) -> String {
    let key = |pair: &Pair| match pair.table == pair.sheet {
        true => format!("{:?}", pair.sheet),
        false => format!("{{ table = {:?}, sheet = {:?} }}", pair.table, pair.sheet),
    };
    format!("[{}]", keys.iter().map(key).collect::<Vec<_>>().join(", "))
}

/// Wells that a map and a table do not share, of plates that both have.
struct Missed {
    n_rows: usize,
    n_rows_without: usize,
    n_keys: usize,
    n_keys_without: usize,
}

/// The rows of a sheet by their keys.
struct Rows {
    n_keys: usize,
    by_key: BTreeMap<Vec<String>, Vec<usize>>,
}

impl Rows {
    fn by(sheet: &RawTable, keys: &[Pair]) -> Self {
        let mut by_key = BTreeMap::<Vec<String>, Vec<usize>>::new();
        let columns: Vec<_> = keys.iter().map(|pair| (pair.way, sheet.text(&pair.sheet).unwrap_or_default())).collect();
        for row in 0..sheet.n_rows() {
            if let Some(key) = key_of(&columns, row) {
                by_key.entry(key).or_default().push(row);
            }
        }
        Self { n_keys: by_key.len(), by_key }
    }

    /// The columns in which rows of one key differ, with two such rows.
    fn disagreeing<'a>(&self, sheet: &'a RawTable, keys: &[Pair]) -> BTreeMap<&'a str, (usize, usize)> {
        let mut disagreeing = BTreeMap::new();
        for column in sheet.columns.iter().filter(|column| !keys.iter().any(|pair| pair.sheet == column.name)) {
            let values = sheet.text(&column.name).unwrap_or_default();
            let differ = |rows: &Vec<usize>| {
                let second = rows.iter().find(|&&row| values[row] != values[rows[0]])?;
                Some((rows[0], *second))
            };
            if let Some(rows) = self.by_key.values().find_map(differ) {
                disagreeing.insert(column.name.as_str(), rows);
            }
        }
        disagreeing
    }

    /// The wells that either side lacks, where both lack a quarter: a map of these plates may be smaller or larger, not both.
    fn missed(&self, table: &RawTable, keys: &[Pair]) -> Option<Missed> {
        let well = keys.iter().position(|pair| pair.role == Some(ColumnRole::Well))?;
        let plate_of = |key: &Vec<String>| {
            let others = key.iter().enumerate().filter(|(index, _)| *index != well);
            others.map(|(_, part)| part.clone()).collect::<Vec<_>>()
        };
        let columns: Vec<_> = keys.iter().map(|pair| (pair.way, table.text(&pair.table).unwrap_or_default())).collect();
        let of_rows: Vec<Vec<String>> = (0..table.n_rows()).filter_map(|row| key_of(&columns, row)).collect();
        let ours: BTreeSet<&Vec<String>> = of_rows.iter().collect();
        let our_plates: BTreeSet<_> = ours.iter().map(|key| plate_of(key)).collect();
        let their_plates: BTreeSet<_> = self.by_key.keys().map(plate_of).collect();
        let of_both = |key: &&Vec<String>| our_plates.contains(&plate_of(key)) && their_plates.contains(&plate_of(key));
        let n_keys = self.by_key.keys().filter(of_both).count();
        let n_keys_without = self.by_key.keys().filter(of_both).filter(|key| !ours.contains(key)).count();
        let ours: Vec<&Vec<String>> = ours.into_iter().filter(of_both).collect();
        let n_rows_without = ours.iter().filter(|key| !self.by_key.contains_key(**key)).count();
        let is_doubtful = 4 * n_rows_without >= ours.len() && 4 * n_keys_without >= n_keys && n_rows_without > 3;
        is_doubtful.then_some(Missed { n_rows: ours.len(), n_rows_without, n_keys, n_keys_without })
    }

    fn n_matched(&self, table: &RawTable, keys: &[Pair]) -> usize {
        let columns: Vec<_> = keys.iter().map(|pair| (pair.way, table.text(&pair.table).unwrap_or_default())).collect();
        let is_matched = |row: &usize| key_of(&columns, *row).is_some_and(|key| self.by_key.contains_key(&key));
        (0..table.n_rows()).filter(is_matched).count()
    }
}

fn key_of(columns: &[(Compare, &[Option<String>])], row: usize) -> Option<Vec<String>> {
    columns.iter().map(|(way, values)| values[row].as_deref().map(|text| way.key(text).into_owned())).collect()
}
