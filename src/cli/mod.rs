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
mod rounds;
mod run;
mod open_run;
mod set;
mod shell;
mod simulate;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use lines::WIDTH;
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
    Rounds(rounds::RoundsArgs),
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
    let arguments = Arguments::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
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
        Command::Rounds(arguments) => arguments.run(),
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
        STOPPED => progress::say(&format!("{}; resume with\n  {}\n", sentence(&error), this_command())),
        _ => progress::say(&format!("error: {}\n", sentence(&error))),
    };
    ExitCode::from(code)
}

/// The whole command line, with help that fits a terminal of 80 columns.
fn command() -> clap::Command {
    fn within(command: clap::Command) -> clap::Command {
        let about = command.get_long_about().map(|about| flowing(&about.to_string()));
        let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let command = match about {
            Some(about) => command.long_about(about),
            None => command,
        };
        names.into_iter().fold(command.max_term_width(WIDTH), |command, name| command.mut_subcommand(name, within))
    }
    within(Arguments::command())
}

/// The text without the line breaks inside its sentences, which are those of the code; examples keep theirs.
fn flowing(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_inside = |before: &&mut String| !before.is_empty() && !before.ends_with(['.', '?', ':']);
        match lines.last_mut().filter(|before| is_inside(before) && !line.is_empty() && !line.starts_with(' ')) {
            Some(before) => *before += &format!(" {line}"),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_and_examples_are_whole() {
        let mut all = command();
        all.build();
        for name in all.get_subcommands().map(|command| command.get_name().to_owned()).collect::<Vec<_>>() {
            let help = all.find_subcommand_mut(&name).unwrap().render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
            let about =
                all.find_subcommand(&name).unwrap().get_long_about().map(ToString::to_string).unwrap_or_default();
            for example in about.lines().filter(|line| line.contains("cytonaut ") && line.starts_with(' ')) {
                assert!(example.chars().count() <= WIDTH, "{name} is shown an example that would be broken: {example}");
            }
        }
    }

    #[test]
    fn sentences_of_help_flow_and_examples_keep_their_lines() {
        let text = "Do it\n\nThis is long and goes\non. And\nmore.\nAnother.\n\nExamples:\n  cytonaut a \\\n    --b\n  cytonaut c";
        let expected = "Do it\n\nThis is long and goes on. And more.\nAnother.\n\nExamples:\n  cytonaut a \\\n    --b\n  cytonaut c";
        assert_eq!(flowing(text), expected);
    }
}
