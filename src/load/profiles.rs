//! Profile tables -> [`Screen`](crate::screen::Screen).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::prelude::*;

use super::card::Card;
use super::error::LoadError;
use super::inputs::{self, InputFile};
use super::left_out::Reason;
use super::loaded::Loaded;
use super::mapping::{ColumnRole, Mapping, plain};
use super::meet::{self, Meeting, Sketched};
use super::source::Source;
use super::table::{ColumnSketch, RawColumn, RawTable, Values, merged};
use super::{
    annotated, compartments, controls, copies, design, dose, exclude, format, join, kind, labels, numbered,
    pooled_doses, sentinels, spellings, values, well_column,
};
use crate::screen::{Design, Dropped, FeatureMatrix, Origin, Reference, Screen, Unit, Units, Well};
use crate::table::first_few;

/// Loads the screen of profile tables; `card` is that of `source` or stands in its place.
pub(super) fn load(source: &Source, card: Card) -> Result<Loaded, LoadError> {
    if card.reference == Reference::FirstFrame {
        let message = "`reference = \"first_frame\"` is for time lapses, of images or with a section [tracks]; \
                       profile tables take `control_wells` or `relative`";
        return Err(LoadError::Card { path: card.path, message: message.to_owned() });
    }
    let given = compartments::merged(inputs::given(&card, &source.files)?);
    let paths: Vec<PathBuf> = given.iter().map(|given| given.path.clone()).collect();
    let has_card = source.card.is_some();
    let (sketched, no_tables) = sketch_each(given)?;
    let mut meeting = meet::meet(sketched, &card)?;
    meeting.notes.splice(0..0, no_tables);
    let mut left_out = meeting.notes.clone();
    load_met(source, card, meeting).map_err(|error| {
        let beside = if has_card { Vec::new() } else { inputs::beside_given(&paths) };
        if !beside.is_empty() {
            let beside = first_few(&beside, 4);
            left_out.push(format!("next to it lie {beside}; if it is there, give them too, or their folder"));
        }
        error.with_tables_left_out(&left_out)
    })
}

