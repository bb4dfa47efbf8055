//! The command line: one file for each subcommand. The only room that prints or reads arguments.

mod embed;
mod evaluate;
mod inspect;
mod inspect_images;
mod options;
mod predict;
mod progress;
mod rank;
mod run;
mod open_run;
mod train;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::evaluate::EvaluateError;
use crate::pair::PairError;
use crate::plan::PlanError;
use crate::study::StudyError;

/// Learn a world model of cells from perturbation screens, and plan with it
#[derive(Debug, Parser)]
#[command(name = "cytonaut", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print more: every reading of the losses
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Print only results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Inspect(inspect::InspectArgs),
    Train(train::TrainArgs),
    Embed(embed::EmbedArgs),
    Predict(predict::PredictArgs),
    Rank(rank::RankArgs),
    Evaluate(evaluate::EvaluateArgs),
}

/// A request that cannot be granted as asked: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct AskedWrongly(String);

/// The model lost against the baseline that it was required to beat: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Lost(String);

/// Parses arguments, does the job, and turns its outcome into an exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => tracing::Level::WARN,
        (_, true) => tracing::Level::DEBUG,
        _ => tracing::Level::INFO,
    };
    progress::start_log(level);
    let outcome = match arguments.command {
        Command::Run(arguments) => arguments.run(),
        Command::Inspect(arguments) => arguments.run(),
        Command::Train(arguments) => arguments.run(),
        Command::Embed(arguments) => arguments.run(),
        Command::Predict(arguments) => arguments.run(),
        Command::Rank(arguments) => arguments.run(),
        Command::Evaluate(arguments) => arguments.run(),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    let code = exit_code(&error);
    let _ = match code {
        STOPPED => writeln!(std::io::stderr(), "{}; resume with\n  {}", sentence(&error), this_command()),
        _ => writeln!(std::io::stderr(), "error: {}", sentence(&error)),
    };
    ExitCode::from(code)
}

/// What was typed, for a shell to take again.
fn this_command() -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted = |argument: String| match argument.chars().all(is_plain) && !argument.is_empty() {
        true => argument,
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    };
    std::env::args_os().map(|argument| quoted(argument.to_string_lossy().into_owned())).collect::<Vec<_>>().join(" ")
}

/// The error and its causes, each said once: many a message ends with its cause already.
///
/// The system's message is left out after one of ours, which says the same in plain words.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let told = error.chain().enumerate().filter(|(place, cause)| *place == 0 || !cause.is::<std::io::Error>());
    for cause in told.map(|(_, cause)| cause.to_string()).filter(|cause| !cause.is_empty()) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

/// Exit code of a run that was asked to stop, as shells have it of a process that Ctrl-C ended.
const STOPPED: u8 = 130;

/// 2 where the request was wrong, 3 where the model lost, 130 where it was asked to stop, else 1.
fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Lost>() {
            return 3;
        }
        if cause.is::<AskedWrongly>() || cause.is::<ConfigError>() {
            return 2;
        }
        if let Some(error) = cause.downcast_ref::<StudyError>() {
            return match error {
                error if error.is_stop() => STOPPED,
                StudyError::Config(_)
                | StudyError::NoTrackConfig
                | StudyError::TimeLapse { .. }
                | StudyError::Tracks { .. }
                | StudyError::Folds { .. }
                | StudyError::Images { .. }
                | StudyError::RankImages { .. }
                | StudyError::Published { .. } => 2,
                StudyError::Evaluate(EvaluateError::MissingLabel { .. }) => 2,
                StudyError::Load(error) if error.is_request() => 2,
                StudyError::Plan(PlanError::Query(_) | PlanError::Context { .. } | PlanError::By { .. }) => 2,
                StudyError::Pair(PairError::Split { .. }) => 2,
                StudyError::Run(error) if error.is_request() => 2,
                _ => 1,
            };
        }
    }
    1
}

/// Whether whoever read our output has stopped reading, which is not an error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes results to stdout.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}
