//! Tables near images that may name what was applied, to be offered where no sheet does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::card::Card;
use super::gap::Offered;
use super::mapping::{ColumnRole, Mapping};
use super::table::ColumnSketch;
use super::{format, inputs, well_column};

/// Where is looked: in the folder, in those below it, and next to it.
const PLACES: [&str; 3] = ["*", "*/*", "../*"];

/// Tables that are looked into.
const MOST_LOOKED_AT: usize = 40;

/// The tables near images that name wells, or share another column with their sheet (of these `columns`), and may name
/// what was applied; those that were given and could not be joined among them, and not those that were read.
pub(super) fn sheets(folder: &Path, given: &[PathBuf], read: &[PathBuf], columns: &[ColumnSketch]) -> Vec<Offered> {
    let tables = |pattern: &&str| {
        let pattern = format!("{}/{pattern}", glob::Pattern::escape(&folder.to_string_lossy()));
        let found = glob::glob(&pattern).into_iter().flatten().filter_map(Result::ok);
        found.filter(|path| inputs::is_table(path)).collect::<Vec<_>>()
    };
    let mut near: Vec<PathBuf> = given.iter().filter(|path| inputs::is_table(path)).cloned().collect();
    for path in PLACES.iter().flat_map(tables) {
        let is_known = |known: &PathBuf| known.canonicalize().ok() == path.canonicalize().ok();
        if !near.iter().any(is_known) {
            near.push(path);
        }
    }
    let unread = near.into_iter().take(MOST_LOOKED_AT).filter(|path| !read.contains(path));
    unread.filter_map(|path| offered(path, folder, given, columns)).collect()
}

fn offered(path: PathBuf, folder: &Path, given: &[PathBuf], columns: &[ColumnSketch]) -> Option<Offered> {
    let sketches = format::sketch(&path, false).ok()?;
    let names: Vec<String> = sketches.iter().map(|sketch| sketch.name.clone()).collect();
    let mut mapping = Mapping::of_names(&path, &names, &Card::default()).ok()?;
    let is_usual = mapping.column(ColumnRole::Well).is_some();
    mapping.infer_well(well_column::sketched(&sketches), &Card::default());
    let well = mapping.column(ColumnRole::Well);
    let of_images: Vec<String> = columns.iter().map(|sketch| sketch.name.clone()).collect();
    let have_wells = Mapping::of_names(&path, &of_images, &Card::default())
        .is_ok_and(|mapping| of_images.is_empty() || mapping.column(ColumnRole::Well).is_some());
    let shared = columns.iter().map(|sketch| &sketch.name).find(|name| names.contains(name));
    let on = match well {
        // Where the images have a number instead of a well, that is the key.
        Some(_) if !have_wells && shared.is_some() => format!("[{:?}]", shared?),
        Some(_) if is_usual => "[\"well\"]".to_owned(),
        Some(column) => format!("[{{ table = \"well\", sheet = {column:?} }}]"),
        None => format!("[{:?}]", shared?),
    };
    let is_named = mapping.column(ColumnRole::Perturbation).is_some();
    let has_role = |name: &str| mapping.columns.iter().any(|mapped| mapped.column == name);
    let of_texts = sketches.iter().filter(|sketch| sketch.n_texts > sketch.n_numbers && sketch.values.len() > 1);
    let free: Vec<String> = of_texts.map(|sketch| sketch.name.clone()).filter(|name| !has_role(name)).collect();
    let is_measured = || {
        let mut mapping = mapping.clone();
        let found = mapping.find_features(&path, &sketches, &BTreeSet::new(), &Card::default());
        found.is_ok() && !mapping.features.is_empty()
    };
    // A screen of its own says nothing of these images.
    if !given.contains(&path) && is_measured() {
        return None;
    }
    if !is_named && (free.is_empty() || well.is_none()) {
        return None;
    }
    let inside = path.strip_prefix(folder).ok().map(|inside| inside.to_string_lossy().replace('\\', "/"));
    let shown = inside.unwrap_or_else(|| inputs::file_name(&path));
    Some(Offered { path, shown, on, names: if is_named { Vec::new() } else { free } })
}
