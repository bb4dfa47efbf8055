//! Objects that touch -> objects apart: a watershed of the distance to the background.
//!
//! From pixel to pixel, those farthest from the background first, basins grow and meet. Two that meet at a pixel are one
//! object if the flatter of them rises above it by less than [`MIN_DEPTH`] of its own height: a rough outline has many
//! small hills, a neck between two nuclei is narrower than both.
//!
//! # Source
//! Distances: P. Felzenszwalb, D. Huttenlocher, Distance transforms of sampled functions, Theory of Computing 8 (2012) 415.

use crate::load::image::sides;

/// How far a hill of distances rises above the pass to the next, as a share of its height, to be an object of its own.
const MIN_DEPTH: f32 = 0.25;

/// Numbers the objects of a mask `[height, width]` from 1 on, in the order of first pixels; 0 is background.
pub(super) fn split(is_object: &[bool], height: usize, width: usize) -> Vec<u32> {
    let distances = distances(is_object, height, width);
    let mut order: Vec<usize> = (0..is_object.len()).filter(|&pixel| is_object[pixel]).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
    let mut basin_of = vec![usize::MAX; is_object.len()];
    // The basin that one was joined to, and the distance at its top.
    let (mut joined, mut tops): (Vec<usize>, Vec<f32>) = (Vec::new(), Vec::new());
    for pixel in order {
        let near = sides(pixel, height, width).map(|near| basin_of[near]);
        let mut basins: Vec<usize> =
            near.filter(|&basin| basin != usize::MAX).map(|basin| root(&joined, basin)).collect();
        basins.sort_by(|&a, &b| tops[b].total_cmp(&tops[a]).then(a.cmp(&b)));
        basins.dedup();
        let Some((&highest, others)) = basins.split_first() else {
            basin_of[pixel] = tops.len();
            joined.push(tops.len());
            tops.push(distances[pixel]);
            continue;
        };
        basin_of[pixel] = highest;
        for &basin in others.iter().filter(|&&basin| tops[basin] - distances[pixel] < MIN_DEPTH * tops[basin]) {
            joined[basin] = highest;
        }
    }
    let mut numbers = vec![0; tops.len()];
    let mut n_objects = 0;
    let number = |&basin: &usize| {
        if basin == usize::MAX {
            return 0;
        }
        let number = &mut numbers[root(&joined, basin)];
        if *number == 0 {
            n_objects += 1;
            *number = n_objects;
        }
        *number
    };
    basin_of.iter().map(number).collect()
}

/// The basin that `basin` is part of by now.
fn root(joined: &[usize], mut basin: usize) -> usize {
    while joined[basin] != basin {
        basin = joined[basin];
    }
    basin
}

/// Distance of each pixel to the nearest that is no object; beyond the edge there is none.
fn distances(is_object: &[bool], height: usize, width: usize) -> Vec<f32> {
    let far = ((height + width) as f64).powi(2);
    let mut squares: Vec<f64> = is_object.iter().map(|&is| if is { far } else { 0.0 }).collect();
    for x in 0..width {
        let column: Vec<f64> = (0..height).map(|y| squares[y * width + x]).collect();
        nearest(&column).into_iter().enumerate().for_each(|(y, square)| squares[y * width + x] = square);
    }
    for row in squares.chunks_exact_mut(width.max(1)) {
        let nearest = nearest(row);
        row.copy_from_slice(&nearest);
    }
    squares.into_iter().map(|square| square.sqrt() as f32).collect()
}

