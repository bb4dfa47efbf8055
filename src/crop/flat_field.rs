//! Uneven illumination of images -> a smooth field for each channel, by which images are divided.
//!
//! Objectives light the middle of an image more than its corners, so that the same cell is bright here and dark there.
//! What all images of a plate share is taken for the light: each reference site is averaged over [`GRID`] x [`GRID`]
//! blocks, the median of each block over the sites is fitted by a polynomial of degree [`DEGREE`] in x and y (least
//! squares), and the polynomial is scaled to a mean of 1. Division leaves the mean brightness as it was. An offset of the
//! camera is not subtracted, and dust, which is smaller than a block, stays.
//!
//! # Source
//! The correction function of CellProfiler (`CorrectIlluminationCalculate`, regular, all images, fitted by a polynomial).

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::CropError;
use super::level::IntensityLevel;
use crate::linear::median;
use crate::linear::numbers::Numbers;
use crate::load::image::pixels::PixelValues;
use crate::load::image::{Stack, read_site};
use crate::screen::ImageScreen;

/// Blocks along each side of an image.
const GRID: usize = 16;
/// Degree of the polynomial in x and y together.
const DEGREE: usize = 4;
/// Fewest sites that the light can be told from the cells by.
const MIN_SITES: usize = 8;
/// The darkest place that is divided by, as a share of the mean.
const MIN_LIGHT: f64 = 0.1;

/// Fitted illumination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatField {
    level: IntensityLevel,
    /// By plate; the one field of a whole screen stands under the empty name.
    fields: BTreeMap<String, Field>,
}

/// The illumination of images of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Field {
    height: usize,
    width: usize,
    /// Coefficients of products of Legendre polynomials in the order of [`powers`], for each channel.
    channels: Vec<Numbers>,
}

impl FlatField {
    /// Fits on the sites at `rows`, which are decoded on all cores; for each plate, or for all plates together.
    ///
    /// # Errors
    /// If there are fewer than eight sites for a field, their images differ in size, a channel is dark or darker than a
    /// tenth of its mean somewhere, or a site cannot be decoded.
    pub fn fit(screen: &ImageScreen, rows: &[usize], level: IntensityLevel) -> Result<Self, CropError> {
        let mut fields = BTreeMap::new();
        for (group, rows) in level.groups(screen, rows) {
            let field = Field::fit(screen, &rows).map_err(|problem| {
                let of = if group.is_empty() { "the screen".to_owned() } else { format!("plate `{group}`") };
                let message = format!("the illumination of {of} cannot be fitted: {problem}");
                CropError::Intensity { message }
            })?;
            fields.insert(group, field);
        }
        Ok(Self { level, fields })
    }

    /// Divides a site of `plate` by its illumination; its values become `f32`.
    ///
    /// # Errors
    /// If no site of the plate was fitted, or the image has another size or other channels.
    pub fn apply(&self, plate: &str, stack: &mut Stack) -> Result<(), CropError> {
        let refused = |message: String| Err(CropError::Intensity { message });
        let Some(field) = self.fields.get(self.level.group(plate)) else {
            return refused(format!(
                "no site of plate `{plate}` was given to fit its illumination; give it control wells, or set `level \
                 = \"screen\"` under [images.intensity]"
            ));
        };
        let Field { height, width, channels } = field;
        if (stack.height, stack.width, stack.n_channels) != (*height, *width, channels.len()) {
            return refused(format!(
                "an image of plate `{plate}` has {} x {} pixels and {} channels; its illumination was fitted on \
                 {width} x {height} and {}",
                stack.width,
                stack.height,
                stack.n_channels,
                channels.len()
            ));
        }
        let mut values = stack.values.to_f32();
        let across: Vec<[f64; DEGREE + 1]> = (0..*width).map(|x| legendre(place(x, *width))).collect();
        for (channel, coefficients) in values.chunks_exact_mut((height * width).max(1)).zip(channels) {
            for (y, line) in channel.chunks_exact_mut(*width).enumerate() {
                let along = along_x(coefficients, &legendre(place(y, *height)));
                for (value, across) in line.iter_mut().zip(&across) {
                    *value = (f64::from(*value) / dot(&along, across)) as f32;
                }
            }
        }
        stack.values = PixelValues::F32(values);
        Ok(())
    }

