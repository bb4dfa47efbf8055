//! Settings for images: what crops are cut around, their size, and the encoder for them.

use super::{Choice, split};
use crate::crop::find_nuclei;
use crate::load::LoadError;
use crate::load::image::{LoadedImages, Stack, read_labels, read_site};
use crate::screen::{ImageScreen, Object};

/// Sites in which the size of objects is measured.
const MEASURED_SITES: usize = 4;

/// Fewest pixels of what is taken for a nucleus when nuclei are measured.
const LEAST_AREA: usize = 30;

/// The largest side of an image that is one crop.
const WHOLE: usize = 320;

/// Largest side of a crop around an object, and of one of a tile, in pixels after binning.
const LARGEST_OBJECT: usize = 48;
const LARGEST_TILE: usize = 64;

/// Words in the names of channels that show nuclei.
const NUCLEAR: [&str; 7] = ["dapi", "hoechst", "dna", "nucle", "h2b", "draq", "sytox"];

/// What crops are cut around, as TOML, with the side of the square around one in pixels of the image.
struct Centers {
    value: String,
    why: String,
    side: usize,
    largest: usize,
}

/// The choices for `images`.
///
/// # Errors
/// If a site in which objects are measured cannot be decoded.
pub(super) fn choices(images: &LoadedImages) -> Result<Vec<Choice>, LoadError> {
    let screen = &images.screen;
    let centers = centers(images)?;
    let binning = centers.side.div_ceil(centers.largest).max(1);
    let size = (centers.side / binning).max(1);
    let binned = match binning {
        1 => format!("{size} pixels of the image"),
        _ => format!("{} pixels of the image, {binning} x {binning} of which become one", size * binning),
    };
    let n_channels = screen.channels.len();
    let widths = if size >= 40 { "[16, 32, 64]" } else { "[16, 32]" };
    let mut choices = vec![
        Choice::new("images.crop.centers", centers.value, centers.why),
        Choice::new("images.crop.size", size, binned),
        Choice::new("images.crop.binning", binning, "as above"),
        Choice::new("model.encoder.kind", "\"conv\"", "small crops, and few of them"),
        Choice::new("model.encoder.channels", n_channels, screen.channels.join(", ")),
        Choice::new("model.encoder.size", size, "the side of a crop"),
        Choice::new("model.encoder.widths", widths, "each halves the side"),
        Choice::new("model.encoder.pool", "\"mean\"", "what is in a crop counts, wherever it lies"),
        Choice::new("model.latent", 32, "narrower than for profiles, as images are fewer"),
        Choice::new("train.steps", 300, "enough for small images"),
        Choice::new("train.members", 1, "one model; `--members 3` makes an ensemble"),
        Choice::new("train.sigreg.lambda", 0.02, "few treatments do not fill all dimensions"),
        Choice::new("rank.by", "\"lewm\"", "simple methods predict features, and pixels are not features"),
    ];
    let is_lapse = screen.table.design.is_followed();
    choices.extend(if is_lapse { split::of_lapse(&screen.table) } else { split::of_images(&screen.table) });
    Ok(choices)
}

