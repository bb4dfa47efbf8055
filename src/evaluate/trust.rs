//! How far a ranking can be trusted: the sentence that heads it, and the intervals of its scores.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{EvaluateError, Verdict, conformal_radius, coverage_over_splits};
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
    /// Half their width; `None` where there are none.
    pub radius: Option<f64>,
    /// One sentence: where they come from and how often they covered, or why there are none.
    pub calibration: String,
}

/// Random splits over which the coverage of intervals is judged.
const COVERAGE_SPLITS: usize = 200;

impl Intervals {
    /// None, for the reason given.
    pub fn none(reason: impl Into<String>) -> Self {
        Self { radius: None, calibration: format!("no intervals: {}", reason.into()) }
    }

    /// Intervals of level 1 − `alpha` from the residuals of calibration treatments.
    ///
    /// Half the width is a conformal quantile of these residuals. How often such intervals cover is judged over random halves
    /// of calibration and test treatments together: neither had a part in fitting. Where new treatments are not
    /// exchangeable with these, no coverage is claimed.
    ///
    /// # Errors
    /// When `alpha` is not in (0, 1) or a residual is not finite.
    pub fn of(
        calibration: &[f64],
        test: &[f64],
        alpha: f64,
        are_exchangeable: bool,
        seed: u64,
    ) -> Result<Self, EvaluateError> {
        let level = 100.0 * (1.0 - alpha);
        let found = conformal_radius(calibration, alpha)?;
        if !found.radius.is_finite() {
            let (n, needed) = (calibration.len(), found.n_needed);
            return Ok(Self::none(format!("{level:.0} % ones need {needed} calibration treatments, there are {n}")));
        }
        let mut sentence = format!("{level:.0} % intervals: set by {} calibration treatments", calibration.len());
        let unseen = [calibration, test].concat();
        if !are_exchangeable {
            sentence += "; no coverage is claimed, because contexts are not exchangeable";
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let coverage = coverage_over_splits(&unseen, alpha, COVERAGE_SPLITS, &mut rng)?;
            if coverage.share_infinite == 0.0 {
                let percent = |share: f64| 100.0 * share;
                sentence += &format!(
                    "; over {} random halves of {} unseen treatments such intervals covered {:.0} % (of most halves {:.0} to {:.0} %)",
                    coverage.n_splits,
                    unseen.len(),
                    percent(coverage.mean),
                    percent(coverage.lower),
                    percent(coverage.upper)
                );
            }
        }
        Ok(Self { radius: Some(found.radius), calibration: sentence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_headed_by_what_is_known_of_its_method() {
        let of_baseline = verdict_sentence(&Method::Interpolation, None);
        assert_eq!(of_baseline, "ranked by the baseline interpolation alone; `evaluate` shows what the model adds");
        assert!(verdict_sentence(&Method::Blend, None).starts_with("not judged: no treatment is held out"));
    }

    #[test]
    fn the_radius_is_the_quantile_of_the_residuals() {
        // ⌈(9 + 1)(1 − 0.2)⌉ = 8: the eighth smallest of nine.
        let residuals: Vec<f64> = (1..=9).map(f64::from).collect();
        let found = Intervals::of(&residuals, &[], 0.2, false, 0).unwrap();
        assert_eq!(found.radius, Some(8.0));
        let sentence = "80 % intervals: set by 9 calibration treatments; no coverage is claimed, because contexts are not exchangeable";
        assert_eq!(found.calibration, sentence);
        let told = Intervals::of(&residuals, &residuals, 0.2, true, 0).unwrap();
        assert_eq!(told.radius, Some(8.0));
        assert!(told.calibration.contains("; over 200 random halves of 18 unseen treatments"), "{}", told.calibration);
    }

    #[test]
    fn too_few_residuals_give_no_interval() {
        let found = Intervals::of(&[1.0, 2.0], &[3.0], 0.2, true, 0).unwrap();
        assert_eq!(found, Intervals::none("80 % ones need 4 calibration treatments, there are 2"));
    }
}
