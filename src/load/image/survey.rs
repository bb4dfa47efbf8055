//! What the image files of a screen are, by their headers, and which are missing or unreadable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::pixels::{self, ImageInfo, Page, Samples};
use super::shape::Shape;
use super::zarr;
use crate::screen::{ImageScreen, ImageSite, Plane, Selector};

/// A site whose images are not all there, with the first reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// Row of the screen.
    pub row: usize,
    /// What is wrong, with the file.
    pub reason: String,
}

/// What a look at all headers found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Distinct image files (zarr arrays) that the sites name, masks included.
    pub n_files: usize,
    /// Of these, how many do not exist.
    pub n_missing_files: usize,
    /// Of these, how many exist and cannot be read.
    pub n_unreadable_files: usize,
    /// Planes of all sites and channels.
    pub n_planes: usize,
    /// Channels of sites for which no plane is named.
    pub n_unnamed_channels: usize,
    /// How many planes have each size and type.
    #[serde(serialize_with = "as_list")]
    pub shapes: BTreeMap<Shape, usize>,
    /// Images with a palette of which an index is not a brightness; masks are not counted.
    #[serde(skip)]
    pub n_painted_palettes: usize,
    /// Planes of arrays of which some chunks are there and others not, so that these parts are of one value.
    #[serde(skip)]
    pub n_partly_written: usize,
    /// Sites that cannot be decoded, ascending by row.
    pub incomplete: Vec<Incomplete>,
}

fn as_list<S: serde::Serializer>(shapes: &BTreeMap<Shape, usize>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(shapes)
}

/// What a file's headers say, or why they cannot be read.
pub(super) enum Header {
    Pages(ImageInfo),
    Array {
        /// Size of the axes before y and x.
        leading: Vec<u64>,
        /// Of each plane.
        shape: Shape,
        array: zarr::Array,
    },
    Missing,
    Unreadable(String),
}

/// Headers by file.
pub(super) type Headers = BTreeMap<PathBuf, Header>;

/// Reads the headers of files, each with whether it is a zarr array, on all cores.
pub(super) fn headers<'a>(files: impl Iterator<Item = (&'a Path, bool)>) -> Headers {
    let files: Vec<(&Path, bool)> = files.collect();
    files.par_iter().map(|&(path, is_zarr)| (path.to_path_buf(), header(path, is_zarr))).collect()
}

/// Looks at the headers of all files that a screen names; reads those that are not yet in `headers`, each once.
pub(super) fn survey(screen: &ImageScreen, mut headers: Headers) -> Survey {
    let planes = screen.sites.iter().flat_map(|site| site.channels.iter().flatten().chain(mask_of(site)));
    let files: BTreeMap<&Path, bool> =
        planes.map(|plane| (plane.path.as_path(), matches!(plane.selector, Selector::Zarr { .. }))).collect();
    let unread = files.iter().filter(|(path, _)| !headers.contains_key(**path));
    let read = self::headers(unread.map(|(&path, &is_zarr)| (path, is_zarr)));
    headers.extend(read);
    // Others were looked at for channels that are not taken.
    headers.retain(|path, _| files.contains_key(path.as_path()));
    let count = |wanted: fn(&Header) -> bool| headers.values().filter(|header| wanted(header)).count();
    let mut survey = Survey {
        n_files: files.len(),
        n_missing_files: count(|header| matches!(header, Header::Missing)),
        n_unreadable_files: count(|header| matches!(header, Header::Unreadable(_))),
        ..Survey::default()
    };
    let chunks: Vec<Chunks> = screen.sites.par_iter().map(|site| chunks_of(site, &screen.channels, &headers)).collect();
    survey.n_partly_written = chunks.iter().map(|chunks| chunks.n_partly_written).sum();
    let odd = odd_sample_types(screen, &headers);
    // Of each channel the first file, and what the samples of its pixels are.
    let mut first_of: Vec<Option<(Samples, &Path)>> = vec![None; screen.channels.len()];
    for (row, site) in screen.sites.iter().enumerate() {
        survey.n_planes += site.channels.iter().map(Vec::len).sum::<usize>();
        survey.n_unnamed_channels += site.channels.iter().filter(|stack| stack.is_empty()).count();
        for plane in site.channels.iter().flatten() {
            if let Ok(shape) = shape_of(plane, &headers[plane.path.as_path()]) {
                *survey.shapes.entry(shape).or_default() += 1;
            }
            if let (Header::Pages(info), &Selector::Page { page, .. }) =
                (&headers[plane.path.as_path()], &plane.selector)
                && info.pages.get(page as usize).is_some_and(|page| page.has_painted_palette)
            {
                survey.n_painted_palettes += 1;
            }
        }
        let checked =
            check(site, &screen.channels, &headers).and_then(|()| check_samples(site, &headers, &mut first_of));
        let faults = [&chunks[row].absent, &odd[row]];
        let checked = checked.and_then(|()| faults.into_iter().flatten().next().cloned().map_or(Ok(()), Err));
        if let Err(reason) = checked {
            survey.incomplete.push(Incomplete { row, reason });
        }
    }
    survey
}

