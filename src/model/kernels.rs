//! CPU kernels of the fused operations, over plain slices.
//!
//! Each loop is written once over fixed-size lanes and compiled three times (AVX-512, AVX2 + FMA, baseline);
//! the machine's own instructions are looked up at run time, so that one portable binary is fast everywhere.

use rayon::prelude::*;

/// Columns handled together by the SIGReg kernel: one cache line of `f32`.
const LANES: usize = 16;

/// Values handled by one task of an element-wise kernel.
const CHUNK: usize = 1 << 14;

/// Defines `$name` as a safe function that runs `$body`, an `#[inline(always)]` one, compiled for the best instructions
/// of this machine. Nothing is contracted to fused multiply-adds by itself, so results are the same on every machine.
macro_rules! for_this_cpu {
    ($name:ident, $body:ident, ($($arg:ident: $ty:ty),*)) => {
        fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,fma")]
                fn avx512($($arg: $ty),*) { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) { $body($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the features that the function was compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}

pub(crate) use for_this_cpu;

/// `exp(x)` for `x <= 0`, relative error below 2e-7; underflows to 0.
#[inline(always)]
fn exp_of_nonpositive(x: f32) -> f32 {
    // Not `max`, which would turn NaN into a number and hide a run that has diverged.
    let x = if x < -87.0 { -87.0 } else { x };
    let n = (x * std::f32::consts::LOG2_E).round();
    // ln 2 in two parts, so that the remainder keeps its low bits.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p =
        1.0 + r * (1.0 + r * (0.5 + r * (1.666_666_6e-1 + r * (4.166_661e-2 + r * (8.333_54e-3 + r * 1.393_3e-3)))));
    p * f32::from_bits((((n as i32) + 127) << 23) as u32)
}

/// `erf(x)` after Abramowitz and Stegun 7.1.26, absolute error below 2e-7 with the exponential above.
#[inline(always)]
fn erf_and_gauss(x: f32) -> (f32, f32) {
    let magnitude = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
    let gauss = exp_of_nonpositive(-magnitude * magnitude);
    let poly = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    ((1.0 - poly * gauss).copysign(x), gauss)
}

#[inline(always)]
fn gelu_chunk(input: &[f32], output: &mut [f32]) {
    for (y, &x) in output.iter_mut().zip(input) {
        let (erf, _) = erf_and_gauss(x * std::f32::consts::FRAC_1_SQRT_2);
        *y = 0.5 * x * (1.0 + erf);
    }
}

#[inline(always)]
fn gelu_backward_chunk(input: &[f32], grad: &[f32], output: &mut [f32]) {
    const INV_SQRT_TAU: f32 = 0.398_942_3;
    for ((out, &x), &g) in output.iter_mut().zip(input).zip(grad) {
        let (erf, gauss) = erf_and_gauss(x * std::f32::consts::FRAC_1_SQRT_2);
        *out = g * (0.5 * (1.0 + erf) + x * INV_SQRT_TAU * gauss);
    }
}

for_this_cpu!(gelu_chunk_fast, gelu_chunk, (input: &[f32], output: &mut [f32]));
for_this_cpu!(gelu_backward_chunk_fast, gelu_backward_chunk, (input: &[f32], grad: &[f32], output: &mut [f32]));

/// Exact (erf) GELU of every value.
pub fn gelu(input: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    output.par_chunks_mut(CHUNK).zip(input.par_chunks(CHUNK)).for_each(|(y, x)| gelu_chunk_fast(x, y));
    output
}

/// Gradient of [`gelu`] with respect to its input, given the gradient of its output.
pub fn gelu_backward(input: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    (output.par_chunks_mut(CHUNK), input.par_chunks(CHUNK), grad.par_chunks(CHUNK))
        .into_par_iter()
        .for_each(|(out, x, g)| gelu_backward_chunk_fast(x, g, out));
    output
}

/// Sum over lanes that the compiler can vectorize, in an order that does not depend on the instruction set.
#[inline(always)]
fn lane_sum(row: &[f32], value: impl Fn(usize, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = row.len() - row.len() % LANES;
    for start in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            lanes[lane] += value(start + lane, row[start + lane]);
        }
    }
    let mut sum = 0.0;
    for lane in lanes {
        sum += lane;
    }
    for (index, &entry) in row.iter().enumerate().skip(whole) {
        sum += value(index, entry);
    }
    sum
}

#[inline(always)]
fn layer_norm_row(input: &[f32], epsilon: f32, output: &mut [f32], inverse_deviation: &mut f32) {
    let width = input.len() as f32;
    let mean = lane_sum(input, |_, x| x) / width;
    let variance = lane_sum(input, |_, x| (x - mean) * (x - mean)) / width;
    let inverse = 1.0 / (variance + epsilon).sqrt();
    for (y, &x) in output.iter_mut().zip(input) {
        *y = (x - mean) * inverse;
    }
    *inverse_deviation = inverse;
}

#[inline(always)]
fn layer_norm_backward_row(output: &[f32], grad: &[f32], inverse_deviation: f32, result: &mut [f32]) {
    let width = output.len() as f32;
    let mean_grad = lane_sum(grad, |_, g| g) / width;
    let mean_product = lane_sum(grad, |index, g| g * output[index]) / width;
    for ((out, &y), &g) in result.iter_mut().zip(output).zip(grad) {
        *out = (g - mean_grad - y * mean_product) * inverse_deviation;
    }
}

for_this_cpu!(layer_norm_row_fast, layer_norm_row, (input: &[f32], epsilon: f32, output: &mut [f32], inverse: &mut f32));
for_this_cpu!(layer_norm_backward_row_fast, layer_norm_backward_row,
    (output: &[f32], grad: &[f32], inverse: f32, result: &mut [f32]));

/// Each row of `width` values brought to mean 0 and variance 1; also returns each row's 1/deviation.
pub fn layer_norm(input: &[f32], width: usize, epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let mut output = vec![0.0; input.len()];
    let mut inverse = vec![0.0; input.len() / width];
    (output.par_chunks_mut(width), input.par_chunks(width), inverse.par_iter_mut())
        .into_par_iter()
        .with_min_len(CHUNK / width.max(1) + 1)
        .for_each(|(y, x, inverse)| layer_norm_row_fast(x, epsilon, y, inverse));
    (output, inverse)
}

/// Gradient of [`layer_norm`] with respect to its input, from its output and each row's 1/deviation.
pub fn layer_norm_backward(output: &[f32], inverse: &[f32], grad: &[f32], width: usize) -> Vec<f32> {
    let mut result = vec![0.0; output.len()];
    (result.par_chunks_mut(width), output.par_chunks(width), grad.par_chunks(width), inverse.par_iter())
        .into_par_iter()
        .with_min_len(CHUNK / width.max(1) + 1)
        .for_each(|(out, y, g, &inverse)| layer_norm_backward_row_fast(y, g, inverse, out));
    result
}

#[inline(always)]
fn softmax_row(input: &[f32], output: &mut [f32]) {
    let highest = input.iter().fold(f32::NEG_INFINITY, |highest, &x| highest.max(x));
    for (y, &x) in output.iter_mut().zip(input) {
        *y = exp_of_nonpositive(x - highest);
    }
    let inverse = 1.0 / lane_sum(output, |_, y| y);
    for y in output {
        *y *= inverse;
    }
}

#[inline(always)]
fn softmax_row_in_place(row: &mut [f32]) {
    let highest = row.iter().fold(f32::NEG_INFINITY, |highest, &x| highest.max(x));
    for y in row.iter_mut() {
        *y = exp_of_nonpositive(*y - highest);
    }
    let inverse = 1.0 / lane_sum(row, |_, y| y);
    for y in row {
        *y *= inverse;
    }
}

#[inline(always)]
fn softmax_backward_row(output: &[f32], grad: &[f32], result: &mut [f32]) {
    let product = lane_sum(grad, |index, g| g * output[index]);
    for ((out, &y), &g) in result.iter_mut().zip(output).zip(grad) {
        *out = y * (g - product);
    }
}

for_this_cpu!(softmax_row_fast, softmax_row, (input: &[f32], output: &mut [f32]));
for_this_cpu!(softmax_row_in_place_fast, softmax_row_in_place, (row: &mut [f32]));
for_this_cpu!(softmax_backward_row_fast, softmax_backward_row, (output: &[f32], grad: &[f32], result: &mut [f32]));

/// Softmax of each row of `width` values.
pub fn softmax(input: &[f32], width: usize) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    (output.par_chunks_mut(width), input.par_chunks(width))
        .into_par_iter()
        .with_min_len(CHUNK / width.max(1) + 1)
        .for_each(|(y, x)| softmax_row_fast(x, y));
    output
}

/// Softmax of each row of `width` values in place, on this thread.
pub fn softmax_in_place(values: &mut [f32], width: usize) {
    values.chunks_mut(width).for_each(softmax_row_in_place_fast);
}

/// Gradient of [`softmax`] with respect to its input into `result`, on this thread.
pub fn softmax_backward_into(output: &[f32], grad: &[f32], result: &mut [f32], width: usize) {
    for ((out, y), g) in result.chunks_mut(width).zip(output.chunks(width)).zip(grad.chunks(width)) {
        softmax_backward_row_fast(y, g, out);
    }
}

/// Gradient of [`softmax`] with respect to its input, from its output.
pub fn softmax_backward(output: &[f32], grad: &[f32], width: usize) -> Vec<f32> {
    let mut result = vec![0.0; output.len()];
    (result.par_chunks_mut(width), output.par_chunks(width), grad.par_chunks(width))
        .into_par_iter()
        .with_min_len(CHUNK / width.max(1) + 1)
        .for_each(|(out, y, g)| softmax_backward_row_fast(y, g, out));
    result
}

/// Evenly spaced knots of a characteristic-function test with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Quadrature {
    /// Distance between knots; knot `k` is at `k * spacing`.
    pub spacing: f32,
    /// Trapezoid weight, doubled for the even half, times the window `exp(-t²/2)`; `[knot]`.
    pub weights: Vec<f32>,
    /// Characteristic function of the standard normal at each knot, `exp(-t²/2)`; `[knot]`.
    pub normal: Vec<f32>,
}

