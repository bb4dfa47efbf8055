//! One file of crops; its form is told in the parent module.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::crop::CropError;
use crate::load::InputHash;
use crate::load::image::pixels::PixelValues;
use crate::screen::{MappedFile, Object, StoredType};
use crate::table::FileError;

const MAGIC: &[u8; 8] = b"cytocrop";
/// Bytes behind the index: its length, and the magic.
const END: u64 = 16;
/// Longest index that is read.
const MAX_INDEX: u64 = 1 << 30;

/// What a file of crops holds, behind its pixels.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    n_channels: usize,
    size: usize,
    sites: Vec<SiteIndex>,
    files: Vec<FileIndex>,
}

/// The crops of one site.
#[derive(Debug, Serialize, Deserialize)]
struct SiteIndex {
    row: usize,
    sample: StoredType,
    objects: Vec<Object>,
}

/// An image file whose first use is by a site of this shard.
#[derive(Debug, Serialize, Deserialize)]
struct FileIndex {
    row: usize,
    #[serde(flatten)]
    hash: InputHash,
}

/// What was cut out of one site.
pub(super) struct SiteCrops {
    /// Row of the screen.
    pub row: usize,
    /// What the crops were cut around.
    pub objects: Vec<Object>,
    /// One for each object, all of one type.
    pub pixels: Vec<PixelValues>,
    /// The image files that no site before this one uses.
    pub files: Vec<InputHash>,
}

/// Writes crops one site after the other, so that no more than what is at hand has to be in memory.
pub(super) struct Writer<W> {
    file: W,
    index: Index,
}

impl<W: Write> Writer<W> {
    /// Begins a file of crops of `size` pixels and `n_channels` channels.
    pub(super) fn new(mut file: W, n_channels: usize, size: usize) -> io::Result<Self> {
        file.write_all(MAGIC)?;
        Ok(Self { file, index: Index { n_channels, size, sites: Vec::new(), files: Vec::new() } })
    }

    /// Appends the crops of a site.
    pub(super) fn add(&mut self, site: SiteCrops) -> io::Result<()> {
        let SiteCrops { row, objects, pixels, files } = site;
        let sample = pixels.first().map_or(StoredType::U8, type_of);
        for values in &pixels {
            self.file.write_all(&bytes_of(values))?;
        }
        self.index.sites.push(SiteIndex { row, sample, objects });
        self.index.files.extend(files.into_iter().map(|hash| FileIndex { row, hash }));
        Ok(())
    }

    /// Writes the index.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let index = serde_json::to_vec(&self.index)?;
        self.file.write_all(&index)?;
        self.file.write_all(&(index.len() as u64).to_le_bytes())?;
        self.file.write_all(MAGIC)
    }
}

/// A file of crops that was opened and checked.
pub(super) struct Shard {
    pub file: MappedFile,
    /// Row of the screen, object, first byte and type of each crop.
    pub crops: Vec<(usize, Object, u64, StoredType)>,
    /// Row of the screen that uses it first, and hash of each image file.
    pub files: Vec<(usize, InputHash)>,
}

impl Shard {
    /// Opens a file that should hold crops of `size` pixels and `n_channels` channels.
    pub(super) fn open(path: &Path, n_channels: usize, size: usize) -> Result<Self, CropError> {
        let damaged =
            |problem: &str| CropError::damaged(path, format!("{problem}; remove the file so that it is recreated"));
        let length = path.metadata().map_err(FileError::read(path))?.len();
        if length < END + MAGIC.len() as u64 {
            return Err(damaged("is cut short"));
        }
        let file = MappedFile::open(path).map_err(FileError::read(path))?;
        let end = &file.bytes()[(length - END) as usize..];
        let index_length = u64::from_le_bytes(end[..8].try_into().expect("eight bytes"));
        let is_ours = file.bytes().starts_with(MAGIC) && end[8..] == *MAGIC;
        let most = length - END - MAGIC.len() as u64;
        if !is_ours || index_length > MAX_INDEX.min(most) {
            return Err(damaged("holds no crops"));
        }
        let end_of_pixels = length - END - index_length;
        let text = &file.bytes()[end_of_pixels as usize..(length - END) as usize];
        let index: Index = serde_json::from_slice(text).map_err(|_| damaged("has an index that cannot be read"))?;
        let n_samples = (n_channels * size * size) as u64;
        let mut crops = Vec::new();
        let mut offset = MAGIC.len() as u64;
        for SiteIndex { row, sample, objects } in index.sites {
            for object in objects {
                crops.push((row, object, offset, sample));
                offset = offset.saturating_add(n_samples * sample.bytes() as u64);
            }
        }
        if offset != end_of_pixels || index.size != size || index.n_channels != n_channels {
            return Err(damaged("holds crops other than its index says"));
        }
        let files = index.files.into_iter().map(|FileIndex { row, hash }| (row, hash)).collect();
        Ok(Self { file, crops, files })
    }
}

fn type_of(values: &PixelValues) -> StoredType {
    match values {
        PixelValues::U8(_) => StoredType::U8,
        PixelValues::U16(_) => StoredType::U16,
        PixelValues::U32(_) => StoredType::U32,
        PixelValues::F32(_) => StoredType::F32,
    }
}

fn bytes_of(values: &PixelValues) -> Vec<u8> {
    match values {
        PixelValues::U8(values) => values.clone(),
        PixelValues::U16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        PixelValues::U32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        PixelValues::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}
