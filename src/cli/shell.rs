//! `cytonaut completions` and `cytonaut man`: what a shell and its manual need to know of the other commands.

use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{AskedWrongly, command, print};

/// Print completions for a shell
///
/// Example:
///   cytonaut completions bash \
///     > ~/.local/share/bash-completion/completions/cytonaut
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "cytonaut", &mut script);
        print(&String::from_utf8(script)?)
    }
}

/// Print the manual page, of a command if one is named
///
/// Example:
///   cytonaut man rank | man -l -
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ManArgs {
    /// A command, such as `rank`; without one, the page lists them
    command: Option<String>,
}

impl ManArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut all = command();
        all.build();
        let command = match &self.command {
            None => all,
            Some(name) => match all.find_subcommand(name) {
                Some(command) => command.clone(),
                None => {
                    let known: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
                    return Err(AskedWrongly(format!("no command `{name}`; there are {}", known.join(", "))).into());
                }
            },
        };
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        print(&String::from_utf8(page)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command_and_every_command_has_a_page() {
        let mut all = command();
        all.build();
        let names: Vec<String> = all.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert!(names.iter().any(|name| name == "rank"));
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "cytonaut", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(names.iter().all(|name| script.contains(name.as_str())), "{shell}");
        }
        for name in names {
            let mut page = Vec::new();
            let command = all.find_subcommand(&name).unwrap().clone();
            Man::new(command).render(&mut page).unwrap();
            assert!(String::from_utf8(page).unwrap().contains(".SH"), "{name}");
        }
    }
}
