//! Numbers that stand for a missing value: `-999` and the like, far outside of what a feature measures.
//!
//! Such a number is believed to be one where it lies further from all other values of its feature than three times their
//! range, or below 0 where all others are not. One above 0 has to stand twice, since a measurement may be 999 by chance.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::table::{RawTable, Values};
use crate::table::first_few;

/// Numbers that are written for "no value".
const NUMBERS: [f32; 9] = [-99.0, -999.0, -9999.0, -99_999.0, -999_999.0, 999.0, 9999.0, 99_999.0, 999_999.0];

/// Values of a feature that are needed to tell its range.
const ENOUGH: usize = 8;

/// Features that are named of many.
const SHOWN: usize = 3;

/// Makes such numbers in `features` missing, and says so.
pub(super) fn remove(table: &mut RawTable, features: &[String]) -> Vec<String> {
    let features: BTreeSet<&str> = features.iter().map(String::as_str).collect();
    let columns = table.columns.par_iter_mut().filter(|column| features.contains(column.name.as_str()));
    let found: Vec<(String, f32, usize)> = columns
        .filter_map(|column| match &mut column.values {
            Values::Number(values) => Some((column.name.clone(), removed(values))),
            Values::Text(_) => None,
        })
        .flat_map_iter(|(name, removed)| removed.into_iter().map(move |(number, n)| (name.clone(), number, n)))
        .collect();
    let mut by_number = BTreeMap::<i64, (usize, Vec<String>)>::new();
    for (name, number, n) in found {
        let (n_cells, names) = by_number.entry(number as i64).or_default();
        *n_cells += n;
        names.push(name);
    }
    let note = |(number, (n_cells, names)): (i64, (usize, Vec<String>))| {
        format!(
            "{number} stands in {n_cells} {} of {}, far outside of all other values there, and is taken as missing; if it \
             was measured, give these features in another unit or leave them out with `exclude_features` in a card",
            if n_cells == 1 { "cell" } else { "cells" },
            first_few(&names, SHOWN)
        )
    };
    by_number.into_iter().map(note).collect()
}

/// The numbers that were made missing, with how many cells held each.
fn removed(values: &mut [f32]) -> Vec<(f32, usize)> {
    let is_number = |value: &f32| NUMBERS.contains(value);
    if !values.iter().any(is_number) {
        return Vec::new();
    }
    let (mut low, mut high, mut n_others) = (f32::INFINITY, f32::NEG_INFINITY, 0);
    for &value in values.iter().filter(|value| value.is_finite() && !is_number(value)) {
        (low, high, n_others) = (low.min(value), high.max(value), n_others + 1);
    }
    if n_others < ENOUGH {
        return Vec::new();
    }
    let reach = 3.0 * (high - low);
    let stands_for_none = |number: f32, n: usize| match number < 0.0 {
        true => low >= 0.0 || number < low - reach,
        false => n > 1 && number > high + reach,
    };
    let mut removed = Vec::new();
    for number in NUMBERS {
        let n = values.iter().filter(|value| **value == number).count();
        if n > 0 && stands_for_none(number, n) {
            values.iter_mut().filter(|value| **value == number).for_each(|value| *value = f32::NAN);
            removed.push((number, n));
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(numbers: &[f32], expected: &[(f32, usize)]) {
        let mut values: Vec<f32> = (0..20).map(|value| value as f32 / 10.0 - 1.0).collect();
        values.extend(numbers);
        assert_eq!(removed(&mut values), expected, "{numbers:?}");
        assert_eq!(
            values.iter().filter(|value| value.is_nan()).count(),
            expected.iter().map(|(_, n)| n).sum::<usize>()
        );
    }

    #[test]
    fn numbers_far_outside_are_missing_values() {
        check(&[-999.0, -999.0], &[(-999.0, 2)]);
        check(&[-999.0], &[(-999.0, 1)]);
        check(&[9999.0, 9999.0, -99.0], &[(-99.0, 1), (9999.0, 2)]);
        // Once, a large number may be measured; and so may one that others come near to.
        check(&[9999.0], &[]);
        check(&[999.0, 999.0, 700.0], &[]);
        check(&[], &[]);
        let mut counts = [3000.0, 3100.0, 3500.0, 4000.0, 4200.0, 4500.0, 5000.0, 5100.0, -999.0, 9999.0, 9999.0];
        assert_eq!(removed(&mut counts), [(-999.0, 1)]);
    }
}
