//! Interpolation of denoised profiles, so that denoising alone is not sold as learning.
//!
//! Every step looks at training rows alone. Their first principal components are whitened by the scatter of replicates
//! (wells treated alike, and the controls of a context), so that one well has noise of variance 1 in every direction and the
//! consensus of r wells has 1/r. In the directions in which treatments differ, with variance s beyond that noise, the
//! consensus is pulled toward the mean treatment of its context by s / (s + 1/r): the posterior mean of a normal effect
//! (empirical Bayes). Beyond the last dose of a series the effect is shrunk once more, by one factor for all lower edges
//! and one for all upper ones, fitted to training treatments that are each predicted from the other doses.

use std::collections::{BTreeMap, BTreeSet};

use faer::Mat;

use super::consensus::shifted;
use super::{BaselineError, Fitted, Profiles, Whitened};
use crate::linear::dense::principal_directions;
use crate::pair::{Edge, edge_of, interpolation_weights};
use crate::predict::{Abstains, Method};
use crate::screen::Treatment;

/// Folds in which training treatments are left out to fit the factors at the edges.
const N_FOLDS: usize = 10;

/// Fewer edges than this fit no factor, and the effect is left as it is.
const LEAST_EDGES: usize = 3;

/// [`interpolation`](super::interpolation) of profiles that the noise of replicates was taken out of.
///
/// Abstains where interpolation does, and beyond the last dose in contexts without a control state, which effects are
/// shrunk toward there. `None` where training holds no replicates that differ.
///
/// # Errors
/// When a training profile is not finite.
pub fn denoised_interpolation<'a>(
    profiles: &'a Profiles,
    whitened: &'a Whitened,
) -> Result<Option<Fitted<'a>>, BaselineError> {
    if !whitened.knows_noise() {
        return Ok(None);
    }
    let Some(signal) = Signal::of(whitened, |_| true) else { return Ok(None) };
    let shrinks = edge_shrinks(profiles, whitened)?;
    Ok(Some(profiles.fitted(Method::DenoisedInterpolation, move |target| {
        let weights = interpolation_weights(target, profiles.alike(target));
        let denoised = signal.mix(whitened, &weights).ok_or(Abstains::NoDose)?;
        let shrink = edge_of(target, profiles.alike(target)).and_then(|edge| shrinks.get(&edge));
        let Some(&shrink) = shrink else { return Ok(denoised) };
        let control = profiles.control(&target.context)?;
        Ok(shifted(control, shrink as f32, &denoised, control))
    })))
}

/// What treatments differ by beyond noise.
struct Signal {
    /// Mean treatment of each context.
    means: BTreeMap<String, Vec<f64>>,
    /// Unit directions, `[component, direction]`.
    directions: Mat<f64>,
    /// Variance of treatments along each.
    variances: Vec<f64>,
}

impl Signal {
    /// The signal of the treatments that are `kept`; `None` of none, or where a value is too large to compute with.
    fn of(whitened: &Whitened, is_kept: impl Fn(&Treatment) -> bool) -> Option<Self> {
        let kept: Vec<_> = whitened.treatments.iter().filter(|(treatment, _)| is_kept(treatment)).collect();
        let mut sums = BTreeMap::<String, (Vec<f64>, f64)>::new();
        for (treatment, (coordinates, _)) in &kept {
            let (sum, n) = sums.entry(treatment.context.clone()).or_insert_with(|| (vec![0.0; coordinates.len()], 0.0));
            sum.iter_mut().zip(coordinates).for_each(|(sum, value)| *sum += value);
            *n += 1.0;
        }
        let means: BTreeMap<_, Vec<f64>> = sums
            .into_iter()
            .map(|(context, (sum, n))| (context, sum.into_iter().map(|sum| sum / n).collect()))
            .collect();
        let centered = Mat::from_fn(kept.len(), whitened.space.n_coordinates(), |row, column| {
            let (treatment, (coordinates, _)) = kept[row];
            coordinates[column] - means[&treatment.context][column]
        });
        let degrees = kept.len().checked_sub(means.len())?.max(1) as f64;
        let (totals, directions) = principal_directions(centered.as_ref(), degrees)?;
        let noise = kept.iter().map(|(_, (_, noise))| noise).sum::<f64>() / kept.len() as f64;
        let variances = totals.into_iter().map(|total| (total - noise).max(0.0)).collect();
        Some(Self { means, directions, variances })
    }

    /// The weighted mean of denoised profiles; `None` of nothing.
    fn mix(&self, whitened: &Whitened, weights: &[(&Treatment, f64)]) -> Option<Vec<f32>> {
        let mut mixed = vec![0.0; whitened.space.n_coordinates()];
        for (treatment, weight) in weights {
            let (coordinates, noise) = &whitened.treatments[*treatment];
            let denoised = self.denoise(coordinates, *noise, &treatment.context);
            mixed.iter_mut().zip(denoised).for_each(|(sum, value)| *sum += weight * value);
        }
        (!weights.is_empty()).then(|| whitened.space.rebuild(&mixed))
    }

