//! Split-conformal intervals: how wide a band has to be to hold a new treatment's value with a given frequency.
//!
//! Valid where calibration and new treatments are exchangeable: interventions of one stratum, not wells of one intervention.

use super::error::{EvaluateError, expect_finite};

/// Half-width of the band around a prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalRadius {
    /// The ⌈(n + 1)(1 − α)⌉-th smallest score; infinite when that exceeds n.
    pub radius: f64,
    /// The least number of calibration scores that gives a finite radius at this level.
    pub n_needed: usize,
}

/// The radius that holds a new score with frequency at least 1 − `alpha`.
///
/// `scores` are errors on held-out interventions that neither training nor any choice has seen, such as
/// |predicted − measured| distance to the target phenotype.
///
/// # Errors
/// When `alpha` is not in (0, 1) or a score is not finite.
pub fn conformal_radius(scores: &[f64], alpha: f64) -> Result<ConformalRadius, EvaluateError> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(EvaluateError::Setting { name: "alpha", found: alpha, expected: "a number between 0 and 1" });
    }
    expect_finite("the calibration scores", scores)?;
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = place_among(scores.len(), alpha);
    let radius = sorted.get(place - 1).copied().unwrap_or(f64::INFINITY);
    let n_needed = (1..).find(|&n| place_among(n, alpha) <= n).expect("alpha is positive, so some n is large enough");
    Ok(ConformalRadius { radius, n_needed })
}

/// ⌈(n + 1)(1 − α)⌉, robust to the last bit of the product.
fn place_among(n: usize, alpha: f64) -> usize {
    (((n + 1) as f64 * (1.0 - alpha)) - 1e-9).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn takes_the_right_place_and_says_when_there_is_none() {
        let scores: Vec<f64> = (1..=19).rev().map(f64::from).collect();
        let check = |n: usize, alpha: f64, radius: f64, n_needed: usize| {
            let found = conformal_radius(&scores[19 - n..], alpha).unwrap();
            assert_eq!((found.radius, found.n_needed), (radius, n_needed), "{n} {alpha}");
        };
        check(19, 0.05, 19.0, 19);
        check(18, 0.05, f64::INFINITY, 19);
        check(9, 0.1, 9.0, 9);
        check(8, 0.1, f64::INFINITY, 9);
        check(4, 0.2, 4.0, 4);
        check(19, 0.2, 16.0, 4);
        check(0, 0.2, f64::INFINITY, 4);
    }

    #[test]
    fn covers_as_often_as_promised() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for (n, alpha) in [(29, 0.1), (39, 0.05), (24, 0.2)] {
            let n_trials = 4000;
            let covered = (0..n_trials).filter(|_| {
                let scores: Vec<f64> = (0..n).map(|_| rng.random::<f64>()).collect();
                rng.random::<f64>() <= conformal_radius(&scores, alpha).unwrap().radius
            });
            let share = covered.count() as f64 / f64::from(n_trials);
            // With n chosen so that (n + 1)(1 - alpha) is whole, coverage is exactly 1 - alpha.
            assert!((share - (1.0 - alpha)).abs() < 0.02, "{n} {alpha}: {share}");
        }
    }

    #[test]
    fn refuses_levels_outside_zero_and_one() {
        let message = conformal_radius(&[1.0], 1.0).unwrap_err().to_string();
        assert_eq!(message, "`alpha` is 1, expected a number between 0 and 1");
    }
}
