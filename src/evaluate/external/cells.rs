//! Cells of both files, a batch of perturbations at a time, so that no file is ever in memory whole.

use std::collections::HashMap;

use super::super::EvaluateError;
use super::matched::{Matched, NOWHERE, group_of_rows};
use crate::load::{Responses, Scale};

/// Values that are held at once, at most: 12 bytes each.
const MOST_VALUES: usize = 80 << 20;

/// A value that is not zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub cell: u32,
    pub feature: u32,
    pub value: f32,
}

/// The cells of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    pub n_cells: usize,
    /// In no order.
    pub values: Vec<Value>,
    /// The half of each cell, 0 or 1.
    pub halves: Vec<u8>,
}

impl Cells {
    /// The sum of the values of each cell.
    pub fn totals(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.n_cells];
        self.values.iter().for_each(|value| totals[value.cell as usize] += f64::from(value.value));
        totals
    }

    /// Counts brought to `depth` in each cell; anything else as it is.
    pub fn brought_to(mut self, depth: f64, scale: Scale) -> Self {
        if scale == Scale::Counts {
            let totals = self.totals();
            for value in &mut self.values {
                // In this order equal ratios of counts are equal numbers, and ties remain ties.
                value.value = (f64::from(value.value) * depth / totals[value.cell as usize]) as f32;
            }
        }
        self
    }

    /// The cells of a half.
    pub fn half(&self, half: u8) -> Self {
        let mut number_of = vec![NOWHERE; self.n_cells];
        let mut n_cells = 0;
        for (number, _) in number_of.iter_mut().zip(&self.halves).filter(|(_, own)| **own == half) {
            *number = n_cells;
            n_cells += 1;
        }
        self.renumbered(&number_of, n_cells as usize)
    }

    /// The first cells.
    pub fn first(&self, n: usize) -> Self {
        let number = |cell: usize| if cell < n { cell as u32 } else { NOWHERE };
        let number_of: Vec<u32> = (0..self.n_cells).map(number).collect();
        self.renumbered(&number_of, n.min(self.n_cells))
    }

    fn renumbered(&self, number_of: &[u32], n_cells: usize) -> Self {
        let kept = self.values.iter().filter(|value| number_of[value.cell as usize] != NOWHERE);
        let values = kept.map(|value| Value { cell: number_of[value.cell as usize], ..*value }).collect();
        let halves = self.halves.iter().zip(number_of).filter(|(_, number)| **number != NOWHERE);
        Self { n_cells, values, halves: halves.map(|(half, _)| *half).collect() }
    }

    /// The values row by row, `[cell, feature]`, each made by `of`, which leaves zero at zero.
    pub fn dense(&self, n_features: usize, of: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_cells * n_features];
        for value in &self.values {
            dense[value.cell as usize * n_features + value.feature as usize] = of(value.value);
        }
        dense
    }
}

/// Where the rows of a file belong.
pub(super) struct Source<'a> {
    pub responses: &'a Responses,
    /// The group of each row.
    pub group_of: Vec<u32>,
    /// The place of each of its features among the shared ones.
    pub places: &'a [u32],
    /// The half of each row; empty where there are none.
    pub halves: &'a [u8],
}

impl<'a> Source<'a> {
    pub fn of_truth(responses: &'a Responses, matched: &'a Matched, halves: &'a [u8]) -> Self {
        let group_of = group_of_rows(responses, &matched.truth_groups);
        Self { responses, group_of, places: &matched.of_truth, halves }
    }

    pub fn of_predictions(responses: &'a Responses, matched: &'a Matched) -> Self {
        let group_of = group_of_rows(responses, &matched.predicted_groups);
        Self { responses, group_of, places: &matched.of_predictions, halves: &[] }
    }

    /// Rows of each group, and their values at most.
    pub fn sizes(&self, n_groups: usize) -> Vec<(usize, usize)> {
        let mut sizes = vec![(0, 0); n_groups];
        for (row, &group) in self.group_of.iter().enumerate().filter(|(_, group)| **group != NOWHERE) {
            let size = &mut sizes[group as usize];
            *size = (size.0 + 1, size.1 + self.responses.most_values(row));
        }
        sizes
    }

    /// The cells of some groups, in one pass over the parts of the file that hold them.
    ///
    /// # Errors
    /// If the file is damaged, or a value is not a finite number.
    pub fn read(&self, groups: &[usize]) -> Result<Vec<Cells>, EvaluateError> {
        let place_of: HashMap<u32, u32> = groups.iter().map(|&group| group as u32).zip(0..).collect();
        let mut cells = vec![Cells::default(); groups.len()];
        let mut at = vec![(NOWHERE, 0u32); self.group_of.len()];
        for (row, group) in self.group_of.iter().enumerate() {
            if let Some(&place) = place_of.get(group) {
                let of = &mut cells[place as usize];
                at[row] = (place, of.n_cells as u32);
                of.n_cells += 1;
                of.halves.push(self.halves.get(row).copied().unwrap_or(0));
            }
        }
        self.responses.visit(&|row| at[row].0 != NOWHERE, |row, feature, value| {
            let (place, cell) = at[row];
            let feature = self.places[feature];
            if feature != NOWHERE {
                cells[place as usize].values.push(Value { cell, feature, value });
            }
        })?;
        Ok(cells)
    }
}

/// Groups in batches whose values fit into memory together; `sizes` are values of each group at most.
pub(super) fn batches(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut n_values = usize::MAX;
    for (group, &size) in sizes.iter().enumerate() {
        if n_values.saturating_add(size) > MOST_VALUES {
            batches.push(Vec::new());
            n_values = 0;
        }
        n_values += size;
        batches.last_mut().expect("one was pushed").push(group);
    }
    batches
}