    /// The darkest and the brightest place of each channel, by plate; 1 is the mean.
    pub fn spread(&self) -> impl Iterator<Item = (&str, Vec<(f64, f64)>)> {
        self.fields.iter().map(|(plate, field)| {
            let extremes = field.channels.iter().map(|coefficients| {
                let lights = grid_places(GRID, GRID).map(|(x, y)| light(coefficients, x, y));
                lights.fold((f64::INFINITY, 0.0f64), |(low, high), light| (low.min(light), high.max(light)))
            });
            (plate.as_str(), extremes.collect())
        })
    }

    /// How uneven the light was, in sentences.
    pub fn notes(&self, channels: &[String]) -> Vec<String> {
        let of_channel =
            |(name, (low, high)): (&String, (f64, f64))| format!("{low:.2} to {high:.2} {name}").trim_end().to_owned();
        let of_plate = |(plate, spread): (&str, Vec<(f64, f64)>)| {
            let channels: Vec<String> = channels.iter().zip(spread).map(of_channel).collect();
            let of = if plate.is_empty() { "all plates".to_owned() } else { format!("plate {plate}") };
            format!("illumination of {of} divided out, from {} of its mean", channels.join(", "))
        };
        self.spread().map(of_plate).collect()
    }
}

impl Field {
    fn fit(screen: &ImageScreen, rows: &[usize]) -> Result<Self, String> {
        if rows.len() < MIN_SITES {
            return Err(format!(
                "it has {} control sites, expected at least {MIN_SITES}; set `level = \"screen\"` or `flat_field = false` under [images.intensity]",
                rows.len()
            ));
        }
        let read =
            |&row: &usize| read_site(&screen.sites[row]).map(|stack| Blocks::of(&stack)).map_err(|e| e.to_string());
        let sites: Vec<Result<Blocks, String>> = rows.par_iter().map(read).collect();
        let sites = sites.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (height, width) = (sites[0].height, sites[0].width);
        if let Some(other) = sites.iter().find(|site| (site.height, site.width) != (height, width)) {
            return Err(format!("its images have {width} x {height} and {} x {} pixels", other.width, other.height));
        }
        let (n_rows, n_columns) = (GRID.min(height), GRID.min(width));
        let places: Vec<(f64, f64)> = grid_places(n_columns, n_rows).collect();
        let of_channel = |channel: usize| -> Result<Numbers, String> {
            let median = |block: usize| {
                let mut values: Vec<f64> = sites.iter().map(|site| site.channels[channel][block]).collect();
                median(&mut values)
            };
            let lights: Vec<f64> = (0..places.len()).map(median).collect();
            let mean = lights.iter().sum::<f64>() / lights.len() as f64;
            let name = &screen.channels[channel];
            if mean.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
                return Err(format!("channel `{name}` is dark in most of its control sites"));
            }
            let coefficients = polynomial(&places, &lights.iter().map(|light| light / mean).collect::<Vec<_>>());
            let darkest = places.iter().map(|&(x, y)| light(&coefficients, x, y)).fold(f64::INFINITY, f64::min);
            if darkest < MIN_LIGHT {
                return Err(format!(
                    "channel `{name}` has {darkest:.2} of its mean light in places, expected at least {MIN_LIGHT}; \
                     subtract the dark background, or set `flat_field = false` under [images.intensity]"
                ));
            }
            Ok(Numbers(coefficients))
        };
        let channels = (0..screen.channels.len()).map(of_channel).collect::<Result<_, _>>()?;
        Ok(Self { height, width, channels })
    }
}

/// Means of the blocks of a site.
struct Blocks {
    height: usize,
    width: usize,
    /// `[channel][block]`, line by line.
    channels: Vec<Vec<f64>>,
}

impl Blocks {
    fn of(stack: &Stack) -> Self {
        let (height, width) = (stack.height, stack.width);
        let (n_rows, n_columns) = (GRID.min(height), GRID.min(width));
        let values = stack.values.to_f32();
        let of_channel = |channel: &[f32]| {
            let mut sums = vec![(0.0f64, 0u32); n_rows * n_columns];
            for (y, line) in channel.chunks_exact(width).enumerate() {
                for (x, &value) in line.iter().enumerate() {
                    let sum = &mut sums[y * n_rows / height * n_columns + x * n_columns / width];
                    *sum = (sum.0 + f64::from(value), sum.1 + 1);
                }
            }
            sums.into_iter().map(|(sum, n)| sum / f64::from(n)).collect()
        };
        Self { height, width, channels: values.chunks_exact((height * width).max(1)).map(of_channel).collect() }
    }
}

