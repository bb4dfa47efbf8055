//! Whitened spaces: what anybody can do with features who is told which wells are controls, or which were treated alike.
//!
//! Principal components of training rows, whitened by the scatter of their controls or of their replicates. How many
//! components, and how much of the mean eigenvalue is added to each, is chosen on training rows: by how well wells find
//! their own treatment among those of other perturbations when the whitening was fitted without them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Distance, EvaluateError};
use crate::linear::PrincipalComponents;
use crate::normalize::{NormalizeError, Scatter, Sphering, Whitening};
use crate::screen::{FeatureMatrix, Role, Screen, Treatment};

/// Numbers of components that are tried.
const RANKS: [usize; 3] = [25, 50, 100];

/// What is tried to be added to every eigenvalue, as a multiple of the mean eigenvalue.
const FLOORS: [f64; 3] = [0.05, 0.2, 1.0];

/// Folds of perturbations that the choice is made over.
const N_FOLDS: usize = 5;

/// Treatments whose wells are asked in the choice; of more, every n-th.
const MOST_ASKED: usize = 200;

/// Fewer controls than this whiten nothing.
const LEAST_CONTROLS: usize = 8;

/// What is made to scatter alike in all directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    /// Negative controls.
    Controls,
    /// Wells that were treated alike, and the controls of a context.
    Replicates,
}

/// `matrix`, with a row for each well of `screen`, whitened as its `training` rows say; `None` where too few of them are
/// controls or replicates.
///
/// # Errors
/// When a value is missing.
pub(super) fn whitened(
    screen: &Screen,
    training: &[usize],
    matrix: &FeatureMatrix,
    noise: Noise,
) -> Result<Option<FeatureMatrix>, EvaluateError> {
    let most = RANKS[RANKS.len() - 1];
    let components = PrincipalComponents::leading(matrix, training, most)?;
    let coordinates = components.apply(matrix)?;
    // The state without treatment is the origin of angles.
    let controls = of_role(screen, training, Role::NegativeControl);
    let origin = match screen.untreated_rows() {
        None => components.apply(&FeatureMatrix::new(matrix.names().to_vec(), vec![0.0; matrix.n_features()]))?,
        _ if controls.is_empty() => return Ok(None),
        _ => FeatureMatrix::new(coordinates.names().to_vec(), coordinates.mean_of(&controls)),
    };
    let origin = origin.row(0);
    let values = coordinates.values().chunks_exact(origin.len().max(1));
    let centered = values.flat_map(|row| row.iter().zip(origin).map(|(value, origin)| value - origin)).collect();
    let centered = FeatureMatrix::new(coordinates.names().to_vec(), centered);
    let ranks: BTreeSet<usize> = RANKS.iter().map(|rank| (*rank).min(centered.n_features())).collect();
    let spaces = ranks.into_iter().map(|rank| centered.select_columns(&(0..rank).collect::<Vec<_>>()));
    let mut best: Option<(f64, FeatureMatrix, f64)> = None;
    for space in spaces {
        for floor in FLOORS {
            let Some(score) = recognition(screen, training, &space, noise, floor)? else { continue };
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, space.clone(), floor));
            }
        }
    }
    let Some((_, space, floor)) = best else { return Ok(None) };
    fitted(screen, training, &space, noise, floor)
}

fn of_role(screen: &Screen, rows: &[usize], role: Role) -> Vec<usize> {
    rows.iter().copied().filter(|&row| screen.unit(row).role == role).collect()
}

/// `space` whitened as `rows` say; `None` where they cannot.
fn fitted(
    screen: &Screen,
    rows: &[usize],
    space: &FeatureMatrix,
    noise: Noise,
    floor: f64,
) -> Result<Option<FeatureMatrix>, EvaluateError> {
    let sphering = match noise {
        Noise::Controls => {
            let controls = of_role(screen, rows, Role::NegativeControl);
            if controls.len() < LEAST_CONTROLS {
                return Ok(None);
            }
            Sphering::fit(space, &controls, Whitening::Zca, floor)
        }
        Noise::Replicates => match Scatter::of(screen, space, rows) {
            Some(scatter) => Sphering::of_scatter(&scatter, floor),
            None => return Ok(None),
        },
    };
    let sphering = match sphering {
        Err(NormalizeError::NoVariance { .. }) => return Ok(None),
        fitted => fitted?,
    };
    let mut whitened = space.clone();
    sphering.apply(&mut whitened)?;
    Ok(Some(whitened))
}

