//! Crops of images, decoded once: `cache/KEY/shard-00000.crops`, ….
//!
//! ```text
//! "cytocrop" <length of the header: u64> <header: JSON> <pixels>
//! header: { "n_channels": 1, "size": 48, "sample": "u8", "crops": [{ "row": 0, "object": { "id": 3, … } }, …] }
//! pixels: [crop, channel, size, size], little-endian, as the files hold them: intensities are scaled when they are read
//! ```
//!
//! The key is a hash of what the crops are made of: the planes of every site with the length and time of change of
//! their files, the objects, and the settings. A shard holds the crops of up to [`SITES_PER_SHARD`] sites of one plate
//! and appears whole or not at all, so a build that was stopped goes on with the shards that are missing. The sites of
//! a shard are decoded on all cores; one shard is in memory at a time. The bytes do not depend on the number of
//! threads.
//!
//! Crops are read from the files when they are asked for; the system keeps in memory what fits.

mod shard;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shard::Shard;

use super::RunError;
use crate::load::LoadError;
use crate::load::image::pixels::PixelValues;
use crate::load::image::{Edge, Stack, crop, find_nuclei, objects_of_labels, read_labels, read_site, tiles};
use crate::screen::{ImageScreen, ImageSite, Object};

/// Most sites whose crops share a file.
pub const SITES_PER_SHARD: usize = 32;

/// What crops are cut around.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centers {
    /// The objects of the card's table.
    Objects,
    /// The objects of the label images.
    Masks,
    /// A grid that covers the image.
    #[default]
    Tiles,
    /// What the built-in finder of nuclei takes for nuclei; see [`find_nuclei`].
    Nuclei {
        /// The channel to look at.
        channel: String,
        /// Fewest pixels of a nucleus.
        min_area: usize,
    },
}

/// How crops are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CropSettings {
    /// Side in pixels.
    pub size: usize,
    /// What they are cut around.
    pub centers: Centers,
    /// What becomes of crops that reach beyond the edge.
    pub edge: Edge,
}

impl Default for CropSettings {
    fn default() -> Self {
        Self { size: 96, centers: Centers::Tiles, edge: Edge::Zero }
    }
}

/// A crop: the row of the screen it comes from, and what it is cut around.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Row of the [`ImageScreen`].
    pub row: usize,
    /// The object in its middle.
    pub object: Object,
}

/// Crops on disk, and where each is.
#[derive(Debug)]
pub struct CropCache {
    folder: PathBuf,
    n_channels: usize,
    size: usize,
    crops: Vec<Crop>,
    /// Shard and position within it, for each crop.
    places: Vec<(u32, u32)>,
    shards: Vec<Shard>,
}