/// The middle of a pixel or block of `n`, from −1 to 1.
fn place(at: usize, n: usize) -> f64 {
    (2 * at + 1) as f64 / n as f64 - 1.0
}

/// The middles of blocks, line by line.
fn grid_places(n_columns: usize, n_rows: usize) -> impl Iterator<Item = (f64, f64)> {
    (0..n_rows * n_columns).map(move |block| (place(block % n_columns, n_columns), place(block / n_columns, n_rows)))
}

/// Legendre polynomials, whose products are all but independent on a square.
fn legendre(x: f64) -> [f64; DEGREE + 1] {
    let mut values = [1.0; DEGREE + 1];
    values[1] = x;
    for n in 1..DEGREE {
        values[n + 1] = ((2 * n + 1) as f64 * x * values[n] - n as f64 * values[n - 1]) / (n + 1) as f64;
    }
    values
}

/// Degrees in x and y of each term.
fn powers() -> impl Iterator<Item = (usize, usize)> {
    (0..=DEGREE).flat_map(|x| (0..=DEGREE - x).map(move |y| (x, y)))
}

/// On a line of given y, the coefficients of the polynomials in x.
fn along_x(coefficients: &[f64], at_y: &[f64; DEGREE + 1]) -> [f64; DEGREE + 1] {
    let mut along = [0.0; DEGREE + 1];
    powers().zip(coefficients).for_each(|((x, y), coefficient)| along[x] += coefficient * at_y[y]);
    along
}