/// Mean reciprocal rank of a training well's own treatment, by its other wells, among the treatments of other perturbations;
/// in each fold the whitening is fitted without the perturbations that are asked. `None` where nothing can be asked.
fn recognition(
    screen: &Screen,
    training: &[usize],
    space: &FeatureMatrix,
    noise: Noise,
    floor: f64,
) -> Result<Option<f64>, EvaluateError> {
    let mut treatments = BTreeMap::<Treatment, Vec<usize>>::new();
    for &row in training.iter().filter(|&&row| screen.unit(row).role.is_treated()) {
        treatments.entry(screen.unit(row).treatment()).or_default().push(row);
    }
    let name = |treatment: &Treatment| treatment.intervention.perturbation_names();
    let perturbations: BTreeSet<String> = treatments.keys().map(name).collect();
    let fold_of: BTreeMap<String, usize> =
        perturbations.into_iter().enumerate().map(|(index, name)| (name, index % N_FOLDS)).collect();
    let every = treatments.len().div_ceil(MOST_ASKED).max(1);
    let mut found = Vec::new();
    for fold in 0..N_FOLDS {
        let is_left_out = |row: &usize| {
            let unit = screen.unit(*row);
            unit.role.is_treated() && fold_of[&name(&unit.treatment())] == fold
        };
        let kept: Vec<usize> = training.iter().copied().filter(|row| !is_left_out(row)).collect();
        let Some(whitened) = fitted(screen, &kept, space, noise, floor)? else { continue };
        let means: Vec<(&Treatment, Vec<f32>)> =
            treatments.iter().map(|(treatment, rows)| (treatment, whitened.mean_of(rows))).collect();
        for (asked, rows) in treatments.iter().step_by(every).filter(|(asked, _)| fold_of[&name(asked)] == fold) {
            if rows.len() < 2 {
                continue;
            }
            for &row in rows {
                let others: Vec<usize> = rows.iter().copied().filter(|&other| other != row).collect();
                let distance = |point: &[f32]| Distance::Cosine.between(whitened.row(row), point);
                let own = distance(&whitened.mean_of(&others));
                let nearer = means.iter().filter(|(treatment, mean)| {
                    treatment.context == asked.context && name(treatment) != name(asked) && distance(mean) < own
                });
                found.push(1.0 / (1 + nearer.count()) as f64);
            }
        }
    }
    Ok((!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Design, Unit, Units};

    /// Treatments differ along features 2 to 7; wells differ along features 0 and 1, ten times as much.
    fn noisy() -> Screen {
        let wave =
            |row: usize, feature: usize| ((row * 37 + feature * 11 + row * row * feature) % 17) as f32 / 8.0 - 1.0;
        let (mut units, mut values) = (Vec::new(), Vec::new());
        for row in 0..20 + 3 * 12 {
            let treatment = (row >= 20).then(|| (row - 20) / 3);
            let name = treatment.map(|number| format!("c{number}"));
            units.push(Unit { plate: "p".into(), ..Unit::under(name.as_deref().map(|name| (name, None))) });
            values.extend((0..8).map(|feature| {
                let noise = wave(row, feature) * if feature < 2 { 10.0 } else { 0.3 };
                let effect =
                    treatment.map_or(0.0, |number| if feature < 2 { 0.0 } else { wave(number + 100, feature) });
                noise + 2.0 * effect
            }));
        }
        Screen {
            name: "noisy".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(units, &[]),
            features: FeatureMatrix::numbered("f", 8, values).into(),
            labels: vec![],
            dropped: vec![],
            origin: Default::default(),
        }
    }

    /// Share of wells that are nearest to the mean of the other wells of their treatment.
    fn recognized(screen: &Screen, matrix: &FeatureMatrix) -> f64 {
        let treatments = screen.treatments();
        let mut found = Vec::new();
        for (own, rows) in &treatments {
            for &row in rows {
                let distance = |treatment: &Treatment| {
                    let others: Vec<usize> =
                        treatments[treatment].iter().copied().filter(|&other| other != row).collect();
                    Distance::Cosine.between(matrix.row(row), &matrix.mean_of(&others))
                };
                let nearest = treatments.keys().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
                found.push(f64::from(u8::from(nearest == own)));
            }
        }
        found.iter().sum::<f64>() / found.len() as f64
    }

    #[test]
    fn whitening_takes_out_what_replicates_and_controls_differ_by() {
        let screen = noisy();
        let matrix = screen.features.in_memory().into_owned();
        let all: Vec<usize> = (0..screen.n_observations()).collect();
        let raw = recognized(&screen, &matrix);
        for noise in [Noise::Controls, Noise::Replicates] {
            let whitened = whitened(&screen, &all, &matrix, noise).unwrap().unwrap();
            let found = recognized(&screen, &whitened);
            assert!(raw < 0.5 && found > 0.9, "{noise:?}: {found}, raw {raw}");
        }
    }

    #[test]
    fn rows_that_do_not_train_change_nothing() {
        let mut screen = noisy();
        let training: Vec<usize> = (0..screen.n_observations() - 3).collect();
        let of = |screen: &Screen| {
            let matrix = screen.features.in_memory().into_owned();
            let whitened = whitened(screen, &training, &matrix, Noise::Replicates).unwrap().unwrap();
            whitened.gather(&training)
        };
        let before = of(&screen);
        let last = screen.n_observations() - 1;
        screen.features.in_memory_mut().row_mut(last).fill(1000.0);
        assert_eq!(of(&screen), before);
    }

    #[test]
    fn nothing_is_whitened_without_controls_or_replicates() {
        let screen = noisy();
        let matrix = screen.features.in_memory().into_owned();
        let few_controls: Vec<usize> = (14..56).collect();
        assert!(whitened(&screen, &few_controls, &matrix, Noise::Controls).unwrap().is_none());
        let singles: Vec<usize> = (0..1).chain((20..56).step_by(3)).collect();
        assert!(whitened(&screen, &singles, &matrix, Noise::Replicates).unwrap().is_none());
    }
}
