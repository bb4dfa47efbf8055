//! What the values of a column of numbers say, where they are no measurement: measured values scatter.
//!
//! Only columns of plain tables are judged, which were taken for features because they are numbers; what CellProfiler
//! names is known. A rule needs enough rows to speak: eight that could have differed and did not.
//!
//! - One value for each intervention, in all its wells: a dose under another name, a molecular weight, a 0/1 column.
//! - One value for each plate, or for each well position on all plates: a passage, an operator, a row of the plate.
//! - Whole numbers that follow each other or rise from row to row: a counter. Dates as numbers.
//! - Whole numbers, each once, that go with no other column: a random name.
//! - A handful of values beside columns that hardly repeat one: something applied, or a flag.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::load::left_out::Reason;
use crate::load::table::RawTable;
use crate::screen::{Role, Unit};

/// Rows that could have differed, at least.
const ENOUGH: usize = 8;

/// Most values of a column that is taken for something applied by their number alone.
const FEW: usize = 12;

/// Columns that one is compared with, at most.
const MOST_COMPARED: usize = 256;

/// Why each of the `columns` of a table, `[column][row]`, is not a measurement; `None` where nothing speaks against it.
pub(super) fn reasons_in_values(columns: &[&[f32]], table: &RawTable, observations: &[Unit]) -> Vec<Option<Reason>> {
    let groups = Groups::of(table, observations);
    let n_distinct: Vec<usize> = columns.par_iter().map(|values| distinct(values)).collect();
    let is_rich = |&n: &usize| 2 * n >= observations.len();
    // Few values mean something only where most columns have many.
    let are_most_rich = n_distinct.iter().filter(|n| is_rich(n)).count() >= (n_distinct.len() / 2).max(2);
    let of_column = |index: usize| {
        let values = columns[index];
        match n_distinct[index] {
            0 | 1 => None,
            n => groups.reason(values, n).or_else(|| {
                let is_few = are_most_rich && n <= FEW.min(observations.len() / 4);
                is_few.then_some(Reason::Few)
            }),
        }
    };
    let mut reasons: Vec<Option<Reason>> = (0..columns.len()).into_par_iter().map(of_column).collect();
    // Where most columns are whole numbers they are counts, of reads or cells.
    let n_whole = columns.iter().filter(|values| values.iter().all(|&value| is_whole(value))).count();
    let is_open = |index: usize| reasons[index].is_none() && 2 * n_whole <= columns.len();
    let names: Vec<usize> = (0..columns.len()).filter(|&index| is_open(index)).collect();
    let unrelated: Vec<usize> = names
        .par_iter()
        .copied()
        .filter(|&index| n_distinct[index] == columns[index].len())
        .filter(|&index| is_unrelated(index, columns))
        .collect();
    unrelated.into_iter().for_each(|index| reasons[index] = Some(Reason::Unrelated));
    reasons
}

/// Rows that a value may belong to as a whole.
struct Groups {
    interventions: Vec<Vec<usize>>,
    plates: Vec<Vec<usize>>,
    positions: Vec<Vec<usize>>,
    files: Vec<Vec<usize>>,
}

impl Groups {
    fn of(table: &RawTable, observations: &[Unit]) -> Self {
        let rows = || observations.iter().enumerate().filter(|(_, unit)| unit.role != Role::Empty);
        Self {
            interventions: grouped(
                rows().map(|(row, own)| ((own.intervention.to_string(), own.context.as_str()), row)),
            ),
            plates: grouped(rows().map(|(row, own)| (own.plate.as_str(), row))),
            positions: grouped(rows().filter_map(|(row, own)| Some((own.well?, row)))),
            files: grouped(table.rows.iter().enumerate().map(|(row, place)| (place.path, row))),
        }
    }

    fn reason(&self, values: &[f32], n_distinct: usize) -> Option<Reason> {
        match () {
            () if is_date(values) => Some(Reason::Time),
            () if is_counter(values, n_distinct, &self.files, &self.plates) => Some(Reason::Running),
            () if is_constant_within(values, &self.interventions) => Some(Reason::Applied),
            () if is_constant_within(values, &self.plates) => Some(Reason::PerPlate),
            () if is_constant_within(values, &self.positions) => Some(Reason::PerPosition),
            () => None,
        }
    }
}

fn grouped<K: Ord>(rows: impl Iterator<Item = (K, usize)>) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<K, Vec<usize>>::new();
    rows.for_each(|(key, row)| groups.entry(key).or_default().push(row));
    groups.into_values().collect()
}

/// Whether no group has two values, though at least two groups could, and differ.
fn is_constant_within(values: &[f32], groups: &[Vec<usize>]) -> bool {
    let mut n_free = 0;
    let mut replicated = BTreeSet::new();
    for rows in groups {
        let mut finite = rows.iter().map(|&row| values[row]).filter(|value| value.is_finite());
        let Some(first) = finite.next() else { continue };
        let mut n_rest = 0;
        for value in finite {
            if value != first {
                return false;
            }
            n_rest += 1;
        }
        n_free += n_rest;
        if n_rest > 0 {
            replicated.insert(first.to_bits());
        }
    }
    n_free >= ENOUGH && replicated.len() >= 2
}

