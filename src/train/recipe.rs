//! What a member learns from, by which settings, from where on, and where.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::progress::Progress;
use super::{Stop, TrainConfig, TrainError};
use crate::model::{Array, ModelConfig, ModelSizes};
use crate::pair::{PairConfig, PairSet, Vocabulary};
use crate::run::Checkpoint;
use crate::screen::{Screen, Treatment};

/// What a member learns from and is judged by.
#[derive(Debug, Clone, Copy)]
pub struct TrainingData<'a> {
    /// The normalized screen.
    pub screen: &'a Screen,
    /// Its episodes.
    pub pairs: &'a PairSet,
    /// Names of the training treatments.
    pub vocabulary: &'a Vocabulary,
    /// Where closed forms expect training and validation treatments to lead, fitted without their own wells, in
    /// normalized features: where transitions start, if they start there.
    pub expected: Option<&'a BTreeMap<Treatment, Vec<f32>>>,
}

/// The settings that members are made and trained by.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// The networks.
    pub model: &'a ModelConfig,
    /// Sizes that the screen decided.
    pub sizes: &'a ModelSizes,
    /// How batches are drawn.
    pub pair: &'a PairConfig,
    /// The loop and its objective.
    pub train: &'a TrainConfig,
}

/// Where a member's training begins; from random weights by default.
#[derive(Debug, Default)]
pub struct Beginning<'a> {
    /// Parameters of another run's member.
    pub warm: Option<&'a BTreeMap<String, Array>>,
    /// Its own checkpoint of a training that was interrupted.
    pub resume: Option<Checkpoint>,
}

/// Where a training goes and what it listens to.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The plain device that is trained on.
    pub device: &'a Device,
    /// The request to stop.
    pub stop: &'a Stop,
    /// Keeps a checkpoint.
    pub save: &'a dyn Fn(Checkpoint) -> Result<(), TrainError>,
    /// Takes what there is to say.
    pub report: &'a dyn Fn(Progress),
}
