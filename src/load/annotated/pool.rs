//! Cells -> one profile for each sample, with the cells added up in a stream.
//!
//! A sample is all cells that plate, well, batch, replicate, guide, perturbation, dose, duration and context agree on: one
//! culture that was treated in one way. Its cells are dealt out to a few bags, and each bag becomes a row: of counts the sum,
//! brought to 10,000 in all, and its logarithm; of anything else the mean of the cells. The bags show how much the profile
//! depends on which cells were caught. They are rows of one unit, as the fields of view of a well are: not replicates.

use std::collections::{BTreeMap, BTreeSet};

use super::super::card::Card;
use super::super::controls;
use super::super::error::LoadError;
use super::super::inputs::file_name;
use super::super::left_out::Reason;
use super::super::mapping::{ColumnRole, MappedColumn, Mapping, plain};
use super::super::part;
use super::super::table::{RawColumn, RawTable, RowPlace, Values};
use super::samples::{Bags, MOST_BAGS, MOST_SUMS, Samples};
use super::scale::{DEPTH, Scale};
use super::{Annotated, MatrixRows, OF_SAMPLES};
use crate::screen::Reference;
use crate::table::{counted, first_few};

/// Rows of a sample, in the median, from which on they are taken for cells.
const CELLS_OF_SAMPLE: usize = 5;

/// Columns that name the guide in a cell, where another names its target.
const GUIDES: [&str; 10] =
    ["guide_id", "guide", "sgrna", "grna", "guide_identity", "guide_name", "sgrna_id", "sgid", "grna_id", "guide_rna"];

/// The pooled table, and what there is to say of it.
pub(in crate::load) struct Pooled {
    pub table: RawTable,
    pub notes: Vec<String>,
}

/// Pools the rows of matrices: `rows` are the tables of their rows, with all that was joined to them.
///
/// # Errors
/// If a file is damaged or lacks a gene, or nothing says what its values are.
pub(in crate::load) fn pool(rows: RawTable, mapping: &mut Mapping, card: &Card) -> Result<Pooled, LoadError> {
    let mut notes = Vec::new();
    let guides = guide_columns(&rows, mapping);
    let samples = Samples::of(&rows, &key_columns(&rows, mapping, card, &guides));
    let settings = card.expression.clone().unwrap_or_default();
    let is_of_cells = match settings.rows {
        Some(declared) => declared == MatrixRows::Cells,
        None => samples.median_size() >= CELLS_OF_SAMPLE && !super::is_of_samples(&rows.paths[0])?,
    };
    let bags = match is_of_cells {
        true => Bags::of_cells(&samples, mapping.features.len()),
        false => Bags::of_each(&samples),
    };
    if bags.n_rows.len().saturating_mul(mapping.features.len()) > MOST_SUMS {
        let message = format!(
            "{} samples of {} genes are too many to be held; name fewer genes with `features` in a card",
            bags.n_rows.len(),
            mapping.features.len()
        );
        return Err(LoadError::Decode { path: rows.paths[0].clone(), message });
    }
    let mut sums =
        Sums { values: vec![0.0; bags.n_rows.len() * mapping.features.len()], totals: vec![0.0; bags.n_rows.len()] };
    let mut scale: Option<(Scale, String)> = None;
    for index in 0..rows.paths.len() {
        let (of_file, why) = sums.add_file(index, &rows, &bags, &mapping.features, settings.scale)?;
        let name = file_name(part::file_of(&rows.paths[index]));
        match &scale {
            Some((known, first)) if *known != of_file => {
                let message = format!(
                    "its values are {}, those of {first} are {}; give files of one scale",
                    of_file.word(),
                    known.word()
                );
                return Err(LoadError::Decode { path: rows.paths[index].clone(), message });
            }
            Some(_) => {}
            None => {
                notes.push(format!("{name}: {}", values_in_words(of_file, &why, is_of_cells)));
                scale = Some((of_file, name));
            }
        }
    }
    let scale = scale.map_or(Scale::AsIs, |(scale, _)| scale);
    let numbers = sums.profiles(scale, &bags, mapping.features.len());
    let table = table_of(&rows, &samples, &bags, mapping, numbers, is_of_cells, &mut notes);
    let table = with_plate(table, mapping, card, &mut notes);
    Ok(Pooled { table, notes })
}

fn values_in_words(scale: Scale, why: &str, is_of_cells: bool) -> String {
    let done = match (scale, is_of_cells) {
        (Scale::Counts, true) => "they are added up over cells, brought to 10,000 in all, and ln(1 + x) is taken",
        (Scale::Counts, false) => "they are brought to 10,000 in all, and ln(1 + x) is taken",
        (_, true) => "their mean over cells is taken, and no logarithm",
        (_, false) => "they stay as they are",
    };
    let what = match scale {
        Scale::Counts => "counts",
        Scale::Log1p => "logarithms of normalized counts",
        Scale::AsIs => "neither counts nor their logarithms",
    };
    format!("the values are {what} ({why}): {done}; `scale` under [expression] in a card says otherwise")
}

