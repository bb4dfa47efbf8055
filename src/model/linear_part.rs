//! The part of a latent that is no network: a linear map that was fitted before training.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::layer::Init;
use crate::prior::SignalMap;

/// A fixed linear map of profiles, to which a network adds as far as its gate is open; shut at the start.
#[derive(Module, Debug)]
pub struct LinearPart {
    weights: Param<Tensor<2>>,
    offset: Param<Tensor<2>>,
    spread: Param<Tensor<2>>,
    gate: Param<Tensor<2>>,
}

impl LinearPart {
    /// The part that `map` says; of a model whose values are read afterwards, zero.
    pub fn new(init: &Init, features: usize, latent: usize, map: Option<&SignalMap>) -> Self {
        let row = |values: &dyn Fn(&SignalMap) -> &Vec<f32>, rest: f32| {
            init.buffer(map.map_or_else(|| vec![rest; latent], |map| values(map).clone()), [1, latent])
        };
        Self {
            weights: init.buffer(
                map.map_or_else(|| vec![0.0; features * latent], |map| map.weights.clone()),
                [features, latent],
            ),
            offset: row(&|map| &map.offset, 0.0),
            spread: row(&|map| &map.spread, 1.0),
            gate: init.zeros([1, latent]),
        }
    }

    /// The linear part of each observation's latent and what the network makes of it.
    ///
    /// # Shapes
    /// - `units_uf`: `[unit, feature]`
    /// - `learned_ul`, returns: `[unit, latent]`
    pub fn join(&self, units_uf: Tensor<2>, learned_ul: Tensor<2>) -> Tensor<2> {
        units_uf.matmul(self.weights.val()) + self.offset.val() + learned_ul * self.gate.val()
    }

    /// Latents in units of the linear part's own spread, so that a regularizer of their shape does not undo that directions
    /// differ in signal.
    pub fn in_own_spread(&self, latents_ul: Tensor<2>) -> Tensor<2> {
        latents_ul / self.spread.val()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_shut_gate_leaves_the_map_alone() {
        let (mut rng, device) = (ChaCha8Rng::seed_from_u64(0), Device::flex());
        let map = SignalMap { weights: vec![1.0, 0.0, 2.0, -1.0], offset: vec![0.5, 0.0], spread: vec![2.0, 0.5] };
        let part = LinearPart::new(&Init { rng: &mut rng, device: &device }, 2, 2, Some(&map));
        let row = |values: [f32; 2]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [1, 2]), &device);
        let values = |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().try_to_vec().unwrap() };
        let joined = part.join(row([3.0, 4.0]), row([100.0, 100.0]));
        assert_eq!(values(joined.clone()), [3.0 + 8.0 + 0.5, -4.0]);
        assert_eq!(values(part.in_own_spread(joined)), [11.5 / 2.0, -8.0]);
        let open = LinearPart { gate: Param::from_data(TensorData::new(vec![0.0f32, 0.1], [1, 2]), &device), ..part };
        assert_eq!(values(open.join(row([3.0, 4.0]), row([100.0, 100.0]))), [11.5, 6.0]);
    }
}