fn centers(images: &LoadedImages) -> Result<Centers, LoadError> {
    let screen = &images.screen;
    let around = |value: &str, why: String, side: usize| Centers {
        value: value.to_owned(),
        why,
        side: side.max(8),
        largest: LARGEST_OBJECT,
    };
    if let Some(objects) = &images.objects {
        let spacing = spacing(objects).unwrap_or(LARGEST_OBJECT);
        return Ok(around("\"objects\"", "the card names a table of objects".to_owned(), spacing));
    }
    let measured = sites_to_measure(screen, images);
    if screen.sites.iter().any(|site| site.mask.is_some()) {
        let side = side_of_masked(screen, &measured)?.unwrap_or(LARGEST_OBJECT);
        return Ok(around("\"masks\"", "the files have label images".to_owned(), side));
    }
    let is_nuclear = |name: &&String| NUCLEAR.iter().any(|word| name.to_lowercase().contains(word));
    let is_fixed = !screen.table.design.is_followed();
    if let Some(channel) = screen.channels.iter().find(is_nuclear).filter(|_| is_fixed)
        && let Some((area, n_nuclei)) = nuclei(screen, channel, &measured)?
    {
        let side = side_around(area);
        let min_area = (area / 4).max(LEAST_AREA);
        let value = format!("{{ nuclei = {{ channel = {channel:?}, min_area = {min_area} }} }}");
        let why = format!("{n_nuclei} nuclei in {} sites, of {area} pixels in the median", measured.len());
        return Ok(around(&value, why, side));
    }
    let shape = images.survey.shapes.iter().max_by_key(|(_, count)| **count).map(|(shape, _)| *shape);
    let side = shape.map_or(LARGEST_TILE, |shape| shape.width.min(shape.height) as usize);
    let (why, side) = if side <= WHOLE {
        ("small images without known objects: the middle of each, as large as fits".to_owned(), side)
    } else {
        ("no objects are known: squares that cover the image".to_owned(), 4 * LARGEST_TILE)
    };
    Ok(Centers { value: "\"tiles\"".to_owned(), why, side, largest: LARGEST_TILE })
}

/// A few rows over the whole screen whose images are all there.
fn sites_to_measure(screen: &ImageScreen, images: &LoadedImages) -> Vec<usize> {
    let complete = images.survey.complete(screen.n_sites());
    let step = complete.len().div_ceil(MEASURED_SITES).max(1);
    complete.into_iter().step_by(step).collect()
}

/// The side of a square that holds an object of that area and what lies around it.
fn side_around(area: usize) -> usize {
    // The diameter of a disk of that area, two and a half times: the cell around a nucleus.
    (2.5 * 2.0 * (area as f64 / std::f64::consts::PI).sqrt()).round() as usize
}

/// The middle of the areas of the nuclei in a few sites, and how many there are; `None` without any.
fn nuclei(screen: &ImageScreen, channel: &str, rows: &[usize]) -> Result<Option<(usize, usize)>, LoadError> {
    let position = screen.channels.iter().position(|name| name == channel).expect("a channel of the screen");
    let mut areas = Vec::new();
    for &row in rows {
        let mut site = screen.sites[row].clone();
        site.channels = vec![site.channels.swap_remove(position)];
        let Stack { height, width, values, .. } = read_site(&site)?;
        let labels = find_nuclei(&values.to_f32(), height, width, LEAST_AREA).labels;
        areas.extend(areas_of(&labels));
    }
    Ok(middle(&mut areas).map(|area| (area, areas.len())))
}

/// The side for the objects of label images in a few sites.
fn side_of_masked(screen: &ImageScreen, rows: &[usize]) -> Result<Option<usize>, LoadError> {
    let mut areas = Vec::new();
    for mask in rows.iter().filter_map(|&row| screen.sites[row].mask.as_ref()) {
        areas.extend(areas_of(&read_labels(mask)?.labels));
    }
    Ok(middle(&mut areas).map(side_around))
}

fn areas_of(labels: &[u32]) -> Vec<usize> {
    let mut areas = std::collections::BTreeMap::<u32, usize>::new();
    labels.iter().filter(|&&label| label > 0).for_each(|&label| *areas.entry(label).or_default() += 1);
    areas.into_values().collect()
}

/// The middle distance between an object and its nearest neighbor, over the first sites.
fn spacing(objects: &[Vec<Object>]) -> Option<usize> {
    const MOST_OBJECTS: usize = 500;
    let mut distances = Vec::new();
    for objects in objects.iter().filter(|objects| objects.len() > 1).take(MEASURED_SITES) {
        let objects = &objects[..objects.len().min(MOST_OBJECTS)];
        for (index, object) in objects.iter().enumerate() {
            let others = objects.iter().enumerate().filter(|(other, _)| *other != index);
            let nearest = others.map(|(_, other)| (other.x - object.x).hypot(other.y - object.y));
            distances.push(nearest.fold(f32::INFINITY, f32::min).round() as usize);
        }
    }
    middle(&mut distances).map(|distance| (2 * distance).clamp(16, 4 * LARGEST_OBJECT))
}

fn middle(values: &mut [usize]) -> Option<usize> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
