//! What interventions would do: predicted latents and decoded features.

mod decoder;
mod error;
mod forecast;
mod gain;
mod method;
mod model;
mod predictions;
mod probe;

pub use decoder::{Decoder, DecoderConfig};
pub use error::PredictError;
pub use forecast::Forecaster;
pub use gain::gain;
pub use method::{Method, MethodKind, UnknownMethod};
pub(crate) use model::unplaced;
pub use model::{Model, ModelPredictions, PredictedLatents, Starts, predict_latents};
pub use predictions::{Abstains, Predictions, Predictor};
pub use probe::{Line, LogProbe, PROBE_LAMBDAS, ratios_of_sums};
