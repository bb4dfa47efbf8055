//! How far a ranking can be trusted: the sentence that heads it, and the intervals of its scores.

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::coverage;
use super::{Bootstrap, EvaluateError, Held, Verdict, conformal_radius};
use crate::pair::{Strata, Stratum};
use crate::plan::Residual;
use crate::predict::{Method, MethodKind};

/// The sentence that heads a ranking by `method`; `verdict` is on that method, where it was judged.
pub fn verdict_sentence(method: &Method, verdict: Option<&Verdict>) -> String {
    if method.kind() != MethodKind::Learned {
        return format!("ranked by the baseline {method} alone; `evaluate` shows what the model adds");
    }
    let not_judged =
        || "not judged: no treatment is held out for testing, so it is not known how far to trust this ranking".into();
    verdict.map_or_else(not_judged, Verdict::to_string)
}

/// Intervals of scores, with what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Half their width, by what training says of a treatment; a stratum without one has no intervals.
    pub radii: BTreeMap<Stratum, f64>,
    /// One sentence: where they come from and how often they held what was measured, or why there are none.
    pub calibration: String,
    /// Of each test treatment of a stratum with intervals, whether its interval held it.
    pub held: Vec<Held>,
}

impl Intervals {
    /// None, for the reason given.
    pub fn none(reason: impl Into<String>) -> Self {
        let calibration = format!("no intervals: {}", reason.into());
        Self { radii: BTreeMap::new(), calibration, held: Vec::new() }
    }

    /// Intervals of level 1 − `alpha` from the residuals of calibration treatments, counted on the test treatments, which had no
    /// part in any choice.
    ///
    /// Half the width is a conformal quantile of the residuals, for each stratum by itself: a radius that doses between measured
    /// ones have set promises nothing of other perturbations.
    ///
    /// # Errors
    /// When `alpha` is not in (0, 1) or a residual is not finite.
    pub fn of(
        calibration: &[Residual],
        test: &[Residual],
        strata: &Strata<'_>,
        alpha: f64,
        bootstrap: &Bootstrap,
    ) -> Result<Self, EvaluateError> {
        let by_stratum = |residuals: &[Residual]| {
            let mut groups = BTreeMap::<Stratum, Vec<Residual>>::new();
            for residual in residuals {
                groups.entry(strata.stratum(&residual.treatment)).or_default().push(residual.clone());
            }
            groups
        };
        let (mut calibration, mut test) = (by_stratum(calibration), by_stratum(test));
        let n_needed = conformal_radius(&[], alpha)?.n_needed;
        let (mut radii, mut held, mut parts, mut lacking) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let both: BTreeSet<Stratum> = calibration.keys().chain(test.keys()).copied().collect();
        for stratum in both {
            let errors: Vec<f64> =
                calibration.remove(&stratum).unwrap_or_default().iter().map(|residual| residual.error).collect();
            let radius = conformal_radius(&errors, alpha)?.radius;
            if !radius.is_finite() {
                lacking.push(format!("{} for {stratum}", errors.len()));
                continue;
            }
            radii.insert(stratum, radius);
            let judged: Vec<Held> = test
                .remove(&stratum)
                .unwrap_or_default()
                .into_iter()
                .map(|Residual { treatment, error }| Held { treatment, stratum, is_held: error <= radius })
                .collect();
            let mut part = format!("{stratum} by {} calibration treatments", errors.len());
            if !judged.is_empty() {
                part += &format!(", which held {}", in_words(&judged, bootstrap)?);
            }
            parts.push(part);
            held.extend(judged);
        }
        let level = 100.0 * (1.0 - alpha);
        if radii.is_empty() {
            let there_are = if lacking.is_empty() { "none".to_owned() } else { lacking.join(", ") };
            return Ok(Self::none(format!(
                "{level:.0} % ones need {n_needed} calibration treatments of a kind, there are {there_are}"
            )));
        }
        let mut sentence = format!("{level:.0} % intervals: {}", parts.join("; "));
        if radii.len() > 1 && !held.is_empty() {
            sentence += &format!("; in all they held {}", in_words(&held, bootstrap)?);
        }
        sentence += "; none for other candidates";
        if !lacking.is_empty() {
            sentence += &format!(" ({n_needed} calibration treatments needed, {})", lacking.join(", "));
        }
        Ok(Self { radii, calibration: sentence, held })
    }
}

