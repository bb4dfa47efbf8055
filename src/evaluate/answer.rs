//! One shape of answer: what a method says of a held-out unit, and what was measured there.

use std::fmt::Display;

use crate::pair::Part;
use crate::predict::Method;
use crate::screen::{Treatment, Well};
use crate::table::{Column, Table};

/// What a method says of one unit, and what was measured there.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<P, O = P, M = Method> {
    /// Of which unit.
    pub unit: UnitName,
    /// What was done there, for all of a time lapse.
    pub treatment: Treatment,
    /// Fold of the split.
    pub fold: usize,
    /// What the unit was for in that fold.
    pub part: Part,
    /// Who says so.
    pub method: M,
    /// What is said.
    pub predicted: P,
    /// What was measured.
    pub observed: O,
}

/// How a unit is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitName {
    /// A well of a plate, which may have no name.
    Well {
        /// The plate.
        plate: String,
        /// The well.
        well: Option<Well>,
    },
    /// A track in a field of view.
    Track {
        /// The field of view.
        field: String,
        /// The track.
        track: String,
    },
}

impl UnitName {
    /// What is a replicate of others: the plate of a well, the field of view of a track.
    pub fn place(&self) -> &str {
        match self {
            Self::Well { plate, .. } => plate,
            Self::Track { field, .. } => field,
        }
    }

    /// The name within the place; `None` for a well without a name.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Well { well, .. } => well.map(|well| well.to_string()),
            Self::Track { track, .. } => Some(track.clone()),
        }
    }

    /// The words for place and name, as columns of tables.
    fn columns(&self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Well { .. } => [("plate", "plate of the well"), ("well", "the well")],
            Self::Track { .. } => [("field", "field of view of the track"), ("track", "the track")],
        }
    }
}

/// The columns that all answers have: the unit, what was done, fold, part and method; each answer `n_rows` times.
pub(super) fn answer_table<P, O, M: Display>(
    answers: &[Answer<P, O, M>],
    n_rows: impl Fn(&Answer<P, O, M>) -> usize,
) -> Table {
    let n_rows: Vec<usize> = answers.iter().map(n_rows).collect();
    let each = || answers.iter().zip(&n_rows).flat_map(|(answer, &n_rows)| std::iter::repeat_n(answer, n_rows));
    let mut table = Table::new();
    if let Some([place, name]) = answers.first().map(|answer| answer.unit.columns()) {
        let places = each().map(|answer| Some(answer.unit.place().to_owned())).collect();
        table = table.with(place.0, place.1, Column::Text(places));
        table = table.with(name.0, name.1, Column::Text(each().map(|answer| answer.unit.name()).collect()));
    }
    let contexts = each().map(|answer| Some(answer.treatment.context.clone()).filter(|context| !context.is_empty()));
    let parts = each().map(|answer| Some(answer.part.name().to_owned()));
    let methods = each().map(|answer| Some(answer.method.to_string()));
    table
        .with_interventions(each().map(|answer| &answer.treatment.intervention))
        .with(
            "context",
            "cell line, time and the like; null in a screen of one context",
            Column::Text(contexts.collect()),
        )
        .with("fold", "fold of the split", Column::Integer(each().map(|answer| Some(answer.fold as i64)).collect()))
        .with(
            "part",
            "part of the unit in that fold: train, validation, calibration or test",
            Column::Text(parts.collect()),
        )
        .with("method", "who says so: a prediction method, or a space", Column::Text(methods.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Kind};

    #[test]
    fn every_answer_has_the_same_columns_in_front() {
        let answer = |unit: UnitName| Answer {
            unit,
            treatment: Treatment {
                intervention: Intervention::single("taxol", Kind::Compound, None),
                context: String::new(),
            },
            fold: 2,
            part: Part::Test,
            method: Method::Model,
            predicted: 1.0,
            observed: 2.0,
        };
        let names = |unit: UnitName| {
            let table = answer_table(&[answer(unit)], |_| 3);
            assert_eq!(table.n_rows(), 3);
            table.columns().iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(" ")
        };
        let rest = "intervention perturbation dose_um hours intervention_json context fold part method";
        let well = UnitName::Well { plate: "p".into(), well: None };
        let track = UnitName::Track { field: "f".into(), track: "1".into() };
        assert_eq!([names(well), names(track)], [format!("plate well {rest}"), format!("field track {rest}")]);
    }
}
