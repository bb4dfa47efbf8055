//! `cytonaut run`: the main job from a configuration, or from data alone, to a finished run folder.

use std::path::PathBuf;

use clap::Args;

use super::options::{DeviceArgs, Overrides};
use super::{open_run, print};
use crate::plan::Shown;
use crate::run::Artifact;
use crate::study::Finished;
use crate::table::paragraph;

/// Load, train, embed, evaluate and rank in one resumable run
///
/// Reads the screen, trains the world model, and writes embeddings, predictions, scores and a ranking to the run folder.
/// Given data and no configuration, it chooses settings that suit them and says which.
/// A run stopped at any moment is resumed by the same command; Ctrl-C lets it save its step first.
///
/// Examples:
///   cytonaut run configs/quickstart.toml
///   cytonaut run datasets/bbbc021
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct RunArgs {
    /// A configuration, or data: a folder, a dataset card, tables or images, as `inspect` takes them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The run folder [default: runs/NAME, from the name of the configuration or of the data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object per line on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArgs,
}

impl RunArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, out, json, overrides, device } = self;
        let (finished, target) = open_run::run_paths(&paths, out, overrides, &device, |_| {})?;
        if json { show_json(&finished) } else { show(&finished, target) }
    }
}

/// The folder, the scores and the top of the ranking, or how to get one.
fn show(finished: &Finished, target: Option<String>) -> anyhow::Result<()> {
    let mut text = String::new();
    let is_quiet = !tracing::enabled!(tracing::Level::INFO);
    let summary = if is_quiet { String::new() } else { finished.evaluation.summary(false) };
    if !summary.is_empty() {
        text += &format!("{summary}\n");
    }
    // A ranking begins with the verdict on what ranks.
    let heading = finished.ranking.as_ref().filter(|_| !is_quiet).map(|ranking| ranking.verdict.as_str());
    let verdicts = finished.evaluation.verdicts();
    let verdicts: Vec<&String> = verdicts.iter().filter(|verdict| heading != Some(verdict.as_str())).collect();
    verdicts.iter().for_each(|verdict| text += &paragraph(verdict));
    if !verdicts.is_empty() && !is_quiet {
        text.push('\n');
    }
    if let Some(ranking) = finished.ranking.as_ref().filter(|_| !is_quiet) {
        text += &ranking.render(finished.top, Shown::Narrow);
        text.push('\n');
    }
    let state = if finished.was_finished { "was finished already" } else { "finished" };
    text += &format!("run {state}: {}\n", finished.folder.display());
    if let Some(target) = target.filter(|_| !is_quiet) {
        text += &format!("next, what is like X:\n  cytonaut rank {} --target '{target}'\n", finished.folder.display());
    }
    if let Some(report) = report_of(finished) {
        text += &format!("report: {}\n", report.display());
    }
    print(&text)
}

/// The page that the run left; a run of an earlier version left none.
fn report_of(finished: &Finished) -> Option<PathBuf> {
    Some(Artifact::Report.path_in(&finished.folder)).filter(|path| path.exists())
}

/// The folder, then every score, verdict and ranked candidate.
fn show_json(finished: &Finished) -> anyhow::Result<()> {
    let head = serde_json::json!({
        "type": "run",
        "folder": finished.folder,
        "was_finished": finished.was_finished,
        "report": report_of(finished),
    });
    let ranking = finished.ranking.as_ref().map_or(String::new(), |ranking| ranking.json_lines(finished.top));
    print(&format!("{head}\n{}{ranking}", finished.evaluation.json_lines()))
}
