//! The columns by which every table of ours names the unit of a row: where it was measured, and what had been done there.

use super::{Column, FileError, Table};
use crate::screen::{Role, Unit, Units};

/// Names of the columns that [`Table::with_units`] adds beside those of the intervention.
pub(crate) const UNIT_COLUMNS: [&str; 7] = ["plate", "well", "role", "context", "lab_batch", "replicate", "cell_count"];

impl Table {
    /// The table with plate, well, role, intervention, context, lab batch, replicate and cell count of each row's unit.
    pub(crate) fn with_units(self, units: &Units) -> Self {
        let text = |of: &dyn Fn(&Unit) -> Option<String>| Column::Text(units.by_row().map(of).collect());
        let unless_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let [plate, well, role, context, lab_batch, replicate, cell_count] = UNIT_COLUMNS;
        self.with(plate, "plate barcode; null where a row averages plates", text(&|row| unless_empty(&row.plate)))
            .with(well, "well on the plate, as in A01", text(&|row| row.well.map(|well| well.to_string())))
            .with(
                role,
                "trt: treated; negcon: negative control; poscon: positive control; empty",
                text(&|row| Some(role_word(row.role).into())),
            )
            .with_interventions(units.by_row().map(|row| &row.intervention))
            .with(
                context,
                "context (cell line, time or donor); null where the screen has one context",
                text(&|row| unless_empty(&row.context)),
            )
            .with(lab_batch, "wells processed together", text(&|row| row.lab_batch.clone()))
            .with(replicate, "replicate as named by the screen", text(&|row| row.replicate.clone()))
            .with(
                cell_count,
                "cells or nuclei counted",
                Column::Number(units.by_row().map(|row| row.cell_count).collect()),
            )
    }

    /// The unit of each row, as [`Table::with_units`] wrote it.
    ///
    /// # Errors
    /// [`FileError`] with the column or row that is not as it should be.
    pub(crate) fn units(&self) -> Result<Vec<Unit>, FileError> {
        let interventions = self.interventions()?;
        let [plate, well, role, context, lab_batch, replicate, cell_count] = UNIT_COLUMNS;
        let (plates, wells, roles) = (self.text(plate)?, self.text(well)?, self.text(role)?);
        let (contexts, lab_batches) = (self.text(context)?, self.text(lab_batch)?);
        let (replicates, cell_counts) = (self.text(replicate)?, self.numbers(cell_count)?);
        let mut units = Vec::with_capacity(interventions.len());
        for (row, intervention) in interventions.into_iter().enumerate() {
            let in_row = |found: &Option<String>| format!("{found:?} in row {}", row + 1);
            let well = match &wells[row] {
                None => None,
                Some(text) => {
                    let wrong = |_| self.wrong_column(well, in_row(&wells[row]), "a well, as in A01");
                    Some(text.parse().map_err(wrong)?)
                }
            };
            let role = roles[row]
                .as_deref()
                .and_then(role_of)
                .ok_or_else(|| self.wrong_column(role, in_row(&roles[row]), "`trt`, `negcon`, `poscon` or `empty`"))?;
            units.push(Unit {
                plate: plates[row].clone().unwrap_or_default(),
                well,
                role,
                intervention,
                context: contexts[row].clone().unwrap_or_default(),
                lab_batch: lab_batches[row].clone(),
                replicate: replicates[row].clone(),
                cell_count: cell_counts[row],
            });
        }
        Ok(units)
    }
}

/// The words that screens use for roles in files.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Treatment => "trt",
        Role::NegativeControl => "negcon",
        Role::PositiveControl => "poscon",
        Role::Empty => "empty",
    }
}

fn role_of(text: &str) -> Option<Role> {
    let roles = [Role::Treatment, Role::NegativeControl, Role::PositiveControl, Role::Empty];
    roles.into_iter().find(|&role| role_word(role) == text)
}
