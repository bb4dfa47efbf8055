//! Which candidates to test next, from descriptors of all of them and the answers of those tested before.
//!
//! ```text
//! descriptors  [candidate, descriptor]     other screens' scores, fingerprints, embeddings
//! answers      of the candidates tested    how far each went
//! ```
//!
//! Descriptors are looked at by their ranks (each column as if it were normal), since scores of screens have heavy tails. A
//! linear model of them and of their squares, with normal priors, predicts an answer with its deviation; neighbors are the
//! candidates with the nearest ranks.

use faer::Mat;
use rand::Rng;
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::linear::{Cholesky, mean_ranks};

/// Precision of the prior of each coefficient, in units of the noise; settled on one screen (interferon in T cells).
const PRECISION: f64 = 30.0;

/// Neighbors whose answers are averaged; settled likewise.
const NEIGHBORS: usize = 25;

/// Deviations above the expected answer that are hoped for.
const HOPE: f64 = 2.0;

/// How candidates are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// At random.
    Random,
    /// By the mean answer of the tested candidates with the nearest descriptors.
    Neighbors,
    /// By the expected answer.
    Greedy,
    /// By the expected answer and twice its deviation.
    UpperBound,
    /// By the probability of an answer as far as the best ones so far.
    Probability,
    /// By a draw from what each answer may be.
    Thompson,
}

impl Strategy {
    /// All strategies, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Random, Self::Neighbors, Self::Greedy, Self::UpperBound, Self::Probability, Self::Thompson];

    /// As flags and tables call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Neighbors => "neighbors",
            Self::Greedy => "greedy",
            Self::UpperBound => "upper_bound",
            Self::Probability => "probability",
            Self::Thompson => "thompson",
        }
    }
}

/// Descriptors of all candidates, made ready.
#[derive(Debug, Clone)]
pub struct CandidateSpace {
    /// `[candidate][descriptor]`, normal ranks.
    ranks: Vec<Vec<f64>>,
}

impl CandidateSpace {
    /// Of descriptors `[candidate][descriptor]`, which all have one length; a descriptor that is the same for all is left out.
    pub fn of(descriptors: &[Vec<f64>]) -> Self {
        let n_columns = descriptors.first().map_or(0, Vec::len);
        let columns: Vec<Vec<f64>> = (0..n_columns)
            .into_par_iter()
            .filter_map(|column| normal_ranks(&descriptors.iter().map(|row| row[column]).collect::<Vec<_>>()))
            .collect();
        let row = |candidate: usize| columns.iter().map(|column| column[candidate]).collect();
        Self { ranks: (0..descriptors.len()).map(row).collect() }
    }

    /// Candidates described.
    pub fn n_candidates(&self) -> usize {
        self.ranks.len()
    }

    /// The `n` candidates of `open` to test next; `tested` are others with their answers, of which large ones are wanted, and
    /// the `n_best` largest stand for hits.
    pub fn choose(
        &self,
        strategy: Strategy,
        tested: &[(usize, f64)],
        open: &[usize],
        [n, n_best]: [usize; 2],
        rng: &mut impl Rng,
    ) -> Vec<usize> {
        let mut order: Vec<usize> = open.to_vec();
        order.shuffle(rng);
        if strategy == Strategy::Random || tested.len() < 2 {
            order.truncate(n);
            return order;
        }
        let values = match strategy {
            Strategy::Neighbors => self.of_neighbors(tested, &order),
            _ => {
                let expected = self.expected(tested, &order);
                let threshold = nth_largest(tested, n_best);
                let mut value = |(mean, deviation): (f64, f64)| match strategy {
                    Strategy::UpperBound => mean + HOPE * deviation,
                    Strategy::Probability => (mean - threshold) / deviation,
                    Strategy::Thompson => mean + deviation * standard_normal(rng),
                    _ => mean,
                };
                expected.into_iter().map(&mut value).collect()
            }
        };
        // Ties stay in the drawn order.
        let mut places: Vec<usize> = (0..order.len()).collect();
        places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        places.into_iter().take(n).map(|place| order[place]).collect()
    }

    /// The mean answer of the nearest tested candidates.
    fn of_neighbors(&self, tested: &[(usize, f64)], open: &[usize]) -> Vec<f64> {
        let n = NEIGHBORS.min(tested.len());
        let mean = |&candidate: &usize| {
            let own = &self.ranks[candidate];
            let squared = |other: &[f64]| own.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let mut near: Vec<(f64, f64)> =
                tested.iter().map(|&(other, answer)| (squared(&self.ranks[other]), answer)).collect();
            near.select_nth_unstable_by(n - 1, |a, b| a.0.total_cmp(&b.0));
            near[..n].iter().map(|(_, answer)| answer).sum::<f64>() / n as f64
        };
        open.par_iter().map(mean).collect()
    }