/// Sine and cosine with about 1e-7 absolute error for arguments up to some thousand.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    let quadrant = (x * std::f32::consts::FRAC_2_PI).round();
    // pi/2 in three parts, the first two so short that their products are exact (Cody and Waite).
    let r = ((x - quadrant * 1.570_312_5) - quadrant * 4.837_513e-4) - quadrant * 7.549_79e-8;
    let r2 = r * r;
    let sin = r + r * r2 * (-1.666_665_5e-1 + r2 * (8.332_161e-3 + r2 * -1.951_529_6e-4));
    let cos = 1.0 + r2 * (-0.5 + r2 * (4.166_664_6e-2 + r2 * (-1.388_731_6e-3 + r2 * 2.443_315_7e-5)));
    let n = quadrant as i32;
    let swap = n & 1 != 0;
    let (sin, cos) = if swap { (cos, sin) } else { (sin, cos) };
    (if n & 2 != 0 { -sin } else { sin }, if (n + 1) & 2 != 0 { -cos } else { cos })
}

/// One cache line of one row, zero-padded at the right edge.
#[inline(always)]
fn lanes_of(row: &[f32], first: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    let width = LANES.min(row.len() - first);
    lanes[..width].copy_from_slice(&row[first..first + width]);
    lanes
}

/// Mean cosine and sine of one tile of slices at every knot: `sums[knot]` holds cosines, `sums[knots + knot]` sines.
#[inline(always)]
fn characteristic_tile(projected: &[f32], n_slices: usize, first: usize, spacing: f32, sums: &mut [[f32; LANES]]) {
    let n_knots = sums.len() / 2;
    let n_rows = projected.len() / n_slices;
    for row in projected.chunks_exact(n_slices) {
        let h = lanes_of(row, first);
        let mut sin_1 = [0.0; LANES];
        let mut twice_cos = [0.0; LANES];
        for lane in 0..LANES {
            let (sin, cos) = sin_cos(spacing * h[lane]);
            sin_1[lane] = sin;
            twice_cos[lane] = 2.0 * cos;
        }
        // Chebyshev: cos((k+1)x) = 2 cos x cos kx - cos((k-1)x), and the same for sines.
        let (mut cos_before, mut cos) = ([1.0; LANES], twice_cos.map(|c| 0.5 * c));
        let (mut sin_before, mut sin) = ([0.0; LANES], sin_1);
        for knot in 1..n_knots {
            for lane in 0..LANES {
                sums[knot][lane] += cos[lane];
                sums[n_knots + knot][lane] += sin[lane];
                let cos_next = twice_cos[lane] * cos[lane] - cos_before[lane];
                let sin_next = twice_cos[lane] * sin[lane] - sin_before[lane];
                (cos_before[lane], cos[lane]) = (cos[lane], cos_next);
                (sin_before[lane], sin[lane]) = (sin[lane], sin_next);
            }
        }
    }
    let scale = 1.0 / n_rows as f32;
    for sum in sums.iter_mut() {
        for value in sum.iter_mut() {
            *value *= scale;
        }
    }
    sums[0] = [1.0; LANES];
}

