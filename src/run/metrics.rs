//! What training logs: `metrics.jsonl`.
//!
//! ```text
//! {"member":0,"step":10,"loss":0.8123,"sigreg":2.5}
//! {"member":0,"step":20,"loss":0.6411,"sigreg":1.9}
//! {"member":1,"step":10,"loss":0.8077,"sigreg":null}
//! ```
//!
//! One object a line: the ensemble member, the optimizer step, and the values logged then, in the order in which they
//! were given. A value that is not finite is `null`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::RunError;
use crate::table::write_atomically;

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsLine {
    /// Member of the ensemble, counted from 0.
    pub member: usize,
    /// Optimizer steps done.
    pub step: u64,
    /// What was logged, by name; NaN where the file holds `null`.
    pub values: BTreeMap<String, f64>,
}

/// The metrics of a run, open for more lines.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log and keeps of each member the lines up to the step of its checkpoint; other lines are removed.
    ///
    /// With no checkpoints the log is emptied. A last line that a kill has cut short is removed with the rest.
    ///
    /// # Errors
    /// [`RunError::File`], also for a line that was not written here.
    pub fn open(path: &Path, checkpoint_steps: &BTreeMap<usize, u64>) -> Result<Self, RunError> {
        let mut kept = String::new();
        if path.exists() && !checkpoint_steps.is_empty() {
            let text = read_text(path)?;
            for (number, line) in whole_lines(&text) {
                let parsed = parse(path, number, line)?;
                if checkpoint_steps.get(&parsed.member).is_some_and(|&step| parsed.step <= step) {
                    kept.push_str(line);
                    kept.push('\n');
                }
            }
        }
        write_atomically(path, |file| file.write_all(kept.as_bytes()))?;
        let file = OpenOptions::new().append(true).open(path).map_err(RunError::write(path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a line; it is handed to the system before this returns.
    ///
    /// # Panics
    /// If a value is called `member` or `step`.
    ///
    /// # Errors
    /// [`RunError::File`].
    pub fn append(&mut self, member: usize, step: u64, values: &[(&str, f64)]) -> Result<(), RunError> {
        let mut line = serde_json::to_string(&Written { member, step, values }).expect("names and numbers have a JSON");
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(RunError::write(&self.path))
    }

    /// Puts all lines on the disk; to be called before a checkpoint is saved, so that none up to its step is missing.
    ///
    /// # Errors
    /// [`RunError::File`].
    pub fn sync(&self) -> Result<(), RunError> {
        self.file.sync_data().map_err(RunError::write(&self.path))
    }

    /// Brings the lines in order of member, then step: members that train side by side log in an order of chance.
    ///
    /// # Errors
    /// [`RunError::File`], also for a line that was not written here.
    pub fn sort(self) -> Result<(), RunError> {
        let text = read_text(&self.path)?;
        let mut lines = whole_lines(&text)
            .map(|(number, line)| parse(&self.path, number, line).map(|parsed| ((parsed.member, parsed.step), line)))
            .collect::<Result<Vec<_>, _>>()?;
        lines.sort_by_key(|(key, _)| *key);
        write_atomically(&self.path, |file| {
            for (_, line) in &lines {
                writeln!(file, "{line}")?;
            }
            Ok(())
        })
        .map_err(RunError::from)
    }

    /// All whole lines of a log, in their order.
    ///
    /// # Errors
    /// [`RunError::File`], also for a line that was not written here.
    pub fn read(path: &Path) -> Result<Vec<MetricsLine>, RunError> {
        whole_lines(&read_text(path)?).map(|(number, line)| parse(path, number, line)).collect()
    }
}

/// A line as it is written; serde_json writes `null` for what is not finite.
struct Written<'a> {
    member: usize,
    step: u64,
    values: &'a [(&'a str, f64)],
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(2 + self.values.len()))?;
        line.serialize_entry("member", &self.member)?;
        line.serialize_entry("step", &self.step)?;
        for (name, value) in self.values {
            assert!(!matches!(*name, "member" | "step"), "`{name}` is not free for a value");
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}

fn read_text(path: &Path) -> Result<String, RunError> {
    fs::read(path).map_err(RunError::read(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines that end in a newline, numbered from 1.
fn whole_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.rfind('\n').map_or(0, |newline| newline + 1);
    text[..end].lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn parse(path: &Path, number: usize, line: &str) -> Result<MetricsLine, RunError> {
    let damaged = |problem: String| {
        let mend = "delete this file, and the folder `checkpoints` too for a log without a gap";
        RunError::damaged(path, format!("line {number} {problem}; {mend}"))
    };
    let mut object: BTreeMap<String, Option<f64>> =
        serde_json::from_str(line).map_err(|error| damaged(format!("is not an object of numbers ({error})")))?;
    let mut whole = |name: &str| match object.remove(name).flatten() {
        Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(number as u64),
        found => Err(damaged(format!("has `{name}` {found:?}, expected a whole number"))),
    };
    let (member, step) = (whole("member")? as usize, whole("step")?);
    let values = object.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect();
    Ok(MetricsLine { member, step, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(path: &Path, steps: &[(usize, u64)]) -> MetricsLog {
        MetricsLog::open(path, &steps.iter().copied().collect()).unwrap()
    }

    fn train(log: &mut MetricsLog, member: usize, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            log.append(member, step, &[("loss", 1.0 / step as f64), ("a \"b\"", f64::NAN)]).unwrap();
        }
        log.sync().unwrap();
    }

    #[test]
    fn a_resumed_log_ends_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, resumed) = (folder.path().join("whole"), folder.path().join("resumed"));
        let mut unbroken = log(&whole, &[]);
        train(&mut unbroken, 0, 1..=6);
        train(&mut unbroken, 1, 1..=6);

        let mut killed = log(&resumed, &[]);
        train(&mut killed, 0, 1..=6);
        train(&mut killed, 1, 1..=5);
        killed.file.write_all(b"{\"member\":1,\"st").unwrap();
        train(&mut log(&resumed, &[(0, 6), (1, 3)]), 1, 4..=6);
        assert_eq!(fs::read_to_string(&whole).unwrap(), fs::read_to_string(&resumed).unwrap());
    }

    #[test]
    fn members_side_by_side_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let mut in_turn = log(&one, &[]);
        train(&mut in_turn, 0, 1..=3);
        train(&mut in_turn, 1, 1..=3);
        let mut mixed = log(&other, &[]);
        for (member, steps) in [(1, 1..=2), (0, 1..=1), (1, 3..=3), (0, 2..=3)] {
            train(&mut mixed, member, steps);
        }
        mixed.sort().unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), fs::read_to_string(&other).unwrap());
    }

    #[test]
    fn reads_back_what_was_logged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        train(&mut log(&path, &[]), 2, 3..=4);
        let lines = MetricsLog::read(&path).unwrap();
        assert_eq!((lines[1].member, lines[1].step, lines[1].values["loss"]), (2, 4, 0.25));
        assert!(lines[1].values["a \"b\""].is_nan());
        log(&path, &[]);
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn names_the_line_that_was_not_written_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let check = |line: &str, expected: &str| {
            fs::write(&path, format!("{{\"member\":0,\"step\":1}}\n{line}\n")).unwrap();
            let error = MetricsLog::open(&path, &[(0, 1)].into()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "line 2 is not an object of numbers");
        check("{\"member\":0}", "line 2 has `step` None, expected a whole number");
        check("{\"member\":0,\"step\":-1}", "line 2 has `step` Some(-1.0)");
        check("{\"member\":0,\"step\":1,\"loss\":\"a\"}", "line 2 is not an object of numbers");
    }
}
