//! SIGReg against closed forms and against numbers computed in float64 by another program.
//!
//! Three implementations stand side by side: the fused kernel, the recurrence in the graph, and the textbook, which takes
//! the cosine and sine of every knot times every projection.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::model::epps_pulley_in_graph;

type Statistic = fn(Tensor<2>, usize, f32) -> Tensor<1>;

const IMPLEMENTATIONS: [(&str, Statistic); 3] =
    [("fused kernel", epps_pulley), ("recurrence in the graph", epps_pulley_in_graph), ("textbook", textbook)];

/// `N Σ_k w_k [(C_k - φ_k)² + S_k²]`, with every cosine and sine taken by itself.
fn textbook(projected_bk: Tensor<2>, n_knots: usize, range: f32) -> Tensor<1> {
    let [batch, n_slices] = projected_bk.dims();
    let mut statistic = Tensor::<1>::zeros([1], &projected_bk.device());
    for (knot, weight, normal) in knots(n_knots, f64::from(range)) {
        let angle_bk = projected_bk.clone().mul_scalar(knot as f32);
        let miss_k = angle_bk.clone().cos().mean_dim(0) - normal as f32;
        let sine_k = angle_bk.sin().mean_dim(0);
        statistic = statistic + (miss_k.square() + sine_k.square()).sum().mul_scalar(weight as f32);
    }
    statistic.mul_scalar(batch as f32 / n_slices as f32)
}

/// Knot, weight with window, and characteristic function of the standard normal.
fn knots(n_knots: usize, range: f64) -> Vec<(f64, f64, f64)> {
    let spacing = range / (n_knots - 1) as f64;
    let entry = |index: usize| {
        let knot = index as f64 * spacing;
        let normal = (-0.5 * knot * knot).exp();
        let trapezoid = if index == 0 || index == n_knots - 1 { spacing } else { 2.0 * spacing };
        (knot, trapezoid * normal, normal)
    };
    (0..n_knots).map(entry).collect()
}

/// The statistic of one slice and its gradient, in float64.
fn in_float64(slice: &[f64], n_knots: usize, range: f64) -> (f64, Vec<f64>) {
    let n = slice.len() as f64;
    let mut statistic = 0.0;
    let mut gradient = vec![0.0; slice.len()];
    for (knot, weight, normal) in knots(n_knots, range) {
        let miss = slice.iter().map(|h| (knot * h).cos()).sum::<f64>() / n - normal;
        let sine = slice.iter().map(|h| (knot * h).sin()).sum::<f64>() / n;
        statistic += n * weight * (miss * miss + sine * sine);
        for (gradient, h) in gradient.iter_mut().zip(slice) {
            *gradient += 2.0 * weight * knot * (-miss * (knot * h).sin() + sine * (knot * h).cos());
        }
    }
    (statistic, gradient)
}

fn tensor(values: &[f64], shape: [usize; 2]) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

fn to_f64<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values: Vec<f32> = tensor.into_data().try_to_vec().unwrap();
    values.into_iter().map(f64::from).collect()
}

/// Value and gradient of `statistic` at `values`.
fn differentiated(values: &[f64], shape: [usize; 2], statistic: impl Fn(Tensor<2>) -> Tensor<1>) -> (f64, Vec<f64>) {
    let leaf = tensor(values, shape).require_grad();
    let value = statistic(leaf.clone());
    let gradients = value.clone().backward();
    (to_f64(value)[0], to_f64(leaf.grad(&gradients).expect("the leaf is tracked")))
}

/// What the recurrence of 16 steps may lose in float32.
const FLOAT32: f64 = 5e-6;

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{what}: {found} is not {expected}");
}

fn normals(seed: u64, n_values: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n_values).map(|_| rng.sample(StandardNormal)).collect()
}

/// One slice under every implementation.
fn check_slice(slice: &[f64], expected: f64, expected_gradient: &[f64]) {
    for (name, statistic) in IMPLEMENTATIONS {
        let (value, gradient) = differentiated(slice, [slice.len(), 1], |h| statistic(h, 17, 3.0));
        assert_close(value, expected, FLOAT32, name);
        for (found, expected) in gradient.iter().zip(expected_gradient) {
            assert_close(*found, *expected, FLOAT32, &format!("{name}, gradient of {slice:?}"));
        }
    }
}

