//! Which observations train, which stop training, which calibrate and which judge.
//!
//! The parts are disjoint by the unit of the claim: a treatment held out of training is held out with all its wells.

mod families;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::families::{assign, by_place, condition_families, dose_families, families, perturbation_families};
use super::PairError;
use crate::screen::{Application, Role, Screen, Track, Treatment, Well};

/// What a split holds out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Doses of perturbations of which at least two other doses stay.
    #[default]
    Dose,
    /// Perturbations (or sets of them) with all their doses, in every context, and the combinations that contain them.
    Intervention,
    /// Interventions with their doses, whatever their duration and context: one combination of doses at a time.
    Condition,
    /// Contexts of interventions of which at least one other context stays.
    Context,
    /// Plates, with their controls.
    Plate,
    /// Lab batches, with their controls.
    LabBatch,
    /// Rows of plates (A, B, …), the same ones on every plate, with their controls.
    PlateRow,
    /// Columns of plates (1, 2, …), the same ones on every plate, with their controls.
    PlateColumn,
}

impl SplitBy {
    /// The unit in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dose => "dose",
            Self::Intervention => "intervention",
            Self::Condition => "condition",
            Self::Context => "context",
            Self::Plate => "plate",
            Self::LabBatch => "lab_batch",
            Self::PlateRow => "plate_row",
            Self::PlateColumn => "plate_column",
        }
    }

    /// Whether parts of one plate fall into different parts of the split, its controls among them.
    pub fn is_within_plates(self) -> bool {
        matches!(self, Self::PlateRow | Self::PlateColumn)
    }
}

/// What an observation may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Fits the weights and every pooled statistic.
    Train,
    /// Stops training and chooses every knob, and how much of the model is combined with simple methods.
    Validation,
    /// Sets the width of intervals.
    Calibration,
    /// Is scored once per configuration.
    Test,
}

impl Part {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

/// Settings of the split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// What is held out as a whole.
    pub by: SplitBy,
    /// Number of test folds; every unit that can be held out is in the test part of exactly one, a combination also in
    /// those of its members. 0 tests nothing.
    pub folds: usize,
    /// Which fold is the test part, from 0.
    pub fold: usize,
    /// Share of the units that can be held out which goes to validation.
    pub validation: f64,
    /// Share of the units that can be held out which goes to calibration.
    pub calibration: f64,
    /// Seed of the assignment.
    pub seed: u64,
    /// What is tested, as a query over treated rows: all interventions that it meets, each whole in its context. Counts for
    /// more than `by` and `folds`; empty leaves the choice to them.
    pub test: String,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { by: SplitBy::Dose, folds: 5, fold: 0, validation: 0.12, calibration: 0.16, seed: 0, test: String::new() }
    }
}

/// The part of every observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    parts: Vec<Part>,
}

impl Split {
    /// Everything trains.
    #[cfg(test)]
    pub(crate) fn none(screen: &Screen) -> Self {
        Self { parts: vec![Part::Train; screen.n_observations()] }
    }

    /// Assigns every observation of `screen` to a part.
    ///
    /// # Errors
    /// When the screen has nothing to hold out by that unit, or `fold` is not below `folds`.
    pub fn new(screen: &Screen, config: &SplitConfig) -> Result<Self, PairError> {
        let error = |reason: String| PairError::Split { by: config.by.name(), reason };
        if config.folds > 0 && config.fold >= config.folds {
            return Err(error(format!(
                "fold {} is not below folds = {}; count folds from 0",
                config.fold, config.folds
            )));
        }
        let least = if config.by == SplitBy::Dose { 3 } else { 2 };
        if (1..least).contains(&config.folds) {
            let reason =
                format!("folds = {} would leave too little to train on; give 0 or at least {least}", config.folds);
            return Err(error(reason));
        }
        if config.folds == 0 && config.validation == 0.0 && config.calibration == 0.0 {
            return Ok(Self { parts: vec![Part::Train; screen.n_observations()] });
        }
        let is_control = |row: usize| screen.unit(row).role == Role::NegativeControl;
        let parts = match config.by {
            SplitBy::Plate => {
                let plates = (0..screen.n_observations()).map(|row| screen.unit(row).plate.clone()).collect();
                by_place(plates, config)
            }
            SplitBy::LabBatch => {
                let batch = |row: usize| screen.unit(row).lab_batch.clone();
                let batches: Option<Vec<String>> = (0..screen.n_observations()).map(batch).collect();
                let batches =
                    batches.ok_or_else(|| error("not every row has a lab batch; map the column `lab_batch`".into()))?;
                by_place(batches, config)
            }
            SplitBy::PlateRow | SplitBy::PlateColumn => {
                let wells: Option<Vec<Well>> = screen.units.by_row().map(|observation| observation.well).collect();
                let wells = wells.ok_or_else(|| error("not every row has a well; map the column `well`".into()))?;
                let place = |well: Well| match config.by {
                    SplitBy::PlateRow => well.row(),
                    _ => well.column(),
                };
                // Two digits, so that rows and columns sort as they stand on the plate.
                by_place(wells.into_iter().map(|well| format!("{:02}", place(well))).collect(), config)
            }
            SplitBy::Dose | SplitBy::Intervention | SplitBy::Condition | SplitBy::Context => {
                let treatments: Vec<Treatment> = screen.treatments().into_keys().collect();
                let families = match config.by {
                    SplitBy::Dose => dose_families(&treatments),
                    SplitBy::Condition => condition_families(&treatments),
                    SplitBy::Context => {
                        families(&treatments, 1, |treatment| Some(treatment.intervention.members().to_vec()))
                    }
                    _ => perturbation_families(&treatments),
                };
                if families.is_empty() {
                    return Err(error(match config.by {
                        SplitBy::Dose => {
                            "no perturbation has three doses or more in one context; split by intervention".into()
                        }
                        SplitBy::Context => {
                            "no intervention was measured in two contexts; name the columns of the context under \
                             `columns.context`"
                                .into()
                        }
                        SplitBy::Condition => "there are fewer than two conditions".into(),
                        _ => "there are fewer than two perturbations".into(),
                    }));
                }
                let of_treatment = assign(families, config);
                let part_of = |row: usize| {
                    if is_control(row) {
                        return Part::Train;
                    }
                    *of_treatment.get(&screen.unit(row).treatment()).unwrap_or(&Part::Train)
                };
                (0..screen.n_observations()).map(part_of).collect()
            }
        };
        Ok(Self { parts }.of_objects(screen.design.tracks()))
    }

