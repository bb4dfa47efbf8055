//! Hits that strategies find, round by round, on a screen whose answers are known.
//!
//! The first round is drawn at random, the same for all strategies of a seed; each further round is chosen from the answers
//! of those before. With each strategy runs one that gets the same answers in a random order: what it finds more than
//! chance does it owes to descriptors that point at hits by themselves, and not to what was learned.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::bootstrap::{Bootstrap, Estimate, PairedDifference};
use super::error::EvaluateError;
use crate::plan::{CandidateSpace, Strategy};
use crate::table::{Column, FileError, Side, Table, TextTable};

/// How rounds are simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundsConfig {
    /// Rounds of testing, the first among them.
    pub rounds: usize,
    /// Candidates tested in each.
    pub per_round: usize,
    /// Share of all candidates that count as hits.
    pub hits: f64,
    /// Times that all is repeated with other draws.
    pub seeds: u64,
    /// Who chooses; chance is always shown.
    pub strategies: Vec<Strategy>,
    /// How intervals over seeds are drawn.
    pub bootstrap: Bootstrap,
}

impl Default for RoundsConfig {
    fn default() -> Self {
        Self {
            rounds: 5,
            per_round: 128,
            hits: 0.05,
            seeds: 10,
            strategies: Strategy::ALL.to_vec(),
            bootstrap: Bootstrap::default(),
        }
    }
}

/// What a strategy finds.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundsRow {
    /// Who chooses.
    pub strategy: Strategy,
    /// Share of all hits found after each round, the mean over seeds.
    pub found: Vec<f64>,
    /// The area under that curve, its mean over rounds, with its interval over seeds.
    pub area: Estimate,
    /// The area minus that of chance; `None` of chance itself.
    pub over_chance: Option<PairedDifference>,
    /// The area with answers in a random order minus that of chance; `None` of chance itself.
    pub shuffled_over_chance: Option<PairedDifference>,
    /// The area minus that with answers in a random order; `None` of chance itself.
    pub over_shuffled: Option<PairedDifference>,
}

/// What all strategies find.
#[derive(Debug, Clone, PartialEq)]
pub struct Rounds {
    /// Candidates.
    pub n_candidates: usize,
    /// Hits among them.
    pub n_hits: usize,
    /// Chance first.
    pub rows: Vec<RoundsRow>,
}

impl Rounds {
    /// Tests candidates in rounds by each strategy; `answers` are those of all candidates of `space`, of which large ones are
    /// wanted.
    ///
    /// # Errors
    /// If answers are not finite, or there are fewer candidates than are to be tested.
    pub fn simulate(space: &CandidateSpace, answers: &[f64], config: &RoundsConfig) -> Result<Self, EvaluateError> {
        let n = space.n_candidates();
        let n_hits = ((config.hits * n as f64).round() as usize).clamp(1, n.max(1));
        super::error::expect_same_length("answers", answers.len(), "candidates", n)?;
        super::error::expect_finite("the answers", answers)?;
        if n <= config.rounds * config.per_round || config.rounds == 0 || config.per_round == 0 {
            return Err(EvaluateError::Setting {
                name: "rounds × per_round",
                found: (config.rounds * config.per_round) as f64,
                expected: "a positive number, and fewer than there are candidates",
            });
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| answers[b].total_cmp(&answers[a]));
        let mut is_hit = vec![false; n];
        order[..n_hits].iter().for_each(|&at| is_hit[at] = true);
        let arm = |seed: u64, strategy: Strategy, is_shuffled: bool| {
            let simulation = Simulation { space, answers, is_hit: &is_hit, n_hits, config };
            simulation.found(seed, strategy, is_shuffled)
        };
        let seeds: Vec<u64> = (0..config.seeds).collect();
        let units: Vec<String> = seeds.iter().map(|seed| format!("{seed:04}")).collect();
        let over_seeds = |strategy: Strategy, is_shuffled: bool| -> Vec<Vec<f64>> {
            seeds.par_iter().map(|&seed| arm(seed, strategy, is_shuffled)).collect()
        };
        let areas = |found: &[Vec<f64>]| -> Vec<f64> {
            found.iter().map(|found| found.iter().sum::<f64>() / found.len() as f64).collect()
        };
        let of_chance = over_seeds(Strategy::Random, false);
        let chance = areas(&of_chance);
        let mut strategies = config.strategies.clone();
        strategies.retain(|strategy| *strategy != Strategy::Random);
        strategies.sort();
        strategies.dedup();
        let mean = |found: &[Vec<f64>]| -> Vec<f64> {
            (0..config.rounds)
                .map(|round| found.iter().map(|found| found[round]).sum::<f64>() / found.len() as f64)
                .collect()
        };
        let bootstrap = &config.bootstrap;
        let mut rows = vec![RoundsRow {
            strategy: Strategy::Random,
            found: mean(&of_chance),
            area: bootstrap.mean(&chance, &units)?,
            over_chance: None,
            shuffled_over_chance: None,
            over_shuffled: None,
        }];
        for strategy in strategies {
            let found = over_seeds(strategy, false);
            let (own, shuffled) = (areas(&found), areas(&over_seeds(strategy, true)));
            let difference = |one: &[f64], other: &[f64]| bootstrap.paired_difference(one, other, &units).map(Some);
            rows.push(RoundsRow {
                strategy,
                found: mean(&found),
                area: bootstrap.mean(&own, &units)?,
                over_chance: difference(&own, &chance)?,
                shuffled_over_chance: difference(&shuffled, &chance)?,
                over_shuffled: difference(&own, &shuffled)?,
            });
        }
        Ok(Self { n_candidates: n, n_hits, rows })
    }

