//! The world model's networks: forward passes only.
//!
//! | letter | dimension | letter | dimension |
//! |---|---|---|---|
//! | **b** | batch (one transition) | **a** | intervention encoding |
//! | **u** | unit (one observed row of the batch) | **k** | slice (random direction) |
//! | **t** | time | **q** | knot |
//! | **f** | feature | **c** | candidate |
//! | **l** | latent | **j** | dose-response curve |
//! | **n** | token (unit by unit) | **p** | value of a patch |
//!
//! A tensor's name ends in its letters. Symbols of the LeWorldModel paper: `z` is a latent, `ẑ` a predicted latent,
//! `a` an intervention, `enc` the encoder with its projector, `pred` the predictor.

mod attention;
mod conv;
mod encoder;
mod fused;
mod image;
mod intervention;
mod kernels;
mod layer;
mod lewm;
mod linear_part;
mod parameters;
#[cfg(test)]
mod parity;
mod predictor;
mod profile;
mod projector;
mod teacher;
mod world;

pub use conv::{ConvEncoder, ConvEncoderConfig};
pub use encoder::{Encoder, EncoderConfig, EncoderError};
pub use fused::epps_pulley;
#[cfg(test)]
pub(crate) use fused::epps_pulley_in_graph;
pub use image::{ImageEncoder, ImageEncoderConfig, Pool};
pub use intervention::{InterventionConfig, InterventionEncoder};
pub use kernels::Quadrature;
pub(crate) use kernels::for_this_cpu;
pub use layer::{BatchNorm, BatchStatistics, Init, LayerNorm, Noise};
pub use lewm::{ActionConfig, ActionEncoder, Lewm, LewmConfig};
pub(crate) use parameters::ParameterPath;
pub use parameters::{Array, ParameterError, count_parameters, parameters, with_parameters};
pub use predictor::{Head, HistoryConfig, Predictor, PredictorConfig};
pub use profile::{ProfileEncoder, ProfileEncoderConfig};
pub use projector::{Projector, ProjectorConfig, ProjectorNorm, ProjectorOutput};
pub use teacher::Teacher;
pub(crate) use world::weighted;
pub use world::{ModelConfig, ModelSizes, TrainOutput, WorldModel};
