//! Crops of images, decoded once: `cache/KEY/shard-00000.crops`, ….
//!
//! ```text
//! "cytocrop" <pixels> <index: JSON> <length of the index: u64> "cytocrop"
//! pixels: [crop, channel, size, size], little-endian, as the files hold them: intensities are scaled when they are read
//! index: { "n_channels": 1, "size": 48,
//!          "sites": [{ "row": 0, "sample": "u8", "objects": [{ "id": 3, … }, …] }, …],
//!          "files": [{ "row": 0, "name": "W001_T0.png", "bytes": 21045, "sha256": "…" }, …] }
//! ```
//!
//! The key is a hash of what the crops are made of: the planes of every site with the length and time of change of
//! their files, the objects, and the settings. A shard holds the crops of up to [`SITES_PER_SHARD`] sites of one plate
//! and appears whole or not at all, so a build that was stopped goes on with the shards that are missing. Sites are
//! decoded on all cores, as many at once as there are threads, and written before the next are decoded. The bytes do
//! not depend on the number of threads.
//!
//! Each image file is hashed once, beside its first site, so that a run knows what it was made from; while length and
//! time of change stay the same, a file is taken to be the same.
//!
//! Shards are mapped into memory: of their pixels the system holds what is used and what it has room for.

mod files;
mod shard;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(super) use files::fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shard::{Shard, SiteCrops, Writer};

use super::cut::{Edge, binned, crop, tiles};
use super::error::CropError;
use super::flat_field::FlatField;
use super::nuclei::find_nuclei;
use crate::load::image::{Stack, objects_of_labels, read_labels, read_site};
use crate::load::{InputHash, LoadError, hexadecimal};
use crate::screen::{ChannelScale, ImageScreen, ImageSite, MappedFile, Object, StoredRow, StoredRows};
use crate::table::{FileError, sweep_partials, write_atomically};

/// Most sites whose crops share a file.
pub const SITES_PER_SHARD: usize = 32;

/// Part of the key, so that shards of another form are made anew.
const FORMAT: u32 = 2;

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
    /// Side in pixels, of the binned image.
    pub size: usize,
    /// Pixels along each side of the squares whose means are the pixels that crops are cut from; 1 leaves images as
    /// they are.
    pub binning: usize,
    /// What they are cut around.
    pub centers: Centers,
    /// What becomes of crops that reach beyond the edge.
    pub edge: Edge,
}

impl Default for CropSettings {
    fn default() -> Self {
        Self { size: 96, binning: 1, centers: Centers::Tiles, edge: Edge::Zero }
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
    /// One for each crop, not scaled.
    places: Vec<StoredRow>,
    shards: Vec<MappedFile>,
    /// Row of the screen that uses it first, and hash of each image file.
    files: Vec<(usize, InputHash)>,
}

/// What crops are made of.
#[derive(Clone, Copy)]
struct Source<'a> {
    screen: &'a ImageScreen,
    objects: Option<&'a [Vec<Object>]>,
    settings: &'a CropSettings,
    flat_field: Option<&'a FlatField>,
}

