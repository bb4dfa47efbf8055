//! Average precision of one ranked list, and what it is for an order drawn by lot.

use rand::Rng;
use rand::seq::index;

use super::EvaluateError;

/// Up to this many position sets the null distribution is enumerated.
const MOST_ENUMERATED: f64 = 1e6;
/// Two average precisions closer than this are equal: sums of the same fractions in another order.
pub(super) const SAME_PRECISION: f64 = 1e-9;

/// Mean over the positives of the precision down to each, in (0, 1]; `None` without positives.
///
/// Items of equal similarity enter together, so that the order of the rows does not matter: the definition of
/// scikit-learn's `average_precision_score`, which without ties is that of copairs.
///
/// # Panics
/// If the lists differ in length.
pub fn average_precision(similarities: &[f64], is_positive: &[bool]) -> Option<f64> {
    assert_eq!(similarities.len(), is_positive.len(), "each similarity is of one item");
    let mut order: Vec<usize> = (0..similarities.len()).collect();
    order.sort_by(|&left, &right| similarities[right].total_cmp(&similarities[left]));
    let (mut n_seen, mut n_positive, mut sum) = (0usize, 0usize, 0.0f64);
    for tied in order.chunk_by(|&left, &right| similarities[left] == similarities[right]) {
        let n_new = tied.iter().filter(|&&item| is_positive[item]).count();
        n_seen += tied.len();
        n_positive += n_new;
        sum += n_new as f64 * n_positive as f64 / n_seen as f64;
    }
    (n_positive > 0).then(|| sum / n_positive as f64)
}

/// Expected average precision of `n_positives` among `n_items` in random order, without ties.
///
/// (1/n) · [(n⁺ − 1)/(n − 1) · (n − Hₙ) + Hₙ] with Hₙ = 1 + 1/2 + … + 1/n.
/// NaN unless 1 ≤ `n_positives` ≤ `n_items`.
pub fn expected_average_precision(n_positives: usize, n_items: usize) -> f64 {
    if n_positives == 0 || n_positives > n_items {
        return f64::NAN;
    }
    if n_items == 1 {
        return 1.0;
    }
    let n = n_items as f64;
    let harmonic: f64 = (1..=n_items).map(|place| 1.0 / place as f64).sum();
    ((n_positives as f64 - 1.0) / (n - 1.0) * (n - harmonic) + harmonic) / n
}

/// Probability that a random order of `n_positives` among `n_items` has at least this average precision.
///
/// Exact, by enumeration, up to 10^6 sets of positions; beyond that (1 + hits) / (1 + draws) over `draws` random orders.
/// This is the p-value of a *single* query with independent items; for a group of replicates use
/// [`replicate_map`](super::replicate_map), whose queries share their items.
///
/// # Errors
/// Unless 1 ≤ `n_positives` ≤ `n_items`.
pub fn random_order_p_value(
    average_precision: f64,
    n_positives: usize,
    n_items: usize,
    draws: usize,
    rng: &mut impl Rng,
) -> Result<f64, EvaluateError> {
    if n_positives == 0 || n_positives > n_items {
        return Err(EvaluateError::Setting {
            name: "n_positives",
            found: n_positives as f64,
            expected: "at least 1 and at most the number of items",
        });
    }
    let threshold = average_precision - SAME_PRECISION;
    if n_combinations(n_items, n_positives) <= MOST_ENUMERATED {
        let (mut n_hits, mut n_sets) = (0u64, 0u64);
        for_each_average_precision(n_positives, n_items, &mut |value| {
            n_hits += u64::from(value >= threshold);
            n_sets += 1;
        });
        return Ok(n_hits as f64 / n_sets as f64);
    }
    let hits = (0..draws).filter(|_| {
        let mut positions = index::sample(rng, n_items, n_positives).into_vec();
        positions.sort_unstable();
        let sum: f64 = positions.iter().enumerate().map(|(place, &at)| (place + 1) as f64 / (at + 1) as f64).sum();
        sum / n_positives as f64 >= threshold
    });
    Ok((1 + hits.count()) as f64 / (1 + draws) as f64)
}

/// Number of ways to choose `k` of `n`, as a float (infinite when huge).
pub(super) fn n_combinations(n: usize, k: usize) -> f64 {
    (0..k.min(n - k)).map(|step| (n - step) as f64 / (step + 1) as f64).product::<f64>().round()
}

