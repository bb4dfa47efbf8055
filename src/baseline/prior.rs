//! The hierarchical model of effects as a method.

use std::collections::BTreeMap;

use faer::Mat;

use super::{BaselineError, Fitted, Profiles};
use crate::pair::{Part, Split, WellMeans};
use crate::predict::{Abstains, Method};
use crate::prior::{EffectModel, Measured, NoiseSpace};
use crate::screen::{FeatureMatrix, Screen};

/// Control plus the effect that [`EffectModel`] expects.
///
/// Abstains in contexts without a control state, and from perturbations of a kind that training does not hold alone.
/// `None` where no single perturbation is in training, or sets link too many treatments ([`EffectModel::fit`]).
///
/// # Errors
/// When a training profile is not finite.
pub fn prior<'a>(profiles: &'a Profiles, screen: &Screen, split: &Split) -> Result<Option<Fitted<'a>>, BaselineError> {
    if let Some(wells) = WellMeans::of(screen, split) {
        return prior(profiles, &wells.screen, &wells.split);
    }
    let training = split.rows(Part::Train);
    let space = match NoiseSpace::fit(screen, &training)? {
        Some(space) => space,
        None => NoiseSpace::without_replicates(screen, &training)?,
    };
    let contexts = profiles.training.keys().map(|treatment| &treatment.context);
    let mut controls = BTreeMap::new();
    for context in contexts.chain(screen.units.by_row().map(|unit| &unit.context)) {
        if let (false, Ok(control)) = (controls.contains_key(context), profiles.control(context)) {
            controls
                .insert(context.clone(), coordinates(&space, profiles, &[control])?.row(0).iter().copied().collect());
        }
    }
    let controls: BTreeMap<String, Vec<f64>> = controls;
    let rows: Vec<&Vec<f32>> = profiles.training.values().collect();
    let consensus = coordinates(&space, profiles, &rows)?;
    let wells = split.treatments(screen, Part::Train);
    let mut measured = BTreeMap::new();
    for (treatment, row) in profiles.training.keys().zip(consensus.row_iter()) {
        let Some(control) = controls.get(&treatment.context) else { continue };
        let effect = row.iter().zip(control).map(|(value, control)| value - control).collect();
        let n_wells = wells.get(treatment).map_or(1.0, |rows| rows.len() as f64);
        measured.insert(treatment.clone(), Measured { effect, noise: space.noise() / n_wells });
    }
    let Some(model) = EffectModel::fit(&measured) else { return Ok(None) };
    Ok(Some(profiles.fitted(Method::Prior, move |target| {
        profiles.control(&target.context)?;
        let control = controls.get(&target.context).ok_or(Abstains::NoControl { context: target.context.clone() })?;
        let expected = model.expected(target).ok_or(Abstains::NoMembers)?;
        let coordinates: Vec<f64> = control.iter().zip(&expected).map(|(control, effect)| control + effect).collect();
        Ok(space.rebuild(&coordinates))
    })))
}

fn coordinates(space: &NoiseSpace, profiles: &Profiles, rows: &[&Vec<f32>]) -> Result<Mat<f64>, BaselineError> {
    let values = rows.iter().flat_map(|row| row.iter().copied()).collect();
    Ok(space.coordinates(&FeatureMatrix::new(profiles.names().to_vec(), values))?)
}