/// Gradient of one tile: `coefficients[knot]` multiplies sines (with its sign), `coefficients[knots + knot]` cosines.
#[inline(always)]
fn sigreg_backward_tile(
    projected: &[f32],
    n_slices: usize,
    first: usize,
    spacing: f32,
    coefficients: &[[f32; LANES]],
    tile: &mut [[f32; LANES]],
) {
    let n_knots = coefficients.len() / 2;
    for (row, out) in projected.chunks_exact(n_slices).zip(tile) {
        let h = lanes_of(row, first);
        let mut sin = [0.0; LANES];
        let mut twice_cos = [0.0; LANES];
        for lane in 0..LANES {
            let (s, c) = sin_cos(spacing * h[lane]);
            sin[lane] = s;
            twice_cos[lane] = 2.0 * c;
        }
        let (mut cos_before, mut cos) = ([1.0; LANES], twice_cos.map(|c| 0.5 * c));
        let mut sin_before = [0.0; LANES];
        let mut sum = [0.0; LANES];
        for knot in 1..n_knots {
            for lane in 0..LANES {
                sum[lane] += coefficients[knot][lane] * sin[lane] + coefficients[n_knots + knot][lane] * cos[lane];
                let cos_next = twice_cos[lane] * cos[lane] - cos_before[lane];
                let sin_next = twice_cos[lane] * sin[lane] - sin_before[lane];
                (cos_before[lane], cos[lane]) = (cos[lane], cos_next);
                (sin_before[lane], sin[lane]) = (sin[lane], sin_next);
            }
        }
        *out = sum;
    }
}