impl Survey {
    /// The rows that can be decoded, ascending.
    pub fn complete(&self, n_rows: usize) -> Vec<usize> {
        let incomplete: BTreeSet<usize> = self.incomplete.iter().map(|incomplete| incomplete.row).collect();
        (0..n_rows).filter(|row| !incomplete.contains(row)).collect()
    }
}

fn mask_of(site: &ImageSite) -> Option<&Plane> {
    site.mask.as_ref().map(|mask| &mask.plane)
}

fn header(path: &Path, is_zarr: bool) -> Header {
    if !path.exists() {
        return Header::Missing;
    }
    if is_zarr {
        return match zarr::describe(path) {
            Ok((leading, shape, array)) => Header::Array { leading, shape, array },
            Err(error) => Header::Unreadable(error.to_string()),
        };
    }
    match pixels::probe(path) {
        Ok(info) => Header::Pages(info),
        Err(error) => Header::Unreadable(error.to_string()),
    }
}

/// The first thing that keeps a site from being decoded.
fn check(site: &ImageSite, channels: &[String], headers: &Headers) -> Result<(), String> {
    let mut first: Option<(Shape, PathBuf)> = None;
    for (stack, channel) in site.channels.iter().zip(channels) {
        if stack.is_empty() {
            return Err(format!("no image of channel `{channel}` is named"));
        }
        for plane in stack.iter().chain(mask_of(site)) {
            let shape = shape_of(plane, &headers[plane.path.as_path()])?;
            let sides = |shape: Shape| (shape.width, shape.height);
            match &first {
                None => first = Some((shape, plane.path.clone())),
                Some((other, path)) if sides(*other) != sides(shape) => {
                    return Err(format!(
                        "{}: {} x {} pixels, but {} of the same site has {} x {}",
                        plane.path.display(),
                        shape.width,
                        shape.height,
                        path.display(),
                        other.width,
                        other.height
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// What is there of the planes of a site that are arrays.
struct Chunks {
    /// The first channel of which no plane has a chunk, in words.
    absent: Option<String>,
    n_partly_written: usize,
}

/// Looks which chunks of a site's planes are there. Zarr leaves out chunks that hold the fill value alone, but a camera has
/// noise: without any chunk an image was not written, or not copied.
fn chunks_of(site: &ImageSite, channels: &[String], headers: &Headers) -> Chunks {
    let chunks = |plane: &Plane| match (&headers[plane.path.as_path()], &plane.selector) {
        (Header::Array { array, .. }, Selector::Zarr { index }) => zarr::count_chunks(&plane.path, array, index),
        // What cannot be read has its own fault.
        _ => (1, 1),
    };
    let counted: Vec<Vec<(usize, usize)>> =
        site.channels.iter().map(|stack| stack.iter().map(chunks).collect()).collect();
    let is_absent =
        |counted: &Vec<(usize, usize)>| !counted.is_empty() && counted.iter().all(|(n_there, _)| *n_there == 0);
    let absent = (0..counted.len()).find(|&channel| is_absent(&counted[channel]));
    let in_words = |channel: usize| {
        let (path, channel) = (site.channels[channel][0].path.display(), &channels[channel]);
        format!("{path}: not one chunk of channel `{channel}` is there, so it would be black; copy the chunks")
    };
    Chunks {
        absent: absent.map(in_words),
        n_partly_written: counted.iter().flatten().filter(|(n_there, n)| *n_there > 0 && n_there < n).count(),
    }
}

/// Of each site, the first image whose numbers are of another type than most of the same plate and channel have, in words:
/// its intensities are not theirs.
fn odd_sample_types(screen: &ImageScreen, headers: &Headers) -> Vec<Option<String>> {
    let type_of = |plane: &Plane| shape_of(plane, &headers[plane.path.as_path()]).ok().map(|shape| shape.sample_type);
    let stacks = |row: usize| screen.sites[row].channels.iter().enumerate();
    let plate = |row: usize| screen.table.unit(row).plate.as_str();
    let mut counts = BTreeMap::<(&str, usize), BTreeMap<_, usize>>::new();
    for row in 0..screen.sites.len() {
        for (channel, stack) in stacks(row) {
            for sample_type in stack.iter().filter_map(type_of) {
                *counts.entry((plate(row), channel)).or_default().entry(sample_type).or_default() += 1;
            }
        }
    }
    let usual = |row: usize, channel: usize| {
        let counts = counts.get(&(plate(row), channel))?;
        // Of equally many the first.
        counts.iter().rev().max_by_key(|(_, n)| **n).map(|(sample_type, _)| *sample_type)
    };
    let word = |sample_type| format!("{sample_type:?}").to_lowercase();
    let of_row = |row: usize| {
        stacks(row).find_map(|(channel, stack)| {
            let usual = usual(row, channel)?;
            let plane = stack.iter().find(|plane| type_of(plane).is_some_and(|sample_type| sample_type != usual))?;
            Some(format!(
                "{}: its pixels are {}, but other images of {} on the plate are {}, so that their intensities do \
                 not compare; export it as the others were",
                plane.path.display(),
                word(type_of(plane)?),
                match screen.channels[channel].as_str() {
                    "" => "the channel".to_owned(),
                    name => format!("channel `{name}`"),
                },
                word(usual)
            ))
        })
    };
    (0..screen.sites.len()).map(of_row).collect()
}

/// Whether a channel is gray in one file and in color in another: which of the colors it would be is not told.
fn check_samples<'a>(
    site: &'a ImageSite,
    headers: &Headers,
    first_of: &mut [Option<(Samples, &'a Path)>],
) -> Result<(), String> {
    for (stack, first) in site.channels.iter().zip(first_of) {
        for plane in stack {
            let (Header::Pages(info), &Selector::Page { page, .. }) = (&headers[plane.path.as_path()], &plane.selector)
            else {
                continue;
            };
            let samples = info.pages[page as usize].meaning;
            let &mut (samples_of_first, path) = first.get_or_insert((samples, &plane.path));
            if samples_of_first != samples {
                return Err(format!(
                    "{}: each pixel has {samples}, but {samples_of_first} in {} of the same channel",
                    plane.path.display(),
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

fn shape_of(plane: &Plane, header: &Header) -> Result<Shape, String> {
    let path = plane.path.display();
    match (header, &plane.selector) {
        (Header::Missing, _) => Err(format!("{path}: no such file")),
        (Header::Unreadable(reason), _) => Err(reason.clone()),
        (Header::Pages(info), &Selector::Page { page, sample }) => match info.pages.get(page as usize) {
            None => Err(format!("{path}: has no page {page}: it has {}, counted from 0", info.pages.len())),
            Some(&Page { samples, .. }) if sample >= samples => {
                Err(format!("{path}: has no sample {sample}: each pixel has {samples}, counted from 0"))
            }
            Some(&Page { width, height, .. }) if u64::from(width) * u64::from(height) > pixels::MAX_PIXELS => {
                Err(format!("{path}: {width} x {height} pixels, expected at most {} at once", pixels::MAX_PIXELS))
            }
            Some(&Page { width, height, sample_type, .. }) => Ok(Shape { width, height, sample_type }),
        },
        (Header::Array { leading, shape, .. }, Selector::Zarr { index }) => {
            let is_inside = leading.len() == index.len() && leading.iter().zip(index).all(|(size, at)| at < size);
            if is_inside {
                Ok(*shape)
            } else {
                Err(format!("{path}: has no plane {index:?}; its axes are {leading:?}"))
            }
        }
        (Header::Pages(_), Selector::Zarr { .. }) | (Header::Array { .. }, Selector::Page { .. }) => {
            Err(format!("{path}: is given both as a file and as an array"))
        }
    }
}
