//! The real binary, started in the repository's root.

use std::path::Path;
use std::process::{Command, Output};

/// Settings that make the bundled screen train in a second or two.
pub const TINY: [&str; 9] = [
    "configs/quickstart.toml",
    "--steps=60",
    "--members=2",
    "--set=train.checkpoint_every=10",
    "--set=train.sigreg.slices=64",
    "--set=model.latent=16",
    "--set=model.encoder.width=64",
    "--set=model.projector.hidden=64",
    "--set=evaluate.bootstrap.resamples=200",
];

/// `cytonaut` with arguments, not yet started.
pub fn cytonaut<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cytonaut"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_BACKTRACE");
    command
}

/// `cytonaut run` of the bundled screen with [`TINY`] settings into `folder`.
pub fn tiny_run(folder: &Path, more: &[&str]) -> Command {
    let mut command = cytonaut(["run"].into_iter().chain(TINY).chain(more.iter().copied()));
    command.arg("--out").arg(folder);
    command
}

/// What a finished command said, for messages and searches.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs to the end and checks the exit code; returns all that was said.
#[track_caller]
pub fn finish(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{said}");
    said
}

/// `cytonaut run` of the screen that was written into `folder`, into `name` beside it.
pub fn run_of(folder: &Path, name: &str, more: &[&str]) -> Command {
    let mut command = cytonaut(["run"]);
    command.arg(folder.join("screen.toml")).arg("--out").arg(folder.join(name)).args(more);
    command
}

/// The number in a column of a method's line in a table of scores; the method is column 0.
#[track_caller]
pub fn number(said: &str, method: &str, column: usize) -> f64 {
    let line = said.lines().find(|line| line.starts_with(&format!("{method} "))).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().nth(column).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}
