//! HDF5 files as far as tables need them: groups, attributes, and datasets of numbers, texts, truth values and records.
//!
//! This is the only file that reads with rust-hdf5. A file is a tree of groups with datasets as leaves, and both have
//! attributes. A dataset is an array of one type, stored in one piece or in chunks that filters have packed. What a file says
//! of its sizes is compared with its own size before anything is read, since a few bytes can claim any shape. Refused are
//! datasets whose values lie in other files, and types that no table has (references, lists, opaque bytes).

use std::ops::Range;
use std::path::{Path, PathBuf};

use rust_hdf5::{DatatypeMessage, FileLocking, H5Dataset, H5File, H5FileOptions, H5Group, LinkClass, StorageLayout};

use super::error::LoadError;
use super::text::FREE_BYTES;
use crate::table::quietly;

/// Largest ratio of what a dataset says it holds to the size of the file, for one that is read whole.
const MAX_RATIO_WHOLE: u64 = 100;

/// The same for one that is read in stretches; deflate packs zeros a thousandfold.
const MAX_RATIO: u64 = 1_100;

/// Bytes of a chunk, at most; one has to be unpacked at a time.
const MOST_CHUNK_BYTES: u64 = 1 << 28;

/// An open file.
pub(super) struct Hdf5 {
    file: H5File,
    pub path: PathBuf,
    n_bytes: u64,
}

/// What the values of a dataset are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Integer,
    Float,
    Text,
    Truth,
    /// Named fields of each record.
    Records,
    /// Something else, in words.
    Other(String),
}

/// A dataset of a file.
pub(super) struct Dataset<'a> {
    file: &'a Hdf5,
    /// Its path within the file.
    pub place: String,
    inner: H5Dataset,
    datatype: DatatypeMessage,
    pub element: Element,
    pub shape: Vec<usize>,
}

/// The values of a dataset with one axis, or of a field of records.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
    Truths(Vec<bool>),
}

impl Hdf5 {
    /// # Errors
    /// If the file is damaged, or not an HDF5 file.
    pub fn open(path: &Path, file: &Path) -> Result<Self, LoadError> {
        let n_bytes = std::fs::metadata(file).map_err(|cause| LoadError::io(file, cause))?.len();
        // A lock would keep others from a file that is only read, and some file systems have none.
        let open = || H5FileOptions::new().locking(FileLocking::Disabled).open(file);
        let file = match quietly(open) {
            Some(Ok(file)) => file,
            Some(Err(error)) => return Err(damaged(path, "", &broken(&error))),
            None => return Err(damaged(path, "", CONTRADICTION)),
        };
        Ok(Self { file, path: path.to_path_buf(), n_bytes })
    }

    fn group(&self, place: &str) -> Option<H5Group> {
        let root = self.file.root_group();
        if place.is_empty() { Some(root) } else { quietly(|| root.group(place).ok()).flatten() }
    }

    /// Whether there is a group at this place.
    pub fn is_group(&self, place: &str) -> bool {
        self.group(place).is_some()
    }

    /// Whether there is a dataset at this place.
    pub fn is_dataset(&self, place: &str) -> bool {
        let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
        let names = self.group(parent).and_then(|group| quietly(|| group.dataset_names().ok()).flatten());
        names.is_some_and(|names| names.iter().any(|known| known == name))
    }

    /// Names of the groups and datasets in a group, sorted.
    pub fn children(&self, place: &str) -> Vec<String> {
        let Some(group) = self.group(place) else { return Vec::new() };
        let listed = quietly(|| {
            let mut names = group.dataset_names().unwrap_or_default();
            names.extend(group.group_names().unwrap_or_default());
            names
        });
        let mut names = listed.unwrap_or_default();
        names.sort();
        names.dedup();
        names
    }

    /// The text of an attribute of a group.
    pub fn attribute(&self, place: &str, name: &str) -> Option<String> {
        let group = self.group(place)?;
        quietly(|| group.attr_string(name).ok()).flatten()
    }

