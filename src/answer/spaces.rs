//! The spaces in which wells of images are compared: the model's latents, and the simple ones that they are measured by.
//!
//! Each is made crop by crop and averaged over the crops of a well. What is fitted sees training rows alone.

use burn::tensor::Device;

use super::error::AnswerError;
use super::prepared::Prepared;
use super::trained_run::TrainedRun;
use crate::config::Config;
use crate::embed::embed;
use crate::evaluate::{LATENTS, Space};
use crate::linear::PrincipalComponents;
use crate::normalize::{NormalizeError, Scatter, Sphering};
use crate::pair::Part;
use crate::screen::{FeatureMatrix, Features, Screen};

/// Ends the name of a space in which the spread of replicates is whitened.
const WITHIN: &str = "_within";

/// Training crops that principal components of pixels are fitted on, at most: every n-th.
const MOST_FITTED: usize = 1000;

/// Crops whose pixels are projected at once; bounds the memory.
const AT_ONCE: usize = 512;

/// Percentiles of a channel's pixels that are intensity statistics, beside their mean and standard deviation.
const PERCENTILES: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];

/// Added to every eigenvalue when whitening, as a multiple of the mean eigenvalue.
const EPSILON: f64 = 0.2;

/// All spaces of the wells of an image screen: `prepared` holds its crops, `wells` its wells with their latents.
///
/// # Errors
/// When a fit fails.
pub fn spaces(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    wells: &Prepared,
    device: &Device,
) -> Result<Vec<Space>, AnswerError> {
    if prepared.screen.features.kept_latents().is_some() {
        return Err(AnswerError::NoPixels);
    }
    let trained = &trained_run.trained;
    let groups = prepared.screen.wells();
    let of_wells = |crops: FeatureMatrix| crops.means_of(&groups);
    let training = wells.split.rows(Part::Train);
    let untrained = trained.untrained(config.train.seed, device);
    let mut plain = vec![
        (LATENTS.to_owned(), wells.screen.features.in_memory().into_owned()),
        ("random_encoder".to_owned(), embed(&untrained, &prepared.screen, device).by_well().latents),
    ];
    if let Some(components) = pixel_components(prepared, trained.config.latent)? {
        let name = format!("pca_{}", components.n_features());
        let components = of_wells(components);
        plain.push((format!("{name}_scaled"), scaled(&components, &training)));
        plain.push((name, components));
    }
    let n_channels = trained.config.encoder.crop().map_or(1, |(channels, _)| channels);
    let intensities = of_wells(intensity_statistics(&prepared.screen.features, n_channels));
    plain.push(("intensity".to_owned(), scaled(&intensities, &training)));
    let mut all = Vec::new();
    for (name, space) in plain {
        let within = if name.ends_with("_scaled") { None } else { whitened_within(&wells.screen, &space, &training)? };
        let within = within.map(|within| (format!("{name}{WITHIN}"), within.into()));
        all.push((name, space.into()));
        all.extend(within);
    }
    Ok(all)
}

/// The first principal components of the pixels of training crops, for all crops; `None` where the crops do not vary.
fn pixel_components(prepared: &Prepared, wanted: usize) -> Result<Option<FeatureMatrix>, AnswerError> {
    let pixels = &prepared.screen.features;
    let training = prepared.split.rows(Part::Train);
    let fitted: Vec<usize> = training.iter().copied().step_by(training.len().div_ceil(MOST_FITTED).max(1)).collect();
    let (training, all) = (pixels.gather_matrix(&fitted), (0..fitted.len()).collect::<Vec<_>>());
    let components = PrincipalComponents::leading(&training, &all, wanted)?;
    let rows: Vec<usize> = (0..pixels.n_rows()).collect();
    let mut values = Vec::with_capacity(rows.len() * components.n_components());
    for rows in rows.chunks(AT_ONCE) {
        values.extend_from_slice(components.apply(&pixels.gather_matrix(rows))?.values());
    }
    Ok((components.n_components() > 0).then(|| FeatureMatrix::numbered("pc", components.n_components(), values)))
}

