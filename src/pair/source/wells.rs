//! Wells that are measured once: from the controls of their plate, or from zero where values are relative to control.

use std::collections::BTreeMap;

use super::Source;
use crate::pair::anchor::lower_doses;
use crate::pair::pair_set::{anchors, nothing_to_train};
use crate::pair::transitions::Transition;
use crate::pair::{Anchoring, PairError, PairSet, Part, Path, Split, State, Validation};
use crate::screen::{Intervention, Role, Screen, Treatment};

/// Where all wells start.
pub(super) struct Wells {
    pub(super) start: State,
}

impl Source for Wells {
    /// From `start` to every treated well of training.
    fn pairs(&self, screen: &Screen, split: &Split, _rollout: usize) -> Result<PairSet, PairError> {
        let start = self.start;
        let by_treatment = split.treatments(screen, Part::Train);
        if by_treatment.is_empty() {
            return Err(nothing_to_train(screen));
        }
        let units: BTreeMap<usize, Vec<usize>> = screen
            .wells()
            .into_iter()
            .filter(|rows| split.part(rows[0]) == Part::Train)
            .map(|rows| (rows[0], rows))
            .collect();
        let controls: BTreeMap<String, Vec<usize>> = match start {
            State::Controls => training_controls(screen, split),
            _ => BTreeMap::new(),
        };
        let (treatments, rows): (Vec<_>, Vec<_>) = by_treatment.into_iter().unzip();
        let has_start = |row: &&usize| start != State::Controls || controls.contains_key(&screen.unit(**row).plate);
        if let Some(&row) = rows.iter().flatten().find(|row| !has_start(row)) {
            return Err(PairError::NoControls { plate: screen.unit(row).plate.clone() });
        }
        let paths = rows.iter().enumerate().map(|(treatment, rows)| {
            let of_units = rows.iter().filter(|row| units.contains_key(row));
            of_units.map(|&target| Path::of_step(treatment, start, target)).collect()
        });
        let paths = paths.collect();
        let validation = split.treatments(screen, Part::Validation).into_iter().map(|(treatment, rows)| {
            let bag = |row: &usize| controls.get(&screen.unit(*row).plate).cloned();
            Validation { start: rows.iter().filter_map(bag).collect(), steps: vec![(treatment, rows)] }
        });
        let validation = validation.collect();
        let untreated = controls.values().flatten().copied().collect();
        let anchoring = Anchoring::Between;
        let lower_doses = treatments.iter().map(|treatment| lower_doses(treatment, &treatments)).collect();
        Ok(PairSet {
            anchors: anchors(anchoring, &treatments),
            present: treatments.clone(),
            n_steps: 1,
            grid_hours: None,
            treatments,
            rows,
            paths,
            controls,
            untreated,
            units,
            anchoring,
            lower_doses,
            validation,
        })
    }

    fn transitions(&self, screen: &Screen, split: &Split) -> Vec<Transition> {
        let from_controls = self.start == State::Controls;
        let mut controls = BTreeMap::<(&str, bool), Vec<usize>>::new();
        for (plate, rows) in screen.controls_by_plate().into_iter().filter(|_| from_controls) {
            let is_training = |row: &usize| split.part(*row) == Part::Train;
            controls.insert((plate, true), rows.iter().copied().filter(is_training).collect());
            controls.insert((plate, false), rows);
        }
        let wells: BTreeMap<usize, Vec<usize>> = screen.wells().into_iter().map(|rows| (rows[0], rows)).collect();
        let training = split.treatments(screen, Part::Train);
        let treatments: Vec<Treatment> = training.keys().cloned().collect();
        let mut all = Vec::new();
        for rows in wells.values() {
            let unit = screen.unit(rows[0]);
            if !unit.role.is_treated() {
                continue;
            }
            let part = split.part(rows[0]);
            // Training sees controls of its own part alone, which are not all where parts of plates are held out.
            let key = (unit.plate.as_str(), part == Part::Train);
            all.push(Transition {
                part,
                start: if from_controls { "controls" } else { "zero" },
                start_intervention: Intervention::untreated(),
                start_rows: controls.get(&key).cloned().unwrap_or_default(),
                applied: unit.intervention.clone(),
                target_rows: rows.clone(),
            });
            if part != Part::Train {
                continue;
            }
            for lower in lower_doses(&unit.treatment(), &treatments) {
                all.push(Transition {
                    part,
                    start: "lower dose",
                    start_intervention: treatments[lower].intervention.clone(),
                    start_rows: training[&treatments[lower]].clone(),
                    applied: unit.intervention.clone(),
                    target_rows: rows.clone(),
                });
            }
        }
        all
    }
}

/// Training rows of the negative controls of each plate that has any.
fn training_controls(screen: &Screen, split: &Split) -> BTreeMap<String, Vec<usize>> {
    let is_training = |row: &usize| split.part(*row) == Part::Train;
    screen
        .rows_by_plate(|observation| observation.role == Role::NegativeControl)
        .into_iter()
        .map(|(plate, rows)| (plate.to_owned(), rows.into_iter().filter(is_training).collect()))
        .filter(|(_, rows): &(String, Vec<usize>)| !rows.is_empty())
        .collect()
}
