//! ImageXpress: the folders that MetaXpress exports.
//!
//! ```text
//! Projection-Mix/2023-02-21/1334/Projection-Mix_E07_s1_w1E94C24BD-45E4-450A-9919-257C714278F7.tif
//!                                Projection-Mix_E07_s1_w1_thumb4BFD4018-….tif       a thumbnail, left out
//!                                TimePoint_2/ZStep_3/Projection-Mix_E07_s1_w1….tif  a frame and a plane
//!                                Projection-Mix.HTD                                 names of the wavelengths
//! ```
//!
//! `_s` is left out by the instrument where wells have one site, `_w` where there is one wavelength. The plate is the
//! word before the well, or the folder where there is none; where several folders hold plates of one name, the folder is added. Files beside folders
//! called `ZStep_`, and those in `ZStep_0`, where MetaXpress exports them, are projections; they are taken where a channel
//! has no z steps in that site. Steps and times may also stand in the name (`_w1_z3_t1`). Channels are named as
//! in the HTD file, else `w1`, `w2`, ….

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use super::folder::{first_image_files, image_files};
use super::listing::{Listed, Listing, Row, Writer};
use super::pixels::bad;
use super::settings::Layout;
use crate::load::error::LoadError;
use crate::screen::Time;

/// Plate, well, site, wavelength, thumbnail.
const PATTERN: &str = concat!(
    r"^(?:(?<plate>.+)_)?(?<well>(?:[A-Pa-p]|[Q-Z]|A[A-F])[0-9]{2})(?:_s(?<site>[0-9]+))?(?:_w(?<channel>[0-9]{1,2}))?",
    r"(?:_z(?<z>[0-9]+))?(?:_t(?<time>[0-9]+))?(?<thumb>_(?i:thumb))?",
    r"(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?\.(?i:tiff?)$"
);

struct Found {
    file: PathBuf,
    plate: String,
    folder: PathBuf,
    well: String,
    site: String,
    channel: String,
    frame: i64,
    /// `None` for a projection.
    z: Option<i64>,
}

/// Whether a folder (or one of the first files below it) looks like an export.
pub(super) fn is_export(folder: &Path) -> bool {
    let pattern = Regex::new(PATTERN).expect("a tested pattern");
    let Ok(files) = first_image_files(folder, 20) else { return false };
    let name = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A well and a wavelength in the name are what tells it from other folders.
    let is_named = |file: &PathBuf| pattern.captures(&name(file)).is_some_and(|found| found.name("channel").is_some());
    !files.is_empty() && files.iter().all(is_named)
}

/// The images under a folder.
pub(super) fn list(folder: &Path) -> Result<Listing, LoadError> {
    let pattern = Regex::new(PATTERN).expect("a tested pattern");
    let (mut found, mut n_thumbs, mut n_other) = (Vec::new(), 0, 0);
    for file in image_files(folder)? {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match pattern.captures(&name) {
            None => n_other += 1,
            Some(captures) if captures.name("thumb").is_some() => n_thumbs += 1,
            Some(captures) => {
                let group = |name: &str| captures.name(name).map(|text| text.as_str().to_owned());
                let step = |word: &str| step_of(&file, word);
                let number = |name: &str| group(name).and_then(|text| text.parse::<i64>().ok());
                let folder = plate_folder(&file);
                let last = || folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                found.push(Found {
                    plate: group("plate").unwrap_or_else(last),
                    folder,
                    well: group("well").unwrap_or_default(),
                    site: group("site").unwrap_or_default(),
                    channel: format!("w{}", group("channel").unwrap_or_else(|| "1".to_owned())),
                    frame: step("TimePoint_").or(number("time")).unwrap_or(1),
                    z: step("ZStep_").or(number("z")).filter(|&z| z > 0),
                    file,
                });
            }
        }
    }
    if found.is_empty() {
        return Err(bad(folder, "no file is named as MetaXpress does (PLATE_A01_s1_w1….tif)"));
    }
    let folders: BTreeSet<(&str, &Path)> =
        found.iter().map(|found| (found.plate.as_str(), found.folder.as_path())).collect();
    let n_folders = |plate: &str| folders.iter().filter(|(other, _)| *other == plate).count();
    let plates: BTreeMap<PathBuf, String> = found
        .iter()
        .map(|found| {
            let last = found.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name =
                if n_folders(&found.plate) > 1 { format!("{}/{last}", found.plate) } else { found.plate.clone() };
            (found.folder.clone(), name)
        })
        .collect();
    let waves: BTreeMap<PathBuf, BTreeMap<String, String>> =
        plates.keys().map(|folder| (folder.clone(), wave_names(folder))).collect();
    let stacked: BTreeSet<(PathBuf, String, String, String, i64)> =
        found.iter().filter(|found| found.z.is_some()).map(Found::key).collect();
    let has_times = found.iter().map(|found| found.frame).collect::<BTreeSet<_>>().len() > 1;
    let (mut rows, mut n_projections) = (Vec::new(), 0);
    let mut writer = Writer::new(folder, &["plate", "well", "site"]);
    let mut order = BTreeMap::new();
    for found in &found {
        if found.z.is_none() && stacked.contains(&found.key()) {
            n_projections += 1;
            continue;
        }
        let channel = waves[&found.folder].get(&found.channel).unwrap_or(&found.channel).clone();
        order.entry(found.channel.clone()).or_insert_with(|| channel.clone());
        let listed = Listed::file(channel, found.z.unwrap_or(0), &found.file);
        let time = has_times.then_some(Time { frame: found.frame, hours: None });
        rows.push(Row { planes: vec![listed], time, pixel_um: None, mask: None });
        writer.push(1, [plates[&found.folder].clone(), found.well.clone(), found.site.clone()]);
    }
    let skipped = [
        ("thumbnails", n_thumbs),
        ("images not named in the way of MetaXpress", n_other),
        ("projections in addition to z steps", n_projections),
    ];
    Ok(Listing {
        layout: Layout::ImageXpress,
        table: writer.finish(),
        rows,
        channel_order: order.into_values().collect(),
        used: BTreeSet::new(),
        inputs: Vec::new(),
        notes: Vec::new(),
        n_skipped: skipped.iter().filter(|(_, n)| *n > 0).map(|&(reason, n)| (reason.to_owned(), n)).collect(),
    })
}

