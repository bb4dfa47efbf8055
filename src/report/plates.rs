//! All plates in one table, each plate as a map of its wells, and what they showed by dose.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawing::{Drawing, plain};
use super::folder::PlateTables;
use super::wells::{CELLS, DISTANCE, View, Wells};
use crate::qc::Finding;
use crate::table::{FileError, Table, sentence};

/// Plates that are drawn at most; those with alarms first.
const MOST_MAPS: usize = 120;

/// The section.
#[derive(Debug, Serialize)]
pub(super) struct Plates {
    pub(super) findings: Vec<Finding>,
    heads: Vec<Head>,
    pub(super) rows: Vec<PlateRow>,
    maps: Vec<PlateMap>,
    n_not_drawn: usize,
    views: Vec<String>,
    first: usize,
    legend: Vec<(String, String)>,
    #[serde(skip)]
    pub(super) data: PlateData,
    #[serde(skip)]
    drawings: Vec<(String, Drawing)>,
}

/// The head of a column, and what it means.
#[derive(Debug, Clone, Serialize)]
struct Head {
    name: &'static str,
    meaning: &'static str,
}

/// The numbers of one plate.
#[derive(Debug, Serialize)]
pub(super) struct PlateRow {
    pub(super) plate: String,
    cells: Vec<Cell>,
    pub(super) flags: Vec<String>,
}

/// A number as it is shown, and as it is sorted by.
#[derive(Debug, Clone, Default, Serialize)]
struct Cell {
    text: String,
    value: Option<f64>,
}

#[derive(Debug, Serialize)]
struct PlateMap {
    plate: String,
    flags: Vec<String>,
    svg: String,
}

/// What the script needs to color the wells, in the order in which they are drawn.
#[derive(Debug, Serialize)]
pub(super) struct PlateData {
    views: Vec<View>,
    /// Interventions, and of each well which it received.
    interventions: Vec<String>,
    of: Vec<usize>,
    roles: Vec<&'static str>,
    wells: Vec<String>,
    first: usize,
}

/// What the table of plates can show, if any plate has it: column, measure, head, meaning, decimals.
const SHOWN: [(&str, &str, &str, &str, usize); 17] = [
    ("n_wells", "", "wells", "wells that are not empty", 0),
    ("n_treated", "", "treated", "treated wells", 0),
    ("n_controls", "", "controls", "negative controls", 0),
    ("n_positive", "", "positive", "positive controls", 0),
    ("z_prime", DISTANCE, "Z′", "1 is a perfect assay, above 0.5 an excellent one, below 0 controls overlap", 2),
    ("robust_z_prime", DISTANCE, "robust Z′", "the same by medians", 2),
    (
        "ssmd",
        DISTANCE,
        "SSMD",
        "of the positive control, or without one of treated wells, against negative controls",
        2,
    ),
    ("control_cv", DISTANCE, "CV of controls", "of their distance to each other: spread over mean", 2),
    (
        "replicate_correlation",
        DISTANCE,
        "replicate r",
        "correlation of wells with the same treatment on other plates",
        2,
    ),
    ("replicate_chance", DISTANCE, "r by chance", "the same with other treatments", 2),
    ("edge_ratio", DISTANCE, "edge", "distance to controls at the edge over that within; 1 is even", 2),
    ("edge_p", DISTANCE, "edge p", "how often exchanged wells differ as much", 4),
    ("control_median", CELLS, "cells", "median cell count of controls", 0),
    ("control_cv", CELLS, "CV of cells", "of the cell count of controls", 2),
    ("treated_median", CELLS, "cells treated", "median cell count of treated wells", 0),
    ("edge_ratio", CELLS, "edge cells", "cell count at the edge over that within", 2),
    ("edge_p", CELLS, "edge cells p", "how often exchanged wells differ as much", 4),
];

