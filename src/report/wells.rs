//! The wells of all plates as they are drawn: colored by what was measured, or by what was done.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawing::{Anchor, Drawing, escaped, short};
use crate::plan::significant;
use crate::screen::Well;
use crate::table::{FileError, Table};

/// Words of the measures in tables.
pub(super) const DISTANCE: &str = "distance_to_controls";
pub(super) const CELLS: &str = "cell_count";

/// Width of a map, in pixels.
const WIDTH: f64 = 300.0;

/// Steps of color.
const STEPS: f64 = 9.0;

/// Differences are drawn up to this many spreads.
const MOST_SPREADS: f64 = 5.0;

/// One way to color the wells.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) label: String,
    /// `sequential`, `diverging` or `category`.
    pub(super) kind: &'static str,
    low: f64,
    high: f64,
    /// Numbers, or numbers of categories.
    values: Vec<Option<f64>>,
}

/// The wells of the table by plate, with their rows of each measure.
pub(super) struct Wells<'a> {
    pub(super) by_plate: BTreeMap<&'a str, Vec<Place<'a>>>,
    n_rows: u8,
    n_columns: u8,
}

/// A well, with its row in the table by measure.
pub(super) struct Place<'a> {
    pub(super) well: Well,
    role: &'static str,
    intervention: &'a str,
    row_of: BTreeMap<&'a str, usize>,
    is_outlier: bool,
}

impl<'a> Wells<'a> {
    pub(super) fn of(table: &'a Table) -> Result<Self, FileError> {
        let (plates, wells, roles) = (table.text("plate")?, table.text("well")?, table.text("role")?);
        let (interventions, measures) = (table.text("intervention")?, table.text("measure")?);
        let outliers = table.flags("is_outlier")?;
        let mut places = BTreeMap::<&str, BTreeMap<Well, Place>>::new();
        for row in 0..table.n_rows() {
            let well = wells[row].as_deref().and_then(|well| well.parse::<Well>().ok());
            let (Some(plate), Some(well), Some(measure)) = (&plates[row], well, &measures[row]) else { continue };
            let role = match roles[row].as_deref() {
                Some("negcon") => "negative control",
                Some("poscon") => "positive control",
                _ => "treated",
            };
            let intervention = interventions[row].as_deref().unwrap_or_default();
            let new = || Place { well, role, intervention, row_of: BTreeMap::new(), is_outlier: false };
            let place = places.entry(plate).or_default().entry(well).or_insert_with(new);
            place.row_of.entry(measure).or_insert(row);
            place.is_outlier |= outliers[row];
        }
        let all = || places.values().flat_map(BTreeMap::keys);
        Ok(Self {
            n_rows: all().map(|well| well.row() + 1).max().unwrap_or(0),
            n_columns: all().map(|well| well.column()).max().unwrap_or(0),
            by_plate: places.into_iter().map(|(plate, wells)| (plate, wells.into_values().collect())).collect(),
        })
    }

