//! Files of several pages or samples -> planes.
//!
//! Sheets and folders name files, not pages. What a file's pages are is declared (`pages` under `[images]`: names of
//! channels, or `"z"`) or told by ImageJ, which counts channels, slices and frames; without either they are channels
//! called `page 1`, `page 2`, …, and a note says so. Frames make several rows of one. Of color images the samples become
//! channels called red, green and blue; alpha is left out. Pages are those of each file; what the samples are is told by
//! the first file of each channel, and the survey finds those that differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::listing::{Listed, Listing, Named, Row, repeated};
use super::pixels::{self, ImageInfo, ImageJ, Samples};
use super::settings::{ImageSettings, Pages};
use super::survey::{Header, Headers, headers};
use crate::load::error::LoadError;
use crate::screen::{Selector, Time};

/// A page of a file: what it adds to the channel's name, and its place in the stack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    word: String,
    z: i64,
    frame: i64,
}

/// Replaces each named file by the planes in it; gives the headers of the files that were looked at.
///
/// # Errors
/// If the declared channels are not as many as the pages, or a file holds frames of a row that has a time.
pub(super) fn expand(listing: &mut Listing, settings: &ImageSettings) -> Result<Headers, LoadError> {
    let named = listing.rows.iter().flat_map(|row| &row.planes).filter(|listed| listed.named != Named::Plane);
    let files: BTreeSet<PathBuf> = named.map(|listed| listed.plane.path.clone()).collect();
    let headers = headers(files.iter().map(|path| (path.as_path(), false)));
    // A file that cannot be read is told by the survey; the next one may tell more.
    let info = |path: &PathBuf| match headers.get(path) {
        Some(Header::Pages(info)) => Some(info),
        _ => None,
    };
    if let Some(Pages::Channels(names)) = &settings.pages {
        let whole = listing.rows.iter().flat_map(|row| &row.planes).filter(|listed| listed.named == Named::File);
        for listed in whole {
            if let Some(info) = info(&listed.plane.path).filter(|info| info.pages.len() != names.len()) {
                let message =
                    format!("{} pages, but `pages` under [images] names {} channels", info.pages.len(), names.len());
                return Err(pixels::bad(&listed.plane.path, message));
            }
        }
    }
    let mut samples = BTreeMap::<&str, Samples>::new();
    for listed in listing.rows.iter().flat_map(|row| &row.planes).filter(|listed| listed.named != Named::Plane) {
        if let Some(page) = info(&listed.plane.path).and_then(|info| info.pages.first()) {
            samples.entry(&listed.channel).or_insert(page.meaning);
        }
    }
    let samples: BTreeMap<String, Samples> =
        samples.into_iter().map(|(channel, samples)| (channel.to_owned(), samples)).collect();
    let words = channel_words(files.iter().filter_map(info));
    let places_of = |listed: &Listed| -> Vec<(u32, Place)> {
        let one = |page| vec![(page, Place { word: String::new(), z: 0, frame: 0 })];
        match (&listed.plane.selector, info(&listed.plane.path)) {
            (&Selector::Page { page, .. }, _) if listed.named == Named::Page => one(page),
            (_, Some(info)) => (0..).zip(places(info, settings, words.as_deref())).collect(),
            (_, None) => one(0),
        }
    };
    note(listing, settings, files.iter().filter_map(info), &samples);

    // Channels keep their order, and those within one that of its pages and samples.
    let mut within = BTreeMap::<String, Vec<String>>::new();
    let (mut rows, mut origins) = (Vec::with_capacity(listing.rows.len()), Vec::new());
    for (origin, row) in listing.rows.iter().enumerate() {
        let mut frames = BTreeMap::<i64, Vec<Listed>>::new();
        for listed in &row.planes {
            if listed.named == Named::Plane {
                frames.entry(0).or_default().push(listed.clone());
                continue;
            }
            for (page, place) in places_of(listed) {
                let names = sample_names(samples.get(&listed.channel).copied().unwrap_or(Samples::Gray));
                for (sample, name) in (0..).zip(names) {
                    let channel = joined(&[&listed.channel, &place.word, &name]);
                    let channels = within.entry(listed.channel.clone()).or_default();
                    if !channels.contains(&channel) {
                        channels.push(channel.clone());
                    }
                    let mut plane = listed.plane.clone();
                    plane.selector = Selector::Page { page, sample };
                    let z = listed.z + place.z;
                    frames.entry(place.frame).or_default().push(Listed::plane(channel, z, plane));
                }
            }
        }
        if frames.len() < 2 {
            rows.push(Row { planes: frames.into_values().flatten().collect(), ..row.clone() });
            origins.push(origin);
            continue;
        }
        let file = &row.planes[0].plane.path;
        if row.time.is_some() {
            let message = format!(
                "{} holds {} frames, but its row is given a time; name single images, or a file once and without time",
                file.display(),
                frames.len()
            );
            return Err(LoadError::ImageSheet { place: listing.table.place(origin), message });
        }
        let step = info(file).and_then(|info| info.imagej.as_ref()?.frame_hours);
        for (frame, planes) in frames {
            let time = Time { frame, hours: step.map(|step| step * frame as f64) };
            rows.push(Row { planes, time: Some(time), ..row.clone() });
            origins.push(origin);
        }
    }
    if rows.len() > listing.rows.len() {
        listing.table = repeated(&listing.table, &origins);
    }
    listing.rows = rows;
    if within.iter().any(|(channel, channels)| channels.as_slice() != [channel.as_str()]) {
        let channels: Vec<String> = match listing.channel_order.as_slice() {
            [] => within.keys().cloned().collect(),
            order => order.to_vec(),
        };
        let order = channels.into_iter().map(|channel| within.get(&channel).cloned().unwrap_or(vec![channel]));
        listing.channel_order = order.flatten().collect();
    }
    Ok(headers)
}

