//! Operations that burn's CPU backend decomposes or runs one value at a time, fused, with their own backward passes.
//!
//! On the `flex` backend these run the kernels of [`super::kernels`]; on any other backend the same mathematics stays
//! in the graph. `tests` hold both against each other and against finite differences.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

use super::kernels::{self, Characteristic, Quadrature};

/// Fused operations of the CPU backend.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// Exact GELU, any shape.
    fn fused_gelu(input: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Layer norm without scale and shift over the last axis.
    fn fused_layer_norm(input: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self>;
    /// Softmax over the last axis.
    fn fused_softmax(input: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Mean Epps–Pulley statistic of the columns of `[batch, slice]`; `[1]`.
    fn fused_sigreg(projected: FloatTensor<Self>, n_knots: usize, range: f32) -> FloatTensor<Self>;
}

/// The tensor with its values in row-major order, for [`values`]; a copy only where they are not.
pub(super) fn row_major(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// What a [`row_major`] tensor holds.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("activations are f32 in row-major order")
}

pub(super) fn flex(values: Vec<f32>, shape: impl Into<burn::tensor::Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

fn last_axis(tensor: &FlexTensor) -> usize {
    *tensor.layout().shape().to_vec().last().expect("a tensor has an axis")
}

impl FusedOps for Flex {
    fn fused_gelu(input: FlexTensor) -> FlexTensor {
        let shape = input.layout().shape().clone();
        flex(kernels::gelu(values(&row_major(input))), shape)
    }

    fn fused_layer_norm(input: FlexTensor, epsilon: f32) -> FlexTensor {
        let (shape, width) = (input.layout().shape().clone(), last_axis(&input));
        flex(kernels::layer_norm(values(&row_major(input)), width, epsilon).0, shape)
    }

    fn fused_softmax(input: FlexTensor) -> FlexTensor {
        let (shape, width) = (input.layout().shape().clone(), last_axis(&input));
        flex(kernels::softmax(values(&row_major(input)), width), shape)
    }

    fn fused_sigreg(projected: FlexTensor, n_knots: usize, range: f32) -> FlexTensor {
        let n_slices = last_axis(&projected);
        let projected = row_major(projected);
        let values = values(&projected);
        let quadrature = Quadrature::new(n_knots, range);
        let statistic = kernels::characteristic(values, n_slices, &quadrature).statistic(
            values.len() / n_slices,
            n_slices,
            &quadrature,
        );
        flex(vec![statistic], [1])
    }
}

#[derive(Debug)]
struct GeluBackward;

impl Backward<Flex, 1> for GeluBackward {
    /// The input.
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        if let [Some(parent)] = ops.parents {
            let shape = gradient.layout().shape().clone();
            let result = kernels::gelu_backward(values(&ops.state), values(&row_major(gradient)));
            grads.register::<Flex>(parent.id, flex(result, shape));
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 1> for LayerNormBackward {
    /// The output, and each row's 1/deviation.
    type State = (FlexTensor, Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        if let [Some(parent)] = ops.parents {
            let (shape, width) = (gradient.layout().shape().clone(), last_axis(&gradient));
            let (output, inverse) = &ops.state;
            let gradient = row_major(gradient);
            let result = kernels::layer_norm_backward(values(output), inverse, values(&gradient), width);
            grads.register::<Flex>(parent.id, flex(result, shape));
        }
    }
}

#[derive(Debug)]
struct SoftmaxBackward;

impl Backward<Flex, 1> for SoftmaxBackward {
    /// The output.
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        if let [Some(parent)] = ops.parents {
            let (shape, width) = (gradient.layout().shape().clone(), last_axis(&gradient));
            let result = kernels::softmax_backward(values(&ops.state), values(&row_major(gradient)), width);
            grads.register::<Flex>(parent.id, flex(result, shape));
        }
    }
}

#[derive(Debug)]
struct SigregBackward;

/// The projections and their characteristic functions; nothing of size `batch * slice * knot` is ever held.
#[derive(Debug, Clone)]
struct SigregState {
    projected: FlexTensor,
    n_slices: usize,
    quadrature: Quadrature,
    characteristic: Characteristic,
}

impl Backward<Flex, 1> for SigregBackward {
    type State = SigregState;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let scale = values(&row_major(grads.consume::<Flex>(&ops.node)))[0];
        if let [Some(parent)] = ops.parents {
            let SigregState { projected, n_slices, quadrature, characteristic } = &ops.state;
            let projected = values(projected);
            let result = characteristic.backward(projected, *n_slices, quadrature, scale);
            grads.register::<Flex>(parent.id, flex(result, [projected.len() / n_slices, *n_slices]));
        }
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_gelu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        match GeluBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let shape = input.primitive().shape();
                let input = row_major(input.into_primitive());
                let output = flex(kernels::gelu(values(&input)), shape);
                prep.finish(input, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::fused_gelu(input.into_primitive())),
        }
    }

    fn fused_layer_norm(input: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        match LayerNormBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (shape, width) = (input.primitive().shape(), last_axis(input.primitive()));
                let input = row_major(input.into_primitive());
                let (output, inverse) = kernels::layer_norm(values(&input), width, epsilon);
                let output = flex(output, shape);
                prep.finish((output.clone(), inverse), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::fused_layer_norm(input.into_primitive(), epsilon)),
        }
    }

    fn fused_softmax(input: FloatTensor<Self>) -> FloatTensor<Self> {
        match SoftmaxBackward.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (shape, width) = (input.primitive().shape(), last_axis(input.primitive()));
                let output = flex(kernels::softmax(values(&row_major(input.into_primitive())), width), shape);
                prep.finish(output.clone(), output)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::fused_softmax(input.into_primitive())),
        }
    }

    fn fused_sigreg(projected: FloatTensor<Self>, n_knots: usize, range: f32) -> FloatTensor<Self> {
        match SigregBackward.prepare::<C>([projected.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let n_slices = last_axis(projected.primitive());
                let projected = row_major(projected.into_primitive());
                let quadrature = Quadrature::new(n_knots, range);
                let characteristic = kernels::characteristic(values(&projected), n_slices, &quadrature);
                let n_rows = values(&projected).len() / n_slices;
                let statistic = characteristic.statistic(n_rows, n_slices, &quadrature);
                let state = SigregState { projected, n_slices, quadrature, characteristic };
                prep.finish(state, flex(vec![statistic], [1]))
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::fused_sigreg(projected.into_primitive(), n_knots, range)),
        }
    }
}