#[test]
fn published_values_of_small_slices() {
    let gradient = [-0.012_199_125_225, -0.342_906_863_607, -0.424_080_222_974, -0.362_315_969_135, 0.534_265_442_928];
    check_slice(&[-1.5, -0.5, 0.0, 0.25, 2.0], 0.205_871_776_562_284_78, &gradient);
    check_slice(&[0.0; 8], 3.216_380_637_853_316_4, &[0.0; 8]);
    check_slice(&[1.0; 8], 9.488_046_444_148_146, &[]);
    check_slice(&[0.0; 128], 51.462_090_205_653_06, &[0.0; 128]);
    let half = [1.534_120_544_352_546_3, 0.887_146_559_018_876, 0.488_776_411_114_669_5, 0.157_310_684_610_170_7];
    let quantiles: Vec<f64> = half.iter().map(|q| -q).chain(half.iter().rev().copied()).collect();
    check_slice(&quantiles, 0.010_852_102_359_489_387, &[]);
}

#[test]
fn more_and_wider_knots_approach_the_integral() {
    let slice = [-1.5f64, -0.5, 0.0, 0.25, 2.0];
    let n = slice.len() as f64;
    let tau = std::f64::consts::TAU;
    let pairs: f64 = slice.iter().flat_map(|a| slice.iter().map(move |b| (-0.5 * (a - b) * (a - b)).exp())).sum();
    let own: f64 = slice.iter().map(|h: &f64| (-0.25 * h * h).exp()).sum();
    let integral = tau.sqrt() / n * pairs - 2.0 * (0.5 * tau).sqrt() * own + n * (tau / 3.0).sqrt();
    assert_close(integral, 0.216_475_791_447_275_7, 1e-12, "closed form");
    for (name, statistic) in IMPLEMENTATIONS {
        let at = |n_knots, range| to_f64(statistic(tensor(&slice, [5, 1]), n_knots, range))[0];
        assert_close(at(17, 5.0), 0.216_475_281_070_298_5, FLOAT32, name);
        assert_close(at(33, 6.0), integral, FLOAT32, name);
    }
}

/// The fixture of six latents in three dimensions, with five directions as columns.
fn fixture() -> (Vec<f64>, Vec<f64>) {
    let latents = (0..6).flat_map(|i| (0..3).map(move |j| 1.5 * (1.0 + 0.7 * f64::from(3 * i + j)).sin())).collect();
    let (third, half) = (1.0 / 3f64.sqrt(), 1.0 / 2f64.sqrt());
    let columns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [third; 3], [half, -half, 0.0]];
    let directions = (0..3).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    (latents, directions)
}

#[test]
fn five_directions_of_six_latents() {
    let (latents, directions) = fixture();
    let config = SigregConfig::default();
    let expected = [
        0.296_258_374_700_513_2,
        1.010_129_822_228_388_5,
        0.908_023_838_805_949_2,
        3.901_946_893_787_79,
        0.763_809_337_070_774,
    ];
    for (slice, expected) in expected.into_iter().enumerate() {
        let column: Vec<f64> = directions.iter().skip(slice).step_by(5).copied().collect();
        let value = sigreg(tensor(&latents, [6, 3]), tensor(&column, [3, 1]), &config);
        assert_close(to_f64(value)[0], expected, FLOAT32, &format!("direction {slice}"));
    }
    let (mean, gradient) =
        differentiated(&latents, [6, 3], |latents| sigreg(latents, tensor(&directions, [3, 5]), &config));
    assert_close(mean, 1.376_033_653_318_683, FLOAT32, "mean over directions");
    let rows = [
        (0, [0.222_518_172_61, 0.284_919_980_644, 0.213_850_659_693]),
        (2, [-0.217_122_692_828, -0.521_818_491_028, -0.005_602_177_563]),
    ];
    for (row, expected) in rows {
        for (found, expected) in gradient[3 * row..3 * row + 3].iter().zip(expected) {
            assert_close(*found, expected, FLOAT32, &format!("gradient of row {row}"));
        }
    }
}

#[test]
fn signs_order_and_rotation_do_not_matter() {
    let (latents, directions) = fixture();
    let config = SigregConfig::default();
    let value = |latents: &[f64]| to_f64(sigreg(tensor(latents, [6, 3]), tensor(&directions, [3, 5]), &config))[0];
    let expected = value(&latents);
    assert_close(value(&latents.iter().map(|z| -z).collect::<Vec<_>>()), expected, 1e-6, "opposite signs");
    let reversed: Vec<f64> = latents.chunks(3).rev().flatten().copied().collect();
    assert_close(value(&reversed), expected, 1e-6, "reversed rows");
}