fn guide_columns(rows: &RawTable, mapping: &Mapping) -> Vec<String> {
    let has_role = |name: &str| mapping.columns.iter().any(|mapped| mapped.column == name);
    let names = rows.columns.iter().map(|column| column.name.as_str());
    names.filter(|name| GUIDES.contains(&plain(name).as_str()) && !has_role(name)).map(str::to_owned).collect()
}

/// Columns that say of which sample a row is.
fn key_columns(rows: &RawTable, mapping: &Mapping, card: &Card, guides: &[String]) -> Vec<String> {
    let mapped =
        mapping.columns.iter().filter(|mapped| OF_SAMPLES.contains(&mapped.role)).map(|mapped| mapped.column.clone());
    let of_rules = controls::rule_columns(card).into_iter().map(str::to_owned);
    let within = card.columns.plate_within.iter().flatten().cloned();
    // Doses that no role was found for are asked about later, if samples differ in them.
    let doses =
        mapping.left_out.iter().filter(|left_out| left_out.why == Reason::Dose).map(|left_out| left_out.column.clone());
    let mut columns: Vec<String> =
        mapped.chain(of_rules).chain(within).chain(doses).chain(guides.iter().cloned()).collect();
    columns.sort();
    columns.dedup();
    columns.retain(|column| rows.text(column).is_some());
    columns
}

/// Sums over the rows of each bag.
struct Sums {
    /// `[bag, feature]`.
    values: Vec<f64>,
    /// Over all genes of the file, learned from or not.
    totals: Vec<f64>,
}

impl Sums {
    /// Adds the rows of a file; says what its values are, and why.
    fn add_file(
        &mut self,
        index: usize,
        rows: &RawTable,
        bags: &Bags,
        features: &[String],
        declared: Option<Scale>,
    ) -> Result<(Scale, String), LoadError> {
        const NOWHERE: u32 = u32::MAX;
        let open = Annotated::open(&rows.paths[index])?;
        let mut bag_of = vec![NOWHERE; open.n_rows()];
        for (place, &bag) in rows.rows.iter().zip(&bags.of_row).filter(|(place, _)| place.path as usize == index) {
            bag_of[place.line as usize - 2] = bag;
        }
        let places: BTreeMap<&str, u32> = features.iter().map(String::as_str).zip(0..).collect();
        let column_of: Vec<u32> =
            open.features.iter().map(|name| places.get(name.as_str()).copied().unwrap_or(NOWHERE)).collect();
        let n_found = column_of.iter().filter(|column| **column != NOWHERE).count();
        if n_found < features.len() {
            let own: BTreeSet<&String> = open.features.iter().collect();
            return Err(LoadError::ColumnsDiffer {
                columns: features.iter().filter(|name| !own.contains(name)).cloned().collect(),
                has: rows.paths[(0..rows.paths.len()).find(|other| *other != index).unwrap_or(index)].clone(),
                lacks: rows.paths[index].clone(),
            });
        }
        let (scale, why) = match declared {
            Some(scale) => (scale, "as the card says".to_owned()),
            None => {
                let sample = open.sample()?;
                let found = Scale::of(&sample, open.is_marked_as_log).ok_or_else(|| LoadError::Scale {
                    path: rows.paths[index].clone(),
                    place: open.place.clone(),
                    largest: sample.iter().copied().fold(0.0, f32::max),
                })?;
                (found.0, found.1.to_owned())
            }
        };
        let n_features = features.len();
        open.visit(|row, column, value| {
            let bag = bag_of[row];
            if bag == NOWHERE {
                return;
            }
            let (bag, value) = (bag as usize, f64::from(value));
            self.totals[bag] += value;
            let column = column_of[column];
            if column != NOWHERE {
                self.values[bag * n_features + column as usize] += value;
            }
        })?;
        Ok((scale, why))
    }

    /// The profile of each bag, `[feature][bag]`.
    fn profiles(self, scale: Scale, bags: &Bags, n_features: usize) -> Vec<Vec<f32>> {
        let value = |bag: usize, sum: f64| match scale {
            Scale::Counts => (sum / self.totals[bag] * DEPTH).ln_1p(),
            Scale::Log1p | Scale::AsIs => sum / bags.n_rows[bag] as f64,
        };
        let of_feature = |feature: usize| -> Vec<f32> {
            (0..bags.n_rows.len()).map(|bag| value(bag, self.values[bag * n_features + feature]) as f32).collect()
        };
        (0..n_features).map(of_feature).collect()
    }
}

