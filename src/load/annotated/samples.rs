//! Which rows of a matrix are of one sample, and which of its cells are pooled.

use std::collections::HashMap;

use super::super::table::RawTable;

/// Bags of a sample, at most.
pub(super) const MOST_BAGS: usize = 8;

/// Cells of a bag, at least, where a sample has several.
const LEAST_CELLS: usize = 10;

/// Sums that are held at once, at most: half a GiB.
pub(super) const MOST_SUMS: usize = 1 << 26;

/// Rows that belong together.
pub(super) struct Samples {
    /// Of each row.
    pub of_row: Vec<u32>,
    /// Rows of each sample.
    pub sizes: Vec<usize>,
    /// The first row of each sample.
    pub first: Vec<usize>,
}

impl Samples {
    /// Rows of one file that agree in all `columns`.
    pub fn of(rows: &RawTable, columns: &[String]) -> Self {
        let mut of_row: Vec<u32> = rows.rows.iter().map(|row| row.path).collect();
        for column in columns {
            let cells = rows.text(column).unwrap_or_default();
            let mut known = HashMap::<(u32, Option<&str>), u32>::new();
            for (sample, cell) in of_row.iter_mut().zip(cells) {
                let next = known.len() as u32;
                *sample = *known.entry((*sample, cell.as_deref())).or_insert(next);
            }
        }
        // Numbered in the order of their first rows.
        let mut numbers = HashMap::<u32, u32>::new();
        let mut samples = Self { of_row, sizes: Vec::new(), first: Vec::new() };
        for (row, sample) in samples.of_row.iter_mut().enumerate() {
            let next = numbers.len() as u32;
            *sample = *numbers.entry(*sample).or_insert(next);
            if *sample == next {
                samples.sizes.push(0);
                samples.first.push(row);
            }
            samples.sizes[*sample as usize] += 1;
        }
        samples
    }

    pub fn median_size(&self) -> usize {
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0)
    }
}

/// What becomes a row of the pooled table.
pub(super) struct Bags {
    /// Of each row.
    pub of_row: Vec<u32>,
    /// The sample of each bag.
    pub sample: Vec<usize>,
    /// Rows of each bag.
    pub n_rows: Vec<usize>,
    /// The first row of each bag.
    pub first: Vec<usize>,
}

impl Bags {
    /// Each row by itself.
    pub fn of_each(samples: &Samples) -> Self {
        let n = samples.of_row.len();
        Self {
            of_row: (0..n as u32).collect(),
            sample: samples.of_row.iter().map(|&sample| sample as usize).collect(),
            n_rows: vec![1; n],
            first: (0..n).collect(),
        }
    }

    /// The cells of each sample dealt out in turn; to one bag where more could not be held.
    pub fn of_cells(samples: &Samples, n_features: usize) -> Self {
        let dealt =
            |most: usize| -> Vec<usize> { samples.sizes.iter().map(|n| (n / LEAST_CELLS).clamp(1, most)).collect() };
        let mut n_bags = dealt(MOST_BAGS);
        if n_bags.iter().sum::<usize>().saturating_mul(n_features) > MOST_SUMS / 4 {
            n_bags = dealt(1);
        }
        let starts: Vec<usize> = n_bags.iter().scan(0, |next, n| Some(std::mem::replace(next, *next + n))).collect();
        let n = n_bags.iter().sum();
        let mut bags = Self { of_row: Vec::new(), sample: vec![0; n], n_rows: vec![0; n], first: vec![usize::MAX; n] };
        let mut n_dealt = vec![0; samples.sizes.len()];
        for (row, &sample) in samples.of_row.iter().enumerate() {
            let sample = sample as usize;
            let bag = starts[sample] + n_dealt[sample] % n_bags[sample];
            n_dealt[sample] += 1;
            bags.sample[bag] = sample;
            bags.n_rows[bag] += 1;
            bags.first[bag] = bags.first[bag].min(row);
            bags.of_row.push(bag as u32);
        }
        bags
    }
}