    /// What is expected of a treatment whose consensus is given, with noise of variance `noise` in every direction; a
    /// context without any treatment is taken as it is.
    fn denoise(&self, coordinates: &[f64], noise: f64, context: &str) -> Vec<f64> {
        let Some(mean) = self.means.get(context) else { return coordinates.to_vec() };
        let mut denoised = mean.clone();
        for (direction, &variance) in self.directions.col_iter().zip(&self.variances) {
            let centered = coordinates.iter().zip(mean).map(|(value, mean)| value - mean);
            let along: f64 = centered.zip(direction.iter()).map(|(value, weight)| value * weight).sum();
            let kept = along * variance / (variance + noise);
            denoised.iter_mut().zip(direction.iter()).for_each(|(value, weight)| *value += kept * weight);
        }
        denoised
    }
}

/// The factors on effects beyond the last doses, 0 to 1, by least squares over the training treatments that lie there when
/// they are left out; the signal is fitted without the treatments of a fold. No factor where too few lie there.
fn edge_shrinks(profiles: &Profiles, whitened: &Whitened) -> Result<BTreeMap<Edge, f64>, BaselineError> {
    let all: Vec<&Treatment> = profiles.training.keys().collect();
    let mut sums = BTreeMap::<Edge, (usize, f64, f64)>::new();
    for fold in 0..N_FOLDS.min(all.len()) {
        let left_out: BTreeSet<&Treatment> = all.iter().copied().skip(fold).step_by(N_FOLDS).collect();
        let Some(signal) = Signal::of(whitened, |treatment| !left_out.contains(treatment)) else { continue };
        for target in left_out {
            let others = || profiles.alike(target).filter(|other| *other != target);
            let Some(edge) = edge_of(target, others()) else { continue };
            let Ok(control) = profiles.control(&target.context) else { continue };
            let Some(denoised) = signal.mix(whitened, &interpolation_weights(target, others())) else { continue };
            let (n, along, square) = sums.entry(edge).or_default();
            *n += 1;
            for ((&control, &denoised), &measured) in control.iter().zip(&denoised).zip(&profiles.training[target]) {
                let effect = f64::from(denoised) - f64::from(control);
                *along += effect * (f64::from(measured) - f64::from(control));
                *square += effect * effect;
            }
        }
    }
    sums.retain(|_, (n, _, square)| *n >= LEAST_EDGES && *square > 0.0);
    Ok(sums.into_iter().map(|(edge, (_, along, square))| (edge, (along / square).clamp(0.0, 1.0))).collect())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::consensus::fixture::treatment;
    use super::super::{control_states, interpolation};
    use super::*;
    use crate::pair::Split;
    use crate::screen::{Design, FeatureMatrix, Role, Screen, Unit, Units};

    const N_FEATURES: usize = 12;
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    const DOSES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

    /// The integer sequence of `tests/oracles/numpy_denoised.py`.
    fn noise(index: usize) -> f32 {
        ((index * index * 13 + 37 * index) % 128) as f32 / 64.0 - 1.0
    }

    /// The screen of that script: eight controls, then two wells of each lowest dose and three of the others.
    fn ladders() -> Screen {
        let mut wells = vec![treatment(&[], ""); 8];
        let mut effects = vec![None; 8];
        for (name_index, name) in NAMES.into_iter().enumerate() {
            for (dose_index, dose) in DOSES.into_iter().enumerate() {
                for _ in 0..if dose_index == 0 { 2 } else { 3 } {
                    wells.push(treatment(&[(name, dose)], ""));
                    effects.push(Some((name_index, dose_index)));
                }
            }
        }
        let mut values = Vec::new();
        for (row, effect) in effects.iter().enumerate() {
            for feature in 0..N_FEATURES {
                let direction =
                    effect.map_or(0.0, |(name, dose)| noise(5000 + name * N_FEATURES + feature) * (dose as f32 + 0.5));
                values.push(noise(row * N_FEATURES + feature) + 0.5 * noise(1000 + row) + direction);
            }
        }
        screen(wells, values)
    }

    fn screen(wells: Vec<Treatment>, values: Vec<f32>) -> Screen {
        let n_features = values.len() / wells.len();
        let units = wells.into_iter().map(|treatment| Unit {
            plate: "p".into(),
            well: None,
            role: if treatment.intervention.is_untreated() { Role::NegativeControl } else { Role::Treatment },
            intervention: treatment.intervention,
            context: treatment.context,
            lab_batch: None,
            replicate: None,
            cell_count: None,
        });
        Screen {
            name: "ladders".into(),
            design: Design::AgainstControls,
            units: Units::of_rows(units.collect(), &[]),
            features: FeatureMatrix::numbered("f", n_features, values).into(),
            labels: vec![],
            dropped: vec![],
            origin: Default::default(),
        }
    }

    /// The screen without the wells of `targets`: what trains.
    fn without(screen: &Screen, targets: &[Treatment]) -> Screen {
        let rows: Vec<usize> =
            (0..screen.n_observations()).filter(|&row| !targets.contains(&screen.unit(row).treatment())).collect();
        screen.select(&rows)
    }

    fn ask(screen: &Screen, targets: &[Treatment]) -> Vec<Vec<f32>> {
        let profiles = Profiles::of(screen, &screen.treatments());
        let whitened = Whitened::of(&profiles, screen, &Split::none(screen)).unwrap();
        let fitted = denoised_interpolation(&profiles, &whitened).unwrap().unwrap();
        let found = fitted.ask(targets).profiles;
        (0..targets.len()).map(|row| found.row(row).to_vec()).collect()
    }

    #[derive(Deserialize)]
    struct Oracle {
        targets: Vec<(String, f64)>,
        shrink: BTreeMap<String, f64>,
        predictions: Vec<Vec<f32>>,
    }

    /// numpy, by `tests/oracles/numpy_denoised.py`.
    #[test]
    fn agrees_with_numpy() {
        let oracle: Oracle = serde_json::from_str(include_str!("../../tests/oracles/numpy_denoised.json")).unwrap();
        let targets: Vec<Treatment> =
            oracle.targets.iter().map(|(name, dose)| treatment(&[(name, *dose)], "")).collect();
        let training = without(&ladders(), &targets);
        for (found, expected) in ask(&training, &targets).iter().zip(&oracle.predictions) {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-4, "{found} is not {expected}");
            }
        }
        let profiles = Profiles::of(&training, &training.treatments());
        let whitened = Whitened::of(&profiles, &training, &Split::none(&training)).unwrap();
        let shrinks = edge_shrinks(&profiles, &whitened).unwrap();
        assert!((shrinks[&Edge::Lower] - oracle.shrink["lower"]).abs() < 1e-4, "{shrinks:?}");
        assert!((shrinks[&Edge::Upper] - oracle.shrink["upper"]).abs() < 1e-4, "{shrinks:?}");
        // Both are fitted, neither at a bound that hides what was fitted.
        assert!(shrinks.values().any(|shrink| *shrink < 1.0), "{shrinks:?}");
    }

    /// Effects lie on one line, the noise of single wells is as large across it.
    #[test]
    fn comes_nearer_to_the_true_effect_than_interpolation() {
        let (mut wells, mut values, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        let mut row = |treatment: &Treatment, effect: f32| {
            wells.push(treatment.clone());
            let number = wells.len();
            values.extend((0..6).map(|feature| noise(number * 6 + feature) + if feature == 0 { effect } else { 0.0 }));
        };
        (0..30).for_each(|_| row(&treatment(&[], ""), 0.0));
        for (index, size) in [3.0, -4.0, 5.0, -2.0, 4.0, -5.0].into_iter().enumerate() {
            for (step, dose) in [1.0, 10.0, 100.0].into_iter().enumerate() {
                let given = treatment(&[(&format!("c{index}"), dose)], "");
                let effect = size * (step as f32 + 1.0);
                if step == 1 {
                    truth.push((given, effect));
                } else {
                    (0..3).for_each(|_| row(&given, effect));
                }
            }
        }
        let screen = screen(wells, values);
        let targets: Vec<Treatment> = truth.iter().map(|(treatment, _)| treatment.clone()).collect();
        let control = control_states(&screen)[""].clone();
        let error = |rows: &[Vec<f32>]| -> f64 {
            let of = |(row, (_, effect)): (&Vec<f32>, &(Treatment, f32))| -> f64 {
                let ideal = |feature: usize| control[feature] + if feature == 0 { *effect } else { 0.0 };
                row.iter().enumerate().map(|(feature, value)| f64::from(value - ideal(feature)).powi(2)).sum()
            };
            rows.iter().zip(&truth).map(of).sum()
        };
        let profiles = Profiles::of(&screen, &screen.treatments());
        let plain = interpolation(&profiles).ask(&targets).profiles;
        let plain: Vec<Vec<f32>> = (0..targets.len()).map(|row| plain.row(row).to_vec()).collect();
        let (denoised, plain) = (error(&ask(&screen, &targets)), error(&plain));
        assert!(denoised < 0.7 * plain, "{denoised} against {plain}");
    }

    #[test]
    fn nothing_is_denoised_without_replicates() {
        let screen = screen(
            vec![treatment(&[], ""), treatment(&[("a", 1.0)], ""), treatment(&[("a", 10.0)], "")],
            vec![0.0, 0.0, 1.0, 2.0, 3.0, 4.0],
        );
        let profiles = Profiles::of(&screen, &screen.treatments());
        let whitened = Whitened::of(&profiles, &screen, &Split::none(&screen)).unwrap();
        assert!(denoised_interpolation(&profiles, &whitened).unwrap().is_none());
    }
}