impl CropCache {
    /// The crops of a screen in `folder`; those that are not there yet are made.
    ///
    /// `objects` are those of the card's table, `[site][object]`; where a `flat_field` is given, images are divided by it.
    /// While crops are made, `progress` is told how many of how many sites are done, and says whether to go on.
    ///
    /// Of two processes that make the same crops at once the second waits for the first.
    ///
    /// # Errors
    /// If a site cannot be decoded, the settings ask for objects, masks or a channel that are not there, or the disk
    /// refuses; [`CropError::Stopped`] where `progress` breaks off.
    pub fn build(
        folder: &Path,
        screen: &ImageScreen,
        objects: Option<&[Vec<Object>]>,
        settings: &CropSettings,
        flat_field: Option<&FlatField>,
        progress: &dyn Fn(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, CropError> {
        let source = Source { screen, objects, settings, flat_field };
        source.check(folder)?;
        let files = files::first_used(screen, settings.centers == Centers::Masks);
        let folder = folder.join(source.key(&files));
        std::fs::create_dir_all(&folder).map_err(FileError::write(&folder))?;
        let (n_channels, size) = (screen.channels.len(), settings.size);
        let (crops, places, shards) = (Vec::new(), Vec::new(), Vec::new());
        let mut cache = Self { folder, n_channels, size, crops, places, shards, files: Vec::new() };
        let mut lock = None;
        let mut n_done = 0;
        let shards = shard_rows(screen);
        for (index, rows) in shards.iter().enumerate() {
            let path = cache.folder.join(format!("shard-{index:05}.crops"));
            if !path.exists() && lock.is_none() {
                let total = screen.n_sites();
                let wait = || match progress(n_done, total) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(CropError::Stopped { done: n_done, total }),
                };
                lock = Some(locked(&cache.folder, &wait)?);
            }
            // Looked for again, since another process may have made it before this one had the lock.
            if !path.exists() {
                let files = &files[rows[0]..rows[0] + rows.len()];
                source.make(&path, rows, files, n_done, progress)?;
            }
            cache.add(&path, rows)?;
            n_done += rows.len();
        }
        if lock.is_some() && progress(n_done, n_done).is_break() {
            return Err(CropError::Stopped { done: n_done, total: n_done });
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

    /// Side of each crop in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The crops at `indices` as rows `[channel, size, size]` that are read when they are needed, each scaled by the
    /// entry of `scales` that `scale_of` gives for it; an entry without channels leaves the pixels as they were measured.
    ///
    /// # Panics
    /// If an index is none of a crop, or there is no such scale.
    pub fn rows(
        &self,
        indices: &[usize],
        scales: Vec<Vec<ChannelScale>>,
        scale_of: impl Fn(&Crop) -> usize,
    ) -> StoredRows {
        let row = |&index: &usize| StoredRow { scale: scale_of(&self.crops[index]) as u32, ..self.places[index] };
        let rows: Vec<StoredRow> = indices.iter().map(row).collect();
        StoredRows::new(self.shards.clone(), scales, rows, self.n_channels * self.size * self.size)
    }

    /// The image files, those of each plate as one: how many, and the hash of their names, lengths and contents.
    pub fn inputs(&self, screen: &ImageScreen) -> Vec<InputHash> {
        let mut plates = BTreeMap::<&str, Vec<&InputHash>>::new();
        for (row, hash) in &self.files {
            plates.entry(&screen.table.unit(*row).plate).or_default().push(hash);
        }
        let of_plate = |(plate, hashes): (&str, Vec<&InputHash>)| {
            let words = if hashes.len() == 1 { "image file" } else { "image files" };
            let name = format!("{} {words} of plate {plate}", hashes.len());
            files::together(&name, hashes.into_iter().map(|hash| (hash.name.clone(), hash)))
        };
        plates.into_iter().map(of_plate).collect()
    }

    /// Opens the shard of the sites at `rows` and appends its crops.
    fn add(&mut self, path: &Path, rows: &[usize]) -> Result<(), CropError> {
        let Shard { file, crops, files } = Shard::open(path, self.n_channels, self.size)?;
        let mut named = crops.iter().map(|(row, ..)| row).chain(files.iter().map(|(row, _)| row));
        if !named.all(|row| rows.contains(row)) {
            return Err(CropError::damaged(path, "holds other sites; remove the file so that it is recreated"));
        }
        for (row, object, offset, sample) in crops {
            self.crops.push(Crop { row, object });
            self.places.push(StoredRow { file: self.shards.len() as u32, scale: 0, offset, sample });
        }
        self.shards.push(file);
        self.files.extend(files);
        Ok(())
    }
}

/// Takes the folder for this process and removes what a killed one left; `wait` says whether to go on waiting.
///
/// A file system without locks is used without: two processes may then make the same crops twice.
fn locked(folder: &Path, wait: &dyn Fn() -> Result<(), CropError>) -> Result<File, CropError> {
    let path = folder.join(".lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(FileError::write(&path))?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                wait()?;
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(FileError::write(&path)(error).into()),
        }
    }
    sweep_partials(folder)?;
    Ok(file)
}

/// Rows of each shard: consecutive sites of one plate.
fn shard_rows(screen: &ImageScreen) -> Vec<Vec<usize>> {
    let mut shards: Vec<Vec<usize>> = Vec::new();
    let plate = |row: usize| &screen.table.unit(row).plate;
    for row in 0..screen.n_sites() {
        match shards.last_mut() {
            Some(rows) if rows.len() < SITES_PER_SHARD && plate(rows[0]) == plate(row) => rows.push(row),
            _ => shards.push(vec![row]),
        }
    }
    shards
}

impl Source<'_> {
    /// Refuses settings that the screen cannot fulfil.
    fn check(self, folder: &Path) -> Result<(), CropError> {
        let Self { screen, objects, settings, flat_field: _ } = self;
        let refused = |problem: String| Err(CropError::damaged(folder, problem));
        let n_sites = screen.n_sites();
        if settings.size == 0 || settings.size > 4096 {
            return refused(format!("crops of {} pixels, expected 1 to 4096", settings.size));
        }
        if settings.binning == 0 || settings.binning > 256 {
            return refused(format!("pixels binned by {}, expected 1 to 256", settings.binning));
        }
        match &settings.centers {
            Centers::Objects if objects.is_none_or(|objects| objects.len() != n_sites) => refused(
                "crops around objects need a table of objects for every site ([images.objects] in the card)".to_owned(),
            ),
            Centers::Masks => match screen.sites.iter().position(|site| site.mask.is_none()) {
                Some(row) => {
                    let place = screen.table.unit(row);
                    let well = place.well.map(|well| well.to_string()).unwrap_or_default();
                    refused(format!(
                        "crops around the objects of masks need a mask for every site; plate `{}`, well {well} has \
                         none",
                        place.plate
                    ))
                }
                None => Ok(()),
            },
            Centers::Nuclei { channel, .. } if !screen.channels.contains(channel) => refused(format!(
                "channel `{channel}` is to be segmented; the channels are {}",
                screen.channels.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// A hash of all that the crops are made of; `files` are those of each site that no site before it uses.
    fn key(self, files: &[Vec<PathBuf>]) -> String {
        let Self { screen, objects, settings, flat_field } = self;
        let mut hash = Sha256::new();
        let mut take = |text: String| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        take(format!("{FORMAT} {settings:?} {:?}", screen.channels));
        if let Some(flat_field) = flat_field {
            take(serde_json::to_string(flat_field).expect("a field is plain numbers"));
        }
        let stamps: Vec<Vec<String>> =
            files.par_iter().map(|files| files.iter().map(|file| files::stamp(file)).collect()).collect();
        for (row, site) in screen.sites.iter().enumerate() {
            let masks = site.mask.as_ref().map(|mask| mask.values);
            take(format!("{} {:?} {masks:?}", screen.table.unit(row).plate, site.projection));
            for plane in files::planes(site, settings.centers == Centers::Masks) {
                take(format!("{plane:?}"));
            }
            stamps[row].iter().for_each(|stamp| take(stamp.clone()));
            if settings.centers == Centers::Objects {
                take(format!("{:?}", objects.map(|objects| &objects[row])));
            }
        }
        hexadecimal(&hash.finalize()[..16])
    }

    /// Decodes the sites at `rows` and writes their crops; `files` are those that each of them uses first, and `n_done`
    /// how many sites stand in shards before this one.
    fn make(
        self,
        path: &Path,
        rows: &[usize],
        files: &[Vec<PathBuf>],
        n_done: usize,
        progress: &dyn Fn(usize, usize) -> ControlFlow<()>,
    ) -> Result<(), CropError> {
        let n_at_once = rayon::current_num_threads().max(1);
        let mut failed = None;
        let written = write_atomically(path, |file| {
            let mut writer = Writer::new(file, self.screen.channels.len(), self.settings.size)?;
            for (first, rows) in (0..).step_by(n_at_once).zip(rows.chunks(n_at_once)) {
                let mut fail = |error: CropError| {
                    failed = Some(error);
                    std::io::Error::other("the sites of this file could not be decoded")
                };
                let total = self.screen.n_sites();
                if progress(n_done + first, total).is_break() {
                    return Err(fail(CropError::Stopped { done: n_done, total }));
                }
                // Collected before the first error is looked for, so that the error named is the first and not the fastest.
                let sites: Vec<Result<SiteCrops, CropError>> =
                    rows.par_iter().zip(&files[first..]).map(|(&row, files)| self.cut(row, files)).collect();
                for site in sites {
                    writer.add(site.map_err(&mut fail)?)?;
                }
            }
            writer.finish()
        });
        failed.map_or(written.map_err(CropError::from), Err)
    }

    /// The crops of one site, and the hashes of `files`.
    fn cut(self, row: usize, files: &[PathBuf]) -> Result<SiteCrops, CropError> {
        let Self { screen, objects, settings, flat_field } = self;
        let site = &screen.sites[row];
        let mut stack = read_site(site)?;
        if let Some(flat_field) = flat_field {
            flat_field.apply(&screen.table.unit(row).plate, &mut stack).map_err(|error| LoadError::Image {
                path: site.channels[0][0].path.clone(),
                message: error.to_string(),
            })?;
        }
        let objects = match &settings.centers {
            Centers::Objects => objects.map(|objects| objects[row].clone()).unwrap_or_default(),
            centers => centers_of(centers, site, &stack, &screen.channels, settings)?,
        };
        let factor = settings.binning;
        if stack.height < factor || stack.width < factor {
            let path = site.channels[0][0].path.clone();
            let message = format!(
                "{} x {} pixels, too few for images.crop.binning = {factor}; make it smaller",
                stack.width, stack.height
            );
            return Err(LoadError::Image { path, message }.into());
        }
        let stack = if factor == 1 { stack } else { binned(&stack, factor) };
        let cut = objects.into_iter().filter_map(|object| {
            let place = if factor == 1 { object } else { object.binned(factor) };
            let values = crop(&stack, &place, settings.size, settings.edge)?;
            Some((object, values))
        });
        let (objects, pixels) = cut.unzip();
        let files = files.iter().map(|file| files::hash(file)).collect::<Result<_, _>>()?;
        Ok(SiteCrops { row, objects, pixels, files })
    }
}

fn centers_of(
    centers: &Centers,
    site: &ImageSite,
    stack: &Stack,
    channels: &[String],
    settings: &CropSettings,
) -> Result<Vec<Object>, LoadError> {
    let (height, width) = (stack.height, stack.width);
    Ok(match centers {
        Centers::Objects => Vec::new(),
        Centers::Tiles => {
            let factor = settings.binning;
            let grid = tiles(height / factor, width / factor, settings.size);
            if factor == 1 { grid } else { grid.into_iter().map(|tile| tile.unbinned(factor)).collect() }
        }
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

#[cfg(test)]
mod tests;