/// Loads the screen of tables of which it is known how they belong together.
fn load_met(source: &Source, mut card: Card, meeting: Meeting) -> Result<Loaded, LoadError> {
    let Meeting { tables, sheets: found, joins, notes: left_out } = meeting;
    let sketches = sketch_all(&tables)?;
    let is_matrix = sketches.iter().any(|sketch| sketch.is_measured);
    let mut paths: Vec<PathBuf> = tables.into_iter().map(|table| table.path).collect();
    // Before anything is called after the first.
    let copied = if is_matrix { Vec::new() } else { copies::leave_out(&mut paths)? };
    let first = paths[0].as_path();
    if let Some(wanted) = &source.overrides.wanted_features {
        let is_there = |name: &&String| sketches.iter().any(|sketch| sketch.name == **name);
        card.features = wanted.iter().filter(is_there).cloned().collect();
        (card.include_features, card.exclude_features) = (Vec::new(), Vec::new());
    }
    let card = card;
    let sheet = |join| join::Sheet::read(&card, join, first.parent());
    let mut sheets = card.join.iter().map(sheet).collect::<Result<Vec<_>, _>>()?;
    sheets.extend(found);

    let names = names_of_metadata(&sketches, &card);
    let mut all_names = names.clone();
    for name in sheets.iter().flat_map(join::Sheet::column_names) {
        if !all_names.iter().any(|known| known == name) {
            all_names.push(name.to_owned());
        }
    }
    let (card, of_flags) = numbered::with_flags(card, &all_names, &sketches);
    let mut mapping = Mapping::of_names(first, &all_names, &card)?;
    if !joins.is_empty() {
        mapping.prefer(&names, &card);
    }
    let of_sheets = sheets.iter().flat_map(|sheet| well_column::of_table(&sheet.table));
    mapping.infer_well(well_column::sketched(&sketches).chain(of_sheets), &card);
    let mut names = names;
    names.extend(mapping.values.iter().map(|(column, _)| column.clone()));
    let mut known = names.clone();
    known.extend(sketches.iter().filter(|sketch| sketch.is_key).map(|sketch| sketch.name.clone()));
    let mut sheet_keys: Vec<Vec<String>> = Vec::new();
    for sheet in &sheets {
        // A sheet may bring the key of the next one.
        sheet_keys.push(sheet.key_columns(first, &known, &mapping)?);
        known.extend(sheet.column_names().map(str::to_owned));
    }
    let claimed = claimed_columns(&card, &sheets, &sheet_keys);
    let chosen = mapping.find_features(first, &sketches, &claimed, &card)?;

    let (mut table, mut inputs) = match is_matrix {
        true => read_rows(&paths, &sketches, &mapping, &claimed, &card)?,
        false => read_all(&paths, &mapping, &chosen.booleans, &claimed, &card)
            .map_err(|error| same_wells_or(error, &paths, &mapping, &claimed, &card))?,
    };
    mapping.add_values(&mut table);
    let mut notes: Vec<String> = mapping.twin_notes(&table);
    notes.extend(of_flags);
    let read = paths.iter().chain(sheets.iter().flat_map(|sheet| &sheet.paths));
    notes.extend(format::notes(read.map(PathBuf::as_path))?);
    notes.extend(left_out);
    notes.extend(copied);
    let mut dropped = Vec::new();
    let mut is_candidate = vec![true; table.n_rows()];
    for (sheet, keys) in sheets.iter().zip(&sheet_keys) {
        let joined = sheet.join_to(&mut table, keys, &mapping)?;
        notes.extend(joined.note);
        // A row whose perturbation was to come from the sheet says nothing without it.
        let perturbation = mapping.column(ColumnRole::Perturbation);
        let is_needed = perturbation.is_some_and(|column| {
            !names.iter().any(|name| name == column) && sheet.column_names().any(|name| name == column)
        });
        if is_needed {
            let n_before = is_candidate.iter().filter(|is| **is).count();
            is_candidate.iter_mut().zip(&joined.is_matched).for_each(|(is, matched)| *is &= matched);
            let rows = n_before - is_candidate.iter().filter(|is| **is).count();
            let reason = format!("no row in {}", sheet.name());
            dropped.extend((rows > 0).then_some(Dropped { reason, rows }));
        }
        for (index, path) in sheet.paths.iter().enumerate() {
            let n_rows = sheet.table.rows.iter().filter(|row| row.path as usize == index).count();
            inputs.push(inputs::examined(path, n_rows, &card)?);
        }
    }
    let mut table = if is_candidate.contains(&false) { table.filtered(&is_candidate) } else { table };
    if table.n_rows() == 0 {
        return Err(LoadError::nothing_left(&paths[0], &dropped, Vec::new()));
    }

    notes.extend(spellings::unify(&mut table, &mapping, &card));
    notes.extend(dose::leave_out_idle(&table, &mut mapping, &card));
    let card = kind::with_genes(card, &table, &mapping, is_matrix, &mut notes);
    if is_matrix {
        let pooled = annotated::pool(table, &mut mapping, &card)?;
        table = pooled.table;
        notes.extend(pooled.notes);
    }

    notes.extend(mapping.leave_out_twins(&table));
    notes.extend(copies::refuse(&table, &mapping, &card)?);
    let design::Rows { units: observations, notes: told } = design::read(&mut table, &mut mapping, &card)?;
    notes.extend(told);
    notes.extend(refuse_duplicate_wells(&table, &mapping, &observations)?);
    mapping.leave_out_by_values(&table, &chosen.open, &observations);
    let named = mapping.left_out.iter().filter(|left_out| left_out.why == Reason::Dose);
    let named: Vec<&str> = named.map(|left_out| left_out.column.as_str()).collect();
    pooled_doses::refuse(&table, &mapping, &observations, &card, &named, &BTreeSet::new())?;
    if mapping.features.is_empty() && !card.assumed.is_without_features {
        return Err(LoadError::NoFeatures { path: first.to_path_buf(), left_out: mapping.left_out_in_words() });
    }
    if !is_matrix {
        notes.extend(sentinels::remove(&mut table, &mapping.features));
    }
    let kept = match card.assumed.is_without_features {
        true => values::Kept::all_rows(&table),
        false => values::kept(&table, &mapping.features, &observations, card.reference)?,
    };
    dropped.extend(kept.dropped);
    notes.extend(kept.notes);
    mapping.features = kept.features;

    let features = values::matrix(&table, &mapping.features, &kept.rows);
    // The numbers are in the matrix now, and would be held twice.
    let table = table.without_numbers();
    let order = canonical_order(&table, &mapping, &observations, &kept.rows, &features);
    let rows: Vec<usize> = order.iter().map(|&index| kept.rows[index]).collect();
    let mut labels = labels::of_rows(&table, &mapping, &card, &rows)?;
    notes.extend(labels::divide_mechanisms(&mut labels, mapping.column(ColumnRole::Moa)));
    mapping.labels = labels.iter().map(|label| label.name.clone()).collect();
    let mut screen = Screen {
        name: card.screen_name(first),
        design: Design::of_reference(card.reference),
        units: Units::of_rows(rows.iter().map(|&row| observations[row].clone()).collect(), &labels),
        features: if order.is_sorted() { features } else { features.select_rows(&order) }.into(),
        labels,
        dropped,
        origin: Origin { columns: mapping.origin_columns(), measured: None },
    };
    if let Some((rows, excluded)) = exclude::kept_rows(&screen, &card, source)? {
        screen = screen.select(&rows);
        screen.dropped.push(excluded);
    }
    Ok(Loaded { screen, mapping, inputs, card: source.card.as_ref().map(|_| card), joins, follows_split: false, notes })
}

