//! The axes of an image: which page of which file is which plane.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::{tiff_data, wrong};
use crate::load::error::LoadError;
use crate::load::image::expand::{joined, sample_names};
use crate::load::image::listing::{Listed, MAX_PLANES};
use crate::load::image::pixels::{Page, Samples};
use crate::load::image::xml;
use crate::screen::{Plane, Selector};

/// The axes of an image.
pub(super) struct Pixels<'a, 'b> {
    node: Node<'a, 'b>,
    /// `Z`, `C` and `T`, the fastest first, with their sizes; those of `C` that are on one page count once.
    order: Vec<(char, u64)>,
    /// For each place on `C` the channels that its pages hold, one for each sample.
    pub channels: Vec<Vec<String>>,
    pub pixel_um: Option<f64>,
    pub increment_hours: Option<f64>,
}

impl<'a, 'b> Pixels<'a, 'b> {
    /// `page` is what the first of the files is.
    pub fn of(file: &Path, node: Node<'a, 'b>, page: Option<&Page>) -> Result<Self, LoadError> {
        let wrong = |message: String| wrong(file, node, message);
        let size = |axis: char| {
            let text = xml::attribute(node, &format!("Size{axis}")).unwrap_or("1");
            let number = text.parse::<u64>().ok().filter(|&size| size > 0);
            number.ok_or_else(|| wrong(format!("`Size{axis}` holds {text:?}, expected a whole number from 1")))
        };
        let text = xml::attribute(node, "DimensionOrder").unwrap_or("XYZCT");
        let axes: Vec<char> = text.chars().filter(|axis| "ZCT".contains(*axis)).collect();
        if axes.len() != 3 || axes.iter().collect::<BTreeSet<_>>().len() != 3 {
            return Err(wrong(format!("`DimensionOrder` holds {text:?}, expected X, Y, Z, C and T in some order")));
        }
        let mut order = axes.into_iter().map(|axis| Ok((axis, size(axis)?))).collect::<Result<Vec<_>, LoadError>>()?;
        let n_planes = order.iter().fold(1u64, |n, (_, size)| n.saturating_mul(*size));
        if n_planes > MAX_PLANES {
            return Err(wrong(format!("{n_planes} planes, expected at most {MAX_PLANES}")));
        }
        let channels = channels(node, size('C')?, page);
        order.iter_mut().filter(|(axis, _)| *axis == 'C').for_each(|(_, size)| *size = channels.len() as u64);
        let number = |name| xml::attribute(node, name).and_then(|text| text.parse::<f64>().ok());
        let in_um = match xml::attribute(node, "PhysicalSizeXUnit") {
            None | Some("µm" | "μm" | "um") => Some(1.0),
            Some("nm") => Some(1e-3),
            Some("mm") => Some(1e3),
            Some(_) => None,
        };
        let in_hours = match xml::attribute(node, "TimeIncrementUnit") {
            None | Some("s") => Some(1.0 / 3600.0),
            Some("ms") => Some(1.0 / 3.6e6),
            Some("min") => Some(1.0 / 60.0),
            Some("h") => Some(1.0),
            Some(_) => None,
        };
        Ok(Self {
            channels,
            pixel_um: number("PhysicalSizeX").zip(in_um).map(|(size, unit)| size * unit).filter(|&size| size > 0.0),
            increment_hours: number("TimeIncrement").zip(in_hours).map(|(time, unit)| time * unit),
            node,
            order,
        })
    }

