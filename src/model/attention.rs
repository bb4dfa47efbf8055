//! Self-attention over the tokens of each unit, fused on the CPU with its own backward pass.
//!
//! Queries, keys and values stay as the linear maps made them, `[unit * token, head * head width]`: a head is a strided
//! view of its columns, so that nothing is permuted or copied, and units are worked on side by side.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::fused::{flex, is_flex, row_major, values};
use super::kernels;

/// How rows of tokens fall into units, and columns into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Tokens of a unit.
    pub tokens: usize,
    /// Attention heads.
    pub heads: usize,
}

/// Fused attention of the CPU backend.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait AttentionOps: Backend {
    /// `softmax(q kᵀ / √width) v` of each unit and head; all `[unit * token, head * width]`.
    fn fused_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        tokens: usize,
        heads: usize,
    ) -> FloatTensor<Self>;
}

/// One head of one unit: `tokens` rows of `width` columns out of rows of `stride`.
#[derive(Clone, Copy)]
struct Head {
    tokens: usize,
    width: usize,
    stride: usize,
    first: usize,
}

impl Head {
    fn of(layout: Layout, columns: usize, head: usize) -> Self {
        let width = columns / layout.heads;
        Self { tokens: layout.tokens, width, stride: columns, first: head * width }
    }

    fn view(self, unit: &[f32]) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice_with_stride(self.cut(unit), self.tokens, self.width, self.stride)
    }

    fn view_mut(self, unit: &mut [f32]) -> MatMut<'_, f32> {
        // Not `from_row_major_slice_with_stride_mut`, which in faer 0.24.4 changes rows and columns.
        let values = &mut unit[self.first..self.end()];
        MatMut::from_column_major_slice_with_stride_mut(values, self.width, self.tokens, self.stride).transpose_mut()
    }

    fn cut(self, unit: &[f32]) -> &[f32] {
        &unit[self.first..self.end()]
    }

    fn end(self) -> usize {
        self.first + (self.tokens - 1) * self.stride + self.width
    }

    fn scale(self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }
}

fn square(values: &[f32], tokens: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, tokens, tokens)
}

fn square_mut(values: &mut [f32], tokens: usize) -> MatMut<'_, f32> {
    MatMut::from_row_major_slice_mut(values, tokens, tokens)
}

/// Output, and the probabilities `[unit, head, token, token]` that the backward pass needs.
fn forward(query: &[f32], key: &[f32], value: &[f32], columns: usize, layout: Layout) -> (Vec<f32>, Vec<f32>) {
    let area = layout.tokens * layout.tokens;
    let unit = layout.tokens * columns;
    let n_units = query.len() / unit;
    let mut output = vec![0.0; query.len()];
    let mut probabilities = vec![0.0; n_units * layout.heads * area];
    (
        output.par_chunks_mut(unit),
        probabilities.par_chunks_mut(layout.heads * area),
        query.par_chunks(unit),
        key.par_chunks(unit),
        value.par_chunks(unit),
    )
        .into_par_iter()
        .for_each(|(output, probabilities, query, key, value)| {
            for (index, probabilities) in probabilities.chunks_mut(area).enumerate() {
                forward_head(Head::of(layout, columns, index), query, key, value, probabilities, output);
            }
        });
    (output, probabilities)
}

/// The output alone, in memory that does not grow with the square of the tokens of all units.
fn forward_only(query: &[f32], key: &[f32], value: &[f32], columns: usize, layout: Layout) -> Vec<f32> {
    let unit = layout.tokens * columns;
    let mut output = vec![0.0; query.len()];
    (output.par_chunks_mut(unit), query.par_chunks(unit), key.par_chunks(unit), value.par_chunks(unit))
        .into_par_iter()
        .for_each_init(
            || vec![0.0; layout.tokens * layout.tokens],
            |probabilities, (output, query, key, value)| {
                for index in 0..layout.heads {
                    forward_head(Head::of(layout, columns, index), query, key, value, probabilities, output);
                }
            },
        );
    output
}