    pub(super) fn in_order<'b>(&'b self, order: &'b [&str]) -> impl Iterator<Item = &'b Place<'a>> {
        order.iter().flat_map(|plate| &self.by_plate[*plate])
    }

    pub(super) fn views(&self, table: &Table, order: &[&str]) -> Result<Vec<View>, FileError> {
        let mut views = Vec::new();
        for (measure, label) in [(DISTANCE, "distance to controls"), (CELLS, "cell count")] {
            for (column, words, kind) in [
                ("z", "in spreads of the plate's controls", "diverging"),
                ("residual", "less what is expected of the well", "diverging"),
                ("value", "as measured", "sequential"),
            ] {
                let numbers = table.numbers(column)?;
                let values: Vec<Option<f64>> =
                    self.in_order(order).map(|place| numbers[*place.row_of.get(measure)?].map(rounded)).collect();
                if values.iter().all(Option::is_none) {
                    continue;
                }
                let (low, high) = if kind == "diverging" { (-MOST_SPREADS, MOST_SPREADS) } else { most_of(&values) };
                views.push(View { label: format!("{label}, {words}"), kind, low, high, values });
            }
        }
        let roles = ["treated", "negative control", "positive control"];
        let role = |place: &Place| roles.iter().position(|role| *role == place.role).map(|role| role as f64);
        views.push(View {
            label: "role".into(),
            kind: "category",
            low: 0.0,
            high: 0.0,
            values: self.in_order(order).map(role).collect(),
        });
        let (interventions, of) = self.interventions(order);
        let values = of.iter().map(|&index| (interventions[index] != "untreated").then_some(index as f64));
        views.push(View {
            label: "intervention".into(),
            kind: "category",
            low: 0.0,
            high: 0.0,
            values: values.collect(),
        });
        Ok(views)
    }

    /// All interventions, sorted, and that of each well.
    pub(super) fn interventions(&self, order: &[&str]) -> (Vec<String>, Vec<usize>) {
        let mut names: Vec<&str> = self.in_order(order).map(|place| place.intervention).collect();
        names.sort_unstable();
        names.dedup();
        let of = self.in_order(order).map(|place| names.binary_search(&place.intervention).unwrap_or(0)).collect();
        (names.into_iter().map(str::to_owned).collect(), of)
    }

    pub(super) fn roles(&self, order: &[&str]) -> Vec<&'static str> {
        self.in_order(order).map(|place| place.role).collect()
    }

    pub(super) fn map(&self, plate: &str, places: &[Place<'_>], classes: &[String]) -> Drawing {
        const MARGIN: f64 = 20.0;
        let size = (WIDTH - MARGIN) / f64::from(self.n_columns.max(1));
        let height = MARGIN + size * f64::from(self.n_rows);
        let label = format!(
            "Map of plate {plate}: {} wells in {} rows and {} columns",
            places.len(),
            self.n_rows,
            self.n_columns
        );
        let mut drawing = Drawing::new(WIDTH, (height + 1.0).ceil(), label);
        let every = (14.0 / size).ceil().max(1.0) as u8;
        for column in (1..=self.n_columns).filter(|column| (column - 1) % every == 0) {
            let x = MARGIN + size * (f64::from(column) - 0.5);
            drawing.text("tick", (x, 13.0), Anchor::Middle, &column.to_string());
        }
        for row in (0..self.n_rows).filter(|row| row % every == 0) {
            let y = MARGIN + size * (f64::from(row) + 0.5) + 4.0;
            let name = Well::at(i64::from(row) + 1, 1).map(|well| well.to_string()).unwrap_or_default();
            drawing.text("tick", (MARGIN - 4.0, y), Anchor::End, name.trim_end_matches(char::is_numeric));
        }
        let (side, gap) = (short((size * 0.92).max(size - 1.5)), size);
        drawing.push("<g class=\"wells\">");
        for (place, class) in places.iter().zip(classes) {
            let x = short(MARGIN + gap * (f64::from(place.well.column()) - 1.0));
            let y = short(MARGIN + gap * f64::from(place.well.row()));
            let mark = match (place.is_outlier, place.role) {
                (true, _) => " out",
                (false, "treated") => "",
                _ => " con",
            };
            let class = escaped(class);
            drawing.push(&format!(
                "<rect class=\"{class}{mark}\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/>"
            ));
        }
        drawing.push("</g>");
        drawing
    }
}

impl View {
    /// The color of a well.
    pub(super) fn class(&self, at: usize) -> String {
        let Some(value) = self.values[at] else { return "none".to_owned() };
        let letter = if self.kind == "diverging" { 'd' } else { 'q' };
        let step = ((value - self.low) / (self.high - self.low).max(1e-12) * STEPS).floor().clamp(0.0, STEPS - 1.0);
        if self.kind == "category" { format!("k{}", value as usize % 8) } else { format!("{letter}{step}") }
    }

    /// Classes of color with the values where they begin.
    pub(super) fn legend(&self) -> Vec<(String, String)> {
        let letter = if self.kind == "diverging" { 'd' } else { 'q' };
        let begin = |step: usize| self.low + (self.high - self.low) * step as f64 / STEPS;
        (0..STEPS as usize).map(|step| (format!("{letter}{step}"), significant(begin(step)))).collect()
    }
}

/// Enough digits for a color and a name.
fn rounded(value: f64) -> f64 {
    significant(value).parse().unwrap_or(value)
}

/// The range that holds all but the lowest and highest fiftieth of the values.
fn most_of(values: &[Option<f64>]) -> (f64, f64) {
    let mut known: Vec<f64> = values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
    known.sort_by(f64::total_cmp);
    let (Some(last), cut) = (known.len().checked_sub(1), known.len() / 50) else { return (0.0, 1.0) };
    (known[cut], known[last - cut])
}