    /// The expected answer of each candidate, with its deviation, by a linear model of descriptors and their squares.
    fn expected(&self, tested: &[(usize, f64)], open: &[usize]) -> Vec<(f64, f64)> {
        let terms = |candidate: usize| -> Vec<f64> {
            let ranks = &self.ranks[candidate];
            std::iter::once(1.0)
                .chain(ranks.iter().copied())
                .chain(ranks.iter().map(|rank| rank * rank - 1.0))
                .collect()
        };
        let rows: Vec<Vec<f64>> = tested.iter().map(|&(candidate, _)| terms(candidate)).collect();
        let n_terms = rows[0].len();
        let product = |one: usize, other: usize| rows.iter().map(|row| row[one] * row[other]).sum::<f64>();
        let precision = Mat::from_fn(n_terms, n_terms, |row, column| {
            product(row, column) + if row == column { PRECISION } else { 0.0 }
        });
        let mean = tested.iter().map(|(_, answer)| answer).sum::<f64>() / tested.len() as f64;
        let along = |term: usize| rows.iter().zip(tested).map(|(row, (_, answer))| row[term] * (answer - mean)).sum();
        let factor = Cholesky::of(precision).expect("a sum of squares and a positive diagonal is positive definite");
        let coefficients = factor.solve(Mat::from_fn(n_terms, 1, |row, _| along(row)));
        let say =
            |terms: &[f64]| mean + terms.iter().enumerate().map(|(at, term)| term * coefficients[(at, 0)]).sum::<f64>();
        let residual: f64 = rows.iter().zip(tested).map(|(row, (_, answer))| (answer - say(row)).powi(2)).sum();
        let noise = residual / tested.len() as f64;
        let of_candidate = |&candidate: &usize| {
            let terms = terms(candidate);
            let solved = factor.solve(Mat::from_fn(n_terms, 1, |row, _| terms[row]));
            let spread: f64 = terms.iter().enumerate().map(|(at, term)| term * solved[(at, 0)]).sum();
            (say(&terms), (noise * (1.0 + spread)).sqrt().max(f64::MIN_POSITIVE))
        };
        open.par_iter().map(of_candidate).collect()
    }
}

/// The `n`-th largest answer.
fn nth_largest(tested: &[(usize, f64)], n: usize) -> f64 {
    let mut answers: Vec<f64> = tested.iter().map(|(_, answer)| *answer).collect();
    answers.sort_by(|a, b| b.total_cmp(a));
    answers[n.clamp(1, answers.len()) - 1]
}

/// The quantiles of a normal law at the ranks of values, equal values at their mean rank; `None` where all are equal.
fn normal_ranks(values: &[f64]) -> Option<Vec<f64>> {
    let first = values.first()?;
    if values.iter().all(|value| value == first) {
        return None;
    }
    let (normal, n) = (Normal::standard(), values.len() as f64);
    Some(mean_ranks(values).into_iter().map(|rank| normal.inverse_cdf(rank / (n + 1.0))).collect())
}

/// A draw from the standard normal law.
fn standard_normal(rng: &mut impl Rng) -> f64 {
    Normal::standard().inverse_cdf(rng.random_range(1e-12..1.0 - 1e-12))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Candidates on a line, with a second descriptor that says nothing.
    fn space(n: usize) -> CandidateSpace {
        CandidateSpace::of(&(0..n).map(|at| vec![at as f64, (at * 7919 % 101) as f64, 5.0]).collect::<Vec<_>>())
    }

    #[test]
    fn ranks_are_normal_quantiles_and_constants_are_left_out() {
        let ranks = normal_ranks(&[10.0, 1e9, 10.0]).unwrap();
        // Ranks 1.5, 3 and 1.5 of 3: quantiles of 0.375, 0.75 and 0.375.
        assert!((ranks[0] + 0.318_639).abs() < 1e-5 && (ranks[1] - 0.674_490).abs() < 1e-5 && ranks[0] == ranks[2]);
        assert_eq!(normal_ranks(&[2.0; 4]), None);
        assert_eq!(space(9).ranks[0].len(), 2);
    }

    #[test]
    fn every_strategy_but_chance_goes_where_answers_were_large() {
        let space = space(400);
        // Answers rise along the line.
        let tested: Vec<(usize, f64)> = (0..400).step_by(8).map(|at| (at, at as f64 / 100.0)).collect();
        let open: Vec<usize> = (0..400).filter(|at| at % 8 != 0).collect();
        for strategy in Strategy::ALL {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let chosen = space.choose(strategy, &tested, &open, [40, 5], &mut rng);
            assert_eq!(chosen.iter().collect::<std::collections::BTreeSet<_>>().len(), 40);
            assert!(chosen.iter().all(|at| open.contains(at)));
            let mean = chosen.iter().sum::<usize>() as f64 / 40.0;
            match strategy {
                Strategy::Random => assert!((140.0..260.0).contains(&mean), "{mean}"),
                strategy => assert!(mean > 300.0, "{strategy:?}: {mean}"),
            }
        }
    }

    #[test]
    fn what_is_expected_agrees_with_the_normal_equations_by_hand() {
        // One descriptor, whose normal ranks are -q, 0 and q; the answers 0, 1 and 2.
        let space = CandidateSpace::of(&[vec![1.0], vec![2.0], vec![3.0]]);
        let tested = [(0, 0.0), (1, 1.0), (2, 2.0)];
        let q = space.ranks[2][0];
        // The middle term is orthogonal to the others and answers to it alone: slope = 2 q / (2 q² + precision).
        let slope = 2.0 * q / (2.0 * q * q + PRECISION);
        let (mean, _) = space.expected(&tested, &[2])[0];
        assert!((mean - (1.0 + slope * q)).abs() < 1e-12, "{mean}");
    }
}