impl Found {
    fn key(&self) -> (PathBuf, String, String, String, i64) {
        (self.folder.clone(), self.well.clone(), self.site.clone(), self.channel.clone(), self.frame)
    }
}

/// The number in a folder's name such as `ZStep_3`.
fn step_of(file: &Path, word: &str) -> Option<i64> {
    file.iter().rev().skip(1).find_map(|part| part.to_string_lossy().strip_prefix(word)?.parse().ok())
}

/// The folder of a file, above those of time points and z steps.
fn plate_folder(file: &Path) -> PathBuf {
    let is_step = |name: &str| name.starts_with("TimePoint_") || name.starts_with("ZStep_");
    let mut folder = file.parent();
    while let Some(name) = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()) {
        if !is_step(&name) {
            break;
        }
        folder = folder.and_then(Path::parent);
    }
    folder.unwrap_or(Path::new("")).to_path_buf()
}

/// `"WaveName1", "DAPI"` in the HTD file of a plate's folder.
fn wave_names(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_htd = |path: &PathBuf| {
        path.extension().is_some_and(|end| end.eq_ignore_ascii_case("htd"))
            && path.metadata().is_ok_and(|about| about.is_file() && about.len() <= 64 << 20)
    };
    let mut htds: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_htd).collect();
    htds.sort();
    let Some(bytes) = htds.first().and_then(|path| std::fs::read(path).ok()) else { return BTreeMap::new() };
    let text = String::from_utf8_lossy(&bytes);
    let names = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(',')?;
        let number = key.trim().trim_matches('"').strip_prefix("WaveName")?;
        let name = value.trim().trim_matches('"');
        (!name.is_empty()).then(|| (format!("w{number}"), name.to_owned()))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_knows_the_names() {
        let pattern = Regex::new(PATTERN).unwrap();
        let check = |name: &str, expected: Option<[&str; 4]>| {
            let found = pattern.captures(name).filter(|found| found.name("thumb").is_none());
            let groups = found.map(|found| {
                ["plate", "well", "site", "channel"]
                    .map(|group| found.name(group).map_or("", |text| text.as_str()).to_owned())
            });
            assert_eq!(groups, expected.map(|groups| groups.map(str::to_owned)), "{name}");
        };
        check("P-1_x_E07_s2_w1E94C24BD-45E4-450A-9919-257C714278F7.tif", Some(["P-1_x", "E07", "2", "1"]));
        check("P_A01_w2.TIF", Some(["P", "A01", "", "2"]));
        check("P_A01.tif", Some(["P", "A01", "", ""]));
        check("P_AF48_s12_w11.TIF", Some(["P", "AF48", "12", "11"]));
        check("P_A01_s001_w1_z003_t002.tiff", Some(["P", "A01", "001", "1"]));
        // The first digits of what makes names unique are no part of the channel.
        check("P_A01_w112345678-45E4-450A-9919-257C714278F7.tif", Some(["P", "A01", "", "1"]));
        check("A01_s1_w2.tif", Some(["", "A01", "1", "2"]));
        check("P_E07_s1_w1_thumb4BFD4018-E675-475E-B5AB-2E959E6B6DA1.tif", None);
        check("image.tif", None);
    }
}