    /// The strategies as aligned text.
    pub fn to_text(&self) -> String {
        let percent = |share: f64| format!("{:.2}", 100.0 * share);
        let difference = |difference: &Option<PairedDifference>| match difference {
            None => ["-".to_owned(), String::new()],
            Some(found) => {
                let interval = found
                    .estimate
                    .interval
                    .map(|(lower, upper)| format!("{:+.2} to {:+.2}", 100.0 * lower, 100.0 * upper));
                [format!("{:+.2}", 100.0 * found.estimate.mean), interval.unwrap_or_default()]
            }
        };
        let mut table = TextTable::new([
            ("strategy", Side::Left),
            ("found", Side::Right),
            ("area", Side::Right),
            ("over chance", Side::Right),
            ("95 %", Side::Left),
            ("shuffled", Side::Right),
            ("95 %", Side::Left),
        ]);
        for row in &self.rows {
            let [over, interval] = difference(&row.over_chance);
            let [shuffled, of_shuffled] = difference(&row.shuffled_over_chance);
            let last = row.found.last().copied().unwrap_or(0.0);
            table.push([
                row.strategy.word().to_owned(),
                percent(last),
                percent(row.area.mean),
                over,
                interval,
                shuffled,
                of_shuffled,
            ]);
        }
        table.to_string()
    }

    /// One JSON object a line for each strategy.
    pub fn json_lines(&self) -> String {
        let difference = |difference: &Option<PairedDifference>| match difference {
            None => serde_json::Value::Null,
            Some(found) => serde_json::to_value(found.estimate).unwrap_or_default(),
        };
        let line = |row: &RoundsRow| {
            serde_json::json!({
                "type": "strategy",
                "strategy": row.strategy.word(),
                "n_candidates": self.n_candidates,
                "n_hits": self.n_hits,
                "found": row.found,
                "area": row.area,
                "over_chance": difference(&row.over_chance),
                "shuffled_over_chance": difference(&row.shuffled_over_chance),
                "over_shuffled": difference(&row.over_shuffled),
            })
            .to_string()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Writes a row for each strategy and round, as the ending of `path` says.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, path: &std::path::Path) -> Result<(), FileError> {
        let rounds: Vec<(&RoundsRow, usize, f64)> = (self.rows.iter())
            .flat_map(|row| row.found.iter().enumerate().map(move |(round, found)| (row, round + 1, *found)))
            .collect();
        let number =
            |of: &dyn Fn(&RoundsRow) -> Option<f64>| Column::Number(rounds.iter().map(|(row, ..)| of(row)).collect());
        let words = rounds.iter().map(|(row, ..)| Some(row.strategy.word().to_owned())).collect();
        let mut table = Table::new()
            .with("strategy", "who chooses", Column::Text(words))
            .with(
                "round",
                "round of testing, from 1",
                Column::Integer(rounds.iter().map(|(_, round, _)| Some(*round as i64)).collect()),
            )
            .with(
                "found",
                "share of all hits found so far, mean over seeds",
                Column::Number(rounds.iter().map(|(.., found)| Some(*found)).collect()),
            )
            .with("area", "mean of `found` over all rounds", number(&|row| Some(row.area.mean)));
        type Of = fn(&RoundsRow) -> Option<&PairedDifference>;
        let differences: [(&str, &str, &str, Of); 3] = [
            ("over_chance", "over_chance", "`area` minus that of random choice", |row| row.over_chance.as_ref()),
            ("shuffled_over_chance", "shuffled", "the same where answers come in a random order", |row| {
                row.shuffled_over_chance.as_ref()
            }),
            ("over_shuffled", "over_shuffled", "`area` minus that of answers in a random order", |row| {
                row.over_shuffled.as_ref()
            }),
        ];
        for (name, start, about, of) in differences {
            let end = |upper: bool| {
                number(&|row| {
                    let (low, high) = of(row)?.estimate.interval?;
                    Some(if upper { high } else { low })
                })
            };
            table = table
                .with(name, about, number(&|row| Some(of(row)?.estimate.mean)))
                .with(format!("{start}_lower"), "lower end of its 95 % interval over seeds", end(false))
                .with(format!("{start}_upper"), "upper end of it", end(true));
        }
        table.write(path)
    }
}

/// One screen, tested in rounds.
struct Simulation<'a> {
    space: &'a CandidateSpace,
    answers: &'a [f64],
    is_hit: &'a [bool],
    n_hits: usize,
    config: &'a RoundsConfig,
}

