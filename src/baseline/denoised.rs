//! Interpolation of denoised, shrunken profiles, so that denoising alone is not sold as learning.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::consensus::shifted;
use super::dose::mix;
use super::{BaselineError, Fitted, Profiles};
use crate::linear::PrincipalComponents;
use crate::pair::interpolation_weights;
use crate::predict::{Abstains, Method};
use crate::screen::{FeatureMatrix, Treatment};

/// Folds in which the settings are chosen; the components are fitted once for each.
const N_FOLDS: usize = 10;

/// Settings of [`pca_interpolation`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaInterpolation {
    /// Principal components kept; more than there are keeps all.
    pub components: usize,
    /// Factor on the effect, 1 for none: how far toward the prediction the control state is moved.
    pub shrink: f64,
}

impl Default for PcaInterpolation {
    fn default() -> Self {
        Self { components: 64, shrink: 0.9 }
    }
}

/// Settings that [`choose_pca_interpolation`] tries, each number of components with each shrinkage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaGrid {
    /// Numbers of components.
    pub components: Vec<usize>,
    /// Factors on the effect.
    pub shrinks: Vec<f64>,
}

impl Default for PcaGrid {
    fn default() -> Self {
        Self { components: vec![8, 16, 24, 32, 48, 64, 100], shrinks: vec![0.8, 0.85, 0.9, 0.95, 1.0] }
    }
}

/// [`interpolation`](super::interpolation) of consensus profiles rebuilt from their first principal components, with
/// the effect multiplied by `shrink`.
///
/// The components are those of the training treatments' consensus profiles, one row each, so that no treatment counts
/// more for having more wells. Abstains where interpolation does, and in contexts without a control state.
///
/// # Errors
/// When a training profile is not finite or the components cannot be found.
pub fn pca_interpolation(profiles: &Profiles, settings: PcaInterpolation) -> Result<Fitted<'_>, BaselineError> {
    let components = components_of(profiles.training.values())?;
    Ok(profiles.fitted(Method::PcaInterpolation, move |target| {
        let control = profiles.control(&target.context)?;
        let weights = interpolation_weights(target, profiles.training.keys());
        let mixed = mix(&weights, profiles).ok_or(Abstains::NoDose)?;
        // Rebuilding is affine and the weights sum to 1, so the mixture may be rebuilt instead of its parts.
        Ok(shifted(control, settings.shrink as f32, &components.denoise(&mixed, settings.components), control))
    }))
}

/// The settings of least mean squared error when each training treatment in turn is left out and predicted.
///
/// Looks at training treatments only. The components are fitted in ten folds without the treatments that are predicted
/// there, the interpolation without the one treatment. Of equal settings the first of the grid wins. `None` when no
/// training treatment can be predicted from another dose, or the grid is empty.
///
/// # Errors
/// When a training profile is not finite or the components cannot be found.
pub fn choose_pca_interpolation(
    profiles: &Profiles,
    grid: &PcaGrid,
) -> Result<Option<PcaInterpolation>, BaselineError> {
    let training = &profiles.training;
    let cases: Vec<(&Treatment, &[f32], Vec<f32>)> = training
        .iter()
        .filter_map(|(treatment, profile)| {
            let others = training.keys().filter(|other| *other != treatment);
            let mixed = mix(&interpolation_weights(treatment, others), profiles)?;
            profiles.control(&treatment.context).ok()?;
            Some((treatment, profile.as_slice(), mixed))
        })
        .collect();
    let settings: Vec<_> = grid
        .components
        .iter()
        .flat_map(|&components| grid.shrinks.iter().map(move |&shrink| PcaInterpolation { components, shrink }))
        .collect();
    if cases.is_empty() || settings.is_empty() {
        return Ok(None);
    }
    let n_folds = N_FOLDS.min(cases.len());
    let by_fold: Vec<Vec<f64>> = (0..n_folds)
        .into_par_iter()
        .map(|fold| {
            let left_out: Vec<_> = cases.iter().skip(fold).step_by(n_folds).collect();
            let is_kept = |treatment: &Treatment| !left_out.iter().any(|(left_out, ..)| *left_out == treatment);
            let kept = training.iter().filter(|(treatment, _)| is_kept(treatment));
            let components = components_of(kept.map(|(_, profile)| profile))?;
            let errors = settings.iter().map(|settings| {
                let cases = left_out.iter().map(|(treatment, truth, mixed)| {
                    let control = profiles.control(&treatment.context).expect("cases have one");
                    let rebuilt = components.denoise(mixed, settings.components);
                    mean_squared_error(truth, &shifted(control, settings.shrink as f32, &rebuilt, control))
                });
                cases.sum()
            });
            Ok(errors.collect())
        })
        .collect::<Result<_, BaselineError>>()?;
    let total = |index: usize| by_fold.iter().map(|fold| fold[index]).sum::<f64>();
    let best = (0..settings.len()).min_by(|&left, &right| total(left).total_cmp(&total(right)));
    Ok(best.map(|index| settings[index]))
}

