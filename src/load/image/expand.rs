//! Files of several pages or samples -> planes.
//!
//! Sheets and folders name files, not pages. What a file's pages are is declared (`pages` under `[images]`: names of
//! channels, or `"z"`); without that they are channels called `page 1`, `page 2`, …, and a note says so. Of color
//! pictures the samples become channels called red, green and blue; alpha is left out. The first file of each channel
//! tells how many pages and samples all of them have; the survey finds those that differ.

use std::collections::BTreeMap;

use super::listing::{Listed, Listing};
use super::pixels;
use super::settings::{ImageSettings, Layout, Pages};
use crate::load::error::LoadError;
use crate::screen::Selector;

/// How the planes of a channel's files are called.
struct Inside {
    n_pages: usize,
    n_samples: usize,
}

/// Replaces each named file by the planes in it.
///
/// # Errors
/// If the declared channels are not as many as the pages.
pub(super) fn expand(listing: &mut Listing, settings: &ImageSettings) -> Result<(), LoadError> {
    let names_files = [Layout::Sheet, Layout::LoadData, Layout::Bbbc021, Layout::Folder, Layout::ImageXpress];
    if !names_files.contains(&listing.layout) {
        return Ok(());
    }
    let mut inside = BTreeMap::<String, Inside>::new();
    for listed in listing.rows.iter().flat_map(|row| &row.planes) {
        if inside.contains_key(&listed.channel) {
            continue;
        }
        // A file that cannot be read is told by the survey; the next one may tell more.
        let Ok(info) = pixels::probe(&listed.plane.path) else { continue };
        let n_samples = info.pages.first().map_or(1, |page| usize::from(page.samples));
        let found = Inside { n_pages: info.pages.len(), n_samples };
        if let Some(Pages::Channels(names)) = &settings.pages
            && names.len() != found.n_pages
        {
            return Err(pixels::bad(
                &listed.plane.path,
                format!("{} pages, but `pages` under [images] names {} channels", found.n_pages, names.len()),
            ));
        }
        inside.insert(listed.channel.clone(), found);
    }
    if inside.values().all(|inside| inside.n_pages == 1 && inside.n_samples == 1) && settings.pages.is_none() {
        return Ok(());
    }
    note(listing, settings, &inside);
    let mut order = Vec::new();
    let channels: Vec<String> = match listing.channel_order.as_slice() {
        [] => inside.keys().cloned().collect(),
        order => order.to_vec(),
    };
    for channel in &channels {
        for (name, ..) in inside.get(channel).map(|inside| parts(channel, inside, settings)).unwrap_or_default() {
            if !order.contains(&name) {
                order.push(name);
            }
        }
    }
    listing.channel_order = order;
    for row in &mut listing.rows {
        let planes = std::mem::take(&mut row.planes);
        for listed in planes {
            let Some(inside) = inside.get(&listed.channel) else {
                row.planes.push(listed);
                continue;
            };
            for (channel, page, sample, z) in parts(&listed.channel, inside, settings) {
                let mut plane = listed.plane.clone();
                plane.selector = Selector::Page { page, sample };
                row.planes.push(Listed { channel, z: listed.z + z, plane });
            }
        }
    }
    Ok(())
}

/// Channel, page, sample and z of each plane in a file.
fn parts(channel: &str, inside: &Inside, settings: &ImageSettings) -> Vec<(String, u32, u16, i64)> {
    const COLORS: [&str; 3] = ["red", "green", "blue"];
    let joined = |a: &str, b: &str| [a, b].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let n_samples = if inside.n_samples == 4 { 3 } else { inside.n_samples };
    let mut parts = Vec::new();
    for page in 0..inside.n_pages {
        let (of_page, z) = match &settings.pages {
            Some(Pages::Stack(_)) => (channel.to_owned(), page as i64),
            Some(Pages::Channels(names)) => (joined(channel, &names[page]), 0),
            None if inside.n_pages == 1 => (channel.to_owned(), 0),
            None => (joined(channel, &format!("page {}", page + 1)), 0),
        };
        for sample in 0..n_samples {
            let color = COLORS.get(sample).copied().unwrap_or_default();
            let name = match n_samples {
                1 => of_page.clone(),
                3 => joined(&of_page, color),
                _ => joined(&of_page, &format!("sample {}", sample + 1)),
            };
            parts.push((name, page as u32, sample as u16, z));
        }
    }
    parts
}

fn note(listing: &mut Listing, settings: &ImageSettings, inside: &BTreeMap<String, Inside>) {
    let most = inside.values().map(|inside| inside.n_pages).max().unwrap_or(1);
    if most > 1 && settings.pages.is_none() {
        listing.notes.push(format!(
            "files have {most} pages, taken as channels; name them with `pages = [\"…\", …]` under [images], or set \
             `pages = \"z\"` if they are a stack"
        ));
    }
    if inside.values().any(|inside| inside.n_samples > 1) {
        listing.notes.push(
            "files are in color and each sample is taken as a channel; choose with `channels = [\"…\"]` under [images]"
                .to_owned(),
        );
    }
}
