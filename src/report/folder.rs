//! What a run folder holds that can be drawn.

use std::fs;
use std::path::Path;

use crate::embed::Embeddings;
use crate::evaluate::Evaluation;
use crate::plan::Ranking;
use crate::qc::{Finding, screen_and_findings};
use crate::run::{Artifact, Manifest, MetricsLine, MetricsLog, RunError};
use crate::table::{FileError, Table};

/// The files of a run, read; what is not there is `None` or empty.
pub(super) struct RunFiles {
    pub(super) manifest: Manifest,
    /// `config.toml` as it stands there, and read.
    pub(super) config_text: String,
    pub(super) config: toml::Table,
    /// Name of the screen.
    pub(super) name: String,
    pub(super) evaluation: Option<Evaluation>,
    pub(super) ranking: Option<Ranking>,
    /// Lines of `metrics.jsonl`, of the run or of each of its folds.
    pub(super) metrics: Vec<LoggedTraining>,
    /// The embedding of wells, or of objects at a time where no table of wells was written, with the name of the file.
    pub(super) embeddings: Option<(Embeddings, &'static str)>,
    /// Plates and wells with their quality.
    pub(super) plates: Option<PlateTables>,
    /// How many folds have a folder of their own; 0 for a run of one fold.
    pub(super) n_folds: usize,
}

/// The quality of plates and wells.
pub(super) struct PlateTables {
    pub(super) plates: Table,
    pub(super) wells: Table,
    /// Name of the screen.
    screen: String,
    /// Findings on its design, its plates and its wells.
    pub(super) findings: Vec<Finding>,
}

impl PlateTables {
    fn read(folder: &Path) -> Result<Option<Self>, FileError> {
        let (plates, wells) = (Artifact::Plates.path_in(folder), Artifact::WellQuality.path_in(folder));
        if !plates.exists() || !wells.exists() {
            return Ok(None);
        }
        let (plates, wells) = (Table::read_parquet(&plates)?, Table::read_parquet(&wells)?);
        let (screen, findings) = screen_and_findings(&plates)?;
        Ok(Some(Self { plates, wells, screen, findings }))
    }
}

/// What one training logged.
pub(super) struct LoggedTraining {
    /// The fold; `None` in a run of one fold.
    pub(super) fold: Option<usize>,
    pub(super) lines: Vec<MetricsLine>,
}

impl RunFiles {
    /// # Errors
    /// Where there is not a run, or one of its files cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Self, RunError> {
        let manifest = Manifest::read(folder)?;
        let config_path = Artifact::Config.path_in(folder);
        let config_text = fs::read_to_string(&config_path).map_err(RunError::read(&config_path))?;
        let config: toml::Table = config_text
            .parse()
            .map_err(|source| RunError::Toml { path: config_path.clone(), source: Box::new(source) })?;
        let path_of = |artifact: Artifact| Some(artifact.path_in(folder)).filter(|path| path.exists());
        let n_folds = (0..).take_while(|fold| folder.join(format!("fold-{fold}")).is_dir()).count();
        let logs = std::iter::once((None, folder.to_owned()))
            .chain((0..n_folds).map(|fold| (Some(fold), folder.join(format!("fold-{fold}")))));
        let mut metrics = Vec::new();
        for (fold, folder) in logs {
            let path = Artifact::Metrics.path_in(&folder);
            if path.exists() {
                metrics.push(LoggedTraining { fold, lines: MetricsLog::read(&path)? });
            }
        }
        let embeddings = match (path_of(Artifact::WellEmbeddings), path_of(Artifact::Embeddings)) {
            (Some(path), _) => Some((Embeddings::read(&path)?, "embeddings-well.parquet")),
            (None, Some(path)) => Some((Embeddings::read(&path)?, "embeddings.parquet")),
            (None, None) => None,
        };
        let plates = PlateTables::read(folder)?;
        let named = plates.as_ref().map(|plates| plates.screen.clone()).filter(|name| !name.is_empty());
        Ok(Self {
            name: named.map_or_else(|| name(folder, &manifest, &config), Ok)?,
            plates,
            evaluation: path_of(Artifact::Evaluation).map(|path| Evaluation::read(&path)).transpose()?,
            ranking: path_of(Artifact::Ranking).map(|path| Ranking::read(&path)).transpose()?,
            metrics,
            embeddings,
            n_folds,
            manifest,
            config_text,
            config,
        })
    }

    /// A setting by its section and key.
    pub(super) fn setting(&self, section: &str, key: &str) -> Option<&toml::Value> {
        self.config.get(section)?.get(key)
    }
}

/// The screen's name: as its card has it, or else of its first file.
fn name(folder: &Path, manifest: &Manifest, config: &toml::Table) -> Result<String, FileError> {
    let card = Artifact::Card.path_in(folder);
    if card.exists() {
        let text = fs::read_to_string(&card).map_err(FileError::read(&card))?;
        let named = text.parse::<toml::Table>().ok();
        let named = named.as_ref().and_then(|card| card.get("name")?.as_str()).filter(|name| !name.is_empty());
        if let Some(name) = named {
            return Ok(name.to_owned());
        }
    }
    let card = config.get("data").and_then(|data| data.get("card")?.as_str());
    let of_card = card.and_then(|card| Path::new(card).parent()?.file_name()).map(|name| name.to_string_lossy());
    let first = manifest.inputs.first().map(|input| input.name.clone());
    Ok(of_card.map(|name| name.into_owned()).or(first).unwrap_or_else(|| "a screen".to_owned()))
}