/// The principal components of some profiles, all that they span.
fn components_of<'a>(profiles: impl Iterator<Item = &'a Vec<f32>>) -> Result<PrincipalComponents, BaselineError> {
    let profiles: Vec<&[f32]> = profiles.map(Vec::as_slice).collect();
    let n_features = profiles.first().map_or(0, |profile| profile.len());
    Ok(PrincipalComponents::spanned(&FeatureMatrix::numbered("f", n_features, profiles.concat()))?)
}

fn mean_squared_error(truth: &[f32], predicted: &[f32]) -> f64 {
    let squares =
        truth.iter().zip(predicted).map(|(&truth, &predicted)| (f64::from(truth) - f64::from(predicted)).powi(2));
    squares.sum::<f64>() / truth.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;
    use crate::screen::Screen;

    /// Effects lie on the line (1, 1); each dose's own noise lies across it.
    fn ladder() -> Screen {
        let mut rows = vec![("p", "A01", treatment(&[], ""), [0.0, 0.0])];
        for (perturbation, size) in [("a", 1.0f32), ("b", -3.0), ("c", 2.0)] {
            for (index, dose) in [1.0, 10.0, 100.0, 1000.0].into_iter().enumerate() {
                let noise = if index % 2 == 0 { 0.3 } else { -0.3 };
                let effect = size * index as f32;
                rows.push(("p", "A02", treatment(&[(perturbation, dose)], ""), [effect + noise, effect - noise]));
            }
        }
        screen(&rows)
    }

    #[test]
    fn chooses_the_component_that_carries_the_effects() {
        let screen = ladder();
        let grid = PcaGrid { components: vec![2, 1], shrinks: vec![0.5, 1.0] };
        let chosen = choose_pca_interpolation(&Profiles::of(&screen, &screen.treatments()), &grid).unwrap().unwrap();
        assert_eq!(chosen.components, 1);
    }

    #[test]
    fn shrinks_toward_the_control_state() {
        let screen = ladder();
        let target = [treatment(&[("a", 10.0)], "")];
        let profiles = Profiles::of(&screen, &training(&screen, &target));
        let ask = |settings| pca_interpolation(&profiles, settings).unwrap().ask(&target);
        let full = PcaInterpolation { components: 2, shrink: 1.0 };
        let (all, half) = (ask(full), ask(PcaInterpolation { shrink: 0.5, ..full }));
        for feature in 0..2 {
            let plain = super::super::interpolation(&profiles).ask(&target).profiles.row(0)[feature];
            assert!((all.profiles.row(0)[feature] - plain).abs() < 1e-5);
            assert!((half.profiles.row(0)[feature] - 0.5 * plain).abs() < 1e-5);
        }
    }

    #[test]
    fn nothing_is_chosen_without_ladders() {
        let screen = screen(&[
            ("p", "A01", treatment(&[], ""), [0.0, 0.0]),
            ("p", "A02", treatment(&[("a", 1.0)], ""), [1.0, 0.0]),
        ]);
        let profiles = Profiles::of(&screen, &screen.treatments());
        assert_eq!(choose_pca_interpolation(&profiles, &PcaGrid::default()).unwrap(), None);
    }
}
