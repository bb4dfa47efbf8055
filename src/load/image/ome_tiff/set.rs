//! The files of a set: which there are, and which one a description means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use roxmltree::Node;

use super::{tiff_data, wrong};
use crate::load::error::LoadError;
use crate::load::image::folder;
use crate::load::image::listing::natural;
use crate::load::image::pixels::{self, Page, bad};
use crate::load::image::xml;

/// Whether a file is XML and not an image, by its name.
pub(super) fn is_companion(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.ends_with(".ome") || name.ends_with(".xml")
}

/// The given files, and those in given folders: companions first, since they describe the others.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let is_wanted = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
            let endings = [".companion.ome", ".ome.xml", ".ome.tif", ".ome.tiff"];
            path.is_file() && !name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
        };
        let entries = std::fs::read_dir(path).map_err(|cause| LoadError::io(path, cause))?;
        let mut inside: Vec<PathBuf> =
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_wanted).collect();
        if inside.is_empty() {
            inside = folder::image_files(path)?.into_iter().filter(is_wanted).collect();
        }
        inside.sort_by(|a, b| {
            let is_image = |path: &Path| !is_companion(path);
            is_image(a).cmp(&is_image(b)).then_with(|| natural(&a.to_string_lossy(), &b.to_string_lossy()))
        });
        files.extend(inside);
    }
    Ok(files)
}

/// The first page of an image, and its XML or that of a companion file.
fn opened(file: &Path) -> Result<(Option<Page>, Option<String>), LoadError> {
    if is_companion(file) {
        return Ok((None, Some(xml::read(file)?)));
    }
    let (page, description) = pixels::first_page(file)?;
    Ok((Some(page), description.filter(|text| text.contains("<OME") || text.contains(":OME"))))
}

/// What is known of the files beside the given ones.
pub(super) struct Beside {
    folders: BTreeSet<PathBuf>,
    /// UUIDs of the files that were looked at.
    uuids: BTreeMap<PathBuf, Option<String>>,
    /// All files in the folders, once one had to be searched for.
    by_uuid: Option<BTreeMap<String, PathBuf>>,
    /// The first pages of those that were looked at.
    first_pages: BTreeMap<PathBuf, Option<Page>>,
}

impl Beside {
    pub fn of(given: &[PathBuf]) -> Self {
        let folders = given.iter().map(|file| file.parent().unwrap_or(Path::new("")).to_path_buf()).collect();
        Self { folders, uuids: BTreeMap::new(), by_uuid: None, first_pages: BTreeMap::new() }
    }

    /// The XML of a companion file, or of a TIFF's first page; what else the file says is kept.
    pub fn text_of(&mut self, file: &Path) -> Result<String, LoadError> {
        let (page, text) = opened(file)?;
        self.first_pages.insert(file.to_path_buf(), page);
        self.uuids.insert(file.to_path_buf(), text.as_deref().and_then(root_uuid).map(str::to_owned));
        text.ok_or_else(|| {
            bad(file, "has no OME-XML in the description of its first page; give it in a sheet or folder")
        })
    }

    /// The file with this UUID: the one that has the name, the document itself, or any other.
    fn with_uuid(&mut self, uuid: &str, name: Option<&Path>, document: &Path) -> Option<PathBuf> {
        for file in name.into_iter().chain([document]) {
            let known = self.uuids.entry(file.to_path_buf()).or_insert_with(|| uuid_of(file));
            if known.as_deref() == Some(uuid) {
                return Some(file.to_path_buf());
            }
        }
        self.by_uuid.get_or_insert_with(|| uuids_in(&self.folders)).get(uuid).cloned()
    }

    /// The first page of an image, if it can be read.
    pub fn first_page(&mut self, file: &Path) -> Option<Page> {
        let read = || pixels::first_page(file).ok().map(|(page, _)| page);
        self.first_pages.entry(file.to_path_buf()).or_insert_with(read).clone()
    }
}

