//! The transitions of a screen as a table: where each starts, what is applied, where it leads, and which part it is for.
//!
//! ```text
//! part   start     start_plate  start_units    start_rows  intervention  target_plate  target_units  target_rows
//! train  controls  P1           A01; A02; H12  0; 1; 95    taxol 0.3 µM  P1            B02           13
//! ```
//!
//! Training draws from these. Those of the other parts are what its predictions are compared with; ladders from a lower dose
//! exist in training alone.

use super::{Part, Split, source};
use crate::screen::{Intervention, Screen};
use crate::table::{Column, Table};

/// One transition, as rows of the screen.
pub(super) struct Transition {
    pub(super) part: Part,
    pub(super) start: &'static str,
    pub(super) start_intervention: Intervention,
    pub(super) start_rows: Vec<usize>,
    pub(super) applied: Intervention,
    pub(super) target_rows: Vec<usize>,
}

/// One row for each transition of `screen`.
pub fn transition_table(screen: &Screen, split: &Split) -> Table {
    let all = source::of(&screen.design).transitions(screen, split);
    let text = |of: &dyn Fn(&Transition) -> Option<String>| Column::Text(all.iter().map(of).collect());
    let joined = |texts: Vec<String>| Some(texts.join("; ")).filter(|text| !text.is_empty());
    let rows = |rows: &[usize]| joined(rows.iter().map(usize::to_string).collect());
    let plate = |rows: &[usize]| rows.first().map(|&row| screen.unit(row).plate.clone());
    let units = |rows: &[usize]| {
        let mut names: Vec<String> = rows.iter().map(|&row| name_of(screen, row)).collect();
        names.dedup();
        joined(names)
    };
    Table::new()
        .with("part", "train, validation, calibration or test", text(&|one| Some(one.part.name().to_owned())))
        .with(
            "start",
            "where it starts: controls of the plate, zero (values relative to control), a lower dose, or an earlier time",
            text(&|one| Some(one.start.to_owned())),
        )
        .with("start_plate", "plate of the start; null for zero", text(&|one| plate(&one.start_rows)))
        .with("start_units", "wells of the start, or objects with their time, separated by `; `", text(&|one| units(&one.start_rows)))
        .with("start_rows", "the same as rows of embeddings.parquet, counted from 0", text(&|one| rows(&one.start_rows)))
        .with(
            "start_intervention",
            "what had been applied before",
            text(&|one| Some(one.start_intervention.to_string())),
        )
        .with_interventions(all.iter().map(|one| &one.applied))
        .with(
            "context",
            "cell line, time and the like; null where the screen has one context",
            text(&|one| Some(screen.unit(one.target_rows[0]).context.clone()).filter(|context| !context.is_empty())),
        )
        .with("target_plate", "plate of the target", text(&|one| plate(&one.target_rows)))
        .with("target_units", "the well that it leads to, or the object with its time", text(&|one| units(&one.target_rows)))
        .with("target_rows", "the same as rows of embeddings.parquet, counted from 0", text(&|one| rows(&one.target_rows)))
}

/// What a row is called on its plate.
fn name_of(screen: &Screen, row: usize) -> String {
    let unit = screen.unit(row);
    let label = |name: &str| Some(format!("{name} {}", screen.label(name)?.values[row].as_ref()?));
    let well = unit.well.map(|well| well.to_string());
    let parts = [well, label("track").or_else(|| label("object")), label("frame")];
    let name: Vec<String> = parts.into_iter().flatten().collect();
    if name.is_empty() { format!("row {row}") } else { name.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::SplitConfig;
    use crate::screen::{Design, FeatureMatrix, Unit, Units, Well};

    /// Two controls and three doses of one compound on one plate.
    fn screen() -> Screen {
        let doses = [None, None, Some(1.0), Some(3.0), Some(10.0)];
        let unit = |(column, dose): (i64, Option<f64>)| Unit {
            plate: "P1".into(),
            well: Well::at(1, column),
            ..Unit::under(dose.map(|dose| ("taxol", Some(dose))))
        };
        Screen {
            name: "s".into(),
            design: Design::AgainstControls,
            units: Units::of_each((1..).zip(doses).map(unit).collect()),
            features: FeatureMatrix::numbered("f", 1, vec![0.0; 5]).into(),
            labels: Vec::new(),
            dropped: Vec::new(),
            origin: Default::default(),
        }
    }

    #[test]
    fn every_treated_well_is_led_to_from_its_controls_and_from_lower_doses() {
        let screen = screen();
        let table = transition_table(&screen, &Split::none(&screen));
        let column = |name: &str| -> Vec<String> {
            table.text(name).unwrap().iter().map(|value| value.clone().unwrap_or_default()).collect()
        };
        let starts = ["controls", "controls", "lower dose", "controls", "lower dose", "lower dose"];
        assert_eq!(column("start"), starts);
        assert_eq!(column("start_units"), ["A01; A02", "A01; A02", "A03", "A01; A02", "A03", "A04"]);
        assert_eq!(column("start_rows")[0], "0; 1");
        assert_eq!(column("target_units"), ["A03", "A04", "A04", "A05", "A05", "A05"]);
        assert!(column("part").iter().all(|part| part == "train"));
        assert!(table.columns().iter().all(|column| !column.doc.is_empty()));
    }

    #[test]
    fn what_is_held_out_starts_from_controls_alone() {
        let screen = screen();
        let config = SplitConfig { folds: 3, validation: 0.0, calibration: 0.0, ..SplitConfig::default() };
        let split = Split::new(&screen, &config).unwrap();
        let table = transition_table(&screen, &split);
        let (parts, starts) = (table.text("part").unwrap(), table.text("start").unwrap());
        let tested: Vec<_> = parts.iter().zip(starts).filter(|(part, _)| part.as_deref() == Some("test")).collect();
        assert_eq!(tested.len(), 1);
        assert_eq!(tested[0].1.as_deref(), Some("controls"));
    }
}