/// Calls `visit` with the average precision of every set of `n_positives` positions among `n_items`.
fn for_each_average_precision(n_positives: usize, n_items: usize, visit: &mut impl FnMut(f64)) {
    fn descend(place: usize, first: usize, sum: f64, n_positives: usize, n_items: usize, visit: &mut impl FnMut(f64)) {
        if place > n_positives {
            return visit(sum / n_positives as f64);
        }
        for at in first..=n_items - (n_positives - place) {
            descend(place + 1, at + 1, sum + place as f64 / at as f64, n_positives, n_items, visit);
        }
    }
    descend(1, 1, 0.0, n_positives, n_items, visit);
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use serde_json::Value;

    use super::*;

    /// Numbers of `tests/oracles/sklearn_average_precision.py`, ties among them.
    #[test]
    fn agrees_with_scikit_learn() {
        let oracle: Value =
            serde_json::from_str(include_str!("../../tests/oracles/sklearn_average_precision.json")).unwrap();
        let cases = oracle["cases"].as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let similarities: Vec<f64> = serde_json::from_value(case["similarities"].clone()).unwrap();
            let is_positive: Vec<bool> = serde_json::from_value(case["is_positive"].clone()).unwrap();
            let expected = case["average_precision"].as_f64().unwrap();
            assert!((average_precision(&similarities, &is_positive).unwrap() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn no_positive_no_precision() {
        assert_eq!(average_precision(&[1.0], &[false]), None);
        assert_eq!(average_precision(&[], &[]), None);
    }

    #[test]
    fn expectation_is_that_of_all_orders() {
        for (n_items, n_positives, published) in
            [(5, 1, None), (5, 2, None), (8, 3, None), (17, 1, Some(0.2023)), (18, 2, Some(0.2416)), (4, 4, Some(1.0))]
        {
            let (mut sum, mut count) = (0.0, 0.0);
            for_each_average_precision(n_positives, n_items, &mut |value| {
                sum += value;
                count += 1.0;
            });
            assert_eq!(count, n_combinations(n_items, n_positives));
            let expected = expected_average_precision(n_positives, n_items);
            assert!((expected - sum / count).abs() < 1e-12, "({n_items}, {n_positives})");
            assert!(published.is_none_or(|published: f64| (expected - published).abs() < 5e-5));
        }
    }

    /// Numbers of `tests/oracles/copairs_null.py`: the exact share is what a large null comes to.
    #[test]
    fn agrees_with_the_null_of_copairs() {
        let oracle: Value = serde_json::from_str(include_str!("../../tests/oracles/copairs_null.json")).unwrap();
        let draws = oracle["draws"].as_f64().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let cases = oracle["cases"].as_array().unwrap();
        assert!(cases.len() >= 16);
        for case in cases {
            let count = |name: &str| case[name].as_u64().unwrap() as usize;
            let (n_positives, n_items) = (count("n_positives"), count("n_items"));
            // The oracle's average precision is of 32 bits.
            let reached = case["average_precision"].as_f64().unwrap() - 1e-6;
            let share = case["share"].as_f64().unwrap();
            let exact = random_order_p_value(reached, n_positives, n_items, 0, &mut rng).unwrap();
            let error = (share * (1.0 - share) / draws).sqrt();
            assert!((exact - share).abs() < 4.0 * error + 1e-9, "{n_positives} of {n_items}: {exact} is not {share}");
        }
    }

    #[test]
    fn a_perfect_list_is_as_rare_as_its_set_of_positions() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert_eq!(random_order_p_value(1.0, 1, 17, 0, &mut rng).unwrap(), 1.0 / 17.0);
        assert_eq!(random_order_p_value(1.0, 2, 18, 0, &mut rng).unwrap(), 1.0 / 153.0);
        assert_eq!(random_order_p_value(0.0, 2, 18, 0, &mut rng).unwrap(), 1.0);
        assert!(random_order_p_value(1.0, 3, 2, 0, &mut rng).is_err());
        let drawn = random_order_p_value(0.3, 5, 100, 2000, &mut rng).unwrap();
        assert!((1.0 / 2001.0..0.05).contains(&drawn), "{drawn}");
    }
}
