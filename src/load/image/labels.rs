//! Label images: which pixels belong to which object.

use std::collections::BTreeMap;

use super::pixels::{PixelValues, Raster, bad};
use super::stack::read_plane;
use crate::load::error::LoadError;
use crate::screen::{Mask, MaskValues, Object};

/// The labels of a site's mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelImage {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// `[height, width]`; 0 is background.
    pub labels: Vec<u32>,
}

/// Decodes a mask; the objects of a binary one are numbered from 1 in the order of their first pixels.
///
/// # Errors
/// If it cannot be decoded, holds something else than whole numbers from 0 to 2^32 − 1, or is said to hold labels and
/// holds nothing but the largest value, as binary masks do.
pub fn read_labels(mask: &Mask) -> Result<LabelImage, LoadError> {
    let plane = &mask.plane;
    let Raster { width, height, values, .. } = read_plane(plane)?;
    if mask.values == MaskValues::Binary {
        let is_object: Vec<bool> = values.to_f32().iter().map(|&value| value != 0.0).collect();
        return Ok(components(&is_object, height, width));
    }
    let highest = match &values {
        PixelValues::U8(_) => 255,
        PixelValues::U16(_) => 65_535,
        _ => u32::MAX,
    };
    let labels: Vec<u32> = match values {
        PixelValues::U8(values) => values.into_iter().map(u32::from).collect(),
        PixelValues::U16(values) => values.into_iter().map(u32::from).collect(),
        PixelValues::U32(values) => values,
        PixelValues::F32(values) => {
            // Floats count up to 2^24 without gaps.
            let is_label = |value: &f32| value.fract() == 0.0 && (0.0..=16_777_216.0).contains(value);
            if let Some(value) = values.iter().find(|value| !is_label(value)) {
                return Err(bad(&plane.path, format!("a label of {value}, expected whole numbers from 0")));
            }
            values.into_iter().map(|value| value as u32).collect()
        }
    };
    if labels.contains(&highest) && labels.iter().all(|&label| label == 0 || label == highest) {
        return Err(bad(
            &plane.path,
            format!(
                "holds 0 and {highest} and no other label, as binary masks do; set `mask_values = \"binary\"` under \
                 [images] if it is one"
            ),
        ));
    }
    Ok(LabelImage { height, width, labels })
}

/// The objects of a label image, ascending by id; an object's center is the mean of its pixels.
pub fn objects_of_labels(labels: &LabelImage) -> Vec<Object> {
    let mut sums = BTreeMap::<u32, (f64, f64, u64)>::new();
    for (index, &label) in labels.labels.iter().enumerate().filter(|(_, label)| **label > 0) {
        let sum = sums.entry(label).or_default();
        sum.0 += (index % labels.width) as f64;
        sum.1 += (index / labels.width) as f64;
        sum.2 += 1;
    }
    let mean = |sum: f64, n: u64| (sum / n as f64) as f32;
    sums.into_iter()
        .map(|(id, (x, y, n))| Object { id, track: None, x: mean(x, n), y: mean(y, n), readout: None })
        .collect()
}

/// Pixels of objects that touch by a side get one label, numbered from 1 in the order of first pixels.
fn components(is_object: &[bool], height: usize, width: usize) -> LabelImage {
    let mut labels = vec![0u32; is_object.len()];
    let mut n_objects = 0;
    let mut is_seen = vec![false; is_object.len()];
    let mut members = Vec::new();
    for start in 0..is_object.len() {
        if is_seen[start] || !is_object[start] {
            continue;
        }
        members.clear();
        members.push(start);
        is_seen[start] = true;
        let mut next = 0;
        while let Some(&pixel) = members.get(next) {
            next += 1;
            for neighbor in sides(pixel, height, width) {
                if !is_seen[neighbor] && is_object[neighbor] {
                    is_seen[neighbor] = true;
                    members.push(neighbor);
                }
            }
        }
        n_objects += 1;
        members.iter().for_each(|&pixel| labels[pixel] = n_objects);
    }
    LabelImage { height, width, labels }
}

/// The pixels that touch one by a side.
pub(crate) fn sides(pixel: usize, height: usize, width: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (pixel % width, pixel / width);
    let inside = [
        (x > 0).then(|| pixel - 1),
        (x + 1 < width).then(|| pixel + 1),
        (y > 0).then(|| pixel - width),
        (y + 1 < height).then(|| pixel + width),
    ];
    inside.into_iter().flatten()
}