impl Plates {
    /// # Errors
    /// Where a table lacks a column.
    pub(super) fn of(tables: &PlateTables) -> Result<Option<Self>, FileError> {
        let PlateTables { plates, wells, findings, .. } = tables;
        if plates.n_rows() == 0 && findings.is_empty() {
            return Ok(None);
        }
        let (heads, rows) = plate_rows(plates)?;
        let drawn = Wells::of(wells)?;
        let mut shown: Vec<&PlateRow> =
            rows.iter().filter(|row| drawn.by_plate.contains_key(row.plate.as_str())).collect();
        let n_maps = shown.len();
        if n_maps > MOST_MAPS {
            shown.sort_by_key(|row| row.flags.is_empty());
            shown.truncate(MOST_MAPS);
        }
        let order: Vec<&str> = shown.iter().map(|row| row.plate.as_str()).collect();
        let views = drawn.views(wells, &order)?;
        let first = views.iter().position(|view| view.kind == "diverging").unwrap_or(0);
        let mut maps = Vec::new();
        let mut drawings = Vec::new();
        let mut begin = 0;
        for row in &shown {
            let places = &drawn.by_plate[row.plate.as_str()];
            let classes: Vec<String> = (begin..begin + places.len())
                .map(|at| views.get(first).map_or(String::new(), |view| view.class(at)))
                .collect();
            begin += places.len();
            let drawing = drawn.map(&row.plate, places, &classes);
            maps.push(PlateMap { plate: row.plate.clone(), flags: row.flags.clone(), svg: drawing.inline() });
            let name: String =
                row.plate.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
            drawings.push((format!("plate-{name}"), drawing));
        }
        let (interventions, of) = drawn.interventions(&order);
        let roles = drawn.roles(&order);
        let names = drawn.in_order(&order).map(|place| place.well.to_string()).collect();
        Ok(Some(Self {
            findings: findings.iter().map(in_sentences).collect(),
            heads,
            n_not_drawn: n_maps - order.len(),
            legend: views.get(first).map(View::legend).unwrap_or_default(),
            views: views.iter().map(|view| view.label.clone()).collect(),
            first,
            data: PlateData { views, interventions, of, roles, wells: names, first },
            maps,
            drawings,
            rows,
        }))
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = (String, Drawing)> {
        self.drawings.iter().cloned()
    }
}

/// A finding whose texts begin with a capital and end with a full stop.
fn in_sentences(finding: &Finding) -> Finding {
    Finding { severity: finding.severity, message: sentence(&finding.message), advice: sentence(&finding.advice) }
}

/// A row for each plate, of the columns that any plate has.
fn plate_rows(table: &Table) -> Result<(Vec<Head>, Vec<PlateRow>), FileError> {
    let (names, measures) = (table.text("plate")?, table.text("measure")?);
    let mut order: Vec<&str> = Vec::new();
    let mut row_of = BTreeMap::<(&str, &str), usize>::new();
    for (row, (plate, measure)) in names.iter().zip(measures).enumerate() {
        let (Some(plate), Some(measure)) = (plate, measure) else { continue };
        if !order.contains(&plate.as_str()) {
            order.push(plate);
        }
        row_of.insert((plate, measure), row);
    }
    let mut heads = Vec::new();
    let mut columns: Vec<Vec<Cell>> = Vec::new();
    for (column, measure, head, meaning, decimals) in SHOWN {
        let value = |plate: &&str| -> Result<Option<f64>, FileError> {
            let row = match measure {
                "" => [DISTANCE, CELLS].iter().find_map(|measure| row_of.get(&(*plate, *measure))),
                measure => row_of.get(&(*plate, measure)),
            };
            let Some(&row) = row else { return Ok(None) };
            match column.starts_with("n_") {
                true => Ok(table.integers(column)?[row].map(|n| n as f64)),
                false => Ok(table.numbers(column)?[row]),
            }
        };
        let values: Vec<Option<f64>> = order.iter().map(value).collect::<Result<_, _>>()?;
        if values.iter().any(|value| value.is_some_and(|value| column != "n_positive" || value > 0.0)) {
            let cell =
                |value: Option<f64>| Cell { text: value.map_or(String::new(), |value| plain(value, decimals)), value };
            columns.push(values.into_iter().map(cell).collect());
            heads.push(Head { name: head, meaning });
        }
    }
    let (edge, line) = (table.flags("has_edge_effect")?, table.flags("has_line_effect")?);
    let (lines, outliers) = (table.text("line")?, table.text("outliers")?);
    let mut rows = Vec::new();
    for (at, plate) in order.iter().enumerate() {
        let mut flags = Vec::new();
        for (measure, of) in [(DISTANCE, "distance"), (CELLS, "cells")] {
            let Some(&row) = row_of.get(&(*plate, measure)) else { continue };
            if edge[row] {
                flags.push(format!("edge ({of})"));
            }
            if let (true, Some(line)) = (line[row], &lines[row]) {
                flags.push(format!("{line} ({of})"));
            }
            if let Some(outliers) = &outliers[row] {
                let n = outliers.split(' ').count();
                flags.push(if n == 1 { format!("outlier {outliers} ({of})") } else { format!("{n} outliers ({of})") });
            }
        }
        let cells = columns.iter().map(|column| column[at].clone()).collect();
        rows.push(PlateRow { plate: (*plate).to_owned(), cells, flags });
    }
    Ok((heads, rows))
}
