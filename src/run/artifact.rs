//! The files of a run folder by what they are.

use std::path::{Path, PathBuf};

/// A file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Artifact {
    /// The resolved configuration, `config.toml`.
    Config,
    /// Provenance, `manifest.json`.
    Manifest,
    /// What training logged, `metrics.jsonl`.
    Metrics,
    /// Weights, optimizer state and step of one member of the ensemble, `checkpoints/member-0.safetensors`.
    Checkpoint {
        /// Which member, counted from 0.
        member: usize,
    },
    /// The fitted normalization, `normalizer.json`.
    Normalizer,
    /// Which interventions are for training, validation, calibration and test, `split.json`.
    Split,
    /// Latents of every observation, `embeddings.parquet`.
    Embeddings,
    /// Predicted profiles, `predictions.parquet`.
    Predictions,
    /// Interventions in order of nearness to the target, `ranking.parquet`.
    Ranking,
    /// The same, `ranking.csv`.
    RankingCsv,
    /// Held-out accuracy, `scores.parquet`.
    Scores,
    /// The report, `report.html`.
    Report,
    /// The pick list for the next experiment, `platemap.csv`.
    Platemap,
}

impl Artifact {
    /// Where this file lies in a run folder, whether it is there or not.
    pub fn path_in(self, folder: &Path) -> PathBuf {
        let name = match self {
            Self::Config => "config.toml",
            Self::Manifest => "manifest.json",
            Self::Metrics => "metrics.jsonl",
            Self::Checkpoint { member } => {
                return folder.join("checkpoints").join(format!("member-{member}.safetensors"));
            }
            Self::Normalizer => "normalizer.json",
            Self::Split => "split.json",
            Self::Embeddings => "embeddings.parquet",
            Self::Predictions => "predictions.parquet",
            Self::Ranking => "ranking.parquet",
            Self::RankingCsv => "ranking.csv",
            Self::Scores => "scores.parquet",
            Self::Report => "report.html",
            Self::Platemap => "platemap.csv",
        };
        folder.join(name)
    }
}
