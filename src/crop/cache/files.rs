//! The files that images lie in: what tells that one has changed, and what it holds.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::crop::CropError;
use crate::load::{InputHash, hexadecimal};
use crate::screen::{ImageScreen, ImageSite, Plane};
use crate::table::FileError;

/// Folders within folders of a zarr array: one for each axis, and some.
const MAX_DEPTH: usize = 16;

/// The files of each site that no site before it uses; an array of zarr is a folder.
pub(super) fn first_used(screen: &ImageScreen, with_masks: bool) -> Vec<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut first = |site: &ImageSite| -> Vec<PathBuf> {
        let planes = planes(site, with_masks).map(|plane| plane.path.clone());
        planes.filter(|path| seen.insert(path.clone())).collect()
    };
    screen.sites.iter().map(&mut first).collect()
}

/// All that is read of a site.
pub(super) fn planes(site: &ImageSite, with_masks: bool) -> impl Iterator<Item = &Plane> {
    let mask = site.mask.as_ref().filter(|_| with_masks).map(|mask| &mask.plane);
    site.channels.iter().flatten().chain(mask)
}

/// Length and time of the last change, of all files of a folder; the same while nobody writes.
pub(super) fn stamp(path: &Path) -> String {
    let mut files = Vec::new();
    if !path.is_dir() {
        files.push(PathBuf::new());
    } else if within(path, Path::new(""), 0, &mut files).is_err() {
        return "unreadable".to_owned();
    }
    let (mut length, mut last) = (0u128, None);
    for file in &files {
        let Ok(about) = path.join(file).metadata().or_else(|_| path.metadata()) else { continue };
        length += u128::from(about.len());
        let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        last = last.max(changed);
    }
    format!("{} {length} {:?}", files.len(), last.map(|time| time.as_nanos()))
}

/// A text that is the same as long as the images of the sites at `rows` are, by length and time of change.
pub(crate) fn fingerprint(screen: &ImageScreen, rows: &[usize]) -> String {
    let of_site = |&row: &usize| -> String {
        let planes: Vec<&Plane> = planes(&screen.sites[row], false).collect();
        let files: BTreeSet<&Path> = planes.iter().map(|plane| plane.path.as_path()).collect();
        format!("{planes:?} {:?}", files.into_iter().map(stamp).collect::<Vec<_>>())
    };
    let of_sites: Vec<String> = rows.par_iter().map(of_site).collect();
    hexadecimal(&Sha256::digest(of_sites.concat()))
}

/// Name, length and SHA-256 of a file; of a folder those of what is in it.
pub(super) fn hash(path: &Path) -> Result<InputHash, CropError> {
    if !path.is_dir() {
        return Ok(InputHash::of(path).map_err(FileError::read(path))?);
    }
    let mut files = Vec::new();
    within(path, Path::new(""), 0, &mut files).map_err(FileError::read(path))?;
    let of_file = |file: &PathBuf| {
        let file = path.join(file);
        InputHash::of(&file).map_err(FileError::read(&file))
    };
    let hashes: Vec<_> = files.par_iter().map(of_file).collect();
    let hashes = hashes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let named = files.iter().zip(&hashes).map(|(file, hash)| (file.to_string_lossy().replace('\\', "/"), hash));
    Ok(together(&path.file_name().unwrap_or_default().to_string_lossy(), named))
}

/// One entry for several files, each under a name.
pub(super) fn together<'a>(name: &str, files: impl Iterator<Item = (String, &'a InputHash)>) -> InputHash {
    let (mut all, mut bytes) = (Sha256::new(), 0);
    for (name, InputHash { bytes: length, sha256, .. }) in files {
        all.update(format!("{sha256} {length} {name}\n"));
        bytes += length;
    }
    let sha256 = hexadecimal(&all.finalize());
    InputHash { name: name.to_owned(), bytes, sha256 }
}

/// The files below `inner` of `folder`, relative to it, in the order of their names.
fn within(folder: &Path, inner: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join(inner))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = inner.join(name);
        match folder.join(&path).is_dir() {
            false => files.push(path),
            true if depth < MAX_DEPTH => within(folder, &path, depth + 1, files)?,
            true => return Err(io::Error::other("folders within folders, deeper than those of an array")),
        }
    }
    Ok(())
}
