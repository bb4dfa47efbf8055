//! Tables that hold what another holds already: copied files, and later versions of one table.
//!
//! ```text
//! t.csv  t - Copy.csv        the same bytes: the second is left out, with a note
//! t.csv  t_final_v2.csv      most wells have the measurements of the first: asked
//! P1_raw.csv  P1_normalized.csv      the same wells in the same order by most features: asked
//! ```
//!
//! Taken for more wells, they would be replicates that agree to the last digit.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::card::Card;
use super::error::LoadError;
use super::inputs::{InputHash, file_name};
use super::mapping::{ColumnRole, Mapping};
use super::part;
use super::plates;
use super::table::{RawTable, Values};

/// Measurements with fractions that two rows must share at least to be called one.
const ENOUGH: usize = 3;

/// Wells of a plate in two tables that must have the same order by a feature, so that it is no chance.
const ORDERED: usize = 12;

/// Leaves out files of the same bytes as another, which keeps the shorter name, and says so.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn leave_out(paths: &mut Vec<PathBuf>) -> Result<Vec<String>, LoadError> {
    let mut by_size = BTreeMap::<u64, Vec<PathBuf>>::new();
    for path in paths.iter().filter(|path| part::file_of(path) == path.as_path()) {
        let size = std::fs::metadata(path).map_err(|cause| LoadError::io(path, cause))?.len();
        by_size.entry(size).or_default().push(path.clone());
    }
    let mut notes = Vec::new();
    for mut alike in by_size.into_values().filter(|alike| alike.len() > 1) {
        alike.sort_by_key(|path| (file_name(path).len(), path.clone()));
        let mut first = BTreeMap::<String, PathBuf>::new();
        for path in alike {
            let hash = InputHash::of(&path).map_err(|cause| LoadError::io(&path, cause))?.sha256;
            if let Some(first) = first.get(&hash) {
                notes.push(format!(
                    "{} is left out: it is a copy of {}, byte by byte",
                    path.display(),
                    file_name(first)
                ));
                paths.retain(|other| *other != path);
            } else {
                first.insert(hash, path);
            }
        }
    }
    Ok(notes)
}

/// Refuses two tables of which one holds mostly the measurements of the other; a few rows of the same measurements are
/// named in a note.
///
/// # Errors
/// [`LoadError::Copied`].
pub(super) fn refuse(table: &RawTable, mapping: &Mapping, card: &Card) -> Result<Option<String>, LoadError> {
    let numbers: Vec<&[f32]> = (table.columns.iter())
        .filter(|column| mapping.features.contains(&column.name))
        .filter_map(|column| match &column.values {
            Values::Number(values) => Some(values.as_slice()),
            Values::Text(_) => None,
        })
        .collect();
    let across = across_files(table, mapping);
    let pairs =
        [same_rows(table, &numbers), same_positions(&across, &numbers), same_orders(table, mapping, &across, &numbers)];
    let is_settled = card.columns.plate_within.is_some();
    let file_of = |row: usize| table.rows[row].path;
    let mut n_shared_by = BTreeMap::<(u32, u32), [usize; 3]>::new();
    for (way, pairs) in pairs.iter().enumerate() {
        for &(first, second) in pairs.iter().filter(|(first, second)| file_of(*first) != file_of(*second)) {
            n_shared_by.entry((file_of(first), file_of(second))).or_default()[way] += 1;
        }
    }
    for ((one, other), [n_same, n_agreeing, n_ordered]) in n_shared_by.into_iter().filter(|_| !is_settled) {
        let n_rows = table.rows.iter().filter(|row| row.path == other).count();
        let is_most = |n_shared: usize| n_shared > 3 && 2 * n_shared > n_rows;
        let n_equal = n_same.max(n_agreeing);
        if is_most(n_equal.max(n_ordered)) {
            let [first, second] = [one, other].map(|file| table.paths[file as usize].clone());
            let is_scaled = !is_most(n_equal);
            let n_shared = if is_scaled { n_ordered } else { n_equal };
            let unshared = Box::default();
            return Err(LoadError::Copied { first, second, is_scaled, n_shared, n_rows, unshared });
        }
    }
    let [same, ..] = &pairs;
    Ok(same.first().map(|(first, second)| {
        format!(
            "{} {} the same measurements as another, to the last digit, as {} and {}; leave the copies out if they are \
             not wells of their own",
            same.len(),
            if same.len() == 1 { "row has" } else { "rows have" },
            table.place(*first),
            table.place(*second)
        )
    }))
}

