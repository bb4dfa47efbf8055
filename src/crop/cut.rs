//! Crops of a stack around objects, and a grid of tiles where no objects are known.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::load::image::Stack;
use crate::load::image::pixels::PixelValues;
use crate::screen::Object;

/// What becomes of crops that reach beyond the edge of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Pixels beyond the edge are 0, which is dark.
    #[default]
    Zero,
    /// Pixels beyond the edge mirror those inside; the outermost pixel is not repeated.
    Mirror,
    /// There is no such crop.
    Drop,
}

/// A square of `size` pixels around an object, `[channel, size, size]`; `None` if it reaches beyond the edge and `edge`
/// drops it.
///
/// The middle is the pixel that the center lies in, halves rounding up; of an even size, one more pixel lies before it
/// than behind.
pub fn crop(stack: &Stack, object: &Object, size: usize, edge: Edge) -> Option<PixelValues> {
    let start = |center: f32| (f64::from(center) + 0.5).floor() as i64 - (size / 2) as i64;
    let (left, top) = (start(object.x), start(object.y));
    let is_inside = |first: i64, length: usize| first >= 0 && first + size as i64 <= length as i64;
    if edge == Edge::Drop && !(is_inside(left, stack.width) && is_inside(top, stack.height)) {
        return None;
    }
    let (columns, rows) = (Along::new(left, size, stack.width, edge), Along::new(top, size, stack.height, edge));
    Some(match &stack.values {
        PixelValues::U8(values) => PixelValues::U8(gathered(values, stack, &rows, &columns)),
        PixelValues::U16(values) => PixelValues::U16(gathered(values, stack, &rows, &columns)),
        PixelValues::U32(values) => PixelValues::U32(gathered(values, stack, &rows, &columns)),
        PixelValues::F32(values) => PixelValues::F32(gathered(values, stack, &rows, &columns)),
    })
}

/// Centers of the non-overlapping squares of `size` pixels that fit into an image, row by row; what is left over is
/// shared between the two sides. None fit into an image smaller than a tile.
pub fn tiles(height: usize, width: usize, size: usize) -> Vec<Object> {
    if size == 0 {
        return Vec::new();
    }
    let centers = |length: usize| -> Vec<f32> {
        let n = length / size;
        let first = (length - n * size) / 2 + size / 2;
        (0..n).map(|tile| (first + tile * size) as f32).collect()
    };
    let columns = centers(width);
    let centers = centers(height).into_iter().flat_map(|y| columns.iter().map(move |&x| (x, y)));
    centers.enumerate().map(|(id, (x, y))| Object { id: id as u32, track: None, x, y, readout: None }).collect()
}

/// Means of squares of `factor` x `factor` pixels, channel by channel; what is left over at the right and at the lower
/// edge is left out.
///
/// # Panics
/// If `factor` is 0.
pub fn binned(stack: &Stack, factor: usize) -> Stack {
    let (height, width) = (stack.height / factor, stack.width / factor);
    let pixels = stack.values.to_f32();
    let mut means = Vec::with_capacity(stack.n_channels * height * width);
    for channel in pixels.chunks_exact((stack.height * stack.width).max(1)) {
        for y in 0..height {
            for x in 0..width {
                let rows =
                    (y * factor..(y + 1) * factor).map(|row| &channel[row * stack.width + x * factor..][..factor]);
                let sum: f64 = rows.flatten().map(|&value| f64::from(value)).sum();
                means.push((sum / (factor * factor) as f64) as f32);
            }
        }
    }
    Stack { n_channels: stack.n_channels, height, width, values: PixelValues::F32(means) }
}

/// The pixel that stands at `at`, which may lie beyond the edge.
fn position(at: i64, length: usize, edge: Edge) -> Option<usize> {
    let length = length as i64;
    if (0..length).contains(&at) {
        return Some(at as usize);
    }
    if edge != Edge::Mirror {
        return None;
    }
    let period = (2 * (length - 1)).max(1);
    let at = at.rem_euclid(period);
    Some(at.min(period - at).min(length - 1) as usize)
}

/// Where the pixels of a crop stand along one side of the image.
struct Along {
    /// Of each pixel of the crop; `None` is beyond the edge and dark.
    positions: Vec<Option<usize>>,
    /// The pixels of the crop that lie within the image, which are all next to each other.
    inside: Range<usize>,
}

impl Along {
    fn new(start: i64, size: usize, length: usize, edge: Edge) -> Self {
        let within = |at: i64| at.clamp(0, size as i64) as usize;
        Self {
            positions: (start..start + size as i64).map(|at| position(at, length, edge)).collect(),
            inside: within(start.saturating_neg())..within((length as i64).saturating_sub(start)),
        }
    }
}