/// The columns of each file, by a look at its first rows, and what is said of texts in a folder that are no tables.
fn sketch_each(files: Vec<inputs::Given>) -> Result<(Vec<Sketched>, Vec<String>), LoadError> {
    let sketch = |inputs::Given { path, is_named }| {
        let columns = format::sketch(&path, false);
        (Sketched { path, columns: Vec::new(), is_named }, columns)
    };
    // Collected before the first error is looked for, so that the error named is that of the first file.
    let each: Vec<(Sketched, Result<Vec<ColumnSketch>, LoadError>)> = files.into_par_iter().map(sketch).collect();
    let is_read = each.iter().any(|(_, columns)| columns.is_ok());
    let (mut tables, mut notes) = (Vec::new(), Vec::new());
    for (sketched, columns) in each {
        match columns {
            Ok(columns) => tables.push(Sketched { columns, ..sketched }),
            Err(error) if is_read && sketched.is_prose() => {
                notes.push(format!("{} is left out: it is not a table ({error})", inputs::file_name(&sketched.path)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((tables, notes))
}

/// The columns of all tables, in the order of the first, with the cells of all of them counted.
fn sketch_all(tables: &[Sketched]) -> Result<Vec<ColumnSketch>, LoadError> {
    let first = merged(tables.iter().map(|table| table.columns.clone()));
    // A column without a value in the first rows may be a feature of later ones.
    let is_open =
        |sketch: &ColumnSketch| sketch.n_cells() == 0 && !sketch.is_nested && !sketch.name.starts_with("Metadata_");
    if !first.iter().any(is_open) {
        return Ok(first);
    }
    let each: Vec<_> = tables.par_iter().map(|table| format::sketch(&table.path, true)).collect();
    Ok(merged(each.into_iter().collect::<Result<Vec<_>, _>>()?))
}

/// Columns that rules, joins or labels use: no features, and needed in every table.
fn claimed_columns(card: &Card, sheets: &[join::Sheet], sheet_keys: &[Vec<String>]) -> BTreeSet<String> {
    let mut claimed: BTreeSet<String> = controls::rule_columns(card).into_iter().map(str::to_owned).collect();
    claimed.extend(sheet_keys.iter().flatten().cloned());
    claimed.extend(sheets.iter().flat_map(join::Sheet::column_names).map(str::to_owned));
    claimed.extend(card.columns.labels.iter().flatten().cloned());
    claimed
}

fn read_all(
    paths: &[PathBuf],
    mapping: &Mapping,
    booleans: &BTreeSet<String>,
    claimed: &BTreeSet<String>,
    card: &Card,
) -> Result<(RawTable, Vec<InputFile>), LoadError> {
    let features: BTreeSet<&str> = mapping.features.iter().map(String::as_str).collect();
    let numbers: BTreeSet<&str> = features.iter().copied().filter(|name| !booleans.contains(*name)).collect();
    let read = |path: &PathBuf| {
        let mut table = format::read(path, &numbers)?;
        table.read_booleans(booleans)?;
        let mut inputs = vec![inputs::examined(path, table.n_rows(), card)?];
        for companion in format::companions(path)? {
            inputs.push(inputs::examined(&companion, 0, card)?);
        }
        Ok((table, inputs))
    };
    // Collected before the first error is looked for, so that the error named is that of the first file.
    let read: Vec<Result<(RawTable, Vec<InputFile>), LoadError>> = paths.par_iter().map(read).collect();
    let (tables, inputs): (Vec<_>, Vec<_>) = read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let inputs = inputs.into_iter().flatten().collect();
    let is_needed = |name: &str| {
        features.contains(name) || claimed.contains(name) || mapping.columns.iter().any(|mapped| mapped.column == name)
    };
    Ok((RawTable::concatenated(tables, is_needed)?, inputs))
}

/// Where tables lack each other's features and hold the same wells by those that they share, as levels of processing do:
/// that one of them is enough; else `error`.
fn same_wells_or(
    error: LoadError,
    paths: &[PathBuf],
    mapping: &Mapping,
    claimed: &BTreeSet<String>,
    card: &Card,
) -> LoadError {
    if !matches!(error, LoadError::ColumnsDiffer { .. }) {
        return error;
    }
    let each: Result<Vec<Vec<ColumnSketch>>, LoadError> =
        paths.iter().map(|path| format::sketch(path, false)).collect();
    let Ok(each) = each else { return error };
    let is_everywhere =
        |name: &&String| each.iter().all(|sketches| sketches.iter().any(|sketch| sketch.name == **name));
    let (shared, unshared): (Vec<&String>, Vec<&String>) = mapping.features.iter().partition(is_everywhere);
    let mut of_shared = mapping.clone();
    of_shared.features = shared.into_iter().cloned().collect();
    let is_copied = || -> Result<(), LoadError> {
        let (mut table, _) = read_all(paths, &of_shared, &BTreeSet::new(), claimed, card)?;
        mapping.add_values(&mut table);
        copies::refuse(&table, &of_shared, card).map(|_| ())
    };
    match is_copied() {
        Err(LoadError::Copied { first, second, is_scaled, n_shared, n_rows, .. }) => {
            let unshared = unshared.into_iter().cloned().collect();
            LoadError::Copied { first, second, is_scaled, n_shared, n_rows, unshared }
        }
        _ => error,
    }
}

/// The tables of the rows of matrices, without the matrices themselves.
fn read_rows(
    paths: &[PathBuf],
    sketches: &[ColumnSketch],
    mapping: &Mapping,
    claimed: &BTreeSet<String>,
    card: &Card,
) -> Result<(RawTable, Vec<InputFile>), LoadError> {
    let has_role = |name: &str| mapping.columns.iter().any(|mapped| mapped.column == name);
    let is_dose = |name: &str| mapping.left_out.iter().any(|left| left.column == name && left.why == Reason::Dose);
    let is_needed = |name: &str| has_role(name) || claimed.contains(name) || is_dose(name);
    // What was counted for each cell says nothing of its sample.
    let is_number = |name: &str| sketches.iter().any(|sketch| sketch.name == name && sketch.is_numeric());
    let read = |path: &PathBuf| {
        let table = format::sample(path, u64::MAX, &|name| is_needed(name) || !is_number(name))?;
        let input = inputs::examined(path, table.n_rows(), card)?;
        Ok((table, input))
    };
    let read: Vec<Result<(RawTable, InputFile), LoadError>> = paths.iter().map(read).collect();
    let (tables, inputs): (Vec<_>, Vec<_>) = read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok((RawTable::concatenated(tables, is_needed)?, inputs))
}

/// Names of the columns that may have a role: all but those of a matrix, and of names that several columns of its rows could
/// have for the perturbation those that say the same of all rows.
fn names_of_metadata(sketches: &[ColumnSketch], card: &Card) -> Vec<String> {
    let is_matrix = sketches.iter().any(|sketch| sketch.is_measured);
    let is_usual = |name: &str| ColumnRole::Perturbation.usual_names().contains(&plain(name).as_str());
    let is_declared = |name: &str| {
        card.columns.perturbation.as_ref().and_then(|declared| declared.column()) == Some(name)
            || controls::rule_columns(card).contains(&name)
    };
    let of_rows =
        sketches.iter().filter(|sketch| !(sketch.is_measured || sketch.is_key || is_matrix && sketch.is_nested));
    let is_kept = |sketch: &&ColumnSketch| {
        !(is_matrix && sketch.values.len() == 1 && is_usual(&sketch.name) && !is_declared(&sketch.name))
    };
    of_rows.filter(is_kept).map(|sketch| sketch.name.clone()).collect()
}

/// Refuses rows of one plate and well that nothing tells apart, unless so many are of each well that they can only be parts
/// of it, which is said.
fn refuse_duplicate_wells(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
) -> Result<Option<String>, LoadError> {
    /// Rows of a well: more than plates of one name, or fields of view.
    const MANY: usize = 20;
    if mapping.column(ColumnRole::Well).is_none() {
        return Ok(None);
    }
    let text = |role| mapping.column(role).and_then(|column| table.text(column));
    let (sites, hours) = (text(ColumnRole::Site), text(ColumnRole::Hours));
    let cells = mapping.cells.as_deref().and_then(|column| table.text(column));
    let mut first_of = BTreeMap::new();
    let mut n_of = BTreeMap::<_, usize>::new();
    let mut twice = None;
    for (row, unit) in observations.iter().enumerate() {
        let site = sites.and_then(|sites| sites[row].as_deref());
        let hours = hours.and_then(|hours| hours[row].as_deref());
        let cell = cells.and_then(|cells| cells[row].as_deref());
        let key = (&unit.plate, unit.well, site, hours, cell, &unit.context);
        let first = *first_of.entry(key).or_insert(row);
        *n_of.entry(key).or_default() += 1;
        if first != row {
            twice.get_or_insert((first, row));
        }
    }
    let Some((first, second)) = twice else { return Ok(None) };
    let unit = &observations[second];
    let differ = differences(table, mapping, first, second);
    let distinguishing = distinguishing(table, mapping, observations, first, second);
    let mut sizes: Vec<usize> = n_of.into_values().collect();
    sizes.sort_unstable();
    let usual = sizes[(sizes.len() - 1) / 2];
    let is_time = mapping.left_out.iter().any(|left_out| left_out.why == Reason::Time);
    if usual >= MANY && differ.is_empty() && distinguishing.is_empty() && !is_time {
        return Ok(Some(format!(
            "wells have {usual} rows each (median) and nothing numbers these: each row is taken for a cell or another part of \
             its well, and wells are what is counted as controls and replicates"
        )));
    }
    let well = unit.well.map(|well| well.to_string()).unwrap_or_default();
    let site = sites.and_then(|sites| sites[second].as_deref());
    Err(LoadError::DuplicateRow {
        plate: unit.plate.clone(),
        well: site.map_or(well.clone(), |site| format!("{well}, site {site}")),
        rows: Box::new([first, second].map(|row| table.place(row))),
        differ,
        distinguishing,
        is_usual: usual > 1,
    })
}

/// The columns of texts or whole numbers without a role that distinguish all rows of one plate, well and context.
fn distinguishing(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
    first: usize,
    second: usize,
) -> Box<[String]> {
    let has_role = |column: &str| mapping.columns.iter().any(|mapped| mapped.column == column);
    let value = |values: &Values, row: usize| match values {
        Values::Text(texts) => texts[row].clone(),
        Values::Number(numbers) => {
            Some(numbers[row]).filter(|number| number.fract() == 0.0).map(|number| number.to_string())
        }
    };
    // Whole numbers are counts as well: a name has to speak of fields, images or numbers.
    const WORDS: [&str; 14] = [
        "site", "field", "fov", "view", "image", "img", "picture", "position", "pos", "tile", "frame", "index",
        "number", "no",
    ];
    let may_distinguish = |column: &&RawColumn| match column.values {
        Values::Text(_) => true,
        Values::Number(_) => plain(&column.name).split('_').any(|word| WORDS.contains(&word)),
    };
    // Whatever it is called: the same numbers in every well number the rows of each.
    let numbers_rows = |column: &&RawColumn| {
        let mut of_wells = BTreeMap::<(&str, Option<Well>, &str), BTreeSet<String>>::new();
        for (row, unit) in observations.iter().enumerate() {
            let Some(value) = value(&column.values, row) else { return false };
            if !of_wells.entry((&unit.plate, unit.well, &unit.context)).or_default().insert(value) {
                return false;
            }
        }
        let mut sets = of_wells.values();
        let first = sets.next();
        of_wells.len() > 1 && first.is_some_and(|first| first.len() > 1 && sets.all(|set| set == first))
    };
    let distinguishes = |column: &&RawColumn| {
        let mut seen = BTreeSet::new();
        let values = &column.values;
        value(values, first) != value(values, second)
            && (observations.iter().enumerate())
                .all(|(row, unit)| seen.insert((&unit.plate, unit.well, &unit.context, value(values, row))))
    };
    let columns = table.columns.iter().filter(|column| !has_role(&column.name));
    columns
        .filter(|column| may_distinguish(column) && distinguishes(column) || numbers_rows(column))
        .map(|column| column.name.clone())
        .collect()
}

/// The text columns without a role in which two rows differ, a few of them, in words.
fn differences(table: &RawTable, mapping: &Mapping, first: usize, second: usize) -> String {
    const SHOWN: usize = 3;
    let differ = |column: &&str| table.text(column).is_some_and(|values| values[first] != values[second]);
    let has_role = |column: &&str| mapping.columns.iter().any(|mapped| mapped.column == **column);
    let columns = table.columns.iter().map(|column| column.name.as_str()).filter(|column| !has_role(column));
    let columns: Vec<&str> = columns.filter(differ).collect();
    if columns.is_empty() {
        return String::new();
    }
    let named: Vec<String> = columns.iter().take(SHOWN).map(|column| format!("`{column}`")).collect();
    let more = if columns.len() > SHOWN { " and more" } else { "" };
    format!(
        "; the two differ in {}{more}: if that distinguishes plates of one name, set `plate_within` under [columns]",
        named.join(", ")
    )
}

/// The order of the kept rows that does not depend on the order in the files.
fn canonical_order(
    table: &RawTable,
    mapping: &Mapping,
    observations: &[Unit],
    rows: &[usize],
    features: &FeatureMatrix,
) -> Vec<usize> {
    let sites = mapping.column(ColumnRole::Site).and_then(|column| table.text(column));
    let site = |row: usize| sites.and_then(|sites| sites[row].as_deref());
    let by_values = |a: usize, b: usize| {
        let pairs = features.row(a).iter().zip(features.row(b));
        pairs.map(|(a, b)| a.total_cmp(b)).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.par_sort_by(|&a, &b| {
        let (row_a, row_b) = (rows[a], rows[b]);
        let (one, other) = (&observations[row_a], &observations[row_b]);
        (one.plate.cmp(&other.plate))
            .then_with(|| one.well.cmp(&other.well))
            .then_with(|| site(row_a).cmp(&site(row_b)))
            .then_with(|| one.context.cmp(&other.context))
            .then_with(|| one.intervention.cmp(&other.intervention))
            .then_with(|| one.replicate.cmp(&other.replicate))
            .then_with(|| one.lab_batch.cmp(&other.lab_batch))
            .then_with(|| by_values(a, b))
    });
    order
}
