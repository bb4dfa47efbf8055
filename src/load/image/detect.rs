//! Which layout lies in the files that were given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::settings::Layout;
use super::{folder, imagexpress, load_data, sheet};
use crate::load::card::Card;
use crate::load::error::LoadError;
use crate::load::mapping::{ColumnRole, Mapping};
use crate::load::source::Source;
use crate::load::table::ColumnSketch;
use crate::load::{compartments, format, inputs, walk};

/// A layout and the sheets, indices or folders it is read from.
pub(super) struct Detected {
    pub layout: Layout,
    pub paths: Vec<PathBuf>,
    /// Plate maps that were given with them or lie next to images, and that no card joins.
    pub sheets: Vec<PathBuf>,
}

/// Whether a source is one of images and not of profile tables: its card has a section `[images]`, or the paths lead to
/// an instrument's export, a zarr, a folder of images, or a table that names image files and holds no profile; and what
/// is given beside these are tables without measurements, such as plate maps.
///
/// # Errors
/// If the card cannot be read.
pub fn is_image_source(source: &Source) -> Result<bool, LoadError> {
    let card = source.effective_card()?;
    if card.images.is_some() {
        return Ok(true);
    }
    if source.files.is_empty() {
        return Ok(false);
    }
    let (images, others) = apart(&source.files);
    Ok(!images.is_empty() && others.iter().all(|path| may_be_plate_map(path)))
}

/// What leads to images, and what does not.
fn apart(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    paths.iter().cloned().partition(|path| leads_to_images(path))
}

fn leads_to_images(path: &Path) -> bool {
    match layout_of_path(path) {
        Some(_) => true,
        // A folder of profiles may have pictures beside them; a sheet that names the pictures tells which is meant.
        None if path.is_dir() => match tables_in(path).is_empty() {
            true => has_images(path) && (!inputs::holds_tables(path) || has_plate_maps_only(path)),
            // What CellProfiler exports names images that lie elsewhere, and holds what was measured in them.
            false => has_images(path) || !(holds_measurements(path) || compartments::are_in(path)),
        },
        None => path.is_file() && is_sheet_of_images(path),
    }
}

/// Whether a table holds no measurements, so that it says something of images.
fn may_be_plate_map(path: &Path) -> bool {
    const MOST_NUMBERS: usize = 8;
    let Ok(sketches) = format::sketch(path, false) else { return false };
    !sketches.iter().any(|sketch| sketch.is_measured || is_of_objects(&sketch.name))
        && numbers_without_role(path, &sketches) < MOST_NUMBERS
}

/// Whether all tables of a folder are plate maps of the images in it: they name wells as the images do, and hold hardly a
/// number that says nothing.
fn has_plate_maps_only(folder: &Path) -> bool {
    let maps = plate_maps_in(folder);
    let is_text = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "txt");
    let rest = inputs::matching(folder).unwrap_or_default().into_iter().filter(|path| !maps.contains(path));
    !maps.is_empty() && rest.into_iter().all(|path| is_text(&path))
}

/// The tables of a folder that name wells and what was applied to them.
fn plate_maps_in(folder: &Path) -> Vec<PathBuf> {
    let is_map = |path: &PathBuf| {
        let Ok(sketches) = format::sketch(path, false) else { return false };
        let names: Vec<String> = sketches.iter().map(|sketch| sketch.name.clone()).collect();
        let mapping = Mapping::of_names(path, &names, &Card::default()).unwrap_or_default();
        let has = |role| mapping.column(role).is_some();
        has(ColumnRole::Well)
            && (has(ColumnRole::Perturbation) || has(ColumnRole::Dose) || has(ColumnRole::Role))
            && numbers_without_role(path, &sketches) == 0
    };
    inputs::matching(folder).unwrap_or_default().into_iter().filter(is_map).collect()
}

/// The columns of a table that would be taken for measurements.
fn numbers_without_role(path: &Path, sketches: &[ColumnSketch]) -> usize {
    let names: Vec<String> = sketches.iter().map(|sketch| sketch.name.clone()).collect();
    let mut mapping = Mapping::of_names(path, &names, &Card::default()).unwrap_or_default();
    let found = mapping.find_features(path, sketches, &BTreeSet::new(), &Card::default());
    if found.is_ok() { mapping.features.len() } else { 0 }
}

