//! Statistics of a plate by their definitions; plain numbers in, plain numbers out.

use crate::linear::median;

/// What makes a median absolute deviation the standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;

/// Mean and standard deviation (with n − 1); `None` of fewer than two values.
pub(super) fn mean_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (squares / (n - 1.0)).sqrt()))
}

/// Median and 1.4826 times the median absolute deviation from it; `None` of fewer than two values.
pub(super) fn median_and_spread(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let center = median(&mut values.to_vec());
    let spread = median(&mut values.iter().map(|value| (value - center).abs()).collect::<Vec<_>>());
    Some((center, NORMAL * spread))
}

/// Z′ = 1 − 3 (σ₊ + σ₋) / |μ₊ − μ₋| (Zhang, Chung & Oldenburg 1999); 1 is perfect, and above 0.5 an excellent assay.
pub(super) fn z_prime(positive: &[f64], negative: &[f64]) -> Option<f64> {
    window(mean_and_deviation(positive)?, mean_and_deviation(negative)?)
}

/// The same by medians and their scaled absolute deviations.
pub(super) fn robust_z_prime(positive: &[f64], negative: &[f64]) -> Option<f64> {
    window(median_and_spread(positive)?, median_and_spread(negative)?)
}

fn window((high, spread_high): (f64, f64), (low, spread_low): (f64, f64)) -> Option<f64> {
    let distance = (high - low).abs();
    (distance > 0.0).then(|| 1.0 - 3.0 * (spread_high + spread_low) / distance)
}

/// SSMD = (μ₁ − μ₀) / √(σ₁² + σ₀²) (Zhang 2007).
pub(super) fn ssmd(values: &[f64], negative: &[f64]) -> Option<f64> {
    let ((mean, deviation), (mean_0, deviation_0)) = (mean_and_deviation(values)?, mean_and_deviation(negative)?);
    let spread = deviation.hypot(deviation_0);
    (spread > 0.0).then(|| (mean - mean_0) / spread)
}

/// Standard deviation over mean.
pub(super) fn coefficient_of_variation(values: &[f64]) -> Option<f64> {
    let (mean, deviation) = mean_and_deviation(values)?;
    (mean != 0.0).then(|| deviation / mean.abs())
}

/// Pearson's correlation; `None` where one of the two does not vary.
pub(super) fn correlation(left: &[f32], right: &[f32]) -> Option<f64> {
    let n = left.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let (mean_left, mean_right) = (mean(left), mean(right));
    let (mut product, mut squares_left, mut squares_right) = (0.0, 0.0, 0.0);
    for (&l, &r) in left.iter().zip(right) {
        let (l, r) = (f64::from(l) - mean_left, f64::from(r) - mean_right);
        product += l * r;
        squares_left += l * l;
        squares_right += r * r;
    }
    let size = (squares_left * squares_right).sqrt();
    (size > 0.0).then(|| product / size)
}

/// Effects of rows and columns by Tukey's median polish.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Polished {
    pub(super) rows: Vec<f64>,
    pub(super) columns: Vec<f64>,
}

/// Median polish of `[row, column]`, rows first, until nothing changes or for ten rounds; `None` is an empty place.
pub(super) fn median_polish(values: &[Vec<Option<f64>>]) -> Polished {
    const ROUNDS: usize = 10;
    let n_columns = values.first().map_or(0, Vec::len);
    let mut rest: Vec<Vec<Option<f64>>> = values.to_vec();
    let mut polished = Polished { rows: vec![0.0; values.len()], columns: vec![0.0; n_columns] };
    let middle = |values: &mut Vec<f64>| if values.is_empty() { 0.0 } else { median(values) };
    for _ in 0..ROUNDS {
        let mut change = 0.0f64;
        for (row, effect) in rest.iter_mut().zip(&mut polished.rows) {
            let step = middle(&mut row.iter().flatten().copied().collect());
            row.iter_mut().flatten().for_each(|value| *value -= step);
            *effect += step;
            change = change.max(step.abs());
        }
        for (column, effect) in polished.columns.iter_mut().enumerate() {
            let step = middle(&mut rest.iter().filter_map(|row| row[column]).collect());
            rest.iter_mut().filter_map(|row| row[column].as_mut()).for_each(|value| *value -= step);
            *effect += step;
            change = change.max(step.abs());
        }
        if change < 1e-9 {
            break;
        }
    }
    // The common value goes with neither.
    for effects in [&mut polished.rows, &mut polished.columns] {
        let common = middle(&mut effects.clone());
        effects.iter_mut().for_each(|effect| *effect -= common);
    }
    polished
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-6), "{found:?}, expected {expected}");
    }

    #[test]
    fn controls_are_judged_as_by_hand() {
        // Means 2 and 12, standard deviations 1 and 2; medians 2 and 12, median absolute deviations 1 and 2.
        let (negative, positive) = ([1.0, 2.0, 3.0], [10.0, 12.0, 14.0]);
        close(z_prime(&positive, &negative), 0.1);
        close(robust_z_prime(&positive, &negative), 1.0 - 3.0 * 1.4826 * 3.0 / 10.0);
        close(ssmd(&positive, &negative), 10.0 / 5f64.sqrt());
        close(coefficient_of_variation(&negative), 0.5);
        // Which of the two is larger does not matter for the window; the sign of SSMD says so.
        close(z_prime(&negative, &positive), 0.1);
        close(ssmd(&negative, &positive), -10.0 / 5f64.sqrt());
        assert_eq!(z_prime(&[1.0, 1.0], &[1.0, 1.0]), None);
        assert_eq!(z_prime(&[1.0], &negative), None);
        assert_eq!(ssmd(&[1.0, 1.0], &[1.0, 1.0]), None);
    }

    #[test]
    fn correlation_is_pearsons() {
        close(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), 1.0);
        close(correlation(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), 0.5);
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn median_polish_finds_what_was_added() {
        let (rows, columns) = ([0.0, 0.0, 3.0], [0.0, -1.0, 0.0, 0.0]);
        let values: Vec<Vec<Option<f64>>> =
            rows.iter().map(|row| columns.iter().map(|column| Some(10.0 + row + column)).collect()).collect();
        let found = median_polish(&values);
        assert_eq!(found, Polished { rows: rows.to_vec(), columns: columns.to_vec() });
        // One wild well and one empty place change nothing.
        let mut wild = values;
        wild[0][0] = Some(1000.0);
        wild[1][2] = None;
        assert_eq!(median_polish(&wild), found);
    }

    #[test]
    fn median_polish_of_a_table_worked_by_hand() {
        // Rows have medians 2, 5 and 8; what is left has the columns' medians -1, 0 and 1, and then nothing.
        let table = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]];
        let found = median_polish(&table.map(|row| row.map(Some).to_vec()));
        assert_eq!(found, Polished { rows: vec![-3.0, 0.0, 3.0], columns: vec![-1.0, 0.0, 1.0] });
    }
}