    /// The dataset at a place.
    ///
    /// # Errors
    /// If there is none, it lies in other files, or it claims more than the file can hold.
    pub fn dataset(&self, place: &str) -> Result<Dataset<'_>, LoadError> {
        let opened = quietly(|| {
            let inner = self.file.dataset(place)?;
            let datatype = inner.datatype()?;
            let is_elsewhere = !inner.external_files()?.is_empty() || inner.storage_layout()? == StorageLayout::Virtual;
            let chunk = inner.chunk_dims();
            Ok::<_, rust_hdf5::Hdf5Error>((inner, datatype, is_elsewhere, chunk))
        });
        let (inner, datatype, is_elsewhere, chunk) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return Err(self.damaged(place, &broken(&error))),
            None => return Err(self.damaged(place, CONTRADICTION)),
        };
        if is_elsewhere || self.is_external(place) {
            return Err(
                self.damaged(place, "its values lie in another file, which is not opened; copy them into this one")
            );
        }
        let shape = inner.shape();
        let dataset =
            Dataset { file: self, place: place.to_owned(), element: element_of(&datatype), inner, datatype, shape };
        dataset.check_claim(MAX_RATIO)?;
        let n_chunk = chunk
            .iter()
            .flatten()
            .try_fold(dataset.n_element_bytes(), |product, &side| product.checked_mul(side as u64));
        if n_chunk.is_none_or(|bytes| bytes > MOST_CHUNK_BYTES) {
            return Err(self.damaged(place, "its chunks are larger than 256 MiB; write it with smaller chunks"));
        }
        Ok(dataset)
    }

    /// Whether the place is a link into another file.
    fn is_external(&self, place: &str) -> bool {
        let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
        let class = self.group(parent).and_then(|group| quietly(|| group.link_class(name).ok()).flatten());
        matches!(class, Some(LinkClass::External { .. }))
    }

    /// That something at a place of the file is wrong.
    pub fn damaged(&self, place: &str, message: &str) -> LoadError {
        damaged(&self.path, place, message)
    }
}

/// What is said where the reader itself fails.
const CONTRADICTION: &str = "its parts contradict each other; the file is damaged, fetch it or write it again";

fn broken(error: &rust_hdf5::Hdf5Error) -> String {
    format!("{error}; the file is cut short or damaged, fetch it or write it again")
}

fn damaged(path: &Path, place: &str, message: &str) -> LoadError {
    let place = if place.is_empty() { String::new() } else { format!("`{place}`: ") };
    LoadError::Decode { path: path.to_path_buf(), message: format!("{place}{message}") }
}

fn element_of(datatype: &DatatypeMessage) -> Element {
    match datatype {
        DatatypeMessage::FixedPoint { .. } => Element::Integer,
        DatatypeMessage::FloatingPoint { .. } => Element::Float,
        DatatypeMessage::FixedString { .. } | DatatypeMessage::VarLenString { .. } => Element::Text,
        DatatypeMessage::Compound { .. } => Element::Records,
        DatatypeMessage::Enum { base, .. } if base.element_size() == 1 => Element::Truth,
        other => Element::Other(other.to_string()),
    }
}

