//! The kernels against float64 and published values.

use super::*;

fn assert_close(found: f32, expected: f64, tolerance: f64, what: &str) {
    assert!((f64::from(found) - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}

#[test]
fn the_weights_are_those_of_the_published_rule() {
    let expected = [
        0.1875,
        0.368_465_800_859,
        0.349_538_434_635,
        0.320_128_635_504,
        0.283_064_850_746,
        0.241_645_771_809,
        0.199_160_996_638,
        0.158_475_166_209,
        0.121_744_675_259,
        0.090_296_427_852,
        0.064_658_108_96,
        0.044_699_973_151,
        0.029_834_815_769,
        0.019_225_218_889,
        0.011_960_547_511,
        0.007_183_939_439,
        0.002_082_936_851,
    ];
    let quadrature = Quadrature::new(17, 3.0);
    assert_eq!(quadrature.spacing, 0.1875);
    for (knot, (&found, expected)) in quadrature.weights.iter().zip(expected).enumerate() {
        assert_close(found, expected, 1e-7, &format!("weight {knot}"));
        assert_close(
            quadrature.normal[knot],
            (-0.5 * (0.1875 * knot as f64).powi(2)).exp(),
            1e-7,
            "characteristic function",
        );
    }
    let sum: f64 = quadrature.weights.iter().map(|&weight| f64::from(weight)).sum();
    assert!((sum - 2.499_666_300_082_351_4).abs() < 1e-6, "{sum}");
}

#[test]
fn sines_and_cosines_agree_with_float64() {
    for index in -40_000..=40_000i32 {
        let x = index as f32 * 0.05;
        let (sin, cos) = sin_cos(x);
        let (expected_sin, expected_cos) = f64::from(x).sin_cos();
        assert_close(sin, expected_sin, 3e-7, &format!("sin {x}"));
        assert_close(cos, expected_cos, 3e-7, &format!("cos {x}"));
    }
}

#[test]
fn gelu_has_the_published_values() {
    let cases = [
        (-6.0, -5.919_525e-9),
        (-2.0, -0.045_500_263_896),
        (-1.0, -0.158_655_253_931),
        (-0.5, -0.154_268_769_363),
        (0.0, 0.0),
        (0.5, 0.345_731_230_637),
        (1.0, 0.841_344_746_069),
        (2.0, 1.954_499_736_104),
        (50.0, 50.0),
    ];
    for (x, expected) in cases {
        assert_close(gelu(&[x])[0], expected, 5e-7 * (1.0 + expected.abs()), &format!("gelu({x})"));
    }
    for (x, expected) in [(0.0, 0.5), (1.0, 1.083_315_470_8), (-1.0, -0.083_315_470_8), (40.0, 1.0), (-40.0, 0.0)] {
        assert_close(gelu_backward(&[x], &[1.0])[0], expected, 1e-6, &format!("slope of gelu at {x}"));
    }
}

#[test]
fn softmax_rows_sum_to_one_even_where_they_are_masked() {
    let masked = softmax(&[1.0, -1e9, -1e9, 0.0, 2f32.ln(), -1e9], 3);
    for (found, expected) in masked.iter().zip([1.0, 0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 0.0]) {
        assert_close(*found, expected, 1e-6, "masked");
    }
    let row: Vec<f32> = (0..37).map(|index| (index as f32 * 1.7).sin() * 30.0).collect();
    assert_close(softmax(&row, 37).iter().sum(), 1.0, 1e-6, "sum");
}

#[test]
fn layer_norm_brings_rows_to_mean_zero_and_variance_one() {
    let row: Vec<f32> = (0..53).map(|index| 100.0 + (index as f32 * 0.9).cos()).collect();
    let (normalized, inverse) = layer_norm(&row, 53, 1e-6);
    let mean = normalized.iter().sum::<f32>() / 53.0;
    let variance = normalized.iter().map(|y| y * y).sum::<f32>() / 53.0;
    // The mean of values near 100 is known to a few of their last bits.
    assert_close(mean, 0.0, 5e-5, "mean");
    assert_close(variance, 1.0, 1e-4, "variance");
    let (constant, _) = layer_norm(&[7.0; 5], 5, 1e-6);
    assert_eq!(constant, [0.0; 5]);
    assert_eq!(inverse.len(), 1);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let values: Vec<f32> = (0..400 * 70).map(|index| ((index * 7919 % 1009) as f32 / 250.0) - 2.0).collect();
    let quadrature = Quadrature::new(17, 3.0);
    let all = || {
        let sigreg = characteristic(&values, 70, &quadrature);
        let statistic = sigreg.statistic(400, 70, &quadrature);
        let gradient = sigreg.backward(&values, 70, &quadrature, 1.0);
        (statistic, gradient, gelu(&values), softmax(&values, 70), layer_norm(&values, 70, 1e-6))
    };
    let pool = |n_threads| rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
    assert!(pool(1).install(all) == pool(3).install(all));
}

#[test]
fn what_is_no_number_stays_no_number() {
    assert!(gelu(&[f32::NAN])[0].is_nan());
    assert!(gelu_backward(&[f32::NAN], &[1.0])[0].is_nan());
    assert!(softmax(&[0.0, f32::NAN], 2).iter().all(|value| value.is_nan()));
    assert!(layer_norm(&[0.0, f32::NAN], 2, 1e-6).0.iter().all(|value| value.is_nan()));
}