/// Mean over blocks of independent slices, and its standard error.
fn mean_and_error(blocks: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = blocks.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn many_random_directions_reach_the_limit_of_all_directions() {
    // Σ_k w_k [1/N Σ_jl Φ(t‖z_j - z_l‖) - 2 φ Σ_j Φ(t‖z_j‖) + N φ²] with Φ(x) = sin x / x in three dimensions.
    let limit = 1.163_386_026_185_594_2;
    let (latents, _) = fixture();
    let (sin, cos) = 0.8f64.sin_cos();
    let rotated: Vec<f64> =
        latents.chunks(3).flat_map(|z| [cos * z[0] - sin * z[1], sin * z[0] + cos * z[1], z[2]]).collect();
    let device = Device::flex().autodiff();
    for latents in [latents, rotated] {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let blocks = (0..64).map(|_| {
            let directions_lk = directions(&mut rng, 3, 1024, &device);
            to_f64(sigreg(tensor(&latents, [6, 3]), directions_lk, &SigregConfig::default()))[0]
        });
        let (mean, error) = mean_and_error(blocks);
        assert!((mean - limit).abs() < 4.0 * error, "{mean} ± {error} is not {limit}");
        assert!(error < 0.005, "{error}");
    }
}

#[test]
fn directions_have_unit_length_and_follow_the_seed() {
    let device = Device::flex();
    let draw = |seed| to_f64(directions(&mut ChaCha8Rng::seed_from_u64(seed), 7, 40, &device));
    let values = draw(3);
    for slice in 0..40 {
        let norm: f64 = values.iter().skip(slice).step_by(40).map(|value| value * value).sum();
        assert_close(norm, 1.0, 1e-6, "squared length");
    }
    assert_eq!(values, draw(3));
    assert_ne!(values, draw(4));
}

/// `E[T]` for samples of N(mu, variance): the discrepancy of the population times `n`, and the floor of finite samples.
fn expectation(n: f64, mu: f64, variance: f64) -> f64 {
    let term = |(knot, weight, normal): (f64, f64, f64)| {
        let spread = (-variance * knot * knot).exp();
        let cross = 2.0 * (-0.5 * (variance + 1.0) * knot * knot).exp() * (mu * knot).cos();
        weight * (n * (spread + normal * normal - cross) + 1.0 - spread)
    };
    knots(17, 3.0).into_iter().map(term).sum()
}

#[test]
fn expectation_of_normal_samples() {
    let cases = [
        (128, 0.0, 1.0, 1.052_464_15),
        (128, 0.5, 1.0, 16.172_021_32),
        (128, 0.0, 0.25, 19.806_042_67),
        (128, 0.0, 4.0, 31.883_833_95),
        (64, 0.0, 0.5, 3.860_600_80),
    ];
    for (n, mu, variance, expected) in cases {
        assert_close(expectation(n as f64, mu, variance), expected, 1e-8, "closed form");
        let blocks = (0..64).map(|block| {
            let samples: Vec<f64> = normals(block, n * 64).iter().map(|x| mu + variance.sqrt() * x).collect();
            to_f64(epps_pulley(tensor(&samples, [n, 64]), 17, 3.0))[0]
        });
        let (mean, error) = mean_and_error(blocks);
        assert!((mean - expected).abs() < 4.0 * error, "N({mu}, {variance}): {mean} ± {error} is not {expected}");
    }
    assert_close(SigregConfig::FLOOR, expectation(1.0, 0.0, 1.0), 1e-12, "floor");
    assert_close(expectation(1e6, 0.0, 1.0), SigregConfig::FLOOR, 1e-8, "the floor does not depend on the batch");
}

#[test]
fn low_rank_latents_are_hardly_seen() {
    // Isotropic of rank r in 192 dimensions with total variance 192; 128 units.
    for (rank, expected) in [(192, 1.05), (48, 1.53), (8, 4.70), (2, 13.9)] {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let device = Device::flex().autodiff();
        let scale = (192.0 / f64::from(rank)).sqrt();
        let batches = (0..12).map(|batch| {
            let drawn = normals(100 + batch, 128 * 192);
            let kept = |(index, value): (usize, &f64)| if index % 192 < rank as usize { scale * value } else { 0.0 };
            let latents: Vec<f64> = drawn.iter().enumerate().map(kept).collect();
            let directions_lk = directions(&mut rng, 192, 512, &device);
            to_f64(sigreg(tensor(&latents, [128, 192]), directions_lk, &SigregConfig::default()))[0]
        });
        let (mean, _) = mean_and_error(batches);
        assert!((mean / expected - 1.0).abs() < 0.1, "rank {rank}: {mean} is not {expected}");
    }
}

#[test]
fn near_collapse_the_gradient_is_small_and_points_away() {
    let slice = [1e-3, -2e-3, 3e-3, 0.5e-3];
    let expected = [-5.2265e-5, 9.223_87e-3, -6.236_36e-3, 1.493_76e-3];
    for (name, statistic) in IMPLEMENTATIONS {
        let (_, gradient) = differentiated(&slice, [4, 1], |h| statistic(h, 17, 3.0));
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 2e-7, "{name}: {found} is not {expected}");
        }
    }
}