/// The files in folders by their UUIDs.
fn uuids_in(folders: &BTreeSet<PathBuf>) -> BTreeMap<String, PathBuf> {
    let is_wanted = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        ["tif", "tiff", "ome", "xml"].contains(&ending.as_str()) && path.is_file()
    };
    let inside = |folder: &PathBuf| {
        let read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(read).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| folder.join(entry.file_name())).filter(is_wanted).collect::<Vec<_>>()
    };
    let mut files: Vec<PathBuf> = folders.iter().flat_map(inside).collect();
    // Of copies the last one stays, which is the first by name.
    files.sort_by(|a, b| b.cmp(a));
    let uuids: Vec<Option<String>> = files.par_iter().map(|file| uuid_of(file)).collect();
    uuids.into_iter().zip(files).filter_map(|(uuid, file)| Some((uuid?, file))).collect()
}

/// The UUID of a file; of one that cannot be read there is none, and its fault is told where it is needed.
fn uuid_of(file: &Path) -> Option<String> {
    root_uuid(&opened(file).ok()?.1?).map(str::to_owned)
}

/// The UUID of the document, read from its first element alone.
fn root_uuid(text: &str) -> Option<&str> {
    let start = text.match_indices("OME").map(|(at, _)| at).find(|&at| {
        let before = text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let before = if before.len() < at { before.strip_suffix(':').unwrap_or(before) } else { before };
        (before.ends_with('<') || before.ends_with(':')) && text[at + 3..].starts_with(|c: char| c.is_whitespace())
    })?;
    let element = &text[start..];
    let element = &element[..element.find('>')?];
    let (_, value) = element.split_once("UUID")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c))?;
    value[1..].split(quote).next().map(str::trim).filter(|uuid| !uuid.is_empty())
}

/// The file that describes one with pixels only.
pub(super) fn metadata_file(file: &Path, binary: Node<'_, '_>, known: &mut Beside) -> Result<PathBuf, LoadError> {
    let named = xml::attribute(binary, "MetadataFile").map(|name| beside(file, binary, name));
    let uuid = xml::attribute(binary, "UUID");
    let found = uuid.and_then(|uuid| {
        let name = named.as_ref().and_then(|named| named.as_ref().ok());
        known.with_uuid(uuid, name.map(PathBuf::as_path), file)
    });
    match (found, named) {
        (Some(found), _) => Ok(found),
        (None, Some(named)) => named,
        (None, None) => Err(wrong(file, binary, "names no `MetadataFile` that describes it".to_owned())),
    }
}

/// The file of each `TiffData` of an image.
pub(super) fn data_files(file: &Path, pixels: Node<'_, '_>, known: &mut Beside) -> Result<Vec<PathBuf>, LoadError> {
    let mut of = |data: Node<'_, '_>| {
        let Some(element) = xml::all(data, "UUID").next() else { return Ok(file.to_path_buf()) };
        let named = xml::attribute(element, "FileName").map(|name| beside(file, data, name));
        let uuid = element.text().map(str::trim).filter(|uuid| !uuid.is_empty());
        let name = named.as_ref().and_then(|named| named.as_ref().ok()).map(PathBuf::as_path);
        // A companion with the UUID of its images has no pages.
        let found = uuid.and_then(|uuid| known.with_uuid(uuid, name, file)).filter(|found| !is_companion(found));
        match (found, named) {
            (Some(found), _) => Ok(found),
            (None, Some(named)) => named,
            (None, None) => Ok(file.to_path_buf()),
        }
    };
    tiff_data(pixels).map(&mut of).collect()
}

fn beside(file: &Path, data: Node<'_, '_>, name: &str) -> Result<PathBuf, LoadError> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !is_plain || name.contains('\\') {
        return Err(wrong(
            file,
            data,
            format!("`{name}` leaves the folder of the XML; expected the name of a file in it"),
        ));
    }
    Ok(file.parent().unwrap_or(Path::new("")).join(name))
}
