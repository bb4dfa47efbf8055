//! Split-conformal intervals: how wide a band has to be to hold a new treatment's value with a given frequency.
//!
//! Valid where calibration and new treatments are exchangeable: interventions of one kind in one context, not wells of one
//! intervention and not another context.

use rand::Rng;
use rand::seq::SliceRandom;

use super::bootstrap::quantile;
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

/// How often bands hold the treatments they were not fitted on, over many random splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// Mean over splits of the share of test scores within the radius; to be compared with 1 − α.
    pub mean: f64,
    /// 5th percentile over splits.
    pub lower: f64,
    /// 95th percentile over splits.
    pub upper: f64,
    /// Median radius over splits.
    pub median_radius: f64,
    /// Share of splits whose radius was infinite; such a split covers everything and says nothing.
    pub share_infinite: f64,
    /// Random splits.
    pub n_splits: usize,
    /// Calibration scores in each.
    pub n_calibration: usize,
    /// Test scores in each.
    pub n_test: usize,
}

/// Splits the scores at random into calibration and test, `n_splits` times, and counts how many test scores are covered.
///
/// Half of the scores, rounded up, calibrate. Judge calibration over at least 50 splits.
///
/// # Errors
/// When `alpha` is not in (0, 1), a score is not finite, or there are fewer than two scores or no splits.
pub fn coverage_over_splits(
    scores: &[f64],
    alpha: f64,
    n_splits: usize,
    rng: &mut impl Rng,
) -> Result<Coverage, EvaluateError> {
    if scores.len() < 2 || n_splits == 0 {
        return Err(EvaluateError::Empty { what: "calibration and test scores" });
    }
    let n_calibration = scores.len().div_ceil(2);
    let n_test = scores.len() - n_calibration;
    let mut order = scores.to_vec();
    let (mut shares, mut radii) = (Vec::with_capacity(n_splits), Vec::with_capacity(n_splits));
    for _ in 0..n_splits {
        order.shuffle(rng);
        let (calibration, test) = order.split_at(n_calibration);
        let radius = conformal_radius(calibration, alpha)?.radius;
        shares.push(test.iter().filter(|&&score| score <= radius).count() as f64 / n_test as f64);
        radii.push(radius);
    }
    shares.sort_by(f64::total_cmp);
    radii.sort_by(f64::total_cmp);
    Ok(Coverage {
        mean: shares.iter().sum::<f64>() / n_splits as f64,
        lower: quantile(&shares, 0.05),
        upper: quantile(&shares, 0.95),
        median_radius: radii[(n_splits - 1) / 2],
        share_infinite: radii.iter().filter(|radius| radius.is_infinite()).count() as f64 / n_splits as f64,
        n_splits,
        n_calibration,
        n_test,
    })
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
    fn coverage_over_splits_is_near_the_level() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let scores: Vec<f64> = (0..100).map(|_| rng.random::<f64>()).collect();
        let found = coverage_over_splits(&scores, 0.1, 200, &mut rng).unwrap();
        assert!((found.mean - 0.9).abs() < 0.03, "{found:?}");
        assert!(found.lower < found.mean && found.mean < found.upper && found.share_infinite == 0.0);
        assert_eq!((found.n_calibration, found.n_test), (50, 50));
        let few = coverage_over_splits(&scores[..8], 0.1, 50, &mut rng).unwrap();
        assert_eq!((few.share_infinite, few.mean), (1.0, 1.0));
    }

    #[test]
    fn refuses_levels_outside_zero_and_one() {
        let message = conformal_radius(&[1.0], 1.0).unwrap_err().to_string();
        assert_eq!(message, "`alpha` is 1, expected a number between 0 and 1");
    }
}