for_this_cpu!(characteristic_tile_fast, characteristic_tile,
    (projected: &[f32], n_slices: usize, first: usize, spacing: f32, sums: &mut [[f32; LANES]]));
for_this_cpu!(sigreg_backward_tile_fast, sigreg_backward_tile,
    (projected: &[f32], n_slices: usize, first: usize, spacing: f32, coefficients: &[[f32; LANES]], tile: &mut [[f32; LANES]]));

/// Mean cosines and sines of every slice: all that the backward pass of SIGReg has to keep beside its input.
#[derive(Debug, Clone)]
pub struct Characteristic {
    /// For each tile of 16 slices, `[2 * knot][lane]`: cosines, then sines.
    tiles: Vec<Vec<[f32; LANES]>>,
}

/// Empirical characteristic functions of `projected`, `[batch, slice]`.
pub fn characteristic(projected: &[f32], n_slices: usize, quadrature: &Quadrature) -> Characteristic {
    let n_knots = quadrature.weights.len();
    let tiles = (0..n_slices.div_ceil(LANES))
        .into_par_iter()
        .map(|tile| {
            let mut sums = vec![[0.0; LANES]; 2 * n_knots];
            characteristic_tile_fast(projected, n_slices, tile * LANES, quadrature.spacing, &mut sums);
            sums
        })
        .collect();
    Characteristic { tiles }
}

impl Characteristic {
    /// Mean over slices of `batch * Σ w [(C - φ)² + S²]`.
    pub fn statistic(&self, batch: usize, n_slices: usize, quadrature: &Quadrature) -> f32 {
        let n_knots = quadrature.weights.len();
        let mut total = 0.0f64;
        for (tile, sums) in self.tiles.iter().enumerate() {
            let (cosines, sines) = sums.split_at(n_knots);
            let n_lanes = LANES.min(n_slices - tile * LANES);
            for (knot, (cosines, sines)) in cosines.iter().zip(sines).enumerate() {
                for (cosine, sine) in cosines.iter().zip(sines).take(n_lanes) {
                    let miss = f64::from(cosine - quadrature.normal[knot]);
                    total += f64::from(quadrature.weights[knot]) * (miss * miss + f64::from(*sine).powi(2));
                }
            }
        }
        (total * batch as f64 / n_slices as f64) as f32
    }

    /// Gradient of `scale` times [`Characteristic::statistic`] with respect to `projected`, `[batch, slice]`.
    pub fn backward(&self, projected: &[f32], n_slices: usize, quadrature: &Quadrature, scale: f32) -> Vec<f32> {
        let n_knots = quadrature.weights.len();
        let n_rows = projected.len() / n_slices;
        let tiles: Vec<Vec<[f32; LANES]>> = self
            .tiles
            .par_iter()
            .enumerate()
            .map(|(tile, sums)| {
                let mut coefficients = vec![[0.0; LANES]; 2 * n_knots];
                for knot in 0..n_knots {
                    // The factor N of the statistic cancels against the 1/N of the means.
                    let weight =
                        2.0 * scale * quadrature.weights[knot] * knot as f32 * quadrature.spacing / n_slices as f32;
                    for lane in 0..LANES {
                        coefficients[knot][lane] = -weight * (sums[knot][lane] - quadrature.normal[knot]);
                        coefficients[n_knots + knot][lane] = weight * sums[n_knots + knot][lane];
                    }
                }
                let mut gradient = vec![[0.0; LANES]; n_rows];
                sigreg_backward_tile_fast(
                    projected,
                    n_slices,
                    tile * LANES,
                    quadrature.spacing,
                    &coefficients,
                    &mut gradient,
                );
                gradient
            })
            .collect();
        let mut gradient = vec![0.0; projected.len()];
        gradient.par_chunks_mut(n_slices).enumerate().for_each(|(row, out)| {
            for (tile, values) in out.chunks_mut(LANES).zip(&tiles) {
                tile.copy_from_slice(&values[row][..tile.len()]);
            }
        });
        gradient
    }
}

#[cfg(test)]
mod tests;