/// Mean, standard deviation and percentiles of each channel of each crop, `[crop, channel * statistic]`.
fn intensity_statistics(pixels: &Features, n_channels: usize) -> FeatureMatrix {
    let n_pixels = pixels.n_features() / n_channels.max(1);
    let width = n_channels * (2 + PERCENTILES.len());
    let mut values = Vec::with_capacity(pixels.n_rows() * width);
    for crop in 0..pixels.n_rows() {
        for channel in pixels.read_row(crop).chunks_exact(n_pixels) {
            let mut sorted = channel.to_vec();
            sorted.sort_unstable_by(f32::total_cmp);
            let moment = |power: i32| sorted.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / n_pixels as f64;
            let mean = moment(1);
            values.extend([mean as f32, (moment(2) - mean * mean).max(0.0).sqrt() as f32]);
            let at = |percent: f64| sorted[(percent / 100.0 * (n_pixels - 1) as f64).round() as usize];
            values.extend(PERCENTILES.map(at));
        }
    }
    FeatureMatrix::numbered("intensity", width, values)
}

/// Each column centered and divided by its standard deviation over `rows`; a column that does not vary there becomes 0.
fn scaled(matrix: &FeatureMatrix, rows: &[usize]) -> FeatureMatrix {
    let n = rows.len() as f64;
    let mut sums = vec![(0.0, 0.0); matrix.n_features()];
    for &row in rows {
        for ((sum, squares), &value) in sums.iter_mut().zip(matrix.row(row)) {
            *sum += f64::from(value);
            *squares += f64::from(value).powi(2);
        }
    }
    let scale = |(sum, squares): (f64, f64)| {
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        (mean, if deviation > 1e-6 * mean.abs().max(1e-6) { 1.0 / deviation } else { 0.0 })
    };
    let scales: Vec<(f64, f64)> = sums.into_iter().map(scale).collect();
    let values = matrix.values().iter().zip(scales.iter().cycle());
    let values = values.map(|(&value, (mean, factor))| ((f64::from(value) - mean) * factor) as f32).collect();
    FeatureMatrix::new(matrix.names().to_vec(), values)
}

/// The space in which replicates among the training wells scatter alike in all directions: what anybody can do who is told,
/// as the model is, which training wells were treated alike. `None` where too few of them were.
fn whitened_within(
    wells: &Screen,
    matrix: &FeatureMatrix,
    training: &[usize],
) -> Result<Option<FeatureMatrix>, AnswerError> {
    let Some(scatter) = Scatter::of(wells, matrix, training) else { return Ok(None) };
    let sphering = match Sphering::of_scatter(&scatter, EPSILON) {
        Err(NormalizeError::NoVariance { .. }) => return Ok(None),
        fitted => fitted?,
    };
    let mut whitened = matrix.clone();
    sphering.apply(&mut whitened)?;
    Ok(Some(whitened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intensity_statistics_are_those_of_each_channel() {
        // Channel 0 is 0 to 4, channel 1 is constant.
        let pixels = FeatureMatrix::numbered("p", 10, vec![4.0, 0.0, 3.0, 1.0, 2.0, 7.0, 7.0, 7.0, 7.0, 7.0]);
        let found = intensity_statistics(&pixels.into(), 2);
        let expected =
            [2.0, 2f32.sqrt(), 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 7.0, 0.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        assert_eq!(found.n_features(), 18);
        for (found, expected) in found.row(0).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn scaling_looks_at_the_given_rows_alone() {
        let matrix = FeatureMatrix::numbered("f", 2, vec![1.0, 5.0, 3.0, 5.0, 100.0, 6.0]);
        let found = scaled(&matrix, &[0, 1]);
        assert_eq!(found.values(), [-1.0, 0.0, 1.0, 0.0, 98.0, 0.0]);
    }
}
