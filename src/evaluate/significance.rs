//! Significance of many tests at once.

/// Benjamini–Hochberg adjusted p-values, in the order given: the false discovery rate at which each would be called.
///
/// # Source
/// Benjamini & Hochberg 1995, J R Stat Soc B 57:289.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let n_tests = p_values.len();
    let mut order: Vec<usize> = (0..n_tests).collect();
    order.sort_by(|&left, &right| p_values[left].total_cmp(&p_values[right]));
    let mut adjusted = vec![1.0f64; n_tests];
    let mut least = 1.0f64;
    for (place, &index) in order.iter().enumerate().rev() {
        least = least.min(p_values[index] * n_tests as f64 / (place + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Numbers of `tests/oracles/scipy_statistics.py`.
    #[test]
    fn agrees_with_scipy() {
        let oracle: Value = serde_json::from_str(include_str!("../../tests/oracles/scipy_statistics.json")).unwrap();
        for case in oracle["false_discovery"].as_array().unwrap() {
            let list = |name: &str| -> Vec<f64> { serde_json::from_value(case[name].clone()).unwrap() };
            for (found, expected) in benjamini_hochberg(&list("p_values")).iter().zip(list("adjusted")) {
                assert!((found - expected).abs() < 1e-14);
            }
        }
    }
}
