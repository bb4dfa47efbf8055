//! Which label the nearest labelled points vote for, and whether votes are right more often than chance allows.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::screen::share_mechanism;

/// The labels with the most votes among the `k` nearest points: one, or several that nothing tells apart.
///
/// All points as near as the k-th vote too. Of labels with equally many votes, those whose voters are nearest on average win.
///
/// # Panics
/// If `distances` and `labels` differ in length, or `k` is 0.
pub fn nearest_labels<'a>(distances: &[f64], labels: &[&'a str], k: usize) -> Vec<&'a str> {
    assert_eq!(distances.len(), labels.len(), "one label for each distance");
    assert!(k > 0, "somebody has to vote");
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&left, &right| distances[left].total_cmp(&distances[right]));
    let Some(&last) = order.get(k.min(order.len()).wrapping_sub(1)) else { return Vec::new() };
    let mut votes = BTreeMap::<&str, (usize, f64)>::new();
    for &point in order.iter().take_while(|&&point| distances[point] <= distances[last]) {
        let (count, sum) = votes.entry(labels[point]).or_default();
        (*count, *sum) = (*count + 1, *sum + distances[point]);
    }
    let most = votes.values().map(|(count, _)| *count).max().unwrap_or(0);
    votes.retain(|_, (count, _)| *count == most);
    let nearest = votes.values().map(|(_, sum)| *sum).fold(f64::INFINITY, f64::min);
    votes.into_iter().filter(|(_, (_, sum))| *sum <= nearest).map(|(label, _)| label).collect()
}

/// One point whose label was guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess<'a> {
    /// Points within which labels might as well have stood otherwise: those of one plate in one fold.
    pub stratum: String,
    /// Its true label.
    pub label: &'a str,
    /// What was guessed: one label, or several that share the guess evenly.
    pub guessed: Vec<&'a str>,
    /// Whether labels are mechanisms, of which several may be joined by `|`; one in common is right.
    pub is_of_mechanisms: bool,
}

impl Guess<'_> {
    /// How right the guess is: the share of its labels that are the true one, or have a mechanism in common with it.
    pub fn hit(&self) -> f64 {
        self.share_of(self.label)
    }

    fn share_of(&self, label: &str) -> f64 {
        let is_right = |guessed: &&&str| are_same(guessed, label, self.is_of_mechanisms);
        let right = self.guessed.iter().filter(is_right).count();
        right as f64 / self.guessed.len().max(1) as f64
    }
}

/// Whether two labels say the same; of mechanisms, several of which may be joined by `|`, one in common will do.
pub(super) fn are_same(one: &str, other: &str, are_mechanisms: bool) -> bool {
    one == other || are_mechanisms && share_mechanism(one, other)
}

/// Share of relabelings in which the guesses hit at least as often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelabelingPValue {
    /// The p-value, one-sided.
    pub value: f64,
    /// Whether all relabelings were counted; otherwise [`DRAWS`] of them were drawn.
    pub is_exact: bool,
}

/// Relabelings drawn where there are too many to count.
pub const DRAWS: usize = 9_999;

/// Most states of a count over all relabelings of a stratum.
const MOST_STATES: usize = 200_000;

