//! A folder alone: a pattern on the paths of its files tells what they are.
//!
//! ```text
//! source/PK-10B-pl1/Well-A003/Hoechst.jpeg
//! pattern = '(?<replicate>PK-\d+B)-pl(?<plate>\d+)/Well-(?<well>[A-P]\d+)/(?<channel>\w+)\.jpeg$'
//! ```
//!
//! The pattern is a regular expression that is searched for in the path relative to the folder, with `/` between
//! folders. Its groups called `plate`, `well`, `site`, `channel`, `time` and `z` say where a picture belongs; a well
//! may also be given as `row` and `column`, and a time as `00d06h30m` or `24h`. All other groups become columns, to
//! which the card's sheets are joined. Files that look like images and do not match are counted. Without a pattern the
//! names are read as instruments write them ([`names`]); where they say nothing, each image is a site of its own, named
//! by its path. Without a group for it the plate is called by the folder. A second pattern finds the label images
//! (`mask_pattern`). Hidden files and links to folders are not followed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::listing::{Listed, Listing, Row};
use super::names::{self, Reading};
use super::settings::{ImageSettings, Layout};
use super::{sheet, times};
use crate::load::error::{FileReading, LoadError};
use crate::load::table::{RawColumn, RawTable, RowPlace, Values};
use crate::load::wells;
use crate::screen::Plane;

/// The column of the plates.
pub(super) const PLATE: &str = "plate";

/// What there is to say where a plate has no name of its own.
pub(super) const PLATE_NOTE: &str = "the plate is named after the folder; name it with `plate = \"…\"` under [images], or with a group of the \
                                     pattern";

/// Deepest nesting of folders.
const MAX_DEPTH: usize = 32;

/// The images in a folder, or those that are given, and what the pattern says of them; the settings come back with the
/// pattern that was found.
///
/// # Errors
/// [`LoadError::FileNames`] if the names can be read in several ways.
pub(super) fn list(given: &[PathBuf], settings: &ImageSettings) -> Result<(Listing, ImageSettings), LoadError> {
    let first = given[0].as_path();
    let is_of_files = first.is_file();
    let folder = if is_of_files { first.parent().unwrap_or(first) } else { first };
    let files = if is_of_files { given.to_vec() } else { image_files(folder)? };
    let relative = |file: &Path| file.strip_prefix(folder).unwrap_or(file).to_string_lossy().replace('\\', "/");
    let (settings, told) = match &settings.pattern {
        Some(_) => (settings.clone(), None),
        None => by_names(folder, &files.iter().map(|file| relative(file)).collect::<Vec<_>>(), settings)?,
    };
    let pattern = settings.pattern.as_deref().map(|text| compiled(folder, text)).transpose()?;
    let mut columns = BTreeMap::<String, Vec<Option<String>>>::new();
    let names: Vec<&str> = match &pattern {
        Some(pattern) => pattern.capture_names().flatten().collect(),
        None => vec!["site"],
    };
    for name in &names {
        if !["channel", "time", "z"].contains(name) {
            columns.insert((*name).to_owned(), Vec::new());
        }
    }
    let mask_pattern = settings.mask_pattern.as_deref().map(|text| compiled(folder, text)).transpose()?;
    let mut masks = BTreeMap::<Groups, Plane>::new();
    let mut groups_of_rows = Vec::<Groups>::new();
    let (mut rows, mut paths, mut unmatched) = (Vec::new(), Vec::new(), Vec::new());
    let mut written_times = Vec::new();
    for file in files {
        let relative = relative(&file);
        if let Some(groups) = mask_pattern.as_ref().and_then(|pattern| groups(pattern, &relative)) {
            masks.entry(groups).or_insert_with(|| Plane::first_of(file));
            continue;
        }
        let captures = pattern.as_ref().map(|pattern| pattern.captures(&relative));
        let group = |name: &str| match &captures {
            Some(Some(captures)) => captures.name(name).map(|found| found.as_str().to_owned()),
            _ => (name == "site").then(|| relative.clone()),
        };
        if matches!(captures, Some(None)) {
            unmatched.push(relative);
            continue;
        }
        for (name, column) in &mut columns {
            column.push(group(name));
        }
        let number = |name: &str| -> Result<Option<i64>, LoadError> {
            let Some(text) = group(name) else { return Ok(None) };
            let wrong = || {
                super::pixels::bad(
                    &file,
                    format!("the group `{name}` of the pattern found {text:?}, expected a whole number"),
                )
            };
            text.parse::<i64>().map(Some).map_err(|_| wrong())
        };
        let time = group("time");
        if let Some(text) = time.as_deref().filter(|text| times::written(text).is_none()) {
            let message = format!(
                "the group `time` of the pattern found {text:?}, expected a number, or a time such as 00d06h30m or 24h"
            );
            return Err(super::pixels::bad(&file, message));
        }
        written_times.push(time);
        let listed = Listed::file(group("channel").unwrap_or_default(), number("z")?.unwrap_or(0), &file);
        groups_of_rows.push(pattern.as_ref().and_then(|pattern| groups(pattern, &relative)).unwrap_or_default());
        rows.push(Row { planes: vec![listed], time: None, pixel_um: settings.pixel_um, mask: None });
        paths.push(file);
    }
    if rows.is_empty() {
        return Err(LoadError::NothingLeft {
            path: folder.to_path_buf(),
            reasons: match (unmatched.len(), &settings.pattern) {
                (0, _) => "it holds no image files (.tif, .tiff, .png, .jpg, .jpeg)".to_owned(),
                (n, pattern) => format!("none of {n} images matches `{}`", pattern.as_deref().unwrap_or_default()),
            },
        });
    }
    for (row, time) in rows.iter_mut().zip(times::of(&written_times)) {
        row.time = time;
    }
    let words: Vec<String> =
        mask_pattern.iter().flat_map(|pattern| pattern.capture_names().flatten().map(str::to_owned)).collect();
    for (row, own) in rows.iter_mut().zip(&groups_of_rows).filter(|_| !words.is_empty()) {
        let shared = own.iter().filter(|(name, _)| words.contains(name));
        row.mask = masks.get(&shared.map(|(name, value)| (name.clone(), value.clone())).collect::<Groups>()).cloned();
    }
    // A group that is part of no name says nothing.
    columns.retain(|_, values| values.iter().any(Option::is_some));
    let mut notes: Vec<String> = told.into_iter().collect();
    if !columns.contains_key(PLATE) && settings.plate.is_none() {
        let plate =
            folder.canonicalize().ok().and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()));
        columns.insert(PLATE.to_owned(), vec![plate; rows.len()]);
        notes.push(PLATE_NOTE.to_owned());
    }
    let n_rows = rows.len();
    let columns = columns.into_iter().map(|(name, values)| RawColumn { name, values: Values::Text(values) });
    let table = RawTable {
        columns: columns.collect(),
        rows: (0..n_rows).map(|row| RowPlace { path: row as u32, line: 1 }).collect(),
        paths,
    };
    if pattern.is_none() {
        notes.push(
            "each image is a separate site; explain the file names with `pattern = '…'` under [images]".to_owned(),
        );
    }
    let n_skipped = unmatched
        .first()
        .map(|first| (format!("images that do not match the pattern (`{first}` and the like)"), unmatched.len()));
    let listing = Listing {
        layout: Layout::Folder,
        table: wells::with_wells(table),
        rows,
        channel_order: Vec::new(),
        used: Default::default(),
        inputs: Vec::new(),
        notes,
        n_skipped: n_skipped.into_iter().collect(),
    };
    Ok((listing, settings))
}