/// How many test treatments were held, and what that allows to be said of others.
fn in_words(held: &[Held], bootstrap: &Bootstrap) -> Result<String, EvaluateError> {
    let found = coverage(&held.iter().collect::<Vec<_>>(), bootstrap)?;
    let n_held = held.iter().filter(|held| held.is_held).count();
    let interval = found.interval.map_or(String::new(), |(lower, upper)| {
        let percent = |share: f64| 100.0 * share;
        format!(
            " ({:.0} %, 95 % interval {:.0} to {:.0} % over {} perturbations)",
            percent(found.mean),
            percent(lower),
            percent(upper),
            found.n_units
        )
    });
    Ok(format!("{n_held} of {} test treatments{interval}", held.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Intervention, Kind, Micromolar, Treatment};

    #[test]
    fn a_ranking_is_headed_by_what_is_known_of_its_method() {
        let of_baseline = verdict_sentence(&Method::Interpolation, None);
        assert_eq!(of_baseline, "ranked by the baseline interpolation alone; `evaluate` shows what the model adds");
        assert!(verdict_sentence(&Method::Combined, None).starts_with("not judged: no treatment is held out"));
    }

    fn treatment(name: &str, dose: f64) -> Treatment {
        let dose = Micromolar::new(dose);
        Treatment { intervention: Intervention::single(name, Kind::Compound, dose), context: String::new() }
    }

    /// Of perturbations c0, c1, … one residual each, at `dose`.
    fn residuals(dose: f64, errors: impl IntoIterator<Item = f64>) -> Vec<Residual> {
        let of = |(index, error)| Residual { treatment: treatment(&format!("c{index}"), dose), error };
        errors.into_iter().enumerate().map(of).collect()
    }

    /// Training holds the doses 1 and 100 of twenty perturbations.
    fn training() -> Vec<Treatment> {
        (0..20).flat_map(|index| [1.0, 100.0].map(|dose| treatment(&format!("c{index}"), dose))).collect()
    }

    fn of(calibration: &[Residual], test: &[Residual]) -> Intervals {
        let training = training();
        Intervals::of(calibration, test, &Strata::of(&training), 0.2, &Bootstrap::default()).unwrap()
    }

    #[test]
    fn the_radius_is_the_quantile_of_the_residuals_and_is_counted_on_test_treatments() {
        // ⌈(9 + 1)(1 − 0.2)⌉ = 8: the eighth smallest of nine.
        let found = of(&residuals(10.0, (1..=9).map(f64::from)), &residuals(10.0, [7.0, 8.0, 9.0]));
        assert_eq!(found.radii, BTreeMap::from([(Stratum::Interior, 8.0)]));
        let sentence = "80 % intervals: doses between training doses by 9 calibration treatments, which held 2 of 3 test \
                        treatments; none for other candidates";
        assert_eq!(found.calibration, sentence);
    }

    #[test]
    fn small_errors_of_calibration_and_large_ones_of_test_show_as_a_shortfall() {
        let calibration = residuals(10.0, (0..8).map(|index| 0.001 * f64::from(index)));
        let found = of(&calibration, &residuals(10.0, (0..11).map(|index| 5.0 + 10.0 * f64::from(index))));
        assert!(found.held.iter().all(|held| !held.is_held) && found.held.len() == 11);
        let said = "held 0 of 11 test treatments (0 %, 95 % interval 0 to 26 % over 11 perturbations)";
        assert!(found.calibration.contains(said), "{}", found.calibration);
        let rows = super::super::coverage::coverage_rows(&found.held, 0.2, &Bootstrap::default()).unwrap();
        assert_eq!((rows[0].subset.as_str(), rows[0].value, rows[0].n_items), ("all", 0.0, 11));
        assert!(rows[0].upper.unwrap() < 0.8);
    }

    #[test]
    fn a_stratum_has_its_own_radius_or_none() {
        let calibration = [residuals(10.0, [1.0; 4]), residuals(1000.0, [5.0; 6]), residuals(10.0, [])].concat();
        let unseen = Residual { treatment: treatment("new", 1.0), error: 0.5 };
        let test = [residuals(10.0, [2.0]), residuals(1000.0, [2.0, 6.0]), vec![unseen]].concat();
        let found = of(&calibration, &test);
        assert_eq!(found.radii, BTreeMap::from([(Stratum::Interior, 1.0), (Stratum::Edge, 5.0)]));
        let sentence = "80 % intervals: doses between training doses by 4 calibration treatments, which held 0 of 1 test \
                        treatments; doses beyond the last training dose by 6 calibration treatments, which held 1 of 2 \
                        test treatments; in all they held 1 of 3 test treatments; none for other candidates (4 calibration \
                        treatments needed, 0 for perturbations not in training)";
        assert_eq!(found.calibration, sentence);
    }

    #[test]
    fn too_few_residuals_give_no_interval() {
        let found = of(&residuals(10.0, [1.0, 2.0]), &residuals(10.0, [3.0]));
        let reason = "80 % ones need 4 calibration treatments of a kind, there are 2 for doses between training doses";
        assert_eq!(found, Intervals::none(reason));
    }
}