fn forward_head(head: Head, query: &[f32], key: &[f32], value: &[f32], probabilities: &mut [f32], output: &mut [f32]) {
    let tokens = head.tokens;
    let scores = square_mut(probabilities, tokens);
    matmul(scores, Accum::Replace, head.view(query), head.view(key).transpose(), head.scale(), Par::Seq);
    kernels::softmax_in_place(probabilities, tokens);
    matmul(head.view_mut(output), Accum::Replace, square(probabilities, tokens), head.view(value), 1.0, Par::Seq);
}

/// Gradients with respect to query, key and value.
fn backward(state: &AttentionState, gradient: &[f32]) -> [Vec<f32>; 3] {
    let AttentionState { query, key, value, probabilities, columns, layout } = state;
    let [query, key, value] = [query, key, value].map(values);
    let area = layout.tokens * layout.tokens;
    let unit = layout.tokens * columns;
    let [mut by_query, mut by_key, mut by_value] = [(); 3].map(|()| vec![0.0; query.len()]);
    (
        (by_query.par_chunks_mut(unit), by_key.par_chunks_mut(unit), by_value.par_chunks_mut(unit)),
        (query.par_chunks(unit), key.par_chunks(unit), value.par_chunks(unit)),
        (probabilities.par_chunks(layout.heads * area), gradient.par_chunks(unit)),
    )
        .into_par_iter()
        .for_each_init(
            || (vec![0.0; area], vec![0.0; area]),
            |(by_probability, by_score),
             ((by_query, by_key, by_value), (query, key, value), (probabilities, gradient))| {
                for (index, probabilities) in probabilities.chunks(area).enumerate() {
                    let (head, tokens) = (Head::of(*layout, *columns, index), layout.tokens);
                    let (shares, gradient) = (square(probabilities, tokens), head.view(gradient));
                    matmul(head.view_mut(by_value), Accum::Replace, shares.transpose(), gradient, 1.0, Par::Seq);
                    let product = square_mut(by_probability, tokens);
                    matmul(product, Accum::Replace, gradient, head.view(value).transpose(), 1.0, Par::Seq);
                    kernels::softmax_backward_into(probabilities, by_probability, by_score, tokens);
                    let scores = square(by_score, tokens);
                    matmul(head.view_mut(by_query), Accum::Replace, scores, head.view(key), head.scale(), Par::Seq);
                    let scores = scores.transpose();
                    matmul(head.view_mut(by_key), Accum::Replace, scores, head.view(query), head.scale(), Par::Seq);
                }
            },
        );
    [by_query, by_key, by_value]
}

#[derive(Debug)]
struct AttentionBackward;

#[derive(Debug, Clone)]
struct AttentionState {
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    probabilities: Vec<f32>,
    columns: usize,
    layout: Layout,
}

impl Backward<Flex, 3> for AttentionBackward {
    type State = AttentionState;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let shape = gradient.layout().shape().clone();
        let gradients = backward(&ops.state, values(&row_major(gradient)));
        for (parent, result) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, flex(result, shape.clone()));
            }
        }
    }
}

impl AttentionOps for Flex {
    fn fused_attention(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        tokens: usize,
        heads: usize,
    ) -> FlexTensor {
        let shape = query.layout().shape().clone();
        let columns = *shape.to_vec().last().expect("a tensor has an axis");
        let [query, key, value] = [query, key, value].map(row_major);
        let output = forward_only(values(&query), values(&key), values(&value), columns, Layout { tokens, heads });
        flex(output, shape)
    }
}