/// The settings with the pattern that the names of files are written by, if they say anything, and a word on it.
fn by_names(
    folder: &Path,
    names: &[String],
    settings: &ImageSettings,
) -> Result<(ImageSettings, Option<String>), LoadError> {
    match names::read(names) {
        Reading::Nothing => Ok((settings.clone(), None)),
        Reading::One(way) => {
            let how = match way.of.is_empty() {
                true => "by their parts".to_owned(),
                false => format!("as those of {}", way.of),
            };
            let masks = if way.mask_pattern.is_some() { ", and label images as masks" } else { "" };
            let note = format!(
                "names of files are read {how}: {}{masks}; if that is wrong, correct `pattern` under [images] in a card",
                way.what
            );
            let found = ImageSettings {
                pattern: Some(way.pattern),
                mask_pattern: settings.mask_pattern.clone().or(way.mask_pattern),
                ..settings.clone()
            };
            Ok((found, Some(note)))
        }
        Reading::Several(ways) => {
            let readings = ways.into_iter().map(|way| FileReading { pattern: way.pattern, what: way.what });
            Err(LoadError::FileNames { folder: folder.to_path_buf(), readings: readings.collect() })
        }
    }
}

/// What the groups of a pattern found, by their names.
type Groups = BTreeMap<String, String>;

fn groups(pattern: &Regex, relative: &str) -> Option<Groups> {
    let captures = pattern.captures(relative)?;
    let names = pattern.capture_names().flatten();
    Some(names.filter_map(|name| Some((name.to_owned(), captures.name(name)?.as_str().to_owned()))).collect())
}

fn compiled(folder: &Path, text: &str) -> Result<Regex, LoadError> {
    let card = |message: String| LoadError::Card { path: folder.to_path_buf(), message };
    let pattern = Regex::new(text).map_err(|error| card(format!("`pattern` is not a regular expression: {error}")))?;
    let names: Vec<&str> = pattern.capture_names().flatten().collect();
    if names.is_empty() {
        return Err(card("`pattern` has no named group; write (?<well>…), (?<channel>…) and the like".to_owned()));
    }
    Ok(pattern)
}

/// All image files under a folder, sorted by path.
pub(super) fn image_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = first_image_files(folder, usize::MAX)?;
    files.sort();
    Ok(files)
}

/// At most `n` image files under a folder, those that a walk by name meets first.
pub(super) fn first_image_files(folder: &Path, n: usize) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    walk(folder, 0, n, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, depth: usize, n: usize, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let io = |cause| LoadError::io(folder, cause);
    if depth > MAX_DEPTH {
        return Err(super::pixels::bad(folder, format!("folders are nested more than {MAX_DEPTH} deep")));
    }
    let mut entries = std::fs::read_dir(folder).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        if files.len() >= n {
            break;
        }
        let kind = entry.file_type().map_err(io)?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if kind.is_dir() && !is_hidden {
            walk(&entry.path(), depth + 1, n, files)?;
        } else if !is_hidden && sheet::is_image_name(&entry.file_name().to_string_lossy()) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
