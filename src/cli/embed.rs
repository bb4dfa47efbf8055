//! `cytonaut embed`: latents of every observation.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::open_run::{OpenRun, stop_on_signals};
use super::options::DeviceArgs;
use super::progress::Reporter;
use super::{AskedWrongly, table_path, written};
use crate::embed::{Embeddings, Latents, Level, embed_screen};
use crate::load::Source;
use crate::load::image::ImageSource;
use crate::study;
use crate::train::Stop;

/// Write where every well or intervention lies in the space of the model
///
/// Latents of all models of the ensemble are whitened by replicates, and the strongest
/// directions written, `pc1` and `pc2` first.
///
/// FILES are tables that the run has never seen; they are normalized on their own
/// control wells. Without FILES the screen of the run is embedded.
///
/// RUN may also be the safetensors file of a published LeWorldModel; FILES are
/// then images of three channels, and a row is a tile of 224 x 224 pixels.
///
/// Example:
///   cytonaut embed runs/quickstart new_plates/*.parquet --out new.parquet
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct EmbedArgs {
    /// A run folder, or the weights of a published model
    run: PathBuf,
    /// Profile tables, globs or a dataset card; for published weights image sheets, folders or a card
    files: Vec<PathBuf>,
    /// What a row is: `well` or `intervention`, for images also `cell` (a crop) or `site`; for time lapses (of images or
    /// tracks) and published weights `cell` or `intervention` [default: well, for published weights cell]
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Whiten the latents by the negative controls and align lab batches instead (typical variation normalization)
    #[arg(long)]
    tvn: bool,
    /// Write the latents of each model of the ensemble as they are, side by side
    #[arg(long, conflicts_with = "tvn")]
    members: bool,
    /// The table to write, as its ending says: .parquet, .csv, .tsv, .xlsx, .json or .h5ad
    #[arg(long, value_name = "FILE", value_parser = table_path)]
    out: PathBuf,
    /// Folder for the tiles that published weights need
    #[arg(long, value_name = "DIR", default_value = "runs/cache")]
    cache: PathBuf,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl EmbedArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.run.extension().is_some_and(|extension| extension == "safetensors") {
            return self.run_published();
        }
        let Self { run, files, level, tvn, members, out, cache: _, json, device } = self;
        let level: Level = level.as_deref().unwrap_or("well").parse().map_err(AskedWrongly)?;
        let open = OpenRun::open(&run, &device)?;
        study::refuse(open.trained_run.kind(), study::Wanted::Latents { level, tvn })?;
        let screen = open.screen(&files)?;
        let map;
        let latents = match (tvn, members) {
            (true, _) => Latents::Aligned,
            (_, true) => Latents::Members,
            _ => {
                map = open.embedding_map()?;
                Latents::Embedding(&map)
            }
        };
        let embeddings = embed_screen(&open.trained_run.trained, &screen, level, latents, &open.device)
            .map_err(study::StudyError::from)?;
        write(&embeddings, &out, json)
    }

    /// Images through published weights.
    fn run_published(self) -> anyhow::Result<()> {
        let Self { run, files, level, tvn, members: _, out, cache, json, device } = self;
        let level: Level = level.as_deref().unwrap_or("cell").parse().map_err(AskedWrongly)?;
        let refused = match (level, tvn, files.is_empty()) {
            (Level::Well | Level::Site, ..) => {
                Some("published weights embed tiles; use `--level cell` or `--level intervention`")
            }
            (_, true, _) => Some("--tvn is for the wells of a run; published weights embed tiles"),
            (.., true) => Some("name the images to embed: a sheet, a folder or a card"),
            _ => None,
        };
        if let Some(words) = refused {
            return Err(AskedWrongly(words.to_owned()).into());
        }
        let device = device.resolve()?;
        let stop = Stop::default();
        stop_on_signals(&stop)?;
        let reporter = Reporter::new(0, 0);
        let source = ImageSource { source: Source::of(files), ..ImageSource::default() };
        let found = study::embed_published(&run, &source, &cache, &device, &stop, &reporter.listener())?;
        found.notes.iter().for_each(|note| tracing::info!("  {note}"));
        let embeddings = if level == Level::Intervention { found.tiles.by_intervention() } else { found.tiles };
        write(&embeddings, &out, json)
    }
}

fn write(embeddings: &Embeddings, out: &Path, json: bool) -> anyhow::Result<()> {
    embeddings.write(out).map_err(|error| anyhow!(error))?;
    let n_latents = embeddings.latents.n_features();
    written(json, &format!("rows of {n_latents} latent dimensions"), embeddings.units.n_rows(), out)
}