fn gathered<T: Copy + Default>(values: &[T], stack: &Stack, rows: &Along, columns: &Along) -> Vec<T> {
    let size = columns.positions.len();
    let mut crop = vec![T::default(); stack.n_channels * size * size];
    let inside = columns.inside.clone();
    let channels = values.chunks_exact(stack.height * stack.width).zip(crop.chunks_exact_mut((size * size).max(1)));
    for (channel, crop) in channels {
        for (row, crop) in rows.positions.iter().zip(crop.chunks_exact_mut(size)) {
            let Some(row) = row.map(|row| &channel[row * stack.width..(row + 1) * stack.width]) else { continue };
            if let Some(first) = columns.positions.get(inside.start).copied().flatten().filter(|_| !inside.is_empty()) {
                crop[inside.clone()].copy_from_slice(&row[first..first + inside.len()]);
            }
            for place in (0..inside.start).chain(inside.end..size) {
                if let Some(column) = columns.positions[place] {
                    crop[place] = row[column];
                }
            }
        }
    }
    crop
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of 3 x 4 pixels: 0, 1, 2, … and 100, 101, 102, ….
    fn stack() -> Stack {
        let values = (0..12).chain(100..112).collect();
        Stack { n_channels: 2, height: 3, width: 4, values: PixelValues::U8(values) }
    }

    fn check(x: f32, y: f32, size: usize, edge: Edge, expected: Option<[&[u8]; 2]>) {
        let object = Object { id: 1, track: None, x, y, readout: None };
        let found = crop(&stack(), &object, size, edge);
        let expected = expected.map(|channels| PixelValues::U8(channels.concat()));
        assert_eq!(found, expected, "{x} {y} {size} {edge:?}");
    }

    #[test]
    fn cuts_around_the_center() {
        check(
            1.0,
            1.0,
            3,
            Edge::Drop,
            Some([&[0, 1, 2, 4, 5, 6, 8, 9, 10], &[100, 101, 102, 104, 105, 106, 108, 109, 110]]),
        );
        check(1.4, 0.6, 2, Edge::Drop, Some([&[0, 1, 4, 5], &[100, 101, 104, 105]]));
        check(1.5, 0.5, 2, Edge::Drop, Some([&[1, 2, 5, 6], &[101, 102, 105, 106]]));
    }

    #[test]
    fn edges_are_dark_mirrored_or_dropped() {
        check(0.0, 0.0, 3, Edge::Drop, None);
        check(0.0, 0.0, 3, Edge::Zero, Some([&[0, 0, 0, 0, 0, 1, 0, 4, 5], &[0, 0, 0, 0, 100, 101, 0, 104, 105]]));
        check(
            0.0,
            0.0,
            3,
            Edge::Mirror,
            Some([&[5, 4, 5, 1, 0, 1, 5, 4, 5], &[105, 104, 105, 101, 100, 101, 105, 104, 105]]),
        );
        check(1e9, -1e9, 1, Edge::Zero, Some([&[0], &[0]]));
        check(f32::NAN, 0.0, 1, Edge::Drop, Some([&[0], &[100]]));
    }

    #[test]
    fn mirrors_images_of_one_pixel() {
        let one = Stack { n_channels: 1, height: 1, width: 1, values: PixelValues::F32(vec![7.0]) };
        let object = Object { id: 0, track: None, x: 0.0, y: 0.0, readout: None };
        assert_eq!(crop(&one, &object, 5, Edge::Mirror), Some(PixelValues::F32(vec![7.0; 25])));
    }

    #[test]
    fn bins_are_means_and_leave_the_rest_out() {
        let found = binned(&stack(), 2);
        assert_eq!((found.n_channels, found.height, found.width), (2, 1, 2));
        assert_eq!(found.values, PixelValues::F32(vec![2.5, 4.5, 102.5, 104.5]));
        assert_eq!(binned(&stack(), 1).values.to_f32(), stack().values.to_f32());
        assert_eq!(binned(&stack(), 4).height, 0);
    }

    #[test]
    fn tiles_fill_the_image_and_lie_inside() {
        let found = tiles(10, 13, 4);
        assert_eq!(found.len(), 6);
        assert_eq!((found[0].x, found[0].y, found[5].x, found[5].y), (2.0, 3.0, 10.0, 7.0));
        let image = Stack { n_channels: 1, height: 10, width: 13, values: PixelValues::U8(vec![1; 130]) };
        assert!(found.iter().all(|tile| crop(&image, tile, 4, Edge::Drop).is_some()));
        assert!(tiles(3, 100, 4).is_empty());
        assert!(tiles(3, 100, 0).is_empty());
    }
}