#[test]
fn any_shape_agrees_with_float64() {
    for (n_rows, n_slices) in [(1, 1), (2, 15), (7, 16), (64, 17), (33, 33), (5, 100), (300, 3)] {
        let values: Vec<f64> = normals(n_rows as u64, n_rows * n_slices).iter().map(|x| 0.2 + 1.7 * x).collect();
        // The values as the implementations see them.
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value as f32)).collect();
        let mut expected = 0.0;
        let mut expected_gradient = vec![0.0; values.len()];
        for slice in 0..n_slices {
            let column: Vec<f64> = values.iter().skip(slice).step_by(n_slices).copied().collect();
            let (value, gradient) = in_float64(&column, 17, 3.0);
            expected += value / n_slices as f64;
            for (row, gradient) in gradient.iter().enumerate() {
                expected_gradient[row * n_slices + slice] = gradient / n_slices as f64;
            }
        }
        for (name, statistic) in IMPLEMENTATIONS {
            let what = format!("{name}, {n_rows} x {n_slices}");
            let (value, gradient) = differentiated(&values, [n_rows, n_slices], |h| statistic(h, 17, 3.0));
            assert_close(value, expected, FLOAT32, &what);
            for (found, expected) in gradient.iter().zip(&expected_gradient) {
                assert_close(*found, *expected, FLOAT32, &what);
            }
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let slice = normals(21, 9);
    let step = 1e-2;
    for (name, statistic) in IMPLEMENTATIONS {
        let at = |values: &[f64]| to_f64(statistic(tensor(values, [9, 1]), 17, 3.0))[0];
        let (_, gradient) = differentiated(&slice, [9, 1], |h| statistic(h, 17, 3.0));
        for (index, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = slice.clone();
                values[index] += by;
                at(&values)
            };
            assert_close(*found, (moved(step) - moved(-step)) / (2.0 * step), 5e-4, name);
        }
    }
}

#[test]
fn gradients_are_bounded_however_far_a_latent_strays() {
    // 2 Σ w t (1 + φ), whatever the batch.
    let bound: f64 = knots(17, 3.0).iter().map(|(knot, weight, normal)| 2.0 * weight * knot * (1.0 + normal)).sum();
    assert_close(bound, 5.930_754, 1e-6, "bound");
    let slice = [1e4, -3e3, 250.0, 0.1, -1.0];
    let (expected, expected_gradient) = in_float64(&slice.map(|h| f64::from(h as f32)), 17, 3.0);
    for (name, statistic) in IMPLEMENTATIONS {
        let (value, gradient) = differentiated(&slice, [5, 1], |h| statistic(h, 17, 3.0));
        assert_close(value, expected, 1e-3, name);
        for (found, expected) in gradient.iter().zip(&expected_gradient) {
            assert!(found.abs() < bound, "{name}: {found}");
            assert_close(*found, *expected, 5e-3, name);
        }
    }
}

#[test]
fn what_is_no_number_stays_no_number() {
    for value in [f64::NAN, f64::INFINITY] {
        for (name, statistic) in IMPLEMENTATIONS {
            let found = to_f64(statistic(tensor(&[0.1, value, 0.3], [3, 1]), 17, 3.0))[0];
            assert!(found.is_nan(), "{name}: {value} became {found}");
        }
    }
}

#[test]
fn the_weight_falls_as_the_batch_grows() {
    let config = SigregConfig { lambda: 0.05, ..SigregConfig::default() };
    assert_eq!(sigreg_weight(&config, 128), 0.05);
    for units in [2, 64, 300, 512] {
        assert_close(sigreg_weight(&config, units) * units as f64, 0.05 * 128.0, 1e-12, "weight times units");
    }
}