/// The layout of the given paths, or else of the card's files.
pub(super) fn detect(given: &[PathBuf], card: &Card) -> Result<Detected, LoadError> {
    let all = paths(given, card)?;
    let (mut images, mut sheets) = if all.len() > 1 { apart(&all) } else { (all.clone(), Vec::new()) };
    if images.is_empty() {
        (images, sheets) = (all, Vec::new());
    }
    let mut found = layout_of(images, card)?;
    // Sheets of images say themselves what is known of them.
    let is_of_sheets = matches!(found.layout, Layout::Sheet | Layout::LoadData | Layout::Bbbc021 | Layout::Rxrx1);
    if card.join.is_empty() && !is_of_sheets {
        let folders = found.paths.iter().take(1).chain(given).filter(|path| path.is_dir());
        for map in folders.flat_map(|folder| plate_maps_in(folder)) {
            if !given.contains(&map) && !sheets.contains(&map) {
                sheets.push(map);
            }
        }
    }
    found.sheets = sheets;
    Ok(found)
}

fn layout_of(paths: Vec<PathBuf>, card: &Card) -> Result<Detected, LoadError> {
    let settings = card.images.clone().unwrap_or_default();
    let found = |layout: Layout, paths: Vec<PathBuf>| Detected { layout, paths, sheets: Vec::new() };
    let first = paths[0].clone();
    if let Some(layout) = settings.layout {
        return with_layout(layout, paths);
    }
    if settings.pattern.is_some() && first.is_dir() {
        return Ok(found(Layout::Folder, paths));
    }
    if let Some(layout) = layout_of_path(&first) {
        return with_layout(layout, paths);
    }
    if first.is_dir() {
        let tables = tables_in(&first);
        if tables.is_empty() {
            if walk::has_several_exports(&first) {
                return Err(LoadError::Folder { folder: first.clone(), holds: walk::holdings(&first) });
            }
            // OME-TIFFs in folders of their own, one for each well or plate, describe themselves.
            const LOOKED_AT: usize = 64;
            let images = folder::first_image_files(&first, LOOKED_AT)?;
            let is_ome_tiff = !images.is_empty() && images.iter().all(|path| is_ome_tiff(path));
            return Ok(found(if is_ome_tiff { Layout::OmeTiff } else { Layout::Folder }, paths));
        }
        return Ok(found(layout_of_table(&tables[0])?, tables));
    }
    Ok(found(layout_of_table(&first)?, paths))
}

fn with_layout(layout: Layout, paths: Vec<PathBuf>) -> Result<Detected, LoadError> {
    let index = |path: &PathBuf| -> Result<PathBuf, LoadError> {
        let index = match layout {
            Layout::Harmony => harmony_index(path),
            Layout::Cv8000 => file_named(path, |name| name.ends_with(".mlf")),
            _ => None,
        };
        Ok(index.unwrap_or_else(|| path.clone()))
    };
    Ok(Detected { layout, paths: paths.iter().map(index).collect::<Result<_, _>>()?, sheets: Vec::new() })
}

/// The layout that a path tells by itself.
fn layout_of_path(path: &Path) -> Option<Layout> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if path.is_file() {
        return match () {
            () if is_harmony_name(&name) => Some(Layout::Harmony),
            () if name.ends_with(".mlf") => Some(Layout::Cv8000),
            () if [".companion.ome", ".ome.tif", ".ome.tiff", ".ome.xml"].iter().any(|end| name.ends_with(end)) => {
                Some(Layout::OmeTiff)
            }
            () if sheet::is_image_name(&name) => Some(Layout::Folder),
            () => None,
        };
    }
    if !path.is_dir() {
        return None;
    }
    match () {
        () if [".zattrs", ".zgroup", "zarr.json"].iter().any(|name| path.join(name).is_file()) => Some(Layout::OmeZarr),
        () if harmony_index(path).is_some() => Some(Layout::Harmony),
        () if file_named(path, |name| name.ends_with(".mlf")).is_some() => Some(Layout::Cv8000),
        () if path.join("metadata.csv").is_file() && path.join("images").is_dir() => Some(Layout::Rxrx1),
        () if file_named(path, |name| name.ends_with(".companion.ome")).is_some() => Some(Layout::OmeTiff),
        () if imagexpress::is_export(path) => Some(Layout::ImageXpress),
        () if file_named(path, |name| name.ends_with(".ome.tif") || name.ends_with(".ome.tiff")).is_some() => {
            Some(Layout::OmeTiff)
        }
        () => None,
    }
}