/// The table with a row for each bag.
fn table_of(
    rows: &RawTable,
    samples: &Samples,
    bags: &Bags,
    mapping: &mut Mapping,
    numbers: Vec<Vec<f32>>,
    is_of_cells: bool,
    notes: &mut Vec<String>,
) -> RawTable {
    let mut columns = Vec::new();
    let mut differing = Vec::new();
    for column in &rows.columns {
        let Values::Text(cells) = &column.values else { continue };
        let is_same =
            |(row, cell): (usize, &Option<String>)| *cell == cells[samples.first[samples.of_row[row] as usize]];
        if is_of_cells && !cells.iter().enumerate().all(is_same) {
            differing.push(column.name.clone());
            continue;
        }
        let values = bags.first.iter().map(|&row| cells[row].clone()).collect();
        columns.push(RawColumn { name: column.name.clone(), values: Values::Text(values) });
    }
    mapping.columns.retain(|mapped| !differing.contains(&mapped.column));
    let features = mapping.features.iter().zip(numbers);
    columns.extend(features.map(|(name, values)| RawColumn { name: name.clone(), values: Values::Number(values) }));
    let places: Vec<RowPlace> = bags.first.iter().map(|&row| rows.rows[row]).collect();
    let mut table = RawTable { columns, rows: places, paths: rows.paths.clone() };
    if !is_of_cells {
        return table;
    }
    let n_cells = |bag: usize| Some(samples.sizes[bags.sample[bag]].to_string());
    let number =
        |bag: usize| Some((bag - bags.sample.partition_point(|&sample| sample < bags.sample[bag]) + 1).to_string());
    let all = 0..bags.n_rows.len();
    if mapping.column(ColumnRole::CellCount).is_none() {
        table.make(
            mapping,
            ColumnRole::CellCount,
            "cells",
            "counted for each sample",
            all.clone().map(n_cells).collect(),
        );
    }
    match mapping.column(ColumnRole::Well) {
        Some(_) => {
            let name = table.add_column("bag of cells", all.map(number).collect());
            mapping.cells = Some(name);
        }
        None if mapping.column(ColumnRole::Site).is_none() => {
            let name = |bag: usize| Some(sample_name(rows, mapping, samples.first[bags.sample[bag]]));
            let values = all.map(name).collect();
            table.make(mapping, ColumnRole::Site, "sample", "bags of the same cells are rows of one unit", values);
        }
        None => {}
    }
    let (n_samples, n_bags) = (samples.sizes.len(), bags.n_rows.len());
    let (least, most) =
        (samples.sizes.iter().min().copied().unwrap_or(0), samples.sizes.iter().max().copied().unwrap_or(0));
    notes.push(format!(
        "rows are cells: {} cells of {} ({least} to {most} each) are pooled to {n_bags} rows, up to {MOST_BAGS} for each sample; \
         rows of one sample are not replicates of it",
        rows.n_rows(),
        counted(n_samples, "sample")
    ));
    if !differing.is_empty() {
        notes.push(format!("{} differ from cell to cell within samples and are left out", first_few(&differing, 4)));
    }
    table
}

/// What sets samples of one treatment apart that no plate or batch does: the file, guide and replicate.
fn sample_name(rows: &RawTable, mapping: &Mapping, row: usize) -> String {
    let guides = guide_columns(rows, mapping);
    let replicate = mapping.column(ColumnRole::Replicate).map(str::to_owned);
    let cells = guides.iter().chain(&replicate).filter_map(|column| rows.text(column)?[row].clone());
    let file = (rows.paths.len() > 1).then(|| file_name(part::file_of(&rows.paths[rows.rows[row].path as usize])));
    let parts: Vec<String> = file.into_iter().chain(cells).collect();
    if parts.is_empty() { "cells".to_owned() } else { parts.join(", ") }
}

/// Compares cells with the controls of their context, where no column names a plate or a batch.
fn with_plate(mut table: RawTable, mapping: &mut Mapping, card: &Card, notes: &mut Vec<String>) -> RawTable {
    let is_known = [ColumnRole::Plate, ColumnRole::LabBatch].into_iter().any(|role| mapping.column(role).is_some());
    if is_known || card.columns.plate.is_some() || card.reference != Reference::ControlWells {
        return table;
    }
    let context: Vec<&[Option<String>]> =
        mapping.context().into_iter().filter_map(|column| table.text(column)).collect();
    let plate = |row: usize| {
        let parts: Vec<&str> = context.iter().filter_map(|cells| cells[row].as_deref()).collect();
        Some(if parts.is_empty() { "all".to_owned() } else { parts.join(", ") })
    };
    let values = (0..table.n_rows()).map(plate).collect();
    table.make(mapping, ColumnRole::Plate, "plate", "the context, as no column names a plate or batch", values);
    notes.push(
        "no column names a plate or a batch: each sample is compared with the controls of its context; if batches are known, \
         name their column with `lab_batch` under [columns]"
            .to_owned(),
    );
    table
}

impl RawTable {
    /// Adds a text column under a name that is free.
    fn add_column(&mut self, word: &str, values: Vec<Option<String>>) -> String {
        let mut name = word.to_owned();
        while self.columns.iter().any(|column| column.name == name) {
            name += " (made)";
        }
        self.columns.push(RawColumn { name: name.clone(), values: Values::Text(values) });
        name
    }

    /// Adds a column with a role.
    fn make(&mut self, mapping: &mut Mapping, role: ColumnRole, word: &str, why: &str, values: Vec<Option<String>>) {
        let column = self.add_column(word, values);
        mapping.columns.push(MappedColumn { role, column, why: why.to_owned(), is_made: true });
    }
}
