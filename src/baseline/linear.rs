//! Ridge regression of profiles on what was done.

use std::collections::BTreeMap;

use super::consensus::Rows;
use super::{BaselineError, Fitted, InterventionFeatures, Profiles};
use crate::linear::Ridge;
use crate::predict::Method;
use crate::screen::{FeatureMatrix, Treatment};

/// Penalties to choose from.
const LAMBDAS: [f64; 6] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Ridge regression of consensus profiles on intervention features, its penalty chosen by leave-one-out on training.
///
/// The features have columns for the training treatments and for those of `asked`; of a treatment that is asked for later
/// only what these columns hold is told.
///
/// # Errors
/// When descriptors differ in length, or the fit fails.
pub fn ridge<'a>(
    profiles: &'a Profiles,
    asked: &'a Rows,
    descriptors: Option<&'a BTreeMap<String, Vec<f32>>>,
) -> Result<Fitted<'a>, BaselineError> {
    let training = &profiles.training;
    let features = InterventionFeatures::of(training.keys().chain(asked.keys()), descriptors)?;
    let measured = training.values().map(Vec::as_slice).collect::<Vec<_>>().concat();
    let measured = FeatureMatrix::new(profiles.names().to_vec(), measured);
    let ridge = Ridge::fit_gcv(&features.matrix(training.keys()), &measured, &LAMBDAS)?;
    Ok(profiles.fitted_on_all(Method::Ridge, move |treatments: &[Treatment]| {
        let predicted = ridge.predict(&features.matrix(treatments.iter()));
        (0..treatments.len()).map(|row| Ok(predicted.row(row).to_vec())).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn a_line_in_log_dose_is_followed_beyond_the_doses_it_was_fitted_on() {
        let rows: Vec<_> = (0..12)
            .map(|step| {
                let dose = 10f64.powf(f64::from(step) / 4.0);
                ("p", "A01", treatment(&[("a", dose)], ""), [step as f32, -2.0 * step as f32])
            })
            .collect();
        let screen = screen(&rows);
        let (profiles, nothing) = (Profiles::of(&screen, &screen.treatments()), Rows::new());
        let fitted = ridge(&profiles, &nothing, None).unwrap();
        let found = fitted.ask(&[treatment(&[("a", 1e3)], "")]);
        let row = found.profiles.row(0);
        assert!((row[0] - 12.0).abs() < 0.3 && (row[1] + 24.0).abs() < 0.6, "{row:?}");
    }
}
