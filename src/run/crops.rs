//! Crops of images, decoded once: `cache/KEY/shard-00000.crops`, ….
//!
//! ```text
//! "cytocrop" <length of the header: u64> <header: JSON> <pixels>
//! header: { "n_channels": 1, "size": 48, "sample": "u8", "crops": [{ "row": 0, "object": { "id": 3, … } }, …] }
//! pixels: [crop, channel, size, size], little-endian, as the files hold them: intensities are scaled when they are read
//! ```
//!
//! The key is a hash of what the crops are made of: the planes of every site with the length and time of change of their
//! files, the objects, and the settings. A shard holds the crops of up to [`SITES_PER_SHARD`] sites of one plate and
//! appears whole or not at all, so a build that was stopped goes on with the shards that are missing. The sites of a
//! shard are decoded on all cores; one shard is in memory at a time. The bytes do not depend on the number of threads.
//!
//! Crops are read from the files when they are asked for; the system keeps in memory what fits.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{RunError, write_atomically};
use crate::load::LoadError;
use crate::load::image::pixels::PixelValues;
use crate::load::image::{Edge, Stack, crop, find_nuclei, objects_of_labels, read_labels, read_site, tiles};
use crate::screen::{ImageScreen, ImageSite, Object};

/// Most sites whose crops share a file.
pub const SITES_PER_SHARD: usize = 32;

const MAGIC: &[u8; 8] = b"cytocrop";
/// Longest header that is read.
const MAX_HEADER: u64 = 1 << 30;

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

#[derive(Debug)]
struct Shard {
    path: PathBuf,
    file: File,
    sample: Sample,
    /// Where the pixels begin.
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sample {
    U8,
    U16,
    U32,
    F32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    n_channels: usize,
    size: usize,
    sample: Sample,
    crops: Vec<Crop>,
}

impl CropCache {
    /// The crops of a screen in `folder`; those that are not there yet are made. `objects` are those of the card's table,
    /// `[site][object]`; `progress` is told how many of how many shards are done.
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
        values.par_chunks_mut(n.max(1)).zip(indices).try_for_each(|(values, &index)| self.read(index, values))?;
        Ok(values)
    }

    fn read(&self, index: usize, values: &mut [f32]) -> Result<(), RunError> {
        let (shard, position) = self.places[index];
        let shard = &self.shards[shard as usize];
        let mut bytes = vec![0u8; values.len() * shard.sample.bytes()];
        let offset = shard.start + u64::from(position) * bytes.len() as u64;
        read_at(&shard.file, &mut bytes, offset).map_err(RunError::read(&shard.path))?;
        match shard.sample {
            Sample::U8 => values.iter_mut().zip(&bytes).for_each(|(value, &byte)| *value = f32::from(byte)),
            Sample::U16 => {
                let pairs = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                values.iter_mut().zip(pairs).for_each(|(value, read)| *value = f32::from(read));
            }
            Sample::U32 => {
                let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                values.iter_mut().zip(words).for_each(|(value, read)| *value = read as f32);
            }
            Sample::F32 => {
                let words = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                values.iter_mut().zip(words).for_each(|(value, read)| *value = read);
            }
        }
        Ok(())
    }

    /// Opens a shard and appends its crops.
    fn add(&mut self, path: &Path) -> Result<(), RunError> {
        let read = RunError::read(path);
        let damaged =
            |problem: &str| RunError::damaged(path, format!("{problem}; remove the file to have it made anew"));
        let open = || -> std::io::Result<(File, u64, [u8; 16])> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut start = [0u8; 16];
            file.read_exact(&mut start)?;
            Ok((file, length, start))
        };
        let (mut file, length, start) = open().map_err(read)?;
        let header_length = u64::from_le_bytes(start[8..].try_into().expect("eight bytes"));
        if start[..8] != *MAGIC || header_length > MAX_HEADER.min(length - 16) {
            return Err(damaged("holds no crops"));
        }
        let mut text = vec![0u8; header_length as usize];
        file.read_exact(&mut text).map_err(RunError::read(path))?;
        let header: Header = serde_json::from_slice(&text).map_err(|_| damaged("has a header that cannot be read"))?;
        let start = 16 + header_length;
        let bytes = header.crops.len() * header.n_channels * header.size * header.size * header.sample.bytes();
        let is_whole = length == start + bytes as u64;
        if !is_whole || header.size != self.size || (header.n_channels != self.n_channels && !header.crops.is_empty()) {
            return Err(damaged("holds other crops than its header says"));
        }
        let shard = self.shards.len() as u32;
        self.places.extend((0..header.crops.len() as u32).map(|position| (shard, position)));
        self.crops.extend(header.crops);
        self.shards.push(Shard { path: path.to_path_buf(), file, sample: header.sample, start });
        Ok(())
    }
}

impl Sample {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    fn of(values: &PixelValues) -> Self {
        match values {
            PixelValues::U8(_) => Self::U8,
            PixelValues::U16(_) => Self::U16,
            PixelValues::U32(_) => Self::U32,
            PixelValues::F32(_) => Self::F32,
        }
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
    let mut samples: Vec<Sample> = crops.iter().map(|(_, values)| Sample::of(values)).collect();
    samples.dedup();
    let sample = match samples.as_slice() {
        [] => Sample::U8,
        [one] => *one,
        _ => Sample::F32,
    };
    let header = Header {
        n_channels: screen.channels.len(),
        size: settings.size,
        sample,
        crops: crops.iter().map(|(crop, _)| *crop).collect(),
    };
    let header = serde_json::to_vec(&header).expect("a header is plain numbers and words");
    write_atomically(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, values) in &crops {
            file.write_all(&bytes_of(values, sample))?;
        }
        Ok(())
    })
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

fn bytes_of(values: &PixelValues, sample: Sample) -> Vec<u8> {
    match (values, sample) {
        (PixelValues::U8(values), Sample::U8) => values.clone(),
        (PixelValues::U16(values), Sample::U16) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (PixelValues::U32(values), Sample::U32) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (values, _) => values.to_f32().iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
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

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, offset) = (&mut bytes[n..], offset + n as u64),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
