//! A built-in finder of nuclei, for screens without masks and object tables.
//!
//! It is a threshold and a watershed, and knows nothing of nuclei: the image is smoothed by the mean of 3 x 3 pixels
//! and split at Otsu's threshold (256 bins between the smallest and the largest smoothed value); bright pixels that touch
//! by a side are one object, unless it has a neck, where it is cut ([`watershed`](super::watershed)). Objects with fewer pixels
//! than asked for are left out. One threshold serves the whole image, so that dim nuclei beside bright ones are missed.
//! It is good enough to cut crops, and no substitute for a segmentation.

use super::watershed::split;
use crate::load::image::LabelImage;

const N_BINS: usize = 256;

/// Labels bright objects of an image, `[height, width]`, numbered from 1 in the order of their first pixels.
///
/// # Panics
/// If `values` are not `height` times `width`.
///
/// # Source
/// N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. Syst. Man Cybern. 9 (1979) 62.
pub fn find_nuclei(values: &[f32], height: usize, width: usize, min_area: usize) -> LabelImage {
    assert_eq!(values.len(), height * width, "{} values, expected {height} x {width}", values.len());
    let smoothed = smoothed(values, height, width);
    let threshold = otsu(&smoothed).unwrap_or(f32::INFINITY);
    let is_object: Vec<bool> = smoothed.iter().map(|&value| value > threshold).collect();
    let labels = split(&is_object, height, width);
    let mut areas = vec![0usize; labels.iter().max().map_or(1, |&label| label as usize + 1)];
    labels.iter().for_each(|&label| areas[label as usize] += 1);
    let mut numbers = vec![0u32; areas.len()];
    let large = (1..areas.len()).filter(|&label| areas[label] >= min_area);
    large.zip(1..).for_each(|(label, number)| numbers[label] = number);
    LabelImage { height, width, labels: labels.into_iter().map(|label| numbers[label as usize]).collect() }
}

/// Means of 3 x 3 pixels, of fewer at the edges.
fn smoothed(values: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut means = Vec::with_capacity(values.len());
    for y in 0..height {
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        for x in 0..width {
            let columns = x.saturating_sub(1)..(x + 2).min(width);
            let sum: f32 = rows.clone().map(|row| values[row * width..][columns.clone()].iter().sum::<f32>()).sum();
            means.push(sum / (rows.len() * columns.len()) as f32);
        }
    }
    means
}

/// The value that splits a histogram with the largest variance between its halves; `None` if all values are equal.
fn otsu(values: &[f32]) -> Option<f32> {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if high.partial_cmp(&low) != Some(std::cmp::Ordering::Greater) {
        return None;
    }
    let width = f64::from(high - low) / N_BINS as f64;
    let mut counts = [0u64; N_BINS];
    for &value in values {
        let bin = (f64::from(value - low) / width) as usize;
        counts[bin.min(N_BINS - 1)] += 1;
    }
    let total = values.len() as f64;
    let mean: f64 = counts.iter().enumerate().map(|(bin, &n)| bin as f64 * n as f64).sum::<f64>() / total;
    let (mut below, mut sum, mut best, mut split) = (0.0, 0.0, -1.0, 0);
    for (bin, &n) in counts.iter().enumerate().take(N_BINS - 1) {
        below += n as f64;
        sum += bin as f64 * n as f64;
        if below == 0.0 || below == total {
            continue;
        }
        let share = below / total;
        let between = (mean * share - sum / total).powi(2) / (share * (1.0 - share));
        if between > best {
            (best, split) = (between, bin);
        }
    }
    Some((f64::from(low) + (split + 1) as f64 * width) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::image::objects_of_labels;

    #[test]
    fn finds_disks_and_their_centers() {
        let (height, width) = (60, 90);
        let disks = [(15.0, 20.0, 6.0), (60.0, 30.0, 8.0), (80.0, 8.0, 1.0)];
        let pixel = |index: usize| {
            let (x, y) = ((index % width) as f32, (index / width) as f32);
            let is_in = |&(cx, cy, r): &(f32, f32, f32)| (x - cx).powi(2) + (y - cy).powi(2) <= r * r;
            let noise = (index * 7919 % 13) as f32;
            noise + if disks.iter().any(is_in) { 1000.0 } else { 100.0 }
        };
        let values: Vec<f32> = (0..height * width).map(pixel).collect();
        let objects = objects_of_labels(&find_nuclei(&values, height, width, 30));
        let centers: Vec<(u32, u32)> = objects.iter().map(|o| (o.x.round() as u32, o.y.round() as u32)).collect();
        assert_eq!(centers, [(15, 20), (60, 30)]);
    }

    #[test]
    fn nuclei_that_touch_are_two() {
        let (height, width) = (60, 90);
        let disks = [(30.0, 30.0, 12.0), (51.0, 30.0, 12.0)];
        let is_in = |x: f32, y: f32| disks.iter().any(|&(cx, cy, r): &(f32, f32, f32)| (x - cx).hypot(y - cy) <= r);
        let pixel = |index: usize| {
            let noise = (index * 7919 % 13) as f32;
            noise + if is_in((index % width) as f32, (index / width) as f32) { 1000.0 } else { 100.0 }
        };
        let values: Vec<f32> = (0..height * width).map(pixel).collect();
        let objects = objects_of_labels(&find_nuclei(&values, height, width, 30));
        assert_eq!(objects.len(), 2);
        assert!((objects[0].x - 30.0).abs() < 1.0 && (objects[1].x - 51.0).abs() < 1.0, "{objects:?}");
        assert!(find_nuclei(&values, height, width, 1000).labels.iter().all(|&label| label == 0), "both are small");
    }

    #[test]
    fn a_flat_image_has_none() {
        assert!(find_nuclei(&[3.0; 12], 3, 4, 1).labels.iter().all(|&label| label == 0));
        assert!(find_nuclei(&[], 0, 0, 1).labels.is_empty());
    }
}