    /// Tests the interventions of `rows`, each whole in its context, whatever its duration, and draws validation and
    /// calibration from the rest.
    ///
    /// # Errors
    /// When no other condition is left.
    pub fn holding_out(screen: &Screen, rows: &[usize], config: &SplitConfig) -> Result<Self, PairError> {
        let place = |row: usize| {
            let unit = screen.unit(row);
            (unit.intervention.members(), unit.context.as_str())
        };
        let tested: BTreeSet<(&[Application], &str)> = rows.iter().map(|&row| place(row)).collect();
        let others: Vec<Treatment> = screen
            .treatments()
            .into_keys()
            .filter(|treatment| !tested.contains(&(treatment.intervention.members(), treatment.context.as_str())))
            .collect();
        let families = condition_families(&others);
        if families.is_empty() {
            let reason = "`split.test` leaves fewer than two conditions; make it narrower".into();
            return Err(PairError::Split { by: SplitBy::Condition.name(), reason });
        }
        let of_treatment = assign(families, &SplitConfig { folds: 0, ..config.clone() });
        let part_of = |row: usize| {
            let observation = screen.unit(row);
            if observation.role == Role::NegativeControl {
                Part::Train
            } else if tested.contains(&place(row)) {
                Part::Test
            } else {
                *of_treatment.get(&observation.treatment()).unwrap_or(&Part::Train)
            }
        };
        let split = Self { parts: (0..screen.n_observations()).map(part_of).collect() };
        Ok(split.of_objects(screen.design.tracks()))
    }

    /// The split in which every object goes where its last frame goes: first frames are untreated, and untreated rows train.
    fn of_objects(mut self, tracks: &[Track]) -> Self {
        for track in tracks {
            let part = self.part(track.last());
            track.rows.iter().for_each(|&row| self.parts[row] = part);
        }
        self
    }

    /// The split with `n_rows` more observations, all of one part.
    pub fn extended(&self, n_rows: usize, part: Part) -> Self {
        let mut parts = self.parts.clone();
        parts.resize(parts.len() + n_rows, part);
        Self { parts }
    }

    /// The same with the observations at `rows` in `part`.
    pub fn with_rows_in(&self, part: Part, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut parts = self.parts.clone();
        rows.into_iter().for_each(|row| parts[row] = part);
        Self { parts }
    }

    /// The parts of the observations at `rows`, in that order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { parts: rows.iter().map(|&row| self.parts[row]).collect() }
    }

    /// The part of the observation at `row`.
    pub fn part(&self, row: usize) -> Part {
        self.parts[row]
    }

    /// Rows of a part, in order.
    pub fn rows(&self, part: Part) -> Vec<usize> {
        (0..self.parts.len()).filter(|&row| self.parts[row] == part).collect()
    }

    /// Treated rows of a part by treatment.
    pub fn treatments(&self, screen: &Screen, part: Part) -> BTreeMap<Treatment, Vec<usize>> {
        let mut treatments = screen.treatments();
        treatments.retain(|_, rows| {
            rows.retain(|&row| self.part(row) == part);
            !rows.is_empty()
        });
        treatments
    }
}