impl Dataset<'_> {
    /// Values along the first axis.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    fn n_element_bytes(&self) -> u64 {
        u64::from(self.datatype.element_size()).max(1)
    }

    fn check_claim(&self, ratio: u64) -> Result<(), LoadError> {
        let n_values = self.shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side as u64));
        let n_bytes = n_values.and_then(|n| n.checked_mul(self.n_element_bytes()));
        let most = FREE_BYTES.max(self.file.n_bytes.saturating_mul(ratio));
        if n_bytes.is_some_and(|n_bytes| n_bytes <= most) {
            return Ok(());
        }
        let shape = self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        let message = format!("it claims {shape} values, more than a file of {} bytes holds", self.file.n_bytes);
        Err(self.damaged(&message))
    }

    /// That something in the dataset is wrong.
    pub fn damaged(&self, message: &str) -> LoadError {
        self.file.damaged(&self.place, message)
    }

    /// Rows that are well read together, so that chunks are unpacked once: a multiple of a chunk's, of about `n_values`.
    pub fn rows_at_once(&self, n_values: usize) -> usize {
        let per_row: usize = self.shape.iter().skip(1).product::<usize>().max(1);
        let wanted = (n_values / per_row).max(1);
        match self.inner.chunk_dims().and_then(|sides| sides.first().copied()) {
            Some(side) if side > 0 => (wanted / side).max(1).saturating_mul(side),
            _ => wanted,
        }
    }

    /// Whole numbers of a stretch along the first axis of a dataset with one.
    pub fn integers(&self, rows: Range<usize>) -> Result<Vec<i64>, LoadError> {
        self.expect("whole numbers", &[Element::Integer])?;
        self.read(|dataset| dataset.read_numeric_slice_as(&[rows.start], &[rows.len()]))
    }

    /// Numbers of a stretch of rows, row by row, as single precision.
    pub fn numbers(&self, rows: Range<usize>) -> Result<Vec<f32>, LoadError> {
        self.expect("numbers", &[Element::Integer, Element::Float, Element::Truth])?;
        let (mut starts, mut counts) = (vec![0; self.shape.len()], self.shape.clone());
        (starts[0], counts[0]) = (rows.start, rows.len());
        match (&self.element, &self.datatype) {
            (Element::Truth, _) => {
                let bytes: Vec<u8> = self.read(|dataset| dataset.read_slice(&starts, &counts))?;
                Ok(bytes.into_iter().map(f32::from).collect())
            }
            (Element::Integer, DatatypeMessage::FixedPoint { signed: false, size: 8, .. }) => {
                let values: Vec<u64> = self.read(|dataset| dataset.read_numeric_slice_as(&starts, &counts))?;
                Ok(values.into_iter().map(|value| value as f32).collect())
            }
            (Element::Integer, _) => {
                let values: Vec<i64> = self.read(|dataset| dataset.read_numeric_slice_as(&starts, &counts))?;
                Ok(values.into_iter().map(|value| value as f32).collect())
            }
            (_, DatatypeMessage::FloatingPoint { size: 8, .. }) => {
                let values: Vec<f64> = self.read(|dataset| dataset.read_numeric_slice_as(&starts, &counts))?;
                Ok(values.into_iter().map(|value| value as f32).collect())
            }
            _ => self.read(|dataset| dataset.read_numeric_slice_as(&starts, &counts)),
        }
    }

    /// All values of a dataset with one axis.
    pub fn values(&self) -> Result<Values, LoadError> {
        self.check_claim(MAX_RATIO_WHOLE)?;
        if self.shape.len() != 1 {
            return Err(self.damaged(&format!("it has {} axes, expected one value for each row", self.shape.len())));
        }
        let all = 0..self.len();
        let values = match &self.element {
            Element::Integer => Values::Integers(self.integers(all)?),
            Element::Float => Values::Floats(self.read(|dataset| dataset.read_numeric_as())?),
            Element::Text => Values::Texts(self.texts()?),
            Element::Truth => Values::Truths(
                self.read(|dataset| dataset.read_raw::<u8>())?.into_iter().map(|byte| byte != 0).collect(),
            ),
            Element::Records => return Err(self.damaged("it holds records, expected single values")),
            Element::Other(what) => return Err(self.damaged(&format!("it holds {what}, which is not read"))),
        };
        match values.len() == self.len() {
            true => Ok(values),
            false => Err(self.damaged(&format!("it claims {} values and holds {}", self.len(), values.len()))),
        }
    }

    /// All texts of a dataset with one axis.
    pub fn texts(&self) -> Result<Vec<String>, LoadError> {
        self.expect("texts", &[Element::Text])?;
        self.check_claim(MAX_RATIO_WHOLE)?;
        let texts: Vec<String> = self.read(H5Dataset::read_strings)?;
        match texts.len() == self.len() {
            true => Ok(texts),
            false => Err(self.damaged(&format!("it claims {} texts and holds {}", self.len(), texts.len()))),
        }
    }

    /// Names of the fields of records, in their order.
    pub fn fields(&self) -> Vec<String> {
        match &self.datatype {
            DatatypeMessage::Compound { members, .. } => members.iter().map(|member| member.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// One field of all records; `None` where a field holds something that a table has not.
    pub fn field(&self, name: &str) -> Result<Option<Values>, LoadError> {
        self.check_claim(MAX_RATIO_WHOLE)?;
        let DatatypeMessage::Compound { size, members } = &self.datatype else {
            return Err(self.damaged("it holds single values, expected records"));
        };
        let Some(member) = members.iter().find(|member| member.name == name) else {
            return Err(self.damaged(&format!("no field `{name}`")));
        };
        let (start, width) = (member.offset as usize, member.datatype.element_size() as usize);
        if *size == 0 || start + width > *size as usize {
            return Err(self.damaged(&format!("its field `{name}` lies outside of the record")));
        }
        let bytes = self.read(H5Dataset::read_raw_bytes)?;
        let cells = bytes.chunks_exact(*size as usize).map(|record| &record[start..start + width]);
        Ok(match member.datatype {
            DatatypeMessage::FixedPoint { signed, .. } => {
                Some(Values::Integers(cells.map(|cell| integer(cell, signed)).collect()))
            }
            DatatypeMessage::FloatingPoint { size: 4, .. } => {
                let number = |cell: &[u8]| f64::from(f32::from_le_bytes(cell.try_into().expect("four bytes")));
                Some(Values::Floats(cells.map(number).collect()))
            }
            DatatypeMessage::FloatingPoint { size: 8, .. } => Some(Values::Floats(
                cells.map(|cell| f64::from_le_bytes(cell.try_into().expect("eight bytes"))).collect(),
            )),
            DatatypeMessage::FixedString { .. } => {
                let text = |cell: &[u8]| {
                    let end = cell.iter().position(|&byte| byte == 0).unwrap_or(cell.len());
                    std::str::from_utf8(&cell[..end]).map(str::to_owned)
                };
                let texts = cells.map(text).collect::<Result<Vec<_>, _>>();
                Some(Values::Texts(texts.map_err(|_| self.damaged(&format!("its field `{name}` is not UTF-8 text")))?))
            }
            DatatypeMessage::Enum { ref base, .. } if base.element_size() == 1 => {
                Some(Values::Truths(cells.map(|cell| cell[0] != 0).collect()))
            }
            _ => None,
        })
    }

    fn expect(&self, what: &str, elements: &[Element]) -> Result<(), LoadError> {
        if elements.contains(&self.element) {
            return Ok(());
        }
        Err(self.damaged(&format!("it holds {}, expected {what}", self.datatype)))
    }

    fn read<T>(&self, read: impl FnOnce(&H5Dataset) -> rust_hdf5::Result<T>) -> Result<T, LoadError> {
        match quietly(|| read(&self.inner)) {
            Some(Ok(values)) => Ok(values),
            Some(Err(error)) => Err(self.damaged(&broken(&error))),
            None => Err(self.damaged(CONTRADICTION)),
        }
    }
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Truths(values) => values.len(),
        }
    }

    /// The value at a place as a table writes it; `None` for a number that is not one.
    pub fn text(&self, place: usize) -> Option<String> {
        match self {
            Self::Integers(values) => Some(values[place].to_string()),
            Self::Floats(values) => Some(values[place]).filter(|value| !value.is_nan()).map(|value| value.to_string()),
            Self::Texts(values) => Some(values[place].clone()),
            Self::Truths(values) => Some(values[place].to_string()),
        }
    }
}

/// A little-endian integer of up to eight bytes.
fn integer(cell: &[u8], is_signed: bool) -> i64 {
    let fill = if is_signed && cell.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let mut bytes = [fill; 8];
    bytes[..cell.len().min(8)].copy_from_slice(&cell[..cell.len().min(8)]);
    i64::from_le_bytes(bytes)
}