impl Simulation<'_> {
    /// The share of hits found after each round.
    fn found(&self, seed: u64, strategy: Strategy, is_shuffled: bool) -> Vec<f64> {
        let n = self.answers.len();
        let mut first = ChaCha8Rng::seed_from_u64(seed);
        let mut open: Vec<usize> = (0..n).collect();
        open.shuffle(&mut first);
        let mut tested: Vec<usize> = open.drain(..self.config.per_round).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1 + 2 * strategy as u64 + u64::from(is_shuffled));
        let mut found = Vec::with_capacity(self.config.rounds);
        for round in 0..self.config.rounds {
            if round > 0 {
                let mut told: Vec<f64> = tested.iter().map(|&at| self.answers[at]).collect();
                if is_shuffled {
                    told.shuffle(&mut rng);
                }
                let known: Vec<(usize, f64)> = tested.iter().copied().zip(told).collect();
                let n_hits = (self.config.hits * known.len() as f64).round() as usize;
                let chosen = self.space.choose(strategy, &known, &open, [self.config.per_round, n_hits], &mut rng);
                let mut is_chosen = vec![false; n];
                chosen.iter().for_each(|&at| is_chosen[at] = true);
                open.retain(|&at| !is_chosen[at]);
                tested.extend(chosen);
            }
            let n_found = tested.iter().filter(|&&at| self.is_hit[at]).count();
            found.push(n_found as f64 / self.n_hits as f64);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::evaluate::Claim;

    /// Answers that follow one of three descriptors by `signal`, with noise.
    fn screen(n: usize, signal: f64) -> (CandidateSpace, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(17);
        let mut drawn = || rng.random_range(-0.5..0.5);
        let descriptors: Vec<Vec<f64>> = (0..n).map(|_| (0..3).map(|_| drawn()).collect()).collect();
        let answers = descriptors.iter().map(|row| signal * row[0] + drawn()).collect();
        (CandidateSpace::of(&descriptors), answers)
    }

    fn rounds(signal: f64) -> Rounds {
        let (space, answers) = screen(2000, signal);
        let bootstrap = Bootstrap { resamples: 999, seed: 0 };
        let config = RoundsConfig { rounds: 4, per_round: 60, bootstrap, ..RoundsConfig::default() };
        Rounds::simulate(&space, &answers, &config).unwrap()
    }

    #[test]
    fn strategies_that_learn_find_more_than_chance_and_shuffled_answers_do_not() {
        let found = rounds(3.0);
        assert_eq!((found.n_candidates, found.n_hits, found.rows.len()), (2000, 100, 6));
        // Chance finds what it tests.
        let [first, .., last] = found.rows[0].found[..] else { panic!() };
        assert!((first - 0.03).abs() < 0.015 && (last - 0.12).abs() < 0.03, "{first} {last}");
        for row in &found.rows[1..] {
            assert_eq!(row.over_chance.as_ref().unwrap().claim, Claim::Higher, "{row:?}");
            let shuffled = row.shuffled_over_chance.as_ref().unwrap();
            assert!(shuffled.estimate.mean < 0.3 * row.over_chance.as_ref().unwrap().estimate.mean, "{row:?}");
        }
        assert!(found.to_text().contains("neighbors") && found.json_lines().lines().count() == 6);
    }

    #[test]
    fn without_a_signal_nothing_is_found_but_by_chance() {
        for row in &rounds(0.0).rows[1..] {
            assert!(row.over_chance.as_ref().unwrap().estimate.mean.abs() < 0.04, "{row:?}");
        }
    }

    #[test]
    fn the_same_seed_finds_the_same() {
        assert_eq!(rounds(1.0), rounds(1.0));
        let (space, answers) = screen(100, 1.0);
        assert!(Rounds::simulate(&space, &answers, &RoundsConfig::default()).is_err(), "fewer than are to be tested");
    }
}
