//! The command line: one file for each subcommand. The only room that prints or reads arguments.

mod compare;
mod embed;
mod evaluate;
mod evaluate_files;
mod export;
mod inspect;
mod inspect_images;
mod inspect_tables;
mod lines;
mod options;
mod outcome;
mod output;
mod plan_plate;
mod predict;
mod progress;
mod rank;
mod report;
mod run;
mod open_run;
mod set;
mod shell;
mod simulate;
mod train;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use outcome::{AskedWrongly, Lost, STOPPED, exit_code, is_closed_pipe, sentence};
use output::{above_zero, print, table_path, whole_number, written};

/// What every command has stands below its own options.
const LAST: usize = 900;

/// Learn a world model of cells from perturbation screens, and plan with it
#[derive(Debug, Parser)]
#[command(name = "cytonaut", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print more: every reading of the losses
    #[arg(short, long, global = true, display_order = LAST)]
    verbose: bool,
    /// Print only results, warnings and errors; of a run the verdict and the folder
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = LAST)]
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
    PlanPlate(plan_plate::PlanPlateArgs),
    Evaluate(evaluate::EvaluateArgs),
    Report(report::ReportArgs),
    Compare(compare::CompareArgs),
    Export(export::ExportArgs),
    Simulate(simulate::SimulateArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

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
        Command::PlanPlate(arguments) => arguments.run(),
        Command::Evaluate(arguments) => arguments.run(),
        Command::Report(arguments) => arguments.run(),
        Command::Compare(arguments) => arguments.run(),
        Command::Export(arguments) => arguments.run(),
        Command::Simulate(arguments) => arguments.run(),
        Command::Completions(arguments) => arguments.run(),
        Command::Man(arguments) => arguments.run(),
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
    command_of(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()))
}

/// Words as a shell takes them.
fn command_of(words: impl Iterator<Item = String>) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted = |argument: String| match argument.chars().all(is_plain) && !argument.is_empty() {
        true => argument,
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}