/// For each place the smallest of `heights[other] + (place - other)²`: the lower envelope of parabolas.
fn nearest(heights: &[f64]) -> Vec<f64> {
    // Places of the parabolas of the envelope, and from where on each is the lowest.
    let (mut lowest, mut from): (Vec<usize>, Vec<f64>) = (Vec::new(), Vec::new());
    for (place, height) in heights.iter().enumerate() {
        let square = |place: usize| (place * place) as f64;
        let mut begin = f64::NEG_INFINITY;
        while let Some(&last) = lowest.last() {
            begin = (height + square(place) - heights[last] - square(last)) / (2 * (place - last)) as f64;
            if begin > from[lowest.len() - 1] {
                break;
            }
            lowest.pop();
            from.pop();
            begin = f64::NEG_INFINITY;
        }
        lowest.push(place);
        from.push(begin);
    }
    let mut position = 0;
    let at = |place: usize| {
        while from.get(position + 1).is_some_and(|&next| next < place as f64) {
            position += 1;
        }
        heights[lowest[position]] + (place.abs_diff(lowest[position]) as f64).powi(2)
    };
    (0..heights.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mask of disks (x, y, radius).
    fn disks(height: usize, width: usize, disks: &[(f64, f64, f64)]) -> Vec<bool> {
        let is_in = |pixel: usize| {
            let (x, y) = ((pixel % width) as f64, (pixel / width) as f64);
            disks.iter().any(|&(cx, cy, radius)| (x - cx).hypot(y - cy) <= radius)
        };
        (0..height * width).map(is_in).collect()
    }

    /// Center and number of pixels of each object.
    fn objects(labels: &[u32], width: usize) -> Vec<(f64, f64, usize)> {
        let n = labels.iter().copied().max().unwrap_or(0);
        let of = |label: u32| {
            let pixels: Vec<usize> = (0..labels.len()).filter(|&pixel| labels[pixel] == label).collect();
            let mean =
                |of: &dyn Fn(usize) -> usize| pixels.iter().map(|&p| of(p) as f64).sum::<f64>() / pixels.len() as f64;
            (mean(&|pixel| pixel % width), mean(&|pixel| pixel / width), pixels.len())
        };
        (1..=n).map(of).collect()
    }

    #[test]
    fn distances_are_those_to_the_nearest_pixel_of_background() {
        let (height, width) = (19, 23);
        let mask: Vec<bool> = (0..height * width).map(|pixel| pixel * 7919 % 11 > 1).collect();
        let found = distances(&mask, height, width);
        for (pixel, &found) in found.iter().enumerate() {
            let to = |other: usize| {
                let (dx, dy) = ((pixel % width).abs_diff(other % width), (pixel / width).abs_diff(other / width));
                (dx as f64).hypot(dy as f64)
            };
            let nearest = (0..mask.len()).filter(|&other| !mask[other]).map(to).fold(f64::INFINITY, f64::min);
            assert!((f64::from(found) - nearest).abs() < 1e-4, "{pixel}: {found} and {nearest}");
        }
    }

    #[test]
    fn two_disks_that_touch_are_two_objects_at_their_centers() {
        let (height, width) = (60, 80);
        let mask = disks(height, width, &[(25.0, 30.0, 12.0), (45.0, 30.0, 12.0)]);
        let found = objects(&split(&mask, height, width), width);
        assert_eq!(found.len(), 2, "{found:?}");
        // Half of the two disks less half of what they share: their means lie a little outward of the centers.
        for ((x, y, n), center) in found.into_iter().zip([25.0, 45.0]) {
            assert!((x - center).abs() < 1.0 && (y - 30.0).abs() < 0.2, "{x} {y}");
            assert!((410..440).contains(&n), "{n}");
        }
        let third = disks(height, width, &[(25.0, 30.0, 12.0), (45.0, 30.0, 12.0), (25.0, 49.0, 9.0)]);
        assert_eq!(objects(&split(&third, height, width), width).len(), 3);
    }

    #[test]
    fn what_is_one_stays_one() {
        let (height, width) = (60, 80);
        let n_objects = |mask: &[bool]| objects(&split(mask, height, width), width).len();
        assert_eq!(n_objects(&disks(height, width, &[(30.0, 30.0, 14.0)])), 1);
        assert_eq!(n_objects(&disks(height, width, &[(30.0, 30.0, 14.0), (36.0, 30.0, 14.0)])), 1, "hardly a waist");
        let ellipse = |pixel: usize| {
            let (x, y) = ((pixel % width) as f64 - 40.0, (pixel / width) as f64 - 30.0);
            (x / 25.0).powi(2) + (y / 10.0).powi(2) <= 1.0
        };
        assert_eq!(n_objects(&(0..height * width).map(ellipse).collect::<Vec<_>>()), 1);
        assert_eq!(n_objects(&vec![true; height * width]), 1, "no background at all");
        assert_eq!(n_objects(&vec![false; height * width]), 0);
        assert!(split(&[], 0, 0).is_empty());
    }
}
