//! Predictions from where the target's wells stood or how many cells they held: what is no biology of the treatment.
//!
//! These need to know the target's own wells, given as rows of the screen. Of those rows only the plate, the well, the
//! lab batch and the cell count are read, never the features.

use std::collections::BTreeMap;

use super::consensus::{Rows, shifted, weighted_mean};
use super::{Fitted, Profiles};
use crate::predict::{Abstains, Method};
use crate::screen::{Role, Screen, Treatment, Unit, Well};

/// Mean of the training wells at the target's well position on other plates, that were given another intervention.
///
/// Wells of the target's own context are asked first. Where none of them stood there, those of other contexts are, each
/// carried over by the difference of the contexts' controls. Wells of the same intervention do not count: plates of one
/// layout hold it at the same position, and that would be looking it up, not knowing where it stood.
/// Averaged over the target's wells; abstains when no such well stood at any of their positions.
pub fn well_position<'a>(
    profiles: &'a Profiles,
    screen: &'a Screen,
    training: &'a Rows,
    target_rows: &'a Rows,
) -> Fitted<'a> {
    let mut at_well = BTreeMap::<Well, Vec<(&Treatment, usize)>>::new();
    for (treatment, rows) in training {
        for &row in rows {
            if let Some(well) = screen.unit(row).well {
                at_well.entry(well).or_default().push((treatment, row));
            }
        }
    }
    profiles.fitted(Method::WellPosition, move |target| {
        let own_control = profiles.control(&target.context)?;
        let mean_at = |own: &Unit| {
            let others = at_well.get(&own.well?)?.iter().filter(|(treatment, row)| {
                treatment.intervention != target.intervention && screen.unit(*row).plate != own.plate
            });
            let (same, other): (Vec<_>, Vec<_>) =
                others.partition(|(treatment, _)| treatment.context == target.context);
            let neighbors = if same.is_empty() { other } else { same };
            let carried: Vec<_> = neighbors
                .into_iter()
                .filter_map(|(treatment, row)| {
                    let profile = screen.features.read_row(row);
                    Some((shifted(own_control, 1.0, &profile, profiles.control(&treatment.context).ok()?), 1.0))
                })
                .collect();
            weighted_mean(&carried)
        };
        let rows = target_rows.get(target).ok_or(Abstains::NoWell)?;
        let means = rows.iter().filter_map(|&own| mean_at(screen.unit(own)));
        weighted_mean(&means.map(|mean| (mean, 1.0)).collect::<Vec<_>>()).ok_or(Abstains::NoWell)
    })
}

/// Mean of the training wells of the target's lab batch (of its plate, where no lab batch is known) and context.
///
/// Averaged over the target's wells; abstains when the batch holds no training well.
pub fn batch_only<'a>(
    profiles: &'a Profiles,
    screen: &'a Screen,
    training: &'a Rows,
    target_rows: &'a Rows,
) -> Fitted<'a> {
    let is_alike = |own: &Unit, other: &Unit| match &own.lab_batch {
        Some(batch) => other.lab_batch.as_ref() == Some(batch),
        None => own.plate == other.plate,
    };
    profiles.fitted(Method::BatchOnly, move |target| {
        let rows = target_rows.get(target).ok_or(Abstains::NoWell)?;
        let means: Vec<_> = rows
            .iter()
            .filter_map(|&own| {
                let own = screen.unit(own);
                let rows: Vec<usize> = training
                    .iter()
                    .filter(|(treatment, _)| treatment.context == target.context)
                    .flat_map(|(_, rows)| rows.iter().copied())
                    .filter(|&row| is_alike(own, screen.unit(row)))
                    .collect();
                (!rows.is_empty()).then(|| (screen.features.mean_of(&rows), 1.0))
            })
            .collect();
        weighted_mean(&means).ok_or(Abstains::NoWell)
    })
}