impl Quadrature {
    /// `n_knots` even knots on `[0, range]`; the trapezoid is doubled for the symmetric half and windowed by `exp(-t²/2)`.
    ///
    /// # Source
    /// LeWorldModel's SIGReg: 17 knots on `[0, 3]`.
    pub fn new(n_knots: usize, range: f32) -> Self {
        let spacing = f64::from(range) / (n_knots - 1) as f64;
        let normal: Vec<f64> = (0..n_knots).map(|knot| (-0.5 * (knot as f64 * spacing).powi(2)).exp()).collect();
        let weights = normal.iter().enumerate().map(|(knot, window)| {
            let trapezoid = if knot == 0 || knot == n_knots - 1 { spacing } else { 2.0 * spacing };
            (trapezoid * window) as f32
        });
        Self {
            spacing: spacing as f32,
            weights: weights.collect(),
            normal: normal.iter().map(|&value| value as f32).collect(),
        }
    }
}

/// Whether the tensor lives on the CPU backend whose kernels are fused here.
pub(super) fn is_flex<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// Exact (erf) GELU.
///
/// # Shapes
/// - `input`, output: any
pub fn gelu<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if is_flex(&input) {
        Tensor::from_dispatch(<Dispatch as FusedOps>::fused_gelu(input.into_dispatch()))
    } else {
        burn::tensor::activation::gelu(input)
    }
}

/// Layer norm over the last axis, without scale and shift.
///
/// # Shapes
/// - `input`, output: `[…, feature]`
pub fn layer_norm<const D: usize>(input: Tensor<D>, epsilon: f32) -> Tensor<D> {
    if is_flex(&input) {
        return Tensor::from_dispatch(<Dispatch as FusedOps>::fused_layer_norm(input.into_dispatch(), epsilon));
    }
    let centered = input.clone() - input.mean_dim(D - 1);
    let variance = centered.clone().square().mean_dim(D - 1);
    centered / (variance + epsilon).sqrt()
}