/// Whole numbers that fill a range without a gap or rise from row to row of every file or plate, or equal steps of any
/// size, as the mean number of a well's images makes them.
fn is_counter(values: &[f32], n_distinct: usize, files: &[Vec<usize>], plates: &[Vec<usize>]) -> bool {
    let n_free = |parts: &[Vec<usize>]| parts.iter().map(|rows| rows.len() - 1).sum::<usize>();
    let is_stepped = |parts: &[Vec<usize>]| {
        let step = |pair: &[usize]| values[pair[1]] - values[pair[0]];
        let mut steps = parts.iter().flat_map(|rows| rows.windows(2).map(step));
        let first = steps.next().unwrap_or(0.0);
        first > 0.0 && n_free(parts) >= ENOUGH && steps.all(|step| (step - first).abs() <= 1e-4 * first)
    };
    if is_stepped(files) || is_stepped(plates) {
        return true;
    }
    if values.len() < ENOUGH || !values.iter().all(|value| is_whole(*value)) {
        return false;
    }
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let is_filled = n_distinct == values.len() && (high - low) as usize + 1 == values.len();
    let rises = |rows: &Vec<usize>| rows.windows(2).all(|pair| values[pair[0]] < values[pair[1]]);
    let is_rising = |parts: &[Vec<usize>]| n_free(parts) >= ENOUGH && parts.iter().all(rises);
    is_filled || is_rising(files) || is_rising(plates)
}

/// `20240131`, or seconds, milliseconds or nanoseconds since 1970 in this century.
fn is_date(values: &[f32]) -> bool {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).map(f64::from).collect();
    let is_day = |value: &f64| {
        // Numbers of this size are even in 32 bits, so that the 31st may be the 32nd here.
        let (year, rest) = ((value / 1e4).floor(), value % 1e4);
        let (month, day) = ((rest / 100.0).floor(), rest % 100.0);
        (1990.0..2100.0).contains(&year) && (1.0..=12.0).contains(&month) && day <= 32.0 && value.fract() == 0.0
    };
    let within = |unit: f64| finite.iter().all(|value| (9.4e8..2.6e9).contains(&(value / unit)));
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(0.0, f64::max);
    // Two years at most: a sum of intensities varies more.
    let is_narrow = |unit: f64| within(unit) && high - low <= 6.4e7 * unit;
    finite.len() >= ENOUGH && (finite.iter().all(is_day) || [1.0, 1e3, 1e6, 1e9].into_iter().any(is_narrow))
}

/// Whole numbers of some size, correlated with no other column more than chance would.
fn is_unrelated(index: usize, columns: &[&[f32]]) -> bool {
    let values = columns[index];
    let is_name = values.len() >= 2 * ENOUGH
        && columns.len() > 3
        && values.iter().all(|&value| is_whole(value) && value.abs() >= 100.0);
    if !is_name {
        return false;
    }
    // The largest of as many correlations as there are columns, twice over.
    let n_others = (columns.len() - 1).min(MOST_COMPARED) as f64;
    let by_chance = 1.3 * (2.0 * (2.0 * n_others).ln() / values.len() as f64).sqrt();
    by_chance < 0.9
        && columns
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .take(MOST_COMPARED)
            .all(|(_, other)| correlation(values, other).abs() < by_chance)
}

/// Pearson's correlation over the rows where both are finite; 0 where one does not vary.
fn correlation(one: &[f32], other: &[f32]) -> f64 {
    let pairs: Vec<(f64, f64)> = (one.iter().zip(other))
        .filter(|(one, other)| one.is_finite() && other.is_finite())
        .map(|(&one, &other)| (f64::from(one), f64::from(other)))
        .collect();
    let n = pairs.len() as f64;
    let (mean_one, mean_other) =
        (pairs.iter().map(|pair| pair.0).sum::<f64>() / n, pairs.iter().map(|pair| pair.1).sum::<f64>() / n);
    let (mut both, mut of_one, mut of_other) = (0.0, 0.0, 0.0);
    for (one, other) in pairs {
        both += (one - mean_one) * (other - mean_other);
        of_one += (one - mean_one).powi(2);
        of_other += (other - mean_other).powi(2);
    }
    if of_one > 0.0 && of_other > 0.0 { both / (of_one * of_other).sqrt() } else { 0.0 }
}

fn is_whole(value: f32) -> bool {
    value.is_finite() && value.fract() == 0.0
}

fn distinct(values: &[f32]) -> usize {
    let mut bits: Vec<u32> =
        values.iter().filter(|value| value.is_finite()).map(|value| (value + 0.0).to_bits()).collect();
    bits.sort_unstable();
    bits.dedup();
    bits.len()
}