/// The places of a file's pages.
fn places(info: &ImageInfo, settings: &ImageSettings, words: Option<&[String]>) -> Vec<Place> {
    let place = |page: usize| match (&settings.pages, stack_of(info)) {
        (Some(Pages::Stack(_)), _) => Place { word: String::new(), z: page as i64, frame: 0 },
        (Some(Pages::Channels(names)), _) => Place { word: names[page].clone(), z: 0, frame: 0 },
        (None, Some(imagej)) => {
            let (channel, z, frame) = imagej.place(page as u64);
            let word = match words.and_then(|words| words.get(channel as usize)) {
                _ if imagej.channels == 1 => String::new(),
                Some(word) => word.clone(),
                None => format!("channel {}", channel + 1),
            };
            Place { word, z: z as i64, frame: frame as i64 }
        }
        (None, None) if info.pages.len() == 1 => Place { word: String::new(), z: 0, frame: 0 },
        (None, None) => Place { word: format!("page {}", page + 1), z: 0, frame: 0 },
    };
    (0..info.pages.len()).map(place).collect()
}

/// ImageJ's axes, where they make as many images as the file has pages.
fn stack_of(info: &ImageInfo) -> Option<&ImageJ> {
    let imagej = info.imagej.as_ref().filter(|_| info.pages.len() > 1)?;
    let n_images = [imagej.channels, imagej.slices, imagej.frames].into_iter().fold(1u64, u64::saturating_mul);
    (n_images == info.pages.len() as u64).then_some(imagej)
}

/// Names of the channels of ImageJ's stacks, if all files label them alike.
fn channel_words<'a>(infos: impl Iterator<Item = &'a ImageInfo>) -> Option<Vec<String>> {
    let mut stacks = infos.filter_map(stack_of).filter(|imagej| imagej.channels > 1);
    let first = stacks.next()?.channel_labels()?;
    let are_alike = stacks.all(|imagej| imagej.channel_labels().is_some_and(|labels| labels == first));
    are_alike.then(|| first.into_iter().map(str::to_owned).collect())
}

/// What the samples of a pixel add to the name of a channel.
pub(super) fn sample_names(samples: Samples) -> Vec<String> {
    match samples {
        Samples::Gray => vec![String::new()],
        Samples::Rgb => ["red", "green", "blue"].map(str::to_owned).to_vec(),
        Samples::Bands(n) => (1..=n).map(|sample| format!("sample {sample}")).collect(),
    }
}

/// The parts that are not empty, with blanks between them.
pub(super) fn joined(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn note<'a>(
    listing: &mut Listing,
    settings: &ImageSettings,
    infos: impl Iterator<Item = &'a ImageInfo>,
    samples: &BTreeMap<String, Samples>,
) {
    let (mut most, mut stacks) = (1, BTreeSet::new());
    for info in infos {
        match stack_of(info) {
            Some(imagej) => drop(stacks.insert((imagej.channels, imagej.slices, imagej.frames))),
            None => most = most.max(info.pages.len()),
        }
    }
    // Where each row says which page is its own, there is nothing to tell of the others.
    let has_files = listing.rows.iter().flat_map(|row| &row.planes).any(|listed| listed.named == Named::File);
    if settings.pages.is_none() && has_files {
        if most > 1 {
            listing.notes.push(format!(
                "files have {most} pages, taken as channels; name them with `pages = [\"…\", …]` under [images], or \
                 set `pages = \"z\"` if they are a stack"
            ));
        }
        if let Some((channels, slices, frames)) = stacks.last() {
            let kinds = if stacks.len() > 1 { "up to " } else { "" };
            listing.notes.push(format!(
                "pages are taken as ImageJ says: {kinds}{channels} channels, {slices} slices (z) and {frames} frames; \
                 if that is wrong, set `pages` under [images]"
            ));
        }
    }
    if samples.values().any(|&samples| samples != Samples::Gray) {
        listing.notes.push(
            "files are in color and each sample is taken as a channel; choose with `channels = [\"…\"]` under [images]"
                .to_owned(),
        );
    }
}
