//! Intervals by resampling independent units: compounds or genes, never wells.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::error::{EvaluateError, expect_finite, expect_same_length};

/// Fewer independent units than this support no claim and get no interval.
pub const MIN_UNITS: usize = 10;

/// Between which values correlations lie.
pub(super) const CORRELATIONS: [f64; 2] = [-1.0, 1.0];

/// Ends the name of the share of treatments at which replicates are better than the mean response.
pub(super) const BEATS_MEAN: &str = "_beats_mean";

/// How intervals are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Times that the units are drawn with replacement.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0 }
    }
}

/// A mean over items with the interval that the drawing of units gives it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over the items.
    pub mean: f64,
    /// 95 % interval, lower and upper end; `None` under [`MIN_UNITS`] units.
    pub interval: Option<(f64, f64)>,
    /// Items averaged.
    pub n_items: usize,
    /// Independent units that they belong to.
    pub n_units: usize,
}

/// What a comparison of two methods allows to be said of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The whole interval lies below zero.
    Lower,
    /// The whole interval lies above zero.
    Higher,
    /// The interval holds zero.
    Indistinguishable,
    /// Fewer than [`MIN_UNITS`] units: look at each of them.
    TooFewUnits,
}

/// The mean difference within one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitDifference {
    /// The unit.
    pub unit: String,
    /// Mean over its items of first minus second.
    pub difference: f64,
    /// Its items.
    pub n_items: usize,
}

/// First minus second, over the same items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// Mean difference with its interval.
    pub estimate: Estimate,
    /// What it allows to be said.
    pub claim: Claim,
    /// Difference of each unit, in the order of the names.
    pub by_unit: Vec<UnitDifference>,
}

impl Bootstrap {
    /// The mean of `values` with its interval; `units` names the independent unit of each.
    ///
    /// The interval is that of the bootstrap-t: units are drawn with replacement, each with all its items, and the quantiles
    /// are those of the deviation from the mean in units of the standard error that the draw itself has, or of a quarter of
    /// that of the sample where the draw has less: a draw of units that agree says nothing of how far others may lie. Each
    /// end is at least as far from the mean as Student's is. Of few units, or of skewed ones, percentiles of the drawn means
    /// hold the true mean less often than they say. The mean is over items, so large units count for more.
    ///
    /// # Errors
    /// When there are no values, one is not finite, or `units` has another length.
    pub fn mean<U: AsRef<str>>(&self, values: &[f64], units: &[U]) -> Result<Estimate, EvaluateError> {
        let sums: Vec<(f64, usize)> = sums_by_unit(values, units)?.into_values().collect();
        let (n_units, mean) = (sums.len(), mean_over_items(&sums));
        let interval = (n_units >= MIN_UNITS && self.resamples > 0).then(|| {
            let ((lower, upper), error) = self.around(mean, &sums);
            let student = StudentsT::new(0.0, 1.0, n_units as f64 - 1.0).map_or(0.0, |law| law.inverse_cdf(0.975));
            (lower.min(mean - student * error), upper.max(mean + student * error))
        });
        Ok(Estimate { mean, interval, n_items: values.len(), n_units })
    }

