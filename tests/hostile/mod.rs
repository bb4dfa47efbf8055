//! What broken and malicious input is told: each case with its command, exit code and message in `tests/hostile.md`.
//!
//! Files that are no text are made here, in a temporary folder. `HOSTILE=overwrite cargo test --release` takes changed
//! messages over into the file; read the difference.

mod cards;
mod configs;
mod images;
pub mod make;
mod runs;
mod tables;
pub mod workbooks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::said;

/// Address space that a command may use, in KiB: what a bounded reader never needs.
const MOST_MEMORY_KIB: usize = 6 << 20;

/// One broken input.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    code: i32,
    make: Box<dyn Fn(&Path)>,
}

/// A case whose input `make` puts into the folder that it is given, where the command then runs.
fn case(name: &'static str, code: i32, arguments: &'static [&'static str], make: impl Fn(&Path) + 'static) -> Case {
    Case { name, arguments, code, make: Box::new(make) }
}

/// The golden text, and the number of cases that panicked or ended with another code.
fn told(cases: &[Case]) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut text, mut wrong) = (String::new(), Vec::new());
    for (index, case) in cases.iter().enumerate() {
        let here = folder.path().join(index.to_string());
        fs::create_dir(&here).unwrap();
        (case.make)(&here);
        let output = bounded(case.arguments, &here).output().unwrap();
        let said = said(&output);
        if output.status.code() != Some(case.code) || said.contains("panicked") {
            wrong.push(format!("{}: {:?}, expected {}\n{said}", case.name, output.status, case.code));
        }
        let command = case.arguments.join(" ");
        text += &format!("\n## {}\n\n`cytonaut {command}` exits with {}:\n\n```text\n", case.name, case.code);
        text += without_keys(&said.replace(&format!("{}/", here.display()), "")).trim_end();
        text += "\n```\n";
        fs::remove_dir_all(&here).unwrap();
    }
    (text, wrong)
}

/// The text with `KEY` for the names of folders of crops, which hold when the pictures were made.
fn without_keys(text: &str) -> String {
    const BEFORE: &str = "cache/";
    let mut parts = text.split(BEFORE);
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let n_digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        found += BEFORE;
        found += if n_digits == 32 { "KEY" } else { &part[..n_digits] };
        found += &part[n_digits..];
    }
    found
}

/// The command in `folder`, quiet, with a bound on its memory.
fn bounded(arguments: &[&str], folder: &Path) -> Command {
    let binary = env!("CARGO_BIN_EXE_cytonaut");
    let mut command = if cfg!(target_os = "linux") {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {MOST_MEMORY_KIB}; exec \"$0\" --quiet \"$@\""), binary]);
        shell
    } else {
        let mut command = Command::new(binary);
        command.arg("--quiet");
        command
    };
    command.args(arguments).current_dir(folder).env_remove("RUST_BACKTRACE").env("RAYON_NUM_THREADS", "2");
    command
}

#[test]
fn broken_input_is_refused_as_written_down() {
    let mut cases = tables::cases();
    cases.extend(cards::cases());
    cases.extend(configs::cases());
    cases.extend(runs::cases());
    cases.extend(images::cases());
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let (text, wrong) = told(&cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let text = format!("{}{text}", include_str!("head.md"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile.md");
    if std::env::var_os("HOSTILE").is_some_and(|value| value == "overwrite") {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let (mut found, mut expected) = (text.split("\n## "), expected.split("\n## "));
    loop {
        let (found, expected) = (found.next(), expected.next());
        assert_eq!(found, expected, "HOSTILE=overwrite takes it over");
        if found.is_none() {
            break;
        }
    }
}

/// What `inspect --json` says of one file.
fn understood(content: &[u8], name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let output = bounded(&["inspect", "--json", name], folder.path()).output().unwrap();
    assert!(output.status.success(), "{name}: {}", said(&output));
    said(&output).replace(name, "NAME")
}

#[test]
fn marks_line_ends_packing_and_wrong_extensions_change_nothing() {
    let plain = make::PLAIN;
    let expected = understood(plain.as_bytes(), "t.csv");
    assert_eq!(understood(format!("\u{feff}{plain}").as_bytes(), "t.csv"), expected, "byte-order mark");
    assert_eq!(understood(plain.replace('\n', "\r\n").as_bytes(), "t.csv"), expected, "line ends of Windows");
    assert_eq!(understood(format!("\n\n{plain}\n\n").as_bytes(), "t.csv"), expected, "blank lines");
    assert_eq!(understood(plain.trim_end().as_bytes(), "t.csv"), expected, "no newline at the end");
    assert_eq!(understood(plain.replace(',', "\t").as_bytes(), "t.csv"), expected, "tabs in a .csv");
    assert_eq!(understood(&make::gz(plain.as_bytes()), "t.csv"), expected, "a gzip without .gz");
    let two = [make::gz(&plain.as_bytes()[..90]), make::gz(&plain.as_bytes()[90..])].concat();
    assert_eq!(understood(&two, "t.csv"), expected, "a gzip of two members");
}