impl<C: CheckpointStrategy> AttentionOps for Autodiff<Flex, C> {
    fn fused_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        tokens: usize,
        heads: usize,
    ) -> FloatTensor<Self> {
        let nodes = [query.node(), key.node(), value.node()];
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let shape = query.primitive().shape();
                let columns = *shape.to_vec().last().expect("a tensor has an axis");
                let layout = Layout { tokens, heads };
                let [query, key, value] = [query, key, value].map(|tensor| row_major(tensor.into_primitive()));
                let (output, probabilities) = forward(values(&query), values(&key), values(&value), columns, layout);
                prep.finish(AttentionState { query, key, value, probabilities, columns, layout }, flex(output, shape))
            }
            OpsKind::UnTracked(prep) => {
                let [query, key, value] = [query, key, value].map(|tensor| tensor.into_primitive());
                prep.finish(Flex::fused_attention(query, key, value, tokens, heads))
            }
        }
    }
}

/// `softmax(q kᵀ / √width) v` among the tokens of each unit, head by head.
///
/// # Shapes
/// - `query`, `key`, `value`, output: `[unit * token, head * head width]`
pub(crate) fn attention(query: Tensor<2>, key: Tensor<2>, value: Tensor<2>, layout: Layout) -> Tensor<2> {
    if is_flex(&query) {
        let [query, key, value] = [query, key, value].map(Tensor::into_dispatch);
        let output = <Dispatch as AttentionOps>::fused_attention(query, key, value, layout.tokens, layout.heads);
        return Tensor::from_dispatch(output);
    }
    attention_in_graph(query, key, value, layout)
}

/// [`attention`] in burn's own operations: the GPU's path, and the fused kernel's oracle.
fn attention_in_graph(query: Tensor<2>, key: Tensor<2>, value: Tensor<2>, layout: Layout) -> Tensor<2> {
    let [rows, columns] = query.dims();
    let (units, width) = (rows / layout.tokens, columns / layout.heads);
    let split = |tensor: Tensor<2>| tensor.reshape([units, layout.tokens, layout.heads, width]).swap_dims(1, 2);
    let scores = split(query).matmul(split(key).swap_dims(2, 3)).mul_scalar(1.0 / (width as f32).sqrt());
    let mixed = burn::tensor::activation::softmax(scores, 3).matmul(split(value));
    mixed.swap_dims(1, 2).reshape([rows, columns])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn agrees_with_the_plain_graph() {
        let device = Device::flex().autodiff();
        for (units, tokens, heads, width) in [(3, 7, 2, 5), (1, 1, 1, 4), (2, 37, 3, 64)] {
            let layout = Layout { tokens, heads };
            let shape = [units * tokens, heads * width];
            let draw = || Tensor::<2>::random(shape, Distribution::Normal(0.1, 1.5), &device);
            let (inputs, weight) = ([draw(), draw(), draw()], draw());
            let run = |operation: &dyn Fn(Tensor<2>, Tensor<2>, Tensor<2>) -> Tensor<2>| {
                let leaves = inputs.clone().map(|input| input.detach().require_grad());
                let output = operation(leaves[0].clone(), leaves[1].clone(), leaves[2].clone());
                let grads = (output.clone() * weight.clone()).sum().backward();
                let mut all = values(output);
                all.extend(leaves.iter().flat_map(|leaf| values(leaf.grad(&grads).expect("the leaf is tracked"))));
                all
            };
            let found = run(&|query, key, value| attention(query, key, value, layout));
            let expected = run(&|query, key, value| attention_in_graph(query, key, value, layout));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 2e-5 * (1.0 + expected.abs()), "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn inference_equals_training_bit_by_bit() {
        let device = Device::flex();
        let draw = || Tensor::<2>::random([2 * 9, 8], Distribution::Normal(0.0, 1.0), &device);
        let (inputs, layout) = ([draw(), draw(), draw()], Layout { tokens: 9, heads: 2 });
        let [query, key, value] = inputs.clone();
        let plain = values(attention(query, key, value, layout));
        let [query, key, value] =
            inputs.map(|input| Tensor::<2>::from_data(input.into_data(), &device.clone().autodiff()).require_grad());
        assert_eq!(values(attention(query, key, value, layout)), plain);
    }
}