    /// The planes of each frame, and how many lie beyond the sizes.
    pub fn planes(&self, file: &Path, files: &[PathBuf]) -> Result<(BTreeMap<i64, Vec<Listed>>, usize), LoadError> {
        let (mut n_beyond, mut n_listed) = (0, 0);
        let n_planes = self.order.iter().fold(1u64, |n, (_, size)| n * size);
        let mut frames = BTreeMap::<i64, Vec<Listed>>::new();
        for (data, path) in tiff_data(self.node).zip(files) {
            let number = |name: &str| -> Result<Option<u64>, LoadError> {
                let Some(text) = xml::attribute(data, name) else { return Ok(None) };
                let parsed = text.parse::<u64>();
                parsed
                    .map(Some)
                    .map_err(|_| wrong(file, data, format!("`{name}` holds {text:?}, expected a whole number")))
            };
            let page = number("IFD")?;
            let count = match (number("PlaneCount")?, page) {
                (Some(count), _) => count.min(n_planes),
                (None, Some(_)) => 1,
                (None, None) => n_planes,
            };
            let first = |axis: char| number(&format!("First{axis}")).map(|first| first.unwrap_or(0));
            let starts = self.order.iter().map(|(axis, _)| first(*axis)).collect::<Result<Vec<_>, _>>()?;
            if self.order.iter().zip(&starts).any(|((_, size), first)| first >= size) {
                n_beyond += 1;
                continue;
            }
            let mut stride = 1;
            let mut start = 0u64;
            for ((_, size), first) in self.order.iter().zip(&starts) {
                start += first * stride;
                stride *= size;
            }
            let count = count.min(n_planes - start);
            n_listed += count;
            if n_listed > MAX_PLANES {
                return Err(wrong(file, data, format!("gives more than {MAX_PLANES} planes of one image")));
            }
            for step in 0..count {
                let at = self.indices(start + step);
                let page = (page.unwrap_or(0) + step) as u32;
                let listed = (0..).zip(&self.channels[at[&'C'] as usize]).map(|(sample, channel)| {
                    let plane = Plane { path: path.clone(), selector: Selector::Page { page, sample } };
                    Listed::plane(channel.clone(), at[&'Z'] as i64, plane)
                });
                frames.entry(at[&'T'] as i64).or_default().extend(listed);
            }
        }
        Ok((frames, n_beyond))
    }

    /// The index on each axis of a plane, counted in dimension order.
    fn indices(&self, mut plane: u64) -> BTreeMap<char, u64> {
        let mut indices = BTreeMap::new();
        for &(axis, size) in &self.order {
            indices.insert(axis, plane % size);
            plane /= size;
        }
        indices
    }
}

/// The channels of an image: for each place on the axis `C` those that are on one page.
///
/// `SizeC` counts samples, and a page of several samples takes several of it. How many samples there are is told by
/// the file, since some programs leave out `SamplesPerPixel` or write it of pages that they have split; by the XML
/// where the file is not there.
fn channels(node: Node<'_, '_>, size: u64, page: Option<&Page>) -> Vec<Vec<String>> {
    let elements: Vec<Node<'_, '_>> = xml::all(node, "Channel").collect();
    let named = |index: usize| {
        elements.get(index).and_then(|channel| xml::attribute(*channel, "Name")).filter(|name| !name.is_empty())
    };
    let name = |index: usize| match named(index) {
        Some(name) if elements.iter().filter(|other| xml::attribute(**other, "Name") == Some(name)).count() == 1 => {
            name.to_owned()
        }
        Some(name) => format!("{name} ({index})"),
        None => format!("channel {index}"),
    };
    let told = elements.first().and_then(|channel| xml::attribute(*channel, "SamplesPerPixel")?.parse::<u16>().ok());
    let told = told.filter(|&samples| samples > 0).unwrap_or(1);
    let (n_samples, meaning) = match page {
        Some(page) => (u64::from(page.samples), page.meaning),
        None => (u64::from(told), if (3..=4).contains(&told) { Samples::Rgb } else { Samples::Bands(told) }),
    };
    if n_samples == 1 {
        return (0..size as usize).map(|index| vec![name(index)]).collect();
    }
    // Some count pages and not samples.
    let n_pages = if size.is_multiple_of(n_samples) { size / n_samples } else { size.div_ceil(n_samples) } as usize;
    let is_each_named = elements.len() as u64 == size && n_pages as u64 * n_samples == size;
    let of_page = |index: usize| {
        let samples = sample_names(meaning).into_iter().enumerate();
        let channel = |(sample, word): (usize, String)| match named(index) {
            _ if is_each_named => name(index * n_samples as usize + sample),
            None if n_pages == 1 => {
                if word.is_empty() {
                    name(index)
                } else {
                    word
                }
            }
            _ => joined(&[&name(index), &word]),
        };
        samples.map(channel).collect()
    };
    (0..n_pages).map(of_page).collect()
}
