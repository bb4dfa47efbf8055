//! How far the wells of each dose lie from the controls, as they were measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::drawing::{Axis, DOSE_BOTTOM, Drawing, plain};
use crate::table::{FileError, Table};

/// Perturbations that are drawn.
const MOST: usize = 12;

/// The section: a panel for each of the perturbations with the largest effects.
#[derive(Debug, Serialize)]
pub(super) struct Effects {
    panels: Vec<EffectPanel>,
    n_others: usize,
    #[serde(skip)]
    drawings: Vec<(String, Drawing)>,
}

#[derive(Debug, Serialize)]
struct EffectPanel {
    title: String,
    svg: String,
    /// Dose, median and number of wells.
    rows: Vec<(String, String, usize)>,
}

/// The wells of one perturbation by dose, and the median of each dose.
#[derive(Default)]
struct Doses {
    wells: Vec<(f64, f64)>,
    medians: BTreeMap<u64, (f64, f64, usize)>,
}

impl Effects {
    /// `None` where no perturbation has three doses.
    ///
    /// # Errors
    /// Where the table of wells lacks a column.
    pub(super) fn of(wells: &Table) -> Result<Option<Self>, FileError> {
        let (measures, perturbations, contexts) =
            (wells.text("measure")?, wells.text("perturbation")?, wells.text("context")?);
        let (doses, values, medians) =
            (wells.numbers("dose_um")?, wells.numbers("value")?, wells.numbers("treatment_median")?);
        let mut groups = BTreeMap::<String, Doses>::new();
        for row in (0..wells.n_rows()).filter(|&row| measures[row].as_deref() == Some("distance_to_controls")) {
            let (Some(name), Some(dose), Some(value), Some(median)) =
                (&perturbations[row], doses[row], values[row], medians[row])
            else {
                continue;
            };
            let title = contexts[row].as_ref().map_or(name.clone(), |context| format!("{name}, {context}"));
            let group = groups.entry(title).or_default();
            group.wells.push((dose, value));
            group.medians.entry(dose.to_bits()).or_insert((dose, median, 0)).2 += 1;
        }
        let mut groups: Vec<(String, Doses)> =
            groups.into_iter().filter(|(_, doses)| doses.medians.len() >= 3).collect();
        let largest = |doses: &Doses| doses.medians.values().map(|(_, median, _)| *median).fold(0.0, f64::max);
        groups.sort_by(|a, b| largest(&b.1).total_cmp(&largest(&a.1)));
        let n_others = groups.len().saturating_sub(MOST);
        groups.truncate(MOST);
        if groups.is_empty() {
            return Ok(None);
        }
        let all = groups.iter().flat_map(|(_, doses)| &doses.wells).map(|(_, value)| *value);
        let vertical = Axis::over(all.chain([0.0]), DOSE_BOTTOM, 8.0);
        let (mut panels, mut drawings) = (Vec::new(), Vec::new());
        for (title, doses) in groups {
            let drawing = drawn(&title, &doses, &vertical);
            let rows =
                doses.medians.values().map(|(dose, median, n)| (dose.to_string(), plain(*median, 2), *n)).collect();
            let name: String =
                title.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
            panels.push(EffectPanel { title, svg: drawing.inline(), rows });
            drawings.push((format!("effect-{name}"), drawing));
        }
        Ok(Some(Self { panels, n_others, drawings }))
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = (String, Drawing)> {
        self.drawings.iter().cloned()
    }
}

fn drawn(title: &str, doses: &Doses, vertical: &Axis) -> Drawing {
    let label = format!("Distance to controls of wells of {title} by dose; the table below has the medians");
    let (mut drawing, horizontal) = Drawing::by_dose(label, doses.wells.iter().map(|(dose, _)| *dose), vertical);
    let (left, right) = horizontal.span();
    drawing.line("ceiling", (left, vertical.at(1.0)), (right, vertical.at(1.0)));
    let medians: Vec<(f64, f64)> =
        doses.medians.values().map(|(dose, median, _)| (horizontal.at(*dose), vertical.at(*median))).collect();
    drawing.curve("curve learned", &medians);
    for (dose, value) in &doses.wells {
        drawing.circle("dot simple", (horizontal.at(*dose), vertical.at(*value)), 2.6);
    }
    drawing
}
