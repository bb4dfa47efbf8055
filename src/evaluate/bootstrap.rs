//! Intervals by resampling independent units: compounds or genes, never wells.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::error::{EvaluateError, expect_finite, expect_same_length};

/// Fewer independent units than this support no claim and get no interval.
pub const MIN_UNITS: usize = 10;

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
    /// 95 % percentile interval, lower and upper end; `None` under [`MIN_UNITS`] units.
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
    /// Units are drawn with replacement, each with all its items; the mean is over items, so large units count for more.
    ///
    /// # Errors
    /// When there are no values, one is not finite, or `units` has another length.
    pub fn mean<U: AsRef<str>>(&self, values: &[f64], units: &[U]) -> Result<Estimate, EvaluateError> {
        let sums: Vec<(f64, usize)> = sums_by_unit(values, units)?.into_values().collect();
        let n_units = sums.len();
        let overall = mean_over_items(sums.iter().copied());
        let mut interval = None;
        if n_units >= MIN_UNITS && self.resamples > 0 {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            let mut means: Vec<f64> = (0..self.resamples)
                .map(|_| mean_over_items((0..n_units).map(|_| sums[rng.random_range(0..n_units)])))
                .collect();
            means.sort_by(f64::total_cmp);
            interval = Some((quantile(&means, 0.025), quantile(&means, 0.975)));
        }
        Ok(Estimate { mean: overall, interval, n_items: values.len(), n_units })
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

fn mean_over_items(sums: impl Iterator<Item = (f64, usize)>) -> f64 {
    let (sum, count) = sums.fold((0.0, 0usize), |(sum, count), (more, n_items)| (sum + more, count + n_items));
    sum / count as f64
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

    #[test]
    fn interval_covers_the_true_mean_about_95_times_in_100() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (n_units, n_trials) = (40, 1000);
        let bootstrap = Bootstrap { resamples: 500, seed: 9 };
        let covered = (0..n_trials).filter(|_| {
            // Two items for each unit that share the unit's effect: resampling items would be over-confident.
            let mut values = Vec::new();
            let mut units = Vec::new();
            for unit in names(n_units) {
                let effect: f64 = (0..12).map(|_| rng.random::<f64>() - 0.5).sum();
                for _ in 0..2 {
                    values.push(3.0 + effect + 0.3 * (rng.random::<f64>() - 0.5));
                    units.push(unit.clone());
                }
            }
            let (lower, upper) = bootstrap.mean(&values, &units).unwrap().interval.unwrap();
            lower <= 3.0 && 3.0 <= upper
        });
        let share = covered.count() as f64 / f64::from(n_trials);
        assert!((share - 0.95).abs() <= 0.03, "{share}");
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
