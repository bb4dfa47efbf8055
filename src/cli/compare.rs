//! `cytonaut compare`: objectives of training against each other on somebody's own screen.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::open_run::stop_on_signals;
use super::options::{DeviceArgs, Overrides, Wanted};
use super::progress::Reporter;
use super::{AskedWrongly, print};
use crate::run::Artifact;
use crate::study::{self, CompareSettings, Compared};
use crate::table::{counted_of, paragraph};
use crate::train::{ObjectiveKind, Stop};

/// Compare training objectives on your screen: teacher-free, EMA teacher, VICReg, frozen
///
/// Trains a model of each objective on shares of the training data, from several seeds and with three
/// values of the knob that it depends on most, and judges all of them by what they predict of
/// held-out units, next to simple methods. Each training is one model.
/// The last sentences say what to use. A comparison that was stopped is resumed by the same command.
///
/// Examples:
///   cytonaut compare configs/quickstart.toml
///   cytonaut compare configs/quickstart.toml --percent 100,25 \
///     --objectives lewm,ema --seeds 5
///   cytonaut compare configs/quickstart.toml --shard 1/4
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CompareArgs {
    /// A configuration, or data: a folder, a dataset card or tables, as `run` takes them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The folder of the comparison [default: runs/NAME-compare]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Objectives; the first is compared with each of the others
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "lewm,ema,vicreg,frozen")]
    objectives: Vec<ObjectiveKind>,
    /// Shares of the training data, in percent
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "100,25", value_parser = percent)]
    percent: Vec<usize>,
    /// Trainings of each objective, share and value of its knob
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: usize,
    /// Do the I-th of N parts of the work; parts share one folder, and the last to end writes the table
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    shard: (usize, usize),
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArgs,
}

impl CompareArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, out, objectives, percent, seeds, shard, json, overrides, device } = self;
        let settings = CompareSettings { objectives: once(objectives), percents: once(percent), seeds, shard };
        if seeds == 0 {
            return Err(AskedWrongly("--seeds 0: expected at least 1".into()).into());
        }
        let device = device.resolve()?;
        let Wanted { asked, loaded, name } = overrides.resolve(&paths)?;
        let config = &asked.config;
        let folder = out.unwrap_or_else(|| Path::new("runs").join(format!("{name}-compare")));
        if Artifact::Manifest.path_in(&folder).is_file() {
            let words = format!("{} is a run folder; give the comparison another one with --out", folder.display());
            return Err(AskedWrongly(words).into());
        }
        let reporter = Reporter::new(0, 0);
        let stop = Stop::default();
        stop_on_signals(&stop).map_err(|error| anyhow!("signals cannot be listened to: {error}"))?;
        let loaded = match loaded {
            Some(loaded) => loaded,
            None => study::load_screen_until(config, &stop, &reporter.listener())?,
        };
        asked.check(&loaded.screen)?;
        let compared = study::compare(config, &loaded, &settings, &folder, &device, &stop, &reporter.listener())?;
        if json { show_json(&compared) } else { show(&compared) }
    }
}

/// The table, what it comes to, and where it is.
fn show(compared: &Compared) -> anyhow::Result<()> {
    let Compared { folder, comparison, n_missing } = compared;
    let Some(comparison) = comparison else {
        return print(&format!(
            "{} still missing; the other parts make them: {}\n",
            counted_of(*n_missing, "file of trials is", "files of trials are"),
            folder.display()
        ));
    };
    let mut text = comparison.render() + "\n";
    comparison.advice().iter().for_each(|sentence| text += &paragraph(sentence));
    print(&format!("{text}\ncomparison finished: {}\n", folder.join("comparison.parquet").display()))
}

fn show_json(compared: &Compared) -> anyhow::Result<()> {
    let Compared { folder, comparison, n_missing } = compared;
    let head = serde_json::json!({ "type": "comparison", "folder": folder, "missing": n_missing });
    let lines = comparison.as_ref().map_or(String::new(), |comparison| comparison.json_lines());
    print(&format!("{head}\n{lines}"))
}

/// Each value once, in the order in which they were given.
fn once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    values.into_iter().for_each(|value| {
        if !kept.contains(&value) {
            kept.push(value);
        }
    });
    kept
}

fn percent(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|percent| (1..=100).contains(percent));
    number.ok_or_else(|| "expected a whole number from 1 to 100".to_owned())
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(one, all)| Some((one.parse().ok()?, all.parse().ok()?)));
    parts
        .filter(|(one, all): &(usize, usize)| (1..=*all).contains(one))
        .ok_or_else(|| "expected I/N, as in 1/4, with I from 1 to N".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_parts_are_read_or_refused() {
        assert_eq!((percent("25"), shard("2/4")), (Ok(25), Ok((2, 4))));
        for text in ["0", "101", "2.5", "x"] {
            assert!(percent(text).is_err(), "{text}");
        }
        for text in ["0/4", "5/4", "1", "1/0", "a/b"] {
            assert!(shard(text).is_err(), "{text}");
        }
        assert_eq!(once(vec![25, 100, 25]), [25, 100]);
    }
}