/// How likely so many hits are if labels stood at random within their strata.
///
/// The guesses stay; the true labels of each stratum change places. Where the number of ways to use up a stratum's labels
/// is small, all relabelings are counted; otherwise they are drawn, and the observed labels count as one of them.
pub fn relabeling_p_value(guesses: &[Guess], seed: u64) -> RelabelingPValue {
    let mut strata = BTreeMap::<&str, Vec<&Guess>>::new();
    for guess in guesses {
        strata.entry(guess.stratum.as_str()).or_default().push(guess);
    }
    let observed: i64 = guesses.iter().map(|guess| key(guess.hit())).sum();
    let counted: Option<Vec<BTreeMap<i64, f64>>> = strata.values().map(|guesses| distribution(guesses)).collect();
    if let Some(strata) = counted {
        let mut total = BTreeMap::from([(0i64, 1.0f64)]);
        for stratum in strata {
            let mut next = BTreeMap::new();
            for (&sum, &share) in &total {
                for (&more, &own) in &stratum {
                    *next.entry(sum + more).or_insert(0.0) += share * own;
                }
            }
            total = next;
        }
        let value: f64 = total.range(observed..).map(|(_, share)| share).sum();
        return RelabelingPValue { value: value.min(1.0), is_exact: true };
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut n_as_good = 0;
    for _ in 0..DRAWS {
        let mut hits = 0;
        for guesses in strata.values() {
            let mut labels: Vec<&str> = guesses.iter().map(|guess| guess.label).collect();
            labels.shuffle(&mut rng);
            hits += guesses.iter().zip(labels).map(|(guess, label)| key(guess.share_of(label))).sum::<i64>();
        }
        n_as_good += usize::from(hits >= observed);
    }
    RelabelingPValue { value: (n_as_good + 1) as f64 / (DRAWS + 1) as f64, is_exact: false }
}

/// A share as a whole number, so that sums of shares compare whatever their order.
fn key(hits: f64) -> i64 {
    (hits * 1e9).round() as i64
}

/// How the hits of a stratum are distributed over its relabelings; `None` where there are too many to count.
///
/// Point by point, over what is left of each label: all relabelings that use up the same labels are counted together.
fn distribution(guesses: &[&Guess]) -> Option<BTreeMap<i64, f64>> {
    let mut left = BTreeMap::<&str, usize>::new();
    for guess in guesses {
        *left.entry(guess.label).or_default() += 1;
    }
    let labels: Vec<&str> = left.keys().copied().collect();
    let n_states = left.values().try_fold(1usize, |states, count| states.checked_mul(count + 1));
    if n_states.is_none_or(|states| states.saturating_mul(guesses.len()) > MOST_STATES) {
        return None;
    }
    // The share of each state: the next label is any of the points' that are left, all alike.
    let mut states = BTreeMap::from([(left.into_values().collect::<Vec<usize>>(), BTreeMap::from([(0i64, 1.0f64)]))]);
    for guess in guesses {
        let mut next = BTreeMap::<Vec<usize>, BTreeMap<i64, f64>>::new();
        for (left, shares) in states {
            let n_left: usize = left.iter().sum();
            for (index, label) in labels.iter().enumerate().filter(|(index, _)| left[*index] > 0) {
                let chance = left[index] as f64 / n_left as f64;
                let mut after = left.clone();
                after[index] -= 1;
                let hit = key(guess.share_of(label));
                let sums = next.entry(after).or_default();
                for (sum, share) in &shares {
                    *sums.entry(sum + hit).or_insert(0.0) += share * chance;
                }
            }
        }
        states = next;
    }
    states.into_values().next()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn the_nearest_vote_and_ties_go_to_the_nearer() {
        let labels = ["a", "b", "b", "a", "c"];
        let check = |distances: [f64; 5], k, expected: &[&str]| {
            assert_eq!(nearest_labels(&distances, &labels, k), expected, "{distances:?} {k}");
        };
        check([1.0, 2.0, 3.0, 4.0, 5.0], 1, &["a"]);
        check([1.0, 2.0, 3.0, 4.0, 5.0], 3, &["b"]);
        // Two votes each: `a` is nearer on average.
        check([1.0, 2.0, 4.0, 4.5, 5.0], 4, &["a"]);
        // The third is as near as the second, so that both vote.
        check([1.0, 2.0, 2.0, 4.0, 5.0], 2, &["b"]);
        // Everybody is as near: the most common labels share the vote.
        check([0.0; 5], 1, &["a", "b"]);
        // Two votes each, and as near on average.
        check([1.0, 2.0, 3.0, 4.0, 5.0], 99, &["a", "b"]);
        assert!(nearest_labels(&[], &[], 3).is_empty());
    }

    #[test]
    fn guesses_that_say_the_same_of_everybody_are_as_good_as_any_relabeling() {
        let labels = ["a", "b", "c"];
        let guesses: Vec<Guess> = (0..24).map(|index| guess("all", labels[index % 3], &labels)).collect();
        assert!((relabeling_p_value(&guesses, 0).value - 1.0).abs() < 1e-9);
    }

    fn guess<'a>(stratum: &str, label: &'a str, guessed: &[&'a str]) -> Guess<'a> {
        Guess { stratum: stratum.to_owned(), label, guessed: guessed.to_vec(), is_of_mechanisms: false }
    }

    /// Two strata of two and two: 36 relabelings, of which one is as good as all right.
    #[test]
    fn eight_right_guesses_of_two_labels_on_two_plates_have_p_one_in_thirty_six() {
        let of_plate = |plate: &'static str| ["u", "u", "r", "r"].map(|label| guess(plate, label, &[label]));
        let guesses = [of_plate("1"), of_plate("2")].concat();
        let found = relabeling_p_value(&guesses, 0);
        assert!(found.is_exact && (found.value - 1.0 / 36.0).abs() < 1e-12, "{found:?}");
        let one_stratum: Vec<Guess> =
            guesses.iter().map(|own| Guess { stratum: String::new(), ..own.clone() }).collect();
        assert!((relabeling_p_value(&one_stratum, 0).value - 1.0 / 70.0).abs() < 1e-12);
    }

    #[test]
    fn counting_agrees_with_trying_every_order() {
        let labels = ["a", "a", "b", "c"];
        let guessed: [&[&str]; 4] = [&["a"], &["b"], &["b", "c"], &["c"]];
        let guesses: Vec<Guess> = labels.iter().zip(guessed).map(|(label, own)| guess("", label, own)).collect();
        let observed: f64 = guesses.iter().map(Guess::hit).sum();
        assert_eq!(observed, 2.5);
        let (mut n_all, mut n_as_good) = (0, 0);
        for code in 0..256usize {
            let order = [code % 4, code / 4 % 4, code / 16 % 4, code / 64];
            if (0..4).all(|label| order.contains(&label)) {
                let hits: f64 = guesses.iter().zip(order).map(|(own, at)| own.share_of(labels[at])).sum();
                (n_all, n_as_good) = (n_all + 1, n_as_good + usize::from(hits >= observed));
            }
        }
        assert_eq!(n_all, 24);
        let found = relabeling_p_value(&guesses, 0);
        assert!((found.value - f64::from(n_as_good as u32) / 24.0).abs() < 1e-12, "{found:?}, {n_as_good} of 24");
    }

    #[test]
    fn drawing_comes_near_counting() {
        // Thirty labels of one point each have too many states to count; guessing all right is as good as it gets.
        let names: Vec<String> = (0..30).map(|label| label.to_string()).collect();
        let guesses: Vec<Guess> = names.iter().map(|name| guess("", name, &[name])).collect();
        let found = relabeling_p_value(&guesses, 1);
        assert!(!found.is_exact);
        assert_eq!(found.value, 1e-4);
        // A guess that is the same for everybody hits equally often however labels stand.
        let blind: Vec<Guess> = names.iter().map(|name| guess("", name, &["7"])).collect();
        assert_eq!(relabeling_p_value(&blind, 1).value, 1.0);
    }

    #[test]
    fn chance_alone_gives_even_p_values() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let names = ["a", "b", "c"];
        let small = (0..400).filter(|_| {
            let guesses: Vec<Guess> =
                (0..12).map(|point| guess("", names[point % 3], &[names[rng.random_range(0..3)]])).collect();
            relabeling_p_value(&guesses, 0).value <= 0.1
        });
        // Discreteness makes it fewer than a tenth, never many more.
        let n_small = small.count();
        assert!((4..=56).contains(&n_small), "{n_small} of 400 at p <= 0.1");
    }
}
