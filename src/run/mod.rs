//! What a run leaves on disk: its folder, its provenance, checkpoints and metrics.
//!
//! ```text
//! RUN/
//!   config.toml       the resolved configuration
//!   manifest.json     version, inputs, seed, device, rows dropped and why, state
//!   metrics.jsonl     one line for each member and logged step
//!   checkpoints/      member-0.safetensors, …: where training resumes
//!   model/            member-0.safetensors, …: the trained members
//!   normalizer.json, decoder.json, combination.json, evaluation.json
//!   screen.parquet    the profiles as they were loaded, and card.toml, descriptors.json: the run answers without them
//!   embeddings.parquet, predictions.parquet, ranking.parquet, scores.parquet, …
//!   qc.parquet        the quality of every plate, and qc-well.parquet, of every well
//!   report.html       the run as one page, drawn from the files above; report.txt, its answers
//!   images/           start, prediction and outcome of objects of a time lapse
//! ```
//!
//! Crops of images are not in it: runs of the same images share them under `images.cache`.
//!
//! Every file but `metrics.jsonl` appears whole or not at all; `metrics.jsonl` grows by lines and is cut back to the
//! checkpoint when a run resumes. No file holds a time of day, so that two equal runs leave the same bytes.

mod error;
mod artifact;
mod manifest;
mod folder;
mod kept;
mod metrics;
mod checkpoint;
mod picture;

pub use artifact::Artifact;
pub use checkpoint::{Checkpoint, NonFinite};
pub use error::RunError;
pub use folder::{Opened, RunDir};
pub use kept::{KeptScreen, keep};
pub use manifest::{Manifest, State};
pub use metrics::{MetricsLine, MetricsLog};
pub use picture::Picture;
