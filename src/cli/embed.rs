//! `cytonaut embed`: latents of every observation.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::options::DeviceArgs;
use super::serve::OpenRun;
use super::{AskedWrongly, print};
use crate::embed::Level;
use crate::study;

/// Write the latents of every well or intervention to parquet
///
/// FILES are tables that the run has never seen; they are normalized on their own control wells.
/// Without FILES the run's own screen is embedded.
///
/// Example: cytonaut embed runs/quickstart new_plates/*.parquet --out new.parquet
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct EmbedArgs {
    /// A run folder
    run: PathBuf,
    /// Profile tables, globs or a dataset card
    files: Vec<PathBuf>,
    /// What a row is: `well` or `intervention`
    #[arg(long, default_value = "well", value_name = "LEVEL")]
    level: String,
    /// Whiten the latents by the negative controls and align lab batches (typical variation normalization)
    #[arg(long)]
    tvn: bool,
    /// The table to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

impl EmbedArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { run, files, level, tvn, out, device } = self;
        let level: Level = level.parse().map_err(AskedWrongly)?;
        if matches!(level, Level::Cell | Level::Site) {
            return Err(AskedWrongly(
                "this run has one observation for each well; ask for `well` or `intervention`".into(),
            )
            .into());
        }
        let open = OpenRun::open(&run, &device)?;
        let screen = open.screen(&files)?;
        let embeddings = study::embed_screen(&open.served, &screen, level, tvn, &open.device)?;
        embeddings.write(&out).map_err(|error| anyhow!(error))?;
        print(&format!(
            "{} rows of {} latent dimensions: {}",
            embeddings.observations.len(),
            embeddings.latents.n_features(),
            out.display()
        ))
    }
}
