//! Correlations of two lists of numbers.

use crate::linear::mean_ranks;

/// Pearson's correlation, in [-1, 1]; `None` when either list is constant, empty or holds a value that is not finite.
///
/// # Panics
/// If the lists differ in length.
pub fn pearson(left: &[f64], right: &[f64]) -> Option<f64> {
    assert_eq!(left.len(), right.len(), "a correlation pairs the entries of two lists");
    let count = left.len() as f64;
    let mean_left = left.iter().sum::<f64>() / count;
    let mean_right = right.iter().sum::<f64>() / count;
    let (mut shared, mut square_left, mut square_right) = (0.0, 0.0, 0.0);
    for (left, right) in left.iter().zip(right) {
        let (left, right) = (left - mean_left, right - mean_right);
        shared += left * right;
        square_left += left * left;
        square_right += right * right;
    }
    // A constant list leaves rounding noise of the size of its mean, not exact zeros.
    let is_flat = |square: f64, mean: f64| square <= count * (1e-13 * mean.abs()).powi(2);
    let scale = square_left.sqrt() * square_right.sqrt();
    if is_flat(square_left, mean_left) || is_flat(square_right, mean_right) || !scale.is_finite() || scale == 0.0 {
        return None;
    }
    Some((shared / scale).clamp(-1.0, 1.0)).filter(|value| value.is_finite())
}

/// Spearman's rank correlation: Pearson's of the ranks, ties at their mean rank; `None` as [`pearson`].
///
/// # Panics
/// If the lists differ in length.
pub fn spearman(left: &[f64], right: &[f64]) -> Option<f64> {
    if left.iter().chain(right).any(|value| !value.is_finite()) {
        return None;
    }
    pearson(&mean_ranks(left), &mean_ranks(right))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Numbers of `tests/oracles/scipy_statistics.py`.
    #[test]
    fn agrees_with_scipy() {
        let oracle: Value = serde_json::from_str(include_str!("../../tests/oracles/scipy_statistics.json")).unwrap();
        let cases = oracle["correlations"].as_array().unwrap();
        assert!(cases.len() >= 3);
        for case in cases {
            let list = |name: &str| -> Vec<f64> { serde_json::from_value(case[name].clone()).unwrap() };
            let (left, right) = (list("left"), list("right"));
            assert!((pearson(&left, &right).unwrap() - case["pearson"].as_f64().unwrap()).abs() < 1e-12);
            assert!((spearman(&left, &right).unwrap() - case["spearman"].as_f64().unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_constant_list_has_no_correlation() {
        assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[f64::NAN, 2.0]), None);
        assert_eq!(pearson(&[], &[]), None);
    }
}