impl CropCache {
    /// The crops of a screen in `folder`; those that are not there yet are made. `objects` are those of the card's
    /// table, `[site][object]`; `progress` is told how many of how many shards are done.
    ///
    /// # Errors
    /// If a site cannot be decoded, the settings ask for objects, masks or a channel that are not there, or the disk
    /// refuses.
    pub fn build(
        folder: &Path,
        screen: &ImageScreen,
        objects: Option<&[Vec<Object>]>,
        settings: &CropSettings,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Self, RunError> {
        check(folder, screen, objects, settings)?;
        let folder = folder.join(key(screen, objects, settings));
        std::fs::create_dir_all(&folder).map_err(RunError::write(&folder))?;
        let shards = shards(screen);
        let mut cache = Self {
            n_channels: screen.channels.len(),
            size: settings.size,
            crops: Vec::new(),
            places: Vec::new(),
            shards: Vec::new(),
            folder,
        };
        for (index, rows) in shards.iter().enumerate() {
            let path = cache.folder.join(format!("shard-{index:05}.crops"));
            if !path.exists() {
                make(&path, screen, rows, objects, settings)?;
            }
            cache.add(&path)?;
            progress(index + 1, shards.len());
        }
        Ok(cache)
    }

    /// The folder of these crops.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All crops: sites in the order of the screen, objects in the order of their ids.
    pub fn crops(&self) -> &[Crop] {
        &self.crops
    }

    /// Channels of each crop.
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// Side of each crop in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Reads the crops at `indices` as they were measured, `[crop, channel, size, size]`, on all cores.
    ///
    /// # Errors
    /// If a file was changed or removed since it was opened.
    ///
    /// # Panics
    /// If an index is none of a crop.
    pub fn gather(&self, indices: &[usize]) -> Result<Vec<f32>, RunError> {
        let n = self.n_channels * self.size * self.size;
        let mut values = vec![0f32; indices.len() * n];
        values.par_chunks_mut(n.max(1)).zip(indices).try_for_each(|(values, &index)| {
            let (shard, position) = self.places[index];
            self.shards[shard as usize].read(position, values)
        })?;
        Ok(values)
    }

    /// Opens a shard and appends its crops.
    fn add(&mut self, path: &Path) -> Result<(), RunError> {
        let (shard, crops) = Shard::open(path, self.n_channels, self.size)?;
        let index = self.shards.len() as u32;
        self.places.extend((0..crops.len() as u32).map(|position| (index, position)));
        self.crops.extend(crops);
        self.shards.push(shard);
        Ok(())
    }
}

/// Refuses settings that the screen cannot fulfil.
fn check(
    folder: &Path,
    screen: &ImageScreen,
    objects: Option<&[Vec<Object>]>,
    settings: &CropSettings,
) -> Result<(), RunError> {
    let refused = |problem: String| Err(RunError::damaged(folder, problem));
    let n_sites = screen.n_sites();
    if settings.size == 0 || settings.size > 4096 {
        return refused(format!("crops of {} pixels, expected 1 to 4096", settings.size));
    }
    match &settings.centers {
        Centers::Objects if objects.is_none_or(|objects| objects.len() != n_sites) => refused(
            "crops around objects need a table of objects for every site ([images.objects] in the card)".to_owned(),
        ),
        Centers::Masks => match screen.sites.iter().position(|site| site.mask.is_none()) {
            Some(row) => {
                let place = &screen.table.observations[row];
                let well = place.well.map(|well| well.to_string()).unwrap_or_default();
                refused(format!(
                    "crops around the objects of masks need one for every site; plate `{}`, well {well} has none",
                    place.plate
                ))
            }
            None => Ok(()),
        },
        Centers::Nuclei { channel, .. } if !screen.channels.contains(channel) => refused(format!(
            "nuclei are to be found in channel `{channel}`; the channels are {}",
            screen.channels.join(", ")
        )),
        _ => Ok(()),
    }
}

/// Rows of each shard: consecutive sites of one plate.
fn shards(screen: &ImageScreen) -> Vec<Vec<usize>> {
    let mut shards: Vec<Vec<usize>> = Vec::new();
    let plate = |row: usize| &screen.table.observations[row].plate;
    for row in 0..screen.n_sites() {
        match shards.last_mut() {
            Some(rows) if rows.len() < SITES_PER_SHARD && plate(rows[0]) == plate(row) => rows.push(row),
            _ => shards.push(vec![row]),
        }
    }
    shards
}

/// Decodes the sites at `rows` and writes their crops.
fn make(
    path: &Path,
    screen: &ImageScreen,
    rows: &[usize],
    objects: Option<&[Vec<Object>]>,
    settings: &CropSettings,
) -> Result<(), RunError> {
    // Collected before the first error is looked for, so that the error named is the first and not the fastest.
    let made: Vec<Result<Vec<(Crop, PixelValues)>, LoadError>> = rows
        .par_iter()
        .map(|&row| {
            let of_table = objects.map(|objects| objects[row].as_slice()).unwrap_or_default();
            crops_of(screen, row, of_table, settings)
        })
        .collect();
    let crops = made.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    shard::write(path, screen.channels.len(), settings.size, &crops)
}

fn crops_of(
    screen: &ImageScreen,
    row: usize,
    objects: &[Object],
    settings: &CropSettings,
) -> Result<Vec<(Crop, PixelValues)>, LoadError> {
    let site = &screen.sites[row];
    let stack = read_site(site)?;
    let found;
    let objects = match &settings.centers {
        Centers::Objects => objects,
        centers => {
            found = centers_of(centers, site, &stack, &screen.channels, settings.size)?;
            found.as_slice()
        }
    };
    let cut = objects.iter().filter_map(|object| {
        let values = crop(&stack, object, settings.size, settings.edge)?;
        Some((Crop { row, object: *object }, values))
    });
    Ok(cut.collect())
}

fn centers_of(
    centers: &Centers,
    site: &ImageSite,
    stack: &Stack,
    channels: &[String],
    size: usize,
) -> Result<Vec<Object>, LoadError> {
    let (height, width) = (stack.height, stack.width);
    Ok(match centers {
        Centers::Objects => Vec::new(),
        Centers::Tiles => tiles(height, width, size),
        Centers::Masks => match &site.mask {
            Some(mask) => objects_of_labels(&read_labels(mask)?),
            None => Vec::new(),
        },
        Centers::Nuclei { channel, min_area } => {
            let channel = channels.iter().position(|name| name == channel).unwrap_or(0);
            let values = stack.values.to_f32();
            let channel = &values[channel * height * width..(channel + 1) * height * width];
            objects_of_labels(&find_nuclei(channel, height, width, *min_area))
        }
    })
}

/// A hash of all that the crops are made of.
fn key(screen: &ImageScreen, objects: Option<&[Vec<Object>]>, settings: &CropSettings) -> String {
    let mut hash = Sha256::new();
    let mut take = |text: String| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    take(format!("{settings:?} {:?}", screen.channels));
    for (row, site) in screen.sites.iter().enumerate() {
        let masks = site.mask.as_ref().map(|mask| mask.values);
        take(format!("{} {:?} {masks:?}", screen.table.observations[row].plate, site.projection));
        for plane in site.channels.iter().flatten().chain(site.mask.as_ref().map(|mask| &mask.plane)) {
            let about = std::fs::metadata(&plane.path).ok();
            let changed = about.as_ref().and_then(|about| about.modified().ok());
            let changed = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let length = about.map(|about| about.len());
            take(format!("{plane:?} {length:?} {:?}", changed.map(|time| time.as_nanos())));
        }
        if settings.centers == Centers::Objects {
            take(format!("{:?}", objects.map(|objects| &objects[row])));
        }
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