/// Each feature as a straight line in log cell count, fitted on training wells and controls of the same context.
///
/// The count of a well is taken as ln(1 + count) minus the median of that over its plate's negative controls (over
/// its plate's training wells where there are none). This reads the *outcome's own* cell count, which no real forecast has: it is an
/// upper bound on what toxicity alone explains, not a fair competitor. Abstains where the target has no count, or the
/// context fewer than three wells with one.
pub fn cell_count_only<'a>(
    profiles: &'a Profiles,
    screen: &'a Screen,
    training: &'a Rows,
    target_rows: &'a Rows,
) -> Fitted<'a> {
    let training_rows: Vec<usize> = training.values().flatten().copied().collect();
    let log_count = relative_log_counts(screen, &training_rows);
    let mut fit_rows = BTreeMap::<&str, Vec<usize>>::new();
    let controls = (0..screen.n_observations()).filter(|&row| screen.unit(row).role == Role::NegativeControl);
    for row in training_rows.iter().copied().chain(controls).filter(|&row| log_count[row].is_some()) {
        fit_rows.entry(&screen.unit(row).context).or_default().push(row);
    }
    let lines: BTreeMap<&str, Lines> = fit_rows
        .into_iter()
        .filter(|(_, rows)| rows.len() >= 3)
        .map(|(context, rows)| (context, Lines::fit(screen, &rows, &log_count)))
        .collect();
    profiles.fitted(Method::CellCountOnly, move |target| {
        let lines = lines.get(target.context.as_str()).ok_or(Abstains::NoWell)?;
        let rows = target_rows.get(target).ok_or(Abstains::NoWell)?;
        let counts: Vec<f64> = rows.iter().filter_map(|&row| log_count[row]).collect();
        let mean = || counts.iter().sum::<f64>() / counts.len() as f64;
        if counts.is_empty() { Err(Abstains::NoWell) } else { Ok(lines.at(mean())) }
    })
}

/// One straight line for each feature.
struct Lines {
    mean_count: f64,
    means: Vec<f32>,
    slopes: Vec<f64>,
}

impl Lines {
    fn fit(screen: &Screen, rows: &[usize], log_count: &[Option<f64>]) -> Self {
        let counts: Vec<f64> = rows.iter().filter_map(|&row| log_count[row]).collect();
        let mean_count = counts.iter().sum::<f64>() / counts.len() as f64;
        let spread: f64 = counts.iter().map(|count| (count - mean_count).powi(2)).sum();
        let means = screen.features.mean_of(rows);
        let mut slopes = vec![0.0f64; means.len()];
        if spread > 0.0 {
            for (&row, count) in rows.iter().zip(&counts) {
                for (slope, &value) in slopes.iter_mut().zip(screen.features.read_row(row).iter()) {
                    *slope += (count - mean_count) / spread * f64::from(value);
                }
            }
        }
        Self { mean_count, means, slopes }
    }

    fn at(&self, count: f64) -> Vec<f32> {
        let along = count - self.mean_count;
        self.means.iter().zip(&self.slopes).map(|(&mean, slope)| (f64::from(mean) + slope * along) as f32).collect()
    }
}

