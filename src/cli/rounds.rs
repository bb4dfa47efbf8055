//! `cytonaut rounds`: how many hits strategies find, round by round, where all answers are known.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AskedWrongly, print, table_path};
use crate::evaluate::{Bootstrap, Claim, EvaluateError, RoundsConfig, RoundsRow};
use crate::plan::Strategy;
use crate::study::{Extreme, RoundsReport, RoundsTables, StudyError, rounds};
use crate::table::paragraph;

/// Which answers count as hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExtremeArgument {
    /// The farthest from 0 on either side
    Both,
    /// The largest
    High,
    /// The smallest
    Low,
}

/// Who chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StrategyArgument {
    /// The mean answer of the 25 tested candidates with the nearest descriptors
    Neighbors,
    /// The expected answer, by a linear model of descriptors and their squares
    Greedy,
    /// The expected answer and twice its deviation
    UpperBound,
    /// The probability of an answer as far as the best ones so far
    Probability,
    /// A draw from what each answer may be
    Thompson,
}

/// Try strategies that choose the next experiment on a finished screen
///
/// Candidates are tested in rounds: the first at random, each further one by what was learned from those before.
/// A finished screen knows all answers, so it shows how many hits a strategy would have found under the budget.
/// Descriptors are other tables of the same candidates: scores of other screens, fingerprints, embeddings.
/// `shuffled` is the same strategy with the answers in a random order: what it finds more than chance does it owes to
/// descriptors that point at hits by themselves.
///
/// Examples:
///   cytonaut rounds ifng.csv.gz --score lfc_d1,lfc_d2 --descriptors tau.csv.gz
///   cytonaut rounds a.csv --score lfc --descriptors b.csv c.csv --extreme low
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RoundsArgs {
    /// The table of answers, one row for each candidate
    #[arg(value_name = "FILE")]
    answers: PathBuf,
    /// The column of answers; of several with commas the mean counts
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', required = true)]
    score: Vec<String>,
    /// Tables that describe the candidates, by their columns of numbers
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    descriptors: Vec<PathBuf>,
    /// The column of names in all tables [default: a usual name, such as gene or compound]
    #[arg(long, value_name = "COLUMN")]
    name: Option<String>,
    /// Which answers count
    #[arg(long, value_enum, default_value = "both")]
    extreme: ExtremeArgument,
    /// Share of all candidates that count as hits
    #[arg(long, value_name = "SHARE", default_value = "0.05")]
    hits: f64,
    /// Rounds of testing, the first among them
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: usize,
    /// Candidates tested in each round
    #[arg(long, value_name = "N", default_value = "128")]
    per_round: usize,
    /// Times that all is repeated with other draws
    #[arg(long, value_name = "N", default_value = "10")]
    seeds: u64,
    /// Who chooses; all by default
    #[arg(long, value_enum, value_name = "STRATEGY", num_args = 1..)]
    by: Vec<StrategyArgument>,
    /// Write a row for each strategy and round to a table, as its ending says
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: Option<PathBuf>,
    /// Print one JSON object a line for each strategy
    #[arg(long)]
    json: bool,
}

impl RoundsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if !(self.hits > 0.0 && self.hits < 1.0) {
            return Err(AskedWrongly("--hits is a share between 0 and 1".to_owned()).into());
        }
        let strategy = |by: &StrategyArgument| match by {
            StrategyArgument::Neighbors => Strategy::Neighbors,
            StrategyArgument::Greedy => Strategy::Greedy,
            StrategyArgument::UpperBound => Strategy::UpperBound,
            StrategyArgument::Probability => Strategy::Probability,
            StrategyArgument::Thompson => Strategy::Thompson,
        };
        let strategies =
            if self.by.is_empty() { Strategy::ALL.to_vec() } else { self.by.iter().map(strategy).collect() };
        let config = RoundsConfig {
            rounds: self.rounds,
            per_round: self.per_round,
            hits: self.hits,
            seeds: self.seeds,
            strategies,
            bootstrap: Bootstrap::default(),
        };
        let tables = RoundsTables {
            answers: self.answers,
            scores: self.score,
            name: self.name,
            descriptors: self.descriptors,
            extreme: match self.extreme {
                ExtremeArgument::Both => Extreme::Both,
                ExtremeArgument::High => Extreme::High,
                ExtremeArgument::Low => Extreme::Low,
            },
        };
        let RoundsReport { rounds, notes } = rounds(&tables, &config).map_err(|error| {
            let asked = || anyhow::Error::from(AskedWrongly(error.to_string()));
            match &error {
                StudyError::DescribedByAnswers { .. } | StudyError::Evaluate(EvaluateError::Setting { .. }) => asked(),
                StudyError::Load(cause) if cause.is_request() => asked(),
                _ => error.into(),
            }
        })?;
        notes.iter().for_each(|note| tracing::info!("{note}"));
        if let Some(out) = &self.out {
            rounds.write(out)?;
        }
        if self.json {
            return print(&rounds.json_lines());
        }
        let first = format!(
            "{} rounds of {} among {} candidates, of which {} are hits; {} draws of the first round.",
            config.rounds, config.per_round, rounds.n_candidates, rounds.n_hits, config.seeds
        );
        let about = "found: hits found in all rounds, in % of all; area: the mean over rounds; over chance: area minus that of \
                     random choice; shuffled: the same where answers come in a random order.";
        let said: Vec<String> = rounds.rows.iter().filter_map(verdict).collect();
        let text = [paragraph(&first), rounds.to_text(), paragraph(about), paragraph(&said.join(" "))];
        print(text.join("\n").trim_end())
    }
}

/// What can be said of a strategy, in a sentence.
fn verdict(row: &RoundsRow) -> Option<String> {
    let name = row.strategy.word();
    let [over, shuffled, over_shuffled] = [&row.over_chance, &row.shuffled_over_chance, &row.over_shuffled];
    let claims = (over.as_ref()?.claim, shuffled.as_ref()?.claim, over_shuffled.as_ref()?.claim);
    Some(match claims {
        (Claim::Higher, Claim::Higher, Claim::Higher) => {
            format!("`{name}` finds more than chance, a part of it without the answers.")
        }
        (Claim::Higher, _, Claim::Higher) => format!("`{name}` finds more than chance, by the answers."),
        (Claim::Higher, Claim::Higher, _) => {
            format!("`{name}` finds more than chance, but no more than without the answers.")
        }
        (Claim::Higher, ..) => format!("`{name}` finds more than chance; whether by the answers is open."),
        (Claim::Lower, ..) => format!("`{name}` finds less than chance."),
        (Claim::Indistinguishable, ..) => format!("`{name}` cannot be distinguished from chance."),
        (Claim::TooFewUnits, ..) => format!("Too few draws to judge `{name}`; ten are asked for."),
    })
}
