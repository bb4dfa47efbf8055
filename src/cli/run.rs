//! `cytonaut run`: the main job from a configuration, or from data alone, to a finished run folder.

use std::path::PathBuf;

use clap::Args;

use super::options::{DeviceArgs, Overrides};
use super::{open_run, print};
use crate::plan::Shown;
use crate::study::Finished;

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
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArgs,
}

impl RunArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, out, overrides, device } = self;
        let (finished, target) = open_run::run_paths(&paths, out, overrides, &device, |_| {})?;
        show(&finished, target)
    }
}

/// The folder, the scores and the top of the ranking, or how to get one.
fn show(finished: &Finished, target: Option<String>) -> anyhow::Result<()> {
    let mut text = String::new();
    let summary = finished.evaluation.summary();
    if !summary.is_empty() {
        text += &summary;
        text.push('\n');
        finished.evaluation.verdicts().iter().for_each(|verdict| text += &format!("{verdict}\n"));
        text.push('\n');
    }
    if let Some(ranking) = &finished.ranking {
        text += &ranking.render(finished.top, Shown::Narrow);
        text.push('\n');
    }
    let state = if finished.was_finished { "was finished already" } else { "finished" };
    text += &format!("run {state}: {}\n", finished.folder.display());
    if let Some(target) = target {
        text += &format!("next, what is like X: cytonaut rank {} --target '{target}'\n", finished.folder.display());
    }
    print(&text)
}
