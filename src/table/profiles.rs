//! The profiles of a screen as a table, for other programs.

use std::collections::BTreeSet;

use super::{Column, INTERVENTION_COLUMNS, Table, UNIT_COLUMNS};
use crate::screen::Screen;

/// Begins the name of a label whose own name is taken.
const LABEL: &str = "label_";

impl Table {
    /// One row for each row of `screen`: its unit, its labels, and its features in the units of the files.
    ///
    /// # Panics
    /// If the features are pixels.
    pub fn of_profiles(screen: &Screen) -> Self {
        let features = screen.measured().in_memory();
        let mut taken: BTreeSet<String> = features.names().iter().cloned().collect();
        taken.extend(UNIT_COLUMNS.iter().chain(&INTERVENTION_COLUMNS).map(|name| (*name).to_owned()));
        let mut table = Self::new().with_fact("screen", &screen.name).with_units(&screen.units);
        for label in &screen.labels {
            let mut name = label.name.clone();
            while !taken.insert(name.clone()) {
                name = format!("{LABEL}{name}");
            }
            table = table.with(name, format!("`{}` of the screen", label.name), Column::Text(label.values.clone()));
        }
        for (index, name) in features.names().iter().enumerate() {
            let values = (0..features.n_rows()).map(|row| features.row(row)[index]).collect();
            table = table.with(name, "feature, in the units of the files", Column::Float32(values));
        }
        table
    }
}