fn dot(one: &[f64; DEGREE + 1], other: &[f64; DEGREE + 1]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn light(coefficients: &[f64], x: f64, y: f64) -> f64 {
    dot(&along_x(coefficients, &legendre(y)), &legendre(x))
}

/// The polynomial nearest to `values` at `places`, by its normal equations.
fn polynomial(places: &[(f64, f64)], values: &[f64]) -> Vec<f64> {
    let n = powers().count();
    let (mut square, mut right) = (vec![vec![0.0; n]; n], vec![0.0; n]);
    for (&(x, y), value) in places.iter().zip(values) {
        let (at_x, at_y) = (legendre(x), legendre(y));
        let terms: Vec<f64> = powers().map(|(x, y)| at_x[x] * at_y[y]).collect();
        for (row, term) in terms.iter().enumerate() {
            right[row] += term * value;
            terms.iter().enumerate().for_each(|(column, other)| square[row][column] += term * other);
        }
    }
    // Images of fewer pixels than terms leave some of them open; those are then 0.
    (0..n).for_each(|term| square[term][term] += 1e-9 * places.len() as f64);
    for pivot in 0..n {
        for row in pivot + 1..n {
            let share = square[row][pivot] / square[pivot][pivot];
            let above = square[pivot].clone();
            square[row].iter_mut().zip(&above).for_each(|(value, above)| *value -= share * above);
            right[row] -= share * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| square[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / square[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Source;
    use crate::load::image::{ImageSource, load_images};

    /// What lights an image: a slope and darker corners, with a mean of about 1.
    fn lamp(x: f64, y: f64) -> f64 {
        1.1 + 0.2 * x - 0.1 * y - 0.15 * (x * x + y * y)
    }

    /// Sites of 120 x 90 pixels with a background of 1000 and disks of 3000 that lie elsewhere in each, under the lamp.
    fn screen(folder: &std::path::Path, n_sites: usize, lamp: impl Fn(f64, f64) -> f64) -> ImageScreen {
        let (width, height) = (120usize, 90usize);
        let mut sheet = "plate,well,site,file,compound\n".to_owned();
        for site in 0..n_sites {
            let center = |n: usize| ((site * 37 + n * 53) % width, (site * 29 + n * 31) % height);
            let value = |pixel: usize| {
                let (x, y) = (pixel % width, pixel / width);
                let is_in = |n: usize| x.abs_diff(center(n).0).pow(2) + y.abs_diff(center(n).1).pow(2) <= 25;
                let cells = if (0..4).any(is_in) { 3000.0 } else { 1000.0 };
                (cells * lamp(place(x, width), place(y, height))).round() as u16
            };
            let pixels: Vec<u16> = (0..width * height).map(value).collect();
            let file = std::fs::File::create(folder.join(format!("{site}.tif"))).unwrap();
            let mut encoder = tiff::encoder::TiffEncoder::new(file).unwrap();
            encoder.write_image::<tiff::encoder::colortype::Gray16>(width as u32, height as u32, &pixels).unwrap();
            sheet += &format!("P,A1,{site},{site}.tif,DMSO\n");
        }
        std::fs::write(folder.join("s.csv"), sheet).unwrap();
        let source = Source::of([folder.join("s.csv")]);
        load_images(&ImageSource { source, ..ImageSource::default() }).unwrap().usable().unwrap().screen
    }

    #[test]
    fn a_known_light_is_found_and_divided_out() {
        let folder = tempfile::tempdir().unwrap();
        let screen = screen(folder.path(), 24, lamp);
        let all: Vec<usize> = (0..24).collect();
        let found = FlatField::fit(&screen, &all, IntensityLevel::Plate).unwrap();
        let field = &found.fields["P"];
        let mean = grid_places(200, 200).map(|(x, y)| lamp(x, y)).sum::<f64>() / 40_000.0;
        for (x, y) in grid_places(30, 30) {
            let (light, truth) = (light(&field.channels[0], x, y), lamp(x, y) / mean);
            assert!((light / truth - 1.0).abs() < 0.02, "{x} {y}: {light}, expected {truth}");
        }
        let mut stack = read_site(&screen.sites[3]).unwrap();
        let spread = |values: &[f32]| {
            let background: Vec<f32> = values.iter().copied().filter(|&value| value < 1800.0).collect();
            let (low, high) = background.iter().fold((f32::MAX, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
            high / low
        };
        assert!(spread(&stack.values.to_f32()) > 1.5);
        found.apply("P", &mut stack).unwrap();
        let values = stack.values.to_f32();
        assert!(spread(&values) < 1.05, "{}", spread(&values));
        let (name, extremes) = found.spread().next().unwrap();
        assert!(name == "P" && extremes[0].0 < 0.7 && extremes[0].1 > 1.1, "{extremes:?}");
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<FlatField>(&text).unwrap(), found);
    }

    #[test]
    fn an_even_light_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let screen = screen(folder.path(), 24, |_, _| 1.0);
        let found = FlatField::fit(&screen, &(0..24).collect::<Vec<_>>(), IntensityLevel::Screen).unwrap();
        let mut stack = read_site(&screen.sites[0]).unwrap();
        let before = stack.values.to_f32();
        found.apply("any", &mut stack).unwrap();
        let after = stack.values.to_f32();
        assert!(before.iter().zip(&after).all(|(before, after)| (before / after - 1.0).abs() < 0.02));
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let check = |lamp: fn(f64, f64) -> f64, n: usize, expected: &str| {
            let screen = screen(folder.path(), n, lamp);
            let error = FlatField::fit(&screen, &(0..n).collect::<Vec<_>>(), IntensityLevel::Plate).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(lamp, 7, "the illumination of plate `P` cannot be fitted: it has 7 control sites, expected at least 8");
        check(|_, _| 0.0, 8, "channel `` is dark in most of its control sites");
        check(|x, _| if x < 0.0 { 0.001 } else { 2.0 }, 8, "of its mean light in places");
        let screen = screen(folder.path(), 8, lamp);
        let found = FlatField::fit(&screen, &(0..8).collect::<Vec<_>>(), IntensityLevel::Plate).unwrap();
        let mut stack = read_site(&screen.sites[0]).unwrap();
        let error = found.apply("Q", &mut stack).unwrap_err().to_string();
        assert!(error.starts_with("no site of plate `Q` was given"), "{error}");
        stack.height = 89;
        assert!(found.apply("P", &mut stack).unwrap_err().to_string().contains("has 120 x 89 pixels"));
    }
}
