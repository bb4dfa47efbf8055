//! `cytonaut train`: fit the world model and stop there.

use std::path::PathBuf;

use clap::Args;

use super::options::{DeviceArgs, Overrides};
use super::{open_run, print};

/// Train a world model, or an ensemble of seeds, and score it, without a ranking
///
/// Example:
///   cytonaut train configs/quickstart.toml --members 1 --out runs/one
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct TrainArgs {
    /// A configuration, or data: a folder, a dataset card, tables or images, as `inspect` takes them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The run folder [default: runs/NAME, from the name of the configuration or of the data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    device: DeviceArgs,
}

impl TrainArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { paths, out, json, overrides, device } = self;
        let (finished, _) = open_run::run_paths(&paths, out, overrides, &device, |config| config.rank.target.clear())?;
        print(&match json {
            true => serde_json::json!({ "type": "trained", "folder": finished.folder }).to_string(),
            false => format!("trained: {}", finished.folder.display()),
        })
    }
}
