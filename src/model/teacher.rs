//! The slow copy of encoder and projector that a teacher-based objective predicts into.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::encoder::Encoder;
use super::linear_part::LinearPart;
use super::parameters::averaged;
use super::projector::Projector;
use super::world::{WorldModel, centered, joined, uploaded};
use crate::screen::ChannelSpread;

/// An exponential moving average of a model's encoder and projector, buffers included.
///
/// It lies on the plain device, not on the autodiff one, so that no gradient can reach it.
#[derive(Module, Debug)]
pub struct Teacher {
    encoder: Encoder,
    projector: Projector,
    linear: Option<LinearPart>,
    #[module(skip)]
    channels: Vec<ChannelSpread>,
}

impl Teacher {
    /// The model's encoder and projector as they are now.
    pub fn of(student: &WorldModel) -> Self {
        let (encoder, projector, linear, channels) = student.clone().into_encoder();
        let linear = linear.map(|linear| linear.valid());
        Self { encoder: encoder.valid(), projector: projector.valid(), linear, channels }
    }

    /// This teacher moved toward the student: `momentum × teacher + (1 - momentum) × student`, for each value.
    pub fn follow(self, student: &WorldModel, momentum: f64) -> Self {
        averaged(self, &Self::of(student), momentum)
    }

    /// Latents of `n_units` observations with the batch's own statistics and without dropout.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, feature]`, row by row
    /// - returns: `[unit, latent]`, off the autodiff device
    pub fn encode(&self, units_uf: &[f32], n_units: usize, device: &Device) -> Tensor<2> {
        let units_uf = centered(uploaded(units_uf, n_units, device), &self.channels);
        let learned_ul = self.projector.forward_train(self.encoder.forward(units_uf.clone(), None)).0;
        joined(self.linear.as_ref(), units_uf, learned_ul)
    }
}