/// Rows of which all measurements are those of an earlier row, with the first of these.
///
/// Rows are found by a number made of their measurements, column by column, so that no table is held twice.
fn same_rows(table: &RawTable, numbers: &[&[f32]]) -> Vec<(usize, usize)> {
    let (mut keys, mut n_telling) = (vec![0u64; table.n_rows()], vec![0usize; table.n_rows()]);
    for values in numbers {
        for ((key, n_telling), &value) in keys.iter_mut().zip(&mut n_telling).zip(*values) {
            // The step of FxHash, which mixes well enough to look up by.
            *key = (key.rotate_left(5) ^ u64::from(value.to_bits())).wrapping_mul(0x517c_c1b7_2722_0a95);
            *n_telling += usize::from(is_telling(value));
        }
    }
    let are_equal =
        |one: usize, other: usize| numbers.iter().all(|values| values[one].to_bits() == values[other].to_bits());
    let mut seen = HashMap::<u64, usize>::new();
    let mut same = Vec::new();
    for row in (0..table.n_rows()).filter(|&row| n_telling[row] >= ENOUGH) {
        let first = *seen.entry(keys[row]).or_insert(row);
        if first != row && are_equal(first, row) {
            same.push((first, row));
        }
    }
    same
}

/// Rows of one plate and position in two files.
fn across_files(table: &RawTable, mapping: &Mapping) -> Vec<(usize, usize)> {
    if table.rows.iter().all(|row| row.path == table.rows[0].path) {
        return Vec::new();
    }
    let mut seen = BTreeMap::<(String, usize), usize>::new();
    let mut n_in_file = BTreeMap::<(String, u32), usize>::new();
    let mut across = Vec::new();
    for (second, position) in plates::positions_on_plates(table, mapping).into_iter().enumerate() {
        let Some(position) = position else { continue };
        let path = table.rows[second].path;
        let n_before = n_in_file.entry((position.clone(), path)).or_default();
        let first = *seen.entry((position, *n_before)).or_insert(second);
        *n_before += 1;
        if table.rows[first].path != path {
            across.push((first, second));
        }
    }
    across
}

/// Rows of one plate and position that share half of their measurements, at least [`ENOUGH`] or all.
fn same_positions(across: &[(usize, usize)], numbers: &[&[f32]]) -> Vec<(usize, usize)> {
    let are_same = |&(first, second): &(usize, usize)| {
        let telling = numbers.iter().filter(|values| is_telling(values[second]));
        let (mut n_equal, mut n_telling) = (0, 0);
        for values in telling {
            n_telling += 1;
            n_equal += usize::from(values[first].to_bits() == values[second].to_bits());
        }
        n_equal >= ENOUGH.min(numbers.len()) && 2 * n_equal >= n_telling
    };
    across.iter().copied().filter(are_same).collect()
}

/// Rows of plates in two files whose wells have the same order by most features, as before and after normalization:
/// repeated experiments never do.
fn same_orders(
    table: &RawTable,
    mapping: &Mapping,
    across: &[(usize, usize)],
    numbers: &[&[f32]],
) -> Vec<(usize, usize)> {
    let names = mapping.column(ColumnRole::Plate).and_then(|column| table.text(column));
    let mut plates = BTreeMap::<(u32, u32, Option<&str>), Vec<(usize, usize)>>::new();
    for &(first, second) in across {
        let plate = names.and_then(|names| names[second].as_deref());
        let files = (table.rows[first].path, table.rows[second].path);
        plates.entry((files.0, files.1, plate)).or_default().push((first, second));
    }
    let are_same = |pairs: &Vec<(usize, usize)>| {
        let orders: Vec<bool> = numbers.iter().filter_map(|values| has_same_order(values, pairs)).collect();
        let n_same = orders.iter().filter(|is_same| **is_same).count();
        n_same >= ENOUGH.min(numbers.len()) && 2 * n_same >= orders.len()
    };
    plates.into_values().filter(are_same).flatten().collect()
}

/// Whether the first rows of `pairs` have the same order as the second ones; `None` where too few values differ.
fn has_same_order(values: &[f32], pairs: &[(usize, usize)]) -> Option<bool> {
    let pairs = pairs.iter().map(|&(first, second)| (values[first], values[second]));
    let mut pairs: Vec<(f32, f32)> = pairs.filter(|(first, second)| first.is_finite() && second.is_finite()).collect();
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)));
    let n_steps = |of: fn(&(f32, f32)) -> f32| pairs.windows(2).filter(|pair| of(&pair[0]) != of(&pair[1])).count();
    let differ = n_steps(|pair| pair.0).min(n_steps(|pair| pair.1)) + 1 >= ORDERED;
    differ.then(|| pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1))
}

/// Whole numbers agree by chance.
fn is_telling(value: f32) -> bool {
    value.is_finite() && value.fract() != 0.0
}