/// Softmax over the last axis.
///
/// # Shapes
/// - `input`, output: `[…, key]`
pub fn softmax<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    if is_flex(&input) {
        Tensor::from_dispatch(<Dispatch as FusedOps>::fused_softmax(input.into_dispatch()))
    } else {
        burn::tensor::activation::softmax(input, D - 1)
    }
}

/// Mean over slices of the Epps–Pulley statistic against the standard normal.
///
/// # Shapes
/// - `projected`: `[batch, slice]`
/// - returns: `[1]`
pub fn epps_pulley(projected_bk: Tensor<2>, n_knots: usize, range: f32) -> Tensor<1> {
    if is_flex(&projected_bk) {
        let dispatch = <Dispatch as FusedOps>::fused_sigreg(projected_bk.into_dispatch(), n_knots, range);
        Tensor::from_dispatch(dispatch)
    } else {
        epps_pulley_in_graph(projected_bk, n_knots, range)
    }
}

/// [`epps_pulley`] by the recurrence in the graph: the GPU's path, and the fused kernel's oracle.
pub(crate) fn epps_pulley_in_graph(projected_bk: Tensor<2>, n_knots: usize, range: f32) -> Tensor<1> {
    let [batch, n_slices] = projected_bk.dims();
    let quadrature = Quadrature::new(n_knots, range);
    let angle_bk = projected_bk.mul_scalar(quadrature.spacing);
    let (sin_1, cos_1) = (angle_bk.clone().sin(), angle_bk.cos());
    let (mut sin, mut cos) = (sin_1.clone(), cos_1.clone());
    let mut statistic = Tensor::<1>::zeros([1], &cos.device());
    for knot in 1..n_knots {
        let miss_k = cos.clone().mean_dim(0) - quadrature.normal[knot];
        let sine_k = sin.clone().mean_dim(0);
        let square = (miss_k.square() + sine_k.square()).sum().mul_scalar(quadrature.weights[knot]);
        statistic = statistic + square;
        let cos_next = cos.clone() * cos_1.clone() - sin.clone() * sin_1.clone();
        sin = sin * cos_1.clone() + cos * sin_1.clone();
        cos = cos_next;
    }
    statistic.mul_scalar(batch as f32 / n_slices as f32)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn compare(fused: impl Fn(Tensor<2>) -> Tensor<2>, plain: impl Fn(Tensor<2>) -> Tensor<2>) {
        let device = Device::flex().autodiff();
        let input = Tensor::<2>::random([37, 53], Distribution::Normal(0.3, 2.0), &device);
        let weight = Tensor::<2>::random([37, 53], Distribution::Normal(0.0, 1.0), &device);
        let run = |operation: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            let leaf = input.clone().detach().require_grad();
            let output = operation(leaf.clone());
            let grads = (output.clone() * weight.clone()).sum().backward();
            let gradient = leaf.grad(&grads).expect("the leaf is tracked");
            (output.into_data().try_to_vec::<f32>().unwrap(), gradient.into_data().try_to_vec::<f32>().unwrap())
        };
        let (value, gradient) = run(&fused);
        let (expected_value, expected_gradient) = run(&plain);
        for (found, expected) in value.iter().zip(&expected_value).chain(gradient.iter().zip(&expected_gradient)) {
            assert!((found - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{found} is not {expected}");
        }
    }

    #[test]
    fn gelu_agrees_with_the_plain_graph() {
        compare(gelu, burn::tensor::activation::gelu);
    }

    #[test]
    fn layer_norm_agrees_with_the_plain_graph() {
        compare(
            |x| layer_norm(x, 1e-6),
            |x| {
                let centered = x.clone() - x.mean_dim(1);
                let variance = centered.clone().square().mean_dim(1);
                centered / (variance + 1e-6).sqrt()
            },
        );
    }

    #[test]
    fn softmax_agrees_with_the_plain_graph() {
        compare(softmax, |x| burn::tensor::activation::softmax(x, 1));
    }

    #[test]
    fn sigreg_agrees_with_the_graph_of_the_recurrence() {
        let spread = |fused: bool| {
            move |x: Tensor<2>| {
                let statistic = if fused { epps_pulley(x, 17, 3.0) } else { epps_pulley_in_graph(x, 17, 3.0) };
                statistic.reshape([1, 1]).expand([37, 53])
            }
        };
        compare(spread(true), spread(false));
    }
}