    /// The interval of the bootstrap-t around `mean`, and the standard error.
    fn around(&self, mean: f64, sums: &[(f64, usize)]) -> ((f64, f64), f64) {
        /// Of the sample's standard error, what a draw has at least.
        const LEAST_ERROR: f64 = 0.25;
        // Sums of deviations, so that no digits are lost where the mean is large.
        let deviations: Vec<(f64, f64)> = sums.iter().map(|&(sum, n)| (sum - mean * n as f64, n as f64)).collect();
        let (_, error) = deviation_with_error(&deviations);
        if error == 0.0 {
            return ((mean, mean), error);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn = Vec::with_capacity(deviations.len());
        let mut ratios: Vec<f64> = (0..self.resamples)
            .map(|_| {
                drawn.clear();
                drawn.extend((0..deviations.len()).map(|_| deviations[rng.random_range(0..deviations.len())]));
                let (deviation, own_error) = deviation_with_error(&drawn);
                deviation / own_error.max(LEAST_ERROR * error)
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        ((mean - quantile(&ratios, 0.975) * error, mean - quantile(&ratios, 0.025) * error), error)
    }

    /// The mean of `shares`, each between 0 and 1, with its interval, which lies there too; `units` names the independent
    /// unit of each.
    ///
    /// # Errors
    /// As [`Bootstrap::mean`].
    pub fn share<U: AsRef<str>>(&self, shares: &[f64], units: &[U]) -> Result<Estimate, EvaluateError> {
        self.bounded(shares, units, [0.0, 1.0])
    }

    /// The same of values that lie between the two ends of a `range`, as correlations do between -1 and 1.
    ///
    /// Such values are often all at one end, and no drawing of units shows how far that goes. Each end of the interval is the
    /// farther of two: that of the bootstrap-t, within the range, and Wilson's, for as many independent shares of the range as
    /// have the standard error that units give the mean, or as there are units where these hardly differ.
    ///
    /// # Errors
    /// As [`Bootstrap::mean`].
    pub fn bounded<U: AsRef<str>>(
        &self,
        values: &[f64],
        units: &[U],
        [low, high]: [f64; 2],
    ) -> Result<Estimate, EvaluateError> {
        /// Of the range, a spread of units below which they agree.
        const LEAST_SPREAD: f64 = 0.005;
        let sums: Vec<(f64, usize)> = sums_by_unit(values, units)?.into_values().collect();
        let n_units = sums.len();
        let mean = mean_over_items(&sums).clamp(low, high);
        let interval = (n_units >= MIN_UNITS && self.resamples > 0).then(|| {
            let ((lower, upper), error) = self.around(mean, &sums);
            let (width, share) = (high - low, (mean - low) / (high - low));
            let (variance, error) = (share * (1.0 - share), error / width);
            let has_spread = error * (n_units as f64).sqrt() >= LEAST_SPREAD && variance > 0.0;
            let n = if has_spread { (variance / error.powi(2)).max(1.0) } else { n_units as f64 };
            let (below, above) = wilson(share, n);
            (lower.max(low).min(low + width * below), upper.min(high).max(low + width * above))
        });
        Ok(Estimate { mean, interval, n_items: values.len(), n_units })
    }

    /// The mean of the values of a metric of treatments, with the interval that its range allows.
    ///
    /// # Errors
    /// As [`Bootstrap::mean`].
    pub fn of_metric<U: AsRef<str>>(
        &self,
        metric: &str,
        values: &[f64],
        units: &[U],
    ) -> Result<Estimate, EvaluateError> {
        match metric {
            "recall" | "mrr" => self.share(values, units),
            metric if metric.ends_with(BEATS_MEAN) => self.share(values, units),
            "pearson_delta" | "pearson_delta_shift" | "cosine_delta" | "rank_correlation" => {
                self.bounded(values, units, CORRELATIONS)
            }
            _ => self.mean(values, units),
        }
    }

    /// The 95 % interval of any statistic of a set of items; `units` names the independent unit of each item.
    ///
    /// `statistic` is given the indices of the items of drawn units, an item as often as its unit is drawn; resamples in
    /// which it is undefined are left out. `None` under [`MIN_UNITS`] units.
    pub fn interval_of<U: AsRef<str>>(
        &self,
        units: &[U],
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Option<(f64, f64)> {
        let mut items = BTreeMap::<&str, Vec<usize>>::new();
        for (item, unit) in units.iter().enumerate() {
            items.entry(unit.as_ref()).or_default().push(item);
        }
        let items: Vec<Vec<usize>> = items.into_values().collect();
        if items.len() < MIN_UNITS || self.resamples == 0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut values: Vec<f64> = (0..self.resamples)
            .filter_map(|_| {
                let drawn: Vec<usize> =
                    (0..items.len()).flat_map(|_| &items[rng.random_range(0..items.len())]).copied().collect();
                statistic(&drawn).filter(|value| value.is_finite())
            })
            .collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then(|| (quantile(&values, 0.025), quantile(&values, 0.975)))
    }

    /// The mean of `first - second` with its interval; both are per-item scores of the same items, in one order.
    ///
    /// # Errors
    /// When there are no items, a score is not finite, or the three lists differ in length.
    pub fn paired_difference<U: AsRef<str>>(
        &self,
        first: &[f64],
        second: &[f64],
        units: &[U],
    ) -> Result<PairedDifference, EvaluateError> {
        expect_same_length("the first method's scores", first.len(), "the second's", second.len())?;
        let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
        let estimate = self.mean(&differences, units)?;
        let claim = match estimate.interval {
            None => Claim::TooFewUnits,
            Some((_, upper)) if upper < 0.0 => Claim::Lower,
            Some((lower, _)) if lower > 0.0 => Claim::Higher,
            Some(_) => Claim::Indistinguishable,
        };
        let by_unit = sums_by_unit(&differences, units)?
            .into_iter()
            .map(|(unit, (sum, n_items))| UnitDifference { unit, difference: sum / n_items as f64, n_items })
            .collect();
        Ok(PairedDifference { estimate, claim, by_unit })
    }
}

/// Sum and number of the values of each unit.
fn sums_by_unit<U: AsRef<str>>(values: &[f64], units: &[U]) -> Result<BTreeMap<String, (f64, usize)>, EvaluateError> {
    expect_same_length("scores", values.len(), "units", units.len())?;
    expect_finite("the scores", values)?;
    if values.is_empty() {
        return Err(EvaluateError::Empty { what: "items" });
    }
    let mut sums = BTreeMap::<String, (f64, usize)>::new();
    for (value, unit) in values.iter().zip(units) {
        let entry = sums.entry(unit.as_ref().to_owned()).or_default();
        *entry = (entry.0 + value, entry.1 + 1);
    }
    Ok(sums)
}

fn mean_over_items(sums: &[(f64, usize)]) -> f64 {
    let (sum, count) = sums.iter().fold((0.0, 0usize), |(sum, count), (more, n_items)| (sum + more, count + n_items));
    sum / count as f64
}

/// The mean over items of deviations, given as sum and number of items of each unit, and its standard error as the ratio of two
/// sums over units.
fn deviation_with_error(units: &[(f64, f64)]) -> (f64, f64) {
    let (sum, count) = units.iter().fold((0.0, 0.0), |(sum, count), (deviation, n)| (sum + deviation, count + n));
    let (mean, n_units) = (sum / count, units.len() as f64);
    // In a second pass, since the difference of large sums would leave an error where there is none.
    let residual: f64 = units.iter().map(|(deviation, n)| (deviation - mean * n).powi(2)).sum();
    (mean, (residual * n_units / (n_units - 1.0)).sqrt() / count)
}

/// Wilson's 95 % interval of a share of `n` independent cases.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z = 1.959_963_984_540_054_f64;
    let center = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// Quantile of sorted values, linear between them.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("u{index:03}")).collect()
    }

    /// How often the interval of `n_units` units, whose effects have mean `expected`, holds it. Three items of each unit share
    /// its effect: resampling items would be over-confident.
    fn coverage(n_units: usize, expected: f64, effect: &dyn Fn(&mut ChaCha8Rng) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(n_units as u64);
        let bootstrap = Bootstrap { resamples: 599, seed: 9 };
        let n_trials = 2000;
        let covered = (0..n_trials).filter(|_| {
            let (mut values, mut units) = (Vec::new(), Vec::new());
            for unit in names(n_units) {
                let effect = effect(&mut rng);
                for _ in 0..3 {
                    values.push(effect + 0.3 * (rng.random::<f64>() - 0.5));
                    units.push(unit.clone());
                }
            }
            let (lower, upper) = bootstrap.mean(&values, &units).unwrap().interval.unwrap();
            lower <= expected && expected <= upper
        });
        covered.count() as f64 / f64::from(n_trials)
    }

    #[test]
    fn intervals_of_few_units_hold_the_true_mean() {
        // The sum of twelve uniform numbers is as good as normal.
        let normal = |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random::<f64>() - 0.5).sum::<f64>();
        let exponential = |rng: &mut ChaCha8Rng| -(1.0 - rng.random::<f64>()).ln();
        for n_units in [10, 14, 24] {
            let (of_normal, of_skewed) = (coverage(n_units, 0.0, &normal), coverage(n_units, 1.0, &exponential));
            assert!((0.94..0.98).contains(&of_normal), "{n_units} normal: {of_normal}");
            assert!((0.92..0.98).contains(&of_skewed), "{n_units} exponential: {of_skewed}");
        }
    }

    #[test]
    fn differences_of_which_most_are_zero_have_an_interval_of_their_size() {
        // A draw of zeros alone has no error of its own.
        let mut differences = vec![0.0; 13];
        differences.push(0.009);
        let units = names(14);
        let counted: Vec<(f64, &String)> = (differences.iter().zip(&units).enumerate())
            .flat_map(|(index, (value, unit))| std::iter::repeat_n((*value, unit), 1 + index % 3))
            .collect();
        let (values, units): (Vec<f64>, Vec<&String>) = counted.into_iter().unzip();
        let found = Bootstrap::default().mean(&values, &units).unwrap();
        let (lower, upper) = found.interval.unwrap();
        assert!(lower < 0.0 && found.mean < upper && upper - lower < 0.02, "{lower} {upper}");
        let (lower, upper) = Bootstrap::default().mean(&[2.5; 12], &names(12)).unwrap().interval.unwrap();
        assert_eq!((lower, upper), (2.5, 2.5));
    }

    #[test]
    fn scores_near_an_end_of_their_range_have_intervals_that_hold_the_true_mean() {
        // 1 but for one in ten, which is anywhere; shares that are 0 or 1; and shares that hardly differ.
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let bootstrap = Bootstrap { resamples: 299, seed: 1 };
        let mut coverage = |n: usize, expected: f64, draw: &dyn Fn(&mut ChaCha8Rng) -> f64| {
            let n_trials = 1000;
            let covered = (0..n_trials).filter(|_| {
                let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
                let (lower, upper) = bootstrap.share(&values, &names(n)).unwrap().interval.unwrap();
                assert!(lower >= 0.0 && upper <= 1.0);
                lower <= expected + 1e-9 && expected <= upper + 1e-9
            });
            covered.count() as f64 / f64::from(n_trials)
        };
        for n in [10, 14, 24] {
            let rarely_low = |rng: &mut ChaCha8Rng| if rng.random::<f64>() < 0.1 { rng.random::<f64>() } else { 1.0 };
            let nearly_one =
                |rng: &mut ChaCha8Rng| if rng.random::<f64>() < 0.06 { 0.5 } else { 1.0 - 1e-7 * rng.random::<f64>() };
            let hits = |rng: &mut ChaCha8Rng| f64::from(u8::from(rng.random::<f64>() < 0.9));
            for (expected, found) in [
                (0.95, coverage(n, 0.95, &rarely_low)),
                (0.97, coverage(n, 0.97, &nearly_one)),
                (0.9, coverage(n, 0.9, &hits)),
            ] {
                assert!(found >= 0.93, "{n} units of mean {expected}: {found}");
            }
        }
    }

    #[test]
    fn shares_have_at_least_wilsons_interval_over_units() {
        let share = |values: &[f64], units: &[String]| Bootstrap::default().share(values, units).unwrap();
        // Wilson's formula for 20 of 20.
        let (lower, upper) = share(&[1.0; 20], &names(20)).interval.unwrap();
        assert!((lower - 0.838_875).abs() < 1e-6 && upper == 1.0, "{lower} {upper}");
        // 15 of 20: the standard error of the mean has n - 1, so that there are 19 independent shares of 0.75.
        let values: Vec<f64> = (0..20).map(|index| f64::from(u8::from(index < 15))).collect();
        let (lower, upper) = share(&values, &names(20)).interval.unwrap();
        assert!(lower <= 0.525_469 + 1e-6 && upper >= 0.890_442 - 1e-6, "{lower} {upper}");
        // Two items of a unit that agree count once.
        let twice: Vec<f64> = values.iter().flat_map(|&value| [value, value]).collect();
        let units: Vec<String> = names(20).into_iter().flat_map(|name| [name.clone(), name]).collect();
        assert_eq!(share(&twice, &units).interval, share(&values, &names(20)).interval);
        assert_eq!(share(&values[..5], &names(5)).interval, None);
        // Correlations that are all 1: the same of their range.
        let ones = Bootstrap::default().bounded(&[1.0; 20], &names(20), CORRELATIONS).unwrap();
        assert!((ones.interval.unwrap().0 - (2.0 * 0.838_875 - 1.0)).abs() < 1e-5);
    }

    #[test]
    fn claims_only_what_the_interval_allows() {
        let check = |n_units: usize, shift: f64, claim: Claim| {
            let second: Vec<f64> = (0..n_units).map(|index| (index * 7 % 5) as f64).collect();
            let first: Vec<f64> =
                second.iter().enumerate().map(|(index, value)| value + shift + (index % 3) as f64 - 1.0).collect();
            let found = Bootstrap::default().paired_difference(&first, &second, &names(n_units)).unwrap();
            assert_eq!(found.claim, claim, "{n_units} {shift}");
            assert_eq!(found.by_unit.len(), n_units);
        };
        check(30, -1.0, Claim::Lower);
        check(30, 1.0, Claim::Higher);
        check(30, 0.0, Claim::Indistinguishable);
        check(9, -5.0, Claim::TooFewUnits);
    }

    #[test]
    fn items_of_one_unit_are_one_unit() {
        let found = Bootstrap::default().mean(&[1.0, 2.0, 6.0], &["a", "a", "b"]).unwrap();
        assert_eq!((found.mean, found.interval, found.n_items, found.n_units), (3.0, None, 3, 2));
    }

    #[test]
    fn one_seed_gives_one_interval() {
        let values: Vec<f64> = (0..20).map(|index| f64::from(index).sin()).collect();
        let bootstrap = Bootstrap { resamples: 200, seed: 4 };
        assert_eq!(bootstrap.mean(&values, &names(20)).unwrap(), bootstrap.mean(&values, &names(20)).unwrap());
    }

    #[test]
    fn refuses_what_is_no_score() {
        let bootstrap = Bootstrap::default();
        let message = |values: &[f64], units: &[&str]| bootstrap.mean(values, units).unwrap_err().to_string();
        assert_eq!(message(&[1.0, f64::NAN], &["a", "b"]), "entry 1 of the scores is NaN, expected a finite number");
        assert_eq!(message(&[1.0], &["a", "b"]), "scores has 1 entries but units has 2; give one for each");
        assert_eq!(message(&[], &[]), "no items to score; check which treatments were held out");
    }
}
