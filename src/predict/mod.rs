//! What interventions would do: predicted latents and decoded features.

mod decoder;
mod method;
mod model;
mod ridge;

pub use decoder::{Decoder, DecoderConfig};
pub use method::{Method, MethodKind, UnknownMethod};
pub use model::{ModelPredictions, PredictError, PredictedLatents, Starts, predict, predict_latents};
pub use ridge::{Ridge, RidgeError};

use crate::screen::{FeatureMatrix, Treatment};

/// Predicted profiles of treatments, by the model or by a baseline.
///
/// Rows of `profiles` follow `treatments`; a treatment that a method abstains from is absent.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// Who predicts.
    pub method: Method,
    /// What is predicted, in the order of the rows.
    pub treatments: Vec<Treatment>,
    /// Predicted consensus profiles, `[treatment, feature]`, on the scale of the normalized screen.
    pub profiles: FeatureMatrix,
}