fn is_ome_tiff(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    name.ends_with(".ome.tif") || name.ends_with(".ome.tiff")
}

fn layout_of_table(path: &Path) -> Result<Layout, LoadError> {
    let sketches = format::sketch(path, false)?;
    let names: Vec<&str> = sketches.iter().map(|sketch| sketch.name.as_str()).collect();
    Ok(match () {
        () if load_data::is_bbbc021(&names) => Layout::Bbbc021,
        () if load_data::is_load_data(&names) => Layout::LoadData,
        () => Layout::Sheet,
    })
}

/// Whether a table names image files and has no profile.
fn is_sheet_of_images(path: &Path) -> bool {
    let Ok(sketches) = format::sketch(path, false) else { return false };
    let words = ["file", "path", "image", "img", "url", "mask", "picture"];
    let may_be_path = |name: &str| words.iter().any(|word| name.to_lowercase().contains(word));
    let has_texts = sketches.iter().any(|sketch| sketch.n_texts > 0 && may_be_path(&sketch.name));
    if sketches.iter().any(|sketch| is_of_objects(&sketch.name) || sketch.is_measured) || !has_texts {
        return false;
    }
    format::read(path, &BTreeSet::new()).is_ok_and(|table| sheet::is_image_sheet(&table))
}

/// Whether a column is one of CellProfiler's measurements of objects.
fn is_of_objects(column: &str) -> bool {
    ["Cells_", "Nuclei_", "Cytoplasm_"].iter().any(|start| column.starts_with(start))
}

/// Whether a table of a folder holds measurements of objects.
fn holds_measurements(folder: &Path) -> bool {
    let holds = |path: &PathBuf| {
        let sketches = format::sketch(path, false).unwrap_or_default();
        sketches.iter().any(|sketch| is_of_objects(&sketch.name) && sketch.is_numeric())
    };
    inputs::matching(folder).unwrap_or_default().iter().any(holds)
}

/// What was given, with globs resolved; the card's files, or its folder if it names none.
fn paths(given: &[PathBuf], card: &Card) -> Result<Vec<PathBuf>, LoadError> {
    if given.is_empty() && card.files.is_empty() {
        return Ok(vec![card.folder()]);
    }
    let named: Vec<PathBuf> = match given {
        [] => card.files.iter().map(|entry| card.resolve(entry)).collect::<Result<_, _>>()?,
        given => given.to_vec(),
    };
    if named.iter().all(|path| path.exists()) {
        return Ok(named);
    }
    inputs::tables(card, given)
}

fn tables_in(folder: &Path) -> Vec<PathBuf> {
    let mut tables = inputs::matching(folder).unwrap_or_default();
    tables.retain(|path| is_sheet_of_images(path));
    tables
}

/// Whether an image lies in a folder or below it.
pub(in crate::load) fn has_images(folder: &Path) -> bool {
    folder::first_image_files(folder, 1).is_ok_and(|found| !found.is_empty())
}

/// Whether a folder is the export of an instrument or a container of images.
pub(in crate::load) fn has_layout(folder: &Path) -> bool {
    layout_of_path(folder).is_some()
}

fn is_harmony_name(name: &str) -> bool {
    name.starts_with("index") && name.ends_with(".xml")
}

/// The index in a folder or in the folder of images inside it.
fn harmony_index(path: &Path) -> Option<PathBuf> {
    let folders = [path.to_path_buf(), path.join("Images"), path.join("images")];
    folders.iter().find_map(|folder| file_named(folder, is_harmony_name))
}

/// The first file in a folder whose name in small letters satisfies `is_wanted`.
fn file_named(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .filter(|path| path.file_name().is_some_and(|name| is_wanted(&name.to_string_lossy().to_lowercase())))
        .collect();
    found.sort();
    found.into_iter().next()
}
