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
    /// A trained member, whole in itself, `model/member-0.safetensors`.
    Model {
        /// Which member, counted from 0.
        member: usize,
    },
    /// Latents back to features, `decoder.json`.
    Decoder,
    /// The fitted normalization, `normalizer.json`.
    Normalizer,
    /// What methods said of units that they were not fitted on, from which their weights come, `combination.json`.
    Combination,
    /// The screen as it was loaded, of images with latents in place of pixels, `screen.parquet`.
    Screen,
    /// Which rows of it are one object at several times, and what was given along tracks, `tracks.json`.
    Tracks,
    /// Descriptors of its perturbations, `descriptors.json`.
    Descriptors,
    /// The dataset card, `card.toml`: under another name, the run folder would be taken for a data set.
    Card,
    /// From latents to the embedding, `embedding.json`.
    EmbeddingMap,
    /// The embedding of every observation, `embeddings.parquet`.
    Embeddings,
    /// Mean latents of every well of an image screen, `embeddings-well.parquet`.
    WellEmbeddings,
    /// Mean latents of every intervention, `embeddings-intervention.parquet`.
    InterventionEmbeddings,
    /// Predicted profiles, `predictions.parquet`.
    Predictions,
    /// Interventions in order of nearness to the target, `ranking.parquet`.
    Ranking,
    /// The same, `ranking.csv`.
    RankingCsv,
    /// Scores, verdicts and notes, `evaluation.json`.
    Evaluation,
    /// Held-out accuracy, `scores.parquet`.
    Scores,
    /// Read-outs of the wells of a time lapse, `readouts.parquet`.
    Readouts,
    /// What the images drawn of a time lapse show, `images.parquet`.
    Images,
    /// Measured and predicted values of held-out tracks, `trajectories.parquet`.
    Trajectories,
    /// Labels of the held-out wells of an image screen as their nearest neighbors tell them, `labels.parquet`.
    Labels,
    /// The quality of every plate, with the findings of the screen, `qc.parquet`.
    Plates,
    /// The quality of every well, `qc-well.parquet`.
    WellQuality,
    /// The run as one page, `report.html`, with the same answers as text next to it.
    Report,
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
            Self::Model { member } => return folder.join("model").join(format!("member-{member}.safetensors")),
            Self::Decoder => "decoder.json",
            Self::Combination => "combination.json",
            Self::Screen => "screen.parquet",
            Self::Tracks => "tracks.json",
            Self::Descriptors => "descriptors.json",
            Self::Card => "card.toml",
            Self::EmbeddingMap => "embedding.json",
            Self::Embeddings => "embeddings.parquet",
            Self::WellEmbeddings => "embeddings-well.parquet",
            Self::InterventionEmbeddings => "embeddings-intervention.parquet",
            Self::Predictions => "predictions.parquet",
            Self::Ranking => "ranking.parquet",
            Self::RankingCsv => "ranking.csv",
            Self::Evaluation => "evaluation.json",
            Self::Scores => "scores.parquet",
            Self::Readouts => "readouts.parquet",
            Self::Images => "images.parquet",
            Self::Trajectories => "trajectories.parquet",
            Self::Labels => "labels.parquet",
            Self::Plates => "qc.parquet",
            Self::WellQuality => "qc-well.parquet",
            Self::Report => "report.html",
        };
        folder.join(name)
    }
}