/// ln(1 + count) of each observation against its plate; `None` where the count or the plate's reference is unknown.
fn relative_log_counts(screen: &Screen, training_rows: &[usize]) -> Vec<Option<f64>> {
    let logs: Vec<Option<f64>> = screen.units.by_row().map(|unit| unit.cell_count.map(f64::ln_1p)).collect();
    let mut by_plate = BTreeMap::<&str, Vec<f64>>::new();
    for (plate, rows) in screen.controls_by_plate() {
        by_plate.insert(plate, rows.iter().filter_map(|&row| logs[row]).collect());
    }
    by_plate.retain(|_, logs| !logs.is_empty());
    let mut without_controls = BTreeMap::<&str, Vec<f64>>::new();
    for &row in training_rows {
        let plate = screen.unit(row).plate.as_str();
        if !by_plate.contains_key(plate) {
            without_controls.entry(plate).or_default().extend(logs[row]);
        }
    }
    by_plate.extend(without_controls.into_iter().filter(|(_, logs)| !logs.is_empty()));
    let medians: BTreeMap<&str, f64> = by_plate.into_iter().map(|(plate, logs)| (plate, median(logs))).collect();
    screen.units.by_row().zip(&logs).map(|(unit, log)| Some((*log)? - medians.get(unit.plate.as_str())?)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    fn wells() -> (Screen, [Treatment; 1]) {
        let target = treatment(&[("t", 1.0)], "");
        let mut screen = screen(&[
            ("p", "B02", target.clone(), [100.0, 100.0]),
            ("q", "B02", treatment(&[("a", 1.0)], ""), [1.0, 2.0]),
            ("r", "B02", treatment(&[("b", 1.0)], ""), [3.0, 4.0]),
            ("p", "B03", treatment(&[("b", 1.0)], ""), [7.0, 8.0]),
            ("p", "A01", treatment(&[], ""), [0.0, 1.0]),
            ("q", "A01", treatment(&[], ""), [0.0, 1.0]),
            ("r", "A01", treatment(&[], ""), [0.0, 1.0]),
        ]);
        let e = std::f64::consts::E;
        let counts = [e * e * 10.0, e * 20.0, e * 40.0, e * 10.0, 10.0, 20.0, 40.0];
        screen.units = screen.units.changed(&[], |row, unit| unit.cell_count = Some(counts[row] - 1.0));
        (screen, [target])
    }

    /// The target stands in B02 of plate p. In its own context only its own intervention did, on plate q: no help.
    /// In context y another did, 3 and 1 above y's controls.
    #[test]
    fn position_is_looked_up_in_other_contexts_but_never_for_the_same_intervention() {
        let screen = screen(&[
            ("p", "B02", treatment(&[("t", 1.0)], "x"), [100.0, 100.0]),
            ("q", "B02", treatment(&[("t", 1.0)], "y"), [50.0, 50.0]),
            ("r", "B02", treatment(&[("a", 1.0)], "y"), [5.0, 5.0]),
            ("p", "A01", treatment(&[], "x"), [1.0, 0.0]),
            ("r", "A01", treatment(&[], "y"), [2.0, 4.0]),
        ]);
        let targets = [treatment(&[("t", 1.0)], "x")];
        let (training, all) = (training(&screen, &targets), screen.treatments());
        let position = well_position(&Profiles::of(&screen, &training), &screen, &training, &all).ask(&targets);
        assert_eq!(position.profiles.values(), [4.0, 1.0]);
    }

    #[test]
    fn position_batch_and_count_read_no_features_of_the_target() {
        let (mut screen, targets) = wells();
        let all = screen.treatments();
        let training = training(&screen, &targets);
        let ask = |screen: &Screen| {
            let profiles = Profiles::of(screen, &training);
            let asked = |fitted: Fitted| fitted.ask(&targets).profiles.values().to_vec();
            [well_position, batch_only, cell_count_only].map(|fit| asked(fit(&profiles, screen, &training, &all)))
        };
        let [position, batch, count] = ask(&screen);
        assert_eq!(position, [2.0, 3.0]);
        assert_eq!(batch, [7.0, 8.0]);
        // One log unit more than control gave (11/3, 14/3) on average, none gave (0, 1): two units by the line.
        assert!((count[0] - 22.0 / 3.0).abs() < 1e-5 && (count[1] - 25.0 / 3.0).abs() < 1e-5, "{count:?}");
        screen.features.in_memory_mut().row_mut(0).fill(-5.0);
        assert_eq!(ask(&screen)[2], count);
        let (profiles, nothing) = (Profiles::of(&screen, &training), BTreeMap::new());
        let found = well_position(&profiles, &screen, &training, &nothing).ask(&targets);
        assert_eq!(found.abstained, [(targets[0].clone(), Abstains::NoWell)]);
    }
}
