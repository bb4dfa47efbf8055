//! How bright the pixels of a channel are, and how far they spread: what an encoder of images centers its input by.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Features;

/// Mean and standard deviation of a channel's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChannelSpread {
    /// Mean.
    pub mean: f32,
    /// Standard deviation; 1 for a channel that is constant.
    pub deviation: f32,
}

impl ChannelSpread {
    /// Crops that are looked at, at most: every n-th.
    const MOST_CROPS: usize = 1000;

    /// Of each channel of the crops at `rows`, which are laid out `[channel, y, x]`; none where there are no rows.
    pub fn of_crops(crops: &Features, rows: &[usize], n_channels: usize) -> Vec<Self> {
        let seen: Vec<usize> = rows.iter().copied().step_by(rows.len().div_ceil(Self::MOST_CROPS).max(1)).collect();
        let n_pixels = crops.n_features() / n_channels.max(1);
        if seen.is_empty() || n_pixels == 0 {
            return Vec::new();
        }
        let moments = |&row: &usize| -> Vec<[f64; 2]> {
            let moments_of = |pixels: &[f32]| {
                pixels
                    .iter()
                    .map(|&pixel| f64::from(pixel))
                    .fold([0.0; 2], |[sum, squares], pixel| [sum + pixel, squares + pixel * pixel])
            };
            crops.read_row(row).chunks_exact(n_pixels).map(moments_of).collect()
        };
        // Collected in the order of the rows, so that the sums do not depend on the number of threads.
        let by_crop: Vec<_> = seen.par_iter().map(moments).collect();
        let n = (seen.len() * n_pixels) as f64;
        let of_channel = |channel: usize| {
            let sum = |moment: usize| by_crop.iter().map(|moments| moments[channel][moment]).sum::<f64>() / n;
            let mean = sum(0);
            let deviation = (sum(1) - mean * mean).max(0.0).sqrt();
            let deviation = if deviation > 1e-6 * mean.abs().max(1e-6) { deviation as f32 } else { 1.0 };
            Self { mean: mean as f32, deviation }
        };
        (0..n_channels).map(of_channel).collect()
    }

    /// Whether pixels can be centered by it.
    pub fn is_usable(self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite() && self.deviation > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::FeatureMatrix;
    use super::*;

    #[test]
    fn each_channel_has_its_own_and_other_rows_do_not_count() {
        // Two channels of two pixels; the last crop is not asked for.
        let crops: Features =
            FeatureMatrix::numbered("p", 4, vec![1.0, 3.0, 7.0, 7.0, 5.0, 7.0, 7.0, 7.0, 99.0, 99.0, 99.0, 99.0])
                .into();
        let found = ChannelSpread::of_crops(&crops, &[0, 1], 2);
        // 1, 3, 5, 7: mean 4, variance 5.
        assert_eq!(found[0], ChannelSpread { mean: 4.0, deviation: 5f32.sqrt() });
        assert_eq!(found[1], ChannelSpread { mean: 7.0, deviation: 1.0 });
        assert!(ChannelSpread::of_crops(&crops, &[], 2).is_empty());
    }
}
